use super::*;
use crate::call::Call;
use crate::testing::Host;

fn call(host: &Host, fun: &str, args: Value, kwargs: Value) -> Value {
    let outcome = host.call(Call {
        fun: format!("schedule.{fun}"),
        args: args.as_array().cloned().unwrap(),
        kwargs: kwargs.as_object().cloned().unwrap(),
    });
    outcome.value
}

#[test]
fn jobs_are_added_changed_and_removed() {
    let host = Host::new();
    let call = |fun: &str, args: Value, kwargs: Value| call(&host, fun, args, kwargs);
    let ping = json!({"function": "test.ping", "seconds": 3600});
    let added = call("add", json!(["job1"]), ping.clone());
    assert_eq!(added["comment"], "Added job: job1 to schedule.");
    assert_eq!(added["changes"], json!({"job1": "added"}));
    let again = call("add", json!(["job1"]), ping.clone());
    assert_eq!(again["comment"], "Job job1 already exists in schedule.");
    assert_eq!(again["result"], false);
    let list = "schedule:\n  job1:\n    enabled: true\n    function: test.ping\n    jid_include: true\n    maxrunning: 1\n    \
                name: job1\n    saved: true\n    seconds: 3600\n";
    assert_eq!(call("list", json!([]), json!({})), list);
    let same = call("modify", json!(["job1"]), ping);
    assert_eq!(same["comment"], "Job job1 in correct state");
    let changed = call(
        "modify",
        json!(["job1"]),
        json!({"seconds": 60, "test": true}),
    );
    assert_eq!(changed["changes"]["job1"]["new"]["seconds"], 60);
    assert_eq!(
        call("is_enabled", json!(["job1"]), json!({}))["seconds"],
        3600
    );
    call("modify", json!(["job1"]), json!({"seconds": 60}));
    assert_eq!(
        call("is_enabled", json!(["job1"]), json!({}))["seconds"],
        60
    );
    let off = call("disable_job", json!(["job1"]), json!({}));
    assert_eq!(off["comment"], "Disabled Job job1 in schedule.");
    let hidden = json!({"show_disabled": false, "return_yaml": false});
    assert_eq!(call("list", json!([]), hidden), json!({}));
    let ran = call("run_job", json!(["job1"]), json!({}));
    assert_eq!(ran["comment"], "Job job1 is disabled.");
    let ran = call("run_job", json!(["job1"]), json!({"force": true}));
    assert_eq!(ran["comment"], "Scheduling Job job1 on minion.");
    let removed = call("delete", json!(["job1"]), json!({}));
    assert_eq!(removed["changes"], json!({"job1": "removed"}));
    assert_eq!(
        call("delete", json!(["job1"]), json!({}))["comment"],
        "Job job1 does not exist."
    );
}

#[test]
fn jobs_of_the_pillar_are_not_changed() {
    let host = Host::new();
    host.timetable
        .pillar(json!({"p": {"function": "test.ping", "seconds": 5}}));
    let call = |fun: &str, args: Value, kwargs: Value| call(&host, fun, args, kwargs);
    for (fun, kwargs) in [
        ("delete", json!({})),
        ("disable_job", json!({})),
        ("modify", json!({"seconds": 6})),
    ] {
        let answer = call(fun, json!(["p"]), kwargs);
        assert_eq!(answer["result"], false, "{fun}");
        assert!(
            answer["comment"]
                .as_str()
                .unwrap()
                .contains("in the pillar"),
            "{answer}"
        );
    }
    let purged = call("purge", json!([]), json!({}));
    assert_eq!(
        purged["comment"],
        json!(["Failed to delete job p from schedule."])
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let host = Host::new();
    let call = |fun: &str, args: Value, kwargs: Value| call(&host, fun, args, kwargs);
    for (kwargs, words) in [
        (
            json!({"function": "a.b", "secnods": 5}),
            "no option \"secnods\"",
        ),
        (json!({"seconds": 5}), "function is required"),
        (
            json!({"function": "a.b", "seconds": 5, "cron": "* * * * *"}),
            "Unable to use \"seconds\"",
        ),
        (
            json!({"function": "a.b", "when": "1", "cron": "2"}),
            "Unable to use \"when\" and \"cron\"",
        ),
        (
            json!({"function": "a.b", "job_args": "x"}),
            "job_args is not a list",
        ),
        (
            json!({"function": "a.b", "returner": "mysql"}),
            "returner is not built",
        ),
        (
            json!({"function": "wrong"}),
            "Failed to add job j to schedule: wrong",
        ),
    ] {
        let answer = call("add", json!(["j"]), kwargs);
        assert_eq!(answer["result"], false, "{answer}");
        assert!(
            answer["comment"].as_str().unwrap().contains(words),
            "{answer}"
        );
    }
    for fun in ["copy", "move"] {
        let answer = call(fun, json!(["j", "*"]), json!({}));
        assert!(
            answer
                .as_str()
                .unwrap()
                .contains("orders nothing from others"),
            "{answer}"
        );
    }
    let wrong = call("skip_job", json!(["j", "tomorrow"]), json!({}));
    assert_eq!(wrong["comment"], "Date string could not be parsed.");
}

#[test]
fn states_bring_jobs_in() {
    let host = Host::new();
    let args = json!({"name": "job1", "function": "test.ping", "hours": 1});
    let first = host.applies("schedule.present", args);
    assert_eq!(first.comment, "Adding new job job1 to schedule");
    let args = json!({"name": "job1", "function": "test.ping", "hours": 2});
    let changed = host.state("schedule.present", args, false);
    assert_eq!(changed.comment, "Modifying job job1 in schedule");
    let off = host.state("schedule.disabled", json!({"name": "job1"}), false);
    assert_eq!(off.comment, "Disabled job job1 from schedule");
    let gone = host.applies("schedule.absent", json!({"name": "job1"}));
    assert_eq!(gone.comment, "Removed job job1 from schedule");
    let wrong = host.state(
        "schedule.present",
        json!({"name": "x", "seconds": 5}),
        false,
    );
    assert_eq!(wrong.result, Some(false));
}
