//! What happened in the accounts, and what the venue says when it is asked how one stands.
//!
//! In:  every report that is made; questions.
//! Out: the last executions and movements of money, and the state of an account as a message.
//! The venue's memory is short: what is asked for beyond it is answered as far as it reaches, and the answer says so.

use crate::account::Account;
use crate::market::Feed;
use crate::order::{Kind, Order};
use crate::venue::Venue;
use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountId, AccountReport, AssetIdx, Digest, Digestible, Execution, Money, Movement, MovementKind, OrderQuantity,
    OrderType, ReportBody, UnixNanos, VenueOrder, VenueOrderId, VenuePosition, VenueState, stored_enum,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// How many executions and movements are remembered.
const KEPT: usize = 1_024;

/// What the venue says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Report(AccountReport),
    State(Arc<VenueState>),
}

stored_enum!(Message, "what a venue says" { 1 => Report(report), 2 => State(state) });

impl Digestible for Message {
    fn digest(&self, d: &mut Digest) {
        match self {
            Self::Report(report) => {
                d.word(report.ts_event.0);
                report.body.digest(d);
            }
            Self::State(state) => state.digest(d),
        }
    }
}

/// The last executions and movements, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    executions: VecDeque<Execution>,
    movements: VecDeque<(AccountId, Movement)>,
    /// The latest time of what had to leave.
    forgotten: Option<UnixNanos>,
}

impl History {
    /// Takes in what a report says has happened.
    pub fn note(&mut self, report: &AccountReport) {
        let (ts_event, kind) = (report.ts_event, MovementKind::Transfer);
        let (account, movement) = match report.body {
            ReportBody::Filled { fill, .. } => {
                if self.executions.len() == KEPT {
                    self.forgotten = self.forgotten.max(self.executions.pop_front().map(|gone| gone.ts_event));
                }
                self.executions.push_back(Execution { ts_event, fill });
                return;
            }
            ReportBody::Funding { account, instrument, asset, amount } => {
                (account, Movement { ts_event, asset, amount, kind: MovementKind::Funding { instrument } })
            }
            ReportBody::Transfer { account, asset, amount } => (account, Movement { ts_event, asset, amount, kind }),
            ReportBody::Charge { account, asset, amount } => {
                (account, Movement { ts_event, asset, amount, kind: MovementKind::Charge })
            }
            _ => return,
        };
        if self.movements.len() == KEPT {
            self.forgotten = self.forgotten.max(self.movements.pop_front().map(|gone| gone.1.ts_event));
        }
        self.movements.push_back((account, movement));
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        (self.executions.len() as u64).put(out);
        self.executions.iter().for_each(|execution| execution.put(out));
        (self.movements.len() as u64).put(out);
        self.movements.iter().for_each(|movement| movement.put(out));
        self.forgotten.put(out);
    }

    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        let (executions, movements) = (Vec::take(from)?, Vec::take(from)?);
        if executions.len() > KEPT || movements.len() > KEPT {
            return Err(CodecError::Invalid { what: "what happened at a venue" });
        }
        (self.executions, self.movements) = (executions.into(), movements.into());
        self.forgotten = Stored::take(from)?;
        Ok(())
    }
}

impl Digestible for History {
    fn digest(&self, d: &mut Digest) {
        for execution in &self.executions {
            d.word(execution.ts_event.0);
            d.word(u64::from(execution.fill.account.0) | u64::from(execution.fill.instrument.0) << 16);
            d.word(execution.fill.trade_id);
        }
        for (account, movement) in &self.movements {
            d.word(u64::from(account.0));
            movement.digest(d);
        }
        self.forgotten.iter().for_each(|ts| d.word(ts.0));
    }
}

impl Venue {
    /// Answers how an account stands now.
    pub(crate) fn tell_state(&mut self, account: AccountId, since: UnixNanos) {
        let state = self.state_of(account, since);
        let instant = !self.markets.is_empty() && self.markets.iter().all(|m| m.feed == Feed::Candles);
        self.send(instant, Message::State(Arc::new(state)));
    }

    /// How an account stands now, with what happened at or after `since`.
    #[must_use]
    pub fn state_of(&self, account: AccountId, since: UnixNanos) -> VenueState {
        let history = &self.history;
        let executions = history.executions.iter().filter(|e| e.fill.account == account && e.ts_event >= since);
        let movements = history.movements.iter().filter(|(of, m)| *of == account && m.ts_event >= since);
        let mut orders: Vec<VenueOrder> = (self.orders.iter())
            .filter(|order| order.alive && order.account() == account)
            .map(|order| self.as_it_works(order))
            .collect();
        orders.sort_unstable_by_key(|order| order.venue_id);
        let held = self.account(account);
        VenueState {
            account,
            since,
            as_of: self.now,
            complete: history.forgotten.is_none_or(|until| until < since),
            orders,
            executions: executions.copied().collect(),
            movements: movements.map(|(_, movement)| *movement).collect(),
            balances: held.map_or_else(Vec::new, balances),
            positions: self.positions_of(account),
        }
    }

    fn positions_of(&self, account: AccountId) -> Vec<VenuePosition> {
        let held = self.account(account).map_or(&[][..], Account::positions);
        (self.markets.iter().zip(held))
            .filter(|(market, position)| !market.is_spot() && position.quantity != 0)
            .map(|(market, position)| VenuePosition {
                instrument: market.rules.idx,
                quantity: market.rules.quantity(position.quantity),
                cost: Money::from_raw(position.cost),
            })
            .collect()
    }

    /// An order with its terms as they are now.
    fn as_it_works(&self, order: &Order) -> VenueOrder {
        let mut spec = order.spec;
        if let Some(market) = self.markets.get(spec.instrument.index()) {
            let (price, trigger) = (market.rules.price(order.limit), market.rules.price(order.trigger));
            spec.kind = match spec.kind {
                OrderType::Limit { .. } => OrderType::Limit { price },
                OrderType::StopMarket { .. } => OrderType::StopMarket { trigger },
                OrderType::StopLimit { .. } => OrderType::StopLimit { trigger, price },
                OrderType::TakeProfit { .. } => OrderType::TakeProfit { trigger },
                kind @ (OrderType::Market | OrderType::TrailingStop { .. }) => kind,
            };
            if matches!(spec.quantity, OrderQuantity::Base(_)) {
                spec.quantity = OrderQuantity::Base(market.rules.quantity(order.quantity));
            }
        }
        VenueOrder {
            spec,
            venue_id: VenueOrderId(order.venue_id),
            status: order.status(),
            filled: order.filled,
            set_off: was_set_off(order),
        }
    }
}

fn balances(account: &Account) -> Vec<(AssetIdx, Money)> {
    (0..=u16::MAX)
        .zip(account.balances())
        .filter(|(_, balance)| balance.total != 0)
        .map(|(asset, balance)| (AssetIdx(asset), Money::from_raw(balance.total)))
        .collect()
}

/// Whether an order was set off: it trades like a market or limit order by now.
fn was_set_off(order: &Order) -> bool {
    let as_sent = match order.spec.kind {
        OrderType::Market => Kind::Market,
        OrderType::Limit { .. } => Kind::Limit,
        OrderType::StopMarket { .. } => Kind::Stop,
        OrderType::StopLimit { .. } => Kind::StopLimit,
        OrderType::TakeProfit { .. } => Kind::TakeProfit,
        OrderType::TrailingStop { .. } => Kind::Trailing,
    };
    order.kind != as_sent
}
