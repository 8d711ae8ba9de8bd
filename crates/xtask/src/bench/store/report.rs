//! Figures of a long history.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::questions::{Answers, Start};
use super::{Arguments, Disk, MONTH_DAYS, Measured};
use crate::bench::figures::Spread;

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn ms(times: &[Duration]) -> Spread {
    Spread::of(times.iter().map(|time| time.as_secs_f64() * 1e3))
}

/// Bytes on disk that the history takes, for each job.
fn bytes_per_job(measured: &Measured) -> f64 {
    let grown = measured.full.live.saturating_sub(measured.empty.live);
    grown as f64 / f64::from(measured.jobs)
}

/// For people.
pub fn text(arguments: &Arguments, measured: &Measured) -> String {
    let minions = f64::from(arguments.minions);
    let mut text = format!(
        "{} jobs in {} days, {} minions each under {} syndics; {} rounds; median (least to most)\n\n",
        measured.jobs, arguments.days, arguments.minions, arguments.syndics, arguments.rounds
    );
    text.push_str("| returns of a job | records | bytes | of them times | bytes a return |\n| --- | --- | --- | --- | --- |\n");
    for (sort, need) in &measured.needs {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} |",
            sort.name(),
            need.records,
            need.bytes,
            need.timings,
            need.bytes as f64 / minions
        );
    }
    let per_job = bytes_per_job(measured);
    let _ = writeln!(
        text,
        "\nOn disk: {:.1} MB, {per_job:.0} bytes a job, {:.2} a return. Written: {:.0} jobs a second one by one, {:.0} in groups.\n",
        mb(measured.full.file),
        per_job / minions,
        measured.one_by_one,
        measured.in_groups
    );
    text.push_str("| hub | starts in ms | MiB then |\n| --- | --- | --- |\n");
    for (name, starts) in [
        ("three jobs", &measured.starts_empty),
        ("all", &measured.starts_full),
    ] {
        let took: Vec<Duration> = starts.iter().map(|start| start.took).collect();
        let memory = Spread::of(starts.iter().map(|start| mib(start.memory)));
        let _ = writeln!(
            text,
            "| {name} | {} | {} |",
            ms(&took).text(0),
            memory.text(1)
        );
    }
    text.push_str("\n| question | first after the start, ms | over the socket, ms | as a command, ms | MiB of the hub then |\n| --- | --- | --- | --- | --- |\n");
    for answers in &measured.answers {
        let _ = writeln!(
            text,
            "| {} | {:.1} | {} | {} | {:.1} |",
            answers.question.name(),
            answers.first.as_secs_f64() * 1e3,
            ms(&answers.socket).text(1),
            ms(&answers.command).text(1),
            mib(answers.memory)
        );
    }
    let pruning = &measured.pruning;
    let _ = writeln!(
        text,
        "\nThe oldest {MONTH_DAYS} days, {} jobs, are pruned in {:.2} s. An order for a minion that is down takes {} ms before that, and {} ms meanwhile.\n\n\
         | database | file MB | of it in use |\n| --- | --- | --- |",
        measured.pruned_jobs,
        pruning.took.as_secs_f64(),
        ms(&pruning.idle).text(1),
        ms(&pruning.busy).text(1)
    );
    for (name, disk) in [
        ("whole", measured.full),
        ("pruned", measured.pruned),
        ("as much written again", measured.refilled),
    ] {
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.1} |",
            mb(disk.file),
            mb(disk.live)
        );
    }
    text
}

/// For machines.
pub fn json(arguments: &Arguments, measured: &Measured) -> Value {
    let us = |times: &[Duration]| -> Vec<u64> {
        times.iter().map(|time| time.as_micros() as u64).collect()
    };
    let disk = |disk: Disk| json!({"file_bytes": disk.file, "live_bytes": disk.live});
    let starts = |starts: &[Start]| -> Vec<Value> {
        let start = |start: &Start| json!({"us": start.took.as_micros() as u64, "resident_bytes": start.memory});
        starts.iter().map(start).collect()
    };
    let needs = measured.needs.iter().map(|(sort, need)| {
        json!({
            "returns": sort.name(),
            "records": need.records,
            "bytes": need.bytes,
            "timing_bytes": need.timings,
        })
    });
    let answers = |answers: &Answers| {
        json!({
            "question": answers.question.name(),
            "first_us": answers.first.as_micros() as u64,
            "socket_us": us(&answers.socket),
            "command_us": us(&answers.command),
            "resident_bytes": answers.memory,
        })
    };
    json!({
        "days": arguments.days,
        "jobs": measured.jobs,
        "minions": arguments.minions,
        "syndics": arguments.syndics,
        "jobs_as_written": needs.collect::<Vec<_>>(),
        "bytes_per_job": bytes_per_job(measured),
        "jobs_per_second_one_by_one": measured.one_by_one,
        "jobs_per_second_in_groups": measured.in_groups,
        "starts_with_three_jobs": starts(&measured.starts_empty),
        "starts": starts(&measured.starts_full),
        "answers": measured.answers.iter().map(answers).collect::<Vec<_>>(),
        "pruned_days": MONTH_DAYS,
        "pruned_jobs": measured.pruned_jobs,
        "prune_us": measured.pruning.took.as_micros() as u64,
        "order_idle_us": us(&measured.pruning.idle),
        "order_while_pruning_us": us(&measured.pruning.busy),
        "disk_empty": disk(measured.empty),
        "disk": disk(measured.full),
        "disk_pruned": disk(measured.pruned),
        "disk_refilled": disk(measured.refilled),
    })
}
