//! Reading speed, and a file for measuring the program from its start.

use crate::data;
use crate::measure::{cpu_s, fastest, line};
use domain::{InstrumentIdx, InstrumentTable};
use serde_json::json;
use std::path::{Path, PathBuf};
use store::history::{self, DataKind, Input, Options, Rows, SeriesReader};

/// Reads files as they are, all rows, decoded and checked.
pub fn run(paths: &[PathBuf], runs: usize) -> Result<(), String> {
    for path in paths {
        let series =
            history::discover(&[Input::from(path.as_path())], &Options::default()).map_err(|e| e.to_string())?;
        for s in &series {
            let (cpu, rows) = fastest(runs, || {
                let before = cpu_s();
                let mut reader = SeriesReader::open(s, InstrumentIdx(0)).map_err(|e| e.to_string())?;
                let mut rows = Rows::new(DataKind::Candles);
                let mut n = 0u64;
                while reader.next_chunk(&mut rows).map_err(|e| e.to_string())? {
                    n += rows.len() as u64;
                }
                Ok((cpu_s() - before, n))
            })?;
            line(
                "read",
                rows,
                cpu,
                json!({"series": s.title(), "file": path.file_name().map(|n| n.to_string_lossy())}),
            );
        }
    }
    Ok(())
}

/// Writes a million candles as bot4's own file.
pub fn export(npy: Option<&Path>, out: &Path) -> Result<(), String> {
    let mut table = InstrumentTable::default();
    let instrument = data::instrument(&mut table, "BTCUSDT");
    let candles = data::candles(npy, &instrument, 1_000_000)?;
    let decimals = history::Decimals { price: 2, quantity: 3 };
    let listing = history::Listing::generic("generic", &instrument.symbol, decimals);
    let written = history::write_candles(out, &listing, 60, candles.into_iter().map(Ok)).map_err(|e| e.to_string())?;
    println!("{written:?}");
    Ok(())
}
