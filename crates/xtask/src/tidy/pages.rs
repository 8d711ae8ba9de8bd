//! Whether generated pages are what the code makes now.

use super::Findings;
use crate::docs::PAGES;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace, findings: &mut Findings) {
    for (path, text) in PAGES {
        if workspace.files.get(*path) != Some(&text()) {
            findings.fault(format!("{path} is stale: run `cargo xtask docs`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    #[test]
    fn fresh_stale_and_missing() {
        let mut workspace = Workspace::default();
        let faults = |workspace: &Workspace| found(check, workspace).faults.len();
        assert_eq!(faults(&workspace), PAGES.len());
        for (path, text) in PAGES {
            workspace.files.insert((*path).to_owned(), text());
        }
        assert_eq!(faults(&workspace), 0);
        for text in workspace.files.values_mut() {
            text.push('\n');
        }
        assert_eq!(faults(&workspace), PAGES.len());
    }
}
