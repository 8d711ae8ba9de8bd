//! `pip`: Python packages.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::pip::{Pip, index_options, version};
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "pip.freeze",
        "bin_env=None, user=None, cwd=None, use_vt=False, env_vars=None",
        "The installed packages as name==version. bin_env: a virtual environment, a pip or a Python.",
        "pip.freeze bin_env=/home/code/path/to/virtualenv",
        |args, env| Ok(json!(pip(args, env)?.freeze()?)),
    ),
    Function::new(
        "pip.install",
        "pkgs=None, requirements=None, bin_env=None, use_wheel=False, no_use_wheel=False, log=None, proxy=None, timeout=None, \
         editable=None, find_links=None, index_url=None, extra_index_url=None, no_index=False, mirrors=None, build=None, target=None, \
         download=None, download_cache=None, source=None, upgrade=False, force_reinstall=False, ignore_installed=False, \
         exists_action=None, no_deps=False, no_install=False, no_download=False, global_options=None, install_options=None, user=None, \
         cwd=None, pre_releases=False, cert=None, allow_all_external=False, allow_external=None, allow_unverified=None, \
         process_dependency_links=False, saltenv='base', env_vars=None, use_vt=False, trusted_host=None, no_cache_dir=False, \
         extra_args=None, cache_dir=None, no_binary=None, disable_version_check=False, **kwargs",
        "Install packages, or what a file of requirements names (a path or salt://), or an editable checkout. The options are those of pip.",
        "pip.install 'markdown,django' bin_env=/path/to/virtualenv",
        install,
    ),
    Function::new(
        "pip.is_installed",
        "pkgname=None, bin_env=None, user=None, cwd=None",
        "Whether a package is installed.",
        "pip.is_installed django",
        |args, env| {
            let name = version::normalized(&args.text("pkgname")?);
            Ok(json!(pip(args, env)?.list("")?.contains_key(&name)))
        },
    ),
    Function::new(
        "pip.list",
        "prefix=None, bin_env=None, user=None, cwd=None, env_vars=None, **kwargs",
        "The installed packages with their versions; those whose names begin with prefix.",
        "pip.list django",
        |args, env| {
            let prefix = args.optional_text("prefix")?.unwrap_or_default();
            Ok(json!(pip(args, env)?.list(&prefix)?))
        },
    ),
    Function::new(
        "pip.list_all_versions",
        "pkg, bin_env=None, include_alpha=False, include_beta=False, include_rc=False, user=None, cwd=None, index_url=None, \
         extra_index_url=None",
        "The versions of a package in the index, oldest first.",
        "pip.list_all_versions django",
        |args, env| {
            let mut words = index_options(args)?;
            if ["include_alpha", "include_beta", "include_rc"]
                .iter()
                .any(|name| args.flag(name))
            {
                words.push("--pre".to_owned());
            }
            Ok(json!(pip(args, env)?.offered(&args.text("pkg")?, &words)?))
        },
    ),
    Function::new(
        "pip.list_upgrades",
        "bin_env=None, user=None, cwd=None",
        "The packages with newer versions in the index.",
        "pip.list_upgrades",
        |args, env| Ok(json!(pip(args, env)?.upgrades()?)),
    ),
    Function::new(
        "pip.normalize",
        "name",
        "The name of a package as the index has it.",
        "pip.normalize Py_YAML",
        |args, _| Ok(json!(version::normalized(&args.text("name")?))),
    ),
    Function::new(
        "pip.uninstall",
        "pkgs=None, requirements=None, bin_env=None, log=None, proxy=None, timeout=None, user=None, cwd=None, saltenv='base', \
         use_vt=False",
        "Remove packages, or what a file of requirements names.",
        "pip.uninstall markdown bin_env=/path/to/virtualenv",
        uninstall,
    ),
    Function::new(
        "pip.upgrade",
        "bin_env=None, user=None, cwd=None, use_vt=False",
        "Upgrade all packages that have newer versions, and say what changed.",
        "pip.upgrade",
        upgrade,
    ),
    Function::new(
        "pip.version",
        "bin_env=None, cwd=None, user=None",
        "The version of pip.",
        "pip.version",
        |args, env| Ok(json!(pip(args, env)?.version()?)),
    ),
];

fn pip<'a>(args: &Args, env: &'a Env<'a>) -> Result<Pip<'a>, Failure> {
    let text = |name: &str| {
        args.optional_text(name)
            .map(|text| text.filter(|text| !text.is_empty()))
    };
    Pip::new(
        env,
        text("bin_env")?,
        text("user")?,
        text("cwd")?,
        args.value("env_vars"),
    )
}

/// Options that take a value, and the words of pip for them.
const VALUES: [(&str, &str); 14] = [
    ("log", "--log"),
    ("proxy", "--proxy"),
    ("timeout", "--timeout"),
    ("index_url", "--index-url"),
    ("extra_index_url", "--extra-index-url"),
    ("build", "--build"),
    ("target", "--target"),
    ("download", "--download"),
    ("download_cache", "--cache-dir"),
    ("cache_dir", "--cache-dir"),
    ("source", "--source"),
    ("exists_action", "--exists-action"),
    ("cert", "--cert"),
    ("trusted_host", "--trusted-host"),
];

/// Options that take several values, one word for each.
const LISTS: [(&str, &str); 6] = [
    ("find_links", "--find-links"),
    ("global_options", "--global-option"),
    ("install_options", "--install-option"),
    ("editable", "--editable"),
    ("allow_external", "--allow-external"),
    ("allow_unverified", "--allow-unverified"),
];

/// Options that are set or not.
const FLAGS: [(&str, &str); 13] = [
    ("use_wheel", "--use-wheel"),
    ("no_use_wheel", "--no-use-wheel"),
    ("no_index", "--no-index"),
    ("disable_version_check", "--disable-pip-version-check"),
    ("upgrade", "--upgrade"),
    ("force_reinstall", "--force-reinstall"),
    ("ignore_installed", "--ignore-installed"),
    ("no_deps", "--no-deps"),
    ("no_install", "--no-install"),
    ("no_download", "--no-download"),
    ("no_cache_dir", "--no-cache-dir"),
    ("pre_releases", "--pre"),
    ("process_dependency_links", "--process-dependency-links"),
];

fn install(args: &Args, env: &Env) -> Answer {
    if args.flag("no_index") && (args.flag("index_url") || args.flag("extra_index_url")) {
        return Err(Failure::command(
            "'no_index' and ('index_url' or 'extra_index_url') are mutually exclusive.",
        ));
    }
    if args.flag("mirrors") {
        return Err(Failure::command(
            "pip >= 7.0.0 does not support mirror argument: use index_url and/or extra_index_url instead",
        ));
    }
    if let Some(action) = args
        .optional_text("exists_action")?
        .filter(|action| !["s", "i", "w", "b"].contains(&action.as_str()))
    {
        return Err(Failure::command(format!(
            "The exists_action pip option only supports the values s, i, w, and b. '{action}' is not valid."
        )));
    }
    let pkgs: Vec<String> = args
        .texts("pkgs")
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect();
    let mut words = vec!["install".to_owned()];
    let (requirements, editable) = (requirements(args, env)?, args.texts("editable"));
    if pkgs.is_empty() && requirements.is_empty() && editable.is_empty() {
        return Ok(json!({"retcode": 0, "stdout": "No packages to install."}));
    }
    for entry in editable
        .iter()
        .filter(|entry| !entry.starts_with(['.', '/']) && !entry.starts_with("file://"))
    {
        if !entry.contains("egg=") {
            return Err(Failure::command(
                "You must specify an egg for this editable",
            ));
        }
    }
    for path in &requirements {
        words.extend(["--requirement".to_owned(), path.clone()]);
    }
    if args.flag("no_binary") {
        words.extend(["--no-binary".to_owned(), args.texts("no_binary").join(",")]);
    }
    for (name, option) in VALUES {
        if args.flag(name) {
            words.extend([option.to_owned(), args.text(name)?]);
        }
    }
    if args.flag("allow_all_external") {
        words.push("--allow-all-external".to_owned());
    }
    words.extend(
        FLAGS
            .iter()
            .filter(|(name, _)| args.flag(name))
            .map(|(_, option)| (*option).to_owned()),
    );
    // A comma in a version is written as a semicolon where commas are between packages.
    words.extend(pkgs.iter().map(|name| name.replace(';', ",")));
    for (name, option) in LISTS {
        for value in args
            .texts(name)
            .into_iter()
            .filter(|value| !value.is_empty())
        {
            words.extend([option.to_owned(), value]);
        }
    }
    for extra in args.value("extra_args").as_array().into_iter().flatten() {
        match extra.as_object().and_then(|map| map.iter().next()) {
            Some((option, value)) => words.extend([option.clone(), python::text(value)]),
            None => words.push(python::text(extra)),
        }
    }
    Ok(pip(args, env)?.run(&words, &commands(args))?.0)
}

/// Keyword arguments that are options of commands.
pub(super) fn commands(args: &Args) -> Map<String, Value> {
    let is_option = |name: &str| {
        matches!(
            name,
            "group"
                | "umask"
                | "timeout"
                | "output_loglevel"
                | "hide_output"
                | "clean_env"
                | "prepend_path"
        )
    };
    args.extra_kwargs
        .iter()
        .filter(|(name, _)| is_option(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The local paths of files of requirements.
fn requirements(args: &Args, env: &Env) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::new();
    for source in args
        .texts("requirements")
        .into_iter()
        .filter(|source| !source.is_empty())
    {
        if !source.starts_with("salt://") {
            paths.push(source);
            continue;
        }
        let call = Call::new("cp.cache_file")
            .arg(source.as_str())
            .arg(args.text("saltenv")?);
        match env.call(&call)?.value.as_str() {
            Some(path) => paths.push(path.to_owned()),
            None => {
                return Err(Failure::command(format!(
                    "pip requirements file '{source}' not found"
                )));
            }
        }
    }
    Ok(paths)
}

fn uninstall(args: &Args, env: &Env) -> Answer {
    let mut words = vec!["uninstall".to_owned(), "-y".to_owned()];
    for path in requirements(args, env)? {
        words.extend(["--requirement".to_owned(), path]);
    }
    for (name, option) in &VALUES[..3] {
        if args.flag(name) {
            words.extend([(*option).to_owned(), args.text(name)?]);
        }
    }
    words.extend(args.texts("pkgs"));
    Ok(pip(args, env)?.run(&words, &Map::new())?.0)
}

fn upgrade(args: &Args, env: &Env) -> Answer {
    let pip = pip(args, env)?;
    let names: Vec<String> = pip.upgrades()?.into_keys().collect();
    if names.is_empty() {
        return Ok(json!({}));
    }
    let old = pip.list("")?;
    let words = [
        vec![
            "install".to_owned(),
            "-U".to_owned(),
            "--disable-pip-version-check".to_owned(),
        ],
        names,
    ]
    .concat();
    let ran = pip.run(&words, &Map::new())?;
    if !ran.is_success() {
        return Ok(json!({"changes": {}, "result": false, "comment": ran.text("stderr")}));
    }
    let new = pip.list("")?;
    let changed = new
        .iter()
        .filter(|(name, version)| old.get(*name) != Some(version));
    Ok(changed
        .map(|(name, version)| {
            (
                name.clone(),
                json!({"old": old.get(name).cloned().unwrap_or_default(), "new": version}),
            )
        })
        .collect())
}
