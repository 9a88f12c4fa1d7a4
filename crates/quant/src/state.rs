//! Saving and loading the state of what computes incrementally, so that a snapshot continues bit for bit.
//!
//! In:  an indicator or statistic; out: bytes (and back), little-endian, f64 by their bits.
//! Each structure writes its name and a version, then its construction parameters (compared on loading, never replaced),
//! then what moves. Checksums and files are left to whoever keeps the snapshot.

use std::fmt;

/// What can be written into a snapshot and read back into a structure built with the same parameters.
pub trait State {
    /// Appends the state to `out`.
    fn write(&self, out: &mut Vec<u8>);

    /// Replaces the state by what `from` holds. After an error the state is unspecified: [`load`] keeps the old one instead.
    ///
    /// # Errors
    /// [`StateError`] when the bytes end early, belong to something else, or hold an impossible value.
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError>;
}

/// Loads `target` from `from`; on an error `target` is left as it was.
///
/// # Errors
/// As [`State::read`].
pub fn load<T: State + Clone>(target: &mut T, from: &mut Reader<'_>) -> Result<(), StateError> {
    let mut next = target.clone();
    next.read(from)?;
    *target = next;
    Ok(())
}

/// Why a saved state could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The bytes end before the state does.
    Truncated,
    /// Bytes are left over after the state.
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// The bytes belong to another structure.
    Name {
        /// What was to be loaded.
        expected: &'static str,
        /// What the bytes name.
        found: String,
    },
    /// The bytes were written by another version of the structure.
    Version {
        /// What was to be loaded.
        name: &'static str,
        /// The version this build reads.
        expected: u8,
        /// The version in the bytes.
        found: u8,
    },
    /// The bytes were saved with another construction parameter.
    Parameter {
        /// What was to be loaded.
        name: &'static str,
        /// The parameter that differs.
        parameter: &'static str,
    },
    /// A value that no run can have produced.
    Invalid {
        /// What was to be loaded.
        name: &'static str,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "saved state ends too early"),
            Self::LeftOver { bytes } => write!(f, "{bytes} bytes are left over after the saved state"),
            Self::Name { expected, found } => write!(f, "saved state belongs to {found:?}, expected {expected}"),
            Self::Version { name, expected, found } => {
                write!(f, "saved state of {name} has version {found}, this build reads {expected}")
            }
            Self::Parameter { name, parameter } => write!(f, "saved state of {name} was made with another {parameter}"),
            Self::Invalid { name } => write!(f, "saved state of {name} holds an impossible value"),
        }
    }
}

impl std::error::Error for StateError {}

/// Reads saved state from bytes, front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left: what a count of elements can be held against before room is made for them.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`StateError::Truncated`] when fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], StateError> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(StateError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next unsigned number.
    ///
    /// # Errors
    /// [`StateError::Truncated`] when fewer than eight bytes are left.
    pub fn u64(&mut self) -> Result<u64, StateError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next float, by its bits.
    ///
    /// # Errors
    /// [`StateError::Truncated`] when fewer than eight bytes are left.
    pub fn f64(&mut self) -> Result<f64, StateError> {
        Ok(f64::from_bits(self.u64()?))
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// [`StateError::LeftOver`] when bytes remain.
    pub fn finish(self) -> Result<(), StateError> {
        if self.rest.is_empty() { Ok(()) } else { Err(StateError::LeftOver { bytes: self.rest.len() }) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        self.take(N)?.try_into().map_err(|_| StateError::Truncated)
    }
}

/// Writes the head of a structure: its name and version.
pub(crate) fn write_head(name: &str, version: u8, out: &mut Vec<u8>) {
    // Names are Rust identifiers, far shorter than 255 bytes.
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
    out.push(version);
}

/// Reads and checks the head of a structure.
pub(crate) fn read_head(name: &'static str, version: u8, from: &mut Reader<'_>) -> Result<(), StateError> {
    let [length] = from.array::<1>()?;
    let found = from.take(usize::from(length))?;
    if found != name.as_bytes() {
        return Err(StateError::Name { expected: name, found: String::from_utf8_lossy(found).into_owned() });
    }
    let [found] = from.array::<1>()?;
    if found == version { Ok(()) } else { Err(StateError::Version { name, expected: version, found }) }
}

impl State for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes());
    }
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        *self = f64::from_bits(u64::from_le_bytes(from.array()?));
        Ok(())
    }
}

impl State for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        *self = u64::from_le_bytes(from.array()?);
        Ok(())
    }
}

impl State for usize {
    fn write(&self, out: &mut Vec<u8>) {
        (*self as u64).write(out);
    }
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        let mut wide = 0_u64;
        wide.read(from)?;
        *self = usize::try_from(wide).map_err(|_| StateError::Invalid { name: "usize" })?;
        Ok(())
    }
}

impl State for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        *self = match from.array()? {
            [0_u8] => false,
            [1] => true,
            _ => return Err(StateError::Invalid { name: "bool" }),
        };
        Ok(())
    }
}

impl State for Option<f64> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        self.unwrap_or(0.0).write(out);
    }
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        let (mut some, mut value) = (false, 0.0);
        some.read(from)?;
        value.read(from)?;
        *self = some.then_some(value);
        Ok(())
    }
}

impl<T: State, const N: usize> State for [T; N] {
    fn write(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|v| v.write(out));
    }
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.iter_mut().try_for_each(|v| v.read(from))
    }
}

/// A buffer whose length was fixed at construction: another length in the bytes is an error.
impl<T: State> State for Box<[T]> {
    fn write(&self, out: &mut Vec<u8>) {
        self.len().write(out);
        self.iter().for_each(|v| v.write(out));
    }
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        let mut length = 0_usize;
        length.read(from)?;
        if length != self.len() {
            return Err(StateError::Parameter { name: "buffer", parameter: "length" });
        }
        self.iter_mut().try_for_each(|v| v.read(from))
    }
}

/// Writes `impl State` for a structure: name and version, `fixed` construction parameters, then the `moving` fields.
/// `valid` names a check `fn(&Self) -> bool` of what must hold for any state a run can produce.
macro_rules! state {
    ($type:ident $(<$($generic:ident: $bound:path),+>)?, $version:literal, fixed [$($fixed:ident),*], moving [$($moving:ident),*] $(, valid $valid:expr)?) => {
        impl $(<$($generic: $bound),+>)? $crate::state::State for $type $(<$($generic),+>)? {
            fn write(&self, out: &mut Vec<u8>) {
                $crate::state::write_head(stringify!($type), $version, out);
                $($crate::state::State::write(&self.$fixed, out);)*
                $($crate::state::State::write(&self.$moving, out);)*
            }
            fn read(&mut self, from: &mut $crate::state::Reader<'_>) -> Result<(), $crate::state::StateError> {
                const NAME: &str = stringify!($type);
                $crate::state::read_head(NAME, $version, from)?;
                $(
                    let own = self.$fixed;
                    $crate::state::State::read(&mut self.$fixed, from)?;
                    if self.$fixed != own {
                        return Err($crate::state::StateError::Parameter { name: NAME, parameter: stringify!($fixed) });
                    }
                )*
                $($crate::state::State::read(&mut self.$moving, from)?;)*
                $(
                    let valid: fn(&Self) -> bool = $valid;
                    if !valid(self) {
                        return Err($crate::state::StateError::Invalid { name: NAME });
                    }
                )?
                Ok(())
            }
        }
    };
}
pub(crate) use state;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Counter {
        limit: usize,
        seen: usize,
        last: Option<f64>,
    }
    state!(Counter, 3, fixed [limit], moving [seen, last], valid |c| c.seen <= c.limit);

    fn bytes(counter: &Counter) -> Vec<u8> {
        let mut out = Vec::new();
        counter.write(&mut out);
        out
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let saved = Counter { limit: 9, seen: 4, last: Some(-0.0) };
        let mut fresh = Counter { limit: 9, seen: 0, last: None };
        let bytes = bytes(&saved);
        let mut reader = Reader::new(&bytes);
        load(&mut fresh, &mut reader).unwrap();
        reader.finish().unwrap();
        assert_eq!(fresh, saved);
    }

    #[test]
    fn foreign_bytes_are_refused_and_change_nothing() {
        let saved = bytes(&Counter { limit: 9, seen: 4, last: None });
        let fresh = Counter { limit: 9, seen: 1, last: None };
        let attempt = |bytes: &[u8], target: &Counter| {
            let mut copy = target.clone();
            let result = load(&mut copy, &mut Reader::new(bytes));
            assert_eq!(&copy, target, "a refused load must change nothing");
            result.unwrap_err()
        };
        for cut in 0..saved.len() {
            assert_eq!(attempt(&saved[..cut], &fresh), StateError::Truncated, "cut at {cut}");
        }
        let other = Counter { limit: 8, seen: 0, last: None };
        assert_eq!(attempt(&saved, &other), StateError::Parameter { name: "Counter", parameter: "limit" });
        let mut version = saved.clone();
        version[8] = 2;
        assert_eq!(attempt(&version, &fresh), StateError::Version { name: "Counter", expected: 3, found: 2 });
        let mut name = saved.clone();
        name[1] = b'X';
        assert_eq!(attempt(&name, &fresh), StateError::Name { expected: "Counter", found: "Xounter".into() });
        let impossible = bytes(&Counter { limit: 9, seen: 10, last: None });
        assert_eq!(attempt(&impossible, &fresh), StateError::Invalid { name: "Counter" });
    }
}
