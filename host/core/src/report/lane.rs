//! A row's own little chart in a table: intervals and points over a scale that all rows share.
//! Positions are per cent of the lane, so it stretches with its column.

use super::chart::Axis;
use crate::statistics::Interval;
use serde::Serialize;

/// What the lanes of a table share.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Scale {
    #[serde(skip)]
    axis: Axis,
    ticks: Vec<Tick>,
}

#[derive(Debug, Clone, Serialize)]
struct Tick {
    at: String,
    text: String,
}

/// One row's chart.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Lane {
    #[serde(skip)]
    axis: Axis,
    zero: Option<String>,
    wide: Option<Span>,
    sure: Option<Span>,
    mark: Option<String>,
    dots: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Span {
    left: String,
    width: String,
}

impl Scale {
    /// A scale over these values and a little more.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let axis = Axis::over(values, "").padded(0.08).with_ticks(4);
        let ticks = axis
            .ticks()
            .map(|(value, text)| Tick { at: percent(axis.place(value)), text: text.to_owned() })
            .collect();
        Self { axis, ticks }
    }
}

impl Lane {
    /// An empty lane.
    pub(crate) fn new(scale: &Scale) -> Self {
        let axis = scale.axis.clone();
        Self { axis, zero: None, wide: None, sure: None, mark: None, dots: Vec::new() }
    }

    /// With a line at zero.
    pub(crate) fn with_zero(mut self) -> Self {
        self.zero = Some(percent(self.axis.place(0.0)));
        self
    }

    /// With a thin interval.
    pub(crate) fn with_wide(mut self, interval: Option<Interval>) -> Self {
        self.wide = interval.map(|interval| self.span(interval));
        self
    }

    /// With a bold interval.
    pub(crate) fn with_sure(mut self, interval: Interval) -> Self {
        self.sure = Some(self.span(interval));
        self
    }

    /// With a mark at a value.
    pub(crate) fn with_mark(mut self, value: f64) -> Self {
        self.mark = Some(percent(self.axis.place(value)));
        self
    }

    /// With points.
    pub(crate) fn with_dots(mut self, values: impl IntoIterator<Item = f64>) -> Self {
        self.dots = values.into_iter().map(|value| percent(self.axis.place(value))).collect();
        self
    }

    fn span(&self, interval: Interval) -> Span {
        let (low, high) = (self.axis.place(interval.low), self.axis.place(interval.high));
        Span { left: percent(low), width: percent(high - low) }
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}
