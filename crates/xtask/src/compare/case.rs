//! A tree of states to compare: its folders, and what `case.yaml` says of the minion.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

/// The file that may lie beside the roots.
const CASE: &str = "case.yaml";

/// What stands in configurations for the tree's own folder.
pub const TREE: &str = "{tree}";

/// A tree and the minion that looks at it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The tree's folder.
    pub folder: PathBuf,
    /// Name of the folder, for reports.
    pub name: String,
    /// The minion's id.
    pub id: String,
    /// Grains over those of the host.
    pub grains: Map<String, Value>,
    /// The SLS that are applied; none for the highstate of a tree with a top file, or else each SLS alone.
    pub sls: Vec<String>,
    /// Whether the states change nothing on any host, so that they may be applied for real too.
    pub is_harmless: bool,
    /// Values over the pillar of the files, for all calls.
    pub pillar: Map<String, Value>,
    /// More of the minion's configuration, by Salt's names.
    pub options: Map<String, Value>,
    /// Folders of files by environment; each begins with [`TREE`].
    pub file_roots: Map<String, Value>,
    /// Folders of pillar by environment, likewise.
    pub pillar_roots: Map<String, Value>,
}

impl Case {
    /// Reads a tree: a folder with `salt` and maybe `pillar`, or one that is `file_roots` itself.
    pub fn read(folder: &Path) -> anyhow::Result<Case> {
        let folder = folder
            .canonicalize()
            .with_context(|| format!("{}: is it a folder?", folder.display()))?;
        let path = folder.join(CASE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "{}".to_owned(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let said = yaml::parse(&text)
            .map_err(anyhow::Error::from)
            .and_then(|said| Case::of(&folder, said));
        said.with_context(|| path.display().to_string())
    }

    fn of(folder: &Path, said: Value) -> anyhow::Result<Case> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut case = Case {
            folder: folder.to_owned(),
            name: name.into_owned(),
            id: "minion".to_owned(),
            grains: Map::new(),
            sls: Vec::new(),
            is_harmless: false,
            pillar: Map::new(),
            options: Map::new(),
            file_roots: Map::new(),
            pillar_roots: Map::new(),
        };
        let Value::Object(said) = said else {
            bail!("it is no map");
        };
        for (key, value) in said {
            match (key.as_str(), value) {
                ("id", Value::String(id)) => case.id = id,
                ("sls", Value::Array(names)) => {
                    let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
                    case.sls = names.collect();
                }
                ("harmless", Value::Bool(is_harmless)) => case.is_harmless = is_harmless,
                ("grains", Value::Object(grains)) => case.grains = grains,
                ("pillar", Value::Object(pillar)) => case.pillar = pillar,
                ("options", Value::Object(options)) => case.options = options,
                ("file_roots", Value::Object(roots)) => case.file_roots = placed(&roots)?,
                ("pillar_roots", Value::Object(roots)) => case.pillar_roots = placed(&roots)?,
                (key, value) => bail!(
                    "{key}: {value} is not understood; the keys are id, grains, sls, harmless, pillar, options, file_roots, pillar_roots"
                ),
            }
        }
        if case.file_roots.is_empty() {
            let salt = if folder.join("salt").is_dir() {
                "salt"
            } else {
                "."
            };
            case.file_roots = placed(&Map::from_iter([("base".to_owned(), json!([salt]))]))?;
        }
        if case.pillar_roots.is_empty() && folder.join("pillar").is_dir() {
            case.pillar_roots = placed(&Map::from_iter([("base".to_owned(), json!(["pillar"]))]))?;
        }
        Ok(case)
    }

    /// The folders of an environment's files.
    fn folders(&self, saltenv: &str) -> impl Iterator<Item = PathBuf> + '_ {
        let folders = self.file_roots.get(saltenv).and_then(Value::as_array);
        let folders = folders.into_iter().flatten().filter_map(Value::as_str);
        folders.map(|folder| PathBuf::from(self.in_place(folder)))
    }

    /// A text with [`TREE`] replaced by the tree's folder.
    pub fn in_place(&self, text: &str) -> String {
        text.replace(TREE, &self.folder.display().to_string())
    }

    /// Whether there is a top file.
    pub fn has_top(&self) -> bool {
        let top = self.options.get("state_top").and_then(Value::as_str);
        let top = top.unwrap_or("top.sls");
        self.file_roots
            .keys()
            .any(|env| self.folders(env).any(|folder| folder.join(top).is_file()))
    }

    /// Whether the tree brings modules of its own, which Salt has to load first.
    pub fn has_modules(&self) -> bool {
        let kinds = ["_modules", "_states", "_utils", "_renderers", "_grains"];
        self.file_roots.keys().any(|env| {
            self.folders(env)
                .any(|folder| kinds.iter().any(|kind| folder.join(kind).is_dir()))
        })
    }

    /// All SLS with their environments, in order.
    pub fn all_sls(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for saltenv in self.file_roots.keys() {
            let mut names = Vec::new();
            for folder in self.folders(saltenv) {
                gather(&folder, "", &mut names);
            }
            names.sort();
            names.dedup();
            found.extend(names.into_iter().map(|name| (saltenv.clone(), name)));
        }
        found
    }
}

/// Folders relative to the tree, with [`TREE`] before them.
fn placed(roots: &Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
    let mut placed = Map::new();
    for (env, folders) in roots {
        let Some(folders) = folders.as_array() else {
            bail!("roots of {env}: a list of folders, please");
        };
        let folders = folders
            .iter()
            .map(|folder| match folder.as_str() {
                Some(".") => Ok(json!(TREE)),
                Some(absolute) if absolute.starts_with('/') => Ok(json!(absolute)),
                Some(folder) => Ok(json!(format!("{TREE}/{folder}"))),
                None => bail!("roots of {env}: {folder} is no folder"),
            })
            .collect::<anyhow::Result<Vec<Value>>>()?;
        placed.insert(env.clone(), Value::Array(folders));
    }
    Ok(placed)
}

/// The SLS below a folder, by Salt's rule: no dot in the names of files and folders, no top file.
fn gather(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = entry.path();
        if path.is_dir() {
            if !name.contains('.') {
                gather(&path, &format!("{prefix}{name}."), names);
            }
            continue;
        }
        match name.strip_suffix(".sls") {
            Some("top") | None => {}
            Some("init") if prefix.is_empty() => {}
            Some("init") => names.push(prefix.trim_end_matches('.').to_owned()),
            Some(stem) if stem.contains('.') => {}
            Some(stem) => names.push(format!("{prefix}{stem}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_formula_is_its_own_root() {
        let dir = folder(&[
            ("nginx/init.sls", ""),
            ("nginx/config.sls", ""),
            ("nginx/map.jinja", ""),
            ("docs/x.y.sls", ""),
            ("init.sls", ""),
        ]);
        let case = Case::read(dir.path()).unwrap();
        let names: Vec<_> = case.all_sls().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["nginx", "nginx.config"]);
        assert_eq!(json!(case.file_roots), json!({"base": ["{tree}"]}));
        assert!(!case.has_top() && !case.has_modules() && case.pillar_roots.is_empty());
    }

    #[test]
    fn a_site_has_salt_and_pillar_and_says_who_it_is() {
        let dir = folder(&[
            ("salt/top.sls", ""),
            ("salt/_modules/m.py", ""),
            ("pillar/top.sls", ""),
            ("case.yaml", "id: web1\nsls: [a]\noptions: {test: true}\n"),
        ]);
        let case = Case::read(dir.path()).unwrap();
        assert!(case.has_top() && case.has_modules());
        assert_eq!(
            (case.id.as_str(), &case.sls[..]),
            ("web1", &["a".to_owned()][..])
        );
        assert_eq!(json!(case.pillar_roots), json!({"base": ["{tree}/pillar"]}));
        assert_eq!(
            case.in_place("{tree}/x"),
            format!("{}/x", case.folder.display())
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let dir = folder(&[("case.yaml", "sls: a\n")]);
        let error = format!("{:#}", Case::read(dir.path()).unwrap_err());
        assert!(
            error.contains("case.yaml: sls: \"a\" is not understood"),
            "{error}"
        );
    }
}
