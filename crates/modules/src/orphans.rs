//! Process groups that outlive the minion that started them.
//!
//! A minion that is killed cannot end what it runs. The next one finds the groups by the marks that were kept of them.

use std::fmt;
use std::fs;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long groups may clean up between TERM and KILL. The minion is not in service meanwhile.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// Pause between two looks at whether they are gone.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Hears of the process groups of functions.
pub trait Watch: Send + Sync {
    /// A group began.
    fn begins(&self, group: &Mark);
    /// Its leader has ended.
    fn ends(&self, group: u32);
}

/// What tells a process group from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its number, which is the process id of its leader.
    pub group: u32,
    /// The session that it was born into.
    session: u32,
    /// When its leader started, in ticks since the system did.
    started: u64,
    /// Names the run of the system.
    boot: String,
}

impl Mark {
    /// The mark of a group whose leader is not reaped; None when there is none.
    pub fn of(group: u32) -> Option<Mark> {
        let leader = Member::read(group)?;
        Some(Mark {
            group,
            session: leader.session,
            started: leader.started,
            boot: boot()?,
        })
    }

    /// How many processes of the group live.
    pub fn survivors(&self) -> usize {
        if boot().as_ref() != Some(&self.boot) {
            return 0;
        }
        // A number is given again once nobody has it any more, as id or as group.
        if Member::read(self.group).is_some_and(|leader| leader.started != self.started) {
            return 0;
        }
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Member::read(entry.file_name().to_str()?.parse().ok()?))
            .filter(|member| {
                member.group == self.group
                    && member.session == self.session
                    && member.started >= self.started
                    && !member.is_dead
            })
            .count()
    }
}

/// Ends groups: TERM, and KILL for those that do not obey. Gives how many processes of each were found.
pub fn end(marks: &[Mark]) -> Vec<usize> {
    let found: Vec<usize> = marks.iter().map(Mark::survivors).collect();
    let alive = || marks.iter().filter(|mark| mark.survivors() > 0);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for mark in alive() {
            let _ = killpg(Pid::from_raw(mark.group.cast_signed()), signal);
        }
        let deadline = Instant::now() + TERM_GRACE;
        while alive().next().is_some() && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
    found
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.group, self.session, self.started, self.boot
        )
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Mark, ()> {
        let mut words = text.split_whitespace();
        let mut word = || words.next().ok_or(());
        let mark = Mark {
            group: word()?.parse().map_err(drop)?,
            session: word()?.parse().map_err(drop)?,
            started: word()?.parse().map_err(drop)?,
            boot: word()?.to_owned(),
        };
        // Signals to groups 0 and 1 would go to the minion's own group and to everyone.
        if mark.group > 1 { Ok(mark) } else { Err(()) }
    }
}

/// What `/proc/PID/stat` says of a process.
struct Member {
    is_dead: bool,
    group: u32,
    session: u32,
    started: u64,
}

impl Member {
    fn read(pid: u32) -> Option<Member> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The name stands in parentheses and may hold anything. Behind it stands the third word of proc(5).
        let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let word = |number: usize| words.get(number - 3);
        Some(Member {
            is_dead: matches!(*word(3)?, "Z" | "X"),
            group: word(5)?.parse().ok()?,
            session: word(6)?.parse().ok()?,
            started: word(22)?.parse().ok()?,
        })
    }
}

fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    fn group(script: &str) -> (Child, Mark) {
        let child = Command::new("sh")
            .args(["-c", script])
            .process_group(0)
            .spawn()
            .unwrap();
        let mark = Mark::of(child.id()).unwrap();
        (child, mark)
    }

    #[test]
    fn a_group_is_ended_whether_its_leader_lives_or_not() {
        let (mut obeys, first) = group("sleep 300 & sleep 300");
        let (mut refuses, second) = group("trap '' TERM; sleep 300 & exec sleep 300");
        let (mut leaves, third) = group("sleep 300 & exit 0");
        leaves.wait().unwrap();
        assert_eq!(third.survivors(), 1);
        let marks = [first, second, third];
        let found = end(&marks);
        assert!(found.iter().all(|count| *count > 0), "{found:?}");
        assert!(marks.iter().all(|mark| mark.survivors() == 0));
        obeys.wait().unwrap();
        refuses.wait().unwrap();
    }

    #[test]
    fn strangers_with_the_same_number_are_left_alone() {
        let (mut child, mark) = group("exec sleep 300");
        assert_eq!(mark.survivors(), 1);
        let strangers = [
            Mark {
                started: mark.started - 1,
                ..mark.clone()
            },
            Mark {
                session: mark.session + 1,
                ..mark.clone()
            },
            Mark {
                boot: "another".to_owned(),
                ..mark.clone()
            },
        ];
        assert_eq!(end(&strangers), [0, 0, 0]);
        assert_eq!(mark.survivors(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(mark.survivors(), 0);
    }

    #[test]
    fn marks_are_read_back_and_nonsense_is_not() {
        let (mut child, mark) = group("exec sleep 300");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        child.kill().unwrap();
        child.wait().unwrap();
        for text in [
            "", "7", "7 7 7", "0 7 7 b", "1 7 7 b", "-7 7 7 b", "x 7 7 b",
        ] {
            assert_eq!(text.parse::<Mark>(), Err(()), "{text}");
        }
    }
}
