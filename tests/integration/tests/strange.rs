//! Peers that no release would build. One from so far ahead that no protocol is common: each side says so, with both ranges, and
//! nothing else happens. One that floods its hub with events, and lies in them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use integration::{Follower, Node, Tree, free_port, metric, wait_for};
use link::{Endpoint, Event, Identity, Receiver, Session, Tuning};
use pki::{KeyStore, TlsIdentity};
use wire::codec;
use wire::{
    Down, Event as Told, Events, Hello, HelloBody, ProtocolRange, Refusal, RefusalCode, RosterMark,
    Up, Welcome,
};

/// Protocols that nobody speaks yet.
const AHEAD: ProtocolRange = ProtocolRange { min: 90, max: 99 };
/// A bound for each thing that a peer waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key and the certificate of a node, which does not run meanwhile.
fn identity(tree: &Tree, node: &Node) -> Identity {
    let keys = KeyStore::open(node.state().join("keys")).expect("its keys");
    let credentials = keys
        .credentials()
        .expect("readable")
        .expect("it is a member");
    let key = keys.link_key().expect("its link key");
    Identity {
        tree: tree.fingerprint().parse().expect("a fingerprint"),
        tls: TlsIdentity::member(&key, &credentials).expect("a member"),
    }
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Runs a peer of the test's own, but not for ever.
fn play<T>(peer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let bounded = tokio::time::timeout(PATIENCE, peer).await;
        bounded.expect("the peer hears what it waits for")
    })
}

async fn frame(receiver: &mut Receiver) -> Vec<u8> {
    match receiver.next().await {
        Ok(Event::Frame(body)) => body.to_vec(),
        other => panic!("no frame: {other:?}"),
    }
}

fn up(message: &Up) -> bytes::Bytes {
    codec::frame(message).expect("it fits").into()
}

fn down(message: &Down) -> bytes::Bytes {
    codec::frame(message).expect("it fits").into()
}

/// What a minion says first.
fn hello(protocol: ProtocolRange) -> Up {
    Up::Hello(Hello {
        protocol,
        software: "9.0.0".to_owned(),
        trust_version: 0,
        body: HelloBody::Minion {
            grains: b"{}".as_slice().into(),
            running: Vec::new(),
            unsettled: Vec::new(),
        },
    })
}

/// P10: a child from ahead is refused with a reason that names both ranges, and the tree goes on.
#[test]
fn a_child_from_ahead_is_told_both_ranges() {
    let mut tree = Tree::of_minions(&["web1", "web2"]);
    tree.node_mut("web2").kill();
    tree.minion_is("web2", "down");
    let hello = hello(AHEAD);
    let identity = identity(&tree, tree.node("web2"));
    let top = at(tree.port("top"));
    let refusal = play(async {
        let peer = Endpoint::dialler(at(0), &identity, Tuning::minion()).expect("a socket");
        let session = peer.dial(top).await.expect("its certificate is good");
        let (sender, mut receiver) = session.split();
        sender.send(up(&hello)).expect("it is sent");
        match codec::decode(&frame(&mut receiver).await) {
            Ok(Down::Refuse(refusal)) => refusal,
            other => panic!("no refusal: {other:?}"),
        }
    });
    assert_eq!(refusal.code, RefusalCode::Protocol);
    let ours = ProtocolRange::OURS;
    for words in [
        format!("speaks protocols {} to {}", ours.min, ours.max),
        "(9.0.0) speak 90 to 99".to_owned(),
    ] {
        assert!(
            refusal.text.contains(&words),
            "{words:?} is not in {refusal:?}"
        );
    }
    tree.top().run(0, &["web1", "test.ping"]).all_ok(&["web1"]);
    tree.node_mut("web2").start();
    tree.heals();
    tree.top()
        .run(0, &["*", "test.ping"])
        .all_ok(&["web1", "web2"]);
}

/// P10: a hub from ahead. One that refuses is quoted in the log; one that takes a protocol that was not offered is left.
#[test]
fn a_hub_from_ahead_is_left_with_a_reason() {
    let mut tree = Tree::of_minions(&["web1"]);
    tree.node_mut("top").kill();
    let identity = identity(&tree, tree.node("top"));
    let port = tree.port("top");
    let refuse = Down::Refuse(Refusal {
        code: RefusalCode::Protocol,
        text: "this hub (9.0.0) speaks protocols 90 to 99".to_owned(),
    });
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let welcome = Down::Welcome(Welcome {
        protocol: AHEAD.max,
        software: "9.0.0".to_owned(),
        time: u64::try_from(since.as_millis()).expect("not so soon"),
        roster: RosterMark::default(),
    });
    play(async {
        let hub = Endpoint::hub(at(port), &identity, Tuning::hub()).expect("the port is free");
        for answer in [welcome, refuse] {
            let (sender, mut receiver) = meet(&hub).await.split();
            let Ok(Up::Hello(hello)) = codec::decode(&frame(&mut receiver).await) else {
                panic!("a session begins with a hello");
            };
            assert_eq!(hello.protocol, ProtocolRange::OURS);
            sender.send(down(&answer)).expect("it is sent");
            sender.closed().await;
        }
        hub.close(link::CloseCode::Done, "the test is over");
        hub.idle().await;
    });
    let log = tree.node("web1").log();
    let offered = format!("{} to {}", ProtocolRange::OURS.min, ProtocolRange::OURS.max);
    for words in ["speaks protocols 90 to 99", "protocol 99", &offered] {
        assert!(log.contains(words), "{words:?} is not in {log}");
    }
    tree.node_mut("top").start();
    tree.answers("top");
    tree.heals();
    wait_for("the minion works", || {
        let said = tree.top().call(&["run", "*", "test.ping"]);
        (said.code == Some(0)).then_some(())
    });
}

async fn meet(hub: &Endpoint) -> Session {
    hub.accept().await.expect("the minion dials again")
}

fn events(of: &str, first: u64) -> Up {
    let event = |number| Told {
        id: of.parse().expect("an id"),
        path: "".parse().expect("a site"),
        number,
        stamp: 0,
        jid: None,
        tag: "flood/x".to_owned(),
        data: b"{}".as_slice().into(),
    };
    Up::Events(Events {
        events: (first..first + EVENTS_PER_FRAME).map(event).collect(),
        dropped: 0,
    })
}

const EVENTS_PER_FRAME: u64 = 100;
const FRAMES: u64 = 300;

/// P8, P9: a minion that sends 30,000 events at once is slowed down and counted, a lie ends its session, and jobs of others go on.
#[test]
fn a_minion_that_floods_and_lies_harms_itself() {
    let port = free_port();
    let mut tree = Tree::with_top(&format!("metrics_port: {port}\n"));
    for id in ["web1", "web2"] {
        tree.new_minion(id, &["top"], "");
    }
    tree.settle();
    tree.node_mut("web2").kill();
    tree.minion_is("web2", "down");
    let follower = Follower::of(&tree.top(), &["flood/*"]);
    let identity = identity(&tree, tree.node("web2"));
    let top = at(tree.port("top"));
    let flood = std::thread::spawn(move || {
        play(async {
            let peer = Endpoint::dialler(at(0), &identity, Tuning::minion()).expect("a socket");
            let session = peer.dial(top).await.expect("its certificate is good");
            let (sender, mut receiver) = session.split();
            sender
                .send(up(&hello(ProtocolRange::OURS)))
                .expect("it is sent");
            loop {
                match codec::decode(&frame(&mut receiver).await) {
                    Ok(Down::EventFilters(globs)) => break assert_eq!(globs, ["flood/*"]),
                    Ok(_) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            for nth in 0..FRAMES {
                let frame = up(&events("web2", nth * EVENTS_PER_FRAME));
                while sender.send(frame.clone()).is_err() {
                    sender.ready().await;
                }
            }
            sender.drained().await;
            // A lie: it is another minion's.
            sender.send(up(&events("web1", 0))).expect("it is sent");
            loop {
                if let Ok(Down::Refuse(refusal)) = codec::decode(&frame(&mut receiver).await) {
                    break refusal.code;
                }
            }
        })
    });
    let mut pings = 0;
    while !flood.is_finished() {
        tree.top().run(0, &["web1", "test.ping"]).all_ok(&["web1"]);
        pings += 1;
    }
    assert_eq!(flood.join().expect("it played"), RefusalCode::Forbidden);
    assert!(pings > 0);
    let count = |what: &str| metric(port, "banyan_events_total", &format!("\"{what}\"")) as u64;
    let all = FRAMES * EVENTS_PER_FRAME;
    assert!(count("heard") <= all / 2, "{} were heard", count("heard"));
    assert_eq!(count("heard") + count("dropped"), all);
    let mut came = 0;
    while came < count("heard") {
        assert_eq!(follower.next()["data"]["id"], "web2");
        came += 1;
    }
    tree.node_mut("web2").start();
    tree.heals();
}
