//! The picture of a story: prices around it, what happened, and the levels that mattered, as one page that opens offline.

use crate::explain::Told;
use crate::explain::facts::{Explanation, OrderFacts};
use crate::explain::scan::Purpose;
use crate::explain::words;
use domain::{Intent, OrderStatus};
use monitor::report::{Bar, Level, Mark, MarkKind, OrderPicture, order_picture};
use std::fmt::Write as _;

/// What the picture is made of.
#[must_use]
pub fn picture(told: &Told) -> OrderPicture {
    let e = &told.facts;
    let bars: Vec<Bar> = (told.prices.bars.iter())
        .map(|b| Bar { ts: b.ts, open: b.open, high: b.high, low: b.low, close: b.close })
        .collect();
    let bar_ms = told.prices.bars.first().map_or(60_000, |b| i64::from(b.seconds) * 1_000);
    let last = |ts: i64| bars.iter().rfind(|b| b.ts + bar_ms <= ts).map_or(f64::NAN, |b| b.close);
    let mut marks = Vec::new();
    if let Some(signal) = &e.signal {
        let label = format!("strategy {} wants to {}", e.strategy.number, words::intent(signal.intent));
        let price = signal.reference.unwrap_or_else(|| last(signal.ts));
        marks.push(Mark { ts: signal.ts, price, kind: MarkKind::Signal, label });
    }
    if let Some(refusal) = &e.refusal {
        let price = e.signal.as_ref().and_then(|s| s.reference).unwrap_or_else(|| last(refusal.ts));
        marks.push(Mark { ts: refusal.ts, price, kind: MarkKind::Refusal, label: refusal.text.clone() });
    }
    let mut levels = Vec::new();
    let orders = e.entry.iter().chain(&e.order).chain(&e.others);
    for order in orders {
        add_order(e, order, e.order.as_ref().is_some_and(|own| own.ordinal == order.ordinal), &mut marks, &mut levels);
    }
    marks.sort_by_key(|mark| mark.ts);
    let bar = words::span(bar_ms as f64 / 1e3);
    OrderPicture { title: format!("{} in bars of {bar}", e.symbol), bars, bar_ms, marks, levels }
}

fn add_order(e: &Explanation, order: &OrderFacts, own: bool, marks: &mut Vec<Mark>, levels: &mut Vec<Level>) {
    let name = format!("order {} ({})", order.ordinal, order.purpose.word());
    // An order at the market leaves where the signal is: one mark says both.
    let with_signal = e.signal.as_ref().is_some_and(|s| s.ts == order.ts) && order.kind == "market";
    if own && !with_signal {
        let price = order.trigger.or(order.limit_price).or_else(|| e.signal.as_ref().and_then(|s| s.reference));
        if let Some(price) = price.or(order.average_price) {
            let label = format!("{name} leaves: {} {}", order.side, order.size);
            marks.push(Mark { ts: order.ts, price, kind: MarkKind::Order, label });
        }
    }
    if let Some(price) = order.trigger.or(order.limit_price) {
        let label = order.purpose.word().to_owned();
        levels.push(Level { price, from: order.ts, to: order.ended_ts, label });
    }
    match (order.average_price, order.ended_ts) {
        (Some(price), ended) => {
            let kind = if order.side == "buy" { MarkKind::Buy } else { MarkKind::Sell };
            let fills: Vec<i64> = e.life.iter().filter(|l| l.what == "filled").map(|l| l.ts).collect();
            let ts = if own { fills.last().copied().or(ended) } else { ended };
            let label = format!("{name} filled: {} {}", words::number(order.filled), e.base);
            marks.push(Mark { ts: ts.unwrap_or(order.ts), price, kind, label });
        }
        (None, Some(ts)) if own && order.status != OrderStatus::Filled => {
            if let Some(price) = order.trigger.or(order.limit_price) {
                let label = format!("{name}: {}", words::status(order.status));
                marks.push(Mark { ts, price, kind: MarkKind::Refusal, label });
            }
        }
        (None, _) => {}
    }
}

fn title(e: &Explanation) -> String {
    match (&e.order, &e.signal) {
        (Some(order), _) => {
            let purpose = match order.purpose {
                Purpose::Entry => "entry",
                Purpose::Exit => "exit",
                Purpose::Stop => "stop",
                Purpose::Target => "target",
            };
            format!("Order {} ({purpose}) in {}", order.ordinal, e.symbol)
        }
        (None, Some(signal)) => {
            let intent = match signal.intent {
                Intent::EnterLong => "long entry",
                Intent::EnterShort => "short entry",
                Intent::Exit => "exit",
            };
            format!("A {intent} in {} that was refused", e.symbol)
        }
        (None, None) => format!("A refusal in {}", e.symbol),
    }
}

const STYLE: &str = "body{margin:0 auto;max-width:60rem;padding:1rem;background:#fff;color:#16202c;font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
pre{overflow-x:auto;font:13px/1.45 ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}svg{width:100%;height:auto}h1{font-size:1.3rem}li{margin:.2rem 0}\
@media(prefers-color-scheme:dark){body{background:#18212b;color:#e6ebf1}}";

/// The page: the picture, the summary, and the whole text.
#[must_use]
pub fn page(told: &Told, text: &str) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let title = escaped(&title(&told.facts));
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<ul>"
    );
    for line in &told.facts.summary {
        let _ = write!(out, "<li>{}</li>", escaped(line));
    }
    let _ = write!(
        out,
        "</ul>\n{}\n<pre>{}</pre>\n</main>\n</body>\n</html>\n",
        order_picture(&picture(told)),
        escaped(text)
    );
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
