//! Filters that make texts.

use super::super::Renderer;
use super::super::arguments::{Values, integer, size, text as text_of};
use super::super::methods::stripped;
use crate::budget::Budget;
use crate::characters::{is_space, is_word};
use crate::error::{Error, Result};
use crate::html::{escape, quote, strip_tags};
use crate::text;
use crate::value::Value;
use crate::write::{Json, dumps, percent, repr};

impl Renderer<'_> {
    pub(super) fn change_case(
        &mut self,
        name: &str,
        value: Value,
        values: Values,
    ) -> Result<Value> {
        values.unnamed::<0>(name, 0)?;
        let text = self.text(&value)?;
        self.budget.bytes(text.len() * 2)?;
        let changed = match name {
            "capitalize" => text::capitalize(&text),
            "lower" => text.to_lowercase(),
            "upper" => text.to_uppercase(),
            _ => titled(&text),
        };
        let is_markup = matches!(&value, Value::Str(text) if text.is_markup);
        Ok(if is_markup { Value::markup(changed) } else { Value::str(changed) })
    }

    pub(super) fn center(&mut self, value: Value, values: Values) -> Result<Value> {
        let [width] = values.bind("center", ["width"], 0)?;
        let width = width.as_ref().map_or(Ok(80), size)?;
        self.budget.bytes(width)?;
        Ok(Value::str(text::center(&self.text(&value)?, width, ' ')))
    }

    pub(super) fn format(&mut self, value: Value, values: Values) -> Result<Value> {
        let text = self.text(&value)?;
        let given = match (values.positional.is_empty(), values.named.is_empty()) {
            (false, false) => {
                return Err(Error::value(
                    "can't handle positional and keyword arguments at the same time",
                ));
            }
            (true, false) => {
                let pairs = values.named.into_iter().map(|(name, it)| (Value::str(name), it));
                let dict = crate::value::Dict::new(pairs.collect(), &self.budget)?;
                Value::Dict(std::rc::Rc::new(dict))
            }
            _ => Value::tuple(values.positional, &self.budget)?,
        };
        percent(&text, &given, &self.budget).map(Value::str)
    }

    pub(super) fn indent(&mut self, value: Value, values: Values) -> Result<Value> {
        let [width, first, blank] = values.bind("indent", ["width", "first", "blank"], 0)?;
        let indent = match &width {
            Some(Value::Str(text)) => text.text.to_string(),
            Some(width) => {
                let width = size(width)?;
                self.budget.bytes(width)?;
                " ".repeat(width)
            }
            None => " ".repeat(4),
        };
        let it = match &value {
            Value::Str(text) => text.text.clone(),
            Value::Undefined(missing) => return Err(missing.error()),
            _ => {
                return Err(Error::type_error(format!(
                    "unsupported operand type(s) for +=: '{}' and 'str'",
                    value.type_name()
                )));
            }
        };
        // A line end is added before the text is cut, so that a text ending in one keeps it.
        let with_end = format!("{it}\n");
        let num_lines = text::lines(&with_end, false).count();
        self.budget.repeated(indent.len(), num_lines)?;
        self.budget.bytes(it.len())?;
        let blank = blank.is_some_and(|it| it.is_true());
        let mut out = String::new();
        if first.is_some_and(|it| it.is_true()) {
            out.push_str(&indent);
        }
        for (i, line) in text::lines(&with_end, false).enumerate() {
            if i > 0 {
                out.push('\n');
                if blank || !line.is_empty() {
                    out.push_str(&indent);
                }
            }
            out.push_str(line);
        }
        let is_markup = matches!(&value, Value::Str(text) if text.is_markup);
        Ok(if is_markup { Value::markup(out) } else { Value::str(out) })
    }

    pub(super) fn join(&mut self, value: Value, values: Values) -> Result<Value> {
        let [separator, attribute] = values.bind("join", ["d", "attribute"], 0)?;
        let separator = separator.unwrap_or_else(|| Value::str(""));
        let mut items = value.iterate(&self.budget)?;
        if let Some(attribute) = attribute.filter(|it| !matches!(it, Value::None)) {
            let path = self.path(&attribute)?;
            items =
                items.iter().map(|item| self.follow(item, &path, None)).collect::<Result<_>>()?;
        }
        let is_markup = |it: &Value| matches!(it, Value::Str(text) if text.is_markup);
        let escapes = self.escapes && (is_markup(&separator) || items.iter().any(is_markup));
        let written = |this: &Self, it: &Value| match escapes {
            true => this.escaped(it),
            false => this.text(it),
        };
        let separator = written(self, &separator)?;
        let mut out = String::new();
        for (i, item) in items.iter().enumerate() {
            let part = written(self, item)?;
            self.budget.bytes(separator.len() + part.len())?;
            if i > 0 {
                out.push_str(&separator);
            }
            out.push_str(&part);
        }
        Ok(if escapes { Value::markup(out) } else { Value::str(out) })
    }

    pub(super) fn pprint(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("pprint", 0)?;
        let text = repr(&sorted(&value, &self.budget)?, &self.budget)?;
        if text.chars().count() > 80 {
            return Err(Error::unsupported("the filter pprint is not supported beyond one line"));
        }
        Ok(Value::str(text))
    }

    pub(super) fn replace(&mut self, value: Value, values: Values) -> Result<Value> {
        let [old, new, count] = values.bind("replace", ["old", "new", "count"], 2)?;
        let (old, new) = (old.expect("required"), new.expect("required"));
        let count = match &count {
            None | Some(Value::None) => -1,
            Some(count) => integer(count)?,
        };
        let is_markup = |it: &Value| matches!(it, Value::Str(text) if text.is_markup);
        if self.escapes && (is_markup(&value) || is_markup(&old) || is_markup(&new)) {
            let text = self.escaped(&value)?;
            let (old, new) = (self.escaped(&old)?, self.escaped(&new)?);
            return self.replaced(&text, &old, &new, count).map(Value::markup);
        }
        let text = self.text(&value)?;
        let (old, new) = (self.text(&old)?, self.text(&new)?);
        self.replaced(&text, &old, &new, count).map(Value::str)
    }

    pub(super) fn striptags(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("striptags", 0)?;
        let text = self.text(&value)?;
        self.budget.bytes(text.len())?;
        strip_tags(&text).map(Value::str).ok_or_else(|| {
            Error::unsupported("striptags on a text with rare HTML entities is not supported")
        })
    }

    /// `json.dumps`, as transformers hands its options on.
    pub(super) fn tojson(&mut self, value: Value, values: Values) -> Result<Value> {
        let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
        let [ensure_ascii, indent, separators, sort_keys] = values.bind("tojson", names, 0)?;
        let indent = match &indent {
            None | Some(Value::None) => None,
            Some(Value::Str(text)) => Some(text.text.to_string()),
            Some(width) => {
                let width = size(width)?;
                self.budget.bytes(width)?;
                Some(" ".repeat(width))
            }
        };
        let (item_separator, key_separator) = match separators {
            None | Some(Value::None) => {
                let item = if indent.is_some() { "," } else { ", " };
                (item.to_owned(), ": ".to_owned())
            }
            Some(separators) => match &separators.iterate(&self.budget)?[..] {
                [Value::Str(item), Value::Str(key)] => {
                    (item.text.to_string(), key.text.to_string())
                }
                _ => return Err(Error::value("separators are a pair of texts")),
            },
        };
        let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
        let options = Json {
            ensure_ascii: is_true(ensure_ascii),
            indent,
            item_separator,
            key_separator,
            sort_keys: is_true(sort_keys),
        };
        dumps(&value, &options, &self.budget).map(Value::str)
    }

    pub(super) fn trim(&mut self, value: Value, values: Values) -> Result<Value> {
        let [set] = values.bind("trim", ["chars"], 0)?;
        let text = self.text(&value)?;
        let trimmed = stripped(&text, "strip", set.as_ref(), &self.budget)?;
        let is_markup = matches!(&value, Value::Str(text) if text.is_markup);
        Ok(if is_markup { Value::markup(trimmed) } else { Value::str(trimmed) })
    }

    pub(super) fn truncate(&mut self, value: Value, values: Values) -> Result<Value> {
        let names = ["length", "killwords", "end", "leeway"];
        let [length, kill_words, end, leeway] = values.bind("truncate", names, 0)?;
        let length = length.as_ref().map_or(Ok(255), integer)?;
        let leeway = leeway.filter(|it| !matches!(it, Value::None));
        let leeway = leeway.as_ref().map_or(Ok(5), integer)?;
        let end = end.unwrap_or_else(|| Value::str("..."));
        let end = text_of("truncate", &end)?;
        let end_length = end.chars().count() as i128;
        if length < end_length {
            return Err(Error::value(format!("expected length >= {end_length}, got {length}")));
        }
        if leeway < 0 {
            return Err(Error::value(format!("expected leeway >= 0, got {leeway}")));
        }
        if value.len()? as i128 <= length.saturating_add(leeway) {
            return Ok(value.clone());
        }
        let it = text_of("truncate", &value)?;
        let kept = &it[..text::byte_of(it, (length - end_length) as usize)];
        let kept = match kept.rsplit_once(' ') {
            Some((kept, _)) if !kill_words.is_some_and(|it| it.is_true()) => kept,
            _ => kept,
        };
        Ok(Value::str(format!("{kept}{end}")))
    }

    pub(super) fn urlencode(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("urlencode", 0)?;
        if value.as_str().is_some() || !value.is_iterable() {
            let text = self.text(&value)?;
            self.budget.repeated(text.len(), 3)?;
            return Ok(Value::str(quote(&text, false)));
        }
        let pairs = match &value {
            Value::Dict(dict) => dict.entries().to_vec(),
            _ => {
                let mut pairs = Vec::new();
                for pair in value.iterate(&self.budget)? {
                    match &pair.iterate(&self.budget)?[..] {
                        [key, value] => pairs.push((key.clone(), value.clone())),
                        _ => return Err(Error::value("urlencode wants pairs")),
                    }
                }
                pairs
            }
        };
        let mut parts = Vec::new();
        for (key, value) in &pairs {
            let (key, value) = (self.text(key)?, self.text(value)?);
            self.budget.repeated(key.len() + value.len(), 3)?;
            parts.push(format!("{}={}", quote(&key, true), quote(&value, true)));
        }
        Ok(Value::str(parts.join("&")))
    }

    pub(super) fn wordcount(&mut self, value: Value, values: Values) -> Result<Value> {
        values.unnamed::<0>("wordcount", 0)?;
        let text = self.text(&value)?;
        let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).count();
        Ok(Value::Int(words as i128))
    }

    pub(super) fn xmlattr(&mut self, value: Value, values: Values) -> Result<Value> {
        let [spaced] = values.bind("xmlattr", ["autospace"], 0)?;
        let Value::Dict(dict) = &value else {
            return Err(Error::type_error(format!(
                "'{}' object has no attribute 'items'",
                value.type_name()
            )));
        };
        let mut parts = Vec::new();
        for (key, value) in dict.entries() {
            if matches!(value, Value::None | Value::Undefined(_)) {
                continue;
            }
            let key = text_of("xmlattr", key)?;
            if key.contains(|c| is_space(c) || "/>=".contains(c)) {
                return Err(Error::value(format!("Invalid character in attribute name: {key}")));
            }
            let key = escape(key, &self.budget)?;
            parts.push(format!("{key}=\"{}\"", self.escaped(value)?));
        }
        let text = parts.join(" ");
        let is_spaced = spaced.is_none_or(|it| it.is_true()) && !text.is_empty();
        let text = if is_spaced { format!(" {text}") } else { text };
        self.budget.bytes(text.len())?;
        Ok(self.as_written(text))
    }
}

/// jinja2's own title case, which knows brackets and dashes, and no apostrophe.
fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_start = true;
    let mut word = String::new();
    let begins_word = |c: char| is_space(c) || "-({[<".contains(c);
    for c in text.chars() {
        if begins_word(c) {
            out.push_str(&word.to_lowercase());
            word.clear();
            out.push(c);
            is_start = true;
        } else if is_start {
            out.extend(c.to_uppercase());
            is_start = false;
        } else {
            word.push(c);
        }
    }
    out + &word.to_lowercase()
}

/// A value with its dicts in the order of their keys, as `pprint` shows them.
fn sorted(value: &Value, budget: &Budget) -> Result<Value> {
    let again = |values: &[Value]| -> Result<Vec<Value>> {
        values.iter().map(|it| sorted(it, budget)).collect()
    };
    match value {
        Value::List(items) => Value::list(again(&items.values)?, budget),
        Value::Tuple(items) => Value::tuple(again(&items.values)?, budget),
        Value::Dict(dict) => {
            let mut pairs = Vec::new();
            for (key, value) in dict.entries() {
                let Value::Str(_) = key else {
                    return Err(Error::unsupported("pprint of a dict with keys that are no texts"));
                };
                pairs.push((key.clone(), sorted(value, budget)?));
            }
            pairs.sort_by(|a, b| a.0.as_str().cmp(&b.0.as_str()));
            Ok(Value::Dict(std::rc::Rc::new(crate::value::Dict::new(pairs, budget)?)))
        }
        _ => Ok(value.clone()),
    }
}
