//! An order as the venue holds it: what it asks for, how far it has come, and what it waits for.
//!
//! Prices and quantities are mantissas of the instrument, so that matching compares integers with market data.
//! When and at what price an order trades is said in `matching`; what a trade does to it, in `execute`.

use domain::codec::{CodecError, Pack, Reader, Stored};
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, InstrumentIdx, OrderQuantity, OrderSpec, OrderStatus, OrderType,
    Quantity, Rate, Side, StrategyIdx, TimeInForce, UnixNanos,
};

/// What the order is now. A stop that was set off becomes `Market` or `Limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Market,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    Trailing,
}

/// How far a trailing stop follows behind, in the instrument's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trail {
    /// A distance as a price mantissa.
    Distance(i64),
    /// A fraction of the best price.
    Fraction(Rate),
}

/// One order at the venue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub spec: OrderSpec,
    pub venue_id: u64,
    pub kind: Kind,
    /// Whether the slot holds an order that can still trade.
    pub alive: bool,
    /// Whether it has not met the market yet: if it crosses at the first meeting, it takes liquidity.
    pub fresh: bool,
    /// Limit price.
    pub limit: i64,
    /// Trigger price.
    pub trigger: i64,
    /// How a trailing stop follows.
    pub trail: Trail,
    /// Best price that a trailing stop has seen.
    pub extreme: Option<i64>,
    /// Quantity of the whole order; 0 while it is an amount of quote.
    pub quantity: i64,
    /// Filled so far.
    pub filled: i64,
    /// What may still be spent (1e-12 of quote); `None` for orders in base.
    pub budget: Option<i128>,
    /// What of the balance is reserved for it (1e-12 of the asset that it gives).
    pub lock: i128,
    /// Quantity believed to stand before it at its price; `None` where nothing is known.
    pub ahead: Option<i64>,
    /// The order that it takes off when it is traded, set off or over: the venue's number of it.
    pub pair: Option<u64>,
    /// It has no part in bars that opened at or before this: they began before it was accepted, or their path had been played.
    pub after: Option<UnixNanos>,
}

impl Order {
    pub fn side(&self) -> Side {
        self.spec.side
    }

    pub fn account(&self) -> AccountId {
        self.spec.account
    }

    pub fn strategy(&self) -> StrategyIdx {
        self.spec.strategy
    }

    pub fn id(&self) -> ClientOrderId {
        self.spec.client_id
    }

    /// What is still asked for in base.
    pub fn remaining(&self) -> i64 {
        self.quantity - self.filled
    }

    /// Whether what does not trade at once is taken off.
    pub fn at_once(&self) -> bool {
        matches!(self.spec.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
    }

    pub fn status(&self) -> OrderStatus {
        if self.filled > 0 { OrderStatus::PartiallyFilled } else { OrderStatus::Accepted }
    }

    /// The instant at which it ends, if it has one.
    pub fn until(&self) -> Option<UnixNanos> {
        match self.spec.time_in_force {
            TimeInForce::Gtd(until) => Some(until),
            TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok => None,
        }
    }

    /// Whether the market at `px` sets a stop with this trigger off: a sell at or below, a buy at or above.
    pub fn stop_reached(&self, px: i64, trigger: i64) -> bool {
        match self.side() {
            Side::Sell => px <= trigger,
            Side::Buy => px >= trigger,
        }
    }

    /// Whether the market at `px` sets a take-profit off: a sell at or above, a buy at or below.
    pub fn profit_reached(&self, px: i64) -> bool {
        match self.side() {
            Side::Sell => px >= self.trigger,
            Side::Buy => px <= self.trigger,
        }
    }

    /// Whether the market at `px` is beyond the limit (or at it, where `touch`).
    pub fn crosses(&self, px: i64, touch: bool) -> bool {
        (touch && px == self.limit)
            || match self.side() {
                Side::Buy => px < self.limit,
                Side::Sell => px > self.limit,
            }
    }

    /// The trigger of a trailing stop: its offset behind the best price seen, on the tick, rounded away from the market.
    pub fn trail_level(&self, tick: i64) -> Option<i64> {
        let extreme = i128::from(self.extreme?);
        let one = domain::decimal::ONE;
        let sign = self.side().sign();
        // In units of 1e-12 of a mantissa, so that a fraction loses nothing before the rounding.
        let level = match self.trail {
            Trail::Distance(distance) => {
                extreme.checked_add(sign.checked_mul(i128::from(distance))?)?.checked_mul(one)?
            }
            Trail::Fraction(rate) => extreme.checked_mul(one + sign * i128::from(rate.raw()))?,
        };
        let rounding = match self.side() {
            Side::Sell => domain::Rounding::Down,
            Side::Buy => domain::Rounding::Up,
        };
        let step = one.checked_mul(i128::from(tick))?;
        let ticks = domain::decimal::div_round(level, step, rounding);
        i64::try_from(ticks.checked_mul(i128::from(tick))?).ok()
    }

    /// Strictly between these prices the order does nothing and stays as it is.
    pub fn quiet(&self, tick: i64) -> Option<(i64, i64)> {
        let below = |price| Some((price, i64::MAX));
        let above = |price| Some((i64::MIN, price));
        match (self.kind, self.side()) {
            (Kind::Market, _) => None,
            (Kind::Limit, _) if self.fresh => None,
            (Kind::Limit, Side::Buy) => below(self.limit),
            (Kind::Limit, Side::Sell) => above(self.limit),
            (Kind::Stop | Kind::StopLimit, Side::Sell) | (Kind::TakeProfit, Side::Buy) => below(self.trigger),
            (Kind::Stop | Kind::StopLimit, Side::Buy) | (Kind::TakeProfit, Side::Sell) => above(self.trigger),
            (Kind::Trailing, Side::Sell) => Some((self.trail_level(tick)?, self.extreme?.checked_add(1)?)),
            (Kind::Trailing, Side::Buy) => Some((self.extreme?.checked_sub(1)?, self.trail_level(tick)?)),
        }
    }

    /// Takes a price into the best seen.
    pub fn follow(&mut self, px: i64) {
        self.extreme = Some(match (self.extreme, self.side()) {
            (None, _) => px,
            (Some(best), Side::Sell) => best.max(px),
            (Some(best), Side::Buy) => best.min(px),
        });
    }
}

/// For snapshots. Each working order has one width, so that thousands of them are written quickly; what an order does not have is zero.
impl Order {
    const WIDTH: usize = OrderSpec::WIDTH + 120;

    /// An order in a slot that is free: nothing of it is ever looked at.
    pub fn gone() -> Self {
        Self {
            spec: OrderSpec {
                client_id: ClientOrderId::new(AccountId(0), 0, 0),
                kind: OrderType::Market,
                quantity: OrderQuantity::Base(Quantity::ZERO),
                time_in_force: TimeInForce::Gtc,
                account: AccountId(0),
                instrument: InstrumentIdx(0),
                strategy: StrategyIdx(0),
                side: Side::Buy,
                post_only: false,
                reduce_only: false,
            },
            venue_id: 0,
            kind: Kind::Market,
            alive: false,
            fresh: false,
            limit: 0,
            trigger: 0,
            trail: Trail::Distance(0),
            extreme: None,
            quantity: 0,
            filled: 0,
            budget: None,
            lock: 0,
            ahead: None,
            pair: None,
            after: None,
        }
    }

    #[inline(always)]
    fn packed(&self) -> [u8; Self::WIDTH] {
        let (trail, offset) = match self.trail {
            Trail::Distance(distance) => (1, distance),
            Trail::Fraction(rate) => (2, rate.raw()),
        };
        let mut pack = Pack::new();
        pack.field(self.spec.packed()).field(self.venue_id.to_le_bytes()).u8(self.kind as u8).bool(self.fresh);
        pack.i64(self.limit).i64(self.trigger).u8(trail).i64(offset).maybe_i64(self.extreme);
        pack.i64(self.quantity).i64(self.filled).maybe_i128(self.budget).i128(self.lock);
        pack.maybe_i64(self.ahead)
            .maybe_i64(self.pair.map(u64::cast_signed))
            .maybe_i64(self.after.map(|at| at.0 as i64));
        pack.bytes()
    }
}

/// Whether the slot holds an order, and the order if it does.
impl Stored for Order {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        if self.alive {
            let mut bytes = [1; 1 + Self::WIDTH];
            if let Some((_, order)) = bytes.split_first_mut() {
                order.copy_from_slice(&self.packed());
            }
            out.extend_from_slice(&bytes);
        } else {
            out.push(0);
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "an order at the venue" };
        if !from.bool()? {
            return Ok(Self::gone());
        }
        let bytes = from.array::<{ Self::WIDTH }>()?;
        let mut r = Reader::new(&bytes);
        let (spec, venue_id) = (OrderSpec::take(&mut r)?, r.u64()?);
        let kind = match r.u8()? {
            0 => Kind::Market,
            1 => Kind::Limit,
            2 => Kind::Stop,
            3 => Kind::StopLimit,
            4 => Kind::TakeProfit,
            5 => Kind::Trailing,
            _ => return Err(INVALID),
        };
        let (fresh, limit, trigger) = (r.bool()?, r.i64()?, r.i64()?);
        let (trail, offset) = (r.u8()?, r.i64()?);
        let trail = match trail {
            1 => Trail::Distance(offset),
            2 => Trail::Fraction(Rate::from_raw(offset)),
            _ => return Err(INVALID),
        };
        let order = Self {
            spec,
            venue_id,
            kind,
            alive: true,
            fresh,
            limit,
            trigger,
            trail,
            extreme: r.maybe_i64()?,
            quantity: r.i64()?,
            filled: r.i64()?,
            budget: r.maybe_i128()?,
            lock: r.i128()?,
            ahead: r.maybe_i64()?,
            pair: r.maybe_i64()?.map(i64::cast_unsigned),
            after: r.maybe_i64()?.map(|at| UnixNanos(at as u64)),
        };
        r.finish()?;
        let sound = order.limit >= 0 && order.trigger >= 0 && order.filled >= 0 && order.lock >= 0;
        let some_left = order.budget.is_some() || order.filled < order.quantity;
        if sound && some_left && order.packed() == bytes { Ok(order) } else { Err(INVALID) }
    }
}

impl Digestible for Order {
    fn digest(&self, d: &mut Digest) {
        self.spec.digest(d);
        d.word(self.venue_id);
        d.word(self.kind as u64 | u64::from(self.fresh) << 8);
        d.int(self.limit);
        d.int(self.trigger);
        match self.trail {
            Trail::Distance(distance) => {
                d.word(1);
                d.int(distance);
            }
            Trail::Fraction(rate) => {
                d.word(2);
                d.int(rate.raw());
            }
        }
        d.int(self.quantity);
        d.int(self.filled);
        d.wide(self.lock);
        d.wide(self.budget.unwrap_or(-1));
        d.int(self.ahead.unwrap_or(-1));
        self.pair.iter().for_each(|pair| d.word(*pair));
        d.int(self.extreme.unwrap_or(i64::MIN));
        d.word(self.after.map_or(u64::MAX, |t| t.0));
    }
}
