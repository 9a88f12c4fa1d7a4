//! Messages in flight, in both directions, with their latency.
//!
//! In:  requests as they are sent, reports as they are made.
//! Out: the same, in the same order, when they have travelled long enough.
//! Each direction is one connection: a message never overtakes the one before it.

use crate::config::{Jitter, Latency};
use domain::UnixNanos;
use domain::codec::{CodecError, Reader, Stored};
use std::collections::VecDeque;

/// SplitMix64, the generator of the random part of latencies.
///
/// Source: Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generator(pub u64);

impl Generator {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `max`, each equally likely but for one part in 2^64.
    fn up_to(&mut self, max: u64) -> u64 {
        ((u128::from(self.bits()) * (u128::from(max) + 1)) >> 64) as u64
    }
}

/// The random part of latencies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay {
    jitter: Option<Jitter>,
    pub generator: Generator,
}

impl Delay {
    pub fn new(latency: &Latency) -> Self {
        Self { jitter: latency.jitter, generator: Generator(latency.jitter.map_or(0, |j| j.seed)) }
    }

    /// The next message's extra delay in nanoseconds.
    pub fn extra(&mut self) -> u64 {
        match self.jitter {
            None => 0,
            Some(jitter) => self.generator.up_to(jitter.max.0),
        }
    }
}

/// Messages of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Mail<T> {
    queue: VecDeque<(UnixNanos, T)>,
}

impl<T> Mail<T> {
    pub fn with_capacity(capacity: usize) -> Self {
        Self { queue: VecDeque::with_capacity(capacity) }
    }

    /// Sends a message that arrives at `due`, or with the one before it if that arrives later.
    pub fn send(&mut self, due: UnixNanos, message: T) {
        let due = self.queue.back().map_or(due, |(last, _)| due.max(*last));
        self.queue.push_back((due, message));
    }

    /// When the next message arrives; never for an empty queue.
    #[inline]
    pub fn due(&self) -> UnixNanos {
        self.queue.front().map_or(UnixNanos::MAX, |(due, _)| *due)
    }

    /// The next message, if it has arrived.
    #[inline]
    pub fn receive(&mut self, now: UnixNanos) -> Option<T> {
        if self.queue.front()?.0 > now {
            return None;
        }
        self.queue.pop_front().map(|(_, message)| message)
    }

    /// The next message, if it has arrived; it stays.
    #[inline]
    pub fn next(&self, now: UnixNanos) -> Option<&T> {
        self.queue.front().filter(|(due, _)| *due <= now).map(|(_, message)| message)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(UnixNanos, T)> {
        self.queue.iter()
    }
}

/// For snapshots.
impl<T: Stored> Mail<T> {
    pub fn save(&self, out: &mut Vec<u8>) {
        (self.queue.len() as u64).put(out);
        self.queue.iter().for_each(|message| message.put(out));
    }

    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        let messages = Vec::<(UnixNanos, T)>::take(from)?;
        if !messages.is_sorted_by_key(|(due, _)| *due) {
            return Err(CodecError::Invalid { what: "messages in flight" });
        }
        self.queue.clear();
        self.queue.extend(messages);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Nanos;

    #[test]
    fn a_message_never_overtakes_the_one_before_it() {
        let mut mail = Mail::with_capacity(4);
        mail.send(UnixNanos(10), 'a');
        mail.send(UnixNanos(5), 'b');
        mail.send(UnixNanos(12), 'c');
        assert_eq!((mail.receive(UnixNanos(9)), mail.due()), (None, UnixNanos(10)));
        assert_eq!((mail.receive(UnixNanos(10)), mail.receive(UnixNanos(10))), (Some('a'), Some('b')));
        assert_eq!((mail.receive(UnixNanos(11)), mail.receive(UnixNanos(12))), (None, Some('c')));
        assert_eq!(mail.due(), UnixNanos::MAX);
    }

    #[test]
    fn extra_delays_are_seeded_and_within_their_bound() {
        let jitter = |seed| Latency { jitter: Some(Jitter { max: Nanos(9), seed }), ..Latency::ZERO };
        let draw = |latency: &Latency| {
            let mut delay = Delay::new(latency);
            (0..1_000).map(|_| delay.extra()).collect::<Vec<_>>()
        };
        let drawn = draw(&jitter(1));
        assert_eq!(drawn, draw(&jitter(1)));
        assert_ne!(drawn, draw(&jitter(2)));
        assert!((0..=9).all(|n| drawn.contains(&n)) && drawn.iter().all(|&n| n <= 9));
        assert!(draw(&Latency::ZERO).iter().all(|&n| n == 0));
    }
}
