//! The files and the pillar of both sides.

use std::path::{Path, PathBuf};

/// Files by their paths: states that change no host, and something to render and to copy.
const FILES: &[(&str, &str)] = &[
    ("salt/top.sls", "base:\n  'web-*':\n    - fine\n"),
    (
        "salt/fine.sls",
        "it went well:\n  test.succeed_without_changes\n\nit changed:\n  test.succeed_with_changes:\n    - require:\n      - test: it went well\n",
    ),
    (
        "salt/failing.sls",
        "it failed:\n  test.fail_without_changes\n\nit waits:\n  test.nop:\n    - require:\n      - test: it failed\n",
    ),
    (
        "salt/named.sls",
        "{{ pillar['site'] }} of {{ grains['id'] }}:\n  test.configurable_test_state:\n    - changes: {{ pillar.get('changes', False) }}\n    - result: True\n    - comment: as said\n",
    ),
    ("salt/broken.sls", "a: [\n"),
    ("salt/greeting.txt", "hello\nworld\n"),
    ("pillar/top.sls", "base:\n  '*':\n    - site\n"),
    (
        "pillar/site.sls",
        "site: ams\nports:\n  web: 80\n  tls: 443\n",
    ),
];

/// Where the files lie.
pub fn checkout(work: &Path) -> PathBuf {
    work.join("roots")
}

/// The repository of the same.
pub fn remote(work: &Path) -> PathBuf {
    work.join("roots.git")
}

/// Writes and commits them.
pub fn make(work: &Path) -> anyhow::Result<()> {
    let checkout = checkout(work);
    for (path, text) in FILES {
        let path = checkout.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    crate::bench::salt::files::commit(&checkout, &remote(work))
}
