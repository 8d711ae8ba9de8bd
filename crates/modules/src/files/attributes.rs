//! Attributes that Linux file systems keep beside the mode, by the programs lsattr and chattr.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cancel::Cancel;
use crate::failure::Failure;
use crate::process;

/// The letters that count; others that lsattr shows say how the file is stored.
const LETTERS: &str = "aAcCdDeijPsStTu";

/// What is too much and too little of a file's attributes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Difference {
    pub(crate) added: String,
    pub(crate) removed: String,
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// The attributes of a file; `None` without lsattr, or where the file system has none.
pub(crate) fn list(path: &Path, cancel: &Cancel) -> Result<Option<String>, Failure> {
    if process::which("lsattr").is_none() {
        return Ok(None);
    }
    let finished = process::query(&["lsattr", "-d", &path.to_string_lossy()], cancel)?;
    if finished.retcode != 0 {
        return Ok(None);
    }
    Ok(finished.stdout.split_whitespace().next().map(|shown| {
        shown
            .chars()
            .filter(|letter| LETTERS.contains(*letter))
            .collect()
    }))
}

/// What must change to get the wanted attributes. Extents (`e`) can be set and never be taken away.
pub(crate) fn difference(has: &str, wanted: &str) -> Difference {
    let old: BTreeSet<char> = has.chars().collect();
    let mut new: BTreeSet<char> = wanted.chars().collect();
    if old.contains(&'e') {
        new.insert('e');
    }
    Difference {
        added: new.difference(&old).collect(),
        removed: old.difference(&new).collect(),
    }
}

/// Adds (`+`) or removes (`-`) attributes; whether chattr did so without a word.
pub(crate) fn change(
    paths: &[String],
    sign: char,
    letters: &str,
    options: &[String],
    cancel: &Cancel,
) -> Result<bool, Failure> {
    let change = format!("{sign}{letters}");
    let mut argv = vec!["chattr", &change];
    argv.extend(options.iter().chain(paths).map(String::as_str));
    let finished = process::query(&argv, cancel)?;
    Ok(finished.stdout.is_empty() && finished.stderr.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_compared() {
        let check = |has: &str, wanted: &str, added: &str, removed: &str| {
            let expected = Difference {
                added: added.to_owned(),
                removed: removed.to_owned(),
            };
            assert_eq!(difference(has, wanted), expected);
        };
        check("e", "i", "i", "");
        check("ie", "i", "", "");
        check("aie", "", "", "ai");
    }
}
