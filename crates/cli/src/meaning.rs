//! What the typed words mean: which question goes to the daemon, and what becomes of the answer.

use std::path::PathBuf;
use std::time::Duration;

use clap_complete::Shell;
use output::Form;
use serde_json::Value;
use wire::control::{Adopted, Ask, RetryAsk, RunAsk, RunnerAsk};
use wire::{Jid, Json, KeyDecision, Standing};

use crate::LocalCommand;
use crate::called::{SEPARATOR, called};
use crate::findargs::Page;
use crate::forms::Destination;
use crate::lowargs::{
    Command, DelegateArgs, EventsArgs, JobsCommand, KeysCommand, LeftState, List, ListForm,
    MayIArgs, RetryArgs, RootsCommand, TokenCommand, Which,
};
use crate::orchestrateargs::OrchestrateArgs;
use crate::runargs::{RunArgs, View};

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Deed {
    /// The program does it.
    Local(LocalCommand),
    /// Print completions.
    Completions(Shell),
    /// Write manual pages.
    Man(PathBuf),
    /// Make links by other names.
    InstallNames { dir: PathBuf, force: bool },
    /// The daemon is asked.
    Errand(Errand),
}

/// What is to be asked of the daemon.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Ask, and follow a job.
    Follow {
        ask: Ask,
        follow: Follow,
        view: View,
    },
    /// Show whom a job would be for.
    Preview { ask: Ask, view: View },
    /// Show a job.
    Show { jid: Jid, view: View },
    /// Ask, and print the answer.
    Question { ask: Ask, form: ListForm },
    /// Print keys whose ids match, all without globs.
    Keys {
        globs: Vec<String>,
        with_fingerprints: bool,
        form: ListForm,
    },
    /// Decide about keys.
    Decide(Decide),
    /// Follow the event bus.
    Events(EventsArgs),
    /// Call a runner, and print its answer.
    Runner {
        ask: Ask,
        form: Option<Form>,
        destination: Destination,
    },
    /// Say what runners there are: all, those of a module, or one.
    Runners { which: Option<String> },
    /// Print jobs that fit.
    Find(Page),
}

/// How a job is followed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Follow {
    /// At most so long.
    pub(crate) timeout: Option<Duration>,
    /// Only until it is accepted.
    pub(crate) detach: bool,
    /// Ctrl-C cancels the job.
    pub(crate) owns_job: bool,
    /// The job, when it is known before.
    pub(crate) jid: Option<Jid>,
}

impl Follow {
    /// A job that this command starts, and may cancel.
    pub(crate) fn of_own(timeout: Option<Duration>, detach: bool) -> Follow {
        Follow {
            timeout,
            detach,
            owns_job: true,
            jid: None,
        }
    }
}

/// A decision about keys.
#[derive(Debug)]
pub(crate) struct Decide {
    pub(crate) decision: KeyDecision,
    pub(crate) globs: Vec<String>,
    /// Keys in these standings; empty for any.
    pub(crate) standings: Vec<Standing>,
    pub(crate) yes: bool,
    pub(crate) form: ListForm,
}

impl Deed {
    /// What a command means, said by this user.
    pub(crate) fn new(command: Command, user: &str) -> Result<Deed, String> {
        Ok(Deed::Errand(match command {
            Command::Init(args) => return Ok(Deed::Local(LocalCommand::Init(args))),
            Command::Join(step) => return Ok(Deed::Local(LocalCommand::Join(step))),
            Command::Serve => return Ok(Deed::Local(LocalCommand::Serve)),
            Command::Completions { shell } => return Ok(Deed::Completions(shell)),
            Command::Man { dir } => return Ok(Deed::Man(dir)),
            Command::InstallNames { dir, force } => return Ok(Deed::InstallNames { dir, force }),
            Command::Run(args) => run(*args, user)?,
            Command::Jobs(command) => return jobs(command, user),
            Command::Tree { minions, list } => question(Ask::Tree { minions }, list),
            Command::Keys(command) => keys(command),
            Command::Token(command) => token(command),
            Command::Roots(RootsCommand::Status { list }) => question(Ask::Roots, list),
            Command::Roots(RootsCommand::Update {
                accept_rewind,
                wait,
                list,
            }) => {
                let wait_ms = wait.map(millis).unwrap_or(0);
                question(
                    Ask::RootsUpdate {
                        accept_rewind,
                        wait_ms,
                    },
                    list,
                )
            }
            Command::Delegate(args) => order(delegate(args)),
            Command::MayI(args) => order(may_i(args, user)?),
            Command::Events(args) => Errand::Events(args),
            Command::Identity { list } => question(Ask::Identity, list),
            Command::Runner {
                fun: Some(fun),
                list: false,
                args,
                detach,
                out,
                destination,
            } => runner(fun, &args, user, detach, out, destination)?,
            Command::Runner { fun: which, .. } => Errand::Runners { which },
            Command::Orchestrate(args) => orchestrate(args, user),
        }))
    }
}

/// A question whose answer is printed.
fn question(ask: Ask, list: List) -> Errand {
    Errand::Question {
        ask,
        form: list.out,
    }
}

/// A question whose answer is that it is done.
fn order(ask: Ask) -> Errand {
    Errand::Question {
        ask,
        form: ListForm::Text,
    }
}

fn token(command: TokenCommand) -> Errand {
    match command {
        TokenCommand::Create {
            role,
            ids,
            ttl,
            uses,
            list,
        } => question(
            Ask::TokenCreate {
                role,
                ids,
                ttl_s: ttl.as_secs(),
                uses,
            },
            list,
        ),
        TokenCommand::List { list } => question(Ask::TokenList, list),
        TokenCommand::Revoke { name } => order(Ask::TokenRevoke { name }),
    }
}

fn run(args: RunArgs, user: &str) -> Result<Errand, String> {
    let called = called(args.fun.unwrap_or_default(), &args.args, SEPARATOR, &[])?;
    let is_preview = args.choice.dry_run;
    let ask = RunAsk {
        target_kind: args.kind.name().to_owned(),
        target: args.target,
        site: args.kind.site,
        delimiter: args.kind.delimiter,
        fun: called.fun,
        args: called.args,
        kwargs: called.kwargs,
        user: user.to_owned(),
        // 0 is the hub's own setting.
        start_within_ms: args.start_within.map(millis).unwrap_or(0),
        run_ms_max: args.time_limit.map(millis),
        roots: args.roots,
        hold_ms: args.hold.map(millis),
        plan: args.rollout.plan()?,
        detach: args.detach,
        override_reason: args.override_reason,
        choice: args.choice.choice(),
    };
    if is_preview {
        return Ok(Errand::Preview {
            ask: Ask::Preview(Box::new(ask)),
            view: args.view,
        });
    }
    let ask = Ask::Run(Box::new(ask));
    Ok(ordered(ask, args.timeout, args.detach, args.view))
}

/// The job that is asked about has no more than a rule looks at.
fn may_i(args: MayIArgs, user: &str) -> Result<Ask, String> {
    let called = called(args.fun, &args.args, SEPARATOR, &[])?;
    let ask = RunAsk {
        target_kind: args.kind.name().to_owned(),
        target: args.target,
        site: args.kind.site,
        delimiter: args.kind.delimiter,
        fun: called.fun,
        args: called.args,
        kwargs: called.kwargs,
        ..RunAsk::of(user.to_owned())
    };
    Ok(match args.user {
        None => Ask::MayI(Box::new(ask)),
        Some(user) => Ask::MayOther(Box::new(RunAsk { user, ..ask })),
    })
}

/// A runner with its arguments as they are typed.
pub(crate) fn runner(
    fun: String,
    args: &[String],
    user: &str,
    detach: bool,
    form: Option<Form>,
    destination: Destination,
) -> Result<Errand, String> {
    let (positional, named) = yaml::parse_arguments(args);
    // The one that prints while it runs.
    if fun == "state.event" {
        return EventsArgs::of_runner(&positional, &named).map(Errand::Events);
    }
    let ask = RunnerAsk {
        fun,
        args: json(&Value::Array(positional)),
        kwargs: json(&Value::Object(named)),
        user: user.to_owned(),
    };
    let ask = Box::new(ask);
    Ok(Errand::Runner {
        ask: match detach {
            true => Ask::RunnerDetached(ask),
            false => Ask::Runner(ask),
        },
        form,
        destination,
    })
}

/// It is followed as a job is.
fn orchestrate(args: OrchestrateArgs, user: &str) -> Errand {
    let (mut positional, named) = yaml::parse_arguments(&args.args);
    positional.insert(0, Value::String(args.sls));
    let ask = RunnerAsk {
        fun: "state.orchestrate".to_owned(),
        args: json(&Value::Array(positional)),
        kwargs: json(&Value::Object(named)),
        user: user.to_owned(),
    };
    let ask = Ask::Orchestrate(Box::new(ask));
    ordered(ask, args.timeout, args.detach, args.view)
}

fn retry(args: RetryArgs, user: &str) -> Result<Errand, String> {
    let ask = RetryAsk {
        jid: args.jid,
        states: args.states.into_iter().map(LeftState::left).collect(),
        user: user.to_owned(),
        start_within_ms: 0,
        hold_ms: args.hold.map(millis),
        plan: args.rollout.plan()?,
        detach: args.detach,
        expect: args.expect,
    };
    let ask = Ask::Retry(Box::new(ask));
    Ok(ordered(ask, args.timeout, args.detach, args.view))
}

/// A question that starts a job, which this command follows and may cancel.
fn ordered(ask: Ask, timeout: Option<Duration>, detach: bool, view: View) -> Errand {
    Errand::Follow {
        ask,
        follow: Follow::of_own(timeout, detach),
        view,
    }
}

fn jobs(command: JobsCommand, user: &str) -> Result<Deed, String> {
    Ok(Deed::Errand(match command {
        JobsCommand::List(args) => Errand::Find(args.page()),
        JobsCommand::Show { jid, view } => Errand::Show { jid, view },
        JobsCommand::Watch { jid, timeout, view } => {
            let follow = Follow {
                timeout,
                jid: Some(jid),
                ..Follow::default()
            };
            Errand::Follow {
                ask: Ask::Watch { jid },
                follow,
                view,
            }
        }
        JobsCommand::Cancel { jid, timeout, view } => {
            let follow = Follow {
                timeout,
                ..Follow::default()
            };
            Errand::Follow {
                ask: Ask::Cancel {
                    jid,
                    user: user.to_owned(),
                },
                follow,
                view,
            }
        }
        JobsCommand::Retry(args) => retry(*args, user)?,
        JobsCommand::Stop { jid } => order(Ask::Halt {
            jid,
            user: user.to_owned(),
        }),
        JobsCommand::Continue { jid } => order(Ask::GoOn {
            jid,
            user: user.to_owned(),
        }),
        JobsCommand::Journal(args) => return Ok(Deed::Local(LocalCommand::Journal(args))),
        JobsCommand::Adopt { jid, of, list } => Errand::Question {
            ask: Ask::Adopt {
                which: match (jid, of) {
                    (Some(jid), _) => Adopted::Job(jid),
                    (None, of) => Adopted::Of(of.unwrap_or_default()),
                },
                user: user.to_owned(),
            },
            form: list.out,
        },
        JobsCommand::Cache(step) => return Ok(Deed::Local(LocalCommand::JobCache(step))),
    }))
}

fn keys(command: KeysCommand) -> Errand {
    let listing = |globs, list: List, with_fingerprints| Errand::Keys {
        globs,
        with_fingerprints,
        form: list.out,
    };
    let also = |includes: &[(bool, Standing)]| -> Vec<Standing> {
        let included = includes
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, standing)| *standing);
        std::iter::once(Standing::Pending).chain(included).collect()
    };
    match command {
        KeysCommand::List { globs, list } => listing(globs, list, false),
        KeysCommand::Finger { globs, list } => listing(globs, list, true),
        KeysCommand::Accept {
            which,
            include_rejected,
            include_denied,
        } => {
            let standings = also(&[
                (include_rejected, Standing::Rejected),
                (include_denied, Standing::Denied),
            ]);
            decide(KeyDecision::Accept, which, standings)
        }
        KeysCommand::Reject {
            which,
            include_accepted,
            include_denied,
        } => {
            let standings = also(&[
                (include_accepted, Standing::Accepted),
                (include_denied, Standing::Denied),
            ]);
            decide(KeyDecision::Reject, which, standings)
        }
        KeysCommand::Delete { which } => decide(KeyDecision::Delete, which, vec![]),
    }
}

fn decide(decision: KeyDecision, which: Which, standings: Vec<Standing>) -> Errand {
    let globs = if which.all {
        vec!["*".to_owned()]
    } else {
        which.globs
    };
    Errand::Decide(Decide {
        decision,
        globs,
        standings,
        yes: which.yes,
        form: which.list.out,
    })
}

fn delegate(args: DelegateArgs) -> Ask {
    Ask::Delegate {
        syndic: args.syndic,
        functions: args.functions,
        ttl_s: args.ttl.map(|ttl| ttl.as_secs()).unwrap_or(0),
    }
}

impl View {
    /// The form that was asked for, or that suits the results of a function.
    pub(crate) fn form(&self, fun: &str) -> Form {
        if self.group {
            return Form::Group;
        }
        let suiting = if output::is_of_states(fun) {
            Form::Highstate
        } else {
            Form::Nested
        };
        self.out.unwrap_or(suiting)
    }

    /// How results of states are shown.
    pub(crate) fn states(&self) -> output::States {
        output::States {
            is_verbose: self.state_verbose,
            hides_unchanged: self.state_output_diff,
            is_tabular: self.state_tabular,
            has_percent: self.state_output_pct,
            ..self.state_output
        }
    }
}

pub(crate) fn json(value: &Value) -> Json {
    value.to_string().into_bytes().into()
}

/// Whole milliseconds; spans are bounded where they are read.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
