//! The top-master: the hub at the root of the tree, its command line, and the commands that make a tree.
//!
//! Its command line is that of `cli`, its daemon that of `hub`; a top-master is a hub without parents.

use std::process::ExitCode;

use cli::{Globals, JoinStep, LocalCommand, Program};
use daemon::config::{HubConfig, ProcessEnvironment};
use daemon::exit;
use pki::Fingerprint;

fn main() -> ExitCode {
    cli::main(Program::TopMaster, local)
}

fn local(globals: &Globals, command: LocalCommand) -> ExitCode {
    let id = match &command {
        LocalCommand::Init(init) => init.id.clone(),
        LocalCommand::Join(JoinStep::Request { id, .. }) => id.clone(),
        LocalCommand::Serve
        | LocalCommand::Join(_)
        | LocalCommand::JobCache(_)
        | LocalCommand::Journal(_) => None,
    };
    let mut sources = globals.sources(Program::TopMaster, &ProcessEnvironment);
    if let Some(id) = &id {
        sources.flags.push(("id", id.clone()));
    }
    let config = match sources.hub() {
        Ok(config) => config,
        Err(errors) => return fail(exit::CONFIG, &errors.to_string()),
    };
    let done = match command {
        LocalCommand::Serve => hub::serve::serve(config),
        LocalCommand::Init(_) => init(&config, id.is_some()),
        LocalCommand::JobCache(step) => step.run(&config),
        LocalCommand::Journal(args) => args.run(&config),
        LocalCommand::Join(step) => join(&config, step, id.is_some()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(exit::INTERNAL, &format!("{error:#}")),
    }
}

fn init(config: &HubConfig, keep_id: bool) -> anyhow::Result<()> {
    let made = hub::init::init(config)?;
    if keep_id {
        keep_the_id(config)?;
    }
    let fingerprint = Fingerprint::from(made.tree);
    println!("Made the tree {fingerprint}");
    eprintln!(
        "Keys are in {}; root.key there signs for the whole tree: back it up, or move it to a safe place.",
        made.keys.display()
    );
    eprintln!(
        "Start the daemon with `top-master serve`. Nodes join with this in their configuration:"
    );
    eprintln!("  master_finger: {fingerprint}");
    Ok(())
}

fn join(config: &HubConfig, step: JoinStep, keep_id: bool) -> anyhow::Result<()> {
    match step {
        JoinStep::Request { request, .. } => {
            let fingerprint = hub::init::request_admission(config, &request)?;
            if keep_id {
                keep_the_id(config)?;
            }
            println!("{fingerprint}");
            eprintln!(
                "Carry {} to a top-master of the tree, and there run `top-master join admit {0} ADMISSION`; it shows this fingerprint.",
                request.display()
            );
        }
        JoinStep::Admit { request, admission } => {
            let fingerprint = hub::init::admit(config, &request, &admission)?;
            println!("{fingerprint}");
            eprintln!(
                "Carry {} back to the new top-master, and there run `top-master join complete {0}`.",
                admission.display()
            );
        }
        JoinStep::Complete { admission } => {
            let tree = hub::init::complete(config, &admission)?;
            println!("{}", Fingerprint::from(tree));
            eprintln!(
                "This top-master belongs to the tree above; compare it with `top-master identity` of the other one."
            );
        }
    }
    Ok(())
}

/// An id that was given once is that of the daemon too: it goes into a configuration file, where there is none yet.
fn keep_the_id(config: &HubConfig) -> anyhow::Result<()> {
    let path = config.paths.config_file();
    if path.exists() {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&path, format!("id: {}\n", config.id))?;
    Ok(())
}

fn fail(code: u8, text: &str) -> ExitCode {
    eprintln!("top-master: {text}");
    ExitCode::from(code)
}
