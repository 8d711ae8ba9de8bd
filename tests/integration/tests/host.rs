//! States for real: on a Debian host of their own, files, accounts, packages and services become what is said, stay so, and change as
//! it was foretold.

use std::collections::BTreeSet;

use integration::Host;
use serde_json::{Map, Value};

/// Functions that do something each time by their nature.
const RESTLESS: [&str; 2] = ["touch", "copy"];

type Records = Map<String, Value>;

/// The states of which this is so, without those that are restless.
fn those(records: &Records, is_so: impl Fn(&Value) -> bool) -> Vec<&str> {
    let tags = records.iter().filter(|(_, record)| is_so(record));
    tags.map(|(tag, _)| tag.as_str())
        .filter(|tag| !RESTLESS.iter().any(|name| tag.ends_with(name)))
        .collect()
}

fn has_changed(record: &Value) -> bool {
    record["changes"]
        .as_object()
        .is_some_and(|changes| !changes.is_empty())
}

fn has_failed(record: &Value) -> bool {
    record["result"] == Value::Bool(false)
}

/// Whether it would change something, in test mode.
fn would_change(record: &Value) -> bool {
    record["result"].is_null()
}

/// The id in a record's tag.
fn id(tag: &str) -> &str {
    tag.split("_|-").nth(1).unwrap_or_default()
}

/// Applies an SLS, and the changed one. `missing` are ids of states about what is not there: they may fail, and in test mode can't know.
#[track_caller]
fn lives(host: &Host, sls: &str, missing: &[&str]) {
    let has_ended = |what: &str, code: i32, records: &Records| {
        let failed = those(records, has_failed);
        let odd = failed.iter().find(|tag| !missing.contains(&id(tag)));
        assert!(
            odd.is_none(),
            "{sls} {what}: {:#?}",
            odd.map(|tag| &records[*tag])
        );
        assert_eq!(code, if failed.is_empty() { 0 } else { 2 }, "{sls} {what}");
    };
    // What is not there is another matter in test mode.
    let known = |mut tags: Vec<&str>| {
        tags.retain(|tag| !missing.contains(&id(tag)));
        tags.join("\n")
    };
    let (code, first) = host.apply(sls, "first", false);
    has_ended("applied", code, &first);
    assert!(
        !known(those(&first, has_changed)).is_empty(),
        "{sls} changes nothing"
    );
    let made = host.changed();

    let (code, again) = host.apply(sls, "first", false);
    has_ended("applied again", code, &again);
    assert_eq!(
        known(those(&again, has_changed)),
        "",
        "{sls} again: {again:#?}"
    );
    let (_, again) = host.apply(sls, "first", true);
    assert_eq!(
        known(those(&again, would_change)),
        "",
        "{sls} again: {again:#?}"
    );

    let (_, foretold) = host.apply(sls, "second", true);
    let kept = host.changed();
    let paths: BTreeSet<&String> = made.keys().chain(kept.keys()).collect();
    let touched: Vec<_> = paths
        .iter()
        .filter(|path| made.get(**path) != kept.get(**path))
        .collect();
    assert!(
        touched.is_empty(),
        "{sls}: changed again, or in test mode: {touched:?}"
    );
    let (code, second) = host.apply(sls, "second", false);
    has_ended("changed", code, &second);
    assert_eq!(
        known(those(&foretold, would_change)),
        known(those(&second, has_changed)),
        "{sls}: foretold {foretold:#?}, came {second:#?}"
    );
    for (tag, record) in &foretold {
        let diff = &record["changes"]["diff"];
        if diff.is_string() {
            assert_eq!(*diff, second[tag]["changes"]["diff"], "{sls} {tag}");
        }
    }
    let (_, again) = host.apply(sls, "second", false);
    assert_eq!(
        known(those(&again, has_changed)),
        "",
        "{sls} again: {again:#?}"
    );
}

#[track_caller]
fn says(host: &Host, script: &str, expected: &str) {
    let said = host.run(&["sh", "-c", script]);
    assert_eq!(said.out.trim(), expected, "{script}: {said:#?}");
}

#[test]
fn files_and_folders() {
    let Some(host) = Host::new() else { return };
    lives(&host, "files", &[]);
    says(
        &host,
        "stat -c '%a %U %G' /srv/app /srv/app/app.conf",
        "2750 www-data adm\n600 www-data www-data",
    );
    says(
        &host,
        "sed -n 2,3p /srv/app/app.conf",
        "name = Ängström\nport = 8081",
    );
    says(
        &host,
        "ls /srv/clean /srv/tree",
        "/srv/clean:\nkept\n\n/srv/tree:\nbare.txt\nmade.txt\nsub",
    );
    says(
        &host,
        "readlink /srv/links/plain; test -e /srv/gone || echo gone",
        "/srv/tree\ngone",
    );
}

#[test]
fn parts_of_files() {
    let Some(host) = Host::new() else { return };
    lives(&host, "edits", &[]);
    says(
        &host,
        "grep -c appended /srv/edit/append; stat -c '%a %G' /srv/edit/block",
        "2\n640 adm",
    );
    says(
        &host,
        "grep -A1 START /srv/edit/accumulated | tail -n 1",
        "gathered second",
    );
}

#[test]
fn accounts_keys_and_timetables() {
    let Some(host) = Host::new() else { return };
    lives(&host, "accounts", &[]);
    says(
        &host,
        "getent passwd ada; id -Gn ada",
        "ada:x:3001:3000:Ada King:/home/ada:/bin/sh\noperators adm games",
    );
    says(
        &host,
        "crontab -u ada -l | tail -n 1; getent passwd grace || echo gone",
        "15 */2 * * * /usr/bin/true >/dev/null\ngone",
    );
    says(
        &host,
        "cut -d' ' -f1,2,4 /home/ada/.ssh/authorized_keys; stat -c '%a %U' /home/ada/.ssh",
        "no-pty ssh-ed25519 two@second\n700 ada",
    );
}

#[test]
fn packages_of_a_mirror() {
    let Some(host) = Host::new() else { return };
    lives(&host, "packages", &[]);
    says(
        &host,
        "dpkg-query -W -f '${db:Status-Abbrev}' sl; dpkg-query -W hello patch 2>/dev/null | cut -f2; apt-mark showhold",
        "procps",
    );
}

#[test]
fn settings_checkouts_and_archives() {
    let Some(host) = Host::new() else { return };
    lives(&host, "system", &[]);
    says(
        &host,
        "git -C /srv/checkout show -s --format=%s; git config --global user.name",
        "second\nSecond",
    );
    says(
        &host,
        "stat -c '%U' /srv/unpacked/file; grep -c example /etc/hosts; tail -n 1 /etc/sysctl.d/61-site.conf",
        "www-data\n3\nkernel.msgmax = 8192",
    );
}

#[test]
fn alternatives() {
    let Some(host) = Host::new() else { return };
    lives(&host, "links", &[]);
    says(&host, "readlink -f /usr/bin/site-pager", "/usr/bin/cat");
}

#[test]
fn services() {
    let Some(host) = Host::new() else { return };
    let (code, records) = host.apply("services.before", "first", false);
    assert_eq!(code, 0, "{records:#?}");
    lives(
        &host,
        "services",
        &["restarted", "unknown", "unknown is dead"],
    );
    says(
        &host,
        "ls /run/running; systemctl is-enabled cron own systemd-networkd",
        "systemd-logind.service\nsystemd-networkd.service\ndisabled\ndisabled\nenabled",
    );
}

/// What fails says so, leaves nothing half done, and the run ends with 2.
#[test]
fn failures() {
    let Some(host) = Host::new() else { return };
    let well = ["/srv/errors", "read-only", "full", "bad argument"];
    for round in ["first", "second"] {
        let (code, records) = host.apply("errors", round, false);
        assert_eq!(code, 2, "{records:#?}");
        for (tag, record) in &records {
            assert_eq!(
                has_failed(record),
                !well.contains(&id(tag)),
                "{tag}: {record:#?}"
            );
        }
    }
    let left: Vec<String> = host
        .changed()
        .into_keys()
        .filter(|path| path.starts_with("/srv/"))
        .collect();
    assert_eq!(left, ["/srv/errors", "/srv/errors/argument"]);
    says(
        &host,
        "getent passwd eve taken; getent group taken; readlink /etc/passwd",
        "",
    );
}

#[test]
fn no_mirror() {
    let Some(host) = Host::new() else { return };
    let (code, records) = host.apply("offline", "first", false);
    assert_eq!(code, 2, "{records:#?}");
    let failed = those(&records, has_failed);
    assert_eq!(failed.len(), 3, "{records:#?}");
    says(&host, "dpkg-query -W sl hello 2>/dev/null", "");
}
