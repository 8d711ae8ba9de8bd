//! Debian and its kin, by `apt-get`, `apt-cache`, `dpkg` and `dpkg-query`.

mod change;
mod query;
mod selections;

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::{
    Changed, Family, Listed, Lock, Options, Order, PackageManager, Packages, Problem, Removal,
    Wanted, add, difference, version,
};
use crate::failure::Failure;
use crate::process::Finished;
use crate::tools::{Tools, Way};

/// Keeps maintainer scripts and their helpers from asking.
const QUIET: [(&str, &str); 4] = [
    ("APT_LISTBUGS_FRONTEND", "none"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("UCF_FORCE_CONFFOLD", "1"),
];

/// How long fetching the lists may take at the first try; Salt's default of `aptpkg_refresh_db_timeout`.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(30);

const LISTS: &str = "/var/lib/apt/lists";

pub(super) struct Apt<'a> {
    tools: Tools<'a>,
    /// The architecture of this host, `amd64`; empty when unknown.
    architecture: String,
    /// Names of foreign packages have their architecture.
    marks_foreign: bool,
    has_refreshed: Cell<bool>,
}

impl<'a> Apt<'a> {
    pub(super) fn new(tools: Tools<'a>, grains: &Value) -> Apt<'a> {
        let architecture = grains["osarch"].as_str().unwrap_or_default().to_owned();
        Apt {
            tools,
            marks_foreign: grains["cpuarch"] == json!("x86_64") && architecture == "amd64",
            architecture,
            has_refreshed: Cell::new(false),
        }
    }

    /// Runs a program that may change packages.
    fn act(&self, argv: &[&str], options: &Options) -> Result<Finished, Failure> {
        let mut env: Vec<(String, String)> = QUIET
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        if let Value::Object(given) = options.value("env") {
            env.extend(
                given
                    .iter()
                    .map(|(name, value)| (name.clone(), crate::python::text(value))),
            );
        }
        self.tools.run(
            argv,
            &Way {
                env,
                ..Way::in_scope()
            },
        )
    }

    fn are_lists_fresh(&self, options: &Options) -> bool {
        let valid = options.value("cache_valid_time").as_u64().unwrap_or(0);
        let modified = std::fs::metadata(self.tools.path(LISTS)).and_then(|lists| lists.modified());
        let age = modified
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok());
        valid > 0 && age.is_some_and(|age| age < Duration::from_secs(valid))
    }

    fn foreign_name(&self, name: &str, architecture: &str) -> String {
        if self.marks_foreign && architecture != "all" && architecture != self.architecture {
            format!("{name}:{architecture}")
        } else {
            name.to_owned()
        }
    }
}

impl PackageManager for Apt<'_> {
    fn family(&self) -> Family {
        Family::Debian
    }

    fn list(&self, listed: Listed) -> Result<Packages, Failure> {
        let format = "${Status} ${Package} ${Version} ${Architecture}\n";
        let text = self
            .tools
            .output(&["dpkg-query", "--showformat", format, "-W"])?;
        Ok(query::installed(&text, listed, |name, architecture| {
            self.foreign_name(name, architecture)
        }))
    }

    fn normalized(&self, name: &str) -> String {
        match name.rsplit_once(':') {
            Some((bare, architecture))
                if architecture == self.architecture || matches!(architecture, "all" | "any") =>
            {
                bare.to_owned()
            }
            _ => name.to_owned(),
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        version::debian(a, b)
    }

    fn refresh(&self, options: &Options) -> Result<Value, Failure> {
        self.has_refreshed.set(true);
        if self.are_lists_fresh(options) {
            return Ok(json!({}));
        }
        let update = ["apt-get", "-q", "update"];
        let given = options.value("timeout").as_f64();
        let way = Way {
            timeout: Some(given.map_or(REFRESH_TIMEOUT, |seconds| {
                Duration::try_from_secs_f64(seconds).unwrap_or(REFRESH_TIMEOUT)
            })),
            ..Way::default()
        };
        let mut finished = self.tools.run(&update, &way)?;
        if finished.timed_out {
            self.tools
                .run(&["apt-get", "-q", "clean"], &Way::default())?;
            finished = self.tools.run(&update, &Way::default())?;
        }
        if finished.retcode != 0 {
            return Err(Failure::command(finished.stderr.to_string()));
        }
        let (fetched, failed) = query::fetched(&finished.stdout);
        if options.flag("failhard") && !failed.is_empty() {
            return Err(Failure::command(format!(
                "Error getting repos: {}",
                failed.join(", ")
            )));
        }
        Ok(Value::Object(fetched))
    }

    fn has_refreshed(&self) -> bool {
        self.has_refreshed.get()
    }

    fn latest(
        &self,
        names: &[String],
        refresh: bool,
        options: &Options,
    ) -> Result<BTreeMap<String, String>, Failure> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let installed = self.list(Listed::Installed)?;
        self.refresh_if(refresh, options)?;
        let release = options
            .text("fromrepo")
            .map(|release| format!("APT::Default-Release={release}"));
        let mut argv = vec!["apt-cache", "-q", "policy"];
        argv.extend(names.iter().map(String::as_str));
        if let Some(release) = &release {
            argv.extend(["-o", release]);
        }
        let candidates = query::candidates(&self.tools.output(&argv)?, names);
        let is_shown = |name: &str, candidate: &str| {
            options.flag("show_installed") || self.is_newer(candidate, &installed, name)
        };
        Ok(query::latest(names, &candidates, is_shown))
    }

    fn offered(&self, names: &[String], _: &Options) -> Result<Packages, Failure> {
        let text = if names.is_empty() {
            self.tools.output(&["apt-cache", "dump"])?
        } else {
            let mut argv = vec!["apt-cache", "show"];
            argv.extend(names.iter().map(String::as_str));
            self.tools.output(&argv)?
        };
        Ok(query::offered(&text))
    }

    fn install(&self, order: &Order, refresh: bool, options: &Options) -> Result<Changed, Problem> {
        change::install(self, order, refresh, options)
    }

    fn remove(
        &self,
        wanted: &Wanted,
        removal: Removal,
        options: &Options,
    ) -> Result<Changed, Problem> {
        change::remove(self, wanted, removal, options)
    }

    fn upgrades(&self, options: &Options) -> Result<BTreeMap<String, String>, Failure> {
        let is_dist = !options.has("dist_upgrade") || options.flag("dist_upgrade");
        let mut argv = vec![
            "apt-get",
            "--just-print",
            if is_dist { "dist-upgrade" } else { "upgrade" },
        ];
        let release = options
            .text("fromrepo")
            .map(|release| format!("APT::Default-Release={release}"));
        if let Some(release) = &release {
            argv.extend(["-o", release]);
        }
        let finished = self.tools.run(&argv, &Way::default())?;
        if finished.retcode != 0 {
            let said = finished.said();
            let said = if said.is_empty() {
                String::new()
            } else {
                format!(": {said}")
            };
            return Err(Failure::command(format!("Failed to get upgrades{said}")));
        }
        Ok(query::configured(&finished.stdout))
    }

    fn upgrade(&self, options: &Options) -> Result<Changed, Problem> {
        change::upgrade(self, options)
    }

    fn locks(&self) -> Result<BTreeMap<String, Lock>, Failure> {
        let held = selections::of(self, "*")?
            .remove("hold")
            .unwrap_or_default();
        Ok(held
            .into_iter()
            .map(|name| (name, Lock::default()))
            .collect())
    }

    fn hold(
        &self,
        names: &[String],
        is_held: bool,
        is_test: bool,
    ) -> Result<Map<String, Value>, Failure> {
        names
            .iter()
            .map(|name| {
                Ok((
                    name.clone(),
                    selections::hold(self, name, is_held, is_test)?,
                ))
            })
            .collect()
    }

    fn unpurge(&self, names: &[String]) -> Result<Changed, Failure> {
        let old = self.list(Listed::PurgeDesired)?;
        for name in names {
            selections::set(self, name, "install")?;
        }
        Ok(difference(&old, &self.list(Listed::PurgeDesired)?))
    }

    fn autoremove(&self, is_asked: bool, purge: bool) -> Result<Value, Failure> {
        let mut argv = vec![
            "apt-get",
            if is_asked {
                "--assume-no"
            } else {
                "--assume-yes"
            },
        ];
        if purge {
            argv.push("--purge");
        }
        argv.push("autoremove");
        if is_asked {
            return Ok(json!(query::to_be_removed(&self.tools.output(&argv)?)));
        }
        let old = self.list(Listed::Installed)?;
        self.act(&argv, &Options::default())?;
        Ok(Value::Object(difference(
            &old,
            &self.list(Listed::Installed)?,
        )))
    }

    fn owner(&self, path: &str) -> Result<String, Failure> {
        let text = self.tools.output(&["dpkg", "-S", path])?;
        Ok(text.split(':').next().unwrap_or_default().to_owned())
    }

    fn files(&self, name: &str) -> Result<Vec<String>, Failure> {
        let finished = self
            .tools
            .run(&["dpkg-query", "-L", name], &Way::default())?;
        if finished.retcode != 0 {
            return Err(Failure::command(format!("Error:  {}", finished.stderr)));
        }
        Ok(finished.stdout.lines().map(str::to_owned).collect())
    }

    fn info(&self, names: &[String]) -> Result<Value, Failure> {
        let mut argv = vec!["dpkg-query", "-W", query::INFO_FORMAT];
        argv.extend(names.iter().map(String::as_str));
        let finished = self.tools.run(&argv, &Way::default())?;
        if finished.retcode != 0 {
            return Err(Failure::command(format!(
                "Error getting packages information: {}",
                finished.stderr
            )));
        }
        Ok(Value::Object(query::info(
            &finished.stdout,
            &self.tools.path("/usr/share/doc"),
        )))
    }

    fn file_info(&self, path: &str) -> Result<(String, String), Failure> {
        if !std::path::Path::new(path).is_file() {
            return Err(Failure::command(format!("{path} does not exist on minion")));
        }
        let finished = self.tools.run(&["dpkg", "-I", path], &Way::default())?;
        if finished.retcode != 0 {
            return Err(Failure::command(format!(
                "Unable to get info for {path}: {}",
                finished.stderr
            )));
        }
        let field = |name: &str| {
            let value = |line: &str| {
                let (key, value) = line.trim().split_once(':')?;
                (key.trim_end() == name).then(|| {
                    value
                        .split_whitespace()
                        .last()
                        .unwrap_or_default()
                        .to_owned()
                })
            };
            finished.stdout.lines().find_map(value)
        };
        match (field("Package"), field("Version"), field("Architecture")) {
            (Some(name), Some(version), Some(architecture)) => {
                Ok((self.foreign_name(&name, &architecture), version))
            }
            _ => Err(Failure::command(format!(
                "Unable to get name, version, arch for {path}"
            ))),
        }
    }

    fn downloaded(&self) -> Result<Map<String, Value>, Failure> {
        query::downloaded(self, &self.tools.path("/var/cache/apt"))
    }
}

#[cfg(test)]
mod tests;
