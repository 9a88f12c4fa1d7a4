//! The page of a cost analysis: what orders cost, in parts, by group, about the fitted law, and estimated against measured.

use super::cost_charts::{LawCurve, calibration_chart, law_chart, stacked_chart};
use super::cost_report::{COST_PARTS, CostReport, CostRow};
use super::page::{badge, list, scroll, section, top};
use super::risk_frame::{RiskPage, card, meanings, table};
use super::text::{Escaped, NONE, count, duration, money, number, or_none, percent, signed_money, time};
use research::fit::Value;

/// The page.
#[must_use]
pub fn cost_page(report: &CostReport) -> String {
    let mut sections = vec![
        ("notes", "", notes(report)),
        ("cards", "", cards(report)),
        ("parts", "Parts", section("parts", "Where the cost arose", &parts(report))),
    ];
    if !report.fills.is_empty() || report.fit.is_some() {
        sections.push((
            "law",
            "Law",
            section("law", "Spread and impact against the share of the volume", &law(report)),
        ));
    }
    sections.push((
        "calibration",
        "Estimates",
        section("calibration", "Estimated before, measured after", &calibration(report)),
    ));
    for (name, rows) in &report.groups {
        let (anchor, title, heading) = match name.as_str() {
            "strategy" => ("strategy", "Strategies", "By strategy"),
            "venue" => ("venue", "Venues", "By venue"),
            "symbol" => ("symbol", "Symbols", "By symbol"),
            "hour" => ("hour", "Hours", "By hour of the day (UTC)"),
            "type" => ("type", "Types", "By order type"),
            "liquidity" => ("liquidity", "Liquidity", "By maker and taker"),
            "purpose" => ("purpose", "Purposes", "By purpose"),
            _ => continue,
        };
        if !rows.is_empty() {
            sections.push((anchor, title, section(anchor, heading, &group(report, name, heading, rows))));
        }
    }
    if !report.costly.is_empty() {
        sections.push(("orders", "Orders", section("orders", "The costliest orders", &costly(report))));
    }
    sections.push(("meanings", "Meanings", section("meanings", "What the figures mean", &meanings(MEANINGS))));
    RiskPage { title: format!("costs of {} – bot4", report.name), header: header(report), sections }.html()
}

fn header(report: &CostReport) -> String {
    let badges = badge("plain", "cost analysis")
        + &badge("plain", &format!("slippage: {}", report.configured))
        + &(if report.complete { String::new() } else { badge("warn", "not complete") });
    format!(
        "{}<h1>{}</h1><p class=\"lead\">{} orders, {} with fills, {} {} traded</p>",
        top(&badges),
        Escaped(&report.name),
        count(report.all.orders),
        count(report.all.with_fills),
        money(report.all.traded),
        Escaped(&report.quote)
    )
}

fn notes(report: &CostReport) -> String {
    let mut lines = report.notes.clone();
    let unknown = report.all.orders - report.all.known.min(report.all.orders);
    if unknown > 0 {
        lines.push(format!("The whole cost of {unknown} orders is unknown; they are in no sum of it."));
    }
    if report.all.orders == 0 {
        lines.push("No order was meant to trade: there is nothing to analyse.".into());
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("<div class=\"box warn\" id=\"notes\"><h2>Before you trust the figures</h2>{}</div>\n", list(&lines))
}

fn bps(x: f64) -> String {
    number(x, 2)
}

fn interval(v: &Value) -> String {
    format!("{} to {}", bps(1e4 * v.low), bps(1e4 * v.high))
}

fn milliseconds(x: f64) -> String {
    if x < 10_000.0 { format!("{} ms", number(x, 0)) } else { duration(x / 1e3) }
}

fn cards(report: &CostReport) -> String {
    let quote = Escaped(&report.quote);
    let all = &report.all;
    let part = |name: &str| COST_PARTS.iter().position(|p| *p == name).and_then(|at| all.parts[at]);
    let of_traded = |x: f64| if all.traded > 0.0 { format!("{} bps", bps(1e4 * x / all.traded)) } else { NONE.into() };
    let mut out = String::from("<h2 class=\"hidden\">Headline figures</h2><div class=\"cards\" id=\"cards\">");
    out += &card(
        "Whole cost",
        &or_none(all.cost_bps, |x| format!("{} <small>bps</small>", bps(x))),
        "",
        &format!("{} {quote} against the decision", or_none(all.cost, money)),
    );
    out += &card(
        "Spread and impact",
        &or_none(all.crossing_bps, |x| format!("{} <small>bps</small>", bps(x))),
        "",
        "beyond the market's price at the fill",
    );
    out += &card("Fees", &or_none(part("fees"), of_traded), "", &format!("{} {quote}", or_none(part("fees"), money)));
    let moved = part("delay").into_iter().chain(part("timing")).reduce(|a, b| a + b);
    out += &card(
        "Delay and timing",
        &or_none(moved, of_traded),
        "",
        &format!("{} {quote}: luck more than skill", or_none(moved, signed_money)),
    );
    let bias = report.calibration.as_ref().and_then(|c| c.bias);
    out += &card(
        "Bias of estimates",
        &bias.map_or_else(|| NONE.into(), |v| format!("{} <small>bps</small>", bps(1e4 * v.value))),
        "",
        &bias.map_or_else(|| "too few orders".into(), |v| format!("95 %: {}", interval(&v))),
    );
    out += &card("Filled", &or_none(all.fill_ratio, percent), "", "mean of filled over wanted");
    out += &card("First fill", &or_none(all.latency_ms[2], milliseconds), "", "mean time after the sending");
    out += &card(
        "After 5 minutes",
        &or_none(all.markout_bps[1], |x| format!("{} <small>bps</small>", bps(x))),
        "",
        "mean move in our favour",
    );
    out + "</div>\n"
}

fn parts(report: &CostReport) -> String {
    let all = &report.all;
    let heads = [("Part", true), ("Amount", false), ("bps of traded", false)];
    let rows = COST_PARTS
        .iter()
        .zip(&all.parts)
        .filter(|(name, value)| **name != "unattributed" || value.is_some_and(|v| v != 0.0));
    let bps_of = |value: Option<f64>| value.filter(|_| all.traded > 0.0).map(|v| 1e4 * v / all.traded);
    let rows = rows.flat_map(|(name, value)| {
        let amount = |v: Option<f64>| v.map_or_else(|| "unknown".into(), signed_money);
        let own = vec![((*name).to_owned(), ""), (amount(*value), ""), (or_none(bps_of(*value), bps), "")];
        let inside = report.fitted_spread.filter(|_| *name == "impact").map(|spread| {
            let name = "of it half the spread, as fitted".to_owned();
            vec![(name, ""), (signed_money(spread), ""), (or_none(bps_of(Some(spread)), bps), "")]
        });
        [Some(own), inside].into_iter().flatten()
    });
    let total = vec![
        ("whole".to_owned(), ""),
        (all.cost.map_or_else(|| "unknown".into(), signed_money), ""),
        (or_none(all.cost_bps, bps), ""),
    ];
    let rows: Vec<_> = rows.chain([total]).collect();
    let table = scroll("parts of the cost", &table(&heads, rows));
    format!(
        "{table}<p class=\"note\">In {}; positive is a cost. The whole is of {} orders whose cost is known, a part of every order that knows it. \
         {} stops and targets were never set off and are in no figure.</p>",
        Escaped(&report.quote),
        count(all.known),
        count(report.not_set_off)
    )
}

fn law(report: &CostReport) -> String {
    let dots: Vec<(f64, f64)> = report.fills.iter().map(|p| (p.share, p.cost_bps)).collect();
    let mut out = String::new();
    let fitted = report.fit.as_ref().filter(|fit| !fit.free);
    let two = fitted.and_then(|fit| fit.law);
    let t = fitted.map_or(1.96, |fit| {
        let v = &fit.flat;
        if v.error > 0.0 { (v.high - v.value) / v.error } else { 1.96 }
    });
    let at = |share: f64| {
        let (value, error, scatter) = match (two, fitted) {
            (Some(law), _) => {
                let (value, error) = law.at(share.sqrt(), true);
                (value, error, law.scatter)
            }
            (None, Some(fit)) => (fit.flat.value, fit.flat.error, 0.0),
            (None, None) => (0.0, 0.0, 0.0),
        };
        (1e4 * value, 1e4 * t * error, 1e4 * t * (error * error + scatter * scatter).sqrt())
    };
    let curve = LawCurve { at: &at };
    out += &law_chart("fills by their share of the volume, and the law through them", &dots, fitted.map(|_| &curve));
    out += &format!(
        "<p>{} fills took at the market's price: {}.</p>",
        count(report.fills.len() as u64),
        Escaped(&report.says)
    );
    if let Some(setting) = &report.setting {
        out += &format!(
            "<p>To paste into a run: <code>--slippage {}</code> (this run was told <code>{}</code>).</p>",
            Escaped(setting),
            Escaped(&report.configured)
        );
    }
    if let Some(fit) = fitted {
        let heads = [("Parameter", true), ("Value", false), ("Standard error", false), ("95 % interval", false)];
        let row = |name: &str, v: &Value, by: f64| {
            let scaled = Value { value: by * v.value, error: by * v.error, low: by * v.low, high: by * v.high };
            vec![
                (name.to_owned(), ""),
                (format!("{} bps", number(1e4 * scaled.value, 3)), ""),
                (number(1e4 * scaled.error, 4), ""),
                (format!("{} to {}", number(1e4 * scaled.low, 3), number(1e4 * scaled.high, 3)), ""),
            ]
        };
        let mut rows = Vec::new();
        if let Some(law) = fit.law {
            rows.extend(law.half_spread.map(|half| row("spread", &half, 2.0)));
            rows.push(row("impact of all the volume", &law.coefficient, 1.0));
        }
        rows.push(row("one cost for all", &fit.flat, 1.0));
        out += &scroll("fitted parameters", &table(&heads, rows));
        out += &format!(
            "<p class=\"note\">Error bars: {}; {} of {} fills held down as outliers.</p>",
            Escaped(&fit.errors),
            count(fit.outliers as u64),
            count(fit.count as u64)
        );
    }
    if !report.left_out.is_empty() {
        out += &list(report.left_out.iter().map(|(reason, n)| format!("{n} fills left out: {reason}")));
    }
    if let Some(t) = report.touches.filter(|t| t.touched + t.through > 0) {
        let share = t.share.zip(t.interval).map_or_else(
            || "unknown".to_owned(),
            |(share, (low, high))| format!("{} (95 %: {} to {})", percent(share), percent(low), percent(high)),
        );
        out += &format!(
            "<p class=\"note\">Resting limit orders: {} of {} touches filled, and {} of {} prices beyond; a touch fills {share}.</p>",
            t.touched_filled, t.touched, t.through_filled, t.through
        );
    }
    out
}

fn calibration(report: &CostReport) -> String {
    let Some(c) = report.calibration.as_ref().filter(|c| !c.steps.is_empty()) else {
        return "<p>No order had enough orders before it for an estimate.</p>".into();
    };
    let dots: Vec<(f64, f64)> = c.steps.iter().map(|s| (1e4 * s.estimate, 1e4 * s.measured)).collect();
    let mut out =
        calibration_chart("spread and impact of each order, estimated of the orders before it and measured", &dots);
    let unknown = || "unknown".to_owned();
    let line = |v: &Option<Value>, text: &dyn Fn(&Value) -> String| v.as_ref().map_or_else(unknown, text);
    let rows = vec![
        vec![
            ("orders with an estimate".to_owned(), ""),
            (count(c.steps.len() as u64), ""),
            (format!("{} had too few orders before them", count(c.without as u64)), ""),
        ],
        vec![
            ("bias, measured less estimated".to_owned(), ""),
            (line(&c.bias, &|v| format!("{} bps", number(1e4 * v.value, 3))), ""),
            (line(&c.bias, &|v| format!("95 %: {} to {}", number(1e4 * v.low, 3), number(1e4 * v.high, 3))), ""),
        ],
        vec![
            ("bias of the whole cost".to_owned(), ""),
            (line(&report.whole_bias, &|v| format!("{} bps", bps(1e4 * v.value))), ""),
            (
                line(&report.whole_bias, &|v| {
                    format!("95 %: {}, of {} orders", interval(v), count(report.whole_count))
                }),
                "",
            ),
        ],
        vec![
            ("root mean square error".to_owned(), ""),
            (c.rmse.map_or_else(unknown, |x| format!("{} bps", number(1e4 * x, 3))), ""),
            (String::new(), ""),
        ],
        vec![
            ("slope on the estimate".to_owned(), ""),
            (line(&c.slope, &|v| number(v.value, 3)), ""),
            (line(&c.slope, &|v| format!("95 %: {} to {}; 1 is right", number(v.low, 3), number(v.high, 3))), ""),
        ],
        vec![
            ("inside of the 95 % band".to_owned(), ""),
            (percent(c.held as f64 / c.steps.len() as f64), ""),
            (
                c.held_interval
                    .map_or_else(unknown, |(low, high)| format!("95 %: {} to {}", percent(low), percent(high))),
                "",
            ),
        ],
    ];
    let heads = [("Figure", true), ("Value", false), ("", true)];
    out += &scroll("how good estimates were", &table(&heads, rows));
    out += "<p class=\"note\">Each estimate is made of the orders that were over when its order was sent, with the volume that was expected then. Informed flow (toxicity): no input.</p>";
    out
}

fn group(report: &CostReport, name: &str, heading: &str, rows: &[CostRow]) -> String {
    let mut out = String::new();
    if matches!(name, "strategy" | "hour" | "symbol") && rows.len() > 1 {
        let bars: Vec<(String, Vec<f64>)> = rows
            .iter()
            .filter(|r| r.traded > 0.0)
            .map(|r| (r.name.clone(), r.parts.map(|p| 1e4 * p.unwrap_or(0.0) / r.traded).to_vec()))
            .collect();
        let legible = (140 / bars.len().max(1)).max(3);
        out += &stacked_chart(
            &format!("parts of the cost, {}", heading.to_lowercase()),
            "basis points",
            &COST_PARTS,
            &bars,
            legible,
        );
    }
    const AMOUNTS: [&str; 7] = ["Delay", "Timing", "Spread", "Impact", "Fees", "Missed", "Unattributed"];
    // What no row knows, and what is nothing in every row, has no column.
    let shown: Vec<usize> =
        (0..AMOUNTS.len()).filter(|k| rows.iter().any(|r| r.parts[*k].is_some_and(|v| v != 0.0))).collect();
    let mut heads =
        vec![("Name", true), ("Orders", false), ("Filled", false), ("Traded", false), ("Cost", false), ("bps", false)];
    heads.extend(shown.iter().map(|k| (AMOUNTS[*k], false)));
    heads.extend([("First fill", false), ("+1 min", false), ("+5 min", false), ("+30 min", false)]);
    let rows = rows.iter().map(|r| {
        let mut cells = vec![
            (Escaped(&r.name).to_string(), ""),
            (count(r.orders), ""),
            (or_none(r.fill_ratio, percent), ""),
            (money(r.traded), ""),
            (or_none(r.cost, signed_money), ""),
            (or_none(r.cost_bps, bps), ""),
        ];
        cells.extend(shown.iter().map(|k| (or_none(r.parts[*k], signed_money), "")));
        cells.push((or_none(r.latency_ms[2], milliseconds), ""));
        cells.extend(r.markout_bps.map(|m| (or_none(m, bps), "")));
        cells
    });
    out += &scroll(heading, &table(&heads, rows));
    out += &format!(
        "<p class=\"note\">Amounts in {}, positive is a cost; what follows after some minutes is the price's move in our favour, in basis points.</p>",
        Escaped(&report.quote)
    );
    out
}

fn costly(report: &CostReport) -> String {
    let heads = [
        ("Order", true),
        ("Sent", true),
        ("Symbol", true),
        ("Strategy", true),
        ("What", true),
        ("Traded", false),
        ("Cost", false),
        ("bps", false),
        ("Share", false),
        ("Spread + impact", false),
        ("Estimated", false),
    ];
    let rows = report.costly.iter().map(|o| {
        vec![
            (o.order.to_string(), ""),
            (time(o.sent_ts), ""),
            (Escaped(&o.symbol).to_string(), ""),
            (Escaped(&o.strategy).to_string(), ""),
            (Escaped(&o.what).to_string(), ""),
            (money(o.traded), ""),
            (signed_money(o.cost), ""),
            (or_none(o.cost_bps, bps), ""),
            (or_none(o.share, |s| format!("{}\u{202f}%", number(100.0 * s, 3))), ""),
            (or_none(o.crossing_bps, bps), ""),
            (or_none(o.estimated_bps, bps), ""),
        ]
    });
    scroll("the costliest orders", &table(&heads, rows))
}

const MEANINGS: &[(&str, &str)] = &[
    (
        "Whole cost",
        "What an order cost against trading all of it at the price of its decision, fees included (implementation shortfall; Perold, 1988). Negative is a gain.",
    ),
    ("Delay", "From the price at the decision to the price when the order was sent."),
    (
        "Timing",
        "From the price at the sending to the market's price at the fill: the open of the next bar, the trade, the trigger of a stop, or the middle of the quote. On average it is nobody's fault.",
    ),
    (
        "Spread",
        "Half of the quoted spread, paid by what takes and earned by what rests. Candles and trades quote none: then it is inside of impact, and only the fit tells both apart.",
    ),
    ("Impact", "What was paid beyond the best price, or beyond the market's price where no quote is known."),
    (
        "Opportunity (missed)",
        "What was wanted and not filled, from the price of the decision to the price when the order ended.",
    ),
    ("Unattributed", "What lies between two known prices where one in between is not known."),
    (
        "Share of the volume",
        "In the chart of the law: quantity of a fill over the volume of the bar or trade it was made in. In estimates: quantity of the order over the mean volume of the 60 periods before it.",
    ),
    (
        "Fitted law",
        "Half a spread plus a coefficient times the root of the share (Toth et al., 2011; Almgren et al., 2005), by Huber's robust regression.",
    ),
    (
        "Bias",
        "Mean of measured less estimated; each estimate was made of nothing but earlier orders. An interval around zero is what is hoped for.",
    ),
    (
        "After 1, 5 and 30 minutes",
        "Change of the price from the mean fill, in favour of the side taken: what takes into a move sees it go on, what is picked off sees it go against itself.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_still_a_page() {
        let page = cost_page(&CostReport::default());
        assert!(page.contains("nothing to analyse") && page.contains("No order had enough orders"));
        assert!(!page.contains("NaN") && !page.contains("inf\"") && !page.contains("http://"));
    }
}
