//! The reference data beside the checkout and the bundled sample, against what is written about them.

use crate::support::{candles, only, reference, sample};
use store::history::{BadRows, Input, Options, discover};

/// What the description of the reference data says: file, rows, gaps, missing, without volume.
const MINUTES: [(&str, u64, u64, u64, u64); 9] = [
    ("binance_spot_BTCUSDT_1m_2020.parquet", 525_788, 8, 1_252, 50),
    ("binance_spot_BTCUSDT_1m_2021.parquet", 524_607, 6, 993, 89),
    ("binance_spot_BTCUSDT_1m_2022.parquet", 525_600, 0, 0, 0),
    ("binance_spot_BTCUSDT_1m_2023.parquet", 525_520, 1, 80, 72),
    ("binance_spot_BTCUSDT_1m_2024.parquet", 527_040, 0, 0, 0),
    ("binance_spot_ETHUSDT_1m_2020.parquet", 525_787, 8, 1_253, 49),
    ("binance_spot_ETHUSDT_1m_2021.parquet", 524_607, 6, 993, 89),
    ("binance_spot_ETHUSDT_1m_2022.parquet", 525_600, 0, 0, 0),
    ("binance_spot_SUIUSDT_1m_2024H2.parquet", 264_960, 0, 0, 24),
];

fn strict() -> Options {
    Options { bad_rows: BadRows::Refuse, ..Options::default() }
}

#[test]
fn reference_data_reads_without_a_bad_row_and_as_described() {
    let Some(folder) = reference() else {
        println!("reference files read: 0 (not beside the checkout)");
        return;
    };
    for (file, rows, gaps, missing, still) in MINUTES {
        let path = folder.join("candles_1m").join(file);
        let (_, findings) = candles(&only(&[Input::Path(path)], &strict()).unwrap()).unwrap();
        let found =
            (findings.rows, findings.gaps, findings.missing, findings.zero_volume, findings.bad, findings.rounded);
        assert_eq!(found, (rows, gaps, missing, still, 0, 0), "{file}");
    }
    for (file, symbols, rows) in [
        ("binance_spot_1d_10_symbols_2017_2024.parquet", 10, 21_833),
        ("binance_usdm_perp_1d_31_symbols_2020_2024.parquet", 31, 49_151),
    ] {
        let all = discover(&[Input::Path(folder.join("daily").join(file))], &strict()).unwrap();
        assert_eq!(all.len(), symbols, "{file}");
        let read: u64 = all
            .iter()
            .map(|s| candles(s).unwrap().1)
            .inspect(|f| assert_eq!((f.gaps, f.rounded), (0, 0)))
            .map(|f| f.rows)
            .sum();
        assert_eq!(read, rows, "{file}");
    }
    println!("reference files read: {}", MINUTES.len() + 2);
}

#[test]
fn five_years_are_one_series() {
    let Some(folder) = reference() else { return };
    let all = discover(&[Input::Path(folder.join("candles_1m"))], &strict()).unwrap();
    assert_eq!(
        all.iter().map(|s| (s.symbol.as_str(), s.parts.len())).collect::<Vec<_>>(),
        [("BTCUSDT", 5), ("ETHUSDT", 3), ("SUIUSDT", 1)]
    );
    let (_, findings) = candles(&all[0]).unwrap();
    assert_eq!((findings.rows, findings.gaps, findings.missing), (2_628_555, 15, 2_325));
}

#[test]
fn the_sample_is_what_its_description_says() {
    let readme = std::fs::read_to_string(sample().join("README.md")).unwrap();
    let mut described = 0;
    let mut bytes = 0;
    for line in readme.lines().filter(|l| l.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let path = sample().join(cells[0].trim_matches('`'));
        let series = only(&[Input::from(path.as_path())], &strict()).unwrap();
        let (rows, findings) = candles(&series).unwrap();
        let time = |c: &domain::Candle| c.ts_open.as_millis();
        let date = |text: &str| {
            text.replacen(' ', "T", 1)
                .parse::<jiff::civil::DateTime>()
                .unwrap()
                .to_zoned(jiff::tz::TimeZone::UTC)
                .unwrap()
                .timestamp()
                .as_millisecond()
        };
        assert_eq!((time(&rows[0]), time(&rows[rows.len() - 1])), (date(cells[1]), date(cells[2])), "{line}");
        assert_eq!(findings.rows.to_string(), cells[3], "{line}");
        assert_eq!(format!("{} ({})", findings.gaps, findings.missing), cells[4], "{line}");
        assert_eq!(findings.zero_volume.to_string(), cells[5], "{line}");
        assert_eq!(
            format!("{}, {}", series.listing.price_decimals, series.listing.quantity_decimals),
            cells[6],
            "{line}"
        );
        let size = std::fs::metadata(&path).unwrap().len();
        assert_eq!(size.to_string(), cells[7], "{line}");
        bytes += size;
        described += 1;
    }
    let files: usize = ["minutes", "daily"].iter().map(|f| std::fs::read_dir(sample().join(f)).unwrap().count()).sum();
    assert_eq!((described, files), (12, 12));
    assert!(bytes <= 12 * 1_024 * 1_024, "{bytes} bytes");
}

#[test]
fn the_sample_has_the_figures_of_its_source() {
    let Some(folder) = reference() else { return };
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let from = candles(
            &only(&[Input::Path(folder.join(format!("candles_1m/binance_spot_{symbol}_1m_2021.parquet")))], &strict())
                .unwrap(),
        )
        .unwrap();
        let bundled = candles(
            &only(&[Input::Path(sample().join(format!("minutes/binance_spot_{symbol}_1m.parquet")))], &strict())
                .unwrap(),
        )
        .unwrap();
        assert!(from == bundled, "{symbol}");
    }
}
