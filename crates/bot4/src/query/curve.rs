//! The equity curve of a run as rows: from its result where it has ended, before that from the log beside its snapshots.
//!
//! Both hold the same points: one an hour, numbered from the beginning. They are doubles (a statistic, not money) and are written as the
//! shortest decimal that says the same.

use crate::runner::records::{Log, Logged as _};
use crate::runner::run_folder::RunFolder;
use crate::runner::statistics::EquityPoint;
use quant::state::Reader;
use store::query::{Row, Value};

/// Points from number `from` on, at most `most`.
#[must_use]
pub fn points(folder: &RunFolder, run: &str, from: u64, most: usize) -> Vec<Row> {
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let row = |(n, fields): (usize, [String; 6])| -> Row {
        let [ts, values @ ..] = fields;
        let ms: u64 = ts.parse().unwrap_or(0);
        let mut row: Row = vec![run.into(), i64::try_from(n).unwrap_or(i64::MAX).into(), Value::Time(ms * 1_000_000)];
        row.extend(values.map(decimal));
        row
    };
    if let Ok(text) = std::fs::read_to_string(folder.path().join("equity.csv")) {
        let fields = |line: &str| {
            let mut cells = line.split(',').map(str::to_owned);
            std::array::from_fn(|_| cells.next().unwrap_or_default())
        };
        return text.lines().skip(1).map(fields).enumerate().skip(skip).take(most).map(row).collect();
    }
    let bytes = std::fs::read(folder.records().join(format!("{}.log", Log::Equity.name()))).unwrap_or_default();
    let point = |bytes: &[u8]| {
        let p = EquityPoint::take(&mut Reader::new(bytes)).ok()?;
        let values = [p.equity, p.hold, p.drawdown, p.gross, p.net].map(|value| value.to_string());
        let [equity, hold, drawdown, gross, net] = values;
        Some([p.ts.as_millis().to_string(), equity, hold, drawdown, gross, net])
    };
    let whole = bytes.chunks_exact(Log::Equity.size()).map_while(point);
    whole.enumerate().skip(skip).take(most).map(row).collect()
}

fn decimal(text: String) -> Value {
    if text.parse::<f64>().is_ok_and(f64::is_finite) { text.into() } else { Value::Null }
}
