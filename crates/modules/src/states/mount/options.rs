//! Whether the options of a mount are in force, as far as the kernel shows them.

use serde_json::Value;

use super::{Args, list};
use crate::functions::mount::active::{Active, by_number};
use crate::python;

/// Options that the kernel does not show.
const INVISIBLE: &[&str] = &[
    "_netdev",
    "actimeo",
    "bg",
    "comment",
    "defaults",
    "delay_connect",
    "direct-io-mode",
    "intr",
    "loop",
    "nointr",
    "nobootwait",
    "nofail",
    "password",
    "reconnect",
    "retry",
    "soft",
    "auto",
    "users",
    "bind",
    "nonempty",
    "transform_symlinks",
    "port",
    "backup-volfile-servers",
];

/// Options that the kernel does not show whatever their value.
const INVISIBLE_KEYS: &[&str] = &[
    "actimeo",
    "comment",
    "credentials",
    "direct-io-mode",
    "password",
    "port",
    "retry",
    "secretfile",
];

/// The options that are wanted and not in force, and the last one as it was looked for.
pub(super) fn missing(
    args: &Args,
    opts: &[String],
    fstype: &str,
    active: &Active,
) -> (Vec<String>, String) {
    let more = |name: &str| match args.value(name) {
        Value::Null => Vec::new(),
        value => list(value),
    };
    let (extra, extra_keys) = (
        more("extra_mount_invisible_options"),
        more("extra_mount_invisible_keys"),
    );
    let hidden = more("hidden_opts");
    let is_in = |known: &[&str], more: &[String], opt: &str| {
        known.contains(&opt) || more.iter().any(|known| known == opt)
    };
    let mut ignored_keys: Vec<String> = match fstype {
        "ramfs" => vec!["size".to_owned()],
        _ => Vec::new(),
    };
    if let Some(keys) = args.value("extra_mount_ignore_fs_keys").get(fstype) {
        ignored_keys = list(keys);
    }
    let (mut missing, mut last) = (Vec::new(), String::new());
    for opt in opts {
        let mut opt = translated(args, opt);
        let key = opt.split('=').next().unwrap_or_default().to_owned();
        if is_in(INVISIBLE_KEYS, &extra_keys, &key) {
            opt.clone_from(&key);
        }
        opt = in_kilobytes(&opt).unwrap_or(opt);
        if let Some(user) = opt.strip_prefix("user=").filter(|_| fstype == "cifs") {
            opt = format!("username={user}");
        }
        if ignored_keys.contains(&key) {
            opt = key;
        }
        opt = by_number(&opt);
        // Salt takes the size that is in force for whatever option it looks at.
        if let Some(size) = active.superopts.iter().find_map(|opt| in_kilobytes(opt)) {
            last = size;
            continue;
        }
        let is_in_force = active.opts.contains(&opt) || active.superopts.contains(&opt);
        let is_unseen = is_in(INVISIBLE, &extra, &opt)
            || hidden.contains(&opt)
            || ignored_keys.contains(&opt)
            || is_in(INVISIBLE_KEYS, &extra_keys, &opt);
        if !is_in_force && !is_unseen {
            missing.push(opt.clone());
        }
        last = opt;
    }
    missing.sort();
    (missing, last)
}

/// An option as the kernel names it.
fn translated(args: &Args, opt: &str) -> String {
    match args.value("extra_mount_translate_options").get(opt) {
        Some(other) => python::text(other),
        None if opt == "tcp" || opt == "udp" => format!("proto={opt}"),
        None => opt.to_owned(),
    }
}

/// A size as the kernel shows it; none for other options.
fn in_kilobytes(opt: &str) -> Option<String> {
    let size = opt.strip_prefix("size=")?;
    let digits = size.len() - size.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = size.get(..digits)?.parse().ok()?;
    let factor = match size.get(digits..)?.chars().next()? {
        'k' => 1,
        'm' => 1024,
        'g' => 1024 * 1024,
        _ => return None,
    };
    Some(format!("size={}k", number.checked_mul(factor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_kilobytes() {
        for (opt, expected) in [
            ("size=5m", Some("size=5120k")),
            ("size=2g", Some("size=2097152k")),
            ("size=7k", Some("size=7k")),
            ("size=50%", None),
            ("rw", None),
        ] {
            assert_eq!(in_kilobytes(opt).as_deref(), expected, "{opt}");
        }
    }
}
