//! Where the host's own files are: at the root, but for tests below a directory of theirs.

use std::path::PathBuf;

/// A file of the host by its absolute path.
pub(crate) fn path(absolute: &str) -> PathBuf {
    #[cfg(test)]
    if let Some(root) = lent::root() {
        return root.join(absolute.trim_start_matches('/'));
    }
    PathBuf::from(absolute)
}

/// Roots of tests, each for the thread of one test.
#[cfg(test)]
pub(crate) mod lent {
    use std::cell::RefCell;
    use std::path::PathBuf;

    thread_local! {
        static ROOT: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    }

    /// Keeps a root until it is dropped.
    pub(crate) struct Lent(());

    impl Drop for Lent {
        fn drop(&mut self) {
            ROOT.set(None);
        }
    }

    /// Puts the host's files below a directory, and programs in its `bin` before all others.
    pub(crate) fn lend(root: PathBuf) -> Lent {
        ROOT.set(Some(root));
        Lent(())
    }

    pub(crate) fn root() -> Option<PathBuf> {
        ROOT.with_borrow(Clone::clone)
    }
}
