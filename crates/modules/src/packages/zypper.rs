//! SUSE, by `zypper` and `rpm`.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::changes::changed;
use super::problem::{REMOVING, UPGRADING};
use super::{
    Changed, Family, INSTALLING, Listed, Lock, Options, Order, PackageManager, Packages, Problem,
    Removal, Wanted, add_reinstalled, bare, lock, rpm, version,
};
use crate::failure::Failure;
use crate::process::Finished;
use crate::tools::{Tools, Way};

/// From this exit code on zypper only tells something: patches, a restart, a reboot.
const TOLD_MIN: i32 = 100;

const LOCK_WORDS: lock::Words = lock::Words {
    is_so: ["not currently held", "is already set to be held"],
    would_be: ["is set not to be held", "is set to be held"],
    is_done: ["is no longer being held", "is now being held"],
    has_failed: ["could not be changed"; 2],
};

pub(super) struct Zypper<'a> {
    tools: Tools<'a>,
    has_refreshed: Cell<bool>,
}

impl<'a> Zypper<'a> {
    pub(super) fn new(tools: Tools<'a>) -> Zypper<'a> {
        Zypper {
            tools,
            has_refreshed: Cell::new(false),
        }
    }

    fn run(&self, words: &[String]) -> Result<Finished, Failure> {
        let mut argv = vec!["zypper", "--non-interactive", "--no-refresh"];
        argv.extend(words.iter().map(String::as_str));
        self.tools.run(&argv, &Way::in_scope())
    }

    fn change(&self, words: &[String], text: &str) -> Result<Changed, Problem> {
        changed(self, text, || {
            let finished = self.run(words)?;
            let has_failed = finished.retcode != 0 && finished.retcode < TOLD_MIN;
            Ok(has_failed.then(|| finished.said().to_string()))
        })
    }

    /// The rows of a table: a line of columns with bars between.
    fn rows(&self, words: &[&str]) -> Result<Vec<Vec<String>>, Failure> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Ok(rows(&self.run(&words)?.stdout))
    }
}

/// Reads a table of zypper, with its head.
fn rows(text: &str) -> Vec<Vec<String>> {
    let row = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    text.lines()
        .filter(|line| line.contains('|'))
        .map(row)
        .collect()
}

/// The cells of two columns, by the names in the head.
fn columns(rows: &[Vec<String>], names: [&str; 2]) -> Vec<(String, String)> {
    let Some((head, rows)) = rows.split_first() else {
        return Vec::new();
    };
    let at = names.map(|name| head.iter().position(|cell| cell == name));
    let [Some(first), Some(second)] = at else {
        return Vec::new();
    };
    rows.iter()
        .filter_map(|row| Some((row.get(first)?.clone(), row.get(second)?.clone())))
        .collect()
}

impl PackageManager for Zypper<'_> {
    fn family(&self) -> Family {
        Family::Suse
    }

    fn list(&self, listed: Listed) -> Result<Packages, Failure> {
        match listed {
            Listed::Installed => rpm::installed(&self.tools, ""),
            Listed::Removed | Listed::PurgeDesired => Ok(Packages::new()),
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        version::rpm(a, b)
    }

    fn refresh(&self, _: &Options) -> Result<Value, Failure> {
        self.has_refreshed.set(true);
        let finished = self.tools.run(
            &["zypper", "--non-interactive", "refresh", "--force"],
            &Way::default(),
        )?;
        if finished.retcode != 0 {
            return Err(Failure::command(finished.stderr.to_string()));
        }
        let mut found = Map::new();
        for line in finished.stdout.lines() {
            let name = line.split('\'').nth(1);
            if let Some(name) = name.filter(|_| line.starts_with("Repository")) {
                found.insert(name.to_owned(), json!(!line.contains("is up to date")));
            }
        }
        Ok(Value::Object(found))
    }

    fn has_refreshed(&self) -> bool {
        self.has_refreshed.get()
    }

    fn offered(&self, names: &[String], _: &Options) -> Result<Packages, Failure> {
        let bare: Vec<&str> = names.iter().map(|name| bare(name)).collect();
        let words = [
            &["search", "--details", "--match-exact", "--type", "package"],
            &bare[..],
        ]
        .concat();
        let mut packages = Packages::new();
        for (name, version) in columns(&self.rows(&words)?, ["Name", "Version"]) {
            let versions = packages.entry(name).or_default();
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        for versions in packages.values_mut() {
            versions.sort_by(|a, b| version::rpm(b, a));
        }
        Ok(packages)
    }

    fn install(&self, order: &Order, refresh: bool, options: &Options) -> Result<Changed, Problem> {
        self.refresh_if(refresh, options)?;
        let mut words = Vec::new();
        if options.flag("skip_verify") {
            words.push("--no-gpg-checks".to_owned());
        }
        words.extend(["install", "--auto-agree-with-licenses", "--oldpackage"].map(str::to_owned));
        if options.flag("reinstall") {
            words.push("--force".to_owned());
        }
        if options.flag("downloadonly") {
            words.push("--download-only".to_owned());
        }
        if options.has("no_recommends") || options.has("install_recommends") {
            let no = options.flag("no_recommends")
                || (options.has("install_recommends") && !options.flag("install_recommends"));
            words.push(
                if no {
                    "--no-recommends"
                } else {
                    "--recommends"
                }
                .to_owned(),
            );
        }
        words.extend(
            options
                .text("fromrepo")
                .into_iter()
                .flat_map(|repo| ["--from".to_owned(), repo]),
        );
        match order {
            Order::Files(paths) => words.extend(paths.iter().cloned()),
            Order::Repository(wanted) => {
                words.extend(wanted.names().map(|name| wanted.shown(name)))
            }
        }
        let before = self.list(Listed::Installed)?;
        let mut changes = self.change(&words, INSTALLING)?;
        if let (true, Order::Repository(wanted)) = (options.flag("reinstall"), order) {
            add_reinstalled(&mut changes, wanted.names_in(&before), &before);
        }
        Ok(changes)
    }

    fn remove(&self, wanted: &Wanted, removal: Removal, _: &Options) -> Result<Changed, Problem> {
        let installed = self.list(Listed::Installed)?;
        let names: Vec<String> = wanted
            .names_in(&installed)
            .map(|name| wanted.shown(name))
            .collect();
        if names.is_empty() {
            return Ok(Map::new());
        }
        let mut words = vec!["remove".to_owned()];
        if removal == Removal::Purge {
            // What was installed for these alone goes too.
            words.push("-u".to_owned());
        }
        words.extend(names);
        self.change(&words, REMOVING)
    }

    fn upgrades(&self, _: &Options) -> Result<BTreeMap<String, String>, Failure> {
        let rows = self.rows(&["list-updates"])?;
        Ok(columns(&rows, ["Name", "Available Version"])
            .into_iter()
            .collect())
    }

    fn upgrade(&self, options: &Options) -> Result<Changed, Problem> {
        let verb = if options.flag("dist_upgrade") {
            "dist-upgrade"
        } else {
            "update"
        };
        let mut words = vec![verb.to_owned(), "--auto-agree-with-licenses".to_owned()];
        words.extend(options.texts("pkgs"));
        self.change(&words, UPGRADING)
    }

    fn locks(&self) -> Result<BTreeMap<String, Lock>, Failure> {
        let rows = self.rows(&["locks"])?;
        let names = columns(&rows, ["Name", "Type"])
            .into_iter()
            .filter(|(_, kind)| kind == "package");
        Ok(names.map(|(name, _)| (name, Lock::default())).collect())
    }

    fn hold(
        &self,
        names: &[String],
        is_held: bool,
        is_test: bool,
    ) -> Result<Map<String, Value>, Failure> {
        let verb = if is_held { "addlock" } else { "removelock" };
        lock::hold(
            names,
            is_held,
            is_test,
            &self.locks()?,
            &LOCK_WORDS,
            |name| {
                let finished = self.run(&[verb.to_owned(), name.to_owned()])?;
                Ok(finished.retcode == 0)
            },
        )
    }

    fn autoremove(&self, is_asked: bool, _: bool) -> Result<Value, Failure> {
        let rows = self.rows(&["packages", "--unneeded"])?;
        let mut names: Vec<String> = columns(&rows, ["Name", "Version"])
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names.dedup();
        if is_asked || names.is_empty() {
            return Ok(json!(names));
        }
        let words = [vec!["remove".to_owned(), "-u".to_owned()], names].concat();
        Ok(Value::Object(self.change(&words, REMOVING)?))
    }

    fn owner(&self, path: &str) -> Result<String, Failure> {
        rpm::owner(&self.tools, path)
    }

    fn files(&self, name: &str) -> Result<Vec<String>, Failure> {
        rpm::files(&self.tools, name)
    }

    fn info(&self, names: &[String]) -> Result<Value, Failure> {
        rpm::info(&self.tools, names)
    }

    fn file_info(&self, path: &str) -> Result<(String, String), Failure> {
        rpm::file_info(&self.tools, path, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let text = "Loading repository data...\n\nS | Name | Type    | Version | Arch   | Repository\n--+------+---------+---------+--------+---\n\
            v | vim  | package | 9.1-2   | x86_64 | Updates\ni | vim  | package | 9.0-1   | x86_64 | Main\n";
        let expected = [("vim", "9.1-2"), ("vim", "9.0-1")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(columns(&rows(text), ["Name", "Version"]), expected);
        assert!(columns(&rows("No updates found."), ["Name", "Version"]).is_empty());
    }
}
