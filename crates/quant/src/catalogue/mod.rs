//! Every function of this crate by name: what it is called, what it takes, what it answers, and the call itself.
//!
//! In:  a name, [`Params`] and input columns; out: named [`Outputs`]. The binary's `calc` command reads and writes JSON or CSV
//! around it. The table is data: one entry per function in `averages`, `ranges`, `statistics` and `risk`.
//!
//! Inputs must be finite: NaN and infinities are refused with their place, because a missing price is not a number.
//! An indicator over fewer rows than its warm-up answers a series of `None`; a statistic over too few is an error.

mod averages;
mod error;
mod param;
mod ranges;
mod risk;
mod statistics;
mod stream;
mod value;

pub use error::CalcError;
pub use param::{Args, Param, ParamKind};
pub use stream::Stream;
pub use value::{Outputs, Params, Value};

/// Where a definition comes from.
pub(crate) const TALIB: &str = "TA-Lib, unstable period 0";

/// Builds an indicator from checked arguments.
pub type Build = fn(&Args) -> Result<Box<dyn Stream>, CalcError>;

/// Computes over checked columns, one value per output.
pub type Run = fn(&Args, &[&[f64]]) -> Result<Vec<Value>, CalcError>;

/// How a function is computed.
#[derive(Clone, Copy)]
pub enum Compute {
    /// Row by row by an indicator, with one series per output.
    Stream(Build),
    /// From whole columns, with one value per output.
    Whole {
        /// Fewest rows.
        rows_min: usize,
        /// The computation.
        run: Run,
    },
}

/// A function that can be called by name.
pub struct Function {
    /// Its names; the first is its own, the others mean the same. Upper and lower case are the same.
    pub names: &'static [&'static str],
    /// Its parameters.
    pub params: &'static [Param],
    /// Its input columns, in order.
    pub inputs: &'static [&'static str],
    /// Its outputs, in order.
    pub outputs: &'static [&'static str],
    /// Rows before the first answer, as a formula of the parameters; `0` for statistics.
    pub lookback: &'static str,
    /// What it computes, in one line.
    pub formula: &'static str,
    /// Where the definition comes from.
    pub source: &'static str,
    /// The computation.
    pub compute: Compute,
}

/// Every function, in the order of the table.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    [averages::TABLE, ranges::TABLE, statistics::TABLE, risk::TABLE].into_iter().flatten()
}

/// The names of every function, aliases included, in the order of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    functions().flat_map(|f| f.names.iter().copied())
}

/// The function of this name, in upper or lower case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    functions().find(|f| f.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

/// Calls the function of this name.
///
/// # Errors
/// [`CalcError::UnknownFunction`] with the names that exist, or as [`Function::call`].
pub fn call(name: &str, params: &Params, inputs: &[&[f64]]) -> Result<Outputs, CalcError> {
    match find(name) {
        Some(function) => function.call(params, inputs),
        None => Err(CalcError::UnknownFunction { name: name.to_owned(), known: names().collect() }),
    }
}

impl Function {
    /// Its own name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Computes over input columns, given in the order of [`Function::inputs`], oldest row first.
    ///
    /// # Errors
    /// [`CalcError`] for parameters that are unknown, missing or out of range, for columns that are too many or too few,
    /// unequal, not finite or too short, and for results beyond the range of numbers.
    pub fn call(&self, params: &Params, inputs: &[&[f64]]) -> Result<Outputs, CalcError> {
        let args = Args::resolve(self.params, params)?;
        let rows = self.check_inputs(inputs)?;
        let values = match self.compute {
            Compute::Stream(build) => {
                let mut stream = build(&args)?;
                stream::run(stream.as_mut(), self.inputs, inputs).into_iter().map(Value::Series).collect()
            }
            Compute::Whole { rows_min, .. } if rows < rows_min => {
                return Err(CalcError::TooFewRows { needed: rows_min, given: rows });
            }
            Compute::Whole { run, .. } => run(&args, inputs)?,
        };
        let outputs: Outputs = self.outputs.iter().copied().zip(values).collect();
        match outputs.iter().find(|(_, value)| value.not_finite().is_some()) {
            Some((output, _)) => Err(CalcError::Overflow { output }),
            None => Ok(outputs),
        }
    }

    /// Rows before the first answer with these parameters; 0 for a statistic.
    ///
    /// # Errors
    /// As [`Function::call`] for the parameters.
    pub fn lookback_rows(&self, params: &Params) -> Result<usize, CalcError> {
        match self.compute {
            Compute::Stream(build) => Ok(build(&Args::resolve(self.params, params)?)?.lookback()),
            Compute::Whole { .. } => Ok(0),
        }
    }

    /// Builds the indicator of this function for use row by row; `None` for a statistic over whole columns.
    ///
    /// # Errors
    /// As [`Function::call`] for the parameters.
    pub fn stream(&self, params: &Params) -> Result<Option<Box<dyn Stream>>, CalcError> {
        match self.compute {
            Compute::Stream(build) => build(&Args::resolve(self.params, params)?).map(Some),
            Compute::Whole { .. } => Ok(None),
        }
    }

    fn check_inputs(&self, inputs: &[&[f64]]) -> Result<usize, CalcError> {
        if inputs.len() != self.inputs.len() {
            return Err(CalcError::Columns { expected: self.inputs, given: inputs.len() });
        }
        let rows = inputs.first().map_or(0, |c| c.len());
        if inputs.iter().any(|c| c.len() != rows) {
            return Err(CalcError::Lengths { given: inputs.iter().map(|c| c.len()).collect() });
        }
        for (column, values) in self.inputs.iter().zip(inputs) {
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                return Err(CalcError::InputNotFinite { column, index });
            }
        }
        Ok(rows)
    }
}

/// Boxes an indicator for the table.
pub(crate) fn boxed<S: Stream + 'static, E: Into<CalcError>>(
    built: Result<S, E>,
) -> Result<Box<dyn Stream>, CalcError> {
    match built {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_consistent() {
        let mut seen: Vec<String> = Vec::new();
        for function in functions() {
            for name in function.names {
                let lower = name.to_ascii_lowercase();
                assert!(!seen.contains(&lower), "{name} stands twice in the table");
                seen.push(lower);
                assert_eq!(find(&name.to_ascii_uppercase()).map(Function::name), Some(function.name()));
            }
            assert!(!function.formula.is_empty() && !function.source.is_empty() && !function.outputs.is_empty());
            let Some(stream) = function.stream(&Params::new()).unwrap() else { continue };
            assert_eq!(stream.outputs(), function.outputs.len(), "{}", function.name());
            if stream.columns() != ["value"] {
                assert!(function.inputs.iter().all(|i| stream.columns().contains(i)), "{}", function.name());
            } else {
                assert_eq!(function.inputs.len(), 1, "{}", function.name());
            }
        }
    }

    #[test]
    fn bad_calls_say_what_is_wrong() {
        let none = Params::new();
        let says = |result: Result<Outputs, CalcError>| result.unwrap_err().to_string();
        assert!(says(call("SMAX", &none, &[])).starts_with("unknown function \"SMAX\"; these exist: SMA, talib.SMA"));
        let with = |p: &Params| call("sma", p, &[&[1.0]]);
        assert_eq!(says(with(&none.clone().with("window", 5.0))), "unknown parameter \"window\"; these exist: period");
        assert_eq!(says(with(&none.clone().with("period", -1.0))), "parameter period = -1: allowed are 1 to 100000");
        let kind = call("ma", &none.clone().with("matype", 7.0), &[&[1.0]]);
        assert_eq!(says(kind), "parameter matype: expected one of 0 to 6, 8, 13");
        assert_eq!(says(call("sma", &none, &[])), "0 input columns given, expected 1: close");
        assert_eq!(
            says(call("atr", &none, &[&[1.0], &[1.0, 2.0], &[1.0]])),
            "input columns differ in length: [1, 2, 1]"
        );
        let nan = call("atr", &none, &[&[1.0; 3], &[1.0, 1.0, f64::NAN], &[1.0; 3]]);
        assert_eq!(says(nan), "input low: the value at index 2 is not a finite number");
        assert_eq!(says(call("performance", &none, &[&[]])), "0 rows given, at least 1 are needed");
        let huge = call("wma", &none.clone().with("period", 3.0), &[&[f64::MAX; 5]]);
        assert_eq!(says(huge), "output real is not a finite number: the inputs are too large");
    }

    #[test]
    fn a_short_series_has_no_answers_and_no_error() {
        let outputs = call("Donchian", &Params::new(), &[&[2.0, 3.0], &[1.0, 2.0]]).unwrap();
        let undefined = Value::Series(vec![None, None]);
        assert_eq!(outputs, [("upper", undefined.clone()), ("middle", undefined.clone()), ("lower", undefined)]);
        assert_eq!(call("sma", &Params::new(), &[&[]]).unwrap(), [("real", Value::Series(vec![]))]);
    }
}
