//! The daemon of a minion, from its settings to its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use daemon::clock::Clock;
use daemon::config::MinionConfig;
use daemon::http::{Pages, Readiness};
use daemon::metrics::{MinionMetrics, Registry};
use daemon::signals::{self, Notice, Signals};
use daemon::socket::{self, Audience};

use crate::control::{self, Desk};
use crate::node::{Candidate, Node};
use crate::startup::AtStart;
use crate::surroundings::News;

/// Runs the daemon until SIGTERM.
///
/// # Errors
/// Anything that keeps the minion from starting, or that makes it stop: a damaged journal.
pub fn serve(config: MinionConfig) -> anyhow::Result<()> {
    let logs = daemon::logs::init(&config.logs)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    let result = runtime.block_on(run(config, &logs));
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn run(config: MinionConfig, logs: &daemon::logs::LogControl) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("signals")?;
    let registry = Registry::new();
    let metrics = Arc::new(MinionMetrics::new(&registry)?);
    let readiness = Readiness::new("starting");
    if let Some(port) = config.metrics_port {
        let pages = Pages::bind(port, registry, readiness.clone())
            .await
            .context("metrics port")?;
        tokio::spawn(pages.serve());
    }
    let candidate = Candidate::new(&config, Clock::start())?;
    readiness.set_not_ready("waits to be accepted by its hub");
    let membership = {
        let wait = candidate.enrol(|word| tracing::info!("{word}"));
        tokio::pin!(wait);
        loop {
            tokio::select! {
                membership = &mut wait => break membership?,
                notice = signals.next() => if notice == Notice::Drain { return Ok(()) },
            }
        }
    };
    let path = config.paths.control_socket();
    readiness.set_not_ready("waits for the end of a call");
    {
        let wait = control::wait_for_call(&path);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => break,
                notice = signals.next() => if notice == Notice::Drain { return Ok(()) },
            }
        }
    }

    let node = Node::new(&config, candidate, &membership, metrics, None)?;
    let listener = socket::bind(&path, Audience::OwnerWithin)?;
    let desk = Desk::new(config.id.clone(), &node, true);
    tokio::spawn(control::serve(listener, Arc::new(desk)));
    node.dialling
        .clone()
        .begin(&tokio::runtime::Handle::current());
    tokio::spawn(node.schedule.clone().keep(node.sessions.clone()));
    tokio::spawn(node.beacons.clone().keep());
    let at_start = AtStart {
        sessions: node.sessions.clone(),
        executor: node.executor.clone(),
        own_jobs: node.own_jobs.clone(),
        states: config.startup,
        local_roots: config.local_roots,
    };
    let news = node.news.clone();
    tokio::spawn(at_start.run(move |pillar| {
        // The loop is there as long as the process is.
        let _ = news.send(News::Pillar(pillar));
    }));
    let mut running = node.start();
    tracing::info!(id = %config.id, site = %membership.member.path, "ready");
    readiness.set_ready();
    signals::notify_ready();
    let mut watchdog =
        tokio::time::interval(signals::watchdog_interval().unwrap_or(Duration::from_secs(3_600)));
    loop {
        tokio::select! {
            notice = signals.next() => match notice {
                Notice::Reload => {
                    if let Err(error) = logs.reopen() {
                        tracing::warn!(%error, "the log file can't be opened anew");
                    }
                }
                Notice::Drain => break,
            },
            ended = running.ended() => return ended,
            _ = watchdog.tick() => signals::notify_watchdog(),
        }
    }
    readiness.set_not_ready("stopping");
    signals::notify_stopping();
    // From now on a call finds no daemon.
    let _ = std::fs::remove_file(&path);
    running.stop().await
}
