//! Alpine, by `apk`.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::changes::changed;
use super::problem::{REMOVING, UPGRADING};
use super::{
    Changed, Family, INSTALLING, Listed, Lock, Options, Order, PackageManager, Packages, Problem,
    Removal, Wanted, add, version,
};
use crate::failure::Failure;
use crate::tools::{Tools, Way};

pub(super) struct Apk<'a> {
    tools: Tools<'a>,
    has_refreshed: Cell<bool>,
}

/// Reads `name-1.2.3-r0`.
fn package(word: &str) -> Option<(String, String)> {
    let (rest, revision) = word.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name.to_owned(), format!("{version}-{revision}")))
}

impl<'a> Apk<'a> {
    pub(super) fn new(tools: Tools<'a>) -> Apk<'a> {
        Apk {
            tools,
            has_refreshed: Cell::new(false),
        }
    }

    fn change(&self, words: &[&str], text: &str) -> Result<Changed, Problem> {
        let argv = [&["apk"], words].concat();
        changed(self, text, || {
            let finished = self.tools.run(&argv, &Way::in_scope())?;
            let has_failed = finished.retcode != 0;
            Ok(has_failed.then(|| finished.said().to_string()))
        })
    }
}

impl PackageManager for Apk<'_> {
    fn family(&self) -> Family {
        Family::Alpine
    }

    fn list(&self, listed: Listed) -> Result<Packages, Failure> {
        let mut packages = Packages::new();
        if listed == Listed::Installed {
            for (name, version) in self
                .tools
                .output(&["apk", "info", "-v"])?
                .lines()
                .filter_map(package)
            {
                add(&mut packages, &name, &version);
            }
        }
        Ok(packages)
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        version::debian(a, b)
    }

    fn refresh(&self, _: &Options) -> Result<Value, Failure> {
        self.has_refreshed.set(true);
        let finished = self.tools.run(&["apk", "update"], &Way::default())?;
        if finished.retcode == 0 {
            Ok(json!(true))
        } else {
            Err(Failure::command(finished.stderr.to_string()))
        }
    }

    fn has_refreshed(&self) -> bool {
        self.has_refreshed.get()
    }

    fn offered(&self, names: &[String], _: &Options) -> Result<Packages, Failure> {
        let bare: Vec<&str> = names
            .iter()
            .map(|name| name.split(['=', '<', '>', '~']).next().unwrap_or_default())
            .collect();
        let argv = [&["apk", "search", "--exact"], &bare[..]].concat();
        let mut packages = Packages::new();
        for (name, version) in self.tools.output(&argv)?.lines().filter_map(package) {
            packages.entry(name).or_default().push(version);
        }
        Ok(packages)
    }

    fn install(&self, order: &Order, refresh: bool, options: &Options) -> Result<Changed, Problem> {
        self.refresh_if(refresh, options)?;
        let words: Vec<String> = match order {
            Order::Files(paths) => paths.clone(),
            Order::Repository(wanted) => wanted.names().map(|name| wanted.shown(name)).collect(),
        };
        let mut argv = vec!["add"];
        if matches!(order, Order::Files(_)) || options.flag("skip_verify") {
            argv.push("--allow-untrusted");
        }
        if options.flag("downloadonly") {
            return Err(Failure::invocation("downloadonly: apk does not only fetch").into());
        }
        if options.flag("reinstall") {
            argv[0] = "fix";
        }
        argv.extend(words.iter().map(String::as_str));
        self.change(&argv, INSTALLING)
    }

    fn remove(&self, wanted: &Wanted, removal: Removal, _: &Options) -> Result<Changed, Problem> {
        let installed = self.list(Listed::Installed)?;
        let mut argv = vec!["del"];
        if removal == Removal::Purge {
            argv.push("--purge");
        }
        let words = argv.len();
        argv.extend(wanted.names_in(&installed).map(String::as_str));
        if argv.len() == words {
            return Ok(Map::new());
        }
        self.change(&argv, REMOVING)
    }

    fn upgrades(&self, _: &Options) -> Result<BTreeMap<String, String>, Failure> {
        // bash-5.1-r0 < 5.2-r0
        let told = self.tools.output(&["apk", "version", "-l", "<"])?;
        let upgrade = |line: &str| {
            let (old, new) = line.split_once('<')?;
            Some((
                package(old.trim())?.0,
                new.split_whitespace().next()?.to_owned(),
            ))
        };
        Ok(told.lines().filter_map(upgrade).collect())
    }

    fn upgrade(&self, options: &Options) -> Result<Changed, Problem> {
        let pkgs = options.texts("pkgs");
        let mut argv = if pkgs.is_empty() {
            vec!["upgrade"]
        } else {
            vec!["add", "--upgrade"]
        };
        argv.extend(pkgs.iter().map(String::as_str));
        self.change(&argv, UPGRADING)
    }

    fn locks(&self) -> Result<BTreeMap<String, Lock>, Failure> {
        Err(Failure::command(
            "No any function to get the list of held packages available.\nCheck if the package manager supports package locking.",
        ))
    }

    fn hold(&self, _: &[String], _: bool, _: bool) -> Result<Map<String, Value>, Failure> {
        Err(Failure::command(
            "`hold` function is not implemented for the package manager.",
        ))
    }

    fn autoremove(&self, _: bool, _: bool) -> Result<Value, Failure> {
        Err(Failure::command("apk removes what nobody needs by itself"))
    }

    fn owner(&self, path: &str) -> Result<String, Failure> {
        // /bin/sh is owned by busybox-1.36-r0
        let told = self.tools.output(&["apk", "info", "--who-owns", path])?;
        let owner = told
            .split(" is owned by ")
            .nth(1)
            .and_then(|word| package(word.trim()));
        Ok(owner.map(|(name, _)| name).unwrap_or_default())
    }

    fn files(&self, name: &str) -> Result<Vec<String>, Failure> {
        let told = self.tools.output(&["apk", "info", "-L", name])?;
        Ok(told
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .map(|line| format!("/{line}"))
            .collect())
    }

    fn info(&self, names: &[String]) -> Result<Value, Failure> {
        let installed = self.list(Listed::Installed)?;
        let is_named = |name: &&String| names.is_empty() || names.contains(name);
        Ok(installed
            .iter()
            .filter(|(name, _)| is_named(name))
            .map(|(name, versions)| (name.clone(), json!({"version": versions.join(",")})))
            .collect())
    }

    fn file_info(&self, path: &str) -> Result<(String, String), Failure> {
        let name = std::path::Path::new(path)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        package(&name)
            .ok_or_else(|| Failure::command(format!("Unable to get name, version for {path}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read() {
        let read = package("so-lib-1.2.3-r10").unwrap();
        assert_eq!(read, ("so-lib".to_owned(), "1.2.3-r10".to_owned()));
        assert_eq!(package("WARNING:"), None);
    }
}
