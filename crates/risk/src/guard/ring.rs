//! The last hour of a series in one-minute buckets: what was the first, the highest and the lowest value of each minute.
//!
//! In:  values as they come, at most one hour and a little kept, in fixed memory.
//! Out: the highest, lowest and earliest value of the last so many minutes.
//! Each bucket knows its minute, so nothing has to be moved or forgotten: one that is too old is passed over.

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

/// Values of the last hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    buckets: [Bucket; BUCKETS],
}

impl Default for Ring {
    fn default() -> Self {
        Self { buckets: [Bucket::default(); BUCKETS] }
    }
}

const fn tag(ts: UnixNanos) -> u64 {
    ts.0 / NANOS_PER_MINUTE + 1
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
    }

    /// The highest and the lowest value of the last `minutes` minutes (the one that is running besides). `None` where there is none.
    pub(super) fn extremes(&self, ts: UnixNanos, minutes: u64) -> Option<(i128, i128)> {
        let mut found: Option<(i128, i128)> = None;
        for bucket in self.recent(ts, minutes) {
            let (high, low) = found.unwrap_or((bucket.high, bucket.low));
            found = Some((high.max(bucket.high), low.min(bucket.low)));
        }
        found
    }

    /// The earliest value of the last `minutes` minutes.
    pub(super) fn earliest(&self, ts: UnixNanos, minutes: u64) -> Option<i128> {
        self.recent(ts, minutes).min_by_key(|bucket| bucket.tag).map(|bucket| bucket.first)
    }

    fn recent(&self, ts: UnixNanos, minutes: u64) -> impl Iterator<Item = &Bucket> {
        let now = tag(ts);
        self.buckets.iter().filter(move |b| b.tag != 0 && b.tag <= now && b.tag + minutes >= now)
    }

    /// Applies a change to every value: what a transfer does to past equity.
    pub(super) fn rescale(&mut self, change: impl Fn(i128) -> i128) {
        for bucket in self.buckets.iter_mut().filter(|b| b.tag != 0) {
            (bucket.first, bucket.high, bucket.low) = (change(bucket.first), change(bucket.high), change(bucket.low));
        }
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
        assert_eq!(ring.extremes(at(0), 60), None);
        ring.push(at(0), 100);
        ring.push(at(30), 80);
        assert_eq!(ring.extremes(at(60), 60), Some((100, 80)));
        assert_eq!(ring.earliest(at(60), 60), Some(100));
        assert_eq!(ring.extremes(at(61), 60), Some((80, 80)));
        assert_eq!(ring.extremes(at(30), 10), Some((80, 80)));
        ring.push(at(64), 90);
        assert_eq!(ring.extremes(at(64), 60), Some((90, 80)), "the bucket of minute 0 is used again");
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_everything(steps in prop::collection::vec((0u64..40, -50i128..50), 1..80), minutes in 0u64..=60) {
            let (mut ring, mut all, mut now) = (Ring::default(), Vec::new(), 0);
            for (wait, value) in steps {
                now += wait;
                ring.push(at(now), value);
                all.push((now, value));
                let held: Vec<_> = all.iter().filter(|(m, _)| m + minutes >= now).collect();
                let high = held.iter().map(|(_, v)| *v).max().unwrap();
                let low = held.iter().map(|(_, v)| *v).min().unwrap();
                prop_assert_eq!(ring.extremes(at(now), minutes), Some((high, low)));
                prop_assert_eq!(ring.earliest(at(now), minutes), Some(held[0].1));
            }
            prop_assert_eq!(from_bytes::<Ring>(&to_bytes(&ring)), Ok(ring));
        }
    }
}
