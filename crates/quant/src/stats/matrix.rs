//! Symmetric matrices: whether a covariance is one, the nearest that is, and linear equations with it.
//!
//! In:  `n x n` numbers row by row, symmetric. Out: factors and repaired matrices. Sums run in a written order.

use std::fmt;

/// Why a matrix cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MatrixError {
    /// The numbers are not as many as the sizes say.
    Size {
        /// Numbers expected.
        expected: usize,
        /// Numbers given.
        given: usize,
    },
    /// NaN or infinite.
    NotFinite {
        /// Index of the first such number.
        index: usize,
    },
    /// The pivot of this row is not positive: the matrix is not positive definite.
    NotPositive {
        /// The row.
        row: usize,
    },
}

impl fmt::Display for MatrixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, given } => write!(f, "{given} numbers given, expected {expected}"),
            Self::NotFinite { index } => write!(f, "the number at index {index} is not finite"),
            Self::NotPositive { row } => write!(f, "not positive definite: the pivot of row {row} is not positive"),
        }
    }
}

impl std::error::Error for MatrixError {}

fn check(a: &[f64], n: usize) -> Result<(), MatrixError> {
    if a.len() != n * n {
        return Err(MatrixError::Size { expected: n * n, given: a.len() });
    }
    match a.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(MatrixError::NotFinite { index }),
        None => Ok(()),
    }
}

/// Replaces the lower triangle of `a` by its Cholesky factor `L` with `L L' = a`. What lies above the diagonal is not read.
///
/// # Errors
/// [`MatrixError`]; the contents of `a` are unspecified then.
///
/// Source: Golub & Van Loan, Matrix Computations, algorithm 4.2.1.
pub fn cholesky(a: &mut [f64], n: usize) -> Result<(), MatrixError> {
    check(a, n)?;
    for row in 0..n {
        for column in 0..row {
            let (upper, lower) = a.split_at(row * n);
            let mut sum = lower[column];
            for k in 0..column {
                sum -= lower[k] * upper[column * n + k];
            }
            a[row * n + column] = sum / a[column * n + column];
        }
        let mut pivot = a[row * n + row];
        for k in 0..row {
            pivot -= a[row * n + k] * a[row * n + k];
        }
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(MatrixError::NotPositive { row });
        }
        a[row * n + row] = pivot.sqrt();
    }
    Ok(())
}

/// Solves `L L' x = b` in place, `L` from [`cholesky`].
///
/// # Errors
/// [`MatrixError::Size`].
pub fn solve(factor: &[f64], b: &mut [f64]) -> Result<(), MatrixError> {
    let n = b.len();
    if factor.len() != n * n {
        return Err(MatrixError::Size { expected: n * n, given: factor.len() });
    }
    for row in 0..n {
        let mut sum = b[row];
        for k in 0..row {
            sum -= factor[row * n + k] * b[k];
        }
        b[row] = sum / factor[row * n + row];
    }
    for row in (0..n).rev() {
        let mut sum = b[row];
        for k in row + 1..n {
            sum -= factor[k * n + row] * b[k];
        }
        b[row] = sum / factor[row * n + row];
    }
    Ok(())
}

/// The smallest diagonal loading of a ladder that makes a covariance positive definite: `a + loading diag(a)`.
///
/// 0 where `a` is so already, else 2^-20, 2^-19 and so on up to 1; `None` where even that is not enough, or a number is not finite, or a
/// variance is not positive. Loading only adds variance, so no portfolio's risk is ever made smaller by it. `scratch` holds at least
/// `n x n` numbers; nothing is allocated.
#[must_use]
pub fn loading(a: &[f64], n: usize, scratch: &mut [f64]) -> Option<f64> {
    if a.len() != n * n || scratch.len() < n * n {
        return None;
    }
    let scratch = &mut scratch[..n * n];
    let mut attempt = |load: f64| {
        scratch.copy_from_slice(a);
        (0..n).for_each(|i| scratch[i * n + i] *= 1.0 + load);
        cholesky(scratch, n).is_ok()
    };
    if attempt(0.0) {
        return Some(0.0);
    }
    let mut load = 1.0 / 1_048_576.0;
    while load <= 1.0 {
        if attempt(load) {
            return Some(load);
        }
        load *= 2.0;
    }
    None
}

/// Eigenvalues (in no order) and eigenvectors (columns of the second matrix) of a symmetric matrix, by Jacobi's rotations.
///
/// For matrices up to a few hundred rows: `O(n^3)` a sweep, and under ten sweeps.
///
/// # Errors
/// [`MatrixError`].
///
/// Source: Golub & Van Loan, Matrix Computations, section 8.5.
pub fn eigen(a: &[f64], n: usize) -> Result<(Vec<f64>, Vec<f64>), MatrixError> {
    check(a, n)?;
    let mut m = a.to_vec();
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let scale: f64 = m.iter().map(|v| v * v).sum();
    for _ in 0..100 {
        let off: f64 = (0..n).flat_map(|p| (0..p).map(move |q| (p, q))).map(|(p, q)| m[p * n + q] * m[p * n + q]).sum();
        if off <= 1e-32 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut m, &mut vectors, n, p, q);
            }
        }
    }
    Ok(((0..n).map(|i| m[i * n + i]).collect(), vectors))
}

fn rotate(m: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = m[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (m[q * n + q] - m[p * n + p]) / (2.0 * apq);
    let t =
        if theta.abs() > 1e150 { 0.5 / theta } else { theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt()) };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (kp, kq) = (m[k * n + p], m[k * n + q]);
        m[k * n + p] = c * kp - s * kq;
        m[k * n + q] = s * kp + c * kq;
    }
    for k in 0..n {
        let (pk, qk) = (m[p * n + k], m[q * n + k]);
        m[p * n + k] = c * pk - s * qk;
        m[q * n + k] = s * pk + c * qk;
    }
    for k in 0..n {
        let (kp, kq) = (vectors[k * n + p], vectors[k * n + q]);
        vectors[k * n + p] = c * kp - s * kq;
        vectors[k * n + q] = s * kp + c * kq;
    }
}

/// The nearest positive semi-definite matrix (in the Frobenius norm): negative eigenvalues become zero.
///
/// Answers also how far it was off: the sum of the negative eigenvalues' sizes. For fits off the engine; the engine's own repair is
/// [`loading`].
///
/// # Errors
/// [`MatrixError`].
///
/// Source: Higham (1988), Linear Algebra and its Applications 103, 103-118.
pub fn clipped(a: &[f64], n: usize) -> Result<(Vec<f64>, f64), MatrixError> {
    let (values, vectors) = eigen(a, n)?;
    let removed: f64 = values.iter().map(|v| (-v).max(0.0)).sum();
    if removed == 0.0 {
        return Ok((a.to_vec(), 0.0));
    }
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..n).map(|k| values[k].max(0.0) * vectors[i * n + k] * vectors[j * n + k]).sum();
            out[i * n + j] = sum;
            out[j * n + i] = sum;
        }
    }
    Ok((out, removed))
}

/// `x' a x`.
#[must_use]
pub fn quadratic_form(a: &[f64], x: &[f64]) -> f64 {
    let n = x.len();
    let mut sum = 0.0;
    for (row, xi) in a.chunks_exact(n.max(1)).zip(x) {
        let mut inner = 0.0;
        for (aij, xj) in row.iter().zip(x) {
            inner += aij * xj;
        }
        sum += xi * inner;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_factor_and_solution() {
        let mut a = [4.0, 12.0, -16.0, 12.0, 37.0, -43.0, -16.0, -43.0, 98.0];
        cholesky(&mut a, 3).unwrap();
        let lower: Vec<f64> = [0, 3, 4, 6, 7, 8].iter().map(|i| a[*i]).collect();
        assert_eq!(lower, [2.0, 6.0, 1.0, -8.0, 5.0, 3.0]);
        let mut b = [4.0 + 24.0 - 48.0, 12.0 + 74.0 - 129.0, -16.0 - 86.0 + 294.0];
        solve(&a, &mut b).unwrap();
        for (got, expected) in b.iter().zip([1.0, 2.0, 3.0]) {
            assert!((got - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn bad_matrices_are_named() {
        assert_eq!(cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2), Err(MatrixError::NotPositive { row: 1 }));
        assert_eq!(cholesky(&mut [1.0, f64::NAN, 2.0, 1.0], 2), Err(MatrixError::NotFinite { index: 1 }));
        assert_eq!(cholesky(&mut [1.0; 3], 2), Err(MatrixError::Size { expected: 4, given: 3 }));
        assert!(solve(&[1.0; 3], &mut [1.0; 2]).is_err());
    }

    #[test]
    fn an_impossible_correlation_is_repaired_or_refused() {
        // Three assets that are each other's opposite cannot be.
        let impossible = [1.0, -0.9, -0.9, -0.9, 1.0, -0.9, -0.9, -0.9, 1.0];
        let mut scratch = [0.0; 9];
        let load = loading(&impossible, 3, &mut scratch).unwrap();
        assert_eq!(load, 1.0);
        let slightly = [1.0, -0.51, -0.51, -0.51, 1.0, -0.51, -0.51, -0.51, 1.0];
        assert_eq!(loading(&slightly, 3, &mut scratch), Some(1.0 / 32.0));
        assert_eq!(loading(&[1.0, 0.5, 0.5, 1.0], 2, &mut scratch), Some(0.0));
        assert_eq!(loading(&[1.0, -5.0, -5.0, 1.0], 2, &mut scratch), None);
        assert_eq!(loading(&[0.0, 0.0, 0.0, 1.0], 2, &mut scratch), None);
        let (repaired, removed) = clipped(&impossible, 3).unwrap();
        assert!((removed - 0.8).abs() < 1e-12);
        assert!(eigen(&repaired, 3).unwrap().0.iter().all(|v| *v > -1e-12));
    }

    proptest! {
        /// A Gram matrix is positive semi-definite, and its eigenvalues put it together again.
        #[test]
        fn eigenvalues_rebuild_the_matrix(rows in prop::collection::vec(prop::collection::vec(-1.0..1.0_f64, 4), 3..9)) {
            let n = 4;
            let mut a = vec![0.0; n * n];
            for row in &rows {
                for i in 0..n { for j in 0..n { a[i * n + j] += row[i] * row[j]; } }
            }
            let (values, vectors) = eigen(&a, n).unwrap();
            prop_assert!(values.iter().all(|v| *v > -1e-12));
            for i in 0..n { for j in 0..n {
                let sum: f64 = (0..n).map(|k| values[k] * vectors[i * n + k] * vectors[j * n + k]).sum();
                prop_assert!((sum - a[i * n + j]).abs() < 1e-10);
            } }
        }

        /// Clipping and loading never make any portfolio's variance smaller.
        #[test]
        fn repairs_only_add_risk(entries in prop::collection::vec(-1.0..1.0_f64, 6), x in prop::collection::vec(-1.0..1.0_f64, 4)) {
            let n = 4;
            let mut a = vec![0.0; n * n];
            let mut next = entries.iter();
            for i in 0..n { a[i * n + i] = 1.0; for j in 0..i {
                let v = *next.next().unwrap();
                a[i * n + j] = v; a[j * n + i] = v;
            } }
            let before = quadratic_form(&a, &x);
            let (clip, _) = clipped(&a, n).unwrap();
            prop_assert!(quadratic_form(&clip, &x) >= before - 1e-10);
            let mut scratch = vec![0.0; n * n];
            if let Some(load) = loading(&a, n, &mut scratch) {
                let loaded = before + load * x.iter().map(|v| v * v).sum::<f64>();
                prop_assert!(loaded >= before && loaded >= -1e-12);
            }
        }
    }
}
