//! What the account's positions could lose: exposure, leverage, heat, value at risk and expected shortfall, stress, signs of a crisis.
//!
//! In:  the sampler's timer (with the correlation tracker: each minute, what printed since the minute before), the ledger, stop levels.
//! Out: figures for the clamps, the check of the value-at-risk budget, and reports. What is not known says why: [`Unknown`].
//!
//! How the day is reached: figures of minutes are multiplied by the square root of the 1,440 minutes of a day. That supposes minutes that
//! are independent of each other; fat tails thin out over a day, so the factor errs upwards in quiet markets, and it does not see that
//! turbulence lasts. The enforced figure is the largest of three: historical, normal, Student-t.
//!
//! Degrees of freedom are fitted one instrument a minute at most, in turn, each once in a window. A sum has the tail of its heaviest part, so a portfolio takes the
//! strictest factor of its instruments, and never one below that of 4 degrees of freedom. Drawdown and limits by day are the guard's.

pub(crate) mod book;
mod crisis;
mod report;
mod stress;
mod tail;

pub use book::{Book, Line, Stops};
pub use crisis::{CrisisConfig, CrisisDetector, CrisisFacts};
pub use report::Report;
pub use stress::{SCENARIOS, Scenario, Shock, StressLoss};
pub use tail::{OrderRisk, TailRisk};

use domain::codec::{CodecError, Reader, Stored, put_bytes};
use domain::{Digest, Digestible, InstrumentIdx, MarketView, Nanos, UnixNanos};
use quant::state::State as _;
use quant::stats::value_at_risk::{normal_tail, standardised_student_tail};
use quant::stats::{RollingCovariance, Tail, student};
use std::fmt;

/// How many minutes the window holds.
pub const WINDOW: usize = 512;
/// Fewest minutes that a figure may rest on.
pub const SAMPLES_MIN: u32 = 100;
/// An instrument's degrees of freedom are fitted once in so many samples (or as many as there are instruments, if that is more): a fit costs
/// what hundreds of steps cost, and only when the window has gone by is it about other minutes.
const FIT_EVERY: usize = WINDOW;
/// Tail probability of value at risk and expected shortfall: 99 %.
pub const ALPHA: f64 = 0.01;
/// Minutes of a day, over which the figures are told.
pub const DAY_MINUTES: f64 = 1440.0;

/// Why a figure is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Fewer minutes in which all that matters printed than needed.
    Samples {
        /// How many there are.
        have: u32,
        /// How many are needed.
        needed: u32,
    },
    /// An instrument that is held has no price, or is not defined.
    Price(InstrumentIdx),
    /// An instrument that is held is not quoted in the report currency.
    Currency(InstrumentIdx),
    /// The account's equity is not known, or not positive.
    Equity,
    /// Covariances that do not fit together, even with twice the variances.
    Covariance,
    /// A number did not fit.
    Overflow,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Samples { have, needed } => write!(f, "{have} common minutes, {needed} are needed"),
            Self::Price(idx) => write!(f, "instrument {} has no price", idx.0),
            Self::Currency(idx) => write!(f, "instrument {} is not quoted in the report currency", idx.0),
            Self::Equity => f.write_str("the account's equity is not known or not positive"),
            Self::Covariance => f.write_str("the covariances do not fit together"),
            Self::Overflow => f.write_str("a number did not fit"),
        }
    }
}

impl std::error::Error for Unknown {}

/// Returns of all instruments, and what follows from them.
#[derive(Clone, Debug)]
pub struct Metrics {
    returns: RollingCovariance,
    last_price: Vec<Option<i64>>,
    previous: UnixNanos,
    /// Fitted degrees of freedom by instrument; `None` before the first fit.
    nu: Vec<Option<f64>>,
    /// What follows from them: the larger tail of a unit of standard deviation.
    factors: Vec<Tail>,
    /// Whose fit is next.
    turn: usize,
    crisis: CrisisDetector,
    /// Whether signs of a crisis are looked for: they are where a clamp rests on them. Told, not saved, as the next.
    watches_crisis: bool,
    /// How far apart samples are; zero stands for a minute. Told, not saved: it is part of the configuration.
    every: Nanos,
    scratch: Scratch,
}

/// Room that is kept from call to call; no state.
#[derive(Clone, Debug, Default)]
struct Scratch {
    lines: Vec<Line>,
    base: Vec<f64>,
    order: Vec<f64>,
    sum: Vec<f64>,
    present: Vec<u8>,
    worst: Vec<f64>,
    matrix: Vec<f64>,
    loaded: Vec<f64>,
}

impl Default for Metrics {
    #[expect(clippy::expect_used, reason = "the window is a constant within the allowed range")]
    fn default() -> Self {
        Self {
            watches_crisis: true,
            every: Nanos(0),
            returns: RollingCovariance::new(WINDOW).expect("a window of 512 is allowed"),
            last_price: Vec::new(),
            previous: UnixNanos::default(),
            nu: Vec::new(),
            factors: Vec::new(),
            turn: 0,
            crisis: CrisisDetector::default(),
            scratch: Scratch {
                base: Vec::with_capacity(WINDOW),
                order: Vec::with_capacity(WINDOW),
                sum: Vec::with_capacity(WINDOW),
                present: Vec::with_capacity(WINDOW),
                worst: Vec::with_capacity(WINDOW),
                ..Scratch::default()
            },
        }
    }
}

impl Metrics {
    /// Makes room for one more instrument, whose window is empty.
    pub fn add_instrument(&mut self, idx: InstrumentIdx) {
        while self.returns.series() <= idx.index() {
            self.returns.add_series();
            self.last_price.push(None);
            self.nu.push(None);
            self.factors.push(factor(None));
        }
    }

    /// How far apart samples are: a minute, or the interval of longer candles.
    pub const fn set_sampling(&mut self, every: Nanos) {
        self.every = every;
    }

    /// How many samples make a day (of 24 hours), over which figures are told: variance grows with their number.
    pub(crate) fn samples_a_day(&self) -> f64 {
        if self.every.0 == 0 { DAY_MINUTES } else { 86_400e9 / self.every.0 as f64 }
    }

    /// Whether signs of a crisis are looked for.
    pub const fn watch_crisis(&mut self, watched: bool) {
        self.watches_crisis = watched;
    }

    /// Bounds beyond which a market counts as in crisis.
    pub fn set_crisis(&mut self, config: CrisisConfig) {
        self.crisis.set(config);
    }

    /// Takes one sample of every instrument: the change of what printed after the previous sample, up to now, where it had printed before
    /// that, too.
    pub fn sample(&mut self, ts: UnixNanos, view: &MarketView) {
        let Self { returns, last_price, previous, crisis, watches_crisis, .. } = self;
        let mut market = crisis.minute();
        let crisis_watched = *watches_crisis;
        returns.push(|number| {
            let (Ok(idx), Some(last)) = (u16::try_from(number), last_price.get_mut(number)) else { return f64::NAN };
            let seen = view.get(InstrumentIdx(idx));
            let price = seen.mark().filter(|&mark| mark > 0 && seen.ts > *previous);
            let change = match (*last, price) {
                (Some(before), Some(now)) => now as f64 / before as f64 - 1.0,
                _ => f64::NAN,
            };
            *last = price;
            if crisis_watched {
                market.add(change);
            }
            change
        });
        if crisis_watched {
            crisis.end_minute(&market);
        }
        *previous = ts;
        self.fit_next();
    }

    /// Fits the tail of the next instrument in turn.
    fn fit_next(&mut self) {
        if self.returns.series() == 0 {
            return;
        }
        let number = self.turn;
        self.turn = if number < self.returns.series().max(FIT_EVERY) - 1 { number + 1 } else { 0 };
        if number >= self.returns.series() {
            return;
        }
        self.fit(number);
    }

    /// Fits the tail of one instrument.
    fn fit(&mut self, number: usize) {
        if self.returns.count(number, number) < SAMPLES_MIN {
            return;
        }
        let (values, seen) = self.returns.values(number);
        let sample = &mut self.scratch.sum;
        sample.clear();
        sample.extend(self.returns.places().filter(|at| seen[*at] == 1).map(|at| values[at]));
        // A twentieth of the logarithm is far below what 512 minutes can tell.
        if let Ok(fit) = student::fit_within(sample, 0.05) {
            self.nu[number] = Some(fit.nu);
            self.factors[number] = factor(Some(fit.nu));
        }
    }

    /// Fitted degrees of freedom of an instrument's returns; `None` before the first fit.
    #[must_use]
    pub fn degrees_of_freedom(&self, idx: InstrumentIdx) -> Option<f64> {
        self.nu.get(idx.index()).copied().flatten()
    }

    /// One-day standard deviation of an instrument's returns, as a fraction.
    ///
    /// # Errors
    /// [`Unknown::Samples`].
    pub fn sigma(&self, idx: InstrumentIdx) -> Result<f64, Unknown> {
        let number = idx.index();
        let have = self.returns.count(number, number);
        let variance = self.returns.covariance(number, number).filter(|_| have >= SAMPLES_MIN);
        variance
            .map(|v| (v.max(0.0) * self.samples_a_day()).sqrt())
            .ok_or(Unknown::Samples { have, needed: SAMPLES_MIN })
    }

    /// One-day value at risk and expected shortfall of one unit of notional of an instrument by itself, from its standard deviation and the
    /// strictest factor: what an upper bound by adding up may rest on.
    ///
    /// # Errors
    /// [`Unknown::Samples`].
    pub fn unit_tail(&self, idx: InstrumentIdx) -> Result<Tail, Unknown> {
        let sigma = self.sigma(idx)?;
        Ok(self.factors.get(idx.index()).copied().unwrap_or_default().scaled(sigma))
    }

    /// Covariance of two instruments' minute returns over the window, and from how many common minutes; means are taken to be zero.
    #[must_use]
    pub fn covariance(&self, a: InstrumentIdx, b: InstrumentIdx) -> Option<(f64, u32)> {
        Some((self.returns.covariance(a.index(), b.index())?, self.returns.count(a.index(), b.index())))
    }

    /// Correlation of two instruments over the window, means taken to be zero; `None` for fewer than [`SAMPLES_MIN`] common minutes or one
    /// that did not move. The limit of the pre-trade check rests on the shorter window of [`crate::correlation`], not on this.
    #[must_use]
    pub fn correlation(&self, a: InstrumentIdx, b: InstrumentIdx) -> Option<f64> {
        let known = self.returns.count(a.index(), b.index()) >= SAMPLES_MIN;
        self.returns.correlation(a.index(), b.index()).filter(|_| known)
    }

    /// The signs of a crisis.
    #[must_use]
    pub const fn crisis(&self) -> &CrisisDetector {
        &self.crisis
    }

    /// Makes covariances and fits of all instruments anew from the window, as the turns of a whole window would.
    pub fn recompute(&mut self) {
        self.returns.renew();
    }
}

/// The larger tail of a unit of standard deviation: normal, Student-t with 4 degrees of freedom, and with those fitted.
fn factor(nu: Option<f64>) -> Tail {
    let tails = [
        normal_tail(0.0, 1.0, ALPHA),
        standardised_student_tail(student::NU_START, ALPHA),
        nu.and_then(|nu| standardised_student_tail(nu, ALPHA)),
    ];
    tails.into_iter().flatten().fold(Tail::default(), Tail::larger)
}

/// For snapshots.
impl Metrics {
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        let mut returns = Vec::new();
        self.returns.write(&mut returns);
        put_bytes(&returns, out);
        self.last_price.put(out);
        self.previous.put(out);
        self.nu.put(out);
        self.turn.put(out);
        self.crisis.save(out);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "the returns that risk is measured by" };
        let mut returns = quant::state::Reader::new(from.bytes()?);
        self.returns.read(&mut returns).map_err(|_| INVALID)?;
        returns.finish().map_err(|_| INVALID)?;
        self.last_price = Stored::take(from)?;
        self.previous = Stored::take(from)?;
        self.nu = Stored::take(from)?;
        self.turn = Stored::take(from)?;
        let series = self.returns.series();
        let sound = |nu: &f64| (student::NU_MIN..=student::NU_MAX).contains(nu);
        if self.last_price.len() != series || self.nu.len() != series || !self.nu.iter().flatten().all(sound) {
            return Err(INVALID);
        }
        self.factors.clear();
        self.factors.extend(self.nu.iter().map(|nu| factor(*nu)));
        self.crisis.load(from)
    }
}

impl Digestible for Metrics {
    fn digest(&self, d: &mut Digest) {
        for number in 0..self.returns.series() {
            let (values, seen) = self.returns.values(number);
            values.iter().zip(seen).for_each(|(v, s)| d.float(if *s == 1 { *v } else { f64::NAN }));
            d.int(self.last_price.get(number).copied().flatten().unwrap_or(i64::MIN));
            d.float(self.nu.get(number).copied().flatten().unwrap_or(f64::NAN));
        }
        self.returns.sums().0.iter().for_each(|sum| d.float(*sum));
        d.word(self.returns.rows());
        d.word(self.previous.0);
        d.word(self.turn as u64);
        self.crisis.digest(d);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use domain::{EventBody, InstrumentTable};
    use testkit::generate::Seeded;

    /// A simulated market of perpetuals, and what is measured of it.
    pub(crate) struct Market {
        pub table: InstrumentTable,
        pub view: MarketView,
        pub metrics: Metrics,
        prices: Vec<f64>,
        minute: u64,
        random: Seeded,
    }

    impl Market {
        pub fn new(symbols: &[&str]) -> Self {
            let mut market = Self {
                table: InstrumentTable::default(),
                view: MarketView::default(),
                metrics: Metrics::default(),
                prices: vec![1e9; symbols.len()],
                minute: 0,
                random: Seeded::new(7),
            };
            for symbol in symbols {
                let instrument = testkit::add_perpetual(&mut market.table, symbol, 6, 6);
                market.view.add_instrument(instrument.idx);
                market.metrics.add_instrument(instrument.idx);
            }
            market
        }

        fn shock(&mut self) -> f64 {
            (0..12).map(|_| self.random.within(0, 1_000_000) as f64 / 1e6).sum::<f64>() - 6.0
        }

        /// Minutes with this standard deviation and this correlation between all.
        pub fn run(&mut self, minutes: u64, sigma: f64, rho: f64) {
            self.run_but(minutes, sigma, rho, |_, _| true);
        }

        /// The same, in which an instrument prints only where it is told to.
        pub fn run_but(&mut self, minutes: u64, sigma: f64, rho: f64, prints: impl Fn(usize, u64) -> bool) {
            for _ in 0..minutes {
                self.minute += 1;
                let ts = UnixNanos(testkit::T0.0 + self.minute * 60_000_000_000);
                let common = self.shock();
                for i in 0..self.prices.len() {
                    let own = self.shock();
                    self.prices[i] *= 1.0 + sigma * (rho.sqrt() * common + (1.0 - rho).sqrt() * own);
                    if prints(i, self.minute) {
                        let instrument = self.table.get(InstrumentIdx(i as u16)).unwrap();
                        let candle = testkit::candle(instrument, self.minute, [self.prices[i] as i64; 4], 1);
                        self.view.apply(ts, &EventBody::Candle(candle));
                    }
                }
                self.metrics.sample(UnixNanos(ts.0 + 1_000_000_000), &self.view);
            }
        }
    }

    fn line(instrument: u16, exposure: f64) -> Line {
        Line { instrument: InstrumentIdx(instrument), exposure }
    }

    #[test]
    fn a_known_market_gives_its_value_at_risk_back() {
        let mut market = Market::new(&["AUSDT", "BUSDT"]);
        let lines = [line(0, 1000.0), line(1, 1000.0)];
        market.run(100, 0.001, 0.5);
        assert_eq!(market.metrics.tail(&lines).unwrap_err(), Unknown::Samples { have: 99, needed: 100 });
        market.run(600, 0.001, 0.5);
        let tail = market.metrics.tail(&lines).unwrap();
        // 1000 x 0.001 x sqrt(1 + 1 + 2 rho) x sqrt(1440), within what 512 minutes can tell.
        let sigma = 3.0_f64.sqrt() * 1440.0_f64.sqrt();
        testkit::assert_close(tail.sigma, sigma, 0.08, 0.0);
        assert_eq!((tail.samples, tail.loading), (512, 0.0));
        testkit::assert_close(tail.normal.var, 2.326_347_874 * tail.sigma, 1e-6, 0.0);
        testkit::assert_close(tail.historical.var, 2.326 * sigma, 0.25, 0.0);
        // Normal returns: 4 degrees of freedom are the stricter.
        testkit::assert_close(tail.student.var, 2.6495 * tail.sigma, 1e-3, 0.0);
        for t in [tail.historical, tail.normal, tail.student, tail.enforced()] {
            assert!(t.es >= t.var && t.var > 0.0, "{t:?}");
        }
        assert!(market.metrics.degrees_of_freedom(InstrumentIdx(0)).unwrap() > 10.0);
        let correlation = market.metrics.correlation(InstrumentIdx(0), InstrumentIdx(1)).unwrap();
        testkit::assert_close(correlation, 0.5, 0.0, 0.1);
        let hedged = market.metrics.tail(&[line(0, 1000.0), line(1, -1000.0)]).unwrap();
        assert!(hedged.sigma < 0.7 * tail.sigma, "what is short takes risk away");
        assert_eq!(market.metrics.tail(&[]).unwrap(), TailRisk::default());
    }

    #[test]
    fn a_crisis_has_more_risk_than_calm_and_es_above_var() {
        let mut market = Market::new(&["AUSDT", "BUSDT"]);
        let lines = [line(0, 1000.0), line(1, 1000.0)];
        market.run(520, 0.0005, 0.3);
        let calm = market.metrics.tail(&lines).unwrap();
        market.run(120, 0.005, 0.95);
        let crisis = market.metrics.tail(&lines).unwrap();
        let (before, after) = (calm.enforced(), crisis.enforced());
        assert!(after.var > 3.0 * before.var && after.es > 3.0 * before.es, "{before:?} {after:?}");
        assert!(after.es > after.var);
        assert!(crisis.historical.var > crisis.normal.var, "a mixture of calm and crisis has fat tails");
    }

    #[test]
    fn an_order_adds_what_the_portfolio_with_it_has_more() {
        let mut market = Market::new(&["AUSDT", "BUSDT", "CUSDT"]);
        market.run(600, 0.001, 0.4);
        let lines = [line(0, 1000.0), line(1, -300.0)];
        let with = [line(0, 1000.0), line(1, 200.0)];
        let (before, after) = (market.metrics.tail(&lines).unwrap(), market.metrics.tail(&with).unwrap());
        let risk = market.metrics.order_risk(&lines, line(1, 500.0), std::iter::empty()).unwrap();
        let added = market.metrics.incremental(&risk).unwrap();
        testkit::assert_close(added.var, after.enforced().var - before.enforced().var, 1e-6, 1e-9);
        testkit::assert_close(added.es, after.enforced().es - before.enforced().es, 1e-6, 1e-9);
        testkit::assert_close(risk.after.var, after.enforced().var, 1e-9, 0.0);
        testkit::assert_close(risk.after.es, after.enforced().es, 1e-9, 0.0);
        let hedge = market.metrics.order_risk(&lines, line(0, -500.0), std::iter::empty()).unwrap();
        assert!(market.metrics.incremental(&hedge).unwrap().var < 0.0);
        let pending = [(InstrumentIdx(2), 400.0)];
        let beside = market.metrics.order_risk(&lines, line(1, 500.0), pending.into_iter()).unwrap();
        let unit = market.metrics.unit_tail(InstrumentIdx(2)).unwrap();
        testkit::assert_close(beside.after.var, risk.after.var + 400.0 * unit.var, 1e-9, 0.0);
    }

    #[test]
    fn the_largest_part_fits_and_a_little_more_does_not() {
        let mut market = Market::new(&["AUSDT", "BUSDT"]);
        market.run(700, 0.001, 0.6);
        let lines = [line(0, 1000.0)];
        for exposure in [5000.0, -5000.0] {
            let order = line(1, exposure);
            let risk = market.metrics.order_risk(&lines, order, std::iter::empty()).unwrap();
            for limit in [50.0, 120.0, 200.0, 300.0, 1e9, f64::NAN, -1.0] {
                let part = market.metrics.largest_part(&risk, limit, |t| t.var).unwrap();
                assert!((0.0..=1.0).contains(&part));
                let at = |market: &mut Market, part: f64| {
                    let order = line(1, exposure * part);
                    market.metrics.order_risk(&lines, order, std::iter::empty()).unwrap().after.var
                };
                if part > 0.0 {
                    assert!(at(&mut market, part) <= limit * (1.0 + 1e-9), "{limit} {part}");
                }
                if part > 0.0 && part < 1.0 {
                    assert!(at(&mut market, part * 1.01) > limit, "{limit} {part}");
                }
                // A measurement in between has taken the place of the series.
                market.metrics.order_risk(&lines, order, std::iter::empty()).unwrap();
            }
        }
    }

    #[test]
    fn gaps_are_left_out_and_their_covariances_made_to_fit() {
        let mut market = Market::new(&["AUSDT", "BUSDT", "CUSDT"]);
        market.run_but(700, 0.001, 0.9, |i, minute| !(minute / 12 + i as u64).is_multiple_of(5));
        let lines = [line(0, 1000.0), line(1, 500.0), line(2, -1400.0)];
        let tail = market.metrics.tail(&lines).unwrap();
        assert!(tail.samples >= 100 && tail.samples < 400, "{tail:?}");
        assert!(tail.sigma >= 0.0 && tail.enforced().var.is_finite());
        // One that prints every second minute has no return at all.
        let mut market = Market::new(&["AUSDT", "BUSDT"]);
        market.run_but(700, 0.001, 0.9, |i, minute| i == 0 || minute % 2 == 0);
        assert!(market.metrics.tail(&[line(0, 1.0)]).is_ok());
        let error = market.metrics.tail(&[line(0, 1.0), line(1, 1.0)]).unwrap_err();
        assert_eq!(error, Unknown::Samples { have: 0, needed: 100 });
        assert!(market.metrics.tail(&[line(9, 1.0)]).is_err(), "an instrument that was never added");
    }

    #[test]
    fn a_saved_one_goes_on_bit_for_bit() {
        let (mut first, mut second) = (Market::new(&["AUSDT", "BUSDT"]), Market::new(&["AUSDT", "BUSDT"]));
        let prints = |i: usize, minute: u64| i == 0 || !minute.is_multiple_of(17);
        first.run_but(300, 0.001, 0.5, prints);
        second.run_but(300, 0.001, 0.5, prints);
        let mut bytes = Vec::new();
        first.metrics.save(&mut bytes);
        let mut loaded = Metrics::default();
        let mut from = Reader::new(&bytes);
        loaded.load(&mut from).unwrap();
        from.finish().unwrap();
        second.metrics = loaded;
        first.run_but(400, 0.002, 0.8, prints);
        second.run_but(400, 0.002, 0.8, prints);
        let of = |market: &Market| {
            let mut d = Digest::default();
            market.metrics.digest(&mut d);
            d.value()
        };
        assert_eq!(of(&first), of(&second));
        let lines = [line(0, 3.0), line(1, 4.0)];
        assert_eq!(first.metrics.tail(&lines), second.metrics.tail(&lines));
        for cut in (0..bytes.len()).step_by(97) {
            assert!(Metrics::default().load(&mut Reader::new(&bytes[..cut])).is_err(), "cut at {cut}");
        }
    }
}
