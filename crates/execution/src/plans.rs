//! The plans of positions: the stop and target that came with the entry, and what must be remembered of the position to keep them.
//!
//! In:  fills of entries, with their plan; prices, for stops that follow the best of them.
//! Out: the plan of a position, the best price since its entry, when its time is over.
//! Which orders that means is `protect`'s to say, and sending them is the desk's.

use crate::desk::Key;
use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, InstrumentIdx, Price, Side, StopPlan, UnixNanos, stored_struct};

/// The plan of one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whose, in what.
    pub key: Key,
    /// Where the stop goes.
    pub stop: Option<StopPlan>,
    /// Where profit is taken.
    pub target: Option<Price>,
    /// The best price since the first fill, a mantissa: the highest of a long position, the lowest of a short one.
    pub best: Option<i64>,
    /// The last price that was seen of it, a mantissa.
    pub last: Option<i64>,
    /// When the first fill was.
    pub since: Option<UnixNanos>,
    /// When the position has been held long enough.
    pub until: Option<UnixNanos>,
    /// By when the venue must have set the stop off, the market being beyond it.
    pub beyond_until: Option<UnixNanos>,
    /// Whether the venue cannot hold a stop that follows the price: the desk moves a fixed one.
    pub moved_by_us: bool,
    /// Whether the position was too small to be traded when it was last looked at. The price that made it so may have been a bad print, so the
    /// plan is kept; the first fill of another entry begins anew.
    pub faded: bool,
}

/// What about a position is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// It was held for as long as its plan allows.
    Held {
        /// Since when.
        since: UnixNanos,
    },
    /// The market is beyond its stop, and the venue has not set that off.
    Beyond,
}

/// Plans of all positions, in the order in which they were first made.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    plans: Vec<Plan>,
    /// How many plans with a stop there are in each instrument, so that prices of others cost nothing.
    stops: Vec<u32>,
}

impl Plans {
    /// An entry was filled: its plan replaces an older one of the position. The first fill begins its time.
    pub fn set(
        &mut self,
        key: Key,
        stop: Option<StopPlan>,
        target: Option<Price>,
        side: Side,
        (ts, price): (UnixNanos, i64),
    ) {
        let at = self.plans.iter().position(|p| p.key == key).unwrap_or_else(|| {
            let (best, last, since, until, beyond_until) = (None, None, None, None, None);
            self.plans.push(Plan {
                key,
                stop: None,
                target,
                best,
                last,
                since,
                until,
                beyond_until,
                moved_by_us: false,
                faded: false,
            });
            self.plans.len() - 1
        });
        let plan = &mut self.plans[at];
        if std::mem::replace(&mut plan.faded, false) {
            plan.begin_anew();
        }
        let had_stop = plan.stop.is_some();
        (plan.stop, plan.target) = (stop, target);
        let since = *plan.since.get_or_insert(ts);
        plan.until = stop.and_then(StopPlan::hold_max).map(|hold| since.saturating_add(hold));
        plan.follow(side, price, price);
        if stop.is_some() != had_stop {
            self.count(key.1, stop.is_some());
        }
    }

    /// Forgets the plan of a position.
    pub fn remove(&mut self, key: Key) {
        let Some(at) = self.plans.iter().position(|p| p.key == key) else { return };
        if self.plans.remove(at).stop.is_some() {
            self.count(key.1, false);
        }
    }

    /// The position is gone and may come back with what its entry still fills: its time and its best price begin anew then.
    pub fn begin_anew(&mut self, key: Key) {
        if let Some(plan) = self.get_mut(key) {
            plan.begin_anew();
        }
    }

    /// The position is too small to be traded at the present price, or no longer.
    pub fn fade(&mut self, key: Key, faded: bool) {
        if let Some(plan) = self.get_mut(key) {
            plan.faded = faded;
        }
    }

    /// Forgets the stop of a position: the venue will not hold it.
    pub fn drop_stop(&mut self, key: Key) {
        if let Some(plan) = self.get_mut(key)
            && plan.stop.take().is_some()
        {
            plan.beyond_until = None;
            self.count(key.1, false);
        }
    }

    /// The venue cannot hold a stop that follows the price. Whether that is news, and another way is left.
    pub fn move_by_us(&mut self, key: Key) -> bool {
        let trails = self.get_mut(key).filter(|plan| plan.stop.is_some_and(|stop| stop.trail().is_some()));
        trails.is_some_and(|plan| !std::mem::replace(&mut plan.moved_by_us, true))
    }

    /// The plan of a position.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Plan> {
        self.plans.iter().find(|p| p.key == key)
    }

    /// The plan of a position.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Plan> {
        self.plans.iter_mut().find(|p| p.key == key)
    }

    /// The plan at a place of the list.
    pub fn nth_mut(&mut self, at: usize) -> Option<&mut Plan> {
        self.plans.get_mut(at)
    }

    /// Whether any position in an instrument has a stop.
    #[must_use]
    #[inline]
    pub fn any_stop_in(&self, instrument: InstrumentIdx) -> bool {
        self.stops.get(instrument.index()).is_some_and(|stops| *stops > 0)
    }

    /// The next instant at which something of a position is due.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.plans.iter().flat_map(|p| [p.until, p.beyond_until]).flatten().min()
    }

    /// Takes one that is due by now.
    pub fn take_due(&mut self, now: UnixNanos) -> Option<(Key, Overdue)> {
        let due = |at: Option<UnixNanos>| at.is_some_and(|at| at <= now);
        let plan = self.plans.iter_mut().find(|p| due(p.until) || due(p.beyond_until))?;
        let overdue = if due(plan.until) {
            plan.until = None;
            Overdue::Held { since: plan.since.unwrap_or(now) }
        } else {
            plan.beyond_until = None;
            Overdue::Beyond
        };
        Some((plan.key, overdue))
    }

    fn count(&mut self, instrument: InstrumentIdx, more: bool) {
        let at = instrument.index();
        if self.stops.len() <= at {
            self.stops.resize(at + 1, 0);
        }
        self.stops[at] = if more { self.stops[at] + 1 } else { self.stops[at].saturating_sub(1) };
    }
}

impl Plan {
    const fn begin_anew(&mut self) {
        (self.best, self.since, self.until, self.beyond_until) = (None, None, None, None);
    }

    /// Takes prices into the best and the last. Whether the best is a new one.
    pub fn follow(&mut self, entry: Side, best: i64, last: i64) -> bool {
        self.last = Some(last);
        let better = self.best.is_none_or(|held| match entry {
            Side::Buy => best > held,
            Side::Sell => best < held,
        });
        if better {
            self.best = Some(best);
        }
        better
    }
}

stored_struct!(Plan { key, stop, target, best, last, since, until, beyond_until, moved_by_us, faded });

impl Stored for Plans {
    fn put(&self, out: &mut Vec<u8>) {
        self.plans.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut plans = Self { plans: Stored::take(from)?, stops: Vec::new() };
        for at in 0..plans.plans.len() {
            let plan = plans.plans[at];
            if plan.stop.is_some() {
                plans.count(plan.key.1, true);
            }
        }
        Ok(plans)
    }
}

impl Digestible for Plans {
    fn digest(&self, d: &mut Digest) {
        for plan in &self.plans {
            d.word(u64::from(plan.key.0.0) | u64::from(plan.key.1.0) << 16 | u64::from(plan.key.2.0) << 32);
            d.wide(plan.target.map_or(i128::MIN, Price::raw));
            match plan.stop {
                None => d.word(0),
                Some(stop) => stop.digest(d),
            }
            // What only stops that follow and time stops go by.
            if plan.stop.is_some_and(|stop| stop.trail().is_some() || stop.hold_max().is_some()) {
                [plan.best, plan.last].iter().for_each(|price| d.int(price.unwrap_or(i64::MIN)));
                d.word(u64::from(plan.moved_by_us));
                [plan.since, plan.until].iter().for_each(|at| d.word(at.map_or(u64::MAX, |at| at.0)));
            }
            if plan.faded {
                d.word(7);
            }
            plan.beyond_until.iter().for_each(|at| d.word(at.0));
        }
    }
}
