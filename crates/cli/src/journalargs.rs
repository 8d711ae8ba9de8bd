//! What is typed about the journal of jobs.

use std::time::Duration;

use clap::Args;

use crate::duration;
use crate::lowargs::{List, ListForm};

/// Words of `jobs journal`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct JournalArgs {
    /// Only what is not older than this: 90s, 2h, 7d
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// Only of users whose names match this glob
    #[arg(long, value_name = "GLOB")]
    pub user: Option<String>,
    /// Only about functions whose names match this glob
    #[arg(long, value_name = "GLOB")]
    pub function: Option<String>,
    #[command(flatten)]
    list: List,
}

impl JournalArgs {
    /// Whether lines are printed as they stand in the file, JSON.
    pub fn is_json(&self) -> bool {
        self.list.out == ListForm::Json
    }
}
