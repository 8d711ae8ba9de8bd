//! IP networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are not routed in the internet, as Python's `ipaddress` lists them.
const PRIVATE: [&str; 21] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/29",
    "192.0.0.170/31",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2001:10::/28",
    "fc00::/7",
    "fe80::/10",
];

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    address: IpAddr,
    prefix: u32,
}

impl Net {
    /// `None` when the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u32) -> Option<Net> {
        (prefix <= bits(address)).then_some(Net { address, prefix })
    }

    /// Reads `address`, `address/prefix` or `address/netmask`.
    pub fn parse(text: &str) -> Option<Net> {
        let Some((address, prefix)) = text.split_once('/') else {
            let address: IpAddr = text.parse().ok()?;
            return Net::new(address, bits(address));
        };
        let prefix = match prefix.parse::<u32>() {
            Ok(prefix) => prefix,
            Err(_) => {
                let mask = u32::from(prefix.parse::<Ipv4Addr>().ok()?);
                (mask.leading_ones() == mask.count_ones()).then_some(mask.leading_ones())?
            }
        };
        Net::new(address.parse().ok()?, prefix)
    }

    /// The address itself, which need not be the first one of the network.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Length of the prefix in bits.
    pub fn prefix(&self) -> u32 {
        self.prefix
    }

    /// The mask of the prefix.
    pub fn netmask(&self) -> IpAddr {
        let host = bits(self.address) - self.prefix;
        match self.address {
            IpAddr::V4(_) => Ipv4Addr::from(u32::MAX.checked_shl(host).unwrap_or_default()).into(),
            IpAddr::V6(_) => Ipv6Addr::from(u128::MAX.checked_shl(host).unwrap_or_default()).into(),
        }
    }

    /// The last address, which is the broadcast address with IPv4.
    pub fn last(&self) -> IpAddr {
        match (self.address, self.netmask()) {
            (IpAddr::V4(address), IpAddr::V4(mask)) => {
                Ipv4Addr::from(u32::from(address) | !u32::from(mask)).into()
            }
            (IpAddr::V6(address), IpAddr::V6(mask)) => {
                Ipv6Addr::from(u128::from(address) | !u128::from(mask)).into()
            }
            (address, _) => address,
        }
    }

    /// How many addresses it has; a number beyond 64 bits as the float that is next.
    pub fn count(&self) -> serde_json::Value {
        let host = bits(self.address) - self.prefix;
        match 1u64.checked_shl(host) {
            Some(count) => count.into(),
            None => 2f64.powi(host.cast_signed()).into(),
        }
    }

    /// The same network at its first address.
    pub fn network(&self) -> Net {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or_default();
                IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or_default();
                IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
            }
        };
        Net {
            address,
            prefix: self.prefix,
        }
    }

    /// Whether an address is of the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Net {
                address,
                prefix: self.prefix,
            }
            .network()
                == self.network()
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", text(self.address), self.prefix)
    }
}

/// An address as Python writes it: one of IPv4 inside of IPv6 is written like all others.
pub fn text(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            let [.., high, low] = v6.segments();
            format!("::ffff:{high:x}:{low:x}")
        }
        other => other.to_string(),
    }
}

/// Whether an address is not routed in the internet.
pub fn is_private(address: IpAddr) -> bool {
    let address = address.to_canonical();
    PRIVATE
        .iter()
        .filter_map(|net| Net::parse(net))
        .any(|net| net.contains(address))
}

/// The name of an address below `in-addr.arpa` or `ip6.arpa`.
pub fn reverse_name(address: IpAddr) -> String {
    let (parts, zone): (Vec<String>, _) = match address {
        IpAddr::V4(address) => (
            address.octets().iter().map(u8::to_string).collect(),
            "in-addr",
        ),
        IpAddr::V6(address) => {
            let digits = format!("{:032x}", u128::from(address));
            (digits.chars().map(String::from).collect(), "ip6")
        }
    };
    let reversed: Vec<String> = parts.into_iter().rev().collect();
    format!("{}.{zone}.arpa", reversed.join("."))
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        let check = |text: &str, expected: Option<&str>| {
            let found = Net::parse(text).map(|net| net.network().to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("10.1.2.3/8", Some("10.0.0.0/8"));
        check("10.1.2.3", Some("10.1.2.3/32"));
        check("10.1.2.3/0", Some("0.0.0.0/0"));
        check("10.1.2.3/255.255.0.0", Some("10.1.0.0/16"));
        check("10.1.2.3/255.0.255.0", None);
        check("10.1.2.3/33", None);
        check("2001:db8::1/32", Some("2001:db8::/32"));
        check("::1/0", Some("::/0"));
        check("x/8", None);
        check("::ffff:10.0.0.1/128", Some("::ffff:a00:1/128"));
        assert!(PRIVATE.iter().all(|net| Net::parse(net).is_some()));
        assert!(
            is_private("::ffff:10.0.0.1".parse().unwrap())
                && !is_private("2600::1".parse().unwrap())
        );
        assert!(
            !Net::parse("0.0.0.0/0")
                .unwrap()
                .contains("::1".parse().unwrap())
        );
    }
}
