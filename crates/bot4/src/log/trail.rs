//! The trail of an order through the log: the same target, words and fields for every order, fill, refusal, recovery and fault.
//!
//! `seq` is the sequence number of the causing event and `order` the client order id; a search for either finds the whole story. Orders,
//! fills, signals, refusals and reports are told at `debug`: there are as many as there are in the journal, and a run at full speed would feel
//! it. `log.file_level = "info,bot4::orders=debug"` switches them on. Recoveries are told at `info`, faults at `error`. Numbers go into the record
//! as they are: nothing is formatted on the calling thread.

use crate::explain::words;
use domain::{AccountReport, ClientOrderId, Mode, OrderQuantity, RejectReason, ReportBody, Side, UnixNanos};
use risk::{Command, CommandRecord, Decision};
use tracing::{Level, debug, enabled, error, info, warn};

/// The module name of these records, for filters: `--log bot4::orders=debug`.
pub const TARGET: &str = "bot4::orders";

/// A command that event `seq` caused at `ts`.
#[inline]
pub fn command(seq: u64, ts: UnixNanos, command: &Command) {
    if enabled!(target: TARGET, Level::DEBUG) {
        told(seq, ts, &command.record());
    }
}

/// A command of a record that event `seq` caused at `ts` when the record was made.
#[inline]
pub fn recorded(seq: u64, ts: UnixNanos, record: &CommandRecord) {
    if enabled!(target: TARGET, Level::DEBUG) {
        told(seq, ts, record);
    }
}

fn told(seq: u64, ts: UnixNanos, command: &CommandRecord) {
    let engine_ts = ts.0;
    match command {
        CommandRecord::Submit { spec, research, .. } => debug!(
            target: TARGET,
            seq,
            order = spec.client_id.raw(),
            engine_ts,
            strategy = spec.strategy.0,
            instrument = spec.instrument.0,
            kind = spec.kind.name(),
            side = side(spec.side),
            quantity = quantity(spec.quantity),
            research = *research,
            "order sent"
        ),
        CommandRecord::List { first, second } => debug!(
            target: TARGET,
            seq,
            order = first.spec.client_id.raw(),
            other = second.spec.client_id.raw(),
            engine_ts,
            strategy = first.spec.strategy.0,
            instrument = first.spec.instrument.0,
            research = first.research,
            "pair of orders sent"
        ),
        CommandRecord::Cancel { client_id } => {
            debug!(target: TARGET, seq, order = client_id.raw(), engine_ts, "cancel sent");
        }
        CommandRecord::Query { client_id } => {
            debug!(target: TARGET, seq, order = client_id.raw(), engine_ts, "query sent");
        }
        CommandRecord::Reconcile { account, .. } => {
            debug!(target: TARGET, seq, engine_ts, account = account.0, "account asked for");
        }
        CommandRecord::Decision(Decision::Refused { strategy, instrument, refusal, .. }) => debug!(
            target: TARGET,
            seq,
            engine_ts,
            strategy = strategy.0,
            instrument = instrument.0,
            reason = refusal.reason.key(),
            value = refusal.value,
            limit = refusal.limit,
            "refused"
        ),
        CommandRecord::Decision(Decision::Signal(signal)) => debug!(
            target: TARGET,
            seq,
            engine_ts,
            strategy = signal.strategy.0,
            instrument = signal.instrument.0,
            "signal"
        ),
        CommandRecord::Decision(Decision::Group { group, kind, strategy, legs, .. }) => debug!(
            target: TARGET,
            seq,
            engine_ts,
            strategy = strategy.0,
            group,
            kind = kind.key(),
            legs,
            "group"
        ),
        CommandRecord::Decision(Decision::GroupStep { group, leg, strategy, instrument, step, refusal, .. }) => debug!(
            target: TARGET,
            seq,
            engine_ts,
            strategy = strategy.0,
            instrument = instrument.0,
            group,
            leg,
            reason = refusal.map(|r| r.reason.key()),
            step = step.key(),
            "group step"
        ),
        CommandRecord::Decision(Decision::Worked { strategy, instrument, style, target, .. }) => debug!(
            target: TARGET,
            seq,
            engine_ts,
            strategy = strategy.0,
            instrument = instrument.0,
            style = style.name(),
            quantity = %target,
            "worked in parts"
        ),
        CommandRecord::Decision(Decision::WorkEnded { strategy, instrument, target, filled, end, .. }) => debug!(
            target: TARGET,
            seq,
            engine_ts,
            strategy = strategy.0,
            instrument = instrument.0,
            quantity = %target,
            filled = %filled,
            end = end.name(),
            "work ended"
        ),
        // Told at its own level by whoever carries it.
        CommandRecord::Decision(
            Decision::Mode { .. }
            | Decision::Alert(_)
            | Decision::Limit { .. }
            | Decision::Rearmed { .. }
            | Decision::Difference(_)
            | Decision::Reconciled { .. },
        ) => {}
        // What is asked of the runtime is in the journal.
        CommandRecord::Timer { .. } | CommandRecord::Infer(_) | CommandRecord::Gate { .. } => {}
    }
}

/// What safety decided on event `seq`: somebody must hear of it, so it goes to the log whatever its level for orders is.
#[inline]
pub fn safety(seq: u64, decision: &Decision) {
    match decision {
        Decision::Signal(_)
        | Decision::Refused { .. }
        | Decision::Worked { .. }
        | Decision::WorkEnded { .. }
        | Decision::Group { .. }
        | Decision::GroupStep { .. } => {}
        // What the limits do by themselves is their work; what stops everything has to be seen.
        Decision::Mode { to: Mode::Emergency, .. }
        | Decision::Limit { .. }
        | Decision::Rearmed { .. }
        | Decision::Difference(_) => {
            let text = words::safety(&CommandRecord::Decision(*decision)).unwrap_or_default();
            warn!(target: TARGET, seq, "{text}");
        }
        Decision::Mode { .. } | Decision::Alert(_) | Decision::Reconciled { .. } => {
            if enabled!(target: TARGET, Level::INFO) {
                let text = words::safety(&CommandRecord::Decision(*decision)).unwrap_or_default();
                info!(target: TARGET, seq, "{text}");
            }
        }
    }
}

/// A report of a venue, which is event `seq`.
#[inline]
pub fn report(seq: u64, ts: UnixNanos, report: &AccountReport) {
    if enabled!(target: TARGET, Level::DEBUG) {
        reported(seq, ts, report);
    }
}

fn reported(seq: u64, ts: UnixNanos, report: &AccountReport) {
    let engine_ts = ts.0;
    match &report.body {
        ReportBody::Filled { fill, complete } => debug!(
            target: TARGET,
            seq,
            order = fill.client_id.raw(),
            engine_ts,
            instrument = fill.instrument.0,
            side = side(fill.side),
            price_mantissa = fill.price,
            quantity_mantissa = fill.quantity,
            complete = *complete,
            "filled"
        ),
        ReportBody::Rejected { client_id, reason } => {
            debug!(target: TARGET, seq, order = client_id.raw(), engine_ts, reason = reason.name(), "rejected by the venue");
        }
        ReportBody::Canceled { client_id, reason } => debug!(
            target: TARGET,
            seq,
            order = client_id.raw(),
            engine_ts,
            reason = reason.map_or("asked", RejectReason::name),
            "canceled"
        ),
        ReportBody::Accepted { client_id, .. } => reported_as(seq, *client_id, engine_ts, "accepted"),
        ReportBody::Triggered { client_id } => reported_as(seq, *client_id, engine_ts, "triggered"),
        ReportBody::Expired { client_id } => reported_as(seq, *client_id, engine_ts, "expired"),
        ReportBody::Amended { client_id } => reported_as(seq, *client_id, engine_ts, "amended"),
        ReportBody::CancelRejected { client_id, .. } => reported_as(seq, *client_id, engine_ts, "cancel rejected"),
        ReportBody::Replaced { client_id, .. } => reported_as(seq, *client_id, engine_ts, "replaced"),
        ReportBody::Charge { amount, .. } => {
            debug!(target: TARGET, seq, engine_ts, amount = amount.to_f64(), "charge");
        }
        ReportBody::AmendRejected { client_id, .. } => reported_as(seq, *client_id, engine_ts, "amendment rejected"),
        ReportBody::Status { client_id, .. } => reported_as(seq, *client_id, engine_ts, "status"),
        ReportBody::Funding { instrument, amount, .. } => {
            debug!(target: TARGET, seq, engine_ts, instrument = instrument.0, amount = amount.to_f64(), "funding");
        }
        ReportBody::Transfer { amount, .. } => {
            debug!(target: TARGET, seq, engine_ts, amount = amount.to_f64(), "transfer");
        }
    }
}

fn reported_as(seq: u64, order: ClientOrderId, engine_ts: u64, what: &'static str) {
    debug!(target: TARGET, seq, order = order.raw(), engine_ts, what, "reported");
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// In base or contracts, or in quote where the order is an amount.
fn quantity(quantity: OrderQuantity) -> f64 {
    match quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => quantity.to_f64(),
        OrderQuantity::QuoteAmount(amount) => amount.to_f64(),
    }
}

/// What cannot happen and did, at event `seq`: no new risk is taken after it.
#[cold]
pub fn fault(seq: u64, fault: &dyn std::fmt::Display) {
    error!(target: TARGET, seq, fault = %fault, "fault: no new risk is taken");
}

/// A run that goes on from a snapshot: `resumed_at` is the first event that is processed after it.
#[cold]
pub fn recovery(snapshot_seq: u64, tail_events: u64, resumed_at: u64) {
    info!(target: TARGET, seq = resumed_at, snapshot_seq, tail_events, "recovered");
}
