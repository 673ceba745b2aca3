//! Variables: a scope sees the scopes around it and writes to itself alone.

use crate::ast::Symbol;
use crate::value::Value;
use std::cell::RefCell;
use std::rc::Rc;

/// The variables of a template, a loop's round, a macro's call.
pub(super) struct Scope {
    variables: RefCell<Vec<(Symbol, Value)>>,
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
            let variables = scope.variables.borrow();
            if let Some((_, value)) = variables.iter().find(|(known, _)| *known == name) {
                return Some(value.clone());
            }
            drop(variables);
            scope = scope.around.as_deref()?;
        }
    }

    pub(super) fn set(&self, name: Symbol, value: Value) {
        let mut variables = self.variables.borrow_mut();
        match variables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => variables.push((name, value)),
        }
    }

    /// Lets go of all variables. A macro holds the scope that holds the macro.
    pub(super) fn clear(&self) {
        drop(self.variables.take());
    }
}
