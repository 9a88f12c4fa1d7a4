//! Costs as text: tables for people, CSV for other programs.

use crate::costs::RunCosts;
use crate::costs::calibrate::{Calibrated, Fitted};
use crate::costs::groups::{Grouped, parts};
use crate::costs::measure::OrderCost;
use crate::explain::words::{clock, money};
use crate::term::{self, HEADING, Table, styled};
use domain::{Money, Price, UnixNanos};
use research::fit::{Touches, Value};
use std::fmt::Write as _;

fn some<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "unknown".to_owned(), text)
}

fn bps(x: f64) -> String {
    let text = format!("{x:.2}");
    if text == "-0.00" { "0.00".into() } else { text }
}

fn ms(x: f64) -> String {
    if x < 10_000.0 { format!("{x:.0} ms") } else { crate::explain::words::span(x / 1e3) }
}

/// A value with its interval, in basis points, with no more digits than its error leaves.
#[must_use]
pub fn with_interval(v: &Value) -> String {
    let error = 1e4 * v.error;
    let places = if error > 0.0 { (1.0 - error.log10().floor()).clamp(2.0, 6.0) as usize } else { 2 };
    let text = |x: f64| {
        let text = format!("{:.places$}", 1e4 * x);
        if text.trim_start_matches('-').bytes().all(|b| matches!(b, b'0' | b'.')) {
            text.trim_start_matches('-').to_owned()
        } else {
            text
        }
    };
    format!("{} bps (95 %: {} to {})", text(v.value), text(v.low), text(v.high))
}

/// The costs of a run; `by` names the groups that are shown, `orders` lists each order.
#[must_use]
pub fn costs(c: &RunCosts, by: &[String], orders: bool) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "costs of {}: {} orders, {} with fills, {} {} traded; {} stops and targets were never set off",
        c.run.display(),
        c.all.orders,
        c.all.with_fills,
        money(c.all.traded),
        c.quote,
        c.not_set_off
    );
    if c.all.orders == 0 {
        out += "no order was meant to trade: nothing was paid\n";
        return out;
    }
    let _ = writeln!(
        out,
        "whole cost against the decision: {} {} ({} bps of what was traded), of {} orders; {} unknown\n",
        money(c.all.cost),
        c.quote,
        some(c.all.cost_bps, bps),
        c.all.known,
        c.all.orders - c.all.known
    );
    out += &part_table(&c.all, &c.quote, c.fitted_spread);
    for (name, groups) in c.groups.iter().filter(|(name, _)| by.iter().any(|asked| asked == name)) {
        let _ = writeln!(out, "\n{}", styled(HEADING, &format!("by {name}")));
        out += &group_table(groups);
    }
    if orders {
        let _ = writeln!(out, "\n{}", styled(HEADING, "orders"));
        out += &order_table(&c.orders);
    }
    let _ = writeln!(out, "\n{}", styled(HEADING, "estimated before, measured after (spread and impact)"));
    out += &calibration(&c.calibrated);
    let _ = writeln!(out, "\n{}", styled(HEADING, "settings of the simulated venue, from the fills"));
    out += &fitted(&c.calibrated.venue, Some(&c.configured));
    out += &touched(&c.touches);
    out += &notes(&c.notes);
    out
}

fn part_table(all: &Grouped, quote: &str, fitted_spread: Option<f64>) -> String {
    let mut t = Table::new(2).left(14).right(14).right(9).right(7).text();
    t.row(["part", quote, "bps", "orders", "what it is"].map(|head| styled(HEADING, head)));
    for (name, what) in WHAT {
        let Some((sum, count)) =
            all.parts.get(name).filter(|(sum, n)| *n > 0 && (name != "unattributed" || *sum != Money::ZERO))
        else {
            if name != "unattributed" {
                t.row([name, "unknown", "", "0", what]);
            }
            continue;
        };
        let share = (all.traded > Money::ZERO).then(|| crate::costs::measure::bps(*sum, all.traded));
        t.row([name.to_owned(), money(*sum), share.map_or_else(String::new, bps), count.to_string(), what.to_owned()]);
        if let Some(spread) = fitted_spread.filter(|_| name == "impact" && all.traded > Money::ZERO) {
            let (amount, part) = (format!("{spread:.4}"), bps(1e4 * spread / all.traded.to_f64()));
            t.row([
                "  of it".to_owned(),
                amount,
                part,
                String::new(),
                "half the spread, as the fills recover it".into(),
            ]);
        }
    }
    t.render(term::width())
}

/// What the parts are.
pub const WHAT: [(&str, &str); 7] = [
    ("delay", "from the decision to the sending"),
    ("timing", "from the sending to the market at the fill"),
    ("spread", "half the quoted spread; without quotes it is inside of impact"),
    ("impact", "paid beyond the best price, or beyond the open, trade or trigger"),
    ("fees", "in quote"),
    ("opportunity", "what was wanted and not filled, at the price of its end"),
    ("unattributed", "between known prices with an unknown one between them"),
];

fn group_table(groups: &[Grouped]) -> String {
    let mut t =
        Table::new(2).text().right(6).right(6).right(12).right(10).right(8).right(8).right(8).right(10).right(8);
    let heads = ["", "orders", "filled", "traded", "cost", "bps", "crossing", "fees", "first fill", "+5 min"];
    t.row(heads.map(|head| styled(HEADING, head)));
    for g in groups {
        let fees = g.parts.get("fees").map(|(sum, _)| *sum);
        t.row([
            g.name.clone(),
            g.orders.to_string(),
            g.fill_ratio.map_or_else(|| "-".into(), |r| format!("{:.1} %", 100.0 * r)),
            money(g.traded),
            if g.known > 0 { money(g.cost) } else { "unknown".into() },
            g.cost_bps.map_or_else(|| "-".into(), bps),
            g.crossing_bps.map_or_else(|| "-".into(), bps),
            fees.map_or_else(|| "-".into(), money),
            g.sent_to_first_fill_ms.map_or_else(|| "-".into(), ms),
            g.markout_bps[1].map_or_else(|| "-".into(), bps),
        ]);
    }
    t.render(term::width())
}

fn order_table(orders: &[OrderCost]) -> String {
    let mut t = Table::new(2)
        .left(5)
        .left(19)
        .left(8)
        .left(4)
        .left(11)
        .right(10)
        .right(10)
        .right(10)
        .right(8)
        .right(9)
        .right(9);
    let heads = [
        "order",
        "sent (UTC)",
        "symbol",
        "side",
        "type",
        "decided",
        "filled at",
        "cost",
        "bps",
        "crossing",
        "estimated",
    ];
    t.row(heads.map(|head| styled(HEADING, head)));
    for o in orders {
        let crossing = o.estimate.map(|e| e.spread_bps + e.impact_bps);
        t.row([
            o.order.to_string(),
            UnixNanos::from_millis(o.sent_ts).map_or_else(String::new, clock),
            o.symbol.clone(),
            o.side.to_owned(),
            o.kind.to_owned(),
            some(o.decision_price, |p: Price| p.to_string()),
            o.average_price.map_or_else(|| "-".into(), |p| crate::explain::words::number(p.to_f64())),
            some(o.cost, money),
            o.cost_bps.map_or_else(|| "-".into(), bps),
            o.crossing_bps.map_or_else(|| "-".into(), bps),
            crossing.map_or_else(|| "-".into(), bps),
        ]);
    }
    t.render(term::width())
}

fn calibration(c: &Calibrated) -> String {
    let mut out = String::new();
    let n = c.crossing.steps.len();
    let _ = writeln!(
        out,
        "  {n} orders had an estimate, of orders that were over before them; {} had too few before them",
        c.crossing.without
    );
    if n == 0 {
        return out;
    }
    let line = |out: &mut String, name: &str, value: Option<String>| {
        let _ =
            writeln!(out, "  {name:<28}{}", value.unwrap_or_else(|| "unknown: too few orders, or all alike".into()));
    };
    line(&mut out, "bias, measured - estimated", c.crossing.bias.as_ref().map(with_interval));
    line(&mut out, "root mean square error", c.crossing.rmse.map(|x| format!("{} bps", bps(1e4 * x))));
    let slope = |v: &Value| format!("{:.3} (95 %: {:.3} to {:.3}); 1 is right", v.value, v.low, v.high);
    line(&mut out, "slope on the estimate", c.crossing.slope.as_ref().map(slope));
    let held = |(low, high): (f64, f64)| {
        format!(
            "{} of {n} inside of the 95 % band ({:.1} to {:.1} % of all)",
            c.crossing.held,
            100.0 * low,
            100.0 * high
        )
    };
    line(&mut out, "bands", c.crossing.held_interval.map(held));
    let whole = c.whole_bias.as_ref().map(|v| format!("{}, of {} orders", with_interval(v), c.whole_count));
    line(&mut out, "bias of the whole cost", whole);
    out
}

/// What fills recover.
#[must_use]
pub fn fitted(f: &Fitted, configured: Option<&str>) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "  {} fills took at the market's price: {}", f.fills, f.says);
    for (reason, count) in &f.left_out {
        let _ = writeln!(out, "  {count} fills left out: {reason}");
    }
    if let Some(fit) = &f.fit {
        if let Some(law) = fit.law.filter(|_| !fit.free) {
            if let Some(half) = law.half_spread {
                let spread = Value::of(
                    2.0 * half.value,
                    2.0 * half.error,
                    (half.high - half.value) / half.error.max(f64::MIN_POSITIVE),
                );
                let _ = writeln!(out, "  {:<28}{}", "spread", with_interval(&spread));
            }
            let _ = writeln!(out, "  {:<28}{}", "impact of all the volume", with_interval(&law.coefficient));
            let _ = writeln!(out, "  {:<28}{} bps", "scatter of a fill", bps(1e4 * law.scatter));
        }
        if !fit.free {
            let _ = writeln!(out, "  {:<28}{}", "one cost for all", with_interval(&fit.flat));
            let _ = writeln!(out, "  {:<28}{}, {} fills held down as outliers", "error bars", fit.errors, fit.outliers);
        }
    }
    if let Some(setting) = &f.slippage {
        let _ =
            writeln!(out, "  {:<28}--slippage {setting}    or in a file: [venue] slippage = \"{setting}\"", "to paste");
    }
    if let Some(configured) = configured {
        let _ = writeln!(out, "  {:<28}{configured}", "what this run was told");
    }
    out
}

fn touched(t: &Touches) -> String {
    if t.touched + t.through == 0 {
        return "  no limit order rested at a price that was reached: what a touch does is unknown\n".into();
    }
    let share = t.share.zip(t.interval).map_or_else(
        || "unknown".to_owned(),
        |(share, (low, high))| format!("{:.1} % (95 %: {:.1} to {:.1} %)", 100.0 * share, 100.0 * low, 100.0 * high),
    );
    let nearest = match t.fills() {
        Some(true) => "a touch fills",
        Some(false) => "only what goes through fills",
        None => "too few touches to tell",
    };
    format!(
        "  {:<28}{} of {} touches and {} of {} prices beyond filled; a touch fills {share}: {nearest}\n",
        "resting limits", t.touched_filled, t.touched, t.through_filled, t.through
    )
}

fn notes(lines: &[String]) -> String {
    let mut out = String::new();
    for line in lines {
        let _ = writeln!(out, "note: {line}");
    }
    out
}

/// The orders as CSV; what is not known is empty.
#[must_use]
pub fn csv(orders: &[OrderCost]) -> String {
    let mut out = String::from(
        "order,id,symbol,venue,strategy,strategy_name,purpose,side,type,liquidity,status,decided_ts,sent_ts,wanted,filled,decision_price,\
         decision_from,arrival_price,average_price,traded,cost,delay,timing,spread,impact,fees,opportunity,unattributed,residual,cost_bps,\
         crossing_bps,decision_to_sent_ms,sent_to_accepted_ms,sent_to_first_fill_ms,sent_to_complete_ms,markout_1min_bps,markout_5min_bps,\
         markout_30min_bps,share,volatility,estimated_crossing_bps,estimated_total_bps,estimated_error_bps\n",
    );
    fn cell<T: std::fmt::Display>(value: Option<T>) -> String {
        value.map_or_else(String::new, |v| v.to_string())
    }
    for o in orders {
        let status = serde_json::to_value(o.status).ok().and_then(|v| v.as_str().map(str::to_owned));
        let mut cells = vec![
            o.order.to_string(),
            o.id.clone(),
            quoted(&o.symbol),
            quoted(&o.venue),
            o.strategy.to_string(),
            quoted(&o.strategy_name),
            o.purpose.word().to_owned(),
            o.side.to_owned(),
            o.kind.to_owned(),
            o.liquidity.to_owned(),
            cell(status),
            cell(o.decided_ts),
            o.sent_ts.to_string(),
            cell(o.wanted),
            o.filled.to_string(),
            cell(o.decision_price),
            cell(o.decision_from),
            cell(o.arrival_price),
            cell(o.average_price),
            o.traded.to_string(),
            cell(o.cost),
        ];
        cells.extend(parts(o).map(|(_, amount)| cell(amount)));
        cells.push(cell(o.residual));
        cells.extend([o.cost_bps, o.crossing_bps, o.decision_to_sent_ms, o.sent_to_accepted_ms].map(cell));
        cells.extend([o.sent_to_first_fill_ms, o.sent_to_complete_ms].map(cell));
        cells.extend(o.markout_bps.map(cell));
        cells.extend([o.share, o.volatility].map(cell));
        cells.push(cell(o.estimate.map(|e| e.spread_bps + e.impact_bps)));
        cells.push(cell(o.estimate.map(|e| e.total_bps)));
        cells.push(cell(o.estimate.and_then(|e| e.error_bps)));
        out += &cells.join(",");
        out.push('\n');
    }
    out
}

/// A text that may hold a comma.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
