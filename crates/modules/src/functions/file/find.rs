//! `file.find`: the options of find(1) as Salt has them.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use regex::Regex;
use serde_json::{Value, json};

use super::{
    Answer, Args, Env, FOUND_MAX, Failure, Function, check_cancelled, content, path, paths,
};
use crate::digest::{self, Algorithm};
use crate::files::owner::{group_id, group_name, user_id, user_name};
use crate::{pattern, python};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "file.find",
    "path, *args, **kwargs",
    "Find files below a path (which may be a shell pattern), as find(1) does; links are not followed.\n\n\
     name, iname: shell pattern of the name. regex, iregex: regular expression that the name begins with.\n\
     type: letters of b c d p f l s. owner, group: names or numbers, with commas.\n\
     size: [+-]number[bkmgt], + for larger, - for smaller. mtime: [+-][Nw][Nd][Nh][Nm][Ns], - for changed since, else \
     for changed before. grep: regular expression in the content.\n\
     maxdepth, mindepth: levels below the path.\n\
     print: what to show, of path name size type mode mtime user group md5. delete: remove what was found, types as \
     for type (f by default); test=True only shows it.",
    "file.find /var/log name=\\*.[0-9] mtime=+30d size=+10m delete",
    find,
)];

/// Seconds in the units of `mtime`.
const UNITS: [(char, f64); 5] = [
    ('w', 604_800.0),
    ('d', 86_400.0),
    ('h', 3600.0),
    ('m', 60.0),
    ('s', 1.0),
];

enum Test {
    Name(Regex),
    /// Letters of types.
    Type(String),
    Owner(Vec<u32>),
    Group(Vec<u32>),
    Size {
        min: u64,
        max: u64,
    },
    ChangedSince(f64),
    ChangedBefore(f64),
    Grep(Regex),
}

struct Finder {
    tests: Vec<Test>,
    print: Vec<String>,
    delete: bool,
    is_dry: bool,
    depths: std::ops::RangeInclusive<usize>,
}

fn find(args: &Args, env: &Env) -> Answer {
    let finder = match Finder::read(args) {
        Ok(finder) => finder,
        Err(text) => return Ok(json!(format!("error: {text}"))),
    };
    let mut found = Vec::new();
    for start in paths::expand_glob(&path(args, "path")?)? {
        finder.walk(&start, env, &mut found)?;
    }
    found.sort_by_cached_key(Value::to_string);
    Ok(Value::Array(found))
}

impl Finder {
    fn read(args: &Args) -> Result<Finder, String> {
        let mut finder = Finder {
            tests: Vec::new(),
            print: Vec::new(),
            delete: false,
            is_dry: false,
            depths: 0..=usize::MAX,
        };
        let flags = args.extra_args.iter().map(python::text);
        let mut options: Vec<(String, Value)> = flags
            .filter_map(|flag| match flag.as_str() {
                "delete" => Some((flag, json!("f"))),
                "print" => Some((flag, json!("path"))),
                _ => None,
            })
            .collect();
        options.extend(
            args.extra_kwargs
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        for (name, value) in options {
            finder.take(&name, &value)?;
        }
        // Cheap tests first: the content of a file is read only when all else fits.
        finder
            .tests
            .sort_by_key(|test| matches!(test, Test::Grep(_)));
        if finder.print.is_empty() {
            finder.print.push("path".to_owned());
        }
        Ok(finder)
    }

    fn take(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let text = python::text(value);
        let depth = || {
            text.parse::<usize>()
                .map_err(|_| format!("invalid depth \"{text}\""))
        };
        match name {
            "maxdepth" => self.depths = *self.depths.start()..=depth()?,
            "mindepth" => self.depths = depth()?..=*self.depths.end(),
            "test" => self.is_dry = python::truthy(value),
            _ if !python::truthy(value) => {
                return Err(format!("missing value for \"{name}\" option"));
            }
            "name" | "iname" => {
                let glob = pattern::glob(&text, name == "iname")
                    .ok_or_else(|| format!("invalid pattern: \"{text}\""))?;
                self.tests.push(Test::Name(glob));
            }
            "regex" | "iregex" => self.tests.push(Test::Name(regex(
                &format!("^(?:{text})"),
                name == "iregex",
            )?)),
            "grep" => self.tests.push(Test::Grep(regex(&text, false)?)),
            "type" => self.tests.push(Test::Type(types(&text)?)),
            "delete" => {
                self.delete = true;
                let letters = if text.contains('a') { "bcdpfls" } else { &text };
                self.tests.push(Test::Type(types(letters)?));
            }
            "owner" | "user" => {
                let id = |name: &str| user_id(&number_or_name(name)).map(|id| id.as_raw());
                self.tests.push(Test::Owner(ids(&text, "user", id)?));
            }
            "group" => {
                let id = |name: &str| group_id(&number_or_name(name)).map(|id| id.as_raw());
                self.tests.push(Test::Group(ids(&text, "group", id)?));
            }
            "size" => self.tests.push(size(&text)?),
            "mtime" => self.tests.push(changed(&text)?),
            "print" => self.print.extend(words(&text).map(str::to_owned)),
            _ => return Err(format!("invalid option \"{name}\"")),
        }
        Ok(())
    }

    fn walk(&self, start: &Path, env: &Env, found: &mut Vec<Value>) -> Result<(), Failure> {
        let mut waiting: Vec<(PathBuf, usize)> = vec![(start.to_owned(), 0)];
        while let Some((path, depth)) = waiting.pop() {
            check_cancelled(env)?;
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() && depth < *self.depths.end() {
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                waiting.extend(entries.map(|entry| (entry.path(), depth + 1)));
            }
            if self.depths.contains(&depth)
                && self.tests.iter().all(|test| test.fits(&path, &metadata))
                && let Some(shown) = self.act(&path, &metadata)?
            {
                found.push(shown);
            }
            if found.len() + waiting.len() > FOUND_MAX {
                return Err(Failure::command(format!(
                    "more than {FOUND_MAX} files below '{}'",
                    start.display()
                )));
            }
        }
        Ok(())
    }

    fn act(&self, path: &Path, metadata: &Metadata) -> Result<Option<Value>, Failure> {
        if self.delete {
            let removed = match (self.is_dry, metadata.is_dir()) {
                (true, _) => Ok(()),
                (false, true) => fs::remove_dir_all(path),
                (false, false) => fs::remove_file(path),
            };
            return Ok(removed.is_ok().then(|| json!(path.to_string_lossy())));
        }
        let mut shown: Vec<Value> = Vec::new();
        for part in &self.print {
            shown.push(show(part, path, metadata)?);
        }
        Ok(Some(if shown.len() == 1 {
            shown.remove(0)
        } else {
            Value::Array(shown)
        }))
    }
}

fn show(part: &str, path: &Path, metadata: &Metadata) -> Result<Value, Failure> {
    Ok(match part {
        "path" => json!(path.to_string_lossy()),
        "name" => json!(name_of(path)),
        "size" => json!(metadata.size()),
        "type" => json!(letter(metadata)),
        "mode" => json!(metadata.mode() & 0o777),
        "mtime" => json!(metadata.mtime()),
        "user" => user_name(metadata.uid()),
        "group" => group_name(metadata.gid()),
        "md5" if metadata.is_file() => json!(digest::of_file(Algorithm::Md5, path, 1 << 16)?),
        "md5" => json!(""),
        other => return Err(Failure::invocation(format!("'{other}' cannot be printed"))),
    })
}

impl Test {
    fn fits(&self, path: &Path, metadata: &Metadata) -> bool {
        match self {
            Test::Name(regex) => regex.is_match(&name_of(path)),
            Test::Type(letters) => letters.contains(letter(metadata)),
            Test::Owner(ids) => ids.contains(&metadata.uid()),
            Test::Group(ids) => ids.contains(&metadata.gid()),
            Test::Size { min, max } => (*min..=*max).contains(&metadata.size()),
            Test::ChangedSince(time) => metadata.mtime() as f64 >= *time,
            Test::ChangedBefore(time) => metadata.mtime() as f64 <= *time,
            Test::Grep(regex) => content::matches(path, regex),
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn letter(metadata: &Metadata) -> char {
    let kind = metadata.file_type();
    if kind.is_dir() {
        'd'
    } else if kind.is_symlink() {
        'l'
    } else if kind.is_fifo() {
        'p'
    } else if kind.is_socket() {
        's'
    } else if kind.is_char_device() {
        'c'
    } else if kind.is_block_device() {
        'b'
    } else {
        'f'
    }
}

fn regex(text: &str, ignore_case: bool) -> Result<Regex, String> {
    pattern::build(text, ignore_case)
        .ok_or_else(|| format!("invalid regular expression: \"{text}\""))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).filter(|word| !word.is_empty())
}

fn types(text: &str) -> Result<String, String> {
    let letters: String = words(text).collect();
    match letters.chars().find(|letter| !"bcdpfls".contains(*letter)) {
        Some(letter) => Err(format!("invalid file type \"{letter}\"")),
        None => Ok(letters),
    }
}

fn number_or_name(name: &str) -> Value {
    name.parse::<u64>()
        .map_or_else(|_| json!(name), |number| json!(number))
}

fn ids(text: &str, what: &str, id: impl Fn(&str) -> Option<u32>) -> Result<Vec<u32>, String> {
    words(text)
        .map(|name| id(name).ok_or_else(|| format!("no such {what} \"{name}\"")))
        .collect()
}

fn size(text: &str) -> Result<Test, String> {
    let invalid = || format!("invalid size: \"{text}\"");
    let scalar = text.trim().trim_start_matches(['+', '-']).to_lowercase();
    let unit = ["b", "k", "m", "g", "t"]
        .iter()
        .position(|unit| scalar.ends_with(unit));
    let factor = unit.map_or(1, |power| 1u64 << (10 * power));
    let digits = if unit.is_some() {
        &scalar[..scalar.len() - 1]
    } else {
        &scalar
    };
    let number: f64 = digits.trim().parse().map_err(|_| invalid())?;
    let bytes = number * factor as f64;
    if !(0.0..=1e18).contains(&bytes) {
        return Err(invalid());
    }
    let bytes = bytes as u64;
    Ok(match text.trim().chars().next() {
        Some('-') => Test::Size { min: 0, max: bytes },
        Some('+') => Test::Size {
            min: bytes,
            max: u64::MAX,
        },
        _ => Test::Size {
            min: bytes,
            max: bytes + factor - 1,
        },
    })
}

fn changed(text: &str) -> Result<Test, String> {
    let invalid = || format!("invalid time interval: '{text}'");
    let scalar: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let is_since = scalar.starts_with('-');
    let (mut seconds, mut number) = (0.0, String::new());
    // A number without a unit counts days.
    let with_unit = scalar.trim_start_matches(['+', '-']).chars().chain(
        scalar
            .ends_with(|c: char| c.is_ascii_digit())
            .then_some('d'),
    );
    for c in with_unit {
        match UNITS.iter().find(|(unit, _)| *unit == c) {
            Some((_, factor)) => {
                seconds += number.parse::<f64>().map_err(|_| invalid())? * factor;
                number.clear();
            }
            None => number.push(c),
        }
    }
    if !number.is_empty() || scalar.trim_start_matches(['+', '-']).is_empty() {
        return Err(invalid());
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    Ok(if is_since {
        Test::ChangedSince(now - seconds)
    } else {
        Test::ChangedBefore(now - seconds)
    })
}
