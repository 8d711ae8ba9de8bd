//! Red Hat and its kin, by `dnf` or `yum` and `rpm`.

mod query;

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::changes::changed;
use super::plan::Plan;
use super::problem::{REMOVING, UPGRADING};
use super::wanted::unmet;
use super::{
    Changed, Family, INSTALLING, Listed, Lock, Options, Order, PackageManager, Packages, Problem,
    Removal, Wanted, add, add_reinstalled, bare, lock, rpm, version,
};
use crate::failure::Failure;
use crate::process::Finished;
use crate::tools::{Tools, Way};

/// The exit code of `check-update` when there are updates.
const HAS_UPDATES: i32 = 100;

const LOCK_WORDS: lock::Words = lock::Words {
    is_so: ["is not being held", "is already set to be held"],
    would_be: ["is set to be unheld", "is set to be held"],
    is_done: ["is no longer held", "is now being held"],
    has_failed: ["was unable to be unheld", "was unable to be held"],
};

pub(super) struct Dnf<'a> {
    tools: Tools<'a>,
    program: &'static str,
    architecture: String,
    has_refreshed: Cell<bool>,
}

impl<'a> Dnf<'a> {
    pub(super) fn new(tools: Tools<'a>, grains: &Value) -> Dnf<'a> {
        Dnf {
            program: if tools.which("dnf").is_some() {
                "dnf"
            } else {
                "yum"
            },
            architecture: grains["osarch"]
                .as_str()
                .or(grains["cpuarch"].as_str())
                .unwrap_or_default()
                .to_owned(),
            tools,
            has_refreshed: Cell::new(false),
        }
    }

    fn act(&self, words: &[String]) -> Result<Finished, Failure> {
        let mut argv = vec![self.program, "-y"];
        argv.extend(words.iter().map(String::as_str));
        self.tools.run(&argv, &Way::in_scope())
    }

    fn ask(&self, words: &[&str], options: &[String]) -> Result<Finished, Failure> {
        let mut argv = vec![self.program, "-q"];
        argv.extend(options.iter().map(String::as_str));
        argv.extend(words);
        self.tools.run(&argv, &Way::default())
    }

    fn plan(
        &self,
        order: &Order,
        installed: &Packages,
        options: &Options,
    ) -> Result<Plan, Failure> {
        let is_reinstall = options.flag("reinstall");
        let mut plan = Plan::default();
        let wanted = match order {
            Order::Files(paths) => {
                plan.targets.clone_from(paths);
                return Ok(plan);
            }
            Order::Repository(wanted) => wanted,
        };
        for (name, version) in &wanted.0 {
            let Some(condition) = version else {
                plan.add_any(name, installed, is_reinstall);
                continue;
            };
            let offered = self
                .offered(std::slice::from_ref(name), options)?
                .remove(name)
                .unwrap_or_default();
            let conditions = version::Conditions::parse(condition);
            let is_met = |found: &&String| {
                conditions.are_met(std::slice::from_ref(*found), None, false, &version::rpm)
            };
            match offered.iter().find(is_met) {
                Some(found) => {
                    let word = word(name, found);
                    plan.add(self, name, word, found, installed, is_reinstall);
                }
                None => plan.errors.push(unmet(name, condition, &offered)),
            }
        }
        Ok(plan)
    }

    /// Does something to packages and says what changed.
    fn change(&self, commands: &[Vec<String>], text: &str) -> Result<Changed, Problem> {
        changed(self, text, || {
            let mut errors = Vec::new();
            for words in commands {
                let finished = self.act(words)?;
                if finished.retcode != 0 {
                    errors.push(finished.said().to_string());
                }
            }
            Ok(errors)
        })
    }
}

/// The options of repositories.
fn repository_options(options: &Options) -> Vec<String> {
    let mut words = Vec::new();
    let from = options.text("fromrepo");
    if let Some(repo) = &from {
        words.extend(["--disablerepo=*".to_owned(), format!("--enablerepo={repo}")]);
    } else {
        words.extend(
            options
                .text("disablerepo")
                .map(|repo| format!("--disablerepo={repo}")),
        );
        words.extend(
            options
                .text("enablerepo")
                .or_else(|| options.text("repo"))
                .map(|repo| format!("--enablerepo={repo}")),
        );
    }
    words.extend(
        options
            .text("disableexcludes")
            .map(|repo| format!("--disableexcludes={repo}")),
    );
    words.extend(
        options
            .text("branch")
            .map(|branch| format!("--branch={branch}")),
    );
    words.extend(
        options
            .texts("setopt")
            .into_iter()
            .map(|option| format!("--setopt={option}")),
    );
    words
}

/// A package as the program reads it.
fn word(name: &str, version: &str) -> String {
    match name.rsplit_once('.') {
        // What comes after the last dot may be an architecture.
        Some((bare, of))
            if matches!(
                of,
                "x86_64" | "i386" | "i586" | "i686" | "aarch64" | "noarch" | "ppc64le" | "s390x"
            ) =>
        {
            format!("{bare}-{version}.{of}")
        }
        _ => format!("{name}-{version}"),
    }
}

impl PackageManager for Dnf<'_> {
    fn family(&self) -> Family {
        Family::RedHat
    }

    fn list(&self, listed: Listed) -> Result<Packages, Failure> {
        match listed {
            Listed::Installed => rpm::installed(&self.tools, &self.architecture),
            // RPM leaves nothing over.
            Listed::Removed | Listed::PurgeDesired => Ok(Packages::new()),
        }
    }

    fn normalized(&self, name: &str) -> String {
        match name.rsplit_once('.') {
            Some((bare, of)) if of == "noarch" || (!of.is_empty() && of == self.architecture) => {
                bare.to_owned()
            }
            _ => name.to_owned(),
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        version::rpm(a, b)
    }

    fn refresh(&self, options: &Options) -> Result<Value, Failure> {
        self.has_refreshed.set(true);
        let repositories = repository_options(options);
        self.ask(&["clean", "expire-cache"], &repositories)?;
        let finished = self.ask(
            &["check-update", "--setopt=autocheck_running_kernel=false"],
            &repositories,
        )?;
        if matches!(finished.retcode, 0 | HAS_UPDATES) {
            return Ok(json!(true));
        }
        Err(Failure::command(finished.stderr.to_string()))
    }

    fn has_refreshed(&self) -> bool {
        self.has_refreshed.get()
    }

    fn offered(&self, names: &[String], options: &Options) -> Result<Packages, Failure> {
        let bare: Vec<&str> = names.iter().map(|name| bare(name)).collect();
        let words = [&["list", "--showduplicates"], &bare[..]].concat();
        let told = self.ask(&words, &repository_options(options))?;
        let mut packages = Packages::new();
        let text = told.stdout.to_string();
        // What is installed is listed first, under a head of its own.
        let available = text
            .split_once("Available Packages")
            .map_or(text.as_str(), |(_, available)| available);
        for (name, version) in query::listed(available, &self.architecture) {
            add(&mut packages, &name, &version);
        }
        for versions in packages.values_mut() {
            versions.sort_by(|a, b| version::rpm(b, a));
        }
        Ok(packages)
    }

    fn install(&self, order: &Order, refresh: bool, options: &Options) -> Result<Changed, Problem> {
        self.refresh_if(refresh, options)?;
        let mut head = repository_options(options);
        if options.flag("skip_verify") {
            head.push("--nogpgcheck".to_owned());
        }
        if options.flag("downloadonly") {
            head.push("--downloadonly".to_owned());
        }
        if options.has("install_recommends") {
            head.push(format!(
                "--setopt=install_weak_deps={}",
                options.flag("install_recommends")
            ));
        }
        let installed = self.list(Listed::Installed)?;
        let plan = self.plan(order, &installed, options)?;
        let mut commands = Vec::new();
        for (verb, words) in [
            ("install", plan.targets.clone()),
            ("downgrade", plan.downgrades.clone()),
            ("reinstall", plan.reinstall_words()),
        ] {
            if !words.is_empty() {
                commands.push([head.clone(), vec![verb.to_owned()], words].concat());
            }
        }
        let mut changes = self.change(&commands, INSTALLING)?;
        add_reinstalled(&mut changes, plan.reinstalled(), &installed);
        Problem::unless_empty(INSTALLING, plan.errors, changes)
    }

    fn remove(&self, wanted: &Wanted, _: Removal, options: &Options) -> Result<Changed, Problem> {
        let installed = self.list(Listed::Installed)?;
        let words: Vec<String> = wanted
            .names_in(&installed)
            .map(|name| match wanted.version(name) {
                Some(version) => word(name, version),
                None => name.clone(),
            })
            .collect();
        if words.is_empty() {
            return Ok(Map::new());
        }
        let command = [
            repository_options(options),
            vec!["remove".to_owned()],
            words,
        ]
        .concat();
        self.change(&[command], "Error occurred removing package(s)")
    }

    fn upgrades(&self, options: &Options) -> Result<BTreeMap<String, String>, Failure> {
        let finished = self.ask(&["check-update"], &repository_options(options))?;
        if !matches!(finished.retcode, 0 | HAS_UPDATES) {
            return Err(Failure::command(finished.stderr.to_string()));
        }
        let text = finished.stdout.to_string();
        let text = text
            .split_once("Obsoleting Packages")
            .map_or(text.as_str(), |(updates, _)| updates);
        Ok(query::listed(text, &self.architecture)
            .into_iter()
            .collect())
    }

    fn upgrade(&self, options: &Options) -> Result<Changed, Problem> {
        let mut command = repository_options(options);
        if options.flag("skip_verify") {
            command.push("--nogpgcheck".to_owned());
        }
        command.push("upgrade".to_owned());
        command.extend(options.texts("pkgs"));
        self.change(&[command], UPGRADING)
    }

    fn locks(&self) -> Result<BTreeMap<String, Lock>, Failure> {
        let told = self.ask(&["versionlock", "list"], &[])?;
        let locks = told.stdout.lines().filter_map(query::lock);
        Ok(locks
            .map(|(name, version)| {
                (
                    name,
                    Lock {
                        version: Some(version),
                    },
                )
            })
            .collect())
    }

    fn hold(
        &self,
        names: &[String],
        is_held: bool,
        is_test: bool,
    ) -> Result<Map<String, Value>, Failure> {
        let verb = if is_held { "add" } else { "delete" };
        lock::hold(
            names,
            is_held,
            is_test,
            &self.locks()?,
            &LOCK_WORDS,
            |name| Ok(self.ask(&["versionlock", verb, name], &[])?.retcode == 0),
        )
    }

    fn autoremove(&self, is_asked: bool, _: bool) -> Result<Value, Failure> {
        if is_asked {
            let argv = [self.program, "--assumeno", "autoremove"];
            let told = self.tools.output(&argv)?;
            let mut names: Vec<String> = told
                .lines()
                .filter(|line| line.starts_with(' '))
                .filter_map(|line| line.split_whitespace().next())
                .map(str::to_owned)
                .collect();
            names.sort();
            return Ok(json!(names));
        }
        Ok(Value::Object(
            self.change(&[vec!["autoremove".to_owned()]], REMOVING)?,
        ))
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
        rpm::file_info(&self.tools, path, &self.architecture)
    }

    fn group(&self, name: &str) -> Result<Option<Value>, Failure> {
        let finished = self.ask(&["groupinfo", name], &[])?;
        if finished.retcode != 0 || finished.stdout.is_empty() {
            return Err(Failure::command(format!("Group '{name}' not found")));
        }
        let installed = self.list(Listed::Installed)?;
        Ok(Some(query::members(&finished.stdout, &installed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::testing::write_script;

    const DNF: &str = "echo \"$@\" >> $here/log\ncase \"$*\" in \
        *'list --showduplicates'*) echo 'Installed Packages'; echo 'bash.x86_64 5.1-1 @base'; echo 'Available Packages'; \
            echo 'bash.x86_64 5.1-1 base'; echo 'bash.x86_64 5.2-1 updates'; echo 'new.noarch 1:2.0-1 base';; \
        *check-update*) echo 'bash.x86_64 5.2-1 updates'; exit 100;; \
        *'versionlock list'*) echo 'bash-0:5.1-1.*';; \
        *groupinfo*) printf 'Group: x\\n Mandatory Packages:\\n   bash\\n   lacking\\n Optional Packages:\\n   more\\n';; \
        *'install new-1:2.0-1'*) touch $here/done;; \
        *install*) echo 'Error: no' >&2; exit 1;; esac";

    #[test]
    fn packages_are_asked_for_and_changed() {
        let dir = tempfile::tempdir().unwrap();
        let rpm = "printf 'bash\\t\\t5.1\\t1\\tx86_64\\n'; if [ -f $here/done ]; then printf 'new\\t1\\t2.0\\t1\\tnoarch\\n'; fi";
        for (name, script) in [("dnf", DNF), ("rpm", rpm)] {
            let here = dir.path().display();
            write_script(
                &dir.path().join("bin").join(name),
                &format!("here={here}\n{script}"),
            );
        }
        let cancel = Cancel::new();
        let dnf = Dnf::new(
            Tools::fake(&cancel, dir.path().to_path_buf()),
            &json!({"osarch": "x86_64"}),
        );
        let names = ["bash", "new", "zz"].map(str::to_owned);
        let latest = dnf.latest(&names, false, &Options::default()).unwrap();
        assert_eq!(
            latest.values().collect::<Vec<_>>(),
            ["5.2-1", "1:2.0-1", ""]
        );
        let upgrades = dnf.upgrades(&Options::default()).unwrap();
        assert_eq!(
            upgrades,
            BTreeMap::from([("bash".to_owned(), "5.2-1".to_owned())])
        );
        let order = Order::Repository(Wanted::one("new", Some(">=2".to_owned())));
        let options = Options::default()
            .with("fromrepo", "base")
            .with("skip_verify", true);
        let changes = dnf.install(&order, false, &options).unwrap();
        assert_eq!(
            Value::Object(changes),
            json!({"new": {"old": "", "new": "1:2.0-1"}})
        );
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
        assert!(
            log.ends_with(
                "-y --disablerepo=* --enablerepo=base --nogpgcheck install new-1:2.0-1\n"
            ),
            "{log}"
        );
        let order = Order::Repository(Wanted::one("zz", None));
        let problem = dnf.install(&order, false, &Options::default()).unwrap_err();
        assert!(
            problem
                .without_changes()
                .ends_with("errors:\n    - Error: no"),
            "{problem:?}"
        );
        assert_eq!(
            dnf.locks().unwrap()["bash"].version.as_deref(),
            Some("5.1-1")
        );
        let group = dnf.group("x").unwrap().unwrap();
        assert_eq!(
            group["mandatory"],
            json!({"installed": ["bash"], "not installed": ["lacking"]})
        );
        assert_eq!(dnf.normalized("bash.x86_64"), "bash");
        assert_eq!(word("glibc.i686", "2.34-1"), "glibc-2.34-1.i686");
    }
}
