//! Tablespaces.

use serde_json::{Map, Value, json};

use super::{Args, StateAnswer, StateEnv, changed, removed, returned};
use crate::failure::Failure;
use crate::postgres::{Server, by_column, cell, literal, quoted};
use crate::python;

const SELECT: &str = "SELECT spcname as \"Name\", pga.rolname as \"Owner\", spcacl as \"ACL\", spcoptions as \"Opts\", \
    pg_tablespace_location(pgts.oid) as \"Location\" FROM pg_tablespace pgts, pg_roles pga WHERE pga.oid = pgts.spcowner";

pub(super) fn present(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let (name, directory) = (args.text("name")?, args.text("directory")?);
    let owner = args
        .optional_text("owner")?
        .filter(|owner| !owner.is_empty());
    let options = match args.value("options") {
        Value::Object(options) => options.clone(),
        Value::Null => Map::new(),
        _ => return Err(Failure::invocation("options must be a dictionary")),
    };
    let all = all(server)?;
    let Some(found) = all.get(&name).and_then(Value::as_object) else {
        if env.is_test {
            return Ok(returned(
                None,
                format!("Tablespace {name} is set to be created"),
            ));
        }
        let owner = owner.map(|owner| format!(" OWNER {}", quoted(&owner)));
        let set: Vec<String> = options
            .iter()
            .map(|(key, value)| setting(key, value))
            .collect();
        let with = if set.is_empty() {
            String::new()
        } else {
            format!(" WITH ({})", set.join(", "))
        };
        let statement = format!(
            "CREATE TABLESPACE {}{} LOCATION {}{with}",
            quoted(&name),
            owner.unwrap_or_default(),
            literal(&directory)
        );
        if !server.execute(&statement)? {
            return Ok(returned(
                false,
                format!("Failed to create tablespace {name}"),
            ));
        }
        let comment = format!("The tablespace {name} has been created");
        return Ok(changed(true, comment, json!({name: "Present"})));
    };
    if cell(found, "Location") != directory && !env.is_test {
        let comment = format!(
            "Tablespace {name} is not at the right location. This is\n            unfixable without dropping and recreating the tablespace."
        );
        return Ok(returned(false, comment));
    }
    let mut done = returned(true, format!("Tablespace {name} is already present"));
    if let Some(owner) = owner.filter(|owner| cell(found, "Owner") != owner) {
        if env.is_test {
            done = returned(None, format!("Tablespace {name} owner to be altered"));
        } else if alter(server, &name, &format!("OWNER TO {}", quoted(&owner)))? {
            let comment = format!("Tablespace {name} owner changed");
            done = changed(true, comment, json!({name.as_str(): {"owner": owner}}));
        }
    }
    for (key, value) in &options {
        let shown = format!("{key}={}", python::text(value));
        if cell(found, "Opts").contains(&shown) {
            continue;
        }
        if env.is_test {
            let comment =
                format!("Tablespace {name} options to be\n                        altered");
            return Ok(returned(None, comment));
        }
        if alter(server, &name, &format!("SET ({})", setting(key, value)))? {
            done.comment = format!("Tablespace {name} opts changed");
            let change = done
                .changes
                .entry(name.as_str())
                .or_insert_with(|| json!({}));
            change["options"][key.as_str()] = value.clone();
        }
    }
    Ok(done)
}

pub(super) fn absent(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let name = args.text("name")?;
    let exists = all(server)?.contains_key(&name);
    removed(env, "Tablespace", &name, exists, || {
        server.execute(&format!("DROP TABLESPACE {}", quoted(&name)))
    })
}

fn all(server: &Server) -> Result<Map<String, Value>, Failure> {
    Ok(by_column(server.query(SELECT)?, "Name"))
}

fn alter(server: &Server, name: &str, how: &str) -> Result<bool, Failure> {
    server.execute(&format!("ALTER TABLESPACE {} {how}", quoted(name)))
}

/// An option in a statement.
fn setting(key: &str, value: &Value) -> String {
    format!("{} = {}", quoted(key), literal(&python::text(value)))
}
