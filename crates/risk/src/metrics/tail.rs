//! Value at risk and expected shortfall of positions, and of positions with one order more.
//!
//! In:  exposures, the window of minute returns. Out: one-day losses in the currency of the exposures, three ways.
//! Entries on their way have no direction here: each counts by itself, on top, which is never less than what it could add.

use super::{ALPHA, Line, Metrics, SAMPLES_MIN, Unknown};
use domain::InstrumentIdx;
use quant::stats::matrix;
use quant::stats::value_at_risk::{historical_tail, normal_tail};
use quant::stats::{RollingCovariance, Tail};

/// What positions could lose in a day, at 99 %.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TailRisk {
    /// In how many minutes all of them printed.
    pub samples: u32,
    /// One-day standard deviation.
    pub sigma: f64,
    /// What the variances were loaded with to make the covariances fit together; 0 where they do.
    pub loading: f64,
    /// Of the minutes themselves.
    pub historical: Tail,
    /// By a normal distribution.
    pub normal: Tail,
    /// By a Student-t distribution, or the normal one where that is more.
    pub student: Tail,
}

impl TailRisk {
    /// The larger of all: what limits are held against.
    #[must_use]
    pub fn enforced(&self) -> Tail {
        self.historical.larger(self.normal).larger(self.student)
    }
}

/// What an order does to the tail. The series that it was measured from stay with [`Metrics`] until the next measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrderRisk {
    /// Enforced, of positions and entries on their way, with the whole order.
    pub after: Tail,
    /// Minute variances: positions, positions with order, order.
    variances: [f64; 3],
    factor: Tail,
    pending: Tail,
}

impl Metrics {
    /// Value at risk and expected shortfall of positions.
    ///
    /// # Errors
    /// [`Unknown::Samples`], [`Unknown::Covariance`].
    pub fn tail(&mut self, lines: &[Line]) -> Result<TailRisk, Unknown> {
        if lines.is_empty() {
            return Ok(TailRisk::default());
        }
        let loading = self.fit_together(lines)?;
        let variance = bilinear(&self.returns, lines, lines, loading);
        let samples = self.read_series(lines, None)?;
        let sigma = (variance.max(0.0) * self.samples_a_day()).sqrt();
        let historical =
            historical_tail(&self.scratch.base, ALPHA, &mut self.scratch.worst).ok_or(Unknown::Overflow)?;
        let risk = TailRisk {
            samples,
            sigma,
            loading,
            historical: historical.scaled(self.samples_a_day().sqrt()),
            normal: normal_tail(0.0, sigma, ALPHA).ok_or(Unknown::Overflow)?,
            student: self.strictest(lines).scaled(sigma),
        };
        if risk.enforced().es.is_finite() { Ok(risk) } else { Err(Unknown::Overflow) }
    }

    /// The tail after an order of `order` (signed), while entries of `pending` are on their way.
    ///
    /// # Errors
    /// As [`Metrics::tail`].
    pub fn order_risk(
        &mut self,
        lines: &[Line],
        order: Line,
        pending: impl Iterator<Item = (InstrumentIdx, f64)>,
    ) -> Result<OrderRisk, Unknown> {
        let mut on_their_way = Tail::default();
        for (idx, amount) in pending {
            let unit = self.unit_tail(idx)?.scaled(amount.abs());
            on_their_way = Tail { var: on_their_way.var + unit.var, es: on_their_way.es + unit.es };
        }
        let mut all = std::mem::take(&mut self.scratch.lines);
        all.clear();
        all.extend_from_slice(lines);
        if !lines.iter().any(|line| line.instrument == order.instrument) {
            all.push(order);
        }
        let loading = self.fit_together(&all);
        let factor = self.strictest(&all);
        self.scratch.lines = all;
        let loading = loading?;
        let one = [order];
        let variances = [
            bilinear(&self.returns, lines, lines, loading),
            bilinear(&self.returns, lines, &one, loading),
            bilinear(&self.returns, &one, &one, loading),
        ];
        self.read_series(lines, Some(order))?;
        let mut risk = OrderRisk { after: Tail::default(), variances, factor, pending: on_their_way };
        risk.after = self.at(&risk, 1.0)?;
        Ok(risk)
    }

    /// What the order that was measured last adds to the tail; negative where it takes risk away.
    ///
    /// # Errors
    /// [`Unknown::Overflow`].
    pub fn incremental(&mut self, risk: &OrderRisk) -> Result<Tail, Unknown> {
        let before = self.at(risk, 0.0)?;
        Ok(Tail { var: risk.after.var - before.var, es: risk.after.es - before.es })
    }

    /// The tail with a part (0 to 1) of the order that was measured last.
    pub(crate) fn at(&mut self, risk: &OrderRisk, part: f64) -> Result<Tail, Unknown> {
        let [positions, both, order] = risk.variances;
        let variance = positions + 2.0 * part * both + part * part * order;
        let a_day = self.samples_a_day();
        let modelled = risk.factor.scaled((variance.max(0.0) * a_day).sqrt());
        let scratch = &mut self.scratch;
        scratch.sum.clear();
        scratch.sum.extend(scratch.base.iter().zip(&scratch.order).map(|(p, o)| p + part * o));
        let historical = historical_tail(&scratch.sum, ALPHA, &mut scratch.worst).ok_or(Unknown::Overflow)?;
        let own = historical.scaled(a_day.sqrt()).larger(modelled);
        let all = Tail { var: own.var + risk.pending.var, es: own.es + risk.pending.es };
        if all.es.is_finite() { Ok(all) } else { Err(Unknown::Overflow) }
    }

    /// The largest part (0 to 1) of the order that was measured last with which `figure` of the tail is at most `limit`.
    ///
    /// The modelled figure is convex in the part, and its edge is the larger root of a square; the historical one is searched from there by
    /// halving, and only parts that were measured to fit are answered. 0 where none was found.
    ///
    /// # Errors
    /// [`Unknown::Overflow`].
    pub fn largest_part(
        &mut self,
        risk: &OrderRisk,
        limit: f64,
        figure: impl Fn(&Tail) -> f64,
    ) -> Result<f64, Unknown> {
        if figure(&risk.after) <= limit {
            return Ok(1.0);
        }
        let [positions, both, order] = risk.variances;
        let sigma = (limit - figure(&risk.pending)) / (figure(&risk.factor) * self.samples_a_day().sqrt());
        let square = both * both - order * (positions - sigma * sigma);
        let edge = if order > 0.0 { (square.sqrt() - both) / order } else { 1.0 };
        // NaN, from a root of what is negative, is no edge either.
        if !(sigma > 0.0 && edge > 0.0) {
            return Ok(0.0);
        }
        // A little inside the edge, so that rounding does not lie outside it.
        let mut high = edge.min(1.0) * (1.0 - 1e-9);
        if figure(&self.at(risk, high)?) <= limit {
            return Ok(high);
        }
        let mut low = 0.0;
        for _ in 0..14 {
            let middle = 0.5 * (low + high);
            if figure(&self.at(risk, middle)?) <= limit {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The strictest factor of the instruments.
    fn strictest(&self, lines: &[Line]) -> Tail {
        let factors = lines.iter().filter_map(|line| self.factors.get(line.instrument.index()).copied());
        factors.fold(Tail::default(), Tail::larger)
    }

    /// Checks that every pair has enough common minutes, and that their covariances form a covariance matrix; answers the loading of the
    /// variances that makes them one. Pairs over one and the same set of minutes always do.
    fn fit_together(&mut self, lines: &[Line]) -> Result<f64, Unknown> {
        let Some(first) = lines.first() else { return Ok(0.0) };
        let number = |line: &Line| line.instrument.index();
        let count = self.returns.count(number(first), number(first));
        let (mut fewest, mut alike) = (count, true);
        for (at, a) in lines.iter().enumerate() {
            for b in &lines[..=at] {
                let common = self.returns.count(number(a), number(b));
                fewest = fewest.min(common);
                alike &= common == count;
            }
        }
        if fewest < SAMPLES_MIN {
            return Err(Unknown::Samples { have: fewest, needed: SAMPLES_MIN });
        }
        if alike {
            return Ok(0.0);
        }
        let n = lines.len();
        let Self { returns, scratch, .. } = self;
        scratch.matrix.clear();
        for a in lines {
            scratch.matrix.extend(lines.iter().map(|b| returns.covariance(number(a), number(b)).unwrap_or(0.0)));
        }
        scratch.loaded.resize(n * n, 0.0);
        // One that did not move has no variance to load, and adds none.
        for i in 0..n {
            if scratch.matrix[i * n + i] <= 0.0 {
                scratch.matrix[i * n + i] = f64::MIN_POSITIVE;
            }
        }
        matrix::loading(&scratch.matrix, n, &mut scratch.loaded).ok_or(Unknown::Covariance)
    }

    /// Profit of the positions (and apart from it of one order) in each minute in which all of them printed.
    fn read_series(&mut self, lines: &[Line], order: Option<Line>) -> Result<u32, Unknown> {
        let Self { returns, scratch, .. } = self;
        let window = super::WINDOW;
        for series in [&mut scratch.base, &mut scratch.order] {
            series.clear();
            series.resize(window, 0.0);
        }
        scratch.present.clear();
        scratch.present.resize(window, 1);
        let mut whole = true;
        let mut add = |line: &Line, series: &mut [f64]| {
            let (values, seen) = returns.values(line.instrument.index());
            whole &= returns.count(line.instrument.index(), line.instrument.index()) as usize == window;
            for (sum, value) in series.iter_mut().zip(values) {
                *sum += line.exposure * value;
            }
            if !whole {
                for (present, seen) in scratch.present.iter_mut().zip(seen) {
                    *present &= *seen;
                }
            }
        };
        lines.iter().for_each(|line| add(line, &mut scratch.base));
        order.iter().for_each(|line| add(line, &mut scratch.order));
        if !whole {
            for series in [&mut scratch.base, &mut scratch.order] {
                let mut present = scratch.present.iter();
                series.retain(|_| present.next() == Some(&1));
            }
        }
        let have = scratch.base.len() as u32;
        if have < SAMPLES_MIN {
            return Err(Unknown::Samples { have, needed: SAMPLES_MIN });
        }
        Ok(have)
    }
}

/// `a' C b` with the variances of `C` loaded.
fn bilinear(returns: &RollingCovariance, a: &[Line], b: &[Line], loading: f64) -> f64 {
    let mut sum = 0.0;
    for x in a {
        let mut inner = 0.0;
        for y in b {
            let (i, j) = (x.instrument.index(), y.instrument.index());
            let covariance = returns.covariance(i, j).unwrap_or(0.0);
            inner += y.exposure * if i == j { covariance * (1.0 + loading) } else { covariance };
        }
        sum += x.exposure * inner;
    }
    sum
}
