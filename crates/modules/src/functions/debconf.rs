//! `debconf`: answers that packages find when they are installed.

use std::fs;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::python;
use crate::rendering;
use crate::tools::{Tools, Way};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "debconf.get_selections",
        "fetchempty=True",
        "All answers, by package. fetchempty=False: without those that are empty.",
        "debconf.get_selections",
        |args, env| {
            Ok(Value::Object(selections(
                &Tools::new(env),
                args.flag("fetchempty"),
            )?))
        },
    ),
    Function::new(
        "debconf.set",
        "package, question, type, value, *extra",
        "Set an answer.",
        "debconf.set wireshark-common wireshark-common/install-setuid boolean true",
        |args, env| {
            let mut words = vec![
                args.text("package")?,
                args.text("question")?,
                args.text("type")?,
                args.text("value")?,
            ];
            words.extend(args.extra_args.iter().map(python::text));
            set_text(&Tools::new(env), &format!("{}\n", words.join(" ")))
        },
    ),
    Function::new(
        "debconf.set_file",
        "path, saltenv='base', **kwargs",
        "Set the answers of a file (a path or salt://).",
        "debconf.set_file salt://pathto/pkg.selections",
        |args, env| match content(args, env)? {
            Some((_, text)) => set_text(&Tools::new(env), &String::from_utf8_lossy(&text)),
            None => Ok(json!(false)),
        },
    ),
    Function::new(
        "debconf.set_template",
        "path, template, context=None, defaults=None, saltenv='base', **kwargs",
        "Set the answers of a file that is rendered first. context, defaults: names for it.",
        "debconf.set_template salt://pathto/pkg.selections.jinja jinja {} {}",
        set_template,
    ),
    Function::new(
        "debconf.show",
        "name",
        "The answers of a package: question, type and value of each.",
        "debconf.show tzdata",
        |args, env| {
            Ok(selections(&Tools::new(env), true)?
                .shift_remove(&args.text("name")?)
                .unwrap_or(Value::Null))
        },
    ),
];

/// The answers of all packages.
pub(crate) fn selections(tools: &Tools, with_empty: bool) -> Result<Map<String, Value>, Failure> {
    let told = tools.output(&["debconf-get-selections"])?;
    let mut found = Map::new();
    for line in told.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.splitn(4, ['\t', ' ']);
        let (Some(package), Some(question), Some(kind)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let value = words.next().unwrap_or_default();
        if with_empty || !value.is_empty() {
            let list = found.entry(package.to_owned()).or_insert_with(|| json!([]));
            list.as_array_mut()
                .into_iter()
                .for_each(|list| list.push(json!([question, kind, value])));
        }
    }
    Ok(found)
}

/// Sets answers, one a line.
pub(crate) fn set_text(tools: &Tools, text: &str) -> Answer {
    let way = Way {
        stdin: Some(text.to_owned()),
        ..Way::default()
    };
    let finished = tools.run(&["debconf-set-selections"], &way)?;
    if finished.retcode != 0 {
        return Err(Failure::command(finished.stderr.to_string()));
    }
    Ok(json!(true))
}

/// The path and the bytes of a file; nothing when there is no such file.
fn content(args: &Args, env: &Env) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let call = Call::new("cp.cache_file")
        .arg(args.text("path")?)
        .arg(args.text("saltenv")?);
    let Value::String(path) = env.call(&call)?.value else {
        return Ok(None);
    };
    let text = fs::read(&path).map_err(|error| Failure::io(&path, error))?;
    Ok(Some((path, text)))
}

fn set_template(args: &Args, env: &Env) -> Answer {
    let Some((_, text)) = content(args, env)? else {
        return Ok(json!(false));
    };
    let (path, saltenv) = (args.text("path")?, args.text("saltenv")?);
    let mut context = args
        .value("defaults")
        .as_object()
        .cloned()
        .unwrap_or_default();
    context.extend(
        args.value("context")
            .as_object()
            .cloned()
            .unwrap_or_default(),
    );
    let source = sls::render::Source {
        saltenv: &saltenv,
        path: path.trim_start_matches("salt://"),
        text: &text,
        context,
        ..sls::render::Source::default()
    };
    let text = rendering::template(env, &source, &args.text("template")?)?;
    set_text(&Tools::new(env), &text)
}
