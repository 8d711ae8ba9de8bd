//! One run of a program: input, output, and a time limit.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long one program may take to open one message.
pub const TIME_MAX: Duration = Duration::from_secs(60);
/// Most bytes that a message may hold.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;
/// Most bytes of an error that are shown.
const ERROR_BYTES_MAX: u64 = 8 << 10;
/// Searched after `PATH`, as service managers start daemons with a short one.
const USUAL_DIRECTORIES: &str = "/usr/local/bin:/usr/bin:/bin";

/// What a program gave.
#[derive(Debug)]
pub(crate) struct Given {
    /// Its output.
    pub(crate) output: Vec<u8>,
    /// What it says of errors.
    pub(crate) told: String,
    /// Whether it says that all went well.
    pub(crate) is_ok: bool,
}

/// Runs a program with English messages. None when there is no such program.
pub(crate) fn run(name: &str, args: &[OsString], input: &str) -> Result<Option<Given>, String> {
    run_within(TIME_MAX, name, args, input)
}

fn run_within(
    patience: Duration,
    name: &str,
    args: &[OsString],
    input: &str,
) -> Result<Option<Given>, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = if path.is_empty() {
        USUAL_DIRECTORIES.to_owned()
    } else {
        format!("{path}:{USUAL_DIRECTORIES}")
    };
    let started = Command::new(name)
        .args(args)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{name} cannot be started: {error}")),
    };
    let input = input.as_bytes().to_vec();
    let stdin = child.stdin.take();
    // It may end without reading all of it; what it says then decides.
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let output = gather(child.stdout.take(), OUTPUT_BYTES_MAX + 1);
    let told = gather(child.stderr.take(), ERROR_BYTES_MAX);
    let output = output.recv_timeout(patience);
    if output.is_err()
        || output
            .as_ref()
            .is_ok_and(|bytes| bytes.len() as u64 > OUTPUT_BYTES_MAX)
    {
        // One that has ended already needs no signal.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    let Ok(output) = output else {
        return Err(format!(
            "{name} does not answer within {} s",
            patience.as_secs()
        ));
    };
    if output.len() as u64 > OUTPUT_BYTES_MAX {
        return Err(format!("{name} gives more than {OUTPUT_BYTES_MAX} bytes"));
    }
    let told = told.recv_timeout(patience).unwrap_or_default();
    Ok(Some(Given {
        output,
        told: String::from_utf8_lossy(&told).trim().to_owned(),
        is_ok: status.success(),
    }))
}

/// Reads a stream to its end, but keeps so many bytes only.
fn gather(stream: Option<impl Read + Send + 'static>, max: u64) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // A broken pipe is the end.
            let _ = stream.by_ref().take(max).read_to_end(&mut bytes);
            // Nobody waits any more when the time was over.
            let _ = sender.send(bytes);
            let _ = io::copy(&mut stream, &mut io::sink());
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &str) -> Result<Option<Given>, String> {
        let args = ["-c", script].map(OsString::from);
        run_within(Duration::from_millis(500), "sh", &args, input)
    }

    #[test]
    fn a_program_is_bounded() {
        let given = shell("cat; echo no >&2; exit 3", "text").unwrap().unwrap();
        assert_eq!(
            (given.output.as_slice(), given.told.as_str(), given.is_ok),
            (&b"text"[..], "no", false)
        );
        assert!(
            shell("exec sleep 1000", "")
                .unwrap_err()
                .contains("does not answer")
        );
        assert!(shell("yes", "").unwrap_err().contains("more than"));
        assert!(shell("true", &"x".repeat(1 << 20)).unwrap().unwrap().is_ok);
        assert!(run("no-such-program", &[], "").unwrap().is_none());
    }
}
