//! Where a program keeps its files.

use std::fmt;
use std::path::{Path, PathBuf};

/// A program that reads settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// A hub without parents.
    TopMaster,
    /// A hub with parents.
    Syndic,
    /// A leaf.
    Minion,
}

impl Program {
    /// All of them.
    pub const ALL: [Program; 3] = [Program::TopMaster, Program::Syndic, Program::Minion];

    /// The program's name, and that of its files.
    pub fn as_str(self) -> &'static str {
        match self {
            Program::TopMaster => "top-master",
            Program::Syndic => "syndic",
            Program::Minion => "minion",
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Directories and files of one program under one root. Several programs may share a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    program: Program,
    root: PathBuf,
}

impl Paths {
    /// The paths of a program below a root directory.
    pub fn new(root: &Path, program: Program) -> Paths {
        Paths {
            program,
            root: root.to_owned(),
        }
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The default of the main file: `etc/banyan/<program>`.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("etc/banyan").join(self.program.as_str())
    }

    /// What must not be lost: keys, the store or the journal. `var/lib/banyan/<program>`.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("var/lib/banyan").join(self.program.as_str())
    }

    /// What can be fetched again: `var/cache/banyan/<program>`.
    pub fn cache_dir(&self) -> PathBuf {
        self.root
            .join("var/cache/banyan")
            .join(self.program.as_str())
    }

    /// Logs, when they go to files: `var/log/banyan`.
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("var/log/banyan")
    }

    /// What lives as long as the process: `run/banyan`.
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run/banyan")
    }

    /// The socket on which the command line reaches the daemon: `run/banyan/<program>.sock`.
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir().join(format!("{}.sock", self.program))
    }
}
