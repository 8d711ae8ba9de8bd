//! Words of a state that are for the engine and not for the state's function.

/// Requisites that a state may hold as lists: those of the graph, `listen` and Salt's `onfail_stop`.
pub(super) const REQUISITES: &[&str] = &[
    "onfail",
    "onfail_any",
    "onfail_all",
    "require",
    "require_any",
    "onchanges",
    "onchanges_any",
    "watch",
    "watch_any",
    "prereq",
    "prerequired",
    "listen",
    "onfail_stop",
];

/// Requisites that are written at the other end, and `use`: they are resolved on the high data.
pub(super) const REQUISITES_IN: &[&str] = &[
    "require_in",
    "watch_in",
    "onfail_in",
    "onchanges_in",
    "use",
    "use_in",
    "prereq_in",
];

/// What `use` never hands on, beside the names and what the other state says itself.
pub(super) fn is_kept_from_use(argument: &str) -> bool {
    const KEPT: &[&str] = &[
        "require",
        "watch",
        "prereq",
        "onfail",
        "onfail_stop",
        "onchanges",
        "name",
        "names",
    ];
    KEPT.contains(&argument) || REQUISITES_IN.contains(&argument)
}

/// Whether a key is the engine's own, such as `__sls__`, and no state or id.
pub(super) fn is_internal(key: &str) -> bool {
    key.starts_with("__")
}

/// Arguments that whoever calls the function looks at.
const CONTROLS: &[&str] = &[
    "aggregate",
    "check_cmd",
    "cmd_opts_exclude",
    "creates",
    "failhard",
    "fire_event",
    "fun",
    "listen_in",
    "name",
    "no_log",
    "onlyif",
    "order",
    "parallel",
    "reload_grains",
    "reload_modules",
    "reload_pillar",
    "retry",
    "runas",
    "runas_password",
    "saltenv",
    "state",
    "umask",
    "unless",
];

/// Whether an argument of a state is for the engine: no function hears of it but one that has a parameter of this very name.
pub fn is_for_engine(argument: &str) -> bool {
    is_internal(argument)
        || [REQUISITES, REQUISITES_IN, CONTROLS]
            .iter()
            .any(|words| words.contains(&argument))
}
