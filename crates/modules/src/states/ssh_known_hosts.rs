//! `ssh_known_hosts`: hosts whose keys are known.

use std::path::Path;

use serde_json::{Value, json};

use super::{Args, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::ssh::known::{self, Wanted};

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "ssh_known_hosts.absent",
        "name, user=None, config=None",
        "Keep a host unknown.",
        absent,
    ),
    StateFunction::new(
        "ssh_known_hosts.present",
        "name, user=None, fingerprint=None, key=None, port=None, enc=None, config=None, hash_known_hosts=True, timeout=5, fingerprint_hash_type=None",
        "Keep the keys of a host known.",
        present,
    ),
];

fn unplaced(wanted: &Wanted) -> Option<Return> {
    let is_unplaced = wanted.user.is_none() && !Path::new(wanted.config()).is_absolute();
    let comment = "If not specifying a \"user\", specify an absolute \"config\".";
    is_unplaced.then(|| returned(false, comment))
}

/// The text of an answer that is an error.
fn error(answer: &Value) -> Option<&str> {
    answer.get("error").and_then(Value::as_str)
}

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Wanted::of(args, "name")?;
    if let Some(refused) = unplaced(&wanted) {
        return Ok(refused);
    }
    let name = wanted.host.clone().unwrap_or_default();
    let config = wanted.config().to_owned();
    if env.is_test {
        if wanted.key.is_some() && wanted.fingerprint.is_some() {
            let comment = "Specify either \"key\" or \"fingerprint\", not both.";
            return Ok(returned(false, comment));
        }
        if wanted.key.is_some() && wanted.kind.is_none() {
            let comment = "Required argument \"enc\" if using \"key\" argument.";
            return Ok(returned(false, comment));
        }
        let answer = known::check(&wanted, env.env)?;
        if let Some(error) = error(&answer) {
            return Ok(returned(false, error));
        }
        return Ok(match answer.as_str() {
            Some("exists") => returned(true, format!("Host {name} is already in {config}")),
            Some("add") => returned(
                None,
                format!("Key for {name} is set to be added to {config}"),
            ),
            _ => returned(
                None,
                format!("Key for {name} is set to be updated in {config}"),
            ),
        });
    }
    let answer = known::set(&wanted, env.env)?;
    if let Some(error) = error(&answer) {
        return Ok(returned(false, error));
    }
    if answer["status"] == "exists" {
        return Ok(returned(true, format!("{name} already exists in {config}")));
    }
    let new = &answer["new"];
    let key = known::first(new, "key");
    let comment = match (&wanted.key, &wanted.fingerprint, &wanted.kind) {
        (Some(_), ..) => format!("{name}'s key saved to {config} (key: {key})"),
        (_, Some(_), _) => {
            let fingerprint = known::first(new, "fingerprint");
            format!("{name}'s key saved to {config} (fingerprint: {fingerprint})")
        }
        (_, _, Some(kind)) => format!("{name}'s {kind} key saved to {config} (key: {key})"),
        _ => format!("{name}'s key(s) saved to {config}"),
    };
    Ok(changed(
        true,
        comment,
        json!({"old": answer["old"], "new": new}),
    ))
}

fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Wanted::of(args, "name")?;
    if let Some(refused) = unplaced(&wanted) {
        return Ok(refused);
    }
    let (name, config) = (
        wanted.host.clone().unwrap_or_default(),
        wanted.config().to_owned(),
    );
    let old = known::entries(&wanted, env.env)?;
    if old.is_null() {
        return Ok(returned(true, "Host is already absent"));
    }
    if env.is_test {
        let comment = format!("Key for {name} is set to be removed from {config}");
        return Ok(returned(None, comment));
    }
    let answer = known::remove(&wanted, env.env)?;
    if let Some(error) = error(&answer) {
        return Ok(returned(false, error));
    }
    let comment = answer["comment"].as_str().unwrap_or_default();
    Ok(changed(true, comment, json!({"old": old, "new": null})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::which;
    use crate::testing::{Host, checked};

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIHoC4QjQmqJNzNnDGzoMzZDj0SLXUXDiQpIxEIYTWTdK";

    #[test]
    fn hosts_are_known() {
        if which("ssh-keygen").is_none() {
            return;
        }
        let host = Host::new();
        let config = host.write("kh", &format!("other ssh-ed25519 {KEY}\n"));
        let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
            let mut args = args;
            args["config"] = json!(config);
            checked(host.state(fun, args, is_test), result, comment).changes
        };
        let args = json!({"name": "h.example", "key": KEY, "enc": "ssh-ed25519", "hash_known_hosts": false});
        let comment = format!("Key for h.example is set to be added to {config}");
        check(
            "ssh_known_hosts.present",
            args.clone(),
            true,
            None,
            &comment,
        );
        let comment = format!("h.example's key saved to {config} (key: {KEY})");
        let changes = check(
            "ssh_known_hosts.present",
            args.clone(),
            false,
            Some(true),
            &comment,
        );
        let entry = json!([{"hostname": "h.example", "enc": "ssh-ed25519", "key": KEY}]);
        assert_eq!(Value::Object(changes), json!({"old": null, "new": entry}));
        let comment = format!("h.example already exists in {config}");
        check(
            "ssh_known_hosts.present",
            args.clone(),
            false,
            Some(true),
            &comment,
        );
        let comment = format!("Host h.example is already in {config}");
        check("ssh_known_hosts.present", args, true, Some(true), &comment);
        let args = json!({"name": "h.example"});
        let comment = format!("Key for h.example is set to be removed from {config}");
        check("ssh_known_hosts.absent", args.clone(), true, None, &comment);
        let done = host.state(
            "ssh_known_hosts.absent",
            json!({"name": "h.example", "config": config}),
            false,
        );
        assert_eq!(done.changes["old"][0]["key"], json!(KEY));
        check(
            "ssh_known_hosts.absent",
            args,
            false,
            Some(true),
            "Host is already absent",
        );
        let text = std::fs::read_to_string(&config).unwrap();
        assert_eq!(text, format!("other ssh-ed25519 {KEY}\n"));
        let relative = host.state(
            "ssh_known_hosts.absent",
            json!({"name": "x", "config": "kh"}),
            false,
        );
        assert_eq!(relative.result, Some(false));
    }
}
