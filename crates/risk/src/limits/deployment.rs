//! Steps of a controlled deployment: what a new strategy may do grows by steps, and the limits hold beside them.
//!
//! A step bounds the number of instruments, the value at stake, the number of positions and the number of venues (Commission Delegated
//! Regulation (EU) 2017/589, article 8). The step in force is [`deployment_step`](super::Limits::deployment_step); it is chosen before the
//! start and can only be lowered while running.

use domain::Money;

/// What one step allows at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Instruments with a position or an entry on its way.
    pub instruments: u32,
    /// Gross exposure, in quote.
    pub value: Money,
    /// Positions, each strategy's counted by itself.
    pub positions: u32,
    /// Venues with a position or an entry on its way.
    pub venues: u32,
}

const fn step(instruments: u32, value: i64, positions: u32, venues: u32) -> Deployment {
    Deployment { instruments, value: Money::from_units(value), positions, venues }
}

/// The steps, narrowest first: the first is `deployment_step = 1`.
pub const DEPLOYMENT: [Deployment; 4] =
    [step(1, 1_000, 1, 1), step(2, 5_000, 2, 1), step(5, 25_000, 5, 2), step(10, 100_000, 10, 3)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn every_step_is_wider_than_the_one_before() {
        for pair in DEPLOYMENT.windows(2) {
            assert!(pair[0].instruments < pair[1].instruments && pair[0].value < pair[1].value);
            assert!(pair[0].positions < pair[1].positions && pair[0].venues <= pair[1].venues);
        }
    }

    #[test]
    fn no_step_is_no_bound_and_the_first_is_one() {
        assert_eq!(Limits::default().deployment(), None);
        let at = |deployment_step| Limits { deployment_step, ..Limits::default() };
        assert_eq!(at(1).deployment(), Some(&DEPLOYMENT[0]));
        assert_eq!(at(4).deployment(), Some(&DEPLOYMENT[3]));
        assert_eq!(at(5).validate().unwrap_err().name, "deployment_step");
    }
}
