//! A hub on a bench: inputs go in one by one, and what comes out is collected.

use std::sync::Arc;

use relay::{Hub, HubConfig, HubInput, HubOutput, HubRecovered, LinkId, Peer, RecoveredJob};
use wire::record::Record;
use wire::{
    BatchPlan, Down, Hello, HelloBody, Jid, JobEnvelope, JobOptions, JobOrder, Json, LedgerDelta,
    Outcome, OutcomeGroup, Presence, ProtocolRange, Return, Role, RosterDelta, RosterMark,
    RunTarget, SitePath, Standing, Timing, TreeId, Uid, UnixMillis, Up, Welcome,
};

pub const NOW: UnixMillis = 1_795_387_000_000;

/// How long an owner may be gone until its jobs are adopted.
pub const ADOPT_AFTER_MS: u64 = 300_000;

/// Outcomes that a hub of the bench may await.
pub const AWAITED_MAX: u64 = 40;

pub fn json(text: &str) -> Json {
    text.as_bytes().into()
}

pub fn jid(number: u8) -> Jid {
    format!("2026112222371900{number:02}00").parse().unwrap()
}

pub fn peer(number: u8, role: Role, id: &str, path: &str) -> Peer {
    Peer {
        uid: Uid([number; 16]),
        id: id.parse().unwrap(),
        role,
        path: path.parse().unwrap(),
        fingerprint: [number; 32],
    }
}

pub fn minion(number: u8) -> Peer {
    peer(number, Role::Minion, &format!("m{number}"), "")
}

pub fn order(jid: Jid, target: &str) -> (JobEnvelope, Arc<JobOrder>) {
    order_of(Uid([100; 16]), jid, target)
}

/// An order of a hub.
pub fn order_of(origin: Uid, jid: Jid, target: &str) -> (JobEnvelope, Arc<JobOrder>) {
    order_with(origin, NOW + 10_000, jid, target)
}

/// An order of the top that may be started until then.
pub fn order_until(until: UnixMillis, jid: Jid, target: &str) -> (JobEnvelope, Arc<JobOrder>) {
    order_with(Uid([100; 16]), until, jid, target)
}

fn order_with(
    origin: Uid,
    start_by: UnixMillis,
    jid: Jid,
    target: &str,
) -> (JobEnvelope, Arc<JobOrder>) {
    let order = JobOrder {
        tree: TreeId([1; 32]),
        jid,
        origin,
        origin_id: "top".parse().unwrap(),
        scope: SitePath::top(),
        user: "root".to_owned(),
        target: RunTarget {
            compound: target.to_owned(),
            typed: target.to_owned(),
        },
        fun: "test.ping".to_owned(),
        args: json("[]"),
        kwargs: json("{}"),
        issued: NOW,
        start_by,
        options: JobOptions::default(),
    };
    let envelope = JobEnvelope {
        order: wire::codec::encode(&order).unwrap().into(),
        signer: Uid([5; 16]),
        signature: [0; 64],
    };
    (envelope, Arc::new(order))
}

pub fn hello(role: Role) -> Up {
    let body = match role {
        Role::Minion => HelloBody::Minion {
            grains: json("{}"),
            running: vec![],
            unsettled: vec![],
        },
        _ => HelloBody::Syndic {
            roster: RosterMark::default(),
            job_key: None,
        },
    };
    Up::Hello(Hello {
        protocol: ProtocolRange::OURS,
        software: "1".to_owned(),
        trust_version: 0,
        body,
    })
}

pub fn back(running: Vec<Jid>, unsettled: Vec<Jid>) -> Up {
    Up::Hello(Hello {
        protocol: ProtocolRange::OURS,
        software: "1".to_owned(),
        trust_version: 0,
        body: HelloBody::Minion {
            grains: json("{}"),
            running,
            unsettled,
        },
    })
}

pub fn pong(jid: Jid) -> Return {
    Return {
        jid,
        retcode: 0,
        success: true,
        value: json("true"),
        started: NOW,
        duration_ms: 1,
    }
}

/// A hub, its clock, and everything that it ever saved.
pub struct Bench {
    pub hub: Hub,
    pub now: UnixMillis,
    pub saved: Vec<Record>,
    /// Confirm saves at once.
    pub disk_works: bool,
    pending: Option<u64>,
}

impl Bench {
    pub fn new(path: &str) -> Bench {
        Bench::with(path, HubRecovered::default())
    }

    pub fn with(path: &str, recovered: HubRecovered) -> Bench {
        let parents = usize::from(!path.is_empty());
        Bench::with_all(path, recovered, parents, relay::SAVE_BYTES_MAX, 0)
    }

    /// A hub that is to have so many parents.
    pub fn with_parents(path: &str, parents: usize) -> Bench {
        let recovered = HubRecovered::default();
        Bench::with_all(path, recovered, parents, relay::SAVE_BYTES_MAX, 0)
    }

    /// A hub that saves so many bytes of values at once.
    pub fn saving_at_once(path: &str, save_bytes_max: usize) -> Bench {
        Bench::with_all(path, HubRecovered::default(), 1, save_bytes_max, 0)
    }

    /// A hub that lets news wait for more, until there are so many bytes of values.
    pub fn gathering(path: &str, save_bytes_max: usize) -> Bench {
        let recovered = HubRecovered::default();
        Bench::with_all(path, recovered, 1, save_bytes_max, relay::GATHER_MS)
    }

    fn with_all(
        path: &str,
        recovered: HubRecovered,
        parents: usize,
        save_bytes_max: usize,
        gather_ms: u64,
    ) -> Bench {
        let config = HubConfig {
            // Orders come from the top.
            uid: Uid([if path.is_empty() { 100 } else { 101 }; 16]),
            id: "hub".parse().unwrap(),
            path: path.parse().unwrap(),
            software: "1".to_owned(),
            fresh_epoch: 42,
            job_key: None,
            parents,
            save_bytes_max,
            gather_ms,
            // A few minions are enough to reach it.
            awaited_max: AWAITED_MAX,
            adopt_after_ms: ADOPT_AFTER_MS,
            judges: false,
        };
        let mut bench = Bench {
            hub: Hub::new(config, recovered, NOW),
            now: NOW,
            saved: Vec::new(),
            disk_works: true,
            pending: None,
        };
        bench.drain();
        bench
    }

    /// The same hub after a restart, with what its disk has.
    pub fn restarted(self) -> Bench {
        let path = self.hub.config().path.to_string();
        let mut bench = Bench::with(&path, self.recovered());
        let since = std::mem::replace(&mut bench.saved, self.saved);
        bench.saved.extend(since);
        bench
    }

    pub fn put(&mut self, input: HubInput) -> Vec<HubOutput> {
        self.hub.handle_input(self.now, input);
        self.drain()
    }

    pub fn says(&mut self, link: u64, message: Up) -> Vec<HubOutput> {
        let link = LinkId(link);
        self.put(HubInput::ChildMessage { link, message })
    }

    pub fn wait(&mut self, ms: u64) -> Vec<HubOutput> {
        self.now += ms;
        self.hub.handle_timeout(self.now);
        self.drain()
    }

    /// The disk has done what it was asked.
    pub fn disk_done(&mut self) -> Vec<HubOutput> {
        match self.pending.take() {
            Some(token) => self.put(HubInput::Saved { token }),
            None => Vec::new(),
        }
    }

    fn drain(&mut self) -> Vec<HubOutput> {
        let mut outputs = Vec::new();
        while let Some(output) = self.hub.poll_output() {
            if let HubOutput::Save { token, records } = output {
                self.saved.extend(records);
                if self.disk_works {
                    self.hub.handle_input(self.now, HubInput::Saved { token });
                } else {
                    self.pending = Some(token);
                }
            } else if let HubOutput::Recall { jid } = output {
                let job = self
                    .stored()
                    .jobs
                    .into_iter()
                    .find(|job| job.head.jid == jid);
                let job = job.map(Box::new);
                self.hub
                    .handle_input(self.now, HubInput::Recalled { jid, job });
            } else {
                outputs.push(output);
            }
        }
        outputs
    }

    /// A child connects and says hello.
    pub fn connect(&mut self, link: u64, peer: Peer) -> Vec<HubOutput> {
        let hello = hello(peer.role);
        self.connect_with(link, peer, hello)
    }

    pub fn connect_with(&mut self, link: u64, peer: Peer, hello: Up) -> Vec<HubOutput> {
        let id = LinkId(link);
        self.put(HubInput::ChildConnected { link: id, peer });
        self.says(link, hello)
    }

    pub fn close(&mut self, link: u64) -> Vec<HubOutput> {
        let link = LinkId(link);
        self.put(HubInput::ChildClosed { link })
    }

    pub fn submit(&mut self, jid: Jid, target: &str) -> Vec<HubOutput> {
        self.submit_on(jid, target, false, None)
    }

    pub fn submit_on(
        &mut self,
        jid: Jid,
        target: &str,
        hold: bool,
        plan: Option<BatchPlan>,
    ) -> Vec<HubOutput> {
        let (envelope, order) = order(jid, target);
        self.put(HubInput::Submit {
            envelope,
            order,
            hold,
            plan: plan.map(Box::new),
            warrant: None,
        })
    }

    /// What a restarted hub would find.
    pub fn recovered(&self) -> HubRecovered {
        let mut found = self.stored();
        let is_open = |jid: Jid| {
            let states = self.saved.iter().filter_map(|record| match record {
                Record::JobState { summary, open } if summary.jid == jid => Some(*open),
                _ => None,
            });
            states.fold(true, |_, open| open)
        };
        found.jobs.retain(|job| is_open(job.head.jid));
        found
    }

    /// Everything that is on the disk.
    fn stored(&self) -> HubRecovered {
        let mut found = HubRecovered::default();
        for record in &self.saved {
            match record {
                Record::Epoch(epoch) => found.epoch = Some(*epoch),
                Record::Node(node) => {
                    found.nodes.retain(|n| n.index != node.index);
                    found.next_index = found.next_index.max(node.index + 1);
                    found.nodes.push((**node).clone());
                }
                Record::NodeGone { index } => found.nodes.retain(|n| n.index != *index),
                Record::Job(head) => found.jobs.push(RecoveredJob {
                    head: (**head).clone(),
                    news: Vec::new(),
                    plan: Vec::new(),
                    finished: None,
                }),
                Record::JobNews(delta) => {
                    for RecoveredJob { news, .. } in
                        found.jobs.iter_mut().filter(|j| j.head.jid == delta.jid)
                    {
                        news.push(delta.clone());
                    }
                }
                Record::ChildMark { hub, mark } => {
                    found.marks.retain(|(h, _)| h != hub);
                    found.marks.push((*hub, *mark));
                }
                Record::Revoked(revocation) => found.revocations.push(*revocation),
                Record::JobPlan { jid, entry } => {
                    for job in found.jobs.iter_mut().filter(|j| j.head.jid == *jid) {
                        job.plan.push(entry.clone());
                    }
                }
                Record::JobState { summary, .. } => {
                    for job in found.jobs.iter_mut().filter(|j| j.head.jid == summary.jid) {
                        job.finished = summary.finished;
                    }
                }
                Record::JobUntold { jid, untold } => {
                    found.untold.retain(|known| known != jid);
                    found.untold.extend(untold.then_some(*jid));
                }
                Record::Undelivered { hub, uid, decision } => {
                    found.undelivered.retain(|(h, u, _)| (h, u) != (hub, uid));
                    found
                        .undelivered
                        .extend(decision.map(|decision| (*hub, *uid, decision)));
                }
                Record::Trust(_) => {}
            }
        }
        found
    }

    /// The kind and reason of a minion's row, as words.
    pub fn row(&self, jid: Jid, id: &str) -> String {
        let Some(job) = self.hub.job(jid) else {
            return "no job".to_owned();
        };
        let name = |index| {
            let node = self.hub.node(index)?;
            Some((node.id().to_string(), node.path().to_string()))
        };
        let ledger = job.ledger(&name, &|_| None, self.now);
        let row = ledger.minions.iter().find(|row| row.id == id);
        match row.map(|row| (row.kind, &row.reason)) {
            None => "absent".to_owned(),
            Some((kind, None)) => kind.as_str().to_owned(),
            Some((kind, Some(reason))) => format!("{} {:?}", kind.as_str(), reason.code),
        }
    }
}

/// What was told to a child's session.
pub fn told(outputs: &[HubOutput], link: u64) -> Vec<&Down> {
    outputs
        .iter()
        .filter_map(|output| match output {
            HubOutput::ToChildren { links, message } if links.contains(&LinkId(link)) => {
                Some(message)
            }
            _ => None,
        })
        .collect()
}

/// The accounts that were told to a parent.
pub fn ledgers(outputs: &[HubOutput]) -> Vec<&LedgerDelta> {
    outputs
        .iter()
        .filter_map(|output| match output {
            HubOutput::ToParent {
                message: Up::Ledger(delta),
                ..
            } => Some(delta),
            _ => None,
        })
        .collect()
}

/// Why a session was closed.
pub fn refusal(outputs: &[HubOutput]) -> Option<(wire::RefusalCode, String)> {
    outputs.iter().find_map(|output| match output {
        HubOutput::CloseChild { refusal, .. } => Some((refusal.code, refusal.text.clone())),
        _ => None,
    })
}

/// A syndic's roster that has one node.
pub fn roster_of(minion: &relay::Peer, index: u32) -> Up {
    Up::Roster(RosterDelta {
        serial: 1,
        mark: RosterMark {
            epoch: 7,
            revision: 1,
        },
        snapshot: true,
        done: true,
        entries: vec![wire::NodeEntry {
            index,
            uid: minion.uid,
            id: minion.id.clone(),
            role: minion.role,
            path: minion.path.clone(),
            fingerprint: minion.fingerprint,
            standing: Some(Standing::Accepted),
            link: wire::Link {
                presence: Presence::Up,
                since: NOW,
            },
            software: String::new(),
            grains: Some(json("{}")),
            roots: None,
            job_key: None,
        }],
        links: vec![],
    })
}

/// The same as the so-manieth part of a session's roster.
pub fn nth_roster(minion: &relay::Peer, index: u32, serial: u32) -> Up {
    let mut roster = roster_of(minion, index);
    if let Up::Roster(delta) = &mut roster {
        delta.serial = serial;
        delta.snapshot = serial == 1;
        delta.mark.revision = u64::from(serial);
    }
    roster
}

/// A syndic tells how one minion stands.
pub fn tells(serial: u32, index: u32, outcome: Outcome) -> Up {
    let returned = matches!(outcome, Outcome::Returned { .. });
    Up::Ledger(LedgerDelta {
        jid: jid(1),
        serial,
        roster: 0,
        complete: true,
        groups: vec![OutcomeGroup {
            outcome,
            who: [index].into_iter().collect(),
            timings: if returned {
                vec![Timing::default()]
            } else {
                vec![]
            },
        }],
    })
}

/// A hub with a parent, on link 50.
pub fn syndic() -> Bench {
    let mut bench = Bench::new("ams");
    bench.put(parent_connects());
    from_parent(&mut bench, welcome());
    bench
}

/// The parent's connection stands.
pub fn parent_connects() -> HubInput {
    HubInput::ParentConnected {
        link: LinkId(50),
        peer: peer(200, Role::TopMaster, "top", ""),
    }
}

/// The parent's welcome.
pub fn welcome() -> Down {
    Down::Welcome(Welcome {
        protocol: wire::PROTOCOL,
        software: "1".to_owned(),
        time: NOW,
        roster: RosterMark::default(),
    })
}

/// The parent speaks.
pub fn from_parent(bench: &mut Bench, message: Down) -> Vec<HubOutput> {
    bench.put(HubInput::ParentMessage {
        link: LinkId(50),
        message,
    })
}

/// A top-master that is not the one of the bench.
pub const OTHER: Uid = Uid([77; 16]);

pub fn at(site: &str, number: u8) -> relay::Peer {
    peer(number, Role::Minion, &format!("m{number}"), site)
}

/// A top-master with the sites ams (m1) and fra (m2), which hears from ams of a job of another one.
pub fn beside(outcome: Outcome) -> Bench {
    let mut bench = Bench::new("");
    for (link, site, minion) in [(10, "ams", 1), (20, "fra", 2)] {
        bench.connect(link, peer(link as u8, Role::Syndic, site, site));
        bench.says(link, roster_of(&at(site, minion), 5));
        bench.says(link, Up::Resumed { ledgers: 0 });
    }
    bench.says(10, tells(1, 5, outcome));
    let (envelope, order) = order_of(OTHER, jid(1), "*");
    let outputs = bench.says(
        10,
        Up::Recalled {
            jid: jid(1),
            envelope: Some(envelope.clone()),
        },
    );
    let is_offered = |output: &HubOutput| matches!(output, HubOutput::JobOffered { .. });
    assert!(outputs.iter().any(is_offered), "{outputs:?}");
    bench.put(HubInput::Vouched {
        jid: jid(1),
        envelope,
        order: Some(order),
    });
    bench
}
