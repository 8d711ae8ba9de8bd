//! `system`: power, clock and names of the host.

use std::fs;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::process::{query, which};
use crate::root;

const MACHINE_INFO: &str = "/etc/machine-info";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "system.get_computer_desc",
        "",
        "The description of the host; false when it has none.",
        "system.get_computer_desc",
        |_, env| description(env),
    ),
    Function::new(
        "system.get_computer_name",
        "",
        "The name of the host.",
        "system.get_computer_name",
        |_, env| called(env, Call::new("network.get_hostname")),
    ),
    Function::new(
        "system.get_system_date",
        "utc_offset=None",
        "The date. utc_offset: that of another zone, such as -0700.",
        "system.get_system_date",
        |args, _| told(args, "%a %m/%d/%Y"),
    ),
    Function::new(
        "system.get_system_date_time",
        "utc_offset=None",
        "Date and time. utc_offset: those of another zone, such as -0700.",
        "system.get_system_date_time",
        |args, _| told(args, "%Y-%m-%d %H:%M:%S"),
    ),
    Function::new(
        "system.get_system_time",
        "utc_offset=None",
        "The time. utc_offset: that of another zone, such as -0700.",
        "system.get_system_time",
        |args, _| told(args, "%I:%M:%S %p"),
    ),
    Function::new(
        "system.halt",
        "",
        "Halt the host.",
        "system.halt",
        |_, env| said_by(env, &["halt"]),
    ),
    Function::new(
        "system.has_settable_hwclock",
        "",
        "Whether the host has a clock in hardware that can be set.",
        "system.has_settable_hwclock",
        |_, env| Ok(json!(has_clock(env)?)),
    ),
    Function::new(
        "system.init",
        "runlevel",
        "Change the run level.",
        "system.init 3",
        |args, env| said_by(env, &["init", &args.text("runlevel")?]),
    ),
    Function::new(
        "system.poweroff",
        "",
        "Power the host off.",
        "system.poweroff",
        |_, env| said_by(env, &["poweroff"]),
    ),
    Function::new(
        "system.reboot",
        "at_time=None",
        "Start the host again, now or after at_time minutes.",
        "system.reboot",
        |args, env| said_by(env, &["shutdown", "-r", &when(args)?]),
    ),
    Function::new(
        "system.set_computer_desc",
        "desc",
        "Set the description of the host.",
        "system.set_computer_desc \"Lab of Michael\"",
        |args, env| describe(env, &args.text("desc")?),
    ),
    Function::new(
        "system.set_computer_name",
        "hostname",
        "Set the name of the host.",
        "system.set_computer_name master.example.com",
        |args, env| {
            let name = args.value("hostname").clone();
            called(env, Call::new("network.mod_hostname").arg(name))
        },
    ),
    Function::new(
        "system.set_system_date",
        "newdate, utc_offset=None",
        "Set the date: YYYY-MM-DD, MM-DD-YYYY, MM-DD-YY, MM/DD/YYYY, MM/DD/YY or YYYY/MM/DD.",
        "system.set_system_date 03-28-13",
        set_date,
    ),
    Function::new(
        "system.set_system_date_time",
        "years=None, months=None, days=None, hours=None, minutes=None, seconds=None, utc_offset=None",
        "Set date and time; what is not given stays as it is.",
        "system.set_system_date_time 2015 5 12 11 37 53 -0500",
        |args, env| {
            let now = now(args)?.datetime();
            let field = |name: &str, current: i64| match args.value(name) {
                Value::Null => Ok(current),
                _ => args.integer(name),
            };
            let wanted = [
                field("years", now.year().into())?,
                field("months", now.month().into())?,
                field("days", now.day().into())?,
                field("hours", now.hour().into())?,
                field("minutes", now.minute().into())?,
                field("seconds", now.second().into())?,
            ];
            set_clock(args, env, civil(wanted)?)
        },
    ),
    Function::new(
        "system.set_system_time",
        "newtime, utc_offset=None",
        "Set the time: HH:MM, HH:MM:SS, or either with AM or PM. False for another form.",
        "system.set_system_time '11:20:00 AM'",
        set_time,
    ),
    Function::new(
        "system.shutdown",
        "at_time=None",
        "Shut the host down, now or after at_time minutes.",
        "system.shutdown 5",
        |args, env| said_by(env, &["shutdown", "-h", &when(args)?]),
    ),
];

fn called(env: &Env, call: Call) -> Answer {
    env.call(&call).map(|outcome| outcome.value)
}

/// Runs a program and answers what it says.
fn said_by(env: &Env, argv: &[&str]) -> Answer {
    let done = query(argv, env.cancel)?;
    let text = format!("{}{}", &*done.stdout, &*done.stderr);
    if done.retcode != 0 {
        env.set_retcode(done.retcode);
    }
    Ok(json!(text.trim_end()))
}

fn when(args: &Args) -> Result<String, Failure> {
    Ok(if args.flag("at_time") {
        args.text("at_time")?
    } else {
        "now".to_owned()
    })
}

/// The present time in the zone of `utc_offset`, or in that of the host.
fn now(args: &Args) -> Result<Zoned, Failure> {
    let Some(offset) = args.optional_text("utc_offset")? else {
        return Ok(Zoned::now());
    };
    let zone = zone(&offset).ok_or_else(|| Failure::invocation("Invalid UTC offset"))?;
    Ok(Timestamp::now().to_zoned(zone))
}

/// The zone of an offset such as `-0700`.
fn zone(offset: &str) -> Option<TimeZone> {
    let (sign, digits) = match offset.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, offset.strip_prefix('+').unwrap_or(offset)),
    };
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let seconds = sign * (hours * 60 + minutes) * 60;
    Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

fn told(args: &Args, format: &str) -> Answer {
    Ok(json!(now(args)?.strftime(format).to_string()))
}

fn civil([years, months, days, hours, minutes, seconds]: [i64; 6]) -> Result<DateTime, Failure> {
    let small = |number: i64| i8::try_from(number).unwrap_or(-1);
    DateTime::new(
        i16::try_from(years).unwrap_or(-1),
        small(months),
        small(days),
        small(hours),
        small(minutes),
        small(seconds),
        0,
    )
    .map_err(|error| Failure::invocation(error.to_string()))
}

fn set_date(args: &Args, env: &Env) -> Answer {
    const FORMS: [&str; 6] = [
        "%Y-%m-%d", "%m-%d-%Y", "%m-%d-%y", "%m/%d/%Y", "%m/%d/%y", "%Y/%m/%d",
    ];
    let text = args.text("newdate")?;
    let parsed = FORMS
        .iter()
        .find_map(|form| strtime::parse(form, &text).ok()?.to_date().ok());
    let date = parsed.ok_or_else(|| Failure::invocation("Invalid date format"))?;
    let wanted = now(args)?.datetime().with().date(date).build();
    set_clock(
        args,
        env,
        wanted.map_err(|error| Failure::invocation(error.to_string()))?,
    )
}

fn set_time(args: &Args, env: &Env) -> Answer {
    const FORMS: [&str; 4] = ["%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M"];
    let text = args.text("newtime")?;
    let parsed = FORMS
        .iter()
        .find_map(|form| strtime::parse(form, &text).ok()?.to_time().ok());
    let Some(time) = parsed else {
        return Ok(json!(false));
    };
    let wanted = now(args)?.datetime().with().time(time).build();
    set_clock(
        args,
        env,
        wanted.map_err(|error| Failure::invocation(error.to_string()))?,
    )
}

/// Sets the clock of the system, and that in hardware after it.
fn set_clock(args: &Args, env: &Env, wanted: DateTime) -> Answer {
    let offset = args.optional_text("utc_offset")?;
    let (wanted, zone_option) = match offset.as_deref().and_then(zone) {
        Some(zone) => {
            let moment = wanted.to_zoned(zone);
            let moment = moment.map_err(|error| Failure::invocation(error.to_string()))?;
            (moment.with_time_zone(TimeZone::UTC).datetime(), Some("-u"))
        }
        None => (wanted, None),
    };
    let text = wanted.strftime("%m%d%H%M%Y.%S").to_string();
    let mut argv = vec!["date"];
    argv.extend(zone_option);
    argv.push(&text);
    let done = query(&argv, env.cancel)?;
    if done.retcode != 0 {
        let text = format!("date failed: {}", done.stderr.trim_end());
        return Err(Failure::command(text));
    }
    if has_clock(env)? {
        let done = query(&["hwclock", "--systohc"], env.cancel)?;
        if done.retcode != 0 {
            tracing::warn!("hwclock --systohc: {}", done.stderr.trim_end());
        }
    }
    Ok(json!(true))
}

fn has_clock(env: &Env) -> Result<bool, Failure> {
    if which("hwclock").is_none() {
        return Ok(false);
    }
    Ok(query(&["hwclock", "--test", "--systohc"], env.cancel)?.retcode == 0)
}

/// The value of a line of machine-info that sets the description, without quotes.
fn described(line: &str) -> Option<&str> {
    let value = line.trim_start().strip_prefix("PRETTY_HOSTNAME=")?.trim();
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    Some(inner('"').or_else(|| inner('\'')).unwrap_or(value))
}

fn description(env: &Env) -> Answer {
    let text = if which("hostnamectl").is_some() {
        let done = query(&["hostnamectl", "status", "--pretty"], env.cancel)?;
        Some(
            format!("{}{}", &*done.stdout, &*done.stderr)
                .trim_end()
                .to_owned(),
        )
    } else {
        let info = fs::read_to_string(root::path(MACHINE_INFO)).unwrap_or_default();
        info.lines()
            .filter_map(described)
            .next_back()
            .map(str::to_owned)
    };
    Ok(text.map_or(json!(false), |text| {
        let plain = text
            .replace("\\\\", "\\")
            .replace("\\\"", "\"")
            .replace("\\n", "\n")
            .replace("\\t", "\t");
        json!(plain)
    }))
}

fn describe(env: &Env, text: &str) -> Answer {
    let text = text
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace('\t', "\\t");
    if which("hostnamectl").is_some() {
        let done = query(
            &["hostnamectl", "set-hostname", "--pretty", &text],
            env.cancel,
        )?;
        return Ok(json!(done.retcode == 0));
    }
    let path = root::path(MACHINE_INFO);
    let info = fs::read_to_string(&path).unwrap_or_default();
    let new = format!("PRETTY_HOSTNAME=\"{text}\"");
    let mut lines: Vec<&str> = info.lines().collect();
    match lines.iter_mut().find(|line| described(line).is_some()) {
        Some(line) => *line = &new,
        None => lines.push(&new),
    }
    let content = lines.join("\n") + "\n";
    Ok(json!(
        replace(&path, content.as_bytes(), PUBLIC_MODE).is_ok()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    fn noted(host: &Host) -> String {
        fs::read_to_string(host.path("calls")).unwrap_or_default()
    }

    #[test]
    fn power_is_switched_by_the_usual_programs() {
        let host = Host::new();
        let _root = host.lend_root();
        for program in ["shutdown", "halt", "poweroff", "init"] {
            let script = format!("echo {program} \"$@\" >> {}; echo done", host.path("calls"));
            host.program(program, &script);
        }
        let call = |call: Call| assert_eq!(host.call(call).value, json!("done"));
        call(Call::new("system.reboot"));
        call(Call::new("system.reboot").arg(5));
        call(Call::new("system.shutdown"));
        call(Call::new("system.halt"));
        call(Call::new("system.poweroff"));
        call(Call::new("system.init").arg(3));
        assert_eq!(
            noted(&host),
            "shutdown -r now\nshutdown -r 5\nshutdown -h now\nhalt\npoweroff\ninit 3\n"
        );
    }

    #[test]
    fn clocks_are_set() {
        let host = Host::new();
        let _root = host.lend_root();
        host.program("date", &format!("echo \"$@\" >> {}", host.path("calls")));
        host.program("hwclock", "exit 1");
        let call = |fun: &str, args: &[Value], offset: Option<&str>| {
            let mut call = Call::new(fun);
            call.args = args.to_vec();
            if let Some(offset) = offset {
                call = call.kwarg("utc_offset", offset);
            }
            host.call(call).value
        };
        let when = [2015, 5, 12, 11, 37, 53].map(Value::from);
        assert_eq!(
            call("system.set_system_date_time", &when, None),
            json!(true)
        );
        assert_eq!(
            call("system.set_system_date_time", &when, Some("-0500")),
            json!(true)
        );
        assert_eq!(noted(&host), "051211372015.53\n-u 051216372015.53\n");
        for time in ["11:20:00 PM", "11:20 PM", "23:20:00", "23:20"] {
            assert_eq!(
                call("system.set_system_time", &[json!(time)], None),
                json!(true)
            );
        }
        assert_eq!(
            noted(&host)
                .lines()
                .filter(|line| line[4..].starts_with("2320"))
                .count(),
            4
        );
        assert_eq!(
            call("system.set_system_time", &[json!("noon")], None),
            json!(false)
        );
        for date in ["2013-03-28", "03-28-13", "03/28/2013"] {
            assert_eq!(
                call("system.set_system_date", &[json!(date)], None),
                json!(true)
            );
        }
        assert_eq!(
            noted(&host)
                .lines()
                .filter(|line| line.starts_with("0328"))
                .count(),
            3
        );
        let shown = call("system.get_system_date_time", &[], Some("+0000"));
        assert_eq!(shown.as_str().map(str::len), Some(19));
        assert_eq!(
            call("system.get_system_time", &[], Some("7")),
            json!("ERROR executing 'system.get_system_time': Invalid UTC offset")
        );
    }

    #[test]
    fn lines_that_describe_are_read() {
        assert_eq!(described(" PRETTY_HOSTNAME=\"a b\" "), Some("a b"));
        assert_eq!(described("PRETTY_HOSTNAME='a'"), Some("a"));
        assert_eq!(described("CHASSIS=vm"), None);
    }
}
