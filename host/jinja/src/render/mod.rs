//! Rendering: the tree is walked, text comes out.

mod scope;
mod arguments;
mod functions;
mod loops;
mod call;
mod methods;
mod attribute;
mod filters;
mod tests;
mod expression;
mod statement;

use crate::ast::Symbol;
use crate::budget::{Budget, DEPTH};
use crate::error::{Error, Result};
use crate::parser::Parsed;
use crate::value::{Namespace, Value};
use crate::write::push_str;
use scope::Scope;
use serde_json::{Map, Value as Json};
use std::ops::Range;
use std::rc::Rc;

/// A rendered text, and what of it stood between `{% generation %}` and `{% endgeneration %}`.
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) generated: Vec<Range<usize>>,
}

/// Renders a template with variables.
///
/// # Errors
/// Whatever stops it, with the line of the tag.
pub(crate) fn render(parsed: &Parsed, variables: &Map<String, Json>) -> Result<Rendered> {
    let root = Scope::outermost();
    let mut renderer = Renderer {
        parsed,
        budget: Rc::new(Budget::full()),
        scope: root.clone(),
        root,
        outputs: vec![String::new()],
        escapes: false,
        generated: Vec::new(),
        scopes: Vec::new(),
        namespaces: Vec::new(),
        depth: 0,
    };
    for (place, name) in parsed.names.iter().enumerate() {
        if let Some(value) = variables.get(&**name) {
            let value = Value::of_json(value, &renderer.budget)?;
            renderer.root.set(Symbol(place as u32), value);
        }
    }
    renderer.run(&parsed.body)?;
    let text = renderer.outputs.pop().unwrap_or_default();
    Ok(Rendered { text, generated: std::mem::take(&mut renderer.generated) })
}

/// A rendering under way.
struct Renderer<'t> {
    parsed: &'t Parsed,
    budget: Rc<Budget>,
    scope: Rc<Scope>,
    root: Rc<Scope>,
    /// The text, and the texts of what is captured on the way, innermost last.
    outputs: Vec<String>,
    /// Within `{% autoescape true %}`.
    escapes: bool,
    generated: Vec<Range<usize>>,
    /// What may hold itself, to be emptied at the end.
    scopes: Vec<Rc<Scope>>,
    namespaces: Vec<Rc<Namespace>>,
    depth: usize,
}

impl Renderer<'_> {
    fn name(&self, symbol: Symbol) -> &str {
        &self.parsed.names[symbol.0 as usize]
    }

    /// Writes `str(value)`.
    fn print(&mut self, value: &Value) -> Result<()> {
        if self.escapes {
            let escaped = self.escaped(value)?;
            return self.write(&escaped);
        }
        push_str(self.outputs.last_mut().expect("there is always an output"), value, &self.budget)
    }

    /// A value as HTML.
    fn escaped(&self, value: &Value) -> Result<String> {
        match value {
            Value::Str(text) if text.is_markup => Ok(text.text.to_string()),
            _ => {
                let text = crate::write::str_of(value, &self.budget)?;
                crate::html::escape(&text, &self.budget)
            }
        }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.budget.bytes(text.len())?;
        self.outputs.last_mut().expect("there is always an output").push_str(text);
        Ok(())
    }

    /// What `work` writes.
    fn captured(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<String> {
        self.outputs.push(String::new());
        let result = work(self);
        let text = self.outputs.pop().expect("the output that was opened");
        result.map(|()| text)
    }

    /// A text that has been written: markup where all of it was escaped.
    fn as_written(&self, text: String) -> Value {
        if self.escapes { Value::markup(text) } else { Value::str(text) }
    }

    /// Does `work` in another scope.
    fn inside<T>(
        &mut self,
        scope: Rc<Scope>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let outer = std::mem::replace(&mut self.scope, scope);
        let result = work(self);
        self.scope = outer;
        result
    }

    /// Does `work` one level deeper.
    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH {
            return Err(Error::limit(format!("calls are nested more than {DEPTH} deep")));
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }
}

impl Drop for Renderer<'_> {
    fn drop(&mut self) {
        for scope in self.scopes.iter().chain([&self.root, &self.scope]) {
            scope.clear();
        }
        for namespace in &self.namespaces {
            drop(namespace.attributes.take());
        }
    }
}
