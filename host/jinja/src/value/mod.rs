//! Python's values, as far as a chat template can get hold of them: what they are, how they are
//! made, how long they are and what they hold. All but namespaces are immutable, since the sandbox
//! lets nothing else change.

mod dict;
mod json_value;
mod order;

pub(crate) use dict::{Dict, Key};
pub(crate) use order::{compare, contains, equal, sorted};

use crate::budget::{Budget, NESTING};
use crate::characters::is_alpha;
use crate::error::{Error, Result};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// A value.
#[derive(Clone)]
pub(crate) enum Value {
    Undefined(Rc<Missing>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Text),
    Bytes(Rc<[u8]>),
    List(Rc<Items>),
    Tuple(Rc<Items>),
    Dict(Rc<Dict>),
    View(View, Rc<Dict>),
    Range(Range),
    Iterator(Rc<Iter>),
    Namespace(Rc<Namespace>),
    /// What only the renderer knows how to call or to ask.
    Object(Rc<dyn Object>),
    /// A method of a value, not yet called.
    Method(Rc<(Value, Arc<str>)>),
}

/// A text, and whether HTML in it has been escaped already.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) text: Arc<str>,
    pub(crate) is_markup: bool,
}

/// What was looked for and not found; the words of the error that using it will be.
pub(crate) enum Missing {
    /// A variable.
    Name(Arc<str>),
    /// An attribute or item of a value.
    Of { value: &'static str, name: String },
    /// Something that is there and must not be touched.
    Unsafe { value: &'static str, name: String },
    /// Another reason, in words.
    Because(String),
}

/// The items of a list or tuple.
pub(crate) struct Items {
    pub(crate) values: Vec<Value>,
    depth: u16,
    /// A pair of `groupby`, whose halves have names.
    pub(crate) is_group: bool,
}

/// What `keys()`, `values()` and `items()` give.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Keys,
    Values,
    Items,
}

/// `range(start, stop, step)`.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) start: i128,
    pub(crate) stop: i128,
    pub(crate) step: i128,
}

/// Something that can be gone through once.
pub(crate) struct Iter {
    /// What Python calls it.
    pub(crate) kind: &'static str,
    pub(crate) rest: RefCell<VecDeque<Value>>,
    depth: u16,
}

/// `namespace()`: the one thing whose attributes may be set.
pub(crate) struct Namespace {
    pub(crate) attributes: RefCell<Vec<(Arc<str>, Value)>>,
    depth: Cell<u16>,
}

/// A macro, a loop, a function: known to the renderer.
pub(crate) trait Object {
    /// What Python calls its type.
    fn type_name(&self) -> &'static str;
    /// What printing it shows; `None` where that is an address in memory.
    fn shown(&self) -> Option<String> {
        None
    }
    /// Whether it can be called.
    fn is_callable(&self) -> bool;
    /// How deep the values nest that it holds.
    fn depth(&self) -> u16 {
        0
    }
    /// As what it is, for who knows it.
    fn as_any(&self) -> &dyn std::any::Any;
}

impl Value {
    pub(crate) fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(Text { text: text.into(), is_markup: false })
    }

    pub(crate) fn markup(text: impl Into<Arc<str>>) -> Self {
        Self::Str(Text { text: text.into(), is_markup: true })
    }

    pub(crate) fn object(object: impl Object + 'static) -> Self {
        Self::Object(Rc::new(object))
    }

    pub(crate) fn undefined(missing: Missing) -> Self {
        Self::Undefined(Rc::new(missing))
    }

    pub(crate) fn list(values: Vec<Value>, budget: &Budget) -> Result<Self> {
        Items::new(values, budget).map(|items| Self::List(Rc::new(items)))
    }

    pub(crate) fn tuple(values: Vec<Value>, budget: &Budget) -> Result<Self> {
        Items::new(values, budget).map(|items| Self::Tuple(Rc::new(items)))
    }

    pub(crate) fn iterator(
        kind: &'static str,
        values: Vec<Value>,
        budget: &Budget,
    ) -> Result<Self> {
        let Items { values, depth, .. } = Items::new(values, budget)?;
        Ok(Self::Iterator(Rc::new(Iter { kind, rest: RefCell::new(values.into()), depth })))
    }

    /// What Python calls its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(text) if text.is_markup => "Markup",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(items) if items.is_group => "_GroupTuple",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::View(View::Keys, _) => "dict_keys",
            Self::View(View::Values, _) => "dict_values",
            Self::View(View::Items, _) => "dict_items",
            Self::Range(_) => "range",
            Self::Iterator(iter) => iter.kind,
            Self::Namespace(_) => "Namespace",
            Self::Object(object) => object.type_name(),
            Self::Method(_) => "builtin_function_or_method",
        }
    }

    /// How deep lists and dicts nest in it.
    fn depth(&self) -> u16 {
        match self {
            Self::List(items) | Self::Tuple(items) => items.depth,
            Self::Dict(dict) | Self::View(_, dict) => dict.depth(),
            Self::Iterator(iter) => iter.depth,
            Self::Namespace(namespace) => namespace.depth.get(),
            Self::Method(method) => method.0.depth() + 1,
            Self::Object(object) => object.depth(),
            _ => 0,
        }
    }

    /// `bool(value)`.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.values.is_empty(),
            Self::Dict(dict) | Self::View(_, dict) => dict.len() > 0,
            Self::Range(range) => range.len() > 0,
            Self::Iterator(_) | Self::Namespace(_) | Self::Object(_) | Self::Method(_) => true,
        }
    }

    /// Steps that a look at all of it costs.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Str(text) => text.text.len() / 64,
            Self::Bytes(bytes) => bytes.len() / 64,
            _ => 0,
        }
    }

    pub(crate) fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    /// The text of a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(&text.text),
            _ => None,
        }
    }

    /// An integer, as which Python takes truth values too.
    pub(crate) fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    /// A number as a float.
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    /// `len(value)`.
    pub(crate) fn len(&self) -> Result<usize> {
        match self {
            Self::Undefined(_) => Ok(0),
            Self::Str(text) => Ok(text.text.chars().count()),
            Self::Bytes(bytes) => Ok(bytes.len()),
            Self::List(items) | Self::Tuple(items) => Ok(items.values.len()),
            Self::Dict(dict) | Self::View(_, dict) => Ok(dict.len()),
            Self::Range(range) => Ok(range.len()),
            _ => Err(Error::type_error(format!(
                "object of type '{}' has no len()",
                self.type_name()
            ))),
        }
    }

    /// `list(value)`; an iterator is empty afterwards.
    pub(crate) fn iterate(&self, budget: &Budget) -> Result<Vec<Value>> {
        let values: Vec<Value> = match self {
            Self::Undefined(_) => Vec::new(),
            Self::Str(text) => {
                // A value, and a text of its own behind it.
                budget.repeated(size_of::<Value>() + 32, text.text.chars().count())?;
                text.text.chars().map(|c| Self::str(c.to_string())).collect()
            }
            Self::Bytes(bytes) => bytes.iter().map(|byte| Self::Int((*byte).into())).collect(),
            Self::List(items) | Self::Tuple(items) => items.values.clone(),
            Self::Dict(dict) | Self::View(View::Keys, dict) => dict.keys().cloned().collect(),
            Self::View(View::Values, dict) => dict.values().cloned().collect(),
            Self::View(View::Items, dict) => dict
                .entries()
                .iter()
                .map(|(key, value)| Self::tuple(vec![key.clone(), value.clone()], budget))
                .collect::<Result<_>>()?,
            Self::Range(range) => (0..range.len()).map(|i| Self::Int(range.get(i))).collect(),
            Self::Iterator(iter) => iter.rest.take().into(),
            _ => {
                return Err(Error::type_error(format!(
                    "'{}' object is not iterable",
                    self.type_name()
                )));
            }
        };
        budget.steps(values.len())?;
        Ok(values)
    }

    /// Whether `iter(value)` would give something.
    pub(crate) fn is_iterable(&self) -> bool {
        !matches!(
            self,
            Self::None
                | Self::Bool(_)
                | Self::Int(_)
                | Self::Float(_)
                | Self::Namespace(_)
                | Self::Object(_)
                | Self::Method(_)
        )
    }
}

impl Missing {
    /// The error that using the value is.
    pub(crate) fn error(&self) -> Error {
        use crate::error::ErrorKind::{Security, Undefined};
        match self {
            Self::Name(name) => Error::new(Undefined, format!("'{name}' is undefined")),
            Self::Of { value, name } if name.starts_with(|c: char| is_alpha(c) || c == '_') => {
                Error::new(Undefined, format!("'{value}' has no attribute '{name}'"))
            }
            Self::Of { value, name } => {
                Error::new(Undefined, format!("'{value}' has no element {name}"))
            }
            Self::Unsafe { value, name } => Error::new(
                Security,
                format!("access to attribute '{name}' of '{value}' object is unsafe"),
            ),
            Self::Because(reason) => Error::new(Undefined, reason.clone()),
        }
    }
}

impl Items {
    pub(crate) fn new(values: Vec<Value>, budget: &Budget) -> Result<Self> {
        budget.bytes(values.len() * size_of::<Value>() + 16)?;
        let depth = nested(values.iter())?;
        Ok(Self { values, depth, is_group: false })
    }
}

impl Iter {
    /// Takes the next value.
    pub(crate) fn next(&self) -> Option<Value> {
        self.rest.borrow_mut().pop_front()
    }
}

impl Range {
    /// Numbers that a range may reach, so that no step within it overflows.
    const BOUND: u128 = 1 << 100;

    /// A range; `None` where it reaches too far.
    pub(crate) fn new(start: i128, stop: i128, step: i128) -> Option<Self> {
        let is_near = |number: &i128| number.unsigned_abs() <= Self::BOUND;
        [start, stop, step].iter().all(is_near).then_some(Self { start, stop, step })
    }

    /// What is said of a range that reaches too far.
    pub(crate) fn too_far() -> Error {
        Error::limit("a range of numbers beyond 2^100")
    }

    pub(crate) fn len(&self) -> usize {
        let (from, to, step) = match self.step > 0 {
            true => (self.start, self.stop, self.step),
            false => (self.stop, self.start, -self.step),
        };
        usize::try_from(
            (to - from).max(0).div_euclid(step) + i128::from((to - from).max(0) % step > 0),
        )
        .unwrap_or(usize::MAX)
    }

    pub(crate) fn get(&self, index: usize) -> i128 {
        self.start + index as i128 * self.step
    }
}

impl Namespace {
    pub(crate) fn new(attributes: Vec<(Arc<str>, Value)>) -> Result<Self> {
        let depth = nested(attributes.iter().map(|(_, value)| value))?;
        Ok(Self { attributes: RefCell::new(attributes), depth: Cell::new(depth) })
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let attributes = self.attributes.borrow();
        attributes.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn set(&self, name: Arc<str>, value: Value) -> Result<()> {
        let depth = nested(std::iter::once(&value))?;
        self.depth.set(self.depth.get().max(depth));
        let mut attributes = self.attributes.borrow_mut();
        match attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => attributes.push((name, value)),
        }
        Ok(())
    }
}

/// The depth of what holds these values.
///
/// # Errors
/// More than is allowed: what nests deeper could not be let go of without overflowing the stack.
pub(crate) fn nested<'a>(values: impl Iterator<Item = &'a Value>) -> Result<u16> {
    let depth = values.map(Value::depth).max().unwrap_or(0) + 1;
    if depth > NESTING {
        return Err(Error::limit(format!("values are nested more than {NESTING} deep")));
    }
    Ok(depth)
}
