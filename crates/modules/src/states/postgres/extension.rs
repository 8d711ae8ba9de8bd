//! Extensions of databases.

use serde_json::json;

use super::{Args, StateAnswer, StateEnv, changed, removed, returned};
use crate::postgres::Server;
use crate::postgres::extensions::{self, Need};

pub(super) fn absent(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let name = args.text("name")?;
    let exists = extensions::installed(server)?.contains_key(&name);
    removed(env, "Extension", &name, exists, || {
        let cascades = args.value("cascade").is_null() || args.flag("cascade");
        extensions::remove(
            server,
            &name,
            args.flag("if_exists"),
            cascades,
            args.flag("restrict"),
        )
    })
}

pub(super) fn present(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let name = args.text("name")?;
    let schema = args.optional_text("schema")?;
    let version = args.optional_text("ext_version")?;
    let (schema, version) = (schema.as_deref(), version.as_deref());
    let need = extensions::need(server, &name, schema, version)?;
    let verb = match need {
        Need::Nothing => {
            return Ok(returned(
                true,
                format!("Extension {name} is already present"),
            ));
        }
        Need::Install => "install",
        Need::Change { .. } => "upgrade",
    };
    let done = if verb.ends_with('e') { "d" } else { "ed" };
    if env.is_test {
        let comment = format!("Extension {name} is set to be {verb}{done}");
        return Ok(returned(None, comment));
    }
    let if_not_exists = args.value("if_not_exists").is_null() || args.flag("if_not_exists");
    let from = args.optional_text("from_version")?;
    let is_done = extensions::apply(
        server,
        &name,
        need,
        if_not_exists,
        schema,
        version,
        from.as_deref(),
    )?;
    if !is_done {
        return Ok(returned(
            false,
            format!("Failed to {verb} extension {name}"),
        ));
    }
    let word = if verb == "install" {
        "Installed"
    } else {
        "Upgraded"
    };
    let comment = format!("The extension {name} has been {verb}{done}");
    Ok(changed(true, comment, json!({name: word})))
}
