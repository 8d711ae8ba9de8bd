use super::*;
use crate::call::Call;
use crate::cancel::Cancel;
use crate::testing::Host;

/// Source lists below a temporary directory.
pub(crate) struct Fake {
    dir: tempfile::TempDir,
    cancel: Cancel,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        let fake = Fake {
            dir: tempfile::tempdir().unwrap(),
            cancel: Cancel::new(),
        };
        std::fs::create_dir_all(fake.dir.path().join("etc/apt/sources.list.d")).unwrap();
        fake
    }

    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(path)).unwrap_or_default()
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.dir.path().join(path), text).unwrap();
    }

    pub(crate) fn with<R>(&self, env: &Env, work: impl FnOnce(&dyn Repositories) -> R) -> R {
        let tools = Tools::fake(&self.cancel, self.dir.path().to_path_buf());
        let grains = json!({"os": "Debian", "oscodename": "bookworm"});
        work(&Sources::new(env, tools, &grains))
    }
}

fn set(fake: &Fake, repo: &str, options: &Options) -> Result<(), Failure> {
    Host::new().with_env(|env| fake.with(env, |sources| sources.set(repo, options)))
}

#[test]
fn other_lines_of_a_list_stay() {
    let fake = Fake::new();
    let list = "etc/apt/sources.list";
    fake.write(
        list,
        "# the main list\ndeb   http://a   stable   main\n\n# deb http://b stable main\n",
    );
    let trusted = Options::default().with("trusted", true);
    set(&fake, "deb http://c/ stable main", &trusted).unwrap();
    let expected = "# the main list\ndeb http://a stable main\n\n# deb http://b stable main\ndeb [trusted=yes] http://c/ stable main\n";
    assert_eq!(fake.text(list), expected);
    let failure = set(&fake, "deb http://d stable main", &Options::default()).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "missing 'signedby' or 'trusted' option when apt-key is missing"
    );
    let failure = set(&fake, "ppa:a/b", &Options::default()).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "cannot parse \"ppa:\" style repo definitions: ppa:a/b"
    );
}

#[test]
fn sections_are_changed_and_removed() {
    let fake = Fake::new();
    let file = "etc/apt/sources.list.d/debian.sources";
    fake.write(file, "Types: deb deb-src\nURIs: http://a/debian\nSuites: stable stable-updates\nComponents: main\nSigned-By: /k.gpg\n");
    let host = Host::new();
    let get = |repo: &str| {
        host.with_env(|env| {
            fake.with(env, |sources| {
                sources.get(repo, &Options::default()).unwrap()
            })
        })
    };
    let known = get("deb http://a/debian/ stable-updates main");
    assert_eq!(
        known["line"],
        json!("deb [signed-by=/k.gpg] http://a/debian stable-updates main")
    );
    assert_eq!(
        (&known["file"], &known["suites"]),
        (
            &json!("/etc/apt/sources.list.d/debian.sources"),
            &json!(["stable", "stable-updates"])
        )
    );
    set(
        &fake,
        "deb http://a/debian stable main contrib",
        &Options::default(),
    )
    .unwrap();
    assert!(
        fake.text(file)
            .contains("Suites: stable stable-updates\nComponents: main contrib\n"),
        "{}",
        fake.text(file)
    );
    let delete = |repo: &str| {
        host.with_env(|env| fake.with(env, |sources| sources.delete(repo, &Options::default())))
    };
    delete("deb http://a/debian stable main contrib").unwrap();
    assert!(
        fake.text(file).contains("Suites: stable-updates\n"),
        "{}",
        fake.text(file)
    );
    let told = delete("deb http://a/debian stable-updates main contrib").unwrap();
    assert_eq!(
        told,
        "File /etc/apt/sources.list.d/debian.sources containing repo 'deb http://a/debian stable-updates main contrib' has been removed."
    );
    assert!(!fake.dir.path().join(file).exists());
    let failure = delete("deb http://a/debian stable main").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Repo deb http://a/debian stable main doesn't exist in the sources.list(s)"
    );
}

#[test]
fn keys_are_written_where_the_repository_names_them() {
    let fake = Fake::new();
    let host = Host::new();
    let armored =
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\naGVsbG8=\n-----END PGP PUBLIC KEY BLOCK-----\n";
    host.write("roots/base/k.asc", armored);
    let options = Options::default()
        .with("key_url", "salt://k.asc")
        .with("saltenv", "base");
    let line = "deb [signed-by=/etc/apt/keyrings/a.gpg] http://a stable main";
    host.with_env(|env| fake.with(env, |sources| sources.set(line, &options)))
        .unwrap();
    assert_eq!(fake.text("etc/apt/keyrings/a.gpg"), "hello");
    let armored_line = "deb [signed-by=/etc/apt/keyrings/a.asc] http://b stable main";
    host.with_env(|env| fake.with(env, |sources| sources.set(armored_line, &options)))
        .unwrap();
    assert_eq!(fake.text("etc/apt/keyrings/a.asc"), armored);
    let missing = Options::default()
        .with("key_url", "salt://none")
        .with("saltenv", "base");
    let failure = host
        .with_env(|env| {
            fake.with(env, |sources| {
                sources.set("deb http://c stable main", &missing)
            })
        })
        .unwrap_err();
    assert_eq!(failure.to_string(), "Error: file not found: salt://none");
}

#[test]
fn lists_become_one() {
    let fake = Fake::new();
    fake.write("etc/apt/sources.list", "deb http://a stable main\n");
    fake.write(
        "etc/apt/sources.list.d/a.list",
        "deb http://a stable contrib\ndeb http://b stable main\n",
    );
    let options = Options::default()
        .with("consolidate", true)
        .with("trusted", true);
    set(&fake, "deb http://c stable main", &options).unwrap();
    let expected = "deb http://a stable main contrib\ndeb http://b stable main\ndeb [trusted=yes] http://c stable main\n";
    assert_eq!(fake.text("etc/apt/sources.list"), expected);
    assert!(
        !fake
            .dir
            .path()
            .join("etc/apt/sources.list.d/a.list")
            .exists()
    );
}

#[test]
fn this_host_tells_its_repositories() {
    let repos = Host::new().call(Call::new("pkg.list_repos"));
    assert!(repos.success && repos.value.is_object(), "{repos:?}");
}
