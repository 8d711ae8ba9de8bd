//! Filters that choose from what they are given in all ways: those of Python's `itertools`.

use super::super::arguments::{Args, integer};
use super::super::fault::{Fault, Result};
use super::super::operators::check_items;
use super::super::value::Value;
use super::super::{arguments, fuel};

pub(super) const NAMES: &[&str] = &[
    "combinations",
    "combinations_with_replacement",
    "compress",
    "permutations",
    "product",
];

/// Looks at whether an item is taken that are one step.
const LOOKS_PER_STEP: usize = 16;

pub(super) fn apply(name: &str, value: &Value, mut args: Args) -> Result<Value> {
    let items = value.iterate()?;
    let places = match name {
        "compress" => {
            let selectors = second(args, name, "selectors")?.iterate()?;
            let mut kept = Vec::new();
            for (item, selector) in items.into_iter().zip(selectors) {
                if selector.truth()? {
                    kept.push(item);
                }
            }
            return Ok(Value::generator(kept));
        }
        "product" => {
            let repeat = args.named.iter().position(|(name, _)| &**name == "repeat");
            let repeat = repeat.map_or(Ok(1), |at| integer(&args.named.remove(at).1, name))?;
            let mut pools = vec![items];
            for more in std::mem::take(&mut args.positional) {
                pools.push(more.iterate()?);
            }
            args.none(name)?;
            let repeat = usize::try_from(repeat).unwrap_or(0);
            check_items(pools.len().saturating_mul(repeat))?;
            let pools = std::iter::repeat_n(&pools, repeat).flatten();
            return product(pools).map(Value::generator);
        }
        "permutations" => {
            let [places] = args.bind(name, ["r"])?;
            arguments::optional_integer(places, name)?.unwrap_or(items.len() as i128)
        }
        _ => integer(&second(args, name, "r")?, name)?,
    };
    if places < 0 {
        return Err(Fault::value("r must be non-negative"));
    }
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    let mut chosen = Chosen {
        items: &items,
        places,
        way: match name {
            "permutations" => Way::AnyOrder,
            "combinations" => Way::Once,
            _ => Way::Often,
        },
        at: Vec::new(),
        found: Vec::new(),
    };
    if places <= items.len() || matches!(chosen.way, Way::Often) {
        check_items(places)?;
        chosen.fill()?;
    }
    Ok(Value::generator(chosen.found))
}

/// The one argument beside the value.
fn second(args: Args, function: &str, name: &str) -> Result<Value> {
    let [value] = args.bind(function, [name])?;
    let missing = || format!("{function}() missing required argument '{name}' (pos 2)");
    value.ok_or_else(|| Fault::value(missing()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Once,
    Often,
    AnyOrder,
}

struct Chosen<'a> {
    items: &'a [Value],
    places: usize,
    way: Way,
    /// The items of the places that are taken.
    at: Vec<usize>,
    found: Vec<Value>,
}

impl Chosen<'_> {
    /// Takes the items for each place one after the other, in the order of the items. Without recursion: the number of places is
    /// the template's.
    fn fill(&mut self) -> Result<()> {
        let mut next = 0;
        loop {
            fuel::spend(1)?;
            if self.at.len() == self.places {
                fuel::spend(self.places)?;
                check_items(self.found.len())?;
                let items = self.at.iter().map(|at| self.items[*at].clone());
                self.found.push(Value::tuple(items.collect()));
                next = self.items.len();
            }
            if self.way == Way::AnyOrder {
                let looks = self.items.len().saturating_sub(next) * self.at.len();
                fuel::spend(looks / LOOKS_PER_STEP)?;
            }
            let is_free = |at: &usize| self.way != Way::AnyOrder || !self.at.contains(at);
            match (next..self.items.len()).find(is_free) {
                Some(at) => {
                    self.at.push(at);
                    next = match self.way {
                        Way::Once => at + 1,
                        Way::Often => at,
                        Way::AnyOrder => 0,
                    };
                }
                None => match self.at.pop() {
                    Some(at) => next = at + 1,
                    None => return Ok(()),
                },
            }
        }
    }
}

/// One item of each pool, in all ways.
fn product<'a>(pools: impl Iterator<Item = &'a Vec<Value>>) -> Result<Vec<Value>> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for pool in pools {
        check_items(rows.len().saturating_mul(pool.len()))?;
        let mut longer = Vec::new();
        for row in &rows {
            fuel::spend((row.len() + 1).saturating_mul(pool.len()))?;
            for item in pool {
                let mut row = row.clone();
                row.push(item.clone());
                longer.push(row);
            }
        }
        rows = longer;
    }
    Ok(rows.into_iter().map(Value::tuple).collect())
}
