//! Instruments: what can be traded, in which units, under which rules; and the table that numbers them.
//!
//! In:  definitions from files, venues or configuration, as `InstrumentDefined` events.
//! Out: the decimals, steps and minima by which market data becomes money and orders become acceptable.
//! Rules change: a definition has an effective time, and a later one of the same instrument replaces it.

use crate::account::{AssetIdx, VenueIdx, index};
use crate::codec::{CodecError, Reader, Stored};
use crate::decimal::{self, MONEY_DECIMALS, Rounding};
use crate::digest::{Digest, Digestible};
use crate::money::Money;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::rate::Rate;
use crate::time::UnixNanos;
use serde::{Deserialize, Serialize};
use std::fmt;

index! {
    /// An instrument, numbered densely in the order of definition.
    InstrumentIdx(u16)
}

/// What an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstrumentKind {
    /// Exchange of the base asset for the quote asset.
    Spot,
    /// Perpetual contract on the base asset, margined and settled in the quote asset.
    LinearPerpetual,
}

/// One instrument on one venue, with the rules in force from `effective_from`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Its number.
    pub idx: InstrumentIdx,
    /// Its venue.
    pub venue: VenueIdx,
    /// Its name, in the form `BTCUSDT`; venues' own spellings are translated at the edge.
    pub symbol: String,
    /// What it is.
    pub kind: InstrumentKind,
    /// The asset bought and sold.
    pub base: AssetIdx,
    /// The asset that prices are in.
    pub quote: AssetIdx,
    /// The asset that profit, loss and margin are in; the quote asset for spot.
    pub settle: AssetIdx,
    /// Units of base per contract; 1 for spot.
    pub multiplier: Quantity,
    /// Decimals of price mantissas.
    pub price_decimals: u8,
    /// Decimals of quantity mantissas.
    pub quantity_decimals: u8,
    /// Prices of orders are multiples of this.
    pub tick: Price,
    /// Quantities of orders are multiples of this.
    pub lot: Quantity,
    /// Smallest quantity of an order.
    pub min_quantity: Quantity,
    /// Largest quantity of an order.
    pub max_quantity: Quantity,
    /// Smallest price x quantity of an order, in quote.
    pub min_notional: Money,
    /// Share of the notional needed as margin to open; 1 for spot.
    pub margin_initial: Rate,
    /// Share of the notional below which the position is liquidated; 0 for spot.
    pub margin_maintenance: Rate,
    /// Fee rate of fills that gave liquidity; negative is a rebate.
    pub fee_maker: Rate,
    /// Fee rate of fills that took liquidity.
    pub fee_taker: Rate,
    /// When these rules begin.
    pub effective_from: UnixNanos,
}

/// Why an instrument's definition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentError {
    /// Its symbol.
    pub symbol: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for InstrumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instrument {}: {}", self.symbol, self.what)
    }
}

impl std::error::Error for InstrumentError {}

impl Instrument {
    /// A price mantissa as a price. Exact.
    #[must_use]
    #[inline]
    pub const fn price(&self, mantissa: i64) -> Price {
        Price::from_mantissa(mantissa, self.price_decimals)
    }

    /// A quantity mantissa as a quantity. Exact.
    #[must_use]
    #[inline]
    pub const fn quantity(&self, mantissa: i64) -> Quantity {
        Quantity::from_mantissa(mantissa, self.quantity_decimals)
    }

    /// A price as a mantissa; `None` where it has more decimals than the instrument.
    #[must_use]
    #[inline]
    pub fn price_mantissa(&self, price: Price) -> Option<i64> {
        price.to_mantissa(self.price_decimals)
    }

    /// A quantity as a mantissa; `None` where it has more decimals than the instrument.
    #[must_use]
    #[inline]
    pub fn quantity_mantissa(&self, quantity: Quantity) -> Option<i64> {
        quantity.to_mantissa(self.quantity_decimals)
    }

    /// What a quantity is worth at a price, in quote: price x quantity x multiplier, rounded as told. `None` on overflow.
    #[must_use]
    #[inline]
    pub const fn notional(&self, price: Price, quantity: Quantity, rounding: Rounding) -> Option<Money> {
        let one = Quantity::from_units(1);
        if self.multiplier.raw() == one.raw() {
            return price.notional(quantity, rounding);
        }
        match decimal::mul_money(quantity.raw(), self.multiplier.raw(), rounding) {
            Some(base) => price.notional(Quantity::from_raw(base), rounding),
            None => None,
        }
    }

    /// The quantity rounded down to a multiple of the lot.
    #[must_use]
    #[inline]
    pub const fn floor_to_lot(&self, quantity: Quantity) -> Quantity {
        match quantity.round_to(self.lot, Rounding::Down) {
            Some(q) => q,
            None => Quantity::ZERO,
        }
    }

    /// Checks that the definition is one that can be traded by.
    ///
    /// # Errors
    /// [`InstrumentError`] names the field, what it is and what was expected.
    pub fn validate(&self) -> Result<(), InstrumentError> {
        let fail = |what: String| Err(InstrumentError { symbol: self.symbol.clone(), what });
        if self.symbol.is_empty() {
            return fail("the symbol is empty".into());
        }
        for (name, decimals) in [("price", self.price_decimals), ("quantity", self.quantity_decimals)] {
            if decimals > MONEY_DECIMALS {
                return fail(format!("{name} decimals are {decimals}, expected at most {MONEY_DECIMALS}"));
            }
        }
        if self.tick <= Price::ZERO || self.tick.to_mantissa(self.price_decimals).is_none() {
            return fail(format!("tick size {} is not a positive multiple of 1e-{}", self.tick, self.price_decimals));
        }
        if self.lot <= Quantity::ZERO || self.lot.to_mantissa(self.quantity_decimals).is_none() {
            return fail(format!("lot size {} is not a positive multiple of 1e-{}", self.lot, self.quantity_decimals));
        }
        if self.min_quantity < Quantity::ZERO || self.max_quantity < self.min_quantity {
            return fail(format!("quantities from {} to {} are no range", self.min_quantity, self.max_quantity));
        }
        if self.min_notional < Money::ZERO {
            return fail(format!("minimum notional {} is negative", self.min_notional));
        }
        if self.multiplier <= Quantity::ZERO {
            return fail(format!("multiplier {} is not positive", self.multiplier));
        }
        if !(Rate::ZERO..=Rate::ONE).contains(&self.margin_initial)
            || !(Rate::ZERO..=self.margin_initial).contains(&self.margin_maintenance)
        {
            return fail(format!(
                "margin rates {} and {} are not 0 <= maintenance <= initial <= 1",
                self.margin_maintenance, self.margin_initial
            ));
        }
        for (name, rate) in [("maker", self.fee_maker), ("taker", self.fee_taker)] {
            if rate.raw().abs() >= Rate::ONE.raw() {
                return fail(format!("{name} fee {rate} is not between -1 and 1"));
            }
        }
        match self.kind {
            InstrumentKind::Spot if self.settle != self.quote => fail("spot settles in its quote asset".into()),
            InstrumentKind::LinearPerpetual if self.settle != self.quote => {
                fail("settles in another asset than its quote: inverse and quanto contracts are not traded".into())
            }
            _ => Ok(()),
        }
    }
}

impl Digestible for Instrument {
    fn digest(&self, d: &mut Digest) {
        d.word(u64::from(self.idx.0) | u64::from(self.venue.0) << 16 | (self.kind as u64) << 32);
        d.bytes(self.symbol.as_bytes());
        d.word(u64::from(self.base.0) | u64::from(self.quote.0) << 16 | u64::from(self.settle.0) << 32);
        d.word(u64::from(self.price_decimals) | u64::from(self.quantity_decimals) << 8);
        for raw in [
            self.multiplier.raw(),
            self.tick.raw(),
            self.lot.raw(),
            self.min_quantity.raw(),
            self.max_quantity.raw(),
            self.min_notional.raw(),
        ] {
            d.wide(raw);
        }
        for rate in [self.margin_initial, self.margin_maintenance, self.fee_maker, self.fee_taker] {
            d.int(rate.raw());
        }
        d.word(self.effective_from.0);
    }
}

/// An asset and its precision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Its code: `USDT`.
    pub code: String,
    /// Decimals that balances and postings are kept at.
    pub decimals: u8,
}

/// Instruments and assets by their dense numbers. Each part of the system that needs rules holds one, fed by the same events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstrumentTable {
    instruments: Vec<Instrument>,
    assets: Vec<Asset>,
}

impl InstrumentTable {
    /// The number of the asset `code`, added with `decimals` if it is new.
    ///
    /// # Errors
    /// If the table is full, the precision is more than 12 decimals, or the asset is there with another precision.
    pub fn asset(&mut self, code: &str, decimals: u8) -> Result<AssetIdx, InstrumentError> {
        let fail = |what: String| Err(InstrumentError { symbol: code.to_owned(), what });
        if decimals > MONEY_DECIMALS {
            return fail(format!("asset precision {decimals}, expected at most {MONEY_DECIMALS}"));
        }
        if let Some(at) = self.assets.iter().position(|a| a.code == code) {
            let held = self.assets[at].decimals;
            if held != decimals {
                return fail(format!("asset precision {decimals} differs from {held} said before"));
            }
            return Ok(AssetIdx(at as u16));
        }
        let Ok(idx) = u16::try_from(self.assets.len()) else {
            return fail("more than 65,536 assets".into());
        };
        self.assets.push(Asset { code: code.to_owned(), decimals });
        Ok(AssetIdx(idx))
    }

    /// Adds the next instrument, or replaces the definition of one that is there.
    ///
    /// # Errors
    /// If the definition is invalid, skips a number, names an asset that is not there, or changes decimals, assets or kind of an
    /// instrument in use (open positions and resting orders are written in them).
    pub fn define(&mut self, instrument: Instrument) -> Result<(), InstrumentError> {
        instrument.validate()?;
        let fail = |what: String| Err(InstrumentError { symbol: instrument.symbol.clone(), what });
        for asset in [instrument.base, instrument.quote, instrument.settle] {
            if asset.index() >= self.assets.len() {
                return fail(format!("asset number {} is not defined", asset.0));
            }
        }
        let at = instrument.idx.index();
        let next = self.instruments.len();
        match self.instruments.get_mut(at) {
            Some(held) => {
                let shape = |i: &Instrument| {
                    (i.price_decimals, i.quantity_decimals, i.base, i.quote, i.settle, i.kind, i.venue)
                };
                if held.symbol != instrument.symbol || shape(held) != shape(&instrument) {
                    return fail(format!(
                        "differs from {} in what cannot change: symbol, decimals, assets, kind or venue",
                        held.symbol
                    ));
                }
                *held = instrument;
                Ok(())
            }
            None if at == next => {
                self.instruments.push(instrument);
                Ok(())
            }
            None => fail(format!("its number is {at}, the next is {next}")),
        }
    }

    /// The rules of an instrument.
    #[must_use]
    #[inline]
    pub fn get(&self, idx: InstrumentIdx) -> Option<&Instrument> {
        self.instruments.get(idx.index())
    }

    /// The instrument of that symbol on that venue.
    #[must_use]
    pub fn find(&self, venue: VenueIdx, symbol: &str) -> Option<&Instrument> {
        self.instruments.iter().find(|i| i.venue == venue && i.symbol == symbol)
    }

    /// All instruments, in the order of their numbers.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// All assets, in the order of their numbers.
    #[must_use]
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// Decimals of an asset's balances; 12 for one that is not defined, so that nothing is rounded away.
    #[must_use]
    #[inline]
    pub fn asset_decimals(&self, asset: AssetIdx) -> u8 {
        self.assets.get(asset.index()).map_or(MONEY_DECIMALS, |a| a.decimals)
    }

    /// How many instruments are defined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instruments.len()
    }

    /// Whether none is defined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instruments.is_empty()
    }
}

/// Read back through [`InstrumentTable::asset`] and [`InstrumentTable::define`]: what could not be defined cannot be loaded.
impl Stored for InstrumentTable {
    fn put(&self, out: &mut Vec<u8>) {
        self.assets.put(out);
        self.instruments.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let invalid = CodecError::Invalid { what: "a table of instruments" };
        let mut table = Self::default();
        for (at, asset) in Vec::<Asset>::take(from)?.iter().enumerate() {
            let idx = table.asset(&asset.code, asset.decimals).map_err(|_| invalid.clone())?;
            if idx.index() != at {
                return Err(invalid);
            }
        }
        for (at, instrument) in Vec::<Instrument>::take(from)?.into_iter().enumerate() {
            if instrument.idx.index() != at {
                return Err(invalid);
            }
            table.define(instrument).map_err(|_| invalid.clone())?;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> (InstrumentTable, Instrument) {
        let mut table = InstrumentTable::default();
        let base = table.asset("BTC", 8).unwrap();
        let quote = table.asset("USDT", 8).unwrap();
        let instrument = Instrument {
            idx: InstrumentIdx(0),
            venue: VenueIdx(0),
            symbol: "BTCUSDT".into(),
            kind: InstrumentKind::Spot,
            base,
            quote,
            settle: quote,
            multiplier: Quantity::from_units(1),
            price_decimals: 2,
            quantity_decimals: 5,
            tick: Price::parse("0.01").unwrap(),
            lot: Quantity::parse("0.00001").unwrap(),
            min_quantity: Quantity::parse("0.00001").unwrap(),
            max_quantity: Quantity::from_units(9_000),
            min_notional: Money::from_units(5),
            margin_initial: Rate::ONE,
            margin_maintenance: Rate::ZERO,
            fee_maker: Rate::from_bps(10),
            fee_taker: Rate::from_bps(10),
            effective_from: UnixNanos(0),
        };
        (table, instrument)
    }

    #[test]
    fn rules_may_change_and_units_may_not() {
        let (mut table, instrument) = table();
        table.define(instrument.clone()).unwrap();
        table.define(Instrument { tick: Price::parse("0.1").unwrap(), ..instrument.clone() }).unwrap();
        assert_eq!(table.get(InstrumentIdx(0)).unwrap().tick.to_string(), "0.1");
        let error = table.define(Instrument { price_decimals: 3, ..instrument.clone() }).unwrap_err();
        assert!(error.to_string().contains("cannot change"), "{error}");
        let error = table.define(Instrument { idx: InstrumentIdx(2), ..instrument }).unwrap_err();
        assert!(error.to_string().contains("the next is 1"), "{error}");
    }

    #[test]
    fn definitions_that_cannot_be_traded_by_are_named() {
        let (mut table, good) = table();
        let cases = [
            (Instrument { tick: Price::ZERO, ..good.clone() }, "tick size 0"),
            (Instrument { tick: Price::parse("0.001").unwrap(), ..good.clone() }, "tick size 0.001"),
            (Instrument { lot: Quantity::parse("0.000001").unwrap(), ..good.clone() }, "lot size"),
            (Instrument { price_decimals: 13, ..good.clone() }, "at most 12"),
            (Instrument { margin_maintenance: Rate::ONE, margin_initial: Rate::ZERO, ..good.clone() }, "margin rates"),
            (Instrument { fee_taker: Rate::ONE, ..good.clone() }, "taker fee 1"),
            (Instrument { settle: good.base, kind: InstrumentKind::LinearPerpetual, ..good.clone() }, "inverse"),
            (Instrument { base: AssetIdx(9), ..good.clone() }, "asset number 9"),
        ];
        for (instrument, expected) in cases {
            let error = table.define(instrument).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }

    #[test]
    fn mantissas_and_money_agree() {
        let (_, i) = table();
        assert_eq!(i.price(4_044_295).to_string(), "40442.95");
        assert_eq!(i.price_mantissa(Price::parse("40442.95").unwrap()), Some(4_044_295));
        assert_eq!(i.price_mantissa(Price::parse("40442.951").unwrap()), None);
        assert_eq!(i.floor_to_lot(Quantity::parse("0.123456789").unwrap()).to_string(), "0.12345");
    }

    #[test]
    fn an_asset_has_one_precision() {
        let (mut table, _) = table();
        assert_eq!(table.asset("USDT", 8), Ok(AssetIdx(1)));
        assert!(table.asset("USDT", 6).is_err());
        assert!(table.asset("X", 13).is_err());
    }
}
