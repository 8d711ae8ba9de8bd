//! Pages that are made from code.

use std::path::Path;

use anyhow::Context;

/// A page: its path from the root, and what makes its text.
pub type Page = (&'static str, fn() -> String);

/// All generated pages.
pub const PAGES: &[Page] = &[("docs/configuration.md", daemon::config::reference_markdown)];

/// Writes all pages below `root`.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for (path, text) in PAGES {
        std::fs::write(root.join(path), text()).with_context(|| format!("can't write {path}"))?;
        println!("{path}");
    }
    Ok(())
}
