//! Verification after the fact: which limits are breached by what is held, after a trade or a move of the market.
//!
//! In:  the account as it is now, with everything on its way.
//! Out: a [`Breach`] for each limit that is newly over; the engine makes alerts of them. No order is refused here and none is made.
//! An approval holds every limit at its instant, and then prices move. So sizes may drift a tenth over their limit before they are told,
//! and a breach is told once, until the measure was back within the limit. Losses, liquidity and the distance to liquidation have no such
//! tolerance: there the limit itself is what matters.

use crate::check::{self, Check};
use crate::gate::{Gate, Scene};
use crate::limits::Limits;
use crate::measure::{self, Holdings, Of};
use crate::standing::Reading;
use domain::{
    AccountId, Alert, AlertKind, Digest, Digestible, InstrumentIdx, Money, Rate, Side, StrategyIdx, stored_struct,
};

/// How far the size of something that was within its limit may drift over it before it is told.
const DRIFT: Rate = Rate::from_bps(11_000);

/// A limit that what is held is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breach {
    /// The check that would refuse now; [`Check::Equity`] where something that limits rest on is not known.
    pub check: Check,
    /// In which account.
    pub account: AccountId,
    /// About which instrument, where it is about one.
    pub instrument: Option<InstrumentIdx>,
    /// What was measured, in the check's unit; NaN where it is not known.
    pub value: f64,
    /// What is allowed, in the same unit.
    pub limit: f64,
}

impl Breach {
    /// It as an alert.
    #[must_use]
    pub fn alert(&self) -> Alert {
        let kind = if self.value.is_nan() { AlertKind::InputUnknown } else { AlertKind::LimitBreached };
        Alert {
            kind,
            account: self.account,
            instrument: self.instrument,
            strategy: None,
            value: (!self.value.is_nan()).then_some(self.value),
            limit: (!self.limit.is_nan()).then_some(self.limit),
        }
    }
}

/// A breach that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// Place of the check in the table.
    check: u8,
    account: AccountId,
    instrument: Option<InstrumentIdx>,
    /// Whether it was seen again in the verification that runs.
    stands: bool,
}

/// The breaches that were told and stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaches {
    told: Vec<Told>,
}

impl Breaches {
    /// None told, with room for many.
    pub(crate) fn with_room() -> Self {
        Self { told: Vec::with_capacity(64) }
    }
}

stored_struct!(Told { check, account, instrument, stands });
stored_struct!(Breaches { told });

impl Digestible for Breaches {
    fn digest(&self, d: &mut Digest) {
        for told in &self.told {
            d.word(u64::from(told.check) | u64::from(told.account.0) << 8);
            d.word(told.instrument.map_or(u64::MAX, |i| u64::from(i.0)));
        }
    }
}

/// What one verification measures against what it may be.
struct Findings<'a> {
    account: AccountId,
    told: &'a mut Vec<Told>,
    out: &'a mut Vec<Breach>,
}

impl Findings<'_> {
    /// A measure that must not pass `limit`; it is told from `told_at` on.
    fn at_most(&mut self, check: Check, instrument: Option<InstrumentIdx>, value: f64, limit: f64, told_at: f64) {
        let over = |bound: f64| value > bound || value.is_nan();
        self.find(check, instrument, (value, limit), over(told_at), over(limit));
    }

    /// A measure that must not fall below `limit`.
    fn at_least(&mut self, check: Check, value: f64, limit: f64) {
        let under = value < limit || value.is_nan();
        self.find(check, None, (value, limit), under, under);
    }

    fn find(
        &mut self,
        check: Check,
        instrument: Option<InstrumentIdx>,
        (value, limit): (f64, f64),
        tell: bool,
        over: bool,
    ) {
        let (number, account) = (check as u8, self.account);
        let same = |t: &&mut Told| t.check == number && t.account == account && t.instrument == instrument;
        match self.told.iter_mut().find(same) {
            Some(told) => told.stands |= over,
            None if tell => {
                self.told.push(Told { check: number, account, instrument, stands: true });
                self.out.push(Breach { check, account, instrument, value, limit });
            }
            None => {}
        }
    }
}

impl Gate {
    /// Whether anything was told to be above its limit and is so still.
    #[must_use]
    pub fn has_breaches(&self) -> bool {
        !self.breaches.told.is_empty()
    }

    /// Holds what an account holds against its limits, and appends the breaches that are new. Without limits there are none.
    pub fn verify(&mut self, account: AccountId, scene: &Scene<'_>, out: &mut Vec<Breach>) {
        let Some(limits) = self.profile.limits().copied() else { return };
        let mut told = std::mem::take(&mut self.breaches.told);
        told.iter_mut().filter(|t| t.account == account).for_each(|t| t.stands = false);
        self.hold(account, scene, &limits, &mut Findings { account, told: &mut told, out });
        told.retain(|t| t.account != account || t.stands);
        self.breaches.told = told;
    }

    fn hold(&self, account: AccountId, scene: &Scene<'_>, limits: &Limits, found: &mut Findings<'_>) {
        let held = scene.portfolio.positions().filter(|(of, ..)| *of == account).map(|(_, idx, ..)| idx);
        let mut all = held.chain(self.exposure.pending_instruments(account));
        let Some(first) = all.next() else { return };
        let unknown = |found: &mut Findings<'_>| {
            found.find(Check::Equity, None, (f64::NAN, f64::NAN), true, true);
        };
        let Some(instrument) = scene.table.get(first) else { return unknown(found) };
        let of = Of { account, strategy: StrategyIdx(0), instrument };
        let h = measure::all(of, &self.exposure, scene);
        let equity = scene.portfolio.equity(account, scene.table, scene.view).filter(|e| *e > Money::ZERO);
        let Some(equity) = equity else { return unknown(found) };
        if self.sizes(of, &h, equity, scene, limits, found).is_none() {
            unknown(found);
        }
        losses(scene, limits, found);
    }

    /// Exposure, capital, counts, margin. `None` where something is not known.
    fn sizes(
        &self,
        of: Of<'_>,
        h: &Holdings,
        equity: Money,
        scene: &Scene<'_>,
        limits: &Limits,
        found: &mut Findings<'_>,
    ) -> Option<()> {
        let over_equity = |amount: Money| amount.to_f64() / equity.to_f64();
        let drift = DRIFT.to_f64();
        let mut size = |check, instrument, value: f64, limit: f64| {
            found.at_most(check, instrument, value, limit, limit * drift);
        };
        let mut last = None;
        for (account, idx, _, _) in scene.portfolio.positions() {
            if account != of.account || last == Some(idx) {
                continue;
            }
            last = Some(idx);
            let value = measure::in_market(account, scene.table.get(idx)?, &self.exposure, scene)?;
            size(Check::PositionSize, Some(idx), over_equity(value), limits.position_fraction_max.to_f64());
        }
        let gross = h.gross?;
        let leverage = scene.standing.leverage_max.map_or(limits.leverage_max, |now| now.min(limits.leverage_max));
        size(Check::Leverage, None, over_equity(gross), leverage.to_f64());
        size(Check::GrossExposure, None, over_equity(gross), limits.gross_exposure_max.to_f64());
        let [net_long, net_short] = h.net?;
        let net = net_long.checked_add(h.pending[0])?.max(net_short.checked_add(h.pending[1])?);
        size(Check::NetExposure, None, over_equity(net), limits.net_exposure_max.to_f64());
        size(Check::LongExposure, None, over_equity(h.long?), limits.long_exposure_max.to_f64());
        size(Check::ShortExposure, None, over_equity(h.short?), limits.short_exposure_max.to_f64());
        size(Check::CapitalThreshold, None, gross.to_f64(), limits.capital_max.to_f64());
        let bench = self.bench(scene, h, 1);
        match check::var_used(of.account, &bench) {
            Reading::NotConfigured => {}
            Reading::Is(var) => size(Check::VarBudget, None, var / equity.to_f64(), limits.var_fraction_max.to_f64()),
            Reading::Unknown => return None,
        }
        // A count does not drift.
        let (count, max) = (f64::from(h.positions), f64::from(limits.positions_max));
        found.at_most(Check::PositionCount, None, count, max, max);
        let m = h.margin?;
        if m.bound {
            let leg = measure::leg(m.own_size, of.instrument, m.side_with(Side::Buy))?.max(m.other_leg);
            if leg > Money::ZERO {
                let (distance, least) = (m.surplus.to_f64() / leg.to_f64(), limits.liquidation_distance_min.to_f64());
                found.at_least(Check::LiquidationDistance, distance, least);
            }
            let liquid = m.view.balance.checked_add(m.view.unrealised.min(Money::ZERO))?.checked_sub(m.to_pay)?;
            let bound = m.view.initial.checked_add(m.to_bind)?;
            if bound > Money::ZERO {
                let least = limits.liquidity_ratio_min.to_f64();
                found.at_least(Check::LiquidityRatio, liquid.to_f64() / bound.to_f64(), least);
            }
        }
        Some(())
    }
}

/// The losses that somebody watches.
fn losses(scene: &Scene<'_>, limits: &Limits, found: &mut Findings<'_>) {
    for (check, reading, max) in [
        (Check::DailyLoss, scene.standing.day_loss, limits.daily_loss_max),
        (Check::Drawdown, scene.standing.drawdown, limits.drawdown_max),
    ] {
        if let Reading::Is(value) = reading {
            // One that reached its limit is over it.
            let over = value >= max.to_f64();
            found.find(check, None, (value, max.to_f64()), over, over);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;
    use crate::stage::{ACCOUNT, Stage, USDT};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    fn verify(stage: &mut Stage) -> Vec<(Check, Option<InstrumentIdx>)> {
        let mut out = Vec::new();
        let Stage { table, view, portfolio, gate, ts, mode, standing, .. } = stage;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing };
        gate.verify(ACCOUNT, &scene, &mut out);
        out.iter().map(|breach| (breach.check, breach.instrument)).collect()
    }

    #[test]
    fn a_position_that_drifts_is_told_a_tenth_over_its_limit_and_once() {
        let mut stage = Stage::limited();
        assert_eq!(verify(&mut stage), []);
        stage.trade(0, BTC, Side::Buy, "2", 100);
        assert_eq!(verify(&mut stage), []);
        stage.mark(BTC, 109);
        assert_eq!(verify(&mut stage), [], "2.17 % of 10,018");
        stage.mark(BTC, 111);
        assert_eq!(verify(&mut stage), [(Check::PositionSize, Some(BTC))]);
        stage.mark(BTC, 120);
        assert_eq!(verify(&mut stage), []);
        stage.mark(BTC, 105);
        assert_eq!(verify(&mut stage), []);
        stage.mark(BTC, 120);
        assert_eq!(verify(&mut stage), [], "it was never back within");
        stage.mark(BTC, 100);
        assert_eq!(verify(&mut stage), []);
        stage.mark(BTC, 120);
        assert_eq!(verify(&mut stage), [(Check::PositionSize, Some(BTC))]);
        stage.trade(0, BTC, Side::Sell, "2", 120);
        assert_eq!(verify(&mut stage), []);
    }

    #[test]
    fn every_limit_that_what_is_held_is_over_is_told() {
        let mut stage = Stage::limited();
        stage.standing.var_rates = vec![Reading::Is(0.05)];
        stage.standing.day_loss = Reading::Is(0.03);
        stage.standing.drawdown = Reading::Is(0.2);
        stage.portfolio.transfer(ACCOUNT, USDT, Money::from_units(10_000_000)).unwrap();
        stage.trade(0, BTC, Side::Sell, "3000000", 100);
        let found: Vec<Check> = verify(&mut stage).into_iter().map(|(check, _)| check).collect();
        let all = [
            Check::PositionSize,
            Check::Leverage,
            Check::GrossExposure,
            Check::NetExposure,
            Check::ShortExposure,
            Check::CapitalThreshold,
            Check::VarBudget,
            Check::LiquidationDistance,
            Check::LiquidityRatio,
            Check::DailyLoss,
            Check::Drawdown,
        ];
        assert_eq!(found, all);
        stage.trade(0, BTC, Side::Buy, "6000000", 100);
        assert_eq!(verify(&mut stage), [(Check::LongExposure, None)], "the others stand");
    }

    #[test]
    fn too_many_positions_are_told() {
        let mut stage = Stage::new(Profile::Research(Limits { positions_max: 1, ..Limits::relaxed() }));
        for name in ["A", "B"] {
            let idx = stage.spot(&format!("{name}USDT"));
            stage.mark(idx, 100);
            stage.trade(0, idx, Side::Buy, "1", 100);
        }
        assert_eq!(verify(&mut stage), [(Check::PositionCount, None)]);
    }

    #[test]
    fn what_cannot_be_known_is_told_as_such() {
        let mut stage = Stage::limited();
        stage.trade(0, BTC, Side::Buy, "1", 100);
        let asset = stage.table.asset("SOL", 8).unwrap();
        stage.portfolio.transfer(ACCOUNT, asset, Money::from_units(1)).unwrap();
        assert_eq!(verify(&mut stage), [(Check::Equity, None)]);
        assert_eq!(verify(&mut stage), []);
        let unknown =
            Breach { check: Check::Equity, account: ACCOUNT, instrument: None, value: f64::NAN, limit: f64::NAN };
        assert_eq!((unknown.alert().kind, unknown.alert().value), (AlertKind::InputUnknown, None));
        let known = Breach { value: 0.03, limit: 0.02, ..unknown };
        assert_eq!((known.alert().kind, known.alert().limit), (AlertKind::LimitBreached, Some(0.02)));
    }

    #[test]
    fn without_limits_nothing_is_breached() {
        let mut stage = Stage::new(Profile::Off);
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        stage.trade(0, btc, Side::Buy, "5000", 100);
        assert_eq!(verify(&mut stage), []);
    }
}
