//! `file.tidied`: a directory without what is old or large.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use regex::Regex;
use serde_json::{Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, begin, fail, name_of, remove};
use crate::{pattern, python};

/// Most files that are looked at.
const FOUND_MAX: usize = 1_000_000;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.tidied",
    "name, age=0, matches=None, rmdirs=False, size=0, exclude=None, full_path_match=False, followlinks=False, \
     time_comparison='atime', age_size_logical_operator='OR', age_size_only=None, rmlinks=True, **kwargs",
    "Remove files below a directory that are as many days old (age, by time_comparison: atime, mtime or ctime) or as \
     large (size, 10k, 2M) as said, or both with age_size_logical_operator AND, or the one of age_size_only. matches, \
     exclude: lists of regular expressions of names, or with full_path_match of paths. rmdirs: directories too.",
    tidied,
);

/// What is removed.
struct Rule {
    age: i64,
    size: u64,
    time: String,
    is_both: bool,
    only: Option<String>,
    matches: Vec<Regex>,
    exclude: Vec<Regex>,
    is_by_path: bool,
    with_directories: bool,
    with_links: bool,
    today: Date,
}

fn tidied(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let mut answer = begin(&name);
    if !name.starts_with('/') {
        let comment = format!("Specified file {name} is not an absolute path");
        return Ok(fail(answer, comment));
    }
    if !Path::new(&name).is_dir() {
        let comment = format!("{name} does not exist or is not a directory.");
        return Ok(fail(answer, comment));
    }
    let rule = Rule::read(args)?;
    let mut doomed = Vec::new();
    rule.gather(Path::new(&name), args.flag("followlinks"), env, &mut doomed)?;
    if doomed.is_empty() {
        answer.comment = format!("Nothing to remove from directory {name}");
        return Ok(answer);
    }
    if env.is_test {
        answer.result = None;
        answer.comment = format!("{name} is set for tidy");
        answer.changes.insert("removed".to_owned(), json!(doomed));
        return Ok(answer);
    }
    let mut removed = Vec::new();
    for path in &doomed {
        // What was in a directory that is gone is gone with it.
        let outcome = match Path::new(path).symlink_metadata() {
            Ok(_) => remove(Path::new(path)),
            Err(_) => Ok(()),
        };
        if let Err(failure) = outcome {
            answer.changes.insert("removed".to_owned(), json!(removed));
            return Ok(fail(answer, failure.to_string()));
        }
        removed.push(path.clone());
    }
    answer.comment = format!(
        "Removed {} files or directories from directory {name}",
        doomed.len()
    );
    answer.changes.insert("removed".to_owned(), json!(removed));
    Ok(answer)
}

impl Rule {
    fn read(args: &Args) -> Result<Rule, Failure> {
        let word = |name: &str, known: &[&str]| -> Option<String> {
            let said = args.value(name).as_str()?.to_lowercase();
            known.contains(&said.as_str()).then_some(said)
        };
        let regexes = |name: &str, usual: &[&str]| -> Result<Vec<Regex>, Failure> {
            let texts: Vec<String> = match args.value(name) {
                Value::Null => usual.iter().map(|text| (*text).to_owned()).collect(),
                Value::Array(items) => items.iter().map(python::text).collect(),
                one => vec![python::text(one)],
            };
            texts
                .iter()
                .map(|text| {
                    pattern::build(&format!("^(?:{text})"), false).ok_or_else(|| {
                        Failure::invocation(format!("invalid regular expression: \"{text}\""))
                    })
                })
                .collect()
        };
        Ok(Rule {
            age: args.integer("age")?,
            size: match args.value("size") {
                Value::String(text) => bytes_of(text),
                _ => u64::try_from(args.integer("size")?).unwrap_or(0),
            },
            time: word("time_comparison", &["atime", "ctime", "mtime"])
                .unwrap_or_else(|| "atime".to_owned()),
            is_both: word("age_size_logical_operator", &["and", "or"])
                .is_some_and(|word| word == "and"),
            only: word("age_size_only", &["age", "size"]),
            matches: regexes("matches", &[".*"])?,
            exclude: regexes("exclude", &[])?,
            is_by_path: args.flag("full_path_match"),
            with_directories: args.flag("rmdirs"),
            with_links: args.flag("rmlinks"),
            today: Zoned::now().date(),
        })
    }

    /// Adds what is removed below a directory, the deepest first.
    fn gather(
        &self,
        directory: &Path,
        follows: bool,
        env: &StateEnv,
        doomed: &mut Vec<String>,
    ) -> Result<(), Failure> {
        // Directories stand in it twice: when they are opened, and when all below is done.
        let mut waiting: Vec<(PathBuf, bool)> = vec![(directory.to_owned(), false)];
        let mut seen = std::collections::HashSet::new();
        let mut count = 0;
        while let Some((directory, is_done)) = waiting.pop() {
            if env.env.cancel.is_cancelled() {
                return Err(Failure::command("the job was cancelled"));
            }
            let (dirs, files) = listed(&directory);
            count += dirs.len() + files.len();
            if count > 2 * FOUND_MAX {
                let text = format!(
                    "more than {FOUND_MAX} files below '{}'",
                    directory.display()
                );
                return Err(Failure::command(text));
            }
            if is_done {
                let paths = files.iter().chain(&dirs);
                doomed.extend(
                    paths
                        .filter(|path| self.fits(path))
                        .map(|path| path.to_string_lossy().into_owned()),
                );
                continue;
            }
            waiting.push((directory, true));
            for dir in dirs.into_iter().rev() {
                let id = fs::metadata(&dir).map(|found| (found.dev(), found.ino()));
                // A link may lead back up.
                if (follows || !dir.is_symlink()) && id.is_ok_and(|id| seen.insert(id)) {
                    waiting.push((dir, false));
                }
            }
        }
        Ok(())
    }

    fn fits(&self, path: &Path) -> bool {
        let is_link = path.is_symlink();
        let found = if is_link {
            path.symlink_metadata()
        } else {
            path.metadata()
        };
        let Ok(found) = found else { return false };
        let is_doomed = match (is_link, found.is_dir()) {
            (true, _) => self.with_links,
            (false, true) => self.with_directories,
            (false, false) => true,
        };
        let size = if is_link || found.is_dir() {
            0
        } else {
            found.size()
        };
        let time = match self.time.as_str() {
            "ctime" => found.ctime(),
            "mtime" => found.mtime(),
            _ => found.atime(),
        };
        let (is_old, is_large) = (self.days_since(time) >= self.age, size >= self.size);
        let is_meant = match self.only.as_deref() {
            Some("age") => is_old,
            Some(_) => is_large,
            None if self.is_both => is_old && is_large,
            None => is_old || is_large,
        };
        let text = if self.is_by_path {
            path.to_string_lossy().into_owned()
        } else {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let any = |regexes: &[Regex]| regexes.iter().any(|regex| regex.is_match(&text));
        is_doomed && is_meant && any(&self.matches) && !any(&self.exclude)
    }

    /// Whole days of the calendar between a time and today.
    fn days_since(&self, seconds: i64) -> i64 {
        let Ok(time) = Timestamp::from_second(seconds) else {
            return 0;
        };
        let date = time.to_zoned(TimeZone::system()).date();
        date.until(self.today)
            .map_or(0, |span| i64::from(span.get_days()).abs())
    }
}

/// The directories and the other things in a directory, in order.
fn listed(directory: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().partition(|path| path.is_dir())
}

/// A size as people write it: `10k`, `2MiB` by 1024, `2MB` by 1000; 0 for what is none.
fn bytes_of(text: &str) -> u64 {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim().to_lowercase());
    let Ok(number) = number.parse::<f64>() else {
        return 0;
    };
    let letters = "bkmgtpezy";
    let power = unit
        .chars()
        .next()
        .map_or(Some(0), |first| letters.find(first));
    let (Some(power), rest) = (power, unit.get(1..).unwrap_or_default()) else {
        return 0;
    };
    let base: f64 = match rest {
        "" => 1024.0,
        "ib" if power > 0 => 1024.0,
        "b" if power > 0 => 1000.0,
        _ => return 0,
    };
    (number * base.powi(power as i32)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn sizes_are_read() {
        let check = |text: &str, expected: u64| assert_eq!(bytes_of(text), expected, "{text}");
        check("10", 10);
        check("2k", 2048);
        check("2 MiB", 2 << 20);
        check("2MB", 2_000_000);
        check("1.5k", 1536);
        check("x", 0);
        check("3 bananas", 0);
    }

    #[test]
    fn old_and_large_files_go() {
        let host = Host::new();
        for (name, content) in [("d/a.log", "1234567890"), ("d/x/b.log", ""), ("d/keep", "")] {
            host.write(name, content);
        }
        let name = host.path("d");
        let large = json!({"name": name, "size": "10b", "age_size_only": "size"});
        let done = host.applies("file.tidied", large);
        assert_eq!(done.changes["removed"], json!([host.path("d/a.log")]));
        let old = json!({"name": name, "age": 1, "size": 1});
        let kept = host.state("file.tidied", old, false);
        assert_eq!(
            kept.comment,
            format!("Nothing to remove from directory {name}")
        );
        let all = json!({"name": name, "matches": [".*[.]log$", "x"], "rmdirs": true, "exclude": ["keep"]});
        let done = host.applies("file.tidied", all);
        assert_eq!(
            done.changes["removed"],
            json!([host.path("d/x/b.log"), host.path("d/x")])
        );
        assert!(Path::new(&host.path("d/keep")).exists());
    }
}
