//! The gap report for people: parts with their ranges, days, orders, the largest differences.

use crate::command::inputs::time_text;
use crate::term::{FAINT, HEADING, Table, WARNING, styled};
use domain::UnixNanos;
use monitor::report::{Amount, GapDifference, GapFill, GapPart, GapReport, GapSide, PartState};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Days of the table in the terminal; all of them are in the page and in JSON.
const DAYS: usize = 14;

/// Differences of single orders in the terminal.
const DIFFERENCES: usize = 10;

/// Orders of one alone in the terminal.
const ALONE: usize = 5;

/// The report as text.
#[must_use]
pub fn text(report: &GapReport, width: Option<usize>) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{}",
        styled(HEADING, &format!("gap of {} to its backtest: {} {}", report.name, signed(&report.gap), report.quote))
    );
    let _ = writeln!(out, "{} to {}, cash {}", when(report.start_ts), when(report.end_ts), report.cash.exact);
    for note in &report.notes {
        let _ = writeln!(out, "{}", styled(WARNING, note));
    }
    out.push('\n');
    out += &sides(report, width);
    out.push('\n');
    out += &parts(report, width);
    out.push('\n');
    out += &days(report, width);
    out.push('\n');
    out += &orders(report, width);
    out
}

fn when(ms: i64) -> String {
    UnixNanos::from_millis(ms).map_or_else(String::new, time_text)
}

fn signed(amount: &Amount) -> String {
    let text = format!("{:+.4}", amount.value);
    // What is nothing has no sign; what is next to nothing is written out.
    if amount.value == 0.0 {
        "0".to_owned()
    } else if text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        text
    } else {
        amount.exact.clone()
    }
}

fn counts(of: &BTreeMap<String, u64>) -> String {
    if of.is_empty() {
        return "none".into();
    }
    of.iter().map(|(reason, n)| format!("{reason} {n}")).collect::<Vec<_>>().join(", ")
}

fn sides(report: &GapReport, width: Option<usize>) -> String {
    let mut table = Table::new(2).left(16).right(16).right(16);
    table.row(["", "backtest", "session"]);
    let of = |side: &GapSide| [side.equity.value, side.pnl.value, side.fees.value].map(|x| format!("{x:.2}"));
    let (b, s) = (of(&report.backtest), of(&report.session));
    for (name, (b, s)) in ["value at the end", "profit", "fees"].into_iter().zip(b.into_iter().zip(s)) {
        table.row([name.to_owned(), b, s]);
    }
    for (name, b, s) in [
        ("orders", report.backtest.orders, report.session.orders),
        ("fills", report.backtest.fills, report.session.fills),
    ] {
        table.row([name.to_owned(), b.to_string(), s.to_string()]);
    }
    let mut out = table.render(width);
    let _ = writeln!(out, "  refused in the session: {}", counts(&report.session.refusals));
    let _ = writeln!(out, "  rejected by the venue: {}", counts(&report.session.venue_rejects));
    out
}

fn parts(report: &GapReport, width: Option<usize>) -> String {
    let mut out = styled(HEADING, "what made the difference") + "\n";
    let mut table = Table::new(2).left(9).right(13).right(25).right(13).right(13).text();
    table.row(["part", report.quote.as_str(), "over all orders", "mean", "value then", ""]);
    let plain = Some(&report.backtest.equity);
    let value = |amount: Option<&Amount>| amount.map_or_else(String::new, |a| format!("{:.4}", a.value));
    let start = ["backtest".to_owned(), String::new(), String::new(), String::new(), value(plain), String::new()];
    table.row(start);
    for part in &report.parts {
        table.row(part_row(part, &value));
    }
    let gap = signed(&report.gap);
    table.row(["gap", gap.as_str(), "", gap.as_str(), &value(Some(&report.session.equity)), "the session"]);
    out += &table.render(width);
    let _ = writeln!(
        out,
        "  {}",
        styled(
            FAINT,
            &format!(
                "parts in the order of the ladder sum to the gap exactly; the range is over {} orders of the rungs, {} playings",
                report.orders_of_rungs, report.playings
            )
        )
    );
    out
}

fn part_row(part: &GapPart, value: &dyn Fn(Option<&Amount>) -> String) -> [String; 6] {
    if part.state == PartState::NotInTheseData {
        let none = String::new;
        return [part.key.clone(), "not in these data".into(), none(), none(), none(), part.what.clone()];
    }
    let text = |amount: &Option<Amount>| amount.as_ref().map_or_else(|| "-".to_owned(), signed);
    let range = match (&part.low, &part.high) {
        (Some(low), Some(high)) if low != high => format!("{} .. {}", signed(low), signed(high)),
        _ => "the same".to_owned(),
    };
    let (amount, mean) = (text(&part.amount), text(&part.mean));
    [part.key.clone(), amount, range, mean, value(part.equity.as_ref()), part.what.clone()]
}

fn days(report: &GapReport, width: Option<usize>) -> String {
    let left_out = report.days.len().saturating_sub(DAYS);
    let title = match left_out {
        0 => "day by day".to_owned(),
        n => format!("the last {DAYS} days ({n} more with --json or --html)"),
    };
    let mut out = styled(HEADING, &title) + "\n";
    let keys: Vec<&str> =
        report.days.first().map_or_else(Vec::new, |day| day.parts.iter().map(|(key, _)| key.as_str()).collect());
    let mut table = Table::new(2).left(10).right(11).right(11).right(11);
    for _ in &keys {
        table = table.right(10);
    }
    table.row(["day", "backtest", "session", "gap"].into_iter().chain(keys.iter().copied()));
    for day in report.days.iter().skip(left_out) {
        let first = [day.date.clone(), signed(&day.backtest), signed(&day.session), signed(&day.gap)];
        table.row(first.into_iter().chain(day.parts.iter().map(|(_, amount)| signed(amount))));
    }
    out += &table.render(width);
    out
}

fn orders(report: &GapReport, width: Option<usize>) -> String {
    let m = &report.matched;
    let mut out = styled(HEADING, "orders beside each other") + "\n";
    let _ = writeln!(
        out,
        "  {} sent at the same time, {} near it, {} in the backtest alone, {} in the session alone\n  of those in both: {} filled in both, {} \
         with the same quantity; of the filled {} at the same price",
        m.same_time, m.near, m.backtest_only, m.session_only, m.both_filled, m.same_quantity, m.same_price
    );
    if !report.differences.is_empty() {
        let title = "traded by both: what price and fees cost the session more";
        let _ = writeln!(out, "\n{}", styled(HEADING, title));
        let mut table =
            Table::new(2).left(16).left(8).left(4).left(11).right(23).right(23).right(9).right(10).right(10);
        let heads = ["sent", "symbol", "side", "kind", "backtest", "session", "price", "price cost", "fee cost"];
        table.row(heads);
        for d in report.differences.iter().take(DIFFERENCES) {
            table.row(difference_row(d));
        }
        out += &table.render(width);
    }
    if !report.alone.is_empty() {
        let _ = writeln!(out, "\n{}", styled(HEADING, "traded by one of the two alone"));
        let mut table = Table::new(2).left(16).left(8).left(4).left(11).right(23).right(23);
        table.row(["sent", "symbol", "side", "kind", "backtest", "session"]);
        for d in report.alone.iter().take(ALONE) {
            table.row(difference_row(d).into_iter().take(6));
        }
        out += &table.render(width);
    }
    out
}

fn difference_row(d: &GapDifference) -> [String; 9] {
    let at = |fill: &Option<GapFill>| match fill {
        None => "not sent".to_owned(),
        Some(GapFill { price: None, .. }) => "not filled".to_owned(),
        Some(GapFill { price: Some(price), quantity, .. }) => format!("{} at {price:.2}", quantity.exact),
    };
    let prices = |fill: &Option<GapFill>| fill.as_ref().and_then(|f| f.price);
    let bps = match (prices(&d.backtest), prices(&d.session)) {
        (Some(b), Some(s)) if b > 0.0 => format!("{:+.1} bp", 1e4 * (s - b) / b),
        _ => String::new(),
    };
    let sent = d.session.as_ref().or(d.backtest.as_ref()).map_or(0, |fill| fill.ts);
    let cost = d.price_cost.map_or_else(String::new, |cost| format!("{cost:+.4}"));
    let (symbol, side, kind) = (d.symbol.clone(), d.side.clone(), d.kind.clone());
    let fees = format!("{:+.4}", d.fee_cost);
    [when(sent), symbol, side, kind, at(&d.backtest), at(&d.session), bps, cost, fees]
}
