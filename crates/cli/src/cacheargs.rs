//! What is typed about the job cache outside.

use clap::Subcommand;

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
