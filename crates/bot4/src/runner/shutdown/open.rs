//! What stays open when a run is stopped: every order and every position, so that nothing is left that nobody knows of.

use crate::runner::plan::ACCOUNT;
use crate::runner::session::Session;
use domain::{InstrumentIdx, OrderQuantity, Side, StrategyIdx};
use execution::Purpose;
use serde::{Deserialize, Serialize};

/// One order that is not at its end. Prices and quantities are exact decimals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// Our number of it, 32 hexadecimal digits.
    pub client_id: String,
    /// The instrument.
    pub symbol: String,
    /// Number of the strategy.
    pub strategy: u16,
    /// Its name.
    pub name: String,
    /// What it is for: entry, exit, stop, target or part.
    pub purpose: String,
    /// `buy` or `sell`.
    pub side: String,
    /// What it does at the venue.
    pub kind: String,
    /// How much it asks for.
    pub quantity: String,
    /// How much of that is filled.
    pub filled: String,
    /// The price that sets it off, where there is one.
    pub trigger: Option<String>,
    /// Its limit, where there is one.
    pub limit: Option<String>,
    /// Where it is in its life.
    pub status: String,
}

/// One position. Quantities and amounts are exact decimals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPosition {
    /// The instrument.
    pub symbol: String,
    /// Number of the strategy.
    pub strategy: u16,
    /// Its name.
    pub name: String,
    /// Signed quantity: long is positive.
    pub quantity: String,
    /// What it cost, in quote.
    pub cost: String,
    /// Whether it is too small to be traded away.
    pub dust: bool,
    /// The stops at the venue that protect it, by our numbers.
    pub stops: Vec<String>,
}

/// Everything that stays open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Orders, oldest first.
    pub orders: Vec<OpenOrder>,
    /// Positions.
    pub positions: Vec<OpenPosition>,
    /// Orders that work at the venue and are in no list of ours.
    pub untracked: usize,
}

impl Left {
    /// What is open in a session now.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let engine = &session.engine;
        let names: Vec<&str> = engine.strategy_names().collect();
        let name = |s: StrategyIdx| names.get(s.index()).map_or_else(String::new, |name| (*name).to_owned());
        let symbol = |i: InstrumentIdx| engine.table().get(i).map_or_else(String::new, |i| i.symbol.clone());
        let orders: Vec<OpenOrder> = engine
            .orders()
            .iter()
            .map(|order| {
                let spec = &order.spec;
                OpenOrder {
                    client_id: spec.client_id.to_string(),
                    symbol: symbol(spec.instrument),
                    strategy: spec.strategy.0,
                    name: name(spec.strategy),
                    purpose: purpose(&order.purpose).to_owned(),
                    side: if spec.side == Side::Buy { "buy" } else { "sell" }.to_owned(),
                    kind: spec.kind.name().to_owned(),
                    quantity: quantity(spec.quantity),
                    filled: order.state.filled().to_string(),
                    trigger: spec.kind.trigger().map(|price| price.to_string()),
                    limit: spec.kind.limit_price().map(|price| price.to_string()),
                    status: format!("{:?}", order.state.status()),
                }
            })
            .collect();
        let positions = engine
            .portfolio()
            .positions()
            .filter(|(account, ..)| *account == ACCOUNT)
            .map(|(account, instrument, strategy, held)| {
                let key = (account, instrument, strategy);
                let dust = match (engine.table().get(instrument), engine.view().mark(instrument)) {
                    (Some(i), Some(mark)) => portfolio::dust::is_dust(i, held.quantity, i.price(mark)),
                    // What is not known is not called small.
                    _ => false,
                };
                let stops = engine.orders().iter().filter(|order| order.key() == key && order.protects());
                OpenPosition {
                    symbol: symbol(instrument),
                    strategy: strategy.0,
                    name: name(strategy),
                    quantity: held.quantity.to_string(),
                    cost: held.cost.to_string(),
                    dust,
                    stops: stops.map(|order| order.spec.client_id.to_string()).collect(),
                }
            })
            .collect();
        let untracked = session.venue.working_orders().saturating_sub(orders.len());
        Self { orders, positions, untracked }
    }

    /// Positions above dust that no stop at the venue protects.
    pub fn naked(&self) -> impl Iterator<Item = &OpenPosition> {
        self.positions.iter().filter(|position| !position.dust && position.stops.is_empty())
    }

    /// In one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let dust = self.positions.iter().filter(|position| position.dust).count();
        let above = self.positions.len() - dust;
        let mut text = format!("{} orders and {above} positions stay open", self.orders.len());
        if dust > 0 {
            text += &format!(" ({dust} more are dust)");
        }
        let naked = self.naked().count();
        if naked > 0 {
            text += &format!(", {naked} of them without a stop at the venue");
        }
        if self.untracked > 0 {
            text += &format!("; {} orders work at the venue that nobody here knows of", self.untracked);
        }
        text
    }
}

fn purpose(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Entry { .. } => "entry",
        Purpose::Exit => "exit",
        Purpose::Stop => "stop",
        Purpose::Target => "target",
        Purpose::Part => "part",
    }
}

fn quantity(quantity: OrderQuantity) -> String {
    match quantity {
        OrderQuantity::Base(quantity) => quantity.to_string(),
        OrderQuantity::Contracts(contracts) => format!("{contracts} contracts"),
        OrderQuantity::QuoteAmount(amount) => format!("for {amount}"),
    }
}
