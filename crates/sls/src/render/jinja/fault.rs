//! What goes wrong inside a template.

use std::rc::Rc;

/// Whose fault it is; it decides the words that stand before the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The source is no template, or a tag or filter was used wrongly.
    Syntax,
    /// A name, key or attribute that does not exist was used.
    Undefined,
    /// A value of the wrong type, a `raise()`.
    Value,
    /// A template that does not exist.
    Missing,
    /// A function that was called failed.
    Function,
    /// A limit was passed.
    Limit,
}

impl Kind {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Kind::Syntax => "Jinja syntax error: ",
            Kind::Undefined => "Jinja variable ",
            Kind::Value | Kind::Missing | Kind::Limit => "Jinja error: ",
            Kind::Function => "Problem running salt function in Jinja template: ",
        }
    }
}

/// An error of a template. The innermost statement adds its place.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) place: Option<(Rc<str>, usize)>,
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Fault {
        Fault {
            kind,
            message: message.into(),
            place: None,
        }
    }

    pub(crate) fn value(message: impl Into<String>) -> Fault {
        Fault::new(Kind::Value, message)
    }

    pub(crate) fn syntax(message: impl Into<String>) -> Fault {
        Fault::new(Kind::Syntax, message)
    }

    pub(crate) fn undefined(message: impl Into<String>) -> Fault {
        Fault::new(Kind::Undefined, message)
    }

    pub(crate) fn limit(what: &str) -> Fault {
        Fault::new(Kind::Limit, format!("the template passed a limit: {what}"))
    }

    /// Says where it happened, unless something further inside has said so.
    pub(crate) fn at(mut self, file: &Rc<str>, line: usize) -> Fault {
        self.place.get_or_insert_with(|| (file.clone(), line));
        self
    }
}
