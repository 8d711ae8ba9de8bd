use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::keys::{KEYS, Key, Kind, ROOTS_KEYS, Unset, keys_of};
use super::*;

/// A directory of files with an environment and flags: one case of a configuration.
struct Case {
    dir: tempfile::TempDir,
    program: Program,
    named: bool,
    environment: BTreeMap<String, String>,
    flags: Vec<(&'static str, String)>,
}

impl Case {
    fn new(program: Program, files: &[(&str, &str)]) -> Case {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Case {
            dir,
            program,
            named: true,
            environment: [("HOSTNAME".to_owned(), "Web1.Example.org".to_owned())].into(),
            flags: Vec::new(),
        }
    }

    fn variable(mut self, name: &str, value: &str) -> Case {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, name: &'static str, value: &str) -> Case {
        self.flags.push((name, value.to_owned()));
        self
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            program: self.program,
            config_file: self.named.then(|| self.dir.path().join("main")),
            flags: self.flags.clone(),
            environment: &self.environment,
        }
    }

    fn hub(&self) -> HubConfig {
        self.sources().hub().unwrap()
    }

    fn minion(&self) -> MinionConfig {
        self.sources().minion().unwrap()
    }

    /// The problems with the directory's name cut off.
    fn problems(&self) -> Vec<String> {
        let errors = match self.program {
            Program::Minion => self.sources().minion().err(),
            Program::TopMaster | Program::Syndic => self.sources().hub().err(),
        };
        let prefix = format!("{}/", self.dir.path().display());
        errors.map_or_else(Vec::new, |errors| {
            let text = errors.to_string().replace(&prefix, "");
            text.lines().map(str::to_owned).collect()
        })
    }
}

fn top(text: &str) -> Case {
    Case::new(Program::TopMaster, &[("main", text)])
}

fn minion(text: &str) -> Case {
    Case::new(Program::Minion, &[("main", text)])
}

#[test]
fn without_settings_the_defaults_of_the_table_hold() {
    let hub = top("").hub();
    assert_eq!(hub.id.as_str(), "web1.example.org");
    assert_eq!(hub.listen.to_string(), "0.0.0.0:4510");
    assert_eq!(hub.paths.config_file(), Path::new("/etc/banyan/top-master"));
    assert_eq!(
        hub.paths.state_dir(),
        Path::new("/var/lib/banyan/top-master")
    );
    assert_eq!(hub.jobs.keep, Duration::from_secs(86_400));
    assert_eq!(hub.jobs.timeout, None);
    assert_eq!(hub.certificates.minion, Duration::from_secs(72 * 3_600));
    assert_eq!(
        (hub.upstream, hub.site, hub.roots, hub.metrics_port),
        (None, None, None, None)
    );
    assert_eq!(
        hub.logs,
        LogSettings {
            level: LogLevel::Info,
            file: None,
            format: LogFormat::Human
        }
    );

    let minion = minion("master: hub").minion();
    assert_eq!(
        minion.upstream.as_ref().unwrap().parents[0].to_string(),
        "hub:4510"
    );
    assert_eq!(minion.processes_max, 16);
    let links = |links: LinkSettings| [links.keepalive, links.idle_timeout].map(|d| d.as_secs());
    assert_eq!(links(minion.links), [25, 75]);
    assert_eq!(links(hub.links), [10, 30]);
    assert_eq!(hub.children_idle_timeout, Duration::from_secs(75));
}

#[test]
fn each_key_reaches_the_settings_of_a_hub() {
    let hub = Case::new(
        Program::Syndic,
        &[("main", "
id: ams1
root_dir: /srv
syndic_master: [top1, 'top2:99', '2001:db8::1']
master_port: 77
master_finger: 'AA:aa:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
join_token: s3cret
site: ams
interface: '::1'
port: 4000
max_minions: 7
keepalive_seconds: 2
idle_timeout_seconds: 4
roots: {remote: 'git@host:x.git', base: production, root: salt, layout: folders, environments: {qa: release},
  user: u, privkey: /k, pubkey: /k.pub, passphrase: p, known_hosts: /h, host_fingerprints: 'SHA256:x', ca_file: /c, timeout_seconds: 9}
gitfs_update_interval: 8
nodegroups:
  web: 'G@role:web'
  pair: [web1, web2]
  most: ['web*', and, not, web9]
keep_jobs_seconds: 60
job_store_bytes_max: 1048576
job_start_within: 5
confirm_above: 500
journal_file: /journal
timeout: 6
minion_certificate_hours: 1
hub_certificate_hours: 2
syndic_ca_certificate_hours: 3
log_level: debug
log_file: /log
log_format: json
metrics_port: 9
")],
    )
    .hub();
    assert_eq!(hub.id.as_str(), "ams1");
    assert_eq!(
        hub.paths.control_socket(),
        Path::new("/srv/run/banyan/syndic.sock")
    );
    let upstream = hub.upstream.unwrap();
    let parents: Vec<String> = upstream.parents.iter().map(HostPort::to_string).collect();
    assert_eq!(parents, ["top1:77", "top2:99", "[2001:db8::1]:77"]);
    assert_eq!(upstream.tree.unwrap().0, [0xaa; 32]);
    assert_eq!(
        upstream.join_token.unwrap().read().unwrap().reveal(),
        "s3cret"
    );
    assert_eq!(hub.site.unwrap().as_str(), "ams");
    assert_eq!(hub.listen.to_string(), "[::1]:4000");
    assert_eq!(hub.minions_max, 7);
    assert_eq!(
        hub.links,
        LinkSettings {
            keepalive: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(4),
        }
    );
    assert_eq!(hub.children_idle_timeout, Duration::from_secs(4));
    let roots = hub.roots.unwrap();
    assert_eq!(
        (
            roots.remote.as_str(),
            roots.base.as_deref(),
            roots.root.as_str()
        ),
        ("git@host:x.git", Some("production"), "salt")
    );
    assert_eq!(
        (roots.layout, &roots.environments["qa"]),
        (RootsLayout::Folders, &"release".to_owned())
    );
    assert_eq!(
        (roots.user.as_deref(), roots.password.as_ref()),
        (Some("u"), None)
    );
    assert_eq!(roots.passphrase.unwrap().reveal(), "p");
    let files = [
        roots.privkey,
        roots.pubkey,
        Some(roots.known_hosts),
        roots.ca_file,
    ]
    .map(Option::unwrap);
    assert_eq!(
        files.map(|file| file.display().to_string()),
        ["/k", "/k.pub", "/h", "/c"]
    );
    assert_eq!(
        (roots.host_fingerprints, roots.timeout),
        (vec!["SHA256:x".to_owned()], Duration::from_secs(9))
    );
    assert_eq!(hub.roots_update_interval, Duration::from_secs(8));
    let groups: Vec<_> = hub
        .nodegroups
        .iter()
        .map(|g| (g.name.as_str(), g.target.as_str()))
        .collect();
    assert_eq!(
        groups,
        [
            ("most", "web* and not web9"),
            ("pair", "web1 or web2"),
            ("web", "G@role:web")
        ]
    );
    assert!(
        hub.nodegroups[2].place.to_string().ends_with("main:18"),
        "{}",
        hub.nodegroups[2].place
    );
    assert_eq!(
        hub.jobs,
        JobSettings {
            keep: Duration::from_secs(60),
            store_bytes_max: 1 << 20,
            start_within: Duration::from_secs(5),
            timeout: Some(Duration::from_secs(6)),
            confirm_above: Some(500),
            // Only top-masters adopt jobs.
            adopt_after: Duration::ZERO,
        }
    );
    assert_eq!(hub.journal_file, Some("/journal".into()));
    let hours = [
        hub.certificates.minion,
        hub.certificates.hub,
        hub.certificates.syndic_ca,
    ];
    assert_eq!(hours.map(|life| life.as_secs() / 3_600), [1, 2, 3]);
    assert_eq!(
        hub.logs,
        LogSettings {
            level: LogLevel::Debug,
            file: Some("/log".into()),
            format: LogFormat::Json
        }
    );
    assert_eq!(hub.metrics_port, Some(9));
}

#[test]
fn a_minion_has_grains_and_a_token_in_a_file() {
    let case = Case::new(
        Program::Minion,
        &[
            (
                "main",
                "master: hub\ngrains: {role: [web, db], rack: 4}\nprocess_count_max: 3\n",
            ),
            ("token", "  t0ken\n"),
            ("empty", "\n"),
        ],
    );
    let file = |name: &str| case.dir.path().join(name).display().to_string();
    let minion = case.sources().minion().unwrap();
    assert_eq!(
        serde_json::Value::Object(minion.grains),
        serde_json::json!({"role": ["web", "db"], "rack": 4})
    );
    assert_eq!(minion.processes_max, 3);
    assert_eq!(
        JoinToken::File(file("token").into())
            .read()
            .unwrap()
            .reveal(),
        "t0ken"
    );
    assert!(JoinToken::File(file("empty").into()).read().is_err());
    assert!(JoinToken::File(file("missing").into()).read().is_err());
}

#[test]
fn salts_remotes_mean_the_same_as_roots() {
    let cases = [
        ("roots: {remote: 'https://h/x', base: main, user: u, password: p}"),
        ("gitfs_remotes: ['https://h/x']\ngitfs_base: main\ngitfs_user: u\ngitfs_password: p"),
        ("gitfs_remotes:\n- https://h/x:\n  - base: main\n  - user: u\n  - password: p\ngitfs_base: other"),
    ];
    let [first, second, third] = cases.map(|text| top(text).hub().roots.unwrap());
    assert_eq!(first, second);
    assert_eq!(first, third);
    assert_eq!(first.password.unwrap().reveal(), "p");
}

#[test]
fn a_flag_wins_over_the_environment_over_the_files_over_the_default() {
    let files = &[("main", "port: 2\nmax_minions: 2\nlog_level: debug\n")];
    let hub = Case::new(Program::TopMaster, files)
        .variable("BANYAN_PORT", "3")
        .variable("BANYAN_MAX_MINIONS", "3")
        .flag("port", "4")
        .hub();
    assert_eq!((hub.listen.port(), hub.minions_max), (4, 3));
    assert_eq!(
        (hub.logs.level, hub.jobs.start_within),
        (LogLevel::Debug, Duration::from_secs(60))
    );
}

#[test]
fn typed_lists_have_commas_and_typed_text_stays_text() {
    let minion = minion("")
        .variable("BANYAN_MASTER", "a, b:5")
        .variable("BANYAN_ID", "007")
        .flag("grains", "{a: 1}")
        .minion();
    assert_eq!(minion.upstream.as_ref().unwrap().parents.len(), 2);
    assert_eq!(minion.id.as_str(), "007");
    assert_eq!(minion.grains["a"], 1);
}

#[test]
fn later_files_win_and_each_is_read_in_order() {
    let hub = Case::new(
        Program::TopMaster,
        &[
            ("main", "port: 1\nmax_minions: 1\ntimeout: 1\nmetrics_port: 1\ninclude: [extra/*.yaml, last]\n"),
            ("main.d/b.conf", "max_minions: 3\ntimeout: 3\nmetrics_port: 3\n"),
            ("main.d/a.conf", "max_minions: 2\n"),
            ("main.d/ignored.txt", "port: 99\n"),
            ("main.d/.hidden.conf", "port: 99\n"),
            ("extra/x.yaml", "timeout: 4\ninclude: ../nested\n"),
            ("nested", "metrics_port: 5\n"),
            ("last", "keep_jobs_seconds: 6\n"),
        ],
    )
    .hub();
    assert_eq!((hub.listen.port(), hub.minions_max), (1, 3));
    assert_eq!(
        (hub.jobs.timeout, hub.metrics_port),
        (Some(Duration::from_secs(4)), Some(5))
    );
    assert_eq!(hub.jobs.keep, Duration::from_secs(6));
}

#[test]
fn the_default_file_may_be_missing_and_lies_below_the_root() {
    let mut case = Case::new(Program::TopMaster, &[("etc/banyan/top-master", "port: 9")]);
    case.named = false;
    let root = case.dir.path().display().to_string();
    let case = case.variable("BANYAN_ROOT_DIR", &root);
    let hub = case.hub();
    assert_eq!((hub.listen.port(), hub.paths.root()), (9, case.dir.path()));
    let other = case.flag("root_dir", "/nowhere");
    assert_eq!(other.hub().listen.port(), 4510);
    let named = other.variable("BANYAN_CONFIG", &format!("{root}/etc/banyan/top-master"));
    assert_eq!(named.hub().listen.port(), 9);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let hub = |text, expected: &[&str]| assert_eq!(top(text).problems(), expected, "{text}");
    let leaf = |text, expected: &[&str]| assert_eq!(minion(text).problems(), expected, "{text}");
    hub(
        "prot: 5\n",
        &["main:1: unknown key `prot`; did you mean `port`?"],
    );
    hub("\nzzzz: 5\n", &["main:2: unknown key `zzzz`"]);
    hub(
        "master: a\n",
        &["main:1: `master` is a key of syndic and minion, not of top-master"],
    );
    hub(
        "ret_port: 4506\n",
        &[
            "main:1: `ret_port` is a key of Salt that has no meaning here: one port serves everything: remove it",
        ],
    );
    hub(
        "port: http\n",
        &["main:1: `port` has to be a whole number from 1 to 65535, not \"http\""],
    );
    hub(
        "port: 0\n",
        &["main:1: `port` has to be a whole number from 1 to 65535, not \"0\""],
    );
    hub(
        "port: -1\n",
        &["main:1: `port` has to be a whole number from 1 to 65535, not \"-1\""],
    );
    hub(
        "port: [1]\n",
        &["main:1: `port` has to be a whole number from 1 to 65535, not a list"],
    );
    hub(
        "port:\n",
        &["main:1: `port` has no value: give one, or remove the line"],
    );
    hub(
        "id: 12\n",
        &["main:1: `id` has to be text (put it in quotes), not \"12\""],
    );
    hub(
        "id: Web\n",
        &["main:1: `id`: 'W' is not allowed in an id: use a-z, 0-9, and . _ - between them"],
    );
    hub(
        "interface: eth0\n",
        &["main:1: `interface`: invalid IP address syntax"],
    );
    hub(
        "log_level: warn\n",
        &[
            "main:1: `log_level` has to be one of quiet, error, warning, info, debug, trace, not \"warn\"",
        ],
    );
    hub(
        "log_level: eror\n",
        &[
            "main:1: `log_level` has to be one of quiet, error, warning, info, debug, trace, not \"eror\"; did you mean `error`?",
        ],
    );
    hub(
        "keepalive_seconds: 20\n",
        &["main:1: `idle_timeout_seconds` has to be at least twice `keepalive_seconds`"],
    );
    hub(
        "nodegroups: [a]\n",
        &["main:1: `nodegroups` has to be a map of names to a text or a list of texts, not a list"],
    );
    hub(
        "nodegroups:\n  a b: x\n  c: {}\n",
        &["main:3: `nodegroups` has to be text, not a map"],
    );
    hub(
        "nodegroups:\n  a b: x\n  c: []\n",
        &[
            "main:2: nodegroup \"a b\": a name has letters, digits, and . _ -",
            "main:3: nodegroup `c` is empty",
        ],
    );
    hub(
        "roots:\n  remot: x\n",
        &[
            "main:2: `roots` needs `remote`",
            "main:2: unknown key `remot`; did you mean `remote`?",
        ],
    );
    hub(
        "roots:\n  remote: x\n  layout: flat\n",
        &[
            "main:3: `layout` has to be one of base, branches, branches-and-tags, folders, not \"flat\"",
        ],
    );
    hub(
        "roots:\n  remote: x\n  password: 12\n",
        &["main:3: `password` has to be text (put it in quotes), not a number"],
    );
    hub(
        "roots:\n  remote: x\n  password: p\n  privkey: k\n",
        &["main:4: `password` is for https and `privkey` for ssh: remove one"],
    );
    hub(
        "roots: {remote: x, environments: {a: [b, c]}}\n",
        &["main:1: the environment `a` follows one reference"],
    );
    hub(
        "roots: {remote: x}\ngitfs_remotes: [y]\n",
        &["main:2: `gitfs_remotes` and `roots` say the same: remove one"],
    );
    hub(
        "gitfs_remotes: [x, y]\n",
        &["main:1: the roots follow one remote, not 2"],
    );
    hub(
        "gitfs_remotes:\n- x:\n  - mountpoint: y\n",
        &["main:3: unknown key `mountpoint`"],
    );
    hub(
        "gitfs_base: x\n",
        &["main:1: `gitfs_base` is set, and `gitfs_remotes` is not"],
    );
    hub(
        "port: 1\nport: 2\n",
        &["main:2: conflicting ID `port`: it is already given at line 1, column 1"],
    );
    hub(
        "- a\n",
        &["main:1: the file has to be a map of keys to values"],
    );
    hub(
        "a: 'b\n",
        &[
            "main:2: found unexpected end of stream while scanning a quoted scalar that begins at line 1, column 4",
        ],
    );
    hub(
        "include: missing\n",
        &["main:1: missing: No such file or directory (os error 2)"],
    );
    hub("include: main\n", &["main:1: main is included twice"]);
    hub(
        "include: 5\n",
        &["main:1: `include` has to be text (put it in quotes), not \"5\""],
    );
    leaf(
        "",
        &["configuration: `master` is not set: name the parents"],
    );
    leaf(
        "master: []\n",
        &["main:1: `master` has no value: give one, or remove the line"],
    );
    leaf(
        "master:\n- a\n- a\n- 'b:x'\n",
        &[
            "main:3: `master` names a:4510 twice",
            "main:4: `master`: \"x\" is not a port: use 1 to 65535",
        ],
    );
    leaf(
        "master: a\nsyndic_master: b\n",
        &["main:2: `syndic_master` is the same key as `master`: remove one"],
    );
    leaf(
        "master: a\nmaster_finger: 12:34\n",
        &["main:2: `master_finger` has to be text (put it in quotes), not \"754\""],
    );
    leaf(
        "master: a\nmaster_finger: 'ab:cd'\n",
        &["main:2: `master_finger`: a fingerprint has 64 hexadecimal digits"],
    );
    leaf(
        "master: a\njoin_token: x\njoin_token_file: y\n",
        &["main:3: `join_token` and `join_token_file` say the same: remove one"],
    );
    leaf(
        "master: a\njoin_token: [s3cret]\n",
        &["main:2: `join_token` has to be text, not a list"],
    );
    leaf(
        "master: a\ngrains: web\n",
        &["main:2: `grains` has to be a map, not \"web\""],
    );
    // All at once, in all sources.
    let case = Case::new(
        Program::Syndic,
        &[
            ("main", "prot: 1\nport: x\nmaster: a\nsite: eu/ams\n"),
            ("main.d/a.conf", "\ntimout: 4\n"),
            ("main.d/b.conf", "a: b: c\n"),
        ],
    );
    let problems = case
        .variable("BANYAN_LOG_FORMAT", "xml")
        .flag("max_minions", "many")
        .problems();
    assert_eq!(
        problems,
        [
            "main:1: unknown key `prot`; did you mean `port`?",
            "main:2: `port` has to be a whole number from 1 to 65535, not \"x\"",
            "main:4: `site` is one label; the sites above it follow from the parents",
            "main.d/a.conf:2: unknown key `timout`; did you mean `timeout`?",
            "main.d/b.conf:1: mapping values are not allowed in this context",
            "BANYAN_LOG_FORMAT: `log_format` has to be one of human, json, not \"xml\"",
            "--max-minions: `max_minions` has to be a whole number from 1 to 1000000, not \"many\"",
        ]
    );
}

#[test]
fn a_named_file_has_to_be_there_and_includes_have_a_bound() {
    assert_eq!(
        Case::new(Program::TopMaster, &[]).problems(),
        ["main: No such file or directory (os error 2)"]
    );
    let names: Vec<String> = (0..=INCLUDE_DEPTH_MAX).map(|n| format!("f{n}")).collect();
    let texts: Vec<String> = (1..=INCLUDE_DEPTH_MAX + 1)
        .map(|n| format!("include: f{n}\n"))
        .collect();
    let mut files: Vec<(&str, &str)> = names
        .iter()
        .zip(&texts)
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    files.push(("main", "include: f0\n"));
    assert_eq!(
        Case::new(Program::TopMaster, &files).problems(),
        ["f7:1: files include each other more than 8 deep"]
    );
}

#[test]
fn a_host_without_a_usable_name_needs_an_id() {
    let case = top("").variable("HOSTNAME", "BüRO");
    assert_eq!(
        case.problems(),
        [
            "configuration: `id` is not set, and the host's name \"büro\" can't serve as one: 'ü' is not allowed in an id: use a-z, 0-9, and . _ - between them"
        ]
    );
}

#[test]
fn secrets_are_never_shown() {
    let minion = minion("master: a\njoin_token: s3cret\n").minion();
    assert!(!format!("{minion:?}").contains("s3cret"));
}

#[test]
fn the_reference_names_every_key_and_every_key_says_what_it_is() {
    let page = reference_markdown();
    let mut names = BTreeSet::new();
    for key in KEYS {
        assert!(names.insert(key.name), "{} stands twice", key.name);
        assert!(key.alias.is_none_or(|alias| names.insert(alias)));
    }
    let numbers = |key: &Key| matches!(key.kind, Kind::Number { .. });
    for key in KEYS.iter().chain(ROOTS_KEYS) {
        assert!(page.contains(&format!("| `{}`", key.name)), "{}", key.name);
        assert!(
            !key.help.is_empty() && !key.programs.is_empty(),
            "{}",
            key.name
        );
        assert_eq!(
            numbers(key),
            !key.unit.is_empty(),
            "{} needs a unit, or has none",
            key.name
        );
        if let Unset::Value(value) = key.default {
            assert!(page.contains(&format!("`{value}`")), "{}", key.name);
        }
    }
    assert!(keys_of(Program::Minion).all(|key| key.name != "keep_jobs_seconds"));
}

#[test]
fn a_reactor_names_files_by_globs_over_tags() {
    let given = "reactor:\n  - 'salt/minion/*/start': [salt://start.sls, /srv/reactor/*.sls]\n  - a: salt://a.sls\n";
    let hub = top(given).hub();
    let reactors: Vec<(&str, usize)> = hub
        .reactor
        .iter()
        .map(|reactor| (reactor.glob.as_str(), reactor.files.len()))
        .collect();
    assert_eq!(reactors, [("salt/minion/*/start", 2), ("a", 1)]);
    assert!(!hub.pillar_options.contains_key("reactor"));
    for wrong in [
        "reactor: {a: [salt://a.sls]}\n",
        "reactor:\n  - a: [relative.sls]\n",
        "reactor:\n  - [a]\n",
        "reactor:\n  - a: 1\n",
    ] {
        let problems = top(wrong).sources().hub().unwrap_err().to_string();
        assert!(problems.contains("`reactor` has to be"), "{problems}");
    }
}

#[test]
fn events_are_written_where_their_own_key_says() {
    let given = "event_return: pgjsonb\next_job_cache: mysql\nevent_return_whitelist: [salt/job/*]\nevent_return_blacklist: salt/job/*/prog/*\n";
    let events = top(given).hub().event_return.unwrap();
    let JobCacheSettings::Server(server) = events.place else {
        panic!("a server");
    };
    assert_eq!(server.kind, JobCacheKind::Pgjsonb);
    assert_eq!(events.whitelist, ["salt/job/*"]);
    assert_eq!(events.blacklist, ["salt/job/*/prog/*"]);
    assert_eq!(top("ext_job_cache: mysql\n").hub().event_return, None);
}

#[test]
fn a_job_cache_has_the_keys_of_salt() {
    let settings = top("ext_job_cache: mysql\nreturner.mysql.host: db\nmysql.pass: hush\n").hub();
    let Some(JobCacheSettings::Server(server)) = settings.job_cache else {
        panic!("a server");
    };
    let hosts = |server: &JobCacheServer| {
        let hosts = server.hosts.iter();
        hosts
            .map(|host| format!("{} {}", host.name, host.port))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (hosts(&server), &*server.user),
        (vec!["db 3306".to_owned()], "salt")
    );
    assert_eq!(server.password.reveal(), "hush");
    assert!(!format!("{server:?}").contains("hush"));
    for written in [
        "'a, b:99,/run/pg,[::1]:7'",
        "[a, 'b:99', '/run/pg,[::1]:7']",
    ] {
        let text = format!("ext_job_cache: pgjsonb\nreturner.pgjsonb.host: {written}\n");
        let Some(JobCacheSettings::Server(server)) = top(&text).hub().job_cache else {
            panic!("a server");
        };
        assert_eq!(hosts(&server), ["a 5432", "b 99", "/run/pg 5432", "::1 7"]);
    }
    let case = top("master_job_cache: postgres\n").variable("BANYAN_RETURNER_POSTGRES_PASSWD", "x");
    assert!(matches!(
        case.hub().job_cache,
        Some(JobCacheSettings::Server(_))
    ));
    assert_eq!(top("master_job_cache: local_cache\n").hub().job_cache, None);
    for (text, said) in [
        (
            "master_job_cache: mysql\next_job_cache: syslog\n",
            "name two job caches",
        ),
        ("event_return: syslog\n", "event_return"),
        (
            "event_return: mysql\next_job_cache: mysql\nmysql.host: a:0\n",
            "`mysql.host`: \"0\" is not a port",
        ),
        ("ext_job_cache: mysql\nmysql.host: [a, 'a:3306']\n", "twice"),
        ("event_return_queue: 100\n", "wait go out together"),
        ("ext_job_cache: redis\n", "redis"),
    ] {
        let problems = top(text).problems();
        assert!(
            problems.iter().any(|problem| problem.contains(said)),
            "{problems:?}"
        );
    }
}

#[test]
fn top_masters_adopt_jobs_unless_they_are_told_not_to() {
    let seconds = |text| top(text).hub().jobs.adopt_after.as_secs();
    assert_eq!(
        [
            seconds(""),
            seconds("adopt_after: 7"),
            seconds("adopt_after: 0")
        ],
        [300, 7, 0]
    );
}
