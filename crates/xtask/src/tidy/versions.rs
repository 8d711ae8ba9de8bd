//! Whether `Cargo.lock` holds one crate in several versions.

use std::collections::BTreeMap;

use super::Findings;
use crate::workspace::Workspace;

/// Crates that are locked in several versions, and who forces it.
#[rustfmt::skip] // A table is read in rows.
const FORCED: &[(&str, &str)] = &[
    ("base64", "sqlx-core wants 0.22; PEM readers want 0.23"),
    ("bit-set", "fancy-regex 0.16 and proptest 1.12 want different ones"),
    ("bit-vec", "follows bit-set; rcgen's yasna wants a third"),
    ("block-buffer", "follows digest"),
    ("cpufeatures", "sha1 0.10, sha2 0.10 and curve25519-dalek 4 want 0.2; blake3 wants 0.3"),
    ("crypto-common", "follows digest"),
    ("digest", "follows sha1, sha2 and md-5"),
    ("foldhash", "follows hashbrown"),
    ("getrandom", "ring and rand_core 0.6 want 0.2; quinn-proto and tempfile want 0.4"),
    ("hashbrown", "rusqlite's hashlink wants 0.15; indexmap wants 0.17"),
    ("hashlink", "rusqlite 0.37 wants 0.10; sqlx 0.9 wants 0.11"),
    ("md-5", "sqlx-postgres 0.9 wants 0.11; states use 0.10 as the other digests do"),
    ("openssl-probe", "git2 wants 0.1; sqlx's rustls-native-certs wants 0.2"),
    ("r-efi", "follows getrandom; not built for Linux"),
    ("rand_core", "ed25519-dalek 2 wants 0.6; proptest and quinn-proto want 0.10"),
    ("sha1", "sqlx-mysql 0.9 wants 0.11; states use 0.10 as the other digests do"),
    ("sha2", "sqlx 0.9 wants 0.11; ed25519-dalek 2 wants 0.10"),
    ("shlex", "cc wants 2; only build scripts use that one"),
    ("syn", "macros of x509-parser, curve25519-dalek, jiff and tracing still use 2; only built, never shipped"),
    ("synstructure", "follows syn"),
    ("windows-sys", "ring wants an old one; not built for Linux"),
];

pub fn check(workspace: &Workspace, findings: &mut Findings) {
    compare(workspace, FORCED, findings);
}

fn compare(workspace: &Workspace, forced: &[(&str, &str)], findings: &mut Findings) {
    let Some(lock) = workspace.files.get("Cargo.lock") else {
        findings.fault("Cargo.lock is missing");
        return;
    };
    let locked = locked(lock);
    for (name, versions) in locked.iter().filter(|(_, versions)| versions.len() > 1) {
        if !forced.iter().any(|(known, _)| known == name) {
            findings.fault(format!(
                "Cargo.lock: {name} {}: use one, or say in crates/xtask/src/tidy/versions.rs who forces it",
                versions.join(" and ")
            ));
        }
    }
    for (name, _) in forced {
        if locked.get(name).is_none_or(|versions| versions.len() == 1) {
            findings.fault(format!(
                "crates/xtask/src/tidy/versions.rs: {name} is locked in one version now: remove its row"
            ));
        }
    }
}

/// Versions of each crate in a lock file.
fn locked(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut locked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(value) = value_of(line, "name") {
            name = value;
        } else if let Some(value) = value_of(line, "version") {
            // The lock file's own version comes before any name.
            if !name.is_empty() {
                locked.entry(name).or_default().push(value);
            }
        }
    }
    locked
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let value = line.strip_prefix(key)?.strip_prefix(" = ")?;
    Some(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lock(packages: &[(&str, &str)], forced: &[(&str, &str)], expected: &[&str]) {
        let mut lock = "version = 4\n".to_owned();
        for (name, version) in packages {
            lock += &format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        }
        let workspace = Workspace {
            files: [("Cargo.lock".to_owned(), lock)].into(),
            ..Workspace::default()
        };
        let mut findings = Findings::default();
        compare(&workspace, forced, &mut findings);
        assert_eq!(findings.faults, expected);
    }

    #[test]
    fn two_versions_need_a_reason() {
        let twice = [("syn", "2.0.1"), ("syn", "3.0.0")];
        check_lock(&[("syn", "2.0.1")], &[], &[]);
        check_lock(&twice, &[("syn", "why")], &[]);
        check_lock(
            &twice,
            &[],
            &[
                "Cargo.lock: syn 2.0.1 and 3.0.0: use one, or say in crates/xtask/src/tidy/versions.rs who forces it",
            ],
        );
        check_lock(
            &[("syn", "2.0.1")],
            &[("syn", "why")],
            &[
                "crates/xtask/src/tidy/versions.rs: syn is locked in one version now: remove its row",
            ],
        );
    }
}
