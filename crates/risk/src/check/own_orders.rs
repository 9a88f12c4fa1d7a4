//! Against orders and positions of our own: no doubled order, no trade with ourselves, no entry against another strategy's position.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};

pub(super) fn duplicate(s: &Subject<'_>) -> Result<Measured, Refusal> {
    if s.own.duplicate { Err(Refusal::because(DenyReason::Duplicate)) } else { Ok(PASSED) }
}

pub(super) fn self_match(s: &Subject<'_>) -> Result<Measured, Refusal> {
    if s.own.crossing { Err(Refusal::because(DenyReason::SelfMatch)) } else { Ok(PASSED) }
}

/// In a one-way account the venue nets: an entry against another strategy's position, held or on its way, would silently reduce that one.
pub(super) fn opposes(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    if s.own.opposing {
        return Err(Refusal::because(DenyReason::OpposesOwnPosition));
    }
    let others = b.holdings.net_position.checked_sub(b.holdings.own_position);
    let others = others.ok_or(Refusal::because(DenyReason::Overflow))?;
    if others.raw().signum() * s.spec.side.sign() < 0 {
        return Err(Refusal::over(DenyReason::OpposesOwnPosition, others.to_f64(), 0.0));
    }
    Ok(PASSED)
}

#[cfg(test)]
mod tests {
    use crate::check::OwnOrders;
    use crate::deny_reason::DenyReason;
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Side};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    #[test]
    fn doubled_crossing_and_opposing_orders_are_refused() {
        let mut stage = Stage::limited();
        let signal = stage.long(BTC, "1");
        let own = OwnOrders::default();
        for (own, reason) in [
            (OwnOrders { duplicate: true, ..own }, DenyReason::Duplicate),
            (OwnOrders { crossing: true, ..own }, DenyReason::SelfMatch),
            (OwnOrders { opposing: true, ..own }, DenyReason::OpposesOwnPosition),
        ] {
            assert_eq!(stage.enter_beside(&signal, own).unwrap_err().reason, reason);
        }
    }

    #[test]
    fn an_entry_against_another_strategys_position_is_refused_with_what_that_holds() {
        let mut stage = Stage::limited();
        stage.trade(1, BTC, Side::Sell, "0.5", 100);
        let refusal = stage.enter(&stage.long(BTC, "0.1")).unwrap_err();
        assert_eq!((refusal.reason, refusal.value), (DenyReason::OpposesOwnPosition, Some(-0.5)));
        stage.enter(&stage.short(BTC, "0.1")).unwrap();
    }

    #[test]
    fn its_own_position_is_not_another_ones() {
        let mut stage = Stage::limited();
        stage.trade(0, BTC, Side::Sell, "0.5", 100);
        stage.enter(&stage.long(BTC, "0.1")).unwrap();
    }
}
