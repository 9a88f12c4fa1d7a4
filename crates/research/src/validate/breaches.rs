//! Tests of coverage: whether losses passed their forecast as often as the level says, and independently of each other.
//!
//! In:  hits, one for each forecast: whether the loss was larger than the value at risk. Out: [`Coverage`].
//! How large the losses were is left to `shortfall`, how they follow each other to `clusters`.

use quant::stats::{binomial_at_most, binomial_interval, chi_square_tail};
use serde::{Deserialize, Serialize};

/// A likelihood ratio and the probability of one at least as large if the model is right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// `-2 ln` of the ratio of likelihoods, zero or positive.
    pub ratio: f64,
    /// Probability of such a ratio under the hypothesis, by the chi-square distribution that holds for long series.
    pub p_value: f64,
}

/// How surprising the number of breaches is, in the zones of the banking supervisors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// At most as many as a right model shows in 95 % of cases.
    Green,
    /// At most as many as in 99.99 %.
    Yellow,
    /// More: a right model hardly ever shows so many.
    Red,
}

impl Zone {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

/// How often losses passed the value at risk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Forecasts.
    pub forecasts: u64,
    /// Losses larger than their forecast.
    pub breaches: u64,
    /// How many there should be: `n p`.
    pub expected: f64,
    /// Breaches as a fraction of the forecasts.
    pub rate: f64,
    /// The fraction there should be: the tail probability `p`.
    pub nominal: f64,
    /// Exact interval of the true rate that covers it in at least 95 % of cases (Clopper-Pearson), for independent breaches.
    pub rate_low: f64,
    /// Upper end of the interval.
    pub rate_high: f64,
    /// Probability of at most so many breaches if the model is right; the zone follows from it.
    pub at_most: f64,
    /// Zone of the supervisors, for any level and length.
    pub zone: Zone,
    /// Kupiec's test of the proportion of failures: is the rate `p`?
    pub proportion: Likelihood,
    /// Christoffersen's test of independence: is a breach as likely after a breach as after none?
    pub independence: Likelihood,
    /// Christoffersen's test of conditional coverage: both at once.
    pub conditional: Likelihood,
    /// Pairs of neighbours: none after none, breach after none, none after breach, breach after breach.
    pub transitions: [u64; 4],
    /// Rate of breaches that follow a breach; `None` where nothing follows one.
    pub rate_after_breach: Option<f64>,
}

/// `k ln q`, with `0 ln 0 = 0`.
fn k_ln(k: u64, q: f64) -> f64 {
    if k == 0 { 0.0 } else { k as f64 * libm::log(q) }
}

/// Tests of coverage of hits at the tail probability `tail`.
///
/// With `n` forecasts, `x` breaches and `n_ij` pairs of neighbours (`i` then `j`, 1 for a breach), `ll(p; a, b) = a ln(1 - p) + b ln p`:
///
/// - Kupiec: `LR_pof = -2 [ll(tail; n - x, x) - ll(x / n; n - x, x)]`, chi-square with one degree of freedom.
/// - Independence: `LR_ind = -2 [ll(pi; n00 + n10, n01 + n11) - ll(pi01; n00, n01) - ll(pi11; n10, n11)]`, with
///   `pi = (n01 + n11) / (n - 1)`, `pi01 = n01 / (n00 + n01)`, `pi11 = n11 / (n10 + n11)` (0 without such pairs); one degree of freedom.
/// - Conditional coverage: `LR_cc = LR_pof + LR_ind`, two degrees of freedom. `LR_pof` is over all `n` forecasts; texts that leave out
///   the first one get slightly other values.
///
/// `None` without a forecast or for a `tail` outside 0 to 1.
///
/// Sources: Kupiec (1995), Journal of Derivatives 3(2), 73-84; Christoffersen (1998), International Economic Review 39(4), 841-862;
/// Basel Committee (1996), Supervisory framework for the use of "backtesting".
#[must_use]
pub fn coverage(hits: &[bool], tail: f64) -> Option<Coverage> {
    if !(tail > 0.0 && tail < 1.0) {
        return None;
    }
    let n = hits.len() as u64;
    let x = hits.iter().filter(|hit| **hit).count() as u64;
    let (rate_low, rate_high) = binomial_interval(x, n, 0.95)?;
    let rate = x as f64 / n as f64;
    let of = |p: f64, none: u64, breach: u64| k_ln(none, 1.0 - p) + k_ln(breach, p);
    let pof = -2.0 * (of(tail, n - x, x) - of(rate, n - x, x));

    let mut pairs = [0u64; 4];
    for pair in hits.windows(2) {
        pairs[2 * usize::from(pair[0]) + usize::from(pair[1])] += 1;
    }
    let [n00, n01, n10, n11] = pairs;
    let share = |part: u64, rest: u64| if part + rest == 0 { 0.0 } else { part as f64 / (part + rest) as f64 };
    let (pi, pi01, pi11) = (share(n01 + n11, n00 + n10), share(n01, n00), share(n11, n10));
    let ind = -2.0 * (of(pi, n00 + n10, n01 + n11) - of(pi01, n00, n01) - of(pi11, n10, n11));

    let at_most = binomial_at_most(x, n, tail)?;
    let zone = if at_most < 0.95 {
        Zone::Green
    } else if at_most < 0.9999 {
        Zone::Yellow
    } else {
        Zone::Red
    };
    // Rounding can leave a ratio of likelihoods a unit below 1.
    let (pof, ind) = (pof.max(0.0), ind.max(0.0));
    let test = |ratio: f64, dof: u32| chi_square_tail(ratio, dof).map(|p_value| Likelihood { ratio, p_value });
    Some(Coverage {
        forecasts: n,
        breaches: x,
        expected: n as f64 * tail,
        rate,
        nominal: tail,
        rate_low,
        rate_high,
        at_most,
        zone,
        proportion: test(pof, 1)?,
        independence: test(ind, 1)?,
        conditional: test(pof + ind, 2)?,
        transitions: pairs,
        rate_after_breach: (n10 + n11 > 0).then_some(pi11),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_and_none() {
        assert!(coverage(&[], 0.01).is_none());
        assert!(coverage(&[true], 0.0).is_none() && coverage(&[true], f64::NAN).is_none());
        let none = coverage(&[false; 250], 0.01).unwrap();
        assert_eq!((none.breaches, none.zone, none.rate_low, none.rate_after_breach), (0, Zone::Green, 0.0, None));
        // -2 * 250 ln(0.99)
        assert!((none.proportion.ratio - 5.025_167_926_750_726).abs() < 1e-9);
        let all = coverage(&[true; 20], 0.05).unwrap();
        assert_eq!((all.rate, all.rate_high, all.zone, all.rate_after_breach), (1.0, 1.0, Zone::Red, Some(1.0)));
        assert_eq!(all.independence.ratio, 0.0);
    }

    #[test]
    fn zones_are_those_of_the_basel_table() {
        let zone = |breaches: usize| {
            let hits: Vec<bool> = (0..250).map(|n| n < breaches).collect();
            coverage(&hits, 0.01).unwrap().zone
        };
        assert_eq!([4, 5, 9, 10].map(zone), [Zone::Green, Zone::Yellow, Zone::Yellow, Zone::Red]);
    }

    #[test]
    fn breaches_in_a_row_are_no_independent_ones() {
        let apart: Vec<bool> = (0..1_000).map(|n| n % 50 == 0).collect();
        let together: Vec<bool> = (0..1_000).map(|n| n < 20).collect();
        let (apart, together) = (coverage(&apart, 0.02).unwrap(), coverage(&together, 0.02).unwrap());
        assert_eq!((apart.breaches, together.breaches), (20, 20));
        assert!(apart.independence.p_value > 0.3 && together.independence.p_value < 1e-10);
        assert!(together.conditional.p_value < 1e-10 && together.proportion.p_value > 0.99);
    }
}
