//! Catalogues: each record once, whatever the order and however often files come; whole files after any interruption.

use crate::support::{
    Column, Folder, T0, candles, line, memory, minutes, only, parquet, reference, rows, table, trades,
};
use domain::{MarketFlags, UnixNanos};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use store::catalogue::{Catalogue, Failed, Report};
use store::history::{
    BadRows, ColumnMap, DataKind, Decimals, Input, Options, Series, Symbols, discover, write_candles,
};

const NAME: &str = "BTCUSDT-1m-2021-01.csv";

fn refusing() -> Options {
    Options { bad_rows: BadRows::Refuse, ..Options::default() }
}

fn import(root: &Path, inputs: &[Input], options: &Options, replace: bool) -> Result<Report, Failed> {
    Catalogue::at(root).import(inputs, options, replace, &AtomicBool::new(false), &mut |_| {})
}

fn csv(text: String) -> Input {
    memory(NAME, text)
}

/// Lines of minutes.
fn lines(all: impl IntoIterator<Item = i64>) -> String {
    all.into_iter().map(|n| line(n) + "\n").collect()
}

fn series(root: &Path) -> Series {
    only(&[Input::from(root)], &Options::default()).unwrap()
}

fn counts(report: &Report) -> [u64; 5] {
    [report.rows, report.added, report.duplicates, report.conflicts, report.replaced]
}

/// All files below a folder, with their contents.
fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push((path.clone(), std::fs::read(&path).unwrap())) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_file_is_taken_once_and_lies_where_it_belongs() {
    let folder = Folder::new();
    // From the last hours of January to the first of February.
    let begin = 31 * 1_440 - 120;
    let text = lines(begin..begin + 300);
    let report = import(&folder.0, &[csv(text.clone())], &refusing(), false).unwrap();
    assert_eq!((counts(&report), report.files, report.written), ([300, 300, 0, 0, 0], 1, 2));
    for period in ["2021-01", "2021-02"] {
        assert!(folder.0.join(format!("binance_spot/BTCUSDT/1m/{period}.parquet")).is_file());
    }
    let before = files(&folder.0);
    let report = import(&folder.0, &[csv(text)], &refusing(), false).unwrap();
    assert_eq!((counts(&report), report.written), ([300, 0, 300, 0, 0], 0));
    assert_eq!(files(&folder.0), before, "nothing was touched");
    let found = series(&folder.0);
    assert_eq!((found.title().as_str(), found.rows(), found.parts.len()), ("binance_spot BTCUSDT 1m", Some(300), 2));
    let (rows, findings) = candles(&found).unwrap();
    assert_eq!((minutes(&rows), findings.gaps), ((begin..begin + 300).collect(), 0));
    assert!(rows.iter().all(|c| c.flags == MarketFlags(0)));
}

#[test]
fn unsorted_overlapping_and_repeated_rows_give_one_of_each() {
    let folder = Folder::new();
    let inputs = [csv(lines([5, 1, 3, 3, 2])), csv(lines([2, 3, 4])), csv(lines((0..5).rev()))];
    let report = import(&folder.0, &inputs, &refusing(), false).unwrap();
    assert_eq!(counts(&report), [13, 6, 7, 0, 0]);
    assert_eq!(minutes(&candles(&series(&folder.0)).unwrap().0), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_contradicts_is_counted_named_and_refused_unless_it_shall_replace() {
    let folder = Folder::new();
    import(&folder.0, &[csv(lines(0..5))], &refusing(), false).unwrap();
    let other = |close: &str| csv(table(5, &[(2, &line(2).replace("100.50", close))]));
    let report = import(&folder.0, &[other("100.60")], &refusing(), false).unwrap();
    assert_eq!(counts(&report), [5, 0, 4, 1, 0]);
    let conflict = &report.conflict_list[0];
    assert_eq!((conflict.file.as_str(), conflict.ts), (NAME, UnixNanos((T0 as u64 + 120_000) * 1_000_000)));
    assert!(conflict.held.contains("100.5 ") && conflict.new.contains("100.6 "), "{conflict:?}");
    let close = || candles(&series(&folder.0)).unwrap().0[2].close;
    assert_eq!(close(), 10_050);
    let report = import(&folder.0, &[other("100.60")], &refusing(), true).unwrap();
    assert_eq!((counts(&report), close()), ([5, 0, 4, 0, 1], 10_060));
    // Within one import the later file holds.
    let report = import(&folder.0, &[other("100.70"), other("100.80")], &refusing(), true).unwrap();
    assert_eq!((report.replaced, close()), (2, 10_080));
}

#[test]
fn a_bad_row_refuses_its_file_and_keeps_those_before_it() {
    let folder = Folder::new();
    let bad = csv(table(10, &[(7, "1,2,3"), (8, &line(8).replace("101.00", "1.00"))]).replace("\n", "\r\n"));
    let failed =
        import(&folder.0, &[csv(lines(20..25)), bad.clone(), csv(lines(30..35))], &refusing(), false).unwrap_err();
    let text = failed.error.to_string();
    assert!(text.contains(&format!("{NAME}, line 8, column all: 3 columns; expected 12 columns")), "{text}");
    assert_eq!((failed.report.files, failed.report.added), (1, 5));
    assert_eq!(minutes(&candles(&series(&folder.0)).unwrap().0), [20, 21, 22, 23, 24]);
    let skipping = Options { bad_rows: BadRows::SkipAll, ..Options::default() };
    let report = import(&folder.0, &[bad], &skipping, false).unwrap();
    assert_eq!((report.rows, report.bad, report.bad_kinds.unreadable, report.bad_kinds.contradictions), (8, 2, 1, 1));
    assert_eq!(report.bad_list.len(), 2);
    // However many are bad, the good ones are taken.
    let many = csv((0..300).map(|n| if n % 2 == 0 { line(100 + n) + "\n" } else { "x,1\n".into() }).collect());
    let report = import(&folder.0, &[many], &skipping, false).unwrap();
    assert_eq!((report.added, report.bad), (150, 150));
}

#[test]
fn an_import_that_was_stopped_goes_on_without_gaps_or_duplicates() {
    let whole = Folder::new();
    let inputs: Vec<Input> = (0..6).map(|n| csv(lines(n * 3_000..(n + 1) * 3_000))).collect();
    import(&whole.0, &inputs, &refusing(), false).unwrap();
    let parquet_files = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let all = files(root).into_iter().filter(|(p, _)| p.extension().is_some_and(|e| e == "parquet"));
        all.map(|(p, bytes)| (p.strip_prefix(root).unwrap().to_owned(), bytes)).collect()
    };
    let expected = parquet_files(&whole.0);
    for after in [0, 1, 4, 8, 11] {
        let folder = Folder::new();
        let (stop, mut steps) = (AtomicBool::new(false), 0);
        let report = Catalogue::at(&folder.0)
            .import(&inputs, &refusing(), false, &stop, &mut |_| {
                stop.store(steps >= after, Ordering::Relaxed);
                steps += 1;
            })
            .unwrap();
        assert!(report.interrupted && report.files < 6, "{after}");
        assert_eq!(report.rows, report.files * 3_000, "a file counts whole or not at all");
        // As a killed process leaves it.
        let litter = folder.0.join("binance_spot/BTCUSDT/1m/2021-01.parquet.77.new.tmp");
        std::fs::create_dir_all(litter.parent().unwrap()).unwrap();
        std::fs::write(&litter, b"half").unwrap();
        let again = import(&folder.0, &inputs, &refusing(), false).unwrap();
        assert_eq!((again.added, again.duplicates), (18_000 - report.added, report.added));
        assert_eq!(parquet_files(&folder.0), expected, "{after}");
        assert!(files(&folder.0).iter().all(|(p, _)| p.extension().is_none_or(|e| e != "tmp")), "no litter");
    }
}

#[test]
fn two_imports_at_once_are_refused() {
    let folder = Folder::new();
    let seen = std::cell::Cell::new(false);
    Catalogue::at(&folder.0)
        .import(&[csv(lines(0..5))], &refusing(), false, &AtomicBool::new(false), &mut |_| {
            let error = import(&folder.0, &[csv(lines(0..5))], &refusing(), false).unwrap_err().error.to_string();
            assert!(error.contains("another import is writing"), "{error}");
            seen.set(true);
        })
        .unwrap();
    assert!(seen.get());
}

#[test]
fn trades_quotes_and_book_levels_are_kept_as_they_are() {
    let folder = Folder::new();
    let trade = |n: i64, price: &str| format!("{n},{price},0.5,50.0,{},true,true\n", T0 + n / 2);
    let file = "BTCUSDT-trades-2021-01-01.csv";
    let first: String = (1..=10).map(|n| trade(n, "100.00")).collect();
    let second: String = (6..=15).map(|n| trade(n, if n == 8 { "101.00" } else { "100.00" })).collect();
    let report = import(&folder.0, &[memory(file, first), memory(file, second)], &refusing(), false).unwrap();
    assert_eq!(counts(&report), [20, 15, 4, 1, 0]);
    // The same number at another time.
    let moved = format!("12,100.00,0.5,50.0,{},true,true\n", T0 + 1_000);
    let report = import(&folder.0, &[memory(file, moved)], &refusing(), false).unwrap();
    assert_eq!(counts(&report), [1, 0, 0, 1, 0]);

    let quotes = "ts_ms,bid,bid_qty,ask,ask_qty\n".to_owned()
        + &format!("{T0},1.00,2,1.01,3\n{T0},1.00,2,1.01,3\n{T0},1.00,1,1.01,3\n");
    let file = "binance_spot_BTCUSDT_quotes.csv";
    let report = import(&folder.0, &[memory(file, quotes.clone()), memory(file, quotes)], &refusing(), false).unwrap();
    assert_eq!(counts(&report), [6, 3, 3, 0, 0], "two that are alike are two");

    let book = format!("time,side,price,qty,update_id\n{T0},bid,1.00,2,7\n{T0},ask,1.02,0,7\n{T0},bid,1.00,3,8\n");
    let file = "binance_spot_BTCUSDT_book.csv";
    let report = import(&folder.0, &[memory(file, book.clone()), memory(file, book)], &refusing(), false).unwrap();
    assert_eq!(counts(&report), [6, 3, 3, 0, 0]);

    let all = discover(&[Input::from(folder.0.as_path())], &Options::default()).unwrap();
    let kinds: Vec<DataKind> = all.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [DataKind::Trades, DataKind::Quotes, DataKind::Book]);
    let (found, _) = trades(&all[0]).unwrap();
    assert_eq!(found.iter().map(|t| t.trade_id).collect::<Vec<_>>(), (1..=15).collect::<Vec<_>>());
    let (chunks, _) = rows(&all[2]).unwrap();
    let levels: Vec<_> = chunks[0].book().unwrap().iter().map(|d| (d.price, d.quantity, d.sequence)).collect();
    assert_eq!(levels, [(100, 2_000_000, 7), (102, 0, 7), (100, 3_000_000, 8)]);
    let only_book = Options { kind: Some(DataKind::Book), ..Options::default() };
    assert_eq!(discover(&[Input::from(folder.0.as_path())], &only_book).unwrap().len(), 1);
}

#[test]
fn flags_are_never_lost_and_real_rows_take_the_place_of_made_ones() {
    let folder = Folder::new();
    let (made, real) = (folder.0.join("binance_spot_BTCUSDT_1m_made.parquet"), csv(lines([1])));
    let listing = store::history::Listing::find("binance_spot", "BTCUSDT", None).unwrap();
    let (plain, _) = candles(&only(&[csv(lines(0..3))], &refusing()).unwrap()).unwrap();
    let flagged = plain.iter().map(|c| Ok(domain::Candle { flags: MarketFlags::SYNTHETIC, ..*c }));
    write_candles(&made, &listing, 60, flagged).unwrap();
    let (read, _) = candles(&only(&[Input::from(made.as_path())], &refusing()).unwrap()).unwrap();
    assert!(read.iter().all(|c| c.flags == MarketFlags::SYNTHETIC), "through a file");
    let root = folder.0.join("catalogue");
    let import = |inputs: &[Input]| import(&root, inputs, &refusing(), false).unwrap();
    import(&[Input::from(made.as_path())]);
    let report = import(&[real]);
    assert_eq!(counts(&report), [1, 0, 0, 0, 1]);
    let flags = || -> Vec<bool> {
        let (rows, _) = candles(&series(&root)).unwrap();
        rows.iter().map(|c| c.flags.has(MarketFlags::SYNTHETIC)).collect()
    };
    assert_eq!(flags(), [true, false, true], "through import");
    assert_eq!(counts(&import(&[Input::from(made.as_path())])), [3, 0, 3, 0, 0], "made ones never replace real ones");
    assert_eq!(flags(), [true, false, true]);
    // Through another catalogue.
    let other = folder.0.join("other");
    Catalogue::at(&other)
        .import(&[Input::from(root.as_path())], &refusing(), false, &AtomicBool::new(false), &mut |_| {})
        .unwrap();
    let (rows, _) = candles(&series(&other)).unwrap();
    assert_eq!(rows.iter().map(|c| c.flags.has(MarketFlags::SYNTHETIC)).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn the_index_is_rebuilt_from_the_files() {
    let folder = Folder::new();
    import(&folder.0, &[csv(lines((0..10).chain(20..30)))], &refusing(), false).unwrap();
    let catalogue = Catalogue::at(&folder.0);
    let good = catalogue.index().unwrap();
    let entry = &good.entries()[0];
    assert_eq!((entry.rows, entry.gaps, entry.missing), (20, 1, 10));
    for text in [
        "",
        "nonsense\n1,2",
        "file,bytes,changed_ns,rows,first_ns,last_ns,gaps,missing,price_decimals,quantity_decimals\nx,y\n",
    ] {
        std::fs::write(folder.0.join("index.csv"), text).unwrap();
        assert_eq!(catalogue.index().unwrap(), good, "{text}");
    }
    std::fs::remove_file(folder.0.join("index.csv")).unwrap();
    assert_eq!(catalogue.index().unwrap(), good);
    // A file of another series in its place is told of, not believed.
    let strange = folder.0.join("binance_spot/ETHUSDT/1m");
    std::fs::create_dir_all(&strange).unwrap();
    std::fs::copy(folder.0.join("binance_spot/BTCUSDT/1m/2021-01.parquet"), strange.join("2021-01.parquet")).unwrap();
    let error = catalogue.index().unwrap_err().to_string();
    assert!(error.contains("it says that it holds binance_spot BTCUSDT 1m, and its place"), "{error}");
}

#[test]
fn only_files_inside_the_range_are_read_and_a_damaged_one_is_named() {
    let folder = Folder::new();
    import(&folder.0, &[csv(lines((0..3).map(|n| n * 40_000)))], &refusing(), false).unwrap();
    let at = |day: u64| Some(UnixNanos(T0 as u64 * 1_000_000 + day * 86_400_000_000_000));
    let within = |from, to| Options { from: at(from), to: at(to), ..Options::default() };
    let found = only(&[Input::from(folder.0.as_path())], &within(20, 40)).unwrap();
    assert_eq!((found.parts.len(), minutes(&candles(&found).unwrap().0)), (1, vec![40_000]));
    let error = only(&[Input::from(folder.0.as_path())], &within(100, 200)).unwrap_err().to_string();
    assert!(error.contains("binance_spot BTCUSDT 1m from 2021-01-01T00:00:00Z to 2021-02-25T13:20:00Z"), "{error}");
    std::fs::write(folder.0.join("binance_spot/BTCUSDT/1m/2021-01.parquet"), b"PAR1 no").unwrap();
    let error = discover(&[Input::from(folder.0.as_path())], &Options::default()).unwrap_err().to_string();
    assert!(error.contains("2021-01.parquet: it is damaged"), "{error}");
}

#[test]
fn rules_with_their_time_are_chosen_and_what_is_assumed_is_said() {
    let folder = Folder::new();
    import(&folder.0, &[csv(lines(0..3))], &refusing(), false).unwrap();
    let note = |options: &Options| {
        let found = only(&[Input::from(folder.0.as_path())], options).unwrap();
        (found.listing.tick.to_string(), found.rules_note)
    };
    assert!(note(&Options::default()).1.unwrap().starts_with("today's rules"));
    let path = folder.0.join("instruments.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let row = text.lines().find(|l| l.starts_with("binance_spot,BTCUSDT,")).unwrap();
    let since = |day: &str, tick: &str| {
        row.replace("BTCUSDT,,", &format!("BTCUSDT,{day},")).replace(",0.01,", &format!(",{tick},"))
    };
    let head: Vec<&str> = text.lines().filter(|l| *l != row).collect();
    std::fs::write(
        &path,
        format!("{}\n{}\n{}\n", head.join("\n"), since("2020-01-01", "0.1"), since("2022-01-01", "1")),
    )
    .unwrap();
    assert_eq!(note(&Options::default()), ("0.1".into(), None));
    // A file of it alone is of the same catalogue.
    let file = folder.0.join("binance_spot/BTCUSDT/1m/2021-01.parquet");
    let alone = only(&[Input::from(file.as_path())], &Options::default()).unwrap();
    assert_eq!((alone.listing.tick.to_string().as_str(), alone.rules_note), ("0.1", None));
    // Data that is in no catalogue has today's rules.
    assert!(only(&[csv(lines(0..3))], &refusing()).unwrap().rules_note.unwrap().starts_with("today's rules"));
}

#[test]
fn a_generic_instrument_keeps_its_decimals() {
    let folder = Folder::new();
    let options = |price, quantity| Options {
        venue: Some("mars".into()),
        symbols: Symbols::Only(vec!["A/B".into()]),
        interval_s: Some(60),
        instrument: Some(Decimals { price, quantity }),
        ..refusing()
    };
    let text = format!("Date;O;H;L;C;Vol\n{};1.5;2;1;1.25;10\n", "2021-01-01 00:00");
    let map = ColumnMap::parse("time=Date,open=O,high=H,low=L,close=C,volume=Vol").unwrap();
    let input = memory("prices.csv", text);
    import(&folder.0, std::slice::from_ref(&input), &Options { map: map.clone(), ..options(3, 4) }, false).unwrap();
    assert!(folder.0.join("mars/A%2FB/1m/2021-01.parquet").is_file());
    let found = series(&folder.0);
    assert_eq!((found.symbol.as_str(), found.listing.price_decimals, found.listing.generic), ("A/B", 3, true));
    // The catalogue knows it now.
    let known = Options { instrument: None, map: map.clone(), ..options(0, 0) };
    assert_eq!(import(&folder.0, std::slice::from_ref(&input), &known, false).unwrap().duplicates, 1);
    let error = import(&folder.0, &[input], &Options { map, ..options(2, 4) }, false).unwrap_err().error.to_string();
    assert!(error.contains("the catalogue keeps A/B at 3 decimals of prices and 4 of quantities"), "{error}");
}

#[test]
fn plain_parquet_with_other_names_is_mapped() {
    let folder = Folder::new();
    let bytes = parquet(&[
        Column::Longs("When", vec![T0, T0 + 60_000]),
        Column::Doubles("O", vec![1.0; 2]),
        Column::Doubles("H", vec![2.0; 2]),
        Column::Doubles("L", vec![0.5; 2]),
        Column::Doubles("C", vec![1.5; 2]),
        Column::Doubles("V", vec![10.0; 2]),
    ]);
    let map = ColumnMap::parse("time=when,open=o,high=h,low=l,close=c,volume=v").unwrap();
    let options = Options { map, ..refusing() };
    let report = import(&folder.0, &[memory("binance_spot_BTCUSDT_1m.parquet", bytes)], &options, false).unwrap();
    assert_eq!(report.added, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is cut into files however, with repeats, in any order, by one import or several: the same catalogue.
    #[test]
    fn the_way_rows_come_does_not_matter(
        parts in proptest::collection::vec(proptest::collection::vec(0i64..60, 1..40), 1..6),
        at_once in any::<bool>(),
    ) {
        // An hour apart, so that several months are touched.
        let text = |minutes: &[i64]| lines(minutes.iter().map(|m| m * 1_440));
        let folder = Folder::new();
        let inputs: Vec<Input> = parts.iter().map(|p| csv(text(p))).collect();
        if at_once {
            import(&folder.0, &inputs, &refusing(), false).unwrap();
        } else {
            for input in inputs {
                import(&folder.0, &[input], &refusing(), false).unwrap();
            }
        }
        let mut expected: Vec<i64> = parts.concat().iter().map(|m| m * 1_440).collect();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(minutes(&candles(&series(&folder.0)).unwrap().0), expected);
    }
}

/// The recorded minutes and days, where they are present: everything comes in, nothing twice.
#[test]
fn recorded_data_comes_in_as_it_is() {
    let mut cases = 0;
    if let Some(data) = reference() {
        let folder = Folder::new();
        let inputs = [
            Input::Path(data.join("daily")),
            Input::Path(data.join("candles_1m/binance_spot_SUIUSDT_1m_2024H2.parquet")),
        ];
        let report = import(&folder.0, &inputs, &refusing(), false).unwrap();
        assert_eq!((report.added, report.conflicts), (49_151 + 21_833 + 264_960, 0));
        assert_eq!(import(&folder.0, &inputs, &refusing(), false).unwrap().added, 0);
        for s in discover(&[Input::from(folder.0.as_path())], &Options::default()).unwrap() {
            let (found, findings) = candles(&s).unwrap();
            assert_eq!((Some(found.len() as u64), findings.bad), (s.rows(), 0), "{}", s.title());
            cases += 1;
        }
    }
    println!("{cases} recorded series");
}
