//! Charts of pages about risk: lines and bars over time, and intervals beside a nominal value, as SVG that needs no script.
//!
//! In:  times, values that may be missing, and how a value is written. Out: an `<svg>` with its legend. Long series are thinned so that
//! the value furthest from zero of each piece is kept.

use super::page::scroll;
use super::text::{Escaped, date};
use std::fmt::Write as _;

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 8.0;
const RIGHT: f64 = 916.0;
const TOP: f64 = 10.0;
/// More points than pixels show nothing.
const POINTS_MAX: usize = 1_500;

/// How a series of values is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A line, broken where values are missing.
    Line,
    /// Bars from zero: those above in the colour of gains, those below in that of losses.
    Bars,
    /// Dots.
    Dots,
}

/// Values over the times of a chart.
pub(super) struct Drawn<'a> {
    pub name: &'a str,
    /// A variable of the styles, such as `c0`.
    pub colour: &'static str,
    pub look: Look,
    pub values: Vec<Option<f64>>,
}

/// The range of values with room around it; from zero where there are bars.
fn range(lines: &[Drawn<'_>]) -> (f64, f64) {
    let values = || lines.iter().flat_map(|l| l.values.iter().flatten()).copied().filter(|v| v.is_finite());
    let (mut low, mut high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return (0.0, 1.0);
    }
    if lines.iter().any(|l| l.look == Look::Bars) {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    let room = ((high - low) * 0.05).max(high.abs() * 1e-6).max(1e-12);
    (low - room, high + room)
}

/// A chart over time.
pub(super) fn time_chart(
    label: &str,
    height: f64,
    ts: &[i64],
    lines: &[Drawn<'_>],
    text: impl Fn(f64) -> String,
) -> String {
    let (Some(first), Some(last)) = (ts.first(), ts.last()) else { return String::new() };
    let (low, high) = range(lines);
    let bottom = height - 24.0;
    let span = (last - first).max(1) as f64;
    let x = |t: i64| LEFT + 4.0 + (t - first) as f64 / span * (RIGHT - LEFT - 8.0);
    let y = |v: f64| bottom - ((v - low) / (high - low)).clamp(0.0, 1.0) * (bottom - TOP);
    let mut out = format!(
        "<svg class=\"risk\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>",
        Escaped(label)
    );
    for n in 0..=4u8 {
        let share = f64::from(n) / 4.0;
        let value = low + share * (high - low);
        let at = y(value);
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            RIGHT + 6.0,
            at + 4.0,
            text(value)
        );
        let t = first + (share * span) as i64;
        let anchor = ["start", "middle", "middle", "middle", "end"][usize::from(n)];
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            x(t),
            bottom + 18.0,
            date(t)
        );
    }
    if low < 0.0 && high > 0.0 {
        let at = y(0.0);
        let _ = write!(out, "<line class=\"zero\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
    }
    let stride = ts.len().div_ceil(POINTS_MAX).max(1);
    for line in lines {
        let points = thinned(ts, &line.values, stride);
        match line.look {
            Look::Line => {
                let mut path = String::new();
                let mut pen = 'M';
                for (t, value) in &points {
                    match value {
                        Some(value) => {
                            let _ = write!(path, "{pen}{:.1} {:.1}", x(*t), y(*value));
                            pen = 'L';
                        }
                        None => pen = 'M',
                    }
                }
                let _ = write!(
                    out,
                    "<path d=\"{path}\" fill=\"none\" style=\"stroke:var(--{})\" stroke-width=\"1.6\" stroke-linejoin=\"round\"/>",
                    line.colour
                );
            }
            Look::Bars => {
                let width = (0.7 * (RIGHT - LEFT) / points.len().max(1) as f64).clamp(0.6, 18.0);
                for (t, value) in points.iter().filter_map(|(t, v)| v.map(|v| (*t, v))) {
                    let colour = if value < 0.0 { "loss" } else { "gain" };
                    let (from, to) = (y(0.0).min(y(value)), y(0.0).max(y(value)));
                    let _ = write!(
                        out,
                        "<rect x=\"{:.1}\" y=\"{from:.1}\" width=\"{width:.1}\" height=\"{:.1}\" style=\"fill:var(--{colour})\"/>",
                        x(t) - width / 2.0,
                        (to - from).max(0.5)
                    );
                }
            }
            Look::Dots => {
                for (t, value) in points.iter().filter_map(|(t, v)| v.map(|v| (*t, v))) {
                    let _ = write!(
                        out,
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.6\" style=\"fill:var(--{})\"/>",
                        x(t),
                        y(value),
                        line.colour
                    );
                }
            }
        }
    }
    out.push_str("</svg>");
    scroll(label, &out) + &legend(lines)
}

fn legend(lines: &[Drawn<'_>]) -> String {
    let mut out = String::from("<ul class=\"keys\">");
    for line in lines {
        let colour = if line.look == Look::Bars { "gain" } else { line.colour };
        let _ = write!(
            out,
            "<li><span class=\"swatch\" style=\"background:var(--{colour})\"></span>{}</li>",
            Escaped(line.name)
        );
    }
    out + "</ul>"
}

/// Of each piece the value furthest from zero, at its own time.
fn thinned(ts: &[i64], values: &[Option<f64>], stride: usize) -> Vec<(i64, Option<f64>)> {
    let all: Vec<(i64, Option<f64>)> = ts.iter().copied().zip(values.iter().copied()).collect();
    if stride <= 1 {
        return all;
    }
    let size = |v: &Option<f64>| v.map_or(-1.0, f64::abs);
    all.chunks(stride)
        .filter_map(|piece| piece.iter().max_by(|a, b| size(&a.1).total_cmp(&size(&b.1))))
        .copied()
        .collect()
}

/// A value with its interval.
pub(super) struct Interval {
    pub name: String,
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// A variable of the styles.
    pub colour: &'static str,
}

/// Values with their intervals beside a nominal one.
pub(super) fn intervals(label: &str, nominal: f64, rows: &[Interval], text: impl Fn(f64) -> String) -> String {
    if rows.is_empty() {
        return String::new();
    }
    const NAMES: f64 = 300.0;
    let height = 30.0 + 22.0 * rows.len() as f64;
    let most = rows.iter().map(|r| r.high.max(r.value)).fold(nominal * 1.5, f64::max).max(1e-12);
    let x = |v: f64| NAMES + (v / most).clamp(0.0, 1.0) * (RIGHT - NAMES);
    let mut out = format!(
        "<svg class=\"risk\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>",
        Escaped(label)
    );
    let at = x(nominal);
    let _ = write!(
        out,
        "<line class=\"zero\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"4\" y2=\"{:.1}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">nominal {}</text>",
        height - 22.0,
        height - 6.0,
        text(nominal)
    );
    for (n, row) in rows.iter().enumerate() {
        let y = 16.0 + 22.0 * n as f64;
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke-width=\"3\" style=\"stroke:var(--{colour})\" opacity=\".45\"/>\
             <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\" style=\"fill:var(--{colour})\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            NAMES - 12.0,
            y + 4.0,
            Escaped(&row.name),
            x(row.low),
            x(row.high),
            x(row.value),
            RIGHT + 10.0,
            y + 4.0,
            text(row.value),
            colour = row.colour
        );
    }
    scroll(label, &(out + "</svg>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_a_value_is_missing() {
        let line = Drawn { name: "a<b", colour: "c0", look: Look::Line, values: vec![Some(1.0), None, Some(2.0)] };
        let svg = time_chart("x", 200.0, &[0, 86_400_000, 172_800_000], &[line], |v| format!("{v:.1}"));
        assert_eq!(svg.matches('M').count(), 2, "{svg}");
        assert!(svg.contains("1970-01-03") && svg.contains("a&lt;b"));
        assert!(time_chart("x", 200.0, &[], &[], |v| v.to_string()).is_empty());
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let ts: Vec<i64> = (0..10_000).collect();
        let values: Vec<Option<f64>> =
            (0..10_000).map(|n| (n % 3 > 0).then_some(if n == 7_777 { -9.0 } else { 0.1 })).collect();
        let thin = thinned(&ts, &values, 7);
        assert_eq!(thin.len(), 1_429);
        assert_eq!(thin.iter().filter(|p| **p == (7_777, Some(-9.0))).count(), 1);
    }

    #[test]
    fn intervals_stand_beside_the_nominal_value() {
        let row = Interval { name: "BTC".into(), value: 0.02, low: 0.01, high: 0.04, colour: "gain" };
        let svg = intervals("rates", 0.01, &[row], |v| format!("{:.1} %", 100.0 * v));
        assert!(svg.contains("nominal 1.0 %") && svg.contains("2.0 %") && svg.contains("var(--gain)"), "{svg}");
    }
}
