//! Clamp 7: in a crisis nothing new is risked.

use super::Input;
use domain::Money;

/// All of it where there is none (0), else nothing.
pub(super) fn left(input: Input, amount: Money) -> Money {
    if input == Input::Known(0.0) { amount } else { Money::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crisis_leaves_nothing() {
        let amount = Money::from_units(7);
        assert_eq!(left(Input::Known(0.0), amount), amount);
        for crisis in [Input::Known(1.0), Input::Known(0.5), Input::Unknown, Input::NotConfigured] {
            assert_eq!(left(crisis, amount), Money::ZERO);
        }
    }
}
