//! `virtualenv`: virtual environments of Python.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::python;

const MANAGED: &str = "name, venv_bin=None, requirements=None, system_site_packages=False, distribute=False, use_wheel=False, clear=False, \
    python=None, extra_search_dir=None, never_download=None, prompt=None, user=None, cwd=None, index_url=None, extra_index_url=None, \
    pre_releases=False, no_deps=False, pip_download=None, pip_download_cache=None, pip_exists_action=None, pip_ignore_installed=False, \
    proxy=None, use_vt=False, env_vars=None, no_use_wheel=False, pip_upgrade=False, pip_pkgs=None, pip_no_cache_dir=False, \
    pip_cache_dir=None, process_dependency_links=False, no_binary=None, **kwargs";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "virtualenv.manage",
        MANAGED,
        "The same as virtualenv.managed.",
        managed,
    ),
    StateFunction::new(
        "virtualenv.managed",
        MANAGED,
        "Make a virtual environment and install packages into it: pip_pkgs, a list, or a file of requirements. clear: make it anew. \
         venv_bin: virtualenv, or venv or a Python for Python's own module. The options that begin with pip_ are those of pip.install.",
        managed,
    ),
];

/// Options of the state, and what `pip.install` calls them.
const PIP: [(&str, &str); 18] = [
    ("requirements", "requirements"),
    ("pip_pkgs", "pkgs"),
    ("process_dependency_links", "process_dependency_links"),
    ("no_binary", "no_binary"),
    ("user", "user"),
    ("index_url", "index_url"),
    ("extra_index_url", "extra_index_url"),
    ("pip_download", "download"),
    ("pip_download_cache", "download_cache"),
    ("pre_releases", "pre_releases"),
    ("pip_exists_action", "exists_action"),
    ("pip_ignore_installed", "ignore_installed"),
    ("pip_upgrade", "upgrade"),
    ("no_deps", "no_deps"),
    ("proxy", "proxy"),
    ("env_vars", "env_vars"),
    ("pip_no_cache_dir", "no_cache_dir"),
    ("pip_cache_dir", "cache_dir"),
];

fn frozen(name: &str, args: &Args, env: &StateEnv) -> Result<BTreeSet<String>, Failure> {
    let call = Call::new("pip.freeze")
        .kwarg("bin_env", name)
        .kwarg("user", args.value("user").clone());
    Ok(env
        .call(&call)?
        .as_array()
        .into_iter()
        .flatten()
        .map(python::text)
        .collect())
}

/// What the Python of an environment says it is.
fn python_of(venv: &str, env: &StateEnv) -> Result<Value, Failure> {
    let call = Call::new("cmd.run")
        .arg(json!([venv, "-V"]))
        .kwarg("python_shell", false);
    env.call(&call)
}

fn managed(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    for option in ["use_wheel", "no_use_wheel"] {
        if args.flag(option) {
            return Err(Failure::invocation(format!(
                "{option}: pip does not know it since version 10"
            )));
        }
    }
    let venv = Path::new(&name)
        .join("bin/python")
        .to_string_lossy()
        .into_owned();
    let (is_there, clears) = (Path::new(&venv).exists(), args.flag("clear"));
    if env.is_test {
        return Ok(match (is_there, clears) {
            (true, true) => returned(None, format!("Virtualenv {name} is set to be cleared")),
            (true, false) => returned(true, format!("Virtualenv {name} is already created")),
            (false, _) => returned(None, format!("Virtualenv {name} is set to be created")),
        });
    }
    let (mut comment, mut changes) = ("virtualenv exists".to_owned(), Map::new());
    if is_there && clears {
        changes.insert(
            "cleared_packages".to_owned(),
            json!(frozen(&name, args, env)?),
        );
        changes.insert("old".to_owned(), python_of(&venv, env)?);
    }
    if !is_there || clears {
        let mut call = Call::new("virtualenv.create").arg(name.as_str());
        for option in [
            "venv_bin",
            "system_site_packages",
            "distribute",
            "clear",
            "python",
            "extra_search_dir",
            "never_download",
            "prompt",
            "user",
        ] {
            if !args.value(option).is_null() {
                call = call.kwarg(option, args.value(option).clone());
            }
        }
        let made = match env.call(&call) {
            Ok(made) => made,
            Err(failure) => {
                return Ok(returned(
                    false,
                    format!("Failed to create virtualenv: {failure}"),
                ));
            }
        };
        if made["retcode"] != json!(0) {
            let said = format!(
                "{}{}",
                python::text(&made["stdout"]),
                python::text(&made["stderr"])
            );
            return Ok(changed(false, said, changes));
        }
        changes.insert("new".to_owned(), python_of(&venv, env)?);
        comment = if clears {
            "Cleared existing virtualenv"
        } else {
            "Created new virtualenv"
        }
        .to_owned();
    }
    if !args.flag("requirements") && !args.flag("pip_pkgs") {
        return Ok(changed(true, comment, changes));
    }
    let before = match frozen(&name, args, env) {
        Ok(before) => before,
        Err(failure) => return Ok(changed(false, failure.to_string(), changes)),
    };
    let mut call = Call::new("pip.install")
        .kwarg("bin_env", name.as_str())
        .kwarg("saltenv", env.saltenv());
    for (option, word) in PIP {
        if python::truthy(args.value(option)) {
            call = call.kwarg(word, args.value(option).clone());
        }
    }
    // Files that a file of requirements names stand beside it.
    let beside = args
        .texts("requirements")
        .first()
        .filter(|path| path.starts_with('/'))
        .and_then(|path| {
            Path::new(path)
                .parent()
                .map(|above| above.to_string_lossy().into_owned())
        });
    if let Some(cwd) = args.optional_text("cwd")?.or(beside) {
        call = call.kwarg("cwd", cwd);
    }
    let ran = match env.call(&call) {
        Ok(ran) => ran,
        Err(failure) => return Ok(changed(false, failure.to_string(), changes)),
    };
    let is_done = ran["retcode"] == json!(0);
    if !is_done {
        comment += &format!(
            "\n{}\n{}",
            python::text(&ran["stdout"]),
            python::text(&ran["stderr"])
        );
    }
    let after = frozen(&name, args, env)?;
    let difference = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        let names: Vec<&String> = a.difference(b).collect();
        if names.is_empty() {
            json!("")
        } else {
            json!(names)
        }
    };
    if before != after {
        let packages =
            json!({"new": difference(&after, &before), "old": difference(&before, &after)});
        changes.insert("packages".to_owned(), packages);
    }
    Ok(changed(is_done, comment, changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, checked, write_script};

    /// A Python that makes an environment of itself, and is its pip.
    const PYTHON: &str = r#"here=$(dirname "$0")
case "$*" in
  "-V") echo "Python 3.11.2";;
  "-m venv "*) for word; do last="$word"; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python"; echo 'pip==23.0' > "$last/bin/packages";;
  "-m pip --version") echo "pip 23.0 from /x (python 3.11)";;
  "-m pip freeze "*) cat "$here/packages";;
  "-m pip install "*) for word; do last="$word"; done; echo "$last==1.0" >> "$here/packages";;
  *) echo "no $*" >&2; exit 1;;
esac
"#;

    #[test]
    fn environments_are_made_and_filled() {
        let host = Host::new();
        let python = host.path("python3");
        write_script(python.as_ref(), PYTHON);
        let venv = host.path("venv");
        let check = |more: Value, is_test: bool, result: Option<bool>, comment: &str| {
            let mut args = json!({"name": venv, "venv_bin": python});
            args.as_object_mut()
                .unwrap()
                .extend(more.as_object().cloned().unwrap());
            Value::Object(
                checked(
                    host.state("virtualenv.managed", args, is_test),
                    result,
                    comment,
                )
                .changes,
            )
        };
        check(
            json!({}),
            true,
            None,
            &format!("Virtualenv {venv} is set to be created"),
        );
        let changes = check(
            json!({"pip_pkgs": ["flask"]}),
            false,
            Some(true),
            "Created new virtualenv",
        );
        assert_eq!(
            changes,
            json!({"new": "Python 3.11.2", "packages": {"new": ["flask==1.0"], "old": ""}})
        );
        check(
            json!({}),
            true,
            Some(true),
            &format!("Virtualenv {venv} is already created"),
        );
        assert_eq!(
            check(json!({}), false, Some(true), "virtualenv exists"),
            json!({})
        );
        check(
            json!({"clear": true}),
            true,
            None,
            &format!("Virtualenv {venv} is set to be cleared"),
        );
        let changes = check(
            json!({"clear": true}),
            false,
            Some(true),
            "Cleared existing virtualenv",
        );
        assert_eq!(
            changes["cleared_packages"],
            json!(["flask==1.0", "pip==23.0"])
        );
        let both = "Failed to create virtualenv: Pass the target interpreter either as `venv_bin` or as `python`, not both.";
        check(
            json!({"clear": true, "python": "python3"}),
            false,
            Some(false),
            both,
        );
    }
}
