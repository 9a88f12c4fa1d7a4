//! The implementation shortfall of one order that is over, taken apart in money.
//!
//! In:  prices at the decision and at the sending, every fill with what the market showed when it was made, what was left unfilled.
//! Out: [`Shortfall`]: what it cost against trading all of it at the decision price, and the parts of that.
//!
//! Source: Perold (1988), The implementation shortfall: paper versus reality, Journal of Portfolio Management 14(3), 4-9; the parts as in
//! Wagner, Edwards (1993), Best execution, Financial Analysts Journal 49(1), 65-71.
//!
//! With side `s` (+1 buy, -1 sell) and fills `q_i` at `p_i`:
//! ```text
//! whole = s (sum p_i q_i - D Q) + fees + s (E - D) U      D decision, Q = sum q_i, U unfilled, E price at the end
//!   delay       s (A - D) q_i         A price at the sending
//!   timing      s (M_i - A) q_i       M_i market price at the fill: the middle, or the trade, open or trigger where no quote is known
//!   spread      s (T_i - M_i) q_i     T_i best price on the side that was taken; only where quotes are known
//!   impact      s (p_i - T_i) q_i     against M_i where no quote is known: then half a spread is inside
//!   opportunity s (E - D) U
//!   unattributed: what lies between two known prices where one in between is not known
//! ```
//! Each product is rounded once, half to even at 1e-12, and the parts are differences of the same products: they telescope. `whole` is
//! made of the products of the totals, so `residual = whole - sum of parts` is what rounding leaves: 0 where price and quantity have at
//! most twelve decimals together.

use domain::{Instrument, Money, Price, Quantity, Rounding, Side};

/// What the market showed when a fill was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// The middle of the quote; else the trade, the open or the trigger that the fill was made at.
    pub price: Price,
    /// The best price on the side where the fill was made; `None` where no quote is known.
    pub touch: Option<Price>,
}

/// One fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traded {
    /// Its price.
    pub price: Price,
    /// Its quantity, in base or contracts.
    pub quantity: Quantity,
    /// What the market showed; `None` where that is not known.
    pub market: Option<Market>,
    /// Its fee, valued in quote; `None` where there is no rate for it.
    pub fee: Option<Money>,
}

/// An order that is over, or as far as it has come.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// Its instrument.
    pub instrument: &'a Instrument,
    /// Its side.
    pub side: Side,
    /// The price at which it was decided; `None` where that is not known.
    pub decision: Option<Price>,
    /// The price when it was sent.
    pub arrival: Option<Price>,
    /// The price at its end.
    pub end: Option<Price>,
    /// What was wanted and not filled: zero for a complete order, and for one that was not meant to trade unless its trigger was reached.
    pub unfilled: Quantity,
    /// Its fills, in time.
    pub fills: &'a [Traded],
}

/// The cost of an order and its parts, in quote; positive is a cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// Filled quantity.
    pub filled: Quantity,
    /// What the fills were worth: the sum of price x quantity.
    pub traded: Money,
    /// The cost against the decision; `None` where the decision price or a fee is not known, or the end price of an unfilled part.
    pub whole: Option<Money>,
    /// From the decision to the sending.
    pub delay: Option<Money>,
    /// From the sending to the market at the fill; `None` if no fill's market is known.
    pub timing: Option<Money>,
    /// Half the spread; `None` if no fill's quote is known.
    pub spread: Option<Money>,
    /// Beyond the best price; beyond the market's price where no quote is known.
    pub impact: Option<Money>,
    /// Fees in quote.
    pub fees: Option<Money>,
    /// The unfilled part.
    pub opportunity: Option<Money>,
    /// What lies between two known prices with an unknown one between them.
    pub unattributed: Money,
    /// `whole` less the sum of the parts.
    pub residual: Option<Money>,
}

impl Shortfall {
    /// The parts that are known, in the order of time; they sum to `whole` less `residual`.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, Option<Money>); 7] {
        [
            ("delay", self.delay),
            ("timing", self.timing),
            ("spread", self.spread),
            ("impact", self.impact),
            ("fees", self.fees),
            ("opportunity", self.opportunity),
            ("unattributed", Some(self.unattributed)),
        ]
    }

    /// What was paid beyond the market's price at the fills: spread and impact. `None` if no fill's market is known.
    #[must_use]
    pub fn crossing(&self) -> Option<Money> {
        self.impact?.checked_add(self.spread.unwrap_or(Money::ZERO))
    }
}

/// Takes an order apart. `None` where an amount is beyond all money.
#[must_use]
pub fn shortfall(done: &Done<'_>) -> Option<Shortfall> {
    let worth = |price: Price, quantity: Quantity| done.instrument.notional(price, quantity, Rounding::HalfEven);
    let against = |amount: Money| if done.side == Side::Buy { Some(amount) } else { amount.checked_neg() };
    let step = |from: Money, to: Money| to.checked_sub(from).and_then(against);
    let mut out = Shortfall { fees: Some(Money::ZERO), ..Shortfall::default() };
    for fill in done.fills {
        let paid = worth(fill.price, fill.quantity)?;
        out.traded = out.traded.checked_add(paid)?;
        out.filled = out.filled.checked_add(fill.quantity)?;
        out.fees = match out.fees.zip(fill.fee) {
            Some((sum, fee)) => Some(sum.checked_add(fee)?),
            None => None,
        };
        // The prices on the way from the decision to the fill; what is unknown is stepped over.
        let market = fill.market.map(|m| m.price);
        let touch = fill.market.and_then(|m| m.touch);
        let mut last: Option<Money> =
            done.decision.map(|d| worth(d, fill.quantity)).map_or(Some(None), |w| w.map(Some))?;
        let mut whole_way = true;
        let mut go = |to: Option<Price>, part: &mut Option<Money>, last: &mut Option<Money>, rest: &mut Money| {
            let Some(to) = to else {
                whole_way = false;
                return Some(());
            };
            let to = worth(to, fill.quantity)?;
            if let Some(from) = *last {
                let cost = step(from, to)?;
                if whole_way {
                    *part = Some(part.unwrap_or(Money::ZERO).checked_add(cost)?);
                } else {
                    *rest = rest.checked_add(cost)?;
                }
            }
            whole_way = true;
            *last = Some(to);
            Some(())
        };
        go(done.arrival, &mut out.delay, &mut last, &mut out.unattributed)?;
        go(market, &mut out.timing, &mut last, &mut out.unattributed)?;
        // Without a quote the way from the market's price to the fill is one step.
        if touch.is_some() {
            go(touch, &mut out.spread, &mut last, &mut out.unattributed)?;
        }
        go(Some(fill.price), &mut out.impact, &mut last, &mut out.unattributed)?;
    }
    if done.unfilled > Quantity::ZERO {
        out.opportunity = match done.decision.zip(done.end) {
            Some((decision, end)) => Some(step(worth(decision, done.unfilled)?, worth(end, done.unfilled)?)?),
            None => None,
        };
    } else {
        out.opportunity = Some(Money::ZERO);
    }
    if let (Some(decision), Some(fees), Some(opportunity)) = (done.decision, out.fees, out.opportunity) {
        let traded = step(worth(decision, out.filled)?, out.traded)?;
        out.whole = Some(traded.checked_add(fees)?.checked_add(opportunity)?);
        let sum = out.parts().into_iter().filter_map(|(_, part)| part).try_fold(Money::ZERO, Money::checked_add)?;
        out.residual = out.whole.and_then(|whole| whole.checked_sub(sum));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::InstrumentTable;
    use proptest::prelude::*;
    use testkit::{add_perpetual, add_spot, money, price, quantity};

    fn spot() -> Instrument {
        add_spot(&mut InstrumentTable::default(), "BTCUSDT", 2, 5)
    }

    fn fill(p: &str, q: &str, market: Option<(&str, Option<&str>)>, fee: &str) -> Traded {
        let market = market.map(|(m, touch)| Market { price: price(m), touch: touch.map(price) });
        Traded { price: price(p), quantity: quantity(q), market, fee: Some(money(fee)) }
    }

    #[test]
    fn an_order_on_quotes_has_every_part() {
        let instrument = spot();
        let fills = [
            fill("101.00", "2", Some(("100.60", Some("100.80"))), "0.2"),
            fill("101.50", "1", Some(("101.00", Some("101.20"))), "0.1"),
        ];
        let done = Done {
            instrument: &instrument,
            side: Side::Buy,
            decision: Some(price("100")),
            arrival: Some(price("100.20")),
            end: Some(price("103")),
            unfilled: quantity("1"),
            fills: &fills,
        };
        let s = shortfall(&done).unwrap();
        // By hand: 0.2 x 3, 0.4 x 2 + 0.8, 0.2 x 2 + 0.2, 0.2 x 2 + 0.3, 3 x 1.
        assert_eq!(s.delay, Some(money("0.6")));
        assert_eq!(s.timing, Some(money("1.6")));
        assert_eq!(s.spread, Some(money("0.6")));
        assert_eq!(s.impact, Some(money("0.7")));
        assert_eq!(s.fees, Some(money("0.3")));
        assert_eq!(s.opportunity, Some(money("3")));
        assert_eq!((s.unattributed, s.residual), (Money::ZERO, Some(Money::ZERO)));
        assert_eq!(s.whole, Some(money("6.8")));
        assert_eq!((s.filled, s.traded), (quantity("3"), money("303.5")));
        assert_eq!(s.crossing(), Some(money("1.3")));
        // The same prices are gains for a sell, but for the fees.
        let sold = shortfall(&Done { side: Side::Sell, ..done }).unwrap();
        assert_eq!(sold.whole, Some(money("-6.2")));
        assert_eq!(sold.impact, Some(money("-0.7")));
    }

    #[test]
    fn what_is_not_known_is_stepped_over_and_the_whole_stays() {
        let instrument = spot();
        let fills = [fill("101", "1", None, "0"), fill("102", "1", Some(("101.5", None)), "0")];
        let done = Done {
            instrument: &instrument,
            side: Side::Buy,
            decision: Some(price("100")),
            arrival: Some(price("100.5")),
            end: None,
            unfilled: Quantity::ZERO,
            fills: &fills,
        };
        let s = shortfall(&done).unwrap();
        assert_eq!((s.delay, s.timing, s.spread), (Some(money("1")), Some(money("1")), None));
        assert_eq!((s.impact, s.unattributed, s.whole), (Some(money("0.5")), money("0.5"), Some(money("3"))));
        let s = shortfall(&Done { arrival: None, ..done }).unwrap();
        assert_eq!((s.delay, s.timing, s.unattributed, s.whole), (None, None, money("2.5"), Some(money("3"))));
        let s = shortfall(&Done { decision: None, ..done }).unwrap();
        assert_eq!((s.whole, s.delay, s.timing, s.impact), (None, None, Some(money("1")), Some(money("0.5"))));
        // An unfilled part without an end price, and a fee without a rate, leave the whole unknown.
        assert_eq!(shortfall(&Done { unfilled: quantity("1"), ..done }).unwrap().whole, None);
        let unpriced = [Traded { fee: None, ..fills[0] }];
        let s = shortfall(&Done { fills: &unpriced, ..done }).unwrap();
        assert_eq!((s.whole, s.fees, s.residual), (None, None, None));
    }

    #[test]
    fn an_order_that_never_traded_costs_what_it_missed() {
        let instrument = spot();
        let done = Done {
            instrument: &instrument,
            side: Side::Sell,
            decision: Some(price("100")),
            arrival: Some(price("100")),
            end: Some(price("98")),
            unfilled: quantity("2"),
            fills: &[],
        };
        let s = shortfall(&done).unwrap();
        assert_eq!((s.whole, s.opportunity, s.impact), (Some(money("4")), Some(money("4")), None));
        let s = shortfall(&Done { unfilled: Quantity::ZERO, ..done }).unwrap();
        assert_eq!(s.whole, Some(Money::ZERO));
    }

    #[test]
    fn amounts_beyond_all_money_have_no_answer() {
        let instrument = spot();
        let huge =
            Traded { price: Price::from_raw(i128::MAX / 4), quantity: quantity("1000000"), market: None, fee: None };
        let done = Done {
            instrument: &instrument,
            side: Side::Buy,
            decision: None,
            arrival: None,
            end: None,
            unfilled: Quantity::ZERO,
            fills: &[huge],
        };
        assert_eq!(shortfall(&done), None);
    }

    proptest! {
        /// With up to twelve decimals the parts sum to the whole to the last unit; with more the residual is what the roundings leave.
        #[test]
        fn parts_sum_to_the_whole(
            prices in prop::collection::vec((1i64..10_000_000, 1i64..10_000_000, 0i64..500, 1i64..1_000_000_000), 0..6),
            decision in 1i64..10_000_000, arrival in 1i64..10_000_000, unfilled in 0i64..1_000_000,
            buy: bool, quotes: bool, decimals in 0u8..=8, perpetual: bool,
        ) {
            let mut table = InstrumentTable::default();
            let instrument = if perpetual {
                add_perpetual(&mut table, "ETHUSDT", decimals, 8)
            } else {
                add_spot(&mut table, "ETHUSDT", decimals, 8)
            };
            let fills: Vec<Traded> = prices.iter().map(|(p, m, half, q)| Traded {
                price: instrument.price(*p),
                quantity: instrument.quantity(*q),
                market: Some(Market {
                    price: instrument.price(*m),
                    touch: quotes.then(|| instrument.price(m + half)),
                }),
                fee: Some(Money::from_raw(i128::from(*q))),
            }).collect();
            let done = Done {
                instrument: &instrument,
                side: if buy { Side::Buy } else { Side::Sell },
                decision: Some(instrument.price(decision)),
                arrival: Some(instrument.price(arrival)),
                end: Some(instrument.price(arrival)),
                unfilled: instrument.quantity(unfilled),
                fills: &fills,
            };
            let s = shortfall(&done).unwrap();
            let sum = s.parts().iter().filter_map(|(_, p)| *p).fold(0i128, |sum, part| sum + part.raw());
            let residual = s.residual.unwrap().raw();
            prop_assert_eq!(s.whole.unwrap().raw(), sum + residual);
            let most = if decimals <= 4 { 0 } else { fills.len() as i128 + 1 };
            prop_assert!(residual.abs() <= most, "{} with {} decimals", residual, decimals);
        }
    }
}
