//! The way to a database under TLS: the right certificate, another one, and none.

use std::path::{Path, PathBuf};
use std::process::Command;

use jobcache::{Cache, Dialect, Place};

use crate::server::{self, Database};
use crate::{WITHIN, batch};

/// PEM files of a server on the loopback address.
struct Proof {
    /// What its certificate follows from.
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// Makes them where the server may read them.
fn proof(dir: &Path, name: &str) -> Proof {
    let file = |part: &str| dir.join(format!("{name}.{part}"));
    let (ca, ca_key) = (file("ca"), file("ca-key"));
    let (certificate, key) = (file("pem"), file("key"));
    make(
        &ca,
        &ca_key,
        &["-addext", "basicConstraints=critical,CA:TRUE"],
    );
    let (issuer, issuer_key) = (ca.display().to_string(), ca_key.display().to_string());
    let of_server = [
        "-CA",
        &issuer,
        "-CAkey",
        &issuer_key,
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    make(&certificate, &key, &of_server);
    server::keep(&key);
    Proof {
        ca,
        certificate,
        key,
    }
}

/// Makes a key and a certificate for it.
fn make(certificate: &Path, key: &Path, options: &[&str]) {
    let mut command = Command::new("openssl");
    command
        .args([
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args([
            "-subj",
            "/CN=database",
            "-days",
            "2",
            "-config",
            "/dev/null",
            "-out",
        ])
        .arg(certificate)
        .arg("-keyout")
        .arg(key)
        .args(options);
    let made = command.output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}

fn under(place: Place, ca: &Path) -> Place {
    let Place::Server(mut server) = place else {
        panic!("a server");
    };
    server.tls.ca = Some(ca.to_owned());
    Place::Server(server)
}

async fn protected(dialect: Dialect) {
    let dir = tempfile::tempdir().unwrap();
    server::open(dir.path());
    let (ours, other) = (proof(dir.path(), "ours"), proof(dir.path(), "other"));
    let certificate = ours.certificate.display();
    let key = ours.key.display();
    let options = match dialect {
        Dialect::Mysql => vec![
            format!("--ssl-cert={certificate}"),
            format!("--ssl-key={key}"),
        ],
        _ => [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={certificate}"),
            format!("ssl_key_file={key}"),
        ]
        .into_iter()
        .flat_map(|option| ["-c".to_owned(), option])
        .collect(),
    };
    let database = Database::start_with(dialect, &options).await;
    let cache = |place| Cache::new(place, "hub1".to_owned()).within(WITHIN);
    let place = || database.place(database.port);
    cache(under(place(), &ours.ca))
        .write(&batch(1))
        .await
        .unwrap();
    let error = cache(under(place(), &other.ca))
        .write(&batch(2))
        .await
        .expect_err("another certificate");
    assert!(error.to_string().contains("certificate"), "{error}");

    // A server without TLS is not spoken to in the clear when a certificate is asked for.
    let plain = Database::start_with(dialect, &[]).await;
    let error = cache(under(plain.place(plain.port), &ours.ca))
        .write(&batch(3))
        .await
        .expect_err("no TLS");
    let text = error.to_string();
    assert!(text.to_lowercase().contains("tls"), "{text}");
    assert!(!text.contains(server::PASSWORD), "{text}");
}

#[tokio::test]
async fn mariadb_under_tls() {
    Box::pin(protected(Dialect::Mysql)).await;
}

#[tokio::test]
async fn postgresql_under_tls() {
    Box::pin(protected(Dialect::Pgjsonb)).await;
}
