//! `test`: whether runners are reached, and how their arguments arrive.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Answered, Call, Trouble};
use super::{Runner, config, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("test.arg", "*args, **kwargs", arg, "The arguments as they arrived."),
    runner!("test.raw_arg", "*args, **kwargs", arg, "As test.arg: the hub adds none of its own."),
    runner!("test.metasyntactic", "locality='us'", metasyntactic, "Words for things without a name, in the manner of us or uk."),
    runner!("test.sleep", "s_time=10", sleep, "Wait so many seconds, an hour at most."),
    runner!("test.stream", "", stream, "Tell of progress by events for ten seconds."),
    runner!("test.get_opts", "", config::values, "The settings of this hub, as config.values shows them."),
];

const SLEEP_MAX: Duration = Duration::from_secs(3_600);
const STEP: Duration = Duration::from_millis(100);

async fn arg(call: Call<'_>) -> Answered {
    Ok(json!({ "args": call.args.extra_args, "kwargs": call.args.extra_kwargs }).into())
}

async fn metasyntactic(call: Call<'_>) -> Answered {
    let words: &[&str] = match call.text("locality")?.as_str() {
        "us" => &[
            "foo", "bar", "baz", "qux", "quux", "quuz", "corge", "grault", "garply", "waldo",
            "fred", "plugh", "xyzzy", "thud",
        ],
        "uk" => &["wibble", "wobble", "wubble", "flob"],
        _ => return Ok(Value::Null.into()),
    };
    Ok(json!(words).into())
}

async fn sleep(call: Call<'_>) -> Answered {
    let time = call.seconds("s_time")?.unwrap_or_default();
    if time > SLEEP_MAX {
        return Err(Trouble::usage("s_time is an hour at most"));
    }
    tokio::time::sleep(time).await;
    Ok(Value::from(true).into())
}

async fn stream(call: Call<'_>) -> Answered {
    for percent in 1..100 {
        call.progress(&format!("Runner is {percent}% done"));
        tokio::time::sleep(STEP).await;
    }
    Ok(Value::from(true).into())
}
