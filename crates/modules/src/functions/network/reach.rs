//! Connections and reachability: what talks to whom, and whether somebody answers.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, invalid_address};
use crate::{process, python};

/// State of an established connection in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

pub(super) fn active_tcp() -> Value {
    let mut connections = Map::new();
    for name in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(name).unwrap_or_default();
        for (local, remote) in text.lines().skip(1).filter_map(connection) {
            let entry = json!({
                "local_addr": local.ip().to_string(),
                "local_port": local.port(),
                "remote_addr": remote.ip().to_string(),
                "remote_port": remote.port(),
            });
            connections.insert(connections.len().to_string(), entry);
        }
    }
    Value::Object(connections)
}

/// Both ends of an established connection in a line of the kernel.
fn connection(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, local, remote, state, ..] = words.as_slice() else {
        return None;
    };
    (*state == ESTABLISHED).then_some(())?;
    Some((socket_address(local)?, socket_address(remote)?))
}

/// The kernel prints each 32-bit word of an address as a number in the machine's byte order.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..address.len() / 8)
        .map(|at| {
            u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16)
                .ok()
                .map(u32::to_ne_bytes)
        })
        .collect();
    let address = match words?.as_slice() {
        [v4] => IpAddr::from(*v4),
        [a, b, c, d] => {
            let bytes: [u8; 16] = [*a, *b, *c, *d].concat().try_into().ok()?;
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(
        address,
        u16::from_str_radix(port, 16).ok()?,
    ))
}

pub(super) fn connect(args: &Args, _: &Env) -> Answer {
    let answer = |result: bool, comment: String| Ok(json!({"result": result, "comment": comment}));
    let host = args.text("host")?;
    let Some(port) = args.optional_integer("port")? else {
        return answer(false, "Required argument, port, is missing.".to_owned());
    };
    let port =
        u16::try_from(port).map_err(|_| Failure::invocation(format!("{port} is not a port")))?;
    let timeout = args
        .seconds("timeout")?
        .unwrap_or(Duration::from_secs(5))
        .max(Duration::from_millis(1));
    let family = args.optional_text("family")?;
    let is_wanted = |address: &SocketAddr| match family.as_deref() {
        Some("ipv4") => address.is_ipv4(),
        Some("ipv6") => address.is_ipv6(),
        _ => true,
    };
    let address = (host.as_str(), port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.find(is_wanted));
    let Some(address) = address else {
        return answer(
            false,
            format!("Unable to resolve host {host} on tcp port {port}"),
        );
    };
    match TcpStream::connect_timeout(&address, timeout) {
        Ok(_) => answer(
            true,
            format!(
                "Successfully connected to {host} ({}) on tcp port {port}",
                address.ip()
            ),
        ),
        Err(_) => answer(
            false,
            format!(
                "Unable to connect to {host} ({}) on tcp port {port}",
                address.ip()
            ),
        ),
    }
}

pub(super) fn ping(args: &Args, env: &Env) -> Answer {
    let host = args.text("host")?;
    if host.starts_with('-') || host.is_empty() {
        return Err(Failure::invocation(format!("'{host}' is not a host")));
    }
    let timeout = args
        .flag("timeout")
        .then(|| args.integer("timeout"))
        .transpose()?
        .map(|timeout| timeout.to_string());
    let argv: Vec<&str> = match &timeout {
        Some(timeout) => vec!["ping", "-W", timeout, "-c", "4", &host],
        None => vec!["ping", "-c", "4", &host],
    };
    let finished = process::query(&argv, env.cancel)?;
    if args.flag("return_boolean") {
        return Ok(json!(finished.retcode == 0));
    }
    env.set_retcode(finished.retcode);
    Ok(json!(
        format!("{}{}", finished.stdout, finished.stderr).trim_end()
    ))
}

pub(super) fn get_route(args: &Args, env: &Env) -> Answer {
    let text = args.text("ip")?;
    let address: IpAddr = text.parse().map_err(|_| invalid_address(&text))?;
    let finished = process::query(&["ip", "route", "get", &address.to_string()], env.cancel)?;
    if finished.retcode != 0 {
        return Err(Failure::command(finished.stderr.trim()));
    }
    let words: Vec<&str> = finished.stdout.split_whitespace().collect();
    let after = |name: &str| {
        words
            .iter()
            .position(|word| *word == name)
            .and_then(|at| words.get(at + 1))
    };
    Ok(json!({
        "destination": python::text(args.value("ip")),
        "gateway": after("via"),
        "interface": after("dev"),
        "source": after("src"),
    }))
}
