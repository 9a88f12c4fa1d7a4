//! The wire between us and the venue: messages travel, and faults happen to them.
//!
//! In:  requests as they leave, messages of the venue as it says them, faults that wait for their message.
//! Out: the same on the other side, later, twice, in another order, or never.
//! Each direction is one connection: without a fault a message never overtakes the one before it.

use crate::exchange::Said;
use crate::fault::Kind;
use crate::stats::Counts;
use domain::{AccountReport, ClientOrderId, Nanos, RejectReason, ReportBody, UnixNanos};
use sim::Request;
use std::collections::BTreeMap;
use testkit::generate::Seeded;

const SECOND: i64 = 1_000_000_000;

/// Messages of one direction, by their time of arrival.
#[derive(Debug)]
struct Way<T> {
    messages: Vec<(UnixNanos, u64, T)>,
    last: UnixNanos,
    number: u64,
}

impl<T> Way<T> {
    const fn new() -> Self {
        Self { messages: Vec::new(), last: UnixNanos(0), number: 0 }
    }

    /// In order behind those that were sent before.
    fn send(&mut self, due: UnixNanos, message: T) {
        self.last = self.last.max(due);
        let due = self.last;
        self.apart(due, message);
    }

    /// In no order with others.
    fn apart(&mut self, due: UnixNanos, message: T) {
        self.number += 1;
        self.messages.push((due, self.number, message));
    }

    fn due(&self) -> UnixNanos {
        self.messages.iter().map(|m| m.0).min().unwrap_or(UnixNanos::MAX)
    }

    fn take(&mut self, now: UnixNanos) -> Option<T> {
        let at = (self.messages.iter().enumerate()).filter(|(_, m)| m.0 <= now).min_by_key(|(_, m)| (m.0, m.1))?.0;
        Some(self.messages.remove(at).2)
    }
}

/// The wire.
#[derive(Debug)]
pub struct Network {
    up: Way<Request>,
    down: Way<Said>,
    random: Seeded,
    base: i64,
    jitter: i64,
    /// Faults that wait for a message that they can happen to.
    armed: Vec<(Kind, u64)>,
    /// Nothing passes before.
    broken_until: UnixNanos,
    /// Orders of which nothing is heard for a while.
    silent: BTreeMap<ClientOrderId, UnixNanos>,
}

impl Network {
    /// A wire of a length that the seed says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        let base =
            if random.chance(15) { random.within(SECOND / 2, SECOND) } else { random.within(5_000_000, 150_000_000) };
        let jitter = random.within(0, base * 2);
        Self {
            up: Way::new(),
            down: Way::new(),
            random,
            base,
            jitter,
            armed: Vec::new(),
            broken_until: UnixNanos(0),
            silent: BTreeMap::new(),
        }
    }

    /// The longest that a message and its answer are under way without a fault.
    #[must_use]
    pub const fn round_trip(&self) -> Nanos {
        Nanos(((self.base + self.jitter) * 2) as u64)
    }

    /// This happens to the next message that it can happen to.
    pub fn arm(&mut self, kind: Kind, draw: u64) {
        self.armed.push((kind, draw));
    }

    /// No fault waits any longer, nothing is cut off, nothing is held back.
    pub fn heal(&mut self) {
        self.armed.clear();
        self.silent.clear();
        self.broken_until = UnixNanos(0);
    }

    /// Nothing passes before this time; what is under way to us is lost.
    pub fn break_until(&mut self, until: UnixNanos) {
        self.broken_until = self.broken_until.max(until);
        self.down.messages.clear();
    }

    fn arrival(&mut self, now: UnixNanos) -> UnixNanos {
        let wait = self.base + self.random.within(0, self.jitter);
        now.saturating_add(Nanos(wait.unsigned_abs()))
    }

    fn strike(&mut self, kinds: &[Kind]) -> Option<(Kind, u64)> {
        let at = self.armed.iter().position(|(kind, _)| kinds.contains(kind))?;
        Some(self.armed.remove(at))
    }

    /// A request leaves.
    pub fn request(&mut self, now: UnixNanos, request: Request, counts: &mut Counts) {
        if now < self.broken_until {
            return;
        }
        let due = self.arrival(now);
        let place = matches!(request, Request::Place { .. });
        let any = [Kind::LostRequest, Kind::EdgeFailsBefore];
        let of_place = [
            Kind::LostRequest,
            Kind::EdgeFailsBefore,
            Kind::EdgeFailsAfter,
            Kind::EdgeRefuses,
            Kind::AcceptThenTimeout,
        ];
        let fault = self.strike(if place { &of_place } else { &any });
        if let Some((kind, _)) = fault {
            counts.fault(kind);
        }
        let id = request.client_id();
        match (fault, id) {
            (Some((Kind::LostRequest | Kind::EdgeFailsBefore, _)), _) => {}
            (Some((Kind::EdgeRefuses, _)), Some(client_id)) => {
                let body = ReportBody::Rejected { client_id, reason: RejectReason::RateLimit };
                self.down.send(due, Said::Report(AccountReport { ts_event: now, body }));
            }
            (Some((kind, draw)), Some(client_id)) => {
                // A failure of the edge loses the answer; a timeout all that is said for a while.
                let span = if kind == Kind::EdgeFailsAfter { 2 } else { 10 + draw % 80 };
                self.silent.insert(client_id, now.saturating_add(Nanos::from_secs(span)));
                self.up.send(due, request);
            }
            _ => self.up.send(due, request),
        }
    }

    /// The venue says something.
    pub fn say(&mut self, now: UnixNanos, said: Said, counts: &mut Counts) {
        if now < self.broken_until {
            return;
        }
        let about = match &said {
            Said::Report(report) => order_of(&report.body),
            Said::State(_) => None,
        };
        if about.and_then(|id| self.silent.get(&id)).is_some_and(|until| now < *until) {
            return;
        }
        let due = self.arrival(now);
        let fault = self.strike(&[Kind::LostReport, Kind::LateReport, Kind::DuplicateReport, Kind::Reordered]);
        if let Some((kind, _)) = fault {
            counts.fault(kind);
        }
        let later = |span: u64| due.saturating_add(Nanos(span));
        match fault {
            Some((Kind::LostReport, _)) => {}
            Some((Kind::LateReport, draw)) => self.down.apart(later(1_000_000_000 + draw % 60_000_000_000), said),
            Some((Kind::Reordered, draw)) => self.down.apart(later(200_000_000 + draw % 3_000_000_000), said),
            Some((_, draw)) => {
                self.down.send(due, said.clone());
                self.down.apart(later(draw % 30_000_000_000), said);
            }
            None => self.down.send(due, said),
        }
    }

    /// When the next request arrives.
    #[must_use]
    pub fn up_due(&self) -> UnixNanos {
        self.up.due()
    }

    /// When the next message to us arrives.
    #[must_use]
    pub fn down_due(&self) -> UnixNanos {
        self.down.due()
    }

    /// The next request that has arrived.
    pub fn take_request(&mut self, now: UnixNanos) -> Option<Request> {
        self.up.take(now)
    }

    /// The next message that has arrived.
    pub fn take_said(&mut self, now: UnixNanos) -> Option<Said> {
        self.down.take(now)
    }

    /// Whether something about an order is under way.
    #[must_use]
    pub fn has(&self, id: ClientOrderId) -> bool {
        let of = |said: &Said| matches!(said, Said::Report(report) if order_of(&report.body) == Some(id));
        self.up.messages.iter().any(|m| m.2.client_id() == Some(id)) || self.down.messages.iter().any(|m| of(&m.2))
    }
}

/// Which order a report is about.
const fn order_of(body: &ReportBody) -> Option<ClientOrderId> {
    match body {
        ReportBody::Accepted { client_id, .. }
        | ReportBody::Triggered { client_id }
        | ReportBody::Rejected { client_id, .. }
        | ReportBody::Canceled { client_id, .. }
        | ReportBody::Expired { client_id }
        | ReportBody::CancelRejected { client_id, .. }
        | ReportBody::Status { client_id, .. } => Some(*client_id),
        ReportBody::Filled { fill, .. } => Some(fill.client_id),
        _ => None,
    }
}
