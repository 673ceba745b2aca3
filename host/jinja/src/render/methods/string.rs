//! Methods of `str`.

use super::super::Renderer;
use super::super::arguments::{Values, integer, size, text as text_of};
use super::unsupported;
use crate::budget::Budget;
use crate::characters::{is_alpha, is_decimal, is_digit, is_numeric, is_printable, is_space};
use crate::error::{Error, Result};
use crate::text;
use crate::value::{Text, Value};
use crate::write::{Align, Step, format, pad};
use std::collections::HashSet;
use std::rc::Rc;

impl Renderer<'_> {
    pub(super) fn string_method(&mut self, of: &Text, name: &str, values: Values) -> Result<Value> {
        let it = &*of.text;
        self.budget.steps(it.len() / 64)?;
        self.budget.bytes(it.len() / 8)?;
        let again =
            |text: String| Ok(if of.is_markup { Value::markup(text) } else { Value::str(text) });
        match name {
            "lower" | "upper" | "title" | "capitalize" | "swapcase" | "casefold" => {
                values.unnamed::<0>(name, 0)?;
                self.budget.bytes(it.len() * 2)?;
                again(match name {
                    "lower" => it.to_lowercase(),
                    "upper" => it.to_uppercase(),
                    "title" => text::title(it),
                    "capitalize" => text::capitalize(it),
                    "swapcase" => text::swapcase(it),
                    _ => text::folded(it),
                })
            }
            "strip" | "lstrip" | "rstrip" => {
                let [set] = values.unnamed::<1>(name, 0)?;
                again(stripped(it, name, set.as_ref(), &self.budget)?.to_owned())
            }
            "isalnum" | "isalpha" | "isascii" | "isdecimal" | "isdigit" | "isidentifier"
            | "islower" | "isnumeric" | "isprintable" | "isspace" | "istitle" | "isupper" => {
                values.unnamed::<0>(name, 0)?;
                Ok(Value::Bool(is_of_kind(it, name)))
            }
            "find" | "rfind" | "index" | "rindex" | "count" => self.search(it, name, values),
            "startswith" | "endswith" => self.affix(it, name, values),
            "split" | "rsplit" => self.split(it, name, values),
            "splitlines" => {
                let [keep] = values.bind(name, ["keepends"], 0)?;
                self.texts(text::lines(it, keep.is_some_and(|keep| keep.is_true())))
            }
            "partition" | "rpartition" => {
                let [separator] = values.unnamed::<1>(name, 1)?;
                let separator = separator.expect("a required argument");
                let separator = text_of(name, &separator)?;
                if separator.is_empty() {
                    return Err(Error::value("empty separator"));
                }
                let parts = match name {
                    "partition" => match it.split_once(separator) {
                        Some((before, behind)) => [before, separator, behind],
                        None => [it, "", ""],
                    },
                    _ => match it.rsplit_once(separator) {
                        Some((before, behind)) => [before, separator, behind],
                        None => ["", "", it],
                    },
                };
                Value::tuple(parts.into_iter().map(Value::str).collect(), &self.budget)
            }
            "replace" => {
                let [old, new, count] = values.unnamed::<3>(name, 2)?;
                let (old, new) = (old.expect("required"), new.expect("required"));
                let count = count.as_ref().map_or(Ok(-1), integer)?;
                again(self.replaced(it, text_of(name, &old)?, text_of(name, &new)?, count)?)
            }
            "removeprefix" | "removesuffix" => {
                let [affix] = values.unnamed::<1>(name, 1)?;
                let affix = affix.expect("a required argument");
                let affix = text_of(name, &affix)?;
                let rest = match name {
                    "removeprefix" => it.strip_prefix(affix),
                    _ => it.strip_suffix(affix),
                };
                again(rest.unwrap_or(it).to_owned())
            }
            "join" => {
                let [items] = values.unnamed::<1>(name, 1)?;
                let items = items.expect("a required argument").iterate(&self.budget)?;
                self.joined(it, &items).and_then(again)
            }
            "center" | "ljust" | "rjust" | "zfill" => self.padded(it, name, values).and_then(again),
            "expandtabs" => {
                let [width] = values.bind(name, ["tabsize"], 0)?;
                let width = width.as_ref().map_or(Ok(8), size)?;
                self.budget.repeated(width, it.matches('\t').count())?;
                again(text::expand_tabs(it, width))
            }
            "format" => self.formatted(it, values).and_then(again),
            "format_map" => {
                let [map] = values.unnamed::<1>(name, 1)?;
                let Some(Value::Dict(map)) = map else {
                    return Err(Error::type_error("format_map() wants a dict"));
                };
                let mut named = Values::default();
                for (key, value) in map.entries() {
                    if let Value::Str(key) = key {
                        named.named.push((key.text.clone(), value.clone()));
                    }
                }
                self.formatted(it, named).and_then(again)
            }
            "encode" => {
                let [encoding, _] = values.bind(name, ["encoding", "errors"], 0)?;
                match encoding.as_ref().and_then(Value::as_str).unwrap_or("utf-8") {
                    "utf-8" | "utf8" | "UTF-8" => Ok(Value::Bytes(it.as_bytes().into())),
                    "ascii" if it.is_ascii() => Ok(Value::Bytes(it.as_bytes().into())),
                    other => Err(Error::unsupported(format!("the encoding {other}"))),
                }
            }
            "translate" => {
                let [table] = values.unnamed::<1>(name, 1)?;
                self.translated(it, &table.expect("a required argument")).and_then(again)
            }
            "maketrans" => self.translation(values),
            "striptags" | "unescape" => match crate::html::strip_tags(it) {
                Some(text) if name == "striptags" => Ok(Value::str(text)),
                _ => Err(unsupported(&Value::Str(of.clone()), name)),
            },
            _ => Err(unsupported(&Value::Str(of.clone()), name)),
        }
    }

    /// A list of texts, each paid for before the next is looked for.
    fn texts<'t>(&self, parts: impl Iterator<Item = &'t str>) -> Result<Value> {
        Value::list(self.paid(parts)?, &self.budget)
    }

    /// The same, of parts that come from the last to the first.
    fn texts_from_end<'t>(&self, parts: impl Iterator<Item = &'t str>) -> Result<Value> {
        let mut texts = self.paid(parts)?;
        texts.reverse();
        Value::list(texts, &self.budget)
    }

    fn paid<'t>(&self, parts: impl Iterator<Item = &'t str>) -> Result<Vec<Value>> {
        let text = |part: &'t str| {
            // A value, and a text of its own behind it.
            self.budget.bytes(part.len() + size_of::<Value>() + 32)?;
            Ok(Value::str(part))
        };
        parts.map(text).collect()
    }

    fn search(&mut self, it: &str, name: &str, values: Values) -> Result<Value> {
        let [part, start, end] = values.unnamed::<3>(name, 1)?;
        let part = part.expect("a required argument");
        let part = text_of(name, &part)?;
        let within = text::between(it, bound(start)?, bound(end)?);
        if name == "count" {
            let count = within.map_or(0, |(_, text)| match part.is_empty() {
                true => text.chars().count() + 1,
                false => text.matches(part).count(),
            });
            return Ok(Value::Int(count as i128));
        }
        let found = within.and_then(|(offset, text)| {
            Some(offset + text::find(text, part, name.starts_with('r'))?)
        });
        match found {
            Some(place) => Ok(Value::Int(place as i128)),
            None if name.ends_with("find") => Ok(Value::Int(-1)),
            None => Err(Error::value("substring not found")),
        }
    }

    fn affix(&mut self, it: &str, name: &str, values: Values) -> Result<Value> {
        let [affix, start, end] = values.unnamed::<3>(name, 1)?;
        let affix = affix.expect("a required argument");
        let affixes = match &affix {
            Value::Tuple(items) => items.values.clone(),
            Value::Str(_) => vec![affix.clone()],
            Value::Undefined(missing) => return Err(missing.error()),
            _ => {
                return Err(Error::type_error(format!(
                    "{name} first arg must be str or a tuple of str, not {}",
                    affix.type_name()
                )));
            }
        };
        let within = text::between(it, bound(start)?, bound(end)?);
        for affix in &affixes {
            let affix = text_of(name, affix)?;
            self.budget.steps(1 + affix.len() / 64)?;
            let has_affix = within.is_some_and(|(_, text)| match name {
                "startswith" => text.starts_with(affix),
                _ => text.ends_with(affix),
            });
            if has_affix {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn split(&mut self, it: &str, name: &str, values: Values) -> Result<Value> {
        let [separator, limit] = values.bind(name, ["sep", "maxsplit"], 0)?;
        let limit = limit.as_ref().map_or(Ok(-1), integer)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let separator = separator.filter(|it| !matches!(it, Value::None));
        let Some(separator) = separator else {
            return match name {
                "split" => self.texts(text::split_white(it, limit)),
                _ => self.texts_from_end(text::split_white_from_end(it, limit)),
            };
        };
        let separator = text_of(name, &separator)?;
        if separator.is_empty() {
            return Err(Error::value("empty separator"));
        }
        let count = limit.saturating_add(1);
        match name {
            "split" => self.texts(it.splitn(count, separator)),
            _ => self.texts_from_end(it.rsplitn(count, separator)),
        }
    }

    /// `text.replace(old, new, count)`, where a negative count means all.
    pub(in crate::render) fn replaced(
        &self,
        it: &str,
        old: &str,
        new: &str,
        count: i128,
    ) -> Result<String> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let places = if old.is_empty() { it.chars().count() + 1 } else { it.matches(old).count() };
        self.budget.repeated(new.len(), places.min(count))?;
        self.budget.bytes(it.len())?;
        Ok(it.replacen(old, new, count))
    }

    /// Texts with a separator between them.
    fn joined(&self, separator: &str, items: &[Value]) -> Result<String> {
        let mut out = String::new();
        for (i, item) in items.iter().enumerate() {
            let Value::Str(part) = item else {
                return Err(match item {
                    Value::Undefined(missing) => missing.error(),
                    _ => Error::type_error(format!(
                        "sequence item {i}: expected str instance, {} found",
                        item.type_name()
                    )),
                });
            };
            self.budget.bytes(separator.len() + part.text.len())?;
            if i > 0 {
                out.push_str(separator);
            }
            out.push_str(&part.text);
        }
        Ok(out)
    }

    fn padded(&mut self, it: &str, name: &str, values: Values) -> Result<String> {
        let (width, fill) = match name {
            "zfill" => {
                let [width] = values.unnamed::<1>(name, 1)?;
                (width, None)
            }
            _ => {
                let [width, fill] = values.unnamed::<2>(name, 1)?;
                (width, fill)
            }
        };
        let width = size(&width.expect("a required argument"))?;
        let fill = match &fill {
            None => ' ',
            Some(fill) => {
                let mut characters = text_of(name, fill)?.chars();
                match (characters.next(), characters.next()) {
                    (Some(fill), None) => fill,
                    _ => {
                        return Err(Error::type_error(
                            "The fill character must be exactly one character long",
                        ));
                    }
                }
            }
        };
        self.budget.repeated(fill.len_utf8(), width)?;
        Ok(match name {
            "center" => text::center(it, width, fill),
            "ljust" => pad(it, width, fill, Align::Left),
            "rjust" => pad(it, width, fill, Align::Right),
            _ => text::zero_fill(it, width),
        })
    }

    fn formatted(&mut self, it: &str, values: Values) -> Result<String> {
        let budget = self.budget.clone();
        let mut look_up = |path: &[Step<'_>]| {
            let mut value = Value::None;
            for step in path {
                value = match step {
                    Step::First(name) => match name.parse::<usize>() {
                        Ok(place) => values.positional.get(place).cloned().ok_or_else(|| {
                            Error::value("Replacement index out of range for positional args tuple")
                        })?,
                        Err(_) => {
                            let found = values.named.iter().find(|(known, _)| &**known == *name);
                            let missing = || Error::value(format!("format has no value '{name}'"));
                            found.map(|(_, value)| value.clone()).ok_or_else(missing)?
                        }
                    },
                    Step::Attribute(name) => self.attribute(&value, &(*name).into())?,
                    Step::Item(item) => self.item(&value, item)?,
                };
            }
            Ok(value)
        };
        format(it, &mut look_up, &budget)
    }

    fn translated(&mut self, it: &str, table: &Value) -> Result<String> {
        let mut out = String::new();
        for c in it.chars() {
            self.budget.steps(1)?;
            let found = self.item(table, &Value::Int(c as i128))?;
            match &found {
                Value::Undefined(_) => out.push(c),
                Value::None => {}
                Value::Str(text) => {
                    self.budget.bytes(text.text.len())?;
                    out.push_str(&text.text);
                }
                _ => {
                    let code = found.as_int().and_then(|code| u32::try_from(code).ok());
                    out.push(code.and_then(char::from_u32).ok_or_else(|| {
                        Error::type_error(
                            "character mapping must return integer, None or str".to_owned(),
                        )
                    })?);
                }
            }
        }
        Ok(out)
    }

    fn translation(&mut self, values: Values) -> Result<Value> {
        let [from, to, gone] = values.unnamed::<3>("maketrans", 1)?;
        let from = from.expect("a required argument");
        let code = |c: char| Value::Int(c as i128);
        let mut pairs = Vec::new();
        match (&from, to) {
            (Value::Dict(dict), None) => {
                for (key, value) in dict.entries() {
                    let key = match key.as_str().map(|text| text.chars().collect::<Vec<_>>()) {
                        Some(characters) if characters.len() == 1 => code(characters[0]),
                        Some(_) => {
                            return Err(Error::value(
                                "string keys in translate table must be of length 1",
                            ));
                        }
                        None => key.clone(),
                    };
                    pairs.push((key, value.clone()));
                }
            }
            (_, Some(to)) => {
                let (from, to) = (text_of("maketrans", &from)?, text_of("maketrans", &to)?);
                if from.chars().count() != to.chars().count() {
                    return Err(Error::value(
                        "the first two maketrans arguments must have equal length",
                    ));
                }
                pairs.extend(from.chars().zip(to.chars()).map(|(a, b)| (code(a), code(b))));
            }
            _ => return Err(Error::type_error("maketrans() wants a dict or two texts")),
        }
        if let Some(gone) = gone {
            let gone = text_of("maketrans", &gone)?;
            pairs.extend(gone.chars().map(|c| (code(c), Value::None)));
        }
        Ok(Value::Dict(Rc::new(crate::value::Dict::new(pairs, &self.budget)?)))
    }
}

/// `strip` and its sisters, on white space or a set of characters.
pub(in crate::render) fn stripped<'a>(
    it: &'a str,
    name: &str,
    set: Option<&Value>,
    budget: &Budget,
) -> Result<&'a str> {
    let set = match set {
        None | Some(Value::None) => None,
        Some(set) => {
            let set = text_of(name, set)?;
            budget.repeated(set.len(), 2 * size_of::<char>())?;
            Some(set.chars().collect::<HashSet<char>>())
        }
    };
    let is_stripped = |c: char| set.as_ref().map_or_else(|| is_space(c), |set| set.contains(&c));
    Ok(match name {
        "lstrip" => it.trim_start_matches(is_stripped),
        "rstrip" => it.trim_end_matches(is_stripped),
        _ => it.trim_matches(is_stripped),
    })
}

fn bound(value: Option<Value>) -> Result<Option<i128>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => integer(&value).map(Some),
    }
}

fn is_of_kind(it: &str, name: &str) -> bool {
    let all = |is: fn(char) -> bool| !it.is_empty() && it.chars().all(is);
    match name {
        "isalpha" => all(is_alpha),
        "isalnum" => all(|c| is_alpha(c) || is_numeric(c)),
        "isdecimal" => all(is_decimal),
        "isdigit" => all(is_digit),
        "isnumeric" => all(is_numeric),
        "isspace" => all(is_space),
        "isascii" => it.is_ascii(),
        "isprintable" => it.chars().all(is_printable),
        "isidentifier" => text::is_identifier(it),
        "islower" => text::is_lower(it),
        "isupper" => text::is_upper(it),
        _ => text::is_title(it),
    }
}
