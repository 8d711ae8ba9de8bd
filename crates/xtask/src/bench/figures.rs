//! Figures: medians and spreads, and where they were measured.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Middle, least and greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of these values.
    pub fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Spread {
            median: (at(last / 2) + at(last.div_ceil(2))) / 2.0,
            least: at(0),
            most: at(last),
        }
    }

    /// For people.
    pub fn text(self, digits: usize) -> String {
        let Spread {
            median,
            least,
            most,
        } = self;
        format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}

/// The value that this share of all does not exceed, in milliseconds.
pub fn quantile(walls: &[Duration], share: f64) -> f64 {
    let mut walls = walls.to_vec();
    walls.sort();
    let last = walls.len().saturating_sub(1);
    let place = (last as f64 * share).ceil() as usize;
    walls
        .get(place)
        .map_or(f64::NAN, |wall| wall.as_secs_f64() * 1e3)
}

/// The clock on the wall.
pub fn unix_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The commit that is measured.
pub fn commit(root: &Path) -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(root)
        .output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// The machine, in words.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let models: Vec<&str> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']))
        .collect();
    let kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    format!(
        "{} x {}, {} GiB, Linux {}, load {}",
        models.len(),
        models.first().unwrap_or(&"unknown CPU"),
        kib.unwrap_or(0) >> 20,
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg")
            .split_whitespace()
            .next()
            .unwrap_or("?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], expected: (f64, f64, f64)) {
        let spread = Spread::of(values.iter().copied());
        assert_eq!((spread.median, spread.least, spread.most), expected);
    }

    #[test]
    fn medians() {
        check(&[3.0], (3.0, 3.0, 3.0));
        check(&[9.0, 1.0, 2.0], (2.0, 1.0, 9.0));
        check(&[4.0, 1.0, 2.0, 9.0], (3.0, 1.0, 9.0));
        assert!(Spread::of(std::iter::empty()).median.is_nan());
    }

    #[test]
    fn quantiles() {
        let walls: Vec<_> = (1..=101).map(Duration::from_millis).collect();
        for (share, expected) in [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 101.0)] {
            assert!((quantile(&walls, share) - expected).abs() < 1e-9, "{share}");
        }
    }
}
