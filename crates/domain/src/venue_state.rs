//! How an account stands at a venue, as the venue says it, and how that differs from what we know.
//!
//! In:  adapters of venues and the simulated venue, as the answer to a question.
//! Out: the event that reconciliation compares with ledger and orders; the differences, for the record.
//! It says what is there, and never what to do about it.

use crate::account::{AccountId, AssetIdx};
use crate::codec::{CodecError, Reader, Stored};
use crate::digest::{Digest, Digestible};
use crate::fill::Fill;
use crate::instrument::InstrumentIdx;
use crate::money::Money;
use crate::order::{ClientOrderId, OrderSpec, OrderStatus, VenueOrderId};
use crate::quantity::Quantity;
use crate::time::UnixNanos;
use crate::{stored_enum, stored_struct};

/// An account at a venue, at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueState {
    /// Which account.
    pub account: AccountId,
    /// From when on executions and movements were asked for, on the venue's clock.
    pub since: UnixNanos,
    /// The instant at which it was so, on the venue's clock.
    pub as_of: UnixNanos,
    /// Whether executions and movements reach back to `since`. Where they do not, what is missing cannot be proved.
    pub complete: bool,
    /// Orders that work, ours and others.
    pub orders: Vec<VenueOrder>,
    /// Executions at or after `since`, oldest first.
    pub executions: Vec<Execution>,
    /// Funding, transfers and charges at or after `since`, oldest first.
    pub movements: Vec<Movement>,
    /// Balances, reserved amounts included; an asset that is not listed is none.
    pub balances: Vec<(AssetIdx, Money)>,
    /// Positions in perpetuals; one that is not listed is flat.
    pub positions: Vec<VenuePosition>,
}

/// A position in a perpetual at a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenuePosition {
    /// In what.
    pub instrument: InstrumentIdx,
    /// How much, signed.
    pub quantity: Quantity,
    /// What it cost, signed like the quantity: its entry price by its quantity, where a venue says that.
    pub cost: Money,
}

/// An order that works at a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueOrder {
    /// Its terms as they are now. The id of an order that is not ours is [`ClientOrderId::foreign`]; the strategy of any order that the
    /// adapter did not send itself is [`StrategyIdx::OUTSIDE`](crate::StrategyIdx::OUTSIDE).
    pub spec: OrderSpec,
    /// The venue's number.
    pub venue_id: VenueOrderId,
    /// Where it is.
    pub status: OrderStatus,
    /// Filled so far, a mantissa at the quantity decimals.
    pub filled: i64,
    /// Whether a stop or take-profit was set off.
    pub set_off: bool,
}

/// An execution with the time at which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// On the venue's clock.
    pub ts_event: UnixNanos,
    /// The execution.
    pub fill: Fill,
}

/// Money that moved without an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Movement {
    /// On the venue's clock.
    pub ts_event: UnixNanos,
    /// Of which asset.
    pub asset: AssetIdx,
    /// How much came (positive) or went.
    pub amount: Money,
    /// Why.
    pub kind: MovementKind,
}

/// Why money moved without an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MovementKind {
    /// It came in or went out.
    Transfer,
    /// Funding of a perpetual.
    Funding {
        /// Of which.
        instrument: InstrumentIdx,
    },
    /// Interest, or a fee that belongs to no execution.
    Charge,
}

/// What kind of difference there is between what a venue says and what we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum DifferenceKind {
    /// An execution of ours that no report had told: booked now.
    MissedFill = 0,
    /// An order of ours ended, and no report had told.
    MissedEnd = 1,
    /// An order with our prefix that we did not know works at the venue.
    UnknownOrder = 2,
    /// An order that is not ours works in the account.
    ForeignOrder = 3,
    /// An execution that is not ours: booked apart.
    ForeignTrade = 4,
    /// Money came in or went out, and no report had told.
    MissedTransfer = 5,
    /// Funding was paid or received, and no report had told.
    MissedFunding = 6,
    /// Interest or a fee was charged, and no report had told.
    MissedCharge = 7,
    /// A balance differs, and nothing says why.
    Balance = 8,
    /// A position differs, and nothing says why.
    Position = 9,
    /// An order of ours has other terms at the venue.
    Terms = 10,
    /// What differed agrees again.
    Agreed = 11,
    /// The venue divides money between the balance and the cost of a position in another way, because executions became known here in another
    /// order than they happened: taken over, equity is the same.
    CostBasis = 12,
}

impl DifferenceKind {
    /// All of them, by number; only ever appended to.
    pub const ALL: [Self; 13] = [
        Self::MissedFill,
        Self::MissedEnd,
        Self::UnknownOrder,
        Self::ForeignOrder,
        Self::ForeignTrade,
        Self::MissedTransfer,
        Self::MissedFunding,
        Self::MissedCharge,
        Self::Balance,
        Self::Position,
        Self::Terms,
        Self::Agreed,
        Self::CostBasis,
    ];

    /// Its key in records.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::MissedFill => "missed_fill",
            Self::MissedEnd => "missed_end",
            Self::UnknownOrder => "unknown_order",
            Self::ForeignOrder => "foreign_order",
            Self::ForeignTrade => "foreign_trade",
            Self::MissedTransfer => "missed_transfer",
            Self::MissedFunding => "missed_funding",
            Self::MissedCharge => "missed_charge",
            Self::Balance => "balance",
            Self::Position => "position",
            Self::Terms => "terms",
            Self::Agreed => "agreed",
            Self::CostBasis => "cost_basis",
        }
    }

    /// Whether nothing explains it: new risk is blocked by it.
    #[must_use]
    pub const fn is_unexplained(self) -> bool {
        matches!(self, Self::Balance | Self::Position)
    }
}

/// One difference, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What kind.
    pub kind: DifferenceKind,
    /// In which account.
    pub account: AccountId,
    /// About which instrument, where it is about one.
    pub instrument: Option<InstrumentIdx>,
    /// About which asset, where it is about one.
    pub asset: Option<AssetIdx>,
    /// About which order of ours, where it is about one.
    pub order: Option<ClientOrderId>,
    /// What we have of it: an amount of the asset, or a quantity of the instrument.
    pub ours: Money,
    /// What the venue has of it.
    pub theirs: Money,
}

impl Stored for DifferenceKind {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "a kind of difference" };
        Self::ALL.get(usize::from(from.u8()?)).copied().ok_or(INVALID)
    }
}

stored_struct!(VenueState { account, since, as_of, complete, orders, executions, movements, balances, positions });
stored_struct!(VenueOrder { spec, venue_id, status, filled, set_off });
stored_struct!(VenuePosition { instrument, quantity, cost });
stored_struct!(Execution { ts_event, fill });
stored_struct!(Movement { ts_event, asset, amount, kind });
stored_struct!(Difference { kind, account, instrument, asset, order, ours, theirs });
stored_enum!(MovementKind, "why money moved" { 1 => Transfer, 2 => Funding { instrument }, 3 => Charge });

impl Digestible for Movement {
    fn digest(&self, d: &mut Digest) {
        let kind = match self.kind {
            MovementKind::Transfer => 1,
            MovementKind::Funding { instrument } => 2 | u64::from(instrument.0) << 8,
            MovementKind::Charge => 3,
        };
        d.word(kind | u64::from(self.asset.0) << 32);
        d.word(self.ts_event.0);
        d.wide(self.amount.raw());
    }
}

impl Digestible for Difference {
    fn digest(&self, d: &mut Digest) {
        let part = |number: Option<u16>| number.map_or(0xFFFF, u64::from);
        let (instrument, asset) = (part(self.instrument.map(|i| i.0)), part(self.asset.map(|a| a.0)));
        d.word(self.kind as u64 | u64::from(self.account.0) << 8 | instrument << 24 | asset << 40);
        d.wide(self.order.map_or(0, |id| id.raw() as i128));
        d.wide(self.ours.raw());
        d.wide(self.theirs.raw());
    }
}

/// By value: it is an input.
impl Digestible for VenueState {
    fn digest(&self, d: &mut Digest) {
        d.word(u64::from(self.account.0) | u64::from(self.complete) << 16);
        d.word(self.since.0);
        d.word(self.as_of.0);
        for order in &self.orders {
            order.spec.digest(d);
            d.word(order.venue_id.0);
            d.word(order.status as u64 | u64::from(order.set_off) << 8);
            d.int(order.filled);
        }
        for execution in &self.executions {
            d.word(execution.ts_event.0);
            crate::ReportBody::Filled { fill: execution.fill, complete: false }.digest(d);
        }
        self.movements.iter().for_each(|movement| movement.digest(d));
        for (asset, amount) in &self.balances {
            d.word(u64::from(asset.0));
            d.wide(amount.raw());
        }
        for VenuePosition { instrument, quantity, cost } in &self.positions {
            d.word(u64::from(instrument.0));
            d.wide(quantity.raw());
            d.wide(cost.raw());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_bytes, to_bytes};

    #[test]
    fn every_kind_is_at_its_place_and_comes_back() {
        for (at, kind) in DifferenceKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
            assert_eq!(from_bytes::<DifferenceKind>(&to_bytes(&kind)), Ok(kind));
        }
        let mut keys: Vec<&str> = DifferenceKind::ALL.iter().map(|kind| kind.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), DifferenceKind::ALL.len());
        assert!(from_bytes::<DifferenceKind>(&[DifferenceKind::ALL.len() as u8]).is_err());
    }
}
