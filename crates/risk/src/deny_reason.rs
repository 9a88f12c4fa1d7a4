//! Why an order was refused: one key per check, with the numbers that decided.

use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, Money, stored_struct};

/// What stood against an order. The variants are the keys of refusals in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum DenyReason {
    /// New risk is paused.
    Paused,
    /// The last record is not traded on: history that warms up, or made by a gap filler.
    Warmup,
    /// The instrument is not defined.
    InstrumentUnknown,
    /// The account holds nothing that is known.
    AccountUnknown,
    /// There is no price, or it is not positive.
    PriceUnknown,
    /// The last price is too old.
    PriceStale,
    /// The account's equity is not known, or not positive.
    EquityUnknown,
    /// A number in the signal is NaN, infinite or out of its range.
    SignalInvalid,
    /// The position would be larger than the limit.
    PositionSize,
    /// There would be more positions than the limit.
    PositionCount,
    /// Too much alike with a position that is held.
    Correlation,
    /// How alike it is with a position that is held is not known.
    CorrelationUnknown,
    /// An entry without a protective stop.
    StopMissing,
    /// A stop on the wrong side of the entry.
    StopInvalid,
    /// Gross exposure over equity would be larger than the limit.
    Leverage,
    /// Not enough free funds or margin.
    InsufficientFunds,
    /// It opposes another strategy's position in the same account and instrument.
    OpposesOwnPosition,
    /// An order of the same strategy, instrument and direction is already working.
    Duplicate,
    /// It would trade with another order of the same account.
    SelfMatch,
    /// More than is held would be sold, or a spot position would be short.
    Oversell,
    /// The quantity is zero, or outside the instrument's range.
    Lot,
    /// The limit or stop price is not a multiple of the tick size.
    Tick,
    /// Price x quantity is below the venue's minimum, at the price or at the stop price.
    MinNotional,
    /// A number did not fit: the order is refused rather than computed wrongly.
    Overflow,
    /// The gate is closed: an emergency that no re-arm has ended.
    Emergency,
    /// The strategy's loss breaker is open, or half-open with its probe under way.
    BreakerOpen,
    /// Larger than the probe that a half-open breaker allows.
    ProbeSize,
    /// The instrument or account is on the restricted list.
    Restricted,
    /// The price is too far from the mark, the last price or the book.
    PriceCollar,
    /// The order is worth more than one order may be.
    OrderValue,
    /// The order is for more than one order may be for.
    OrderVolume,
    /// The budget of messages for entries is used up; what is left is kept for reductions.
    MessageRate,
    /// The strategy is disabled: it repeats executions, and waits for a re-arm.
    RepeatedExecution,
    /// Gross exposure would be larger than the limit.
    GrossExposure,
    /// Net exposure would be larger than the limit.
    NetExposure,
    /// Long exposure would be larger than the limit.
    LongExposure,
    /// Short exposure would be larger than the limit.
    ShortExposure,
    /// The capital at stake would be larger than the threshold of the account or of all accounts.
    CapitalThreshold,
    /// The loss of the day, or of a shorter window, reached its limit.
    DailyLoss,
    /// Drawdown reached its halt.
    Drawdown,
    /// The one-day value at risk would be larger than its budget.
    VarBudget,
    /// The value at risk that a limit rests on is not known.
    VarUnknown,
    /// Available margin is less than the required margin with its buffer.
    MarginBuffer,
    /// Liquid funds over what is bound would be too small.
    LiquidityRatio,
    /// The position would be too near to its liquidation.
    LiquidationDistance,
    /// How near the position would be to its liquidation is not known.
    LiquidationUnknown,
    /// An input that the size was configured to rest on is missing, stale or not a number.
    ClampInput,
    /// The clamps left nothing of the size.
    ClampedOut,
    /// Outside what the present step of deployment allows.
    Deployment,
    /// What trades is toxic: those who trade know more.
    Toxic,
    /// How toxic the flow is was to be looked at, and is not known.
    ToxicityUnknown,
    /// The strategy holds, closes or has working what stands in the way of a group in one of its instruments.
    Busy,
}

impl DenyReason {
    /// All reasons, in order.
    pub const ALL: [Self; 52] = [
        Self::Paused,
        Self::Warmup,
        Self::InstrumentUnknown,
        Self::AccountUnknown,
        Self::PriceUnknown,
        Self::PriceStale,
        Self::EquityUnknown,
        Self::SignalInvalid,
        Self::PositionSize,
        Self::PositionCount,
        Self::Correlation,
        Self::CorrelationUnknown,
        Self::StopMissing,
        Self::StopInvalid,
        Self::Leverage,
        Self::InsufficientFunds,
        Self::OpposesOwnPosition,
        Self::Duplicate,
        Self::SelfMatch,
        Self::Oversell,
        Self::Lot,
        Self::Tick,
        Self::MinNotional,
        Self::Overflow,
        Self::Emergency,
        Self::BreakerOpen,
        Self::ProbeSize,
        Self::Restricted,
        Self::PriceCollar,
        Self::OrderValue,
        Self::OrderVolume,
        Self::MessageRate,
        Self::RepeatedExecution,
        Self::GrossExposure,
        Self::NetExposure,
        Self::LongExposure,
        Self::ShortExposure,
        Self::CapitalThreshold,
        Self::DailyLoss,
        Self::Drawdown,
        Self::VarBudget,
        Self::VarUnknown,
        Self::MarginBuffer,
        Self::LiquidityRatio,
        Self::LiquidationDistance,
        Self::LiquidationUnknown,
        Self::ClampInput,
        Self::ClampedOut,
        Self::Deployment,
        Self::Toxic,
        Self::ToxicityUnknown,
        Self::Busy,
    ];

    /// Its key in reports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Warmup => "warmup",
            Self::InstrumentUnknown => "instrument_unknown",
            Self::AccountUnknown => "account_unknown",
            Self::PriceUnknown => "price_unknown",
            Self::PriceStale => "price_stale",
            Self::EquityUnknown => "equity_unknown",
            Self::SignalInvalid => "signal_invalid",
            Self::PositionSize => "position_size",
            Self::PositionCount => "position_count",
            Self::Correlation => "correlation",
            Self::CorrelationUnknown => "correlation_unknown",
            Self::StopMissing => "stop_missing",
            Self::StopInvalid => "stop_invalid",
            Self::Leverage => "leverage",
            Self::InsufficientFunds => "insufficient_funds",
            Self::OpposesOwnPosition => "opposes_own_position",
            Self::Duplicate => "duplicate",
            Self::SelfMatch => "self_match",
            Self::Oversell => "oversell",
            Self::Lot => "lot",
            Self::Tick => "tick",
            Self::MinNotional => "min_notional",
            Self::Overflow => "overflow",
            Self::Emergency => "emergency",
            Self::BreakerOpen => "breaker_open",
            Self::ProbeSize => "probe_size",
            Self::Restricted => "restricted",
            Self::PriceCollar => "price_collar",
            Self::OrderValue => "order_value",
            Self::OrderVolume => "order_volume",
            Self::MessageRate => "message_rate",
            Self::RepeatedExecution => "repeated_execution",
            Self::GrossExposure => "gross_exposure",
            Self::NetExposure => "net_exposure",
            Self::LongExposure => "long_exposure",
            Self::ShortExposure => "short_exposure",
            Self::CapitalThreshold => "capital_threshold",
            Self::DailyLoss => "daily_loss",
            Self::Drawdown => "drawdown",
            Self::VarBudget => "var_budget",
            Self::VarUnknown => "var_unknown",
            Self::MarginBuffer => "margin_buffer",
            Self::LiquidityRatio => "liquidity_ratio",
            Self::LiquidationDistance => "liquidation_distance",
            Self::LiquidationUnknown => "liquidation_unknown",
            Self::ClampInput => "clamp_input",
            Self::ClampedOut => "clamped_out",
            Self::Deployment => "deployment",
            Self::Toxic => "toxic",
            Self::ToxicityUnknown => "toxicity_unknown",
            Self::Busy => "busy",
        }
    }
}

/// A refusal: which check, what it measured, what it allows, and the largest size that would have passed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// Which check.
    pub reason: DenyReason,
    /// What was measured, in the check's unit; `None` where the check is a yes or no, or the number is not known.
    pub value: Option<f64>,
    /// What is allowed, in the same unit.
    pub limit: Option<f64>,
    /// The largest notional (in quote) that this check would have let pass, where there is one.
    pub largest_safe: Option<Money>,
}

impl Refusal {
    /// A refusal that has no numbers.
    #[must_use]
    pub const fn because(reason: DenyReason) -> Self {
        Self { reason, value: None, limit: None, largest_safe: None }
    }

    /// A refusal with what was measured and what is allowed.
    #[must_use]
    pub const fn over(reason: DenyReason, value: f64, limit: f64) -> Self {
        Self { reason, value: Some(value), limit: Some(limit), largest_safe: None }
    }

    /// The same with the largest safe notional.
    #[must_use]
    pub const fn with_safe(mut self, largest_safe: Money) -> Self {
        self.largest_safe = Some(largest_safe);
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason.key())?;
        if let (Some(value), Some(limit)) = (self.value, self.limit) {
            write!(f, ": {value} against {limit}")?;
        }
        if let Some(safe) = self.largest_safe {
            write!(f, ", safe up to {safe}")?;
        }
        Ok(())
    }
}

/// By its place in [`DenyReason::ALL`], which is only ever appended to.
impl Stored for DenyReason {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::ALL.get(usize::from(from.u8()?)).copied().ok_or(CodecError::Invalid { what: "a reason of refusal" })
    }
}

stored_struct!(Refusal { reason, value, limit, largest_safe });

impl Digestible for Refusal {
    fn digest(&self, d: &mut Digest) {
        d.word(self.reason as u64);
        d.float(self.value.unwrap_or(f64::NAN));
        d.float(self.limit.unwrap_or(f64::NAN));
        d.wide(self.largest_safe.map_or(i128::MIN, Money::raw));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_once_in_order() {
        for (at, reason) in DenyReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at, "{}", reason.key());
        }
        let mut keys = DenyReason::ALL.map(DenyReason::key);
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_refusal_reads_with_its_numbers() {
        let refusal = Refusal::over(DenyReason::PositionSize, 0.03, 0.02).with_safe(Money::from_units(200));
        assert_eq!(refusal.to_string(), "position_size: 0.03 against 0.02, safe up to 200");
    }
}
