//! What a venue says of an account, held against what we know.
//!
//! In:  the start, interruptions of the stream of reports, a timer; the venue's answers.
//! Out: questions; executions and movements that were missed, booked like every other; differences for the record, and the mode that follows.
//! What differs is for `execution::reconcile` to say. An execution that is not booked yet is booked, whoever tells of it first, and its report
//! changes nothing when it comes. Nothing else is ever booked: where no execution explains a difference, new risk waits for a key holder.

use crate::safety::alert;
use crate::step::Engine;
use domain::{
    AccountId, AccountReport, AlertKind, AssetIdx, Cause, Difference, DifferenceKind, Execution, Fill, Mode, Money,
    Observer, ReportBody, Side, StrategyIdx, TimerFired, UnixNanos, VenueState,
};
use execution::World;
use execution::reconcile::{missed_movement, report_of};
use portfolio::FillEffect;
use risk::{Command, Decision};

impl Engine {
    /// The first instrument is defined: the venue is asked how the accounts stand, and new risk waits for its answer.
    pub(crate) fn begin_reconciling<O: Observer>(&mut self, ts: UnixNanos, out: &mut Vec<Command>, observer: &mut O) {
        let Some(reconciler) = &mut self.reconciler else { return };
        reconciler.start(ts);
        self.wait_for_venue(ts, out, observer);
        self.reconcile_due(ts, out, observer);
    }

    /// The reports of an account were interrupted: what was said meanwhile is asked for, and new risk waits for the answer.
    pub(crate) fn interrupted<O: Observer>(
        &mut self,
        ts: UnixNanos,
        account: AccountId,
        since: UnixNanos,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        if self.reconciler.is_none() {
            if self.config.asking.is_some() {
                // Nobody compares anything here, but executions that were missed can be had all the same.
                out.push(Command::Reconcile { account, since });
            }
        } else if self.reconciler.as_mut().is_some_and(|reconciler| reconciler.interrupted(account, since, ts)) {
            self.wait_for_venue(ts, out, observer);
            self.reconcile_due(ts, out, observer);
        }
    }

    fn wait_for_venue<O: Observer>(&mut self, ts: UnixNanos, out: &mut Vec<Command>, observer: &mut O) {
        let change = self.mode.restrict(Mode::Reduced, Cause::Reconciliation);
        self.changed(ts, change, None, out, observer);
    }

    /// Asks for every account whose time has come.
    pub(crate) fn reconcile_due<O: Observer>(&mut self, ts: UnixNanos, out: &mut Vec<Command>, observer: &mut O) {
        let Some(mut reconciler) = self.reconciler.take() else { return };
        reconciler.fired(ts);
        while let Some((account, since, silent)) = reconciler.take_due(ts) {
            out.push(Command::Reconcile { account, since });
            if silent {
                out.push(alert(AlertKind::StateOverdue, account, None, None, None, None));
                self.wait_for_venue(ts, out, observer);
            }
        }
        self.arm_reconciling(ts, &mut reconciler, out);
        self.reconciler = Some(reconciler);
    }

    fn arm_reconciling(&self, ts: UnixNanos, reconciler: &mut execution::Reconciler, out: &mut Vec<Command>) {
        if let Some(at) = reconciler.arm(ts) {
            out.push(Command::Timer { at, timer: TimerFired::Reconcile });
        }
    }

    /// A venue said how an account stands there.
    pub(crate) fn on_venue_state<O: Observer>(
        &mut self,
        ts: UnixNanos,
        state: &VenueState,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        if !self.config.accounts.contains(&state.account) {
            return;
        }
        self.desk.hold_up();
        for execution in &state.executions {
            self.recover(ts, execution, out, observer);
        }
        let alarm = self.at_desk(ts, out, observer, |desk, world| desk.go_on(world));
        if let Some(alarm) = alarm {
            self.fault(crate::step::Fault::Alarm(alarm), out);
        }
        for movement in &state.movements {
            if let Some(reconciler) = &mut self.reconciler {
                let report = report_of(state.account, movement);
                // Asked without being noted: booking it notes it.
                if reconciler.knows_movement(state.account, movement) {
                    continue;
                }
                self.tell(missed_movement(state.account, movement), out);
                self.on_report(ts, &report, out, observer);
            }
        }
        let Some(mut reconciler) = self.reconciler.take() else { return };
        let mut differences = Vec::new();
        self.take_over_costs(state, &reconciler, &mut differences, out);
        let (alarm, doubtful) = self.at_desk(ts, out, observer, |desk, world: &mut World<'_, '_, O>| {
            desk.on_venue_orders(state, &mut reconciler, &mut differences, world)
        });
        let verdict = reconciler.compare(ts, state, &self.portfolio, &self.table, doubtful, &mut differences);
        self.arm_reconciling(ts, &mut reconciler, out);
        let restrict = reconciler.policy().restrict;
        self.reconciler = Some(reconciler);
        for difference in differences {
            self.tell(difference, out);
        }
        if let Some(alarm) = alarm {
            self.fault(crate::step::Fault::Alarm(alarm), out);
        }
        if verdict.unexplained {
            let change = self.mode.restrict(restrict, Cause::Reconciliation);
            self.changed(ts, change, None, out, observer);
        }
        if verdict.agreed {
            let orders = u32::try_from(self.desk.orders().iter().filter(|w| w.spec.account == state.account).count());
            out.push(Command::Record(Decision::Reconciled {
                account: state.account,
                as_of: state.as_of,
                orders: orders.unwrap_or(u32::MAX),
                recovered: verdict.recovered,
            }));
            let open = self.reconciler.as_ref().is_some_and(|r| r.is_open());
            if !verdict.latched && !open {
                let change = self.mode.cleared(Cause::Reconciliation);
                self.changed(ts, change, None, out, observer);
            }
        }
        if self.mode.mode() != Mode::Normal {
            self.settle_level(ts, out);
        }
    }

    /// Takes over what positions cost at the venue, where executions became known here in another order.
    fn take_over_costs(
        &mut self,
        state: &VenueState,
        reconciler: &execution::Reconciler,
        differences: &mut Vec<Difference>,
        out: &mut Vec<Command>,
    ) {
        let (account, mut bases) = (state.account, Vec::new());
        reconciler.cost_bases(state, &self.portfolio, &self.table, &mut bases);
        for (idx, theirs) in bases {
            let Some(instrument) = self.table.get(idx) else { continue };
            let ours = self.portfolio.net_position(account, idx).cost;
            match self.portfolio.take_over_cost(account, instrument, theirs) {
                Ok(()) => {
                    let (kind, asset) = (DifferenceKind::CostBasis, Some(instrument.settle));
                    let instrument = Some(idx);
                    differences.push(Difference { kind, account, instrument, asset, order: None, ours, theirs });
                }
                Err(error) => self.fault(crate::step::Fault::Ledger(error), out),
            }
            self.gate.invalidate();
        }
    }

    /// Books an execution that no report had told. One that is not ours is booked apart: it changes what we hold and nothing that is decided by
    /// what our strategies did.
    pub(crate) fn recover<O: Observer>(
        &mut self,
        ts: UnixNanos,
        execution: &Execution,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        let Execution { ts_event, fill } = execution;
        let known = self.desk.executions();
        if known.knows(fill) || known.may_have_forgotten(*ts_event, fill) {
            return;
        }
        let quantity =
            self.table.get(fill.instrument).map_or(Money::ZERO, |i| Money::from_raw(i.quantity(fill.quantity).raw()));
        let foreign = fill.client_id.is_foreign();
        let (account, instrument) = (fill.account, Some(fill.instrument));
        self.tell(
            Difference {
                kind: if foreign { DifferenceKind::ForeignTrade } else { DifferenceKind::MissedFill },
                account,
                instrument,
                asset: None,
                order: (!foreign).then_some(fill.client_id),
                ours: Money::ZERO,
                theirs: quantity,
            },
            out,
        );
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.recovered(account);
        }
        if !foreign {
            let body = ReportBody::Filled { fill: *fill, complete: false };
            return self.on_report(ts, &AccountReport { ts_event: *ts_event, body }, out, observer);
        }
        let fill = Fill { strategy: StrategyIdx::OUTSIDE, ..*fill };
        if let Err(error) = self.book(ts, *ts_event, &fill, out, observer) {
            // More sold than was bought there: the assets were there before us, and that is all that it says.
            if !matches!(error, portfolio::LedgerError::ShortSpot { .. }) {
                self.fault(crate::step::Fault::Ledger(error), out);
            }
        }
        self.gate.invalidate();
        self.verify(ts, out);
    }

    /// Records a difference, and tells of those that somebody must hear of.
    fn tell(&self, difference: Difference, out: &mut Vec<Command>) {
        out.push(Command::Record(Decision::Difference(difference)));
        let Difference { kind, account, instrument, ours, theirs, .. } = difference;
        let kind = match kind {
            DifferenceKind::Balance | DifferenceKind::Position | DifferenceKind::Terms => AlertKind::Reconciliation,
            DifferenceKind::ForeignOrder | DifferenceKind::ForeignTrade => AlertKind::OutsideActivity,
            DifferenceKind::MissedFill
            | DifferenceKind::MissedEnd
            | DifferenceKind::UnknownOrder
            | DifferenceKind::MissedTransfer
            | DifferenceKind::MissedFunding
            | DifferenceKind::MissedCharge
            | DifferenceKind::Agreed
            | DifferenceKind::CostBasis => return,
        };
        out.push(alert(kind, account, instrument, None, Some(theirs.to_f64()), Some(ours.to_f64())));
    }

    /// What was booked, with the venue's time of it, for the next comparison.
    pub(crate) fn keep_books(&mut self, ts_event: UnixNanos, fill: &Fill, effect: &FillEffect) {
        let Some(reconciler) = &mut self.reconciler else { return };
        let quantity = self.table.get(fill.instrument).map_or(0, |i| i.quantity(fill.quantity).raw());
        let signed = if fill.side == Side::Buy { quantity } else { -quantity };
        reconciler.books_mut().on_fill(ts_event, fill.account, (fill.instrument, signed), effect);
    }

    /// Tells of a balance that is below zero, once while it is.
    pub(crate) fn look_at_balance(&mut self, account: AccountId, asset: AssetIdx, out: &mut Vec<Command>) {
        let balance = self.portfolio.balance(account, asset);
        let told = self.negative.iter().position(|n| *n == (account, asset));
        match (balance < Money::ZERO, told) {
            (true, None) => {
                self.negative.push((account, asset));
                out.push(alert(AlertKind::NegativeBalance, account, None, None, Some(balance.to_f64()), Some(0.0)));
            }
            (false, Some(at)) => {
                self.negative.remove(at);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}
