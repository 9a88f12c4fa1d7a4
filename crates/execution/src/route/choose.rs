//! Which kind of order costs least: market, a limit that crosses, or a limit that rests.
//!
//! In:  the book, the fees, and what is believed of fills: how likely a resting order is filled, and what it costs if it is not.
//! Out: the expected cost of each kind, in quote against the middle of the book, and the least of them.
//!
//! With `m` the middle of the best prices, `q` the quantity, and costs signed so that paying is positive:
//!
//! - market: `walk(q) - m q + taker * walk(q)`.
//! - crossing limit at `L`: the same for what trades at once; the rest `r` rests at `L`, is filled with probability `p` at `L` as maker
//!   (with the adverse move `a`), else it is chased: a market order after the price has run away by `d`.
//! - passive limit at `P`: all of it rests.
//!
//! `rest(P, q) = p (P - m + a m + maker P) q + (1 - p) (market(q) + d m q (1 + taker))`, for a sell with the signs of the prices turned.
//!
//! Adverse move and drift are fractions of the middle. A probability that is not known makes no resting order: then only what trades at
//! once is weighed. Amounts are rounded up at 1e-12, beliefs are rates in 1e-12: no float takes part.

use domain::decimal::{ONE, div_round};
use domain::{Money, Quantity, Rate, Rounding, Side};
use marketdata::View;

/// What is believed of a resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    /// Probability that it is filled within the time that it is given, from 0 to 1.
    pub fill_probability: Rate,
    /// How far the price moves against the position right after such a fill, as a fraction of the middle (adverse selection).
    pub adverse_move: Rate,
    /// How far the price has run away where it was not filled, as a fraction of the middle.
    pub drift: Rate,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The book.
    pub view: View<'a>,
    /// Decimals of its prices and quantities.
    pub decimals: (u8, u8),
    /// Buy or sell.
    pub side: Side,
    /// How much, a mantissa.
    pub quantity: i64,
    /// Rates charged: maker, taker.
    pub fees: (Rate, Rate),
    /// Limit of the order that crosses, a mantissa; the opposite best price if `None`.
    pub crossing: Option<i64>,
    /// Limit of the order that rests, a mantissa; the best price of its own side if `None`.
    pub passive: Option<i64>,
    /// Of an order that rests at the passive limit; `None` where nothing is known: then none is suggested.
    pub belief: Option<Belief>,
    /// Of what is left of the order that crosses: it is the best price of its side then, and filled sooner. `None` as above.
    pub belief_crossing: Option<Belief>,
}

/// A kind of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Takes what is there.
    Market,
    /// Takes up to a limit, and rests with what is left.
    Crossing {
        /// The limit, a mantissa.
        limit: i64,
    },
    /// Rests, post-only.
    Passive {
        /// The limit, a mantissa.
        limit: i64,
    },
}

/// The expected cost of one kind of order, in quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Which kind.
    pub kind: Kind,
    /// Prices against the middle, the moves that are believed in included; negative where the order earns the spread.
    pub price: Money,
    /// Fees.
    pub fees: Money,
    /// Both.
    pub total: Money,
}

/// All kinds that could be weighed, and the one that costs least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The one that costs least; of equal ones the one that is surest to be filled.
    pub best: Expected,
    /// Market, crossing, passive; `None` where it cannot be weighed.
    pub all: [Option<Expected>; 3],
}

/// Why nothing can be suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// A side of the book is empty.
    #[error("a side of the book is empty: expected a bid and an ask")]
    OneSided,
    /// The quantity is not above zero.
    #[error("quantity {0}: expected above 0")]
    Quantity(i64),
    /// The book holds less than the quantity, and nothing is known of resting orders.
    #[error("the book holds {held} of {wanted}, and nothing is said of how likely a resting order is filled")]
    Depth {
        /// What it holds, a mantissa.
        held: i64,
        /// What is wanted, a mantissa.
        wanted: i64,
    },
    /// A probability that is none, or a move below zero.
    #[error("expected a probability from 0 to 1, and moves from 0 to 1")]
    Belief,
    /// Numbers pass what can be computed.
    #[error("the numbers are too large")]
    TooLarge,
}

/// A cost in two parts, in 1e-12 of quote.
#[derive(Clone, Copy, Default)]
struct Cost {
    price: i128,
    fees: i128,
}

impl Cost {
    fn plus(self, other: Self) -> Option<Self> {
        Some(Self { price: self.price.checked_add(other.price)?, fees: self.fees.checked_add(other.fees)? })
    }

    fn times(self, rate: i128) -> Option<Self> {
        Some(Self { price: up(self.price, rate)?, fees: up(self.fees, rate)? })
    }

    fn option(self, kind: Kind) -> Option<Expected> {
        let total = Money::from_raw(self.price.checked_add(self.fees)?);
        Some(Expected { kind, price: Money::from_raw(self.price), fees: Money::from_raw(self.fees), total })
    }
}

/// `amount * rate / 1e12`, up.
fn up(amount: i128, rate: i128) -> Option<i128> {
    Some(div_round(amount.checked_mul(rate)?, ONE, Rounding::Up))
}

/// Weighs the kinds of order.
///
/// # Errors
/// [`ChoiceError`].
pub fn choose(s: &Situation<'_>) -> Result<Choice, ChoiceError> {
    let (Some(bid), Some(ask)) = (s.view.bid(), s.view.ask()) else { return Err(ChoiceError::OneSided) };
    if s.quantity <= 0 {
        return Err(ChoiceError::Quantity(s.quantity));
    }
    let unit = Rate::ZERO..=Rate::ONE;
    let sound = |b: &Belief| [b.fill_probability, b.adverse_move, b.drift].iter().all(|rate| unit.contains(rate));
    if !s.belief.iter().chain(&s.belief_crossing).all(sound) {
        return Err(ChoiceError::Belief);
    }
    let (own, opposite) = if s.side == Side::Buy { (bid.price, ask.price) } else { (ask.price, bid.price) };
    let held = s.view.walk(s.side, s.quantity, None).quantity;
    let large = ChoiceError::TooLarge;
    let market = if held == s.quantity { Some(s.market(s.quantity).ok_or(large)?) } else { None };
    let crossing = s.crossing.unwrap_or(opposite);
    let at_once = s.view.walk(s.side, s.quantity, Some(crossing)).quantity;
    let crossed = match (s.belief_crossing, at_once) {
        (_, 0) => None,
        (_, all) if all == s.quantity => Some(s.taken(all, Some(crossing)).ok_or(large)?),
        // The rest has to be chased through the whole book, so there has to be one.
        (Some(belief), part) if market.is_some() => {
            let taken = s.taken(part, Some(crossing)).ok_or(large)?;
            // What is chased later finds the levels gone that were taken at once.
            let rest = s.rest(belief, crossing, s.quantity - part, part).ok_or(large)?;
            Some(taken.plus(rest).ok_or(large)?)
        }
        _ => None,
    };
    let passive = s.passive.unwrap_or(own);
    let would_take = s.view.walk(s.side, 1, Some(passive)).quantity > 0;
    let rested = match s.belief {
        // Post-only: one that would take is refused.
        Some(belief) if !would_take && market.is_some() => Some(s.rest(belief, passive, s.quantity, 0).ok_or(large)?),
        _ => None,
    };
    let option = |cost: Option<Cost>, kind| cost.and_then(|cost| cost.option(kind));
    let all = [
        option(market, Kind::Market),
        option(crossed, Kind::Crossing { limit: crossing }),
        option(rested, Kind::Passive { limit: passive }),
    ];
    let best = all.iter().flatten().min_by_key(|o| o.total).copied();
    best.map(|best| Choice { best, all }).ok_or(ChoiceError::Depth { held, wanted: s.quantity })
}

impl Situation<'_> {
    /// A product of mantissas in 1e-12 of quote, rounded up.
    fn amount(&self, product: i128) -> Option<i128> {
        let (price, quantity) = self.decimals;
        let scale =
            domain::Price::from_mantissa(1, price).raw().checked_mul(Quantity::from_mantissa(1, quantity).raw())?;
        Some(div_round(product.checked_mul(scale)?, ONE, Rounding::Up))
    }

    /// Twice the middle, times a quantity, in 1e-12 of quote: twice what the quantity is worth there.
    fn twice_middle(&self, quantity: i64) -> Option<i128> {
        self.amount(self.view.twice_mid()?.checked_mul(i128::from(quantity))?)
    }

    /// A market order for a quantity that the book holds.
    fn market(&self, quantity: i64) -> Option<Cost> {
        self.taken(quantity, None)
    }

    /// What trades at once.
    fn taken(&self, quantity: i64, limit: Option<i64>) -> Option<Cost> {
        let walk = self.view.walk(self.side, quantity, limit);
        let value = self.amount(walk.value)?;
        let twice = value.checked_mul(2)?.checked_sub(self.twice_middle(walk.quantity)?)?;
        let price = div_round(twice.checked_mul(self.side.sign())?, 2, Rounding::Up);
        Some(Cost { price, fees: up(value, i128::from(self.fees.1.raw()))? })
    }

    /// An order that rests at a limit, after so much was taken from the book at once.
    fn rest(&self, belief: Belief, limit: i64, quantity: i64, after: i64) -> Option<Cost> {
        let probability = i128::from(belief.fill_probability.raw());
        let value = self.amount(i128::from(limit).checked_mul(i128::from(quantity))?)?;
        let twice_middle = self.twice_middle(quantity)?;
        let twice = value.checked_mul(2)?.checked_sub(twice_middle)?.checked_mul(self.side.sign())?;
        let adverse = up(twice_middle, i128::from(belief.adverse_move.raw()))?;
        let filled = Cost {
            price: div_round(twice.checked_add(adverse)?, 2, Rounding::Up),
            fees: up(value, i128::from(self.fees.0.raw()))?,
        };
        let drift = div_round(up(twice_middle, i128::from(belief.drift.raw()))?, 2, Rounding::Up);
        let fee_of_drift = up(drift, i128::from(self.fees.1.raw()))?.checked_mul(self.side.sign())?;
        let (whole, gone) = (self.market(after + quantity)?, self.market(after)?);
        let later = Cost { price: whole.price.checked_sub(gone.price)?, fees: whole.fees.checked_sub(gone.fees)? };
        let chased = later.plus(Cost { price: drift, fees: fee_of_drift })?;
        filled.times(probability)?.plus(chased.times(ONE - probability)?)
    }
}
