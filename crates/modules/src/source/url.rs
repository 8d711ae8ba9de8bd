//! Pieces of URLs, as Python's `urlparse` cuts them.

use std::path::{Path, PathBuf};

use crate::digest::{self, Algorithm};

/// Longest path below a host that is a name in the cache; a longer one is known by its hash.
const NAME_MAX: usize = 200;

/// The scheme of a source; empty for a path.
pub(crate) fn scheme(source: &str) -> &str {
    let Some((scheme, _)) = source.split_once(':') else {
        return "";
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if is_scheme { scheme } else { "" }
}

/// What follows the scheme: host, path and query.
fn parts(source: &str) -> (&str, &str, &str) {
    let rest = match scheme(source) {
        "" => source,
        scheme => &source[scheme.len() + 1..],
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    match rest.strip_prefix("//") {
        Some(rest) => match rest.find('/') {
            Some(at) => (&rest[..at], &rest[at..], query),
            None => (rest, "", query),
        },
        None => ("", rest, query),
    }
}

/// The host of a URL, with the port and whatever login is in it.
pub(super) fn host_of(source: &str) -> &str {
    parts(source).0
}

/// The path of a source, or its host when it has no path.
pub(crate) fn path_of(source: &str) -> &str {
    match parts(source) {
        (host, "", _) => host,
        (_, path, _) => path,
    }
}

/// Host and path together, as Salt names a source of this host: `file:///a` is `/a`.
pub(crate) fn local_path(source: &str) -> String {
    let (host, path, _) = parts(source);
    let joined = match host {
        _ if path.starts_with('/') || host.is_empty() => path.to_owned(),
        host => format!("{host}/{path}"),
    };
    joined.trim_end_matches('/').to_owned()
}

/// A URL without the name and password in it, for messages.
pub(crate) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((_, rest)) if scheme.starts_with("http") => format!("{scheme}://<redacted>@{rest}"),
        _ => url.to_owned(),
    }
}

/// A URL without name and password, and both apart.
pub(crate) fn without_login(url: &str) -> (String, Option<(String, String)>) {
    let (host, ..) = parts(url);
    let Some((login, bare)) = host.rsplit_once('@') else {
        return (url.to_owned(), None);
    };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let login = (unescaped(user), unescaped(password));
    (url.replacen(host, bare, 1), Some(login))
}

/// Text with `%41` read as `A`.
fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where what a URL gives is kept below the cache directory; `None` when its path leaves the place of its host.
pub(crate) fn place(cache_dir: &Path, url: &str, saltenv: &str) -> Option<PathBuf> {
    let (host, path, query) = parts(url);
    let host = host.rsplit('@').next().unwrap_or_default().replace(':', "");
    let name = match query {
        "" => path.to_owned(),
        query => format!("{path}-{query}"),
    };
    let is_inside = !host.is_empty()
        && host != ".."
        && host != "."
        && !saltenv
            .split('/')
            .chain(name.split('/'))
            .any(|part| part == "..");
    let name = if name.len() > NAME_MAX {
        digest::of_bytes(Algorithm::Sha256, name.as_bytes())
    } else {
        name.trim_start_matches('/').to_owned()
    };
    is_inside.then(|| {
        cache_dir
            .join("extrn_files")
            .join(saltenv)
            .join(host)
            .join(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_cut() {
        assert_eq!(scheme("https://a/b"), "https");
        assert_eq!(scheme("/a:b"), "");
        assert_eq!(scheme("md5=0"), "");
        assert_eq!(path_of("https://host/a/b.tar?x=1#y"), "/a/b.tar");
        assert_eq!(path_of("salt://motd"), "motd");
        assert_eq!(local_path("file:///etc/motd"), "/etc/motd");
        assert_eq!(redacted("https://u:p@h/x"), "https://<redacted>@h/x");
        assert_eq!(redacted("/etc/a@b"), "/etc/a@b");
        let login = Some(("u".to_owned(), "p@".to_owned()));
        assert_eq!(
            without_login("http://u:p%40@h:80/x@y"),
            ("http://h:80/x@y".to_owned(), login)
        );
        assert_eq!(without_login("http://h/x"), ("http://h/x".to_owned(), None));
    }

    #[test]
    fn urls_have_places() {
        let check = |url: &str, expected: Option<&str>| {
            let found = place(Path::new("/c"), url, "base");
            assert_eq!(found.as_deref(), expected.map(Path::new), "{url}");
        };
        check(
            "https://u:p@host:8443/a/b.tar",
            Some("/c/extrn_files/base/host8443/a/b.tar"),
        );
        check("http://host/a?v=1", Some("/c/extrn_files/base/host/a-v=1"));
        check("http://host/../../etc/passwd", None);
        let long = format!("http://host/{}", "x".repeat(300));
        assert!(
            place(Path::new("/c"), &long, "base")
                .unwrap()
                .to_str()
                .unwrap()
                .len()
                < 120
        );
    }
}
