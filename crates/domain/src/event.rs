//! Events: everything the engine can be told.
//!
//! In:  the adapters at the edges, the simulated venue, the runner's timers.
//! Out: the one argument of `engine::step`, beside engine time.
//! An event says what happened, never what to do about it.

use crate::account::{AccountId, AssetIdx};
use crate::digest::{Digest, Digestible};
use crate::fill::Fill;
use crate::instrument::{Instrument, InstrumentIdx};
use crate::market::{BookDelta, Candle, Quote, Trade};
use crate::mode::{Cause, Holder, LimitKey, Mode, NotSent, Rearm};
use crate::money::Money;
use crate::order::{ClientOrderId, OrderStatus, RejectReason, VenueOrderId};
use crate::signal::StrategyIdx;
use crate::time::UnixNanos;
use crate::venue_state::VenueState;
use std::sync::Arc;

/// Where an event came from and its number there: 16 bits of source, 48 bits of sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(u64);

impl InputId {
    /// The source of reports of venues.
    pub const REPORTS: u16 = 0xFFFF;
    /// The source of timers.
    pub const TIMERS: u16 = 0xFFFE;
    /// The source of definitions, transfers and control events of the run's configuration.
    pub const SETUP: u16 = 0xFFFD;

    /// From a source and a sequence number (of which the low 48 bits count).
    #[must_use]
    #[inline]
    pub const fn new(source: u16, sequence: u64) -> Self {
        Self((source as u64) << 48 | (sequence & 0xFFFF_FFFF_FFFF))
    }

    /// Its source.
    #[must_use]
    pub const fn source(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Its number within the source.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.0 & 0xFFFF_FFFF_FFFF
    }

    /// The whole number.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u64 {
        self.0
    }
}

/// One input of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where it came from.
    pub id: InputId,
    /// What happened.
    pub body: EventBody,
}

const _: () = assert!(size_of::<Event>() <= 128);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventBody {
    /// A candle closed.
    Candle(Candle),
    /// A trade was printed.
    Trade(Trade),
    /// The best bid or ask changed.
    Quote(Quote),
    /// A book level changed.
    BookDelta(BookDelta),
    /// A venue reported on an account.
    Report(AccountReport),
    /// A timer came due.
    Timer(TimerFired),
    /// A model answered.
    ModelOutput(ModelOutput),
    /// Rules of an instrument begin.
    InstrumentDefined(Arc<Instrument>),
    /// The system is told something from outside the market.
    Control(Control),
    /// Orders of the event before did not leave: the gate word stopped them.
    NotSent(Arc<NotSent>),
    /// A venue said how an account stands there: the answer to a question.
    VenueState(Arc<VenueState>),
}

/// What a venue says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// Time on the venue's clock.
    pub ts_event: UnixNanos,
    /// What it says.
    pub body: ReportBody,
}

/// What a venue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportBody {
    /// The order rests or waits at the venue.
    Accepted {
        /// Our number.
        client_id: ClientOrderId,
        /// Theirs.
        venue_id: VenueOrderId,
    },
    /// A stop, trailing stop or take-profit was set off: from now on it trades like a market or limit order. Comes before its fills.
    Triggered {
        /// Our number.
        client_id: ClientOrderId,
    },
    /// The order was never taken.
    Rejected {
        /// Our number.
        client_id: ClientOrderId,
        /// Why.
        reason: RejectReason,
    },
    /// Some or all of the order was traded.
    Filled {
        /// The execution.
        fill: Fill,
        /// Whether nothing of the order is left.
        complete: bool,
    },
    /// The order was taken off: asked for (`None`), or by the venue and why.
    Canceled {
        /// Our number.
        client_id: ClientOrderId,
        /// Why, if we did not ask.
        reason: Option<RejectReason>,
    },
    /// The order's time ended.
    Expired {
        /// Our number.
        client_id: ClientOrderId,
    },
    /// A cancel was refused.
    CancelRejected {
        /// Our number of the order.
        client_id: ClientOrderId,
        /// Why.
        reason: RejectReason,
    },
    /// The order has the price and quantity that we asked for.
    Amended {
        /// Our number.
        client_id: ClientOrderId,
    },
    /// The order has other terms than those that we know, and nobody here asked for them: the venue, or somebody with access to the account,
    /// replaced it.
    Replaced {
        /// Our number.
        client_id: ClientOrderId,
        /// Theirs from now on.
        venue_id: VenueOrderId,
        /// Quantity of the whole order, what is filled included, a mantissa.
        quantity: i64,
        /// Limit price, where it has one, a mantissa.
        price: Option<i64>,
        /// Trigger price, where it has a fixed one, a mantissa.
        trigger: Option<i64>,
    },
    /// An amendment was refused; the order stands as it was.
    AmendRejected {
        /// Our number of the order.
        client_id: ClientOrderId,
        /// Why.
        reason: RejectReason,
    },
    /// Answer to a query.
    Status {
        /// Our number.
        client_id: ClientOrderId,
        /// Where the order is; `None` if the venue does not know it, [`OrderStatus::OutcomeUnknown`] if it answered with a word that the
        /// adapter does not know.
        status: Option<OrderStatus>,
        /// Filled so far, a mantissa at the quantity decimals.
        filled: i64,
    },
    /// Funding of a perpetual was paid (negative) or received.
    Funding {
        /// The account.
        account: AccountId,
        /// The instrument.
        instrument: InstrumentIdx,
        /// Of which asset.
        asset: AssetIdx,
        /// How much.
        amount: Money,
    },
    /// Money came in (positive) or went out.
    Transfer {
        /// The account.
        account: AccountId,
        /// Of which asset.
        asset: AssetIdx,
        /// How much.
        amount: Money,
    },
    /// Interest, or a fee that belongs to no execution, was charged (negative) or given back.
    Charge {
        /// The account.
        account: AccountId,
        /// Of which asset.
        asset: AssetIdx,
        /// How much.
        amount: Money,
    },
}

/// A timer that came due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerFired {
    /// The trading day turns (00:00 UTC).
    Day,
    /// The minute sampler of correlations.
    Minute,
    /// A strategy's own timer.
    Strategy {
        /// Whose.
        strategy: StrategyIdx,
        /// Its own number for it.
        id: u32,
    },
    /// Something that the desk waits for is due: the confirmation of a stop, another try, the end of a position's time.
    Desk,
    /// The venue is to be asked how the account stands there.
    Reconcile,
}

/// What a model answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelOutput {
    /// Who asked.
    pub strategy: StrategyIdx,
    /// Which model.
    pub model: u32,
    /// The instant up to which it looked.
    pub as_of: UnixNanos,
    /// Its answer; `None` if it abstains (no answer before its deadline, or not a number).
    pub value: Option<f64>,
}

/// What the system is told from outside the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// No new risk until told otherwise: the journal cannot be written, or the record of the run was left. Reductions go on.
    Pause,
    /// New risk is allowed again, if nothing else stands against it. Never ends an emergency.
    Resume,
    /// A trigger closed the gate: mode [`Mode::Emergency`].
    Trip {
        /// Which trigger.
        cause: Cause,
        /// Whether everything is to be closed.
        flatten: bool,
        /// Whether protective stops are taken off, too.
        including_stops: bool,
    },
    /// A key holder asks for a stricter mode.
    Restrict {
        /// Which one: reduced or paused.
        to: Mode,
        /// Whether resting entries are taken off.
        cancel_entries: bool,
        /// Who.
        holder: Holder,
    },
    /// A key holder re-arms after a trip. The self-tests have passed; the engine holds it against its own state.
    Rearm {
        /// What.
        what: Rearm,
        /// Who.
        holder: Holder,
    },
    /// A key holder tightens a limit. One that would loosen it changes nothing, and says so.
    Tighten {
        /// Which limit.
        limit: LimitKey,
        /// To what, a count of 1e-12 of the limit's unit.
        to: i128,
        /// Who.
        holder: Holder,
    },
    /// The gate word was seen to be at another level than the engine had set.
    Gate {
        /// The level seen.
        level: u8,
    },
    /// The process was started again: orders carry this epoch from now on. Who says so has made it durable and never says it again. One
    /// that is not later than the one in force changes nothing.
    Epoch {
        /// The epoch.
        epoch: u32,
    },
    /// The stream of reports of an account was interrupted and is there again: what was said meanwhile is not known.
    Gap {
        /// The account.
        account: AccountId,
        /// From when on reports may be missing, on the venue's clock.
        since: UnixNanos,
    },
}

impl Digestible for Control {
    fn digest(&self, d: &mut Digest) {
        let holder = |d: &mut Digest, holder: &Holder| d.bytes(holder.bytes());
        match self {
            Self::Pause => d.word(0),
            Self::Resume => d.word(1),
            Self::Trip { cause, flatten, including_stops } => {
                d.word(2 | (*cause as u64) << 8 | u64::from(*flatten) << 16 | u64::from(*including_stops) << 17);
            }
            Self::Restrict { to, cancel_entries, holder: by } => {
                d.word(3 | (*to as u64) << 8 | u64::from(*cancel_entries) << 16);
                holder(d, by);
            }
            Self::Rearm { what, holder: by } => {
                let what = match what {
                    Rearm::Account => 1,
                    Rearm::Strategy(strategy) => 2 | u64::from(strategy.0) << 8,
                };
                d.word(4 | what << 8);
                holder(d, by);
            }
            Self::Tighten { limit, to, holder: by } => {
                d.word(5 | (*limit as u64) << 8);
                d.wide(*to);
                holder(d, by);
            }
            Self::Gate { level } => d.word(6 | u64::from(*level) << 8),
            Self::Epoch { epoch } => d.word(9 | u64::from(*epoch) << 8),
            Self::Gap { account, since } => {
                d.word(8 | u64::from(account.0) << 8);
                d.word(since.0);
            }
        }
    }
}

impl Digestible for NotSent {
    fn digest(&self, d: &mut Digest) {
        d.word(7 | u64::from(self.level) << 8);
        self.orders.iter().for_each(|id| d.wide(id.raw() as i128));
    }
}

/// By value: what a venue says is an input that nothing else can bring back.
impl Digestible for ReportBody {
    fn digest(&self, d: &mut Digest) {
        let mut order = |tag: u64, client_id: &ClientOrderId, detail: u64| {
            d.word(tag);
            d.word(client_id.raw() as u64);
            d.word((client_id.raw() >> 64) as u64);
            d.word(detail);
        };
        match self {
            ReportBody::Accepted { client_id, venue_id } => order(1, client_id, venue_id.0),
            ReportBody::Rejected { client_id, reason } => order(2, client_id, *reason as u64),
            ReportBody::Filled { fill, complete } => {
                order(3, &fill.client_id, u64::from(*complete));
                d.word(fill.trade_id);
                d.int(fill.price);
                d.int(fill.quantity);
                d.wide(fill.fee_amount.raw());
                d.word(u64::from(fill.fee_asset.0) | (fill.side as u64) << 16 | (fill.liquidity as u64) << 24);
            }
            ReportBody::Canceled { client_id, reason } => {
                order(4, client_id, reason.map_or(u64::MAX, |r| r as u64));
            }
            ReportBody::Expired { client_id } => order(5, client_id, 0),
            ReportBody::CancelRejected { client_id, reason } => order(6, client_id, *reason as u64),
            ReportBody::Amended { client_id } => order(7, client_id, 0),
            ReportBody::AmendRejected { client_id, reason } => order(8, client_id, *reason as u64),
            ReportBody::Status { client_id, status, filled } => {
                order(9, client_id, status.map_or(u64::MAX, |s| s as u64));
                d.int(*filled);
            }
            ReportBody::Triggered { client_id } => order(12, client_id, 0),
            ReportBody::Replaced { client_id, venue_id, quantity, price, trigger } => {
                order(13, client_id, venue_id.0);
                d.int(*quantity);
                [price, trigger].iter().for_each(|mantissa| d.int(mantissa.unwrap_or(i64::MIN)));
            }
            ReportBody::Funding { account, instrument, asset, amount } => {
                d.word(10);
                d.word(u64::from(account.0) | u64::from(instrument.0) << 16 | u64::from(asset.0) << 32);
                d.wide(amount.raw());
            }
            ReportBody::Transfer { account, asset, amount } => {
                d.word(11);
                d.word(u64::from(account.0) | u64::from(asset.0) << 16);
                d.wide(amount.raw());
            }
            ReportBody::Charge { account, asset, amount } => {
                d.word(14);
                d.word(u64::from(account.0) | u64::from(asset.0) << 16);
                d.wide(amount.raw());
            }
        }
    }
}
