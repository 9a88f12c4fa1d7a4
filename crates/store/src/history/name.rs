//! What the name of a file says about its contents.
//!
//! Three forms are understood: ours, `<exchange>_<market>_<SYMBOL>_<interval>[_<anything>]` (without a symbol where the file has several),
//! those of Binance's public archive, `<SYMBOL>-<interval>-<date>`, `<SYMBOL>-trades-<date>`, `<SYMBOL>-aggTrades-<date>`, and those of
//! freqtrade, `<BASE>_<QUOTE>-<interval>[-futures]` in a folder named after the exchange. Anything else says nothing: the options have to.

use super::rows::{DataKind, parse_interval};

/// What a name says; each part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameParts {
    pub venue: Option<String>,
    pub symbol: Option<String>,
    pub interval_s: Option<u32>,
    pub kind: Option<DataKind>,
    /// What it holds that is no market data of ours: mark prices, funding rates.
    pub other: Option<String>,
    /// Whether the name says that it is of futures, whatever the venue.
    pub futures: bool,
}

/// Exchange and market words of our names, and the venue they mean.
const VENUES: [(&str, &str, &str); 3] =
    [("binance", "spot", "binance_spot"), ("binance", "usdm", "binance_usdm"), ("generic", "series", "generic")];

/// Reads the name of a file, given with its folders (`/`-separated): the archive's folder says whether it is spot or futures.
pub(crate) fn describe(path: &str) -> NameParts {
    let unified = path.replace('\\', "/");
    let file = unified.rsplit('/').next().unwrap_or_default();
    let stem = stem(file);
    ours(stem).or_else(|| archive(stem, &unified)).or_else(|| freqtrade(stem, &unified)).unwrap_or_default()
}

/// The name without its data and compression endings.
pub(crate) fn stem(file: &str) -> &str {
    let mut stem = file;
    for ending in [".gz", ".zip", ".csv", ".parquet", ".json", ".feather"] {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    stem
}

fn ours(stem: &str) -> Option<NameParts> {
    let words: Vec<&str> = stem.split('_').collect();
    let (exchange, market, mut rest) = match words.as_slice() {
        [exchange, market, rest @ ..] => (*exchange, *market, rest),
        _ => return None,
    };
    let venue =
        VENUES.iter().find(|(e, m, _)| *e == exchange && *m == market).map(|(_, _, venue)| (*venue).to_owned())?;
    // `perp` may stand after the market.
    if let ["perp", tail @ ..] = rest {
        rest = tail;
    }
    let is_symbol = |word: &str| word.len() >= 2 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let symbol = match rest {
        [first, tail @ ..] if is_symbol(first) && parse_interval(first).is_none() => {
            rest = tail;
            Some((*first).to_owned())
        }
        _ => None,
    };
    let first = rest.first().copied().unwrap_or_default();
    let interval_s = parse_interval(first);
    let kind = interval_s.map(|_| DataKind::Candles).or_else(|| DataKind::from_name(first));
    Some(NameParts { venue: Some(venue), symbol, interval_s, kind, other: None, futures: false })
}

fn archive(stem: &str, path: &str) -> Option<NameParts> {
    let (symbol, rest) = stem.split_once('-')?;
    let what = rest.split('-').next()?;
    let symbol_like = symbol.len() >= 5 && symbol.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let date_like = rest
        .split_once('-')
        .is_some_and(|(_, date)| !date.is_empty() && date.chars().all(|c| c.is_ascii_digit() || c == '-'));
    if !symbol_like || !date_like {
        return None;
    }
    let (kind, interval_s) = match what {
        "trades" | "aggTrades" => (DataKind::Trades, None),
        _ => (DataKind::Candles, Some(parse_interval(what)?)),
    };
    let venue = if path.contains("futures/um/") { "binance_usdm" } else { "binance_spot" };
    Some(NameParts {
        venue: Some(venue.to_owned()),
        symbol: Some(symbol.to_owned()),
        interval_s,
        kind: Some(kind),
        other: None,
        futures: false,
    })
}

/// `BTC_USDT-1h`, and of futures `BTC_USDT_USDT-1h-futures` (base, quote, settlement).
fn freqtrade(stem: &str, path: &str) -> Option<NameParts> {
    let (pair, rest) = stem.split_once('-')?;
    let assets: Vec<&str> = pair.split('_').collect();
    let asset_like = |a: &&str| !a.is_empty() && a.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if !(2..=3).contains(&assets.len()) || !assets.iter().all(asset_like) {
        return None;
    }
    let (frame, what) = rest.split_once('-').unwrap_or((rest, ""));
    let futures = assets.len() == 3 || what == "futures";
    let binance = path.split('/').any(|folder| folder == "binance");
    let venue = binance.then(|| if futures { "binance_usdm" } else { "binance_spot" }.to_owned());
    let other = match what {
        "" | "futures" | "spot" => None,
        other => Some(other.replace('_', " ")),
    };
    let (kind, interval_s) = match frame {
        "trades" => (DataKind::Trades, None),
        frame => (DataKind::Candles, Some(parse_interval(frame)?)),
    };
    let symbol = Some(assets.iter().take(2).copied().collect());
    Some(NameParts { venue, symbol, interval_s, kind: Some(kind), other, futures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_venue_symbol_interval_and_kind() {
        let cases = [
            ("x/binance_spot_BTCUSDT_1m_2020.parquet", "binance_spot BTCUSDT 60 candles"),
            ("binance_spot_SUIUSDT_1m_2024H2.parquet", "binance_spot SUIUSDT 60 candles"),
            ("binance_usdm_perp_1d_31_symbols_2020_2024.parquet", "binance_usdm - 86400 candles"),
            ("binance_spot_1d_10_symbols_2017_2024.parquet", "binance_spot - 86400 candles"),
            ("binance_spot_BTCUSDT_trades_2024.parquet", "binance_spot BTCUSDT - trades"),
            ("binance_usdm_BTCUSDT_quotes.csv.gz", "binance_usdm BTCUSDT - quotes"),
            ("BTCUSDT-1m-2021-01.csv", "binance_spot BTCUSDT 60 candles"),
            ("data/futures/um/monthly/klines/BTCUSDT-1m-2021-01.zip", "binance_usdm BTCUSDT 60 candles"),
            ("BTCUSDT-trades-2021-01-01.zip", "binance_spot BTCUSDT - trades"),
            ("ETHUSDT-aggTrades-2021-01.csv.gz", "binance_spot ETHUSDT - trades"),
            ("user_data/data/binance/BTC_USDT-1h.feather", "binance_spot BTCUSDT 3600 candles"),
            ("binance/futures/BTC_USDT_USDT-1h-futures.feather", "binance_usdm BTCUSDT 3600 candles"),
            ("data/kraken/ETH_EUR-5m.json.gz", "- ETHEUR 300 candles"),
            ("binance_spot_BTCUSDT_book.csv", "binance_spot BTCUSDT - book"),
            ("prices.csv", "- - - -"),
            ("my-data-file.csv", "- - - -"),
            ("BTC-1m-x.csv", "- - - -"),
            ("", "- - - -"),
        ];
        for (name, expected) in cases {
            let parts = describe(name);
            let text = |t: Option<String>| t.unwrap_or_else(|| "-".into());
            let found = [
                text(parts.venue),
                text(parts.symbol),
                text(parts.interval_s.map(|s| s.to_string())),
                text(parts.kind.map(|k| k.name().to_owned())),
            ];
            assert_eq!(found.join(" "), expected, "{name}");
        }
        assert!(describe("BTC_USDT_USDT-5m-futures.feather").futures && !describe("BTC_USDT-5m.feather").futures);
        assert_eq!(describe("binance/BTC_USDT_USDT-1h-mark.feather").other.as_deref(), Some("mark"));
        assert_eq!(describe("binance/BTC_USDT_USDT-8h-funding_rate.feather").other.as_deref(), Some("funding rate"));
    }
}
