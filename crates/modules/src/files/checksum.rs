//! `source_hash`: the hash that a source must have, as a hash or in a file of hashes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::{self, Algorithm};
use crate::failure::Failure;
use crate::registry::Env;
use crate::source;

/// Hashes that sources may be checked with, and their lengths in hexadecimal digits.
const KINDS: [(&str, usize); 6] = [
    ("sha512", 128),
    ("sha384", 96),
    ("sha256", 64),
    ("sha224", 56),
    ("sha1", 40),
    ("md5", 32),
];

/// A hash with the name of its algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) kind: String,
    /// In lower case.
    pub(crate) digits: String,
}

impl Sum {
    /// The hash of a file by this algorithm.
    pub(crate) fn of_file(kind: &str, path: &Path) -> Result<Sum, Failure> {
        Ok(Sum {
            kind: kind.to_owned(),
            digits: digest::of_file(Algorithm::named(kind)?, path, 1 << 18)?,
        })
    }

    /// The hash of bytes by this algorithm.
    pub(crate) fn of_bytes(kind: &str, bytes: &[u8]) -> Result<Sum, Failure> {
        Ok(Sum {
            kind: kind.to_owned(),
            digits: digest::of_bytes(Algorithm::named(kind)?, bytes),
        })
    }
}

/// What a hash is the hash of, for finding it in a file of many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Names<'a> {
    /// The file that is to be managed.
    pub(crate) file_name: &'a str,
    /// Where its content comes from.
    pub(crate) source: &'a str,
    /// `source_hash_name`: the name that the file of hashes has for it; it wins.
    pub(crate) hash_name: &'a str,
}

/// Reads a `source_hash`: a hash, `TYPE=HASH`, or a path or URL of a file with hashes.
pub(crate) fn of_source(
    env: &Env,
    source_hash: &str,
    names: Names<'_>,
    saltenv: &str,
) -> Result<Sum, Failure> {
    let file = match source::scheme(source_hash) {
        _ if source_hash.starts_with('/') => Some(PathBuf::from(source_hash)),
        "" => None,
        scheme if source::SCHEMES.contains(&scheme) => {
            let fetched = source::fetch(env.ctx, source_hash, Some(saltenv)).map_err(|failure| {
                let shown = source::redacted(source_hash);
                tracing::warn!(source_hash = %shown, "a file of hashes was not fetched: {failure}");
                Failure::command(format!("Source hash file {shown} not found"))
            })?;
            Some(fetched)
        }
        _ => return Err(invalid(source_hash)),
    };
    match file {
        Some(file) => {
            let bytes = fs::read(&file).map_err(|error| Failure::io(&file, error))?;
            let text = String::from_utf8_lossy(&bytes);
            find(&text, "", names).ok_or_else(|| invalid(source_hash))
        }
        None => parse(source_hash),
    }
}

fn invalid(source_hash: &str) -> Failure {
    let mut lengths = KINDS.map(|(name, length)| format!("{name} ({length})"));
    lengths.reverse();
    Failure::command(format!(
        "Source hash {} format is invalid. The supported formats are: 1) a hash, 2) an expression in the format \
         <hash_type>=<hash>, or 3) either a path to a local file containing hashes, or a URI of a remote hash file. \
         Supported protocols for remote hash files are: {}. The hash may also not be of a valid length, the following \
         are supported hash types and lengths: {}.",
        source::redacted(source_hash),
        source::SCHEMES.join(", "),
        lengths.join(", ")
    ))
}

fn parse(source_hash: &str) -> Result<Sum, Failure> {
    let of_length = |length: usize| KINDS.iter().find(|(_, known)| *known == length);
    let Some((kind, digits)) = source_hash.split_once('=') else {
        let is_hash = !source_hash.is_empty() && source_hash.bytes().all(|b| b.is_ascii_hexdigit());
        return match of_length(source_hash.len()).filter(|_| is_hash) {
            Some((kind, _)) => Ok(Sum {
                kind: (*kind).to_owned(),
                digits: source_hash.to_ascii_lowercase(),
            }),
            None => Err(invalid(source_hash)),
        };
    };
    let (kind, digits) = (kind.trim(), digits.trim());
    let Some((_, length)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        return Err(Failure::command(format!(
            "Invalid hash type '{kind}'. Supported hash types are: {}. Either remove the hash type and simply use \
             '{digits}' as the source_hash, or change the hash type to a supported type.",
            KINDS.map(|(name, _)| name).join(", ")
        )));
    };
    match of_length(digits.len()) {
        None => Err(invalid(source_hash)),
        Some((fitting, found)) if found != length => Err(Failure::command(format!(
            "Invalid length ({}) for hash type '{kind}'. Either remove the hash type and simply use '{digits}' as the \
             source_hash, or change the hash type to '{fitting}'",
            digits.len()
        ))),
        Some(_) => Ok(Sum {
            kind: kind.to_owned(),
            digits: digits.to_ascii_lowercase(),
        }),
    }
}

/// The hash for a name in the text of a file of hashes, of one kind or (empty) of any; without a line that names it the first hash at all.
pub(crate) fn find(text: &str, kind: &str, names: Names<'_>) -> Option<Sum> {
    let wanted = KINDS.iter().find(|(name, _)| *name == kind);
    let source_path = source::path_of(names.source);
    // In order of their weight: whole name, its last part, and what may stand before that.
    let searches: [(&str, &str, &[char]); 3] = [
        (names.hash_name, names.hash_name, &[]),
        (
            names.file_name,
            last_part(names.file_name),
            &['\\', '/', '*'],
        ),
        (names.source, last_part(source_path), &['\\', '/', '*']),
    ];
    let mut found: [Option<Sum>; 3] = [None, None, None];
    let mut first = None;
    for line in text.lines().map(str::trim) {
        let Some(sum) = hash_in(line, wanted.map(|(_, length)| *length)) else {
            continue;
        };
        for (place, (whole, last, separators)) in found.iter_mut().zip(searches) {
            if place.is_none() && !whole.is_empty() && names_it(line, whole, last, separators) {
                *place = Some(sum.clone());
            }
        }
        first.get_or_insert(sum);
    }
    found.into_iter().flatten().next().or(first)
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn names_it(line: &str, whole: &str, last: &str, separators: &[char]) -> bool {
    if let Some(before) = line.strip_suffix(last) {
        let before = before.chars().next_back();
        return before.is_some_and(|c| c.is_whitespace() || separators.contains(&c));
    }
    line.strip_prefix(whole)
        .is_some_and(|rest| rest.starts_with(char::is_whitespace))
}

/// The first word of hexadecimal digits that is long enough for a hash, if it is one.
fn hash_in(line: &str, length: Option<usize>) -> Option<Sum> {
    let fits = |word: &&str| match length {
        Some(length) => word.len() == length,
        None => (32..=128).contains(&word.len()),
    };
    let digits = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .find(fits)?;
    let (kind, _) = KINDS.iter().find(|(_, known)| *known == digits.len())?;
    Some(Sum {
        kind: (*kind).to_owned(),
        digits: digits.to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const OTHER: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn hashes_are_read() {
        let check = |text: &str, expected: Result<&str, &str>| match (parse(text), expected) {
            (Ok(sum), Ok(kind)) => {
                assert_eq!((sum.kind.as_str(), sum.digits.as_str()), (kind, MD5))
            }
            (Err(failure), Err(text)) => assert!(failure.to_string().contains(text), "{failure}"),
            (found, expected) => panic!("{text}: {found:?} is not {expected:?}"),
        };
        check(MD5, Ok("md5"));
        check(&MD5.to_uppercase(), Ok("md5"));
        check(&format!("md5={MD5}"), Ok("md5"));
        check(&format!("md5 = {MD5}"), Ok("md5"));
        check(
            &format!("sha1={MD5}"),
            Err("Invalid length (32) for hash type 'sha1'"),
        );
        check(&format!("crc={MD5}"), Err("Invalid hash type 'crc'"));
        check("abc", Err("Source hash abc format is invalid"));
        check("xyz", Err("md5 (32), sha1 (40)"));
    }

    #[test]
    fn hashes_are_found_in_files() {
        let names = |file_name, source, hash_name| Names {
            file_name,
            source,
            hash_name,
        };
        let check = |text: String, names: Names<'_>, expected: Option<&str>| {
            let found = find(&text, "", names).map(|sum| sum.digits);
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        let two = format!("{OTHER}  other.tar.gz\n{MD5} *x.tar.gz\n");
        check(two.clone(), names("/srv/x.tar.gz", "", ""), Some(MD5));
        check(
            two.clone(),
            names("", "https://host/d/x.tar.gz?v=1", ""),
            Some(MD5),
        );
        check(
            two.clone(),
            names("/srv/x.tar.gz", "", "other.tar.gz"),
            Some(OTHER),
        );
        check(two.clone(), names("/srv/none", "", ""), Some(OTHER));
        check(
            format!("x.tar.gz {MD5}"),
            names("", "", "x.tar.gz"),
            Some(MD5),
        );
        check(
            format!("{OTHER} ax\n{MD5} ./x"),
            names("/x", "", ""),
            Some(MD5),
        );
        check("no hash".to_owned(), names("/x", "", ""), None);
        assert_eq!(find(&two, "sha1", Names::default()), None);
    }
}
