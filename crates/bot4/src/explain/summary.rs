//! A story in a few sentences.

use crate::explain::facts::{Explanation, OrderFacts, TradeFacts};
use crate::explain::scan::Purpose;
use crate::explain::words;
use domain::{OrderStatus, UnixNanos};

fn at(ms: i64) -> String {
    UnixNanos::from_millis(ms).map_or_else(|| format!("{ms} ms"), words::clock)
}

fn strategy(e: &Explanation) -> String {
    let params = if e.strategy.params.is_empty() { String::new() } else { format!(" ({})", e.strategy.params) };
    format!("strategy {}, {}{params}", e.strategy.number, e.strategy.name)
}

fn wanted(e: &Explanation) -> Option<String> {
    let signal = e.signal.as_ref()?;
    let why = e.rule.as_ref().map_or_else(String::new, |rule| format!(", because {rule}"));
    Some(format!(
        "At {} UTC {} wanted to {} in {}{why}.",
        at(signal.ts),
        strategy(e),
        words::intent(signal.intent),
        e.symbol
    ))
}

/// Of an order.
#[must_use]
pub fn of_order(e: &Explanation) -> Vec<String> {
    let Some(order) = &e.order else { return Vec::new() };
    let mut lines = Vec::new();
    match order.purpose {
        Purpose::Entry | Purpose::Exit => {
            lines.extend(wanted(e));
            if e.cause.is_some() && e.signal.is_some() && order.purpose == Purpose::Entry {
                lines.push(format!(
                    "It had to wait for event {} ({} UTC): what stood against it was closed or taken off first.",
                    words::grouped(&order.seq.to_string()),
                    at(order.ts)
                ));
            }
            let passed = e.checks.iter().filter(|c| c.result == "passed").count();
            let checked = if passed > 0 { format!(" after {passed} checks, all passed") } else { String::new() };
            let left = if order.stopped { "was to leave" } else { "left" };
            lines.push(format!(
                "Order {} {left}{checked}: {} {}, {}.",
                order.ordinal, order.side, order.size, order.does
            ));
        }
        Purpose::Stop | Purpose::Target => {
            let what = if order.purpose == Purpose::Stop { "protects" } else { "takes profit on" };
            let opened =
                e.entry.as_ref().map_or_else(String::new, |entry| format!(" that order {} had opened", entry.ordinal));
            lines.push(format!(
                "Order {} {what} the position{opened}: {} {}, {}.",
                order.ordinal, order.side, order.size, order.does
            ));
        }
    }
    lines.push(ended(e, order));
    lines.extend(e.trade.as_ref().map(|trade| result(e, order, trade)));
    lines.extend(differs(e));
    lines
}

/// Of a refusal.
#[must_use]
pub fn of_refusal(e: &Explanation) -> Vec<String> {
    let mut lines: Vec<String> = wanted(e).into_iter().collect();
    if let Some(refusal) = &e.refusal {
        lines.push(format!("No order left: {}.", refusal.text));
        if let Some(safe) = refusal.largest_safe {
            lines.push(format!("That check would have let pass up to {} {}.", words::number(safe), e.quote));
        }
    }
    lines.extend(differs(e));
    lines
}

fn differs(e: &Explanation) -> Option<String> {
    let difference = e.replay.difference.as_ref()?;
    Some(format!(
        "This build decides otherwise than the one that recorded the run, {difference}. Orders and fills are as recorded; checks and indicators are this build's."
    ))
}

fn ended(e: &Explanation, order: &OrderFacts) -> String {
    let off = || {
        e.life.iter().rev().find(|l| l.what == "cancel-sent").and_then(|l| l.text.split_once(": ")).map(|(_, why)| why)
    };
    if order.stopped {
        return "It was stopped before it left, by the gate word or because the journal had failed: it is nowhere."
            .into();
    }
    match (order.status, &e.execution) {
        (OrderStatus::Filled, Some(x)) => {
            let verb = if order.side == "buy" { "bought" } else { "sold" };
            let slippage = match (x.slippage, x.slippage_bps) {
                (Some(_), Some(bps)) if bps.abs() < 0.05 => ", as good as the price that it was decided at".to_owned(),
                (Some(s), Some(bps)) if s > 0.0 => format!(
                    ", {} {} ({} bp) worse than it was decided at",
                    words::number(s),
                    e.quote,
                    words::number(round(bps))
                ),
                (Some(s), Some(bps)) if s < 0.0 => format!(
                    ", {} {} ({} bp) better than it was decided at",
                    words::number(-s),
                    e.quote,
                    words::number(round(-bps))
                ),
                _ => String::new(),
            };
            format!(
                "It {verb} {} {} at {} {} on average{slippage}.",
                words::number(x.quantity),
                e.base,
                words::number(x.average_price),
                e.quote
            )
        }
        (status, Some(x)) => format!(
            "It is {}: {} {} were traded at {} {} on average.",
            words::status(status),
            words::number(x.quantity),
            e.base,
            words::number(x.average_price),
            e.quote
        ),
        (OrderStatus::Canceled, None) => {
            let why = off().map_or_else(String::new, |why| format!(": {why}"));
            format!(
                "It was taken off without a fill{}{why}.",
                order.ended_ts.map_or_else(String::new, |ts| format!(" at {} UTC", at(ts)))
            )
        }
        (status, None) if status.is_terminal() => format!("It was {} without a fill.", words::status(status)),
        (status, None) => format!("At the end of the record it is {}.", words::status(status)),
    }
}

fn result(e: &Explanation, order: &OrderFacts, trade: &TradeFacts) -> String {
    if trade.open {
        return format!(
            "The position ({} {} {}) is open at the end of the record.",
            trade.side,
            words::number(trade.quantity),
            e.base
        );
    }
    let closer = trade.closed_by.filter(|n| *n != order.ordinal).and_then(|n| e.others.iter().find(|o| o.ordinal == n));
    let by = closer.map_or_else(String::new, |o| format!(" by order {} ({})", o.ordinal, o.purpose.word()));
    let held = trade.holding_s.map_or_else(String::new, |s| format!(" after {}", words::span(s)));
    let net = trade.net_return.map_or_else(String::new, |r| format!(" ({} %)", words::number(round(r * 100.0))));
    let what = if trade.net >= 0.0 { "profit" } else { "loss" };
    format!(
        "The position was closed{held}{by}: a {what} of {} {}{net} after {} {} of fees.",
        words::number(round4(trade.net.abs())),
        e.quote,
        words::number(round4(trade.fees)),
        e.quote
    )
}

/// To a hundredth.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// To a ten thousandth.
fn round4(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
