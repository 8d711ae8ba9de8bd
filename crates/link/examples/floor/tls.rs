//! TLS over TCP: the same certificates and suites, a connection of the kernel for each peer.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::orders::{Order, Orders, say};
use crate::{COMMAND, Failure, HANDSHAKES_MAX, REPLIES_MAX, asked, command, identity};

type Writer = WriteHalf<server::TlsStream<TcpStream>>;

/// Bytes that are read at a time.
const READ: usize = 4 << 10;

pub async fn server(keys: &Path) -> Result<(), Failure> {
    let (tree, tls) = identity(keys)?;
    let acceptor = TlsAcceptor::from(Arc::new(pki::server_config(&tree, &tls)?));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say(&listener.local_addr()?.port().to_string());

    let mut orders = Orders::new();
    let (opened, mut new_peer) = mpsc::channel(HANDSHAKES_MAX);
    let (replied, mut replies) = mpsc::channel(REPLIES_MAX);
    let reply = Arc::new(AtomicUsize::new(0));
    let mut peers: Vec<Writer> = Vec::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                stream.set_nodelay(true)?;
                let accepting = acceptor.accept(stream);
                let (opened, replied, reply) = (opened.clone(), replied.clone(), reply.clone());
                tokio::spawn(async move {
                    let (mut reader, writer) = tokio::io::split(accepting.await?);
                    reader.read_exact(&mut [0; 1]).await?;
                    opened.send(writer).await?;
                    while skip(&mut reader, &reply).await.is_ok() {
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
                    let command = command(bytes);
                    for peer in &mut peers {
                        peer.write_all(&command).await?;
                        peer.flush().await?;
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

/// Reads a reply; see the same of `quic`.
async fn skip(
    reader: &mut ReadHalf<server::TlsStream<TcpStream>>,
    len: &AtomicUsize,
) -> Result<(), Failure> {
    let (mut read, mut buffer) = (0, vec![0; READ]);
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Err("the stream ended".into()),
            more => read += more,
        }
        if read >= len.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

pub async fn clients(keys: &Path, address: SocketAddr, count: usize) -> Result<(), Failure> {
    let (tree, tls) = identity(keys)?;
    let connector = TlsConnector::from(Arc::new(pki::client_config(&tree, &tls)?));
    let mut opening = JoinSet::new();
    let mut living = JoinSet::new();
    for started in 0..count {
        if started >= HANDSHAKES_MAX
            && let Some(opened) = opening.join_next().await
        {
            living.spawn(answer(opened??));
        }
        opening.spawn(open(connector.clone(), address));
    }
    while let Some(opened) = opening.join_next().await {
        living.spawn(answer(opened??));
    }
    say("READY");
    while living.join_next().await.is_some() {}
    Ok(())
}

async fn open(
    connector: TlsConnector,
    address: SocketAddr,
) -> Result<client::TlsStream<TcpStream>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(pki::SERVER_NAME)?;
    let mut stream = connector.connect(name, stream).await?;
    stream.write_all(&[0]).await?;
    stream.flush().await?;
    Ok(stream)
}

async fn answer(mut stream: client::TlsStream<TcpStream>) -> Result<(), Failure> {
    let mut command = [0; COMMAND];
    while stream.read_exact(&mut command).await.is_ok() {
        stream.write_all(&vec![0x2a; asked(&command)?]).await?;
        stream.flush().await?;
    }
    Ok(())
}
