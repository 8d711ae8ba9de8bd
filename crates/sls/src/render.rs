//! Renders SLS, pillar, map and template files.
//!
//! A file goes through the renderers that its first line names (`#!jinja|yaml` where it names none). Everything that is not text
//! comes from the caller: files by [`Files`], execution functions by [`Functions`], renderers that are not built in by [`Foreign`].

mod error;
mod jinja;
mod limits;
mod names;
mod pipeline;
mod stateconf;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

pub use error::RenderError;
pub use jinja::Whitespace;
pub use limits::*;
pub use pipeline::{DEFAULT_PIPELINE, Step};
pub use stateconf::Held;

/// The files of the environments.
pub trait Files {
    /// A file by its path below the roots; None if no root has it. An error ends the rendering.
    fn read(&self, saltenv: &str, path: &str) -> Result<Option<Vec<u8>>, String>;
}

/// Execution functions: `salt['test.ping']()`.
pub trait Functions {
    /// Whether there is a function of this name.
    fn has(&self, name: &str) -> bool;
    /// Why there is no function of this name, in words for the user, where there is more to say than that.
    fn absence(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
    /// A moment by the clock of this host, in a format of `strftime`: null is now, a number counts seconds since 1970, a text is a
    /// date. None where there is no clock.
    fn time(&self, moment: &Value, format: &str) -> Option<Result<String, String>> {
        let _ = (moment, format);
        None
    }
    /// Calls one. An error ends the rendering and is shown to the user.
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<Value, String>;
}

/// Who lends functions passes them on.
impl<F: Functions + ?Sized> Functions for &F {
    fn has(&self, name: &str) -> bool {
        (**self).has(name)
    }

    fn absence(&self, name: &str) -> Option<String> {
        (**self).absence(name)
    }

    fn time(&self, moment: &Value, format: &str) -> Option<Result<String, String>> {
        (**self).time(moment, format)
    }

    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<Value, String> {
        (**self).call(name, args, kwargs)
    }
}

/// Renderers that are not built in, such as `gpg`, `age` and `py`.
pub trait Foreign {
    /// Turns what the renderers before gave into what the next one takes. None if there is no such renderer. `source` is the file as a whole.
    fn render(
        &self,
        step: &Step,
        source: &Source<'_>,
        input: &Data,
    ) -> Option<Result<Data, String>>;

    /// What the renderer `stateconf` keeps from one file to the next; without it, each file has its own values only.
    fn held(&self) -> Option<&RefCell<Held>> {
        None
    }
}

/// No renderer but those that are built in.
pub struct NoForeign;

impl Foreign for NoForeign {
    fn render(&self, _: &Step, _: &Source<'_>, _: &Data) -> Option<Result<Data, String>> {
        None
    }
}

/// What goes from one renderer to the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Text, as it is in the file or as a template made it.
    Text(String),
    /// What YAML or JSON say.
    Tree(Value),
}

/// What every file of one compilation sees.
pub struct Renderer<'a> {
    /// The files.
    pub files: &'a dyn Files,
    /// The execution functions.
    pub functions: &'a dyn Functions,
    /// Renderers that are not built in.
    pub foreign: &'a dyn Foreign,
    /// The minion's grains.
    pub grains: &'a Value,
    /// The minion's pillar.
    pub pillar: &'a Value,
    /// The configuration: `jinja_env` and `jinja_sls_env` in it set the white space of templates.
    pub opts: &'a Value,
}

/// One file to be rendered.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    /// Its environment.
    pub saltenv: &'a str,
    /// Its name in dots, for SLS and pillar files; empty for others.
    pub sls: &'a str,
    /// Its path below the roots.
    pub path: &'a str,
    /// Its bytes.
    pub text: &'a [u8],
    /// More names for templates: `context` and `defaults` of `file.managed`, `data` of a reactor.
    pub context: Map<String, Value>,
}

impl Source<'_> {
    /// The names that tell a template where it stands: `saltenv`, `tpldir` and their kin; for SLS and pillar files `sls` and its kin, too.
    pub fn names(&self) -> Map<String, Value> {
        names::of(self)
    }
}

impl Renderer<'_> {
    /// Renders a file through the renderers of its first line, or those of `default`.
    pub fn render(&self, source: &Source<'_>, default: &str) -> Result<Data, Box<RenderError>> {
        pipeline::run(self, source, default)
    }

    /// Renders an SLS or pillar file to its tree; one that says nothing is an empty map.
    pub fn sls(&self, source: &Source<'_>) -> Result<Value, Box<RenderError>> {
        match self.render(source, DEFAULT_PIPELINE)? {
            Data::Tree(Value::Null) => Ok(Value::Object(Map::new())),
            Data::Tree(tree) => Ok(tree),
            Data::Text(_) => Err(pipeline::error(
                source,
                "its renderers give text, and an SLS file has to give a tree: end its first line with |yaml or |json",
            )),
        }
    }

    /// Renders a template, such as a source of `file.managed`, to text. A first line that names renderers is text here.
    pub fn template(&self, source: &Source<'_>) -> Result<String, Box<RenderError>> {
        let text = pipeline::text_of(source)?;
        self.jinja(source, &text)
    }

    fn jinja(&self, source: &Source<'_>, text: &str) -> Result<String, Box<RenderError>> {
        let mut names: HashMap<Rc<str>, jinja::Value> = HashMap::new();
        for (name, value) in names::of(source).iter().chain(&source.context) {
            names.insert(name.as_str().into(), jinja::from_json(value));
        }
        for (name, value) in [
            ("grains", self.grains),
            ("pillar", self.pillar),
            ("opts", self.opts),
        ] {
            names.insert(name.into(), jinja::from_json(value));
        }
        names.insert("salt".into(), jinja::Value::Salt);
        let (whitespace, text) = pipeline::whitespace(self.opts, source, text);
        let mut machine = jinja::Machine::new(
            self.files,
            self.functions,
            source.saltenv,
            whitespace,
            names.clone(),
        );
        let rendered = machine.render(source.path, &text, &names);
        match rendered {
            Ok(mut rendered) => {
                // Jinja drops the last line break, and Salt puts it back.
                if text.ends_with('\n') {
                    rendered.push('\n');
                }
                Ok(rendered)
            }
            Err(fault) => {
                let mut error =
                    pipeline::error(source, format!("{}{}", fault.kind.words(), fault.message));
                if let Some((file, line)) = fault.place {
                    error.line = Some(line);
                    if let Some(text) = machine.sources.get(&file) {
                        error.excerpt = error::excerpt(text, line);
                    }
                    error.file = Some(file.to_string()).filter(|file| file != source.path);
                }
                Err(error)
            }
        }
    }
}
