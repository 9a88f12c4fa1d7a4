//! Strategies: they see the market and their own position, and say what they want.
//!
//! In:  market events, timers and model outputs of the instruments they subscribe to, with a read-only view of the account.
//! Out: [`domain::Output`]s: signals, timers, inference requests. There is no way from here to an order.
//! A new strategy is one file and one line in [`catalogue`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod bars;
pub mod breakout_pair;
pub mod buy_and_hold;
pub mod catalogue;
pub mod donchian;
pub mod ma_cross;
pub mod params;
pub mod rule;
pub mod stop;
pub mod work;

use domain::{
    AccountId, EventBody, Instrument, InstrumentIdx, InstrumentTable, MarketView, ModelOutput, Output, PositionView,
    StrategyIdx, UnixNanos,
};
use portfolio::Portfolio;
pub use quant::state::{Reader, StateError};

pub use catalogue::{Blueprint, build, kinds};
pub use params::{ParamError, Params};
pub use stop::{Protection, StopRule};
pub use work::WorkRule;

/// What a strategy may look at when something happens.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Engine time.
    pub ts: UnixNanos,
    /// The account that the strategy trades.
    pub account: AccountId,
    /// The strategy's own number.
    pub strategy: StrategyIdx,
    /// Instruments and their rules.
    pub table: &'a InstrumentTable,
    /// The market.
    pub view: &'a MarketView,
    /// The ledger.
    pub portfolio: &'a Portfolio,
    /// Whether an entry of this strategy is on its way.
    pub entry_working: bool,
}

impl Context<'_> {
    /// The strategy's own position in an instrument.
    #[must_use]
    #[inline]
    pub fn position(&self, instrument: InstrumentIdx) -> PositionView {
        self.portfolio.position(self.account, instrument, self.strategy)
    }

    /// Whether the strategy holds something that could be sold: what is left below the venue's minimum is dust.
    #[must_use]
    #[inline]
    pub fn holds(&self, instrument: &Instrument) -> bool {
        let position = self.position(instrument.idx);
        if position.is_flat() {
            return false;
        }
        match self.view.mark(instrument.idx) {
            Some(mark) => !portfolio::dust::is_dust(instrument, position.quantity, instrument.price(mark)),
            None => true,
        }
    }
}

/// A strategy. Deterministic: what it says follows from what it was shown, nothing else.
pub trait Strategy: Send {
    /// Its name in configuration and reports.
    fn name(&self) -> &'static str;

    /// Version of the saved state.
    fn version(&self) -> u32;

    /// The instruments whose events it is shown.
    fn instruments(&self) -> &[InstrumentIdx];

    /// A market event of one of its instruments. History that warms up comes here too; signals given on it are dropped.
    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>);

    /// A timer that it asked for.
    fn on_timer(&mut self, _context: &Context<'_>, _id: u32, _out: &mut Vec<Output>) {}

    /// A model's answer that it asked for.
    fn on_model(&mut self, _context: &Context<'_>, _answer: &ModelOutput, _out: &mut Vec<Output>) {}

    /// Appends what it was made with (instrument, account and every parameter): compared before a saved state is loaded, so that a state is
    /// never continued by a strategy of other parameters.
    fn parameters(&self, out: &mut Vec<u8>);

    /// Appends its state to a snapshot.
    fn save(&self, out: &mut Vec<u8>);

    /// Loads a state saved by the same version with the same parameters.
    ///
    /// # Errors
    /// [`StateError`] if the bytes do not belong to it.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError>;

    /// Shows the present values of its indicators to an observer.
    fn inspect(&self, _each: &mut dyn FnMut(&'static str, f64)) {}
}
