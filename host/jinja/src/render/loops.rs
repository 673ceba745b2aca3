//! `for`, and the `loop` that its body can ask. Items are fetched one by one, so that a condition
//! sees what the rounds before it have done.

use super::Renderer;
use super::arguments::Values;
use super::scope::Scope;
use crate::ast::For;
use crate::error::{Error, Result};
use crate::value::{Missing, Object, Value, equal, nested};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// Whether a loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

/// A loop under way.
pub(super) struct Loop {
    definition: Arc<For>,
    scope: Rc<Scope>,
    depth0: i128,
    /// Items not yet fetched; `is_sifted` once the condition has been applied to all of them.
    source: RefCell<VecDeque<Value>>,
    is_sifted: Cell<bool>,
    length: Cell<Option<i128>>,
    index0: Cell<i128>,
    before: RefCell<Option<Value>>,
    current: RefCell<Option<Value>>,
    /// The next item, where somebody has asked for it.
    after: RefCell<Option<Value>>,
    changed: RefCell<Option<Vec<Value>>>,
    nesting: Cell<u16>,
}

impl Object for Loop {
    fn type_name(&self) -> &'static str {
        "LoopContext"
    }

    fn shown(&self) -> Option<String> {
        let length = self.length.get()?;
        Some(format!("<LoopContext {}/{length}>", self.index0.get() + 1))
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn depth(&self) -> u16 {
        self.nesting.get()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Renderer<'_> {
    pub(super) fn for_loop(&mut self, definition: &Arc<For>) -> Result<Flow> {
        let items = self.evaluate(&definition.items)?;
        if !definition.is_recursive {
            return self.rounds(definition, &items, 0);
        }
        // A recursive loop is a function, which calls itself with other items.
        let mut flow = Flow::Next;
        let text = self.captured(|this| {
            flow = this.rounds(definition, &items, 0)?;
            Ok(())
        })?;
        self.write(&text)?;
        Ok(flow)
    }

    /// `loop(items)` in a recursive loop.
    pub(super) fn recurse(&mut self, state: &Loop, values: Values) -> Result<Value> {
        if !state.definition.is_recursive {
            return Err(Error::type_error(
                "The loop must have the 'recursive' marker to be called recursively.",
            ));
        }
        let [items] = values.unnamed::<1>("loop", 1)?;
        let items = items.expect("a required argument");
        let definition = state.definition.clone();
        let text = self.inside(state.scope.clone(), |this| {
            this.captured(|this| this.rounds(&definition, &items, state.depth0 + 1).map(|_| ()))
        })?;
        Ok(self.as_written(text))
    }

    fn rounds(&mut self, definition: &Arc<For>, items: &Value, depth0: i128) -> Result<Flow> {
        let source: VecDeque<Value> = items.iterate(&self.budget)?.into();
        let has_condition = definition.condition.is_some();
        let state = Rc::new(Loop {
            definition: definition.clone(),
            scope: self.scope.clone(),
            depth0,
            nesting: Cell::new(nested(source.iter())?),
            length: Cell::new((!has_condition).then_some(source.len() as i128)),
            source: RefCell::new(source),
            is_sifted: Cell::new(!has_condition),
            index0: Cell::new(-1),
            before: RefCell::default(),
            current: RefCell::default(),
            after: RefCell::default(),
            changed: RefCell::default(),
        });
        let mut is_through = false;
        while let Some(item) = self.next_item(&state)? {
            self.budget.steps(1)?;
            let scope = Scope::within(&self.scope);
            if let Some(symbol) = self.parsed.loop_name {
                scope.set(symbol, Value::Object(state.clone()));
            }
            let flow = self.inside(scope, |this| {
                this.assign(&definition.target, item)?;
                this.flow(&definition.body)
            })?;
            match flow {
                Flow::Break => break,
                // A round that is cut short does not count against `else`.
                Flow::Continue => {}
                Flow::Next => is_through = true,
            }
        }
        if is_through || definition.otherwise.is_empty() {
            return Ok(Flow::Next);
        }
        self.inside(Scope::within(&self.scope), |this| this.flow(&definition.otherwise))
    }

    /// Goes on to the next item.
    fn next_item(&mut self, state: &Loop) -> Result<Option<Value>> {
        let item = match state.after.take() {
            Some(item) => Some(item),
            None => self.fetch(state)?,
        };
        if let Some(item) = &item {
            state.index0.set(state.index0.get() + 1);
            let last = state.current.replace(Some(item.clone()));
            state.before.replace(last);
        }
        Ok(item)
    }

    /// The next item that the condition lets through.
    fn fetch(&mut self, state: &Loop) -> Result<Option<Value>> {
        loop {
            let item = state.source.borrow_mut().pop_front();
            let (Some(item), false) = (&item, state.is_sifted.get()) else { return Ok(item) };
            if self.passes(state, item)? {
                return Ok(Some(item.clone()));
            }
        }
    }

    fn passes(&mut self, state: &Loop, item: &Value) -> Result<bool> {
        let Some(condition) = &state.definition.condition else { return Ok(true) };
        self.budget.steps(1)?;
        self.inside(Scope::within(&state.scope), |this| {
            this.assign(&state.definition.target, item.clone())?;
            Ok(this.evaluate(condition)?.is_true())
        })
    }

    fn peek(&mut self, state: &Loop) -> Result<Option<Value>> {
        if state.after.borrow().is_none() {
            let next = self.fetch(state)?;
            state.after.replace(next);
        }
        Ok(state.after.borrow().clone())
    }

    fn loop_length(&mut self, state: &Loop) -> Result<i128> {
        if let Some(length) = state.length.get() {
            return Ok(length);
        }
        let mut rest = VecDeque::new();
        while let Some(item) = self.fetch(state)? {
            rest.push_back(item);
        }
        let peeked = i128::from(state.after.borrow().is_some());
        let length = rest.len() as i128 + state.index0.get() + 1 + peeked;
        state.source.replace(rest);
        state.is_sifted.set(true);
        state.length.set(Some(length));
        Ok(length)
    }

    /// `loop.name`; `None` where there is no such thing.
    pub(super) fn loop_attribute(&mut self, state: &Loop, name: &str) -> Result<Option<Value>> {
        let index0 = state.index0.get();
        let missing = |reason: &str| Value::undefined(Missing::Because(reason.into()));
        Ok(Some(match name {
            "index0" => Value::Int(index0),
            "index" => Value::Int(index0 + 1),
            "first" => Value::Bool(index0 == 0),
            "last" => Value::Bool(self.peek(state)?.is_none()),
            "length" => Value::Int(self.loop_length(state)?),
            "revindex" => Value::Int(self.loop_length(state)? - index0),
            "revindex0" => Value::Int(self.loop_length(state)? - index0 - 1),
            "depth0" => Value::Int(state.depth0),
            "depth" => Value::Int(state.depth0 + 1),
            "nextitem" => self.peek(state)?.unwrap_or_else(|| missing("there is no next item")),
            "previtem" if index0 == 0 => missing("there is no previous item"),
            "previtem" => state.before.borrow().clone().unwrap_or(Value::None),
            _ => return Ok(None),
        }))
    }

    /// `loop.cycle(…)` and `loop.changed(…)`.
    pub(super) fn loop_method(
        &mut self,
        state: &Loop,
        name: &str,
        values: Values,
    ) -> Result<Value> {
        if !values.named.is_empty() {
            return Err(Error::type_error(format!("{name}() takes no keyword arguments")));
        }
        let given = values.positional;
        if name == "cycle" {
            if given.is_empty() {
                return Err(Error::type_error("no items for cycling given"));
            }
            let place = state.index0.get().rem_euclid(given.len() as i128);
            return Ok(given[place as usize].clone());
        }
        state.nesting.set(state.nesting.get().max(nested(given.iter())?));
        let last = state.changed.borrow().clone();
        let is_same = match last {
            Some(last) if last.len() == given.len() => {
                let mut is_same = true;
                for (a, b) in last.iter().zip(&given) {
                    is_same &= equal(a, b, &self.budget)?;
                }
                is_same
            }
            _ => false,
        };
        if !is_same {
            state.changed.replace(Some(given));
        }
        Ok(Value::Bool(!is_same))
    }
}
