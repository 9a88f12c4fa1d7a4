//! Round trips: from flat into a position and back to flat, with average prices, fees and profit.
//!
//! In:  each fill of a strategy with its effect on the ledger.
//! Out: a closed [`RoundTrip`] when the position is flat again, or when a close leaves dust behind.
//! The sum over the trips, the open ones and [`RoundTrips::residue`] is the ledger's `realised - fees`, to the last unit.

use crate::dust::is_dust;
use crate::ledger::FillEffect;
use crate::valuation;
use domain::codec::{CodecError, Reader, Stored, put_version};
use domain::decimal::{MONEY_DECIMALS, POW10_F64, Rounding, div_round};
use domain::{
    AccountId, Fill, Instrument, InstrumentIdx, Money, Price, Quantity, Side, StrategyIdx, UnixNanos, stored_enum,
    stored_struct,
};

/// Which way a round trip goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Bought first.
    Long,
    /// Sold first.
    Short,
}

/// A position that was opened and closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrip {
    /// The account.
    pub account: AccountId,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// The strategy.
    pub strategy: StrategyIdx,
    /// Long or short.
    pub side: Direction,
    /// When the first fill was booked.
    pub entry_ts: UnixNanos,
    /// When the last fill was booked.
    pub exit_ts: UnixNanos,
    /// All that was entered, partial entries added up, before fees in the base asset.
    pub quantity: Quantity,
    /// `sum of price x quantity / sum of quantity` of what was entered, rounded half even at 1e-12.
    pub entry_price: Price,
    /// The same as a double, divided once.
    pub entry_price_f64: f64,
    /// `sum of price x quantity / sum of quantity` of what was closed, rounded half even at 1e-12.
    pub exit_price: Price,
    /// The same as a double, divided once.
    pub exit_price_f64: f64,
    /// Fees in quote. Of a fill that closes one trip and opens the next each gets its share by quantity, the closing one rounded down.
    pub fees: Money,
    /// Realised profit less fees, in quote.
    pub pnl: Money,
}

/// A position that is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenTrip {
    /// The account.
    pub account: AccountId,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// The strategy.
    pub strategy: StrategyIdx,
    /// Long or short.
    pub side: Direction,
    /// When the first fill was booked.
    pub entry_ts: UnixNanos,
    /// All that was entered so far.
    pub quantity: Quantity,
    /// Average price of what was entered, rounded half even at 1e-12.
    pub entry_price: Price,
    /// The same as a double, divided once.
    pub entry_price_f64: f64,
    /// Fees so far, in quote.
    pub fees: Money,
    /// Realised so far, before fees, in quote.
    pub realised: Money,
}

/// `sum of price * quantity` and `sum of quantity`, in mantissas: exact.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    weighted: i128,
    quantity: i128,
}

impl Average {
    /// Sums that pass 128 bits stay at the end of the range: the average is then wrong, which no instrument with a price and
    /// quantity of real size comes near (9e18 x 9e18 in one fill); profit does not depend on it.
    fn add(&mut self, price: i64, quantity: i128) {
        self.weighted = self.weighted.saturating_add(i128::from(price).saturating_mul(quantity));
        self.quantity = self.quantity.saturating_add(quantity);
    }

    fn price(&self, decimals: u8) -> (Price, f64) {
        if self.quantity <= 0 {
            return (Price::ZERO, 0.0);
        }
        // Split so that the scaling cannot overflow: whole mantissas first, then the rest below one quantity.
        let unit = valuation::step(decimals);
        let whole = div_round(self.weighted, self.quantity, Rounding::Down);
        let rest = self.weighted - whole * self.quantity;
        let part = if rest == 0 { 0 } else { div_round(rest.saturating_mul(unit), self.quantity, Rounding::HalfEven) };
        let price = Price::from_raw(whole.saturating_mul(unit).saturating_add(part));
        let scale = POW10_F64[usize::from(decimals.min(MONEY_DECIMALS))];
        // One price throughout is the double next to it; else one division of numbers that are mostly exact.
        let double =
            if rest == 0 { whole as f64 / scale } else { self.weighted as f64 / (self.quantity as f64 * scale) };
        (price, double)
    }
}

#[derive(Clone, Copy, Debug)]
struct Trip {
    key: (AccountId, InstrumentIdx, StrategyIdx),
    open: bool,
    side: Direction,
    entry_ts: UnixNanos,
    entry: Average,
    exit: Average,
    price_decimals: u8,
    quantity_decimals: u8,
    fees: i128,
    realised: i128,
}

/// Follows the round trips of all strategies. After a strategy's first fill in an instrument it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct RoundTrips {
    /// By key, ascending.
    trips: Vec<Trip>,
    residue: i128,
}

impl RoundTrips {
    /// None so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { trips: Vec::new(), residue: 0 }
    }

    /// Takes in a fill that was booked at `ts` with this effect. Returns the trip that it ended, if it did.
    ///
    /// A close that leaves dust ends the trip; fills that only close the dust later belong to none and are counted in
    /// [`RoundTrips::residue`]. A fill that goes through zero ends one trip and begins the next.
    pub fn on_fill(
        &mut self,
        ts: UnixNanos,
        instrument: &Instrument,
        fill: &Fill,
        effect: &FillEffect,
    ) -> Option<RoundTrip> {
        let key = (fill.account, fill.instrument, fill.strategy);
        let at = self.trips.partition_point(|trip| trip.key < key);
        if self.trips.get(at).is_none_or(|trip| trip.key != key) {
            self.trips.insert(at, Trip::closed(key, instrument));
        }
        let trip = self.trips.get_mut(at)?;
        let whole = i128::from(fill.quantity);
        // Parts of a fill are multiples of the quantity's decimals, because what they close was opened by whole fills.
        let (opened, closed) = match (effect.opened.is_zero(), effect.closed.is_zero()) {
            (_, true) => (whole, 0),
            (true, false) => (0, whole),
            (false, false) => {
                let closed = effect.closed.raw() / valuation::step(instrument.quantity_decimals);
                (whole - closed, closed)
            }
        };
        let fee = effect.fee_value.raw();
        let side = match fill.side {
            Side::Buy => Direction::Long,
            Side::Sell => Direction::Short,
        };
        if closed == 0 {
            if !trip.open {
                trip.begin(ts, side);
            }
            trip.entry.add(fill.price, opened);
            trip.book(effect.realised.raw(), fee);
            return None;
        }
        let closing_fee = if opened == 0 { fee } else { part_of(fee, closed, whole) };
        let mut ended = None;
        if trip.open {
            trip.exit.add(fill.price, closed);
            trip.book(effect.realised.raw(), closing_fee);
            if opened != 0
                || effect.position.is_flat()
                || is_dust(instrument, effect.position.quantity, instrument.price(fill.price))
            {
                trip.open = false;
                ended = Some(trip.ended(ts));
            }
        } else {
            self.residue = self.residue.saturating_add(effect.realised.raw()).saturating_sub(closing_fee);
        }
        if opened != 0 {
            trip.begin(ts, side);
            trip.entry.add(fill.price, opened);
            trip.book(0, fee - closing_fee);
        }
        ended
    }

    /// The trips that are open, by account, instrument and strategy.
    pub fn open(&self) -> impl Iterator<Item = OpenTrip> + '_ {
        self.trips.iter().filter(|trip| trip.open).map(Trip::view)
    }

    /// Profit less fees of fills that belong to no trip: what closing leftover dust brought. In quote currencies added up.
    #[must_use]
    pub const fn residue(&self) -> Money {
        Money::from_raw(self.residue)
    }
}

const VERSION: u32 = 1;
const WHAT: &str = "the round trips";

/// For snapshots.
impl RoundTrips {
    /// Appends the trips to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        self.trips.put(out);
        self.residue.put(out);
    }

    /// Takes over saved trips. After an error these must not be used any more.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that no trips wrote.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        from.version(WHAT, VERSION)?;
        self.trips = Stored::take(from)?;
        self.residue = from.i128()?;
        let sound = |trip: &Trip| trip.price_decimals.max(trip.quantity_decimals) <= MONEY_DECIMALS;
        if self.trips.iter().all(sound) && self.trips.is_sorted_by(|a, b| a.key < b.key) {
            Ok(())
        } else {
            Err(CodecError::Invalid { what: WHAT })
        }
    }
}

stored_enum!(Direction, "a direction" { 0 => Long, 1 => Short });
stored_struct!(Average { weighted, quantity });
stored_struct!(Trip { key, open, side, entry_ts, entry, exit, price_decimals, quantity_decimals, fees, realised });

impl Trip {
    fn closed(key: (AccountId, InstrumentIdx, StrategyIdx), instrument: &Instrument) -> Self {
        Self {
            key,
            open: false,
            side: Direction::Long,
            entry_ts: UnixNanos(0),
            entry: Average::default(),
            exit: Average::default(),
            price_decimals: instrument.price_decimals,
            quantity_decimals: instrument.quantity_decimals,
            fees: 0,
            realised: 0,
        }
    }

    fn begin(&mut self, ts: UnixNanos, side: Direction) {
        self.open = true;
        self.side = side;
        self.entry_ts = ts;
        self.entry = Average::default();
        self.exit = Average::default();
        self.fees = 0;
        self.realised = 0;
    }

    /// The ledger has checked that its own sums of these hold, of which this is a part.
    fn book(&mut self, realised: i128, fee: i128) {
        self.realised = self.realised.saturating_add(realised);
        self.fees = self.fees.saturating_add(fee);
    }

    fn view(&self) -> OpenTrip {
        let (entry_price, entry_price_f64) = self.entry.price(self.price_decimals);
        OpenTrip {
            account: self.key.0,
            instrument: self.key.1,
            strategy: self.key.2,
            side: self.side,
            entry_ts: self.entry_ts,
            quantity: Quantity::from_raw(self.entry.quantity.saturating_mul(valuation::step(self.quantity_decimals))),
            entry_price,
            entry_price_f64,
            fees: Money::from_raw(self.fees),
            realised: Money::from_raw(self.realised),
        }
    }

    fn ended(&self, ts: UnixNanos) -> RoundTrip {
        let open = self.view();
        let (exit_price, exit_price_f64) = self.exit.price(self.price_decimals);
        RoundTrip {
            account: open.account,
            instrument: open.instrument,
            strategy: open.strategy,
            side: open.side,
            entry_ts: open.entry_ts,
            exit_ts: ts,
            quantity: open.quantity,
            entry_price: open.entry_price,
            entry_price_f64: open.entry_price_f64,
            exit_price,
            exit_price_f64,
            fees: open.fees,
            pnl: Money::from_raw(self.realised.saturating_sub(self.fees)),
        }
    }
}

/// `fee * part / whole`, rounded down; `0 < part < whole`.
fn part_of(fee: i128, part: i128, whole: i128) -> i128 {
    match fee.checked_mul(part) {
        Some(product) => div_round(product, whole, Rounding::Down),
        None => {
            let k = fee.div_euclid(whole);
            k.saturating_mul(part)
        }
    }
}
