//! The page about one run.

use super::chart_data::{self, CURVE_MAX, TRADES_MAX, short_name, stride};
use super::figures::{CurveFigures, Figures, Month, figures};
use super::page::{HINT, Page, TIME_TOOLS, badge, chart, defined, list, scroll, section, top};
use super::run_report::{RunReport, RunSummary};
use super::text::{
    Escaped, NONE, count, date, duration, money, number, or_none, percent, price, signed_money, signed_percent, time,
    words,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Fewer trades say little about a strategy.
const TRADES_FEW: u64 = 30;
/// Ratios a year of fewer days are guesses.
const DAYS_FEW: f64 = 90.0;

/// The whole document.
pub(super) fn page(run: &RunReport) -> String {
    let f = figures(run);
    let mut sections = Vec::new();
    let mut body = String::new();
    let mut add = |id: &'static str, name: &'static str, html: String| {
        if !html.is_empty() {
            if !name.is_empty() {
                sections.push((id, name));
            }
            body.push_str(&html);
        }
    };
    add("faults", "Faults", faults(&run.summary));
    add("notes", "", notes(run, &f));
    add("figures", "Figures", cards(run, &f));
    add("curve-section", "Equity", curve(run));
    add("price-section", "Price and trades", prices(run));
    add("months", "Months", months(&f.monthly));
    add("rolling-section", "", rolling(run, &f));
    add("exposure-section", "Exposure", exposure(&f));
    add("distribution", "Trades", distribution(run, &f));
    add("attribution-section", "Strategies", attribution(run));
    add("costs", "Costs, refusals", format!("<div class=\"two\">{}{}</div>\n", costs(run, &f), refusals(run)));
    add("all-figures", "All figures", all_figures(run, &f));
    add("trades", "", trades(run));
    add("open", "", open_positions(run));
    add("data-section", "Data", data(run));
    add(
        "assumptions",
        "Assumptions",
        section("assumptions", "What the result rests on", &list(&run.summary.assumptions)),
    );
    sections.push(("definitions", "Definitions"));
    Page {
        title: format!("{} {} – bot4", run.summary.run, run.name),
        header: header(run),
        sections,
        body,
        data: chart_data::single(run, &f),
    }
    .html()
}

/// Badges that say what kind of result this is, as HTML.
pub(super) fn badges(s: &RunSummary) -> String {
    let kind = match s.run.as_str() {
        "paper" => badge("plain", "paper: simulated money"),
        "backtest" => badge("plain", "backtest"),
        other => badge("plain", other),
    };
    let risk = match s.risk_profile.as_str() {
        "standard" => badge("ok", "risk: standard limits"),
        "off" => badge("warn", "research: risk is off"),
        other => badge("warn", &format!("research: risk {other}")),
    };
    let fault = if s.faults.is_empty() { String::new() } else { badge("fault", "faults") };
    kind + &risk + &fault
}

fn header(run: &RunReport) -> String {
    let s = &run.summary;
    let span = match s.start_ts.zip(s.end_ts) {
        Some((from, to)) => format!("{} to {} ({})", time(from), time(to), duration((to - from) as f64 / 1_000.0)),
        None => "no data".into(),
    };
    format!(
        "{}<h1>{}</h1><p class=\"lead\">{}<br>{span} · {} market rows</p>",
        top(&badges(s)),
        Escaped(&run.name),
        Escaped(&some(&s.symbols, 8)),
        count(s.events)
    )
}

/// The first of a list, and how many more there are.
fn some(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{shown} and {} more", names.len() - most) } else { shown }
}

fn faults(s: &RunSummary) -> String {
    if s.faults.is_empty() {
        return String::new();
    }
    format!(
        "<div class=\"box fault\" id=\"faults\" role=\"alert\"><h2>Faults</h2><p>After the first of these no new risk was taken. \
         The figures below are not those of an undisturbed run.</p>{}</div>\n",
        list(&s.faults)
    )
}

/// What makes the figures less sure than they look.
fn notes(run: &RunReport, f: &Figures) -> String {
    let s = &run.summary;
    let mut notes = Vec::new();
    if s.risk_profile != "standard" {
        notes.push("This is a research result: it was made without the limits of live trading, and its orders could never go to a real venue.".to_owned());
    }
    if s.final_equity.is_none() {
        notes.push("A price is missing, so the value at the end is not known.".to_owned());
    }
    if s.trades_closed == 0 {
        notes.push("No trade was closed: there is nothing to judge a strategy by.".to_owned());
    } else if s.trades_closed < TRADES_FEW {
        notes.push(format!("{} closed trades are too few to tell skill from luck.", count(s.trades_closed)));
    }
    if let Some(days) = f.days.filter(|d| *d < DAYS_FEW) {
        notes.push(format!(
            "{} of data: figures a year are guesses, and returns a year are left out.",
            duration(days * 86_400.0)
        ));
    }
    if let Some((sharpe, error)) = f.account.sharpe.zip(f.account.sharpe_error).filter(|(s, e)| s.abs() < *e) {
        notes.push(format!(
            "The Sharpe ratio of {} is within its own uncertainty of ±{}: it is not told apart from zero.",
            number(sharpe, 2),
            number(error, 2)
        ));
    }
    let open = s.open_positions.iter().filter(|p| !p.dust).count();
    if open > 0 {
        let are = if open == 1 { "position is" } else { "positions are" };
        notes.push(format!("{open} {are} still open and valued at the last price, without the cost of closing."));
    }
    if s.data.bad_rows > 0 {
        let rows = if s.data.bad_rows == 1 { "row" } else { "rows" };
        notes.push(format!("{} bad {rows} of the data were left out.", count(s.data.bad_rows)));
    }
    if s.data.gaps > 0 {
        let gaps = if s.data.gaps == 1 { "gap" } else { "gaps" };
        notes.push(format!("The data has {} {gaps}: nothing is known of what happened in them.", count(s.data.gaps)));
    }
    if s.started_afresh {
        notes.push(
            "The run was resumed before anything of it had been written down, so it began again from the start."
                .to_owned(),
        );
    }
    if !s.recoveries.is_empty() {
        let times = if s.recoveries.len() == 1 { "once".to_owned() } else { format!("{} times", s.recoveries.len()) };
        notes.push(format!("The run was ended from outside and went on {times}; see under data."));
    }
    if run.equity.is_empty() {
        notes.push("Records were not kept (--records none): there are no curves, prices or trades to show.".to_owned());
    }
    if notes.is_empty() {
        return String::new();
    }
    format!("<div class=\"box warn\" id=\"notes\"><h2>Before you trust the figures</h2>{}</div>\n", list(&notes))
}

/// One headline figure.
fn card(key: &str, name: &str, value: &str, sign: f64, say: &str) -> String {
    let class = if sign > 0.0 {
        " gain"
    } else if sign < 0.0 {
        " loss"
    } else {
        ""
    };
    format!(
        "<div class=\"card\"><div class=\"name\">{}</div><div class=\"value{class}\">{value}</div><div class=\"say\">{say}</div></div>",
        defined(key, name)
    )
}

fn cards(run: &RunReport, f: &Figures) -> String {
    let s = &run.summary;
    let quote = Escaped(&s.quote);
    let a = &f.account;
    let hold = f.hold.as_ref();
    let mut out = String::from("<h2 class=\"hidden\">Headline figures</h2><div class=\"cards\" id=\"figures\">");
    out += &card(
        "equity",
        "Final equity",
        &or_none(a.final_equity, money),
        0.0,
        &format!("{quote} from {} at the start", money(s.initial_cash)),
    );
    out += &card(
        "return",
        "Return after costs",
        &or_none(a.total_return, signed_percent),
        a.total_return.unwrap_or(0.0),
        &hold
            .and_then(|h| h.total_return)
            .map_or_else(|| "all costs are in it".into(), |h| format!("{} had you bought and held", signed_percent(h))),
    );
    out += &card(
        "drawdown",
        "Largest drawdown",
        &or_none(a.max_drawdown, percent),
        0.0,
        &hold.and_then(|h| h.max_drawdown).map_or_else(
            || "deepest fall from a peak".into(),
            |h| format!("deepest fall from a peak; {} holding", percent(h)),
        ),
    );
    let sharpe = match (a.sharpe, a.sharpe_error) {
        (Some(sharpe), Some(error)) => format!("{} <small>± {}</small>", number(sharpe, 2), number(error, 2)),
        (sharpe, _) => or_none(sharpe, |s| number(s, 2)),
    };
    let holding = hold.and_then(|h| h.sharpe).map_or_else(String::new, |h| format!("; {} holding", number(h, 2)));
    let returns = if a.daily_returns == 1 { "daily return" } else { "daily returns" };
    out +=
        &card("sharpe", "Sharpe ratio", &sharpe, 0.0, &format!("a year, from {} {returns}{holding}", a.daily_returns));
    out += &card(
        "winrate",
        "Closed trades",
        &count(s.trades_closed),
        0.0,
        &s.win_rate.map_or_else(|| "none won or lost".into(), |w| format!("{} of them won", percent(w))),
    );
    let of_cash = f.costs.of_cash.map_or_else(String::new, |c| format!(", {} of the cash", percent(c)));
    out += &card("costs", "Costs", &money(f.costs.total), 0.0, &format!("{quote} of fees and funding{of_cash}"));
    out + "</div>\n"
}

fn curve(run: &RunReport) -> String {
    if run.equity.is_empty() {
        return String::new();
    }
    let hours = stride(run.equity.len(), CURVE_MAX);
    let thinned = if hours > 1 {
        format!("<p class=\"note\">Each point stands for {hours} rows of equity.csv.</p>")
    } else {
        String::new()
    };
    let body = format!(
        "{TIME_TOOLS}{}<h3>{}</h3>{}<div id=\"beside-box\" hidden><h3>Beside {}</h3>{}{}</div>{HINT}{thinned}",
        chart("equity", "value of the account in time, beside buying and holding"),
        defined("drawdown", "Drawdown"),
        chart("drawdown", "drawdown in time, beside buying and holding"),
        defined("hold", "buying and holding"),
        chart("beside", "value of the account and of buying and holding in time"),
        chart("beside-drawdown", "drawdown of the account and of buying and holding in time"),
    );
    section("curve-section", &format!("Equity ({})", Escaped(&run.summary.quote)), &body)
}

fn prices(run: &RunReport) -> String {
    if run.marks.is_empty() {
        return String::new();
    }
    let s = &run.summary;
    let mut options = String::new();
    let mut by_symbol: BTreeMap<&str, usize> = BTreeMap::new();
    for trade in &run.trades {
        *by_symbol.entry(trade.symbol.as_str()).or_default() += 1;
    }
    for (n, symbol) in s.symbols.iter().enumerate() {
        let trades = by_symbol.get(symbol.as_str()).copied().unwrap_or(0);
        let _ = write!(options, "<option value=\"{n}\">{} ({})</option>", Escaped(symbol), count(trades as u64));
    }
    let cut = run.trades.len().saturating_sub(TRADES_MAX);
    let cut = if cut > 0 {
        format!("<p class=\"note\">The oldest {} trades are left out here; trades.csv has all.</p>", count(cut as u64))
    } else {
        String::new()
    };
    let body = format!(
        "<div class=\"tools\"><label for=\"symbol\">Instrument</label><select id=\"symbol\">{options}</select>\
         <button type=\"button\" id=\"before\">◀ trade</button><button type=\"button\" id=\"after\">trade ▶</button>\
         <span id=\"shown\" class=\"note\" aria-live=\"off\"></span></div>{TIME_TOOLS}{}\
         <div id=\"detail\" class=\"detail\" aria-live=\"polite\">Point at a mark, tap it, or step with the buttons to read the trade.</div>\
         <ul class=\"keys\"><li><b>▲</b> long entry</li><li><b>▼</b> short entry</li><li><b class=\"gain\">●</b> exit with profit</li><li><b class=\"loss\">●</b> exit with loss</li>\
         <li>candles of {} appear when zoomed in</li></ul>{HINT}{cut}",
        chart("price", "price in time with entries and exits"),
        defined("mark", "marks"),
    );
    section("price-section", "Price with entries and exits", &body)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How strongly a return is coloured: full at a tenth.
fn shade(r: f64) -> String {
    let class = if r >= 0.0 { "up" } else { "down" };
    format!("class=\"{class}\" style=\"--a:{:.2}\"", 0.06 + 0.39 * (r.abs() / 0.10).min(1.0))
}

fn months(monthly: &[Month]) -> String {
    if monthly.is_empty() {
        return String::new();
    }
    let mut years: BTreeMap<i16, Vec<&Month>> = BTreeMap::new();
    for month in monthly {
        years.entry(month.year).or_default().push(month);
    }
    let mut table = String::from("<table class=\"months\"><thead><tr><th scope=\"col\">Year</th>");
    for name in MONTHS {
        let _ = write!(table, "<th scope=\"col\">{name}</th>");
    }
    table += "<th scope=\"col\">Year</th><th scope=\"col\">Held</th></tr></thead><tbody>";
    for (year, months) in &years {
        let _ = write!(table, "<tr><th scope=\"row\">{year}</th>");
        for number_of in 1..=12i8 {
            match months.iter().find(|m| m.month == number_of) {
                Some(m) => {
                    let held =
                        m.hold.map_or_else(String::new, |h| format!(" title=\"buy and hold {}\"", signed_percent(h)));
                    let _ = write!(table, "<td {}{held}>{}</td>", shade(m.account), number(100.0 * m.account, 1));
                }
                None => table += "<td class=\"none\"></td>",
            }
        }
        let total = months.iter().fold(1.0, |w, m| w * (1.0 + m.account)) - 1.0;
        let hold = months.iter().filter_map(|m| m.hold).fold(1.0, |w, h| w * (1.0 + h)) - 1.0;
        let known = months.iter().any(|m| m.hold.is_some());
        let _ = write!(
            table,
            "<td class=\"year\">{}</td><td>{}</td></tr>",
            number(100.0 * total, 1),
            if known { number(100.0 * hold, 1) } else { NONE.into() }
        );
    }
    table += "</tbody></table>";
    section("months", "Monthly returns, %", &scroll("monthly returns", &table))
}

fn rolling(run: &RunReport, f: &Figures) -> String {
    let Some(rolling) = &f.rolling else {
        if run.equity.is_empty() {
            return String::new();
        }
        let text = "<p class=\"note\">Not shown: the run has fewer than 60 daily returns.</p>";
        return section("rolling-section", &defined("rolling", "Rolling Sharpe ratio"), text);
    };
    let name = format!("Rolling Sharpe ratio, {} days", rolling.window);
    section(
        "rolling-section",
        &defined("rolling", &name),
        &chart("rolling", "Sharpe ratio of the latest days, in time"),
    )
}

fn exposure(f: &Figures) -> String {
    let Some(e) = f.exposure else { return String::new() };
    let body = format!(
        "{}<p class=\"note\">In the market {} of the time; gross exposure {} on average and {} at most, net {} on average.</p>",
        chart("exposure", "gross and net exposure in time"),
        percent(e.time_in_market),
        percent(e.mean_gross),
        percent(e.max_gross),
        percent(e.mean_net)
    );
    section("exposure-section", &defined("exposure", "Exposure, of equity"), &body)
}

fn distribution(run: &RunReport, f: &Figures) -> String {
    if run.trades.is_empty() {
        let text = "<p>No trade was closed.</p>";
        return if run.summary.trades_closed == 0 { section("distribution", "Trades", text) } else { String::new() };
    }
    let t = &f.trades;
    let two = format!(
        "<section><h2>{}</h2>{}<p class=\"note\">Won {} and lost {} on average; best {}, worst {}.</p></section>\
         <section><h2>How long trades were held</h2>{}<p class=\"note\">Half of them up to {}; the longest {}.</p></section>",
        defined("bins", &format!("Profit of a trade ({})", run.summary.quote)),
        chart("profits", "number of trades by profit"),
        or_none(t.average_win, money),
        or_none(t.average_loss, money),
        or_none(t.best, signed_money),
        or_none(t.worst, signed_money),
        chart("holding", "number of trades by time held"),
        or_none(t.median_holding_s, duration),
        or_none(t.longest_holding_s, duration),
    );
    format!("<div class=\"two\" id=\"distribution\">{two}</div>\n")
}

fn attribution(run: &RunReport) -> String {
    let s = &run.summary;
    if s.by_strategy.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<table class=\"wide\"><thead><tr><th scope=\"col\">Strategy</th><th scope=\"col\">Trades</th><th scope=\"col\">Won</th><th scope=\"col\">Realised</th>\
         <th scope=\"col\">Fees</th><th scope=\"col\">Open</th><th scope=\"col\">Total</th><th scope=\"col\">Turnover</th></tr></thead><tbody>",
    );
    let (mut realised, mut fees, mut open, mut turnover) = (0.0, 0.0, 0.0, 0.0);
    for line in &s.by_strategy {
        let name = s.strategies.get(usize::from(line.strategy)).map_or(line.name.as_str(), String::as_str);
        let unrealised = line.unrealised.unwrap_or(0.0);
        realised += line.realised;
        fees += line.fees;
        open += unrealised;
        turnover += line.turnover;
        let total = line.realised - line.fees + unrealised;
        let won = if line.trades > 0 { percent(line.wins as f64 / line.trades as f64) } else { NONE.into() };
        let _ = write!(
            table,
            "<tr><th scope=\"row\" title=\"{}\">{}</th><td>{}</td><td>{won}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{}</td><td>{}</td></tr>",
            Escaped(name),
            Escaped(&short_name(name)),
            count(line.trades),
            signed_money(line.realised),
            money(line.fees),
            or_none(line.unrealised, signed_money),
            sign_class(total),
            signed_money(total),
            money(line.turnover)
        );
    }
    if s.funding != 0.0 {
        let _ = write!(
            table,
            "<tr><th scope=\"row\">Funding of the account</th><td></td><td></td><td></td><td></td><td></td><td class=\"{}\">{}</td><td></td></tr>",
            sign_class(s.funding),
            signed_money(s.funding)
        );
    }
    let total = realised - fees + open + s.funding;
    let _ = write!(
        table,
        "<tr class=\"total\"><th scope=\"row\">All</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{}</td><td>{}</td></tr></tbody></table>",
        count(s.trades_closed),
        or_none(s.win_rate, percent),
        signed_money(realised),
        money(fees),
        signed_money(open),
        sign_class(total),
        signed_money(total),
        money(turnover)
    );
    // The sum is the change of equity; where base assets left over by fees moved, it is not quite.
    let left = s.final_equity.map(|end| end - s.initial_cash - total).filter(|left| left.abs() >= 0.005);
    let left = left.map_or_else(String::new, |left| {
        format!("<p class=\"note\">Equity changed by {} more: base assets outside of positions (fees taken in them) that moved with the price.</p>", signed_money(left))
    });
    let lines = run.trades.iter().map(|t| t.strategy).collect::<std::collections::BTreeSet<_>>().len();
    let chart = if lines > 1 {
        let most = if lines > 8 { ", the eight with most at stake" } else { "" };
        format!(
            "<h3>Profit of closed trades, added up{most}</h3>{}",
            chart("attribution", "profit of each strategy in time")
        )
    } else {
        String::new()
    };
    let body = scroll("attribution by strategy", &table) + &left + &chart;
    section("attribution-section", &defined("attribution", "What each strategy brought"), &body)
}

fn sign_class(x: f64) -> &'static str {
    if x > 0.0 {
        "gain"
    } else if x < 0.0 {
        "loss"
    } else {
        "none"
    }
}

fn costs(run: &RunReport, f: &Figures) -> String {
    let s = &run.summary;
    let c = &f.costs;
    let turnover = s.costs.turnover_maker + s.costs.turnover_taker;
    let mut rows = vec![("Fees", money(c.fees)), ("Funding paid", money(c.funding))];
    rows.push(("Slippage", c.slippage.map_or_else(|| "inside the prices".into(), money)));
    rows.push(("All that is known", money(c.total)));
    if let Some(share) = c.of_gross_profit {
        rows.push(("Share of the gross profit", percent(share)));
    }
    if turnover > 0.0 {
        rows.push((
            "Turnover",
            format!("{} ({} × cash)", money(turnover), or_none(c.turnover_of_cash, |x| number(x, 1))),
        ));
        rows.push(("of it maker", percent(s.costs.turnover_maker / turnover)));
        rows.push(("Fees of the turnover", percent(c.fees / turnover)));
    }
    let mut table = String::from("<table><tbody>");
    for (name, value) in rows {
        let _ = write!(table, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    table += "</tbody></table>";
    section("costs", &defined("costs", &format!("Costs ({})", s.quote)), &scroll("costs", &table))
}

fn refusals(run: &RunReport) -> String {
    let s = &run.summary;
    if s.refusals.is_empty() && s.venue_rejects.is_empty() && s.not_sent == 0 {
        return section("refusals", &defined("refusals", "Refusals"), "<p>Nothing was refused.</p>");
    }
    let most = s.refusals.values().chain(s.venue_rejects.values()).copied().max().unwrap_or(1).max(1);
    let mut table = String::from(
        "<table class=\"wide\"><thead><tr><th scope=\"col\">Reason</th><th scope=\"col\" class=\"l\">By</th><th scope=\"col\">Count</th><th scope=\"col\" style=\"width:40%\"><span class=\"hidden\">Share</span></th></tr></thead><tbody>",
    );
    let mut rows: Vec<(&str, &str, u64)> = s.refusals.iter().map(|(r, n)| (r.as_str(), "risk", *n)).collect();
    rows.extend(s.venue_rejects.iter().map(|(r, n)| (r.as_str(), "venue", *n)));
    if s.not_sent > 0 {
        rows.push(("approved, and not sent", "gate", s.not_sent));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.2));
    for (reason, by, n) in rows {
        let _ = write!(
            table,
            "<tr><th scope=\"row\">{}</th><td class=\"l\">{by}</td><td>{}</td><td><span class=\"bar\" style=\"width:{:.1}%\"></span></td></tr>",
            Escaped(&words(reason)),
            count(n),
            (100.0 * n as f64 / most as f64).min(100.0)
        );
    }
    table += "</tbody></table>";
    section("refusals", &defined("refusals", "Refusals by reason"), &scroll("refusals by reason", &table))
}

/// Every figure of a curve as rows: anchor, name and how it is written.
pub(super) type CurveRow = (&'static str, &'static str, fn(&CurveFigures) -> String);

/// The figures of a curve.
pub(super) const CURVE_ROWS: [CurveRow; 11] = [
    ("equity", "Final equity", |c| or_none(c.final_equity, money)),
    ("return", "Return after costs", |c| or_none(c.total_return, signed_percent)),
    ("cagr", "Return a year (CAGR)", |c| or_none(c.cagr, signed_percent)),
    ("drawdown", "Largest drawdown", |c| or_none(c.max_drawdown, percent)),
    ("underwater", "Longest time below a peak", |c| or_none(c.longest_drawdown_days, |d| duration(d * 86_400.0))),
    ("volatility", "Volatility a year", |c| or_none(c.volatility, percent)),
    ("sharpe", "Sharpe ratio", |c| match (c.sharpe, c.sharpe_error) {
        (Some(s), Some(e)) => format!("{} ± {}", number(s, 2), number(e, 2)),
        (s, _) => or_none(s, |s| number(s, 2)),
    }),
    ("sortino", "Sortino ratio", |c| or_none(c.sortino, |s| number(s, 2))),
    ("calmar", "Calmar ratio", |c| or_none(c.calmar, |s| number(s, 2))),
    ("volatility", "Best day", |c| or_none(c.best_day, signed_percent)),
    ("volatility", "Worst day", |c| or_none(c.worst_day, signed_percent)),
];

/// Figures of the trades and of what was held, as rows: anchor, name and value.
pub(super) fn other_rows(run: &RunReport, f: &Figures) -> Vec<(&'static str, &'static str, String)> {
    let (s, t) = (&run.summary, &f.trades);
    let mut rows = vec![
        ("trade", "Orders / fills", format!("{} / {}", count(s.orders), count(s.fills))),
        ("trade", "Closed trades", count(s.trades_closed)),
        ("winrate", "Winning trades", or_none(s.win_rate, percent)),
        ("profitfactor", "Profit factor", or_none(t.profit_factor, |x| number(x, 2))),
        ("expectancy", "Mean profit of a trade", or_none(t.expectancy, signed_money)),
        (
            "trade",
            "Mean win / mean loss",
            format!("{} / {}", or_none(t.average_win, money), or_none(t.average_loss, money)),
        ),
        ("trade", "Losses in a row, most", count(t.losses_in_a_row as u64)),
        ("trade", "Median time held", or_none(t.median_holding_s, duration)),
    ];
    if let Some(e) = f.exposure {
        rows.push(("exposure", "Time in the market", percent(e.time_in_market)));
        rows.push(("exposure", "Gross exposure, mean", percent(e.mean_gross)));
    }
    rows.push(("costs", "Costs", money(f.costs.total)));
    rows.push(("turnover", "Turnover", if f.costs.turnover > 0.0 { money(f.costs.turnover) } else { NONE.into() }));
    rows
}

fn all_figures(run: &RunReport, f: &Figures) -> String {
    let mut table =
        String::from("<table class=\"wide\"><thead><tr><th scope=\"col\">Figure</th><th scope=\"col\">This run</th>");
    if f.hold.is_some() {
        let _ = write!(table, "<th scope=\"col\">{}</th>", defined("hold", "Buy and hold"));
    }
    table += "</tr></thead><tbody>";
    for (key, name, value) in CURVE_ROWS {
        let _ = write!(table, "<tr><th scope=\"row\">{}</th><td>{}</td>", defined(key, name), value(&f.account));
        if let Some(hold) = &f.hold {
            let _ = write!(table, "<td>{}</td>", value(hold));
        }
        table += "</tr>";
    }
    table += "</tbody></table>";
    let mut other = String::from("<table class=\"wide\"><tbody>");
    for (key, name, value) in other_rows(run, f) {
        let _ = write!(other, "<tr><th scope=\"row\">{}</th><td>{value}</td></tr>", defined(key, name));
    }
    other += "</tbody></table>";
    format!(
        "<div class=\"two\" id=\"all-figures\"><section><h2>Figures of the account</h2>{}</section><section><h2>Figures of the trades</h2>{}</section></div>\n",
        scroll("figures of the account", &table),
        scroll("figures of the trades", &other)
    )
}

fn trades(run: &RunReport) -> String {
    if run.trades.is_empty() {
        return String::new();
    }
    const COLUMNS: [(&str, &str); 11] = [
        ("et", "Entry"),
        ("xt", "Exit"),
        ("held", "Held"),
        ("i", "Instrument"),
        ("s", "Strategy"),
        ("d", "Side"),
        ("q", "Quantity"),
        ("ep", "Entry price"),
        ("xp", "Exit price"),
        ("f", "Fees"),
        ("p", "Profit"),
    ];
    let mut head = String::new();
    for (key, name) in COLUMNS {
        let _ = write!(
            head,
            "<th scope=\"col\" aria-sort=\"none\"><button type=\"button\" class=\"sort\" data-key=\"{key}\">{name}<span aria-hidden=\"true\"></span></button></th>"
        );
    }
    let table = format!(
        "<table class=\"wide\"><thead><tr>{head}<th scope=\"col\"><span class=\"hidden\">In the chart</span></th></tr></thead><tbody id=\"trades-body\"></tbody></table>"
    );
    let body = format!(
        "{}<div class=\"tools pages\" style=\"margin-top:8px\"><button type=\"button\" id=\"page-before\">◀ page</button><span id=\"page-at\" class=\"note\"></span><button type=\"button\" id=\"page-after\">page ▶</button></div>\
         <noscript><p class=\"note\">The table and the charts need JavaScript; trades.csv beside this file has all trades.</p></noscript>",
        scroll("closed trades", &table)
    );
    section("trades", &defined("trade", "All closed trades"), &body)
}

fn open_positions(run: &RunReport) -> String {
    let open: Vec<_> = run.summary.open_positions.iter().collect();
    if open.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<table class=\"wide\"><thead><tr><th scope=\"col\">Instrument</th><th scope=\"col\" class=\"l\">Strategy</th><th scope=\"col\" class=\"l\">Side</th><th scope=\"col\">Since</th>\
         <th scope=\"col\">Quantity</th><th scope=\"col\">Entry price</th><th scope=\"col\">Last price</th><th scope=\"col\">Not realised</th></tr></thead><tbody>",
    );
    for p in open {
        let side = if p.dust { "dust" } else { p.side.as_str() };
        let _ = write!(
            table,
            "<tr><th scope=\"row\">{}</th><td class=\"l\">{}</td><td class=\"l\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{}</td></tr>",
            Escaped(&p.symbol),
            Escaped(&p.name),
            Escaped(side),
            p.entry_ts.map_or_else(|| NONE.into(), time),
            number(p.quantity, if p.quantity.abs() >= 100.0 { 2 } else { 6 }),
            price(p.entry_price),
            or_none(p.mark_price, price),
            sign_class(p.unrealised_pnl.unwrap_or(0.0)),
            or_none(p.unrealised_pnl, signed_money)
        );
    }
    table += "</tbody></table>";
    section("open", "Open at the end", &scroll("open positions", &table))
}

fn data(run: &RunReport) -> String {
    let s = &run.summary;
    let mut out = String::from("<table class=\"wide\"><tbody>");
    let mut row = |name: &str, value: &str| {
        let _ = write!(out, "<tr><th scope=\"row\">{name}</th><td class=\"wrap\">{value}</td></tr>");
    };
    let between = s.start_ts.zip(s.end_ts).map_or_else(|| NONE.into(), |(a, b)| format!("{} to {}", date(a), date(b)));
    row("Data", &format!("{} rows, {between}", count(s.events)));
    row("Gaps", &count(s.data.gaps));
    row("Bad rows left out", &count(s.data.bad_rows));
    row("Numbers rounded", &count(s.data.rounded));
    row(&defined("digest", "Digest"), &format!("<code>{}</code>", Escaped(&s.digest)));
    row(&defined("digest", "State digest"), &format!("<code>{}</code>", Escaped(&s.state_digest)));
    if let Some(build) = &s.build {
        row("Build", &format!("<code>{}</code>", Escaped(&fields(build))));
    }
    out += "</tbody></table>";
    if !s.data.first_bad_rows.is_empty() {
        out += "<h3>The first bad rows</h3>";
        out += &list(&s.data.first_bad_rows);
    }
    out += "<h3>Files</h3>";
    if s.inputs.is_empty() {
        out += "<p class=\"note\">The run did not write down which files it read.</p>";
    } else {
        let mut table = String::from(
            "<table class=\"wide\"><thead><tr><th scope=\"col\">File</th><th scope=\"col\" class=\"l\">Series</th><th scope=\"col\">Bytes</th><th scope=\"col\" class=\"l\">SHA-256</th></tr></thead><tbody>",
        );
        for series in &s.inputs {
            let rows = series.rows.map_or_else(String::new, |n| format!(", {} rows", count(n)));
            for file in &series.files {
                let _ = write!(
                    table,
                    "<tr><td class=\"wrap\">{}</td><td class=\"l\">{}{rows}</td><td>{}</td><td class=\"l\"><code>{}</code></td></tr>",
                    Escaped(&file.name),
                    Escaped(&series.title),
                    count(file.bytes),
                    Escaped(&file.sha256)
                );
            }
        }
        table += "</tbody></table>";
        out += &scroll("files", &table);
    }
    if !s.recoveries.is_empty() {
        out += "<h3>Recoveries</h3>";
        out += &list(s.recoveries.iter().map(fields));
    }
    out += "<h3>Strategies</h3>";
    out += &list(s.strategies.iter().enumerate().map(|(n, text)| format!("{n}: {text}")));
    if let Some(config) = &s.config {
        // What cannot be written prettily is written as it is.
        let text = serde_json::to_string_pretty(config).unwrap_or_else(|_| config.to_string());
        let _ = write!(
            out,
            "<details><summary>The configuration in force</summary><pre class=\"mono scroll\">{}</pre></details>",
            Escaped(&text)
        );
    }
    section("data-section", "Data and provenance", &out)
}

/// An object in words: the names and values that it was recorded with.
fn fields(value: &serde_json::Value) -> String {
    match value.as_object() {
        Some(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    serde_json::Value::Number(n) => n.as_u64().map_or_else(|| n.to_string(), count),
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                format!("{} {value}", words(name))
            })
            .collect::<Vec<_>>()
            .join(", "),
        None => value.to_string(),
    }
}
