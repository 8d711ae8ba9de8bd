//! The job cache outside, by way of the built programs. What databases do to it is tested in `jobcache`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use integration::{Tree, wait_for};
use serde_json::Value;

const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// Returns of a job in the file, by minion, with how often each stands there.
fn written(file: &Path, jid: &str) -> BTreeMap<String, usize> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Ok(Value::Object(line)) = serde_json::from_str(line) else {
            continue;
        };
        if line["jid"] == jid {
            let id = line["id"].as_str().expect("an id").to_owned();
            *found.entry(id).or_insert(0) += 1;
        }
    }
    found
}

/// Returns of all sites come out once each; while nothing can be written jobs run as ever, and what is missing comes afterwards,
/// also by a hub that was killed meanwhile.
#[test]
fn returns_of_all_sites_are_written_whatever_happens() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("returns");
    let settings = format!(
        "ext_job_cache: rawfile_json\nrawfile_json.filename: {}\n",
        file.display()
    );
    let mut tree = Tree::of_two_sites_with(&settings);
    let expected: BTreeMap<String, usize> = ALL.map(|id| (id.to_owned(), 1)).into();
    let first = tree.top().run(0, &["*", "test.ping"]).jid().to_owned();
    wait_for("the returns are written", || {
        (written(&file, &first) == expected).then_some(())
    });

    let aside = directory.path().join("aside");
    fs::rename(&file, &aside).expect("the file goes");
    fs::create_dir(&file).expect("a directory in its place");
    let second = tree.top().run(0, &["*", "test.ping"]).jid().to_owned();
    wait_for("the hub says that it can't write", || {
        tree.node("top").log().contains("job cache").then_some(())
    });
    tree.node_mut("top").kill();
    fs::remove_dir(&file).expect("the directory goes");
    fs::rename(&aside, &file).expect("the file is back");
    tree.node_mut("top").start();
    wait_for("what was missing is written", || {
        (written(&file, &second) == expected).then_some(())
    });
    assert_eq!(written(&file, &first), expected);
}

/// Events of all sites are written, those of the blacklist are not.
#[test]
fn events_of_all_sites_are_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("events");
    let settings = format!(
        "event_return: rawfile_json\nrawfile_json.filename: {}\nevent_return_whitelist: ['salt/job/*', 'deploy/*']\nevent_return_blacklist: deploy/secret\n",
        file.display()
    );
    let tree = Tree::of_two_sites_with(&settings);
    let events = |tag: &str| {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("each line is a JSON object"));
        lines.filter(|line| line["tag"] == tag).collect::<Vec<_>>()
    };
    let jid = tree.top().run(0, &["*", "test.ping"]).jid().to_owned();
    for id in ALL {
        let tag = format!("salt/job/{jid}/ret/{id}");
        wait_for("the returns are told", || {
            let found = events(&tag);
            (found.len() == 1 && found[0]["data"]["return"] == true).then_some(())
        });
    }
    for tag in ["deploy/secret", "deploy/done"] {
        let said = format!("event.send {tag} n=1");
        let words: Vec<&str> = said.split(' ').collect();
        tree.top().run(0, &[&["fra-db1"], &words[..]].concat());
    }
    wait_for("the last event is written", || {
        (events("deploy/done").len() == 1).then_some(())
    });
    assert_eq!(events("deploy/secret"), Vec::<Value>::new());
}
