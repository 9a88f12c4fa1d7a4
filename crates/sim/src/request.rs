//! Requests: what can be asked of the simulated venue, as plain data.
//!
//! In:  one adapter makes them of approved commands; a server of simulated venues and fault scripts make them directly.
//! Out: [`crate::Venue::submit`].
//! A request carries no approval: whether it may be sent is decided before it is made.

use domain::{AccountId, ClientOrderId, Digest, Digestible, OrderSpec, Price, Quantity, UnixNanos, stored_enum};

/// One message to the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new order.
    Place {
        /// The order.
        order: OrderSpec,
        /// The instant after which it may no longer be taken; `None` for no limit.
        valid_until: Option<UnixNanos>,
    },
    /// Two orders of one account in one instrument, both or neither: a trade or the setting off of one takes the other off, and so does its
    /// end.
    List {
        /// The one.
        first: OrderSpec,
        /// The other.
        second: OrderSpec,
        /// The instant after which they may no longer be taken; `None` for no limit.
        valid_until: Option<UnixNanos>,
    },
    /// New terms for a working order. What is `None` stays as it is.
    Amend {
        /// Our number of the order.
        client_id: ClientOrderId,
        /// New limit price, for orders that have one.
        price: Option<Price>,
        /// New trigger price, for orders that have a fixed one and have not been set off.
        trigger: Option<Price>,
        /// New quantity of the whole order, what is filled included.
        quantity: Option<Quantity>,
    },
    /// Take the order off.
    Cancel {
        /// Our number of the order.
        client_id: ClientOrderId,
    },
    /// Say where the order is.
    Query {
        /// Our number of the order.
        client_id: ClientOrderId,
    },
    /// Say how the account stands: orders, balances, positions, and what happened since an instant.
    State {
        /// Which account.
        account: AccountId,
        /// From when on executions and movements of money are asked for.
        since: UnixNanos,
    },
}

impl Request {
    /// The order that the request is about, where it is about one; of two the first.
    #[must_use]
    pub const fn client_id(&self) -> Option<ClientOrderId> {
        match *self {
            Self::Place { order, .. } | Self::List { first: order, .. } => Some(order.client_id),
            Self::Amend { client_id, .. } | Self::Cancel { client_id } | Self::Query { client_id } => Some(client_id),
            Self::State { .. } => None,
        }
    }
}

stored_enum!(Request, "a request" {
    1 => Place { order, valid_until },
    2 => Amend { client_id, price, trigger, quantity },
    3 => Cancel { client_id },
    4 => Query { client_id },
    5 => State { account, since },
    6 => List { first, second, valid_until },
});

impl Digestible for Request {
    fn digest(&self, d: &mut Digest) {
        let id = self.client_id().map_or(0, ClientOrderId::raw);
        d.word(id as u64);
        d.word((id >> 64) as u64);
        match self {
            Self::Place { order, valid_until } => {
                d.word(1);
                order.digest(d);
                d.word(valid_until.map_or(u64::MAX, |t| t.0));
            }
            Self::Amend { price, trigger, quantity, .. } => {
                d.word(2);
                for raw in [price.map(Price::raw), trigger.map(Price::raw), quantity.map(Quantity::raw)] {
                    d.word(u64::from(raw.is_some()));
                    d.wide(raw.unwrap_or(0));
                }
            }
            Self::Cancel { .. } => d.word(3),
            Self::Query { .. } => d.word(4),
            Self::State { account, since } => {
                d.word(5 | u64::from(account.0) << 8);
                d.word(since.0);
            }
            Self::List { first, second, valid_until } => {
                d.word(6);
                first.digest(d);
                second.digest(d);
                d.word(valid_until.map_or(u64::MAX, |t| t.0));
            }
        }
    }
}
