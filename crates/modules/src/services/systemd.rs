//! Services of systemd, by `systemctl`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Action, How, ServiceManager, ask};
use crate::cancel::Cancel;
use crate::failure::Failure;
use crate::process::Finished;

/// Kinds of units; names without such an end are services.
const UNIT_TYPES: [&str; 8] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "timer",
];

/// Properties that are lists of units.
const LIST_PROPERTIES: [&str; 3] = ["Before", "After", "Wants"];

/// The program, and whether it has a service manager to talk to.
pub(crate) struct Systemd {
    pub(super) systemctl: PathBuf,
    pub(super) is_offline: bool,
}

impl Systemd {
    /// Lets systemd read its unit files again when that of a unit has changed.
    fn reload_changed(&self, unit: &str, cancel: &Cancel) -> Result<(), Failure> {
        let args = ["show", "--property=NeedDaemonReload", "--value", "--", unit];
        if !self.is_offline && ask(&self.systemctl, &args, cancel)?.stdout.trim() == "yes" {
            self.daemon_reload(cancel)?;
        }
        Ok(())
    }

    pub(crate) fn by_state(&self, state: &str, cancel: &Cancel) -> Result<Vec<String>, Failure> {
        let finished = ask(
            &self.systemctl,
            &["list-unit-files", "--full", "--no-legend", "--no-pager"],
            cancel,
        )?;
        Ok(names(&finished.stdout, |words| {
            words.get(1) == Some(&state)
        }))
    }

    pub(crate) fn running(&self, cancel: &Cancel) -> Result<Vec<String>, Failure> {
        let args = [
            "list-units",
            "--full",
            "--no-legend",
            "--no-pager",
            "--plain",
        ];
        let finished = ask(&self.systemctl, &args, cancel)?;
        Ok(names(&finished.stdout, |words| {
            words.get(3) == Some(&"running")
        }))
    }

    pub(crate) fn daemon_reload(&self, cancel: &Cancel) -> Result<(), Failure> {
        let finished = ask(&self.systemctl, &["--system", "daemon-reload"], cancel)?;
        if finished.retcode == 0 {
            Ok(())
        } else {
            Err(Failure::command(format!(
                "Problem performing systemctl daemon-reload: {}",
                finished.stderr.trim()
            )))
        }
    }

    pub(crate) fn show(&self, name: &str, cancel: &Cancel) -> Result<Value, Failure> {
        let finished = ask(&self.systemctl, &["show", "--", &unit_name(name)], cancel)?;
        if finished.retcode != 0 {
            return Err(failed(&finished));
        }
        Ok(properties(&finished.stdout))
    }
}

impl ServiceManager for Systemd {
    fn is_available(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure> {
        let args = [
            "show",
            "--property=LoadState",
            "--value",
            "--",
            &unit_name(name),
        ];
        let finished = ask(&self.systemctl, &args, cancel)?;
        Ok(finished.retcode == 0 && !matches!(finished.stdout.trim(), "" | "not-found"))
    }

    fn is_enabled(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure> {
        let finished = ask(
            &self.systemctl,
            &["is-enabled", "--", &unit_name(name)],
            cancel,
        )?;
        if finished.stdout.trim() != "alias" {
            return Ok(finished.retcode == 0);
        }
        let target = ask(
            &self.systemctl,
            &["show", "--property=Id", "--value", "--", &unit_name(name)],
            cancel,
        )?;
        let target = target.stdout.trim();
        Ok(!target.is_empty()
            && ask(&self.systemctl, &["is-enabled", "--", target], cancel)?.retcode == 0)
    }

    fn is_running(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure> {
        Ok(ask(
            &self.systemctl,
            &["is-active", "--", &unit_name(name)],
            cancel,
        )?
        .retcode
            == 0)
    }

    fn all(&self, cancel: &Cancel) -> Result<Vec<String>, Failure> {
        let finished = ask(
            &self.systemctl,
            &["list-unit-files", "--full", "--no-legend", "--no-pager"],
            cancel,
        )?;
        Ok(names(&finished.stdout, |_| true))
    }

    fn by_enablement(&self, enabled: bool, cancel: &Cancel) -> Result<Vec<String>, Failure> {
        self.by_state(if enabled { "enabled" } else { "disabled" }, cancel)
    }

    fn act(&self, action: Action, name: &str, how: &How, cancel: &Cancel) -> Result<bool, Failure> {
        let verb = match action {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
            Action::Reload => "reload",
            Action::ForceReload => "reload-or-restart",
            Action::Enable => "enable",
            Action::Disable => "disable",
        };
        let unit = unit_name(name);
        self.reload_changed(&unit, cancel)?;
        for (is_wanted, runtime) in [(how.unmask, false), (how.unmask_runtime, true)] {
            if is_wanted && self.is_masked(name, runtime) {
                self.set_masked(name, false, runtime, cancel)?;
            }
        }
        let args: &[&str] = if how.no_block {
            &[verb, "--no-block", "--", &unit]
        } else {
            &[verb, "--", &unit]
        };
        let finished = ask(&self.systemctl, args, cancel)?;
        match (action, finished.retcode) {
            (_, 0) => Ok(true),
            // Salt answers these two with false; the others fail with systemd's words.
            (Action::Stop | Action::Disable, _) => Ok(false),
            _ => Err(failed(&finished)),
        }
    }

    fn can_mask(&self) -> bool {
        true
    }

    fn is_masked(&self, name: &str, runtime: bool) -> bool {
        is_masked(Path::new("/"), name, runtime)
    }

    fn set_masked(
        &self,
        name: &str,
        is_masked: bool,
        runtime: bool,
        cancel: &Cancel,
    ) -> Result<(), Failure> {
        let (unit, verb) = (unit_name(name), if is_masked { "mask" } else { "unmask" });
        let args: &[&str] = if runtime {
            &[verb, "--runtime", "--", &unit]
        } else {
            &[verb, "--", &unit]
        };
        if ask(&self.systemctl, args, cancel)?.retcode == 0 {
            return Ok(());
        }
        Err(Failure::command(format!(
            "Failed to {verb} service '{name}'"
        )))
    }
}

fn failed(finished: &Finished) -> Failure {
    Failure::command(finished.stderr.trim())
}

/// The unit's full name.
fn unit_name(name: &str) -> String {
    let has_type = name
        .rsplit_once('.')
        .is_some_and(|(_, kind)| UNIT_TYPES.contains(&kind));
    if has_type {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// Names in the first column of the lines that are wanted; the names of services without their type.
fn names(text: &str, is_wanted: impl Fn(&[&str]) -> bool) -> Vec<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        // A failed unit is marked by a dot of its own.
        let words: Vec<&str> = line
            .trim_start_matches(['●', '*', ' '])
            .split_whitespace()
            .collect();
        let Some((name, kind)) = words.first().and_then(|unit| unit.rsplit_once('.')) else {
            continue;
        };
        if is_wanted(&words) && UNIT_TYPES.contains(&kind) {
            found.insert(if kind == "service" {
                name.to_owned()
            } else {
                words[0].to_owned()
            });
        }
    }
    found.into_iter().collect()
}

fn properties(text: &str) -> Value {
    let property = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let value = if let Some(inner) = value.strip_prefix('{') {
            let items = inner
                .trim_end_matches('}')
                .split(" ; ")
                .filter_map(|item| item.split_once('='));
            Value::Object(
                items
                    .map(|(name, value)| (name.trim().to_owned(), json!(value.trim())))
                    .collect(),
            )
        } else if LIST_PROPERTIES.contains(&name) {
            json!(value.split_whitespace().collect::<Vec<_>>())
        } else {
            json!(value)
        };
        Some((name.to_owned(), value))
    };
    Value::Object(text.lines().filter_map(property).collect::<Map<_, _>>())
}

/// Whether a unit is a link to nothing.
fn is_masked(root: &Path, name: &str, runtime: bool) -> bool {
    let directory = root.join(if runtime {
        "run/systemd/system"
    } else {
        "etc/systemd/system"
    });
    fs::read_link(directory.join(unit_name(name)))
        .is_ok_and(|target| target == Path::new("/dev/null"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::write_script;

    /// A `systemctl` that does what the script says.
    fn fake(script: &str) -> (tempfile::TempDir, Systemd) {
        let dir = tempfile::tempdir().unwrap();
        let systemctl = dir.path().join("systemctl");
        write_script(&systemctl, script);
        (
            dir,
            Systemd {
                systemctl,
                is_offline: false,
            },
        )
    }

    #[test]
    fn systemctl_is_asked() {
        let cancel = Cancel::new();
        let (_dir, systemd) = fake(
            "case \"$*\" in \
             'start -- good.service'|'stop --no-block -- a.timer'|'is-active -- good.service') exit 0;; \
             'show --property=LoadState --value -- '*) echo not-found;; \
             'list-unit-files '*) echo 'b.service enabled x'; echo 'a.service disabled'; echo 'c.timer enabled';; \
             'is-enabled -- al.service') echo alias;; \
             'show --property=Id --value -- al.service') echo real.service;; \
             'is-enabled -- real.service') exit 0;; \
             *) echo \"no $*\" >&2; exit 1;; esac",
        );
        assert!(
            systemd
                .act(Action::Start, "good", &How::default(), &cancel)
                .unwrap()
        );
        assert!(
            systemd
                .act(
                    Action::Stop,
                    "a.timer",
                    &How {
                        no_block: true,
                        ..How::default()
                    },
                    &cancel
                )
                .unwrap()
        );
        assert!(
            !systemd
                .act(Action::Disable, "bad", &How::default(), &cancel)
                .unwrap()
        );
        let failure = systemd
            .act(Action::Restart, "bad", &How::default(), &cancel)
            .unwrap_err();
        assert_eq!(failure.to_string(), "no restart -- bad.service");
        assert!(
            systemd.is_running("good", &cancel).unwrap()
                && !systemd.is_running("bad", &cancel).unwrap()
        );
        assert!(
            systemd.is_enabled("al", &cancel).unwrap()
                && !systemd.is_enabled("bad", &cancel).unwrap()
        );
        assert!(!systemd.is_available("none", &cancel).unwrap());
        assert_eq!(systemd.all(&cancel).unwrap(), ["a", "b", "c.timer"]);
        assert_eq!(
            systemd.by_state("enabled", &cancel).unwrap(),
            ["b", "c.timer"]
        );
    }

    #[test]
    fn output_is_read() {
        let text =
            "● bad.service loaded failed failed Bad\nssh.service loaded active running SSH\n";
        assert_eq!(
            names(text, |words| words.get(3) == Some(&"running")),
            ["ssh"]
        );
        let shown = properties(
            "Id=ssh.service\nAfter=a.target b.target\nExecStart={ path=/bin/x ; argv[]=/bin/x -D ; pid=0 }\n",
        );
        let expected = json!({
            "Id": "ssh.service", "After": ["a.target", "b.target"],
            "ExecStart": {"path": "/bin/x", "argv[]": "/bin/x -D", "pid": "0"},
        });
        assert_eq!(shown, expected);
        assert_eq!(
            (unit_name("a.b").as_str(), unit_name("a.socket").as_str()),
            ("a.b.service", "a.socket")
        );
    }

    #[test]
    fn masks_are_links_to_nothing() {
        let root = tempfile::tempdir().unwrap();
        let units = root.path().join("etc/systemd/system");
        fs::create_dir_all(&units).unwrap();
        std::os::unix::fs::symlink("/dev/null", units.join("a.service")).unwrap();
        fs::write(units.join("b.service"), "").unwrap();
        let check = |name: &str, runtime: bool, expected: bool| {
            assert_eq!(is_masked(root.path(), name, runtime), expected)
        };
        check("a", false, true);
        check("a", true, false);
        check("b", false, false);
        check("none", false, false);
    }
}
