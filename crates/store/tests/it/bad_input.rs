//! Each way in which data can be bad: the text of the error, and that the rows around it were kept or the whole was refused.

use crate::support::{
    Column, Folder, T0, candles, line, memory, minutes, minutes_parquet, only, parquet, quotes, table, trades,
};
use domain::Candle;
use store::history::{BadRows, Findings, HistoryError, Input, Options, discover};

const NAME: &str = "BTCUSDT-1m-2021-01.csv";

fn read(text: &str, bad_rows: BadRows) -> Result<(Vec<Candle>, Findings), HistoryError> {
    candles(&only(&[memory(NAME, text)], &Options { bad_rows, ..Options::default() })?)
}

/// One bad line among five: by default the other four are kept and the line is told of; when refusing, nothing is.
fn one_bad_line(bad: &str, told: &str) {
    let text = table(5, &[(2, bad)]);
    let (kept, findings) = read(&text, BadRows::Skip).unwrap();
    assert_eq!(minutes(&kept), [0, 1, 3, 4], "rows before and after are kept: {bad}");
    assert_eq!((findings.rows, findings.bad, findings.listed.len()), (4, 1, 1), "{bad}");
    assert_eq!(findings.listed[0].to_string(), format!("{NAME}, line 3, {told}"));
    let refused = read(&text, BadRows::Refuse).unwrap_err();
    assert_eq!(refused.to_string(), format!("{NAME}, line 3, {told}"), "the whole is refused");
}

fn with(column: usize, value: &str) -> String {
    let good = line(2);
    let mut cells: Vec<&str> = good.split(',').collect();
    cells[column] = value;
    cells.join(",")
}

#[test]
fn numbers_that_are_none_or_impossible() {
    one_bad_line(&with(4, "NaN"), "column close: NaN; expected a finite number");
    one_bad_line(&with(2, "inf"), "column high: inf; expected a finite number");
    one_bad_line(&with(2, "-Infinity"), "column high: -Infinity; expected a finite number");
    one_bad_line(&with(1, "-100.00"), "column open: -100; expected a price above 0");
    one_bad_line(&with(3, "0"), "column low: 0; expected a price above 0");
    one_bad_line(&with(5, "-1.5"), "column volume: -1.5; expected 0 or more");
    one_bad_line(
        &with(2, "99999999999999999999"),
        "column high: 99999999999999999999; expected a number whose mantissa fits 64 bits",
    );
    one_bad_line(&with(2, "1e300"), "column high: 1e300; expected a plain decimal number such as 12.5");
    one_bad_line(&with(1, ""), "column open: nothing; expected a plain decimal number such as 12.5");
    one_bad_line(&with(1, "abc"), "column open: abc; expected a plain decimal number such as 12.5");
    one_bad_line("1609459320000,100", "column all: 2 columns; expected 12 columns");
}

#[test]
fn a_close_outside_high_and_low() {
    one_bad_line(&with(4, "101.01"), "column close: 101.01; expected low <= close <= high, that is from 99 to 101");
    one_bad_line(&with(1, "98.99"), "column open: 98.99; expected low <= open <= high, that is from 99 to 101");
}

#[test]
fn a_price_with_more_decimals_than_the_instrument_has() {
    one_bad_line(&with(4, "100.505"), "column close: 100.505; expected at most 2 decimals, as the instrument has");
    one_bad_line(&with(5, "1.2345678"), "column volume: 1.2345678; expected at most 6 decimals, as the instrument has");
    // Zeros at the end are no digits.
    assert_eq!(
        read(&table(3, &[(1, &line(1).replace("100.50", "100.50000000"))]), BadRows::Refuse).unwrap().0.len(),
        3
    );
}

#[test]
fn the_same_in_parquet() {
    for (value, told) in [
        (f64::NAN, "column close: NaN; expected a finite number"),
        (f64::INFINITY, "column close: inf; expected a finite number"),
        (-100.0, "column close: -100; expected a price above 0"),
        (1e300, "expected a number whose mantissa fits 64 bits"),
        (100.505, "column close: 100.505; expected at most 2 decimals, as the instrument has"),
    ] {
        let file = memory("binance_spot_BTCUSDT_1m_x.parquet", minutes_parquet(5, Some((2, value))));
        let (kept, findings) = candles(&only(std::slice::from_ref(&file), &Options::default()).unwrap()).unwrap();
        assert_eq!(minutes(&kept), [0, 1, 3, 4]);
        let text = findings.listed[0].to_string();
        assert!(
            text.starts_with("binance_spot_BTCUSDT_1m_x.parquet, line 3, column close: ") && text.ends_with(told),
            "{text}"
        );
        let refusing = Options { bad_rows: BadRows::Refuse, ..Options::default() };
        assert_eq!(candles(&only(&[file], &refusing).unwrap()).unwrap_err().to_string(), text);
    }
}

#[test]
fn an_empty_place_in_parquet() {
    let bytes = parquet(&[
        Column::Longs("ts_ms", (0..3).map(|k| T0 + k * 60_000).collect()),
        Column::Doubles("open", vec![100.0; 3]),
        Column::Doubles("high", vec![101.0; 3]),
        Column::Doubles("low", vec![99.0; 3]),
        Column::Optional("close", vec![Some(100.5), None, Some(100.25)]),
        Column::Doubles("volume", vec![1.5; 3]),
    ]);
    let (kept, findings) =
        candles(&only(&[memory("binance_spot_BTCUSDT_1m.parquet", bytes)], &Options::default()).unwrap()).unwrap();
    assert_eq!((minutes(&kept), kept[1].close), (vec![0, 2], 10_025));
    assert_eq!(
        findings.listed[0].to_string(),
        "binance_spot_BTCUSDT_1m.parquet, line 2, column close: nothing; expected a number"
    );
}

#[test]
fn timestamps_that_go_back_or_repeat() {
    one_bad_line(
        &line(0),
        "column time: 2021-01-01T00:00:00Z; expected a time after the row before, 2021-01-01T00:01:00Z: this row goes back",
    );
    one_bad_line(
        &line(1),
        "column time: 2021-01-01T00:01:00Z; expected a time after the row before, 2021-01-01T00:01:00Z: this row repeats its time",
    );
    // One stamp far ahead does not make all that follow go back.
    one_bad_line(
        &line(500_000),
        "column time: 2021-12-14T05:20:00Z; expected a time before that of the next row, 2021-01-01T00:03:00Z",
    );
    one_bad_line(
        &with(0, "yesterday"),
        "column time: yesterday; expected a time: a count since 1970 (s, ms, us or ns) or a date such as 2021-01-31T00:00:00Z",
    );
    one_bad_line(
        &with(0, "-1609459200000"),
        "column time: -1609459200000; expected a time: a count since 1970 (s, ms, us or ns) or a date such as 2021-01-31T00:00:00Z",
    );
}

#[test]
fn mixed_intervals() {
    // A step that is no multiple of the interval is a bad row.
    let bad = with(0, &(T0 + 2 * 60_000 + 30_000).to_string());
    one_bad_line(
        &bad,
        "column time: 2021-01-01T00:02:30Z; expected whole steps of 1m, the interval of the series, after 2021-01-01T00:01:00Z",
    );
    // Five-minute rows after one-minute rows are another interval, not sixteen gaps: the whole is refused.
    let text: String = (0..40).map(|n| line(if n < 20 { n } else { 20 + (n - 20) * 5 }) + "\n").collect();
    let error = read(&text, BadRows::Skip).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{NAME}, line 37: mixed intervals: 16 rows in a row are 5m apart; expected 1m, the interval of the series"
        )
    );
    // The other way round every second step is too short: too many bad rows.
    let text: String = (0..600).map(|n| line(n) + "\n").collect();
    let error = candles(&only(&[memory("BTCUSDT-5m-2021-01.csv", text)], &Options::default()).unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "BTCUSDT-5m-2021-01.csv: 480 of 600 rows are bad, the first: BTCUSDT-5m-2021-01.csv, line 2, column time: "
        ),
        "{error}"
    );
}

#[test]
fn a_gap_is_counted_and_is_no_bad_row() {
    let text: String = [0, 1, 5, 6, 8].map(|n| line(n) + "\n").concat();
    let (kept, findings) = read(&text, BadRows::Refuse).unwrap();
    assert_eq!((minutes(&kept), findings.gaps, findings.missing, findings.bad), (vec![0, 1, 5, 6, 8], 2, 4, 0));
    let listed: Vec<(i64, u64)> =
        findings.gap_list.iter().map(|g| ((g.first_missing.as_millis() - T0) / 60_000, g.candles)).collect();
    assert_eq!(listed, [(2, 3), (7, 1)]);
}

#[test]
fn too_many_bad_rows_refuse_the_whole() {
    let bad = |n: i64| line(n).replace("101.00", "1.00");
    let text =
        |share: i64| (0..20_000).map(|n| if n % share == 1 { bad(n) } else { line(n) } + "\n").collect::<String>();
    let error = read(&text(50), BadRows::Skip).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!(
            "{NAME}: 123 of 6144 rows are bad, the first: {NAME}, line 2, column open: 100; expected low <= open"
        )),
        "{error}"
    );
    // Fewer than one in a hundred are left out however many they are.
    let (kept, findings) = read(&text(125), BadRows::Skip).unwrap();
    assert_eq!((kept.len(), findings.bad, findings.listed.len()), (19_840, 160, Findings::LISTED));
    // Nothing but bad rows is no series.
    let error = read(&(0..3).map(|n| bad(n) + "\n").collect::<String>(), BadRows::Skip).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{NAME}: no row can be used, the first: {NAME}, line 1, column open")),
        "{error}"
    );
}

#[test]
fn more_bad_rows_than_good_ones_are_no_series_however_few() {
    // Seven minutes that are said to be four hours: the first alone stands on the interval.
    let text: String = (0..7).map(|n| line(n) + "\n").collect();
    let read_4h =
        |options: Options| candles(&only(&[memory("BTCUSDT-4h-2021-01.csv", text.as_str())], &options).unwrap());
    let error = read_4h(Options::default()).unwrap_err();
    assert!(
        matches!(&error, HistoryError::TooManyBadRows { bad: 6, rows: 7, first, .. } if first.line == 2),
        "{error}"
    );
    // As many bad rows as good ones are still left out one by one.
    let bad = |n: i64| line(n).replace("101.00", "1.00");
    let half = |last: &str| [line(0), bad(1), line(2), bad(3), last.to_owned()].map(|l| l + "\n").concat();
    let (kept, findings) = read(&half(""), BadRows::Skip).unwrap();
    assert_eq!((minutes(&kept), findings.bad), (vec![0, 2], 2));
    let error = read(&half(&bad(4)), BadRows::Skip).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{NAME}: 3 of 5 rows are bad, the first: {NAME}, line 2, column open")),
        "{error}"
    );
    // Good rows before the time that was asked for speak for the data too.
    let text = table(10, &[(8, &bad(8)), (9, &bad(9))]);
    let from = domain::UnixNanos::from_millis(T0 + 8 * 60_000);
    let series = only(&[memory(NAME, text)], &Options { from, ..Options::default() }).unwrap();
    let (kept, findings) = candles(&series).unwrap();
    assert_eq!((kept.len(), findings.bad, findings.rows), (0, 2, 0));
    let at = |minute: i64| domain::UnixNanos::from_millis(T0 + minute * 60_000);
    assert_eq!((series.begins(), findings.read_to), (at(0), at(7)));
}

#[test]
fn a_wrong_delimiter() {
    let piped = table(3, &[]).replace(',', "|");
    let error = read(&piped, BadRows::Skip).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{NAME}: line 1 has one column only, `1609459200000|100.00|"))
            && error.ends_with("`: wrong delimiter; expected columns separated by comma, semicolon or tab"),
        "{error}"
    );
    // Semicolons and tabs are understood.
    for delimiter in [";", "\t"] {
        assert_eq!(read(&table(3, &[]).replace(',', delimiter), BadRows::Refuse).unwrap().0.len(), 3);
    }
}

#[test]
fn empty_files() {
    for (name, text, told) in [
        (NAME, "", "is empty; expected rows of candles, trades or quotes"),
        (NAME, "\n\n  \n", "is empty; expected rows of candles, trades or quotes"),
        (NAME, "time,open,high,low,close,volume\n", "is empty; expected at least one row after the header"),
        ("binance_spot_BTCUSDT_1m.parquet", "", "is empty; expected a Parquet file"),
    ] {
        assert_eq!(
            discover(&[memory(name, text)], &Options::default()).unwrap_err().to_string(),
            format!("{name} {told}")
        );
    }
    let folder = Folder::new();
    let error = discover(&[Input::from(folder.0.as_path())], &Options::default()).unwrap_err().to_string();
    assert!(error.ends_with("has no .parquet, .feather, .csv, .csv.gz, .json, .json.gz or .zip file"), "{error}");
    let error = discover(&[Input::Path(folder.0.join("none.csv"))], &Options::default()).unwrap_err().to_string();
    assert!(error.contains("none.csv: No such file"), "{error}");
    assert_eq!(discover(&[], &Options::default()).unwrap_err().to_string(), "no data: no data file was given");
}

#[test]
fn truncated_parquet() {
    let whole = minutes_parquet(20_000, None);
    let name = "binance_spot_BTCUSDT_1m.parquet";
    for length in [4, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        let error = discover(&[memory(name, &whole[..length])], &Options::default()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{name}: it is damaged or cut off: "))
                && error.ends_with("; expected a whole Parquet file"),
            "{length}: {error}"
        );
    }
    // Zeros in the middle of the data, footer in place: what was given before the error is not to be used, and the error says so.
    let mut holed = whole.clone();
    holed[200..whole.len() / 3].fill(0);
    let outcome = only(&[memory(name, holed)], &Options::default()).and_then(|s| candles(&s));
    let error = outcome.unwrap_err().to_string();
    assert!(error.starts_with(name), "{error}");
    let error = discover(&[memory(name, "not parquet")], &Options::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{name}: it does not begin as a Parquet file does; expected the four bytes PAR1 at its begin and end")
    );
}

#[test]
fn a_column_that_is_not_there() {
    let text = "time,open,high,low,price\n2021-01-01,1,1,1,1\n";
    let error = read(text, BadRows::Skip).unwrap_err().to_string();
    assert_eq!(error, format!("{NAME} has no column close; it has time, open, high, low, price"));
    let bytes = parquet(&[Column::Longs("ts_ms", vec![T0]), Column::Doubles("open", vec![1.0])]);
    let error =
        discover(&[memory("binance_spot_BTCUSDT_1m.parquet", bytes)], &Options::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "binance_spot_BTCUSDT_1m.parquet has no column open, high, low, close, volume (or price, quantity, side; or bid, bid_quantity, ask, ask_quantity); it has ts_ms, open"
    );
    let bytes = parquet(&[
        Column::Longs("ts_ms", vec![T0]),
        Column::Texts("open", vec!["1"]),
        Column::Doubles("high", vec![1.0]),
        Column::Doubles("low", vec![1.0]),
        Column::Doubles("close", vec![1.0]),
        Column::Doubles("volume", vec![1.0]),
    ]);
    let error = candles(&only(&[memory("binance_spot_BTCUSDT_1m.parquet", bytes)], &Options::default()).unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("its column open is of another type; expected numbers"), "{error}");
}

#[test]
fn a_symbol_without_instrument_data() {
    let input = memory("XYZUSDT-1m-2021-01.csv", table(3, &[]));
    let error = discover(std::slice::from_ref(&input), &Options::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("no instrument data for XYZUSDT on binance_spot; known there: ADAUSDT, ")
            && error.ends_with("say --instrument generic:PRICEDEC,QTYDEC"),
        "{error}"
    );
    let options =
        Options { instrument: Some(store::history::Decimals { price: 2, quantity: 3 }), ..Options::default() };
    assert_eq!(candles(&only(&[input], &options).unwrap()).unwrap().0.len(), 3);
}

#[test]
fn files_that_nothing_describes() {
    let text = "time,open,high,low,close,volume\n2021-01-01,1,1,1,1,1\n2021-01-02,1,1,1,1,1\n";
    let refused = |options: &Options| discover(&[memory("prices.csv", text)], options).unwrap_err().to_string();
    let mut options = Options::default();
    assert!(refused(&options).starts_with("prices.csv: its venue is not known: name it as "), "{}", refused(&options));
    options.venue = Some("binance_spot".into());
    assert!(
        refused(&options).starts_with("prices.csv: its interval is not known: say --interval 1m"),
        "{}",
        refused(&options)
    );
    options.interval_s = Some(86_400);
    assert!(
        refused(&options).starts_with("prices.csv: its symbol is not known: say --symbol BTCUSDT"),
        "{}",
        refused(&options)
    );
    options.symbols = store::history::Symbols::parse("BTCUSDT");
    assert_eq!(candles(&only(&[memory("prices.csv", text)], &options).unwrap()).unwrap().0.len(), 2);
    let untimed = "open,high,low,close,volume\n1,1,1,1,1\n2,2,2,2,1\n";
    let error = discover(&[memory("prices.csv", untimed)], &options).unwrap_err().to_string();
    assert!(
        error
            .starts_with("prices.csv: its time of the first row is not known: it has no column of times: say --start "),
        "{error}"
    );
    options.start = domain::UnixNanos::from_millis(T0);
    let (kept, _) = candles(&only(&[memory("prices.csv", untimed)], &options).unwrap()).unwrap();
    assert_eq!(minutes(&kept), [0, 24 * 60]);
}

#[test]
fn files_that_overlap() {
    let options = Options::default();
    let first = memory("BTCUSDT-1m-2021-01-01.csv", table(10, &[]));
    let second = memory("BTCUSDT-1m-2021-01-02.csv", (9..20).map(|n| line(n) + "\n").collect::<String>());
    let series = only(&[second, first], &options).unwrap();
    assert_eq!(
        candles(&series).unwrap_err().to_string(),
        "BTCUSDT-1m-2021-01-02.csv begins at 2021-01-01T00:09:00Z, before BTCUSDT-1m-2021-01-01.csv ends (2021-01-01T00:09:00Z): the files of one series must not overlap"
    );
}

#[test]
fn bad_trades_and_quotes() {
    let text = "ts_ns,price,quantity,side\n1000,1,1,buy\n1001,0,1,buy\n1002,1,-2,sell\n1003,1,1,up\n1001,1,1,sell\n1003,1.5,1,sell\n1003,1,1,buy\n";
    let options = Options {
        symbols: store::history::Symbols::parse("BTCUSDT"),
        venue: Some("binance_spot".into()),
        ..Options::default()
    };
    let (kept, findings) = trades(&only(&[memory("t.csv", text)], &options).unwrap()).unwrap();
    assert_eq!(
        kept.iter().map(|t| (t.ts_event.0, t.price)).collect::<Vec<_>>(),
        [(1000, 100), (1001, 100), (1003, 150), (1003, 100)]
    );
    let told: Vec<String> = findings.listed.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "t.csv, line 3, column price: 0; expected a number above 0",
            "t.csv, line 4, column quantity: -2; expected a number above 0",
            "t.csv, line 5, column side: up; expected buy or sell (true or false where it says whether the buyer was the maker)",
        ]
    );
    let text = "ts_ns,bid,bid_quantity,ask,ask_quantity\n1000,1,1,2,1\n1001,3,1,2,1\n1002,1,-1,2,1\n1003,0,1,2,1\n999,1,1,2,1\n1004,2,0,2,1\n1005,2,1,3,1\n1006,2,1,3,1\n";
    let (kept, findings) = quotes(&only(&[memory("q.csv", text)], &options).unwrap()).unwrap();
    assert_eq!(
        kept.iter().map(|q| (q.ts_event.0, q.bid)).collect::<Vec<_>>(),
        [(1000, 100), (1004, 200), (1005, 200), (1006, 200)]
    );
    let told: Vec<String> = findings.listed.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "q.csv, line 3, column bid: 3; expected at most the ask, 2",
            "q.csv, line 4, column bid_quantity: -1; expected 0 or more",
            "q.csv, line 5, column bid: 0; expected a number above 0",
            "q.csv, line 6, column time: 1970-01-01T00:00:00.000000999Z; expected a time not before that of the row before, 1970-01-01T00:00:00.000001Z",
        ]
    );
}
