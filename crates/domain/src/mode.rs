//! Trading modes, what may change them, and what safety has to say: the vocabulary of everything that stops trading.
//!
//! In:  triggers at the edges (kill switch, signals, overrides, the gate word) as [`Control`](crate::Control) events; findings of `risk`.
//! Out: the mode in force, for the gate; alerts and changes of the mode, for the record.

use crate::account::AccountId;
use crate::codec::{CodecError, Reader, Stored};
use crate::instrument::InstrumentIdx;
use crate::order::ClientOrderId;
use crate::signal::StrategyIdx;
use crate::{stored_enum, stored_struct};
use std::fmt;

/// What trading may do. Ordered by strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mode {
    /// Everything that the limits allow.
    #[default]
    Normal = 0,
    /// No new risk; strategies go on speaking, reductions go on.
    Reduced = 1,
    /// As reduced, and strategies are silent; what rests is kept or cancelled by policy.
    Paused = 2,
    /// A trigger closed the gate: entries are taken off, and only a re-arm leads back.
    Emergency = 3,
}

impl Mode {
    /// All modes, by number.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Reduced, Self::Paused, Self::Emergency];

    /// Its key in records.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Reduced => "reduced",
            Self::Paused => "paused",
            Self::Emergency => "emergency",
        }
    }
}

/// What brought a change of the mode about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// The word of a named key holder.
    Override = 0,
    /// `bot4 kill`.
    Kill = 1,
    /// The hardware kill switch.
    Hardware = 2,
    /// The line of the hardware switch was cut or chatters.
    Tamper = 3,
    /// A signal of the operating system.
    Signal = 4,
    /// Drawdown reached its halt.
    Drawdown = 5,
    /// The loss of the day reached its limit.
    DailyLoss = 6,
    /// A breaker for the whole account opened.
    Breaker = 7,
    /// What the venue says and what the ledger holds differ.
    Reconciliation = 8,
    /// A heartbeat stayed away.
    Heartbeat = 9,
    /// A position came too near to its liquidation.
    Liquidation = 10,
    /// The market moved as in the windows that define a black swan.
    BlackSwan = 11,
    /// Something that cannot happen did.
    Fault = 12,
    /// The journal cannot be written.
    Journal = 13,
    /// This build decides otherwise than the record of the run.
    Record = 14,
    /// Another process raised the gate word without saying why.
    GateWord = 15,
    /// What led to a stricter mode is over.
    Cleared = 16,
}

impl Cause {
    /// All causes, by number; only ever appended to.
    pub const ALL: [Self; 17] = [
        Self::Override,
        Self::Kill,
        Self::Hardware,
        Self::Tamper,
        Self::Signal,
        Self::Drawdown,
        Self::DailyLoss,
        Self::Breaker,
        Self::Reconciliation,
        Self::Heartbeat,
        Self::Liquidation,
        Self::BlackSwan,
        Self::Fault,
        Self::Journal,
        Self::Record,
        Self::GateWord,
        Self::Cleared,
    ];

    /// Its key in records.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Kill => "kill",
            Self::Hardware => "hardware",
            Self::Tamper => "tamper",
            Self::Signal => "signal",
            Self::Drawdown => "drawdown",
            Self::DailyLoss => "daily_loss",
            Self::Breaker => "breaker",
            Self::Reconciliation => "reconciliation",
            Self::Heartbeat => "heartbeat",
            Self::Liquidation => "liquidation",
            Self::BlackSwan => "black_swan",
            Self::Fault => "fault",
            Self::Journal => "journal",
            Self::Record => "record",
            Self::GateWord => "gate_word",
            Self::Cleared => "cleared",
        }
    }
}

/// A key holder's name: up to 16 bytes of ASCII letters, digits, `-`, `_` and `.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder([u8; 16]);

impl Holder {
    /// From a name; `None` for one that is empty, longer, or has other characters.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 16 || !name.as_bytes().iter().all(allowed) {
            return None;
        }
        let mut held = [0; 16];
        held.iter_mut().zip(name.as_bytes()).for_each(|(to, from)| *to = *from);
        Some(Self(held))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        let length = self.0.iter().position(|b| *b == 0).unwrap_or(16);
        self.0.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// The bytes, zeros behind the name.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Stored for Holder {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let bytes = from.u128()?.to_le_bytes();
        let length = bytes.iter().position(|b| *b == 0).unwrap_or(16);
        (std::str::from_utf8(&bytes).ok())
            .and_then(|text| Self::new(text.get(..length)?))
            .filter(|held| held.0 == bytes)
            .ok_or(CodecError::Invalid { what: "the name of a key holder" })
    }
}

/// What safety has to say: something happened that somebody must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum AlertKind {
    /// Drawdown reached its alert.
    Drawdown = 0,
    /// The loss of the day or of a shorter window came near to or reached its limit.
    DailyLoss = 1,
    /// The margin ratio reached a step of its ladder.
    MarginRatio = 2,
    /// The distance to liquidation reached a step of its ladder.
    LiquidationDistance = 3,
    /// The market moved as in a black swan.
    BlackSwan = 4,
    /// A position has neither a stop nor a close in flight.
    Naked = 5,
    /// A stop was not confirmed in time: out at the market.
    StopUnconfirmed = 6,
    /// A fill came when nothing should be open any more.
    LateFill = 7,
    /// A limit is breached after a trade or by a move of the market.
    LimitBreached = 8,
    /// A loss breaker changed its state.
    Breaker = 9,
    /// A strategy was disabled: it repeats executions.
    Disabled = 10,
    /// A clock went back.
    ClockBack = 11,
    /// The message budget is nearly used up.
    MessageBudget = 12,
    /// Leverage is above what the present market allows.
    Leverage = 13,
    /// A time stop is due.
    TimeStop = 14,
    /// An input that risk rests on is missing, stale or not a number.
    InputUnknown = 15,
    /// Orders were stopped by the gate word.
    NotSent = 16,
    /// No answer came to an order or a cancel in time: it may be live, and the venue is asked.
    OutcomeUnknown = 17,
    /// The venue does not know an order, and it can arrive no more: it is over.
    NeverArrived = 18,
    /// An order of ours that we did not know, or had given up, is at the venue.
    Adopted = 19,
    /// The venue said where an order is with a word that is not known.
    StatusUnknown = 20,
    /// An execution belongs to no order that we know: it is booked apart.
    Quarantined = 21,
    /// A venue filled more of an order than it asked for.
    Overfilled = 22,
    /// What the venue says of the account and what we know differ.
    Reconciliation = 23,
    /// Somebody else trades in the account.
    OutsideActivity = 24,
    /// The venue does not say how the account stands there.
    StateOverdue = 25,
    /// A balance is below zero.
    NegativeBalance = 26,
    /// The venue changed the terms of an order of ours.
    Replaced = 27,
    /// More of a group was filled than was to be: the excess is closed.
    GroupExcess = 28,
    /// A leg of a combination was refused, ended, or is not filled in time: what was filled is completed or closed.
    GroupBroken = 29,
}

impl AlertKind {
    /// All kinds, by number; only ever appended to.
    pub const ALL: [Self; 30] = [
        Self::Drawdown,
        Self::DailyLoss,
        Self::MarginRatio,
        Self::LiquidationDistance,
        Self::BlackSwan,
        Self::Naked,
        Self::StopUnconfirmed,
        Self::LateFill,
        Self::LimitBreached,
        Self::Breaker,
        Self::Disabled,
        Self::ClockBack,
        Self::MessageBudget,
        Self::Leverage,
        Self::TimeStop,
        Self::InputUnknown,
        Self::NotSent,
        Self::OutcomeUnknown,
        Self::NeverArrived,
        Self::Adopted,
        Self::StatusUnknown,
        Self::Quarantined,
        Self::Overfilled,
        Self::Reconciliation,
        Self::OutsideActivity,
        Self::StateOverdue,
        Self::NegativeBalance,
        Self::Replaced,
        Self::GroupExcess,
        Self::GroupBroken,
    ];

    /// Its key in records.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Drawdown => "drawdown",
            Self::DailyLoss => "daily_loss",
            Self::MarginRatio => "margin_ratio",
            Self::LiquidationDistance => "liquidation_distance",
            Self::BlackSwan => "black_swan",
            Self::Naked => "naked",
            Self::StopUnconfirmed => "stop_unconfirmed",
            Self::LateFill => "late_fill",
            Self::LimitBreached => "limit_breached",
            Self::Breaker => "breaker",
            Self::Disabled => "disabled",
            Self::ClockBack => "clock_back",
            Self::MessageBudget => "message_budget",
            Self::Leverage => "leverage",
            Self::TimeStop => "time_stop",
            Self::InputUnknown => "input_unknown",
            Self::NotSent => "not_sent",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::NeverArrived => "never_arrived",
            Self::Adopted => "adopted",
            Self::StatusUnknown => "status_unknown",
            Self::Quarantined => "quarantined",
            Self::Overfilled => "overfilled",
            Self::Reconciliation => "reconciliation",
            Self::OutsideActivity => "outside_activity",
            Self::StateOverdue => "state_overdue",
            Self::NegativeBalance => "negative_balance",
            Self::Replaced => "replaced",
            Self::GroupExcess => "group_excess",
            Self::GroupBroken => "group_broken",
        }
    }
}

/// One alert: what, about what, and the number that crossed its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alert {
    /// What.
    pub kind: AlertKind,
    /// In which account.
    pub account: AccountId,
    /// About which instrument, where it is about one.
    pub instrument: Option<InstrumentIdx>,
    /// About which strategy, where it is about one.
    pub strategy: Option<StrategyIdx>,
    /// What was measured, in the unit of the kind (a fraction, a count, seconds).
    pub value: Option<f64>,
    /// The bound that it crossed, in the same unit.
    pub limit: Option<f64>,
}

/// Orders that were stopped as they were about to leave: by the gate word, or (entries) because what led to them could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSent {
    /// The level of the word that stopped the first of them; 1 where it was the journal.
    pub level: u8,
    /// Which orders.
    pub orders: Vec<ClientOrderId>,
}

macro_rules! stored_by_number {
    ($type:ty, $what:literal) => {
        /// By its number, which never changes its meaning.
        impl Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Self::ALL.get(usize::from(from.u8()?)).copied().ok_or(CodecError::Invalid { what: $what })
            }
        }
    };
}
stored_by_number!(Mode, "a mode");
stored_by_number!(Cause, "a cause of a mode");
stored_by_number!(AlertKind, "a kind of alert");
stored_struct!(Alert { kind, account, instrument, strategy, value, limit });
stored_struct!(NotSent { level, orders });

/// What a re-arm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rearm {
    /// The account: back to normal after an emergency, a halt or a pause.
    Account,
    /// One strategy that was disabled.
    Strategy(StrategyIdx),
}
stored_enum!(Rearm, "what is re-armed" { 1 => Account, 2 => Strategy(strategy) });

/// A limit that may be tightened while running, by its number; [`LimitKey::ALL`] is only ever appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LimitKey {
    /// Largest position, as a fraction of equity.
    PositionFraction = 0,
    /// Most positions.
    Positions = 1,
    /// Largest gross exposure over equity.
    Leverage = 2,
    /// Largest correlation.
    Correlation = 3,
    /// Largest loss of a day, as a fraction of equity.
    DailyLoss = 4,
    /// Largest value of an order, in quote.
    OrderValue = 5,
    /// Largest one-day value at risk, as a fraction of equity.
    VarBudget = 6,
}

impl LimitKey {
    /// All limits that can be tightened, by number.
    pub const ALL: [Self; 7] = [
        Self::PositionFraction,
        Self::Positions,
        Self::Leverage,
        Self::Correlation,
        Self::DailyLoss,
        Self::OrderValue,
        Self::VarBudget,
    ];

    /// Its key, as in configuration.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::PositionFraction => "position_fraction_max",
            Self::Positions => "positions_max",
            Self::Leverage => "leverage_max",
            Self::Correlation => "correlation_max",
            Self::DailyLoss => "daily_loss_max",
            Self::OrderValue => "order_value_max",
            Self::VarBudget => "var_fraction_max",
        }
    }
}
stored_by_number!(LimitKey, "a limit");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_bytes, to_bytes};

    #[test]
    fn every_number_is_its_place_and_every_key_is_its_own() {
        let unique = |mut keys: Vec<&str>| {
            let n = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), n);
        };
        assert!(Mode::ALL.iter().enumerate().all(|(at, mode)| *mode as usize == at));
        assert!(Cause::ALL.iter().enumerate().all(|(at, cause)| *cause as usize == at));
        assert!(AlertKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
        assert!(LimitKey::ALL.iter().enumerate().all(|(at, key)| *key as usize == at));
        unique(Mode::ALL.iter().map(|m| m.key()).collect());
        unique(Cause::ALL.iter().map(|c| c.key()).collect());
        unique(AlertKind::ALL.iter().map(|k| k.key()).collect());
        unique(LimitKey::ALL.iter().map(|k| k.key()).collect());
    }

    #[test]
    fn a_holder_has_a_short_plain_name() {
        for good in ["a", "anna.k", "desk-2_backup", "0123456789abcdef"] {
            let holder = Holder::new(good).unwrap();
            assert_eq!(holder.name(), good);
            assert_eq!(from_bytes::<Holder>(&to_bytes(&holder)), Ok(holder));
        }
        for bad in ["", "0123456789abcdefg", "a b", "ä", "a\n", "a/b", "a\0b"] {
            assert_eq!(Holder::new(bad), None, "{bad:?}");
        }
        let gap = u128::from_le_bytes(*b"ab\0cd\0\0\0\0\0\0\0\0\0\0\0");
        assert!(from_bytes::<Holder>(&to_bytes(&gap)).is_err());
    }
}
