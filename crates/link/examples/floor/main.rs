//! The floors that benchmarks stand on: what a transport alone needs to send one command to many peers and hear their replies.
//!
//! `floor server TRANSPORT KEYS` prints its port, then `READY` with the number of peers on each line `count` of its input, and
//! plays one round on each line `round BYTES`: the same command to each peer, then a reply of so many bytes from each; it
//! answers `DONE`. `floor clients TRANSPORT KEYS ADDRESS COUNT` is that many peers in one process; it prints `READY`, and replies.
//!
//! A transport is `quic`, with connections as `link` has them (TLS of `pki`, small windows, one long-lived stream), `tls`, the
//! same TLS over TCP, or `udp`, bare datagrams on one socket each side. There is nothing else: no framing, no session, no
//! decoding, no ledger, no disk. `KEYS` is the key directory of a hub.

mod orders;
mod quic;
mod tls;
mod udp;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use pki::{KeyStore, TlsIdentity};
use socket2::{Domain, Protocol, Socket, Type};
use wire::TreeId;

type Failure = Box<dyn Error + Send + Sync>;

/// Bytes of a command: a signed `test.ping` is a little longer.
const COMMAND: usize = 200;
/// As `link` asks for.
const RECEIVE_BUFFER: usize = 64 << 20;
/// Handshakes under way at a time.
const HANDSHAKES_MAX: usize = 64;
/// Replies that wait to be counted, at most.
const REPLIES_MAX: usize = 16_384;

const USAGE: &str =
    "usage: floor server quic|tls|udp KEYS | floor clients quic|tls|udp KEYS ADDRESS COUNT";

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words[..] {
        ["server", transport, keys] => {
            let keys = Path::new(keys);
            match transport {
                "quic" => runtime.block_on(quic::server(keys)),
                "tls" => runtime.block_on(tls::server(keys)),
                "udp" => runtime.block_on(udp::server()),
                _ => Err(USAGE.into()),
            }
        }
        ["clients", transport, keys, address, count] => {
            let (keys, address, count) = (Path::new(keys), address.parse()?, count.parse()?);
            match transport {
                "quic" => runtime.block_on(quic::clients(keys, address, count)),
                "tls" => runtime.block_on(tls::clients(keys, address, count)),
                "udp" => runtime.block_on(udp::clients(address, count)),
                _ => Err(USAGE.into()),
            }
        }
        _ => Err(USAGE.into()),
    }
}

fn identity(keys: &Path) -> Result<(TreeId, TlsIdentity), Failure> {
    let keys = KeyStore::open(keys)?;
    let tree = keys.tree()?.ok_or("the key directory names no tree")?;
    let credentials = keys.credentials()?.ok_or("no certificates")?;
    let tls = TlsIdentity::member(&keys.link_key()?, &credentials)?;
    Ok((tree, tls))
}

/// A UDP socket of loopback.
fn socket() -> Result<std::net::UdpSocket, Failure> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    Ok(socket.into())
}

/// The command that asks for a reply of so many bytes, which its first four say.
fn command(reply: usize) -> Vec<u8> {
    let mut command = vec![0x2a; COMMAND];
    command[..4].copy_from_slice(&(reply as u32).to_le_bytes());
    command
}

/// The bytes that a command asks for.
fn asked(command: &[u8]) -> Result<usize, Failure> {
    let prefix = command.first_chunk().ok_or("a short command")?;
    Ok(u32::from_le_bytes(*prefix) as usize)
}
