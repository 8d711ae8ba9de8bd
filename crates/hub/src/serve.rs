//! The daemon of a hub, from its settings to its end.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use access::Policy;
use anyhow::Context;
use daemon::clock::{Clock, millis};
use daemon::config::{AccessSettings, HubConfig, RootsLayout, RootsSettings};
use daemon::http::{Pages, Readiness};
use daemon::metrics::HubMetrics;
use daemon::signals::{self, Notice, Signals};
use daemon::socket::Audience;
use gitsync::{Auth, EnvironmentRule, HostKeys, Layout, Limits, Mirror, Remote, SshKey};
use link::{Endpoint, Tuning};
use membership::{Applicant, Membership, ParentAddress, enrol};
use pki::{KeyStore, TrustStore};
use relay::{Hub, HubConfig as MachineConfig, HubRecovered, RecoveredJob};
use store::{Committer, HubStore, Recovered, StoredJob};
use targeting::{Glob, Nodegroups};
use tokio::sync::{Notify, mpsc, watch};
use wire::Role;

use crate::contents::Contents;
use crate::control;
use crate::disk::Disk;
use crate::engine::{Engine, EngineHandle};
use crate::event_return;
use crate::events::{Bus, Chronicle};
use crate::grants::Grants;
use crate::init::{key_directory, lifetimes};
use crate::job_cache;
use crate::job_journal::Journal;
use crate::links::{LinkIds, Uplink, accept, uplink};
use crate::mine::Mine;
use crate::orchestrate;
use crate::own_runs::OwnRuns;
use crate::parents::Parents;
use crate::pillars::Pillars;
use crate::pruning::{self, Retention};
use crate::reactor::Reactor;
use crate::requests::Requests;
use crate::roots::{RootsKeeper, Source};
use crate::runners::RunnerDesk;
use crate::service::Service;
use crate::standing::SelfStanding;
use crate::submit::JobDesk;
use crate::surroundings::HubSurroundings;
use crate::timetable::{self, Timetable};
use crate::trust::TrustDesk;
use crate::undecided::Matcher;

/// How often the key directory is looked at for a newer trust bundle, left by an offline command.
const TRUST_RELOAD_EVERY: Duration = Duration::from_secs(2);
/// A receive buffer below this makes a wide fan-out drop packets.
const RECEIVE_BUFFER_WANTED: usize = 16 << 20;

/// Runs the daemon until SIGTERM.
///
/// # Errors
/// Anything that keeps the hub from starting, or that makes it stop: a damaged store, a port that is taken.
pub fn serve(config: HubConfig) -> anyhow::Result<()> {
    let logs = daemon::logs::init(&config.logs)?;
    // Endpoint, sessions and loop on one thread: a return passes through all of them, and each hand-over to another
    // thread costs more than what it would run beside. The store, git and reads have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    let result = runtime.block_on(run(config, &logs));
    // Blocking work (a fetch from a remote that hangs) must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run(config: HubConfig, logs: &daemon::logs::LogControl) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("signals")?;
    let registry = prometheus_registry();
    let metrics = HubMetrics::new(&registry)?;
    let readiness = Readiness::new("starting");
    if let Some(port) = config.metrics_port {
        let pages = Pages::bind(port, registry, readiness.clone())
            .await
            .context("metrics port")?;
        tokio::spawn(pages.serve());
    }
    let disk = Disk::new(
        config.paths.state_dir().join("hub.sqlite"),
        config.disk_reserve_bytes,
    );
    readiness.set_not_ready("waits for room on its disk");
    if until_drained(disk.room_to_start(), &mut signals)
        .await
        .is_none()
    {
        return Ok(());
    }
    readiness.set_not_ready("starting");
    let clock = Clock::start();
    let keys = Arc::new(KeyStore::open(key_directory(&config))?);
    let parents: Vec<ParentAddress> = parents_of(&config);
    let applicant = applicant(&config, &keys)?;
    let role = if config.upstream.is_some() {
        Role::Syndic
    } else {
        Role::TopMaster
    };
    let membership = if role == Role::TopMaster {
        own_membership(&applicant, &keys, &config, clock)?
    } else {
        readiness.set_not_ready("waits to be accepted by its parent");
        let wait = enrol(
            &applicant,
            &keys,
            &parents,
            || clock.now(),
            |word| tracing::info!("{word}"),
        );
        match until_drained(wait, &mut signals).await {
            Some(membership) => membership?,
            None => return Ok(()),
        }
    };
    let hub = start(
        config, disk, clock, keys, applicant, membership, parents, metrics, role,
    )
    .await?;
    readiness.set_ready();
    signals::notify_ready();
    let watchdog = tokio::spawn(feed_watchdog(hub.engine.clone()));
    let mut running = hub.running;
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
            ended = &mut running => {
                watchdog.abort();
                return ended.context("the hub's loop panicked")?;
            }
        }
    }
    tracing::info!("draining");
    readiness.set_not_ready("stopping");
    signals::notify_stopping();
    watchdog.abort();
    let _ = hub.stop.send(true);
    tokio::select! {
        ended = &mut running => ended.context("the hub's loop panicked")??,
        _ = signals.next() => tracing::warn!("a second signal: leaving at once"),
    }
    let journal = hub.journal.clone();
    tokio::task::spawn_blocking(move || journal.flush()).await?;
    for endpoint in &hub.endpoints {
        endpoint.close(link::CloseCode::Stopping, "the hub stops");
    }
    let idle = async {
        for endpoint in &hub.endpoints {
            endpoint.idle().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), idle).await;
    let _ = std::fs::remove_file(&hub.socket);
    Ok(())
}

/// The metrics of this process.
fn prometheus_registry() -> daemon::metrics::Registry {
    daemon::metrics::Registry::new()
}

async fn until_drained<T>(work: impl Future<Output = T>, signals: &mut Signals) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            notice = signals.next() => if notice == Notice::Drain { return None },
        }
    }
}

async fn feed_watchdog(engine: EngineHandle) {
    let Some(every) = signals::watchdog_interval() else {
        return;
    };
    loop {
        // Alive means: the loop answers.
        if engine.query(|_| ()).await.is_err() {
            return;
        }
        signals::notify_watchdog();
        tokio::time::sleep(every).await;
    }
}

/// A hub that runs.
struct Running {
    engine: EngineHandle,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
    endpoints: Vec<Arc<Endpoint>>,
    socket: PathBuf,
    journal: Journal,
}

#[allow(clippy::too_many_arguments)]
async fn start(
    config: HubConfig,
    disk: Disk,
    clock: Clock,
    keys: Arc<KeyStore>,
    applicant: Applicant,
    membership: Membership,
    parents: Vec<ParentAddress>,
    metrics: HubMetrics,
    role: Role,
) -> anyhow::Result<Running> {
    let now = clock.now();
    let tree = applicant.tree;
    let state = config.paths.state_dir();
    let identity = membership.identity(tree)?;
    let uid = membership.member.uid;
    let path = membership.member.path.clone();
    let authority = membership
        .authority
        .context("a hub's certificate without the right to certify")?;
    let job_key = keys.job_key()?;

    std::fs::create_dir_all(&state).with_context(|| state.display().to_string())?;
    let (mut hub_store, recovered) = HubStore::open(disk.database())?;
    hub_store.keep_changes(config.job_cache.is_some())?;
    orchestrate::bury(&mut hub_store, now)?;
    let begun = hub_store.meta(timetable::META_KEY)?;
    let reader = hub_store.reader()?;
    let commit_metric = metrics.store_commit.clone();
    let disk_metrics = metrics.disk.clone();
    let job_cache_metrics = metrics.job_cache.clone();
    let event_return_metrics = metrics.event_return.clone();
    let journal = Journal::open(config.journal_file.as_deref(), metrics.job_journal.clone())?;
    let cache_reader = hub_store.reader()?;
    let committed = Arc::new(Notify::new());
    let rings = committed.clone();
    let committer = Arc::new(Committer::start(hub_store, move |done| {
        commit_metric.observe(done.took.as_secs_f64());
        rings.notify_one();
    })?);
    if let Some(settings) = &config.job_cache {
        let surroundings = job_cache::Surroundings {
            uid,
            reader: cache_reader,
            committer: Arc::downgrade(&committer),
            committed,
            clock,
            metrics: job_cache_metrics.clone(),
        };
        job_cache::start(settings, surroundings)?;
    }

    let trust = Arc::new(Mutex::new(TrustStore::new(tree)));
    for bundle in [
        keys.trust()?
            .map(|b| wire::codec::encode(&b))
            .transpose()?
            .map(Into::into),
        recovered.trust.clone(),
    ]
    .into_iter()
    .flatten()
    {
        if let Err(error) = crate::trust::accept(&trust, &keys, &bundle) {
            tracing::warn!("a stored trust bundle is not taken: {error:#}");
        }
    }

    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    let (epoch_bytes, seed_bytes) = random.split_at(8);
    let fresh_epoch = u64::from_le_bytes(epoch_bytes.try_into()?);
    let seed = u64::from_le_bytes(seed_bytes.try_into()?);
    let last_jid_ms = recovered.last_jid_ms;
    let nodegroups = nodegroups(&config)?;
    let policy = Arc::new(policy(&config, &nodegroups)?);
    let machine = Hub::new(
        MachineConfig {
            uid,
            id: config.id.clone(),
            path: path.clone(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            fresh_epoch,
            parents: parents.len(),
            save_bytes_max: relay::SAVE_BYTES_MAX,
            gather_ms: relay::GATHER_MS,
            adopt_after_ms: u64::try_from(config.jobs.adopt_after.as_millis())?,
            awaited_max: relay::AWAITED_MAX,
            judges: policy.binds_above(),
            job_key: Some(job_key.public().0),
        },
        recover(recovered, &trust),
        now,
    );

    let ways = Arc::new(Parents::new(parents.len()));
    let (mirror, source) = roots_source(&config, role)?;
    let scratch = state.join("scratch");
    std::fs::create_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    let (keeper, roots) = RootsKeeper::new(
        mirror,
        source,
        config.roots_update_interval,
        ways.clone(),
        scratch,
    );

    let mut tuning = Tuning::hub();
    tuning.idle = config.children_idle_timeout;
    let endpoint = Arc::new(Endpoint::hub(config.listen, &identity, tuning)?);
    if endpoint.receive_buffer() < RECEIVE_BUFFER_WANTED {
        tracing::warn!(
            got = endpoint.receive_buffer(),
            wanted = RECEIVE_BUFFER_WANTED,
            "small UDP receive buffer: fan-outs over a thousand minions will drop packets; \
             raise it with `sysctl net.core.rmem_max=67108864`"
        );
    }
    let mut endpoints = vec![endpoint.clone()];
    let uplinks = if parents.is_empty() {
        None
    } else {
        let mut tuning = Tuning::uplink();
        tuning.keep_alive = Some(config.links.keepalive);
        tuning.idle = config.links.idle_timeout;
        let any = SocketAddr::new(
            if config.listen.is_ipv6() {
                [0u16; 8].into()
            } else {
                [0u8; 4].into()
            },
            0,
        );
        let dialler = Arc::new(Endpoint::dialler(any, &identity, tuning)?);
        endpoints.push(dialler.clone());
        Some(dialler)
    };

    let bus = Bus::new(clock, metrics.events.clone());
    let chronicle = Arc::new(Mutex::new(Chronicle::new(bus.clone())));
    // Bounded by what the machine asks for at once.
    let (errands, errands_to_run) = mpsc::unbounded_channel();
    let surroundings = HubSurroundings {
        trust: trust.clone(),
        job_key: job_key.public().uid(),
        keys: keys.clone(),
        roots: roots.clone(),
        parents: ways.clone(),
        bus: bus.clone(),
        chronicle: chronicle.clone(),
        clock,
        errands,
        metrics,
        journal: journal.clone(),
        seen: Default::default(),
    };
    let (engine, handle) = Engine::new(
        machine,
        surroundings,
        committer.clone(),
        clock,
        disk.clone(),
    );
    tokio::spawn(disk.watch(disk_metrics.clone()));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(engine.run(stopped));

    let authority = Arc::new(RwLock::new(Arc::new(authority)));
    let trust_for_children = trust.clone();
    let pillars = Arc::new(Pillars::new(config.pillar_options.clone()));
    let matcher = Arc::new(Matcher::new(roots.clone(), pillars.clone()));
    let mine = Mine::open(
        &config.paths.state_dir().join("mine"),
        handle.clone(),
        ways.clone(),
        nodegroups.clone(),
    );
    let mine = Arc::new(mine.context("the mine")?);
    mine.forget_strangers().await;
    let reader = Arc::new(Mutex::new(reader));
    let own_runs = OwnRuns::new(committer.clone(), reader.clone(), clock);
    let requests = Arc::new(Requests {
        own_runs: own_runs.clone(),
        mine: mine.clone(),
        engine: handle.clone(),
        roots: roots.clone(),
        contents: Contents::default(),
        pillars: pillars.clone(),
        grants: Grants::new(committer.clone(), tree, path.clone()),
        authority: authority.clone(),
        lifetimes: lifetimes(&config),
        trust: Arc::new(move || {
            trust_for_children
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .encoded()
        }),
    });
    let ids = Arc::new(LinkIds::default());
    tokio::spawn(accept(
        endpoint.clone(),
        handle.clone(),
        requests,
        bus.clone(),
        ids.clone(),
        config.minions_max,
    ));
    tokio::spawn(keeper.run(handle.clone()));

    let fingerprint = keys.link_key()?.public().fingerprint().to_string();
    let standing = Arc::new(SelfStanding {
        tree,
        keys: keys.clone(),
        applicant,
        lifetimes: lifetimes(&config),
        authority,
        endpoints: endpoints.clone(),
        clock,
    });
    if let Some(dialler) = uplinks {
        for (nth, parent) in parents.into_iter().enumerate() {
            let (roots, mine, own_runs) = (roots.clone(), mine.clone(), own_runs.clone());
            tokio::spawn(uplink(Uplink {
                endpoint: dialler.clone(),
                parent,
                engine: handle.clone(),
                parents: ways.clone(),
                bus: bus.clone(),
                ids: ids.clone(),
                standing: standing.clone(),
                seed: seed.wrapping_add(nth as u64),
                came_up: Box::new(move |parent, protocol| {
                    roots.fetch();
                    if protocol >= wire::PROTOCOL_MINE {
                        tokio::spawn(mine.clone().tell_parent(parent.clone()));
                    }
                    if protocol >= wire::PROTOCOL_OWN_RUNS {
                        tokio::spawn(own_runs.clone().tell_parent(parent.clone()));
                    }
                }),
            }));
        }
    }
    tokio::spawn(async move { standing.keep_fresh(ways, seed).await });

    let desk = TrustDesk::new(trust.clone(), keys.clone());
    let remote = config.roots.as_ref();
    let remote = remote.map(|roots| daemon::config::without_user(&roots.remote));
    let service = Arc::new_cyclic(|itself| Service {
        itself: itself.clone(),
        orchestrations: Default::default(),
        reactions: Default::default(),
        engine: handle.clone(),
        committer: committer.clone(),
        reader,
        jobs: JobDesk::new(
            tree,
            uid,
            config.id.clone(),
            path.clone(),
            nodegroups,
            job_key,
            trust,
            last_jid_ms,
            millis(config.jobs.start_within),
        ),
        roots,
        runners: RunnerDesk::new(config.shown.clone(), pillars, remote),
        matcher,
        grants: Grants::new(committer.clone(), tree, path.clone()),
        trust: desk,
        policy: policy.clone(),
        bus,
        chronicle,
        fingerprint,
        wait_ms: config.jobs.timeout.map(millis),
        confirm_above: config.jobs.confirm_above,
        mine,
        overrides_from: overrides_from(&config),
        journal: journal.clone(),
    });
    tokio::spawn(crate::errands::run(errands_to_run, service.clone()));
    if let Some(settings) = &config.event_return {
        let surroundings = event_return::Surroundings {
            uid,
            id: config.id.to_string(),
            service: service.clone(),
            clock,
            metrics: event_return_metrics,
        };
        event_return::start(settings, surroundings).await?;
    }
    let reactor = Reactor::new(
        service.clone(),
        config.id.to_string(),
        config.pillar_options.clone(),
        config.reactor.clone(),
    )?;
    if let Some(reactor) = reactor {
        tokio::spawn(reactor.run());
    }
    let timetable = Timetable::new(service.clone(), &config.schedule, begun.as_deref())?;
    if let Some(timetable) = timetable {
        tokio::spawn(timetable.run());
    }
    let socket = config.paths.control_socket();
    let audience = match policy.opens() {
        true => Audience::Everybody,
        false => Audience::Owner,
    };
    let listener = daemon::socket::bind(&socket, audience)?;
    tokio::spawn(control::serve(listener, service.clone()));
    let retention = Retention {
        keep_ms: millis(config.jobs.keep),
        bytes_max: config.jobs.store_bytes_max,
    };
    let skipped = job_cache_metrics.skipped;
    tokio::spawn(pruning::run(
        committer,
        clock,
        retention,
        disk_metrics,
        skipped,
    ));
    if role == Role::TopMaster {
        tokio::spawn(reload_trust(service, handle.clone()));
    }
    tracing::info!(id = %config.id, %role, site = %path, listen = %endpoint.local_addr()?, "ready");
    Ok(Running {
        engine: handle,
        running,
        stop,
        endpoints,
        socket,
        journal,
    })
}

/// An offline command (`join admit`) may have put a newer trust bundle into the key directory.
async fn reload_trust(service: Arc<Service>, engine: EngineHandle) {
    loop {
        tokio::time::sleep(TRUST_RELOAD_EVERY).await;
        match service.trust.reload() {
            Ok(None) => {}
            Ok(Some((bundle, version))) => {
                tracing::info!(
                    version,
                    "a newer trust bundle was put into the key directory"
                );
                if engine
                    .input(relay::HubInput::Trust { bundle, version })
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!("the trust bundle in the key directory is not taken: {error:#}")
            }
        }
    }
}

fn recover(recovered: Recovered, trust: &Mutex<TrustStore>) -> HubRecovered {
    let trust = trust.lock().unwrap_or_else(PoisonError::into_inner);
    HubRecovered {
        epoch: recovered.epoch,
        next_index: recovered.next_index,
        nodes: recovered.nodes,
        marks: recovered.child_marks,
        jobs: recovered.open_jobs.into_iter().map(recovered_job).collect(),
        untold: recovered.untold,
        undelivered: recovered.undelivered,
        revocations: recovered.revoked,
        trust: trust.signed().map(|_| (trust.encoded(), trust.version())),
    }
}

/// A job of the store, for the machine.
pub(crate) fn recovered_job(job: StoredJob) -> RecoveredJob {
    RecoveredJob {
        head: job.head,
        news: job.news,
        plan: job.plan,
        finished: job.state.and_then(|state| state.finished),
    }
}

fn parents_of(config: &HubConfig) -> Vec<ParentAddress> {
    let upstream = config.upstream.iter().flat_map(|up| &up.parents);
    upstream
        .map(|parent| ParentAddress {
            host: parent.host().to_owned(),
            port: parent.port(),
        })
        .collect()
}

/// What this hub asks its parent for, and which tree it trusts.
fn applicant(config: &HubConfig, keys: &KeyStore) -> anyhow::Result<Applicant> {
    let software = env!("CARGO_PKG_VERSION").to_owned();
    let Some(upstream) = &config.upstream else {
        let tree = keys.tree()?.context(
            "this top-master has no tree yet: make one with `top-master init`, or join one with `top-master join`",
        )?;
        return Ok(Applicant {
            id: config.id.clone(),
            role: Role::TopMaster,
            site: String::new(),
            software,
            token: None,
            tree,
        });
    };
    let (tree, token) = membership::pinned(keys, upstream.tree, || {
        let token = upstream.join_token.as_ref();
        let token = token.map(|token| token.read()).transpose()?;
        Ok(token.map(|token| token.reveal().to_owned()))
    })?;
    Ok(Applicant {
        id: config.id.clone(),
        role: Role::Syndic,
        site: config
            .site
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        software,
        token,
        tree,
    })
}

/// A top-master's membership is its own affair; only the root stands above it.
fn own_membership(
    applicant: &Applicant,
    keys: &KeyStore,
    config: &HubConfig,
    clock: Clock,
) -> anyhow::Result<Membership> {
    if let Some(membership) = applicant.stored(keys, clock.now())? {
        return Ok(membership);
    }
    // The link's certificate is short-lived and may have ended while the daemon was down; the authority is not.
    let credentials = keys
        .credentials()?
        .context("this top-master has no certificates; make a tree with `top-master init`")?;
    let authority = pki::Authority::new(&applicant.tree, keys.ca_key()?, credentials.ca_chain, clock.now()).context(
        "this top-master's certifying certificate is no longer good; renew it with `top-master join request` and `admit`",
    )?;
    let link_chain = authority.issue_own(&keys.link_key()?, &lifetimes(config), clock.now())?;
    keys.save_credentials(&wire::enrol::Credentials {
        link_chain,
        ca_chain: authority.chain().to_vec(),
        trust: Vec::new().into(),
    })?;
    applicant
        .stored(keys, clock.now())?
        .context("the key directory's certificate names another id than the configuration")
}

fn nodegroups(config: &HubConfig) -> anyhow::Result<Nodegroups> {
    let groups: Nodegroups = config
        .nodegroups
        .iter()
        .map(|g| (g.name.clone(), g.target.clone()))
        .collect();
    for group in &config.nodegroups {
        targeting::Target::parse(targeting::Kind::Nodegroup, &group.name, &groups, ':').map_err(
            |errors| {
                anyhow::anyhow!(
                    "{}: nodegroup {}: {}",
                    group.place,
                    group.name,
                    errors.render(&group.target)
                )
            },
        )?;
    }
    Ok(groups)
}

fn policy(config: &HubConfig, nodegroups: &Nodegroups) -> anyhow::Result<Policy> {
    let AccessSettings {
        publisher_acl,
        blacklist,
        policy,
        ..
    } = &config.access;
    Policy::read(publisher_acl, blacklist, policy, nodegroups)
        .map_err(|faults| anyhow::anyhow!("the settings are wrong\n{}", faults.join("\n")))
}

fn overrides_from(config: &HubConfig) -> Vec<Glob> {
    let hubs = config.access.overrides_from.iter();
    hubs.map(|hub| Glob::new(hub)).collect()
}

fn roots_source(config: &HubConfig, role: Role) -> anyhow::Result<(Option<Arc<Mirror>>, Source)> {
    let dir = config.paths.cache_dir().join("roots");
    let source = match (&config.roots, role) {
        (Some(roots), _) => Source::Remote(Box::new(remote(roots))),
        (None, Role::Syndic) => Source::Parents,
        (None, _) => return Ok((None, Source::None)),
    };
    let mirror = match config.roots.as_ref().map(rule) {
        Some(rule) => Mirror::open_with(&dir, rule, Limits::default()),
        None => Mirror::open_following(&dir, Limits::default()),
    };
    let mirror = mirror.context("roots")?;
    Ok((Some(Arc::new(mirror)), source))
}

fn rule(roots: &RootsSettings) -> EnvironmentRule {
    EnvironmentRule {
        layout: match roots.layout {
            RootsLayout::Base => Layout::Base,
            RootsLayout::Branches => Layout::Branches,
            RootsLayout::BranchesAndTags => Layout::BranchesAndTags,
            RootsLayout::Folders => Layout::Folders,
        },
        base: roots.base.clone(),
        overrides: roots.environments.clone(),
        root: roots.root.clone(),
        pillar_root: roots.pillar_root.clone(),
    }
}

fn remote(roots: &RootsSettings) -> Remote {
    let auth = match (&roots.privkey, &roots.password) {
        (Some(private), _) => Auth::SshKey(SshKey {
            private: private.clone(),
            public: roots.pubkey.clone(),
            passphrase: roots.passphrase.as_ref().map(|p| p.reveal().to_owned()),
            user: roots.user.clone(),
            host_keys: if roots.host_fingerprints.is_empty() {
                HostKeys::KnownHosts(roots.known_hosts.clone())
            } else {
                HostKeys::Fingerprints(roots.host_fingerprints.clone())
            },
        }),
        (None, Some(password)) => Auth::Password {
            user: roots.user.clone().unwrap_or_default(),
            password: password.reveal().to_owned(),
        },
        (None, None) => Auth::None,
    };
    Remote {
        url: roots.remote.clone(),
        auth,
        ca_file: roots.ca_file.clone(),
        timeout: roots.timeout,
    }
}
