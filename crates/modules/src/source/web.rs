//! Files from web servers, with the certificates that this host trusts and the proxies that its environment names. A proxy is asked for a
//! tunnel to the server, for http too.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use super::{Wish, proxy, url};
use crate::context::Context;
use crate::digest::{self, Algorithm};
use crate::failure::{Failure, os_text};

/// How long a connection may take to be made, in seconds; `http_connect_timeout` says otherwise.
const CONNECT_TIMEOUT: f64 = 20.0;

/// How long a whole file may take, in seconds; `http_request_timeout` says otherwise.
const REQUEST_TIMEOUT: f64 = 3600.0;

/// Redirections that are followed.
const REDIRECTS_MAX: u32 = 10;

/// Bytes that are read at once; between two reads a cancel is heard.
const CHUNK: usize = 64 << 10;

/// Where distributions keep the certificates that a host trusts.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Fetches a URL into the cache, unless the copy there has the wished hash.
pub(super) fn fetch(
    ctx: &dyn Context,
    address: &str,
    saltenv: &str,
    wish: Wish<'_>,
) -> Result<PathBuf, Failure> {
    let place = url::place(ctx.cache_dir(), address, saltenv).ok_or_else(|| {
        let shown = url::redacted(address);
        Failure::invocation(format!("'{shown}' has no place in the cache"))
    })?;
    let has_hash = |wanted: &str| {
        Algorithm::by_length(wanted.len()).is_some_and(|(_, algorithm)| {
            digest::of_file(algorithm, &place, 1 << 18)
                .is_ok_and(|found| found.eq_ignore_ascii_case(wanted))
        })
    };
    if wish.hash.is_some_and(has_hash) {
        return Ok(place);
    }
    let directory = place.parent().unwrap_or(Path::new("/"));
    let failed =
        |error: io::Error| Failure::command(format!("{}: {}", place.display(), os_text(&error)));
    fs::create_dir_all(directory).map_err(failed)?;
    let mut part = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    download(ctx, address, wish, part.as_file_mut()).map_err(|text| {
        Failure::command(format!("Error: {text} reading {}", url::path_of(address)))
    })?;
    part.persist(&place).map_err(|error| failed(error.error))?;
    Ok(place)
}

/// Whether a server has something at a URL.
pub(super) fn exists(ctx: &dyn Context, address: &str) -> bool {
    let (address, login) = url::without_login(address);
    let Ok(agent) = agent(ctx, &address, false) else {
        return false;
    };
    let mut request = agent.head(&address);
    if let Some(login) = login {
        request = request.header("Authorization", basic(&login));
    }
    request
        .call()
        .is_ok_and(|response| response.status().is_success())
}

fn download(ctx: &dyn Context, address: &str, wish: Wish<'_>, to: &mut File) -> Result<(), String> {
    let (address, login) = url::without_login(address);
    let mut request = agent(ctx, &address, wish.accepts_any_certificate)?.get(&address);
    if let Some(login) = login {
        request = request.header("Authorization", basic(&login));
    }
    let response = request.call().map_err(|error| error.to_string())?;
    let status = response.status();
    if !status.is_success() {
        let reason = status.canonical_reason().unwrap_or("Unknown");
        return Err(format!("HTTP {}: {reason}", status.as_u16()));
    }
    let mut body = response.into_body().into_reader();
    let mut chunk = vec![0; CHUNK];
    loop {
        if wish.cancel.is_some_and(|cancel| cancel.is_cancelled()) {
            return Err("the job was cancelled".to_owned());
        }
        match body.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => to
                .write_all(&chunk[..count])
                .map_err(|error| os_text(&error))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn basic((user, password): &(String, String)) -> String {
    let login = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
    format!("Basic {login}")
}

fn agent(ctx: &dyn Context, address: &str, accepts_any_certificate: bool) -> Result<Agent, String> {
    let seconds = |key: &str, usual: f64| {
        let said = ctx.config(key).as_ref().and_then(Value::as_f64);
        let seconds = said.filter(|seconds| (0.001..1e6).contains(seconds));
        Some(Duration::from_secs_f64(seconds.unwrap_or(usual)))
    };
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(trusted(ctx)?)))
        .disable_verification(accepts_any_certificate)
        .build();
    let proxy = match proxy::chosen(address, |name| std::env::var(name).ok()) {
        Some(proxy) => {
            let proxy = Proxy::new(&proxy)
                .map_err(|error| format!("the proxy of the environment: {error}"))?;
            Some(proxy)
        }
        None => None,
    };
    let config = Agent::config_builder()
        .proxy(proxy)
        .tls_config(tls)
        .timeout_connect(seconds("http_connect_timeout", CONNECT_TIMEOUT))
        .timeout_global(seconds("http_request_timeout", REQUEST_TIMEOUT))
        .max_redirects(REDIRECTS_MAX)
        .http_status_as_error(false)
        .user_agent(format!("banyan/{}", ctx.version()))
        .build();
    Ok(config.into())
}

/// The certificates of authorities that this host trusts: those of `ca_bundle` in the configuration, of `SSL_CERT_FILE`, or of the
/// distribution. Without any, no server over https is believed.
fn trusted(ctx: &dyn Context) -> Result<Vec<Certificate<'static>>, String> {
    let configured = ctx
        .config("ca_bundle")
        .and_then(|path| path.as_str().map(PathBuf::from));
    let named = configured.or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
    let bundle = match named {
        Some(path) => {
            fs::read(&path).map_err(|error| format!("{}: {}", path.display(), os_text(&error)))?
        }
        None => BUNDLES
            .iter()
            .find_map(|path| fs::read(path).ok())
            .unwrap_or_default(),
    };
    Ok(ureq::tls::parse_pem(&bundle)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::sync::Mutex;

    /// Answers on loopback: `/x` with text, `/moved` by leading there, `/private` to who knows the password, all else with 404. The first line
    /// of each request is noted.
    fn server() -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let is_known = head.iter().any(|line| {
                    line == "authorization: Basic dTpw" || line == "Authorization: Basic dTpw"
                });
                let path = head[0].split(' ').nth(1).unwrap().to_owned();
                noted.lock().unwrap().push(head[0].clone());
                let (status, more) = match path.as_str() {
                    "/x" => ("200 OK", ""),
                    "/moved" => ("302 Found", "Location: /x\r\n"),
                    "/private" if is_known => ("200 OK", ""),
                    "/private" => ("401 Unauthorized", ""),
                    _ => ("404 Not Found", ""),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: 3\r\nConnection: close\r\n{more}\r\nabc"
                );
                // Who asks for the head only may be gone.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        (format!("http://{address}"), requests)
    }

    #[test]
    fn files_come_from_servers() {
        let (server, requests) = server();
        let host = Host::new();
        let get = |path: &str, wish: Wish<'_>| {
            let address = format!("{server}/{path}");
            fetch(&host, &address, "base", wish).map_err(|failure| failure.to_string())
        };
        let place = get("x", Wish::default()).unwrap();
        assert!(place.starts_with(host.path("cache/extrn_files/base")));
        assert_eq!(fs::read_to_string(&place).unwrap(), "abc");
        assert_eq!(requests.lock().unwrap().len(), 1);
        let hash = Wish {
            hash: Some("900150983cd24fb0d6963f7d28e17f72"),
            ..Wish::default()
        };
        get("x", hash).unwrap();
        assert_eq!(
            requests.lock().unwrap().len(),
            1,
            "a copy with the hash is not fetched again"
        );
        let moved = get("moved", Wish::default()).unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "abc");
        assert_eq!(
            get("none", Wish::default()).unwrap_err(),
            "Error: HTTP 404: Not Found reading /none"
        );
        assert!(!host.dir.path().join("cache/extrn_files/base/none").exists());
        assert!(get("private", Wish::default()).is_err());
        let with_login = server.replace("http://", "http://u:p@") + "/private";
        assert!(fetch(&host, &with_login, "base", Wish::default()).is_ok());
        assert!(exists(&host, &format!("{server}/x")) && !exists(&host, &format!("{server}/none")));
        let cancelled = crate::Cancel::new();
        cancelled.cancel(crate::CancelKind::Term);
        let wish = Wish {
            cancel: Some(&cancelled),
            ..Wish::default()
        };
        assert!(get("x", wish).unwrap_err().contains("cancelled"));
        assert!(fetch(&host, "http://127.0.0.1:1/x", "base", Wish::default()).is_err());
    }
}
