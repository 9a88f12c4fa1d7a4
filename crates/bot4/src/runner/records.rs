//! The form of the recorder's growing records in a file: fixed size, little-endian, doubles by their bits.

use crate::runner::statistics::{EquityPoint, MarkBar};
use domain::{AccountId, InstrumentIdx, Money, Price, Quantity, StrategyIdx, UnixNanos};
use portfolio::{Direction, RoundTrip};
use quant::state::{Reader, State, StateError};

/// A log of the recorder: what only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Closed round trips.
    Trips,
    /// The hourly curve.
    Equity,
    /// Bars of the marks.
    Marks,
}

impl Log {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Trips, Self::Equity, Self::Marks];

    /// Its name, for a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trips => "trips",
            Self::Equity => "equity",
            Self::Marks => "marks",
        }
    }

    /// Bytes of one entry.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Trips => RoundTrip::SIZE,
            Self::Equity => EquityPoint::SIZE,
            Self::Marks => MarkBar::SIZE,
        }
    }
}

/// A plain record of fixed size.
pub trait Logged: Sized {
    /// Its bytes.
    const SIZE: usize;

    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads one.
    ///
    /// # Errors
    /// [`StateError`] for bytes that end early or hold what no record can.
    fn take(from: &mut Reader<'_>) -> Result<Self, StateError>;
}

fn u16_of(from: &mut Reader<'_>) -> Result<u16, StateError> {
    Ok(u16::from_le_bytes(from.take(2)?.try_into().map_err(|_| StateError::Truncated)?))
}

fn i128_of(from: &mut Reader<'_>) -> Result<i128, StateError> {
    Ok(i128::from_le_bytes(from.take(16)?.try_into().map_err(|_| StateError::Truncated)?))
}

impl Logged for RoundTrip {
    const SIZE: usize = 7 + 2 * 8 + 5 * 16 + 2 * 8;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.account.0.to_le_bytes());
        out.extend_from_slice(&self.instrument.0.to_le_bytes());
        out.extend_from_slice(&self.strategy.0.to_le_bytes());
        out.push(u8::from(self.side == Direction::Short));
        [self.entry_ts.0, self.exit_ts.0].write(out);
        let amounts =
            [self.quantity.raw(), self.entry_price.raw(), self.exit_price.raw(), self.fees.raw(), self.pnl.raw()];
        amounts.iter().for_each(|raw| out.extend_from_slice(&raw.to_le_bytes()));
        [self.entry_price_f64, self.exit_price_f64].write(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, StateError> {
        let (account, instrument, strategy) = (u16_of(from)?, u16_of(from)?, u16_of(from)?);
        let mut short = false;
        short.read(from)?;
        let (entry_ts, exit_ts) = (from.u64()?, from.u64()?);
        let mut amounts = [0i128; 5];
        for amount in &mut amounts {
            *amount = i128_of(from)?;
        }
        let [quantity, entry_price, exit_price, fees, pnl] = amounts;
        Ok(Self {
            account: AccountId(account),
            instrument: InstrumentIdx(instrument),
            strategy: StrategyIdx(strategy),
            side: if short { Direction::Short } else { Direction::Long },
            entry_ts: UnixNanos(entry_ts),
            exit_ts: UnixNanos(exit_ts),
            quantity: Quantity::from_raw(quantity),
            entry_price: Price::from_raw(entry_price),
            entry_price_f64: from.f64()?,
            exit_price: Price::from_raw(exit_price),
            exit_price_f64: from.f64()?,
            fees: Money::from_raw(fees),
            pnl: Money::from_raw(pnl),
        })
    }
}

impl Logged for EquityPoint {
    const SIZE: usize = 6 * 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.ts.0.write(out);
        [self.equity, self.hold, self.drawdown, self.gross, self.net].write(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, StateError> {
        Ok(Self {
            ts: UnixNanos(from.u64()?),
            equity: from.f64()?,
            hold: from.f64()?,
            drawdown: from.f64()?,
            gross: from.f64()?,
            net: from.f64()?,
        })
    }
}

impl Logged for MarkBar {
    const SIZE: usize = 8 + 2 + 4 * 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.ts.0.write(out);
        out.extend_from_slice(&self.instrument.0.to_le_bytes());
        [self.open, self.high, self.low, self.close].map(i64::cast_unsigned).write(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, StateError> {
        let (ts, instrument) = (from.u64()?, u16_of(from)?);
        let mut marks = [0u64; 4];
        marks.read(from)?;
        let [open, high, low, close] = marks.map(u64::cast_signed);
        Ok(Self { ts: UnixNanos(ts), instrument: InstrumentIdx(instrument), open, high, low, close })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_has_its_size_and_comes_back() {
        let point = EquityPoint {
            ts: UnixNanos(7),
            equity: 1.0,
            hold: f64::NAN,
            drawdown: -0.0,
            gross: f64::MIN_POSITIVE,
            net: -1e300,
        };
        let bar = MarkBar {
            ts: UnixNanos(u64::MAX),
            instrument: InstrumentIdx(u16::MAX),
            open: i64::MIN,
            high: i64::MAX,
            low: -1,
            close: 0,
        };
        let mut bytes = Vec::new();
        point.put(&mut bytes);
        assert_eq!(bytes.len(), Log::Equity.size());
        assert_eq!(format!("{:?}", EquityPoint::take(&mut Reader::new(&bytes)).unwrap()), format!("{point:?}"));
        bytes.clear();
        bar.put(&mut bytes);
        assert_eq!(bytes.len(), Log::Marks.size());
        assert_eq!(MarkBar::take(&mut Reader::new(&bytes)), Ok(bar));
    }
}
