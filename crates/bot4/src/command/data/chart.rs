//! A small chart of bars in the terminal: candles of half-cell resolution, volume, axes.
//!
//! In:  bars and the room there is. Out: text. Plain ASCII where box drawing is not wanted, no colour where it is not.

use super::bars::{Bar, price_text, short_text};
use std::fmt::Write as _;

/// The room for a chart and how it may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Characters in a line.
    pub width: usize,
    /// Lines of the price.
    pub height: usize,
    /// ASCII only.
    pub ascii: bool,
    /// Green and red.
    pub colour: bool,
}

/// Lines of the volume.
const VOLUME_LINES: usize = 4;
/// Characters between the bars and the edge: axis and labels.
const MARGIN: usize = 12;

impl Look {
    /// How many bars fit.
    #[must_use]
    pub const fn bars(&self) -> usize {
        let room = self.width.saturating_sub(MARGIN);
        if room < 10 { 10 } else { room }
    }
}

/// What a half of a cell shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Nothing,
    Wick,
    Body,
}

/// Draws the chart. `bars` must fit [`Look::bars`]; `decimals` are those of prices.
#[must_use]
pub fn draw(bars: &[Bar], length_s: u64, decimals: u8, look: Look) -> String {
    let mut text = String::new();
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return text };
    let low = bars.iter().map(|b| b.low).fold(f64::INFINITY, f64::min);
    let high = bars.iter().map(|b| b.high).fold(f64::NEG_INFINITY, f64::max);
    // A market that did not move has a line in the middle.
    let room = if high > low { high - low } else { high.abs().max(1.0) * 0.01 };
    let (low, high) = if high > low { (low, high) } else { (low - room / 2.0, high + room / 2.0) };
    let height = look.height.max(4);
    let half = (high - low) / (2 * height) as f64;
    let axis = if look.ascii { ['|', '+', '-'] } else { ['│', '┤', '─'] };

    // Few bars are drawn apart, so that the picture fills its room.
    let stride = (look.bars() / bars.len().max(1)).clamp(1, 4);
    for line in 0..height {
        let top = high - half * (2 * line) as f64;
        let mut drawn = Painter::new(look.colour);
        for bar in bars {
            let upper = half_of(bar, top - half, top);
            let lower = half_of(bar, top - 2.0 * half, top - half);
            drawn.put(glyph(upper, lower, bar, look.ascii), Some(bar.close >= bar.open), 1);
            drawn.put(' ', None, stride - 1);
        }
        let label = if line % 3 == 0 || line + 1 == height {
            format!("{} {}", axis[1], price_text(top - half, 6.0 * half, decimals))
        } else {
            axis[0].to_string()
        };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{} {label}", drawn.finish());
    }
    volume(&mut text, bars, look, axis, stride);
    let rule: String = std::iter::repeat_n(axis[2], bars.len() * stride).collect();
    let _ = writeln!(text, "{rule}{}{}", axis[2], axis[2]);
    let _ = writeln!(text, "{}", times(bars, length_s, first.ts_s, last.ts_s, stride));
    text
}

/// What a bar has between two prices.
fn half_of(bar: &Bar, from: f64, to: f64) -> Half {
    let (bottom, top) = (bar.open.min(bar.close), bar.open.max(bar.close));
    let middle = f64::midpoint(from, to);
    // A body is at least the half that its close is in, a wick every half that it crosses the middle of.
    if (bottom <= middle && middle <= top)
        || (from < bar.close && bar.close <= to)
        || (bar.close <= from && bar.low >= from && bar.high <= to)
    {
        Half::Body
    } else if bar.low <= middle && middle <= bar.high {
        Half::Wick
    } else {
        Half::Nothing
    }
}

fn glyph(upper: Half, lower: Half, bar: &Bar, ascii: bool) -> char {
    if ascii {
        return match (upper, lower) {
            (Half::Nothing, Half::Nothing) => ' ',
            (Half::Body, _) | (_, Half::Body) if bar.close >= bar.open => 'o',
            (Half::Body, _) | (_, Half::Body) => '#',
            _ => '|',
        };
    }
    match (upper, lower) {
        (Half::Nothing, Half::Nothing) => ' ',
        (Half::Wick, Half::Wick) => '│',
        (Half::Body, Half::Body) => '┃',
        (Half::Wick, Half::Nothing) => '╵',
        (Half::Nothing, Half::Wick) => '╷',
        (Half::Body, Half::Nothing) => '╹',
        (Half::Nothing, Half::Body) => '╻',
        (Half::Wick, Half::Body) => '╽',
        (Half::Body, Half::Wick) => '╿',
    }
}

fn volume(text: &mut String, bars: &[Bar], look: Look, axis: [char; 3], stride: usize) {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = bars.iter().map(|b| b.volume).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    let _ = writeln!(text, "{} {}", " ".repeat(bars.len() * stride), axis[0]);
    for line in (0..VOLUME_LINES).rev() {
        let mut drawn = Painter::new(look.colour);
        for bar in bars {
            let filled = bar.volume / most * VOLUME_LINES as f64 - line as f64;
            let glyph = if look.ascii {
                if filled >= 0.5 {
                    '#'
                } else if filled > 0.05 && line == 0 {
                    '.'
                } else {
                    ' '
                }
            } else {
                let eighths = (filled * 8.0).round().clamp(0.0, 8.0) as usize;
                // What was traded at all is seen.
                let eighths = if line == 0 && bar.volume > 0.0 { eighths.max(1) } else { eighths };
                EIGHTHS.get(eighths).copied().unwrap_or(' ')
            };
            // Apart from their neighbours where there is room.
            let broad = stride - usize::from(stride > 2);
            drawn.put(glyph, Some(bar.close >= bar.open), broad);
            drawn.put(' ', None, stride - broad);
        }
        let label = if line + 1 == VOLUME_LINES {
            format!("{} {}", axis[1], short_text(most))
        } else if line == 0 {
            format!("{} 0", axis[1])
        } else {
            axis[0].to_string()
        };
        let _ = writeln!(text, "{} {label}", drawn.finish());
    }
}

/// Labels of time below the bars, as many as fit.
fn times(bars: &[Bar], length_s: u64, first: u64, last: u64, stride: usize) -> String {
    let form = match (length_s, last.saturating_sub(first)) {
        (86_400.., ..) => "%Y-%m-%d",
        (_, 172_800..) => "%m-%d %H:%M",
        (60.., _) => "%H:%M",
        _ => "%H:%M:%S",
    };
    let label = |s: u64| {
        let at = jiff::Timestamp::from_second(i64::try_from(s).unwrap_or(0)).unwrap_or_default();
        jiff::tz::TimeZone::UTC.to_datetime(at).strftime(form).to_string()
    };
    // Labels stand below their bar, at rounds of so many bars that the next one does not touch.
    let every = (label(first).len() + 4).div_ceil(stride).next_multiple_of(if stride == 1 { 5 } else { 2 });
    let mut line = String::new();
    for (at, bar) in bars.iter().enumerate().step_by(every) {
        let (column, text) = (at * stride, label(bar.ts_s));
        if column + text.len() <= bars.len() * stride + MARGIN {
            let _ = write!(line, "{:width$}{text}", "", width = column - line.len());
        }
    }
    line
}

/// A line with colours that change only where they must.
struct Painter {
    colour: bool,
    line: String,
    now: Option<bool>,
}

impl Painter {
    const fn new(colour: bool) -> Self {
        Self { colour, line: String::new(), now: None }
    }

    fn put(&mut self, glyph: char, rising: Option<bool>, times: usize) {
        let wanted = if glyph == ' ' { self.now } else { rising };
        if self.colour && wanted != self.now {
            self.line.push_str(match wanted {
                Some(true) => "\x1b[32m",
                Some(false) => "\x1b[31m",
                None => "\x1b[0m",
            });
            self.now = wanted;
        }
        self.line.extend(std::iter::repeat_n(glyph, times));
    }

    fn finish(mut self) -> String {
        if self.now.is_some() {
            self.line.push_str("\x1b[0m");
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(at: u64, [open, high, low, close]: [f64; 4], volume: f64) -> Bar {
        Bar { ts_s: 1_620_000_000 + at * 3_600, open, high, low, close, volume, synthetic: false }
    }

    const PLAIN: Look = Look { width: 40, height: 6, ascii: true, colour: false };

    #[test]
    fn candles_stand_at_their_prices() {
        let bars = [
            bar(0, [10.0, 12.0, 10.0, 12.0], 5.0),
            bar(1, [12.0, 16.0, 8.0, 8.0], 10.0),
            bar(2, [8.0, 9.0, 4.0, 9.0], 0.0),
        ];
        // No room to draw them apart.
        let text = draw(&bars, 3_600, 2, Look { width: 10, ..PLAIN });
        let lines: Vec<String> = text.lines().map(|l| l.replace("  ", " ")).collect();
        assert!(lines.iter().all(|l| l.is_ascii()), "{text}");
        assert!(
            lines[0].contains("|") && lines[3].contains('#') && lines[3].contains('o') && lines[5].contains('|'),
            "{text}"
        );
        assert!(text.contains("+ 15") && text.contains("+ 10.0") && text.ends_with("00:00\n"), "{text}");
    }

    #[test]
    fn lines_fit_the_width() {
        for (n, width) in [(1, 30), (5, 30), (18, 30), (40, 80), (88, 100), (30, 100)] {
            let bars: Vec<Bar> = (0..n).map(|k| bar(k, [10.0, 12.0 + k as f64, 9.0, 11.0], 5.0)).collect();
            let look = Look { width, height: 10, ascii: true, colour: false };
            assert!(bars.len() <= look.bars());
            for line in draw(&bars, 3_600, 2, look).lines() {
                assert!(line.len() <= width, "{n} {width}: {line}");
            }
        }
    }

    #[test]
    fn colours_and_lines_are_used_where_they_are_wanted() {
        let bars = [bar(0, [10.0, 12.0, 10.0, 12.0], 5.0), bar(1, [12.0, 12.0, 8.0, 8.0], 10.0)];
        let text = draw(&bars, 3_600, 2, Look { ascii: false, colour: true, ..PLAIN });
        assert!(
            text.contains("\x1b[32m┃")
                && text.contains("\x1b[31m┃")
                && text.contains("\x1b[0m")
                && text.contains('█')
                && text.contains('┤'),
            "{text}"
        );
        assert!(!draw(&bars, 3_600, 2, Look { ascii: false, ..PLAIN }).contains('\x1b'));
    }

    #[test]
    fn a_market_that_stands_still_is_drawn() {
        let text = draw(&[bar(0, [5.0; 4], 0.0), bar(1, [5.0; 4], 0.0)], 3_600, 2, PLAIN);
        assert!(text.contains("o   o"), "{text}");
        assert_eq!(draw(&[], 60, 2, PLAIN), "");
    }
}
