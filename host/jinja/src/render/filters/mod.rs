//! Filters: jinja2's, and transformers' `tojson`.

mod select;
mod collection;
mod number;
mod text;
mod wrap;

use super::Renderer;
use super::arguments::Values;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

impl Renderer<'_> {
    /// `value|name(…)`.
    pub(super) fn filter(&mut self, name: &str, value: Value, values: Values) -> Result<Value> {
        self.budget.steps(1 + value.weight())?;
        match name {
            "abs" => self.abs(value, values),
            "attr" => self.attr(value, values),
            "batch" => self.batch(value, values),
            "capitalize" | "lower" | "upper" | "title" => self.change_case(name, value, values),
            "center" => self.center(value, values),
            "count" | "length" => {
                values.unnamed::<0>(name, 0)?;
                match value {
                    Value::Object(_) => self.object_length(&value),
                    _ => value.len().map(|length| Value::Int(length as i128)),
                }
            }
            "d" | "default" => {
                let [default, boolean] = values.bind(name, ["default_value", "boolean"], 0)?;
                let is_strict = !boolean.is_some_and(|it| it.is_true());
                let is_kept = !value.is_undefined() && (is_strict || value.is_true());
                Ok(if is_kept { value } else { default.unwrap_or_else(|| Value::str("")) })
            }
            "dictsort" => self.dictsort(value, values),
            "e" | "escape" => {
                values.unnamed::<0>(name, 0)?;
                self.escaped(&value).map(Value::markup)
            }
            "filesizeformat" => self.filesizeformat(value, values),
            "first" => self.first(value, values),
            "float" => self.float(value, values),
            "forceescape" => {
                values.unnamed::<0>(name, 0)?;
                crate::html::escape(&self.text(&value)?, &self.budget).map(Value::markup)
            }
            "format" => self.format(value, values),
            "groupby" => self.groupby(value, values),
            "indent" => self.indent(value, values),
            "int" => self.int(value, values),
            "items" => self.items(value, values),
            "join" => self.join(value, values),
            "last" => self.last(value, values),
            "list" => {
                values.unnamed::<0>(name, 0)?;
                Value::list(value.iterate(&self.budget)?, &self.budget)
            }
            "map" => self.map(value, values),
            "max" | "min" => self.extreme(name, value, values),
            "pprint" => self.pprint(value, values),
            "random" => self.random(value, values),
            "reject" | "select" | "rejectattr" | "selectattr" => self.select(name, value, values),
            "replace" => self.replace(value, values),
            "reverse" => self.reverse(value, values),
            "round" => self.round(value, values),
            "safe" => {
                values.unnamed::<0>(name, 0)?;
                self.text(&value).map(Value::markup)
            }
            "slice" => self.slices(value, values),
            "sort" => self.sort(value, values),
            "string" => {
                values.unnamed::<0>(name, 0)?;
                match value {
                    Value::Str(_) => Ok(value),
                    _ => self.text(&value).map(Value::str),
                }
            }
            "striptags" => self.striptags(value, values),
            "sum" => self.sum(value, values),
            "tojson" => self.tojson(value, values),
            "trim" => self.trim(value, values),
            "truncate" => self.truncate(value, values),
            "unique" => self.unique(value, values),
            "urlencode" => self.urlencode(value, values),
            "wordcount" => self.wordcount(value, values),
            "wordwrap" => self.wordwrap(value, values),
            "xmlattr" => self.xmlattr(value, values),
            "urlize" => Err(Error::unsupported("the filter urlize is not supported")),
            _ => Err(Error::new(ErrorKind::Syntax, format!("No filter named '{name}'."))),
        }
    }

    fn object_length(&mut self, value: &Value) -> Result<Value> {
        if let Value::Object(object) = value
            && let Some(state) = object.as_any().downcast_ref::<super::loops::Loop>()
            && let Some(length) = self.loop_attribute(state, "length")?
        {
            return Ok(length);
        }
        value.len().map(|length| Value::Int(length as i128))
    }
}
