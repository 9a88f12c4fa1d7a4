//! The result of a run: one summary, as JSON for programs and as a table for people. The files of a run are in `run_files`.

use crate::command::inputs::time_text;
use crate::query::follow::Followed;
use crate::runner::drive::Driven;
use crate::runner::plan::ACCOUNT;
use crate::runner::record::Recorder;
use crate::runner::recovery::Recovery;
use crate::runner::run_folder::Build;
use crate::runner::run_inputs::SeriesRef;
use crate::runner::session::Session;
use crate::term::{ERROR, HEADING, Table, WARNING, styled};
use domain::{Instrument, Money, Quantity, StrategyIdx, UnixNanos};
use portfolio::dust::is_dust;
use portfolio::{Direction, RoundTrip};
use serde::Serialize;
use sim::Slippage;
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use crate::run_files::write_files;

/// A closed round trip.
#[derive(Clone, Debug, Serialize)]
pub struct TradeLine {
    /// Number of the strategy.
    pub strategy: u16,
    /// The strategy's name.
    pub name: String,
    /// The instrument.
    pub symbol: String,
    /// `long` or `short`.
    pub side: &'static str,
    /// When its first fill was booked, integer ms since 1970 UTC.
    pub entry_ts: i64,
    /// When its last fill was booked, integer ms since 1970 UTC.
    pub exit_ts: i64,
    /// All that was entered.
    pub quantity: f64,
    /// Average price of the entry.
    pub entry_price: f64,
    /// Average price of the exit.
    pub exit_price: f64,
    /// Fees, in quote.
    pub fees: f64,
    /// Profit after fees, in quote.
    pub pnl: f64,
}

/// An open position at the end.
#[derive(Clone, Debug, Serialize)]
pub struct PositionLine {
    /// Number of the strategy.
    pub strategy: u16,
    /// The strategy's name.
    pub name: String,
    /// The instrument.
    pub symbol: String,
    /// `long` or `short`.
    pub side: &'static str,
    /// When its first fill was booked, integer ms since 1970 UTC; null for what a closed trade left as dust.
    pub entry_ts: Option<i64>,
    /// Whether it is dust: too small to be traded away at the last price.
    pub dust: bool,
    /// Signed quantity held.
    pub quantity: f64,
    /// Average price of the entry.
    pub entry_price: f64,
    /// Last price.
    pub mark_price: Option<f64>,
    /// Profit that is not realised, in quote, before the fee of closing.
    pub unrealised_pnl: Option<f64>,
    /// Fees so far, in quote, without those that are in a closed trade.
    pub fees: f64,
    /// Realised so far by closing parts of it, in quote, before fees, without what is in a closed trade.
    pub realised_pnl: f64,
}

/// What buying and holding made of the same cash: equal parts at each instrument's first close, its taker fee paid.
#[derive(Clone, Debug, Serialize)]
pub struct HoldLine {
    /// Value at the end.
    pub final_equity: f64,
    /// Return over the run.
    pub total_return: f64,
    /// Deepest fall from a peak, of which the cash is the first.
    pub max_drawdown: f64,
}

/// What trading cost, in quote.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CostLine {
    /// Fees, valued at their fills.
    pub fees: f64,
    /// Funding paid less received.
    pub funding: f64,
    /// Slippage: 0 where the venue has none; null where it is inside the prices of the fills and not known apart.
    pub slippage: Option<f64>,
    /// Value traded by orders that rested.
    pub turnover_maker: f64,
    /// Value traded by orders that took.
    pub turnover_taker: f64,
}

/// What one strategy did, in quote.
#[derive(Clone, Debug, Serialize)]
pub struct StrategyLine {
    /// Number of the strategy.
    pub strategy: u16,
    /// The strategy's name.
    pub name: String,
    /// Fills.
    pub fills: u64,
    /// Closed round trips.
    pub trades: u64,
    /// Of those, with a profit after fees.
    pub wins: u64,
    /// Realised, before fees.
    pub realised: f64,
    /// Fees, valued at their fills.
    pub fees: f64,
    /// Not realised, at the last prices; null if one is missing.
    pub unrealised: Option<f64>,
    /// Value traded.
    pub turnover: f64,
}

/// Bad rows of the data.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DataLine {
    /// Rows left out.
    pub bad_rows: u64,
    /// The first of them, in words.
    pub first_bad_rows: Vec<String>,
    /// Numbers that were rounded to the instrument's decimals.
    pub rounded: u64,
    /// Gaps in the data.
    pub gaps: u64,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `backtest` or `paper`.
    pub run: &'static str,
    /// `standard`, `research` or `off`.
    pub risk_profile: &'static str,
    /// First time of the data, integer ms since 1970 UTC.
    pub start_ts: Option<i64>,
    /// Last time of the data, integer ms since 1970 UTC.
    pub end_ts: Option<i64>,
    /// The instruments.
    pub symbols: Vec<String>,
    /// The strategies, by number.
    pub strategies: Vec<String>,
    /// Market rows.
    pub events: u64,
    /// Seconds of reading and decoding.
    pub load_s: f64,
    /// Seconds of engine and venue.
    pub run_s: f64,
    /// Market rows per second of engine and venue.
    pub events_per_s: f64,
    /// The asset that all amounts are in.
    pub quote: String,
    /// Cash at the start.
    pub initial_cash: f64,
    /// Value of the account at the end; null if a price is missing.
    pub final_equity: Option<f64>,
    /// Return over the run.
    pub total_return: Option<f64>,
    /// Fees, valued in quote at their fills.
    pub fees_paid: f64,
    /// Funding received less paid, in quote.
    pub funding: f64,
    /// What trading cost.
    pub costs: CostLine,
    /// What each strategy did.
    pub by_strategy: Vec<StrategyLine>,
    /// Orders that left.
    pub orders: u64,
    /// Fills that came back.
    pub fills: u64,
    /// Closed round trips.
    pub trades_closed: u64,
    /// Share of them with a profit after fees.
    pub win_rate: Option<f64>,
    /// Refusals of the risk gates, by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// What the venue refused or ended by itself, by reason.
    pub venue_rejects: BTreeMap<&'static str, u64>,
    /// Approved orders that did not leave.
    pub not_sent: u64,
    /// Deepest fall from a peak of the account's value over bar closes: zero or a negative fraction.
    pub max_drawdown: f64,
    /// Sharpe ratio of UTC-day returns, annualised by the root of 365.
    pub sharpe: Option<f64>,
    /// Annualised volatility of UTC-day returns.
    pub volatility: Option<f64>,
    /// Closed round trips; empty with `--records none`.
    pub trades: Vec<TradeLine>,
    /// Open positions.
    pub open_positions: Vec<PositionLine>,
    /// What buying and holding did; null with `--records none`.
    pub buy_and_hold: Option<HoldLine>,
    /// Fingerprint of all inputs and decisions.
    pub digest: String,
    /// Fingerprint of the state of engine and venue at the end.
    pub state_digest: String,
    /// What was wrong with the data.
    pub data: DataLine,
    /// What must be looked at.
    pub faults: Vec<String>,
    /// Every assumption that the result rests on.
    pub assumptions: Vec<String>,
    /// How the run was recorded and went on; empty where it was not recorded.
    #[serde(flatten)]
    pub course: Course,
}

/// How a recorded run went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Course {
    /// Interruptions after which it went on.
    pub recoveries: Vec<Recovery>,
    /// Whether it was to go on with a run of which nothing had been recorded.
    pub started_afresh: bool,
    /// What it read, by reference.
    pub inputs: Vec<SeriesRef>,
    /// The configuration in force.
    pub config: Option<serde_json::Value>,
    /// The build that began it.
    pub build: Option<Build>,
    /// What of it is in the query store; nothing where that is off, or where the result is shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Followed>,
    /// Snapshots taken by the process that ended it.
    pub snapshots: u64,
    /// The longest that a snapshot held the trading thread, in microseconds.
    pub snapshot_held_us_max: f64,
}

/// What a summary is made of.
pub struct Material<'a> {
    /// `backtest` or `paper`.
    pub run: &'static str,
    /// The session at its end.
    pub session: &'a Session,
    /// The recorder, finished.
    pub recorder: &'a Recorder,
    /// What was driven.
    pub driven: &'a Driven,
    /// The instruments as they were traded.
    pub instruments: &'a [Instrument],
    /// Cash at the start.
    pub cash: Money,
    /// The strategies' parameters, by number.
    pub strategies: Vec<String>,
    /// Name of the risk profile.
    pub profile: &'static str,
    /// What was wrong with the data.
    pub data: DataLine,
    /// Assumptions beside the venue's.
    pub assumptions: Vec<String>,
}

impl Summary {
    /// Puts the result together.
    #[must_use]
    pub fn new(m: Material<'_>) -> Self {
        let engine = &m.session.engine;
        let ledger = engine.portfolio();
        let symbol =
            |idx: domain::InstrumentIdx| m.instruments.get(idx.index()).map_or_else(String::new, |i| i.symbol.clone());
        let name = |idx: domain::StrategyIdx| engine.strategy_names().nth(idx.index()).unwrap_or_default().to_owned();
        let equity = engine.equity(ACCOUNT).map(Money::to_f64);
        let cash = m.cash.to_f64();
        let quote = m.instruments.first().map(|i| i.quote);
        let fees = quote.and_then(|q| ledger.totals(ACCOUNT, q)).map_or(0.0, |t| t.fees.to_f64());
        let funding = quote.map_or(0.0, |q| ledger.funding_in(ACCOUNT, q).to_f64());
        let trades = m.recorder.trips.iter().map(|t| trade_line(t, symbol(t.instrument), name(t.strategy))).collect();
        let mut open_positions = Vec::new();
        for (account, idx, strategy, position) in ledger.positions() {
            let Some(i) = m.instruments.get(idx.index()) else { continue };
            let trip =
                engine.round_trips().open().find(|t| (t.account, t.instrument, t.strategy) == (account, idx, strategy));
            let mark = engine.view().mark(idx);
            open_positions.push(PositionLine {
                strategy: strategy.0,
                name: name(strategy),
                symbol: symbol(idx),
                side: if position.is_long() { "long" } else { "short" },
                entry_ts: trip.map(|t| t.entry_ts.as_millis()),
                dust: is_dust_at(i, position.quantity, mark),
                quantity: position.quantity.to_f64(),
                entry_price: trip
                    .map_or_else(|| position.cost.to_f64() / position.quantity.to_f64(), |t| t.entry_price_f64),
                mark_price: mark.map(|p| domain::decimal::mantissa_to_f64(p, i.price_decimals)),
                unrealised_pnl: ledger
                    .unrealised_of(account, idx, strategy, engine.table(), engine.view())
                    .map(Money::to_f64),
                fees: trip.map_or(0.0, |t| t.fees.to_f64()),
                realised_pnl: trip.map_or(0.0, |t| t.realised.to_f64()),
            });
        }
        let closed = m.recorder.trades;
        let by_strategy = by_strategy(&m);
        let counts = &m.recorder.by_strategy;
        let costs = CostLine {
            fees,
            funding: 0.0 - funding,
            slippage: (m.session.venue.config().slippage == Slippage::None).then_some(0.0),
            turnover_maker: counts.iter().map(|c| c.turnover_maker).sum(),
            turnover_taker: counts.iter().map(|c| c.turnover_taker).sum(),
        };
        Self {
            run: m.run,
            risk_profile: m.profile,
            start_ts: m.driven.first.map(UnixNanos::as_millis),
            end_ts: m.driven.last.map(UnixNanos::as_millis),
            symbols: m.instruments.iter().map(|i| i.symbol.clone()).collect(),
            strategies: m.strategies,
            events: m.driven.events,
            load_s: m.driven.load_s,
            run_s: m.driven.run_s,
            events_per_s: m.driven.events as f64 / m.driven.run_s.max(1e-9),
            quote: quote
                .and_then(|q| engine.table().assets().get(q.index()))
                .map_or_else(String::new, |asset| asset.code.clone()),
            initial_cash: cash,
            final_equity: equity,
            total_return: equity.map(|e| e / cash - 1.0),
            fees_paid: fees,
            funding,
            costs,
            by_strategy,
            orders: m.recorder.orders,
            fills: m.recorder.fills,
            trades_closed: closed,
            win_rate: (closed > 0).then(|| m.recorder.wins as f64 / closed as f64),
            refusals: m.recorder.refusals().collect(),
            venue_rejects: m.recorder.rejects.clone(),
            not_sent: m.recorder.not_sent,
            max_drawdown: m.recorder.equity.max_drawdown(),
            sharpe: m.recorder.equity.sharpe(),
            volatility: m.recorder.equity.volatility(),
            trades,
            open_positions,
            buy_and_hold: m.recorder.equity.hold().map(|(final_equity, max_drawdown)| HoldLine {
                final_equity,
                total_return: final_equity / cash - 1.0,
                max_drawdown,
            }),
            digest: engine.digest().to_string(),
            state_digest: m.session.state_digest().to_string(),
            data: m.data,
            faults: engine.faults().iter().map(ToString::to_string).collect(),
            assumptions: m.session.venue.assumptions().into_iter().chain(m.assumptions).collect(),
            course: Course::default(),
        }
    }

    /// The result as a table for people, plain and as wide as it is. Its first line says under which limits it was made.
    #[must_use]
    pub fn table(&self) -> String {
        anstream::adapter::strip_str(&self.styled(None)).to_string()
    }

    /// The table within so many characters, with styles in it: [`crate::term::print`] takes them out where they are not wanted.
    #[must_use]
    pub fn styled(&self, width: Option<usize>) -> String {
        let mut t = Table::new(2).left(24).right(16).right(16);
        let percent = |x: Option<f64>| x.map_or_else(|| "-".into(), |x| format!("{:+.2} %", 100.0 * x));
        let number = |x: Option<f64>| x.map_or_else(|| "-".into(), |x| format!("{x:.2}"));
        let when = |ts: Option<i64>| ts.and_then(UnixNanos::from_millis).map_or_else(|| "-".into(), time_text);
        let mut line = |name: &str, own: String, hold: String| t.row([name.to_owned(), own, hold]);
        let hold = self.buy_and_hold.as_ref();
        let heading = |text: &str| styled(HEADING, text);
        line("", heading("this run"), if hold.is_some() { heading("buy and hold") } else { String::new() });
        line(
            "final equity",
            number(self.final_equity),
            number(hold.map(|h| h.final_equity)).replace('-', if hold.is_some() { "-" } else { "" }),
        );
        line(
            "return after costs",
            percent(self.total_return),
            hold.map_or_else(String::new, |h| percent(Some(h.total_return))),
        );
        line(
            "largest drawdown",
            percent(Some(self.max_drawdown)),
            hold.map_or_else(String::new, |h| percent(Some(h.max_drawdown))),
        );
        line("Sharpe ratio (daily)", number(self.sharpe), String::new());
        line("fees paid", number(Some(self.fees_paid)), String::new());
        if self.funding != 0.0 {
            line("funding", number(Some(self.funding)), String::new());
        }
        line("orders / fills", format!("{} / {}", self.orders, self.fills), String::new());
        line("closed trades", self.trades_closed.to_string(), String::new());
        line("winning trades", percent(self.win_rate).replace('+', ""), String::new());
        let dust = self.open_positions.iter().filter(|p| p.dust).count();
        let and_dust = if dust > 0 { format!(" and {dust} of dust") } else { String::new() };
        line("open positions", format!("{}{and_dust}", self.open_positions.len() - dust), String::new());
        let mut out = match self.risk_profile {
            "standard" => "Risk: standard limits\n".to_owned(),
            "off" => {
                styled(WARNING, "RISK IS OFF: a research result; its orders could never go to a real venue") + "\n"
            }
            other => format!("Risk: {other} limits (a research result; its orders could never go to a real venue)\n"),
        };
        let _ = writeln!(
            out,
            "{} of {} from {} to {}",
            self.run,
            self.symbols.join(", "),
            when(self.start_ts),
            when(self.end_ts)
        );
        for (number, strategy) in self.strategies.iter().enumerate() {
            let _ = writeln!(out, "  strategy {number}: {strategy}");
        }
        out.push('\n');
        out.push_str(&t.render(width));
        let mut counts = |title: &str, counts: &BTreeMap<&str, u64>| {
            if !counts.is_empty() {
                let list: Vec<String> = counts.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
                let _ = writeln!(out, "\n{title}: {}", list.join(", "));
            }
        };
        counts("Refused by risk", &self.refusals);
        counts("Refused or ended by the venue", &self.venue_rejects);
        if self.data.bad_rows > 0 {
            let were = if self.data.bad_rows == 1 { "row was" } else { "rows were" };
            let _ = writeln!(out, "\n{} bad {were} left out:", self.data.bad_rows);
            for row in &self.data.first_bad_rows {
                let _ = writeln!(out, "  {row}");
            }
        }
        if self.data.gaps > 0 {
            let (gaps, them) = if self.data.gaps == 1 { ("gap", "it") } else { ("gaps", "them") };
            let _ = writeln!(out, "\n{} {gaps} in the data (`bot4 data check` lists {them})", self.data.gaps);
        }
        if !self.faults.is_empty() {
            let _ = writeln!(out, "\n{}", styled(ERROR, "FAULTS, after which no new risk was taken:"));
            for fault in &self.faults {
                let _ = writeln!(out, "  {fault}");
            }
        }
        out.push_str("\nAssumptions:\n");
        for assumption in &self.assumptions {
            let _ = writeln!(out, "  - {assumption}");
        }
        let _ = writeln!(
            out,
            "\n{} events in {:.2} s ({:.1} million a second; reading took {:.2} s)\ndigest {}",
            self.events,
            self.run_s,
            self.events_per_s / 1e6,
            self.load_s,
            self.digest
        );
        out
    }
}

/// What each strategy brought: exact in the ledger, in doubles here.
fn by_strategy(m: &Material<'_>) -> Vec<StrategyLine> {
    let engine = &m.session.engine;
    let ledger = engine.portfolio();
    let quote = m.instruments.first().map(|i| i.quote);
    let line = |(number, name): (u16, &str)| {
        let strategy = StrategyIdx(number);
        let totals = quote.and_then(|q| ledger.totals_of(ACCOUNT, strategy, q)).unwrap_or_default();
        let unrealised = m.instruments.iter().try_fold(Money::ZERO, |sum, i| {
            let open = ledger.unrealised_of(ACCOUNT, i.idx, strategy, engine.table(), engine.view())?;
            sum.checked_add(open)
        });
        let counts = m.recorder.by_strategy.get(strategy.index()).copied().unwrap_or_default();
        StrategyLine {
            strategy: number,
            name: name.to_owned(),
            fills: counts.fills,
            trades: counts.trades,
            wins: counts.wins,
            realised: totals.realised.to_f64(),
            fees: totals.fees.to_f64(),
            unrealised: unrealised.map(Money::to_f64),
            turnover: counts.turnover_maker + counts.turnover_taker,
        }
    };
    (0..=u16::MAX).zip(engine.strategy_names()).map(line).collect()
}

/// Whether a quantity cannot be traded away at the last price; where none is known, whether it is below the smallest order.
fn is_dust_at(i: &Instrument, quantity: Quantity, mark: Option<i64>) -> bool {
    match mark {
        Some(mark) => is_dust(i, quantity, i.price(mark)),
        None => quantity.checked_abs().is_some_and(|size| size < i.min_quantity),
    }
}

fn trade_line(t: &RoundTrip, symbol: String, name: String) -> TradeLine {
    TradeLine {
        strategy: t.strategy.0,
        name,
        symbol,
        side: if t.side == Direction::Long { "long" } else { "short" },
        entry_ts: t.entry_ts.as_millis(),
        exit_ts: t.exit_ts.as_millis(),
        quantity: t.quantity.to_f64(),
        entry_price: t.entry_price_f64,
        exit_price: t.exit_price_f64,
        fees: t.fees.to_f64(),
        pnl: t.pnl.to_f64(),
    }
}
