//! What is remembered of a run: counts always; trades, the hourly curve and bars of the marks if wanted.
//!
//! In:  what a session lets a probe see.
//! Out: counts for the summary, and three logs that only grow ([`Log`]) for the files of a run and its report.
//! A snapshot keeps the counts and how long the logs are (`save`, `load`); the logs are plain records of fixed size, so that a runner
//! appends what is new to a file of each and cuts the files back when it resumes.

use crate::runner::records::{Log, Logged};
use crate::runner::statistics::EquityStatistics;
use domain::{AccountId, AccountReport, Fill, Liquidity, Money, Observer, RejectReason, ReportBody, UnixNanos};
use engine::Engine;
use portfolio::RoundTrip;
use quant::state::{Reader, State, StateError};
use risk::{Command, CommandRecord, Decision, DenyReason, ReleaseError};
use std::collections::BTreeMap;

/// Watches a session from outside the engine: what went in and came out, and the account's value in time.
pub trait Probe: Observer {
    /// All market events of this time are in: the account can be valued.
    fn sample(&mut self, _ts: UnixNanos, _engine: &Engine) {}
    /// The engine said this.
    fn command(&mut self, _ts: UnixNanos, _command: &Command) {}
    /// The record has this, where the engine says something else: it counts as said.
    fn recorded(&mut self, _ts: UnixNanos, _record: &CommandRecord) {}
    /// The venue said this; the engine has dealt with it.
    fn report(&mut self, _ts: UnixNanos, _report: &AccountReport, _engine: &Engine) {}
    /// An approved order did not leave.
    fn not_sent(&mut self, _ts: UnixNanos, _error: &ReleaseError) {}
}

/// What is counted of one strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StrategyCounts {
    /// Fills.
    pub fills: u64,
    /// Round trips that were closed.
    pub trades: u64,
    /// Of those, with a profit after fees.
    pub wins: u64,
    /// Value of what was traded by orders that rested, in quote.
    pub turnover_maker: f64,
    /// Value of what was traded by orders that took, in quote.
    pub turnover_taker: f64,
}

/// Remembers a run.
#[derive(Clone, Debug)]
pub struct Recorder {
    account: AccountId,
    keep: bool,
    /// Orders that left.
    pub orders: u64,
    /// Fills that came back.
    pub fills: u64,
    /// Round trips that were closed.
    pub trades: u64,
    /// Of those, with a profit after fees.
    pub wins: u64,
    /// Refusals by reason.
    refusals: [u64; DenyReason::ALL.len()],
    /// What the venue refused or ended by itself, by reason.
    pub rejects: BTreeMap<&'static str, u64>,
    /// Approved orders that did not leave.
    pub not_sent: u64,
    /// Counts by the number of the strategy; shorter than their number while the last ones had no fill.
    pub by_strategy: Vec<StrategyCounts>,
    /// Closed round trips.
    pub trips: Vec<RoundTrip>,
    /// The account's value in time, and what follows from it.
    pub equity: EquityStatistics,
    /// Whether a position changed since the last sample.
    moved: bool,
}

impl Recorder {
    /// A recorder for an account; `keep` records as well as counts.
    #[must_use]
    pub fn new(account: AccountId, keep: bool, equity: EquityStatistics) -> Self {
        Self {
            account,
            keep,
            orders: 0,
            fills: 0,
            trades: 0,
            wins: 0,
            refusals: [0; DenyReason::ALL.len()],
            rejects: BTreeMap::new(),
            not_sent: 0,
            by_strategy: Vec::new(),
            trips: Vec::new(),
            equity,
            moved: false,
        }
    }

    /// Whether records are kept.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.keep
    }

    /// Refusals by the key of their reason; reasons that did not occur are left out.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DenyReason::ALL.iter().zip(&self.refusals).filter(|(_, n)| **n > 0).map(|(reason, n)| (reason.key(), *n))
    }

    /// How many entries a log has.
    #[must_use]
    pub fn log_len(&self, log: Log) -> usize {
        match log {
            Log::Trips => self.trips.len(),
            Log::Equity => self.equity.curve().len(),
            Log::Marks => self.equity.bars().len(),
        }
    }

    /// Appends the entries of a log from number `from` on, [`Log::size`] bytes each.
    pub fn write_log(&self, log: Log, from: usize, out: &mut Vec<u8>) {
        fn write<T: Logged>(entries: &[T], from: usize, out: &mut Vec<u8>) {
            entries.iter().skip(from).for_each(|entry| entry.put(out));
        }
        match log {
            Log::Trips => write(&self.trips, from, out),
            Log::Equity => write(self.equity.curve(), from, out),
            Log::Marks => write(self.equity.bars(), from, out),
        }
    }

    /// Puts a whole log back: the bytes that [`Recorder::write_log`] wrote from entry 0 on.
    ///
    /// # Errors
    /// [`StateError`] for bytes that end within an entry or hold what no entry can.
    pub fn read_log(&mut self, log: Log, bytes: &[u8]) -> Result<(), StateError> {
        fn read<T: Logged>(bytes: &[u8]) -> Result<Vec<T>, StateError> {
            let mut reader = Reader::new(bytes);
            let entries = (0..bytes.len() / T::SIZE).map(|_| T::take(&mut reader)).collect::<Result<_, _>>()?;
            reader.finish()?;
            Ok(entries)
        }
        match log {
            Log::Trips => self.trips = read(bytes)?,
            Log::Equity => self.equity.put_back_curve(read(bytes)?),
            Log::Marks => self.equity.put_back_bars(read(bytes)?),
        }
        Ok(())
    }

    /// Appends the counts, what moves of the statistics, and how many entries each log has.
    pub fn save(&self, out: &mut Vec<u8>) {
        VERSION.write(out);
        for log in Log::ALL {
            self.log_len(log).write(out);
        }
        [self.orders, self.fills, self.trades, self.wins, self.not_sent].write(out);
        self.moved.write(out);
        self.refusals.write(out);
        RejectReason::ALL.map(|reason| self.rejects.get(reason.name()).copied().unwrap_or(0)).write(out);
        self.by_strategy.len().write(out);
        for counts in &self.by_strategy {
            [counts.fills, counts.trades, counts.wins].write(out);
            [counts.turnover_maker, counts.turnover_taker].write(out);
        }
        self.equity.save(out);
    }

    /// Takes in what [`Recorder::save`] wrote, into a recorder made for the same run, and answers how many entries of each log (in the
    /// order of [`Log::ALL`]) belong to it: files that are longer are cut to that, and put back with [`Recorder::read_log`].
    ///
    /// # Errors
    /// [`StateError`] for bytes that end early or belong to another run or version; the recorder is then of no use.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<[usize; Log::ALL.len()], StateError> {
        const NAME: &str = "Recorder";
        let version = from.u64()?;
        if version != VERSION {
            let found = u8::try_from(version).unwrap_or(u8::MAX);
            return Err(StateError::Version { name: NAME, expected: VERSION as u8, found });
        }
        let mut lengths = [0usize; Log::ALL.len()];
        lengths.read(from)?;
        let mut counts = [0u64; 5];
        counts.read(from)?;
        [self.orders, self.fills, self.trades, self.wins, self.not_sent] = counts;
        self.moved.read(from)?;
        self.refusals.read(from)?;
        let mut rejects = [0u64; RejectReason::ALL.len()];
        rejects.read(from)?;
        self.rejects = RejectReason::ALL.iter().map(|r| r.name()).zip(rejects).filter(|(_, n)| *n > 0).collect();
        let strategies = from.u64()?;
        if strategies > u64::from(u16::MAX) + 1 {
            return Err(StateError::Invalid { name: NAME });
        }
        self.by_strategy.clear();
        for _ in 0..strategies {
            let (mut counts, mut turnover) = ([0u64; 3], [0f64; 2]);
            counts.read(from)?;
            turnover.read(from)?;
            let ([fills, trades, wins], [turnover_maker, turnover_taker]) = (counts, turnover);
            self.by_strategy.push(StrategyCounts { fills, trades, wins, turnover_maker, turnover_taker });
        }
        self.equity.load(from)?;
        Ok(lengths)
    }

    fn rejected(&mut self, reason: RejectReason) {
        *self.rejects.entry(reason.name()).or_default() += 1;
    }

    fn filled(&mut self, fill: &Fill, engine: &Engine) {
        self.fills += 1;
        let Some(booked) = engine.booked() else { return };
        self.moved = true;
        let at = fill.strategy.index();
        if self.by_strategy.len() <= at {
            self.by_strategy.resize(at + 1, StrategyCounts::default());
        }
        let counts = &mut self.by_strategy[at];
        counts.fills += 1;
        if let Some(i) = engine.table().get(fill.instrument) {
            let quantity = domain::decimal::mantissa_to_f64(fill.quantity, i.quantity_decimals) * i.multiplier.to_f64();
            let value = domain::decimal::mantissa_to_f64(fill.price, i.price_decimals) * quantity;
            match fill.liquidity {
                Liquidity::Maker => counts.turnover_maker += value,
                Liquidity::Taker => counts.turnover_taker += value,
            }
        }
        if let Some(trip) = booked.trip {
            let won = u64::from(trip.pnl > Money::ZERO);
            counts.trades += 1;
            counts.wins += won;
            self.trades += 1;
            self.wins += won;
            if self.keep {
                self.trips.push(trip);
            }
        }
    }
}

/// Version of what `save` writes.
const VERSION: u64 = 1;

impl Observer for Recorder {
    // What the recorder needs it is told as a probe; the engine's step has nobody listening inside.
    const ACTIVE: bool = false;
}

impl Probe for Recorder {
    #[inline]
    fn sample(&mut self, ts: UnixNanos, engine: &Engine) {
        if let Some(equity) = engine.portfolio().equity_estimate(self.account, engine.view()) {
            self.equity.push(ts, equity, engine.view());
            // An hour that this sample has ended was closed with what was held until then.
            if self.moved {
                self.moved = false;
                let ledger = engine.portfolio();
                self.equity.positions(|idx| ledger.net_quantity(self.account, idx).to_f64());
            }
        }
    }

    fn command(&mut self, _: UnixNanos, command: &Command) {
        match command {
            Command::Submit(_) => self.orders += 1,
            Command::List { .. } => self.orders += 2,
            Command::Record(Decision::Refused { refusal, .. } | Decision::GroupStep { refusal: Some(refusal), .. }) => {
                self.refusals[refusal.reason as usize] += 1
            }
            Command::Record(
                Decision::Signal(_)
                | Decision::Worked { .. }
                | Decision::WorkEnded { .. }
                | Decision::Group { .. }
                | Decision::GroupStep { .. }
                | Decision::Mode { .. }
                | Decision::Alert(_)
                | Decision::Limit { .. }
                | Decision::Rearmed { .. }
                | Decision::Difference(_)
                | Decision::Reconciled { .. },
            )
            | Command::Cancel { .. }
            | Command::Query { .. }
            | Command::Reconcile { .. }
            | Command::Timer { .. }
            | Command::Infer(_)
            | Command::Gate { .. } => {}
        }
    }

    fn recorded(&mut self, _: UnixNanos, record: &CommandRecord) {
        match record {
            CommandRecord::Submit { .. } => self.orders += 1,
            CommandRecord::List { .. } => self.orders += 2,
            CommandRecord::Decision(
                Decision::Refused { refusal, .. } | Decision::GroupStep { refusal: Some(refusal), .. },
            ) => self.refusals[refusal.reason as usize] += 1,
            CommandRecord::Decision(
                Decision::Signal(_)
                | Decision::Worked { .. }
                | Decision::WorkEnded { .. }
                | Decision::Group { .. }
                | Decision::GroupStep { .. }
                | Decision::Mode { .. }
                | Decision::Alert(_)
                | Decision::Limit { .. }
                | Decision::Rearmed { .. }
                | Decision::Difference(_)
                | Decision::Reconciled { .. },
            )
            | CommandRecord::Cancel { .. }
            | CommandRecord::Query { .. }
            | CommandRecord::Reconcile { .. }
            | CommandRecord::Timer { .. }
            | CommandRecord::Infer(_)
            | CommandRecord::Gate { .. } => {}
        }
    }

    fn report(&mut self, _: UnixNanos, report: &AccountReport, engine: &Engine) {
        match report.body {
            ReportBody::Filled { fill, .. } => self.filled(&fill, engine),
            // A protective order ends with the position that it protects: that is no refusal.
            ReportBody::Canceled { reason: Some(RejectReason::ReduceOnly), .. } => {}
            ReportBody::Rejected { reason, .. } | ReportBody::Canceled { reason: Some(reason), .. } => {
                self.rejected(reason);
            }
            _ => {}
        }
    }

    fn not_sent(&mut self, _: UnixNanos, _: &ReleaseError) {
        self.not_sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::{money, price, quantity};

    fn trip(n: u64) -> RoundTrip {
        RoundTrip {
            account: AccountId(0),
            instrument: domain::InstrumentIdx(3),
            strategy: domain::StrategyIdx(2),
            side: if n.is_multiple_of(2) { portfolio::Direction::Long } else { portfolio::Direction::Short },
            entry_ts: UnixNanos(n),
            exit_ts: UnixNanos(n + 5),
            quantity: quantity("1.5"),
            entry_price: price("100.25"),
            entry_price_f64: 100.25,
            exit_price: price("0.000000000001"),
            exit_price_f64: 1e-12,
            fees: money("-0.5"),
            pnl: money("-123456789012.5"),
        }
    }

    #[test]
    fn counts_are_saved_and_loaded_and_other_bytes_are_refused() {
        let fresh = || Recorder::new(AccountId(0), true, EquityStatistics::lean());
        let mut recorder = fresh();
        (recorder.orders, recorder.fills, recorder.trades, recorder.wins, recorder.not_sent) = (5, 4, 3, 2, 1);
        recorder.refusals[7] = 9;
        recorder.rejected(RejectReason::Liquidation);
        recorder.moved = true;
        recorder.by_strategy =
            vec![StrategyCounts::default(), StrategyCounts { fills: 4, turnover_taker: 0.1, ..Default::default() }];
        recorder.trips = (0..3).map(trip).collect();
        let mut bytes = Vec::new();
        recorder.save(&mut bytes);
        let mut again = fresh();
        assert_eq!(again.load(&mut Reader::new(&bytes)), Ok([3, 0, 0]));
        let mut log = Vec::new();
        recorder.write_log(Log::Trips, 0, &mut log);
        again.read_log(Log::Trips, &log).unwrap();
        assert_eq!(format!("{again:?}"), format!("{recorder:?}"));
        for cut in 0..bytes.len() {
            assert_eq!(fresh().load(&mut Reader::new(&bytes[..cut])), Err(StateError::Truncated), "{cut}");
        }
        bytes[0] = 7;
        assert!(fresh().load(&mut Reader::new(&bytes)).unwrap_err().to_string().contains("version 7"));
    }

    #[test]
    fn a_log_is_written_piece_by_piece_and_read_whole() {
        let mut recorder = Recorder::new(AccountId(0), true, EquityStatistics::lean());
        let (mut file, mut written) = (Vec::new(), 0);
        for n in 0..7 {
            recorder.trips.push(trip(n));
            if n % 3 == 0 {
                recorder.write_log(Log::Trips, written, &mut file);
                written = recorder.log_len(Log::Trips);
                assert_eq!(file.len(), written * Log::Trips.size());
            }
        }
        let mut again = Recorder::new(AccountId(0), true, EquityStatistics::lean());
        again.read_log(Log::Trips, &file).unwrap();
        assert_eq!(again.trips, recorder.trips);
        file.pop();
        assert!(again.read_log(Log::Trips, &file).is_err(), "an entry that is cut");
    }
}
