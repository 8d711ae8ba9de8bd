//! What was typed: the one definition of all commands, from which help, completions and manual pages are made.
//!
//! `PROGRAM` in a text stands for the name of the program, which `definition` puts in.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use output::Form;
use wire::control::Left;
use wire::{Jid, Role};

use crate::cacheargs::JobCacheStep;
use crate::duration;
use crate::findargs::FindArgs;
use crate::forms::{Destination, form};
use crate::journalargs::JournalArgs;
use crate::orchestrateargs::OrchestrateArgs;
use crate::rollout::RolloutArgs;
pub use crate::runargs::{RunArgs, View};
use crate::targetargs::TargetArgs;

#[derive(Debug, Parser)]
pub(crate) struct Lowargs {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// Everything that the program keeps lies below this directory [default: the setting root_dir, else /]
    #[arg(long, global = true, value_name = "DIR")]
    pub root_dir: Option<PathBuf>,
    /// Read the settings from this file [default: etc/banyan/PROGRAM below the root directory]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The least important messages that the daemon logs
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// Colour in what is printed
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

/// Importance of log messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // The words are the meaning.
pub enum LogLevel {
    Quiet,
    Error,
    #[value(alias = "warn")]
    Warning,
    Info,
    Debug,
    Trace,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also in files and pipes
    Always,
    /// Nowhere
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a function on minions and show what they return
    #[command(after_help = "\
Examples:
  PROGRAM run '*' test.ping
  PROGRAM run 'web*' cmd.run 'uptime'
  PROGRAM run 'eu/ams/*' pkg.install nginx          all minions of the site eu/ams
  PROGRAM run -G 'os:Debian' cmd.run 'df -h' --group
  PROGRAM run -C 'G@role:db and not eu/*' service.restart postgresql --summary
  PROGRAM run -L web1,web2 cmd.run -- -x            arguments after -- are never options
  PROGRAM run '*' state.apply --async               prints the job's id and leaves
  PROGRAM run -S 10.0.0.0/8 --dry-run               names who would be meant, and runs nothing
  PROGRAM run '*' --state up --subset 3 test.ping   three that are up, chosen at random
  PROGRAM run 'web*' --failed-in 20261122231556000001 state.apply --expect 12

Exit codes:
  0  every expected minion is ok
  1  some failed
  2  the target matches no minion, or none of those that are asked for
  3  none failed; some are unreachable, lost, expired or not finished,
     or nobody has an id of the target
  4  refused
  64 wrong usage, 69 the daemon does not answer, 70 internal fault, 78 wrong settings

Ctrl-C cancels the job on all minions and waits for the outcome; a second Ctrl-C leaves at once.")]
    Run(Box<RunArgs>),
    /// List, show, follow and cancel jobs
    #[command(subcommand, arg_required_else_help = true)]
    Jobs(JobsCommand),
    /// Count the minions of each site: accepted, up, down, cut off since when, pending
    #[command(after_help = "\
Examples:
  PROGRAM tree
  PROGRAM tree --minions
  PROGRAM tree --out json")]
    Tree {
        /// Also a row for each minion
        #[arg(long)]
        minions: bool,
        #[command(flatten)]
        list: List,
    },
    /// List keys, and decide who is let into the tree
    #[command(subcommand, arg_required_else_help = true)]
    Keys(KeysCommand),
    /// Make tokens with which new nodes join without an operator
    #[command(subcommand, arg_required_else_help = true)]
    Token(TokenCommand),
    /// Show and update the commit that each site serves
    #[command(subcommand, arg_required_else_help = true)]
    Roots(RootsCommand),
    /// Let a syndic order jobs in its own subtree, or take that back
    #[command(after_help = "\
Examples:
  PROGRAM delegate ams1 --functions 'test.*,state.apply' --ttl 30d
  PROGRAM delegate ams1 --revoke")]
    Delegate(DelegateArgs),
    /// Say whether the rules of this hub let you run a function on minions
    #[command(
        name = "may-i",
        after_help = "\
Nothing is run. Exit code 0: it would be let out; 4: it would not.

Examples:
  PROGRAM may-i 'web*' state.apply
  PROGRAM may-i -G os:Debian pkg.upgrade --site eu"
    )]
    MayI(MayIArgs),
    /// Show the fingerprints, the version and the rights of this hub
    #[command(after_help = "\
The tree's fingerprint is what new nodes pin as master_finger, so that they trust the right tree.

Example:
  PROGRAM identity --out json")]
    Identity {
        #[command(flatten)]
        list: List,
    },
    /// Call a runner: a function that this hub answers itself
    #[command(after_help = "\
Examples:
  PROGRAM runner manage.status
  PROGRAM runner manage.up --out json
  PROGRAM runner jobs.lookup_jid 20261122231556000001 missing=true
  PROGRAM runner --list jobs")]
    Runner {
        /// Which runner: module.function
        #[arg(value_name = "FUN", required_unless_present = "list")]
        fun: Option<String>,
        /// Say what runners and wheel functions there are, and what they do: all, those of a module, or one
        #[arg(short = 'd', long, alias = "doc", conflicts_with = "args")]
        list: bool,
        /// Its arguments, read as YAML, and key=value for named ones; after -- none is taken for an option
        #[arg(value_name = "ARGS", allow_negative_numbers = true)]
        args: Vec<String>,
        /// Print the id of the call and leave; jobs.lookup_jid finds its answer
        #[arg(long = "async", conflicts_with = "list")]
        detach: bool,
        /// Form of the answer [default: the one that the answer names, else nested]
        #[arg(long, visible_alias = "output", value_name = "FORM", value_parser = form())]
        out: Option<Form>,
        #[command(flatten)]
        destination: Destination,
    },
    /// Run states that order jobs over the whole tree, in their order: SLS of salt.state, salt.function and their kin
    #[command(after_help = "\
The SLS come from the roots that this hub serves, and every job of theirs runs at that commit.

Exit codes: 0 all states went well, 1 one failed, 3 it was lost with its hub; others as for run.

Ctrl-C interrupts the orchestration: no further state begins, and jobs that were ordered go on. A second Ctrl-C leaves at once.

Examples:
  PROGRAM orchestrate deploy.app
  PROGRAM orchestrate deploy.app pillar='{version: 2.1}' test=True
  PROGRAM orchestrate deploy.app --async")]
    Orchestrate(OrchestrateArgs),
    /// Make a new tree: its keys and its trust
    #[command(after_help = "\
Makes the keys of a new tree below the root directory, once; a tree that exists stays as it is.

Example:
  PROGRAM init --id top1
  PROGRAM serve")]
    Init(InitArgs),
    /// Make this a second top-master of a tree, in three steps
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "\
Examples:
  PROGRAM join request request.bin                  on the new top-master
  PROGRAM join admit request.bin admission.bin      on one that the tree has
  PROGRAM join complete admission.bin               on the new top-master"
    )]
    Join(JoinStep),
    /// Start the daemon in the foreground
    #[command(after_help = "\
Examples:
  PROGRAM serve
  PROGRAM serve --root-dir /tmp/tree --log-level debug")]
    Serve,
    /// Follow the event bus: what minions send, and what this hub knows of jobs, presence, keys, sites and roots
    #[command(after_help = "\
Events go to who follows, and are never kept. Where more come than can be printed, it is said how many are missing.

Examples:
  PROGRAM events
  PROGRAM events 'salt/job/*/ret/*' 'banyan/site/*' --out json
  PROGRAM events 'salt/minion/web1/start' --count 1 --quiet && echo web1 is up")]
    Events(EventsArgs),
    /// Print the completions of a shell
    #[command(after_help = "\
Example:
  PROGRAM completions bash > /etc/bash_completion.d/PROGRAM")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Make links by the names of Salt's commands: salt, salt-run, salt-key, salt-cp
    #[command(
        name = "install-names",
        after_help = "\
By such a name the program behaves as Salt's command does, so that scripts go on working.

Examples:
  PROGRAM install-names
  PROGRAM install-names --dir /opt/bin --force"
    )]
    InstallNames {
        /// Where to
        #[arg(long, value_name = "DIR", default_value = "/usr/local/bin")]
        dir: PathBuf,
        /// Replace what has one of the names
        #[arg(long)]
        force: bool,
    },
    /// Write the manual pages into a directory
    #[command(after_help = "\
Example:
  PROGRAM man /usr/local/share/man/man1")]
    Man {
        /// Where to; it is made when it is not there
        dir: PathBuf,
    },
}

/// Form of lists. Without a group of its own, which would have the name of the commands `list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[group(skip)]
pub(crate) struct List {
    /// Form of what is printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) out: ListForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListForm {
    /// For people
    Text,
    /// One JSON document
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// The newest jobs, or those that fit
    #[command(
        after_help = "Examples:\n  PROGRAM jobs list --limit 50\n  PROGRAM jobs list --function 'state.*' --state failed,lost --since 2d\n  PROGRAM jobs list --minion web1 --before 20261122231556000001"
    )]
    List(Box<FindArgs>),
    /// A job as it stands now
    #[command(after_help = "Example:\n  PROGRAM jobs show 20261122231556000001 --out ledger")]
    Show {
        /// The job's id
        #[arg(value_parser = jid)]
        jid: Jid,
        #[command(flatten)]
        view: View,
    },
    /// Follow a job to its end; Ctrl-C leaves, and the job goes on
    #[command(after_help = "Example:\n  PROGRAM jobs watch 20261122231556000001")]
    Watch {
        /// The job's id
        #[arg(value_parser = jid)]
        jid: Jid,
        /// Wait at most so long; the job goes on [default: to its end]
        #[arg(short, long, value_name = "SECONDS", value_parser = duration::parse)]
        timeout: Option<Duration>,
        #[command(flatten)]
        view: View,
    },
    /// End a job wherever it runs
    #[command(after_help = "Example:\n  PROGRAM jobs cancel 20261122231556000001")]
    Cancel {
        /// The job's id
        #[arg(value_parser = jid)]
        jid: Jid,
        /// Wait at most so long for the minions' answers [default: for all of them]
        #[arg(short, long, value_name = "SECONDS", value_parser = duration::parse)]
        timeout: Option<Duration>,
        #[command(flatten)]
        view: View,
    },
    /// Run a job again for exactly those that it left, at the same roots
    #[command(
        after_help = "Examples:\n  PROGRAM jobs retry 20261122231556000001\n  PROGRAM jobs retry 20261122231556000001 --state unreachable --hold 2h"
    )]
    Retry(Box<RetryArgs>),
    /// Give no more turns in a rollout; what runs goes on
    #[command(after_help = "Example:\n  PROGRAM jobs stop 20261122231556000001")]
    Stop {
        /// The job's id
        #[arg(value_parser = jid)]
        jid: Jid,
    },
    /// Go on with a rollout that waits for a word after a stage
    #[command(after_help = "Example:\n  PROGRAM jobs continue 20261122231556000001")]
    Continue {
        /// The job's id
        #[arg(value_parser = jid)]
        jid: Jid,
    },
    /// The job cache outside, as the settings name it
    #[command(subcommand)]
    Cache(JobCacheStep),
    /// Who ordered what, and what came of it: the journal of `journal_file`, oldest first
    #[command(
        after_help = "Read from the file, so whoever may read that may ask.\n\nExamples:\n  PROGRAM jobs journal --since 2h\n  PROGRAM jobs journal --user ann --function 'state.*' --out json"
    )]
    Journal(JournalArgs),
    /// Take over jobs of another top-master that is gone: their accounts, and the turns of rollouts
    #[command(
        after_help = "Nothing runs twice. Run it when the other one is down: when it is back it follows.\n\nExamples:\n  PROGRAM jobs adopt 20261122231556000001\n  PROGRAM jobs adopt --of top1"
    )]
    Adopt {
        /// The job's id
        #[arg(value_parser = jid, required_unless_present = "of", conflicts_with = "of")]
        jid: Option<Jid>,
        /// All jobs of the top-master with this id that have not ended
        #[arg(long, value_name = "TOP")]
        of: Option<String>,
        #[command(flatten)]
        list: List,
    },
}

/// Arguments of `jobs retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The job's id
    #[arg(value_parser = jid)]
    pub(crate) jid: Jid,
    /// Minions that it left so
    #[arg(
        long = "state",
        value_name = "STATES",
        value_delimiter = ',',
        default_value = "failed,lost,unreachable,not-started"
    )]
    pub(crate) states: Vec<LeftState>,
    /// Wait at most so long for the outcome; the job goes on [default: to its end]
    #[arg(short, long, value_name = "SECONDS", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Print the new job's id and leave; the job goes on
    #[arg(long = "async")]
    pub(crate) detach: bool,
    /// Keep it for minions that are down, and run it there when they are back within this time
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) hold: Option<Duration>,
    /// Run nothing when the job is not for exactly so many minions
    #[arg(long, value_name = "NUMBER")]
    pub(crate) expect: Option<u64>,
    #[command(flatten)]
    pub(crate) rollout: RolloutArgs,
    #[command(flatten)]
    pub(crate) view: View,
}

/// How a job left a minion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LeftState {
    /// It returned, and failed
    Failed,
    /// It started and will never return
    Lost,
    /// There was no contact
    Unreachable,
    /// It is known not to have begun
    NotStarted,
}

impl LeftState {
    /// As the daemon is asked.
    pub(crate) fn left(self) -> Left {
        match self {
            LeftState::Failed => Left::Failed,
            LeftState::Lost => Left::Lost,
            LeftState::Unreachable => Left::Unreachable,
            LeftState::NotStarted => Left::NotStarted,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Keys by standing
    #[command(after_help = "Examples:\n  PROGRAM keys list\n  PROGRAM keys list 'web*' --out json")]
    List {
        /// Only ids that match one of these globs
        globs: Vec<String>,
        #[command(flatten)]
        list: List,
    },
    /// Let nodes into the tree
    #[command(
        after_help = "Examples:\n  PROGRAM keys accept web1 'db*'\n  PROGRAM keys accept --all -y"
    )]
    Accept {
        #[command(flatten)]
        which: Which,
        /// Also keys that were rejected before
        #[arg(long)]
        include_rejected: bool,
        /// Also keys that were denied, since another key holds their id
        #[arg(long)]
        include_denied: bool,
    },
    /// Turn nodes away, and remember that
    #[command(after_help = "Example:\n  PROGRAM keys reject 'old*' --include-accepted")]
    Reject {
        #[command(flatten)]
        which: Which,
        /// Also keys that are accepted: their nodes are cut off
        #[arg(long)]
        include_accepted: bool,
        /// Also keys that were denied
        #[arg(long)]
        include_denied: bool,
    },
    /// Forget keys of any standing: accepted nodes are cut off, and are new when they come again
    #[command(after_help = "Example:\n  PROGRAM keys delete web1")]
    Delete {
        #[command(flatten)]
        which: Which,
    },
    /// Fingerprints, to be compared with what a node says of itself
    #[command(after_help = "Example:\n  PROGRAM keys finger 'web*'")]
    Finger {
        /// Only ids that match one of these globs
        globs: Vec<String>,
        #[command(flatten)]
        list: List,
    },
}

/// Keys to decide about.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// Globs over ids
    #[arg(required_unless_present = "all")]
    pub(crate) globs: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "globs")]
    pub(crate) all: bool,
    /// Do not ask (without a terminal nothing is asked)
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown this once
    #[command(after_help = "\
Examples:
  PROGRAM token create --id 'web*' --ttl 1h --uses 20
  PROGRAM token create --role syndic --id ams1")]
    Create {
        /// What may join with it
        #[arg(long, default_value = "minion", value_parser = joining_role)]
        role: Role,
        /// A glob of ids that may use it; several times for several [default: any id]
        #[arg(long = "id", value_name = "GLOB")]
        ids: Vec<String>,
        /// How long it lives: seconds, or 30m, 12h, 7d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration::parse)]
        ttl: Duration,
        /// How often it may be used
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        uses: u32,
        #[command(flatten)]
        list: List,
    },
    /// The tokens in force, without their secrets
    #[command(after_help = "Example:\n  PROGRAM token list")]
    List {
        #[command(flatten)]
        list: List,
    },
    /// End a token
    #[command(after_help = "Example:\n  PROGRAM token revoke NAME")]
    Revoke {
        /// Its name in the list
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RootsCommand {
    /// The commit that each hub serves, and what is wrong
    #[command(after_help = "Example:\n  PROGRAM roots status --out json")]
    Status {
        #[command(flatten)]
        list: List,
    },
    /// Fetch the roots at every site now
    #[command(after_help = "\
Exit code with --wait: 0 every hub has answered and is well, 1 one reports a fault, 3 one is not connected.

Examples:
  PROGRAM roots update
  PROGRAM roots update --wait
  PROGRAM roots update --wait=5m --accept-rewind")]
    Update {
        /// Also accept a remote branch that was rewound (force-pushed)
        #[arg(long)]
        accept_rewind: bool,
        /// Wait for the sites, at most so long
        #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "60", value_parser = duration::parse)]
        wait: Option<Duration>,
        #[command(flatten)]
        list: List,
    },
}

#[derive(Debug, Args)]
pub(crate) struct MayIArgs {
    /// Which minions: a glob over ids, or a path with a glob (eu/ams/web*)
    pub(crate) target: String,
    /// Which function: module.function
    #[arg(value_name = "FUN")]
    pub(crate) fun: String,
    /// Its arguments, where rules ask for some
    #[arg(
        value_name = "ARG",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) args: Vec<String>,
    /// Ask for this user of the host, and hear what each rule says; for root alone
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) kind: TargetArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DelegateArgs {
    /// The syndic's id
    pub(crate) syndic: String,
    /// Functions with commas between: test.ping, 'state.*', '*'
    #[arg(
        long,
        value_delimiter = ',',
        required_unless_present = "revoke",
        value_name = "FUNCTIONS"
    )]
    pub(crate) functions: Vec<String>,
    /// How long: seconds, or 12h, 30d
    #[arg(long, value_parser = duration::parse, required_unless_present = "revoke", value_name = "TIME")]
    pub(crate) ttl: Option<Duration>,
    /// Take it back
    #[arg(long, conflicts_with_all = ["functions", "ttl"])]
    pub(crate) revoke: bool,
}

/// Arguments of `events`.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventsArgs {
    /// Only events whose tags match one of these globs [default: all]
    pub(crate) globs: Vec<String>,
    /// Leave after so many events [default: never]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Leave after so long; the exit code is 3 when fewer events than --count came
    #[arg(short, long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Print nothing: only wait
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Data over several lines, with their keys in order
    #[arg(long)]
    pub(crate) pretty: bool,
    #[command(flatten)]
    pub(crate) list: List,
}

/// Arguments of `init`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct InitArgs {
    /// This top-master's id [default: the setting id, else the host's name]
    #[arg(long)]
    pub id: Option<String>,
}

/// Steps that make a second top-master.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum JoinStep {
    /// On the new top-master: make its keys, and a request to be carried to the tree
    Request {
        /// This top-master's id [default: the setting id, else the host's name]
        #[arg(long)]
        id: Option<String>,
        /// Where the request is written
        #[arg(value_name = "REQUEST")]
        request: PathBuf,
    },
    /// On a top-master of the tree: let the new one in
    Admit {
        /// The request's file
        #[arg(value_name = "REQUEST")]
        request: PathBuf,
        /// Where the admission is written, to be carried back
        #[arg(value_name = "ADMISSION")]
        admission: PathBuf,
    },
    /// On the new top-master: take the admission
    Complete {
        /// The admission's file
        #[arg(value_name = "ADMISSION")]
        admission: PathBuf,
    },
}

pub(crate) fn jid(text: &str) -> Result<Jid, String> {
    text.parse()
        .map_err(|()| "a job's id has twenty digits".to_owned())
}

fn joining_role(text: &str) -> Result<Role, String> {
    match text.parse() {
        Ok(role @ (Role::Minion | Role::Syndic)) => Ok(role),
        _ => Err("minion or syndic".to_owned()),
    }
}
