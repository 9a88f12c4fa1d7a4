//! Makes the bundled sample from the reference data: one year of BTC and ETH minutes, and the daily candles of ten pairs.
//!
//! `cargo run -p store --example make_sample -- ../shared/data data/sample`. The same input gives the same bytes.

use std::error::Error;
use std::path::{Path, PathBuf};
use store::history::{BadRows, Input, Options, import};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: make_sample FOLDER_OF_REFERENCE_DATA FOLDER_OF_THE_SAMPLE".into());
    };
    // The sample is to be as good as its source: a bad row there stops it.
    let options = Options { bad_rows: BadRows::Refuse, ..Options::default() };
    let minutes = ["BTCUSDT", "ETHUSDT"].map(|symbol| format!("candles_1m/binance_spot_{symbol}_1m_2021.parquet"));
    let daily = ["daily/binance_spot_1d_10_symbols_2017_2024.parquet".to_owned()];
    for (folder, files) in [("minutes", minutes.as_slice()), ("daily", daily.as_slice())] {
        let inputs: Vec<Input> = files.iter().map(|file| Input::Path(from.join(file))).collect();
        for made in import(&inputs, &options, &to.join(folder))? {
            let name = made.written.path.strip_prefix(&to).unwrap_or(Path::new("")).display().to_string();
            let time = |t: Option<domain::UnixNanos>| {
                t.and_then(|t| jiff::Timestamp::from_nanosecond(i128::from(t.0)).ok())
                    .map_or_else(String::new, |t| t.strftime("%Y-%m-%d %H:%M").to_string())
            };
            let (f, l) = (&made.findings, &made.series.listing);
            println!(
                "| `{name}` | {} | {} | {} | {} ({}) | {} | {}, {} | {} |",
                time(f.first),
                time(f.last),
                f.rows,
                f.gaps,
                f.missing,
                f.zero_volume,
                l.price_decimals,
                l.quantity_decimals,
                made.written.bytes
            );
        }
    }
    Ok(())
}
