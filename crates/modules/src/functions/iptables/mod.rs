//! `iptables`: the rules of the kernel's packet filter, through the programs iptables and ip6tables.

mod options;
mod rule;
mod saved;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::failure::python_text;
use crate::pattern;
use crate::process::{Finished, query, which};
use crate::python;
use crate::root;

const NO_CHAIN: &str = "Error: Chain needs to be specified";
const NO_RULE: &str = "Error: Rule needs to be specified";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "iptables.append",
        "table='filter', chain=None, rule=None, family='ipv4'",
        "Add a rule at the end of a chain; false when it is there or cannot be added.",
        "iptables.append filter INPUT rule='-m state --state RELATED,ESTABLISHED -j ACCEPT'",
        append,
    ),
    Function::new(
        "iptables.build_rule",
        "table='filter', chain=None, command=None, position='', full=None, family='ipv4', **kwargs",
        "A rule of keyword arguments: jump, match, proto, dport, connstate, source, any long option; `!` or `not` negates. full: the whole command.",
        "iptables.build_rule match=state connstate=RELATED,ESTABLISHED jump=ACCEPT",
        build_rule,
    ),
    Function::new(
        "iptables.check",
        "table='filter', chain=None, rule=None, family='ipv4'",
        "Whether a chain has a rule.",
        "iptables.check filter INPUT rule='-m state --state RELATED,ESTABLISHED -j ACCEPT'",
        |args, env| match needed(args, &[("chain", NO_CHAIN), ("rule", NO_RULE)]) {
            Some(error) => Ok(json!(error)),
            None => Ok(json!(has_rule(&Filter::of(args, env)?, args)?)),
        },
    ),
    Function::new(
        "iptables.check_chain",
        "table='filter', chain=None, family='ipv4'",
        "Whether a table has a chain.",
        "iptables.check_chain filter INPUT",
        check_chain,
    ),
    Function::new(
        "iptables.delete",
        "table, chain=None, position=None, rule=None, family='ipv4'",
        "Take a rule out of a chain, by its position or whole; answers what the program says against it.",
        "iptables.delete filter INPUT position=3",
        delete,
    ),
    Function::new(
        "iptables.delete_chain",
        "table='filter', chain=None, family='ipv4'",
        "Remove a chain of one's own.",
        "iptables.delete_chain filter CUSTOM_CHAIN",
        |args, env| on_chain(args, env, "-X"),
    ),
    Function::new(
        "iptables.flush",
        "table='filter', chain='', family='ipv4'",
        "Take all rules out of a chain, or out of all chains of the table.",
        "iptables.flush filter INPUT",
        |args, env| {
            let chain = args.optional_text("chain")?.unwrap_or_default();
            Filter::of(args, env)?.change(args, "-F", &[&chain])
        },
    ),
    Function::new(
        "iptables.get_policy",
        "table='filter', chain=None, family='ipv4'",
        "What happens to packets that no rule of a chain takes.",
        "iptables.get_policy filter INPUT",
        |args, env| policy(args, || Filter::of(args, env)?.rules()),
    ),
    Function::new(
        "iptables.get_rules",
        "family='ipv4'",
        "The rules of the running kernel, by table and chain.",
        "iptables.get_rules",
        |args, env| Ok(Value::Object(Filter::of(args, env)?.rules()?)),
    ),
    Function::new(
        "iptables.get_saved_policy",
        "table='filter', chain=None, conf_file=None, family='ipv4'",
        "The same as get_policy of the rules that are saved.",
        "iptables.get_saved_policy filter INPUT",
        |args, env| policy(args, || saved_rules(args, env)),
    ),
    Function::new(
        "iptables.get_saved_rules",
        "conf_file=None, family='ipv4'",
        "The rules that are saved in a file, by table and chain.",
        "iptables.get_saved_rules",
        |args, env| Ok(Value::Object(saved_rules(args, env)?)),
    ),
    Function::new(
        "iptables.insert",
        "table='filter', chain=None, position=None, rule=None, family='ipv4'",
        "Put a rule at a position of a chain, counted from its end when negative; false when it is there.",
        "iptables.insert filter INPUT position=3 rule='-m state --state RELATED,ESTABLISHED -j ACCEPT'",
        insert,
    ),
    Function::new(
        "iptables.new_chain",
        "table='filter', chain=None, family='ipv4'",
        "Make a chain of one's own.",
        "iptables.new_chain filter CUSTOM_CHAIN",
        |args, env| on_chain(args, env, "-N"),
    ),
    Function::new(
        "iptables.save",
        "filename=None, family='ipv4'",
        "Write the rules of the running kernel into a file, without the lines that iptables.save_filters of the options match.",
        "iptables.save /etc/iptables/rules.v4",
        save,
    ),
    Function::new(
        "iptables.set_policy",
        "table='filter', chain=None, policy=None, family='ipv4'",
        "Set what happens to packets that no rule of a chain takes.",
        "iptables.set_policy filter INPUT ACCEPT",
        |args, env| {
            const NO_POLICY: &str = "Error: Policy needs to be specified";
            match needed(args, &[("chain", NO_CHAIN), ("policy", NO_POLICY)]) {
                Some(error) => Ok(json!(error)),
                None => {
                    let (chain, policy) = (args.text("chain")?, args.text("policy")?);
                    Filter::of(args, env)?.change(args, "-P", &[&chain, &policy])
                }
            }
        },
    ),
    Function::new(
        "iptables.version",
        "family='ipv4'",
        "The version of the program.",
        "iptables.version",
        |args, env| {
            let told = Filter::of(args, env)?.run(&["--version"])?;
            Ok(json!(told.stdout.split_whitespace().nth(1)))
        },
    ),
];

/// The program of a family of addresses.
struct Filter<'a> {
    env: &'a Env<'a>,
    program: String,
}

impl<'a> Filter<'a> {
    fn of(args: &Args, env: &'a Env<'a>) -> Result<Filter<'a>, Failure> {
        let name = if is_six(args) {
            "ip6tables"
        } else {
            "iptables"
        };
        let path = which(name).ok_or_else(|| Failure::MissingProgram(name.to_owned()))?;
        Ok(Filter {
            env,
            program: path.to_string_lossy().into_owned(),
        })
    }

    fn run(&self, args: &[&str]) -> Result<Finished, Failure> {
        query(&[&[self.program.as_str()], args].concat(), self.env.cancel)
    }

    /// The option that waits for the lock of the kernel's tables, where the program has it.
    fn wait(&self) -> Result<&'static str, Failure> {
        let has_option = self.run(&["--help"])?.stdout.contains("--wait");
        Ok(if has_option { "--wait" } else { "" })
    }

    /// Changes a chain of the table; answers what the program says against it.
    fn change(&self, args: &Args, command: &str, words: &[&str]) -> Answer {
        let table = args.text("table")?;
        let line: Vec<&str> = [self.wait()?, "-t", &table, command]
            .iter()
            .chain(words)
            .copied()
            .filter(|word| !word.is_empty())
            .collect();
        Ok(json!(self.run(&line)?.stderr.trim_end()))
    }

    fn dump(&self, args: &[&str]) -> Result<String, Failure> {
        let save = format!("{}-save", self.program);
        let done = query(&[&[save.as_str()], args].concat(), self.env.cancel)?;
        Ok(done.stdout.trim_end().to_owned())
    }

    fn rules(&self) -> Result<Map<String, Value>, Failure> {
        saved::parse(&self.dump(&[])?)
    }
}

fn is_six(args: &Args) -> bool {
    args.value("family") == "ipv6"
}

/// What is answered when one of these parameters is not given.
fn needed<'a>(args: &Args, parameters: &[(&str, &'a str)]) -> Option<&'a str> {
    let missing = parameters.iter().find(|(name, _)| !args.flag(name));
    missing.map(|(_, error)| *error)
}

/// A rule as the words that the program gets.
fn words_of(rule: &str) -> Result<Vec<String>, Failure> {
    shlex::split(rule).ok_or_else(|| Failure::exception("ValueError", "No closing quotation"))
}

fn has_rule(filter: &Filter, args: &Args) -> Result<bool, Failure> {
    let (table, chain) = (args.text("table")?, args.text("chain")?);
    let words = words_of(&args.text("rule")?)?;
    let mut line = vec!["-t", &table, "-C", &chain];
    line.extend(words.iter().map(String::as_str));
    Ok(filter.run(&line)?.retcode == 0)
}

fn append(args: &Args, env: &Env) -> Answer {
    if let Some(error) = needed(args, &[("chain", NO_CHAIN), ("rule", NO_RULE)]) {
        return Ok(json!(error));
    }
    let filter = Filter::of(args, env)?;
    if has_rule(&filter, args)? {
        return Ok(json!(false));
    }
    let mut words = vec![args.text("chain")?];
    words.extend(words_of(&args.text("rule")?)?);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(json!(filter.change(args, "-A", &words)? == ""))
}

fn insert(args: &Args, env: &Env) -> Answer {
    const NO_POSITION: &str = "Error: Position needs to be specified or use append (-A)";
    let parameters = [
        ("chain", NO_CHAIN),
        ("position", NO_POSITION),
        ("rule", NO_RULE),
    ];
    if let Some(error) = needed(args, &parameters) {
        return Ok(json!(error));
    }
    let filter = Filter::of(args, env)?;
    let chain = args.text("chain")?;
    let mut position = args.integer("position")?;
    if position < 0 {
        let tables = filter.rules()?;
        let rules = tables.get(&args.text("table")?);
        let count = rules.and_then(|table| table[&chain]["rules"].as_array());
        let count = count.map_or(0, Vec::len) as i64;
        position = (count + position + 1).max(1);
    }
    if has_rule(&filter, args)? {
        return Ok(json!(false));
    }
    let mut words = vec![chain, position.to_string()];
    words.extend(words_of(&args.text("rule")?)?);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    filter.change(args, "-I", &words)
}

fn delete(args: &Args, env: &Env) -> Answer {
    if args.flag("position") && args.flag("rule") {
        return Ok(json!("Error: Only specify a position or a rule, not both"));
    }
    let rule = if args.flag("position") {
        args.text("position")?
    } else {
        args.text("rule")?
    };
    let mut words = vec![args.text("chain")?];
    words.extend(words_of(&rule)?);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Filter::of(args, env)?.change(args, "-D", &words)
}

fn on_chain(args: &Args, env: &Env, command: &str) -> Answer {
    if let Some(error) = needed(args, &[("chain", NO_CHAIN)]) {
        return Ok(json!(error));
    }
    let said = Filter::of(args, env)?.change(args, command, &[&args.text("chain")?])?;
    Ok(if said == "" { json!(true) } else { said })
}

fn check_chain(args: &Args, env: &Env) -> Answer {
    if let Some(error) = needed(args, &[("chain", NO_CHAIN)]) {
        return Ok(json!(error));
    }
    let table = args.text("table")?;
    let told = Filter::of(args, env)?.dump(&["-t", &table])?;
    let head = format!(":{} ", args.text("chain")?);
    Ok(json!(told.contains(&head)))
}

fn policy(args: &Args, rules: impl FnOnce() -> Result<Map<String, Value>, Failure>) -> Answer {
    if let Some(error) = needed(args, &[("chain", NO_CHAIN)]) {
        return Ok(json!(error));
    }
    let (table, chain) = (args.text("table")?, args.text("chain")?);
    let rules = rules()?;
    let table = rules.get(&table);
    Ok(table.map_or(Value::Null, |table| table[&chain]["policy"].clone()))
}

fn build_rule(args: &Args, env: &Env) -> Answer {
    let rule = match rule::build(&args.extra_kwargs) {
        Ok(rule) => rule,
        Err(error) => return Ok(json!(error)),
    };
    if !args.flag("full") {
        return Ok(json!(rule));
    }
    let parameters = [
        ("table", "Error: Table needs to be specified"),
        ("chain", NO_CHAIN),
        ("command", "Error: Command needs to be specified"),
    ];
    if let Some(error) = needed(args, &parameters) {
        return Ok(json!(error));
    }
    let filter = Filter::of(args, env)?;
    let (table, chain, command) = (
        args.text("table")?,
        args.text("chain")?,
        args.text("command")?,
    );
    let dashes = if "ACDIRLSFZNXPE".contains(&command) {
        "-"
    } else {
        "--"
    };
    Ok(json!(format!(
        "{} {} -t {table} {dashes}{command} {chain} {} {rule}",
        filter.program,
        filter.wait()?,
        python::text(args.value("position")),
    )))
}

/// The file that the distribution restores rules from when it starts.
fn default_file(env: &Env, is_six: bool) -> Result<String, Failure> {
    let grains = env.ctx.grains();
    let grain = |name: &str| grains[name].as_str().unwrap_or_default();
    let (four, six) = match (grain("os_family"), grain("os")) {
        ("RedHat", _) => ("/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables"),
        ("Arch", _) => (
            "/etc/iptables/iptables.rules",
            "/etc/iptables/ip6tables.rules",
        ),
        ("Debian", _) => ("/etc/iptables/rules.v4", "/etc/iptables/rules.v6"),
        (_, "Gentoo") => (
            "/var/lib/iptables/rules-save",
            "/var/lib/ip6tables/rules-save",
        ),
        ("Suse", _) => {
            let both = "/etc/sysconfig/scripts/SuSEfirewall2-custom";
            (both, both)
        }
        ("Void", _) => (
            "/etc/iptables/iptables.rules",
            "/etc/iptables/ip6tables.rules",
        ),
        (_, "Alpine") => ("/etc/iptables/rules-save", "/etc/iptables/rules6-save"),
        (_, os) => {
            let text = format!("Saving iptables to file is not supported on {os}: name a file");
            return Err(Failure::command(text));
        }
    };
    let path = root::path(if is_six { six } else { four });
    Ok(path.to_string_lossy().into_owned())
}

fn file_of(args: &Args, env: &Env, parameter: &str) -> Result<String, Failure> {
    match args.optional_text(parameter)? {
        Some(path) if !path.is_empty() => Ok(path),
        _ => default_file(env, is_six(args)),
    }
}

fn saved_rules(args: &Args, env: &Env) -> Result<Map<String, Value>, Failure> {
    let path = file_of(args, env, "conf_file")?;
    let text = fs::read(&path)
        .map_err(|error| Failure::exception("FileNotFoundError", python_text(&path, &error)))?;
    saved::parse(&String::from_utf8_lossy(&text))
}

fn save(args: &Args, env: &Env) -> Answer {
    let path = file_of(args, env, "filename")?;
    if let Some(folder) = Path::new(&path).parent() {
        fs::create_dir_all(folder).map_err(|error| Failure::io(folder, error))?;
    }
    let mut text = Filter::of(args, env)?.dump(&[])?;
    let option = Call::new("config.option")
        .arg("iptables.save_filters")
        .arg(json!([]));
    let mut filters = Vec::new();
    for filter in env.call(&option)?.value.as_array().into_iter().flatten() {
        let filter = python::text(filter);
        match pattern::build(&filter, false) {
            Some(filter) => filters.push(filter),
            None => {
                let text = format!("iptables.save_filters holds no regular expression: {filter}");
                return Err(Failure::command(text));
            }
        }
    }
    if !filters.is_empty() {
        text = text
            .split_inclusive('\n')
            .filter(|line| !filters.iter().any(|filter| filter.is_match(line)))
            .collect();
    }
    let write = Call::new("file.write").arg(path).arg(text);
    env.call(&write).map(|outcome| outcome.value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;

    /// An iptables that keeps the rules of the table filter in a file, as iptables-save writes them.
    pub(crate) fn fake(host: &Host) {
        let rules = host.write(
            "rules",
            "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
        );
        host.program("iptables-save", &format!("cat {rules}"));
        let script = format!(
            r#"rules={rules}
            case "$1" in --help) echo "  --wait -w"; exit;; --version) echo "iptables v1.8.9 (nf_tables)"; exit;; esac
            [ "$1" = --wait ] && shift
            shift 2; command=$1 chain=$2; shift 2 2>/dev/null
            fail() {{ echo "iptables: $1" >&2; exit 1; }}
            case "$command" in
            -C) grep -qxF -- "-A $chain $*" $rules || fail "Bad rule";;
            -A) grep -q "^:$chain " $rules || fail "No chain/target/match by that name."
                sed -i "/^COMMIT/i -A $chain $*" $rules;;
            -I) at=$1; shift; grep -q "^:$chain " $rules || fail "No chain/target/match by that name."
                sed -i "/^COMMIT/i -A $chain $*" $rules; echo "$at" > $rules.position;;
            -D) grep -vxF -- "-A $chain $*" $rules > $rules.new; mv $rules.new $rules;;
            -N) sed -i "/^COMMIT/i :$chain - [0:0]" $rules;;
            -X) sed -i "/^:$chain /d" $rules;;
            -F) sed -i "/^-A $chain /d" $rules;;
            -P) sed -i "s/^:$chain [A-Z]*/:$chain $1/" $rules;;
            esac"#
        );
        host.program("iptables", &script);
    }

    #[test]
    fn rules_come_and_go() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let call = |call: Call| host.call(call).value;
        let rule = "-p tcp -m tcp --dport 22 -j ACCEPT";
        let on = |fun: &str, rule: &str| {
            let call = Call::new(fun).arg("filter").arg("INPUT");
            call.kwarg("rule", rule)
        };
        assert_eq!(call(on("iptables.check", rule)), json!(false));
        assert_eq!(call(on("iptables.append", rule)), json!(true));
        assert_eq!(call(on("iptables.check", rule)), json!(true));
        assert_eq!(call(on("iptables.append", rule)), json!(false));
        let insert = on("iptables.insert", "-j DROP").kwarg("position", -1);
        assert_eq!(call(insert), json!(""));
        let position = fs::read_to_string(host.path("rules.position")).unwrap();
        assert_eq!(position, "1\n");
        let rules = call(Call::new("iptables.get_rules"));
        assert_eq!(
            rules["filter"]["INPUT"]["rules"][0]["destination_port"],
            json!(["22"])
        );
        assert_eq!(call(on("iptables.delete", rule)), json!(""));
        assert_eq!(call(on("iptables.check", rule)), json!(false));
        let policy = Call::new("iptables.set_policy")
            .arg("filter")
            .arg("INPUT")
            .arg("DROP");
        assert_eq!(call(policy), json!(""));
        let policy = Call::new("iptables.get_policy").arg("filter").arg("INPUT");
        assert_eq!(call(policy), json!("DROP"));
        assert_eq!(
            call(Call::new("iptables.new_chain")),
            json!("Error: Chain needs to be specified")
        );
        assert_eq!(call(Call::new("iptables.version")), json!("v1.8.9"));
        let path = host.path("saved/rules");
        let saved = call(Call::new("iptables.save").arg(path.as_str()));
        assert_eq!(saved, json!(format!("Wrote 1 lines to \"{path}\"")));
        let policy = Call::new("iptables.get_saved_policy")
            .arg("filter")
            .arg("INPUT")
            .kwarg("conf_file", path);
        assert_eq!(call(policy), json!("DROP"));
    }

    #[test]
    fn a_whole_command_is_built() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let build = Call::new("iptables.build_rule")
            .arg("filter")
            .arg("INPUT")
            .kwarg("command", "I")
            .kwarg("position", 3)
            .kwarg("full", true)
            .kwarg("jump", "ACCEPT");
        let program = host.path("root/bin/iptables");
        let expected = format!("{program} --wait -t filter -I INPUT 3 --jump ACCEPT");
        assert_eq!(host.call(build).value, json!(expected));
    }
}
