//! The clamps at the gate: measures what they rest on for one entry, applies them to its size, and makes the order that much smaller.
//!
//! In:  the order as sized, what the account holds. Out: the order clamped, and the value at risk with it, for the check of the budget.
//! How old an input may be: prices as old as the check of the price allows; returns, covariances, signs of a crisis one minute and the
//! sampler's lateness; degrees of freedom a window of 512 minutes; positions and entries on their way are of now.

use super::{ClampConfig, ClampInputs, Input, chain, kelly};
use crate::check;
use crate::check::Holdings;
use crate::deny_reason::{DenyReason, Refusal};
use crate::exposure::Exposure;
use crate::gate::Scene;
use crate::limits::Limits;
use crate::metrics::book::share_at_stake;
use crate::metrics::{Book, Line, Metrics, OrderRisk, Stops};
use crate::{correlation::CorrelationTracker, gate::stop_price};
use domain::codec::{CodecError, Reader};
use domain::observe::ClampSeen;
use domain::{
    Digest, Digestible, Instrument, InstrumentIdx, Money, Observer, OrderQuantity, OrderSpec, Price, Quantity, Side,
    Signal,
};

/// The clamps with what they are measured by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clamps {
    pub config: ClampConfig,
    pub metrics: Metrics,
    pub stops: Stops,
    /// Room for the positions under measurement; no state.
    book: Book,
}

/// The rest of the gate, as far as the clamps look at it.
pub(crate) struct Around<'a> {
    pub exposure: &'a Exposure,
    pub correlation: &'a CorrelationTracker,
    pub limits: &'a Limits,
    pub holdings: &'a Holdings,
    pub scene: &'a Scene<'a>,
}

impl Clamps {
    pub(crate) fn new(config: ClampConfig) -> Self {
        let mut clamps = Self { config, ..Self::default() };
        clamps.set(config);
        clamps
    }

    pub(crate) fn set(&mut self, config: ClampConfig) {
        self.config = config;
        self.metrics.watch_crisis(config.crisis.is_some());
        if let Some(crisis) = config.crisis {
            self.metrics.set_crisis(crisis);
        }
    }

    /// Clamps a sized entry worth `amount` that would fill at `fills_at`. Answers the value at risk with it, as a fraction of equity, where a clamp
    /// rests on that.
    ///
    /// # Errors
    /// As [`chain`]; [`DenyReason::ClampedOut`] also where less than a lot is left.
    pub(crate) fn apply<O: Observer>(
        &mut self,
        spec: &mut OrderSpec,
        amount: Money,
        fills_at: Price,
        signal: &Signal,
        around: &Around<'_>,
        observer: &mut O,
    ) -> Result<Input, Refusal> {
        let Some(instrument) = around.scene.table.get(spec.instrument) else {
            return Err(Refusal::because(DenyReason::InstrumentUnknown));
        };
        // Without equity no limit holds anything; the check of it says so.
        let Some(equity) = around.holdings.equity.filter(|e| *e > Money::ZERO) else { return Ok(Input::Unknown) };
        if amount <= Money::ZERO {
            return Ok(Input::Unknown);
        }
        let tail_asked = self.config.var.is_some() || self.config.shortfall.is_some();
        let read = (tail_asked || self.config.heat_max.is_some()).then(|| self.read_book(spec, around)).flatten();
        let risk = read.filter(|()| tail_asked).and_then(|()| self.measure(spec, amount, around));
        let heat = read.map(|()| self.book.heat);
        let inputs = self.inputs(spec, amount, equity, fills_at, signal, instrument, risk.as_ref(), heat, around);
        let ts = around.scene.ts;
        let left = chain(&self.config, &inputs, amount, |clamp, input, before, after| {
            if O::ACTIVE {
                observer.clamp(ts, &ClampSeen { name: clamp.key(), input: input.seen(), before, after });
            }
        })?;
        if left < amount {
            shrink(spec, left, amount, instrument)?;
        }
        if !tail_asked {
            return Ok(Input::NotConfigured);
        }
        let tail = match risk {
            Some(risk) if left < amount => self.metrics.at(&risk, left.to_f64() / amount.to_f64()).ok(),
            whole => whole.map(|risk| risk.after),
        };
        Ok(Input::of(tail.map(|tail| tail.var / equity.to_f64())))
    }

    /// What the whole order would do to the tail of the positions that were read; `None` while that is not known.
    fn measure(&mut self, spec: &OrderSpec, amount: Money, around: &Around<'_>) -> Option<OrderRisk> {
        // Too few minutes of this instrument is the usual case at the beginning of a run, and costs nothing.
        self.metrics.sigma(spec.instrument).ok()?;
        let signed = if spec.side == Side::Buy { amount.to_f64() } else { -amount.to_f64() };
        let order = Line { instrument: spec.instrument, exposure: signed };
        let pending = around.exposure.pending_instruments(spec.account);
        let pending = pending.map(|idx| (idx, around.exposure.pending_in(spec.account, idx).0.to_f64()));
        self.metrics.order_risk(&self.book.lines, order, pending).ok()
    }

    fn read_book(&mut self, spec: &OrderSpec, around: &Around<'_>) -> Option<()> {
        let scene = around.scene;
        self.book.read(spec.account, scene.portfolio, scene.table, scene.view, &self.stops).ok()
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one order, each used once")]
    fn inputs(
        &mut self,
        spec: &OrderSpec,
        amount: Money,
        equity: Money,
        fills_at: Price,
        signal: &Signal,
        instrument: &Instrument,
        risk: Option<&OrderRisk>,
        held_heat: Option<f64>,
        around: &Around<'_>,
    ) -> ClampInputs {
        let c = self.config;
        let worth = equity.to_f64();
        let mut part = |limit: Option<f64>, figure: fn(&quant::stats::Tail) -> f64| {
            let known = risk.zip(limit);
            known.and_then(|(risk, max)| self.metrics.largest_part(risk, max * worth, figure).ok()).unwrap_or(0.0)
        };
        let var_part = part(c.var.map(|t| t.max), |t| t.var);
        let shortfall_part = part(c.shortfall.map(|t| t.max), |t| t.es);
        let (heat, heat_order) = match c.heat_max {
            None => (Input::NotConfigured, 0.0),
            Some(_) => {
                // Where entries on their way will have their stops is not kept here: they count whole.
                let pending = around.exposure.pending_total(spec.account).to_f64();
                let stop = stop_price(signal.stop, spec.side, fills_at, instrument);
                let stake = share_at_stake(fills_at, stop, spec.side == Side::Buy);
                (Input::of(held_heat.map(|held| (held + pending) / worth)), amount.to_f64() * stake / worth)
            }
        };
        ClampInputs {
            equity,
            kelly: c.kelly.map_or(Input::NotConfigured, |k| kelly::input(signal.statistics.as_ref(), &k)),
            // No model that is calibrated says anything yet: who configures this clamp is refused until one does.
            probability: c.probability.map_or(Input::NotConfigured, |_| Input::Unknown),
            volatility: c
                .volatility_target
                .map_or(Input::NotConfigured, |_| Input::of(self.metrics.sigma(spec.instrument).ok())),
            var: Input::of(risk.map(|risk| risk.after.var / worth)),
            var_part,
            shortfall: Input::of(risk.map(|risk| risk.after.es / worth)),
            shortfall_part,
            heat,
            heat_order,
            correlation: c
                .correlation
                .map_or(Input::NotConfigured, |_| Input::of(largest_correlation(spec, instrument, around))),
            gross: around.holdings.gross,
            crisis: c.crisis.map_or(Input::NotConfigured, |_| {
                let crisis = self.metrics.crisis();
                Input::of(crisis.known().then(|| f64::from(u8::from(crisis.active()))))
            }),
        }
    }
}

/// For snapshots: the bounds, for comparison, and the state.
impl Clamps {
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.config.words().iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        self.metrics.save(out);
        self.stops.save(out);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for word in self.config.words() {
            if from.u64()? != word {
                return Err(CodecError::Parameter { what: "the bounds of the clamps" });
            }
        }
        self.metrics.load(from)?;
        self.stops.load(from)
    }
}

impl Digestible for Clamps {
    fn digest(&self, d: &mut Digest) {
        self.config.words().iter().for_each(|word| d.word(*word));
        self.metrics.digest(d);
        self.stops.digest(d);
    }
}

/// The largest correlation with a position or an entry on its way, signed by direction as the check of it does; 0 where nothing else is
/// held, `None` where one is not known.
fn largest_correlation(spec: &OrderSpec, instrument: &Instrument, around: &Around<'_>) -> Option<f64> {
    let (scene, exposure) = (around.scene, around.exposure);
    let with = |other: InstrumentIdx| {
        around.correlation.correlation(spec.instrument, other, around.limits.correlation_samples_min)
    };
    let mut largest = 0.0_f64;
    for (account, held_in, _, position) in scene.portfolio.positions() {
        let counts = account == spec.account
            && !check::same_market(held_in, instrument, scene.table)
            && !check::is_dust(held_in, position.quantity, scene.table, scene.view);
        if counts {
            let correlation = with(held_in)?;
            let same_way = position.is_long() == (spec.side == Side::Buy);
            largest = largest.max(if same_way { correlation } else { -correlation });
        }
    }
    for pending in exposure.pending_instruments(spec.account) {
        if !check::same_market(pending, instrument, scene.table) {
            largest = largest.max(with(pending)?.abs());
        }
    }
    Some(largest)
}

/// Makes the order as much smaller as its amount became, down to the lot.
fn shrink(spec: &mut OrderSpec, left: Money, amount: Money, instrument: &Instrument) -> Result<(), Refusal> {
    let less = |quantity: Quantity| {
        let (part, whole) = (Quantity::from_raw(left.raw()), Quantity::from_raw(amount.raw()));
        let share = Money::from_raw(quantity.raw()).share(part, whole).unwrap_or(Money::ZERO);
        instrument.floor_to_lot(Quantity::from_raw(share.raw()))
    };
    spec.quantity = match spec.quantity {
        OrderQuantity::QuoteAmount(_) => OrderQuantity::QuoteAmount(left),
        OrderQuantity::Base(quantity) => OrderQuantity::Base(less(quantity)),
        OrderQuantity::Contracts(quantity) => OrderQuantity::Contracts(less(quantity)),
    };
    match spec.quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) if quantity.is_zero() => {
            Err(Refusal::over(DenyReason::ClampedOut, 0.0, instrument.lot.to_f64()))
        }
        _ => Ok(()),
    }
}
