//! Renders files of a tree with a given context, for a look and for comparisons:
//! `render CONTEXT.json ROOT FILE...` prints one JSON object for each file.
//!
//! The context holds `grains`, `pillar` and `opts`. Of the execution functions there are those that trees call most and that need
//! no host; `functions` in the context maps names of others to what they answer.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use sls::render::{Files, Functions, NoForeign, Renderer, Source};

struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, _: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        match std::fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

struct Table<'a>(&'a Value);

impl Table<'_> {
    fn part(&self, name: &str) -> &Value {
        &self.0[name]
    }
}

const NAMES: &[&str] = &[
    "config.get",
    "grains.filter_by",
    "grains.get",
    "log.debug",
    "log.error",
    "log.info",
    "log.warning",
    "pillar.get",
];

impl Functions for Table<'_> {
    fn has(&self, name: &str) -> bool {
        NAMES.contains(&name) || !self.part("functions")[name].is_null()
    }

    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<Value, String> {
        let argument = |index: usize, name: &str| args.get(index).or_else(|| kwargs.get(name));
        let answer = &self.part("functions")[name];
        if !answer.is_null() {
            return Ok(answer.clone());
        }
        let default = || argument(1, "default").cloned().unwrap_or_else(|| json!(""));
        let key = argument(0, "key").cloned().unwrap_or_default();
        let key = key.as_str().unwrap_or_default();
        let find = |part: &str| traverse(self.part(part), key);
        match name {
            "pillar.get" => Ok(find("pillar").unwrap_or_else(default)),
            "grains.get" => Ok(find("grains").unwrap_or_else(default)),
            "config.get" => Ok(["opts", "grains", "pillar"]
                .into_iter()
                .find_map(find)
                .unwrap_or_else(default)),
            "grains.filter_by" => filter_by(self.part("grains"), args, kwargs),
            _ => Ok(Value::Bool(true)),
        }
    }
}

fn traverse(value: &Value, key: &str) -> Option<Value> {
    key.split(':')
        .try_fold(value, |value, part| value.get(part))
        .cloned()
}

fn filter_by(grains: &Value, args: &[Value], kwargs: &Map<String, Value>) -> Result<Value, String> {
    let argument = |index: usize, name: &str| args.get(index).or_else(|| kwargs.get(name));
    let table = argument(0, "lookup_dict").ok_or("lookup_dict is missing")?;
    let grain = argument(1, "grain").and_then(Value::as_str);
    let default = argument(3, "default").and_then(Value::as_str);
    let value = traverse(grains, grain.unwrap_or("os_family"));
    let choice = value.as_ref().and_then(Value::as_str).unwrap_or_default();
    let found = table.get(choice);
    let found = found.or_else(|| table.get(default.unwrap_or("default")));
    let mut answer = found.cloned().unwrap_or_default();
    let base = argument(4, "base").and_then(Value::as_str);
    if let Some(base) = base.and_then(|base| table.get(base)) {
        let above = std::mem::replace(&mut answer, base.clone());
        merge(&mut answer, &above);
    }
    if let Some(extra) = argument(2, "merge").filter(|extra| extra.is_object()) {
        if answer.is_null() {
            answer = json!({});
        }
        merge(&mut answer, extra);
    }
    Ok(answer)
}

fn merge(below: &mut Value, above: &Value) {
    match (below.as_object_mut(), above) {
        (Some(below), Value::Object(above)) => {
            for (key, value) in above {
                merge(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        _ => *below = above.clone(),
    }
}

/// The name in dots of an SLS file; empty for others.
fn sls_of(path: &str) -> String {
    let Some(stem) = path.strip_suffix(".sls") else {
        return String::new();
    };
    let stem = stem.strip_suffix("/init").unwrap_or(stem);
    stem.replace('/', ".")
}

fn report(renderer: &Renderer<'_>, root: &Folder, path: &str) -> Value {
    let bytes = match root.read("base", path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return json!({"file": path, "error": "there is no such file"}),
        Err(error) => return json!({"file": path, "error": error}),
    };
    let sls = sls_of(path);
    let source = Source {
        saltenv: "base",
        sls: &sls,
        path,
        text: &bytes,
        context: Map::new(),
    };
    let mut report = json!({"file": path});
    match renderer.template(&source) {
        Ok(text) => report["text"] = text.into(),
        Err(error) => report["error"] = error.to_string().into(),
    }
    if !sls.is_empty() {
        match renderer.sls(&source) {
            Ok(tree) => report["tree"] = tree,
            Err(error) => report["tree_error"] = error.to_string().into(),
        }
    }
    report
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [context, root, paths @ ..] = words.as_slice() else {
        eprintln!("usage: render CONTEXT.json ROOT FILE...");
        return ExitCode::FAILURE;
    };
    let text = std::fs::read(context).map_err(|error| error.to_string());
    let context: Value = match text
        .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
    {
        Ok(context) => context,
        Err(error) => {
            eprintln!("{context}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let root = Folder(root.into());
    let renderer = Renderer {
        files: &root,
        functions: &Table(&context),
        foreign: &NoForeign,
        grains: &context["grains"],
        pillar: &context["pillar"],
        opts: &context["opts"],
    };
    for path in paths {
        println!("{}", report(&renderer, &root, path));
    }
    ExitCode::SUCCESS
}
