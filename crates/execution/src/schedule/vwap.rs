//! Volume-weighted: each slice of time has a part as large as the market's usual volume of that time.
//!
//! `V(begin, end of the slice) / V(begin, end)` of the whole are filled by the end of a slice, with `V` the usual volume between two
//! instants ([`VolumeProfile::between`]).

use super::slices::Share;
use domain::{UnixNanos, VolumeProfile};

/// The share that is filled by `done`; exact. Times without any volume are as good as any other: then time counts.
#[must_use]
pub fn share(profile: &VolumeProfile, begun: UnixNanos, done: UnixNanos, until: UnixNanos) -> Share {
    match profile.between(begun, until) {
        0 => (u128::from(done.since(begun).0), u128::from(until.since(begun).0.max(1))),
        whole => (profile.between(begun, done), whole),
    }
}
