//! Whether a target of a top file means this minion.

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

impl Minion {
    /// As [`Matcher::matches`], with another delimiter between the parts of a target about grains or pillar.
    pub fn matches_at(&self, kind: &str, target: &str, delimiter: char) -> Result<bool, String> {
        match kind {
            "compound" => self.ask(Kind::Compound, target, delimiter),
            "glob" => Ok(targeting::Glob::new(target).matches(&self.id)),
            "pcre" => self.ask(Kind::Pcre, target, delimiter),
            "list" => self.ask(Kind::List, target, delimiter),
            "grain" => self.ask(Kind::Grain, target, delimiter),
            "grain_pcre" => self.ask(Kind::GrainPcre, target, delimiter),
            // Top files name groups that other masters have.
            "nodegroup" if !self.nodegroups.names().any(|name| name == target) => Ok(false),
            "nodegroup" => self.ask(Kind::Nodegroup, target, delimiter),
            "pillar" => self.ask(Kind::Pillar, target, delimiter),
            "pillar_pcre" => self.ask(Kind::PillarPcre, target, delimiter),
            "pillar_exact" => self.ask(Kind::Pillar, &literally(target), delimiter),
            "ipcidr" => self.ask(Kind::Ipcidr, target, delimiter),
            _ => Err(format!("there is no matcher '{kind}'")),
        }
    }

    fn ask(&self, kind: Kind, target: &str, delimiter: char) -> Result<bool, String> {
        let parsed = Target::parse(kind, target, &self.nodegroups, delimiter)
            .map_err(|errors| errors.render(target))?;
        match parsed.matches(self) {
            Verdict::Yes => Ok(true),
            Verdict::No => Ok(false),
            Verdict::Unknown => Err("its regex takes too many steps".to_owned()),
        }
    }
}

impl Facts for Minion {
    fn id(&self) -> &str {
        &self.id
    }

    fn path(&self) -> &str {
        ""
    }

    fn grains(&self) -> Option<&Value> {
        Some(&self.grains)
    }

    fn pillar(&self) -> Option<&Value> {
        Some(&self.pillar)
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
