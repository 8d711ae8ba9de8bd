//! What was typed after `run`.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use output::{Form, States};

use crate::choice::ChoiceArgs;
use crate::duration;
use crate::forms::{Destination, form};
use crate::rollout::RolloutArgs;
use crate::targetargs::TargetArgs;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which minions: a glob over ids, or a path with a glob (eu/ams/web*)
    pub(crate) target: String,
    /// Which function: module.function; several with commas between run one after the other
    #[arg(value_name = "FUN", required_unless_present = "dry_run")]
    pub(crate) fun: Option<String>,
    /// Its arguments, read as YAML, and key=value for named ones; after -- none is taken for an option. Those of several functions have a comma between
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,

    #[command(flatten)]
    pub(crate) kind: TargetArgs,
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,

    /// Wait at most so long for the outcome; the job goes on [default: to its end]
    #[arg(short, long, value_name = "SECONDS", value_parser = duration::parse, help_heading = "Job")]
    pub(crate) timeout: Option<Duration>,
    /// Print the job's id and leave; the job goes on
    #[arg(long = "async", help_heading = "Job")]
    pub(crate) detach: bool,
    /// Minions use this state of the roots: a commit, branch or tag [default: what is served]
    #[arg(long, value_name = "COMMIT", help_heading = "Job")]
    pub(crate) roots: Option<String>,
    /// A minion that has not started after so long does not start any more [default: the hub's job_start_within]
    #[arg(long, value_name = "TIME", value_parser = duration::parse, help_heading = "Job")]
    pub(crate) start_within: Option<Duration>,
    /// A minion ends the function after so long [default: never; in turns: 1h]
    #[arg(long, value_name = "TIME", value_parser = duration::parse, help_heading = "Job")]
    pub(crate) time_limit: Option<Duration>,
    /// Keep it for minions that are down, and run it there when they are back within this time
    #[arg(long, value_name = "TIME", value_parser = duration::parse, help_heading = "Job", conflicts_with = "start_within")]
    pub(crate) hold: Option<Duration>,

    /// Pass over rules of the policy that forbid it, for this reason; only for the hub's own user
    #[arg(long = "override", value_name = "REASON", help_heading = "Job")]
    pub(crate) override_reason: Option<String>,

    #[command(flatten)]
    pub(crate) rollout: RolloutArgs,
    #[command(flatten)]
    pub(crate) view: View,
}

/// How results are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Results")]
pub struct View {
    /// Form of the results [default: highstate for results of states, else nested]
    #[arg(long, visible_alias = "output", value_name = "FORM", value_parser = form())]
    pub(crate) out: Option<Form>,
    #[command(flatten)]
    pub(crate) destination: Destination,
    /// One document for all minions instead of one for each (json, yaml, raw, pprint)
    #[arg(short = 's', long = "static")]
    pub(crate) one_document: bool,
    /// Fold equal results: "1,203 minions: True"
    #[arg(long, conflicts_with_all = ["out", "one_document"])]
    pub(crate) group: bool,
    /// How much of each state: full, terse, mixed, changes, filter, and each with _id for ids in place of names
    #[arg(long, value_name = "MODE", default_value = "full")]
    pub(crate) state_output: States,
    /// Whether states that went well and changed nothing are shown
    #[arg(long, value_name = "TRUTH", action = ArgAction::Set, value_parser = BoolishValueParser::new(), default_value = "true")]
    pub(crate) state_verbose: bool,
    /// Lines of states in columns, where a state has one line
    #[arg(long)]
    pub(crate) state_tabular: bool,
    /// Only states that failed or changed something
    #[arg(long, alias = "output-diff")]
    pub(crate) state_output_diff: bool,
    /// Also the shares of states that went well and that failed
    #[arg(long)]
    pub(crate) state_output_pct: bool,
    /// Also numbers of minions that returned, did not return, and failed
    #[arg(long)]
    pub(crate) summary: bool,
    /// Leave out minions that did not return.
    #[arg(skip)]
    pub(crate) hides_silent: bool,
}
