//! Reference backtests: a strategy over one series of opens and closes, run as `bot4 backtest` runs it.
//!
//! In:  `fast, slow, enter_signal_bar, fee, cash, size` and the columns `open, close` (`high, low, volume` where they are given).
//! Out: trades by bar, the equity at every close, the deepest drawdown; and the digest of the run.
//!
//! The series become candles through the same reader as a file with these rows, one candle a day from 2000-01-01, of a `generic`
//! instrument with 11 decimals: digits past them are rounded and counted. From there on engine, risk (off), simulated venue and ledger
//! are those of every run. A column that is not given is not guessed at: the high is the larger of open and close, the low the smaller,
//! the volume 0.

use super::answer::{Answer, CaseError, Column};
use crate::runner::drive::{Silent, drive};
use crate::runner::plan::{self, ACCOUNT, Plan, RunConfig, Units};
use crate::runner::record::{Probe, Recorder};
use domain::{AccountReport, Money, Observer, Rate, SizeRequest, UnixNanos};
use engine::Engine;
use quant::catalogue::{CalcError, Params, Value};
use risk::{Command, Profile, ReleaseError};
use serde::Serialize;
use sim::VenueConfig;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use store::history::{self, BadRows, Decimals, Input, Options, Symbols};
use strategy::{Blueprint, StopRule};

/// The columns that are needed.
pub(super) const INPUTS: &[&str] = &["open", "close"];

/// Decimals of prices and quantities: enough for any series below 92 million.
const DECIMALS: Decimals = Decimals { price: 11, quantity: 11 };
/// 2000-01-01.
const START: UnixNanos = UnixNanos(946_684_800_000_000_000);
/// Length of a candle, in seconds.
const DAY: u32 = 86_400;
/// Candles of longer series are minutes: days would pass the year 2262, where stamps end.
const DAYS_MAX: usize = 90_000;

/// A strategy with a reference definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Long while the fast average is above the slow one, from cross to cross.
    SmaCross,
    /// Buys once.
    BuyAndHold,
}

impl Rule {
    /// All.
    pub const ALL: [Self; 2] = [Self::SmaCross, Self::BuyAndHold];

    /// Its name in a case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmaCross => "sma_cross",
            Self::BuyAndHold => "buy_and_hold",
        }
    }

    /// What it does, in one line.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::SmaCross => {
                "backtest: in when SMA(fast) crosses above SMA(slow), out when below; fills at the next open"
            }
            Self::BuyAndHold => "backtest: in on the signal of bar enter_signal_bar, never out; fills at the next open",
        }
    }
}

/// A parameter of both strategies: name, what is expected.
pub(super) const PARAMS: [(&str, &str); 6] = [
    ("fast", "bars of the fast average (sma_cross)"),
    ("slow", "bars of the slow average, more than fast (sma_cross)"),
    ("enter_signal_bar", "the bar, from 0, at whose close the signal comes (buy_and_hold)"),
    ("fee", "a fee rate such as 0.001, taken from cash on entry and exit"),
    ("cash", "cash at the start, above 0"),
    ("size", "words that say `fractional` or `whole units`: all cash is spent"),
];

/// The outputs, in order.
pub(super) const OUTPUTS: [&str; 6] =
    ["trades", "open_trade", "equity", "final_equity", "max_drawdown_on_closes", "n_trades_closed"];

/// What is to be known about a run beside its result.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunFacts {
    /// Fingerprint of inputs and decisions, as `bot4 backtest` reports it for the same bars.
    pub digest: String,
    /// Bars.
    pub events: u64,
    /// Figures that were rounded to 11 decimals.
    pub rounded: u64,
    /// Orders that left.
    pub orders: u64,
    /// Fills that came back.
    pub fills: u64,
    /// What the venue refused, by reason.
    pub venue_rejects: BTreeMap<&'static str, u64>,
}

/// Watches a run as every recorder does, and keeps the account's value at each close.
struct AtCloses {
    recorder: Recorder,
    equity: Vec<Option<f64>>,
}

impl Observer for AtCloses {
    const ACTIVE: bool = false;
}

impl Probe for AtCloses {
    fn sample(&mut self, ts: UnixNanos, engine: &Engine) {
        self.equity.push(engine.equity(ACCOUNT).map(Money::to_f64));
        self.recorder.sample(ts, engine);
    }

    fn command(&mut self, ts: UnixNanos, command: &Command) {
        self.recorder.command(ts, command);
    }

    fn report(&mut self, ts: UnixNanos, report: &AccountReport, engine: &Engine) {
        self.recorder.report(ts, report, engine);
    }

    fn not_sent(&mut self, ts: UnixNanos, error: &ReleaseError) {
        self.recorder.not_sent(ts, error);
    }
}

/// Runs a case.
///
/// # Errors
/// [`CaseError`] for parameters and columns that cannot be used, and for runs that could not be done.
pub(super) fn answer(rule: Rule, params: &Params, columns: &[Column<'_>]) -> Result<Answer, CaseError> {
    let config = configure(rule, params)?;
    let failed = |error: &dyn std::fmt::Display| CaseError::Run(error.to_string());
    let (text, rows) = bars(columns)?;
    let interval_s = if rows <= DAYS_MAX { DAY } else { 60 };
    let options = Options {
        symbols: Symbols::Only(vec!["CASE".into()]),
        interval_s: Some(interval_s),
        start: Some(START),
        instrument: Some(DECIMALS),
        // A bar that is left out would shift those after it against the case's own numbers.
        bad_rows: BadRows::Refuse,
        ..Options::default()
    };
    let input = Input::Memory { name: "bars".into(), bytes: text.into_bytes().into() };
    let series = history::discover(&[input], &options).map_err(|e| failed(&e))?;
    let (table, listed) = plan::list(&series).map_err(|e| failed(&e))?;
    let plan = Plan::new(&config, &table, &listed).map_err(|e| failed(&e))?;
    let findings = Arc::new(Mutex::new(Vec::new()));
    let inputs = crate::runner::source::watched(plan::open(&series).map_err(|e| failed(&e))?, &findings);
    let mut begin = plan.begin();
    let Plan { mut session, recorder, .. } = plan;
    let mut probe = AtCloses { recorder, equity: Vec::with_capacity(rows) };
    let never = AtomicBool::new(false);
    let driven =
        drive(&mut session, inputs, &mut probe, &mut Silent, &never, &mut |session, ts, probe: &mut AtCloses| {
            begin(session, ts, &mut probe.recorder)
        })
        .map_err(|e| failed(&e))?;
    let engine = &session.engine;
    if let Some(fault) = engine.faults().first() {
        return Err(failed(fault));
    }

    let bar = |ts: UnixNanos| Value::Integer(bar_of(ts, interval_s));
    let named = |entries: Vec<(&str, Value)>| {
        Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let recorder = &probe.recorder;
    let trades = recorder.trips.iter().map(|trip| {
        named(vec![
            ("entry_bar", bar(trip.entry_ts)),
            ("entry_price", trip.entry_price_f64.into()),
            ("size", trip.quantity.to_f64().into()),
            ("exit_bar", bar(trip.exit_ts)),
            ("exit_price", trip.exit_price_f64.into()),
            ("pnl_net", trip.pnl.to_f64().into()),
        ])
    });
    let open_trade = engine.round_trips().open().next().map_or(Value::Missing, |trip| {
        named(vec![
            ("entry_bar", bar(trip.entry_ts)),
            ("entry_price", trip.entry_price_f64.into()),
            ("size", trip.quantity.to_f64().into()),
        ])
    });
    let values = [
        Value::List(trades.collect()),
        open_trade,
        Value::Series(probe.equity),
        engine.equity(ACCOUNT).map(Money::to_f64).into(),
        recorder.equity.max_drawdown().into(),
        recorder.trips.len().into(),
    ];
    let run = RunFacts {
        digest: engine.digest().to_string(),
        events: driven.events,
        rounded: findings.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|f| f.rounded).sum(),
        orders: recorder.orders,
        fills: recorder.fills,
        venue_rejects: recorder.rejects.clone(),
    };
    Ok(Answer { outputs: OUTPUTS.into_iter().zip(values).collect(), run: Some(run) })
}

/// The number of the bar that begins at `ts`.
fn bar_of(ts: UnixNanos, interval_s: u32) -> i64 {
    let seconds = ts.since(START).0 / domain::time::NANOS_PER_SECOND;
    i64::try_from(seconds / u64::from(interval_s)).unwrap_or(i64::MAX)
}

/// The run that the parameters describe: that of `bot4 backtest --risk off --size all-in` with the strategy and fee of the case.
fn configure(rule: Rule, params: &Params) -> Result<RunConfig, CaseError> {
    if let Some((name, _)) = params.iter().find(|(name, _)| PARAMS.iter().all(|(known, _)| known != name)) {
        let expected = "one of fast, slow, enter_signal_bar, fee, cash, size";
        return Err(CaseError::Param { name: name.to_owned(), value: "...".into(), expected });
    }
    let wrong = |name: &str, value: String, expected| CaseError::Param { name: name.to_owned(), value, expected };
    let mut given = strategy::Params::default();
    let mut pass = |name: &'static str, own: &str| -> Result<(), CaseError> {
        given.set_default(own, &text_of(params, name)?);
        Ok(())
    };
    let kind = match rule {
        Rule::SmaCross => {
            pass("fast", "fast")?;
            pass("slow", "slow")?;
            given.set_default("enter", "cross");
            "sma-cross"
        }
        Rule::BuyAndHold => {
            pass("enter_signal_bar", "enter_bar")?;
            "buy-and-hold"
        }
    };
    let blueprint = Blueprint::new(kind, given, SizeRequest::AllIn, StopRule::None).map_err(CaseError::Strategy)?;
    let size = text_of(params, "size")?;
    let units = match (size.contains("whole"), size.contains("fractional")) {
        (true, false) => Units::Whole,
        (false, true) => Units::Fractional,
        _ => return Err(wrong("size", size, "words that say `fractional` or `whole units`")),
    };
    let fee_text = text_of(params, "fee")?;
    let fee = Rate::parse(&fee_text).ok().filter(|fee| (Rate::ZERO..Rate::ONE).contains(fee));
    let fee = fee.ok_or_else(|| wrong("fee", fee_text, "a rate from 0 to below 1, with at most 12 decimals"))?;
    let cash_text = text_of(params, "cash")?;
    let cash = Money::parse(&cash_text).ok().filter(|cash| *cash > Money::ZERO);
    let cash = cash.ok_or_else(|| wrong("cash", cash_text, "an amount above 0, with at most 12 decimals"))?;
    Ok(RunConfig {
        cash,
        strategies: vec![blueprint],
        venue: VenueConfig::frictionless(),
        profile: Profile::Off,
        restricted: Vec::new(),
        units,
        schedule: None,
        fees: (Some(fee), Some(fee)),
        keep: true,
        reconcile_every: None,
    })
}

/// A parameter as it would stand on a command line.
fn text_of(params: &Params, name: &'static str) -> Result<String, CaseError> {
    let expected = PARAMS.iter().find(|(known, _)| *known == name).map_or("a value", |(_, expected)| *expected);
    match params.iter().find(|(given, _)| *given == name).map(|(_, value)| value) {
        Some(Value::Integer(i)) => Ok(i.to_string()),
        // Written without an exponent, with the shortest digits that read back the same.
        Some(Value::Number(n)) => Ok(n.to_string()),
        Some(Value::Text(text)) => Ok(text.clone()),
        Some(Value::Missing) | None => Err(CaseError::MissingParam { name, expected }),
        Some(_) => Err(CaseError::Param { name: name.to_owned(), value: "a list or object".into(), expected }),
    }
}

/// The case's columns as a table of candles, and the number of its rows.
fn bars(columns: &[Column<'_>]) -> Result<(String, usize), CaseError> {
    let find = |name: &str| columns.iter().find(|c| c.name == name);
    let need = |name: &str| {
        find(name)
            .ok_or_else(|| CaseError::Form(format!("inputs: expected the columns open and close, {name} is missing")))
    };
    let (open, close) = (need("open")?, need("close")?);
    if let Some(other) = columns.iter().find(|c| !["open", "high", "low", "close", "volume"].contains(&c.name.as_str()))
    {
        return Err(CaseError::Form(format!(
            "inputs.{}: expected open, close and at most high, low, volume",
            other.name
        )));
    }
    let rows = open.len();
    if let Some(other) = columns.iter().find(|c| c.len() != rows) {
        return Err(CaseError::Form(format!("inputs.{} has {} rows, open has {rows}", other.name, other.len())));
    }
    let (opens, closes) = (open.numbers()?, close.numbers()?);
    for (column, numbers) in [("open", &opens), ("close", &closes)] {
        if let Some(index) = numbers.iter().position(|n| !n.is_finite()) {
            return Err(CaseError::Calc(CalcError::InputNotFinite { column, index }));
        }
    }
    let mut text = String::from("open,high,low,close,volume\n");
    for (row, (o, c)) in opens.iter().zip(&closes).enumerate() {
        let (o_text, c_text) = (open.text(row), close.text(row));
        let or = |name: &str, other: &str| find(name).map_or_else(|| other.to_owned(), |column| column.text(row));
        let (high, low) = if o >= c { (&o_text, &c_text) } else { (&c_text, &o_text) };
        let line = [o_text.as_str(), &or("high", high), &or("low", low), &c_text, &or("volume", "0")].join(",");
        text.push_str(&line);
        text.push('\n');
    }
    Ok((text, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::calc::answer::Cells;

    fn column(name: &str, numbers: &[f64]) -> Column<'static> {
        Column { name: name.into(), cells: Cells::Numbers(numbers.to_vec()) }
    }

    fn params() -> Params {
        Params::new().with("fee", 0.25).with("cash", 1000.0).with("size", "whole units").with("enter_signal_bar", 0.0)
    }

    #[test]
    fn an_all_in_order_follows_the_open_at_which_it_fills() {
        let run = |open: f64| {
            let columns = [column("open", &[10.0, open, 20.0]), column("close", &[10.0, 16.0, 32.0])];
            answer(Rule::BuyAndHold, &params(), &columns).unwrap()
        };
        // The signal comes at the close of bar 0; 1000 buys floor(1000 / (8 x 1.25)) = 100 at 8 and floor(1000 / (16 x 1.25)) = 50 at 16.
        let size = |answer: &Answer| {
            let (_, Value::Map(open)) = &answer.outputs[1] else { panic!("{answer:?}") };
            open.iter().find(|(name, _)| name == "size").map(|(_, value)| value.clone())
        };
        assert_eq!(size(&run(8.0)), Some(Value::Number(100.0)));
        assert_eq!(size(&run(16.0)), Some(Value::Number(50.0)));
        assert_eq!(run(8.0).outputs[2], ("equity", Value::Series(vec![Some(1000.0), Some(1600.0), Some(3200.0)])));
        let (_, Value::Number(deepest)) = run(16.0).outputs[4] else { panic!("a number") };
        assert!((deepest + 0.2).abs() < 1e-15, "{deepest}: the fee, 50 x 16 x 0.25 of 1000");
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        let columns = [column("open", &[1.0, 2.0]), column("close", &[1.0, 2.0])];
        let says = |params: &Params, columns: &[Column<'_>]| {
            answer(Rule::BuyAndHold, params, columns).unwrap_err().to_string()
        };
        assert_eq!(
            says(&Params::new(), &columns),
            "parameter enter_signal_bar is missing: expected the bar, from 0, at whose close the signal comes (buy_and_hold)"
        );
        assert!(says(&params().with("stop", 1.0), &columns).starts_with("parameter stop = ...: expected one of fast"));
        let other = |name: &str, value: Value| {
            let mut changed = Params::new();
            params().iter().for_each(|(n, v)| changed.push(n, if n == name { value.clone() } else { v.clone() }));
            says(&changed, &columns)
        };
        assert!(other("fee", Value::Number(1.0)).starts_with("parameter fee = 1: expected a rate"));
        assert!(other("cash", Value::Number(0.0)).starts_with("parameter cash = 0: expected an amount above 0"));
        assert!(other("size", Value::Text("half".into())).starts_with("parameter size = half: expected words"));
        assert!(other("enter_signal_bar", Value::Number(0.5)).contains("enter_bar=0.5"));
        assert!(says(&params(), &columns[..1]).contains("close is missing"));
        assert!(says(&params(), &[columns[0].clone(), column("close", &[1.0])]).contains("has 1 rows, open has 2"));
        let bad = [column("open", &[1.0, 2.0]), column("close", &[1.0, f64::NAN])];
        assert_eq!(says(&params(), &bad), "input close: the value at index 1 is not a finite number");
        let slow = Params::new()
            .with("fast", 5.0)
            .with("slow", 3.0)
            .with("fee", 0.0)
            .with("cash", 1.0)
            .with("size", "fractional");
        let error = answer(Rule::SmaCross, &slow, &columns).unwrap_err().to_string();
        assert!(error.contains("slow=3: expected more than fast=5"), "{error}");
    }
}
