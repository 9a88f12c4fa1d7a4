//! Options that say what data to run on, shared by all commands that read data.

use super::CommandError;
use clap::Args;
use domain::UnixNanos;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use store::history::{self, BadRows, ColumnMap, DataKind, Decimals, Input, Options, Series, Symbols, parse_interval};

/// The bundled minutes of BTC and ETH, and daily candles of ten pairs.
const BUNDLED: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// What data to read: options of the command line, and the section `data` of a run's settings.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataArgs {
    /// Files, folders or catalogues of candles, trades or quotes (Parquet, feather, CSV, JSON, zip, gz).
    #[arg(long = "data", value_name = "PATH", num_args = 1..)]
    #[serde(default, rename = "files")]
    pub data: Vec<PathBuf>,
    /// Venue of files that do not say theirs (binance_spot).
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub venue: Option<String>,
    /// Symbols to read (BTCUSDT,ETHUSDT; all).
    #[arg(long, value_name = "LIST")]
    #[serde(default)]
    pub symbol: Option<String>,
    /// Length of the candles of files that do not say theirs (1m, 4h, 1d).
    #[arg(long, value_name = "LENGTH")]
    #[serde(default)]
    pub interval: Option<String>,
    /// Time of the first row of files without times (2021-01-01 or 2021-01-01T00:00:00Z).
    #[arg(long, value_name = "TIME")]
    #[serde(default)]
    pub start: Option<String>,
    /// Rules of an instrument that is not known: generic:PRICEDECIMALS,QUANTITYDECIMALS.
    #[arg(long, value_name = "RULES")]
    #[serde(default)]
    pub instrument: Option<String>,
    /// Leaves out rows before this time.
    #[arg(long, value_name = "TIME")]
    #[serde(default)]
    pub from: Option<String>,
    /// Leaves out rows at or after this time.
    #[arg(long, value_name = "TIME")]
    #[serde(default)]
    pub to: Option<String>,
    /// The one kind of data to read: candles, trades, quotes or book; also what files are that do not say it.
    #[arg(long, value_name = "KIND")]
    #[serde(default)]
    pub kind: Option<String>,
    /// A market episode that says --from and --to: a name of `bot4 data scenarios`, or FILE.toml#NAME of one's own.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "to"])]
    #[serde(skip)]
    pub scenario: Option<String>,
    /// Bad rows: skip (the default: left out, counted and told) or refuse (the first one ends the run).
    #[arg(long, value_name = "skip|refuse")]
    #[serde(default)]
    pub bad_rows: Option<String>,
}

impl DataArgs {
    /// The options as `store` takes them.
    ///
    /// # Errors
    /// Usage, naming the option and what was expected.
    pub fn options(&self) -> Result<Options, CommandError> {
        let time = |name: &str, text: &Option<String>| text.as_deref().map(|t| parse_time(name, t)).transpose();
        let interval_s = match &self.interval {
            None => None,
            Some(text) => Some(parse_interval(text).ok_or_else(|| {
                CommandError::usage(format!("--interval {text}: expected a length such as 1m, 4h, 1d"))
            })?),
        };
        let instrument = match &self.instrument {
            None => None,
            Some(text) => {
                Some(Decimals::parse(text).map_err(|e| CommandError::usage(format!("--instrument {text}: {e}")))?)
            }
        };
        let bad_rows = match self.bad_rows.as_deref().unwrap_or("skip") {
            "skip" => BadRows::Skip,
            "refuse" => BadRows::Refuse,
            other => return Err(CommandError::usage(format!("--bad-rows {other}: expected skip or refuse"))),
        };
        let kind = match &self.kind {
            None => None,
            Some(text) => Some(DataKind::from_name(text).ok_or_else(|| {
                CommandError::usage(format!("--kind {text}: expected candles, trades, quotes or book"))
            })?),
        };
        let (from, to) = self.range()?;
        let (from, to) = (time("--from", &from)?, time("--to", &to)?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(CommandError::usage("--from is not before --to: nothing is left"));
        }
        Ok(Options {
            venue: self.venue.clone(),
            symbols: self.symbol.as_deref().map(Symbols::parse).unwrap_or_default(),
            interval_s,
            start: time("--start", &self.start)?,
            instrument,
            bad_rows,
            from,
            to,
            kind,
            map: ColumnMap::default(),
            rules: None,
        })
    }

    /// The range of time that is asked for: as said, or as a scenario has it.
    ///
    /// # Errors
    /// Usage, for a scenario that is not known.
    pub fn range(&self) -> Result<(Option<String>, Option<String>), CommandError> {
        match &self.scenario {
            None => Ok((self.from.clone(), self.to.clone())),
            Some(name) => {
                let scenario = super::data::scenario::find(name)?;
                Ok((Some(scenario.from), Some(scenario.to)))
            }
        }
    }

    /// The series that are asked for; the bundled minutes if no data is named.
    ///
    /// # Errors
    /// Usage for options, failure for data that cannot be read.
    pub fn series(&self) -> Result<Vec<Series>, CommandError> {
        let mut options = self.options()?;
        let inputs: Vec<Input> = if self.data.is_empty() {
            // The bundled daily candles are of the same pairs: minutes unless asked otherwise.
            options.interval_s = options.interval_s.or(Some(60));
            BUNDLED.iter().map(|(name, bytes)| Input::embedded(name, bytes)).collect()
        } else {
            self.data.iter().map(|path| Input::from(path.as_path())).collect()
        };
        history::discover(&inputs, &options).map_err(CommandError::failed)
    }
}

/// Reads a time: a date, or a date and time with its zone.
///
/// # Errors
/// Usage, naming the option.
pub fn parse_time(name: &str, text: &str) -> Result<UnixNanos, CommandError> {
    let expected = || {
        CommandError::usage(format!(
            "{name} {text}: expected a time such as 2021-05-19 or 2021-05-19T13:00:00Z (UTC, from 1970)"
        ))
    };
    let timestamp = match text.parse::<jiff::Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => {
            let date = text.parse::<jiff::civil::Date>().map_err(|_| expected())?;
            date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| expected())?.timestamp()
        }
    };
    u64::try_from(timestamp.as_nanosecond()).map(UnixNanos).map_err(|_| expected())
}

/// A time as text: `2021-05-19 13:00`, UTC.
#[must_use]
pub fn time_text(ts: UnixNanos) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(ts.0)) {
        Ok(timestamp) => jiff::tz::TimeZone::UTC.to_datetime(timestamp).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => format!("{} ns", ts.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_dates_or_instants() {
        assert_eq!(parse_time("--from", "1970-01-02").unwrap().0, 86_400_000_000_000);
        assert_eq!(parse_time("--from", "1970-01-01T01:00:00Z").unwrap().0, 3_600_000_000_000);
        assert_eq!(time_text(UnixNanos(1_577_836_800_000_000_000)), "2020-01-01 00:00");
        for bad in ["yesterday", "1969-12-31", "2021-13-01", ""] {
            let error = parse_time("--from", bad).unwrap_err();
            assert_eq!(error.exit, super::super::Exit::Usage);
            assert!(error.message.contains("--from"), "{}", error.message);
        }
    }

    #[test]
    fn options_that_cannot_be_are_usage_errors() {
        let base = DataArgs::default();
        for (args, expected) in [
            (DataArgs { interval: Some("4x".into()), ..base.clone() }, "--interval 4x"),
            (DataArgs { instrument: Some("generic:99,1".into()), ..base.clone() }, "--instrument"),
            (DataArgs { bad_rows: Some("ignore".into()), ..base.clone() }, "skip or refuse"),
            (
                DataArgs { from: Some("2021-01-02".into()), to: Some("2021-01-02".into()), ..base.clone() },
                "nothing is left",
            ),
        ] {
            let error = args.options().unwrap_err();
            assert_eq!(error.exit, super::super::Exit::Usage);
            assert!(error.message.contains(expected), "{}", error.message);
        }
    }
}
