//! The files, in the order in which they count.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use yaml::{Node, Spanned};

use super::problem::{Place, Problem};

/// Most files that one configuration is made of.
pub const FILES_MAX: usize = 256;
/// Deepest chain of files that include each other.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Longest file, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// The key that names more files.
pub(super) const INCLUDE: &str = "include";

/// The entries of one file.
pub(super) struct FileEntries {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<(Spanned, Spanned)>,
}

/// Reads the main file and all that belong to it; later ones win. Without a file there are no entries, unless it `must` be.
pub(super) fn read(main: &Path, must: bool, problems: &mut Vec<Problem>) -> Vec<FileEntries> {
    let mut reader = Reader {
        files: Vec::new(),
        seen: BTreeSet::new(),
        problems,
    };
    if !must && matches!(main.try_exists(), Ok(false)) {
        return reader.files;
    }
    let includes = reader.file(main, None);
    let mut directory = main.as_os_str().to_owned();
    directory.push(".d");
    reader.pattern(&Path::new(&directory).join("*.conf"), None, 1);
    reader.includes(main, includes, 1);
    reader.files
}

struct Reader<'p> {
    files: Vec<FileEntries>,
    seen: BTreeSet<PathBuf>,
    problems: &'p mut Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, path: &Path, line: usize, message: impl Into<String>) {
        self.problems.push(Problem {
            place: Place::File {
                path: path.to_owned(),
                line,
            },
            message: message.into(),
        });
    }

    /// Reads one file, and gives back what it includes. `named` is the place that names it.
    fn file(&mut self, path: &Path, named: Option<(&Path, usize)>) -> Vec<Spanned> {
        let (blamed, line) = named.unwrap_or((path, 0));
        if self.files.len() >= FILES_MAX {
            self.problem(blamed, line, format!("more than {FILES_MAX} files"));
            return Vec::new();
        }
        let identity = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if !self.seen.insert(identity) {
            self.problem(
                blamed,
                line,
                format!("{} is included twice", path.display()),
            );
            return Vec::new();
        }
        let text = match read_text(path) {
            Ok(text) => text,
            Err(e) => {
                let message = if named.is_some() {
                    format!("{}: {e}", path.display())
                } else {
                    e.to_string()
                };
                self.problem(blamed, line, message);
                return Vec::new();
            }
        };
        let tree = match yaml::parse_spanned(&text) {
            Ok(tree) => tree,
            Err(e) => {
                self.problem(path, e.line, e.message);
                return Vec::new();
            }
        };
        let entries = match tree.node {
            Node::Map(entries) => entries,
            Node::Scalar(serde_json::Value::Null) => Vec::new(),
            _ => {
                self.problem(
                    path,
                    tree.line,
                    "the file has to be a map of keys to values",
                );
                return Vec::new();
            }
        };
        let mut includes = Vec::new();
        for (key, value) in &entries {
            if key.text().as_deref() == Some(INCLUDE) {
                match &value.node {
                    Node::List(items) => includes.extend(items.iter().cloned()),
                    _ => includes.push(value.clone()),
                }
            }
        }
        self.files.push(FileEntries {
            path: path.to_owned(),
            entries,
        });
        includes
    }

    fn includes(&mut self, from: &Path, includes: Vec<Spanned>, depth: usize) {
        for include in includes {
            // Anything else than text is reported where the value of the key is read.
            let Node::Scalar(serde_json::Value::String(pattern)) = &include.node else {
                continue;
            };
            if depth > INCLUDE_DEPTH_MAX {
                let message =
                    format!("files include each other more than {INCLUDE_DEPTH_MAX} deep");
                self.problem(from, include.line, message);
                return;
            }
            let path = from.parent().unwrap_or(Path::new("")).join(pattern);
            self.pattern(&path, Some((from, include.line)), depth);
        }
    }

    /// Reads all files that fit, in lexical order. A file without wildcards has to be there.
    fn pattern(&mut self, pattern: &Path, named: Option<(&Path, usize)>, depth: usize) {
        let wild = pattern
            .file_name()
            .and_then(OsStr::to_str)
            .filter(|name| name.contains(['*', '?']));
        let Some(wild) = wild else {
            let includes = self.file(pattern, named);
            return self.includes(pattern, includes, depth + 1);
        };
        let directory = pattern.parent().unwrap_or(Path::new("."));
        let names = match matching(directory, wild) {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return,
            Err(e) => {
                let (blamed, line) = named.unwrap_or((directory, 0));
                return self.problem(blamed, line, format!("{}: {e}", directory.display()));
            }
        };
        for name in names {
            let path = directory.join(name);
            let includes = self.file(&path, named);
            self.includes(&path, includes, depth + 1);
        }
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "longer than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

/// Names in a directory that fit a pattern, sorted; hidden files only when the pattern begins with a dot.
fn matching(directory: &Path, pattern: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if fits(pattern.as_bytes(), name.as_bytes())
            && name.starts_with('.') == pattern.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a name fits a pattern of `*`, `?` and plain characters.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("*.conf", ".conf", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("?.conf", "ab.conf", false),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
