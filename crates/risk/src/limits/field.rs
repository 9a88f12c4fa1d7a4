//! Every limit by name: its value, which way it is tighter, and what it may be. Comparison, snapshots and digests go through this list, so
//! that a limit which is added here is nowhere forgotten.

use super::{DEPLOYMENT, Limits};
use domain::codec::{CodecError, Reader};
use domain::{Digest, Digestible, Money, Rate};
use std::fmt;

/// Why limits cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitError {
    /// Which limit.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit {} is {}, expected {}", self.name, self.value, self.expected)
    }
}

impl std::error::Error for LimitError {}

/// The value of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Rate(Rate),
    Money(Money),
    Count(u32),
    Long(u64),
    Number(f64),
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate}"),
            Self::Money(money) => write!(f, "{money}"),
            Self::Count(n) => write!(f, "{n}"),
            Self::Long(n) => write!(f, "{n}"),
            Self::Number(x) => write!(f, "{x}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// Which way a limit is tighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tighter {
    /// The smaller.
    Less,
    /// The larger.
    More,
    /// The smaller, and zero is the loosest.
    LessAboveZero,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Field {
    pub name: &'static str,
    pub value: Value,
    /// Its name where a snapshot differs.
    pub differs: &'static str,
    tighter: Tighter,
}

impl Field {
    /// Whether this value allows more than the other one of the same limit. What cannot be compared does.
    pub fn is_looser_than(&self, other: &Self) -> bool {
        let order = match (self.value, other.value) {
            (Value::Rate(a), Value::Rate(b)) => Some(a.cmp(&b)),
            (Value::Money(a), Value::Money(b)) => Some(a.cmp(&b)),
            (Value::Count(a), Value::Count(b)) if self.tighter == Tighter::LessAboveZero => {
                // Zero is no bound at all: behind every other.
                Some(a.wrapping_sub(1).cmp(&b.wrapping_sub(1)))
            }
            (Value::Count(a), Value::Count(b)) => Some(a.cmp(&b)),
            (Value::Long(a), Value::Long(b)) => Some(a.cmp(&b)),
            (Value::Number(a), Value::Number(b)) => a.partial_cmp(&b),
            (Value::Flag(a), Value::Flag(b)) => Some(a.cmp(&b)),
            _ => None,
        };
        match self.tighter {
            Tighter::Less | Tighter::LessAboveZero => order.is_none_or(std::cmp::Ordering::is_gt),
            Tighter::More => order.is_none_or(std::cmp::Ordering::is_lt),
        }
    }
}

/// How many limits there were in the first layout of a snapshot and of a digest: those come first, in that order.
const FIRST: usize = 7;

macro_rules! fields {
    ($limits:expr; $($name:ident $kind:ident $tighter:ident),+ $(,)?) => {
        [$(Field {
            name: stringify!($name),
            value: Value::$kind($limits.$name),
            differs: concat!("limit ", stringify!($name)),
            tighter: Tighter::$tighter,
        }),+]
    };
}

impl Limits {
    /// All limits, in the order of the structure.
    pub(crate) fn fields(&self) -> [Field; 33] {
        fields![self;
            position_fraction_max Rate Less,
            positions_max Count Less,
            correlation_max Number Less,
            stop_required Flag More,
            leverage_max Rate Less,
            correlation_samples_min Count More,
            price_age_max_s Long Less,
            gross_exposure_max Rate Less,
            net_exposure_max Rate Less,
            long_exposure_max Rate Less,
            short_exposure_max Rate Less,
            order_value_max Money Less,
            order_volume_max Rate Less,
            capital_max Money Less,
            capital_total_max Money Less,
            price_collar_max Rate Less,
            price_jump_max Rate Less,
            margin_buffer_min Rate More,
            liquidity_ratio_min Rate More,
            liquidation_distance_min Rate More,
            daily_loss_max Rate Less,
            intraday_loss_max Rate Less,
            drawdown_alert Rate Less,
            drawdown_max Rate Less,
            var_fraction_max Rate Less,
            messages_max Count Less,
            entry_messages_max Count Less,
            message_window_s Long More,
            repeats_max Count Less,
            strategy_orders_max Count Less,
            repeat_window_s Long More,
            probe_fraction_max Rate Less,
            deployment_step Count LessAboveZero,
        ]
    }

    /// Checks that every limit is one.
    ///
    /// # Errors
    /// [`LimitError`] names the first that is not.
    pub fn validate(&self) -> Result<(), LimitError> {
        for field in self.fields() {
            let fail = |expected| Err(LimitError { name: field.name, value: field.value.to_string(), expected });
            let expected = match (field.name, field.value) {
                ("position_fraction_max", Value::Rate(r)) if r <= Rate::ZERO => "a fraction above 0",
                ("leverage_max", Value::Rate(r)) if r <= Rate::ZERO => "a ratio above 0",
                ("positions_max", Value::Count(0)) => "at least 1",
                ("correlation_max", Value::Number(x)) if !(x > -1.0 && x <= 1.0) => "a number above -1 and up to 1",
                ("correlation_samples_min", Value::Count(n)) if !(2..=100).contains(&n) => "2 to 100",
                ("price_age_max_s" | "message_window_s" | "repeat_window_s", Value::Long(s))
                    if !(1..=SECONDS_MAX).contains(&s) =>
                {
                    "at least one second and at most a year"
                }
                ("margin_buffer_min", Value::Rate(r)) if r < Rate::ONE => "a ratio of at least 1",
                ("order_volume_max" | "probe_fraction_max", Value::Rate(r)) if r <= Rate::ZERO || r > Rate::ONE => {
                    "a fraction above 0 and up to 1"
                }
                ("liquidation_distance_min", Value::Rate(r)) if r <= Rate::ZERO || r >= Rate::ONE => {
                    "a fraction above 0 and below 1"
                }
                (
                    "daily_loss_max" | "intraday_loss_max" | "drawdown_alert" | "drawdown_max" | "var_fraction_max",
                    Value::Rate(r),
                ) if r <= Rate::ZERO || r > Rate::ONE => "a fraction above 0 and up to 1",
                ("entry_messages_max", Value::Count(n)) if n == 0 || n > self.messages_max => {
                    "at least 1 and at most messages_max"
                }
                ("messages_max" | "repeats_max" | "strategy_orders_max", Value::Count(0)) => "at least 1",
                ("deployment_step", Value::Count(n)) if n as usize > DEPLOYMENT.len() => {
                    "0 for none, or the number of a step from 1 to 4"
                }
                (_, Value::Rate(r)) if r <= Rate::ZERO => "a number above 0",
                (_, Value::Money(m)) if m <= Money::ZERO => "an amount above 0",
                _ => continue,
            };
            return fail(expected);
        }
        if self.drawdown_alert > self.drawdown_max {
            let value = self.drawdown_alert.to_string();
            return Err(LimitError { name: "drawdown_alert", value, expected: "at most drawdown_max" });
        }
        Ok(())
    }

    /// The first limit that allows more than the other's.
    pub(crate) fn first_looser_than(&self, other: &Self) -> Option<Field> {
        self.fields()
            .iter()
            .zip(&other.fields())
            .find(|(mine, theirs)| mine.is_looser_than(theirs))
            .map(|(mine, _)| *mine)
    }

    /// Compares with saved limits one by one, so that the error can name the one that differs.
    pub(crate) fn same(&self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for field in self.fields() {
            match field.value {
                Value::Rate(value) => from.same(&value, field.differs)?,
                Value::Money(value) => from.same(&value, field.differs)?,
                Value::Count(value) => from.same(&value, field.differs)?,
                Value::Long(value) => from.same(&value, field.differs)?,
                Value::Number(value) => from.same(&value, field.differs)?,
                Value::Flag(value) => from.same(&value, field.differs)?,
            }
        }
        Ok(())
    }
}

/// One year with a leap day.
const SECONDS_MAX: u64 = 31_622_400;

domain::stored_struct!(Limits {
    position_fraction_max,
    positions_max,
    correlation_max,
    stop_required,
    leverage_max,
    correlation_samples_min,
    price_age_max_s,
    gross_exposure_max,
    net_exposure_max,
    long_exposure_max,
    short_exposure_max,
    order_value_max,
    order_volume_max,
    capital_max,
    capital_total_max,
    price_collar_max,
    price_jump_max,
    margin_buffer_min,
    liquidity_ratio_min,
    liquidation_distance_min,
    daily_loss_max,
    intraday_loss_max,
    drawdown_alert,
    drawdown_max,
    var_fraction_max,
    messages_max,
    entry_messages_max,
    message_window_s,
    repeats_max,
    strategy_orders_max,
    repeat_window_s,
    probe_fraction_max,
    deployment_step,
});

/// The first seven as ever. The others where one of them is not the hard limit: a run that says nothing of them keeps the digest that it
/// had before there were any.
impl Digestible for Limits {
    fn digest(&self, d: &mut Digest) {
        d.int(self.position_fraction_max.raw());
        d.word(u64::from(self.positions_max) | u64::from(self.stop_required) << 32);
        d.float(self.correlation_max);
        d.int(self.leverage_max.raw());
        d.word(u64::from(self.correlation_samples_min));
        d.word(self.price_age_max_s);
        let (mine, hard) = (self.fields(), Self::default().fields());
        let others = |fields: &[Field; 33]| fields.iter().skip(FIRST).map(|f| f.value).collect::<Vec<_>>();
        if others(&mine) == others(&hard) {
            return;
        }
        for field in mine.iter().skip(FIRST) {
            d.bytes(field.name.as_bytes());
            match field.value {
                Value::Rate(value) => d.int(value.raw()),
                Value::Money(value) => d.wide(value.raw()),
                Value::Count(value) => d.word(u64::from(value)),
                Value::Long(value) => d.word(value),
                Value::Number(value) => d.float(value),
                Value::Flag(value) => d.word(u64::from(value)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::codec::{from_bytes, to_bytes};

    #[test]
    fn a_limit_that_is_none_is_named() {
        let good = Limits::default();
        for (bad, name) in [
            (Limits { position_fraction_max: Rate::ZERO, ..good }, "position_fraction_max"),
            (Limits { positions_max: 0, ..good }, "positions_max"),
            (Limits { correlation_max: f64::NAN, ..good }, "correlation_max"),
            (Limits { leverage_max: Rate::from_raw(-1), ..good }, "leverage_max"),
            (Limits { correlation_samples_min: 101, ..good }, "correlation_samples_min"),
            (Limits { price_age_max_s: 0, ..good }, "price_age_max_s"),
            (Limits { gross_exposure_max: Rate::ZERO, ..good }, "gross_exposure_max"),
            (Limits { net_exposure_max: Rate::from_raw(-1), ..good }, "net_exposure_max"),
            (Limits { long_exposure_max: Rate::ZERO, ..good }, "long_exposure_max"),
            (Limits { short_exposure_max: Rate::ZERO, ..good }, "short_exposure_max"),
            (Limits { order_value_max: Money::ZERO, ..good }, "order_value_max"),
            (Limits { order_volume_max: Rate::from_bps(10_001), ..good }, "order_volume_max"),
            (Limits { capital_max: Money::from_raw(-1), ..good }, "capital_max"),
            (Limits { capital_total_max: Money::ZERO, ..good }, "capital_total_max"),
            (Limits { price_collar_max: Rate::ZERO, ..good }, "price_collar_max"),
            (Limits { price_jump_max: Rate::ZERO, ..good }, "price_jump_max"),
            (Limits { margin_buffer_min: Rate::from_bps(9_999), ..good }, "margin_buffer_min"),
            (Limits { liquidity_ratio_min: Rate::ZERO, ..good }, "liquidity_ratio_min"),
            (Limits { liquidation_distance_min: Rate::ONE, ..good }, "liquidation_distance_min"),
            (Limits { daily_loss_max: Rate::ZERO, ..good }, "daily_loss_max"),
            (Limits { intraday_loss_max: Rate::from_bps(10_001), ..good }, "intraday_loss_max"),
            (Limits { drawdown_alert: Rate::from_bps(1_501), ..good }, "drawdown_alert"),
            (Limits { drawdown_max: Rate::ZERO, ..good }, "drawdown_max"),
            (Limits { var_fraction_max: Rate::ZERO, ..good }, "var_fraction_max"),
            (Limits { messages_max: 0, ..good }, "messages_max"),
            (Limits { entry_messages_max: 101, ..good }, "entry_messages_max"),
            (Limits { message_window_s: 0, ..good }, "message_window_s"),
            (Limits { repeats_max: 0, ..good }, "repeats_max"),
            (Limits { strategy_orders_max: 0, ..good }, "strategy_orders_max"),
            (Limits { repeat_window_s: 31_622_401, ..good }, "repeat_window_s"),
            (Limits { probe_fraction_max: Rate::ZERO, ..good }, "probe_fraction_max"),
            (Limits { deployment_step: 5, ..good }, "deployment_step"),
        ] {
            assert_eq!(bad.validate().unwrap_err().name, name);
        }
    }

    #[test]
    fn the_list_is_the_structure() {
        let json = serde_json::to_value(Limits::default()).unwrap();
        let fields = Limits::default().fields();
        assert_eq!(json.as_object().unwrap().len(), fields.len());
        assert!(fields.iter().all(|field| json.get(field.name).is_some()));
        let bytes = to_bytes(&Limits::default());
        assert_eq!(from_bytes::<Limits>(&bytes), Ok(Limits::default()));
        let mut from = Reader::new(&bytes);
        Limits::default().same(&mut from).unwrap();
        from.finish().unwrap();
    }

    #[test]
    fn a_limit_that_nobody_names_leaves_the_digest_alone_and_a_named_one_does_not() {
        let digest = |limits: &Limits| {
            let mut d = Digest::default();
            limits.digest(&mut d);
            d
        };
        let hard = Limits::default();
        let mut before = Digest::default();
        before.int(hard.position_fraction_max.raw());
        before.word(u64::from(hard.positions_max) | 1 << 32);
        before.float(hard.correlation_max);
        before.int(hard.leverage_max.raw());
        before.word(80);
        before.word(300);
        assert_eq!(digest(&hard), before);
        for other in [
            Limits { repeats_max: 9, ..hard },
            Limits { order_value_max: Money::from_units(1), ..hard },
            Limits { deployment_step: 1, ..hard },
        ] {
            assert_ne!(digest(&other), before);
        }
    }
}
