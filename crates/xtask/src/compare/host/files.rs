//! The files of a root, as they are compared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

/// What is known of each path; none for one that was removed.
pub type Files = BTreeMap<String, Option<Value>>;

/// Text that is longer is shown by its sum.
const SHOWN_MAX: usize = 16 << 10;

/// Below these each side keeps its own affairs, or the files hold times: caches, logs, lists, mounts that were not mounted then.
const IGNORED: &[&str] = &[
    "dev",
    "etc/banyan",
    "etc/salt",
    "opt/saltstack",
    "proc",
    "tmp",
    "var/cache",
    "var/lib/apt",
    "var/lib/banyan",
    "var/log",
];

/// Words of a path of which the same holds.
const IGNORED_PARTS: &[&str] = &[
    // Times of files, and of those who committed.
    "/.git/index",
    "/.git/logs",
    // The same objects are packed in other ways.
    "/.git/objects",
    // dpkg keeps its records in the order in which it wrote them.
    "var/lib/dpkg/status",
    "var/lib/dpkg/available",
    "var/lib/dpkg/info/",
    "var/lib/dpkg/lock",
];

/// Lines that begin so hold a time.
const IGNORED_LINE: &str = "# (/tmp/";

/// All that an overlay holds.
pub fn changed(upper: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    walk(upper, "", &mut files).with_context(|| upper.display().to_string())?;
    Ok(files)
}

fn walk(upper: &Path, below: &str, files: &mut Files) -> anyhow::Result<()> {
    for found in std::fs::read_dir(upper.join(below))? {
        let name = found?.file_name().to_string_lossy().into_owned();
        let path = match below {
            "" => name,
            below => format!("{below}/{name}"),
        };
        if is_ignored(&path) {
            continue;
        }
        let at = upper.join(&path);
        files.insert(path.clone(), entry(&at, &path));
        if at.symlink_metadata()?.is_dir() {
            walk(upper, &path, files)?;
        }
    }
    Ok(())
}

fn is_ignored(path: &str) -> bool {
    let below = |folder: &&str| {
        let rest = path.strip_prefix(*folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    IGNORED.iter().any(below) || IGNORED_PARTS.iter().any(|part| path.contains(part))
}

/// What is compared of a path: its type, mode, owners and contents. None where nothing is, or an overlay says that it was removed.
pub fn entry(at: &Path, path: &str) -> Option<Value> {
    let data = at.symlink_metadata().ok()?;
    let kind = data.file_type();
    if kind.is_char_device() && data.rdev() == 0 {
        return None;
    }
    let mut entry = json!({
        "mode": format!("{:o}", data.mode()),
        "owners": format!("{}:{}", data.uid(), data.gid()),
    });
    if kind.is_file() {
        let bytes = std::fs::read(at).unwrap_or_default();
        entry["contents"] = contents(&bytes, path);
    } else if kind.is_symlink() {
        let target = std::fs::read_link(at).unwrap_or_default();
        entry["target"] = json!(target.display().to_string());
    }
    Some(entry)
}

fn contents(bytes: &[u8], path: &str) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= SHOWN_MAX && path.starts_with("var/spool/cron") => {
            let lines = text.lines().filter(|line| !line.starts_with(IGNORED_LINE));
            json!(lines.collect::<Vec<_>>())
        }
        Ok(text) if text.len() <= SHOWN_MAX => json!(text),
        _ => {
            let mut sum = DefaultHasher::new();
            sum.write(bytes);
            json!(format!("{} bytes, sum {:x}", bytes.len(), sum.finish()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_layer_holds() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write("etc/app", b"x = 1\n");
        write("etc/salt/minion", b"");
        write("srv/.git/index", b"");
        write("srv/raw", &[0xff, 0]);
        write(
            "var/spool/cron/crontabs/ada",
            b"# (/tmp/x installed on Sat)\n* * * * * true\n",
        );
        symlink("etc/app", dir.path().join("link")).unwrap();
        let files = changed(dir.path()).unwrap();
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "etc",
                "etc/app",
                "link",
                "srv",
                "srv/.git",
                "srv/raw",
                "var",
                "var/spool",
                "var/spool/cron",
                "var/spool/cron/crontabs",
                "var/spool/cron/crontabs/ada",
            ]
        );
        let of = |path: &str| files[path].clone().unwrap();
        assert_eq!(of("etc/app")["contents"], "x = 1\n");
        assert_eq!(of("link")["target"], "etc/app");
        assert_eq!(
            of("var/spool/cron/crontabs/ada")["contents"],
            json!(["* * * * * true"])
        );
        assert!(
            of("srv/raw")["contents"]
                .as_str()
                .unwrap()
                .starts_with("2 bytes")
        );
        assert_eq!(entry(&dir.path().join("none"), "none"), None);
    }
}
