//! Requests at the venue: what is taken, what is refused and why.
//!
//! In:  a request that has arrived.
//! Out: a working order (and at once its first meeting with the market, where there is one), or a refusal.
//! The rules are the instrument's; whether an order is wise is not asked here.

use crate::config::{Exec, FeeAsset};
use crate::ids::Finished;
use crate::market::{Feed, Market, Phase};
use crate::money::{self, Fraction};
use crate::order::{Kind, Order, Trail};
use crate::venue::Venue;
use domain::{
    ClientOrderId, OrderQuantity, OrderSpec, OrderStatus, OrderType, Price, Quantity, Rate, RejectReason, ReportBody,
    Rounding, Side, TimeInForce, TrailOffset, UnixNanos, VenueOrderId,
};
use std::cmp::Reverse;

impl Venue {
    /// Takes an order or refuses it. A refused id counts as used.
    pub(crate) fn place(&mut self, spec: OrderSpec, valid_until: Option<UnixNanos>) {
        let client_id = spec.client_id;
        let instant = self.markets.get(spec.instrument.index()).is_some_and(|m| m.feed == Feed::Candles);
        let refused = |reason| ReportBody::Rejected { client_id, reason };
        if self.ids.find(client_id).is_some() {
            self.report(instant, refused(RejectReason::DuplicateOrder));
            return;
        }
        match self.check(&spec, valid_until) {
            Err(reason) => {
                self.ids.finish(Finished { id: client_id, status: OrderStatus::Rejected, filled: 0 });
                self.report(instant, refused(reason));
            }
            Ok(order) => {
                let slot = self.take_in(order, instant);
                self.begin(slot);
            }
        }
    }

    /// Takes an order into the lists, reserves what it needs and says so.
    pub(crate) fn take_in(&mut self, mut order: Order, instant: bool) -> u32 {
        self.venue_ids += 1;
        order.venue_id = self.venue_ids;
        let (client_id, at) = (order.id(), order.spec.instrument.index());
        let slot = match self.free.pop() {
            Some(slot) => {
                self.orders[slot as usize] = order;
                slot
            }
            None => {
                self.orders.push(order);
                // A venue with 2^31 working orders would not fit into memory.
                (self.orders.len() - 1) as u32
            }
        };
        self.ids.insert(client_id, slot);
        let gives = self.markets[at].gives(order.side());
        self.markets[at].working.push(slot);
        self.markets[at].quiet = None;
        if order.lock != 0 {
            self.accounts[order.account().index()].lock(gives, order.lock);
        }
        self.report(instant, ReportBody::Accepted { client_id, venue_id: VenueOrderId(order.venue_id) });
        slot
    }

    /// An order that was taken in begins: it ends at its time, and meets the market where that is there.
    pub(crate) fn begin(&mut self, slot: u32) {
        let Some(order) = self.orders.get(slot as usize).copied().filter(|order| order.alive) else { return };
        if let Some(until) = order.until() {
            if until <= self.now {
                self.expire(slot);
                return;
            }
            self.ends.push(Reverse((until, order.venue_id, slot)));
        }
        self.arrive(order.spec.instrument.index(), slot);
    }

    /// The first meeting of an order with the market, where the market is there at that moment.
    fn arrive(&mut self, at: usize, slot: u32) {
        let market = &self.markets[at];
        let Some(order) = self.orders.get(slot as usize) else {
            return;
        };
        let at_once = self.config.exec == Exec::SignalClose && order.kind == Kind::Market;
        let meets = market.tradable
            && match market.feed {
                Feed::Unknown => false,
                // At the very instant of the open while no path was played since; at the close only where that is wanted. What comes
                // later in the bar could know more than the open told, and waits for the next one.
                Feed::Candles => match market.phase {
                    Phase::Open => self.path_bar < market.bar && market.bar == Some(self.now),
                    Phase::Between => at_once,
                    Phase::Path => false,
                },
                Feed::Trades => at_once && self.config.latency.feed.0 == 0 && self.config.latency.order.0 == 0,
                Feed::Quotes => true,
            };
        if meets {
            self.meet(at, slot);
        }
    }

    /// The working order that a valid request asks for.
    pub(crate) fn check(&self, spec: &OrderSpec, valid_until: Option<UnixNanos>) -> Result<Order, RejectReason> {
        if valid_until.is_some_and(|until| self.now > until) {
            return Err(RejectReason::ApprovalExpired);
        }
        let market = self.markets.get(spec.instrument.index()).ok_or(RejectReason::UnknownInstrument)?;
        let account = self.account(spec.account).ok_or(RejectReason::InsufficientBalance)?;
        check_combination(spec, market)?;
        let mut order = self.read(spec, market)?;
        if let Some(price) = order_price(&order, market) {
            let reaches = match order.budget {
                None => market.reaches_minimum(price, order.quantity),
                Some(budget) => budget >= market.rules.min_notional.raw(),
            };
            if !reaches {
                return Err(RejectReason::MinNotional);
            }
        }
        if let (Some(budget), Some(price)) = (order.budget, market.reference(spec.side))
            && self.affordable(market, price, budget).ok_or(RejectReason::Unsupported)? == 0
        {
            return Err(RejectReason::LotFilter);
        }
        if spec.reduce_only && self.reducible(&order, market) == 0 {
            return Err(RejectReason::ReduceOnly);
        }
        if spec.post_only
            && market.reference(spec.side).is_some_and(|px| order.crosses(px, market.feed == Feed::Quotes))
        {
            return Err(RejectReason::WouldCross);
        }
        if market.is_spot() {
            order.lock = self.needed(&order, market).ok_or(RejectReason::Unsupported)?;
            if order.lock > account.free(market.gives(spec.side)) {
                return Err(RejectReason::InsufficientBalance);
            }
        } else if !spec.reduce_only
            && let Some(price) = order_price(&order, market)
        {
            let quantity = match order.budget {
                None => order.quantity,
                Some(budget) => self.affordable(market, price, budget).ok_or(RejectReason::Unsupported)?,
            };
            self.check_margin(spec.account, spec.instrument.index(), spec.side, quantity, price, 0)?;
        }
        Ok(order)
    }

    /// The order in the instrument's terms.
    fn read(&self, spec: &OrderSpec, market: &Market) -> Result<Order, RejectReason> {
        let price = |p: Price| market.price(p).ok_or(RejectReason::PriceFilter);
        let (mut limit, mut trigger, mut trail) = (0, 0, Trail::Distance(0));
        let kind = match spec.kind {
            OrderType::Market => Kind::Market,
            OrderType::Limit { price: p } => {
                limit = price(p)?;
                Kind::Limit
            }
            OrderType::StopMarket { trigger: t } => {
                trigger = price(t)?;
                Kind::Stop
            }
            OrderType::StopLimit { trigger: t, price: p } => {
                trigger = price(t)?;
                limit = price(p)?;
                Kind::StopLimit
            }
            OrderType::TakeProfit { trigger: t } => {
                trigger = price(t)?;
                Kind::TakeProfit
            }
            OrderType::TrailingStop { offset } => {
                trail = match offset {
                    TrailOffset::Distance(d) => Trail::Distance(
                        market.rules.price_mantissa(d).filter(|&d| d > 0).ok_or(RejectReason::PriceFilter)?,
                    ),
                    TrailOffset::Fraction(f) if f > Rate::ZERO && f < Rate::ONE => Trail::Fraction(f),
                    TrailOffset::Fraction(_) => return Err(RejectReason::PriceFilter),
                };
                Kind::Trailing
            }
        };
        let (quantity, budget) = match spec.quantity {
            OrderQuantity::Base(q) => (market.quantity(q).ok_or(RejectReason::LotFilter)?, None),
            OrderQuantity::Contracts(n) => {
                let base = n
                    .raw()
                    .checked_mul(market.rules.multiplier.raw())
                    .filter(|product| product % domain::decimal::ONE == 0)
                    .map(|product| Quantity::from_raw(product / domain::decimal::ONE))
                    .and_then(|q| market.quantity(q))
                    .ok_or(RejectReason::LotFilter)?;
                (base, None)
            }
            OrderQuantity::QuoteAmount(amount) if amount.raw() > 0 => (0, Some(amount.raw())),
            OrderQuantity::QuoteAmount(_) => return Err(RejectReason::LotFilter),
        };
        let mut order = Order {
            spec: *spec,
            venue_id: 0,
            kind,
            alive: true,
            fresh: true,
            limit,
            trigger,
            trail,
            extreme: None,
            quantity,
            filled: 0,
            budget,
            lock: 0,
            ahead: None,
            pair: None,
            after: self.not_in(),
        };
        if kind == Kind::Trailing {
            order.extreme = market.reference(spec.side);
        }
        self.stand(&mut order, market);
        Ok(order)
    }

    /// The latest opening time of bars that an order accepted now has no part in: those that began before now, and those whose path was
    /// played.
    fn not_in(&self) -> Option<UnixNanos> {
        self.path_bar.max(self.now.0.checked_sub(1).map(UnixNanos))
    }

    /// Where a limit order stands when it arrives: whether it may still cross, and behind how much it queues.
    pub(crate) fn stand(&self, order: &mut Order, market: &Market) {
        order.fresh = match (market.feed, market.last) {
            // A trade is a moment: an order that did not cross at its arrival rests.
            (Feed::Trades, Some(last)) => order.at_once() || order.crosses(last, false),
            (Feed::Unknown | Feed::Candles | Feed::Trades | Feed::Quotes, _) => true,
        };
        order.ahead = None;
        if self.config.queue && order.kind == Kind::Limit {
            self.requeue(order, market);
        }
    }

    /// What a spot order reserves (1e-12 of what it gives). Orders without a price of their own reserve nothing when they buy; sells that
    /// only reduce reserve nothing either, so that a stop and a target can stand on one holding.
    pub(crate) fn needed(&self, order: &Order, market: &Market) -> Option<i128> {
        if !market.is_spot() {
            return Some(0);
        }
        match order.side() {
            Side::Sell if order.spec.reduce_only => Some(0),
            Side::Sell => i128::from(order.remaining()).checked_mul(market.quantity_unit),
            Side::Buy => {
                if order.limit == 0 {
                    return Some(0);
                }
                let amount = market.scale.traded(Side::Buy, order.limit, order.remaining())?;
                let rate = match market.fee_taker.max(market.fee_maker) {
                    rate if rate <= Rate::ZERO => Fraction::new(Rate::ZERO),
                    rate if rate == market.fee_taker => market.taker,
                    _ => market.maker,
                };
                let fee = match self.config.fee_asset {
                    FeeAsset::Quote => money::share(amount, rate, market.quote_unit)?,
                    FeeAsset::Venue => 0,
                };
                amount.checked_add(fee)
            }
        }
    }

    /// Changes a working order's terms, or refuses and leaves it as it was.
    pub(crate) fn amend(
        &mut self,
        client_id: ClientOrderId,
        price: Option<Price>,
        trigger: Option<Price>,
        quantity: Option<Quantity>,
    ) {
        let found = self.ids.slot(client_id).and_then(|slot| Some((slot, *self.orders.get(slot as usize)?)));
        let Some((slot, order)) = found else {
            self.report(false, ReportBody::AmendRejected { client_id, reason: RejectReason::UnknownOrder });
            return;
        };
        let at = order.spec.instrument.index();
        let instant = self.markets[at].feed == Feed::Candles;
        match self.amended(&order, price, trigger, quantity) {
            Err(reason) => self.report(instant, ReportBody::AmendRejected { client_id, reason }),
            Ok(new) => {
                let gives = self.markets[at].gives(order.side());
                self.accounts[order.account().index()].lock(gives, new.lock - order.lock);
                self.orders[slot as usize] = new;
                // It goes to the end of the line, like a new order.
                let working = &mut self.markets[at].working;
                working.retain(|&s| s != slot);
                working.push(slot);
                self.markets[at].quiet = None;
                self.report(instant, ReportBody::Amended { client_id });
                self.arrive(at, slot);
            }
        }
    }

    fn amended(
        &self,
        order: &Order,
        price: Option<Price>,
        trigger: Option<Price>,
        quantity: Option<Quantity>,
    ) -> Result<Order, RejectReason> {
        let market = self.markets.get(order.spec.instrument.index()).ok_or(RejectReason::UnknownInstrument)?;
        let account = self.account(order.account()).ok_or(RejectReason::InsufficientBalance)?;
        let mut new = *order;
        if let Some(p) = price {
            if !matches!(order.kind, Kind::Limit | Kind::StopLimit) {
                return Err(RejectReason::Unsupported);
            }
            new.limit = market.price(p).ok_or(RejectReason::PriceFilter)?;
        }
        if let Some(t) = trigger {
            if !matches!(order.kind, Kind::Stop | Kind::StopLimit | Kind::TakeProfit) {
                return Err(RejectReason::Unsupported);
            }
            new.trigger = market.price(t).ok_or(RejectReason::PriceFilter)?;
        }
        if let Some(q) = quantity {
            if order.budget.is_some() {
                return Err(RejectReason::Unsupported);
            }
            new.quantity = market.quantity(q).filter(|&q| q > order.filled).ok_or(RejectReason::LotFilter)?;
        }
        if order_price(&new, market).is_some_and(|px| new.budget.is_none() && !market.reaches_minimum(px, new.quantity))
        {
            return Err(RejectReason::MinNotional);
        }
        new.after = self.not_in();
        self.stand(&mut new, market);
        if new.spec.post_only
            && market.reference(new.side()).is_some_and(|px| new.crosses(px, market.feed == Feed::Quotes))
        {
            return Err(RejectReason::WouldCross);
        }
        new.lock = self.needed(&new, market).ok_or(RejectReason::Unsupported)?;
        if new.lock.saturating_sub(order.lock) > account.free(market.gives(new.side())).max(0) {
            return Err(RejectReason::InsufficientBalance);
        }
        if !market.is_spot()
            && !new.spec.reduce_only
            && let Some(px) = order_price(&new, market)
        {
            self.check_margin(new.account(), new.spec.instrument.index(), new.side(), new.remaining(), px, 0)?;
        }
        Ok(new)
    }

    /// The largest quantity of whole lots that `budget` (1e-12 of quote) pays for at `price`, the taker's fee included where it is in
    /// quote. `None` on overflow.
    pub(crate) fn affordable(&self, market: &Market, price: i64, budget: i128) -> Option<i64> {
        let in_quote = !market.is_spot() || self.config.fee_asset == FeeAsset::Quote;
        let (rate, fraction) =
            if in_quote { (market.fee_taker, market.taker) } else { (Rate::ZERO, Fraction::new(Rate::ZERO)) };
        let unit = market.rules.price(price).raw();
        let with_fee = domain::decimal::mul_money(unit, domain::decimal::ONE + i128::from(rate.raw()), Rounding::Down)?;
        let base = domain::decimal::div_money(budget, with_fee, Rounding::Down)?;
        let mut quantity = market.whole_lots(base);
        // Rounding up of the amount and of the fee can break the budget by little: take off as many lots as pay for the excess.
        for _ in 0..8 {
            if quantity <= 0 {
                return Some(0);
            }
            let amount = market.scale.traded(Side::Buy, price, quantity)?;
            let cost = amount.checked_add(money::share(amount, fraction, market.quote_unit)?)?;
            if cost <= budget {
                return Some(quantity);
            }
            let lot = i128::from(market.lot)
                .checked_mul(market.quantity_unit)
                .and_then(|lot| domain::decimal::mul_money(with_fee, lot, Rounding::Down))?
                .max(1);
            let lots = domain::decimal::div_round(cost - budget, lot, Rounding::Up).max(1);
            let off = i64::try_from(lots.checked_mul(i128::from(market.lot))?).ok()?;
            quantity = quantity.saturating_sub(off);
        }
        Some(0)
    }
}

/// What type, quantity and time in force may go together.
fn check_combination(spec: &OrderSpec, market: &Market) -> Result<(), RejectReason> {
    let at_once = matches!(spec.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let limit = matches!(spec.kind, OrderType::Limit { .. });
    let amount = matches!(spec.quantity, OrderQuantity::QuoteAmount(_));
    let contracts = matches!(spec.quantity, OrderQuantity::Contracts(_));
    let market_buy = matches!(spec.kind, OrderType::Market) && spec.side == Side::Buy;
    if (spec.post_only && (!limit || at_once))
        || (amount && (!market_buy || spec.reduce_only))
        || (contracts && market.is_spot())
    {
        return Err(RejectReason::Unsupported);
    }
    Ok(())
}

/// The price at which an order is measured: its limit, its trigger, or the market's.
fn order_price(order: &Order, market: &Market) -> Option<i64> {
    match order.kind {
        Kind::Limit => Some(order.limit),
        Kind::Stop | Kind::TakeProfit => Some(order.trigger),
        // Both must be worth the minimum, so the smaller one counts.
        Kind::StopLimit => Some(order.limit.min(order.trigger)),
        Kind::Trailing => order.trail_level(market.tick).filter(|&level| level > 0),
        Kind::Market => market.reference(order.side()),
    }
}
