//! From words to questions, and what is said when the words make no sense.

use std::ffi::OsString;
use std::time::Duration;

use clap::FromArgMatches;
use wire::choice::{Choice, LeftIn};
use wire::control::{Ask, Left, RunAsk};
use wire::{KeyDecision, Presence, Role, Standing};

use super::*;
use crate::LocalCommand;
use crate::lowargs::{InitArgs, JoinStep, Lowargs};
use crate::meaning::{Deed, Errand};

fn deed(line: &str) -> Deed {
    let words = shell_words(line);
    let args = std::iter::once("top-master".to_owned())
        .chain(words)
        .map(OsString::from);
    let matches = crate::definition::definition(Program::TopMaster).try_get_matches_from(args);
    let typed = matches.and_then(|matches| Lowargs::from_arg_matches(&matches));
    Deed::new(
        typed.unwrap_or_else(|e| panic!("{line}: {e}")).command,
        "alice",
    )
    .unwrap_or_else(|e| panic!("{line}: {e}"))
}

/// Splits at blanks, single quotes keep them.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn run_ask(line: &str) -> RunAsk {
    match deed(line) {
        Deed::Errand(Errand::Follow {
            ask: Ask::Run(ask), ..
        }) => *ask,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn choices() {
    let jid = "20261122231556000001".parse().expect("twenty digits");
    let check = |line: &str, expected: Choice| assert_eq!(run_ask(line).choice, expected, "{line}");
    let none = Choice::default;
    check("run '*' test.ping", none());
    check(
        "run '*' --subset 3 --expect 3 test.ping",
        Choice {
            subset: Some(3),
            expect: Some(3),
            ..none()
        },
    );
    check(
        "run '*' test.ping --state up,cut-off",
        Choice {
            presences: vec![Presence::Up, Presence::CutOff],
            ..none()
        },
    );
    let left = |states: &[Left]| Choice {
        left_in: Some(LeftIn {
            jid,
            states: states.to_vec(),
        }),
        ..none()
    };
    check(
        "run '*' test.ping --failed-in 20261122231556000001",
        left(&[Left::Failed]),
    );
    check(
        "run '*' test.ping --left-in 20261122231556000001",
        left(&Left::ALL),
    );
    check(
        "run '*' test.ping --left-in 20261122231556000001:lost,not-started",
        left(&[Left::Lost, Left::NotStarted]),
    );
    for line in ["run '*' --dry-run", "run -S 10.0.0.0/8 --preview-target"] {
        assert!(
            matches!(
                deed(line),
                Deed::Errand(Errand::Preview { ask: Ask::Preview(ask), .. }) if ask.fun.is_empty()
            ),
            "{line}"
        );
    }
}

/// Words in any order are a command or an error with words for people, and nothing else.
#[test]
fn any_words_are_understood_or_refused() {
    const WORDS: [&str; 40] = [
        "run",
        "jobs",
        "retry",
        "keys",
        "tree",
        "*",
        "web*",
        "test.ping",
        "--",
        "-",
        "-E",
        "-L",
        "-S",
        "-N",
        "--subset",
        "3",
        "0",
        "-1",
        "--state",
        "up,cut-off",
        "--left-in",
        "20261122231556000001:failed",
        "20261122231556000001",
        "--failed-in",
        "--expect",
        "99999999999999999999",
        "--dry-run",
        "--site",
        "",
        "k=v",
        "-b",
        "10%",
        "--stages",
        "--hold",
        "2h",
        "--delimiter",
        "ab",
        "\u{1b}[0m",
        "--out",
        "json",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % bound
    };
    let (mut understood, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let words: Vec<&str> = (0..next(9)).map(|_| WORDS[next(WORDS.len())]).collect();
        let line = ["top-master", "run"][..1 + next(2)].iter().chain(&words);
        let typed = crate::definition::definition(Program::TopMaster)
            .try_get_matches_from(line.map(OsString::from))
            .and_then(|matches| Lowargs::from_arg_matches(&matches));
        let text = match typed {
            Err(error) => error.to_string(),
            Ok(typed) => match Deed::new(typed.command, "alice") {
                Err(text) => text,
                Ok(_) => {
                    understood += 1;
                    continue;
                }
            },
        };
        assert!(!text.trim().is_empty(), "{words:?}");
        refused += 1;
    }
    assert!(understood > 50 && refused > 50, "{understood} {refused}");
}

#[test]
fn targets() {
    let check = |line: &str, kind: &str, target: &str| {
        let ask = run_ask(line);
        assert_eq!(
            (
                ask.target_kind.as_str(),
                ask.target.as_str(),
                ask.fun.as_str()
            ),
            (kind, target, "test.ping"),
            "{line}"
        );
    };
    check("run '*' test.ping", "glob", "*");
    check("run -E 'web\\d+' test.ping", "pcre", "web\\d+");
    check("run -L a,b test.ping", "list", "a,b");
    check("run a,b test.ping --list", "list", "a,b");
    check("run -G os:Debian test.ping", "grain", "os:Debian");
    check("run -P os:Deb.* test.ping", "grain-pcre", "os:Deb.*");
    check("run -I role:web test.ping", "pillar", "role:web");
    check("run -J role:w.* test.ping", "pillar-pcre", "role:w.*");
    check(
        "run -C 'G@os:Debian and web*' test.ping",
        "compound",
        "G@os:Debian and web*",
    );
    check(
        "run test.ping_is_a_name test.ping -N",
        "nodegroup",
        "test.ping_is_a_name",
    );
    let ask = run_ask("run -G 'os|Debian' test.ping --delimiter '|' --site eu/ams");
    assert_eq!((ask.delimiter, ask.site.as_deref()), ('|', Some("eu/ams")));
    assert_eq!(
        (
            run_ask("run '*' test.ping").delimiter,
            run_ask("run '*' test.ping").site
        ),
        (':', None)
    );
}

#[test]
fn arguments() {
    let check = |line: &str, args: &str, kwargs: &str| {
        let ask = run_ask(line);
        let text = |json: &[u8]| String::from_utf8_lossy(json).into_owned();
        assert_eq!(
            (text(&ask.args), text(&ask.kwargs)),
            (args.to_owned(), kwargs.to_owned()),
            "{line}"
        );
    };
    check("run '*' f.f", "[]", "{}");
    check(
        "run '*' f.f 'ls -l' 3 True k=[1,2]",
        r#"["ls -l",3,true]"#,
        r#"{"k":[1,2]}"#,
    );
    check("run '*' f.f a --timeout 5 b", r#"["a","b"]"#, "{}");
    check("run '*' f.f -5", "[-5]", "{}");
    check(
        "run '*' f.f -t 5 -- -x --timeout k=v",
        r#"["-x","--timeout"]"#,
        r#"{"k":"v"}"#,
    );
}

#[test]
fn job_options() {
    let ask = run_ask("run '*' f.f");
    assert_eq!(
        (
            ask.start_within_ms,
            ask.run_ms_max,
            ask.roots,
            ask.detach,
            ask.user.as_str()
        ),
        (0, None, None, false, "alice")
    );
    let ask = run_ask("run --async --roots main --start-within 10s --time-limit 1.5 '*' f.f");
    assert_eq!(
        (
            ask.start_within_ms,
            ask.run_ms_max,
            ask.roots.as_deref(),
            ask.detach
        ),
        (10_000, Some(1_500), Some("main"), true)
    );
    match deed("run '*' f.f -t 0.5 --group --summary") {
        Deed::Errand(Errand::Follow { follow, view, .. }) => {
            assert_eq!(follow.timeout, Some(Duration::from_millis(500)));
            assert!(follow.owns_job && view.summary);
            assert_eq!(view.form("f.f"), output::Form::Group);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_of_states_have_their_form() {
    let view = |words: &str| match deed(words) {
        Deed::Errand(Errand::Follow { view, .. }) => view,
        other => panic!("{other:?}"),
    };
    let plain = view("run '*' state.apply");
    assert_eq!(plain.form("state.apply"), output::Form::Highstate);
    assert_eq!(plain.form("test.ping"), output::Form::Nested);
    assert_eq!(plain.states(), output::States::default());
    assert_eq!(
        view("run '*' state.apply --out nested").form("state.apply"),
        output::Form::Nested
    );
    assert_eq!(
        view("run '*' f.f --out highstate").form("f.f"),
        output::Form::Highstate
    );
    let states = view(
        "run '*' state.apply --state-output mixed_id --state-verbose False --state-output-diff",
    )
    .states();
    assert_eq!((states.mode, states.has_ids), (output::Mode::Mixed, true));
    assert!(!states.is_verbose && states.hides_unchanged);
}

#[test]
fn questions() {
    let jid = fake::jid();
    let user = || "alice".to_owned();
    let decide = |ids: &[&str], standings: &[Standing], decision| Ask::Decide {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        standings: standings.to_vec(),
        decision,
        user: user(),
    };
    let check = |line: &str, expected: Ask| {
        let ask = match deed(line) {
            Deed::Errand(Errand::Question { ask, .. } | Errand::Follow { ask, .. }) => ask,
            Deed::Errand(Errand::Show { jid, .. }) => Ask::Show { jid },
            Deed::Errand(Errand::Keys { .. }) => Ask::Keys,
            Deed::Errand(Errand::Decide(d)) => Ask::Decide {
                ids: d.globs,
                standings: d.standings,
                decision: d.decision,
                user: user(),
            },
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(ask, expected, "{line}");
    };
    check(
        "jobs show 20261122231556000001 --out ledger",
        Ask::Show { jid },
    );
    check("jobs watch 20261122231556000001 -t 3", Ask::Watch { jid });
    check(
        "jobs cancel 20261122231556000001",
        Ask::Cancel { jid, user: user() },
    );
    check("tree", Ask::Tree { minions: false });
    check("tree --minions --out json", Ask::Tree { minions: true });
    check("identity", Ask::Identity);
    check("keys list", Ask::Keys);
    check("keys finger 'web*'", Ask::Keys);
    check(
        "keys accept web1 'db*'",
        decide(&["web1", "db*"], &[Standing::Pending], KeyDecision::Accept),
    );
    check(
        "keys accept --all -y --include-rejected --include-denied",
        decide(
            &["*"],
            &[Standing::Pending, Standing::Rejected, Standing::Denied],
            KeyDecision::Accept,
        ),
    );
    check(
        "keys reject web1 --include-accepted",
        decide(
            &["web1"],
            &[Standing::Pending, Standing::Accepted],
            KeyDecision::Reject,
        ),
    );
    check(
        "keys delete web1",
        decide(&["web1"], &[], KeyDecision::Delete),
    );
    check(
        "token create",
        Ask::TokenCreate {
            role: Role::Minion,
            ids: vec![],
            ttl_s: 3_600,
            uses: 1,
        },
    );
    check(
        "token create --role syndic --id 'a*' --id b --ttl 7d --uses 20",
        Ask::TokenCreate {
            role: Role::Syndic,
            ids: vec!["a*".to_owned(), "b".to_owned()],
            ttl_s: 604_800,
            uses: 20,
        },
    );
    check("token list", Ask::TokenList);
    check(
        "token revoke t1",
        Ask::TokenRevoke {
            name: "t1".to_owned(),
        },
    );
    check("roots status", Ask::Roots);
    check(
        "roots update",
        Ask::RootsUpdate {
            accept_rewind: false,
            wait_ms: 0,
        },
    );
    check(
        "roots update --wait",
        Ask::RootsUpdate {
            accept_rewind: false,
            wait_ms: 60_000,
        },
    );
    check(
        "roots update --wait=5m --accept-rewind",
        Ask::RootsUpdate {
            accept_rewind: true,
            wait_ms: 300_000,
        },
    );
    check(
        "delegate ams1 --functions 'test.*,state.apply' --ttl 1d",
        Ask::Delegate {
            syndic: "ams1".to_owned(),
            functions: vec!["test.*".to_owned(), "state.apply".to_owned()],
            ttl_s: 86_400,
        },
    );
    check(
        "delegate ams1 --revoke",
        Ask::Delegate {
            syndic: "ams1".to_owned(),
            functions: vec![],
            ttl_s: 0,
        },
    );
}

#[test]
fn what_the_program_does_itself() {
    let check = |line: &str, expected: LocalCommand| match deed(line) {
        Deed::Local(command) => assert_eq!(command, expected, "{line}"),
        other => panic!("{line}: {other:?}"),
    };
    check("serve", LocalCommand::Serve);
    check(
        "init --id top1",
        LocalCommand::Init(InitArgs {
            id: Some("top1".to_owned()),
        }),
    );
    check(
        "join request r.bin",
        LocalCommand::Join(JoinStep::Request {
            id: None,
            request: "r.bin".into(),
        }),
    );
    check(
        "join admit r.bin a.bin",
        LocalCommand::Join(JoinStep::Admit {
            request: "r.bin".into(),
            admission: "a.bin".into(),
        }),
    );
    check(
        "join complete a.bin",
        LocalCommand::Join(JoinStep::Complete {
            admission: "a.bin".into(),
        }),
    );
}

#[test]
fn the_journal_is_read_by_the_program_itself() {
    let journal = |line: &str| match deed(line) {
        Deed::Local(LocalCommand::Journal(args)) => args,
        other => panic!("{line}: {other:?}"),
    };
    let all = journal("jobs journal");
    assert_eq!(
        (all.since, all.user.as_deref(), all.is_json()),
        (None, None, false)
    );
    let some = journal("jobs journal --since 2h --user ann --function 'state.*' --out json");
    assert_eq!(some.since, Some(Duration::from_secs(7_200)));
    assert_eq!(some.user.as_deref(), Some("ann"));
    assert_eq!(some.function.as_deref(), Some("state.*"));
    assert!(some.is_json());
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    let place = Place::new();
    let check = |line: &str, words: &str| {
        let args = shell_words(line);
        let outcome = place.call_bare(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((outcome.code, outcome.out.as_str()), (64, ""), "{line}");
        assert!(outcome.err.contains(words), "{line}: {}", outcome.err);
    };
    check("", "Usage: top-master");
    check("jobs", "Usage: top-master jobs");
    check("fly", "unrecognized subcommand 'fly'");
    check("run", "<TARGET>");
    check("run '*'", "<FUN>");
    check("run '*' f.f -x", "unexpected argument '-x'");
    check("run -L -G a f.f", "cannot be used with");
    check("run '*' f.f --out xml", "invalid value 'xml'");
    check("run '*' f.f --group --out json", "cannot be used with");
    check("run '*' f.f -t soon", "unknown unit");
    check("jobs show 12", "twenty digits");
    check("keys accept", "<GLOBS>");
    check("keys accept web1 --all", "cannot be used with");
    check("token create --role top-master", "minion or syndic");
    check("delegate ams1", "--functions");
    check("delegate ams1 --revoke --ttl 1d", "cannot be used with");
    check("--log-level loud tree", "invalid value 'loud'");
}

#[test]
fn help_is_there_for_each_command_under_the_programs_own_name() {
    for program in [Program::TopMaster, Program::Syndic] {
        let place = Place {
            program,
            ..Place::new()
        };
        let mut paths: Vec<Vec<String>> = vec![vec![]];
        let definition = crate::definition::definition(program);
        for command in definition.get_subcommands() {
            paths.push(vec![command.get_name().to_owned()]);
            paths.extend(
                command
                    .get_subcommands()
                    .map(|sub| vec![command.get_name().to_owned(), sub.get_name().to_owned()]),
            );
        }
        for path in paths {
            let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
            let outcome = place.call_bare(&args);
            assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{args:?}");
            assert!(
                outcome.out.contains(program.name()) && !outcome.out.contains("PROGRAM"),
                "{args:?}: {}",
                outcome.out
            );
        }
    }
}

#[test]
fn a_syndic_makes_no_tree() {
    let place = Place {
        program: Program::Syndic,
        ..Place::new()
    };
    let help = place.call_bare(&["--help"]).out;
    for command in ["init", "join", "delegate"] {
        assert!(!help.contains(&format!("\n  {command} ")), "{help}");
        assert_eq!(place.call_bare(&[command]).code, 64);
    }
    assert!(help.contains("\n  run "), "{help}");
}

#[test]
fn version_completions_and_manual_pages() {
    let place = Place::new();
    let version = format!("top-master {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        place.call_bare(&["--version"]),
        Outcome {
            code: 0,
            out: version,
            err: String::new()
        }
    );
    for shell in ["bash", "zsh", "fish"] {
        let outcome = place.call_bare(&["completions", shell]);
        assert_eq!(outcome.code, 0);
        assert!(outcome.out.contains("summary"), "{shell}");
    }
    let dir = place.root.path().join("share/man1");
    let outcome = place.call_bare(&["man", dir.to_str().expect("a path of text")]);
    assert_eq!(
        outcome,
        Outcome {
            code: 0,
            out: String::new(),
            err: String::new()
        }
    );
    for page in [
        "top-master.1",
        "top-master-run.1",
        "top-master-keys-accept.1",
    ] {
        let text =
            std::fs::read_to_string(dir.join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(
            text.contains("top\\-master") && !text.contains("PROGRAM"),
            "{page}"
        );
    }
}

#[test]
fn the_daemon_knows_every_log_level() {
    use clap::ValueEnum;
    let environment: BTreeMap<String, String> = [("HOSTNAME".to_owned(), "top1".to_owned())].into();
    for &level in crate::LogLevel::value_variants() {
        let globals = crate::Globals {
            root_dir: Some("/nonexistent".into()),
            log_level: Some(level),
            ..crate::Globals::default()
        };
        let settings = globals.sources(Program::TopMaster, &environment).hub();
        assert!(settings.is_ok(), "{level:?}: {:?}", settings.err());
    }
}
