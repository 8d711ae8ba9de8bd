//! `file.pruned`: an empty directory is not there.

use std::path::Path;

use serde_json::{Value, json};

use super::{Args, StateAnswer, StateEnv, StateFunction, begin, name_of};
use crate::call::Call;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.pruned",
    "name, recurse=False, ignore_errors=False, older_than=None",
    "Remove an empty directory. recurse: the empty directories below it too. ignore_errors: as many as can be removed. \
     older_than: only those whose content was changed more days ago.",
    pruned,
);

fn pruned(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let mut answer = begin(&name);
    if !Path::new(&name).is_dir() {
        answer.comment = format!("Directory {name} is not present");
        return Ok(answer);
    }
    if env.is_test {
        answer.result = None;
        answer.comment = format!("Directory {name} is set for removal");
        answer.changes.insert("deleted".to_owned(), json!(name));
        return Ok(answer);
    }
    let ignores_errors = args.flag("ignore_errors");
    let is_deep = args.flag("recurse") || ignores_errors;
    let call = Call::new("file.rmdir")
        .arg(name.as_str())
        .kwarg("recurse", is_deep)
        .kwarg("verbose", true)
        .kwarg("older_than", args.value("older_than").clone());
    let done = env.call(&call)?;
    let is_done = done["result"] == json!(true);
    let mut deleted: Vec<String> = done["deleted"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    deleted.sort();
    if is_deep && !deleted.is_empty() && (is_done || ignores_errors) {
        answer.comment = format!("Recursively removed empty directories under {name}");
        answer.changes.insert("deleted".to_owned(), json!(deleted));
    } else if is_done {
        if !is_deep {
            answer.comment = format!("Removed directory {name}");
            answer.changes.insert("deleted".to_owned(), json!(name));
        }
    } else {
        answer.result = Some(false);
        answer.comment = format!("Failed to remove directory {name}");
        for key in ["deleted", "errors"] {
            answer.changes.insert(key.to_owned(), done[key].clone());
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn empty_directories_go() {
        let host = Host::new();
        let name = host.path("d");
        std::fs::create_dir_all(host.path("d/a/b")).unwrap();
        let args = json!({"name": name});
        let refused = host.state("file.pruned", args.clone(), false);
        assert_eq!(
            refused.comment,
            format!("Failed to remove directory {name}")
        );
        let deep = json!({"name": name, "recurse": true});
        let done = host.applies("file.pruned", deep);
        let all = [name.clone(), host.path("d/a"), host.path("d/a/b")];
        assert_eq!(done.changes["deleted"], json!(all));
        let again = host.state("file.pruned", args, false);
        assert_eq!(again.comment, format!("Directory {name} is not present"));
        host.write("d/f", "");
        std::fs::create_dir(host.path("d/x")).unwrap();
        let some = json!({"name": name, "ignore_errors": true});
        let done = host.state("file.pruned", some, false);
        assert_eq!(done.changes["deleted"], json!([host.path("d/x")]));
    }
}
