//! The same picture as a page: one file, inline SVG, light and dark, with figures under the pointer.
//!
//! In:  bars. Out: HTML that opens offline. Text in it is escaped: names of symbols come from files.

use super::bars::{Bar, exact_text, price_text, short_text};
use std::fmt::Write as _;

/// What stands above the picture.
#[derive(Clone, Debug)]
pub struct Heading {
    /// `binance_spot BTCUSDT 1m`.
    pub title: String,
    /// The period and the length of the bars.
    pub period: String,
    /// Names and figures.
    pub figures: Vec<(String, String)>,
    /// What the lower picture shows.
    pub lower: &'static str,
}

const WIDTH: f64 = 1_200.0;
const LEFT: f64 = 12.0;
const RIGHT: f64 = 84.0;
const PRICE_TOP: f64 = 12.0;
const PRICE_BOTTOM: f64 = 420.0;
const VOLUME_TOP: f64 = 444.0;
const VOLUME_BOTTOM: f64 = 540.0;
const HEIGHT: f64 = 572.0;

/// Most bars that can be told apart.
pub const BARS: usize = 400;

/// Draws the page.
#[must_use]
pub fn draw(bars: &[Bar], length_s: u64, decimals: u8, heading: &Heading) -> String {
    let figures: String = (heading.figures.iter())
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(value)))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n<p>{period}</p>\n<dl>{figures}</dl>\n<p id=\"at\" aria-live=\"polite\">&nbsp;</p>\n\
         <div class=\"scroll\">{picture}</div>\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        title = escaped(&heading.title),
        period = escaped(&heading.period),
        picture = picture(bars, length_s, decimals, heading.lower),
    )
}

fn picture(bars: &[Bar], length_s: u64, decimals: u8, lower: &str) -> String {
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"candles and {}\">\n", escaped(lower));
    let low = bars.iter().map(|b| b.low).fold(f64::INFINITY, f64::min);
    let high = bars.iter().map(|b| b.high).fold(f64::NEG_INFINITY, f64::max);
    let most = bars.iter().map(|b| b.volume).fold(0.0, f64::max);
    if bars.is_empty() {
        return svg + "</svg>";
    }
    let room = if high > low { (high - low) * 0.04 } else { high.abs().max(1.0) * 0.01 };
    let (low, high) = (low - room, high + room);
    let y = |price: f64| PRICE_TOP + (high - price) / (high - low) * (PRICE_BOTTOM - PRICE_TOP);
    let slot = (WIDTH - LEFT - RIGHT) / bars.len() as f64;
    let x = |at: usize| LEFT + slot * (at as f64 + 0.5);

    let step = round_step((high - low) / 6.0);
    let mut level = (low / step).ceil() * step;
    while level < high {
        let at = y(level);
        // Writing into a String cannot fail.
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            WIDTH - RIGHT + 8.0,
            at + 4.0,
            price_text(level, step, decimals)
        );
        level += step;
    }
    for (at, label) in time_labels(bars, length_s) {
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{PRICE_TOP}\" y2=\"{VOLUME_BOTTOM}\"/><text class=\"time\" x=\"{0:.1}\" y=\"{1:.1}\">{label}</text>",
            x(at),
            VOLUME_BOTTOM + 20.0
        );
    }
    if most > 0.0 {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\">{}</text><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT + 8.0,
            VOLUME_TOP + 8.0,
            short_text(most),
            WIDTH - RIGHT + 8.0,
            VOLUME_TOP + 24.0,
            escaped(lower)
        );
    }
    let body = (slot * 0.68).clamp(0.6, 14.0);
    for (at, bar) in bars.iter().enumerate() {
        let class = if bar.close >= bar.open { "up" } else { "down" };
        let (top, bottom) = (y(bar.open.max(bar.close)), y(bar.open.min(bar.close)));
        let middle = x(at);
        let figures = format!(
            "{}  O {}  H {}  L {}  C {}  {} {}{}",
            time_text(bar.ts_s, "%Y-%m-%d %H:%M"),
            exact_text(bar.open, decimals),
            exact_text(bar.high, decimals),
            exact_text(bar.low, decimals),
            exact_text(bar.close, decimals),
            lower,
            short_text(bar.volume),
            if bar.synthetic { "  with rows made by a gap filler" } else { "" }
        );
        let _ = write!(
            svg,
            "<g class=\"{class}\" data-t=\"{}\"><rect class=\"hit\" x=\"{:.2}\" y=\"{PRICE_TOP}\" width=\"{slot:.2}\" height=\"{:.1}\"/>\
             <line x1=\"{middle:.2}\" x2=\"{middle:.2}\" y1=\"{:.2}\" y2=\"{:.2}\"/>\
             <rect x=\"{:.2}\" y=\"{top:.2}\" width=\"{body:.2}\" height=\"{:.2}\"/>",
            escaped(&figures),
            middle - slot / 2.0,
            VOLUME_BOTTOM - PRICE_TOP,
            y(bar.high),
            y(bar.low),
            middle - body / 2.0,
            (bottom - top).max(1.0),
        );
        if most > 0.0 {
            let tall = bar.volume / most * (VOLUME_BOTTOM - VOLUME_TOP);
            let _ = write!(
                svg,
                "<rect class=\"volume\" x=\"{:.2}\" y=\"{:.2}\" width=\"{body:.2}\" height=\"{tall:.2}\"/>",
                middle - body / 2.0,
                VOLUME_BOTTOM - tall
            );
        }
        svg.push_str("</g>\n");
    }
    svg + "</svg>"
}

/// 1, 2 or 5 times a power of ten, at least so much.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= least * 0.999).unwrap_or(least)
}

/// About eight places with their times.
fn time_labels(bars: &[Bar], length_s: u64) -> Vec<(usize, String)> {
    let every = bars.len().div_ceil(8).max(1);
    let span = bars.last().map_or(0, |b| b.ts_s).saturating_sub(bars.first().map_or(0, |b| b.ts_s));
    let form = match (length_s, span) {
        (86_400.., ..) => "%Y-%m-%d",
        (_, 172_800..) => "%b %d %H:%M",
        (60.., _) => "%H:%M",
        _ => "%H:%M:%S",
    };
    let places = bars.iter().enumerate().skip(every / 2).step_by(every);
    places.map(|(at, bar)| (at, time_text(bar.ts_s, form))).collect()
}

fn time_text(ts_s: u64, form: &str) -> String {
    let at = jiff::Timestamp::from_second(i64::try_from(ts_s).unwrap_or(0)).unwrap_or_default();
    jiff::tz::TimeZone::UTC.to_datetime(at).strftime(form).to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "
:root{color-scheme:light dark;--paper:#fbfbfa;--ink:#1f2328;--faint:#6a737d;--grid:#e4e6e9;--up:#0f8a63;--down:#c8394a}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e3e6ea;--faint:#8d969f;--grid:#282d34;--up:#3fbf8f;--down:#f0616d}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}
main{max-width:1240px;margin:0 auto;padding:20px}
h1{font-size:22px;margin:0;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
p{margin:2px 0;color:var(--faint)}
dl{display:flex;flex-wrap:wrap;gap:8px 28px;margin:14px 0 6px}
dt{font-size:12px;color:var(--faint)}
dd{margin:0;font-variant-numeric:tabular-nums;font-weight:550}
#at{font-variant-numeric:tabular-nums;font-size:13px;min-height:20px;white-space:pre-wrap}
.scroll{overflow-x:auto}
svg{display:block;width:100%;min-width:860px;height:auto}
text{fill:var(--faint);font-size:13px;font-variant-numeric:tabular-nums}
.time{text-anchor:middle}
.grid{stroke:var(--grid);stroke-width:1}
.up line{stroke:var(--up)}.down line{stroke:var(--down)}
.up rect{fill:var(--up)}.down rect{fill:var(--down)}
g .volume{opacity:.45}
g .hit{fill:transparent}
g:hover .hit{fill:var(--faint);opacity:.14}
";

const SCRIPT: &str = "
const at=document.getElementById('at');
const pane=document.querySelector('.scroll');pane.scrollLeft=pane.scrollWidth;
document.querySelectorAll('g[data-t]').forEach(g=>{const show=()=>{at.textContent=g.dataset.t};
g.addEventListener('pointerenter',show);g.addEventListener('click',show)});
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_alone_and_escapes_what_it_shows() {
        let bars =
            [Bar { ts_s: 1_620_000_000, open: 1.0, high: 2.0, low: 0.5, close: 1.5, volume: 3.0, synthetic: true }];
        let heading = Heading {
            title: "mars <script>".into(),
            period: "a & b".into(),
            figures: vec![("open".into(), "1".into())],
            lower: "volume",
        };
        let page = draw(&bars, 60, 2, &heading);
        assert!(page.contains("mars &lt;script&gt;") && page.contains("a &amp; b") && page.contains("gap filler"));
        assert!(!page.contains("http"), "nothing is fetched");
        assert_eq!(page.matches("<g class=\"up\"").count(), 1);
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        let still = Bar { open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 0.0, ..bars[0] };
        assert!(!draw(&[still], 60, 2, &heading).contains("NaN"));
    }

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.9, 1.0), (1.1, 2.0), (3.0, 5.0), (70.0, 100.0), (0.0012, 0.002)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
    }
}
