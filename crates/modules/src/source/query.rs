//! One question to a web server, and its answer.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use ureq::http::{Request, Response};
use ureq::tls::{ClientCert, PemItem};
use ureq::{Body, Error, Timeout};

use super::url;
use super::web::{Trust, agent, basic};
use crate::cancel::Cancel;
use crate::context::Context;
use crate::failure::os_text;

/// Most bytes of an answer; it is kept in memory and becomes part of a return.
const BODY_MAX: u64 = 16 << 20;

/// The status that stands for a time that has run out.
const TIMED_OUT: u16 = 599;

/// A question.
#[derive(Default)]
pub(crate) struct Query {
    pub(crate) method: String,
    /// May hold a login.
    pub(crate) address: String,
    /// A later one replaces an earlier one of its name.
    pub(crate) headers: Vec<(String, String)>,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Take any certificate of a server.
    pub(crate) accepts_any_certificate: bool,
    /// A file with the certificates of authorities, instead of those of the host.
    pub(crate) bundle: Option<PathBuf>,
    /// Files with the client's certificate and key; one may hold both.
    pub(crate) client: Vec<PathBuf>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The words of the status.
    pub(crate) reason: String,
    /// Names as servers usually write them: `Content-Type`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The status that stands for it; 0 when there was no connection.
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Query {
    /// Asks.
    pub(crate) fn send(self, ctx: &dyn Context, cancel: &Cancel) -> Result<Reply, Problem> {
        let (address, login) = url::without_login(&self.address);
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(&address)
            .body(())
            .map_err(|error| without_connection(error.to_string()))?;
        let mut headers = self.headers;
        if let Some(login) = self.login.or(login) {
            headers.insert(0, ("Authorization".to_owned(), basic(&login)));
        }
        for (name, value) in headers {
            let unfit = |_| {
                without_connection(format!(
                    "'{name}' is no header, or has a value that is none"
                ))
            };
            let parsed = ureq::http::HeaderName::try_from(&name).map_err(|_| unfit(()))?;
            let value = ureq::http::HeaderValue::try_from(&value).map_err(|_| unfit(()))?;
            request.headers_mut().insert(parsed, value);
        }
        let trust = Trust {
            accepts_any_certificate: self.accepts_any_certificate,
            bundle: self.bundle,
            client: client_certificate(&self.client).map_err(without_connection)?,
        };
        let agent = agent(ctx, &address, &trust).map_err(without_connection)?;
        // Methods that usually carry a body say so when theirs is empty.
        let usual = ["POST", "PUT", "PATCH"].contains(&self.method.as_str());
        let response = match self.body {
            None if !usual => agent.run(request),
            body => agent.run(request.map(|()| body.unwrap_or_default())),
        };
        reply(response.map_err(|error| problem(&error))?, cancel)
    }
}

fn without_connection(text: String) -> Problem {
    Problem { status: 0, text }
}

/// The words of Salt's client for what went wrong.
fn problem(error: &Error) -> Problem {
    let late = |text: &str| Problem {
        status: TIMED_OUT,
        text: format!("HTTP {TIMED_OUT}: {text}"),
    };
    match error {
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => late("Timeout while connecting"),
        Error::Timeout(_) => late("Timeout during request"),
        Error::HostNotFound => {
            without_connection("[Errno -2] Name or service not known".to_owned())
        }
        Error::Io(error) => without_connection(match error.raw_os_error() {
            Some(number) => format!("[Errno {number}] {}", os_text(error)),
            None => error.to_string(),
        }),
        error => without_connection(error.to_string()),
    }
}

fn reply(response: Response<Body>, cancel: &Cancel) -> Result<Reply, Problem> {
    let status = response.status();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (usual_name(name.as_str()), value)
        })
        .collect();
    let mut body = Vec::new();
    let mut reader = response.into_body().into_reader().take(BODY_MAX + 1);
    let mut chunk = vec![0; 64 << 10];
    loop {
        if cancel.is_cancelled() {
            return Err(without_connection("the job was cancelled".to_owned()));
        }
        match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => body.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(problem(&Error::from(error))),
        }
    }
    if body.len() as u64 > BODY_MAX {
        let text = format!("the answer has more than {BODY_MAX} bytes");
        return Err(without_connection(text));
    }
    Ok(Reply {
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or("Unknown").to_owned(),
        headers,
        body,
    })
}

/// `content-type` as `Content-Type`.
fn usual_name(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

fn client_certificate(files: &[PathBuf]) -> Result<Option<ClientCert>, String> {
    let (mut chain, mut key) = (Vec::new(), None);
    for path in files {
        let text =
            fs::read(path).map_err(|error| format!("{}: {}", path.display(), os_text(&error)))?;
        for item in ureq::tls::parse_pem(&text).flatten() {
            match item {
                PemItem::Certificate(certificate) => chain.push(certificate),
                PemItem::PrivateKey(found) => key = Some(found),
                _ => {}
            }
        }
    }
    match key {
        Some(key) if !chain.is_empty() => Ok(Some(ClientCert::new_with_certs(&chain, key))),
        _ if files.is_empty() => Ok(None),
        _ => {
            Err("the client's certificate and its key are needed, in one file or in two".to_owned())
        }
    }
}
