//! `pkg`: packages, by the package manager of the host.

mod change;
mod lists;
pub(in crate::functions) mod repos;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::packages::{self, Options, Wanted, version};
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "pkg.autoremove",
        "list_only=False, purge=False",
        "Remove the packages that were installed for others and that nobody needs any more. list_only: tell them only. purge: their \
         configuration too.",
        "pkg.autoremove list_only=True",
        |args, env| {
            packages::manager(env)?
                .autoremove(python::is_true(args.value("list_only")), args.flag("purge"))
        },
    ),
    Function::new(
        "pkg.available_version",
        "*names, **kwargs",
        "The same as pkg.latest_version.",
        "pkg.available_version bash",
        lists::latest_version,
    ),
    Function::new(
        "pkg.file_dict",
        "*packages, **kwargs",
        "The files of packages, by package.",
        "pkg.file_dict bash",
        lists::file_dict,
    ),
    Function::new(
        "pkg.file_list",
        "*packages, **kwargs",
        "The files of packages in one list.",
        "pkg.file_list bash",
        lists::file_list,
    ),
    Function::new(
        "pkg.hold",
        "name=None, pkgs=None, sources=None, **kwargs",
        "Keep packages at their version.",
        "pkg.hold nginx",
        |args, env| change::hold(args, env, true),
    ),
    Function::new(
        "pkg.info_installed",
        "*names, **kwargs",
        "What is known of installed packages. failhard=False: leave out what is not installed.",
        "pkg.info_installed bash",
        lists::info_installed,
    ),
    Function::new(
        "pkg.install",
        "name=None, refresh=False, fromrepo=None, skip_verify=False, debconf=None, pkgs=None, sources=None, reinstall=False, \
         downloadonly=False, ignore_epoch=False, normalize=True, **kwargs",
        "Install packages: name, with version; or pkgs, a list of names and of {name: version}; or sources, a list of {name: file}. Answers \
         what changed. refresh: fetch the lists first. fromrepo: the release or repository to take from. skip_verify: no check of \
         signatures. reinstall, downloadonly. For apt: debconf (a file of answers), install_recommends, only_upgrade, force_yes, \
         force_conf_new, cache_valid_time (seconds in which the lists are not fetched again). For dnf and yum: enablerepo, \
         disablerepo, disableexcludes, setopt.",
        "pkg.install pkgs='[\"nginx\", {\"bash\": \"5.2*\"}]' refresh=True",
        change::install,
    ),
    Function::new(
        "pkg.latest_version",
        "*names, **kwargs",
        "The version of a package that would be installed now; empty when what is installed is no older. A dictionary for several names. \
         refresh=False: do not fetch the lists first. show_installed, fromrepo, cache_valid_time.",
        "pkg.latest_version bash curl",
        lists::latest_version,
    ),
    Function::new(
        "pkg.list_downloaded",
        "root=None, **kwargs",
        "The package files that were fetched and are kept.",
        "pkg.list_downloaded",
        |args, env| {
            if args.flag("root") {
                return Err(Failure::invocation(
                    "root: only the packages of this host are listed",
                ));
            }
            packages::manager(env)?.downloaded().map(Value::Object)
        },
    ),
    Function::new(
        "pkg.list_holds",
        "full=True, **kwargs",
        "The packages that are kept at their version.",
        "pkg.list_holds",
        |_, env| Ok(packages::manager(env)?.locks()?.into_keys().collect()),
    ),
    Function::new(
        "pkg.list_pkgs",
        "versions_as_list=False, removed=False, purge_desired=False, **kwargs",
        "The installed packages with their versions; several versions of one package are joined by commas, or listed with \
         versions_as_list. removed: those of which only the configuration is left. purge_desired: those that are to be purged.",
        "pkg.list_pkgs",
        lists::list_pkgs,
    ),
    Function::new(
        "pkg.list_repo_pkgs",
        "*args, **kwargs",
        "The versions that the repositories offer, by package.",
        "pkg.list_repo_pkgs bash",
        |args, env| {
            let names: Vec<String> = args.extra_args.iter().map(python::text).collect();
            Ok(json!(
                packages::manager(env)?.offered(&names, &Options::new(&args.extra_kwargs))?
            ))
        },
    ),
    Function::new(
        "pkg.list_upgrades",
        "refresh=True, dist_upgrade=True, **kwargs",
        "The packages that an upgrade would change, with their new versions.",
        "pkg.list_upgrades",
        |args, env| {
            let options =
                Options::new(&args.extra_kwargs).with("dist_upgrade", args.flag("dist_upgrade"));
            let manager = packages::manager(env)?;
            manager.refresh_if(python::is_true(args.value("refresh")), &options)?;
            Ok(json!(manager.upgrades(&options)?))
        },
    ),
    Function::new(
        "pkg.normalize_name",
        "name",
        "The name of a package without the architecture of this host.",
        "pkg.normalize_name zsh:amd64",
        |args, env| {
            Ok(json!(
                packages::manager(env)?.normalized(&args.text("name")?)
            ))
        },
    ),
    Function::new(
        "pkg.owner",
        "*paths, **kwargs",
        "The package that a file belongs to; a dictionary for several files.",
        "pkg.owner /bin/bash",
        lists::owner,
    ),
    Function::new(
        "pkg.purge",
        "name=None, pkgs=None, **kwargs",
        "Remove packages and their configuration.",
        "pkg.purge nginx",
        |args, env| change::remove(args, env, packages::Removal::Purge),
    ),
    Function::new(
        "pkg.refresh_db",
        "cache_valid_time=0, failhard=False, **kwargs",
        "Fetch the lists of the repositories. failhard: fail when one of them cannot be fetched.",
        "pkg.refresh_db",
        |args, env| {
            let options = Options::new(&args.extra_kwargs)
                .with("cache_valid_time", args.value("cache_valid_time").clone())
                .with("failhard", python::is_true(args.value("failhard")));
            packages::manager(env)?.refresh(&options)
        },
    ),
    Function::new(
        "pkg.remove",
        "name=None, pkgs=None, **kwargs",
        "Remove packages.",
        "pkg.remove nginx",
        |args, env| change::remove(args, env, packages::Removal::Remove),
    ),
    Function::new(
        "pkg.unhold",
        "name=None, pkgs=None, sources=None, **kwargs",
        "Let packages be upgraded again.",
        "pkg.unhold nginx",
        |args, env| change::hold(args, env, false),
    ),
    Function::new(
        "pkg.upgrade",
        "refresh=True, dist_upgrade=False, **kwargs",
        "Upgrade all packages. For apt: dist_upgrade (install and remove others where needed), force_yes, force_conf_new, skip_verify, \
         download_only, allow_downgrades. For dnf, yum, zypper and apk also pkgs.",
        "pkg.upgrade dist_upgrade=True",
        |args, env| {
            let options =
                Options::new(&args.extra_kwargs).with("dist_upgrade", args.flag("dist_upgrade"));
            let manager = packages::manager(env)?;
            manager.refresh_if(python::is_true(args.value("refresh")), &options)?;
            Ok(Value::Object(manager.upgrade(&options)?))
        },
    ),
    Function::new(
        "pkg.upgrade_available",
        "name, **kwargs",
        "Whether a newer version of a package is there.",
        "pkg.upgrade_available bash",
        |args, env| {
            let name = args.text("name")?;
            let latest = packages::manager(env)?.latest(
                std::slice::from_ref(&name),
                true,
                &Options::default(),
            )?;
            Ok(json!(
                latest.get(&name).is_some_and(|version| !version.is_empty())
            ))
        },
    ),
    Function::new(
        "pkg.version",
        "*names, **kwargs",
        "The installed version of a package, empty when it is not installed; a dictionary for several packages or a shell pattern. \
         versions_as_list.",
        "pkg.version openssl curl",
        lists::version,
    ),
    Function::new(
        "pkg.version_cmp",
        "pkg1, pkg2, ignore_epoch=False, **kwargs",
        "Compare two versions: -1 when the first is older, 0 when they are equal, 1 when it is newer.",
        "pkg.version_cmp 0.2.4-0ubuntu1 0.2.4.1-0ubuntu1",
        |args, env| {
            let manager = packages::manager(env)?;
            let (one, other) = (args.text("pkg1")?, args.text("pkg2")?);
            let is = |operator: &str| {
                version::holds(
                    &one,
                    operator,
                    &other,
                    args.flag("ignore_epoch"),
                    &|a, b| manager.compare(a, b),
                )
            };
            Ok(json!(if is("<") { -1 } else { i32::from(is(">")) }))
        },
    ),
];

/// The packages that a call names by `name`, with `version`, or by `pkgs`.
fn wanted(
    args: &Args,
    manager: &dyn packages::PackageManager,
    is_normalized: bool,
) -> Result<Wanted, Failure> {
    let normalized = |name: &str| {
        if is_normalized {
            manager.normalized(name)
        } else {
            name.to_owned()
        }
    };
    let pkgs = args.value("pkgs");
    if python::truthy(pkgs) {
        return Wanted::parse(pkgs, normalized);
    }
    let version = args
        .extra_kwargs
        .get("version")
        .filter(|version| python::truthy(version))
        .map(python::text);
    let names = args.optional_text("name")?.unwrap_or_default();
    let mut wanted = Wanted::default();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        wanted.set(&normalized(name), version.clone());
    }
    Ok(wanted)
}

/// The value of the only name, or all by name.
fn one_or_all(names: &[String], mut all: Map<String, Value>) -> Value {
    match names {
        [] => json!(""),
        [one] if all.len() == 1 => all.remove(one).unwrap_or_else(|| json!("")),
        _ => Value::Object(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::process;
    use crate::testing::Host;

    #[test]
    fn this_host_tells_its_packages() {
        if process::which("dpkg-query").is_none() {
            return;
        }
        let host = Host::new();
        let call = |call: Call| host.call(call).value;
        let all = call(Call::new("pkg.list_pkgs"));
        let (name, version) = all.as_object().unwrap().iter().next().unwrap();
        assert_eq!(call(Call::new("pkg.version").arg(name.as_str())), *version);
        assert_eq!(
            call(Call::new("pkg.version").arg("no-such-package")),
            json!("")
        );
        let several = call(
            Call::new("pkg.version")
                .arg(name.as_str())
                .arg("no-such-package"),
        );
        assert_eq!(several[name], *version);
        let dpkg = call(Call::new("pkg.info_installed").arg("dpkg"));
        assert_eq!(dpkg["dpkg"]["name"], json!("dpkg"));
        let description = dpkg["dpkg"]["description"].as_str().unwrap();
        assert!(description.ends_with(".\n"), "{description:?}");
        let two = call(Call::new("pkg.info_installed").arg("dpkg").arg("bash"));
        assert_eq!(two.as_object().map(|two| two.len()), Some(2), "{two}");
        let files = call(Call::new("pkg.file_list").arg("dpkg"));
        let path = json!("/usr/bin/dpkg");
        assert!(
            files["files"].as_array().unwrap().contains(&path),
            "{files}"
        );
        assert_eq!(
            call(Call::new("pkg.owner").arg("/usr/bin/dpkg")),
            json!("dpkg")
        );
        assert_eq!(call(Call::new("pkg.owner").arg("/no/such/file")), json!(""));
    }

    #[test]
    fn versions_are_compared() {
        let host = Host::new();
        let check = |a: &str, b: &str, expected: i32| {
            let call = Call::new("pkg.version_cmp").arg(a).arg(b);
            assert_eq!(host.call(call).value, json!(expected), "{a} {b}");
        };
        check("1.0", "1.0~rc1", 1);
        check("1.0", "1.0", 0);
        check("1.0", "1:0.1", -1);
    }
}
