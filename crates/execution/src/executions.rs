//! Executions that were booked: the same one never counts twice.
//!
//! In:  executions as they are booked.
//! Out: whether one was booked before; whether one lies so far back that this cannot be said.
//! The venue's number of an execution is its own within account and instrument.

use crate::recent::{Noted, Recent};
use domain::codec::{CodecError, Reader, Stored};
use domain::{AccountId, Digest, Digestible, Fill, InstrumentIdx, UnixNanos};
use std::collections::BTreeMap;

/// How many are kept. A stream that was interrupted says again what it said since, not what it said days ago.
const KEPT: usize = 8_192;

/// The last executions.
#[derive(Clone, Debug)]
pub struct Executions {
    seen: Recent<UnixNanos>,
    /// The latest time of those that had to leave, by account and instrument: what is as old there may have been booked. A place is made
    /// with its first execution, so that none is made later.
    forgotten: BTreeMap<(AccountId, InstrumentIdx), Option<UnixNanos>>,
    /// How many came again. A figure for people: nothing is decided by it.
    repeated: u64,
}

impl Default for Executions {
    fn default() -> Self {
        Self { seen: Recent::with_capacity(KEPT), forgotten: BTreeMap::new(), repeated: 0 }
    }
}

impl Executions {
    /// Whether an execution was booked before.
    #[must_use]
    #[inline]
    pub fn knows(&self, fill: &Fill) -> bool {
        self.seen.get(key(fill)).is_some()
    }

    /// Whether one of that time may have been booked and forgotten. That others trade a lot says nothing of it.
    #[must_use]
    pub fn may_have_forgotten(&self, ts_event: UnixNanos, fill: &Fill) -> bool {
        let until = self.forgotten.get(&(fill.account, fill.instrument)).copied().flatten();
        until.is_some_and(|until| ts_event <= until)
    }

    /// An execution was booked that happened at `ts_event`, on the venue's clock.
    pub fn note(&mut self, ts_event: UnixNanos, fill: &Fill) {
        self.forgotten.entry((fill.account, fill.instrument)).or_default();
        if let Noted::New(Some((key, gone))) = self.seen.note(key(fill), ts_event) {
            let until = self.forgotten.entry(place_of(key)).or_default();
            *until = Some(gone).max(*until);
        }
    }

    /// One came again.
    pub const fn count_repeated(&mut self) {
        self.repeated += 1;
    }

    /// How many came again.
    #[must_use]
    pub const fn repeated(&self) -> u64 {
        self.repeated
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.seen.save(out);
        self.forgotten.put(out);
        self.repeated.put(out);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.seen.load(from, "the executions that were booked")?;
        self.forgotten = Stored::take(from)?;
        self.repeated = from.u64()?;
        Ok(())
    }
}

fn key(fill: &Fill) -> u128 {
    u128::from(fill.account.0) << 80 | u128::from(fill.instrument.0) << 64 | u128::from(fill.trade_id)
}

/// The account and instrument of a key.
const fn place_of(key: u128) -> (AccountId, InstrumentIdx) {
    (AccountId((key >> 80) as u16), InstrumentIdx((key >> 64) as u16))
}

impl Digestible for Executions {
    fn digest(&self, d: &mut Digest) {
        for (key, ts) in self.seen.iter() {
            d.wide(*key as i128);
            d.word(ts.0);
        }
        for ((account, instrument), until) in &self.forgotten {
            d.word(u64::from(account.0) | u64::from(instrument.0) << 16);
            d.word(until.map_or(u64::MAX, |ts| ts.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AssetIdx, ClientOrderId, Liquidity, Money, Side, StrategyIdx, VenueOrderId};

    fn fill(account: u16, instrument: u16, trade_id: u64) -> Fill {
        let account = AccountId(account);
        Fill {
            client_id: ClientOrderId::new(account, 1, 1),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id,
            price: 100,
            quantity: 1,
            instrument: InstrumentIdx(instrument),
            account,
            strategy: StrategyIdx(0),
            fee_asset: AssetIdx(0),
            side: Side::Buy,
            liquidity: Liquidity::Maker,
        }
    }

    #[test]
    fn what_was_forgotten_of_a_busy_instrument_hides_nothing_of_another() {
        let mut executions = Executions::default();
        for n in 0..=KEPT as u64 {
            executions.note(UnixNanos(1_000 + n), &fill(0, 1, n));
        }
        let (before, at) = (UnixNanos(999), UnixNanos(1_000));
        assert!(executions.may_have_forgotten(at, &fill(0, 1, 9_999_999)));
        assert!(!executions.may_have_forgotten(UnixNanos(1_001), &fill(0, 1, 9_999_999)));
        for quiet in [fill(0, 2, 5), fill(1, 1, 5)] {
            assert!(!executions.knows(&quiet) && !executions.may_have_forgotten(before, &quiet));
        }
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        executions.save(&mut bytes);
        let mut back = Executions::default();
        back.load(&mut Reader::new(&bytes)).unwrap();
        back.save(&mut again);
        assert_eq!(bytes, again);
        assert!(back.may_have_forgotten(at, &fill(0, 1, 9_999_999)));
    }
}
