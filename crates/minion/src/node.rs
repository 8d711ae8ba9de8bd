//! The minion as a node of its tree: how it becomes a member, and what it is made of then. The daemon is one, and so is a call
//! where no daemon runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use daemon::clock::Clock;
use daemon::config::{Kept, MinionConfig};
use daemon::metrics::MinionMetrics;
use link::{Endpoint, Tuning};
use membership::{Applicant, Failover, Membership, ParentAddress, enrol, shuffled};
use pki::{KeyStore, TrustStore};
use relay::{Leaf, LeafConfig, LeafRecovered};
use serde_json::Value;
use store::Journal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use wire::{Role, TreeId};

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
use crate::spool::Spool;
use crate::surroundings::{News, Surroundings};

/// What was said last in a session has this long to arrive when the minion stops.
const FAREWELL: Duration = Duration::from_millis(500);

/// The key directory of a minion.
pub fn key_directory(config: &MinionConfig) -> PathBuf {
    config.paths.state_dir().join("keys")
}

/// A minion that may be no member of its tree yet.
pub struct Candidate {
    applicant: Applicant,
    keys: Arc<KeyStore>,
    hubs: Vec<ParentAddress>,
    kept: Kept,
    tree: TreeId,
    clock: Clock,
}

impl Candidate {
    /// By these settings.
    ///
    /// # Errors
    /// When they name no hub, or when the keys can't be read.
    pub fn new(config: &MinionConfig, clock: Clock) -> anyhow::Result<Candidate> {
        let keys = Arc::new(KeyStore::open(key_directory(config))?);
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
        Ok(Candidate {
            applicant,
            keys,
            hubs,
            kept,
            tree,
            clock,
        })
    }

    /// The fingerprint of its key, as people compare it.
    ///
    /// # Errors
    /// When the key can't be read.
    pub fn fingerprint(&self) -> anyhow::Result<String> {
        Ok(self.keys.link_key()?.public().fingerprint().to_string())
    }

    /// Becomes a member, for as long as it takes; `say` hears how it stands.
    ///
    /// # Errors
    /// When trying again does not help.
    pub async fn enrol(&self, say: impl FnMut(&str)) -> anyhow::Result<Membership> {
        let clock = || self.clock.now();
        let enrolled = enrol(&self.applicant, &self.keys, &self.hubs, clock, say);
        Ok(enrolled.await?)
    }
}

/// A member of its tree.
pub struct Node {
    /// Sessions with hubs.
    pub sessions: Arc<Sessions>,
    /// Runs functions.
    pub executor: Executor,
    /// Jobs that it begins itself.
    pub own_jobs: Arc<OwnJobs>,
    /// What they returned, on its way to a hub.
    pub spool: Arc<Spool>,
    /// Jobs by the clock.
    pub schedule: Arc<Keeper>,
    /// Beacons.
    pub beacons: Arc<Watch>,
    /// News for its loop.
    pub news: mpsc::UnboundedSender<News>,
    /// The way to its hubs.
    pub dialling: Dialling,
    engine: Engine,
}

impl Node {
    /// Puts it together; it dials nobody and runs nothing yet. `closed`: why it takes no jobs of hubs.
    ///
    /// # Errors
    /// When a file of its state can't be read, or another process has the journal ([`store::JournalError::InUse`]).
    pub fn new(
        config: &MinionConfig,
        candidate: Candidate,
        membership: &Membership,
        metrics: Arc<MinionMetrics>,
        closed: Option<String>,
    ) -> anyhow::Result<Node> {
        let Candidate {
            applicant,
            keys,
            hubs,
            kept,
            tree,
            clock,
        } = candidate;
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
            crate::surroundings::options(config),
            config.paths.config_file().with_file_name("grains"),
            news_sender.clone(),
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
        let spool = state.join("own_runs");
        let spool = Arc::new(Spool::open(&spool).with_context(|| spool.display().to_string())?);
        let own_jobs = Arc::new(OwnJobs::new(
            config.id.clone(),
            executor.clone(),
            herald.clone(),
            spool.clone(),
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
            spool: spool.clone(),
            refusals: refusals.clone(),
            at_work: at_work.clone(),
            clock,
            metrics: metrics.clone(),
            ids: AtomicU64::new(0),
        });
        let seed = u64::from_le_bytes(membership.member.fingerprint.0[..8].try_into()?);
        let engine = Engine {
            leaf,
            closed,
            trust,
            journal: Arc::new(Mutex::new(journal)),
            room: Room::new(state, config.disk_reserve_bytes),
            unsaved: None,
            groups,
            executor: executor.clone(),
            own_jobs: own_jobs.clone(),
            schedule: schedule.clone(),
            beacons: beacons.clone(),
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
        Ok(Node {
            sessions,
            executor,
            own_jobs,
            spool,
            schedule,
            beacons,
            news: news_sender,
            dialling: Dialling {
                dialler,
                hubs,
                kept,
                seed,
            },
            engine,
        })
    }

    /// Starts its loop.
    pub fn start(self) -> Running {
        let (stop, stopped) = watch::channel(false);
        Running {
            task: tokio::spawn(self.engine.run(stopped)),
            stop,
            dialler: self.dialling.dialler,
        }
    }
}

/// The way to the hubs of a minion.
#[derive(Clone)]
pub struct Dialling {
    dialler: Arc<Dialler>,
    hubs: Vec<ParentAddress>,
    kept: Kept,
    seed: u64,
}

impl Dialling {
    /// Keeps sessions from now on, and the certificate fresh.
    pub fn begin(self, runtime: &tokio::runtime::Handle) {
        let Dialling {
            dialler,
            hubs,
            kept,
            seed,
        } = self;
        runtime.spawn(dialler.clone().keep_fresh(seed));
        match kept {
            Kept::All => {
                for (nth, hub) in hubs.into_iter().enumerate() {
                    runtime.spawn(dialler.clone().keep(hub, seed.wrapping_add(nth as u64)));
                }
            }
            Kept::One { failback, .. } => {
                let course = Failover::new(hubs.len(), failback, seed);
                runtime.spawn(dialler.keep_one(hubs, course));
            }
        }
    }
}

/// The loop of a minion.
pub struct Running {
    task: JoinHandle<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
    dialler: Arc<Dialler>,
}

impl Running {
    /// Ends when the loop ends by itself.
    ///
    /// # Errors
    /// Why it did.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.task)
            .await
            .context("the minion's loop panicked")?
    }

    /// Ends the loop, and the sessions in good order.
    ///
    /// # Errors
    /// What the loop says.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let _ = self.stop.send(true);
        self.ended().await?;
        let endpoint = &self.dialler.endpoint;
        endpoint.close(link::CloseCode::Done, "the minion stops");
        let _ = tokio::time::timeout(FAREWELL, endpoint.idle()).await;
        Ok(())
    }
}

fn random_seed() -> anyhow::Result<u64> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    Ok(u64::from_le_bytes(random))
}
