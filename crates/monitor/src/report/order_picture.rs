//! The picture of the price around one order: bars, levels, and marks for what happened, as one SVG that needs nothing else.

use super::text::{Escaped, price, time};
use std::fmt::Write as _;

/// A bar of prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Its beginning, ms since 1970 UTC.
    pub ts: i64,
    /// First price.
    pub open: f64,
    /// Highest.
    pub high: f64,
    /// Lowest.
    pub low: f64,
    /// Last.
    pub close: f64,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The strategy said it.
    Signal,
    /// The order left.
    Order,
    /// A fill that bought.
    Buy,
    /// A fill that sold.
    Sell,
    /// A refusal or the end without a fill.
    Refusal,
}

/// Something that happened at a time and a price.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// ms since 1970 UTC.
    pub ts: i64,
    /// The price; where none is meant, the last one.
    pub price: f64,
    /// What it was.
    pub kind: MarkKind,
    /// In a few words.
    pub label: String,
}

/// A price that mattered for a time: a limit, a stop, a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// The price.
    pub price: f64,
    /// Its beginning and end, ms since 1970 UTC.
    pub from: i64,
    /// Its end; to the right edge if there is none.
    pub to: Option<i64>,
    /// In a word or two.
    pub label: String,
}

/// What a picture is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderPicture {
    /// Above the picture.
    pub title: String,
    /// Bars around the order, by time, of equal length.
    pub bars: Vec<Bar>,
    /// Length of a bar in ms.
    pub bar_ms: i64,
    /// What happened, by time.
    pub marks: Vec<Mark>,
    /// Prices that mattered.
    pub levels: Vec<Level>,
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 14.0;
const RIGHT: f64 = 806.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 380.0;
const LINE: f64 = 19.0;

const STYLE: &str = "svg.order{background:#fff;color:#16202c;font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
.order .grid{stroke:#e2e6ec}.order .muted{fill:#55616f}.order text{fill:currentColor}.order .up{stroke:#0b7a66;fill:none}.order .down{stroke:#b3401e;fill:#b3401e}\
.order .level{stroke:#8a6100;stroke-dasharray:6 4}.order .leveltext{fill:#8a6100}.order .signal,.order .order-mark{fill:#1d5fbf}.order .buy{fill:#0b7a66}.order .sell,.order .refusal{fill:#b3401e}.order .edge{stroke:#fff}\
@media(prefers-color-scheme:dark){svg.order{background:#18212b;color:#e6ebf1}.order .grid{stroke:#2e3a47}.order .muted{fill:#a3afbd}.order .up{stroke:#43cfae}.order .down{stroke:#ff8d66;fill:#ff8d66}\
.order .level{stroke:#e0b24a}.order .leveltext{fill:#e0b24a}.order .signal,.order .order-mark{fill:#6aa8ff}.order .buy{fill:#43cfae}.order .sell,.order .refusal{fill:#ff8d66}.order .edge{stroke:#18212b}}";

/// Where times and prices lie in the picture.
struct Frame {
    from: i64,
    to: i64,
    low: f64,
    high: f64,
}

impl Frame {
    fn of(p: &OrderPicture) -> Self {
        let ends = p.bars.iter().map(|b| b.ts + p.bar_ms).chain(p.marks.iter().map(|m| m.ts));
        let begins = p.bars.iter().map(|b| b.ts).chain(p.marks.iter().map(|m| m.ts));
        let (from, to) = (begins.min().unwrap_or(0), ends.max().unwrap_or(1));
        let prices = || {
            let bars = p.bars.iter().flat_map(|b| [b.high, b.low]);
            bars.chain(p.marks.iter().map(|m| m.price))
                .chain(p.levels.iter().map(|l| l.price))
                .filter(|x| x.is_finite())
        };
        let (low, high) = (prices().fold(f64::INFINITY, f64::min), prices().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let edge = ((high - low) * 0.06).max(high.abs() * 1e-6).max(1e-12);
        Self { from, to: to.max(from + 1), low: low - edge, high: high + edge }
    }

    fn x(&self, ts: i64) -> f64 {
        let at = (ts.clamp(self.from, self.to) - self.from) as f64 / (self.to - self.from) as f64;
        LEFT + at * (RIGHT - LEFT)
    }

    fn y(&self, price: f64) -> f64 {
        let at = ((price - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        if at.is_finite() { BOTTOM - at * (BOTTOM - TOP) } else { BOTTOM }
    }
}

/// Draws the picture: an `<svg>` element that can stand alone in a file or inside of a page.
#[must_use]
pub fn order_picture(p: &OrderPicture) -> String {
    let frame = Frame::of(p);
    let height = BOTTOM + 34.0 + LINE * p.marks.len() as f64 + 10.0;
    let mut out = String::with_capacity(4_096 + 160 * p.bars.len());
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "<svg class=\"order\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title><style>{STYLE}</style>\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\" font-weight=\"650\">{0}</text>",
        Escaped(&p.title)
    );
    grid(&frame, &mut out);
    bars(p, &frame, &mut out);
    for level in &p.levels {
        let (x1, x2, y) = (frame.x(level.from), level.to.map_or(RIGHT, |to| frame.x(to)), frame.y(level.price));
        let _ = write!(
            out,
            "<line class=\"level\" x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke-width=\"1.5\"/>\
             <text class=\"leveltext\" x=\"{:.1}\" y=\"{:.1}\">{} {}</text>",
            x1 + 4.0,
            y - 4.0,
            Escaped(&level.label),
            price(level.price)
        );
    }
    marks(p, &frame, &mut out);
    out + "</svg>"
}

fn grid(frame: &Frame, out: &mut String) {
    for n in 0..=4u8 {
        let share = f64::from(n) / 4.0;
        let value = frame.low + share * (frame.high - frame.low);
        let y = frame.y(value);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"muted\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            RIGHT + 6.0,
            y + 4.0,
            price(value)
        );
        let ts = frame.from + (share * (frame.to - frame.from) as f64) as i64;
        let anchor = ["start", "middle", "middle", "middle", "end"][usize::from(n)];
        let _ = write!(
            out,
            "<text class=\"muted\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            frame.x(ts),
            BOTTOM + 17.0,
            time(ts)
        );
    }
}

fn bars(p: &OrderPicture, frame: &Frame, out: &mut String) {
    let each = (frame.x(frame.from + p.bar_ms) - frame.x(frame.from)).max(0.5);
    let width = (each * 0.66).clamp(0.8, 14.0);
    for bar in &p.bars {
        let class = if bar.close >= bar.open { "up" } else { "down" };
        let x = frame.x(bar.ts + p.bar_ms / 2);
        let (top, foot) = (frame.y(bar.open.max(bar.close)), frame.y(bar.open.min(bar.close)));
        let _ = write!(
            out,
            "<path class=\"{class}\" d=\"M{x:.1} {:.1}V{top:.1}M{x:.1} {foot:.1}V{:.1}\"/><rect class=\"{class}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
            frame.y(bar.high),
            frame.y(bar.low),
            x - width / 2.0,
            (foot - top).max(1.0)
        );
    }
}

/// Numbered marks in the picture, and what they mean below it.
fn marks(p: &OrderPicture, frame: &Frame, out: &mut String) {
    for (n, mark) in p.marks.iter().enumerate() {
        let (x, y) = (frame.x(mark.ts), frame.y(mark.price));
        let (class, name, shape) = match mark.kind {
            MarkKind::Signal => ("signal", "signal", "M0 -7L7 0L0 7L-7 0Z"),
            MarkKind::Order => ("order-mark", "order", "M-6 -6H6V6H-6Z"),
            MarkKind::Buy => ("buy", "bought", "M0 -8L7 6H-7Z"),
            MarkKind::Sell => ("sell", "sold", "M0 8L7 -6H-7Z"),
            MarkKind::Refusal => ("refusal", "refused", "M-6 -4L-4 -6L0 -2L4 -6L6 -4L2 0L6 4L4 6L0 2L-4 6L-6 4L-2 0Z"),
        };
        let row = BOTTOM + 42.0 + LINE * n as f64;
        // Marks of one moment and price lie on each other: their numbers stand beside each other.
        let same = p.marks[..n]
            .iter()
            .filter(|o| (frame.x(o.ts) - x).abs() < 12.0 && (frame.y(o.price) - y).abs() < 12.0)
            .count();
        let _ = write!(
            out,
            "<path class=\"{class} edge\" stroke-width=\"1\" d=\"{shape}\" transform=\"translate({x:.1} {y:.1})\"/><text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"650\">{}</text>\
             <path class=\"{class}\" d=\"{shape}\" transform=\"translate({} {:.1}) scale(.8)\"/><text x=\"{}\" y=\"{row:.1}\"><tspan font-weight=\"650\">{}</tspan>  {}  {name} at {}: {}</text>",
            x + 9.0 + 9.0 * same as f64,
            y - 8.0,
            n + 1,
            LEFT + 6.0,
            row - 4.0,
            LEFT + 20.0,
            n + 1,
            time(mark.ts),
            price(mark.price),
            Escaped(&mark.label)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> OrderPicture {
        let bar = |n: i64| Bar { ts: n * 60_000, open: 100.0, high: 103.0, low: 99.0, close: 101.0 };
        let mark = |kind, label: &str| Mark { ts: 300_000, price: 101.0, kind, label: label.into() };
        OrderPicture {
            title: "order <1>".into(),
            bars: (0..10).map(bar).collect(),
            bar_ms: 60_000,
            marks: vec![mark(MarkKind::Signal, "cross"), mark(MarkKind::Buy, "<script>alert(1)</script>")],
            levels: vec![Level { price: 97.0, from: 300_000, to: None, label: "stop".into() }],
        }
    }

    #[test]
    fn everything_is_in_the_picture_and_nothing_is_markup() {
        let svg = order_picture(&picture());
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("&lt;script&gt;") && svg.contains("stop 97.0000") && svg.contains("bought at"));
        assert_eq!(svg.matches("<rect").count(), 10);
        // The stop is the lowest price: it lies below all bars and inside of the picture.
        let frame = Frame::of(&picture());
        assert!(frame.y(97.0) > frame.y(99.0) && frame.y(97.0) < BOTTOM);
        assert!((frame.x(0) - LEFT).abs() < 1e-9 && (frame.x(600_000) - RIGHT).abs() < 1e-9);
    }

    #[test]
    fn nothing_at_all_is_still_a_picture() {
        let svg = order_picture(&OrderPicture::default());
        assert!(svg.contains("</svg>") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
