//! What sharing a sync is worth on this disk: `cargo run --release -p store --example commits [DIRECTORY]`.
//!
//! The same batches are saved three times: each waiting for the one before, as many writers at a time as there may be
//! returns on the way, and all at once. The journal of a minion is measured beside them.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use store::{Committer, HubStore, Journal};
use wire::record::{JobHead, JournalRecord, Record};
use wire::{
    IndexSet, Jid, JobEnvelope, LedgerDelta, Outcome, OutcomeGroup, Return, Timing, Uid, ValueRef,
};

/// Batches of each measurement; a batch is the news of one return.
const BATCHES: u32 = 2_000;
/// Batches that are on their way at a time.
const IN_FLIGHT: [u32; 4] = [1, 16, 256, BATCHES];

fn jid() -> Jid {
    // The form of a jid is checked, not its date.
    "20261122223700000001"
        .parse()
        .unwrap_or_else(|_| unreachable!())
}

fn head() -> Record {
    Record::Job(Box::new(JobHead {
        jid: jid(),
        envelope: JobEnvelope {
            order: b"".as_slice().into(),
            signer: Uid([3; 16]),
            signature: [4; 64],
        },
        parents: Vec::new(),
        received: 1,
    }))
}

fn news(number: u32) -> Record {
    Record::JobNews(LedgerDelta {
        jid: jid(),
        serial: number,
        roster: 0,
        complete: true,
        groups: vec![OutcomeGroup {
            outcome: Outcome::Returned {
                retcode: 0,
                success: true,
                value: ValueRef::Inline(b"true".as_slice().into()),
            },
            who: IndexSet::from_iter([number]),
            timings: vec![Timing::default()],
        }],
    })
}

/// Commits in a second with so many on their way at a time, and how many batches shared a sync.
fn hub(path: &Path, in_flight: u32) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let (mut store, _) = HubStore::open(path)?;
    store.commit(&[head()])?;
    let (group, groups) = mpsc::channel();
    let committer = Committer::start(store, move |committed| {
        // The receiver lives as long as this measurement.
        let _ = group.send(committed.batches);
    })?;
    let (done, dones) = mpsc::channel();
    let begun = Instant::now();
    let mut waiting = 0;
    for number in 1..=BATCHES {
        let done = done.clone();
        committer.commit(vec![news(number)], move |result| {
            let _ = done.send(result);
        })?;
        waiting += 1;
        if waiting == in_flight {
            dones.recv()??;
            waiting -= 1;
        }
    }
    for result in dones.iter().take(waiting as usize) {
        result?;
    }
    let took = begun.elapsed().as_secs_f64();
    drop(committer);
    let groups = groups.iter().count();
    Ok((
        f64::from(BATCHES) / took,
        f64::from(BATCHES) / groups as f64,
    ))
}

/// Appends in a second with so many records in each.
fn journal(path: &Path, together: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let (mut journal, _) = Journal::open(path)?;
    let records: Vec<JournalRecord> = (0..BATCHES)
        .map(|_| {
            JournalRecord::Returned(Return {
                jid: jid(),
                retcode: 0,
                success: true,
                value: b"true".as_slice().into(),
                started: 1,
                duration_ms: 1,
            })
        })
        .collect();
    let begun = Instant::now();
    for batch in records.chunks(together as usize) {
        journal.append(batch)?;
    }
    Ok(f64::from(BATCHES) / begun.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(place)?;
    println!("{BATCHES} batches of one return, each durable when it is counted");
    let mut single = None;
    for in_flight in IN_FLIGHT {
        let (rate, shared) = hub(&dir.path().join(format!("hub-{in_flight}")), in_flight)?;
        let ratio = rate / *single.get_or_insert(rate);
        println!(
            "store, {in_flight:>5} on their way: {rate:>9.0} commits/s, {shared:>6.1} share a sync, {ratio:>6.1} times one by one"
        );
    }
    let mut single = None;
    for together in IN_FLIGHT {
        let rate = journal(&dir.path().join(format!("journal-{together}")), together)?;
        let ratio = rate / *single.get_or_insert(rate);
        println!(
            "journal, {together:>5} in one write: {rate:>9.0} records/s, {ratio:>6.1} times one by one"
        );
    }
    Ok(())
}
