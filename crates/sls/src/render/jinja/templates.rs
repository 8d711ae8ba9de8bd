//! Other templates: imports, includes and parents.

use std::rc::Rc;

use super::fault::{Fault, Kind, Result};
use super::machine::{Frame, Machine, Module};
use super::parser::parse;
use super::syntax::{Expr, Template};
use super::value::Value;
use crate::render::limits::{CALL_DEPTH_MAX, FILE_BYTES_MAX, FILES_MAX, FUEL_MAX};

impl Machine<'_> {
    pub(super) fn import(
        &mut self,
        frame: &Frame,
        name: &Expr,
        with_context: bool,
    ) -> Result<Rc<Module>> {
        let name = self.template_name(frame, name)?;
        let template = self.load(&name)?;
        if !with_context && let Some(module) = self.modules.get(&name) {
            return Ok(module.clone());
        }
        let context = with_context.then(|| frame.scope.flattened());
        let module = self.calling(|machine| {
            let unit = machine.unit(&template, context);
            let mut text = String::new();
            machine.run(&unit, &template, &mut text)?;
            Ok(Rc::new(Module {
                text: text.into(),
                unit,
            }))
        })?;
        if !with_context {
            self.modules.insert(name, module.clone());
        }
        Ok(module)
    }

    fn template_name(&mut self, frame: &Frame, name: &Expr) -> Result<Rc<str>> {
        let name = self.eval(frame, name)?.defined()?;
        match name {
            Value::Str(name) => Ok(name),
            other => Err(Fault::value(format!(
                "the name of a template must be str, not {}",
                other.type_name()
            ))),
        }
    }

    pub(super) fn include(
        &mut self,
        frame: &Frame,
        name: &Expr,
        is_missing_ignored: bool,
        with_context: bool,
        out: &mut String,
    ) -> Result<()> {
        let names = match self.eval(frame, name)?.defined()? {
            Value::List(list) | Value::Tuple(list) => list.0.borrow().clone(),
            one => vec![one],
        };
        let mut missing = Vec::new();
        for name in names {
            let Value::Str(name) = name else {
                return Err(Fault::value(format!(
                    "the name of a template must be str, not {}",
                    name.type_name()
                )));
            };
            let template = match self.load(&name) {
                Ok(template) => template,
                Err(fault) if fault.kind == Kind::Missing => {
                    missing.push(fault);
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let context = with_context.then(|| frame.scope.flattened());
            return self.calling(|machine| {
                let unit = machine.unit(&template, context);
                machine.run(&unit, &template, out)
            });
        }
        match missing.into_iter().next() {
            Some(fault) if !is_missing_ignored => Err(fault),
            _ => Ok(()),
        }
    }

    pub(super) fn extends(&mut self, frame: &Frame, name: &Expr, printed: usize) -> Result<()> {
        if frame.unit.parent.borrow().is_some() {
            return Err(Fault::syntax("extended multiple times"));
        }
        let name = self.template_name(frame, name)?;
        let parent = self.load(&name)?;
        for (name, block) in &parent.blocks {
            let mut blocks = frame.unit.blocks.borrow_mut();
            let list = blocks.entry(name.clone()).or_default();
            // Each ancestor adds one; a circle of templates would add them for ever.
            if list.len() >= CALL_DEPTH_MAX {
                return Err(Fault::limit("the depth of its calls"));
            }
            list.push(block.clone());
        }
        self.spend(FUEL_MAX as usize / FILES_MAX)?;
        *frame.unit.parent.borrow_mut() = Some((parent, printed));
        Ok(())
    }

    /// A template by the name that a tag gives. As in Salt, a name that begins with `./` or `../` is relative to `tpldir`, and
    /// the first load of another name moves `tpldir` for what is imported without context.
    fn load(&mut self, name: &Rc<str>) -> Result<Rc<Template>> {
        if let Some(template) = self.templates.get(name) {
            return Ok(template.clone());
        }
        let missing = || {
            Fault::new(
                Kind::Missing,
                format!(
                    "{name}: there is no such file in saltenv '{}'",
                    self.saltenv
                ),
            )
        };
        let first = name.split('/').next().unwrap_or_default();
        let is_relative = matches!(first, "." | "..");
        let mut path = name.to_string();
        if is_relative {
            let Some(Value::Str(base)) = self.globals.get("tpldir") else {
                return Err(missing());
            };
            path = normalized(&format!("{base}/{name}")).ok_or_else(missing)?;
        } else {
            let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
            let names = [
                ("tplfile", path.as_str()),
                ("tpldir", if dir.is_empty() { "." } else { dir }),
                ("tpldot", &dir.replace('/', ".")),
            ]
            .map(|(name, value)| (Rc::from(name), Value::str(value)));
            self.globals.extend(names);
        }
        if self.templates.len() >= FILES_MAX {
            return Err(Fault::limit("the number of its files"));
        }
        let bytes = self
            .files
            .read(self.saltenv, &path)
            .map_err(|error| Fault::value(format!("{path}: {error}")))?;
        let bytes = bytes.ok_or_else(|| {
            Fault::new(
                Kind::Missing,
                format!(
                    "{name}: there is no such file in saltenv '{}'",
                    self.saltenv
                ),
            )
        })?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(Fault::limit("the size of a file"));
        }
        let source =
            String::from_utf8(bytes).map_err(|_| Fault::value(format!("{path} is not UTF-8")))?;
        self.build(source.len())?;
        let file: Rc<str> = path.into();
        let template = parse(&file, &source, self.whitespace);
        self.sources.insert(file, source);
        let template = Rc::new(template?);
        self.templates.insert(name.clone(), template.clone());
        Ok(template)
    }
}

/// A path without `.` and `..`; None if it leads out of the roots.
fn normalized(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
