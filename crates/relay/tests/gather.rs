//! News that waits for more: fewer batches, and nothing that anybody waits for comes later.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{GATHER_MS, HubOutput, SAVE_BYTES_MAX};
use support::{Bench, jid, json, minion, pong};
use wire::record::Record;
use wire::{Return, Up};

fn bench(minions: u64, save_bytes_max: usize) -> Bench {
    let mut bench = Bench::gathering("", save_bytes_max);
    for number in 1..=minions {
        bench.connect(number, minion(number as u8));
    }
    bench.submit(jid(1), "*");
    bench
}

fn batches(bench: &Bench) -> usize {
    let is_news = |record: &&Record| matches!(record, Record::JobNews(_));
    bench.saved.iter().filter(is_news).count()
}

fn is_over(outputs: &[HubOutput]) -> bool {
    let over = |o: &HubOutput| matches!(o, HubOutput::JobFinished { .. });
    outputs.iter().any(over)
}

#[test]
fn returns_wait_for_the_last_one_and_no_longer() {
    let mut bench = bench(3, SAVE_BYTES_MAX);
    let before = batches(&bench);
    bench.says(1, Up::Return(pong(jid(1))));
    bench.says(2, Up::Return(pong(jid(1))));
    assert_eq!(batches(&bench), before);
    let outputs = bench.says(3, Up::Return(pong(jid(1))));
    assert!(is_over(&outputs));
    assert_eq!(batches(&bench), before + 1);
}

#[test]
fn what_has_waited_long_enough_is_saved() {
    let mut bench = bench(3, SAVE_BYTES_MAX);
    let before = batches(&bench);
    bench.says(1, Up::Return(pong(jid(1))));
    bench.wait(GATHER_MS - 1);
    bench.says(2, Up::Return(pong(jid(1))));
    assert_eq!(batches(&bench), before);
    bench.wait(1);
    assert_eq!(batches(&bench), before + 1);
    // The next ones wait for a time of their own.
    bench.wait(GATHER_MS);
    assert_eq!(batches(&bench), before + 1);
}

#[test]
fn many_bytes_do_not_wait() {
    let mut bench = bench(3, 64);
    let before = batches(&bench);
    bench.says(1, Up::Return(pong(jid(1))));
    assert_eq!(batches(&bench), before);
    let long = Return {
        value: json(&format!("\"{:060}\"", 7)),
        ..pong(jid(1))
    };
    bench.says(2, Up::Return(long));
    assert!(batches(&bench) > before);
}

#[test]
fn a_job_does_not_wait_for_the_news_of_another() {
    let mut bench = bench(3, SAVE_BYTES_MAX);
    bench.submit(jid(2), "m1");
    let before = batches(&bench);
    bench.says(2, Up::Return(pong(jid(1))));
    assert_eq!(batches(&bench), before);
    let outputs = bench.says(1, Up::Return(pong(jid(2))));
    assert!(is_over(&outputs));
}
