//! Time-weighted: each slice of time has the same part. `n / N` of the whole are filled by the end of slice `n` of `N`.

use super::slices::{Share, Slice};

/// The share that is filled by the end of a slice; exact.
#[must_use]
pub const fn share(slice: Slice) -> Share {
    (slice.number as u128, slice.of as u128)
}
