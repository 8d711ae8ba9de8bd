//! Who gets a session, and how each refusal is told.

use std::time::Duration;

use crate::support::{Tree, dialler, hub, now, pair, soon};
use link::{CloseCode, Closed, DialError, Endpoint, Tuning};
use pki::{LinkKey, Peer};
use wire::Role;

#[tokio::test]
async fn both_sides_know_each_other() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let minion = dialler(&tree.minion("web1"));
    let (at_minion, at_hub) = soon(pair(&minion, &hub)).await;
    let member = at_hub.peer().member().unwrap();
    assert_eq!((member.id.as_str(), member.role), ("web1", Role::Minion));
    let member = at_minion.peer().member().unwrap();
    assert_eq!((member.id.as_str(), member.role), ("top", Role::TopMaster));
    assert_eq!(at_hub.remote_addr(), minion.local_addr().unwrap());
    assert_eq!(hub.stats().accepted, 1);
}

#[tokio::test]
async fn a_stranger_is_let_in_as_a_stranger() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let key = LinkKey::generate().unwrap();
    let minion = dialler(&tree.stranger(&key));
    let (_at_stranger, at_hub) = soon(pair(&minion, &hub)).await;
    let Peer::Stranger(stranger) = at_hub.peer() else {
        panic!("{:?}", at_hub.peer());
    };
    assert_eq!(stranger.fingerprint, key.public().fingerprint());
}

#[tokio::test]
async fn the_pin_decides_which_tree_is_dialled() {
    let (mine, other) = (Tree::new(), Tree::new());
    let hub = hub(&other.hub_identity());
    let address = hub.local_addr().unwrap();
    let key = LinkKey::generate().unwrap();
    for identity in [mine.minion("web1"), mine.stranger(&key)] {
        let refused = soon(dialler(&identity).dial(address)).await;
        assert_eq!(refused.err(), Some(DialError::OtherTree));
    }
    // A chain of another tree with the right pin: the hub refuses, and the dialler learns it.
    let mut liar = mine.minion("web1");
    liar.tree = other.id;
    let refused = soon(dialler(&liar).dial(address)).await;
    assert!(matches!(refused, Err(DialError::Refused(_))), "{refused:?}");
    assert_eq!(hub.stats().accepted, 0);
}

#[tokio::test]
async fn minions_and_strangers_serve_nobody() {
    let tree = Tree::new();
    let key = LinkKey::generate().unwrap();
    for identity in [tree.minion("evil"), tree.stranger(&key)] {
        let false_hub = hub(&identity);
        let minion = dialler(&tree.minion("web1"));
        let refused = soon(minion.dial(false_hub.local_addr().unwrap())).await;
        assert!(matches!(refused, Err(DialError::BadHub(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let key = LinkKey::generate().unwrap();
    let ended = tree.minion_for(&key, "late", Duration::ZERO);
    let refused = soon(dialler(&ended).dial(hub.local_addr().unwrap())).await;
    assert!(matches!(refused, Err(DialError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn nobody_there() {
    let tree = Tree::new();
    // A bound socket that never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = soon(dialler(&tree.minion("web1")).dial(silent.local_addr().unwrap())).await;
    assert!(
        matches!(refused, Err(DialError::Unreachable(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_hub_that_only_dials_refuses_to_be_dialled() {
    let tree = Tree::new();
    let closed = dialler(&tree.hub_identity());
    let refused = soon(dialler(&tree.minion("m")).dial(closed.local_addr().unwrap())).await;
    assert!(
        matches!(refused, Err(DialError::Unreachable(_))),
        "{refused:?}"
    );
    assert!(closed.accept().await.is_none());
}

#[tokio::test]
async fn a_session_ends_with_its_certificate() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let key = LinkKey::generate().unwrap();
    let short = tree.minion_for(&key, "short", Duration::from_secs(2));
    let minion = dialler(&short);
    let (at_minion, at_hub) = soon(pair(&minion, &hub)).await;
    let end = at_hub.peer().member().unwrap().not_after;
    assert!(end > now(), "the certificate ended before the test began");
    let (hub_side, _hub_receiver) = at_hub.split();
    let (minion_side, _receiver) = at_minion.split();
    let closed = soon(hub_side.closed()).await;
    assert!(now() >= end);
    assert!(
        matches!(
            closed,
            Closed::Here {
                code: CloseCode::Expired,
                ..
            }
        ),
        "{closed:?}"
    );
    let told = soon(minion_side.closed()).await;
    assert!(
        matches!(
            told,
            Closed::Peer {
                code: Some(CloseCode::Expired),
                ..
            }
        ),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_renewed_identity_counts_from_the_next_handshake_on() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let minion = dialler(&tree.minion("old"));
    let (old_session, old_at_hub) = soon(pair(&minion, &hub)).await;
    minion.set_identity(&tree.minion("new")).unwrap();
    let (_new_session, new_at_hub) = soon(pair(&minion, &hub)).await;
    assert_eq!(new_at_hub.peer().member().unwrap().id.as_str(), "new");
    assert_eq!(old_at_hub.peer().member().unwrap().id.as_str(), "old");
    let (old, _old_receiver) = old_session.split();
    assert_eq!(old.close_reason(), None);

    // The other side: a hub that moves to another tree is told apart from then on.
    let other = Tree::new();
    hub.set_identity(&other.hub_identity()).unwrap();
    let refused = soon(minion.dial(hub.local_addr().unwrap())).await;
    assert_eq!(refused.err(), Some(DialError::OtherTree));
    assert_eq!(old.close_reason(), None);
}

#[tokio::test]
async fn one_endpoint_may_dial_as_many() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let (own, address) = (dialler(&tree.minion("own")), hub.local_addr().unwrap());
    let mut kept = Vec::new();
    for id in ["web1", "web2"] {
        let identity = tree.minion(id);
        let (dialled, accepted) =
            soon(async { tokio::join!(own.dial_as(&identity, address), hub.accept()) }).await;
        let accepted = accepted.unwrap();
        assert_eq!(accepted.peer().member().unwrap().id.as_str(), id);
        assert_eq!(accepted.remote_addr(), own.local_addr().unwrap());
        kept.push((dialled.unwrap(), accepted));
    }
    // The endpoint's own identity is as it was.
    let (_at_minion, at_hub) = soon(pair(&own, &hub)).await;
    assert_eq!(at_hub.peer().member().unwrap().id.as_str(), "own");
    assert_eq!(own.open_connections(), 3);
}

#[tokio::test]
async fn close_tells_the_peer_why() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let minion = dialler(&tree.minion("web1"));
    let (at_minion, at_hub) = soon(pair(&minion, &hub)).await;
    let (hub_side, mut hub_receiver) = at_hub.split();
    let (_minion_side, mut receiver) = at_minion.split();
    hub_side.close(CloseCode::Superseded, "you came again");
    hub_side.close(CloseCode::Done, "the second reason does not count");
    let expected = |reason: &str| reason == "you came again";
    match soon(receiver.next()).await {
        Err(Closed::Peer {
            code: Some(CloseCode::Superseded),
            reason,
        }) => assert!(expected(&reason)),
        other => panic!("{other:?}"),
    }
    match soon(hub_receiver.next()).await {
        Err(Closed::Here {
            code: CloseCode::Superseded,
            reason,
        }) => assert!(expected(&reason)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_vanishes_is_noticed_within_the_idle_time() {
    let tree = Tree::new();
    let idle = Duration::from_secs(1);
    let hub = crate::support::hub_with(
        &tree.hub_identity(),
        Tuning {
            idle,
            ..Tuning::hub()
        },
    );
    let address = hub.local_addr().unwrap();
    let identity = tree.minion("web1");
    let (ready, told) = tokio::sync::oneshot::channel();
    let (vanish, gone) = std::sync::mpsc::channel::<()>();
    // The minion's whole runtime stops from one moment to the next; nothing is left that could say goodbye.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (endpoint, session) = runtime.block_on(async {
            let endpoint = dialler(&identity);
            let session = endpoint.dial(address).await.unwrap();
            (endpoint, session)
        });
        ready.send(()).unwrap();
        // Not polled any more from here on.
        gone.recv().unwrap();
        std::mem::forget((endpoint, session));
        drop(runtime);
    });
    let at_hub = soon(hub.accept()).await.unwrap();
    soon(told).await.unwrap();
    let (sender, _receiver) = at_hub.split();
    vanish.send(()).unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(soon(sender.closed()).await, Closed::Silent);
    assert!(began.elapsed() < idle * 3, "{:?}", began.elapsed());
    thread.join().unwrap();
}

#[tokio::test]
async fn closing_an_endpoint_ends_all() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let minion = dialler(&tree.minion("web1"));
    let (at_minion, _at_hub) = soon(pair(&minion, &hub)).await;
    hub.close(CloseCode::Stopping, "restart");
    let (sender, _receiver) = at_minion.split();
    let closed = soon(sender.closed()).await;
    assert!(
        matches!(
            closed,
            Closed::Peer {
                code: Some(CloseCode::Stopping),
                ..
            }
        ),
        "{closed:?}"
    );
    assert!(soon(hub.accept()).await.is_none());
    soon(hub.idle()).await;
    assert_eq!(hub.open_connections(), 0);
}

#[tokio::test]
async fn three_hundred_sessions_share_one_pair_of_endpoints() {
    const SESSIONS: usize = 300;
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let minions: Endpoint = dialler(&tree.minion("many"));
    let mut held = Vec::new();
    for _ in 0..SESSIONS {
        held.push(soon(pair(&minions, &hub)).await);
    }
    let mut ends = Vec::new();
    for (number, (at_minion, at_hub)) in held.into_iter().enumerate() {
        let (to_minion, from_minion) = at_hub.split();
        to_minion
            .send(crate::support::framed(8, number as u8))
            .unwrap();
        ends.push((at_minion.split(), to_minion, from_minion));
    }
    for (number, ((to_hub, from_hub), _, from_minion)) in ends.iter_mut().enumerate() {
        assert_eq!(crate::support::frame(from_hub).await, vec![number as u8; 8]);
        to_hub
            .send(crate::support::framed(3, number as u8))
            .unwrap();
        assert_eq!(
            crate::support::frame(from_minion).await,
            vec![number as u8; 3]
        );
    }
    assert_eq!(hub.stats().accepted, SESSIONS as u64);
}

/// A hub that was killed says nothing. When it is back, those whom it has forgotten hear it from their next sign of life, and
/// not from the silence of their sessions.
#[tokio::test]
async fn peers_of_a_hub_that_was_killed_hear_of_its_return() {
    let tree = Tree::new();
    let identity = tree.hub_identity();
    let first = hub(&identity);
    let address = first.local_addr().unwrap();
    let cable = cable::Cable::new(0, address.port()).unwrap();
    let tuning = Tuning {
        keep_alive: Some(Duration::from_millis(100)),
        idle: Duration::from_secs(600),
        ..Tuning::minion()
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let minion = Endpoint::dialler(any, &tree.minion("web1"), tuning).unwrap();
    let (session, accepted) = tokio::join!(minion.dial(cable.address()), first.accept());
    let (session, accepted) = (session.unwrap(), accepted.unwrap());
    // Its last words are lost, as if it had none.
    cable.cut();
    drop((first, accepted));
    let second = soon(async {
        loop {
            // The socket goes with a task of the first one.
            match Endpoint::hub(address, &identity, Tuning::hub()) {
                Ok(second) => return second,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let _second = second.await;
    cable.heal();
    assert_eq!(soon(session.split().0.closed()).await, Closed::Restarted);
}
