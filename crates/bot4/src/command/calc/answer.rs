//! One call by name: to the catalogue of numerical functions, or to a backtest.
//!
//! In:  a function's name, parameters and columns, from a file of cases or the command line. Out: named outputs.

use super::backtest_case::{self, Rule, RunFacts};
use super::table::TableError;
use quant::catalogue::{self, CalcError, Function, Outputs, Params, Value};
use std::fmt;

/// Values of an input column, as they were given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cells<'t> {
    /// Cells of a table.
    Text(Vec<&'t str>),
    /// Numbers; NaN where one is missing.
    Numbers(Vec<f64>),
}

/// An input column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column<'t> {
    /// Its name.
    pub name: String,
    /// Its values.
    pub cells: Cells<'t>,
}

impl Column<'_> {
    /// How many values.
    pub fn len(&self) -> usize {
        match &self.cells {
            Cells::Text(cells) => cells.len(),
            Cells::Numbers(numbers) => numbers.len(),
        }
    }

    /// A value as it was given, or with the shortest digits that read back the same; nothing past the end.
    pub fn text(&self, row: usize) -> String {
        match &self.cells {
            Cells::Text(cells) => cells.get(row).copied().unwrap_or_default().to_owned(),
            Cells::Numbers(numbers) => numbers.get(row).map_or_else(String::new, f64::to_string),
        }
    }

    /// The values as doubles; an empty cell is a missing value, NaN.
    pub fn numbers(&self) -> Result<Vec<f64>, CaseError> {
        let cells = match &self.cells {
            Cells::Numbers(numbers) => return Ok(numbers.clone()),
            Cells::Text(cells) => cells,
        };
        let number = |(row, cell): (usize, &&str)| match *cell {
            "" => Ok(f64::NAN),
            text => {
                text.parse().map_err(|_| CaseError::Cell { column: self.name.clone(), row, value: text.to_owned() })
            }
        };
        cells.iter().enumerate().map(number).collect()
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CaseError {
    /// The catalogue says so.
    Calc(CalcError),
    /// A part of the case is not of the form that was expected.
    Form(String),
    /// The table cannot be used.
    Table(TableError),
    /// A value is no number.
    Cell { column: String, row: usize, value: String },
    /// A parameter of a backtest is not what it can be.
    Param { name: String, value: String, expected: &'static str },
    /// A parameter of a backtest is not there.
    MissingParam { name: &'static str, expected: &'static str },
    /// The strategy refuses its parameters.
    Strategy(strategy::ParamError),
    /// The backtest could not be run.
    Run(String),
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calc(error) => write!(f, "{error}"),
            Self::Form(what) | Self::Run(what) => f.write_str(what),
            Self::Table(error) => write!(f, "{error}"),
            Self::Cell { column, row, value } => {
                write!(f, "input {column}: the value at index {row} is `{value}`; expected a number")
            }
            Self::Param { name, value, expected } => write!(f, "parameter {name} = {value}: expected {expected}"),
            Self::MissingParam { name, expected } => write!(f, "parameter {name} is missing: expected {expected}"),
            Self::Strategy(error) => write!(f, "{error}"),
        }
    }
}

impl From<CalcError> for CaseError {
    fn from(error: CalcError) -> Self {
        Self::Calc(error)
    }
}

impl From<TableError> for CaseError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

/// What came of a call.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// By name, in order.
    pub outputs: Vec<(&'static str, Value)>,
    /// What is to be known about a backtest beside its result.
    pub run: Option<RunFacts>,
}

/// What can be called.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A function of the catalogue.
    Function(&'static Function),
    /// A strategy over one series.
    Backtest(Rule),
}

impl Kind {
    /// What has this name, in upper or lower case.
    ///
    /// # Errors
    /// [`CalcError::UnknownFunction`] with the names that exist.
    pub fn find(name: &str) -> Result<Self, CaseError> {
        let backtest = || Rule::ALL.into_iter().find(|rule| rule.name().eq_ignore_ascii_case(name)).map(Self::Backtest);
        catalogue::find(name).map(Self::Function).or_else(backtest).ok_or_else(|| {
            let known = catalogue::names().chain(Rule::ALL.map(Rule::name)).collect();
            CaseError::Calc(CalcError::UnknownFunction { name: name.to_owned(), known })
        })
    }

    /// Its own name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Function(function) => function.name(),
            Self::Backtest(rule) => rule.name(),
        }
    }

    /// The columns it takes.
    pub fn inputs(&self) -> &'static [&'static str] {
        match self {
            Self::Function(function) => function.inputs,
            Self::Backtest(_) => backtest_case::INPUTS,
        }
    }

    /// Computes. Columns that have the names of the inputs are taken by name, others in the order given.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn answer(&self, params: &Params, columns: &[Column<'_>]) -> Result<Answer, CaseError> {
        match self {
            Self::Function(function) => {
                let numbers = arranged(function.inputs, columns)
                    .into_iter()
                    .map(Column::numbers)
                    .collect::<Result<Vec<_>, _>>()?;
                let slices: Vec<&[f64]> = numbers.iter().map(Vec::as_slice).collect();
                let outputs: Outputs = function.call(params, &slices)?;
                Ok(Answer { outputs, run: None })
            }
            Self::Backtest(rule) => backtest_case::answer(*rule, params, columns),
        }
    }
}

/// Columns in the order of the inputs where each input's name is that of one column and none is left over; else as given.
fn arranged<'c, 't>(inputs: &[&str], columns: &'c [Column<'t>]) -> Vec<&'c Column<'t>> {
    let by_name: Option<Vec<&Column<'t>>> =
        inputs.iter().map(|name| columns.iter().find(|c| c.name == *name)).collect();
    by_name.filter(|found| found.len() == columns.len()).unwrap_or_else(|| columns.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, numbers: &[f64]) -> Column<'static> {
        Column { name: name.into(), cells: Cells::Numbers(numbers.to_vec()) }
    }

    #[test]
    fn columns_go_by_name_and_else_by_order() {
        let kind = Kind::find("trange").unwrap();
        let (high, low, close) =
            (column("high", &[3.0, 5.0]), column("low", &[1.0, 2.0]), column("close", &[2.0, 4.0]));
        let of = |columns: &[Column<'_>]| kind.answer(&Params::new(), columns).map(|a| a.outputs);
        let expected = vec![("real", Value::Series(vec![None, Some(3.0)]))];
        assert_eq!(of(&[close.clone(), low.clone(), high.clone()]).unwrap(), expected);
        let renamed = [column("h", &[3.0, 5.0]), column("l", &[1.0, 2.0]), column("c", &[2.0, 4.0])];
        assert_eq!(of(&renamed).unwrap(), expected);
        assert!(matches!(of(&[high, low]), Err(CaseError::Calc(CalcError::Columns { given: 2, .. }))));
    }

    #[test]
    fn an_unknown_function_names_those_that_exist() {
        let Err(error) = Kind::find("smaa") else { panic!("smaa is no function") };
        let text = error.to_string();
        assert!(text.contains("\"smaa\"") && text.contains("SMA") && text.contains("sma_cross"), "{text}");
    }

    #[test]
    fn a_cell_that_is_no_number_is_named_with_its_place() {
        let column = Column { name: "close".into(), cells: Cells::Text(vec!["1", "", "x"]) };
        assert_eq!(
            column.numbers().unwrap_err().to_string(),
            "input close: the value at index 2 is `x`; expected a number"
        );
        let column = Column { cells: Cells::Text(vec!["1.5", "", "2e3"]), ..column };
        let numbers = column.numbers().unwrap();
        assert!(numbers[1].is_nan());
        assert_eq!((numbers[0], numbers[2]), (1.5, 2000.0));
    }
}
