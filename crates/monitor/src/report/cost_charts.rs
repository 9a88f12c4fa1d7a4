//! Charts of a cost page: fills about the fitted law, stacked parts of a cost, estimates against what was measured. SVG without a script.

use super::page::scroll;
use super::text::{Escaped, number};
use std::fmt::Write as _;

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 980.0;
const TOP: f64 = 30.0;
/// More dots than that show nothing more.
const DOTS_MAX: usize = 2_000;

/// A law about its dots, both by share of the volume and in basis points.
pub(super) struct LawCurve<'a> {
    /// The law at a share: value, half width of its 95 % band, half width of the 95 % band of one fill.
    pub at: &'a dyn Fn(f64) -> (f64, f64, f64),
}

/// Numbers of an axis: about so many round steps within a range.
fn steps(low: f64, high: f64, about: f64) -> Vec<f64> {
    let raw = (high - low) / about;
    if !(raw > 0.0 && raw.is_finite()) {
        return vec![low];
    }
    let ten = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * ten).into_iter().find(|s| *s >= raw).unwrap_or(10.0 * ten);
    let first = (low / step).ceil();
    (0..40).map(|n| (first + f64::from(n)) * step).take_while(|v| *v <= high + step * 1e-9).collect()
}

fn decimals(step: f64) -> usize {
    if step >= 1.0 { 0 } else { (-step.log10()).ceil().clamp(0.0, 6.0) as usize }
}

/// The range of values with room around; a tenth of a basis point at least.
fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = (finite.clone().fold(f64::INFINITY, f64::min), finite.fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return (-1.0, 1.0);
    }
    let room = (0.06 * (high - low)).max(0.05);
    (low - room, high + room)
}

struct Frame {
    low: f64,
    high: f64,
    bottom: f64,
    out: String,
}

impl Frame {
    fn new(label: &str, height: f64, (low, high): (f64, f64), unit: &str) -> Self {
        let out = format!(
            "<svg class=\"risk cost\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>",
            Escaped(label)
        );
        let mut frame = Self { low, high, bottom: height - 44.0, out };
        let marks = steps(low, high, 5.0);
        let places = marks.get(1).zip(marks.first()).map_or(1, |(b, a)| decimals(b - a));
        for value in marks {
            let at = frame.y(value);
            let class = if value == 0.0 { "zero" } else { "grid" };
            // Writing into a String cannot fail.
            let _ = write!(
                frame.out,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                number(value, places)
            );
        }
        let _ = write!(frame.out, "<text x=\"8\" y=\"14\">{}</text>", Escaped(unit));
        frame
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) * (self.bottom - TOP)
    }

    fn mark_x(&mut self, x: f64, text: &str, grid: bool) {
        if grid {
            let _ = write!(
                self.out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>",
                self.bottom
            );
        }
        let _ =
            write!(self.out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>", self.bottom + 18.0);
    }

    fn name_x(&mut self, name: &str) {
        let _ = write!(
            self.out,
            "<text x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            self.bottom + 36.0,
            Escaped(name)
        );
    }

    fn dot(&mut self, x: f64, y: f64, colour: &str) {
        let _ = write!(
            self.out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" style=\"fill:var(--{colour})\" fill-opacity=\".55\"/>"
        );
    }

    fn end(mut self, label: &str, keys: &[(&str, &str)]) -> String {
        self.out.push_str("</svg>");
        scroll(label, &self.out) + &legend(keys)
    }
}

fn legend(keys: &[(&str, &str)]) -> String {
    let mut out = String::from("<ul class=\"keys\">");
    for (colour, name) in keys {
        let _ = write!(out, "<li><span class=\"swatch\" style=\"background:{colour}\"></span>{}</li>", Escaped(name));
    }
    out + "</ul>"
}

/// Evenly picked, no more than can be seen.
fn thinned<T: Copy>(all: &[T]) -> Vec<T> {
    all.iter().step_by(all.len().div_ceil(DOTS_MAX).max(1)).copied().collect()
}

/// Fills by their share of the volume, with the law through them.
pub(super) fn law_chart(label: &str, dots: &[(f64, f64)], law: Option<&LawCurve<'_>>) -> String {
    let shown: Vec<(f64, f64)> =
        dots.iter().copied().filter(|(share, cost)| *share > 0.0 && share.is_finite() && cost.is_finite()).collect();
    let Some(least) = shown.iter().map(|d| d.0).reduce(f64::min) else { return String::new() };
    let most = shown.iter().map(|d| d.0).fold(least, f64::max);
    let (from, to) = ((least.log10() - 0.1), (most.log10() + 0.1));
    let share = |n: usize| 10f64.powf(from + (to - from) * n as f64 / 80.0);
    let curve: Vec<(f64, (f64, f64, f64))> =
        law.map_or_else(Vec::new, |law| (0..=80).map(|n| (share(n), (law.at)(share(n)))).collect());
    let ends = curve.iter().flat_map(|(_, (v, band, one))| [v - band.max(*one), v + band.max(*one)]);
    let values: Vec<f64> = shown.iter().map(|d| d.1).chain(ends).chain([0.0]).collect();
    let mut frame = Frame::new(label, 380.0, range(values.iter().copied()), "basis points");
    let x = |share: f64| LEFT + (share.log10() - from) / (to - from) * (RIGHT - LEFT);
    for power in from.ceil() as i32..=to.floor() as i32 {
        let at = 10f64.powi(power);
        frame.mark_x(x(at), &share_text(at), true);
    }
    if from.ceil() > to.floor() {
        // Less than a decade: both ends are named.
        frame.mark_x(x(least), &share_text(least), true);
        if x(most) - x(least) > 80.0 {
            frame.mark_x(x(most), &share_text(most), true);
        }
    }
    frame.name_x("share of the volume");
    let band = |frame: &Frame, width: &dyn Fn(&(f64, f64, f64)) -> f64| {
        let mut path = String::new();
        let above = curve.iter().map(|(s, v)| (*s, v.0 + width(v)));
        let below = curve.iter().rev().map(|(s, v)| (*s, v.0 - width(v)));
        for (n, (s, v)) in above.chain(below).enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if n == 0 { 'M' } else { 'L' }, x(s), frame.y(v));
        }
        path
    };
    if !curve.is_empty() {
        let (wide, narrow) = (band(&frame, &|v| v.2), band(&frame, &|v| v.1));
        let _ = write!(frame.out, "<path d=\"{wide}Z\" style=\"fill:var(--hold)\" fill-opacity=\".12\"/>");
        let _ = write!(frame.out, "<path d=\"{narrow}Z\" style=\"fill:var(--hold)\" fill-opacity=\".35\"/>");
    }
    for (share, cost) in thinned(&shown) {
        let y = frame.y(cost);
        frame.dot(x(share), y, "accent");
    }
    let mut line = String::new();
    for (n, (s, v)) in curve.iter().enumerate() {
        let _ = write!(line, "{}{:.1} {:.1}", if n == 0 { 'M' } else { 'L' }, x(*s), frame.y(v.0));
    }
    if !line.is_empty() {
        let _ = write!(frame.out, "<path d=\"{line}\" fill=\"none\" style=\"stroke:var(--hold)\" stroke-width=\"2\"/>");
    }
    let mut keys = vec![("var(--accent)", "a fill")];
    if law.is_some() {
        keys.push(("var(--hold)", "fitted law"));
        keys.push(("color-mix(in srgb, var(--hold) 45%, var(--card))", "95 % band of the law"));
        keys.push(("color-mix(in srgb, var(--hold) 18%, var(--card))", "95 % of fills"));
    }
    frame.end(label, &keys)
}

fn share_text(share: f64) -> String {
    let percent = 100.0 * share;
    let places = if percent >= 1.0 { 0 } else { (-percent.log10()).ceil().clamp(0.0, 8.0) as usize };
    format!("{}\u{202f}%", number(percent, places))
}

/// Estimates against what was measured, in basis points.
pub(super) fn calibration_chart(label: &str, dots: &[(f64, f64)]) -> String {
    let shown: Vec<(f64, f64)> = dots.iter().copied().filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
    if shown.is_empty() {
        return String::new();
    }
    let (low, high) = range(shown.iter().map(|d| d.0));
    let tall = range(shown.iter().map(|d| d.1).chain([low, high]));
    let mut frame = Frame::new(label, 380.0, tall, "measured, basis points");
    let x = |v: f64| LEFT + (v - low) / (high - low) * (RIGHT - LEFT);
    let marks = steps(low, high, 6.0);
    let places = marks.get(1).zip(marks.first()).map_or(1, |(b, a)| decimals(b - a));
    for value in marks {
        frame.mark_x(x(value), &number(value, places), true);
    }
    frame.name_x("estimated before, basis points");
    for (estimated, measured) in thinned(&shown) {
        let y = frame.y(measured);
        frame.dot(x(estimated), y, "accent");
    }
    let _ = write!(
        frame.out,
        "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" style=\"stroke:var(--hold)\" stroke-width=\"2\"/>",
        x(low),
        x(high),
        frame.y(low),
        frame.y(high)
    );
    frame.end(label, &[("var(--accent)", "an order"), ("var(--hold)", "measured as estimated")])
}

/// Colours of the parts of a cost.
const COLOURS: [&str; 7] = ["c6", "c3", "c5", "c0", "c4", "c1", "c7"];

/// A bar of parts for each name, stacked from zero to both sides; the dot is their sum.
pub(super) fn stacked_chart(
    label: &str,
    unit: &str,
    parts: &[&str],
    rows: &[(String, Vec<f64>)],
    legible: usize,
) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let side = |values: &[f64], up: bool| values.iter().filter(|v| (**v > 0.0) == up).sum::<f64>();
    let ends = rows.iter().flat_map(|(_, v)| [side(v, true), side(v, false)]);
    let mut frame = Frame::new(label, 360.0, range(ends.chain([0.0]).collect::<Vec<_>>().into_iter()), unit);
    let slot = (RIGHT - LEFT) / rows.len() as f64;
    let width = (0.62 * slot).clamp(2.0, 90.0);
    for (n, (name, values)) in rows.iter().enumerate() {
        let middle = LEFT + slot * (n as f64 + 0.5);
        let (mut up, mut down) = (0.0, 0.0);
        for (k, value) in values.iter().enumerate().filter(|(_, v)| v.is_finite() && **v != 0.0) {
            let base = if *value > 0.0 { &mut up } else { &mut down };
            let (from, to) = (*base, *base + value);
            *base = to;
            let (top, bottom) = (frame.y(from.max(to)), frame.y(from.min(to)));
            let colour = COLOURS.get(k).copied().unwrap_or("c7");
            let _ = write!(
                frame.out,
                "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" style=\"fill:var(--{colour})\"><title>{}: {} {}</title></rect>",
                middle - width / 2.0,
                (bottom - top).max(0.4),
                Escaped(name),
                Escaped(parts.get(k).copied().unwrap_or("")),
                number(*value, 2)
            );
        }
        let y = frame.y(values.iter().sum());
        let _ = write!(
            frame.out,
            "<circle cx=\"{middle:.1}\" cy=\"{y:.1}\" r=\"4\" style=\"fill:var(--text);stroke:var(--card)\" stroke-width=\"1.5\"/>"
        );
        let short: String = if name.chars().count() > legible {
            name.chars().take(legible.saturating_sub(1)).chain(['…']).collect()
        } else {
            name.clone()
        };
        frame.mark_x(middle, &Escaped(&short).to_string(), false);
    }
    let used: Vec<usize> =
        (0..parts.len()).filter(|k| rows.iter().any(|(_, v)| v.get(*k).is_some_and(|v| *v != 0.0))).collect();
    let colours: Vec<(String, &str)> = used
        .iter()
        .map(|k| (format!("var(--{})", COLOURS.get(*k).copied().unwrap_or("c7")), parts.get(*k).copied().unwrap_or("")))
        .chain([("var(--text)".to_owned(), "sum")])
        .collect();
    let keys: Vec<(&str, &str)> = colours.iter().map(|(colour, name)| (colour.as_str(), *name)).collect();
    frame.end(label, &keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_steps() {
        assert_eq!(steps(0.0, 10.0, 5.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(steps(-0.3, 0.3, 5.0), [-0.2, 0.0, 0.2]);
        assert_eq!(steps(1.0, 1.0, 5.0), [1.0]);
        assert_eq!((decimals(2.0), decimals(0.2), decimals(0.05)), (0, 1, 2));
        assert_eq!((share_text(0.01), share_text(1e-6)), ("1\u{202f}%".into(), "0.0001\u{202f}%".into()));
    }

    #[test]
    fn a_law_is_drawn_through_its_fills_with_both_bands() {
        let law = |share: f64| (100.0 * share.sqrt(), 1.0, 3.0);
        let dots: Vec<(f64, f64)> = (1..5_000).map(|n| (f64::from(n) * 1e-5, 3.0)).collect();
        let svg = law_chart("<law>", &dots, Some(&LawCurve { at: &law }));
        assert!(svg.matches("<circle").count() <= DOTS_MAX && svg.matches("<path").count() == 3, "bands, line, dots");
        assert!(svg.contains("&lt;law&gt;") && svg.contains("0.1\u{202f}%") && !svg.contains("NaN"));
        let alone = law_chart("one", &[(0.01, 1.0)], None);
        assert!(alone.contains("1\u{202f}%") && alone.matches("<path").count() == 0, "{alone}");
        assert!(law_chart("none", &[(0.0, 1.0), (f64::NAN, 1.0)], None).is_empty());
    }

    #[test]
    fn parts_are_stacked_to_both_sides_and_named_once_used() {
        let rows = [("a<b".to_owned(), vec![1.0, -2.0, 0.0]), ("c".to_owned(), vec![3.0, 0.0, 0.0])];
        let svg = stacked_chart("parts", "bps", &["delay", "timing", "spread"], &rows, 12);
        assert_eq!((svg.matches("<rect").count(), svg.matches("<circle").count()), (3, 2));
        assert!(svg.contains("a&lt;b") && svg.contains("timing") && !svg.contains("</span>spread"));
        assert!(stacked_chart("parts", "bps", &[], &[], 12).is_empty());
    }

    #[test]
    fn estimates_stand_against_the_diagonal() {
        let svg = calibration_chart("x", &[(1.0, 1.2), (2.0, 1.9), (f64::NAN, 1.0)]);
        assert!(svg.matches("<circle").count() == 2 && svg.contains("measured as estimated"));
        assert!(!calibration_chart("flat", &[(1.0, 1.0)]).contains("NaN"));
        assert!(calibration_chart("x", &[]).is_empty());
    }
}
