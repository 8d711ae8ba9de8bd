//! `saltutil`: the jobs of this minion, and its grains.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::cancel::CancelKind;
use crate::context::{PillarWish, RunningJob};
use crate::{pattern, python};

/// Folders and files of the cache that can't be fetched again, or that jobs are using: backups of files, pauses of running
/// state runs, remembered mounts.
const KEPT: [&str; 3] = ["file_backup", "state_pause", "mounts"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "saltutil.clear_cache",
        "",
        "Remove what this minion has fetched: files, archives' sums, custom modules. They are fetched again when they are \
         needed. Backups of files stay.",
        "saltutil.clear_cache",
        |_, env| Ok(json!(clear(env.ctx.cache_dir()))),
    ),
    Function::new(
        "saltutil.clear_job_cache",
        "hours=24",
        "There is nothing to remove: a minion keeps no jobs but those whose returns are still owed, and those stay. hours \
         is accepted.",
        "saltutil.clear_job_cache hours=12",
        |_, _| Ok(json!(true)),
    ),
    Function::new(
        "saltutil.find_job",
        "jid",
        "The running job with this id, an empty dictionary when it does not run.",
        "saltutil.find_job 20240501123456123456",
        |args, env| {
            let jid = args.text("jid")?;
            let job = env.ctx.running().into_iter().find(|job| job.jid == jid);
            Ok(job.map_or_else(|| json!({}), |job| report(&job)))
        },
    )
    .quick(),
    Function::new(
        "saltutil.is_running",
        "fun",
        "The running jobs whose function matches this name or shell pattern.",
        "saltutil.is_running 'state.*'",
        |args, env| {
            let glob = pattern::glob(&args.text("fun")?, false);
            let jobs = env.ctx.running();
            let found = jobs
                .iter()
                .filter(|job| glob.as_ref().is_some_and(|glob| glob.is_match(&job.fun)));
            Ok(found.map(report).collect())
        },
    )
    .quick(),
    Function::new(
        "saltutil.kill_all_jobs",
        "",
        "Send SIGKILL to all running jobs but this one.",
        "saltutil.kill_all_jobs",
        |_, env| Ok(signal_all(env, CancelKind::Kill)),
    ),
    Function::new(
        "saltutil.kill_job",
        "jid",
        "Send SIGKILL to the processes of a running job and end it.",
        "saltutil.kill_job 20240501123456123456",
        |args, env| Ok(signal(env, &args.text("jid")?, CancelKind::Kill)),
    ),
    Function::new(
        "saltutil.refresh_grains",
        "**kwargs",
        "Collect the grains of this minion again. Options that Salt has for its caches are accepted and have nothing to \
         do.",
        "saltutil.refresh_grains",
        |_, env| {
            env.ctx.refresh_grains();
            Ok(json!(true))
        },
    ),
    Function::new(
        "saltutil.refresh_pillar",
        "wait=False, timeout=30, clean_cache=True",
        "Make the pillar of this minion anew. wait, timeout and clean_cache are accepted: it is made when this answers.",
        "saltutil.refresh_pillar",
        |_, env| {
            let made = env.ctx.refresh_pillar(&PillarWish::default());
            let pillar = made.map_err(Failure::Command)?;
            env.ctx.follow_pillar(&pillar);
            Ok(json!(true))
        },
    ),
    Function::new(
        "saltutil.running",
        "",
        "The jobs that run on this minion now, this one included.",
        "saltutil.running",
        |_, env| Ok(env.ctx.running().iter().map(report).collect()),
    )
    .quick(),
    Function::new(
        "saltutil.signal_job",
        "jid, sig",
        "Send a signal, by number, to the processes of a running job.",
        "saltutil.signal_job 20240501123456123456 15",
        signal_job,
    ),
    Function::new(
        "saltutil.term_all_jobs",
        "",
        "Send SIGTERM to all running jobs but this one.",
        "saltutil.term_all_jobs",
        |_, env| Ok(signal_all(env, CancelKind::Term)),
    ),
    Function::new(
        "saltutil.term_job",
        "jid",
        "Send SIGTERM to the processes of a running job and end it.",
        "saltutil.term_job 20240501123456123456",
        |args, env| Ok(signal(env, &args.text("jid")?, CancelKind::Term)),
    ),
];

/// Whether all is gone that may go.
fn clear(cache: &Path) -> bool {
    let Ok(entries) = fs::read_dir(cache) else {
        // A minion that never fetched anything has no cache.
        return !cache.exists();
    };
    let mut is_clear = true;
    for entry in entries {
        let removed = entry.and_then(|entry| {
            if KEPT.iter().any(|kept| entry.file_name() == *kept) {
                return Ok(());
            }
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            }
        });
        if let Err(error) = removed {
            tracing::error!(cache = %cache.display(), %error, "a part of the cache stays");
            is_clear = false;
        }
    }
    is_clear
}

fn report(job: &RunningJob) -> Value {
    let started = jiff::Timestamp::try_from(job.started)
        .map(|time| time.to_string())
        .unwrap_or_default();
    json!({
        "jid": job.jid,
        "fun": job.fun,
        "arg": job.args,
        "pid": job.pid,
        "user": job.user,
        "started": started,
    })
}

fn signal_job(args: &Args, env: &Env) -> Answer {
    let number = args.integer("sig")?;
    let known = i32::try_from(number)
        .ok()
        .filter(|number| nix::sys::signal::Signal::try_from(*number).is_ok());
    let number = known
        .ok_or_else(|| Failure::invocation(format!("{number} is not the number of a signal")))?;
    Ok(signal(env, &args.text("jid")?, CancelKind::Signal(number)))
}

/// What was signalled, in words; empty when no such job runs.
fn signal(env: &Env, jid: &str, kind: CancelKind) -> Value {
    match env.ctx.signal_job(jid, kind) {
        Some(job) => json!(format!(
            "Signal {} sent to job {jid} at pid {}",
            kind.signal_number(),
            job.pid
        )),
        None => json!(""),
    }
}

fn signal_all(env: &Env, kind: CancelKind) -> Value {
    // The jobs that signal would end themselves first and leave the others running.
    let is_own = |job: &RunningJob| {
        ["saltutil.kill_all_jobs", "saltutil.term_all_jobs"].contains(&job.fun.as_str())
    };
    let jobs = env.ctx.running();
    let signalled = jobs
        .iter()
        .filter(|job| !is_own(job))
        .map(|job| signal(env, &job.jid, kind));
    signalled.filter(python::truthy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn the_cache_is_cleared_of_what_can_be_fetched_again() {
        let host = Host::new();
        let clear = || host.call(Call::new("saltutil.clear_cache")).value;
        assert_eq!(clear(), json!(true));
        let cache = host.with_env(|env| env.ctx.cache_dir().to_owned());
        let kept = ["file_backup/etc/motd", "mounts"];
        let fetched = ["files/base/a", "extmods/modules/disks.py", "sum"];
        for file in kept.iter().chain(&fetched) {
            let path = cache.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        assert_eq!(clear(), json!(true));
        for (files, stay) in [(&kept[..], true), (&fetched[..], false)] {
            for file in files {
                assert_eq!(cache.join(file).exists(), stay, "{file}");
            }
        }
    }

    #[test]
    fn jobs_are_shown_and_signalled() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        let jid = "20260101000000000001";
        let job = json!({
            "jid": jid, "fun": "cmd.run", "arg": ["x"], "pid": 42, "user": "root", "started": "1970-01-01T00:00:00Z",
        });
        check(Call::new("saltutil.find_job").arg(jid), job.clone());
        check(Call::new("saltutil.find_job").arg("1"), json!({}));
        check(Call::new("saltutil.is_running").arg("cmd.*"), json!([job]));
        assert_eq!(
            host.call(Call::new("saltutil.running"))
                .value
                .as_array()
                .unwrap()
                .len(),
            2
        );
        let signalled = |number: i32| json!(format!("Signal {number} sent to job {jid} at pid 42"));
        check(Call::new("saltutil.kill_job").arg(jid), signalled(9));
        check(Call::new("saltutil.term_job").arg(jid), signalled(15));
        check(
            Call::new("saltutil.signal_job").arg(jid).arg(10),
            signalled(10),
        );
        check(Call::new("saltutil.kill_job").arg("1"), json!(""));
        assert!(
            !host
                .call(Call::new("saltutil.signal_job").arg(jid).arg(999))
                .success
        );
        assert_eq!(
            host.call(Call::new("saltutil.kill_all_jobs"))
                .value
                .as_array()
                .unwrap()
                .len(),
            2
        );
        let kinds: Vec<CancelKind> = host
            .signals
            .lock()
            .unwrap()
            .iter()
            .map(|(_, kind)| *kind)
            .collect();
        let expected = [
            CancelKind::Kill,
            CancelKind::Term,
            CancelKind::Signal(10),
            CancelKind::Kill,
            CancelKind::Kill,
        ];
        assert_eq!(kinds, expected);
        check(Call::new("saltutil.refresh_grains"), json!(true));
    }
}
