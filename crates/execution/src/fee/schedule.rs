//! What a venue charges: tiers by volume and holdings, in which asset, with which discount.
//!
//! In:  the table of this crate, or data that replaces it at run time (JSON or TOML through serde).
//! Out: the tier that follows from volume and holdings, and the [`Terms`] of a tier.

use super::calculator::{DiscountTerms, Terms};
use domain::{Instrument, InstrumentKind, Money, Quantity, Rate};
use serde::{Deserialize, Serialize};
use std::fmt;

/// In which asset a venue takes its fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChargedIn {
    /// What the fill brought: base on buys, quote on sells.
    Received,
    /// Quote on both sides.
    Quote,
    /// The settle asset of a perpetual.
    Settle,
}

/// In which asset a venue pays a rebate (a negative fee).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RebateIn {
    /// The one that a fee would be taken in.
    Same,
    /// The one that the fill gave away: quote on buys, base on sells.
    Given,
}

/// When a venue looks at the volume again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renewal {
    /// Once a day, on the 30 whole UTC days before it.
    Daily,
    /// With every trade, on the last 30 UTC days, today included.
    EachTrade,
}

/// How far a figure can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Recorded from the venue's own answer, or confirmed by more than one source.
    Recorded,
    /// From one other source, not confirmed.
    Secondary,
    /// Believed; nothing confirms it.
    Unverified,
}

/// A holding that a tier asks for beside volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// Of what.
    pub asset: String,
    /// How much at least.
    pub quantity: Quantity,
}

/// One tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The venue's name of it.
    pub name: String,
    /// Least volume of 30 days, in the schedule's volume currency; `None` where it is not known: then the tier never follows from volume,
    /// it has to be told.
    pub volume_min: Option<Money>,
    /// What has to be held too.
    #[serde(default)]
    pub holding: Option<Holding>,
    /// Rate of fills that gave liquidity; negative is a rebate.
    pub maker: Rate,
    /// Rate of fills that took liquidity.
    pub taker: Rate,
    /// How sure the rates are.
    pub rates: Trust,
    /// How sure volume and holding are.
    pub threshold: Trust,
}

/// A part taken off where fees are paid in another asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discount {
    /// In which one.
    pub asset: String,
    /// The part of the rate that is taken off: 0.25 is 25 %.
    pub fraction: Rate,
}

/// What a venue charges for one kind of instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name: `binance_spot`.
    pub name: String,
    /// For what.
    pub kind: InstrumentKind,
    /// In which asset.
    pub charged_in: ChargedIn,
    /// In which asset rebates come.
    pub rebate_in: RebateIn,
    /// What volumes are counted in.
    pub volume_currency: String,
    /// When volume is looked at.
    pub renewal: Renewal,
    /// What is taken off where.
    #[serde(default)]
    pub discount: Option<Discount>,
    /// From the lowest to the highest.
    pub tiers: Vec<Tier>,
    /// Where the figures come from, and what of them is open.
    pub origin: String,
}

/// Why a schedule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleError {
    /// Its name.
    pub name: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fee schedule {}: {}", self.name, self.what)
    }
}

impl std::error::Error for ScheduleError {}

impl Schedule {
    /// Checks that fees can be computed by it.
    ///
    /// # Errors
    /// [`ScheduleError`] names the tier, what it is and what was expected.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        let fail = |what: String| Err(ScheduleError { name: self.name.clone(), what });
        let Some(first) = self.tiers.first() else { return fail("it has no tier".into()) };
        if first.volume_min != Some(Money::ZERO) || first.holding.is_some() {
            return fail(format!("the first tier, {}, asks for something: expected a volume of 0", first.name));
        }
        let mut volume = Money::ZERO;
        for tier in &self.tiers {
            for (side, rate) in [("maker", tier.maker), ("taker", tier.taker)] {
                if rate.raw().abs() >= Rate::ONE.raw() {
                    return fail(format!("{side} rate {rate} of {}: expected between -1 and 1", tier.name));
                }
            }
            let next = tier.volume_min.unwrap_or(volume);
            if next < volume {
                return fail(format!(
                    "volume {next} of {}: expected at least {volume}, that of the tier before",
                    tier.name
                ));
            }
            volume = next;
        }
        match &self.discount {
            Some(d) if !(Rate::ZERO..=Rate::ONE).contains(&d.fraction) => {
                fail(format!("discount {}: expected between 0 and 1", d.fraction))
            }
            _ if self.kind == InstrumentKind::Spot && self.charged_in == ChargedIn::Settle => {
                fail("charged in the settle asset: expected received or quote for spot".into())
            }
            _ if self.kind == InstrumentKind::LinearPerpetual && self.charged_in == ChargedIn::Received => {
                fail("charged in what is received: expected settle or quote for perpetuals".into())
            }
            _ => Ok(()),
        }
    }

    /// The number of the tier of that name; case does not count.
    #[must_use]
    pub fn tier(&self, name: &str) -> Option<usize> {
        self.tiers.iter().position(|tier| tier.name.eq_ignore_ascii_case(name.trim()))
    }

    /// The highest tier that follows from a volume and from what is held of the asset that tiers ask for. A holding that is not known
    /// counts as none, so a fee is never taken for smaller than it is.
    #[must_use]
    pub fn tier_of(&self, volume: Money, held: Option<Quantity>) -> usize {
        let follows = |tier: &Tier| {
            tier.volume_min.is_some_and(|least| volume >= least)
                && tier.holding.as_ref().is_none_or(|least| held.is_some_and(|held| held >= least.quantity))
        };
        self.tiers.iter().rposition(follows).unwrap_or(0)
    }

    /// What a tier charges; the highest there is for a number beyond them. `discount` is whether fees are paid in the discount's asset.
    #[must_use]
    pub fn terms(&self, tier: usize, discount: bool) -> Terms {
        let (maker, taker) =
            self.tiers.get(tier).or(self.tiers.last()).map_or((Rate::ZERO, Rate::ZERO), |t| (t.maker, t.taker));
        let discount = self.discount.as_ref().filter(|_| discount);
        Terms {
            maker,
            taker,
            charged_in: self.charged_in,
            rebate_in: self.rebate_in,
            discount: discount.map(|d| DiscountTerms { fraction: d.fraction, asset: None }),
        }
    }
}

/// Sets an instrument's rates from a schedule: what the gate, the sizing and the simulated venue reckon with. With `discount` the rates are
/// the reduced ones; they are then charged in the usual asset, because an instrument's definition names no other.
///
/// # Errors
/// [`ScheduleError`] if the schedule is for another kind of instrument, has no such tier or no discount.
pub fn set_rates(
    instrument: &mut Instrument,
    schedule: &Schedule,
    tier: usize,
    discount: bool,
) -> Result<(), ScheduleError> {
    let fail = |what: String| Err(ScheduleError { name: schedule.name.clone(), what });
    if schedule.kind != instrument.kind {
        return fail(format!("it is for {:?}, {} is {:?}", schedule.kind, instrument.symbol, instrument.kind));
    }
    if tier >= schedule.tiers.len() {
        return fail(format!("tier {tier}: expected 0 to {}", schedule.tiers.len().saturating_sub(1)));
    }
    if discount && schedule.discount.is_none() {
        return fail("it has no discount".into());
    }
    let terms = schedule.terms(tier, discount);
    (instrument.fee_maker, instrument.fee_taker) = (terms.charged(terms.maker), terms.charged(terms.taker));
    Ok(())
}
