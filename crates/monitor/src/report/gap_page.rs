//! The page of a gap report: the waterfall of the parts, both curves, days, and the largest differences of single orders.

use super::gap::{Amount, GapDifference, GapFill, GapPart, GapReport, PartState};
use super::gap_waterfall::waterfall;
use super::page::{badge, list, scroll, section, top};
use super::risk_charts::{Drawn, Look, time_chart};
use super::risk_frame::{RiskPage, card, meanings, table};
use super::text::{Escaped, NONE, count, duration, money, number, or_none, price, signed_money, time, words};
use std::collections::BTreeMap;

/// Differences that the page lists.
const DIFFERENCES_MAX: usize = 200;

/// The page.
#[must_use]
pub fn gap_page(report: &GapReport) -> String {
    RiskPage {
        title: format!("gap of {} – bot4", report.name),
        header: header(report),
        sections: vec![
            ("notes", "", notes(report)),
            ("cards", "", cards(report)),
            ("parts", "Parts", parts(report)),
            ("curves", "Curves", curves(report)),
            ("days", "Days", days(report)),
            ("orders", "Orders", orders(report)),
            ("differences", "Differences", differences(report)),
            ("refusals", "Refusals", refusals(report)),
            ("common", "Assumptions", section("common", "What both assume", &list(&report.common))),
            ("meanings", "Meanings", section("meanings", "What the words mean", &meanings(MEANINGS))),
        ],
    }
    .html()
}

fn header(report: &GapReport) -> String {
    let ended = if report.complete { badge("ok", "complete") } else { badge("warn", "not ended") };
    let record = match report.difference {
        None => badge("ok", "as this build decides"),
        Some(_) => badge("warn", "another build"),
    };
    format!(
        "{}<h1>{}</h1><p class=\"lead\">{} to {} · recorded by <code>{}</code>, played again by <code>{}</code></p>",
        top(&(badge("plain", "gap report") + &ended + &record)),
        Escaped(&report.name),
        time(report.start_ts),
        time(report.end_ts),
        Escaped(&report.recorded_by),
        Escaped(&report.replayed_by)
    )
}

fn notes(report: &GapReport) -> String {
    if report.notes.is_empty() {
        return String::new();
    }
    format!("<div class=\"box warn\" id=\"notes\"><h2>Before you trust the figures</h2>{}</div>\n", list(&report.notes))
}

fn sign(x: f64) -> &'static str {
    if x > 0.0 {
        "gain"
    } else if x < 0.0 {
        "loss"
    } else {
        ""
    }
}

fn cards(report: &GapReport) -> String {
    let quote = Escaped(&report.quote);
    let mut out = String::from("<h2 class=\"hidden\">Headline figures</h2><div class=\"cards\" id=\"cards\">");
    out += &card(
        "Gap",
        &signed_money(report.gap.value),
        sign(report.gap.value),
        &format!("{quote}, session less backtest"),
    );
    out += &card(
        "Backtest",
        &signed_money(report.backtest.pnl.value),
        sign(report.backtest.pnl.value),
        &format!("{quote}, {} orders, {} fills", count(report.backtest.orders), count(report.backtest.fills)),
    );
    out += &card(
        "Session",
        &signed_money(report.session.pnl.value),
        sign(report.session.pnl.value),
        &format!("{quote}, {} orders, {} fills", count(report.session.orders), count(report.session.fills)),
    );
    let largest = report.parts.iter().filter_map(|p| p.amount.as_ref().map(|a| (p, a.value)));
    let largest = largest.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).filter(|(_, value)| *value != 0.0);
    out += &match largest {
        Some((part, value)) => {
            card("Largest part", &Escaped(&part.key).to_string(), "", &format!("{} {quote}", signed_money(value)))
        }
        None => card("Largest part", NONE, "", "there is no gap"),
    };
    let m = &report.matched;
    let all = m.same_time + m.near + m.backtest_only + m.session_only;
    let beside = m.same_time + m.near;
    out += &card(
        "Orders beside each other",
        &format!("{} <small>of {}</small>", count(beside), count(all)),
        "",
        &format!("{} filled in both, {} of them at one price", count(m.both_filled), count(m.same_price)),
    );
    out += &card(
        "Interruptions",
        &count(report.recoveries),
        "",
        &format!("{} words from outside in the record", count(report.outside)),
    );
    out + "</div>\n"
}

fn parts(report: &GapReport) -> String {
    let quote = Escaped(&report.quote);
    let heads = [
        ("Part", true),
        ("In the order of the ladder", false),
        ("Smallest in any order", false),
        ("Largest", false),
        ("Mean", false),
        ("Profit on this rung", false),
        ("What changes", true),
    ];
    let plain = ("backtest".to_owned(), report.backtest.pnl.value);
    let first =
        vec![(plain.0, ""), cell(NONE), cell(NONE), cell(NONE), cell(NONE), cell(&signed_money(plain.1)), cell("")];
    let cash = report.cash.value;
    let rows = report.parts.iter().map(|part| part_row(part, cash));
    let gap = signed_money(report.gap.value);
    let last = vec![
        ("gap".to_owned(), ""),
        (format!("<b>{gap}</b>"), sign(report.gap.value)),
        cell(NONE),
        cell(NONE),
        cell(&gap),
        cell(&signed_money(report.session.pnl.value)),
        ("the session".to_owned(), "wrap"),
    ];
    let body = format!(
        "{}<h3>The parts in figures</h3>{}<p class=\"note\">Parts in the order of the ladder sum to the gap to the last unit. Each rung is the difference of two \
         playings of the same data; what one rung gets depends on the order where assumptions act on each other, so the smallest and the largest \
         part over {} orders of the rungs stand beside it ({} playings).</p>",
        waterfall(report),
        scroll("parts of the gap", &table(&heads, std::iter::once(first).chain(rows).chain(std::iter::once(last)))),
        count(report.orders_of_rungs),
        count(report.playings)
    );
    section("parts", &format!("What made the difference ({quote})"), &body)
}

fn cell(text: &str) -> (String, &'static str) {
    (text.to_owned(), "")
}

fn part_row(part: &GapPart, cash: f64) -> Vec<(String, &'static str)> {
    let what = (Escaped(&part.what).to_string(), "wrap");
    let name = (Escaped(&part.key).to_string(), "");
    if part.state == PartState::NotInTheseData {
        return vec![name, cell("not in these data"), cell(NONE), cell(NONE), cell(NONE), cell(NONE), what];
    }
    let text = |amount: &Option<Amount>| amount.as_ref().map_or_else(|| NONE.to_owned(), |a| small(a.value));
    let class = part.amount.as_ref().map_or("", |a| sign(a.value));
    let profit = part.equity.as_ref().map_or_else(|| NONE.to_owned(), |e| signed_money(e.value - cash));
    vec![
        name,
        (text(&part.amount), class),
        cell(&text(&part.low)),
        cell(&text(&part.high)),
        cell(&text(&part.mean)),
        cell(&profit),
        what,
    ]
}

/// An amount with its sign; what is exactly nothing is a plain zero.
fn small(x: f64) -> String {
    if x == 0.0 { "0".to_owned() } else { signed_money(x) }
}

fn curves(report: &GapReport) -> String {
    if report.curve.len() < 2 {
        return String::new();
    }
    let ts: Vec<i64> = report.curve.iter().map(|p| p.ts).collect();
    let both = [
        Drawn {
            name: "backtest",
            colour: "c4",
            look: Look::Line,
            values: report.curve.iter().map(|p| Some(p.backtest)).collect(),
        },
        Drawn {
            name: "session",
            colour: "accent",
            look: Look::Line,
            values: report.curve.iter().map(|p| Some(p.session)).collect(),
        },
    ];
    let apart = [Drawn {
        name: "session less backtest",
        colour: "loss",
        look: Look::Line,
        values: report.curve.iter().map(|p| Some(p.session - p.backtest)).collect(),
    }];
    let body = format!(
        "{}<h3>How far they are apart</h3>{}",
        time_chart("value of the account in backtest and session, by hour", 260.0, &ts, &both, money),
        time_chart("value of the session less that of the backtest, by hour", 180.0, &ts, &apart, signed_money)
    );
    section("curves", &format!("Value of the account ({})", Escaped(&report.quote)), &body)
}

const COLOURS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

fn days(report: &GapReport) -> String {
    let Some(first) = report.days.first() else { return String::new() };
    let keys: Vec<&str> = first.parts.iter().map(|(key, _)| key.as_str()).collect();
    let ts: Vec<i64> = report.days.iter().map(|d| d.ts).collect();
    // Sums from the beginning: what each part has cost by the end of a day.
    let lines: Vec<Drawn<'_>> = keys
        .iter()
        .enumerate()
        .filter(|(n, _)| report.days.iter().any(|d| d.parts.get(*n).is_some_and(|(_, a)| a.value != 0.0)))
        .map(|(n, key)| {
            let mut sum = 0.0;
            let values = report.days.iter().map(|d| {
                sum += d.parts.get(n).map_or(0.0, |(_, a)| a.value);
                Some(sum)
            });
            let values: Vec<Option<f64>> = values.collect();
            Drawn { name: key, colour: COLOURS[n % COLOURS.len()], look: Look::Line, values }
        })
        .collect();
    let chart = match lines.is_empty() || ts.len() < 2 {
        true => String::new(),
        false => time_chart("sum of each part from the beginning, by day", 240.0, &ts, &lines, signed_money),
    };
    let heads: Vec<(&str, bool)> = [("Day", true), ("Backtest", false), ("Session", false), ("Gap", false)]
        .into_iter()
        .chain(keys.iter().map(|key| (*key, false)))
        .collect();
    let rows = report.days.iter().map(|d| {
        let mut row = vec![
            (d.date.clone(), ""),
            (small(d.backtest.value), ""),
            (small(d.session.value), ""),
            (small(d.gap.value), sign(d.gap.value)),
        ];
        row.extend(d.parts.iter().map(|(_, amount)| (small(amount.value), sign(amount.value))));
        row
    });
    let list = table(&heads, rows).replacen("<table", "<table id=\"by-day\"", 1);
    let body = format!(
        "{chart}<h3>Profit of each UTC day, and its gap by part</h3><div class=\"days\" role=\"region\" tabindex=\"0\" aria-label=\"days\">{list}</div>"
    );
    section("days", &format!("Day by day ({})", Escaped(&report.quote)), &body)
}

fn orders(report: &GapReport) -> String {
    let m = &report.matched;
    let rows = [
        ("the same decision at the same time", m.same_time),
        ("the same decision within a minute", m.near),
        ("in the backtest alone", m.backtest_only),
        ("in the session alone", m.session_only),
        ("beside each other, filled in both", m.both_filled),
        ("beside each other, with the same traded quantity", m.same_quantity),
        ("filled in both, at the same average price", m.same_price),
    ];
    let rows = rows.into_iter().map(|(name, n)| vec![(name.to_owned(), ""), (count(n), "")]);
    section("orders", "Orders beside each other", &scroll("orders", &table(&[("Orders", true), ("", false)], rows)))
}

fn differences(report: &GapReport) -> String {
    if report.differences.is_empty() && report.alone.is_empty() {
        return section("differences", "Single orders", "<p>Every filled order is the same in both.</p>");
    }
    let mut body = String::new();
    if !report.differences.is_empty() {
        let heads = [
            ("Sent", true),
            ("Order", true),
            ("Backtest", false),
            ("Session", false),
            ("Apart", false),
            ("Later", false),
            ("Price cost", false),
            ("Fees", false),
        ];
        let rows = report.differences.iter().take(DIFFERENCES_MAX).map(difference_row);
        body += "<h3>Traded by both: what price and fees cost the session more</h3>";
        body += &days_list("differences of orders that both traded", &table(&heads, rows));
    }
    if !report.alone.is_empty() {
        let heads = [("Sent", true), ("Order", true), ("Backtest", false), ("Session", false), ("Value", false)];
        let rows = report.alone.iter().take(DIFFERENCES_MAX).map(alone_row);
        body += "<h3>Traded by one of the two alone</h3>";
        body += &days_list("orders that one of the two traded alone", &table(&heads, rows));
    }
    section("differences", "Largest differences of single orders", &body)
}

fn days_list(label: &str, list: &str) -> String {
    format!("<div class=\"days\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\">{list}</div>")
}

fn traded(of: &Option<GapFill>) -> String {
    match of {
        None => "not sent".to_owned(),
        Some(GapFill { price: None, .. }) => "not filled".to_owned(),
        Some(GapFill { price: Some(at), quantity, .. }) => format!("{} at {}", Escaped(&quantity.exact), price(*at)),
    }
}

/// When it was sent, and what it is.
fn order_cells(d: &GapDifference) -> [(String, &'static str); 2] {
    let sent = d.session.as_ref().or(d.backtest.as_ref()).map_or(0, |fill| fill.ts);
    let order = [&d.side, &d.kind, &d.symbol, &d.name].map(|text| Escaped(text).to_string()).join(" ");
    [(time(sent), ""), (format!("{order} {}", d.strategy), "")]
}

fn difference_row(d: &GapDifference) -> Vec<(String, &'static str)> {
    let prices = |of: &Option<GapFill>| of.as_ref().and_then(|f| f.price);
    let worse = match (prices(&d.backtest), prices(&d.session)) {
        (Some(b), Some(s)) if b > 0.0 => Some(1e4 * (s - b) / b),
        _ => None,
    };
    let filled = |of: &Option<GapFill>| of.as_ref().and_then(|f| f.filled_ts);
    let later = match (filled(&d.backtest), filled(&d.session)) {
        (Some(b), Some(s)) if s == b => "0 s".to_owned(),
        (Some(b), Some(s)) if (s - b).abs() < 1_000 => format!("{} ms", number((s - b) as f64, 0)),
        (Some(b), Some(s)) if s > b => duration((s - b) as f64 / 1e3),
        (Some(b), Some(s)) => format!("−{}", duration((b - s) as f64 / 1e3)),
        _ => NONE.to_owned(),
    };
    let cost = |x: f64| (if x == 0.0 { "0".to_owned() } else { signed_money(x) }, sign(-x));
    let [sent, order] = order_cells(d);
    vec![
        sent,
        order,
        (traded(&d.backtest), ""),
        (traded(&d.session), ""),
        (or_none(worse, |bps| format!("{} bp", number(bps, 1))), ""),
        (later, ""),
        d.price_cost.map_or_else(|| (NONE.to_owned(), ""), cost),
        cost(d.fee_cost),
    ]
}

fn alone_row(d: &GapDifference) -> Vec<(String, &'static str)> {
    let value = |of: &Option<GapFill>| of.as_ref().and_then(|f| f.price.map(|price| price * f.quantity.value));
    let [sent, order] = order_cells(d);
    let value = value(&d.session).or_else(|| value(&d.backtest));
    vec![sent, order, (traded(&d.backtest), ""), (traded(&d.session), ""), (or_none(value, money), "")]
}

fn refusals(report: &GapReport) -> String {
    let sides = [
        (&report.backtest.refusals, &report.session.refusals, "gate"),
        (&report.backtest.venue_rejects, &report.session.venue_rejects, "venue"),
    ];
    let mut rows = Vec::new();
    for (backtest, session, by) in sides {
        let all: BTreeMap<&str, ()> = backtest.keys().chain(session.keys()).map(|k| (k.as_str(), ())).collect();
        for reason in all.keys() {
            let n = |of: &BTreeMap<String, u64>| of.get(*reason).map_or_else(|| "0".into(), |n| count(*n));
            rows.push(vec![(Escaped(&words(reason)).to_string(), ""), cell(by), cell(&n(backtest)), cell(&n(session))]);
        }
    }
    if rows.is_empty() {
        return section("refusals", "Refusals", "<p>Nothing was refused in either.</p>");
    }
    let heads = [("Reason", true), ("By", true), ("Backtest", false), ("Session", false)];
    section("refusals", "Refusals", &scroll("refusals", &table(&heads, rows)))
}

const MEANINGS: &[(&str, &str)] = &[
    (
        "gap",
        "value of the account at the end of the session, less that at the end of the backtest; both begin with the same cash and play the same rows",
    ),
    (
        "backtest",
        "what would have been believed: no fees, no slippage, no latency, limits filled at a touch, nothing refused. Sizes, strategies, tick and lot are the session's",
    ),
    ("fees", "the venue's fees put back"),
    ("slippage", "what orders that take get worse than the market's price, put back"),
    ("latency", "the time that messages travel, put back; candles have none"),
    ("queue", "waiting behind what is shown, and fills only by trades through a limit, put back"),
    (
        "rejects",
        "the limits that refuse, the guard, shares of the volume and words from outside, put back. It is negative where what was refused would have gained, and positive where it would have lost",
    ),
    ("signal", "what the session did and this build would not: another build, or a record that was left"),
    (
        "mean",
        "the part's mean over all orders of the rungs: its Shapley value. L. S. Shapley (1953), A value for n-person games, Contributions to the Theory of Games II, 307–317",
    ),
    ("price cost", "side × (session's price − backtest's price) × the quantity that the session traded"),
];
