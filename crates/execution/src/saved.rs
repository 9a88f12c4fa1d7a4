//! The desk's state as bytes, and its digest.
//!
//! In:  a desk between two steps; the bytes of a snapshot with what the loaded gate gives back.
//! Out: the same desk. What waits for time goes on waiting for the same instants.

use crate::desk::{Alarm, Desk};
use crate::group::Groups;
use crate::orders::Orders;
use crate::parents::Parents;
use domain::codec::{CodecError, Reader, Stored, put_all, put_version};
use domain::{Digest, Digestible, stored_enum};
use risk::Restorer;

const VERSION: u32 = 3;
const WHAT: &str = "the desk";

/// For snapshots.
impl Desk {
    /// Appends the desk to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        self.epoch.put(out);
        self.policy.confirm_within.put(out);
        self.policy.slippage.put(out);
        self.asking.map(|asking| (asking.answer_within, asking.grace, asking.denials)).put(out);
        self.policy.lists.put(out);
        self.next_ordinal.put(out);
        self.orders.save(out);
        self.plans.put(out);
        self.closing.put(out);
        self.ended.put(out);
        self.executions.save(out);
        self.venue_ids.save(out);
        self.standing.put(out);
        self.unsent.put(out);
        self.parts.put(out);
        self.groups.save(out);
        self.alerted.put(out);
        self.armed.put(out);
        put_all(&self.waiting, out, |waiting, out| waiting.signal().put(out));
        self.parents.save(out);
    }

    /// Takes over a saved desk. What its orders held of the limits and what had been validated comes back through `restorer`, which the
    /// loading of the gate gave. After an error neither may be used any more.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] for an earlier epoch, else [`CodecError`] for bytes that no desk wrote or that do not agree with the gate.
    pub fn load(&mut self, from: &mut Reader<'_>, mut restorer: Restorer) -> Result<(), CodecError> {
        from.version(WHAT, VERSION)?;
        let epoch = u32::take(from)?;
        if epoch < self.epoch {
            return Err(CodecError::Parameter { what: "the epoch of orders" });
        }
        // A later one was begun since the desk was made.
        self.epoch = epoch;
        from.same(&self.policy.confirm_within, "how long the venue may take to confirm a stop")?;
        from.same(&self.policy.slippage, "the slippage that stops are allowed")?;
        let asking = self.asking.map(|asking| (asking.answer_within, asking.grace, asking.denials));
        from.same(&asking, "how orders are followed whose answers stay away")?;
        from.same(&self.policy.lists, "whether the venue holds pairs of orders")?;
        self.next_ordinal = from.u64()?;
        self.orders = Orders::load(from, &mut restorer, (self.epoch, self.next_ordinal))?;
        self.plans = Stored::take(from)?;
        self.closing = Stored::take(from)?;
        self.ended = Stored::take(from)?;
        self.executions.load(from)?;
        self.venue_ids.load(from, "the venue's numbers of orders")?;
        self.standing = Stored::take(from)?;
        self.unsent = Stored::take(from)?;
        self.parts = Stored::take(from)?;
        self.groups = Groups::load(from, &mut restorer)?;
        self.alerted = Stored::take(from)?;
        self.armed = Stored::take(from)?;
        self.waiting.clear();
        for _ in 0..from.count()? {
            self.waiting.push(restorer.validated(from)?);
        }
        self.parents = Parents::load(from, &restorer)?;
        restorer.finish()
    }
}

stored_enum!(Alarm, "an alarm" {
    1 => UnknownOrder(id),
    2 => Illegal(id, error),
    3 => ReductionRejected(id, reason),
    4 => EndedByVenue(id),
    5 => Unprotected(reason),
    6 => Overfilled(id),
    7 => VenueIdReused(id, venue_id),
});

impl Digestible for Desk {
    fn digest(&self, d: &mut Digest) {
        self.orders.digest(d);
        self.plans.digest(d);
        self.closing.digest(d);
        self.ended.digest(d);
        self.executions.digest(d);
        for (number, id) in self.venue_ids.iter() {
            d.wide(*number as i128);
            d.wide(id.raw() as i128);
        }
        self.standing.digest(d);
        self.unsent.digest(d);
        self.parts.digest(d);
        self.groups.digest(d);
        for key in &self.alerted {
            d.word(u64::from(key.0.0) | u64::from(key.1.0) << 16 | u64::from(key.2.0) << 32);
        }
        self.armed.iter().for_each(|at| d.word(at.0));
        for waiting in &self.waiting {
            waiting.signal().digest(d);
        }
        self.parents.digest(d);
        d.word(self.next_ordinal);
        d.word(u64::from(self.epoch));
    }
}
