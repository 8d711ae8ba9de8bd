//! Runs the statements of templates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::arguments::Args;
use super::convert::from_json;
use super::fault::{Fault, Kind, Result};
use super::lexer::Whitespace;
use super::parser::parse;
use super::print;
use super::scope::Scope;
use super::syntax::{BlockNode, Expr, ForNode, Node, Statement, Target, Template};
use super::value::{BlockRef, Dict, Key, Loop, Macro, Value};
use super::{filters, fuel};
use crate::render::limits::{BUILT_BYTES_MAX, CALL_DEPTH_MAX, NESTING_MAX, TEXT_BYTES_MAX};
use crate::render::{Files, Functions};

/// A template that runs or has run: its names, and its blocks with those that override them first.
pub(crate) struct Unit {
    pub(crate) name: Rc<str>,
    pub(crate) top: Rc<Scope>,
    pub(crate) blocks: RefCell<HashMap<Rc<str>, Vec<Rc<BlockNode>>>>,
    /// The template that this one extends, and how much was printed before that was said.
    pub(super) parent: RefCell<Option<(Rc<Template>, usize)>>,
}

/// An imported template: its names and its text.
pub(crate) struct Module {
    pub(crate) text: Rc<str>,
    pub(crate) unit: Rc<Unit>,
}

/// Where a statement runs.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) unit: Rc<Unit>,
    pub(crate) scope: Rc<Scope>,
    /// The template that the statement stands in.
    pub(crate) file: Rc<str>,
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
}

pub(crate) struct Machine<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) functions: &'a dyn Functions,
    pub(crate) saltenv: &'a str,
    pub(super) whitespace: Whitespace,
    pub(crate) globals: HashMap<Rc<str>, Value>,
    /// Templates that were loaded, by the name that they were asked for with.
    pub(super) templates: HashMap<Rc<str>, Rc<Template>>,
    /// Modules that were imported without context: each runs once.
    pub(super) modules: HashMap<Rc<str>, Rc<Module>>,
    /// Sources of templates, for messages.
    pub(crate) sources: HashMap<Rc<str>, String>,
    /// The text that the filters of a block are applied to.
    pub(super) captured: Vec<Value>,
    /// Scopes that macros and blocks hold on to; they are emptied at the end, for each holds what holds it.
    kept: Vec<Rc<Scope>>,
    _tank: fuel::Tank,
    built: usize,
    nesting: usize,
    calls: usize,
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        for scope in &self.kept {
            scope.names.take();
        }
    }
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        files: &'a dyn Files,
        functions: &'a dyn Functions,
        saltenv: &'a str,
        whitespace: Whitespace,
        globals: HashMap<Rc<str>, Value>,
    ) -> Machine<'a> {
        Machine {
            files,
            functions,
            saltenv,
            whitespace,
            globals,
            templates: HashMap::new(),
            modules: HashMap::new(),
            sources: HashMap::new(),
            captured: Vec::new(),
            kept: Vec::new(),
            _tank: fuel::Tank::full(),
            built: 0,
            nesting: 0,
            calls: 0,
        }
    }

    /// Renders the file that was asked for. `names` are its context, which imports without context don't see.
    pub(crate) fn render(
        &mut self,
        name: &str,
        source: &str,
        names: &HashMap<Rc<str>, Value>,
    ) -> Result<String> {
        let name: Rc<str> = name.into();
        self.sources.insert(name.clone(), source.to_owned());
        let template = Rc::new(parse(&name, source, self.whitespace)?);
        let context = Scope::inside(None);
        for (name, value) in names {
            context.set(name, value.clone());
        }
        let mut out = String::new();
        let unit = self.unit(&template, Some(context));
        self.run(&unit, &template, &mut out)?;
        Ok(out)
    }

    /// Takes steps from the fuel.
    pub(crate) fn spend(&mut self, steps: usize) -> Result<()> {
        fuel::spend(steps)
    }

    /// Counts text that was made.
    pub(crate) fn build(&mut self, bytes: usize) -> Result<()> {
        self.built += bytes;
        if self.built > BUILT_BYTES_MAX || bytes > TEXT_BYTES_MAX {
            return Err(Fault::limit("the length of its texts"));
        }
        Ok(())
    }

    /// Counts a value that an expression made.
    pub(crate) fn weigh(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Str(text) => self.build(text.len()),
            Value::List(list) | Value::Tuple(list) => self.spend(list.0.borrow().len()),
            Value::Dict(dict) => self.spend(dict.0.borrow().len()),
            Value::Sequence(sequence) => self.spend(sequence.items.len()),
            _ => Ok(()),
        }
    }

    pub(crate) fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_MAX {
            return Err(Fault::limit("the depth of its calls"));
        }
        self.nesting += 1;
        let result = step(self);
        self.nesting -= 1;
        result
    }

    /// A call of a macro, an import or an include.
    pub(crate) fn calling<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.calls >= CALL_DEPTH_MAX {
            return Err(Fault::limit("the depth of its calls"));
        }
        self.calls += 1;
        let result = step(self);
        self.calls -= 1;
        result
    }

    pub(crate) fn keep(&mut self, scope: &Rc<Scope>) {
        if !self.kept.last().is_some_and(|last| Rc::ptr_eq(last, scope)) {
            self.kept.push(scope.clone());
        }
    }

    pub(super) fn unit(&mut self, template: &Template, context: Option<Rc<Scope>>) -> Rc<Unit> {
        let top = Scope::inside(context);
        self.keep(&top);
        let blocks = template
            .blocks
            .iter()
            .map(|(name, block)| (name.clone(), vec![block.clone()]));
        Rc::new(Unit {
            name: template.name.clone(),
            top,
            blocks: RefCell::new(blocks.collect()),
            parent: RefCell::new(None),
        })
    }

    pub(super) fn run(
        &mut self,
        unit: &Rc<Unit>,
        template: &Rc<Template>,
        out: &mut String,
    ) -> Result<()> {
        let mut template = template.clone();
        loop {
            let frame = Frame {
                unit: unit.clone(),
                scope: unit.top.clone(),
                file: template.name.clone(),
            };
            self.body(&frame, &template.body, out)?;
            match unit.parent.take() {
                Some((parent, printed)) => {
                    out.truncate(printed);
                    template = parent;
                }
                None => return Ok(()),
            }
        }
    }

    pub(crate) fn body(
        &mut self,
        frame: &Frame,
        body: &[Statement],
        out: &mut String,
    ) -> Result<Flow> {
        self.deeper(|machine| {
            for statement in body {
                machine.spend(1)?;
                let flow = machine
                    .statement(frame, statement, out)
                    .map_err(|fault| fault.at(&frame.file, statement.line))?;
                if flow != Flow::Next {
                    return Ok(flow);
                }
            }
            Ok(Flow::Next)
        })
    }

    fn print(&mut self, text: &str, out: &mut String) -> Result<()> {
        self.build(text.len())?;
        if out.len() + text.len() > TEXT_BYTES_MAX {
            return Err(Fault::limit("the length of its output"));
        }
        out.push_str(text);
        Ok(())
    }

    /// Runs a body and gives what it prints.
    pub(crate) fn capture(&mut self, frame: &Frame, body: &[Statement]) -> Result<Value> {
        let mut out = String::new();
        self.body(frame, body, &mut out)?;
        Ok(Value::str(out))
    }

    fn filtered(&mut self, frame: &Frame, filter: &Expr, body: &[Statement]) -> Result<Value> {
        let inner = inside(frame);
        let text = self.capture(&inner, body)?;
        self.captured.push(text);
        let value = self.eval(frame, filter);
        self.captured.pop();
        value
    }

    fn statement(
        &mut self,
        frame: &Frame,
        statement: &Statement,
        out: &mut String,
    ) -> Result<Flow> {
        // What a child prints outside of its blocks goes nowhere.
        let is_muted =
            frame.unit.parent.borrow().is_some() && Rc::ptr_eq(&frame.scope, &frame.unit.top);
        match &statement.node {
            Node::Text(_) | Node::Output(_) | Node::Block(_) | Node::Include { .. } if is_muted => {
            }
            Node::Text(text) => self.print(text, out)?,
            Node::Output(expr) => {
                let value = self.eval(frame, expr)?;
                match &value {
                    Value::Str(text) => self.print(text, out)?,
                    value => self.print(&print::output(value)?, out)?,
                }
            }
            Node::Do(expr) => {
                self.eval(frame, expr)?;
            }
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if self.eval(frame, condition)?.truth()? {
                        return self.body(frame, body, out);
                    }
                }
                return self.body(frame, otherwise, out);
            }
            Node::For(node) => {
                let iter = self.eval(frame, &node.iter)?;
                self.for_loop(frame, node, &iter, 0, out)?;
            }
            Node::Set(target, expr) => {
                let value = self.eval(frame, expr)?;
                self.assign(frame, target, value)?;
            }
            Node::SetBlock(target, filter, body) => {
                let value = self.filtered(frame, filter, body)?;
                self.assign(frame, target, value)?;
            }
            Node::FilterBlock(filter, body) => {
                let value = self.filtered(frame, filter, body)?;
                self.print(&print::output(&value)?, out)?;
            }
            Node::With(values, body) => {
                let inner = inside(frame);
                for (target, expr) in values {
                    let value = self.eval(frame, expr)?;
                    self.assign(&inner, target, value)?;
                }
                return self.body(&inner, body, out);
            }
            Node::Scope(body) => return self.body(&inside(frame), body, out),
            Node::Macro(node) => {
                self.keep(&frame.scope);
                let value = Value::Macro(Rc::new(Macro {
                    node: node.clone(),
                    scope: frame.scope.clone(),
                    unit: frame.unit.clone(),
                }));
                frame.scope.set(&node.name, value);
            }
            Node::Call(call, node) => {
                let Expr::Call(callee, arguments) = call else {
                    return Err(Fault::syntax("expected call"));
                };
                let caller = Value::Macro(Rc::new(Macro {
                    node: node.clone(),
                    scope: frame.scope.clone(),
                    unit: frame.unit.clone(),
                }));
                let callee = self.eval(frame, callee)?;
                let mut args = self.arguments(frame, arguments)?;
                args.named.push(("caller".into(), caller));
                let value = self.call(frame, &callee, args)?;
                self.print(&print::output(&value)?, out)?;
            }
            Node::Import(template, name, with_context) => {
                let module = self.import(frame, template, *with_context)?;
                frame.scope.set(name, Value::Module(module));
            }
            Node::ImportData(template, name, with_context, filter) => {
                let module = self.import(frame, template, *with_context)?;
                let text = Value::Str(module.text.clone());
                let value = filters::apply(self, frame, filter, text, Args::default())?;
                frame.scope.set(name, value);
            }
            Node::FromImport(template, names, with_context) => {
                let module = self.import(frame, template, *with_context)?;
                for (name, alias) in names {
                    let found = module.unit.top.names.borrow().get(name).cloned();
                    let value = found.unwrap_or_else(|| {
                        Value::undefined(format!(
                            "the template '{}' (imported on line {} in '{}') does not export the requested name '{name}'",
                            module.unit.name, statement.line, frame.file
                        ))
                    });
                    frame.scope.set(alias, value);
                }
            }
            Node::Include {
                name,
                is_missing_ignored,
                with_context,
            } => {
                self.include(frame, name, *is_missing_ignored, *with_context, out)?;
            }
            Node::Extends(name) => self.extends(frame, name, out.len())?,
            Node::Block(node) => {
                let first = frame
                    .unit
                    .blocks
                    .borrow()
                    .get(&node.name)
                    .and_then(|list| list.first().cloned());
                let first = first.unwrap_or_else(|| node.clone());
                let scope = if node.is_scoped {
                    &frame.scope
                } else {
                    &frame.unit.top
                };
                let block = BlockRef {
                    unit: frame.unit.clone(),
                    name: node.name.clone(),
                    level: 0,
                    node: first,
                    scope: scope.clone(),
                };
                let value = self.run_block(&block)?;
                self.print(&print::string(&value)?, out)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// Runs a loop over a value; `depth` counts how often it has called itself.
    pub(super) fn for_loop(
        &mut self,
        frame: &Frame,
        node: &Rc<ForNode>,
        iter: &Value,
        depth: usize,
        out: &mut String,
    ) -> Result<()> {
        let mut items = iter.iterate()?;
        self.spend(items.len())?;
        if let Some(filter) = &node.filter {
            let mut kept = Vec::new();
            for item in items {
                let inner = inside(frame);
                self.assign(&inner, &node.target, item.clone())?;
                if self.eval(&inner, filter)?.truth()? {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            self.body(frame, &node.otherwise, out)?;
            return Ok(());
        }
        let items = Rc::new(items);
        let seen = Rc::new(RefCell::new(None));
        for index in 0..items.len() {
            let inner = inside(frame);
            let state = Loop {
                items: items.clone(),
                index,
                depth,
                recursion: node.is_recursive.then(|| (node.clone(), frame.clone())),
                seen: seen.clone(),
            };
            inner.scope.set(&"loop".into(), Value::Loop(Rc::new(state)));
            self.assign(&inner, &node.target, items[index].clone())?;
            if self.body(&inner, &node.body, out)? == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn assign(&mut self, frame: &Frame, target: &Target, value: Value) -> Result<()> {
        match target {
            Target::Name(name) => frame.scope.set(name, value),
            Target::Attribute(name, attribute) => match self.lookup(frame, name) {
                Value::Namespace(namespace) => {
                    namespace
                        .0
                        .borrow_mut()
                        .insert(Key::text(attribute.clone()), value);
                }
                _ => {
                    return Err(Fault::syntax(
                        "cannot assign attribute on non-namespace object",
                    ));
                }
            },
            Target::Tuple(targets) => {
                if !matches!(
                    value,
                    Value::Str(_)
                        | Value::List(_)
                        | Value::Tuple(_)
                        | Value::Dict(_)
                        | Value::Sequence(_)
                ) {
                    value.check_defined()?;
                    return Err(Fault::value(format!(
                        "cannot unpack non-iterable {} object",
                        value.type_name()
                    )));
                }
                let items = value.iterate()?;
                if items.len() > targets.len() {
                    return Err(Fault::value(format!(
                        "too many values to unpack (expected {})",
                        targets.len()
                    )));
                }
                if items.len() < targets.len() {
                    return Err(Fault::value(format!(
                        "not enough values to unpack (expected {}, got {})",
                        targets.len(),
                        items.len()
                    )));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(frame, target, item)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn run_block(&mut self, block: &BlockRef) -> Result<Value> {
        if block.node.is_required {
            return Err(Fault::syntax(format!(
                "Required block '{}' not found",
                block.name
            )));
        }
        let scope = Scope::inside(Some(block.scope.clone()));
        self.keep(&scope);
        let level = block.level + 1;
        let above = block
            .unit
            .blocks
            .borrow()
            .get(&block.name)
            .and_then(|list| list.get(level).cloned());
        let parent = match above {
            Some(node) => Value::Block(Rc::new(BlockRef {
                unit: block.unit.clone(),
                name: block.name.clone(),
                level,
                node,
                scope: block.scope.clone(),
            })),
            None => Value::undefined(format!("there is no parent block called '{}'.", block.name)),
        };
        scope.set(&"super".into(), parent);
        scope.set(&"self".into(), Value::Blocks(block.unit.clone()));
        let frame = Frame {
            unit: block.unit.clone(),
            scope,
            file: block.node.file.clone(),
        };
        self.calling(|machine| machine.capture(&frame, &block.node.body))
    }

    pub(crate) fn lookup(&self, frame: &Frame, name: &str) -> Value {
        if let Some(value) = frame
            .scope
            .find(name)
            .or_else(|| self.globals.get(name).cloned())
        {
            return value;
        }
        if name == "self" {
            return Value::Blocks(frame.unit.clone());
        }
        match super::calls::BUILTINS
            .iter()
            .find(|builtin| **builtin == name)
        {
            Some(builtin) => Value::Builtin(builtin),
            None => Value::undefined(format!("'{name}' is undefined")),
        }
    }

    /// All names that a template sees and that are data, for `show_full_context()`.
    pub(super) fn context(&self, frame: &Frame) -> Value {
        let mut map: super::value::Map = frame
            .scope
            .flattened()
            .names
            .borrow()
            .iter()
            .map(|(name, value)| (Key::text(name.clone()), value.clone()))
            .collect();
        map.retain(|_, value| super::convert::to_json(value).is_ok());
        Value::dict(map)
    }

    /// Calls an execution function.
    pub(super) fn salt(&mut self, name: &str, args: Args) -> Result<Value> {
        let positional = args
            .positional
            .iter()
            .map(super::convert::to_json)
            .collect::<Result<Vec<_>>>()?;
        let mut named = serde_json::Map::new();
        for (name, value) in &args.named {
            named.insert(name.to_string(), super::convert::to_json(value)?);
        }
        let answer = self
            .functions
            .call(name, &positional, &named)
            .map_err(|error| Fault::new(Kind::Function, error))?;
        let answer = from_json(&answer);
        match (changed_in_place(name, &args)?, &answer) {
            (Some(own), Value::Dict(news)) => {
                let news = news.0.borrow().clone();
                *own.0.borrow_mut() = news;
                Ok(Value::Dict(own))
            }
            _ => Ok(answer),
        }
    }
}

/// Functions that lay what they answer into the dictionary that they are given first, with the place of the argument `in_place`.
const IN_PLACE: &[(&str, Option<usize>)] = &[
    ("defaults.merge", Some(3)),
    ("defaults.update", Some(3)),
    ("slsutil.update", None),
];

/// The dictionary of a template that a call changes: formulas merge their maps so, and never look at the answer.
fn changed_in_place(name: &str, args: &Args) -> Result<Option<Rc<Dict>>> {
    let Some((_, flag)) = IN_PLACE.iter().find(|(function, _)| *function == name) else {
        return Ok(None);
    };
    let given = |place: Option<usize>, word: &str| {
        let positional = place.and_then(|place| args.positional.get(place));
        let mut named = args.named.iter();
        positional.or_else(|| {
            named
                .find(|(name, _)| &**name == word)
                .map(|(_, value)| value)
        })
    };
    if flag.is_some()
        && let Some(is_wanted) = given(*flag, "in_place")
        && !is_wanted.truth()?
    {
        return Ok(None);
    }
    Ok(match given(Some(0), "dest") {
        Some(Value::Dict(own)) => Some(own.clone()),
        _ => None,
    })
}

/// The same place with names of its own.
pub(super) fn inside(frame: &Frame) -> Frame {
    Frame {
        unit: frame.unit.clone(),
        scope: Scope::inside(Some(frame.scope.clone())),
        file: frame.file.clone(),
    }
}
