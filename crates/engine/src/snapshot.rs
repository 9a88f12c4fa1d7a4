//! The engine's state as bytes: what goes on from them says the same as what went on without.
//!
//! In:  an engine between two steps, to save; an engine freshly made with the same configuration and strategies, to load into.
//! Out: bytes, without a checksum and without a file: both belong to `store`.
//! What the engine was made with is written first and compared on loading, so that an error can name what differs. What lives within a
//! step only (outputs of strategies, the effect of the last fill) is not kept; which strategies subscribe to what follows from them.

use crate::step::{Engine, FAULTS_MAX, Fault};
use domain::codec::{CodecError, Reader, Stored, put_all, put_bytes, put_version};
use domain::{InstrumentIdx, InstrumentTable, MarketView, UnixNanos, stored_enum};
use strategy::Strategy;

const VERSION: u32 = 3;
const WHAT: &str = "an engine";

impl Engine {
    /// Appends the whole state to a snapshot. Allocates nothing where `out` has room.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        self.save_configuration(out);
        self.table.put(out);
        self.view.put(out);
        self.portfolio.save(out);
        self.gate.save(out);
        self.desk.save(out);
        for strategy in &self.strategies {
            sized(out, |out| strategy.save(out));
        }
        if let Some(guard) = &self.guard {
            guard.save(out);
        }
        if let Some(reconciler) = &self.reconciler {
            reconciler.save(out);
        }
        self.mode.put(out);
        (self.level, self.bare).put(out);
        (self.sampler_armed, self.day_armed).put(out);
        self.negative.put(out);
        self.faults.put(out);
        self.trips.save(out);
        self.digest.put(out);
        self.now.put(out);
        self.clamped.put(out);
    }

    /// Takes over a saved state. This engine was freshly made with the same configuration, assets and strategies and has seen no event.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] names what differs in the configuration, [`CodecError::Strategy`] the strategy that is another one or
    /// cannot read its state; else [`CodecError`] for bytes that no engine wrote. After an error this engine must be dropped: it may hold
    /// a part of the saved state.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        if self.now != UnixNanos(0) || !self.table.is_empty() {
            return Err(CodecError::Invalid {
                what: "a fresh engine: this one has seen events, which a load would forget",
            });
        }
        from.version(WHAT, VERSION)?;
        self.compare_configuration(from)?;
        let table = InstrumentTable::take(from)?;
        if !table.assets().starts_with(self.table.assets()) {
            return Err(CodecError::Parameter { what: "assets or their precision" });
        }
        self.table = table;
        self.view = MarketView::take(from)?;
        self.portfolio.load(from)?;
        let restorer = self.gate.load(from)?;
        self.desk.load(from, restorer)?;
        for (number, strategy) in (0..=u16::MAX).zip(&mut self.strategies) {
            let bytes = from.bytes()?;
            load_strategy(number, strategy.as_mut(), bytes)?;
        }
        if let Some(guard) = &mut self.guard {
            guard.load(from)?;
        }
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.load(from)?;
        }
        self.mode = Stored::take(from)?;
        (self.level, self.bare) = Stored::take(from)?;
        (self.sampler_armed, self.day_armed) = Stored::take(from)?;
        self.negative = Stored::take(from)?;
        self.faults = Stored::take(from)?;
        if self.faults.len() > FAULTS_MAX || (!self.faults.is_empty() && !self.mode.is_stuck()) {
            return Err(CodecError::Invalid { what: "the faults of an engine" });
        }
        self.trips.load(from)?;
        self.digest = Stored::take(from)?;
        self.now = Stored::take(from)?;
        self.clamped = Stored::take(from)?;
        self.booked = None;
        // As after the definition of every instrument.
        if self.subscribers.len() < self.table.len() {
            self.subscribers.resize_with(self.table.len(), Vec::new);
        }
        Ok(())
    }

    fn save_configuration(&self, out: &mut Vec<u8>) {
        let config = &self.config;
        config.report_currency.put(out);
        config.epoch.put(out);
        config.correlation_every.put(out);
        config.correlation_lateness.put(out);
        config.accounts.put(out);
        (config.guard.is_some(), config.reconcile.is_some()).put(out);
        put_all(&self.strategies, out, |strategy, out| {
            put_bytes(strategy.name().as_bytes(), out);
            put_version(strategy.version(), out);
            put_all(strategy.instruments(), out, Stored::put);
            sized(out, |out| strategy.parameters(out));
        });
    }

    /// The limits are compared by the gate, which holds them.
    fn compare_configuration(&self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        let config = &self.config;
        from.same(&config.report_currency, "the report currency")?;
        from.same(&config.epoch, "the epoch of orders")?;
        from.same(&config.correlation_every, "how often correlations are sampled")?;
        from.same(&config.correlation_lateness, "how late correlations are sampled")?;
        from.same(&config.accounts, "the accounts")?;
        from.same(&config.guard.is_some(), "whether the account is guarded")?;
        from.same(&config.reconcile.is_some(), "whether the account is reconciled")?;
        from.same(&(self.strategies.len() as u64), "the number of strategies")?;
        for (number, strategy) in (0..=u16::MAX).zip(&self.strategies) {
            let other = |what: &str, found: &str| CodecError::Strategy {
                strategy: number,
                reason: format!("{} is configured, and {what} that was saved {found}", strategy.name()),
            };
            let name = String::from_utf8_lossy(from.bytes()?);
            if name != strategy.name() {
                return Err(other("the strategy", &format!("is {name}")));
            }
            let version = from.u32()?;
            if version != strategy.version() {
                let found = format!("has version {version}, not {}", strategy.version());
                return Err(other("the state", &found));
            }
            if Vec::<InstrumentIdx>::take(from)? != strategy.instruments() {
                return Err(other("the one", "trades other instruments"));
            }
            let mut parameters = Vec::new();
            strategy.parameters(&mut parameters);
            if from.bytes()? != parameters {
                return Err(other("the one", "has other parameters"));
            }
        }
        Ok(())
    }
}

fn load_strategy(number: u16, strategy: &mut dyn Strategy, bytes: &[u8]) -> Result<(), CodecError> {
    let mut reader = strategy::Reader::new(bytes);
    let loaded = strategy.load(&mut reader).and_then(|()| reader.finish());
    loaded.map_err(|error| CodecError::Strategy { strategy: number, reason: error.to_string() })
}

/// Appends what `write` appends, with the number of its bytes in front.
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    0_u64.put(out);
    let begin = out.len();
    write(out);
    let bytes = (out.len() - begin) as u64;
    if let Some(head) = out.get_mut(at..begin) {
        head.copy_from_slice(&bytes.to_le_bytes());
    }
}

stored_enum!(Fault, "a fault" { 1 => Ledger(error), 2 => Instrument(text), 3 => Alarm(alarm) });

#[cfg(test)]
mod tests {
    use super::*;
    use domain::codec::{from_bytes, to_bytes};
    use domain::{AccountId, AssetIdx, ClientOrderId, Money, OrderStatus, Quantity, RejectReason, StrategyIdx};
    use execution::{Alarm, IllegalTransition, OrderInput};
    use portfolio::LedgerError;
    use risk::DenyReason;

    #[test]
    fn every_fault_comes_back_as_what_it_was() {
        let id = ClientOrderId::new(AccountId(1), 2, 3);
        let (account, instrument, strategy) = (AccountId(1), InstrumentIdx(2), StrategyIdx(3));
        let (held, taken) = (Quantity::from_units(1), Quantity::from_units(2));
        let mut faults = vec![
            Fault::Ledger(LedgerError::UnknownInstrument { instrument }),
            Fault::Ledger(LedgerError::NotPositive { trade_id: 7, price: -1, quantity: 0 }),
            Fault::Ledger(LedgerError::ShortSpot { account, instrument, strategy, held, taken }),
            Fault::Ledger(LedgerError::BalanceOverflow { account, asset: AssetIdx(4), amount: Money::MAX }),
            Fault::Ledger(LedgerError::ValueOverflow { trade_id: 7, price: i64::MAX, quantity: i64::MAX }),
            Fault::Instrument("instrument X: no lot".into()),
            Fault::Alarm(Alarm::UnknownOrder(id)),
            Fault::Alarm(Alarm::ReductionRejected(id, RejectReason::SelfMatch)),
            Fault::Alarm(Alarm::EndedByVenue(id)),
            Fault::Alarm(Alarm::Unprotected(DenyReason::Tick)),
            Fault::Alarm(Alarm::Overfilled(id)),
            Fault::Alarm(Alarm::VenueIdReused(id, domain::VenueOrderId(9))),
        ];
        for input in [
            OrderInput::Accepted,
            OrderInput::Rejected,
            OrderInput::Filled { quantity: held, complete: true },
            OrderInput::CancelSent,
            OrderInput::Canceled,
            OrderInput::CancelRejected,
            OrderInput::Expired,
            OrderInput::AnswerOverdue,
            OrderInput::Completed,
        ] {
            faults.push(Fault::Alarm(Alarm::Illegal(id, IllegalTransition { from: OrderStatus::Expired, input })));
        }
        let back: Vec<Fault> = from_bytes(&to_bytes(&faults)).unwrap();
        assert_eq!(back, faults);
        let texts = |faults: &[Fault]| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&back), texts(&faults));
    }
}
