use super::*;
use crate::cancel::Cancel;
use crate::testing::write_script;

/// Programs that note how they are called and answer what a test says.
struct Programs {
    dir: tempfile::TempDir,
    cancel: Cancel,
}

impl Programs {
    fn new() -> Programs {
        let programs = Programs {
            dir: tempfile::tempdir().unwrap(),
            cancel: Cancel::new(),
        };
        programs.set("apt-get", "");
        programs.set("apt-cache", "");
        programs.set("dpkg", "");
        programs.set("dpkg-query", "");
        programs
    }

    fn set(&self, name: &str, script: &str) {
        let path = self.dir.path().join("bin").join(name);
        let log = self.dir.path().join("log");
        let note = if name == "dpkg-query" {
            String::new()
        } else {
            format!("echo {name} \"$@\" >> {}\n", log.display())
        };
        let directory = self.dir.path().display();
        write_script(&path, &format!("{note}cd {directory}\n{script}"));
    }

    fn apt(&self) -> Apt<'_> {
        let tools = Tools::fake(&self.cancel, self.dir.path().to_path_buf());
        Apt::new(tools, &json!({"osarch": "amd64", "cpuarch": "x86_64"}))
    }

    /// How the programs were called since the last time.
    fn calls(&self) -> Vec<String> {
        let log = self.dir.path().join("log");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = std::fs::remove_file(log);
        text.lines().map(str::to_owned).collect()
    }
}

const LISTED: &str = "install ok installed bash 5.2-1 amd64
hold ok installed libc6 2.36 amd64
install ok installed libc6 2.36 i386
deinstall ok config-files old 1.0 all
purge ok installed tobepurged 1.0 all
install ok half-configured odd
";

#[test]
fn lists_are_read() {
    let programs = Programs::new();
    programs.set("dpkg-query", &format!("cat <<'X'\n{LISTED}X"));
    let apt = programs.apt();
    let names = |listed| apt.list(listed).unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(
        names(Listed::Installed),
        ["bash", "libc6", "libc6:i386", "tobepurged"]
    );
    assert_eq!(names(Listed::Removed), ["old"]);
    assert_eq!(names(Listed::PurgeDesired), ["tobepurged"]);
    assert_eq!(apt.normalized("bash:amd64"), "bash");
    assert_eq!(apt.normalized("bash:i386"), "bash:i386");
}

#[test]
fn candidates_are_read() {
    let programs = Programs::new();
    programs.set("dpkg-query", "echo install ok installed bash 5.2-1 amd64");
    let policy = "bash:\n  Installed: 5.2-1\n  Candidate: 5.2-2\n  Version table:\n     5.2-2 500\nnone:\n  Candidate: (none)\nfo:i386:\n  Candidate: 3";
    programs.set("apt-cache", &format!("cat <<'X'\n{policy}\nX"));
    let apt = programs.apt();
    let names = ["bash", "none", "fo", "zz"].map(str::to_owned);
    let latest = apt
        .latest(&names, false, &Options::default().with("fromrepo", "sid"))
        .unwrap();
    let shown: Vec<(&str, &str)> = latest
        .iter()
        .map(|(name, version)| (name.as_str(), version.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("bash", "5.2-2"),
            ("fo", ""),
            ("fo:i386", "3"),
            ("none", ""),
            ("zz", "")
        ]
    );
    assert_eq!(
        programs.calls(),
        ["apt-cache -q policy bash none fo zz -o APT::Default-Release=sid"]
    );
}

#[test]
fn lists_are_fetched() {
    let programs = Programs::new();
    programs.set("apt-get", "echo 'Hit:1 http://deb x InRelease'; echo 'Get:2 http://deb y InRelease [1,5 kB]'; echo 'Err:3 http://deb z'");
    let apt = programs.apt();
    let expected = json!({"http://deb x InRelease": null, "http://deb y InRelease": true, "http://deb z": false});
    assert_eq!(apt.refresh(&Options::default()).unwrap(), expected);
    let failure = apt
        .refresh(&Options::default().with("failhard", true))
        .unwrap_err();
    assert_eq!(failure.to_string(), "Error getting repos: http://deb z");
    std::fs::create_dir_all(programs.dir.path().join("var/lib/apt/lists")).unwrap();
    programs.calls();
    assert_eq!(
        apt.refresh(&Options::default().with("cache_valid_time", 3600))
            .unwrap(),
        json!({})
    );
    assert!(programs.calls().is_empty());
}

#[test]
fn packages_are_installed() {
    let programs = Programs::new();
    programs.set("dpkg-query", "if [ -f done ]; then echo install ok installed new 2 amd64; fi; echo install ok installed bash 5.2 amd64");
    programs.set("dpkg", "echo 'bash hold'");
    programs.set("apt-get", "touch done");
    let apt = programs.apt();
    let wanted = Wanted(vec![
        ("new".to_owned(), None),
        ("bash".to_owned(), Some("5.1".to_owned())),
    ]);
    let options = Options::default()
        .with("install_recommends", false)
        .with("fromrepo", "stable");
    let changes = apt
        .install(&Order::Repository(wanted), false, &options)
        .unwrap();
    assert_eq!(
        Value::Object(changes),
        json!({"new": {"old": "", "new": "2"}})
    );
    let head = "apt-get -q -y -o DPkg::Options::=--force-confold -o DPkg::Options::=--force-confdef --no-install-recommends -t stable";
    let calls: Vec<String> = programs
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("apt-get"))
        .collect();
    assert_eq!(
        calls,
        [
            format!("{head} install new"),
            format!("{head} --allow-downgrades install bash=5.1")
        ]
    );
}

#[test]
fn what_apt_says_is_told() {
    let programs = Programs::new();
    programs.set(
        "apt-get",
        "echo 'E: Unable to locate package zz' >&2; exit 100",
    );
    let apt = programs.apt();
    let order = Order::Repository(Wanted::one("zz", None));
    let problem = apt.install(&order, false, &Options::default()).unwrap_err();
    let text = "Problem encountered installing package(s). Additional info follows:\n\nerrors:\n    - E: Unable to locate package zz";
    assert_eq!(problem.without_changes(), text);
    programs.set("apt-cache", "printf 'Package: zz\\nVersion: 1.0\\n'");
    let order = Order::Repository(Wanted::one("zz", Some(">=2".to_owned())));
    let problem = apt.install(&order, false, &Options::default()).unwrap_err();
    let text = "No version matching 'zz>=2' could be found (available: 1.0)";
    assert!(
        problem.without_changes().ends_with(text),
        "{}",
        problem.without_changes()
    );
}

#[test]
fn packages_are_removed_and_purged() {
    let programs = Programs::new();
    programs.set(
        "dpkg-query",
        "if [ -f done ]; then exit 0; fi; echo install ok installed lib1 1 all; echo deinstall ok config-files lib2 1 all",
    );
    programs.set("apt-get", "touch done");
    let apt = programs.apt();
    let changes = apt
        .remove(
            &Wanted::one("lib*", None),
            Removal::Purge,
            &Options::default(),
        )
        .unwrap();
    let expected = json!({"removed": {"lib2": {"old": "1", "new": ""}}, "installed": {"lib1": {"old": "1", "new": ""}}});
    assert_eq!(Value::Object(changes), expected);
    assert_eq!(programs.calls(), ["apt-get -q -y purge lib1 lib2"]);
    assert!(
        apt.remove(
            &Wanted::one("zz", None),
            Removal::Remove,
            &Options::default()
        )
        .unwrap()
        .is_empty()
    );
    assert!(programs.calls().is_empty());
}

#[test]
fn upgrades_are_foretold() {
    let programs = Programs::new();
    programs.set(
        "apt-get",
        "echo 'Inst bash [5.1] (5.2 Debian:12 [amd64])'; echo 'Conf bash (5.2 Debian:12 [amd64])'",
    );
    let apt = programs.apt();
    let upgrades = apt.upgrades(&Options::default()).unwrap();
    assert_eq!(
        upgrades,
        BTreeMap::from([("bash".to_owned(), "5.2".to_owned())])
    );
    assert_eq!(programs.calls(), ["apt-get --just-print dist-upgrade"]);
    programs.set(
        "apt-get",
        "echo 'The following packages will be REMOVED:'; echo '  b a'; echo '0 upgraded'; exit 1",
    );
    assert_eq!(apt.autoremove(true, true).unwrap(), json!(["a", "b"]));
    assert_eq!(programs.calls(), ["apt-get --assume-no --purge autoremove"]);
}

#[test]
fn selections_are_set() {
    let programs = Programs::new();
    programs.set("dpkg", "if [ \"$1\" = --set-selections ]; then cat > set; elif [ \"$2\" = a ]; then echo 'a install'; elif [ \"$2\" = h ]; then echo 'h hold'; fi");
    let apt = programs.apt();
    let hold = |name: &str, is_held, is_test| {
        apt.hold(&[name.to_owned()], is_held, is_test).unwrap()[name].clone()
    };
    let told = hold("a", true, true);
    assert_eq!(
        (&told["result"], &told["comment"]),
        (&Value::Null, &json!("Package a is set to be held."))
    );
    let held = hold("a", true, false);
    assert_eq!(held["changes"], json!({"old": "install", "new": "hold"}));
    assert_eq!(
        std::fs::read_to_string(programs.dir.path().join("set")).unwrap(),
        "a hold\n"
    );
    assert_eq!(
        hold("h", true, false)["comment"],
        json!("Package h is already set to be held.")
    );
    assert_eq!(
        hold("h", false, false)["comment"],
        json!("Package h is no longer being held.")
    );
    assert_eq!(
        hold("zz", false, false)["comment"],
        json!("Package zz does not have a state.")
    );
}
