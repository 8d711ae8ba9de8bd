//! `disk`: making file systems, and how full they are. The program `df` is asked, because the call behind it can hang on a dead network
//! file system, and a program can be ended.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process::{self, which};

/// Options of df that may be passed through.
const DF_FLAGS: &str = "aBhHiklPtTxv";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "disk.blkid",
        "device=None, token=None",
        "Attributes of block devices: of all, of one, or of those that match a token such as TYPE=ext4. Needs the \
         program blkid.",
        "disk.blkid /dev/sda",
        blkid,
    ),
    Function::new(
        "disk.format",
        "device, fs_type='ext4', inode_size=None, lazy_itable_init=None, fat=None, force=False",
        "Make a file system on a device; false when that fails. force: also over another one.",
        "disk.format /dev/sdX1",
        format,
    ),
    Function::new(
        "disk.inodeusage",
        "args=None",
        "The use of inodes by mount point. args: further letters of options of df.",
        "disk.inodeusage",
        |args, env| {
            let rows = df(env, "-iP", &flags(args, "disk.inodeusage")?)?;
            Ok(table(&rows, ["inodes", "used", "free", "use"]))
        },
    ),
    Function::new(
        "disk.percent",
        "args=None",
        "How full file systems are in percent, by mount point; args: one mount point only.",
        "disk.percent /var",
        |args, env| {
            let rows = df(env, "-P", "")?;
            match args.optional_text("args")? {
                Some(wanted) => {
                    let row = rows.iter().find(|row| row.mount == wanted);
                    Ok(row.map_or_else(|| json!({}), |row| json!(row.columns[3])))
                }
                None => Ok(Value::Object(
                    rows.iter()
                        .map(|row| (row.mount.clone(), json!(row.columns[3])))
                        .collect(),
                )),
            }
        },
    ),
    Function::new(
        "disk.usage",
        "args=None",
        "The use of file systems by mount point. args: further letters of options of df.",
        "disk.usage",
        |args, env| {
            let rows = df(env, "-P", &flags(args, "disk.usage")?)?;
            Ok(table(&rows, ["1K-blocks", "used", "available", "capacity"]))
        },
    ),
];

struct Row {
    filesystem: String,
    columns: [String; 4],
    mount: String,
}

fn flags(args: &Args, fun: &str) -> Result<String, Failure> {
    let flags = args.optional_text("args")?.unwrap_or_default();
    if flags.chars().all(|flag| DF_FLAGS.contains(flag)) {
        return Ok(flags);
    }
    Err(Failure::command(format!("Invalid flag passed to {fun}")))
}

fn df(env: &Env, base: &str, flags: &str) -> Result<Vec<Row>, Failure> {
    let flags = format!("-{flags}");
    let argv: &[&str] = if flags == "-" {
        &["df", base]
    } else {
        &["df", base, &flags]
    };
    // One file system that cannot be read makes df fail, but the others are told.
    Ok(process::query(argv, env.cancel)?
        .stdout
        .lines()
        .filter_map(row)
        .collect())
}

fn row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.first() == Some(&"Filesystem") {
        return None;
    }
    // The names on both sides may hold spaces: the numbers between them are the anchor.
    let first = (1..words.len())
        .find(|at| words[*at].starts_with(|c: char| c.is_ascii_digit() || c == '-'))?;
    let [a, b, c, d] = words.get(first..first + 4)? else {
        return None;
    };
    let mount = words.get(first + 4..)?.join(" ");
    let columns = [a, b, c, d].map(|word| (*word).to_owned());
    Some(Row {
        filesystem: words[..first].join(" "),
        columns,
        mount,
    })
}

fn table(rows: &[Row], names: [&str; 4]) -> Value {
    let entry = |row: &Row| {
        let mut entry = Map::new();
        entry.insert("filesystem".to_owned(), json!(row.filesystem));
        entry.extend(
            names
                .iter()
                .zip(&row.columns)
                .map(|(name, column)| ((*name).to_owned(), json!(column))),
        );
        (row.mount.clone(), Value::Object(entry))
    };
    Value::Object(rows.iter().map(entry).collect())
}

fn blkid(args: &Args, env: &Env) -> Answer {
    let device = args.optional_text("device")?;
    let token = args.optional_text("token")?;
    if device
        .as_deref()
        .is_some_and(|device| !device.starts_with('/'))
    {
        return Err(Failure::invocation("device must be an absolute path"));
    }
    let argv: Vec<&str> = match (&device, &token) {
        (Some(device), _) => vec!["blkid", device],
        (None, Some(token)) => vec!["blkid", "-t", token],
        (None, None) => vec!["blkid"],
    };
    let finished = process::query(&argv, env.cancel)?;
    Ok(Value::Object(
        finished.stdout.lines().filter_map(attributes).collect(),
    ))
}

fn attributes(line: &str) -> Option<(String, Value)> {
    let (device, rest) = line.split_once(": ")?;
    let words = shlex::split(rest)?;
    let pairs = words.iter().filter_map(|word| word.split_once('='));
    let attributes: Map<String, Value> = pairs
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    Some((device.to_owned(), Value::Object(attributes)))
}

fn format(args: &Args, env: &Env) -> Answer {
    let kind = args.text("fs_type")?;
    let mut line = vec!["mkfs".to_owned(), "-t".to_owned(), kind.clone()];
    let mut add = |words: [String; 2]| line.extend(words);
    let is_ext = kind.starts_with("ext");
    if let Some(size) = args.optional_text("inode_size")? {
        match kind.as_str() {
            "xfs" => add(["-i".to_owned(), format!("size={size}")]),
            _ if is_ext => add(["-i".to_owned(), size]),
            _ => {}
        }
    }
    if let Some(lazy) = args.optional_text("lazy_itable_init")?
        && is_ext
    {
        add(["-E".to_owned(), format!("lazy_itable_init={lazy}")]);
    }
    if let Some(bits) = args.optional_text("fat")?
        && kind.ends_with("fat")
        && ["12", "16", "32"].contains(&bits.as_str())
    {
        add(["-F".to_owned(), bits]);
    }
    match kind.as_str() {
        "xfs" if args.flag("force") => line.push("-f".to_owned()),
        _ if is_ext && args.flag("force") => line.push("-F".to_owned()),
        _ => {}
    }
    line.push(args.text("device")?);
    let run = |line: Vec<String>| {
        let run = Call::new("cmd.retcode")
            .arg(line)
            .kwarg("python_shell", false);
        env.call(&run.kwarg("ignore_retcode", true))
    };
    // Found along the same PATH as the other tools.
    let program = which("mkfs").ok_or_else(|| Failure::MissingProgram("mkfs".to_owned()))?;
    line[0] = program.to_string_lossy().into_owned();
    let is_made = run(line)?.value == 0;
    Ok(json!(is_made && run(vec!["sync".to_owned()])?.value == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn output_is_read() {
        let rows: Vec<Row> = [
            "Filesystem 1024-blocks Used Available Capacity Mounted on",
            "/dev/a b 100 20 80 20% /mnt/c d",
        ]
        .into_iter()
        .filter_map(row)
        .collect();
        let expected = json!({"/mnt/c d": {
            "filesystem": "/dev/a b", "1K-blocks": "100", "used": "20", "available": "80", "capacity": "20%",
        }});
        assert_eq!(
            table(&rows, ["1K-blocks", "used", "available", "capacity"]),
            expected
        );
        let (device, found) = attributes("/dev/sda1: LABEL=\"a b\" TYPE=\"ext4\"").unwrap();
        assert_eq!(
            (device.as_str(), found),
            ("/dev/sda1", json!({"LABEL": "a b", "TYPE": "ext4"}))
        );
    }

    #[test]
    fn this_host_has_file_systems() {
        let host = Host::new();
        let usage = host.call(Call::new("disk.usage")).value;
        assert!(
            usage
                .as_object()
                .unwrap()
                .values()
                .all(|entry| entry["capacity"].is_string()),
            "{usage}"
        );
        assert!(
            host.call(Call::new("disk.percent").arg("/none"))
                .value
                .as_object()
                .unwrap()
                .is_empty()
        );
        let outcome = host.call(Call::new("disk.usage").arg("h;reboot"));
        assert_eq!(
            outcome.value,
            json!("ERROR: Invalid flag passed to disk.usage")
        );
    }
}
