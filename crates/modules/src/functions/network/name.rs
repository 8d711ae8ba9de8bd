//! Setting the name of the host.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;

use super::super::{Answer, Args, Env, Failure};
use crate::call::Call;
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::process::{query, which};
use crate::python;
use crate::root;

/// `network.mod_hostname`: sets the name for the running system, and in the files that hold it.
pub(super) fn mod_hostname(args: &Args, env: &Env) -> Answer {
    let Some(name) = args.optional_text("hostname")? else {
        return Ok(json!(false));
    };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Failure::invocation(format!(
            "'{name}' is no name of a host"
        )));
    }
    let asked = |fun: &str| -> Result<String, Failure> {
        Ok(python::text(&env.call(&Call::new(fun))?.value))
    };
    let old = if which("hostnamectl").is_some() {
        let status = query(&["hostnamectl", "status"], env.cancel)?;
        let old = static_name(&status.stdout).filter(|_| status.retcode == 0);
        let old = old.map(str::to_owned);
        if query(&["hostnamectl", "set-hostname", &name], env.cancel)?.retcode != 0 {
            return Ok(json!(false));
        }
        match old {
            Some(old) => old,
            None => asked("network.get_hostname")?,
        }
    } else {
        let old = asked("network.get_fqdn")?;
        query(&["hostname", &name], env.cancel)?;
        old
    };
    edited(&root::path("/etc/hosts"), |text| hosts(text, &old, &name))?;
    let grains = env.ctx.grains();
    match grains["os_family"].as_str().unwrap_or_default() {
        "RedHat" => edited(&root::path("/etc/sysconfig/network"), |text| {
            sysconfig(text, &name)
        })?,
        "Debian" => {
            let path = root::path("/etc/hostname");
            replace(&path, format!("{name}\n").as_bytes(), PUBLIC_MODE)
                .map_err(|error| Failure::io(&path, error))?;
        }
        _ => {}
    }
    Ok(json!(true))
}

fn static_name(status: &str) -> Option<&str> {
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, name) = lines.find(|(key, _)| key.contains("Static hostname"))?;
    Some(name.trim())
}

/// Replaces the text of a file; one that is not there is left so.
fn edited(path: &Path, edit: impl FnOnce(&str) -> String) -> Result<(), Failure> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let new = edit(&text);
            if new == text {
                return Ok(());
            }
            replace(path, new.as_bytes(), PUBLIC_MODE).map_err(|error| Failure::io(path, error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(path, error)),
    }
}

/// Puts the new name in the place of the old one, once in a line. Lines with it have single tabulators; all others stay as they are.
fn hosts(text: &str, old: &str, new: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        match words.iter().position(|word| *word == old) {
            Some(at) => {
                words[at] = new;
                words.join("\t") + "\n"
            }
            None => line.to_owned(),
        }
    };
    text.split_inclusive('\n').map(line).collect()
}

fn sysconfig(text: &str, name: &str) -> String {
    let line = |line: &str| {
        let Some(old) = line.strip_prefix("HOSTNAME=") else {
            return line.to_owned();
        };
        let quote = match old.trim_end().chars().next() {
            Some(quote @ ('"' | '\'')) => quote.to_string(),
            _ => String::new(),
        };
        format!("HOSTNAME={quote}{name}{quote}\n")
    };
    text.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn names_are_set_everywhere() {
        let host = Host::new();
        let _root = host.lend_root();
        let script = format!(
            "case $1 in status) echo ' Static hostname: old.example.com';; *) echo \"$@\" > {};; esac",
            host.path("calls")
        );
        host.program("hostnamectl", &script);
        let hosts = "127.0.0.1  localhost\n10.0.0.1  old.example.com  old\n";
        let path = host.write("root/etc/hosts", hosts);
        host.write("root/etc/hostname", "old\n");
        let set = Call::new("network.mod_hostname").arg("new.example.com");
        assert_eq!(host.call(set).value, json!(true));
        let read = |path: &str| fs::read_to_string(path).unwrap();
        assert_eq!(read(&host.path("calls")), "set-hostname new.example.com\n");
        assert_eq!(
            read(&path),
            "127.0.0.1  localhost\n10.0.0.1\tnew.example.com\told\n"
        );
        assert_eq!(read(&host.path("root/etc/hostname")), "new.example.com\n");
        let bad = Call::new("network.mod_hostname").arg("a b");
        assert!(!host.call(bad).success);
    }

    #[test]
    fn quotes_of_sysconfig_stay() {
        let text = "NETWORKING=yes\nHOSTNAME=\"old\"\n";
        assert_eq!(sysconfig(text, "new"), "NETWORKING=yes\nHOSTNAME=\"new\"\n");
    }
}
