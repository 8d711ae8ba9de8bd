//! Reads the rules from their settings.

use serde_json::{Map, Value};
use targeting::{Glob, Kind, Nodegroups, Target};

use crate::call::{Arguments, Functions};
use crate::pattern::{Pattern, Who};
use crate::policy::{Policy, Rule};
use crate::window::Window;

/// The keys of a rule in `policy`.
const RULE_KEYS: [&str; 9] = [
    "who", "may", "deny", "target", "sites", "within", "outside", "at_most", "from",
];

impl Policy {
    /// Reads the settings `publisher_acl`, `publisher_acl_blacklist` and `policy`; null for one that is not set.
    ///
    /// # Errors
    /// Everything that is wrong, each with the rule in which it stands.
    pub fn read(
        publisher_acl: &Value,
        blacklist: &Value,
        policy: &Value,
        nodegroups: &Nodegroups,
    ) -> Result<Policy, Vec<String>> {
        let mut reader = Reader {
            nodegroups,
            policy: Policy::default(),
            faults: Vec::new(),
        };
        reader.publisher_acl(publisher_acl);
        reader.blacklist(blacklist);
        reader.rules(policy);
        match reader.faults.is_empty() {
            true => Ok(reader.policy),
            false => Err(reader.faults),
        }
    }
}

struct Reader<'n> {
    nodegroups: &'n Nodegroups,
    policy: Policy,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, place: &str, text: impl std::fmt::Display) {
        self.faults.push(format!("{place}: {text}"));
    }

    /// Salt's form: `{alice: [test.*, {'web*': [state.apply]}], '%ops': [.*]}`.
    fn publisher_acl(&mut self, value: &Value) {
        let users = match value {
            Value::Null => return,
            Value::Object(users) => users,
            _ => return self.fault("publisher_acl", "it has to be a map of users"),
        };
        for (user, rights) in users {
            let name = format!("publisher_acl of {user}");
            let mut everywhere = Vec::new();
            for right in list(rights) {
                match right {
                    Value::String(_) => everywhere.extend(self.functions(&name, right)),
                    Value::Object(targets) => {
                        for (target, functions) in targets {
                            let functions = self.functions(&name, functions);
                            let on = self.target(&name, Kind::Compound, target);
                            self.permit(&name, user, functions, on);
                        }
                    }
                    other => self.fault(&name, format!("{other} is no function and no target")),
                }
            }
            if !everywhere.is_empty() {
                self.permit(&name, user, everywhere, None);
            }
        }
    }

    fn permit(&mut self, name: &str, user: &str, functions: Vec<Functions>, on: Option<Target>) {
        self.policy.rules.push(Rule {
            name: name.to_owned(),
            who: vec![Who::new(user)],
            functions,
            on,
            within: Vec::new(),
            outside: Vec::new(),
            at_most: None,
            denies: false,
            from: Vec::new(),
        });
    }

    fn blacklist(&mut self, value: &Value) {
        let name = "publisher_acl_blacklist";
        let map = match value {
            Value::Null => return,
            Value::Object(map) => map,
            _ => return self.fault(name, "it has to be a map with `users` and `modules`"),
        };
        for (key, value) in map {
            let texts = self.texts(name, value);
            match key.as_str() {
                "users" => self.policy.shut_out = texts.iter().map(|text| Who::new(text)).collect(),
                "modules" => self.policy.barred = self.patterns(name, &texts),
                other => self.fault(
                    name,
                    format!("it has `users` and `modules`, and no `{other}`"),
                ),
            }
        }
    }

    fn rules(&mut self, value: &Value) {
        let rules = match value {
            Value::Null => return,
            Value::Array(rules) => rules,
            _ => return self.fault("policy", "it has to be a list of rules"),
        };
        for (nth, rule) in rules.iter().enumerate() {
            let name = format!("rule {} of policy", nth + 1);
            match rule {
                Value::Object(rule) => self.rule(name, rule),
                other => self.fault(&name, format!("{other} is no rule: a rule is a map")),
            }
        }
    }

    fn rule(&mut self, name: String, rule: &Map<String, Value>) {
        if let Some(key) = rule.keys().find(|key| !RULE_KEYS.contains(&key.as_str())) {
            return self.fault(
                &name,
                format!("`{key}` is none of {}", RULE_KEYS.join(", ")),
            );
        }
        let (functions, denies) = match (rule.get("may"), rule.get("deny")) {
            (Some(may), None) => (may, false),
            (None, Some(deny)) => (deny, true),
            _ => return self.fault(&name, "it needs `may` or `deny`, and not both"),
        };
        let functions = self.functions(&name, functions);
        if denies && functions.iter().any(|f| !f.arguments.is_empty()) {
            let text = "`deny` forbids functions whatever their arguments, since one argument can be given in more than one way: permit those that are good";
            return self.fault(&name, text);
        }
        let who = self.texts(&name, rule.get("who").unwrap_or(&Value::Null));
        if who.is_empty() || functions.is_empty() {
            return self.fault(&name, "it needs `who`, and functions in `may` or `deny`");
        }
        let on = match rule.get("target") {
            None => None,
            Some(Value::String(on)) => self.target(&name, Kind::Compound, on),
            Some(other) => return self.fault(&name, format!("`target` is a text, not {other}")),
        };
        let sites = rule.get("sites").map(|sites| self.texts(&name, sites));
        let on = match sites {
            None => on,
            Some(sites) => {
                let sites = sites
                    .iter()
                    .map(|site| format!("{site}/*"))
                    .collect::<Vec<_>>();
                let sites = self.target(&name, Kind::Compound, &sites.join(" or "));
                match (on, sites) {
                    (Some(on), Some(sites)) => Some(on.within(&sites)),
                    (on, sites) => on.or(sites),
                }
            }
        };
        let within = self.windows(&name, rule.get("within"));
        let outside = self.windows(&name, rule.get("outside"));
        let from = match rule.get("from") {
            None => Vec::new(),
            Some(hubs) => match self.texts(&name, hubs) {
                hubs if hubs.is_empty() => {
                    return self.fault(&name, "`from` needs the ids of hubs above");
                }
                hubs => hubs,
            },
        };
        let at_most = match rule.get("at_most") {
            None => None,
            Some(most) => match most.as_u64() {
                Some(most) if most > 0 && !denies => Some(most),
                _ => {
                    let text = "`at_most` is a number above 0, of a rule with `may`";
                    return self.fault(&name, text);
                }
            },
        };
        self.policy.rules.push(Rule {
            name,
            who: who.iter().map(|who| Who::new(who)).collect(),
            functions,
            on,
            within,
            outside,
            at_most,
            denies,
            from: from.iter().map(|hub| Glob::new(hub)).collect(),
        });
    }

    /// Names of functions, and maps of such with what their arguments have to be.
    fn functions(&mut self, name: &str, value: &Value) -> Vec<Functions> {
        let mut functions = Vec::new();
        for value in list(value) {
            match value {
                Value::String(text) if !text.is_empty() => {
                    let text = [text.clone()];
                    functions.extend(self.patterns(name, &text).into_iter().map(Functions::named));
                }
                Value::Object(with) => {
                    for (text, asked) in with {
                        let asked: Vec<Arguments> = list(asked)
                            .into_iter()
                            .filter_map(|asked| self.arguments(name, text, asked))
                            .collect();
                        let text = [text.clone()];
                        let names = self.patterns(name, &text).into_iter();
                        functions.extend(names.map(|name| Functions {
                            name,
                            arguments: asked.clone(),
                        }));
                    }
                }
                Value::Null => {}
                other => self.fault(name, format!("{other} is no function")),
            }
        }
        functions
    }

    /// `{args: ['nginx.*'], kwargs: {refresh: 'True'}}`; null stands for any value.
    fn arguments(&mut self, name: &str, fun: &str, value: &Value) -> Option<Arguments> {
        let Value::Object(map) = value else {
            let text = format!(
                "{value} says nothing of the arguments of {fun}: it has to be a map with `args` and `kwargs`"
            );
            self.fault(name, text);
            return None;
        };
        let mut asked = Arguments::default();
        for (key, value) in map {
            match (key.as_str(), value) {
                ("args", Value::Array(args)) => {
                    for value in args {
                        asked.args.push(self.argument(name, fun, value)?);
                    }
                }
                ("kwargs", Value::Object(kwargs)) => {
                    for (key, value) in kwargs {
                        let pattern = self.argument(name, fun, value)?;
                        asked.kwargs.push((key.clone(), pattern));
                    }
                }
                _ => {
                    let text = format!(
                        "of the arguments of {fun} it says `args`, a list, and `kwargs`, a map, and no `{key}: {value}`"
                    );
                    self.fault(name, text);
                    return None;
                }
            }
        }
        Some(asked)
    }

    /// A pattern over one argument; the outer None for a fault.
    fn argument(&mut self, name: &str, fun: &str, value: &Value) -> Option<Option<Pattern>> {
        match value {
            Value::Null => Some(None),
            Value::String(text) => self
                .patterns(name, std::slice::from_ref(text))
                .pop()
                .map(Some),
            other => {
                let text = format!("{other} is no regular expression over an argument of {fun}");
                self.fault(name, text);
                None
            }
        }
    }

    fn windows(&mut self, name: &str, value: Option<&Value>) -> Vec<Window> {
        let mut windows = Vec::new();
        for value in value.map(list).unwrap_or_default() {
            match Window::read(value) {
                Ok(window) => windows.push(window),
                Err(text) => self.fault(name, text),
            }
        }
        windows
    }

    fn texts(&mut self, name: &str, value: &Value) -> Vec<String> {
        let mut texts = Vec::new();
        for value in list(value) {
            match value {
                Value::String(text) if !text.is_empty() => texts.push(text.clone()),
                Value::Null => {}
                other => self.fault(name, format!("{other} has to be text")),
            }
        }
        texts
    }

    fn patterns(&mut self, name: &str, texts: &[String]) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for text in texts {
            match Pattern::new(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(fault) => self.fault(name, fault),
            }
        }
        patterns
    }

    fn target(&mut self, name: &str, kind: Kind, text: &str) -> Option<Target> {
        match Target::parse(kind, text, self.nodegroups, ':') {
            Ok(target) if target.needs_pillar() => {
                let text = "the target of a rule can't be decided by the pillar: rules are held against what the roster has";
                self.fault(name, text);
                None
            }
            Ok(target) => Some(target),
            Err(errors) => {
                self.fault(
                    name,
                    format!("the target does not parse:\n{}", errors.render(text)),
                );
                None
            }
        }
    }
}

/// A list, or the one value that stands for a list of one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}
