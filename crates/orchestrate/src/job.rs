//! `salt.state` and `salt.function`: jobs on minions, and what they came to.

use std::collections::BTreeSet;

use data::python::{self, text, truthy};
use serde_json::{Map, Value, json};
use sls::compile::Return;
use wire::choice::Choice;
use wire::control::{Ledger, RunAsk};
use wire::{Amount, BatchPlan, Presence, StopOn, StopRule, StopScope};

use crate::outcome::{self, Said, has_changes, is_success};
use crate::{Deed, State, returned};

/// Longest time that minions may be given to begin, in seconds.
const TIMEOUT_S_MAX: f64 = 30.0 * 86_400.0;

pub(crate) const STATE: &str = "name, tgt, ssh=False, tgt_type='glob', ret='', ret_config=None, ret_kwargs=None, highstate=None, sls=None, \
     top=None, saltenv=None, test=None, pillar=None, pillarenv=None, expect_minions=True, exclude=None, fail_minions=None, \
     allow_fail=0, concurrent=False, timeout=None, batch=None, queue=False, subset=None, orchestration_jid=None, failhard=None, \
     **kwargs";

pub(crate) const FUNCTION: &str = "name, tgt, ssh=False, tgt_type='glob', ret='', ret_config=None, ret_kwargs=None, expect_minions=True, \
     fail_minions=None, fail_function=None, arg=None, kwarg=None, timeout=None, batch=None, subset=None, failhard=None, **kwargs";

/// Arguments of Salt's that nothing here can do.
const REFUSED: &[(&str, &str)] = &[
    ("ssh", "minions are reached over their hubs"),
    ("roster", "minions are reached over their hubs"),
    ("ret", "returns go to the job caches of the settings"),
    ("ret_config", "returns go to the job caches of the settings"),
    ("ret_kwargs", "returns go to the job caches of the settings"),
    (
        "fail_function",
        "a hub has no execution functions: the function itself has to fail",
    ),
];

/// A job that a state wants.
#[derive(Debug)]
pub struct Order {
    /// What is asked for, by nobody yet.
    pub ask: RunAsk,
    /// Says what came of it.
    pub judge: Judge,
}

/// Judges what came of a job.
#[derive(Debug, Clone)]
pub struct Judge {
    name: String,
    /// Whether the job applies states, and not another function.
    is_of_states: bool,
    is_test: bool,
    /// Whether minions that do not return are failures.
    expects_minions: bool,
    /// Minions that may fail.
    may_fail: BTreeSet<String>,
    /// So many more may.
    allow_fail: usize,
    warnings: Vec<String>,
}

impl Order {
    /// What Salt tells of it before it goes out.
    pub fn told(&self) -> Map<String, Value> {
        let read = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_default();
        let told = json!({
            "type": if self.judge.is_of_states { "state" } else { "function" },
            "name": self.judge.name,
            "tgt": self.ask.target,
            "args": {
                "arg": read(&self.ask.args),
                "kwarg": read(&self.ask.kwargs),
                "tgt_type": self.ask.target_kind.replace('-', "_"),
            },
        });
        match told {
            Value::Object(told) => told,
            _ => Map::new(),
        }
    }
}

pub(crate) fn state(state: &State<'_>) -> Result<Deed, String> {
    let allow_fail = match state.value("allow_fail") {
        Value::String(word) => word.trim().parse().ok(),
        Value::Bool(is_one) => Some(usize::from(*is_one)),
        value => value.as_u64().and_then(|count| usize::try_from(count).ok()),
    };
    let Some(allow_fail) = allow_fail else {
        return Err("Passed invalid value for 'allow_fail', must be an int".to_owned());
    };
    refuse(state)?;
    let (fun, args) = if state.is_set("highstate") {
        ("state.highstate", vec![])
    } else if state.is_set("top") {
        ("state.top", vec![state.value("top").clone()])
    } else if state.is_set("sls") {
        ("state.sls", vec![json!(joined(state.value("sls")))])
    } else {
        return Err("No highstate or sls specified, no execution made".to_owned());
    };
    let Value::Bool(concurrent) = state.value("concurrent") else {
        return Err("Must pass in boolean for value of 'concurrent'".to_owned());
    };
    let said = |name: &str| Some(state.value(name)).filter(|value| !value.is_null());
    let mut kwargs = Map::new();
    let test = said("test")
        .cloned()
        .or(state.is_test.then_some(Value::Bool(true)));
    kwargs.extend(test.clone().map(|test| ("test".to_owned(), test)));
    if state.is_set("pillar") {
        kwargs.insert("pillar".to_owned(), state.value("pillar").clone());
    }
    for name in ["pillarenv", "saltenv", "exclude"] {
        kwargs.extend(said(name).map(|value| (name.to_owned(), value.clone())));
    }
    kwargs.insert("queue".to_owned(), state.value("queue").clone());
    kwargs.insert("concurrent".to_owned(), json!(concurrent));
    let judge = Judge {
        is_of_states: true,
        is_test: state.is_test || test.is_some_and(|test| truthy(&test)),
        allow_fail,
        ..judge(state)
    };
    let ask = ask(state, fun, &json!(args), kwargs)?;
    Ok(Deed::Order(Box::new(Order { ask, judge })))
}

pub(crate) fn function(state: &State<'_>) -> Result<Deed, String> {
    refuse(state)?;
    let mut judge = judge(state);
    let args = match state.value("arg") {
        Value::Null => json!([]),
        Value::String(words) => {
            judge
                .warnings
                .push("Please specify 'arg' as a list of arguments.".to_owned());
            json!(words.split_whitespace().collect::<Vec<_>>())
        }
        list @ Value::Array(_) => list.clone(),
        _ => return Err("arg has to be a list of arguments".to_owned()),
    };
    let kwargs = match state.value("kwarg") {
        Value::Null => Map::new(),
        Value::Object(kwargs) => kwargs.clone(),
        _ => return Err("kwarg has to be a dictionary".to_owned()),
    };
    let fun = state.name();
    if state.is_test {
        let target = target(state.value("tgt"));
        let comment = format!("Function {fun} would be executed on target {target}");
        return Ok(Deed::None(returned(None, comment)));
    }
    let ask = ask(state, &fun, &args, kwargs)?;
    Ok(Deed::Order(Box::new(Order { ask, judge })))
}

fn refuse(state: &State<'_>) -> Result<(), String> {
    let is_said =
        |name: &str| state.is_set(name) || state.args.extra_kwargs.get(name).is_some_and(truthy);
    match REFUSED.iter().find(|(name, _)| is_said(name)) {
        Some((name, reason)) => Err(format!("{name} is not served: {reason}")),
        None => Ok(()),
    }
}

fn judge(state: &State<'_>) -> Judge {
    let mut warnings = Vec::new();
    let may_fail = match state.value("fail_minions") {
        Value::Null => BTreeSet::new(),
        Value::String(ids) => ids.split(',').map(|id| id.trim().to_owned()).collect(),
        Value::Array(ids) => ids.iter().map(text).collect(),
        _ => {
            warnings.push(
                "'fail_minions' needs to be a list or a comma separated string. Ignored."
                    .to_owned(),
            );
            BTreeSet::new()
        }
    };
    Judge {
        name: state.name(),
        is_of_states: false,
        is_test: state.is_test,
        expects_minions: state.is_set("expect_minions"),
        may_fail,
        allow_fail: 0,
        warnings,
    }
}

fn joined(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        value => text(value),
    }
}

fn target(value: &Value) -> String {
    joined(value)
}

fn ask(
    state: &State<'_>,
    fun: &str,
    args: &Value,
    kwargs: Map<String, Value>,
) -> Result<RunAsk, String> {
    let batch = match state.value("batch") {
        Value::Null => None,
        value => Some(amount(&text(value))?),
    };
    let failhard = state.failhard || state.value("failhard") == &Value::Bool(true);
    let plan = batch.map(|size| BatchPlan {
        size: Some(size),
        stops: failhard.then_some(AT_ONCE).into_iter().collect(),
        ..BatchPlan::default()
    });
    let subset = match state.value("subset") {
        Value::Null => None,
        value => Some(
            text(value)
                .parse::<u32>()
                .ok()
                .filter(|count| *count > 0)
                .ok_or("subset has to be a number of minions")?,
        ),
    };
    let start_within_ms = match state.value("timeout") {
        Value::Null => 0,
        value => milliseconds(value)?,
    };
    let json = |value: Value| wire::Json::from(value.to_string().into_bytes());
    Ok(RunAsk {
        target_kind: match (state.value("tgt"), text(state.value("tgt_type"))) {
            // A list of ids needs no word for what it is.
            (Value::Array(_), kind) if kind == "glob" => "list".to_owned(),
            (_, kind) => kind.replace('_', "-"),
        },
        target: target(state.value("tgt")),
        fun: fun.to_owned(),
        args: json(args.clone()),
        kwargs: json(Value::Object(kwargs)),
        start_within_ms,
        plan,
        choice: Choice {
            // Salt takes them from those that answer.
            presences: subset.map(|_| Presence::Up).into_iter().collect(),
            subset,
            ..Choice::default()
        },
        ..RunAsk::of(String::new())
    })
}

/// The first failure ends a batch.
const AT_ONCE: StopRule = StopRule {
    on: StopOn::Failed,
    at: Amount::Count(1),
    scope: StopScope::Fleet,
};

fn amount(batch: &str) -> Result<Amount, String> {
    batch
        .trim()
        .parse()
        .map_err(|error: wire::AmountError| format!("batch: {error}"))
}

/// A time that is more than none.
fn milliseconds(value: &Value) -> Result<u64, String> {
    let seconds: Option<f64> = match value {
        Value::String(word) => word.trim().parse().ok(),
        value => value.as_f64(),
    };
    seconds
        .filter(|seconds| (0.001..=TIMEOUT_S_MAX).contains(seconds))
        .map(|seconds| (seconds * 1_000.0) as u64)
        .ok_or_else(|| format!("timeout has to be seconds, up to {TIMEOUT_S_MAX}"))
}

impl Judge {
    /// The return for a job that could not be ordered.
    pub fn not_taken(&self, why: &str) -> Return {
        self.warned(returned(false, why))
    }

    /// The return for what a job came to, from its whole account.
    pub fn returned(&self, ledger: &Ledger) -> Return {
        let mut outcomes = outcome::all(ledger);
        if !self.expects_minions {
            outcomes.retain(|outcome| matches!(outcome.said, Said::Returned { .. }));
        }
        let mut answer = match (outcomes.is_empty(), self.is_of_states) {
            (true, true) if self.expects_minions => returned(false, "No minions returned"),
            (true, false) => returned(false, "No minions responded"),
            (_, true) => self.of_states(outcomes),
            (_, false) => self.of_function(outcomes),
        };
        let jid = ledger.progress.jid.to_string();
        answer.others.insert("__jid__".to_owned(), json!(jid));
        self.warned(answer)
    }

    fn warned(&self, mut answer: Return) -> Return {
        if !self.warnings.is_empty() {
            answer
                .others
                .insert("warnings".to_owned(), json!(self.warnings));
        }
        answer
    }

    fn of_states(&self, outcomes: Vec<outcome::Outcome>) -> Return {
        let (mut changes, mut unchanged) = (Map::new(), Vec::new());
        let (mut failed, mut details) = (Vec::new(), Vec::new());
        for outcome::Outcome { id, said } in outcomes {
            let (value, detail) = match said {
                Said::Returned { value, .. } if is_success(&value) => {
                    if has_changes(&value) {
                        changes.insert(id, value);
                    } else {
                        unchanged.push(id);
                    }
                    continue;
                }
                Said::Returned { value, .. } => {
                    let detail = detail(&id, &value);
                    (value, detail)
                }
                Said::Nothing(why) => {
                    let detail = format!("Minion {id} did not return a state result: {why}.");
                    (Value::Bool(false), detail)
                }
            };
            if !self.may_fail.contains(&id) {
                failed.push(id.clone());
                details.push(detail);
            }
            changes.insert(id, value);
        }
        details.retain(|detail| !detail.is_empty());
        let is_ok = failed.len() <= self.allow_fail;
        let comment = if is_ok {
            let mut comment = "States ran successfully.".to_owned();
            if !changes.is_empty() {
                comment.push_str(&format!(" Updating {}.", names(changes.keys())));
            }
            if !unchanged.is_empty() {
                comment.push_str(&format!(" No changes made to {}.", unchanged.join(", ")));
            }
            comment
        } else {
            let first = format!("Run failed on minions: {}", failed.join(", "));
            let lines: Vec<String> = std::iter::once(first).chain(details).collect();
            lines.join("\n")
        };
        let would_change = self.is_test && is_ok && !changes.is_empty();
        Return {
            result: (!would_change).then_some(is_ok),
            changes: framed(changes, true),
            comment,
            ..Return::default()
        }
    }

    fn of_function(&self, outcomes: Vec<outcome::Outcome>) -> Return {
        let mut changes = Map::new();
        let (mut failed, mut ran, mut details) = (Vec::new(), Vec::new(), Vec::new());
        for outcome::Outcome { id, said } in outcomes {
            let may_fail = self.may_fail.contains(&id);
            let value = match said {
                Said::Returned { value, retcode } => {
                    // As in Salt a return code is a failure of whoever has it.
                    if retcode != 0 || (value == Value::Bool(false) && !may_fail) {
                        failed.push(id.clone());
                    }
                    ran.push(id.clone());
                    value
                }
                Said::Nothing(why) => {
                    if !may_fail {
                        failed.push(id.clone());
                        details.push(format!("Minion {id} did not return: {why}."));
                    }
                    Value::Bool(false)
                }
            };
            changes.insert(id, value);
        }
        let mut comment = match &failed[..] {
            [] => "Function ran successfully.".to_owned(),
            failed => {
                let (fun, failed) = (&self.name, failed.join(", "));
                format!("Running function {fun} failed on minions: {failed}")
            }
        };
        if !ran.is_empty() {
            let (fun, ran) = (&self.name, ran.join(", "));
            comment.push_str(&format!(" Function {fun} ran on {ran}."));
        }
        let lines: Vec<String> = std::iter::once(comment).chain(details).collect();
        Return {
            result: Some(failed.is_empty()),
            changes: framed(changes, false),
            comment: lines.join("\n"),
            ..Return::default()
        }
    }
}

/// Values of minions as a state's changes hold them.
fn framed(values: Map<String, Value>, is_of_states: bool) -> Map<String, Value> {
    if values.is_empty() {
        return values;
    }
    let out = is_of_states.then_some(("out".to_owned(), json!("highstate")));
    let values = ("ret".to_owned(), Value::Object(values));
    out.into_iter().chain([values]).collect()
}

fn names<'a>(ids: impl Iterator<Item = &'a String>) -> String {
    ids.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A line on a return that is no result of states; empty for one that is, which speaks for itself.
fn detail(id: &str, value: &Value) -> String {
    match value {
        Value::Object(_) => String::new(),
        Value::Array(errors) => {
            let errors: Vec<String> = errors.iter().filter(|e| truthy(e)).map(text).collect();
            if errors.is_empty() {
                format!("Minion {id} returned an empty error list.")
            } else {
                format!("Minion {id} returned errors: {}", errors.join("; "))
            }
        }
        value => {
            let value = python::repr(value);
            format!("Minion {id} returned {value} instead of a state result.")
        }
    }
}

#[cfg(test)]
mod tests;
