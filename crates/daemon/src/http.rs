//! `/metrics`, `/live` and `/ready`, on the loopback address alone.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TextEncoder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections at a time: a collector, a probe, a curious person, and room to spare. Further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 16;
/// A client has so long to send its request's head.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection has so long from its first byte to its last.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest head of a request, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Pause after a failed accept: mostly the process is out of descriptors, and asking at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether the program does its work, and why not. Shared: all clones speak of the same program.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<Result<(), String>>>);

impl Readiness {
    /// Not ready, for this reason.
    pub fn new(reason: impl Into<String>) -> Readiness {
        Readiness(Arc::new(Mutex::new(Err(reason.into()))))
    }

    /// It does its work from now on.
    pub fn set_ready(&self) {
        self.set(Ok(()));
    }

    /// It does not do its work, for this reason (`draining`, `no parent is connected`).
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        self.set(Err(reason.into()));
    }

    /// Ready, or the reason why not.
    ///
    /// # Errors
    /// The reason, in words for people.
    pub fn check(&self) -> Result<(), String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, state: Result<(), String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// The listener of the pages.
pub struct Pages {
    listener: TcpListener,
    registry: Registry,
    readiness: Readiness,
}

impl Pages {
    /// Listens on 127.0.0.1; port 0 takes any free one.
    ///
    /// # Errors
    /// When the port can't be had.
    pub async fn bind(port: u16, registry: Registry, readiness: Readiness) -> io::Result<Pages> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Pages {
            listener,
            registry,
            readiness,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is dropped.
    pub async fn serve(self) -> Infallible {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let state = Arc::new((self.registry, self.readiness));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                unreachable!("the semaphore is never closed");
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let state = state.clone();
                    tokio::spawn(async move {
                        // A client that is slow, or broken, is its own problem.
                        let _ = timeout(CONNECTION_TIMEOUT, connection(stream, state)).await;
                        drop(permit);
                    });
                }
                Err(e) => {
                    tracing::warn!("metrics: accept: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    state: Arc<(Registry, Readiness)>,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let page = page(&request, &state.0, &state.1);
        async move { Ok::<_, Infallible>(page) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn page(
    request: &Request<Incoming>,
    registry: &Registry,
    readiness: &Readiness,
) -> Response<Full<Bytes>> {
    let (status, body) = if request.method() != Method::GET {
        (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned())
    } else {
        match request.uri().path() {
            "/live" => (StatusCode::OK, "live\n".to_owned()),
            "/ready" => match readiness.check() {
                Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            },
            "/metrics" => match TextEncoder::new().encode_to_string(&registry.gather()) {
                Ok(text) => (StatusCode::OK, text),
                Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")),
            },
            _ => (
                StatusCode::NOT_FOUND,
                "/metrics, /live, /ready\n".to_owned(),
            ),
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        // The version is that of the text format of Prometheus.
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::HubMetrics;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A refused request may end in a reset; what came before counts.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn pages() -> (SocketAddr, Readiness) {
        let registry = Registry::new();
        HubMetrics::new(&registry).unwrap().returns.inc_by(5);
        let readiness = Readiness::new("starting");
        let pages = Pages::bind(0, registry, readiness.clone()).await.unwrap();
        let address = pages.address().unwrap();
        tokio::spawn(pages.serve());
        (address, readiness)
    }

    #[tokio::test]
    async fn pages_say_how_the_program_fares() {
        let (address, readiness) = pages().await;
        assert!(address.ip().is_loopback());
        let long = format!(
            "GET /live HTTP/1.1\r\nx: {}\r\n\r\n",
            "y".repeat(2 * HEADER_BYTES_MAX)
        );
        for (request, status, body) in [
            ("GET /live HTTP/1.1\r\nhost: x\r\n\r\n", "200", "live"),
            ("GET /ready HTTP/1.1\r\nhost: x\r\n\r\n", "503", "starting"),
            (
                "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
                "200",
                "banyan_returns_total 5",
            ),
            ("GET /else HTTP/1.1\r\nhost: x\r\n\r\n", "404", "/ready"),
            (
                "POST /live HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
                "405",
                "only GET",
            ),
            ("nonsense\r\n\r\n", "400", ""),
            (&long, "431", ""),
        ] {
            let answer = exchange(address, request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
            assert!(answer.contains(body), "{answer}");
        }
        let ready = "GET /ready HTTP/1.1\r\nhost: x\r\n\r\n";
        readiness.set_ready();
        assert!(exchange(address, ready).await.contains("200 OK"));
        readiness.set_not_ready("draining");
        assert!(exchange(address, ready).await.ends_with("draining\n"));
    }

    #[tokio::test]
    async fn clients_that_say_nothing_are_cut_off_and_others_get_their_turn() {
        let (address, _) = pages().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let begun = std::time::Instant::now();
        let answer = exchange(address, "GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.contains("200 OK"), "{answer}");
        assert!(
            begun.elapsed() >= HEADER_TIMEOUT / 2,
            "the bound was not in force"
        );
        assert!(begun.elapsed() < CONNECTION_TIMEOUT);
    }
}
