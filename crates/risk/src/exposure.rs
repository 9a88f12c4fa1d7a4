//! What orders that are on their way may still become: every order counts in the limits from the instant it is approved.
//!
//! In:  approvals of entries (reserve), their fills (use) and their ends (release).
//! Out: pending notional per account, instrument and direction, and reserved funds per account and asset, for the checks.

use domain::codec::{CodecError, Pack, Reader, Stored};
use domain::{
    AccountId, AssetIdx, Digest, Digestible, InstrumentIdx, Money, Quantity, Side, StrategyIdx, stored_struct,
};

/// What one entry order holds of the limits. Used up by fills, given back at the order's end; it cannot be copied, so nothing is given
/// back twice.
#[derive(Debug, PartialEq, Eq)]
pub struct Reservation {
    account: AccountId,
    instrument: InstrumentIdx,
    strategy: StrategyIdx,
    asset: AssetIdx,
    side: Side,
    notional: Money,
    funds: Money,
}

impl Reservation {
    /// How many bytes it takes in a snapshot.
    pub const WIDTH: usize = 41;

    /// Its bytes, for a snapshot. They become a reservation again through [`crate::Restorer`] alone.
    #[must_use]
    #[inline(always)]
    pub fn packed(&self) -> [u8; Self::WIDTH] {
        let mut pack = Pack::new();
        pack.field(self.account.0.to_le_bytes()).field(self.instrument.0.to_le_bytes());
        pack.field(self.strategy.0.to_le_bytes()).field(self.asset.0.to_le_bytes()).bool(self.side == Side::Sell);
        pack.i128(self.notional.raw()).i128(self.funds.raw());
        pack.bytes()
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            account: Stored::take(from)?,
            instrument: Stored::take(from)?,
            strategy: Stored::take(from)?,
            asset: Stored::take(from)?,
            side: if bool::take(from)? { Side::Sell } else { Side::Buy },
            notional: Stored::take(from)?,
            funds: Stored::take(from)?,
        })
    }
}

impl Digestible for Reservation {
    fn digest(&self, d: &mut Digest) {
        d.word(
            u64::from(self.account.0)
                | u64::from(self.instrument.0) << 16
                | u64::from(self.strategy.0) << 32
                | u64::from(self.asset.0) << 48,
        );
        d.word(u64::from(self.side == Side::Sell));
        d.wide(self.notional.raw());
        d.wide(self.funds.raw());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    account: AccountId,
    instrument: InstrumentIdx,
    strategy: StrategyIdx,
    /// Of entries that buy.
    buys: Money,
    /// Of entries that sell.
    sells: Money,
    /// What they may take of the quote (or settle) asset.
    funds: Money,
    orders: u32,
}

impl Pending {
    fn notional(&self) -> Money {
        // Each part was checked when it was reserved; a sum that does not fit counts as the largest amount.
        self.buys.checked_add(self.sells).unwrap_or(Money::MAX)
    }

    fn of_side_mut(&mut self, side: Side) -> &mut Money {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }
}

/// Entries of an account on their way in one instrument, all strategies together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingIn {
    /// Notional of those that buy.
    pub buys: Money,
    /// Notional of those that sell.
    pub sells: Money,
    /// What they may take of the quote (or settle) asset.
    pub funds: Money,
    /// How many they are.
    pub orders: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reserved {
    account: AccountId,
    asset: AssetIdx,
    funds: Money,
}

/// Pending exposure of all orders on their way.
#[derive(Clone, Debug, Default)]
pub struct Exposure {
    pending: Vec<Pending>,
    reserved: Vec<Reserved>,
}

impl Exposure {
    /// Counts an entry of `notional` that may take `funds` of `asset`. `None` if the sums would overflow; then nothing is counted.
    #[must_use]
    pub(crate) fn reserve(
        &mut self,
        (account, instrument, strategy): (AccountId, InstrumentIdx, StrategyIdx),
        asset: AssetIdx,
        side: Side,
        notional: Money,
        funds: Money,
    ) -> Option<Reservation> {
        let p = self.pending_slot(account, instrument, strategy);
        let r = self.reserved_slot(account, asset);
        let new_notional = self.pending[p].of_side_mut(side).checked_add(notional)?;
        let new_pending_funds = self.pending[p].funds.checked_add(funds)?;
        let new_funds = self.reserved[r].funds.checked_add(funds)?;
        *self.pending[p].of_side_mut(side) = new_notional;
        self.pending[p].funds = new_pending_funds;
        self.pending[p].orders += 1;
        self.reserved[r].funds = new_funds;
        Some(Reservation { account, instrument, strategy, asset, side, notional, funds })
    }

    /// A fill of `notional` used part of a reservation: what became a position no longer counts as pending, and of the funds the same share
    /// is used, rounded down, so that the rest of the order never has less reserved than it needs.
    pub fn use_part(&mut self, reservation: &mut Reservation, notional: Money) {
        let part = notional.min(reservation.notional).max(Money::ZERO);
        let as_quantity = |amount: Money| Quantity::from_raw(amount.raw());
        let funds = reservation.funds.share(as_quantity(part), as_quantity(reservation.notional));
        self.take(reservation, part, funds.unwrap_or(Money::ZERO));
    }

    /// Counts nothing for an order any more, but that it is there: another one holds for both.
    pub(crate) fn lower(&mut self, reservation: &mut Reservation) {
        let (notional, funds) = (reservation.notional, reservation.funds);
        self.take(reservation, notional, funds);
    }

    /// Counts at least this much for an order. `None` if the sums would overflow; then nothing is changed.
    pub(crate) fn raise(&mut self, reservation: &mut Reservation, notional: Money, funds: Money) -> Option<()> {
        let more = |to: Money, held: Money| to.checked_sub(held).map(|more| more.max(Money::ZERO));
        let (notional, funds) = (more(notional, reservation.notional)?, more(funds, reservation.funds)?);
        let (p, r) = (
            self.pending_slot(reservation.account, reservation.instrument, reservation.strategy),
            self.reserved_slot(reservation.account, reservation.asset),
        );
        let side = reservation.side;
        let pending = self.pending[p].of_side_mut(side).checked_add(notional)?;
        let pending_funds = self.pending[p].funds.checked_add(funds)?;
        let reserved = self.reserved[r].funds.checked_add(funds)?;
        let held = (reservation.notional.checked_add(notional)?, reservation.funds.checked_add(funds)?);
        *self.pending[p].of_side_mut(side) = pending;
        (self.pending[p].funds, self.reserved[r].funds) = (pending_funds, reserved);
        (reservation.notional, reservation.funds) = held;
        Some(())
    }

    /// The order ended: what is left of its reservation is free again.
    pub fn release(&mut self, mut reservation: Reservation) {
        let (notional, funds) = (reservation.notional, reservation.funds);
        self.take(&mut reservation, notional, funds);
        let p = self.pending_slot(reservation.account, reservation.instrument, reservation.strategy);
        self.pending[p].orders = self.pending[p].orders.saturating_sub(1);
    }

    /// Pending entry notional of an instrument over all strategies, and how many orders that is.
    #[must_use]
    pub fn pending_in(&self, account: AccountId, instrument: InstrumentIdx) -> (Money, u32) {
        self.sum(|p| p.account == account && p.instrument == instrument)
    }

    /// Pending entry notional of one strategy in an instrument.
    #[must_use]
    pub fn pending_of(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> Money {
        self.sum(|p| p.account == account && p.instrument == instrument && p.strategy == strategy).0
    }

    /// Pending entry notional of an account.
    #[must_use]
    pub fn pending_total(&self, account: AccountId) -> Money {
        self.sum(|p| p.account == account).0
    }

    /// Pending entry notional of all accounts but this one.
    #[must_use]
    pub fn pending_of_others(&self, account: AccountId) -> Money {
        self.sum(|p| p.account != account).0
    }

    /// Instruments with entries on their way, each once, in the order in which they were first used.
    pub fn pending_instruments(&self, account: AccountId) -> impl Iterator<Item = InstrumentIdx> + '_ {
        let working = move |p: &&Pending| p.account == account && p.orders > 0;
        let seen_before = move |at: usize, idx| self.pending[..at].iter().filter(working).any(|p| p.instrument == idx);
        (self.pending.iter().enumerate())
            .filter(move |(at, p)| working(p) && !seen_before(*at, p.instrument))
            .map(|(_, p)| p.instrument)
    }

    /// Entries of an account on their way in each instrument, by direction; an instrument may come more than once, a part each time.
    pub fn parts(&self, account: AccountId) -> impl Iterator<Item = (InstrumentIdx, PendingIn)> + '_ {
        self.parts_by_strategy(account).map(|(instrument, _, part)| (instrument, part))
    }

    /// The same with the strategy whose they are.
    pub fn parts_by_strategy(
        &self,
        account: AccountId,
    ) -> impl Iterator<Item = (InstrumentIdx, StrategyIdx, PendingIn)> + '_ {
        self.pending.iter().filter(move |p| p.account == account && p.orders > 0).map(|p| {
            let part = PendingIn { buys: p.buys, sells: p.sells, funds: p.funds, orders: p.orders };
            (p.instrument, p.strategy, part)
        })
    }

    /// Funds of an asset that orders on their way may take.
    #[must_use]
    pub fn reserved(&self, account: AccountId, asset: AssetIdx) -> Money {
        self.reserved.iter().find(|r| r.account == account && r.asset == asset).map_or(Money::ZERO, |r| r.funds)
    }

    fn sum(&self, belongs: impl Fn(&Pending) -> bool) -> (Money, u32) {
        // Every addition was checked when the parts were reserved; a sum of sums that does not fit counts as the largest amount.
        self.pending.iter().filter(|p| belongs(p)).fold((Money::ZERO, 0), |(notional, orders), p| {
            (notional.checked_add(p.notional()).unwrap_or(Money::MAX), orders + p.orders)
        })
    }

    fn take(&mut self, reservation: &mut Reservation, notional: Money, funds: Money) {
        let p = self.pending_slot(reservation.account, reservation.instrument, reservation.strategy);
        let r = self.reserved_slot(reservation.account, reservation.asset);
        let less = |a: Money, b: Money| a.checked_sub(b).unwrap_or(Money::ZERO);
        let held = self.pending[p].of_side_mut(reservation.side);
        *held = less(*held, notional);
        self.pending[p].funds = less(self.pending[p].funds, funds);
        self.reserved[r].funds = less(self.reserved[r].funds, funds);
        reservation.notional = less(reservation.notional, notional);
        reservation.funds = less(reservation.funds, funds);
    }

    fn pending_slot(&mut self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> usize {
        let found = self
            .pending
            .iter()
            .position(|p| p.account == account && p.instrument == instrument && p.strategy == strategy);
        found.unwrap_or_else(|| {
            let (buys, sells, funds) = (Money::ZERO, Money::ZERO, Money::ZERO);
            self.pending.push(Pending { account, instrument, strategy, buys, sells, funds, orders: 0 });
            self.pending.len() - 1
        })
    }

    fn reserved_slot(&mut self, account: AccountId, asset: AssetIdx) -> usize {
        self.reserved.iter().position(|r| r.account == account && r.asset == asset).unwrap_or_else(|| {
            self.reserved.push(Reserved { account, asset, funds: Money::ZERO });
            self.reserved.len() - 1
        })
    }
}

stored_struct!(Pending { account, instrument, strategy, buys, sells, funds, orders });
stored_struct!(Reserved { account, asset, funds });

/// For snapshots.
impl Exposure {
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.pending.put(out);
        self.reserved.put(out);
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { pending: Stored::take(from)?, reserved: Stored::take(from)? })
    }

    /// Whether nothing was ever reserved.
    pub(crate) const fn is_unused(&self) -> bool {
        self.pending.is_empty() && self.reserved.is_empty()
    }

    /// Takes a reservation off, if it is counted here. The search begins at `next`, which is moved behind what was found.
    pub(crate) fn claim(&mut self, r: &Reservation, next: &mut usize) -> bool {
        let of = |p: &Pending| (p.account, p.instrument, p.strategy) == (r.account, r.instrument, r.strategy);
        let from = (*next).min(self.pending.len());
        let (before, after) = self.pending.split_at(from);
        let Some(at) = (after.iter().position(of).map(|at| from + at)).or_else(|| before.iter().position(of)) else {
            return false;
        };
        *next = at + 1;
        let reserved = self.reserved.iter_mut().find(|held| (held.account, held.asset) == (r.account, r.asset));
        let (Some(pending), Some(reserved)) = (self.pending.get_mut(at), reserved) else { return false };
        let left = |held: Money, part: Money| {
            held.checked_sub(part).filter(|left| part >= Money::ZERO && *left >= Money::ZERO)
        };
        let (notional, funds) = (left(*pending.of_side_mut(r.side), r.notional), left(reserved.funds, r.funds));
        match (notional, left(pending.funds, r.funds), funds, pending.orders.checked_sub(1)) {
            (Some(notional), Some(pending_funds), Some(funds), Some(orders)) => {
                *pending.of_side_mut(r.side) = notional;
                (pending.funds, reserved.funds, pending.orders) = (pending_funds, funds, orders);
                true
            }
            _ => false,
        }
    }

    /// What is counted as pending: notional and orders.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Money, u32)> + '_ {
        self.pending.iter().map(|p| (p.notional(), p.orders))
    }

    /// What is counted as reserved.
    pub(crate) fn funds(&self) -> impl Iterator<Item = Money> + '_ {
        self.reserved.iter().map(|r| r.funds).chain(self.pending.iter().map(|p| p.funds))
    }
}

impl Digestible for Exposure {
    fn digest(&self, d: &mut Digest) {
        for p in &self.pending {
            d.word(u64::from(p.account.0) | u64::from(p.instrument.0) << 16 | u64::from(p.strategy.0) << 32);
            d.wide(p.buys.raw());
            d.wide(p.sells.raw());
            d.wide(p.funds.raw());
            d.word(u64::from(p.orders));
        }
        for r in &self.reserved {
            d.word(u64::from(r.account.0) | u64::from(r.asset.0) << 16);
            d.wide(r.funds.raw());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: (AccountId, InstrumentIdx, StrategyIdx) = (AccountId(0), InstrumentIdx(1), StrategyIdx(2));
    const USDT: AssetIdx = AssetIdx(3);

    #[test]
    fn an_order_counts_from_approval_to_its_end() {
        let mut e = Exposure::default();
        let mut r = e.reserve(KEY, USDT, Side::Buy, Money::from_units(100), Money::from_units(101)).unwrap();
        assert_eq!(e.pending_in(KEY.0, KEY.1), (Money::from_units(100), 1));
        e.use_part(&mut r, Money::from_units(40));
        assert_eq!(e.pending_of(KEY.0, KEY.1, KEY.2), Money::from_units(60));
        let part =
            PendingIn { buys: Money::from_units(60), funds: testkit::money("60.6"), orders: 1, ..PendingIn::default() };
        assert_eq!(e.parts(KEY.0).collect::<Vec<_>>(), [(KEY.1, part)]);
        assert_eq!(e.reserved(KEY.0, USDT), testkit::money("60.6"), "the funds of the rest stay reserved");
        e.release(r);
        assert_eq!(e.pending_in(KEY.0, KEY.1), (Money::ZERO, 0));
        assert_eq!((e.pending_total(KEY.0), e.reserved(KEY.0, USDT)), (Money::ZERO, Money::ZERO));
        assert_eq!(e.pending_instruments(KEY.0).count(), 0);
    }

    proptest! {
        #[test]
        fn whatever_happens_the_end_is_zero(orders in prop::collection::vec((1i64..1000, 1i64..1000, prop::collection::vec(0i64..600, 0..5)), 1..20)) {
            let mut e = Exposure::default();
            let mut open = Vec::new();
            for (n, (notional, funds, fills)) in orders.into_iter().enumerate() {
                let key = (AccountId(0), InstrumentIdx((n % 3) as u16), StrategyIdx((n % 2) as u16));
                let side = if n % 5 == 0 { Side::Sell } else { Side::Buy };
                let (notional, funds) = (Money::from_units(notional), Money::from_units(funds));
                let mut r = e.reserve(key, USDT, side, notional, funds).unwrap();
                for fill in fills {
                    // Fills at other prices than the reference may use more than was reserved.
                    e.use_part(&mut r, Money::from_units(fill));
                }
                open.push(r);
            }
            prop_assert!(e.pending_total(AccountId(0)) >= Money::ZERO);
            open.into_iter().for_each(|r| e.release(r));
            prop_assert_eq!(e.pending_total(AccountId(0)), Money::ZERO);
            prop_assert_eq!(e.reserved(AccountId(0), USDT), Money::ZERO);
            prop_assert_eq!(e.parts(AccountId(0)).count(), 0);
            prop_assert!(e.funds().all(|funds| funds == Money::ZERO));
        }
    }
}
