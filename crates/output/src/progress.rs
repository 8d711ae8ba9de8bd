//! How a job stands while it runs.

use wire::control::{Doing, Progress, Rollout, SiteCounts};
use wire::{Counts, OutcomeKind, Steps};

use crate::escape::escape;
use crate::number::{count, grouped};
use crate::time::iso;
use crate::tree::site_name;

/// Counts in words: `12/14 returned, 1 running, 1 unreachable`. Columns that are zero are left out.
pub fn counts(counts: &Counts) -> String {
    let mut text = format!(
        "{}/{} returned",
        grouped(counts.returned()),
        grouped(counts.expected)
    );
    for kind in OutcomeKind::ALL {
        let number = counts.of(kind);
        if number > 0 && kind != OutcomeKind::Ok {
            text.push_str(&format!(", {} {}", grouped(number), kind.as_str()));
        }
    }
    text
}

/// The lines of a live display: the job, and at most `sites_max` sites, those first that are awaited. No line breaks inside.
pub fn progress_lines(progress: &Progress, sites_max: usize) -> Vec<String> {
    let more = if progress.complete {
        ""
    } else {
        ", naming minions"
    };
    let mut lines = vec![format!(
        "{}  {}{more}",
        progress.jid,
        counts(&progress.counts)
    )];
    lines.extend(
        progress
            .rollout
            .as_ref()
            .map(|r| format!("  {}", rollout(r))),
    );
    lines.extend(progress.steps.map(|steps| {
        let Steps {
            done,
            total,
            failed,
        } = steps;
        let failed = match failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        format!("  {done} of {total} states done{failed}")
    }));
    let is_awaited = |site: &SiteCounts| site.counts.settled() < site.counts.expected;
    let mut sites: Vec<_> = progress.sites.iter().collect();
    sites.sort_by_key(|site| !is_awaited(site));
    sites.truncate(sites_max);
    let names: Vec<_> = sites.iter().map(|site| site_name(&site.path)).collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, site) in names.iter().zip(&sites) {
        let cut = if site.cut_since.is_some() {
            ", cut off"
        } else {
            ""
        };
        lines.push(format!("  {name:<width$}  {}{cut}", counts(&site.counts)));
    }
    let hidden = progress.sites.len() - sites.len();
    if hidden > 0 {
        lines.push(format!("  and {}", count(hidden as u64, "more site")));
    }
    lines
}

/// How a rollout stands, on one line.
pub(crate) fn rollout(rollout: &Rollout) -> String {
    let stage = match rollout.stages {
        1 => String::new(),
        stages => format!("stage {} of {stages}, ", rollout.stage),
    };
    let doing = match &rollout.doing {
        Doing::Naming => "naming minions".to_owned(),
        Doing::Rolling => format!("{} of {} places taken", rollout.places, rollout.size),
        Doing::Pausing { until } => format!("pausing until {}", iso(*until)),
        Doing::Asking => "waits for `jobs continue`".to_owned(),
        Doing::Checking => "checking".to_owned(),
        Doing::Halted { reason } => format!("no more turns: {}", escape(reason)),
    };
    format!(
        "{stage}{} had their turn, {doing}",
        count(rollout.turns, "minion")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, NOW};
    use wire::OutcomeKind::*;

    #[test]
    fn awaited_sites_come_first() {
        let site = |path: &str, kinds: &[_], cut_since| SiteCounts {
            path: path.to_owned(),
            counts: sample::outcomes(kinds).progress.counts,
            as_of: NOW,
            cut_since,
        };
        let mut progress = sample::outcomes(&[Ok, Ok, Failed, Running, Unreachable]).progress;
        progress.complete = false;
        progress.sites = vec![
            site("", &[Ok], None),
            site("ap", &[Unreachable], Some(NOW)),
            site("eu/ams", &[Ok, Failed, Running], None),
        ];
        let check = |sites_max, expected: &[&str]| {
            assert_eq!(progress_lines(&progress, sites_max), expected)
        };
        let job = "20261122231556000001  3/5 returned, 1 failed, 1 running, 1 unreachable, naming minions";
        let ams = "  eu/ams  2/3 returned, 1 failed, 1 running";
        check(
            3,
            &[
                job,
                ams,
                "  (top)   1/1 returned",
                "  ap      0/1 returned, 1 unreachable, cut off",
            ],
        );
        check(1, &[job, ams, "  and 2 more sites"]);
    }
}
