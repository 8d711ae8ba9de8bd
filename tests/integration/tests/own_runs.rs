//! Runs that no hub ordered, in the history of the hubs above.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use integration::{Tree, wait_for};
use serde_json::{Value, json};

/// Lines of a file; none when it is not there.
fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Jobs of these sources in the history of a hub, newest first.
fn listed(tree: &Tree, hub: &str, sources: &str) -> Vec<Value> {
    let words = ["jobs", "list", "--limit", "1000", "--source", sources];
    let list = tree.cli(hub).json(&words);
    list.as_array().expect("a list").clone()
}

/// P3, P4: each run of a schedule stands once in the history of each hub above, over a line that is cut, a hub and a minion that are killed.
#[test]
fn each_run_stands_once_in_the_history_over_cuts_and_kills() {
    let mut tree = Tree::with_top("");
    tree.cable("wan", "top");
    tree.syndic("ams-hub", "ams", &["wan"]);
    tree.new_minion(
        "web1",
        &["ams-hub"],
        "startup_states: sls\nsls_list: [absent]\n",
    );
    tree.settle();
    let ran = tree.directory().join("ran");
    let more = |what: &str, than: usize| {
        wait_for(what, || (lines(&ran) > than + 1).then_some(()));
        lines(&ran)
    };
    let work = format!(
        "job_args=['echo x >> {}; echo {}']",
        ran.display(),
        "y".repeat(5_000)
    );
    for (name, args, told) in [
        ("long", work.as_str(), "return_job=True"),
        ("silent", "job_args=['true']", "return_job=False"),
        ("untold", "job_args=['true']", "return_job=nocache"),
    ] {
        let words = [
            "web1",
            "schedule.add",
            name,
            "function=cmd.run",
            args,
            told,
            "seconds=1",
        ];
        assert_eq!(tree.top().run(0, &words).returned("web1")["result"], true);
    }
    wait_for("the first run is at the top", || {
        (!listed(&tree, "top", "schedule").is_empty()).then_some(())
    });

    tree.wire("wan").cut();
    let so_far = more("runs go on at a site that is cut off", lines(&ran));
    wait_for("its hub has them", || {
        (listed(&tree, "ams-hub", "schedule").len() >= so_far).then_some(())
    });
    tree.node_mut("ams-hub").kill();
    more("runs go on without a hub", so_far);
    let host = tree.cli("web1");
    for name in ["long", "silent", "untold"] {
        host.expect(0, &["call", "schedule.disable_job", name]);
    }
    wait_for("the last run is over", || {
        let said = host.expect(0, &["call", "--out", "json", "saltutil.running"]);
        let running = said.json()["local"].clone();
        let is_over = |job: &Value| job["fun"] != "cmd.run";
        let is_idle = running.as_array().expect("a list").iter().all(is_over);
        is_idle.then_some(())
    });
    tree.node_mut("web1").kill();
    let all = lines(&ran);
    tree.node_mut("web1").start();
    tree.node_mut("ams-hub").start();
    tree.wire("wan").heal();
    tree.heals();

    wait_for("every run is at the top", || {
        (listed(&tree, "top", "schedule").len() >= all).then_some(())
    });
    // What came later was told behind them.
    host.expect(0, &["call", "test.echo", "last"]);
    let is_last = |job: &Value| job["fun"] == "test.echo";
    wait_for("the last call is at the top", || {
        let calls = listed(&tree, "top", "call");
        calls.first().filter(|job| is_last(job)).map(|_| ())
    });
    for hub in ["top", "ams-hub"] {
        let runs = listed(&tree, hub, "schedule");
        let jids: BTreeSet<&str> = runs.iter().filter_map(|run| run["jid"].as_str()).collect();
        assert_eq!((runs.len(), jids.len()), (all, all), "{hub}");
        let is_told = |run: &Value| {
            run["origin"] == "schedule:long" && run["target"] == "web1" && run["user"] == "root"
        };
        assert!(runs.iter().all(is_told), "{hub}: {runs:#?}");
    }
    let startup = wait_for("a run for each start is at the top", || {
        let runs = listed(&tree, "top", "startup");
        (runs.len() == 2).then_some(runs)
    });
    for run in &startup {
        assert_eq!(run["fun"], "state.sls", "{run:#}");
        assert_eq!(run["counts"]["failed"], 1, "{run:#}");
    }

    // A long value stays at the site, and its size and hash are above.
    let runs = listed(&tree, "top", "schedule");
    let jid = runs[0]["jid"].as_str().expect("a jid");
    let mark = tree.top().show(jid).returned("web1").clone();
    assert_eq!(mark["kept_at"], "ams", "{mark}");
    let whole = tree.cli("ams-hub").show(jid).returned("web1").clone();
    assert_eq!(whole.as_str().map(str::len), Some(5_000), "{whole}");

    // In Salt's words, as a job that was for this minion.
    let runner = |words: &[&str]| tree.top().json(&[&["runner"], words].concat());
    let calls = listed(&tree, "top", "call");
    let last = calls[0]["jid"].as_str().expect("a jid");
    let found = runner(&["jobs.lookup_jid", last]);
    assert_eq!(found, json!({"web1": "last"}));
    let found = runner(&["jobs.list_jobs", "search_function=test.echo"])[last].clone();
    assert_eq!(
        (&found["Target"], &found["Target-type"]),
        (&json!("web1"), &json!("glob"))
    );
    assert_eq!(found["Arguments"], json!(["last"]));
    assert!(found["StartTime"].is_string(), "{found}");
    let orders = listed(&tree, "top", "order");
    assert!(
        orders.iter().all(|job| job["fun"] == "schedule.add"),
        "{orders:#?}"
    );
}
