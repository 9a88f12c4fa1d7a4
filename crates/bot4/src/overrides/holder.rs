//! Key holders: who may say something to a running bot4, in which role, known by which public key.
//!
//! In:  `safety.holders` of the configuration, one line each as `bot4 override keygen` prints it.
//! Out: the holder of a key, to whom everything is attributed that was signed with it.

use super::base64;
use domain::Holder;
use std::fmt;
use store::audit::PublicKey;

/// What a key may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Makes trading stricter: reduce, pause, halt, flatten, tighten.
    Operator,
    /// Re-arms after a trip, and nothing else.
    Rearm,
}

impl Role {
    /// Its name in keys and tokens.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Rearm => "rearm",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Operator, Self::Rearm].into_iter().find(|role| role.key() == text)
    }
}

/// One key: whose it is, and what it may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// Whose.
    pub holder: Holder,
    /// What for.
    pub role: Role,
    /// The public key.
    pub key: PublicKey,
}

/// What a line of `safety.holders` must be.
pub const EXPECTED: &str = "NAME:ROLE:KEY as `bot4 override keygen` prints it (roles: operator, rearm)";

impl KeyHolder {
    /// Reads `NAME:ROLE:KEY`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(':')?;
        let (role, key) = rest.split_once(':')?;
        Some(Self { holder: Holder::new(name)?, role: Role::parse(role)?, key: PublicKey(base64::decode_array(key)?) })
    }
}

impl fmt::Display for KeyHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.holder, self.role.key(), base64::encode(&self.key.0))
    }
}

/// Why lines are no holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldersError {
    /// A line is none.
    Form(String),
    /// One key stands in two lines: what it signs could be one or the other.
    SameKey(Holder, Holder),
    /// One holder has two keys of one role: which of them was lost could not be said.
    Twice(Holder, Role),
    /// A holder has the name under which a stop of the run speaks: what was whose could not be said.
    Reserved(Holder),
}

impl fmt::Display for HoldersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(line) => write!(f, "safety.holders: found {line:?}, expected {EXPECTED}"),
            Self::SameKey(a, b) => {
                write!(f, "safety.holders: {a} and {b} have the same key: expected a key of one's own for each line")
            }
            Self::Twice(holder, role) => {
                write!(f, "safety.holders: {holder} has two keys of the role {}: expected one", role.key())
            }
            Self::Reserved(holder) => {
                write!(f, "safety.holders: {holder} is the name under which a run stops itself: expected another name")
            }
        }
    }
}

impl std::error::Error for HoldersError {}

/// All key holders of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders(Vec<KeyHolder>);

impl Holders {
    /// Reads the lines of `safety.holders`.
    ///
    /// # Errors
    /// [`HoldersError`] for the first line that cannot stand.
    pub fn parse<S: AsRef<str>>(lines: &[S]) -> Result<Self, HoldersError> {
        let mut all: Vec<KeyHolder> = Vec::with_capacity(lines.len());
        for line in lines {
            let line = line.as_ref();
            let read = KeyHolder::parse(line).ok_or_else(|| HoldersError::Form(line.to_owned()))?;
            if Holder::new(crate::runner::shutdown::HOLDER) == Some(read.holder) {
                return Err(HoldersError::Reserved(read.holder));
            }
            if let Some(same) = all.iter().find(|known| known.key == read.key) {
                return Err(HoldersError::SameKey(same.holder, read.holder));
            }
            if all.iter().any(|known| (known.holder, known.role) == (read.holder, read.role)) {
                return Err(HoldersError::Twice(read.holder, read.role));
            }
            all.push(read);
        }
        Ok(Self(all))
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &KeyHolder> {
        self.0.iter()
    }

    /// The keys of this name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &KeyHolder> {
        self.0.iter().filter(move |known| known.holder.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::audit::Signer;

    fn line(name: &str, role: Role, secret: u8) -> String {
        let key = Signer::from_secret([secret; 32]).public();
        KeyHolder { holder: Holder::new(name).unwrap(), role, key }.to_string()
    }

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let text = line("anna", Role::Operator, 1);
        assert!(text.starts_with("anna:operator:") && text.len() == "anna:operator:".len() + 43, "{text}");
        assert_eq!(KeyHolder::parse(&text).unwrap().to_string(), text);
        for wrong in ["", "anna", "anna:operator", "anna:admin:AA", "anna:operator:AA", &text.replace("anna", "a b")] {
            assert_eq!(KeyHolder::parse(wrong), None, "{wrong}");
        }
        assert_eq!(KeyHolder::parse(&format!("{text}=")), None, "padding is another text for the same key");
    }

    #[test]
    fn every_line_has_a_key_and_a_meaning_of_its_own() {
        let anna = [line("anna", Role::Operator, 1), line("anna", Role::Rearm, 2), line("ben", Role::Operator, 3)];
        let all = Holders::parse(&anna).unwrap();
        assert_eq!((all.iter().count(), all.named("anna").count(), all.named("carl").count()), (3, 2, 0));
        assert!(Holders::parse::<&str>(&[]).unwrap().is_empty());
        let error = |lines: &[String]| Holders::parse(lines).unwrap_err().to_string();
        assert!(error(&[line("anna", Role::Operator, 1), line("ben", Role::Rearm, 1)]).contains("the same key"));
        assert!(error(&[line("anna", Role::Operator, 1), line("anna", Role::Operator, 2)]).contains("two keys"));
        assert!(error(&["x".into()]).contains("expected NAME:ROLE:KEY"));
        assert!(
            error(&[line("shutdown", Role::Operator, 1)]).contains("stops itself"),
            "a stop speaks under that name"
        );
    }
}
