//! `minion call`: a function on this host, here and now, without a hub.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use daemon::config::MinionConfig;
use daemon::exit;
use modules::{Call, Cancel, Registry};
use output::{Form, Rendering, Report, States, Style, render};
use serde_json::Value;
use wire::control::{Ledger, LedgerRow, Progress};
use wire::{Counts, JidClock, OutcomeKind};

use crate::cli::{CallArgs, fail};
use crate::files::{JobFiles, Sessions};
use crate::roots::{LocalRoots, Roots};
use crate::surroundings::{JobContext, Surroundings};

/// Salt's exit code for a function that is not there.
const SALT_UNKNOWN: u8 = 255;

/// Runs the function and prints what it answers; the exit code is 0, or 1 when it failed.
///
/// With `retcode_passthrough` it is the function's own return code.
pub fn call(config: &MinionConfig, wish: &CallArgs) -> ExitCode {
    let function = wish.function.as_str();
    let suiting = if output::is_of_states(function) {
        Form::Highstate
    } else {
        Form::Nested
    };
    // Before anything runs: a result that has no place is of no use.
    let mut out: Box<dyn Write> = match open(wish) {
        Ok(Some(file)) => Box::new(file),
        Ok(None) => Box::new(std::io::stdout()),
        Err(text) => return fail(exit::INTERNAL, &text),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(exit::INTERNAL, &error.to_string()),
    };
    // Nobody hears news of a call that ends with the process.
    let (news, _heard) = tokio::sync::mpsc::unbounded_channel();
    let surroundings = Arc::new(Surroundings::new(
        config.id.to_string(),
        String::new(),
        Value::Null,
        config.grains.clone(),
        crate::surroundings::options(config),
        config.paths.config_file().with_file_name("grains"),
        news,
    ));
    let cache = config.paths.cache_dir();
    let registry = Arc::new(Registry::of_minion(surroundings.options(), &cache));
    let roots: Box<dyn Roots> = match &config.local_roots {
        Some(local) => Box::new(LocalRoots::new(local)),
        None => Box::new(JobFiles {
            sessions: Arc::new(Sessions::default()),
            runtime: runtime.handle().clone(),
            cache: cache.clone(),
            roots: None,
        }),
    };
    let context = JobContext {
        surroundings,
        registry: registry.clone(),
        roots,
        cache,
        jid: None,
        watched: None,
        herald: None,
        user: String::new(),
        is_making_pillar: AtomicBool::new(false),
    };
    let (args, kwargs) = yaml::parse_arguments(&wish.arguments);
    let keywords = Value::Object(kwargs.clone())
        .to_string()
        .into_bytes()
        .into();
    let call = Call {
        fun: function.to_owned(),
        args,
        kwargs,
    };
    let outcome = registry.call(&call, &context, &Cancel::new());
    let ok = outcome.success && outcome.retcode == 0;
    if wish.is_salt
        && let Some(words) = unknown(function, &outcome.value)
    {
        eprintln!("{words}");
        return ExitCode::from(SALT_UNKNOWN);
    }
    let is_terminal = wish.out_file.is_none() && std::io::stdout().is_terminal();
    let rendering = Rendering {
        form: wish.out.unwrap_or(suiting),
        one_document: true,
        style: Style {
            color: wish
                .color
                .unwrap_or_else(|| is_terminal && std::env::var_os("NO_COLOR").is_none()),
        },
        yaml: yaml::emit,
        states: States {
            is_verbose: wish.state_verbose,
            ..wish.state_output
        },
        indent: wish.out_indent,
    };
    let account = account(outcome.value, ok, keywords);
    let text = render(&Report::new(&account), &rendering);
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match printed {
        // A reader that has gone has what it wants.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return fail(exit::INTERNAL, &format!("can't print: {error}"));
        }
        _ => {}
    }
    match u8::try_from(outcome.retcode) {
        _ if ok => ExitCode::SUCCESS,
        Ok(code) if wish.retcode_passthrough && code != 0 => ExitCode::from(code),
        _ => ExitCode::from(exit::FAILED),
    }
}

/// What a call says whose function is not there.
fn unknown<'v>(function: &str, value: &'v Value) -> Option<&'v str> {
    let words = value.as_str()?;
    words
        .starts_with(&format!("'{function}' is not available."))
        .then_some(words)
}

/// The file for the result, when there is one.
fn open(wish: &CallArgs) -> Result<Option<File>, String> {
    let Some(path) = &wish.out_file else {
        return Ok(None);
    };
    let opened = daemon::files::for_results(path, wish.out_file_append);
    opened
        .map(Some)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// The result as the account of a job of one minion, which is what outputs print; Salt calls that minion `local`.
fn account(value: Value, ok: bool, kwargs: wire::Json) -> Ledger {
    let null: wire::Json = b"null".as_slice().into();
    let mut counts = Counts::default();
    let kind = if ok {
        OutcomeKind::Ok
    } else {
        OutcomeKind::Failed
    };
    counts.add(kind);
    let jid = JidClock::new(0, 0).next(0);
    Ledger {
        progress: Progress {
            jid,
            complete: true,
            finished: true,
            counts,
            rollout: None,
            steps: None,
            sites: Vec::new(),
        },
        fun: String::new(),
        args: null.clone(),
        kwargs,
        target: String::new(),
        user: String::new(),
        origin: String::new(),
        roots: None,
        issued: 0,
        finished: Some(0),
        minions: vec![LedgerRow {
            id: "local".to_owned(),
            path: String::new(),
            kind,
            retcode: Some(i32::from(!ok)),
            value: Some(0),
            started: None,
            duration_ms: None,
            reason: None,
        }],
        values: vec![serde_json::to_vec(&value).map_or(null, Into::into)],
        unknown: Vec::new(),
        undecided: Vec::new(),
    }
}
