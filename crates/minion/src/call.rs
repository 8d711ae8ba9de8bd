//! `minion call`: a function on this host, here and now.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use daemon::config::MinionConfig;
use daemon::exit;
use modules::Call;
use output::{Form, Rendering, Report, States, Style, render};
use serde_json::{Value, json};
use wire::call::CallRun;
use wire::control::{Ledger, LedgerRow, Progress};
use wire::{Counts, Jid, OutcomeKind};

use crate::alone::alone;
use crate::ask::{Answered, Trouble, ask};
use crate::cli::{CallArgs, fail};
use crate::visit::{Visit, visit};

/// Salt's exit code for a function that is not there.
const SALT_UNKNOWN: u8 = 255;
/// A daemon that begins or ends has this long to answer, or to leave the journal.
const HELD_WAIT: Duration = Duration::from_secs(20);
/// Between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Runs the function and prints what it answers; the exit code is 0, or 1 when it failed.
///
/// With `retcode_passthrough` it is the function's own return code.
pub fn call(config: &MinionConfig, wish: &CallArgs) -> ExitCode {
    let function = wish.function.as_str();
    let suiting = if output::is_of_states(function) && !wish.metadata {
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
    let (args, kwargs) = yaml::parse_arguments(&wish.arguments);
    let keywords: wire::Json = Value::Object(kwargs.clone())
        .to_string()
        .into_bytes()
        .into();
    let call = Call {
        fun: function.to_owned(),
        args,
        kwargs,
    };
    let answered = match answered(config, wish, &call) {
        Ok(answered) => answered,
        Err(trouble) => return fail(trouble.code, &trouble.text),
    };
    let end = answered.end;
    let ok = end.success && end.retcode == 0;
    if wish.is_salt
        && let Some(words) = unknown(function, &answered.value)
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
    let value = match wish.metadata {
        true => with_metadata(config, wish, &answered),
        false => answered.value,
    };
    let account = account(answered.jid, value, ok, keywords);
    let text = render(&Report::new(&account), &rendering);
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match printed {
        // A reader that has gone has what it wants.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return fail(exit::INTERNAL, &format!("can't print: {error}"));
        }
        _ => {}
    }
    match u8::try_from(end.retcode) {
        _ if ok => ExitCode::SUCCESS,
        Ok(code) if wish.retcode_passthrough && code != 0 => ExitCode::from(code),
        _ => ExitCode::from(exit::FAILED),
    }
}

/// By the daemon of this host, as the minion itself where none runs, or alone where no hub is meant.
fn answered(config: &MinionConfig, wish: &CallArgs, call: &Call) -> Result<Answered, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::internal(&error))?;
    if config.local_roots.is_some() || config.upstream.is_none() {
        let why = "no `master` is in the settings (--local takes files and pillar of this host)";
        return Ok(alone(config, call, &runtime, why));
    }
    let json = |value: Value| -> wire::Json { value.to_string().into_bytes().into() };
    let run = CallRun {
        id: config.id.to_string(),
        fun: call.fun.clone(),
        args: json(call.args.clone().into()),
        kwargs: json(call.kwargs.clone().into()),
        is_told: !wish.no_return_event,
    };
    let answered = match runtime.block_on(by_the_minion(config, &run))? {
        Ok(answered) => answered,
        Err(stranger) => alone(config, call, &runtime, &stranger),
    };
    // Tasks that dial end with the process.
    runtime.shutdown_background();
    Ok(answered)
}

/// By the daemon, or as the minion itself; else why this minion is no member of its tree.
async fn by_the_minion(
    config: &MinionConfig,
    run: &CallRun,
) -> Result<Result<Answered, String>, Trouble> {
    let path = config.paths.control_socket();
    let until = Instant::now() + HELD_WAIT;
    loop {
        if let Some(answered) = ask(&path, run).await? {
            return Ok(Ok(answered));
        }
        let visited = visit(config, run).await;
        match visited.map_err(|error| Trouble::internal(&format!("{error:#}")))?? {
            Visit::Answered(answered) => return Ok(Ok(answered)),
            Visit::Stranger(why) => return Ok(Err(why)),
            Visit::Held if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
            Visit::Held => {
                let text = format!(
                    "another process of this minion holds its journal, and does not answer at {}",
                    path.display()
                );
                return Err(Trouble::new(exit::UNAVAILABLE, text));
            }
        }
    }
}

/// What a call says whose function is not there.
fn unknown(function: &str, value: &[u8]) -> Option<String> {
    let words: String = serde_json::from_slice(value).ok()?;
    words
        .starts_with(&format!("'{function}' is not available."))
        .then_some(words)
}

/// The whole return, under Salt's names.
fn with_metadata(config: &MinionConfig, wish: &CallArgs, answered: &Answered) -> Vec<u8> {
    let value: Value = serde_json::from_slice(&answered.value).unwrap_or_default();
    let mut told = json!({
        "jid": answered.jid.to_string(),
        "return": value,
        "retcode": answered.end.retcode,
        "id": config.id.as_str(),
        "fun": wish.function,
        "fun_args": wish.arguments,
    });
    if output::is_of_states(&wish.function) {
        told["out"] = json!("highstate");
    }
    told.to_string().into_bytes()
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
fn account(jid: Jid, value: Vec<u8>, ok: bool, kwargs: wire::Json) -> Ledger {
    let null: wire::Json = b"null".as_slice().into();
    let mut counts = Counts::default();
    let kind = if ok {
        OutcomeKind::Ok
    } else {
        OutcomeKind::Failed
    };
    counts.add(kind);
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
        values: vec![value.into()],
        unknown: Vec::new(),
        undecided: Vec::new(),
        owner: None,
    }
}
