//! Figures of rounds: medians and spreads for people, every round for machines.

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
    name: String,
    /// The floor that it stands on; none of a floor itself.
    beside: Option<String>,
    rounds: Vec<Round>,
}

/// What a figure may be at most.
struct Budget {
    what: &'static str,
    is: f64,
    may_be: f64,
}

/// All that was measured with one tree.
#[derive(Debug)]
pub struct Size {
    minions: u32,
    syndics: u32,
    empty: Memory,
    full: Memory,
    /// What the servers of each floor needed for their peers.
    floors: Vec<(&'static str, u64)>,
    runs: Vec<Run>,
}

impl Size {
    /// With what hubs needed before the minions came and after.
    pub fn new(minions: u32, syndics: u32, empty: Memory, full: Memory) -> Size {
        Size {
            minions,
            syndics,
            empty,
            full,
            floors: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes in what the servers of a floor needed for their peers, in bytes.
    pub fn add_floor(&mut self, name: &'static str, memory: u64) {
        self.floors.push((name, memory));
    }

    /// Takes a round in, and the name of the floor that it stands on.
    pub fn add(&mut self, name: &str, beside: Option<String>, round: Round) {
        match self.runs.iter_mut().find(|run| run.name == name) {
            Some(run) => run.rounds.push(round),
            None => self.runs.push(Run {
                name: name.to_owned(),
                beside,
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

    fn hub_us(&self, round: &Round) -> f64 {
        self.us(round.used.hubs + round.used.top)
    }

    /// A run's figure by that of its floor; None without one.
    fn ratio(&self, run: &Run, figure: impl Fn(&Round) -> f64) -> Option<f64> {
        let floor = run.beside.as_deref()?;
        let of = |name| self.spread(name, &figure).median;
        Some(of(&run.name) / of(floor)).filter(|ratio| ratio.is_finite())
    }

    fn budgets(&self) -> Vec<Budget> {
        let wall = |round: &Round| round.wall.as_secs_f64();
        let ratio = |name, figure: &dyn Fn(&Round) -> f64| {
            let run = self.runs.iter().find(|run| run.name == name)?;
            self.ratio(run, figure)
        };
        let grown = self.full.syndics.saturating_sub(self.empty.syndics);
        let up = self.spread("test.ping", |round| self.per_minion(round.bytes.up));
        let budgets = [
            (
                "hub CPU for a command and its return, by that of quinn alone",
                ratio("test.ping", &|round| self.hub_us(round)),
                1.5,
            ),
            (
                "time of `run '*' test.ping`, by that of quinn alone",
                ratio("run '*' test.ping", &wall),
                1.5,
            ),
            (
                "KiB of a syndic for each connected minion",
                Some(self.per_minion(grown) / 1024.0),
                40.0,
            ),
            (
                "bytes upwards for a return of equal small values",
                Some(up.median),
                4.0,
            ),
        ];
        budgets
            .into_iter()
            .filter_map(|(what, is, may_be)| is.map(|is| Budget { what, is, may_be }))
            .collect()
    }

    fn text(&self) -> String {
        let mut text = format!(
            "\n{} minions under {} syndics\n\n",
            self.minions, self.syndics
        );
        text.push_str(
            "| round | wall ms | by quinn | hub us | by quinn | of it top us | minion us | up B | down B |\n",
        );
        text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for run in &self.runs {
            let of = |figure: &dyn Fn(&Round) -> f64| self.spread(&run.name, figure);
            let product = |text: String| match run.beside {
                Some(_) => text,
                None => "-".to_owned(),
            };
            let ratio = |figure: &dyn Fn(&Round) -> f64| {
                let ratio = self.ratio(run, figure);
                ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))
            };
            let wall = |round: &Round| round.wall.as_secs_f64();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                run.name,
                of(&|r| wall(r) * 1e3).text(0),
                ratio(&wall),
                of(&|r| self.hub_us(r)).text(1),
                ratio(&|r| self.hub_us(r)),
                product(format!("{:.1}", of(&|r| self.us(r.used.top)).median)),
                of(&|r| self.us(r.used.minions)).text(1),
                product(format!(
                    "{:.2}",
                    of(&|r| self.per_minion(r.bytes.up)).median
                )),
                product(format!(
                    "{:.2}",
                    of(&|r| self.per_minion(r.bytes.down)).median
                )),
            );
        }
        let grown = |full: u64, empty: u64| self.per_minion(full.saturating_sub(empty)) / 1024.0;
        let _ = write!(
            text,
            "\nMemory for each minion, KiB: syndics {:.1}, top-master {:.1}",
            grown(self.full.syndics, self.empty.syndics),
            grown(self.full.top, self.empty.top),
        );
        for (name, memory) in &self.floors {
            let _ = write!(text, ", {name} {:.1}", grown(*memory, 0));
        }
        text.push_str(".\n\n| budget | may be | is | |\n| --- | --- | --- | --- |\n");
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
                    "beside": run.beside,
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
        let floors: serde_json::Map<String, Value> = self
            .floors
            .iter()
            .map(|(name, memory)| ((*name).to_owned(), json!(memory)))
            .collect();
        json!({
            "minions": self.minions,
            "syndics": self.syndics,
            "memory_empty_bytes": memory(&self.empty),
            "memory_full_bytes": memory(&self.full),
            "memory_floors_bytes": floors,
            "runs": runs,
            "budgets": budgets,
        })
    }
}

/// The whole outcome.
#[derive(Debug)]
pub struct Table {
    rounds: u32,
    sizes: Vec<Size>,
}

impl Table {
    /// With no figures yet.
    pub fn new(rounds: u32) -> Table {
        Table {
            rounds,
            sizes: Vec::new(),
        }
    }

    /// Takes the figures of one tree in.
    pub fn add(&mut self, size: Size) {
        self.sizes.push(size);
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} rounds of each kind; median (least to most); us and bytes for each minion\n",
            self.rounds
        );
        for size in &self.sizes {
            text.push_str(&size.text());
        }
        text
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
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
        let mut size = Size::new(100, 1, memory(0), memory(100 * 20 * 1024));
        let round = |ms: u64| Round {
            wall: Duration::from_millis(ms),
            used: Usage {
                hubs: Duration::from_millis(ms),
                ..Usage::default()
            },
            bytes: Bytes { up: 300, down: 0 },
        };
        for (name, beside, ms) in [
            ("quinn alone", None, 10),
            ("test.ping", Some("quinn alone".to_owned()), 14),
            ("run '*' test.ping", Some("quinn alone".to_owned()), 20),
        ] {
            size.add(name, beside, round(ms));
        }
        let is: Vec<f64> = size.budgets().iter().map(|budget| budget.is).collect();
        assert_eq!(is, [1.4, 2.0, 20.0, 3.0]);
        assert!(
            size.text()
                .contains("| test.ping | 14 (14 to 14) | 1.40 | 140.0 (140.0 to 140.0) | 1.40 |")
        );
    }
}
