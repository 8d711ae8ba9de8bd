//! Sockets and neighbours, as the tools of the network tell of them.

use serde_json::{Map, Value, json};

use super::super::{Answer, Env};
use crate::process::{query, which};

/// `network.netstat`: sockets of TCP and UDP, by netstat, or by ss where that is missing.
pub(super) fn netstat(env: &Env) -> Answer {
    if which("netstat").is_some() {
        let told = query(&["netstat", "-tulpnea"], env.cancel)?;
        return Ok(told.stdout.lines().filter_map(of_netstat).collect());
    }
    let told = query(&["ss", "-tulpnea"], env.cancel)?;
    Ok(told.stdout.lines().filter_map(of_ss).collect())
}

fn of_netstat(line: &str) -> Option<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_tcp = line.starts_with("tcp");
    if !is_tcp && !line.starts_with("udp") {
        return None;
    }
    // A state stands between the addresses and the user; UDP has one for connected sockets only.
    let has_state = is_tcp || words.get(5)?.parse::<u32>().is_err();
    let user = if has_state { 6 } else { 5 };
    let mut socket = Map::new();
    for (at, name) in [
        "proto",
        "recv-q",
        "send-q",
        "local-address",
        "remote-address",
    ]
    .iter()
    .enumerate()
    {
        socket.insert((*name).to_owned(), json!(words.get(at)?));
    }
    if has_state {
        socket.insert("state".to_owned(), json!(words.get(5)?));
    }
    for (after, name) in ["user", "inode", "program"].iter().enumerate() {
        socket.insert((*name).to_owned(), json!(words.get(user + after)?));
    }
    Some(Value::Object(socket))
}

fn of_ss(line: &str) -> Option<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_tcp = line.starts_with("tcp");
    if !is_tcp && !line.starts_with("udp") {
        return None;
    }
    let told = |key: &str| {
        let mut others = words.iter().skip(6);
        others.find_map(|word| word.strip_prefix(key)?.strip_prefix(':'))
    };
    let program = told("users").and_then(|users| users.split('"').nth(1));
    let number = |key: &str| told(key).map_or(json!(0), |text| json!(text));
    let mut socket = json!({
        "proto": words.first()?, "recv-q": words.get(2)?, "send-q": words.get(3)?,
        "local-address": words.get(4)?, "remote-address": words.get(5)?,
        "user": number("uid"), "inode": number("ino"), "program": program.unwrap_or_default(),
    });
    if is_tcp {
        let state = *words.get(1)?;
        socket["state"] = json!(if state == "ESTAB" {
            "ESTABLISHED"
        } else {
            state
        });
    }
    Some(socket)
}

/// `network.ip_neighs` and `network.ip_neighs6`: addresses by hardware address. `mark` tells the family: a dot or a colon.
pub(super) fn neighbours(env: &Env, mark: char) -> Answer {
    let told = query(&["ip", "neigh", "show"], env.cancel)?;
    Ok(Value::Object(of_ip(&told.stdout, mark)))
}

fn of_ip(text: &str, mark: char) -> Map<String, Value> {
    let pair = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (address, hardware) = (*words.first()?, *words.get(4)?);
        address
            .contains(mark)
            .then(|| (hardware.to_owned(), json!(address)))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read() {
        let tcp = "tcp        0      0 0.0.0.0:22    0.0.0.0:*   LISTEN      0   1234   77/sshd: a";
        assert_eq!(
            of_netstat(tcp),
            Some(json!({
                "proto": "tcp", "recv-q": "0", "send-q": "0", "local-address": "0.0.0.0:22",
                "remote-address": "0.0.0.0:*", "state": "LISTEN", "user": "0", "inode": "1234", "program": "77/sshd:",
            }))
        );
        let udp = "udp   0  0 0.0.0.0:68    0.0.0.0:*     0   1234   77/dhclient";
        let udp = of_netstat(udp).unwrap();
        assert_eq!(
            (&udp["user"], &udp["program"]),
            (&json!("0"), &json!("77/dhclient"))
        );
        assert_eq!(of_netstat("Proto Recv-Q"), None);
        let ss = r#"tcp ESTAB 0 0 10.0.0.1:22 10.0.0.2:4000 users:(("sshd",pid=77,fd=3)) uid:5 ino:99 sk:1"#;
        let socket = of_ss(ss).unwrap();
        assert_eq!(
            (
                &socket["state"],
                &socket["program"],
                &socket["user"],
                &socket["inode"]
            ),
            (
                &json!("ESTABLISHED"),
                &json!("sshd"),
                &json!("5"),
                &json!("99")
            )
        );
    }

    #[test]
    fn neighbours_are_read() {
        let text = "10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE\nfe80::1 dev eth0 lladdr 02:00:00:00:00:02 router STALE\n10.0.0.9 dev eth0 FAILED\n";
        assert_eq!(
            json!(of_ip(text, '.')),
            json!({"02:00:00:00:00:01": "10.0.0.1"})
        );
        assert_eq!(
            json!(of_ip(text, ':')),
            json!({"02:00:00:00:00:02": "fe80::1"})
        );
    }
}
