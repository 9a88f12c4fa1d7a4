//! Groups as bytes, and their digest. What legs that wait hold of the limits comes back through the restorer alone.

use super::{Group, Groups, LegState, OVER_MAX, Phase, Stage};
use domain::codec::{CodecError, Reader, Stored, put_all};
use domain::{Digest, Digestible, GroupKind, LEGS_MAX, stored_enum};
use risk::Restorer;

stored_enum!(Phase, "where a leg is" { 1 => Waiting, 2 => Working, 3 => Filled, 4 => Ended });
stored_enum!(Stage, "what is done about a group" { 1 => Working, 2 => Completing, 3 => Unwinding, 4 => Withdrawn });

const INVALID: CodecError = CodecError::Invalid { what: "a group of orders" };

impl LegState {
    fn put(&self, out: &mut Vec<u8>) {
        self.leg.put(out);
        self.phase.put(out);
        (self.orders[0], self.orders[1]).put(out);
        self.asked.put(out);
        (self.most, self.filled).put(out);
        (self.reduced, self.told).put(out);
        self.cost.put(out);
        (self.closing, self.closed).put(out);
        self.retry.put(out);
        self.held.is_some().put(out);
        if let Some(held) = &self.held {
            out.extend_from_slice(&held.packed());
        }
    }

    fn take(from: &mut Reader<'_>, restorer: &mut Restorer) -> Result<Self, CodecError> {
        let (leg, phase) = (Stored::take(from)?, Phase::take(from)?);
        let (latest, before) = Stored::take(from)?;
        let asked = Stored::take(from)?;
        let (most, filled) = Stored::take(from)?;
        let (reduced, told) = Stored::take(from)?;
        let cost = Stored::take(from)?;
        let (closing, closed) = Stored::take(from)?;
        let retry = Stored::take(from)?;
        let held = if from.bool()? { Some(restorer.reservation(from)?) } else { None };
        let state = Self {
            leg,
            phase,
            orders: [latest, before],
            asked,
            most,
            filled,
            reduced,
            told,
            cost,
            held,
            closing,
            closed,
            retry,
        };
        // A leg that waits holds something of the limits, and no other does.
        if (phase == Phase::Waiting) == state.held.is_some() { Ok(state) } else { Err(INVALID) }
    }
}

impl Group {
    fn put(&self, out: &mut Vec<u8>) {
        self.number.put(out);
        self.kind.put(out);
        self.stage.put(out);
        (self.account, self.strategy).put(out);
        self.confidence.put(out);
        self.tag.put(out);
        (self.chosen, self.triggered).put(out);
        self.deadline.put(out);
        self.stopped.put(out);
        (self.legs().count() as u64).put(out);
        self.legs().for_each(|leg| leg.put(out));
    }

    fn take(from: &mut Reader<'_>, restorer: &mut Restorer) -> Result<Self, CodecError> {
        let (number, kind, stage) = (from.u64()?, GroupKind::take(from)?, Stage::take(from)?);
        let (account, strategy) = Stored::take(from)?;
        let (confidence, tag) = (f64::take(from)?, u32::take(from)?);
        let (chosen, triggered): (Option<u8>, Option<u8>) = Stored::take(from)?;
        let deadline = Stored::take(from)?;
        let stopped = from.bool()?;
        let count = from.count()?;
        if count == 0 || count > LEGS_MAX || chosen.max(triggered).is_some_and(|at| usize::from(at) >= count) {
            return Err(INVALID);
        }
        let mut legs = [const { None }; LEGS_MAX];
        for slot in legs.iter_mut().take(count) {
            *slot = Some(LegState::take(from, restorer)?);
        }
        Ok(Self { number, kind, stage, account, strategy, confidence, tag, chosen, triggered, deadline, stopped, legs })
    }
}

/// For snapshots.
impl Groups {
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.next.put(out);
        put_all(&self.live, out, Group::put);
        (self.over.len() as u64).put(out);
        self.over.iter().for_each(|group| group.put(out));
    }

    pub(crate) fn load(from: &mut Reader<'_>, restorer: &mut Restorer) -> Result<Self, CodecError> {
        let mut groups = Self { next: from.u64()?, ..Self::default() };
        for _ in 0..from.count()? {
            groups.live.push(Group::take(from, restorer)?);
        }
        let over = from.count()?;
        if over > OVER_MAX {
            return Err(INVALID);
        }
        for _ in 0..over {
            groups.over.push_back(Group::take(from, restorer)?);
        }
        let numbers = groups.live.iter().chain(&groups.over).map(|group| group.number);
        if numbers.max().is_some_and(|number| number >= groups.next) { Err(INVALID) } else { Ok(groups) }
    }
}

impl Digestible for LegState {
    fn digest(&self, d: &mut Digest) {
        d.word(self.phase as u64);
        for id in self.orders.iter().chain([&self.closing, &self.closed]) {
            d.wide(id.map_or(-1, |id| id.raw() as i128));
        }
        d.wide(self.asked.map_or(-1, domain::Quantity::raw));
        for quantity in [self.most, self.filled, self.reduced, self.told] {
            d.wide(quantity.raw());
        }
        d.wide(self.cost.0.raw());
        d.wide(self.cost.1.raw());
        d.word(self.retry.map_or(u64::MAX, |at| at.0));
        if let Some(held) = &self.held {
            held.digest(d);
        }
    }
}

impl Digestible for Groups {
    fn digest(&self, d: &mut Digest) {
        d.word(self.next);
        for group in self.live.iter().chain(&self.over) {
            d.word(group.number);
            group.kind.digest(d);
            d.word(
                group.stage as u64
                    | u64::from(group.chosen.map_or(u8::MAX, |chosen| chosen)) << 8
                    | u64::from(group.stopped) << 16
                    | u64::from(group.triggered.map_or(u8::MAX, |triggered| triggered)) << 24
                    | u64::from(group.account.0) << 32
                    | u64::from(group.strategy.0) << 48,
            );
            d.float(group.confidence);
            d.word(u64::from(group.tag) | group.deadline.map_or(1 << 63, |at| at.0) << 1);
            for leg in group.legs() {
                group.signal(&leg.leg).digest(d);
                leg.leg.time_in_force.digest(d);
                leg.digest(d);
            }
        }
        d.word(self.live.len() as u64);
    }
}
