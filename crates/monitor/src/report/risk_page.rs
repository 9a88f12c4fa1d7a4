//! The page of a risk report: a run day by day, what stood out, and whether its totals are the engine's.

use super::page::{badge, list, scroll, section, top};
use super::risk_charts::{Drawn, Look, time_chart};
use super::risk_daily::{Compared, RiskDay, RiskReport};
use super::risk_frame::{RiskPage, card, meanings, table};
use super::text::{Escaped, NONE, count, money, number, or_none, percent, signed_money, signed_percent, time, words};
use std::collections::BTreeMap;

/// Events that the page lists.
const EVENTS_MAX: usize = 500;

/// The page.
#[must_use]
pub fn risk_page(report: &RiskReport) -> String {
    let quote = Escaped(&report.quote).to_string();
    RiskPage {
        title: format!("risk of {} – bot4", report.name),
        header: header(report),
        sections: vec![
            ("differences", "Differences", differences(report)),
            ("notes", "", notes(report)),
            ("cards", "", cards(report)),
            ("pnl", "Days", pnl(report, &quote)),
            ("exposure", "Leverage", leverage(report)),
            ("anomalies", "Anomalies", section("anomalies", "What stood out", &anomalies(report))),
            ("events", "Modes and alerts", section("events", "Modes, alerts and limits", &events(report))),
            ("refusals", "Refusals", refusals(report)),
            ("against", "Other runs", against(report)),
            ("daily", "Table", section("daily", &format!("Day by day ({quote})"), &daily(report))),
            ("agreement", "Totals", section("agreement", "Totals beside the engine's", &agreement(report))),
            ("meanings", "Meanings", section("meanings", "What the figures mean", &meanings(MEANINGS))),
        ],
    }
    .html()
}

fn header(report: &RiskReport) -> String {
    let span = match (report.days.first(), report.days.last()) {
        (Some(first), Some(last)) => format!("{} to {}", first.date, last.date),
        _ => "no days".into(),
    };
    let limits = if report.risk_profile == "standard" { "ok" } else { "warn" };
    let badges = badge("plain", "risk report")
        + &badge("plain", &report.run)
        + &badge(limits, &format!("risk: {}", report.risk_profile));
    format!(
        "{}<h1>{}</h1><p class=\"lead\">{span}, {} days · digest <code>{}</code></p>",
        top(&badges),
        Escaped(&report.name),
        count(report.days.len() as u64),
        Escaped(&report.digest)
    )
}

fn differences(report: &RiskReport) -> String {
    let wrong: Vec<String> = report
        .agreement
        .iter()
        .filter(|a| !a.equal)
        .map(|a| format!("{}: {} here, {} in the summary", a.figure, a.report, a.engine))
        .collect();
    if wrong.is_empty() {
        return String::new();
    }
    format!(
        "<div class=\"box fault\" id=\"differences\" role=\"alert\"><h2>Not what the engine says</h2><p>Figures made of the run's files differ from its \
         summary: files of different runs, or of a log that retention has shortened.</p>{}</div>\n",
        list(&wrong)
    )
}

fn notes(report: &RiskReport) -> String {
    let mut lines = Vec::new();
    if !report.audited {
        lines.push(
            "The run has no audit log: orders, refusals, modes and alerts by day are not known. Paper runs keep one."
                .to_owned(),
        );
    }
    if report.forecasts == 0 {
        lines.push("There are too few days for a forecast of a day's loss.".to_owned());
    } else if report.breaches_expected < 5.0 {
        lines.push(format!(
            "Only {} breaches are expected of {} forecasts: too few to judge the forecast by.",
            number(report.breaches_expected, 1),
            count(report.forecasts)
        ));
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("<div class=\"box warn\" id=\"notes\"><h2>Before you trust the figures</h2>{}</div>\n", list(&lines))
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

fn cards(report: &RiskReport) -> String {
    let quote = Escaped(&report.quote);
    let worst = report.days.iter().min_by(|a, b| a.pnl.total_cmp(&b.pnl));
    let leverage = report.days.iter().filter_map(|d| d.leverage_max).reduce(f64::max);
    let refused: Option<u64> = report.audited.then(|| report.days.iter().filter_map(RiskDay::refused).sum());
    let mut out = String::from("<h2 class=\"hidden\">Headline figures</h2><div class=\"cards\" id=\"cards\">");
    out += &card(
        "Closing equity",
        &or_none(report.closing_equity, money),
        "",
        &format!("{quote} from {}", money(report.initial_cash)),
    );
    out += &card(
        "Profit and loss",
        &or_none(report.pnl, signed_money),
        report.pnl.map_or("", sign),
        &format!("{quote}, {} closed trades", count(report.trades)),
    );
    out += &card("Largest drawdown", &percent(report.max_drawdown), "", "deepest fall from a peak, over all samples");
    out += &card(
        "Worst day",
        &worst.map_or_else(|| NONE.into(), |d| signed_money(d.pnl)),
        worst.map_or("", |d| sign(d.pnl)),
        &worst.map_or_else(String::new, |d| d.date.clone()),
    );
    out += &card(
        "Breaches of VaR",
        &format!("{} <small>of {}</small>", count(report.breaches), count(report.forecasts)),
        "",
        &format!("{} expected at {}", number(report.breaches_expected, 1), percent(report.level)),
    );
    out +=
        &card("Largest leverage", &or_none(leverage, |x| number(x, 2)), "", "absolute positions over equity, hourly");
    out += &card("Anomalies", &count(report.anomalies.len() as u64), "", "against the run's own history");
    out += &card("Refusals", &refused.map_or_else(|| NONE.into(), count), "", "orders stopped by the risk gates");
    out + "</div>\n"
}

fn ts(report: &RiskReport) -> Vec<i64> {
    report.days.iter().map(|d| d.ts).collect()
}

fn pnl(report: &RiskReport, quote: &str) -> String {
    if report.days.is_empty() {
        return String::new();
    }
    let ts = ts(report);
    let column = |value: &dyn Fn(&RiskDay) -> Option<f64>| report.days.iter().map(value).collect::<Vec<_>>();
    let equity = [Drawn {
        name: "equity at the end of the day",
        colour: "accent",
        look: Look::Line,
        values: column(&|d| Some(d.close)),
    }];
    let returns = [
        Drawn { name: "return of the day", colour: "gain", look: Look::Bars, values: column(&|d| d.day_return) },
        Drawn {
            name: "loss forecast for it",
            colour: "hold",
            look: Look::Line,
            values: column(&|d| d.var.map(|v| -v)),
        },
        Drawn {
            name: "larger loss",
            colour: "loss",
            look: Look::Dots,
            values: column(&|d| d.day_return.filter(|_| d.breached == Some(true))),
        },
    ];
    let drawdown = [Drawn {
        name: "deepest fall from the peak within the day",
        colour: "loss",
        look: Look::Line,
        values: column(&|d| Some(d.drawdown)),
    }];
    let body = format!(
        "{}<h3>Return of each day and the loss forecast for it ({})</h3>{}<h3>Drawdown</h3>{}",
        time_chart("equity by day", 260.0, &ts, &equity, money),
        percent(report.level),
        time_chart("return of each day beside the loss forecast for it", 240.0, &ts, &returns, percent),
        time_chart("drawdown by day", 180.0, &ts, &drawdown, percent)
    );
    section("pnl", &format!("Equity by day ({quote})"), &body)
}

fn leverage(report: &RiskReport) -> String {
    if report.days.iter().all(|d| d.leverage_max.is_none()) {
        return String::new();
    }
    let lines = [
        Drawn {
            name: "largest of the day: absolute positions over equity",
            colour: "c3",
            look: Look::Line,
            values: report.days.iter().map(|d| d.leverage_max).collect(),
        },
        Drawn {
            name: "net at its end",
            colour: "c5",
            look: Look::Line,
            values: report.days.iter().map(|d| d.net).collect(),
        },
    ];
    let chart = time_chart("leverage by day", 200.0, &ts(report), &lines, |x| number(x, 2));
    section("exposure", "Leverage and net exposure, as multiples of equity", &chart)
}

fn anomalies(report: &RiskReport) -> String {
    if report.anomalies.is_empty() {
        return "<p>Nothing stood out.</p>".into();
    }
    let heads = [("Day", true), ("In", true), ("Deviations", false), ("Robust", false), ("Why", true)];
    let rows = report.anomalies.iter().rev().map(|a| {
        vec![
            (a.date.clone(), ""),
            (format!("{:?}", a.kind).to_lowercase(), ""),
            (or_none(a.z, |z| number(z, 1)), ""),
            (or_none(a.z_robust, |z| number(z, 1)), ""),
            (Escaped(&a.reason).to_string(), "wrap"),
        ]
    });
    format!("<div class=\"days\">{}</div>", scroll("anomalies", &table(&heads, rows)))
}

fn events(report: &RiskReport) -> String {
    if !report.audited {
        return "<p>Not recorded: the run has no audit log.</p>".into();
    }
    if report.events.is_empty() {
        return "<p>The mode did not change, and no alert was raised.</p>".into();
    }
    let cut = report.events.len().saturating_sub(EVENTS_MAX);
    let heads = [("Time", true), ("Kind", true), ("What", true)];
    let rows = report.events.iter().rev().take(EVENTS_MAX).map(|e| {
        let class = if e.kind == "alert" { "warn" } else { "" };
        vec![(time(e.ts), ""), (Escaped(&words(&e.kind)).to_string(), class), (Escaped(&e.text).to_string(), "wrap")]
    });
    let cut = if cut > 0 {
        format!("<p class=\"note\">{} older ones are in the JSON.</p>", count(cut as u64))
    } else {
        String::new()
    };
    format!("<div class=\"days\">{}</div>{cut}", scroll("modes, alerts and limits", &table(&heads, rows)))
}

fn refusals(report: &RiskReport) -> String {
    let mut by_reason: BTreeMap<&str, (u64, u64, &str)> = BTreeMap::new();
    for day in &report.days {
        for (reason, n) in day.refusals.iter().flatten() {
            let entry = by_reason.entry(reason).or_insert((0, 0, ""));
            *entry = (entry.0 + n, entry.1 + 1, &day.date);
        }
    }
    if by_reason.is_empty() {
        return String::new();
    }
    let mut rows: Vec<(&str, (u64, u64, &str))> = by_reason.into_iter().collect();
    rows.sort_by_key(|(_, (n, _, _))| std::cmp::Reverse(*n));
    let heads = [("Reason", true), ("Count", false), ("Days", false), ("Last", false)];
    let rows = rows.into_iter().map(|(reason, (n, days, last))| {
        vec![(Escaped(&words(reason)).to_string(), ""), (count(n), ""), (count(days), ""), (last.to_owned(), "")]
    });
    section("refusals", "Refusals by reason", &scroll("refusals by reason", &table(&heads, rows)))
}

fn against(report: &RiskReport) -> String {
    if report.against.is_empty() {
        return String::new();
    }
    let heads: Vec<(&str, bool)> =
        std::iter::once(("Figure", true)).chain(report.against.iter().map(|_| ("", false))).collect();
    type Row = (&'static str, fn(&Compared) -> String);
    const ROWS: [Row; 14] = [
        ("Run", |c| Escaped(&c.name).to_string()),
        ("Days", |c| count(c.days)),
        ("Return", |c| or_none(c.total_return, signed_percent)),
        ("Deviation of daily returns", |c| or_none(c.deviation, percent)),
        ("Worst day", |c| or_none(c.worst_day, signed_percent)),
        ("Largest drawdown", |c| percent(c.max_drawdown)),
        ("Largest leverage", |c| or_none(c.leverage_max, |x| number(x, 2))),
        ("Breaches of VaR / forecasts", |c| format!("{} / {}", count(c.breaches), count(c.forecasts))),
        ("Orders", |c| count(c.orders)),
        ("Refusals", |c| count(c.refusals)),
        ("Closed trades", |c| count(c.trades)),
        ("Days shared", |c| count(c.shared)),
        ("Correlation of daily returns", |c| or_none(c.correlation, |x| number(x, 2))),
        ("Mean daily difference", |c| or_none(c.mean_difference, signed_percent)),
    ];
    let rows = ROWS.map(|(name, value)| {
        std::iter::once((name.to_owned(), "")).chain(report.against.iter().map(|c| (value(c), ""))).collect()
    });
    section("against", "Beside other runs", &scroll("beside other runs", &table(&heads, rows)))
}

fn daily(report: &RiskReport) -> String {
    if report.days.is_empty() {
        return "<p>The run kept no records of its equity.</p>".into();
    }
    let heads = [
        ("Day", true),
        ("Open", false),
        ("High", false),
        ("Low", false),
        ("Close", false),
        ("P&amp;L", false),
        ("Return", false),
        ("z", false),
        ("Drawdown", false),
        ("Leverage", false),
        ("VaR", false),
        ("Trades", false),
        ("Worst trade", false),
        ("Orders", false),
        ("Refusals", false),
        ("Alerts", false),
        ("Modes", false),
    ];
    let counted = |n: Option<u64>| n.map_or_else(|| NONE.to_owned(), count);
    let rows = report.days.iter().rev().map(|d| {
        let worst = d
            .worst_trade
            .as_ref()
            .map_or_else(|| NONE.to_owned(), |(symbol, pnl)| format!("{} {}", signed_money(*pnl), Escaped(symbol)));
        let alarmed = |n: Option<u64>| if n.is_some_and(|n| n > 0) { "warn" } else { "" };
        vec![
            (d.date.clone(), ""),
            (money(d.open), ""),
            (money(d.high), ""),
            (money(d.low), ""),
            (money(d.close), ""),
            (signed_money(d.pnl), sign(d.pnl)),
            (or_none(d.day_return, signed_percent), ""),
            (or_none(d.z, |z| number(z, 1)), if d.z.is_some_and(|z| z.abs() > 3.0) { "warn" } else { "" }),
            (percent(d.drawdown), ""),
            (or_none(d.leverage_max, |x| number(x, 2)), ""),
            (or_none(d.var, percent), if d.breached == Some(true) { "warn" } else { "" }),
            (count(d.trades), ""),
            (worst, ""),
            (counted(d.orders), ""),
            (counted(d.refused()), ""),
            (counted(d.alerts), alarmed(d.alerts)),
            (counted(d.modes), alarmed(d.modes)),
        ]
    });
    format!("<div class=\"days\">{}</div>", scroll("day by day", &table(&heads, rows)))
}

fn agreement(report: &RiskReport) -> String {
    let heads = [("Figure", true), ("This report", false), ("The engine", false), ("", true)];
    let rows = report.agreement.iter().map(|a| {
        let verdict = if a.equal { ("equal".to_owned(), "ok") } else { ("differs".to_owned(), "fault") };
        vec![(Escaped(&a.figure).to_string(), ""), (a.report.to_string(), ""), (a.engine.to_string(), ""), verdict]
    });
    scroll("totals beside the engine's", &table(&heads, rows))
}

const MEANINGS: &[(&str, &str)] = &[
    (
        "Day",
        "A UTC day. A value at midnight belongs to the day that ends there. High and low are of its beginning and the ends of its hours; the \
         drawdown is over all samples.",
    ),
    (
        "VaR",
        "The loss that the day should pass in one of so many cases as the level says, forecast at the end of the day before: the larger of \
         historical and normal value at risk, from the run's own daily returns of the 20 to 60 days before. A day that lost more is marked.",
    ),
    ("z", "The return of the day in standard deviations from the mean of the 20 to 60 days before."),
    ("Leverage", "Sum of the absolute values of the positions over equity: the largest at the end of an hour."),
    ("Trades", "Round trips closed on the day; a worst trade is shown where one lost."),
    (
        "Anomaly",
        "A value more than 3 robust deviations from the median of the 20 to 60 days before, 0.6745 (x - median) / MAD (Iglewicz, Hoaglin \
         1993); where more than half of those days are equal, more than 3 standard deviations from their mean; of leverage, orders and \
         refusals only upwards. Also: a loss beyond its forecast, a fall that reaches another tenth of the peak for the first time, a change \
         of the mode, an alert. Returns have fat tails, so a few percent of all days stand out by chance.",
    ),
    (
        "Totals",
        "Figures made of equity.csv, trades.csv and the audit log beside those that the engine left in summary.json: equal to the last bit, or \
         marked.",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::risk_daily::tests::{entry, run};
    use super::super::risk_daily::{RiskSettings, risk_report};
    use super::*;

    #[test]
    fn the_page_says_what_the_report_holds_and_escapes_it() {
        let mut own = run(60, &[(40, -0.12)]);
        own.name = "<mine>".into();
        own.trades[0].symbol = "<b>".into();
        let day = 86_400_000;
        let trail = [
            entry(3 * day, "refused", &[("reason", "<script>")]),
            entry(4 * day, "mode", &[("to", "emergency"), ("cause", "kill")]),
            entry(4 * day, "alert", &[("alert", "<i>")]),
        ];
        let other = run(50, &[]);
        let report = risk_report(&own, Some(&trail), &[other], &RiskSettings::default());
        let page = risk_page(&report);
        for part in [
            "&lt;mine&gt;",
            "&lt;script&gt;",
            "to emergency, cause kill",
            "1970-02-10",
            "Not what the engine says",
            "Beside other runs",
        ] {
            assert!(page.contains(part), "{part}");
        }
        for part in ["<mine>", "<script>\"", "<i>", "NaN"] {
            assert!(!page.contains(part), "{part}");
        }
        assert!(page.matches("<svg").count() >= 4);
    }

    #[test]
    fn a_run_without_anything_has_a_page_that_says_so() {
        let mut empty = run(1, &[]);
        empty.equity.clear();
        empty.trades.clear();
        let page = risk_page(&risk_report(&empty, None, &[], &RiskSettings::default()));
        assert!(page.contains("kept no records of its equity") && page.contains("has no audit log"));
        assert!(page.contains("too few days for a forecast"));
    }
}
