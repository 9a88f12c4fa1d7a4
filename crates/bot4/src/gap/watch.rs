//! What the gap report sees of one playing of a session: the exact value of the account in time, and what became of each order.

use crate::runner::plan::ACCOUNT;
use crate::runner::record::Probe;
use domain::time::NANOS_PER_SECOND;
use domain::{
    AccountReport, ClientOrderId, InstrumentIdx, Money, Observer, OrderClass, OrderQuantity, OrderSpec, RejectReason,
    ReportBody, Rounding, Side, StrategyIdx, UnixNanos,
};
use engine::Engine;
use risk::{Command, CommandRecord, Decision};
use std::collections::BTreeMap;

const HOUR: u64 = 3_600 * NANOS_PER_SECOND;
const DAY: u64 = 24 * HOUR;

/// One order that was sent, and what was traded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenOrder {
    /// When it was sent.
    pub ts: UnixNanos,
    /// The strategy.
    pub strategy: StrategyIdx,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// Buy or sell.
    pub side: Side,
    /// What it does at the venue.
    pub kind: &'static str,
    /// What it does to risk.
    pub class: OrderClass,
    /// How much it asked for.
    pub asked: OrderQuantity,
    /// How much was traded, a count of 1e-12.
    pub quantity: i128,
    /// For how much in quote, a count of 1e-12.
    pub notional: i128,
    /// Fees in quote, a count of 1e-12.
    pub fees: i128,
    /// When it was filled first.
    pub filled_at: Option<UnixNanos>,
}

impl SeenOrder {
    fn sent(ts: UnixNanos, spec: &OrderSpec, class: OrderClass) -> Self {
        Self {
            ts,
            strategy: spec.strategy,
            instrument: spec.instrument,
            side: spec.side,
            kind: spec.kind.name(),
            class,
            asked: spec.quantity,
            quantity: 0,
            notional: 0,
            fees: 0,
            filled_at: None,
        }
    }

    /// Average price of what was traded, multiplier included.
    #[must_use]
    pub fn price(&self) -> Option<f64> {
        (self.quantity > 0).then(|| self.notional as f64 / self.quantity as f64)
    }
}

/// Watches one playing.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Up to when it counts: later events are those of a run that went on.
    until: Option<UnixNanos>,
    over: bool,
    /// The value of the account when all market events of a time were in.
    held: Option<(UnixNanos, Money)>,
    /// Values that a missing price made unknown, since the last known one.
    unknown: bool,
    /// The value at the end of each hour that had a market event, by number of the hour.
    pub hours: Vec<(u64, Money)>,
    /// The value at the end of each UTC day that had a market event, by number of the day.
    pub days: Vec<(u64, Money)>,
    /// Orders, by our number.
    pub orders: BTreeMap<ClientOrderId, SeenOrder>,
    /// Fills.
    pub fills: u64,
    /// Fees in quote, a count of 1e-12.
    pub fees: i128,
    /// Refusals of the gate, by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// What the venue refused or ended by itself, by reason.
    pub rejects: BTreeMap<&'static str, u64>,
    /// Whether an order with a limit was sent.
    pub limits: bool,
    /// Whether a sum was beyond what the numbers hold.
    pub overflow: bool,
}

impl Watch {
    /// Watches to the end, or up to this time.
    #[must_use]
    pub fn new(until: Option<UnixNanos>) -> Self {
        Self {
            until,
            over: false,
            held: None,
            unknown: false,
            hours: Vec::new(),
            days: Vec::new(),
            orders: BTreeMap::new(),
            fills: 0,
            fees: 0,
            refusals: BTreeMap::new(),
            rejects: BTreeMap::new(),
            limits: false,
            overflow: false,
        }
    }

    /// Whether the time up to which it counts is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Up to when it counts.
    #[must_use]
    pub const fn until(&self) -> Option<UnixNanos> {
        self.until
    }

    /// The last time at which the account was valued, and its value; `None` where a price was missing at the end.
    #[must_use]
    pub fn end(&self) -> Option<(UnixNanos, Money)> {
        self.held.filter(|_| !self.unknown)
    }

    /// Ends the last hour and day. Called once, after the playing.
    pub fn finish(&mut self) {
        if let Some((ts, value)) = self.held {
            self.close(ts, UnixNanos::MAX, value);
        }
    }

    /// Forgets orders that were sent after this time: a record that broke off goes on a little beyond what was valued last.
    pub fn cut(&mut self, after: UnixNanos) {
        self.orders.retain(|_, order| order.ts <= after);
    }

    fn close(&mut self, ts: UnixNanos, next: UnixNanos, value: Money) {
        // What is known at midnight belongs to the day that ends.
        let of = |ts: UnixNanos, length: u64| ts.0.saturating_sub(1) / length;
        if of(next, HOUR) > of(ts, HOUR) {
            self.hours.push((of(ts, HOUR), value));
        }
        if of(next, DAY) > of(ts, DAY) {
            self.days.push((of(ts, DAY), value));
        }
    }

    fn said(&mut self, ts: UnixNanos, record: &CommandRecord) {
        match record {
            CommandRecord::Submit { spec, class, .. } => {
                self.limits |= spec.kind.limit_price().is_some();
                self.orders.insert(spec.client_id, SeenOrder::sent(ts, spec, *class));
            }
            CommandRecord::Decision(Decision::Refused { refusal, .. }) => {
                *self.refusals.entry(refusal.reason.key()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn filled(&mut self, ts: UnixNanos, fill: &domain::Fill, engine: &Engine) {
        self.fills += 1;
        let fee = engine.booked().map_or(0, |booked| booked.effect.fee_value.raw());
        self.fees += fee;
        let Some(i) = engine.table().get(fill.instrument) else { return };
        let Some(order) = self.orders.get_mut(&fill.client_id) else { return };
        let quantity = domain::Quantity::from_mantissa(fill.quantity, i.quantity_decimals);
        let notional = i.notional(i.price(fill.price), quantity, Rounding::Down);
        self.overflow |= notional.is_none();
        order.quantity += quantity.raw();
        order.notional += notional.map_or(0, Money::raw);
        order.fees += fee;
        order.filled_at.get_or_insert(ts);
    }
}

impl Observer for Watch {
    const ACTIVE: bool = false;
}

impl Probe for Watch {
    fn sample(&mut self, ts: UnixNanos, engine: &Engine) {
        if self.over {
            return;
        }
        if let Some(value) = engine.equity(ACCOUNT) {
            if let Some((before, held)) = self.held.filter(|(before, _)| *before < ts) {
                self.close(before, ts, held);
            }
            self.held = Some((ts, value));
            self.unknown = false;
        } else {
            self.unknown = true;
        }
        self.over = self.until.is_some_and(|until| ts >= until);
    }

    fn command(&mut self, ts: UnixNanos, command: &Command) {
        if self.over {
            return;
        }
        match command {
            Command::Submit(_) | Command::Record(Decision::Refused { .. }) => self.said(ts, &command.record()),
            _ => {}
        }
    }

    fn recorded(&mut self, ts: UnixNanos, record: &CommandRecord) {
        if !self.over {
            self.said(ts, record);
        }
    }

    fn report(&mut self, ts: UnixNanos, report: &AccountReport, engine: &Engine) {
        if self.over {
            return;
        }
        match report.body {
            ReportBody::Filled { fill, .. } => self.filled(ts, &fill, engine),
            // A protective order ends with the position that it protects: that is no refusal.
            ReportBody::Canceled { reason: Some(RejectReason::ReduceOnly), .. } => {}
            ReportBody::Rejected { reason, .. } | ReportBody::Canceled { reason: Some(reason), .. } => {
                *self.rejects.entry(reason.name()).or_default() += 1;
            }
            _ => {}
        }
    }
}

/// The first millisecond after a numbered hour, since 1970 UTC.
#[must_use]
pub const fn hour_end_ms(hour: u64) -> i64 {
    (hour as i64 + 1) * 3_600_000
}

/// The first millisecond of a numbered UTC day.
#[must_use]
pub const fn day_ms(day: u64) -> i64 {
    day as i64 * 86_400_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_at_midnight_belongs_to_the_day_that_ends() {
        let mut watch = Watch::new(None);
        let values = [(DAY - 1, 1), (DAY, 2), (DAY + 1, 3), (3 * DAY, 4), (3 * DAY + HOUR / 2, 5)];
        for (ts, value) in values {
            let (ts, value) = (UnixNanos(ts), Money::from_units(value));
            if let Some((before, held)) = watch.held {
                watch.close(before, ts, held);
            }
            watch.held = Some((ts, value));
        }
        watch.finish();
        let units = |list: &[(u64, Money)]| -> Vec<(u64, i128)> {
            list.iter().map(|(n, value)| (*n, value.raw() / Money::from_units(1).raw())).collect()
        };
        assert_eq!(units(&watch.days), [(0, 2), (1, 3), (2, 4), (3, 5)]);
        assert_eq!(units(&watch.hours), [(23, 2), (24, 3), (71, 4), (72, 5)]);
    }
}
