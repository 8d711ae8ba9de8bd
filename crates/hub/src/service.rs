//! Answers to an operator's questions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use access::Policy;
use relay::HubInput;
use store::{Committer, HubReader};
use targeting::Glob;
use wire::control::{Ask, FailureKind, Identity, KeyRow, RootsRow, Tell, TokenRow};
use wire::find::JobFilter;
use wire::{KeyDecision, Role, Standing, Uid, UnixMillis};

use crate::control::{Teller, failed};
use crate::engine::EngineHandle;
use crate::events::{Bus, Chronicle};
use crate::grants::Grants;
use crate::job_journal::Journal;
use crate::jobs::{no_job, tell_ledger};
use crate::mine::Mine;
use crate::orchestrate::Desk;
use crate::reactor::Reactions;
use crate::report;
use crate::roots::RootsHandle;
use crate::runners::RunnerDesk;
use crate::submit::JobDesk;
use crate::trust::TrustDesk;
use crate::undecided::Matcher;

/// Decisions about keys of far sites are in force once their roster says so; the command line is told after
/// this long in any case.
const DECIDE_WAIT: Duration = Duration::from_secs(15);

/// Everything that answers need.
pub struct Service {
    /// The machine.
    pub engine: EngineHandle,
    /// The store's writer.
    pub committer: Arc<Committer>,
    /// The store, for reads.
    pub reader: Arc<Mutex<HubReader>>,
    /// Signs jobs.
    pub jobs: JobDesk,
    /// The roots.
    pub roots: RootsHandle,
    /// Itself, for work that outlives a question.
    pub itself: Weak<Service>,
    /// Orchestrations that run.
    pub orchestrations: Desk,
    /// Jobs that reactions ordered.
    pub reactions: Reactions,
    /// What runners share.
    pub runners: RunnerDesk,
    /// Matches targets by pillar.
    pub matcher: Arc<Matcher>,
    /// Join tokens.
    pub grants: Grants,
    /// The trust bundle, and on a top-master the right to change it.
    pub trust: TrustDesk,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// The event bus.
    pub bus: Arc<Bus>,
    /// What the hub knows by itself, for readers of events.
    pub chronicle: Arc<Mutex<Chronicle>>,
    /// Fingerprint of this hub's own key.
    pub fingerprint: String,
    /// How long command lines wait that do not say; None: to the end.
    pub wait_ms: Option<u64>,
    /// Jobs for more minions than this are asked about.
    pub confirm_above: Option<u64>,
    /// The mine.
    pub mine: Arc<Mine>,
    /// Ids of hubs above whose orders may pass over this site's rules.
    pub overrides_from: Vec<Glob>,
    /// Who ordered what.
    pub journal: Journal,
}

impl Service {
    /// Answers one question.
    ///
    /// # Errors
    /// When the command line hung up, the hub stops, or the store can't be read.
    pub async fn answer(self: &Arc<Self>, ask: Ask, teller: &mut Teller) -> anyhow::Result<()> {
        match ask {
            Ask::Run(ask) => self.run(&ask, teller).await,
            Ask::Watch { jid } => self.watch(jid, false, teller).await,
            Ask::Show { jid } => match self.ledger(jid).await? {
                Some(ledger) => tell_ledger(teller, ledger).await,
                None => teller.tell(&no_job(jid)).await,
            },
            Ask::Jobs { limit } => {
                let filter = JobFilter {
                    limit,
                    ..JobFilter::default()
                };
                let jobs = self.find(teller.caller(), filter).await?;
                teller.tell(&Tell::Jobs(jobs)).await
            }
            Ask::Find(filter) => {
                let jobs = self.find(teller.caller(), *filter).await?;
                teller.tell(&self.found(jobs).await?).await
            }
            Ask::Cancel { jid, user } => self.cancel(jid, user, teller).await,
            Ask::Retry(ask) => self.retry(&ask, teller).await,
            Ask::Halt { jid, user } => self.halt(jid, &user, teller).await,
            Ask::Preview(ask) => self.preview(&ask, teller).await,
            Ask::GoOn { jid, user } => self.go_on(jid, &user, teller).await,
            Ask::Adopt { which, user } => self.adopt(&which, &user, teller).await,
            Ask::Tree { minions } => {
                let now = self.engine.clock().now();
                let tree = self
                    .engine
                    .query(move |hub| report::tree(hub, minions, now))
                    .await?;
                teller.tell(&Tell::Tree(Box::new(tree))).await
            }
            Ask::Runner(ask) => {
                let caller = teller.caller().clone();
                let tell = tokio::select! {
                    tell = self.runner(&caller, &ask) => tell?,
                    // Nobody waits for the answer any more.
                    () = teller.hung_up() => return Ok(()),
                };
                teller.tell(&tell).await
            }
            Ask::Orchestrate(ask) => self.orchestrate(&ask, teller).await,
            Ask::RunnerDetached(ask) => {
                let caller = teller.caller().clone();
                teller.tell(&self.detach_runner(caller, *ask)).await
            }
            Ask::Keys => {
                teller
                    .tell(&Tell::Keys(self.engine.query(report::keys).await?))
                    .await
            }
            Ask::Decide {
                ids,
                standings,
                decision,
                user,
            } => self.decide(&ids, &standings, decision, &user, teller).await,
            Ask::TokenCreate {
                role,
                ids,
                ttl_s,
                uses,
            } => {
                let now = self.engine.clock().now();
                match self
                    .grants
                    .create(
                        role,
                        ids,
                        now.saturating_add(ttl_s.saturating_mul(1_000)),
                        uses,
                    )
                    .await
                {
                    Ok((name, token, expires)) => {
                        teller
                            .tell(&Tell::Token {
                                token,
                                name,
                                expires,
                            })
                            .await
                    }
                    Err(error) => {
                        teller
                            .tell(&failed(FailureKind::Usage, format!("{error:#}")))
                            .await
                    }
                }
            }
            Ask::TokenList => teller.tell(&Tell::Tokens(self.tokens().await?)).await,
            Ask::TokenRevoke { name } => {
                let tell = if self.grants.revoke(&name).await? {
                    Tell::Done
                } else {
                    failed(
                        FailureKind::NotFound,
                        format!("there is no join token named {name}"),
                    )
                };
                teller.tell(&tell).await
            }
            Ask::Roots => {
                teller
                    .tell(&Tell::Roots(self.engine.query(report::roots).await?))
                    .await
            }
            Ask::RootsUpdate {
                accept_rewind,
                wait_ms,
            } => self.update_roots(accept_rewind, wait_ms, teller).await,
            Ask::Delegate {
                syndic,
                functions,
                ttl_s,
            } => self.delegate(&syndic, functions, ttl_s, teller).await,
            Ask::MayI(ask) => self.may_i(&ask, None, teller).await,
            Ask::MayOther(ask) => self.may_i(&ask, Some(&ask.user), teller).await,
            Ask::Events { globs } => self.follow_events(&globs, teller).await,
            Ask::Identity => {
                teller
                    .tell(&Tell::Identity(Box::new(self.identity().await?)))
                    .await
            }
        }
    }

    async fn decide(
        &self,
        ids: &[String],
        standings: &[Standing],
        decision: KeyDecision,
        user: &str,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let mut globs = Vec::new();
        for id in ids {
            match targeting::Target::parse(
                targeting::Kind::Glob,
                id,
                &targeting::Nodegroups::default(),
                ':',
            ) {
                Ok(glob) => globs.push(glob),
                Err(errors) => {
                    return teller
                        .tell(&failed(FailureKind::Usage, errors.render(id)))
                        .await;
                }
            }
        }
        let wanted: BTreeSet<Standing> = if standings.is_empty() {
            match decision {
                KeyDecision::Accept => [Standing::Pending].into(),
                KeyDecision::Reject | KeyDecision::Deny => {
                    [Standing::Pending, Standing::Accepted].into()
                }
                KeyDecision::Delete => [
                    Standing::Pending,
                    Standing::Accepted,
                    Standing::Rejected,
                    Standing::Denied,
                ]
                .into(),
            }
        } else {
            standings.iter().copied().collect()
        };
        let chosen: Vec<(Uid, KeyRow)> = self
            .engine
            .query(move |hub| {
                hub.nodes()
                    .filter(|node| wanted.contains(&node.standing()))
                    .filter(|node| {
                        globs
                            .iter()
                            .any(|glob| glob.matches(&Named(*node)) == targeting::Verdict::Yes)
                    })
                    .map(|node| (node.uid(), report::key_row(node)))
                    .collect()
            })
            .await?;
        if chosen.is_empty() {
            let text = format!("no key matches {}", ids.join(" "));
            return teller.tell(&failed(FailureKind::NotFound, text)).await;
        }
        let uids: Vec<Uid> = chosen.iter().map(|(uid, _)| *uid).collect();
        let refusals = self.decide_keys(uids, decision, user).await?;
        let rows = self
            .engine
            .query(move |hub| {
                chosen
                    .into_iter()
                    .map(|(uid, before)| match hub.node_by_uid(uid) {
                        Some(node) => report::key_row(node),
                        None => before,
                    })
                    .collect::<Vec<_>>()
            })
            .await?;
        if let Some(text) = refusals.into_iter().next() {
            return teller.tell(&failed(FailureKind::Refused, text)).await;
        }
        teller.tell(&Tell::Keys(rows)).await
    }

    /// Decides about keys, and waits until that is in force. Gives refusals.
    pub(crate) async fn decide_keys(
        &self,
        uids: Vec<Uid>,
        decision: KeyDecision,
        user: &str,
    ) -> anyhow::Result<Vec<String>> {
        tracing::info!(user, ?decision, keys = uids.len(), "keys are decided");
        let mut decided = self.engine.decisions();
        self.engine
            .input(HubInput::Decide {
                uids: uids.clone(),
                decision,
            })
            .await?;
        self.wait_decided(&uids, decision, &mut decided).await
    }

    /// Waits until the roster of this hub says that the decision is in force for each key. Gives refusals.
    async fn wait_decided(
        &self,
        uids: &[Uid],
        decision: KeyDecision,
        decided: &mut tokio::sync::broadcast::Receiver<relay::Decision>,
    ) -> anyhow::Result<Vec<String>> {
        let aim = match decision {
            KeyDecision::Accept => Some(Standing::Accepted),
            KeyDecision::Reject => Some(Standing::Rejected),
            KeyDecision::Deny => Some(Standing::Denied),
            KeyDecision::Delete => None,
        };
        let mut refusals = Vec::new();
        let mut open: BTreeSet<Uid> = uids.iter().copied().collect();
        let deadline = tokio::time::Instant::now() + DECIDE_WAIT;
        while !open.is_empty() && tokio::time::Instant::now() < deadline {
            let asked: Vec<Uid> = open.iter().copied().collect();
            let standings = self
                .engine
                .query(move |hub| {
                    asked
                        .into_iter()
                        .map(|uid| (uid, hub.node_by_uid(uid).map(|n| n.standing())))
                        .collect::<Vec<_>>()
                })
                .await?;
            open = standings
                .into_iter()
                .filter(|(_, standing)| *standing != aim)
                .map(|(uid, _)| uid)
                .collect();
            // A decision about an own child is announced; one far below shows in the roster a round trip later.
            if let Ok(Ok(decision)) =
                tokio::time::timeout(Duration::from_millis(20), decided.recv()).await
                && let Some(text) = decision.refused
            {
                open.remove(&decision.uid);
                refusals.push(format!("{}: {text}", decision.id));
            }
        }
        Ok(refusals)
    }

    async fn tokens(&self) -> anyhow::Result<Vec<TokenRow>> {
        let rows = self.grants.list(self.engine.clock().now()).await?;
        Ok(rows
            .into_iter()
            .map(|grant| TokenRow {
                name: grant.name.to_string(),
                role: grant.role,
                ids: grant.ids,
                expires: grant.expires,
                uses_left: grant.uses,
            })
            .collect())
    }

    async fn update_roots(
        &self,
        accept_rewind: bool,
        wait_ms: u64,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        if accept_rewind {
            self.roots.accept_rewind_once();
        }
        let rows = tokio::select! {
            rows = self.fetched_roots(Duration::from_millis(wait_ms)) => rows?,
            () = teller.hung_up() => return Ok(()),
        };
        teller.tell(&Tell::Roots(rows)).await
    }

    /// Fetches the roots at every site; what each serves, once all that are connected have answered or the time is up.
    pub(crate) async fn fetched_roots(&self, wait: Duration) -> anyhow::Result<Vec<RootsRow>> {
        let asked = self.engine.clock().now();
        self.engine.input(HubInput::FetchRoots).await?;
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let rows = self.engine.query(report::roots).await?;
            let all_fresh = rows
                .iter()
                .filter(|row| row.presence == wire::Presence::Up)
                .all(|row| row.report.checked >= asked || !self.roots.is_configured());
            if all_fresh || tokio::time::Instant::now() >= deadline {
                return Ok(rows);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn delegate(
        &self,
        syndic: &str,
        functions: Vec<String>,
        ttl_s: u64,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let name = syndic.to_owned();
        let found = self
            .engine
            .query(move |hub| {
                hub.nodes()
                    .find(|n| {
                        n.role() == Role::Syndic
                            && n.standing() == Standing::Accepted
                            && n.id().as_str() == name
                    })
                    .map(|n| (n.uid(), n.id().clone(), n.path().clone(), n.job_key()))
            })
            .await?;
        let Some((uid, id, path, Some(job_key))) = found else {
            let text = format!("there is no accepted syndic named {syndic}");
            return teller.tell(&failed(FailureKind::NotFound, text)).await;
        };
        let now: UnixMillis = self.engine.clock().now();
        let expires = now.saturating_add(ttl_s.saturating_mul(1_000));
        match self
            .trust
            .delegate(uid, &id, &path, &job_key, functions, expires, now)
            .await
        {
            Ok((bundle, version)) => {
                self.engine
                    .input(HubInput::Trust { bundle, version })
                    .await?;
                teller.tell(&Tell::Done).await
            }
            Err(error) => {
                teller
                    .tell(&failed(FailureKind::Refused, format!("{error:#}")))
                    .await
            }
        }
    }

    async fn identity(&self) -> anyhow::Result<Identity> {
        let now = self.engine.clock().now();
        let (id, path, software) = self
            .engine
            .query(|hub| {
                let own = hub.config();
                (
                    own.id.to_string(),
                    own.path.to_string(),
                    own.software.clone(),
                )
            })
            .await?;
        Ok(Identity {
            id,
            role: if path.is_empty() {
                Role::TopMaster
            } else {
                Role::Syndic
            },
            path,
            software,
            tree_fingerprint: pki::Fingerprint(self.jobs.tree.0).to_string(),
            fingerprint: self.fingerprint.clone(),
            trust_version: self.trust.version(),
            job_scope: self.jobs.scope(now).map(|scope| scope.to_string()),
        })
    }
}

/// A node as a glob over ids sees it.
struct Named<'a>(relay::RosterView<'a>);

impl targeting::Facts for Named<'_> {
    fn id(&self) -> &str {
        self.0.id().as_str()
    }
    fn path(&self) -> &str {
        self.0.path().as_str()
    }
    fn grains(&self) -> Option<&serde_json::Value> {
        None
    }
}
