//! Where a database is.

use std::fmt;
use std::path::PathBuf;

use crate::Dialect;

/// A database, and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Whose tables.
    pub dialect: Dialect,
    /// Where it answers; of a cluster its nodes, in the order in which they are tried. At least one.
    pub hosts: Vec<Host>,
    /// The user.
    pub user: String,
    /// Its password. Never printed.
    pub password: String,
    /// The name of the database.
    pub database: String,
    /// Protection of the way there.
    pub tls: Tls,
}

/// One place where a database answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name or address; for PostgreSQL also the directory of its socket.
    pub name: String,
    /// Its TCP port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Host { name, port } = self;
        if name.contains(':') {
            write!(f, "[{name}]:{port}")
        } else {
            write!(f, "{name}:{port}")
        }
    }
}

/// TLS of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PostgreSQL's word for how much is asked for (`sslmode`).
    pub mode: Option<String>,
    /// Certificates that the server's has to follow from; given alone, it has to be right in name as well.
    pub ca: Option<PathBuf>,
    /// The certificate of this client.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server {
            user,
            hosts,
            database,
            ..
        } = self;
        let hosts: Vec<String> = hosts.iter().map(Host::to_string).collect();
        let hosts = hosts.join(",");
        write!(f, "{:?} {user}@{hosts}/{database}", self.dialect)
    }
}
