//! A way to a database that breaks at one moment of a transaction.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What happens to the first packet that holds a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is cut, and the packet never arrives.
    CutBefore(&'static str),
    /// The packet arrives, and the connection is cut before the answer.
    CutAfter(&'static str),
    /// The packet and everything after it stays on the way for as long as the connection lives.
    Stall(&'static str),
    /// The packet stays on the way, also when the client is gone: the server hears nothing of either until it is let go.
    Hold(&'static str),
}

pub struct Proxy {
    pub port: u16,
    way: Arc<Way>,
}

/// What all connections have in common.
#[derive(Default)]
struct Way {
    fault: Mutex<Option<Fault>>,
    happened: AtomicBool,
    let_go: Notify,
    /// Milliseconds that a packet to the server takes.
    delay: AtomicU64,
}

impl Proxy {
    pub async fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            way: Arc::default(),
        };
        let way = proxy.way.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, way.clone()));
            }
        });
        proxy
    }

    /// Breaks the next packet that holds the word, once.
    pub fn set(&self, fault: Fault) {
        *self.way.fault.lock().unwrap() = Some(fault);
        self.way.happened.store(false, Ordering::SeqCst);
    }

    /// Sends on what is held.
    pub fn let_go(&self) {
        self.way.let_go.notify_one();
    }

    pub fn happened(&self) -> bool {
        self.way.happened.load(Ordering::SeqCst)
    }

    /// Makes the way long: so much for each packet.
    pub fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.way.delay.store(millis, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: u16, way: Arc<Way>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut packet = vec![0; 1 << 16];
    while let Ok(length) = from_client.read(&mut packet).await {
        if length == 0 {
            break;
        }
        let packet = &packet[..length];
        let hit = {
            let mut fault = way.fault.lock().unwrap();
            let word = match *fault {
                Some(
                    Fault::CutBefore(word)
                    | Fault::CutAfter(word)
                    | Fault::Stall(word)
                    | Fault::Hold(word),
                ) => word,
                None => "\u{0}never",
            };
            match packet
                .windows(word.len())
                .any(|part| part == word.as_bytes())
            {
                true => fault.take(),
                false => None,
            }
        };
        if hit.is_some() {
            way.happened.store(true, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(way.delay.load(Ordering::SeqCst))).await;
        match hit {
            None => {
                if to_server.write_all(packet).await.is_err() {
                    break;
                }
            }
            Some(Fault::CutBefore(_)) => break,
            Some(fault @ (Fault::CutAfter(_) | Fault::Hold(_))) => {
                if matches!(fault, Fault::Hold(_)) {
                    way.let_go.notified().await;
                }
                // The answer must not reach the client: its way ends first.
                back.abort();
                let _ = back.await;
                let _ = to_server.write_all(packet).await;
                // The server reads what arrived before the end, and commits.
                let _ = to_server.shutdown().await;
                return;
            }
            Some(Fault::Stall(_)) => {
                while !matches!(from_client.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {}
            }
        }
    }
    back.abort();
}
