//! A file of options in sections, kept as Salt keeps it: comments stay, an option takes the place of a comment that names it, and lines are
//! written anew.

use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use serde_json::{Map, Value, json};
use sls::python_regex::Flags;

use super::Failure;
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::edit::substitution::{compile, found};
use crate::edit::text::{Text, bare_lines};
use crate::python;

/// A file with its options and sections.
pub(crate) struct Ini {
    path: PathBuf,
    top: Section,
    shapes: Shapes,
    no_spaces: bool,
}

/// Options in order, and sections below them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Section {
    items: Vec<(String, Item)>,
    /// What stands between options and values, as the file has it; empty before one was seen.
    separator: String,
}

/// A value, or a section. Lines that are no options are values whose names begin with `#`.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Value(String),
    Section(Section),
}

/// The patterns of lines.
struct Shapes {
    separator: String,
    option: Regex,
    comment: Regex,
    section: Regex,
}

impl Shapes {
    fn new(separator: &str) -> Result<Shapes, Failure> {
        let plain = Flags::default();
        let lines = Flags {
            multiline: true,
            ..plain
        };
        Ok(Shapes {
            separator: separator.to_owned(),
            option: compile(&format!(r"^(\s*)(.+?)\s*(\{separator})\s*(.*)\s*"), plain)?,
            comment: compile(r"^\s*(#|;)\s*(.*)", plain)?,
            section: compile(r"^\s*\[(.+?)\]\s*$", lines)?,
        })
    }

    /// Indentation, name, separator and value of a line that sets an option.
    fn option<'l>(&self, line: &'l str) -> Result<Option<[&'l str; 4]>, Failure> {
        let groups = found(self.option.captures(line))?;
        Ok(groups
            .map(|groups| [1, 2, 3, 4].map(|at| groups.get(at).map_or("", |group| group.as_str()))))
    }
}

impl Section {
    fn get(&self, name: &str) -> Option<&Item> {
        self.items
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, item)| item)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Item> {
        self.items
            .iter_mut()
            .find(|(known, _)| known == name)
            .map(|(_, item)| item)
    }

    fn take(&mut self, name: &str) -> Option<Item> {
        let at = self.items.iter().position(|(known, _)| known == name)?;
        Some(self.items.remove(at).1)
    }

    /// Reads the lines of a section.
    fn read(&mut self, text: &str, shapes: &Shapes) -> Result<(), Failure> {
        let text = text.trim_matches('\n');
        if text.is_empty() {
            return Ok(());
        }
        let (mut comments, mut unknown) = (0, 0);
        let mut indent = String::new();
        for line in text.split('\n') {
            if found(shapes.comment.is_match(line))? {
                comments += 1;
                self.set(&format!("#comment{comments}"), line.to_owned(), shapes)?;
                continue;
            }
            let blanks = line.len() - line.trim_start().len();
            let own_indent = line[..blanks].replace('\t', "    ");
            let is_continued = blanks > 0 && own_indent > indent;
            if let Some((_, Item::Value(value))) = self.items.last_mut().filter(|_| is_continued) {
                value.push('\n');
                value.push_str(line);
                continue;
            }
            match shapes.option(line)? {
                Some([blanks, name, separator, value]) => {
                    indent = blanks.replace('\t', "    ");
                    separator.clone_into(&mut self.separator);
                    self.set(name, value.to_owned(), shapes)?;
                }
                None => {
                    unknown += 1;
                    self.set(&format!("#unknown{unknown}"), line.to_owned(), shapes)?;
                }
            }
        }
        Ok(())
    }

    /// Sets an option; answers the value before when it was another one.
    fn set(
        &mut self,
        name: &str,
        value: String,
        shapes: &Shapes,
    ) -> Result<Option<Value>, Failure> {
        if let Some(Item::Value(known)) = self.get_mut(name) {
            if *known == value {
                return Ok(None);
            }
            return Ok(Some(json!(std::mem::replace(known, value))));
        }
        let mut at = self.items.len();
        for (place, (known, item)) in self.items.iter().enumerate() {
            let Item::Value(comment) = item else {
                continue;
            };
            if !known.contains("#comment") {
                continue;
            }
            let named = shapes.option(comment.trim_start_matches('#'))?;
            if named.is_some_and(|[_, found, ..]| found == name) {
                at = place;
                break;
            }
        }
        if at < self.items.len() {
            self.items.remove(at);
        }
        self.items.insert(at, (name.to_owned(), Item::Value(value)));
        Ok(Some(Value::Null))
    }

    /// Puts a section below this one, or its items into the one of that name.
    fn put(&mut self, name: &str, section: Section, shapes: &Shapes) -> Result<(), Failure> {
        let empty = Item::Section(Section {
            separator: section.separator.clone(),
            ..Section::default()
        });
        match self.get_mut(name) {
            Some(Item::Section(_)) => {}
            // An option of that name gives its place.
            Some(option) => *option = empty,
            None => self.items.push((name.to_owned(), empty)),
        }
        let Some(Item::Section(known)) = self.get_mut(name) else {
            return Ok(());
        };
        for (name, item) in section.items {
            match item {
                Item::Value(value) => {
                    known.set(&name, value, shapes)?;
                }
                Item::Section(section) => known.put(&name, section, shapes)?,
            }
        }
        Ok(())
    }

    /// Sets what a dictionary says; answers what changed.
    fn update(
        &mut self,
        wanted: &Map<String, Value>,
        shapes: &Shapes,
    ) -> Result<Map<String, Value>, Failure> {
        let mut changes = Map::new();
        for (name, value) in wanted {
            let Value::Object(options) = value else {
                let value = python::text(value);
                if let Some(before) = self.set(name, value.clone(), shapes)? {
                    changes.insert(name.clone(), json!({"before": before, "after": value}));
                }
                continue;
            };
            match self.get_mut(name) {
                Some(Item::Section(section)) => {
                    let changed = section.update(options, shapes)?;
                    if !changed.is_empty() {
                        changes.insert(name.clone(), Value::Object(changed));
                    }
                }
                _ => {
                    let mut section = Section {
                        separator: self.separator.clone(),
                        ..Section::default()
                    };
                    section.update(options, shapes)?;
                    let after = section.report(true);
                    self.put(name, section, shapes)?;
                    changes.insert(name.clone(), json!({"before": null, "after": after}));
                }
            }
        }
        Ok(changes)
    }

    /// The options and sections as a dictionary; other lines with `with_lines`.
    pub(crate) fn report(&self, with_lines: bool) -> Value {
        let items = self
            .items
            .iter()
            .filter(|(name, _)| with_lines || !name.starts_with('#'));
        let shown = items.map(|(name, item)| {
            let value = match item {
                Item::Value(value) => json!(value),
                Item::Section(section) => section.report(with_lines),
            };
            (name.clone(), value)
        });
        Value::Object(shown.collect())
    }

    fn render(&self, separator: &str, no_spaces: bool, out: &mut String) {
        let separator = if self.separator.is_empty() {
            separator
        } else {
            &self.separator
        };
        let between = match separator.trim() {
            "" => " ".to_owned(),
            bare if no_spaces => bare.to_owned(),
            bare => format!(" {bare} "),
        };
        for (name, item) in &self.items {
            if let Item::Value(value) = item {
                let is_line = name.trim_start().starts_with(['#', ';']);
                let line = if is_line {
                    value.clone()
                } else {
                    format!("{name}{between}{value}")
                };
                out.push_str(&line);
                out.push('\n');
            }
        }
        for (name, item) in &self.items {
            if let Item::Section(section) = item {
                out.push_str(&format!("\n[{name}]\n"));
                section.render(separator, no_spaces, out);
            }
        }
    }
}

impl Ini {
    /// Reads a file; a missing one has no options.
    pub(crate) fn read(path: &Path, separator: &str, no_spaces: bool) -> Result<Ini, Failure> {
        let mut ini = Ini {
            path: path.to_owned(),
            top: Section::default(),
            shapes: Shapes::new(separator)?,
            no_spaces,
        };
        if path.exists() {
            let text = Text::read(path)?;
            ini.parse(&bare_lines(text.as_str()).join("\n"))?;
        }
        Ok(ini)
    }

    fn parse(&mut self, text: &str) -> Result<(), Failure> {
        let (mut start, mut name) = (0, None);
        let mut pieces = Vec::new();
        for header in self.shapes.section.captures_iter(text) {
            let header = found(header)?;
            let (Some(whole), Some(title)) = (header.get(0), header.get(1)) else {
                continue;
            };
            pieces.push((
                name.replace(title.as_str().to_owned()),
                &text[start..whole.start()],
            ));
            start = whole.end();
        }
        pieces.push((name, &text[start..]));
        for (name, body) in pieces {
            let Some(name) = name else {
                self.top.read(body, &self.shapes)?;
                continue;
            };
            let mut section = Section {
                separator: self.top.separator.clone(),
                ..Section::default()
            };
            section.read(body, &self.shapes)?;
            self.top.put(&name, section, &self.shapes)?;
        }
        Ok(())
    }

    /// Sets what a dictionary says, writes the file, and answers what changed.
    pub(crate) fn set(
        &mut self,
        wanted: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Failure> {
        let changes = self.top.update(wanted, &self.shapes)?;
        self.write()?;
        Ok(changes)
    }

    pub(crate) fn top(&self) -> &Section {
        &self.top
    }

    /// A section that is there.
    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        match self.top.get(name) {
            Some(Item::Section(section)) => Some(section),
            _ => None,
        }
    }

    /// An option of a section, or one above all sections.
    pub(crate) fn option(&self, section: Option<&str>, name: &str) -> Option<&str> {
        let section = match section.filter(|section| !section.is_empty()) {
            Some(section) => self.section(section)?,
            None => &self.top,
        };
        match section.get(name) {
            Some(Item::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Removes an option, writes the file, and answers the value.
    pub(crate) fn remove_option(
        &mut self,
        section: Option<&str>,
        name: &str,
    ) -> Result<Option<String>, Failure> {
        let of_section = section.and_then(|section| match self.top.get_mut(section) {
            Some(Item::Section(section)) => Some(section),
            _ => None,
        });
        let removed = match of_section {
            Some(section) => section.take(name),
            None => self.top.take(name),
        };
        self.write()?;
        Ok(match removed {
            Some(Item::Value(value)) => Some(value),
            _ => None,
        })
    }

    /// Removes a section and writes the file; answers its options.
    pub(crate) fn remove_section(&mut self, name: &str) -> Result<Option<Value>, Failure> {
        let Some(Item::Section(section)) = self.top.take(name) else {
            return Ok(None);
        };
        self.write()?;
        Ok(Some(section.report(false)))
    }

    fn render(&self) -> String {
        let mut out = String::new();
        self.top
            .render(&self.shapes.separator, self.no_spaces, &mut out);
        // The first piece has no line of its own in front, but an empty line that begins a file stays gone too.
        out.trim_start_matches('\n').to_owned()
    }

    fn write(&self) -> Result<(), Failure> {
        replace(&self.path, self.render().as_bytes(), PUBLIC_MODE).map_err(|error| {
            Failure::command(format!(
                "Unable to write file '{}'. Exception: {}",
                self.path.display(),
                crate::failure::os_text(&error)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.ini");
        std::fs::write(
            &path,
            "top=1\n; note\n[a]\n#x = 0\ny: no\nmore=1\n  2\n\n[b c]\nz=3\n",
        )
        .unwrap();
        let mut ini = Ini::read(&path, "=", false).unwrap();
        let expected = json!({"top": "1", "a": {"more": "1\n  2"}, "b c": {"z": "3"}});
        assert_eq!(ini.top().report(false), expected);
        let wanted = json!({"a": {"x": 5}, "new": {"k": true}});
        let changes = ini.set(wanted.as_object().unwrap()).unwrap();
        let expected = json!({"a": {"x": {"before": null, "after": "5"}}, "new": {"before": null, "after": {"k": "True"}}});
        assert_eq!(Value::Object(changes), expected);
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = "top = 1\n; note\n\n[a]\nx = 5\ny: no\nmore = 1\n  2\n\n[b c]\nz = 3\n\n[new]\nk = True\n";
        assert_eq!(text, expected);
        assert_eq!(ini.option(Some("b c"), "z"), Some("3"));
        assert_eq!(
            ini.remove_option(Some("a"), "x").unwrap().as_deref(),
            Some("5")
        );
        assert!(ini.remove_section("new").unwrap().is_some());
        assert!(ini.remove_section("new").unwrap().is_none());
    }
}
