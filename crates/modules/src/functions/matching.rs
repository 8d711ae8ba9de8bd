//! `match`: whether targets mean this minion.

use serde_json::json;
use sls::compile::{Matcher, Minion};
use targeting::Nodegroups;

use super::{Answer, Args, Env, Failure, Function};

const BY_ID: &str = "tgt, minion_id=None";
const BY_VALUES: &str = "tgt, delimiter=':'";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "match.compound",
        BY_ID,
        "Whether a compound target means this minion, or one of another id with the same facts.",
        "match.compound 'L@cheese,foo and *'",
        |args, env| of_id(args, env, "compound"),
    ),
    Function::new(
        "match.filter_by",
        "lookup, tgt_type='compound', minion_id=None, merge=None, merge_lists=False, default='default'",
        "The value of the first target in a dictionary that means this minion. merge: a dictionary that is laid over it. default: the key of the \
         value when no target does.",
        "match.filter_by '{foo*: Foo, default: None}' minion_id=foo03",
        |args, env| {
            let lookup = args.value("lookup").as_object();
            let lookup =
                lookup.ok_or_else(|| Failure::invocation("lookup must be a dictionary"))?;
            let (minion, kind) = (minion(args, env)?, args.text("tgt_type")?);
            let chosen = data::choose_by(
                lookup,
                args.value("merge"),
                args.flag("merge_lists"),
                &args.text("default")?,
                |target| is_meant(&minion, &kind, target),
            );
            chosen.map_err(|error| Failure::exception("SaltException", error.to_string()))
        },
    ),
    Function::new(
        "match.glob",
        BY_ID,
        "Whether a shell pattern fits the id of this minion.",
        "match.glob 'web*'",
        |args, env| of_id(args, env, "glob"),
    ),
    Function::new(
        "match.grain",
        BY_VALUES,
        "Whether a grain fits a shell pattern: key:pattern.",
        "match.grain 'os:Ubuntu'",
        |args, env| of_values(args, env, "grain"),
    ),
    Function::new(
        "match.grain_pcre",
        BY_VALUES,
        "Whether a grain fits a regular expression: key:expression.",
        "match.grain_pcre 'os:Fedo.*'",
        |args, env| of_values(args, env, "grain_pcre"),
    ),
    Function::new(
        "match.ifelse",
        "*args, tgt_type='compound', minion_id=None, merge=None, merge_lists=False",
        "Targets and values in turn, and a default: the value of the first target that means this minion.",
        "match.ifelse 'foo*' 'Foo' 'bar*' 'Bar' default",
        ifelse,
    ),
    Function::new(
        "match.ipcidr",
        "tgt",
        "Whether this minion has an address, or one in a network.",
        "match.ipcidr 192.168.44.0/24",
        |args, env| {
            let (minion, target) = (minion(args, env)?, args.text("tgt")?);
            Ok(json!(is_meant(&minion, "ipcidr", &target)))
        },
    ),
    Function::new(
        "match.list",
        BY_ID,
        "Whether the id of this minion is in a list with commas.",
        "match.list 'server1,server2'",
        |args, env| of_id(args, env, "list"),
    ),
    Function::new(
        "match.pcre",
        BY_ID,
        "Whether a regular expression fits the id of this minion.",
        "match.pcre 'web[0-9]+'",
        |args, env| of_id(args, env, "pcre"),
    ),
    Function::new(
        "match.pillar",
        BY_VALUES,
        "Whether a value of the pillar fits a shell pattern: key:pattern.",
        "match.pillar 'cheese:foo'",
        |args, env| of_values(args, env, "pillar"),
    ),
    Function::new(
        "match.pillar_pcre",
        BY_VALUES,
        "Whether a value of the pillar fits a regular expression: key:expression.",
        "match.pillar_pcre 'cheese:(swiss|american)'",
        |args, env| of_values(args, env, "pillar_pcre"),
    ),
    Function::new(
        "match.search_by",
        "lookup, tgt_type='compound', minion_id=None",
        "The keys of those lists of targets in a dictionary that hold one that means this minion.",
        "match.search_by '{web: [node1, node2], db: [node3]}'",
        |args, env| {
            let lookup = args.value("lookup").as_object();
            let lookup =
                lookup.ok_or_else(|| Failure::invocation("lookup must be a dictionary"))?;
            let (minion, kind) = (minion(args, env)?, args.text("tgt_type")?);
            Ok(data::search_by(lookup, |target| {
                is_meant(&minion, &kind, target)
            }))
        },
    ),
];

/// This minion with its facts, under the id that the call gives.
fn minion(args: &Args, env: &Env) -> Result<Minion, Failure> {
    let nodegroups = env.ctx.config("nodegroups").unwrap_or_default();
    let id = args.optional_text("minion_id")?;
    let pillar = env.ctx.pillar().map_err(Failure::Command)?;
    Ok(Minion {
        id: id.unwrap_or_else(|| env.ctx.minion_id().to_owned()),
        grains: (*env.ctx.grains()).clone(),
        pillar: (*pillar).clone(),
        nodegroups: Nodegroups::from_value(&nodegroups)
            .map_err(|error| Failure::command(error.to_string()))?,
    })
}

/// A target that cannot be read means nobody, as in Salt; the log says why.
fn is_meant(minion: &Minion, kind: &str, target: &str) -> bool {
    said(minion.matches(kind, target))
}

fn said(answer: Result<bool, String>) -> bool {
    answer.unwrap_or_else(|error| {
        tracing::error!("a target cannot be matched: {error}");
        false
    })
}

fn of_id(args: &Args, env: &Env, kind: &str) -> Answer {
    let (minion, target) = (minion(args, env)?, args.text("tgt")?);
    Ok(json!(is_meant(&minion, kind, &target)))
}

fn of_values(args: &Args, env: &Env, kind: &str) -> Answer {
    let (minion, target, delimiter) = (
        minion(args, env)?,
        args.text("tgt")?,
        args.text("delimiter")?,
    );
    let mut chars = delimiter.chars();
    let (Some(delimiter), None) = (chars.next(), chars.next()) else {
        let text = format!("the delimiter '{delimiter}' is not one character");
        return Err(Failure::invocation(text));
    };
    Ok(json!(said(minion.matches_at(kind, &target, delimiter))))
}

fn ifelse(args: &Args, env: &Env) -> Answer {
    let (minion, kind) = (minion(args, env)?, args.text("tgt_type")?);
    let pairs = data::ifelse_lookup(&args.extra_args);
    let text = "The ifelse function must have an odd number of arguments!";
    let (lookup, default) = pairs.ok_or_else(|| Failure::exception("SaltException", text))?;
    if !lookup.keys().any(|target| is_meant(&minion, &kind, target)) {
        return Ok(default);
    }
    let (merge, lists) = (args.value("merge"), args.flag("merge_lists"));
    data::choose_by(&lookup, merge, lists, "", |target| {
        is_meant(&minion, &kind, target)
    })
    .map_err(|error| Failure::exception("SaltException", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;
    use serde_json::Value;

    #[test]
    fn targets() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        let call = |name: &str, target: &str| Call::new(format!("match.{name}")).arg(target);
        check(call("compound", "G@os:Debian and m*"), json!(true));
        check(call("compound", "I@motd:hello"), json!(true));
        check(
            call("compound", "db*").kwarg("minion_id", "db7"),
            json!(true),
        );
        check(call("compound", "( broken"), json!(false));
        check(call("glob", "m?"), json!(true));
        check(call("pcre", "m[0-9]"), json!(true));
        check(call("list", "a,m1"), json!(true));
        check(
            call("grain", "deep;er;est;7").kwarg("delimiter", ";"),
            json!(true),
        );
        check(call("grain_pcre", "os:Deb.*"), json!(true));
        check(call("pillar", "users:root:0"), json!(true));
        check(call("pillar_pcre", "motd:^x"), json!(false));
        check(call("ipcidr", "203.0.113.0/24"), json!(false));
        assert!(
            !host
                .call(call("grain", "x").kwarg("delimiter", "::"))
                .success
        );
    }

    #[test]
    fn choices() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        let lookup = json!({"db*": 1, "m*": {"a": 1}, "default": 3});
        check(
            Call::new("match.filter_by").arg(lookup.clone()),
            json!({"a": 1}),
        );
        check(
            Call::new("match.filter_by")
                .arg(lookup.clone())
                .kwarg("merge", json!({"b": 2})),
            json!({"a": 1, "b": 2}),
        );
        check(
            Call::new("match.filter_by")
                .arg(lookup)
                .kwarg("minion_id", "x"),
            json!(3),
        );
        let lists = json!({"web": ["m1", "m2"], "db": ["x"], "all": ["*"]});
        check(
            Call::new("match.search_by").arg(lists),
            json!(["web", "all"]),
        );
        let ifelse = Call::new("match.ifelse").arg("db*").arg(1).arg("m*").arg(2);
        check(ifelse.clone().arg(3), json!(2));
        check(ifelse.clone().arg(3).kwarg("minion_id", "x"), json!(3));
        assert!(!host.call(ifelse).success);
    }
}
