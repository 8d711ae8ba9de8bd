//! Which functions answer with results of states.

/// Functions whose values are results of states, without their module `state`.
const FUNCTIONS: [&str; 17] = [
    "apply",
    "check_request",
    "highstate",
    "orch",
    "orchestrate",
    "orchestrate_high",
    "orchestrate_single",
    "pkg",
    "request",
    "run_request",
    "single",
    "sls",
    "sls_id",
    "template",
    "template_str",
    "test",
    "top",
];

/// Whether the values of a function are results of states, which are shown as such unless another form is asked for.
pub fn is_of_states(fun: &str) -> bool {
    // States of the hub itself stand in the history under the name of their runner.
    let name = fun
        .strip_prefix("runner.")
        .unwrap_or(fun)
        .strip_prefix("state.")
        .map(|name| name.trim_end_matches('_'));
    name.is_some_and(|name| FUNCTIONS.contains(&name))
}
