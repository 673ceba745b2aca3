//! Variables: a scope sees the scopes around it and writes to itself alone.

use crate::ast::Symbol;
use crate::value::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The variables of a template, a loop's round, a macro's call.
pub(super) struct Scope {
    variables: RefCell<BTreeMap<Symbol, Value>>,
    around: Option<Rc<Scope>>,
}

impl Scope {
    pub(super) fn outermost() -> Rc<Self> {
        Rc::new(Self { variables: RefCell::default(), around: None })
    }

    pub(super) fn within(around: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::default(), around: Some(around.clone()) })
    }

    pub(super) fn get(&self, name: Symbol) -> Option<Value> {
        let mut scope = self;
        loop {
            if let Some(value) = scope.variables.borrow().get(&name) {
                return Some(value.clone());
            }
            scope = scope.around.as_deref()?;
        }
    }

    pub(super) fn set(&self, name: Symbol, value: Value) {
        let before = self.variables.borrow_mut().insert(name, value);
        // Letting go of a value may ask this scope for another.
        drop(before);
    }

    /// Lets go of all variables. A macro holds the scope that holds the macro.
    pub(super) fn clear(&self) {
        drop(self.variables.take());
    }
}
