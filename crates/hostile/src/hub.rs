//! The hub machine, with hostile children below it or a hostile parent above it.

use std::collections::{BTreeMap, BTreeSet};

use relay::{Hub, HubConfig, HubInput, HubOutput, HubRecovered, LinkId, Peer, RecoveredJob};
use wire::record::Record;
use wire::{Counts, Down, Jid, JobEnvelope, JobOrder, Role, Uid, Up, Warrant, Welcome, codec};

use crate::script::Script;
use crate::words::{NOW, json, peer};

/// Steps of one script; more bytes bring nothing new.
const STEPS_MAX: usize = 400;
/// No script lasts longer.
const END: u64 = NOW + (1 << 40);
/// Outputs that one input may cause in a world of a dozen sessions and five jobs.
const OUTPUTS_MAX: usize = 600;

/// Children say what they want; parents are not there.
pub(crate) fn below(bytes: &[u8]) {
    play(bytes, Where::Below);
}

/// A parent says what it wants, over children that do too, for what a parent says is passed on.
pub(crate) fn above(bytes: &[u8]) {
    play(bytes, Where::Above);
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Below,
    Above,
}

fn play(bytes: &[u8], hostile: Where) {
    let mut script = Script::new(bytes);
    let mut stage = Stage::new(if script.yes() { "a" } else { "" }, HubRecovered::default());
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        stage.step(&mut script, hostile);
    }
    stage.restarts();
}

/// A hub, its clock, and what it ever saved.
struct Stage {
    hub: Hub,
    now: u64,
    links: BTreeMap<LinkId, (Peer, Where)>,
    next_link: u64,
    saved: Vec<Record>,
    pending: Option<(u64, Vec<Record>)>,
    submitted: BTreeSet<Jid>,
    /// Accounts of which the world was told that they are over, with what they said then.
    finished: BTreeMap<Jid, Counts>,
}

impl Stage {
    fn new(path: &str, recovered: HubRecovered) -> Stage {
        let config = HubConfig {
            uid: Uid([100; 16]),
            id: "hub".parse().expect("an id"),
            path: path.parse().expect("a site"),
            software: "1".to_owned(),
            fresh_epoch: 42,
            job_key: None,
            parents: 1,
            save_bytes_max: 64,
            gather_ms: relay::GATHER_MS,
            awaited_max: relay::AWAITED_MAX,
            adopt_after_ms: 0,
            judges: false,
        };
        let mut stage = Stage {
            hub: Hub::new(config, recovered, NOW),
            now: NOW,
            links: BTreeMap::new(),
            next_link: 0,
            saved: Vec::new(),
            pending: None,
            submitted: BTreeSet::new(),
            finished: BTreeMap::new(),
        };
        stage.put(HubInput::Signs(0));
        stage
    }

    fn step(&mut self, script: &mut Script<'_>, hostile: Where) {
        let kind = script.byte();
        match kind {
            0..=29 => self.connects(script),
            30..=119 => self.child_says(script),
            120..=189 if hostile == Where::Above => self.parent_says(script),
            120..=169 => self.child_says(script),
            170..=189 => {
                let link = self.some_link(script);
                self.ends(link);
            }
            190..=209 => {
                // The hub makes this one itself: its jid is new, and its times are sane.
                let mut order = script.order();
                if !order.jid.to_string().ends_with("00") || !self.submitted.insert(order.jid) {
                    return;
                }
                order.issued = self.now;
                order.start_by = self.now.saturating_add(10_000);
                let envelope = JobEnvelope {
                    order: codec::encode(&order).expect("it is short").into(),
                    signer: Uid([5; 16]),
                    signature: [0; 64],
                };
                let order = order.into();
                let hold = script.yes();
                let plan = script.yes().then(|| script.plan());
                self.put(HubInput::Submit {
                    envelope,
                    order,
                    hold,
                    plan: plan.map(Box::new),
                    warrant: None,
                });
            }
            210..=219 => self.saves(),
            220..=234 => self.waits(script),
            235..=239 => {
                let uids = script.some(2, Script::uid);
                let decision = script.decision();
                self.put(HubInput::Decide { uids, decision });
            }
            240 => {
                let (jid, reason) = (script.jid(), script.reason());
                self.put(HubInput::Halt { jid, reason });
            }
            241 => {
                let (jid, stage) = (script.jid(), u32::from(script.below(4)));
                self.put(match script.yes() {
                    true => HubInput::GoOn { jid, stage },
                    false => HubInput::Adopt { jid },
                });
            }
            242..=244 => {
                let number = script.below(12);
                let role = script.one_of(&[Role::Minion, Role::Syndic]);
                let peer = peer(number, role, script.site().as_str());
                let software = script.text();
                self.put(HubInput::Enrolling { peer, software });
            }
            245 => {
                let report = script.roots();
                self.put(HubInput::Roots(report));
            }
            246 => self.put(HubInput::FetchRoots),
            247 => {
                let (bundle, version) = (json("bundle"), script.number());
                self.put(HubInput::Trust { bundle, version });
            }
            248..=251 => {
                let link = self.some_link(script);
                if let Ok(message) = codec::decode::<Up>(script.bytes()) {
                    self.put(HubInput::ChildMessage { link, message });
                }
            }
            _ => {
                self.saves();
                let found = recovered(&self.saved);
                let path = self.hub.config().path.to_string();
                let saved = std::mem::take(&mut self.saved);
                let finished = std::mem::take(&mut self.finished);
                let submitted = std::mem::take(&mut self.submitted);
                *self = Stage {
                    submitted,
                    saved,
                    finished,
                    next_link: self.next_link,
                    ..Stage::new(&path, found)
                };
            }
        }
    }

    /// Mostly with the hello that belongs to it.
    fn connects(&mut self, script: &mut Script<'_>) {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let number = script.below(8);
        let own = self.hub.config().path.to_string();
        let (role, site) = match number {
            0..=3 => (Role::Minion, own),
            4 => (Role::Syndic, "a/b".to_owned()),
            5 => (Role::Syndic, "c".to_owned()),
            6 => (Role::Syndic, "a".to_owned()),
            _ => (
                script.one_of(&[Role::Minion, Role::Syndic]),
                script.site().to_string(),
            ),
        };
        let peer = peer(number, role, &site);
        self.links.insert(link, (peer.clone(), Where::Below));
        self.put(HubInput::ChildConnected { link, peer });
        if script.byte() < 240 {
            let message = Up::Hello(script.hello(role));
            self.put(HubInput::ChildMessage { link, message });
        }
    }

    /// Any session, also one that is over.
    fn some_link(&self, script: &mut Script<'_>) -> LinkId {
        let back = u64::from(script.byte()) % (self.next_link + 1);
        LinkId(self.next_link - back)
    }

    fn child_says(&mut self, script: &mut Script<'_>) {
        let link = self.some_link(script);
        let role = match self.links.get(&link) {
            Some((peer, Where::Below)) => peer.role,
            _ => Role::Minion,
        };
        let message = script.up(role);
        self.put(HubInput::ChildMessage { link, message });
    }

    fn parent_says(&mut self, script: &mut Script<'_>) {
        let parents = self
            .links
            .iter()
            .filter(|(_, (_, side))| *side == Where::Above);
        let link = parents.map(|(link, _)| *link).next_back();
        let (Some(link), true) = (link, script.byte() < 250) else {
            let link = LinkId(self.next_link);
            self.next_link += 1;
            let peer = peer(200 + script.below(2), Role::TopMaster, "");
            self.links.insert(link, (peer.clone(), Where::Above));
            self.put(HubInput::ParentConnected { link, peer });
            let message = self.welcome(script);
            self.put(HubInput::ParentMessage { link, message });
            return;
        };
        let message = match script.below(23) {
            0 | 1 => Down::Job(script.envelope()),
            2 => Down::Ping {
                nonce: script.number(),
            },
            3 => Down::SettledBy {
                jid: script.jid(),
                who: script.indices(),
            },
            4 | 5 => Down::LedgerAck {
                jid: script.jid(),
                serial: script.number32(),
            },
            6 => Down::Revoked(script.revocations()),
            7 => Down::Keys {
                uids: script.some(3, Script::uid),
                decision: script.decision(),
            },
            8 => Down::FetchRoots,
            9 => Down::Trust(json("bundle")),
            10 => Down::Settled(script.some(3, Script::jid)),
            11 => self.welcome(script),
            12 => Down::Assign {
                envelope: script.envelope(),
                terms: script.terms(),
            },
            13 => Down::Release {
                jid: script.jid(),
                release: script.release(),
            },
            14 => Down::Halt {
                jid: script.jid(),
                halt: script.halt(),
            },
            15 => Down::Recall { jid: script.jid() },
            16 => Down::Warranted {
                envelope: script.envelope(),
                terms: script.terms(),
                warrant: Box::new(Warrant {
                    groups: script.some(3, Script::text),
                    reason: script.yes().then(|| script.text()),
                    signature: [script.byte(); 64],
                }),
            },
            17 => Down::Own {
                jid: script.jid(),
                owner: script.owner(),
            },
            18 => Down::Plan {
                jid: script.jid(),
                owner: script.owner(),
                plan: script.rollout(),
            },
            19 => Down::Grant {
                jid: script.jid(),
                owner: script.owner(),
                release: script.release(),
            },
            20 => Down::Witness { top: script.uid() },
            21 => Down::Inquire {
                envelope: script.envelope(),
                warrant: None,
                within_ms: u32::from(script.byte()),
            },
            _ => match codec::decode::<Down>(script.bytes()) {
                Ok(message) => message,
                Err(_) => return self.put(HubInput::ParentClosed { link }),
            },
        };
        self.put(HubInput::ParentMessage { link, message });
    }

    fn welcome(&self, script: &mut Script<'_>) -> Down {
        Down::Welcome(Welcome {
            protocol: script.one_of(&[wire::PROTOCOL, wire::PROTOCOL_OLDEST, 0, 99]),
            software: script.text(),
            time: script.time(),
            roster: script.mark(),
        })
    }

    fn ends(&mut self, link: LinkId) {
        match self.links.remove(&link) {
            Some((_, Where::Above)) => self.put(HubInput::ParentClosed { link }),
            _ => self.put(HubInput::ChildClosed { link }),
        }
    }

    fn saves(&mut self) {
        while let Some((token, records)) = self.pending.take() {
            self.saved.extend(records);
            self.put(HubInput::Saved { token });
        }
    }

    fn waits(&mut self, script: &mut Script<'_>) {
        let due = self.hub.poll_timeout().map(|(at, _)| at);
        self.now = match due {
            Some(at) if at < END && script.yes() => at.max(self.now),
            _ => END.min(self.now + 100 * (u64::from(script.number32() >> 4))),
        };
        self.hub.handle_timeout(self.now);
        self.drain();
        if let Some((at, why)) = self.hub.poll_timeout() {
            assert!(at > self.now, "it wants to be woken at once again: {why}");
        }
    }

    fn put(&mut self, input: HubInput) {
        self.hub.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut closed = BTreeSet::new();
        let mut count = 0;
        while let Some(output) = self.hub.poll_output() {
            count += 1;
            assert!(count <= OUTPUTS_MAX, "one input causes {count} outputs");
            match output {
                HubOutput::Save { token, records } => {
                    assert!(self.pending.is_none(), "one batch at a time");
                    for record in &records {
                        reads_back!(Record, record);
                    }
                    self.pending = Some((token, records));
                }
                HubOutput::ToChildren { links, message } => {
                    assert!(!links.is_empty());
                    reads_back!(Down, &message);
                }
                HubOutput::ToParent { message, .. } => {
                    reads_back!(Up, &message);
                }
                HubOutput::CloseChild { link, .. } | HubOutput::CloseParent { link, .. } => {
                    closed.insert(link);
                }
                HubOutput::JobFinished { jid } => {
                    let counts = self.hub.counts(jid).expect("it is in memory");
                    self.finished.insert(jid, counts);
                }
                HubOutput::Recall { jid } => {
                    let jobs = stored(&self.saved).0.jobs;
                    let job = jobs.into_iter().find(|job| job.head.jid == jid);
                    let job = job.map(Box::new);
                    self.hub
                        .handle_input(self.now, HubInput::Recalled { jid, job });
                }
                HubOutput::JobOffered { jid, envelope } => {
                    // As `leaf`: zeros are a good signature.
                    let order = codec::decode::<JobOrder>(&envelope.order).ok();
                    let order = order.filter(|_| envelope.signature[0] == 0).map(Into::into);
                    self.hub.handle_input(
                        self.now,
                        HubInput::Vouched {
                            jid,
                            envelope,
                            order,
                        },
                    );
                }
                _ => {}
            }
        }
        for link in closed {
            self.ends(link);
        }
        self.adds_up();
    }

    /// P1, at each moment; P9, of sessions.
    fn adds_up(&self) {
        for jid in self.jids() {
            let (Some(job), Some(counts)) = (self.hub.job(jid), self.hub.counts(jid)) else {
                continue;
            };
            let ledger = job.ledger(&|_| None, &|_| None, self.now);
            let mut sum = Counts::default();
            let mut ids = BTreeSet::new();
            for row in &ledger.minions {
                sum.add(row.kind);
                assert!(ids.insert(&row.id), "{} counts twice", row.id);
                assert!(
                    row.value
                        .is_none_or(|value| (value as usize) < ledger.values.len()),
                    "a value that is not there"
                );
            }
            assert_eq!(sum, counts, "{jid}");
            let finished = counts.running + counts.queued == 0;
            assert!(ledger.finished.is_none() || job.is_complete() || !finished);
        }
        let stats = self.hub.stats();
        assert!(stats.children + stats.parents <= self.links.len() + 1);
    }

    fn jids(&self) -> BTreeSet<Jid> {
        let heads = self
            .saved
            .iter()
            .chain(self.pending.iter().flat_map(|(_, records)| records));
        let named = heads.filter_map(|record| match record {
            Record::Job(head) => Some(head.jid),
            Record::JobNews(delta) => Some(delta.jid),
            _ => None,
        });
        named.chain(self.finished.keys().copied()).collect()
    }

    /// P3: whatever was saved, a hub starts from it, and knows every account that was over.
    fn restarts(mut self) {
        self.saves();
        let found = recovered(&self.saved);
        let returned: BTreeMap<Jid, u64> = found
            .jobs
            .iter()
            .filter_map(|job| Some((job.head.jid, self.hub.counts(job.head.jid)?.returned())))
            .collect();
        let path = self.hub.config().path.to_string();
        let again = Stage::new(&path, found);
        for (jid, before) in returned {
            let counts = again.hub.counts(jid).expect("it was saved");
            // More, when a return had come before its order did.
            assert!(
                counts.returned() >= before,
                "{jid}: returns that were on disk"
            );
        }
    }
}

/// What is told or kept fits into a frame, and can be read.
macro_rules! reads_back {
    ($kind:ty, $value:expr) => {
        let written = codec::encode($value).expect("it fits into a frame");
        let read = codec::decode::<$kind>(&written).expect("it decodes");
        assert_eq!(read, *$value);
    };
}
pub(crate) use reads_back;

/// What a restarted hub would find.
fn recovered(saved: &[Record]) -> HubRecovered {
    let (mut found, closed) = stored(saved);
    found.jobs.retain(|job| !closed.contains(&job.head.jid));
    found
}

/// What is on its disk, and which jobs are closed there.
fn stored(saved: &[Record]) -> (HubRecovered, BTreeSet<Jid>) {
    let mut found = HubRecovered::default();
    let mut closed = BTreeSet::new();
    for record in saved {
        match record {
            Record::Epoch(epoch) => found.epoch = Some(*epoch),
            Record::Node(node) => {
                found.nodes.retain(|n| n.index != node.index);
                found.next_index = found.next_index.max(node.index + 1);
                found.nodes.push((**node).clone());
            }
            Record::NodeGone { index } => found.nodes.retain(|n| n.index != *index),
            Record::Job(head) => {
                let known = found.jobs.iter_mut().find(|job| job.head.jid == head.jid);
                match known {
                    Some(job) => job.head = (**head).clone(),
                    None => found.jobs.push(RecoveredJob {
                        head: (**head).clone(),
                        news: Vec::new(),
                        plan: Vec::new(),
                        finished: None,
                    }),
                }
            }
            Record::JobNews(delta) => {
                for job in of(&mut found, delta.jid) {
                    job.news.push(delta.clone());
                }
            }
            Record::JobPlan { jid, entry } => {
                for job in of(&mut found, *jid) {
                    job.plan.push(entry.clone());
                }
            }
            Record::JobState { summary, open } => {
                for job in of(&mut found, summary.jid) {
                    job.finished = summary.finished;
                }
                if *open {
                    closed.remove(&summary.jid);
                } else {
                    closed.insert(summary.jid);
                }
            }
            Record::JobUntold { jid, untold } => {
                found.untold.retain(|known| known != jid);
                found.untold.extend(untold.then_some(*jid));
            }
            Record::Undelivered { hub, uid, decision } => {
                found.undelivered.retain(|(h, u, _)| (h, u) != (hub, uid));
                let decision = decision.map(|decision| (*hub, *uid, decision));
                found.undelivered.extend(decision);
            }
            Record::ChildMark { hub, mark } => {
                found.marks.retain(|(h, _)| h != hub);
                found.marks.push((*hub, *mark));
            }
            Record::Revoked(revocation) => {
                found.revocations.retain(|r| r.uid != revocation.uid);
                found.revocations.push(*revocation);
            }
            Record::Trust(_) => {}
        }
    }
    (found, closed)
}

fn of(found: &mut HubRecovered, jid: Jid) -> impl Iterator<Item = &mut RecoveredJob> {
    found.jobs.iter_mut().filter(move |job| job.head.jid == jid)
}
