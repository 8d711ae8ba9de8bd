//! What the custom modules of this minion offer. It is kept in a file beside them, so that a start needs to run none of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::signature::Signature;

/// The file that keeps it.
const INDEX: &str = "index.json";

/// A function of a custom module.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its full name, `module.function`.
    pub(crate) name: String,
    /// The module's file in the roots, as `_modules/disks.py`.
    pub(crate) source: String,
    /// The module's file in the cache.
    pub(super) path: PathBuf,
    /// Whether the bridge runs it; it is a program of its own otherwise.
    pub(super) is_python: bool,
    /// Its parameters.
    pub(crate) signature: Signature,
    doc: String,
}

impl Entry {
    /// Its documentation, for `sys.doc`. `is_over` says that this program has a function of that name, too.
    pub(crate) fn text(&self, is_over: bool) -> String {
        let over = if is_over {
            ", and stands in for the function of this name that is built in"
        } else {
            ""
        };
        let doc = self.doc.trim_end();
        let gap = if doc.is_empty() { "" } else { "\n\n" };
        format!("{doc}{gap}Comes from {}{over}.\n", self.source)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    functions: BTreeMap<String, Entry>,
    states: BTreeMap<String, Entry>,
    grains: BTreeMap<String, Entry>,
    /// Why modules are not available, by kind and name.
    broken: BTreeMap<(String, String), String>,
    /// What the bridge hears of the files: kinds, names and places, and which function is in which.
    files: Value,
    index: Value,
}

impl Catalog {
    /// Reads what was kept in a minion's cache.
    pub(crate) fn of_minion(cache_dir: &Path) -> Catalog {
        Catalog::read(&super::sync::folder(cache_dir))
    }

    /// Reads what was kept in the folder of custom modules; empty when nothing was.
    fn read(folder: &Path) -> Catalog {
        let text = match std::fs::read(folder.join(INDEX)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Catalog::default();
            }
            Err(error) => {
                tracing::warn!("custom modules cannot be read: {error}");
                return Catalog::default();
            }
        };
        let records = serde_json::from_slice::<Vec<Value>>(&text).unwrap_or_else(|error| {
            tracing::warn!("the index of custom modules is broken, sync them again: {error}");
            Vec::new()
        });
        Catalog::of(folder, &records)
    }

    /// Whether descriptions are kept in the folder.
    pub(super) fn is_kept(folder: &Path) -> bool {
        folder.join(INDEX).is_file()
    }

    /// Removes them: the modules have changed.
    pub(super) fn forget(folder: &Path) {
        // Where there are none, nothing is to be removed.
        let _ = std::fs::remove_file(folder.join(INDEX));
    }

    /// Keeps descriptions of modules.
    pub(super) fn write(folder: &Path, records: &[Value]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, records)?;
        file.persist(folder.join(INDEX))?;
        Ok(())
    }

    /// Of descriptions: for each module its `kind`, its `file` in the folder of its kind, its `names`, its `functions` with their documentation
    /// and signatures, and an `error` when it is not available.
    pub(super) fn of(folder: &Path, records: &[Value]) -> Catalog {
        let mut catalog = Catalog::default();
        let mut index: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        let mut files = Vec::new();
        for record in records {
            let word = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
            let (kind, file) = (word("kind").to_owned(), word("file"));
            let is_python = is_python(file);
            let path = folder.join(&kind).join(file);
            let stem = stem(file).to_owned();
            if is_python {
                files.push(json!({"kind": kind, "name": stem, "path": path}));
            }
            let names = record.get("names").and_then(Value::as_array);
            let mut names: Vec<&str> = names
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if names.is_empty() {
                names.push(&stem);
            }
            if let Some(error) = record.get("error").and_then(Value::as_str) {
                for name in names {
                    let key = (kind.clone(), name.to_owned());
                    catalog.broken.insert(key, reason(&kind, file, error));
                }
                continue;
            }
            let functions = record.get("functions").and_then(Value::as_object);
            for (function, description) in functions.into_iter().flatten() {
                for module in &names {
                    let name = format!("{module}.{function}");
                    let doc = description.get("doc").and_then(Value::as_str);
                    let entry = Entry {
                        name: name.clone(),
                        source: format!("_{kind}/{file}"),
                        path: path.clone(),
                        is_python,
                        signature: Signature::of_report(description),
                        doc: doc.unwrap_or_default().to_owned(),
                    };
                    // Of two files with one function the first counts.
                    if is_python {
                        let of_kind = index.entry(kind.clone()).or_default();
                        of_kind.entry(name.clone()).or_insert_with(|| json!(stem));
                    }
                    if let Some(table) = catalog.table(&kind) {
                        table.entry(name).or_insert(entry);
                    }
                }
            }
        }
        catalog.files = Value::Array(files);
        catalog.index = json!(index);
        catalog
    }

    fn table(&mut self, kind: &str) -> Option<&mut BTreeMap<String, Entry>> {
        match kind {
            "modules" => Some(&mut self.functions),
            "states" => Some(&mut self.states),
            "grains" => Some(&mut self.grains),
            _ => None,
        }
    }

    /// The execution functions.
    pub(crate) fn functions(&self) -> &BTreeMap<String, Entry> {
        &self.functions
    }

    /// The state functions.
    pub(crate) fn states(&self) -> &BTreeMap<String, Entry> {
        &self.states
    }

    /// The functions that give grains.
    pub(super) fn grains(&self) -> &BTreeMap<String, Entry> {
        &self.grains
    }

    /// Why a function of a custom module is not available, in Salt's words where the module says it itself.
    pub(crate) fn why_not(&self, kind: &str, fun: &str) -> Option<&str> {
        let module = fun.split('.').next().unwrap_or_default();
        let key = (kind.to_owned(), module.to_owned());
        self.broken.get(&key).map(String::as_str)
    }

    /// What the bridge hears of the files.
    pub(super) fn introduction(&self) -> [(&'static str, Value); 2] {
        let files = if self.files.is_null() {
            json!([])
        } else {
            self.files.clone()
        };
        [("files", files), ("index", self.index.clone())]
    }
}

fn reason(kind: &str, file: &str, error: &str) -> String {
    if error.contains("__virtual__ returned False") {
        error.to_owned()
    } else {
        format!("_{kind}/{file} cannot be loaded: {error}")
    }
}

/// Whether a file of custom modules is for the bridge.
pub(super) fn is_python(file: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|extension| extension == "py")
}

/// The name of the module in a file: `disks` of `disks.py`, `disks.sh` and `disks/__init__.py`.
pub(super) fn stem(file: &str) -> &str {
    let file = file.strip_suffix("/__init__.py").unwrap_or(file);
    file.split('.').next().unwrap_or(file)
}
