//! Time: nanoseconds since 1970-01-01 UTC, and spans between two instants.
//!
//! The core never reads a clock; every instant arrives as an argument or inside an event. Calendars, zones and text belong to the edges.

use serde::{Deserialize, Serialize};

/// Nanoseconds of one millisecond.
pub const NANOS_PER_MILLI: u64 = 1_000_000;
/// Nanoseconds of one second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Nanoseconds of one minute.
pub const NANOS_PER_MINUTE: u64 = 60 * NANOS_PER_SECOND;
/// Nanoseconds of one hour.
pub const NANOS_PER_HOUR: u64 = 60 * NANOS_PER_MINUTE;
/// Nanoseconds of one UTC day (leap seconds do not exist in Unix time).
pub const NANOS_PER_DAY: u64 = 24 * NANOS_PER_HOUR;

/// An instant: nanoseconds since 1970-01-01 00:00 UTC. Ends in the year 2554.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixNanos(pub u64);

/// A span of time in nanoseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl UnixNanos {
    /// The latest instant that can be written.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `ms` milliseconds after 1970; `None` if it is before 1970 or after 2554.
    #[must_use]
    pub fn from_millis(ms: i64) -> Option<Self> {
        u64::try_from(ms).ok()?.checked_mul(NANOS_PER_MILLI).map(Self)
    }

    /// The instant `us` microseconds after 1970; `None` outside 1970-2554.
    #[must_use]
    pub fn from_micros(us: i64) -> Option<Self> {
        u64::try_from(us).ok()?.checked_mul(1_000).map(Self)
    }

    /// Whole milliseconds since 1970, rounded down.
    #[must_use]
    #[inline]
    pub const fn as_millis(self) -> i64 {
        (self.0 / NANOS_PER_MILLI) as i64
    }

    /// This instant plus a span, held at [`UnixNanos::MAX`].
    #[must_use]
    #[inline]
    pub const fn saturating_add(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// This instant minus a span, held at 1970.
    #[must_use]
    #[inline]
    pub const fn saturating_sub(self, span: Nanos) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The span since an earlier instant; zero if `earlier` is later.
    #[must_use]
    #[inline]
    pub const fn since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// Number of the UTC day: 0 is 1970-01-01.
    #[must_use]
    #[inline]
    pub const fn day(self) -> u64 {
        self.0 / NANOS_PER_DAY
    }

    /// Midnight (UTC) that begins day number `day`, held at [`UnixNanos::MAX`].
    #[must_use]
    pub const fn start_of_day(day: u64) -> Self {
        Self(day.saturating_mul(NANOS_PER_DAY))
    }
}

impl Nanos {
    /// A span of whole seconds, held at the longest that can be written.
    #[must_use]
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(NANOS_PER_SECOND))
    }

    /// A span of whole milliseconds, held at the longest that can be written.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(NANOS_PER_MILLI))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_outside_the_range_are_refused() {
        assert_eq!(UnixNanos::from_millis(-1), None);
        assert_eq!(UnixNanos::from_millis(i64::MAX), None);
        assert_eq!(UnixNanos::from_millis(1_577_836_800_000).unwrap().as_millis(), 1_577_836_800_000);
        assert_eq!(UnixNanos::from_micros(1_577_836_800_000_001).unwrap().0, 1_577_836_800_000_001_000);
    }

    #[test]
    fn days_turn_at_midnight_utc() {
        let midnight = UnixNanos::start_of_day(19_000);
        assert_eq!(midnight.day(), 19_000);
        assert_eq!(midnight.saturating_sub(Nanos(1)).day(), 18_999);
    }
}
