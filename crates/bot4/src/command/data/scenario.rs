//! `bot4 data scenarios` and `--scenario`: episodes of the market by name.
//!
//! In:  the bundled table, or a file of the same form. Out: the range of time that a run or a look at data is narrowed to.

use super::super::CommandError;
use crate::command::inputs::parse_time;
use crate::term::{NAME, styled};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

const BUNDLED: &str = include_str!("scenarios.toml");

/// One episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// `crash`, `rally` or `reversal`.
    pub kind: String,
    /// Where it begins.
    pub from: String,
    /// The first instant after it.
    pub to: String,
    /// What happened.
    pub what: String,
    /// What was measured, by symbol.
    #[serde(default)]
    pub measured: Vec<Measured>,
}

/// How far a symbol went in an episode, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The symbol.
    pub symbol: String,
    /// From a high to the lowest low after it.
    pub fall: f64,
    /// From a low to the highest high after it.
    pub rise: f64,
    /// The lowest low against the highest high of the 60 minutes that end there.
    pub hour: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    scenario: Vec<Scenario>,
}

fn read(text: &str, file: &str) -> Result<Vec<Scenario>, CommandError> {
    let table: Table = toml::from_str(text).map_err(|e| CommandError::usage(format!("{file}: {e}")))?;
    for s in &table.scenario {
        let place = format!("{file}, scenario {}: time", s.name);
        if parse_time(&place, &s.from)? >= parse_time(&place, &s.to)? {
            return Err(CommandError::usage(format!("{file}, scenario {}: from is not before to", s.name)));
        }
    }
    Ok(table.scenario)
}

/// The bundled episodes.
///
/// # Errors
/// If the table cannot be read; a test holds that it can.
pub fn bundled() -> Result<Vec<Scenario>, CommandError> {
    read(BUNDLED, "the bundled scenarios")
}

/// The episode of a name: a bundled one, or `FILE.toml#NAME`.
///
/// # Errors
/// Usage, with the names that are known.
pub fn find(name: &str) -> Result<Scenario, CommandError> {
    let (all, wanted) = match name.split_once('#') {
        Some((file, wanted)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|e| CommandError::usage(format!("--scenario {name}: {file}: {e}")))?;
            (read(&text, file)?, wanted)
        }
        None => (bundled()?, name),
    };
    let known = || all.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    all.iter().find(|s| s.name == wanted).cloned().ok_or_else(|| {
        CommandError::usage(format!(
            "--scenario {name}: no such scenario; expected one of {}, or FILE.toml#NAME",
            known()
        ))
    })
}

/// All of them, as a table or one JSON array.
///
/// # Errors
/// If the table cannot be read.
pub fn list(json: bool) -> Result<String, CommandError> {
    let all = bundled()?;
    if json {
        return Ok(serde_json::to_string(&all).map_err(CommandError::failed)? + "\n");
    }
    let mut text = String::new();
    for s in &all {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}  {}, {} to {}", styled(NAME, &s.name), s.kind, s.from, s.to);
        let _ = writeln!(text, "  {}", s.what);
        for m in &s.measured {
            let _ = writeln!(
                text,
                "  {:<10}fall {:>6.1} %   rise {:>6.1} %   worst hour {:>6.1} %",
                m.symbol, m.fall, m.rise, m.hour
            );
        }
        text.push('\n');
    }
    text.push_str("Use: --scenario NAME instead of --from and --to. Figures: one-minute candles of Binance spot inside the window.\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use store::history::{Input, Options, Rows, SeriesReader, Symbols, discover};

    #[test]
    fn the_bundled_table_can_be_read_and_names_are_unique() {
        let all = bundled().unwrap();
        assert!(all.len() >= 15);
        for s in &all {
            assert_eq!(find(&s.name).unwrap(), *s);
            assert!(["crash", "rally", "reversal"].contains(&s.kind.as_str()), "{}", s.kind);
            assert!(!s.measured.is_empty(), "{} claims nothing", s.name);
        }
        let names: std::collections::BTreeSet<_> = all.iter().map(|s| &s.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(find("mars-2021").unwrap_err().message.contains("covid-2020, "));
    }

    #[test]
    fn a_file_of_ones_own_is_read_and_checked() {
        let path = std::env::temp_dir().join(format!("bot4-scenarios-{}.toml", std::process::id()));
        let name = |n: &str| format!("{}#{n}", path.display());
        let table = |to: &str| {
            format!(
                "[[scenario]]\nname = \"a\"\nkind = \"crash\"\nfrom = \"2021-05-01\"\nto = \"{to}\"\nwhat = \"x\"\n"
            )
        };
        std::fs::write(&path, table("2021-05-02")).unwrap();
        assert_eq!(find(&name("a")).unwrap().to, "2021-05-02");
        assert!(find(&name("b")).unwrap_err().message.contains("expected one of a"));
        std::fs::write(&path, table("2021-05-01")).unwrap();
        assert!(find(&name("a")).unwrap_err().message.contains("from is not before to"));
        std::fs::remove_file(&path).unwrap();
    }

    /// What the table claims, measured again where the recorded minutes are present.
    #[test]
    fn the_figures_are_those_of_the_data() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/candles_1m");
        let mut cases = 0;
        if folder.is_dir() {
            for s in bundled().unwrap() {
                for m in &s.measured {
                    let options = Options {
                        symbols: Symbols::Only(vec![m.symbol.clone()]),
                        from: Some(parse_time("", &s.from).unwrap()),
                        to: Some(parse_time("", &s.to).unwrap()),
                        ..Options::default()
                    };
                    let year = &s.from[..4];
                    let files = [year.to_owned(), s.to[..4].to_owned()]
                        .map(|y| folder.join(format!("binance_spot_{}_1m_{y}.parquet", m.symbol)));
                    let inputs: Vec<Input> =
                        std::collections::BTreeSet::from(files).into_iter().map(Input::Path).collect();
                    let series = discover(&inputs, &options).unwrap();
                    assert_eq!(
                        (fall_rise_hour(&series[0]), s.name.as_str()),
                        ([m.fall, m.rise, m.hour], s.name.as_str())
                    );
                    cases += 1;
                }
            }
        }
        println!("{cases} cases of recorded minutes");
    }

    fn fall_rise_hour(series: &store::history::Series) -> [f64; 3] {
        let mut reader = SeriesReader::open(series, domain::InstrumentIdx(0)).unwrap();
        let mut rows = Rows::new(series.kind);
        let (mut high, mut low) = (0i64, i64::MAX);
        let [mut fall, mut rise, mut hour] = [0.0f64; 3];
        let mut window = std::collections::VecDeque::new();
        while reader.next_chunk(&mut rows).unwrap() {
            for c in rows.candles().unwrap() {
                if high > 0 {
                    fall = fall.min(c.low as f64 / high as f64 - 1.0);
                    rise = rise.max(c.high as f64 / low as f64 - 1.0);
                }
                (high, low) = (high.max(c.high), low.min(c.low));
                window.push_back(c.high);
                if window.len() > 60 {
                    window.pop_front();
                }
                if window.len() == 60 {
                    hour = hour.min(c.low as f64 / *window.iter().max().unwrap() as f64 - 1.0);
                }
            }
        }
        [fall, rise, hour].map(|x| (1000.0 * x).round() / 10.0)
    }
}
