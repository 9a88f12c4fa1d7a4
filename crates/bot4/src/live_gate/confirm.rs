//! The confirmation of limits: a key holder signs the very limits that are to hold in live trading.
//!
//! In:  the limits of the configuration; a key of the role operator. Out: a token in a file, held against the limits in force.

use crate::overrides::{HolderKey, Holders, Purpose, Refused, Role, Signed, open, seal};
use risk::Limits;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// How long a confirmation holds, in days: then somebody has to look at the limits again.
pub const HOLDS_DAYS: u64 = 90;

/// The claims of a confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The holder's name.
    pub sub: String,
    /// The role of the key.
    pub role: String,
    /// When it was signed, seconds since 1970 UTC.
    pub iat: u64,
    /// From when on it holds no more, seconds since 1970 UTC.
    pub exp: u64,
    /// Hash of the limits.
    pub limits: String,
}

impl Signed for Confirmation {
    fn sub(&self) -> &str {
        &self.sub
    }

    fn role(&self) -> &str {
        &self.role
    }
}

/// Why limits are not confirmed.
#[derive(Debug)]
pub enum ConfirmError {
    /// There is no confirmation.
    None(PathBuf),
    /// The file cannot be read or written.
    Io(PathBuf, io::Error),
    /// It is no confirmation, or of nobody who may.
    Refused(PathBuf, Refused),
    /// The key's role does not allow it.
    Role(Role),
    /// Of other limits.
    Other {
        /// Those that were confirmed.
        confirmed: String,
        /// Those in force.
        in_force: String,
    },
    /// Too old, or of a time to come.
    Time(String),
}

impl fmt::Display for ConfirmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(path) => {
                write!(f, "{}: nobody has confirmed the limits: `bot4 gate confirm --key KEY` does", path.display())
            }
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Refused(path, refused) => write!(f, "{}: {refused}", path.display()),
            Self::Role(role) => {
                write!(f, "a key of the role {} confirms no limits: expected an operator's", role.key())
            }
            Self::Other { confirmed, in_force } => {
                write!(f, "other limits were confirmed ({confirmed}) than are in force ({in_force})")
            }
            Self::Time(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ConfirmError {}

/// A hash of limits: the same values give the same one.
#[must_use]
pub fn digest(limits: &Limits) -> String {
    // Values of numbers and flags: they can always be written.
    let text = serde_json::to_string(limits).unwrap_or_default();
    let mut hasher = Sha256::new();
    hasher.update(b"bot4 limits 1\n");
    hasher.update(text.as_bytes());
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signs the limits, and writes the confirmation in place of an older one.
///
/// # Errors
/// [`ConfirmError::Role`], and [`ConfirmError::Io`] if the file cannot be written.
pub fn confirm(path: &Path, limits: &Limits, key: &HolderKey, now_s: u64) -> Result<Confirmation, ConfirmError> {
    if key.known.role != Role::Operator {
        return Err(ConfirmError::Role(key.known.role));
    }
    let claims = Confirmation {
        sub: key.known.holder.to_string(),
        role: key.known.role.key().to_owned(),
        iat: now_s,
        exp: now_s.saturating_add(HOLDS_DAYS * 86_400),
        limits: digest(limits),
    };
    let io = |error| ConfirmError::Io(path.to_owned(), error);
    let token = seal(Purpose::Limits, &claims, &key.signer).map_err(|e| io(e.into()))?;
    // Written aside and renamed: the older one is whole until the new one is.
    let aside = path.with_extension("part");
    std::fs::write(&aside, token + "\n").and_then(|()| std::fs::rename(&aside, path)).map_err(io)?;
    Ok(claims)
}

/// Holds the confirmation in a file against the limits in force.
///
/// # Errors
/// [`ConfirmError`] with the first reason.
pub fn confirmed(path: &Path, limits: &Limits, holders: &Holders, now_s: u64) -> Result<Confirmation, ConfirmError> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ConfirmError::None(path.to_owned())),
        Err(error) => return Err(ConfirmError::Io(path.to_owned(), error)),
    };
    let refused = |refused| ConfirmError::Refused(path.to_owned(), refused);
    let (claims, known) = open::<Confirmation>(Purpose::Limits, text.trim_ascii(), holders).map_err(refused)?;
    if known.role != Role::Operator {
        return Err(ConfirmError::Role(known.role));
    }
    let in_force = digest(limits);
    if claims.limits != in_force {
        return Err(ConfirmError::Other { confirmed: claims.limits, in_force });
    }
    if claims.iat > now_s.saturating_add(crate::overrides::SKEW_S) {
        return Err(ConfirmError::Time("the confirmation is of a time to come".into()));
    }
    // How long it holds is said here, not by what was signed.
    let age_days = now_s.saturating_sub(claims.iat) / 86_400;
    if age_days >= HOLDS_DAYS || now_s >= claims.exp {
        return Err(ConfirmError::Time(format!(
            "the confirmation is {age_days} days old: expected one of the last {HOLDS_DAYS} days"
        )));
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Holder;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn the_very_limits_are_confirmed_by_who_may_and_not_for_ever() {
        let dir = std::env::temp_dir().join(format!("bot4-confirm-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("limits.confirmed");
        let key = |name: &str, role| HolderKey::make(&dir.join(name), Holder::new(name).unwrap(), role).unwrap();
        let (anna, ben, carl) = (key("anna", Role::Operator), key("ben", Role::Rearm), key("carl", Role::Operator));
        let holders = Holders::parse(&[anna.known.to_string(), ben.known.to_string()]).unwrap();
        let hard = Limits::default();
        let look = |limits: &Limits, now| confirmed(&path, limits, &holders, now).map_err(|e| e.to_string());
        assert!(look(&hard, NOW).unwrap_err().contains("nobody has confirmed"));
        confirm(&path, &hard, &anna, NOW).unwrap();
        assert_eq!(look(&hard, NOW).unwrap().sub, "anna");
        assert_eq!(look(&hard, NOW + 89 * 86_400).unwrap().limits, digest(&hard));
        assert!(look(&hard, NOW + 90 * 86_400).unwrap_err().contains("90 days old"));
        assert!(look(&hard, NOW - 60).unwrap_err().contains("a time to come"));
        let tighter = Limits { positions_max: 9, ..hard };
        assert!(look(&tighter, NOW).unwrap_err().contains("other limits were confirmed"));
        // Who is not known, whose role is another, and what is no confirmation.
        confirm(&path, &hard, &carl, NOW).unwrap();
        assert!(look(&hard, NOW).unwrap_err().contains("nobody of this name"));
        assert!(matches!(confirm(&path, &hard, &ben, NOW), Err(ConfirmError::Role(Role::Rearm))));
        let as_ben =
            Confirmation { sub: "ben".into(), role: "rearm".into(), ..confirm(&path, &hard, &anna, NOW).unwrap() };
        std::fs::write(&path, seal(Purpose::Limits, &as_ben, &ben.signer).unwrap()).unwrap();
        assert!(look(&hard, NOW).unwrap_err().contains("confirms no limits"));
        let other = seal(Purpose::Override, &as_ben, &ben.signer).unwrap();
        for text in ["", "hello", other.as_str()] {
            std::fs::write(&path, text).unwrap();
            assert!(look(&hard, NOW).is_err(), "{text}");
        }
        // A holder who signs a longer life gets the usual one.
        let long = Confirmation { exp: u64::MAX, ..confirm(&path, &hard, &anna, NOW).unwrap() };
        std::fs::write(&path, seal(Purpose::Limits, &long, &anna.signer).unwrap()).unwrap();
        assert!(look(&hard, NOW + 91 * 86_400).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
