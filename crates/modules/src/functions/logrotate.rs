//! `logrotate`: the configuration of the rotation of logs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Answer, Env, Failure, Function};
use crate::call::Call;
use crate::python;

/// Words that begin a script, which goes to `endscript`.
const SCRIPTS: [&str; 5] = [
    "firstaction",
    "lastaction",
    "prerotate",
    "postrotate",
    "preremove",
];

/// Deepest nesting of files that include others.
const DEPTH_MAX: usize = 8;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "logrotate.get",
        "key, value=None, conf_file='/etc/logrotate.conf'",
        "A command of the configuration, or of a block; false when it is not set.",
        "logrotate.get rotate",
        |args, _| {
            let value = args.optional_text("value")?;
            get(
                &args.text("key")?,
                value.as_deref(),
                Path::new(&args.text("conf_file")?),
            )
        },
    ),
    Function::new(
        "logrotate.set",
        "key, value, setting=None, conf_file='/etc/logrotate.conf'",
        "Set a command of the configuration, or with a setting one of a block; whether that went well.",
        "logrotate.set rotate 2",
        |args, env| {
            let setting = args.value("setting");
            let wanted = Wanted {
                key: args.text("key")?,
                value: args.value("value"),
                setting: (!setting.is_null()).then_some(setting),
            };
            set(env, &wanted, &args.text("conf_file")?)
        },
    ),
    Function::new(
        "logrotate.show_conf",
        "conf_file='/etc/logrotate.conf'",
        "The configuration, with that of the files that it includes.",
        "logrotate.show_conf",
        |args, _| {
            Ok(Value::Object(parse(
                Path::new(&args.text("conf_file")?),
                0,
            )?))
        },
    ),
];

/// A number where a text is one.
pub(crate) fn number_of(value: &Value) -> Value {
    match python::text(value).trim().parse::<i64>() {
        Ok(number) if !value.is_boolean() => json!(number),
        _ => value.clone(),
    }
}

/// Where lines go that are read.
enum Place {
    Top,
    /// A block for these files.
    Block(Vec<String>, Map<String, Value>),
}

fn parse(path: &Path, depth: usize) -> Result<Map<String, Value>, Failure> {
    if depth > DEPTH_MAX {
        return Err(Failure::command(format!(
            "'{}' is included too deeply",
            path.display()
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::io(path, error))?;
    let mut all = Map::new();
    let mut place = Place::Top;
    let mut waiting: Vec<String> = Vec::new();
    let mut script: Option<(String, Vec<Value>)> = None;
    for line in text.lines().map(str::trim) {
        if let Some((name, mut body)) = script.take() {
            if line == "endscript" {
                target(&mut place, &mut all).insert(name, Value::Array(body));
            } else {
                body.push(json!(line));
                script = Some((name, body));
            }
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains('{') && !line.contains('}') {
            let names = words
                .iter()
                .filter(|word| **word != "{")
                .map(|&word| word.to_owned());
            place = Place::Block(waiting.drain(..).chain(names).collect(), Map::new());
            continue;
        }
        if line.contains('}') {
            if let Place::Block(names, block) = std::mem::replace(&mut place, Place::Top) {
                all.extend(
                    names
                        .into_iter()
                        .map(|name| (name, Value::Object(block.clone()))),
                );
            }
            continue;
        }
        let is_top = matches!(place, Place::Top);
        let is_log =
            |word: &str| word.starts_with(['/', '~', '"', '\'']) || word.contains(['*', '?', '[']);
        match words.as_slice() {
            [log] if is_top && is_log(log) => {
                waiting.push((*log).to_owned());
                continue;
            }
            ["include", directory, ..] => include(directory, &mut all, depth)?,
            [name] if SCRIPTS.contains(name) && !is_top => {
                script = Some(((*name).to_owned(), Vec::new()));
                continue;
            }
            _ => {}
        }
        let (name, value) = match words.as_slice() {
            [name] => (name, json!(true)),
            [name, value] => (name, number_of(&json!(value))),
            [name, rest @ ..] => (name, json!(rest.join(" "))),
            [] => continue,
        };
        target(&mut place, &mut all).insert((*name).to_owned(), value);
    }
    all.extend(waiting.into_iter().map(|name| (name, json!(true))));
    Ok(all)
}

fn target<'a>(place: &'a mut Place, all: &'a mut Map<String, Value>) -> &'a mut Map<String, Value> {
    match place {
        Place::Top => all,
        Place::Block(_, block) => block,
    }
}

/// Reads the files of a directory, and notes which file each key is from.
fn include(directory: &str, all: &mut Map<String, Value>, depth: usize) -> Result<(), Failure> {
    let mut sources = match all.remove("include files") {
        Some(Value::Object(sources)) => sources,
        _ => Map::new(),
    };
    let entries = fs::read_dir(directory).map_err(|error| Failure::io(directory, error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let included = parse(&path, depth + 1)?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        sources.insert(name, included.keys().cloned().collect());
        all.extend(included);
    }
    all.insert("include files".to_owned(), Value::Object(sources));
    Ok(())
}

/// A command, or one of a block; false when it is not set.
pub(crate) fn get(key: &str, value: Option<&str>, path: &Path) -> Answer {
    let all = parse(path, 0)?;
    let found = all.get(key).cloned().unwrap_or(json!(false));
    Ok(
        match value.filter(|value| !value.is_empty() && python::truthy(&found)) {
            Some(value) => found.get(value).cloned().unwrap_or(json!(false)),
            None => found,
        },
    )
}

/// What is to be set: a command, or with a setting one of a block.
pub(crate) struct Wanted<'a> {
    pub(crate) key: String,
    pub(crate) value: &'a Value,
    pub(crate) setting: Option<&'a Value>,
}

/// Sets a command; whether the file changed or needed no change.
pub(crate) fn set(env: &Env, wanted: &Wanted, config: &str) -> Answer {
    let all = parse(Path::new(config), 0)?;
    let mut path = config.to_owned();
    for (file, keys) in all
        .get("include files")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if keys
            .as_array()
            .is_some_and(|keys| keys.contains(&json!(wanted.key)))
        {
            path = format!(
                "{}/{file}",
                all.get("include").map(python::text).unwrap_or_default()
            );
        }
    }
    let key = &wanted.key;
    let call = Call::new("file.replace").arg(path.as_str());
    let call = call
        .kwarg("backup", false)
        .kwarg("show_changes", false)
        .kwarg("backslash_literal", true);
    let known = all.get(key).cloned();
    let call = match wanted.setting {
        None => {
            if known.as_ref().is_some_and(Value::is_object) {
                return Err(Failure::invocation(format!(
                    "Error: {key} includes a dict, and a specific setting inside the dict was not declared"
                )));
            }
            if known.as_ref() == Some(wanted.value) {
                return Ok(json!(true));
            }
            let line = match wanted.value {
                Value::Bool(true) => key.clone(),
                value if python::truthy(value) => format!("{key} {}", python::text(value)),
                _ => String::new(),
            };
            call.kwarg("pattern", format!("^{key}.*"))
                .kwarg("flags", 8)
                .kwarg("repl", line)
                .kwarg("prepend_if_not_found", true)
        }
        Some(setting) => {
            let mut block = match known {
                None | Some(Value::Bool(false)) => Map::new(),
                Some(Value::Object(block)) => block,
                Some(_) => {
                    return Err(Failure::invocation(
                        "Error: A setting for a dict was declared, but the configuration line given is not a dict",
                    ));
                }
            };
            let name = python::text(wanted.value);
            if block.get(&name).unwrap_or(&json!(false)) == setting {
                return Ok(json!(true));
            }
            if python::truthy(setting) {
                block.insert(name, setting.clone());
            } else {
                block.remove(&name);
            }
            let pattern = format!("^{key}.*?{{.*?}}");
            let call = call
                .kwarg("pattern", pattern)
                .kwarg("flags", 24)
                .kwarg("repl", stanza(key, &block));
            call.kwarg("append_if_not_found", true)
        }
    };
    Ok(env.call(&call)?.value)
}

fn stanza(key: &str, block: &Map<String, Value>) -> String {
    let mut out = format!("{key} {{\n");
    for (name, value) in block {
        match value {
            Value::Array(body) if SCRIPTS.contains(&name.as_str()) => {
                out.push_str(&format!("    {name}\n"));
                for line in body {
                    out.push_str(&format!("        {}\n", python::text(line)));
                }
                out.push_str("    endscript\n");
            }
            Value::Bool(true) => out.push_str(&format!("    {name} \n")),
            value => out.push_str(&format!("    {name} {}\n", python::text(value))),
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn blocks_are_read_and_set() {
        let host = Host::new();
        let included = host.write("d/nginx", "/var/log/nginx/*.log {\n  daily\n  rotate 5\n  postrotate\n    kill -1\n  endscript\n}\n");
        let text = format!(
            "# head\nweekly\nrotate 4\ninclude {}\n/a /b {{\n  missingok\n}}\n",
            host.path("d")
        );
        let config = host.write("conf", &text);
        let shown = host
            .call(Call::new("logrotate.show_conf").arg(config.as_str()))
            .value;
        assert_eq!(shown["rotate"], json!(4));
        assert_eq!(shown["/b"], json!({"missingok": true}));
        let nginx = json!({"daily": true, "rotate": 5, "postrotate": ["kill -1"]});
        assert_eq!(shown["/var/log/nginx/*.log"], nginx);
        assert_eq!(
            shown["include files"],
            json!({"nginx": ["/var/log/nginx/*.log"]})
        );
        let set = Call::new("logrotate.set")
            .arg("rotate")
            .arg(2)
            .kwarg("conf_file", config.as_str());
        assert_eq!(host.call(set.clone()).value, json!(true));
        assert_eq!(host.call(set).value, json!(true));
        assert!(
            fs::read_to_string(&config)
                .unwrap()
                .contains("\nrotate 2\n")
        );
        let get = Call::new("logrotate.get")
            .arg("/a")
            .kwarg("value", "missingok")
            .kwarg("conf_file", config.as_str());
        assert_eq!(host.call(get).value, json!(true));
        assert!(fs::read_to_string(included).unwrap().contains("postrotate"));
    }
}
