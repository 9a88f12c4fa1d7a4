//! Instrument data: decimals, steps, minima, margins and fees of well-known instruments, and the `generic` one for any series.
//!
//! In:  `instruments.csv` beside this file, which says where its figures are from; or two numbers of decimals.
//! Out: [`Listing`], from which a run defines its `domain::Instrument`.
//! Decimals are those of the data (they hold every figure ever stored), steps are those of orders: the two are not the same number.

use super::error::HistoryError;
use domain::instrument::{InstrumentError, InstrumentIdx, InstrumentKind, InstrumentTable};
use domain::{AssetIdx, Instrument, Money, Price, Quantity, Rate, UnixNanos, VenueIdx};
use std::sync::OnceLock;

/// How many decimals a series is written with: the `PRICEDEC,QTYDEC` of `generic:PRICEDEC,QTYDEC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimals {
    /// Of prices.
    pub price: u8,
    /// Of quantities.
    pub quantity: u8,
}

impl Decimals {
    /// Reads `generic:PRICEDEC,QTYDEC`.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "`{text}` is no instrument; expected generic:PRICEDEC,QTYDEC, each from 0 to 12, such as generic:2,8"
            )
        };
        let (price, quantity) =
            text.strip_prefix("generic:").and_then(|rest| rest.split_once(',')).ok_or_else(expected)?;
        let read = |part: &str| part.trim().parse::<u8>().ok().filter(|d| *d <= domain::decimal::MONEY_DECIMALS);
        Ok(Self { price: read(price).ok_or_else(expected)?, quantity: read(quantity).ok_or_else(expected)? })
    }
}

/// What is known about an instrument before it gets its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its venue: `binance_spot`, `binance_usdm`, or as said.
    pub venue: String,
    /// Its symbol: `BTCUSDT`.
    pub symbol: String,
    /// What it is.
    pub kind: InstrumentKind,
    /// Code of the asset bought and sold.
    pub base: String,
    /// Code of the asset that prices are in.
    pub quote: String,
    /// Decimals that balances of both are kept at.
    pub asset_decimals: u8,
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
    /// Smallest price x quantity of an order.
    pub min_notional: Money,
    /// Initial margin; 1 for spot.
    pub margin_initial: Rate,
    /// Maintenance margin; 0 for spot.
    pub margin_maintenance: Rate,
    /// Maker fee.
    pub fee_maker: Rate,
    /// Taker fee.
    pub fee_taker: Rate,
    /// Whether it is the `generic` one: digits past its decimals are rounded and counted, elsewhere they make a bad row.
    pub generic: bool,
}

/// The columns of a table of instruments that a [`Listing`] fills.
const COLUMNS: [&str; 17] = [
    "venue",
    "symbol",
    "kind",
    "base",
    "quote",
    "asset_decimals",
    "price_decimals",
    "quantity_decimals",
    "tick",
    "lot",
    "min_quantity",
    "max_quantity",
    "min_notional",
    "margin_initial",
    "margin_maintenance",
    "fee_maker",
    "fee_taker",
];

/// Quote assets that the name of a symbol may end in, longer ones first.
const QUOTES: [&str; 13] =
    ["FDUSD", "BUSD", "TUSD", "USDT", "USDC", "USD", "EUR", "GBP", "TRY", "BTC", "ETH", "BNB", "DAI"];

impl Listing {
    /// An instrument for a series that has no instrument data: spot, one step of its decimals as tick and lot, no minima, no fees.
    /// Balances are kept at 12 decimals. The quote asset is what the symbol ends in if that is well known, otherwise `USD`.
    #[must_use]
    pub fn generic(venue: &str, symbol: &str, decimals: Decimals) -> Self {
        let letters: String =
            symbol.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
        let split = QUOTES
            .iter()
            .find_map(|quote| letters.strip_suffix(quote).filter(|base| !base.is_empty()).map(|base| (base, *quote)));
        let (base, quote) = split.unwrap_or((letters.as_str(), "USD"));
        // A series named like its quote asset would otherwise be traded against itself.
        let base = if base == quote || base.is_empty() { "UNITS" } else { base };
        let price = decimals.price.min(domain::decimal::MONEY_DECIMALS);
        let quantity = decimals.quantity.min(domain::decimal::MONEY_DECIMALS);
        let lot = Quantity::from_mantissa(1, quantity);
        Self {
            venue: venue.to_owned(),
            symbol: symbol.to_owned(),
            kind: InstrumentKind::Spot,
            base: base.to_owned(),
            quote: quote.to_owned(),
            asset_decimals: domain::decimal::MONEY_DECIMALS,
            price_decimals: price,
            quantity_decimals: quantity,
            tick: Price::from_mantissa(1, price),
            lot,
            min_quantity: lot,
            max_quantity: Quantity::from_units(i64::MAX),
            min_notional: Money::ZERO,
            margin_initial: Rate::ONE,
            margin_maintenance: Rate::ZERO,
            fee_maker: Rate::ZERO,
            fee_taker: Rate::ZERO,
            generic: true,
        }
    }

    /// The columns of a line of a table of instruments.
    pub(crate) const COLUMNS: [&str; 17] = COLUMNS;

    /// Reads one line of a table of instruments; comments and headers are none. The error is the name of the column that cannot be read.
    pub(crate) fn read_line(line: &str) -> Result<Self, &'static str> {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != COLUMNS.len() || line.starts_with('#') || line.starts_with("venue,") {
            return Err("venue");
        }
        let cell = |name: &'static str| -> Result<&str, &'static str> {
            let at = COLUMNS.iter().position(|c| *c == name).ok_or(name)?;
            cells.get(at).copied().filter(|c| !c.is_empty()).ok_or(name)
        };
        let decimals = |name: &'static str| {
            cell(name)?.parse::<u8>().ok().filter(|d| *d <= domain::decimal::MONEY_DECIMALS).ok_or(name)
        };
        let price = |name: &'static str| Price::parse(cell(name)?).map_err(|_| name);
        let quantity = |name: &'static str| Quantity::parse(cell(name)?).map_err(|_| name);
        let rate = |name: &'static str| Rate::parse(cell(name)?).map_err(|_| name);
        Ok(Self {
            venue: cell("venue")?.to_owned(),
            symbol: cell("symbol")?.to_owned(),
            kind: match cell("kind")? {
                "spot" => InstrumentKind::Spot,
                "linear-perpetual" => InstrumentKind::LinearPerpetual,
                _ => return Err("kind"),
            },
            base: cell("base")?.to_owned(),
            quote: cell("quote")?.to_owned(),
            asset_decimals: decimals("asset_decimals")?,
            price_decimals: decimals("price_decimals")?,
            quantity_decimals: decimals("quantity_decimals")?,
            tick: price("tick")?,
            lot: quantity("lot")?,
            min_quantity: quantity("min_quantity")?,
            max_quantity: quantity("max_quantity")?,
            min_notional: Money::parse(cell("min_notional")?).map_err(|_| "min_notional")?,
            margin_initial: rate("margin_initial")?,
            margin_maintenance: rate("margin_maintenance")?,
            fee_maker: rate("fee_maker")?,
            fee_taker: rate("fee_taker")?,
            generic: false,
        })
    }

    /// Writes it as a line of a table of instruments.
    pub(crate) fn to_line(&self) -> String {
        let kind = match self.kind {
            InstrumentKind::Spot => "spot",
            InstrumentKind::LinearPerpetual => "linear-perpetual",
        };
        [
            self.venue.clone(),
            self.symbol.clone(),
            kind.to_owned(),
            self.base.clone(),
            self.quote.clone(),
            self.asset_decimals.to_string(),
            self.price_decimals.to_string(),
            self.quantity_decimals.to_string(),
            self.tick.to_string(),
            self.lot.to_string(),
            self.min_quantity.to_string(),
            self.max_quantity.to_string(),
            self.min_notional.to_string(),
            self.margin_initial.to_string(),
            self.margin_maintenance.to_string(),
            self.fee_maker.to_string(),
            self.fee_taker.to_string(),
        ]
        .join(",")
    }

    /// The instrument data of a symbol: from the table, or `generic` where decimals are given.
    ///
    /// # Errors
    /// [`HistoryError::UnknownInstrument`] names what is known.
    pub fn find(venue: &str, symbol: &str, generic: Option<Decimals>) -> Result<Self, HistoryError> {
        if let Some(decimals) = generic {
            return Ok(Self::generic(venue, symbol, decimals));
        }
        let all = listings();
        if let Some(listing) = all.iter().find(|l| l.venue == venue && l.symbol == symbol) {
            return Ok(listing.clone());
        }
        let here: Vec<&str> = all.iter().filter(|l| l.venue == venue).map(|l| l.symbol.as_str()).collect();
        let known = if here.is_empty() {
            let mut venues: Vec<&str> = all.iter().map(|l| l.venue.as_str()).collect();
            venues.dedup();
            format!("nothing; venues with instrument data: {}", venues.join(", "))
        } else {
            here.join(", ")
        };
        Err(HistoryError::UnknownInstrument { symbol: symbol.to_owned(), venue: venue.to_owned(), known })
    }

    /// The instrument with its numbers: assets are added to the table, the instrument is not (its rules may be changed first).
    ///
    /// # Errors
    /// If an asset is in the table with another precision, or the definition is not valid.
    pub fn instrument(
        &self,
        idx: InstrumentIdx,
        venue: VenueIdx,
        table: &mut InstrumentTable,
    ) -> Result<Instrument, InstrumentError> {
        let base: AssetIdx = table.asset(&self.base, self.asset_decimals)?;
        let quote = table.asset(&self.quote, self.asset_decimals)?;
        let instrument = Instrument {
            idx,
            venue,
            symbol: self.symbol.clone(),
            kind: self.kind,
            base,
            quote,
            settle: quote,
            multiplier: Quantity::from_units(1),
            price_decimals: self.price_decimals,
            quantity_decimals: self.quantity_decimals,
            tick: self.tick,
            lot: self.lot,
            min_quantity: self.min_quantity,
            max_quantity: self.max_quantity,
            min_notional: self.min_notional,
            margin_initial: self.margin_initial,
            margin_maintenance: self.margin_maintenance,
            fee_maker: self.fee_maker,
            fee_taker: self.fee_taker,
            effective_from: UnixNanos(0),
        };
        instrument.validate()?;
        Ok(instrument)
    }
}

/// The table of instruments that bot4 carries, sorted by venue and symbol.
#[must_use]
pub fn listings() -> &'static [Listing] {
    static TABLE: OnceLock<Vec<Listing>> = OnceLock::new();
    TABLE.get_or_init(|| {
        include_str!("instruments.csv").lines().filter_map(|line| Listing::read_line(line).ok()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_an_instrument_that_can_be_defined() {
        let lines =
            include_str!("instruments.csv").lines().filter(|l| !l.starts_with('#') && !l.starts_with("venue,")).count();
        assert_eq!(listings().len(), lines);
        let mut table = InstrumentTable::default();
        for (n, listing) in listings().iter().enumerate() {
            let idx = InstrumentIdx(u16::try_from(n).unwrap());
            let instrument = listing.instrument(idx, VenueIdx(0), &mut table).unwrap();
            table.define(instrument).unwrap();
        }
        let key = |l: &Listing| (l.venue.clone(), l.symbol.clone());
        assert!(listings().is_sorted_by(|a, b| key(a) < key(b)), "sorted, and each once");
    }

    #[test]
    fn an_unknown_symbol_is_an_error_that_names_what_is_known() {
        let text = Listing::find("binance_spot", "XYZUSDT", None).unwrap_err().to_string();
        assert!(text.starts_with("no instrument data for XYZUSDT on binance_spot; known there: ADAUSDT, "), "{text}");
        assert!(text.ends_with("say --instrument generic:PRICEDEC,QTYDEC"), "{text}");
        let text = Listing::find("mars", "XYZUSDT", None).unwrap_err().to_string();
        assert!(
            text.contains("known there: nothing; venues with instrument data: binance_spot, binance_usdm"),
            "{text}"
        );
    }

    #[test]
    fn generic_instruments_are_defined_by_their_decimals() {
        assert_eq!(Decimals::parse("generic:11,8"), Ok(Decimals { price: 11, quantity: 8 }));
        for bad in ["generic", "generic:", "generic:2", "generic:13,1", "generic:2,-1", "spot:2,2"] {
            assert!(Decimals::parse(bad).unwrap_err().contains("expected generic:PRICEDEC,QTYDEC"), "{bad}");
        }
        let split = |symbol| {
            let l = Listing::generic("generic", symbol, Decimals { price: 2, quantity: 3 });
            (l.base, l.quote)
        };
        assert_eq!(split("BTC-USDT"), ("BTC".into(), "USDT".into()));
        assert_eq!(split("prices"), ("PRICES".into(), "USD".into()));
        assert_eq!(split("USD"), ("UNITS".into(), "USD".into()));
        let generic = Listing::generic("generic", "X", Decimals { price: 12, quantity: 12 });
        generic.instrument(InstrumentIdx(0), VenueIdx(0), &mut InstrumentTable::default()).unwrap();
    }
}
