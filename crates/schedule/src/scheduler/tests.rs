use serde_json::json;

use super::*;

/// A scheduler and its clock, of a host in UTC.
struct Bench {
    scheduler: Scheduler,
    now: Timestamp,
    running: usize,
}

impl Bench {
    fn new(plan: Value, now: &str) -> Bench {
        Bench::after(Kept::default(), plan, now)
    }

    fn after(kept: Kept, plan: Value, now: &str) -> Bench {
        let now = now.parse().unwrap();
        let mut scheduler = Scheduler::new(kept, TimeZone::UTC, 7, now);
        scheduler.set_plan(Plan::read(&plan, &Map::new()).unwrap(), now);
        Bench {
            scheduler,
            now,
            running: 0,
        }
    }

    fn set_plan(&mut self, plan: Value) {
        let plan = Plan::read(&plan, &Map::new()).unwrap();
        self.scheduler.set_plan(plan, self.now);
    }

    /// The names that are due at this time.
    fn at(&mut self, now: &str) -> Vec<String> {
        self.now = now.parse().unwrap();
        let running = self.running;
        let due = self.scheduler.due(self.now, &|_| running);
        due.into_iter().map(|firing| firing.name).collect()
    }

    /// The times of all firings until `end`, asked as the scheduler wants to be.
    fn until(&mut self, end: &str) -> Vec<String> {
        let (end, mut times) = (end.parse().unwrap(), Vec::new());
        while let Some(wake) = self.scheduler.wake_at().filter(|wake| *wake <= end) {
            self.now = wake.max(self.now);
            for firing in self.scheduler.due(self.now, &|_| 0) {
                times.push(format!(
                    "{} {}",
                    firing.function,
                    self.now.strftime("%d %T")
                ));
            }
        }
        self.now = end;
        times
    }

    fn reason(&self, name: &str) -> &'static str {
        self.scheduler.skipped(name).unwrap().as_str()
    }
}

#[test]
fn an_interval_begins_at_once_and_then_has_its_pace() {
    let mut bench = Bench::new(
        json!({"a": {"function": "a", "seconds": 30}}),
        "2026-11-28T10:00:00Z",
    );
    let times = bench.until("2026-11-28T10:01:10Z");
    assert_eq!(times, ["a 28 10:00:00", "a 28 10:00:30", "a 28 10:01:00"]);
    let plan = json!({"a": {"function": "a", "minutes": 1, "run_on_start": false}});
    let mut bench = Bench::new(plan, "2026-11-28T10:00:00Z");
    assert_eq!(bench.until("2026-11-28T10:01:30Z"), ["a 28 10:01:00"]);
}

#[test]
fn a_night_asleep_is_made_up_for_once_or_not_at_all() {
    let plan = json!({
        "every": {"function": "x", "seconds": 60, "run_on_start": false},
        "cron": {"function": "x", "cron": "*/5 * * * *"},
        "when": {"function": "x", "when": ["1:00am", "2:00am"]},
        "once": {"function": "x", "once": "2026-11-28T03:00:00"},
    });
    let mut bench = Bench::new(plan, "2026-11-27T22:00:10Z");
    assert_eq!(bench.at("2026-11-28T08:00:30Z"), ["cron", "every"]);
    assert_eq!(
        (bench.reason("when"), bench.reason("once")),
        ("missed", "missed")
    );
    assert_eq!(bench.at("2026-11-28T08:01:00Z"), [""; 0]);
    assert_eq!(bench.at("2026-11-28T08:01:30Z"), ["every"]);
    assert_eq!(
        bench.scheduler.next_fire_time("when").unwrap().to_string(),
        "2026-11-29T01:00:00"
    );
    assert_eq!(bench.scheduler.next_fire_time("once"), None);
}

#[test]
fn a_restart_runs_nothing_twice_and_misses_nothing_of_the_last_minute() {
    let plan = json!({
        "when": {"function": "x", "when": "10:00"},
        "cron": {"function": "x", "cron": "0 10 * * *"},
        "once": {"function": "x", "once": "2026-11-28T10:00:00"},
        "every": {"function": "x", "hours": 1, "run_on_start": false},
    });
    let mut bench = Bench::new(plan.clone(), "2026-11-28T09:30:00Z");
    let before = bench.scheduler.kept();
    assert_eq!(bench.at("2026-11-28T10:00:00Z"), ["cron", "once", "when"]);
    let kept = serde_json::to_string(&bench.scheduler.kept()).unwrap();
    let kept: Kept = serde_json::from_str(&kept).unwrap();
    let mut again = Bench::after(kept.clone(), plan.clone(), "2026-11-28T10:00:20Z");
    assert_eq!(again.at("2026-11-28T10:00:20Z"), [""; 0]);
    // It went down before ten, and came back in time; or too late.
    let mut late = Bench::after(before.clone(), plan.clone(), "2026-11-28T10:00:20Z");
    assert_eq!(late.at("2026-11-28T10:00:20Z"), ["cron", "once", "when"]);
    let mut later = Bench::after(before, plan.clone(), "2026-11-28T10:02:00Z");
    assert_eq!(later.at("2026-11-28T10:02:00Z"), [""; 0]);
    // An interval goes on where it was.
    let mut bench = Bench::after(kept, plan.clone(), "2026-11-28T10:20:00Z");
    assert_eq!(bench.at("2026-11-28T11:20:00Z"), ["every"]);
    let mut bench = Bench::after(bench.scheduler.kept(), plan, "2026-11-28T12:10:00Z");
    assert_eq!(bench.at("2026-11-28T12:20:00Z"), ["every"]);
    // A new job is not due for what was before it.
    let mut new = Bench::new(
        json!({"new": {"function": "x", "when": "10:00"}}),
        "2026-11-28T10:00:20Z",
    );
    assert_eq!(new.at("2026-11-28T10:00:20Z"), [""; 0]);
}

#[test]
fn a_clock_that_goes_back_repeats_nothing_unless_it_was_wrong() {
    let plan = json!({
        "cron": {"function": "x", "cron": "*/10 * * * *"},
        "every": {"function": "x", "seconds": 600, "run_on_start": false},
    });
    let mut bench = Bench::new(plan.clone(), "2026-11-28T10:00:00Z");
    assert_eq!(bench.at("2026-11-28T10:10:00Z"), ["cron", "every"]);
    assert_eq!(bench.at("2026-11-28T09:55:00Z"), [""; 0]);
    // The interval counts from there, the calendar waits for what comes after its last time.
    assert_eq!(bench.at("2026-11-28T10:05:00Z"), ["every"]);
    assert_eq!(bench.at("2026-11-28T10:12:00Z"), [""; 0]);
    assert_eq!(bench.at("2026-11-28T10:20:00Z"), ["cron", "every"]);
    let mut wrong = Bench::new(plan.clone(), "2031-01-01T00:00:00Z");
    wrong.at("2031-01-01T00:10:00Z");
    assert_eq!(wrong.at("2026-11-28T10:01:00Z"), [""; 0]);
    assert_eq!(wrong.at("2026-11-28T10:10:00Z"), ["cron"]);
    assert_eq!(wrong.at("2026-11-28T10:11:00Z"), ["every"]);
    // What was kept by a wrong clock does not hold up anything either.
    let mut wrong = Bench::new(plan.clone(), "2031-01-01T00:00:00Z");
    wrong.at("2031-01-01T00:10:00Z");
    let mut right = Bench::after(wrong.scheduler.kept(), plan, "2026-11-28T10:01:00Z");
    assert_eq!(right.at("2026-11-28T10:10:00Z"), ["cron"]);
}

#[test]
fn ranges_and_ends_hold_runs_back() {
    let every = |more: Value| {
        let mut entry = json!({"function": "x", "minutes": 30, "run_on_start": false});
        let more = more.as_object().unwrap().clone();
        entry.as_object_mut().unwrap().extend(more);
        entry
    };
    let of_day = json!({"start": "8:00am", "end": "9:00am"});
    let plan = json!({
        "inside": every(json!({"range": of_day})),
        "outside": every(json!({"range": {"start": "8:00am", "end": "9:00am", "invert": true}})),
        "pause": every(json!({"skip_during_range": of_day, "run_after_skip_range": true})),
        "until": every(json!({"until": "2026-11-28T08:00:00"})),
        "after": every(json!({"after": "8:45"})),
        "off": every(json!({"enabled": false})),
        "dry": every(json!({"dry_run": true})),
    });
    let mut bench = Bench::new(plan, "2026-11-28T07:15:00Z");
    assert_eq!(
        bench.at("2026-11-28T07:45:00Z"),
        ["outside", "pause", "until"]
    );
    assert_eq!(bench.reason("inside"), "not_in_range");
    assert_eq!(bench.at("2026-11-28T08:30:00Z"), ["inside"]);
    for (name, reason) in [
        ("outside", "in_skip_range"),
        ("pause", "in_skip_range"),
        ("until", "until_passed"),
        ("after", "after_not_passed"),
        ("off", "disabled"),
        ("dry", "dry_run"),
    ] {
        assert_eq!(bench.reason(name), reason, "{name}");
    }
    // The pause is over, and what it held back runs at once.
    assert_eq!(
        bench.scheduler.wake_at().unwrap().to_string(),
        "2026-11-28T09:00:00Z"
    );
    assert_eq!(
        bench.at("2026-11-28T09:00:01Z"),
        ["after", "outside", "pause"]
    );
}

#[test]
fn a_function_stands_in_for_what_is_skipped() {
    let plan = json!({
        "skip_function": "test.ping",
        "skip_during_range": {"start": "8am", "end": "9am"},
        "a": {"function": "state.apply", "cron": "*/30 * * * *"},
    });
    let mut bench = Bench::new(plan, "2026-11-28T08:45:00Z");
    let times = bench.until("2026-11-28T09:30:00Z");
    assert_eq!(times, ["test.ping 28 09:00:00", "state.apply 28 09:30:00"]);
}

#[test]
fn no_more_run_at_a_time_than_may() {
    let plan = json!({
        "one": {"function": "x", "seconds": 5},
        "two": {"function": "x", "seconds": 5, "maxrunning": 2},
        "any": {"function": "x", "seconds": 5, "jid_include": false},
    });
    let mut bench = Bench::new(plan, "2026-11-28T10:00:00Z");
    bench.running = 1;
    assert_eq!(bench.at("2026-11-28T10:00:00Z"), ["any", "two"]);
    assert_eq!(bench.reason("one"), "maxrunning");
    let refused = bench.scheduler.run("one", bench.now, &|_| 1);
    assert_eq!(refused.unwrap_err(), SetBack::Running("one".to_owned()));
    assert!(bench.scheduler.run("one", bench.now, &|_| 0).is_ok());
}

#[test]
fn splays_put_off_and_repeat_nothing() {
    let plan =
        json!({"a": {"function": "a", "cron": "0 * * * *", "splay": {"start": 60, "end": 600}}});
    let mut bench = Bench::new(plan, "2026-11-28T09:30:00Z");
    let mut last = None;
    for hour in 10..20 {
        let at = bench.scheduler.wake_at().unwrap();
        let nominal: Timestamp = format!("2026-11-28T{hour}:00:00Z").parse().unwrap();
        let put_off = at.duration_since(nominal).as_secs();
        assert!((60..=600).contains(&put_off), "{put_off}");
        assert_ne!(last.replace(put_off), Some(put_off));
        bench.now = at;
        assert_eq!(bench.scheduler.due(at, &|_| 0).len(), 1);
    }
}

#[test]
fn runs_are_skipped_and_postponed_by_order() {
    let plan = json!({"a": {"function": "a", "cron": "0 * * * *"}});
    let mut bench = Bench::new(plan.clone(), "2026-11-28T09:30:00Z");
    let time = |text: &str| text.parse::<DateTime>().unwrap();
    let scheduler = &mut bench.scheduler;
    scheduler.skip("a", time("2026-11-28T10:00:00")).unwrap();
    let (from, to) = (time("2026-11-28T11:00:00"), time("2026-11-28T11:20:00"));
    scheduler.postpone("a", from, to).unwrap();
    assert!(matches!(
        scheduler.skip("b", from),
        Err(SetBack::Unknown(_))
    ));
    // Also over a restart.
    let mut bench = Bench::after(scheduler.kept(), plan, "2026-11-28T09:40:00Z");
    let times = bench.until("2026-11-28T12:00:00Z");
    assert_eq!(times, ["a 28 11:20:00", "a 28 12:00:00"]);
    for minute in 0..ORDERED_MAX {
        let time = time("2027-01-01T00:00:00") + SignedDuration::from_mins(minute as i64);
        bench.scheduler.skip("a", time).unwrap();
    }
    assert_eq!(
        bench.scheduler.skip("a", from),
        Err(SetBack::Many("a".to_owned()))
    );
}

#[test]
fn a_plan_that_comes_again_changes_nothing_and_a_changed_job_is_new() {
    let plan = |arg: &str| json!({"a": {"function": "a", "hours": 1, "args": [arg]}});
    let mut bench = Bench::new(plan("x"), "2026-11-28T09:30:00Z");
    assert_eq!(bench.at("2026-11-28T09:30:00Z"), ["a"]);
    bench.set_plan(plan("x"));
    bench.set_plan(json!({}));
    assert_eq!(bench.at("2026-11-28T09:40:00Z"), [""; 0]);
    bench.set_plan(
        json!({"a": {"function": "a", "hours": 1, "args": ["x"], "run_on_start": false}}),
    );
    assert_eq!(
        bench.scheduler.next_fire_time("a").unwrap().to_string(),
        "2026-11-28T10:30:00"
    );
    bench.set_plan(plan("y"));
    assert_eq!(bench.at("2026-11-28T09:40:00Z"), ["a"]);
}

#[test]
fn a_wrong_job_is_told_and_keeps_no_other_from_running() {
    let plan =
        json!({"bad": {"function": "x", "secnods": 1}, "good": {"function": "x", "seconds": 1}});
    let mut bench = Bench::new(plan, "2026-11-28T09:30:00Z");
    assert_eq!(bench.at("2026-11-28T09:30:00Z"), ["good"]);
    let status = bench.scheduler.status("bad").unwrap();
    assert_eq!(status["_error"], "unknown key `secnods`");
    let status = bench.scheduler.status("good").unwrap();
    assert_eq!(status["_last_run"], "2026-11-28T09:30:00");
    assert_eq!(status["_next_fire_time"], "2026-11-28T09:30:01");
    assert_eq!(bench.scheduler.status("none"), None);
    let refused = bench.scheduler.run("bad", bench.now, &|_| 0).unwrap_err();
    assert!(refused.to_string().contains("secnods"));
    let many: Map<String, Value> = (0..=ENTRIES_MAX)
        .map(|n| (n.to_string(), json!({})))
        .collect();
    let error = Plan::read(&Value::Object(many), &Map::new()).unwrap_err();
    assert!(error.to_string().contains("at most 1024"));
}
