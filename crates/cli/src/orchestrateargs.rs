//! What was typed after `orchestrate`.

use std::time::Duration;

use clap::Args;

use crate::duration;
use crate::runargs::View;

/// Arguments of `orchestrate`.
#[derive(Debug, Args)]
pub(crate) struct OrchestrateArgs {
    /// Which SLS, names with commas
    pub(crate) sls: String,
    /// pillar='{key: value}', saltenv=ENV, pillarenv=ENV, exclude=SLS, test=True
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) args: Vec<String>,
    /// Wait at most so long for the outcome; it goes on [default: to its end]
    #[arg(short, long, value_name = "SECONDS", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Print its id and leave; it goes on
    #[arg(long = "async")]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) view: View,
}
