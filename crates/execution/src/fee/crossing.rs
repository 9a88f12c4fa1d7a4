//! How much of a limit order takes liquidity, and what it pays.
//!
//! In:  the order, and the book that it meets.
//! Out: the part that trades at once and pays the taker rate, and the rest, which may rest and pay the maker rate.

use super::calculator::Calculator;
use domain::{Fee, Liquidity, Money, Price, Side};
use marketdata::View;

/// Which part of an order takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Trades at once, a mantissa: pays taker.
    pub taker: i64,
    /// Rests, if it is ever filled pays maker.
    pub maker: i64,
}

/// How much of an order at `limit` trades at once. A book that is not known makes all of it taker, so the fee is never taken for too small.
/// A post-only order never takes: the venue refuses it where it would.
#[must_use]
pub fn crossing(view: Option<&View<'_>>, side: Side, limit: i64, quantity: i64, post_only: bool) -> Crossing {
    if post_only {
        return Crossing { taker: 0, maker: quantity };
    }
    let taker = view.map_or(quantity, |view| view.walk(side, quantity, Some(limit)).quantity);
    Crossing { taker, maker: quantity - taker }
}

/// What an order would pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFee {
    /// Which part takes.
    pub parts: Crossing,
    /// Value of the part that takes, at the prices of the book, in quote.
    pub taken: Money,
    /// Fee of that part; each level of the book is a fill.
    pub taker: Option<Fee>,
    /// Fee of the rest, if all of it is filled at the limit as one fill.
    pub maker: Option<Fee>,
    /// Both in quote.
    pub in_quote: Money,
}

/// What a limit order would pay, its rest filled at its limit. `None` on overflow.
#[must_use]
pub fn order_fee(
    calculator: &Calculator,
    view: Option<&View<'_>>,
    side: Side,
    (limit, quantity): (i64, i64),
    post_only: bool,
    discount_price: Option<Price>,
) -> Option<OrderFee> {
    let parts = crossing(view, side, limit, quantity, post_only);
    let mut order = OrderFee { parts, taken: Money::ZERO, taker: None, maker: None, in_quote: Money::ZERO };
    let mut fill = |price: i64, part: i64| -> Option<()> {
        let charged = calculator.fee(side, Liquidity::Taker, price, part, discount_price)?;
        let before = order.taker.map_or(Money::ZERO, |fee| fee.amount);
        order.taker = Some(Fee { amount: before.checked_add(charged.fee.amount)?, asset: charged.fee.asset });
        order.taken = order.taken.checked_add(charged.value)?;
        order.in_quote = order.in_quote.checked_add(charged.in_quote)?;
        Some(())
    };
    let mut left = parts.taker;
    for level in view.into_iter().flat_map(|view| view.against(side)) {
        let part = left.min(level.quantity);
        if part <= 0 {
            break;
        }
        fill(level.price, part)?;
        left -= part;
    }
    if left > 0 {
        // The book is not known: the limit is the worst price that it can have.
        fill(limit, left)?;
    }
    if parts.maker > 0 {
        let charged = calculator.fee(side, Liquidity::Maker, limit, parts.maker, discount_price)?;
        order.maker = Some(charged.fee);
        order.in_quote = order.in_quote.checked_add(charged.in_quote)?;
    }
    Some(order)
}
