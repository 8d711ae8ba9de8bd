//! Figures of the fan-out: medians and spreads for people, every round for machines.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::figures::{Spread, verdict};
use super::process::Usage;
use super::tree::{Bytes, Memory};

/// One round.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// From the order to the whole account.
    pub wall: Duration,
    /// CPU time until all is at rest.
    pub used: Usage,
    /// Between the top-master and its syndics.
    pub bytes: Bytes,
}

/// Rounds of one kind.
#[derive(Debug)]
pub struct Run {
    name: &'static str,
    rounds: Vec<Round>,
}

/// What a figure may be at most.
struct Budget {
    what: &'static str,
    is: f64,
    may_be: f64,
}

/// All that was measured with one number of minions.
#[derive(Debug)]
pub struct Size {
    minions: u32,
    empty: Memory,
    full: Memory,
    floor_memory: u64,
    runs: Vec<Run>,
}

impl Size {
    /// With what hubs needed before the minions came and after, and what the floor's servers needed more.
    pub fn new(minions: u32, empty: Memory, full: Memory, floor_memory: u64) -> Size {
        Size {
            minions,
            empty,
            full,
            floor_memory,
            runs: Vec::new(),
        }
    }

    /// Takes a round in.
    pub fn add(&mut self, name: &'static str, round: Round) {
        match self.runs.iter_mut().find(|run| run.name == name) {
            Some(run) => run.rounds.push(round),
            None => self.runs.push(Run {
                name,
                rounds: vec![round],
            }),
        }
    }

    fn spread(&self, name: &str, figure: impl Fn(&Round) -> f64) -> Spread {
        let run = self.runs.iter().find(|run| run.name == name);
        Spread::of(run.iter().flat_map(|run| &run.rounds).map(figure))
    }

    fn per_minion(&self, bytes: u64) -> f64 {
        bytes as f64 / f64::from(self.minions)
    }

    fn us(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / f64::from(self.minions)
    }

    fn budgets(&self) -> Vec<Budget> {
        let hub_us = |round: &Round| self.us(round.used.hubs + round.used.top);
        let wall = |round: &Round| round.wall.as_secs_f64();
        let ratio = |name, figure: &dyn Fn(&Round) -> f64| {
            self.spread(name, figure).median / self.spread("quinn alone", figure).median
        };
        let grown = self.full.syndics.saturating_sub(self.empty.syndics);
        let up = self.spread("test.ping", |round| self.per_minion(round.bytes.up));
        vec![
            Budget {
                what: "hub CPU for a command and its return, by that of quinn alone",
                is: ratio("test.ping", &hub_us),
                may_be: 1.5,
            },
            Budget {
                what: "time of `run '*' test.ping`, by that of quinn alone",
                is: ratio("run '*' test.ping", &wall),
                may_be: 1.5,
            },
            Budget {
                what: "KiB of a syndic for each connected minion",
                is: self.per_minion(grown) / 1024.0,
                may_be: 40.0,
            },
            Budget {
                what: "bytes upwards for a return of equal small values",
                is: up.median,
                may_be: 4.0,
            },
        ]
    }

    fn text(&self) -> String {
        let mut text = format!("\n{} minions\n\n", self.minions);
        text.push_str("| round | wall ms | hub us | of it top us | minion us | up B | down B |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        for run in &self.runs {
            let of = |figure: &dyn Fn(&Round) -> f64| self.spread(run.name, figure);
            let is_floor = run.name == "quinn alone";
            let bytes = |spread: Spread| {
                if is_floor {
                    "-".to_owned()
                } else {
                    format!("{:.2}", spread.median)
                }
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.1} | {} | {} | {} |",
                run.name,
                of(&|r| r.wall.as_secs_f64() * 1e3).text(0),
                of(&|r| self.us(r.used.hubs + r.used.top)).text(1),
                of(&|r| self.us(r.used.top)).median,
                of(&|r| self.us(r.used.minions)).text(1),
                bytes(of(&|r| self.per_minion(r.bytes.up))),
                bytes(of(&|r| self.per_minion(r.bytes.down))),
            );
        }
        let grown = |full: u64, empty: u64| self.per_minion(full.saturating_sub(empty)) / 1024.0;
        let _ = writeln!(
            text,
            "\nMemory for each minion, KiB: syndics {:.1}, top-master {:.1}, quinn alone {:.1}.\n",
            grown(self.full.syndics, self.empty.syndics),
            grown(self.full.top, self.empty.top),
            grown(self.floor_memory, 0),
        );
        text.push_str("| budget | may be | is | |\n| --- | --- | --- | --- |\n");
        for Budget { what, is, may_be } in self.budgets() {
            let verdict = verdict(is <= may_be);
            let _ = writeln!(text, "| {what} | {may_be} | {is:.2} | {verdict} |");
        }
        text
    }

    fn json(&self) -> Value {
        let round = |round: &Round| {
            json!({
                "wall_us": round.wall.as_micros() as u64,
                "hubs_us": round.used.hubs.as_micros() as u64,
                "top_us": round.used.top.as_micros() as u64,
                "minions_us": round.used.minions.as_micros() as u64,
                "up_bytes": round.bytes.up,
                "down_bytes": round.bytes.down,
            })
        };
        let runs: Vec<Value> = self
            .runs
            .iter()
            .map(|run| {
                json!({
                    "round": run.name,
                    "rounds": run.rounds.iter().map(round).collect::<Vec<_>>(),
                })
            })
            .collect();
        let budgets: Vec<Value> = self
            .budgets()
            .into_iter()
            .map(|budget| json!({"what": budget.what, "is": budget.is, "may_be": budget.may_be}))
            .collect();
        let memory = |memory: &Memory| json!({"top": memory.top, "syndics": memory.syndics});
        json!({
            "minions": self.minions,
            "memory_empty_bytes": memory(&self.empty),
            "memory_full_bytes": memory(&self.full),
            "memory_quinn_alone_bytes": self.floor_memory,
            "runs": runs,
            "budgets": budgets,
        })
    }
}

/// The whole outcome.
#[derive(Debug)]
pub struct Table {
    syndics: u32,
    rounds: u32,
    sizes: Vec<Size>,
}

impl Table {
    /// With no figures yet.
    pub fn new(syndics: u32, rounds: u32) -> Table {
        Table {
            syndics,
            rounds,
            sizes: Vec::new(),
        }
    }

    /// Takes the figures of one number of minions in.
    pub fn add(&mut self, size: Size) {
        self.sizes.push(size);
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} syndics, {} rounds of each kind; median (least to most); us and bytes for each minion\n",
            self.syndics, self.rounds
        );
        for size in &self.sizes {
            text.push_str(&size.text());
        }
        text
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
            "syndics": self.syndics,
            "sizes": self.sizes.iter().map(Size::json).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_each_minion() {
        let memory = |syndics| Memory { top: 0, syndics };
        let mut size = Size::new(100, memory(0), memory(100 * 20 * 1024), 0);
        let round = |ms: u64| Round {
            wall: Duration::from_millis(ms),
            used: Usage {
                hubs: Duration::from_millis(ms),
                ..Usage::default()
            },
            bytes: Bytes { up: 300, down: 0 },
        };
        for (name, ms) in [
            ("quinn alone", 10),
            ("test.ping", 14),
            ("run '*' test.ping", 20),
        ] {
            size.add(name, round(ms));
        }
        let is: Vec<f64> = size.budgets().iter().map(|budget| budget.is).collect();
        assert_eq!(is, [1.4, 2.0, 20.0, 3.0]);
        assert!(
            size.text()
                .contains("| test.ping | 14 (14 to 14) | 140.0 (140.0 to 140.0) |")
        );
    }
}
