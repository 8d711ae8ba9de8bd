use super::*;
use crate::testing::{Host, checked, write_script};

/// A pip that keeps its packages in a file.
const PIP: &str = r#"cd "$(dirname "$0")"
case "$1" in
  --version) echo "pip 23.0 from /x (python 3.11)";;
  list) printf '['; first=1; while IFS='=' read -r name version; do [ $first = 1 ] || printf ','; first=0
        printf '{"name":"%s","version":"%s"}' "$name" "$version"; done < packages; echo ']';;
  freeze) sed 's/=/==/' packages;;
  index) echo "django (4.2)"; echo "Available versions: 4.2, 4.1, 3.2";;
  install) for word; do case "$word" in fail*) echo "no such package" >&2; exit 1;; esac; last="$word"; done
        echo "$*" >> log; echo "${last%%[=<>]*}=9.0" >> packages; echo "Successfully installed";;
  uninstall) for word; do last="$word"; done; grep -v "^$last=" packages > new; mv new packages;;
esac
"#;

fn host() -> (Host, String) {
    let host = Host::new();
    let path = host.path("pip");
    write_script(path.as_ref(), PIP);
    host.write("packages", "Django=3.2\nPyYAML=6.0\n");
    (host, path)
}

#[test]
fn packages_are_installed_and_removed() {
    let (host, pip) = host();
    let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
        let mut args = args;
        args["bin_env"] = json!(pip);
        Value::Object(checked(host.state(fun, args, is_test), result, comment).changes)
    };
    let there = "Python package django>=3 was already installed\nAll specified packages are already installed";
    check(
        "pip.installed",
        json!({"name": "django>=3"}),
        false,
        Some(true),
        there,
    );
    check(
        "pip.installed",
        json!({"name": "flask"}),
        true,
        None,
        "Python package flask is set to be installed",
    );
    let done = "All packages were successfully installed";
    let changes = check(
        "pip.installed",
        json!({"name": "flask==9.0"}),
        false,
        Some(true),
        done,
    );
    assert_eq!(changes, json!({"flask==9.0": "Installed"}));
    let mixed = json!({"name": "x", "pkgs": ["pyyaml", "new<10,>=1"]});
    let told = format!("Python package pyyaml was already installed\n{done}");
    check("pip.installed", mixed, false, Some(true), &told);
    let log = std::fs::read_to_string(host.path("log")).unwrap();
    assert!(
        log.ends_with("install --disable-pip-version-check new<10,>=1\n"),
        "{log}"
    );
    let failed = "Failed to install packages: fail. Error:  no such package";
    check(
        "pip.installed",
        json!({"name": "fail"}),
        false,
        Some(false),
        failed,
    );
    let bad =
        "Invalid version specification in package a=1. '=' is not supported, use '==' instead.";
    check(
        "pip.installed",
        json!({"name": "a=1"}),
        false,
        Some(false),
        bad,
    );
    let newest = json!({"name": "django<4", "upgrade": true});
    let told = "Python package django<4 was already installed\nAll specified packages are already installed and up-to-date";
    check("pip.installed", newest, false, Some(true), told);
    let file = json!({"name": "x", "requirements": "/r.txt"});
    check(
        "pip.installed",
        file.clone(),
        true,
        None,
        "Requirements file '/r.txt' will be processed.",
    );
    let told = "Successfully processed requirements file /r.txt.";
    assert_eq!(
        check("pip.installed", file, false, Some(true), told),
        json!({"requirements": true})
    );
    check(
        "pip.removed",
        json!({"name": "PyYAML"}),
        true,
        None,
        "Package PyYAML is set to be removed",
    );
    check(
        "pip.removed",
        json!({"name": "PyYAML"}),
        false,
        Some(true),
        "Package was successfully removed.",
    );
    check(
        "pip.removed",
        json!({"name": "PyYAML"}),
        false,
        Some(true),
        "Package is not installed.",
    );
}

#[test]
fn a_pip_that_is_not_there_is_told() {
    let (host, _) = host();
    let args = json!({"name": "x", "bin_env": "/no/such/env"});
    let answer = host.state("pip.installed", args, false);
    assert_eq!(
        answer.comment,
        "Error installing 'x': Access denied to /no/such/env, could not find a pip binary"
    );
}
