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
    /// Where the mark lies beyond the scale: `left` or `right`.
    beyond: Option<&'static str>,
    dots: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Span {
    left: String,
    width: String,
}

/// A row reaches too far if it is so many times as far from the centre as the others: drawn to its
/// scale they could not be told apart.
const TOO_FAR: f64 = 6.0;

impl Scale {
    /// A scale over the values of some rows, the centre, and a little more; rows that reach too far
    /// are left out, and their lanes say so by an arrow.
    pub(crate) fn around(centre: f64, rows: Vec<Vec<f64>>) -> Self {
        let reach =
            |row: &Vec<f64>| row.iter().map(|value| (value - centre).abs()).fold(0.0, f64::max);
        let mut rows = rows;
        rows.sort_by(|a, b| reach(a).total_cmp(&reach(b)));
        let half = rows.len().div_ceil(2);
        let fits = |at: usize| {
            let before = if at == 0 { 0.0 } else { reach(&rows[at - 1]) };
            at < half || before == 0.0 || reach(&rows[at]) <= TOO_FAR * before
        };
        let kept = (0..rows.len()).take_while(|&at| fits(at)).count();
        let values = rows[..kept].iter().flatten().copied();
        let axis = Axis::over(values.chain([centre]), "").padded(0.08).with_ticks(4);
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
        Self {
            axis,
            zero: None,
            wide: None,
            sure: None,
            mark: None,
            beyond: None,
            dots: Vec::new(),
        }
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
        let place = self.axis.place(value);
        match (0.0..=1.0).contains(&place) {
            true => self.mark = Some(percent(place)),
            false => self.beyond = Some(if place < 0.0 { "left" } else { "right" }),
        }
        self
    }

    /// With points.
    pub(crate) fn with_dots(mut self, values: impl IntoIterator<Item = f64>) -> Self {
        let places = values.into_iter().map(|value| self.axis.place(value));
        self.dots = places.filter(|place| (0.0..=1.0).contains(place)).map(percent).collect();
        self
    }

    fn span(&self, interval: Interval) -> Span {
        let place = |value| self.axis.place(value).clamp(0.0, 1.0);
        let (low, high) = (place(interval.low), place(interval.high));
        Span { left: percent(low), width: percent(high - low) }
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_reaches_too_far_leaves_the_others_their_scale() {
        let scale = Scale::around(0.0, vec![vec![-0.1, 0.2], vec![-9.0], vec![0.1]]);
        assert!(scale.axis.place(0.2) > 0.5 && scale.axis.place(-9.0) < 0.0);
        let lane = Lane::new(&scale).with_mark(-9.0).with_dots([-9.0, 0.1]);
        assert_eq!((lane.beyond, lane.mark.clone(), lane.dots.len()), (Some("left"), None, 1));
        let even = Scale::around(0.0, vec![vec![-1.0], vec![2.0], vec![4.0]]);
        assert!((0.0..=1.0).contains(&even.axis.place(4.0)));
    }
}
