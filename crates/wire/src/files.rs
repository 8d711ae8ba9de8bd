//! Requests of a child that a parent answers on a stream of their own: enrolment, files, packs.

use bincode::{Decode, Encode};

use crate::enrol::{EnrolAnswer, EnrolRequest};
use crate::{Json, NodeId, OwnRun, SitePath, Uid};

/// The first frame of a request stream.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Request {
    /// Enrol, or renew the certificate of an accepted key.
    Enrol(EnrolRequest),
    /// Minion: what is at this path?
    Stat {
        /// The roots state, 40 hexadecimal digits; None: what the hub serves.
        roots: Option<String>,
        /// The environment.
        env: String,
        /// Path below the environment's root.
        path: String,
    },
    /// Minion: the files of an environment whose path begins with `prefix`.
    List {
        /// As in `Stat`.
        roots: Option<String>,
        /// The environment.
        env: String,
        /// Only paths that begin so.
        prefix: String,
    },
    /// Minion: the environments.
    Environments {
        /// As in `Stat`.
        roots: Option<String>,
    },
    /// Minion: the content behind a hash that a `Stat` or `List` named, from a byte on.
    Content {
        /// As in `Stat`.
        roots: Option<String>,
        /// The environment.
        env: String,
        /// Path below the environment's root.
        path: String,
        /// First byte wanted, to go on after a cut.
        offset: u64,
    },
    /// Syndic: the roots states that the parent serves, and the objects that are missing here.
    Pack {
        /// Roots state wanted: None for what the parent serves.
        want: Option<String>,
        /// Commits that the child has, 40 hexadecimal digits each.
        have: Vec<String>,
    },
    /// Syndic without a remote of its own: the rule by which the parent reads its roots.
    RootsRule,
    /// Minion: its pillar. Whose it is follows from the link.
    Pillar {
        /// As in `Stat`.
        roots: Option<String>,
        /// The minion's grains, a JSON object.
        grains: Json,
        /// `pillarenv`: the only environment that counts; empty for all.
        pillarenv: String,
        /// `saltenv` of the states that it is for; empty for none.
        saltenv: String,
        /// Values over those of the files, a JSON object.
        values: Json,
    },
    /// Minion: all that it gives to the mine, in the place of what it gave before: a JSON object of functions to
    /// `{data, allow_tgt, allow_tgt_type, export}`. Whose it is follows from the link.
    MineGive(Json),
    /// Syndic: what one minion of its subtree exports.
    MineExport(MineExport),
    /// Minion, or syndic for a minion of its subtree: values of the mine.
    MineGet(MineQuestion),
    /// Minion: runs of its own that are over; syndic: those of its subtree. `Done` says that they are on disk.
    OwnRuns(Vec<OwnRun>),
}

/// What a minion exports to other sites: all of it, in the place of what was told before.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct MineExport {
    /// The minion's key.
    pub uid: Uid,
    /// Its id.
    pub id: NodeId,
    /// Its site.
    pub path: SitePath,
    /// As in `MineGive`.
    pub entries: Json,
}

/// A question for the mine.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct MineQuestion {
    /// Whose values.
    pub tgt: String,
    /// The kind of that target, in Salt's words.
    pub tgt_type: String,
    /// Of which functions.
    pub funs: Vec<String>,
    /// The minion that wants to know, where a syndic asks for it; a minion asks for itself.
    pub asker: Uid,
}

/// The first frame of an answer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Answer {
    /// To `Enrol`.
    Enrol(Box<EnrolAnswer>),
    /// To `Stat`.
    Stat(Option<FileEntry>),
    /// To `List`: the whole list, cut at [`MAX_LIST`] entries.
    List {
        /// The files.
        entries: Vec<FileEntry>,
        /// True when there were more.
        cut: bool,
    },
    /// To `Environments`.
    Environments(Vec<String>),
    /// To `Content`: so many bytes follow, raw, until the stream ends.
    Content {
        /// Bytes of the whole file.
        size: u64,
    },
    /// To `Pack`: so many bytes of a pack follow, raw.
    Pack {
        /// The state in the words of the mirror (JSON text).
        state: String,
        /// Bytes that follow; 0 when nothing is missing.
        size: u64,
    },
    /// The request can't be answered, in words for people.
    Refused(String),
    /// To `RootsRule`: in the words of the mirror.
    RootsRule(String),
    /// To `Pillar`: a JSON object.
    Pillar(Json),
    /// It is done.
    Done,
    /// To `MineGet`: a JSON object of functions to ids to values.
    Mine(Json),
}

/// Entries in one answer to `List`.
pub const MAX_LIST: usize = 50_000;

/// One file of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FileEntry {
    /// Path below the environment's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Whether the executable bit is set.
    pub executable: bool,
    /// SHA-256 of the content, hexadecimal; empty in lists that were not hashed.
    pub sha256: String,
    /// Git's own name of the content, hexadecimal: equal names are equal content.
    pub blob: String,
}
