//! Books of `bot4 route` from files.
//!
//! In:  `NAME=FILE[@TIME][,KEY=VALUE...]`. Out: [`Source`]: the book with the rules and rates of its venue.
//!
//! Forms of files: a depth answer in JSON as Binance (`bids`, `asks`), OKX (`data[0]`) and Kraken (`result.PAIR`) give it, CSV with
//! `side,price,quantity` (bid or ask, buy or sell), or recorded messages of Binance's combined streams, one a line with the local time in
//! nanoseconds in front, replayed up to a time.

use super::Assets;
use crate::command::{CommandError, inputs};
use domain::{
    Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Money, Price, Quantity, Rate, UnixNanos, VenueIdx,
    decimal,
};
use execution::fee::{known, set_rates};
use execution::route::Candidate;
use flate2::read::GzDecoder;
use marketdata::{Applied, Book, Continuity, Extent, Level, Update};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Most levels a side.
const LEVELS: usize = 5_000;
/// Largest file of levels.
const BYTES: u64 = 64 << 20;

/// A venue with its book.
pub(super) struct Source {
    pub name: String,
    pub instrument: Instrument,
    pub book: Book,
    /// The time that the book was asked for at; `None` for a file that has no times.
    pub at: Option<UnixNanos>,
    penalty: Rate,
    conversion: Option<Rate>,
    enabled: bool,
    /// Levels of a file without times.
    plain: Option<[Vec<Level>; 2]>,
}

impl Source {
    /// Makes a book without times one of now.
    pub fn date(&mut self, now: UnixNanos) {
        if let Some([bids, asks]) = self.plain.take() {
            // The levels were checked as they were read.
            let _ = self.book.snapshot((now, now, 1), bids, asks, Extent::Cut);
        }
    }

    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            venue: self.instrument.venue,
            instrument: &self.instrument,
            book: &self.book,
            taker: self.instrument.fee_taker,
            penalty: self.penalty,
            conversion: self.conversion,
            enabled: self.enabled,
        }
    }
}

/// What stands behind the file: options by key.
struct Options<'a>(Vec<(&'a str, &'a str)>);

const KEYS: &str = "tier, taker, maker, lot, min, notional, max, penalty, quote, rate, off";

impl<'a> Options<'a> {
    fn new(text: &str, list: impl Iterator<Item = &'a str>) -> Result<Self, CommandError> {
        let mut options = Vec::new();
        for item in list {
            let (key, value) = item.split_once('=').unwrap_or((item, "yes"));
            if !KEYS.split(", ").any(|known| known == key.trim()) {
                return Err(CommandError::usage(format!("--book {text}: {key}: expected one of {KEYS}")));
            }
            options.push((key.trim(), value.trim()));
        }
        Ok(Self(options))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn number<T>(
        &self,
        text: &str,
        key: &str,
        parse: impl Fn(&str) -> Result<T, decimal::DecimalError>,
    ) -> Result<Option<T>, CommandError> {
        let wrong =
            |value: &str| CommandError::usage(format!("--book {text}: {key}={value}: expected a decimal number"));
        self.get(key).map(|value| parse(value).map_err(|_| wrong(value))).transpose()
    }
}

/// Reads a venue.
pub(super) fn levels_at(
    text: &str,
    table: &mut InstrumentTable,
    (base, currency): Assets,
) -> Result<Source, CommandError> {
    let usage = |what: String| CommandError::usage(format!("--book {text}: {what}"));
    let (name, rest) = text.split_once('=').ok_or_else(|| usage("expected NAME=FILE".into()))?;
    let mut parts = rest.split(',');
    let file = parts.next().unwrap_or_default();
    let options = Options::new(text, parts)?;
    let (file, time) = file.rsplit_once('@').map_or((file, None), |(file, time)| (file, Some(time)));
    let at = time.map(|time| inputs::parse_time("--book", time)).transpose()?;
    let read = if file.ends_with(".txt.gz") {
        let at = at.ok_or_else(|| usage("recorded messages need a time: FILE@2024-08-08T23:58:00Z".into()))?;
        recorded(Path::new(file), at).map_err(|e| CommandError::failed(format!("{file}: {e}")))?
    } else {
        let finest = ["lot", "min"].iter().filter_map(|key| options.get(key)).map(decimals_of).max().unwrap_or(0);
        plain(Path::new(file), finest).map_err(|e| CommandError::failed(format!("{file}: {e}")))?
    };
    let venue = VenueIdx(u16::try_from(table.assets().len()).unwrap_or(u16::MAX));
    let quote = match options.get("quote") {
        Some(code) => table.asset(code, 12).map_err(|e| usage(e.to_string()))?,
        None => currency,
    };
    let schedule = known(name);
    let kind = schedule.as_ref().map_or(InstrumentKind::Spot, |s| s.kind);
    let lot = options.number(text, "lot", Quantity::parse)?.unwrap_or(Quantity::from_mantissa(1, read.decimals.1));
    let mut instrument = Instrument {
        idx: InstrumentIdx(0),
        venue,
        symbol: name.to_owned(),
        kind,
        base,
        quote,
        settle: quote,
        multiplier: Quantity::from_units(1),
        price_decimals: read.decimals.0,
        quantity_decimals: read.decimals.1,
        tick: Price::from_mantissa(1, read.decimals.0),
        lot,
        min_quantity: options.number(text, "min", Quantity::parse)?.unwrap_or(lot),
        max_quantity: options.number(text, "max", Quantity::parse)?.unwrap_or(Quantity::from_units(1_000_000_000)),
        min_notional: options.number(text, "notional", Money::parse)?.unwrap_or(Money::ZERO),
        margin_initial: Rate::ONE,
        margin_maintenance: Rate::ZERO,
        fee_maker: Rate::ZERO,
        fee_taker: Rate::ZERO,
        effective_from: UnixNanos(0),
    };
    let taker = options.number(text, "taker", Rate::parse)?;
    match (&schedule, taker) {
        (Some(schedule), _) => {
            let tier = match options.get("tier") {
                None => 0,
                Some(name) => schedule.tier(name).ok_or_else(|| {
                    let names: Vec<&str> = schedule.tiers.iter().map(|t| t.name.as_str()).collect();
                    usage(format!("tier={name}: expected one of {}", names.join(", ")))
                })?,
            };
            set_rates(&mut instrument, schedule, tier, false).map_err(|e| usage(e.to_string()))?;
        }
        (None, Some(_)) => {}
        (None, None) => {
            return Err(usage(format!(
                "{name} is no fee schedule ({}): expected taker=RATE with it",
                execution::fee::KNOWN.join(", ")
            )));
        }
    }
    instrument.fee_taker = taker.unwrap_or(instrument.fee_taker);
    instrument.fee_maker = options.number(text, "maker", Rate::parse)?.unwrap_or(instrument.fee_maker);
    instrument.validate().map_err(|e| usage(e.to_string()))?;
    Ok(Source {
        name: name.to_owned(),
        instrument,
        book: read.book,
        at,
        penalty: options.number(text, "penalty", Rate::parse)?.unwrap_or(Rate::ZERO),
        conversion: options.number(text, "rate", Rate::parse)?,
        enabled: options.get("off").is_none(),
        plain: read.plain,
    })
}

/// What a file gave.
struct Read {
    book: Book,
    decimals: (u8, u8),
    plain: Option<[Vec<Level>; 2]>,
}

/// Texts of levels: price and quantity.
type Texts = Vec<(String, String)>;

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn texts(list: &Value) -> Option<Texts> {
    let level = |level: &Value| Some((text_of(level.get(0)?)?, text_of(level.get(1)?)?));
    list.as_array()?.iter().map(level).collect()
}

/// A file of levels without times, with at least so many decimals of quantities.
fn plain(path: &Path, finest: u8) -> Result<Read, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(BYTES).read_to_string(&mut text).map_err(|e| e.to_string())?;
    let [bids, asks] = if text.trim_start().starts_with('{') { json_levels(&text)? } else { csv_levels(&text)? };
    if bids.is_empty() && asks.is_empty() {
        return Err("no levels: expected bids and asks".into());
    }
    // Decimals are those that the levels need.
    let needed = |list: &mut dyn Iterator<Item = &String>| list.map(|t| decimals_of(t)).max().unwrap_or(0);
    let prices = needed(&mut bids.iter().chain(&asks).map(|(p, _)| p));
    let quantities = needed(&mut bids.iter().chain(&asks).map(|(_, q)| q)).max(finest);
    let levels = |list: &Texts| list.iter().map(|l| level(l, (prices, quantities))).collect::<Result<Vec<_>, _>>();
    let levels = [levels(&bids)?, levels(&asks)?];
    let book = Book::new(InstrumentIdx(0), LEVELS);
    book.clone()
        .snapshot((UnixNanos(1), UnixNanos(1), 1), levels[0].iter().copied(), levels[1].iter().copied(), Extent::Cut)
        .map_err(|e| e.to_string())?;
    Ok(Read { book, decimals: (prices, quantities), plain: Some(levels) })
}

/// Decimals that a number is written with, without zeros at its end; more than twelve are refused where the number is read.
fn decimals_of(text: &str) -> u8 {
    let part = text.split_once('.').map_or("", |(_, part)| part.trim_end_matches('0'));
    u8::try_from(part.len()).unwrap_or(u8::MAX).min(12)
}

fn level((price, quantity): &(String, String), decimals: (u8, u8)) -> Result<Level, String> {
    Ok(Level {
        price: decimal::parse_mantissa(price, decimals.0).map_err(|e| e.to_string())?,
        quantity: decimal::parse_mantissa(quantity, decimals.1).map_err(|e| e.to_string())?,
    })
}

fn json_levels(text: &str) -> Result<[Texts; 2], String> {
    let whole: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let of_kraken = whole.get("result").and_then(Value::as_object).and_then(|pairs| pairs.values().next());
    let book = whole.get("data").and_then(|data| data.get(0)).or(of_kraken).unwrap_or(&whole);
    let side = |key: &str| book.get(key).and_then(texts);
    match (side("bids"), side("asks")) {
        (Some(bids), Some(asks)) => Ok([bids, asks]),
        _ => Err("expected bids and asks as lists of [price, quantity]".into()),
    }
}

fn csv_levels(text: &str) -> Result<[Texts; 2], String> {
    let mut sides = [Texts::new(), Texts::new()];
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let [side, price, quantity] = cells[..] else {
            return Err(format!("line {}: expected side,price,quantity", n + 1));
        };
        let at = match side {
            "bid" | "buy" => 0,
            "ask" | "sell" => 1,
            "side" if n == 0 => continue,
            other => return Err(format!("line {}: side {other}: expected bid or ask", n + 1)),
        };
        sides[at].push((price.to_owned(), quantity.to_owned()));
    }
    Ok(sides)
}

/// Recorded messages of Binance up to a time.
fn recorded(path: &Path, until: UnixNanos) -> Result<Read, String> {
    const DECIMALS: (u8, u8) = (8, 8);
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut book = Book::new(InstrumentIdx(0), LEVELS);
    let mut early: Vec<(UnixNanos, Value)> = Vec::new();
    let (mut started, mut followed) = (false, false);
    for (n, line) in BufReader::new(GzDecoder::new(file)).lines().enumerate() {
        let line = line.map_err(|e| format!("line {}: {e}", n + 1))?;
        let wrong = |what: &str| format!("line {}: {what}", n + 1);
        let (ts, body) = line.split_once(' ').ok_or_else(|| wrong("expected a time and a message"))?;
        let ts = UnixNanos(ts.parse().map_err(|_| wrong("expected a time in nanoseconds"))?);
        if ts > until {
            break;
        }
        // Only depth is of use; the many other messages are not even parsed.
        if !body.contains("@depth") && !body.contains("lastUpdateId") {
            continue;
        }
        let body: Value = serde_json::from_str(body).map_err(|e| wrong(&e.to_string()))?;
        if let Some(id) = body["lastUpdateId"].as_u64() {
            let [bids, asks] = both(&body, ("bids", "asks"), DECIMALS).map_err(|e| wrong(&e))?;
            book.snapshot((ts, ts, id), bids, asks, Extent::Cut).map_err(|e| wrong(&e.to_string()))?;
            (started, followed) = (true, false);
            for (ts, data) in std::mem::take(&mut early) {
                followed |= depth(&mut book, ts, &data, followed, DECIMALS).map_err(|e| wrong(&e))?;
            }
        } else if started {
            followed |= depth(&mut book, ts, &body["data"], followed, DECIMALS).map_err(|e| wrong(&e))?;
        } else {
            early.push((ts, body["data"].clone()));
        }
    }
    Ok(Read { book, decimals: DECIMALS, plain: None })
}

fn both(body: &Value, (bids, asks): (&str, &str), decimals: (u8, u8)) -> Result<[Vec<Level>; 2], String> {
    let side = |key: &str| -> Result<Vec<Level>, String> {
        let texts =
            body.get(key).and_then(texts).ok_or_else(|| format!("expected {key} as a list of [price, quantity]"))?;
        texts.iter().map(|t| level(t, decimals)).collect()
    };
    Ok([side(bids)?, side(asks)?])
}

/// Takes in an update; whether it went into the book.
fn depth(book: &mut Book, ts: UnixNanos, data: &Value, followed: bool, decimals: (u8, u8)) -> Result<bool, String> {
    let number = |key: &str| data.get(key).and_then(Value::as_u64);
    let (Some(first), Some(last)) = (number("U"), number("u")) else { return Err("expected U and u".into()) };
    // After a snapshot the first one of futures brackets it; from then on each names the one before.
    let follows = match number("pu") {
        Some(before) if followed => Continuity::After(before),
        Some(_) => Continuity::From(if first <= book.sequence() { first } else { first.saturating_add(1) }),
        None => Continuity::From(first),
    };
    let [bids, asks] = both(data, ("b", "a"), decimals)?;
    let head = Update { ts_event: ts, ts_recv: ts, sequence: last, follows };
    Ok(book.update(head, bids, asks).map_err(|e| e.to_string())? == Applied::Taken)
}
