//! A new position is not too much like one that is held: correlation of minute returns, signed by direction.
//!
//! A first position needs none. Fewer common samples than asked for is unknown, and unknown is refused. The same instrument on another
//! venue belongs to the size limit, and dust is no position.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::InstrumentIdx;

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let max = limits.correlation_max;
    let mut largest: Option<f64> = None;
    let mut against = |other: InstrumentIdx, signed: fn(f64) -> f64| -> Result<(), Refusal> {
        if super::same_market(other, s.instrument, b.table) {
            return Ok(());
        }
        let known = b.correlation.correlation(s.spec.instrument, other, limits.correlation_samples_min);
        let Some(correlation) = known else {
            return Err(Refusal { limit: Some(max), ..Refusal::because(DenyReason::CorrelationUnknown) });
        };
        let signed = signed(correlation);
        if signed > max {
            return Err(Refusal::over(DenyReason::Correlation, signed, max));
        }
        largest = Some(largest.map_or(signed, |l| l.max(signed)));
        Ok(())
    };
    for (account, instrument, _, position) in b.portfolio.positions() {
        if account == s.spec.account && !super::is_dust(instrument, position.quantity, b.table, b.view) {
            let same_way = position.is_long() == (s.spec.side == domain::Side::Buy);
            against(instrument, if same_way { |c| c } else { |c| -c })?;
        }
    }
    // The direction of an entry on its way is not kept; the worse one is assumed.
    for pending in b.exposure.pending_instruments(s.spec.account) {
        against(pending, f64::abs)?;
    }
    Ok(largest.map_or(PASSED, |value| Measured { value, limit: max }))
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Side};

    const BTC: InstrumentIdx = InstrumentIdx(0);
    const ETH: InstrumentIdx = InstrumentIdx(1);

    /// BTC held by strategy 0 (long for a positive quantity), ETH correlated with it.
    fn stage(side: Side, rho: f64, samples: u64) -> Stage {
        let mut stage = Stage::limited();
        stage.perpetual("ETHUSDT");
        stage.correlate(BTC, ETH, rho, samples);
        stage.trade(0, BTC, side, "1", 100);
        stage
    }

    #[test]
    fn a_correlation_of_0_8_is_refused_and_one_of_0_7_passes() {
        let mut high = stage(Side::Buy, 0.8, 100);
        let refusal = high.enter(&high.long(ETH, "1")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::Correlation, Some(0.7)));
        testkit::assert_close(refusal.value.unwrap(), 0.8, 1e-3, 0.0);
        let mut just_above = stage(Side::Buy, 0.702, 100);
        assert_eq!(just_above.enter(&just_above.long(ETH, "1")).unwrap_err().reason, DenyReason::Correlation);
        let mut at = stage(Side::Buy, 0.699, 100);
        at.enter(&at.long(ETH, "1")).unwrap();
    }

    #[test]
    fn the_direction_gives_the_sign() {
        let mut opposite = stage(Side::Sell, 0.95, 100);
        opposite.enter(&opposite.long(ETH, "1")).unwrap();
        let mut shorts = stage(Side::Sell, 0.95, 100);
        assert_eq!(shorts.enter(&shorts.short(ETH, "1")).unwrap_err().reason, DenyReason::Correlation);
        let mut against = stage(Side::Buy, -0.95, 100);
        against.enter(&against.long(ETH, "1")).unwrap();
        let mut same_risk = stage(Side::Buy, -0.95, 100);
        let refusal = same_risk.enter(&same_risk.short(ETH, "1")).unwrap_err();
        assert_eq!(refusal.reason, DenyReason::Correlation);
        assert!(refusal.value.unwrap() > 0.9, "short against a negative correlation is alike");
    }

    #[test]
    fn a_first_position_needs_none_and_a_second_is_denied_while_it_is_unknown() {
        let mut first = Stage::limited();
        first.enter(&first.long(BTC, "1")).unwrap();
        let mut few = stage(Side::Buy, 0.0, 79);
        let refusal = few.enter(&few.long(ETH, "1")).unwrap_err();
        assert_eq!((refusal.reason, refusal.value), (DenyReason::CorrelationUnknown, None));
        let mut enough = stage(Side::Buy, 0.0, 80);
        enough.enter(&enough.long(ETH, "1")).unwrap();
    }

    #[test]
    fn an_entry_on_its_way_counts_by_the_worse_direction() {
        let mut stage = stage(Side::Buy, -0.8, 100);
        stage.trade(0, BTC, Side::Sell, "1", 100);
        let pending = stage.enter(&stage.long(BTC, "1")).unwrap();
        assert_eq!(stage.enter(&stage.long(ETH, "1")).unwrap_err().reason, DenyReason::Correlation);
        stage.gate.exposure_mut().release(pending.reservation);
        stage.enter(&stage.long(ETH, "1")).unwrap();
    }

    #[test]
    fn the_same_instrument_elsewhere_and_dust_are_left_out() {
        let mut stage = Stage::limited();
        let other = stage.elsewhere(BTC);
        let eth = stage.perpetual("ETHUSDT");
        stage.mark(other, 100);
        stage.mark(eth, 100);
        stage.trade(0, other, Side::Buy, "0.5", 100);
        stage.trade(0, eth, Side::Buy, "0.049", 100);
        stage.enter(&stage.long(BTC, "1")).unwrap();
        stage.trade(0, eth, Side::Buy, "0.001", 100);
        assert_eq!(stage.enter(&stage.long(BTC, "0.1")).unwrap_err().reason, DenyReason::CorrelationUnknown);
    }
}
