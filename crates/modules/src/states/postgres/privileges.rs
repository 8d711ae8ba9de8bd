//! Privileges of roles on objects.

use serde_json::{Value, json};

use super::{Args, StateAnswer, StateEnv, changed, returned};
use crate::failure::Failure;
use crate::postgres::Server;
use crate::postgres::privileges::Privileges;

pub(super) fn present(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    kept(args, env, server, true)
}

pub(super) fn absent(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    kept(args, env, server, false)
}

fn kept(args: &Args, env: &StateEnv, server: &Server, wanted: bool) -> StateAnswer {
    let (role, object) = (args.text("name")?, args.text("object_name")?);
    let (kind, schema) = (args.text("object_type")?, args.text("prepend")?);
    let names = match args.value("privileges") {
        Value::Null => Vec::new(),
        Value::Array(_) => args.texts("privileges"),
        _ => return Err(Failure::invocation("privileges must be a list")),
    };
    let with_grant = wanted && args.flag("grant_option");
    let privileges = Privileges::new(&role, &object, &kind, &schema, &names, with_grant)?;
    let said = (!names.is_empty()).then(|| names.join(","));
    let shown = privileges.words(said.as_deref());
    let [kept, foretold, done, failed] = if wanted {
        [
            "The requested privilege(s) are already set".to_owned(),
            format!("The privilege(s): {shown} are set to be granted to {role}"),
            format!("The privilege(s): {shown} have been granted to {role}"),
            format!("Failed to grant privilege(s): {shown} to {role}"),
        ]
    } else {
        [
            "The requested privilege(s) are not set so cannot be revoked".to_owned(),
            format!("The privilege(s): {shown} are set to be revoked from {role}"),
            format!("The privilege(s): {shown} have been revoked from {role}"),
            format!("Failed to revoke privilege(s): {shown} from {role}"),
        ]
    };
    if privileges.are_set(server)? == wanted {
        return Ok(returned(true, kept));
    }
    if env.is_test {
        return Ok(returned(None, foretold));
    }
    let (is_done, word) = if wanted {
        (privileges.grant(server)?, "Present")
    } else {
        (privileges.revoke(server)?, "Absent")
    };
    Ok(if is_done {
        changed(true, done, json!({role.as_str(): word}))
    } else {
        returned(false, failed)
    })
}
