//! Values as bytes and back: what a journal keeps and a snapshot holds.
//!
//! In:  values of the core, appended to a buffer; bytes from whoever kept them, front to back through a [`Reader`].
//! Out: the bytes, little-endian and of fixed width, with one byte in front of every choice; the values, or a [`CodecError`].
//!
//! What was written once must stay readable by every later build. So the form of a type never changes: a new field is appended under a
//! new version number, which is kept by whoever frames the record (the journal's record head, the snapshot's head), and numbers of
//! variants are written out, never reused. Equal values have equal bytes, and bytes that no value has are refused, so that reading and
//! writing again gives the same bytes. Checksums, lengths of records and files are left to `store`.

mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What can be written to a journal or snapshot and read back.
pub trait Stored: Sized {
    /// Appends the value to `out`.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads a value from the front of `from`.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] where the bytes end early, [`CodecError::Invalid`] for bytes that no value has.
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError>;
}

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The bytes end before the value does.
    Truncated,
    /// Bytes are left over after the value.
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// Bytes that no value of that kind has.
    Invalid {
        /// What was read.
        what: &'static str,
    },
    /// Written by another version of a structure.
    Version {
        /// What was read.
        what: &'static str,
        /// The version that this build reads.
        expected: u32,
        /// The version in the bytes.
        found: u32,
    },
    /// Saved under another configuration than that of what it was to be loaded into.
    Parameter {
        /// What differs.
        what: &'static str,
    },
    /// The saved state of a strategy could not be loaded.
    Strategy {
        /// Its number.
        strategy: u16,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the bytes end before the value does"),
            Self::LeftOver { bytes } => write!(f, "{bytes} bytes are left over after the value"),
            Self::Invalid { what } => write!(f, "the bytes of {what} are none that can have been written"),
            Self::Version { what, expected, found } => {
                write!(f, "{what} was written in version {found}, this build reads {expected}")
            }
            Self::Parameter { what } => write!(f, "saved under another configuration: {what} differs"),
            Self::Strategy { strategy, reason } => write!(f, "strategy {strategy}: {reason}"),
        }
    }
}

impl std::error::Error for CodecError {}

/// Reads values from bytes, front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// One reading function per fixed-width number.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $type:ty),+) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`CodecError::Truncated`] when too few bytes are left.
        #[inline]
        pub fn $name(&mut self) -> Result<$type, CodecError> {
            Ok(<$type>::from_le_bytes(self.array()?))
        }
    )+};
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] when fewer are left.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], CodecError> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    numbers! {
        /// The next byte.
        u8: u8,
        /// The next unsigned 16-bit number.
        u16: u16,
        /// The next unsigned 32-bit number.
        u32: u32,
        /// The next unsigned 64-bit number.
        u64: u64,
        /// The next signed 64-bit number.
        i64: i64,
        /// The next unsigned 128-bit number.
        u128: u128,
        /// The next signed 128-bit number.
        i128: i128
    }

    /// The next float, by its bits.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] when fewer than eight bytes are left.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, CodecError> {
        Ok(f64::from_bits(self.u64()?))
    }

    /// The next yes or no.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] at the end, [`CodecError::Invalid`] for a byte that is neither 0 nor 1.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::Invalid { what: "a yes or no" }),
        }
    }

    /// The next number of things that follow, each at least one byte long. A number that the bytes left cannot hold is refused before
    /// anything is made room for.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] where fewer bytes than things are left.
    #[inline]
    pub fn count(&mut self) -> Result<usize, CodecError> {
        let count = usize::try_from(self.u64()?).map_err(|_| CodecError::Truncated)?;
        if count > self.rest.len() { Err(CodecError::Truncated) } else { Ok(count) }
    }

    /// The next bytes that were written by [`put_bytes`].
    ///
    /// # Errors
    /// [`CodecError::Truncated`] when fewer are left than their number says.
    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let count = self.count()?;
        self.take(count)
    }

    /// The next signed 64-bit number that may be absent, as [`Pack::maybe_i64`] wrote it.
    ///
    /// # Errors
    /// As [`Reader::i64`] and [`Reader::bool`].
    #[inline]
    pub fn maybe_i64(&mut self) -> Result<Option<i64>, CodecError> {
        let there = self.bool()?;
        let value = self.i64()?;
        Ok(there.then_some(value))
    }

    /// The next signed 128-bit number that may be absent, as [`Pack::maybe_i128`] wrote it.
    ///
    /// # Errors
    /// As [`Reader::i128`] and [`Reader::bool`].
    #[inline]
    pub fn maybe_i128(&mut self) -> Result<Option<i128>, CodecError> {
        let there = self.bool()?;
        let value = self.i128()?;
        Ok(there.then_some(value))
    }

    /// Checks the version that [`put_version`] wrote.
    ///
    /// # Errors
    /// [`CodecError::Version`] for another one.
    pub fn version(&mut self, what: &'static str, expected: u32) -> Result<(), CodecError> {
        let found = self.u32()?;
        if found == expected { Ok(()) } else { Err(CodecError::Version { what, expected, found }) }
    }

    /// Checks that the next value is the one that is configured here.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] names `what` differs, and as [`Stored::take`].
    pub fn same<T: Stored + PartialEq>(&mut self, configured: &T, what: &'static str) -> Result<(), CodecError> {
        if T::take(self)? == *configured { Ok(()) } else { Err(CodecError::Parameter { what }) }
    }

    /// What was not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// [`CodecError::LeftOver`] when bytes remain.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::LeftOver { bytes: self.rest.len() }) }
    }
}

/// Fields of fixed width put together in an array and appended at once: for what a journal or snapshot has many of, several times as fast
/// as one field after the other. `N` is the sum of the widths, which [`Pack::put`] asserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pack<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Default for Pack<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Pack<N> {
    /// Nothing yet.
    #[must_use]
    #[inline(always)]
    pub const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    /// The next field, little-endian.
    #[inline(always)]
    pub fn field<const W: usize>(&mut self, bytes: [u8; W]) -> &mut Self {
        self.bytes[self.at..self.at + W].copy_from_slice(&bytes);
        self.at += W;
        self
    }

    /// A byte.
    #[inline(always)]
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.field([value])
    }

    /// A yes or no.
    #[inline(always)]
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.field([u8::from(value)])
    }

    /// A signed 64-bit number.
    #[inline(always)]
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.field(value.to_le_bytes())
    }

    /// A signed 128-bit number.
    #[inline(always)]
    pub fn i128(&mut self, value: i128) -> &mut Self {
        self.field(value.to_le_bytes())
    }

    /// A signed 64-bit number that may be absent: whether it is there, then the number or zero.
    #[inline(always)]
    pub fn maybe_i64(&mut self, value: Option<i64>) -> &mut Self {
        self.bool(value.is_some()).i64(value.unwrap_or(0))
    }

    /// A signed 128-bit number that may be absent: whether it is there, then the number or zero.
    #[inline(always)]
    pub fn maybe_i128(&mut self, value: Option<i128>) -> &mut Self {
        self.bool(value.is_some()).i128(value.unwrap_or(0))
    }

    /// The bytes.
    #[must_use]
    #[inline(always)]
    pub fn bytes(&self) -> [u8; N] {
        assert!(self.at == N, "the widths of the fields add up to the width of the whole");
        self.bytes
    }

    /// Appends the whole.
    #[inline(always)]
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }
}

/// Appends bytes with their number in front.
pub fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as u64).put(out);
    out.extend_from_slice(bytes);
}

/// Appends the version of a structure.
pub fn put_version(version: u32, out: &mut Vec<u8>) {
    version.put(out);
}

/// Appends the number of items and the items, each as `put` says.
pub fn put_all<T>(items: &[T], out: &mut Vec<u8>, mut put: impl FnMut(&T, &mut Vec<u8>)) {
    (items.len() as u64).put(out);
    items.iter().for_each(|item| put(item, out));
}

/// The whole of `bytes` as one value.
///
/// # Errors
/// As [`Stored::take`], and [`CodecError::LeftOver`] where bytes follow the value.
pub fn from_bytes<T: Stored>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut reader = Reader::new(bytes);
    let value = T::take(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// A value as bytes of its own.
#[must_use]
pub fn to_bytes<T: Stored>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// Implements [`Stored`] for a structure: its fields, in the order in which they are listed.
#[macro_export]
macro_rules! stored_struct {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::codec::Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::codec::Stored::put(&self.$field, out);)+
            }
            #[inline]
            fn take(from: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::CodecError> {
                Ok(Self { $($field: $crate::codec::Stored::take(from)?),+ })
            }
        }
    };
}

/// Implements [`Stored`] for an enum: one byte for the variant, then its fields in the order in which they are listed. Numbers that no
/// variant has are refused.
#[macro_export]
macro_rules! stored_enum {
    ($type:ty, $what:literal { $($tag:tt => $variant:ident $(($($item:ident),+))? $({$($field:ident),+})?),+ $(,)? }) => {
        impl $crate::codec::Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                match self {$(
                    Self::$variant $(($($item),+))? $({ $($field),+ })? => {
                        out.push($tag);
                        $($($crate::codec::Stored::put($item, out);)+)?
                        $($($crate::codec::Stored::put($field, out);)+)?
                    }
                )+}
            }
            #[inline]
            fn take(from: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::CodecError> {
                match from.u8()? {
                    $($tag => {
                        $($(let $item = $crate::codec::Stored::take(from)?;)+)?
                        $($(let $field = $crate::codec::Stored::take(from)?;)+)?
                        Ok(Self::$variant $(($($item),+))? $({ $($field),+ })?)
                    })+
                    _ => Err($crate::codec::CodecError::Invalid { what: $what }),
                }
            }
        }
    };
}

macro_rules! plain {
    ($($type:ident),+) => {$(
        impl Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(Self::from_le_bytes(from.array()?))
            }
        }
    )+};
}
plain!(u8, u16, u32, u64, u128, i64, i128);

impl Stored for usize {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::try_from(from.u64()?).map_err(|_| CodecError::Invalid { what: "a number of things" })
    }
}

impl Stored for bool {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        from.bool()
    }
}

impl Stored for f64 {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        self.to_bits().put(out);
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        from.f64()
    }
}

impl<T: Stored> Stored for Option<T> {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.put(out);
        }
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(if from.bool()? { Some(T::take(from)?) } else { None })
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self, out, T::put);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = from.count()?;
        // Room for no more than about the size of the bytes: a corrupt number cannot ask for memory that nothing fills.
        let mut items = Self::with_capacity(count.min(from.rest.len() / size_of::<T>().max(1) + 1));
        for _ in 0..count {
            items.push(T::take(from)?);
        }
        Ok(items)
    }
}

impl<T: Stored + Copy + Default, const N: usize> Stored for [T; N] {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|item| item.put(out));
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::take(from)?;
        }
        Ok(items)
    }
}

/// In the order of the keys; keys out of order or twice are refused.
impl<K: Stored + Ord, V: Stored> Stored for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut map = Self::new();
        for _ in 0..from.count()? {
            let (key, value) = (K::take(from)?, V::take(from)?);
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(CodecError::Invalid { what: "the order of keys" });
            }
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl Stored for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let text = std::str::from_utf8(from.bytes()?).map_err(|_| CodecError::Invalid { what: "a text" })?;
        Ok(text.to_owned())
    }
}

impl<T: Stored> Stored for Arc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self::new(T::take(from)?))
    }
}

macro_rules! tuples {
    ($(($($name:ident $at:tt),+)),+) => {$(
        impl<$($name: Stored),+> Stored for ($($name,)+) {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$at.put(out);)+
            }
            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(($($name::take(from)?,)+))
            }
        }
    )+};
}
tuples!((A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));
