//! Functions that templates find without asking: jinja2's, and those transformers adds.

use super::Renderer;
use super::arguments::{Values, integer, text};
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Dict, Namespace, Object, Range, Value, nested};
use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// Items that a range may have in the sandbox.
const MAX_RANGE: usize = 100_000;

/// A function, or what one has made.
pub(super) enum Function {
    Range,
    Dict,
    Namespace,
    Lipsum,
    RaiseException,
    StrftimeNow,
    MakeCycler,
    MakeJoiner,
    /// `cycler(…)`: items, the place among them, and how deep they nest.
    Cycler(Vec<Value>, Cell<usize>, u16),
    /// `joiner(…)`: what it gives, from the second call on.
    Joiner(Value, Cell<bool>),
    /// `self`, whose attributes are the template's blocks.
    Blocks,
    Block(usize),
}

impl Object for Function {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Cycler(..) => "Cycler",
            Self::Joiner(..) => "Joiner",
            Self::Blocks => "TemplateReference",
            Self::Block(_) => "BlockReference",
            Self::MakeCycler | Self::MakeJoiner | Self::Namespace => "type",
            Self::Dict => "TemplateDict",
            _ => "function",
        }
    }

    fn shown(&self) -> Option<String> {
        match self {
            Self::MakeCycler => Some("<class 'jinja2.utils.Cycler'>".into()),
            Self::MakeJoiner => Some("<class 'jinja2.utils.Joiner'>".into()),
            _ => None,
        }
    }

    fn is_callable(&self) -> bool {
        !matches!(self, Self::Cycler(..) | Self::Blocks)
    }

    fn depth(&self) -> u16 {
        match self {
            Self::Cycler(_, _, depth) => *depth,
            Self::Joiner(value, _) => nested([value].into_iter()).unwrap_or(u16::MAX - 1),
            _ => 0,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Renderer<'_> {
    /// What a name means where nobody has set it.
    pub(super) fn global(&self, name: &str) -> Option<Value> {
        Some(Value::object(match name {
            "range" => Function::Range,
            "dict" => Function::Dict,
            "namespace" => Function::Namespace,
            "lipsum" => Function::Lipsum,
            "cycler" => Function::MakeCycler,
            "joiner" => Function::MakeJoiner,
            "raise_exception" => Function::RaiseException,
            "strftime_now" => Function::StrftimeNow,
            "self" => Function::Blocks,
            _ => return None,
        }))
    }

    pub(super) fn function(&mut self, function: &Function, values: Values) -> Result<Value> {
        match function {
            Function::Range => range(values),
            Function::Dict => {
                let dict = Dict::new(self.pairs("dict", values)?, &self.budget)?;
                Ok(Value::Dict(Rc::new(dict)))
            }
            Function::Namespace => self.namespace(values),
            Function::Lipsum => {
                Err(Error::unsupported("lipsum() makes another text each time, which is refused"))
            }
            Function::RaiseException => {
                let [message] = values.bind("raise_exception", ["message"], 1)?;
                let message = self.text(&message.expect("a required argument"))?;
                Err(Error::new(ErrorKind::Raised, message))
            }
            Function::StrftimeNow => {
                let [format] = values.bind("strftime_now", ["format"], 1)?;
                let format = format.expect("a required argument");
                let format = text("strftime", &format)?;
                // Two characters become at most so many.
                self.budget.repeated(format.len(), 12)?;
                clock::strftime(format).map(Value::str)
            }
            Function::MakeCycler => {
                if values.positional.is_empty() || !values.named.is_empty() {
                    return Err(Error::type_error("at least one item has to be provided"));
                }
                let depth = nested(values.positional.iter())?;
                let first = Cell::new(0);
                Ok(Value::object(Function::Cycler(values.positional, first, depth)))
            }
            Function::MakeJoiner => {
                let [separator] = values.bind("joiner", ["sep"], 0)?;
                let separator = separator.unwrap_or_else(|| Value::str(", "));
                nested([&separator].into_iter())?;
                Ok(Value::object(Function::Joiner(separator, Cell::new(false))))
            }
            Function::Joiner(separator, is_used) => {
                values.unnamed::<0>("joiner", 0)?;
                Ok(if is_used.replace(true) { separator.clone() } else { Value::str("") })
            }
            Function::Block(place) => {
                values.unnamed::<0>("block", 0)?;
                let text = self.captured(|this| this.block(*place))?;
                Ok(self.as_written(text))
            }
            Function::Cycler(..) | Function::Blocks => {
                Err(Error::type_error(format!("'{}' object is not callable", function.type_name())))
            }
        }
    }

    /// `next()` and `reset()` of a cycler, `fromkeys` of `dict`.
    pub(super) fn function_method(
        &mut self,
        function: &Function,
        name: &str,
        values: Values,
    ) -> Result<Value> {
        if let Function::Cycler(items, place, _) = function {
            values.unnamed::<0>(name, 0)?;
            let at = place.get();
            place.set(if name == "next" { (at + 1) % items.len() } else { 0 });
            return Ok(if name == "next" { items[at].clone() } else { Value::None });
        }
        let [keys, value] = values.unnamed::<2>("fromkeys", 1)?;
        let value = value.unwrap_or(Value::None);
        let keys = keys.expect("a required argument").iterate(&self.budget)?;
        let pairs = keys.into_iter().map(|key| (key, value.clone())).collect();
        Ok(Value::Dict(Rc::new(Dict::new(pairs, &self.budget)?)))
    }

    /// The pairs that `dict(…)` is made of.
    fn pairs(&mut self, what: &str, values: Values) -> Result<Vec<(Value, Value)>> {
        let Values { positional, named } = values;
        let mut pairs = match &positional[..] {
            [] => Vec::new(),
            [Value::Dict(dict)] => dict.entries().to_vec(),
            [of] => {
                let mut pairs = Vec::new();
                for pair in of.iterate(&self.budget)? {
                    match &pair.iterate(&self.budget)?[..] {
                        [key, value] => pairs.push((key.clone(), value.clone())),
                        other => {
                            return Err(Error::value(format!(
                                "dictionary update sequence element has length {}; 2 is required",
                                other.len()
                            )));
                        }
                    }
                }
                pairs
            }
            _ => {
                return Err(Error::type_error(format!(
                    "{what} expected at most 1 argument, got {}",
                    positional.len()
                )));
            }
        };
        pairs.extend(named.into_iter().map(|(name, value)| (Value::str(name), value)));
        Ok(pairs)
    }

    fn namespace(&mut self, values: Values) -> Result<Value> {
        let pairs = self.pairs("namespace", values)?;
        let dict = Dict::new(pairs, &self.budget)?;
        let mut attributes: Vec<(Arc<str>, Value)> = Vec::new();
        for (key, value) in dict.entries() {
            match key {
                Value::Str(name) if name.text.starts_with('_') => {
                    return Err(Error::new(
                        ErrorKind::Security,
                        format!(
                            "a namespace has no attributes that begin with `_`: '{}'",
                            name.text
                        ),
                    ));
                }
                Value::Str(name) => attributes.push((name.text.clone(), value.clone())),
                // Python keeps it, and nothing can ask for it.
                _ => {}
            }
        }
        let namespace = Rc::new(Namespace::new(attributes)?);
        self.namespaces.push(namespace.clone());
        Ok(Value::Namespace(namespace))
    }
}

fn range(values: Values) -> Result<Value> {
    let [a, b, c] = values.unnamed::<3>("range", 1)?;
    let a = integer(&a.expect("a required argument"))?;
    let step = c.as_ref().map_or(Ok(1), integer)?;
    let (start, stop) = match b {
        Some(b) => (a, integer(&b)?),
        None => (0, a),
    };
    if step == 0 {
        return Err(Error::value("range() arg 3 must not be zero"));
    }
    let range = Range::new(start, stop, step).ok_or_else(Range::too_far)?;
    if range.len() > MAX_RANGE {
        return Err(Error::limit(format!(
            "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MAX_RANGE})."
        )));
    }
    Ok(Value::Range(range))
}
