//! What the system and the service manager say to the process, and hear from it.

use std::io;
use std::task::Poll;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is wanted of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// SIGTERM or SIGINT: finish what is in hand, then end. A second one: end now.
    Drain,
    /// SIGHUP: read the settings again, and open the log file anew.
    Reload,
}

/// The signals of the process, from the moment of [`Signals::install`] on.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over; from now on none of them ends the process by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn install() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next notice. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Notice {
        tokio::select! {
            Some(()) = self.terminate.recv() => Notice::Drain,
            Some(()) = self.interrupt.recv() => Notice::Drain,
            Some(()) = self.hangup.recv() => Notice::Reload,
            else => std::future::pending().await,
        }
    }
}

/// The signals that tell a command to end: SIGINT, SIGTERM, and SIGHUP when its terminal goes. Those that are ignored stay so, as for a
/// command behind `nohup`.
pub struct EndSignals(Vec<Signal>);

impl EndSignals {
    /// Takes the signals over; from now on none of them ends the process by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn install() -> io::Result<EndSignals> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = ignored(&status);
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let heard = kinds
            .into_iter()
            .filter(|kind| !is_among(*kind, ignored))
            .map(signal);
        Ok(EndSignals(heard.collect::<io::Result<_>>()?))
    }

    /// Waits for the next one. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let mut heard = self.0.iter_mut();
            match heard.any(|signal| matches!(signal.poll_recv(context), Poll::Ready(Some(())))) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// The set of ignored signals in what the kernel says of a process: the lowest bit is signal 1.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_among(kind: SignalKind, set: u64) -> bool {
    set >> (kind.as_raw_value() - 1) & 1 == 1
}

/// Tells the service manager, when there is one, that the program does its work.
pub fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells the service manager that the program is about to end.
pub fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Tells the service manager a line for people (`systemctl status`).
pub fn notify_status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// Asks the service manager for so much more time, from now on, until the program is ready.
pub fn notify_extend_timeout(time: Duration) {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    notify(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// A sign of life for the service manager; see [`watchdog_interval`].
pub fn notify_watchdog() {
    notify(&[NotifyState::Watchdog]);
}

/// How often the service manager wants a sign of life: half of what it allows. None: it does not.
pub fn watchdog_interval() -> Option<Duration> {
    let mut allowed_micros = 0;
    let wanted = sd_notify::watchdog_enabled(false, &mut allowed_micros);
    (wanted && allowed_micros > 0).then(|| Duration::from_micros(allowed_micros) / 2)
}

fn notify(states: &[NotifyState<'_>]) {
    // Without a service manager this does nothing. With one that does not listen, the program works all the same.
    if let Err(e) = sd_notify::notify(false, states) {
        tracing::debug!("service manager: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    use nix::sys::signal::{Signal as Name, kill};
    use nix::unistd::Pid;

    /// Set for the child: this very test binary, which then waits for signals.
    const CHILD: &str = "BANYAN_TEST_SIGNALS_CHILD";

    #[test]
    fn ignored_signals_are_known() {
        let set = ignored("Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\n");
        assert!(is_among(SignalKind::hangup(), set));
        assert!(!is_among(SignalKind::interrupt(), set));
        assert_eq!(ignored(""), 0);
    }

    #[test]
    fn the_child_prints_what_it_is_told() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut signals = Signals::install().unwrap();
            notify_ready();
            println!("\nchild: installed");
            loop {
                let notice = signals.next().await;
                println!("\nchild: {notice:?}");
                std::io::stdout().flush().unwrap();
                if notice == Notice::Drain {
                    notify_stopping();
                    return;
                }
            }
        });
    }

    #[test]
    fn signals_become_notices_and_the_service_manager_hears_of_it() {
        for last in [Name::SIGTERM, Name::SIGINT] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("notify");
            let manager = UnixDatagram::bind(&path).unwrap();
            manager
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "signals::tests::the_child_prints_what_it_is_told",
                    "--nocapture",
                ])
                .env(CHILD, "1")
                .env("NOTIFY_SOCKET", &path)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let pid = Pid::from_raw(child.id().cast_signed());
            let mut lines = BufReader::new(child.stdout.take().unwrap())
                .lines()
                .map(Result::unwrap)
                .filter(|line| line.starts_with("child: "));
            assert_eq!(lines.next().unwrap(), "child: installed");
            kill(pid, Name::SIGHUP).unwrap();
            assert_eq!(lines.next().unwrap(), "child: Reload");
            kill(pid, last).unwrap();
            assert_eq!(lines.next().unwrap(), "child: Drain");
            assert!(child.wait().unwrap().success());
            for expected in ["READY=1\n", "STOPPING=1\n"] {
                let mut text = [0; 64];
                let len = manager.recv(&mut text).unwrap();
                assert_eq!(String::from_utf8_lossy(&text[..len]), expected);
            }
        }
    }
}
