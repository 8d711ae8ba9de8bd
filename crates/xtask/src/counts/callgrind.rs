//! The benchmarks, built and run under callgrind.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::Count;
use super::record::Compiler;
use crate::workspace::{cargo, output, target};

/// Without these glibc copies bytes in steps as wide as a vector. With them a long copy is one instruction that callgrind
/// counts once for each byte, and then copies are most of what it counts.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");

/// The compiler that cargo uses.
pub fn compiler(root: &Path) -> anyhow::Result<Compiler> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = output(Command::new(rustc).arg("-vV").current_dir(root))?;
    let value = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key));
        value.map(str::to_owned)
    };
    Ok(Compiler {
        rustc: value("rustc ").context("rustc does not say its version")?,
        host: value("host: ").context("rustc does not say its host")?,
    })
}

/// Counts the benchmarks whose names begin with `prefix`. Profiles stay in target/counts/, one of each.
pub fn count(root: &Path, prefix: &str) -> anyhow::Result<Vec<Count>> {
    let program = build(root)?;
    let list = output(&mut Command::new(&program))?;
    list.lines()
        .filter(|line| line.starts_with(prefix))
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut word = || {
                words
                    .next()
                    .with_context(|| format!("no benchmark: {line}"))
            };
            let (name, units, unit) = (word()?, word()?, word()?);
            Ok(Count {
                name: name.to_owned(),
                instructions: instructions(&program, root, name)?,
                units: units.parse()?,
                unit: unit.to_owned(),
            })
        })
        .collect()
}

fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let status = Command::new(cargo())
        .args(["build", "--profile=counts", "--locked"])
        .args(["--package=sim", "--example=counts"])
        .current_dir(root)
        .status()
        .context("can't start cargo")?;
    ensure!(status.success(), "the benchmarks do not build");
    Ok(target(root).join("counts/examples/counts"))
}

fn instructions(program: &Path, root: &Path, name: &str) -> anyhow::Result<u64> {
    let profile = target(root).join(format!("counts/{}.out", name.replace('/', "-")));
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg("--toggle-collect=*counts::measured")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .arg(name)
        .env(TUNABLES.0, TUNABLES.1);
    output(&mut command).context("valgrind comes with tests/packages.sh test")?;
    let text = std::fs::read_to_string(&profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total
        .with_context(|| format!("{} has no total", profile.display()))?
        .trim()
        .parse()?;
    ensure!(
        total > 0,
        "nothing was counted of {name}: callgrind did not find `measured`"
    );
    Ok(total)
}
