//! The workspace as the checks see it: packages with their dependencies, and the text of every file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

/// Everything that the checks look at.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The workspace's packages.
    pub packages: Vec<Package>,
    /// Text of the files that git tracks or would track, by path from the root. Files that are not UTF-8 are left out.
    pub files: BTreeMap<String, String>,
}

/// One package.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its directory, from the root.
    pub dir: String,
    /// What it depends on, of any kind.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The package that is used.
    pub name: String,
    /// Whether it is a package of this workspace.
    pub is_ours: bool,
    /// Whether only tests, examples and benchmarks use it.
    pub is_dev: bool,
}

/// The root of the workspace around the current directory. Where this program was built does not matter: clones may share a
/// target directory.
pub fn root() -> anyhow::Result<PathBuf> {
    let arguments = ["locate-project", "--workspace", "--message-format=plain"];
    let manifest = output(Command::new(cargo()).args(arguments))?;
    let root = Path::new(manifest.trim()).parent();
    Ok(root.context("cargo named no manifest")?.to_owned())
}

/// The cargo that runs this program, or the first one of the path.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Where cargo builds.
pub fn target(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

impl Workspace {
    /// Asks cargo and git, and reads the files.
    pub fn read() -> anyhow::Result<Workspace> {
        let root = root()?;
        Ok(Workspace {
            packages: packages(&root)?,
            files: files(&root)?,
        })
    }

    /// Packages below `crates/`, which are all but the tests of built programs.
    pub fn crates(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.dir.starts_with("crates/"))
    }

    /// Rust files below a directory, with their text.
    pub fn sources(&self, dir: &str) -> impl Iterator<Item = (&str, &str)> {
        let prefix = format!("{dir}/");
        self.files
            .iter()
            .filter(move |(path, _)| path.starts_with(&prefix) && path.ends_with(".rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Whether a path names a file, or a directory that holds one.
    pub fn has(&self, path: &str) -> bool {
        let dir = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&dir))
    }
}

fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let arguments = ["metadata", "--format-version=1", "--no-deps", "--offline"];
    let text = output(Command::new(cargo()).args(arguments).current_dir(root))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let package = |package: &Value| {
        let manifest = word(&package["manifest_path"]);
        let dir = Path::new(&manifest).parent()?.strip_prefix(root).ok()?;
        let dependencies = list(&package["dependencies"])
            .iter()
            .map(|dependency| Dependency {
                name: word(&dependency["name"]),
                is_ours: dependency["path"].is_string(),
                is_dev: dependency["kind"] == "dev",
            })
            .collect();
        Some(Package {
            name: word(&package["name"]),
            dir: dir.to_str()?.to_owned(),
            dependencies,
        })
    };
    list(&metadata["packages"])
        .iter()
        .map(|found| package(found).context("cargo metadata names a package outside of the root"))
        .collect()
}

fn files(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let arguments = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let paths = output(Command::new("git").args(arguments).current_dir(root))?;
    let mut files = BTreeMap::new();
    for path in paths.split_terminator('\0') {
        // A file that was removed but not yet from the index has no text, and neither has a binary one.
        let Ok(bytes) = std::fs::read(root.join(path)) else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes) {
            files.insert(path.to_owned(), text);
        }
    }
    Ok(files)
}

/// What a program prints.
///
/// # Errors
/// When it can't be started or fails, with what it says.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("can't start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} printed no text"))
}
