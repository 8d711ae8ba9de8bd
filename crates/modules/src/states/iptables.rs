//! `iptables`: rules, chains and policies of the kernel's packet filter.

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::process::which;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "iptables.append",
        "name, table='filter', family='ipv4', **kwargs",
        "Keep a rule in a chain, new ones at its end. chain; save: True or a file to save the rules in; all else is what the rule is built of (jump, match, proto, dport, connstate, source, any long option; `!` or `not` negates).",
        |args, env| loaded(args, env, "append", append),
    ),
    StateFunction::new(
        "iptables.chain_absent",
        "name, table='filter', family='ipv4'",
        "Keep a chain removed.",
        |args, env| loaded(args, env, "chain_absent", chain_absent),
    ),
    StateFunction::new(
        "iptables.chain_present",
        "name, table='filter', family='ipv4'",
        "Keep a chain.",
        |args, env| loaded(args, env, "chain_present", chain_present),
    ),
    StateFunction::new(
        "iptables.delete",
        "name, table='filter', family='ipv4', **kwargs",
        "Keep a rule out of a chain. position: the rule at this place; all else as for iptables.append.",
        |args, env| loaded(args, env, "delete", delete),
    ),
    StateFunction::new(
        "iptables.flush",
        "name, table='filter', family='ipv4', **kwargs",
        "Take all rules out of a chain (`chain`), or out of all chains of the table.",
        |args, env| loaded(args, env, "flush", flush),
    ),
    StateFunction::new(
        "iptables.insert",
        "name, table='filter', family='ipv4', **kwargs",
        "Keep a rule in a chain, new ones at `position`. All else as for iptables.append.",
        |args, env| loaded(args, env, "insert", insert),
    ),
    StateFunction::new(
        "iptables.set_policy",
        "name, table='filter', family='ipv4', **kwargs",
        "Keep what happens to packets that no rule of a chain takes. chain, policy, save.",
        |args, env| loaded(args, env, "set_policy", set_policy),
    ),
];

/// Runs a state where iptables is installed.
fn loaded(
    args: &Args,
    env: &StateEnv,
    function: &str,
    run: fn(&Wish, &StateEnv) -> StateAnswer,
) -> StateAnswer {
    if which("iptables").is_none() {
        let reason = "'iptables' __virtual__ returned False: iptables module could not be loaded";
        return Ok(env.not_loaded(&format!("iptables.{function}"), reason));
    }
    let wish = Wish::of(args)?;
    match args.extra_kwargs.get("rules").and_then(Value::as_array) {
        Some(rules) => several(&wish, env, function, rules),
        None => run(&wish, env),
    }
}

/// What a state asks for.
struct Wish {
    name: String,
    table: String,
    family: String,
    others: Map<String, Value>,
}

impl Wish {
    fn of(args: &Args) -> Result<Wish, Failure> {
        Ok(Wish {
            name: args.text("name")?,
            table: args.text("table")?,
            family: args.text("family")?,
            others: args.extra_kwargs.clone(),
        })
    }

    fn needed(&self, key: &'static str) -> Result<&Value, Failure> {
        let missing = || Failure::exception("KeyError", format!("'{key}'"));
        self.others.get(key).ok_or_else(missing)
    }

    fn call(&self, fun: &str) -> Call {
        Call::new(fun).kwarg("family", self.family.as_str())
    }

    /// A call that works on the state's chain.
    fn chain_call(&self, fun: &str) -> Result<Call, Failure> {
        let chain = self.needed("chain")?;
        let call = self.call(fun).kwarg("table", self.table.as_str());
        Ok(call.kwarg("chain", chain.clone()))
    }

    /// The rule, and the command that would add or delete it.
    fn rule(&self, env: &StateEnv, command: &str) -> Result<(Value, String), Failure> {
        let mut build = self.call("iptables.build_rule");
        build.kwargs.extend(self.others.clone());
        let build = build.kwarg("table", self.table.as_str());
        let rule = env.call(&build)?;
        let whole = env.call(&build.kwarg("full", true).kwarg("command", command))?;
        Ok((rule, python::text(&whole).trim().to_owned()))
    }

    fn has(&self, env: &StateEnv, rule: &Value) -> Result<bool, Failure> {
        let check = self.chain_call("iptables.check")?;
        Ok(env.call(&check.kwarg("rule", rule.clone()))? == true)
    }

    /// The file that rules are saved in: null for that of the distribution. `None` when nothing is to be saved.
    fn save_file(&self) -> Option<Value> {
        let save = self
            .others
            .get("save")
            .filter(|save| python::truthy(save))?;
        Some(if save == true {
            Value::Null
        } else {
            save.clone()
        })
    }

    fn save(&self, env: &StateEnv, file: Value) -> Result<Value, Failure> {
        env.call(&self.call("iptables.save").kwarg("filename", file))
    }

    fn done(&self, comment: String) -> Return {
        changed(true, comment, json!({"locale": self.name}))
    }

    /// The return for a rule that was set or deleted, which saves the rules when that is wanted.
    fn saved(&self, env: &StateEnv, word: &str, command: &str, comment: String) -> StateAnswer {
        let Some(file) = self.save_file() else {
            return Ok(self.done(comment));
        };
        let said = self.save(env, file)?;
        Ok(self.done(format!(
            "{word} and saved iptables rule {} for {}\n{command}\n{}",
            self.name,
            self.family,
            python::text(&said)
        )))
    }

    /// Saves the rules when they are set and those in the file are others. A file that cannot be read holds none.
    fn keep_saved(&self, env: &StateEnv, command: &str, mut done: Return) -> StateAnswer {
        let Some(file) = self.save_file() else {
            return Ok(done);
        };
        let saved = self
            .call("iptables.get_saved_rules")
            .kwarg("conf_file", file.clone());
        let saved = env.call(&saved).unwrap_or_default();
        let running = env.call(&self.call("iptables.get_rules"))?;
        if rules_of(&saved) != rules_of(&running) && !env.is_test {
            let said = self.save(env, file)?;
            done.comment += &format!(
                "\nSaved iptables rule {} for {}\n{command}\n{}",
                self.name,
                self.family,
                python::text(&said)
            );
        }
        Ok(done)
    }
}

/// The rules of all chains.
fn rules_of(tables: &Value) -> Vec<&Value> {
    let tables = tables.as_object().into_iter().flat_map(Map::values);
    let chains = tables.filter_map(Value::as_object).flat_map(Map::values);
    chains.map(|chain| &chain["rules"]).collect()
}

fn append(wish: &Wish, env: &StateEnv) -> StateAnswer {
    let (name, family) = (&wish.name, &wish.family);
    let (rule, command) = wish.rule(env, "A")?;
    if wish.has(env, &rule)? {
        let comment = format!("iptables rule for {name} already set ({command}) for {family}");
        return wish.keep_saved(env, &command, returned(true, comment));
    }
    if env.is_test {
        let comment = format!("iptables rule for {name} needs to be set ({command}) for {family}");
        return Ok(returned(None, comment));
    }
    let append = wish.chain_call("iptables.append")?.kwarg("rule", rule);
    if !python::truthy(&env.call(&append)?) {
        return Ok(returned(
            false,
            format!(
                "Failed to set iptables rule for {name}.\nAttempted rule was {command} for {family}"
            ),
        ));
    }
    let comment = format!("Set iptables rule for {name} to: {command} for {family}");
    wish.saved(env, "Set", &command, comment)
}

fn insert(wish: &Wish, env: &StateEnv) -> StateAnswer {
    let (name, family) = (&wish.name, &wish.family);
    let (rule, command) = wish.rule(env, "I")?;
    if wish.has(env, &rule)? {
        let comment = format!("iptables rule for {name} already set for {family} ({command})");
        return wish.keep_saved(env, &command, returned(true, comment));
    }
    if env.is_test {
        let comment = format!("iptables rule for {name} needs to be set for {family} ({command})");
        return Ok(returned(None, comment));
    }
    let insert = wish
        .chain_call("iptables.insert")?
        .kwarg("position", wish.needed("position")?.clone())
        .kwarg("rule", rule);
    if python::truthy(&env.call(&insert)?) {
        return Ok(returned(
            false,
            format!("Failed to set iptables rule for {name}.\nAttempted rule was {command}"),
        ));
    }
    let comment = format!("Set iptables rule for {name} to: {command} for {family}");
    wish.saved(env, "Set", &command, comment)
}

fn delete(wish: &Wish, env: &StateEnv) -> StateAnswer {
    let (name, family) = (&wish.name, &wish.family);
    let (rule, command) = wish.rule(env, "D")?;
    let position = wish.others.get("position");
    if !wish.has(env, &rule)? && position.is_none() {
        let comment = format!("iptables rule for {name} already absent for {family} ({command})");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment =
            format!("iptables rule for {name} needs to be deleted for {family} ({command})");
        return Ok(returned(None, comment));
    }
    let delete = wish.chain_call("iptables.delete")?;
    let delete = match position {
        Some(position) => delete.kwarg("position", position.clone()),
        None => delete.kwarg("rule", rule),
    };
    if python::truthy(&env.call(&delete)?) {
        return Ok(returned(
            false,
            format!("Failed to delete iptables rule for {name}.\nAttempted rule was {command}"),
        ));
    }
    let comment = format!("Delete iptables rule for {name} {command}");
    wish.saved(env, "Deleted", &command, comment)
}

fn set_policy(wish: &Wish, env: &StateEnv) -> StateAnswer {
    let (table, family) = (&wish.table, &wish.family);
    let (chain, policy) = (wish.needed("chain")?, wish.needed("policy")?);
    let current = env.call(&wish.chain_call("iptables.get_policy")?)?;
    let (chain, policy_text) = (python::text(chain), python::text(policy));
    let state = format!("iptables default policy for chain {chain} on table {table} for {family}");
    if current == *policy {
        return Ok(returned(
            true,
            format!("{state} already set to {policy_text}"),
        ));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("{state} needs to be set to {policy_text}"),
        ));
    }
    let set = wish
        .chain_call("iptables.set_policy")?
        .kwarg("policy", policy.clone());
    if python::truthy(&env.call(&set)?) {
        return Ok(returned(false, "Failed to set iptables default policy"));
    }
    let word = match wish.save_file() {
        Some(file) => {
            wish.save(env, file)?;
            "Set and saved"
        }
        None => "Set",
    };
    Ok(wish.done(format!(
        "{word} default policy for {chain} to {policy_text} family {family}"
    )))
}

fn flush(wish: &Wish, env: &StateEnv) -> StateAnswer {
    let (name, table, family) = (&wish.name, &wish.table, &wish.family);
    if env.is_test {
        let comment = format!(
            "iptables rules in {name} table {table} chain {family} family needs to be flushed"
        );
        return Ok(returned(None, comment));
    }
    let chain = wish.others.get("chain").cloned().unwrap_or(json!(""));
    let flush = wish.call("iptables.flush").kwarg("table", table.as_str());
    if python::truthy(&env.call(&flush.kwarg("chain", chain.clone()))?) {
        return Ok(returned(false, "Failed to flush iptables rules"));
    }
    Ok(wish.done(format!(
        "Flush iptables rules in {table} table {} chain {family} family",
        python::text(&chain)
    )))
}

/// A call that works on the chain that the state is named after.
fn own_chain(wish: &Wish, fun: &str) -> Call {
    let call = wish.call(fun).kwarg("table", wish.table.as_str());
    call.kwarg("chain", wish.name.as_str())
}

fn chain_present(wish: &Wish, env: &StateEnv) -> StateAnswer {
    let (name, table, family) = (&wish.name, &wish.table, &wish.family);
    if env.call(&own_chain(wish, "iptables.check_chain"))? == true {
        let comment =
            format!("iptables {name} chain is already exist in {table} table for {family}");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment =
            format!("iptables {name} chain in {table} table needs to be set for {family}");
        return Ok(returned(None, comment));
    }
    let said = env.call(&own_chain(wish, "iptables.new_chain"))?;
    Ok(if said == true {
        wish.done(format!(
            "iptables {name} chain in {table} table create success for {family}"
        ))
    } else {
        let said = python::text(&said);
        returned(
            false,
            format!(
                "Failed to create {name} chain in {table} table: {} for {family}",
                said.trim()
            ),
        )
    })
}

fn chain_absent(wish: &Wish, env: &StateEnv) -> StateAnswer {
    let (name, table, family) = (&wish.name, &wish.table, &wish.family);
    if !python::truthy(&env.call(&own_chain(wish, "iptables.check_chain"))?) {
        let comment =
            format!("iptables {name} chain is already absent in {table} table for {family}");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment =
            format!("iptables {name} chain in {table} table needs to be removed {family}");
        return Ok(returned(None, comment));
    }
    let failed = |word: &str, said: &Value| {
        let said = python::text(said);
        returned(
            false,
            format!(
                "Failed to {word} {name} chain in {table} table: {} for {family}",
                said.trim()
            ),
        )
    };
    let said = env.call(&own_chain(wish, "iptables.flush"))?;
    if python::truthy(&said) {
        return Ok(failed("flush", &said));
    }
    let said = env.call(&own_chain(wish, "iptables.delete_chain"))?;
    Ok(if said == true {
        wish.done(format!(
            "iptables {name} chain in {table} table delete success for {family}"
        ))
    } else {
        failed("delete", &said)
    })
}

/// Several rules in one state, each a state of its own; they are saved once.
fn several(wish: &Wish, env: &StateEnv, function: &str, rules: &[Value]) -> StateAnswer {
    let mut whole = Return {
        result: None,
        ..Return::default()
    };
    let (mut comments, mut names, mut save) = (Vec::new(), Vec::new(), None);
    for rule in rules.iter().filter_map(Value::as_object) {
        let mut rule = rule.clone();
        rule.shift_remove("rules");
        if let Some(file) = rule.shift_remove("save").filter(python::truthy) {
            save = Some(if file == true { Value::Null } else { file });
        }
        let part = env.state(&format!("iptables.{function}"), rule, env.is_test);
        names.extend(part.changes.get("locale").cloned());
        comments.push(part.comment);
        whole.result = part.result;
    }
    if let Some(file) = save.filter(|_| !env.is_test) {
        wish.save(env, file)?;
    }
    if !names.is_empty() {
        whole
            .changes
            .insert("locale".to_owned(), Value::Array(names));
    }
    whole.comment = comments.join("\n");
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::iptables::tests::fake;
    use crate::testing::Host;

    #[test]
    fn rules_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let program = host.path("root/bin/iptables");
        let file = host.path("saved");
        let args = json!({
            "name": "ssh", "chain": "INPUT", "jump": "ACCEPT", "proto": "tcp", "dport": 22, "save": file,
            "require": [{"pkg": "iptables"}], "order": 1,
        });
        let command =
            format!("{program} --wait -t filter -A INPUT  -p tcp --dport 22 --jump ACCEPT");
        let foretold = host.state("iptables.append", args.clone(), true);
        assert_eq!(
            foretold.comment,
            format!("iptables rule for ssh needs to be set ({command}) for ipv4")
        );
        let done = host.applies("iptables.append", args.clone());
        let comment = format!(
            "Set and saved iptables rule ssh for ipv4\n{command}\nWrote 1 lines to \"{file}\""
        );
        assert_eq!((done.comment, done.changes), (comment, changes("ssh")));
        let again = host.state("iptables.append", args.clone(), false);
        assert_eq!(
            again.comment,
            format!("iptables rule for ssh already set ({command}) for ipv4")
        );
        std::fs::remove_file(&file).unwrap();
        let again = host.state("iptables.append", args.clone(), false);
        let comment = format!(
            "iptables rule for ssh already set ({command}) for ipv4\nSaved iptables rule ssh for ipv4\n{command}\nWrote 1 lines to \"{file}\""
        );
        assert_eq!(again.comment, comment);
        let gone = host.applies("iptables.delete", args);
        assert!(
            gone.comment
                .starts_with("Deleted and saved iptables rule ssh for ipv4\n")
        );
        let lost = json!({"name": "x", "chain": "NONE", "jump": "DROP"});
        let failed = host.state("iptables.append", lost, false);
        let comment = format!(
            "Failed to set iptables rule for x.\nAttempted rule was {program} --wait -t filter -A NONE  --jump DROP for ipv4"
        );
        assert_eq!((failed.result, failed.comment), (Some(false), comment));
        let chainless = host.state("iptables.append", json!({"name": "x"}), false);
        assert_eq!(chainless.result, Some(false));
    }

    #[test]
    fn rules_are_inserted_and_policies_and_chains_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let insert =
            json!({"name": "first", "chain": "INPUT", "position": 1, "i": "lo", "jump": "ACCEPT"});
        let done = host.applies("iptables.insert", insert);
        let program = host.path("root/bin/iptables");
        assert_eq!(
            done.comment,
            format!(
                "Set iptables rule for first to: {program} --wait -t filter -I INPUT 1 -i lo --jump ACCEPT for ipv4"
            )
        );
        let policy = json!({"name": "p", "chain": "INPUT", "policy": "DROP"});
        let done = host.applies("iptables.set_policy", policy);
        assert_eq!(
            done.comment,
            "Set default policy for INPUT to DROP family ipv4"
        );
        let done = host.applies("iptables.chain_present", json!({"name": "MINE"}));
        assert_eq!(
            done.comment,
            "iptables MINE chain in filter table create success for ipv4"
        );
        host.applies("iptables.chain_absent", json!({"name": "MINE"}));
        let flush = json!({"name": "f", "chain": "INPUT"});
        let done = host.state("iptables.flush", flush, false);
        assert_eq!(
            done.comment,
            "Flush iptables rules in filter table INPUT chain ipv4 family"
        );
        let rules = json!([
            {"name": "a", "chain": "INPUT", "jump": "DROP", "save": host.path("all")},
            {"name": "b", "chain": "OUTPUT", "jump": "DROP"},
        ]);
        let done = host.state(
            "iptables.append",
            json!({"name": "a", "rules": rules}),
            false,
        );
        assert_eq!(done.changes["locale"], json!(["a", "b"]));
        assert!(std::path::Path::new(&host.path("all")).exists());
    }

    fn changes(name: &str) -> Map<String, Value> {
        Map::from_iter([("locale".to_owned(), json!(name))])
    }
}
