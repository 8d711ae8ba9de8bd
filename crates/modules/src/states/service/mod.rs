//! `service`: services that are to run or not, to be started at boot or not, to be masked or not.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::python;
use crate::services::{self, Action, How, ServiceManager};

/// Parameters of `service.running` and `service.dead`.
const RUNNING: &str = "name, enable=None, sig=None, init_delay=None, **kwargs";
const WATCH: &str = "name, sfun=None, sig=None, reload=False, full_restart=False, init_delay=None, force=False, **kwargs";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "service.dead",
        RUNNING,
        "Stop a service. enable: whether it is started at boot. init_delay: seconds to wait before its state is told. no_block (systemd).",
        |args, env| Services::new(args, env)?.dead(),
    ),
    StateFunction::new(
        "service.disabled",
        "name, **kwargs",
        "Do not start a service at boot.",
        |args, env| Services::new(args, env)?.boots(false),
    ),
    StateFunction::new(
        "service.enabled",
        "name, **kwargs",
        "Start a service at boot.",
        |args, env| Services::new(args, env)?.boots(true),
    ),
    StateFunction::new(
        "service.masked",
        "name, runtime=False",
        "Make a service impossible to start (systemd). runtime: until the next boot.",
        |args, env| Services::new(args, env)?.masked(true, args.flag("runtime")),
    ),
    StateFunction::new(
        "service.mod_watch",
        WATCH,
        "Restart a watching service when what it watches has changed; with reload reload it, with force also restart it where it cannot. \
         full_restart: the same as a restart.",
        |args, env| Services::new(args, env)?.watch(),
    ),
    StateFunction::new(
        "service.running",
        RUNNING,
        "Start a service. enable: whether it is started at boot. init_delay: seconds to wait before its state is told. no_block, unmask, \
         unmask_runtime (systemd). sig: with SysV init a part of the command line of its process.",
        |args, env| Services::new(args, env)?.running(),
    ),
    StateFunction::new(
        "service.unmasked",
        "name, runtime=False",
        "Undo service.masked (systemd).",
        |args, env| Services::new(args, env)?.masked(false, args.flag("runtime")),
    ),
];

/// How a service stands, as far as comments tell it beside its start at boot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Running,
    Dead,
    Desired,
}

impl Stands {
    fn after(is_running: bool) -> Stands {
        if is_running {
            Stands::Running
        } else {
            Stands::Dead
        }
    }

    fn told(self) -> &'static str {
        match self {
            Stands::Running => "is running",
            Stands::Dead => "is dead",
            Stands::Desired => "is in the desired state",
        }
    }
}

struct Services<'a> {
    manager: Box<dyn ServiceManager + 'a>,
    args: &'a Args<'a>,
    env: &'a StateEnv<'a>,
    name: String,
}

impl<'a> Services<'a> {
    fn new(args: &'a Args<'a>, env: &'a StateEnv<'a>) -> Result<Services<'a>, Failure> {
        Services::of(services::manager()?, args, env)
    }

    fn of(
        manager: Box<dyn ServiceManager + 'a>,
        args: &'a Args<'a>,
        env: &'a StateEnv<'a>,
    ) -> Result<Services<'a>, Failure> {
        let name = args.text("name")?;
        if name.is_empty() || name.starts_with('-') || name.contains('/') || name.contains("..") {
            return Err(Failure::invocation(format!(
                "'{name}' is not the name of a service"
            )));
        }
        Ok(Services {
            manager,
            args,
            env,
            name,
        })
    }

    fn option(&self, name: &str) -> bool {
        self.args.extra_kwargs.get(name).is_some_and(python::truthy)
    }

    fn how(&self) -> How {
        How {
            no_block: self.option("no_block"),
            unmask: self.option("unmask"),
            unmask_runtime: self.option("unmask_runtime"),
        }
    }

    fn is_running(&self) -> Result<bool, Failure> {
        match self
            .args
            .optional_text("sig")?
            .filter(|sig| !sig.is_empty() && !self.manager.can_mask())
        {
            Some(sig) => {
                let pids = self.env.call(&Call::new("status.pid").arg(sig))?;
                Ok(python::truthy(&pids))
            }
            None => self.manager.is_running(&self.name, self.env.env.cancel),
        }
    }

    fn is_enabled(&self) -> Result<bool, Failure> {
        self.manager.is_enabled(&self.name, self.env.env.cancel)
    }

    fn act(&self, action: Action) -> Result<bool, Failure> {
        self.manager
            .act(action, &self.name, &self.how(), self.env.env.cancel)
    }

    /// What `enable` says.
    fn wants_boot(&self) -> Option<bool> {
        match self.args.value("enable") {
            Value::Bool(wanted) => Some(*wanted),
            text @ Value::String(_) => Some(python::is_true(text)),
            _ => None,
        }
    }

    /// The answer where a state has nothing to look at: `enabled` is no parameter, systemd does not run, or there is no such service.
    fn early(&self, missing_in_test: &str, missing_is_fine: bool) -> Option<Return> {
        let name = &self.name;
        if self.args.extra_kwargs.contains_key("enabled") {
            let text = format!(
                "Service {name} uses non-existent option \"enabled\".  Perhaps \"enable\" option was intended?"
            );
            return Some(returned(false, text));
        }
        if self.manager.is_offline() {
            return Some(returned(true, "Running in OFFLINE mode. Nothing to do"));
        }
        match self.manager.is_available(name, self.env.env.cancel) {
            Ok(true) => None,
            Ok(false) if self.env.is_test => Some(returned(
                None,
                format!(
                    "Service {name} not present; if created in this state run, it would have been {missing_in_test}"
                ),
            )),
            Ok(false) => Some(returned(
                missing_is_fine,
                format!("The named service {name} is not available"),
            )),
            Err(failure) => Some(returned(false, failure.to_string())),
        }
    }

    /// Waits as `init_delay` says; whether there was a wait.
    fn delay(&self) -> Result<bool, Failure> {
        let delay = self
            .args
            .seconds("init_delay")?
            .filter(|delay| !delay.is_zero());
        if let Some(delay) = delay {
            self.env.env.cancel.sleep(delay);
        }
        Ok(delay.is_some())
    }

    fn running(&self) -> StateAnswer {
        let name = &self.name;
        if let Some(answer) = self.early("started", false) {
            return Ok(answer);
        }
        let (was_running, was_enabled) = (self.is_running()?, self.is_enabled()?);
        let unmasked = if self.option("unmask") {
            self.masked(false, self.option("unmask_runtime"))?.comment
        } else {
            String::new()
        };
        let with_mask = |comment: String| {
            if unmasked.is_empty() {
                comment
            } else {
                format!("{comment}\n{unmasked}")
            }
        };
        if was_running {
            let mut answer = returned(
                true,
                with_mask(format!("The service {name} is already running")),
            );
            self.set_boot(&mut answer, was_enabled, Stands::Desired, true)?;
            return Ok(answer);
        }
        if self.env.is_test {
            return Ok(returned(
                None,
                with_mask(format!("Service {name} is set to start")),
            ));
        }
        match self.act(Action::Start) {
            Ok(true) => {}
            Ok(false) => {
                let mut answer = returned(false, format!("Service {name} failed to start"));
                self.set_wanted_boot(&mut answer, Stands::Dead, false)?;
                return Ok(answer);
            }
            Err(failure) => return Ok(returned(false, failure.to_string())),
        }
        let is_delayed = self.delay()?;
        let is_running = self.is_running()?;
        let mut answer = if is_running {
            returned(true, format!("Started service {name}"))
        } else {
            returned(false, format!("Service {name} failed to start"))
        };
        if is_running || self.is_enabled()? != was_enabled {
            answer.changes.insert(name.clone(), json!(is_running));
        }
        self.set_wanted_boot(&mut answer, Stands::after(is_running), is_running)?;
        if is_delayed {
            let seconds = python::text(self.args.value("init_delay"));
            answer.comment += &format!("\nDelayed return for {seconds} seconds");
        }
        if self.option("unmask") {
            answer.comment += &format!("\n{unmasked}");
        }
        Ok(answer)
    }

    fn dead(&self) -> StateAnswer {
        let name = &self.name;
        if let Some(answer) = self.early("stopped", true) {
            return Ok(answer);
        }
        let (was_running, was_enabled) = (self.is_running()?, self.is_enabled()?);
        if !was_running {
            let mut answer = returned(true, format!("The service {name} is already dead"));
            self.set_boot(&mut answer, was_enabled, Stands::Desired, true)?;
            return Ok(answer);
        }
        if self.env.is_test {
            return Ok(returned(
                None,
                format!("Service {name} is set to be killed"),
            ));
        }
        if !self.act(Action::Stop)? {
            let mut answer = returned(false, format!("Service {name} failed to die"));
            self.set_wanted_boot(&mut answer, Stands::Running, false)?;
            return Ok(answer);
        }
        self.delay()?;
        let is_running = self.is_running()?;
        let mut answer = if is_running {
            returned(false, format!("Service {name} failed to die"))
        } else {
            returned(true, format!("Service {name} was killed"))
        };
        if !is_running || self.is_enabled()? != was_enabled {
            answer.changes.insert(name.clone(), json!(is_running));
        }
        self.set_wanted_boot(&mut answer, Stands::after(is_running), !is_running)?;
        Ok(answer)
    }

    /// Sets the start at boot where it is not as the state says.
    fn set_boot(
        &self,
        answer: &mut Return,
        is_enabled: bool,
        stands: Stands,
        result: bool,
    ) -> Result<(), Failure> {
        match self.wants_boot() {
            Some(wanted) if wanted != is_enabled => self.toggle(answer, wanted, stands, result),
            _ => Ok(()),
        }
    }

    /// Sets the start at boot as the state says, and tells it.
    fn set_wanted_boot(
        &self,
        answer: &mut Return,
        stands: Stands,
        result: bool,
    ) -> Result<(), Failure> {
        match self.wants_boot() {
            Some(wanted) => self.toggle(answer, wanted, stands, result),
            None => Ok(()),
        }
    }

    /// `service.enabled` and `service.disabled`.
    fn boots(&self, wanted: bool) -> StateAnswer {
        let mut answer = returned(true, "");
        self.toggle(&mut answer, wanted, Stands::Desired, true)?;
        let name = &self.name;
        if wanted
            && self.env.is_test
            && answer.comment == format!("The named service {name} is not available")
        {
            answer.result = None;
            answer.comment = format!(
                "Service {name} not present; if created in this state run, it would have been enabled"
            );
        }
        Ok(answer)
    }

    /// Enables or disables the service, over an answer that says how it stands otherwise.
    fn toggle(
        &self,
        answer: &mut Return,
        wanted: bool,
        stands: Stands,
        result: bool,
    ) -> Result<(), Failure> {
        let (name, cancel) = (&self.name, self.env.env.cancel);
        let mut tell = |result: Option<bool>, comment: String| {
            answer.result = result;
            answer.comment = comment;
        };
        match self.manager.is_available(name, cancel) {
            Ok(true) => {}
            // What is not there is not started at boot either.
            Ok(false) => {
                tell(
                    Some(!wanted),
                    format!("The named service {name} is not available"),
                );
                return Ok(());
            }
            Err(failure) => {
                tell(Some(false), failure.to_string());
                return Ok(());
            }
        }
        let done = if wanted { "enabled" } else { "disabled" };
        let told = stands.told();
        if self.is_enabled()? == wanted {
            tell(
                Some(result),
                format!("Service {name} is already {done}, and {told}"),
            );
            return Ok(());
        }
        if self.env.is_test {
            tell(None, format!("Service {name} set to be {done}"));
            return Ok(());
        }
        let acted = self.act(if wanted {
            Action::Enable
        } else {
            Action::Disable
        });
        let error = match acted {
            Ok(true) => {
                answer.result = Some(result);
                answer.comment = format!("Service {name} has been {done}, and {told}");
                answer.changes = Map::new();
                if self.is_enabled()? == wanted {
                    answer.changes.insert(name.clone(), json!(true));
                }
                return Ok(());
            }
            Ok(false) => None,
            Err(failure) if wanted => Some(failure.to_string()),
            Err(failure) => return Err(failure),
        };
        tell(Some(false), not_set(name, wanted, stands, error));
        Ok(())
    }

    fn masked(&self, wanted: bool, runtime: bool) -> StateAnswer {
        let (name, manager) = (&self.name, &self.manager);
        if !manager.can_mask() {
            return Ok(returned(
                false,
                "Service masking not available on this minion",
            ));
        }
        let kind = if runtime { "runtime " } else { "" };
        let done = if wanted {
            format!("{kind}masked")
        } else {
            format!("{kind}unmasked")
        };
        if manager.is_masked(name, runtime) == wanted {
            let is = if wanted { "is" } else { "was" };
            return Ok(returned(
                true,
                format!("Service {name} {is} already {done}"),
            ));
        }
        let changes = json!({ format!("{kind}masked"): {"old": !wanted, "new": wanted} });
        if self.env.is_test {
            return Ok(changed(
                None,
                format!("Service {name} would be {done}"),
                changes,
            ));
        }
        if let Err(failure) = manager.set_masked(name, wanted, runtime, self.env.env.cancel) {
            return Ok(returned(false, failure.to_string()));
        }
        if manager.is_masked(name, runtime) == wanted {
            Ok(changed(true, format!("Service {name} was {done}"), changes))
        } else {
            // As in Salt a mask that does not stay is told, and no failure.
            let verb = if wanted { "mask" } else { "unmask" };
            Ok(returned(true, format!("Failed to {verb} service {name}")))
        }
    }

    fn watch(&self) -> StateAnswer {
        let name = &self.name;
        let fun = self.args.text("sfun")?;
        let is_running = self.is_running()?;
        let (action, verb) = match fun.as_str() {
            "dead" if is_running => (Action::Stop, "stop"),
            "dead" => return Ok(returned(true, "Service is already stopped")),
            "running" if !is_running => (Action::Start, "start"),
            "running" if self.args.flag("reload") && self.args.flag("force") => {
                (Action::ForceReload, "forcefully reload")
            }
            "running" if self.args.flag("reload") => (Action::Reload, "reload"),
            "running" => (Action::Restart, "restart"),
            _ => {
                return Ok(returned(
                    false,
                    format!("Unable to trigger watch for service.{fun}"),
                ));
            }
        };
        let done = if action == Action::Stop {
            "stopped".to_owned()
        } else {
            format!("{verb}ed")
        };
        if self.env.is_test {
            return Ok(returned(None, format!("Service is set to be {done}")));
        }
        if action == Action::Start {
            // What is half dead is stopped before it is started.
            self.manager
                .act(Action::Stop, name, &How::default(), self.env.env.cancel)?;
        }
        let is_done = match self.act(action) {
            Ok(is_done) => is_done,
            Err(failure) => return Ok(returned(false, failure.to_string())),
        };
        self.delay()?;
        let comment = if is_done {
            format!("Service {done}")
        } else {
            format!("Failed to {verb} the service")
        };
        Ok(changed(is_done, comment, json!({ name: is_done })))
    }
}

/// The comment of a start at boot that could not be set.
fn not_set(name: &str, wanted: bool, stands: Stands, error: Option<String>) -> String {
    let told = match (wanted, stands) {
        (true, Stands::Running) => "to start at boot, but the service is running",
        (true, Stands::Desired) => "to start at boot, but the service was already running",
        (true, Stands::Dead) => "to start at boot, and the service is dead",
        (false, Stands::Running) => "to not start at boot, and is running",
        (false, Stands::Desired) => "to not start at boot, but the service was already running",
        (false, Stands::Dead) => "to not start at boot, and the service is dead",
    };
    let error = error
        .map(|error| format!(". Additional information follows:\n\n{error}"))
        .unwrap_or_default();
    format!("Failed when setting service {name} {told}{error}")
}
