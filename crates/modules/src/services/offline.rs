//! A host with systemd's programs that systemd does not run, as a chroot: scripts of SysV init are all that can be started, and masks are files.

use super::systemd::Systemd;
use super::sysv::SysV;
use super::{Action, How, ServiceManager};
use crate::cancel::Cancel;
use crate::failure::Failure;

pub(super) struct Offline {
    pub(super) systemd: Systemd,
    pub(super) sysv: SysV,
}

impl ServiceManager for Offline {
    fn is_offline(&self) -> bool {
        true
    }

    fn is_available(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure> {
        self.sysv.is_available(name, cancel)
    }

    fn is_enabled(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure> {
        self.sysv.is_enabled(name, cancel)
    }

    fn is_running(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure> {
        self.sysv.is_running(name, cancel)
    }

    fn all(&self, cancel: &Cancel) -> Result<Vec<String>, Failure> {
        self.sysv.all(cancel)
    }

    fn by_enablement(&self, enabled: bool, cancel: &Cancel) -> Result<Vec<String>, Failure> {
        self.sysv.by_enablement(enabled, cancel)
    }

    fn act(&self, action: Action, name: &str, how: &How, cancel: &Cancel) -> Result<bool, Failure> {
        self.sysv.act(action, name, how, cancel)
    }

    fn can_mask(&self) -> bool {
        true
    }

    fn is_masked(&self, name: &str, runtime: bool) -> bool {
        self.systemd.is_masked(name, runtime)
    }

    fn set_masked(
        &self,
        name: &str,
        is_masked: bool,
        runtime: bool,
        cancel: &Cancel,
    ) -> Result<(), Failure> {
        self.systemd.set_masked(name, is_masked, runtime, cancel)
    }
}
