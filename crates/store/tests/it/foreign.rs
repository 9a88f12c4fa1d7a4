//! Files of other programs: freqtrade's JSON and feather, tables with other names, other encodings. Written by us in their shapes.

use crate::support::{T0, candles, memory, minutes, only, trades};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use proptest::prelude::*;
use std::sync::Arc;
use store::history::{BadRows, ColumnMap, HistoryError, Input, Options, discover};

fn refusing() -> Options {
    Options { bad_rows: BadRows::Refuse, ..Options::default() }
}

fn venue() -> Options {
    Options { venue: Some("binance_spot".into()), ..refusing() }
}

/// A feather file as data frames write it: several batches.
fn feather(columns: Vec<(&str, ArrayRef)>, compression: Option<CompressionType>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    let half = batch.num_rows() / 2;
    for part in [batch.slice(0, half), batch.slice(half, batch.num_rows() - half)] {
        writer.write(&part).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// freqtrade's columns for `n` minutes.
fn frame(n: i64) -> Vec<(&'static str, ArrayRef)> {
    let len = usize::try_from(n).unwrap();
    let doubles = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value; len])) };
    let stamps: Vec<i64> = (0..n).map(|k| T0 + k * 60_000).collect();
    vec![
        ("date", Arc::new(TimestampMillisecondArray::from(stamps).with_timezone("UTC")) as ArrayRef),
        ("open", doubles(100.0)),
        ("high", doubles(101.0)),
        ("low", doubles(99.0)),
        ("close", doubles(100.5)),
        ("volume", doubles(1.5)),
    ]
}

#[test]
fn freqtrade_feather_in_every_packing() {
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let input = memory("data/binance/BTC_USDT-1m.feather", feather(frame(5_000), compression));
        let series = only(&[input], &refusing()).unwrap();
        assert_eq!(series.title(), "binance_spot BTCUSDT 1m");
        let (rows, findings) = candles(&series).unwrap();
        assert_eq!((minutes(&rows), findings.bad), ((0..5_000).collect::<Vec<_>>(), 0), "{compression:?}");
        let c = rows[4_999];
        assert_eq!([c.open, c.high, c.low, c.close, c.volume], [10_000, 10_100, 9_900, 10_050, 1_500_000]);
    }
}

#[test]
fn a_feather_file_of_another_schema_is_refused_with_both() {
    let mut columns = frame(3);
    columns[4].0 = "price";
    let error =
        only(&[memory("binance/BTC_USDT-1m.feather", feather(columns, None))], &refusing()).unwrap_err().to_string();
    assert!(error.contains("its columns are date (Timestamp(ms, \"UTC\")), open (Float64)"), "{error}");
    assert!(error.contains("expected date (timestamp), open, high, low, close, volume (double)"), "{error}");
    let mut columns = frame(3);
    columns[1].1 = Arc::new(StringArray::from(vec!["a"; 3]));
    let error =
        only(&[memory("binance/BTC_USDT-1m.feather", feather(columns, None))], &refusing()).unwrap_err().to_string();
    assert!(error.contains("open (Utf8)"), "{error}");
    let error =
        only(&[memory("binance/BTC_USDT-1m.feather", b"FEA1 and more".to_vec())], &refusing()).unwrap_err().to_string();
    assert!(error.contains("feather file of version 1"), "{error}");
    let error = only(&[memory("binance/BTC_USDT_USDT-8h-funding_rate.feather", feather(frame(3), None))], &refusing())
        .unwrap_err();
    assert!(error.to_string().contains("holds funding rate data"), "{error}");
}

#[test]
fn empty_places_and_numbers_in_a_feather_file_are_named() {
    let mut columns = frame(4);
    columns[4].1 = Arc::new(Float64Array::from(vec![Some(100.5), None, Some(f64::NAN), Some(100.5)]));
    columns[5].1 = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let input = memory("binance/BTC_USDT-1m.feather", feather(columns, None));
    let skipping = Options { bad_rows: BadRows::SkipAll, ..Options::default() };
    let (rows, findings) = candles(&only(&[input], &skipping).unwrap()).unwrap();
    assert_eq!((minutes(&rows), rows[1].volume), (vec![0, 3], 4_000_000));
    let told: Vec<String> = findings.listed.iter().map(|b| format!("{} {} {}", b.line, b.column, b.value)).collect();
    assert_eq!(told, ["2 close nothing", "3 close NaN"]);
}

#[test]
fn freqtrade_json_plain_and_packed() {
    use std::io::Write as _;
    let text = format!("[[{T0},100.0,101,99.0,100.5,1.5],\n [{},1.0e2,101.0,99,100.5,0]]", T0 + 60_000);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    for (name, bytes) in [
        ("kraken/BTC_USDT-1m.json", text.clone().into_bytes()),
        ("kraken/BTC_USDT-1m.json.gz", packed.finish().unwrap()),
    ] {
        let (rows, _) = candles(&only(&[memory(name, bytes)], &venue()).unwrap()).unwrap();
        assert_eq!(rows.iter().map(|c| (c.open, c.volume)).collect::<Vec<_>>(), [(10_000, 1_500_000), (10_000, 0)]);
    }
    for (text, said) in [
        (text.replace("1.5],", "null],"), "row 1, column volume: null"),
        (text.replace("]]", ""), "cut off"),
        (text.replace(",1.5]", "]"), "its lists have 5 values"),
        ("[]".to_owned(), "is empty"),
        ("{\"a\": 1}".to_owned(), ""),
    ] {
        let result = only(&[memory("kraken/BTC_USDT-1m.json", text.clone())], &venue()).and_then(|s| candles(&s));
        let error = result.unwrap_err().to_string().replace("line ", "row ");
        assert!(error.contains(said), "{error} should say {said}");
    }
}

#[test]
fn tables_with_other_names_are_read_by_map() {
    let map = |text: &str| Options {
        interval_s: Some(60),
        map: ColumnMap::parse(text).unwrap(),
        symbols: store::history::Symbols::Only(vec!["BTCUSDT".into()]),
        ..venue()
    };
    let rows = |stamp: &str, next: &str| {
        format!("Date;O;H;L;C;Vol\n{stamp};100;101;99;100.5;1.5\n{next};100;101;99;100.5;1.5\n")
    };
    let named = "time=Date,open=O,high=H,low=L,close=C,volume=Vol";
    for (stamp, next) in [
        ("2021-01-01", "2021-01-01 00:01"),
        ("2021-01-01 00:00:00", "2021-01-01 00:01:00"),
        ("2021-01-01T00:00:00Z", "2021-01-01T01:01:00+01:00"),
        ("1609459200", "1609459260"),
        ("1609459200000000000", "1609459260000000000"),
    ] {
        let (found, _) = candles(&only(&[memory("x.csv", rows(stamp, next))], &map(named)).unwrap()).unwrap();
        assert_eq!(minutes(&found), [0, 1], "{stamp}");
    }
    let error = only(&[memory("x.csv", rows("2021-01-01", "2021-01-02"))], &map("time=When")).unwrap_err();
    assert!(
        matches!(error, HistoryError::MissingColumn { .. })
            && error.to_string().contains("no column when; it has date, o, h"),
        "{error}"
    );
    // Without a header columns are numbered.
    let bare = format!("1,{T0},1.5,100,101,99,100.5\n");
    let by_number = map("time=2,volume=3,open=4,high=5,low=6,close=7");
    assert_eq!(candles(&only(&[memory("x.csv", bare)], &by_number).unwrap()).unwrap().0[0].high, 10_100);
    // A mark before the first line is no part of the first name.
    let marked = format!("\u{feff}{}", rows("2021-01-01", "2021-01-01 00:01"));
    assert_eq!(candles(&only(&[memory("x.csv", marked)], &map(named)).unwrap()).unwrap().0.len(), 2);
}

#[test]
fn other_encodings_are_named_and_refused() {
    let text = format!("time,open,high,low,close,volume\n{T0},1,2,1,1,1\n");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = only(&[memory("binance_spot_BTCUSDT_1m.csv", wide)], &refusing()).unwrap_err().to_string();
    assert!(error.contains("encoded as UTF-16LE; expected UTF-8"), "{error}");
    let mut latin = text.into_bytes();
    latin.splice(0..4, *b"z\xe9it");
    let error = only(&[memory("binance_spot_BTCUSDT_1m.csv", latin)], &refusing()).unwrap_err().to_string();
    assert!(error.contains("line 1 is not UTF-8: byte 2 is 0xE9, as in Latin-1"), "{error}");
}

#[test]
fn trades_of_other_tables() {
    let text = format!("time,price,amount,side\n{T0},100.5,0.1,buy\n{T0},100.5,0.1,sell\n");
    let (rows, _) = trades(&only(&[memory("binance_spot_BTCUSDT_trades.csv", text)], &refusing()).unwrap()).unwrap();
    assert_eq!(rows.len(), 2);
}

/// Reads all there is; whether it was an error does not matter here.
fn swallow(name: &str, bytes: Vec<u8>) {
    let options = Options { interval_s: Some(60), ..venue() };
    if let Ok(all) = discover(&[memory(name, bytes)], &options) {
        all.iter().for_each(|series| drop(crate::support::rows(series)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_feather_files_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        near_end in proptest::collection::vec((0usize..900, any::<u8>()), 0..3),
        keep in proptest::option::weighted(0.1, any::<prop::sample::Index>()),
        packing in 0usize..3,
    ) {
        let compression = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)][packing];
        let mut bytes = feather(frame(300), compression);
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        for (back, value) in &near_end {
            let at = bytes.len().saturating_sub(back + 1);
            bytes[at] = *value;
        }
        if let Some(keep) = keep {
            bytes.truncate(keep.index(bytes.len()));
        }
        swallow("binance/BTC_USDT-1m.feather", bytes);
    }

    #[test]
    fn random_json_never_panics(text in "[\\[\\],0-9.e \"n{}:-]{0,200}", tail in proptest::collection::vec(any::<u8>(), 0..20)) {
        let mut bytes = b"[[".to_vec();
        bytes.extend(text.into_bytes());
        bytes.extend(tail);
        swallow("binance/BTC_USDT-1m.json", bytes);
    }
}

/// An input that the tests above do not name by accident.
#[test]
fn an_unknown_exchange_has_to_be_named() {
    let input: Input = memory("data/kraken/BTC_USDT-1m.feather", feather(frame(3), None));
    let error = only(&[input], &refusing()).unwrap_err().to_string();
    assert!(error.contains("its venue is not known") && error.contains("--venue"), "{error}");
}
