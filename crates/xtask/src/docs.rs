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
    ("docs/runners.md", runners),
    ("docs/state-functions.md", state_functions),
];

/// Writes all pages below `root`.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for (path, text) in PAGES {
        std::fs::write(root.join(path), text()).with_context(|| format!("can't write {path}"))?;
        println!("{path}");
    }
    Ok(())
}

/// The runners and wheel functions of a hub, by module.
fn runners() -> String {
    let all = hub::runners::all();
    let mut page = format!(
        "# Runners

Generated from the tables in `crates/hub/src/runners`; change it there.

{} runners and wheel functions, under Salt's names. A hub answers them itself, for its whole subtree: from its roster, its store and its roots, and
only where that is said by a job. `top-master runner FUNCTION ARGUMENTS` calls one, `top-master runner --list [MODULE]` lists them. Wheel functions are
called with or without `wheel.`. How they differ from Salt's is in [compatibility.md](compatibility.md#runners).
",
        all.len()
    );
    let mut module = "";
    for (name, runner) in &all {
        let of = name.rsplit_once('.').map_or("", |(module, _)| module);
        if of != module {
            module = of;
            let _ = write!(
                page,
                "\n## {module}\n\n| function | arguments | what it does |\n| --- | --- | --- |\n"
            );
        }
        let signature = match runner.signature {
            "" => String::new(),
            signature => format!("`{signature}`"),
        };
        let doc = runner.doc.replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {signature} | {doc} |");
    }
    page
}

/// The functions of a minion, by module.
fn functions() -> String {
    let registry = Registry::new();
    let docs = registry.doc("");
    let doc = |name: &str| {
        docs.get(name)
            .and_then(|text| text.lines().next())
            .unwrap_or_default()
            .to_owned()
    };
    let introduction = "`run MINION sys.doc FUNCTION` shows a function's arguments and an example.";
    page(
        "Functions",
        "functions",
        introduction,
        registry.functions(),
        doc,
    )
}

/// The state functions of a minion, by module.
fn state_functions() -> String {
    let registry = Registry::new();
    let doc = |name: &str| {
        let text = registry.state_doc(name).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let introduction = "`run MINION sys.state_argspec FUNCTION` shows a function's arguments.";
    page(
        "State functions",
        "state functions",
        introduction,
        registry.states(),
        doc,
    )
}

fn page(
    title: &str,
    what: &str,
    introduction: &str,
    names: impl Iterator<Item = &'static str>,
    doc: impl Fn(&str) -> String,
) -> String {
    let mut by_module: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        let module = name.split('.').next().unwrap_or(name);
        by_module.entry(module).or_default().push(name);
    }
    let count: usize = by_module.values().map(Vec::len).sum();
    let mut page = format!(
        "# {title}

Generated from the registry in `crates/modules`; change it there.

{count} {what} in {} modules, under Salt's names. {introduction}
What differs from Salt is in [compatibility.md](compatibility.md).
",
        by_module.len()
    );
    for (module, functions) in by_module {
        let _ = write!(
            page,
            "\n## {module}\n\n| function | what it does |\n| --- | --- |\n"
        );
        for name in functions {
            let _ = writeln!(page, "| `{name}` | {} |", doc(name).replace('|', "\\|"));
        }
    }
    page
}
