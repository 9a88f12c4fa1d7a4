//! Breakout by a pair of resting orders: one waits beyond each edge of the channel of the last bars, and what is set off first takes the
//! other one off. Where nothing can be short the second one waits at the lower edge to buy the dip instead.
//!
//! In:  bars of one instrument. Out: a pair whenever nothing is held and nothing is on its way; each order with a stop and a target.
//! A pair that was not filled ends after its time, and the next bar asks for one at the edges of then.
//! Source of the channel: the rule of R. Donchian.

use crate::bars::Bars;
use crate::rule::Setup;
use crate::stop::StopPlanner;
use crate::{Context, Strategy};
use domain::codec::Stored;
use domain::{
    Candle, Entry, EventBody, GroupKind, GroupRequest, Instrument, InstrumentIdx, InstrumentKind, Intent, Leg, Nanos,
    Output, Price, Rounding, TimeInForce,
};
use quant::indicator::{Bands, Bar, Donchian, Indicator};
use quant::state::{Reader, StateError};

/// What it is made with beside what all strategies are.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The channel.
    pub channel: Donchian,
    /// How far beyond the entry profit is taken, in widths of the channel; 0 for nowhere.
    pub target: u32,
    /// How long a pair waits.
    pub valid: Nanos,
}

/// The strategy.
#[derive(Debug)]
pub struct BreakoutPair {
    setup: Setup,
    rules: Rules,
    stop: StopPlanner,
    bars: Option<Bars>,
    bands: Option<Bands>,
    reference: i64,
}

impl BreakoutPair {
    /// A strategy of these rules. `None` if the bar length is not one that can be aggregated to.
    #[must_use]
    pub fn new(setup: Setup, rules: Rules) -> Option<Self> {
        let stop = StopPlanner::new(setup.stop);
        let bars = match setup.bar_s {
            None => None,
            Some(seconds) => Some(Bars::new(seconds)?),
        };
        Some(Self { setup, rules, stop, bars, bands: None, reference: 0 })
    }

    /// One finished bar, given as mantissas.
    fn on_bar(&mut self, context: &Context<'_>, candle: &Candle, out: &mut Vec<Output>) {
        let decimals = self.setup.price_decimals;
        let f64_of = |mantissa: i64| domain::decimal::mantissa_to_f64(mantissa, decimals);
        let volume = domain::decimal::mantissa_to_f64(candle.volume, self.setup.quantity_decimals);
        let (open, high, low) = (f64_of(candle.open), f64_of(candle.high), f64_of(candle.low));
        self.on_values(context, Bar { open, high, low, close: f64_of(candle.close), volume }, candle.close, out);
    }

    fn on_price(&mut self, context: &Context<'_>, price: i64, out: &mut Vec<Output>) {
        let close = domain::decimal::mantissa_to_f64(price, self.setup.price_decimals);
        self.on_values(context, Bar { open: close, high: close, low: close, close, volume: 0.0 }, price, out);
    }

    fn on_values(&mut self, context: &Context<'_>, bar: Bar, close: i64, out: &mut Vec<Output>) {
        self.stop.update(bar);
        self.reference = close;
        self.bands = self.rules.channel.update(bar);
        if context.entry_working {
            return;
        }
        let Some(instrument) = context.table.get(self.setup.instrument) else { return };
        if !context.holds(instrument) {
            out.extend(self.pair(context, instrument).map(Output::Group));
        }
    }

    /// The pair at the edges of the channel. `None` before the channel or the stop is known, or where the channel has no width.
    fn pair(&self, context: &Context<'_>, instrument: &Instrument) -> Option<GroupRequest> {
        let bands = self.bands?;
        // The edges are prices that were traded: what the conversion adds is far less than a tick.
        let edge = |value: f64| Price::from_f64(value)?.round_to(instrument.tick, Rounding::HalfEven);
        let (upper, lower) = (edge(bands.upper)?, edge(bands.lower)?);
        let width = upper.checked_sub(lower).filter(|width| *width > Price::ZERO)?;
        // Without a stop rule there is none, and limits may refuse the pair; a rule that is not defined yet waits.
        let stop = self.stop.plan();
        if stop.is_none() && self.setup.stop.stop != crate::StopRule::None {
            return None;
        }
        let gain = match self.rules.target {
            0 => None,
            times => Some(Price::from_raw(width.raw().checked_mul(i128::from(times))?)),
        };
        let shorts = self.setup.short && instrument.kind == InstrumentKind::LinearPerpetual;
        let leg = |intent, entry, from: Price| {
            let target = match (gain, intent) {
                (None, _) => None,
                (Some(gain), Intent::EnterShort) => Some(from.checked_sub(gain)?).filter(|at| *at > Price::ZERO),
                (Some(gain), _) => Some(from.checked_add(gain)?),
            };
            Some(Leg {
                intent,
                size: self.setup.size,
                entry,
                time_in_force: TimeInForce::Gtd(context.ts.saturating_add(self.rules.valid)),
                stop,
                target,
                reference: self.reference,
                instrument: instrument.idx,
            })
        };
        let above = upper.checked_add(instrument.tick)?;
        let below = lower.checked_sub(instrument.tick).filter(|below| *below > Price::ZERO)?;
        let second = if shorts {
            leg(Intent::EnterShort, Entry::Stop(below), below)?
        } else {
            leg(Intent::EnterLong, Entry::Limit(lower), lower)?
        };
        let legs = [leg(Intent::EnterLong, Entry::Stop(above), above)?, second];
        GroupRequest::new(GroupKind::OneCancelsOther, &legs, self.setup.account, self.setup.strategy)
    }
}

impl Strategy for BreakoutPair {
    fn name(&self) -> &'static str {
        "breakout-pair"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        std::slice::from_ref(&self.setup.instrument)
    }

    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        // The aggregator hands out finished bars while it is borrowed: it is put aside meanwhile.
        if let Some(mut bars) = self.bars.take() {
            bars.push(event, &mut |candle| self.on_bar(context, candle, out));
            self.bars = Some(bars);
            return;
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
        self.rules.channel.lookback().put(out);
        self.rules.target.put(out);
        self.rules.valid.put(out);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.rules.channel.save(out);
        let nothing = Bands { upper: f64::NAN, middle: f64::NAN, lower: f64::NAN };
        let bands = self.bands.unwrap_or(nothing);
        for value in [bands.upper, bands.middle, bands.lower] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        self.stop.save(out);
        out.extend_from_slice(&self.reference.to_le_bytes());
        if let Some(bars) = &self.bars {
            bars.save(out);
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.rules.channel.load(from)?;
        let bands = Bands { upper: from.f64()?, middle: from.f64()?, lower: from.f64()? };
        self.bands = (!bands.upper.is_nan()).then_some(bands);
        self.stop.load(from)?;
        self.reference = from.u64()? as i64;
        if let Some(bars) = &mut self.bars {
            bars.load(from)?;
        }
        Ok(())
    }

    fn inspect(&self, each: &mut dyn FnMut(&'static str, f64)) {
        if let Some(bands) = self.bands {
            each("upper", bands.upper);
            each("lower", bands.lower);
        }
        if let Some(atr) = self.stop.atr() {
            each("atr", atr);
        }
    }
}
