//! One world of two spot instruments and a perpetual, and fills in it.

use domain::{
    AccountId, AssetIdx, ClientOrderId, Event, EventBody, Fill, InputId, Instrument, InstrumentIdx, InstrumentTable,
    Liquidity, MarketView, Money, Side, StrategyIdx, VenueOrderId,
};
use portfolio::{FillEffect, LedgerError, Portfolio};

pub const ACCOUNT: AccountId = AccountId(3);
pub const A: StrategyIdx = StrategyIdx(0);
pub const B: StrategyIdx = StrategyIdx(1);

pub struct World {
    pub table: InstrumentTable,
    pub view: MarketView,
    pub portfolio: Portfolio,
    pub usdt: AssetIdx,
    pub trade_id: u64,
}

impl World {
    /// BTCUSDT (0) and ETHUSDT (1) spot, SOLUSDT (2) perpetual.
    pub fn new() -> Self {
        let mut table = InstrumentTable::default();
        testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        testkit::add_spot(&mut table, "ETHUSDT", 2, 4);
        testkit::add_perpetual(&mut table, "SOLUSDT", 3, 1);
        Self::of(table)
    }

    pub fn of(mut table: InstrumentTable) -> Self {
        let usdt = table.asset("USDT", 8).unwrap();
        let mut portfolio = Portfolio::new(usdt);
        let mut view = MarketView::default();
        for instrument in table.instruments() {
            portfolio.define(instrument);
            view.add_instrument(instrument.idx);
        }
        Self { table, view, portfolio, usdt, trade_id: 0 }
    }

    pub fn instrument(&self, idx: u16) -> Instrument {
        self.table.get(InstrumentIdx(idx)).unwrap().clone()
    }

    pub fn mark(&mut self, idx: u16, price: i64) {
        let trade = testkit::trade(&self.instrument(idx), 0, price, 1, Side::Buy);
        let event = Event { id: InputId::new(0, 0), body: EventBody::Trade(trade) };
        self.view.apply(trade.ts_event, &event.body);
    }

    pub fn deposit(&mut self, amount: &str) {
        self.portfolio.transfer(ACCOUNT, self.usdt, testkit::money(amount)).unwrap();
    }

    pub fn fill(
        &mut self,
        idx: u16,
        strategy: StrategyIdx,
        side: Side,
        price: i64,
        quantity: i64,
        fee: (&str, AssetIdx),
    ) -> Fill {
        self.trade_id += 1;
        Fill {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.trade_id),
            fee_amount: testkit::money(fee.0),
            venue_id: VenueOrderId(self.trade_id),
            trade_id: self.trade_id,
            price,
            quantity,
            instrument: InstrumentIdx(idx),
            account: ACCOUNT,
            strategy,
            fee_asset: fee.1,
            side,
            liquidity: Liquidity::Taker,
        }
    }

    pub fn trade(
        &mut self,
        idx: u16,
        strategy: StrategyIdx,
        side: Side,
        price: i64,
        quantity: i64,
        fee: &str,
    ) -> FillEffect {
        let fill = self.fill(idx, strategy, side, price, quantity, (fee, self.usdt));
        self.apply(&fill).unwrap()
    }

    pub fn apply(&mut self, fill: &Fill) -> Result<FillEffect, LedgerError> {
        self.portfolio.apply_fill(&self.table, fill)
    }

    pub fn balance(&self, asset: AssetIdx) -> String {
        self.portfolio.balance(ACCOUNT, asset).to_string()
    }

    pub fn equity(&self) -> Option<Money> {
        self.portfolio.equity(ACCOUNT, &self.table, &self.view)
    }

    pub fn digest(&self) -> String {
        let mut digest = domain::Digest::default();
        domain::Digestible::digest(&self.portfolio, &mut digest);
        digest.to_string()
    }
}
