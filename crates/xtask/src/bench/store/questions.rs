//! A hub with a history: how it starts, and how long its answers take.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use cable::Dice;
use wire::Jid;
use wire::control::{Ask, Tell};
use wire::find::{JobFilter, JobState};

use super::history::Sort;
use crate::bench::process::{Part, Process};
use crate::bench::{control, tree};

/// What a command line asks for unless it is told.
const SHORT_LIST: u32 = 20;
/// The longest list that a hub gives.
const LONG_LIST: u32 = 10_000;

/// The setting of how long jobs are kept.
const KEEP_JOBS: &str = "keep_jobs_seconds";

/// What is asked of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    List(u32),
    Find(Search),
    Show(Sort),
}

/// What jobs are searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// A function that one job in nine is of.
    Function,
    /// A function that no job is of, so that the whole index is read.
    NoFunction,
    /// A user who asked for all of them.
    User,
    /// A minion that all jobs were for.
    Minion,
    /// A minion that no job was for, so that the index of whom each job was for is read.
    NoMinion,
    /// Jobs of which one minion failed; there are none.
    Failed,
}

impl Search {
    /// In the words of the command line.
    fn words(self) -> [&'static str; 2] {
        match self {
            Search::Function => ["--function", "test.rand*"],
            Search::NoFunction => ["--function", "no.such*"],
            Search::User => ["--user", "bench"],
            Search::Minion => ["--minion", "s1m1"],
            Search::NoMinion => ["--minion", "s1"],
            Search::Failed => ["--state", "failed"],
        }
    }

    fn filter(self) -> JobFilter {
        let mut filter = JobFilter {
            limit: SHORT_LIST,
            ..JobFilter::default()
        };
        let [_, word] = self.words();
        match self {
            Search::Function | Search::NoFunction => filter.functions = vec![word.to_owned()],
            Search::User => filter.user = Some(word.to_owned()),
            Search::Minion | Search::NoMinion => filter.minion = Some(word.to_owned()),
            Search::Failed => filter.states = vec![JobState::Failed],
        }
        filter
    }
}

impl Question {
    pub const ALL: [Question; 11] = [
        Question::List(SHORT_LIST),
        Question::List(LONG_LIST),
        Question::Find(Search::Function),
        Question::Find(Search::NoFunction),
        Question::Find(Search::User),
        Question::Find(Search::Minion),
        Question::Find(Search::NoMinion),
        Question::Find(Search::Failed),
        Question::Show(Sort::Equal),
        Question::Show(Sort::Few),
        Question::Show(Sort::Unique),
    ];

    pub fn name(self) -> String {
        match self {
            Question::List(limit) => format!("`jobs list --limit {limit}`"),
            Question::Find(search) => format!("`jobs list {}`", search.words().join(" ")),
            Question::Show(sort) => format!("`jobs show`, {}", sort.name()),
        }
    }

    /// Whether a job of this sort may be asked for.
    fn is_about(self, sort: Sort) -> bool {
        match self {
            Question::List(_) | Question::Find(_) => true,
            Question::Show(of) => of == sort,
        }
    }

    /// Over the control socket.
    fn ask(self, socket: &Path, jid: Jid) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        match self {
            Question::List(limit) => control::ask(socket, &Ask::Jobs { limit }, |tell| {
                matches!(tell, Tell::Jobs(_)).then_some(())
            }),
            Question::Find(search) => {
                let ask = Ask::Find(Box::new(search.filter()));
                control::ask(socket, &ask, |tell| {
                    matches!(tell, Tell::Jobs(_)).then_some(())
                })
            }
            Question::Show(_) => control::ask(socket, &Ask::Show { jid }, |tell| {
                matches!(tell, Tell::Ledger(_)).then_some(())
            }),
        }?;
        Ok(begin.elapsed())
    }

    /// In the words of the command line.
    fn words(self, jid: Jid) -> Vec<String> {
        match self {
            Question::List(limit) => vec!["list".to_owned(), format!("--limit={limit}")],
            Question::Find(search) => {
                let words = ["list"].into_iter().chain(search.words());
                words.map(str::to_owned).collect()
            }
            Question::Show(_) => vec!["show".to_owned(), jid.to_string()],
        }
    }
}

/// How long the answers to a question take.
#[derive(Debug)]
pub struct Answers {
    pub question: Question,
    /// The first one after the start of the hub, over the socket.
    pub first: Duration,
    /// Over the socket.
    pub socket: Vec<Duration>,
    /// By a process of the command line, from its start to its end.
    pub command: Vec<Duration>,
    /// Resident bytes of the hub after them.
    pub memory: u64,
}

/// A start of the hub.
#[derive(Debug)]
pub struct Start {
    /// Until it answers.
    pub took: Duration,
    /// Resident bytes then.
    pub memory: u64,
}

/// The top-master alone, without its syndics.
#[derive(Debug)]
pub struct Hub<'a> {
    pub program: &'a Path,
    pub work: &'a Path,
}

impl Hub<'_> {
    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.work.join("top/var/lib/banyan/top-master/hub.sqlite")
    }

    /// Starts it so many times, and ends it again.
    pub fn starts(&self, rounds: u32) -> anyhow::Result<Vec<Start>> {
        (0..rounds).map(|_| Ok(self.start()?.2)).collect()
    }

    /// Asks each question so many times, over the socket and as a command in turns, about jobs anywhere in the history.
    pub fn answers(&self, jobs: &[(Sort, Jid)], rounds: u32) -> anyhow::Result<Vec<Answers>> {
        let mut dice = Dice::new(2);
        let mut all = Vec::new();
        for question in Question::ALL {
            let about: Vec<Jid> = jobs
                .iter()
                .filter(|(sort, _)| question.is_about(*sort))
                .map(|(_, jid)| *jid)
                .collect();
            ensure!(!about.is_empty(), "no job for {}", question.name());
            let (process, socket, _) = self.start()?;
            let first = question.ask(&socket, *dice.one_of(&about))?;
            let (mut by_socket, mut by_command) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                by_socket.push(question.ask(&socket, *dice.one_of(&about))?);
                by_command.push(self.command(question, *dice.one_of(&about))?);
            }
            all.push(Answers {
                question,
                first,
                socket: by_socket,
                command: by_command,
                memory: process.memory()?,
            });
        }
        Ok(all)
    }

    /// From its next start on it keeps jobs for so long.
    pub fn keep_jobs(&self, keep: Duration) -> anyhow::Result<()> {
        let path = self.work.join("top/etc/banyan/top-master");
        let settings = std::fs::read_to_string(&path)?;
        let kept = settings.lines().filter(|line| !line.starts_with(KEEP_JOBS));
        let mut settings: String = kept.map(|line| format!("{line}\n")).collect();
        settings += &format!("{KEEP_JOBS}: {}\n", keep.as_secs());
        Ok(std::fs::write(path, settings)?)
    }

    /// Starts it: the process, where it is asked, and what the start took.
    pub fn start(&self) -> anyhow::Result<(Process, PathBuf, Start)> {
        let begin = Instant::now();
        let process = tree::start(Part::Top, self.program, self.work, "top")?;
        let socket = self.work.join("top/run/banyan/top-master.sock");
        control::wait_for_daemon(&socket)?;
        let took = begin.elapsed();
        let memory = process.memory()?;
        Ok((process, socket, Start { took, memory }))
    }

    fn command(&self, question: Question, jid: Jid) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let status = Command::new(self.program)
            .arg("--root-dir")
            .arg(self.work.join("top"))
            .arg("jobs")
            .args(question.words(jid))
            .stdout(Stdio::null())
            // It says that the sites are cut off.
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "{} ended with {status}", question.name());
        Ok(begin.elapsed())
    }
}
