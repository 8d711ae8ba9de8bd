//! `minion call`: a function on this host, here and now, without a hub.

use std::io::IsTerminal;
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

use crate::cli::fail;
use crate::files::{JobFiles, Sessions};
use crate::roots::{LocalRoots, Roots};
use crate::surroundings::{JobContext, Surroundings};

/// Runs the function and prints what it answers; the exit code is 0, or 1 when it failed.
///
/// With `passes_retcode` it is the function's own return code.
pub fn call(
    config: &MinionConfig,
    function: &str,
    words: &[String],
    out: Option<&str>,
    states: States,
    passes_retcode: bool,
) -> ExitCode {
    let suiting = if output::is_of_states(function) {
        "highstate"
    } else {
        "nested"
    };
    let form = match out.unwrap_or(suiting) {
        "nested" => Form::Nested,
        "highstate" => Form::Highstate,
        "json" => Form::Json,
        "yaml" => Form::Yaml,
        "txt" => Form::Txt,
        "raw" => Form::Raw,
        "quiet" => Form::Quiet,
        other => return fail(exit::USAGE, &format!("there is no output named {other:?}")),
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
    let (args, kwargs) = yaml::parse_arguments(words);
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
    let rendering = Rendering {
        form,
        one_document: true,
        style: Style {
            color: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        },
        yaml: yaml::emit,
        states,
    };
    print!(
        "{}",
        render(
            &Report::new(&account(outcome.value, ok, keywords)),
            &rendering
        )
    );
    match u8::try_from(outcome.retcode) {
        _ if ok => ExitCode::SUCCESS,
        Ok(code) if passes_retcode && code != 0 => ExitCode::from(code),
        _ => ExitCode::from(exit::FAILED),
    }
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
