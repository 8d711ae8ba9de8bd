//! `test`: is the minion there, do arguments arrive, how do failures look.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::digest::{self, Algorithm};
use crate::python;
use crate::random;

/// The last Fibonacci number that fits in 64 bits.
const FIBONACCI_MAX: i64 = 93;

/// Steps after which `test.collatz` gives up.
const COLLATZ_STEPS_MAX: usize = 100_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "test.arg",
        "*args, **kwargs",
        "Show the positional and keyword arguments as they arrived.",
        "test.arg 1 'two' 3.1 txt='hello' wow='{a: 1, b: \"hello\"}'",
        |args, _| Ok(json!({"args": args.extra_args, "kwargs": args.extra_kwargs})),
    )
    .quick(),
    Function::new(
        "test.arg_clean",
        "*args, **kwargs",
        "Show the arguments as test.arg does, without the publisher's own (which never get this far).",
        "test.arg_clean 1 'two' txt='hello'",
        |args, _| Ok(json!({"args": args.extra_args, "kwargs": args.extra_kwargs})),
    )
    .quick(),
    Function::new(
        "test.arg_repr",
        "*args, **kwargs",
        "Show the arguments as Python would write them.",
        "test.arg_repr 1 'two' 3.1 txt='hello'",
        |args, _| {
            let kwargs = python::map_repr(&args.extra_kwargs);
            Ok(json!({"args": python::tuple_repr(&args.extra_args), "kwargs": kwargs}))
        },
    )
    .quick(),
    Function::new(
        "test.arg_type",
        "*args, **kwargs",
        "Show the type that each argument has after it was parsed.",
        "test.arg_type 1 'int'",
        arg_type,
    )
    .quick(),
    Function::new(
        "test.assertion",
        "assertion",
        "Fail unless the argument is true.",
        "test.assertion False",
        |args, _| {
            if args.flag("assertion") { Ok(Value::Null) } else { Err(Failure::exception("AssertionError", "")) }
        },
    )
    .quick(),
    Function::new(
        "test.collatz",
        "start",
        "Walk the Collatz sequence from a number down to 1. Answers the steps and the seconds that it took.",
        "test.collatz 3",
        collatz,
    ),
    Function::new(
        "test.echo",
        "text",
        "Answer the argument. Shows that values come through unchanged.",
        "test.echo 'foo bar baz quo qux'",
        |args, _| Ok(args.value("text").clone()),
    )
    .quick(),
    Function::new(
        "test.exception",
        "message='Test Exception'",
        "Fail as a broken function does, with this message.",
        "test.exception 'Oh noes!'",
        |args, _| Err(Failure::exception("Exception", python::text(args.value("message")))),
    )
    .quick(),
    Function::new("test.false", "", "Answer false.", "test.false", |_, _| Ok(json!(false))).quick(),
    Function::new(
        "test.fib",
        "num",
        "Compute a Fibonacci number (up to the 93rd). Answers it with the seconds that it took.",
        "test.fib 3",
        fib,
    ),
    Function::new(
        "test.kwarg",
        "**kwargs",
        "Show the keyword arguments as they arrived.",
        "test.kwarg num=1 txt='two' env='{a: 1, b: \"hello\"}'",
        |args, _| Ok(Value::Object(args.extra_kwargs.clone())),
    )
    .quick(),
    Function::new(
        "test.outputter",
        "data",
        "Answer the argument, to see how an outputter shows it.",
        "test.outputter foobar",
        |args, _| Ok(args.value("data").clone()),
    )
    .quick(),
    Function::new(
        "test.ping",
        "",
        "Answer true. Shows that the minion is up and takes jobs; this is no ICMP ping.",
        "test.ping",
        |_, _| Ok(json!(true)),
    )
    .quick(),
    Function::new(
        "test.rand_sleep",
        "max=60",
        "Sleep for a random whole number of seconds, at most max, then answer true.",
        "test.rand_sleep 60",
        rand_sleep,
    ),
    Function::new(
        "test.rand_str",
        "size=9999999999, hash_type=None",
        "The former name of test.random_hash.",
        "test.rand_str",
        random_hash,
    ),
    Function::new(
        "test.random_hash",
        "size=9999999999, hash_type=None",
        "Hash a random number between 1 and size. The algorithm is hash_type, else the configured hash_type, else sha256.",
        "test.random_hash hash_type=sha512",
        random_hash,
    ),
    Function::new(
        "test.retcode",
        "code=42",
        "Answer true with this return code.",
        "test.retcode 42",
        |args, env| {
            let code = args.integer("code")?;
            let code = i32::try_from(code).map_err(|_| Failure::invocation(format!("{code} is no return code")))?;
            env.set_retcode(code);
            Ok(json!(true))
        },
    )
    .quick(),
    Function::new(
        "test.sleep",
        "length",
        "Sleep for this many seconds, then answer true. Cancelling the job ends the sleep.",
        "test.sleep 20",
        |args, env| {
            let length = args.integer("length")?;
            let length = u64::try_from(length)
                .map_err(|_| Failure::exception("ValueError", "sleep length must be non-negative"))?;
            sleep(env, length)
        },
    ),
    Function::new("test.true", "", "Answer true.", "test.true", |_, _| Ok(json!(true))).quick(),
    Function::new(
        "test.try",
        "module, return_try_exception=False, **kwargs",
        "Call another function with the keyword arguments. When that fails answer nothing, or with \
         return_try_exception the text of the failure.",
        "test.try module=file.read path=/etc/motd",
        try_function,
    ),
    Function::new(
        "test.version",
        "",
        "The version of Banyan on the minion.",
        "test.version",
        |_, env| Ok(json!(env.ctx.version())),
    )
    .quick(),
    Function::new(
        "test.versions",
        "",
        "A report of the versions of Banyan and the system, as text.",
        "test.versions",
        versions_report,
    )
    .quick(),
    Function::new(
        "test.versions_information",
        "",
        "The versions of Banyan and the system, as data.",
        "test.versions_information",
        |_, env| Ok(versions(env)),
    )
    .quick(),
    Function::new(
        "test.versions_report",
        "",
        "A report of the versions of Banyan and the system, as text.",
        "test.versions_report",
        versions_report,
    )
    .quick(),
];

fn arg_type(args: &Args, _: &Env) -> Answer {
    let positional: Vec<&str> = args.extra_args.iter().map(python::type_name).collect();
    let named: Map<String, Value> = args
        .extra_kwargs
        .iter()
        .map(|(name, value)| (name.clone(), json!(python::type_name(value))))
        .collect();
    Ok(json!({"args": positional, "kwargs": named}))
}

fn collatz(args: &Args, _: &Env) -> Answer {
    let begin = Instant::now();
    let mut at = args.integer("start")?;
    if at < 1 {
        return Err(Failure::invocation(
            "the sequence starts from a positive number",
        ));
    }
    let mut steps = Vec::new();
    while at != 1 {
        steps.push(at);
        let next = if at % 2 == 0 {
            Some(at / 2)
        } else {
            at.checked_mul(3).and_then(|at| at.checked_add(1))
        };
        at = next
            .filter(|_| steps.len() < COLLATZ_STEPS_MAX)
            .ok_or_else(|| Failure::command("the sequence is too long or leaves 64 bits"))?;
    }
    Ok(json!([steps, begin.elapsed().as_secs_f64()]))
}

fn fib(args: &Args, _: &Env) -> Answer {
    let begin = Instant::now();
    let number = args.integer("num")?;
    if number < 0 {
        return Err(Failure::exception(
            "ValueError",
            "Negative number is not allowed!",
        ));
    }
    if number > FIBONACCI_MAX {
        return Err(Failure::invocation(format!(
            "numbers beyond the {FIBONACCI_MAX}rd do not fit in 64 bits"
        )));
    }
    let (mut current, mut next) = (0u64, 1u64);
    for _ in 0..number {
        (current, next) = (next, current.saturating_add(next));
    }
    Ok(json!([current, begin.elapsed().as_secs_f64()]))
}

fn rand_sleep(args: &Args, env: &Env) -> Answer {
    let max = u64::try_from(args.integer("max")?)
        .map_err(|_| Failure::exception("ValueError", "max must be non-negative"))?;
    sleep(env, random::below(max.saturating_add(1))?)
}

fn sleep(env: &Env, seconds: u64) -> Answer {
    if env.cancel.sleep(Duration::from_secs(seconds)) {
        return Err(Failure::command("the job was cancelled"));
    }
    Ok(json!(true))
}

fn random_hash(args: &Args, env: &Env) -> Answer {
    let configured = || {
        env.ctx
            .config("hash_type")
            .map(|value| python::text(&value))
    };
    let name = args
        .optional_text("hash_type")?
        .or_else(configured)
        .unwrap_or_else(|| "sha256".to_owned());
    let algorithm = Algorithm::named(&name)?;
    let size = u64::try_from(args.integer("size")?)
        .ok()
        .filter(|size| *size > 0);
    let size = size.ok_or_else(|| Failure::invocation("size must be positive"))?;
    let number = random::below(size)? + 1;
    Ok(json!(digest::of_bytes(
        algorithm,
        number.to_string().as_bytes()
    )))
}

fn try_function(args: &Args, env: &Env) -> Answer {
    let call = Call {
        fun: args.text("module")?,
        args: Vec::new(),
        kwargs: args.extra_kwargs.clone(),
    };
    // A command that ends with another code than 0 has answered; only a function that failed has not.
    match env.call(&call) {
        Ok(outcome) => Ok(outcome.value),
        Err(failure) if args.flag("return_try_exception") => Ok(json!(failure.to_string())),
        Err(_) => Ok(Value::Null),
    }
}

fn versions(env: &Env) -> Value {
    let grains = env.ctx.grains();
    let grain = |name: &str| grains.get(name).map(python::text).unwrap_or_default();
    json!({
        "Banyan Version": {"Banyan": env.ctx.version()},
        "System Versions": {
            "dist": format!("{} {} {}", grain("os").to_lowercase(), grain("osrelease"), grain("oscodename")).trim(),
            "machine": grain("cpuarch"),
            "release": grain("kernelrelease"),
            "system": grain("kernel"),
            "version": format!("{} {} {}", grain("osfullname"), grain("osrelease"), grain("oscodename")).trim(),
        },
    })
}

fn versions_report(_: &Args, env: &Env) -> Answer {
    let mut lines = Vec::new();
    for (title, rows) in versions(env).as_object().into_iter().flatten() {
        lines.push(format!("{title}:"));
        for (name, version) in rows.as_object().into_iter().flatten() {
            lines.push(format!("{name:>18}: {}", python::text(version)));
        }
        lines.push(String::new());
    }
    Ok(json!(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Outcome;
    use crate::cancel::{Cancel, CancelKind};
    use crate::testing::Host;

    #[test]
    fn answers() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        check(Call::new("test.ping"), json!(true));
        check(Call::new("test.true_"), json!(true));
        check(Call::new("test.false"), json!(false));
        check(Call::new("test.echo").arg(json!({"a": 1})), json!({"a": 1}));
        check(
            Call::new("test.arg").arg(1).kwarg("b", "c"),
            json!({"args": [1], "kwargs": {"b": "c"}}),
        );
        check(
            Call::new("test.arg_repr").arg(1).kwarg("b", "c"),
            json!({"args": "(1,)", "kwargs": "{'b': 'c'}"}),
        );
        let types = json!({"args": ["<class 'int'>"], "kwargs": {"b": "<class 'str'>"}});
        check(Call::new("test.arg_type").arg(1).kwarg("b", "c"), types);
        check(
            Call::new("test.kwarg").kwarg("x", json!(null)),
            json!({"x": null}),
        );
        check(Call::new("test.sleep").arg(0), json!(true));
        check(Call::new("test.rand_sleep").arg(0), json!(true));
        check(Call::new("test.version"), json!("1.2.3"));
        check(Call::new("test.try").arg("test.exception"), json!(null));
        check(
            Call::new("test.try").arg("test.echo").kwarg("text", "x"),
            json!("x"),
        );
        let nested = Call::new("test.try")
            .arg("test.exception")
            .kwarg("return_try_exception", true);
        check(nested, json!("Exception: Test Exception"));
    }

    #[test]
    fn numbers() {
        let host = Host::new();
        let first = |call: Call| host.call(call).value[0].clone();
        assert_eq!(first(Call::new("test.fib").arg(10)), json!(55));
        assert_eq!(
            first(Call::new("test.fib").arg(93)),
            json!(12_200_160_415_121_876_738u64)
        );
        assert_eq!(
            first(Call::new("test.collatz").arg(3)),
            json!([3, 10, 5, 16, 8, 4, 2])
        );
        for call in [
            Call::new("test.fib").arg(94),
            Call::new("test.fib").arg(-1),
            Call::new("test.collatz").arg(0),
        ] {
            assert!(!host.call(call).success);
        }
    }

    #[test]
    fn return_codes() {
        let host = Host::new();
        let outcome = host.call(Call::new("test.retcode"));
        assert_eq!(
            (outcome.value, outcome.retcode, outcome.success),
            (json!(true), 42, false)
        );
        let outcome = host.call(Call::new("test.echo").arg(json!({"result": false})));
        assert_eq!((outcome.retcode, outcome.success), (1, false));
        assert!(!host.call(Call::new("test.assertion").arg(false)).success);
        assert!(host.call(Call::new("test.assertion").arg(1)).success);
    }

    #[test]
    fn cancelled_sleep_fails() {
        let cancel = Cancel::new();
        cancel.cancel(CancelKind::Term);
        let outcome = Host::new().call_with(&Call::new("test.sleep").arg(3600), &cancel);
        assert_eq!(outcome, Outcome::failed("ERROR: the job was cancelled"));
    }

    #[test]
    fn random_hashes_differ() {
        let host = Host::new();
        let hash = |call: Call| host.call(call).value.as_str().unwrap().to_owned();
        assert_eq!(hash(Call::new("test.random_hash")).len(), 64);
        assert_eq!(
            hash(Call::new("test.random_hash").kwarg("hash_type", "md5")).len(),
            32
        );
        assert_ne!(
            hash(Call::new("test.rand_str")),
            hash(Call::new("test.rand_str"))
        );
        assert!(
            !host
                .call(Call::new("test.random_hash").kwarg("hash_type", "rot13"))
                .success
        );
    }
}
