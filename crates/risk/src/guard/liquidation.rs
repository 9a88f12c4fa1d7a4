//! When a venue would liquidate, and the two ladders that act before it does.
//!
//! In:  positions with size and cost, wallet and marks; maintenance margin in tiers of notional.
//! Out: maintenance margin, liquidation price, margin ratio, distance; the step of each ladder.
//!
//! # Formulas
//! A linear perpetual of `size` units of base, entered at `entry`, in one-way mode (`side` is 1 for long and -1 for short):
//!
//! ```text
//! maintenance = notional * rate - deduction          of the tier of the notional (position at its mark)
//! ratio       = maintenance / margin balance         the venue liquidates at 1
//! price       = (wallet - maintenance of the others + unrealised of the others + deduction - side * size * entry)
//!               / (size * rate - side * size)
//! distance    = |mark - price| / mark                signed: not above 0 where the price was passed
//! ```
//!
//! For isolated margin the wallet is the margin bound to the position and there are no others. Sources: Binance, "How to Calculate
//! Liquidation Price of USD-M Futures Contracts" (support article b3c689c1f50a44cabb3a84e663b81d93: `LP1 = (WB - TMM1 + UPNL1 + cumB -
//! Side1BOTH * Position1BOTH * EP1BOTH) / (Position1BOTH * MMRB - Side1BOTH * Position1BOTH)`), its table of brackets as
//! `GET /fapi/v1/leverageBracket` publishes it (`notionalFloor`, `maintMarginRatio`, `cum`), and "Maintenance margin = notional *
//! maintMarginRatio - cum".
//!
//! The tier that counts is that of the notional at the liquidation price, not of the present one. Deductions make the maintenance margin
//! continuous, and rates rise, so it is the largest of all tiers' lines, and the liquidation price is the nearest of all tiers' prices: the
//! highest for a long position, the lowest for a short one. No tier has to be looked for.

use super::config::GuardConfig;
use super::reaches;
use domain::decimal::{div_money, mul_money};
use domain::{Money, Price, Quantity, Rate, Rounding, stored_struct};
use std::fmt;

/// A tier of maintenance margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// From which notional on it holds.
    pub notional_min: Money,
    /// Maintenance margin as a share of the notional.
    pub rate: Rate,
    /// What is taken off, so that the margin is continuous where tiers meet.
    pub deduction: Money,
}

/// Why tiers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierError {
    /// Which tier, from 1.
    pub tier: usize,
    /// What was expected of it.
    pub expected: &'static str,
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tier {} of maintenance margin: expected {}", self.tier, self.expected)
    }
}

impl std::error::Error for TierError {}

/// The tiers of an instrument, smallest notional first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    list: Vec<Tier>,
}

impl Tiers {
    /// Checked tiers. Deductions may be off by one unit of quote, as venues round what they publish.
    ///
    /// # Errors
    /// [`TierError`] names the first tier that cannot be.
    pub fn new(tiers: Vec<Tier>) -> Result<Self, TierError> {
        let fail = |at: usize, expected| Err(TierError { tier: at + 1, expected });
        let Some(first) = tiers.first() else { return fail(0, "at least one") };
        if first.notional_min != Money::ZERO || first.deduction != Money::ZERO {
            return fail(0, "the first one from a notional of 0 on, without a deduction");
        }
        for (at, tier) in tiers.iter().enumerate() {
            if tier.rate <= Rate::ZERO || tier.rate >= Rate::ONE {
                return fail(at, "a rate between 0 and 1");
            }
            let Some(before) = at.checked_sub(1).and_then(|before| tiers.get(before)) else { continue };
            if tier.notional_min <= before.notional_min || tier.rate <= before.rate {
                return fail(at, "a larger notional and a larger rate than before");
            }
            let step = Rate::from_raw(tier.rate.raw() - before.rate.raw());
            let continuous = (tier.notional_min.times(step, Rounding::HalfEven))
                .and_then(|more| before.deduction.checked_add(more)?.checked_sub(tier.deduction)?.checked_abs());
            if continuous.is_none_or(|off| off > Money::from_units(1)) {
                return fail(at, "a deduction that makes the margin continuous");
            }
        }
        Ok(Self { list: tiers })
    }

    /// The tiers.
    #[must_use]
    pub fn as_slice(&self) -> &[Tier] {
        &self.list
    }
}

/// The one tier of an instrument of which only a rate is known.
#[must_use]
pub const fn flat(rate: Rate) -> [Tier; 1] {
    [Tier { notional_min: Money::ZERO, rate, deduction: Money::ZERO }]
}

/// Maintenance margin of a position of that notional, rounded up. `None` on overflow.
#[must_use]
pub fn maintenance(notional: Money, tiers: &[Tier]) -> Option<Money> {
    let mut most = Money::ZERO;
    for tier in tiers {
        most = most.max(notional.times(tier.rate, Rounding::Up)?.checked_sub(tier.deduction)?);
    }
    Some(most)
}

/// Where a position would be liquidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiquidationPrice {
    /// At that price.
    At(Price),
    /// At no price: even at a price of nothing a long position is covered.
    Never,
    /// At every price.
    Always,
}

/// The liquidation price of a net position, rounded towards the mark. `None` on overflow.
///
/// - `base`: units of base (quantity x multiplier), positive for long, negative for short, not zero;
/// - `cost`: what they cost in quote, with the sign of `base` (`side * size * entry`);
/// - `funds`: cross: wallet balance - maintenance margin of the other positions + their unrealised profit; isolated: the margin bound to
///   the position;
/// - `tiers`: of maintenance margin.
#[must_use]
pub fn liquidation_price(base: Quantity, cost: Money, funds: Money, tiers: &[Tier]) -> Option<LiquidationPrice> {
    let (size, long) = (base.checked_abs()?, base > Quantity::ZERO);
    // Per tier: funds + deduction - cost over size * (rate - 1) for long, size * (rate + 1) for short; nearest to the mark wins.
    let mut nearest: Option<Price> = None;
    for tier in tiers {
        let over = funds.checked_add(tier.deduction)?.checked_sub(cost)?.raw();
        let one = i128::from(Rate::ONE.raw());
        let (numerator, factor, rounding) = if long {
            (over.checked_neg()?, one - i128::from(tier.rate.raw()), Rounding::Up)
        } else {
            (over, one + i128::from(tier.rate.raw()), Rounding::Down)
        };
        // The divisor is rounded so that the quotient is nearer to the mark.
        let divisor_rounding = if long == (numerator > 0) { Rounding::Down } else { Rounding::Up };
        let divisor = mul_money(size.raw(), factor, divisor_rounding)?;
        let price = Price::from_raw(div_money(numerator, divisor, rounding)?);
        nearest = Some(match nearest {
            None => price,
            Some(other) if long => other.max(price),
            Some(other) => other.min(price),
        });
    }
    let price = nearest?;
    Some(match price > Price::ZERO {
        true => LiquidationPrice::At(price),
        false if long => LiquidationPrice::Never,
        false => LiquidationPrice::Always,
    })
}

/// How far the mark is from liquidation, as a fraction of the mark: not above 0 where it was passed; infinite where there is none.
#[must_use]
pub fn distance(mark: Price, at: LiquidationPrice, long: bool) -> f64 {
    match at {
        LiquidationPrice::Never => f64::INFINITY,
        LiquidationPrice::Always => 0.0,
        LiquidationPrice::At(price) => {
            let (mark, price) = (mark.to_f64(), price.to_f64());
            (if long { mark - price } else { price - mark }) / mark
        }
    }
}

/// A step of the ladder of distances. Ordered by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DistanceStep {
    /// Nothing to do.
    #[default]
    Far,
    /// Add margin.
    Add,
    /// Halve the position.
    Halve,
    /// Close it.
    Close,
}

impl DistanceStep {
    /// The step at a distance; one that is not a number is none: nothing is closed for it.
    #[must_use]
    pub fn of(distance: f64, config: &GuardConfig) -> Self {
        match () {
            () if distance <= config.distance_close.to_f64() => Self::Close,
            () if distance < config.distance_halve.to_f64() => Self::Halve,
            () if distance < config.distance_add.to_f64() => Self::Add,
            () => Self::Far,
        }
    }

    /// The bound that it was reached at.
    pub(super) const fn bound(self, config: &GuardConfig) -> Rate {
        match self {
            Self::Far | Self::Add => config.distance_add,
            Self::Halve => config.distance_halve,
            Self::Close => config.distance_close,
        }
    }
}

/// A step of the ladder of margin ratios. Ordered by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RatioStep {
    /// Nothing to do.
    #[default]
    Calm,
    /// Somebody must hear of it.
    Alert,
    /// Cut, then add margin, then close.
    Act,
    /// Close at once.
    Critical,
}

/// What a margin ratio is made of, at one check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// Wallet, with which the ratio of two checks can be compared: between two with the same wallet only marks moved.
    pub wallet: Money,
    /// Wallet with unrealised profit.
    pub equity: Money,
    /// Maintenance margin.
    pub maintenance: Money,
}

impl Margin {
    /// `maintenance / equity`: infinite where equity is not positive and something is needed. 0 without positions.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        match () {
            () if self.maintenance <= Money::ZERO => 0.0,
            () if self.equity <= Money::ZERO => f64::INFINITY,
            () => self.maintenance.to_f64() / self.equity.to_f64(),
        }
    }

    fn at_least(&self, rate: Rate) -> bool {
        self.maintenance > Money::ZERO && reaches(self.maintenance, self.equity, rate)
    }

    /// One check further, if margin and equity go on as since `before`. The same where the wallet changed meanwhile.
    fn projected(&self, before: Option<Self>) -> Self {
        let Some(before) = before.filter(|before| before.wallet == self.wallet) else { return *self };
        let ahead = |now: Money, then: Money| now.checked_sub(then).and_then(|step| now.checked_add(step));
        match (ahead(self.equity, before.equity), ahead(self.maintenance, before.maintenance)) {
            (Some(equity), Some(maintenance)) => Self { wallet: self.wallet, equity, maintenance },
            _ => *self,
        }
    }

    /// The step of the present ratio, and of the projected one as far as acting.
    #[must_use]
    pub fn step(&self, before: Option<Self>, config: &GuardConfig) -> RatioStep {
        match () {
            () if self.at_least(config.margin_ratio_critical) => RatioStep::Critical,
            () if self.at_least(config.margin_ratio_act) => RatioStep::Act,
            () if self.projected(before).at_least(config.margin_ratio_act) => RatioStep::Act,
            () if self.at_least(config.margin_ratio_alert) => RatioStep::Alert,
            () => RatioStep::Calm,
        }
    }
}

stored_struct!(Tier { notional_min, rate, deduction });
stored_struct!(Margin { wallet, equity, maintenance });
stored_struct!(Tiers { list });

#[cfg(test)]
mod tests;
