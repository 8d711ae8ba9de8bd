//! Targets through the public API: tables first, then laws over random targets.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use targeting::{
    Facts, Kind, LIST_BYTES_MAX, NESTING_MAX, Nodegroups, TEXT_BYTES_MAX, Target, Verdict,
};

struct Minion {
    id: &'static str,
    path: &'static str,
    grains: Option<Value>,
    pillar: Option<Value>,
}

impl Facts for Minion {
    fn id(&self) -> &str {
        self.id
    }
    fn path(&self) -> &str {
        self.path
    }
    fn grains(&self) -> Option<&Value> {
        self.grains.as_ref()
    }
    fn pillar(&self) -> Option<&Value> {
        self.pillar.as_ref()
    }
}

fn minions() -> Vec<Minion> {
    let minion = |id, path, os: Option<&str>| Minion {
        id,
        path,
        grains: os.map(|os| {
            let ipv4 = [
                "127.0.0.1",
                if id == "web1" { "10.1.2.3" } else { "10.2.0.1" },
            ];
            json!({"os": os, "kernel release": "6 1", "ipv4": ipv4, "ipv6": ["::1", "fd00::7"]})
        }),
        // Of one minion the pillar is not known.
        pillar: (id != "web2")
            .then(|| json!({"role": &id[..id.len() - 1], "path": {"dirs": ["/a:/b"]}})),
    };
    vec![
        minion("web1", "eu/ams", Some("Debian")),
        minion("web2", "eu/ams/row1", None),
        minion("db1", "eu/fra", Some("Ubuntu")),
        minion("db2", "us", Some("Debian")),
        minion("and", "", None),
    ]
}

fn groups() -> Nodegroups {
    Nodegroups::from_value(&json!({
        "web": "web*", "names": "web1 db1", "list": ["db1", "or", "N@web"], "both": "N@web or N@names", "bad": "web* and",
        "loop": "N@pool", "pool": "web1 or N@loop", "deb": "G@os:Debian",
        "net": "S@10.2.0.0/16", "front": "I@role:web or N@net", "nets": ["N@net", "and", "not", "(", "db2", "or", "N@names", ")"],
    }))
    .unwrap_or_default()
}

fn parse(kind: Kind, text: &str) -> Result<Target, targeting::Errors> {
    Target::parse(kind, text, &groups(), ':')
}

/// The ids that match, those that cannot be told with a `?`.
fn matching(target: &Target) -> String {
    let minions = minions();
    let names = minions
        .iter()
        .filter_map(|minion| match target.matches(minion) {
            Verdict::Yes => Some(minion.id.to_owned()),
            Verdict::Unknown => Some(format!("{}?", minion.id)),
            Verdict::No => None,
        });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn matches() {
    #[track_caller]
    fn check(kind: Kind, text: &str, expected: &str, canonical: &str) {
        let target = parse(kind, text).unwrap_or_else(|errors| panic!("{}", errors.render(text)));
        assert_eq!(matching(&target), expected, "{text}");
        assert_eq!(target.to_compound(), canonical);
        let again = Target::parse(Kind::Compound, canonical, &Nodegroups::default(), '|')
            .unwrap_or_else(|errors| panic!("{}", errors.render(canonical)));
        assert_eq!(again, target);
        assert_eq!(matching(&again), expected, "{canonical}");
    }
    check(Kind::Glob, "*", "web1 web2 db1 db2 and", "*");
    check(Kind::Glob, " web* ", "web1 web2", "web*");
    check(Kind::Glob, "web[!1]", "web2", "web[!1]");
    check(Kind::Glob, "WEB*", "", "WEB*");
    check(Kind::Glob, "and", "and", "L@and");
    check(Kind::Glob, "eu/*", "web1 web2 db1", "eu/*");
    check(Kind::Glob, "eu/ams/web*", "web1 web2", "eu/ams/web*");
    check(Kind::Glob, "eu/ams/", "web1 web2", "eu/ams/*");
    check(Kind::Glob, "*/?ra/db?", "db1", "*/?ra/db?");
    check(Kind::Site, "eu/ams", "web1 web2", "eu/ams/*");
    check(Kind::Site, "eu", "web1 web2 db1", "eu/*");
    check(Kind::Site, "eu/*", "web1 web2 db1", "eu/*/*");
    check(Kind::Site, "eu/am", "", "eu/am/*");
    check(Kind::Pcre, r"web\d$", "web1 web2", r"E@web\d$");
    check(Kind::Pcre, "eb", "", "E@eb");
    check(Kind::Pcre, "(?!web)", "db1 db2 and", "E@(?!web)");
    check(Kind::Pcre, "web1|a b", "web1", r"E@web1|a\ b");
    check(Kind::Pcre, r"web1|a\ b", "web1", r"E@web1|a\ b");
    check(Kind::Pcre, r"web1\\ |d", "db1 db2", r"E@web1\\\ |d");
    check(Kind::Ipcidr, "10.1.2.3", "web1 web2? and?", "S@10.1.2.3");
    check(
        Kind::Ipcidr,
        " 10.0.0.0/255.0.0.0 ",
        "web1 web2? db1 db2 and?",
        "S@10.0.0.0/8",
    );
    check(
        Kind::Compound,
        "(S@FD00::/16) and web*",
        "web1 web2?",
        "S@fd00::/16 and web*",
    );
    check(
        Kind::Nodegroup,
        "nets",
        "web2? and?",
        "S@10.2.0.0/16 and not ( db2 or L@db1,web1 )",
    );
    check(Kind::List, "db1, web1,,none", "web1 db1", "L@db1,none,web1");
    check(Kind::List, "web*", "", "L@web*");
    check(Kind::Grain, "os:Deb*", "web1 web2? db2 and?", "G@os:Deb*");
    check(
        Kind::Grain,
        "kernel release:6 ?",
        "web1 web2? db1 db2 and?",
        r"G@kernel\ release:6\ ?",
    );
    check(
        Kind::GrainPcre,
        "os:(Deb|Ubu)",
        "web1 web2? db1 db2 and?",
        "P@os:(Deb|Ubu)",
    );
    check(Kind::Nodegroup, "web", "web1 web2", "web*");
    check(Kind::Nodegroup, "names", "web1 db1", "L@db1,web1");
    check(Kind::Nodegroup, "list", "web1 web2 db1", "db1 or web*");
    check(
        Kind::Compound,
        "N@both and not web1",
        "web2 db1",
        "( web* or L@db1,web1 ) and not web1",
    );
    check(
        Kind::Compound,
        "web* and G@os:Debian",
        "web1 web2?",
        "web* and G@os:Debian",
    );
    check(
        Kind::Compound,
        "db* and G@os:Debian",
        "db2",
        "db* and G@os:Debian",
    );
    check(
        Kind::Compound,
        "G|@os|Debian or L@web2",
        "web1 web2 db2 and?",
        "G|@os|Debian or L@web2",
    );
    check(
        Kind::Compound,
        "not G@os:Debian",
        "web2? db1 and?",
        "not G@os:Debian",
    );
    check(
        Kind::Compound,
        "* not web*",
        "db1 db2 and",
        "* and not web*",
    );
    check(
        Kind::Compound,
        "web1 or db* and not db1",
        "web1 db2",
        "web1 or db* and not db1",
    );
    check(
        Kind::Compound,
        "( web1 or db* ) and not db1",
        "web1 db2",
        "( web1 or db* ) and not db1",
    );
    check(
        Kind::Compound,
        "(web1 or db*) and not (db1)",
        "web1 db2",
        "( web1 or db* ) and not db1",
    );
    check(
        Kind::Compound,
        "(E@(web|db)1) and *",
        "web1 db1",
        "E@(web|db)1 and *",
    );
    check(
        Kind::Compound,
        "(not (E@(web|db)1))",
        "web2 db2 and",
        "not E@(web|db)1",
    );
    check(Kind::Compound, r"( E@web1|a\) )", "web1", r"E@web1|a\)");
    check(Kind::Compound, "not ( not ( web1 ) )", "web1", "web1");
    check(Kind::Pillar, "role:WEB", "web1 web2?", "I@role:WEB");
    check(Kind::PillarPcre, "role:d.$", "web2? db1 db2", "J@role:d.$");
    check(
        Kind::Compound,
        "I|@path|dirs|/a:/b and not web*",
        "db1 db2 and",
        "I|@path|dirs|/a:/b and not web*",
    );
    check(
        Kind::Compound,
        "N@front",
        "web1 web2? db1 db2 and?",
        "I@role:web or S@10.2.0.0/16",
    );
    check(Kind::Compound, "a or ( b or ( c ) )", "", "a or b or c");
    check(
        Kind::Compound,
        "eu/* and not eu/ams/*",
        "db1",
        "eu/* and not eu/ams/*",
    );
}

#[test]
fn reports_each_fault_at_its_place() {
    #[track_caller]
    fn check(kind: Kind, text: &str, expected: &[(usize, usize, &str)]) {
        let errors = parse(kind, text)
            .err()
            .map(|errors| errors.0)
            .unwrap_or_default();
        let found: Vec<_> = errors
            .iter()
            .map(|error| (error.start, error.end, error.message.as_str()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }
    check(Kind::Glob, "", &[(0, 0, "the target is empty")]);
    check(
        Kind::Glob,
        "a b",
        &[(0, 3, "an id or a site cannot hold ' '")],
    );
    check(
        Kind::Glob,
        "G@os:x",
        &[(0, 6, "`G@` begins a compound target")],
    );
    check(
        Kind::Glob,
        "/web",
        &[(
            0,
            4,
            "a path has a name before each `/`, and none at its start",
        )],
    );
    check(
        Kind::Site,
        "a//b",
        &[(
            0,
            4,
            "a path has a name before each `/`, and none at its start",
        )],
    );
    check(Kind::List, " , ", &[(1, 2, "the list holds no id")]);
    check(
        Kind::List,
        "a,b/c",
        &[(0, 5, "`b/c` is a path, and a list holds ids")],
    );
    check(Kind::Compound, " ", &[(0, 1, "the target is empty")]);
    check(
        Kind::Compound,
        "web* and",
        &[(8, 8, "a target is missing at the end")],
    );
    check(
        Kind::Compound,
        "and web*",
        &[(0, 3, "a target is missing before `and`")],
    );
    check(
        Kind::Compound,
        "a or or b",
        &[(5, 7, "a target is missing before `or`")],
    );
    check(
        Kind::Compound,
        "a b",
        &[(2, 3, "`and` or `or` is missing before this")],
    );
    check(
        Kind::Compound,
        "a AND b",
        &[
            (2, 5, "`and` or `or` is missing before this"),
            (6, 7, "`and` or `or` is missing before this"),
        ],
    );
    check(Kind::Compound, "( a", &[(0, 1, "no `)` closes this `(`")]);
    check(Kind::Compound, "a )", &[(2, 3, "no `(` opens this `)`")]);
    check(Kind::Compound, "a)", &[(1, 2, "no `(` opens this `)`")]);
    check(
        Kind::Compound,
        "( )",
        &[(2, 3, "a target is missing before `)`")],
    );
    check(
        Kind::Compound,
        "Q@x or S@10.0.0.1/8",
        &[
            (0, 3, "unknown engine `Q@`"),
            (
                7,
                19,
                "`10.0.0.1/8` has bits of an address beyond its network",
            ),
        ],
    );
    check(Kind::Compound, "J@", &[(0, 2, "nothing stands after `J@`")]);
    check(
        Kind::Compound,
        "I@role",
        &[(0, 6, "the target is not `key:value`")],
    );
    check(Kind::Compound, "G@", &[(0, 2, "nothing stands after `G@`")]);
    check(
        Kind::Compound,
        "G@os",
        &[(0, 4, "the target is not `key:value`")],
    );
    check(
        Kind::Compound,
        "a or N@none",
        &[(5, 11, "unknown nodegroup `none`")],
    );
    check(
        Kind::Compound,
        "a or N@bad",
        &[(
            5,
            10,
            "in the nodegroup `bad`: a target is missing at the end",
        )],
    );
    check(
        Kind::Nodegroup,
        "loop",
        &[(
            0,
            4,
            "in the nodegroup `pool`: the nodegroups go in a circle: `loop` -> `pool` -> `loop`",
        )],
    );
    check(
        Kind::Compound,
        r"G@a:b\",
        &[(0, 6, "a backslash cannot stand at the end")],
    );
    check(
        Kind::Pcre,
        "(?x) a",
        &[(0, 6, "a verbose regex `(?x)` cannot hold blanks")],
    );
}

#[test]
fn a_broken_regex_says_why() {
    let errors = parse(Kind::Compound, "web* and E@a(b or c")
        .err()
        .unwrap_or_else(|| panic!("it is broken"));
    assert_eq!(
        (errors.0.len(), errors.0[0].start, errors.0[0].end),
        (1, 9, 14)
    );
    assert!(
        errors.0[0].message.to_lowercase().contains("parenthes"),
        "{errors}"
    );
}

#[test]
fn renders_a_caret_below_the_fault() {
    let text = "wéb* and Q@x\tor a";
    let errors = parse(Kind::Compound, text)
        .err()
        .unwrap_or_else(|| panic!("it is broken"));
    assert_eq!(
        errors.render(text),
        "wéb* and Q@x or a\n         ^^^ unknown engine `Q@`\n"
    );
    assert_eq!(errors.to_string(), "unknown engine `Q@` at byte 10");
}

#[test]
fn limits() {
    #[track_caller]
    fn check(kind: Kind, text: &str, fits: bool) {
        assert_eq!(
            parse(kind, text).is_ok(),
            fits,
            "{kind:?}, {} bytes",
            text.len()
        );
    }
    check(Kind::Glob, &"a".repeat(TEXT_BYTES_MAX), true);
    check(Kind::Glob, &"a".repeat(TEXT_BYTES_MAX + 1), false);
    check(Kind::List, &"a".repeat(LIST_BYTES_MAX - 2), true);
    check(Kind::List, &"a".repeat(LIST_BYTES_MAX + 1), false);
    check(
        Kind::Compound,
        &format!("* and L@{}", "a".repeat(LIST_BYTES_MAX - 2)),
        true,
    );
    let nested = |depth: usize| format!("{}a{}", "( ".repeat(depth), " )".repeat(depth));
    check(Kind::Compound, &nested(NESTING_MAX), true);
    check(Kind::Compound, &nested(NESTING_MAX + 1), false);
    check(Kind::Compound, &nested(10_000), false);
    check(
        Kind::Compound,
        &format!("{}a", "not ".repeat(10_000)),
        false,
    );
    check(
        Kind::Compound,
        &format!("a{}", " or a".repeat(20_000)),
        false,
    );
    // Each group uses the one below it twice, so the words double at each of 17 levels, and of 14.
    let doubling = |levels: usize| {
        let group = |n: usize| {
            (
                format!("g{n}"),
                if n == 0 {
                    "a*".to_owned()
                } else {
                    format!("N@g{0} or N@g{0}", n - 1)
                },
            )
        };
        let groups: Nodegroups = (0..levels).map(group).collect();
        Target::parse(Kind::Nodegroup, &format!("g{}", levels - 1), &groups, ':').is_ok()
    };
    assert!(doubling(10));
    assert!(!doubling(16));
    assert!(!doubling(17));
}

#[test]
fn names_literal_ids() {
    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let found = parse(Kind::Compound, text)
            .ok()
            .and_then(|target| target.literal_ids());
        assert_eq!(
            found,
            expected.map(|ids| ids
                .iter()
                .map(|id| (*id).to_owned())
                .collect::<BTreeSet<_>>()),
            "{text}"
        );
    }
    check("L@a,b", Some(&["a", "b"]));
    check("a or b or L@c", Some(&["a", "b", "c"]));
    check("a and b", None);
    check("not a", None);
    check("a or web*", None);
    check("eu/a", None);
    check("E@a", None);
    check("G@a:b", None);
}

#[test]
fn prunes_by_site() {
    #[track_caller]
    fn check(text: &str, path: &str, expected: bool) {
        assert_eq!(
            parse(Kind::Compound, text).map(|target| target.may_match_below(path)),
            Ok(expected),
            "{text} below {path}"
        );
    }
    check("*", "us", true);
    check("not *", "us", false);
    check("eu/*", "us", false);
    check("eu/*", "eu/ams", true);
    check("eu/ams/*", "eu", true);
    check("eu/ams/*", "", true);
    check("eu/ams/*", "eu/fra", false);
    check("not eu/*", "eu/ams", false);
    check("not eu/*", "", true);
    check("not eu/ams/*", "eu", true);
    check("not eu/web*", "eu", true);
    check("web* and eu/*", "us", false);
    check("web* or eu/*", "us", true);
    check("( eu/* or us/* ) and G@os:x", "asia", false);
}

#[test]
fn stays_within_a_site() {
    let site = parse(Kind::Site, "eu").unwrap_or_else(|errors| panic!("{errors}"));
    let target = parse(Kind::Compound, "web* or db*")
        .map(|target| target.within(&site))
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(target.to_compound(), "( web* or db* ) and eu/*");
    assert_eq!(matching(&target), "web1 web2 db1");
    assert!(!target.needs_grains());
    assert!(parse(Kind::Compound, "a or not P@a:b").is_ok_and(|target| target.needs_grains()));
}

#[test]
fn tells_words_that_search_the_pillar() {
    let searches = |text| parse(Kind::Compound, text).is_ok_and(|target| target.searches_pillar());
    assert!(!searches("web* and G@os:D*"));
    assert!(!searches("I@role:web or not I|@a|b"));
    for text in [
        "I@role:w*",
        "I@*:web",
        "web1 and not I@role:we?",
        "I@a:[a-m]x",
        "J@role:web",
    ] {
        assert!(searches(text), "{text}");
    }
}

/// A target and, in the simplest form, what it should say.
#[derive(Clone, Debug)]
enum Model {
    Leaf(usize),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
}

type Leaf = (&'static str, fn(&Minion) -> Option<bool>);

/// Words and their meaning, written down a second time without the crate's matchers.
const LEAVES: [Leaf; 20] = [
    ("*", |_| Some(true)),
    ("web*", |minion| Some(minion.id.starts_with("web"))),
    ("?b2", |minion| Some(minion.id == "db2")),
    ("L@web1,db2", |minion| {
        Some(["web1", "db2"].contains(&minion.id))
    }),
    (r"E@(web|db)1", |minion| {
        Some(["web1", "db1"].contains(&minion.id))
    }),
    ("eu/*", |minion| Some(minion.path.starts_with("eu"))),
    ("eu/ams/web?", |minion| {
        Some(minion.path.starts_with("eu/ams"))
    }),
    ("G@os:Debian", |minion| os(minion).map(|os| os == "Debian")),
    ("S@10.1.0.0/16", |minion| {
        os(minion).map(|_| minion.id == "web1")
    }),
    ("S@10.2.0.1", |minion| {
        os(minion).map(|_| minion.id != "web1")
    }),
    ("S@fd00::/8", |minion| os(minion).map(|_| true)),
    ("S@2001:db8::/32", |minion| os(minion).map(|_| false)),
    ("L@web1,db2,none", |minion| {
        Some(["web1", "db2"].contains(&minion.id))
    }),
    (r"E@(web|db)\d$", |minion| Some(minion.id != "and")),
    ("N@both", |minion| {
        Some(["web1", "web2", "db1"].contains(&minion.id))
    }),
    ("N@net", |minion| os(minion).map(|_| minion.id != "web1")),
    (r"P@os:(deb|x\ y).*n$", |minion| {
        os(minion).map(|os| os == "Debian")
    }),
    ("I@role:web", |minion| {
        role(minion).map(|_| minion.id == "web1")
    }),
    ("J|@role|(web|db)$", |minion| {
        role(minion).map(|_| minion.id != "and")
    }),
    ("N@front", |minion| match (role(minion), os(minion)) {
        (Some("web"), _) => Some(true),
        (Some(_), os) => os.map(|_| minion.id != "web1"),
        (None, Some(_)) => Some(true).filter(|_| minion.id != "web1"),
        (None, None) => None,
    }),
];

fn role(minion: &Minion) -> Option<&str> {
    minion.pillar.as_ref()?.get("role")?.as_str()
}

fn os(minion: &Minion) -> Option<&str> {
    minion.grains.as_ref()?.get("os")?.as_str()
}

impl Model {
    fn text(&self) -> String {
        match self {
            Model::Leaf(leaf) => LEAVES[*leaf].0.to_owned(),
            Model::Not(inner) => format!("not ( {} )", inner.text()),
            Model::And(left, right) => format!("( {} ) and ( {} )", left.text(), right.text()),
            Model::Or(left, right) => format!("( {} ) or ( {} )", left.text(), right.text()),
        }
    }

    fn verdict(&self, minion: &Minion) -> Option<bool> {
        match self {
            Model::Leaf(leaf) => LEAVES[*leaf].1(minion),
            Model::Not(inner) => inner.verdict(minion).map(|matches| !matches),
            Model::And(left, right) => match (left.verdict(minion), right.verdict(minion)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Model::Or(left, right) => match (left.verdict(minion), right.verdict(minion)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    (0..LEAVES.len())
        .prop_map(Model::Leaf)
        .prop_recursive(5, 32, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|inner| Model::Not(Box::new(inner))),
                (inner.clone(), inner.clone())
                    .prop_map(|(left, right)| Model::And(Box::new(left), Box::new(right))),
                (inner.clone(), inner)
                    .prop_map(|(left, right)| Model::Or(Box::new(left), Box::new(right))),
            ]
        })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Yes),
        Just(Verdict::No),
        Just(Verdict::Unknown)
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_model(model in model()) {
        let target = parse(Kind::Compound, &model.text()).map_err(|errors| TestCaseError::fail(errors.to_string()))?;
        let again = parse(Kind::Compound, &target.to_compound()).map_err(|errors| TestCaseError::fail(errors.to_string()))?;
        prop_assert_eq!(&target, &again);
        for minion in minions() {
            let expected = model.verdict(&minion).map_or(Verdict::Unknown, Verdict::from);
            prop_assert_eq!(target.matches(&minion), expected);
            prop_assert_eq!(again.matches(&minion), expected);
            // A subtree is pruned only when none of its minions matches.
            prop_assert!(expected == Verdict::No || target.may_match_below(minion.path));
            // Hubs above do not know the pillar: what they decide is what the minion's own hub decides.
            let seen_from_above = Minion { pillar: None, ..minion };
            let verdict = target.matches(&seen_from_above);
            prop_assert!(verdict == Verdict::Unknown || verdict == expected);
            prop_assert!(target.needs_pillar() || verdict == expected);
        }
    }

    #[test]
    fn any_text_reads_back_or_fails_in_place(text in r"[ab*?\[\]!()/\\ :,@GPIJELNS0-3|&.^$-]{0,24}|(( ?(\(|\)|and|or|not|a\*|E@a\(b\)|G@a:b|L@a,b|S@10.0.0.0/8|S@::1|x/y) ?){0,8})", kind in 0..9usize) {
        let kind = [Kind::Glob, Kind::Pcre, Kind::List, Kind::Grain, Kind::GrainPcre, Kind::Compound, Kind::Ipcidr, Kind::Pillar, Kind::PillarPcre][kind];
        match parse(kind, &text) {
            Ok(target) => {
                let canonical = target.to_compound();
                let again = parse(Kind::Compound, &canonical).map_err(|errors| TestCaseError::fail(errors.render(&canonical)))?;
                prop_assert_eq!(again.to_compound(), canonical);
            }
            Err(errors) => {
                prop_assert!(!errors.0.is_empty());
                for error in &errors.0 {
                    prop_assert!(text.get(error.start..error.end).is_some());
                }
                prop_assert!(errors.render(&text).contains('^'));
            }
        }
    }

    #[test]
    fn verdicts_follow_kleene(a in verdict(), b in verdict(), c in verdict()) {
        prop_assert_eq!(!!a, a);
        prop_assert_eq!(a.and(b), b.and(a));
        prop_assert_eq!(a.and(b).and(c), a.and(b.and(c)));
        prop_assert_eq!(a.and(b.or(c)), a.and(b).or(a.and(c)));
        prop_assert_eq!(!(a.and(b)), (!a).or(!b));
        prop_assert_eq!(a.and(a.or(b)), a);
        prop_assert_eq!(a.and(Verdict::Yes), a);
        prop_assert_eq!(a.or(Verdict::No), a);
        prop_assert_eq!(a.or(Verdict::Yes), Verdict::Yes);
    }
}
