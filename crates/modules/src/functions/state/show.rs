//! `state.show_*`: what would be applied.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function, names};
use crate::apply::{COMPILER_ERROR, Objection, Session, Wish, objected, with_session};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "state.show_top",
        "queue=None, **kwargs",
        "The SLS that the top files have for this minion, by environment.",
        "state.show_top",
        |args, env| {
            show(args, env, |session| {
                session.check_pillar()?;
                session.top().map(|matches| json!(matches))
            })
        },
    ),
    Function::new(
        "state.show_highstate",
        "queue=None, **kwargs",
        "The high data of the highstate.",
        "state.show_highstate",
        |args, env| {
            show(args, env, |session| {
                session.check_pillar()?;
                highstate(session).map(Value::Object)
            })
        },
    ),
    Function::new(
        "state.show_lowstate",
        "queue=None, **kwargs",
        "The low chunks of the highstate, in the order in which they run.",
        "state.show_lowstate",
        |args, env| {
            show(args, env, |session| {
                session.check_pillar()?;
                chunks(session, highstate(session)?)
            })
        },
    ),
    Function::new(
        "state.show_states",
        "queue=None, **kwargs",
        "The SLS of the highstate, those included in others too.",
        "state.show_states",
        |args, env| {
            show(args, env, |session| {
                session.check_pillar()?;
                let low = session.compile(highstate(session)?)?;
                let mut seen = BTreeSet::new();
                let names = low.ordered().map(|chunk| chunk.sls());
                Ok(json!(
                    names
                        .filter(|sls| seen.insert(sls.clone()))
                        .collect::<Vec<_>>()
                ))
            })
        },
    ),
    Function::new(
        "state.show_sls",
        "mods, test=None, queue=None, **kwargs",
        "The high data of these SLS.",
        "state.show_sls nginx,users",
        |args, env| {
            let mods = names(args, "mods");
            show(args, env, |session| {
                session.check_pillar()?;
                let high = session.load_named(&mods)?;
                sls::compile::Errors::none(sls::compile::verify(&high))?;
                Ok(Value::Object(high))
            })
        },
    ),
    Function::new(
        "state.show_low_sls",
        "mods, test=None, queue=None, **kwargs",
        "The low chunks of these SLS.",
        "state.show_low_sls nginx,users",
        |args, env| show(args, env, |session| low_of(session, &names(args, "mods"))),
    ),
    Function::new(
        "state.sls_exists",
        "mods, test=None, queue=None, **kwargs",
        "Whether these SLS exist and can be rendered.",
        "state.sls_exists nginx",
        |args, env| {
            let mods = names(args, "mods");
            let found = with_session(env, &Wish::of(args)?, |session| {
                session.load_named(&mods).is_ok()
            })?;
            Ok(json!(found))
        },
    ),
    Function::new(
        "state.id_exists",
        "ids, mods, test=None, queue=None, **kwargs",
        "Whether all these ids are in these SLS.",
        "state.id_exists motd,banner motd",
        |args, env| {
            let (ids, mods) = (args.texts("ids"), names(args, "mods"));
            let answer = show(args, env, |session| low_of(session, &mods))?;
            let chunks = answer.as_array().into_iter().flatten();
            let known: BTreeSet<&str> = chunks
                .filter_map(|chunk| chunk["__id__"].as_str())
                .collect();
            Ok(json!(ids.iter().all(|id| known.contains(id.as_str()))))
        },
    ),
];

fn show(
    args: &Args,
    env: &Env,
    work: impl FnOnce(&Session<'_>) -> Result<Value, Objection>,
) -> Answer {
    let wish = Wish::of(args)?;
    match with_session(env, &wish, work)? {
        Ok(value) => Ok(value),
        // Salt fails here for the pillar, and answers a list of errors for the states.
        Err(objection) if objection.retcode == COMPILER_ERROR => Ok(objected(env, objection)),
        Err(objection) => {
            env.set_retcode(objection.retcode);
            Err(Failure::command(objection.reasons.join("\n")))
        }
    }
}

fn highstate(session: &Session<'_>) -> Result<sls::compile::High, Objection> {
    let matches = session.top()?;
    let (high, errors) = session.load(&matches);
    sls::compile::Errors::none(errors)?;
    Ok(high)
}

fn chunks(session: &Session<'_>, high: sls::compile::High) -> Result<Value, Objection> {
    let low = session.compile(high)?;
    Ok(low
        .ordered()
        .map(|chunk| Value::Object(chunk.0.clone()))
        .collect())
}

fn low_of(session: &Session<'_>, mods: &[String]) -> Result<Value, Objection> {
    session.check_pillar()?;
    chunks(session, session.load_named(mods)?)
}
