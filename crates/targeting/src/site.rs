//! Paths: which site, and which ids in the site or below it.

use crate::glob::Glob;

/// A site prefix and a glob over ids, like `eu/ams/web*`.
#[derive(Clone, Debug)]
pub(crate) struct PathPattern {
    text: String,
    /// One glob for each level of the site, from the top.
    site: Vec<Glob>,
    id: Glob,
}

impl PathPattern {
    /// Reads `SITE/GLOB`; nothing after the last `/` means every id. The error says what is wrong.
    pub(crate) fn new(text: &str) -> Result<PathPattern, String> {
        let (site, id) = text.rsplit_once('/').ok_or("a path needs a `/`")?;
        let id = if id.is_empty() { "*" } else { id };
        if site.split('/').any(str::is_empty) {
            return Err("a path has a name before each `/`, and none at its start".to_owned());
        }
        Ok(PathPattern {
            text: format!("{site}/{id}"),
            site: site.split('/').map(Glob::new).collect(),
            id: Glob::new(id),
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, id: &str, path: &str) -> bool {
        let mut names = names(path);
        self.site
            .iter()
            .all(|glob| names.next().is_some_and(|name| glob.matches(name)))
            && self.id.matches(id)
    }

    /// Whether a minion in `path` or below it can match.
    pub(crate) fn may_match_below(&self, path: &str) -> bool {
        self.site
            .iter()
            .zip(names(path))
            .all(|(glob, name)| glob.matches(name))
    }

    /// Whether every minion in `path` and below it matches.
    pub(crate) fn matches_all_below(&self, path: &str) -> bool {
        self.id.is_any() && self.site.len() <= names(path).count() && self.may_match_below(path)
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}
