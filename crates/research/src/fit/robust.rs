//! Linear regression that a few wild observations do not lead astray, with standard errors that do not need equal variances.
//!
//! In:  rows of regressors, a value and a weight for each, in the order of time. Out: [`Regression`].

use super::blocks;
use quant::stats::matrix;
use std::fmt;

/// Huber's constant: 95 % efficient on normal errors.
const K: f64 = 1.345;
/// Median absolute deviation of a standard normal.
const MAD_OF_NORMAL: f64 = 0.674_489_750_196_081_7;
const ITERATIONS: usize = 100;
/// `1 - r^2` of two columns below which they say the same.
const COLLINEAR: f64 = 1e-6;

/// Where standard errors are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// The sandwich of scores, with leverages: for errors that do not follow each other.
    Sandwich,
    /// Resampled blocks of observations: for errors that do.
    Blocks {
        /// Observations in a block.
        length: usize,
    },
}

impl Errors {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Sandwich => "heteroskedasticity-robust (sandwich)".into(),
            Self::Blocks { length } => format!("moving-block bootstrap, blocks of {length}"),
        }
    }
}

/// Why there is no fit.
#[derive(Clone, Debug, PartialEq)]
pub enum FitError {
    /// Too few observations.
    TooFew {
        /// How many there are.
        count: usize,
        /// How many are needed.
        expected: usize,
    },
    /// A number is not finite, or a weight not positive.
    NotFinite {
        /// Place of the observation.
        index: usize,
    },
    /// The regressors do not tell their coefficients apart.
    NotIdentified,
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { count, expected } => write!(f, "{count} observations, expected at least {expected}"),
            Self::NotFinite { index } => write!(f, "observation {index} is not a finite number"),
            Self::NotIdentified => f.write_str("the observations are too alike to tell the parameters apart"),
        }
    }
}

impl std::error::Error for FitError {}

/// A fitted regression with `P` coefficients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regression<const P: usize> {
    /// The coefficients.
    pub coefficients: [f64; P],
    /// Their covariance.
    pub covariance: [[f64; P]; P],
    /// Standard deviation of an observation of weight 1 about the fit, by the median absolute deviation.
    pub scale: f64,
    /// Observations.
    pub count: usize,
    /// Those of them that were held down as outliers.
    pub outliers: usize,
    /// Where the covariance is from.
    pub errors: Errors,
}

impl<const P: usize> Regression<P> {
    /// Standard error of a coefficient.
    #[must_use]
    pub fn error(&self, at: usize) -> f64 {
        self.covariance[at][at].max(0.0).sqrt()
    }

    /// The factor by which standard errors become a 95 % interval: Student's t with `n - P` degrees of freedom.
    #[must_use]
    pub fn t95(&self) -> f64 {
        quant::stats::student::quantile(0.975, self.count.saturating_sub(P).max(1) as f64).unwrap_or(f64::INFINITY)
    }
}

/// Regression of `y` on the columns of `x` by Huber's method with weights: an observation further than 1.345 scales from the fit counts
/// with its sign and that distance only.
///
/// Minimises `sum rho(sqrt(w) (y - x'b) / s)` by iterated weighted least squares, `s` the median absolute deviation of the weighted
/// residuals over 0.6745. Covariance `A^-1 B A^-1` with `A = sum w psi' x x'`, `B = sum w (psi s / (1 - h))^2 x x'`, `h` the leverage
/// (the third form of MacKinnon and White, which holds its level in small samples). Where residuals follow each other (Ljung and Box's test
/// at 5 %), `B` is the covariance of sums of scores over resampled blocks, if that is larger (the estimating function bootstrap).
///
/// # Errors
/// [`FitError`].
///
/// Sources: Huber (1981), Robust statistics, chapter 7; MacKinnon, White (1985), Journal of Econometrics 29, 305-325; Kuensch (1989), Annals
/// of Statistics 17(3), 1217-1241; Hu, Kalbfleisch (2000), Canadian Journal of Statistics 28(3), 449-481; Ljung, Box (1978), Biometrika 65(2), 297-303.
pub fn huber<const P: usize>(x: &[[f64; P]], y: &[f64], w: &[f64], seed: u64) -> Result<Regression<P>, FitError> {
    let count = y.len().min(x.len()).min(w.len());
    if count < P + 2 {
        return Err(FitError::TooFew { count, expected: P + 2 });
    }
    let mut rows = Vec::with_capacity(count);
    for (index, ((x, y), w)) in x.iter().zip(y).zip(w).enumerate() {
        if !(x.iter().all(|v| v.is_finite()) && y.is_finite() && *w > 0.0 && w.is_finite()) {
            return Err(FitError::NotFinite { index });
        }
        let root = w.sqrt();
        rows.push((x.map(|v| v * root), y * root));
    }
    let found = solve(&rows)?;
    let residuals: Vec<f64> = rows.iter().map(|row| residual(row, &found.coefficients)).collect();
    let (bread, scores) = bread_and_scores(&rows, &residuals, found.scale)?;
    let mut fit = Regression {
        coefficients: found.coefficients,
        covariance: between(&bread, &summed(&scores)),
        scale: found.scale,
        count,
        outliers: residuals.iter().filter(|r| found.scale > 0.0 && r.abs() > K * found.scale).count(),
        errors: Errors::Sandwich,
    };
    if blocks::follow_each_other(&residuals) {
        let length = blocks::length(count);
        let sums = blocks::resampled(count, length, seed, |picked| {
            Some(std::array::from_fn(|i| picked.iter().map(|at| scores[*at][i]).sum::<f64>()))
        });
        if let Some(filling) = blocks::covariance(&sums) {
            let covariance = between(&bread, &filling);
            // Blocks that say less than the scores do would only be luck.
            if (0..P).any(|i| covariance[i][i] > fit.covariance[i][i]) {
                fit.covariance = covariance;
                fit.errors = Errors::Blocks { length };
            }
        }
    }
    Ok(fit)
}

struct Found<const P: usize> {
    coefficients: [f64; P],
    scale: f64,
}

fn residual<const P: usize>(row: &([f64; P], f64), b: &[f64; P]) -> f64 {
    row.1 - row.0.iter().zip(b).map(|(x, b)| x * b).sum::<f64>()
}

/// The weight of a residual: 1 within the bound, falling beyond.
fn weight(residual: f64, scale: f64) -> f64 {
    let bound = K * scale;
    if scale > 0.0 && residual.abs() > bound { bound / residual.abs() } else { 1.0 }
}

fn solve<const P: usize>(rows: &[([f64; P], f64)]) -> Result<Found<P>, FitError> {
    let mut coefficients = least_squares(rows, |_| 1.0)?;
    let mut scale = spread(rows, &coefficients);
    for _ in 0..ITERATIONS {
        if scale <= 0.0 {
            break;
        }
        let next = least_squares(rows, |row| weight(residual(row, &coefficients), scale))?;
        let moved = next.iter().zip(&coefficients).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let size = next.iter().map(|v| v.abs()).fold(0.0, f64::max);
        coefficients = next;
        scale = spread(rows, &coefficients);
        if moved <= 1e-10 * size.max(1e-12) {
            break;
        }
    }
    Ok(Found { coefficients, scale })
}

/// Median absolute residual, as the standard deviation of a normal with that median.
fn spread<const P: usize>(rows: &[([f64; P], f64)], b: &[f64; P]) -> f64 {
    let mut sizes: Vec<f64> = rows.iter().map(|row| residual(row, b).abs()).collect();
    sizes.sort_by(f64::total_cmp);
    quant::stats::quantile::sorted_quantile(&sizes, 0.5).unwrap_or(0.0) / MAD_OF_NORMAL
}

fn least_squares<const P: usize>(
    rows: &[([f64; P], f64)],
    weight: impl Fn(&([f64; P], f64)) -> f64,
) -> Result<[f64; P], FitError> {
    let (mut a, mut b) = ([[0.0; P]; P], [0.0; P]);
    for row in rows {
        let w = weight(row);
        add_outer(&mut a, w, &row.0);
        for (sum, x) in b.iter_mut().zip(&row.0) {
            *sum += w * x * row.1;
        }
    }
    let inverse = inverse(&a)?;
    Ok(std::array::from_fn(|i| (0..P).map(|j| inverse[i][j] * b[j]).sum()))
}

/// Inverse of a matrix of moments, its columns brought to one scale first.
fn inverse<const P: usize>(a: &[[f64; P]; P]) -> Result<[[f64; P]; P], FitError> {
    let size: [f64; P] = std::array::from_fn(|i| a[i][i].sqrt());
    if size.iter().any(|s| !(*s > 0.0 && s.is_finite())) {
        return Err(FitError::NotIdentified);
    }
    let mut flat: Vec<f64> = (0..P * P).map(|at| a[at / P][at % P] / (size[at / P] * size[at % P])).collect();
    matrix::cholesky(&mut flat, P).map_err(|_| FitError::NotIdentified)?;
    // The last pivot squared is what the last column has of its own.
    if (0..P).any(|i| flat[i * P + i] * flat[i * P + i] < COLLINEAR) {
        return Err(FitError::NotIdentified);
    }
    let mut out = [[0.0; P]; P];
    for column in 0..P {
        let mut unit: Vec<f64> = (0..P).map(|i| f64::from(u8::from(i == column))).collect();
        matrix::solve(&flat, &mut unit).map_err(|_| FitError::NotIdentified)?;
        for (row, value) in unit.iter().enumerate() {
            out[row][column] = value / (size[row] * size[column]);
        }
    }
    Ok(out)
}

/// The inverse of the moments of what is not held down, and each observation's score with its leverage taken out.
#[allow(clippy::type_complexity, reason = "two small arrays of one regression")]
fn bread_and_scores<const P: usize>(
    rows: &[([f64; P], f64)],
    residuals: &[f64],
    scale: f64,
) -> Result<([[f64; P]; P], Vec<[f64; P]>), FitError> {
    let within = |r: f64| scale <= 0.0 || r.abs() <= K * scale;
    let mut moments = [[0.0; P]; P];
    for (row, _) in rows.iter().zip(residuals).filter(|(_, r)| within(**r)) {
        add_outer(&mut moments, 1.0, &row.0);
    }
    let bread = inverse(&moments)?;
    let score = |row: &([f64; P], f64), r: f64| {
        let leverage: f64 = (0..P).map(|i| (0..P).map(|j| row.0[i] * bread[i][j] * row.0[j]).sum::<f64>()).sum();
        // An observation that the fit goes through by itself says nothing of the errors.
        let room = (1.0 - leverage).max(0.05);
        let size = if within(r) { r / room } else { K * scale * r.signum() };
        row.0.map(|x| size * x)
    };
    let scores = rows.iter().zip(residuals).map(|(row, r)| score(row, *r)).collect();
    Ok((bread, scores))
}

/// Adds `w x x'`.
pub(super) fn add_outer<const P: usize>(out: &mut [[f64; P]; P], w: f64, x: &[f64; P]) {
    for (row, a) in out.iter_mut().zip(x) {
        for (cell, b) in row.iter_mut().zip(x) {
            *cell += w * a * b;
        }
    }
}

/// Sum of the outer products of scores.
fn summed<const P: usize>(scores: &[[f64; P]]) -> [[f64; P]; P] {
    let mut out = [[0.0; P]; P];
    for score in scores {
        add_outer(&mut out, 1.0, score);
    }
    out
}

/// `A F A` for a symmetric `A`.
fn between<const P: usize>(a: &[[f64; P]; P], f: &[[f64; P]; P]) -> [[f64; P]; P] {
    let half: [[f64; P]; P] = std::array::from_fn(|i| std::array::from_fn(|j| (0..P).map(|k| a[i][k] * f[k][j]).sum()));
    std::array::from_fn(|i| std::array::from_fn(|j| (0..P).map(|k| half[i][k] * a[k][j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Seeded;

    fn line(n: usize, seed: u64, noise: impl Fn(&mut Seeded, f64) -> f64) -> (Vec<[f64; 2]>, Vec<f64>) {
        let mut seeded = Seeded::new(seed);
        let x: Vec<[f64; 2]> = (0..n).map(|_| [1.0, seeded.unit()]).collect();
        let y = x.iter().map(|row| 2.0 + 3.0 * row[1] + noise(&mut seeded, row[1])).collect();
        (x, y)
    }

    #[test]
    fn without_outliers_it_is_least_squares_by_hand() {
        // The bound lies outside of all residuals: b = (X'X)^-1 X'y of four points, by hand 1 and 0.8.
        let x = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]];
        let y = [1.2, 1.6, 2.4, 3.6];
        let fit = huber(&x, &y, &[1.0; 4], 1).unwrap();
        assert!((fit.coefficients[1] - 0.8).abs() < 0.05 && (fit.coefficients[0] - 1.0).abs() < 0.1, "{fit:?}");
        let exact = huber(&x, &[2.0, 5.0, 8.0, 11.0], &[1.0; 4], 1).unwrap();
        assert!((exact.coefficients[0] - 2.0).abs() < 1e-12 && (exact.coefficients[1] - 3.0).abs() < 1e-12);
        assert!(exact.error(0) < 1e-12 && exact.outliers == 0);
    }

    #[test]
    fn outliers_hardly_move_it() {
        let (x, mut y) = line(200, 3, |s, _| 0.1 * s.normal());
        let clean = huber(&x, &y, &[1.0; 200], 1).unwrap();
        (0..10).for_each(|n| y[20 * n] += 50.0);
        let dirty = huber(&x, &y, &[1.0; 200], 1).unwrap();
        assert!((dirty.coefficients[0] - clean.coefficients[0]).abs() < 0.05, "{dirty:?}");
        assert!((dirty.coefficients[1] - 3.0).abs() < 0.15 && dirty.outliers >= 10, "{dirty:?}");
        let plain = least_squares(&x.iter().copied().zip(y.iter().copied()).collect::<Vec<_>>(), |_| 1.0).unwrap();
        assert!((plain[0] - 2.0).abs() > 1.0, "least squares is led astray: {plain:?}");
    }

    /// Over many samples a 95 % interval holds the truth in about 95 %: also where the noise grows with x, has heavy tails, or follows
    /// itself.
    #[test]
    fn intervals_cover_the_truth_as_often_as_they_say() {
        type Noise = fn(&mut Seeded, f64) -> f64;
        let heavy: Noise = |s, _| s.normal() / (0.3 + s.unit());
        let growing: Noise = |s, x| (0.1 + x) * s.normal();
        for (name, noise) in [("heavy", heavy), ("growing", growing)] {
            let covered = (0..400).filter(|seed| {
                let (x, y) = line(60, 1_000 + seed, noise);
                let fit = huber(&x, &y, &[1.0; 60], *seed).unwrap();
                (fit.coefficients[1] - 3.0).abs() <= fit.t95() * fit.error(1)
            });
            let share = covered.count() as f64 / 400.0;
            assert!((0.92..=0.99).contains(&share), "{name}: {share}");
        }
        let mut in_blocks = 0;
        let covered = (0..200).filter(|seed| {
            let (x, mut y) = line(300, 9_000 + seed, |_, _| 0.0);
            let (mut seeded, mut at) = (Seeded::new(*seed), 0.0);
            for y in &mut y {
                at = 0.7 * at + 0.1 * seeded.normal();
                *y += at;
            }
            let fit = huber(&x, &y, &[1.0; 300], *seed).unwrap();
            in_blocks += u32::from(matches!(fit.errors, Errors::Blocks { .. }));
            // The constant carries what follows itself.
            (fit.coefficients[0] + 0.5 * fit.coefficients[1] - 3.5).abs()
                <= fit.t95() * (fit.covariance[0][0] + fit.covariance[0][1] + 0.25 * fit.covariance[1][1]).sqrt()
        });
        let share = covered.count() as f64 / 200.0;
        assert!((0.86..=0.99).contains(&share), "blocks: {share}");
        assert!(in_blocks >= 180, "{in_blocks} of 200");
    }

    #[test]
    fn what_cannot_be_fitted_is_said() {
        let same = vec![[1.0, 0.5]; 20];
        assert_eq!(huber(&same, &[1.0; 20], &[1.0; 20], 1), Err(FitError::NotIdentified));
        assert_eq!(huber(&[[1.0]; 2], &[1.0; 2], &[1.0; 2], 1), Err(FitError::TooFew { count: 2, expected: 3 }));
        let (x, mut y) = line(20, 1, |_, _| 0.0);
        y[7] = f64::NAN;
        assert_eq!(huber(&x, &y, &[1.0; 20], 1), Err(FitError::NotFinite { index: 7 }));
        let (_, y) = line(20, 1, |_, _| 0.0);
        assert_eq!(huber(&x, &y, &[0.0; 20], 1), Err(FitError::NotFinite { index: 0 }));
    }
}
