//! The guard: watches the account while it trades, and says what must happen to keep it.
//!
//! In:  the world after market events and by the minute; fills, round trips, transfers; the turn of the day; re-arms by key holders.
//! Out: [`Action`]s, which the engine carries out; a [`Stance`] per strategy, which the gate's checks read.
//! It owns no order and sends nothing.
//!
//! | monitor | watches | says |
//! |---|---|---|
//! | [`drawdown`] | equity below its peak | alert at 10 %, mode emergency at 15 % |
//! | [`day`] | loss since 00:00 UTC and within an hour | alert, mode reduced until the next day |
//! | [`breaker`] | losing round trips of a strategy, losses of the account | nothing new, then one probe |
//! | [`liquidation`] | margin ratio and distance to liquidation | cut, add margin, close |
//! | [`leverage`] | gross exposure over equity | a cap for entries; reductions above it |
//! | [`black_swan`] | falls within minutes | alert, nothing new, halve, close |
//!
//! What is not known (a missing mark, a jump that nothing agrees with, equity) denies new risk through the stance and raises an alert; it
//! never keeps a reduction from leaving and never closes anything. Of several things wanted for one position the most severe is asked for,
//! once, until the position shows it or it has taken too long.

pub mod black_swan;
pub mod breaker;
pub mod config;
pub mod day;
pub mod drawdown;
pub mod leverage;
pub mod liquidation;
mod marks;
mod position;
mod ring;
mod watch;

#[cfg(test)]
mod tests;

pub use black_swan::Level;
pub use breaker::Permit;
pub use config::GuardConfig;
pub use leverage::{Input, Regime};
pub use liquidation::{Tier, TierError, Tiers};

use crate::deny_reason::DenyReason;
use crate::gate::Scene;
use crate::standing::{Breaker, Reading, Standing};
use black_swan::Assets;
use breaker::{State, StrategyBreaker};
use domain::codec::{CodecError, Reader, Stored, put_version};
use domain::{
    AccountId, Alert, AlertKind, Cause, Digest, Digestible, Fill, InstrumentIdx, Mode, Money, Rate, Rearm, Rounding,
    StrategyIdx, UnixNanos,
};
use drawdown::Step;
use leverage::Inputs;
use marks::{Mark, Marks};
use portfolio::{FillEffect, RoundTrip};
use watch::{AccountWatch, Scratch, Shared};

/// What the engine is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Make the mode at least that strict. Said again while it is milder than the guard's findings ask for.
    Mode {
        /// Which.
        to: Mode,
        /// Why.
        cause: Cause,
        /// Whether everything that is open is to be closed as well.
        flatten: bool,
    },
    /// What led to a reduced mode is over.
    Cleared {
        /// What it was.
        cause: Cause,
    },
    /// Somebody must hear of it.
    Alert(Alert),
    /// Close a position at the market.
    Close {
        /// The account.
        account: AccountId,
        /// The instrument.
        instrument: InstrumentIdx,
        /// Of that strategy; of all that hold it where none is named.
        strategy: Option<StrategyIdx>,
    },
    /// Close a share of a position at the market (immediate or cancel), of every strategy that holds it, rounded up to the lot.
    Reduce {
        /// The account.
        account: AccountId,
        /// The instrument.
        instrument: InstrumentIdx,
        /// Which share, above 0 and below 1.
        fraction: Rate,
    },
    /// Bind more of the free funds to an isolated position.
    AddMargin {
        /// The account.
        account: AccountId,
        /// The instrument.
        instrument: InstrumentIdx,
        /// How much, in its settle asset.
        amount: Money,
    },
}

/// What the guard does not know and new risk would rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A held instrument has no price.
    Mark(InstrumentIdx),
    /// A held instrument's price jumped, and nothing agrees with it yet.
    Jump(InstrumentIdx),
    /// A held instrument's price is too old.
    Stale(InstrumentIdx),
    /// Equity: a rate between currencies, or a sum that cannot be held.
    Equity,
    /// What a transfer was worth: until the account is re-armed.
    Transfer,
    /// What a round trip brought: until the account is re-armed.
    Loss,
}

/// What the guard says to a new position of a strategy. The gate refuses what it does not allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stance {
    /// Something is not known: no new risk.
    pub unknown: Option<Unknown>,
    /// What the loss breakers allow: the stricter of the strategy's and the account's.
    pub breaker: Permit,
    /// Share of the size that limits would allow: 1, a probe's, or 0.
    pub size_factor: Rate,
    /// Largest gross exposure over equity. `None` where an input of it is unknown: no new risk.
    pub leverage_cap: Option<Rate>,
    /// Equity below its peak, a fraction. `None` before the first equity.
    pub drawdown: Option<f64>,
    /// Drawdown reached its halt, and was not re-armed.
    pub halted: bool,
    /// Loss of the day, a fraction of equity at its beginning, negative for a profit. `None` before the first equity of the day.
    pub day_loss: Option<f64>,
    /// Loss of the last hour, likewise.
    pub hour_loss: Option<f64>,
    /// The day's limit was reached.
    pub day_over: bool,
    /// A position is near its liquidation.
    pub liquidation_near: bool,
    /// The highest level of a black swan, of any asset or the account.
    pub black_swan: Level,
}

impl Stance {
    /// Whether nothing stands against new risk (of the size that `size_factor` and `leverage_cap` leave).
    #[must_use]
    pub fn allows_new_risk(&self) -> bool {
        self.unknown.is_none()
            && self.size_factor > Rate::ZERO
            && self.leverage_cap.is_some()
            && !self.halted
            && !self.day_over
            && !self.liquidation_near
            && self.black_swan < Level::NoNewRisk
    }
}

/// The guard of all accounts.
#[derive(Clone, Debug)]
pub struct Guard {
    config: GuardConfig,
    marks: Marks,
    assets: Assets,
    inputs: Inputs,
    /// Tiers of maintenance margin, by instrument; none where the instrument's one rate holds.
    tiers: Vec<Tiers>,
    /// By number.
    strategies: Vec<StrategyBreaker>,
    /// By account, ascending.
    accounts: Vec<AccountWatch>,
    scratch: Scratch,
}

impl Guard {
    /// A guard that watches for these numbers. They must be valid: [`GuardConfig::validate`].
    #[must_use]
    pub fn new(config: GuardConfig) -> Self {
        Self {
            config,
            marks: Marks::default(),
            assets: Assets::default(),
            inputs: Inputs::default(),
            tiers: Vec::new(),
            strategies: Vec::new(),
            accounts: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// What it watches for.
    #[must_use]
    pub const fn config(&self) -> &GuardConfig {
        &self.config
    }

    /// The venue's tiers of an instrument's maintenance margin, in place of its one rate.
    pub fn set_tiers(&mut self, instrument: InstrumentIdx, tiers: Tiers) {
        if self.tiers.len() <= instrument.index() {
            self.tiers.resize_with(instrument.index() + 1, Tiers::default);
        }
        self.tiers[instrument.index()] = tiers;
    }

    /// The margin bound to a position that is isolated; `None` for cross margin, which is the beginning. Confirms that margin was added.
    pub fn set_isolated(&mut self, account: AccountId, instrument: InstrumentIdx, margin: Option<Money>) {
        let at = self.account_at(account);
        let position = self.accounts[at].position_mut(instrument);
        position.isolated = margin;
        if !position.is_flat() {
            position.confirmed();
        }
    }

    /// Standard deviation of daily returns, for the cap of leverage. A number that is not positive counts as unknown.
    pub fn set_volatility(&mut self, volatility: Input<f64>) {
        self.inputs.set_volatility(volatility);
    }

    /// The regime, for the cap of leverage.
    pub const fn set_regime(&mut self, regime: Input<Regime>) {
        self.inputs.regime = regime;
    }

    /// Looks at an account after something moved. Returns at once within the check interval of the last look, and while nothing is held
    /// and nothing was booked; else its cost is that of going through what is held. Allocates nothing once every instrument and account
    /// was seen.
    pub fn check(&mut self, scene: &Scene<'_>, account: AccountId, out: &mut Vec<Action>) {
        let at = self.account_at(account);
        self.look(at, scene, false, out);
    }

    /// The minute: takes a sample of every instrument's mark, held or not, ends cool-downs, and looks at every account. Called by the
    /// timer that samples correlations.
    pub fn sample(&mut self, scene: &Scene<'_>, out: &mut Vec<Action>) {
        for instrument in scene.table.instruments() {
            let view = scene.view.get(instrument.idx);
            if let Mark::Good(mark) = self.marks.look(instrument.idx, &view, || None, self.config.jump_max)
                && let Some(rose) = self.assets.push(scene.ts, instrument.idx, mark, &self.config)
            {
                let account = self.accounts.first().map_or(AccountId(0), |a| a.account);
                out.push(watch::swan_alert(account, Some(instrument.idx), &rose));
            }
        }
        for (number, breaker) in (0..=u16::MAX).zip(&mut self.strategies) {
            if breaker.tick(scene.ts) {
                let account = self.accounts.first().map_or(AccountId(0), |a| a.account);
                out.push(breaker_alert(account, Some(StrategyIdx(number)), None, None));
            }
        }
        for account in scene.portfolio.accounts() {
            let at = self.account_at(account);
            self.look(at, scene, true, out);
        }
    }

    fn look(&mut self, at: usize, scene: &Scene<'_>, forced: bool, out: &mut Vec<Action>) {
        let Self { config, marks, assets, inputs, tiers, accounts, scratch, .. } = self;
        if let Some(account) = accounts.get_mut(at) {
            account.look(&mut Shared { config, marks, assets, inputs, tiers }, scratch, scene, forced, out);
        }
    }

    /// A fill was booked.
    pub fn on_fill(&mut self, fill: &Fill, effect: &FillEffect) {
        let at = self.account_at(fill.account);
        let breaker = self.strategy_mut(fill.strategy);
        if effect.opened_or_enlarged {
            breaker.opened_position();
        }
        self.accounts[at].on_fill(effect.opened_or_enlarged);
    }

    /// A round trip ended at `ts`, and was booked.
    pub fn on_trip(&mut self, ts: UnixNanos, trip: &RoundTrip, scene: &Scene<'_>, out: &mut Vec<Action>) {
        let config = self.config;
        let at = self.account_at(trip.account);
        let breaker = self.strategy_mut(trip.strategy);
        if breaker.on_trip(ts, trip.entry_ts, trip.pnl, &config) {
            let losses = (breaker.state() != State::Closed).then(|| f64::from(breaker.losses()));
            out.push(breaker_alert(trip.account, Some(trip.strategy), losses, Some(f64::from(config.breaker_losses))));
        }
        let quote = scene.table.get(trip.instrument).map(|instrument| instrument.quote);
        let pnl = quote.and_then(|quote| {
            let Scene { table, view, portfolio, .. } = scene;
            portfolio.in_report_currency(trip.account, quote, trip.pnl, table, view, Rounding::Down)
        });
        self.accounts[at].on_trip(ts, trip.entry_ts, pnl, &config, scene, out);
    }

    /// A transfer was booked: `amount` is what came in (positive) or went out, in report currency. `None` where its worth is not known:
    /// then nothing measured before holds any more, and new risk is denied until the account is re-armed.
    pub fn on_transfer(&mut self, account: AccountId, amount: Option<Money>, out: &mut Vec<Action>) {
        let at = self.account_at(account);
        self.accounts[at].on_transfer(amount, out);
    }

    /// A UTC day begins.
    pub fn on_day(&mut self, scene: &Scene<'_>, out: &mut Vec<Action>) {
        for account in scene.portfolio.accounts() {
            let at = self.account_at(account);
            self.accounts[at].on_day(&self.config, scene, out);
        }
    }

    /// A key holder re-arms. An account: drawdown is measured from the next equity on, the windows of the account's black swan begin
    /// anew, an open breaker of the account allows a probe, and what was latched as unknown is forgotten; the loss of the day stands until
    /// the next day. A strategy: its open breaker allows a probe. Answers whether there was anything to re-arm.
    pub fn rearm(&mut self, ts: UnixNanos, account: AccountId, what: Rearm) -> bool {
        match what {
            Rearm::Account => {
                let at = self.account_at(account);
                self.accounts[at].rearm(ts)
            }
            Rearm::Strategy(strategy) => self.strategy_mut(strategy).rearm(ts),
        }
    }

    /// What a strategy may do in an account now.
    #[must_use]
    pub fn stance(&self, ts: UnixNanos, account: AccountId, strategy: StrategyIdx) -> Stance {
        let config = &self.config;
        let watch = self.account(account);
        let of_strategy = self.strategies.get(strategy.index()).map_or(Permit::Full, |b| b.permit(ts, config));
        let breaker = of_strategy.stricter(watch.map_or(Permit::Full, |w| w.breaker.permit(ts, config)));
        let size_factor = match breaker {
            Permit::Full => Rate::ONE,
            Permit::Probe { size, taken: false } => size,
            Permit::Probe { taken: true, .. } | Permit::Refused { .. } => Rate::ZERO,
        };
        let black_swan = self.assets.worst_fall().max(watch.map_or(Level::Calm, AccountWatch::swan_level));
        Stance {
            unknown: watch.and_then(AccountWatch::unknown),
            breaker,
            size_factor,
            leverage_cap: self.inputs.cap(black_swan, config),
            drawdown: watch.and_then(|w| w.drawdown.fraction()),
            halted: watch.is_some_and(|w| w.drawdown.step() == Step::Limit),
            day_loss: watch.and_then(|w| w.day.loss()),
            hour_loss: watch.and_then(|w| w.day.hour_loss()),
            day_over: watch.is_some_and(|w| w.day.step() == Step::Limit),
            liquidation_near: watch.is_some_and(AccountWatch::is_liquidation_near),
            black_swan,
        }
    }

    /// Writes down how an account stands, for the checks. Allocates where a strategy is new.
    ///
    /// What is not known is the drawdown, so that nothing new is opened on it.
    pub fn write_standing(&self, ts: UnixNanos, account: AccountId, strategies: u16, out: &mut Standing) {
        let breaker = |permit| match permit {
            Permit::Full => Breaker::Closed,
            Permit::Probe { taken, .. } => Breaker::HalfOpen { probe_free: !taken },
            Permit::Refused { .. } => Breaker::Open,
        };
        out.strategies.clear();
        for number in 0..strategies {
            let of = self.strategies.get(usize::from(number)).map_or(Permit::Full, |b| b.permit(ts, &self.config));
            out.strategies.push(breaker(of));
        }
        // What is the account's is the same for each of its strategies.
        let stance = self.stance(ts, account, StrategyIdx(u16::MAX));
        out.account = breaker(self.account(account).map_or(Permit::Full, |w| w.breaker.permit(ts, &self.config)));
        let watched = |value: Option<f64>| value.map_or(Reading::NotConfigured, Reading::of);
        out.day_loss = watched(stance.day_loss);
        out.intraday_loss = watched(stance.hour_loss);
        out.drawdown = if stance.unknown.is_some() { Reading::Unknown } else { watched(stance.drawdown) };
        out.leverage_max = stance.leverage_cap;
        out.nothing_new = if stance.halted {
            Some(DenyReason::Drawdown)
        } else if stance.day_over {
            Some(DenyReason::DailyLoss)
        } else if stance.liquidation_near {
            Some(DenyReason::LiquidationDistance)
        } else if stance.black_swan >= Level::NoNewRisk {
            Some(DenyReason::Drawdown)
        } else if stance.leverage_cap.is_none() {
            Some(DenyReason::ClampInput)
        } else {
            None
        };
    }

    /// The drawdown of an account, once it was looked at.
    #[must_use]
    pub fn drawdown(&self, account: AccountId) -> Option<&drawdown::Drawdown> {
        self.account(account).map(|watch| &watch.drawdown)
    }

    /// Profit and loss of an account's day, once it was looked at.
    #[must_use]
    pub fn day(&self, account: AccountId) -> Option<&day::Day> {
        self.account(account).map(|watch| &watch.day)
    }

    /// The breaker of an account, once it was looked at.
    #[must_use]
    pub fn account_breaker(&self, account: AccountId) -> Option<&breaker::AccountBreaker> {
        self.account(account).map(|watch| &watch.breaker)
    }

    /// The breaker of a strategy; a closed one before its first fill.
    #[must_use]
    pub fn strategy_breaker(&self, strategy: StrategyIdx) -> StrategyBreaker {
        self.strategies.get(strategy.index()).copied().unwrap_or_default()
    }

    fn account(&self, account: AccountId) -> Option<&AccountWatch> {
        let at = self.accounts.partition_point(|watch| watch.account < account);
        self.accounts.get(at).filter(|watch| watch.account == account)
    }

    fn account_at(&mut self, account: AccountId) -> usize {
        let at = self.accounts.partition_point(|watch| watch.account < account);
        if self.accounts.get(at).is_none_or(|watch| watch.account != account) {
            self.accounts.insert(at, AccountWatch::new(account));
        }
        at
    }

    fn strategy_mut(&mut self, strategy: StrategyIdx) -> &mut StrategyBreaker {
        if self.strategies.len() <= strategy.index() {
            self.strategies.resize(strategy.index() + 1, StrategyBreaker::default());
        }
        &mut self.strategies[strategy.index()]
    }
}

const VERSION: u32 = 1;
const WHAT: &str = "the guard";

/// For snapshots.
impl Guard {
    /// Appends the guard to a snapshot: its configuration, for comparison, and its state.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        self.config.save(out);
        self.marks.put(out);
        self.assets.put(out);
        self.inputs.put(out);
        self.tiers.put(out);
        self.strategies.put(out);
        self.accounts.put(out);
    }

    /// Takes over a saved guard. After an error this one must not be used any more.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] names the number of the configuration that differs, else [`CodecError`] for bytes that no guard wrote.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        from.version(WHAT, VERSION)?;
        self.config.compare(from)?;
        self.marks = Stored::take(from)?;
        self.assets = Stored::take(from)?;
        self.inputs = Stored::take(from)?;
        self.tiers = Stored::take(from)?;
        self.strategies = Stored::take(from)?;
        self.accounts = Stored::take(from)?;
        if self.accounts.is_sorted_by(|a, b| a.account < b.account) {
            Ok(())
        } else {
            Err(CodecError::Invalid { what: WHAT })
        }
    }
}

impl Digestible for Guard {
    fn digest(&self, d: &mut Digest) {
        self.config.digest(d);
        self.marks.digest(d);
        self.assets.digest(d);
        self.inputs.digest(d);
        for tiers in &self.tiers {
            d.word(tiers.as_slice().len() as u64);
            for tier in tiers.as_slice() {
                d.wide(tier.notional_min.raw());
                d.int(tier.rate.raw());
                d.wide(tier.deduction.raw());
            }
        }
        self.strategies.iter().for_each(|breaker| breaker.digest(d));
        self.accounts.iter().for_each(|account| account.digest(d));
    }
}

fn breaker_alert(account: AccountId, strategy: Option<StrategyIdx>, value: Option<f64>, limit: Option<f64>) -> Action {
    Action::Alert(Alert { kind: AlertKind::Breaker, account, instrument: None, strategy, value, limit })
}

/// Whether `part` is at least that share of `whole`. A whole that is not positive is reached by every part that is not negative.
fn reaches(part: Money, whole: Money, share: Rate) -> bool {
    if whole <= Money::ZERO {
        return part >= Money::ZERO;
    }
    whole.times(share, Rounding::Down).is_some_and(|bound| part >= bound)
}

/// As [`reaches`], for more than that share.
fn reaches_over(part: Money, whole: Money, share: Rate) -> bool {
    if whole <= Money::ZERO {
        return part > Money::ZERO;
    }
    whole.times(share, Rounding::Down).is_some_and(|bound| part > bound)
}

/// `part / whole` for reports and the gate. `None` where the whole is not positive.
fn fraction(part: Money, whole: Money) -> Option<f64> {
    (whole > Money::ZERO).then(|| part.to_f64() / whole.to_f64())
}

/// `rate * part`, towards zero; both are fractions.
fn share_of(rate: Rate, part: Rate) -> Rate {
    let raw = i128::from(rate.raw()) * i128::from(part.raw()) / i128::from(Rate::ONE.raw());
    Rate::from_raw(i64::try_from(raw).unwrap_or(i64::MAX))
}
