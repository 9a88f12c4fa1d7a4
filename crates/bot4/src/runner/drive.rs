//! The one loop: merges sources in time, plays candles in phases, and lets what is due happen in between.
//!
//! Order at equal times: reports and timers, then market events by source, then the opens of bars that begin at that time, so that a
//! decision made on any instrument's close sees the same world and fills at the same opens.

use crate::runner::record::Probe;
use crate::runner::session::{Session, SessionError};
use crate::runner::source::Input;
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
}

impl fmt::Display for DriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(error) => write!(f, "{error}"),
            Self::Session(error) => write!(f, "{error}"),
            Self::Interrupted => f.write_str("interrupted"),
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
        }
    }
}

/// Tells the user how far a run is: rows done, and the time they have reached.
pub trait Progress {
    /// Called after each chunk.
    fn at(&mut self, rows: u64, ts: UnixNanos);
}

/// Progress that nobody looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn at(&mut self, _: u64, _: UnixNanos) {}
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
    let started = Instant::now();
    let mut done = Driven::default();
    let mut load = 0.0;
    let mut lanes = Vec::with_capacity(inputs.len());
    for (number, input) in inputs.into_iter().enumerate() {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let mut lane =
            Lane { input, number, rows: Rows::Candles(Vec::new()), at: 0, row: 0, phase: Phase::Open, key: NOTHING };
        let before = Instant::now();
        lane.refill()?;
        load += before.elapsed().as_secs_f64();
        lanes.push(lane);
    }
    let first = lanes.iter().map(|l| l.key).min().filter(|k| *k != NOTHING).map(|k| UnixNanos(k >> 1));
    if let Some(first) = first {
        begin(session, first, probe)?;
    }
    done.first = first;
    let mut player = Player { session, probe, unsampled: SAMPLED };
    let mut reached = UnixNanos(0);
    while let Some((at, bound)) = earliest(&lanes) {
        let Some(lane) = lanes.get_mut(at) else { break };
        let more = player.play(lane, bound, &mut reached)?;
        done.events += more;
        if lane.key == NOTHING {
            let before = Instant::now();
            lane.refill()?;
            load += before.elapsed().as_secs_f64();
            progress.at(done.events, reached);
            if stop.load(Ordering::Relaxed) {
                return Err(DriveError::Interrupted);
            }
        }
    }
    player.sample();
    done.last = first.map(|_| reached);
    done.load_s = load;
    done.run_s = started.elapsed().as_secs_f64() - load;
    Ok(done)
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
    /// The time of market events after which the account was not valued yet.
    unsampled: UnixNanos,
}

/// No market event waits for its sample.
const SAMPLED: UnixNanos = UnixNanos::MAX;

impl<P: Probe> Player<'_, P> {
    /// Plays what the lane has before `bound`, to the end of its chunk at most. Returns how many rows were finished.
    fn play(&mut self, lane: &mut Lane, bound: u64, reached: &mut UnixNanos) -> Result<u64, SessionError> {
        let instrument = lane.input.instrument;
        let before = lane.row;
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
                    self.unsampled = trade.ts_event;
                    *reached = trade.ts_event;
                    lane.row += 1;
                    lane.at += 1;
                }
            }
            Rows::Quotes(rows) => {
                while let Some(quote) = rows.get(lane.at).filter(|q| key(q.ts_event, false) < bound) {
                    self.before(quote.ts_event)?;
                    self.session.quote(quote.ts_event, InputId::new(lane.number, lane.row), quote, self.probe)?;
                    self.unsampled = quote.ts_event;
                    *reached = quote.ts_event;
                    lane.row += 1;
                    lane.at += 1;
                }
            }
        }
        lane.key = lane.next_key();
        Ok(lane.row - before)
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
        self.unsampled = close;
        *row += 1;
        *phase = Phase::Open;
        Ok(true)
    }

    /// What comes before a market event: the value of the account at the time before it, and what is due.
    #[inline]
    fn before(&mut self, ts: UnixNanos) -> Result<(), SessionError> {
        if self.unsampled < ts {
            self.sample();
        }
        if self.session.due() <= ts { self.session.service(ts, self.probe) } else { Ok(()) }
    }

    /// Values the account once all market events of a time are in.
    #[inline]
    fn sample(&mut self) {
        if self.unsampled != SAMPLED {
            self.probe.sample(self.unsampled, &self.session.engine);
            self.unsampled = SAMPLED;
        }
    }
}
