//! Values of every type that is written down, made from a seed.

use domain::event::*;
use domain::fill::*;
use domain::instrument::{Asset, Instrument, InstrumentKind};
use domain::*;
use std::sync::Arc;
use testkit::generate::Seeded;

/// A value of the type, at the edges of its range as often as in the middle.
pub trait Any {
    fn any(r: &mut Seeded) -> Self;
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Any for $type {
            fn any(r: &mut Seeded) -> Self {
                match r.within(0, 5) {
                    0 => Self::MIN,
                    1 => Self::MAX,
                    2 => r.within(0, 100) as Self,
                    _ => ((u128::from(r.bits()) << 64) | u128::from(r.bits())) as Self,
                }
            }
        }
    )+};
}
integers!(u8, u16, u32, u64, u128, i64, i128, usize);

macro_rules! wrapped {
    ($($make:path: $type:ty),+ $(,)?) => {$(
        impl Any for $type {
            fn any(r: &mut Seeded) -> Self {
                $make(Any::any(r))
            }
        }
    )+};
}
wrapped!(
    UnixNanos: UnixNanos,
    Nanos: Nanos,
    AccountId: AccountId,
    VenueIdx: VenueIdx,
    AssetIdx: AssetIdx,
    InstrumentIdx: InstrumentIdx,
    StrategyIdx: StrategyIdx,
    VenueOrderId: VenueOrderId,
    MarketFlags: MarketFlags,
    Money::from_raw: Money,
    Price::from_raw: Price,
    Quantity::from_raw: Quantity,
    Rate::from_raw: Rate,
    Arc::new: Arc<Instrument>,
    Arc::new: Arc<NotSent>,
);

macro_rules! fields {
    ($($type:ident { $($field:ident),+ $(,)? })+) => {$(
        impl Any for $type {
            fn any(r: &mut Seeded) -> Self {
                $(let $field = Any::any(r);)+
                Self { $($field),+ }
            }
        }
    )+};
}
fields! {
    OrderSpec { client_id, kind, quantity, time_in_force, account, instrument, strategy, side, post_only, reduce_only }
    SignalStatistics { win_probability, mean_win, mean_loss, fees, slippage, holding_period, samples }
    Signal { intent, size, entry, stop, target, confidence, statistics, reference, tag, account, instrument, strategy }
    TimerRequest { strategy, id, at }
    InferRequest { strategy, model, as_of }
    Fee { amount, asset }
    Fill { client_id, fee_amount, venue_id, trade_id, price, quantity, instrument, account, strategy, fee_asset, side, liquidity }
    PositionView { quantity, cost }
    Candle { ts_open, ts_recv, open, high, low, close, volume, interval_s, instrument, flags }
    Trade { ts_event, ts_recv, price, quantity, trade_id, instrument, flags, aggressor }
    Quote { ts_event, ts_recv, bid, bid_quantity, ask, ask_quantity, instrument, flags }
    BookDelta { ts_event, ts_recv, sequence, price, quantity, instrument, flags, side }
    InstrumentView { last, before, best, ts, warmup }
    Asset { code, decimals }
    Instrument {
        idx, venue, symbol, kind, base, quote, settle, multiplier, price_decimals, quantity_decimals, tick, lot, min_quantity,
        max_quantity, min_notional, margin_initial, margin_maintenance, fee_maker, fee_taker, effective_from,
    }
    ModelOutput { strategy, model, as_of, value }
    Leg { intent, size, entry, time_in_force, stop, target, reference, instrument }
    GroupRequest { kind, legs, confidence, tag, account, strategy }
    AccountReport { ts_event, body }
    Event { id, body }
    Alert { kind, account, instrument, strategy, value, limit }
    NotSent { level, orders }
}

macro_rules! choices {
    ($($type:ident: $($variant:ident $(($($item:ident),+))? $({$($field:ident),+})?),+;)+) => {$(
        impl Any for $type {
            #[allow(unused_assignments, unused_mut)]
            fn any(r: &mut Seeded) -> Self {
                let mut choices: Vec<fn(&mut Seeded) -> Self> = Vec::new();
                $(choices.push(|_r| {
                    $($(let $item = Any::any(_r);)+)?
                    $($(let $field = Any::any(_r);)+)?
                    Self::$variant $(($($item),+))? $({$($field),+})?
                });)+
                r.pick(&choices)(r)
            }
        }
    )+};
}
choices! {
    Side: Buy, Sell;
    Liquidity: Maker, Taker;
    OrderClass: Entry, Reducing;
    PositionSide: Net, Long, Short;
    InstrumentKind: Spot, LinearPerpetual;
    Intent: EnterLong, EnterShort, Exit;
    Control: Pause, Resume, Trip { cause, flatten, including_stops }, Restrict { to, cancel_entries, holder }, Rearm { what, holder },
        Tighten { limit, to, holder }, Gate { level };
    Rearm: Account, Strategy(a);
    OrderStatus: Submitted, Accepted, PartiallyFilled, CancelPending, OutcomeUnknown, Filled, Canceled, Expired, Rejected;
    RejectReason: UnknownInstrument, UnknownOrder, DuplicateOrder, PriceFilter, LotFilter, MinNotional, InsufficientBalance,
        InsufficientMargin, WouldCross, WouldTrigger, ReduceOnly, NotFilledAtOnce, Unsupported, ApprovalExpired, RateLimit, NoMarket,
        SelfMatch, Liquidation, OneCancelsOther;
    Trigger: FirstFill, Filled;
    ChildSize: AsAsked, ToFilled;
    Sequence: Together, OneByOne;
    LegRisk: Complete, Unwind;
    GroupKind: Bracket, OneCancelsOther, OneTriggersOther { when, size }, Legs { sequence, within, risk };
    GroupStep: Chosen, Released, Dropped, Broken, Completing, Unwinding, Excess { quantity }, Over, Refused;
    TrailOffset: Distance(a), Fraction(a);
    OrderType: Market, Limit { price }, StopMarket { trigger }, StopLimit { trigger, price }, TakeProfit { trigger },
        TrailingStop { offset };
    OrderQuantity: Base(a), Contracts(a), QuoteAmount(a);
    TimeInForce: Gtc, Ioc, Fok, Gtd(a);
    SizeRequest: AllIn, EquityFraction(a), Base(a), Cap, Position;
    Entry: Market, Limit(a), Stop(a);
    StopPlan: Price(a), Distance(a), Fraction(a), Trail(a), TrailFraction(a), Timed { level, hold_max };
    StopLevel: Price(a), Distance(a), Fraction(a), Trail(a), TrailFraction(a);
    Output: Signal(a), Timer(a), Infer(a), Group(a);
    TimerFired: Day, Minute, Strategy { strategy, id }, Desk;
    ReportBody: Accepted { client_id, venue_id }, Rejected { client_id, reason }, Filled { fill, complete },
        Canceled { client_id, reason }, Expired { client_id }, CancelRejected { client_id, reason }, Amended { client_id },
        AmendRejected { client_id, reason }, Status { client_id, status, filled }, Funding { account, instrument, asset, amount },
        Transfer { account, asset, amount }, Triggered { client_id };
    EventBody: Candle(a), Trade(a), Quote(a), BookDelta(a), Report(a), Timer(a), ModelOutput(a), InstrumentDefined(a), Control(a), NotSent(a);
}

impl Any for Mode {
    fn any(r: &mut Seeded) -> Self {
        *r.pick(&Self::ALL)
    }
}

impl Any for Cause {
    fn any(r: &mut Seeded) -> Self {
        *r.pick(&Self::ALL)
    }
}

impl Any for AlertKind {
    fn any(r: &mut Seeded) -> Self {
        *r.pick(&Self::ALL)
    }
}

impl Any for LimitKey {
    fn any(r: &mut Seeded) -> Self {
        *r.pick(&Self::ALL)
    }
}

impl Any for Holder {
    fn any(r: &mut Seeded) -> Self {
        Self::new(r.pick::<&str>(&["a", "anna.k", "0123456789abcdef"])).unwrap()
    }
}

impl Any for bool {
    fn any(r: &mut Seeded) -> Self {
        r.chance(50)
    }
}

/// Never NaN, which equals nothing: NaN has a test of its own.
impl Any for f64 {
    fn any(r: &mut Seeded) -> Self {
        let specials = [0.0, -0.0, 1.0, f64::MIN, f64::MAX, f64::INFINITY, f64::MIN_POSITIVE / 8.0];
        let bits = f64::from_bits(r.bits());
        if r.chance(30) || bits.is_nan() { *r.pick(&specials) } else { bits }
    }
}

impl Any for String {
    fn any(r: &mut Seeded) -> Self {
        (0..r.within(0, 12)).map(|_| *r.pick(&['A', 'z', '0', 'é', '漢', '🦀'])).collect()
    }
}

impl<T: Any> Any for Option<T> {
    fn any(r: &mut Seeded) -> Self {
        r.chance(60).then(|| T::any(r))
    }
}

impl<T: Any> Any for Vec<T> {
    fn any(r: &mut Seeded) -> Self {
        (0..r.within(0, 5)).map(|_| T::any(r)).collect()
    }
}

impl<A: Any, B: Any> Any for (A, B) {
    fn any(r: &mut Seeded) -> Self {
        (A::any(r), B::any(r))
    }
}

impl<A: Any, B: Any, C: Any> Any for (A, B, C) {
    fn any(r: &mut Seeded) -> Self {
        (A::any(r), B::any(r), C::any(r))
    }
}

impl Any for [f64; 3] {
    fn any(r: &mut Seeded) -> Self {
        [(); 3].map(|()| Any::any(r))
    }
}

impl Any for [Option<Leg>; LEGS_MAX] {
    fn any(r: &mut Seeded) -> Self {
        [(); LEGS_MAX].map(|()| Any::any(r))
    }
}

impl Any for ClientOrderId {
    fn any(r: &mut Seeded) -> Self {
        Self::new(Any::any(r), Any::any(r), Any::any(r))
    }
}

impl Any for InputId {
    fn any(r: &mut Seeded) -> Self {
        Self::new(Any::any(r), Any::any(r))
    }
}

impl Any for Digest {
    fn any(r: &mut Seeded) -> Self {
        let mut digest = Self::default();
        (0..r.within(0, 3)).for_each(|_| digest.word(r.bits()));
        digest
    }
}

impl Any for MarketView {
    fn any(r: &mut Seeded) -> Self {
        let mut view = Self::default();
        for number in 0..r.within(0, 6) as u16 {
            view.add_instrument(InstrumentIdx(number));
            if r.chance(70) {
                view.traded(Any::any(r), InstrumentIdx(number), Any::any(r), Any::any(r));
            }
            if r.chance(70) {
                view.quoted(Any::any(r), InstrumentIdx(number), Any::any(r), Any::any(r));
            }
        }
        view
    }
}

impl Any for InstrumentTable {
    fn any(r: &mut Seeded) -> Self {
        let mut table = Self::default();
        for number in 0..r.within(0, 6) {
            let symbol = format!("A{number}USDT");
            let decimals = (r.within(0, 12) as u8, r.within(0, 12) as u8);
            match r.chance(50) {
                true => testkit::add_spot(&mut table, &symbol, decimals.0, decimals.1),
                false => testkit::add_perpetual(&mut table, &symbol, decimals.0, decimals.1),
            };
        }
        table
    }
}
