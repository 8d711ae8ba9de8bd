//! Forms in which results are printed, by their names.

use std::str::FromStr;

/// Forms of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An outline for people.
    Nested,
    /// Results of states, for people.
    Highstate,
    /// JSON: an object for each minion, or one for all.
    Json,
    /// YAML: a document for each minion, or one for all.
    Yaml,
    /// `id: value` lines.
    Txt,
    /// Python's `repr`.
    Raw,
    /// Python's `pprint`.
    Pprint,
    /// Rows and columns, where a value is a list of dictionaries.
    Table,
    /// The values of dictionaries without their keys, a line each.
    Values,
    /// Keys of nodes by their standing.
    Key,
    /// Nothing.
    Quiet,
    /// The whole account as one JSON document.
    Ledger,
    /// Equal results folded, for people.
    Group,
    /// The texts of functions, each once.
    Docs,
}

impl Form {
    /// The forms that may be asked for by name, and what they are.
    pub const NAMED: [(&str, Form, &str); 12] = [
        ("nested", Form::Nested, "An outline for people"),
        (
            "highstate",
            Form::Highstate,
            "States with their changes, and numbers of them",
        ),
        ("json", Form::Json, "A JSON object for each minion"),
        ("yaml", Form::Yaml, "A YAML document for each minion"),
        (
            "txt",
            Form::Txt,
            "A line for each line of a result, with the id before it",
        ),
        ("raw", Form::Raw, "As Python prints values"),
        ("pprint", Form::Pprint, "As Python lays out values"),
        (
            "table",
            Form::Table,
            "Rows and columns, where a value is a list of dictionaries",
        ),
        (
            "newline_values_only",
            Form::Values,
            "The values of dictionaries without their keys, a line each",
        ),
        ("key", Form::Key, "Keys of nodes by their standing"),
        ("quiet", Form::Quiet, "Nothing but the exit code"),
        (
            "ledger",
            Form::Ledger,
            "One JSON document with the outcome of every expected minion",
        ),
    ];

    /// Whether the text is for programs, which choke on other text beside it.
    pub fn is_document(self) -> bool {
        matches!(
            self,
            Form::Json | Form::Yaml | Form::Raw | Form::Pprint | Form::Values | Form::Ledger
        )
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Form, String> {
        Form::NAMED
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(_, form, _)| *form)
            .ok_or_else(|| {
                let names: Vec<&str> = Form::NAMED.iter().map(|(name, ..)| *name).collect();
                format!("there is no form {name:?}; there are {}", names.join(", "))
            })
    }
}
