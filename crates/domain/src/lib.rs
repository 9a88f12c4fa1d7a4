//! The shared vocabulary: values, identifiers, instruments, orders, signals, events and the market view.
//!
//! In:  nothing; this is the bottom layer.
//! Out: the types that every other crate speaks. One file holds one family of types.
//! No venue's spelling, no strategy and no rule about risk lives here: those belong to the crates above.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod account;
pub mod codec;
pub mod decimal;
pub mod digest;
pub mod event;
pub mod fill;
pub mod group;
pub mod instrument;
pub mod intern;
pub mod market;
pub mod market_view;
pub mod mode;
pub mod money;
pub mod observe;
pub mod order;
pub mod position;
pub mod price;
pub mod quantity;
pub mod rate;
pub mod signal;
pub mod time;
pub mod venue_state;
pub mod work;

pub use account::{AccountId, AssetIdx, VenueIdx};
pub use decimal::{DecimalError, Rounding};
pub use digest::{Digest, Digestible};
pub use event::{AccountReport, Control, Event, EventBody, InputId, ModelOutput, ReportBody, TimerFired};
pub use fill::{Fee, Fill, Liquidity};
pub use group::{ChildSize, GroupKind, GroupRequest, GroupStep, LEGS_MAX, Leg, LegRisk, Sequence, Trigger};
pub use instrument::{Instrument, InstrumentIdx, InstrumentKind, InstrumentTable};
pub use market::{BookDelta, Candle, MarketFlags, Quote, Trade};
pub use market_view::{InstrumentView, MarketView};
pub use mode::{Alert, AlertKind, Cause, Holder, LimitKey, Mode, NotSent, Rearm};
pub use money::Money;
pub use observe::{NoObserver, Observer};
pub use order::{
    ClientOrderId, OrderClass, OrderQuantity, OrderSpec, OrderStatus, OrderType, RejectReason, Side, TimeInForce,
    TrailOffset, VenueOrderId,
};
pub use position::{PositionSide, PositionView};
pub use price::Price;
pub use quantity::Quantity;
pub use rate::Rate;
pub use signal::{
    Entry, InferRequest, Intent, Output, Signal, SignalStatistics, SizeRequest, StopLevel, StopPlan, StrategyIdx,
    TimerRequest,
};
pub use time::{Nanos, UnixNanos};
pub use venue_state::{
    Difference, DifferenceKind, Execution, Movement, MovementKind, VenueOrder, VenuePosition, VenueState,
};
pub use work::{
    Flow, ImpactModel, Rest, Shown, TIMES_OF_DAY, Thresholds, Urgency, VolumeProfile, WorkEnd, WorkRequest, WorkStyle,
};
