//! Files of reference cases: what is asked, without what is expected.
//!
//! In:  JSON with `cases`; a case has `id`, `function`, `params` and `inputs`. All other keys, `outputs` before all, are skipped unread.
//! Out: a call per case. A file that is not of this form is refused as a whole; a case that cannot be answered is an error of its own.

use super::answer::{Answer, CaseError, Cells, Column, Kind};
use super::json::Parsed;
use super::table::{Texts, read_bytes};
use crate::command::CommandError;
use quant::catalogue::{Params, Value};
use serde::Deserialize;
use std::path::Path;

/// A file of cases.
#[derive(Deserialize)]
pub(super) struct CaseFile {
    /// In the order of the file.
    pub cases: Vec<Case>,
}

/// What is asked.
#[derive(Deserialize)]
pub(super) struct Case {
    /// Its name in the file.
    pub id: String,
    function: Option<Parsed>,
    params: Option<Parsed>,
    inputs: Option<Parsed>,
}

/// Reads a file of cases.
///
/// # Errors
/// Usage: it cannot be read, is not JSON, or has another form.
pub(super) fn read(path: &Path) -> Result<CaseFile, CommandError> {
    let usage = |what: String| CommandError::usage(format!("{}: {what}", path.display()));
    let bytes = read_bytes(path).map_err(usage)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| usage(format!("{e}; expected JSON with cases, each with id, function, params, inputs")))
}

impl Case {
    /// Computes the case.
    ///
    /// # Errors
    /// [`CaseError`] says what of the case cannot be used, or why the computation failed.
    pub fn answer(&self, texts: &mut Texts<'_>) -> Result<Answer, CaseError> {
        let Some(Parsed(Value::Text(function))) = &self.function else {
            return Err(CaseError::Form("function: expected a name".into()));
        };
        let kind = Kind::find(function)?;
        let params = params(self.params.as_ref())?;
        let columns = columns(self.inputs.as_ref(), texts)?;
        kind.answer(&params, &columns)
    }
}

fn params(given: Option<&Parsed>) -> Result<Params, CaseError> {
    let mut params = Params::new();
    match given {
        None | Some(Parsed(Value::Missing)) => {}
        Some(Parsed(Value::Map(entries))) => entries.iter().for_each(|(name, value)| params.push(name, value.clone())),
        Some(_) => return Err(CaseError::Form("params: expected an object of names and values".into())),
    }
    Ok(params)
}

/// Columns in their written order: of a table, or arrays in place.
fn columns<'t>(given: Option<&Parsed>, texts: &'t mut Texts<'_>) -> Result<Vec<Column<'t>>, CaseError> {
    let entries = match given {
        None | Some(Parsed(Value::Missing)) => return Ok(Vec::new()),
        Some(Parsed(Value::Map(entries))) => entries,
        Some(_) => return Err(CaseError::Form("inputs: expected an object of columns, or csv with columns".into())),
    };
    let entry = |name: &str| entries.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    let Some(csv) = entry("csv") else {
        if let [(name, Value::List(rows))] = &entries[..]
            && name == "rows"
        {
            return by_rows(rows);
        }
        return entries
            .iter()
            .map(|(name, value)| Ok(Column { name: name.clone(), cells: Cells::Numbers(array(name, value)?) }))
            .collect();
    };
    if let Some((other, _)) = entries.iter().find(|(name, _)| name != "csv" && name != "columns") {
        return Err(CaseError::Form(format!("inputs.{other}: expected nothing but csv and columns")));
    }
    let Value::Text(path) = csv else {
        return Err(CaseError::Form("inputs.csv: expected a path relative to the file of cases".into()));
    };
    let named = || CaseError::Form("inputs.columns: expected a list of names".into());
    let Some(Value::List(names)) = entry("columns") else { return Err(named()) };
    let names = names.iter().map(|name| if let Value::Text(name) = name { Ok(name.as_str()) } else { Err(named()) });
    let names = names.collect::<Result<Vec<&str>, CaseError>>()?;
    Ok(texts.table(path)?.columns(&names)?)
}

/// Columns that were written row by row, in the order within a row.
fn by_rows<'t>(rows: &[Value]) -> Result<Vec<Column<'t>>, CaseError> {
    let cells = rows.iter().map(|row| array("rows", row)).collect::<Result<Vec<_>, _>>()?;
    let width = cells.first().map_or(0, Vec::len);
    if cells.iter().any(|row| row.len() != width) {
        return Err(CaseError::Form("inputs.rows: expected rows of one length".into()));
    }
    let column = |at: usize| cells.iter().filter_map(|row| row.get(at).copied()).collect();
    Ok((0..width).map(|at| Column { name: at.to_string(), cells: Cells::Numbers(column(at)) }).collect())
}

/// An array of numbers; `null` is a missing one, infinities are words.
fn array(name: &str, value: &Value) -> Result<Vec<f64>, CaseError> {
    let Value::List(items) = value else {
        return Err(CaseError::Form(format!("inputs.{name}: expected a list of numbers")));
    };
    let number = |(row, item): (usize, &Value)| match item {
        Value::Missing => Ok(f64::NAN),
        Value::Integer(i) => Ok(*i as f64),
        Value::Number(n) => Ok(*n),
        Value::Text(t) if t == "inf" => Ok(f64::INFINITY),
        Value::Text(t) if t == "-inf" => Ok(f64::NEG_INFINITY),
        other => {
            let value = serde_json::to_string(&super::json::Shown(other)).unwrap_or_default();
            Err(CaseError::Cell { column: name.to_owned(), row, value })
        }
    };
    items.iter().enumerate().map(number).collect()
}
