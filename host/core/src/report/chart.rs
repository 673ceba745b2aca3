//! Charts as HTML: an SVG that stretches with its box, and labels beside it in the page's own type,
//! so that a chart reads as well on a phone as on paper. Colours and strokes are the style sheet's.
//!
//! A chart is one image to a screen reader: it has a description, and its figures stand in a table.

use super::escape::html;
use super::format;
use std::fmt::Write;

/// The side of the SVG's own square of coordinates.
const SIDE: f64 = 1000.0;

/// One axis: a range of values and the marks along it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
    label: String,
}

impl Axis {
    /// An axis over all finite values, with marks at round numbers.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>, label: &str) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if low == high {
            let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low, high) = (low - margin, high + margin);
        }
        Self { low, high, ticks: Vec::new(), label: label.into() }.with_round_ticks(5)
    }

    /// The same axis a little wider, so that nothing touches its ends.
    pub(crate) fn padded(mut self, share: f64) -> Self {
        let margin = (self.high - self.low) * share;
        (self.low, self.high) = (self.low - margin, self.high + margin);
        self.with_round_ticks(5)
    }

    /// The same axis down (or up) to zero.
    pub(crate) fn with_zero(mut self) -> Self {
        (self.low, self.high) = (self.low.min(0.0), self.high.max(0.0));
        self.with_round_ticks(5)
    }

    /// The same axis with marks at whole numbers only.
    pub(crate) fn with_whole_ticks(mut self) -> Self {
        let step = round_step((self.high - self.low) / 5.0).max(1.0);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        self.ticks = (first..=last)
            .map(|i| i as f64 * step)
            .map(|value| (value, format::count(value.max(0.0) as u64)))
            .collect();
        self
    }

    /// The same axis with about so many marks.
    pub(crate) fn with_ticks(self, count: usize) -> Self {
        self.with_round_ticks(count)
    }

    /// The marks: where, and what they say.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        self.ticks.iter().map(|(value, text)| (*value, text.as_str()))
    }

    fn with_round_ticks(mut self, count: usize) -> Self {
        let step = round_step((self.high - self.low) / count as f64);
        let places = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let text = |value: f64| match value {
            0.0 => "0".into(),
            value if step < 1e-3 => format!("{value:e}").replace('-', "−"),
            value => format::decimals(value, places),
        };
        self.ticks =
            (first..=last).map(|i| rounded(i as f64 * step)).map(|at| (at, text(at))).collect();
        self
    }

    /// Where a value stands, from 0 to 1.
    pub(crate) fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// Without the float's last digits, which would show in an exponent.
fn rounded(value: f64) -> f64 {
    format!("{value:.9e}").parse().unwrap_or(value)
}

/// 1, 2 or 5 times a power of ten, not below the wish.
fn round_step(wish: f64) -> f64 {
    let power = 10_f64.powf(wish.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= wish * 0.999);
    factor.unwrap_or(10.0) * power
}

/// How a series is drawn. The number picks its colour from the style sheet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mark {
    /// A line.
    Line { colour: usize },
    /// A faint line behind another.
    FaintLine { colour: usize },
    /// Round points.
    Dots { colour: usize },
    /// The area between two lines: the points forth, then back.
    Band { colour: usize },
    /// Upright bars from zero; each point is a bar's left edge and height.
    Bars { colour: usize, width: f64 },
}

/// Points in the axes' units; what is not finite is left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// How they are drawn.
    pub(crate) mark: Mark,
    /// The points.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart of series over two axes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    /// What it shows, for those who cannot see it.
    pub(crate) description: String,
    /// Along the bottom.
    pub(crate) x: Axis,
    /// Up the side.
    pub(crate) y: Axis,
    /// Drawn in order.
    pub(crate) series: Vec<Series>,
    /// Upright hairlines, such as the ends of epochs.
    pub(crate) dividers: Vec<f64>,
    /// The height in rem.
    pub(crate) height: f64,
}

impl Chart {
    /// The chart as HTML.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        let _ = write!(
            out,
            "<div class=\"chart\" role=\"img\" aria-label=\"{}\"><div class=\"y-label\">{}</div>\
             <div class=\"plot\" style=\"height:{}rem\">",
            html(&self.description),
            html(&self.y.label),
            self.height
        );
        for (value, text) in &self.y.ticks {
            let bottom = 100.0 * self.y.place(*value);
            let _ = write!(out, "<span class=\"y\" style=\"bottom:{bottom:.2}%\">{text}</span>");
        }
        self.render_svg(&mut out);
        for (value, text) in &self.x.ticks {
            let left = 100.0 * self.x.place(*value);
            let _ =
                write!(out, "<span class=\"x\" style=\"left:{left:.2}%\">{}</span>", html(text));
        }
        let _ = write!(out, "</div><div class=\"x-label\">{}</div></div>", html(&self.x.label));
        out
    }

    fn render_svg(&self, out: &mut String) {
        out.push_str("<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\">");
        for (value, _) in &self.y.ticks {
            let y = self.down(*value);
            let _ = write!(out, "<path class=\"grid\" d=\"M0 {y:.1}H1000\"/>");
        }
        for value in &self.dividers {
            let x = self.across(*value);
            let _ = write!(out, "<path class=\"divider\" d=\"M{x:.1} 0V1000\"/>");
        }
        for series in &self.series {
            let (class, path) = self.draw(series);
            let _ = write!(out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
        out.push_str("</svg>");
    }

    fn draw(&self, series: &Series) -> (String, String) {
        let points = || series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let mut path = String::new();
        let class = match series.mark {
            Mark::Line { colour } | Mark::FaintLine { colour } | Mark::Band { colour } => {
                for (at, &(x, y)) in points().enumerate() {
                    let letter = if at == 0 { 'M' } else { 'L' };
                    let _ = write!(path, "{letter}{:.1} {:.1}", self.across(x), self.down(y));
                }
                match series.mark {
                    Mark::Line { .. } => format!("line c{colour}"),
                    Mark::FaintLine { .. } => format!("line faint c{colour}"),
                    _ => format!("band c{colour}"),
                }
            }
            // A stroke of no length with round ends is a circle that does not stretch.
            Mark::Dots { colour } => {
                for &(x, y) in points() {
                    let _ = write!(path, "M{:.1} {:.1}h0", self.across(x), self.down(y));
                }
                format!("dots c{colour}")
            }
            Mark::Bars { colour, width } => {
                for &(x, y) in points().filter(|(_, y)| *y != 0.0) {
                    let (left, right) = (self.across(x), self.across(x + width));
                    let _ = write!(
                        path,
                        "M{left:.1} {:.1}V{:.1}H{right:.1}V{:.1}Z",
                        self.down(0.0),
                        self.down(y),
                        self.down(0.0)
                    );
                }
                format!("bars c{colour}")
            }
        };
        (class, path)
    }

    fn across(&self, x: f64) -> f64 {
        SIDE * self.x.place(x)
    }

    fn down(&self, y: f64) -> f64 {
        SIDE * (1.0 - self.y.place(y))
    }
}

/// Neighbouring points averaged so that at most `most` are left: more would only blacken the line.
pub(crate) fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(most.max(1)).max(1);
    points
        .chunks(size)
        .map(|chunk| {
            let n = chunk.len() as f64;
            let sum = chunk.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
            (sum.0 / n, sum.1 / n)
        })
        .collect()
}

/// The mean of each point and its neighbours, `reach` to either side.
pub(crate) fn smoothed(points: &[(f64, f64)], reach: usize) -> Vec<(f64, f64)> {
    (0..points.len())
        .map(|at| {
            let around = &points[at.saturating_sub(reach)..(at + reach + 1).min(points.len())];
            (points[at].0, around.iter().map(|p| p.1).sum::<f64>() / around.len() as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick_texts(low: f64, high: f64) -> Vec<String> {
        Axis::over([low, high], "").ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(tick_texts(0.0, 10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(tick_texts(0.31, 0.52), ["0.35", "0.40", "0.45", "0.50"]);
        assert_eq!(tick_texts(-1.0, 1.0), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert!(!tick_texts(3.0, 3.0).is_empty());
        assert_eq!(tick_texts(0.0, 2e-5)[1], "5e−6");
    }

    #[test]
    fn an_axis_without_values_is_still_an_axis() {
        let axis = Axis::over([f64::NAN], "");
        assert_eq!((axis.low, axis.high), (0.0, 1.0));
    }

    #[test]
    fn a_description_cannot_leave_its_attribute() {
        let chart = Chart {
            description: "\"><script>".into(),
            x: Axis::over([0.0, 1.0], "a"),
            y: Axis::over([0.0, 1.0], "<b>"),
            series: vec![Series {
                mark: Mark::Line { colour: 0 },
                points: vec![(0.0, 0.0), (0.5, f64::NAN), (1.0, 1.0)],
            }],
            dividers: vec![0.5],
            height: 10.0,
        };
        let html = chart.render();
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("d=\"M0.0 1000.0L1000.0 0.0\""), "{html}");
    }

    #[test]
    fn thinning_keeps_the_mean() {
        let points: Vec<(f64, f64)> = (0..10).map(|i| (f64::from(i), 2.0)).collect();
        assert_eq!(thinned(&points, 5).len(), 5);
        assert_eq!(thinned(&points, 5)[0], (0.5, 2.0));
        assert_eq!(smoothed(&[(0.0, 1.0), (1.0, 3.0)], 1), [(0.0, 2.0), (1.0, 2.0)]);
    }
}
