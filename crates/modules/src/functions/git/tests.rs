use super::*;
use crate::call::Call;
use crate::testing::Host;

#[test]
fn a_repository_is_made_and_asked() {
    if crate::process::which("git").is_none() {
        return;
    }
    let host = Host::new();
    let repo = host.path("repo");
    let call = |fun: &str, args: &[&str]| {
        let call = args
            .iter()
            .fold(Call::new(fun).arg(repo.as_str()), |call, arg| {
                call.arg(*arg)
            });
        let outcome = host.call(call);
        assert!(outcome.success, "{fun}: {outcome:?}");
        outcome.value
    };
    host.call(
        Call::new("git.init")
            .arg(repo.as_str())
            .kwarg("opts", "-b main"),
    );
    host.write("repo/a b", "x");
    assert_eq!(call("git.status", &[]), json!({"untracked": ["a b"]}));
    for (key, value) in [
        ("user.name", "t"),
        ("user.email", "t@example.com"),
        ("commit.gpgsign", "false"),
    ] {
        host.call(
            Call::new("git.config_set")
                .arg(key)
                .arg(value)
                .kwarg("cwd", repo.as_str()),
        );
    }
    let name = host.call(
        Call::new("git.config_get")
            .arg("user.name")
            .kwarg("cwd", repo.as_str()),
    );
    assert_eq!(name.value, json!("t"));
    call("git.add", &["a b"]);
    call("git.commit", &["first"]);
    assert_eq!(call("git.current_branch", &[]), json!("main"));
    assert_eq!(call("git.list_branches", &[]), json!(["main"]));
    let commit = call("git.revision", &[]);
    call("git.tag", &["v1"]);
    assert_eq!(call("git.list_tags", &[]), json!(["v1"]));
    let copy = host.path("copy");
    host.call(Call::new("git.clone").arg(copy.as_str()).arg(repo.as_str()));
    let remotes = host.call(Call::new("git.remotes").arg(copy.as_str()));
    assert_eq!(
        remotes.value,
        json!({"origin": {"fetch": repo, "push": repo}})
    );
    let heads = host.call(
        Call::new("git.remote_refs")
            .arg(repo.as_str())
            .kwarg("heads", true),
    );
    assert_eq!(heads.value, json!({"refs/heads/main": commit}));
    let failed = host.call(Call::new("git.checkout").arg(copy.as_str()).arg("nowhere"));
    assert!(
        failed
            .value
            .as_str()
            .unwrap()
            .starts_with("ERROR: Command 'git checkout nowhere' failed: error: pathspec"),
        "{failed:?}"
    );
    let version = host.call(Call::new("git.version").kwarg("versioninfo", true));
    assert!(version.value[0].is_u64());
}
