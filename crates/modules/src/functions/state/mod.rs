//! `state`: applies states, and shows what would be applied.

mod control;
mod show;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use sls::compile::{Chunk, Low, Matches, no_states};

use super::{Answer, Args, Env, Failure, Function};
use crate::apply::{
    COMPILER_ERROR, Objection, STATE_FAILURE, Session, Turn, Wish, objected, with_session,
};
use crate::python;

pub(super) const FUNCTIONS: [&[Function]; 3] = [RUNS, show::FUNCTIONS, control::FUNCTIONS];

/// A signature: what is special to the function, then the options that all runs share.
macro_rules! signature {
    ($head:literal) => {
        concat!($head, "test=None, queue=None, **kwargs")
    };
}

/// Documentation: what is special to the function, then the options that all runs share.
macro_rules! documented {
    ($text:literal) => {
        concat!(
            $text,
            "\n\n",
            "test: change nothing and say what would change.\n",
            "saltenv, pillarenv: the environments of files and pillar. pillar: values over those of the pillar, a dictionary.\n",
            "exclude: SLS to leave out, or a list such as [{id: x}, {sls: y}].\n",
            "queue: wait until other state runs of this minion have ended; a number waits only when fewer than so many run. concurrent: run beside them.\n",
            "terse: answer only what changed or failed. force: run although the pillar has errors. localconfig: a file with more \
             configuration for this run."
        )
    };
}

const RUNS: &[Function] = &[
    Function::new(
        "state.apply",
        signature!("mods=None, "),
        documented!("Apply these SLS, names with commas or a list; without any, the highstate."),
        "state.apply nginx,users test=True",
        |args, env| {
            if python::truthy(args.value("mods")) {
                sls(args, env)
            } else {
                highstate(args, env)
            }
        },
    ),
    Function::new(
        "state.highstate",
        signature!(""),
        documented!(
            "Apply all SLS that the top files have for this minion. whitelist: only these of them."
        ),
        "state.highstate exclude=users",
        highstate,
    ),
    Function::new(
        "state.sls",
        signature!("mods, "),
        documented!("Apply these SLS, names with commas or a list."),
        "state.sls nginx,users",
        sls,
    ),
    Function::new(
        "state.sls_id",
        signature!("id, mods, "),
        documented!("Apply one id of these SLS, and what it requires."),
        "state.sls_id motd users,motd",
        sls_id,
    ),
    Function::new(
        "state.top",
        signature!("topfn, "),
        documented!("Apply the highstate with another top file."),
        "state.top other_top.sls",
        |args, env| {
            let mut wish = Wish::of(args)?;
            wish.top_file = Some(args.text("topfn")?);
            run(args, env, wish, run_highstate)
        },
    ),
    Function::new(
        "state.single",
        signature!("fun, name, "),
        documented!("Call one state function with these arguments."),
        "state.single file.touch name=/run/flag",
        single,
    ),
    Function::new(
        "state.low",
        signature!("data, "),
        documented!("Call one state function, given as a low chunk."),
        "state.low '{state: test, fun: nop, name: x}'",
        low,
    ),
    Function::new(
        "state.high",
        signature!("data, "),
        documented!("Apply high data, as it stands in an SLS."),
        "state.high '{x: {test: [nop]}}'",
        |args, env| {
            let Value::Object(high) = args.value("data").clone() else {
                return Err(Failure::invocation("data must be a dictionary: high data"));
            };
            run(args, env, Wish::of(args)?, |session| session.run(high))
        },
    ),
    Function::new(
        "state.template",
        signature!("tem, "),
        documented!("Apply an SLS file of this host."),
        "state.template /srv/once.sls",
        |args, env| {
            let mut path = args.text("tem")?;
            if !path.ends_with(".sls") {
                path.push_str(".sls");
            }
            let text = std::fs::read(&path).map_err(|error| Failure::io(&path, error))?;
            let name = path.rsplit('/').next().unwrap_or(&path);
            let name = name.trim_end_matches(".sls").to_owned();
            run(args, env, Wish::of(args)?, |session| {
                session.check_pillar()?;
                session.run(session.load_text(&name, &path, &text)?)
            })
        },
    ),
    Function::new(
        "state.template_str",
        signature!("tem, "),
        documented!("Apply the text of an SLS."),
        "state.template_str '{x: {test: [nop]}}'",
        |args, env| {
            let text = args.text("tem")?;
            run(args, env, Wish::of(args)?, |session| {
                session.run(session.load_text("<string>", "<string>", text.as_bytes())?)
            })
        },
    ),
];

/// What a run gives: its records and its return code.
type Ran = Result<(Map<String, Value>, i32), Objection>;

/// Waits for its turn, runs, and answers the records.
fn run(args: &Args, env: &Env, wish: Wish, work: impl FnOnce(&Session<'_>) -> Ran) -> Answer {
    if let Err(objection) = Turn::of(args, env).take(env)? {
        return Ok(objected(env, objection));
    }
    match with_session(env, &wish, work)? {
        Err(objection) => Ok(objected(env, objection)),
        Ok((mut results, retcode)) => {
            if wish.terse || env.ctx.config("state_data") == Some(json!("terse")) {
                let is_news = |record: &Value| {
                    !python::truthy(&record["result"]) || python::truthy(&record["changes"])
                };
                results.retain(|_, record| is_news(record));
            }
            env.set_retcode(retcode);
            Ok(Value::Object(results))
        }
    }
}

fn highstate(args: &Args, env: &Env) -> Answer {
    if control::disabled(env, "highstate").is_some() {
        let name = "Salt highstate run is disabled. To re-enable, run state.enable highstate";
        return Ok(json!({"name": name, "result": "False", "comment": "Disabled"}));
    }
    run(args, env, Wish::of(args)?, run_highstate)
}

fn run_highstate(session: &Session<'_>) -> Ran {
    let nothing = |comment: &str| Ok((no_states(comment), STATE_FAILURE));
    session.check_pillar()?;
    let matches: Matches = session.top()?;
    if matches.is_empty() {
        return nothing(
            "No Top file or master_tops data matches found. Please see master log for details.",
        );
    }
    let (high, errors) = session.load(&matches);
    if !errors.is_empty() {
        return Err(Objection {
            reasons: errors,
            retcode: COMPILER_ERROR,
        });
    }
    if high.is_empty() {
        return nothing("No states found for this minion");
    }
    session.run(high)
}

/// The names of SLS in an argument.
fn names(args: &Args, name: &str) -> Vec<String> {
    let mut names = args.texts(name);
    names.retain(|name| !name.is_empty());
    names
}

fn sls(args: &Args, env: &Env) -> Answer {
    let mods = names(args, "mods");
    let refused: Vec<String> = mods
        .iter()
        .filter_map(|name| control::disabled(env, name))
        .collect();
    if !refused.is_empty() {
        env.set_retcode(COMPILER_ERROR);
        return Ok(json!(refused));
    }
    run(args, env, Wish::of(args)?, |session| {
        session.check_pillar()?;
        session.run(session.load_named(&mods)?)
    })
}

fn sls_id(args: &Args, env: &Env) -> Answer {
    let (id, mods) = (args.text("id")?, names(args, "mods"));
    let mut is_missing = false;
    let answer = run(args, env, Wish::of(args)?, |session| {
        session.check_pillar()?;
        let high = session.load_named(&mods)?;
        let results = session.run_id(high.clone(), &id)?;
        is_missing = results.is_none();
        let results = results.unwrap_or_default();
        let is_success = sls::compile::is_success(&results, &high);
        Ok((results, if is_success { 0 } else { STATE_FAILURE }))
    })?;
    if is_missing {
        return Err(Failure::invocation(format!(
            "No matches for ID '{id}' found in SLS '{}'",
            mods.join(",")
        )));
    }
    Ok(answer)
}

/// The records of chunks that run outside of any SLS.
fn run_chunk(session: &Session<'_>, chunk: Chunk) -> Ran {
    let results = session.run_low(Low::of_chunks(vec![chunk]));
    let is_success = sls::compile::is_success(&results, &Map::new());
    Ok((results, if is_success { 0 } else { STATE_FAILURE }))
}

/// Words of a call that are for `state.single` itself and no arguments of the state.
const OWN_WORDS: &[&str] = &[
    "pillar",
    "pillarenv",
    "saltenv",
    "concurrent",
    "terse",
    "localconfig",
    "force",
    "exclude",
];

fn single(args: &Args, env: &Env) -> Answer {
    let mut arguments = args.extra_kwargs.clone();
    for word in OWN_WORDS {
        arguments.shift_remove(*word);
    }
    let Ok(chunk) = Chunk::single(&args.text("fun")?, &args.text("name")?, arguments) else {
        env.set_retcode(COMPILER_ERROR);
        return Ok(json!("Invalid function passed"));
    };
    run(args, env, Wish::of(args)?, |session| {
        run_chunk(session, chunk)
    })
}

fn low(args: &Args, env: &Env) -> Answer {
    let Value::Object(map) = args.value("data").clone() else {
        return Err(Failure::invocation(
            "data must be a dictionary: a low chunk",
        ));
    };
    let mut chunk = Chunk(map);
    let faults = chunk.faults();
    if !faults.is_empty() {
        env.set_retcode(COMPILER_ERROR);
        return Ok(json!(faults));
    }
    let name = chunk.name();
    chunk
        .0
        .entry("__id__")
        .or_insert_with(|| Value::String(name));
    let answer = run(args, env, Wish::of(args)?, |session| {
        run_chunk(session, chunk)
    })?;
    // The one record, without its tag.
    Ok(match answer {
        Value::Object(results) => results
            .into_iter()
            .next()
            .map_or(Value::Null, |(_, record)| record),
        objection => objection,
    })
}
