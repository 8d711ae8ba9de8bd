//! Whether a target of a top file means this minion.

use std::net::IpAddr;

use serde_json::Value;
use targeting::{Facts, Kind, Nodegroups, Target, Verdict};

/// Matches one minion against targets.
pub trait Matcher {
    /// Whether a target means the minion. `kind` is the word after `match:`, as `compound` or `grain`. Fails on a kind that is
    /// unknown and on a target that cannot be read.
    fn matches(&self, kind: &str, target: &str) -> Result<bool, String>;
}

/// A minion that knows its own facts.
#[derive(Clone, Debug, Default)]
pub struct Minion {
    /// Its id.
    pub id: String,
    /// Its grains.
    pub grains: Value,
    /// Its pillar; empty while the pillar itself is made.
    pub pillar: Value,
    /// The nodegroups of the configuration.
    pub nodegroups: Nodegroups,
}

impl Matcher for Minion {
    fn matches(&self, kind: &str, target: &str) -> Result<bool, String> {
        self.matches_at(kind, target, ':')
    }
}

/// What matches each minion, and what none, as words of a compound target.
const EVERY: &str = "*";
const NONE: &str = "( not * )";

impl Minion {
    /// As [`Matcher::matches`], with another delimiter between the parts of a target about grains or pillar.
    pub fn matches_at(&self, kind: &str, target: &str, delimiter: char) -> Result<bool, String> {
        match kind {
            "compound" => self.compound(target),
            "glob" => Ok(targeting::Glob::new(target).matches(&self.id)),
            "pcre" => self.grains(Kind::Pcre, target, delimiter),
            "list" => self.grains(Kind::List, target, delimiter),
            "grain" => self.grains(Kind::Grain, target, delimiter),
            "grain_pcre" => self.grains(Kind::GrainPcre, target, delimiter),
            // Top files name groups that other masters have.
            "nodegroup" if !self.nodegroups.names().any(|name| name == target) => Ok(false),
            "nodegroup" => self.grains(Kind::Nodegroup, target, delimiter),
            "pillar" => self.pillar(Kind::Grain, target, delimiter),
            "pillar_pcre" => self.pillar(Kind::GrainPcre, target, delimiter),
            "pillar_exact" => self.pillar(Kind::Grain, &literally(target), delimiter),
            "ipcidr" => self.has_address(target),
            _ => Err(format!("there is no matcher '{kind}'")),
        }
    }

    /// Answers the words about pillar and addresses, which the crate of targets does not know, and leaves the others to it.
    fn compound(&self, target: &str) -> Result<bool, String> {
        let mut words = Vec::new();
        for word in target.split_whitespace() {
            let answer = match own_engine(word) {
                Some(('I', delimiter, pattern)) => self.pillar(Kind::Grain, pattern, delimiter)?,
                Some(('J', delimiter, pattern)) => {
                    self.pillar(Kind::GrainPcre, pattern, delimiter)?
                }
                Some((_, _, pattern)) => self.has_address(pattern)?,
                None => {
                    words.push(word);
                    continue;
                }
            };
            words.push(if answer { EVERY } else { NONE });
        }
        self.grains(Kind::Compound, &words.join(" "), ':')
    }

    fn grains(&self, kind: Kind, target: &str, delimiter: char) -> Result<bool, String> {
        self.ask(kind, target, delimiter, &self.grains)
    }

    /// A pillar is matched as grains are.
    fn pillar(&self, kind: Kind, target: &str, delimiter: char) -> Result<bool, String> {
        self.ask(kind, target, delimiter, &self.pillar)
    }

    fn ask(
        &self,
        kind: Kind,
        target: &str,
        delimiter: char,
        values: &Value,
    ) -> Result<bool, String> {
        let id = &self.id;
        ask(
            kind,
            target,
            delimiter,
            &self.nodegroups,
            &Known { id, values },
        )
    }

    /// Whether one of the minion's addresses is the target, or lies in that network.
    fn has_address(&self, target: &str) -> Result<bool, String> {
        let invalid = || format!("'{target}' is neither an address nor a network");
        let (address, length) = target
            .split_once('/')
            .map_or((target, None), |(address, length)| (address, Some(length)));
        let network: IpAddr = address.parse().map_err(|_| invalid())?;
        let (bits, width) = bits(network);
        let length = match length {
            None => width,
            Some(length) => length
                .parse()
                .ok()
                .filter(|length| *length <= width)
                .ok_or_else(invalid)?,
        };
        let drop = width - length;
        let prefix = |bits: u128| bits.checked_shr(drop).unwrap_or(0);
        if prefix(bits).checked_shl(drop).unwrap_or(0) != bits {
            return Err(format!(
                "{}: the address has bits beyond its network",
                invalid()
            ));
        }
        let grain = if network.is_ipv4() { "ipv4" } else { "ipv6" };
        let own = self
            .grains
            .get(grain)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let mut own = own.filter_map(|address| address.as_str()?.parse::<IpAddr>().ok());
        Ok(own.any(|address| prefix(self::bits(address).0) == prefix(bits)))
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The engine, delimiter and pattern of a word about pillar or addresses, as `I@a:b`, `I;@a;b` or `S@10.0.0.0/8`.
fn own_engine(word: &str) -> Option<(char, char, &str)> {
    let (engine, pattern) = word.split_once('@')?;
    let mut chars = engine.chars();
    match (chars.next()?, chars.next(), chars.next()) {
        (engine @ ('I' | 'J'), delimiter, None) => {
            Some((engine, delimiter.unwrap_or(':'), pattern))
        }
        ('S', None, None) => Some(('S', ':', pattern)),
        _ => None,
    }
}

/// A glob that means its text.
fn literally(text: &str) -> String {
    let mut glob = String::new();
    for c in text.chars() {
        match c {
            '*' | '?' | '[' => glob.extend(['[', c, ']']),
            c => glob.push(c),
        }
    }
    glob
}

struct Known<'a> {
    id: &'a str,
    values: &'a Value,
}

impl Facts for Known<'_> {
    fn id(&self) -> &str {
        self.id
    }

    fn path(&self) -> &str {
        ""
    }

    fn grains(&self) -> Option<&Value> {
        Some(self.values)
    }
}

fn ask(
    kind: Kind,
    target: &str,
    delimiter: char,
    nodegroups: &Nodegroups,
    known: &Known<'_>,
) -> Result<bool, String> {
    let parsed = Target::parse(kind, target, nodegroups, delimiter)
        .map_err(|errors| errors.render(target))?;
    match parsed.matches(known) {
        Verdict::Yes => Ok(true),
        Verdict::No => Ok(false),
        Verdict::Unknown => Err("its regex takes too many steps".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds() {
        let minion = Minion {
            id: "web1".to_owned(),
            grains: json!({"os": "Debian", "ipv4": ["127.0.0.1", "10.1.2.3"], "ipv6": ["fe80::1"]}),
            pillar: json!({"role": "web", "a": {"b": "x*"}}),
            nodegroups: Nodegroups::from_value(&json!({"group": "web*"})).unwrap(),
        };
        let check = |kind: &str, target: &str, expected: bool| {
            assert_eq!(
                minion.matches(kind, target),
                Ok(expected),
                "{kind} {target}"
            );
        };
        check("glob", "web*", true);
        check("compound", "*", true);
        check("compound", "G@os:Debian and web1", true);
        check("compound", "I@role:web and not S@10.0.0.0/8", false);
        check("compound", "I@role:db or S@10.0.0.0/8", true);
        check("compound", "not I;@a;b;y", true);
        check("compound", "J@role:w.*", true);
        check("pcre", r"web\d", true);
        check("list", "db1,web1", true);
        check("grain", "os:Deb*", true);
        check("grain_pcre", "os:(Debian|Ubuntu)", true);
        check("nodegroup", "group", true);
        check("nodegroup", "none", false);
        check("pillar", "a:b:x*", true);
        check("pillar_pcre", "role:^w", true);
        check("pillar_exact", "a:b:x*", true);
        check("pillar_exact", "role:w*", false);
        check("ipcidr", "10.1.2.3", true);
        check("ipcidr", "10.1.0.0/16", true);
        check("ipcidr", "10.2.0.0/16", false);
        check("ipcidr", "0.0.0.0/0", true);
        check("ipcidr", "fe80::/10", true);
        for (kind, target) in [
            ("range", "x"),
            ("ipcidr", "10.1.2.3/8"),
            ("ipcidr", "x"),
            ("pcre", "("),
        ] {
            assert!(minion.matches(kind, target).is_err(), "{kind} {target}");
        }
    }
}
