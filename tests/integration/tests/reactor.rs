//! The reactor: events that the settings name are answered by jobs.

use std::fs;

use integration::{Deeds, Follower, Remote, Tree, wait_for};
use serde_json::Value;

fn remote(files: &[(&str, &str)]) -> Remote {
    let remote = Remote::new();
    for (path, text) in files {
        fs::write(remote.checkout().join(path), text).expect("a file");
    }
    remote.push("README", "roots\n");
    remote
}

fn tree(remote: &Remote, reactor: &str) -> Tree {
    let mut tree = Tree::with_top(&format!("{}{reactor}", remote.settings()));
    for id in ["m1", "m2"] {
        tree.new_minion(id, &["top"], "");
    }
    tree.settle();
    tree.top().call(&["roots", "update", "--wait=30"]);
    tree
}

/// The jobs of reactions.
fn reactions(tree: &Tree) -> Vec<Value> {
    let jobs = tree.top().json(&["jobs", "list", "--limit", "100"]);
    let jobs = jobs.as_array().expect("a list").iter();
    jobs.filter(|job| job["user"] == "reactor")
        .cloned()
        .collect()
}

/// One job for each event: from the roots in service, in Salt's words, with the event's data; and it runs.
#[test]
fn each_event_is_answered_by_one_job() {
    let remote = remote(&[(
        "answer.sls",
        concat!(
            "answer:\n",
            "  local.cmd.run:\n",
            "    - tgt: {{ data['id'] }}\n",
            "    - args:\n",
            "      - cmd: {{ data['data']['work'] | json }}\n",
        ),
    )]);
    let tree = tree(
        &remote,
        "reactor:\n  - 'work/*': [salt://answer.sls]\n  - 'broken': [salt://none.sls]\n",
    );
    let deeds: Vec<Deeds> = ["one", "two", "three"]
        .iter()
        .map(|name| Deeds::new(&tree, name))
        .collect();
    for (number, deed) in deeds.iter().enumerate() {
        let work = format!("work={}", deed.work(0));
        let tag = format!("work/{number}");
        tree.top().run(0, &["m1", "event.send", &tag, &work]);
        deed.all("end", &["m1"]);
    }
    tree.top().run(0, &["m1", "event.send", "broken"]);
    wait_for("what fails is said", || {
        let log = tree.node("top").log();
        log.contains("salt://none.sls").then_some(())
    });
    let reactions = reactions(&tree);
    assert_eq!(reactions.len(), 3, "{reactions:#?}");
    assert!(reactions.iter().all(|job| job["target"] == "m1"));
    for deed in &deeds {
        assert_eq!(deed.of("begin"), ["m1"]);
    }
}

/// Files of the hub's own disk, what a hub knows by itself, and reactions that would go in a circle.
#[test]
fn reactions_to_their_own_jobs_end() {
    let remote = remote(&[]);
    let place = tempfile_of("circle.sls", "again:\n  local.test.ping:\n    - tgt: m2\n");
    let tree = tree(
        &remote,
        &format!(
            "reactor:\n  - 'salt/job/*/ret/m2': [{}]\n",
            place.1.display()
        ),
    );
    let follower = Follower::of(&tree.top(), &["salt/job/*/ret/m2"]);
    tree.top().run(0, &["m2", "test.ping"]).all_ok(&["m2"]);
    wait_for("the circle is seen", || {
        let log = tree.node("top").log();
        log.contains("reactions go in a circle").then_some(())
    });
    // The operator's own return and one of each reaction.
    for _ in 0..6 {
        follower.next();
    }
    assert_eq!(reactions(&tree).len(), 5);
}

/// Functions of the hub: a key is accepted, and an orchestration runs, whose jobs count as those of the reaction.
#[test]
fn functions_of_the_hub_answer_events() {
    let remote = remote(&[
        (
            "key.sls",
            "accept:\n  wheel.key.accept:\n    - match: {{ data['id'] }}\n",
        ),
        (
            "begin.sls",
            concat!(
                "begin:\n",
                "  runner.state.orchestrate:\n",
                "    - args:\n",
                "      - mods: deploy\n",
                "      - pillar: {asked_by: {{ data['id'] }}}\n",
                "broken:\n",
                "  runner.no.such: []\n",
            ),
        ),
        (
            "deploy.sls",
            concat!(
                "said:\n",
                "  salt.function:\n",
                "    - name: test.echo\n",
                "    - arg: [{{ pillar['asked_by'] }}]\n",
                "    - tgt: m2\n",
                "    - fire_event: deployed\n",
            ),
        ),
    ]);
    let mut tree = tree(
        &remote,
        "reactor:\n  - 'salt/auth': [salt://key.sls]\n  - 'work/begin': [salt://begin.sls]\n  \
         - 'salt/job/*/ret/m2': [salt://begin.sls]\n",
    );
    tree.new_minion("m3", &["top"], "");
    tree.minion_is("m3", "up");
    let follower = Follower::of(&tree.top(), &["salt/state_result/*"]);
    tree.top().run(0, &["m1", "event.send", "work/begin"]);
    let event = follower.next();
    let tag = event["tag"].as_str().expect("a tag");
    assert!(tag.ends_with("/top_master/deployed"), "{tag}");
    let record = &event["data"]["data"]["ret"];
    assert_eq!(record["changes"]["ret"]["m2"], "m1", "{record:#}");
    wait_for("the circle is seen", || {
        let log = tree.node("top").log();
        log.contains("reactions go in a circle").then_some(())
    });
    assert!(
        tree.node("top")
            .log()
            .contains("there is no runner no.such")
    );
    let jobs = reactions(&tree);
    let of = |fun: &str| jobs.iter().filter(|job| job["fun"] == fun).count();
    assert_eq!(
        (of("test.echo"), of("runner.state.orchestrate")),
        (5, 5),
        "{jobs:#?}"
    );
}

/// A file in a folder that lives as long as the test.
fn tempfile_of(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    fs::write(&path, text).expect("a file");
    (dir, path)
}
