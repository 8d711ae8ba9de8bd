//! `schedule`: the jobs by the clock of this minion.

mod item;

use jiff::fmt::strtime;
use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function, is_test};
use crate::context::PillarWish;
use crate::python;
use crate::timetable::{Part, Timetable};

/// The keys of a job that are shown.
const SHOWN: [&str; 24] = [
    "after",
    "args",
    "cron",
    "days",
    "enabled",
    "function",
    "hours",
    "jid_include",
    "kwargs",
    "maxrunning",
    "metadata",
    "minutes",
    "name",
    "once",
    "once_fmt",
    "range",
    "return_job",
    "run_after_skip_range",
    "run_on_start",
    "seconds",
    "skip_during_range",
    "splay",
    "until",
    "when",
];
/// Names that are no jobs.
const GLOBAL: [&str; 4] = ["enabled", "skip_during_range", "skip_function", "splay"];
/// The form of times where a call names none.
const TIME_FORM: &str = "%Y-%m-%dT%H:%M:%S";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "schedule.add",
        "name, **kwargs",
        "Add a job. function: what runs; job_args, job_kwargs: its arguments; seconds, minutes, hours, days, when, cron, once: its times; also splay, \
         range, skip_during_range, run_after_skip_range, run_on_start, until, after, maxrunning, jid_include, return_job, metadata, enabled. \
         persist=False: until the minion is restarted.",
        "schedule.add job1 function='test.ping' seconds=3600",
        add,
    ),
    Function::new(
        "schedule.build_schedule_item",
        "name, **kwargs",
        "The job that schedule.add would make of these arguments.",
        "schedule.build_schedule_item job1 function='test.ping' seconds=3600",
        |args, _| {
            let name = args.text("name")?;
            Ok(match item::build(&name, &args.extra_kwargs) {
                Ok(item) => item.into(),
                Err(comment) => json!({"comment": comment, "result": false}),
            })
        },
    ),
    Function::new(
        "schedule.copy",
        "name, target, **kwargs",
        "Refused: a minion orders nothing from others. Order schedule.add on the others.",
        "schedule.copy job1 'web*'",
        |_, env| no_publishing(env),
    ),
    Function::new(
        "schedule.delete",
        "name, **kwargs",
        "Remove a job. persist=False: until the minion is restarted.",
        "schedule.delete job1",
        delete,
    ),
    Function::new(
        "schedule.disable",
        "**kwargs",
        "Let no job run. persist=False: until the minion is restarted.",
        "schedule.disable",
        |args, env| switch_all(args, env, false),
    ),
    Function::new(
        "schedule.disable_job",
        "name, **kwargs",
        "Do not let a job run. persist=False: until the minion is restarted.",
        "schedule.disable_job job1",
        |args, env| switch(args, env, false),
    ),
    Function::new(
        "schedule.enable",
        "**kwargs",
        "Let jobs run. persist=False: until the minion is restarted.",
        "schedule.enable",
        |args, env| switch_all(args, env, true),
    ),
    Function::new(
        "schedule.enable_job",
        "name, **kwargs",
        "Let a job run. persist=False: until the minion is restarted.",
        "schedule.enable_job job1",
        |args, env| switch(args, env, true),
    ),
    Function::new(
        "schedule.is_enabled",
        "name=None",
        "Without a name: whether jobs run at all. With one: that job, an empty dictionary when there is none.",
        "schedule.is_enabled job1",
        |args, env| {
            let table = timetable(env)?;
            let jobs = shown(table, Part::All, false, true);
            Ok(match args.optional_text("name")? {
                None => jobs.get("enabled").cloned().unwrap_or(json!(true)),
                Some(name) => jobs.get(&name).cloned().unwrap_or_else(|| json!({})),
            })
        },
    ),
    Function::new(
        "schedule.job_status",
        "name, time_fmt='%Y-%m-%dT%H:%M:%S'",
        "A job and how it stands: its next time, its last run and how that ended, why it was skipped.",
        "schedule.job_status job1",
        job_status,
    ),
    Function::new(
        "schedule.list",
        "show_all=False, show_disabled=True, where=None, return_yaml=True, offline=False",
        "The jobs, as YAML or with return_yaml=False as they are. show_all: also those whose names begin with __. where: opts for those of the settings \
         and of schedule.add, pillar for those of the pillar. offline: those that schedule.add has written down.",
        "schedule.list",
        list,
    ),
    Function::new(
        "schedule.modify",
        "name, **kwargs",
        "Replace a job by one with these arguments; the function stays when none is given.",
        "schedule.modify job1 function='test.ping' seconds=3600",
        modify,
    ),
    Function::new(
        "schedule.move",
        "name, target, **kwargs",
        "Refused: a minion orders nothing from others. Order schedule.add on the others.",
        "schedule.move job1 'web*'",
        |_, env| no_publishing(env),
    ),
    Function::new(
        "schedule.postpone_job",
        "name, current_time, new_time, **kwargs",
        "Leave out a job's run at one time, and run it at another. time_fmt: how both are written.",
        "schedule.postpone_job job1 2026-12-24T10:00:00 2026-12-24T12:00:00",
        |args, env| put_off(args, env, true),
    ),
    Function::new(
        "schedule.purge",
        "**kwargs",
        "Remove all jobs but those of the pillar. persist=False: until the minion is restarted.",
        "schedule.purge",
        purge,
    ),
    Function::new(
        "schedule.reload",
        "",
        "Go back to the jobs that are written down, and make the pillar anew when jobs come from there.",
        "schedule.reload",
        reload,
    ),
    Function::new(
        "schedule.run_job",
        "name, force=False",
        "Run a job now. force: even when it is disabled.",
        "schedule.run_job job1",
        run_job,
    ),
    Function::new(
        "schedule.save",
        "**kwargs",
        "Write down what was changed with persist=False.",
        "schedule.save",
        |args, env| {
            if is_test(args, env) {
                return Ok(json!({"comment": "Schedule would be saved.", "result": true}));
            }
            Ok(match timetable(env)?.save() {
                Ok(()) => json!({"comment": "Schedule (non-pillar items) saved.", "result": true}),
                Err(why) => {
                    json!({"comment": format!("Failed to save schedule. {why}"), "result": false})
                }
            })
        },
    ),
    Function::new(
        "schedule.show_next_fire_time",
        "name, **kwargs",
        "When a job runs next, without its splay.",
        "schedule.show_next_fire_time job1",
        |args, env| {
            let time = timetable(env)?.next_fire_time(&args.text("name")?);
            Ok(json!({"result": true, "next_fire_time": time}))
        },
    ),
    Function::new(
        "schedule.skip_job",
        "name, current_time, **kwargs",
        "Leave out a job's run at this time. time_fmt: how it is written.",
        "schedule.skip_job job1 2026-12-24T10:00:00",
        |args, env| put_off(args, env, false),
    ),
];

fn timetable<'a>(env: &Env<'a>) -> Result<&'a dyn Timetable, Failure> {
    env.ctx.timetable().ok_or_else(|| {
        let text = "a call without a hub has no schedule: order it from the running minion";
        Failure::command(text)
    })
}

fn no_publishing(_: &Env) -> Answer {
    Err(Failure::command(
        "a minion orders nothing from others: order schedule.add on them",
    ))
}

fn persists(args: &Args) -> bool {
    args.extra_kwargs.get("persist").is_none_or(python::truthy)
}

fn refuse_offline(args: &Args) -> Result<(), Failure> {
    match args.extra_kwargs.get("offline") {
        Some(flag) if python::truthy(flag) => Err(Failure::invocation(
            "offline: the schedule is that of the running minion",
        )),
        _ => Ok(()),
    }
}

/// The jobs with what is shown of them.
fn shown(
    table: &dyn Timetable,
    part: Part,
    show_all: bool,
    show_disabled: bool,
) -> Map<String, Value> {
    let mut jobs = table.list(part);
    jobs.retain(|name, job| {
        if GLOBAL.contains(&name.as_str()) {
            return true;
        }
        let Some(job) = job.as_object_mut() else {
            return true;
        };
        job.entry("enabled").or_insert(json!(true));
        job.retain(|key, value| SHOWN.contains(&key.as_str()) && !value.is_null());
        (show_all || !name.starts_with("__"))
            && (show_disabled || job.get("enabled").is_some_and(python::truthy))
    });
    jobs
}

fn list(args: &Args, env: &Env) -> Answer {
    let table = timetable(env)?;
    let part = match args.optional_text("where")?.as_deref() {
        _ if args.flag("offline") => Part::Saved,
        Some("opts") => Part::Own,
        Some("pillar") => Part::Pillar,
        _ => Part::All,
    };
    let mut jobs = shown(
        table,
        part,
        args.flag("show_all"),
        args.flag("show_disabled"),
    );
    if !args.flag("return_yaml") {
        return Ok(jobs.into());
    }
    let saved = table.list(Part::Saved);
    for (name, job) in &mut jobs {
        if let Value::Object(job) = job {
            job.insert("saved".to_owned(), json!(saved.contains_key(name)));
        }
    }
    Ok(yaml::emit(&json!({"schedule": jobs})).into())
}

fn add(args: &Args, env: &Env) -> Answer {
    refuse_offline(args)?;
    let (name, table) = (args.text("name")?, timetable(env)?);
    let answer = |result: bool, comment: String| {
        let changes = if result && !is_test(args, env) {
            json!({&name: "added"})
        } else {
            json!({})
        };
        Ok(json!({"comment": comment, "result": result, "changes": changes}))
    };
    if table.list(Part::All).contains_key(&name) {
        return answer(false, format!("Job {name} already exists in schedule."));
    }
    let item = match item::build(&name, &args.extra_kwargs) {
        Ok(item) => Value::Object(item),
        Err(comment) => return answer(false, comment),
    };
    if let Err(why) = table.check(&item) {
        return answer(
            false,
            format!("Failed to add job {name} to schedule: {why}"),
        );
    }
    if is_test(args, env) {
        return answer(true, format!("Job: {name} would be added to schedule."));
    }
    match table.set(&name, Some(item), persists(args)) {
        Ok(()) => answer(true, format!("Added job: {name} to schedule.")),
        Err(why) => answer(
            false,
            format!("Failed to add job {name} to schedule: {why}"),
        ),
    }
}

fn modify(args: &Args, env: &Env) -> Answer {
    refuse_offline(args)?;
    let (name, table) = (args.text("name")?, timetable(env)?);
    let answer = |result: bool, comment: String, changes: Value| {
        Ok(json!({"comment": comment, "result": result, "changes": changes}))
    };
    let jobs = shown(table, Part::All, true, true);
    let Some(current) = jobs.get(&name) else {
        let comment = format!("Job {name} does not exist in schedule.");
        return answer(false, comment, json!({}));
    };
    let mut kwargs = args.extra_kwargs.clone();
    if let (None, Some(function)) = (kwargs.get("function"), current.get("function")) {
        kwargs.insert("function".to_owned(), function.clone());
    }
    let item = match item::build(&name, &kwargs) {
        Ok(item) => Value::Object(item),
        Err(comment) => return answer(false, comment, json!({})),
    };
    if item == *current {
        return answer(true, format!("Job {name} in correct state"), json!({}));
    }
    let failed = |why: String| {
        let comment = format!("Failed to modify job {name} in schedule: {why}");
        answer(false, comment, json!({}))
    };
    if !table.list(Part::Own).contains_key(&name) {
        return failed("it is in the pillar".to_owned());
    }
    if let Err(why) = table.check(&item) {
        return failed(why);
    }
    let changes = json!({&name: {"old": current, "new": item}});
    if is_test(args, env) {
        let comment = format!("Job: {name} would be modified in schedule.");
        return answer(true, comment, changes);
    }
    match table.set(&name, Some(item), persists(args)) {
        Ok(()) => answer(true, format!("Modified job: {name} in schedule."), changes),
        Err(why) => failed(why),
    }
}

fn delete(args: &Args, env: &Env) -> Answer {
    refuse_offline(args)?;
    let (name, table) = (args.text("name")?, timetable(env)?);
    let answer = |result: bool, comment: String, changes: Value| {
        Ok(json!({"comment": comment, "result": result, "changes": changes}))
    };
    if is_test(args, env) {
        let comment = format!("Job: {name} would be deleted from schedule.");
        return answer(true, comment, json!({}));
    }
    if !table.list(Part::All).contains_key(&name) {
        return answer(false, format!("Job {name} does not exist."), json!({}));
    }
    let failed = format!("Failed to delete job {name} from schedule.");
    if table.list(Part::Pillar).contains_key(&name) {
        return answer(false, format!("{failed} It is in the pillar."), json!({}));
    }
    match table.set(&name, None, persists(args)) {
        Ok(()) => {
            let comment = format!("Deleted Job {name} from schedule.");
            answer(true, comment, json!({&name: "removed"}))
        }
        Err(why) => answer(false, format!("{failed} {why}"), json!({})),
    }
}

fn purge(args: &Args, env: &Env) -> Answer {
    refuse_offline(args)?;
    let table = timetable(env)?;
    let (mut comments, mut changes) = (Vec::new(), Map::new());
    let is_test = is_test(args, env);
    let pillar = table.list(Part::Pillar);
    for name in table.list(Part::All).keys() {
        if GLOBAL.contains(&name.as_str()) || name.starts_with("__") {
            continue;
        }
        if is_test {
            comments.push(format!("Job: {name} would be deleted from schedule."));
            continue;
        }
        let removed = !pillar.contains_key(name) && table.set(name, None, persists(args)).is_ok();
        if removed {
            comments.push(format!("Deleted job: {name} from schedule."));
            changes.insert(name.clone(), json!("removed"));
        } else {
            comments.push(format!("Failed to delete job {name} from schedule."));
        }
    }
    Ok(json!({"comment": comments, "changes": changes, "result": true}))
}

fn switch(args: &Args, env: &Env, enabled: bool) -> Answer {
    let (name, table) = (args.text("name")?, timetable(env)?);
    let (verb, done) = if enabled {
        ("enable", "Enabled")
    } else {
        ("disable", "Disabled")
    };
    let answer = |result: bool, comment: String, changes: Value| {
        Ok(json!({"comment": comment, "result": result, "changes": changes}))
    };
    if is_test(args, env) {
        let comment = format!("Job: {name} would be {} in schedule.", done.to_lowercase());
        return answer(true, comment, json!({}));
    }
    let failed = format!("Failed to {verb} job {name} in schedule.");
    match table.list(Part::Own).get(&name) {
        Some(Value::Object(job)) => {
            let mut job = job.clone();
            job.insert("enabled".to_owned(), json!(enabled));
            match table.set(&name, Some(job.into()), persists(args)) {
                Ok(()) => {
                    let comment = format!("{done} Job {name} in schedule.");
                    answer(true, comment, json!({&name: done.to_lowercase()}))
                }
                Err(why) => answer(false, format!("{failed} {why}"), json!({})),
            }
        }
        _ if table.list(Part::Pillar).contains_key(&name) => {
            answer(false, format!("{failed} It is in the pillar."), json!({}))
        }
        _ => answer(false, format!("Job {name} does not exist."), json!({})),
    }
}

fn switch_all(args: &Args, env: &Env, enabled: bool) -> Answer {
    let (verb, done) = if enabled {
        ("enable", "enabled")
    } else {
        ("disable", "disabled")
    };
    if is_test(args, env) {
        let comment = format!("Schedule would be {done}.");
        return Ok(json!({"comment": comment, "changes": {}, "result": true}));
    }
    Ok(match timetable(env)?.set_enabled(enabled, persists(args)) {
        Ok(()) => {
            let comment = format!(
                "{}{} schedule on minion.",
                done[..1].to_uppercase(),
                &done[1..]
            );
            json!({"comment": comment, "changes": {"schedule": done}, "result": true})
        }
        Err(why) => {
            let comment = format!("Failed to {verb} schedule on minion. {why}");
            json!({"comment": comment, "changes": {}, "result": false})
        }
    })
}

fn run_job(args: &Args, env: &Env) -> Answer {
    let (name, table) = (args.text("name")?, timetable(env)?);
    let answer = |result: bool, comment: String| Ok(json!({"comment": comment, "result": result}));
    let jobs = shown(table, Part::All, true, true);
    let Some(job) = jobs.get(&name) else {
        return answer(false, format!("Job {name} does not exist."));
    };
    if !job.get("enabled").is_none_or(python::truthy) && !args.flag("force") {
        return answer(true, format!("Job {name} is disabled."));
    }
    match table.run(&name) {
        Ok(()) => answer(true, format!("Scheduling Job {name} on minion.")),
        Err(why) => answer(false, format!("Failed to run job {name} on minion. {why}")),
    }
}

fn reload(_: &Args, env: &Env) -> Answer {
    let table = timetable(env)?;
    let (mut comments, mut result) = (Vec::new(), true);
    if !table.list(Part::Pillar).is_empty() {
        let made = env.ctx.refresh_pillar(&PillarWish::default());
        comments.push(match made {
            Ok(pillar) => {
                env.ctx.follow_pillar(&pillar);
                "Reloaded schedule from pillar on minion.".to_owned()
            }
            Err(why) => {
                result = false;
                format!("Failed to reload schedule from pillar on minion. {why}")
            }
        });
    }
    comments.push(match table.reload() {
        Ok(true) => "Reloaded schedule on minion from schedule.conf.".to_owned(),
        Ok(false) => {
            result = false;
            "Failed to reload schedule on minion.  Saved file is empty or invalid.".to_owned()
        }
        Err(why) => {
            result = false;
            format!("Unable to read existing schedule file: {why}")
        }
    });
    Ok(json!({"comment": comments, "result": result}))
}

fn put_off(args: &Args, env: &Env, postpones: bool) -> Answer {
    let (name, table) = (args.text("name")?, timetable(env)?);
    let answer = |result: bool, comment: String| Ok(json!({"comment": comment, "result": result}));
    let given = args
        .extra_kwargs
        .get("time_fmt")
        .filter(|form| python::truthy(form));
    let form = given.map_or(TIME_FORM.to_owned(), python::text);
    let time = |name: &str| -> Result<Option<String>, Failure> {
        let text = args.text(name)?;
        let read = strtime::parse(&form, &text).and_then(|read| read.to_datetime());
        Ok(read.ok().map(|time| time.to_string()))
    };
    let times = (
        time("current_time")?,
        if postpones {
            Some(time("new_time")?)
        } else {
            None
        },
    );
    let (at, later) = match times {
        (Some(at), None) => (at, None),
        (Some(at), Some(Some(later))) => (at, Some(later)),
        _ => return answer(false, "Date string could not be parsed.".to_owned()),
    };
    let (would, done, verb) = if postpones {
        ("postponed", "Postponed Job", "postpone")
    } else {
        ("skipped", "Added Skip Job", "skip")
    };
    if is_test(args, env) {
        return answer(true, format!("Job: {name} would be {would} in schedule."));
    }
    if !table.list(Part::All).contains_key(&name) {
        return answer(false, format!("Job {name} does not exist."));
    }
    match table.put_off(&name, &at, later.as_deref()) {
        Ok(()) => answer(true, format!("{done} {name} in schedule.")),
        Err(why) => answer(
            false,
            format!("Failed to {verb} job {name} in schedule. {why}"),
        ),
    }
}

fn job_status(args: &Args, env: &Env) -> Answer {
    let mut status = timetable(env)?.status(&args.text("name")?);
    let form = args.text("time_fmt")?;
    let of_time = ["_next_fire_time", "_last_run", "_splay", "_skipped_time"];
    for (key, value) in &mut status {
        let text = value.as_str().filter(|_| of_time.contains(&key.as_str()));
        let time = text.and_then(|text| text.parse::<jiff::civil::DateTime>().ok());
        if let Some(time) = time {
            let written = strtime::format(&form, time);
            *value = written
                .map_err(|error| Failure::invocation(format!("time_fmt: {error}")))?
                .into();
        }
    }
    Ok(status.into())
}

#[cfg(test)]
mod tests;
