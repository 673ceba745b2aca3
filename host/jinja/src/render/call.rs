//! Calls, of macros above all.

use super::Renderer;
use super::arguments::Values;
use super::functions::Function;
use super::loops::Loop;
use super::scope::Scope;
use crate::ast::{Call, Macro};
use crate::error::{Error, Result};
use crate::value::{Dict, Missing, Object, Value};
use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

/// A macro and the scope it was defined in.
pub(super) struct MacroValue {
    pub(super) definition: Arc<Macro>,
    pub(super) scope: Rc<Scope>,
}

impl Object for MacroValue {
    fn type_name(&self) -> &'static str {
        "Macro"
    }

    fn shown(&self) -> Option<String> {
        Some(match &self.definition.name {
            Some(name) => format!("<Macro '{name}'>"),
            None => "<Macro 'caller'>".into(),
        })
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Renderer<'_> {
    pub(super) fn call_expression(&mut self, call: &Call) -> Result<Value> {
        let callee = self.evaluate(&call.callee)?;
        let values = self.values(&call.arguments)?;
        self.call(&callee, values)
    }

    pub(super) fn call_with_caller(&mut self, call: &Call, caller: Value) -> Result<Value> {
        let callee = self.evaluate(&call.callee)?;
        let mut values = self.values(&call.arguments)?;
        values.named.push(("caller".into(), caller));
        self.call(&callee, values)
    }

    pub(super) fn call(&mut self, callee: &Value, values: Values) -> Result<Value> {
        match callee {
            Value::Undefined(missing) => Err(missing.error()),
            Value::Method(method) => self.method(&method.0, &method.1, values),
            Value::Object(object) => {
                let object = object.as_any();
                if let Some(definition) = object.downcast_ref::<MacroValue>() {
                    self.call_macro(definition, values)
                } else if let Some(function) = object.downcast_ref::<Function>() {
                    self.function(function, values)
                } else if let Some(state) = object.downcast_ref::<Loop>() {
                    self.recurse(state, values)
                } else {
                    Err(not_callable(callee))
                }
            }
            _ => Err(not_callable(callee)),
        }
    }

    /// A macro's text.
    ///
    /// # Errors
    /// Values that do not fit its parameters; whatever stops its body.
    pub(super) fn call_macro(&mut self, called: &MacroValue, mut values: Values) -> Result<Value> {
        let definition = &*called.definition;
        let scope = Scope::within(&called.scope);
        let count = definition.parameters.len();
        let more = values.positional.split_off(values.positional.len().min(count));
        let mut given = values.positional.drain(..).map(Some).collect::<Vec<_>>();
        for parameter in &definition.parameters[given.len()..] {
            given.push(values.take(&parameter.name));
        }
        if let Some(symbol) = definition.caller {
            let caller = values.take("caller").filter(|it| !matches!(it, Value::None));
            let missing = || Value::undefined(Missing::Because("No caller defined".into()));
            scope.set(symbol, caller.unwrap_or_else(missing));
        }
        let name = definition.name.as_deref().unwrap_or("caller");
        match definition.kwargs {
            Some(symbol) => {
                let pairs = values.named.drain(..).map(|(name, value)| (Value::str(name), value));
                let dict = Dict::new(pairs.collect(), &self.budget)?;
                scope.set(symbol, Value::Dict(Rc::new(dict)));
            }
            None if !values.named.is_empty() => {
                return Err(Error::type_error(format!(
                    "macro '{name}' takes no keyword argument '{}'",
                    values.named[0].0
                )));
            }
            None => {}
        }
        match definition.varargs {
            Some(symbol) => scope.set(symbol, Value::tuple(more, &self.budget)?),
            None if !more.is_empty() => {
                return Err(Error::type_error(format!(
                    "macro '{name}' takes not more than {count} argument(s)"
                )));
            }
            None => {}
        }
        let text = self.inside(scope, |this| {
            this.fill_parameters(definition, given)?;
            this.captured(|this| this.run(&definition.body))
        })?;
        Ok(self.as_written(text))
    }

    /// Sets the parameters in the scope at hand: what is given, then defaults, which see the
    /// parameters before them.
    fn fill_parameters(&mut self, definition: &Macro, given: Vec<Option<Value>>) -> Result<()> {
        let is_missing: Vec<bool> = given.iter().map(Option::is_none).collect();
        for (parameter, value) in definition.parameters.iter().zip(given) {
            let missing = || {
                let reason = format!("parameter '{}' was not provided", parameter.name);
                Value::undefined(Missing::Because(reason))
            };
            self.scope.set(parameter.symbol, value.unwrap_or_else(missing));
        }
        for (parameter, is_missing) in definition.parameters.iter().zip(is_missing) {
            if let (true, Some(default)) = (is_missing, &parameter.default) {
                let value = self.evaluate(default)?;
                self.scope.set(parameter.symbol, value);
            }
        }
        Ok(())
    }
}

fn not_callable(value: &Value) -> Error {
    Error::type_error(format!("'{}' object is not callable", value.type_name()))
}
