//! `timezone`: the time zone of the host.

use serde_json::json;

use super::{Args, StateAnswer, StateEnv, StateFunction, returned};
use crate::functions::timezone::{clock, is_zone, set_clock, set_zone};

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "timezone.system",
    "name, utc=True",
    "Keep the time zone of the host; utc: and the clock of the hardware in UTC.",
    system,
)];

fn system(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, wants_utc) = (args.text("name")?, args.flag("utc"));
    let is_zone = match is_zone(env.env, &name) {
        Ok(is_zone) => is_zone,
        Err(failure) => {
            let comment = format!(
                "Unable to compare desired timezone '{name}' to system timezone: {failure}"
            );
            return Ok(returned(false, comment));
        }
    };
    let is_utc = clock(env.env)?.as_deref() != Some("localtime");
    let sets_utc = wants_utc && !is_utc;
    let mut messages = Vec::new();
    if is_zone && !sets_utc {
        messages.push(format!("Timezone {name} already set"));
        if wants_utc {
            messages.push(format!("UTC already set to {name}"));
        }
        return Ok(returned(true, messages.join(", ")));
    }
    let utc = crate::python::text(args.value("utc"));
    if env.is_test {
        if !is_zone {
            messages.push(format!("Timezone {name} needs to be set"));
        }
        if sets_utc {
            messages.push(format!("UTC needs to be set to {utc}"));
        }
        return Ok(returned(None, messages.join(", ")));
    }
    let mut done = returned(None, "");
    if !is_zone {
        match set_zone(env.env, &name)? {
            None => {
                done.changes.insert("timezone".to_owned(), json!(name));
                messages.push(format!("Set timezone {name}"));
                done.result = Some(true);
            }
            Some(_) => {
                messages.push("Failed to set timezone".to_owned());
                done.result = Some(false);
            }
        }
    }
    if sets_utc {
        if set_clock(env.env, "UTC")? {
            done.changes
                .insert("utc".to_owned(), args.value("utc").clone());
            messages.push(format!("Set UTC to {utc}"));
            done.result = Some(true);
        } else {
            messages.push(format!("Failed to set UTC to {utc}"));
            done.result = Some(false);
        }
    }
    done.comment = messages.join(", ");
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::timezone::tests::{fake, fake_systemd};
    use crate::testing::{Host, checked};

    #[test]
    fn zones_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake_systemd(&host);
        let check = |is_test: bool, result: Option<bool>, comment: &str| {
            let args = json!({"name": "Europe/Berlin"});
            checked(
                host.state("timezone.system", args, is_test),
                result,
                comment,
            )
            .changes
        };
        check(true, None, "Timezone Europe/Berlin needs to be set");
        let changes = check(false, Some(true), "Set timezone Europe/Berlin");
        assert_eq!(changes["timezone"], json!("Europe/Berlin"));
        let already = "Timezone Europe/Berlin already set, UTC already set to Europe/Berlin";
        check(false, Some(true), already);
        check(true, Some(true), already);
        fake(&host);
        let done = host.state("timezone.system", json!({"name": "No/Where"}), false);
        let comment = "Unable to compare desired timezone 'No/Where' to system timezone: Can't find a local timezone \"No/Where\"";
        assert_eq!((done.result, done.comment.as_str()), (Some(false), comment));
    }
}
