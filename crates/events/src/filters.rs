//! Which tags somebody reads: globs, their union, and what one of them covers.

use targeting::Glob;
use wire::limits::{MAX_EVENT_FILTERS, MAX_EVENT_TAG};

/// Why globs are no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There are too many.
    #[error("{0} globs are named, and at most {MAX_EVENT_FILTERS} may be")]
    Many(usize),
    /// One is too long.
    #[error("a glob has {0} bytes, and at most {MAX_EVENT_TAG} may be")]
    Long(usize),
    /// One is empty.
    #[error("a glob is empty: '*' is every event")]
    Empty,
}

/// Globs over tags, as Python's `fnmatch` reads them: `*` also passes slashes. Without any it matches nothing.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    globs: Vec<(String, Glob)>,
}

impl Filters {
    /// Checks what somebody typed or sent.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn new(globs: &[String]) -> Result<Filters, FilterError> {
        if globs.len() > MAX_EVENT_FILTERS {
            return Err(FilterError::Many(globs.len()));
        }
        for glob in globs {
            if glob.is_empty() {
                return Err(FilterError::Empty);
            }
            if glob.len() > MAX_EVENT_TAG {
                return Err(FilterError::Long(glob.len()));
            }
        }
        let globs = globs
            .iter()
            .map(|glob| (glob.clone(), Glob::new(glob)))
            .collect();
        Ok(Filters { globs })
    }

    /// Every tag.
    pub fn everything() -> Filters {
        let any = "*";
        Filters {
            globs: vec![(any.to_owned(), Glob::new(any))],
        }
    }

    /// Whether somebody reads events of this tag.
    pub fn matches(&self, tag: &str) -> bool {
        self.globs.iter().any(|(_, glob)| glob.matches(tag))
    }

    /// Whether tags with this beginning may match: a quick look before an event is made.
    pub fn may_match_below(&self, prefix: &str) -> bool {
        self.globs.iter().any(|(text, _)| {
            let literal = literal(text);
            literal.starts_with(prefix) || prefix.starts_with(literal)
        })
    }

    /// The globs.
    pub fn globs(&self) -> impl Iterator<Item = &str> {
        self.globs.iter().map(|(text, _)| text.as_str())
    }
}

/// The characters before the first that is special.
fn literal(glob: &str) -> &str {
    let end = glob.find(['*', '?', '[']).unwrap_or(glob.len());
    &glob[..end]
}

/// Whether each tag of the second glob is surely one of the first.
fn covers(wide: &str, narrow: &str) -> bool {
    let open = wide.strip_suffix('*').filter(|rest| literal(rest) == *rest);
    wide == narrow || open.is_some_and(|prefix| literal(narrow).starts_with(prefix))
}

/// Whether whoever sends for `told` sends all that `wanted` asks for.
pub fn is_covered(wanted: &[String], told: &[String]) -> bool {
    wanted
        .iter()
        .all(|narrow| told.iter().any(|wide| covers(wide, narrow)))
}

/// The union, in order and without what others cover. Globs over the limit are made wider until they fit: rather too much is
/// sent than too little.
pub fn widened<'a>(globs: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let all: Vec<String> = globs.into_iter().map(str::to_owned).collect();
    let union = union(all);
    if union.len() <= MAX_EVENT_FILTERS {
        return union;
    }
    let first_part = |glob: &String| match literal(glob).split_once('/') {
        Some((first, _)) => format!("{first}/*"),
        None => "*".to_owned(),
    };
    let union = self::union(union.iter().map(first_part).collect());
    if union.len() <= MAX_EVENT_FILTERS {
        return union;
    }
    vec!["*".to_owned()]
}

fn union(mut globs: Vec<String>) -> Vec<String> {
    globs.sort();
    globs.dedup();
    // An open glob comes before what it covers more often than not, so most are gone at once.
    let mut kept: Vec<String> = Vec::new();
    for glob in globs {
        if kept.iter().any(|wide| covers(wide, &glob)) {
            continue;
        }
        kept.retain(|narrow| !covers(&glob, narrow));
        kept.push(glob);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(globs: &[&str]) -> Filters {
        let globs: Vec<String> = globs.iter().map(ToString::to_string).collect();
        Filters::new(&globs).unwrap()
    }

    #[test]
    fn tags_match_as_fnmatch_does() {
        let some = filters(&["salt/job/*/ret/*", "a?c", "[xy]"]);
        for (tag, is_read) in [
            ("salt/job/1/ret/web1", true),
            ("salt/job/1/2/ret/web1", true),
            ("salt/job/1/new", false),
            ("abc", true),
            ("abbc", false),
            ("x", true),
            ("z", false),
            ("", false),
        ] {
            assert_eq!(some.matches(tag), is_read, "{tag}");
        }
        assert!(!filters(&[]).matches("a"));
        assert!(filters(&["*"]).matches(""));
    }

    #[test]
    fn a_look_at_the_beginning_never_misses() {
        let some = filters(&["salt/job/*/ret/*"]);
        assert!(some.may_match_below("salt/job/"));
        assert!(some.may_match_below("salt/job/1/ret/"));
        assert!(some.may_match_below("salt/"));
        assert!(!some.may_match_below("salt/key"));
        assert!(filters(&["*"]).may_match_below("banyan/"));
        assert!(filters(&["[s]alt/*"]).may_match_below("salt/job/"));
    }

    #[test]
    fn a_union_has_no_more_than_it_needs() {
        let globs = ["a/b", "a/*", "b/*/c", "b/1/c", "a/*/d", "b/*/c", "c"];
        assert_eq!(widened(globs), ["a/*", "b/*/c", "b/1/c", "c"]);
        assert_eq!(widened(["x", "*", "y/*"]), ["*"]);
        // `a/[b]*` is no plain beginning, so it covers nothing but itself.
        assert_eq!(widened(["a/[b]*", "a/b/c"]), ["a/[b]*", "a/b/c"]);
        assert!(widened([]).is_empty());
    }

    #[test]
    fn what_is_told_may_cover_what_is_wanted() {
        let list =
            |globs: &[&str]| -> Vec<String> { globs.iter().map(ToString::to_string).collect() };
        for (wanted, told, is_so) in [
            (&["a/b"][..], &["a/*"][..], true),
            (&["a/b", "c"], &["a/*"], false),
            (&["a/b", "c"], &["a/*", "c"], true),
            (&["*"], &["a/*"], false),
            (&[], &[], true),
        ] {
            assert_eq!(is_covered(&list(wanted), &list(told)), is_so, "{wanted:?}");
        }
    }

    #[test]
    fn too_many_globs_become_wider_and_never_narrower() {
        let many: Vec<String> = (0..1_000).map(|n| format!("{}/{n}/*", n % 7)).collect();
        let few = widened(many.iter().map(String::as_str));
        assert_eq!(few.len(), 7);
        let few = Filters::new(&few).unwrap();
        assert!(many.iter().all(|glob| few.matches(glob)));
        let many: Vec<String> = (0..1_000).map(|n| format!("{n}/x")).collect();
        assert_eq!(widened(many.iter().map(String::as_str)), ["*"]);
    }

    #[test]
    fn limits_are_said() {
        assert_eq!(
            Filters::new(&vec!["a".to_owned(); 65]).unwrap_err(),
            FilterError::Many(65)
        );
        assert_eq!(
            Filters::new(&["a".repeat(2_000)]).unwrap_err(),
            FilterError::Long(2_000)
        );
        assert_eq!(
            Filters::new(&[String::new()]).unwrap_err(),
            FilterError::Empty
        );
    }
}
