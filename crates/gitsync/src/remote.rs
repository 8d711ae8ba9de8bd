//! Which remote, and how to get in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// Longer than any URL a hosting service gives out.
const URL_BYTES_MAX: usize = 2_048;

/// A git remote.
#[derive(Debug, Clone)]
pub struct Remote {
    /// `https://host/path`, `ssh://user@host/path`, `user@host:path`, `file:///path` or an absolute path.
    pub url: String,
    /// The credentials.
    pub auth: Auth,
    /// PEM certificates to trust beside the system's, for https. Once used they count for every remote of this process.
    pub ca_file: Option<PathBuf>,
    /// How long a whole fetch may take.
    pub timeout: Duration,
}

impl Remote {
    /// Default of [`Remote::timeout`]: 10 minutes.
    pub const TIMEOUT: Duration = Duration::from_secs(600);

    /// A remote without credentials, with the default time limit.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            auth: Auth::None,
            ca_file: None,
            timeout: Self::TIMEOUT,
        }
    }
}

/// Credentials for a remote.
#[derive(Clone, Default)]
pub enum Auth {
    /// None: the remote is public or local.
    #[default]
    None,
    /// An ssh key, for ssh remotes.
    SshKey(SshKey),
    /// A user and a password or token, for https remotes.
    Password {
        /// The user name.
        user: String,
        /// The password or token.
        password: String,
    },
}

/// An ssh key and the host keys it may be shown to.
#[derive(Clone)]
pub struct SshKey {
    /// The file with the private key.
    pub private: PathBuf,
    /// The file with the public key, where the private key does not hold it.
    pub public: Option<PathBuf>,
    /// The passphrase of the private key.
    pub passphrase: Option<String>,
    /// The user, for a URL that names none; without it `git`.
    pub user: Option<String>,
    /// Which host keys are right.
    pub host_keys: HostKeys,
}

/// The host keys that an ssh remote may have. There is no way to accept any.
#[derive(Debug, Clone)]
pub enum HostKeys {
    /// A file in the format of OpenSSH's `known_hosts`. Certificate authorities and wildcards in it are not used.
    KnownHosts(PathBuf),
    /// Fingerprints as `ssh-keygen -l` prints them, such as `SHA256:jXM7...`.
    Fingerprints(Vec<String>),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::SshKey(key) => fmt::Debug::fmt(key, f),
            Self::Password { user, .. } => f
                .debug_struct("Password")
                .field("user", user)
                .finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SshKey");
        shown
            .field("private", &self.private)
            .field("user", &self.user)
            .field("host_keys", &self.host_keys);
        shown.finish_non_exhaustive()
    }
}

/// What a URL says, once it is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Local,
    Https,
    Ssh { host: String, port: u16 },
}

/// Checks a URL against what a mirror may fetch from.
pub(crate) fn parse(url: &str) -> Result<Place, Error> {
    place(url).map_err(|reason| Error::Url {
        url: without_password(url),
        reason,
    })
}

fn place(url: &str) -> Result<Place, &'static str> {
    if url.is_empty() {
        return Err("it is empty");
    }
    if url.len() > URL_BYTES_MAX {
        return Err("it is too long");
    }
    if url.starts_with('-') {
        return Err("it starts with `-`, like an option");
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it contains white space or control characters");
    }
    if url.starts_with('/') {
        return Ok(Place::Local);
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return scp_like(url);
    };
    match scheme {
        "file" if rest.starts_with('/') => Ok(Place::Local),
        "file" => Err("a file URL needs an absolute path: file:///path"),
        "https" => {
            let (_, user, password) = authority(rest)?;
            match (user, password) {
                (_, true) => Err("a password does not belong in a URL; configure it beside"),
                _ => Ok(Place::Https),
            }
        }
        "ssh" => match authority(rest)? {
            (_, _, true) => Err("a password does not belong in a URL; use a key"),
            ((host, port), _, false) => Ok(Place::Ssh {
                host,
                port: port.unwrap_or(22),
            }),
        },
        "http" | "git" => Err("it is neither encrypted nor authenticated; use https or ssh"),
        _ => Err("its scheme is none of https, ssh and file"),
    }
}

/// `[user@]host:path`.
fn scp_like(url: &str) -> Result<Place, &'static str> {
    let (before, path) = url
        .split_once(':')
        .ok_or("it is neither a URL nor an absolute path")?;
    if path.starts_with(':') {
        return Err("helper programs (`name::`) are never run");
    }
    if path.is_empty() || path.starts_with('-') {
        return Err("its path is missing or starts with `-`");
    }
    match authority(before)? {
        ((host, None), _, false) => Ok(Place::Ssh { host, port: 22 }),
        _ => Err("it is neither a URL nor an absolute path"),
    }
}

type HostAndPort = (String, Option<u16>);

/// Splits `[user[:password]@]host[:port][/path]`; tells whether there are a user and a password.
fn authority(text: &str) -> Result<(HostAndPort, bool, bool), &'static str> {
    let text = text.split('/').next().unwrap_or_default();
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, text),
    };
    if user.is_some_and(|user| user.is_empty() || user.starts_with('-')) {
        return Err("its user is empty or starts with `-`");
    }
    let bad_port = "its port is not a number up to 65535";
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, Some(port.parse().map_err(|_| bad_port)?))
        }
        _ => (host, None),
    };
    let name = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host);
    let bracketed = name.len() != host.len();
    let allowed = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (bracketed && c == ':')
    };
    if name.is_empty() || name.starts_with('-') || !name.chars().all(allowed) {
        return Err("its host is not a host name or address");
    }
    let password = user.is_some_and(|user| user.contains(':'));
    Ok(((name.to_owned(), port), user.is_some(), password))
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    let shown: String = url
        .chars()
        .take(200)
        .flat_map(char::escape_default)
        .collect();
    let (scheme, rest) = shown.split_once("://").unwrap_or(("", &shown));
    match rest.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            format!(
                "{scheme}://{}:***@{host}",
                user.split(':').next().unwrap_or_default()
            )
        }
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(host: &str, port: u16) -> Option<Place> {
        Some(Place::Ssh {
            host: host.to_owned(),
            port,
        })
    }

    fn check(url: &str, expected: Option<Place>) {
        assert_eq!(parse(url).ok(), expected, "{url}");
    }

    #[test]
    fn usual_remotes_are_allowed() {
        check("/srv/git/roots.git", Some(Place::Local));
        check("file:///srv/git/roots.git", Some(Place::Local));
        check("https://git.example.com/ops/roots.git", Some(Place::Https));
        check("https://git.example.com:8443/roots", Some(Place::Https));
        check("https://deploy@git.example.com/roots", Some(Place::Https));
        check("https://[2001:db8::1]:443/roots", Some(Place::Https));
        check(
            "ssh://git@git.example.com/roots",
            ssh("git.example.com", 22),
        );
        check("ssh://git@[::1]:2222/roots", ssh("::1", 2222));
        check(
            "git@git.example.com:ops/roots.git",
            ssh("git.example.com", 22),
        );
        check("git.example.com:roots", ssh("git.example.com", 22));
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "",
            "-oProxyCommand=x",
            "--upload-pack=x",
            "ext::sh -c x",
            "ext::sh",
            "fd::17",
            "git://host/x",
            "http://host/x",
            "ftp://host/x",
            "relative/path",
            "./x",
            "file://host/x",
            "file://x",
            "https:///x",
            "https://-x/y",
            "https://ho st/x",
            "https://host\n/x",
            "ssh://-oProxyCommand=x/y",
            "ssh://-x@host/y",
            "ssh://host:port/x",
            "ssh://host:65536/x",
            "git@host:",
            "git@host:-x",
            "git@-host:x",
            "@host:x",
            "https://u:p@host/x",
            "ssh://u:p@host/x",
            "HTTPS://host/x",
            "transport::https://host/x",
            "https://ho%73t/x",
        ] {
            check(url, None);
        }
        check(&format!("https://host/{}", "x".repeat(URL_BYTES_MAX)), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let error = parse("https://user:hunter2@host/x")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("https://user:***@host/x") && !error.contains("hunter2"),
            "{error}"
        );
        let key = SshKey {
            private: "/k".into(),
            public: None,
            passphrase: Some("hunter2".into()),
            user: None,
            host_keys: HostKeys::Fingerprints(vec![]),
        };
        let password = Auth::Password {
            user: "u".into(),
            password: "hunter2".into(),
        };
        let shown = format!("{:?} {:?}", Auth::SshKey(key), password);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
