//! Jobs without end. Each leaves a line on the disk of each minion that runs it, which no book of ours knows of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use integration::{Cli, Dice, Ledger, Tree};

/// Targets, and the minions that they mean.
const TARGETS: [(&str, &str); 4] = [
    ("*", ""),
    ("ams-*", "ams-"),
    ("fra-*", "fra-"),
    ("fra-3", "fra-3"),
];
/// How jobs are ordered. A minion that has not begun within three seconds does not begin any more, unless the job is kept for it or
/// its turn comes later.
const TERMS: [&[&str]; 5] = [
    &["--start-within", "3"],
    &["--start-within", "3"],
    &["--start-within", "3"],
    &["--hold", "10m"],
    // Longer than a minion is ever paused.
    &["-b", "2", "--time-limit", "60"],
];
/// Between two jobs of one hand.
const PAUSE_MAX: Duration = Duration::from_millis(600);

/// One job: what its minions write, and what is known of it.
#[derive(Debug, Clone)]
pub struct Job {
    /// The line that each minion writes.
    pub deed: String,
    /// Ids of the minions that are meant begin with this.
    pub prefix: &'static str,
    /// None: the top-master died, and may have taken it or not.
    pub jid: Option<String>,
}

/// Two hands that give orders until they are told to stop: one that leaves at once, one that waits for each account.
pub struct Load {
    jobs: Arc<Mutex<Vec<Job>>>,
    is_over: Arc<AtomicBool>,
    hands: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(tree: &Tree, seed: u64) -> Load {
        let directory = deeds(tree);
        fs::create_dir_all(&directory).expect("a directory for deeds");
        let (jobs, is_over, next) = (
            Arc::default(),
            Arc::default(),
            Arc::new(AtomicUsize::new(0)),
        );
        let hand = |waits: bool| Hand {
            top: tree.top(),
            directory: directory.clone(),
            jobs: Arc::clone(&jobs),
            is_over: Arc::clone(&is_over),
            next: next.clone(),
            dice: Dice::new(seed ^ u64::from(waits)),
            waits,
        };
        let hands = [false, true].map(|waits| {
            let hand = hand(waits);
            std::thread::spawn(move || hand.work())
        });
        Load {
            jobs,
            is_over,
            hands: hands.into(),
        }
    }

    /// Jobs whose command has ended by now.
    pub fn so_far(&self) -> Vec<Job> {
        self.jobs.lock().expect("no hand has failed").clone()
    }

    /// Ends, and gives all jobs.
    pub fn end(self) -> Vec<Job> {
        self.is_over.store(true, Ordering::Relaxed);
        for hand in self.hands {
            if let Err(panic) = hand.join() {
                std::panic::resume_unwind(panic);
            }
        }
        let jobs = self.jobs.lock().expect("no hand has failed").clone();
        assert!(!jobs.is_empty(), "no job was ordered at all");
        jobs
    }
}

struct Hand {
    top: Cli,
    directory: PathBuf,
    jobs: Arc<Mutex<Vec<Job>>>,
    is_over: Arc<AtomicBool>,
    next: Arc<AtomicUsize>,
    dice: Dice,
    waits: bool,
}

impl Hand {
    fn work(mut self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let deed = format!("deed-{}", self.next.fetch_add(1, Ordering::Relaxed));
            let (target, prefix) = *self.dice.one_of(&TARGETS);
            let jid = self.order(target, &deed);
            let job = Job { deed, prefix, jid };
            self.jobs.lock().expect("no hand has failed").push(job);
            sleep(self.dice.time(PAUSE_MAX));
        }
    }

    /// Orders a job; gives its id when the top-master has told it.
    fn order(&mut self, target: &str, deed: &str) -> Option<String> {
        let work = self.dice.below(10) as f64 / 10.0;
        let directory = self.directory.display();
        // A shell appends: two runs give two lines, whatever happens between them.
        let command = format!("echo {deed} >> {directory}/$NODE; sleep {work}");
        let how = if self.waits {
            ["--out", "ledger"].as_slice()
        } else {
            &["--async"]
        };
        let words = [
            &["run"],
            *self.dice.one_of(&TERMS),
            how,
            &[target, "cmd.run", &command],
        ];
        let said = self.top.call(&words.concat());
        let Some(code @ (0..=1 | 3..=4)) = said.code else {
            return None;
        };
        if !self.waits {
            return (code == 0).then(|| said.out.trim().to_owned());
        }
        if !said.out.starts_with('{') {
            // Not taken at all.
            return None;
        }
        // Checks the sums.
        let ledger = Ledger::parse(&said.out);
        assert_eq!(code, ledger.exit_code(), "{ledger:#?}");
        Some(ledger.jid().to_owned())
    }
}

fn deeds(tree: &Tree) -> PathBuf {
    tree.directory().join("deeds")
}

/// What was really done: how often each minion has written each line.
pub fn done(tree: &Tree) -> BTreeMap<(String, String), usize> {
    let mut done = BTreeMap::new();
    let files = fs::read_dir(deeds(tree)).expect("deeds");
    for file in files {
        let path = file.expect("a file").path();
        let minion = name(&path);
        for line in fs::read_to_string(&path).expect("lines").lines() {
            *done.entry((line.to_owned(), minion.clone())).or_default() += 1;
        }
    }
    done
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
