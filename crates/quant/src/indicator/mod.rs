//! Streaming indicators: one value or bar in, one answer out, the same bits as over the whole series.
//!
//! In:  finite f64 values or [`Bar`]s, oldest first; read by `strategy` and `ml`, by name through [`crate::catalogue`].
//! Out: `None` until the indicator is defined, then a value at every update.
//! There is no second arithmetic for batches: [`Indicator::batch`] runs the updates. An update allocates nothing. Inputs
//! must be finite (candles are, by type); the catalogue checks what comes from outside. Recursive indicators would keep
//! a NaN until [`Indicator::reset`].
//!
//! Definitions, seeding and warm-up are those of TA-Lib (unstable period 0) unless an indicator says otherwise.

mod adaptive;
mod channel;
mod exponential;
mod mama;
mod range;
mod simple;

pub use adaptive::Kama;
pub use channel::Donchian;
pub use exponential::{Dema, Ema, Rma, T3, Tema};
pub use mama::{Mama, MamaFama};
pub use range::{Atr, Natr, TrueRange};
pub use simple::{Hma, Sma, Trima, Wma};

use crate::error::ParameterError;
use crate::state::{Reader, State, StateError};
use std::fmt::Debug;

/// Longest period an indicator accepts, as in TA-Lib; it bounds the memory of a window (0.8 MB).
pub const PERIOD_MAX: usize = 100_000;

/// One bar of prices and volume for indicators. Fields that an indicator does not read may hold any finite number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bar {
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded quantity.
    pub volume: f64,
}

/// An upper and a lower line with a middle one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bands {
    /// Upper line.
    pub upper: f64,
    /// Middle line.
    pub middle: f64,
    /// Lower line.
    pub lower: f64,
}

/// What an indicator takes per update, and how it is put together from columns.
pub trait Input: Copy + Debug {
    /// Columns in the order of [`Input::from_columns`]. A single unnamed value is called `value`.
    const COLUMNS: &'static [&'static str];
    /// Puts an input together from five values in that order; the rest is not read.
    fn from_columns(values: [f64; 5]) -> Self;
}

impl Input for f64 {
    const COLUMNS: &'static [&'static str] = &["value"];
    fn from_columns([value, ..]: [f64; 5]) -> Self {
        value
    }
}

impl Input for Bar {
    const COLUMNS: &'static [&'static str] = &["open", "high", "low", "close", "volume"];
    fn from_columns([open, high, low, close, volume]: [f64; 5]) -> Self {
        Self { open, high, low, close, volume }
    }
}

/// What an indicator answers, spread over named outputs.
pub trait Output: Copy + Debug + PartialEq {
    /// Number of outputs.
    const COUNT: usize;
    /// Calls `each` with every output in the order of the fields.
    fn for_each(self, each: &mut dyn FnMut(f64));
}

impl Output for f64 {
    const COUNT: usize = 1;
    fn for_each(self, each: &mut dyn FnMut(f64)) {
        each(self);
    }
}

impl Output for Bands {
    const COUNT: usize = 3;
    fn for_each(self, each: &mut dyn FnMut(f64)) {
        [self.upper, self.middle, self.lower].into_iter().for_each(each);
    }
}

/// A streaming indicator.
pub trait Indicator: State + Clone + Debug {
    /// A value or a bar.
    type Input: Input;
    /// A number or a few.
    type Output: Output;

    /// Updates before the first answer: the update with index `lookback()` answers first, and every later one answers.
    fn lookback(&self) -> usize;

    /// Takes the next input.
    fn update(&mut self, input: Self::Input) -> Option<Self::Output>;

    /// Forgets everything seen; parameters stay.
    fn reset(&mut self);

    /// Runs over a series from the present state: the same updates in the same order.
    fn batch(&mut self, inputs: &[Self::Input]) -> Vec<Option<Self::Output>> {
        inputs.iter().map(|&input| self.update(input)).collect()
    }

    /// Appends the state to a snapshot.
    fn save(&self, out: &mut Vec<u8>) {
        self.write(out);
    }

    /// Loads a state saved by an indicator with the same parameters; on an error nothing changes.
    ///
    /// # Errors
    /// [`StateError`] when the bytes end early or belong to another indicator, version or parameter.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        crate::state::load(self, from)
    }
}

/// Checks a period that may be `min` to [`PERIOD_MAX`].
pub(crate) fn period(value: usize, min: usize) -> Result<usize, ParameterError> {
    ParameterError::check_count("period", value, min, PERIOD_MAX)
}
