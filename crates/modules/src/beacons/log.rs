//! The beacon `log`: lines that are added to a file, by regular expressions.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use fancy_regex::Regex;
use serde_json::{Value, json};

use super::kinds::{item, only, told};
use super::{Caller, Memory, Told};

/// Bytes of a file that are read in one look; what is more waits for the next one.
const READ_MAX: u64 = 1 << 20;
/// Lines that are told in one look; the others of what was read are passed over.
const LINES_MAX: usize = 1_024;
/// Bytes of a line that are told.
const LINE_MAX: usize = 8 << 10;

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    device: u64,
    inode: u64,
    at: u64,
}

struct Wish {
    file: PathBuf,
    /// In the order of settings.
    tags: Vec<(String, Regex)>,
}

impl Wish {
    fn read(items: &[(String, Value)]) -> Result<Wish, String> {
        let file = item(items, "file").and_then(Value::as_str);
        let file = file.ok_or("Configuration for log beacon must contain file option.")?;
        let tags = item(items, "tags").and_then(Value::as_object);
        let tags = tags.ok_or("log: tags is a map, each with a regex")?;
        let tag = |(tag, said): (&String, &Value)| {
            let regex = said["regex"].as_str().filter(|regex| !regex.is_empty());
            let regex = regex.ok_or_else(|| format!("log: {tag} has no regex"))?;
            // As Python's match: at the beginning of the line.
            let regex = Regex::new(&format!("^(?:{regex})"));
            let regex = regex.map_err(|error| format!("log: {tag}: {error}"))?;
            Ok((tag.clone(), regex))
        };
        Ok(Wish {
            file: file.into(),
            tags: tags.iter().map(tag).collect::<Result<_, String>>()?,
        })
    }
}

pub(super) fn check(items: &[(String, Value)]) -> Result<(), String> {
    only(items, "log", &["file", "tags"])?;
    Wish::read(items).map(|_| ())
}

pub(super) fn look(
    items: &[(String, Value)],
    memory: &mut Memory,
    _: &Caller,
) -> Result<Vec<Told>, String> {
    let wish = Wish::read(items)?;
    let text = match added(&wish.file, &mut memory.place) {
        Ok(text) => text,
        // Between two files while it is rotated.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("log: {}: {error}", wish.file.display())),
    };
    let mut all = Vec::new();
    for line in text.lines() {
        for (tag, regex) in &wish.tags {
            if all.len() < LINES_MAX && regex.is_match(line).unwrap_or(false) {
                let raw = &line[..line.floor_char_boundary(LINE_MAX)];
                all.push(told(tag, json!({"match": "yes", "raw": raw, "error": ""})));
            }
        }
    }
    Ok(all)
}

/// The whole lines that came since the last look: none at the first one. A file that is another one now, or shorter, is read from its
/// beginning.
fn added(file: &std::path::Path, place: &mut Option<Place>) -> io::Result<String> {
    let mut file = File::open(file)?;
    let found = file.metadata()?;
    let (device, inode, end) = (found.dev(), found.ino(), found.len());
    let at = match *place {
        None => end,
        Some(last) if (last.device, last.inode) != (device, inode) || last.at > end => 0,
        Some(last) => last.at,
    };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(READ_MAX.min(end - at)).read_to_end(&mut bytes)?;
    // A line whose end is not written yet waits; one without an end is cut.
    let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last + 1,
        None if bytes.len() as u64 == READ_MAX => bytes.len(),
        None => 0,
    };
    *place = Some(Place {
        device,
        inode,
        at: at + whole as u64,
    });
    Ok(String::from_utf8_lossy(&bytes[..whole]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::super::Beacon;
    use super::*;

    fn raw(beacon: &mut Beacon) -> Vec<(String, Value)> {
        let call = |fun: &str, _: Vec<Value>| Err(format!("{fun} is not there"));
        let told = beacon.look(&call).unwrap();
        let line = |one: Told| (one.tag, one.data["raw"].clone());
        told.into_iter().map(line).collect()
    }

    #[test]
    fn lines_that_are_added_are_told_once_also_over_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("messages");
        fs::write(&path, "error: of yesterday\n").unwrap();
        let config = json!([
            {"file": path},
            {"tags": {"bad": {"regex": "error: (one|two|three|four)"}, "all": {"regex": ".*fo"}}},
        ]);
        let mut beacon = Beacon::read("log", &config).unwrap();
        assert_eq!(raw(&mut beacon), []);
        let append = |text: &str| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let bad = |text: &str| ("bad".to_owned(), json!(text));
        append("error: one\nno error: two\nerror: thr");
        assert_eq!(raw(&mut beacon), [bad("error: one")]);
        assert_eq!(raw(&mut beacon), []);
        append("ee\n");
        assert_eq!(raw(&mut beacon), [bad("error: three")]);
        fs::rename(&path, dir.path().join("messages.1")).unwrap();
        assert_eq!(raw(&mut beacon), []);
        fs::write(&path, "error: four\n").unwrap();
        let all = ("all".to_owned(), json!("error: four"));
        assert_eq!(raw(&mut beacon), [bad("error: four"), all]);
        fs::write(&path, "error: 4\n").unwrap();
        assert_eq!(raw(&mut beacon), []);
    }

    #[test]
    fn a_beacon_without_a_file_or_with_a_bad_regex_is_refused() {
        for config in [
            json!([{"tags": {"a": {"regex": "x"}}}]),
            json!([{"file": "/var/log/messages"}]),
            json!([{"file": "/var/log/messages"}, {"tags": {"a": {"regex": "("}}}]),
            json!([{"file": "/var/log/messages"}, {"tags": {"a": {}}}]),
        ] {
            assert!(Beacon::read("log", &config).is_err(), "{config}");
        }
    }
}
