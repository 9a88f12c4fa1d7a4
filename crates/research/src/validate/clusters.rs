//! How breaches follow each other in time.
//!
//! In:  hits in time order. Out: [`Clusters`]. Whether that is more than chance is the test of independence in `breaches`.

use serde::{Deserialize, Serialize};

/// Length of the moving span in which breaches are counted: the year of exchange days of the supervisory framework.
pub const SPAN: usize = 250;

/// Breaches in a row and close together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// Runs of breaches without a pause.
    pub runs: u64,
    /// Breaches of the longest run.
    pub longest_run: u64,
    /// Most breaches within 250 forecasts in a row.
    pub most_in_250: u64,
    /// Forecasts between two breaches, in the mean; `None` under two breaches.
    pub mean_gap: Option<f64>,
    /// The longest stretch of forecasts without a breach.
    pub longest_quiet: u64,
    /// Gaps of at most 5 forecasts as a fraction of all gaps; `None` under two breaches.
    pub close_share: Option<f64>,
    /// The same fraction if breaches were independent with the rate that was seen: `1 - (1 - rate)^5`.
    pub close_share_expected: Option<f64>,
}

/// Measures how hits follow each other.
#[must_use]
pub fn clusters(hits: &[bool]) -> Clusters {
    let mut out = Clusters::default();
    let (mut run, mut quiet, mut within) = (0u64, 0u64, 0u64);
    for (n, hit) in hits.iter().enumerate() {
        within += u64::from(*hit);
        if n >= SPAN {
            within -= u64::from(hits[n - SPAN]);
        }
        out.most_in_250 = out.most_in_250.max(within);
        if *hit {
            run += 1;
            out.runs += u64::from(run == 1);
            quiet = 0;
        } else {
            quiet += 1;
            run = 0;
        }
        out.longest_run = out.longest_run.max(run);
        out.longest_quiet = out.longest_quiet.max(quiet);
    }
    let at: Vec<usize> = hits.iter().enumerate().filter_map(|(n, hit)| hit.then_some(n)).collect();
    let gaps = || at.windows(2).map(|pair| pair[1] - pair[0]);
    let count = at.len().saturating_sub(1);
    if count > 0 {
        out.mean_gap = Some(gaps().sum::<usize>() as f64 / count as f64);
        out.close_share = Some(gaps().filter(|gap| *gap <= 5).count() as f64 / count as f64);
        let rate = at.len() as f64 / hits.len() as f64;
        out.close_share_expected = Some(1.0 - (1.0 - rate).powi(5));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_gaps_and_spans() {
        let hits: Vec<bool> = "..xx....x.......x".bytes().map(|b| b == b'x').collect();
        let c = clusters(&hits);
        assert_eq!((c.runs, c.longest_run, c.longest_quiet, c.most_in_250), (3, 2, 7, 4));
        assert_eq!(c.mean_gap, Some((1.0 + 5.0 + 8.0) / 3.0));
        assert_eq!(c.close_share, Some(2.0 / 3.0));
        assert_eq!(clusters(&[]), Clusters::default());
        assert_eq!(clusters(&[true]).mean_gap, None);
    }

    #[test]
    fn the_span_forgets() {
        let hits: Vec<bool> = (0..1_000).map(|n| n % 100 == 0).collect();
        assert_eq!(clusters(&hits).most_in_250, 3);
    }
}
