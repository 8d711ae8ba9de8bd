//! The returns that a minion keeps since their origin does not have them yet, and how much of them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wire::limits::MAX_RETURN;
use wire::{Json, Return};

/// A value up to this long is kept in any case: what would stand in its place is hardly shorter.
const KEPT_ANYWAY_BYTES: usize = 1 << 10;
/// Characters of a value that an overflow record shows.
const HEAD_CHARS: usize = 256;

/// Counts the bytes of kept values against their bound.
#[derive(Debug)]
pub(crate) struct Spool {
    bytes_max: u64,
    bytes: u64,
}

impl Spool {
    pub(crate) fn new(bytes_max: u64) -> Spool {
        Spool {
            bytes_max,
            bytes: 0,
        }
    }

    /// Takes a return in. One for which there is no room keeps all but its value, in whose place an overflow record says
    /// what it was.
    pub(crate) fn keep(&mut self, mut ret: Return) -> Return {
        let needed = self.bytes + ret.value.len() as u64;
        if needed > self.bytes_max && ret.value.len() > KEPT_ANYWAY_BYTES {
            ret.value = overflow(&ret.value, self.bytes_max);
        }
        self.restore(ret.value.len() as u64);
        ret
    }

    /// Counts a value that the journal has.
    pub(crate) fn restore(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// The origin has a value of so many bytes.
    pub(crate) fn settle(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    /// Why no further job is to begin: one return of the longest sort would have no room.
    pub(crate) fn objection(&self) -> Option<String> {
        (self.bytes + MAX_RETURN as u64 > self.bytes_max).then(|| {
            format!(
                "returns of {} bytes wait for the origins of their jobs, and spool_bytes_max is {}",
                self.bytes, self.bytes_max
            )
        })
    }
}

/// What stands in place of a value: its true size and hash. A value that is the mark of a longer one says those itself.
fn overflow(value: &Json, bytes_max: u64) -> Json {
    let parsed: Option<Value> = serde_json::from_slice(value).ok();
    let mark = parsed.as_ref().filter(|v| v["truncated"] == true);
    let (bytes, sha256, head) = match (mark, &parsed) {
        (Some(mark), _) => (
            mark["bytes"].clone(),
            mark["sha256"].clone(),
            mark["head"].as_str(),
        ),
        (None, Some(Value::String(text))) => measured(text.as_bytes(), Some(text)),
        (None, _) => measured(value, std::str::from_utf8(value).ok()),
    };
    let head: String = head.unwrap_or_default().chars().take(HEAD_CHARS).collect();
    let record = json!({
        "truncated": true,
        "overflow": format!("the minion keeps returns of at most {bytes_max} bytes for their origins (spool_bytes_max)"),
        "bytes": bytes,
        "sha256": sha256,
        "head": head,
    });
    record.to_string().into_bytes().into()
}

fn measured<'v>(bytes: &[u8], head: Option<&'v str>) -> (Value, Value, Option<&'v str>) {
    let sum: String = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    (json!(bytes.len()), json!(sum), head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ret(value: &Value) -> Return {
        Return {
            jid: "20261122223700000001".parse().unwrap(),
            retcode: 3,
            success: false,
            value: value.to_string().into_bytes().into(),
            started: 1,
            duration_ms: 2,
        }
    }

    #[test]
    fn the_bound_is_never_exceeded_by_more_than_records() {
        let big = json!("x".repeat(600_000));
        let mut spool = Spool::new(1_000_000);
        let first = spool.keep(ret(&big));
        assert_eq!(first, ret(&big));
        let second = spool.keep(ret(&big));
        assert_eq!((second.retcode, second.success), (3, false));
        let record: Value = serde_json::from_slice(&second.value).unwrap();
        assert_eq!(record["truncated"], true);
        assert_eq!(record["bytes"], 600_000);
        let sum = measured("x".repeat(600_000).as_bytes(), None).1;
        assert_eq!(record["sha256"], sum);
        assert_eq!(record["head"].as_str().unwrap().len(), HEAD_CHARS);
        assert!(spool.bytes < 601_000, "{}", spool.bytes);
        // A short one is as good as its record.
        assert_eq!(spool.keep(ret(&json!(true))), ret(&json!(true)));
        spool.settle(first.value.len() as u64);
        assert_eq!(spool.keep(ret(&big)), ret(&big));
    }

    #[test]
    fn a_value_that_was_cut_before_keeps_its_first_size_and_hash() {
        let head = "y".repeat(2_000);
        let cut = json!({"truncated": true, "bytes": 1u64 << 30, "sha256": "ab", "head": head, "tail": head});
        let record: Value = serde_json::from_slice(&Spool::new(0).keep(ret(&cut)).value).unwrap();
        assert_eq!(record["bytes"], 1u64 << 30);
        assert_eq!(record["sha256"], "ab");
        assert_eq!(record["head"], "y".repeat(HEAD_CHARS));
    }

    #[test]
    fn jobs_are_refused_while_one_return_more_would_not_fit() {
        let mut spool = Spool::new(2 * MAX_RETURN as u64);
        assert_eq!(spool.objection(), None);
        let kept = spool.keep(ret(&json!("x".repeat(MAX_RETURN))));
        assert!(spool.objection().unwrap().contains("spool_bytes_max"));
        spool.settle(kept.value.len() as u64);
        assert_eq!(spool.objection(), None);
    }
}
