//! `cargo xtask counts`: how many instructions the machines, the codec and the targets take for what they do most, beside the
//! record in the repository.
//!
//! Times say little on a machine that others use too; callgrind counts the same instructions in each run, to one in a
//! thousand. The benchmarks are those of `crates/sim/examples/counts`.

mod callgrind;
mod record;

use std::process::ExitCode;

use record::{Record, Verdict};

/// Count instructions and compare them with the record.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Write the record anew.
    #[arg(long)]
    record: bool,
    /// Count only benchmarks whose names begin like this.
    #[arg(long, value_name = "PREFIX", conflicts_with = "record")]
    only: Option<String>,
}

/// What was counted of one benchmark.
struct Count {
    name: String,
    instructions: u64,
    /// What it did so many of.
    units: u64,
    unit: String,
}

/// Builds, counts, prints the table, and says whether all stays within the record.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let root = crate::workspace::root()?;
    let compiler = callgrind::compiler(&root)?;
    let prefix = arguments.only.as_deref().unwrap_or_default();
    let counts = callgrind::count(&root, prefix)?;
    if arguments.record {
        let record = Record::of(compiler, &counts);
        print!("{}", record.table(&counts));
        record.write(&root)?;
        return Ok(ExitCode::SUCCESS);
    }
    let record = Record::read(&root)?;
    print!("{}", record.table(&counts));
    let Some(tolerance) = record.tolerance(&compiler) else {
        println!(
            "\nNot compared: the record is of {}, this is {}.",
            record.compiler, compiler
        );
        return Ok(ExitCode::SUCCESS);
    };
    if compiler != record.compiler {
        println!(
            "\nThe record is of {}, this is {}: up to {:.0} % more passes.",
            record.compiler,
            compiler,
            tolerance * 100.0
        );
    }
    let of = |verdict| -> Vec<&str> {
        counts
            .iter()
            .filter(|count| record.judge(count, tolerance) == verdict)
            .map(|count| count.name.as_str())
            .collect()
    };
    let gone = match arguments.only {
        Some(_) => Vec::new(),
        None => record.gone(&counts),
    };
    let findings = [
        (
            of(Verdict::Less),
            "need fewer instructions by far, so lower the record",
            false,
        ),
        (
            of(Verdict::More),
            "need more instructions than the record allows. callgrind_annotate target/counts/NAME.out shows where; if it has to \
             be, say so in the commit and raise the record",
            true,
        ),
        (of(Verdict::Unknown), "are not in the record", true),
        (gone, "are in the record and nowhere else", true),
    ];
    let mut is_good = true;
    for (names, what, is_fault) in findings {
        if !names.is_empty() {
            is_good &= !is_fault;
            println!(
                "\n{}: {what} (cargo xtask counts --record).",
                names.join(", ")
            );
        }
    }
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
