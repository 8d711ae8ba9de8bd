//! One call of a runner: its arguments as the runner reads them, what it answers, and why it does not.

use std::pin::Pin;

use access::Area;
use data::python;
use data::signature::Bound;
use serde_json::{Value, json};
use targeting::Target;
use wire::Jid;
use wire::control::{Failure, FailureKind, RunAsk};

use super::Kind;
use crate::caller::Caller;
use crate::engine::EngineGone;
use crate::service::Service;

/// What a runner answers.
pub(crate) struct Answer {
    pub(super) value: Value,
    /// 0 when all is well, as Salt's runners count it.
    pub(super) retcode: i32,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer { value, retcode: 0 }
    }
}

/// Why a runner does not answer.
pub(crate) enum Trouble {
    /// What was asked makes no sense, or can't be.
    Failure(Failure),
    /// The hub's own fault.
    Broken(anyhow::Error),
}

impl Trouble {
    /// The question makes no sense.
    pub(super) fn usage(text: impl Into<String>) -> Trouble {
        Trouble::Failure(Failure::new(FailureKind::Usage, text))
    }

    /// It can't be, here and now.
    pub(super) fn refused(text: impl Into<String>) -> Trouble {
        Trouble::Failure(Failure::new(FailureKind::Refused, text))
    }

    /// What it is about is not there.
    pub(super) fn absent(text: impl Into<String>) -> Trouble {
        Trouble::Failure(Failure::new(FailureKind::NotFound, text))
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failure(failure)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Trouble {
        Trouble::Broken(error)
    }
}

impl From<EngineGone> for Trouble {
    fn from(gone: EngineGone) -> Trouble {
        Trouble::Broken(gone.into())
    }
}

/// What every runner gives.
pub(crate) type Answered = Result<Answer, Trouble>;
/// The same, under way.
pub(super) type Answering<'a> = Pin<Box<dyn Future<Output = Answered> + Send + 'a>>;

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    /// Whose rights count.
    pub(crate) caller: &'a Caller,
    /// Who asks, by name.
    pub(crate) user: &'a str,
    pub(crate) jid: Jid,
    pub(crate) kind: Kind,
    /// The name of the function.
    pub(crate) fun: &'static str,
    pub(crate) args: Bound<'a>,
}

impl Call<'_> {
    pub(super) fn value(&self, name: &str) -> &Value {
        self.args.value(name)
    }

    /// An argument as text; numbers and truths as Python writes them.
    pub(super) fn text(&self, name: &str) -> Result<String, Trouble> {
        match self.value(name) {
            Value::Array(_) | Value::Object(_) | Value::Null => {
                Err(Trouble::usage(format!("{name} has to be a text")))
            }
            value => Ok(python::text(value)),
        }
    }

    /// As [`Call::text`], None where it is not given.
    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, Trouble> {
        match self.value(name) {
            Value::Null => Ok(None),
            _ => self.text(name).map(Some),
        }
    }

    /// Python's truth of an argument.
    pub(super) fn flag(&self, name: &str) -> bool {
        python::truthy(self.value(name))
    }

    /// An argument as a number of seconds, fractions allowed; None where it is not given.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<std::time::Duration>, Trouble> {
        let seconds = match self.value(name) {
            Value::Null => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_f64(),
        };
        seconds
            .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
            .map(Some)
            .ok_or_else(|| Trouble::usage(format!("{name} has to be a number of seconds")))
    }

    /// An argument as texts: a list, or text with commas; none where it is not given.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        python::texts(self.value(name))
    }

    /// The id of a job.
    pub(super) fn jid_of(&self, name: &str) -> Result<Jid, Trouble> {
        let text = self.text(name)?;
        text.trim().parse().map_err(|()| {
            Trouble::usage(format!(
                "{name}: {text:?} is no job id, which has twenty digits"
            ))
        })
    }

    /// Refuses an argument of Salt that can't mean anything here.
    pub(super) fn refuse(&self, name: &str, why: &str) -> Result<(), Trouble> {
        match self.flag(name) {
            true => Err(Trouble::usage(format!("{name} is not served: {why}"))),
            false => Ok(()),
        }
    }

    /// Refuses a caller who has no rule for this.
    pub(super) fn needs(&self, area: Area) -> Result<(), Trouble> {
        match self.service.allows(self.caller, area) {
            true => Ok(()),
            false => Err(Trouble::refused(format!(
                "{} may not do this: no rule has {}",
                self.user,
                area.as_str()
            ))),
        }
    }

    /// The target of the arguments `tgt` and `tgt_type`.
    pub(super) fn target(&self) -> Result<Target, Trouble> {
        let ask = self.ask(self.value("tgt"), &self.text("tgt_type")?)?;
        Ok(self.service.jobs.target(&ask)?)
    }

    /// A job for this target, in Salt's words, without a function yet.
    pub(super) fn ask(&self, tgt: &Value, tgt_type: &str) -> Result<RunAsk, Trouble> {
        let target = match tgt {
            Value::Array(_) => python::texts(tgt).join(","),
            Value::Object(_) | Value::Null => {
                return Err(Trouble::usage(
                    "the target has to be a text or a list of ids",
                ));
            }
            text => python::text(text),
        };
        let target_kind = match (tgt, tgt_type) {
            (Value::Array(_), "glob") => "list".to_owned(),
            (_, kind) => kind.replace('_', "-"),
        };
        Ok(RunAsk {
            target,
            target_kind,
            ..RunAsk::of(self.user.to_owned())
        })
    }

    /// Tells readers of events how far the call is.
    pub(super) fn progress(&self, message: &str) {
        let data = json!({ "message": message });
        self.service.announce(self.kind, self.jid, "progress", data);
    }
}
