//! Whole columns of doubles or integers into mantissas, fast where all is well.
//!
//! The result of every value is that of `domain::decimal::mantissa_from_f64`: the quick test accepts only what that function accepts, with
//! the same integer, and all others are handed to it.

use super::decode::UNREADABLE;
use domain::decimal::{DecimalError, FloatPolicy, POW10, POW10_F64, mantissa_from_f64};

/// 1.5 * 2^52: added to a double below 2^51, it leaves the rounded integer in the low bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;
/// Values are handled in blocks, so that one unusual value sends few others down the slow way.
const BLOCK: usize = 64;

/// Appends the mantissas of `values` at `decimals`; unusable ones become [`UNREADABLE`] and are told to `bad` by position.
/// Returns how many were rounded (only under [`FloatPolicy::Round`]).
///
/// `as_double` reads a value where it lies: as a double, or as its bytes in a page.
pub(crate) fn floats<T: Copy>(
    values: &[T],
    as_double: impl Fn(T) -> f64,
    decimals: u8,
    policy: FloatPolicy,
    out: &mut Vec<i64>,
    mut bad: impl FnMut(usize, f64, DecimalError),
) -> u64 {
    let scale = POW10_F64[usize::from(decimals.min(18))];
    let mut rounded = 0;
    out.reserve(values.len());
    for (block, values) in values.chunks(BLOCK).enumerate() {
        let begin = out.len();
        let mut plain = true;
        out.extend(values.iter().map(|&value| {
            let scaled = as_double(value) * scale;
            let shifted = scaled + MAGIC;
            let residue = ((shifted - MAGIC) - scaled).abs();
            // Half the tolerance of the exact rule: rounding errors of the two forms differ by less than the other half. A negative
            // or NaN value fails a comparison and takes the slow way.
            plain &= (residue <= scaled * (1.0 / 2_251_799_813_685_248.0)) & (scaled < 2_251_799_813_685_248.0);
            shifted.to_bits().wrapping_sub(MAGIC.to_bits()) as i64
        }));
        if plain {
            continue;
        }
        out.truncate(begin);
        for (at, &value) in values.iter().enumerate() {
            let value = as_double(value);
            out.push(match mantissa_from_f64(value, decimals, policy) {
                Ok((mantissa, lost)) => {
                    rounded += u64::from(lost);
                    mantissa
                }
                Err(error) => {
                    bad(block * BLOCK + at, value, error);
                    UNREADABLE
                }
            });
        }
    }
    rounded
}

/// Appends integers written at `from` decimals as mantissas at `to` decimals; digits are never lost unnoticed.
pub(crate) fn integers(
    values: &[i64],
    from: u8,
    to: u8,
    policy: FloatPolicy,
    out: &mut Vec<i64>,
    mut bad: impl FnMut(usize, DecimalError),
) -> u64 {
    if from == to {
        out.extend_from_slice(values);
        return 0;
    }
    let factor = POW10[usize::from(from.abs_diff(to).min(18))];
    let mut rounded = 0;
    out.extend(values.iter().enumerate().map(|(at, &value)| {
        let result = if from < to {
            value.checked_mul(factor).ok_or_else(|| DecimalError::OutOfRange(value.to_string()))
        } else if value % factor == 0 {
            Ok(value / factor)
        } else if policy == FloatPolicy::Round {
            rounded += 1;
            let nearest = domain::decimal::div_round(i128::from(value), i128::from(factor), domain::Rounding::HalfEven);
            Ok(nearest as i64)
        } else {
            Err(DecimalError::TooManyDecimals { text: format!("{value} x 1e-{from}"), allowed: to })
        };
        result.unwrap_or_else(|error| {
            bad(at, error);
            UNREADABLE
        })
    }));
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow(values: &[f64], decimals: u8, policy: FloatPolicy) -> (Vec<i64>, Vec<usize>, u64) {
        let (mut bad, mut rounded) = (Vec::new(), 0);
        let out = values.iter().enumerate().map(|(at, v)| match mantissa_from_f64(*v, decimals, policy) {
            Ok((m, lost)) => {
                rounded += u64::from(lost);
                m
            }
            Err(_) => {
                bad.push(at);
                UNREADABLE
            }
        });
        (out.collect(), bad, rounded)
    }

    proptest! {
        #[test]
        fn a_column_gives_what_each_value_gives(
            values in proptest::collection::vec(prop_oneof![
                (0i64..10_000_000_000, 0u8..12).prop_map(|(m, d)| m as f64 / POW10_F64[usize::from(d)]),
                any::<f64>(),
                -1e9..1e9f64,
                // On the edge of the tolerance.
                (1i64..1_000_000_000, -8i64..8).prop_map(|(m, ulps)| f64::from_bits((m as f64 / 100.0).to_bits().wrapping_add_signed(ulps))),
            ], 0..200),
            decimals in 0u8..13,
            round in any::<bool>(),
        ) {
            let policy = if round { FloatPolicy::Round } else { FloatPolicy::Exact };
            let (mut out, mut bad) = (Vec::new(), Vec::new());
            let rounded = floats(&values, |v| v, decimals, policy, &mut out, |at, _, _| bad.push(at));
            prop_assert_eq!((out, bad, rounded), slow(&values, decimals, policy));
        }
    }

    #[test]
    fn integers_change_decimals_without_losing_digits() {
        let (mut out, mut bad) = (Vec::new(), Vec::new());
        integers(&[1, i64::MAX], 2, 4, FloatPolicy::Exact, &mut out, |at, e| bad.push((at, e.to_string())));
        integers(&[1200, 1250], 4, 2, FloatPolicy::Exact, &mut out, |at, e| bad.push((at, e.to_string())));
        assert_eq!(integers(&[1250, 1350], 4, 2, FloatPolicy::Round, &mut out, |_, _| {}), 2);
        assert_eq!(out, [100, UNREADABLE, 12, UNREADABLE, 12, 14]);
        assert_eq!(bad.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 1]);
        assert!(bad[0].1.contains("too large") && bad[1].1.contains("more than 2 decimals"), "{bad:?}");
    }
}
