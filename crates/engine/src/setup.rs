//! What an engine is made with, and how strategies join it.

use crate::step::Engine;
use domain::{AccountId, AssetIdx, InstrumentIdx, Nanos};
use execution::{AskPolicy, ReconcilePolicy, StopPolicy};
use risk::{ClampConfig, GuardConfig, LimitError, Profile};
use std::fmt;
use strategy::Strategy;

/// What an engine is made with.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The limits in force.
    pub profile: Profile,
    /// The asset that equity is in.
    pub report_currency: AssetIdx,
    /// Carried by client order ids. Live starts make it durable first and never repeat one; simulated runs keep one.
    pub epoch: u32,
    /// How far apart correlation samples are: a minute, or the interval of longer candles.
    pub correlation_every: Nanos,
    /// How long after the end of an interval its sample is taken, so that all instruments' prints of it have arrived.
    pub correlation_lateness: Nanos,
    /// Accounts that positions are kept in.
    pub accounts: Vec<AccountId>,
    /// How the desk watches over stops.
    pub stops: StopPolicy,
    /// How orders are followed whose answers stay away; `None` for a venue that answers every order, where nothing is asked.
    pub asking: Option<AskPolicy>,
    /// How accounts are held against what the venue says of them; `None` for a simulated venue that tells everything. Needs `asking`.
    pub reconcile: Option<ReconcilePolicy>,
    /// What the guard of the account watches for; `None` for runs that take the losses as they come.
    pub guard: Option<GuardConfig>,
    /// The clamps of the size of entries; `None` for those that belong to the limits.
    pub clamps: Option<ClampConfig>,
}

/// Why an engine cannot be made so.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineError {
    /// A limit is none.
    Limit(LimitError),
    /// The sampling interval is zero or not longer than its lateness.
    Sampling {
        /// The interval.
        every: Nanos,
        /// The lateness.
        lateness: Nanos,
    },
    /// More strategies than can be numbered.
    TooManyStrategies,
    /// Accounts cannot be reconciled so.
    Reconcile(&'static str),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => write!(f, "{error}"),
            Self::Sampling { every, lateness } => {
                write!(
                    f,
                    "correlation samples every {} ns, {} ns late: expected an interval longer than the lateness",
                    every.0, lateness.0
                )
            }
            Self::TooManyStrategies => f.write_str("more than 65,535 strategies"),
            Self::Reconcile(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for EngineError {}

impl EngineConfig {
    /// Checks that an engine can be made so.
    ///
    /// # Errors
    /// [`EngineError`] names what is wrong.
    pub fn validate(&self) -> Result<(), EngineError> {
        if let Some(limits) = self.profile.limits() {
            limits.validate().map_err(EngineError::Limit)?;
        }
        if let Some(guard) = &self.guard {
            guard.validate().map_err(EngineError::Limit)?;
        }
        if let Some(clamps) = &self.clamps {
            clamps.validate().map_err(EngineError::Limit)?;
        }
        if let Some(reconcile) = &self.reconcile {
            reconcile.validate().map_err(EngineError::Reconcile)?;
            if self.asking.is_none() {
                return Err(EngineError::Reconcile("reconciliation asks where orders are: it needs a policy for that"));
            }
        }
        if self.correlation_every <= self.correlation_lateness {
            return Err(EngineError::Sampling { every: self.correlation_every, lateness: self.correlation_lateness });
        }
        Ok(())
    }
}

impl Engine {
    /// Puts an instrument on the restricted list: nothing is entered in it. Before the first event.
    pub fn restrict(&mut self, instrument: InstrumentIdx) {
        // Another list is another run from its first word.
        self.digest.word(u64::from(instrument.0));
        self.gate.restrict(|list| list.add_instrument(instrument));
    }

    /// Adds a strategy. Its number is the order of adding; its instruments must be defined when their first event comes.
    ///
    /// # Errors
    /// [`EngineError::TooManyStrategies`].
    pub fn add_strategy(&mut self, strategy: Box<dyn Strategy>) -> Result<(), EngineError> {
        let number = u16::try_from(self.strategies.len()).map_err(|_| EngineError::TooManyStrategies)?;
        if number == domain::StrategyIdx::OUTSIDE.0 {
            return Err(EngineError::TooManyStrategies);
        }
        for instrument in strategy.instruments() {
            let slot = instrument.index();
            if self.subscribers.len() <= slot {
                self.subscribers.resize_with(slot + 1, Vec::new);
            }
            self.subscribers[slot].push(number);
            self.gate.add_sharer(*instrument);
        }
        // Another strategy, or another build of one, is another run from its first word.
        self.digest.bytes(strategy.name().as_bytes());
        self.digest.word(u64::from(strategy.version()));
        let mut saved = Vec::new();
        strategy.save(&mut saved);
        self.digest.bytes(&saved);
        self.strategies.push(strategy);
        Ok(())
    }
}
