//! Decimal numbers as integers: reading and writing text, changing the number of decimals, rounding, and the one way from `f64`.
//!
//! In:  text or `f64` from the edges, mantissas from market data.
//! Out: `i64` mantissas at an instrument's decimals, `i128` counts of 1e-12 for money.
//! Text never passes through a float. Every operation that can lose a digit takes a [`Rounding`] or refuses.

use std::fmt;

/// Decimals of the money form: one unit is 1e-12.
pub const MONEY_DECIMALS: u8 = 12;
/// 1 in the money form.
pub const ONE: i128 = 1_000_000_000_000;

/// Powers of ten that fit `i64`, by exponent 0..=18.
pub const POW10: [i64; 19] = {
    let mut table = [1i64; 19];
    let mut k = 1;
    while k < 19 {
        table[k] = table[k - 1] * 10;
        k += 1;
    }
    table
};

/// Powers of ten as `f64`, by exponent 0..=18: all of them are exact doubles.
pub const POW10_F64: [f64; 19] = {
    let mut table = [1f64; 19];
    let mut k = 1;
    while k < 19 {
        table[k] = POW10[k] as f64;
        k += 1;
    }
    table
};

/// Which neighbour a number becomes that lies between two that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// To the nearest; a tie goes to the even neighbour.
    HalfEven,
}

/// Why a number could not become a decimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// The text is not a plain decimal number such as `-12.5`.
    Syntax(String),
    /// More digits after the point than can be held, and they are not zeros.
    TooManyDecimals {
        /// The number as it came.
        text: String,
        /// How many decimals can be held.
        allowed: u8,
    },
    /// Outside what the integer can hold.
    OutOfRange(String),
    /// NaN or infinite.
    NotFinite,
    /// An `f64` that is not the nearest double of any number with that many decimals.
    Residue {
        /// The number as it came.
        value: String,
        /// How many decimals can be held.
        allowed: u8,
    },
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => write!(f, "`{text}` is not a decimal number"),
            Self::TooManyDecimals { text, allowed } => {
                write!(f, "{text} has more than {allowed} decimals")
            }
            Self::OutOfRange(text) => write!(f, "{text} is too large"),
            Self::NotFinite => write!(f, "the number is NaN or infinite"),
            Self::Residue { value, allowed } => {
                write!(f, "{value} has more than {allowed} decimals")
            }
        }
    }
}

impl std::error::Error for DecimalError {}

/// `numerator / denominator` rounded as told. `denominator` must be positive.
#[must_use]
#[inline]
pub const fn div_round(numerator: i128, denominator: i128, rounding: Rounding) -> i128 {
    // Division of 64-bit numbers is several times as fast, and most money fits it.
    let (quotient, remainder) = if numerator as i64 as i128 == numerator && denominator as i64 as i128 == denominator {
        let (n, d) = (numerator as i64, denominator as i64);
        (n.div_euclid(d) as i128, n.rem_euclid(d) as i128)
    } else {
        let quotient = numerator.div_euclid(denominator);
        (quotient, numerator - quotient * denominator)
    };
    match rounding {
        Rounding::Down => quotient,
        Rounding::Up => quotient + (remainder != 0) as i128,
        Rounding::HalfEven => {
            let rest = denominator - remainder;
            let up = remainder > rest || (remainder == rest && quotient & 1 == 1);
            quotient + up as i128
        }
    }
}

/// `a * b / 1e12` rounded as told: the product of two numbers in the money form. `None` on overflow.
#[must_use]
#[inline]
pub const fn mul_money(a: i128, b: i128, rounding: Rounding) -> Option<i128> {
    match a.checked_mul(b) {
        Some(product) => Some(div_round(product, ONE, rounding)),
        None => None,
    }
}

/// `a * 1e12 / b` rounded as told: the ratio of two numbers in the money form, `b` positive. `None` on overflow or `b <= 0`.
#[must_use]
#[inline]
pub const fn div_money(a: i128, b: i128, rounding: Rounding) -> Option<i128> {
    if b <= 0 {
        return None;
    }
    match a.checked_mul(ONE) {
        Some(scaled) => Some(div_round(scaled, b, rounding)),
        None => None,
    }
}

/// The multiple of `step` next to `value`, rounded as told. `step` must be positive.
#[must_use]
#[inline]
pub const fn round_to_step(value: i128, step: i128, rounding: Rounding) -> i128 {
    div_round(value, step, rounding) * step
}

/// Reads a plain decimal number (`-12.50`, no exponent, no spaces) as an integer count of `10^-decimals`.
///
/// Zeros past the allowed decimals are accepted, other digits there are refused: nothing is rounded.
///
/// # Errors
/// [`DecimalError::Syntax`], [`DecimalError::TooManyDecimals`] or [`DecimalError::OutOfRange`].
pub fn parse(text: &str, decimals: u8) -> Result<i128, DecimalError> {
    let syntax = || DecimalError::Syntax(text.chars().take(40).collect());
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value: i128 = 0;
    let mut seen_digit = false;
    let mut places: Option<u8> = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                let digit = i128::from(byte - b'0');
                if let Some(n) = places.as_mut() {
                    if *n == decimals {
                        if digit != 0 {
                            return Err(DecimalError::TooManyDecimals { text: text.to_owned(), allowed: decimals });
                        }
                        continue;
                    }
                    *n += 1;
                }
                value = value
                    .checked_mul(10)
                    .and_then(|v| v.checked_add(digit))
                    .ok_or_else(|| DecimalError::OutOfRange(text.to_owned()))?;
            }
            b'.' if places.is_none() => places = Some(0),
            _ => return Err(syntax()),
        }
    }
    if !seen_digit {
        return Err(syntax());
    }
    for _ in places.unwrap_or(0)..decimals {
        value = value.checked_mul(10).ok_or_else(|| DecimalError::OutOfRange(text.to_owned()))?;
    }
    Ok(if negative { -value } else { value })
}

/// [`parse`] into the `i64` mantissa of market data.
///
/// # Errors
/// As [`parse`]; [`DecimalError::OutOfRange`] also where the mantissa does not fit 64 bits.
pub fn parse_mantissa(text: &str, decimals: u8) -> Result<i64, DecimalError> {
    i64::try_from(parse(text, decimals)?).map_err(|_| DecimalError::OutOfRange(text.to_owned()))
}

/// What to do with an `f64` that has digits past the allowed decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatPolicy {
    /// Refuse it: the figure does not belong to this instrument.
    Exact,
    /// Round to the nearest decimal; the caller counts it.
    Round,
}

/// The `i64` mantissa of the decimal next to `value`, and whether digits were lost.
///
/// A double of an 8-byte file stands for the decimal that it is nearest to, up to the last bits of its computation: a residue of up to
/// `2^-50 |value|` (four units in the last place) counts as none.
///
/// # Errors
/// [`DecimalError::NotFinite`], [`DecimalError::OutOfRange`], and under [`FloatPolicy::Exact`] [`DecimalError::Residue`].
#[inline]
pub fn mantissa_from_f64(value: f64, decimals: u8, policy: FloatPolicy) -> Result<(i64, bool), DecimalError> {
    const TWO_POW_52: f64 = 4_503_599_627_370_496.0;
    const LIMIT: f64 = 9.2e18;
    let scale = POW10_F64[usize::from(decimals.min(18))];
    let scaled = value * scale;
    if scaled.is_nan() || scaled.abs() >= LIMIT {
        return Err(if scaled.is_nan() || value.is_infinite() {
            DecimalError::NotFinite
        } else {
            DecimalError::OutOfRange(format!("{value}"))
        });
    }
    // Adding and taking away 2^52 rounds to an integer without a call; larger numbers are integers already.
    let rounded = if scaled.abs() < TWO_POW_52 {
        (scaled + TWO_POW_52.copysign(scaled)) - TWO_POW_52.copysign(scaled)
    } else {
        scaled
    };
    let lost = (rounded / scale - value).abs() > value.abs() * (1.0 / 1_125_899_906_842_624.0);
    if lost && policy == FloatPolicy::Exact {
        return Err(DecimalError::Residue { value: format!("{value}"), allowed: decimals });
    }
    Ok((rounded as i64, lost))
}

/// A mantissa as the double nearest to the decimal it stands for (correctly rounded while `|mantissa| < 2^53`).
#[must_use]
#[inline]
pub fn mantissa_to_f64(mantissa: i64, decimals: u8) -> f64 {
    mantissa as f64 / POW10_F64[usize::from(decimals.min(18))]
}

/// Writes `value * 10^-decimals` with no zeros at its end.
///
/// # Errors
/// Those of the formatter.
pub fn format(value: i128, decimals: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    let magnitude = value.unsigned_abs();
    let scale = 10u128.pow(u32::from(decimals));
    let (whole, part) = (magnitude / scale, magnitude % scale);
    if part == 0 {
        return f.pad_integral(value >= 0, "", &whole.to_string());
    }
    let digits = format!("{part:0>width$}", width = usize::from(decimals));
    f.pad(&format!("{sign}{whole}.{}", digits.trim_end_matches('0')))
}

/// Declares a money-form newtype (`i128` count of 1e-12) with its text, arithmetic and serialised form.
macro_rules! money_form {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i128);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The largest value that can be held.
            pub const MAX: Self = Self(i128::MAX);

            /// From an integer count of 1e-12.
            #[must_use]
            #[inline]
            pub const fn from_raw(raw: i128) -> Self {
                Self(raw)
            }

            /// As an integer count of 1e-12.
            #[must_use]
            #[inline]
            pub const fn raw(self) -> i128 {
                self.0
            }

            /// A whole number of units.
            #[must_use]
            pub const fn from_units(units: i64) -> Self {
                Self(units as i128 * $crate::decimal::ONE)
            }

            /// From a mantissa at `decimals` (at most 12) decimals: exact, and always in range.
            #[must_use]
            #[inline]
            pub const fn from_mantissa(mantissa: i64, decimals: u8) -> Self {
                assert!(decimals <= $crate::decimal::MONEY_DECIMALS, "an instrument has at most 12 decimals");
                Self(mantissa as i128 * $crate::decimal::POW10[($crate::decimal::MONEY_DECIMALS - decimals) as usize] as i128)
            }

            /// The mantissa at `decimals` decimals; `None` if digits would be lost or it does not fit.
            #[must_use]
            #[inline]
            pub fn to_mantissa(self, decimals: u8) -> Option<i64> {
                let step = i128::from($crate::decimal::POW10[usize::from($crate::decimal::MONEY_DECIMALS.checked_sub(decimals)?)]);
                let mantissa = self.0.div_euclid(step);
                (mantissa * step == self.0).then_some(())?;
                i64::try_from(mantissa).ok()
            }

            /// Reads a plain decimal number with at most 12 decimals.
            ///
            /// # Errors
            /// As [`crate::decimal::parse`].
            pub fn parse(text: &str) -> Result<Self, $crate::decimal::DecimalError> {
                $crate::decimal::parse(text, $crate::decimal::MONEY_DECIMALS).map(Self)
            }

            /// Sum; `None` on overflow.
            #[must_use]
            #[inline]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// Difference; `None` on overflow.
            #[must_use]
            #[inline]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// Opposite; `None` for the one number that has none.
            #[must_use]
            #[inline]
            pub const fn checked_neg(self) -> Option<Self> {
                match self.0.checked_neg() {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// Whether it is zero.
            #[must_use]
            #[inline]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// The multiple of `step` next to this value; `None` unless `step` is positive.
            #[must_use]
            #[inline]
            pub const fn round_to(self, step: Self, rounding: $crate::decimal::Rounding) -> Option<Self> {
                if step.0 <= 0 {
                    return None;
                }
                Some(Self($crate::decimal::round_to_step(self.0, step.0, rounding)))
            }

            /// The nearest double, for statistics and model mathematics only. Correct to one part in 2^52.
            #[must_use]
            #[inline]
            pub fn to_f64(self) -> f64 {
                self.0 as f64 / 1e12
            }

            /// The nearest value to a double, a tie to even: for what models compute (stops, targets), never for accounting.
            /// `None` if it is not finite or beyond 1e24.
            #[must_use]
            pub fn from_f64(value: f64) -> Option<Self> {
                let scaled = (value * 1e12).round_ties_even();
                (scaled.abs() < 1e36).then_some(Self(scaled as i128))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::decimal::format(self.0, $crate::decimal::MONEY_DECIMALS, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::decimal::DecimalError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use money_form;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Shown(i128, u8);
    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            format(self.0, self.1, f)
        }
    }

    #[test]
    fn text_is_read_without_a_float() {
        assert_eq!(parse("0.1", 12), Ok(100_000_000_000));
        assert_eq!(parse("-12.5000", 2), Ok(-1_250));
        assert_eq!(parse("7", 0), Ok(7));
        assert_eq!(parse(".5", 1), Ok(5));
        assert_eq!(parse("5.", 1), Ok(50));
        assert!(matches!(parse("1.234", 2), Err(DecimalError::TooManyDecimals { allowed: 2, .. })));
        for bad in ["", "-", ".", "1e5", "1,5", " 1", "1 ", "0x1", "1.2.3", "NaN", "inf", "--1", "１"] {
            assert!(matches!(parse(bad, 8), Err(DecimalError::Syntax(_))), "{bad}");
        }
        assert!(matches!(parse(&"9".repeat(40), 0), Err(DecimalError::OutOfRange(_))));
        assert!(matches!(parse_mantissa("9223372036854775808", 0), Err(DecimalError::OutOfRange(_))));
        assert_eq!(parse_mantissa("-9223372036854775808", 0), Ok(i64::MIN));
    }

    #[test]
    fn rounding_goes_where_it_says() {
        for (n, down, up, even) in
            [(7, 3, 4, 4), (5, 2, 3, 2), (6, 3, 3, 3), (-5, -3, -2, -2), (-7, -4, -3, -4), (0, 0, 0, 0), (1, 0, 1, 0)]
        {
            assert_eq!(div_round(n, 2, Rounding::Down), down, "{n}");
            assert_eq!(div_round(n, 2, Rounding::Up), up, "{n}");
            assert_eq!(div_round(n, 2, Rounding::HalfEven), even, "{n}");
        }
    }

    #[test]
    fn doubles_become_the_nearest_decimal_or_are_refused() {
        assert_eq!(mantissa_from_f64(40_442.95, 2, FloatPolicy::Exact), Ok((4_044_295, false)));
        assert_eq!(mantissa_from_f64(0.1 + 0.2, 1, FloatPolicy::Exact), Ok((3, false)));
        assert!(matches!(
            mantissa_from_f64(1.005, 2, FloatPolicy::Exact),
            Err(DecimalError::Residue { allowed: 2, .. })
        ));
        assert_eq!(mantissa_from_f64(1.006, 2, FloatPolicy::Round), Ok((101, true)));
        assert_eq!(mantissa_from_f64(f64::NAN, 2, FloatPolicy::Round), Err(DecimalError::NotFinite));
        assert_eq!(mantissa_from_f64(f64::NEG_INFINITY, 2, FloatPolicy::Round), Err(DecimalError::NotFinite));
        assert!(matches!(mantissa_from_f64(1e300, 2, FloatPolicy::Round), Err(DecimalError::OutOfRange(_))));
        assert_eq!(mantissa_from_f64(-2.5, 1, FloatPolicy::Exact), Ok((-25, false)));
    }

    proptest! {
        #[test]
        fn text_goes_round(value in any::<i64>(), decimals in 0u8..=12) {
            let text = Shown(i128::from(value), decimals).to_string();
            prop_assert_eq!(parse(&text, decimals), Ok(i128::from(value)));
        }

        #[test]
        fn doubles_go_round(mantissa in -900_000_000_000_000i64..900_000_000_000_000, decimals in 0u8..=12) {
            let value = mantissa_to_f64(mantissa, decimals);
            prop_assert_eq!(mantissa_from_f64(value, decimals, FloatPolicy::Exact), Ok((mantissa, false)));
        }

        #[test]
        fn rounded_division_is_next_to_the_quotient(n in any::<i64>(), d in 1i64..=i64::MAX, wide in any::<bool>()) {
            // The wide form takes the other branch of the division and must agree with the narrow one.
            let (n, d) = if wide { (i128::from(n) << 40, i128::from(d) << 40) } else { (i128::from(n), i128::from(d)) };
            let down = div_round(n, d, Rounding::Down);
            let up = div_round(n, d, Rounding::Up);
            let even = div_round(n, d, Rounding::HalfEven);
            prop_assert!(down * d <= n && n - down * d < d);
            prop_assert!(up * d >= n && up * d - n < d);
            prop_assert!(even == down || even == up);
            prop_assert!(2 * (even * d - n).abs() <= d);
        }

        #[test]
        fn products_never_overflow_unnoticed(a in any::<i128>(), b in any::<i128>()) {
            prop_assert_eq!(mul_money(a, b, Rounding::Down).is_some(), a.checked_mul(b).is_some());
        }
    }
}
