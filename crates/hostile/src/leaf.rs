//! The leaf machine, below hostile hubs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use relay::{Leaf, LeafConfig, LeafInput, LeafOutput, LeafRecovered, LinkId, Verify};
use wire::record::JournalRecord;
use wire::{Down, Jid, JobEnvelope, JobOrder, Refusal, RefusalCode, Role, Up, Welcome, codec};

use crate::script::Script;
use crate::words::{NOW, json, peer};

const STEPS_MAX: usize = 400;
/// Outputs that one input may cause in a world of few sessions and five jobs.
const OUTPUTS_MAX: usize = 100;

/// Orders whose signature is all zeros are good: no fuzzer forges a real one, and what comes after it is what matters here.
struct Signed;

impl Verify for Signed {
    fn verify(&self, envelope: &JobEnvelope, _now: u64) -> Result<Arc<JobOrder>, String> {
        if envelope.signature[0] != 0 {
            return Err("the signature is wrong".to_owned());
        }
        codec::decode(&envelope.order)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    }
}

pub(crate) fn leaf(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut stage = Stage {
        leaf: machine(LeafRecovered::default()),
        now: NOW,
        next_link: 0,
        pending: Vec::new(),
        journal: Vec::new(),
        begun: BTreeSet::new(),
        running: BTreeSet::new(),
    };
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        stage.step(&mut script);
    }
}

fn machine(recovered: LeafRecovered) -> Leaf<Signed> {
    let config = LeafConfig {
        id: "n1".parse().expect("an id"),
        path: "a".parse().expect("a site"),
        software: "1".to_owned(),
        spool_bytes_max: 256 << 20,
    };
    Leaf::new(config, Signed, json(r#"{"os":"Debian"}"#), recovered, NOW)
}

/// A minion, its clock and its journal.
struct Stage {
    leaf: Leaf<Signed>,
    now: u64,
    next_link: u64,
    pending: Vec<(u64, Vec<JournalRecord>)>,
    journal: Vec<JournalRecord>,
    /// Jobs that were begun, ever.
    begun: BTreeSet<Jid>,
    running: BTreeSet<Jid>,
}

impl Stage {
    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() {
            0..=19 => {
                let link = LinkId(self.next_link);
                self.next_link += 1;
                let peer = peer(200 + script.below(3), Role::Syndic, "a");
                self.put(LeafInput::Connected { link, peer });
                if script.byte() < 240 {
                    let message = welcome(script);
                    self.put(LeafInput::Message { link, message });
                }
            }
            20..=159 => {
                let link = self.some_link(script);
                if let Some(message) = says(script) {
                    self.put(LeafInput::Message { link, message });
                }
            }
            160..=174 => {
                let link = self.some_link(script);
                self.put(LeafInput::Closed { link });
            }
            175..=199 => self.saves(),
            200..=224 => {
                let ret = script.returned();
                if self.running.remove(&ret.jid) {
                    self.put(LeafInput::Finished(ret));
                }
            }
            225..=239 => {
                self.now += 10 * (script.number() & 0xff_ffff);
                self.leaf.handle_timeout(self.now);
                self.drain();
                if let Some((at, why)) = self.leaf.poll_timeout() {
                    assert!(at > self.now, "it wants to be woken at once again: {why}");
                }
            }
            240..=244 => {
                let grains = script.grains();
                self.put(LeafInput::Grains(grains));
            }
            245..=247 => {
                let version = script.number();
                self.put(LeafInput::Trust(version));
            }
            248..=249 => self.leaf.cancel_unseen(script.jid()),
            _ => self.dies(),
        }
    }

    fn some_link(&self, script: &mut Script<'_>) -> LinkId {
        let back = u64::from(script.byte()) % (self.next_link + 1);
        LinkId(self.next_link - back)
    }

    fn saves(&mut self) {
        for (token, records) in std::mem::take(&mut self.pending) {
            self.journal.extend(records);
            self.put(LeafInput::Saved { token });
        }
    }

    /// What was not in the journal is gone, and what ran has ended.
    fn dies(&mut self) {
        self.pending.clear();
        self.running.clear();
        self.leaf = machine(recovered(&self.journal));
        self.drain();
    }

    fn put(&mut self, input: LeafInput) {
        self.leaf.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.leaf.poll_output() {
            count += 1;
            assert!(count <= OUTPUTS_MAX, "one input causes {count} outputs");
            match output {
                LeafOutput::Save { token, records } => self.pending.push((token, records)),
                LeafOutput::Start(order) => {
                    // P4, over restarts too: what no order can bring again is forgotten, and nothing else.
                    assert!(self.begun.insert(order.jid), "{} begins twice", order.jid);
                    let started = |r: &JournalRecord| matches!(r, JournalRecord::Started { jid, .. } if *jid == order.jid);
                    assert!(
                        self.journal.iter().any(started),
                        "before it is in the journal"
                    );
                    self.running.insert(order.jid);
                }
                LeafOutput::Send { message, .. } => {
                    let written = codec::encode(&message).expect("it fits into a frame");
                    assert_eq!(codec::decode::<Up>(&written).ok(), Some(message));
                }
                LeafOutput::SendKept { jid, bytes, .. } => {
                    let kept = |r: &JournalRecord| matches!(r, JournalRecord::Returned(ret) if ret.jid == jid && ret.value.len() as u64 == bytes);
                    assert!(self.journal.iter().any(kept), "it is in the journal");
                }
                LeafOutput::Close { .. } | LeafOutput::TrustOffered(_) => {}
            }
        }
        assert!(
            self.leaf.running().count() + self.leaf.unsettled() <= 5,
            "of five jobs"
        );
    }
}

fn welcome(script: &mut Script<'_>) -> Down {
    Down::Welcome(Welcome {
        protocol: script.one_of(&[wire::PROTOCOL, wire::PROTOCOL_OLDEST, 0, 99]),
        software: script.text(),
        time: script.time(),
        roster: script.mark(),
    })
}

fn says(script: &mut Script<'_>) -> Option<Down> {
    Some(match script.below(14) {
        0..=2 => Down::Job(script.envelope()),
        3 | 4 => Down::Turn {
            envelope: script.envelope(),
            until: script.time(),
        },
        5 | 6 => Down::Settled(script.some(4, Script::jid)),
        7 => Down::Ping {
            nonce: script.number(),
        },
        8 => Down::Trust(json("bundle")),
        9 => welcome(script),
        10 => Down::Refuse(Refusal {
            code: script.one_of(&[RefusalCode::Key, RefusalCode::Overload]),
            text: script.text(),
        }),
        11 => Down::FetchRoots,
        12 => Down::SettledBy {
            jid: script.jid(),
            who: script.indices(),
        },
        _ => codec::decode(script.bytes()).ok()?,
    })
}

/// What a restarted minion would find.
fn recovered(journal: &[JournalRecord]) -> LeafRecovered {
    let mut found = LeafRecovered::default();
    let mut open: BTreeMap<Jid, Option<JournalRecord>> = BTreeMap::new();
    for record in journal {
        match record {
            JournalRecord::Started { jid, forget_after } => {
                found.started.insert(*jid, *forget_after);
                open.insert(*jid, None);
            }
            JournalRecord::Returned(ret) => {
                open.insert(ret.jid, Some(record.clone()));
            }
            JournalRecord::NotRun { jid, .. } => {
                open.insert(*jid, Some(record.clone()));
            }
            JournalRecord::Settled { jid } => {
                open.remove(jid);
            }
        }
    }
    for (jid, outcome) in open {
        match outcome {
            None => found.interrupted.push(jid),
            Some(JournalRecord::Returned(ret)) => found.returned.push(ret),
            Some(JournalRecord::NotRun { jid, reason }) => found.not_run.push((jid, reason)),
            Some(_) => {}
        }
    }
    found
}
