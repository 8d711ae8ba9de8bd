//! One side through the table.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::super::cli::table::Line;
use super::super::cli::words;
use super::book::{Book, Deeds};
use super::nodes::Nodes;
use super::right::Happened;
use super::roots;
use super::situation::{Harm, Situation};
use crate::bench::salt::side::{Ended, finish};

/// How long is waited for lines of minions that are right, and for those that are begun.
const DEEDS_WITHIN: Duration = Duration::from_secs(20);
/// How long a listener is waited for after each time that the command is given, and how often it is.
const HEARD_WITHIN: Duration = Duration::from_secs(6);
const TELLS_MAX: u32 = 3;
/// The group of other users; every Debian knows it.
const GROUP: &str = "nogroup";
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What a side came to in a situation.
#[derive(Debug)]
pub struct Account {
    /// The exit code; None when the command was ended after two minutes.
    pub exit: Option<i32>,
    pub wall: Duration,
    out: String,
    err: String,
    deeds: Deeds,
    /// What is wrong.
    pub faults: Vec<String>,
}

impl Account {
    /// For a file.
    pub fn json(&self) -> Value {
        json!({
            "exit": self.exit,
            "seconds": self.wall.as_secs_f64(),
            "out": self.out,
            "err": self.err,
            "deeds": self.deeds.json(),
            "faults": self.faults,
        })
    }
}

/// Whether this program may become other users.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs all situations. What befell a node is mended when the next situation is another one.
pub fn all(
    nodes: &mut dyn Nodes,
    situations: &[Situation],
    work: &Path,
) -> anyhow::Result<Vec<Account>> {
    let began = Instant::now();
    let place = nodes.place().join("said");
    let mut side = Run {
        work: work.to_owned(),
        place,
        jid: String::new(),
        harmed: None,
    };
    std::fs::create_dir_all(side.scratch())?;
    let mut accounts = Vec::new();
    for (number, situation) in situations.iter().enumerate() {
        let account = side
            .situation(nodes, number, situation)
            .with_context(|| format!("{}: {}", nodes.name(), situation.name))?;
        eprintln!(
            "{}: {}: {:.1} s, {}",
            nodes.name(),
            situation.name,
            account.wall.as_secs_f64(),
            if account.faults.is_empty() {
                "right".to_owned()
            } else {
                account.faults.join("; ")
            }
        );
        accounts.push(account);
    }
    side.mend(nodes)?;
    eprintln!(
        "{}: {} situations in {:.0} s",
        nodes.name(),
        situations.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(accounts)
}

struct Run {
    work: PathBuf,
    /// Where everything of this side is.
    place: PathBuf,
    /// The job of the last command that named one.
    jid: String,
    harmed: Option<Harm>,
}

impl Run {
    fn scratch(&self) -> PathBuf {
        self.place.join("scratch")
    }

    fn errors(&self) -> PathBuf {
        self.place.join("command.log")
    }

    fn situation(
        &mut self,
        nodes: &mut dyn Nodes,
        number: usize,
        situation: &Situation,
    ) -> anyhow::Result<Account> {
        let book = Book::at(self.place.join(format!("book-{number}")));
        if self.harmed != situation.harm {
            self.mend(nodes)?;
        }
        for line in &situation.before {
            let command = self.command(nodes, line, situation, &book);
            let ended = finish(command, "", &self.errors())?;
            self.remember(&ended);
        }
        let deadline = Instant::now() + DEEDS_WITHIN;
        while !situation.once_begun.is_subset(&book.read().who_began()) && Instant::now() < deadline
        {
            std::thread::sleep(LOOK);
        }
        let mut ended = self.judged(nodes, situation, &book)?;
        self.remember(&ended);
        let deeds = settled(situation, &book);
        let happened = Happened {
            exit: ended.exit,
            out: &ended.out,
            err: &ended.err,
            deeds: &deeds,
        };
        let right = situation.right.filled(|text| self.fill(text, &book))?;
        let faults = right.faults(&happened);
        let place = self.work.display().to_string();
        for text in [&mut ended.out, &mut ended.err] {
            *text = text.replace(&place, "{work}");
        }
        Ok(Account {
            exit: ended.exit,
            wall: ended.wall,
            out: ended.out,
            err: ended.err,
            deeds,
            faults,
        })
    }

    /// Gives the command, with what befalls a node before or meanwhile, and with the listener.
    fn judged(
        &mut self,
        nodes: &mut dyn Nodes,
        situation: &Situation,
        book: &Book,
    ) -> anyhow::Result<Ended> {
        let command = self.command(nodes, &situation.command, situation, book);
        let errors = self.errors();
        let harm = situation
            .harm
            .as_ref()
            .filter(|_| self.harmed != situation.harm);
        let after = harm.and_then(|harm| harm.after);
        match (harm, after, &situation.listen) {
            (Some(harm), Some(after), _) => {
                let ended = std::thread::scope(|scope| -> anyhow::Result<_> {
                    let ended = scope.spawn(|| finish(command, "", &errors));
                    std::thread::sleep(after);
                    nodes.harm(harm.kind, &harm.node)?;
                    ended.join().ok().context("the command's thread broke")?
                })?;
                self.harmed = Some(harm.clone());
                Ok(ended)
            }
            (_, _, Some(listen)) => {
                let listener = self.command(nodes, listen, situation, book);
                self.heard(listener, || {
                    Ok(self.command(nodes, &situation.command, situation, book))
                })
            }
            (harm, _, None) => {
                if let Some(harm) = harm {
                    nodes.harm(harm.kind, &harm.node)?;
                    self.harmed = Some(harm.clone());
                }
                finish(command, "", &errors)
            }
        }
    }

    /// Gives a command until a listener has ended, and adds what that said.
    fn heard(
        &self,
        mut listener: Command,
        tell: impl Fn() -> anyhow::Result<Command>,
    ) -> anyhow::Result<Ended> {
        let path = self.place.join("heard");
        let child = listener
            .stdin(Stdio::null())
            .stdout(File::create(&path)?)
            .stderr(Stdio::null())
            .spawn()
            .context("the listener")?;
        let mut child = Listener(child);
        let mut tells = 0;
        let mut ended = loop {
            let ended = finish(tell()?, "", &self.errors())?;
            tells += 1;
            let deadline = Instant::now() + HEARD_WITHIN;
            while child.0.try_wait()?.is_none() && Instant::now() < deadline {
                std::thread::sleep(LOOK);
            }
            if child.0.try_wait()?.is_some() || tells == TELLS_MAX {
                break ended;
            }
        };
        drop(child);
        ended.out += &std::fs::read_to_string(&path)?;
        Ok(ended)
    }

    fn mend(&mut self, nodes: &mut dyn Nodes) -> anyhow::Result<()> {
        if let Some(harm) = self.harmed.take() {
            nodes.mend(harm.kind, &harm.node)?;
        }
        Ok(())
    }

    fn remember(&mut self, ended: &Ended) {
        if let Some(jid) = words::jid(&ended.out).or_else(|| words::jid(&ended.err)) {
            self.jid = jid.to_owned();
        }
    }

    /// A command of the table with what its words stand for.
    fn command(
        &self,
        nodes: &dyn Nodes,
        line: &Line,
        situation: &Situation,
        book: &Book,
    ) -> Command {
        let mut command = nodes.tool(&line.program, &situation.at);
        if let Some(user) = &situation.user {
            command = as_user(&command, user);
        }
        command.args(line.words.iter().map(|word| self.fill(word, book)));
        command
    }

    fn fill(&self, word: &str, book: &Book) -> String {
        let mut word = word
            .replace("{scratch}", &self.scratch().display().to_string())
            .replace("{roots}", &roots::top(&self.work).display().to_string())
            .replace("{jid}", &self.jid);
        // `{work N}` is work of so many seconds.
        if let Some((before, rest)) = word.split_once("{work ")
            && let Some((seconds, after)) = rest.split_once('}')
            && let Ok(seconds) = seconds.parse()
        {
            word = format!("{before}{}{after}", book.work(seconds));
        }
        word
    }
}

/// A process that is ended when dropped.
struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What minions have written when it is right, or when they had time enough.
fn settled(situation: &Situation, book: &Book) -> Deeds {
    let right = &situation.right;
    if let Some(time) = situation.settle {
        std::thread::sleep(time);
        return book.read();
    }
    let deadline = Instant::now() + DEEDS_WITHIN;
    loop {
        let deeds = book.read();
        let is_all = right
            .ran
            .as_ref()
            .is_none_or(|ids| deeds.who_began().is_superset(ids))
            && right
                .ended
                .as_ref()
                .is_none_or(|ids| deeds.who_ended().is_superset(ids));
        if is_all || Instant::now() > deadline {
            return deeds;
        }
        std::thread::sleep(LOOK);
    }
}

/// The same as another user, who can read all files: a Python environment may lie where others do not look.
fn as_user(command: &Command, user: &str) -> Command {
    let mut other = Command::new("setpriv");
    other
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={GROUP}"))
        .arg("--clear-groups")
        .args([
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
        ])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}
