//! The files and the pillar: ours come from one remote; of Salt's masters the top has these, and those below have fewer and others.

use std::path::{Path, PathBuf};

/// What the top serves, and our remote.
const FILES: &[(&str, &str)] = &[
    ("salt/central.txt", "of the top\n"),
    (
        "salt/central.sls",
        "it came from the top:\n  test.succeed_without_changes\n",
    ),
    (
        "salt/ping.sls",
        "pinged:\n  salt.function:\n    - name: test.ping\n    - tgt: 'web-*'\n",
    ),
    (
        "salt/react.sls",
        concat!(
            "react:\n",
            "  local.cmd.run:\n",
            "    - tgt: {{ data['id'] }}\n",
            "    - args:\n",
            "      - cmd: {{ data['data']['work'] | json }}\n",
        ),
    ),
    ("pillar/top.sls", "base:\n  '*':\n    - about\n"),
    (
        "pillar/about.sls",
        "class: {{ grains.get('role') }}\nwhere: top\n",
    ),
];

/// What Salt's masters of sites serve: roots are folders of each of them.
const BELOW: &[(&str, &str)] = &[
    (
        "salt/site.sls",
        "it came from the site:\n  test.succeed_without_changes\n",
    ),
    ("pillar/top.sls", "base:\n  '*':\n    - about\n"),
    (
        "pillar/about.sls",
        "class: {{ grains.get('role') }}\nwhere: site\n",
    ),
];

/// Where those of the top lie.
pub fn top(work: &Path) -> PathBuf {
    work.join("roots")
}

/// Where those of Salt's masters below it lie.
pub fn below(work: &Path) -> PathBuf {
    work.join("below")
}

/// The repository with those of the top.
pub fn remote(work: &Path) -> PathBuf {
    work.join("roots.git")
}

/// Writes them, and commits those of the top.
pub fn make(work: &Path) -> anyhow::Result<()> {
    for (place, files) in [(top(work), FILES), (below(work), BELOW)] {
        for (path, text) in files {
            let path = place.join(path);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, text)?;
        }
    }
    crate::bench::salt::files::commit(&top(work), &remote(work))
}
