//! `salt-cp`: files of this host to minions.
//!
//! A file travels in pieces, a job for each; whoever did not take one gets no more. On the minion it grows beside its place, and
//! takes that with the last piece.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Parser;
use daemon::exit;
use output::{Form, ValueRendering};
use serde_json::{Map, Value, json};
use wire::OutcomeKind;
use wire::control::{Ask, Ledger, RunAsk, Tell};

use super::Old;
use super::options::{Common, refuse};
use crate::Session;
use crate::confirm::confirmed;
use crate::meaning::json as json_text;
use crate::targetargs::TargetArgs;
use crate::trouble::Trouble;

/// Bytes of a piece: as text they fit into the arguments of a job.
const PIECE: u64 = 128 << 10;
/// Bytes of all files together; what is bigger belongs into the roots.
const FILES_BYTES_MAX: u64 = 256 << 20;
/// Files that one call copies.
const FILES_MAX: usize = 1_000;

/// Copy files of this host to minions, as Salt's command does
#[derive(Debug, Parser)]
#[command(
    after_help = "docs/commands.md says option by option what is as in Salt. Files for many minions belong into the roots."
)]
pub(super) struct Arguments {
    /// Which minions, what, and where to
    #[arg(value_names = ["TARGET", "SOURCE", "DESTINATION"])]
    words: Vec<String>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    kind: TargetArgs,
    /// Taken, and without effect: files travel in pieces in any case
    #[arg(short = 'C', long)]
    chunked: bool,
    /// Taken, and without effect: lines between nodes are compressed by themselves
    #[arg(short = 'n', long)]
    no_compression: bool,
    /// Taken, and without effect: whether a minion still runs the job is known without asking it again
    #[arg(short = 't', long, value_name = "SECONDS")]
    timeout: Option<i64>,
    #[arg(short = 'R', long, hide = true)]
    range: bool,
}

/// A file that is copied.
struct Source {
    path: PathBuf,
    /// Its path below the destination, where a folder was named.
    below: Option<String>,
    mode: u32,
    length: u64,
}

impl Old for Arguments {
    fn common(&self) -> &Common {
        &self.common
    }

    fn carry_out(self, session: &mut Session<'_, '_>) -> Result<u8, Trouble> {
        refuse(&[(
            self.range,
            "--range",
            "there are no range servers; -L, -N and -C name minions",
        )])?;
        let [target, sources @ .., destination] = &self.words[..] else {
            return Err(usage());
        };
        if sources.is_empty() {
            return Err(usage());
        }
        let sources = found(sources)?;
        let mut told: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        let mut is_well = true;
        for source in &sources {
            is_well &= self.copy(session, target, source, destination, &mut told)?;
        }
        if told.is_empty() {
            session.print(
                "No minions matched the target. No command was sent, no jid was assigned.\n",
            )?;
            return Ok(exit::NOTHING_MATCHED);
        }
        let value: Map<String, Value> = told
            .into_iter()
            .map(|(id, files)| (id, Value::Object(files)))
            .collect();
        let out = &self.common.out;
        let rendering = ValueRendering {
            form: out.out.unwrap_or(Form::Nested),
            style: session.style,
            yaml: yaml::emit,
            indent: out.destination.out_indent,
        };
        session.print(&output::value(&Value::Object(value), &rendering))?;
        Ok(if is_well { exit::OK } else { exit::FAILED })
    }
}

fn usage() -> Trouble {
    Trouble::Usage("say whom, what and where to: salt-cp '*' FILE... DESTINATION".to_owned())
}

impl Arguments {
    /// Copies one file. False when somebody did not take all of it.
    fn copy(
        &self,
        session: &mut Session<'_, '_>,
        target: &str,
        source: &Source,
        destination: &str,
        told: &mut BTreeMap<String, Map<String, Value>>,
    ) -> Result<bool, Trouble> {
        let name = source.path.display().to_string();
        let mut file =
            File::open(&source.path).map_err(|error| unreadable(&source.path, &error))?;
        let (mut kind, mut target) = (self.kind.name().to_owned(), target.to_owned());
        let mut offset = 0;
        let mut is_well = true;
        loop {
            let mut piece = Vec::new();
            let read = Read::by_ref(&mut file).take(PIECE).read_to_end(&mut piece);
            read.map_err(|error| unreadable(&source.path, &error))?;
            let end = offset + piece.len() as u64;
            let is_last = end >= source.length || piece.is_empty();
            let mut kwargs = json!({
                "encoding": "base64", "offset": offset, "is_last": is_last, "mode": format!("{:04o}", source.mode),
            });
            if let Some(below) = &source.below {
                kwargs["below"] = json!(below);
            }
            let ask = RunAsk {
                target_kind: kind.clone(),
                target: target.clone(),
                site: self.kind.site.clone(),
                delimiter: self.kind.delimiter,
                fun: "cp.recv".to_owned(),
                args: json_text(
                    &json!([{ &name: data_encoding::BASE64.encode(&piece) }, destination]),
                ),
                kwargs: json_text(&kwargs),
                ..RunAsk::of(super::user(session))
            };
            let ledger = ran(session, Ask::Run(Box::new(ask)))?;
            let mut on: Vec<&str> = Vec::new();
            for row in &ledger.minions {
                let value = row.value.and_then(|at| ledger.values.get(at as usize));
                let value: Value = value
                    .and_then(|text| serde_json::from_slice(text).ok())
                    .unwrap_or_else(|| json!(row.kind.as_str()));
                let files = told.entry(row.id.clone()).or_default();
                match value {
                    Value::Object(paths) if row.kind == OutcomeKind::Ok => {
                        on.push(&row.id);
                        files.extend(paths);
                    }
                    other => {
                        is_well = false;
                        files.insert(name.clone(), other);
                    }
                }
            }
            if is_last || on.is_empty() {
                return Ok(is_well);
            }
            (kind, target) = ("list".to_owned(), on.join(","));
            offset = end;
        }
    }
}

/// Runs a job to its end, silently.
fn ran(session: &mut Session<'_, '_>, ask: Ask) -> Result<Ledger, Trouble> {
    let mut ask = ask;
    loop {
        let mut control = (session.connect)()?;
        control.ask(ask.clone())?;
        loop {
            match control.next(None)? {
                Some(Tell::Ledger(ledger)) => return Ok(*ledger),
                Some(Tell::Confirm(confirm)) => {
                    ask = confirmed(session.seat, ask, confirm)?;
                    break;
                }
                Some(Tell::Failed(failure)) => return Err(Trouble::Told(failure)),
                Some(_) => {}
                None => return Err(Trouble::NoAnswer),
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::Usage(format!("{}: {error}", path.display()))
}

/// The files that are named, and those below the folders that are.
fn found(named: &[String]) -> Result<Vec<Source>, Trouble> {
    let mut sources = Vec::new();
    for name in named {
        let path = PathBuf::from(name);
        let is_folder = fs::metadata(&path)
            .map_err(|error| unreadable(&path, &error))?
            .is_dir();
        if is_folder {
            let base = path.file_name().map(PathBuf::from).unwrap_or_default();
            walk(&path, &base, &mut sources)?;
        } else {
            add(path, None, &mut sources)?;
        }
    }
    let bytes: u64 = sources.iter().map(|source| source.length).sum();
    if bytes > FILES_BYTES_MAX {
        return Err(Trouble::Usage(format!(
            "{bytes} bytes are too many for salt-cp, which takes {FILES_BYTES_MAX}: put the files into the roots, and use cp.get_file"
        )));
    }
    Ok(sources)
}

fn walk(folder: &Path, below: &Path, sources: &mut Vec<Source>) -> Result<(), Trouble> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(folder, &error))?;
    paths.sort();
    for path in paths {
        let name = below.join(path.file_name().unwrap_or_default());
        // A link to a folder may lead in a circle.
        let kind = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if kind.is_dir() {
            walk(&path, &name, sources)?;
        } else if path.is_file() {
            add(path, Some(name.display().to_string()), sources)?;
        }
    }
    Ok(())
}

fn add(path: PathBuf, below: Option<String>, sources: &mut Vec<Source>) -> Result<(), Trouble> {
    if sources.len() == FILES_MAX {
        return Err(Trouble::Usage(format!(
            "more than {FILES_MAX} files: put them into the roots, and use cp.get_dir"
        )));
    }
    let metadata = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
    sources.push(Source {
        mode: metadata.permissions().mode() & 0o7777,
        length: metadata.len(),
        path,
        below,
    });
    Ok(())
}
