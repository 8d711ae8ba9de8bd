//! Which functions answer with results of states.

/// Functions whose values are results of states, without their module `state`.
const FUNCTIONS: [&str; 13] = [
    "apply",
    "check_request",
    "highstate",
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
    let name = fun
        .strip_prefix("state.")
        .map(|name| name.trim_end_matches('_'));
    name.is_some_and(|name| FUNCTIONS.contains(&name))
}
