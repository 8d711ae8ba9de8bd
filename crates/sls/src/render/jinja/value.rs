//! Values of a template: Python's, as far as templates can see them. Lists and dicts are shared and change in place.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use indexmap::IndexMap;

use super::fault::{Fault, Result};
use super::fuel;
use super::machine::{Frame, Module, Unit};
use super::operators::check_items;
use super::scope::Scope;
use super::syntax::{BlockNode, ForNode, MacroNode};
use crate::render::limits::VALUE_DEPTH_MAX;

/// Entries of a list that are copied in one step.
const ITEMS_PER_STEP: usize = 16;

#[derive(Clone)]
pub(crate) enum Value {
    /// With the sentence that its use is answered with.
    Undefined(Rc<str>),
    /// What an `if` expression without `else` gives: undefined, but empty where it is printed or walked.
    Nothing,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Rc<str>),
    List(Rc<List>),
    Tuple(Rc<List>),
    Dict(Rc<Dict>),
    /// Views of dicts, ranges, sets, and what lazy filters give.
    Sequence(Rc<Sequence>),
    Namespace(Rc<Dict>),
    Method(Rc<(Value, Rc<str>)>),
    Builtin(&'static str),
    Macro(Rc<Macro>),
    Module(Rc<Module>),
    Loop(Rc<Loop>),
    /// The table of execution functions, one module of it, and one function.
    Salt,
    SaltModule(Rc<str>),
    SaltFunction(Rc<str>),
    Cycler(Rc<Cycler>),
    Joiner(Rc<(Rc<str>, Cell<bool>)>),
    /// `self` in a template with blocks.
    Blocks(Rc<Unit>),
    /// A block as a function: `super`, `self.name`.
    Block(Rc<BlockRef>),
}

/// The entries of a list.
pub(crate) struct List(pub(crate) RefCell<Vec<Value>>);

/// The entries of a dict in their order.
pub(crate) struct Dict(pub(crate) RefCell<Map>);

pub(crate) type Map = IndexMap<Key, Value>;

pub(crate) struct Sequence {
    pub(crate) kind: SequenceKind,
    pub(crate) items: Vec<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SequenceKind {
    Keys,
    Values,
    Items,
    Range,
    Set,
    Generator,
}

pub(crate) struct Macro {
    pub(crate) node: Rc<MacroNode>,
    pub(crate) scope: Rc<Scope>,
    pub(crate) unit: Rc<Unit>,
}

pub(crate) struct Loop {
    pub(crate) items: Rc<Vec<Value>>,
    pub(crate) index: usize,
    pub(crate) depth: usize,
    /// For a loop that may call itself: what to run, and where.
    pub(crate) recursion: Option<(Rc<ForNode>, Frame)>,
    /// What `changed()` saw last; shared by all turns of one loop.
    pub(crate) seen: Rc<RefCell<Option<Vec<Value>>>>,
}

pub(crate) struct Cycler {
    pub(crate) items: Vec<Value>,
    pub(crate) at: Cell<usize>,
}

pub(crate) struct BlockRef {
    pub(crate) unit: Rc<Unit>,
    pub(crate) name: Rc<str>,
    /// How many times the block was overridden above this one.
    pub(crate) level: usize,
    pub(crate) node: Rc<BlockNode>,
    pub(crate) scope: Rc<Scope>,
}

/// Takes a nest of values apart without recursion: a template can nest deeper than the stack is.
fn dismantle(values: impl Iterator<Item = Value>) {
    let mut waiting: Vec<Value> = values.filter(is_container).collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::List(list) | Value::Tuple(list) => {
                if let Some(list) = Rc::into_inner(list) {
                    waiting.extend(list.0.take().into_iter().filter(is_container));
                }
            }
            Value::Dict(dict) | Value::Namespace(dict) => {
                if let Some(dict) = Rc::into_inner(dict) {
                    waiting.extend(dict.0.take().into_values().filter(is_container));
                }
            }
            Value::Sequence(sequence) => {
                if let Some(mut sequence) = Rc::into_inner(sequence) {
                    waiting.extend(
                        std::mem::take(&mut sequence.items)
                            .into_iter()
                            .filter(is_container),
                    );
                }
            }
            _ => {}
        }
    }
}

fn is_container(value: &Value) -> bool {
    matches!(
        value,
        Value::List(_)
            | Value::Tuple(_)
            | Value::Dict(_)
            | Value::Namespace(_)
            | Value::Sequence(_)
    )
}

impl Drop for List {
    fn drop(&mut self) {
        dismantle(self.0.take().into_iter());
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        dismantle(self.0.take().into_values());
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        dismantle(std::mem::take(&mut self.items).into_iter());
    }
}

/// A value that may be a key: it is compared and hashed as Python does, so `1`, `1.0` and `True` are one key.
#[derive(Clone)]
pub(crate) struct Key(Value);

impl Key {
    pub(crate) fn new(value: &Value) -> Result<Key> {
        fn check(value: &Value, depth: usize) -> Result<()> {
            fuel::spend(1)?;
            match value {
                Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_) => {
                    Ok(())
                }
                Value::Tuple(items) if depth < VALUE_DEPTH_MAX => items
                    .0
                    .borrow()
                    .iter()
                    .try_for_each(|item| check(item, depth + 1)),
                Value::Undefined(message) => Err(Fault::undefined(&**message)),
                _ => Err(Fault::value(format!(
                    "unhashable type: '{}'",
                    value.type_name()
                ))),
            }
        }
        check(value, 0)?;
        Ok(Key(value.clone()))
    }

    pub(crate) fn text(text: impl Into<Rc<str>>) -> Key {
        Key(Value::Str(text.into()))
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }
}

fn number(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        _ => return None,
    })
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        match (&self.0, &other.0) {
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::None, Value::None) => true,
            (Value::Tuple(a), Value::Tuple(b)) => {
                let (a, b) = (a.0.borrow(), b.0.borrow());
                a.len() == b.len()
                    && a.iter()
                        .zip(b.iter())
                        .all(|(a, b)| Key(a.clone()) == Key(b.clone()))
            }
            (a, b) => matches!((number(a), number(b)), (Some(a), Some(b)) if a == b),
        }
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Value::Str(text) => text.hash(state),
            Value::Tuple(items) => {
                for item in items.0.borrow().iter() {
                    Key(item.clone()).hash(state);
                }
            }
            // Zero has two forms that are equal.
            value => number(value)
                .map(|n| if n == 0.0 { 0 } else { n.to_bits() })
                .hash(state),
        }
    }
}

impl Value {
    pub(crate) fn str(text: impl Into<Rc<str>>) -> Value {
        Value::Str(text.into())
    }

    pub(crate) fn list(items: Vec<Value>) -> Value {
        Value::List(Rc::new(List(RefCell::new(items))))
    }

    pub(crate) fn tuple(items: Vec<Value>) -> Value {
        Value::Tuple(Rc::new(List(RefCell::new(items))))
    }

    pub(crate) fn dict(map: Map) -> Value {
        Value::Dict(Rc::new(Dict(RefCell::new(map))))
    }

    pub(crate) fn sequence(kind: SequenceKind, items: Vec<Value>) -> Value {
        Value::Sequence(Rc::new(Sequence { kind, items }))
    }

    pub(crate) fn generator(items: Vec<Value>) -> Value {
        Value::sequence(SequenceKind::Generator, items)
    }

    pub(crate) fn undefined(message: impl Into<Rc<str>>) -> Value {
        Value::Undefined(message.into())
    }

    pub(crate) fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined(_) | Value::Nothing)
    }

    /// The value itself, unless it is undefined and must not be used.
    pub(crate) fn defined(self) -> Result<Value> {
        match self {
            Value::Undefined(message) => Err(Fault::undefined(&*message)),
            value => Ok(value),
        }
    }

    pub(crate) fn check_defined(&self) -> Result<()> {
        match self {
            Value::Undefined(message) => Err(Fault::undefined(&**message)),
            _ => Ok(()),
        }
    }

    /// Python's name of the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "StrictUndefined",
            Value::Nothing => "Undefined",
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "str",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Dict(_) => "dict",
            Value::Sequence(sequence) => match sequence.kind {
                SequenceKind::Keys => "dict_keys",
                SequenceKind::Values => "dict_values",
                SequenceKind::Items => "dict_items",
                SequenceKind::Range => "range",
                SequenceKind::Set => "set",
                SequenceKind::Generator => "generator",
            },
            Value::Namespace(_) => "Namespace",
            Value::Method(_) => "builtin_function_or_method",
            Value::Builtin(_) | Value::SaltFunction(_) => "function",
            Value::Macro(_) => "Macro",
            Value::Module(_) => "jinja2.environment.TemplateModule",
            Value::Loop(_) => "LoopContext",
            Value::Salt => "salt.utils.templates.AliasedLoader",
            Value::SaltModule(_) => "salt.loader.lazy.LoadedMod",
            Value::Cycler(_) => "Cycler",
            Value::Joiner(_) => "Joiner",
            Value::Blocks(_) => "TemplateReference",
            Value::Block(_) => "BlockReference",
        }
    }

    pub(crate) fn as_str(&self) -> Option<&Rc<str>> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Python's truth; that of an undefined value is an error.
    pub(crate) fn truth(&self) -> Result<bool> {
        Ok(match self {
            Value::Undefined(message) => return Err(Fault::undefined(&**message)),
            Value::None | Value::Nothing => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::List(list) | Value::Tuple(list) => !list.0.borrow().is_empty(),
            Value::Dict(dict) => !dict.0.borrow().is_empty(),
            Value::Sequence(sequence) => {
                sequence.kind == SequenceKind::Generator || !sequence.items.is_empty()
            }
            _ => true,
        })
    }

    /// How many entries it has, for what has a length.
    pub(crate) fn length(&self) -> Result<usize> {
        Ok(match self {
            Value::Str(text) => text.chars().count(),
            Value::List(list) | Value::Tuple(list) => list.0.borrow().len(),
            Value::Dict(dict) => dict.0.borrow().len(),
            Value::Sequence(sequence) if sequence.kind != SequenceKind::Generator => {
                sequence.items.len()
            }
            Value::Loop(state) => state.items.len(),
            Value::Nothing => 0,
            _ => {
                self.check_defined()?;
                return Err(Fault::value(format!(
                    "object of type '{}' has no len()",
                    self.type_name()
                )));
            }
        })
    }

    /// The entries that a loop over it sees: a copy, so that it may change meanwhile.
    pub(crate) fn iterate(&self) -> Result<Vec<Value>> {
        if let Ok(length) = self.length() {
            check_items(length)?;
            fuel::spend(length / ITEMS_PER_STEP)?;
        }
        Ok(match self {
            Value::Str(text) => text.chars().map(|c| Value::str(c.to_string())).collect(),
            Value::List(list) | Value::Tuple(list) => list.0.borrow().clone(),
            Value::Dict(dict) => dict
                .0
                .borrow()
                .keys()
                .map(|key| key.value().clone())
                .collect(),
            Value::Sequence(sequence) => sequence.items.clone(),
            Value::Nothing => Vec::new(),
            _ => {
                self.check_defined()?;
                return Err(Fault::value(format!(
                    "'{}' object is not iterable",
                    self.type_name()
                )));
            }
        })
    }

    /// An integer, where Python would take one as an index.
    pub(crate) fn as_index(&self) -> Option<i128> {
        match self {
            Value::Int(value) => Some(*value),
            Value::Bool(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        number(self)
    }
}

/// Where a Python index leads in something of a length; negative ones count from the end.
pub(crate) fn position(index: i128, length: usize) -> Option<usize> {
    let index = if index < 0 {
        index.checked_add(length as i128)?
    } else {
        index
    };
    usize::try_from(index).ok().filter(|index| *index < length)
}
