//! Differences that are known, each with its reason.

use anyhow::{Context, bail};
use serde_json::Value;

use super::difference::{Compared, Leaf};

/// A difference that is known. Fields are patterns in which `*` stands for any text; one that is left out matches everything.
///
/// With a `path` it is enough that the piece differs there like this: what else differs follows from it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    tree: Option<String>,
    piece: Option<String>,
    place: Option<String>,
    path: Option<String>,
    salt: Option<String>,
    ours: Option<String>,
    /// Why it is so.
    pub reason: String,
}

/// Reads the file of known differences: a list of maps.
pub fn read(text: &str) -> anyhow::Result<Vec<Known>> {
    let rows = yaml::parse(text)?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    rows.iter().map(row).collect()
}

fn row(row: &Value) -> anyhow::Result<Known> {
    let mut known = Known::default();
    for (name, value) in row.as_object().with_context(|| format!("{row}: no map"))? {
        let Some(text) = value.as_str().map(str::to_owned) else {
            bail!("{name} of {row}: no text");
        };
        match name.as_str() {
            "tree" => known.tree = Some(text),
            "piece" => known.piece = Some(text),
            "place" => known.place = Some(text),
            "path" => known.path = Some(text),
            "salt" => known.salt = Some(text),
            "ours" => known.ours = Some(text),
            "reason" => known.reason = text,
            other => bail!("{other} is no field of a known difference: {row}"),
        }
    }
    if known.reason.is_empty() {
        bail!("{row}: say the reason");
    }
    Ok(known)
}

impl Known {
    /// Whether this is the difference in a piece of a tree; all its places must be.
    pub fn is(&self, tree: &str, compared: &Compared) -> bool {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| matches(pattern, text))
        };
        let fits_leaf = |leaf: &Leaf| {
            fits(&self.salt, &shown(leaf.salt.as_ref()))
                && fits(&self.ours, &shown(leaf.ours.as_ref()))
        };
        fits(&self.tree, tree)
            && fits(&self.piece, compared.piece.name())
            && fits(&self.place, &compared.place)
            && match &self.path {
                None => compared.differences.iter().all(fits_leaf),
                Some(path) => {
                    let mut there = compared.differences.iter();
                    there.any(|leaf| matches(path, &leaf.path) && fits_leaf(leaf))
                }
            }
    }
}

/// A value in a line: texts as they are, others as JSON.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Whether a text is as the pattern says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::super::difference::Piece;
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*b*c*", "xbxcx", true),
            ("*ab", "ab", true),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn all_places_of_a_piece_must_fit() {
        let known = read("- {piece: sta*, place: 'web *', ours: \"State '*' was not found\", reason: it is young}\n").unwrap();
        let leaf = |ours: &str| Leaf {
            path: String::new(),
            salt: Some(json!(true)),
            ours: Some(json!(ours)),
        };
        let compared = |ours: &[&str]| Compared {
            piece: Piece::State,
            place: "web pkg_|-x".to_owned(),
            differences: ours.iter().map(|ours| leaf(ours)).collect(),
        };
        assert!(known[0].is("any", &compared(&["State 'pkg.installed' was not found"])));
        assert!(!known[0].is("any", &compared(&["State 'a.b' was not found", "x"])));
        let known = read("- {path: /comm*, ours: \"State '*' was not found\", reason: it is young}\n").unwrap();
        let mut piece = compared(&["State 'a.b' was not found", "x"]);
        assert!(!known[0].is("any", &piece));
        piece.differences[0].path = "/comment".to_owned();
        assert!(known[0].is("any", &piece));
    }

    #[test]
    fn the_file_in_the_repository_can_be_read() {
        assert!(!read(super::super::KNOWN).unwrap().is_empty());
        assert!(read("- {tree: x}").is_err());
        assert!(read("- {reason: x, colour: red}").is_err());
    }
}
