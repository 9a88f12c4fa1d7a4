//! Why a token is refused: for who sent it, for the log, and for the counters.

use super::holder::Role;
use super::token::{LIFE_MAX_S, SKEW_S};
use std::fmt;

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What lies in the inbox is no file, or cannot be read.
    NoFile {
        /// What it is, or what the system said.
        what: String,
    },
    /// Longer than any token.
    TooLarge,
    /// No token: what would have been.
    Form {
        /// What was expected.
        what: &'static str,
    },
    /// Another header than the one that there is: another algorithm, or signed for something else.
    Header,
    /// Claims that are missing, too many, or none.
    Claims {
        /// Which, and what was expected.
        what: String,
    },
    /// Nobody of this name has a key here.
    UnknownHolder,
    /// Signed by nobody of this name, or altered.
    Signature,
    /// The key's role does not allow it.
    Role {
        /// The role that the key has.
        role: Role,
    },
    /// What is asked for is nothing that can be asked for: it would open risk, loosen a limit, or does not exist.
    Act {
        /// What was expected.
        what: String,
    },
    /// Not valid any more.
    Expired {
        /// Since how many seconds.
        seconds: u64,
    },
    /// Not valid yet: the clocks are too far apart, or it was signed for later.
    NotYet {
        /// In how many seconds.
        seconds: u64,
    },
    /// It would live longer than a token may.
    TooLong {
        /// How long, in seconds.
        seconds: u64,
    },
    /// For another run.
    OtherRun {
        /// Which one it is for.
        meant: String,
        /// Which one this is.
        is: String,
    },
    /// It was used before.
    Used,
    /// A re-arm that was signed before this process began: a token of before a crash does not lead back to trading.
    BeforeStart,
    /// A re-arm cannot be noted as used, or which tokens were used is not known.
    NotNoted {
        /// Why.
        what: String,
    },
    /// A re-arm while another one is being tested.
    Busy,
    /// A re-arm whose self-tests did not pass.
    SelfTest {
        /// Which one, and why.
        what: String,
    },
    /// A re-arm during whose self-tests somebody asked for a stricter mode.
    Overtaken,
}

impl Refused {
    /// Its key in records.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::NoFile { .. } => "no_file",
            Self::TooLarge => "too_large",
            Self::Form { .. } => "form",
            Self::Header => "header",
            Self::Claims { .. } => "claims",
            Self::UnknownHolder => "unknown_holder",
            Self::Signature => "signature",
            Self::Role { .. } => "role",
            Self::Act { .. } => "act",
            Self::Expired { .. } => "expired",
            Self::NotYet { .. } => "not_yet",
            Self::TooLong { .. } => "too_long",
            Self::OtherRun { .. } => "other_run",
            Self::Used => "used",
            Self::BeforeStart => "before_start",
            Self::NotNoted { .. } => "not_noted",
            Self::Busy => "busy",
            Self::SelfTest { .. } => "self_test",
            Self::Overtaken => "overtaken",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile { what } => write!(f, "{what}: expected a file with a token"),
            Self::TooLarge => f.write_str("longer than any token"),
            Self::Form { what } => write!(f, "no token: expected {what}"),
            Self::Header => {
                f.write_str("another header than that of an override: expected a token of `bot4 override sign`")
            }
            Self::Claims { what } => write!(f, "claims: {what}"),
            Self::UnknownHolder => {
                f.write_str("nobody of this name has a key here: expected a holder of safety.holders")
            }
            Self::Signature => f.write_str("the signature is not this holder's: forged, altered, or of another key"),
            Self::Role { role } => write!(f, "the key has the role {}, which does not allow this", role.key()),
            Self::Act { what } => write!(f, "act {what}"),
            Self::Expired { seconds } => write!(f, "expired {seconds} s ago"),
            Self::NotYet { seconds } => {
                write!(f, "valid in {seconds} s only: expected clocks that are at most {SKEW_S} s apart")
            }
            Self::TooLong { seconds } => write!(f, "would live {seconds} s: expected at most {LIFE_MAX_S} s"),
            Self::OtherRun { meant, is } => {
                write!(f, "for the run {meant}, this is {is}: expected a token of `bot4 override sign --run DIR`")
            }
            Self::Used => f.write_str("was used before: every token is used once"),
            Self::BeforeStart => f.write_str("a re-arm that was signed before this process began: sign a new one"),
            Self::NotNoted { what } => write!(f, "a re-arm that cannot be noted as used ({what})"),
            Self::Busy => f.write_str("another re-arm is being tested: send this one again when it is answered"),
            Self::SelfTest { what } => write!(f, "the self-tests did not pass: {what}"),
            Self::Overtaken => f.write_str("somebody asked for a stricter mode meanwhile"),
        }
    }
}
