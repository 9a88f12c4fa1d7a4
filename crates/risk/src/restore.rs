//! The gate's state as bytes, and the one way back: what a snapshot holds becomes a [`Reservation`] or a [`Validated`] again only here.
//!
//! In:  the bytes of a snapshot whose checksum the store has verified, read into a gate that was freshly made with the same limits.
//! Out: the gate as it was, and a [`Restorer`] through which whoever tracks the orders gets back what they held.
//!
//! The door stays shut: a [`Restorer`] comes from the loading of a gate alone. It hands out exactly the reservations that the loaded
//! exposure counts, each once, and a signal is validated again before it is [`Validated`] again. An [`Approved`](crate::Approved) is never
//! saved, for none outlives its step; neither of the three can be read by the codec otherwise.

use crate::check::Restricted;
use crate::exposure::{Exposure, Reservation};
use crate::gate::Gate;
use crate::limits::{Limits, Profile};
use crate::validate::{Validated, validate};
use crate::whole::Whole;
use domain::codec::{CodecError, Reader, Stored, put_bytes, put_version};
use domain::{Money, Signal};

const VERSION: u32 = 2;
const WHAT: &str = "the gate";

impl Gate {
    /// Appends the gate to a snapshot: its limits, for comparison, and its state.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        save_profile(&self.configured, out);
        if let Some(limits) = self.profile.limits() {
            limits.put(out);
        }
        self.exposure.save(out);
        self.correlation.save(out);
        self.clamps.save(out);
        self.sharers.put(out);
        self.restricted.put(out);
        self.budget.put(out);
        self.throttle.put(out);
        self.breaches.put(out);
        self.alerts.put(out);
    }

    /// Takes over a saved gate, and hands out the restorer for what orders hold of it. After an error this one must not be used any more.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] names what differs in the limits; [`CodecError::Invalid`] where this gate is not fresh or the bytes are
    /// those of no gate.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<Restorer, CodecError> {
        from.version(WHAT, VERSION)?;
        compare_profile(&self.configured, from)?;
        if !self.exposure.is_unused() {
            return Err(CodecError::Invalid {
                what: "a fresh gate: this one has approved orders, which a load would forget",
            });
        }
        if self.configured.limits().is_some() {
            let tighter = self.configured.with_tighter(Limits::take(from)?);
            self.profile = tighter.ok_or(CodecError::Invalid { what: "the limits in force" })?;
        }
        self.exposure = Exposure::load(from)?;
        self.correlation.load(from)?;
        self.clamps.load(from)?;
        let saved = Vec::<u32>::take(from)?;
        // Strategies joined before loading, instruments may be defined after it: what is there must agree.
        if saved.len() < self.sharers.len() || self.sharers.iter().zip(&saved).any(|(mine, theirs)| mine != theirs) {
            return Err(CodecError::Parameter { what: "which strategies trade which instruments" });
        }
        self.sharers = saved;
        let restricted = Restricted::take(from)?;
        if !restricted.covers(&self.restricted) {
            return Err(CodecError::Parameter { what: "the restricted list" });
        }
        self.restricted = restricted;
        self.budget = Stored::take(from)?;
        self.throttle = Stored::take(from)?;
        self.breaches = Stored::take(from)?;
        self.alerts = Stored::take(from)?;
        Ok(Restorer { unclaimed: self.exposure.clone(), next: 0 })
    }
}

/// Gives back what was held when the snapshot was taken.
#[derive(Debug)]
pub struct Restorer {
    /// What the loaded exposure counts and no order has claimed yet.
    unclaimed: Exposure,
    /// Where the next claim is probably counted: orders come in the order in which their entries were made.
    next: usize,
}

impl Restorer {
    /// Reads a reservation back. It must be part of what the loaded gate counts.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] where the gate counts less than it claims.
    pub fn reservation(&mut self, from: &mut Reader<'_>) -> Result<Reservation, CodecError> {
        let reservation = Reservation::read(from)?;
        if self.unclaimed.claim(&reservation, &mut self.next) {
            Ok(reservation)
        } else {
            Err(CodecError::Invalid { what: "a reservation" })
        }
    }

    /// Reads a signal that had been validated, and validates it again.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] where it would not pass.
    pub fn validated(&self, from: &mut Reader<'_>) -> Result<Validated, CodecError> {
        validate(&Signal::take(from)?).map_err(|_| CodecError::Invalid { what: "a validated signal" })
    }

    /// Reads an entry that is worked in parts, and validates its signal again.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] where it would not pass, or more would be left of it than was approved.
    pub fn whole(&self, from: &mut Reader<'_>) -> Result<Whole, CodecError> {
        let (validated, approved, left) = (self.validated(from)?, Stored::take(from)?, Stored::take(from)?);
        Whole::restored(validated, approved, left).ok_or(CodecError::Invalid { what: "an entry that is worked" })
    }

    /// All orders have been read.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] where the gate counts more than the orders hold.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.unclaimed.is_zero() {
            Ok(())
        } else {
            Err(CodecError::Invalid { what: "the exposure of orders on their way" })
        }
    }
}

fn save_profile(profile: &Profile, out: &mut Vec<u8>) {
    put_bytes(profile.name().as_bytes(), out);
    if let Some(limits) = profile.limits() {
        limits.put(out);
    }
}

/// Compares the limits field by field, so that the error can name the one that differs.
fn compare_profile(profile: &Profile, from: &mut Reader<'_>) -> Result<(), CodecError> {
    if from.bytes()? != profile.name().as_bytes() {
        return Err(CodecError::Parameter { what: "the profile of the limits" });
    }
    profile.limits().map_or(Ok(()), |limits| limits.same(from))
}

impl Exposure {
    fn is_zero(&self) -> bool {
        self.entries().all(|(notional, orders)| notional == Money::ZERO && orders == 0)
            && self.funds().all(|funds| funds == Money::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Intent, SizeRequest};

    fn saved(stage: &Stage) -> Vec<u8> {
        let mut out = Vec::new();
        stage.gate.save(&mut out);
        out
    }

    fn fresh() -> Gate {
        let mut gate = Gate::new(Profile::standard());
        gate.add_sharer(InstrumentIdx(0));
        gate
    }

    /// A gate with one approved entry, and the bytes of its reservation.
    fn with_entry() -> (Stage, Vec<u8>) {
        let mut stage = Stage::limited();
        let entry = stage.enter(&stage.signal(Intent::EnterShort, InstrumentIdx(0), SizeRequest::Cap)).unwrap();
        let held = entry.reservation.packed().to_vec();
        (stage, held)
    }

    #[test]
    fn what_orders_hold_comes_back_once_and_whole() {
        let (stage, held) = with_entry();
        let bytes = saved(&stage);
        let mut gate = fresh();
        let mut from = Reader::new(&bytes);
        let mut restorer = gate.load(&mut from).unwrap();
        from.finish().unwrap();
        let reservation = restorer.reservation(&mut Reader::new(&held)).unwrap();
        assert_eq!(
            restorer.reservation(&mut Reader::new(&held)).unwrap_err(),
            CodecError::Invalid { what: "a reservation" },
            "a second one of the same order is not counted by the gate"
        );
        restorer.finish().unwrap();
        gate.release(reservation);
        assert!(gate.exposure().is_zero());
    }

    #[test]
    fn exposure_that_no_order_claims_is_refused() {
        let (stage, _) = with_entry();
        let error = fresh().load(&mut Reader::new(&saved(&stage))).unwrap().finish().unwrap_err();
        assert_eq!(error, CodecError::Invalid { what: "the exposure of orders on their way" });
    }

    #[test]
    fn a_signal_is_validated_again() {
        let (stage, _) = with_entry();
        let restorer = fresh().load(&mut Reader::new(&saved(&stage))).unwrap();
        let good = stage.signal(Intent::EnterLong, InstrumentIdx(0), SizeRequest::Cap);
        let mut bytes = Vec::new();
        good.put(&mut bytes);
        assert_eq!(*restorer.validated(&mut Reader::new(&bytes)).unwrap().signal(), good);
        bytes.clear();
        Signal { confidence: f64::NAN, ..good }.put(&mut bytes);
        let error = restorer.validated(&mut Reader::new(&bytes)).unwrap_err();
        assert_eq!(error, CodecError::Invalid { what: "a validated signal" });
    }

    #[test]
    fn an_entry_that_is_worked_comes_back_with_no_more_than_was_approved() {
        let mut stage = Stage::limited();
        let bytes = saved(&stage);
        let restorer = fresh().load(&mut Reader::new(&bytes)).unwrap();
        let mut whole = stage.whole(&stage.long(InstrumentIdx(0), "1")).unwrap();
        whole.filled(testkit::quantity("0.25"));
        let mut held = Vec::new();
        whole.save(&mut held);
        assert_eq!(restorer.whole(&mut Reader::new(&held)), Ok(whole));
        // The last sixteen bytes are what is left.
        let at = held.len() - 16;
        held[at..].copy_from_slice(&testkit::quantity("1.000001").raw().to_le_bytes());
        let error = restorer.whole(&mut Reader::new(&held)).unwrap_err();
        assert_eq!(error, CodecError::Invalid { what: "an entry that is worked" });
    }

    #[test]
    fn other_limits_and_used_gates_are_refused() {
        let (mut stage, _) = with_entry();
        let bytes = saved(&stage);
        let hard = Limits::default();
        for (profile, what) in [
            (Profile::Off, "the profile of the limits"),
            (Profile::Research(hard), "the profile of the limits"),
            (
                Profile::Standard(crate::StandardLimits::tightened(Limits { positions_max: 9, ..hard }).unwrap()),
                "limit positions_max",
            ),
            (Profile::standard().with_price_age(900), "limit price_age_max_s"),
        ] {
            let error = Gate::new(profile).load(&mut Reader::new(&bytes)).unwrap_err();
            assert_eq!(error, CodecError::Parameter { what });
        }
        let mut shared = fresh();
        shared.add_sharer(InstrumentIdx(0));
        let error = shared.load(&mut Reader::new(&bytes)).unwrap_err();
        assert_eq!(error, CodecError::Parameter { what: "which strategies trade which instruments" });
        assert!(stage.gate.load(&mut Reader::new(&bytes)).unwrap_err().to_string().contains("fresh gate"));
    }
}
