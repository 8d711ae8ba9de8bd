//! Names and what they stand for.

use std::cell::RefCell;
use std::rc::Rc;

use indexmap::IndexMap;

use super::value::Value;

pub(crate) type Names = IndexMap<Rc<str>, Value>;

/// The names of one body, and the scope around it. Macros keep the scope that they were made in.
pub(crate) struct Scope {
    pub(crate) names: RefCell<Names>,
    pub(crate) outer: Option<Rc<Scope>>,
}

impl Scope {
    pub(crate) fn inside(outer: Option<Rc<Scope>>) -> Rc<Scope> {
        Rc::new(Scope {
            names: RefCell::default(),
            outer,
        })
    }

    pub(crate) fn set(&self, name: &Rc<str>, value: Value) {
        self.names.borrow_mut().insert(name.clone(), value);
    }

    pub(crate) fn find(&self, name: &str) -> Option<Value> {
        let mut scope = self;
        loop {
            if let Some(value) = scope.names.borrow().get(name) {
                return Some(value.clone());
            }
            scope = scope.outer.as_deref()?;
        }
    }

    /// All names that can be seen from here, in a scope of their own: what `with context` hands on.
    pub(crate) fn flattened(&self) -> Rc<Scope> {
        let mut names = Names::new();
        let mut scope = Some(self);
        while let Some(current) = scope {
            for (name, value) in current.names.borrow().iter() {
                if !names.contains_key(name) {
                    names.insert(name.clone(), value.clone());
                }
            }
            scope = current.outer.as_deref();
        }
        Rc::new(Scope {
            names: RefCell::new(names),
            outer: None,
        })
    }
}
