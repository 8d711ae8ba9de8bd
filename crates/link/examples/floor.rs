//! The floor that benchmarks stand on: what quinn alone needs to send one command to many peers and hear their replies.
//!
//! `floor server KEYS` prints its port, then `READY` with the number of connections on each line `count` of its input, and
//! plays one round on each line `round`: the same bytes to each peer, then a reply from each; it answers `DONE`.
//! `floor clients KEYS ADDRESS COUNT` opens that many connections on one socket, prints `READY`, and replies.
//!
//! The connections are as `link` has them (TLS of `pki`, small windows, one long-lived stream), and there is nothing else: no
//! framing, no session, no decoding, no ledger, no disk. `KEYS` is the key directory of a hub.

use std::error::Error;
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pki::{KeyStore, TlsIdentity};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint, EndpointConfig, RecvStream, SendStream, TokioRuntime};
use quinn::{TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wire::TreeId;

/// Bytes of a command and of a reply. A signed `test.ping` is a little longer, its return shorter.
const COMMAND: usize = 200;
const REPLY: usize = 100;
/// As `link` asks for.
const RECEIVE_BUFFER: usize = 64 << 20;
/// As the programs have it by default.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Handshakes under way at a time.
const HANDSHAKES_MAX: usize = 64;
/// Replies that wait to be counted, at most.
const REPLIES_MAX: usize = 16_384;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words[..] {
        ["server", keys] => runtime.block_on(server(keys.as_ref())),
        ["clients", keys, address, count] => {
            runtime.block_on(clients(keys.as_ref(), address.parse()?, count.parse()?))
        }
        _ => Err("usage: floor server KEYS | floor clients KEYS ADDRESS COUNT".into()),
    }
}

fn identity(keys: &Path) -> Result<(TreeId, TlsIdentity), Failure> {
    let keys = KeyStore::open(keys)?;
    let tree = keys.tree()?.ok_or("the key directory names no tree")?;
    let credentials = keys.credentials()?.ok_or("no certificates")?;
    let tls = TlsIdentity::member(&keys.link_key()?, &credentials)?;
    Ok((tree, tls))
}

fn transport(keep_alive: Option<Duration>) -> Arc<TransportConfig> {
    let window = VarInt::from_u32(256 << 10);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(4u8.into())
        .max_concurrent_uni_streams(4u8.into())
        .stream_receive_window(window)
        .receive_window(window)
        .send_window(256 << 10)
        .mtu_discovery_config(None)
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(keep_alive)
        .allow_spin(false);
    Arc::new(transport)
}

fn endpoint(server: Option<quinn::ServerConfig>) -> Result<Endpoint, Failure> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let config = EndpointConfig::default();
    Ok(Endpoint::new(
        config,
        server,
        socket.into(),
        Arc::new(TokioRuntime),
    )?)
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not listen has ended us.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}

async fn server(keys: &Path) -> Result<(), Failure> {
    let (tree, tls) = identity(keys)?;
    let suite = pki::initial_cipher_suite().ok_or("no suite")?;
    let tls = Arc::new(pki::server_config(&tree, &tls)?);
    let mut config =
        quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::with_initial(tls, suite)?));
    config.transport_config(transport(None));
    let endpoint = endpoint(Some(config))?;
    say(&endpoint.local_addr()?.port().to_string());

    let (orders, mut order) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if orders.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let (opened, mut new_peer) = mpsc::channel(HANDSHAKES_MAX);
    let (replied, mut replies) = mpsc::channel(REPLIES_MAX);
    let mut peers: Vec<SendStream> = Vec::new();
    let command = Bytes::from(framed(COMMAND));
    loop {
        tokio::select! {
            Some(incoming) = endpoint.accept() => {
                let (opened, replied) = (opened.clone(), replied.clone());
                tokio::spawn(async move {
                    let connection: Connection = incoming.await?;
                    let (send, mut recv) = connection.accept_bi().await?;
                    recv.read_exact(&mut [0; 1]).await?;
                    opened.send(send).await?;
                    while read_frame(&mut recv, REPLY).await.is_ok() {
                        replied.send(()).await?;
                    }
                    Ok::<(), Failure>(())
                });
            }
            Some(peer) = new_peer.recv() => peers.push(peer),
            line = order.recv() => match line.as_deref() {
                Some("count") => say(&format!("READY {}", peers.len())),
                Some("round") => {
                    for peer in &mut peers {
                        peer.write_chunk(command.clone()).await?;
                    }
                    for _ in 0..peers.len() {
                        replies.recv().await;
                    }
                    say("DONE");
                }
                Some(_) => return Err("not an order".into()),
                None => return Ok(()),
            },
        }
    }
}

async fn clients(keys: &Path, address: SocketAddr, count: usize) -> Result<(), Failure> {
    let (tree, tls) = identity(keys)?;
    let suite = pki::initial_cipher_suite().ok_or("no suite")?;
    let tls = Arc::new(pki::client_config(&tree, &tls)?);
    let mut config =
        quinn::ClientConfig::new(Arc::new(QuicClientConfig::with_initial(tls, suite)?));
    config.transport_config(transport(Some(KEEP_ALIVE)));
    let mut endpoint = endpoint(None)?;
    endpoint.set_default_client_config(config);
    let mut opening = JoinSet::new();
    let mut living = JoinSet::new();
    for started in 0..count {
        if started >= HANDSHAKES_MAX
            && let Some(opened) = opening.join_next().await
        {
            living.spawn(reply(opened??));
        }
        opening.spawn(open(endpoint.connect(address, pki::SERVER_NAME)?));
    }
    while let Some(opened) = opening.join_next().await {
        living.spawn(reply(opened??));
    }
    say("READY");
    while living.join_next().await.is_some() {}
    Ok(())
}

type Peer = (Connection, SendStream, RecvStream);

async fn open(connecting: quinn::Connecting) -> Result<Peer, Failure> {
    let connection = connecting.await?;
    let (mut send, recv) = connection.open_bi().await?;
    send.write_all(&[0]).await?;
    Ok((connection, send, recv))
}

async fn reply((_connection, mut send, mut recv): Peer) -> Result<(), Failure> {
    let reply = Bytes::from(framed(REPLY));
    while read_frame(&mut recv, COMMAND).await.is_ok() {
        send.write_chunk(reply.clone()).await?;
    }
    Ok(())
}

fn framed(len: usize) -> Vec<u8> {
    vec![0x2a; len]
}

/// All frames of a direction have one length: what is behind a prefix is of no interest here.
async fn read_frame(recv: &mut RecvStream, len: usize) -> Result<(), Failure> {
    let mut left = len;
    while left > 0 {
        let chunk = recv
            .read_chunk(left, true)
            .await?
            .ok_or("the stream ended")?;
        left -= chunk.bytes.len();
    }
    Ok(())
}
