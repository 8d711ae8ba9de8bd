//! Databases.

use serde_json::{Map, Value, json};

use super::{Args, StateAnswer, StateEnv, changed, removed, returned};
use crate::failure::Failure;
use crate::postgres::databases::{self, Wanted};
use crate::postgres::{Server, cell};

pub(super) fn absent(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let name = args.text("name")?;
    let exists = databases::list(server)?.contains_key(&name);
    removed(env, "Database", &name, exists, || {
        databases::remove(server, &name)
    })
}

pub(super) fn present(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    if args.flag("owner_recurse") {
        return Err(Failure::invocation(
            "owner_recurse is not served: change the owner of the relations by REASSIGN OWNED, or leave it out",
        ));
    }
    let name = args.text("name")?;
    let said = |parameter: &str| -> Result<Option<String>, Failure> {
        let text = args.optional_text(parameter)?;
        Ok(text.filter(|text| !text.is_empty()))
    };
    let wanted = Wanted {
        tablespace: said("tablespace")?,
        encoding: said("encoding")?,
        collate: said("lc_collate")?,
        ctype: said("lc_ctype")?,
        owner: said("owner")?,
        template: said("template")?,
    };
    let all = databases::list(server)?;
    let Some(found) = all.get(&name).and_then(Value::as_object) else {
        if env.is_test {
            return Ok(returned(
                None,
                format!("Database {name} is set to be created"),
            ));
        }
        return Ok(if databases::create(server, &name, &wanted)? {
            let comment = format!("The database {name} has been created");
            changed(true, comment, json!({name: "Present"}))
        } else {
            returned(false, format!("Failed to create database {name}"))
        });
    };
    if !is_fixed_part_equal(found, &wanted) {
        let comment =
            format!("Database {name} has wrong parameters which couldn't be changed on fly.");
        return Ok(returned(false, comment));
    }
    let is_equal = |column: &str, wanted: &Option<String>| {
        wanted
            .as_ref()
            .is_none_or(|wanted| cell(found, column) == wanted)
    };
    if is_equal("Tablespace", &wanted.tablespace) && is_equal("Owner", &wanted.owner) {
        return Ok(returned(
            true,
            format!("Database {name} is already present"),
        ));
    }
    if env.is_test {
        let comment = format!("Database {name} exists, but parameters need to be changed");
        return Ok(returned(None, comment));
    }
    let (owner, tablespace) = (wanted.owner.as_deref(), wanted.tablespace.as_deref());
    Ok(if databases::alter(server, &name, owner, tablespace)? {
        let comment = format!("Parameters for database {name} have been changed");
        changed(true, comment, json!({name: "Parameters changed"}))
    } else {
        returned(
            false,
            format!("Failed to change parameters for database {name}"),
        )
    })
}

/// What a database keeps from its making on.
fn is_fixed_part_equal(found: &Map<String, Value>, wanted: &Wanted) -> bool {
    let of = |column: &str, wanted: &Option<String>| {
        wanted
            .as_ref()
            .is_none_or(|wanted| cell(found, column) == wanted)
    };
    let encoding = wanted.encoding.as_ref();
    encoding.is_none_or(|wanted| cell(found, "Encoding").eq_ignore_ascii_case(wanted))
        && of("Collate", &wanted.collate)
        && of("Ctype", &wanted.ctype)
}
