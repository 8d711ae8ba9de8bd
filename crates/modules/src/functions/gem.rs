//! `gem`: packages of Ruby.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process::which;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "gem.install",
        "gems, ruby=None, gem_bin=None, runas=None, version=None, rdoc=False, ri=False, pre_releases=False, proxy=None, source=None",
        "Install gems (several with blanks between them).",
        "gem.install vagrant",
        install,
    ),
    Function::new(
        "gem.list",
        "prefix='', ruby=None, runas=None, gem_bin=None",
        "The versions of the gems that are installed, by name.",
        "gem.list",
        |args, env| {
            let told = gem(args, env, vec!["list".to_owned(), args.text("prefix")?])?;
            Ok(Value::Object(gems(told.as_str().unwrap_or_default())))
        },
    ),
    Function::new(
        "gem.uninstall",
        "gems, ruby=None, runas=None, gem_bin=None",
        "Remove gems, all versions of each.",
        "gem.uninstall vagrant",
        |args, env| {
            let mut words = vec!["uninstall".to_owned()];
            words.extend(args.text("gems")?.split_whitespace().map(str::to_owned));
            // The program would ask which versions and whether programs go too.
            words.extend(["-a", "-x"].map(str::to_owned));
            gem(args, env, words)
        },
    ),
    Function::new(
        "gem.update",
        "gems, ruby=None, runas=None, gem_bin=None",
        "Bring gems to their newest versions.",
        "gem.update vagrant",
        |args, env| {
            let mut words = vec!["update".to_owned()];
            words.extend(args.text("gems")?.split_whitespace().map(str::to_owned));
            gem(args, env, words)
        },
    ),
];

/// What the program says; false when it fails.
fn gem(args: &Args, env: &Env, words: Vec<String>) -> Answer {
    if args.flag("ruby") {
        return Err(Failure::invocation(
            "'ruby' is not served: name the program of that Ruby in gem_bin",
        ));
    }
    let program = match args.optional_text("gem_bin")? {
        Some(program) => program,
        None => {
            let found = which("gem").ok_or_else(|| Failure::MissingProgram("gem".to_owned()))?;
            found.to_string_lossy().into_owned()
        }
    };
    let mut line = vec![program];
    line.extend(words.into_iter().filter(|word| !word.is_empty()));
    let run = Call::new("cmd.run_all")
        .arg(line)
        .kwarg("runas", args.value("runas").clone())
        .kwarg("python_shell", false)
        .kwarg("ignore_retcode", true);
    let done = env.call(&run)?.value;
    if done["retcode"] == 0 {
        return Ok(done["stdout"].clone());
    }
    tracing::error!("gem: {}", python::text(&done["stderr"]));
    Ok(json!(false))
}

fn install(args: &Args, env: &Env) -> Answer {
    let mut words = vec!["install".to_owned()];
    words.extend(args.text("gems")?.split_whitespace().map(str::to_owned));
    if args.flag("version") {
        words.extend(["--version".to_owned(), args.text("version")?]);
    }
    match (args.flag("rdoc"), args.flag("ri")) {
        (false, false) => words.push("--no-document".to_owned()),
        (true, false) => words.push("--document=rdoc".to_owned()),
        (false, true) => words.push("--document=ri".to_owned()),
        (true, true) => words.push("--document=rdoc,ri".to_owned()),
    }
    if args.flag("pre_releases") {
        words.push("--pre".to_owned());
    }
    for (parameter, option) in [("proxy", "-p"), ("source", "--source")] {
        if args.flag(parameter) {
            words.extend([option.to_owned(), args.text(parameter)?]);
        }
    }
    gem(args, env, words)
}

/// Lines such as `rake (default: 13.0.6, 12.0.0)`.
fn gems(text: &str) -> Map<String, Value> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(" (")?;
        let (versions, _) = rest.rsplit_once(')')?;
        let versions: Vec<&str> = versions.split(", ").collect();
        (!name.contains(' ')).then(|| (name.to_owned(), json!(versions)))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;

    /// A gem that keeps the versions of its packages in files of a folder.
    pub(crate) fn fake(host: &Host) {
        let script = r#"kept=DIR; mkdir -p $kept; echo "$*" >> DIR.calls
        command=$1 name=$2
        case $command in
        list) for file in $kept/$name*; do [ -f "$file" ] && echo "$(basename $file) ($(cat $file))"; done; exit 0;;
        install) [ $name = none ] && { echo "could not find none" >&2; exit 2; }
            if [ "$3" = --version ]; then echo $4; else echo 1.0.0; fi > $kept/$name; echo installed;;
        uninstall) rm $kept/$name;;
        esac"#;
        host.program("gem", &script.replace("DIR", &host.path("gems")));
    }

    #[test]
    fn gems_come_and_go() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let call = |call: Call| host.call(call).value;
        assert_eq!(call(Call::new("gem.list")), json!({}));
        let install = Call::new("gem.install")
            .arg("rake")
            .kwarg("version", "1.2.3");
        assert_eq!(call(install), json!("installed"));
        assert_eq!(call(Call::new("gem.list")), json!({"rake": ["1.2.3"]}));
        assert_eq!(call(Call::new("gem.install").arg("none")), json!(false));
        assert_eq!(call(Call::new("gem.uninstall").arg("rake")), json!(""));
        let calls = std::fs::read_to_string(host.path("gems.calls")).unwrap();
        assert_eq!(
            calls,
            "list\ninstall rake --version 1.2.3 --no-document\nlist\ninstall none --no-document\nuninstall rake -a -x\n"
        );
        assert_eq!(
            json!(gems("rake (default: 13.0.6, 12.0.0)\n*** LOCAL GEMS ***\n")),
            json!({"rake": ["default: 13.0.6", "12.0.0"]})
        );
    }
}
