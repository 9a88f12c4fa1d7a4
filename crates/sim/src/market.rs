//! One instrument at the venue: its rules, what its market last showed, and the orders on it.
//!
//! In:  the instrument's definition; bars, trades and quotes.
//! Out: reference prices, what may still be taken of a bar, trade or quote, and the list of working orders in order of acceptance.

use crate::money::{self, Fraction, Scale};
use domain::codec::{CodecError, Reader, Stored};
use domain::decimal::{MONEY_DECIMALS, POW10, mul_money};
use domain::{
    AssetIdx, Digest, Digestible, Instrument, InstrumentKind, Price, Quantity, Rate, Rounding, Side, UnixNanos,
    stored_enum,
};

/// Which kind of data the market is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Feed {
    Unknown,
    Candles,
    Trades,
    Quotes,
}

/// Where in a bar the market is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Between a close and the next open.
    Between,
    /// The open was played: what arrives now still trades at it.
    Open,
    /// The path was played and the close is not yet known.
    Path,
}

#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub rules: Instrument,
    pub scale: Scale,
    /// 1e-12 per unit at the assets' precision.
    pub base_unit: i128,
    pub quote_unit: i128,
    /// Steps and bounds as mantissas.
    pub tick: i64,
    pub lot: i64,
    pub quantity_min: i64,
    pub quantity_max: i64,
    /// 1e-12 of base per unit of a quantity mantissa.
    pub quantity_unit: i128,
    pub fee_maker: Rate,
    pub fee_taker: Rate,
    pub maker: Fraction,
    pub taker: Fraction,
    /// Smallest product of price and quantity mantissas of an order.
    pub product_min: i128,

    pub feed: Feed,
    pub phase: Phase,
    /// Whether the last bar, trade or quote was a real one.
    pub tradable: bool,
    /// Last price: the reference of what has none of its own.
    pub last: Option<i64>,
    /// The price that positions are valued at.
    pub mark: Option<i64>,
    pub bid: Option<i64>,
    pub ask: Option<i64>,
    /// Quantity that buys and that sells can take: a bar's or trade's volume, or what the quote shows.
    pub volume: [i64; 2],
    /// How much of it our orders took.
    pub used: [i64; 2],
    /// The bar that `volume` belongs to.
    pub bar: Option<UnixNanos>,
    /// Slots of working orders, in order of acceptance.
    pub working: Vec<u32>,
    /// Accounts with a position in this perpetual.
    pub holders: u32,
    /// Strictly between these prices no working order does anything; `None` where that was not worked out since the orders changed.
    pub quiet: Option<(i64, i64)>,
}

impl Market {
    pub fn new(rules: &Instrument, fees: Option<(Rate, Rate)>, base_decimals: u8, quote_decimals: u8) -> Self {
        let (fee_maker, fee_taker) = fees.unwrap_or((rules.fee_maker, rules.fee_taker));
        let unit = i128::from(POW10[usize::from(MONEY_DECIMALS - rules.quantity_decimals)]);
        let clamp = |raw: i128| i64::try_from(raw).unwrap_or(i64::MAX);
        Self {
            scale: Scale::new(rules, quote_decimals),
            base_unit: money::unit_of(base_decimals),
            quote_unit: money::unit_of(quote_decimals),
            // A valid definition has both on the grid of its mantissas.
            tick: rules.price_mantissa(rules.tick).unwrap_or(1),
            lot: rules.quantity_mantissa(rules.lot).unwrap_or(1),
            quantity_min: clamp(domain::decimal::div_round(rules.min_quantity.raw(), unit, Rounding::Up)),
            quantity_max: clamp(domain::decimal::div_round(rules.max_quantity.raw(), unit, Rounding::Down)),
            quantity_unit: unit,
            fee_maker,
            fee_taker,
            maker: Fraction::new(fee_maker),
            taker: Fraction::new(fee_taker),
            product_min: smallest_product(rules),
            rules: rules.clone(),
            feed: Feed::Unknown,
            phase: Phase::Between,
            tradable: false,
            last: None,
            mark: None,
            bid: None,
            ask: None,
            volume: [0; 2],
            used: [0; 2],
            bar: None,
            working: Vec::with_capacity(16),
            holders: 0,
            quiet: None,
        }
    }

    /// New rules for the same instrument; what the market showed and the working orders stay.
    pub fn redefine(&mut self, rules: &Instrument, fees: Option<(Rate, Rate)>, base_decimals: u8, quote_decimals: u8) {
        let new = Self::new(rules, fees, base_decimals, quote_decimals);
        let old = std::mem::replace(self, new);
        self.feed = old.feed;
        self.phase = old.phase;
        self.tradable = old.tradable;
        self.last = old.last;
        self.mark = old.mark;
        self.bid = old.bid;
        self.ask = old.ask;
        self.volume = old.volume;
        self.used = old.used;
        self.bar = old.bar;
        self.working = old.working;
        self.holders = old.holders;
    }

    /// Whether a definition is of the same instrument: what cannot change is the same.
    pub fn has_shape_of(&self, other: &Instrument) -> bool {
        let shape =
            |i: &Instrument| (i.price_decimals, i.quantity_decimals, i.base, i.quote, i.settle, i.kind, i.multiplier);
        shape(&self.rules) == shape(other)
    }

    pub fn is_spot(&self) -> bool {
        self.rules.kind == InstrumentKind::Spot
    }

    /// Whether bars, trades or quotes can do anything here.
    #[inline]
    pub fn has_work(&self) -> bool {
        !self.working.is_empty() || self.holders != 0
    }

    /// Whether prices from `low` to `high` move nothing here.
    #[inline]
    pub fn is_quiet(&self, low: i64, high: i64) -> bool {
        self.holders == 0 && self.quiet.is_some_and(|(below, above)| low > below && high < above)
    }

    /// The price at which an order of that side would find the market now.
    pub fn reference(&self, side: Side) -> Option<i64> {
        match self.feed {
            Feed::Quotes => match side {
                Side::Buy => self.ask.or(self.last),
                Side::Sell => self.bid.or(self.last),
            },
            Feed::Unknown | Feed::Candles | Feed::Trades => self.last,
        }
    }

    /// What our orders of that side may still take of the present bar, trade or quote, in whole lots.
    pub fn available(&self, side: Side, participation: Option<Rate>) -> i64 {
        let Some(rate) = participation else {
            return i64::MAX;
        };
        let volume = self.volume[side as usize];
        let allowed = match self.feed {
            Feed::Quotes => volume,
            Feed::Unknown | Feed::Candles | Feed::Trades => {
                // At most the volume itself, so it fits.
                mul_money(i128::from(volume), i128::from(rate.raw()), Rounding::Down)
                    .and_then(|v| i64::try_from(v).ok())
                    .unwrap_or(0)
            }
        };
        // The cap as a whole is floored to the lot, and every fill is whole lots: what is left is too.
        let left = allowed.saturating_sub(self.used[side as usize]);
        (left - left.rem_euclid(self.lot)).max(0)
    }

    /// Notes that our orders took that much. Bars and trades have one volume for both sides.
    pub fn take(&mut self, side: Side, quantity: i64) {
        match self.feed {
            Feed::Quotes => {
                let used = &mut self.used[side as usize];
                *used = used.saturating_add(quantity);
            }
            Feed::Unknown | Feed::Candles | Feed::Trades => {
                for used in &mut self.used {
                    *used = used.saturating_add(quantity);
                }
            }
        }
    }

    /// A price that an order names, as a mantissa on the tick; `None` if it is not one.
    pub fn price(&self, price: Price) -> Option<i64> {
        let mantissa = self.rules.price_mantissa(price)?;
        (mantissa > 0 && mantissa % self.tick == 0).then_some(mantissa)
    }

    /// A quantity that an order names, as a mantissa of whole lots within the bounds; `None` if it is not one.
    pub fn quantity(&self, quantity: Quantity) -> Option<i64> {
        let mantissa = self.rules.quantity_mantissa(quantity)?;
        let good =
            mantissa > 0 && mantissa % self.lot == 0 && mantissa >= self.quantity_min && mantissa <= self.quantity_max;
        good.then_some(mantissa)
    }

    /// Whether price x quantity reaches the minimum, exactly.
    pub fn reaches_minimum(&self, price: i64, quantity: i64) -> bool {
        i128::from(price) * i128::from(quantity) >= self.product_min
    }

    /// Whole lots of an amount of base (1e-12), as a mantissa.
    pub fn whole_lots(&self, base: i128) -> i64 {
        let lot = i128::from(self.lot) * self.quantity_unit;
        let lots = base.div_euclid(lot).max(0);
        i64::try_from(lots.saturating_mul(i128::from(self.lot))).unwrap_or(i64::MAX - i64::MAX % self.lot)
    }

    /// The asset that an order of that side gives on spot.
    pub fn gives(&self, side: Side) -> AssetIdx {
        match side {
            Side::Buy => self.rules.quote,
            Side::Sell => self.rules.base,
        }
    }
}

/// The minimum notional as a product of mantissas, rounded up.
fn smallest_product(rules: &Instrument) -> i128 {
    let decimals = rules.price_decimals + rules.quantity_decimals;
    let raw = rules.min_notional.raw();
    if decimals >= MONEY_DECIMALS {
        // A minimum beyond all products refuses every order, as it should.
        raw.saturating_mul(money::pow10(decimals - MONEY_DECIMALS))
    } else {
        domain::decimal::div_round(raw, money::pow10(MONEY_DECIMALS - decimals), Rounding::Up)
    }
}

stored_enum!(Feed, "a kind of data" { 0 => Unknown, 1 => Candles, 2 => Trades, 3 => Quotes });
stored_enum!(Phase, "a phase of a bar" { 0 => Between, 1 => Open, 2 => Path });

/// For snapshots: what the market showed and its orders. The rules are written before it.
impl Market {
    pub fn save(&self, out: &mut Vec<u8>) {
        self.feed.put(out);
        self.phase.put(out);
        self.tradable.put(out);
        [self.last, self.mark, self.bid, self.ask].put(out);
        self.volume.put(out);
        self.used.put(out);
        self.bar.put(out);
        self.working.put(out);
        self.holders.put(out);
        self.quiet.put(out);
    }

    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.feed = Stored::take(from)?;
        self.phase = Stored::take(from)?;
        self.tradable = Stored::take(from)?;
        [self.last, self.mark, self.bid, self.ask] = Stored::take(from)?;
        self.volume = Stored::take(from)?;
        self.used = Stored::take(from)?;
        self.bar = Stored::take(from)?;
        self.working = Stored::take(from)?;
        self.holders = Stored::take(from)?;
        self.quiet = Stored::take(from)?;
        Ok(())
    }
}

impl Digestible for Market {
    fn digest(&self, d: &mut Digest) {
        self.rules.digest(d);
        d.int(self.fee_maker.raw());
        d.int(self.fee_taker.raw());
        d.word(self.feed as u64 | (self.phase as u64) << 8 | u64::from(self.tradable) << 16);
        for price in [self.last, self.mark, self.bid, self.ask] {
            d.int(price.unwrap_or(i64::MIN));
        }
        for quantity in self.volume.iter().chain(&self.used) {
            d.int(*quantity);
        }
        d.word(self.bar.map_or(u64::MAX, |t| t.0));
        d.word(u64::from(self.holders));
        // What is passed over leaves time and queues as they were, so where that is so counts.
        let (below, above) = self.quiet.unwrap_or((i64::MAX, i64::MIN));
        d.int(below);
        d.int(above);
    }
}
