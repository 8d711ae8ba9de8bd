//! Services of SysV init: scripts in `/etc/init.d`, links in `/etc/rc*.d`.

use std::fs;
use std::path::PathBuf;

use super::{Action, How, ServiceManager, ask};
use crate::cancel::Cancel;
use crate::failure::Failure;
use crate::pattern;
use crate::process::{is_executable, which};

/// Run levels of normal work; a start link in one of them makes a service enabled.
const RUN_LEVELS: [&str; 4] = ["2", "3", "4", "5"];

pub(super) struct SysV {
    /// Where `init.d` and `rc?.d` are.
    pub(super) etc: PathBuf,
}

impl SysV {
    fn script(&self, name: &str) -> PathBuf {
        self.etc.join("init.d").join(name)
    }

    fn has(&self, name: &str) -> bool {
        is_executable(&self.script(name))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.etc.join("init.d"))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| self.has(name)).collect();
        names.sort();
        names
    }

    fn has_start_link(&self, name: &str) -> bool {
        let Some(start) = pattern::glob(&format!("S[0-9][0-9]{name}"), false) else {
            return false;
        };
        let links = |level: &str| {
            // Red Hat keeps the levels below /etc/rc.d.
            let directories = [
                self.etc.join(format!("rc{level}.d")),
                self.etc.join(format!("rc.d/rc{level}.d")),
            ];
            directories
                .into_iter()
                .flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten())
        };
        RUN_LEVELS
            .iter()
            .flat_map(|level| links(level))
            .any(|link| start.is_match(&link.file_name().to_string_lossy()))
    }

    fn set_enabled(&self, name: &str, enable: bool, cancel: &Cancel) -> Result<bool, Failure> {
        let (program, args) = if let Some(program) = which("update-rc.d") {
            (
                program,
                if enable {
                    vec![name, "defaults"]
                } else {
                    vec!["-f", name, "remove"]
                },
            )
        } else if let Some(program) = which("chkconfig") {
            (program, vec![name, if enable { "on" } else { "off" }])
        } else if let Some(program) = which("rc-update") {
            (program, vec![if enable { "add" } else { "del" }, name])
        } else {
            let text =
                "Unable to find sysv service manager (tried update-rc.d, chkconfig, rc-update)";
            return Err(Failure::command(text));
        };
        Ok(ask(&program, &args, cancel)?.retcode == 0)
    }
}

impl ServiceManager for SysV {
    fn is_available(&self, name: &str, _: &Cancel) -> Result<bool, Failure> {
        Ok(self.has(name))
    }

    fn is_enabled(&self, name: &str, _: &Cancel) -> Result<bool, Failure> {
        Ok(self.has_start_link(name))
    }

    fn is_running(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure> {
        if !self.has(name) {
            return Ok(false);
        }
        Ok(ask(&self.script(name), &["status"], cancel)?.retcode == 0)
    }

    fn all(&self, _: &Cancel) -> Result<Vec<String>, Failure> {
        Ok(self.names())
    }

    fn by_enablement(&self, enabled: bool, _: &Cancel) -> Result<Vec<String>, Failure> {
        let mut names = self.names();
        names.retain(|name| self.has_start_link(name) == enabled);
        Ok(names)
    }

    fn act(&self, action: Action, name: &str, _: &How, cancel: &Cancel) -> Result<bool, Failure> {
        if !self.has(name) {
            return Err(Failure::command(format!("Service {name} is not available")));
        }
        let verb = match action {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
            Action::Reload => "reload",
            Action::ForceReload => "force-reload",
            Action::Enable | Action::Disable => {
                return self.set_enabled(name, action == Action::Enable, cancel);
            }
        };
        Ok(ask(&self.script(name), &[verb], cancel)?.retcode == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::write_script;

    #[test]
    fn scripts_are_services() {
        let etc = tempfile::tempdir().unwrap();
        let sysv = SysV {
            etc: etc.path().to_owned(),
        };
        fs::create_dir_all(etc.path().join("rc3.d")).unwrap();
        write_script(
            &etc.path().join("init.d/web"),
            "[ \"$1\" = start ] || [ \"$1\" = status ]",
        );
        fs::write(etc.path().join("init.d/README"), "").unwrap();
        let cancel = Cancel::new();
        assert_eq!(sysv.names(), ["web"]);
        assert!(!sysv.has_start_link("web"));
        fs::write(etc.path().join("rc3.d/S20web"), "").unwrap();
        assert!(sysv.has_start_link("web") && !sysv.has_start_link("we"));
        assert!(
            sysv.is_running("web", &cancel).unwrap() && !sysv.is_running("none", &cancel).unwrap()
        );
        assert!(
            sysv.act(Action::Start, "web", &How::default(), &cancel)
                .unwrap()
        );
        assert!(
            !sysv
                .act(Action::Stop, "web", &How::default(), &cancel)
                .unwrap()
        );
        assert_eq!(
            sysv.act(Action::Start, "none", &How::default(), &cancel)
                .unwrap_err()
                .to_string(),
            "Service none is not available"
        );
    }
}
