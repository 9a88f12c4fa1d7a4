//! The account measured once for all checks: what it holds, what is on its way, and what both bind.
//!
//! In:  the ledger, the market, the pending exposure.
//! Out: [`Holdings`]. What is not known is `None`, and the checks refuse it.
//! Amounts are in quote at the last price; what counts against a limit is rounded up, what counts in favour is rounded down.

use crate::check;
use crate::exposure::Exposure;
use crate::gate::Scene;
use crate::standing::Reading;
use domain::{
    AccountId, AssetIdx, Instrument, InstrumentIdx, InstrumentKind, Money, Quantity, Rate, Rounding, Side, StrategyIdx,
    VenueIdx,
};
use portfolio::MarginView;

/// What the account holds, measured once for all checks. Amounts are in quote at the last price.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    /// Equity in the report currency; `None` if it is not known or no check needs it.
    pub equity: Option<Money>,
    /// Gross exposure of all positions and entries on their way, rounded up; `None` if a price is missing.
    pub gross: Option<Money>,
    /// The part of that in this instrument, on this venue and others.
    pub gross_instrument: Option<Money>,
    /// The part of that which is this strategy's.
    pub gross_strategy: Option<Money>,
    /// Long positions and entries on their way that buy, rounded up.
    pub long: Option<Money>,
    /// Short positions and entries on their way that sell, rounded up.
    pub short: Option<Money>,
    /// Positions alone, long less short and short less long, each rounded up.
    pub net: Option<[Money; 2]>,
    /// Entries on their way that buy, and those that sell.
    pub pending: [Money; 2],
    /// Gross exposure of all accounts together.
    pub gross_total: Option<Money>,
    /// Instruments with a position or an entry on its way.
    pub positions: u32,
    /// Whether this instrument is one of them.
    pub held_already: bool,
    /// Positions that are no dust, each strategy's counted by itself, and entries on their way in none of those.
    pub positions_each: u32,
    /// Whether this strategy has one of them in this instrument.
    pub held_by_strategy: bool,
    /// Venues with a position or an entry on its way, this instrument's included.
    pub venues_after: u32,
    /// Quote (or settle) currency that no order has reserved; for perpetuals what margin does not bind.
    pub free: Money,
    /// What binds the settle asset.
    pub margin: Option<Margined>,
    /// One-day value at risk of the account with the order, as a fraction of equity, where somebody estimates that.
    pub var_after: Reading,
    /// This strategy's position.
    pub own_position: Quantity,
    /// The account's position in the instrument, all strategies together.
    pub net_position: Quantity,
}

/// An account's settle asset as the venue looks at it (cross margin), with everything on its way counted as if it were filled at the last
/// price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margined {
    /// Balance, profit and loss, initial and maintenance margin of the positions.
    pub view: MarginView,
    /// Whether any perpetual is held or on its way.
    pub bound: bool,
    /// What spot entries on their way will pay, fees included.
    pub to_pay: Money,
    /// What entries in perpetuals on their way will bind and pay: initial margin and fees.
    pub to_bind: Money,
    /// What is left of equity above the maintenance margin; negative where the venue would liquidate.
    pub surplus: Money,
    /// The size of this instrument's net position with what is on its way.
    pub own_size: Money,
    /// Whether that may be short.
    pub own_short: bool,
    /// The largest other position, as what a move of its price by one (100 %) changes in the surplus.
    pub other_leg: Money,
}

impl Holdings {
    /// Nothing measured: what a reduction needs.
    pub(crate) const fn of_reduction(own_position: Quantity) -> Self {
        Self {
            equity: None,
            gross: None,
            gross_instrument: None,
            gross_strategy: None,
            long: None,
            short: None,
            net: None,
            pending: [Money::ZERO; 2],
            gross_total: None,
            positions: 0,
            held_already: true,
            positions_each: 0,
            held_by_strategy: true,
            venues_after: 0,
            free: Money::ZERO,
            margin: None,
            var_after: Reading::NotConfigured,
            own_position,
            net_position: Quantity::ZERO,
        }
    }
}

/// Whose order it is, in what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub account: AccountId,
    pub strategy: StrategyIdx,
    pub instrument: &'a Instrument,
}

/// Measures an account with an eye on one instrument and one strategy. Limits are fractions of equity, which is in the report currency: an
/// instrument that is not quoted in it has no known equity here.
pub(crate) fn all(of: Of<'_>, exposure: &Exposure, scene: &Scene<'_>) -> Holdings {
    let (account, portfolio) = (of.account, scene.portfolio);
    let zero = Some(Money::ZERO);
    let mut h = Holdings {
        gross: zero,
        gross_instrument: zero,
        gross_strategy: zero,
        long: zero,
        short: zero,
        held_already: false,
        held_by_strategy: false,
        net_position: portfolio.net_quantity(account, of.instrument.idx),
        ..Holdings::of_reduction(portfolio.position(account, of.instrument.idx, of.strategy).quantity)
    };
    count(&mut h, of, exposure, scene);
    if of.instrument.quote == portfolio.report_currency() {
        h.equity = portfolio.equity(account, scene.table, scene.view);
    }
    let view = portfolio.margin(account, of.instrument.settle, scene.table, scene.view);
    h.margin = view.and_then(|view| margined(of, view, exposure, scene));
    h.free = free(of, view, exposure, scene);
    h
}

/// What no order has reserved and no margin binds. Margin that positions bind is not free; profit that is not realised may cover it, and
/// buys nothing on spot.
pub(crate) fn free(of: Of<'_>, view: Option<MarginView>, exposure: &Exposure, scene: &Scene<'_>) -> Money {
    let margin = view.and_then(|m| m.free());
    let available = match of.instrument.kind {
        InstrumentKind::Spot => margin.map(|free| free.min(scene.portfolio.balance(of.account, of.instrument.quote))),
        InstrumentKind::LinearPerpetual => margin,
    };
    let free = available.and_then(|a| a.checked_sub(exposure.reserved(of.account, of.instrument.settle)));
    free.unwrap_or(Money::ZERO).max(Money::ZERO)
}

/// Adds to a sum that is known, what is known.
fn add(sum: &mut Option<Money>, value: Option<Money>) {
    *sum = sum.and_then(|s| value.and_then(|v| s.checked_add(v)));
}

/// Measures positions and entries on their way: gross amounts, directions, counts. The same instrument on another venue belongs to the
/// instrument's amount; what is too small to trade has an amount, and is no position.
pub(crate) fn count(h: &mut Holdings, of: Of<'_>, exposure: &Exposure, scene: &Scene<'_>) {
    let (mut long_down, mut short_down) = (Some(Money::ZERO), Some(Money::ZERO));
    let (mut last_counted, mut others) = (None, Some(Money::ZERO));
    for (account, held_in, by, position) in scene.portfolio.positions() {
        if account != of.account {
            add(&mut others, worth(held_in, position.quantity, Rounding::Up, scene));
            continue;
        }
        let up = worth(held_in, position.quantity, Rounding::Up, scene);
        let down = worth(held_in, position.quantity, Rounding::Down, scene);
        add(&mut h.gross, up);
        if position.is_long() {
            add(&mut h.long, up);
            add(&mut long_down, down);
        } else {
            add(&mut h.short, up);
            add(&mut short_down, down);
        }
        let here = check::same_market(held_in, of.instrument, scene.table);
        if here {
            add(&mut h.gross_instrument, up);
            if by == of.strategy {
                add(&mut h.gross_strategy, up);
            }
        }
        if check::is_dust(held_in, position.quantity, scene.table, scene.view) {
            continue;
        }
        h.held_already |= held_in == of.instrument.idx;
        h.held_by_strategy |= held_in == of.instrument.idx && by == of.strategy;
        h.positions_each += 1;
        // Positions come ordered by instrument, so strategies that share one are neighbours.
        if last_counted != Some(held_in) {
            h.positions += 1;
            last_counted = Some(held_in);
        }
    }
    h.net = (|| Some([h.long?.checked_sub(short_down?)?, h.short?.checked_sub(long_down?)?]))();
    count_pending(h, of, exposure, scene);
    h.gross_total = h.gross;
    add(&mut h.gross_total, others);
    add(&mut h.gross_total, Some(exposure.pending_of_others(of.account)));
}

fn count_pending(h: &mut Holdings, of: Of<'_>, exposure: &Exposure, scene: &Scene<'_>) {
    for (pending, strategy, part) in exposure.parts_by_strategy(of.account) {
        let all = part.buys.checked_add(part.sells);
        add(&mut h.gross, all);
        add(&mut h.long, Some(part.buys));
        add(&mut h.short, Some(part.sells));
        // Only a sum that does not fit is wrong here, and then the gross amount is not known either.
        h.pending[0] = h.pending[0].checked_add(part.buys).unwrap_or(Money::MAX);
        h.pending[1] = h.pending[1].checked_add(part.sells).unwrap_or(Money::MAX);
        if check::same_market(pending, of.instrument, scene.table) {
            add(&mut h.gross_instrument, all);
            if strategy == of.strategy {
                add(&mut h.gross_strategy, all);
            }
        }
        let held = scene.portfolio.position(of.account, pending, strategy).quantity;
        if check::is_dust(pending, held, scene.table, scene.view) {
            h.positions_each += 1;
        }
        h.held_already |= pending == of.instrument.idx;
        h.held_by_strategy |= pending == of.instrument.idx && strategy == of.strategy;
    }
    for pending in exposure.pending_instruments(of.account) {
        let counted = scene.portfolio.positions().any(|(account, held_in, _, position)| {
            account == of.account
                && held_in == pending
                && !check::is_dust(held_in, position.quantity, scene.table, scene.view)
        });
        h.positions += u32::from(!counted);
    }
}

/// How many venues have a position or an entry on its way, with this instrument's. Venues are few: each is counted where it comes first.
pub(crate) fn venues_after(of: Of<'_>, exposure: &Exposure, scene: &Scene<'_>) -> u32 {
    let venue = |idx: InstrumentIdx| scene.table.get(idx).map(|i| i.venue);
    let used = || {
        let held = scene.portfolio.positions().filter(|(account, ..)| *account == of.account);
        held.map(|(_, idx, ..)| idx).chain(exposure.pending_instruments(of.account)).filter_map(venue)
    };
    let first_at = |at: usize, venue: VenueIdx| !used().take(at).any(|before| before == venue);
    let others = used().enumerate().filter(|(at, v)| *v != of.instrument.venue && first_at(*at, *v)).count();
    u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1)
}

/// Measures what binds the settle asset of an instrument. `None` if a mark that is needed is unknown, or on overflow.
pub(crate) fn margined(of: Of<'_>, view: MarginView, exposure: &Exposure, scene: &Scene<'_>) -> Option<Margined> {
    let settle = of.instrument.settle;
    let mut m = Margined {
        view,
        bound: view.initial > Money::ZERO || view.maintenance > Money::ZERO,
        to_pay: Money::ZERO,
        to_bind: Money::ZERO,
        surplus: view.equity()?.checked_sub(view.maintenance)?,
        own_size: Money::ZERO,
        own_short: false,
        other_leg: Money::ZERO,
    };
    // Net positions, each instrument once: they come ordered by instrument.
    let mut last = None;
    for (account, idx, _, _) in scene.portfolio.positions() {
        if account != of.account || last == Some(idx) {
            continue;
        }
        last = Some(idx);
        let Some(rules) = perpetual(idx, settle, scene) else { continue };
        let net = scene.portfolio.net_quantity(account, idx);
        if net.is_zero() {
            continue;
        }
        m.bound = true;
        let (pending, sells) = pending_size(idx, of.account, exposure)?;
        let size = worth_of(rules, net, Rounding::Up, scene)?.checked_add(pending)?;
        m.enlarge(idx == of.instrument.idx, size, rules, net < Quantity::ZERO || sells)?;
    }
    for (idx, part) in exposure.parts(of.account) {
        let Some(rules) = scene.table.get(idx).filter(|rules| rules.settle == settle) else { continue };
        let all = part.buys.checked_add(part.sells)?;
        if rules.kind == InstrumentKind::Spot {
            m.to_pay = m.to_pay.checked_add(part.funds)?;
            m.surplus = m.surplus.checked_sub(part.funds)?;
            continue;
        }
        m.bound = true;
        m.to_bind = m.to_bind.checked_add(part.funds)?;
        m.surplus = m.surplus.checked_sub(all.times(upkeep(rules)?, Rounding::Up)?)?;
        if scene.portfolio.net_quantity(of.account, idx).is_zero() {
            let (size, sells) = pending_size(idx, of.account, exposure)?;
            m.enlarge(idx == of.instrument.idx, size, rules, sells)?;
        }
    }
    Some(m)
}

impl Margined {
    /// Where both directions are on their way the short one counts: it is the nearer.
    fn enlarge(&mut self, own: bool, size: Money, rules: &Instrument, short: bool) -> Option<()> {
        if own {
            self.own_size = self.own_size.max(size);
            self.own_short |= short;
        } else {
            let side = if short { Side::Sell } else { Side::Buy };
            self.other_leg = self.other_leg.max(leg(size, rules, side)?);
        }
        Some(())
    }

    /// The direction of this instrument's position with an entry of a side.
    pub(crate) const fn side_with(&self, side: Side) -> Side {
        if self.own_short { Side::Sell } else { side }
    }
}

/// What a move of the price by one (100 %) against a position changes in the surplus: the size less (long) or more (short) the maintenance
/// margin that moves with it.
pub(crate) fn leg(size: Money, rules: &Instrument, side: Side) -> Option<Money> {
    size.times(leg_rate(rules, side)?, Rounding::Up)
}

/// The same for a size of one.
pub(crate) fn leg_rate(rules: &Instrument, side: Side) -> Option<Rate> {
    let moves = rules.margin_maintenance.raw();
    Rate::ONE.checked_add(Rate::from_raw(match side {
        Side::Buy => -moves,
        Side::Sell => moves,
    }))
}

/// What each unit of a perpetual's notional takes off the surplus when it is filled: maintenance margin and fee.
pub(crate) fn upkeep(rules: &Instrument) -> Option<Rate> {
    rules.margin_maintenance.checked_add(fee(rules))
}

/// The higher of the two fee rates, none for a rebate.
pub(crate) fn fee(rules: &Instrument) -> Rate {
    rules.fee_taker.max(rules.fee_maker).max(Rate::ZERO)
}

fn perpetual<'a>(idx: InstrumentIdx, settle: AssetIdx, scene: &Scene<'a>) -> Option<&'a Instrument> {
    scene.table.get(idx).filter(|i| i.kind == InstrumentKind::LinearPerpetual && i.settle == settle)
}

/// What is on its way in an instrument, and whether some of it sells.
fn pending_size(idx: InstrumentIdx, account: AccountId, exposure: &Exposure) -> Option<(Money, bool)> {
    let parts = exposure.parts(account).filter(|(instrument, _)| *instrument == idx);
    parts.map(|(_, part)| part).try_fold((Money::ZERO, false), |(sum, sells), p| {
        Some((sum.checked_add(p.buys.checked_add(p.sells)?)?, sells || p.sells > Money::ZERO))
    })
}

/// What a position is worth at the last price, without sign. Limits are held in the report currency, so what is quoted in another one has
/// no known worth here.
fn worth(idx: InstrumentIdx, quantity: Quantity, rounding: Rounding, scene: &Scene<'_>) -> Option<Money> {
    let rules = scene.table.get(idx).filter(|rules| rules.quote == scene.portfolio.report_currency())?;
    worth_of(rules, quantity, rounding, scene)
}

fn worth_of(rules: &Instrument, quantity: Quantity, rounding: Rounding, scene: &Scene<'_>) -> Option<Money> {
    let mark = scene.view.mark(rules.idx)?;
    rules.notional(rules.price(mark), quantity.checked_abs()?, rounding)
}

/// What an account holds and has on its way in an instrument, on this venue and others, rounded up. `None` where a price is missing.
pub(crate) fn in_market(
    account: AccountId,
    instrument: &Instrument,
    exposure: &Exposure,
    scene: &Scene<'_>,
) -> Option<Money> {
    let same = |idx: InstrumentIdx| check::same_market(idx, instrument, scene.table);
    let mut sum = Some(Money::ZERO);
    for (_, idx, _, position) in scene.portfolio.positions().filter(|(of, idx, ..)| *of == account && same(*idx)) {
        add(&mut sum, worth(idx, position.quantity, Rounding::Up, scene));
    }
    for (_, part) in exposure.parts(account).filter(|(idx, _)| same(*idx)) {
        add(&mut sum, part.buys.checked_add(part.sells));
    }
    sum
}
