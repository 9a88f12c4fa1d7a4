//! Accounts at the venue: balances with what is reserved of them, and positions in perpetuals.
//!
//! In:  deposits, reservations of orders, trades.
//! Out: what is held and free; the profit or loss that a trade realises. Amounts are counts of 1e-12 of their asset.
//! Margin is reckoned in `margin`. A spot holding is a balance and no position.

use domain::decimal::div_round;
use domain::{AssetIdx, Digest, Digestible, InstrumentIdx, Rounding, StrategyIdx, stored_struct};

/// How much of one asset an account has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Balance {
    pub total: i128,
    /// Reserved by working orders.
    pub locked: i128,
}

/// A net position in a perpetual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    /// Signed quantity, a mantissa.
    pub quantity: i64,
    /// What the open quantity cost, signed like it.
    pub cost: i128,
    /// How it divides among strategies, in the order of their first trade. Kept for liquidations, whose fills must name one.
    pub shares: Vec<(StrategyIdx, i64)>,
}

impl Position {
    /// Books a trade: `signed` quantity, `closing` and `opening` amounts of quote (what the closed part and the rest moved, signed as the
    /// account sees them: negative when it pays). The cost share of a partial close is rounded up to a multiple of `unit`, so
    /// that what is realised is rounded down. Returns what is realised; `None` on overflow, with nothing changed.
    pub fn trade(
        &mut self,
        strategy: StrategyIdx,
        signed: i64,
        closed: i64,
        closing: i128,
        opening: i128,
        unit: i128,
    ) -> Option<i128> {
        let held = self.quantity.checked_abs()?;
        let quantity = self.quantity.checked_add(signed)?;
        let share = if closed == 0 {
            0
        } else if closed == held {
            self.cost
        } else {
            let product = self.cost.checked_mul(i128::from(closed))?;
            let divisor = i128::from(held).checked_mul(unit)?;
            div_round(product, divisor, Rounding::Up).checked_mul(unit)?
        };
        let realised = if closed == 0 { 0 } else { closing.checked_sub(share)? };
        let cost = self.cost.checked_sub(share)?.checked_sub(opening)?;
        let at = self.shares.iter().position(|(s, _)| *s == strategy);
        let before = at.and_then(|at| self.shares.get(at)).map_or(0, |s| s.1);
        let after = before.checked_add(signed)?;
        match at.and_then(|at| self.shares.get_mut(at)) {
            Some(entry) => entry.1 = after,
            None => self.shares.push((strategy, after)),
        }
        self.quantity = quantity;
        self.cost = cost;
        Some(realised)
    }
}

/// One account. It exists from its first deposit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub known: bool,
    balances: Vec<Balance>,
    positions: Vec<Position>,
    /// Spot, by instrument: what each strategy's trades left in base (1e-12), in the order of their first trade.
    owned: Vec<Vec<(StrategyIdx, i128)>>,
}

impl Account {
    pub fn balance(&self, asset: AssetIdx) -> Balance {
        self.balances.get(asset.index()).copied().unwrap_or_default()
    }

    pub fn free(&self, asset: AssetIdx) -> i128 {
        let balance = self.balance(asset);
        balance.total.saturating_sub(balance.locked)
    }

    fn entry(&mut self, asset: AssetIdx) -> &mut Balance {
        if self.balances.len() <= asset.index() {
            self.balances.resize(asset.index() + 1, Balance::default());
        }
        &mut self.balances[asset.index()]
    }

    /// Adds to the balance; `None` on overflow, with nothing changed.
    pub fn post(&mut self, asset: AssetIdx, amount: i128) -> Option<()> {
        let balance = self.entry(asset);
        balance.total = balance.total.checked_add(amount)?;
        Some(())
    }

    /// Whether the amount could be posted without overflow.
    pub fn can_post(&self, asset: AssetIdx, amount: i128) -> bool {
        self.balance(asset).total.checked_add(amount).is_some()
    }

    /// Reserves more (or less) of the balance. What is reserved was compared with what is free, so it cannot overflow.
    pub fn lock(&mut self, asset: AssetIdx, change: i128) {
        if change != 0 {
            let balance = self.entry(asset);
            balance.locked = balance.locked.saturating_add(change);
        }
    }

    pub fn position(&self, instrument: InstrumentIdx) -> i64 {
        self.positions.get(instrument.index()).map_or(0, |p| p.quantity)
    }

    pub fn position_mut(&mut self, instrument: InstrumentIdx) -> &mut Position {
        if self.positions.len() <= instrument.index() {
            self.positions.resize_with(instrument.index() + 1, Position::default);
        }
        &mut self.positions[instrument.index()]
    }

    /// Notes what a spot trade of a strategy changed in base.
    pub fn own(&mut self, instrument: InstrumentIdx, strategy: StrategyIdx, change: i128) {
        if self.owned.len() <= instrument.index() {
            self.owned.resize_with(instrument.index() + 1, Vec::new);
        }
        let owned = &mut self.owned[instrument.index()];
        match owned.iter_mut().find(|(s, _)| *s == strategy) {
            // A part of a balance that was posted with a check.
            Some(entry) => entry.1 = entry.1.saturating_add(change),
            None => owned.push((strategy, change)),
        }
    }

    /// What strategies other than this one hold in base of a spot instrument.
    pub fn owned_by_others(&self, instrument: InstrumentIdx, strategy: StrategyIdx) -> i128 {
        let owned = self.owned.get(instrument.index()).map_or(&[][..], Vec::as_slice);
        owned.iter().filter(|(s, _)| *s != strategy).map(|(_, quantity)| (*quantity).max(0)).sum()
    }

    /// What strategies other than this one hold on one side of a perpetual, without sign.
    pub fn position_of_others(&self, instrument: InstrumentIdx, strategy: StrategyIdx, long: bool) -> i64 {
        let shares = self.positions.get(instrument.index()).map_or(&[][..], |p| p.shares.as_slice());
        (shares.iter().filter(|(s, quantity)| *s != strategy && (*quantity > 0) == long))
            .fold(0i64, |sum, (_, quantity)| sum.saturating_add(quantity.saturating_abs()))
    }

    /// Balances by the number of their asset.
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }

    /// Positions by the number of their instrument.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }
}

stored_struct!(Balance { total, locked });
stored_struct!(Position { quantity, cost, shares });
stored_struct!(Account { known, balances, positions, owned });

impl Digestible for Account {
    fn digest(&self, d: &mut Digest) {
        d.word(u64::from(self.known));
        // Empty entries at the end come from looking, not from trading.
        let held = |b: &&Balance| b.total != 0 || b.locked != 0;
        for (at, balance) in self.balances.iter().enumerate().filter(|(_, b)| held(b)) {
            d.word(at as u64);
            d.wide(balance.total);
            d.wide(balance.locked);
        }
        for (at, owned) in self.owned.iter().enumerate().filter(|(_, owned)| !owned.is_empty()) {
            d.word(at as u64);
            for (strategy, quantity) in owned {
                d.word(u64::from(strategy.0));
                d.wide(*quantity);
            }
        }
        for (at, position) in self.positions.iter().enumerate() {
            if position.shares.is_empty() {
                continue;
            }
            d.word(at as u64);
            d.int(position.quantity);
            d.wide(position.cost);
            for (strategy, quantity) in &position.shares {
                d.word(u64::from(strategy.0));
                d.int(*quantity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: StrategyIdx = StrategyIdx(0);

    #[test]
    fn the_last_close_takes_what_the_shares_left() {
        let mut p = Position::default();
        // Long 3 for 100 in all; closed one by one at 40 each: shares of 34, 33 and 33 (up, exact, the rest).
        p.trade(ME, 3, 0, 0, -100, 1).unwrap();
        let realised: Vec<i128> = (0..3).map(|_| p.trade(ME, -1, 1, 40, 0, 1).unwrap()).collect();
        assert_eq!(realised, [6, 7, 7]);
        assert_eq!((p.quantity, p.cost), (0, 0));
    }

    #[test]
    fn a_flip_closes_one_side_and_opens_the_other() {
        let mut p = Position::default();
        p.trade(ME, 2, 0, 0, -200, 1).unwrap();
        // Sell 5 at 90: 2 of them close for 180, 3 open for 270.
        assert_eq!(p.trade(ME, -5, 2, 180, 270, 1), Some(-20));
        assert_eq!((p.quantity, p.cost), (-3, -270));
        // Buy them back at 80.
        assert_eq!(p.trade(ME, 3, 3, -240, 0, 1), Some(30));
        assert_eq!((p.quantity, p.cost), (0, 0));
    }
}
