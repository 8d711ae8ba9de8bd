//! Process groups of jobs, on disk while they run, so that a minion that was killed finds them when it is back.
//!
//! One small file for each group. None is synced: a power cut ends the processes as well. A minion that dies in the moment
//! between the start of a process and its file leaves a group that nobody ends.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modules::orphans::{self, Mark, Watch};
use wire::Jid;

/// Ends the name of the file of a group that was left on purpose: the minion was told to stop, and what it runs may be what
/// stops it, such as the upgrade of its package.
const LEFT: &str = ".left";

/// The directory of the files.
#[derive(Debug, Clone)]
pub struct Groups {
    directory: PathBuf,
}

/// The groups of one job.
struct OfJob {
    groups: Groups,
    jid: String,
}

impl Groups {
    /// The directory; it is made when it is missing.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn open(directory: PathBuf) -> io::Result<Groups> {
        fs::create_dir_all(&directory)?;
        Ok(Groups { directory })
    }

    /// Keeps files of the groups of this job.
    pub fn of_job(&self, jid: &str) -> Arc<dyn Watch> {
        Arc::new(OfJob {
            groups: self.clone(),
            jid: jid.to_owned(),
        })
    }

    /// The minion stops in good order: groups that still run are left to themselves.
    pub fn leave(&self) {
        for (path, name) in self.files() {
            if !name.ends_with(LEFT)
                && let Err(error) = fs::rename(&path, self.directory.join(name + LEFT))
            {
                tracing::warn!(%error, path = %path.display(), "a process group can't be marked as left");
            }
        }
    }

    /// Ends what the minion before this one left when it died, and says for each job what became of it.
    pub fn clear(&self) -> BTreeMap<Jid, String> {
        let mut dead = Vec::new();
        let mut jids = Vec::new();
        let mut words = BTreeMap::new();
        for (path, name) in self.files() {
            let mark = fs::read_to_string(&path)
                .ok()
                .and_then(|text| text.parse::<Mark>().ok());
            let jid = name
                .split('-')
                .next()
                .and_then(|jid| jid.parse::<Jid>().ok());
            if let (Some(mark), Some(jid)) = (mark, jid) {
                if name.ends_with(LEFT) {
                    let count = mark.survivors();
                    if count > 0 {
                        let text =
                            format!("it was told to stop, and {count} of its processes run on");
                        words.insert(jid, text);
                    }
                } else {
                    dead.push(mark);
                    jids.push(jid);
                }
            }
        }
        for ((jid, mark), count) in jids.into_iter().zip(&dead).zip(orphans::end(&dead)) {
            if count > 0 {
                let left = mark.survivors();
                let text = match left {
                    0 => format!("{count} of its processes had survived and were ended"),
                    _ => format!("{left} of its processes run on and can't be ended"),
                };
                tracing::warn!(%jid, group = mark.group, "{text}");
                words.insert(jid, text);
            }
        }
        for (path, _) in self.files() {
            remove(&path);
        }
        words
    }

    fn files(&self) -> Vec<(PathBuf, String)> {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
            .collect()
    }
}

impl OfJob {
    fn path(&self, group: u32) -> PathBuf {
        self.groups.directory.join(format!("{}-{group}", self.jid))
    }
}

impl Watch for OfJob {
    fn begins(&self, group: &Mark) {
        if let Err(error) = fs::write(self.path(group.group), group.to_string()) {
            // The job runs all the same; only the death of the minion would now leave its processes alone.
            tracing::warn!(%error, group = group.group, "a process group can't be noted");
        }
    }

    fn ends(&self, group: u32) {
        remove(&self.path(group));
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "can't be removed");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    const JID: &str = "20261122223700000001";

    fn running(groups: &Groups) -> (Child, Mark) {
        let child = Command::new("sleep")
            .arg("300")
            .process_group(0)
            .spawn()
            .unwrap();
        let mark = Mark::of(child.id()).unwrap();
        groups.of_job(JID).begins(&mark);
        (child, mark)
    }

    #[test]
    fn what_a_dead_minion_left_is_ended_and_what_was_left_on_purpose_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let groups = Groups::open(dir.path().join("groups")).unwrap();
        let (mut child, mark) = running(&groups);
        groups.leave();
        let words = groups.clear();
        assert!(words[&JID.parse().unwrap()].ends_with("1 of its processes run on"));
        assert_eq!(mark.survivors(), 1);
        groups.of_job(JID).begins(&mark);
        let words = groups.clear();
        assert!(words[&JID.parse().unwrap()].contains("were ended"));
        assert!(!child.wait().unwrap().success());
        // Once told, it is forgotten.
        assert!(groups.files().is_empty() && groups.clear().is_empty());
    }

    #[test]
    fn a_group_that_ended_leaves_no_file_and_foreign_files_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let groups = Groups::open(dir.path().to_owned()).unwrap();
        let (mut child, mark) = running(&groups);
        groups.of_job(JID).ends(mark.group);
        assert!(groups.files().is_empty());
        fs::write(dir.path().join(format!("{JID}-0")), "0 0 0 x").unwrap();
        fs::write(dir.path().join("notes"), "").unwrap();
        assert!(groups.clear().is_empty() && groups.files().is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
