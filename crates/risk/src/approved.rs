//! An order that may leave. Only the pre-trade check builds one, it is used up by sending, and it cannot be copied or read from a file.

use crate::limits::Profile;
use domain::codec::{Pack, Stored};
use domain::{ClientOrderId, Digest, Digestible, OrderClass, OrderSpec, UnixNanos, stored_struct};
use std::fmt;

/// What stands at the other end of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueKind {
    /// A simulated venue: backtest and paper.
    Simulated,
    /// A real one.
    Real,
}

/// An order that passed the pre-trade check.
///
/// There is no other way to have one:
/// ```compile_fail,E0451
/// # fn forge(spec: domain::OrderSpec) -> risk::Approved {
/// risk::Approved { spec, class: domain::OrderClass::Entry, research: false, valid_until: domain::UnixNanos(0) }
/// # }
/// ```
#[derive(Debug, PartialEq)]
pub struct Approved {
    spec: OrderSpec,
    class: OrderClass,
    research: bool,
    valid_until: UnixNanos,
}

/// Why an approved order may not be sent after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// The approval ran out; the order must be checked again.
    Expired {
        /// When it ran out.
        valid_until: UnixNanos,
        /// When it was to be sent.
        now: UnixNanos,
    },
    /// Approved under the limits of a research run, and the venue is real.
    ResearchProfile,
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { valid_until, now } => {
                write!(f, "the approval ran out at {} and it is {}", valid_until.0, now.0)
            }
            Self::ResearchProfile => f.write_str("approved under research limits: never sent to a real venue"),
        }
    }
}

impl std::error::Error for ReleaseError {}

impl Approved {
    /// Built by the pre-trade check alone.
    pub(crate) const fn new(spec: OrderSpec, class: OrderClass, profile: &Profile, valid_until: UnixNanos) -> Self {
        Self { spec, class, research: !profile.is_standard(), valid_until }
    }

    /// Our number of the order.
    #[must_use]
    pub const fn client_id(&self) -> ClientOrderId {
        self.spec.client_id
    }

    /// What the order does to risk: what the gate word compares.
    #[must_use]
    pub const fn class(&self) -> OrderClass {
        self.class
    }

    /// Uses the approval up and hands out the order for sending: the only way to read it.
    ///
    /// # Errors
    /// [`ReleaseError::Expired`] after its time, [`ReleaseError::ResearchProfile`] for a real venue if the limits were not the standard ones.
    pub fn release(self, now: UnixNanos, venue: VenueKind) -> Result<OrderSpec, ReleaseError> {
        if self.research && venue == VenueKind::Real {
            return Err(ReleaseError::ResearchProfile);
        }
        if now > self.valid_until {
            return Err(ReleaseError::Expired { valid_until: self.valid_until, now });
        }
        Ok(self.spec)
    }

    /// The same as one value.
    #[must_use]
    pub(crate) const fn as_record(&self) -> ApprovedRecord {
        let (spec, class, research, valid_until) = self.record();
        ApprovedRecord { spec, class, research, valid_until }
    }

    /// The plain data that a journal keeps. It never becomes an approval again.
    #[must_use]
    pub(crate) const fn record(&self) -> (OrderSpec, OrderClass, bool, UnixNanos) {
        (self.spec, self.class, self.research, self.valid_until)
    }

    /// Appends the bytes of that plain data.
    #[inline]
    pub(crate) fn put_record(&self, out: &mut Vec<u8>) {
        let mut rest = Pack::<10>::new();
        rest.u8(self.class as u8).bool(self.research).field(self.valid_until.0.to_le_bytes());
        self.spec.put(out);
        rest.put(out);
    }
}

/// An approval as plain data, for journals and comparisons. It never becomes an approval again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovedRecord {
    /// The order.
    pub spec: OrderSpec,
    /// What it did to risk.
    pub class: OrderClass,
    /// Whether it was approved under research limits.
    pub research: bool,
    /// Until when the approval held.
    pub valid_until: UnixNanos,
}

stored_struct!(ApprovedRecord { spec, class, research, valid_until });

impl Digestible for Approved {
    fn digest(&self, d: &mut Digest) {
        self.spec.digest(d);
        d.word(self.class as u64 | u64::from(self.research) << 8);
        d.word(self.valid_until.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use domain::{AccountId, InstrumentIdx, OrderQuantity, OrderType, Quantity, Side, StrategyIdx, TimeInForce};

    fn approve(profile: &Profile) -> Approved {
        let spec = OrderSpec {
            client_id: ClientOrderId::new(AccountId(0), 1, 1),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(Quantity::from_units(1)),
            time_in_force: TimeInForce::Gtc,
            account: AccountId(0),
            instrument: InstrumentIdx(0),
            strategy: StrategyIdx(0),
            side: Side::Buy,
            post_only: false,
            reduce_only: false,
        };
        Approved::new(spec, OrderClass::Entry, profile, UnixNanos(100))
    }

    #[test]
    fn a_real_venue_never_gets_an_order_of_a_research_run() {
        let limits = Limits::default();
        for profile in [Profile::Research(limits), Profile::Off] {
            assert_eq!(approve(&profile).release(UnixNanos(1), VenueKind::Real), Err(ReleaseError::ResearchProfile));
            assert!(approve(&profile).release(UnixNanos(1), VenueKind::Simulated).is_ok());
        }
        assert!(approve(&Profile::standard()).release(UnixNanos(1), VenueKind::Real).is_ok());
    }

    #[test]
    fn an_approval_runs_out() {
        let profile = Profile::standard();
        assert!(approve(&profile).release(UnixNanos(100), VenueKind::Real).is_ok());
        let late = approve(&profile).release(UnixNanos(101), VenueKind::Simulated);
        assert_eq!(late, Err(ReleaseError::Expired { valid_until: UnixNanos(100), now: UnixNanos(101) }));
    }
}
