//! A small disk for one node: can be filled, and lose its power.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file that takes room on a disk.
const FILL: &str = "fill";
/// Written at once when a disk is filled.
const CHUNK: usize = 64 << 10;

/// An ext4 file system in a file. Whoever uses it mounts it in a mount namespace of its own, so it is gone when its last
/// process is; the file keeps what was on it.
#[derive(Debug, Clone)]
pub struct Disk {
    image: PathBuf,
}

impl Disk {
    /// A disk of so many MiB; None, with a message, where this machine or this user can't have one.
    ///
    /// # Panics
    /// When the image can't be written.
    pub fn new(image: &Path, mib: u64) -> Option<Disk> {
        let file = File::create(image).expect("an image");
        file.set_len(mib << 20).expect("an image");
        let disk = Disk {
            image: image.to_owned(),
        };
        // No blocks for root alone: what the system calls free is what programs can have.
        let made = quiet(
            Command::new("mkfs.ext4")
                .args(["-q", "-F", "-m", "0"])
                .arg(image),
        );
        let trial = image.with_extension("trial");
        fs::create_dir_all(&trial).expect("a directory");
        if made && quiet(disk.run(&trial, Path::new("true")).stdout(Stdio::null())) {
            return Some(disk);
        }
        println!("skipped: file systems can't be mounted here (that takes root and loop devices)");
        None
    }

    /// A command that runs a program with the disk mounted here, and nobody else sees it.
    pub fn run(&self, place: &Path, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-ec"])
            .arg("mount -o loop \"$1\" \"$2\"; shift 2; exec \"$@\"")
            .args(["sh".as_ref(), self.image.as_path(), place, program]);
        command
    }

    /// Leaves this many bytes free on the disk that a process has mounted here.
    ///
    /// # Panics
    /// When it can't be filled.
    pub fn fill(&self, pid: u32, place: &Path, left: u64) {
        let place = seen_by(pid, place);
        let mut fill = File::options()
            .create(true)
            .append(true)
            .open(place.join(FILL))
            .expect("a file");
        let noise = vec![7; CHUNK];
        while free(&place) > left {
            let more = usize::try_from(free(&place) - left).unwrap_or(CHUNK);
            if fill.write_all(&noise[..more.min(CHUNK)]).is_err() {
                break;
            }
            // Blocks are only counted once they are there.
            let _ = fill.sync_data();
        }
    }

    /// Gives the room back, while a process has the disk mounted.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn empty(&self, pid: u32, place: &Path) {
        fs::remove_file(seen_by(pid, place).join(FILL)).expect("the disk was filled");
    }

    /// From this moment on nothing reaches the disk, and what was not synced is lost.
    ///
    /// # Panics
    /// When the system does not do it.
    pub fn cut_power(&self, pid: u32, place: &Path) {
        // FS_IOC_SHUTDOWN, with the flag that leaves the file system's own log as it is.
        let script = "open(my $d, '<', $ARGV[0]) or die $!; my $f = pack('L', 2); ioctl($d, 0x8004587d, $f) or die $!";
        let mut command = Command::new("perl");
        command.args(["-e", script]).arg(seen_by(pid, place));
        assert!(quiet(&mut command), "the power can't be cut");
    }
}

/// A path as a process sees it that has mounts of its own.
fn seen_by(pid: u32, path: &Path) -> PathBuf {
    let mut seen = PathBuf::from(format!("/proc/{pid}/root"));
    seen.extend(path.components().skip(1));
    seen
}

fn free(place: &Path) -> u64 {
    let stat = nix::sys::statvfs::statvfs(place).expect("the disk is mounted");
    stat.blocks_available() * stat.fragment_size()
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
