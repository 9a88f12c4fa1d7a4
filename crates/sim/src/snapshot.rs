//! The venue's state as bytes: what goes on from them reports the same as what went on without.
//!
//! In:  a venue between two calls, to save; a venue freshly made with the same configuration and definitions, to load into.
//! Out: bytes, without a checksum and without a file: both belong to whoever keeps the snapshot.
//! What follows from an instrument's rules is worked out on loading. What refers to something else (a slot, an account, a market) is checked,
//! so that damaged bytes end in an error here and not in a wrong index later.

use crate::account::Account;
use crate::config::VenueConfig;
use crate::ids::Ids;
use crate::market::Market;
use crate::order::Order;
use crate::venue::Venue;
use domain::codec::{CodecError, Reader, Stored, put_all, put_version};
use domain::decimal::MONEY_DECIMALS;
use domain::{Instrument, UnixNanos};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const VERSION: u32 = 2;
const WHAT: &str = "a venue";

impl Venue {
    /// Appends the whole state to a snapshot. Allocates nothing where `out` has room.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        save_config(&self.config, out);
        self.assets.put(out);
        put_all(&self.markets, out, |market, out| {
            market.rules.put(out);
            market.save(out);
        });
        self.accounts.put(out);
        self.orders.put(out);
        self.free.put(out);
        // In the heap's own order, which a heap made of it keeps.
        (self.ends.len() as u64).put(out);
        self.ends.iter().for_each(|Reverse(end)| end.put(out));
        self.ids.save(out);
        self.inbox.save(out);
        self.outbox.save(out);
        self.history.save(out);
        self.delay.generator.0.put(out);
        self.now.put(out);
        self.due.put(out);
        self.path_bar.put(out);
        (self.venue_ids, self.trade_ids, self.liquidations).put(out);
        self.holders.put(out);
        self.funding_next.put(out);
    }

    /// Takes over a saved state. This venue was freshly made with the same configuration and definitions; rules that changed since come
    /// back as they were.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] names what differs in the configuration or the definitions; else [`CodecError`] for bytes that no venue
    /// wrote. After an error this venue must be dropped: it may hold a part of the saved state.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        if self.now != UnixNanos(0) || !self.accounts.is_empty() {
            return Err(CodecError::Invalid {
                what: "a fresh venue: this one has accounts, which a load would forget",
            });
        }
        from.version(WHAT, VERSION)?;
        compare_config(&self.config, from)?;
        self.load_definitions(from)?;
        self.accounts = Vec::<Account>::take(from)?;
        self.orders = Vec::<Order>::take(from)?;
        self.free = Stored::take(from)?;
        self.ends =
            BinaryHeap::from(Vec::<(UnixNanos, u64, u32)>::take(from)?.into_iter().map(Reverse).collect::<Vec<_>>());
        self.ids = Ids::load(from, &self.orders)?;
        self.inbox.load(from)?;
        self.outbox.load(from)?;
        self.history.load(from)?;
        self.delay.generator.0 = from.u64()?;
        self.now = Stored::take(from)?;
        self.due = Stored::take(from)?;
        self.path_bar = Stored::take(from)?;
        (self.venue_ids, self.trade_ids, self.liquidations) = Stored::take(from)?;
        self.holders = from.u32()?;
        self.funding_next = Stored::take(from)?;
        self.check_slots()?;
        self.check_holders()
    }

    fn load_definitions(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        let assets = Vec::<u8>::take(from)?;
        if !assets.starts_with(&self.assets) {
            return Err(CodecError::Parameter { what: "assets at the venue or their precision" });
        }
        if assets.iter().any(|&decimals| decimals > MONEY_DECIMALS) {
            return Err(CodecError::Invalid { what: "the precision of an asset" });
        }
        self.assets = assets;
        let configured = std::mem::take(&mut self.markets);
        for at in 0..from.count()? {
            let rules = Instrument::take(from)?;
            if configured.get(at).is_some_and(|market| !market.has_shape_of(&rules)) {
                return Err(CodecError::Parameter { what: "instruments at the venue" });
            }
            if rules.idx.index() != at || rules.validate().is_err() {
                return Err(CodecError::Invalid { what: "an instrument at the venue" });
            }
            let (base, quote) = (self.decimals(rules.base), self.decimals(rules.quote));
            let mut market = Market::new(&rules, self.config.fees, base, quote);
            market.load(from)?;
            self.markets.push(market);
        }
        if self.markets.len() < configured.len() {
            return Err(CodecError::Parameter { what: "instruments at the venue" });
        }
        Ok(())
    }

    /// Every order that works is in the list of its market, once, and its account exists; every other slot is free, once.
    fn check_slots(&self) -> Result<(), CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "the slots of orders" };
        let mut seen = vec![false; self.orders.len()];
        let mut meet = |slot: u32| {
            let first = seen.get_mut(slot as usize).map(|seen| !std::mem::replace(seen, true));
            self.orders.get(slot as usize).filter(|_| first == Some(true))
        };
        for (at, market) in self.markets.iter().enumerate() {
            for &slot in &market.working {
                let order = meet(slot).filter(|order| order.alive && order.spec.instrument.index() == at);
                if order.is_none_or(|order| self.account(order.account()).is_none()) {
                    return Err(INVALID);
                }
            }
        }
        for &slot in &self.free {
            if meet(slot).is_none_or(|order| order.alive) {
                return Err(INVALID);
            }
        }
        if seen.iter().all(|&seen| seen) { Ok(()) } else { Err(INVALID) }
    }

    /// The counts of open positions are those of the accounts.
    fn check_holders(&self) -> Result<(), CodecError> {
        let mut all = 0;
        for (at, market) in self.markets.iter().enumerate() {
            let held = |account: &&Account| account.positions().get(at).is_some_and(|p| p.quantity != 0);
            let holders = self.accounts.iter().filter(held).count();
            all += holders;
            if market.holders as usize != holders || (market.is_spot() && holders != 0) {
                return Err(CodecError::Invalid { what: "who holds a position" });
            }
        }
        if self.holders as usize == all { Ok(()) } else { Err(CodecError::Invalid { what: "who holds a position" }) }
    }
}

fn save_config(config: &VenueConfig, out: &mut Vec<u8>) {
    config.exec.put(out);
    config.slippage.put(out);
    config.participation.put(out);
    config.fee_asset.put(out);
    config.fees.put(out);
    config.latency.put(out);
    config.limit_fill.put(out);
    config.funding.put(out);
    config.queue.put(out);
    config.pairs.put(out);
}

/// Field by field, so that the error can name the one that differs.
fn compare_config(config: &VenueConfig, from: &mut Reader<'_>) -> Result<(), CodecError> {
    from.same(&config.exec, "when market orders trade")?;
    from.same(&config.slippage, "the slippage")?;
    from.same(&config.participation, "the cap of participation")?;
    from.same(&config.fee_asset, "the asset of fees")?;
    from.same(&config.fees, "the fees")?;
    from.same(&config.latency, "the latency")?;
    from.same(&config.limit_fill, "when limit orders are filled")?;
    from.same(&config.funding, "the funding")?;
    from.same(&config.queue, "whether orders queue")?;
    from.same(&config.pairs, "whether pairs of orders are held")
}
