//! Templates and state files rendered with what this minion knows: its files, functions, grains, pillar and configuration.

use std::cell::RefCell;

use ciphers::Ciphers;
use serde_json::{Map, Value};
use sls::render::{Data, Files, Foreign, Functions, Held, Renderer, Source, Step};

use crate::call::Call;
use crate::custom;
use crate::failure::Failure;
use crate::moment;
use crate::registry::Env;
use crate::signature::Args;

/// The engine of templates that most sources name.
const JINJA: &str = "jinja";

/// The surroundings of a function, as renderers ask for them.
pub(crate) struct Around<'a>(pub(crate) &'a Env<'a>);

impl Files for Around<'_> {
    fn read(&self, saltenv: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.0.ctx.files().read(path, saltenv)
    }
}

impl Functions for Around<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }

    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<Value, String> {
        let call = Call {
            fun: name.to_owned(),
            args: args.to_vec(),
            kwargs: kwargs.clone(),
        };
        self.0
            .call(&call)
            .map(|outcome| outcome.value)
            .map_err(|failure| failure.to_string())
    }

    fn time(&self, moment: &Value, format: &str) -> Option<Result<String, String>> {
        Some(moment::told(moment, format).map_err(|failure| failure.to_string()))
    }
}

impl Foreign for Around<'_> {
    fn render(
        &self,
        step: &Step,
        source: &Source<'_>,
        input: &Data,
    ) -> Option<Result<Data, String>> {
        match step.name.as_str() {
            "py" => Some(custom::render(self.0, source, input)),
            _ => Ciphers::new(&self.0.ctx.options()).render(step, source, input),
        }
    }
}

/// The same for the files of one compilation, which see values of each other.
struct Together<'a>(&'a Around<'a>, &'a RefCell<Held>);

impl Foreign for Together<'_> {
    fn render(
        &self,
        step: &Step,
        source: &Source<'_>,
        input: &Data,
    ) -> Option<Result<Data, String>> {
        self.0.render(step, source, input)
    }

    fn held(&self) -> Option<&RefCell<Held>> {
        Some(self.1)
    }
}

/// Lends a renderer with the minion's grains, pillar and configuration. Fails where the pillar does.
pub(crate) fn with_renderer<R>(
    env: &Env,
    work: impl FnOnce(&Renderer<'_>) -> R,
) -> Result<R, Failure> {
    with_renderer_of(env, &RefCell::default(), work)
}

/// The same for a file of a compilation whose files hold values for each other.
pub(crate) fn with_renderer_of<R>(
    env: &Env,
    held: &RefCell<Held>,
    work: impl FnOnce(&Renderer<'_>) -> R,
) -> Result<R, Failure> {
    let around = Around(env);
    let pillar = env.ctx.pillar().map_err(Failure::Command)?;
    let (grains, opts) = (env.ctx.grains(), env.ctx.options());
    Ok(work(&Renderer {
        files: &around,
        functions: &around,
        foreign: &Together(&around, held),
        grains: &grains,
        pillar: &pillar,
        opts: &opts,
    }))
}

/// Renders a template to text by the engine's name.
pub(crate) fn template(env: &Env, source: &Source<'_>, engine: &str) -> Result<String, Failure> {
    let rendered = with_renderer(env, |renderer| {
        if engine == JINJA {
            return renderer.template(source);
        }
        renderer.render(source, engine).map(|data| match data {
            Data::Text(text) => text,
            Data::Tree(tree) => yaml::emit(&tree),
        })
    })?;
    rendered.map_err(|mut error| {
        // It is the file that is at fault, not the SLS that names it.
        error.sls.clear();
        Failure::command(error.to_string())
    })
}

/// A parameter of a function as text, through the engine that its parameter `template` names, if any.
pub(crate) fn argument(args: &Args, name: &str, env: &Env) -> Result<String, Failure> {
    let text = args.text(name)?;
    let engine = args.optional_text("template")?;
    let Some(engine) = engine.filter(|engine| !engine.is_empty()) else {
        return Ok(text);
    };
    let source = Source {
        saltenv: crate::source::DEFAULT_ENV,
        text: text.as_bytes(),
        ..Source::default()
    };
    template(env, &source, &engine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn a_template_at_fault_is_told_without_the_sls() {
        let source = Source {
            saltenv: "base",
            sls: "web",
            text: b"{{ no_such.thing }}",
            ..Source::default()
        };
        let failure = Host::new()
            .with_env(|env| template(env, &source, JINJA))
            .unwrap_err();
        assert!(
            failure
                .to_string()
                .starts_with("Jinja variable 'no_such' is undefined"),
            "{failure}"
        );
    }

    #[test]
    fn templates_see_the_minion() {
        let host = Host::new();
        host.write("roots/base/map.jinja", "{% set port = 80 %}");
        let text = concat!(
            "{% from 'map.jinja' import port %}",
            "{{ grains.os }} {{ pillar.motd }} {{ opts.master }} {{ port }} {{ more }} {{ salt['test.echo']('x') }}\n"
        );
        let source = Source {
            saltenv: "base",
            path: "x.tmpl",
            text: text.as_bytes(),
            context: Map::from_iter([("more".to_owned(), json!("m"))]),
            ..Source::default()
        };
        let rendered = host.with_env(|env| template(env, &source, JINJA)).unwrap();
        assert_eq!(rendered, "Debian hello hub.example 80 m x\n");
    }
}
