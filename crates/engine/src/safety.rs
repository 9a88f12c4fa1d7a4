//! What stops trading: modes, trips, the level of the gate word, and what an emergency does to orders and positions.
//!
//! In:  control events, orders that did not leave, findings of `risk::Guard`.
//! Out: changes of the mode and alerts for the record, levels for the gate word, and what the desk makes of it.
//! Anything may make trading stricter at any time; only a resume of what was asked for, or a re-arm, leads back.

use crate::step::{Engine, scene};
use domain::{
    AccountId, Alert, AlertKind, Cause, Control, Holder, InstrumentIdx, Mode, NotSent, Observer, Rearm, ReportBody,
    Rounding, StrategyIdx, UnixNanos,
};
use execution::{Desk, World};
use risk::mode::Change;
use risk::{Action, Command, Decision, TightenError};

/// All orders may leave.
const OPEN: u8 = 0;
/// Only what reduces, and cancels.
const REDUCING: u8 = 1;
/// Only cancels.
const CANCELS: u8 = 2;

impl Engine {
    /// What is told from outside the market.
    pub(crate) fn on_control<O: Observer>(
        &mut self,
        ts: UnixNanos,
        control: &Control,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        match *control {
            Control::Pause => {
                let change = self.mode.restrict(Mode::Reduced, Cause::Journal);
                self.changed(ts, change, None, out, observer);
            }
            Control::Resume => {
                let change = self.mode.resume();
                self.changed(ts, change, None, out, observer);
            }
            Control::Trip { cause, flatten, including_stops } => {
                self.trip(ts, cause, flatten, including_stops, out, observer);
            }
            Control::Restrict { to, cancel_entries, holder } => {
                // An emergency is a trip, never a wish.
                let change = self.mode.restrict(to.min(Mode::Paused), Cause::Override);
                self.changed(ts, change, Some(holder), out, observer);
                if cancel_entries {
                    self.each_account(ts, out, observer, |desk, account, world| desk.cancel_entries(account, world));
                }
            }
            Control::Rearm { what, holder } => self.rearm(ts, what, holder, out, observer),
            Control::Tighten { limit, to, holder } => {
                let (from, to) = match self.gate.tighten(limit, to) {
                    Ok(change) => change,
                    // It stays as it is, and the record says that it was asked for.
                    Err(TightenError::Looser { from, .. } | TightenError::Invalid { from, .. }) => (from, from),
                    Err(TightenError::Off { .. }) => return,
                };
                out.push(Command::Record(Decision::Limit { limit, from, to, holder }));
            }
            Control::Epoch { epoch } => self.desk.begin_epoch(epoch),
            Control::Gap { account, since } => self.interrupted(ts, account, since, out, observer),
            Control::Gate { level } => {
                if level > OPEN {
                    self.trip(ts, Cause::GateWord, false, false, out, observer);
                }
            }
        }
        self.settle_level(ts, out);
    }

    /// A trigger closed the gate: nothing that opens risk leaves, entries are taken off, and what is asked for beyond that is done.
    pub(crate) fn trip<O: Observer>(
        &mut self,
        ts: UnixNanos,
        cause: Cause,
        flatten: bool,
        including_stops: bool,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        let change = self.mode.restrict(Mode::Emergency, cause);
        self.changed(ts, change, None, out, observer);
        if flatten {
            // What closes has to leave, and what protects stays until it has: then it is taken off by itself.
            self.bare = false;
            self.settle_level(ts, out);
            // Said again where it is that already: who asked for it may have raised the word beyond.
            out.push(Command::Gate { level: self.level });
            self.each_account(ts, out, observer, |desk, account, world| desk.flatten(account, world));
        } else if including_stops {
            self.bare = true;
            self.each_account(ts, out, observer, |desk, account, world| {
                desk.cancel_all_including_stops(account, world);
            });
        }
        self.at_desk(ts, out, observer, |desk, world| desk.raise_naked(world));
    }

    /// The mode changed: it is recorded, the gate word follows before anything else leaves, and entries are taken off where it is one that
    /// does so.
    pub(crate) fn changed<O: Observer>(
        &mut self,
        ts: UnixNanos,
        change: Option<Change>,
        holder: Option<Holder>,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        let Some(Change { from, to, cause }) = change else { return };
        out.push(Command::Record(Decision::Mode { from, to, cause, holder }));
        if to == Mode::Normal {
            self.bare = false;
        }
        self.settle_level(ts, out);
        if to == Mode::Emergency {
            self.each_account(ts, out, observer, |desk, account, world| desk.cancel_entries(account, world));
        }
    }

    fn rearm<O: Observer>(
        &mut self,
        ts: UnixNanos,
        what: Rearm,
        holder: Holder,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        let (done, change) = match what {
            // Nothing is re-armed over a difference that nothing explains.
            Rearm::Account if self.reconciler.as_ref().is_some_and(|r| r.differs()) => (false, None),
            Rearm::Account => {
                let change = self.mode.rearm();
                if let Some(reconciler) = self.reconciler.as_mut().filter(|_| change.is_some()) {
                    reconciler.rearm();
                }
                // What the guard had latched is forgotten, in whatever mode.
                let mut latched = false;
                for at in 0..self.config.accounts.len() {
                    if let (Some(guard), Some(account)) = (self.guard.as_mut(), self.config.accounts.get(at))
                        && !self.mode.is_stuck()
                    {
                        latched |= guard.rearm(ts, *account, what);
                    }
                }
                (change.is_some() || latched, change)
            }
            Rearm::Strategy(strategy) => {
                let throttled = self.gate.rearm(strategy);
                let account = self.account;
                let broken = self.guard.as_mut().is_some_and(|g| g.rearm(ts, account, what));
                (throttled || broken, None)
            }
        };
        out.push(Command::Record(Decision::Rearmed { what, holder, done }));
        self.changed(ts, change, Some(holder), out, observer);
        if change.is_some() {
            self.each_account(ts, out, observer, |desk, account, world| desk.end_emergency(account, world));
        }
    }

    /// Orders that were stopped as they were about to leave: none of them is anywhere.
    pub(crate) fn on_not_sent<O: Observer>(
        &mut self,
        ts: UnixNanos,
        stopped: &NotSent,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        let account = stopped.orders.first().map_or_else(AccountId::default, |id| id.account());
        out.push(alert(AlertKind::NotSent, account, None, None, Some(stopped.orders.len() as f64), None));
        self.at_desk(ts, out, observer, |desk, world| desk.not_sent(&stopped.orders, world));
    }

    /// Sets the gate word to what mode, positions and orders ask for, if it is not there.
    ///
    /// Level 2 only when nothing is open and no order works, or when stops were told to be taken off, too.
    pub(crate) fn settle_level(&mut self, ts: UnixNanos, out: &mut Vec<Command>) {
        let level = match self.mode.mode() {
            Mode::Normal => OPEN,
            Mode::Reduced | Mode::Paused => REDUCING,
            Mode::Emergency if self.bare || self.is_quiet(ts) => CANCELS,
            Mode::Emergency => REDUCING,
        };
        if level != self.level {
            self.level = level;
            out.push(Command::Gate { level });
        }
    }

    /// Reductions may leave again where only cancels did because stops were taken off.
    pub(crate) fn let_out(&mut self, ts: UnixNanos, out: &mut Vec<Command>) {
        self.bare = false;
        self.settle_level(ts, out);
    }

    /// Lets the guard look at the accounts.
    #[inline]
    pub(crate) fn watch<O: Observer>(&mut self, ts: UnixNanos, out: &mut Vec<Command>, observer: &mut O) {
        let Some(mut guard) = self.guard.take() else { return };
        let scene = scene(ts, &self.table, &self.view, &self.portfolio, self.mode.mode(), &self.standing);
        for &account in &self.config.accounts {
            guard.check(&scene, account, &mut self.actions);
        }
        self.guard = Some(guard);
        if !self.actions.is_empty() {
            self.carry_out(ts, out, observer);
        }
    }

    /// How the account stands now, for the checks.
    pub(crate) fn refresh_standing(&mut self, ts: UnixNanos) {
        if let Some(guard) = &self.guard {
            let strategies = u16::try_from(self.strategies.len()).unwrap_or(u16::MAX);
            guard.write_standing(ts, self.account, strategies, &mut self.standing);
        }
    }

    /// What a report did to the account, for the guard. It was booked.
    pub(crate) fn told_to_guard(&mut self, ts: UnixNanos, body: &ReportBody) {
        let Some(mut guard) = self.guard.take() else { return };
        match body {
            ReportBody::Filled { fill, .. } => {
                if let Some(booked) = &self.booked {
                    guard.on_fill(fill, &booked.effect);
                    if let Some(trip) = &booked.trip {
                        let mode = self.mode.mode();
                        let scene = scene(ts, &self.table, &self.view, &self.portfolio, mode, &self.standing);
                        guard.on_trip(ts, trip, &scene, &mut self.actions);
                    }
                }
            }
            ReportBody::Transfer { account, asset, amount } => {
                let Self { table, view, portfolio, .. } = self;
                let worth = portfolio.in_report_currency(*account, *asset, *amount, table, view, Rounding::Down);
                guard.on_transfer(*account, worth, &mut self.actions);
            }
            _ => {}
        }
        self.guard = Some(guard);
    }

    /// Holds what is held against the limits, and tells of what is above them since it was looked at last.
    pub(crate) fn verify(&mut self, ts: UnixNanos, out: &mut Vec<Command>) {
        // With nothing held nothing is above a limit, and what was is so no longer.
        if self.portfolio.positions().next().is_none() && !self.gate.has_breaches() {
            return;
        }
        self.refresh_standing(ts);
        let scene = scene(ts, &self.table, &self.view, &self.portfolio, self.mode.mode(), &self.standing);
        for &account in &self.config.accounts {
            self.gate.verify(account, &scene, &mut self.breaches);
        }
        out.extend(self.breaches.drain(..).map(|breach| Command::Record(Decision::Alert(breach.alert()))));
    }

    /// Does what the guard asked for. It owns no order; the desk does.
    pub(crate) fn carry_out<O: Observer>(&mut self, ts: UnixNanos, out: &mut Vec<Command>, observer: &mut O) {
        if self.actions.is_empty() {
            return;
        }
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Alert(alert) => out.push(Command::Record(Decision::Alert(alert))),
                Action::Cleared { cause } => {
                    let change = self.mode.cleared(cause);
                    self.changed(ts, change, None, out, observer);
                }
                Action::Mode { to: Mode::Emergency, cause, flatten } => {
                    self.trip(ts, cause, flatten, false, out, observer);
                }
                Action::Mode { to, cause, flatten } => {
                    let change = self.mode.restrict(to, cause);
                    self.changed(ts, change, None, out, observer);
                    if change.is_some() {
                        // What rests could fill into a loss that has reached its limit.
                        self.each_account(ts, out, observer, |desk, account, world| {
                            desk.cancel_entries(account, world);
                        });
                    }
                    if flatten {
                        self.each_account(ts, out, observer, |desk, account, world| desk.flatten(account, world));
                    }
                }
                Action::Close { account, instrument, strategy } => {
                    self.let_out(ts, out);
                    let mut keys = std::mem::take(&mut self.keys);
                    keys.clear();
                    keys.extend(
                        (self.portfolio.positions()).map(|(of, held_in, by, _)| (of, held_in, by)).filter(|key| {
                            (key.0, key.1) == (account, instrument) && strategy.is_none_or(|s| s == key.2)
                        }),
                    );
                    for key in &keys {
                        self.at_desk(ts, out, observer, |desk, world| desk.close(*key, world));
                    }
                    self.keys = keys;
                }
                Action::Reduce { account, instrument, fraction } => {
                    self.let_out(ts, out);
                    self.at_desk(ts, out, observer, |desk, world| {
                        desk.reduce_part(account, instrument, fraction, world)
                    });
                }
                // Positions share the account's margin; there is none of their own to add to.
                Action::AddMargin { account, instrument, amount } => {
                    let (kind, value) = (AlertKind::LiquidationDistance, Some(amount.to_f64()));
                    out.push(alert(kind, account, Some(instrument), None, value, None));
                }
            }
        }
        self.actions = actions;
    }

    /// Lets the desk act in the world as it is at this place of the step.
    #[inline]
    pub(crate) fn at_desk<O: Observer, T>(
        &mut self,
        ts: UnixNanos,
        out: &mut Vec<Command>,
        observer: &mut O,
        act: impl FnOnce(&mut Desk, &mut World<'_, '_, O>) -> T,
    ) -> T {
        let mut world = World {
            scene: scene(ts, &self.table, &self.view, &self.portfolio, self.mode.mode(), &self.standing),
            gate: &mut self.gate,
            out,
            observer,
        };
        act(&mut self.desk, &mut world)
    }

    /// Looks after positions that have come to be without protection, and whether everything is closed by now.
    pub(crate) fn look_after<O: Observer>(&mut self, ts: UnixNanos, out: &mut Vec<Command>, observer: &mut O) {
        // What has become worth closing must be able to leave.
        self.settle_level(ts, out);
        self.refresh_standing(ts);
        self.at_desk(ts, out, observer, |desk, world| desk.look_after(world));
        self.settle_level(ts, out);
    }

    /// A fill where nothing should be open any more: somebody must hear of it, and what protects the position must be able to leave.
    pub(crate) fn late_fill(
        &mut self,
        account: AccountId,
        instrument: InstrumentIdx,
        strategy: StrategyIdx,
        out: &mut Vec<Command>,
    ) -> bool {
        if self.level < CANCELS {
            return false;
        }
        self.bare = false;
        out.push(alert(AlertKind::LateFill, account, Some(instrument), Some(strategy), None, None));
        self.level = REDUCING;
        out.push(Command::Gate { level: REDUCING });
        true
    }

    fn is_quiet(&self, ts: UnixNanos) -> bool {
        let scene = scene(ts, &self.table, &self.view, &self.portfolio, self.mode.mode(), &self.standing);
        self.config.accounts.iter().all(|account| self.desk.is_quiet(*account, &scene))
    }

    fn each_account<O: Observer>(
        &mut self,
        ts: UnixNanos,
        out: &mut Vec<Command>,
        observer: &mut O,
        act: impl Fn(&mut Desk, AccountId, &mut World<'_, '_, O>),
    ) {
        for at in 0..self.config.accounts.len() {
            let Some(&account) = self.config.accounts.get(at) else { break };
            self.at_desk(ts, out, observer, |desk, world| act(desk, account, world));
        }
    }
}

/// An alert as a command.
pub(crate) const fn alert(
    kind: AlertKind,
    account: AccountId,
    instrument: Option<InstrumentIdx>,
    strategy: Option<StrategyIdx>,
    value: Option<f64>,
    limit: Option<f64>,
) -> Command {
    Command::Record(Decision::Alert(Alert { kind, account, instrument, strategy, value, limit }))
}
