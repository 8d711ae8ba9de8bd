//! `supervisord`: programs that supervisor keeps running, through supervisorctl.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process::which;
use crate::python;

/// What `status` exits with when programs do not run, which is no error.
const SOME_STOPPED: i64 = 3;

const ALL: &str = "name='all', user=None, conf_file=None, bin_env=None";
const ONE: &str = "name, user=None, conf_file=None, bin_env=None";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "supervisord.add",
        ONE,
        "Take a program or group of the configuration into service.",
        "supervisord.add web",
        |args, env| group(args, env, "add"),
    ),
    Function::new(
        "supervisord.custom",
        "command, user=None, conf_file=None, bin_env=None",
        "Run any command of supervisorctl.",
        "supervisord.custom \"mstop '*gunicorn*'\"",
        |args, env| control(args, env, &args.text("command")?, None),
    ),
    Function::new(
        "supervisord.remove",
        ONE,
        "Take a program or group out of service.",
        "supervisord.remove web",
        |args, env| group(args, env, "remove"),
    ),
    Function::new(
        "supervisord.reread",
        "user=None, conf_file=None, bin_env=None",
        "Read the configuration again.",
        "supervisord.reread",
        |args, env| control(args, env, "reread", None),
    ),
    Function::new(
        "supervisord.restart",
        ALL,
        "Restart a program, a group (`name:`) or all.",
        "supervisord.restart web",
        |args, env| control(args, env, "restart", Some(&without_star(args)?)),
    ),
    Function::new(
        "supervisord.start",
        ALL,
        "Start a program, a group (`name:`) or all.",
        "supervisord.start web",
        |args, env| control(args, env, "start", Some(&without_star(args)?)),
    ),
    Function::new(
        "supervisord.status",
        "name=None, user=None, conf_file=None, bin_env=None",
        "State and reason of the programs, by name.",
        "supervisord.status",
        |args, env| {
            let told = status(args, env)?;
            Ok(Value::Object(told.lines().filter_map(program).collect()))
        },
    ),
    Function::new(
        "supervisord.status_raw",
        "name=None, user=None, conf_file=None, bin_env=None",
        "What supervisorctl says of the programs.",
        "supervisord.status_raw",
        |args, env| Ok(json!(status(args, env)?)),
    ),
    Function::new(
        "supervisord.stop",
        ALL,
        "Stop a program, a group (`name:`) or all.",
        "supervisord.stop web",
        |args, env| control(args, env, "stop", Some(&without_star(args)?)),
    ),
    Function::new(
        "supervisord.update",
        "user=None, conf_file=None, bin_env=None, name=None",
        "Read the configuration again and bring what runs in line with it.",
        "supervisord.update",
        |args, env| {
            let name = args.optional_text("name")?;
            control(args, env, "update", name.as_deref().map(bare))
        },
    ),
];

/// The program, of the system or of a virtual environment.
pub(crate) fn program_path(bin_env: Option<&str>) -> Result<PathBuf, Failure> {
    let missing = || Failure::command("Could not find a `supervisorctl` binary");
    match bin_env {
        None | Some("") => which("supervisorctl").ok_or_else(missing),
        Some(path) if Path::new(path).is_dir() => {
            let program = Path::new(path).join("bin/supervisorctl");
            program.is_file().then_some(program).ok_or_else(missing)
        }
        Some(path) => Ok(PathBuf::from(path)),
    }
}

/// The output of a command; one that failed is marked as an error.
fn control(args: &Args, env: &Env, command: &str, name: Option<&str>) -> Answer {
    let program = program_path(args.optional_text("bin_env")?.as_deref())?;
    let mut line = vec![program.to_string_lossy().into_owned()];
    if let Some(file) = args.optional_text("conf_file")? {
        line.extend(["-c".to_owned(), file]);
    }
    line.push(command.to_owned());
    line.extend(name.map(str::to_owned));
    let run = Call::new("cmd.run_all")
        .arg(line)
        .kwarg("runas", args.value("user").clone())
        .kwarg("python_shell", false)
        .kwarg("ignore_retcode", true);
    let done = env.call(&run)?.value;
    let said = python::text(&done["stdout"]);
    let is_fine = done["retcode"] == 0 || command == "status" && done["retcode"] == SOME_STOPPED;
    Ok(json!(if !is_fine && !said.contains("ERROR") {
        format!("ERROR: {said}")
    } else {
        said
    }))
}

fn without_star(args: &Args) -> Result<String, Failure> {
    let name = args.text("name")?;
    Ok(match name.strip_suffix('*') {
        Some(group) if group.ends_with(':') => group.to_owned(),
        _ => name,
    })
}

/// The name of a group without `:` or `:*`.
fn bare(name: &str) -> &str {
    let group = name.strip_suffix(":*").or_else(|| name.strip_suffix(':'));
    group.unwrap_or(name)
}

fn group(args: &Args, env: &Env, command: &str) -> Answer {
    let name = args.text("name")?;
    control(args, env, command, Some(bare(&name)))
}

fn status(args: &Args, env: &Env) -> Result<String, Failure> {
    let name = args.optional_text("name")?;
    Ok(python::text(&control(
        args,
        env,
        "status",
        name.as_deref(),
    )?))
}

fn program(line: &str) -> Option<(String, Value)> {
    let (name, rest) = line.trim().split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (state, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let told = json!({"state": state, "reason": reason.trim_start()});
    Some((name.to_owned(), told))
}

/// A group's names are those of its programs.
pub(crate) fn groups(programs: &Map<String, Value>) -> Vec<String> {
    let mut groups: Vec<String> = programs
        .keys()
        .filter_map(|name| Some(format!("{}:", name.split_once(':')?.0)))
        .collect();
    groups.sort();
    groups.dedup();
    groups
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{Host, write_script};

    /// A supervisorctl with the programs web (running) and jobs:a, jobs:b (stopped); new ones come with `add`.
    pub(crate) fn fake(host: &Host) -> String {
        let state = host.write(
            "programs",
            "web RUNNING pid 1, uptime 0:01:00\njobs:a STOPPED Not started\njobs:b EXITED Nov 28 03:00 AM\n",
        );
        let script = format!(
            r#"state={state}; echo "$*" >> {state}.calls
            [ "$1" = -c ] && shift 2
            case "$1" in
            status) cat $state; exit 3;;
            start) grep -q "^$2" $state || {{ echo "$2: ERROR (no such process)"; exit 1; }}
                sed -i "s/^\($2[^ ]*\) .*/\1 RUNNING pid 2, uptime 0:00:00/" $state; echo "$2: started";;
            stop) sed -i "s/^\($2[^ ]*\) .*/\1 STOPPED Not started/" $state; echo "$2: stopped";;
            restart) echo "$2: stopped"; echo "$2: started";;
            add) echo "$2 STOPPED Not started" >> $state; echo "$2: added process group";;
            *) echo "$1 done";;
            esac"#
        );
        host.program("supervisorctl", &script);
        // One of a virtual environment.
        write_script(Path::new(&host.path("env/bin/supervisorctl")), &script);
        format!("{state}.calls")
    }

    #[test]
    fn programs_are_controlled() {
        let host = Host::new();
        let _root = host.lend_root();
        let calls = fake(&host);
        let call = |call: Call| host.call(call).value;
        // cmd.run_all does not see the root of a test.
        let on = |fun: &str| Call::new(fun).kwarg("bin_env", host.path("env"));
        let programs = call(on("supervisord.status"));
        assert_eq!(
            programs["web"],
            json!({"state": "RUNNING", "reason": "pid 1, uptime 0:01:00"})
        );
        assert_eq!(
            call(on("supervisord.start").arg("jobs:*")),
            json!("jobs:: started")
        );
        assert_eq!(
            call(on("supervisord.start").arg("none")),
            json!("none: ERROR (no such process)")
        );
        assert_eq!(call(on("supervisord.reread")), json!("reread done"));
        let file = on("supervisord.add")
            .arg("new:")
            .kwarg("conf_file", "/etc/s.conf");
        assert_eq!(call(file), json!("new: added process group"));
        let calls = std::fs::read_to_string(calls).unwrap();
        assert_eq!(
            calls,
            "status\nstart jobs:\nstart none\nreread\n-c /etc/s.conf add new\n"
        );
        let nowhere = Call::new("supervisord.stop").kwarg("bin_env", host.path(""));
        assert_eq!(
            call(nowhere),
            json!("ERROR: Could not find a `supervisorctl` binary")
        );
    }
}
