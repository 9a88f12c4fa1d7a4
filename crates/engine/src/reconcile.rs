//! What a venue says of an account, held against what we know.
//!
//! In:  the venue's answers.
//! Out: executions that were missed, booked like every other.

use crate::safety::alert;
use crate::step::Engine;
use domain::{AccountId, AccountReport, AlertKind, AssetIdx, Money, Observer, ReportBody, UnixNanos, VenueState};
use risk::Command;

impl Engine {
    /// A venue said how an account stands there.
    pub(crate) fn on_venue_state<O: Observer>(
        &mut self,
        ts: UnixNanos,
        state: &VenueState,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        for execution in &state.executions {
            let executions = self.desk.executions();
            if executions.knows(&execution.fill) || executions.may_have_forgotten(execution.ts_event) {
                continue;
            }
            let body = ReportBody::Filled { fill: execution.fill, complete: false };
            self.on_report(ts, &AccountReport { ts_event: execution.ts_event, body }, out, observer);
        }
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
