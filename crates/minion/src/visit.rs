//! A call where no daemon runs: for as long as it lasts this process is the minion, with its key, its journal and its socket, and
//! dials a hub when the function needs one.

use std::sync::Arc;
use std::time::Duration;

use daemon::clock::Clock;
use daemon::config::MinionConfig;
use daemon::metrics::{MinionMetrics, Registry};
use daemon::signals::EndSignals;
use daemon::socket::{self, Audience};
use store::JournalError;
use tokio::runtime::Handle;
use wire::call::CallRun;

use crate::ask::{Answered, Trouble, ask};
use crate::control::{self, Desk};
use crate::node::{Candidate, Node};

/// A minion that no hub ever accepted waits so long to be accepted.
const ENROL_WAIT: Duration = Duration::from_secs(5);
/// What was said last has this long to be taken by the hub.
const FLUSH_WAIT: Duration = Duration::from_secs(5);
/// What hubs hear that give jobs meanwhile.
const CLOSED: &str = "no daemon of the minion runs on this host, only a call, which takes no jobs";

/// What became of it.
pub enum Visit {
    /// The function answered.
    Answered(Answered),
    /// Another process of this minion begins, or ends, and does not answer.
    Held,
    /// This minion is no member of its tree; and why.
    Stranger(String),
}

/// Runs the function as the minion itself.
///
/// # Errors
/// What keeps it from an answer.
pub async fn visit(config: &MinionConfig, run: &CallRun) -> anyhow::Result<Result<Visit, Trouble>> {
    let candidate = match Candidate::new(config, Clock::start()) {
        Ok(candidate) => candidate,
        Err(error) => return Ok(Ok(Visit::Stranger(format!("{error:#}")))),
    };
    let mut standing = String::new();
    let enrolled = {
        let enrol = candidate.enrol(|word| word.clone_into(&mut standing));
        tokio::time::timeout(ENROL_WAIT, enrol).await
    };
    let membership = match enrolled {
        Ok(Ok(membership)) => membership,
        Ok(Err(error)) => return Ok(Ok(Visit::Stranger(format!("{error:#}")))),
        Err(_) if standing.is_empty() => {
            let text = format!(
                "this minion was never accepted: accept its key {} at the top-master",
                candidate.fingerprint()?
            );
            return Ok(Ok(Visit::Stranger(text)));
        }
        Err(_) => return Ok(Ok(Visit::Stranger(standing))),
    };
    let metrics = Arc::new(MinionMetrics::new(&Registry::new())?);
    let node = match Node::new(
        config,
        candidate,
        &membership,
        metrics,
        Some(CLOSED.to_owned()),
    ) {
        Ok(node) => node,
        Err(error) => match error.downcast_ref::<JournalError>() {
            Some(JournalError::InUse { .. }) => return Ok(Ok(Visit::Held)),
            _ => return Err(error),
        },
    };
    let path = config.paths.control_socket();
    let listener = socket::bind(&path, Audience::OwnerWithin)?;
    let desk = Desk::new(config.id.clone(), &node, false);
    let serving = tokio::spawn(control::serve(listener, Arc::new(desk)));
    let (runtime, dialling) = (Handle::current(), node.dialling.clone());
    node.sessions.on_demand(Handle::current(), move || {
        dialling.clone().begin(&runtime);
    });
    let (sessions, own_jobs) = (node.sessions.clone(), node.own_jobs.clone());
    let spool = node.spool.clone();
    let running = node.start();
    let answered = ask(&path, run).await;
    // Whoever comes later is a visitor himself; whoever came meanwhile is served to the end.
    let _ = std::fs::remove_file(&path);
    serving.abort();
    let mut signals = EndSignals::install()?;
    tokio::select! {
        () = own_jobs.idle() => {}
        // Whoever waits for a function that does not end may leave it.
        () = signals.next() => {}
    }
    let _ = tokio::time::timeout(FLUSH_WAIT, async {
        sessions.flushed().await;
        // Where no hub is connected it waits on disk for the next session.
        if sessions.any().is_some() {
            spool.emptied().await;
        }
    })
    .await;
    running.stop().await?;
    match answered {
        Ok(Some(answered)) => Ok(Ok(Visit::Answered(answered))),
        Ok(None) => anyhow::bail!("the socket at {} does not answer", path.display()),
        Err(trouble) => Ok(Err(trouble)),
    }
}
