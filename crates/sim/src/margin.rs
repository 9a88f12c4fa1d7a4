//! Perpetuals: margin of an account, liquidation, funding.
//!
//! In:  positions, marks and the settle asset's balance.
//! Out: whether a trade is covered; forced closes of an account that no longer is; funding postings.
//!
//! `equity = balance + sum(quantity * mark - cost)` over the perpetuals of one settle asset. An order that enlarges or turns a position
//! needs `equity >= sum(|quantity| * mark * initial rate)` after it; an account with `equity < sum(|quantity| * mark * maintenance rate)`
//! is liquidated. The mark is the last price, on quotes the middle of bid and ask.

use crate::account::Account;
use crate::market::{Feed, Market};
use crate::money::{self, Fraction};
use crate::order::{Kind, Order, Trail};
use crate::slippage::slipped;
use crate::venue::Venue;
use domain::{
    AccountId, AssetIdx, ClientOrderId, InstrumentIdx, Liquidity, Money, OrderQuantity, OrderSpec, OrderType,
    RejectReason, ReportBody, Rounding, Side, StrategyIdx, TimeInForce, UnixNanos, VenueOrderId,
};

/// Margin of an account in one settle asset, in 1e-12.
struct Margin {
    equity: i128,
    initial: i128,
    maintenance: i128,
}

/// A position to reckon with in place of the one held: instrument, quantity change and mark.
struct Supposed {
    at: usize,
    change: i64,
    mark: i64,
}

impl Venue {
    /// `None` on overflow or where a position has no mark.
    fn margin(&self, account: &Account, settle: AssetIdx, supposed: Option<&Supposed>) -> Option<Margin> {
        let mut sum = Margin { equity: account.balance(settle).total, initial: 0, maintenance: 0 };
        for (at, market) in self.markets.iter().enumerate() {
            if market.is_spot() || market.rules.settle != settle {
                continue;
            }
            let position = account.positions().get(at);
            let (held, cost) = position.map_or((0, 0), |p| (p.quantity, p.cost));
            let supposed = supposed.filter(|s| s.at == at);
            if held == 0 && supposed.is_none() {
                continue;
            }
            let mark = supposed.map_or(market.mark, |s| Some(s.mark))?;
            // What is opened at the mark has neither profit nor loss, so only the held quantity is valued.
            let value = market.scale.notional(mark, held, Rounding::Down)?;
            sum.equity = sum.equity.checked_add(value)?.checked_sub(cost)?;
            let size = held.checked_add(supposed.map_or(0, |s| s.change))?.checked_abs()?;
            let notional = market.scale.notional(mark, size, Rounding::Up)?;
            let part = |rate| money::share(notional, Fraction::new(rate), market.quote_unit);
            sum.initial = sum.initial.checked_add(part(market.rules.margin_initial)?)?;
            sum.maintenance = sum.maintenance.checked_add(part(market.rules.margin_maintenance)?)?;
        }
        Some(sum)
    }

    /// Whether a trade of `quantity` at `price` with that fee is covered. What only reduces always is.
    pub(crate) fn check_margin(
        &self,
        account: AccountId,
        at: usize,
        side: Side,
        quantity: i64,
        price: i64,
        fee: i128,
    ) -> Result<(), RejectReason> {
        const NOT_COVERED: RejectReason = RejectReason::InsufficientMargin;
        let (Some(held), Some(market)) = (self.account(account), self.markets.get(at)) else {
            return Err(NOT_COVERED);
        };
        let position = held.position(market.rules.idx);
        let change = match side {
            Side::Buy => quantity,
            Side::Sell => -quantity,
        };
        let reduces =
            position != 0 && (position > 0) != (change > 0) && change.unsigned_abs() <= position.unsigned_abs();
        if reduces {
            return Ok(());
        }
        let supposed = Supposed { at, change, mark: price };
        let covered = self
            .margin(held, market.rules.settle, Some(&supposed))
            .and_then(|m| Some(m.equity.checked_sub(fee)? >= m.initial));
        if covered == Some(true) { Ok(()) } else { Err(NOT_COVERED) }
    }

    /// Whether an account that spends so much of an asset still covers the perpetuals that settle in it.
    pub(crate) fn leaves_margin(&self, account: AccountId, asset: AssetIdx, spent: i128) -> bool {
        if self.holders == 0 {
            return true;
        }
        let held = self.account(account);
        held.and_then(|a| self.margin(a, asset, None))
            .and_then(|m| Some(m.initial == 0 || m.equity.checked_sub(spent)? >= m.initial))
            .unwrap_or(false)
    }

    /// Liquidates accounts with a position in the instrument that are below maintenance when longs are marked at `low` and shorts at
    /// `high`.
    pub(crate) fn check_liquidation(&mut self, at: usize, low: i64, high: i64) {
        if self.markets[at].holders == 0 {
            return;
        }
        for account in 0..self.accounts.len() {
            self.check_liquidation_of(at, account, low, high);
        }
    }

    /// As [`Venue::check_liquidation`] for one account.
    pub(crate) fn check_liquidation_of(&mut self, at: usize, account: usize, low: i64, high: i64) {
        if self.is_covered(at, account, low, high) {
            return;
        }
        let long = self.accounts.get(account).is_some_and(|a| a.position(self.markets[at].rules.idx) > 0);
        let market = &mut self.markets[at];
        market.mark = Some(if long { low } else { high });
        let settle = market.rules.settle;
        // There are at most 65,536 accounts.
        self.liquidate(AccountId(account as u16), settle);
    }

    /// Whether an account has no position in the instrument, or covers its maintenance with a long marked at `low` and a short at `high`.
    pub(crate) fn is_covered(&self, at: usize, account: usize, low: i64, high: i64) -> bool {
        let market = &self.markets[at];
        let Some(held) = self.accounts.get(account) else {
            return true;
        };
        let position = held.position(market.rules.idx);
        if position == 0 {
            return true;
        }
        let supposed = Supposed { at, change: 0, mark: if position > 0 { low } else { high } };
        // An account whose margin cannot be reckoned is not covered.
        self.margin(held, market.rules.settle, Some(&supposed)).is_some_and(|m| m.equity >= m.maintenance)
    }

    /// Takes off the account's orders on perpetuals of that settle asset and closes its positions at their marks, worse by the slippage.
    /// One market order for each strategy that holds a part, numbered in the epoch `u32::MAX`, which no order of ours uses.
    fn liquidate(&mut self, account: AccountId, settle: AssetIdx) {
        for at in 0..self.markets.len() {
            if self.markets[at].is_spot() || self.markets[at].rules.settle != settle {
                continue;
            }
            let mut next = 0;
            while let Some(&slot) = self.markets[at].working.get(next) {
                let of_account = self.orders.get(slot as usize).is_some_and(|o| o.account() == account);
                if of_account {
                    self.cancel(slot, Some(RejectReason::Liquidation));
                } else {
                    next += 1;
                }
            }
            let parts =
                self.accounts.get(account.index()).and_then(|a| a.positions().get(at)).map_or(0, |p| p.shares.len());
            for part in 0..parts {
                let share =
                    self.accounts[account.index()].positions().get(at).and_then(|p| p.shares.get(part)).copied();
                if let Some((strategy, quantity)) = share.filter(|s| s.1 != 0) {
                    self.close_forced(at, account, strategy, quantity);
                }
            }
        }
    }

    fn close_forced(&mut self, at: usize, account: AccountId, strategy: StrategyIdx, held: i64) {
        let market = &self.markets[at];
        let side = if held > 0 { Side::Sell } else { Side::Buy };
        let (Some(quantity), Some(mark)) = (held.checked_abs(), market.mark) else {
            return;
        };
        let volume = market.volume[side as usize];
        let quoted = market.feed == Feed::Quotes;
        let price = slipped(self.config.slippage, side, mark, quantity, volume, quoted, market.tick).unwrap_or(mark);
        let spec = OrderSpec {
            client_id: ClientOrderId::new(account, u32::MAX, self.liquidations + 1),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(market.rules.quantity(quantity)),
            time_in_force: TimeInForce::Ioc,
            account,
            instrument: InstrumentIdx(at as u16),
            strategy,
            side,
            post_only: false,
            reduce_only: true,
        };
        let instant = market.feed == Feed::Candles;
        let order = Order {
            spec,
            venue_id: self.venue_ids + 1,
            kind: Kind::Market,
            alive: true,
            fresh: false,
            limit: 0,
            trigger: 0,
            trail: Trail::Distance(0),
            extreme: None,
            quantity,
            filled: 0,
            budget: None,
            lock: 0,
            ahead: None,
            pair: None,
            after: None,
        };
        let Ok(booked) = self.book(at, &order, price, quantity, Liquidity::Taker, false) else {
            return;
        };
        self.venue_ids += 1;
        self.liquidations += 1;
        self.report(instant, ReportBody::Accepted { client_id: order.id(), venue_id: VenueOrderId(order.venue_id) });
        self.report_fill(at, &order, price, quantity, true, Liquidity::Taker, &booked);
    }

    /// A position was opened: from the first one on, funding is due at the multiples of its period.
    pub(crate) fn start_funding(&mut self) {
        self.holders += 1;
        if let Some(funding) = self.config.funding.filter(|f| f.every.0 != 0)
            && self.holders == 1
        {
            let every = funding.every.0;
            self.funding_next = UnixNanos((self.now.0 / every).saturating_add(1).saturating_mul(every));
        }
    }

    pub(crate) fn next_funding(&self) -> UnixNanos {
        if self.holders == 0 { UnixNanos::MAX } else { self.funding_next }
    }

    /// Pays one funding to and from every open position: `-quantity * mark * rate`, rounded down at the settle asset's precision.
    pub(crate) fn fund(&mut self) {
        let Some(funding) = self.config.funding else {
            self.funding_next = UnixNanos::MAX;
            return;
        };
        self.funding_next = self.funding_next.saturating_add(funding.every);
        for account in 0..self.accounts.len() {
            for at in 0..self.markets.len() {
                let market = &self.markets[at];
                let Some(amount) = payment(market, &self.accounts[account], funding.rate) else {
                    continue;
                };
                let (instrument, asset) = (market.rules.idx, market.rules.settle);
                let instant = market.feed == Feed::Candles;
                if self.accounts[account].post(asset, amount).is_none() {
                    continue;
                }
                self.report(
                    instant,
                    ReportBody::Funding {
                        account: AccountId(account as u16),
                        instrument,
                        asset,
                        amount: Money::from_raw(amount),
                    },
                );
            }
        }
    }
}

/// Funding of one position; `None` where there is none.
fn payment(market: &Market, account: &Account, rate: domain::Rate) -> Option<i128> {
    let held = account.position(market.rules.idx);
    if market.is_spot() || held == 0 {
        return None;
    }
    let value = market.scale.notional(market.mark?, held, Rounding::Up)?;
    money::share(value, Fraction::new(rate), market.quote_unit)?.checked_neg()
}
