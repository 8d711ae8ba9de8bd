//! Members of the tree that do not keep to the rules of framing: each is cut off, and the hub goes on.

use std::net::SocketAddr;
use std::sync::Arc;

use link::{CloseCode, Closed, Endpoint, Receiver};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, RecvStream, SendStream};
use wire::limits::{BULK_FRAME, MAX_FRAME, MAX_REQUEST};

use crate::support::{Tree, dialler, frame, framed, hub, pair, soon};

/// A minion with a good certificate and its own idea of the protocol.
struct Rogue {
    connection: Connection,
    control: (SendStream, RecvStream),
    receiver: Receiver,
    _sender: link::Sender,
    _endpoint: quinn::Endpoint,
}

async fn connect(tree: &Tree, address: SocketAddr) -> (quinn::Endpoint, Connection) {
    let identity = tree.minion("rogue");
    let tls = pki::client_config(&tree.id, &identity.tls).unwrap();
    let suite = pki::initial_cipher_suite().unwrap();
    let crypto = QuicClientConfig::with_initial(Arc::new(tls), suite).unwrap();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint
        .connect_with(config, address, pki::SERVER_NAME)
        .unwrap();
    (endpoint, connecting.await.unwrap())
}

async fn rogue(tree: &Tree, hub: &Endpoint) -> Rogue {
    let (endpoint, connection) = soon(connect(tree, hub.local_addr().unwrap())).await;
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(&[0; 4]).await.unwrap();
    let (sender, receiver) = soon(hub.accept()).await.unwrap().split();
    let control = (send, recv);
    Rogue {
        connection,
        control,
        receiver,
        _sender: sender,
        _endpoint: endpoint,
    }
}

fn announce(len: usize) -> [u8; 4] {
    (len as u32).to_le_bytes()
}

/// The hub closes for a violation, and says so.
async fn is_cut_off(rogue: &mut Rogue) {
    match soon(rogue.receiver.next()).await {
        Err(Closed::Here {
            code: CloseCode::Malformed,
            ..
        }) => (),
        other => panic!("{other:?}"),
    }
    match soon(rogue.connection.closed()).await {
        quinn::ConnectionError::ApplicationClosed(close) => {
            assert_eq!(u64::from(close.error_code), CloseCode::Malformed as u64);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bad_lengths_on_the_control_stream() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    for len in [0, BULK_FRAME + 1, MAX_FRAME + 1, u32::MAX as usize] {
        let mut rogue = rogue(&tree, &hub).await;
        rogue.control.0.write_all(&announce(len)).await.unwrap();
        is_cut_off(&mut rogue).await;
    }
}

#[tokio::test]
async fn bad_streams_of_long_frames() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let two = [framed(10, 1), framed(10, 1)].concat();
    let cases: [&[u8]; 7] = [
        b"",
        &[1, 0],
        &announce(0),
        &announce(MAX_FRAME + 1),
        &framed(10, 1)[..9],
        &[&framed(10, 1)[..], &[1]].concat(),
        &two,
    ];
    for bytes in cases {
        let mut rogue = rogue(&tree, &hub).await;
        let mut stream = rogue.connection.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.finish().unwrap();
        is_cut_off(&mut rogue).await;
    }
}

#[tokio::test]
async fn bad_requests() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    for bytes in [
        &framed(10, 0xff)[..],
        &announce(MAX_REQUEST + 1),
        &announce(0),
        b"",
    ] {
        let mut rogue = rogue(&tree, &hub).await;
        let (mut stream, _answer) = rogue.connection.open_bi().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.finish().unwrap();
        is_cut_off(&mut rogue).await;
    }
}

#[tokio::test]
async fn a_control_stream_that_ends_or_a_frame_that_is_given_up() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let mut ended = rogue(&tree, &hub).await;
    ended.control.0.finish().unwrap();
    is_cut_off(&mut ended).await;
    let mut reset = rogue(&tree, &hub).await;
    reset.control.0.reset(0u32.into()).unwrap();
    is_cut_off(&mut reset).await;
    let mut given_up = rogue(&tree, &hub).await;
    let mut stream = given_up.connection.open_uni().await.unwrap();
    stream
        .write_all(&framed(100_000, 1)[..1_000])
        .await
        .unwrap();
    stream.reset(0u32.into()).unwrap();
    is_cut_off(&mut given_up).await;
}

#[tokio::test]
async fn an_abandoned_request_harms_nobody() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let mut rogue = rogue(&tree, &hub).await;
    let (mut stream, _answer) = rogue.connection.open_bi().await.unwrap();
    stream.write_all(&framed(1_000, 1)[..10]).await.unwrap();
    stream.reset(0u32.into()).unwrap();
    rogue.control.0.write_all(&framed(5, 5)).await.unwrap();
    assert_eq!(frame(&mut rogue.receiver).await, vec![5; 5]);
}

#[tokio::test]
async fn one_who_never_greets_gets_no_session() {
    let tree = Tree::new();
    let hub = hub(&tree.hub_identity());
    let (_endpoint, silent) = soon(connect(&tree, hub.local_addr().unwrap())).await;
    let (_other, rude) = soon(connect(&tree, hub.local_addr().unwrap())).await;
    let (mut stream, _recv) = rude.open_bi().await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    // Others are served meanwhile.
    let minion = dialler(&tree.minion("web1"));
    soon(pair(&minion, &hub)).await;
    soon(rude.closed()).await;
    soon(silent.closed()).await;
    let stats = hub.stats();
    assert_eq!((stats.accepted, stats.failed, stats.slow), (1, 1, 1));
}
