//! Runners and wheel functions: called, and listed.

use hub::runners;
use output::{States, json};
use serde_json::Value;
use wire::control::{Ask, Failure, FailureKind, Tell};

use crate::Session;
use crate::follow::ask_within;
use crate::lowargs::ValueForm;
use crate::trouble::Trouble;

/// Calls a runner, and prints its answer.
pub(crate) fn call(
    session: &mut Session<'_, '_>,
    ask: Ask,
    form: ValueForm,
) -> Result<u8, Trouble> {
    match ask_within(&session.connect, ask, None)? {
        Tell::Value { value, retcode } => {
            let value: Value = serde_json::from_slice(&value).map_err(|_| Trouble::Unexpected)?;
            let (value, form_of_value) = unwrapped(value);
            let text = match (form, &value) {
                (ValueForm::Nested, Value::Object(results)) if form_of_value == "highstate" => {
                    output::hosts(results, session.style, &States::default())
                }
                (ValueForm::Nested, value) => output::outline(value, session.style),
                (ValueForm::Json, value) => json(value),
            };
            session.print(&text)?;
            Ok(if retcode == 0 {
                output::OK
            } else {
                output::FAILED
            })
        }
        Tell::Accepted { jid, .. } => {
            session.print(&format!("{jid}\n"))?;
            Ok(output::OK)
        }
        Tell::Failed(failure) => Err(Trouble::Told(failure)),
        _ => Err(Trouble::Unexpected),
    }
}

/// What is to be shown, and the form that the answer names for it: Salt's runners wrap their answers so.
fn unwrapped(mut value: Value) -> (Value, String) {
    let Some(wrapped) = value.as_object_mut().filter(|wrapped| {
        let has = |key: &str| wrapped.contains_key(key);
        has("data") && wrapped.get("outputter").is_some_and(Value::is_string)
    }) else {
        return (value, String::new());
    };
    let form = wrapped["outputter"].as_str().unwrap_or_default().to_owned();
    (wrapped["data"].take(), form)
}

/// Prints what functions there are: all, those of a module, or one.
pub(crate) fn list(session: &mut Session<'_, '_>, which: Option<&str>) -> Result<u8, Trouble> {
    let is_meant = |name: &str| {
        which.is_none_or(|which| {
            let plain = name.strip_prefix("wheel.").unwrap_or(name);
            [name, plain].into_iter().any(|name| {
                let rest = name.strip_prefix(which.trim_end_matches('.'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        })
    };
    let meant = runners::all()
        .into_iter()
        .filter(|(name, _)| is_meant(name));
    let text: Vec<String> = meant
        .map(|(name, runner)| format!("{name}({})\n    {}\n", runner.signature, runner.doc))
        .collect();
    if text.is_empty() {
        let which = which.unwrap_or_default();
        let words = format!("there is no runner and no module of runners {which:?}");
        return Err(Trouble::Told(Failure::new(FailureKind::NotFound, words)));
    }
    session.print(&text.join("\n"))?;
    Ok(output::OK)
}
