//! Quantiles of a sample.

/// The `q`-quantile of a sorted sample, linear between order statistics (R type 7, the default of numpy).
///
/// With `h = (n - 1) q`: `x[floor(h)] + (h - floor(h)) (x[floor(h) + 1] - x[floor(h)])`. `None` for an empty sample or a
/// `q` outside 0 to 1.
#[must_use]
pub fn sorted_quantile(sorted: &[f64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let at = sorted.len().checked_sub(1)? as f64 * q;
    let low = at.floor();
    // 0 <= low <= n - 1, so the conversion is exact.
    let index = low as usize;
    let below = *sorted.get(index)?;
    let above = *sorted.get(index + 1).unwrap_or(&below);
    Some(below + (at - low) * (above - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_order_statistics() {
        let sample = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!(sorted_quantile(&sample, 0.0), Some(1.0));
        assert_eq!(sorted_quantile(&sample, 0.5), Some(4.0));
        assert_eq!(sorted_quantile(&sample, 0.875), Some(12.0));
        assert_eq!(sorted_quantile(&sample, 1.0), Some(16.0));
        assert_eq!(sorted_quantile(&[], 0.5), None);
        assert_eq!(sorted_quantile(&sample, f64::NAN), None);
    }
}
