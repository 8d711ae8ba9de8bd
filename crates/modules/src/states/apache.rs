//! `apache_module`, `apache_site`, `apache_conf`: what the Apache web server loads and serves.

use serde_json::json;

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::apache::{CONFIGURATION, Kind, MODULE, SITE, is_enabled, switch};
use crate::process::which;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "apache_conf.disabled",
        "name",
        "Keep a configuration disabled.",
        |args, env| keep(args, env, &CONFIGURATION, "conf", false),
    ),
    StateFunction::new(
        "apache_conf.enabled",
        "name",
        "Keep a configuration enabled.",
        |args, env| keep(args, env, &CONFIGURATION, "conf", true),
    ),
    StateFunction::new(
        "apache_module.disabled",
        "name",
        "Keep a module disabled.",
        |args, env| keep(args, env, &MODULE, "module", false),
    ),
    StateFunction::new(
        "apache_module.enabled",
        "name",
        "Keep a module enabled.",
        |args, env| keep(args, env, &MODULE, "module", true),
    ),
    StateFunction::new(
        "apache_site.disabled",
        "name",
        "Keep a site disabled.",
        |args, env| keep(args, env, &SITE, "site", false),
    ),
    StateFunction::new(
        "apache_site.enabled",
        "name",
        "Keep a site enabled.",
        |args, env| keep(args, env, &SITE, "site", true),
    ),
];

fn keep(args: &Args, env: &StateEnv, kind: &Kind, word: &str, enable: bool) -> StateAnswer {
    let verb = if enable { "enable" } else { "disable" };
    if which("a2enmod").is_none() {
        let reason = format!(
            "'apache_{word}' __virtual__ returned False: apache module could not be loaded"
        );
        return Ok(env.not_loaded(&format!("apache_{word}.{verb}d"), &reason));
    }
    let name = args.text("name")?;
    if is_enabled(kind, &name) == enable {
        return Ok(returned(true, format!("{name} already {verb}d.")));
    }
    let changes = if enable {
        json!({"old": null, "new": name})
    } else {
        json!({"old": name, "new": null})
    };
    if env.is_test {
        let comment = format!("Apache {word} {name} is set to be {verb}d.");
        return Ok(changed(None, comment, changes));
    }
    let status = switch(env.env, kind, &name, enable)?;
    if !status.ends_with(&format!("{verb}d")) {
        let comment = format!("Failed to {verb} {name} Apache {word} ({status})");
        return Ok(returned(false, comment));
    }
    Ok(changed(true, "", changes))
}

#[cfg(test)]
mod tests {
    use crate::functions::apache::tests::fake;
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn modules_sites_and_configurations_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        let absent = host.state("apache_module.enabled", json!({"name": "ssl"}), true);
        assert_eq!(absent.result, Some(false));
        fake(&host);
        for kind in ["module", "site", "conf"] {
            let fun = format!("apache_{kind}.enabled");
            let foretold = host.state(&fun, json!({"name": "x"}), true);
            assert_eq!(
                foretold.comment,
                format!("Apache {kind} x is set to be enabled.")
            );
            let done = host.applies(&fun, json!({"name": "x"}));
            assert_eq!(
                (&done.changes["old"], &done.changes["new"]),
                (&json!(null), &json!("x"))
            );
            let again = host.state(&fun, json!({"name": "x"}), false);
            assert_eq!(again.comment, "x already enabled.");
            host.applies(&format!("apache_{kind}.disabled"), json!({"name": "x"}));
            let failed = host.state(&fun, json!({"name": "none"}), false);
            assert!(
                failed
                    .comment
                    .starts_with(&format!("Failed to enable none Apache {kind} (")),
                "{}",
                failed.comment
            );
        }
    }
}
