//! A minion on a bench: what it does when there is no room, and what it says after it died.

use std::collections::BTreeMap;
use std::sync::Arc;

use relay::{Leaf, LeafConfig, LeafInput, LeafOutput, LeafRecovered, LinkId, Peer, Verify};
use wire::record::JournalRecord;
use wire::{
    Down, Jid, JobEnvelope, JobOptions, JobOrder, Json, Reason, ReasonCode, Return, Role,
    RosterMark, RunTarget, SitePath, TreeId, Uid, UnixMillis, Up, Welcome, codec,
};

const NOW: UnixMillis = 1_795_387_000_000;
const LINK: LinkId = LinkId(1);

/// Takes every order for signed.
struct Trusting;

impl Verify for Trusting {
    fn verify(&self, envelope: &JobEnvelope, _now: UnixMillis) -> Result<Arc<JobOrder>, String> {
        codec::decode(&envelope.order)
            .map(Arc::new)
            .map_err(|e| e.to_string())
    }
}

fn json(text: &str) -> Json {
    text.as_bytes().into()
}

fn jid(number: u64) -> Jid {
    format!("202611222237{number:08}").parse().unwrap()
}

fn order(number: u64, fun: &str) -> Down {
    order_for(number, fun, "*")
}

fn order_for(number: u64, fun: &str, target: &str) -> Down {
    let order = JobOrder {
        tree: TreeId([1; 32]),
        jid: jid(number),
        origin: Uid([100; 16]),
        origin_id: "top".parse().unwrap(),
        scope: SitePath::top(),
        user: "root".to_owned(),
        target: RunTarget {
            compound: target.to_owned(),
            typed: target.to_owned(),
        },
        fun: fun.to_owned(),
        args: json("[]"),
        kwargs: json("{}"),
        issued: NOW,
        start_by: NOW + 10_000,
        options: JobOptions::default(),
    };
    Down::Job(JobEnvelope {
        order: codec::encode(&order).unwrap().into(),
        signer: Uid([5; 16]),
        signature: [0; 64],
    })
}

/// A minion with a session, whose journal takes everything at once.
struct Bench {
    leaf: Leaf<Trusting>,
    journal: Vec<JournalRecord>,
}

impl Bench {
    fn new(spool_bytes_max: u64, recovered: LeafRecovered) -> Bench {
        let config = LeafConfig {
            id: "m1".parse().unwrap(),
            path: SitePath::top(),
            software: "0.1.0".to_owned(),
            spool_bytes_max,
        };
        let leaf = Leaf::new(config, Trusting, json("{}"), recovered, NOW);
        let mut bench = Bench {
            leaf,
            journal: Vec::new(),
        };
        let peer = Peer {
            uid: Uid([9; 16]),
            id: "top".parse().unwrap(),
            role: Role::TopMaster,
            path: SitePath::top(),
            fingerprint: [9; 32],
        };
        bench.put(LeafInput::Connected { link: LINK, peer });
        bench
    }

    fn welcome(&mut self) -> Vec<Up> {
        self.hears(Down::Welcome(Welcome {
            protocol: 1,
            software: "0.1.0".to_owned(),
            time: NOW,
            roster: RosterMark::default(),
        }))
    }

    fn hears(&mut self, message: Down) -> Vec<Up> {
        self.put(LeafInput::Message {
            link: LINK,
            message,
        })
    }

    /// What it tells its hub.
    fn put(&mut self, input: LeafInput) -> Vec<Up> {
        self.leaf.handle_input(NOW, input);
        let mut told = Vec::new();
        while let Some(output) = self.leaf.poll_output() {
            match output {
                LeafOutput::Save { token, records } => {
                    self.journal.extend(records);
                    self.leaf.handle_input(NOW, LeafInput::Saved { token });
                }
                LeafOutput::Send { message, .. } => told.push(message),
                LeafOutput::SendKept { jid, bytes, .. } => {
                    let kept = self.journal.iter().rev().find_map(|record| match record {
                        JournalRecord::Returned(ret) if ret.jid == jid => Some(ret.clone()),
                        _ => None,
                    });
                    let kept = kept.expect("it is in the journal");
                    assert_eq!(kept.value.len() as u64, bytes);
                    told.push(Up::Return(kept));
                }
                _ => {}
            }
        }
        told
    }

    fn finishes(&mut self, number: u64, value: &str) -> Vec<Up> {
        self.put(LeafInput::Finished(Return {
            jid: jid(number),
            retcode: 3,
            success: false,
            value: json(value),
            started: NOW,
            duration_ms: 1,
        }))
    }
}

/// Why it does not run a job.
#[track_caller]
fn refusal(told: &[Up]) -> &Reason {
    match told {
        [
            Up::NotRun {
                started: false,
                reason,
                ..
            },
        ] => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_room_only_orders_that_end_jobs_are_taken() {
    let mut bench = Bench::new(1 << 30, LeafRecovered::default());
    bench.welcome();
    bench.put(LeafInput::NoRoom(Some("the disk is full".to_owned())));
    let told = bench.hears(order(1, "test.ping"));
    assert_eq!(refusal(&told).code, ReasonCode::Overload);
    assert_eq!(refusal(&told).text, "the disk is full");
    assert!(bench.journal.is_empty());
    assert!(bench.hears(order(2, "saltutil.term_job")).is_empty());
    assert!(matches!(
        &bench.journal[..],
        [JournalRecord::Started { .. }]
    ));
    bench.put(LeafInput::NoRoom(None));
    bench.hears(order(3, "test.ping"));
    assert_eq!(bench.journal.len(), 2);
}

/// The account of an overflow goes into the journal and to the hub; once the origin has it, its room is free.
#[test]
fn a_value_beyond_the_spool_is_replaced_everywhere() {
    let value = format!("\"{}\"", "x".repeat(3 << 20));
    let mut bench = Bench::new(9 << 20, LeafRecovered::default());
    bench.welcome();
    for number in 1..=4 {
        bench.hears(order(number, "cmd.run"));
    }
    for number in 1..=3 {
        let told = bench.finishes(number, &value);
        let [Up::Return(ret)] = &told[..] else {
            panic!("{told:?}");
        };
        let is_whole = *ret.value == *value.as_bytes();
        assert_eq!(is_whole, number < 3, "{number}");
        assert_eq!((ret.retcode, ret.success), (3, false));
        assert_eq!(
            bench.journal.last(),
            Some(&JournalRecord::Returned(ret.clone()))
        );
    }
    let told = bench.hears(order(5, "test.ping"));
    assert!(refusal(&told).text.contains("spool_bytes_max"));
    bench.hears(Down::Settled(vec![jid(1), jid(2)]));
    bench.hears(order(6, "test.ping"));
    let told = bench.finishes(4, &value);
    assert!(matches!(&told[..], [Up::Return(ret)] if *ret.value == *value.as_bytes()));
}

#[test]
fn an_interrupted_job_says_what_became_of_its_processes() {
    let recovered = LeafRecovered {
        started: BTreeMap::from([(jid(1), NOW + 1), (jid(2), NOW + 1)]),
        interrupted: vec![jid(1), jid(2)],
        aftermath: BTreeMap::from([(jid(2), "2 of its processes run on".to_owned())]),
        ..LeafRecovered::default()
    };
    let told = Bench::new(1 << 30, recovered).welcome();
    let texts: Vec<&str> = told
        .iter()
        .filter_map(|message| match message {
            Up::NotRun { reason, .. } => Some(reason.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        texts,
        [
            "the minion restarted while the job ran",
            "the minion restarted while the job ran; 2 of its processes run on"
        ]
    );
}

/// A hub that read what is kept waits for that until its welcome is answered.
#[test]
fn a_return_stays_while_a_hub_waits_for_it() {
    let mut bench = Bench::new(1 << 30, LeafRecovered::default());
    bench.welcome();
    bench.hears(order(1, "test.ping"));
    bench.finishes(1, "true");
    let link = LinkId(2);
    let peer = Peer {
        uid: Uid([10; 16]),
        id: "other".parse().unwrap(),
        role: Role::TopMaster,
        path: SitePath::top(),
        fingerprint: [10; 32],
    };
    bench.put(LeafInput::Connected { link, peer });
    let settled = JournalRecord::Settled { jid: jid(1) };
    bench.hears(Down::Settled(vec![jid(1)]));
    assert!(!bench.journal.contains(&settled), "it was promised");
    bench.put(LeafInput::Closed { link });
    assert!(bench.journal.contains(&settled), "nobody waits any more");
}

/// Its hub makes its pillar, and has decided what of the target the pillar decides; the rest it decides itself.
#[test]
fn what_a_pillar_decides_its_hub_has_decided() {
    let mut bench = Bench::new(1 << 30, LeafRecovered::default());
    bench.welcome();
    for (number, target, runs) in [
        (1, "I@role:web", true),
        (2, "m1 and not J@role:db", true),
        (3, "I@role:web and m2", false),
        (4, "G@os:none", false),
    ] {
        bench.hears(order_for(number, "test.ping", target));
        let is_running = bench.leaf.running().any(|running| running == jid(number));
        assert_eq!(is_running, runs, "{target}");
    }
}
