//! What a reaction file says is to be done: the language of Salt's reactors, in its newer and its older form.

use serde_json::{Map, Value};

/// Who carries a reaction out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Minions: a job.
    Local,
    /// The hub: a runner.
    Runner,
    /// The hub: a wheel function.
    Wheel,
}

/// One thing that is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Reaction {
    /// Its name in the file.
    pub id: String,
    /// Who does it.
    pub client: Client,
    /// The function.
    pub fun: String,
    /// Which minions; empty unless the client is [`Client::Local`].
    pub target: String,
    /// What kind of target, in the words of the control socket.
    pub target_kind: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Named arguments.
    pub kwargs: Map<String, Value>,
    /// Smaller ones come first.
    order: i64,
}

/// Reads what a file says, in the order in which it is to be done.
///
/// # Errors
/// The first thing that makes no sense, with the name of its reaction: then nothing of the file is done.
pub fn read(file: &Value) -> Result<Vec<Reaction>, String> {
    let Value::Object(bodies) = file else {
        return Err("a reaction file has to give a dictionary of names".to_owned());
    };
    let mut reactions = Vec::new();
    for (id, body) in bodies {
        // What the whole of an SLS file may say, and a reaction has no use for.
        if id.starts_with("__") {
            continue;
        }
        let body = body
            .as_object()
            .filter(|body| !body.is_empty())
            .ok_or_else(|| format!("{id}: it has to be a dictionary, such as local.test.ping"))?;
        for (name, arguments) in body.iter().filter(|(name, _)| !name.starts_with("__")) {
            reactions.push(one(id, name, arguments).map_err(|error| format!("{id}: {error}"))?);
        }
    }
    reactions.sort_by_key(|reaction| reaction.order);
    Ok(reactions)
}

fn one(id: &str, name: &str, arguments: &Value) -> Result<Reaction, String> {
    let (client, mut fun) = match name.split_once('.') {
        Some((client, fun)) => (client, Some(fun.to_owned())),
        None => (name, None),
    };
    let client = match client {
        "local" | "cmd" => Client::Local,
        "runner" => Client::Runner,
        "wheel" => Client::Wheel,
        "caller" => {
            return Err("caller is for reactors of minions, which there are none of".to_owned());
        }
        other => {
            return Err(format!(
                "{other:?} is none of local, runner, wheel: write local.FUNCTION"
            ));
        }
    };
    let mut said = Map::new();
    let listed = match arguments {
        Value::Array(listed) => listed,
        Value::Null => &Vec::new(),
        _ => return Err(format!("{name}: its arguments have to be a list")),
    };
    for argument in listed {
        match argument {
            Value::String(text) if fun.is_none() => fun = Some(text.clone()),
            Value::Object(map) => said.extend(map.clone()),
            other => {
                return Err(format!(
                    "{name}: {other} is no argument: write `- key: value`"
                ));
            }
        }
    }
    let fun = fun.ok_or_else(|| format!("{name}: it names no function: write {name}.FUNCTION"))?;
    let mut reaction = Reaction {
        id: id.to_owned(),
        client,
        fun,
        target: String::new(),
        target_kind: "glob".to_owned(),
        args: Vec::new(),
        kwargs: Map::new(),
        order: 0,
    };
    if let Some(order) = said.remove("order") {
        let order = order.as_i64();
        reaction.order = order.ok_or("order has to be a whole number")?;
    }
    said.remove("name");
    if client == Client::Local {
        reaction.aim(&mut said)?;
    }
    reaction.take(said)?;
    Ok(reaction)
}

impl Reaction {
    fn aim(&mut self, said: &mut Map<String, Value>) -> Result<(), String> {
        self.target = match said.remove("tgt") {
            Some(Value::String(target)) => target,
            Some(Value::Array(ids)) => {
                let ids: Option<Vec<&str>> = ids.iter().map(Value::as_str).collect();
                ids.ok_or("tgt has to be text or a list of texts")?
                    .join(",")
            }
            Some(Value::Number(number)) => number.to_string(),
            _ => {
                return Err("it has no tgt, so it is for nobody: write `- tgt: GLOB`".to_owned());
            }
        };
        let kind = said.remove("tgt_type").or(said.remove("expr_form"));
        match kind {
            None => {}
            Some(Value::String(kind)) => self.target_kind = kind.replace('_', "-"),
            Some(_) => return Err("tgt_type has to be text".to_owned()),
        }
        Ok(())
    }

    /// The arguments of the function: `args` as it is now, or `arg` and `kwarg` as it was; of runners and wheel functions also what
    /// stands beside them.
    fn take(&mut self, mut said: Map<String, Value>) -> Result<(), String> {
        let args = said.remove("args");
        let (arg, kwarg) = (said.remove("arg"), said.remove("kwarg"));
        if args.is_some() && (arg.is_some() || kwarg.is_some()) {
            return Err("args stands beside arg or kwarg: write all of them into args".to_owned());
        }
        match args {
            None => {}
            Some(Value::Object(named)) => self.kwargs = named,
            Some(Value::Array(listed)) => {
                for argument in listed {
                    match argument {
                        Value::Object(named) => self.kwargs.extend(named),
                        other => self.args.push(other),
                    }
                }
            }
            Some(_) => return Err("args has to be a list or a dictionary".to_owned()),
        }
        match arg {
            None => {}
            Some(Value::Array(listed)) => self.args = listed,
            Some(single) => self.args = vec![single],
        }
        match kwarg {
            None => {}
            Some(Value::Object(named)) => self.kwargs = named,
            Some(_) => return Err("kwarg has to be a dictionary".to_owned()),
        }
        if self.client == Client::Local {
            return match said.keys().next() {
                None => Ok(()),
                Some(key) => Err(format!(
                    "{key:?} is not known here: arguments of the function belong into args"
                )),
            };
        }
        self.kwargs.extend(said);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn single(body: Value) -> Result<Reaction, String> {
        read(&json!({ "x": body })).map(|all| all[0].clone())
    }

    #[test]
    fn both_forms_are_read() {
        let expected = Reaction {
            id: "x".to_owned(),
            client: Client::Local,
            fun: "state.apply".to_owned(),
            target: "web1".to_owned(),
            target_kind: "glob".to_owned(),
            args: vec![],
            kwargs: json!({"mods": "app"}).as_object().cloned().unwrap(),
            order: 0,
        };
        let newer = json!({"local.state.apply": [{"tgt": "web1"}, {"args": [{"mods": "app"}]}]});
        assert_eq!(single(newer), Ok(expected.clone()));
        let as_map = json!({"local.state.apply": [{"tgt": "web1"}, {"args": {"mods": "app"}}]});
        assert_eq!(single(as_map), Ok(expected.clone()));
        let older = json!({"cmd.state.apply": [{"tgt": "web1"}, {"kwarg": {"mods": "app"}}]});
        assert_eq!(single(older), Ok(expected.clone()));
        let apart = json!({"local": ["state.apply", {"tgt": "web1"}, {"kwarg": {"mods": "app"}}]});
        assert_eq!(single(apart), Ok(expected));

        let words = json!({"local.cmd.run": [{"tgt": ["a", "b"]}, {"tgt_type": "list"}, {"arg": "uptime"}]});
        let words = single(words).unwrap();
        assert_eq!(
            (words.target.as_str(), words.target_kind.as_str()),
            ("a,b", "list")
        );
        assert_eq!(words.args, [json!("uptime")]);
        let grain = json!({"local.test.ping": [{"tgt": "os:D"}, {"expr_form": "grain_pcre"}]});
        assert_eq!(single(grain).unwrap().target_kind, "grain-pcre");
        let runner = json!({"runner.state.orchestrate": [{"mods": "deploy"}]});
        let runner = single(runner).unwrap();
        assert_eq!(runner.client, Client::Runner);
        assert_eq!(runner.kwargs["mods"], "deploy");
    }

    #[test]
    fn order_is_kept_and_may_be_said() {
        let file = json!({
            "b": {"local.test.ping": [{"tgt": "b"}]},
            "a": {"local.test.ping": [{"tgt": "a"}, {"order": -1}]},
            "c": {"local.test.ping": [{"tgt": "c"}]},
        });
        let all = read(&file).unwrap();
        let ids: Vec<&str> = all.iter().map(|reaction| reaction.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(read(&json!({})), Ok(vec![]));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (body, words) in [
            (json!({"local.test.ping": []}), "no tgt"),
            (json!({"local": [{"tgt": "a"}]}), "names no function"),
            (json!({"caller.test.ping": []}), "reactors of minions"),
            (json!({"state.apply": []}), "none of local"),
            (json!({"local.test.ping": "a"}), "a list"),
            (
                json!({"local.test.ping": [{"tgt": "a"}, {"ret": "x"}]}),
                "\"ret\" is not known",
            ),
            (
                json!({"local.test.ping": [{"tgt": "a"}, {"args": []}, {"arg": []}]}),
                "beside",
            ),
            (
                json!({"local.test.ping": [{"tgt": "a"}, {"order": "last"}]}),
                "whole number",
            ),
            (json!([]), "dictionary"),
        ] {
            let error = single(body).unwrap_err();
            assert!(error.starts_with("x: ") && error.contains(words), "{error}");
        }
        assert!(read(&json!([])).is_err());
    }
}
