//! A real sshd on the loopback. Without one on the machine these tests say so and pass.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gitsync::{Auth, Error, HostKeys, Remote, SshKey};

use crate::fixture::Fixture;

const SSHD: &str = "/usr/sbin/sshd";

struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts sshd with a fresh host key, for a fresh client key. `None` when this machine has none to start.
    fn start(dir: &Path) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("skipped: no {SSHD}");
            return None;
        }
        for name in ["host", "client", "stranger"] {
            keygen(&[
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                &dir.join(name).display().to_string(),
            ]);
        }
        std::fs::copy(dir.join("client.pub"), dir.join("authorized")).unwrap();
        // Only sshd run by root wants this folder; elsewhere it may not be ours to make.
        let _ = std::fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = format!(
            "HostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nListenAddress 127.0.0.1\nPort {port}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
            dir.display()
        );
        std::fs::write(dir.join("sshd_config"), config).unwrap();
        let mut command = Command::new(SSHD);
        command
            .arg("-D")
            .arg("-f")
            .arg(dir.join("sshd_config"))
            .stderr(Stdio::null());
        let server = Self {
            child: command.spawn().unwrap(),
            port,
            dir: dir.to_owned(),
        };
        let until = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "sshd does not listen");
            std::thread::yield_now();
        }
        Some(server)
    }

    fn remote(&self, fixture: &Fixture, key: &str, host_keys: HostKeys) -> Remote {
        let user =
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let mut remote = Remote::new(format!(
            "ssh://127.0.0.1:{}{}",
            self.port,
            fixture.remote_dir().display()
        ));
        remote.timeout = Duration::from_secs(60);
        remote.auth = Auth::SshKey(SshKey {
            private: self.dir.join(key),
            public: None,
            passphrase: None,
            user: Some(user.trim().to_owned()),
            host_keys,
        });
        remote
    }

    fn fingerprint(&self, key: &str) -> HostKeys {
        let text = keygen(&[
            "-l",
            "-f",
            &self.dir.join(format!("{key}.pub")).display().to_string(),
        ]);
        HostKeys::Fingerprints(vec![text.split(' ').nth(1).unwrap().to_owned()])
    }

    fn known_hosts(&self, key: &str) -> HostKeys {
        let public = std::fs::read_to_string(self.dir.join(format!("{key}.pub"))).unwrap();
        let path = self.dir.join(format!("known_hosts_{key}"));
        std::fs::write(&path, format!("[127.0.0.1]:{} {public}", self.port)).unwrap();
        HostKeys::KnownHosts(path)
    }
}

fn keygen(args: &[&str]) -> String {
    let output = Command::new("ssh-keygen").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ssh_needs_the_right_host_key_and_the_right_client_key() {
    let (fixture, first) = Fixture::with_commit();
    let Some(server) = Server::start(fixture.dir.path()) else {
        return;
    };
    let mirror = fixture.mirror();

    for wrong in [
        server.fingerprint("stranger"),
        server.known_hosts("stranger"),
        HostKeys::Fingerprints(vec![]),
    ] {
        match mirror.fetch(&server.remote(&fixture, "client", wrong)) {
            Err(Error::HostKey { presented, .. }) => {
                assert!(presented.starts_with("ssh-ed25519 SHA256:"), "{presented}")
            }
            other => panic!("{other:?}"),
        }
    }
    let refused = mirror.fetch(&server.remote(&fixture, "stranger", server.fingerprint("host")));
    assert!(matches!(refused, Err(Error::Auth { .. })), "{refused:?}");
    let mut keyless = server.remote(&fixture, "client", server.fingerprint("host"));
    keyless.auth = Auth::None;
    assert!(matches!(mirror.fetch(&keyless), Err(Error::Auth { .. })));
    assert!(mirror.state().is_none());

    let fetched = mirror
        .fetch(&server.remote(&fixture, "client", server.fingerprint("host")))
        .unwrap();
    assert_eq!(fetched.state, first);
    let second = fixture.commit("a.sls", "a");
    let fetched = mirror
        .fetch(&server.remote(&fixture, "client", server.known_hosts("host")))
        .unwrap();
    assert_eq!(fetched.state, second);
}
