//! A network of its own.

use std::fs::File;
use std::io;
use std::process::Command;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

/// A network with nothing but a loopback address. It lives as long as somebody holds it or a process runs in it.
#[derive(Debug, Clone)]
pub struct Namespace(Arc<File>);

impl Namespace {
    /// A fresh one.
    ///
    /// # Errors
    /// When this process is not root, or `ip` of iproute2 is missing.
    pub fn new() -> io::Result<Namespace> {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            // The command inherits the network of the thread that starts it.
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status()?;
            if !up.success() {
                return Err(io::Error::other("`ip link set lo up` failed"));
            }
            let own = File::open("/proc/thread-self/ns/net")?;
            Ok(Namespace(Arc::new(own)))
        })
    }
}

/// Does something in a namespace, or here when there is none: opens a socket, or starts a process. They stay there.
///
/// # Errors
/// Those of `deed`, and when the namespace can't be entered.
pub fn within<T: Send>(
    namespace: Option<&Namespace>,
    deed: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let Some(namespace) = namespace else {
        return deed();
    };
    in_thread(|| {
        setns(&*namespace.0, CloneFlags::CLONE_NEWNET)?;
        deed()
    })
}

/// A namespace is a property of a thread: one that ends takes the change along.
fn in_thread<T: Send>(deed: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let done = scope.spawn(deed).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
