//! The process that writes: this very test binary, which then does as it is told by its environment.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use store::{Committer, HubStore, Journal, JournalError};
use wire::record::{JobHead, JournalRecord, Record};
use wire::{
    IndexSet, Jid, JobEnvelope, Json, LedgerDelta, Outcome, OutcomeGroup, Return, Timing, Uid,
    ValueRef,
};

/// What to do: `write` or `read`, and of what.
const TASK: &str = "BANYAN_TEST_TASK";
/// The directory of the files.
const PLACE: &str = "BANYAN_TEST_PLACE";
/// How many items to write.
const COUNT: &str = "BANYAN_TEST_COUNT";

/// What stands under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Hub,
    Journal,
}

pub const SUBJECTS: [Subject; 2] = [Subject::Hub, Subject::Journal];

/// Begins the lines that the process prints; each stands alone, whatever the test harness prints.
pub const ACKNOWLEDGED: &str = "acknowledged ";
pub const FOUND: &str = "found ";

/// Items that are handed over together, so that they may share a sync.
const TOGETHER: u32 = 3;
/// Bytes of one item: more than a page of the database.
const ITEM_BYTES: usize = 5_000;

/// Arguments and environment for this binary; `command` may be any program that runs it.
pub fn task(command: &mut Command, task: &str, subject: Subject, place: &Path, count: u32) {
    command
        .args(["--exact", "writer::process", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .env(TASK, format!("{task} {subject:?}"))
        .env(PLACE, place)
        .env(COUNT, count.to_string());
}

/// The numbers behind this word in what a process printed.
pub fn numbers(output: &str, word: &str) -> BTreeSet<u32> {
    let numbers = output.lines().filter_map(|line| line.strip_prefix(word));
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[test]
fn process() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let count: u32 = std::env::var(COUNT).unwrap().parse().unwrap();
    match task.as_str() {
        "write Hub" => write_hub(&place, count),
        "write Journal" => write_journal(&place, count),
        "read Hub" => read_hub(&place),
        "read Journal" => read_journal(&place),
        other => panic!("{other}"),
    }
}

/// Prints a line with one call, so that the order of calls is that of events.
fn say(word: &str, number: u32) {
    let line = format!("\n{word}{number}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

fn jid(number: u32) -> Jid {
    format!("202611222237{number:08}").parse().unwrap()
}

fn value(number: u32) -> Json {
    format!("\"{number}{}\"", "v".repeat(ITEM_BYTES))
        .into_bytes()
        .into()
}

fn head() -> Record {
    Record::Job(Box::new(JobHead {
        jid: jid(0),
        envelope: JobEnvelope {
            order: b"".as_slice().into(),
            signer: Uid([3; 16]),
            signature: [4; 64],
        },
        parents: vec![Uid([5; 16])],
        received: 1,
    }))
}

fn news(number: u32) -> LedgerDelta {
    LedgerDelta {
        jid: jid(0),
        serial: number,
        roster: 0,
        complete: true,
        groups: vec![OutcomeGroup {
            outcome: Outcome::Returned {
                retcode: 0,
                success: true,
                value: ValueRef::Inline(value(number)),
            },
            who: IndexSet::from_iter([number]),
            timings: vec![Timing::default()],
        }],
    }
}

fn write_hub(place: &Path, count: u32) {
    let (mut store, _) = HubStore::open(&place.join("hub.sqlite")).unwrap();
    store.commit(&[head()]).unwrap();
    let committer = Committer::start(store, |_| {}).unwrap();
    let (done, dones) = mpsc::channel();
    for first in (1..=count).step_by(TOGETHER as usize) {
        let group = first..(first + TOGETHER).min(count + 1);
        for number in group.clone() {
            let done = done.clone();
            let batch = vec![Record::JobNews(news(number))];
            let sent = committer.commit(batch, move |result| {
                if result.is_ok() {
                    say(ACKNOWLEDGED, number);
                }
                done.send(result.is_ok()).unwrap();
            });
            sent.unwrap();
        }
        let results: Vec<bool> = dones.iter().take(group.len()).collect();
        if results.contains(&false) {
            // Whoever tries again must not be told that it worked.
            let (done, again) = mpsc::channel();
            let batch = vec![Record::JobNews(news(count + 1))];
            let tried = committer.commit(batch, move |result| {
                done.send(result.is_ok()).unwrap();
            });
            assert!(tried.is_err() || !again.recv().unwrap(), "written again");
            panic!("the store failed");
        }
    }
}

fn read_hub(place: &Path) {
    let path = place.join("hub.sqlite");
    if !path.exists() {
        return;
    }
    let (_, recovered) = HubStore::open(&path).unwrap();
    for delta in recovered.open_jobs.iter().flat_map(|job| &job.news) {
        assert_eq!(*delta, news(delta.serial));
        say(FOUND, delta.serial);
    }
}

fn write_journal(place: &Path, count: u32) {
    let (mut journal, _) = Journal::open(&place.join("journal")).unwrap();
    for number in 1..=count {
        let started = JournalRecord::Started {
            jid: jid(number),
            forget_after: u64::MAX,
        };
        let returned = JournalRecord::Returned(Return {
            jid: jid(number),
            retcode: 0,
            success: true,
            value: value(number),
            started: 1,
            duration_ms: 1,
        });
        let batch = [started, returned];
        let result = match journal.append(&batch) {
            Err(JournalError::Full { .. }) => journal.append(&batch),
            other => other,
        };
        if let Err(error) = result {
            assert!(journal.append(&batch).is_err(), "written again");
            panic!("the journal failed: {error}");
        }
        say(ACKNOWLEDGED, number);
    }
}

fn read_journal(place: &Path) {
    let path = place.join("journal");
    if !path.exists() {
        return;
    }
    let (journal, recovered) = Journal::open(&path).unwrap();
    assert_eq!(recovered.quarantine, None, "torn writes are no damage");
    for (jid_of, _) in recovered.kept {
        let ret = journal.returned(jid_of).unwrap().unwrap();
        let number = (1..=u32::from(u16::MAX))
            .find(|number| jid(*number) == ret.jid)
            .unwrap();
        assert_eq!(ret.value, value(number));
        say(FOUND, number);
    }
}
