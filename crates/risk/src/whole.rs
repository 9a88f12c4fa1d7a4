//! An entry that is worked in parts: what was validated, and how much of it was approved as a whole.
//!
//! In:  a validated signal whose whole quantity passed the gate ([`crate::Gate::check_whole`]); what its parts have filled.
//! Out: parts as [`Validated`], each of which goes through the gate again, sized to itself.
//! No part may be larger than what is left of the whole, and none may pay a worse price than the signal allowed.

use crate::deny_reason::{DenyReason, Refusal};
use crate::validate::{Validated, validate};
use domain::codec::Stored;
use domain::{Digest, Digestible, Entry, Intent, Quantity, Signal, SizeRequest};

/// An entry that passed the gate as a whole. Only the gate makes one, and it cannot be copied: what it allows is used up once.
#[derive(Debug, PartialEq)]
pub struct Whole {
    validated: Validated,
    approved: Quantity,
    left: Quantity,
}

impl Whole {
    pub(crate) const fn new(validated: Validated, approved: Quantity) -> Self {
        Self { validated, approved, left: approved }
    }

    /// `None` where more would be left than was approved.
    pub(crate) fn restored(validated: Validated, approved: Quantity, left: Quantity) -> Option<Self> {
        (left >= Quantity::ZERO && left <= approved).then_some(Self { validated, approved, left })
    }

    /// The signal.
    #[must_use]
    pub const fn signal(&self) -> &Signal {
        self.validated.signal()
    }

    /// How much was approved.
    #[must_use]
    pub const fn approved(&self) -> Quantity {
        self.approved
    }

    /// How much of that is not filled.
    #[must_use]
    pub const fn left(&self) -> Quantity {
        self.left
    }

    /// A part of it, to be checked by the gate.
    ///
    /// # Errors
    /// [`DenyReason::OrderVolume`] for more than is left, [`DenyReason::PriceCollar`] for a price that the signal does not allow.
    pub fn part(&self, quantity: Quantity, entry: Entry) -> Result<Validated, Refusal> {
        if quantity > self.left {
            return Err(Refusal::over(DenyReason::OrderVolume, quantity.to_f64(), self.left.to_f64()));
        }
        let signal = self.signal();
        let allowed = match (signal.entry, entry) {
            (Entry::Market, _) => true,
            // What waits to be set off is not worked in parts, and no part of a limit goes without one.
            (Entry::Stop(_), _) | (Entry::Limit(_), Entry::Market | Entry::Stop(_)) => false,
            (Entry::Limit(worst), Entry::Limit(price)) if signal.intent == Intent::EnterShort => price >= worst,
            (Entry::Limit(worst), Entry::Limit(price)) => price <= worst,
        };
        if !allowed {
            return Err(Refusal::because(DenyReason::PriceCollar));
        }
        validate(&Signal { size: SizeRequest::Base(quantity), entry, ..*signal })
    }

    /// Parts of it filled this much.
    pub fn filled(&mut self, quantity: Quantity) {
        self.left = self.left.checked_sub(quantity).map_or(Quantity::ZERO, |left| left.max(Quantity::ZERO));
    }

    /// Appends it to a snapshot. It comes back through [`crate::Restorer::whole`] alone.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.signal().put(out);
        self.approved.put(out);
        self.left.put(out);
    }
}

impl Digestible for Whole {
    fn digest(&self, d: &mut Digest) {
        self.signal().digest(d);
        d.wide(self.approved.raw());
        d.wide(self.left.raw());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;
    use crate::stage::Stage;
    use domain::{InstrumentIdx, OrderQuantity};

    fn quantity(text: &str) -> Quantity {
        testkit::quantity(text)
    }

    #[test]
    fn parts_are_never_more_than_what_is_left_of_the_whole() {
        let stage = Stage::limited();
        let mut whole = Whole::new(validate(&stage.long(InstrumentIdx(0), "3")).unwrap(), quantity("2"));
        assert_eq!(whole.part(quantity("2.1"), Entry::Market).unwrap_err().reason, DenyReason::OrderVolume);
        let part = whole.part(quantity("1.5"), Entry::Market).unwrap();
        assert_eq!(part.signal().size, SizeRequest::Base(quantity("1.5")));
        whole.filled(quantity("1.5"));
        assert_eq!(whole.left(), quantity("0.5"));
        assert!(whole.part(quantity("0.6"), Entry::Market).is_err());
        // A late fill beyond it leaves nothing, never less.
        whole.filled(quantity("0.7"));
        assert_eq!((whole.left(), whole.approved()), (Quantity::ZERO, quantity("2")));
        assert_eq!(whole.part(Quantity::ZERO, Entry::Market).unwrap_err().reason, DenyReason::SignalInvalid);
    }

    #[test]
    fn no_part_pays_a_worse_price_than_the_signal_allows() {
        let stage = Stage::limited();
        let price = testkit::price;
        let of = |intent, entry| {
            let signal = Signal { intent, entry, ..stage.long(InstrumentIdx(0), "3") };
            Whole::new(validate(&signal).unwrap(), quantity("3"))
        };
        let one = quantity("1");
        let long = of(Intent::EnterLong, Entry::Limit(price("100")));
        assert!(long.part(one, Entry::Limit(price("99.5"))).is_ok());
        for worse in [Entry::Limit(price("100.5")), Entry::Market] {
            assert_eq!(long.part(one, worse).unwrap_err().reason, DenyReason::PriceCollar);
        }
        let short = of(Intent::EnterShort, Entry::Limit(price("100")));
        assert!(short.part(one, Entry::Limit(price("100"))).is_ok());
        assert!(short.part(one, Entry::Limit(price("99.5"))).is_err());
        assert!(of(Intent::EnterLong, Entry::Market).part(one, Entry::Limit(price("500"))).is_ok());
    }

    #[test]
    fn the_whole_is_checked_and_reserves_nothing() {
        let mut stage = Stage::new(Profile::standard());
        let btc = stage.spot("BTCUSDT");
        stage.mark(btc, 100);
        // 200 of 10,000 with the fee of 0.1 %, as a quantity: 200 / 100.1.
        let cap = stage.signal(Intent::EnterLong, btc, SizeRequest::Cap);
        let whole = stage.whole(&cap).unwrap();
        assert_eq!(whole.approved(), quantity("1.998001"));
        assert_eq!(stage.gate.exposure().pending_total(crate::stage::ACCOUNT), domain::Money::ZERO);
        let refused = stage.whole(&stage.long(btc, "3")).unwrap_err();
        assert_eq!(refused.reason, DenyReason::PositionSize);
        // A part is sized to itself, and is an order like any other.
        let part = whole.part(quantity("0.5"), Entry::Market).unwrap();
        let entry = stage.enter(part.signal()).unwrap();
        assert_eq!(entry.spec.quantity, OrderQuantity::Base(quantity("0.5")));
    }
}
