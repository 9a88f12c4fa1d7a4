//! What a record is, and how long it is kept.

/// Kind of a record. The numbers are on disk: they are never given another meaning, new kinds take new numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Build, format, configuration in force, instruments, inputs: the first record of a run.
    Start = 1,
    /// An input by reference: name, size, hash, rows, merge rule.
    Input = 2,
    /// Definition of an instrument, or a change of it.
    Definition = 3,
    /// Pause, resume, a change of configuration, a word from the operator.
    Control = 4,
    /// The run went on after an interruption.
    Recovery = 5,
    /// Digests at one sequence number, beside a snapshot.
    Mark = 6,
    /// The run is complete: count and digest of everything before.
    Seal = 7,
    /// A venue's report: accepted, filled, canceled, funding, transfer.
    Report = 16,
    /// A timer that was due.
    Timer = 17,
    /// An answer of a model.
    ModelOutput = 18,
    /// A market event by value (live data; files are journaled by reference).
    Market = 19,
    /// A command to a venue: submit or cancel.
    Order = 32,
    /// A command to the runtime: timer or inference.
    Runtime = 33,
    /// A decision that leaves nothing: signal, refusal with its numbers.
    Decision = 34,
    /// A decision of safety: a mode, an alert, a limit, a re-arm.
    Safety = 35,
}

/// How long records of a kind are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Never removed: what was ordered, filled, configured.
    Permanent,
    /// Removed by retention, once older than its limit and than the oldest kept snapshot.
    Expiring,
}

impl Kind {
    /// All kinds, by number.
    pub const ALL: [Self; 15] = [
        Self::Start,
        Self::Input,
        Self::Definition,
        Self::Control,
        Self::Recovery,
        Self::Mark,
        Self::Seal,
        Self::Report,
        Self::Timer,
        Self::ModelOutput,
        Self::Market,
        Self::Order,
        Self::Runtime,
        Self::Decision,
        Self::Safety,
    ];

    /// The kind with this number on disk.
    #[must_use]
    #[inline]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Start,
            2 => Self::Input,
            3 => Self::Definition,
            4 => Self::Control,
            5 => Self::Recovery,
            6 => Self::Mark,
            7 => Self::Seal,
            16 => Self::Report,
            17 => Self::Timer,
            18 => Self::ModelOutput,
            19 => Self::Market,
            32 => Self::Order,
            33 => Self::Runtime,
            34 => Self::Decision,
            35 => Self::Safety,
            _ => return None,
        })
    }

    /// How long records of this kind are kept.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Start
            | Self::Input
            | Self::Definition
            | Self::Control
            | Self::Recovery
            | Self::Mark
            | Self::Seal
            | Self::Report
            | Self::Order
            | Self::Safety => Class::Permanent,
            Self::Timer | Self::ModelOutput | Self::Market | Self::Runtime | Self::Decision => Class::Expiring,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        let known: Vec<Kind> = (0..=u8::MAX).filter_map(Kind::from_number).collect();
        assert_eq!(known, Kind::ALL);
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind as u8), Some(kind));
        }
    }
}
