//! Quantities of a base asset or of contracts.

use crate::decimal::money_form;

money_form! {
    /// Quantity in units of base (or contracts), as an integer count of 1e-12. Signed where it is a position: short is negative.
    Quantity
}

impl Quantity {
    /// Size without sign; `None` for the one number that has none.
    #[must_use]
    #[inline]
    pub const fn checked_abs(self) -> Option<Self> {
        match self.raw().checked_abs() {
            Some(raw) => Some(Self::from_raw(raw)),
            None => None,
        }
    }
}
