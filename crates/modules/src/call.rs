//! What goes into a function and what comes out.

use serde_json::{Map, Value};

/// One call of a function. The command line has already parsed the arguments as YAML scalars.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// Full name, `module.function`.
    pub fun: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments. Names that begin with `__` are bookkeeping of the publisher and are ignored.
    pub kwargs: Map<String, Value>,
}

impl Call {
    /// A call without arguments.
    pub fn new(fun: impl Into<String>) -> Call {
        Call {
            fun: fun.into(),
            ..Call::default()
        }
    }

    /// Adds a positional argument.
    pub fn arg(mut self, value: impl Into<Value>) -> Call {
        self.args.push(value.into());
        self
    }

    /// Adds a keyword argument.
    pub fn kwarg(mut self, name: &str, value: impl Into<Value>) -> Call {
        self.kwargs.insert(name.to_owned(), value.into());
        self
    }
}

/// What a function answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Shown to the operator: the function's answer, or the text of its failure.
    pub value: Value,
    /// 0 for success. `cmd.*` hand on the exit code of the command, a signal as its negative number.
    pub retcode: i32,
    /// False when the function failed or `retcode` is not 0.
    pub success: bool,
}

impl Outcome {
    /// Return code of a function that could not do its work.
    pub const GENERIC_FAILURE: i32 = 1;

    /// An answer with return code 0.
    pub fn ok(value: impl Into<Value>) -> Outcome {
        Outcome {
            value: value.into(),
            retcode: 0,
            success: true,
        }
    }

    /// A failure with its text.
    pub fn failed(text: impl Into<String>) -> Outcome {
        Outcome {
            value: Value::String(text.into()),
            retcode: Outcome::GENERIC_FAILURE,
            success: false,
        }
    }
}
