//! The template engine with the pages' templates, style and filters in it. Templates escape
//! everything; only charts, style, script and embedded data, all made here, are marked safe.

use super::format;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

/// Renders one of the pages.
pub(crate) fn render<T: Serialize>(template: &str, page: &T) -> String {
    let environment = environment();
    let template = environment.get_template(template).expect("the pages' templates parse");
    template.render(page).unwrap_or_else(|error| panic!("the pages' templates render: {error:#}"))
}

/// The style sheet of every page.
pub(crate) const STYLE: &str = include_str!("assets/style.css");
/// The sample browser.
pub(crate) const SAMPLES_SCRIPT: &str = include_str!("assets/samples.js");
/// The version in the footer.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A link in the page's own contents.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Section {
    /// Where it leads.
    pub(crate) id: String,
    /// What it says.
    pub(crate) name: String,
}

impl Section {
    /// A link to a heading.
    pub(crate) fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into() }
    }
}

/// A figure in the page's head.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fact {
    label: &'static str,
    value: String,
    small: String,
}

impl Fact {
    /// A figure with a remark below it, which may be empty.
    pub(crate) fn new(
        label: &'static str,
        value: impl Into<String>,
        small: impl Into<String>,
    ) -> Self {
        Self { label, value: value.into(), small: small.into() }
    }
}

/// One entry of a chart's legend: an SVG class and a name.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LegendItem {
    class: String,
    name: String,
}

impl LegendItem {
    /// A line, or a block, in a series' own style.
    pub(crate) fn new(class: impl Into<String>, name: impl Into<String>) -> Self {
        Self { class: class.into(), name: name.into() }
    }
}

/// A square table of agreements with its names.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MatrixTable {
    /// What it shows.
    pub(crate) caption: String,
    /// Of rows and columns.
    pub(crate) names: Vec<String>,
    /// The figures.
    pub(crate) rows: crate::observe::overlap::Matrix,
    /// What chance alone would give, in the same places.
    pub(crate) by_chance: Option<crate::observe::overlap::Matrix>,
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_trim_blocks(true);
    for (name, source) in [
        ("layout.html", include_str!("assets/layout.html")),
        ("parts.html", include_str!("assets/parts.html")),
        ("run.html", include_str!("assets/run.html")),
        ("comparison.html", include_str!("assets/comparison.html")),
    ] {
        environment.add_template(name, source).expect("the pages' templates parse");
    }
    environment.add_filter("count", |value: Value| match u64::try_from(value) {
        Ok(value) => format::count(value),
        Err(_) => format::NOTHING.into(),
    });
    environment.add_filter("whole", |value: Value| {
        number(&value).map_or(format::NOTHING.into(), |value| format::count(value.round() as u64))
    });
    environment.add_filter("decimals", |value: Value, places: usize| {
        number(&value).map_or(format::NOTHING.into(), |value| format::decimals(value, places))
    });
    environment.add_filter("signed", |value: Value, places: usize| {
        number(&value).map_or(format::NOTHING.into(), |value| format::signed(value, places))
    });
    environment.add_filter("significant", |value: Value, digits: usize| {
        number(&value).map_or(format::NOTHING.into(), |value| format::significant(value, digits))
    });
    environment.add_filter("percent", |value: Value| {
        number(&value).map_or(format::NOTHING.into(), format::percent)
    });
    environment.add_filter("signed_percent", |value: Value| {
        number(&value).map_or(format::NOTHING.into(), format::signed_percent)
    });
    environment.add_filter("seconds", |value: Value| {
        number(&value).map_or(format::NOTHING.into(), format::seconds)
    });
    environment.add_filter("p_value", |value: Value| {
        number(&value).map_or(format::NOTHING.into(), format::p_value)
    });
    environment.add_filter("shade", |value: f64| format!("{:.2}", value.clamp(0.0, 1.0)));
    environment
}

/// A number, where the value is one.
fn number(value: &Value) -> Option<f64> {
    f64::try_from(value.clone()).ok()
}
