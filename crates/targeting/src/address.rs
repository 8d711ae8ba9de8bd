//! Addresses and networks, as Salt's `ipcidr` has them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

/// A network, or an address as a network of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    address: IpAddr,
    /// Bits of the address that count.
    length: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.1.2.3`, `2001:db8::/32` or `2001:db8::1`. The error says what is wrong.
    pub(crate) fn new(text: &str) -> Result<Network, String> {
        let invalid = || format!("`{text}` is neither an address nor a network");
        let (address, length) = text
            .split_once('/')
            .map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let (bits, width) = bits(address);
        let length = match length {
            None => width,
            Some(length) => length_of(length, address).ok_or_else(invalid)?,
        };
        let network = Network { address, length };
        if network.prefix(bits) != bits {
            return Err(format!(
                "`{text}` has bits of an address beyond its network"
            ));
        }
        Ok(network)
    }

    /// Whether one of the addresses of a minion, by its grains `ipv4` or `ipv6`, lies in the network.
    pub(crate) fn matches(&self, grains: &Value) -> bool {
        let grain = if self.address.is_ipv4() {
            "ipv4"
        } else {
            "ipv6"
        };
        match grains.get(grain) {
            Some(Value::Array(own)) => own.iter().any(|address| self.holds(address)),
            Some(address) => self.holds(address),
            None => false,
        }
    }

    fn holds(&self, address: &Value) -> bool {
        let address: Option<IpAddr> = address.as_str().and_then(|text| text.parse().ok());
        address.is_some_and(|address| {
            address.is_ipv4() == self.address.is_ipv4()
                && self.prefix(bits(address).0) == bits(self.address).0
        })
    }

    /// The bits that count, and zeros.
    fn prefix(&self, bits: u128) -> u128 {
        let drop = self::bits(self.address).1 - self.length;
        let kept = bits.checked_shr(drop).unwrap_or(0);
        kept.checked_shl(drop).unwrap_or(0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == bits(self.address).1 {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.length)
        }
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// A length in bits; for IPv4 also as a mask of the network or of its hosts.
fn length_of(text: &str, address: IpAddr) -> Option<u32> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let width = bits(address).1;
        return text.parse().ok().filter(|length| *length <= width);
    }
    let mask = match address {
        IpAddr::V4(_) => text.parse::<Ipv4Addr>().ok()?.to_bits(),
        IpAddr::V6(_) => return None,
    };
    // A mask of the network begins with ones, one of its hosts with zeros.
    [mask, !mask]
        .into_iter()
        .find(|mask| mask.leading_ones() + mask.trailing_zeros() == 32)
        .map(u32::leading_ones)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Network;

    #[test]
    fn finds_addresses_of_grains() {
        let grains = json!({
            "ipv4": ["127.0.0.1", "10.1.2.3", 7, "x"], "ipv6": ["::1", "fe80::1"],
        });
        let check = |text: &str, shown: &str, expected: bool| {
            let network = Network::new(text);
            let network = network.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(network.to_string(), shown);
            assert_eq!(network.matches(&grains), expected, "{text}");
        };
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.4", "10.1.2.4", false);
        check("10.1.2.3/32", "10.1.2.3", true);
        check("10.1.0.0/16", "10.1.0.0/16", true);
        check("10.2.0.0/16", "10.2.0.0/16", false);
        check("10.1.0.0/255.255.0.0", "10.1.0.0/16", true);
        check("10.1.0.0/0.0.255.255", "10.1.0.0/16", true);
        check("0.0.0.0/0", "0.0.0.0/0", true);
        check("0.0.0.0/0.0.0.0", "0.0.0.0/0", true);
        check("fe80::/10", "fe80::/10", true);
        check("FE80:0::1", "fe80::1", true);
        check("2001:db8::/32", "2001:db8::/32", false);
        check("::/0", "::/0", true);
        // A grain that is one text, and none at all.
        let one = Network::new("10.0.0.0/8").map(|network| {
            let text = network.matches(&json!({"ipv4": "10.9.9.9"}));
            (text, network.matches(&json!({"ipv6": ["10.9.9.9"]})))
        });
        assert_eq!(one, Ok((true, false)));
    }

    #[test]
    fn refuses_what_is_no_network() {
        for text in [
            "",
            "x",
            "10.1",
            "10.1.2.3/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.255.0",
            "fe80::1%eth0",
            "fe80::/129",
            "fe80::/ffff::",
            "10.0.0.0 /8",
        ] {
            assert!(Network::new(text).is_err(), "{text}");
        }
    }
}
