//! Pages that are made from code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use modules::Registry;

/// A page: its path from the root, and what makes its text.
pub type Page = (&'static str, fn() -> String);

/// All generated pages.
pub const PAGES: &[Page] = &[
    ("docs/configuration.md", daemon::config::reference_markdown),
    ("docs/functions.md", functions),
];

/// Writes all pages below `root`.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for (path, text) in PAGES {
        std::fs::write(root.join(path), text()).with_context(|| format!("can't write {path}"))?;
        println!("{path}");
    }
    Ok(())
}

/// The functions of a minion, by module.
fn functions() -> String {
    let registry = Registry::new();
    let docs = registry.doc("");
    let mut by_module: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for name in registry.functions() {
        let module = name.split('.').next().unwrap_or(name);
        let doc = docs.get(name).and_then(|text| text.lines().next());
        by_module
            .entry(module)
            .or_default()
            .push((name, doc.unwrap_or_default()));
    }
    let mut page = format!(
        "# Functions

Generated from the registry in `crates/modules`; change it there.

{} functions in {} modules, under Salt's names. `run MINION sys.doc FUNCTION` shows a function's arguments and an example.
What differs from Salt is in [compatibility.md](compatibility.md).
",
        registry.functions().count(),
        by_module.len()
    );
    for (module, functions) in by_module {
        let _ = write!(
            page,
            "\n## {module}\n\n| function | what it does |\n| --- | --- |\n"
        );
        for (name, doc) in functions {
            let _ = writeln!(page, "| `{name}` | {} |", doc.replace('|', "\\|"));
        }
    }
    page
}
