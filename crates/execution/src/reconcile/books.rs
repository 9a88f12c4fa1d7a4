//! Our books as they were at an instant of the venue's clock, and what differs from the venue's.
//!
//! In:  what was booked, with the venue's time of it; an answer of the venue.
//! Out: the balances and positions that differ, those that count from now on and those that are over.
//! An answer speaks of an instant: what was booked of a later one is taken off before the two are compared. A difference counts when it is seen
//! in several answers in a row, by the same amount.

use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountId, AssetIdx, Difference, DifferenceKind, Digest, Digestible, InstrumentIdx, InstrumentKind,
    InstrumentTable, Money, Quantity, UnixNanos, VenueState, stored_enum, stored_struct,
};
use portfolio::{FillEffect, Portfolio};
use std::collections::VecDeque;

/// How many bookings are kept.
const KEPT: usize = 2_048;

/// What a booking changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A balance.
    Asset(AssetIdx),
    /// A position in a perpetual.
    Position(InstrumentIdx),
}

#[derive(Clone, Copy, Debug)]
struct Booking {
    ts_event: UnixNanos,
    account: AccountId,
    subject: Subject,
    amount: i128,
}

/// The latest bookings, in the order in which they were made.
#[derive(Clone, Debug)]
pub struct Books {
    recent: VecDeque<Booking>,
    /// The latest time of those that had to leave.
    forgotten: Option<UnixNanos>,
}

impl Default for Books {
    fn default() -> Self {
        Self { recent: VecDeque::with_capacity(KEPT), forgotten: None }
    }
}

/// A difference that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    subject: Subject,
    /// Theirs less ours.
    amount: i128,
    /// In how many answers in a row, by this amount.
    seen: u8,
    /// Whether it counts.
    pub(super) counts: bool,
}

impl Books {
    /// An execution was booked that happened at `ts_event`.
    pub fn on_fill(
        &mut self,
        ts_event: UnixNanos,
        account: AccountId,
        (instrument, signed): (InstrumentIdx, i128),
        effect: &FillEffect,
    ) {
        for posting in effect.postings.as_slice() {
            let subject = Subject::Asset(posting.asset);
            self.note(Booking { ts_event, account, subject, amount: posting.amount.raw() });
        }
        self.note(Booking { ts_event, account, subject: Subject::Position(instrument), amount: signed });
    }

    /// Money was booked that moved at `ts_event` without an execution.
    pub fn on_money(&mut self, ts_event: UnixNanos, account: AccountId, asset: AssetIdx, amount: Money) {
        self.note(Booking { ts_event, account, subject: Subject::Asset(asset), amount: amount.raw() });
    }

    fn note(&mut self, booking: Booking) {
        if self.recent.len() == KEPT {
            self.forgotten = self.forgotten.max(self.recent.pop_front().map(|gone| gone.ts_event));
        }
        self.recent.push_back(booking);
    }

    /// Whether all that was booked of later instants is known.
    pub(super) fn reach_back_to(&self, as_of: UnixNanos) -> bool {
        self.forgotten.is_none_or(|until| until <= as_of)
    }

    /// What was booked of later instants than that of the answer.
    fn later(&self, account: AccountId, as_of: UnixNanos, subject: Subject) -> i128 {
        (self.recent.iter())
            .filter(|b| b.ts_event > as_of && b.account == account && b.subject == subject)
            .fold(0, |sum: i128, b| sum.saturating_add(b.amount))
    }

    /// Whether something of an account was booked that happened after an answer's instant.
    pub(super) fn went_on(&self, account: AccountId, as_of: UnixNanos) -> bool {
        self.recent.iter().any(|b| b.ts_event > as_of && b.account == account)
    }

    /// Positions whose cost the venue reckons in another way, where that is all that its settle asset differs by: executions became known here in
    /// another order than they happened. Appends what each cost there.
    pub(super) fn cost_bases(
        &self,
        state: &VenueState,
        portfolio: &Portfolio,
        table: &InstrumentTable,
        out: &mut Vec<(InstrumentIdx, Money)>,
    ) {
        let account = state.account;
        if self.went_on(account, state.as_of) {
            // Ours of that instant are not known any more: another answer will come.
            return;
        }
        for (asset, _) in (0..=u16::MAX).zip(table.assets()) {
            let asset = AssetIdx(asset);
            let theirs = state.balances.iter().find(|(of, _)| *of == asset).map_or(0, |(_, amount)| amount.raw());
            let balance = theirs.saturating_sub(portfolio.balance(account, asset).raw());
            let (from, mut sum) = (out.len(), 0_i128);
            let perpetual = |i: &&domain::Instrument| i.kind == InstrumentKind::LinearPerpetual && i.settle == asset;
            for instrument in table.instruments().iter().filter(perpetual) {
                let idx = instrument.idx;
                let theirs = state.positions.iter().find(|p| p.instrument == idx).map(|p| (p.quantity, p.cost));
                let (quantity, cost) = theirs.unwrap_or((Quantity::ZERO, Money::ZERO));
                let ours = portfolio.net_position(account, idx);
                if ours.quantity == quantity && ours.cost != cost {
                    sum = sum.saturating_add(cost.raw().saturating_sub(ours.cost.raw()));
                    out.push((idx, cost));
                }
            }
            if sum != balance {
                out.truncate(from);
            }
        }
    }

    /// Compares an answer, and keeps what differs in `differs`.
    pub(super) fn compare(
        &self,
        state: &VenueState,
        portfolio: &Portfolio,
        table: &InstrumentTable,
        states: u8,
        differs: &mut Vec<Standing>,
        out: &mut Vec<Difference>,
    ) {
        let account = state.account;
        let mut look = |subject: Subject, ours: i128, theirs: i128| {
            let ours = ours.saturating_sub(self.later(account, state.as_of, subject));
            let amount = theirs.saturating_sub(ours);
            let at = differs.iter().position(|standing| standing.subject == subject);
            let told = |kind| difference(kind, account, subject, ours, theirs);
            match (amount, at) {
                (0, None) => {}
                (0, Some(at)) => {
                    if differs.remove(at).counts {
                        out.push(told(DifferenceKind::Agreed));
                    }
                }
                (amount, at) => {
                    let at = at.unwrap_or_else(|| {
                        differs.push(Standing { subject, amount, seen: 0, counts: false });
                        differs.len() - 1
                    });
                    let standing = &mut differs[at];
                    if standing.amount == amount {
                        standing.seen = standing.seen.saturating_add(1);
                    } else {
                        // By another amount: it is another one, and has to be seen anew.
                        (standing.amount, standing.seen, standing.counts) = (amount, 1, false);
                    }
                    if standing.seen >= states && !standing.counts {
                        standing.counts = true;
                        out.push(told(match subject {
                            Subject::Asset(_) => DifferenceKind::Balance,
                            Subject::Position(_) => DifferenceKind::Position,
                        }));
                    }
                }
            }
        };
        // How money is divided between the balance and the cost of positions follows from the order of executions: while more of them came in than the
        // answer speaks of, the two cannot be compared.
        let went_on = self.went_on(account, state.as_of);
        let settles = |asset: AssetIdx| {
            let mut perpetuals = table.instruments().iter().filter(|i| i.kind == InstrumentKind::LinearPerpetual);
            perpetuals.any(|i| i.settle == asset)
        };
        for (asset, _) in (0..=u16::MAX).zip(table.assets()) {
            let asset = AssetIdx(asset);
            if went_on && settles(asset) {
                continue;
            }
            let theirs = state.balances.iter().find(|(of, _)| *of == asset).map_or(Money::ZERO, |(_, amount)| *amount);
            look(Subject::Asset(asset), portfolio.balance(account, asset).raw(), theirs.raw());
        }
        for instrument in table.instruments().iter().filter(|i| i.kind == InstrumentKind::LinearPerpetual) {
            let idx = instrument.idx;
            let theirs = state.positions.iter().find(|p| p.instrument == idx).map_or(0, |p| p.quantity.raw());
            look(Subject::Position(idx), portfolio.net_quantity(account, idx).raw(), theirs);
        }
    }
}

fn difference(kind: DifferenceKind, account: AccountId, subject: Subject, ours: i128, theirs: i128) -> Difference {
    let (asset, instrument) = match subject {
        Subject::Asset(asset) => (Some(asset), None),
        Subject::Position(instrument) => (None, Some(instrument)),
    };
    let (ours, theirs) = (Money::from_raw(ours), Money::from_raw(theirs));
    Difference { kind, account, instrument, asset, order: None, ours, theirs }
}

stored_enum!(Subject, "what differs from the venue" { 1 => Asset(asset), 2 => Position(instrument) });
stored_struct!(Booking { ts_event, account, subject, amount });
stored_struct!(Standing { subject, amount, seen, counts });

/// For snapshots.
impl Books {
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        (self.recent.len() as u64).put(out);
        self.recent.iter().for_each(|booking| booking.put(out));
        self.forgotten.put(out);
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        let recent = Vec::<Booking>::take(from)?;
        if recent.len() > KEPT {
            return Err(CodecError::Invalid { what: "what was booked last" });
        }
        self.recent.clear();
        self.recent.extend(recent);
        self.forgotten = Stored::take(from)?;
        Ok(())
    }
}

fn subject_digest(subject: Subject, d: &mut Digest) {
    d.word(match subject {
        Subject::Asset(asset) => 1 | u64::from(asset.0) << 8,
        Subject::Position(instrument) => 2 | u64::from(instrument.0) << 8,
    });
}

impl Digestible for Standing {
    fn digest(&self, d: &mut Digest) {
        subject_digest(self.subject, d);
        d.wide(self.amount);
        d.word(u64::from(self.seen) | u64::from(self.counts) << 8);
    }
}

impl Digestible for Books {
    fn digest(&self, d: &mut Digest) {
        for booking in &self.recent {
            subject_digest(booking.subject, d);
            d.word(booking.ts_event.0);
            d.word(u64::from(booking.account.0));
            d.wide(booking.amount);
        }
        d.word(self.forgotten.map_or(u64::MAX, |at| at.0));
    }
}
