//! What goes out: jobs and returns in Salt's form.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::Dialect;
use crate::json::ascii;

/// Longest value of a return that is written, in bytes as the tables have it: it stands in a row twice, beside arguments, and a packet
/// of MariaDB holds 16 MiB.
const VALUE_BYTES_MAX: usize = 7 << 20;
/// How much longer a text may be in the tables: a control character in what is no JSON becomes six.
const GROWTH_MAX: usize = 6;
/// What a TIMESTAMP of MySQL holds, in milliseconds since 1970.
const MYSQL_TIMES: std::ops::RangeInclusive<u64> = 1_000..=2_147_483_647_000;

/// Rows that go out together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// The last change of the hub that it holds; the hub's mark after it.
    pub through: u64,
    /// New jobs.
    pub jobs: Vec<Job>,
    /// New returns.
    pub returns: Vec<Return>,
}

/// A job as it was ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub jid: String,
    /// The function.
    pub fun: String,
    /// Positional arguments, and last the map of the named ones as Salt marks it.
    pub arg: Vec<Value>,
    /// The target.
    pub tgt: String,
    /// How the target is written: `glob`, `compound`.
    pub tgt_type: &'static str,
    /// Who ordered it.
    pub user: String,
    /// The id of the hub that took it.
    pub origin: String,
}

/// What a minion answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// The job.
    pub jid: String,
    /// The minion.
    pub id: String,
    /// The function.
    pub fun: String,
    /// The job's arguments.
    pub fun_args: Arc<[Value]>,
    /// The value, as JSON text.
    pub value: Arc<str>,
    /// Exit code.
    pub retcode: i32,
    /// False when the function raised an error, or its code is not 0.
    pub success: bool,
    /// When it ended, in milliseconds since 1970.
    pub ended: u64,
}

impl Job {
    /// The column `load`.
    pub(crate) fn load(&self) -> Value {
        json!({
            "cmd": "publish", "jid": self.jid, "fun": self.fun, "arg": self.arg, "tgt": self.tgt,
            "tgt_type": self.tgt_type, "ret": "", "user": self.user, "origin": self.origin,
        })
    }
}

impl Return {
    /// The column `return`. A value that is too long is named, with where it is found whole.
    pub(crate) fn value(&self) -> Value {
        // What is no JSON is kept as text: nothing is lost.
        let value = serde_json::from_str(&self.value)
            .unwrap_or_else(|_| Value::String(self.value.to_string()));
        let bytes = self.value.len();
        if bytes > VALUE_BYTES_MAX / GROWTH_MAX && ascii(&value, false).len() > VALUE_BYTES_MAX {
            return Value::String(format!(
                "{bytes} bytes, too long for the job cache: `jobs show {}` has them",
                self.jid
            ));
        }
        value
    }

    /// The column `full_ret`.
    pub(crate) fn full(&self) -> Value {
        let mut full = Map::new();
        full.insert("cmd".into(), "_return".into());
        full.insert("id".into(), self.id.clone().into());
        full.insert("jid".into(), self.jid.clone().into());
        full.insert("fun".into(), self.fun.clone().into());
        full.insert("fun_args".into(), self.fun_args.to_vec().into());
        full.insert("return".into(), self.value());
        full.insert("retcode".into(), self.retcode.into());
        full.insert("success".into(), self.success.into());
        full.insert(
            "_stamp".into(),
            stamp(self.ended, "%Y-%m-%dT%H:%M:%S.%6f").into(),
        );
        Value::Object(full)
    }
}

/// The time of a row. One that a column can't hold, of a host whose clock is wrong, becomes the nearest that it can.
pub(crate) fn row_time(dialect: Dialect, millis: u64) -> String {
    match dialect {
        Dialect::Mysql => {
            let (first, last) = (*MYSQL_TIMES.start(), *MYSQL_TIMES.end());
            stamp(millis.clamp(first, last), "%Y-%m-%d %H:%M:%S")
        }
        Dialect::Pgjsonb | Dialect::Postgres => stamp(millis, "%Y-%m-%d %H:%M:%S.%3f+00"),
    }
}

/// A time in UTC.
pub(crate) fn stamp(millis: u64, form: &str) -> String {
    let time = i64::try_from(millis)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .unwrap_or_default();
    time.strftime(form).to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn answer() -> Return {
        Return {
            jid: "20261128093000000000".to_owned(),
            id: "web1".to_owned(),
            fun: "test.ping".to_owned(),
            fun_args: Arc::default(),
            value: "true".into(),
            retcode: 0,
            success: true,
            ended: 1_700_000_000_000,
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_named() {
        let mut answer = answer();
        answer.value = format!("\"{}\"", "a".repeat(VALUE_BYTES_MAX)).into();
        let text = answer.full()["return"].to_string();
        assert!(text.contains("jobs show 20261128093000000000"), "{text}");
    }
}
