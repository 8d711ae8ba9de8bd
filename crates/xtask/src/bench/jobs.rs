//! Jobs a second: how many a tree takes, how long each takes at a part of that and above it, and what is left when too many came.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use super::books::Books;
use super::figures::{QUANTILES, Spread, micros, quantile, quantiles};
use super::load::{self, Fate, Load, Schedule};
use super::order::Order;
use super::process::quiet;
use super::tree::Tree;
use super::{Common, Programs};

/// The minion of jobs to one, and of pings.
const ONE: &str = "s1m1";
/// Pings before each load, which say what idle is.
const PINGS: u32 = 100;
/// The tree is idle again when so many pings in a row are as fast as the idle ones.
const PINGS_AGAIN: u32 = 3;
/// It is not waited for longer.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);
/// Clients that order jobs and do not wait for them.
const FLOOD_CLIENTS: u32 = 64;
/// Different words about jobs that did not end well, and accounts that are not exact, are shown up to this many.
const SHOWN_MAX: usize = 10;

/// Measure jobs a second.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Simulated minions.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// Syndics that share them.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    syndics: u32,
    /// Clients at once, each with its next job as soon as the one before has ended.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,2,4,8,16,32,64", value_parser = clap::value_parser!(u32).range(1..=512))]
    clients: Vec<u32>,
    /// Jobs offered, in percent of the most that clients who wait came to.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "25,50,75,90,100,125,150,200", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rates: Vec<u32>,
    /// For so long each number of clients is measured, over all rounds, and jobs are offered at each rate.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds of each number of clients.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Jobs that are ordered as fast as they are taken, and not waited for.
    #[arg(long, value_name = "NUMBER", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    detached: u32,
    #[command(flatten)]
    common: Common,
}

/// Whom jobs are for.
#[derive(Debug, Clone, Copy)]
struct Aim {
    name: &'static str,
    target: &'static str,
    minions: u32,
}

impl Aim {
    fn order(self) -> Order<'static> {
        Order::new(self.target, "test.ping", "[]")
    }
}

/// So many clients who wait.
struct Crowd {
    clients: u32,
    per_second: Vec<f64>,
    walls: Vec<Duration>,
}

impl Crowd {
    fn per_second(&self) -> Spread {
        Spread::of(self.per_second.iter().copied())
    }
}

/// Jobs that come without regard to those before.
struct Offer {
    /// Percent of the most; None for jobs that nobody waits for.
    percent: Option<u32>,
    /// Jobs a second.
    offered: Option<f64>,
    load: Load,
    idle: Vec<Duration>,
    /// From the last answer until pings are idle ones again; None: not in time.
    idle_again: Option<Duration>,
    books: Books,
}

impl Offer {
    fn name(&self) -> String {
        self.percent
            .map_or("detached".to_owned(), |percent| percent.to_string())
    }

    /// Jobs a second in which every minion is ok; of jobs that nobody waits for only the books know.
    fn achieved(&self) -> f64 {
        if self.percent.is_some() {
            return self.load.per_second();
        }
        let took = self
            .books
            .took()
            .map_or(f64::NAN, |took| took.as_secs_f64());
        self.books.all_ok as f64 / took
    }
}

/// Everything about one aim.
struct Outcome {
    aim: Aim,
    crowds: Vec<Crowd>,
    offers: Vec<Offer>,
    /// What was said of jobs that did not end well, and how often.
    words: BTreeMap<String, u64>,
}

impl Outcome {
    fn hear(&mut self, load: &Load) {
        for asked in &load.asked {
            let words = match &asked.fate {
                Fate::Whole | Fate::Taken => continue,
                Fate::Refused(words) => format!("refused: {words}"),
                Fate::Broken(words) => format!("accepted, but: {words}"),
            };
            *self.words.entry(words).or_default() += 1;
        }
    }

    /// The most jobs a second that clients who wait come to.
    fn most(&self) -> anyhow::Result<f64> {
        let medians = self.crowds.iter().map(|crowd| crowd.per_second().median);
        let most = Spread::of(medians).most;
        ensure!(most > 0.0, "no job ended well: {:?}", self.words);
        Ok(most)
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("jobs", |programs, work| {
        let outcomes = measure(programs, work, arguments)?;
        Ok((text(arguments, &outcomes), figures(arguments, &outcomes)))
    })
}

fn measure(
    programs: &Programs,
    work: &Path,
    arguments: &Arguments,
) -> anyhow::Result<Vec<Outcome>> {
    let mut tree = Tree::plant(programs, work, arguments.syndics)?;
    let syndics = 1..arguments.syndics as usize + 1;
    tree.populate(programs, arguments.minions, syndics, None)?;
    let aims = [
        Aim {
            name: "one",
            target: ONE,
            minions: 1,
        },
        Aim {
            name: "all",
            target: "*",
            minions: arguments.minions,
        },
    ];
    aims.into_iter()
        .map(|aim| take_aim(&tree, aim, arguments))
        .collect()
}

fn take_aim(tree: &Tree, aim: Aim, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (socket, order) = (tree.top_socket(), aim.order());
    let mut outcome = Outcome {
        aim,
        crowds: Vec::new(),
        offers: Vec::new(),
        words: BTreeMap::new(),
    };
    crowds(tree, arguments, &mut outcome)?;
    let (most, length) = (outcome.most()?, Duration::from_secs(arguments.seconds));
    for percent in arguments.rates.iter().copied().map(Some).chain([None]) {
        quiet(&tree.processes())?;
        let idle: Vec<Duration> = (0..PINGS)
            .map(|_| ping(&socket))
            .collect::<anyhow::Result<_>>()?;
        let offered = percent.map(|percent| most * f64::from(percent) / 100.0);
        let load = match offered {
            Some(offered) => {
                let schedule = Schedule::new(offered, length);
                load::open(order, &socket, aim.minions, schedule)
            }
            None => load::flood(
                order,
                &socket,
                aim.minions,
                FLOOD_CLIENTS,
                arguments.detached,
            ),
        };
        let idle_again = idle_again(&socket, load.ended, &idle);
        let books = Books::read(&socket, &load.accepted(), aim.minions);
        outcome.hear(&load);
        outcome.offers.push(Offer {
            percent,
            offered,
            load,
            idle,
            idle_again,
            books,
        });
        eprint!(".");
    }
    eprintln!(" jobs to {}", aim.name);
    Ok(outcome)
}

/// Clients who wait: each number of them in each round, every second round the other way round.
fn crowds(tree: &Tree, arguments: &Arguments, outcome: &mut Outcome) -> anyhow::Result<()> {
    let (socket, aim) = (tree.top_socket(), outcome.aim);
    let length = Duration::from_secs(arguments.seconds) / arguments.rounds;
    // Caches and lines are warm then.
    load::closed(aim.order(), &socket, aim.minions, 1, length);
    let mut clients = arguments.clients.clone();
    clients.sort_unstable();
    outcome.crowds.extend(clients.iter().map(|clients| Crowd {
        clients: *clients,
        per_second: Vec::new(),
        walls: Vec::new(),
    }));
    for number in 0..arguments.rounds {
        for nth in 0..clients.len() {
            let nth = match number % 2 {
                0 => nth,
                _ => clients.len() - 1 - nth,
            };
            quiet(&tree.processes())?;
            let load = load::closed(aim.order(), &socket, aim.minions, clients[nth], length);
            outcome.hear(&load);
            outcome.crowds[nth].per_second.push(load.per_second());
            outcome.crowds[nth].walls.extend(load.walls());
        }
        eprint!(".");
    }
    Ok(())
}

fn ping(socket: &Path) -> anyhow::Result<Duration> {
    let (wall, ok, _) = Order::new(ONE, "test.ping", "[]").run(socket)?;
    ensure!(ok == 1, "{ONE} does not answer");
    Ok(wall)
}

/// Pings until they are idle ones again; from `ended` to the first of those.
fn idle_again(socket: &Path, ended: Instant, idle: &[Duration]) -> Option<Duration> {
    let mut rest = Rest::new(quantile(idle, 0.99));
    while ended.elapsed() < AGAIN_WITHIN {
        let begin = ended.elapsed();
        let again = rest.see(begin, ping(socket).ok());
        if again.is_some() {
            return again;
        }
    }
    None
}

/// Looks for pings in a row that are as fast as idle ones.
struct Rest {
    may_be_ms: f64,
    row: u32,
    since: Duration,
}

impl Rest {
    fn new(may_be_ms: f64) -> Rest {
        Rest {
            may_be_ms,
            row: 0,
            since: Duration::ZERO,
        }
    }

    /// A ping that began then, and how long it took if it came back; when the row began, once it is long enough.
    fn see(&mut self, begin: Duration, wall: Option<Duration>) -> Option<Duration> {
        let is_idle = wall.is_some_and(|wall| wall.as_secs_f64() * 1e3 <= self.may_be_ms);
        if !is_idle {
            self.row = 0;
            return None;
        }
        if self.row == 0 {
            self.since = begin;
        }
        self.row += 1;
        (self.row >= PINGS_AGAIN).then_some(self.since)
    }
}

fn text(arguments: &Arguments, outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{} minions under {} syndics; {} s for each number of clients, in {} rounds, and for each rate\n\n\
         Clients who wait for each job; jobs a second: median (least to most)\n\n\
         | jobs to | clients | jobs/s | {QUANTILES} |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.minions, arguments.syndics, arguments.seconds, arguments.rounds
    );
    for Outcome { aim, crowds, .. } in outcomes {
        for crowd in crowds {
            let (rate, cells) = (crowd.per_second().text(0), quantiles(&crowd.walls));
            let _ = writeln!(
                text,
                "| {} | {} | {rate} | {cells} |",
                aim.name, crowd.clients
            );
        }
    }
    let _ = write!(
        text,
        "\nJobs at a rate, timed from when each should have been sent; detached: {} jobs that {FLOOD_CLIENTS} clients order and \
         do not wait for\n\n\
         | jobs to | % of the most | offered/s | achieved/s | {QUANTILES} | accepted | refused | not all ok | not exact | idle p99 ms | idle again after ms |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.detached
    );
    for Outcome { aim, offers, .. } in outcomes {
        for offer in offers {
            let _ = writeln!(text, "| {} | {} |", aim.name, row(offer));
        }
    }
    text.push_str(&troubles(outcomes));
    text
}

/// What was said of jobs that did not end well.
fn troubles(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for Outcome {
        aim, words, offers, ..
    } in outcomes
    {
        for (words, count) in words.iter().take(SHOWN_MAX) {
            let _ = writeln!(text, "- to {}, {count} times {words}", aim.name);
        }
        if words.len() > SHOWN_MAX {
            let more = words.len() - SHOWN_MAX;
            let _ = writeln!(text, "- to {}, {more} more different ones", aim.name);
        }
        for offer in offers.iter().filter(|offer| offer.books.not_all_ok > 0) {
            let kinds = offer.books.outcomes.iter();
            let kinds: Vec<String> = kinds
                .map(|(kind, count)| format!("{count} {}", kind.as_str()))
                .collect();
            let (offer, kinds) = (offer.name(), kinds.join(", "));
            let _ = writeln!(text, "- to {}, {offer}: outcomes {kinds}", aim.name);
        }
        let flaws = offers.iter().flat_map(|offer| &offer.books.flaws);
        for (jid, flaw) in flaws.take(SHOWN_MAX) {
            let _ = writeln!(text, "- to {}, the account of {jid}: {flaw}", aim.name);
        }
    }
    match text.is_empty() {
        true => "\nEvery job ended well, with an exact account.\n".to_owned(),
        false => format!("\nOf jobs that did not end well:\n\n{text}"),
    }
}

fn row(offer: &Offer) -> String {
    let accepted = offer.load.accepted().len();
    let whole = |offered: f64| format!("{offered:.0}");
    let offered = offer.offered.map_or("-".to_owned(), whole);
    let never = || format!("not in {} s", AGAIN_WITHIN.as_secs());
    let in_ms = |again: Duration| again.as_millis().to_string();
    format!(
        "{} | {offered} | {:.0} | {} | {accepted} | {} | {} | {} | {:.1} | {}",
        offer.name(),
        offer.achieved(),
        quantiles(&offer.load.walls()),
        offer.load.asked.len() - accepted,
        offer.books.not_all_ok,
        offer.books.flaws.len(),
        quantile(&offer.idle, 0.99),
        offer.idle_again.map_or_else(never, in_ms),
    )
}

fn figures(arguments: &Arguments, outcomes: &[Outcome]) -> Value {
    let crowd = |crowd: &Crowd| {
        json!({
            "clients": crowd.clients,
            "jobs_per_second": crowd.per_second,
            "jobs_per_second_median": crowd.per_second().median,
            "wall_us": micros(&crowd.walls),
        })
    };
    let offer = |offer: &Offer| {
        json!({
            "percent": offer.percent,
            "offered_per_second": offer.offered,
            "achieved_per_second": offer.achieved(),
            "asked": offer.load.asked.len(),
            "accepted": offer.load.accepted().len(),
            "not_all_ok": offer.books.not_all_ok,
            "not_exact": offer.books.flaws.len(),
            "books_ms": offer.books.took().map(|took| took.as_millis() as u64),
            "wall_us": micros(&offer.load.walls()),
            "idle_us": micros(&offer.idle),
            "idle_again_us": offer.idle_again.map(|again| again.as_micros() as u64),
        })
    };
    let outcome = |outcome: &Outcome| {
        json!({
            "jobs_to": outcome.aim.name,
            "minions": outcome.aim.minions,
            "clients": outcome.crowds.iter().map(crowd).collect::<Vec<_>>(),
            "offers": outcome.offers.iter().map(offer).collect::<Vec<_>>(),
            "words": outcome.words,
        })
    };
    json!({
        "minions": arguments.minions,
        "syndics": arguments.syndics,
        "seconds": arguments.seconds,
        "aims": outcomes.iter().map(outcome).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_a_row_of_idle_pings() {
        let ms = Duration::from_millis;
        let mut rest = Rest::new(5.0);
        for (begin, wall) in [
            (0, Some(9)),
            (9, Some(5)),
            (14, Some(4)),
            (18, None),
            (20, Some(6)),
        ] {
            assert_eq!(rest.see(ms(begin), wall.map(ms)), None);
        }
        assert_eq!(rest.see(ms(26), Some(ms(5))), None);
        assert_eq!(rest.see(ms(31), Some(ms(1))), None);
        assert_eq!(rest.see(ms(32), Some(ms(2))), Some(ms(26)));
    }

    #[test]
    fn the_most_is_the_best_median() {
        let crowd = |clients, per_second: &[f64]| Crowd {
            clients,
            per_second: per_second.to_vec(),
            walls: Vec::new(),
        };
        let mut outcome = Outcome {
            aim: Aim {
                name: "one",
                target: ONE,
                minions: 1,
            },
            crowds: vec![crowd(1, &[10.0, 11.0, 90.0]), crowd(2, &[20.0, 5.0, 30.0])],
            offers: Vec::new(),
            words: BTreeMap::new(),
        };
        assert_eq!(outcome.most().ok(), Some(20.0));
        outcome.crowds.clear();
        assert!(outcome.most().is_err());
    }
}
