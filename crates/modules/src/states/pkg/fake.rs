//! A package manager in memory, for tests of states.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Args, Failure, Options, PackageManager, Problem, Return, StateAnswer, StateEnv};
use crate::packages::{
    Changed, Family, INSTALLING, Listed, Lock, Order, Packages, Removal, Wanted, add,
    add_reinstalled, bare, difference, version,
};
use crate::testing::Host;

#[derive(Default)]
pub(super) struct Fake {
    host: Option<Host>,
    offered: Packages,
    installed: RefCell<Packages>,
    removed: RefCell<Packages>,
    held: RefCell<BTreeSet<String>>,
    pub(super) refreshes: Cell<usize>,
}

impl Fake {
    pub(super) fn new() -> Fake {
        Fake {
            host: Some(Host::new()),
            ..Fake::default()
        }
    }

    pub(super) fn with(self, name: &str, version: &str) -> Fake {
        add(&mut self.installed.borrow_mut(), name, version);
        self
    }

    pub(super) fn offers(mut self, name: &str, version: &str) -> Fake {
        self.offered
            .entry(name.to_owned())
            .or_default()
            .push(version.to_owned());
        self
    }

    pub(super) fn state(
        &self,
        signature: &'static str,
        args: Value,
        is_test: bool,
        run: impl FnOnce(&dyn PackageManager, &Args, &StateEnv) -> StateAnswer,
    ) -> Return {
        let host = self.host.as_ref().unwrap();
        host.with_state(signature, args, is_test, |args, env| run(self, args, env))
            .unwrap()
    }
}

impl PackageManager for Fake {
    fn family(&self) -> Family {
        Family::Debian
    }

    fn list(&self, listed: Listed) -> Result<Packages, Failure> {
        Ok(match listed {
            Listed::Installed => self.installed.borrow().clone(),
            Listed::Removed => self.removed.borrow().clone(),
            Listed::PurgeDesired => Packages::new(),
        })
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        version::debian(a, b)
    }

    fn refresh(&self, _: &Options) -> Result<Value, Failure> {
        self.refreshes.set(self.refreshes.get() + 1);
        Ok(json!({}))
    }

    fn has_refreshed(&self) -> bool {
        self.refreshes.get() > 0
    }

    fn offered(&self, names: &[String], _: &Options) -> Result<Packages, Failure> {
        let bare = names.iter().map(|name| bare(name));
        Ok(bare
            .filter_map(|name| Some((name.to_owned(), self.offered.get(name)?.clone())))
            .collect())
    }

    fn install(&self, order: &Order, refresh: bool, options: &Options) -> Result<Changed, Problem> {
        self.refresh_if(refresh, options)?;
        let old = self.installed.borrow().clone();
        let Order::Repository(wanted) = order else {
            return Err(Problem::from(Failure::command("no files here")));
        };
        let mut errors = Vec::new();
        for (name, version) in &wanted.0 {
            let offered = self
                .offered
                .get(name)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let wanted = version.as_deref().unwrap_or("*");
            let conditions = version::Conditions::parse(wanted);
            let met = offered.iter().find(|version| {
                conditions.are_met(std::slice::from_ref(version), None, false, &version::debian)
            });
            match met {
                Some(version) => drop(
                    self.installed
                        .borrow_mut()
                        .insert(name.clone(), vec![version.clone()]),
                ),
                None => errors.push(format!("E: Unable to locate package {name}")),
            }
        }
        let mut changes = difference(&old, &self.installed.borrow());
        if options.flag("reinstall") {
            add_reinstalled(&mut changes, wanted.names_in(&old), &old);
        }
        Problem::unless_empty(INSTALLING, errors, changes)
    }

    fn remove(&self, wanted: &Wanted, removal: Removal, _: &Options) -> Result<Changed, Problem> {
        let old = self.installed.borrow().clone();
        for name in wanted.names() {
            let gone = self.installed.borrow_mut().remove(name);
            let mut left_over = self.removed.borrow_mut();
            match (removal, gone) {
                (Removal::Remove, Some(versions)) => drop(left_over.insert(name.clone(), versions)),
                _ => drop(left_over.remove(name)),
            }
        }
        Ok(difference(&old, &self.installed.borrow()))
    }

    fn upgrades(&self, _: &Options) -> Result<BTreeMap<String, String>, Failure> {
        let installed: Vec<String> = self.installed.borrow().keys().cloned().collect();
        let mut newest = self.latest(&installed, false, &Options::default())?;
        newest.retain(|_, version| !version.is_empty());
        Ok(newest)
    }

    fn upgrade(&self, options: &Options) -> Result<Changed, Problem> {
        let names = self
            .upgrades(options)?
            .into_keys()
            .map(|name| (name, None))
            .collect();
        self.install(&Order::Repository(Wanted(names)), false, options)
    }

    fn locks(&self) -> Result<BTreeMap<String, Lock>, Failure> {
        Ok(self
            .held
            .borrow()
            .iter()
            .map(|name| (name.clone(), Lock::default()))
            .collect())
    }

    fn hold(
        &self,
        names: &[String],
        is_held: bool,
        _: bool,
    ) -> Result<Map<String, Value>, Failure> {
        let hold = |name: &String| {
            let mut held = self.held.borrow_mut();
            let was_held = if is_held {
                !held.insert(name.clone())
            } else {
                held.remove(name)
            };
            let (changes, comment) = match (was_held, is_held) {
                (false, true) => (
                    json!({"old": "install", "new": "hold"}),
                    "is now being held.",
                ),
                (true, false) => (
                    json!({"old": "hold", "new": "install"}),
                    "is no longer being held.",
                ),
                _ => (json!({}), "is already set to be held."),
            };
            let comment = format!("Package {name} {comment}");
            (
                name.clone(),
                json!({"name": name, "changes": changes, "result": true, "comment": comment}),
            )
        };
        Ok(names.iter().map(hold).collect())
    }

    fn autoremove(&self, _: bool, _: bool) -> Result<Value, Failure> {
        Ok(json!([]))
    }

    fn owner(&self, _: &str) -> Result<String, Failure> {
        Ok(String::new())
    }

    fn files(&self, _: &str) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    fn info(&self, _: &[String]) -> Result<Value, Failure> {
        Ok(json!({}))
    }

    fn file_info(&self, path: &str) -> Result<(String, String), Failure> {
        Err(Failure::command(format!("{path} does not exist on minion")))
    }
}
