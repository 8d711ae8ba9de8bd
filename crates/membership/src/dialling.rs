//! Dialling a parent by name: every address of it in turn.

use std::fmt;
use std::net::SocketAddr;

use link::{DialError, Endpoint, Session};

/// A parent as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentAddress {
    /// A name or an address.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

impl fmt::Display for ParentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Dials a parent. The name is looked up anew each time, so that a parent may move.
///
/// # Errors
/// [`DialError`] of the last address that was tried.
pub async fn dial(endpoint: &Endpoint, parent: &ParentAddress) -> Result<Session, DialError> {
    let unreachable = |text: String| DialError::Unreachable(text);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((parent.host.as_str(), parent.port))
        .await
        .map_err(|e| unreachable(format!("{parent}: {e}")))?
        .collect();
    let own_v4 = endpoint.local_addr().is_ok_and(|own| own.is_ipv4());
    let mut last = unreachable(format!("{parent} has no address"));
    for address in addresses
        .into_iter()
        .filter(|address| address.is_ipv4() || !own_v4)
    {
        match endpoint.dial(address).await {
            Ok(session) => return Ok(session),
            Err(error) => last = error,
        }
    }
    Err(last)
}
