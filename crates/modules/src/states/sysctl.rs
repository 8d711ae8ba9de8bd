//! `sysctl`: parameters of the kernel.

use std::path::Path;

use serde_json::json;

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::sysctl::{configured, default_config, get, persist};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "sysctl.present",
    "name, value, config=None",
    "Keep a parameter of the kernel, now and over a restart.",
    present,
)];

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, value) = (args.text("name")?, python::text(args.value("value")));
    let config = args.optional_text("config")?;
    let config = config.unwrap_or_else(default_config);
    if env.is_test {
        return foretold(env, &name, &value, &config);
    }
    Ok(match persist(env.env, &name, &value, Path::new(&config)) {
        Ok(true) => {
            let comment = format!("Updated sysctl value {name} = {value}");
            changed(true, comment, json!({name: args.value("value")}))
        }
        Ok(false) => returned(
            true,
            format!("Sysctl value {name} = {value} is already set"),
        ),
        Err(failure) => returned(false, format!("Failed to set {name} to {value}: {failure}")),
    })
}

fn foretold(env: &StateEnv, name: &str, value: &str, config: &str) -> StateAnswer {
    let path = Path::new(config);
    let configured = match configured(path) {
        None if path.exists() => {
            let comment = format!(
                "Sysctl option {name} might be changed, we failed to check config file at {config}. The file is either unreadable, or missing."
            );
            return Ok(returned(None, comment));
        }
        configured => configured.unwrap_or_default(),
    };
    let is_configured = configured.contains_key(name);
    let current = get(env.env, name)?;
    let is_current = || current.split_whitespace().eq(value.split_whitespace());
    Ok(match (current.is_empty(), is_configured) {
        (false, true) if is_current() => returned(
            true,
            format!("Sysctl value {name} = {value} is already set"),
        ),
        (false, false) if single_blanks(&current) != single_blanks(value) => returned(
            None,
            format!("Sysctl option {name} set to be changed to {value}"),
        ),
        (false, false) => returned(
            None,
            format!(
                "Sysctl value is currently set on the running system but not in a config file. Sysctl option {name} set to be changed to {value} in config file."
            ),
        ),
        (true, true) => returned(
            None,
            format!(
                "Sysctl value {name} is present in configuration file but is not present in the running config. The value {name} is set to be changed to {value}"
            ),
        ),
        _ => returned(
            None,
            format!("Sysctl option {name} would be changed to {value}"),
        ),
    })
}

/// Runs of blanks and runs of tabulators as one blank each.
fn single_blanks(text: &str) -> String {
    let mut out = String::new();
    let mut last = None;
    for c in text.chars() {
        match c {
            ' ' | '\t' if last == Some(c) => {}
            ' ' | '\t' => out.push(' '),
            c => out.push(c),
        }
        last = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::sysctl::tests::fake;
    use crate::testing::{Host, checked};

    #[test]
    fn parameters_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let check = |value: &str, is_test: bool, result: Option<bool>, comment: &str| {
            let args = json!({"name": "vm.swappiness", "value": value});
            checked(host.state("sysctl.present", args, is_test), result, comment).changes
        };
        let running = "Sysctl value is currently set on the running system but not in a config file. Sysctl option vm.swappiness set to be changed to 60 in config file.";
        check("60", true, None, running);
        check(
            "10",
            true,
            None,
            "Sysctl option vm.swappiness set to be changed to 10",
        );
        let changes = check(
            "10",
            false,
            Some(true),
            "Updated sysctl value vm.swappiness = 10",
        );
        assert_eq!(changes["vm.swappiness"], json!("10"));
        for is_test in [true, false] {
            check(
                "10",
                is_test,
                Some(true),
                "Sysctl value vm.swappiness = 10 is already set",
            );
        }
        check(
            "11",
            true,
            None,
            "Sysctl option vm.swappiness would be changed to 11",
        );
        check(
            "bad",
            false,
            Some(false),
            "Failed to set vm.swappiness to bad: sysctl -w failed: Invalid argument",
        );
    }
}
