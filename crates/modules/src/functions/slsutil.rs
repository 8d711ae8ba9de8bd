//! `slsutil`: what state files and templates need of each other: maps merged, values as texts, files rendered and found.

use data::{Serializer, SerializerError, Strategy};
use serde_json::{Map, Value, json};
use sls::render::{DEFAULT_PIPELINE, Data};

use super::{Answer, Args, Env, Failure, Function};
use crate::python;
use crate::rendering::with_renderer;
use crate::{banner, source};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "slsutil.banner",
        "width=72, commentchar='#', borderchar='#', blockstart=None, blockend=None, title=None, text=None, newline=False",
        "A comment for the head of a managed file: a box of this width with a title and a text.",
        "slsutil.banner",
        |args, _| {
            let banner = banner::Banner {
                width: usize::try_from(args.integer("width")?).unwrap_or_default(),
                comment: args.text("commentchar")?,
                border: args.text("borderchar")?,
                start: args.optional_text("blockstart")?,
                end: args.optional_text("blockend")?,
                title: args.optional_text("title")?,
                text: args.optional_text("text")?,
            };
            let text = banner.draw();
            let text = text.ok_or_else(|| {
                Failure::exception("ArgumentValueError", "Width is too small to render banner")
            })?;
            Ok(json!(if args.flag("newline") {
                text + "\n"
            } else {
                text
            }))
        },
    ),
    Function::new(
        "slsutil.boolstr",
        "value, true='true', false='false'",
        "One of two texts, by the truth of a value.",
        "slsutil.boolstr True yes no",
        |args, _| {
            Ok(args
                .value(if args.flag("value") { "true" } else { "false" })
                .clone())
        },
    )
    .quick(),
    Function::new(
        "slsutil.deserialize",
        "serializer, stream_or_string",
        "The value of a text in json or yaml.",
        "slsutil.deserialize json '{\"foo\": \"Foo!\"}'",
        |args, _| {
            let serializer = Serializer::named(&args.text("serializer")?).map_err(failed)?;
            serializer
                .deserialize(&args.text("stream_or_string")?)
                .map_err(failed)
        },
    ),
    Function::new(
        "slsutil.dir_exists",
        "path, saltenv='base'",
        "Whether the file roots have a folder.",
        "slsutil.dir_exists nginx/files",
        |args, env| {
            Ok(json!(
                exists(env, &args.text("path")?, &args.text("saltenv")?)? == Some(Kind::Folder)
            ))
        },
    ),
    Function::new(
        "slsutil.file_exists",
        "path, saltenv='base'",
        "Whether the file roots have a file.",
        "slsutil.file_exists nginx/defaults.yaml",
        |args, env| {
            Ok(json!(
                exists(env, &args.text("path")?, &args.text("saltenv")?)? == Some(Kind::File)
            ))
        },
    ),
    Function::new(
        "slsutil.findup",
        "startpath, filenames, saltenv='base'",
        "The first of some names that is found in the file roots, from a folder upwards.",
        "slsutil.findup formulas/shared/nginx map.jinja",
        findup,
    ),
    Function::new(
        "slsutil.merge",
        "obj_a, obj_b, strategy='smart', renderer='yaml', merge_lists=False",
        "Lay a dictionary over another one. strategy: smart, recurse, overwrite, aggregate, list. merge_lists: join lists.",
        "slsutil.merge '{foo: Foo}' '{bar: Bar}'",
        |args, _| merge(args, args.value("obj_a").clone(), args.value("obj_b")),
    ),
    Function::new(
        "slsutil.merge_all",
        "lst, strategy='smart', renderer='yaml', merge_lists=False",
        "Lay the dictionaries of a list over each other, the later over the earlier. Options as for slsutil.merge.",
        "slsutil.merge_all '[{foo: Foo}, {bar: Bar}]'",
        |args, _| {
            let mut items = args.value("lst").as_array().into_iter().flatten();
            items.try_fold(json!({}), |below, over| merge(args, below, over))
        },
    ),
    Function::new(
        "slsutil.path_exists",
        "path, saltenv='base'",
        "Whether the file roots have a file or a folder.",
        "slsutil.path_exists nginx/defaults.yaml",
        |args, env| {
            Ok(json!(
                exists(env, &args.text("path")?, &args.text("saltenv")?)?.is_some()
            ))
        },
    ),
    Function::new(
        "slsutil.renderer",
        "path=None, string=None, default_renderer='jinja|yaml', **kwargs",
        "Render a file of the file roots or of this host, or a text, and answer what it says. More keywords are names for its templates; \
         saltenv is the environment.",
        "slsutil.renderer salt://path/to/file",
        render,
    ),
    Function::new(
        "slsutil.serialize",
        "serializer, obj, **mod_kwargs",
        "A value as text in json or yaml. Options of json: indent, sort_keys, ensure_ascii; of yaml: default_flow_style.",
        "slsutil.serialize json '{foo: Foo!}'",
        |args, _| {
            let serializer = Serializer::named(&args.text("serializer")?).map_err(failed)?;
            let text = serializer.serialize(args.value("obj"), &args.extra_kwargs);
            text.map(Value::String).map_err(failed)
        },
    ),
    Function::new(
        "slsutil.update",
        "dest, upd, recursive_update=True, merge_lists=False",
        "Lay a dictionary over another one, nested ones too unless recursive_update is false. merge_lists: join lists.",
        "slsutil.update '{foo: Foo}' '{bar: Bar}'",
        |args, _| {
            let (recursive, lists) = (args.flag("recursive_update"), args.flag("merge_lists"));
            data::update(
                args.value("dest").clone(),
                args.value("upd"),
                recursive,
                lists,
            )
            .map_err(|error| Failure::exception("TypeError", error.to_string()))
        },
    ),
];

fn failed(error: SerializerError) -> Failure {
    Failure::command(error.to_string())
}

fn merge(args: &Args, below: Value, over: &Value) -> Answer {
    let strategy = Strategy::of(&args.text("strategy")?, &args.text("renderer")?);
    data::merge(below, over, strategy, args.flag("merge_lists"))
        .map_err(|error| Failure::exception("TypeError", error.to_string()))
}

/// What the file roots have at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

fn exists(env: &Env, path: &str, saltenv: &str) -> Result<Option<Kind>, Failure> {
    let path = path.trim_end_matches('/');
    let files = env.ctx.files();
    if files
        .hash(path, saltenv)
        .map_err(Failure::Command)?
        .is_some()
    {
        return Ok(Some(Kind::File));
    }
    // The root itself has no name in the list of folders.
    let below = format!("{path}/");
    let listed = files.list(saltenv, &below).map_err(Failure::Command)?;
    let is_folder = !path.is_empty() && listed.iter().any(|file| file.starts_with(&below));
    Ok(is_folder.then_some(Kind::Folder))
}

fn findup(args: &Args, env: &Env) -> Answer {
    let saltenv = args.text("saltenv")?;
    let names = match args.value("filenames") {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().map(python::text).collect(),
        _ => {
            let text = "Filenames argument must be a string or list of strings";
            return Err(Failure::invocation(text));
        }
    };
    let start = args.optional_text("startpath")?.unwrap_or_default();
    let parts = start.split('/').filter(|part| !matches!(*part, "" | "."));
    let mut parts: Vec<&str> = parts.collect();
    if !parts.is_empty() && exists(env, &parts.join("/"), &saltenv)?.is_none() {
        let text = format!("Starting path not found in the state tree: {start}");
        return Err(Failure::invocation(text));
    }
    loop {
        for name in &names {
            let path = parts
                .iter()
                .copied()
                .chain([name.as_str()])
                .collect::<Vec<_>>()
                .join("/");
            if exists(env, &path, &saltenv)?.is_some() {
                return Ok(json!(path));
            }
        }
        if parts.pop().is_none() {
            return Err(Failure::command(
                "File pattern(s) not found in path ancestry",
            ));
        }
    }
}

fn render(args: &Args, env: &Env) -> Answer {
    let (path, string) = (args.optional_text("path")?, args.optional_text("string")?);
    let mut context = args.extra_kwargs.clone();
    let saltenv = context.shift_remove("saltenv").as_ref().map(python::text);
    let saltenv = source::environment(env.ctx, None, saltenv.as_deref());
    let (name, text) = match (path, string) {
        (None, None) => return Err(Failure::invocation("Must pass path or string.")),
        (Some(_), Some(_)) => {
            return Err(Failure::invocation("Must not pass both path and string."));
        }
        (None, Some(text)) => (":string:".to_owned(), text.into_bytes()),
        (Some(path), None) => {
            let content = source::read(env.ctx, &path, &saltenv)?;
            (content.path, content.bytes)
        }
    };
    let sls = context
        .shift_remove("sls")
        .as_ref()
        .map(python::text)
        .unwrap_or_default();
    let source = sls::render::Source {
        saltenv: &saltenv,
        sls: &sls,
        path: &name,
        text: &text,
        context,
    };
    let pipeline = args.optional_text("default_renderer")?;
    let pipeline = pipeline.as_deref().unwrap_or(DEFAULT_PIPELINE);
    let rendered = with_renderer(env, |renderer| renderer.render(&source, pipeline))?;
    match rendered {
        Ok(Data::Text(text)) => Ok(json!(text)),
        Ok(Data::Tree(Value::Null)) => Ok(Value::Object(Map::new())),
        Ok(Data::Tree(tree)) => Ok(tree),
        Err(error) => Err(Failure::command(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn values_and_texts() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        let call = |name: &str| Call::new(format!("slsutil.{name}"));
        check(
            call("merge")
                .arg(json!({"a": {"x": 1}}))
                .arg(json!({"a": {"y": 2}})),
            json!({"a": {"x": 1, "y": 2}}),
        );
        check(
            call("merge")
                .arg(json!({"a": {"x": 1}}))
                .arg(json!({"a": {"y": 2}}))
                .kwarg("strategy", "overwrite"),
            json!({"a": {"y": 2}}),
        );
        check(
            call("merge_all").arg(json!([{"a": 1}, {"b": 2}])),
            json!({"a": 1, "b": 2}),
        );
        check(
            call("update")
                .arg(json!({"l": [1]}))
                .arg(json!({"l": [2]}))
                .kwarg("merge_lists", true),
            json!({"l": [1, 2]}),
        );
        check(
            call("serialize").arg("json").arg(json!({"a": 1})),
            json!("{\"a\": 1}"),
        );
        check(
            call("serialize").arg("yaml").arg(json!({"a": [1]})),
            json!("a: [1]"),
        );
        check(
            call("deserialize").arg("yaml").arg("a: [1]"),
            json!({"a": [1]}),
        );
        check(call("boolstr").arg(json!([])), json!("false"));
        check(call("boolstr").arg(1).arg("y").arg("n"), json!("y"));
        assert!(!host.call(call("serialize").arg("msgpack").arg(1)).success);
        assert!(
            !host
                .call(call("merge").arg(json!({"a": 1})).arg(json!([1])))
                .success
        );
    }

    #[test]
    fn filters_that_ask_the_host() {
        let host = Host::new();
        host.write("x", "x");
        let render = |template: &str| {
            let call = Call::new("slsutil.renderer")
                .kwarg("string", template)
                .kwarg("default_renderer", "jinja");
            let outcome = host.call(call);
            outcome.value.as_str().unwrap_or_default().to_owned()
        };
        let check = |template: &str, expected: &str| {
            assert_eq!(render(template), expected, "{template}");
        };
        check(
            "{{ 'get salted'|hmac_compute('shared secret') }}",
            "78159ff5bb2d5e0f8d88fe403b0a690791ccbd989830fcc433d5b960c9bf0264",
        );
        check(
            "{{ 'get salted'|hmac('shared secret', 'eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ=') }}",
            "True",
        );
        check("{{ 'sh'|which }}", "/usr/bin/sh");
        check("{{ 'root'|get_uid }}", "0");
        let x = host.path("x");
        let file =
            format!("{{{{ '{x}'|file_hashsum('md5') }}}} {{{{ '{x}'|file_hashsum|length }}}}");
        check(&file, "9dd4e461268c8034f5c8564e155c67a6 64");
        check(
            "{{ '2002/12/25'|strftime }} {{ '2002-12-25'|date_format('%d.%m.%y') }} {{ '2002-12-25 10:11:12'|strftime('%H:%M:%S %j %a %b') }}",
            "2002-12-25 25.12.02 10:11:12 359 Wed Dec",
        );
        check("{{ 1040814000|strftime('%s') }}", "1040814000");
        check("{{ none|strftime('%Y')|length }}", "4");
        for (template, length) in [
            ("{{ 20|random_str }}", 20),
            ("{{ 999|random_hash }}", 32),
            ("{{ 999|random_hash('sha512') }}", 128),
            ("{{ '00:16:3E'|gen_mac }}", 17),
            ("{{ [7, 8]|random }}", 1),
            ("{{ [1, 2, 3]|random_shuffle|sort }}", 9),
            ("{{ [1, 2, 3]|random_sample(2)|length }}", 1),
        ] {
            let made = render(template);
            assert_eq!(made.len(), length, "{template}: {made}");
        }
        assert_ne!(render("{{ 20|random_str }}"), render("{{ 20|random_str }}"));
        check(
            "{{ [1, 2, 3]|random_sample(2, seed='x') == [1, 2, 3]|random_sample(2, 'x') }}",
            "True",
        );
    }

    #[test]
    fn files_of_the_roots() {
        let host = Host::new();
        host.write("roots/base/a/b/map.jinja", "x: {{ port }}\n");
        host.write("roots/base/a/defaults.yaml", "port: 80\n");
        host.write("roots/base/top.sls", "");
        let call = |name: &str| Call::new(format!("slsutil.{name}"));
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        check(call("file_exists").arg("a/defaults.yaml"), json!(true));
        check(call("file_exists").arg("a"), json!(false));
        check(call("dir_exists").arg("a/b"), json!(true));
        check(call("dir_exists").arg("a/defaults.yaml"), json!(false));
        check(call("path_exists").arg("a/x"), json!(false));
        check(
            call("findup").arg("a/b").arg("defaults.yaml"),
            json!("a/defaults.yaml"),
        );
        check(
            call("findup").arg("a/b").arg(json!(["none", "map.jinja"])),
            json!("a/b/map.jinja"),
        );
        check(call("findup").arg("a/b").arg("top.sls"), json!("top.sls"));
        assert!(!host.call(call("findup").arg("a/b").arg("none")).success);
        assert!(!host.call(call("findup").arg("z").arg("none")).success);
        check(
            call("renderer")
                .arg("salt://a/b/map.jinja")
                .kwarg("port", 8080),
            json!({"x": 8080}),
        );
        check(
            call("renderer")
                .kwarg("string", "{{ grains.os }}")
                .kwarg("default_renderer", "jinja"),
            json!("Debian"),
        );
        assert!(!host.call(call("renderer")).success);
        assert!(!host.call(call("renderer").arg("salt://none")).success);
    }
}
