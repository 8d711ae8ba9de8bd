//! The address of another host as it is typed.

use std::fmt;
use std::net::Ipv6Addr;

/// Longest name that DNS knows, in characters.
const HOST_CHARS_MAX: usize = 253;

/// A host name or an address, and a port. Names are resolved when they are dialled, each time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Why a text is no [`HostPort`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    /// What stands before the port is no name and no address.
    #[error("{0:?} is neither a host name nor an address")]
    Host(String),
    /// What stands after the colon is no port.
    #[error("{0:?} is not a port: use 1 to 65535")]
    Port(String),
}

impl HostPort {
    /// Reads `name`, `name:port`, `192.0.2.1:port`, `2001:db8::1` or `[2001:db8::1]:port`.
    ///
    /// # Errors
    /// [`HostPortError`] for anything else.
    pub fn parse(text: &str, default_port: u16) -> Result<HostPort, HostPortError> {
        let v6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
        let (host, port) = if v6(text) {
            (text, None)
        } else if let Some(rest) = text.strip_prefix('[') {
            match rest.split_once(']') {
                Some((host, "")) if v6(host) => (host, None),
                Some((host, port)) if v6(host) => {
                    (host, Some(port.strip_prefix(':').unwrap_or(port)))
                }
                _ => return Err(HostPortError::Host(text.to_owned())),
            }
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let name = |host: &str| {
            !host.is_empty()
                && host.len() <= HOST_CHARS_MAX
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        if !v6(host) && !name(host) {
            return Err(HostPortError::Host(host.to_owned()));
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(HostPortError::Port(port.to_owned())),
            },
        };
        Ok(HostPort {
            host: host.to_owned(),
            port,
        })
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_or_without_a_port() {
        for (text, expected) in [
            ("hub", "hub:4510"),
            ("hub.example.org:99", "hub.example.org:99"),
            ("192.0.2.1", "192.0.2.1:4510"),
            ("2001:db8::1", "[2001:db8::1]:4510"),
            ("[2001:db8::1]", "[2001:db8::1]:4510"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
        ] {
            let parsed = HostPort::parse(text, 4510).unwrap();
            assert_eq!(parsed.to_string(), expected);
            assert_eq!(HostPort::parse(expected, 1).unwrap(), parsed);
        }
        for text in [
            "",
            ":99",
            "a b",
            "hub:",
            "hub:0",
            "hub:65536",
            "hub:x",
            "[hub]:1",
            "[::1",
            "tcp://hub",
            "a:1:2",
        ] {
            assert!(HostPort::parse(text, 4510).is_err(), "{text:?}");
        }
    }
}
