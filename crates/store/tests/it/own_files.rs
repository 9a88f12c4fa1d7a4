//! bot4's own files: what is written is what is read, and a file is there whole or not at all.

use crate::support::{Folder, T0, candles, memory, only, quotes, table, trades};
use domain::{Candle, InstrumentIdx, MarketFlags, Quote, Side, Trade, UnixNanos};
use proptest::prelude::*;
use store::history::{
    Decimals, HistoryError, Input, Listing, Options, import, write_candles, write_quotes, write_trades,
};

fn listing(symbol: &str) -> Listing {
    Listing::find("binance_spot", symbol, None).unwrap()
}

fn candle(minute: u64, low: i64, up: [i64; 3], volume: i64) -> Candle {
    let high = low.saturating_add(up[0]).saturating_add(up[1]).saturating_add(up[2]);
    let ts = u64::try_from(T0).unwrap() * 1_000_000 + minute * 60_000_000_000;
    Candle {
        ts_open: UnixNanos(ts),
        ts_recv: UnixNanos(ts + 60_000_000_000),
        open: low.saturating_add(up[0]),
        high,
        low,
        close: high.saturating_sub(up[1]),
        volume,
        interval_s: 60,
        instrument: InstrumentIdx(3),
        flags: MarketFlags(0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn candles_come_back_as_they_were(
        raw in proptest::collection::vec((1u64..5, 1i64..1_000_000_000_000, [0i64..10_000, 0i64..10_000, 0i64..10_000], prop_oneof![Just(0i64), any::<i64>().prop_map(|v| v & i64::MAX)]), 1..400)
    ) {
        let mut minute = 0;
        let rows: Vec<Candle> = raw.into_iter().map(|(step, low, up, volume)| {
            minute += step;
            candle(minute, low, up, volume)
        }).collect();
        let folder = Folder::new();
        let path = folder.0.join("x.parquet");
        let written = write_candles(&path, &listing("BTCUSDT"), 60, rows.iter().copied().map(Ok)).unwrap();
        prop_assert_eq!(written.rows, rows.len() as u64);
        prop_assert_eq!(written.bytes, std::fs::metadata(&path).unwrap().len());
        let series = only(&[Input::from(path.as_path())], &Options::default()).unwrap();
        prop_assert_eq!(series.title(), "binance_spot BTCUSDT 1m");
        prop_assert_eq!(candles(&series).map(|(rows, _)| rows), Ok(rows));
    }

    #[test]
    fn trades_come_back_as_they_were(raw in proptest::collection::vec((0u64..5, 1i64..i64::MAX, 1i64..i64::MAX, any::<bool>(), 0u64..u64::MAX / 2), 1..400)) {
        let mut ts = 0;
        let rows: Vec<Trade> = raw.into_iter().map(|(step, price, quantity, buys, id)| {
            ts += step + u64::from(ts == 0);
            Trade {
                ts_event: UnixNanos(ts),
                ts_recv: UnixNanos(ts),
                price,
                quantity,
                trade_id: id,
                instrument: InstrumentIdx(3),
                flags: MarketFlags(0),
                aggressor: if buys { Side::Buy } else { Side::Sell },
            }
        }).collect();
        let folder = Folder::new();
        let path = folder.0.join("x.parquet");
        write_trades(&path, &listing("ETHUSDT"), rows.iter().copied().map(Ok)).unwrap();
        let series = only(&[Input::from(path.as_path())], &Options::default()).unwrap();
        prop_assert_eq!(trades(&series).map(|(rows, _)| rows), Ok(rows));
    }

    #[test]
    fn quotes_come_back_as_they_were(raw in proptest::collection::vec((0u64..5, 1i64..1 << 60, 0i64..1 << 60, 0i64..i64::MAX, 0i64..i64::MAX), 1..400)) {
        let mut ts = 0;
        let rows: Vec<Quote> = raw.into_iter().map(|(step, bid, spread, bid_quantity, ask_quantity)| {
            ts += step + u64::from(ts == 0);
            Quote { ts_event: UnixNanos(ts), ts_recv: UnixNanos(ts), bid, bid_quantity, ask: bid + spread, ask_quantity, instrument: InstrumentIdx(3), flags: MarketFlags(0) }
        }).collect();
        let folder = Folder::new();
        let path = folder.0.join("x.parquet");
        write_quotes(&path, &listing("SUIUSDT"), rows.iter().copied().map(Ok)).unwrap();
        let series = only(&[Input::from(path.as_path())], &Options::default()).unwrap();
        prop_assert_eq!(quotes(&series).map(|(rows, _)| rows), Ok(rows));
    }
}

#[test]
fn text_imported_has_the_same_mantissas() {
    let folder = Folder::new();
    // More than one row group, with a gap and a bad line.
    let input = memory("BTCUSDT-1m-2021-01.csv", table(140_000, &[(70_000, "broken")]));
    let made = import(std::slice::from_ref(&input), &Options::default(), &folder.0.join("new")).unwrap();
    assert_eq!((made.len(), made[0].findings.bad, made[0].written.rows), (1, 1, 139_999));
    assert!(made[0].written.path.ends_with("new/binance_spot_BTCUSDT_1m.parquet"));
    let before = candles(&only(&[input], &Options::default()).unwrap()).unwrap().0;
    let after = candles(&only(&[Input::from(made[0].written.path.as_path())], &Options::default()).unwrap()).unwrap();
    assert_eq!(after.0, before);
    assert_eq!((after.1.bad, after.1.gaps), (0, 1));
}

#[test]
fn a_generic_file_brings_its_decimals_along() {
    let folder = Folder::new();
    let text = "time,open,high,low,close,volume\n2021-01-01,1.00000000001,3,0.5,2,10\n2021-01-02,2,4,1.5,3,20.5\n";
    let options = Options {
        instrument: Some(Decimals { price: 11, quantity: 8 }),
        interval_s: Some(86_400),
        ..Options::default()
    };
    let made = import(&[memory("thing.csv", text)], &options, &folder.0).unwrap();
    let series = only(&[Input::from(made[0].written.path.as_path())], &Options::default()).unwrap();
    assert_eq!(
        (series.title().as_str(), series.listing.price_decimals, series.listing.quantity_decimals),
        ("generic thing 1d", 11, 8)
    );
    let (rows, findings) = candles(&series).unwrap();
    assert_eq!((rows[0].open, rows[1].volume, findings.rounded), (100_000_000_001, 2_050_000_000, 0));
    // With fewer decimals asked for, digits are rounded and counted.
    let options = Options { instrument: Some(Decimals { price: 2, quantity: 8 }), ..Options::default() };
    let (rows, findings) = candles(&only(&[Input::from(made[0].written.path.as_path())], &options).unwrap()).unwrap();
    assert_eq!((rows[0].open, rows[0].high, findings.rounded), (100, 300, 1));
}

#[test]
fn nothing_is_left_of_a_file_that_could_not_be_finished() {
    let folder = Folder::new();
    let path = folder.write("x.parquet", "what was there before");
    let failing = (0..5).map(|n| {
        if n < 4 { Ok(candle(n, 100, [1, 1, 1], 1)) } else { Err(HistoryError::Nothing("the source failed".into())) }
    });
    assert_eq!(
        write_candles(&path, &listing("BTCUSDT"), 60, failing).unwrap_err().to_string(),
        "no data: the source failed"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there before");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "no unfinished file");
    let error =
        write_candles(&folder.0.join("none/x.parquet"), &listing("BTCUSDT"), 60, std::iter::empty()).unwrap_err();
    assert!(matches!(error, HistoryError::Io { .. }), "{error}");
}

#[test]
fn metadata_that_is_not_understood_is_refused() {
    let folder = Folder::new();
    let path = folder.0.join("x.parquet");
    write_candles(&path, &listing("BTCUSDT"), 60, (0..3).map(|n| Ok(candle(n, 100, [1, 1, 1], 1)))).unwrap();
    let good = std::fs::read(&path).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let mut bytes = good.clone();
        let at = bytes.windows(from.len()).rposition(|w| w == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        only(&[memory("x.parquet", bytes)], &Options::default()).unwrap_err().to_string()
    };
    let error = replaced(b"bot4.version\x18\x012", b"bot4.version\x18\x013");
    assert_eq!(error, "x.parquet: its metadata has version 3; expected version 1 or 2");
    let error = replaced(b"bot4.kind\x18\x07candles", b"bot4.kind\x18\x07cannles");
    assert!(error.starts_with("x.parquet: its bot4 metadata is not complete; expected venue"), "{error}");
}
