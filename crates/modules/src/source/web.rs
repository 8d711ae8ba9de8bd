//! Files from web servers, with the certificates that this host trusts and the proxies that its environment names.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use super::{Wish, url};
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
    let Ok(agent) = agent(ctx, false) else {
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
    let mut request = agent(ctx, wish.accepts_any_certificate)?.get(&address);
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

fn agent(ctx: &dyn Context, accepts_any_certificate: bool) -> Result<Agent, String> {
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
    let config = Agent::config_builder()
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
