//! What the market of one instrument showed at asked times, in one pass over its rows.
//!
//! In:  times, of decisions, sendings, ends and markouts; of fills; and spans in which limit orders rested. Out: answers in their order.
//!
//! At a time a candle is known once it has closed: the price there is the last close, trade or middle at or before it. A fill lies in the bar
//! that is being played then: at its open where the time is the bar's beginning, in its path otherwise.

use crate::command::CommandError;
use domain::decimal::mantissa_to_f64;
use domain::{Instrument, Price, Side, UnixNanos};
use std::collections::VecDeque;
use store::history::{Rows, Series, SeriesReader};

/// Periods that expected volume and volatility are taken of.
pub const WINDOW: usize = 60;
/// Periods under which neither is known.
pub const WINDOW_MIN: usize = 20;
/// Length of a period of trades and quotes, in nanoseconds.
const TICKS_NS: u64 = 60_000_000_000;

/// What is asked of one instrument.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    /// Times at which a price is wanted; the end of time for the last one there is.
    pub marks: Vec<UnixNanos>,
    /// Times of fills, and whether a fill at the close of a bar is meant, not at the open of the next.
    pub fills: Vec<(UnixNanos, bool)>,
    /// Spans in which limit orders rested.
    pub rests: Vec<Rest>,
}

/// A limit order that rested.
#[derive(Clone, Debug)]
pub struct Rest {
    /// From the venue's acceptance.
    pub from: UnixNanos,
    /// To its end.
    pub until: UnixNanos,
    /// Its side.
    pub side: Side,
    /// Its price, a mantissa.
    pub limit: i64,
    /// The venue's times of its fills.
    pub fills: Vec<UnixNanos>,
}

/// The market at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Time of the price.
    pub ts: UnixNanos,
    /// The last price; the middle of a quote.
    pub price: Price,
    /// Half the quoted spread, a fraction of the price.
    pub half_spread: Option<f64>,
    /// Mean volume of a period, in the instrument's units; of quotes the mean quantity shown at the best prices.
    pub volume: Option<f64>,
    /// Volatility of a period, a fraction.
    pub volatility: Option<f64>,
}

/// The market that a fill was made in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Met {
    /// The open of the bar, its close, the trade, or the middle of the quote.
    pub price: Price,
    /// Whether the fill was made at that price's moment, not somewhere in the path of the bar.
    pub at_price: bool,
    /// Bid and ask, where quotes are known.
    pub quote: Option<(Price, Price)>,
    /// Volume of the bar or trade; what the quote shows to a buy and to a sell.
    pub volume: [f64; 2],
    /// Whether rows of the same time say different things, so that it is not known which one was met.
    pub ambiguous: bool,
}

/// The answers, in the order of the questions.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Prices.
    pub marks: Vec<Option<Mark>>,
    /// Markets of fills.
    pub fills: Vec<Option<Met>>,
    /// For every row in which a resting order's price was reached: whether the market went beyond it, and whether it was filled.
    pub touches: Vec<(bool, bool)>,
}

/// Reads the rows of an instrument and answers.
///
/// # Errors
/// If they cannot be read.
pub fn answer(series: &Series, instrument: &Instrument, asks: &Asks) -> Result<Answers, CommandError> {
    let mut pass = Pass::new(instrument, asks);
    if asks.marks.is_empty() && asks.fills.is_empty() && asks.rests.is_empty() {
        return Ok(pass.answers);
    }
    let mut reader = SeriesReader::open(series, instrument.idx).map_err(CommandError::failed)?;
    let mut rows = Rows::Candles(Vec::new());
    while reader.next_chunk(&mut rows).map_err(CommandError::failed)? {
        match &rows {
            Rows::Candles(candles) => candles.iter().for_each(|c| pass.candle(c)),
            Rows::Trades(trades) => trades.iter().for_each(|t| pass.trade(t)),
            Rows::Quotes(quotes) => quotes.iter().for_each(|q| pass.quote(q)),
            // A run takes no levels of a book.
            Rows::Book(_) => {}
        }
    }
    pass.end();
    Ok(pass.answers)
}

/// Questions in time, with the place of each.
struct Queue {
    sorted: Vec<(UnixNanos, usize)>,
    next: usize,
}

impl Queue {
    fn new(times: impl Iterator<Item = (UnixNanos, usize)>) -> Self {
        let mut sorted: Vec<_> = times.collect();
        sorted.sort_unstable();
        Self { sorted, next: 0 }
    }

    /// The next question before a time.
    fn before(&mut self, ts: UnixNanos) -> Option<(UnixNanos, usize)> {
        let found = self.sorted.get(self.next).copied().filter(|(at, _)| *at < ts)?;
        self.next += 1;
        Some(found)
    }
}

struct Pass<'a> {
    instrument: &'a Instrument,
    marks: Queue,
    fills: Queue,
    closes: Queue,
    rests: Vec<(UnixNanos, usize)>,
    next_rest: usize,
    resting: Vec<usize>,
    asked: &'a Asks,
    last: Option<Mark>,
    met: Option<Met>,
    /// The period that trades or quotes are gathered in: its number, volume and rows.
    period: Option<(u64, f64, f64)>,
    periods: VecDeque<(f64, f64)>,
    before: Option<f64>,
    answers: Answers,
}

impl<'a> Pass<'a> {
    fn new(instrument: &'a Instrument, asked: &'a Asks) -> Self {
        let of = |close: bool| {
            let all = asked.fills.iter().enumerate().filter(move |(_, (_, at_close))| *at_close == close);
            Queue::new(all.map(|(place, (ts, _))| (*ts, place)))
        };
        let mut rests: Vec<_> = asked.rests.iter().enumerate().map(|(place, rest)| (rest.from, place)).collect();
        rests.sort_unstable();
        Self {
            instrument,
            marks: Queue::new(asked.marks.iter().enumerate().map(|(place, ts)| (*ts, place))),
            fills: of(false),
            closes: of(true),
            rests,
            next_rest: 0,
            resting: Vec::new(),
            asked,
            last: None,
            met: None,
            period: None,
            periods: VecDeque::with_capacity(WINDOW + 1),
            before: None,
            answers: Answers {
                marks: vec![None; asked.marks.len()],
                fills: vec![None; asked.fills.len()],
                touches: Vec::new(),
            },
        }
    }

    fn quantity(&self, mantissa: i64) -> f64 {
        mantissa_to_f64(mantissa, self.instrument.quantity_decimals)
    }

    fn candle(&mut self, c: &domain::Candle) {
        let (open, close) = (c.ts_open, c.ts_close());
        self.tell_marks(close);
        let volume = self.quantity(c.volume);
        let met = |price: i64, at_price| Met {
            price: self.instrument.price(price),
            at_price,
            quote: None,
            volume: [volume; 2],
            ambiguous: false,
        };
        let (at_open, in_path, at_close) = (met(c.open, true), met(c.open, false), met(c.close, true));
        while let Some((ts, place)) = self.fills.before(close) {
            self.answers.fills[place] = (ts >= open).then_some(if ts == open { at_open } else { in_path });
        }
        while let Some((ts, place)) = self.closes.before(UnixNanos(close.0.saturating_add(1))) {
            self.answers.fills[place] = (ts == close).then_some(at_close);
        }
        self.touch(open, close, c.low, c.high);
        self.gathered(volume, mantissa_to_f64(c.close, self.instrument.price_decimals));
        self.see(close, self.instrument.price(c.close), None);
    }

    fn trade(&mut self, t: &domain::Trade) {
        let ts = t.ts_event;
        self.tell_ticks(ts);
        let quantity = self.quantity(t.quantity);
        let price = self.instrument.price(t.price);
        let next = Met { price, at_price: true, quote: None, volume: [quantity; 2], ambiguous: false };
        self.meet(ts, next);
        self.touch(ts, UnixNanos(ts.0.saturating_add(1)), t.price, t.price);
        self.gather(ts, quantity, false);
        self.see(ts, price, None);
    }

    fn quote(&mut self, q: &domain::Quote) {
        let ts = q.ts_event;
        self.tell_ticks(ts);
        let (bid, ask) = (self.instrument.price(q.bid), self.instrument.price(q.ask));
        if q.bid <= 0 || q.ask <= 0 || bid > ask {
            return;
        }
        // Exact: half a mantissa fits the money form of every price with at most eleven decimals.
        let middle = Price::from_raw((bid.raw() + ask.raw()) / 2);
        let volume = [self.quantity(q.ask_quantity), self.quantity(q.bid_quantity)];
        let next = Met { price: middle, at_price: true, quote: Some((bid, ask)), volume, ambiguous: false };
        self.meet(ts, next);
        self.gather(ts, 0.5 * (volume[0] + volume[1]), true);
        let half = (ask.to_f64() - bid.to_f64()) / (ask.to_f64() + bid.to_f64());
        self.see(ts, middle, Some(half));
    }

    /// Answers what was asked of times before a row.
    fn tell_marks(&mut self, ts: UnixNanos) {
        while let Some((_, place)) = self.marks.before(ts) {
            self.answers.marks[place] = self.mark();
        }
    }

    fn tell_ticks(&mut self, ts: UnixNanos) {
        self.tell_marks(ts);
        while let Some((_, place)) = self.fills.before(ts) {
            self.answers.fills[place] = self.met;
        }
        while let Some((_, place)) = self.closes.before(ts) {
            self.answers.fills[place] = self.met;
        }
    }

    /// The last mark, with what is expected of a period from here on.
    fn mark(&self) -> Option<Mark> {
        let mut mark = self.last?;
        if self.periods.len() >= WINDOW_MIN {
            let n = self.periods.len() as f64;
            let volume = self.periods.iter().map(|(volume, _)| volume).sum::<f64>() / n;
            let squares = self.periods.iter().map(|(_, r)| r * r).sum::<f64>() / n;
            mark.volume = (volume > 0.0).then_some(volume);
            mark.volatility = Some(squares.sqrt());
        }
        Some(mark)
    }

    fn see(&mut self, ts: UnixNanos, price: Price, half_spread: Option<f64>) {
        self.last = Some(Mark { ts, price, half_spread, volume: None, volatility: None });
    }

    fn meet(&mut self, ts: UnixNanos, mut next: Met) {
        let same_time = self.last.is_some_and(|last| last.ts == ts);
        let differs = |m: Met| m.ambiguous || (m.price, m.quote, m.volume) != (next.price, next.quote, next.volume);
        next.ambiguous = same_time && self.met.is_some_and(differs);
        self.met = Some(next);
    }

    /// Adds a row of ticks to its minute.
    fn gather(&mut self, ts: UnixNanos, volume: f64, mean: bool) {
        let number = ts.0 / TICKS_NS;
        match &mut self.period {
            Some((at, sum, rows)) if *at == number => (*sum, *rows) = (*sum + volume, *rows + 1.0),
            _ => {
                if let (Some((_, sum, rows)), Some(last)) = (self.period, self.last) {
                    self.gathered(if mean { sum / rows } else { sum }, last.price.to_f64());
                }
                self.period = Some((number, volume, 1.0));
            }
        }
    }

    /// A period is over.
    fn gathered(&mut self, volume: f64, close: f64) {
        if let Some(before) = self.before.filter(|before| *before > 0.0 && close > 0.0) {
            self.periods.push_back((volume, (close / before).ln()));
            if self.periods.len() > WINDOW {
                self.periods.pop_front();
            }
        }
        self.before = Some(close);
    }

    /// Holds resting orders against the extremes of a row; an order that arrives at the time of a tick has not met it.
    fn touch(&mut self, from: UnixNanos, to: UnixNanos, low: i64, high: i64) {
        let bar = to.0 > from.0 + 1;
        while let Some((_, place)) = self.rests.get(self.next_rest).filter(|(at, _)| *at < from || (bar && *at == from))
        {
            self.resting.push(*place);
            self.next_rest += 1;
        }
        let (asked, touches) = (self.asked, &mut self.answers.touches);
        self.resting.retain(|place| {
            let Some(rest) = asked.rests.get(*place).filter(|rest| rest.until >= from) else { return false };
            let filled = rest.fills.iter().any(|at| *at >= from && *at < to);
            let (best, beyond) = match rest.side {
                Side::Buy => (low <= rest.limit, low < rest.limit),
                Side::Sell => (high >= rest.limit, high > rest.limit),
            };
            // What ended at this very time was there only if it was filled by it.
            if best && (rest.until > from || filled) {
                touches.push((beyond, filled));
            }
            rest.until > from
        });
    }

    fn end(&mut self) {
        let last = self.last.map_or(UnixNanos(0), |last| last.ts);
        while let Some((ts, place)) = self.marks.before(UnixNanos::MAX) {
            // What lies behind the last row is not known.
            self.answers.marks[place] = if ts <= last { self.mark() } else { None };
        }
        while let Some((_, place)) = self.marks.sorted.get(self.marks.next).copied() {
            self.answers.marks[place] = self.mark();
            self.marks.next += 1;
        }
        // Of candles every fill lies in one; the last tick may be what the last fills met.
        if self.period.is_some() {
            while let Some((ts, place)) = self.fills.before(UnixNanos::MAX) {
                self.answers.fills[place] = self.met.filter(|_| ts <= last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Candle, InstrumentTable, MarketFlags, Quote, Trade};
    use testkit::{add_spot, price};

    const MINUTE: u64 = 60_000_000_000;

    fn at(minute: u64) -> UnixNanos {
        UnixNanos(1_000 * MINUTE + minute * MINUTE)
    }

    fn instrument() -> Instrument {
        add_spot(&mut InstrumentTable::default(), "BTCUSDT", 2, 3)
    }

    fn candle(minute: u64, open: i64, high: i64, low: i64, close: i64, volume: i64) -> Candle {
        Candle {
            ts_open: at(minute),
            ts_recv: at(minute + 1),
            open,
            high,
            low,
            close,
            volume,
            interval_s: 60,
            instrument: domain::InstrumentIdx(0),
            flags: MarketFlags(0),
        }
    }

    #[test]
    fn candles_are_known_at_their_close_and_fills_lie_in_their_bar() {
        let instrument = instrument();
        let asks = Asks {
            marks: vec![at(1), UnixNanos(at(2).0 - 1), at(2), at(9), UnixNanos::MAX, UnixNanos(0)],
            fills: vec![(at(1), false), (UnixNanos(at(2).0 - 1), false), (at(1), true), (at(7), false)],
            rests: vec![],
        };
        let mut pass = Pass::new(&instrument, &asks);
        pass.candle(&candle(0, 10_000, 10_100, 9_900, 10_050, 2_000));
        pass.candle(&candle(1, 10_060, 10_100, 9_900, 10_020, 3_000));
        pass.end();
        let prices: Vec<_> = pass.answers.marks.iter().map(|m| m.map(|m| m.price)).collect();
        let (first, second) = (Some(price("100.50")), Some(price("100.20")));
        assert_eq!(prices, [first, first, second, None, second, None]);
        let fills = &pass.answers.fills;
        assert_eq!(fills[0].map(|m| (m.price, m.at_price, m.volume[0])), Some((price("100.60"), true, 3.0)));
        assert_eq!(fills[1].map(|m| m.at_price), Some(false));
        assert_eq!(fills[2].map(|m| (m.price, m.volume[1])), Some((price("100.50"), 2.0)));
        assert_eq!(fills[3], None);
    }

    #[test]
    fn expected_volume_and_volatility_need_a_window() {
        let instrument = instrument();
        let asks = Asks { marks: vec![at(15), at(40)], ..Asks::default() };
        let mut pass = Pass::new(&instrument, &asks);
        for n in 0..50 {
            let close = if n % 2 == 0 { 10_000 } else { 10_100 };
            pass.candle(&candle(n, close, close, close, close, 4_000));
        }
        pass.end();
        let [early, late] = [pass.answers.marks[0].unwrap(), pass.answers.marks[1].unwrap()];
        assert_eq!((early.volume, early.volatility), (None, None));
        assert_eq!(late.volume, Some(4.0));
        testkit::assert_close(late.volatility.unwrap(), (1.01f64).ln(), 1e-12, 0.0);
    }

    #[test]
    fn quotes_give_the_middle_and_trades_of_one_time_are_ambiguous() {
        let instrument = instrument();
        let asks = Asks { marks: vec![at(0)], fills: vec![(at(0), false), (at(2), false)], rests: vec![] };
        let mut pass = Pass::new(&instrument, &asks);
        let flags = MarketFlags(0);
        let instrument_idx = domain::InstrumentIdx(0);
        pass.quote(&Quote {
            ts_event: at(0),
            ts_recv: at(0),
            bid: 9_999,
            bid_quantity: 1_000,
            ask: 10_002,
            ask_quantity: 3_000,
            instrument: instrument_idx,
            flags,
        });
        let trade = |minute, price| Trade {
            ts_event: at(minute),
            ts_recv: at(minute),
            price,
            quantity: 500,
            trade_id: 1,
            instrument: instrument_idx,
            flags,
            aggressor: Side::Buy,
        };
        pass.trade(&trade(2, 10_000));
        pass.trade(&trade(2, 10_001));
        pass.end();
        let mark = pass.answers.marks[0].unwrap();
        assert_eq!(mark.price, price("100.005"));
        testkit::assert_close(mark.half_spread.unwrap(), 0.015 / 100.005, 1e-12, 0.0);
        let met = pass.answers.fills[0].unwrap();
        assert_eq!((met.quote, met.volume), (Some((price("99.99"), price("100.02"))), [3.0, 1.0]));
        assert!(pass.answers.fills[1].unwrap().ambiguous && !met.ambiguous);
    }

    #[test]
    fn touches_are_told_from_what_goes_beyond() {
        let instrument = instrument();
        let rest =
            |from, until, fills: Vec<UnixNanos>| Rest { from: at(from), until, side: Side::Buy, limit: 9_900, fills };
        let filled = UnixNanos(at(3).0 - 1);
        let asks = Asks { rests: vec![rest(0, filled, vec![filled]), rest(3, at(5), vec![])], ..Asks::default() };
        let mut pass = Pass::new(&instrument, &asks);
        pass.candle(&candle(0, 10_000, 10_000, 9_950, 10_000, 1));
        pass.candle(&candle(1, 10_000, 10_000, 9_900, 10_000, 1));
        pass.candle(&candle(2, 10_000, 10_000, 9_899, 10_000, 1));
        pass.candle(&candle(3, 10_000, 10_000, 9_900, 10_000, 1));
        pass.candle(&candle(5, 10_000, 10_000, 9_900, 10_000, 1));
        pass.end();
        assert_eq!(pass.answers.touches, [(false, false), (true, true), (false, false)]);
    }
}
