//! Whether `docs/architecture.md` shows the crates as they are.

use std::collections::BTreeSet;

use super::Findings;
use super::house::room;
use crate::workspace::Workspace;

const PAGE: &str = "docs/architecture.md";
/// First line of the table of crates.
const HEAD: &str = "| crate | purpose | may use |";
/// What a path in the page begins with.
const TOPS: &[&str] = &["crates/", "tests/", "docs/", "deploy/", ".ci/"];

pub fn check(workspace: &Workspace, findings: &mut Findings) {
    let Some(page) = workspace.files.get(PAGE) else {
        findings.fault(format!("{PAGE} is missing"));
        return;
    };
    let mut shown = BTreeSet::new();
    for (name, uses) in rows(page) {
        if !shown.insert(name) {
            findings.fault(format!("{PAGE}: `{name}` has two rows"));
        }
        let Some(room) = room(name) else {
            findings.fault(format!("{PAGE}: `{name}` is no crate"));
            continue;
        };
        if uses != room.may_use.iter().copied().collect() {
            findings.fault(format!(
                "{PAGE}: `{name}` may use {}, says crates/xtask/src/tidy/house.rs",
                room.may_use.join(", ")
            ));
        }
    }
    for package in workspace.crates() {
        if !shown.contains(package.name.as_str()) {
            findings.fault(format!("{PAGE}: crate `{}` has no row", package.name));
        }
    }
    for path in paths(page).filter(|path| !workspace.has(path)) {
        findings.fault(format!("{PAGE}: there is no {path}"));
    }
}

/// Rows of the table: a crate, and what it may use.
fn rows(page: &str) -> impl Iterator<Item = (&str, BTreeSet<&str>)> {
    page.lines()
        .skip_while(|line| *line != HEAD)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let name = cells.next().unwrap_or_default().trim_matches('`');
            let uses = cells.next_back().unwrap_or_default();
            let uses = uses.split(", ").filter(|one| !matches!(*one, "" | "-"));
            (name, uses.collect())
        })
}

/// What stands in backquotes and looks like a path.
fn paths(page: &str) -> impl Iterator<Item = &str> {
    page.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|word| {
            TOPS.iter().any(|top| word.starts_with(top)) && !word.contains(['*', ' ', '<'])
        })
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;
    use crate::workspace::Package;

    fn check_page(rows: &str, expected: &[&str]) {
        let package = |name: &str| Package {
            name: name.to_owned(),
            dir: format!("crates/{name}"),
            ..Package::default()
        };
        let page = format!("# Map\n\n{HEAD}\n| --- | --- | --- |\n{rows}\nAfter it.\n");
        let workspace = Workspace {
            packages: vec![package("wire"), package("link")],
            files: [
                (PAGE.to_owned(), page),
                ("crates/wire/src/lib.rs".to_owned(), String::new()),
            ]
            .into(),
        };
        assert_eq!(found(check, &workspace).faults, expected);
    }

    #[test]
    fn the_table_is_compared_with_the_house() {
        check_page(
            "| `wire` | words | - |\n| `link` | frames | wire, pki |",
            &[],
        );
        check_page(
            "| `wire` | words | - |\n| `link` | frames | wire |",
            &[
                "docs/architecture.md: `link` may use wire, pki, says crates/xtask/src/tidy/house.rs",
            ],
        );
        check_page(
            "| `wire` | words | - |",
            &["docs/architecture.md: crate `link` has no row"],
        );
        check_page(
            "| `wire` | words | - |\n| `attic` | - | - |\n| `link` | frames | pki, wire |",
            &["docs/architecture.md: `attic` is no crate"],
        );
    }

    #[test]
    fn each_path_has_to_exist() {
        check_page(
            "| `wire` | words: `crates/wire`, `crates/wire/src/lib.rs`, `crates/*` | - |\n| `link` | `crates/wire/src/none.rs` | wire, pki |",
            &["docs/architecture.md: there is no crates/wire/src/none.rs"],
        );
    }
}
