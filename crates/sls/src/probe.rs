//! The states of `test`: they touch no host, and so minions and hubs have them alike.

use data::python;
use data::signature::Bound;
use serde_json::{Map, Value, json};

use crate::compile::{Chunk, Return};

/// One state function.
pub struct Probe {
    /// Full name, `module.function`.
    pub name: &'static str,
    /// Parameters in Python's notation.
    pub signature: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// The function itself; its error is what is wrong with the arguments.
    pub run: fn(&Bound<'_>, &dyn Ground) -> Result<Return, String>,
}

/// What the states see beside their arguments.
pub trait Ground {
    /// Whether nothing may change and the state says what it would do.
    fn is_test(&self) -> bool;
    /// All that the state says.
    fn low(&self) -> &Map<String, Value>;
    /// The record of a state that ran before, by its tag.
    fn record(&self, tag: &str) -> Option<&Value>;
    /// A value of the pillar by its path of keys; null when it is missing.
    ///
    /// # Errors
    /// When there is no pillar.
    fn pillar(&self, key: &str) -> Result<Value, String>;
    /// True or false, by chance.
    ///
    /// # Errors
    /// When the system has no random numbers.
    fn coin(&self) -> Result<bool, String>;
}

/// All of them.
pub const PROBES: &[&Probe] = &[
    &NOP,
    &SUCCEED_WITHOUT_CHANGES,
    &FAIL_WITHOUT_CHANGES,
    &SUCCEED_WITH_CHANGES,
    &FAIL_WITH_CHANGES,
    &CONFIGURABLE,
    &SHOW_NOTIFICATION,
    &MOD_WATCH,
    &CHECK_PILLAR,
];

/// `test.nop`
pub const NOP: Probe = Probe {
    name: "test.nop",
    signature: "name, **kwargs",
    doc: "Do nothing and succeed.",
    run: |_, _| Ok(returned(true, "Success!")),
};

/// `test.succeed_without_changes`
pub const SUCCEED_WITHOUT_CHANGES: Probe = Probe {
    name: "test.succeed_without_changes",
    signature: "name, **kwargs",
    doc: "Succeed and change nothing. comment: the comment.",
    run: |args, _| Ok(returned(true, comment(args, "Success!"))),
};

/// `test.fail_without_changes`
pub const FAIL_WITHOUT_CHANGES: Probe = Probe {
    name: "test.fail_without_changes",
    signature: "name, **kwargs",
    doc: "Fail and change nothing. comment: the comment.",
    run: |args, ground| {
        let comment = match ground.is_test() {
            true => "If we weren't testing, this would be a failure!".to_owned(),
            false => comment(args, "Failure!"),
        };
        Ok(returned(false, comment))
    },
};

/// `test.succeed_with_changes`
pub const SUCCEED_WITH_CHANGES: Probe = Probe {
    name: "test.succeed_with_changes",
    signature: "name, **kwargs",
    doc: "Succeed and pretend to have changed something. comment: the comment.",
    run: |args, ground| Ok(pretended(args, ground, true)),
};

/// `test.fail_with_changes`
pub const FAIL_WITH_CHANGES: Probe = Probe {
    name: "test.fail_with_changes",
    signature: "name, **kwargs",
    doc: "Fail and pretend to have changed something. comment: the comment.",
    run: |args, ground| Ok(pretended(args, ground, false)),
};

/// `test.configurable_test_state`
pub const CONFIGURABLE: Probe = Probe {
    name: "test.configurable_test_state",
    signature: "name, changes=True, result=True, comment='', warnings=None, allow_test_mode_failure=False",
    doc: "Return what the arguments say; changes and result may be Random.",
    run: configurable,
};

/// `test.show_notification`
pub const SHOW_NOTIFICATION: Probe = Probe {
    name: "test.show_notification",
    signature: "name, text=None, **kwargs",
    doc: "Succeed with a text as the comment.",
    run: |args, _| match optional_text(args, "text")? {
        Some(text) if !text.is_empty() => Ok(returned(true, text)),
        _ => Err("Missing required argument text.".to_owned()),
    },
};

/// `test.mod_watch`
pub const MOD_WATCH: Probe = Probe {
    name: "test.mod_watch",
    signature: "name, sfun=None, **kwargs",
    doc: "What watching states of test do when what they watch has changed.",
    run: mod_watch,
};

/// `test.check_pillar`
pub const CHECK_PILLAR: Probe = Probe {
    name: "test.check_pillar",
    signature: "name, present=None, boolean=None, integer=None, string=None, listing=None, dictionary=None, verbose=False",
    doc: "Fail unless the pillar has these keys, with values of these types.",
    run: check_pillar,
};

fn returned(result: impl Into<Option<bool>>, comment: impl Into<String>) -> Return {
    Return {
        result: result.into(),
        comment: comment.into(),
        ..Return::default()
    }
}

/// A parameter as text, none when it is null.
fn optional_text(args: &Bound<'_>, name: &str) -> Result<Option<String>, String> {
    match args.value(name) {
        Value::Null => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(format!("Argument '{name}' must be a string")),
        value => Ok(Some(python::text(value))),
    }
}

fn pretended_change() -> Map<String, Value> {
    let change = json!({"old": "Unchanged", "new": "Something pretended to change"});
    Map::from_iter([("testing".to_owned(), change)])
}

fn comment(args: &Bound<'_>, default: &str) -> String {
    let said = args.extra_kwargs.get("comment");
    said.map_or_else(|| default.to_owned(), python::text)
}

fn pretended(args: &Bound<'_>, ground: &dyn Ground, result: bool) -> Return {
    let word = if result { "successful" } else { "failed" };
    if ground.is_test() {
        let told = format!("If we weren't testing, this would be {word} with changes");
        return Return {
            changes: pretended_change(),
            ..returned(None, told)
        };
    }
    let default = if result { "Success!" } else { "Failure!" };
    Return {
        changes: pretended_change(),
        ..returned(result, comment(args, default))
    }
}

/// A truth, or one by chance.
fn truth(args: &Bound<'_>, ground: &dyn Ground, name: &str) -> Result<bool, String> {
    match args.value(name) {
        Value::Bool(truth) => Ok(*truth),
        Value::String(word) if word.eq_ignore_ascii_case("random") => ground.coin(),
        _ => Err(format!(
            "You have specified the state option '{name}' with invalid arguments. It must be either True, False, or 'Random'"
        )),
    }
}

fn configurable(args: &Bound<'_>, ground: &dyn Ground) -> Result<Return, String> {
    let (is_changed, result) = (
        truth(args, ground, "changes")?,
        truth(args, ground, "result")?,
    );
    let mut answer = returned(result, optional_text(args, "comment")?.unwrap_or_default());
    if is_changed {
        answer.changes = pretended_change();
    }
    let warnings = match args.value("warnings") {
        Value::Null => None,
        Value::String(one) => Some(json!([one])),
        list @ Value::Array(_) => Some(list.clone()),
        _ => {
            return Err("You have specified the state option 'warnings' with invalid arguments. It must be a string or a list of strings".to_owned());
        }
    };
    answer
        .others
        .extend(warnings.map(|warnings| ("warnings".to_owned(), warnings)));
    if ground.is_test() {
        let is_failure = python::truthy(args.value("allow_test_mode_failure")) && !result;
        let harmless = args.value("changes") == &Value::Bool(false);
        answer.result = if is_failure {
            Some(false)
        } else {
            harmless.then_some(true)
        };
        if answer.comment.is_empty() {
            answer.comment = "This is a test".to_owned();
        }
    }
    Ok(answer)
}

fn mod_watch(args: &Bound<'_>, ground: &dyn Ground) -> Result<Return, String> {
    let watched = ground
        .low()
        .get("__reqs__")
        .and_then(|requisites| requisites.get("watch"));
    let mut has_changes = Vec::new();
    for chunk in watched.and_then(Value::as_array).into_iter().flatten() {
        let chunk = Chunk(chunk.as_object().cloned().unwrap_or_default());
        let record = ground.record(&chunk.tag());
        if record.is_some_and(|record| python::truthy(&record["changes"])) {
            has_changes.push(format!("{}: {}", chunk.state(), chunk.id()));
        }
    }
    let said = |key: &str| args.extra_kwargs.get(key).cloned();
    let result = said("result").map_or(Some(true), |result| result.as_bool());
    let changes =
        said("changes").unwrap_or_else(|| json!({"Requisites with changes": has_changes}));
    Ok(Return {
        changes: changes.as_object().cloned().unwrap_or_default(),
        ..returned(result, comment(args, "Watch statement fired."))
    })
}

/// A type of values: its parameter, how Python prints it, and whether a value has it.
type Kind = (&'static str, &'static str, fn(&Value) -> bool);

const KINDS: &[Kind] = &[
    ("present", "None", |_| true),
    ("boolean", "<class 'bool'>", Value::is_boolean),
    ("integer", "<class 'int'>", |value| {
        value.is_i64() || value.is_u64() || value.is_boolean()
    }),
    ("string", "(<class 'str'>,)", Value::is_string),
    ("listing", "<class 'list'>", Value::is_array),
    ("dictionary", "<class 'dict'>", Value::is_object),
];

fn check_pillar(args: &Bound<'_>, ground: &dyn Ground) -> Result<Return, String> {
    if KINDS
        .iter()
        .all(|(parameter, ..)| !python::truthy(args.value(parameter)))
    {
        return Err("Missing required argument text.".to_owned());
    }
    let (mut failed, mut fine) = (String::new(), String::new());
    for (parameter, type_name, has_type) in KINDS {
        let keys = match args.value(parameter) {
            Value::Array(keys) => keys.iter().map(python::text).collect(),
            Value::Null => Vec::new(),
            key => vec![python::text(key)],
        };
        for key in keys {
            let value = ground.pillar(&key)?;
            if value.is_null() {
                failed += &format!("Pillar key \"{key}\" is missing.\n");
            } else if !has_type(&value) {
                failed += &format!("Pillar key \"{key}\" is not {type_name}.\n");
            } else {
                fine += &format!("- {key} ({type_name})\n");
            }
        }
    }
    let is_fine = failed.is_empty();
    if python::truthy(args.value("verbose")) && !fine.is_empty() {
        failed += "Those keys passed the check:\n";
        failed += &fine;
    }
    Ok(returned(is_fine, failed))
}
