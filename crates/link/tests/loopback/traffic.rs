//! Frames and requests on established sessions.

use crate::support::{Tree, dialler, frame, framed, hub, pair, soon};
use bytes::Bytes;
use link::{
    CloseCode, Closed, Endpoint, Event, Held, Paced, Receiver, RequestError, SendError, Sender,
};
use wire::files::{Answer, Request};
use wire::limits::{BULK_FRAME, MAX_FRAME, MAX_REQUEST};

/// Both ends of a session; the endpoints live as long.
struct Ends {
    minion: (Sender, Receiver),
    hub: (Sender, Receiver),
    _endpoints: (Endpoint, Endpoint),
}

async fn ends() -> Ends {
    let tree = Tree::new();
    let endpoints = (dialler(&tree.minion("web1")), hub(&tree.hub_identity()));
    let (at_minion, at_hub) = soon(pair(&endpoints.0, &endpoints.1)).await;
    Ends {
        minion: at_minion.split(),
        hub: at_hub.split(),
        _endpoints: endpoints,
    }
}

#[tokio::test]
async fn frames_of_every_size_arrive_in_both_directions() {
    let mut ends = ends().await;
    let sizes = [
        1,
        2,
        1_199,
        1_200,
        BULK_FRAME - 1,
        BULK_FRAME,
        BULK_FRAME + 1,
        1 << 20,
        MAX_FRAME,
    ];
    let Ends {
        minion: (to_hub, from_hub),
        hub: (to_minion, from_minion),
        ..
    } = &mut ends;
    for (number, size) in sizes.into_iter().enumerate() {
        for (sender, receiver) in [(&*to_hub, &mut *from_minion), (&*to_minion, &mut *from_hub)] {
            sender.send(framed(size, number as u8)).unwrap();
            let body = frame(receiver).await;
            assert_eq!(body.len(), size);
            assert!(body.iter().all(|b| *b == number as u8));
        }
    }
    let stats = to_hub.stats();
    assert!(stats.sent_bytes > MAX_FRAME as u64 && stats.received_bytes > MAX_FRAME as u64);
}

#[tokio::test]
async fn short_frames_keep_their_order() {
    let mut ends = ends().await;
    const COUNT: u32 = 20_000;
    let sender = ends.minion.0.clone();
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            let mut bytes = 4u32.to_le_bytes().to_vec();
            bytes.extend_from_slice(&number.to_le_bytes());
            let bytes = Bytes::from(bytes);
            while sender.send(bytes.clone()) == Err(SendError::Full) {
                sender.ready().await;
            }
        }
    });
    for number in 0..COUNT {
        assert_eq!(frame(&mut ends.hub.1).await, number.to_le_bytes());
    }
    soon(sending).await.unwrap();
    assert_eq!(ends.minion.0.waiting(), 0);
}

#[tokio::test]
async fn a_long_frame_does_not_delay_a_short_one() {
    let mut ends = ends().await;
    let (sender, receiver) = (&ends.minion.0, &mut ends.hub.1);
    sender.send(framed(4 << 20, 1)).unwrap();
    sender.send(framed(10, 2)).unwrap();
    assert_eq!(frame(receiver).await, vec![2; 10]);
    assert_eq!(frame(receiver).await.len(), 4 << 20);
}

#[tokio::test]
async fn a_reader_that_stands_still_makes_the_outbox_full() {
    let mut ends = ends().await;
    let (sender, receiver) = (&ends.hub.0, &mut ends.minion.1);
    let one = framed(1_000, 7);
    // Window of the stream, outbox of the hub.
    let bound = link::Tuning::minion().stream_window as usize + link::Tuning::hub().outbox;
    let mut taken = 0;
    // Everything that the window holds has to leave before the count says anything; the outbox tells.
    loop {
        match sender.send(one.clone()) {
            Ok(()) => taken += 1,
            Err(SendError::Full) => break,
            Err(other) => panic!("{other}"),
        }
        tokio::task::yield_now().await;
    }
    assert!(taken * one.len() <= bound, "{taken} frames were taken");
    assert!(sender.waiting() <= link::Tuning::hub().outbox);
    assert_eq!(sender.send(one.clone()), Err(SendError::Full));
    // Once it reads on, all that was taken arrives, and there is room again.
    for _ in 0..taken {
        assert_eq!(frame(receiver).await.len(), 1_000);
    }
    soon(sender.ready()).await;
    sender.send(one).unwrap();
    assert_eq!(frame(receiver).await.len(), 1_000);
}

#[tokio::test]
async fn what_is_no_frame_is_not_sent() {
    let ends = ends().await;
    let sender = &ends.minion.0;
    let bad: [Bytes; 5] = [
        Bytes::new(),
        Bytes::from_static(&[1, 0, 0]),
        framed(0, 0),
        framed(5, 0).slice(..8),
        framed(MAX_FRAME + 1, 0),
    ];
    for bytes in bad {
        assert_eq!(sender.send(bytes), Err(SendError::NotAFrame));
    }
    let fresh = ends.hub.0.clone();
    fresh.close(CloseCode::Done, "");
    soon(sender.closed()).await;
    assert_eq!(sender.send(framed(1, 1)), Err(SendError::Closed));
    soon(sender.ready()).await;
}

#[tokio::test]
async fn a_frame_may_be_received_in_pieces_of_futures() {
    use std::future::Future;
    use std::task::{Context, Waker};
    let mut ends = ends().await;
    let (sender, receiver) = (&ends.minion.0, &mut ends.hub.1);
    sender.send(framed(3 << 20, 5)).unwrap();
    // Each future is polled once and dropped; nothing that was read may be lost.
    let body = soon(async {
        loop {
            let poll = {
                let next = std::pin::pin!(receiver.next());
                next.poll(&mut Context::from_waker(Waker::noop()))
            };
            if let std::task::Poll::Ready(event) = poll {
                break event.unwrap();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(matches!(body, Event::Frame(body) if body.len() == 3 << 20));
}

fn question(path: &str) -> Request {
    Request::Content {
        roots: None,
        env: "base".into(),
        path: path.into(),
        offset: 0,
    }
}

#[tokio::test]
async fn a_long_question_gets_through_and_one_that_is_too_long_is_not_sent() {
    let ends = ends().await;
    let mut receiver = ends.hub.1;
    let serving = tokio::spawn(async move {
        let Event::Request(Request::Content { path, .. }, responder) =
            receiver.next().await.unwrap()
        else {
            panic!("another question");
        };
        let refusal = Answer::Refused(path.len().to_string());
        responder.answer(&refusal).await.unwrap();
        // Goes on, so that the session stays.
        receiver.next().await.unwrap_err()
    });
    let sender = &ends.minion.0;
    let too_long = question(&"x".repeat(MAX_REQUEST));
    let refused = soon(sender.request(&too_long)).await;
    assert!(matches!(refused, Err(RequestError::TooLong(_))));
    let long = MAX_REQUEST - 100;
    let (answer, _) = soon(sender.request(&question(&"x".repeat(long))))
        .await
        .unwrap();
    assert_eq!(answer, Answer::Refused(long.to_string()));
    sender.close(CloseCode::Done, "");
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn requests_are_answered_with_bodies() {
    let mut ends = ends().await;
    const SIZE: usize = 3_000_000;
    let mut receiver = ends.hub.1;
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let Event::Request(request, responder) = receiver.next().await.unwrap() else {
                panic!("a frame");
            };
            tokio::spawn(async move {
                if request == question("none") {
                    let refusal = Answer::Refused("no such file".into());
                    return responder.answer(&refusal).await.unwrap();
                }
                let answer = Answer::Content { size: SIZE as u64 };
                let mut body = responder.stream(&answer).await.unwrap();
                for _ in 0..SIZE / 100_000 {
                    body.write(Bytes::from(vec![9; 100_000])).await.unwrap();
                }
                body.finish();
            });
        }
        // Goes on, so that the session stays.
        receiver.next().await.unwrap_err()
    });
    let sender = &ends.minion.0;
    let (whole, none) = (question("whole"), question("none"));
    let (whole, none) =
        soon(async { tokio::join!(sender.request(&whole), sender.request(&none)) }).await;
    let (answer, mut body) = none.unwrap();
    assert_eq!(answer, Answer::Refused("no such file".into()));
    assert!(soon(body.next()).await.unwrap().is_none());
    let (answer, mut body) = whole.unwrap();
    assert_eq!(answer, Answer::Content { size: SIZE as u64 });
    let bytes = soon(body.read_to_end(SIZE)).await.unwrap();
    assert_eq!(bytes.len(), SIZE);
    assert!(bytes.iter().all(|b| *b == 9));
    ends.minion.0.close(CloseCode::Done, "");
    soon(serving).await.unwrap();
    ends.minion.1 = soon(async { ends.minion.1 }).await;
}

#[tokio::test]
async fn a_body_that_was_cut_off_is_not_taken_for_whole() {
    let ends = ends().await;
    let (mut receiver, sender) = (ends.hub.1, ends.minion.0);
    let serving = tokio::spawn(async move {
        let Event::Request(_, responder) = receiver.next().await.unwrap() else {
            panic!("a frame");
        };
        let mut body = responder
            .stream(&Answer::Content { size: 10 })
            .await
            .unwrap();
        body.write(Bytes::from_static(b"half")).await.unwrap();
        drop(body);
        let Event::Request(_, responder) = receiver.next().await.unwrap() else {
            panic!("a frame");
        };
        drop(responder);
        receiver
    });
    let cut = async {
        let (_, mut body) = sender.request(&question("cut")).await?;
        body.read_to_end(10).await
    };
    assert!(matches!(soon(cut).await, Err(RequestError::GivenUp)));
    let refused = soon(sender.request(&question("dropped"))).await;
    assert!(matches!(refused, Err(RequestError::GivenUp)));
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let ends = ends().await;
    let (mut receiver, sender) = (ends.hub.1, ends.minion.0);
    let serving = tokio::spawn(async move {
        if let Ok(Event::Request(_, responder)) = receiver.next().await {
            let mut body = responder
                .stream(&Answer::Content { size: 10 })
                .await
                .unwrap();
            while body.write(Bytes::from(vec![0; 65_536])).await.is_ok() {}
        }
        receiver
    });
    let (_, mut body) = soon(sender.request(&question("endless"))).await.unwrap();
    assert!(matches!(
        soon(body.read_to_end(100)).await,
        Err(RequestError::Malformed)
    ));
    drop(body);
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn hubs_do_not_ask() {
    let ends = ends().await;
    let asking = ends.hub.0.clone();
    let waiting = tokio::spawn(async move { asking.request(&question("x")).await });
    ends.hub.0.close(CloseCode::Done, "enough");
    let refused = soon(waiting).await.unwrap();
    assert!(
        matches!(
            refused,
            Err(RequestError::Closed(Closed::Here {
                code: CloseCode::Done,
                ..
            }))
        ),
        "{refused:?}"
    );
}

#[test]
fn one_thread_is_enough() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut ends = ends().await;
        ends.minion.0.send(framed(100_000, 1)).unwrap();
        assert_eq!(frame(&mut ends.hub.1).await.len(), 100_000);
    });
}

/// After a long cut there is more to tell than a session takes: all of it arrives, and short frames overtake it.
#[tokio::test]
async fn more_than_a_session_takes_arrives_and_short_frames_overtake_it() {
    const LONG: usize = 1 << 20;
    const COUNT: usize = 30;
    let mut ends = ends().await;
    let mut paced = Paced::new(ends.minion.0.clone(), |number: &u8| {
        Some(framed(LONG, *number))
    });
    let mut held = None;
    for number in 0..COUNT {
        held = paced.send_long(number as u8, LONG).or(held);
    }
    let Held(session) = held.expect("so much does not fit");
    assert!(paced.waiting() > COUNT * LONG / 2);
    for number in 0..3 {
        assert!(paced.send(framed(1, number)).is_none());
    }
    let mut long = Vec::new();
    let mut short = Vec::new();
    // The short ones come while most of the long ones wait for someone to say that there is room.
    while short.len() < 3 {
        let body = frame(&mut ends.hub.1).await;
        if body.len() == 1 {
            &mut short
        } else {
            &mut long
        }
        .push(body[0]);
    }
    assert_eq!(short, [0, 1, 2]);
    assert!(long.len() < COUNT / 2, "{long:?}");
    let hub = &mut ends.hub.1;
    let reading = async {
        while long.len() < COUNT {
            long.push(frame(hub).await[0]);
        }
    };
    let sending = async {
        let mut held = Some(Held(session));
        while let Some(Held(session)) = held {
            session.ready().await;
            held = paced.go_on();
        }
    };
    soon(async { tokio::join!(reading, sending) }).await;
    long.sort_unstable();
    assert_eq!(long, (0..COUNT as u8).collect::<Vec<_>>());
    assert_eq!(paced.waiting(), 0);
}
