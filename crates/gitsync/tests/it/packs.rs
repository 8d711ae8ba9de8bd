//! Mirrors that feed each other.

use std::collections::BTreeMap;

use gitsync::{CommitId, Error, Fetched, Limits, Mirror};

use crate::fixture::{Fixture, read};

/// A parent that follows the remote, and a child that only has the parent.
struct Pair {
    fixture: Fixture,
    parent: Mirror,
    child: Mirror,
}

impl Pair {
    fn new(fixture: Fixture) -> Self {
        let parent = fixture.mirror();
        let child = Mirror::open(&fixture.dir.path().join("child"), Limits::default()).unwrap();
        Self {
            fixture,
            parent,
            child,
        }
    }

    /// The pack that the child needs for the state of the parent.
    fn pack(&self) -> Vec<u8> {
        let mut pack = Vec::new();
        let want: Vec<CommitId> = self.parent.refs().into_values().collect();
        let have: Vec<CommitId> = self.child.refs().into_values().collect();
        let bytes = self.parent.pack(&want, &have, &mut pack).unwrap();
        assert_eq!(bytes, pack.len() as u64);
        pack
    }

    fn send(&self, pack: &[u8]) -> Result<Fetched, Error> {
        self.child.receive_pack(&mut &pack[..], &self.parent.refs())
    }
}

#[test]
fn a_child_follows_its_parent_without_the_remote() {
    let (fixture, _) = Fixture::with_commit();
    let noise: String = (0..100u32)
        .map(|n| blake3::hash(&n.to_le_bytes()).to_string())
        .collect();
    let first = fixture.commit("noise", &noise);
    fixture.git(&["branch", "prod"]);
    fixture.git(&["tag", "-a", "v1", "-m", "v1"]);
    let pair = Pair::new(fixture);
    let fetched = pair.parent.fetch(&pair.fixture.remote()).unwrap();
    let full = pair.pack();
    let received = pair.send(&full).unwrap();
    assert_eq!(received, fetched);
    assert_eq!(pair.child.refs(), pair.parent.refs());
    assert_eq!(pair.child.state(), pair.parent.state());
    assert_eq!(pair.child.resolve("v1").unwrap(), first);

    let before = received.state;
    for round in 0..3 {
        pair.fixture.commit("top.sls", &format!("round {round}\n"));
        let fetched = pair.parent.fetch(&pair.fixture.remote()).unwrap();
        let pack = pair.pack();
        assert!(
            pack.len() < full.len(),
            "{} of {} bytes: only news travel",
            pack.len(),
            full.len()
        );
        assert_eq!(pair.send(&pack).unwrap(), fetched);
    }
    let snapshot = pair
        .child
        .snapshot(pair.child.state().unwrap().id())
        .unwrap();
    assert_eq!(
        read(&snapshot, "base", "top.sls").as_deref(),
        Some("round 2\n")
    );
    assert_eq!(
        read(&snapshot, "prod", "top.sls").as_deref(),
        Some("base: {}\n")
    );
    assert_eq!(
        read(&pair.child.snapshot(before).unwrap(), "base", "top.sls").as_deref(),
        Some("base: {}\n")
    );

    let again = pair.send(&pair.pack()).unwrap();
    assert!(!again.changed);
}

#[test]
fn a_rewind_accepted_above_is_followed_and_reported() {
    let (fixture, first) = Fixture::with_commit();
    fixture.commit("a.sls", "a");
    let pair = Pair::new(fixture);
    pair.parent.fetch(&pair.fixture.remote()).unwrap();
    pair.send(&pair.pack()).unwrap();
    pair.fixture
        .git(&["reset", "-q", "--hard", &first.to_string()]);
    let third = pair.fixture.commit("b.sls", "b");
    pair.parent
        .fetch_accepting_rewind(&pair.fixture.remote())
        .unwrap();
    let received = pair.send(&pair.pack()).unwrap();
    assert!(received.rewound);
    assert_eq!(received.state, third);
}

#[test]
fn no_damaged_pack_is_taken() {
    let (fixture, first) = Fixture::with_commit();
    let pair = Pair::new(fixture);
    pair.parent.fetch(&pair.fixture.remote()).unwrap();
    pair.send(&pair.pack()).unwrap();
    pair.fixture.commit(
        "a.sls",
        "some text that is long enough to be worth damaging, and then some more of it",
    );
    let second = pair.parent.fetch(&pair.fixture.remote()).unwrap().state;
    let pack = pair.pack();
    let refused = |bytes: &[u8], what: &str| {
        assert!(pair.send(bytes).is_err(), "{what}");
        assert_eq!(pair.child.state().unwrap().id(), first, "{what}");
        assert!(!pair.child.contains(second), "{what}");
    };
    for cut in (0..pack.len()).step_by(7) {
        refused(&pack[..cut], &format!("cut at {cut}"));
    }
    for at in (0..pack.len()).step_by(7) {
        let mut bytes = pack.clone();
        bytes[at] ^= 0x10;
        refused(&bytes, &format!("flipped at {at}"));
    }
    refused(b"not a pack at all", "text");
    assert_eq!(pair.send(&pack).unwrap().state, second);
}

#[test]
fn a_pack_without_all_objects_is_refused() {
    let (fixture, first) = Fixture::with_commit();
    let pair = Pair::new(fixture);
    pair.parent.fetch(&pair.fixture.remote()).unwrap();
    pair.fixture.commit("a.sls", "a");
    let second = pair.parent.fetch(&pair.fixture.remote()).unwrap().state;
    // Made for somebody who has the first commit; this child has nothing.
    let mut pack = Vec::new();
    pair.parent.pack(&[second], &[first], &mut pack).unwrap();
    assert!(matches!(pair.send(&pack), Err(Error::Corrupt { .. })));
    assert!(pair.child.state().is_none());

    // A reference to a commit that is in no pack.
    let refs = BTreeMap::from([
        ("refs/heads/main".to_owned(), second),
        ("refs/heads/x".to_owned(), CommitId::from_bytes([1; 20])),
    ]);
    let pack = pair.pack();
    assert!(pair.child.receive_pack(&mut &pack[..], &refs).is_err());
    let refs = BTreeMap::from([("refs/heads/main\n".to_owned(), second)]);
    assert!(pair.child.receive_pack(&mut &pack[..], &refs).is_err());
    assert!(pair.child.state().is_none());
}

#[test]
fn packs_are_bounded_on_both_sides() {
    let (fixture, _) = Fixture::with_commit();
    let pair = Pair::new(fixture);
    pair.parent.fetch(&pair.fixture.remote()).unwrap();
    let pack = pair.pack();
    let limits = Limits {
        repository_bytes: 100,
        ..Limits::default()
    };
    let small = Mirror::open(&pair.fixture.dir.path().join("small"), limits).unwrap();
    let error = small
        .receive_pack(&mut &pack[..], &pair.parent.refs())
        .unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error:?}");
    let limits = Limits {
        objects: 2,
        ..Limits::default()
    };
    let few = Mirror::open(&pair.fixture.dir.path().join("few"), limits).unwrap();
    assert!(
        few.receive_pack(&mut &pack[..], &pair.parent.refs())
            .is_err()
    );
    let unknown = pair
        .parent
        .pack(&[CommitId::from_bytes([1; 20])], &[], &mut Vec::new());
    assert!(matches!(unknown, Err(Error::Unknown { .. })));
}
