//! `npm`: packages of Node.js.

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process::which;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "npm.install",
        "pkg=None, pkgs=None, dir=None, runas=None, registry=None, env=None, dry_run=False, silent=True",
        "Install packages globally, or into a folder; without packages those that package.json of the folder needs.",
        "npm.install coffee-script@1.0.1",
        install,
    ),
    Function::new(
        "npm.list",
        "pkg=None, dir=None, runas=None, env=None, depth=None",
        "The packages that are installed globally, or in a folder.",
        "npm.list",
        list,
    ),
    Function::new(
        "npm.uninstall",
        "pkg, dir=None, runas=None, env=None",
        "Remove a package, globally or from a folder.",
        "npm.uninstall coffee-script",
        |args, env| {
            let done = npm(args, env, &["uninstall".to_owned(), args.text("pkg")?])?;
            if done["retcode"] != 0 {
                tracing::error!("npm: {}", python::text(&done["stderr"]));
            }
            Ok(json!(done["retcode"] == 0))
        },
    ),
];

/// Runs npm, globally where the call names no folder.
fn npm(args: &Args, env: &Env, words: &[String]) -> Answer {
    let program = which("npm").ok_or_else(|| Failure::MissingProgram("npm".to_owned()))?;
    let mut line = vec![program.to_string_lossy().into_owned()];
    line.extend_from_slice(words);
    let mut run = Call::new("cmd.run_all");
    if args.flag("dir") {
        run = run.kwarg("cwd", args.value("dir").clone());
    } else {
        line.push("--global".to_owned());
    }
    let run = run
        .arg(line)
        .kwarg("runas", args.value("runas").clone())
        .kwarg("env", args.value("env").clone())
        .kwarg("python_shell", false)
        .kwarg("ignore_retcode", true);
    env.call(&run).map(|outcome| outcome.value)
}

fn install(args: &Args, env: &Env) -> Answer {
    let mut words = vec!["install".to_owned(), "--json".to_owned()];
    if args.flag("silent") {
        words.push("--silent".to_owned());
    }
    if args.flag("registry") {
        words.push(format!("--registry={}", args.text("registry")?));
    }
    if args.flag("dry_run") {
        words.push("--dry-run".to_owned());
    }
    match args.value("pkgs") {
        _ if args.flag("pkg") => words.push(args.text("pkg")?),
        Value::Array(packages) => words.extend(packages.iter().map(python::text)),
        _ => {}
    }
    let done = npm(args, env, &words)?;
    let (out, error) = (python::text(&done["stdout"]), python::text(&done["stderr"]));
    if done["retcode"] != 0 {
        // With --silent, errors are told in JSON only.
        let said = if error.is_empty() { out } else { error };
        return Err(Failure::command(said));
    }
    let said = if out.is_empty() { error } else { out };
    Ok(json_in(&said).unwrap_or(Value::String(said)))
}

/// The JSON in an output that may hold other lines before it.
fn json_in(text: &str) -> Option<Value> {
    let mut starts = text.match_indices(['{', '[']).map(|(at, _)| at);
    let at = starts.find(|at| *at == 0 || text[..*at].ends_with('\n'))?;
    let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter();
    values.next()?.ok()
}

fn list(args: &Args, env: &Env) -> Answer {
    let mut words = ["list", "--json", "--silent"].map(str::to_owned).to_vec();
    if !args.value("depth").is_null() {
        words.push(format!("--depth={}", args.integer("depth")?));
    }
    if args.flag("pkg") {
        words.push(args.text("pkg")?);
    }
    let done = npm(args, env, &words)?;
    let error = python::text(&done["stderr"]);
    // Finding nothing ends with 1 too, in silence.
    if done["retcode"] != 0 && !error.is_empty() {
        return Err(Failure::command(error));
    }
    let told = python::text(&done["stdout"]);
    let told: Value = serde_json::from_str(&told)
        .map_err(|error| Failure::command(format!("npm list answers no JSON: {error}")))?;
    Ok(told.get("dependencies").cloned().unwrap_or(json!({})))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;

    /// An npm that keeps the names and versions of its packages in files of a folder.
    pub(crate) fn fake(host: &Host) {
        let script = r#"kept=DIR; mkdir -p $kept; echo "$*" >> DIR.calls
        command=$1; shift
        case $command in
        list) printf '{"dependencies": {'; comma=
            for file in $kept/*; do [ -f "$file" ] && printf '%s"%s": {"version": "%s"}' "$comma" "$(basename $file)" "$(cat $file)" && comma=', '; done
            echo '}}';;
        install) for word; do case $word in
            none) echo "npm error 404" >&2; exit 1;;
            -*) ;;
            *@*) echo ${word#*@} > $kept/${word%@*};;
            *) echo 1.0.0 > $kept/$word;;
            esac; done; echo 'hello'; echo '{"added": 1}';;
        uninstall) rm $kept/$1;;
        esac"#;
        host.program("npm", &script.replace("DIR", &host.path("npm")));
    }

    #[test]
    fn packages_come_and_go() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let call = |call: Call| host.call(call);
        assert_eq!(call(Call::new("npm.list")).value, json!({}));
        let install = Call::new("npm.install").kwarg("pkgs", json!(["a", "b@2.0.0"]));
        assert_eq!(
            call(install.kwarg("registry", "http://r")).value,
            json!({"added": 1})
        );
        assert_eq!(
            call(Call::new("npm.list")).value,
            json!({"a": {"version": "1.0.0"}, "b": {"version": "2.0.0"}})
        );
        assert_eq!(call(Call::new("npm.uninstall").arg("a")).value, json!(true));
        assert_eq!(
            call(Call::new("npm.uninstall").arg("a")).value,
            json!(false)
        );
        let failed = call(Call::new("npm.install").arg("none"));
        assert_eq!(failed.value, json!("ERROR: npm error 404"));
        let calls = std::fs::read_to_string(host.path("npm.calls")).unwrap();
        let install = "install --json --silent --registry=http://r a b@2.0.0 --global";
        assert_eq!(calls.lines().nth(1), Some(install));
    }
}
