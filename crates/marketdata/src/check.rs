//! Integrity of a stream of candles: what is missing, double, out of order or not credible.
//!
//! In:  the candles of one instrument, as they lie in the source.
//! Out: counts by kind and the first findings with their times, for the loader and `bot4 data check`.
//! It changes nothing and refuses nothing; who reads decides. Memory is bounded, whatever the length of the stream: a duplicate is known
//! as such only next to its twin, elsewhere it counts as disorder.

use domain::time::NANOS_PER_SECOND;
use domain::{Candle, UnixNanos};

/// When a candle is an outlier.
///
/// `|p / previous close - 1| > sigmas * scale` for any of its high, low and close. `scale = 1.4826 * median |close-to-close return|`
/// over the last `window` returns (1.4826 makes the median absolute deviation of a normal distribution its standard deviation), taken
/// anew four times per window, and at least `scale_min`: in quiet hours half of the minutes do not move at all. Nothing is judged before a quarter of the window is
/// filled, nor directly after a gap.
///
/// Source of the scale: Hampel (1974), Journal of the American Statistical Association 69(346), 383-393.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierRule {
    /// How many robust standard deviations are credible.
    pub sigmas: f64,
    /// How many returns the scale is taken over.
    pub window: usize,
    /// The smallest scale, as a fraction of the price.
    pub scale_min: f64,
}

impl OutlierRule {
    /// 50 deviations over 1,440 returns, and at least 0.01 %. On real minutes of BTC, ETH and SUI it names a few dozen in a year, the
    /// minutes of crashes among them: a finding is a place to look at, not a proof of a bad print.
    pub const STANDARD: Self = Self { sigmas: 50.0, window: 1_440, scale_min: 1e-4 };
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckConfig {
    /// Interval in seconds; `None` takes that of the first candle.
    pub interval_s: Option<u32>,
    /// `None` leaves outliers alone.
    pub outliers: Option<OutlierRule>,
    /// How many findings are kept with their times. Counts are complete.
    pub findings_max: usize,
}

/// What is wrong with a candle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FindingKind {
    /// So many intervals are missing before it.
    Gap {
        /// Their number.
        missing: u64,
    },
    /// It begins when the one before it does.
    Duplicate,
    /// It begins before one that came earlier.
    Disorder {
        /// When the latest one so far began.
        latest: UnixNanos,
    },
    /// Its interval is another one.
    Interval {
        /// Its seconds.
        got: u32,
        /// Seconds of the stream.
        expected: u32,
    },
    /// It does not begin at a multiple of its interval since 1970.
    Misaligned,
    /// Open or close lie outside low..=high, or low is above high.
    Ohlc,
    /// A price is zero or negative.
    NotPositive,
    /// Its volume is negative.
    NegativeVolume,
    /// Nothing was traded and the price did not move: a filled gap or a halt.
    Flat,
    /// Not credible by the rule.
    Outlier {
        /// The largest of its returns over the close before it, with its sign.
        change: f64,
        /// The robust standard deviation it is held against.
        scale: f64,
    },
}

/// One finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Number of the candle in the stream, from 0.
    pub row: u64,
    /// When the candle begins.
    pub ts_open: UnixNanos,
    /// What is wrong.
    pub kind: FindingKind,
}

/// How often each was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Candles seen.
    pub candles: u64,
    /// Places where intervals are missing.
    pub gaps: u64,
    /// Intervals that are missing.
    pub missing: u64,
    /// Candles that begin when the one before does.
    pub duplicates: u64,
    /// Candles that begin before an earlier one.
    pub disorder: u64,
    /// Candles of another interval.
    pub intervals: u64,
    /// Candles not aligned to their interval.
    pub misaligned: u64,
    /// Candles with contradictory prices.
    pub ohlc: u64,
    /// Candles with a price that is not positive.
    pub not_positive: u64,
    /// Candles with negative volume.
    pub negative_volume: u64,
    /// Candles without volume and movement.
    pub flat: u64,
    /// Candles that are not credible by the rule.
    pub outliers: u64,
}

impl Counts {
    /// Whether candles are there that nobody should compute with: duplicates, disorder, mixed intervals, contradictions. Gaps, flat
    /// candles and outliers happen on real venues.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.duplicates
            + self.disorder
            + self.intervals
            + self.misaligned
            + self.ohlc
            + self.not_positive
            + self.negative_volume
            != 0
    }
}

/// Checks a stream of candles, one by one.
#[derive(Clone, Debug)]
pub struct CandleCheck {
    config: CheckConfig,
    interval_s: u32,
    interval_ns: u64,
    /// When the latest candle so far began, and where the next one is expected.
    latest: Option<(u64, u64)>,
    counts: Counts,
    findings: Vec<Finding>,
    outliers: Option<Outliers>,
}

impl CandleCheck {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: CheckConfig) -> Self {
        let interval_s = config.interval_s.unwrap_or(0);
        Self {
            config,
            interval_s,
            interval_ns: u64::from(interval_s) * NANOS_PER_SECOND,
            latest: None,
            counts: Counts::default(),
            findings: Vec::new(),
            outliers: config.outliers.map(Outliers::new),
        }
    }

    /// Looks at the next candle.
    #[inline]
    pub fn push(&mut self, c: &Candle) {
        if self.interval_s == 0 {
            self.interval_s = c.interval_s;
            self.interval_ns = u64::from(c.interval_s) * NANOS_PER_SECOND;
        }
        let sane = c.low > 0 && c.low <= c.open.min(c.close) && c.open.max(c.close) <= c.high && c.volume >= 0;
        if !sane {
            self.contradiction(c);
        }
        if c.volume == 0 && c.open == c.close && c.high == c.low {
            self.counts.flat += 1;
            self.note(c, FindingKind::Flat);
        }
        let follows = self.placed(c);
        if let Some(outliers) = &mut self.outliers
            && sane
            && let Some((change, scale)) = outliers.judge(c, follows)
        {
            self.counts.outliers += 1;
            self.note(c, FindingKind::Outlier { change, scale });
        }
        self.counts.candles += 1;
    }

    /// How often each was found so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The first findings, in the order of the stream, at most as many as configured.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Seconds of the stream's interval; `None` before the first candle if it was not configured.
    #[must_use]
    pub fn interval_s(&self) -> Option<u32> {
        (self.interval_s != 0).then_some(self.interval_s)
    }

    /// Whether the candle stands where the one before it ends. Notes what is wrong with its place.
    #[inline]
    fn placed(&mut self, c: &Candle) -> bool {
        let ts = c.ts_open.0;
        if c.interval_s == self.interval_s
            && let Some((latest, next)) = &mut self.latest
            && ts == *next
        {
            // The common case needs no division: it is aligned because the one before it was, or was noted.
            *latest = ts;
            *next = ts.saturating_add(self.interval_ns);
            return true;
        }
        self.misplaced(c);
        false
    }

    #[cold]
    fn misplaced(&mut self, c: &Candle) {
        let ts = c.ts_open.0;
        if c.interval_s != self.interval_s {
            self.counts.intervals += 1;
            self.note(c, FindingKind::Interval { got: c.interval_s, expected: self.interval_s });
        }
        if self.interval_ns != 0 && !ts.is_multiple_of(self.interval_ns) {
            self.counts.misaligned += 1;
            self.note(c, FindingKind::Misaligned);
        }
        match self.latest {
            Some((latest, _)) if ts == latest => {
                self.counts.duplicates += 1;
                self.note(c, FindingKind::Duplicate);
                return;
            }
            Some((latest, _)) if ts < latest => {
                self.counts.disorder += 1;
                self.note(c, FindingKind::Disorder { latest: UnixNanos(latest) });
                return;
            }
            Some((_, next)) if ts > next => {
                // A gap shorter than an interval is a misaligned candle, which was noted.
                let missing = (ts - next).checked_div(self.interval_ns).unwrap_or(0);
                if missing != 0 {
                    self.counts.gaps += 1;
                    self.counts.missing += missing;
                    self.note(c, FindingKind::Gap { missing });
                }
            }
            _ => {}
        }
        self.latest = Some((ts, ts.saturating_add(self.interval_ns)));
    }

    #[cold]
    fn contradiction(&mut self, c: &Candle) {
        if c.open.min(c.high).min(c.low).min(c.close) <= 0 {
            self.counts.not_positive += 1;
            self.note(c, FindingKind::NotPositive);
        }
        if c.low > c.open.min(c.close) || c.open.max(c.close) > c.high {
            self.counts.ohlc += 1;
            self.note(c, FindingKind::Ohlc);
        }
        if c.volume < 0 {
            self.counts.negative_volume += 1;
            self.note(c, FindingKind::NegativeVolume);
        }
    }

    fn note(&mut self, c: &Candle, kind: FindingKind) {
        if self.findings.len() < self.config.findings_max {
            self.findings.push(Finding { row: self.counts.candles, ts_open: c.ts_open, kind });
        }
    }
}

/// Looks for outliers in a stream of single prices, such as trades or middles of quotes: each is held against the one before it.
#[derive(Clone, Debug)]
pub struct PriceCheck {
    outliers: Outliers,
}

impl PriceCheck {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(rule: OutlierRule) -> Self {
        Self { outliers: Outliers::new(rule) }
    }

    /// Looks at the next price, a mantissa: its change as a fraction and the scale, if it is not credible by the rule.
    #[inline]
    pub fn push(&mut self, price: i64) -> Option<(f64, f64)> {
        self.outliers.judge_prices(price, price, price, true)
    }
}

/// The rolling robust scale of returns.
#[derive(Clone, Debug)]
struct Outliers {
    rule: OutlierRule,
    /// Sizes of the last returns, a ring.
    returns: Vec<f64>,
    scratch: Vec<f64>,
    /// Returns taken in since the start.
    seen: usize,
    refresh: usize,
    scale: Option<f64>,
    close: f64,
}

impl Outliers {
    fn new(rule: OutlierRule) -> Self {
        let window = rule.window.max(4);
        Self {
            rule: OutlierRule { window, ..rule },
            returns: Vec::with_capacity(window),
            scratch: Vec::with_capacity(window),
            seen: 0,
            refresh: window / 4,
            scale: None,
            close: 0.0,
        }
    }

    /// The candle's largest change and the scale, if it is an outlier; then takes it in.
    fn judge(&mut self, c: &Candle, follows: bool) -> Option<(f64, f64)> {
        self.judge_prices(c.high, c.low, c.close, follows)
    }

    #[inline]
    fn judge_prices(&mut self, high: i64, low: i64, close: i64, follows: bool) -> Option<(f64, f64)> {
        let before = std::mem::replace(&mut self.close, close as f64);
        if !follows || before <= 0.0 {
            return None;
        }
        let change = |price: i64| (price as f64 - before) / before;
        let (up, down) = (change(high), change(low));
        let largest = if up.abs() >= down.abs() { up } else { down };
        let found = self.scale.and_then(|scale| {
            let scale = scale.max(self.rule.scale_min);
            (largest.abs() > self.rule.sigmas * scale).then_some((largest, scale))
        });
        self.take(change(close).abs());
        found
    }

    fn take(&mut self, size: f64) {
        let at = self.seen % self.rule.window;
        match self.returns.get_mut(at) {
            Some(slot) => *slot = size,
            None => self.returns.push(size),
        }
        self.seen += 1;
        if self.seen.is_multiple_of(self.refresh) {
            self.scratch.clear();
            self.scratch.extend_from_slice(&self.returns);
            let middle = self.scratch.len() / 2;
            let (_, median, _) = self.scratch.select_nth_unstable_by(middle, f64::total_cmp);
            self.scale = Some(1.4826 * *median);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Instrument, InstrumentTable};
    use proptest::prelude::*;
    use testkit::candle;

    const CONFIG: CheckConfig = CheckConfig { interval_s: None, outliers: None, findings_max: 10 };

    fn btc() -> Instrument {
        testkit::add_spot(&mut InstrumentTable::default(), "BTCUSDT", 2, 5)
    }

    fn check(config: CheckConfig, candles: &[Candle]) -> CandleCheck {
        let mut check = CandleCheck::new(config);
        candles.iter().for_each(|c| check.push(c));
        check
    }

    #[test]
    fn each_fault_is_found_where_it_is() {
        let i = btc();
        let good = |m| candle(&i, m, [100, 110, 90, 105], 5);
        let stream = [
            good(0),
            good(1),
            good(1),
            good(5),
            good(3),
            good(6),
            Candle { interval_s: 300, ..good(7) },
            Candle { ts_open: UnixNanos(good(8).ts_open.0 + 1), ..good(8) },
            candle(&i, 9, [100, 110, 101, 105], 5),
            candle(&i, 10, [100, 110, 0, 105], 5),
            candle(&i, 11, [100, 110, 90, 105], -1),
            candle(&i, 12, [100; 4], 0),
        ];
        let check = check(CheckConfig { findings_max: 100, ..CONFIG }, &stream);
        let found: Vec<_> = check.findings().iter().map(|f| (f.row, f.kind)).collect();
        assert_eq!(
            found,
            [
                (2, FindingKind::Duplicate),
                (3, FindingKind::Gap { missing: 3 }),
                (4, FindingKind::Disorder { latest: stream[3].ts_open }),
                (6, FindingKind::Interval { got: 300, expected: 60 }),
                (7, FindingKind::Misaligned),
                (8, FindingKind::Ohlc),
                (9, FindingKind::NotPositive),
                (10, FindingKind::NegativeVolume),
                (11, FindingKind::Flat),
            ]
        );
        let expected = Counts {
            candles: 12,
            gaps: 1,
            missing: 3,
            duplicates: 1,
            disorder: 1,
            intervals: 1,
            misaligned: 1,
            ohlc: 1,
            not_positive: 1,
            negative_volume: 1,
            flat: 1,
            outliers: 0,
        };
        assert_eq!((*check.counts(), check.counts().is_broken()), (expected, true));
    }

    #[test]
    fn findings_are_bounded_and_counts_are_not() {
        let i = btc();
        let stream: Vec<_> = (0..1000).map(|m| candle(&i, m, [100; 4], 0)).collect();
        let check = check(CONFIG, &stream);
        assert_eq!((check.findings().len(), check.counts().flat, check.counts().is_broken()), (10, 1000, false));
    }

    #[test]
    fn a_single_price_far_off_is_an_outlier() {
        let mut check = PriceCheck::new(OutlierRule { sigmas: 20.0, window: 40, scale_min: 1e-4 });
        let price = |k: i64| if k == 70 { 200_000 } else { 100_000 + 10 * (k % 3) };
        let found: Vec<i64> = (0..100).filter(|k| check.push(price(*k)).is_some()).collect();
        assert_eq!(found, [70, 71], "there and back");
    }

    #[test]
    fn a_bad_print_is_an_outlier_and_a_lively_market_is_none() {
        let i = btc();
        let rule = OutlierRule { sigmas: 20.0, window: 400, scale_min: 1e-4 };
        let mut walk = testkit::generate::random_walk(&i, 7, 3000, 4_000_000, 4_000);
        let config = CheckConfig { outliers: Some(rule), ..CONFIG };
        assert_eq!(check(config, &walk).counts().outliers, 0);
        walk[2000].high *= 10;
        let found = check(config, &walk);
        assert_eq!(found.counts().outliers, 1);
        let finding = found.findings()[0];
        assert_eq!(finding.row, 2000);
        assert!(matches!(finding.kind, FindingKind::Outlier { change, .. } if change > 8.0), "{finding:?}");
    }

    #[test]
    fn the_smallest_scale_holds_where_nothing_moves() {
        let i = btc();
        let mut stream: Vec<_> = (0..2000).map(|m| candle(&i, m, [1_000_000; 4], 1)).collect();
        let config = CheckConfig { outliers: Some(OutlierRule::STANDARD), ..CONFIG };
        stream[1900].high = 1_004_900;
        assert_eq!(check(config, &stream).counts().outliers, 0, "0.49 % is 49 times the smallest scale");
        stream[1900].high = 1_005_100;
        let found = check(config, &stream);
        let FindingKind::Outlier { change, scale } = found.findings()[0].kind else { panic!("{:?}", found.findings()) };
        testkit::assert_close(change, 0.0051, 1e-12, 0.0);
        testkit::assert_close(scale, 1e-4, 0.0, 0.0);
    }

    proptest! {
        #[test]
        fn holes_are_counted(seed in any::<u64>(), keep in 20i64..=100) {
            let i = btc();
            let mut random = testkit::generate::Seeded::new(seed);
            let mut walk = testkit::generate::random_walk(&i, seed, 500, 1_000_000, 50);
            walk.retain(|_| random.chance(keep));
            let first = walk.first().map_or(0, |c| c.ts_open.0);
            let last = walk.last().map_or(0, |c| c.ts_open.0);
            let checked = check(CONFIG, &walk);
            let expected = if walk.is_empty() { 0 } else { (last - first) / (60 * NANOS_PER_SECOND) + 1 - walk.len() as u64 };
            prop_assert_eq!(checked.counts().missing, expected);
            prop_assert!(!checked.counts().is_broken());
        }
    }
}
