//! One position: quantity and cost, and what a fill does to them.
//!
//! Averages are exact by construction: no average price is kept. A close takes its share of the cost, the remainder stays with the
//! position, the last close takes all of it.

use domain::decimal::{Rounding, div_round};
use domain::{Money, PositionView, Quantity};

/// Signed quantity and signed cost, both as counts of 1e-12. The cost is a whole number of the quote asset's smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub quantity: i128,
    pub cost: i128,
}

/// What a trade did to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub after: Position,
    /// Quantity opened, without sign.
    pub opened: i128,
    /// Quantity closed, without sign.
    pub closed: i128,
    /// Profit of the closed part.
    pub realised: i128,
}

impl Position {
    pub(crate) const fn view(self) -> PositionView {
        PositionView { quantity: Quantity::from_raw(self.quantity), cost: Money::from_raw(self.cost) }
    }

    /// Trades the signed quantity `q` for the signed value `v` (what is paid for it; negative is received). `step` is one unit of the
    /// quote asset's precision. `None` on overflow. `q` is not zero.
    #[inline]
    pub(crate) fn trade(self, q: i128, v: i128, step: i128) -> Option<Change> {
        let after = self.quantity.checked_add(q)?;
        if self.quantity == 0 || (self.quantity > 0) == (q > 0) {
            let cost = self.cost.checked_add(v)?;
            let after = Position { quantity: after, cost };
            return Some(Change { after, opened: q.checked_abs()?, closed: 0, realised: 0 });
        }
        let (held, traded) = (self.quantity.checked_abs()?, q.checked_abs()?);
        if traded <= held {
            let taken = if traded == held { self.cost } else { share(self.cost, traded, held, step)? };
            let realised = v.checked_neg()?.checked_sub(taken)?;
            let after = Position { quantity: after, cost: self.cost - taken };
            return Some(Change { after, opened: 0, closed: traded, realised });
        }
        // Through zero: all of the cost leaves with the part of the value that belongs to what was held, the rest of the value opens.
        let closing = share(v, held, traded, step)?;
        let realised = closing.checked_neg()?.checked_sub(self.cost)?;
        let after = Position { quantity: after, cost: v - closing };
        Some(Change { after, opened: traded - held, closed: held, realised })
    }
}

/// `amount * part / whole` at a precision, rounded up: the share that belongs to a part, `0 < part < whole`. Rounding up keeps the
/// result within the amount's own sign and size as long as the amount is a multiple of `step`. `None` on overflow.
#[inline]
fn share(amount: i128, part: i128, whole: i128, step: i128) -> Option<i128> {
    let units = if step == 1 { amount } else { div_round(amount, step, Rounding::Up) };
    let taken = match units.checked_mul(part) {
        Some(product) => div_round(product, whole, Rounding::Up),
        None => long_share(units, part, whole)?,
    };
    taken.checked_mul(step)
}

/// The same where the product passes 128 bits: multiplication and division bit by bit, at 128 steps. `None` if `whole` has 126 bits or
/// more.
#[cold]
fn long_share(amount: i128, part: i128, whole: i128) -> Option<i128> {
    let (part, whole) = (part.unsigned_abs(), whole.unsigned_abs());
    if whole >> 125 != 0 {
        return None;
    }
    // Invariant: prefix of |amount| * part = quotient * whole + rest, rest < whole. Below, rest < 3 * whole < 2^127.
    let (mut quotient, mut rest) = (0u128, 0u128);
    for bit in (0..128).rev() {
        quotient <<= 1;
        rest <<= 1;
        if amount.unsigned_abs() >> bit & 1 == 1 {
            rest += part;
        }
        while rest >= whole {
            rest -= whole;
            quotient += 1;
        }
    }
    // part < whole, so the quotient is below |amount| and fits.
    let quotient = i128::try_from(quotient).ok()?;
    Some(if amount < 0 { -quotient } else { quotient + i128::from(rest != 0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_flip_closes_all_and_opens_the_rest() {
        let long = Position { quantity: 3, cost: 300 };
        let change = long.trade(-5, -551, 1).unwrap();
        // 551 * 3 / 5 = 330.6 received for what was held: 330 of it, and 221 for the 2 that are now short.
        assert_eq!(change, Change { after: Position { quantity: -2, cost: -221 }, opened: 2, closed: 3, realised: 30 });
        let back = change.after.trade(2, 200, 1).unwrap();
        assert_eq!(back, Change { after: Position::default(), opened: 0, closed: 2, realised: 21 });
    }

    #[test]
    fn the_last_close_takes_all_of_the_cost() {
        let mut position = Position { quantity: 3, cost: 100 };
        let mut realised = 0;
        for _ in 0..3 {
            let change = position.trade(-1, -40, 1).unwrap();
            realised += change.realised;
            position = change.after;
        }
        assert_eq!((position, realised), (Position::default(), 20));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_in_any_sequence(trades in prop::collection::vec((-1_000_000i128..1_000_000, 0i128..1_000_000), 1..60), step in prop::sample::select(vec![1i128, 10, 10_000])) {
            let mut position = Position::default();
            let (mut paid, mut realised) = (0i128, 0i128);
            for (q, price) in trades {
                if q == 0 { continue; }
                let v = div_round(q * price, 1000, Rounding::Up) * step;
                let change = position.trade(q, v, step).unwrap();
                paid += v;
                realised += change.realised;
                position = change.after;
                prop_assert_eq!(position.cost, paid + realised);
                prop_assert_eq!(position.cost % step, 0);
                prop_assert!(position.quantity != 0 || position.cost == 0);
                prop_assert!(position.cost == 0 || (position.cost > 0) == (position.quantity > 0));
                prop_assert_eq!(change.opened + change.closed, q.abs());
            }
        }

        #[test]
        fn a_share_is_the_quotient_rounded_up(units in -1_000_000_000_000i128..1_000_000_000_000, part in 1i128..1_000_000, rest in 1i128..1_000_000, shift in 0u32..60) {
            // The wide case takes the branch that splits the product.
            let (part, whole) = (part << shift, (part + rest) << shift);
            let wide = share(units << 20, part, whole, 1).unwrap();
            let (n, d) = ((units << 20) * (part >> shift), whole >> shift);
            prop_assert_eq!(wide, n.div_euclid(d) + i128::from(n.rem_euclid(d) != 0));
        }
    }
}
