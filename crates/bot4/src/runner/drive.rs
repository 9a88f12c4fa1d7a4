//! The one loop: merges sources in time, plays candles in phases, and lets what is due happen in between.
//!
//! Order at equal times: reports and timers, then market events by source, then the opens of bars that begin at that time, so that a
//! decision made on any instrument's close sees the same world and fills at the same opens.

use crate::runner::record::Probe;
use crate::runner::session::{Session, SessionError};
use crate::runner::source::Input;
use domain::codec::{CodecError, Reader, Stored};
use domain::{Candle, InputId, InstrumentIdx, Nanos, UnixNanos};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use store::history::{HistoryError, Rows};

/// Why a run stopped before its end.
#[derive(Debug)]
pub enum DriveError {
    /// The data could not be read on.
    History(HistoryError),
    /// The session could not go on.
    Session(SessionError),
    /// The user stopped it.
    Interrupted,
    /// An input has fewer rows than it had.
    Short {
        /// Rows there are.
        rows: u64,
        /// Rows that were played before.
        expected: u64,
    },
    /// There are more or fewer inputs than there were.
    Inputs {
        /// How many there are.
        inputs: usize,
        /// How many there were.
        expected: usize,
    },
    /// The keeper of the run could not go on.
    Kept(String),
}

impl fmt::Display for DriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(error) => write!(f, "{error}"),
            Self::Session(error) => write!(f, "{error}"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Short { rows, expected } => {
                write!(f, "an input has {rows} rows, expected at least the {expected} that were played before")
            }
            Self::Inputs { inputs, expected } => write!(f, "there are {inputs} inputs, expected {expected}"),
            Self::Kept(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for DriveError {}

impl From<HistoryError> for DriveError {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

impl From<SessionError> for DriveError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Driven {
    /// Market rows given to the engine.
    pub events: u64,
    /// Seconds spent reading and decoding.
    pub load_s: f64,
    /// Seconds of engine and venue.
    pub run_s: f64,
    /// Time of the first row.
    pub first: Option<UnixNanos>,
    /// Time of the last row.
    pub last: Option<UnixNanos>,
}

/// The part of a candle that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Path,
    Close,
}

/// A source with its current chunk.
struct Lane {
    input: Input,
    number: u16,
    rows: Rows,
    at: usize,
    row: u64,
    phase: Phase,
    /// Time and class of what comes next; the largest number when nothing does.
    key: u64,
}

/// Time and class in one number: opens of bars come after all else of the same time. Holds until the year 2262.
#[inline]
const fn key(ts: UnixNanos, open: bool) -> u64 {
    ts.0 << 1 | open as u64
}

/// The time of a key; the end of time for the key of nothing.
const fn time_of(key: u64) -> UnixNanos {
    if key == NOTHING { UnixNanos::MAX } else { UnixNanos(key >> 1) }
}

const NOTHING: u64 = u64::MAX;

impl Lane {
    fn refill(&mut self) -> Result<(), HistoryError> {
        self.at = 0;
        self.phase = Phase::Open;
        self.key = if self.input.source.next_chunk(&mut self.rows)? { self.next_key() } else { NOTHING };
        Ok(())
    }

    #[inline]
    fn next_key(&self) -> u64 {
        match &self.rows {
            Rows::Candles(rows) => rows.get(self.at).map_or(NOTHING, |c| match self.phase {
                Phase::Open => key(c.ts_open, true),
                Phase::Path => key(c.ts_close().saturating_sub(Nanos(1)), false),
                Phase::Close => key(c.ts_close(), false),
            }),
            Rows::Trades(rows) => rows.get(self.at).map_or(NOTHING, |t| key(t.ts_event, false)),
            Rows::Quotes(rows) => rows.get(self.at).map_or(NOTHING, |q| key(q.ts_event, false)),
            // `plan` lets no series of book levels into a run.
            Rows::Book(_) => NOTHING,
        }
    }

    /// Leaves rows behind without playing them, up to a row and a phase of it.
    fn skip_to(&mut self, row: u64, phase: Phase) -> Result<(), DriveError> {
        loop {
            let left = self.rows.len().saturating_sub(self.at) as u64;
            let wanted = row.saturating_sub(self.row);
            if wanted < left {
                self.at += wanted as usize;
                self.row = row;
                self.phase = phase;
                self.key = self.next_key();
                return Ok(());
            }
            self.row += left;
            self.refill()?;
            if self.key == NOTHING {
                return if self.row == row { Ok(()) } else { Err(DriveError::Short { rows: self.row, expected: row }) };
            }
        }
    }
}

/// Tells the user how far a run is: rows done, and the time they have reached.
pub trait Progress {
    /// Called every few milliseconds.
    fn at(&mut self, rows: u64, ts: UnixNanos);
}

/// Progress that nobody looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn at(&mut self, _: u64, _: UnixNanos) {}
}

/// How far a drive may go before its keeper is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// It is asked when so many rows are done (or a few more: a chunk is not cut).
    pub rows: u64,
    /// No row at or after this time is played before it is asked.
    pub until: UnixNanos,
}

/// What a keeper sees between two rows.
pub struct Moment<'a, P> {
    /// The session; all that came before the next row is settled.
    pub session: &'a mut Session,
    /// The probe.
    pub probe: &'a mut P,
    /// What was driven.
    pub driver: &'a Driver,
    /// Time of the next row; the end of time if there is none.
    pub next: UnixNanos,
}

/// Is asked between rows how far to go: for progress, interrupts, pace and snapshots.
pub trait Keeper<P> {
    /// Looks at the run, does what is to be done, and says how far it may go on.
    ///
    /// # Errors
    /// What ends the run here.
    fn between(&mut self, moment: Moment<'_, P>) -> Result<Leave, DriveError>;
}

/// Rows between two looks of a keeper that has nothing else to do: a millisecond or two of a fast run.
pub const LOOK_EVERY: u64 = 16_384;

/// Shows progress and obeys an interrupt.
pub struct Plain<'a> {
    /// Where progress is told.
    pub progress: &'a mut dyn Progress,
    /// Set by whoever wants the run to end.
    pub stop: &'a AtomicBool,
}

impl<P> Keeper<P> for Plain<'_> {
    fn between(&mut self, moment: Moment<'_, P>) -> Result<Leave, DriveError> {
        let rows = moment.driver.done.events;
        self.progress.at(rows, moment.driver.reached);
        if self.stop.load(Ordering::Relaxed) {
            return Err(DriveError::Interrupted);
        }
        Ok(Leave { rows: rows + LOOK_EVERY, until: UnixNanos::MAX })
    }
}

/// Where one input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LanePosition {
    row: u64,
    phase: Phase,
}

/// Where a drive is between two rows: with the same inputs it goes on from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    rows: u64,
    first: Option<UnixNanos>,
    reached: UnixNanos,
    unsampled: UnixNanos,
    lanes: Vec<LanePosition>,
}

impl Position {
    /// Market rows that were played.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

impl Stored for Position {
    fn put(&self, out: &mut Vec<u8>) {
        self.rows.put(out);
        self.first.put(out);
        self.reached.put(out);
        self.unsampled.put(out);
        let lanes: Vec<(u64, u8)> = self.lanes.iter().map(|l| (l.row, l.phase as u8)).collect();
        lanes.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (rows, first) = (Stored::take(from)?, Stored::take(from)?);
        let (reached, unsampled) = (Stored::take(from)?, Stored::take(from)?);
        let mut lanes = Vec::new();
        for (row, phase) in Vec::<(u64, u8)>::take(from)? {
            let phase = match phase {
                0 => Phase::Open,
                1 => Phase::Path,
                2 => Phase::Close,
                _ => return Err(CodecError::Invalid { what: "phase of a bar" }),
            };
            lanes.push(LanePosition { row, phase });
        }
        Ok(Self { rows, first, reached, unsampled, lanes })
    }
}

/// Merges inputs in time and plays them into a session.
pub struct Driver {
    lanes: Vec<Lane>,
    done: Driven,
    /// The latest time of a row that was played.
    reached: UnixNanos,
    /// The time of market events after which the account was not valued yet.
    unsampled: UnixNanos,
}

impl Driver {
    /// Opens the inputs on their first rows.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn open(inputs: Vec<Input>) -> Result<Self, DriveError> {
        let started = Instant::now();
        let mut lanes = Vec::with_capacity(inputs.len());
        for (number, input) in inputs.into_iter().enumerate() {
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            let rows = Rows::Candles(Vec::new());
            let mut lane = Lane { input, number, rows, at: 0, row: 0, phase: Phase::Open, key: NOTHING };
            lane.refill()?;
            lanes.push(lane);
        }
        let first = lanes.iter().map(|l| l.key).min().filter(|k| *k != NOTHING).map(time_of);
        let done = Driven { load_s: started.elapsed().as_secs_f64(), first, ..Driven::default() };
        Ok(Self { lanes, done, reached: UnixNanos(0), unsampled: SAMPLED })
    }

    /// Time of the first row.
    #[must_use]
    pub const fn first(&self) -> Option<UnixNanos> {
        self.done.first
    }

    /// What was driven so far.
    #[must_use]
    pub const fn driven(&self) -> &Driven {
        &self.done
    }

    /// The latest time of a row that was played.
    #[must_use]
    pub const fn reached(&self) -> UnixNanos {
        self.reached
    }

    /// Where it is, between two rows.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            rows: self.done.events,
            first: self.done.first,
            reached: self.reached,
            unsampled: self.unsampled,
            lanes: self.lanes.iter().map(|l| LanePosition { row: l.row, phase: l.phase }).collect(),
        }
    }

    /// Goes to a position that a drive over the same inputs was at, without playing what comes before it.
    ///
    /// # Errors
    /// If the inputs cannot be read, or are not as long or as many as they were.
    pub fn skip_to(&mut self, position: &Position) -> Result<(), DriveError> {
        let started = Instant::now();
        if self.lanes.len() != position.lanes.len() {
            return Err(DriveError::Inputs { inputs: self.lanes.len(), expected: position.lanes.len() });
        }
        for (lane, at) in self.lanes.iter_mut().zip(&position.lanes) {
            lane.skip_to(at.row, at.phase)?;
        }
        self.done.events = position.rows;
        self.done.first = position.first;
        self.reached = position.reached;
        self.unsampled = position.unsampled;
        self.done.load_s += started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Plays all rows that are left.
    ///
    /// # Errors
    /// [`DriveError`]; what was done until then stays in the session.
    pub fn run<P: Probe>(
        &mut self,
        session: &mut Session,
        probe: &mut P,
        keeper: &mut dyn Keeper<P>,
    ) -> Result<(), DriveError> {
        let (started, loaded) = (Instant::now(), self.done.load_s);
        let ended = self.play_all(session, probe, keeper);
        self.done.run_s += started.elapsed().as_secs_f64() - (self.done.load_s - loaded);
        self.done.last = self.done.first.filter(|_| self.done.events > 0).map(|_| self.reached);
        ended
    }

    fn play_all<P: Probe>(
        &mut self,
        session: &mut Session,
        probe: &mut P,
        keeper: &mut dyn Keeper<P>,
    ) -> Result<(), DriveError> {
        let mut leave = Leave { rows: 0, until: UnixNanos(0) };
        while let Some((at, bound)) = earliest(&self.lanes) {
            let next = self.lanes.get(at).map_or(NOTHING, |lane| lane.key);
            let limit = leave.until.0.saturating_mul(2);
            if self.done.events >= leave.rows || next >= limit {
                let next = time_of(next);
                leave = keeper.between(Moment { session, probe, driver: self, next })?;
                continue;
            }
            let Some(lane) = self.lanes.get_mut(at) else { break };
            let mut player = Player { session, probe, unsampled: &mut self.unsampled };
            let before = lane.row;
            let played = player.play(lane, bound.min(limit), &mut self.reached);
            self.done.events += lane.row - before;
            played?;
            if lane.key == NOTHING {
                let before = Instant::now();
                lane.refill()?;
                self.done.load_s += before.elapsed().as_secs_f64();
            }
        }
        let mut player = Player { session, probe, unsampled: &mut self.unsampled };
        player.sample();
        keeper.between(Moment { session, probe, driver: self, next: UnixNanos::MAX }).map(|_| ())
    }
}

/// Drives a session through all rows of its inputs. `begin` is called once, with the time of the first row, before it is played.
///
/// # Errors
/// [`DriveError`]; what was done until then stays in the session.
pub fn drive<P: Probe>(
    session: &mut Session,
    inputs: Vec<Input>,
    probe: &mut P,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
    begin: &mut dyn FnMut(&mut Session, UnixNanos, &mut P) -> Result<(), SessionError>,
) -> Result<Driven, DriveError> {
    let mut driver = Driver::open(inputs)?;
    if let Some(first) = driver.first() {
        begin(session, first, probe)?;
    }
    driver.run(session, probe, &mut Plain { progress, stop })?;
    Ok(*driver.driven())
}

/// The lane that comes next, and the key up to which (not included) it may go on alone.
fn earliest(lanes: &[Lane]) -> Option<(usize, u64)> {
    let mut best: Option<usize> = None;
    for (at, lane) in lanes.iter().enumerate() {
        // Of equal keys the lower source is first.
        if lane.key != NOTHING && best.is_none_or(|b| lane.key < lanes[b].key) {
            best = Some(at);
        }
    }
    let best = best?;
    let bound = lanes
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != best)
        .map(|(at, lane)| lane.key.saturating_add(u64::from(best < at)))
        .min();
    Some((best, bound.unwrap_or(NOTHING)))
}

/// Plays rows into the session, and has the account's value sampled when a time is over.
struct Player<'a, P> {
    session: &'a mut Session,
    probe: &'a mut P,
    unsampled: &'a mut UnixNanos,
}

/// No market event waits for its sample.
const SAMPLED: UnixNanos = UnixNanos::MAX;

impl<P: Probe> Player<'_, P> {
    /// Plays what the lane has before `bound`, to the end of its chunk at most.
    fn play(&mut self, lane: &mut Lane, bound: u64, reached: &mut UnixNanos) -> Result<(), SessionError> {
        let instrument = lane.input.instrument;
        match &lane.rows {
            Rows::Candles(rows) => {
                while let Some(candle) = rows.get(lane.at) {
                    if !self.candle(candle, lane.number, &mut lane.row, &mut lane.phase, instrument, bound)? {
                        break;
                    }
                    *reached = candle.ts_close();
                    lane.at += 1;
                }
            }
            Rows::Trades(rows) => {
                while let Some(trade) = rows.get(lane.at).filter(|t| key(t.ts_event, false) < bound) {
                    self.before(trade.ts_event)?;
                    self.session.trade(trade.ts_event, InputId::new(lane.number, lane.row), trade, self.probe)?;
                    *self.unsampled = trade.ts_event;
                    *reached = trade.ts_event;
                    lane.row += 1;
                    lane.at += 1;
                }
            }
            Rows::Quotes(rows) => {
                while let Some(quote) = rows.get(lane.at).filter(|q| key(q.ts_event, false) < bound) {
                    self.before(quote.ts_event)?;
                    self.session.quote(quote.ts_event, InputId::new(lane.number, lane.row), quote, self.probe)?;
                    *self.unsampled = quote.ts_event;
                    *reached = quote.ts_event;
                    lane.row += 1;
                    lane.at += 1;
                }
            }
            Rows::Book(_) => {}
        }
        lane.key = lane.next_key();
        Ok(())
    }

    /// Plays the phases of one candle that come before `bound`; whether it is finished.
    #[inline]
    fn candle(
        &mut self,
        candle: &Candle,
        number: u16,
        row: &mut u64,
        phase: &mut Phase,
        instrument: InstrumentIdx,
        bound: u64,
    ) -> Result<bool, SessionError> {
        let close = candle.ts_close();
        if *phase == Phase::Open && key(close, false) < bound && !self.session.has_work(instrument) {
            // Nothing is at the venue and nobody else comes before the close: there is only the close.
            *phase = Phase::Close;
        }
        if *phase == Phase::Open {
            if key(candle.ts_open, true) >= bound {
                return Ok(false);
            }
            // Without an order at the venue the open and the path of the bar have nothing to do.
            if self.session.has_work(instrument) {
                self.sample();
                if self.session.due() <= candle.ts_open {
                    self.session.service(candle.ts_open, self.probe)?;
                }
                self.session.bar_open(candle.ts_open, candle, self.probe)?;
            }
            *phase = Phase::Path;
        }
        if *phase == Phase::Path {
            let inside = close.saturating_sub(Nanos(1));
            if key(inside, false) >= bound {
                return Ok(false);
            }
            if self.session.has_work(instrument) {
                self.sample();
                if self.session.due() <= inside {
                    self.session.service(inside, self.probe)?;
                }
                self.session.bar_path(inside, candle, self.probe)?;
            }
            *phase = Phase::Close;
        }
        if key(close, false) >= bound {
            return Ok(false);
        }
        self.before(close)?;
        self.session.bar_close(close, InputId::new(number, *row), candle, self.probe)?;
        *self.unsampled = close;
        *row += 1;
        *phase = Phase::Open;
        Ok(true)
    }

    /// What comes before a market event: the value of the account at the time before it, and what is due.
    #[inline]
    fn before(&mut self, ts: UnixNanos) -> Result<(), SessionError> {
        if *self.unsampled < ts {
            self.sample();
        }
        if self.session.due() <= ts { self.session.service(ts, self.probe) } else { Ok(()) }
    }

    /// Values the account once all market events of a time are in.
    #[inline]
    fn sample(&mut self) {
        if *self.unsampled != SAMPLED {
            self.probe.sample(*self.unsampled, &self.session.engine);
            *self.unsampled = SAMPLED;
        }
    }
}
