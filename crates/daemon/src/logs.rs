//! Logs: lines for people or for machines, to standard error and a file, with a level that changes at run time.
//!
//! Texts of other nodes end up in logs, so control characters are written as `\u001b`: a line stays one line, and no
//! terminal obeys it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Libraries that tell every packet at the lower levels; they are heard at `trace` alone.
const TALKATIVE: [&str; 6] = [
    "quinn",
    "quinn_proto",
    "quinn_udp",
    "rustls",
    "hyper",
    "hyper_util",
];

/// Why logs can't be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file can't be opened.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Logs were set up twice in one process.
    #[error("logs are set up already")]
    Twice,
}

/// Changes logs at run time.
#[derive(Clone)]
pub struct LogControl {
    level: reload::Handle<Targets, Registry>,
    sink: Sink,
}

impl LogControl {
    /// Logs this level from now on.
    pub fn set_level(&self, level: LogLevel) {
        // The only failure is that the subscriber is gone, and then there are no logs to change.
        let _ = self.level.reload(targets(level));
    }

    /// Opens the file anew, after it was moved away by a rotation of logs.
    ///
    /// # Errors
    /// When it can't be opened; lines go on to the old one.
    pub fn reopen(&self) -> Result<(), LogError> {
        self.sink.reopen()
    }
}

/// Sends what the whole process logs where the settings say. Once in each process.
///
/// # Errors
/// When the file can't be opened, or logs are set up already.
pub fn init(settings: &LogSettings) -> Result<LogControl, LogError> {
    let (subscriber, control) = build(settings, true)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(control)
}

fn build(
    settings: &LogSettings,
    stderr: bool,
) -> Result<(impl tracing::Subscriber + Send + Sync + 'static, LogControl), LogError> {
    let sink = Sink::open(settings.file.clone(), stderr)?;
    let (filter, level) = reload::Layer::new(targets(settings.level));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(sink.clone());
    let lines = match settings.format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    Ok((subscriber, LogControl { level, sink }))
}

fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Quiet => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let talkative = match level {
        LevelFilter::TRACE => level,
        _ => level.min(LevelFilter::WARN),
    };
    Targets::new()
        .with_default(level)
        .with_targets(TALKATIVE.map(|name| (name, talkative)))
}

/// Where lines go.
#[derive(Clone)]
struct Sink {
    stderr: bool,
    file: Option<(PathBuf, Arc<Mutex<File>>)>,
}

impl Sink {
    fn open(path: Option<PathBuf>, stderr: bool) -> Result<Sink, LogError> {
        let file = match path {
            None => None,
            Some(path) => {
                let file = open_append(&path)?;
                Some((path, Arc::new(Mutex::new(file))))
            }
        };
        Ok(Sink { stderr, file })
    }

    fn reopen(&self) -> Result<(), LogError> {
        if let Some((path, file)) = &self.file {
            let new = open_append(path)?;
            *file.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
        Ok(())
    }
}

fn open_append(path: &PathBuf) -> Result<File, LogError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
        .map_err(|source| LogError::File {
            path: path.clone(),
            source,
        })
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Sink;
    fn make_writer(&'a self) -> Sink {
        self.clone()
    }
}

impl Write for Sink {
    /// Takes one whole line, which is how the formatter hands them over.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let escaped = escape(line);
        let to_file = match &self.file {
            Some((_, file)) => file
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write_all(&escaped),
            None => Ok(()),
        };
        if self.stderr {
            io::stderr().write_all(&escaped)?;
        }
        to_file.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line with its control characters made visible, all but the newline at its end. The form is that of JSON strings,
/// so that a JSON line stays one.
fn escape(line: &[u8]) -> Vec<u8> {
    let (body, end): (_, &[u8]) = match line.strip_suffix(b"\n") {
        Some(body) => (body, b"\n"),
        None => (line, b""),
    };
    let mut escaped = Vec::with_capacity(line.len());
    for c in String::from_utf8_lossy(body).chars() {
        if c.is_control() {
            escaped.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
        } else {
            escaped.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    escaped.extend_from_slice(end);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_made_visible() {
        for (line, expected) in [
            ("plain\n", "plain\n"),
            ("two\nlines\n", "two\\u000alines\n"),
            ("\u{1b}[2J\r\u{7f}", "\\u001b[2J\\u000d\\u007f"),
            ("\u{9b}31m grün", "\\u009b31m grün"),
        ] {
            assert_eq!(escape(line.as_bytes()), expected.as_bytes());
        }
    }

    fn logged(format: LogFormat, work: impl FnOnce(&LogControl)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let settings = LogSettings {
            level: LogLevel::Info,
            file: Some(path.clone()),
            format,
        };
        let (subscriber, control) = build(&settings, false).unwrap();
        tracing::subscriber::with_default(subscriber, || work(&control));
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_level_changes_at_run_time_and_libraries_stay_quiet() {
        let text = logged(LogFormat::Human, |control| {
            tracing::debug!("first");
            control.set_level(LogLevel::Debug);
            tracing::debug!("second");
            tracing::debug!(target: "quinn_proto", "packet");
            control.set_level(LogLevel::Error);
            tracing::warn!("third");
            control.set_level(LogLevel::Quiet);
            tracing::error!("fourth");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("second"), "{text}");
    }

    #[test]
    fn a_json_line_is_one_json_object_whatever_it_says() {
        let text = logged(LogFormat::Json, |_| {
            tracing::info!(id = "web\u{85}\n1", "hello\u{1b}[0m");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["id"], "web\u{85}\n1");
        assert_eq!(text.lines().count(), 1);
        assert!(!text.trim_end().contains(char::is_control));
    }

    #[test]
    fn a_rotated_file_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("log"), dir.path().join("log.1"));
        let sink = Sink::open(Some(path.clone()), false).unwrap();
        sink.clone().write_all(b"one\n").unwrap();
        std::fs::rename(&path, &old).unwrap();
        sink.reopen().unwrap();
        sink.clone().write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    }
}
