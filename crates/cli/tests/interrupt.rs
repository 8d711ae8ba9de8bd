//! Ctrl-C as the system sends it: this program starts itself as the command, and sends it SIGINT.

mod fake;

use std::process::{Command, ExitCode, Stdio};

use cli::Program;
use daemon::config::Paths;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wire::OutcomeKind;
use wire::control::{Ask, Tell};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("run") {
        return cli::main(Program::TopMaster, |_, _| ExitCode::from(70));
    }
    ctrl_c_cancels_the_job();
    ExitCode::SUCCESS
}

fn ctrl_c_cancels_the_job() {
    let root = tempfile::tempdir().expect("a directory");
    let socket = Paths::new(root.path(), daemon::config::Program::TopMaster).control_socket();
    let (accepted, until_accepted) = std::sync::mpsc::channel();
    let (cancelled, until_cancelled) = std::sync::mpsc::channel();
    let until_cancelled = std::sync::Mutex::new(until_cancelled);
    fake::listen(&socket, move |ask, peer| match ask {
        Ask::Run(_) => {
            peer.tell(Tell::Accepted {
                jid: fake::jid(),
                wait_ms: None,
            });
            accepted.send(()).expect("the test waits");
            until_cancelled
                .lock()
                .expect("one job")
                .recv()
                .expect("the job is cancelled");
            peer.tell(Tell::Ledger(Box::new(fake::ledger(&[OutcomeKind::Failed]))));
            peer.hold();
        }
        Ask::Cancel { jid, .. } if jid == fake::jid() => {
            peer.tell(Tell::Accepted { jid, wait_ms: None });
            cancelled.send(()).expect("the job waits");
        }
        other => panic!("{other:?}"),
    });
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["run", "*", "test.ping", "--out", "txt", "--root-dir"])
        .arg(root.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    until_accepted.recv().expect("the job is asked for");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("the command runs");
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&output.stdout), "m1: True\n");
    assert_eq!(
        text(&output.stderr),
        "Cancelling job 20261122231556000001 and waiting for its outcome. Ctrl-C again leaves at once.\n1 of 1 minion failed: m1\n"
    );
    assert_eq!(output.status.code(), Some(1));
}
