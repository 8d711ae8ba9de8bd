//! What the kernel did to our packets.

use std::{fs, io};

/// UDP packets that the kernel dropped since boot because a socket's receive buffer was full, over IPv4 and IPv6
/// and all sockets of the host's network namespace. When this rises, the receive buffer is too small.
///
/// # Errors
/// When `/proc/net/snmp` can't be read. A missing `/proc/net/snmp6` means that the host has no IPv6.
pub fn udp_receive_drops() -> io::Result<u64> {
    let v4 = drops_in_snmp(&fs::read_to_string("/proc/net/snmp")?);
    let v6 = match fs::read_to_string("/proc/net/snmp6") {
        Ok(text) => drops_in_snmp6(&text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(e) => return Err(e),
    };
    Ok(v4 + v6)
}

/// `/proc/net/snmp` has two lines for each protocol: names, and values in the same columns.
fn drops_in_snmp(text: &str) -> u64 {
    let mut udp = text.lines().filter(|line| line.starts_with("Udp: "));
    let (Some(names), Some(values)) = (udp.next(), udp.next()) else {
        return 0;
    };
    let mut columns = names.split_whitespace().zip(values.split_whitespace());
    columns
        .find(|(name, _)| *name == "RcvbufErrors")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

/// `/proc/net/snmp6` has one line for each counter.
fn drops_in_snmp6(text: &str) -> u64 {
    let value = |line: &str| line.strip_prefix("Udp6RcvbufErrors")?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "\
Ip: Forwarding DefaultTTL
Ip: 1 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 318 1 7 319 3900 2 3 4 5
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
UdpLite: 9 9 9 9 9 9 9 9 9
";
    const SNMP6: &str = "\
Udp6InErrors                    \t8
Udp6RcvbufErrors                \t42
UdpLite6RcvbufErrors            \t9
";

    #[test]
    fn counters_are_found_by_name() {
        assert_eq!(drops_in_snmp(SNMP), 3_900);
        assert_eq!(drops_in_snmp6(SNMP6), 42);
    }

    #[test]
    fn what_is_missing_counts_nothing() {
        for text in [
            "",
            "Udp: a b\n",
            "Udp: RcvbufErrors\nUdp: x\n",
            "Udp6RcvbufErrors x",
        ] {
            assert_eq!(
                (drops_in_snmp(text), drops_in_snmp6(text)),
                (0, 0),
                "{text}"
            );
        }
    }

    #[test]
    fn this_host_has_the_counters() {
        udp_receive_drops().unwrap();
    }
}
