//! Builders of instruments and market events, a seeded generator of random numbers and candles, and tolerances, for tests only.
//!
//! Everything here panics on misuse: a test that builds a wrong instrument should stop at once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

pub mod generate;

use domain::{
    Candle, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, MarketFlags, Money, Price, Quantity, Quote,
    Rate, Side, Trade, UnixNanos, VenueIdx,
};

/// 2020-01-01 00:00 UTC, where test data begins.
pub const T0: UnixNanos = UnixNanos(1_577_836_800_000_000_000);

/// A number in the money form from text.
///
/// # Panics
/// If the text is no decimal number.
#[must_use]
pub fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// A quantity from text.
///
/// # Panics
/// If the text is no decimal number.
#[must_use]
pub fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap()
}

/// An amount from text.
///
/// # Panics
/// If the text is no decimal number.
#[must_use]
pub fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// A rate from text.
///
/// # Panics
/// If the text is no decimal number.
#[must_use]
pub fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

/// A spot instrument priced in USDT with ticks of `10^-price_decimals`, lots of `10^-quantity_decimals`, minimum notional 5 and fees of
/// 0.1 %, added to the table. `symbol` ends in `USDT`.
///
/// # Panics
/// If the symbol does not end in `USDT` or the table refuses it.
pub fn add_spot(table: &mut InstrumentTable, symbol: &str, price_decimals: u8, quantity_decimals: u8) -> Instrument {
    add(table, symbol, price_decimals, quantity_decimals, InstrumentKind::Spot)
}

/// As [`add_spot`], a linear perpetual with 5 % initial and 2.5 % maintenance margin.
///
/// # Panics
/// If the symbol does not end in `USDT` or the table refuses it.
pub fn add_perpetual(
    table: &mut InstrumentTable,
    symbol: &str,
    price_decimals: u8,
    quantity_decimals: u8,
) -> Instrument {
    add(table, symbol, price_decimals, quantity_decimals, InstrumentKind::LinearPerpetual)
}

fn add(
    table: &mut InstrumentTable,
    symbol: &str,
    price_decimals: u8,
    quantity_decimals: u8,
    kind: InstrumentKind,
) -> Instrument {
    let base = table.asset(symbol.strip_suffix("USDT").unwrap(), 8).unwrap();
    let quote = table.asset("USDT", 8).unwrap();
    let spot = kind == InstrumentKind::Spot;
    let instrument = Instrument {
        idx: InstrumentIdx(u16::try_from(table.len()).unwrap()),
        venue: VenueIdx(0),
        symbol: symbol.to_owned(),
        kind,
        base,
        quote,
        settle: quote,
        multiplier: Quantity::from_units(1),
        price_decimals,
        quantity_decimals,
        tick: Price::from_mantissa(1, price_decimals),
        lot: Quantity::from_mantissa(1, quantity_decimals),
        min_quantity: Quantity::from_mantissa(1, quantity_decimals),
        max_quantity: Quantity::from_units(9_000_000),
        min_notional: Money::from_units(5),
        margin_initial: if spot { Rate::ONE } else { rate("0.05") },
        margin_maintenance: if spot { Rate::ZERO } else { rate("0.025") },
        fee_maker: rate("0.001"),
        fee_taker: rate("0.001"),
        effective_from: UnixNanos(0),
    };
    table.define(instrument.clone()).unwrap();
    instrument
}

/// A one-minute candle, number `minute` after [`T0`], from mantissas.
#[must_use]
pub fn candle(instrument: &Instrument, minute: u64, [open, high, low, close]: [i64; 4], volume: i64) -> Candle {
    let ts_open = UnixNanos(T0.0 + minute * domain::time::NANOS_PER_MINUTE);
    let ts_recv = UnixNanos(ts_open.0 + domain::time::NANOS_PER_MINUTE);
    Candle {
        ts_open,
        ts_recv,
        open,
        high,
        low,
        close,
        volume,
        interval_s: 60,
        instrument: instrument.idx,
        flags: MarketFlags::default(),
    }
}

/// A trade at `T0 + nanos`, from mantissas.
#[must_use]
pub fn trade(instrument: &Instrument, nanos: u64, price: i64, quantity: i64, aggressor: Side) -> Trade {
    let ts = UnixNanos(T0.0 + nanos);
    Trade {
        ts_event: ts,
        ts_recv: ts,
        price,
        quantity,
        trade_id: nanos,
        instrument: instrument.idx,
        flags: MarketFlags::default(),
        aggressor,
    }
}

/// A quote at `T0 + nanos`, from mantissas.
#[must_use]
pub fn quote(
    instrument: &Instrument,
    nanos: u64,
    (bid, bid_quantity): (i64, i64),
    (ask, ask_quantity): (i64, i64),
) -> Quote {
    let ts = UnixNanos(T0.0 + nanos);
    Quote {
        ts_event: ts,
        ts_recv: ts,
        bid,
        bid_quantity,
        ask,
        ask_quantity,
        instrument: instrument.idx,
        flags: MarketFlags::default(),
    }
}

/// Asserts that two numbers agree within `absolute + relative * |expected|`.
///
/// # Panics
/// If they do not, with both numbers.
#[track_caller]
pub fn assert_close(got: f64, expected: f64, relative: f64, absolute: f64) {
    let allowed = absolute + relative * expected.abs();
    assert!((got - expected).abs() <= allowed, "got {got}, expected {expected} within {allowed:e}");
}
