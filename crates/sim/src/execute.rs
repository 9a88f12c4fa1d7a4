//! What a trade does: quantity, price, booking, report, and what follows for other orders.
//!
//! In:  an order, the market's price and whether it gives or takes liquidity.
//! Out: postings to the account, a fill, and the end of the order where nothing is left to trade.
//! A trade that the account cannot pay for is not made: the order is cancelled with the reason.

use crate::config::FeeAsset;
use crate::market::{Feed, Market};
use crate::money;
use crate::order::{Kind, Order};
use crate::slippage::slipped;
use crate::venue::Venue;
use domain::decimal::{Rounding, div_round};
use domain::{
    AssetIdx, Fill, Liquidity, Money, OrderStatus, RejectReason, ReportBody, Side, TimeInForce, VenueOrderId,
};

/// What a trade moved.
pub(crate) struct Booked {
    /// Amount of quote.
    pub amount: i128,
    pub fee: i128,
    pub fee_asset: AssetIdx,
}

impl Venue {
    /// Trades what can be traded of the order at the market's price `px`, at most `most`.
    pub(crate) fn execute(&mut self, at: usize, slot: u32, px: i64, liquidity: Liquidity, most: i64) {
        let Some(order) = self.orders.get(slot as usize).copied().filter(|o| o.alive) else {
            return;
        };
        match self.trade(at, &order, px, liquidity, most) {
            Err(reason) => self.cancel(slot, Some(reason)),
            Ok(None) => {
                if order.at_once() {
                    self.cancel(slot, Some(RejectReason::NotFilledAtOnce));
                }
            }
            Ok(Some((price, quantity, complete, booked))) => {
                self.settle(at, slot, price, quantity, complete, liquidity, &booked);
            }
        }
    }

    /// Books a trade of the order: its price, quantity, whether the order is complete with it, and what it moved. `Ok(None)` if nothing
    /// can be had now.
    #[allow(clippy::type_complexity)]
    fn trade(
        &mut self,
        at: usize,
        order: &Order,
        px: i64,
        liquidity: Liquidity,
        most: i64,
    ) -> Result<Option<(i64, i64, bool, Booked)>, RejectReason> {
        let market = &self.markets[at];
        let side = order.side();
        if px <= 0 {
            return Ok(None);
        }
        let available = market.available(side, self.config.participation).min(most);
        let slip = liquidity == Liquidity::Taker && order.kind == Kind::Market;
        let price_of = |quantity: i64| {
            if !slip {
                return Some(px);
            }
            let volume = market.volume[side as usize];
            let quoted = market.feed == Feed::Quotes;
            slipped(self.config.slippage, side, px, quantity, volume, quoted, market.tick)
        };
        let wanted = match order.budget {
            None => order.remaining(),
            Some(budget) => self.resolve(market, order, px, budget, price_of)?,
        };
        let held = if order.spec.reduce_only { self.reducible(order, market) } else { i64::MAX };
        if held == 0 {
            return Err(RejectReason::ReduceOnly);
        }
        let target = wanted.min(held);
        if order.spec.time_in_force == TimeInForce::Fok && available < target {
            return Err(RejectReason::NotFilledAtOnce);
        }
        let quantity = target.min(available);
        if quantity <= 0 {
            return Ok(None);
        }
        let price = price_of(quantity).ok_or(RejectReason::PriceFilter)?;
        let booked = self.book(at, order, price, quantity, liquidity, true)?;
        Ok(Some((price, quantity, quantity == wanted, booked)))
    }

    /// The quantity that an order in quote asks for at the market's price `px`.
    fn resolve(
        &self,
        market: &Market,
        order: &Order,
        px: i64,
        budget: i128,
        price_of: impl Fn(i64) -> Option<i64>,
    ) -> Result<i64, RejectReason> {
        // Slippage depends on the quantity and the quantity on the price: the price of the larger quantity, without slippage, is used.
        let first = self.affordable(market, px, budget).ok_or(RejectReason::Unsupported)?;
        let price = price_of(first).ok_or(RejectReason::PriceFilter)?;
        let quantity = if price == px {
            first
        } else {
            self.affordable(market, price, budget).ok_or(RejectReason::Unsupported)?
        };
        if quantity <= 0 || quantity > market.quantity_max {
            return Err(RejectReason::LotFilter);
        }
        if order.filled == 0 {
            if quantity < market.quantity_min {
                return Err(RejectReason::LotFilter);
            }
            if !market.reaches_minimum(price, quantity) {
                return Err(RejectReason::MinNotional);
            }
        }
        Ok(quantity)
    }

    /// How much an order that only reduces may still trade: what the account holds less what its other strategies do. A strategy's stop,
    /// target and exit thus end with its own part, as linked orders at a venue do, and never eat into another's.
    pub(crate) fn reducible(&self, order: &Order, market: &Market) -> i64 {
        let Some(account) = self.account(order.account()) else {
            return 0;
        };
        let (idx, strategy) = (market.rules.idx, order.strategy());
        let others = |long| account.position_of_others(idx, strategy, long);
        let left = match (market.is_spot(), order.side()) {
            (true, Side::Buy) => 0,
            (true, Side::Sell) => {
                let others = account.owned_by_others(idx, strategy);
                market.whole_lots(account.balance(market.rules.base).total.saturating_sub(others))
            }
            (false, Side::Buy) => account.position(idx).min(0).saturating_neg().saturating_sub(others(false)),
            (false, Side::Sell) => account.position(idx).max(0).saturating_sub(others(true)),
        };
        left.max(0)
    }

    /// Moves balances and position by a trade, or refuses with nothing changed. `checked` is whether margin is asked for.
    pub(crate) fn book(
        &mut self,
        at: usize,
        order: &Order,
        price: i64,
        quantity: i64,
        liquidity: Liquidity,
        checked: bool,
    ) -> Result<Booked, RejectReason> {
        const TOO_LARGE: RejectReason = RejectReason::Unsupported;
        let market = &self.markets[at];
        let side = order.side();
        let rules = &market.rules;
        let amount = market.scale.traded(side, price, quantity).ok_or(TOO_LARGE)?;
        let base = i128::from(quantity).checked_mul(market.quantity_unit).ok_or(TOO_LARGE)?;
        let rate = match liquidity {
            Liquidity::Maker => market.maker,
            Liquidity::Taker => market.taker,
        };
        let in_base = market.is_spot() && side == Side::Buy && self.config.fee_asset == FeeAsset::Venue;
        let (fee, fee_asset) = if in_base {
            (money::share(base, rate, market.base_unit), rules.base)
        } else {
            (money::share(amount, rate, market.quote_unit), rules.settle)
        };
        let fee = fee.ok_or(TOO_LARGE)?;
        let booked = Booked { amount, fee, fee_asset };
        if !market.is_spot() {
            if checked {
                self.check_margin(order.account(), at, side, quantity, price, fee)?;
            }
            self.book_position(at, order, quantity, &booked).ok_or(TOO_LARGE)?;
            return Ok(booked);
        }
        let (base_asset, quote_asset) = (rules.base, rules.quote);
        if side == Side::Buy && !self.leaves_margin(order.account(), quote_asset, amount.saturating_add(fee)) {
            return Err(RejectReason::InsufficientMargin);
        }
        let paired = self.reserved_by_pair(order);
        let market = &self.markets[at];
        let account = self.accounts.get_mut(order.account().index()).ok_or(RejectReason::InsufficientBalance)?;
        let (base_change, quote_change) = match (side, in_base) {
            (Side::Buy, true) => (base.checked_sub(fee), amount.checked_neg()),
            (Side::Buy, false) => (Some(base), amount.checked_add(fee).and_then(i128::checked_neg)),
            (Side::Sell, _) => (base.checked_neg(), amount.checked_sub(fee)),
        };
        let base_change = base_change.ok_or(TOO_LARGE)?;
        let quote_change = quote_change.ok_or(TOO_LARGE)?;
        let enough = match side {
            // What the order itself has reserved is there for it.
            Side::Buy => {
                quote_change.saturating_neg()
                    <= account.free(quote_asset).saturating_add(order.lock).saturating_add(paired)
            }
            Side::Sell => base <= account.balance(base_asset).total,
        };
        if !enough {
            return Err(RejectReason::InsufficientBalance);
        }
        if !account.can_post(base_asset, base_change) || !account.can_post(quote_asset, quote_change) {
            return Err(TOO_LARGE);
        }
        account.post(base_asset, base_change).ok_or(TOO_LARGE)?;
        account.post(quote_asset, quote_change).ok_or(TOO_LARGE)?;
        account.own(market.rules.idx, order.strategy(), base_change);
        Ok(booked)
    }

    /// Books a trade of a perpetual: no notional moves, only fee and what is realised. `None` on overflow, with nothing changed.
    fn book_position(&mut self, at: usize, order: &Order, quantity: i64, booked: &Booked) -> Option<()> {
        let market = &mut self.markets[at];
        let (idx, settle, side) = (market.rules.idx, market.rules.settle, order.side());
        let account = self.accounts.get_mut(order.account().index())?;
        let held = account.position(idx);
        let signed = match side {
            Side::Buy => quantity,
            Side::Sell => -quantity,
        };
        let opposed = (held > 0) != (signed > 0) && held != 0;
        let closed = if opposed { held.checked_abs()?.min(quantity) } else { 0 };
        // What moves is rounded once, for the whole trade. Of one that goes through zero the part that closes is rounded against us, and
        // the rest opens.
        let (whole, unit) = (-side.sign() * booked.amount, market.quote_unit);
        let closing = match closed {
            0 => 0,
            all if all == quantity => whole,
            part => {
                let divisor = i128::from(quantity).checked_mul(unit)?;
                div_round(whole.checked_mul(i128::from(part))?, divisor, Rounding::Down).checked_mul(unit)?
            }
        };
        let opening = whole - closing;
        let before = account.balance(settle).total;
        // What is realised is at most what the position cost and brought in: with room for both the posting cannot overflow.
        let room = booked.amount.checked_add(booked.fee)?.checked_add(account.position_mut(idx).cost.checked_abs()?)?;
        before.checked_add(room)?;
        before.checked_sub(room)?;
        let realised = account.position_mut(idx).trade(order.strategy(), signed, closed, closing, opening, unit)?;
        account.post(settle, realised - booked.fee)?;
        let after = account.position(idx);
        match (held == 0, after == 0) {
            (true, false) => {
                market.holders += 1;
                self.start_funding();
            }
            (false, true) => {
                market.holders -= 1;
                self.holders -= 1;
            }
            (true, true) | (false, false) => {}
        }
        Some(())
    }

    /// Reports a trade and brings the order, its reservation and the orders that only reduce up to date.
    #[allow(clippy::too_many_arguments)]
    fn settle(
        &mut self,
        at: usize,
        slot: u32,
        price: i64,
        quantity: i64,
        complete: bool,
        liquidity: Liquidity,
        booked: &Booked,
    ) {
        let market = &mut self.markets[at];
        market.take(self.orders[slot as usize].side(), quantity);
        let order = &mut self.orders[slot as usize];
        order.filled += quantity;
        if let Some(budget) = order.budget.as_mut() {
            let in_quote = booked.fee_asset == market.rules.quote;
            *budget -= booked.amount + if in_quote { booked.fee } else { 0 };
            order.quantity = order.filled;
        }
        let order = *order;
        self.report_fill(at, &order, price, quantity, complete, liquidity, booked);
        let pair = self.unpair(slot);
        if complete {
            self.finish(slot, OrderStatus::Filled);
        } else {
            self.relock(at, slot, &order);
            let market = &self.markets[at];
            if order.spec.reduce_only && self.reducible(&order, market) == 0 {
                self.cancel(slot, Some(RejectReason::ReduceOnly));
            } else if order.at_once() {
                self.cancel(slot, Some(RejectReason::NotFilledAtOnce));
            }
        }
        self.end_pair(pair);
        self.sweep(at, &order);
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn report_fill(
        &mut self,
        at: usize,
        order: &Order,
        price: i64,
        quantity: i64,
        complete: bool,
        liquidity: Liquidity,
        booked: &Booked,
    ) {
        self.trade_ids += 1;
        let fill = Fill {
            client_id: order.id(),
            fee_amount: Money::from_raw(booked.fee),
            venue_id: VenueOrderId(order.venue_id),
            trade_id: self.trade_ids,
            price,
            quantity,
            instrument: order.spec.instrument,
            account: order.account(),
            strategy: order.strategy(),
            fee_asset: booked.fee_asset,
            side: order.side(),
            liquidity,
        };
        let instant = self.markets[at].feed == Feed::Candles;
        self.report(instant, ReportBody::Filled { fill, complete });
    }

    /// Reserves what the rest of the order needs.
    fn relock(&mut self, at: usize, slot: u32, order: &Order) {
        let market = &self.markets[at];
        // The rest needs less than the whole did, which was computed.
        let lock = self.needed(order, market).unwrap_or(order.lock);
        let gives = market.gives(order.side());
        self.orders[slot as usize].lock = lock;
        self.accounts[order.account().index()].lock(gives, lock - order.lock);
    }

    /// After a trade of `order`: orders of the same side that only reduce and have nothing left to reduce are taken off.
    fn sweep(&mut self, at: usize, order: &Order) {
        let same =
            |o: &Order| o.alive && o.spec.reduce_only && o.account() == order.account() && o.side() == order.side();
        let mut next = 0;
        while let Some(&slot) = self.markets[at].working.get(next) {
            let found = self.orders.get(slot as usize).is_some_and(same);
            if found && self.reducible(&self.orders[slot as usize], &self.markets[at]) == 0 {
                self.cancel(slot, Some(RejectReason::ReduceOnly));
            } else {
                next += 1;
            }
        }
    }
}
