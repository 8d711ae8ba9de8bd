//! Package managers behind one trait, a file or folder for each. What a host has is found by its grains.

mod apk;
mod apt;
mod changes;
mod dnf;
mod files;
mod lock;
mod options;
mod plan;
mod problem;
mod rpm;
pub(crate) mod version;
mod wanted;
mod zypper;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(crate) use self::changes::{Changed, add_reinstalled, difference, versions};
pub(crate) use self::files::fetched;
pub(crate) use self::lock::Lock;
pub(crate) use self::options::Options;
pub(crate) use self::problem::{INSTALLING, Problem};
pub(crate) use self::wanted::{Wanted, bare};
use crate::failure::Failure;
use crate::registry::Env;
use crate::tools::Tools;

/// Versions by name of package.
pub(crate) type Packages = BTreeMap<String, Vec<String>>;

/// Which packages a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Those that are there, and those that are there and to be purged.
    Installed,
    /// Those of which only the configuration is left.
    Removed,
    /// Those that are there and to be purged.
    PurgeDesired,
}

/// What to take away of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// All but its configuration, where the package manager keeps that.
    Remove,
    /// Everything.
    Purge,
}

impl Removal {
    /// The verb of package managers.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Removal::Remove => "remove",
            Removal::Purge => "purge",
        }
    }
}

/// Packages by what is asked for them.
#[derive(Debug)]
pub(crate) enum Order {
    /// From the repositories.
    Repository(Wanted),
    /// Files on this host.
    Files(Vec<String>),
}

/// A package manager of this host.
pub(crate) trait PackageManager {
    /// The family whose rules of success hold.
    fn family(&self) -> Family;

    /// The installed packages, or those left over.
    fn list(&self, listed: Listed) -> Result<Packages, Failure>;

    /// A name as `list` has it: without the architecture of this host.
    fn normalized(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Which of two versions is newer.
    fn compare(&self, a: &str, b: &str) -> Ordering;

    /// Fetches the lists of the repositories. Answers what each gave, or true.
    fn refresh(&self, options: &Options) -> Result<Value, Failure>;

    /// Fetches the lists where that is due.
    fn refresh_if(&self, is_due: bool, options: &Options) -> Result<(), Failure> {
        if is_due {
            self.refresh(options)?;
        }
        Ok(())
    }

    /// Whether `refresh` was done by this object.
    fn has_refreshed(&self) -> bool;

    /// The version of each package that would be installed now, empty where that would be no newer one. `show_installed` among the options
    /// tells it anyhow.
    fn latest(
        &self,
        names: &[String],
        refresh: bool,
        options: &Options,
    ) -> Result<BTreeMap<String, String>, Failure> {
        self.refresh_if(refresh, options)?;
        let installed = self.list(Listed::Installed)?;
        let offered = self.offered(names, options)?;
        let latest = |name: &String| {
            let best = offered.get(name).and_then(|versions| versions.first());
            let best = best.map(String::as_str).unwrap_or_default();
            let is_shown = options.flag("show_installed") || self.is_newer(best, &installed, name);
            (name.clone(), if is_shown { best } else { "" }.to_owned())
        };
        Ok(names.iter().map(latest).collect())
    }

    /// Whether a version is newer than all that are installed of a package.
    fn is_newer(&self, version: &str, installed: &Packages, name: &str) -> bool {
        let current = installed.get(name).map(Vec::as_slice).unwrap_or_default();
        current
            .iter()
            .all(|current| self.compare(current, version).is_lt())
    }

    /// All versions that repositories offer, best first.
    fn offered(&self, names: &[String], options: &Options) -> Result<Packages, Failure>;

    /// Installs, upgrades or downgrades.
    fn install(&self, order: &Order, refresh: bool, options: &Options) -> Result<Changed, Problem>;

    /// Removes packages.
    fn remove(
        &self,
        wanted: &Wanted,
        removal: Removal,
        options: &Options,
    ) -> Result<Changed, Problem>;

    /// What an upgrade would install.
    fn upgrades(&self, options: &Options) -> Result<BTreeMap<String, String>, Failure>;

    /// Upgrades all packages, or those that `pkgs` among the options names.
    fn upgrade(&self, options: &Options) -> Result<Changed, Problem>;

    /// The packages that are kept at their version.
    fn locks(&self) -> Result<BTreeMap<String, Lock>, Failure>;

    /// Whether `locks` tells versions and a hold is at one.
    fn locks_versions(&self) -> bool {
        false
    }

    /// Holds packages or lets them go: by name `{name, changes, result, comment}`.
    fn hold(
        &self,
        names: &[String],
        is_held: bool,
        is_test: bool,
    ) -> Result<Map<String, Value>, Failure>;

    /// Takes back the wish to purge packages.
    fn unpurge(&self, _names: &[String]) -> Result<Changed, Failure> {
        Err(missing("lowpkg.unpurge"))
    }

    /// Removes what nobody needs any more, or with `is_asked` tells it.
    fn autoremove(&self, is_asked: bool, purge: bool) -> Result<Value, Failure>;

    /// The package that a file belongs to; empty for none.
    fn owner(&self, path: &str) -> Result<String, Failure>;

    /// The files of packages.
    fn files(&self, name: &str) -> Result<Vec<String>, Failure>;

    /// What is known of installed packages, by name.
    fn info(&self, names: &[String]) -> Result<Value, Failure>;

    /// Name and version of a package file.
    fn file_info(&self, path: &str) -> Result<(String, String), Failure>;

    /// The packages that were fetched and not installed, by name and version.
    fn downloaded(&self) -> Result<Map<String, Value>, Failure> {
        Err(missing("pkg.list_downloaded"))
    }

    /// Members of a group: `{mandatory: {installed, not installed}, optional: …, default: …, conditional: …}`.
    fn group(&self, _name: &str) -> Result<Option<Value>, Failure> {
        Ok(None)
    }
}

/// Families of distributions, as far as packages differ by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Debian,
    RedHat,
    Suse,
    Alpine,
}

impl Family {
    /// The family of a host by its grains, where one of them is served.
    pub(crate) fn of(grains: &Value) -> Option<Family> {
        Some(match grains["os_family"].as_str()? {
            "Debian" => Family::Debian,
            "RedHat" => Family::RedHat,
            "Suse" => Family::Suse,
            "Alpine" => Family::Alpine,
            _ => return None,
        })
    }
}

/// The package manager of this host.
pub(crate) fn manager<'a>(env: &'a Env<'a>) -> Result<Box<dyn PackageManager + 'a>, Failure> {
    let grains = env.ctx.grains();
    let tools = Tools::new(env);
    Ok(match Family::of(&grains) {
        Some(Family::Debian) => Box::new(apt::Apt::new(tools, &grains)),
        Some(Family::RedHat) => Box::new(dnf::Dnf::new(tools, &grains)),
        Some(Family::Suse) => Box::new(zypper::Zypper::new(tools)),
        Some(Family::Alpine) => Box::new(apk::Apk::new(tools)),
        None => {
            let family = grains["os_family"].as_str().unwrap_or("this host");
            return Err(Failure::command(format!(
                "No package manager of {family} is served: apt, dnf, yum, zypper and apk are"
            )));
        }
    })
}

fn missing(fun: &str) -> Failure {
    Failure::command(format!("{fun} is not available on this platform"))
}

/// Adds a version to a list; each stands once and in order.
pub(crate) fn add(packages: &mut Packages, name: &str, version: &str) {
    let versions = packages.entry(name.to_owned()).or_default();
    if let Err(at) = versions.binary_search_by(|known| known.as_str().cmp(version)) {
        versions.insert(at, version.to_owned());
    }
}
