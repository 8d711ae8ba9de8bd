//! One entry of apt's source lists: a line, or a section in the form of deb822.

use std::path::PathBuf;

use crate::failure::Failure;

/// What a line of a source list begins with.
const KINDS: [&str; 2] = ["deb", "deb-src"];

/// A part of a source list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) file: PathBuf,
    pub(super) form: Form,
}

/// How a part is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    /// What is no repository: comments, empty lines.
    Other(String),
    Line(Line),
    Section(Section),
}

/// `deb [option=value] uri dist comps # comment`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) is_disabled: bool,
    pub(super) kind: String,
    /// In the order of the line.
    pub(super) options: Vec<(String, String)>,
    pub(super) uri: String,
    pub(super) dist: String,
    pub(super) comps: Vec<String>,
    pub(super) comment: String,
}

impl Line {
    /// Reads a line; nothing when it is no repository.
    pub(super) fn parse(text: &str) -> Option<Line> {
        let text = text.trim();
        let (is_disabled, text) = match text.strip_prefix('#') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (text, comment) = match text.split_once('#') {
            Some((text, comment)) if !text.is_empty() => (text, comment.trim()),
            _ => (text, ""),
        };
        let text = text.trim();
        let (kind, rest) = text.split_once(char::is_whitespace)?;
        if !KINDS.contains(&kind) {
            return None;
        }
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => ("", rest),
        };
        let options = options
            .split_whitespace()
            .map(|option| match option.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (option.to_owned(), String::new()),
            });
        let mut words = rest.split_whitespace().map(str::to_owned);
        Some(Line {
            is_disabled,
            kind: kind.to_owned(),
            options: options.collect(),
            uri: words.next()?,
            dist: words.next()?,
            comps: words.collect(),
            comment: comment.to_owned(),
        })
    }

    /// The same, with an error for what is no repository.
    pub(super) fn read(repo: &str) -> Result<Line, Failure> {
        Line::parse(repo).ok_or_else(|| {
            Failure::invocation(format!(
                "Name {repo} is not valid. This must be the complete repo entry as seen in the sources file"
            ))
        })
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sets an option, or takes it away.
    pub(super) fn set_option(&mut self, name: &str, value: Option<String>) {
        match (
            self.options.iter().position(|(known, _)| known == name),
            value,
        ) {
            (Some(at), Some(value)) => self.options[at].1 = value,
            (Some(at), None) => drop(self.options.remove(at)),
            (None, Some(value)) => self.options.push((name.to_owned(), value)),
            (None, None) => {}
        }
    }

    pub(super) fn architectures(&self) -> Vec<String> {
        let list = self.option("arch").unwrap_or_default();
        list.split(',')
            .filter(|architecture| !architecture.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn signed_by(&self) -> String {
        self.option("signed-by").unwrap_or_default().to_owned()
    }

    pub(super) fn text(&self) -> String {
        let mut words = Vec::new();
        if self.is_disabled {
            words.push("#".to_owned());
        }
        words.push(self.kind.clone());
        let options: Vec<String> = self
            .options
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !options.is_empty() {
            words.push(format!("[{}]", options.join(" ")));
        }
        words.extend([self.uri.clone(), self.dist.clone(), self.comps.join(" ")]);
        if !self.comment.is_empty() {
            words.push(format!("#{}", self.comment));
        }
        words.join(" ").trim().to_owned()
    }
}

/// Whether a word means no.
pub(super) fn is_no(word: &str) -> bool {
    ["no", "false", "without", "off", "disable", "0"].contains(&word.to_lowercase().as_str())
}

/// Fields as `Types: deb`, with comments before and between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section {
    pub(super) header: Vec<String>,
    fields: Vec<(String, String)>,
    footer: Vec<String>,
}

impl Section {
    pub(super) fn parse(text: &str) -> Section {
        let mut section = Section::default();
        for line in text.lines() {
            if line.starts_with('#') {
                let part = if section.fields.is_empty() {
                    &mut section.header
                } else {
                    &mut section.footer
                };
                part.push(line.to_owned());
            } else if line.starts_with(char::is_whitespace) {
                if let Some((_, value)) = section.fields.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                section
                    .fields
                    .push((name.to_owned(), value.trim().to_owned()));
            }
        }
        section
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn words(&self, name: &str) -> Vec<String> {
        self.field(name)
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    /// Sets a field, or takes it away.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        let at = self
            .fields
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name));
        match (at, value) {
            (Some(at), Some(value)) => self.fields[at].1 = value,
            (Some(at), None) => drop(self.fields.remove(at)),
            (None, Some(value)) => self.fields.push((name.to_owned(), value)),
            (None, None) => {}
        }
    }

    fn text(&self) -> String {
        let fields = self
            .fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}: {value}"));
        let lines: Vec<String> = self
            .header
            .iter()
            .cloned()
            .chain(fields)
            .chain(self.footer.iter().cloned())
            .collect();
        lines.join("\n")
    }
}

impl Entry {
    pub(super) fn is_repository(&self) -> bool {
        match &self.form {
            Form::Other(_) => false,
            Form::Line(_) => true,
            Form::Section(section) => section
                .field("Types")
                .is_some_and(|types| !types.is_empty()),
        }
    }

    pub(super) fn types(&self) -> Vec<String> {
        match &self.form {
            Form::Other(_) => Vec::new(),
            Form::Line(line) => vec![line.kind.clone()],
            Form::Section(section) => section.words("Types"),
        }
    }

    pub(super) fn uris(&self) -> Vec<String> {
        match &self.form {
            Form::Other(_) => Vec::new(),
            Form::Line(line) => vec![line.uri.clone()],
            Form::Section(section) => section.words("URIs"),
        }
    }

    pub(super) fn suites(&self) -> Vec<String> {
        match &self.form {
            Form::Other(_) => Vec::new(),
            Form::Line(line) => vec![line.dist.clone()],
            Form::Section(section) => section.words("Suites"),
        }
    }

    pub(super) fn comps(&self) -> Vec<String> {
        match &self.form {
            Form::Other(_) => Vec::new(),
            Form::Line(line) => line.comps.clone(),
            Form::Section(section) => section.words("Components"),
        }
    }

    pub(super) fn architectures(&self) -> Vec<String> {
        match &self.form {
            Form::Other(_) => Vec::new(),
            Form::Line(line) => line.architectures(),
            Form::Section(section) => section.words("Architectures"),
        }
    }

    pub(super) fn signed_by(&self) -> String {
        match &self.form {
            Form::Other(_) => String::new(),
            Form::Line(line) => line.signed_by(),
            Form::Section(section) => section.field("Signed-By").unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn is_disabled(&self) -> bool {
        match &self.form {
            Form::Other(_) => false,
            Form::Line(line) => line.is_disabled,
            Form::Section(section) => section.field("Enabled").is_some_and(is_no),
        }
    }

    /// Whether this is the repository of a type, an address and a suite.
    pub(super) fn is(&self, line: &Line) -> bool {
        let uri = line.uri.trim_end_matches('/');
        self.is_repository()
            && self.types().contains(&line.kind)
            && self
                .uris()
                .iter()
                .any(|known| known.trim_end_matches('/') == uri)
            && self.suites().contains(&line.dist)
    }

    pub(super) fn text(&self) -> String {
        match &self.form {
            Form::Other(text) => text.clone(),
            Form::Line(line) => line.text(),
            Form::Section(section) => section.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written() {
        let check = |text: &str, expected: &str| {
            let line = Line::parse(text).unwrap();
            assert_eq!(line.text(), expected);
            assert_eq!(Line::parse(&line.text()).unwrap(), line);
        };
        check("deb http://a/ stable main", "deb http://a/ stable main");
        check(
            "deb   http://a/  stable   main  contrib",
            "deb http://a/ stable main contrib",
        );
        check(
            "#deb-src http://a/ stable main # why",
            "# deb-src http://a/ stable main #why",
        );
        check(
            "deb [ arch=amd64,i386 signed-by=/k.gpg trusted=no ] http://a ./",
            "deb [arch=amd64,i386 signed-by=/k.gpg trusted=no] http://a ./",
        );
        for other in [
            "",
            "# a comment",
            "deb http://a",
            "rpm http://a b",
            "deb [arch=amd64 http://a b",
        ] {
            assert_eq!(Line::parse(other), None, "{other}");
        }
        let line = Line::parse("deb [arch=amd64,i386 signed-by=/k.gpg] http://a ./").unwrap();
        assert_eq!(
            (line.architectures(), line.signed_by()),
            (
                vec!["amd64".to_owned(), "i386".to_owned()],
                "/k.gpg".to_owned()
            )
        );
        assert!(line.comps.is_empty());
    }

    #[test]
    fn sections_are_read_and_written() {
        let text = "# top\nTypes: deb deb-src\nURIs: http://a\nSuites: stable stable-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n x";
        let mut section = Section::parse(text);
        assert_eq!(section.words("types"), ["deb", "deb-src"]);
        assert_eq!(section.field("Signed-By"), Some("\n -----BEGIN\n .\n x"));
        section.set("Enabled", Some("no".to_owned()));
        section.set("Signed-By", None);
        let expected = "# top\nTypes: deb deb-src\nURIs: http://a\nSuites: stable stable-updates\nComponents: main\nEnabled: no";
        assert_eq!(section.text(), expected);
        let entry = Entry {
            file: PathBuf::from("x.sources"),
            form: Form::Section(section),
        };
        assert!(
            entry.is_disabled() && entry.is(&Line::parse("deb http://a/ stable-updates").unwrap())
        );
    }
}
