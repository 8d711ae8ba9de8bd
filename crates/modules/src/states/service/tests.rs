use std::cell::RefCell;
use std::collections::BTreeSet;

use super::*;
use crate::cancel::Cancel;
use crate::testing::Host;

/// A service manager in memory: `broken` does not start, `loud` fails with a text.
#[derive(Default)]
struct Fake {
    running: RefCell<BTreeSet<String>>,
    enabled: RefCell<BTreeSet<String>>,
    masked: RefCell<BTreeSet<String>>,
    calls: RefCell<Vec<String>>,
}

impl ServiceManager for &Fake {
    fn is_available(&self, name: &str, _: &Cancel) -> Result<bool, Failure> {
        Ok(name != "none")
    }

    fn is_enabled(&self, name: &str, _: &Cancel) -> Result<bool, Failure> {
        Ok(self.enabled.borrow().contains(name))
    }

    fn is_running(&self, name: &str, _: &Cancel) -> Result<bool, Failure> {
        Ok(self.running.borrow().contains(name))
    }

    fn all(&self, _: &Cancel) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    fn by_enablement(&self, _: bool, _: &Cancel) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    fn act(&self, action: Action, name: &str, how: &How, _: &Cancel) -> Result<bool, Failure> {
        self.calls
            .borrow_mut()
            .push(format!("{action:?} {name} {}", how.no_block));
        if name == "loud" {
            return Err(Failure::command("Job failed."));
        }
        let name = name.to_owned();
        match action {
            Action::Start if name == "broken" => return Ok(false),
            Action::Start => drop(self.running.borrow_mut().insert(name)),
            Action::Stop => drop(self.running.borrow_mut().remove(&name)),
            Action::Enable => drop(self.enabled.borrow_mut().insert(name)),
            Action::Disable => drop(self.enabled.borrow_mut().remove(&name)),
            Action::Restart | Action::Reload | Action::ForceReload => {}
        }
        Ok(true)
    }

    fn can_mask(&self) -> bool {
        true
    }

    fn is_masked(&self, name: &str, _: bool) -> bool {
        self.masked.borrow().contains(name)
    }

    fn set_masked(&self, name: &str, is_masked: bool, _: bool, _: &Cancel) -> Result<(), Failure> {
        if is_masked {
            self.masked.borrow_mut().insert(name.to_owned());
        } else {
            self.masked.borrow_mut().remove(name);
        }
        Ok(())
    }
}

/// The answer of a state by its name: result, comment, changes.
fn told(fake: &Fake, fun: &str, args: Value, is_test: bool) -> (Option<bool>, String, Value) {
    let signature = if fun == "mod_watch" { WATCH } else { RUNNING };
    let answer = Host::new().with_state(signature, args, is_test, |args, env| {
        let services = Services::of(Box::new(fake), args, env)?;
        match fun {
            "running" => services.running(),
            "dead" => services.dead(),
            "enabled" => services.boots(true),
            "disabled" => services.boots(false),
            "masked" => services.masked(true, false),
            "unmasked" => services.masked(false, false),
            _ => services.watch(),
        }
    });
    let answer = answer.unwrap();
    (answer.result, answer.comment, Value::Object(answer.changes))
}

#[test]
fn services_are_started_and_stopped() {
    let fake = Fake::default();
    let check = |fun: &str,
                 args: Value,
                 is_test: bool,
                 result: Option<bool>,
                 comment: &str,
                 changes: Value| {
        assert_eq!(
            told(&fake, fun, args, is_test),
            (result, comment.to_owned(), changes),
            "{fun}"
        );
    };
    let web = || json!({"name": "web", "enable": true});
    let none = json!({});
    check(
        "running",
        web(),
        true,
        None,
        "Service web is set to start",
        none.clone(),
    );
    let started = "Service web has been enabled, and is running";
    check(
        "running",
        web(),
        false,
        Some(true),
        started,
        json!({"web": true}),
    );
    check(
        "running",
        web(),
        false,
        Some(true),
        "The service web is already running",
        none.clone(),
    );
    let off = json!({"name": "web", "enable": false});
    check(
        "running",
        off.clone(),
        true,
        None,
        "Service web set to be disabled",
        none.clone(),
    );
    let disabled = "Service web has been disabled, and is in the desired state";
    check(
        "running",
        off,
        false,
        Some(true),
        disabled,
        json!({"web": true}),
    );
    check(
        "dead",
        web(),
        true,
        None,
        "Service web is set to be killed",
        none.clone(),
    );
    let killed = "Service web has been enabled, and is dead";
    check(
        "dead",
        web(),
        false,
        Some(true),
        killed,
        json!({"web": true}),
    );
    check(
        "dead",
        web(),
        false,
        Some(true),
        "The service web is already dead",
        none.clone(),
    );
    let gone = json!({"name": "none"});
    check(
        "running",
        gone.clone(),
        false,
        Some(false),
        "The named service none is not available",
        none.clone(),
    );
    check(
        "dead",
        gone.clone(),
        false,
        Some(true),
        "The named service none is not available",
        none.clone(),
    );
    let later =
        "Service none not present; if created in this state run, it would have been started";
    check("running", gone, true, None, later, none.clone());
    let broken = json!({"name": "broken"});
    check(
        "running",
        broken,
        false,
        Some(false),
        "Service broken failed to start",
        none.clone(),
    );
    check(
        "running",
        json!({"name": "loud"}),
        false,
        Some(false),
        "Job failed.",
        none.clone(),
    );
    let odd = "Service web uses non-existent option \"enabled\".  Perhaps \"enable\" option was intended?";
    check(
        "running",
        json!({"name": "web", "enabled": true}),
        false,
        Some(false),
        odd,
        none.clone(),
    );
    let quick = json!({"name": "db", "init_delay": 0.001, "no_block": true});
    let delayed = "Started service db\nDelayed return for 0.001 seconds";
    check(
        "running",
        quick,
        false,
        Some(true),
        delayed,
        json!({"db": true}),
    );
    assert_eq!(fake.calls.borrow().last().unwrap(), "Start db true");
}

#[test]
fn services_start_at_boot() {
    let fake = Fake::default();
    let check = |fun: &str,
                 name: &str,
                 is_test: bool,
                 result: Option<bool>,
                 comment: &str,
                 changes: Value| {
        assert_eq!(
            told(&fake, fun, json!({"name": name}), is_test),
            (result, comment.to_owned(), changes),
            "{fun}"
        );
    };
    check(
        "enabled",
        "web",
        true,
        None,
        "Service web set to be enabled",
        json!({}),
    );
    let enabled = "Service web has been enabled, and is in the desired state";
    check(
        "enabled",
        "web",
        false,
        Some(true),
        enabled,
        json!({"web": true}),
    );
    let already = "Service web is already enabled, and is in the desired state";
    check("enabled", "web", false, Some(true), already, json!({}));
    let failed = "Failed when setting service loud to start at boot, but the service was already running. \
        Additional information follows:\n\nJob failed.";
    check("enabled", "loud", false, Some(false), failed, json!({}));
    check(
        "disabled",
        "none",
        false,
        Some(true),
        "The named service none is not available",
        json!({}),
    );
    let masked = json!({"masked": {"old": false, "new": true}});
    check(
        "masked",
        "web",
        true,
        None,
        "Service web would be masked",
        masked.clone(),
    );
    check(
        "masked",
        "web",
        false,
        Some(true),
        "Service web was masked",
        masked,
    );
    check(
        "masked",
        "web",
        false,
        Some(true),
        "Service web is already masked",
        json!({}),
    );
    check(
        "unmasked",
        "web",
        false,
        Some(true),
        "Service web was unmasked",
        json!({"masked": {"old": true, "new": false}}),
    );
    check(
        "unmasked",
        "web",
        false,
        Some(true),
        "Service web was already unmasked",
        json!({}),
    );
}

#[test]
fn watching_services_are_restarted() {
    let fake = Fake::default();
    let check = |args: Value, is_test: bool, result: Option<bool>, comment: &str| {
        let mut args = args;
        args["name"] = json!("web");
        let answer = told(&fake, "mod_watch", args, is_test);
        assert_eq!((answer.0, answer.1.as_str()), (result, comment));
    };
    check(
        json!({"sfun": "dead"}),
        false,
        Some(true),
        "Service is already stopped",
    );
    check(
        json!({"sfun": "running"}),
        true,
        None,
        "Service is set to be started",
    );
    check(
        json!({"sfun": "running"}),
        false,
        Some(true),
        "Service started",
    );
    assert_eq!(*fake.calls.borrow(), ["Stop web false", "Start web false"]);
    check(
        json!({"sfun": "running"}),
        false,
        Some(true),
        "Service restarted",
    );
    check(
        json!({"sfun": "running", "reload": true}),
        false,
        Some(true),
        "Service reloaded",
    );
    check(
        json!({"sfun": "running", "reload": true, "force": true}),
        false,
        Some(true),
        "Service forcefully reloaded",
    );
    check(
        json!({"sfun": "dead"}),
        false,
        Some(true),
        "Service stopped",
    );
    check(
        json!({"sfun": "enabled"}),
        false,
        Some(false),
        "Unable to trigger watch for service.enabled",
    );
}
