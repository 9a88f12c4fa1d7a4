//! How each type of the vocabulary is written: one line per field, in order. Types with something to check on reading have their
//! implementation here too or, where it needs what is private, beside the type.

use super::{CodecError, Pack, Reader, Stored};
use crate::account::{AccountId, AssetIdx, VenueIdx};
use crate::event::{AccountReport, Control, Event, EventBody, InputId, ModelOutput, ReportBody, TimerFired};
use crate::fill::{Fee, Fill, Liquidity};
use crate::instrument::{Asset, Instrument, InstrumentIdx, InstrumentKind};
use crate::market::{BookDelta, Candle, MarketFlags, Quote, Trade};
use crate::market_view::InstrumentView;
use crate::money::Money;
use crate::order::{
    ClientOrderId, OrderClass, OrderQuantity, OrderSpec, OrderStatus, OrderType, RejectReason, Side, TimeInForce,
    TrailOffset, VenueOrderId,
};
use crate::position::{PositionSide, PositionView};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::rate::Rate;
use crate::signal::{
    Entry, InferRequest, Intent, Output, Signal, SignalStatistics, SizeRequest, StopLevel, StopPlan, StrategyIdx,
    TimerRequest,
};
use crate::time::{Nanos, UnixNanos};
use crate::{stored_enum, stored_struct};

macro_rules! numbers {
    ($($type:ident),+) => {$(
        impl Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(Self(Stored::take(from)?))
            }
        }
    )+};
}
numbers!(UnixNanos, Nanos, AccountId, VenueIdx, AssetIdx, InstrumentIdx, StrategyIdx, VenueOrderId, MarketFlags);

macro_rules! decimals {
    ($($type:ident),+) => {$(
        impl Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                self.raw().put(out);
            }
            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(Self::from_raw(Stored::take(from)?))
            }
        }
    )+};
}
decimals!(Money, Price, Quantity, Rate);

/// A number without our prefix is refused.
impl Stored for ClientOrderId {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        self.raw().put(out);
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let raw = from.u128()?;
        if (raw >> 112) as u16 != Self::PREFIX {
            return Err(CodecError::Invalid { what: "a client order id" });
        }
        Ok(Self::new(AccountId((raw >> 96) as u16), (raw >> 64) as u32, raw as u64))
    }
}

impl Stored for InputId {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        self.raw().put(out);
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let raw = from.u64()?;
        Ok(Self::new((raw >> 48) as u16, raw))
    }
}

stored_enum!(Side, "a side" { 0 => Buy, 1 => Sell });
stored_enum!(Liquidity, "a liquidity" { 0 => Maker, 1 => Taker });
stored_enum!(OrderClass, "an order class" { 0 => Entry, 1 => Reducing });
stored_enum!(PositionSide, "a position side" { 0 => Net, 1 => Long, 2 => Short });
stored_enum!(InstrumentKind, "a kind of instrument" { 0 => Spot, 1 => LinearPerpetual });
stored_enum!(Intent, "an intent" { 0 => EnterLong, 1 => EnterShort, 2 => Exit });
stored_enum!(Control, "a control event" {
    0 => Pause,
    1 => Resume,
    2 => Trip { cause, flatten, including_stops },
    3 => Restrict { to, cancel_entries, holder },
    4 => Rearm { what, holder },
    5 => Tighten { limit, to, holder },
    6 => Gate { level },
    7 => Gap { account, since },
    8 => Epoch { epoch },
});

stored_enum!(OrderStatus, "an order status" {
    0 => Submitted,
    1 => Accepted,
    2 => PartiallyFilled,
    3 => CancelPending,
    4 => OutcomeUnknown,
    5 => Filled,
    6 => Canceled,
    7 => Expired,
    8 => Rejected,
});

stored_enum!(RejectReason, "a reason of rejection" {
    0 => UnknownInstrument,
    1 => UnknownOrder,
    2 => DuplicateOrder,
    3 => PriceFilter,
    4 => LotFilter,
    5 => MinNotional,
    6 => InsufficientBalance,
    7 => InsufficientMargin,
    8 => WouldCross,
    9 => WouldTrigger,
    10 => ReduceOnly,
    11 => NotFilledAtOnce,
    12 => Unsupported,
    13 => ApprovalExpired,
    14 => RateLimit,
    15 => NoMarket,
    16 => SelfMatch,
    17 => Liquidation,
    18 => OneCancelsOther,
});

stored_enum!(TrailOffset, "a trailing offset" { 1 => Distance(distance), 2 => Fraction(fraction) });
stored_enum!(OrderType, "an order type" {
    1 => Market,
    2 => Limit { price },
    3 => StopMarket { trigger },
    4 => StopLimit { trigger, price },
    5 => TakeProfit { trigger },
    6 => TrailingStop { offset },
});
stored_enum!(OrderQuantity, "an order quantity" { 1 => Base(quantity), 2 => Contracts(contracts), 3 => QuoteAmount(amount) });
stored_enum!(TimeInForce, "a time in force" { 1 => Gtc, 2 => Ioc, 3 => Fok, 4 => Gtd(until) });

/// Of one width whatever the type, so that a snapshot of thousands of orders is written without a branch per field: a field that the order
/// does not have is zero.
impl OrderSpec {
    /// How many bytes an order takes.
    pub const WIDTH: usize = 84;

    /// The bytes.
    #[must_use]
    #[inline(always)]
    pub fn packed(&self) -> [u8; Self::WIDTH] {
        let (kind, first, second) = match self.kind {
            OrderType::Market => (1, 0, 0),
            OrderType::Limit { price } => (2, price.raw(), 0),
            OrderType::StopMarket { trigger } => (3, trigger.raw(), 0),
            OrderType::StopLimit { trigger, price } => (4, trigger.raw(), price.raw()),
            OrderType::TakeProfit { trigger } => (5, trigger.raw(), 0),
            OrderType::TrailingStop { offset: TrailOffset::Distance(distance) } => (6, distance.raw(), 0),
            OrderType::TrailingStop { offset: TrailOffset::Fraction(fraction) } => (7, i128::from(fraction.raw()), 0),
        };
        let (unit, quantity) = match self.quantity {
            OrderQuantity::Base(quantity) => (1, quantity.raw()),
            OrderQuantity::Contracts(contracts) => (2, contracts.raw()),
            OrderQuantity::QuoteAmount(amount) => (3, amount.raw()),
        };
        let (force, until) = match self.time_in_force {
            TimeInForce::Gtc => (1, 0),
            TimeInForce::Ioc => (2, 0),
            TimeInForce::Fok => (3, 0),
            TimeInForce::Gtd(until) => (4, until.0),
        };
        let mut pack = Pack::new();
        pack.field(self.client_id.raw().to_le_bytes()).u8(kind).i128(first).i128(second);
        pack.u8(unit).i128(quantity).u8(force).field(until.to_le_bytes());
        pack.field(self.account.0.to_le_bytes()).field(self.instrument.0.to_le_bytes());
        pack.field(self.strategy.0.to_le_bytes()).u8(self.side as u8).bool(self.post_only).bool(self.reduce_only);
        pack.bytes()
    }
}

impl Stored for OrderSpec {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packed());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let bytes = from.array::<{ Self::WIDTH }>()?;
        let mut r = Reader::new(&bytes);
        let client_id = ClientOrderId::take(&mut r)?;
        let (kind, first, second) = (r.u8()?, r.i128()?, r.i128()?);
        let price = Price::from_raw(first);
        let kind = match kind {
            1 => OrderType::Market,
            2 => OrderType::Limit { price },
            3 => OrderType::StopMarket { trigger: price },
            4 => OrderType::StopLimit { trigger: price, price: Price::from_raw(second) },
            5 => OrderType::TakeProfit { trigger: price },
            6 => OrderType::TrailingStop { offset: TrailOffset::Distance(price) },
            // A fraction is a 64-bit number; what is cut off here is found by the comparison below.
            7 => OrderType::TrailingStop { offset: TrailOffset::Fraction(Rate::from_raw(first as i64)) },
            _ => return Err(CodecError::Invalid { what: "an order type" }),
        };
        let (unit, quantity) = (r.u8()?, r.i128()?);
        let quantity = match unit {
            1 => OrderQuantity::Base(Quantity::from_raw(quantity)),
            2 => OrderQuantity::Contracts(Quantity::from_raw(quantity)),
            3 => OrderQuantity::QuoteAmount(Money::from_raw(quantity)),
            _ => return Err(CodecError::Invalid { what: "an order quantity" }),
        };
        let (force, until) = (r.u8()?, r.u64()?);
        let time_in_force = match force {
            1 => TimeInForce::Gtc,
            2 => TimeInForce::Ioc,
            3 => TimeInForce::Fok,
            4 => TimeInForce::Gtd(UnixNanos(until)),
            _ => return Err(CodecError::Invalid { what: "a time in force" }),
        };
        let spec = Self {
            client_id,
            kind,
            quantity,
            time_in_force,
            account: Stored::take(&mut r)?,
            instrument: Stored::take(&mut r)?,
            strategy: Stored::take(&mut r)?,
            side: Stored::take(&mut r)?,
            post_only: r.bool()?,
            reduce_only: r.bool()?,
        };
        r.finish()?;
        if spec.packed() == bytes { Ok(spec) } else { Err(CodecError::Invalid { what: "an order" }) }
    }
}

stored_enum!(SizeRequest, "a size" { 1 => AllIn, 2 => EquityFraction(rate), 3 => Base(quantity), 4 => Cap, 5 => Position });
stored_enum!(Entry, "an entry" { 1 => Market, 2 => Limit(price), 3 => Stop(price) });
stored_enum!(StopPlan, "a stop plan" {
    1 => Price(price),
    2 => Distance(distance),
    3 => Fraction(fraction),
    4 => Trail(distance),
    5 => TrailFraction(fraction),
    6 => Timed { level, hold_max },
});
stored_enum!(StopLevel, "the level of a stop" {
    1 => Price(price),
    2 => Distance(distance),
    3 => Fraction(fraction),
    4 => Trail(distance),
    5 => TrailFraction(fraction),
});
stored_struct!(SignalStatistics { win_probability, mean_win, mean_loss, fees, slippage, holding_period, samples });
stored_struct!(Signal {
    intent,
    size,
    entry,
    stop,
    target,
    confidence,
    statistics,
    reference,
    tag,
    account,
    instrument,
    strategy,
});
stored_struct!(TimerRequest { strategy, id, at });
stored_struct!(InferRequest { strategy, model, as_of });
stored_enum!(Output, "an output of a strategy" { 1 => Signal(signal), 2 => Timer(timer), 3 => Infer(infer), 4 => Group(group), 5 => Work(work) });

stored_struct!(Fee { amount, asset });
stored_struct!(Fill {
    client_id,
    fee_amount,
    venue_id,
    trade_id,
    price,
    quantity,
    instrument,
    account,
    strategy,
    fee_asset,
    side,
    liquidity,
});
stored_struct!(PositionView { quantity, cost });

stored_struct!(Candle { ts_open, ts_recv, open, high, low, close, volume, interval_s, instrument, flags });
stored_struct!(Trade { ts_event, ts_recv, price, quantity, trade_id, instrument, flags, aggressor });
stored_struct!(Quote { ts_event, ts_recv, bid, bid_quantity, ask, ask_quantity, instrument, flags });
stored_struct!(BookDelta { ts_event, ts_recv, sequence, price, quantity, instrument, flags, side });
stored_struct!(InstrumentView { last, before, best, ts, warmup });

stored_struct!(Asset { code, decimals });
// Not held to the rules of a definition: an event that the engine refuses is an event all the same. A table checks what it takes in.
stored_struct!(Instrument {
    idx,
    venue,
    symbol,
    kind,
    base,
    quote,
    settle,
    multiplier,
    price_decimals,
    quantity_decimals,
    tick,
    lot,
    min_quantity,
    max_quantity,
    min_notional,
    margin_initial,
    margin_maintenance,
    fee_maker,
    fee_taker,
    effective_from,
});

stored_enum!(TimerFired, "a timer" { 1 => Day, 2 => Minute, 3 => Strategy { strategy, id }, 4 => Desk, 5 => Reconcile });
stored_struct!(ModelOutput { strategy, model, as_of, value });
stored_struct!(AccountReport { ts_event, body });
stored_enum!(ReportBody, "a report" {
    1 => Accepted { client_id, venue_id },
    2 => Rejected { client_id, reason },
    3 => Filled { fill, complete },
    4 => Canceled { client_id, reason },
    5 => Expired { client_id },
    6 => CancelRejected { client_id, reason },
    7 => Amended { client_id },
    8 => AmendRejected { client_id, reason },
    9 => Status { client_id, status, filled },
    10 => Funding { account, instrument, asset, amount },
    11 => Transfer { account, asset, amount },
    12 => Triggered { client_id },
    13 => Replaced { client_id, venue_id, quantity, price, trigger },
    14 => Charge { account, asset, amount },
});
stored_struct!(Event { id, body });
stored_enum!(EventBody, "an event" {
    1 => Candle(candle),
    2 => Trade(trade),
    3 => Quote(quote),
    4 => BookDelta(delta),
    5 => Report(report),
    6 => Timer(timer),
    7 => ModelOutput(output),
    8 => InstrumentDefined(instrument),
    9 => Control(control),
    10 => NotSent(not_sent),
    11 => VenueState(state),
});
