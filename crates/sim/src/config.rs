//! Configuration of the simulated venue: when and how orders trade, and what it costs.
//!
//! In:  the run's configuration.
//! Out: read by every part of [`crate::Venue`]; nothing here changes while it runs.

use domain::{Nanos, Rate, stored_enum, stored_struct};
use std::fmt;

/// When market orders trade on candles (and on trades without quotes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exec {
    /// At the open of the next bar; on trades at the next trade.
    NextOpen,
    /// At once at the close that the decision was made on; on trades, without latency, at the last trade. For comparison only: nobody
    /// can trade at a price that he had to see first.
    SignalClose,
}

/// How much worse than the market's own price an order trades that takes liquidity. Limit orders are not slipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slippage {
    /// Not at all.
    None,
    /// By a fixed fraction of the price ([`Rate::from_bps`]).
    Bps(Rate),
    /// By `spread / 2 + coefficient * sqrt(quantity / volume)` as a fraction of the price, where volume is that of the bar or trade, or
    /// the displayed quantity. On quotes the spread is the market's own and only the second term counts.
    Impact {
        /// The whole spread, as a fraction of the price.
        spread: Rate,
        /// Impact of taking as much as was traded, as a fraction of the price.
        coefficient: Rate,
    },
}

/// In which asset spot fees are taken. Perpetuals pay in the settle asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeAsset {
    /// In quote, for comparisons.
    Quote,
    /// In the received asset as spot venues do: buys pay in base, sells in quote.
    Venue,
}

/// A seeded extra delay of every message, uniform from 0 to `max`. Messages of one direction never overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter {
    /// Longest extra delay.
    pub max: Nanos,
    /// Seed of the generator.
    pub seed: u64,
}

/// How long messages travel. On candles all of it is zero: a bar says nothing finer than itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Market data to us; played as that much more delay of what is sent because of them.
    pub feed: Nanos,
    /// A request to the venue.
    pub order: Nanos,
    /// A report to us.
    pub report: Nanos,
    /// A random part.
    pub jitter: Option<Jitter>,
}

impl Latency {
    /// No delay anywhere.
    pub const ZERO: Self = Self { feed: Nanos(0), order: Nanos(0), report: Nanos(0), jitter: None };
}

/// When a resting limit order is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFill {
    /// When the market trades beyond its price.
    Through,
    /// When the market trades at its price.
    Touch,
}

/// Funding of perpetuals: at each multiple of `every` since 1970, `-position * mark * rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Rate per period; longs pay shorts when it is positive.
    pub rate: Rate,
    /// The period.
    pub every: Nanos,
}

/// How the simulated venue behaves. It has no default: each of these changes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueConfig {
    /// When market orders trade.
    pub exec: Exec,
    /// What taking liquidity costs beside fees.
    pub slippage: Slippage,
    /// Largest share of a bar's or trade's volume that our orders together get; `None` for no cap. When set, orders on quotes get at
    /// most the displayed quantity.
    pub participation: Option<Rate>,
    /// In which asset spot fees are taken.
    pub fee_asset: FeeAsset,
    /// Maker and taker rates for every instrument; `None` for the instruments' own.
    pub fees: Option<(Rate, Rate)>,
    /// How long messages travel.
    pub latency: Latency,
    /// When resting limit orders are filled.
    pub limit_fill: LimitFill,
    /// Funding of perpetuals; `None` for none.
    pub funding: Option<Funding>,
    /// Whether a limit order at the best price waits behind the quantity displayed there (trades with quotes).
    pub queue: bool,
    /// Whether the venue holds pairs of orders of which one takes the other off.
    pub pairs: bool,
}

impl VenueConfig {
    /// No costs and no limits: the next open, whole quantities, the instruments' fees in quote, limits filled by trades through them.
    #[must_use]
    pub const fn frictionless() -> Self {
        Self {
            exec: Exec::NextOpen,
            slippage: Slippage::None,
            participation: None,
            fee_asset: FeeAsset::Quote,
            fees: None,
            latency: Latency::ZERO,
            limit_fill: LimitFill::Through,
            funding: None,
            queue: true,
            pairs: false,
        }
    }

    /// Checks that rates and periods make sense.
    ///
    /// # Errors
    /// [`VenueConfigError`] names the setting, what it is and what was expected.
    pub fn validate(&self) -> Result<(), VenueConfigError> {
        let share = |setting, rate: Rate, least: Rate| {
            if (least..=Rate::ONE).contains(&rate) {
                Ok(())
            } else {
                Err(VenueConfigError { setting, value: rate, expected: "a fraction of at most 1, not negative" })
            }
        };
        match self.slippage {
            Slippage::None => {}
            Slippage::Bps(rate) => share("slippage", rate, Rate::ZERO)?,
            Slippage::Impact { spread, coefficient } => {
                share("impact spread", spread, Rate::ZERO)?;
                share("impact coefficient", coefficient, Rate::ZERO)?;
            }
        }
        if let Some(rate) = self.participation {
            share("participation", rate, Rate::from_raw(1))?;
        }
        if let Some((maker, taker)) = self.fees {
            share("taker fee", taker, Rate::from_raw(-Rate::ONE.raw()))?;
            share("maker fee", maker, Rate::from_raw(-Rate::ONE.raw()))?;
        }
        if let Some(funding) = self.funding {
            share("funding rate", funding.rate, Rate::from_raw(-Rate::ONE.raw()))?;
            if funding.every.0 == 0 {
                return Err(VenueConfigError {
                    setting: "funding period",
                    value: Rate::ZERO,
                    expected: "more than zero",
                });
            }
        }
        Ok(())
    }
}

stored_enum!(Exec, "when market orders trade" { 1 => NextOpen, 2 => SignalClose });
stored_enum!(Slippage, "a slippage" { 1 => None, 2 => Bps(rate), 3 => Impact { spread, coefficient } });
stored_enum!(FeeAsset, "an asset of fees" { 1 => Quote, 2 => Venue });
stored_struct!(Jitter { max, seed });
stored_struct!(Latency { feed, order, report, jitter });
stored_enum!(LimitFill, "when limit orders are filled" { 1 => Through, 2 => Touch });
stored_struct!(Funding { rate, every });

/// A setting that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueConfigError {
    /// Which one.
    pub setting: &'static str,
    /// What it is.
    pub value: Rate,
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for VenueConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected {}", self.setting, self.value, self.expected)
    }
}

impl std::error::Error for VenueConfigError {}
