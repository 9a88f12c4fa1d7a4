//! Indicators behind one object-safe face: rows of columns in, optional outputs out.

use crate::indicator::{Indicator, Input, Output};

/// An indicator built by name, without its types.
pub trait Stream {
    /// Columns of a row, in order; a single unnamed one is `value`.
    fn columns(&self) -> &'static [&'static str];
    /// Rows before the first answer.
    fn lookback(&self) -> usize;
    /// Takes the next row and calls `each` with every output in order; not called during the warm-up.
    fn push(&mut self, row: [f64; 5], each: &mut dyn FnMut(f64));
    /// Number of outputs.
    fn outputs(&self) -> usize;
}

impl<I: Indicator> Stream for I {
    fn columns(&self) -> &'static [&'static str] {
        I::Input::COLUMNS
    }
    fn lookback(&self) -> usize {
        Indicator::lookback(self)
    }
    fn push(&mut self, row: [f64; 5], each: &mut dyn FnMut(f64)) {
        if let Some(output) = self.update(I::Input::from_columns(row)) {
            output.for_each(each);
        }
    }
    fn outputs(&self) -> usize {
        I::Output::COUNT
    }
}

/// Runs a stream over columns; `names` says which column of a row each one is.
///
/// The columns must be equally long. Answers one series per output.
pub(crate) fn run(stream: &mut dyn Stream, names: &[&str], columns: &[&[f64]]) -> Vec<Vec<Option<f64>>> {
    let slots: Vec<usize> = names
        .iter()
        .enumerate()
        // A lone value has one slot whatever the function calls its column.
        .map(|(i, name)| stream.columns().iter().position(|c| c == name).unwrap_or(i))
        .collect();
    let rows = columns.first().map_or(0, |c| c.len());
    let mut series: Vec<Vec<Option<f64>>> = vec![Vec::with_capacity(rows); stream.outputs()];
    for t in 0..rows {
        let mut row = [0.0; 5];
        for (column, &slot) in columns.iter().zip(&slots) {
            if let (Some(cell), Some(value)) = (row.get_mut(slot), column.get(t)) {
                *cell = *value;
            }
        }
        let mut outputs = series.iter_mut();
        stream.push(row, &mut |value| {
            if let Some(output) = outputs.next() {
                output.push(Some(value));
            }
        });
        // What did not answer is undefined here.
        series.iter_mut().filter(|s| s.len() == t).for_each(|s| s.push(None));
    }
    series
}
