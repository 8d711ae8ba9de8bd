//! Values from all sources, each with the place that won.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use yaml::Spanned;

use super::keys::{KEYS, Key, SALT_KEYS, Unset, keys_of};
use super::paths::{Paths, Program};
use super::problem::{Place, Problem};
use super::shown::shown;
use super::value::{Value, nearest, parse_typed, read};
use super::{Sources, files};

/// A value and the place that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// The values of one table's keys, and everything that was wrong so far.
pub(super) struct Settings {
    values: BTreeMap<&'static str, Given<Value>>,
    /// Keys whose value was given and does not fit; that was said already.
    rejected: BTreeSet<&'static str>,
    pub(super) paths: Paths,
    pub(super) problems: Vec<Problem>,
}

impl Settings {
    pub(super) fn read(sources: &Sources<'_>) -> Settings {
        let mut settings = Settings {
            values: BTreeMap::new(),
            rejected: BTreeSet::new(),
            paths: Paths::new("/".as_ref(), sources.program),
            problems: Vec::new(),
        };
        // The root decides where the main file is, so it is looked up first where it can be without that file.
        let mut above = BTreeMap::new();
        for key in keys_of(sources.program) {
            settings.typed(sources, key, &mut above);
        }
        if let Some(Given {
            value: Value::Text(root),
            ..
        }) = above.get("root_dir")
        {
            settings.paths = Paths::new(root.as_ref(), sources.program);
        }
        let named = sources.config_file.clone().or_else(|| {
            sources
                .environment
                .variable("BANYAN_CONFIG")
                .map(PathBuf::from)
        });
        let main = named
            .clone()
            .unwrap_or_else(|| settings.paths.config_file());
        for file in files::read(&main, named.is_some(), &mut settings.problems) {
            let at = |line| Place::File {
                path: file.path.clone(),
                line,
            };
            settings.entries(KEYS, Some(sources.program), &file.entries, &at);
        }
        settings.values.append(&mut above);
        settings.defaults(keys_of(sources.program));
        if let Some(root) = settings.text("root_dir") {
            settings.paths = Paths::new(root.as_ref(), sources.program);
        }
        settings
    }

    /// Reads a map with a table of its own, such as `roots`.
    pub(super) fn block(&mut self, keys: &'static [Key], name: &str) -> Option<(Settings, Place)> {
        let Given { value, place } = self.values.get(name)?.clone();
        let Value::Block(entries) = value else {
            return None;
        };
        Some((self.nested(keys, &entries, &place), place))
    }

    /// Values of another table from entries that stand at `place`.
    pub(super) fn nested(
        &self,
        keys: &'static [Key],
        entries: &[(Spanned, Spanned)],
        place: &Place,
    ) -> Settings {
        let mut nested = Settings {
            values: BTreeMap::new(),
            rejected: BTreeSet::new(),
            paths: self.paths.clone(),
            problems: Vec::new(),
        };
        let at = |line| match place {
            Place::File { path, .. } => Place::File {
                path: path.clone(),
                line,
            },
            other => other.clone(),
        };
        nested.entries(keys, None, entries, &at);
        nested
    }

    /// Fills in what holds for keys that are not set.
    pub(super) fn defaults(&mut self, keys: impl Iterator<Item = &'static Key>) {
        for key in keys {
            if let Unset::Value(text) = key.default
                && !self.values.contains_key(key.name)
            {
                self.take_typed(key, text, Place::Default);
            }
        }
    }

    /// A flag, or else the environment.
    fn typed(
        &mut self,
        sources: &Sources<'_>,
        key: &'static Key,
        into: &mut BTreeMap<&'static str, Given<Value>>,
    ) {
        let flag = sources
            .flags
            .iter()
            .rev()
            .find(|(name, _)| *name == key.name);
        let (typed, place) = match flag {
            Some((name, typed)) => (typed.clone(), Place::Flag(name)),
            None => {
                let name = variable(key.name);
                match sources.environment.variable(&name) {
                    Some(typed) => (typed, Place::Environment(name)),
                    None => return,
                }
            }
        };
        self.take_typed(key, &typed, place);
        into.extend(self.values.remove_entry(key.name));
    }

    fn take_typed(&mut self, key: &'static Key, typed: &str, place: Place) {
        match parse_typed(key.kind, typed) {
            Ok(node) => self.take(key, &node, &|_| place.clone()),
            Err(message) => {
                self.rejected.insert(key.name);
                self.problem(&place, message);
            }
        }
    }

    fn take(&mut self, key: &'static Key, node: &Spanned, at: &dyn Fn(usize) -> Place) {
        match read(key, node, at) {
            Ok(value) => {
                let place = at(node.line);
                self.values.insert(key.name, Given { value, place });
            }
            Err(problem) => {
                self.rejected.insert(key.name);
                self.problems.push(problem);
            }
        }
    }

    fn entries(
        &mut self,
        keys: &'static [Key],
        program: Option<Program>,
        entries: &[(Spanned, Spanned)],
        at: &dyn Fn(usize) -> Place,
    ) {
        let mut named: BTreeMap<&str, String> = BTreeMap::new();
        for (name_node, value) in entries {
            let name = name_node.text().unwrap_or_default();
            let found = keys
                .iter()
                .find(|key| key.name == name || key.alias == Some(&*name));
            let Some(key) = found else {
                self.problem(&at(name_node.line), unknown(&name, keys, program));
                continue;
            };
            if let Some(program) = program.filter(|program| !key.programs.contains(program)) {
                let programs: Vec<&str> = key.programs.iter().map(|p| p.as_str()).collect();
                let message = format!(
                    "`{name}` is a key of {}, not of {program}",
                    programs.join(" and ")
                );
                self.problem(&at(name_node.line), message);
                continue;
            }
            if let Some(other) = named.insert(key.name, name.to_string()) {
                self.problem(
                    &at(name_node.line),
                    format!("`{name}` is the same key as `{other}`: remove one"),
                );
                continue;
            }
            self.take(key, value, at);
        }
    }

    /// Adds a problem.
    pub(super) fn problem(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(Problem {
            place: place.clone(),
            message: message.into(),
        });
    }

    /// Where a key was set.
    pub(super) fn place(&self, name: &str) -> Place {
        self.values
            .get(name)
            .map_or(Place::Default, |given| given.place.clone())
    }

    /// Whether a source set the key.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.place(name) != Place::Default
    }

    /// Whether a source gave nothing for the key, right or wrong.
    pub(super) fn is_missing(&self, name: &str) -> bool {
        !self.values.contains_key(name) && !self.rejected.contains(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match &self.values.get(name)?.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match &self.values.get(name)?.value {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether a flag that has a default is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(
            self.values.get(name).map(|given| &given.value),
            Some(Value::Flag(true))
        )
    }

    pub(super) fn texts(&self, name: &str) -> Vec<Given<String>> {
        match self.values.get(name).map(|given| &given.value) {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn text_map(&self, name: &str) -> Vec<(String, Given<Vec<String>>)> {
        match self.values.get(name).map(|given| &given.value) {
            Some(Value::TextMap(map)) => map.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn map(&self, name: &str) -> serde_json::Map<String, serde_json::Value> {
        match self.values.get(name).map(|given| &given.value) {
            Some(Value::Map(map)) => map.clone(),
            _ => serde_json::Map::new(),
        }
    }

    pub(super) fn list(&self, name: &str) -> Vec<serde_json::Value> {
        match self.values.get(name).map(|given| &given.value) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    /// What is set of the keys that states, templates and pillar see, by name.
    pub(super) fn options(&self) -> serde_json::Map<String, serde_json::Value> {
        let options = self
            .values
            .iter()
            .filter_map(|(name, given)| match &given.value {
                Value::Any(value) => Some(((*name).to_owned(), value.clone())),
                _ => None,
            });
        options.collect()
    }

    /// Everything that holds, as it may be shown.
    pub(super) fn shown(&self) -> serde_json::Map<String, serde_json::Value> {
        let values = self.values.iter();
        let shown = values.map(|(name, given)| ((*name).to_owned(), shown(name, &given.value)));
        shown.collect()
    }

    pub(super) fn node(&self, name: &str) -> Option<Spanned> {
        match &self.values.get(name)?.value {
            Value::Node(node) => Some(node.clone()),
            _ => None,
        }
    }

    /// Reads a text further; what does not fit becomes a problem at its place.
    pub(super) fn parsed<T, E: fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(e) => {
                self.problem(&self.place(name), format!("`{name}`: {e}"));
                None
            }
        }
    }

    /// Takes over the values of another table under names of this one.
    pub(super) fn adopt(&mut self, from: &Settings, names: &[(&'static str, &str)]) {
        for (own, theirs) in names {
            if let (false, Some(given)) = (self.values.contains_key(own), from.values.get(theirs)) {
                self.values.insert(own, given.clone());
            }
        }
    }
}

/// The name of a key in the environment.
pub(super) fn variable(key: &str) -> String {
    // A shell has no variables with a dot.
    format!("BANYAN_{}", key.to_ascii_uppercase().replace('.', "_"))
}

fn unknown(name: &str, keys: &'static [Key], program: Option<Program>) -> String {
    if let (Some(_), Some((_, advice))) = (program, SALT_KEYS.iter().find(|(key, _)| *key == name))
    {
        return format!("`{name}` is a key of Salt that has no meaning here: {advice}");
    }
    let known = keys
        .iter()
        .filter(|key| program.is_none_or(|program| key.programs.contains(&program)))
        .flat_map(|key| [Some(key.name), key.alias])
        .flatten();
    match nearest(name, known) {
        Some(near) => format!("unknown key `{name}`; did you mean `{near}`?"),
        None => format!("unknown key `{name}`"),
    }
}
