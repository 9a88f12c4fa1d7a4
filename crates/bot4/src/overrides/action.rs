//! What a key holder can ask for: a closed list in which nothing opens risk, and nothing loosens a limit.
//!
//! In:  the claim `act` of a token.
//! Out: control events for the session.
//! There is no word for an order. A re-arm leads back to what the limits allow, through self-tests and the engine's own state.

use super::holder::Role;
use domain::{Cause, Control, Holder, LimitKey, Mode, Money, Rearm, StrategyIdx};
use risk::Limits;
use std::fmt;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Mode reduced: nothing new is opened, strategies go on speaking.
    Reduce {
        /// Whether entries that rest at venues may stay there.
        keep_entries: bool,
    },
    /// Mode paused: strategies are silent, too.
    Pause {
        /// Whether entries that rest at venues may stay there.
        keep_entries: bool,
    },
    /// Mode emergency: entries are taken off, and only a re-arm leads back.
    Halt,
    /// The same, and everything is closed.
    Flatten,
    /// A stricter limit.
    Tighten {
        /// Which.
        limit: LimitKey,
        /// To what, a count of 1e-12 of its unit.
        to: i128,
    },
    /// Back to trading after a trip.
    Rearm(Rearm),
}

/// What can be written in `act`.
pub const EXPECTED: &str = "one of reduce, pause (each with keep-entries, if entries may go on resting), halt, flatten, \
                            tighten LIMIT=VALUE, rearm, rearm strategy N";

impl Action {
    /// Reads the words of a token.
    ///
    /// # Errors
    /// What was expected in place of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        match words.as_slice() {
            ["reduce"] => Ok(Self::Reduce { keep_entries: false }),
            ["reduce", "keep-entries"] => Ok(Self::Reduce { keep_entries: true }),
            ["pause"] => Ok(Self::Pause { keep_entries: false }),
            ["pause", "keep-entries"] => Ok(Self::Pause { keep_entries: true }),
            ["halt"] => Ok(Self::Halt),
            ["flatten"] => Ok(Self::Flatten),
            ["tighten", what] => tighten(what),
            ["rearm"] => Ok(Self::Rearm(Rearm::Account)),
            ["rearm", "strategy", number] => match number.parse::<u16>() {
                // In its one form: `+3` and `03` are other texts for the same.
                Ok(n) if n.to_string() == *number => Ok(Self::Rearm(Rearm::Strategy(StrategyIdx(n)))),
                _ => Err(format!("strategy {number}: expected the number of a strategy")),
            },
            _ => Err(format!("{text:?}: expected {EXPECTED}")),
        }
    }

    /// The role that may ask for it.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Reduce { .. } | Self::Pause { .. } | Self::Halt | Self::Flatten | Self::Tighten { .. } => {
                Role::Operator
            }
            Self::Rearm(_) => Role::Rearm,
        }
    }

    /// Whether it makes the mode stricter: a re-arm that is being tested then has no ground any more.
    #[must_use]
    pub const fn restricts(self) -> bool {
        matches!(self, Self::Reduce { .. } | Self::Pause { .. } | Self::Halt | Self::Flatten)
    }

    /// What the session is told, in this order. A trip carries no name, so what asks for one says first whose word it is: a pause with the
    /// holder's name, then the trip.
    #[must_use]
    pub fn controls(self, holder: Holder) -> Vec<Control> {
        let restrict = |to, keep_entries: bool| Control::Restrict { to, cancel_entries: !keep_entries, holder };
        let trip = |flatten| Control::Trip { cause: Cause::Override, flatten, including_stops: false };
        match self {
            Self::Reduce { keep_entries } => vec![restrict(Mode::Reduced, keep_entries)],
            Self::Pause { keep_entries } => vec![restrict(Mode::Paused, keep_entries)],
            Self::Halt => vec![restrict(Mode::Paused, false), trip(false)],
            Self::Flatten => vec![restrict(Mode::Paused, false), trip(true)],
            Self::Tighten { limit, to } => vec![Control::Tighten { limit, to, holder }],
            Self::Rearm(what) => vec![Control::Rearm { what, holder }],
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = |keep: bool| if keep { " keep-entries" } else { "" };
        match self {
            Self::Reduce { keep_entries } => write!(f, "reduce{}", kept(*keep_entries)),
            Self::Pause { keep_entries } => write!(f, "pause{}", kept(*keep_entries)),
            Self::Halt => f.write_str("halt"),
            Self::Flatten => f.write_str("flatten"),
            Self::Tighten { limit, to } => write!(f, "tighten {}={}", limit.key(), Money::from_raw(*to)),
            Self::Rearm(Rearm::Account) => f.write_str("rearm"),
            Self::Rearm(Rearm::Strategy(strategy)) => write!(f, "rearm strategy {}", strategy.0),
        }
    }
}

fn tighten(what: &str) -> Result<Action, String> {
    let keys = || LimitKey::ALL.map(LimitKey::key).join(", ");
    let (name, value) = what.split_once('=').ok_or_else(|| format!("{what}: expected LIMIT=VALUE"))?;
    let limit = LimitKey::ALL.into_iter().find(|limit| limit.key() == name);
    let limit = limit.ok_or_else(|| format!("limit {name}: expected one of {}", keys()))?;
    let to = Money::parse(value).map_err(|e| format!("{name}={value}: {e}: expected a decimal number"))?.raw();
    let one = Money::parse("1").map(Money::raw).unwrap_or(i128::MAX);
    // A correlation may be limited to less than none; all else is above zero, and positions are counted.
    let is_one = match limit {
        LimitKey::Correlation => to > -one,
        LimitKey::Positions => to >= one && to % one == 0,
        LimitKey::PositionFraction
        | LimitKey::Leverage
        | LimitKey::DailyLoss
        | LimitKey::OrderValue
        | LimitKey::VarBudget => to > 0,
    };
    if !is_one {
        return Err(format!("{name}={value}: expected a limit above zero, and of positions a whole number"));
    }
    // What is looser than the limit in force is refused by the engine, which knows it; what is looser than the hard one, here already.
    if hard(limit).is_some_and(|hard| to > hard) {
        return Err(format!(
            "{name}={value}: would loosen the hard limit {}: limits can only be tightened",
            hard(limit).map_or_else(String::new, |raw| Money::from_raw(raw).to_string())
        ));
    }
    Ok(Action::Tighten { limit, to })
}

/// The hard limit, a count of 1e-12, where [`Limits`] has one of this name.
fn hard(limit: LimitKey) -> Option<i128> {
    let text = match serde_json::to_value(Limits::default()).ok()?.get(limit.key())? {
        serde_json::Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    Money::parse(&text).ok().map(Money::raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 10] = [
        "reduce",
        "reduce keep-entries",
        "pause",
        "pause keep-entries",
        "halt",
        "flatten",
        "tighten positions_max=5",
        "tighten position_fraction_max=0.01",
        "rearm",
        "rearm strategy 3",
    ];

    #[test]
    fn every_action_is_read_as_it_is_written() {
        for text in ALL {
            assert_eq!(Action::parse(text).unwrap().to_string(), text);
        }
        for wrong in
            ["", "Halt", "halt ", " halt", "halt now", "resume", "tighten", "rearm strategy", "rearm strategy 03"]
        {
            assert!(Action::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn nothing_that_can_be_said_is_an_order() {
        for order in
            ["buy", "sell", "buy BTCUSDT 1", "order", "submit", "amend", "close BTCUSDT", "trade", "long", "short"]
        {
            let error = Action::parse(order).unwrap_err();
            assert!(error.contains(EXPECTED), "{error}");
        }
    }

    /// What a control can do to the limits of risk. A new one has to be put somewhere here.
    fn makes_stricter(control: &Control) -> bool {
        match control {
            Control::Pause | Control::Trip { .. } | Control::Restrict { .. } | Control::Tighten { .. } => true,
            Control::Gate { .. } | Control::Gap { .. } | Control::Epoch { .. } => true,
            Control::Resume | Control::Rearm { .. } => false,
        }
    }

    #[test]
    fn all_but_a_rearm_only_makes_stricter_and_no_control_carries_an_order() {
        let holder = Holder::new("anna").unwrap();
        for text in ALL {
            let action = Action::parse(text).unwrap();
            let controls = action.controls(holder);
            assert!(!controls.is_empty());
            let rearm = matches!(action, Action::Rearm(_));
            assert_eq!(action.role() == Role::Rearm, rearm, "{text}");
            for control in &controls {
                assert_eq!(makes_stricter(control), !rearm, "{text}: {control:?}");
                assert!(!matches!(control, Control::Resume), "nobody resumes past a trip");
                if let Control::Restrict { to, .. } = control {
                    assert!(*to > Mode::Normal, "{text}");
                }
            }
            // Whose word it is stands in the first.
            let named = match controls[0] {
                Control::Restrict { holder, .. } | Control::Rearm { holder, .. } | Control::Tighten { holder, .. } => {
                    Some(holder)
                }
                Control::Pause
                | Control::Resume
                | Control::Trip { .. }
                | Control::Gate { .. }
                | Control::Gap { .. }
                | Control::Epoch { .. } => None,
            };
            assert_eq!(named, Some(holder), "{text}");
        }
    }

    #[test]
    fn no_limit_can_be_loosened_beyond_the_hard_one_or_be_none() {
        for (text, expected) in [
            ("tighten positions_max=11", "would loosen the hard limit 10"),
            ("tighten leverage_max=3.000000000001", "would loosen the hard limit 3"),
            ("tighten position_fraction_max=0.5", "would loosen the hard limit 0.02"),
            ("tighten correlation_max=0.71", "would loosen the hard limit 0.7"),
            ("tighten positions_max=0", "above zero"),
            ("tighten positions_max=2.5", "a whole number"),
            ("tighten leverage_max=-1", "above zero"),
            ("tighten order_value_max=0", "above zero"),
            ("tighten leverage_max=NaN", "expected a decimal number"),
            ("tighten leverage_max=inf", "expected a decimal number"),
            ("tighten leverage_max=1e400", "expected a decimal number"),
            ("tighten stop_required=0", "expected one of position_fraction_max"),
            ("tighten leverage_max", "expected LIMIT=VALUE"),
        ] {
            let error = Action::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for good in ["tighten positions_max=10", "tighten correlation_max=-0.5", "tighten var_fraction_max=0.01"] {
            assert!(Action::parse(good).is_ok(), "{good}");
        }
    }
}
