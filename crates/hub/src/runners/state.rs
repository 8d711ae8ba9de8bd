//! The runner module `state`: orchestrations. Their work is done in `orchestrate`.

use super::call::{Answer, Answered, Call, Trouble};
use super::{Runner, runner};

pub(super) const RUNNERS: &[Runner] = &[
    runner!(
        "state.orchestrate",
        "mods, saltenv='base', test=None, exclude=None, pillar=None, pillarenv=None, pillar_enc=None, orchestration_jid=None",
        orchestrate,
        "Run SLS of the hub itself, whose states order jobs over the tree: names with commas, or a list. It ends when its caller hangs up; \
         the command orchestrate follows one that does not."
    ),
    runner!(
        "state.orch",
        "mods, saltenv='base', test=None, exclude=None, pillar=None, pillarenv=None, pillar_enc=None, orchestration_jid=None",
        orchestrate,
        "As state.orchestrate."
    ),
    runner!(
        "state.sls",
        "mods, saltenv='base', test=None, exclude=None, pillar=None, pillarenv=None, pillar_enc=None, orchestration_jid=None",
        orchestrate,
        "As state.orchestrate."
    ),
    runner!(
        "state.orchestrate_single",
        "fun, name, test=None, queue=False, pillar=None, **kwargs",
        orchestrate,
        "Run one state of the hub itself, as fun=salt.runner name=manage.up."
    ),
    runner!(
        "state.orchestrate_high",
        "data, test=None, queue=False, pillar=None, **kwargs",
        orchestrate,
        "Run high data of the hub itself, as it stands in an SLS."
    ),
    runner!(
        "state.orchestrate_show_sls",
        "mods, saltenv='base', test=None, queue=False, pillar=None, pillarenv=None, pillar_enc=None",
        orchestrate,
        "The high data of SLS of the hub itself; nothing runs."
    ),
    runner!(
        "state.orch_show_sls",
        "mods, saltenv='base', test=None, queue=False, pillar=None, pillarenv=None, pillar_enc=None",
        orchestrate,
        "As state.orchestrate_show_sls."
    ),
    runner!(
        "state.event",
        "tagmatch='*', count=-1, quiet=False, sock_dir=None, pretty=False, node='master'",
        event,
        "Print events whose tags match a glob, a line for each, as they come; with count so many. The command line does it."
    ),
];

async fn event(_: Call<'_>) -> Answered {
    Err(Trouble::usage(
        "state.event prints at a command line; an orchestration waits with salt.wait_for_event",
    ))
}

async fn orchestrate(call: Call<'_>) -> Answered {
    let answered = call.service.orchestrated_call(&call).await;
    let (value, retcode) = answered.map_err(Trouble::refused)?;
    Ok(Answer { value, retcode })
}
