//! What a run looked like to a risk manager, day by day, from what it left behind.
//!
//! In:  a [`RunReport`] (summary, equity, trades), and the entries of its audit log where it has one. Out: a [`RiskReport`]: plain data,
//! and its days as CSV.
//! Totals are held against the engine's own in [`Agreement`]; nothing is computed a second way and shown as if it were the engine's.
//! Reading folders is left out.

use super::risk_anomalies::{Anomaly, anomalies};
use super::run_report::{EquityRow, RunReport, Trade};
use super::text::date;
use quant::stats::{DrawdownTracker, Moments, pearson};
use research::validate::{Level, Model};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const DAY_MS: i64 = 86_400_000;

/// An entry of the audit log: what reports need of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrailEntry {
    /// Engine time, ms since 1970 UTC; `None` for what happens outside of it.
    pub ts: Option<i64>,
    /// Its kind: `order`, `refused`, `mode`, `alert`, ...
    pub kind: String,
    /// Its other members in their order, as text.
    pub fields: Vec<(String, String)>,
}

impl TrailEntry {
    fn field(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// How a report is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskSettings {
    /// Level of the forecast of a day's loss.
    pub level: Level,
    /// Most daily returns that a forecast or a comparison with the run's own history is made of.
    pub window: usize,
    /// Fewest of them.
    pub window_min: usize,
    /// From how many (robust) standard deviations on a value is anomalous.
    pub z: f64,
}

impl Default for RiskSettings {
    /// 95 %, from 20 to 60 days, 3 deviations.
    fn default() -> Self {
        Self { level: Level::FIVE_PERCENT, window: 60, window_min: 20, z: 3.0 }
    }
}

/// A change of the mode, an alert, a limit, or another event that is no order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskEvent {
    /// ms since 1970 UTC.
    pub ts: i64,
    /// Its kind in the audit log.
    pub kind: String,
    /// What it says.
    pub text: String,
}

/// One UTC day. What is known only from the audit log is `None` where the run has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskDay {
    /// Midnight at its beginning, ms since 1970 UTC.
    pub ts: i64,
    /// `2021-05-19`.
    pub date: String,
    /// Equity at the end of the day before; cash for the first day.
    pub open: f64,
    /// Highest of the values at its beginning and at the ends of its hours.
    pub high: f64,
    /// Lowest of them.
    pub low: f64,
    /// Equity at its end.
    pub close: f64,
    /// `close - open`.
    pub pnl: f64,
    /// `close / open - 1`; `None` where nothing was left at its beginning.
    pub day_return: Option<f64>,
    /// Deepest fall from the run's peak so far within the day, over all samples: zero or a negative fraction.
    pub drawdown: f64,
    /// Largest sum of absolute positions over equity at the ends of its hours: its leverage.
    pub leverage_max: Option<f64>,
    /// Long less short over equity at the end.
    pub net: Option<f64>,
    /// Mean of the daily returns of the days before, those that the forecast is made of.
    pub mean_before: Option<f64>,
    /// Their standard deviation.
    pub deviation_before: Option<f64>,
    /// The day's return in standard deviations from that mean.
    pub z: Option<f64>,
    /// Loss forecast for the day at the end of the day before, a positive fraction of equity.
    pub var: Option<f64>,
    /// Whether the loss of the day was larger; `None` without a forecast.
    pub breached: Option<bool>,
    /// Round trips closed.
    pub trades: u64,
    /// Their profit after fees.
    pub trades_pnl: f64,
    /// The round trip with the largest loss: instrument and profit after fees; `None` without a loss.
    pub worst_trade: Option<(String, f64)>,
    /// Orders that left.
    pub orders: Option<u64>,
    /// Fills.
    pub fills: Option<u64>,
    /// Refusals, by reason.
    pub refusals: Option<BTreeMap<String, u64>>,
    /// Alerts.
    pub alerts: Option<u64>,
    /// Changes of the mode.
    pub modes: Option<u64>,
}

impl RiskDay {
    /// Refusals of all reasons.
    #[must_use]
    pub fn refused(&self) -> Option<u64> {
        self.refusals.as_ref().map(|by_reason| by_reason.values().sum())
    }
}

/// A figure of the report beside the engine's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// What.
    pub figure: String,
    /// As this report has it.
    pub report: f64,
    /// As the engine left it in the summary.
    pub engine: f64,
    /// Whether they are equal, to the last bit.
    pub equal: bool,
}

/// A run beside another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Name of the run; the first is the report's own.
    pub name: String,
    /// Days.
    pub days: u64,
    /// Return over the run.
    pub total_return: Option<f64>,
    /// Standard deviation of its daily returns.
    pub deviation: Option<f64>,
    /// Its worst day.
    pub worst_day: Option<f64>,
    /// Its deepest fall from a peak.
    pub max_drawdown: f64,
    /// Largest leverage at the end of an hour.
    pub leverage_max: Option<f64>,
    /// Days with a loss beyond its forecast.
    pub breaches: u64,
    /// Days with a forecast.
    pub forecasts: u64,
    /// Orders.
    pub orders: u64,
    /// Refusals.
    pub refusals: u64,
    /// Round trips closed.
    pub trades: u64,
    /// Days that both runs have.
    pub shared: u64,
    /// Correlation of the returns of those days with the report's own; `None` for itself and where one does not move.
    pub correlation: Option<f64>,
    /// Mean of its return less the report's own on those days.
    pub mean_difference: Option<f64>,
}

/// A run, day by day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskReport {
    /// Name of the run.
    pub name: String,
    /// `backtest` or `paper`.
    pub run: String,
    /// Under which limits it traded.
    pub risk_profile: String,
    /// The asset that amounts are in.
    pub quote: String,
    /// Fingerprint of inputs and decisions.
    pub digest: String,
    /// Whether it has an audit log.
    pub audited: bool,
    /// Confidence of the forecasts.
    pub level: f64,
    /// How a forecast is made.
    pub forecast: String,
    /// Cash at the start.
    pub initial_cash: f64,
    /// Equity at the end; `None` where a price is missing.
    pub closing_equity: Option<f64>,
    /// Profit over the run.
    pub pnl: Option<f64>,
    /// Deepest fall from a peak over all samples.
    pub max_drawdown: f64,
    /// Round trips closed.
    pub trades: u64,
    /// Days with a loss beyond its forecast.
    pub breaches: u64,
    /// Days with a forecast.
    pub forecasts: u64,
    /// How many breaches there should be.
    pub breaches_expected: f64,
    /// The days.
    pub days: Vec<RiskDay>,
    /// Changes of the mode, alerts, limits and the like, by time.
    pub events: Vec<RiskEvent>,
    /// What stood out against the run's own history.
    pub anomalies: Vec<Anomaly>,
    /// Totals beside the engine's own.
    pub agreement: Vec<Agreement>,
    /// This run and those that it is compared with; empty without another one.
    pub against: Vec<Compared>,
}

/// Makes the report of a run. `trail` holds the entries of its audit log; `others` are runs to compare it with.
#[must_use]
pub fn risk_report(
    run: &RunReport,
    trail: Option<&[TrailEntry]>,
    others: &[RunReport],
    settings: &RiskSettings,
) -> RiskReport {
    let s = &run.summary;
    let mut days = equity_days(run);
    take_trades(&mut days, &run.trades);
    let events = take_trail(&mut days, trail);
    forecast(&mut days, settings);
    let raised = anomalies(&days, settings);
    let forecasts = days.iter().filter(|d| d.breached.is_some()).count() as u64;
    let mut report = RiskReport {
        name: run.name.clone(),
        run: s.run.clone(),
        risk_profile: s.risk_profile.clone(),
        quote: s.quote.clone(),
        digest: s.digest.clone(),
        audited: trail.is_some(),
        level: settings.level.confidence(),
        forecast: format!(
            "the larger of historical and normal value at risk of one day, from the run's own daily returns of the {} to {} days before",
            settings.window_min, settings.window
        ),
        initial_cash: s.initial_cash,
        closing_equity: days.last().map(|d| d.close),
        pnl: days.last().map(|d| d.close - s.initial_cash),
        max_drawdown: days.iter().map(|d| d.drawdown).fold(0.0, f64::min),
        trades: days.iter().map(|d| d.trades).sum(),
        breaches: days.iter().filter(|d| d.breached == Some(true)).count() as u64,
        forecasts,
        breaches_expected: forecasts as f64 * settings.level.tail(),
        days,
        events,
        anomalies: raised,
        agreement: Vec::new(),
        against: Vec::new(),
    };
    report.agreement = agreement(run, &report);
    if !others.is_empty() {
        report.against = std::iter::once(run).chain(others).map(|one| compared(one, run, settings)).collect();
    }
    report
}

/// The day of a value that is known at `ts`: one at midnight belongs to the day that ends there.
const fn day_of_value(ts: i64) -> i64 {
    (ts - 1).div_euclid(DAY_MS)
}

/// Days of the equity rows.
fn equity_days(run: &RunReport) -> Vec<RiskDay> {
    let s = &run.summary;
    let mut days: Vec<RiskDay> = Vec::new();
    let mut own = DrawdownTracker::new();
    own.update(s.initial_cash);
    let mut before = s.initial_cash;
    for row in &run.equity {
        let ts = day_of_value(row.ts) * DAY_MS;
        if days.last().is_none_or(|day| day.ts != ts) {
            days.push(RiskDay { ts, date: date(ts), open: before, high: before, low: before, ..RiskDay::default() });
        }
        let here = own.update(row.equity);
        before = row.equity;
        if let Some(day) = days.last_mut() {
            take_row(day, row, here);
        }
    }
    // The last row is the value of the end in doubles; the summary has the exact one, rounded once.
    if let (Some(day), Some(end)) = (days.last_mut(), s.final_equity)
        && (day.close - end).abs() <= 1e-9 * end.abs()
    {
        day.close = end;
    }
    for day in &mut days {
        day.pnl = day.close - day.open;
        day.day_return = (day.open > 0.0).then(|| day.close / day.open - 1.0);
    }
    days
}

fn take_row(day: &mut RiskDay, row: &EquityRow, drawdown: f64) {
    day.high = day.high.max(row.equity);
    day.low = day.low.min(row.equity);
    day.close = row.equity;
    day.drawdown = day.drawdown.min(row.drawdown.unwrap_or(drawdown));
    if let Some(gross) = row.gross {
        day.leverage_max = Some(day.leverage_max.unwrap_or(0.0).max(gross));
    }
    day.net = row.net.or(day.net);
}

/// The day to which something at `ts` belongs; what happens behind the last day counts to it.
fn day_at(days: &mut [RiskDay], ts: i64) -> Option<&mut RiskDay> {
    let begin = ts.div_euclid(DAY_MS) * DAY_MS;
    let at = days.partition_point(|day| day.ts < begin).min(days.len().checked_sub(1)?);
    days.get_mut(at)
}

fn take_trades(days: &mut [RiskDay], trades: &[Trade]) {
    for trade in trades {
        let Some(day) = day_at(days, trade.exit_ts) else { return };
        day.trades += 1;
        day.trades_pnl += trade.pnl;
        if trade.pnl < day.worst_trade.as_ref().map_or(0.0, |(_, pnl)| *pnl) {
            day.worst_trade = Some((trade.symbol.clone(), trade.pnl));
        }
    }
}

/// Kinds that are counted, and not told one by one.
const COUNTED: [&str; 14] = [
    "order",
    "cancel",
    "signal",
    "refused",
    "accepted",
    "triggered",
    "rejected",
    "filled",
    "canceled",
    "expired",
    "cancel-rejected",
    "amended",
    "amend-rejected",
    "status",
];
/// Kinds that belong to the run or the account and say nothing about risk.
const LEFT_OUT: [&str; 6] = ["start", "input", "definition", "end", "funding", "transfer"];
/// Members that an event does not show.
const HIDDEN: [&str; 2] = ["account", "venue_time"];

fn take_trail(days: &mut [RiskDay], trail: Option<&[TrailEntry]>) -> Vec<RiskEvent> {
    let Some(trail) = trail else { return Vec::new() };
    for day in days.iter_mut() {
        (day.orders, day.fills, day.alerts, day.modes) = (Some(0), Some(0), Some(0), Some(0));
        day.refusals = Some(BTreeMap::new());
    }
    let mut events = Vec::new();
    for entry in trail {
        let kind = entry.kind.as_str();
        if LEFT_OUT.contains(&kind) {
            continue;
        }
        if !COUNTED.contains(&kind) {
            let said = entry.fields.iter().filter(|(key, _)| !HIDDEN.contains(&key.as_str()));
            // `alert black_swan` says it once.
            let words = said.map(|(key, value)| if key == kind { value.clone() } else { format!("{key} {value}") });
            let text = words.collect::<Vec<_>>().join(", ");
            // What has no engine time (a recovery) stands where it stands in the log.
            let before = events.last().map_or_else(|| days.first().map_or(0, |d| d.ts), |e: &RiskEvent| e.ts);
            events.push(RiskEvent { ts: entry.ts.unwrap_or(before), kind: kind.to_owned(), text });
        }
        let Some(day) = entry.ts.and_then(|ts| day_at(days, ts)) else { continue };
        let counter = match kind {
            "order" => &mut day.orders,
            "filled" => &mut day.fills,
            "alert" => &mut day.alerts,
            "mode" => &mut day.modes,
            "refused" => {
                let reason = entry.field("reason").unwrap_or("unknown").to_owned();
                *day.refusals.get_or_insert_default().entry(reason).or_default() += 1;
                continue;
            }
            _ => continue,
        };
        *counter = Some(counter.unwrap_or(0) + 1);
    }
    events
}

/// For each day mean and deviation of the returns before it, the forecast made of them, and whether it held.
fn forecast(days: &mut [RiskDay], settings: &RiskSettings) {
    let returns: Vec<Option<f64>> = days.iter().map(|d| d.day_return).collect();
    let mut sample = Vec::with_capacity(settings.window);
    for (n, day) in days.iter_mut().enumerate() {
        // The first return reaches from the cash to the end of a day that may have begun at any hour: it counts like the others.
        sample.clear();
        sample.extend(returns[n.saturating_sub(settings.window)..n].iter().flatten());
        if sample.len() < settings.window_min.max(2) {
            continue;
        }
        let mut moments = Moments::new();
        moments.extend(sample.iter().copied());
        day.mean_before = moments.mean();
        day.deviation_before = moments.standard_deviation();
        let before = day.mean_before.zip(day.deviation_before.filter(|deviation| *deviation > 0.0));
        day.z = before.zip(day.day_return).map(|((mean, deviation), r)| (r - mean) / deviation);
        let forecasts = [Model::Historical, Model::Normal].map(|model| model.forecast(&sample, settings.level));
        day.var = forecasts.into_iter().flatten().map(|f| f.var).reduce(f64::max);
        day.breached = day.var.zip(day.day_return).map(|(var, r)| -r > var);
    }
}

/// Totals beside those of the summary. A run without records of its equity has none to compare.
fn agreement(run: &RunReport, report: &RiskReport) -> Vec<Agreement> {
    let s = &run.summary;
    let mut all = Vec::new();
    let mut add = |figure: &str, report: Option<f64>, engine: Option<f64>| {
        if let Some((report, engine)) = report.zip(engine) {
            all.push(Agreement { figure: figure.to_owned(), report, engine, equal: report == engine });
        }
    };
    add("closing equity", report.closing_equity, s.final_equity);
    add("profit and loss", report.pnl, s.final_equity.map(|end| end - s.initial_cash));
    if !report.days.is_empty() {
        add("largest drawdown", Some(report.max_drawdown), Some(s.max_drawdown));
        add("closed trades", Some(report.trades as f64), Some(s.trades_closed as f64));
    }
    let sum = |value: fn(&RiskDay) -> Option<u64>| -> Option<f64> {
        (report.audited && !report.days.is_empty()).then(|| report.days.iter().filter_map(value).sum::<u64>() as f64)
    };
    add("orders", sum(|d| d.orders), Some(s.orders as f64));
    add("fills", sum(|d| d.fills), Some(s.fills as f64));
    add("refusals", sum(RiskDay::refused), Some(s.refusals.values().sum::<u64>() as f64));
    all
}

/// The figures of a run beside those of the report's own.
fn compared(one: &RunReport, own: &RunReport, settings: &RiskSettings) -> Compared {
    let mut days = equity_days(one);
    forecast(&mut days, settings);
    let s = &one.summary;
    let returns = || days.iter().filter_map(|d| d.day_return);
    let mut moments = Moments::new();
    moments.extend(returns());
    let is_self = std::ptr::eq(one, own);
    let theirs: BTreeMap<i64, f64> = days.iter().filter_map(|d| Some((d.ts, d.day_return?))).collect();
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for day in equity_days(own) {
        if let (Some(r), Some(other)) = (day.day_return, theirs.get(&day.ts)) {
            x.push(r);
            y.push(*other);
        }
    }
    let differences = || x.iter().zip(&y).map(|(own, other)| other - own);
    Compared {
        name: one.name.clone(),
        days: days.len() as u64,
        total_return: s.total_return,
        deviation: moments.standard_deviation(),
        worst_day: returns().reduce(f64::min),
        max_drawdown: s.max_drawdown,
        leverage_max: days.iter().filter_map(|d| d.leverage_max).reduce(f64::max),
        breaches: days.iter().filter(|d| d.breached == Some(true)).count() as u64,
        forecasts: days.iter().filter(|d| d.breached.is_some()).count() as u64,
        orders: s.orders,
        refusals: s.refusals.values().sum(),
        trades: s.trades_closed,
        shared: x.len() as u64,
        correlation: if is_self { None } else { pearson(&x, &y) },
        mean_difference: (!is_self && !x.is_empty()).then(|| differences().sum::<f64>() / x.len() as f64),
    }
}

/// Columns of the days as CSV.
const COLUMNS: &str = "date,open,high,low,close,pnl,return,drawdown,leverage_max,net_exposure,mean_before,deviation_before,z,var,breached,trades,trades_pnl,\
worst_trade_symbol,worst_trade_pnl,orders,fills,refusals,refusals_by_reason,alerts,modes";

/// The days as CSV, a row a day; what is not known is empty.
#[must_use]
pub fn risk_csv(report: &RiskReport) -> String {
    fn some<T: std::fmt::Display>(value: Option<T>) -> String {
        value.map_or_else(String::new, |v| v.to_string())
    }
    let mut out = format!("{COLUMNS}\n");
    for d in &report.days {
        let by_reason = d.refusals.iter().flatten().map(|(reason, n)| format!("{reason}={n}")).collect::<Vec<_>>();
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            d.date,
            d.open,
            d.high,
            d.low,
            d.close,
            d.pnl,
            some(d.day_return),
            d.drawdown,
            some(d.leverage_max),
            some(d.net),
            some(d.mean_before),
            some(d.deviation_before),
            some(d.z),
            some(d.var),
            some(d.breached.map(u8::from)),
            d.trades,
            d.trades_pnl,
            csv_field(d.worst_trade.as_ref().map_or("", |(symbol, _)| symbol)),
            some(d.worst_trade.as_ref().map(|(_, pnl)| *pnl)),
            some(d.orders),
            some(d.fills),
            some(d.refused()),
            csv_field(&by_reason.join(" ")),
            some(d.alerts),
            some(d.modes)
        );
    }
    out
}

/// Text of a CSV, in quotes where it needs them.
pub(super) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::RunSummary;

    /// A run of so many days that wins a little every day, and loses on some days.
    pub(in super::super) fn run(days: i64, losses: &[(i64, f64)]) -> RunReport {
        let mut equity = vec![];
        let (mut worth, mut peak, mut deepest) = (1_000.0, 1_000.0_f64, 0.0_f64);
        for day in 0..days {
            let wave = [0.002, -0.001, 0.001, 0.003, -0.002][(day % 5) as usize];
            let r = losses.iter().find(|(at, _)| *at == day).map_or(wave, |(_, r)| *r);
            for (hour, part) in [(12, 0.5), (24, 0.5)] {
                worth *= 1.0 + part * r;
                peak = peak.max(worth);
                let drawdown = worth / peak - 1.0;
                deepest = deepest.min(drawdown);
                equity.push(EquityRow {
                    ts: day * DAY_MS + hour * 3_600_000,
                    equity: worth,
                    hold: None,
                    drawdown: Some(drawdown),
                    gross: Some(0.5 + 0.01 * (day % 3) as f64),
                    net: Some(0.5),
                });
            }
        }
        let trade =
            |day: i64, pnl: f64| Trade { symbol: "BTCUSDT".into(), exit_ts: day * DAY_MS, pnl, ..Trade::default() };
        let trades = vec![trade(1, -2.0), trade(1, 5.0), trade(1, -3.5), trade(days, 1.0)];
        RunReport {
            name: "r".into(),
            summary: RunSummary {
                run: "paper".into(),
                initial_cash: 1_000.0,
                final_equity: Some(worth),
                total_return: Some(worth / 1_000.0 - 1.0),
                trades_closed: 4,
                max_drawdown: deepest,
                orders: 2,
                fills: 1,
                refusals: BTreeMap::from([("position_limit".into(), 2)]),
                ..RunSummary::default()
            },
            trades,
            equity,
            marks: vec![],
        }
    }

    pub(in super::super) fn entry(ts: i64, kind: &str, fields: &[(&str, &str)]) -> TrailEntry {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TrailEntry { ts: Some(ts), kind: kind.into(), fields }
    }

    #[test]
    fn days_are_cut_at_midnight_and_add_up_to_the_run() {
        let run = run(40, &[(30, -0.05)]);
        let trail = [
            entry(5 * DAY_MS, "order", &[]),
            entry(5 * DAY_MS + 1, "order", &[]),
            entry(6 * DAY_MS - 1, "filled", &[]),
            entry(7 * DAY_MS, "refused", &[("reason", "position_limit")]),
            entry(99 * DAY_MS, "refused", &[("reason", "position_limit")]),
            entry(30 * DAY_MS + 5, "mode", &[("to", "emergency"), ("cause", "kill"), ("account", "0")]),
            entry(30 * DAY_MS + 6, "alert", &[("alert", "naked")]),
            TrailEntry { ts: None, kind: "recovery".into(), fields: vec![] },
        ];
        let report = risk_report(&run, Some(&trail), &[], &RiskSettings::default());
        assert_eq!(report.days.len(), 40);
        assert_eq!((report.days[0].date.as_str(), report.days[39].date.as_str()), ("1970-01-01", "1970-02-09"));
        for pair in report.days.windows(2) {
            assert_eq!(pair[0].close, pair[1].open);
        }
        assert!(report.agreement.iter().all(|a| a.equal), "{:?}", report.agreement);
        assert_eq!(report.agreement.len(), 7);
        let day = &report.days[1];
        assert_eq!((day.trades, day.trades_pnl), (3, -0.5));
        assert_eq!(day.worst_trade, Some(("BTCUSDT".to_owned(), -3.5)));
        assert_eq!((report.days[39].trades, report.days[39].refused()), (1, Some(1)));
        assert_eq!(
            (report.days[5].orders, report.days[5].fills, report.days[7].refused()),
            (Some(2), Some(1), Some(1))
        );
        assert_eq!((report.days[30].modes, report.days[30].alerts), (Some(1), Some(1)));
        assert_eq!(report.events[0].text, "to emergency, cause kill");
        assert_eq!(report.events[1].text, "naked");
        assert_eq!(report.events[2].ts, report.events[1].ts);
        assert_eq!(report.days[30].leverage_max, Some(0.5));
    }

    #[test]
    fn a_forecast_is_of_the_days_before_and_is_breached_by_a_larger_loss() {
        let run = run(40, &[(30, -0.05)]);
        let report = risk_report(&run, None, &[], &RiskSettings::default());
        assert_eq!(report.days.iter().filter(|d| d.var.is_some()).map(|d| d.ts / DAY_MS).min(), Some(20));
        assert_eq!((report.forecasts, report.breaches_expected), (20, 1.0));
        let day = &report.days[30];
        assert_eq!(day.breached, Some(true));
        assert!((0.001..0.004).contains(&day.var.unwrap()), "{day:?}");
        // The days before win 0.06 % in the mean of each five.
        assert!((day.mean_before.unwrap() - 0.0006).abs() < 1e-4, "{day:?}");
        let z = (day.day_return.unwrap() - day.mean_before.unwrap()) / day.deviation_before.unwrap();
        assert!(day.z == Some(z) && z < -20.0, "{day:?}");
        assert!(report.days[31].var.unwrap() > day.var.unwrap() * 2.0);
        // Another loss on that day changes no forecast up to it.
        let other = risk_report(&self::run(40, &[(30, -0.2)]), None, &[], &RiskSettings::default());
        assert_eq!(other.days[30].var, day.var);
        assert_eq!((day.orders, day.refused(), report.audited), (None, None, false));
    }

    #[test]
    fn a_figure_that_differs_from_the_engine_is_told() {
        let mut run = run(3, &[]);
        run.summary.max_drawdown = -0.5;
        run.summary.final_equity = Some(7.0);
        let report = risk_report(&run, None, &[], &RiskSettings::default());
        let wrong: Vec<&str> = report.agreement.iter().filter(|a| !a.equal).map(|a| a.figure.as_str()).collect();
        assert_eq!(wrong, ["closing equity", "profit and loss", "largest drawdown"]);
    }

    #[test]
    fn runs_are_compared_on_the_days_they_share() {
        let (own, other) = (run(40, &[]), run(30, &[(25, -0.05)]));
        let report = risk_report(&own, None, std::slice::from_ref(&other), &RiskSettings::default());
        let [first, second] = report.against.as_slice() else { panic!("two runs") };
        assert_eq!((first.shared, first.correlation, first.days), (40, None, 40));
        assert_eq!((second.shared, second.days, second.breaches), (30, 30, 1));
        assert!(second.correlation.unwrap() > 0.0 && second.mean_difference.unwrap() < 0.0);
        assert_eq!(second.worst_day.map(|r| (r * 1e4).round()), Some(-494.0));
    }

    #[test]
    fn csv_has_a_field_for_every_column() {
        let mut run = run(25, &[]);
        run.trades[2].symbol = "A,B\"".into();
        let csv = risk_csv(&risk_report(&run, None, &[], &RiskSettings::default()));
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 26);
        let columns = lines[0].split(',').count();
        assert!(lines.iter().enumerate().all(|(n, line)| n == 2 || line.split(',').count() == columns));
        assert!(lines[2].contains("\"A,B\"\"\",-3.5,,,,,,"), "{}", lines[2]);
    }

    #[test]
    fn a_run_without_records_has_no_days() {
        let mut run = run(3, &[]);
        run.equity.clear();
        let report = risk_report(&run, Some(&[entry(1, "order", &[])]), &[], &RiskSettings::default());
        assert_eq!((report.days.len(), report.closing_equity, report.agreement.len()), (0, None, 0));
    }
}
