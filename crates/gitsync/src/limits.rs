//! What a remote may cost.

/// Bounds on what a mirror takes from its remote. The defaults fit large configuration trees with room to spare.
///
/// A total that is exceeded (`repository_bytes`, `objects`, `refs`, `files`) fails the fetch or the snapshot. A single
/// entry that exceeds its own bound (`file_bytes`, `tree_depth`, `path_bytes`, `component_bytes`) is left out and
/// reported, so that one stray file does not stop a whole site from following.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk of the mirror, and bytes of any one pack.
    pub repository_bytes: u64,
    /// Objects in any one pack, and objects visited when a fetch is verified.
    pub objects: usize,
    /// References the remote may advertise.
    pub refs: usize,
    /// Tree entries of one environment: files, folders and entries that were left out.
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Folders above a file.
    pub tree_depth: usize,
    /// Bytes of a path, from the root of its environment.
    pub path_bytes: usize,
    /// Bytes of a single name in a path.
    pub component_bytes: usize,
    /// Past states kept, so that jobs which pin them still run. Commits of older states stay as long as a branch or tag
    /// reaches them; after a force-push they may go, even under a snapshot that is still held.
    pub kept_states: usize,
}

impl Limits {
    /// Default of [`Limits::repository_bytes`]: 2 GiB.
    pub const REPOSITORY_BYTES: u64 = 2 << 30;
    /// Default of [`Limits::objects`]: 2 GiB of packed small files.
    pub const OBJECTS: usize = 5_000_000;
    /// Default of [`Limits::refs`].
    pub const REFS: usize = 10_000;
    /// Default of [`Limits::files`].
    pub const FILES: usize = 200_000;
    /// Default of [`Limits::file_bytes`]: 64 MiB.
    pub const FILE_BYTES: u64 = 64 << 20;
    /// Default of [`Limits::tree_depth`].
    pub const TREE_DEPTH: usize = 64;
    /// Default of [`Limits::path_bytes`]: Linux's `PATH_MAX`.
    pub const PATH_BYTES: usize = 4_096;
    /// Default of [`Limits::component_bytes`]: Linux's `NAME_MAX`.
    pub const COMPONENT_BYTES: usize = 255;
    /// Default of [`Limits::kept_states`].
    pub const KEPT_STATES: usize = 100;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            repository_bytes: Self::REPOSITORY_BYTES,
            objects: Self::OBJECTS,
            refs: Self::REFS,
            files: Self::FILES,
            file_bytes: Self::FILE_BYTES,
            tree_depth: Self::TREE_DEPTH,
            path_bytes: Self::PATH_BYTES,
            component_bytes: Self::COMPONENT_BYTES,
            kept_states: Self::KEPT_STATES,
        }
    }
}
