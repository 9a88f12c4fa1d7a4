//! What is remembered of a run: counts always, records of orders, fills, trades and equity if wanted.

use crate::runner::statistics::EquityStatistics;
use domain::{
    AccountId, AccountReport, Fill, Money, Observer, OrderClass, OrderSpec, RejectReason, ReportBody, UnixNanos,
};
use engine::Engine;
use portfolio::RoundTrip;
use risk::{Command, CommandRecord, Decision, DenyReason, ReleaseError};
use std::collections::BTreeMap;

/// Watches a session from outside the engine: what went in and came out, and the account's value in time.
pub trait Probe: Observer {
    /// All market events of this time are in: the account can be valued.
    fn sample(&mut self, _ts: UnixNanos, _engine: &Engine) {}
    /// The engine said this.
    fn command(&mut self, _ts: UnixNanos, _command: &Command) {}
    /// The venue said this; the engine has dealt with it.
    fn report(&mut self, _ts: UnixNanos, _report: &AccountReport, _engine: &Engine) {}
    /// An approved order did not leave.
    fn not_sent(&mut self, _ts: UnixNanos, _error: &ReleaseError) {}
}

/// An order as it left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrderRecord {
    /// When.
    pub ts: UnixNanos,
    /// The order.
    pub spec: OrderSpec,
    /// What it did to risk.
    pub class: OrderClass,
}

/// A fill as it was booked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillRecord {
    /// When.
    pub ts: UnixNanos,
    /// The fill.
    pub fill: Fill,
    /// What it realised, before fees, in quote.
    pub realised: Money,
}

/// Remembers a run.
#[derive(Debug)]
pub struct Recorder {
    account: AccountId,
    keep: bool,
    /// Orders that left.
    pub orders: u64,
    /// Fills that came back.
    pub fills: u64,
    /// Round trips that were closed.
    pub trades: u64,
    /// Of those, with a profit after fees.
    pub wins: u64,
    /// Refusals by reason.
    refusals: [u64; DenyReason::ALL.len()],
    /// What the venue refused or ended by itself, by reason.
    pub rejects: BTreeMap<&'static str, u64>,
    /// Approved orders that did not leave.
    pub not_sent: u64,
    /// Records of orders.
    pub order_log: Vec<OrderRecord>,
    /// Records of fills.
    pub fill_log: Vec<FillRecord>,
    /// Closed round trips.
    pub trips: Vec<RoundTrip>,
    /// The account's value in time, and what follows from it.
    pub equity: EquityStatistics,
}

impl Recorder {
    /// A recorder for an account; `keep` records as well as counts.
    #[must_use]
    pub fn new(account: AccountId, keep: bool, equity: EquityStatistics) -> Self {
        Self {
            account,
            keep,
            orders: 0,
            fills: 0,
            trades: 0,
            wins: 0,
            refusals: [0; DenyReason::ALL.len()],
            rejects: BTreeMap::new(),
            not_sent: 0,
            order_log: Vec::new(),
            fill_log: Vec::new(),
            trips: Vec::new(),
            equity,
        }
    }

    /// Whether records are kept.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.keep
    }

    /// Refusals by the key of their reason; reasons that did not occur are left out.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DenyReason::ALL.iter().zip(&self.refusals).filter(|(_, n)| **n > 0).map(|(reason, n)| (reason.key(), *n))
    }

    fn rejected(&mut self, reason: RejectReason) {
        *self.rejects.entry(reason.name()).or_default() += 1;
    }
}

impl Observer for Recorder {
    // What the recorder needs it is told as a probe; the engine's step has nobody listening inside.
    const ACTIVE: bool = false;
}

impl Probe for Recorder {
    #[inline]
    fn sample(&mut self, ts: UnixNanos, engine: &Engine) {
        if let Some(equity) = engine.portfolio().equity_estimate(self.account, engine.view()) {
            self.equity.push(ts, equity, engine.view());
        }
    }

    fn command(&mut self, ts: UnixNanos, command: &Command) {
        match command {
            Command::Submit(_) => {
                self.orders += 1;
                if self.keep
                    && let CommandRecord::Submit { spec, class, .. } = command.record()
                {
                    self.order_log.push(OrderRecord { ts, spec, class });
                }
            }
            Command::Record(Decision::Refused { refusal, .. }) => self.refusals[refusal.reason as usize] += 1,
            Command::Record(Decision::Signal(_))
            | Command::Cancel { .. }
            | Command::Timer { .. }
            | Command::Infer(_) => {}
        }
    }

    fn report(&mut self, ts: UnixNanos, report: &AccountReport, engine: &Engine) {
        match report.body {
            ReportBody::Filled { fill, .. } => {
                self.fills += 1;
                let Some(booked) = engine.booked() else { return };
                if self.keep {
                    self.fill_log.push(FillRecord { ts, fill, realised: booked.effect.realised });
                }
                if let Some(trip) = booked.trip {
                    self.trades += 1;
                    self.wins += u64::from(trip.pnl > Money::ZERO);
                    if self.keep {
                        self.trips.push(trip);
                    }
                }
            }
            // A protective order ends with the position that it protects: that is no refusal.
            ReportBody::Canceled { reason: Some(RejectReason::ReduceOnly), .. } => {}
            ReportBody::Rejected { reason, .. } | ReportBody::Canceled { reason: Some(reason), .. } => {
                self.rejected(reason);
            }
            _ => {}
        }
    }

    fn not_sent(&mut self, _: UnixNanos, _: &ReleaseError) {
        self.not_sent += 1;
    }
}
