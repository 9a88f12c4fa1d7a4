//! Strategies of one instrument that look at bars and want to be long, short or flat: everything but the rule itself.
//!
//! In:  candles, trades or quotes of the instrument; longer bars are aggregated here.
//! Out: signals when what the rule wants differs from what is held or on its way.

use crate::bars::Bars;
use crate::stop::{Protection, StopPlanner};
use crate::work::{Planner, WorkRule};
use crate::{Context, Strategy};
use domain::codec::Stored;
use domain::{
    AccountId, Candle, Entry, EventBody, Instrument, InstrumentIdx, Intent, Output, Quantity, Signal, SizeRequest,
    StrategyIdx, WorkRequest,
};
use quant::indicator::Bar;
use quant::state::{Reader, StateError};

/// What a rule wants after a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// Be long.
    Up,
    /// Be flat, or short where that is allowed.
    Down,
    /// Nothing new.
    Keep,
}

/// A rule: bars in, stances out.
pub trait Rule: Send {
    /// Its name in configuration and reports.
    const NAME: &'static str;
    /// Version of the saved state.
    const VERSION: u32;
    /// Whether it reads more of a bar than its close.
    const NEEDS_RANGE: bool;

    /// The next bar. No stance but `Keep` before its indicators are defined.
    fn update(&mut self, bar: &Bar) -> Stance;

    /// Appends what it was made with.
    fn parameters(&self, out: &mut Vec<u8>);

    /// Appends its state to a snapshot.
    fn save(&self, out: &mut Vec<u8>);

    /// Loads a saved state.
    ///
    /// # Errors
    /// [`StateError`] if the bytes do not belong to it.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError>;

    /// Shows its indicators.
    fn inspect(&self, each: &mut dyn FnMut(&'static str, f64));
}

/// What all strategies of one instrument are configured with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The strategy's number.
    pub strategy: StrategyIdx,
    /// The account it trades.
    pub account: AccountId,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// Decimals of its prices.
    pub price_decimals: u8,
    /// Decimals of its quantities.
    pub quantity_decimals: u8,
    /// Length of the bars that the rule sees, in seconds; `None` for every event as it comes.
    pub bar_s: Option<u32>,
    /// How large entries are.
    pub size: SizeRequest,
    /// How positions are protected.
    pub stop: Protection,
    /// Whether it goes short where the instrument allows it.
    pub short: bool,
    /// How its orders are worked; `None` for at once.
    pub work: Option<WorkRule>,
}

/// A rule with all that makes a strategy of it.
#[derive(Debug)]
pub struct RuleStrategy<R> {
    setup: Setup,
    rule: R,
    stop: StopPlanner,
    work: Option<Planner>,
    bars: Option<Bars>,
    needs_range: bool,
    reference: i64,
    /// The position that was last found to be more than dust, and the lowest price mantissa at which it surely is.
    substantial: (Quantity, i64),
}

impl<R: Rule> RuleStrategy<R> {
    /// A strategy of this rule. `None` if the bar length is not one that can be aggregated to.
    #[must_use]
    pub fn new(setup: Setup, rule: R) -> Option<Self> {
        let stop = StopPlanner::new(setup.stop);
        let bars = match setup.bar_s {
            None => None,
            Some(seconds) => Some(Bars::new(seconds)?),
        };
        let needs_volume = setup.work.is_some_and(|work| work.needs_flow());
        let needs_range = R::NEEDS_RANGE || stop.needs_range() || needs_volume;
        let work = setup.work.map(Planner::new);
        Some(Self { setup, rule, stop, work, bars, needs_range, reference: 0, substantial: (Quantity::ZERO, i64::MAX) })
    }

    /// One finished bar, given as mantissas.
    #[inline]
    fn on_bar(&mut self, context: &Context<'_>, candle: &Candle, out: &mut Vec<Output>) {
        let decimals = self.setup.price_decimals;
        let f64_of = |mantissa: i64| domain::decimal::mantissa_to_f64(mantissa, decimals);
        let close = f64_of(candle.close);
        let bar = if self.needs_range {
            let volume = domain::decimal::mantissa_to_f64(candle.volume, self.setup.quantity_decimals);
            Bar { open: f64_of(candle.open), high: f64_of(candle.high), low: f64_of(candle.low), close, volume }
        } else {
            Bar { open: close, high: close, low: close, close, volume: 0.0 }
        };
        self.on_values(context, &bar, candle.close, out);
    }

    /// A price as a bar of no length.
    #[inline]
    fn on_price(&mut self, context: &Context<'_>, price: i64, out: &mut Vec<Output>) {
        let close = domain::decimal::mantissa_to_f64(price, self.setup.price_decimals);
        self.on_values(context, &Bar { open: close, high: close, low: close, close, volume: 0.0 }, price, out);
    }

    /// An event that is part of a longer bar.
    fn on_aggregated(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        // The aggregator hands out finished bars while it is borrowed: it is put aside meanwhile.
        if let Some(mut bars) = self.bars.take() {
            bars.push(event, &mut |candle| self.on_bar(context, candle, out));
            self.bars = Some(bars);
        }
    }

    /// One finished bar in units of price and quantity.
    #[inline]
    fn on_values(&mut self, context: &Context<'_>, bar: &Bar, close: i64, out: &mut Vec<Output>) {
        self.stop.update(*bar);
        if let Some(work) = &mut self.work {
            work.update(context.ts, bar.close, bar.volume);
        }
        self.reference = close;
        let stance = self.rule.update(bar);
        if stance != Stance::Keep {
            self.act(context, stance, out);
        }
    }

    /// Says what has to change for the stance to hold, if anything has.
    #[inline]
    fn act(&mut self, context: &Context<'_>, stance: Stance, out: &mut Vec<Output>) {
        let position = context.position(self.setup.instrument);
        // The usual case first, and cheaply: long and to stay long.
        if stance == Stance::Up && position.is_long() && self.is_substantial(position.quantity) {
            return;
        }
        if stance == Stance::Down && position.is_flat() && !context.entry_working && !self.setup.short {
            return;
        }
        let Some(instrument) = context.table.get(self.setup.instrument) else { return };
        // A flat position needs no look at dust.
        let held = !position.is_flat() && context.holds(instrument);
        if held {
            // More than dust at the mark is more than dust at any higher price.
            let mark = context.view.mark(self.setup.instrument).unwrap_or(i64::MAX);
            self.substantial = (position.quantity, self.reference.max(mark));
        }
        let (free, shorts) = (!context.entry_working, self.shorts(instrument));
        let (long, short) = (held && position.is_long(), held && position.is_short());
        let intent = match stance {
            Stance::Up if free && !long => Intent::EnterLong,
            Stance::Down if shorts && free && !short => Intent::EnterShort,
            Stance::Down if !shorts && (held || !free) => Intent::Exit,
            Stance::Up | Stance::Down | Stance::Keep => return,
        };
        let entry = intent != Intent::Exit;
        let signal = Signal {
            intent,
            size: if entry { self.setup.size } else { SizeRequest::Position },
            entry: Entry::Market,
            stop: if entry { self.stop.plan() } else { None },
            target: None,
            // A rule is either met or not; it does not know how often it is right.
            confidence: 1.0,
            statistics: None,
            reference: self.reference,
            tag: 0,
            account: self.setup.account,
            instrument: self.setup.instrument,
            strategy: self.setup.strategy,
        };
        out.push(match &self.work {
            None => Output::Signal(signal),
            Some(work) => {
                let price = domain::decimal::mantissa_to_f64(self.reference, self.setup.price_decimals);
                Output::Work(WorkRequest { signal, style: work.style(context.ts, price) })
            }
        });
    }

    #[inline]
    fn is_substantial(&self, quantity: Quantity) -> bool {
        let (known, from) = self.substantial;
        known == quantity && self.reference >= from
    }

    fn shorts(&self, instrument: &Instrument) -> bool {
        self.setup.short && instrument.kind == domain::InstrumentKind::LinearPerpetual
    }
}

impl<R: Rule> Strategy for RuleStrategy<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn version(&self) -> u32 {
        R::VERSION
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        std::slice::from_ref(&self.setup.instrument)
    }

    #[inline]
    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        if self.bars.is_some() {
            return self.on_aggregated(context, event, out);
        }
        match event {
            EventBody::Candle(candle) => self.on_bar(context, candle, out),
            EventBody::Trade(trade) => self.on_price(context, trade.price, out),
            EventBody::Quote(quote) => self.on_price(context, quote.bid + (quote.ask - quote.bid) / 2, out),
            _ => {}
        }
    }

    fn parameters(&self, out: &mut Vec<u8>) {
        let setup = &self.setup;
        setup.strategy.put(out);
        setup.account.put(out);
        setup.instrument.put(out);
        (setup.price_decimals, setup.quantity_decimals).put(out);
        setup.bar_s.put(out);
        setup.size.put(out);
        setup.stop.put(out);
        setup.short.put(out);
        self.rule.parameters(out);
        // One that works nothing has the parameters that it always had.
        self.setup.work.iter().for_each(|work| work.put(out));
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.rule.save(out);
        self.stop.save(out);
        self.work.iter().for_each(|work| work.save(out));
        out.extend_from_slice(&self.reference.to_le_bytes());
        out.extend_from_slice(&(self.substantial.0.raw() as u64).to_le_bytes());
        out.extend_from_slice(&((self.substantial.0.raw() >> 64) as u64).to_le_bytes());
        out.extend_from_slice(&self.substantial.1.to_le_bytes());
        if let Some(bars) = &self.bars {
            bars.save(out);
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.rule.load(from)?;
        self.stop.load(from)?;
        if let Some(work) = &mut self.work {
            work.load(from)?;
        }
        self.reference = from.u64()? as i64;
        let (low, high) = (from.u64()?, from.u64()?);
        self.substantial = (Quantity::from_raw((i128::from(high as i64) << 64) | i128::from(low)), from.u64()? as i64);
        if let Some(bars) = &mut self.bars {
            bars.load(from)?;
        }
        Ok(())
    }

    fn inspect(&self, each: &mut dyn FnMut(&'static str, f64)) {
        self.rule.inspect(each);
        if let Some(atr) = self.stop.atr() {
            each("atr", atr);
        }
        if let Some(bars) = self.bars.as_ref().filter(|bars| bars.left_out() > 0) {
            each("records_left_out", bars.left_out() as f64);
        }
    }
}
