//! One git remote behind all sites: what is pushed, what is served, what a job reads, what happens when it goes wrong.

use std::fs;
use std::path::PathBuf;

use integration::{Remote, Tree, git, wait_for};
use serde_json::Value;

/// What each hub serves, by id.
fn served(tree: &Tree) -> Vec<(String, String)> {
    let rows = tree.top().json(&["roots", "status"]);
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.as_array()
        .expect("rows")
        .iter()
        .map(|row| (word(row, "id"), word(&row["report"], "commit")))
        .collect()
}

/// The trouble of a hub.
fn trouble(tree: &Tree, id: &str) -> Option<String> {
    let rows = tree.top().json(&["roots", "status"]);
    let row = rows.as_array()?.iter().find(|row| row["id"] == id)?;
    row["report"]["error"].as_str().map(str::to_owned)
}

/// Updates, and waits until every hub serves the same, which is not `before`.
#[track_caller]
fn updated(tree: &Tree, before: &str) -> String {
    tree.top().call(&["roots", "update", "--wait=30"]);
    wait_for("every hub serves the new state", || {
        let served = served(tree);
        let (_, first) = served.first()?;
        let is_new = !first.is_empty() && first != before;
        (is_new && served.iter().all(|(_, commit)| commit == first)).then(|| first.clone())
    })
}

/// What every minion reads now.
#[track_caller]
fn motd(tree: &Tree, options: &[&str]) -> String {
    let read = ["*", "cp.get_file_str", "salt://motd"];
    let ledger = tree.top().run(0, &[&read, options].concat());
    let texts: Vec<_> = ledger
        .outcomes()
        .into_keys()
        .map(|id| ledger.returned(id).as_str().expect("a text").to_owned())
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    texts[0].clone()
}

/// P7: after a push every site serves the new commit, though only the top-master can reach the remote; a job reads one
/// commit, also an old one, or says that it cannot.
#[test]
fn every_site_applies_the_commit_that_the_job_names() {
    let remote = Remote::new();
    let first = remote.push("motd", "first edition\n");
    let tree = Tree::of_two_sites_with(&remote.settings());
    let old = updated(&tree, "");
    assert_eq!(served(&tree).len(), 4);
    assert_eq!(motd(&tree, &[]), "first edition\n");

    remote.push("motd", "second edition\n");
    assert_eq!(
        motd(&tree, &[]),
        "first edition\n",
        "a push alone changes nothing"
    );
    updated(&tree, &old);
    assert_eq!(motd(&tree, &[]), "second edition\n");
    assert_eq!(motd(&tree, &["--roots", &first]), "first edition\n");
    assert_eq!(motd(&tree, &["--roots", &old]), "first edition\n");
    assert_eq!(motd(&tree, &["--roots", "main"]), "second edition\n");

    let nowhere = "0123456789012345678901234567890123456789";
    let run = [
        "run",
        "*",
        "cp.get_file_str",
        "salt://motd",
        "--roots",
        nowhere,
    ];
    tree.top().expect(64, &run).complains(nowhere);
    let run = ["run", "*", "cp.get_file_str", "salt://nothing"];
    let said = tree.top().call(&run);
    assert_ne!(said.out, "", "{said:#?}");
}

/// P7: a remote that is rewound or gone leaves the last good state in service, and `roots status` says what is wrong.
#[test]
fn the_last_good_state_outlives_its_remote() {
    let remote = Remote::new();
    remote.push("motd", "first edition\n");
    remote.push("motd", "second edition\n");
    let tree = Tree::of_two_sites_with(&remote.settings());
    let good = updated(&tree, "");
    assert_eq!(trouble(&tree, "top"), None);

    // Force-pushed.
    git(&remote.checkout(), &["reset", "-q", "--hard", "HEAD~1"]);
    remote.push("motd", "another second edition\n");
    tree.top().expect(1, &["roots", "update", "--wait"]);
    let told = trouble(&tree, "top").expect("the rewind is told");
    assert!(
        told.contains("rewound") || told.contains("rewind"),
        "{told}"
    );
    assert!(served(&tree).iter().all(|(_, commit)| *commit == good));
    assert_eq!(motd(&tree, &[]), "second edition\n");
    // An operator may say that it is meant.
    tree.top()
        .call(&["roots", "update", "--wait", "--accept-rewind"]);
    let other = updated(&tree, &good);
    assert_eq!(motd(&tree, &[]), "another second edition\n");
    assert_eq!(trouble(&tree, "top"), None);

    // Gone.
    fs::rename(remote.bare(), remote.directory().join("elsewhere")).expect("renamed");
    tree.top().expect(1, &["roots", "update", "--wait"]);
    assert!(trouble(&tree, "top").is_some());
    assert!(served(&tree).iter().all(|(_, commit)| *commit == other));
    assert_eq!(motd(&tree, &[]), "another second edition\n");
    // Back.
    fs::rename(remote.directory().join("elsewhere"), remote.bare()).expect("renamed");
    tree.top().expect(0, &["roots", "update", "--wait"]);
    assert_eq!(trouble(&tree, "top"), None);
}

/// A syndic that has a remote of its own which it cannot reach gets the packs from its parent.
#[test]
fn a_syndic_without_access_to_the_remote_asks_its_parent() {
    let remote = Remote::new();
    remote.push("motd", "first edition\n");
    let mut tree = Tree::with_top(&remote.settings());
    let gone = tree.directory().join("gone.git");
    let own = format!("roots:\n  remote: file://{}\n", gone.display());
    tree.new_syndic("ams-hub", "ams", &["top"], &own);
    tree.accept("ams-hub");
    tree.answers("ams-hub");
    tree.new_minion("web1", &["ams-hub"], "");
    tree.settle();
    let first = updated(&tree, "");
    remote.push("motd", "second edition\n");
    updated(&tree, &first);
    assert_eq!(motd(&tree, &[]), "second edition\n");
}

/// A file that a minion has already is not fetched again.
#[test]
fn a_file_is_fetched_once() {
    use std::os::unix::fs::MetadataExt;
    let remote = Remote::new();
    remote.push("motd", "first edition\n");
    let mut tree = Tree::with_top(&remote.settings());
    tree.new_minion("web1", &["top"], "");
    tree.settle();
    updated(&tree, "");
    let copy = tree.directory().join("copy").display().to_string();
    let fetch = || {
        let ledger = tree
            .top()
            .run(0, &["web1", "cp.get_file", "salt://motd", &copy]);
        assert_eq!(ledger.returned("web1"), copy.as_str());
        assert_eq!(
            fs::read_to_string(&copy).expect("a copy"),
            "first edition\n"
        );
    };
    let blobs = tree
        .node("web1")
        .root()
        .join("var/cache/banyan/minion/blobs");
    let kept = || -> Vec<(PathBuf, u64)> {
        fs::read_dir(&blobs)
            .expect("blobs")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.clone(), fs::metadata(&path).expect("a blob").ino()))
            .collect()
    };
    fetch();
    let first = kept();
    assert_eq!(first.len(), 1, "{first:?}");
    fetch();
    assert_eq!(
        kept(),
        first,
        "the second time brings no new file into the cache"
    );

    // A copy that was tampered with is fetched anew.
    fs::write(&first[0].0, "another edition\n").expect("written");
    fetch();
    assert_ne!(kept(), first);
}
