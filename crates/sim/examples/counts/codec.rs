//! Frames as they go out, and as they are read.

use std::hint::black_box;

use wire::codec::{self, PREFIX};
use wire::{
    Down, Hello, HelloBody, IndexSet, LedgerDelta, Link, NodeEntry, Outcome, OutcomeGroup,
    Presence, ProtocolRange, Role, RosterDelta, RosterMark, Standing, Timing, Up, ValueRef, limits,
};

use crate::inputs::{self, MINIONS, NOW, Values};
use crate::{Benchmark, Work};

/// Times that each frame is written or read.
const ROUNDS: usize = 20;

/// The name of a frame, what it holds and how many of that, and how it is made.
type Frame = (String, &'static str, usize, fn() -> Message);

enum Message {
    Up(Up),
    Down(Down),
}

impl Message {
    fn frame(&self) -> Vec<u8> {
        match self {
            Message::Up(message) => codec::frame(message),
            Message::Down(message) => codec::frame(message),
        }
        .expect("it fits")
    }
}

pub fn benchmarks() -> impl Iterator<Item = Benchmark> {
    frames().into_iter().flat_map(|(name, unit, units, make)| {
        let benchmark = |deed: &str, prepare: fn(Message) -> Work| Benchmark {
            name: format!("{deed}/{name}"),
            unit,
            units: units * ROUNDS,
            prepare: Box::new(move || prepare(make())),
        };
        [benchmark("encode", encode), benchmark("decode", decode)]
    })
}

#[rustfmt::skip] // A table is read in rows.
fn frames() -> Vec<Frame> {
    let minions = MINIONS as usize;
    vec![
        ("order".to_owned(), "frame", 1, || Message::Down(Down::Job(inputs::envelope(&inputs::order())))),
        ("return-1B".to_owned(), "frame", 1, || returned(inputs::json("1"))),
        ("return-100B".to_owned(), "frame", 1, || returned(inputs::value(100, 1))),
        ("return-10KiB".to_owned(), "frame", 1, || returned(inputs::value(10 << 10, 1))),
        ("ledger-equal".to_owned(), "return", minions, || Message::Up(Up::Ledger(delta(Values::Equal)))),
        ("ledger-few".to_owned(), "return", minions, || Message::Up(Up::Ledger(delta(Values::Few)))),
        ("ledger-unique".to_owned(), "return", minions, || Message::Up(Up::Ledger(delta(Values::Unique)))),
        ("hello".to_owned(), "frame", 1, || Message::Up(hello())),
        ("roster".to_owned(), "node", limits::ROSTER_ENTRIES_PER_FRAME, || Message::Up(roster())),
    ]
}

fn encode(message: Message) -> Work {
    Box::new(move || {
        for _ in 0..ROUNDS {
            black_box(black_box(&message).frame());
        }
    })
}

fn decode(message: Message) -> Work {
    let frame = message.frame();
    Box::new(move || {
        for _ in 0..ROUNDS {
            let body = black_box(&frame[PREFIX..]);
            match message {
                Message::Up(_) => drop(black_box(codec::decode::<Up>(body))),
                Message::Down(_) => drop(black_box(codec::decode::<Down>(body))),
            }
        }
    })
}

fn returned(value: wire::Json) -> Message {
    let timing = Timing {
        start_offset_ms: 12,
        duration_ms: 34,
    };
    Message::Up(Up::Return(inputs::return_of(
        &inputs::order(),
        value,
        timing,
    )))
}

/// All minions' returns, folded as a hub folds them.
fn delta(values: Values) -> LedgerDelta {
    let timings = inputs::timings();
    let count = 1 + (0..MINIONS).map(|n| values.of(n)).max().unwrap_or(0);
    let group = |value: u32| {
        let who: Vec<u32> = (0..MINIONS).filter(|n| values.of(*n) == value).collect();
        let json = values.json(value);
        OutcomeGroup {
            outcome: Outcome::Returned {
                retcode: 0,
                success: true,
                value: match values {
                    Values::Equal => ValueRef::Inline(json),
                    Values::Few | Values::Unique => ValueRef::Define(value, json),
                },
            },
            timings: who.iter().map(|n| timings[*n as usize]).collect(),
            who: who.into_iter().collect::<IndexSet>(),
        }
    };
    LedgerDelta {
        jid: inputs::order().jid,
        serial: 3,
        roster: 1,
        complete: true,
        groups: (0..count).map(group).collect(),
    }
}

fn hello() -> Up {
    Up::Hello(Hello {
        protocol: ProtocolRange::OURS,
        software: "0.2.0".to_owned(),
        trust_version: 3,
        body: HelloBody::Minion {
            grains: inputs::json(&inputs::grains(1)),
            running: vec![],
            unsettled: vec![inputs::order().jid],
        },
    })
}

/// A full part of a snapshot, with grains.
fn roster() -> Up {
    let count = limits::ROSTER_ENTRIES_PER_FRAME as u32;
    Up::Roster(RosterDelta {
        serial: 1,
        mark: RosterMark {
            epoch: 42,
            revision: u64::from(count),
        },
        snapshot: true,
        done: true,
        entries: (0..count).map(|n| entry(n, n, "ams")).collect(),
        links: vec![],
    })
}

/// A minion as a syndic tells of it.
pub fn entry(index: u32, number: u32, path: &str) -> NodeEntry {
    NodeEntry {
        index,
        uid: inputs::uid(number),
        id: inputs::minion_id(number),
        role: Role::Minion,
        path: inputs::site(path),
        fingerprint: [number as u8; 32],
        standing: Some(Standing::Accepted),
        link: Link {
            presence: Presence::Up,
            since: NOW,
        },
        software: "0.2.0".to_owned(),
        grains: Some(inputs::json(&inputs::grains(number))),
        roots: None,
        job_key: None,
    }
}
