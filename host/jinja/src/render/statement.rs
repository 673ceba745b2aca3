//! Statements.

use super::Renderer;
use super::call::MacroValue;
use super::loops::Flow;
use super::scope::Scope;
use crate::ast::{Filter, Statement, StatementKind, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;
use std::ops::ControlFlow;
use std::rc::Rc;

impl Renderer<'_> {
    /// Statements that no loop is around.
    pub(super) fn run(&mut self, body: &[Statement]) -> Result<()> {
        self.flow(body).map(|_| ())
    }

    pub(super) fn flow(&mut self, body: &[Statement]) -> Result<Flow> {
        for statement in body {
            self.budget.steps(1)?;
            let flow = self
                .deeper(|this| this.statement(&statement.kind))
                .map_err(|error| error.at(statement.line))?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &StatementKind) -> Result<Flow> {
        match statement {
            StatementKind::Data(text) => self.write(text)?,
            StatementKind::Print(values) => {
                for value in values {
                    let value = self.evaluate(value)?;
                    self.print(&value)?;
                }
            }
            StatementKind::For(parts) => return self.for_loop(parts),
            StatementKind::If(branches, otherwise) => {
                for (test, body) in branches {
                    if self.evaluate(test)?.is_true() {
                        return self.flow(body);
                    }
                }
                return self.flow(otherwise);
            }
            StatementKind::Set(target, value) => self.set(target, value)?,
            StatementKind::SetBlock(target, filters, body) => {
                let value = match self.captured_block(filters, body)? {
                    ControlFlow::Continue(value) => value,
                    ControlFlow::Break(flow) => return Ok(flow),
                };
                self.assign(target, value)?;
            }
            StatementKind::With(pairs, body) => {
                let scope = Scope::within(&self.scope);
                for (target, value) in pairs {
                    let value = self.evaluate(value)?;
                    self.inside(scope.clone(), |this| this.assign(target, value))?;
                }
                return self.inside(scope, |this| this.flow(body));
            }
            StatementKind::Macro(definition) => {
                let value = self.macro_value(definition);
                self.scope.set(definition.symbol, value);
            }
            StatementKind::Call(call, definition) => {
                let caller = self.macro_value(definition);
                let value = self.call_with_caller(call, caller)?;
                self.print(&value)?;
            }
            StatementKind::Generation(definition) => {
                let body = MacroValue { definition: definition.clone(), scope: self.scope.clone() };
                let text = self.call_macro(&body, Default::default())?;
                let start = self.outputs.last().map_or(0, String::len);
                self.print(&text)?;
                if let [text] = &self.outputs[..] {
                    self.generated.push(start..text.len());
                }
            }
            StatementKind::FilterBlock(filters, body) => {
                let value = match self.captured_block(filters, body)? {
                    ControlFlow::Continue(value) => value,
                    ControlFlow::Break(flow) => return Ok(flow),
                };
                self.print(&value)?;
            }
            StatementKind::Block(place) => self.block(*place)?,
            StatementKind::Autoescape(value, body) => {
                let escapes = self.evaluate(value)?.is_true();
                let outer = std::mem::replace(&mut self.escapes, escapes);
                let flow = self.inside(Scope::within(&self.scope), |this| this.flow(body));
                self.escapes = outer;
                return flow;
            }
            StatementKind::Load(tag) => {
                return Err(Error::type_error(format!(
                    "{{% {tag} %}}: no loader for this environment specified"
                )));
            }
            StatementKind::Break => return Ok(Flow::Break),
            StatementKind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// What a body writes, filtered; or how the loop around it goes on, where the body leaves it.
    fn captured_block(
        &mut self,
        filters: &[Filter],
        body: &[Statement],
    ) -> Result<ControlFlow<Flow, Value>> {
        let scope = Scope::within(&self.scope);
        let mut flow = Flow::Next;
        let text = self.inside(scope.clone(), |this| {
            this.captured(|this| {
                flow = this.flow(body)?;
                Ok(())
            })
        })?;
        if flow != Flow::Next {
            return Ok(ControlFlow::Break(flow));
        }
        let value = self.as_written(text);
        self.inside(scope, |this| this.filtered(value, filters)).map(ControlFlow::Continue)
    }

    /// A block, which sees the template's variables, and those of the loops around it where it
    /// says so.
    pub(super) fn block(&mut self, place: usize) -> Result<()> {
        let block = &self.parsed.blocks[place];
        let around = if block.is_scoped { &self.scope } else { &self.root };
        let scope = Scope::within(around);
        self.inside(scope, |this| this.run(&block.body))
    }

    pub(super) fn macro_value(&mut self, definition: &std::sync::Arc<crate::ast::Macro>) -> Value {
        let scope = self.scope.clone();
        if !self.scopes.last().is_some_and(|last| Rc::ptr_eq(last, &scope)) {
            self.scopes.push(scope.clone());
        }
        Value::object(MacroValue { definition: definition.clone(), scope })
    }

    fn set(&mut self, target: &Target, value: &crate::ast::Expression) -> Result<()> {
        self.check_namespaces(target)?;
        let value = self.evaluate(value)?;
        self.assign(target, value)
    }

    /// Python looks whether there are namespaces before it works out the value.
    fn check_namespaces(&self, target: &Target) -> Result<()> {
        match target {
            Target::Name(_) => Ok(()),
            Target::Attribute(name, _) => match self.scope.get(*name) {
                Some(Value::Namespace(_)) => Ok(()),
                _ => Err(Error::new(
                    ErrorKind::Type,
                    "cannot assign attribute on non-namespace object",
                )),
            },
            Target::Tuple(targets) => targets.iter().try_for_each(|it| self.check_namespaces(it)),
        }
    }

    pub(super) fn assign(&mut self, target: &Target, value: Value) -> Result<()> {
        match target {
            Target::Name(name) => {
                self.scope.set(*name, value);
                Ok(())
            }
            Target::Attribute(name, attribute) => match self.scope.get(*name) {
                Some(Value::Namespace(_)) if attribute.starts_with('_') => Err(Error::new(
                    ErrorKind::Security,
                    format!("a namespace has no attributes that begin with `_`: '{attribute}'"),
                )),
                Some(Value::Namespace(namespace)) => namespace.set(attribute.clone(), value),
                _ => self.check_namespaces(target),
            },
            Target::Tuple(targets) => {
                let values = value.iterate(&self.budget).map_err(|error| match value {
                    Value::Undefined(_) => error,
                    _ => Error::type_error(format!(
                        "cannot unpack non-iterable {} object",
                        value.type_name()
                    )),
                })?;
                let (expected, got) = (targets.len(), values.len());
                if got < expected {
                    return Err(Error::value(format!(
                        "not enough values to unpack (expected {expected}, got {got})"
                    )));
                }
                if got > expected {
                    return Err(Error::value(format!(
                        "too many values to unpack (expected {expected})"
                    )));
                }
                targets.iter().zip(values).try_for_each(|(it, value)| self.assign(it, value))
            }
        }
    }

    fn filtered(&mut self, value: Value, filters: &[Filter]) -> Result<Value> {
        filters.iter().try_fold(value, |value, filter| {
            let values = self.values(&filter.arguments)?;
            self.filter(&filter.name, value, values)
        })
    }
}
