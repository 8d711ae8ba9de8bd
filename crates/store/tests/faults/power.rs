//! Power cuts: an ext4 file system in a file, mounted in a mount namespace of its own, that stops from one moment to the next.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::writer::{ACKNOWLEDGED, FOUND, SUBJECTS, Subject, numbers, task};

const DISK_BYTES: u64 = 64 << 20;
/// More than are written before the power goes.
const COUNT: u32 = 100_000;
/// After how many acknowledgements the power goes: at once, within the first pages, after the database has taken its log in.
const CUTS: [u32; 4] = [1, 20, 150, 900];

struct Disk {
    image: PathBuf,
    place: PathBuf,
}

impl Disk {
    /// None where file systems can't be mounted.
    fn new(dir: &Path) -> Option<Disk> {
        let disk = Disk {
            image: dir.join("image"),
            place: dir.join("place"),
        };
        std::fs::create_dir(&disk.place).unwrap();
        let file = std::fs::File::create(&disk.image).unwrap();
        file.set_len(DISK_BYTES).unwrap();
        let mut make = Command::new("mkfs.ext4");
        let made = make.args(["-q", "-F"]).arg(&disk.image).status();
        let mounted = disk.command("true").status();
        let works = [made, mounted]
            .into_iter()
            .all(|status| status.is_ok_and(|status| status.success()));
        works.then_some(disk)
    }

    /// A program that sees the disk. It is unmounted when the program ends, however it ends.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-ec"])
            .arg("mount -o loop \"$1\" \"$2\"; shift 2; exec \"$@\"")
            .args(["sh".as_ref(), self.image.as_path(), &self.place])
            .arg(program);
        command
    }

    /// A switch for the power of the disk that this process sees, at hand so that it acts at once.
    fn switch(&self, pid: u32) -> Child {
        let mut seen = PathBuf::from(format!("/proc/{pid}/root"));
        seen.extend(self.place.components().skip(1));
        // FS_IOC_SHUTDOWN, with the flag that leaves the file system's own log as it is.
        let script = "open(my $d, '<', $ARGV[0]) or die $!; $| = 1; print \"ready\\n\"; <STDIN>; \
                      my $f = pack('L', 2); ioctl($d, 0x8004587d, $f) or die $!";
        let mut switch = Command::new("perl")
            .args(["-e", script])
            .arg(seen)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let stdout = switch.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        switch
    }
}

/// From now on nothing reaches the disk; what was not synced is gone.
fn cut_power(mut switch: Child) {
    drop(switch.stdin.take());
    assert!(switch.wait().unwrap().success());
}

fn survives(subject: Subject, cut_after: u32) -> Option<()> {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path())?;
    let this = std::env::current_exe().unwrap();
    let mut command = disk.command(&this);
    task(&mut command, "write", subject, &disk.place, COUNT);
    let mut writer = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut switch = None;
    let mut acknowledged = BTreeSet::new();
    let mut afterwards = 0;
    while let Some(Ok(line)) = lines.next() {
        // Whatever it prints, it sees the disk.
        let id = writer.id();
        let power = switch.get_or_insert_with(|| Some(disk.switch(id)));
        // Only what was acknowledged before counts. This kernel lets a sync that is under way at this moment succeed, and
        // drops its bytes all the same, which a real disk does not; calls that fail have a test of their own.
        match power {
            Some(_) => acknowledged.extend(numbers(&line, ACKNOWLEDGED)),
            None => afterwards += numbers(&line, ACKNOWLEDGED).len(),
        }
        if acknowledged.contains(&cut_after)
            && let Some(power) = power.take()
        {
            cut_power(power);
        }
    }
    let status = writer.wait().unwrap();
    assert!(!status.success(), "{subject:?}: {status}");
    assert!(acknowledged.contains(&cut_after) && acknowledged.len() + afterwards < COUNT as usize);

    let mut command = disk.command(&this);
    task(&mut command, "read", subject, &disk.place, 0);
    let reader = command.output().unwrap();
    let reading = String::from_utf8_lossy(&reader.stdout);
    assert!(reader.status.success(), "{subject:?}: {reader:?}");
    let there = numbers(&reading, FOUND);
    let missing: Vec<_> = acknowledged.difference(&there).collect();
    assert!(
        missing.is_empty(),
        "{subject:?}: acknowledged and gone: {missing:?}"
    );
    println!(
        "{subject:?}: {} acknowledged, {afterwards} more while the power went, {} there",
        acknowledged.len(),
        there.len()
    );
    Some(())
}

#[test]
fn everything_acknowledged_is_there_after_a_power_cut() {
    for subject in SUBJECTS {
        for cut_after in CUTS {
            if survives(subject, cut_after).is_none() {
                println!("skipped: file systems can't be mounted here");
                return;
            }
        }
    }
}
