//! A job of the schedule, made of the arguments that `schedule.add` and the state `schedule.present` take.

use serde_json::{Map, Value, json};

/// Arguments that become keys of the job as they are, in Salt's order.
const TIMES: [&str; 4] = ["seconds", "minutes", "hours", "days"];
const REST: [&str; 9] = [
    "range",
    "when",
    "once",
    "once_fmt",
    "cron",
    "after",
    "until",
    "run_on_start",
    "skip_during_range",
];
/// Arguments that say how the call is meant.
const OF_CALL: [&str; 3] = ["persist", "test", "offline"];
const OTHERS: [&str; 12] = [
    "function",
    "return_job",
    "metadata",
    "job_args",
    "job_kwargs",
    "maxrunning",
    "name",
    "enabled",
    "jid_include",
    "splay",
    "run_after_skip_range",
    "returner",
];

/// The job, or what is wrong with the arguments.
pub(crate) fn build(name: &str, kwargs: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let known = [&TIMES[..], &REST, &OF_CALL, &OTHERS].concat();
    let is_known = |key: &str| key.starts_with("__") || known.contains(&key);
    if let Some(key) = kwargs.keys().find(|key| !is_known(key)) {
        return Err(format!("there is no option {key:?} of a job"));
    }
    if name.is_empty() {
        return Err("Job name is required.".to_owned());
    }
    let has = |key: &str| kwargs.contains_key(key);
    if TIMES.into_iter().any(has) && (has("when") || has("cron")) {
        let text = "Unable to use \"seconds\", \"minutes\", \"hours\", or \"days\" with \"when\" or \"cron\" options.";
        return Err(text.to_owned());
    }
    if has("when") && has("cron") {
        return Err("Unable to use \"when\" and \"cron\" options together.  Ignoring.".to_owned());
    }
    if has("returner") {
        return Err("returner is not built: returns go to the hub as events".to_owned());
    }
    let mut item = Map::new();
    let function = kwargs.get("function");
    let function = function.ok_or_else(|| "function is required".to_owned())?;
    item.insert("function".to_owned(), function.clone());
    let mut copy = |key: &str, argument: &str, unset: Option<Value>| {
        let value = kwargs.get(argument).cloned().or(unset);
        item.extend(value.map(|value| (key.to_owned(), value)));
    };
    for key in TIMES.into_iter().chain(["return_job", "metadata"]) {
        copy(key, key, None);
    }
    if kwargs.get("job_args").is_some_and(|args| !args.is_array()) {
        return Err("job_args is not a list. please correct and try again.".to_owned());
    }
    if kwargs
        .get("job_kwargs")
        .is_some_and(|args| !args.is_object())
    {
        return Err("job_kwargs is not a dict. please correct and try again.".to_owned());
    }
    copy("args", "job_args", None);
    copy("kwargs", "job_kwargs", None);
    copy("maxrunning", "maxrunning", Some(json!(1)));
    copy("name", "name", Some(json!(name)));
    copy("enabled", "enabled", Some(json!(true)));
    copy("jid_include", "jid_include", Some(json!(true)));
    copy("splay", "splay", None);
    for key in REST.into_iter().chain(["run_after_skip_range"]) {
        copy(key, key, None);
    }
    Ok(item)
}
