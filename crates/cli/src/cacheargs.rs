//! What is typed about the job cache outside.

use std::io::Write;

use clap::Subcommand;
use daemon::config::HubConfig;
use hub::places;

/// Words of `jobs cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum JobCacheStep {
    /// Print the statements that make the tables of the job cache in the settings
    #[command(after_help = "Example:\n  PROGRAM jobs cache schema")]
    Schema,
    /// Make the tables that are missing; what is there stays as it is
    #[command(after_help = "Example:\n  PROGRAM jobs cache init")]
    Init,
    /// Look whether it can be reached and has all tables
    #[command(after_help = "Example:\n  PROGRAM jobs cache check")]
    Check,
}

impl JobCacheStep {
    /// Does it, and prints what there is to say.
    ///
    /// # Errors
    /// As the functions of [`places`], and when it can't be printed.
    pub fn run(self, config: &HubConfig) -> anyhow::Result<()> {
        let text = match self {
            JobCacheStep::Schema => places::schema(config),
            JobCacheStep::Init => places::init(config),
            JobCacheStep::Check => places::check(config),
        }?;
        Ok(writeln!(std::io::stdout(), "{text}")?)
    }
}
