//! Books kept from executions and movements alone: the referee's own, which share no code with the ledger or the venue.
//!
//! In:  executions, transfers, funding, charges.
//! Out: balances, positions by strategy and as the account has them, to the last unit.
//! Spot: a buy takes the value, rounded up, and gives the quantity; a sell gives the value, rounded down; fees leave the asset they are in.
//! Perpetual: what closes realises value less its share of the cost, the share rounded up; the rest opens. All at the precision of the quote.

use domain::decimal::MONEY_DECIMALS;
use domain::{
    AssetIdx, Fill, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Money, Quantity, Side, StrategyIdx,
};
use std::collections::{BTreeMap, BTreeSet};

/// A net position in a perpetual: signed 1e-12 of base, and what it cost in 1e-12 of quote.
#[derive(Clone, Copy, Debug, Default)]
struct Net {
    quantity: i128,
    cost: i128,
}

/// Balances and positions.
#[derive(Clone, Debug)]
pub struct Books {
    table: InstrumentTable,
    balances: BTreeMap<AssetIdx, i128>,
    positions: BTreeMap<(InstrumentIdx, StrategyIdx), i128>,
    nets: BTreeMap<InstrumentIdx, Net>,
    seen: BTreeSet<(InstrumentIdx, u64)>,
}

/// `a / b` rounded down or up.
fn div(a: i128, b: i128, up: bool) -> i128 {
    let (q, r) = (a.div_euclid(b), a.rem_euclid(b));
    if up && r != 0 { q + 1 } else { q }
}

fn power(decimals: u8) -> i128 {
    10_i128.pow(u32::from(decimals))
}

impl Books {
    /// Empty ones.
    #[must_use]
    pub fn new(table: InstrumentTable) -> Self {
        Self {
            table,
            balances: BTreeMap::new(),
            positions: BTreeMap::new(),
            nets: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// What there is of an asset.
    #[must_use]
    pub fn balance(&self, asset: AssetIdx) -> Money {
        Money::from_raw(self.balances.get(&asset).copied().unwrap_or(0))
    }

    /// What a strategy holds.
    #[must_use]
    pub fn position(&self, instrument: InstrumentIdx, strategy: StrategyIdx) -> Quantity {
        Quantity::from_raw(self.positions.get(&(instrument, strategy)).copied().unwrap_or(0))
    }

    /// All positions that are not flat.
    pub fn positions(&self) -> impl Iterator<Item = (InstrumentIdx, StrategyIdx, Quantity)> + '_ {
        self.positions.iter().filter(|(_, q)| **q != 0).map(|((i, s), q)| (*i, *s, Quantity::from_raw(*q)))
    }

    /// What the account holds of a perpetual.
    #[must_use]
    pub fn net(&self, instrument: InstrumentIdx) -> Quantity {
        Quantity::from_raw(self.nets.get(&instrument).map_or(0, |n| n.quantity))
    }

    /// Balance less what open positions of the settle asset have cost: the same in whatever order executions were booked.
    #[must_use]
    pub fn free_of_order(&self, asset: AssetIdx) -> Money {
        let costs = (self.nets.iter())
            .filter(|(i, _)| self.table.get(**i).is_some_and(|rules| rules.settle == asset))
            .map(|(_, net)| net.cost);
        Money::from_raw(self.balance(asset).raw() - costs.sum::<i128>())
    }

    /// Whether an execution was booked.
    #[must_use]
    pub fn knows(&self, fill: &Fill) -> bool {
        self.seen.contains(&(fill.instrument, fill.trade_id))
    }

    /// Money that moved without an execution.
    pub fn post(&mut self, asset: AssetIdx, amount: Money) {
        *self.balances.entry(asset).or_default() += amount.raw();
    }

    /// Books an execution. `false` for one that was booked before.
    ///
    /// # Errors
    /// For one in an instrument that is not known.
    pub fn fill(&mut self, fill: &Fill) -> Result<bool, String> {
        let rules = self.table.get(fill.instrument).ok_or("an execution in an instrument that is not known")?.clone();
        if !self.seen.insert((fill.instrument, fill.trade_id)) {
            return Ok(false);
        }
        let base = i128::from(fill.quantity) * power(MONEY_DECIMALS - rules.quantity_decimals);
        let unit = power(MONEY_DECIMALS - self.table.asset_decimals(rules.quote));
        let signed = if fill.side == Side::Buy { base } else { -base };
        // What a buy pays is rounded up, what a sell gets is rounded down.
        let value = value(&rules, fill, unit);
        match rules.kind {
            InstrumentKind::Spot => {
                self.post(rules.quote, Money::from_raw(if fill.side == Side::Buy { -value } else { value }));
                self.post(rules.base, Money::from_raw(signed));
            }
            InstrumentKind::LinearPerpetual => {
                let realised = self.nets.entry(rules.idx).or_default().trade(signed, base, value, unit);
                self.post(rules.settle, Money::from_raw(realised));
            }
        }
        self.post(fill.fee_asset, Money::from_raw(-fill.fee_amount.raw()));
        let in_base = rules.kind == InstrumentKind::Spot && fill.fee_asset == rules.base;
        let fee = if in_base { fill.fee_amount.raw() } else { 0 };
        *self.positions.entry((fill.instrument, fill.strategy)).or_default() += signed - fee;
        Ok(true)
    }

    /// Rules of an instrument.
    #[must_use]
    pub fn rules(&self, instrument: InstrumentIdx) -> Option<&Instrument> {
        self.table.get(instrument)
    }
}

/// Price x quantity in 1e-12 of quote, whole units of the quote asset.
fn value(rules: &Instrument, fill: &Fill, unit: i128) -> i128 {
    let product = i128::from(fill.price) * i128::from(fill.quantity);
    let decimals = rules.price_decimals + rules.quantity_decimals;
    let up = fill.side == Side::Buy;
    if decimals <= MONEY_DECIMALS {
        div(product * power(MONEY_DECIMALS - decimals), unit, up) * unit
    } else {
        div(product, power(decimals - MONEY_DECIMALS) * unit, up) * unit
    }
}

impl Net {
    /// What a trade realises.
    fn trade(&mut self, signed: i128, base: i128, value: i128, unit: i128) -> i128 {
        let opposed = self.quantity != 0 && (self.quantity > 0) != (signed > 0);
        let held = self.quantity.abs();
        let closed = if opposed { held.min(base) } else { 0 };
        let whole = if signed > 0 { -value } else { value };
        // Quantities in lots of 1e-12 are large: what is divided stays below 2^127 for the amounts of a simulation.
        let closing = if closed == base { whole } else { muldiv(whole, closed, base, unit, false) };
        let opening = whole - closing;
        let share = if closed == held { self.cost } else { muldiv(self.cost, closed, held, unit, true) };
        let (share, realised) = if closed == 0 { (0, 0) } else { (share, closing - share) };
        self.quantity += signed;
        self.cost = self.cost - share - opening;
        realised
    }
}

/// `a * b / c` in whole units, rounded up or down. Both quantities are multiples of 1e-12 and are reduced first.
fn muldiv(a: i128, b: i128, c: i128, unit: i128, up: bool) -> i128 {
    if b == 0 {
        return 0;
    }
    let common = gcd(b, c);
    let (b, c) = (b / common, c / common);
    div(a * b, c * unit, up) * unit
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}
