//! What is typed about the journal of jobs.

use std::time::Duration;

use clap::Args;
use daemon::config::HubConfig;
use hub::job_journal::{self, Wanted};

use crate::duration;
use crate::lowargs::{List, ListForm};

/// Words of `jobs journal`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct JournalArgs {
    /// Only what is not older than this: 90s, 2h, 7d
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) since: Option<Duration>,
    /// Only of users whose names match this glob
    #[arg(long, value_name = "GLOB")]
    pub(crate) user: Option<String>,
    /// Only about functions whose names match this glob
    #[arg(long, value_name = "GLOB")]
    pub(crate) function: Option<String>,
    #[command(flatten)]
    list: List,
}

impl JournalArgs {
    /// Prints what is wanted of the journal.
    ///
    /// # Errors
    /// As [`job_journal::print`].
    pub fn run(self, config: &HubConfig) -> anyhow::Result<()> {
        let wanted = Wanted {
            since: self.since,
            raw: self.is_json(),
            user: self.user,
            function: self.function,
        };
        job_journal::print(config, &wanted)
    }

    /// Whether lines are printed as they stand in the file, JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.list.out == ListForm::Json
    }
}
