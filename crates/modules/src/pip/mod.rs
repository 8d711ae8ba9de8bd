//! Python packages, by the pip of the host or of a virtual environment.

pub(crate) mod version;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::failure::Failure;
use crate::process::{is_executable, which};
use crate::python;
use crate::registry::Env;
use crate::signature::Args;

/// pip as somebody, somewhere.
pub(crate) struct Pip<'a> {
    env: &'a Env<'a>,
    command: Vec<String>,
    /// The virtual environment that it belongs to.
    home: Option<String>,
    user: Option<String>,
    cwd: Option<String>,
    variables: Map<String, Value>,
}

/// The options that say which index is asked.
pub(crate) fn index_options(args: &Args) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    for (name, option) in [
        ("index_url", "--index-url"),
        ("extra_index_url", "--extra-index-url"),
    ] {
        if let Some(url) = args.optional_text(name)? {
            words.extend([option.to_owned(), url]);
        }
    }
    Ok(words)
}

/// What a run of pip gave, as `cmd.run_all` tells it.
pub(crate) struct Ran(pub(crate) Value);

impl Ran {
    pub(crate) fn is_success(&self) -> bool {
        self.0["retcode"] == json!(0)
    }

    pub(crate) fn text(&self, part: &str) -> String {
        self.0[part].as_str().unwrap_or_default().to_owned()
    }
}

impl<'a> Pip<'a> {
    /// `place`: a virtual environment, a pip or a Python; that of the host where there is none.
    pub(crate) fn new(
        env: &'a Env<'a>,
        place: Option<String>,
        user: Option<String>,
        cwd: Option<String>,
        variables: &Value,
    ) -> Result<Pip<'a>, Failure> {
        let place = place.filter(|place| !place.is_empty());
        Ok(Pip {
            env,
            command: command(place.as_deref())?,
            home: place.filter(|place| Path::new(place).is_dir()),
            user,
            cwd,
            variables: variables.as_object().cloned().unwrap_or_default(),
        })
    }

    /// Runs pip with these words.
    pub(crate) fn run(&self, words: &[String], more: &Map<String, Value>) -> Result<Ran, Failure> {
        let argv = [self.command.as_slice(), words].concat();
        let mut call = Call::new("cmd.run_all").arg(json!(argv));
        call.kwargs = more.clone();
        let mut variables = self.variables.clone();
        if let Some(home) = &self.home {
            variables.insert("VIRTUAL_ENV".to_owned(), json!(home));
        }
        call = call.kwarg("python_shell", false).kwarg("env", variables);
        if let Some(user) = &self.user {
            call = call.kwarg("runas", user.as_str());
        }
        if let Some(cwd) = &self.cwd {
            call = call.kwarg("cwd", cwd.as_str());
        }
        self.env.call(&call).map(|outcome| Ran(outcome.value))
    }

    fn ask(&self, words: &[&str]) -> Result<String, Failure> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let ran = self.run(&words, &Map::new())?;
        if ran.is_success() {
            Ok(ran.text("stdout"))
        } else {
            Err(Failure::command(ran.text("stderr")))
        }
    }

    /// The version of pip.
    pub(crate) fn version(&self) -> Result<String, Failure> {
        let told = self
            .ask(&["--version"])
            .map_err(|_| Failure::command("Could not find a `pip` binary"))?;
        Ok(told
            .split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned())
    }

    /// Installed packages whose names begin so, with versions.
    pub(crate) fn list(&self, prefix: &str) -> Result<BTreeMap<String, String>, Failure> {
        let told = self.ask(&["list", "--format=json", "--disable-pip-version-check"])?;
        let all: Value =
            serde_json::from_str(&told).map_err(|_| Failure::command("Invalid JSON"))?;
        let prefix = version::normalized(prefix);
        let pairs = all.as_array().into_iter().flatten().map(|package| {
            (
                version::normalized(&python::text(&package["name"])),
                python::text(&package["version"]),
            )
        });
        Ok(pairs
            .filter(|(name, _)| name.starts_with(&prefix))
            .collect())
    }

    /// `name==version` of each package.
    pub(crate) fn freeze(&self) -> Result<Vec<String>, Failure> {
        Ok(self
            .ask(&["freeze", "--all", "--disable-pip-version-check"])?
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Packages with newer versions.
    pub(crate) fn upgrades(&self) -> Result<BTreeMap<String, String>, Failure> {
        let told = self.ask(&[
            "list",
            "--outdated",
            "--format=json",
            "--disable-pip-version-check",
        ])?;
        let all: Value =
            serde_json::from_str(&told).map_err(|_| Failure::command("Invalid JSON"))?;
        let pairs = all.as_array().into_iter().flatten();
        Ok(pairs
            .map(|package| {
                (
                    python::text(&package["name"]),
                    python::text(&package["latest_version"]),
                )
            })
            .collect())
    }

    /// The versions of a package in the index, oldest first. `words`: options of the index.
    pub(crate) fn offered(&self, name: &str, words: &[String]) -> Result<Vec<String>, Failure> {
        let mut all = vec![
            "index".to_owned(),
            "versions".to_owned(),
            name.to_owned(),
            "--disable-pip-version-check".to_owned(),
        ];
        all.extend(words.iter().cloned());
        let ran = self.run(&all, &Map::new())?;
        let told = ran.text("stdout");
        let list = told
            .lines()
            .find_map(|line| line.strip_prefix("Available versions:"))
            .unwrap_or_default();
        let mut versions: Vec<String> = list
            .split(',')
            .map(|version| version.trim().to_owned())
            .filter(|version| !version.is_empty())
            .collect();
        versions.reverse();
        Ok(versions)
    }
}

/// The words that start pip.
fn command(place: Option<&str>) -> Result<Vec<String>, Failure> {
    let module = |python: &Path| {
        vec![
            python.to_string_lossy().into_owned(),
            "-m".to_owned(),
            "pip".to_owned(),
        ]
    };
    let Some(place) = place else {
        return match which("python3").or_else(|| which("python")) {
            Some(python) => Ok(module(&python)),
            None => Err(Failure::command("Could not find a `pip` binary")),
        };
    };
    let path = Path::new(place);
    if path.is_dir() {
        let python = pythons(path)
            .into_iter()
            .find(|python| is_executable(python));
        return python.map(|python| module(&python)).ok_or_else(|| {
            Failure::command(format!("Could not find a pip binary in virtualenv {place}"))
        });
    }
    if !is_executable(path) {
        return Err(Failure::command(format!(
            "Access denied to {place}, could not find a pip binary"
        )));
    }
    let is_python = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().contains("python"));
    Ok(if is_python {
        module(path)
    } else {
        vec![place.to_owned()]
    })
}

/// Where the Python of a virtual environment may be.
fn pythons(home: &Path) -> Vec<PathBuf> {
    let mut found = vec![
        home.join("python"),
        home.join("bin/python"),
        home.join("bin/python3"),
    ];
    let entries = fs::read_dir(home.join("bin"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let is_version = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.strip_prefix("python")
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
    };
    let mut versions: Vec<PathBuf> = entries.filter(is_version).collect();
    versions.sort();
    found.extend(versions);
    found
}
