//! Accounts, venues and assets.

use serde::{Deserialize, Serialize};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $repr);

        impl $name {
            /// As an index into a vector.
            #[must_use]
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
pub(crate) use index;

index! {
    /// An account at a venue. Orders, fills, positions, balances, limits and commands carry one.
    AccountId(u16)
}
index! {
    /// A venue, numbered densely by the run's configuration.
    VenueIdx(u16)
}
index! {
    /// An asset (USDT, BTC), numbered densely in [`crate::InstrumentTable`].
    AssetIdx(u16)
}
