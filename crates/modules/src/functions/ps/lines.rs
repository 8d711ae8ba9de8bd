//! Lines about a name in the output of programs that tell of processes.

use serde_json::{Value, json};

use super::super::{Answer, Args, Env, Failure};
use crate::pattern;
use crate::process::query;

/// The name, and the lines of a program's output that hold it.
pub(super) fn holding(args: &Args, env: &Env, argv: &[&str]) -> Answer {
    let name = args.text("name")?;
    let told = query(argv, env.cancel)?;
    let found: Vec<&str> = told
        .stdout
        .lines()
        .filter(|line| line.contains(&name))
        .collect();
    Ok(json!([name, found]))
}

/// `ps.psaux`: the lines of processes that a regular expression matches, and how many they are.
pub(super) fn psaux(args: &Args, env: &Env) -> Answer {
    let name = args.text("name")?;
    let regex = pattern::build(&name, false)
        .ok_or_else(|| Failure::invocation(format!("invalid regular expression '{name}'")))?;
    let told = query(&["ps", "aux"], env.cancel)?;
    let found: Vec<&str> = told
        .stdout
        .lines()
        .filter(|line| regex.is_match(line))
        .collect();
    let count = format!("{} occurrence(s).", found.len());
    Ok(json!([name, found, count]))
}

/// `ps.lsof`: the open files of the programs of a name.
pub(super) fn lsof(args: &Args, env: &Env) -> Answer {
    let name = args.text("name")?;
    let told = query(&["lsof", "-c", &name], env.cancel)?;
    Ok(json!([name, Value::from(told.stdout.trim_end())]))
}

#[cfg(test)]
mod tests {
    use crate::call::Call;
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn lines_are_found() {
        let host = Host::new();
        let _root = host.lend_root();
        host.program(
            "ps",
            "echo 'root 1 init'; echo 'www 2 nginx: a'; echo 'www 3 nginx: b'",
        );
        host.program("ss", "echo \"$*\"; echo 'tcp nginx'");
        let psaux = host.call(Call::new("ps.psaux").arg("^www.*nginx")).value;
        assert_eq!(
            psaux,
            json!([
                "^www.*nginx",
                ["www 2 nginx: a", "www 3 nginx: b"],
                "2 occurrence(s)."
            ])
        );
        let ss = host.call(Call::new("ps.ss").arg("nginx")).value;
        assert_eq!(ss, json!(["nginx", ["tcp nginx"]]));
    }
}
