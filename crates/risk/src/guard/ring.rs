//! The last hour of a series in one-minute buckets: what was the first, the highest and the lowest value of each minute.
//!
//! In:  values as they come, at most one hour and a little kept, in fixed memory.
//! Out: the highest and lowest value of the last hour and of its last ten minutes, and the earliest of the last so many minutes.
//! Each bucket knows its minute, so nothing has to be moved or forgotten: one that is too old is passed over. Highest and lowest are kept
//! from one value to the next; the buckets are gone through only where the one that leaves held one of them.

use domain::codec::{CodecError, Reader, Stored};
use domain::time::NANOS_PER_MINUTE;
use domain::{Digest, UnixNanos, stored_struct};

/// How many buckets there are: an hour, the minute that is running, and a margin.
const BUCKETS: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    /// Minutes since 1970, plus one; 0 is a bucket that nothing was put into.
    tag: u64,
    first: i128,
    high: i128,
    low: i128,
}

/// Highest and lowest value of so many minutes and the one that is running, as of the last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    minutes: u64,
    /// Of the last value; 0 where nothing is known.
    tag: u64,
    high: i128,
    low: i128,
}

/// Values of the last hour. The windows follow from the buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    buckets: [Bucket; BUCKETS],
    hour: Window,
    ten: Window,
}

impl Default for Ring {
    fn default() -> Self {
        let window = |minutes| Window { minutes, tag: 0, high: 0, low: 0 };
        Self { buckets: [Bucket::default(); BUCKETS], hour: window(60), ten: window(10) }
    }
}

impl Window {
    /// Moves on to the minute `now`, whose bucket has just taken in a value.
    fn follow(&mut self, now: u64, buckets: &[Bucket; BUCKETS]) {
        let Some(added) = of(buckets, now) else { return };
        let (high, low) = (added.high.max(self.high), added.low.min(self.low));
        let keeps = match now.checked_sub(self.tag) {
            Some(0) => true,
            Some(1) if self.tag != 0 => of(buckets, self.tag.saturating_sub(self.minutes))
                .is_none_or(|gone| (gone.high < high || added.high == high) && (gone.low > low || added.low == low)),
            _ => false,
        };
        (self.high, self.low) = if keeps {
            (high, low)
        } else {
            (recent(buckets, now, self.minutes))
                .fold((added.high, added.low), |(high, low), bucket| (high.max(bucket.high), low.min(bucket.low)))
        };
        self.tag = now;
    }

    fn span(&self) -> Option<(i128, i128)> {
        (self.tag != 0).then_some((self.high, self.low))
    }
}

const fn tag(ts: UnixNanos) -> u64 {
    ts.0 / NANOS_PER_MINUTE + 1
}

fn of(buckets: &[Bucket; BUCKETS], tag: u64) -> Option<&Bucket> {
    Some(&buckets[tag as usize % BUCKETS]).filter(|bucket| bucket.tag == tag && tag != 0)
}

/// What a minute and the `minutes` before it hold, the earliest first.
fn recent(buckets: &[Bucket; BUCKETS], now: u64, minutes: u64) -> impl Iterator<Item = &Bucket> {
    (now.saturating_sub(minutes)..=now).filter_map(|tag| of(buckets, tag))
}

impl Ring {
    /// Takes in a value.
    pub(super) fn push(&mut self, ts: UnixNanos, value: i128) {
        let tag = tag(ts);
        let bucket = &mut self.buckets[tag as usize % BUCKETS];
        if bucket.tag == tag {
            bucket.high = bucket.high.max(value);
            bucket.low = bucket.low.min(value);
        } else {
            *bucket = Bucket { tag, first: value, high: value, low: value };
        }
        self.follow(tag);
    }

    fn follow(&mut self, tag: u64) {
        self.hour.follow(tag, &self.buckets);
        self.ten.follow(tag, &self.buckets);
    }

    /// The highest and the lowest value of the hour before the last value, and of the minute that was running. `None` where there is none.
    pub(super) fn hour(&self) -> Option<(i128, i128)> {
        self.hour.span()
    }

    /// The same of ten minutes.
    pub(super) fn ten(&self) -> Option<(i128, i128)> {
        self.ten.span()
    }

    /// The earliest value of the last `minutes` minutes, an hour at most.
    pub(super) fn earliest(&self, ts: UnixNanos, minutes: u64) -> Option<i128> {
        recent(&self.buckets, tag(ts), minutes).next().map(|bucket| bucket.first)
    }

    /// Applies a change to every value: what a transfer does to past equity.
    pub(super) fn rescale(&mut self, change: impl Fn(i128) -> i128) {
        for bucket in self.buckets.iter_mut().filter(|b| b.tag != 0) {
            (bucket.first, bucket.high, bucket.low) = (change(bucket.first), change(bucket.high), change(bucket.low));
        }
        let last = self.hour.tag;
        (self.hour.tag, self.ten.tag) = (0, 0);
        self.follow(last);
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        for b in self.buckets.iter().filter(|b| b.tag != 0) {
            d.word(b.tag);
            [b.first, b.high, b.low].into_iter().for_each(|v| d.wide(v));
        }
    }
}

stored_struct!(Bucket { tag, first, high, low });

/// Only buckets that hold something are written.
impl Stored for Ring {
    fn put(&self, out: &mut Vec<u8>) {
        let held = self.buckets.iter().filter(|b| b.tag != 0);
        out.push(held.clone().count() as u8);
        held.for_each(|bucket| bucket.put(out));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let invalid = CodecError::Invalid { what: "the minutes of the guard" };
        let mut ring = Self::default();
        let mut last = None;
        for _ in 0..from.u8()? {
            let bucket = Bucket::take(from)?;
            let at = bucket.tag as usize % BUCKETS;
            if bucket.tag == 0 || last.is_some_and(|last| at <= last) {
                return Err(invalid);
            }
            last = Some(at);
            ring.buckets[at] = bucket;
        }
        ring.follow(ring.buckets.iter().map(|bucket| bucket.tag).max().unwrap_or(0));
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::codec::{from_bytes, to_bytes};
    use proptest::prelude::*;

    fn at(minute: u64) -> UnixNanos {
        UnixNanos(testkit::T0.0 + minute * NANOS_PER_MINUTE)
    }

    #[test]
    fn old_minutes_are_passed_over() {
        let mut ring = Ring::default();
        assert_eq!((ring.hour(), ring.ten(), ring.earliest(at(0), 60)), (None, None, None));
        ring.push(at(0), 100);
        ring.push(at(30), 80);
        assert_eq!((ring.hour(), ring.ten()), (Some((100, 80)), Some((80, 80))));
        assert_eq!((ring.earliest(at(60), 60), ring.earliest(at(61), 60)), (Some(100), Some(80)));
        ring.push(at(60), 85);
        assert_eq!(ring.hour(), Some((100, 80)));
        ring.push(at(61), 85);
        assert_eq!(ring.hour(), Some((85, 80)));
        ring.push(at(64), 90);
        assert_eq!(ring.hour(), Some((90, 80)), "the bucket of minute 0 is used again");
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_everything(steps in prop::collection::vec((0u64..40, 0u64..6, -50i128..50), 1..300), minutes in 0u64..=60) {
            let (mut ring, mut all, mut now) = (Ring::default(), Vec::new(), 0);
            for (wait, kind, value) in steps {
                // Most steps are those of a stream that goes on: the same minute or the next.
                now += if kind == 0 { wait } else { wait % 2 };
                ring.push(at(now), value);
                if kind == 5 {
                    ring.rescale(|v| 2 * v);
                    all.iter_mut().for_each(|(_, v)| *v *= 2);
                }
                all.push((now, if kind == 5 { 2 * value } else { value }));
                let held = |minutes| all.iter().filter(move |(m, _)| m + minutes >= now).map(|(_, v)| *v);
                let span = |minutes| held(minutes).max().zip(held(minutes).min());
                prop_assert_eq!((ring.hour(), ring.ten()), (span(60), span(10)));
                prop_assert_eq!(ring.earliest(at(now), minutes), held(minutes).next());
            }
            prop_assert_eq!(from_bytes::<Ring>(&to_bytes(&ring)), Ok(ring));
        }
    }

    #[test]
    fn a_clock_that_goes_back_sees_what_there_was_by_then() {
        let mut ring = Ring::default();
        (0..20).for_each(|minute| ring.push(at(minute), 100 + i128::from(minute)));
        ring.push(at(12), 50);
        assert_eq!((ring.hour(), ring.ten()), (Some((112, 50)), Some((112, 50))));
        ring.push(at(20), 60);
        assert_eq!((ring.hour(), ring.ten()), (Some((119, 50)), Some((119, 50))));
    }
}
