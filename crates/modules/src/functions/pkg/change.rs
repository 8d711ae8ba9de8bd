//! Installing, removing and holding.

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, wanted};
use crate::call::Call;
use crate::packages::{self, Options, Order, PackageManager, Removal, Wanted};
use crate::python;

pub(super) fn install(args: &Args, env: &Env) -> Answer {
    let manager = packages::manager(env)?;
    if let Some(answers) = args.optional_text("debconf")? {
        env.call(&Call::new("debconf.set_file").arg(answers))?;
    }
    let Some(order) = order(args, env, manager.as_ref())? else {
        return Ok(json!({}));
    };
    let mut options = Options::new(&args.extra_kwargs);
    for parameter in [
        "fromrepo",
        "skip_verify",
        "reinstall",
        "downloadonly",
        "ignore_epoch",
    ] {
        options = options.with(parameter, args.value(parameter).clone());
    }
    let refresh = python::is_true(args.value("refresh"));
    Ok(Value::Object(manager.install(&order, refresh, &options)?))
}

/// What a call asks for; nothing when it names no package.
fn order(args: &Args, env: &Env, manager: &dyn PackageManager) -> Result<Option<Order>, Failure> {
    let is_split = args
        .extra_kwargs
        .get("split_arch")
        .is_none_or(python::truthy);
    let (pkgs, sources) = (args.value("pkgs"), args.value("sources"));
    if python::truthy(pkgs) && python::truthy(sources) {
        return Err(Failure::invocation(
            "Only one of \"pkgs\" and \"sources\" is permitted.",
        ));
    }
    if python::truthy(sources) {
        let saltenv = args.extra_kwargs.get("saltenv").map(python::text);
        let files = packages::fetched(&Wanted::sources(sources), saltenv.as_deref(), env)?;
        return Ok((!files.is_empty()).then_some(Order::Files(files)));
    }
    let wanted = wanted(args, manager, args.flag("normalize") && is_split)?;
    Ok((!wanted.is_empty()).then_some(Order::Repository(wanted)))
}

pub(super) fn remove(args: &Args, env: &Env, removal: Removal) -> Answer {
    let manager = packages::manager(env)?;
    let wanted = wanted(args, manager.as_ref(), true)?;
    let options = Options::new(&args.extra_kwargs);
    Ok(Value::Object(manager.remove(&wanted, removal, &options)?))
}

pub(super) fn hold(args: &Args, env: &Env, is_held: bool) -> Answer {
    let (pkgs, sources) = (args.value("pkgs"), args.value("sources"));
    if python::truthy(pkgs) && python::truthy(sources) {
        return Err(Failure::invocation(
            "Only one of pkgs or sources can be specified.",
        ));
    }
    let names: Vec<String> = match (python::truthy(pkgs), python::truthy(sources)) {
        (true, _) => Wanted::parse(pkgs, str::to_owned)?
            .names()
            .cloned()
            .collect(),
        (_, true) => Wanted::sources(sources).names().cloned().collect(),
        _ => args.optional_text("name")?.into_iter().collect(),
    };
    if names.is_empty() {
        return Err(Failure::invocation(
            "One of name, pkgs, or sources must be specified.",
        ));
    }
    packages::manager(env)?
        .hold(&names, is_held, false)
        .map(Value::Object)
}
