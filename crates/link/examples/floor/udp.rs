//! Bare datagrams: a call for each, no cryptography, no repetition. One that is lost ends the measurement.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::orders::{Order, Orders, say};
use crate::{Failure, asked, command, socket};

/// Payload of a datagram, at most: as much as QUIC's.
const DATAGRAM: usize = 1_200;
/// Peers that owe a reply at a time: their datagrams fit into the receive buffer.
const OWING_MAX: usize = 1_000;
/// No datagram for so long: one was lost.
const SILENCE: Duration = Duration::from_secs(5);

fn datagrams(bytes: usize) -> usize {
    bytes.div_ceil(DATAGRAM)
}

pub async fn server() -> Result<(), Failure> {
    let socket = UdpSocket::from_std(socket()?)?;
    say(&socket.local_addr()?.port().to_string());
    let mut orders = Orders::new();
    let mut buffer = [0; DATAGRAM];
    // The peers share an address; the first datagram says how many they are.
    let (len, peers) = socket.recv_from(&mut buffer).await?;
    let count: usize = std::str::from_utf8(&buffer[..len])?.parse()?;
    while let Some(order) = orders.next().await? {
        let bytes = match order {
            Order::Count => {
                say(&format!("READY {count}"));
                continue;
            }
            Order::Round(bytes) => bytes,
        };
        let (command, each) = (command(bytes), datagrams(bytes));
        let (mut sent, mut heard) = (0, 0);
        while heard < count * each {
            while sent < count && sent * each < heard + OWING_MAX * each {
                socket.send_to(&command, peers).await?;
                sent += 1;
            }
            let datagram = timeout(SILENCE, socket.recv(&mut buffer)).await;
            datagram.map_err(|_| "a datagram was lost")??;
            heard += 1;
        }
        say("DONE");
    }
    Ok(())
}

pub async fn clients(address: SocketAddr, count: usize) -> Result<(), Failure> {
    let socket = UdpSocket::from_std(socket()?)?;
    socket.connect(address).await?;
    socket.send(count.to_string().as_bytes()).await?;
    say("READY");
    let mut command = [0; DATAGRAM];
    loop {
        let len = socket.recv(&mut command).await?;
        let mut left = asked(&command[..len])?;
        while left > 0 {
            let part = left.min(DATAGRAM);
            socket.send(&[0x2a; DATAGRAM][..part]).await?;
            left -= part;
        }
    }
}
