//! The forms of results, as they are typed, and where what is printed goes.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use daemon::files;
use output::Form;

use crate::trouble::Trouble;

/// Reads the name of a form.
pub(crate) fn form() -> impl TypedValueParser<Value = Form> {
    let names = Form::NAMED.map(|(name, _, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Form>())
}

/// Where results go, and how they are indented.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Destination {
    /// Write the results into this file, and not on standard output
    #[arg(long, visible_alias = "output-file", value_name = "FILE")]
    pub(crate) out_file: Option<PathBuf>,
    /// Add them to what the file has
    #[arg(long, visible_alias = "output-file-append", requires = "out_file")]
    pub(crate) out_file_append: bool,
    /// Columns of a level of JSON; -1: a document on one line
    #[arg(long, visible_alias = "output-indent", value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..=64))]
    pub(crate) out_indent: Option<i32>,
}

impl Destination {
    /// Opens the file, before anything is asked for: a job whose results have no place does not run.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn open(&self) -> Result<Option<File>, Trouble> {
        let Some(path) = &self.out_file else {
            return Ok(None);
        };
        let opened =
            files::for_results(path, self.out_file_append).map_err(|source| Trouble::Write {
                what: path.display().to_string(),
                source,
            });
        opened.map(Some)
    }
}
