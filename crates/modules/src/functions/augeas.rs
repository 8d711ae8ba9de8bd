//! `augeas`: edits of configuration files through the tree that Augeas makes of them.

use std::io::Write;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::process::query;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "augeas.execute",
    "context=None, lens=None, commands=[], load_path=None",
    "Run commands of Augeas (set, setm, mv, ins, rm) and save; answers retval, and error when it is false.",
    "augeas.execute /files/etc/redis/redis.conf commands='[set bind 0.0.0.0, set maxmemory 1G]'",
    |args, env| {
        let edit = Edit::of(args, "commands")?;
        execute(env, &edit)
    },
)];

/// What is to be done to a file.
pub(crate) struct Edit {
    /// What paths are below.
    pub(crate) context: Option<String>,
    pub(crate) lens: Option<String>,
    pub(crate) commands: Vec<String>,
    /// Directories of more lenses.
    pub(crate) load_path: Vec<String>,
}

impl Edit {
    pub(crate) fn of(args: &Args, commands: &str) -> Result<Edit, Failure> {
        let load_path = match args.value("load_path") {
            Value::Array(paths) => paths.iter().map(python::text).collect(),
            Value::Null => Vec::new(),
            one => python::text(one).split(':').map(str::to_owned).collect(),
        };
        let commands = match args.value(commands) {
            Value::Array(commands) => commands.iter().map(python::text).collect(),
            Value::Null => Vec::new(),
            one => vec![python::text(one)],
        };
        Ok(Edit {
            context: args
                .optional_text("context")?
                .filter(|context| !context.is_empty()),
            lens: args.optional_text("lens")?.filter(|lens| !lens.is_empty()),
            commands,
            load_path,
        })
    }

    /// A path below the context.
    fn path(&self, path: &str) -> String {
        match &self.context {
            Some(context) if path.is_empty() => context.clone(),
            Some(context) => format!(
                "{}/{}",
                context.trim_end_matches('/'),
                path.trim_start_matches('/')
            ),
            None => path.to_owned(),
        }
    }

    /// The commands in the words of the program; the error is one that the function answers.
    fn script(&self) -> Result<String, String> {
        let mut script = String::new();
        for command in &self.commands {
            let (name, words) = parsed(command)?;
            let unfit = || invalid(command);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let line = match (name, words.as_slice()) {
                ("set", [path, value]) => {
                    format!("set {} {}", quoted(&self.path(path)), quoted(value))
                }
                ("setm", [base, below, value]) => {
                    format!(
                        "setm {} {} {}",
                        quoted(&self.path(base)),
                        quoted(below),
                        quoted(value)
                    )
                }
                ("move", [from, to]) => format!("mv {} {}", quoted(&self.path(from)), quoted(to)),
                ("insert", [label, place @ ("before" | "after"), path]) => {
                    format!("ins {} {place} {}", quoted(label), quoted(&self.path(path)))
                }
                ("remove", [path]) => format!("rm {}", quoted(&self.path(path))),
                _ => return Err(unfit()),
            };
            script.push_str(&line);
            script.push('\n');
        }
        script.push_str("save\n");
        Ok(script)
    }
}

fn invalid(command: &str) -> String {
    format!("Invalid formatted command, see debug log for details: {command}")
}

/// The method and the words of a command.
pub(crate) fn parsed(command: &str) -> Result<(&'static str, Vec<String>), String> {
    let (name, rest) = command.split_once(' ').ok_or_else(|| invalid(command))?;
    let method = match name {
        "set" => "set",
        "setm" => "setm",
        "mv" | "move" => "move",
        "ins" | "insert" => "insert",
        "rm" | "remove" => "remove",
        _ => return Err(format!("Command {name} is not supported (yet)")),
    };
    let words = shlex::split(rest).ok_or_else(|| invalid(command))?;
    Ok((method, words))
}

/// A word as the program reads it back.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(crate) fn execute(env: &Env, edit: &Edit) -> Answer {
    let failed = |error: String| Ok(json!({"retval": false, "error": error}));
    let script = match edit.script() {
        Ok(script) => script,
        Err(error) => return failed(error),
    };
    let unwritten = |error| Failure::io("a temporary file", error);
    let mut file = tempfile::NamedTempFile::new().map_err(unwritten)?;
    file.write_all(script.as_bytes()).map_err(unwritten)?;
    let path = file.path().to_string_lossy().into_owned();
    let mut argv = vec!["augtool"];
    for directory in &edit.load_path {
        argv.extend(["--include", directory]);
    }
    let transform;
    if let Some(lens) = &edit.lens {
        let context = edit.context.as_deref().unwrap_or_default();
        transform = format!(
            "{lens} incl {}",
            context.strip_prefix("/files").unwrap_or(context)
        );
        argv.extend(["--noautoload", "--transform", &transform]);
    }
    argv.extend(["--file", &path]);
    let done = query(&argv, env.cancel)?;
    if done.retcode == 0 {
        return Ok(json!({"retval": true}));
    }
    let said = format!("{}{}", &*done.stderr, &*done.stdout);
    let mut error = said.trim_end().to_owned();
    if let Some(lens) = edit.lens.as_deref().filter(|lens| !lens.ends_with(".lns")) {
        error.push_str(&format!(
            "\nLenses are normally configured as \"name.lns\". Did you mean \"{lens}.lns\"?"
        ));
    }
    failed(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_put_in_the_words_of_the_program() {
        let script = |context: Option<&str>, command: &str| {
            let edit = Edit {
                context: context.map(str::to_owned),
                lens: None,
                commands: vec![command.to_owned()],
                load_path: Vec::new(),
            };
            edit.script()
                .map(|script| script.trim_end_matches("save\n").to_owned())
        };
        let check = |context: Option<&str>, command: &str, expected: &str| {
            assert_eq!(script(context, command).unwrap(), expected, "{command}");
        };
        check(
            Some("/files/etc/x/"),
            "set bind '0.0.0.0 a'",
            "set \"/files/etc/x/bind\" \"0.0.0.0 a\"\n",
        );
        check(
            None,
            "set \"/files/a[. = 'b c']/port\" 10",
            "set \"/files/a[. = 'b c']/port\" \"10\"\n",
        );
        check(
            Some("/files/x"),
            "ins service after 1[last()]",
            "ins \"service\" after \"/files/x/1[last()]\"\n",
        );
        check(None, "rm /files/a", "rm \"/files/a\"\n");
        check(
            None,
            "mv /files/a /files/b",
            "mv \"/files/a\" \"/files/b\"\n",
        );
        check(
            None,
            "set /files/a 'say \"hi\"'",
            "set \"/files/a\" \"say \\\"hi\\\"\"\n",
        );
        assert_eq!(
            script(None, "dump x").unwrap_err(),
            "Command dump is not supported (yet)"
        );
        assert!(
            script(None, "set /files/a")
                .unwrap_err()
                .starts_with("Invalid formatted command")
        );
    }
}
