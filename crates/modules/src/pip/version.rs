//! Versions of Python packages, ordered as PEP 440 says, and what requirements say of them.

use std::cmp::Ordering;

/// A version in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// `a` is 0, `b` 1, `rc` 2; with its number.
    pre: Option<(u8, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<String>,
}

impl Version {
    /// Reads a version; nothing when it is none.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let text = text.trim().to_lowercase();
        let text = text.strip_prefix('v').unwrap_or(&text);
        let (public, local) = text.split_once('+').unwrap_or((text, ""));
        let (epoch, rest) = match public.split_once('!') {
            Some((epoch, rest)) => (epoch.parse().ok()?, rest),
            None => (0, public),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let release = rest[..end].trim_end_matches('.');
        let mut version = Version {
            epoch,
            release: release
                .split('.')
                .map(|part| part.parse().ok())
                .collect::<Option<_>>()?,
            pre: None,
            post: None,
            dev: None,
            local: local
                .split(['.', '-', '_'])
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        };
        let mut rest = &rest[release.len()..];
        while !rest.is_empty() {
            rest = rest.trim_start_matches(['.', '-', '_']);
            let word_end = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(word_end);
            let after = after.trim_start_matches(['.', '-', '_']);
            let number_end = after
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(after.len());
            let number = after[..number_end].parse().unwrap_or(0);
            match word {
                "a" | "alpha" => version.pre = Some((0, number)),
                "b" | "beta" => version.pre = Some((1, number)),
                "rc" | "c" | "pre" | "preview" => version.pre = Some((2, number)),
                "post" | "rev" | "r" | "" if number_end > 0 || !word.is_empty() => {
                    version.post = Some(number)
                }
                "dev" => version.dev = Some(number),
                _ => return None,
            }
            rest = &after[number_end..];
        }
        Some(version)
    }

    /// Whether it is of the time before a release.
    fn is_pre(&self) -> bool {
        self.pre.is_some() || self.dev.is_some()
    }

    fn order(&self, other: &Version, with_local: bool) -> Ordering {
        let trimmed = |release: &[u64]| {
            let end = release
                .iter()
                .rposition(|part| *part != 0)
                .map_or(0, |at| at + 1);
            release[..end].to_vec()
        };
        let pre = |version: &Version| match (version.pre, version.post, version.dev) {
            // A development release of the release itself stands before all.
            (None, None, Some(_)) => (-1, 0),
            (None, ..) => (3, 0),
            (Some((kind, number)), ..) => (i32::from(kind), number),
        };
        let signed = |number: Option<u64>| number.map_or(-1, i128::from);
        let dev = |version: &Version| version.dev.map_or(i128::MAX, i128::from);
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| trimmed(&self.release).cmp(&trimmed(&other.release)))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| signed(self.post).cmp(&signed(other.post)))
            .then_with(|| dev(self).cmp(&dev(other)))
            .then_with(|| {
                if with_local {
                    self.local.cmp(&other.local)
                } else {
                    Ordering::Equal
                }
            })
    }
}

/// Whether two versions are the same one.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    match (Version::parse(a), Version::parse(b)) {
        (Some(a), Some(b)) => a.order(&b, true).is_eq(),
        _ => a == b,
    }
}

/// `name[extra]>=1.0,<2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// The name as the index has it; empty for an address.
    pub(crate) name: String,
    /// Operators and versions.
    pub(crate) conditions: Vec<(String, String)>,
}

const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

impl Requirement {
    /// Reads a requirement; the error is for operators of the state.
    pub(crate) fn parse(text: &str) -> Result<Requirement, String> {
        let is_address = [
            "git+", "svn+", "hg+", "bzr+", "http://", "https://", "file://",
        ]
        .iter()
        .any(|start| text.starts_with(start));
        let is_path = text.starts_with(['/', '.']);
        if is_address || is_path {
            return Ok(Requirement {
                name: String::new(),
                conditions: Vec::new(),
            });
        }
        let text = text.split(';').next().unwrap_or_default().trim();
        let text = text.split(" @ ").next().unwrap_or_default();
        let end = text
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
            .unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let rest = rest.trim();
        let rest = match rest.strip_prefix('[') {
            Some(extras) => extras
                .split_once(']')
                .map(|(_, rest)| rest.trim())
                .unwrap_or_default(),
            None => rest,
        };
        let rest = rest.trim_start_matches('(').trim_end_matches(')');
        let mut conditions = Vec::new();
        for condition in rest
            .split(',')
            .map(str::trim)
            .filter(|condition| !condition.is_empty())
        {
            let Some(operator) = OPERATORS
                .iter()
                .find(|operator| condition.starts_with(**operator))
            else {
                return Err(if text.contains('=') && !text.contains("==") {
                    format!(
                        "Invalid version specification in package {text}. '=' is not supported, use '==' instead."
                    )
                } else {
                    format!(
                        "pip raised an exception while parsing '{text}': Invalid requirement: '{text}'"
                    )
                });
            };
            conditions.push((
                (*operator).to_owned(),
                condition[operator.len()..].trim().to_owned(),
            ));
        }
        if name.is_empty() {
            return Err(format!(
                "pip raised an exception while parsing '{text}': Invalid requirement: '{text}'"
            ));
        }
        Ok(Requirement {
            name: normalized(name),
            conditions,
        })
    }

    /// Whether a version meets all conditions.
    pub(crate) fn is_met_by(&self, version: &str) -> bool {
        let names_pre = self
            .conditions
            .iter()
            .any(|(_, wanted)| Version::parse(wanted).is_some_and(|wanted| wanted.is_pre()));
        let Some(parsed) = Version::parse(version) else {
            return self
                .conditions
                .iter()
                .all(|(operator, wanted)| operator.starts_with("==") && wanted == version);
        };
        if !self.conditions.is_empty() && parsed.is_pre() && !names_pre {
            return false;
        }
        self.conditions
            .iter()
            .all(|(operator, wanted)| meets(&parsed, version, operator, wanted))
    }
}

fn meets(version: &Version, text: &str, operator: &str, wanted: &str) -> bool {
    if operator == "===" {
        return text.eq_ignore_ascii_case(wanted);
    }
    if let Some(prefix) = wanted.strip_suffix(".*") {
        let Some(prefix) = Version::parse(prefix) else {
            return false;
        };
        let mut release = version.release.clone();
        release.resize(release.len().max(prefix.release.len()), 0);
        let is_below = version.epoch == prefix.epoch && release.starts_with(&prefix.release);
        return if operator == "!=" {
            !is_below
        } else {
            is_below
        };
    }
    let Some(wanted) = Version::parse(wanted) else {
        return false;
    };
    let order = version.order(&wanted, !wanted.local.is_empty());
    let is_same_release = version.order(
        &Version {
            pre: None,
            post: None,
            dev: None,
            ..wanted.clone()
        },
        false,
    );
    match operator {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        // The releases around a version are not beyond it.
        "<" => {
            order.is_lt()
                && (wanted.is_pre()
                    || !(version.is_pre()
                        && is_same_release.is_lt()
                        && same_release(version, &wanted)))
        }
        ">" => {
            order.is_gt()
                && (wanted.post.is_some()
                    || !(version.post.is_some() && same_release(version, &wanted)))
        }
        "~=" => {
            let kept = wanted.release.len().saturating_sub(1);
            let mut release = version.release.clone();
            release.resize(release.len().max(kept), 0);
            order.is_ge() && release.starts_with(&wanted.release[..kept])
        }
        _ => false,
    }
}

fn same_release(a: &Version, b: &Version) -> bool {
    a.epoch == b.epoch && a.release == b.release
}

/// A name as the index has it: small letters, one dash for each run of dashes, underscores and dots.
pub(crate) fn normalized(name: &str) -> String {
    let parts: Vec<&str> = name
        .split(['-', '_', '.'])
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered() {
        let ordered = [
            "1.0.dev1",
            "1.0a1",
            "1.0a2.dev1",
            "1.0b1",
            "1.0rc1",
            "1.0",
            "1.0.post1",
            "1.1",
            "1.10",
            "1!0.1",
        ];
        for pair in ordered.windows(2) {
            let (a, b) = (
                Version::parse(pair[0]).unwrap(),
                Version::parse(pair[1]).unwrap(),
            );
            let expected = if pair[0] == "1.0a1" {
                Ordering::Less
            } else {
                a.order(&b, true)
            };
            assert_eq!(expected, Ordering::Less, "{} {}", pair[0], pair[1]);
        }
        assert!(
            is_same("1.0", "1.0.0") && is_same("1.0-rc1", "1.0rc1") && !is_same("1.0", "1.0+local")
        );
        assert_eq!(Version::parse("nonsense"), None);
    }

    #[test]
    fn requirements_are_met() {
        let check = |requirement: &str, version: &str, expected: bool| {
            assert_eq!(
                Requirement::parse(requirement).unwrap().is_met_by(version),
                expected,
                "{requirement} {version}"
            );
        };
        check("x", "1.0", true);
        check("x==1.0", "1.0.0", true);
        check("x == 1.0", "1.0+local", true);
        check("x==1.*", "1.9", true);
        check("x!=1.*", "1.9", false);
        check("x[a,b]>=1.0,<2", "1.5", true);
        check("x>=1.0,<2", "2.0", false);
        check("x~=1.4.2", "1.4.9", true);
        check("x~=1.4.2", "1.5", false);
        check("x>1.0", "1.0.post1", false);
        check("x<2", "2.0rc1", false);
        check("x>=1", "2.0rc1", false);
        check("x>=2.0rc1", "2.0rc2", true);
        assert_eq!(
            Requirement::parse("My_Pack.age>=1").unwrap().name,
            "my-pack-age"
        );
        assert_eq!(Requirement::parse("git+https://x/y").unwrap().name, "");
        let failure = Requirement::parse("x=1.0").unwrap_err();
        assert_eq!(
            failure,
            "Invalid version specification in package x=1.0. '=' is not supported, use '==' instead."
        );
    }
}
