//! The renderer `stateconf`: ids of a file's own, and values of one file for the templates of others.
//!
//! `.params: {stateconf.set: [...]}` above a line `# --- end of state config ---` gives names to the template below it. A file that includes
//! another one extends such states to set their values. Ids that begin with a dot are below the file's name: `.params` of `web.conf` is
//! `web.conf::params`. At its end each file gets the state `.goal`, which requires all others.

use std::cell::RefCell;

use serde_json::{Map, Value, json};

use super::pipeline::{error, json as read_json, yaml};
use super::{Data, RenderError, Renderer, Source, Step};

const USAGE: &str = "stateconf is used so: #!stateconf [-G] [<yaml or json> . jinja]; its options -o, -s and -p are not served";

/// The function of states that hold values.
const FUNCTION: &str = "stateconf.set";

/// Where the values are in a state that names its function apart.
const MODULE: &str = "stateconf";

const GOAL: &str = ".goal";

/// Requisites whose states may have ids of the file's own.
const REQUISITES: [&str; 12] = [
    "require",
    "require_in",
    "watch",
    "watch_in",
    "use",
    "use_in",
    "listen",
    "listen_in",
    "onchanges",
    "onchanges_in",
    "onfail",
    "onfail_in",
];

/// The values of the files of one compilation, by the ids of the states that hold them.
#[derive(Debug, Default)]
pub struct Held {
    set: Map<String, Value>,
    /// Those that other files set; they count more.
    extended: Map<String, Value>,
}

/// What stands behind the renderer's name.
struct Options {
    has_goal: bool,
    is_json: bool,
}

impl Options {
    fn of(step: &Step) -> Option<Options> {
        let mut has_goal = true;
        let mut words = step.arguments.split_whitespace().peekable();
        while let Some(option) = words.next_if(|word| word.starts_with('-')) {
            match option {
                "-G" => has_goal = false,
                _ => return None,
            }
        }
        let is_json = match words.collect::<Vec<_>>().as_slice() {
            [] | ["yaml", ".", "jinja"] => false,
            ["json", ".", "jinja"] => true,
            _ => return None,
        };
        Some(Options { has_goal, is_json })
    }
}

/// Renders a file.
pub(super) fn render(
    renderer: &Renderer<'_>,
    source: &Source<'_>,
    step: &Step,
    text: &str,
) -> Result<Data, Box<RenderError>> {
    let options = Options::of(step).ok_or_else(|| error(source, USAGE))?;
    let own = RefCell::default();
    let held = renderer.foreign.held().unwrap_or(&own);
    let pass = |text: &str, names: Map<String, Value>, is_first: bool| {
        let mut source = source.clone();
        source
            .context
            .insert("sls_dir".to_owned(), folder(source.sls));
        source.context.extend(names);
        let rendered = renderer.jinja(&source, text)?;
        let data = if options.is_json {
            read_json(&source, &rendered)?
        } else {
            yaml(&source, &rendered)?
        };
        let mut high = match data {
            Data::Tree(Value::Object(high)) => high,
            Data::Tree(Value::Null) => Map::new(),
            _ => return Err(error(&source, "an SLS file of stateconf has to be a map")),
        };
        let has_goal = options.has_goal && !is_first;
        rewrite(&mut high, &source, has_goal).map_err(|text| error(&source, text))?;
        hold(&mut held.borrow_mut(), &high);
        Ok(high)
    };
    if let Some(at) = marker(text) {
        pass(&text[..at], Map::new(), true)?;
    }
    let prefix = format!("{}::", source.sls);
    let values = held.borrow().set.clone();
    let names = values.into_iter().map(|(id, values)| {
        let short = id.strip_prefix(&prefix).map(str::to_owned);
        (short.unwrap_or(id), values)
    });
    let high = pass(text, names.collect(), false)?;
    Ok(Data::Tree(Value::Object(high)))
}

/// The folder of a file by its name in dots.
fn folder(sls: &str) -> Value {
    match sls.rsplit_once('.') {
        Some((folder, _)) => json!(folder.replace('.', "/")),
        None if sls.is_empty() => json!("."),
        None => json!(sls),
    }
}

/// Where the line begins that ends the values: a #, lines and `end of state config` between them.
fn marker(text: &str) -> Option<usize> {
    let is_marker = |rest: &str| {
        let rest = rest.trim_start();
        let bare = rest.trim_start_matches('-');
        let after = bare.trim_start().strip_prefix("end of state config");
        bare.len() < rest.len() && after.is_some_and(|after| after.trim_start().starts_with('-'))
    };
    let mut marks = text.match_indices('#');
    marks
        .find(|(at, _)| is_marker(&text[at + 1..]))
        .map(|(at, _)| at)
}

/// The functions of the states of a high state, with ids; the arguments are lists.
fn functions(high: &mut Map<String, Value>) -> impl Iterator<Item = (&String, &mut Vec<Value>)> {
    let states = high
        .iter_mut()
        .filter(|(id, _)| {
            !id.starts_with("__") && !["include", "exclude", "extend"].contains(&id.as_str())
        })
        .filter_map(|(_, states)| states.as_object_mut());
    states.flat_map(|states| {
        let functions = states
            .iter_mut()
            .filter(|(name, _)| !name.starts_with("__"));
        functions.filter_map(|(name, args)| Some((name, args.as_array_mut()?)))
    })
}

/// Puts the ids of the file's own below its name, in whatever names them, and adds the goal.
fn rewrite(
    high: &mut Map<String, Value>,
    source: &Source<'_>,
    has_goal: bool,
) -> Result<(), String> {
    for (id, states) in high.iter_mut() {
        if let (Value::String(function), false) = (&*states, id == "include" || id == "exclude") {
            *states = json!({function: []});
        }
    }
    let include = high.get_mut("include").and_then(Value::as_array_mut);
    for included in include.into_iter().flatten() {
        if let Some(name) = included.as_str().filter(|name| name.starts_with('.')) {
            *included = json!({source.saltenv: below(name, source.sls)?});
        }
    }
    let exclude = high.get_mut("exclude").and_then(Value::as_array_mut);
    for excluded in exclude.into_iter().flatten() {
        let name = excluded["sls"]
            .as_str()
            .filter(|name| name.starts_with('.'));
        if let Some(name) = name {
            excluded["sls"] = json!(below(name, source.sls)?);
        }
    }
    if has_goal {
        add_goal(high)?;
    }
    if let Some(extended) = high.get_mut("extend").and_then(Value::as_object_mut) {
        rename(extended, source.sls)?;
    }
    rename(high, source.sls)
}

fn add_goal(high: &mut Map<String, Value>) -> Result<(), String> {
    if high.contains_key(GOAL) {
        return Err(format!(
            "Can't generate goal state({GOAL})! The same state id already exists!"
        ));
    }
    let mut all = Vec::new();
    for (id, states) in high.iter() {
        if id.starts_with("__") || ["include", "exclude", "extend"].contains(&id.as_str()) {
            continue;
        }
        for function in states.as_object().into_iter().flat_map(Map::keys) {
            if !function.starts_with("__") {
                all.push(json!({state_of(function): id}));
            }
        }
    }
    high.insert(GOAL.to_owned(), json!({FUNCTION: [{"require": all}]}));
    Ok(())
}

/// The module of `module.function`.
fn state_of(function: &str) -> &str {
    function.split('.').next().unwrap_or(function)
}

fn rename(high: &mut Map<String, Value>, sls: &str) -> Result<(), String> {
    for (_, args) in functions(high) {
        for requisite in args.iter_mut().filter_map(Value::as_object_mut) {
            for (_, states) in requisite
                .iter_mut()
                .filter(|(name, _)| REQUISITES.contains(&name.as_str()))
            {
                let states = states.as_array_mut().into_iter().flatten();
                for (_, id) in states.filter_map(Value::as_object_mut).flatten() {
                    if let Some(own) = id.as_str().filter(|id| id.starts_with('.')) {
                        *id = json!(whole_id(own, sls)?);
                    }
                }
            }
        }
    }
    let own: Vec<String> = high
        .keys()
        .filter(|id| id.starts_with('.'))
        .cloned()
        .collect();
    for id in own {
        let new = whole_id(&id, sls)?;
        if high.contains_key(&new) {
            return Err(format!(
                "Can't rename state id({id}) into {new} because the later already exists!"
            ));
        }
        let mut states = high.shift_remove(&id).unwrap_or_default();
        for (function, args) in states.as_object_mut().into_iter().flatten() {
            let Some(args) = args.as_array_mut() else {
                continue;
            };
            let has_name = args.iter().any(|arg| arg.get("name").is_some());
            if state_of(function) != MODULE && !has_name {
                args.insert(0, json!({"name": &id[1..]}));
            }
        }
        high.insert(new, states);
    }
    Ok(())
}

/// `.id` of `a.b` is `a.b::id`; `..c::id` is `a.c::id`.
fn whole_id(id: &str, sls: &str) -> Result<String, String> {
    if id.contains("::") {
        return below(id, sls);
    }
    let whole = below(id, &format!("{sls}."))?;
    Ok(match whole.rsplit_once('.') {
        Some((sls, id)) => format!("{sls}::{id}"),
        None => whole,
    })
}

/// A name with dots in front: one for the folder of the file, one more for each folder above it.
fn below(name: &str, sls: &str) -> Result<String, String> {
    let bare = name.trim_start_matches('.');
    let levels = name.len() - bare.len();
    let mut parts: Vec<&str> = sls.split('.').collect();
    if levels > parts.len() {
        return Err("Attempted relative include goes beyond top level package".to_owned());
    }
    parts.truncate(parts.len() - levels);
    parts.push(bare);
    Ok(parts.join("."))
}

/// Notes what states of values hold: those that the file extends first, as its own may be among them.
fn hold(held: &mut Held, high: &Map<String, Value>) {
    let extended = high.get("extend").and_then(Value::as_object);
    for (id, values) in extended.into_iter().flat_map(values) {
        note(&mut held.extended, id, values);
    }
    for (id, values) in values(high) {
        note(&mut held.set, id, values);
        if let Some(Value::Object(extended)) = held.extended.get(id) {
            note(&mut held.set, id, extended.clone());
        }
    }
}

fn note(held: &mut Map<String, Value>, id: &str, values: Map<String, Value>) {
    let entry = held.entry(id).or_insert_with(|| json!({}));
    if let Some(entry) = entry.as_object_mut() {
        entry.extend(values);
    }
}

/// The states of a high state that hold values.
fn values(high: &Map<String, Value>) -> impl Iterator<Item = (&String, Map<String, Value>)> {
    high.iter().filter_map(|(id, states)| {
        let args = states.get(MODULE).or_else(|| states.get(FUNCTION))?;
        let pairs = args
            .as_array()?
            .iter()
            .filter_map(Value::as_object)
            .flatten();
        let pairs = pairs.map(|(name, value)| (name.clone(), value.clone()));
        Some((id, pairs.collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_file() {
        assert_eq!(whole_id(".x", "a.b").as_deref(), Ok("a.b::x"));
        assert_eq!(whole_id(".x", "a").as_deref(), Ok("a::x"));
        assert_eq!(whole_id("..c::x", "a.b.d").as_deref(), Ok("a.c::x"));
        assert_eq!(below(".c", "a.b").as_deref(), Ok("a.c"));
        assert_eq!(below("..c", "a.b").as_deref(), Ok("c"));
        assert!(below("...c", "a.b").is_err());
        assert_eq!(folder("a.b.c"), "a/b");
        assert_eq!(folder("a"), "a");
    }

    #[test]
    fn the_line_that_ends_values_is_found() {
        let text = "# a\n.x: 1\n# --- end of state config ---\n";
        assert_eq!(marker(text), Some(10));
        assert_eq!(marker("#---end of state config-\n"), Some(0));
        assert_eq!(marker("# end of state config\n"), None);
    }
}
