//! The execution functions that need no host: what a hub gives to the templates of a pillar.

mod arguments;
mod configuration;
mod hashes;
mod matching;
mod trees;
mod values;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Map, Value};
use sls::compile::Minion;
use sls::render::Functions;
use targeting::Nodegroups;

use arguments::Arguments;

/// Most texts of `log.*` that are kept for one pillar.
pub const LOGGED_MAX: usize = 1_000;

/// What a function answers; an error ends the rendering and is shown to the user.
type Answer = Result<Value, String>;

/// The functions of one module, by their names without it.
type Table = &'static [(&'static str, fn(&Hub<'_>, &mut Arguments) -> Answer)];

const MODULES: &[(&str, Table)] = &[
    ("config", configuration::FUNCTIONS),
    ("defaults", trees::DEFAULTS),
    ("grains", values::GRAINS),
    ("hashutil", hashes::FUNCTIONS),
    ("log", values::LOG),
    ("match", matching::FUNCTIONS),
    ("pillar", values::PILLAR),
    ("slsutil", trees::SLSUTIL),
];

/// The functions of a hub for one minion.
pub struct Hub<'a> {
    grains: &'a Value,
    options: &'a Value,
    pillar: Rc<Value>,
    minion: Minion,
    logged: RefCell<Vec<(&'static str, String)>>,
}

impl<'a> Hub<'a> {
    /// The functions for a minion, with what its pillar is so far. Nodegroups that cannot be read are none.
    pub fn new(id: &str, grains: &'a Value, options: &'a Value, pillar: Rc<Value>) -> Hub<'a> {
        let nodegroups = options.get("nodegroups").unwrap_or(&Value::Null);
        let minion = Minion {
            id: id.to_owned(),
            grains: grains.clone(),
            pillar: (*pillar).clone(),
            nodegroups: Nodegroups::from_value(nodegroups).unwrap_or_default(),
        };
        Hub {
            grains,
            options,
            pillar,
            minion,
            logged: RefCell::new(Vec::new()),
        }
    }

    /// What templates logged, by level, up to [`LOGGED_MAX`] texts.
    pub fn logged(&self) -> Vec<(&'static str, String)> {
        self.logged.borrow().clone()
    }

    /// The names of all functions.
    pub fn names() -> impl Iterator<Item = String> {
        let names = |(module, table): &(&'static str, Table)| {
            let module = *module;
            table
                .iter()
                .map(move |(name, _)| format!("{module}.{name}"))
        };
        MODULES.iter().flat_map(names)
    }

    fn log(&self, level: &'static str, text: String) {
        let mut logged = self.logged.borrow_mut();
        if logged.len() < LOGGED_MAX {
            logged.push((level, text));
        }
    }
}

fn find(name: &str) -> Option<fn(&Hub<'_>, &mut Arguments) -> Answer> {
    let (module, name) = name.split_once('.')?;
    let (_, table) = MODULES.iter().find(|(known, _)| *known == module)?;
    // Salt takes names that are words of Python with a line behind them, too.
    let name = name.strip_suffix('_').unwrap_or(name);
    let (_, function) = table.iter().find(|(known, _)| *known == name)?;
    Some(*function)
}

impl Functions for Hub<'_> {
    fn has(&self, name: &str) -> bool {
        find(name).is_some()
    }

    fn absence(&self, name: &str) -> Option<String> {
        Some(format!(
            "the function '{name}' is not available where a pillar is compiled, at a hub: it would have to run on the minion. Let the minion \
             say it in a grain, write the value into the pillar, or call the function in a state file"
        ))
    }

    fn call(&self, name: &str, args: &[Value], kwargs: &Map<String, Value>) -> Answer {
        let Some(function) = find(name) else {
            return Err(self.absence(name).unwrap_or_default());
        };
        let mut arguments = Arguments::new(name, args, kwargs);
        function(self, &mut arguments)
    }
}

#[cfg(test)]
mod tests;
