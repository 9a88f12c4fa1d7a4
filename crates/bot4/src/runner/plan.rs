//! What a run is made of, and the session and inputs that it becomes.

use crate::runner::record::{Probe, Recorder};
use crate::runner::session::{Session, SessionError};
use crate::runner::source::Input;
use crate::runner::statistics::EquityStatistics;
use domain::{
    AccountId, AssetIdx, EventBody, Instrument, InstrumentIdx, InstrumentTable, Money, Nanos, Quantity, Rate,
    StrategyIdx, UnixNanos, VenueIdx,
};
use engine::{AskPolicy, Engine, EngineConfig, ReconcilePolicy, StopPolicy};
use risk::{GuardConfig, Profile};
use sim::{Latency, Slippage, Venue, VenueConfig};
use std::sync::Arc;
use store::history::{DataKind, Series, SeriesReader};
use strategy::Blueprint;

/// Which multiples orders come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// The instrument's own lot.
    Lot,
    /// Whole units.
    Whole,
    /// The smallest part that the instrument's quantities can be written in.
    Fractional,
}

/// One tier of a venue's fee schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTier {
    /// The schedule.
    pub schedule: execution::fee::Schedule,
    /// Its tier, by number.
    pub tier: usize,
    /// Whether its discount comes off.
    pub discount: bool,
}

/// What a run is made of, beside its data.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Cash at the start, in the quote asset.
    pub cash: Money,
    /// The strategies; each is made once for every instrument it trades.
    pub strategies: Vec<Blueprint>,
    /// How the simulated venue behaves.
    pub venue: VenueConfig,
    /// Limits.
    pub profile: Profile,
    /// Symbols in which nothing is entered.
    pub restricted: Vec<String>,
    /// Multiples of orders.
    pub units: Units,
    /// Schedule that the instruments' rates come from; `None` for their own.
    pub schedule: Option<FeeTier>,
    /// Maker and taker fee for every instrument; `None` for those of the schedule or their own.
    pub fees: (Option<Rate>, Option<Rate>),
    /// Whether records are kept.
    pub keep: bool,
    /// How often the venue is asked how the account stands; with it, orders whose answers stay away are asked for, too.
    pub reconcile_every: Option<Nanos>,
}

/// A run that cannot be made so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError(pub String);

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlanError {}

fn fail(error: impl std::fmt::Display) -> PlanError {
    PlanError(error.to_string())
}

/// The one account of a simulated run.
pub const ACCOUNT: AccountId = AccountId(0);

/// A run that is ready to start.
pub struct Plan {
    /// Engine and venue, wired, without instruments yet.
    pub session: Session,
    /// The recorder.
    pub recorder: Recorder,
    /// Definitions that come as the first events.
    instruments: Vec<Instrument>,
    quote: AssetIdx,
    cash: Money,
    /// What the run assumes beside the venue.
    pub notes: Vec<String>,
}

/// One instrument of a run and the length of its candles (`None` for trades and quotes).
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its rules.
    pub instrument: Instrument,
    /// Length of its candles in seconds.
    pub interval_s: Option<u32>,
}

/// The instruments of stored series, in their order.
///
/// # Errors
/// If a definition cannot be used, or a symbol comes in two series.
pub fn list(series: &[Series]) -> Result<(InstrumentTable, Vec<Listed>), PlanError> {
    let mut table = InstrumentTable::default();
    let mut venues: Vec<&str> = Vec::new();
    let mut listed: Vec<Listed> = Vec::new();
    for s in series {
        if s.kind == DataKind::Book {
            let title = s.title();
            return Err(PlanError(format!(
                "{title}: runs do not take book levels yet; choose another kind with --kind candles, trades or quotes"
            )));
        }
        let venue = venues.iter().position(|v| *v == s.venue).unwrap_or_else(|| {
            venues.push(&s.venue);
            venues.len() - 1
        });
        let venue = VenueIdx(u16::try_from(venue).map_err(fail)?);
        let twice = listed.iter().position(|l| l.instrument.venue == venue && l.instrument.symbol == s.symbol);
        if let Some(before) = twice.and_then(|at| series.get(at)) {
            return Err(twice_error(before, s));
        }
        let idx = InstrumentIdx(u16::try_from(listed.len()).map_err(fail)?);
        let instrument = s.listing.instrument(idx, venue, &mut table).map_err(fail)?;
        let interval_s = (s.interval_s > 0).then_some(s.interval_s);
        listed.push(Listed { instrument, interval_s });
    }
    Ok((table, listed))
}

/// Says what of one symbol comes twice, and which way out there is.
fn twice_error(a: &Series, b: &Series) -> PlanError {
    let advice = if a.kind == b.kind {
        "choose one of the lengths with --interval".to_owned()
    } else {
        let (first, second) = (a.kind.name(), b.kind.name());
        format!("{first} and {second} of one symbol together are not supported yet; choose one of them with --kind")
    };
    PlanError(format!("{} comes twice, as {} and as {}: {advice}", a.symbol, a.title(), b.title()))
}

/// Opens the series as inputs, numbered as their instruments.
///
/// # Errors
/// If one cannot be opened.
pub fn open(series: &[Series]) -> Result<Vec<Input>, PlanError> {
    let open_one = |(number, s): (u16, &Series)| {
        let instrument = InstrumentIdx(number);
        Ok(Input { source: Box::new(SeriesReader::open(s, instrument).map_err(fail)?), instrument })
    };
    (0..=u16::MAX).zip(series).map(open_one).collect()
}

impl Plan {
    /// Makes a run over these instruments.
    ///
    /// # Errors
    /// [`PlanError`] says what does not fit together.
    pub fn new(config: &RunConfig, table: &InstrumentTable, listed: &[Listed]) -> Result<Self, PlanError> {
        let first = listed.first().ok_or_else(|| PlanError("there is no data to run on".into()))?;
        let quote = first.instrument.quote;
        if let Some(other) = listed.iter().find(|l| l.instrument.quote != quote) {
            return Err(PlanError(format!(
                "{} and {} are quoted in different assets: no rate between them is known",
                first.instrument.symbol, other.instrument.symbol
            )));
        }
        if config.cash <= Money::ZERO {
            return Err(PlanError(format!("cash is {}, expected more than 0", config.cash)));
        }
        if config.strategies.is_empty() {
            return Err(PlanError("no strategy is given".into()));
        }
        config.venue.validate().map_err(fail)?;
        let instruments =
            listed.iter().map(|l| adapt(&l.instrument, config)).collect::<Result<Vec<Instrument>, PlanError>>()?;
        for instrument in &instruments {
            instrument.validate().map_err(fail)?;
        }
        // Samples are as far apart as the longest candles: prints between them do not exist.
        let longest = listed.iter().filter_map(|l| l.interval_s).max().unwrap_or(60).max(60);
        let profile = config.profile.with_price_age(2 * u64::from(longest));
        let mut notes = Vec::new();
        if let Some(limits) = profile.limits() {
            let old = limits.price_age_max_s;
            notes.push(format!("limits: correlations are of returns over {longest} s; a price counts for {old} s"));
        }
        let engine_config = EngineConfig {
            profile,
            report_currency: quote,
            epoch: 1,
            correlation_every: Nanos::from_secs(u64::from(longest)),
            correlation_lateness: Nanos::from_secs(1),
            accounts: vec![ACCOUNT],
            stops: stops(&config.venue),
            asking: config.reconcile_every.map(|_| AskPolicy::for_round_trip(round_trip(&config.venue))),
            reconcile: config.reconcile_every.map(ReconcilePolicy::every),
            guard: guard(&profile),
            clamps: None,
        };
        if let Some(every) = config.reconcile_every {
            let every = every.0 / 1_000_000_000;
            notes.push(format!("reconciliation: the venue is asked every {every} s how the account stands"));
        }
        let mut engine = Engine::new(engine_config).map_err(fail)?;
        engine.define_assets(table).map_err(fail)?;
        for instrument in instruments.iter().filter(|i| config.restricted.contains(&i.symbol)) {
            engine.restrict(instrument.idx);
        }
        let mut number = 0u16;
        for blueprint in &config.strategies {
            let mut made = 0;
            for (l, instrument) in listed.iter().zip(&instruments) {
                if blueprint.instrument().is_some_and(|symbol| symbol != instrument.symbol) {
                    continue;
                }
                let strategy =
                    strategy::build(blueprint, StrategyIdx(number), ACCOUNT, instrument, l.interval_s).map_err(fail)?;
                engine.add_strategy(strategy).map_err(fail)?;
                number = number.checked_add(1).ok_or_else(|| PlanError("more than 65,535 strategies".into()))?;
                made += 1;
            }
            if made == 0 {
                let symbols: Vec<&str> = instruments.iter().map(|i| i.symbol.as_str()).collect();
                let asked = blueprint.instrument().unwrap_or_default();
                return Err(PlanError(format!(
                    "strategy {} trades {asked}, and the data has {}",
                    blueprint.name(),
                    symbols.join(", ")
                )));
            }
        }
        let mut venue = Venue::new(config.venue);
        for (number, asset) in table.assets().iter().enumerate() {
            venue.define_asset(AssetIdx(u16::try_from(number).map_err(fail)?), asset.decimals);
        }
        for instrument in &instruments {
            venue.define(instrument).map_err(fail)?;
        }
        let equity = if config.keep {
            EquityStatistics::full(config.cash.to_f64(), &instruments)
        } else {
            EquityStatistics::lean()
        };
        let recorder = Recorder::new(ACCOUNT, config.keep, equity);
        Ok(Self { session: Session::new(engine, venue), recorder, instruments, quote, cash: config.cash, notes })
    }

    /// What begins a run: the definitions and the deposit, at the time of the first row.
    pub fn begin(&self) -> impl FnMut(&mut Session, UnixNanos, &mut Recorder) -> Result<(), SessionError> + use<> {
        self.begin_for::<Recorder>()
    }

    /// [`Plan::begin`] with another probe.
    pub fn begin_for<P: Probe>(
        &self,
    ) -> impl FnMut(&mut Session, UnixNanos, &mut P) -> Result<(), SessionError> + use<P> {
        let (instruments, quote, cash) = (self.instruments.clone(), self.quote, self.cash);
        move |session, ts, probe| {
            for instrument in &instruments {
                session.tell(ts, EventBody::InstrumentDefined(Arc::new(instrument.clone())), probe)?;
            }
            session.venue.deposit(ACCOUNT, quote, cash);
            session.settle(ts, probe)
        }
    }

    /// The instruments with their rules as they are traded.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }
}

/// How long a stop may stay unconfirmed beside the longest way there and back: as long as an approval to send it holds.
const CONFIRM_WITHIN: Nanos = Nanos::from_secs(5);

/// The longest way to the venue and back.
fn round_trip(venue: &VenueConfig) -> Nanos {
    let Latency { feed, order, report, jitter } = venue.latency;
    let jitter = jitter.map_or(Nanos(0), |j| j.max);
    Nanos([feed, order, report, jitter, jitter].iter().fold(0_u64, |sum, part| sum.saturating_add(part.0)))
}

/// How stops are watched at this venue: one without latency answers within the step, and what a stop may slip is what its own model of
/// slippage takes of an order as large as all that was traded.
fn stops(venue: &VenueConfig) -> StopPolicy {
    let longest = round_trip(venue).0;
    let confirm_within = (longest > 0).then(|| Nanos(CONFIRM_WITHIN.0.saturating_add(longest)));
    let slippage = match venue.slippage {
        Slippage::None => Rate::ZERO,
        Slippage::Bps(rate) => rate,
        Slippage::Impact { spread, coefficient } => {
            spread.divided_by(2).and_then(|half| half.checked_add(coefficient)).unwrap_or(coefficient)
        }
    };
    StopPolicy { confirm_within, slippage, lists: venue.pairs }
}

/// The instrument with the run's own units and fees.
fn adapt(instrument: &Instrument, config: &RunConfig) -> Result<Instrument, PlanError> {
    let mut i = instrument.clone();
    match config.units {
        Units::Lot => {}
        Units::Whole => i.lot = Quantity::from_units(1),
        Units::Fractional => i.lot = Quantity::from_mantissa(1, i.quantity_decimals),
    }
    if config.units != Units::Lot {
        i.min_quantity = i.lot;
        i.max_quantity = i.max_quantity.max(i.lot);
    }
    if let Some(FeeTier { schedule, tier, discount }) = &config.schedule {
        execution::fee::set_rates(&mut i, schedule, *tier, *discount).map_err(fail)?;
    }
    let (maker, taker) = config.fees;
    i.fee_maker = maker.unwrap_or(i.fee_maker);
    i.fee_taker = taker.unwrap_or(i.fee_taker);
    Ok(i)
}

/// The guard that belongs to limits: the hard one for standard runs, with prices that may be as old as theirs. Research takes its losses as
/// they come.
fn guard(profile: &Profile) -> Option<GuardConfig> {
    let limits = profile.limits().filter(|_| profile.is_standard())?;
    Some(GuardConfig::default().with_mark_age(limits.price_age_max_s))
}
