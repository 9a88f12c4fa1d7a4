//! Dimensionless rates: fees, margins, funding, fractions of equity.

use crate::decimal::{self, DecimalError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A dimensionless rate as an integer count of 1e-12 (0.001 = 0.1 %). Holds up to about 9.2 million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One: 100 %.
    pub const ONE: Self = Self(decimal::ONE as i64);

    /// From an integer count of 1e-12.
    #[must_use]
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// As an integer count of 1e-12.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// From hundredths of a percent.
    #[must_use]
    pub const fn from_bps(bps: i32) -> Self {
        Self(bps as i64 * 100_000_000)
    }

    /// Reads a plain decimal number with at most 12 decimals.
    ///
    /// # Errors
    /// As [`decimal::parse`].
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        decimal::parse_mantissa(text, decimal::MONEY_DECIMALS).map(Self)
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        decimal::mantissa_to_f64(self.0, decimal::MONEY_DECIMALS)
    }

    /// Sum; `None` on overflow.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// This rate divided into `n` equal parts, rounded down; `None` if `n` is zero.
    #[must_use]
    pub const fn divided_by(self, n: u32) -> Option<Self> {
        if n == 0 { None } else { Some(Self(self.0.div_euclid(n as i64))) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::format(i128::from(self.0), decimal::MONEY_DECIMALS, f)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A rate is text (`"0.02"`), or a plain number, which counts as the decimal that it is written as.
impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyForm;
        impl de::Visitor<'_> for AnyForm {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number with at most 12 decimals")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                Rate::parse(text).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Rate, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Rate, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Rate, E> {
                // The shortest text that reads back as this double is what was written.
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(AnyForm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basis_points_are_hundredths_of_a_percent() {
        assert_eq!(Rate::from_bps(10), Rate::parse("0.001").unwrap());
        assert_eq!(Rate::parse("0.02").unwrap().divided_by(3).unwrap().to_string(), "0.006666666666");
    }

    #[test]
    fn text_and_numbers_are_read_alike() {
        let read = |json: &str| serde_json::from_str::<Rate>(json);
        assert_eq!(read("\"0.02\"").unwrap(), Rate::from_bps(200));
        assert_eq!(read("0.02").unwrap(), Rate::from_bps(200));
        assert_eq!(read("3").unwrap(), Rate::from_raw(3 * Rate::ONE.raw()));
        assert_eq!(read("-0.0001").unwrap(), Rate::from_bps(-1));
        for bad in ["\"x\"", "true", "1e300", "0.0000000000001", "99999999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
