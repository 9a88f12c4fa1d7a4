//! Matching: when an order trades and at which price, on candles, trades and quotes.
//!
//! In:  phases of a bar, trades and quotes of one instrument, in time order.
//! Out: calls of `execute` with a price.
//!
//! A bar is played in phases. *Open*: what waited meets the open; what follows from its fills and arrives before any path is played meets
//! it too. *Path*: each order is held against the extreme that is worse for it first. Sells are set off by the low and buys by the high,
//! and all stops come before all limits and targets, so when both lie in one bar the stop wins. An order that arrives after the path
//! waits for the next bar. *Close*: the price is noted. An order trades in this order of precedence, then in order of acceptance:
//! 1. market orders, stops that were set off;  2. limits and take-profits.
//!
//! Under a participation cap what only reduces goes before all else of its moment, and in the path before all else of its pass.

use crate::config::LimitFill;
use crate::market::{Feed, Market, Phase};
use crate::order::{Kind, Order};
use crate::venue::Venue;
use domain::{Candle, Liquidity, MarketFlags, Quote, RejectReason, ReportBody, Side, Trade, UnixNanos};

/// The market at one moment: what a buy and a sell would trade at.
#[derive(Clone, Copy, Debug)]
struct Moment {
    buy: Option<i64>,
    sell: Option<i64>,
    /// A limit at exactly this price would trade, because somebody stands there.
    firm: bool,
    /// A printed trade: its quantity and who took.
    print: Option<(i64, Side)>,
    /// The bar whose open it is.
    bar: Option<UnixNanos>,
}

impl Moment {
    fn price(&self, side: Side) -> Option<i64> {
        match side {
            Side::Buy => self.buy,
            Side::Sell => self.sell,
        }
    }
}

/// First what takes, then what was waiting for a better price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Stops,
    Limits,
}

/// Whether records with these flags can be traded on.
const fn tradable(flags: MarketFlags) -> bool {
    flags.0 & (MarketFlags::WARMUP.0 | MarketFlags::SYNTHETIC.0) == 0
}

impl Venue {
    /// A bar opens: what waited meets its open.
    pub fn on_bar_open(&mut self, now: UnixNanos, candle: &Candle) {
        let at = candle.instrument.index();
        let Some(market) = self.markets.get_mut(at) else {
            return;
        };
        market.feed = Feed::Candles;
        market.phase = Phase::Open;
        market.tradable = tradable(candle.flags);
        market.last = Some(candle.open);
        market.mark = Some(candle.open);
        market.volume = [candle.volume; 2];
        market.used = [0; 2];
        market.bar = Some(candle.ts_open);
        if !market.tradable || !market.has_work() || market.is_quiet(candle.open, candle.open) {
            return;
        }
        self.clock(now);
        self.check_liquidation(at, candle.open, candle.open);
        let moment = Moment {
            buy: Some(candle.open),
            sell: Some(candle.open),
            firm: false,
            print: None,
            bar: Some(candle.ts_open),
        };
        self.meet_all(at, moment, None);
        self.listen(at);
        self.refresh();
    }

    /// The path of a bar between open and close is played, the worse way round for every order.
    pub fn on_bar_path(&mut self, now: UnixNanos, candle: &Candle) {
        let at = candle.instrument.index();
        let Some(market) = self.markets.get(at) else {
            return;
        };
        if market.bar != Some(candle.ts_open) {
            // The open was passed over because nothing waited then: what came since, before any path, meets it now.
            self.on_bar_open(now, candle);
        }
        let Some(market) = self.markets.get_mut(at) else {
            return;
        };
        market.phase = Phase::Path;
        let live = market.tradable && market.has_work() && !market.is_quiet(candle.low, candle.high);
        if live {
            self.clock(now);
            self.path(at, candle, Pass::Stops);
            self.check_liquidation(at, candle.low, candle.high);
            self.path(at, candle, Pass::Limits);
            self.check_liquidation(at, candle.close, candle.close);
            self.listen(at);
            self.refresh();
        }
        // The bar is over but for its last instant: funding that falls due at its end is on its close.
        if let Some(market) = self.markets.get_mut(at) {
            market.mark = Some(candle.close);
        }
        self.path_bar = self.path_bar.max(Some(candle.ts_open));
    }

    /// A bar closed. Nothing trades at a close, but what is sent because of it where `Exec::SignalClose` asks for that.
    #[inline]
    pub fn on_bar_close(&mut self, now: UnixNanos, candle: &Candle) {
        let Some(market) = self.markets.get_mut(candle.instrument.index()) else {
            return;
        };
        if market.bar != Some(candle.ts_open) {
            market.bar = Some(candle.ts_open);
            market.volume = [candle.volume; 2];
            market.used = [0; 2];
            market.tradable = tradable(candle.flags);
        }
        market.feed = Feed::Candles;
        market.phase = Phase::Between;
        market.last = Some(candle.close);
        market.mark = Some(candle.close);
        self.clock(now);
    }

    /// A trade is printed.
    pub fn on_trade(&mut self, now: UnixNanos, trade: &Trade) {
        let at = trade.instrument.index();
        let Some(market) = self.markets.get_mut(at) else {
            return;
        };
        market.last = Some(trade.price);
        let quoted = market.feed == Feed::Quotes;
        if !quoted {
            market.feed = Feed::Trades;
            market.mark = Some(trade.price);
            market.volume = [trade.quantity; 2];
            market.used = [0; 2];
            market.tradable = tradable(trade.flags);
        }
        if !market.has_work() || !tradable(trade.flags) || market.is_quiet(trade.price, trade.price) {
            return;
        }
        self.clock(now);
        let moment = Moment {
            buy: Some(trade.price),
            sell: Some(trade.price),
            firm: false,
            print: Some((trade.quantity, trade.aggressor)),
            bar: None,
        };
        // Where quotes are known they say what can be taken; a trade then only fills what rests, out of its own quantity.
        let shown = quoted.then(|| {
            let market = &mut self.markets[at];
            market.feed = Feed::Trades;
            (std::mem::replace(&mut market.volume, [trade.quantity; 2]), std::mem::take(&mut market.used))
        });
        self.meet_all(at, moment, quoted.then_some(Pass::Limits));
        if let Some((volume, used)) = shown {
            let market = &mut self.markets[at];
            market.feed = Feed::Quotes;
            market.volume = volume;
            market.used = used;
        }
        if !quoted {
            self.check_liquidation(at, trade.price, trade.price);
        }
        self.listen(at);
        self.refresh();
    }

    /// The best bid or ask changed. A side without a positive price is empty.
    pub fn on_quote(&mut self, now: UnixNanos, quote: &Quote) {
        let at = quote.instrument.index();
        let Some(market) = self.markets.get_mut(at) else {
            return;
        };
        market.feed = Feed::Quotes;
        market.tradable = tradable(quote.flags);
        market.bid = (quote.bid > 0).then_some(quote.bid);
        market.ask = (quote.ask > 0).then_some(quote.ask);
        market.volume = [quote.ask_quantity, quote.bid_quantity];
        market.used = [0; 2];
        if let (Some(bid), Some(ask)) = (market.bid, market.ask) {
            // The middle, without overflow.
            market.mark = Some(bid + (ask - bid) / 2);
        }
        // A side that is empty moves nothing of its own side.
        let (low, high) = (market.bid.or(market.ask), market.ask.or(market.bid));
        let quiet = low.zip(high).is_some_and(|(a, b)| market.is_quiet(a.min(b), a.max(b)));
        if !market.has_work() || !market.tradable || quiet {
            return;
        }
        let moment = quoted(market);
        self.clock(now);
        self.meet_all(at, moment, None);
        if let Some(mark) = self.markets[at].mark {
            self.check_liquidation(at, mark, mark);
        }
        self.listen(at);
        self.refresh();
    }

    /// Works out between which prices nothing can happen, so that most market data pass at the cost of two comparisons.
    fn listen(&mut self, at: usize) {
        let market = &self.markets[at];
        let mut quiet = Some((i64::MIN, i64::MAX));
        for &slot in &market.working {
            let order = self.orders.get(slot as usize).and_then(|o| o.quiet(market.tick));
            quiet = quiet.zip(order).map(|((below, above), (b, a))| (below.max(b), above.min(a)));
        }
        self.markets[at].quiet = quiet;
    }

    /// One order meets the market as it stands: an order that has just arrived.
    pub(crate) fn meet(&mut self, at: usize, slot: u32) {
        let market = &self.markets[at];
        let moment = match market.feed {
            Feed::Quotes => quoted(market),
            Feed::Unknown | Feed::Candles | Feed::Trades => {
                Moment { buy: market.last, sell: market.last, firm: false, print: None, bar: None }
            }
        };
        self.meet_one(at, slot, moment, Pass::Stops);
        self.meet_one(at, slot, moment, Pass::Limits);
    }

    /// All working orders of an instrument meet the market: both passes, or the one that is named. Under a cap those that only reduce are
    /// through before any other.
    fn meet_all(&mut self, at: usize, moment: Moment, only: Option<Pass>) {
        for &reduces in self.groups() {
            for pass in [Pass::Stops, Pass::Limits] {
                if only.is_some_and(|p| p != pass) {
                    continue;
                }
                let slots = self.copy_working(at, reduces);
                for &slot in &slots {
                    if self.is_in_time(slot, moment) {
                        self.meet_one(at, slot, moment, pass);
                    }
                }
                self.scratch = slots;
            }
        }
    }

    /// Who goes together: under a cap first what only reduces, then the rest; else all, in order of acceptance.
    fn groups(&self) -> &'static [Option<bool>] {
        if self.config.participation.is_some() { &[Some(true), Some(false)] } else { &[None] }
    }

    /// Whether an order was there at that moment: one that answers something inside a bar was not there at the bar's open.
    fn is_in_time(&self, slot: u32, moment: Moment) -> bool {
        let order = self.orders.get(slot as usize);
        moment.bar.is_none() || order.is_some_and(|o| o.after < moment.bar)
    }

    /// The working slots of an instrument, in a list that stays as it is while orders end; where `reduces` is said, those of orders that
    /// only reduce or those of all others. Given back to `scratch` after use.
    fn copy_working(&mut self, at: usize, reduces: Option<bool>) -> Vec<u32> {
        let mut slots = std::mem::take(&mut self.scratch);
        slots.clear();
        let wanted = |&slot: &u32| {
            let order = self.orders.get(slot as usize);
            reduces.is_none_or(|reduces| order.is_some_and(|o| o.spec.reduce_only == reduces))
        };
        slots.extend(self.markets[at].working.iter().copied().filter(wanted));
        slots
    }

    fn meet_one(&mut self, at: usize, slot: u32, moment: Moment, pass: Pass) {
        let tick = self.markets[at].tick;
        let Some(order) = self.orders.get_mut(slot as usize).filter(|o| o.alive) else {
            return;
        };
        let Some(px) = moment.price(order.side()) else {
            return;
        };
        let take = match (pass, order.kind) {
            (Pass::Stops, Kind::Market) => true,
            (Pass::Stops, Kind::Stop) => order.stop_reached(px, order.trigger),
            (Pass::Stops, Kind::StopLimit) => {
                if order.stop_reached(px, order.trigger) {
                    order.fresh = true;
                    self.set_off(at, slot, Kind::Limit);
                }
                false
            }
            (Pass::Stops, Kind::Trailing) => {
                let reached = order.trail_level(tick).is_some_and(|level| order.stop_reached(px, level));
                if !reached {
                    order.follow(px);
                }
                reached
            }
            (Pass::Limits, Kind::TakeProfit) => order.profit_reached(px),
            (Pass::Limits, Kind::Limit) => {
                self.meet_limit(at, slot, px, moment);
                false
            }
            (Pass::Stops, Kind::Limit | Kind::TakeProfit)
            | (Pass::Limits, Kind::Market | Kind::Stop | Kind::StopLimit | Kind::Trailing) => false,
        };
        if take {
            self.set_off(at, slot, Kind::Market);
            self.execute(at, slot, px, Liquidity::Taker, i64::MAX);
        }
    }

    /// A stop or take-profit becomes the order that it was waiting to be, and the venue says so. A market order is one already.
    fn set_off(&mut self, at: usize, slot: u32, kind: Kind) {
        let Some(order) = self.orders.get_mut(slot as usize).filter(|o| o.kind != kind) else {
            return;
        };
        order.kind = kind;
        let client_id = order.id();
        let instant = self.markets[at].feed == Feed::Candles;
        self.report(instant, ReportBody::Triggered { client_id });
        let pair = self.unpair(slot);
        self.end_pair(pair);
    }

    /// A limit order meets the market at `px`: it takes if it crosses at its first meeting, later it is filled where it rests.
    fn meet_limit(&mut self, at: usize, slot: u32, px: i64, moment: Moment) {
        let touch = self.config.limit_fill == LimitFill::Touch;
        let Some(order) = self.orders.get_mut(slot as usize) else {
            return;
        };
        if order.fresh {
            order.fresh = false;
            let venue_id = order.venue_id;
            let (crosses, beyond) = (order.crosses(px, touch || moment.firm), order.crosses(px, false));
            if crosses {
                if order.spec.post_only {
                    self.cancel(slot, Some(RejectReason::WouldCross));
                    return;
                }
                self.execute(at, slot, px, Liquidity::Taker, i64::MAX);
            }
            let Some(order) = self.orders.get_mut(slot as usize).filter(|o| o.alive && o.venue_id == venue_id) else {
                return;
            };
            // What a cap left over goes on taking while the market is beyond its limit; else it rests, or leaves if it was to trade at once.
            order.fresh = beyond;
            if order.at_once() {
                self.cancel(slot, Some(RejectReason::NotFilledAtOnce));
            }
            return;
        }
        if order.crosses(px, touch) {
            // A bar that opens beyond a resting limit trades at its open; a trade or quote beyond it has traded through it first.
            let price = if moment.bar.is_some() { px } else { order.limit };
            self.execute(at, slot, price, Liquidity::Maker, i64::MAX);
        } else if let (Some((quantity, aggressor)), Some(ahead)) = (moment.print, order.ahead)
            && px == order.limit
            && aggressor != order.side()
        {
            // A trade at our price eats what stood before us first.
            let ours = quantity.saturating_sub(ahead).max(0);
            order.ahead = Some(ahead.saturating_sub(quantity).max(0));
            let (limit, lot) = (order.limit, self.markets[at].lot);
            if ours >= lot {
                self.execute(at, slot, limit, Liquidity::Maker, ours - ours % lot);
            }
        } else if moment.print.is_none() && self.config.queue {
            let mut order = *order;
            self.requeue(&mut order, &self.markets[at]);
            self.orders[slot as usize] = order;
        }
    }

    /// What may stand before a limit order, by the best price of its side: all of what is shown at its own price, and never more than was
    /// thought before; nothing where it is better than the best; unknown where it is worse.
    pub(crate) fn requeue(&self, order: &mut Order, market: &Market) {
        let (best, shown) = match order.side() {
            Side::Buy => (market.bid, market.volume[Side::Sell as usize]),
            Side::Sell => (market.ask, market.volume[Side::Buy as usize]),
        };
        let Some(best) = best.filter(|_| market.feed == Feed::Quotes) else {
            return;
        };
        if best == order.limit {
            order.ahead = Some(order.ahead.map_or(shown, |ahead| ahead.min(shown)));
        } else if order.crosses(best, false) {
            // For a buy the best bid is below its limit: nobody stands before it.
            order.ahead = Some(0);
        }
    }

    /// One pass over the orders of a bar's path. Under a cap those that only reduce come first.
    fn path(&mut self, at: usize, candle: &Candle, pass: Pass) {
        for &reduces in self.groups() {
            let slots = self.copy_working(at, reduces);
            for &slot in &slots {
                let Some(order) = self.orders.get(slot as usize).filter(|o| o.alive) else {
                    continue;
                };
                // Live is what was there before any path of this time was played, and does not end within the bar.
                let live =
                    order.after < Some(candle.ts_open) && order.until().is_none_or(|until| until >= candle.ts_close());
                if live {
                    match pass {
                        Pass::Stops => self.path_stop(at, slot, candle),
                        Pass::Limits => self.path_limit(at, slot, candle),
                    }
                }
            }
            self.scratch = slots;
        }
    }

    /// A stop in the path: the extreme on its own side first, at its trigger.
    fn path_stop(&mut self, at: usize, slot: u32, candle: &Candle) {
        let tick = self.markets[at].tick;
        let Some(order) = self.orders.get_mut(slot as usize) else {
            return;
        };
        let (adverse, favourable) = match order.side() {
            Side::Sell => (candle.low, candle.high),
            Side::Buy => (candle.high, candle.low),
        };
        let trigger = match order.kind {
            Kind::Stop | Kind::StopLimit => order.trigger,
            Kind::Trailing => match order.trail_level(tick) {
                Some(level) if order.stop_reached(adverse, level) => level,
                _ => {
                    // The favourable extreme comes after the adverse one, and the close after both.
                    order.follow(favourable);
                    match order.trail_level(tick) {
                        Some(level) if order.stop_reached(candle.close, level) => level,
                        _ => return,
                    }
                }
            },
            Kind::Market | Kind::Limit | Kind::TakeProfit => return,
        };
        if order.kind != Kind::Trailing && !order.stop_reached(adverse, trigger) {
            return;
        }
        let (account, limited) = (order.account().index(), order.kind == Kind::StopLimit);
        // A stop beyond the price at which the account would be liquidated comes too late: the account is liquidated, at the extreme as
        // without the stop.
        if !self.is_covered(at, account, trigger, trigger) {
            self.check_liquidation_of(at, account, candle.low, candle.high);
        }
        if self.orders.get(slot as usize).is_none_or(|o| !o.alive) {
            return;
        }
        if limited {
            self.path_stop_limit(at, slot, candle);
        } else {
            self.set_off(at, slot, Kind::Market);
            self.execute(at, slot, trigger, Liquidity::Taker, i64::MAX);
        }
    }

    /// A stop-limit set off in the path: the market may have run through its limit at once, so it trades in this bar only if the close is
    /// beyond the limit again, and at the limit (at the bar's worse extreme where the limit lies outside of the bar).
    fn path_stop_limit(&mut self, at: usize, slot: u32, candle: &Candle) {
        let touch = self.config.limit_fill == LimitFill::Touch;
        self.set_off(at, slot, Kind::Limit);
        let Some(order) = self.orders.get_mut(slot as usize) else {
            return;
        };
        order.fresh = false;
        // The rest of this bar is decided here.
        order.after = Some(candle.ts_open);
        let order = *order;
        if order.crosses(candle.close, touch) {
            let liquidity = if order.crosses(order.trigger, true) { Liquidity::Taker } else { Liquidity::Maker };
            let price = order.limit.clamp(candle.low, candle.high.max(candle.low));
            self.execute(at, slot, price, liquidity, i64::MAX);
        } else if order.at_once() {
            self.cancel(slot, Some(RejectReason::NotFilledAtOnce));
        }
    }

    /// A limit or a target in the path.
    fn path_limit(&mut self, at: usize, slot: u32, candle: &Candle) {
        let touch = self.config.limit_fill == LimitFill::Touch;
        let Some(order) = self.orders.get_mut(slot as usize) else {
            return;
        };
        let best = match order.side() {
            Side::Buy => candle.low,
            Side::Sell => candle.high,
        };
        match order.kind {
            Kind::Limit => {
                if order.crosses(best, touch) {
                    let limit = order.limit;
                    self.execute(at, slot, limit, Liquidity::Maker, i64::MAX);
                }
            }
            Kind::TakeProfit => {
                if order.profit_reached(best) {
                    let trigger = order.trigger;
                    self.set_off(at, slot, Kind::Market);
                    self.execute(at, slot, trigger, Liquidity::Taker, i64::MAX);
                }
            }
            Kind::Market | Kind::Stop | Kind::StopLimit | Kind::Trailing => {}
        }
    }
}

/// The market by its quote.
fn quoted(market: &Market) -> Moment {
    Moment { buy: market.ask, sell: market.bid, firm: true, print: None, bar: None }
}
