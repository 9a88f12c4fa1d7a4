//! No bytes make the reader panic or run on: it gives rows or an error.

use crate::support::{memory, minutes_parquet, rows, table};
use proptest::prelude::*;
use std::sync::OnceLock;
use store::history::{Decimals, Options, discover};

/// Reads all there is; whether it was an error does not matter here.
fn swallow(name: &str, bytes: Vec<u8>) {
    let options = Options {
        instrument: Some(Decimals { price: 2, quantity: 6 }),
        interval_s: Some(60),
        start: Some(domain::UnixNanos(0)),
        ..Options::default()
    };
    if let Ok(all) = discover(&[memory(name, bytes)], &options) {
        for series in all {
            drop(rows(&series));
        }
    }
}

fn own() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = crate::support::Folder::new();
        let input = memory("BTCUSDT-1m-2021-01.csv", table(3_000, &[]));
        let made = store::history::import(&[input], &Options::default(), &folder.0).unwrap();
        std::fs::read(&made[0].written.path).unwrap()
    })
}

fn foreign() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| minutes_parquet(3_000, None))
}

/// Bytes of a good file with some changed and the end cut off.
fn damage(good: &[u8], changes: &[(prop::sample::Index, u8)], keep: Option<prop::sample::Index>) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for (at, value) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    if let Some(keep) = keep {
        bytes.truncate(keep.index(bytes.len()));
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), text in "[0-9a-z.,;:\\-\n\" ]{0,400}") {
        swallow("x.csv", bytes.clone());
        swallow("x.parquet", bytes.clone());
        swallow("x.csv", text.into_bytes());
        for magic in [b"PAR1".as_slice(), b"PK\x03\x04", b"\x1f\x8b\x08\0"] {
            swallow("x", [magic, &bytes].concat());
        }
        swallow("x.parquet", [b"PAR1".as_slice(), &bytes, b"\x10\0\0\0PAR1"].concat());
    }

    #[test]
    fn damaged_tables(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20), keep in proptest::option::of(any::<prop::sample::Index>())) {
        swallow("BTCUSDT-1m-2021-01.csv", damage(table(50, &[]).as_bytes(), &changes, keep));
    }

    #[test]
    fn damaged_parquet(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), keep in proptest::option::weighted(0.1, any::<prop::sample::Index>())) {
        swallow("x.parquet", damage(own(), &changes, keep));
        swallow("x.parquet", damage(foreign(), &changes, keep));
    }

    /// Changes near the end hit the footer, where the lengths and places stand.
    #[test]
    fn damaged_footers(changes in proptest::collection::vec((0usize..1_200, any::<u8>()), 1..4)) {
        for good in [own(), foreign()] {
            let mut bytes = good.to_vec();
            for (back, value) in &changes {
                let at = bytes.len().saturating_sub(back + 1);
                bytes[at] = *value;
            }
            swallow("x.parquet", bytes);
        }
    }
}
