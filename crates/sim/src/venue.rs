//! The venue: definitions, accounts, messages in both directions, and what is due when.
//!
//! In:  definitions and deposits at the start; then requests and the time.
//! Out: reports, the next instant at which something is due, balances, and a digest of the whole state.
//! Validation of requests is in `accept`, matching in `matching`, booking in `execute`, margin and funding in `margin`.

use crate::account::Account;
use crate::config::VenueConfig;
use crate::history::{History, Message};
use crate::ids::{Finished, Found, Ids};
use crate::mail::{Delay, Mail};
use crate::market::{Feed, Market};
use crate::order::Order;
use crate::request::Request;
use domain::instrument::InstrumentError;
use domain::{
    AccountId, AccountReport, AssetIdx, ClientOrderId, Digest, Digestible, Instrument, InstrumentIdx, InstrumentTable,
    Money, OrderStatus, Quantity, RejectReason, ReportBody, UnixNanos, VenueState,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A simulated venue with its accounts.
#[derive(Clone, Debug)]
pub struct Venue {
    pub(crate) config: VenueConfig,
    pub(crate) assets: Vec<u8>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) markets: Vec<Market>,
    /// Orders by slot; slots are used again.
    pub(crate) orders: Vec<Order>,
    pub(crate) free: Vec<u32>,
    pub(crate) ids: Ids,
    /// Ends of orders that have one, earliest first. Entries of orders that ended otherwise are skipped.
    pub(crate) ends: BinaryHeap<Reverse<(UnixNanos, u64, u32)>>,
    pub(crate) inbox: Mail<Request>,
    pub(crate) outbox: Mail<Message>,
    /// What happened in the accounts, for whoever asks.
    pub(crate) history: History,
    pub(crate) delay: Delay,
    /// The latest time that was told.
    pub(crate) now: UnixNanos,
    /// When the next thing is due.
    pub(crate) due: UnixNanos,
    /// Opening time of the latest bar whose path was played.
    pub(crate) path_bar: Option<UnixNanos>,
    pub(crate) venue_ids: u64,
    pub(crate) trade_ids: u64,
    pub(crate) liquidations: u64,
    /// Positions in perpetuals that are not flat.
    pub(crate) holders: u32,
    /// The next funding, where there are holders.
    pub(crate) funding_next: UnixNanos,
    /// Room for a copy of a list of slots while it is gone through.
    pub(crate) scratch: Vec<u32>,
}

impl Venue {
    /// An empty venue.
    #[must_use]
    pub fn new(config: VenueConfig) -> Self {
        Self {
            config,
            assets: Vec::new(),
            accounts: Vec::new(),
            markets: Vec::new(),
            orders: Vec::with_capacity(64),
            free: Vec::with_capacity(64),
            ids: Ids::new(),
            ends: BinaryHeap::new(),
            inbox: Mail::with_capacity(64),
            outbox: Mail::with_capacity(64),
            history: History::default(),
            delay: Delay::new(&config.latency),
            now: UnixNanos(0),
            due: UnixNanos::MAX,
            path_bar: None,
            venue_ids: 0,
            trade_ids: 0,
            liquidations: 0,
            holders: 0,
            funding_next: UnixNanos::MAX,
            scratch: Vec::with_capacity(64),
        }
    }

    /// How it is configured.
    #[must_use]
    pub const fn config(&self) -> &VenueConfig {
        &self.config
    }

    /// Says at how many decimals balances of an asset are kept. An asset that is not defined is kept at 12.
    pub fn define_asset(&mut self, asset: AssetIdx, decimals: u8) {
        if self.assets.len() <= asset.index() {
            self.assets.resize(asset.index() + 1, domain::decimal::MONEY_DECIMALS);
        }
        self.assets[asset.index()] = decimals.min(domain::decimal::MONEY_DECIMALS);
        for at in 0..self.markets.len() {
            let rules = self.markets[at].rules.clone();
            let (base, quote) = (self.decimals(rules.base), self.decimals(rules.quote));
            self.markets[at].redefine(&rules, self.config.fees, base, quote);
        }
    }

    /// Adds the next instrument, or replaces the rules of one that is there.
    ///
    /// # Errors
    /// If the definition is invalid, skips a number, or changes what cannot change.
    pub fn define(&mut self, instrument: &Instrument) -> Result<(), InstrumentError> {
        instrument.validate()?;
        let fail = |what: String| Err(InstrumentError { symbol: instrument.symbol.clone(), what });
        let (base, quote) = (self.decimals(instrument.base), self.decimals(instrument.quote));
        let (at, next) = (instrument.idx.index(), self.markets.len());
        match self.markets.get_mut(at) {
            Some(market) => {
                if !market.has_shape_of(instrument) {
                    return fail("decimals, assets, kind and multiplier of an instrument in use cannot change".into());
                }
                market.redefine(instrument, self.config.fees, base, quote);
                Ok(())
            }
            None if at == next => {
                self.markets.push(Market::new(instrument, self.config.fees, base, quote));
                Ok(())
            }
            None => fail(format!("its number is {at}, the next is {next}")),
        }
    }

    /// [`Venue::define_asset`] and [`Venue::define`] for all of a table.
    ///
    /// # Errors
    /// As [`Venue::define`].
    pub fn define_table(&mut self, table: &InstrumentTable) -> Result<(), InstrumentError> {
        for (at, asset) in table.assets().iter().enumerate() {
            // A table holds at most 65,536 assets.
            self.define_asset(AssetIdx(at as u16), asset.decimals);
        }
        table.instruments().iter().try_for_each(|i| self.define(i))
    }

    /// Adds to an account's balance (takes away where negative), and opens the account. Reported as a transfer at the latest time told.
    pub fn deposit(&mut self, account: AccountId, asset: AssetIdx, amount: Money) {
        let decimals = self.decimals(asset);
        let amount = amount.at_precision(decimals, domain::Rounding::Down);
        if self.accounts.len() <= account.index() {
            self.accounts.resize_with(account.index() + 1, Account::default);
        }
        let held = &mut self.accounts[account.index()];
        held.known = true;
        if held.post(asset, amount.raw()).is_some() {
            self.report(true, ReportBody::Transfer { account, asset, amount });
        }
        self.refresh();
    }

    /// Sends a request, which takes effect after the order latency (at once on candles, and where there is none).
    pub fn submit(&mut self, now: UnixNanos, request: Request) {
        self.clock(now);
        let latency = &self.config.latency;
        let wait = latency.feed.0.saturating_add(latency.order.0);
        if (wait == 0 && latency.jitter.is_none()) || self.is_on_candles(&request) {
            self.perform(request);
        } else {
            let wait = wait.saturating_add(self.delay.extra());
            self.inbox.send(self.now.saturating_add(domain::Nanos(wait)), request);
        }
        self.refresh();
    }

    /// The earliest instant at which something is due: a message in flight in either direction, the end of an order, funding.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Option<UnixNanos> {
        (self.due != UnixNanos::MAX).then_some(self.due)
    }

    /// Does what is due at or before `now`, in time order; at one instant ends of orders come first, then funding, then requests.
    pub fn advance(&mut self, now: UnixNanos) {
        if self.due > now {
            self.clock(now);
            return;
        }
        loop {
            let end = self.next_end();
            let funding = self.next_funding();
            let request = self.inbox.due();
            let at = end.min(funding).min(request);
            if at > now || at == UnixNanos::MAX {
                break;
            }
            self.clock(at);
            if end == at {
                self.expire_next();
            } else if funding == at {
                self.fund();
            } else if let Some(request) = self.inbox.receive(at) {
                self.perform(request);
            }
        }
        self.clock(now);
        self.refresh();
    }

    /// The next report that has reached us by `now`. `None` also where the next message is the state of an account, which
    /// [`Venue::take_state`] takes: messages keep their order.
    #[inline]
    pub fn take_report(&mut self, now: UnixNanos) -> Option<AccountReport> {
        if matches!(self.outbox.next(now)?, Message::State(_)) {
            return None;
        }
        let Some(Message::Report(report)) = self.outbox.receive(now) else { return None };
        self.refresh();
        Some(report)
    }

    /// The next answer to a question about an account that has reached us by `now`, where it is the next message of all.
    #[inline]
    pub fn take_state(&mut self, now: UnixNanos) -> Option<Arc<VenueState>> {
        if matches!(self.outbox.next(now)?, Message::Report(_)) {
            return None;
        }
        let Some(Message::State(state)) = self.outbox.receive(now) else { return None };
        self.refresh();
        Some(state)
    }

    /// Whether bars can do anything on the instrument: it has a working or waiting order, or an open position in a perpetual.
    #[must_use]
    #[inline]
    pub fn has_work(&self, instrument: InstrumentIdx) -> bool {
        self.markets.get(instrument.index()).is_some_and(Market::has_work)
    }

    /// What an account has of an asset, reserved amounts included.
    #[must_use]
    pub fn balance(&self, account: AccountId, asset: AssetIdx) -> Money {
        Money::from_raw(self.account(account).map_or(0, |a| a.balance(asset).total))
    }

    /// What an account has of an asset and no working order has reserved.
    #[must_use]
    pub fn free(&self, account: AccountId, asset: AssetIdx) -> Money {
        Money::from_raw(self.account(account).map_or(0, |a| a.free(asset)))
    }

    /// An account's position: signed for a perpetual, the balance of the base asset for spot.
    #[must_use]
    pub fn position(&self, account: AccountId, instrument: InstrumentIdx) -> Quantity {
        let (Some(held), Some(market)) = (self.account(account), self.markets.get(instrument.index())) else {
            return Quantity::ZERO;
        };
        if market.is_spot() {
            Quantity::from_raw(held.balance(market.rules.base).total)
        } else {
            market.rules.quantity(held.position(instrument))
        }
    }

    /// How many orders work or wait.
    #[must_use]
    pub fn working_orders(&self) -> usize {
        self.orders.len() - self.free.len()
    }

    pub(crate) fn account(&self, account: AccountId) -> Option<&Account> {
        self.accounts.get(account.index()).filter(|a| a.known)
    }

    pub(crate) fn decimals(&self, asset: AssetIdx) -> u8 {
        self.assets.get(asset.index()).copied().unwrap_or(domain::decimal::MONEY_DECIMALS)
    }

    /// Takes in the time, which never goes back.
    #[inline]
    pub(crate) fn clock(&mut self, now: UnixNanos) {
        self.now = self.now.max(now);
    }

    /// Whether the request concerns an instrument known by candles, where messages take no time.
    fn is_on_candles(&self, request: &Request) -> bool {
        let instrument = match request {
            Request::Place { order, .. } | Request::List { first: order, .. } => Some(order.instrument),
            Request::Amend { client_id, .. } | Request::Cancel { client_id } | Request::Query { client_id } => self
                .ids
                .slot(*client_id)
                .and_then(|slot| self.orders.get(slot as usize))
                .map(|order| order.spec.instrument),
            // Of one that knows candles alone the answer takes no time, like everything else it says.
            Request::State { .. } => {
                return !self.markets.is_empty() && self.markets.iter().all(|m| m.feed == Feed::Candles);
            }
        };
        instrument.and_then(|i| self.markets.get(i.index())).is_some_and(|m| m.feed == Feed::Candles)
    }

    fn perform(&mut self, request: Request) {
        match request {
            Request::Place { order, valid_until } => self.place(order, valid_until),
            Request::List { first, second, valid_until } => self.place_pair(&first, &second, valid_until),
            Request::Amend { client_id, price, trigger, quantity } => self.amend(client_id, price, trigger, quantity),
            Request::Cancel { client_id } => match self.ids.slot(client_id) {
                Some(slot) => self.cancel(slot, None),
                None => {
                    self.report(false, ReportBody::CancelRejected { client_id, reason: RejectReason::UnknownOrder })
                }
            },
            Request::Query { client_id } => self.answer(client_id),
            Request::State { account, since } => self.tell_state(account, since),
        }
    }

    fn answer(&mut self, client_id: ClientOrderId) {
        let (status, filled) = match self.ids.find(client_id) {
            None => (None, 0),
            Some(Found::Finished(end)) => (Some(end.status), end.filled),
            Some(Found::Working(slot)) => match self.orders.get(slot as usize) {
                Some(order) => (Some(order.status()), order.filled),
                None => (None, 0),
            },
        };
        self.report(false, ReportBody::Status { client_id, status, filled });
    }

    /// Sends a report, at once where `instant` or where nothing is in flight on a market with latency.
    pub(crate) fn report(&mut self, instant: bool, body: ReportBody) {
        let report = AccountReport { ts_event: self.now, body };
        self.history.note(&report);
        self.send(instant, Message::Report(report));
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, instant: bool, message: Message) {
        let wait = if instant || !self.has_latency() {
            0
        } else {
            self.config.latency.report.0.saturating_add(self.delay.extra())
        };
        self.outbox.send(self.now.saturating_add(domain::Nanos(wait)), message);
    }

    fn has_latency(&self) -> bool {
        let latency = &self.config.latency;
        latency.report.0 != 0 || latency.jitter.is_some()
    }

    /// Takes an order off and says so: asked for (`None`), or by the venue and why. What is paired with it goes, too.
    pub(crate) fn cancel(&mut self, slot: u32, reason: Option<RejectReason>) {
        let pair = self.unpair(slot);
        if let Some((client_id, instant)) = self.finish(slot, OrderStatus::Canceled) {
            self.report(instant, ReportBody::Canceled { client_id, reason });
        }
        self.end_pair(pair);
    }

    /// Ends a working order: releases what it reserved, frees its slot, remembers how it ended.
    /// Returns its id and whether its market is known by candles.
    pub(crate) fn finish(&mut self, slot: u32, status: OrderStatus) -> Option<(ClientOrderId, bool)> {
        let order = self.orders.get_mut(slot as usize).filter(|o| o.alive)?;
        order.alive = false;
        let order = *order;
        let market = self.markets.get_mut(order.spec.instrument.index())?;
        market.working.retain(|&s| s != slot);
        let instant = market.feed == Feed::Candles;
        if order.lock != 0
            && let Some(account) = self.accounts.get_mut(order.account().index())
        {
            account.lock(market.gives(order.side()), -order.lock);
        }
        self.ids.finish(Finished { id: order.id(), status, filled: order.filled });
        self.free.push(slot);
        Some((order.id(), instant))
    }

    /// The earliest end of a working order.
    fn next_end(&mut self) -> UnixNanos {
        while let Some(&Reverse((at, venue_id, slot))) = self.ends.peek() {
            let working = self.orders.get(slot as usize).is_some_and(|o| o.alive && o.venue_id == venue_id);
            if working {
                return at;
            }
            self.ends.pop();
        }
        UnixNanos::MAX
    }

    fn expire_next(&mut self) {
        if let Some(Reverse((_, _, slot))) = self.ends.pop() {
            self.expire(slot);
        }
    }

    pub(crate) fn expire(&mut self, slot: u32) {
        let pair = self.unpair(slot);
        if let Some((client_id, instant)) = self.finish(slot, OrderStatus::Expired) {
            self.report(instant, ReportBody::Expired { client_id });
        }
        self.end_pair(pair);
    }

    /// Works out anew when the next thing is due.
    pub(crate) fn refresh(&mut self) {
        let end = if self.ends.is_empty() { UnixNanos::MAX } else { self.next_end() };
        self.due = end.min(self.next_funding()).min(self.inbox.due()).min(self.outbox.due());
    }
}

impl Digestible for Venue {
    fn digest(&self, d: &mut Digest) {
        d.word(self.now.0);
        // Amounts are rounded at the precision of their asset.
        self.assets.iter().for_each(|&decimals| d.word(u64::from(decimals)));
        for market in &self.markets {
            market.digest(d);
            d.word(market.working.len() as u64);
            for slot in &market.working {
                if let Some(order) = self.orders.get(*slot as usize) {
                    order.digest(d);
                }
            }
        }
        for (at, account) in self.accounts.iter().enumerate().filter(|(_, a)| a.known) {
            d.word(at as u64);
            account.digest(d);
        }
        for end in self.ids.history() {
            d.word(end.id.raw() as u64);
            d.word((end.id.raw() >> 64) as u64);
            d.word(end.status as u64);
            d.int(end.filled);
        }
        for (due, request) in self.inbox.iter() {
            d.word(due.0);
            request.digest(d);
        }
        for (due, message) in self.outbox.iter() {
            d.word(due.0);
            message.digest(d);
        }
        self.history.digest(d);
        d.word(self.delay.generator.0);
        d.word(self.path_bar.map_or(u64::MAX, |t| t.0));
        for counter in [self.venue_ids, self.trade_ids, self.liquidations, self.funding_next.0] {
            d.word(counter);
        }
    }
}
