//! `sysctl`: parameters of the kernel, as they are now and as they are kept over a restart.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::edit::text::{Text, byte_lines};
use crate::process::{Finished, query, which};
use crate::python;
use crate::root;

/// What a new file of settings begins with.
const HEADER: &str = "#\n# Kernel sysctl configuration\n#\n";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "sysctl.assign",
        "name, value",
        "Set a parameter of the running kernel.",
        "sysctl.assign net.ipv4.ip_forward 1",
        |args, env| assign(env, &args.text("name")?, &python::text(args.value("value"))),
    ),
    Function::new(
        "sysctl.default_config",
        "",
        "The file that parameters are kept in.",
        "sysctl.default_config",
        |_, _| Ok(json!(default_config())),
    ),
    Function::new(
        "sysctl.get",
        "name",
        "A parameter of the running kernel.",
        "sysctl.get net.ipv4.ip_forward",
        |args, env| Ok(json!(get(env, &args.text("name")?)?)),
    ),
    Function::new(
        "sysctl.persist",
        "name, value, config=None",
        "Set a parameter now and keep it in a file; answers Updated or Already set.",
        "sysctl.persist net.ipv4.ip_forward 1",
        |args, env| {
            let config = args.optional_text("config")?;
            let config = config.unwrap_or_else(default_config);
            let (name, value) = (args.text("name")?, python::text(args.value("value")));
            let is_changed = persist(env, &name, &value, Path::new(&config))?;
            Ok(json!(if is_changed { "Updated" } else { "Already set" }))
        },
    ),
    Function::new(
        "sysctl.show",
        "config_file=False",
        "All parameters of the running kernel, or those of a file.",
        "sysctl.show",
        show,
    ),
];

/// The file that parameters are kept in: that of systemd where it runs.
pub(crate) fn default_config() -> String {
    let name = if root::path("/run/systemd/system").is_dir() {
        "/etc/sysctl.d/99-salt.conf"
    } else {
        "/etc/sysctl.conf"
    };
    root::path(name).to_string_lossy().into_owned()
}

fn sysctl(env: &Env, args: &[&str]) -> Result<Finished, Failure> {
    if which("sysctl").is_none() {
        return Err(Failure::command("Command 'sysctl' cannot be found"));
    }
    query(&[&["sysctl"], args].concat(), env.cancel)
}

/// A parameter of the running kernel, or what the program says about it.
pub(crate) fn get(env: &Env, name: &str) -> Result<String, Failure> {
    let done = sysctl(env, &["-n", name])?;
    Ok(format!("{}{}", &*done.stdout, &*done.stderr)
        .trim_end()
        .to_owned())
}

fn show(args: &Args, env: &Env) -> Answer {
    if args.flag("config_file") {
        let path = args.text("config_file")?;
        if !Path::new(&path).exists() {
            return Ok(json!([]));
        }
        return Ok(configured(Path::new(&path)).map_or(Value::Null, Value::Object));
    }
    let done = sysctl(env, &["-a"])?;
    let pairs = done
        .stdout
        .lines()
        .filter_map(|line| line.split_once(" = "));
    Ok(Value::Object(
        pairs
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect(),
    ))
}

/// The parameters that a file sets; none when it cannot be read.
pub(crate) fn configured(path: &Path) -> Option<Map<String, Value>> {
    let text = Text::read(path).ok()?;
    let lines = text.as_str().lines().map(str::trim);
    let pairs = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='));
    Some(
        pairs
            .map(|(name, value)| (name.trim_end().to_owned(), json!(value.trim_start())))
            .collect(),
    )
}

fn assign(env: &Env, name: &str, value: &str) -> Answer {
    let below: String = name
        .chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        })
        .collect();
    if !root::path(&format!("/proc/sys/{below}")).exists() {
        return Err(Failure::command(format!("sysctl {name} does not exist")));
    }
    let done = sysctl(env, &["-w", &format!("{name}={value}")])?;
    let (out, error) = (done.stdout.trim_end(), done.stderr.trim_end());
    let said = out
        .strip_prefix(name)
        .and_then(|rest| rest.trim_start().strip_prefix('='));
    if said.map(str::trim_start) != Some(value) || error.contains("Invalid argument") {
        let text = if done.retcode != 0 && !error.is_empty() {
            error
        } else {
            out
        };
        return Err(Failure::command(format!("sysctl -w failed: {text}")));
    }
    let (new_name, new_value) = out.split_once(" = ").unwrap_or((name, value));
    Ok(json!({new_name: new_value}))
}

/// Values are the same whatever blanks stand between their words.
fn plain(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join("\t")
}

/// Keeps a parameter in a file and sets it; whether anything changed.
pub(crate) fn persist(env: &Env, name: &str, value: &str, config: &Path) -> Result<bool, Failure> {
    let unwritable = |_| Failure::command(format!("Could not write to file: {}", config.display()));
    let text = if config.is_file() {
        let unreadable =
            |_| Failure::command(format!("Could not read from file: {}", config.display()));
        Text::read(config).map_err(unreadable)?
    } else {
        if let Some(directory) = config.parent() {
            fs::create_dir_all(directory).map_err(unwritable)?;
        }
        Text::of_bytes(HEADER.into())
    };
    let wanted = format!("{name} = {value}\n");
    let mut new = String::new();
    let mut is_edited = false;
    for line in byte_lines(text.as_str()) {
        match line.split_once('=') {
            Some((known, old)) if known.trim() == name => {
                if plain(old) == plain(value) {
                    if plain(&get(env, name)?) == plain(value) {
                        return Ok(false);
                    }
                    assign(env, name, value)?;
                    return Ok(true);
                }
                new.push_str(&wanted);
                is_edited = true;
            }
            _ => new.push_str(line),
        }
    }
    if !is_edited {
        new.push_str(&wanted);
    }
    replace(config, &text.bytes_of(&new), PUBLIC_MODE).map_err(unwritable)?;
    assign(env, name, value)?;
    Ok(true)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    /// A sysctl program whose parameters are files.
    pub(crate) fn fake(host: &Host) {
        let root = host.path("root/proc/sys");
        host.write("root/proc/sys/vm/swappiness", "60");
        host.program(
            "sysctl",
            &format!(
                "case \"$1\" in\n\
                 -n) f={root}/$(echo $2 | tr . /); cat $f 2>/dev/null || echo \"sysctl: cannot stat $2\" >&2;;\n\
                 -w) n=${{2%%=*}} v=${{2#*=}}\n\
                 [ $v = bad ] && {{ echo 'Invalid argument' >&2; exit 255; }}\n\
                 echo $v >{root}/$(echo $n | tr . /); echo \"$n = $v\";;\n\
                 -a) echo 'vm.swappiness = 60'; echo odd;;\nesac"
            ),
        );
    }

    #[test]
    fn parameters_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let config = host.path("root/etc/sysctl.conf");
        let check = |call: Call, expected: Value| {
            assert_eq!(host.call(call.clone()).value, expected, "{call:?}")
        };
        check(Call::new("sysctl.default_config"), json!(config));
        check(Call::new("sysctl.show"), json!({"vm.swappiness": "60"}));
        let persist = |value: &str| Call::new("sysctl.persist").arg("vm.swappiness").arg(value);
        check(persist("10"), json!("Updated"));
        check(persist("10"), json!("Already set"));
        check(Call::new("sysctl.get").arg("vm.swappiness"), json!("10"));
        assert_eq!(
            fs::read_to_string(&config).unwrap(),
            format!("{HEADER}vm.swappiness = 10\n")
        );
        check(
            Call::new("sysctl.show").arg(config),
            json!({"vm.swappiness": "10"}),
        );
        check(
            persist("bad"),
            json!("ERROR: sysctl -w failed: Invalid argument"),
        );
        let missing = Call::new("sysctl.assign").arg("vm.none").arg(1);
        check(missing, json!("ERROR: sysctl vm.none does not exist"));
    }
}
