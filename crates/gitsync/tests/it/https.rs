//! Certificates and redirects, against a bare TLS server. Without `openssl` these tests say so and pass.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gitsync::{Error, Remote};

use crate::fixture::Fixture;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the files of `dir`, each a whole HTTP response, under a self-signed certificate for 127.0.0.1.
fn serve(dir: &Path) -> Option<(Server, u16)> {
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=127.0.0.1 \
                   -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";
    let mut openssl = Command::new("openssl");
    openssl.current_dir(dir).args(request.split_whitespace());
    match openssl.stderr(Stdio::null()).status() {
        Ok(status) => assert!(status.success()),
        Err(_) => {
            eprintln!("skipped: no openssl");
            return None;
        }
    }
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut openssl = Command::new("openssl");
    openssl.current_dir(dir).args([
        "s_server", "-quiet", "-HTTP", "-cert", "cert.pem", "-key", "key.pem",
    ]);
    openssl.args(["-accept", &format!("127.0.0.1:{port}")]);
    openssl
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Server(openssl.spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "openssl does not listen");
        std::thread::yield_now();
    }
    Some((server, port))
}

#[test]
fn certificates_are_checked_and_redirects_refused() {
    let (fixture, _) = Fixture::with_commit();
    let dir = fixture.dir.path();
    let Some((_server, port)) = serve(dir) else {
        return;
    };
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    // The same machine under another name.
    let elsewhere_port = elsewhere.local_addr().unwrap().port();
    let location =
        format!("https://localhost:{elsewhere_port}/roots/info/refs?service=git-upload-pack");
    let response =
        format!("HTTP/1.0 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    std::fs::create_dir_all(dir.join("roots/info")).unwrap();
    std::fs::write(
        dir.join("roots/info/refs?service=git-upload-pack"),
        response,
    )
    .unwrap();

    let mirror = fixture.mirror();
    let mut remote = Remote::new(format!("https://127.0.0.1:{port}/roots"));
    remote.timeout = Duration::from_secs(60);
    let error = mirror.fetch(&remote).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");

    remote.ca_file = Some(dir.join("cert.pem"));
    let error = mirror.fetch(&remote).unwrap_err();
    assert!(
        matches!(&error, Error::Remote { detail } if detail.contains("redirect")),
        "{error:?}"
    );
    assert_eq!(
        elsewhere.accept().unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "the redirect was followed"
    );
}
