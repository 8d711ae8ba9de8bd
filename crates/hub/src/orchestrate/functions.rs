//! The execution functions of templates and conditions at a hub: those that need no host, and answers of runners.

use std::sync::Weak;

use pillar::functions::Hub;
use serde_json::{Map, Value};
use sls::render::Functions;
use tokio::runtime::Handle;

use super::compile::{Around, shared};
use crate::caller::Caller;
use crate::service::Service;

/// Salt's way to the hub's functions from where execution functions are.
const RUNNER: &str = "saltutil.runner";

/// Calls runners with the rights of whoever ordered the orchestration.
#[derive(Clone)]
pub(super) struct Runners {
    pub(super) service: Weak<Service>,
    pub(super) caller: Caller,
    pub(super) user: String,
    pub(super) depth: u8,
    pub(super) runtime: Handle,
}

impl Runners {
    /// Waits for the answer, on a thread that may wait.
    fn call(&self, args: &[Value], kwargs: &Map<String, Value>) -> Result<Value, String> {
        let mut kwargs = kwargs.clone();
        let named = kwargs.shift_remove("name");
        let (fun, rest) = match (args.split_first(), named) {
            (Some((fun, rest)), None) => (fun.clone(), rest),
            (None, Some(fun)) => (fun, args),
            _ => return Err(format!("{RUNNER}: it has to name one runner")),
        };
        let positional = match kwargs.shift_remove("arg") {
            Some(Value::Array(listed)) => listed,
            Some(Value::Null) | None => rest.to_vec(),
            Some(single) => vec![single],
        };
        let mut named = match kwargs.shift_remove("kwarg") {
            Some(Value::Object(named)) => named,
            _ => Map::new(),
        };
        named.extend(kwargs);
        let fun = data::python::text(&fun);
        let service = self.service.upgrade().ok_or("the hub stops")?;
        let answer = self.runtime.block_on(service.invoke(
            &self.caller,
            &self.user,
            &fun,
            &positional,
            &named,
            self.depth,
        ));
        match answer {
            Ok((value, 0)) => Ok(value),
            Ok((value, retcode)) => Err(format!("{fun} ended with {retcode}: {value}")),
            Err(error) => Err(format!("{fun}: {error}")),
        }
    }
}

/// What templates may call.
pub(super) struct TemplateFunctions<'a> {
    hub: Hub<'a>,
    runners: &'a Runners,
}

impl<'a> TemplateFunctions<'a> {
    pub(super) fn new(around: &'a Around) -> TemplateFunctions<'a> {
        let pillar = shared(&around.pillar);
        TemplateFunctions {
            hub: Hub::new(&around.id, &around.grains, &around.options, pillar),
            runners: &around.runners,
        }
    }
}

impl Functions for TemplateFunctions<'_> {
    fn has(&self, name: &str) -> bool {
        name == RUNNER || self.hub.has(name)
    }

    fn absence(&self, name: &str) -> Option<String> {
        Some(format!(
            "the function '{name}' is not available in an orchestration: it would have to run on a minion. Order it with salt.function, ask a \
             runner with salt['{RUNNER}'](...), or write the value into the pillar"
        ))
    }

    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<Value, String> {
        if name == RUNNER {
            self.runners.call(args, kwargs)
        } else if self.hub.has(name) {
            self.hub.call(name, args, kwargs)
        } else {
            Err(self.absence(name).unwrap_or_default())
        }
    }
}
