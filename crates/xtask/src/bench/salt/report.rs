//! What the sides needed, and what they showed, for people and for machines.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::figures::Spread;
use super::meter::Memory;
use super::plan::{GLOB, Plan};
use super::work::{Outage, Round, Run, Work};

/// What was measured on one side.
#[derive(Debug)]
struct Column {
    name: &'static str,
    works: Vec<(Work, Round)>,
    /// CPU time in each idle second.
    idle: Duration,
    /// Of the top master, the hubs of sites, the minions: all of them together.
    memory: [Memory; 3],
    /// By target; the first met a site that had just died.
    outages: Vec<(&'static str, Outage)>,
}

/// All that was measured.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    rounds: u32,
    salt: String,
    columns: Vec<Column>,
}

impl Report {
    /// Nothing yet; the first of the names is what the others are compared with.
    pub fn new(plan: Plan, rounds: u32, salt: String, names: Vec<&'static str>) -> Report {
        let column = |name| Column {
            name,
            works: Vec::new(),
            idle: Duration::ZERO,
            memory: Default::default(),
            outages: Vec::new(),
        };
        Report {
            plan,
            rounds,
            salt,
            columns: names.into_iter().map(column).collect(),
        }
    }

    /// A round of the side at this place.
    pub fn add(&mut self, work: Work, place: usize, round: Round) {
        self.columns[place].works.push((work, round));
    }

    /// What the side needs when nobody orders anything.
    pub fn add_idle(&mut self, place: usize, cpu: Duration, memory: [Memory; 3]) {
        self.columns[place].idle = cpu;
        self.columns[place].memory = memory;
    }

    /// An order to the side while one of its sites is down.
    pub fn add_outage(&mut self, place: usize, target: &'static str, outage: Outage) {
        self.columns[place].outages.push((target, outage));
    }

    /// The tables, and what the last order of each side showed.
    pub fn text(&self) -> String {
        let Plan { syndics, minions } = self.plan;
        let mut text = format!(
            "{} beside ours: {syndics} syndics x {minions} minions, flat: {} minions; {} rounds; \
             median (least to most), and times as much as ours\n\n",
            self.salt,
            self.plan.total(),
            self.rounds
        );
        self.head(&mut text, "what");
        for work in Work::ALL {
            let wall = |column: &Column| {
                let runs = column.runs(work);
                Some(Spread::of(runs.map(|run| run.wall.as_secs_f64() * 1e3)))
            };
            self.line(&mut text, &format!("{}, wall ms", work.name()), 0, wall);
            let cpu = |column: &Column| {
                let rounds = column.rounds(work);
                Some(Spread::of(rounds.map(|round| {
                    round.cpu.as_secs_f64() * 1e3 / round.runs.len() as f64
                })))
            };
            self.line(&mut text, &format!("{}, CPU ms", work.name()), 0, cpu);
        }
        let idle = |column: &Column| Some(one(column.idle.as_secs_f64() * 1e3));
        self.line(&mut text, "idle, CPU ms each second", 1, idle);
        let parts = [
            ("top master", 1),
            ("syndic and its master", u64::from(syndics)),
            ("minion", self.plan.total()),
        ];
        for (part, (name, count)) in parts.into_iter().enumerate() {
            let mib = |bytes: u64| {
                let of_each = bytes as f64 / count as f64 / f64::from(1 << 20);
                (bytes > 0).then(|| one(of_each))
            };
            // What the processes of a master share counts in each of them in the first, and once in the second.
            self.line(&mut text, &format!("{name}, RSS MiB"), 1, |column| {
                mib(column.memory[part].resident)
            });
            self.line(&mut text, &format!("{name}, PSS MiB"), 1, |column| {
                mib(column.memory[part].proportional)
            });
        }
        self.rates(&mut text);
        self.shown(&mut text);
        self.outages(&mut text);
        text
    }

    fn head(&self, text: &mut String, first: &str) {
        let _ = write!(text, "| {first} |");
        for (place, column) in self.columns.iter().enumerate() {
            let times = if place > 0 { " times |" } else { "" };
            let _ = write!(text, " {} |{times}", column.name);
        }
        let cells = 2 * self.columns.len();
        let _ = writeln!(text, "\n|{}", " --- |".repeat(cells));
    }

    fn line(
        &self,
        text: &mut String,
        name: &str,
        digits: usize,
        figure: impl Fn(&Column) -> Option<Spread>,
    ) {
        let _ = write!(text, "| {name} |");
        let ours = self.columns.first().and_then(&figure);
        for (place, column) in self.columns.iter().enumerate() {
            let spread = figure(column);
            let cell = spread.map_or("-".to_owned(), |spread| spread.text(digits));
            let _ = write!(text, " {cell} |");
            if place > 0 {
                let times = spread.zip(ours).map(|(it, ours)| it.median / ours.median);
                let cell = times.map_or("-".to_owned(), |times| format!("{times:.1}"));
                let _ = write!(text, " {cell} |");
            }
        }
        text.push('\n');
    }

    /// Jobs in each second, when one command follows the other.
    fn rates(&self, text: &mut String) {
        text.push_str("\nJobs a second, one command after the other:");
        for column in &self.columns {
            let _ = write!(text, " {}", column.name);
            for (work, whom) in [(Work::PingOne, "one minion"), (Work::PingGlob, "all")] {
                let walls = column.runs(work).map(|run| run.wall.as_secs_f64());
                let (count, sum) = walls.fold((0.0, 0.0), |(n, sum), wall| (n + 1.0, sum + wall));
                let _ = write!(text, " {:.2} to {whom},", count / sum);
            }
        }
        text.pop();
        text.push_str(".\n");
    }

    /// How many of the expected minions were shown, and what a script was told.
    fn shown(&self, text: &mut String) {
        text.push_str("\n| shown, and exit code |");
        for column in &self.columns {
            let _ = write!(text, " {} |", column.name);
        }
        let _ = writeln!(text, "\n|{}", " --- |".repeat(self.columns.len() + 1));
        for work in Work::ALL {
            let _ = write!(text, "| {} |", work.name());
            for column in &self.columns {
                let shown = each(column.runs(work).map(|run| run.shown.to_string()));
                let exits = each(column.runs(work).map(|run| code(run.exit)));
                let expected = work.expected(&self.plan);
                let _ = write!(text, " {shown} of {expected}, exit {exits} |");
            }
            text.push('\n');
        }
    }

    fn outages(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nThe last site is down: {} of {} minions.\n\n\
             | side | order | seconds | minions shown | absent ones named | exit code |\n\
             | --- | --- | --- | --- | --- | --- |",
            self.plan.minions,
            self.plan.total()
        );
        for column in self.columns.iter().filter(|it| !it.outages.is_empty()) {
            let (first, later) = column.outages.split_at(1);
            outage_line(
                text,
                column.name,
                "first, `'web-*' test.ping`",
                first.iter(),
            );
            for target in ["*", GLOB] {
                let order = format!("later, `'{target}' test.ping`");
                let those = later.iter().filter(|(of, _)| *of == target);
                outage_line(text, column.name, &order, those);
            }
        }
        for column in &self.columns {
            if let Some((target, outage)) = column.outages.last() {
                let _ = writeln!(text, "\n{}, `'{target}' test.ping`:\n", column.name);
                for line in outage.text.lines() {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
    }

    /// Every run.
    pub fn json(&self) -> Value {
        let us = |time: Duration| time.as_micros() as u64;
        let round = |(work, round): &(Work, Round)| {
            let run =
                |run: &Run| json!({"wall_us": us(run.wall), "exit": run.exit, "shown": run.shown});
            json!({
                "work": work.name(),
                "expected": work.expected(&self.plan),
                "cpu_us": us(round.cpu),
                "runs": round.runs.iter().map(run).collect::<Vec<_>>(),
            })
        };
        let memory = |it: &Memory| json!({"resident_bytes": it.resident, "proportional_bytes": it.proportional});
        let outage = |(target, it): &(&str, Outage)| {
            json!({
                "target": target,
                "wall_us": us(it.wall),
                "exit": it.exit,
                "shown": it.shown,
                "absent_named": it.named,
                "text": it.text,
            })
        };
        let column = |column: &Column| {
            let [top, sites, minions] = &column.memory;
            json!({
                "side": column.name,
                "rounds": column.works.iter().map(round).collect::<Vec<_>>(),
                "idle_cpu_us_each_second": us(column.idle),
                "memory": {"top": memory(top), "sites": memory(sites), "minions": memory(minions)},
                "outages": column.outages.iter().map(outage).collect::<Vec<_>>(),
            })
        };
        json!({
            "salt": self.salt,
            "syndics": self.plan.syndics,
            "minions_of_each": self.plan.minions,
            "sides": self.columns.iter().map(column).collect::<Vec<_>>(),
        })
    }
}

impl Column {
    fn rounds(&self, work: Work) -> impl Iterator<Item = &Round> {
        let those = self.works.iter().filter(move |(of, _)| *of == work);
        those.map(|(_, round)| round)
    }

    fn runs(&self, work: Work) -> impl Iterator<Item = &Run> {
        self.rounds(work).flat_map(|round| &round.runs)
    }
}

fn one(value: f64) -> Spread {
    Spread::of(std::iter::once(value))
}

fn code(exit: Option<i32>) -> String {
    exit.map_or("none (ended)".to_owned(), |exit| exit.to_string())
}

/// Each value once, in the order in which they came.
fn each(values: impl Iterator<Item = String>) -> String {
    let mut those: Vec<String> = Vec::new();
    for value in values {
        if !those.contains(&value) {
            those.push(value);
        }
    }
    those.join("/")
}

fn outage_line<'a>(
    text: &mut String,
    side: &str,
    order: &str,
    outages: impl Iterator<Item = &'a (&'static str, Outage)> + Clone,
) {
    let of = |figure: fn(&Outage) -> String| each(outages.clone().map(|(_, it)| figure(it)));
    let wall = Spread::of(outages.clone().map(|(_, it)| it.wall.as_secs_f64()));
    let _ = writeln!(
        text,
        "| {side} | {order} | {} | {} | {} | {} |",
        wall.text(2),
        of(|it| it.shown.to_string()),
        of(|it| it.named.to_string()),
        of(|it| code(it.exit)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_are_all_told() {
        let values = ["5", "6", "5"].map(str::to_owned);
        assert_eq!(each(values.into_iter()), "5/6");
    }
}
