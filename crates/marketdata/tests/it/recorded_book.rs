//! The book over recorded messages of Binance: after every update its best prices and quantities are those that the venue's own stream of
//! best prices said at that number.

use domain::{InstrumentIdx, UnixNanos, decimal};
use flate2::read::GzDecoder;
use marketdata::{Applied, Book, Continuity, Extent, Level, Unusable, Update};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What a run over recorded messages counted.
#[derive(Debug, Default)]
struct Seen {
    taken: u64,
    old: u64,
    gaps: u64,
    /// Updates while the book waited for a snapshot.
    waiting: u64,
    /// Updates after the market had moved out of a snapshot that was cut.
    exhausted: u64,
    compared: u64,
    differ: u64,
    levels_most: usize,
}

struct Recorded {
    book: Book,
    futures: bool,
    quantity_decimals: u8,
    /// Updates that came before the snapshot.
    early: Vec<(UnixNanos, Value)>,
    started: bool,
    /// Best prices by number: bid, its quantity, ask, its quantity.
    quotes: BTreeMap<u64, [i64; 4]>,
    /// Best prices of the book after each update.
    best: Vec<(u64, [i64; 4])>,
    extent: Extent,
    seen: Seen,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/l2_ticks")
}

impl Recorded {
    fn new(futures: bool, quantity_decimals: u8, extent: Extent) -> Self {
        Self {
            book: Book::new(InstrumentIdx(0), 4_000),
            futures,
            quantity_decimals,
            early: Vec::new(),
            started: false,
            quotes: BTreeMap::new(),
            best: Vec::new(),
            extent,
            seen: Seen::default(),
        }
    }

    fn levels(&self, list: &Value) -> Vec<Level> {
        let number = |text: &Value, decimals| decimal::parse_mantissa(text.as_str().unwrap(), decimals).unwrap();
        let list = list.as_array().unwrap().iter();
        list.map(|l| Level { price: number(&l[0], 2), quantity: number(&l[1], self.quantity_decimals) }).collect()
    }

    fn line(&mut self, line: &str) {
        let (ts, body) = line.split_once(' ').unwrap();
        let (ts, body) = (UnixNanos(ts.parse().unwrap()), serde_json::from_str::<Value>(body).unwrap());
        if let Some(id) = body["lastUpdateId"].as_u64() {
            let (bids, asks) = (self.levels(&body["bids"]), self.levels(&body["asks"]));
            self.book.snapshot((ts, ts, id), bids, asks, self.extent).unwrap();
            self.started = true;
            for (ts, data) in std::mem::take(&mut self.early) {
                self.depth(ts, &data);
            }
            return;
        }
        let data = &body["data"];
        let stream = body["stream"].as_str().unwrap();
        if stream.contains("@depth") && self.started {
            self.depth(ts, data);
        } else if stream.contains("@depth") {
            self.early.push((ts, data.clone()));
        } else if stream.ends_with("@bookTicker") {
            let p = |key: &str| decimal::parse_mantissa(data[key].as_str().unwrap(), 2).unwrap();
            let q = |key: &str| decimal::parse_mantissa(data[key].as_str().unwrap(), self.quantity_decimals).unwrap();
            self.quotes.insert(data["u"].as_u64().unwrap(), [p("b"), q("B"), p("a"), q("A")]);
        }
    }

    fn depth(&mut self, ts: UnixNanos, data: &Value) {
        let (first, last) = (data["U"].as_u64().unwrap(), data["u"].as_u64().unwrap());
        // The first one after a snapshot brackets it, the others name the one before.
        let follows = match data["pu"].as_u64() {
            Some(before) if self.seen.taken > 0 => Continuity::After(before),
            _ => Continuity::From(if self.futures { first.min(self.book.sequence()) } else { first }),
        };
        let head = Update { ts_event: ts, ts_recv: ts, sequence: last, follows };
        match self.book.update(head, self.levels(&data["b"]), self.levels(&data["a"])).unwrap() {
            Applied::Taken => self.seen.taken += 1,
            Applied::Old => return self.seen.old += 1,
            Applied::Gap => return self.seen.gaps += 1,
            Applied::Waiting => return self.seen.waiting += 1,
        }
        let view = match self.book.view() {
            Ok(view) => view,
            Err(Unusable::Exhausted { .. }) => return self.seen.exhausted += 1,
            Err(other) => panic!("{other}"),
        };
        let (bid, ask) = (view.bid().unwrap(), view.ask().unwrap());
        self.best.push((last, [bid.price, bid.quantity, ask.price, ask.quantity]));
        let levels = view.levels(domain::Side::Buy).len().max(view.levels(domain::Side::Sell).len());
        self.seen.levels_most = self.seen.levels_most.max(levels);
    }

    /// Streams overtake each other, so prices are compared when all of them are there.
    fn compare(&mut self) {
        for (number, best) in &self.best {
            if let Some((_, quote)) = self.quotes.range(..=number).next_back() {
                self.seen.compared += 1;
                self.seen.differ += u64::from(best != quote);
            }
        }
    }
}

fn run(recorded: &mut Recorded, names: &[&str]) -> bool {
    for name in names {
        let Ok(file) = std::fs::File::open(folder().join(name)) else {
            println!("{name} is not here: 0 messages");
            return false;
        };
        BufReader::new(GzDecoder::new(file)).lines().for_each(|line| recorded.line(&line.unwrap()));
    }
    recorded.compare();
    println!("{names:?} {:?}: {:?}", recorded.extent, recorded.seen);
    true
}

const SPOT: [&str; 2] = ["binance_spot_btcusdt_20240808_2354.txt.gz", "binance_spot_btcusdt_20240809_0000.txt.gz"];
const FUTURES: [&str; 1] = ["binance_usdm_btcusdt_20240808_2354_first20000.txt.gz"];

#[test]
fn the_book_has_the_best_prices_that_the_venue_said() {
    for (futures, decimals, names) in [(false, 8, &SPOT[..]), (true, 3, &FUTURES[..])] {
        let mut recorded = Recorded::new(futures, decimals, Extent::Cut);
        if run(&mut recorded, names) {
            let seen = &recorded.seen;
            assert!(seen.taken > 1_500 && seen.compared > 1_000, "{seen:?}");
            assert_eq!((seen.gaps, seen.differ), (0, 0), "{seen:?}");
        }
    }
}

/// Why levels beyond a cut snapshot are left out: taken in as they change, they hide those that did not.
#[test]
fn a_cut_snapshot_taken_for_the_whole_shows_wrong_prices() {
    let mut recorded = Recorded::new(false, 8, Extent::Whole);
    if run(&mut recorded, &SPOT) {
        assert!(recorded.seen.differ > 0 && recorded.seen.exhausted == 0, "{:?}", recorded.seen);
    }
}

#[test]
fn a_lost_update_is_seen() {
    let Ok(file) = std::fs::File::open(folder().join(SPOT[0])) else { return };
    let mut recorded = Recorded::new(false, 8, Extent::Cut);
    let lines: Vec<String> = BufReader::new(GzDecoder::new(file)).lines().take(20_000).map(Result::unwrap).collect();
    let updates: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("@depth")).collect();
    let lost = updates[updates.len() / 2];
    (0..lines.len()).filter(|at| *at != lost).for_each(|at| recorded.line(&lines[at]));
    let (seen, after) = (&recorded.seen, (updates.len() - updates.len() / 2 - 2) as u64);
    assert_eq!((seen.gaps, seen.waiting), (1, after), "{seen:?}");
    assert!(recorded.book.view().is_err());
}
