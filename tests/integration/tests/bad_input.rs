//! Wrong settings, wrong commands, hostile bytes: refused with a reason, and nothing breaks.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use integration::{Cli, Node, Tree, free_port};

const PROGRAMS: [&str; 3] = ["top-master", "syndic", "minion"];

/// Settings are checked before anything is done: the error names the file and the line, and no port, file or key is touched.
#[test]
fn wrong_settings_are_named_with_their_place_before_anything_is_done() {
    let directory = tempfile::tempdir().expect("a directory");
    let port = free_port();
    // Whoever tried to bind it first would complain about that instead.
    let _taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    for program in PROGRAMS {
        let up = if program == "top-master" {
            ""
        } else {
            "master: 127.0.0.1\n"
        };
        let listen = if program == "minion" {
            String::new()
        } else {
            format!("interface: 127.0.0.1\nport: {port}\n")
        };
        for (line, words) in [
            (
                "keepalive_secnds: 1",
                "unknown key `keepalive_secnds`; did you mean `keepalive_seconds`?",
            ),
            ("keepalive_seconds: soon", "`keepalive_seconds`"),
            ("idle_timeout_seconds: 1", "`idle_timeout_seconds`"),
            ("log_level: eror", "did you mean `error`?"),
            ("metrics_port: 99999", "`metrics_port`"),
            ("id: [", ""),
        ] {
            let root = directory.path().join(program);
            let text = format!("# A comment.\n{up}{listen}{line}\n");
            let node = Node::new(program, program, root.clone(), &text);
            let said = node.cli().expect(78, &["serve"]);
            let number = text.lines().count();
            let place = format!(
                "{}:{number}:",
                root.join("etc/banyan").join(program).display()
            );
            // What YAML cannot read may show at the end of the file.
            let later = place.replace(&format!(":{number}:"), &format!(":{}:", number + 1));
            assert!(
                said.err.contains(&place) || said.err.contains(&later),
                "{said:#?}"
            );
            said.complains(words);
            assert!(!root.join("var").exists(), "{program}: {line}");
        }
    }
}

#[test]
fn wrong_words_end_with_the_code_for_usage() {
    let directory = tempfile::tempdir().expect("a directory");
    for program in PROGRAMS {
        let cli = Cli::new(program, directory.path());
        for words in [
            &["--nonsense"][..],
            &["nonsense"],
            &["serve", "--nonsense"],
            &[],
        ] {
            let said = cli.expect(64, words);
            said.complains("Usage");
        }
        cli.expect(0, &["--help"]);
        cli.expect(0, &["--version"]);
    }
    let top = Cli::new("top-master", directory.path());
    for words in [
        &["run", "*"][..],
        &["run", "-E", "-G", "x", "test.ping"],
        &["run", "*", "test.ping", "--timeout", "soon"],
        &["jobs", "show", "12"],
        &["keys", "accept"],
        &["token", "create", "--role", "top-master"],
    ] {
        top.expect(64, words);
    }
}

#[test]
fn a_daemon_that_does_not_run_is_missed_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    for program in ["top-master", "syndic"] {
        let up = if program == "syndic" {
            "master: 127.0.0.1\n"
        } else {
            ""
        };
        let node = Node::new(program, program, directory.path().join(program), up);
        let commands = [&["tree"][..], &["run", "*", "test.ping"], &["keys", "list"]];
        for words in commands {
            let said = node.cli().expect(69, words);
            said.complains("no daemon answers");
            said.complains("serve");
        }
    }
    // A top-master without a tree says how to get one.
    let said = Cli::new("top-master", &directory.path().join("top-master")).expect(70, &["serve"]);
    said.complains("top-master init");
}

/// P9: whatever comes to the two sockets, the daemon goes on.
#[test]
fn hostile_bytes_leave_the_daemon_answering() {
    let tree = Tree::of_minions(&["m1"]);
    let process = tree.node("top").pid();

    // A plain generator: the bytes have to be the same each time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect()
    };
    let network = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let hub = (Ipv4Addr::LOCALHOST, tree.port("top"));
    for length in (0..2_000).step_by(7) {
        let mut packet = noise(length);
        // Half of them look like the first packet of a QUIC connection.
        if let (Some(head), 1) = (packet.get_mut(..5), length % 2) {
            head.copy_from_slice(&[0xc3, 0, 0, 0, 1]);
        }
        network.send_to(&packet, hub).expect("sent");
    }

    let socket = tree.node("top").root().join("run/banyan/top-master.sock");
    let mode = fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "the control socket is private");
    let mut questions = vec![
        Vec::new(),
        vec![0],
        vec![0; 64],
        vec![0xff; 64],
        b"GET / HTTP/1.1\r\nHost: top\r\n\r\n".to_vec(),
        // A frame that says to be longer than it is.
        [&4_096_u32.to_be_bytes()[..], b"short"].concat(),
        [&4_096_u32.to_le_bytes()[..], b"short"].concat(),
    ];
    questions.extend((1..40).map(|length| noise(length * 5)));
    for question in questions {
        let mut stream = UnixStream::connect(&socket).expect("the daemon accepts");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        // It may hang up in the middle of the question.
        let _ = stream.write_all(&question);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    // Command lines that never ask their question do not keep others from asking.
    let idle: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(&socket).expect("the daemon accepts"))
        .collect();
    tree.top().run(0, &["*", "test.ping"]).all_ok(&["m1"]);
    drop(idle);
    assert_eq!(tree.node("top").pid(), process);
    assert!(
        !tree.node("top").log().contains("panicked"),
        "{}",
        tree.node("top").log()
    );
}

#[test]
fn a_private_key_that_others_can_read_is_refused() {
    let mut tree = Tree::of_minions(&["m1"]);
    for (id, key) in [("m1", "link.key"), ("top", "job.key"), ("top", "link.key")] {
        tree.node_mut(id).kill();
        let path = tree.node(id).state().join("keys").join(key);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
        let said = tree.cli(id).expect(70, &["serve"]);
        said.complains(key);
        said.complains("a private key must be closed to group and others (chmod 600)");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        tree.node_mut(id).start();
        if id == "top" {
            tree.answers("top");
        }
    }
    tree.heals();
}
