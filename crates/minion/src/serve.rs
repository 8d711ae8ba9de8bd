//! The daemon of a minion, from its settings to its end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use daemon::clock::Clock;
use daemon::config::{Kept, MinionConfig};
use daemon::http::{Pages, Readiness};
use daemon::metrics::{MinionMetrics, Registry};
use daemon::signals::{self, Notice, Signals};
use link::{Endpoint, Tuning};
use membership::{Applicant, Failover, ParentAddress, enrol, shuffled};
use pki::{KeyStore, TrustStore};
use relay::{Leaf, LeafConfig, LeafRecovered};
use serde_json::Value;
use store::Journal;
use tokio::sync::{mpsc, watch};
use wire::Role;

use crate::beacons::Watch;
use crate::engine::{Engine, INPUTS_MAX, Trust};
use crate::executor::Executor;
use crate::files::Sessions;
use crate::herald::Herald;
use crate::links::{Dialler, Refusals};
use crate::mine::Mine;
use crate::orphans::Groups;
use crate::own::OwnJobs;
use crate::room::Room;
use crate::schedule::Keeper;
use crate::startup::AtStart;
use crate::surroundings::{News, Surroundings};

/// The key directory of a minion.
pub fn key_directory(config: &MinionConfig) -> PathBuf {
    config.paths.state_dir().join("keys")
}

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
    let clock = Clock::start();
    let keys = Arc::new(KeyStore::open(key_directory(&config))?);
    let upstream = config.upstream.as_ref().context(
        "there is no `master` (or `master_type: disable`), so there is nobody to serve: name the parents, or use `minion call --local`",
    )?;
    let hubs: Vec<ParentAddress> = upstream
        .parents
        .iter()
        .map(|parent| ParentAddress {
            host: parent.host().to_owned(),
            port: parent.port(),
        })
        .collect();
    let kept = upstream.kept;
    let hubs = match kept {
        Kept::One {
            shuffle: true,
            failback,
        } => shuffled(hubs, failback.is_some(), random_seed()?),
        _ => hubs,
    };
    let (tree, token) = membership::pinned(&keys, upstream.tree, || {
        let token = upstream.join_token.as_ref();
        let token = token.map(|token| token.read()).transpose()?;
        Ok(token.map(|token| token.reveal().to_owned()))
    })?;
    let applicant = Applicant {
        id: config.id.clone(),
        role: Role::Minion,
        site: String::new(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        token,
        tree,
    };
    readiness.set_not_ready("waits to be accepted by its hub");
    let membership = {
        let wait = enrol(
            &applicant,
            &keys,
            &hubs,
            || clock.now(),
            |word| tracing::info!("{word}"),
        );
        tokio::pin!(wait);
        loop {
            tokio::select! {
                membership = &mut wait => break membership?,
                notice = signals.next() => if notice == Notice::Drain { return Ok(()) },
            }
        }
    };

    let state = config.paths.state_dir();
    std::fs::create_dir_all(&state).with_context(|| state.display().to_string())?;
    let (journal, found) = Journal::open(&state.join("journal"))?;
    if found.torn_bytes > 0 {
        tracing::warn!(
            bytes = found.torn_bytes,
            "the journal ended in a record that was never acknowledged"
        );
    }
    if let Some(quarantine) = &found.quarantine {
        tracing::error!(copy = %quarantine.copy.display(), bytes = quarantine.damaged_bytes, "the journal was damaged");
    }
    let groups = Groups::open(state.join("groups"))
        .with_context(|| state.join("groups").display().to_string())?;
    let aftermath = groups.clear();
    let trust = Trust {
        store: Arc::new(Mutex::new(TrustStore::new(tree))),
        keys: keys.clone(),
    };
    if let Some(bundle) = keys.trust()? {
        trust.accept(&wire::codec::encode(&bundle)?.into());
    }

    let (finished_sender, finished) = mpsc::unbounded_channel();
    let (news_sender, news) = mpsc::unbounded_channel();
    let pillar_news = news_sender.clone();
    let master: Vec<Value> = hubs
        .iter()
        .map(|hub| Value::String(hub.host.clone()))
        .collect();
    let master = if let [one] = &master[..] {
        one.clone()
    } else {
        Value::Array(master)
    };
    let surroundings = Arc::new(Surroundings::new(
        config.id.to_string(),
        membership.member.path.to_string(),
        master,
        config.grains.clone(),
        crate::surroundings::options(&config),
        config.paths.config_file().with_file_name("grains"),
        news_sender,
    ));
    let sessions = Arc::new(Sessions::default());
    let herald = Arc::new(Herald::new(
        config.id.clone(),
        membership.member.path.clone(),
        sessions.clone(),
        random_seed()?,
        clock,
        metrics.clone(),
    ));
    let executor = Executor::new(
        config.processes_max,
        surroundings.clone(),
        sessions.clone(),
        herald.clone(),
        tokio::runtime::Handle::current(),
        config.paths.cache_dir(),
        groups.clone(),
        finished_sender,
    );
    let own_jobs = Arc::new(OwnJobs::new(
        config.id.clone(),
        executor.clone(),
        herald.clone(),
        clock,
    ));
    let keeper = Keeper::open(
        &state.join("schedule"),
        &config.options,
        random_seed()?,
        own_jobs.clone(),
    );
    let schedule = Arc::new(keeper.map_err(|error| anyhow::anyhow!(error))?);
    let mine = Mine::open(
        state.join("mine"),
        sessions.clone(),
        tokio::runtime::Handle::current(),
    );
    let mine = Arc::new(mine.map_err(|error| anyhow::anyhow!(error))?);
    let beacons = Watch::open(
        &state.join("beacons"),
        &config.options,
        config.id.clone(),
        executor.clone(),
        herald,
    );
    let beacons = Arc::new(beacons.map_err(|error| anyhow::anyhow!(error))?);
    surroundings.show(schedule.clone(), mine.clone(), beacons.clone());
    let (trust_version, grains) = {
        let store = trust
            .store
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        (
            store.version(),
            serde_json::to_vec(&*surroundings.grains())?,
        )
    };
    let leaf = Leaf::new(
        LeafConfig {
            id: config.id.clone(),
            path: membership.member.path.clone(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            spool_bytes_max: config.spool_bytes_max,
        },
        trust.clone(),
        grains.into(),
        LeafRecovered {
            started: found.started,
            returned: found.returned,
            kept: found.kept,
            not_run: found.not_run,
            interrupted: found.interrupted,
            aftermath,
            trust_version,
        },
        clock.now(),
    );
    let mut tuning = Tuning::minion();
    tuning.keep_alive = Some(config.links.keepalive);
    tuning.idle = config.links.idle_timeout;
    let endpoint = Endpoint::dialler(
        SocketAddr::from(([0, 0, 0, 0], 0)),
        &membership.identity(tree)?,
        tuning,
    )?;
    let refusals = Arc::new(Refusals::default());
    let at_work = Arc::new(AtomicBool::new(false));
    let (message_sender, messages) = mpsc::channel(INPUTS_MAX);
    let own_messages = message_sender.downgrade();
    let dialler = Arc::new(Dialler {
        endpoint,
        applicant,
        keys,
        messages: message_sender,
        sessions: sessions.clone(),
        mine,
        refusals: refusals.clone(),
        at_work: at_work.clone(),
        clock,
        metrics: metrics.clone(),
        ids: AtomicU64::new(0),
    });
    let seed = u64::from_le_bytes(membership.member.fingerprint.0[..8].try_into()?);
    match kept {
        Kept::All => {
            for (nth, hub) in hubs.into_iter().enumerate() {
                tokio::spawn(dialler.clone().keep(hub, seed.wrapping_add(nth as u64)));
            }
        }
        Kept::One { failback, .. } => {
            let course = Failover::new(hubs.len(), failback, seed);
            tokio::spawn(dialler.clone().keep_one(hubs, course));
        }
    }
    tokio::spawn(dialler.clone().keep_fresh(seed));
    tokio::spawn(schedule.clone().keep(sessions.clone()));
    tokio::spawn(beacons.clone().keep());
    let at_start = AtStart {
        sessions,
        executor: executor.clone(),
        own_jobs: own_jobs.clone(),
        states: config.startup,
        local_roots: config.local_roots,
    };
    tokio::spawn(at_start.run(move |pillar| {
        // The loop is there as long as the process is.
        let _ = pillar_news.send(News::Pillar(pillar));
    }));
    let (stop, stopped) = watch::channel(false);
    let engine = Engine {
        leaf,
        trust,
        journal: Arc::new(Mutex::new(journal)),
        room: Room::new(state, config.disk_reserve_bytes),
        unsaved: None,
        groups,
        executor,
        own_jobs,
        schedule,
        beacons,
        messages,
        own_messages,
        finished,
        news,
        refusals,
        at_work,
        metrics,
        clock,
        links: HashMap::new(),
    };
    let mut running = tokio::spawn(engine.run(stopped));
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
            ended = &mut running => return ended.context("the minion's loop panicked")?,
            _ = watchdog.tick() => signals::notify_watchdog(),
        }
    }
    readiness.set_not_ready("stopping");
    signals::notify_stopping();
    let _ = stop.send(true);
    running.await.context("the minion's loop panicked")??;
    dialler
        .endpoint
        .close(link::CloseCode::Done, "the minion stops");
    let _ = tokio::time::timeout(Duration::from_millis(500), dialler.endpoint.idle()).await;
    Ok(())
}

fn random_seed() -> anyhow::Result<u64> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    Ok(u64::from_le_bytes(random))
}
