//! The picture of a gap: the backtest's profit, one step for each part, the session's profit, as SVG that needs no script.
//!
//! In:  the parts of a gap report. Out: an `<svg>`. Bars stand on zero profit, steps hang between the values of two rungs; a thin line beside
//! a step is how large the part is in other orders of the rungs. A part that the data cannot show has a place and no bar.

use super::gap::{GapPart, GapReport, PartState};
use super::page::scroll;
use super::text::{Escaped, money, signed_money};
use std::fmt::Write as _;

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 8.0;
const RIGHT: f64 = 908.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 316.0;

/// A column of the picture.
struct Column {
    name: String,
    /// From which value to which; none where there is no figure.
    bar: Option<(f64, f64)>,
    /// Where the other ends of the part would be in other orders of the rungs.
    range: Option<(f64, f64)>,
    label: String,
    total: bool,
}

/// The columns, from left to right. Values are profits.
fn columns(report: &GapReport) -> Vec<Column> {
    let total = |name: &str, value: f64| Column {
        name: name.to_owned(),
        bar: Some((0.0, value)),
        range: None,
        label: signed_money(value),
        total: true,
    };
    let mut out = vec![total("backtest", report.backtest.pnl.value)];
    let mut reached = report.backtest.pnl.value;
    for part in &report.parts {
        out.push(step(part, reached));
        reached += part.amount.as_ref().map_or(0.0, |amount| amount.value);
    }
    out.push(total("session", report.session.pnl.value));
    out
}

fn step(part: &GapPart, from: f64) -> Column {
    let amount = part.amount.as_ref().filter(|_| part.state != PartState::NotInTheseData).map(|a| a.value);
    let range = match (&part.low, &part.high) {
        (Some(low), Some(high)) if low != high => Some((from + low.value, from + high.value)),
        _ => None,
    };
    Column {
        name: part.key.clone(),
        bar: amount.map(|amount| (from, from + amount)),
        range,
        label: amount
            .map_or_else(|| "not in these data".into(), |a| if a == 0.0 { "0".into() } else { signed_money(a) }),
        total: false,
    }
}

/// The picture.
pub(super) fn waterfall(report: &GapReport) -> String {
    let columns = columns(report);
    let ends = |c: &Column| [c.bar, c.range].into_iter().flatten().flat_map(|(a, b)| [a, b]).collect::<Vec<_>>();
    let values: Vec<f64> = columns.iter().flat_map(ends).filter(|v| v.is_finite()).collect();
    let (low, high) = values.iter().fold((0.0f64, 0.0f64), |(low, high), v| (low.min(*v), high.max(*v)));
    let room = ((high - low) * 0.08).max(1e-9);
    let (low, high) = (low - room, high + room);
    let y = |v: f64| BOTTOM - ((v - low) / (high - low)).clamp(0.0, 1.0) * (BOTTOM - TOP);
    let label = format!("from the backtest's profit to the session's, by part, in {}", report.quote);
    let mut out = format!(
        "<svg class=\"risk\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>",
        Escaped(&label)
    );
    for n in 0..=4u8 {
        let value = low + f64::from(n) / 4.0 * (high - low);
        let at = y(value);
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            RIGHT + 6.0,
            at + 4.0,
            money(value)
        );
    }
    let zero = y(0.0);
    let _ = write!(out, "<line class=\"zero\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{zero:.1}\" y2=\"{zero:.1}\"/>");
    let slot = (RIGHT - LEFT) / columns.len().max(1) as f64;
    // Where the last bar ended, and its column.
    let mut before: Option<(f64, f64)> = None;
    for (n, column) in columns.iter().enumerate() {
        let middle = LEFT + (n as f64 + 0.5) * slot;
        let half = 0.31 * slot;
        if let (Some((value, of)), Some((from, _))) = (before, column.bar) {
            let at = y(if column.total { value } else { from });
            let _ = write!(
                out,
                "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" style=\"stroke:var(--muted)\" stroke-dasharray=\"3 3\"/>",
                of + half,
                middle - half
            );
        }
        draw(&mut out, column, middle, half, &y);
        if let Some((_, to)) = column.bar {
            before = Some((to, middle));
        }
        let _ = write!(
            out,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" style=\"fill:var(--text);font-weight:600\">{}</text>",
            HEIGHT - 36.0,
            Escaped(&column.name)
        );
        let _ = write!(
            out,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 16.0,
            Escaped(&column.label)
        );
    }
    scroll(&label, &(out + "</svg>")) + KEYS
}

fn draw(out: &mut String, column: &Column, middle: f64, half: f64, y: &dyn Fn(f64) -> f64) {
    let Some((from, to)) = column.bar else {
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" style=\"fill:var(--grid);stroke:var(--line)\" opacity=\".6\"/>",
            middle - half,
            2.0 * half,
            BOTTOM - TOP
        );
        return;
    };
    let colour = match (column.total, to < from, to > from) {
        (true, _, _) => "c7",
        (false, true, _) => "loss",
        (false, _, true) => "gain",
        (false, false, false) => "muted",
    };
    let (top, bottom) = (y(from).min(y(to)), y(from).max(y(to)));
    let _ = write!(
        out,
        "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\" style=\"fill:var(--{colour})\"/>",
        middle - half,
        2.0 * half,
        (bottom - top).max(1.5)
    );
    if let Some((low, high)) = column.range {
        let x = middle + half + 6.0;
        let (a, b) = (y(low), y(high));
        let _ = write!(
            out,
            "<path d=\"M{:.1} {a:.1}h8M{x:.1} {a:.1}V{b:.1}M{:.1} {b:.1}h8\" fill=\"none\" style=\"stroke:var(--hold)\" stroke-width=\"2\"/>",
            x - 4.0,
            x - 4.0
        );
    }
}

const KEYS: &str = "<ul class=\"keys\"><li><span class=\"swatch\" style=\"background:var(--c7)\"></span>profit</li>\
    <li><span class=\"swatch\" style=\"background:var(--loss)\"></span>the session is worse for it</li>\
    <li><span class=\"swatch\" style=\"background:var(--gain)\"></span>better for it</li>\
    <li><span class=\"swatch\" style=\"background:var(--hold)\"></span>the part in other orders of the rungs</li>\
    <li><span class=\"swatch\" style=\"background:var(--grid)\"></span>not in these data</li></ul>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::gap::Amount;

    fn amount(value: f64) -> Option<Amount> {
        Some(Amount { exact: value.to_string(), value })
    }

    fn part(key: &str, state: PartState, value: Option<Amount>) -> GapPart {
        let (what, equity) = (String::new(), None);
        GapPart {
            key: key.into(),
            state,
            what,
            low: value.clone(),
            high: value.clone(),
            amount: value,
            equity,
            mean: None,
        }
    }

    #[test]
    fn steps_lead_from_one_profit_to_the_other_and_a_part_without_a_figure_has_no_bar() {
        let mut fees = part("fees", PartState::Measured, amount(-7.0));
        fees.high = amount(-2.0);
        let parts =
            vec![fees, part("latency", PartState::NotInTheseData, None), part("signal", PartState::Same, amount(0.0))];
        let mut report = GapReport { parts, ..GapReport::default() };
        (report.backtest.pnl.value, report.session.pnl.value) = (10.0, 3.0);
        let columns = columns(&report);
        let bars: Vec<_> = columns.iter().map(|c| c.bar).collect();
        assert_eq!(bars, [Some((0.0, 10.0)), Some((10.0, 3.0)), None, Some((3.0, 3.0)), Some((0.0, 3.0))]);
        assert_eq!(columns[1].range, Some((3.0, 8.0)));
        let svg = waterfall(&report);
        assert!(svg.contains("not in these data") && svg.contains("−7.00") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("stroke-dasharray").count(), 3, "each bar hangs on the one before");
    }

    #[test]
    fn a_session_without_anything_is_a_picture_too() {
        let svg = waterfall(&GapReport::default());
        assert!(svg.contains("backtest") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
