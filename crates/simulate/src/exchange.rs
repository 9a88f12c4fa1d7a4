//! The venue, with what somebody who looks into its books would see: what every report it made adds up to.
//!
//! In:  requests that arrived, prices, what the operator of the venue and others in the account do.
//! Out: messages to us, and books of its own against which its balances are held after everything that happens.

use crate::books::Books;
use crate::trader::ACCOUNT;
use domain::{
    AccountReport, AssetIdx, ClientOrderId, InstrumentTable, Money, OrderQuantity, OrderSpec, OrderType, Quote,
    ReportBody, Side, StrategyIdx, TimeInForce, UnixNanos, VenueState,
};
use sim::{Request, Venue, VenueConfig};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The epoch of orders of others in the account.
const FOREIGN_EPOCH: u32 = u32::MAX - 1;

/// What the venue says.
#[derive(Clone, Debug)]
pub enum Said {
    /// A report on the account.
    Report(AccountReport),
    /// How the account stands.
    State(Arc<VenueState>),
}

/// An order that works at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// Its terms.
    pub spec: OrderSpec,
    /// Filled so far, a mantissa.
    pub filled: i64,
}

/// The venue.
pub struct Exchange {
    venue: Venue,
    table: InstrumentTable,
    /// What its reports add up to.
    pub books: Books,
    /// Orders that work, by what was reported of them.
    pub working: BTreeMap<ClientOrderId, Resting>,
    specs: BTreeMap<ClientOrderId, OrderSpec>,
    foreign: u64,
    /// How often an order was filled in part by now, for whoever waits for that.
    pub partial: Option<ClientOrderId>,
    /// Funding rows so far.
    pub fundings: u64,
}

impl Exchange {
    /// A venue with these instruments.
    ///
    /// # Errors
    /// When an instrument cannot be.
    pub fn new(config: VenueConfig, table: &InstrumentTable) -> Result<Self, String> {
        let mut venue = Venue::new(config);
        venue.define_table(table).map_err(|e| format!("{e:?}"))?;
        Ok(Self {
            venue,
            table: table.clone(),
            books: Books::new(table.clone()),
            working: BTreeMap::new(),
            specs: BTreeMap::new(),
            foreign: 0,
            partial: None,
            fundings: 0,
        })
    }

    /// A request arrived.
    pub fn receive(&mut self, now: UnixNanos, request: Request) {
        if let Request::Place { order, .. } = &request {
            self.specs.entry(order.client_id).or_insert(*order);
        }
        self.venue.submit(now, request);
    }

    /// A price.
    pub fn quote(&mut self, quote: &Quote) {
        self.venue.advance(quote.ts_event);
        self.venue.on_quote(quote.ts_event, quote);
    }

    /// When something is due by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.venue.next_due()
    }

    /// Time goes on.
    pub fn advance(&mut self, now: UnixNanos) {
        self.venue.advance(now);
    }

    /// Money comes in or goes out.
    pub fn transfer(&mut self, now: UnixNanos, asset: AssetIdx, amount: Money) {
        self.venue.advance(now);
        self.venue.deposit(ACCOUNT, asset, amount);
    }

    /// Somebody else trades in the account.
    pub fn foreign_trade(&mut self, now: UnixNanos, draw: u64) {
        let at = (draw % self.table.instruments().len() as u64) as usize;
        let rules = &self.table.instruments()[at];
        self.foreign += 1;
        let lots = 10 + (draw >> 8) % 1_000;
        let quantity = domain::Quantity::from_mantissa(lots as i64, rules.quantity_decimals);
        // Of spot only what is bought: what we hold there is not taken away, for no venue could tell whose it was.
        let spot = rules.kind == domain::InstrumentKind::Spot;
        let side = if spot || draw >> 40 & 1 == 0 { Side::Buy } else { Side::Sell };
        let order = OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, FOREIGN_EPOCH, self.foreign),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(quantity),
            time_in_force: TimeInForce::Ioc,
            account: ACCOUNT,
            instrument: rules.idx,
            strategy: StrategyIdx::OUTSIDE,
            side,
            post_only: false,
            reduce_only: false,
        };
        self.receive(now, Request::Place { order, valid_until: None });
    }

    /// The venue takes an order off by itself.
    pub fn take_off(&mut self, now: UnixNanos, id: ClientOrderId) {
        self.venue.submit(now, Request::Cancel { client_id: id });
    }

    /// What it says now. Every report goes into its books first.
    ///
    /// # Errors
    /// Where its balances and its reports disagree.
    pub fn says(&mut self, now: UnixNanos, out: &mut Vec<Said>) -> Result<(), String> {
        loop {
            if let Some(report) = self.venue.take_report(now) {
                self.note(&report)?;
                out.push(Said::Report(anonymous(report)));
            } else if let Some(state) = self.venue.take_state(now) {
                out.push(Said::State(Arc::new(state_of_strangers(&state))));
            } else {
                break;
            }
        }
        for (at, _) in self.table.assets().iter().enumerate() {
            let asset = AssetIdx(at as u16);
            let (theirs, sum) = (self.venue.balance(ACCOUNT, asset), self.books.balance(asset));
            if theirs != sum {
                return Err(format!("venue: balance of asset {at} is {theirs}, its reports add up to {sum}"));
            }
        }
        for rules in self.table.instruments() {
            if rules.kind != domain::InstrumentKind::Spot {
                let (theirs, sum) = (self.venue.position(ACCOUNT, rules.idx), self.books.net(rules.idx));
                if theirs != sum {
                    return Err(format!(
                        "venue: position in {} is {theirs}, its reports add up to {sum}",
                        rules.symbol
                    ));
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, report: &AccountReport) -> Result<(), String> {
        match &report.body {
            ReportBody::Accepted { client_id, .. } => {
                if let Some(spec) = self.specs.get(client_id) {
                    self.working.insert(*client_id, Resting { spec: *spec, filled: 0 });
                }
            }
            ReportBody::Rejected { .. } => {}
            ReportBody::Filled { fill, complete } => {
                if let Some(resting) = self.working.get_mut(&fill.client_id) {
                    resting.filled += fill.quantity;
                }
                if *complete {
                    self.working.remove(&fill.client_id);
                } else {
                    self.partial = Some(fill.client_id);
                }
                if !self.books.fill(fill)? {
                    return Err(format!("venue: execution {} told twice", fill.trade_id));
                }
            }
            ReportBody::Canceled { client_id, .. } | ReportBody::Expired { client_id } => {
                self.working.remove(client_id);
            }
            ReportBody::Funding { asset, amount, .. } => {
                self.fundings += 1;
                self.books.post(*asset, *amount);
            }
            ReportBody::Transfer { asset, amount, .. } | ReportBody::Charge { asset, amount, .. } => {
                self.books.post(*asset, *amount);
            }
            _ => {}
        }
        Ok(())
    }

    /// The table of its instruments.
    #[must_use]
    pub const fn table(&self) -> &InstrumentTable {
        &self.table
    }
}

/// An id as the adapter would see it: orders of others have none of ours.
fn of_us(id: ClientOrderId) -> Option<ClientOrderId> {
    (id.epoch() != FOREIGN_EPOCH).then_some(id)
}

/// Whether an id is that of an order of somebody else.
#[must_use]
pub fn is_foreign(id: ClientOrderId) -> bool {
    of_us(id).is_none() || id.is_foreign()
}

/// A report as an adapter makes it, which knows nothing of the numbers of others.
fn anonymous(mut report: AccountReport) -> AccountReport {
    let hide = |id: &mut ClientOrderId| {
        if is_foreign(*id) {
            *id = ClientOrderId::foreign(ACCOUNT);
        }
    };
    match &mut report.body {
        ReportBody::Filled { fill, .. } => hide(&mut fill.client_id),
        ReportBody::Accepted { client_id, .. }
        | ReportBody::Rejected { client_id, .. }
        | ReportBody::Canceled { client_id, .. }
        | ReportBody::Expired { client_id }
        | ReportBody::Triggered { client_id } => hide(client_id),
        _ => {}
    }
    report
}

fn state_of_strangers(state: &VenueState) -> VenueState {
    let mut state = state.clone();
    for order in &mut state.orders {
        if is_foreign(order.spec.client_id) {
            order.spec.client_id = ClientOrderId::foreign(ACCOUNT);
        }
    }
    for execution in &mut state.executions {
        if is_foreign(execution.fill.client_id) {
            execution.fill.client_id = ClientOrderId::foreign(ACCOUNT);
        }
    }
    state
}
