//! Every command that the README and the pages of `docs` show is one that the programs take.
//!
//! Commands run against a real tree, those that would do something on this host as a question who would be meant. What counts
//! is that nothing is refused as wrongly typed, and that no program breaks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration::{Cli, Remote, Running, Said, Tree, directory, wait_for};

/// Wrongly typed, no daemon, broken, wrong settings.
const BAD_CODES: [i32; 4] = [64, 69, 70, 78];

/// A command line of a page.
struct Shown {
    /// Page and line.
    place: String,
    words: Vec<String>,
}

/// All command lines of a page: in its blocks, with `$` before it or not; what follows ` # ` is a remark.
fn shown(page: &Path) -> Vec<Shown> {
    let text = fs::read_to_string(page).expect("a page");
    let name = page.file_name().unwrap_or_default().to_string_lossy();
    let mut found = Vec::new();
    let mut is_fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        let Some(line) = is_fenced.then_some(line).or(line.strip_prefix("    ")) else {
            continue;
        };
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let program = line.split(' ').next().unwrap_or_default();
        if !["top-master", "syndic", "minion"].contains(&program) {
            continue;
        }
        let line = line.split(" # ").next().unwrap_or_default();
        let line = line.split(" && ").next().unwrap_or_default().trim();
        for words in alternatives(line) {
            let place = format!("{name}:{}: {line}", number + 1);
            found.push(Shown { place, words });
        }
    }
    found
}

/// The words of a line, once for each of `list | show JID | ...`.
fn alternatives(line: &str) -> Vec<Vec<String>> {
    // The shell reads them as it does for a reader of the page; a bar is no pipe here.
    let mut shell = Command::new("sh");
    let line = line.replace(" | ", " '|' ");
    shell.args(["-fc", &format!("printf '%s\\0' {line}")]);
    let said = Running::start(shell).finish();
    let words: Vec<String> = said.out.split_terminator('\0').map(str::to_owned).collect();
    let Some(bar) = words.iter().position(|word| word == "|") else {
        return vec![words];
    };
    // What all have in common ends before the first alternative: a sub-command and what it takes.
    let first = words[..bar]
        .iter()
        .rposition(|word| word.chars().all(|c| c.is_ascii_lowercase()))
        .unwrap_or(bar);
    let (common, rest) = words.split_at(first);
    rest.split(|word| word == "|")
        .map(|part| [common, part].concat())
        .collect()
}

/// The tree whose names the pages use.
struct Sample {
    tree: Tree,
    _roots: Remote,
    /// Where `./salt` and `./pillar` are, and a node of each program that belongs to no tree may live.
    place: tempfile::TempDir,
    jid: String,
}

impl Sample {
    fn new() -> Sample {
        let roots = Remote::new();
        let place = tempfile::tempdir().expect("a directory");
        let harmless = "said:\n  test.nop: []\n";
        for base in [roots.checkout(), place.path().to_owned()] {
            for folder in ["salt", "pillar"] {
                fs::create_dir_all(base.join(folder)).expect("a folder");
            }
            for name in ["nginx", "users"] {
                fs::write(base.join(format!("salt/{name}.sls")), harmless).expect("a state");
            }
            fs::write(base.join("salt/top.sls"), "base: {'*': [nginx]}\n").expect("a top file");
        }
        fs::create_dir(place.path().join("bin")).expect("a folder");
        roots.push("README", "roots\n");
        let more = format!(
            "{}  root: salt\n  pillar_root: pillar\next_job_cache: rawfile_json\nrawfile_json.filename: {}\nnodegroups: {{web: 'web*'}}\njournal_file: {}\n",
            roots.settings(),
            place.path().join("returns").display(),
            place.path().join("jobs.journal").display()
        );
        let mut tree = Tree::with_top(&more);
        tree.syndic("eu-hub", "eu", &["top"]);
        tree.syndic("ams1", "ams", &["eu-hub"]);
        for id in ["web1", "web2", "ams-web1"] {
            tree.new_minion(id, &["ams1"], "");
        }
        tree.settle();
        let jid = tree.top().run(0, &["*", "test.ping"]).jid().to_owned();
        Sample {
            tree,
            _roots: roots,
            place,
            jid,
        }
    }

    /// The words as somebody types them who has read the page.
    fn typed(&self, shown: &Shown) -> Vec<String> {
        let mut typed = Vec::new();
        for word in &shown.words[1..] {
            match word.as_str() {
                "..." => typed.push("true".to_owned()),
                "TARGET" => typed.push("*".to_owned()),
                "FUNCTION" => typed.push("test.ping".to_owned()),
                "SYNDIC" => typed.push("ams1".to_owned()),
                "GLOB" => typed.push("web*".to_owned()),
                // What may be left out.
                word if word.starts_with('[') && word.ends_with(']') => {}
                word => typed.push(word.replace("JID", &self.jid)),
            }
        }
        typed
    }

    fn cli(&self, program: &str) -> Cli {
        match program {
            "top-master" => self.tree.top(),
            "syndic" => self.tree.cli("ams1"),
            _ => self.tree.cli("web1"),
        }
    }

    fn run(&mut self, shown: &Shown) -> Said {
        let mut words = self.typed(shown);
        let program = shown.words[0].as_str();
        let cli = self.cli(program);
        let first = words.first().cloned().unwrap_or_default();
        if first == "run" {
            let has = |option: &str| words.iter().any(|word| word == option);
            if has("--out") || has("--expect") {
                // No question goes with these: they run, and so does nothing that would change this host.
                assert!(is_harmless(&words), "{}", shown.place);
            } else if !has("--dry-run") {
                // Before the function, whose words are its own.
                words.insert(1, "--dry-run".to_owned());
            }
        }
        if first == "events" && !words.iter().any(|word| word == "--count") {
            words.extend(["--count".to_owned(), "1".to_owned()]);
        }
        if first == "install-names" {
            // Not among the programs of this host, where they would outlive the test.
            let names = self.place.path().join("bin");
            words.extend(["--dir".to_owned(), names.display().to_string()]);
        }
        if first == "init" {
            // A tree is made where there is none.
            let cli = Cli::new(program, &self.place.path().join("new"));
            return cli.call(&words.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let mut command = Command::new(directory().join(program));
        command
            .current_dir(self.place.path())
            .arg("--root-dir")
            .arg(cli.root())
            .args(&words);
        let mut running = Running::start(command);
        if first == "events" {
            // Something has to happen that is read.
            wait_for(&format!("an event ends {}", shown.place), || {
                self.tree.node_mut("web1").restart();
                self.tree.minion_is("web1", "up");
                self.tree.top().run(0, &["web1", "test.ping"]);
                (!running.is_running()).then_some(())
            });
        }
        running.finish()
    }
}

/// The states of the sample do nothing.
fn is_harmless(words: &[String]) -> bool {
    let harmless = ["test.ping", "state.apply", "df -h /", "--dry-run"];
    words.iter().any(|word| harmless.contains(&word.as_str()))
}

/// Those that change the tree come after those that only look at it.
fn rank(shown: &Shown) -> u8 {
    let has = |word: &str| shown.words.iter().any(|shown| shown == word);
    if has("delete") {
        2
    } else {
        u8::from(has("reject") || has("--revoke"))
    }
}

#[test]
fn every_command_of_the_pages_is_taken() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages: Vec<PathBuf> = fs::read_dir(base.join("docs"))
        .expect("docs")
        .map(|entry| entry.expect("a page").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    pages.push(base.join("README.md"));
    pages.sort();
    let mut commands: Vec<Shown> = pages.iter().flat_map(|page| shown(page)).collect();
    commands.sort_by_key(rank);
    assert!(commands.len() > 60, "the pages show {}", commands.len());
    let mut sample = Sample::new();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for command in &commands {
        if !seen.insert(command.words.clone()) {
            continue;
        }
        let said = sample.run(command);
        if said.code.is_none_or(|code| BAD_CODES.contains(&code)) {
            wrong.push(format!(
                "{}\n  {:?}: {}",
                command.place, said.code, said.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn alternatives_share_what_stands_before_them() {
    let words = |line| {
        alternatives(line)
            .into_iter()
            .map(|words| words.join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words("top-master jobs list | show JID | cancel JID"),
        [
            "top-master jobs list",
            "top-master jobs show JID",
            "top-master jobs cancel JID"
        ]
    );
    assert_eq!(
        words("top-master run 'web*' 'a b'"),
        ["top-master run web* a b"]
    );
}
