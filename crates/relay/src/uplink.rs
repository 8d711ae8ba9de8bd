//! Sessions with parents: what a syndic tells upwards, and takes from above.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::record::{JobHead, Record};
use wire::{
    Down, Hello, HelloBody, Jid, JobEnvelope, JobOrder, PlanRecord, ProtocolRange, Revocation,
    RosterMark, Terms, Up, Warrant, Welcome,
};

use crate::LinkId;
use crate::bounds;
use crate::exchange::HubOutput;
use crate::gate::Peer;
use crate::hub::{Hub, OPEN_JOBS_MAX};
use crate::job::Origin;
use crate::planted::{self, Bug};
use crate::rollout::PROTOCOL_TERMS;

/// Ledger deltas of one job that a parent has not acknowledged, at most. While it is full, outcomes gather and
/// fold; so a long round trip makes deltas bigger, not slower.
const WINDOW: u32 = 32;

/// Jobs of which one session may tell: both ends keep a number for each.
const SESSION_JOBS_MAX: usize = 1 << 20;

/// One session.
#[derive(Debug)]
pub(crate) struct Parent {
    pub peer: Peer,
    pub welcomed: bool,
    /// What the session is in; 0 until it is welcomed.
    pub protocol: u16,
    /// How far it knows the roster.
    told: RosterMark,
    /// It has been told the roster once.
    greeted: bool,
    /// It has been told every open job once.
    resumed: bool,
    /// Roster and ledger deltas of this session so far.
    rosters: u32,
    ledgers: u64,
    /// The last serial of each job.
    pub serials: BTreeMap<Jid, u32>,
}

impl Hub {
    pub(crate) fn parent_connected(&mut self, link: LinkId, peer: Peer) {
        let older: Vec<LinkId> = self
            .parents
            .iter()
            .filter(|(_, p)| p.peer.uid == peer.uid)
            .map(|(link, _)| *link)
            .collect();
        for link in older {
            self.parent_closed(link);
            let reason = "a newer session with the same parent".to_owned();
            self.outputs.push_back(HubOutput::CloseParent {
                link,
                reason,
                retry: true,
            });
        }
        let hello = Up::Hello(Hello {
            protocol: ProtocolRange::OURS,
            software: self.config.software.clone(),
            trust_version: self.trust.as_ref().map_or(0, |(_, version)| *version),
            body: HelloBody::Syndic {
                roster: self.roster.mark(),
                job_key: self.config.job_key,
            },
        });
        self.parents.insert(
            link,
            Parent {
                peer,
                welcomed: false,
                protocol: 0,
                told: RosterMark::default(),
                greeted: false,
                resumed: false,
                rosters: 0,
                ledgers: 0,
                serials: BTreeMap::new(),
            },
        );
        self.outputs.push_back(HubOutput::ToParent {
            link,
            message: hello,
        });
    }

    /// A session is over: what was told in it may be lost, so the next one tells it again.
    pub(crate) fn parent_closed(&mut self, link: LinkId) {
        self.inquirer_gone(link);
        if let Some(parent) = self.parents.remove(&link) {
            self.parted.note(parent.peer.uid, self.now);
            for job in self.jobs.values_mut() {
                job.uplinks.remove(&parent.peer.uid);
            }
        }
    }

    pub(crate) fn parent_message(&mut self, link: LinkId, message: Down) {
        let Some(parent) = self.parents.get(&link) else {
            return;
        };
        let uid = parent.peer.uid;
        match (message, parent.welcomed) {
            (Down::Welcome(welcome), false) => self.welcomed(link, &welcome),
            (Down::Refuse(refusal), _) => {
                self.parent_closed(link);
                let retry = refusal.code.retry_helps();
                self.outputs.push_back(HubOutput::CloseParent {
                    link,
                    reason: refusal.text,
                    retry,
                });
            }
            (Down::Ping { nonce }, _) => self.outputs.push_back(HubOutput::ToParent {
                link,
                message: Up::Pong { nonce },
            }),
            (Down::Job(envelope), true) => {
                self.job_from_parent(uid, envelope, Terms::default(), None);
            }
            (Down::Assign { envelope, terms }, true) => {
                self.job_from_parent(uid, envelope, terms, None);
            }
            (
                Down::Warranted {
                    envelope,
                    terms,
                    warrant,
                },
                true,
            ) => self.job_from_parent(uid, envelope, terms, Some(*warrant)),
            (Down::Release { jid, release }, true) => {
                let is_adopted = self.jobs.get(&jid).is_some_and(|job| job.owner.is_some());
                if !is_adopted || planted::is(Bug::ObeysFormerOwner) {
                    self.released(jid, release);
                }
            }
            (
                Down::Grant {
                    jid,
                    owner,
                    release,
                },
                true,
            ) => {
                if self.is_obeyed(jid, owner) {
                    self.released(jid, release);
                }
            }
            (
                Down::Inquire {
                    envelope,
                    warrant,
                    within_ms,
                },
                true,
            ) => self.inquired_above(link, envelope, warrant.map(|warrant| *warrant), within_ms),
            (Down::Own { jid, owner }, true) => self.owned_above(link, uid, jid, owner),
            (Down::Witness { top }, true) => self.bear_witness(link, top),
            (Down::Plan { jid, owner, plan }, true) => self.plan_above(jid, owner, plan),
            (Down::Halt { jid, halt }, true) => self.halted(jid, halt),
            (Down::Recall { jid }, true) => self.tell_order(link, jid),
            (Down::SettledBy { jid, who }, true) => self.settle(jid, &who),
            (Down::LedgerAck { jid, serial }, true) => {
                if let Some(sink) = self
                    .jobs
                    .get_mut(&jid)
                    .and_then(|job| job.uplinks.get_mut(&uid))
                {
                    sink.acked(serial);
                }
                if self.unsaved.is_gathering() {
                    // The window has room, and no batch ends soon.
                    self.pump_uplinks(self.gathered);
                }
                if self.telling.contains(&jid) {
                    self.close_jobs();
                }
            }
            (Down::Trust(bundle), true) => self.outputs.push_back(HubOutput::TrustOffered(bundle)),
            (Down::Revoked(news), true) => self.spread_revocations(news, Some(link)),
            (Down::Keys { uids, decision }, true) => self.decide(&uids, decision),
            (Down::FetchRoots, true) => self.fetch_roots(),
            // The shell reads them beside the machine: they change nothing here.
            (Down::EventFilters(_), true) => {}
            // A minion's message, or one before the welcome: the parent is not what it should be.
            (Down::Welcome(_) | Down::Settled(_) | Down::Turn { .. }, _) | (_, false) => {
                self.parent_closed(link);
                let reason = "the parent sent a message out of place".to_owned();
                self.outputs.push_back(HubOutput::CloseParent {
                    link,
                    reason,
                    retry: true,
                });
            }
        }
    }

    fn welcomed(&mut self, link: LinkId, welcome: &Welcome) {
        if let Some(reason) = bounds::objection(welcome) {
            self.parent_closed(link);
            self.outputs.push_back(HubOutput::CloseParent {
                link,
                reason,
                retry: true,
            });
            return;
        }
        let Some(parent) = self.parents.get_mut(&link) else {
            return;
        };
        parent.welcomed = true;
        parent.protocol = welcome.protocol;
        let protocol = welcome.protocol;
        let uid = parent.peer.uid;
        parent.told = welcome.roster;
        let revocations = self.revocations.values();
        let revocations: Vec<Revocation> = revocations
            .filter(|r| !self.revoked_above.contains(&r.uid))
            .copied()
            .collect();
        if !revocations.is_empty() {
            self.outputs.push_back(HubOutput::ToParent {
                link,
                message: Up::Revoked(revocations),
            });
        }
        let roots = self.roots.clone();
        self.outputs.push_back(HubOutput::ToParent {
            link,
            message: Up::Roots(roots),
        });
        if protocol >= PROTOCOL_TERMS {
            self.tell_owners(link);
        }
        let (signer, beside) = (self.signer, self.is_below_tops());
        // The parent hears of jobs that it (or another parent) sent, of returns that nobody here can place, and of what this
        // site did on its own.
        for job in self.jobs.values_mut() {
            let is_ordered = job.origin == Origin::Above && job.order.is_some();
            if planted::is(Bug::TellsOnce) {
                break;
            }
            if is_ordered || job.is_told_to(protocol, signer, beside) {
                job.begin_uplink(uid, protocol, 0);
            }
        }
        if protocol >= PROTOCOL_TERMS {
            self.tell_old_jobs();
        }
    }

    fn job_from_parent(
        &mut self,
        parent: wire::Uid,
        envelope: JobEnvelope,
        terms: Terms,
        warrant: Option<Warrant>,
    ) {
        let order = match wire::codec::decode::<JobOrder>(&envelope.order) {
            Ok(order) => Arc::new(order),
            Err(error) => {
                self.refused += 1;
                self.outputs.push_back(HubOutput::Alarm(format!(
                    "a parent sent an order that does not decode: {error}"
                )));
                return;
            }
        };
        let jid = order.jid;
        let warrant = warrant.filter(Warrant::is_bounded);
        let session = self.parents.values().find(|p| p.peer.uid == parent);
        let protocol = session.map_or(0, |p| p.protocol);
        // It may have heard of the job's returns before it sent the order.
        let told = session
            .and_then(|p| p.serials.get(&jid).copied())
            .filter(|_| !planted::is(Bug::CountsAnew))
            .unwrap_or(0);
        let mut orphan = None;
        if let Some(job) = self.jobs.get_mut(&jid) {
            // What only hubs below have told of it is no more than a part.
            let is_whole = job.origin != Origin::Above || !job.head.parents.is_empty();
            if job.order.is_some() && is_whole {
                // By another way, or again after a restart of the parent: it hears the account as it stands.
                if !job.head.parents.contains(&parent) && job.origin == Origin::Above {
                    job.head.parents.push(parent);
                    self.saving.record(Record::Job(Box::new(job.head.clone())));
                }
                job.begin_uplink(parent, protocol, told);
                self.reopen(jid);
                return;
            }
            // News came before the order; both become one account, which is open again.
            if !planted::is(Bug::StaysClosed) {
                self.reopen(jid);
            }
            orphan = self.jobs.remove(&jid);
        }
        if self.jobs.len() >= 2 * OPEN_JOBS_MAX {
            self.outputs.push_back(HubOutput::Alarm(format!(
                "job {jid} is not taken: too many open jobs"
            )));
            return;
        }
        let head = JobHead {
            jid,
            envelope,
            parents: vec![parent],
            received: self.now,
        };
        self.take_job(head, order, terms, warrant.map(PlanRecord::Warrant));
        if let Some(owner) = self.owners.remove(&jid) {
            self.record_plan(jid, PlanRecord::Owned(owner));
        }
        if let Some(orphan) = orphan {
            self.join(jid, orphan);
        }
    }

    /// Tells parents what is new and on disk: accounts without their unsaved rows, and the roster up to a revision.
    pub(crate) fn pump_uplinks(&mut self, revision: u64) {
        for link in self.welcomed_parents() {
            // Accounts name minions by their numbers in the roster, so that goes first.
            if self.pump_roster(link, revision) {
                self.pump_ledgers(link);
            }
        }
    }

    /// Whether the parent has a roster now.
    fn pump_roster(&mut self, link: LinkId, revision: u64) -> bool {
        let Some(parent) = self.parents.get_mut(&link) else {
            return false;
        };
        if parent.greeted && parent.told.revision >= revision {
            return true;
        }
        // A first delta may be a snapshot, and that has to be whole.
        if !parent.greeted && !self.roster.is_recorded(revision) {
            return false;
        }
        for mut delta in self
            .roster
            .delta_since(parent.told, revision, !parent.greeted)
        {
            parent.told = delta.mark;
            parent.rosters += 1;
            delta.serial = parent.rosters;
            self.outputs.push_back(HubOutput::ToParent {
                link,
                message: Up::Roster(delta),
            });
        }
        parent.greeted = true;
        true
    }

    fn pump_ledgers(&mut self, link: LinkId) {
        let Some(parent) = self.parents.get_mut(&link) else {
            return;
        };
        let uid = parent.peer.uid;
        for job in self.jobs.values_mut() {
            while job
                .uplinks
                .get(&uid)
                .is_some_and(|sink| sink.in_flight() < WINDOW)
            {
                let Some(mut delta) = job.uplink_delta(uid) else {
                    break;
                };
                delta.roster = parent.rosters;
                parent.ledgers += 1;
                parent.serials.insert(delta.jid, delta.serial);
                self.outputs.push_back(HubOutput::ToParent {
                    link,
                    message: Up::Ledger(delta),
                });
            }
        }
        if parent.serials.len() > SESSION_JOBS_MAX {
            // A new session counts anew.
            let reason = "the session told of very many jobs".to_owned();
            self.outputs.push_back(HubOutput::CloseParent {
                link,
                reason,
                retry: true,
            });
            self.parent_closed(link);
            return;
        }
        if !parent.resumed {
            parent.resumed = true;
            if planted::is(Bug::NeverResumes) {
                return;
            }
            self.outputs.push_back(HubOutput::ToParent {
                link,
                message: Up::Resumed {
                    ledgers: parent.ledgers,
                },
            });
        }
    }
}
