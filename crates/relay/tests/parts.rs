//! Accounts that are saved in parts: what is short does not wait for what is long, and nothing is called safe that is not.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::HubOutput;
use support::{Bench, jid, json, minion, nth_roster, peer, pong, tells, told};
use wire::record::Record;
use wire::{Down, Jid, Outcome, Return, Role, Up, ValueRef};

/// Bytes of values in one save.
const SAVE_BYTES: usize = 64;

fn long(jid: Jid, number: u64) -> Return {
    Return {
        value: json(&format!("\"{number:060}\"")),
        ..pong(jid)
    }
}

/// Returns of a job that are in the records of one save or several.
fn saved(records: &[Record], jid: Jid) -> usize {
    let news = records.iter().filter_map(|record| match record {
        Record::JobNews(delta) if delta.jid == jid => Some(&delta.groups),
        _ => None,
    });
    news.flatten()
        .filter(|group| matches!(group.outcome, Outcome::Returned { .. }))
        .map(|group| group.who.len())
        .sum()
}

#[test]
fn a_short_return_is_saved_with_the_next_batch() {
    let mut bench = Bench::saving_at_once("", SAVE_BYTES);
    for number in 1..=9 {
        bench.connect(number, minion(number as u8));
    }
    let (bulk, ping) = (jid(1), jid(2));
    bench.submit(bulk, "m1 or m2 or m3 or m4 or m5 or m6 or m7 or m8");
    bench.submit(ping, "m9");
    bench.disk_works = false;
    for number in 1..=8 {
        bench.says(number, Up::Return(long(bulk, number)));
    }
    let before = bench.saved.len();
    bench.says(9, Up::Return(pong(ping)));
    bench.disk_done();
    let next = &bench.saved[before..];
    assert_eq!(saved(next, ping), 1);
    assert_eq!(saved(next, bulk), 1, "a part of the long one goes with it");
    let mut outputs = bench.disk_done();
    let is_over = |outputs: &[HubOutput], jid: Jid| {
        let over = |o: &HubOutput| matches!(o, HubOutput::JobFinished { jid: of } if *of == jid);
        outputs.iter().any(over)
    };
    assert!(is_over(&outputs, ping));
    let mut saves = 0;
    while !is_over(&outputs, bulk) {
        assert!(saved(&bench.saved, bulk) <= 8);
        outputs = bench.disk_done();
        saves += 1;
        assert!(saves < 20, "it goes on for ever");
    }
    assert_eq!(
        saved(&bench.saved, bulk),
        8,
        "over when all of it is on disk"
    );
}

#[test]
fn a_hub_below_hears_that_an_account_is_safe_with_its_last_part() {
    let mut bench = Bench::saving_at_once("", SAVE_BYTES);
    bench.connect(10, peer(10, Role::Syndic, "s1", "ams"));
    for number in 1..=3_u8 {
        let node = peer(number, Role::Minion, &format!("m{number}"), "ams");
        bench.says(10, nth_roster(&node, number.into(), number.into()));
    }
    bench.says(10, Up::Resumed { ledgers: 0 });
    bench.submit(jid(1), "*");
    bench.disk_works = false;
    let mut acked = Vec::new();
    let mut look = |outputs: Vec<HubOutput>, saved: usize| {
        let acks = told(&outputs, 10);
        acked.extend(acks.iter().filter_map(|message| match message {
            Down::LedgerAck { serial, .. } => Some((*serial, saved)),
            _ => None,
        }));
    };
    for number in 1..=3_u32 {
        let outcome = Outcome::Returned {
            retcode: 0,
            success: true,
            value: ValueRef::Define(number, long(jid(1), number.into()).value),
        };
        let outputs = bench.says(10, tells(number, number, outcome));
        look(outputs, saved(&bench.saved, jid(1)));
    }
    for _ in 0..10 {
        // What was saved before this confirmation.
        let before = saved(&bench.saved, jid(1));
        let outputs = bench.disk_done();
        look(outputs, before);
    }
    assert_eq!(acked.last(), Some(&(3, 3)), "{acked:?}");
    assert!(
        acked
            .iter()
            .all(|(serial, saved)| *saved >= *serial as usize),
        "{acked:?}"
    );
}
