//! quinn alone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint, EndpointConfig, RecvStream, SendStream, TokioRuntime};
use quinn::{TransportConfig, VarInt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::orders::{Order, Orders, say};
use crate::{COMMAND, Failure, HANDSHAKES_MAX, REPLIES_MAX, asked, command, identity, socket};

/// As the programs have it by default.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

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
    let config = EndpointConfig::default();
    let runtime = Arc::new(TokioRuntime);
    Ok(Endpoint::new(config, server, socket()?, runtime)?)
}

pub async fn server(keys: &Path) -> Result<(), Failure> {
    let (tree, tls) = identity(keys)?;
    let suite = pki::initial_cipher_suite().ok_or("no suite")?;
    let tls = Arc::new(pki::server_config(&tree, &tls)?);
    let mut config =
        quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::with_initial(tls, suite)?));
    config.transport_config(transport(None));
    let endpoint = endpoint(Some(config))?;
    say(&endpoint.local_addr()?.port().to_string());

    let mut orders = Orders::new();
    let (opened, mut new_peer) = mpsc::channel(HANDSHAKES_MAX);
    let (replied, mut replies) = mpsc::channel(REPLIES_MAX);
    let reply = Arc::new(AtomicUsize::new(0));
    let mut peers: Vec<SendStream> = Vec::new();
    loop {
        tokio::select! {
            Some(incoming) = endpoint.accept() => {
                let (opened, replied, reply) = (opened.clone(), replied.clone(), reply.clone());
                tokio::spawn(async move {
                    let connection: Connection = incoming.await?;
                    let (send, mut recv) = connection.accept_bi().await?;
                    recv.read_exact(&mut [0; 1]).await?;
                    opened.send(send).await?;
                    while skip(&mut recv, &reply).await.is_ok() {
                        replied.send(()).await?;
                    }
                    Ok::<(), Failure>(())
                });
            }
            Some(peer) = new_peer.recv() => peers.push(peer),
            order = orders.next() => match order? {
                Some(Order::Count) => say(&format!("READY {}", peers.len())),
                Some(Order::Round(bytes)) => {
                    reply.store(bytes, Ordering::Relaxed);
                    let command = Bytes::from(command(bytes));
                    for peer in &mut peers {
                        peer.write_chunk(command.clone()).await?;
                    }
                    for _ in 0..peers.len() {
                        replies.recv().await;
                    }
                    say("DONE");
                }
                None => return Ok(()),
            },
        }
    }
}

/// Reads a reply. Its length is known only when its first bytes are here, since the round that asks for it says it.
async fn skip(recv: &mut RecvStream, len: &AtomicUsize) -> Result<(), Failure> {
    let mut read = 0;
    loop {
        let chunk = recv.read_chunk(usize::MAX, true).await?;
        read += chunk.ok_or("the stream ended")?.bytes.len();
        if read >= len.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

pub async fn clients(keys: &Path, address: SocketAddr, count: usize) -> Result<(), Failure> {
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
            living.spawn(answer(opened??));
        }
        opening.spawn(open(endpoint.connect(address, pki::SERVER_NAME)?));
    }
    while let Some(opened) = opening.join_next().await {
        living.spawn(answer(opened??));
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

async fn answer((_connection, mut send, mut recv): Peer) -> Result<(), Failure> {
    let mut command = [0; COMMAND];
    while recv.read_exact(&mut command).await.is_ok() {
        let reply = Bytes::from(vec![0x2a; asked(&command)?]);
        send.write_chunk(reply).await?;
    }
    Ok(())
}
