//! What the journal says of each order beside its end: the signal it came of, when it was taken, every fill.

use crate::explain::scan::{Index, order_of};
use crate::runner::cursor::{Cursor, command_of, event_of};
use domain::{EventBody, Fill, RejectReason, ReportBody, UnixNanos};
use risk::{CommandRecord, Decision};
use std::collections::BTreeMap;
use std::path::Path;
use store::journal::{JournalError, Kind};

/// The signal of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// Engine time.
    pub ts: UnixNanos,
    /// The price that the strategy saw, a mantissa.
    pub reference: Option<i64>,
}

/// A fill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillSeen {
    /// When it was heard of.
    pub ts: UnixNanos,
    /// The venue's own time of it.
    pub at: UnixNanos,
    /// The fill.
    pub fill: Fill,
}

/// What is known of one order beside its line in the index.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The signal.
    pub decided: Option<Decided>,
    /// When its acceptance was heard of, and the venue's time of it.
    pub accepted: Option<(UnixNanos, UnixNanos)>,
    /// When it was heard that its trigger was reached.
    pub triggered: Option<UnixNanos>,
    /// Its fills.
    pub fills: Vec<FillSeen>,
    /// Whether it ended because nothing was left to reduce.
    pub nothing_left: bool,
}

/// Traces of all orders, in the order of the index.
#[derive(Debug, Default)]
pub struct Traced {
    /// By place in the index.
    pub orders: Vec<Trace>,
    /// Whether retention may have removed signals.
    pub may_lack_decisions: bool,
}

/// Reads the journal once more, for what the index does not keep.
///
/// # Errors
/// If the journal cannot be read.
pub fn read(journal: &Path, index: &Index) -> Result<Traced, JournalError> {
    let mut traced = Traced { orders: vec![Trace::default(); index.orders.len()], may_lack_decisions: false };
    let place: BTreeMap<_, _> = index.orders.iter().enumerate().map(|(at, line)| (line.spec.client_id, at)).collect();
    let mut signals = BTreeMap::new();
    let mut cursor = Cursor::after(journal, 0)?;
    while let Some(view) = cursor.peek() {
        match view.kind {
            Kind::Decision => {
                if let Ok((ts, CommandRecord::Decision(Decision::Signal(s)))) = command_of(view.body) {
                    let reference = (s.reference != 0).then_some(s.reference);
                    signals.insert((view.seq, (s.account, s.instrument, s.strategy)), Decided { ts, reference });
                }
            }
            Kind::Report => {
                if let Ok((ts, event)) = event_of(view.body)
                    && let EventBody::Report(report) = event.body
                    && let Some(trace) =
                        order_of(&report.body).and_then(|id| place.get(&id)).and_then(|at| traced.orders.get_mut(*at))
                {
                    trace.hear(ts, report.ts_event, &report.body);
                }
            }
            _ => {}
        }
        cursor.advance();
    }
    traced.may_lack_decisions = cursor.may_lack(Kind::Decision);
    for (trace, line) in traced.orders.iter_mut().zip(&index.orders) {
        trace.decided = line.signal.and_then(|seq| signals.get(&(seq, line.key())).copied());
    }
    cursor.failed().cloned().map_or(Ok(traced), Err)
}

impl Trace {
    /// What was filled, a mantissa, and the sum of price x quantity in mantissas; each execution once.
    #[must_use]
    pub fn filled(&self) -> (i64, i128) {
        self.fills.iter().fold((0, 0), |(filled, weighted), f| {
            (filled.saturating_add(f.fill.quantity), weighted + i128::from(f.fill.price) * i128::from(f.fill.quantity))
        })
    }

    fn hear(&mut self, ts: UnixNanos, at: UnixNanos, body: &ReportBody) {
        match body {
            ReportBody::Accepted { .. } => self.accepted = self.accepted.or(Some((ts, at))),
            ReportBody::Triggered { .. } => self.triggered = self.triggered.or(Some(ts)),
            // The venue's number of an execution is its own: one that is told again is no second fill.
            ReportBody::Filled { fill, .. } if self.fills.iter().all(|f| f.fill.trade_id != fill.trade_id) => {
                self.fills.push(FillSeen { ts, at, fill: *fill });
            }
            ReportBody::Canceled { reason: Some(RejectReason::ReduceOnly), .. }
            | ReportBody::Rejected { reason: RejectReason::ReduceOnly, .. } => self.nothing_left = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        AccountId, AssetIdx, ClientOrderId, InstrumentIdx, Liquidity, Money, Side, StrategyIdx, VenueOrderId,
    };

    #[test]
    fn an_execution_that_is_told_again_counts_once() {
        let fill = |trade_id, quantity| Fill {
            client_id: ClientOrderId::new(AccountId(0), 1, 1),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id,
            price: 100,
            quantity,
            instrument: InstrumentIdx(0),
            account: AccountId(0),
            strategy: StrategyIdx(0),
            fee_asset: AssetIdx(0),
            side: Side::Buy,
            liquidity: Liquidity::Taker,
        };
        let mut trace = Trace::default();
        for (ts, fill) in [(1, fill(7, 2)), (2, fill(8, 3)), (3, fill(7, 2))] {
            trace.hear(UnixNanos(ts), UnixNanos(ts), &ReportBody::Filled { fill, complete: false });
        }
        assert_eq!((trace.fills.len(), trace.filled()), (2, (5, 500)));
        let ended = ReportBody::Canceled {
            client_id: ClientOrderId::new(AccountId(0), 1, 1),
            reason: Some(RejectReason::ReduceOnly),
        };
        trace.hear(UnixNanos(4), UnixNanos(4), &ended);
        assert!(trace.nothing_left);
    }
}
