//! `cmd`: commands and scripts as states. They change something each time that they run, unless they say otherwise (`stateful`).

mod stateful;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::python;

/// The parameters of `cmd.run`, which its kin shares.
macro_rules! run_signature {
    () => {
        "name, cwd=None, root=None, runas=None, password=None, shell=None, env=None, prepend_path=None, stateful=False, \
         output_loglevel='debug', hide_output=False, timeout=None, ignore_timeout=False, use_vt=False, success_retcodes=None, \
         success_stdout=None, success_stderr=None, **kwargs"
    };
}

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "cmd.call",
        "name, func=None, args=None, kws=None, output_loglevel='debug', hide_output=False, use_vt=False, **kwargs",
        "Call a Python function; only states that are written in Python can name one.",
        |_, _| Err(no_function("cmd.call")),
    ),
    StateFunction::new(
        "cmd.mod_watch",
        "name, sfun=None, source=None, template=None, cwd=None, root=None, runas=None, password=None, shell=None, env=None, \
         prepend_path=None, stateful=False, timeout=None, ignore_timeout=False, use_vt=False, output_loglevel='debug', \
         hide_output=False, defaults=None, context=None, success_retcodes=None, success_stdout=None, success_stderr=None, \
         **kwargs",
        "Run the command or script of a watching state when what it watches has changed.",
        mod_watch,
    ),
    StateFunction::new(
        "cmd.run",
        run_signature!(),
        "Run a command. creates, onlyif and unless say when it is not needed; with stateful the command itself says by its \
         last line of output (changed=yes comment='…') or a JSON object whether it changed something.",
        |args, env| run(args, env, Stateful::of(args)),
    ),
    StateFunction::new(
        "cmd.script",
        "name, source=None, template=None, cwd=None, runas=None, password=None, shell=None, env=None, stateful=False, \
         timeout=None, use_vt=False, output_loglevel='debug', hide_output=False, defaults=None, context=None, \
         success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        "Fetch a script and run it. source: where it is, by default the name; what follows a blank in the name are arguments.",
        |args, env| script(args, env, Stateful::of(args)),
    ),
    StateFunction::new(
        "cmd.wait",
        "name, cwd=None, root=None, runas=None, shell=None, env=None, stateful=False, output_loglevel='debug', \
         hide_output=False, use_vt=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        "Run a command only when something that the state watches has changed.",
        |_, _| Ok(returned(true, "")),
    ),
    StateFunction::new(
        "cmd.wait_call",
        "name, func=None, args=None, kws=None, stateful=False, use_vt=False, output_loglevel='debug', hide_output=False, \
         **kwargs",
        "Call a Python function when something that the state watches has changed; see cmd.call.",
        |_, _| Ok(returned(true, "")),
    ),
    StateFunction::new(
        "cmd.wait_script",
        "name, source=None, template=None, cwd=None, runas=None, shell=None, env=None, stateful=False, use_vt=False, \
         output_loglevel='debug', hide_output=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        "Fetch and run a script only when something that the state watches has changed.",
        |_, _| Ok(returned(true, "")),
    ),
    StateFunction::new(
        "cmd.watch",
        "name, cwd=None, root=None, runas=None, shell=None, env=None, stateful=False, output_loglevel='debug', \
         hide_output=False, use_vt=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        "The same as cmd.wait.",
        |_, _| Ok(returned(true, "")),
    ),
];

/// Options that the execution functions take too, beyond the parameters of the state. Salt ignores all others.
const PASSED_ON: [&str; 10] = [
    "stdin",
    "group",
    "clean_env",
    "rstrip",
    "output_encoding",
    "reset_system_locale",
    "ignore_retcode",
    "redirect_stderr",
    "python_shell",
    "bg",
];

/// Parameters that the state and the execution functions have in common.
const COMMON: [&str; 12] = [
    "cwd",
    "runas",
    "shell",
    "env",
    "prepend_path",
    "output_loglevel",
    "hide_output",
    "timeout",
    "use_vt",
    "success_retcodes",
    "success_stdout",
    "success_stderr",
];

/// What the parameter `stateful` says.
struct Stateful {
    is_set: bool,
    /// The command to run instead in test mode.
    test_name: Option<String>,
}

impl Stateful {
    fn of(args: &Args) -> Stateful {
        match args.value("stateful") {
            Value::Array(items) => Stateful {
                is_set: !items.is_empty(),
                test_name: items
                    .first()
                    .and_then(|item| item.get("test_name"))
                    .map(python::text),
            },
            value => Stateful {
                is_set: *value == json!(true),
                test_name: None,
            },
        }
    }

    /// What counts when a watched state has changed: there is no other command then.
    fn when_watched(args: &Args) -> Stateful {
        Stateful {
            is_set: args.flag("stateful"),
            test_name: None,
        }
    }

    fn finish(&self, answer: Return) -> StateAnswer {
        if self.is_set {
            stateful::reinterpreted(answer)
        } else {
            Ok(answer)
        }
    }
}

fn no_function(fun: &str) -> Failure {
    Failure::invocation(format!(
        "{fun} needs a Python function, which only a state written in Python can give"
    ))
}

fn is_badly_formed_env(args: &Args) -> bool {
    !matches!(
        args.value("env"),
        Value::Null | Value::Array(_) | Value::Object(_)
    )
}

/// The call of an execution function with the options of the state.
fn call(fun: &str, args: &Args, env: &StateEnv) -> Call {
    let mut call = Call::new(fun);
    for name in COMMON {
        let value = args.value(name);
        if !value.is_null() {
            call = call.kwarg(name, value.clone());
        }
    }
    for name in PASSED_ON {
        if let Some(value) = args.extra_kwargs.get(name) {
            call = call.kwarg(name, value.clone());
        }
    }
    // The mask of a state is for the engine; here only the command creates files.
    if let Some(umask) = env.low.get("umask").filter(|umask| !umask.is_null()) {
        call = call.kwarg("umask", umask.clone());
    }
    call
}

fn missing_directory(args: &Args) -> Result<Option<Return>, Failure> {
    let cwd = args.optional_text("cwd")?.unwrap_or_default();
    Ok((!cwd.is_empty() && !Path::new(&cwd).is_dir()).then(|| {
        returned(
            false,
            format!("Desired working directory \"{cwd}\" is not available"),
        )
    }))
}

/// What runs for a state of this name: the name, or in test mode the command that tells what would happen.
fn command(args: &Args, env: &StateEnv, stateful: &Stateful) -> Result<String, Failure> {
    match &stateful.test_name {
        Some(test_name) if env.is_test => Ok(test_name.clone()),
        _ => Ok(python::text(args.value("name"))),
    }
}

fn run(args: &Args, env: &StateEnv, stateful: Stateful) -> StateAnswer {
    let name = command(args, env, &stateful)?;
    if is_badly_formed_env(args) {
        return Ok(returned(
            false,
            "Invalidly-formatted 'env' parameter. See documentation.",
        ));
    }
    if args.flag("root") {
        return Err(Failure::invocation(
            "root: commands are not run in another root directory; name chroot in the command",
        ));
    }
    if env.is_test && stateful.test_name.is_none() {
        let told = format!("Command \"{name}\" would have been executed");
        return stateful.finish(changed(None, told, json!({"cmd": name})));
    }
    if let Some(missing) = missing_directory(args)? {
        return Ok(missing);
    }
    let mut call = call("cmd.run_all", args, env)
        .arg(name.as_str())
        .kwarg("python_shell", true)
        .kwarg("saltenv", env.saltenv());
    if let Some(template) = args.extra_kwargs.get("template") {
        call = call.kwarg("template", template.clone());
    }
    let mut all = match env.call(&call) {
        Ok(all) => all,
        Err(failure) => return Ok(returned(false, failure.to_string())),
    };
    let is_success = all["retcode"] == json!(0);
    let mut result = is_success;
    let has_timed_out = all["retcode"] == json!(1)
        && all["stdout"]
            .as_str()
            .is_some_and(|stdout| stdout.contains("Timed out after"));
    if args.flag("ignore_timeout") && has_timed_out {
        all["retcode"] = json!(0);
        result = true;
    }
    let answer = changed(result, format!("Command \"{name}\" run"), all);
    finished(stateful.finish(answer)?, env, is_success)
}

/// In test mode a command that would change something is foretold.
fn finished(mut answer: Return, env: &StateEnv, is_success: bool) -> StateAnswer {
    if env.is_test && is_success && !answer.changes.is_empty() {
        answer.result = None;
    }
    Ok(answer)
}

fn script(args: &Args, env: &StateEnv, stateful: Stateful) -> StateAnswer {
    let name = command(args, env, &stateful)?;
    if is_badly_formed_env(args) {
        return Ok(returned(
            false,
            "Invalidly-formatted 'env' parameter. See documentation.",
        ));
    }
    let mut context = Map::new();
    for parameter in ["defaults", "context"] {
        match args.value(parameter) {
            Value::Object(names) => context.extend(names.clone()),
            value if python::truthy(value) => {
                let text = format!(
                    "Invalidly-formatted '{parameter}' parameter. Must be formed as a dict."
                );
                return Ok(returned(false, text));
            }
            _ => {}
        }
    }
    let saltenv = env.saltenv();
    let source = args
        .optional_text("source")?
        .unwrap_or_else(|| name.clone());
    if env.is_test && stateful.test_name.is_none() {
        let told = format!("Command '{name}' would have been executed");
        return stateful.finish(returned(None, told));
    }
    if let Some(missing) = missing_directory(args)? {
        return Ok(missing);
    }
    let mut call = call("cmd.script", args, env)
        .arg(source.as_str())
        .kwarg("saltenv", saltenv.as_str())
        .kwarg("context", context)
        .kwarg("template", args.value("template").clone());
    call.kwargs.remove("prepend_path");
    let given = args
        .extra_kwargs
        .get("args")
        .filter(|args| python::truthy(args));
    match (given, name.split_once(' ')) {
        (Some(given), _) => call = call.kwarg("args", given.clone()),
        // A trailing blank is no argument.
        (None, Some((_, rest))) if name.split_whitespace().nth(1).is_some() => {
            call = call.kwarg("args", rest);
        }
        _ => {}
    }
    let all = match env.call(&call) {
        Ok(all) => all,
        Err(failure) => return Ok(returned(false, failure.to_string())),
    };
    let is_success = all["retcode"] == json!(0);
    let comment = if python::truthy(&all["cache_error"]) {
        format!("Unable to cache script {source} from saltenv '{saltenv}'")
    } else {
        format!("Command '{name}' run")
    };
    let mut answer = changed(is_success, comment, all);
    if stateful.test_name.is_some() && env.is_test {
        answer.name = Some(name);
    }
    finished(stateful.finish(answer)?, env, is_success)
}

fn mod_watch(args: &Args, env: &StateEnv) -> StateAnswer {
    let stateful = Stateful::when_watched(args);
    match args.text("sfun")?.as_str() {
        "wait" | "run" | "watch" => run(args, env, stateful),
        "wait_script" | "script" => script(args, env, stateful),
        fun @ ("wait_call" | "call") => Ok(returned(
            false,
            format!("cmd.{fun} needs a named parameter func"),
        )),
        fun => Ok(returned(
            false,
            format!(
                "cmd.{fun} does not work with the watch requisite, please use cmd.wait or cmd.wait_script"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, checked};

    fn check(fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str) -> Return {
        checked(Host::new().state(fun, args, is_test), result, comment)
    }

    #[test]
    fn commands_are_foretold_and_run() {
        let told = "Command \"true\" would have been executed";
        let answer = check("cmd.run", json!({"name": "true"}), true, None, told);
        assert_eq!(answer.changes["cmd"], json!("true"));
        let args = json!({"name": "echo $A; umask; exit 3", "env": [{"A": "b"}], "umask": "077", "success_retcodes": [3]});
        let command = "Command \"echo $A; umask; exit 3\" run";
        let answer = check("cmd.run", args, false, Some(true), command);
        assert_eq!(answer.changes["stdout"], json!("b\n0077"));
        assert_eq!(answer.changes["retcode"], json!(0));
        let args = json!({"name": "echo e >&2; exit 3"});
        let answer = check(
            "cmd.run",
            args,
            false,
            Some(false),
            "Command \"echo e >&2; exit 3\" run",
        );
        assert_eq!(answer.changes["stderr"], json!("e"));
        assert_eq!(answer.changes["retcode"], json!(3));
        let gone = "Desired working directory \"/nowhere\" is not available";
        check(
            "cmd.run",
            json!({"name": "true", "cwd": "/nowhere"}),
            false,
            Some(false),
            gone,
        );
        let form = "Invalidly-formatted 'env' parameter. See documentation.";
        check(
            "cmd.run",
            json!({"name": "true", "env": "A=b"}),
            false,
            Some(false),
            form,
        );
        let shell = json!({"name": "true", "shell": "/bin/nosh"});
        check(
            "cmd.run",
            shell,
            false,
            Some(false),
            "The shell /bin/nosh is not available",
        );
    }

    #[test]
    fn timeouts_may_be_ignored() {
        let args = json!({"name": "exec sleep 600", "timeout": 0.2, "ignore_timeout": true});
        let command = "Command \"exec sleep 600\" run";
        let answer = check("cmd.run", args, false, Some(true), command);
        assert_eq!(answer.changes["retcode"], json!(0));
    }

    #[test]
    fn stateful_commands_say_what_changed() {
        let line = json!({"name": "echo hello; echo; echo \"changed=yes comment='all is new' a=1\"", "stateful": true});
        let answer = check("cmd.run", line, false, Some(true), "all is new");
        assert_eq!(answer.changes["a"], json!("1"));
        assert_eq!(answer.changes["changed"], json!("yes"));
        assert_eq!(answer.changes["stdout"], json!("hello\n"));
        let same = json!({"name": "echo changed=no comment=old", "stateful": true});
        let answer = check("cmd.run", same, false, Some(true), "old");
        assert!(answer.changes.is_empty());
        let object = json!({"name": "echo '{\"changed\": true, \"comment\": \"c\", \"n\": 1}'", "stateful": true});
        let answer = check("cmd.run", object, false, Some(true), "c");
        assert_eq!(
            (&answer.changes["n"], &answer.changes["stdout"]),
            (&json!(1), &json!(""))
        );
        let failed =
            "Failed parsing script output! Stdout must be JSON or a line of name=value pairs.";
        let bad = json!({"name": "echo nothing", "stateful": true});
        check("cmd.run", bad, false, Some(false), failed);
        let foretold =
            json!({"name": "false", "stateful": [{"test_name": "echo changed=yes comment=would"}]});
        check("cmd.run", foretold, true, None, "would");
        check(
            "cmd.run",
            json!({"name": "false", "stateful": true}),
            true,
            None,
            "",
        );
    }

    #[test]
    fn waiting_commands_run_when_something_changed() {
        check("cmd.wait", json!({"name": "false"}), false, Some(true), "");
        let args = json!({"name": "echo x", "sfun": "wait"});
        check(
            "cmd.mod_watch",
            args,
            false,
            Some(true),
            "Command \"echo x\" run",
        );
        let args = json!({"name": "x", "sfun": "nope"});
        let text = "cmd.nope does not work with the watch requisite, please use cmd.wait or cmd.wait_script";
        check("cmd.mod_watch", args, false, Some(false), text);
    }

    #[test]
    fn scripts_are_rendered_and_run() {
        let host = Host::new();
        host.write("roots/base/s.sh", "echo {{ word }} {{ grains.os }} $1\n");
        let args = json!({
            "name": "x with", "source": "salt://s.sh", "template": "jinja",
            "defaults": {"word": "no"}, "context": {"word": "hello"},
        });
        let answer = host.state("cmd.script", args.clone(), true);
        assert_eq!(answer.comment, "Command 'x with' would have been executed");
        let answer = host.state("cmd.script", args, false);
        assert_eq!(
            (answer.result, answer.comment.as_str()),
            (Some(true), "Command 'x with' run")
        );
        assert_eq!(answer.changes["stdout"], json!("hello Debian with"));
        let answer = host.state("cmd.script", json!({"name": "salt://nope"}), false);
        assert_eq!(answer.result, Some(false));
        assert_eq!(
            answer.comment,
            "Unable to cache script salt://nope from saltenv 'base'"
        );
    }
}
