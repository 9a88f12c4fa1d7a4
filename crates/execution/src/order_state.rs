//! The life of one order: which status may follow which.
//!
//! In:  what we did (cancel sent) and what the venue said.
//! Out: the new status, or an error that names the step that cannot happen.
//! An order whose outcome is unknown stays so until the venue says what it is; nothing here assumes.

use domain::codec::{CodecError, Reader, Stored};
use domain::{OrderStatus, Quantity, stored_enum, stored_struct};
use std::fmt;

/// Something that happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderInput {
    /// The venue has it.
    Accepted,
    /// The venue never took it.
    Rejected,
    /// Part or all of it was traded.
    Filled {
        /// How much, now.
        quantity: Quantity,
        /// Whether nothing is left.
        complete: bool,
    },
    /// We asked for it to be taken off.
    CancelSent,
    /// It was taken off.
    Canceled,
    /// The venue refused to take it off.
    CancelRejected,
    /// Its time ended.
    Expired,
    /// No answer came in time, or what the venue says of it contradicts what was known.
    AnswerOverdue,
    /// The venue says that all of it is filled, and every fill is known.
    Completed,
}

/// A step that cannot happen: the report is kept out of the state and told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// Where the order was.
    pub from: OrderStatus,
    /// What was said of it.
    pub input: OrderInput,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot happen to an order that is {:?}", self.input, self.from)
    }
}

impl std::error::Error for IllegalTransition {}

/// Status and filled quantity of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderState {
    status: OrderStatus,
    filled: Quantity,
    /// Whether the venue has said that it has it, by words or by a fill.
    known: bool,
}

impl OrderState {
    /// An order that has just left us.
    #[must_use]
    pub const fn submitted() -> Self {
        Self { status: OrderStatus::Submitted, filled: Quantity::ZERO, known: false }
    }

    /// Whether the venue has said that it has it.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// Where it is.
    #[must_use]
    pub const fn status(&self) -> OrderStatus {
        self.status
    }

    /// How much of it is filled.
    #[must_use]
    pub const fn filled(&self) -> Quantity {
        self.filled
    }

    /// Whether a cancel is on its way for an order of which the venue has not said that it has it.
    #[must_use]
    pub const fn is_unknown_and_leaving(&self) -> bool {
        matches!(self.status, OrderStatus::CancelPending) && !self.known
    }

    /// Moves to the status that follows.
    ///
    /// A fill is taken from any status that is not `Rejected`: a venue may fill an order while our cancel is on its way, and report it
    /// after the cancel. What was filled is filled.
    ///
    /// # Errors
    /// [`IllegalTransition`]; the state is unchanged.
    pub fn apply(&mut self, input: OrderInput) -> Result<OrderStatus, IllegalTransition> {
        use OrderInput as I;
        use OrderStatus as S;
        let illegal = Err(IllegalTransition { from: self.status, input });
        let next = match (self.status, input) {
            (S::Rejected, _) => return illegal,
            (from, I::Filled { quantity, complete }) => {
                let Some(filled) = self.filled.checked_add(quantity).filter(|_| quantity > Quantity::ZERO) else {
                    return illegal;
                };
                if from == S::Filled {
                    return illegal;
                }
                self.filled = filled;
                match from {
                    _ if complete => S::Filled,
                    S::Canceled | S::Expired | S::CancelPending => from,
                    _ => S::PartiallyFilled,
                }
            }
            (S::Submitted | S::OutcomeUnknown, I::Accepted) if self.filled.is_zero() => S::Accepted,
            (S::Submitted | S::OutcomeUnknown, I::Accepted) => S::PartiallyFilled,
            // Said twice.
            (S::Accepted, I::Accepted) => S::Accepted,
            // An answer that crossed our cancel, or that a fill overtook.
            (from @ (S::CancelPending | S::PartiallyFilled), I::Accepted) => from,
            (S::Submitted | S::OutcomeUnknown | S::CancelPending, I::Rejected) if self.filled.is_zero() => S::Rejected,
            (S::Submitted | S::Accepted | S::PartiallyFilled | S::OutcomeUnknown, I::CancelSent) => S::CancelPending,
            (S::Submitted | S::Accepted | S::PartiallyFilled | S::CancelPending | S::OutcomeUnknown, I::Canceled) => {
                S::Canceled
            }
            (S::Submitted | S::Accepted | S::PartiallyFilled | S::CancelPending | S::OutcomeUnknown, I::Expired) => {
                S::Expired
            }
            // A refused cancel says nothing of an order that was not heard of.
            (S::CancelPending, I::CancelRejected) if !self.known => S::Submitted,
            (S::CancelPending, I::CancelRejected) if self.filled.is_zero() => S::Accepted,
            (S::CancelPending, I::CancelRejected) => S::PartiallyFilled,
            // Said twice, or of an order that nobody waits for any more. Where nothing is known it says nothing.
            (from, I::CancelRejected) => from,
            (from, I::AnswerOverdue) => {
                if from.is_terminal() {
                    from
                } else {
                    S::OutcomeUnknown
                }
            }
            (from, I::Completed) if from == S::Filled || !from.is_terminal() => S::Filled,
            (_, I::Accepted | I::Rejected | I::CancelSent | I::Canceled | I::Expired | I::Completed) => {
                return illegal;
            }
        };
        self.known |= matches!(input, I::Accepted | I::Filled { .. });
        self.status = next;
        Ok(next)
    }
}

stored_enum!(OrderInput, "something that happened to an order" {
    1 => Accepted,
    2 => Rejected,
    3 => Filled { quantity, complete },
    4 => CancelSent,
    5 => Canceled,
    6 => CancelRejected,
    7 => Expired,
    8 => AnswerOverdue,
    9 => Completed,
});
stored_struct!(IllegalTransition { from, input });

/// An order at its end, or filled by less than nothing, is none that works.
impl OrderState {
    pub(crate) fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (status, filled, known) = (OrderStatus::take(from)?, Quantity::take(from)?, from.bool()?);
        if status.is_terminal() || filled < Quantity::ZERO {
            return Err(CodecError::Invalid { what: "the state of a working order" });
        }
        Ok(Self { status, filled, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OrderInput as I;
    use OrderStatus as S;
    use proptest::prelude::*;

    fn fill(quantity: i64, complete: bool) -> OrderInput {
        I::Filled { quantity: Quantity::from_units(quantity), complete }
    }

    fn after(inputs: &[OrderInput]) -> Result<OrderState, IllegalTransition> {
        let mut state = OrderState::submitted();
        for &input in inputs {
            state.apply(input)?;
        }
        Ok(state)
    }

    #[test]
    fn the_usual_lives() {
        let cases: [(&[OrderInput], OrderStatus, i64); 20] = [
            (&[I::Accepted, fill(1, false), fill(2, true)], S::Filled, 3),
            (&[fill(3, true)], S::Filled, 3),
            (&[fill(1, false), I::Accepted, fill(2, true)], S::Filled, 3),
            (&[I::Rejected], S::Rejected, 0),
            (&[I::Accepted, I::CancelSent, I::Canceled], S::Canceled, 0),
            (&[I::Accepted, I::CancelSent, fill(1, false), I::Canceled], S::Canceled, 1),
            (&[I::Accepted, I::CancelSent, I::Canceled, fill(1, false)], S::Canceled, 1),
            (&[I::AnswerOverdue, I::Accepted, I::Expired], S::Expired, 0),
            (&[I::Accepted, I::CancelSent, fill(1, true), I::CancelRejected], S::Filled, 1),
            (&[I::Accepted, I::CancelSent, I::CancelRejected], S::Accepted, 0),
            (&[I::CancelSent, I::Accepted, I::CancelRejected], S::Accepted, 0),
            (&[fill(1, false), I::CancelSent, I::CancelRejected], S::PartiallyFilled, 1),
            (&[I::CancelSent, I::CancelRejected], S::Submitted, 0),
            (&[I::CancelSent, I::CancelRejected, I::Rejected], S::Rejected, 0),
            (&[I::Accepted, I::Accepted], S::Accepted, 0),
            (&[I::Accepted, I::CancelRejected], S::Accepted, 0),
            (&[I::AnswerOverdue, I::CancelRejected], S::OutcomeUnknown, 0),
            (&[fill(1, false), I::AnswerOverdue, I::Accepted], S::PartiallyFilled, 1),
            (&[fill(2, false), I::AnswerOverdue, I::Completed], S::Filled, 2),
            (&[I::Accepted, I::AnswerOverdue, I::Canceled], S::Canceled, 0),
        ];
        for (inputs, status, filled) in cases {
            let state = after(inputs).unwrap();
            assert_eq!((state.status(), state.filled()), (status, Quantity::from_units(filled)), "{inputs:?}");
        }
    }

    #[test]
    fn what_cannot_happen_is_refused_and_changes_nothing() {
        let cases: [&[OrderInput]; 7] = [
            &[I::Rejected, fill(1, true)],
            &[fill(1, true), fill(1, true)],
            &[I::Accepted, I::Rejected],
            &[I::Accepted, I::Canceled, I::Accepted],
            &[fill(1, false), I::Rejected],
            &[I::Accepted, I::Canceled, I::Completed],
            &[fill(0, false)],
        ];
        for inputs in cases {
            let (last, before) = inputs.split_last().unwrap();
            let mut state = after(before).unwrap();
            let unchanged = state;
            assert!(state.apply(*last).is_err(), "{inputs:?}");
            assert_eq!(state, unchanged, "{inputs:?}");
        }
    }

    proptest! {
        #[test]
        fn the_filled_quantity_never_shrinks_and_an_end_stays_an_end(steps in prop::collection::vec(0usize..10, 0..30)) {
            let inputs = [I::Accepted, I::Rejected, fill(1, false), fill(1, true), I::CancelSent, I::Canceled, I::CancelRejected, I::Expired, I::AnswerOverdue, I::Completed];
            let mut state = OrderState::submitted();
            for step in steps {
                let before = state;
                let result = state.apply(inputs[step]);
                prop_assert!(state.filled() >= before.filled());
                if before.status().is_terminal() {
                    prop_assert!(state.status().is_terminal());
                }
                if result.is_err() {
                    prop_assert_eq!(state, before);
                }
            }
        }
    }
}
