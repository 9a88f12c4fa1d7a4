//! Requests: what can be asked of the simulated venue, as plain data.
//!
//! In:  one adapter makes them of approved commands; a server of simulated venues and fault scripts make them directly.
//! Out: [`crate::Venue::submit`].
//! A request carries no approval: whether it may be sent is decided before it is made.

use domain::{ClientOrderId, Digest, Digestible, OrderSpec, Price, Quantity, ReportBody, UnixNanos};

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
}

impl Request {
    /// The order that the request is about.
    #[must_use]
    pub const fn client_id(&self) -> ClientOrderId {
        match *self {
            Self::Place { order, .. } => order.client_id,
            Self::Amend { client_id, .. } | Self::Cancel { client_id } | Self::Query { client_id } => client_id,
        }
    }
}

impl Digestible for Request {
    fn digest(&self, d: &mut Digest) {
        let id = self.client_id().raw();
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
        }
    }
}

/// Takes a report into a digest: reports in flight are part of the venue's state.
pub(crate) fn digest_report(body: &ReportBody, d: &mut Digest) {
    let mut order = |tag: u64, client_id: &ClientOrderId, detail: u64| {
        d.word(tag);
        d.word(client_id.raw() as u64);
        d.word((client_id.raw() >> 64) as u64);
        d.word(detail);
    };
    match body {
        ReportBody::Accepted { client_id, venue_id } => order(1, client_id, venue_id.0),
        ReportBody::Rejected { client_id, reason } => order(2, client_id, *reason as u64),
        ReportBody::Filled { fill, complete } => {
            order(3, &fill.client_id, u64::from(*complete));
            d.word(fill.trade_id);
            d.int(fill.price);
            d.int(fill.quantity);
            d.wide(fill.fee_amount.raw());
            d.word(u64::from(fill.fee_asset.0) | (fill.side as u64) << 16 | (fill.liquidity as u64) << 24);
        }
        ReportBody::Canceled { client_id, reason } => {
            order(4, client_id, reason.map_or(u64::MAX, |r| r as u64));
        }
        ReportBody::Expired { client_id } => order(5, client_id, 0),
        ReportBody::CancelRejected { client_id, reason } => order(6, client_id, *reason as u64),
        ReportBody::Amended { client_id } => order(7, client_id, 0),
        ReportBody::AmendRejected { client_id, reason } => order(8, client_id, *reason as u64),
        ReportBody::Status { client_id, status, filled } => {
            order(9, client_id, status.map_or(u64::MAX, |s| s as u64));
            d.int(*filled);
        }
        ReportBody::Triggered { client_id } => order(12, client_id, 0),
        ReportBody::Funding { account, instrument, asset, amount } => {
            d.word(10);
            d.word(u64::from(account.0) | u64::from(instrument.0) << 16 | u64::from(asset.0) << 32);
            d.wide(amount.raw());
        }
        ReportBody::Transfer { account, asset, amount } => {
            d.word(11);
            d.word(u64::from(account.0) | u64::from(asset.0) << 16);
            d.wide(amount.raw());
        }
    }
}
