//! The size of an entry before the checks: quarter Kelly, then eight clamps in order. Each can only reduce.
//!
//! In:  the amount that the signal's size came to, what each clamp rests on ([`ClampInputs`]), bounds ([`ClampConfig`]).
//! Out: an amount that is at most as large, or a refusal: an input that is configured and not known ([`DenyReason::ClampInput`]), or
//! nothing left ([`DenyReason::ClampedOut`]).
//!
//! | clamp | rests on | reduces |
//! |---|---|---|
//! | `kelly` | the strategy's own statistics, net of costs | to a quarter of Kelly's fraction of equity, at most 10 % |
//! | `probability` (0) | a calibrated probability of gain | in proportion, to nothing where it is a coin's |
//! | `volatility` (1) | the instrument's one-day standard deviation | in proportion to how far it is above the target |
//! | `var` (2) | one-day value at risk with the order | to the largest part with which it is within its limit |
//! | `shortfall` (3) | one-day expected shortfall with the order | likewise |
//! | `heat` (4) | what stops would lose, the order's included | to what is left of the cap |
//! | `correlation` (5) | the largest correlation with what is held | in proportion between two bounds |
//! | `leverage` (6) | gross exposure over equity with the order | to what is left of the cap |
//! | `crisis` (7) | whether the market is in crisis | to nothing |
//!
//! An input that is not configured leaves the amount alone, and the observer hears that there was none. Money stays exact: a clamp is a
//! factor from 0 to 1, applied to the amount rounded down, or an amount that is not passed.

mod correlation;
mod crisis;
pub(crate) mod entry;
mod heat;
mod kelly;
mod leverage;
mod part;
mod probability;
mod tail;
mod volatility;

use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::{LimitError, Limits, Profile};
use crate::metrics::CrisisConfig;
pub use correlation::CorrelationConfig;
use domain::{Money, Rate};
pub use kelly::KellyConfig;
pub use probability::ProbabilityConfig;
use serde::{Deserialize, Serialize};
pub use tail::TailConfig;

/// What a clamp rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Input {
    /// Nobody asked for it: the clamp is the identity.
    #[default]
    NotConfigured,
    /// It was asked for and is missing, stale or not a number: new risk is refused.
    Unknown,
    /// It is this.
    Known(f64),
}

impl Input {
    /// Of a number that may be missing; NaN and infinities are not known.
    #[must_use]
    pub fn of(value: Option<f64>) -> Self {
        match value {
            Some(value) if value.is_finite() => Self::Known(value),
            _ => Self::Unknown,
        }
    }

    /// The same for a clamp that is configured: where nobody measured its input, it is not known.
    const fn needed(self) -> Self {
        match self {
            Self::NotConfigured | Self::Unknown => Self::Unknown,
            Self::Known(value) => Self::Known(value),
        }
    }

    /// As the observer hears it: `None` where it is not configured, NaN where it is not known.
    #[must_use]
    pub fn seen(self) -> Option<f64> {
        match self {
            Self::NotConfigured => None,
            Self::Unknown => Some(f64::NAN),
            Self::Known(value) => Some(value),
        }
    }
}

/// One clamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clamp {
    /// Quarter Kelly, before the eight.
    Kelly,
    /// 0: calibrated probability.
    Probability,
    /// 1: volatility targeting.
    Volatility,
    /// 2: value at risk.
    Var,
    /// 3: expected shortfall.
    Shortfall,
    /// 4: portfolio heat.
    Heat,
    /// 5: correlation penalty.
    Correlation,
    /// 6: leverage cap.
    Leverage,
    /// 7: crisis override.
    Crisis,
}

impl Clamp {
    /// All, in the order in which they are applied.
    pub const ALL: [Self; 9] = [
        Self::Kelly,
        Self::Probability,
        Self::Volatility,
        Self::Var,
        Self::Shortfall,
        Self::Heat,
        Self::Correlation,
        Self::Leverage,
        Self::Crisis,
    ];

    /// Its key, as observers hear it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Kelly => "kelly",
            Self::Probability => "probability",
            Self::Volatility => "volatility",
            Self::Var => "var",
            Self::Shortfall => "shortfall",
            Self::Heat => "heat",
            Self::Correlation => "correlation",
            Self::Leverage => "leverage",
            Self::Crisis => "crisis",
        }
    }
}

/// Bounds of the clamps. `None` leaves a clamp out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClampConfig {
    /// Sizing by Kelly's criterion; needs statistics of the strategy.
    pub kelly: Option<KellyConfig>,
    /// Calibrated probability; needs a model.
    pub probability: Option<ProbabilityConfig>,
    /// One-day standard deviation of an instrument above which its size falls.
    pub volatility_target: Option<f64>,
    /// Largest one-day value at risk, as a fraction of equity.
    pub var: Option<TailConfig>,
    /// Largest one-day expected shortfall, as a fraction of equity.
    pub shortfall: Option<TailConfig>,
    /// Largest heat, as a fraction of equity.
    pub heat_max: Option<f64>,
    /// Penalty for moving with what is held.
    pub correlation: Option<CorrelationConfig>,
    /// Largest gross exposure over equity.
    pub leverage_max: Option<f64>,
    /// No new risk in a crisis.
    pub crisis: Option<CrisisConfig>,
}

impl ClampConfig {
    /// No clamp at all.
    pub const OFF: Self = Self {
        kelly: None,
        probability: None,
        volatility_target: None,
        var: None,
        shortfall: None,
        heat_max: None,
        correlation: None,
        leverage_max: None,
        crisis: None,
    };

    /// The clamps of a profile that says nothing of them.
    ///
    /// Standard: those whose inputs the engine always has, with bounds that its other limits do not reach in quiet markets: value at risk 2 %
    /// and expected shortfall 3 % once they are known, heat as much as the largest number of largest positions without stops, leverage as
    /// the limit. Research and off: none, they have what they ask for.
    #[must_use]
    pub fn for_profile(profile: &Profile) -> Self {
        match profile.limits() {
            Some(limits) if profile.is_standard() => Self::for_limits(limits),
            _ => Self::OFF,
        }
    }

    fn for_limits(limits: &Limits) -> Self {
        Self {
            var: Some(TailConfig { max: 0.02, required: false }),
            shortfall: Some(TailConfig { max: 0.03, required: false }),
            heat_max: Some(limits.position_fraction_max.to_f64() * f64::from(limits.positions_max)),
            leverage_max: Some(limits.leverage_max.to_f64()),
            ..Self::OFF
        }
    }

    /// Checks that every bound is one.
    ///
    /// # Errors
    /// [`LimitError`] names the first that is not.
    pub fn validate(&self) -> Result<(), LimitError> {
        let fail = |name, value: f64, expected| Err(LimitError { name, value: value.to_string(), expected });
        let positive = |v: f64| v > 0.0 && v.is_finite();
        let fractions = [
            ("clamps.kelly.fraction", self.kelly.map(|k| k.fraction)),
            ("clamps.kelly.cap", self.kelly.map(|k| k.cap)),
            ("clamps.var.max", self.var.map(|t| t.max)),
            ("clamps.shortfall.max", self.shortfall.map(|t| t.max)),
        ];
        for (name, value) in fractions.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            if !(positive(value) && value <= 1.0) {
                return fail(name, value, "a fraction above 0 and up to 1");
            }
        }
        let amounts = [
            ("clamps.volatility_target", self.volatility_target),
            ("clamps.heat_max", self.heat_max),
            ("clamps.leverage_max", self.leverage_max),
            ("clamps.crisis.turbulence", self.crisis.map(|c| c.turbulence)),
            ("clamps.crisis.fall", self.crisis.map(|c| c.fall)),
            ("clamps.crisis.correlation", self.crisis.map(|c| c.correlation)),
        ];
        for (name, value) in amounts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            if !positive(value) {
                return fail(name, value, "a number above 0");
            }
        }
        if let Some(p) = self.probability
            && !(p.none_at >= 0.0 && p.none_at < p.full_at && p.full_at <= 1.0)
        {
            return fail("clamps.probability.none_at", p.none_at, "0 <= none_at < full_at <= 1");
        }
        if let Some(c) = self.correlation
            && !(c.full_at >= -1.0 && c.full_at < c.none_at && c.none_at <= 1.0)
        {
            return fail("clamps.correlation.full_at", c.full_at, "-1 <= full_at < none_at <= 1");
        }
        Ok(())
    }

    /// Its numbers in a fixed order, by their bits; NaN for what is left out. For comparing and fingerprints.
    pub(crate) fn words(&self) -> [u64; 20] {
        let none = f64::NAN;
        let k = self.kelly.map_or([none; 3], |k| [k.fraction, k.cap, f64::from(k.samples_min)]);
        let p = self.probability.map_or([none; 2], |p| [p.none_at, p.full_at]);
        let tail = |t: Option<TailConfig>| t.map_or([none; 2], |t| [t.max, f64::from(u8::from(t.required))]);
        let (v, s) = (tail(self.var), tail(self.shortfall));
        let c = self.correlation.map_or([none; 2], |c| [c.full_at, c.none_at]);
        let x = self.crisis.map_or([none; 4], |x| [x.turbulence, x.correlation, x.fall, f64::from(x.calm_minutes)]);
        let one = |v: Option<f64>| v.unwrap_or(none);
        [
            k[0],
            k[1],
            k[2],
            p[0],
            p[1],
            one(self.volatility_target),
            v[0],
            v[1],
            s[0],
            s[1],
            one(self.heat_max),
            c[0],
            c[1],
            one(self.leverage_max),
            x[0],
            x[1],
            x[2],
            x[3],
            0.0,
            0.0,
        ]
        .map(f64::to_bits)
    }
}

/// What the clamps rest on. For value at risk, shortfall and heat the input is the figure with the whole order, and beside it stands the
/// largest part of the order that fits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClampInputs {
    /// The account's equity.
    pub equity: Money,
    /// Kelly's whole fraction of equity, net of costs.
    pub kelly: Input,
    /// Calibrated probability of gain.
    pub probability: Input,
    /// One-day standard deviation of the instrument.
    pub volatility: Input,
    /// One-day value at risk with the whole order, as a fraction of equity.
    pub var: Input,
    /// The largest part of the order with which it is within its limit.
    pub var_part: f64,
    /// One-day expected shortfall with the whole order, as a fraction of equity.
    pub shortfall: Input,
    /// The largest part of the order with which it is within its limit.
    pub shortfall_part: f64,
    /// Heat without the order, as a fraction of equity.
    pub heat: Input,
    /// Heat of the whole order, as a fraction of equity.
    pub heat_order: f64,
    /// The largest correlation with what is held, signed by direction.
    pub correlation: Input,
    /// Gross exposure without the order.
    pub gross: Option<Money>,
    /// Whether the market is in crisis: 1 or 0.
    pub crisis: Input,
}

/// Applies all clamps in order to the amount of an order; `each` hears every one.
///
/// # Errors
/// [`DenyReason::ClampInput`] and [`DenyReason::ClampedOut`], at the first clamp that has reason to.
pub fn chain(
    config: &ClampConfig,
    inputs: &ClampInputs,
    amount: Money,
    mut each: impl FnMut(Clamp, Input, Money, Money),
) -> Result<Money, Refusal> {
    if amount <= Money::ZERO {
        return Err(Refusal::over(DenyReason::ClampedOut, amount.to_f64(), 0.0));
    }
    let mut left = amount;
    for clamp in Clamp::ALL {
        let (input, after, limit) = one(clamp, config, inputs, amount, left);
        // A clamp never makes an amount larger, whatever it says.
        let after = after.min(left).max(Money::ZERO);
        match input {
            Input::NotConfigured => each(clamp, input, left, left),
            Input::Known(value) if value.is_finite() => {
                each(clamp, input, left, after);
                if after.is_zero() {
                    return Err(Refusal::over(DenyReason::ClampedOut, value, limit));
                }
                left = after;
            }
            Input::Unknown | Input::Known(_) => {
                each(clamp, Input::Unknown, left, Money::ZERO);
                return Err(Refusal { limit: Some(limit), ..Refusal::because(DenyReason::ClampInput) });
            }
        }
    }
    Ok(left)
}

/// What one clamp rests on, what it leaves of `left`, and its bound. `whole` is the order as it came.
fn one(clamp: Clamp, c: &ClampConfig, i: &ClampInputs, whole: Money, left: Money) -> (Input, Money, f64) {
    const ABSENT: (Input, Money, f64) = (Input::NotConfigured, Money::ZERO, f64::NAN);
    match clamp {
        Clamp::Kelly => c.kelly.map(|k| (i.kelly.needed(), kelly::cap(i.kelly, &k, i.equity), k.cap)),
        Clamp::Probability => c
            .probability
            .map(|p| (i.probability.needed(), part::of(left, probability::factor(i.probability, &p)), p.none_at)),
        Clamp::Volatility => c
            .volatility_target
            .map(|target| (i.volatility.needed(), part::of(left, volatility::factor(i.volatility, target)), target)),
        Clamp::Var => c.var.map(|t| (t.input(i.var), part::of(whole, i.var_part), t.max)),
        Clamp::Shortfall => c.shortfall.map(|t| (t.input(i.shortfall), part::of(whole, i.shortfall_part), t.max)),
        Clamp::Heat => {
            c.heat_max.map(|max| (i.heat.needed(), part::of(whole, heat::part(i.heat, i.heat_order, max)), max))
        }
        Clamp::Correlation => c
            .correlation
            .map(|k| (i.correlation.needed(), part::of(left, correlation::factor(i.correlation, &k)), k.none_at)),
        Clamp::Leverage => c.leverage_max.map(|max| leverage::room(i.gross, i.equity, whole, max)),
        Clamp::Crisis => c.crisis.map(|_| (i.crisis.needed(), crisis::left(i.crisis, left), 0.0)),
    }
    .unwrap_or(ABSENT)
}

/// A ratio as a rate, rounded down; nothing for NaN and what is negative, the most that a rate holds for what is larger.
fn rate_down(ratio: f64) -> Rate {
    const LARGEST: f64 = 1e6;
    if ratio > 0.0 { Rate::from_raw((ratio.min(LARGEST) * 1e12).floor() as i64) } else { Rate::ZERO }
}

#[cfg(test)]
mod tests;
