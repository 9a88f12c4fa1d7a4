//! Each form of file that is read, and what its name and columns mean.

use crate::support::{
    Column, Folder, T0, candles, line, memory, minutes, minutes_parquet, only, parquet, parquet_with, quotes, rows,
    table, trades,
};
use domain::{InstrumentIdx, Side, UnixNanos};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::file::properties::{WriterProperties, WriterVersion};
use std::io::Write;
use store::history::{Decimals, Input, Options, SourceCursor, Symbols, discover};
use zip::write::SimpleFileOptions;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn archive_candles_plain_gzipped_and_zipped_are_the_same() {
    let text = table(20_000, &[]);
    let archive =
        |name: &str, bytes: Vec<u8>| candles(&only(&[memory(name, bytes)], &Options::default()).unwrap()).unwrap();
    let plain = archive("BTCUSDT-1m-2021-01.csv", text.clone().into_bytes());
    assert_eq!(plain.0.len(), 20_000);
    let first = plain.0[0];
    assert_eq!(
        (first.open, first.high, first.low, first.close, first.volume),
        (10_000, 10_100, 9_900, 10_050, 1_500_000)
    );
    assert_eq!(
        (first.ts_open.as_millis(), first.ts_recv.as_millis(), first.ts_close().as_millis()),
        (T0, T0 + 60_000, T0 + 60_000)
    );
    assert_eq!((first.interval_s, first.instrument), (60, InstrumentIdx(3)));
    assert_eq!(archive("BTCUSDT-1m-2021-01.csv.gz", gzip(&text)), plain);
    assert_eq!(archive("BTCUSDT-1m-2021-01.zip", zip(&[("BTCUSDT-1m-2021-01.csv", &text)])), plain);
    // From a file as from memory.
    let folder = Folder::new();
    folder.write("BTCUSDT-1m-2021-01.zip", zip(&[("BTCUSDT-1m-2021-01.csv", &text)]));
    assert_eq!(candles(&only(&[Input::from(folder.0.as_path())], &Options::default()).unwrap()).unwrap(), plain);
}

#[test]
fn damaged_archives_are_refused() {
    let text = table(20_000, &[]);
    let read = |name: &str, bytes: Vec<u8>| {
        only(&[memory(name, bytes)], &Options::default()).and_then(|s| candles(&s)).unwrap_err().to_string()
    };
    let packed = gzip(&text);
    let error = read("BTCUSDT-1m-2021-01.csv.gz", packed[..packed.len() / 2].to_vec());
    assert!(error.contains("it cannot be read after line"), "{error}");
    let packed = zip(&[("a.csv", &text)]);
    let error = read("BTCUSDT-1m-2021-01.zip", packed[..packed.len() / 2].to_vec());
    assert!(error.contains("damaged or cut off") && error.ends_with("expected a whole zip file"), "{error}");
    // Stored text with one byte changed: only the checksum can know.
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file("a.csv", SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored))
        .unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    let at = bytes.windows(5).position(|w| w == b"100.5").unwrap();
    bytes[at + 4] = b'6';
    let error = read("BTCUSDT-1m-2021-01.zip", bytes);
    assert!(error.contains("its checksum is wrong"), "{error}");
    let error = read("BTCUSDT-1m-2021-01.zip", zip(&[("a.csv", &text), ("b.csv", &text)]));
    assert!(error.contains("it holds several files; expected one table in it"), "{error}");
}

#[test]
fn microsecond_stamps_and_headers_of_the_archive() {
    let micros: String = (0..3).map(|n| line(n).replacen("000,100", "000000,100", 1) + "\n").collect();
    let (kept, _) = candles(&only(&[memory("BTCUSDT-1m-2025-01.csv", micros)], &Options::default()).unwrap()).unwrap();
    assert_eq!(minutes(&kept), [0, 1, 2]);
    let header = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n";
    let name = "data/futures/um/monthly/klines/BTCUSDT-1m-2021-01.csv";
    let series = only(&[memory(name, header.to_owned() + &table(3, &[]))], &Options::default()).unwrap();
    assert_eq!(series.title(), "binance_usdm BTCUSDT 1m");
    assert_eq!(minutes(&candles(&series).unwrap().0), [0, 1, 2]);
}

#[test]
fn tables_with_headers() {
    let options = Options {
        symbols: Symbols::parse("BTCUSDT"),
        venue: Some("binance_spot".into()),
        interval_s: Some(86_400),
        ..Options::default()
    };
    for text in [
        "Date,Open,High,Low,Close,Volume\n2021-01-01,1,3,0.5,2,10\n2021-01-02,2,4,1.5,3,20.5\n",
        "\u{feff}time;volume;close;low;high;open\n1609459200;10;2;0.5;3;1\n1609545600;20.5;3;1.5;4;2\n",
        "Timestamp\tOPEN\tHIGH\tLOW\tCLOSE\tVOLUME\tx\n\"2021-01-01 00:00:00\"\t1\t3\t0.5\t2\t10\ta\n2021-01-02T00:00:00Z\t2\t4\t1.5\t3\t2.05e1\tb\r\n\r\n",
    ] {
        let (kept, findings) = candles(&only(&[memory("x.csv", text)], &options).unwrap()).unwrap();
        let figures: Vec<_> =
            kept.iter().map(|c| (c.ts_open.as_millis() - T0, c.open, c.high, c.low, c.close, c.volume)).collect();
        assert_eq!(
            figures,
            [(0, 100, 300, 50, 200, 10_000_000), (86_400_000, 200, 400, 150, 300, 20_500_000)],
            "{text}"
        );
        assert_eq!(findings.bad, 0);
    }
}

#[test]
fn archive_trades_and_aggregated_trades() {
    let options = Options::default();
    let text = "10,100.5,0.25,25.1,1609459200123,True,True\n11,100.51,0.5,50.2,1609459200123,False,True\n";
    let (kept, _) =
        trades(&only(&[memory("BTCUSDT-trades-2021-01-01.zip", zip(&[("x.csv", text)]))], &options).unwrap()).unwrap();
    let figures: Vec<_> = kept.iter().map(|t| (t.trade_id, t.price, t.quantity, t.ts_event.0, t.aggressor)).collect();
    let ts = 1_609_459_200_123_000_000;
    assert_eq!(figures, [(10, 10_050, 250_000, ts, Side::Sell), (11, 10_051, 500_000, ts, Side::Buy)]);
    let text = "7,100.5,0.25,10,11,1609459200123,true,true\n8,100.51,0.5,12,12,1609459200124,false,true\n";
    let (kept, _) = trades(&only(&[memory("BTCUSDT-aggTrades-2021-01-01.csv", text)], &options).unwrap()).unwrap();
    let figures: Vec<_> = kept.iter().map(|t| (t.trade_id, t.price, t.quantity, t.ts_event.0, t.aggressor)).collect();
    assert_eq!(figures, [(7, 10_050, 250_000, ts, Side::Sell), (8, 10_051, 500_000, ts + 1_000_000, Side::Buy)]);
    let text = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n7,100.5,0.25,10,11,1609459200123,true\n";
    let (kept, _) = trades(
        &only(&[memory("data/futures/um/daily/aggTrades/BTCUSDT-aggTrades-2021-01-01.csv", text)], &options).unwrap(),
    )
    .unwrap();
    assert_eq!((kept[0].trade_id, kept[0].quantity, kept[0].aggressor), (7, 250, Side::Sell));
}

#[test]
fn parquet_trades_and_quotes() {
    let ts = vec![1_000, 1_000, 2_000];
    let bytes = parquet(&[
        Column::Longs("ts_ns", ts.clone()),
        Column::Doubles("price", vec![100.5, 100.51, 100.52]),
        Column::Doubles("quantity", vec![0.25, 0.5, 1e-6]),
        Column::Texts("side", vec!["buy", "SELL", "b"]),
    ]);
    let (kept, _) =
        trades(&only(&[memory("binance_spot_BTCUSDT_trades.parquet", bytes)], &Options::default()).unwrap()).unwrap();
    let figures: Vec<_> = kept.iter().map(|t| (t.ts_event.0, t.price, t.quantity, t.aggressor)).collect();
    assert_eq!(
        figures,
        [(1_000, 10_050, 250_000, Side::Buy), (1_000, 10_051, 500_000, Side::Sell), (2_000, 10_052, 1, Side::Buy)]
    );
    let numbered = parquet(&[
        Column::Longs("ts_ns", ts.clone()),
        Column::Doubles("price", vec![100.5; 3]),
        Column::Longs("quantity", vec![1, 2, 3]),
        Column::Longs("side", vec![1, -1, 0]),
    ]);
    let (kept, findings) =
        trades(&only(&[memory("binance_spot_BTCUSDT_trades.parquet", numbered)], &Options::default()).unwrap())
            .unwrap();
    assert_eq!(
        kept.iter().map(|t| (t.quantity, t.aggressor)).collect::<Vec<_>>(),
        [(1_000_000, Side::Buy), (2_000_000, Side::Sell)]
    );
    assert!(
        findings.listed[0]
            .to_string()
            .ends_with("line 3, column side: 0; expected buy or sell (1 or -1 where it is a number)")
    );
    let bytes = parquet(&[
        Column::Longs("ts_ns", ts),
        Column::Doubles("bid", vec![100.5; 3]),
        Column::Doubles("bid_quantity", vec![0.0, 1.0, 2.0]),
        Column::Doubles("ask", vec![100.5, 100.51, 100.52]),
        Column::Doubles("ask_quantity", vec![1.0; 3]),
    ]);
    let (kept, _) =
        quotes(&only(&[memory("binance_spot_BTCUSDT_quotes.parquet", bytes)], &Options::default()).unwrap()).unwrap();
    let figures: Vec<_> = kept.iter().map(|q| (q.ts_event.0, q.bid, q.bid_quantity, q.ask, q.ask_quantity)).collect();
    assert_eq!(figures[2], (2_000, 10_050, 2_000_000, 10_052, 1_000_000));
    assert_eq!(figures.len(), 3);
}

#[test]
fn parquet_times_in_other_units_and_no_times() {
    let file = |name: &'static str, times: Vec<i64>| {
        let mut columns = vec![
            Column::Doubles("Open", vec![100.0; 3]),
            Column::Doubles("High", vec![101.0; 3]),
            Column::Doubles("Low", vec![99.0; 3]),
            Column::Doubles("Close", vec![100.5; 3]),
            Column::Doubles("Volume", vec![1.5; 3]),
        ];
        if !times.is_empty() {
            columns.push(Column::Longs(name, times));
        }
        memory("binance_spot_BTCUSDT_1m.parquet", parquet(&columns))
    };
    let at = |scale: i64| (0..3).map(|n| (T0 / 1_000 + n * 60) * scale).collect::<Vec<_>>();
    for (name, scale) in
        [("ts_ns", 1_000_000_000), ("ts_us", 1_000_000), ("open_time", 1_000), ("timestamp", 1), ("Time", 1_000_000)]
    {
        let (kept, _) = candles(&only(&[file(name, at(scale))], &Options::default()).unwrap()).unwrap();
        assert_eq!(minutes(&kept), [0, 1, 2], "{name}");
    }
    let options = Options { start: UnixNanos::from_millis(T0), ..Options::default() };
    let (kept, _) = candles(&only(&[file("", Vec::new())], &options).unwrap()).unwrap();
    assert_eq!(minutes(&kept), [0, 1, 2]);
}

#[test]
fn several_symbols_in_one_file() {
    let days = |n: i64| (0..n).map(|k| T0 + k * 86_400_000);
    let columns = |symbols: Vec<&'static str>, ts: Vec<i64>| {
        let n = ts.len();
        parquet(&[
            Column::Longs("ts_ms", ts),
            Column::Texts("symbol", symbols),
            Column::Doubles("open", vec![100.0; n]),
            Column::Doubles("high", vec![101.0; n]),
            Column::Doubles("low", vec![99.0; n]),
            Column::Doubles("close", (0..n).map(|k| 100.0 + k as f64 / 10.0).collect()),
            Column::Doubles("volume", vec![1.5; n]),
        ])
    };
    let symbols = vec!["ADAUSDT", "ADAUSDT", "BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT"];
    let input = memory("binance_spot_1d_x.parquet", columns(symbols, days(2).chain(days(3)).chain(days(1)).collect()));
    let all = discover(std::slice::from_ref(&input), &Options::default()).unwrap();
    let titles: Vec<String> = all.iter().map(store::history::Series::title).collect();
    assert_eq!(titles, ["binance_spot ADAUSDT 1d", "binance_spot BTCUSDT 1d", "binance_spot ETHUSDT 1d"]);
    let closes: Vec<Vec<i64>> = all.iter().map(|s| candles(s).unwrap().0.iter().map(|c| c.close).collect()).collect();
    assert_eq!(closes, [vec![10_000_000, 10_010_000], vec![10_020, 10_030, 10_040], vec![10_050]]);
    let some = Options { symbols: Symbols::parse("ETHUSDT,BTCUSDT"), ..Options::default() };
    assert_eq!(discover(std::slice::from_ref(&input), &some).unwrap().len(), 2);
    let none = Options { symbols: Symbols::parse("XRPUSDT"), ..Options::default() };
    let error = discover(&[input], &none).unwrap_err().to_string();
    assert_eq!(
        error,
        "no data: the options leave out all that was found: binance_spot ADAUSDT 1d, binance_spot BTCUSDT 1d, binance_spot ETHUSDT 1d"
    );
    let mixed = memory("binance_spot_1d_x.parquet", columns(vec!["ADAUSDT", "BTCUSDT", "ADAUSDT"], days(3).collect()));
    let error = discover(&[mixed], &Options::default()).unwrap_err().to_string();
    assert!(
        error.contains("row 3: the rows of ADAUSDT are not together; expected rows sorted by symbol, then time"),
        "{error}"
    );
}

#[test]
fn several_files_of_one_symbol_in_time_order() {
    let folder = Folder::new();
    folder.write("BTCUSDT-1m-2021-01-02.csv", (10..20).map(|n| line(n) + "\n").collect::<String>());
    folder.write("BTCUSDT-1m-2021-01-03.csv.gz", gzip(&(25..30).map(|n| line(n) + "\n").collect::<String>()));
    folder.write("binance_spot_BTCUSDT_1m_first.parquet", minutes_parquet(10, None));
    folder.write("ETHUSDT-1m-2021-01-02.csv", table(4, &[]));
    folder.write("notes.txt", "not data");
    let all = discover(&[Input::from(folder.0.as_path())], &Options::default()).unwrap();
    assert_eq!(
        all.iter().map(|s| (s.symbol.as_str(), s.parts.len())).collect::<Vec<_>>(),
        [("BTCUSDT", 3), ("ETHUSDT", 1)]
    );
    let (kept, findings) = candles(&all[0]).unwrap();
    assert_eq!(minutes(&kept), (0..20).chain(25..30).collect::<Vec<_>>());
    assert_eq!((findings.gaps, findings.missing), (1, 5));
}

#[test]
fn a_range_of_time() {
    let at = |n: i64| UnixNanos::from_millis(T0 + n * 60_000);
    let input = memory("BTCUSDT-1m-2021-01.csv", table(20_000, &[(3, "broken")]));
    let options = Options { from: at(2), to: at(12_000), ..Options::default() };
    let (kept, findings) = candles(&only(std::slice::from_ref(&input), &options).unwrap()).unwrap();
    assert_eq!(minutes(&kept), (2..12_000).filter(|n| *n != 3).collect::<Vec<_>>());
    assert_eq!((findings.rows, findings.first, findings.last), (11_997, at(2), at(11_999)));
    let options = Options { from: at(30_000), ..Options::default() };
    assert_eq!(rows(&only(&[input], &options).unwrap()).unwrap().0.len(), 0);
}

#[test]
fn generic_instruments_round_and_count() {
    let text = "time,open,high,low,close,volume\n2021-01-01,1.125,3,0.5,2.0000001,10\n2021-01-02,2,4,1.5,3,20.5\n";
    let options = Options {
        instrument: Some(Decimals { price: 2, quantity: 0 }),
        interval_s: Some(86_400),
        ..Options::default()
    };
    let series = only(&[memory("my_prices.csv", text)], &options).unwrap();
    assert_eq!((series.venue.as_str(), series.symbol.as_str(), series.listing.generic), ("generic", "my_prices", true));
    let (kept, findings) = candles(&series).unwrap();
    assert_eq!((kept[0].open, kept[0].close, kept[1].volume), (112, 200, 20));
    assert_eq!((findings.rounded, findings.bad), (3, 0));
    // Doubles likewise.
    let file = minutes_parquet(3, Some((1, 100.123_456)));
    let options = Options { instrument: Some(Decimals { price: 2, quantity: 1 }), ..Options::default() };
    let (kept, findings) =
        candles(&only(&[memory("binance_spot_BTCUSDT_1m.parquet", file)], &options).unwrap()).unwrap();
    assert_eq!((kept[1].close, findings.rounded), (10_012, 1));
}

#[test]
fn a_cursor_walks_over_every_row() {
    let series =
        only(&[memory("BTCUSDT-1m-2021-01.csv", table(20_000, &[(9_000, "broken")]))], &Options::default()).unwrap();
    let (all, findings) = candles(&series).unwrap();
    let mut cursor = SourceCursor::open(&series, InstrumentIdx(3)).unwrap();
    let mut walked = Vec::new();
    while let Some(candle) = cursor.candle().copied() {
        assert_eq!(cursor.ts(), candle.ts_close());
        assert_eq!(cursor.peek().unwrap().ts(), candle.ts_close());
        walked.push(candle);
        cursor.advance().unwrap();
    }
    assert_eq!(walked, all);
    assert_eq!((cursor.ts(), cursor.findings()), (UnixNanos::MAX, &findings));
    cursor.advance().unwrap();
    assert!(cursor.peek().is_none());
    let mut cursor = SourceCursor::open(&series, InstrumentIdx(3)).unwrap();
    let mut counted = 0;
    while cursor.peek().is_some() {
        let (chunk, at) = cursor.chunk();
        counted += chunk.len() - at;
        cursor.skip_chunk().unwrap();
    }
    assert_eq!(counted, all.len());
}

/// Doubles are taken from plain pages where they lie and decoded from all others; a column may have both, one after the other.
#[test]
fn every_form_of_page_gives_the_same_rows() {
    let n = 30_000usize;
    let close = |k: usize| 100.0 + (k % 97) as f64 / 100.0;
    // Empty places begin in the middle of a page in the middle of a chunk.
    let empty = |k: usize| k >= 12_345 && k % 1_000 == 5;
    let columns = [
        Column::Longs("ts_ms", (0..n).map(|k| T0 + i64::try_from(k).unwrap() * 60_000).collect()),
        Column::Optional("open", (0..n).map(|_| Some(100.0)).collect()),
        Column::Doubles("high", vec![101.0; n]),
        Column::Doubles("low", vec![99.0; n]),
        Column::Optional("close", (0..n).map(|k| (!empty(k)).then(|| close(k))).collect()),
        Column::Doubles("volume", (0..n).map(|k| k as f64 / 8.0).collect()),
    ];
    let good: Vec<usize> = (0..n).filter(|k| !empty(*k)).collect();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for dictionary in [false, true] {
            for compression in
                [parquet::basic::Compression::UNCOMPRESSED, parquet::basic::Compression::ZSTD(Default::default())]
            {
                let properties = WriterProperties::builder()
                    .set_writer_version(version)
                    .set_dictionary_enabled(dictionary)
                    // Other encodings than plain are the second version's default.
                    .set_encoding(parquet::basic::Encoding::PLAIN)
                    .set_compression(compression)
                    .set_data_page_row_count_limit(1_000)
                    .set_write_batch_size(100)
                    .build();
                let file = memory("binance_spot_BTCUSDT_1m.parquet", parquet_with(&columns, properties));
                let (kept, findings) = candles(&only(&[file], &Options::default()).unwrap()).unwrap();
                let expected: Vec<i64> = good.iter().map(|k| 10_000 + i64::try_from(k % 97).unwrap()).collect();
                assert_eq!(kept.iter().map(|c| c.close).collect::<Vec<_>>(), expected, "{version:?} {dictionary}");
                let volumes: Vec<i64> = good.iter().map(|k| i64::try_from(*k).unwrap() * 125_000).collect();
                assert_eq!(kept.iter().map(|c| c.volume).collect::<Vec<_>>(), volumes, "{version:?} {dictionary}");
                assert_eq!((findings.bad, findings.listed[0].line), ((n - good.len()) as u64, 13_006));
            }
        }
    }
}
