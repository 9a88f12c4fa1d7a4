//! Sums, weighted sums, maxima and minima over the last n values, in constant amortised time and without drift.
//!
//! In:  one value per call; out: the figure over the last n, once n have been seen. Used by the indicators.
//!
//! The input is cut into blocks of n. At the end of a block its buffer is folded backwards into suffix figures, so that any later
//! window is (suffix of the previous block) combined with (running figure of the current block). Nothing is ever
//! subtracted: a sum holds only values that lie in the window, its error is at most (n - 1) rounding units of the sum of
//! their absolute values however long the series, and a huge value that has left the window leaves no trace. The cost
//! is two operations per value: one when it arrives, one when its block is folded.

use crate::state::state;
use std::marker::PhantomData;

/// An associative operation with a neutral element, over which a [`Window`] is folded.
pub trait Fold: Copy {
    /// Neutral element.
    const NEUTRAL: f64;
    /// Combines two figures.
    fn combine(a: f64, b: f64) -> f64;
}

/// Addition.
#[derive(Clone, Copy, Debug)]
pub struct Sum;
impl Fold for Sum {
    const NEUTRAL: f64 = 0.0;
    #[inline]
    fn combine(a: f64, b: f64) -> f64 {
        a + b
    }
}

/// The larger one. Written out because `f64::max` may choose either zero of `max(0.0, -0.0)`.
#[derive(Clone, Copy, Debug)]
pub struct Max;
impl Fold for Max {
    const NEUTRAL: f64 = f64::NEG_INFINITY;
    #[inline]
    fn combine(a: f64, b: f64) -> f64 {
        if b > a { b } else { a }
    }
}

/// The smaller one.
#[derive(Clone, Copy, Debug)]
pub struct Min;
impl Fold for Min {
    const NEUTRAL: f64 = f64::INFINITY;
    #[inline]
    fn combine(a: f64, b: f64) -> f64 {
        if b < a { b } else { a }
    }
}

/// Sum of the last n values.
pub type WindowSum = Window<Sum>;
/// Largest of the last n values.
pub type WindowMax = Window<Max>;
/// Smallest of the last n values.
pub type WindowMin = Window<Min>;

/// The figure of [`Fold`] over the last n values.
#[derive(Clone, Debug)]
pub struct Window<F> {
    /// Before `at`: values of the current block. From `at` on: suffix figures of the previous block.
    buffer: Box<[f64]>,
    at: usize,
    /// Figure of the current block.
    front: f64,
    full: bool,
    fold: PhantomData<F>,
}
state!(Window<F: Fold>, 1, fixed [], moving [buffer, at, front, full], valid |w| w.at < w.buffer.len());

impl<F: Fold> Window<F> {
    /// A window of `n` values; 0 counts as 1.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { buffer: vec![0.0; n.max(1)].into(), at: 0, front: F::NEUTRAL, full: false, fold: PhantomData }
    }

    /// Takes the next value; answers once n values have been seen.
    #[inline]
    pub fn push(&mut self, x: f64) -> Option<f64> {
        // `at < buffer.len()` holds from construction, after every push and after loading.
        self.buffer[self.at] = x;
        self.front = F::combine(self.front, x);
        self.at += 1;
        if self.at == self.buffer.len() {
            return Some(self.end_block());
        }
        if self.full { Some(F::combine(self.buffer[self.at], self.front)) } else { None }
    }

    /// Forgets everything seen.
    pub fn reset(&mut self) {
        *self = Self::new(self.buffer.len());
    }

    fn end_block(&mut self) -> f64 {
        let whole = self.front;
        let mut suffix = F::NEUTRAL;
        for slot in self.buffer.iter_mut().rev() {
            suffix = F::combine(*slot, suffix);
            *slot = suffix;
        }
        self.front = F::NEUTRAL;
        self.at = 0;
        self.full = true;
        whole
    }
}

/// Linearly weighted sum of the last n values: the newest counts n times, the oldest once.
#[derive(Clone, Debug)]
pub struct WindowWeighted {
    /// Before `at`: values of the current block. From `at` on: sums of the previous block's tail, weighted 1, 2, ... from there.
    buffer: Box<[f64]>,
    at: usize,
    /// Sum of the current block.
    front: f64,
    /// Sum of the current block, weighted 1, 2, ... from its first value.
    rising: f64,
    full: bool,
}
state!(WindowWeighted, 1, fixed [], moving [buffer, at, front, rising, full], valid |w| w.at < w.buffer.len());

impl WindowWeighted {
    /// A window of `n` values; 0 counts as 1.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { buffer: vec![0.0; n.max(1)].into(), at: 0, front: 0.0, rising: 0.0, full: false }
    }

    /// Takes the next value; answers once n values have been seen.
    #[inline]
    pub fn push(&mut self, x: f64) -> Option<f64> {
        // `at < buffer.len()` holds from construction, after every push and after loading.
        self.buffer[self.at] = x;
        self.at += 1;
        self.front += x;
        self.rising += self.at as f64 * x;
        if self.at == self.buffer.len() {
            return Some(self.end_block());
        }
        // The current block's weights begin after those of the previous block's tail, which has `len - at` values.
        let shift = (self.buffer.len() - self.at) as f64;
        if self.full { Some(self.buffer[self.at] + (self.rising + shift * self.front)) } else { None }
    }

    /// Forgets everything seen.
    pub fn reset(&mut self) {
        *self = Self::new(self.buffer.len());
    }

    fn end_block(&mut self) -> f64 {
        let whole = self.rising;
        let (mut plain, mut weighted) = (0.0, 0.0);
        for slot in self.buffer.iter_mut().rev() {
            plain += *slot;
            weighted += plain;
            *slot = weighted;
        }
        self.front = 0.0;
        self.rising = 0.0;
        self.at = 0;
        self.full = true;
        whole
    }
}

/// The value n calls ago.
#[derive(Clone, Debug)]
pub struct Delay {
    buffer: Box<[f64]>,
    at: usize,
    full: bool,
}
state!(Delay, 1, fixed [], moving [buffer, at, full], valid |d| d.at < d.buffer.len());

impl Delay {
    /// A delay of `n` calls; 0 counts as 1.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { buffer: vec![0.0; n.max(1)].into(), at: 0, full: false }
    }

    /// Takes the next value and answers the one given n calls before.
    #[inline]
    pub fn push(&mut self, x: f64) -> Option<f64> {
        let old = self.full.then_some(self.buffer[self.at]);
        self.buffer[self.at] = x;
        self.at += 1;
        if self.at == self.buffer.len() {
            self.at = 0;
            self.full = true;
        }
        old
    }

    /// Forgets everything seen.
    pub fn reset(&mut self) {
        *self = Self::new(self.buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Reader, State, StateError};

    fn ramp(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919) % 101) as f64 - 50.0).collect()
    }

    #[test]
    fn windows_equal_their_definition() {
        let xs = ramp(200);
        for n in [1, 2, 3, 7, 50] {
            let (mut sum, mut max, mut min) = (WindowSum::new(n), WindowMax::new(n), WindowMin::new(n));
            let (mut weighted, mut delay) = (WindowWeighted::new(n), Delay::new(n));
            for (t, &x) in xs.iter().enumerate() {
                let window = (t + 1 >= n).then(|| &xs[t + 1 - n..=t]);
                // Small integers: every order of summation is exact.
                assert_eq!(sum.push(x), window.map(|w| w.iter().sum::<f64>()), "sum n {n} t {t}");
                assert_eq!(max.push(x), window.map(|w| w.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
                assert_eq!(min.push(x), window.map(|w| w.iter().copied().fold(f64::INFINITY, f64::min)));
                let expected = window.map(|w| w.iter().enumerate().map(|(i, v)| (i + 1) as f64 * v).sum::<f64>());
                assert_eq!(weighted.push(x), expected, "weighted n {n} t {t}");
                assert_eq!(delay.push(x), (t >= n).then(|| xs[t - n]));
            }
        }
    }

    #[test]
    fn a_huge_value_leaves_no_trace() {
        let mut sum = WindowSum::new(5);
        let mut xs = ramp(40);
        xs[11] = 1e300;
        xs[13] = f64::INFINITY;
        for (t, &x) in xs.iter().enumerate() {
            let answer = sum.push(x);
            if t >= 18 {
                assert_eq!(answer, Some(xs[t - 4..=t].iter().sum::<f64>()), "t {t}");
            }
        }
    }

    #[test]
    fn a_saved_position_outside_the_buffer_is_refused() {
        let mut wrong = WindowSum::new(4);
        wrong.at = 4;
        let mut bytes = Vec::new();
        wrong.write(&mut bytes);
        let result = crate::state::load(&mut WindowSum::new(4), &mut Reader::new(&bytes));
        assert_eq!(result, Err(StateError::Invalid { name: "Window" }));
    }
}
