//! A strategy with a market and a ledger that gives it what it asks for at once, without a fee.

use domain::{
    AccountId, AssetIdx, ClientOrderId, EventBody, Fill, Instrument, InstrumentKind, InstrumentTable, Intent,
    Liquidity, MarketView, Money, Output, Quantity, Rate, Side, Signal, SizeRequest, StrategyIdx, UnixNanos,
    VenueOrderId,
};
use portfolio::Portfolio;
use strategy::{Blueprint, Context, Params, Reader, StopRule, Strategy};

pub const ACCOUNT: AccountId = AccountId(0);
pub const NUMBER: StrategyIdx = StrategyIdx(0);

pub struct Stand {
    table: InstrumentTable,
    pub instrument: Instrument,
    view: MarketView,
    portfolio: Portfolio,
    pub strategy: Box<dyn Strategy>,
    blueprint: Blueprint,
    pub entry_working: bool,
    /// Whether signals are filled as soon as they are given.
    pub fills: bool,
    trades: u64,
}

impl Stand {
    pub fn new(kind: InstrumentKind, name: &str, params: &[&str], stop: &str) -> Self {
        let mut table = InstrumentTable::default();
        let instrument = match kind {
            InstrumentKind::Spot => testkit::add_spot(&mut table, "BTCUSDT", 2, 4),
            InstrumentKind::LinearPerpetual => testkit::add_perpetual(&mut table, "BTCUSDT", 2, 4),
        };
        let mut view = MarketView::default();
        view.add_instrument(instrument.idx);
        let mut portfolio = Portfolio::new(instrument.quote);
        portfolio.define(&instrument);
        portfolio.transfer(ACCOUNT, instrument.quote, Money::from_units(1_000_000)).unwrap();
        let mut given = Params::default();
        params.iter().for_each(|p| given.add(p).unwrap());
        let size = SizeRequest::EquityFraction(Rate::from_bps(100));
        let blueprint = Blueprint::new(name, given, size, StopRule::parse(stop).unwrap()).unwrap();
        let strategy = built(&blueprint, &instrument);
        Self { table, instrument, view, portfolio, strategy, blueprint, entry_working: false, fills: true, trades: 0 }
    }

    /// The strategy sees an event, and gets what it asks for.
    pub fn see(&mut self, ts: UnixNanos, body: &EventBody) -> Vec<Output> {
        self.view.apply(ts, body);
        let mut out = Vec::new();
        let context = Context {
            ts,
            account: ACCOUNT,
            strategy: NUMBER,
            table: &self.table,
            view: &self.view,
            portfolio: &self.portfolio,
            entry_working: self.entry_working,
        };
        self.strategy.on_market(&context, body, &mut out);
        for output in &out {
            match output {
                Output::Signal(signal) if self.fills => self.give(signal),
                // What rests may wait for ever.
                Output::Signal(_) | Output::Group(_) => {}
                other => panic!("{other:?}"),
            }
        }
        out
    }

    /// A minute candle that closes at this mantissa.
    pub fn close(&mut self, minute: u64, close: i64) -> Option<Signal> {
        let candle = testkit::candle(&self.instrument, minute, [close, close + 1, close - 1, close], 10);
        match self.see(candle.ts_close(), &EventBody::Candle(candle)).as_slice() {
            [] => None,
            [Output::Signal(signal)] => Some(*signal),
            more => panic!("{more:?}"),
        }
    }

    fn give(&mut self, signal: &Signal) {
        let held = self.held();
        let one = Quantity::from_units(1);
        let target = match signal.intent {
            Intent::EnterLong => one,
            Intent::EnterShort => one.checked_neg().unwrap(),
            Intent::Exit => Quantity::ZERO,
        };
        self.trade(target.checked_sub(held).unwrap());
    }

    pub fn held(&self) -> Quantity {
        self.portfolio.position(ACCOUNT, self.instrument.idx, NUMBER).quantity
    }

    /// The position changes by this much, at the last price.
    pub fn trade(&mut self, by: Quantity) {
        if by.is_zero() {
            return;
        }
        self.trades += 1;
        let fill = Fill {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.trades),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(0),
            trade_id: self.trades,
            price: self.view.mark(self.instrument.idx).unwrap(),
            quantity: self.instrument.quantity_mantissa(by.checked_abs().unwrap()).unwrap(),
            instrument: self.instrument.idx,
            account: ACCOUNT,
            strategy: NUMBER,
            fee_asset: AssetIdx(1),
            side: if by > Quantity::ZERO { Side::Buy } else { Side::Sell },
            liquidity: Liquidity::Taker,
        };
        self.portfolio.apply_fill(&self.table, &fill).unwrap();
    }

    /// The strategy is saved, and a new one made of what was saved.
    pub fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.strategy.save(&mut bytes);
        let mut fresh = built(&self.blueprint, &self.instrument);
        let mut reader = Reader::new(&bytes);
        fresh.load(&mut reader).unwrap();
        reader.finish().unwrap();
        let mut again = Vec::new();
        fresh.save(&mut again);
        assert_eq!(bytes, again, "{}: what is loaded is what was saved", fresh.name());
        self.strategy = fresh;
    }
}

fn built(blueprint: &Blueprint, instrument: &Instrument) -> Box<dyn Strategy> {
    strategy::build(blueprint, NUMBER, ACCOUNT, instrument, Some(60)).unwrap()
}
