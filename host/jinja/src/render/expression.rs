//! Expressions.

use super::Renderer;
use super::arguments::Values;
use crate::ast::{Arguments, Comparison, Expression, Symbol};
use crate::error::{Error, ErrorKind, Result};
use crate::operators::{binary, negative, positive, slice};
use crate::value::{Dict, Missing, Value, compare, contains, equal};
use crate::write::str_of;
use std::cmp::Ordering;
use std::rc::Rc;

impl Renderer<'_> {
    pub(super) fn evaluate(&mut self, expression: &Expression) -> Result<Value> {
        self.budget.steps(1)?;
        match expression {
            Expression::Str(text) => Ok(Value::str(text.clone())),
            Expression::Name(name) => Ok(self.variable(*name)),
            _ => self.deeper(|this| this.compound(expression)),
        }
    }

    fn compound(&mut self, expression: &Expression) -> Result<Value> {
        match expression {
            Expression::None => Ok(Value::None),
            Expression::Bool(value) => Ok(Value::Bool(*value)),
            Expression::Int(value) => Ok(Value::Int(*value)),
            Expression::Float(value) => Ok(Value::Float(*value)),
            Expression::Str(text) => Ok(Value::str(text.clone())),
            Expression::Name(name) => Ok(self.variable(*name)),
            Expression::List(items) => {
                let values = self.all(items)?;
                Value::list(values, &self.budget)
            }
            Expression::Tuple(items) => {
                let values = self.all(items)?;
                Value::tuple(values, &self.budget)
            }
            Expression::Dict(pairs) => self.dict(pairs),
            Expression::Attribute(of, name) => {
                let value = self.evaluate(of)?;
                self.attribute(&value, name)
            }
            Expression::Item(of, item) => {
                let value = self.evaluate(of)?;
                let item = self.evaluate(item)?;
                self.item(&value, &item)
            }
            Expression::Slice(of, parts) => {
                let value = self.evaluate(of)?;
                let mut places = [Value::None, Value::None, Value::None];
                for (place, part) in places.iter_mut().zip(parts.iter()) {
                    if let Some(part) = part {
                        *place = self.evaluate(part)?;
                    }
                }
                match slice(&value, places, &self.budget) {
                    // Jinja2 works a constant out beforehand, as an item that may be missing.
                    Err(error) if error.kind() == ErrorKind::Type && is_constant(of, parts) => {
                        Ok(Value::undefined(Missing::Because(error.message().into())))
                    }
                    result => result,
                }
            }
            Expression::Call(call) => self.call_expression(call),
            Expression::Filter(of, filter) => {
                let value = self.evaluate(of)?;
                let values = self.values(&filter.arguments)?;
                self.filter(&filter.name, value, values)
            }
            Expression::Test(of, test) => {
                let value = self.evaluate(of)?;
                let values = self.values(&test.arguments)?;
                self.test(&test.name, &value, values).map(Value::Bool)
            }
            Expression::Not(of) => Ok(Value::Bool(!self.evaluate(of)?.is_true())),
            Expression::Negative(of) => negative(&self.evaluate(of)?),
            Expression::Positive(of) => positive(&self.evaluate(of)?),
            Expression::And(a, b) => {
                let value = self.evaluate(a)?;
                if value.is_true() { self.evaluate(b) } else { Ok(value) }
            }
            Expression::Or(a, b) => {
                let value = self.evaluate(a)?;
                if value.is_true() { Ok(value) } else { self.evaluate(b) }
            }
            Expression::Compare(first, rest) => self.comparison(first, rest),
            Expression::Binary(operator, a, b) => {
                let a = self.evaluate(a)?;
                let b = self.evaluate(b)?;
                binary(*operator, &a, &b, &self.budget)
            }
            Expression::Concat(parts) => self.concat(parts),
            Expression::If(condition, value, other) => {
                if self.evaluate(condition)?.is_true() {
                    return self.evaluate(value);
                }
                match other {
                    Some(other) => self.evaluate(other),
                    None => Ok(Value::undefined(Missing::Because(
                        "the inline if-expression evaluated to false and no else section was \
                         defined."
                            .into(),
                    ))),
                }
            }
        }
    }

    fn variable(&self, name: Symbol) -> Value {
        self.scope.get(name).unwrap_or_else(|| {
            let name = self.name(name);
            self.global(name).unwrap_or_else(|| Value::undefined(Missing::Name(name.into())))
        })
    }

    fn all(&mut self, expressions: &[Expression]) -> Result<Vec<Value>> {
        expressions.iter().map(|it| self.evaluate(it)).collect()
    }

    fn dict(&mut self, pairs: &[(Expression, Expression)]) -> Result<Value> {
        let mut values = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            values.push((self.evaluate(key)?, self.evaluate(value)?));
        }
        Ok(Value::Dict(Rc::new(Dict::new(values, &self.budget)?)))
    }

    /// `first < second < third`: no more is worked out than it takes.
    fn comparison(
        &mut self,
        first: &Expression,
        rest: &[(Comparison, Expression)],
    ) -> Result<Value> {
        let mut left = self.evaluate(first)?;
        for (comparison, right) in rest {
            let right = self.evaluate(right)?;
            if !self.holds(*comparison, &left, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn holds(&self, comparison: Comparison, a: &Value, b: &Value) -> Result<bool> {
        let ordered = |operator: &str, holds: fn(Ordering) -> bool| {
            Ok(compare(a, b, operator, &self.budget)?.is_some_and(holds))
        };
        match comparison {
            Comparison::Equal => equal(a, b, &self.budget),
            Comparison::NotEqual => equal(a, b, &self.budget).map(|equal| !equal),
            Comparison::Less => ordered("<", Ordering::is_lt),
            Comparison::LessOrEqual => ordered("<=", Ordering::is_le),
            Comparison::Greater => ordered(">", Ordering::is_gt),
            Comparison::GreaterOrEqual => ordered(">=", Ordering::is_ge),
            Comparison::In => contains(b, a, &self.budget),
            Comparison::NotIn => contains(b, a, &self.budget).map(|contains| !contains),
        }
    }

    fn concat(&mut self, parts: &[Expression]) -> Result<Value> {
        let values = self.all(parts)?;
        let is_markup = |value: &Value| matches!(value, Value::Str(text) if text.is_markup);
        if self.escapes && values.iter().any(is_markup) {
            let texts: Vec<_> = values.iter().map(|it| self.escaped(it)).collect::<Result<_>>()?;
            return Ok(Value::markup(texts.concat()));
        }
        let mut text = String::new();
        for value in &values {
            crate::write::push_str(&mut text, value, &self.budget)?;
        }
        Ok(Value::str(text))
    }

    /// The values of arguments.
    pub(super) fn values(&mut self, arguments: &Arguments) -> Result<Values> {
        let mut values = Values::positional(self.all(&arguments.positional)?);
        for (name, value) in &arguments.named {
            let value = self.evaluate(value)?;
            values.named.push((name.clone(), value));
        }
        if let Some(more) = &arguments.more {
            let more = self.evaluate(more)?;
            values.positional.extend(more.iterate(&self.budget)?);
        }
        if let Some(more) = &arguments.more_named {
            let Value::Dict(more) = self.evaluate(more)? else {
                return Err(Error::type_error("argument after ** must be a mapping"));
            };
            for (key, value) in more.entries() {
                let Value::Str(name) = key else {
                    return Err(Error::type_error("keywords must be strings"));
                };
                if values.named.iter().any(|(known, _)| *known == name.text) {
                    return Err(Error::type_error(format!(
                        "got multiple values for keyword argument '{}'",
                        name.text
                    )));
                }
                values.named.push((name.text.clone(), value.clone()));
            }
        }
        Ok(values)
    }

    /// `str(value)`.
    pub(super) fn text(&self, value: &Value) -> Result<String> {
        str_of(value, &self.budget)
    }
}

/// Whether a slice is one of constants alone.
fn is_constant(of: &Expression, parts: &[Option<Expression>; 3]) -> bool {
    fn is_literal(value: &Expression) -> bool {
        match value {
            Expression::None
            | Expression::Bool(_)
            | Expression::Int(_)
            | Expression::Float(_)
            | Expression::Str(_) => true,
            Expression::List(items) | Expression::Tuple(items) => items.iter().all(is_literal),
            Expression::Dict(pairs) => {
                pairs.iter().all(|(key, value)| is_literal(key) && is_literal(value))
            }
            Expression::Negative(value) | Expression::Positive(value) => is_literal(value),
            _ => false,
        }
    }
    is_literal(of) && parts.iter().flatten().all(is_literal)
}
