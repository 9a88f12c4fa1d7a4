//! The vocabulary of explanations: what each check asks, what each refusal means, how numbers, times and orders are said.

use domain::decimal::Rounding;
use domain::{
    Control, Intent, Money, OrderStatus, OrderType, RejectReason, Side, SizeRequest, StopLevel, StopPlan, TrailOffset,
    UnixNanos,
};
use risk::{Check, CommandRecord, Decision, DenyReason};

/// What a number of a check is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// The quote asset.
    Quote,
    /// A fraction, shown as per cent of equity.
    ShareOfEquity,
    /// A fraction of something else, shown as per cent.
    Share,
    /// A multiple of equity.
    TimesEquity,
    /// Positions.
    Positions,
    /// A price.
    Price,
    /// Units of base.
    Base,
    /// A number without a unit.
    Number,
}

impl Unit {
    /// Its name; `quote` and `base` are the assets'.
    #[must_use]
    pub fn name(self, quote: &str, base: &str) -> String {
        match self {
            Self::Seconds => "s".into(),
            Self::Quote | Self::Price => quote.into(),
            Self::ShareOfEquity => "fraction of equity".into(),
            Self::Share => "fraction".into(),
            Self::TimesEquity => "x equity".into(),
            Self::Positions => "positions".into(),
            Self::Base => base.into(),
            Self::Number => String::new(),
        }
    }

    /// A number in it.
    #[must_use]
    pub fn show(self, value: f64, quote: &str, base: &str) -> String {
        match self {
            Self::Seconds => format!("{} s", number(value)),
            Self::Quote | Self::Price => format!("{} {quote}", number(value)),
            Self::ShareOfEquity => format!("{} % of equity", number(value * 100.0)),
            Self::Share => format!("{} %", number(value * 100.0)),
            Self::TimesEquity => format!("{} x equity", number(value)),
            Self::Positions => number(value),
            Self::Base => format!("{} {base}", number(value)),
            Self::Number => number(value),
        }
    }
}

/// A check in words.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What must hold.
    pub what: &'static str,
    /// What its numbers are in.
    pub unit: Unit,
    /// How the measured value stands to the limit where it passes.
    pub relation: &'static str,
}

/// What a check asks.
#[must_use]
pub const fn asked(check: Check) -> Asked {
    let (what, unit, relation) = match check {
        Check::Paused => ("new risk is not paused", Unit::Number, ""),
        Check::Warmup => ("the market is live, not history that warms up", Unit::Number, ""),
        Check::Price => ("the last price is known and recent enough: its age", Unit::Seconds, "at most"),
        Check::Equity => ("the account's equity is known and positive", Unit::Quote, "above"),
        Check::Duplicate => ("no order for the same purpose is working already", Unit::Number, ""),
        Check::SelfMatch => ("it would not trade with another order of ours", Unit::Number, ""),
        Check::OpposesOwnPosition => ("it does not oppose another strategy's position", Unit::Base, ""),
        Check::PositionSize => {
            ("the strategy's position with this order, as a share of equity", Unit::ShareOfEquity, "at most")
        }
        Check::PositionCount => ("open positions with this order", Unit::Positions, "at most"),
        Check::Correlation => ("largest correlation with another open position", Unit::Number, "at most"),
        Check::Stop => ("its stop is on the losing side of the price it would fill at", Unit::Price, "against"),
        Check::Funds => ("what it may cost, fee included, is covered by free funds", Unit::Quote, "at most"),
        Check::Leverage => ("gross exposure with this order", Unit::TimesEquity, "at most"),
        Check::Restricted => ("neither the instrument nor the account is on the restricted list", Unit::Number, ""),
        Check::Breaker => {
            ("no loss breaker is open; a half-open one allows a smaller position", Unit::ShareOfEquity, "at most")
        }
        Check::RepeatedExecution => {
            ("entries of the strategy that repeat within the window, before it is disabled", Unit::Number, "below")
        }
        Check::MarginBuffer => ("available margin over what entries require", Unit::Number, "at least"),
        Check::LiquidityRatio => ("liquid funds over what is bound as margin", Unit::Number, "at least"),
        Check::LiquidationDistance => {
            ("how far the price may move before a position is liquidated", Unit::Share, "at least")
        }
        Check::GrossExposure => ("the sizes of all positions with this order", Unit::TimesEquity, "at most"),
        Check::NetExposure => ("long less short exposure with this order", Unit::TimesEquity, "at most"),
        Check::LongExposure => ("long exposure with this order", Unit::TimesEquity, "at most"),
        Check::ShortExposure => ("short exposure with this order", Unit::TimesEquity, "at most"),
        Check::CapitalThreshold => ("the capital at stake with this order", Unit::Quote, "at most"),
        Check::DailyLoss => ("what was lost today, and in a shorter window", Unit::ShareOfEquity, "below"),
        Check::Drawdown => ("how far equity is below its peak", Unit::Share, "below"),
        Check::VarBudget => ("the value at risk of a day with this order", Unit::ShareOfEquity, "at most"),
        Check::PriceCollar => ("how far its price is from the market's", Unit::Share, "at most"),
        Check::OrderValue => ("the order's value", Unit::Quote, "at most"),
        Check::OrderVolume => ("the order's quantity", Unit::Base, "at most"),
        Check::MessageRate => ("messages within the window, with this one", Unit::Number, "at most"),
        Check::Deployment => ("the value at stake in the present step of deployment", Unit::Quote, "at most"),
        Check::Tick => ("its prices are multiples of the tick", Unit::Price, ""),
        Check::Lot => ("its quantity is whole lots within the venue's range", Unit::Base, "at most"),
        Check::MinNotional => {
            ("its worth, at the price and at the stop, reaches the venue's minimum", Unit::Quote, "at least")
        }
        Check::Oversell => ("no more leaves than the strategy holds", Unit::Base, "at most"),
    };
    Asked { what, unit, relation }
}

/// A refusal in words, and what its numbers are in.
#[must_use]
pub const fn refused(reason: DenyReason) -> (&'static str, Unit) {
    match reason {
        DenyReason::Paused => {
            ("new risk is paused: something went wrong before, or the system was told to", Unit::Number)
        }
        DenyReason::Warmup => ("the market data is history that warms up the strategies", Unit::Number),
        DenyReason::InstrumentUnknown => ("the instrument is not known", Unit::Number),
        DenyReason::AccountUnknown => ("the account is not known", Unit::Number),
        DenyReason::PriceUnknown => ("there is no price, or it is not positive", Unit::Number),
        DenyReason::PriceStale => ("the last price is too old", Unit::Seconds),
        DenyReason::EquityUnknown => ("the account's equity is not known, or not positive", Unit::Quote),
        DenyReason::SignalInvalid => ("a number in the signal is out of its range", Unit::Number),
        DenyReason::PositionSize => {
            ("the strategy's position in the instrument would be larger than its limit", Unit::ShareOfEquity)
        }
        DenyReason::PositionCount => ("there would be too many positions", Unit::Positions),
        DenyReason::Correlation => ("it moves too much like a position that is held", Unit::Number),
        DenyReason::CorrelationUnknown => {
            ("how much it moves like a position that is held is not known yet", Unit::Number)
        }
        DenyReason::StopMissing => ("the entry carries no protective stop", Unit::Number),
        DenyReason::StopInvalid => ("its stop is not on the losing side of the entry", Unit::Price),
        DenyReason::Leverage => ("gross exposure would be larger than its limit", Unit::TimesEquity),
        DenyReason::InsufficientFunds => ("free funds do not cover it", Unit::Quote),
        DenyReason::OpposesOwnPosition => {
            ("it would trade against another strategy's position in the same account and instrument", Unit::Base)
        }
        DenyReason::Duplicate => ("an order for the same purpose is working already", Unit::Number),
        DenyReason::SelfMatch => ("it would trade with another order of ours", Unit::Number),
        DenyReason::Oversell => ("more than the strategy holds would leave", Unit::Base),
        DenyReason::Lot => ("its quantity is zero, no whole lots, or outside the venue's range", Unit::Base),
        DenyReason::Tick => ("a price of it is no multiple of the tick", Unit::Price),
        DenyReason::MinNotional => {
            ("it is worth less than the venue's minimum, at the price or at its stop", Unit::Quote)
        }
        DenyReason::Overflow => ("a number did not fit", Unit::Number),
        DenyReason::Emergency => ("the gate is closed: an emergency that no re-arm has ended", Unit::Number),
        DenyReason::BreakerOpen => ("the strategy's loss breaker is open after its losses", Unit::Number),
        DenyReason::ProbeSize => ("after its losses the strategy may only try a smaller position", Unit::ShareOfEquity),
        DenyReason::Restricted => ("the instrument or the account is on the restricted list", Unit::Number),
        DenyReason::PriceCollar => (
            "its price is too far from the last price, the mark or the book, or the last print waits for the next",
            Unit::Share,
        ),
        DenyReason::OrderValue => ("it is worth more than one order may be", Unit::Quote),
        DenyReason::OrderVolume => ("it is for more than one order may be for", Unit::Base),
        DenyReason::MessageRate => ("the budget of messages for entries is used up", Unit::Number),
        DenyReason::RepeatedExecution => {
            ("the strategy is disabled until it is re-armed: it repeated executions", Unit::Number)
        }
        DenyReason::GrossExposure => ("gross exposure would be larger than its limit", Unit::TimesEquity),
        DenyReason::NetExposure => ("net exposure would be larger than its limit", Unit::TimesEquity),
        DenyReason::LongExposure => ("long exposure would be larger than its limit", Unit::TimesEquity),
        DenyReason::ShortExposure => ("short exposure would be larger than its limit", Unit::TimesEquity),
        DenyReason::CapitalThreshold => ("the capital at stake would pass its threshold", Unit::Quote),
        DenyReason::DailyLoss => {
            ("the loss of the day, or of a shorter window, reached its limit", Unit::ShareOfEquity)
        }
        DenyReason::Drawdown => ("drawdown reached its halt", Unit::Share),
        DenyReason::VarBudget => ("the value at risk of a day would be larger than its budget", Unit::ShareOfEquity),
        DenyReason::VarUnknown => ("the value at risk is not known", Unit::Number),
        DenyReason::MarginBuffer => {
            ("available margin over what it and those on their way require would be too small", Unit::Number)
        }
        DenyReason::LiquidityRatio => ("liquid funds over what is bound would be too small", Unit::Number),
        DenyReason::LiquidationDistance => {
            ("a position of the account would be too near to its liquidation", Unit::Share)
        }
        DenyReason::LiquidationUnknown => {
            ("how near the position would be to its liquidation is not known", Unit::Number)
        }
        DenyReason::Toxic => ("those who trade now know too much: the flow is toxic", Unit::Number),
        DenyReason::ToxicityUnknown => ("how toxic the flow is was to be looked at, and is not known", Unit::Number),
        DenyReason::ClampInput => {
            ("a number that its size was told to rest on is missing, stale or none", Unit::Number)
        }
        DenyReason::ClampedOut => ("the clamps left nothing of its size", Unit::Number),
        DenyReason::Deployment => {
            ("the present step of deployment does not allow it (value, instruments, positions or venues)", Unit::Number)
        }
        DenyReason::Busy => (
            "what the strategy holds, closes or has working in an instrument stands in the way of a group",
            Unit::Number,
        ),
    }
}

/// What the system was told from outside the market, in words.
#[must_use]
pub fn control(control: &Control) -> String {
    match control {
        Control::Pause => "new risk was paused".into(),
        Control::Resume => "new risk was allowed again".into(),
        Control::Trip { cause, flatten, including_stops } => format!(
            "the gate was closed ({}){}{}",
            cause.key(),
            if *flatten { ", everything is to be closed" } else { "" },
            if *including_stops { ", stops are taken off, too" } else { "" }
        ),
        Control::Restrict { to, holder, .. } => format!("{holder} asked for the mode {}", to.key()),
        Control::Rearm { what: domain::Rearm::Account, holder } => format!("{holder} re-armed the account"),
        Control::Rearm { what: domain::Rearm::Strategy(s), holder } => format!("{holder} re-armed strategy {}", s.0),
        Control::Tighten { limit, to, holder } => {
            format!("{holder} asked for limit {} at {}", limit.key(), money(Money::from_raw(*to)))
        }
        Control::Gate { level } => format!("the gate word was seen at {level}"),
        Control::Epoch { epoch } => format!("the process was started again: orders carry epoch {epoch} from now on"),
        Control::Gap { account, .. } => format!("reports of account {} were interrupted", account.0),
    }
}

/// A decision of safety in words; `None` for any other command.
#[must_use]
pub fn safety(record: &CommandRecord) -> Option<String> {
    let CommandRecord::Decision(decision) = record else { return None };
    let by = |holder: &Option<domain::Holder>| holder.map_or_else(String::new, |h| format!(", asked for by {h}"));
    Some(match decision {
        Decision::Mode { from, to, cause, holder } => {
            format!("mode {} after {}: {}{}", to.key(), from.key(), cause.key(), by(holder))
        }
        Decision::Alert(alert) => {
            let numbers = match (alert.value, alert.limit) {
                (Some(value), Some(limit)) => format!(": {} against {}", number(value), number(limit)),
                (Some(value), None) => format!(": {}", number(value)),
                (None, _) => String::new(),
            };
            format!("alert {}{numbers}", alert.kind.key())
        }
        Decision::Limit { limit, from, to, holder } if to == from => {
            format!("limit {} stays at {}: {holder} asked for a looser one", limit.key(), number(*from))
        }
        Decision::Limit { limit, from, to, holder } => {
            format!("limit {} from {} to {}, asked for by {holder}", limit.key(), number(*from), number(*to))
        }
        Decision::Rearmed { what, holder, done } => {
            let what = match what {
                domain::Rearm::Account => "the account".into(),
                domain::Rearm::Strategy(strategy) => format!("strategy {}", strategy.0),
            };
            format!("{what} was {}re-armed by {holder}", if *done { "" } else { "not " })
        }
        Decision::Signal(_)
        | Decision::Refused { .. }
        | Decision::Worked { .. }
        | Decision::WorkEnded { .. }
        | Decision::Group { .. }
        | Decision::GroupStep { .. } => {
            return None;
        }
        Decision::Difference(d) => {
            let (ours, theirs) = (d.ours, d.theirs);
            format!("account {} differs from the venue: {}, {ours} here, {theirs} there", d.account.0, d.kind.key())
        }
        Decision::Reconciled { account, orders, recovered, .. } => {
            let account = account.0;
            format!(
                "account {account} agrees with the venue: {orders} orders work, {recovered} executions were recovered"
            )
        }
    })
}

/// An intent in words.
#[must_use]
pub const fn intent(intent: Intent) -> &'static str {
    match intent {
        Intent::EnterLong => "be long",
        Intent::EnterShort => "be short",
        Intent::Exit => "be flat",
    }
}

/// What a clamp rests on, and in which unit.
#[must_use]
pub fn clamp(name: &str) -> (&'static str, Unit) {
    match name {
        "kelly" => ("Kelly's fraction of equity by the strategy's own past", Unit::Number),
        "probability" => ("calibrated probability of gain", Unit::Number),
        "volatility" => ("the instrument's standard deviation of a day", Unit::Number),
        "var" => ("value at risk of a day with the whole order", Unit::ShareOfEquity),
        "shortfall" => ("expected shortfall of a day with the whole order", Unit::ShareOfEquity),
        "heat" => ("what stops would lose without it", Unit::ShareOfEquity),
        "correlation" => ("largest correlation with what is held", Unit::Number),
        "leverage" => ("gross exposure with the whole order", Unit::TimesEquity),
        "crisis" => ("whether the market is in crisis (1) or not (0)", Unit::Number),
        _ => ("", Unit::Number),
    }
}

/// A size in words.
#[must_use]
pub fn size(size: SizeRequest, quote: &str, base: &str) -> String {
    match size {
        SizeRequest::AllIn => format!("all free {quote}"),
        SizeRequest::EquityFraction(rate) => format!("{} % of the account's equity", number(rate.to_f64() * 100.0)),
        SizeRequest::Base(quantity) => format!("{quantity} {base}"),
        SizeRequest::Cap => "as much as the strategy's share of the position limit allows".into(),
        SizeRequest::Position => "all that the strategy holds".into(),
    }
}

/// A stop in words.
#[must_use]
pub fn stop(plan: StopPlan, quote: &str) -> String {
    let level = match plan.level() {
        StopLevel::Price(price) => format!("at {} {quote}", grouped(&price.to_string())),
        StopLevel::Distance(distance) => {
            format!("{} {quote} from the average entry price", number(distance.to_f64()))
        }
        StopLevel::Fraction(rate) => format!("{} % from the average entry price", number(rate.to_f64() * 100.0)),
        StopLevel::Trail(distance) => format!("{} {quote} behind the best price", number(distance.to_f64())),
        StopLevel::TrailFraction(rate) => format!("{} % behind the best price", number(rate.to_f64() * 100.0)),
    };
    match plan.hold_max() {
        None => level,
        Some(hold) => format!("{level}, held for {} s at most", number(hold.0 as f64 / 1e9)),
    }
}

/// What an order does at the venue, in words.
#[must_use]
pub fn kind(kind: &OrderType, quote: &str) -> String {
    let at = |price: &domain::Price| format!("{} {quote}", grouped(&price.to_string()));
    match kind {
        OrderType::Market => "at the market".into(),
        OrderType::Limit { price } => format!("at {} or better", at(price)),
        OrderType::StopMarket { trigger } => format!("at the market once the price reaches {} or worse", at(trigger)),
        OrderType::StopLimit { trigger, price } => {
            format!("at {} or better once the price reaches {} or worse", at(price), at(trigger))
        }
        OrderType::TakeProfit { trigger } => format!("at the market once the price reaches {} or better", at(trigger)),
        OrderType::TrailingStop { offset: TrailOffset::Distance(distance) } => {
            format!("at the market once the price falls back {} from its best", at(distance))
        }
        OrderType::TrailingStop { offset: TrailOffset::Fraction(rate) } => {
            format!("at the market once the price falls back {} % from its best", number(rate.to_f64() * 100.0))
        }
    }
}

/// A side in words.
#[must_use]
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// A status in words.
#[must_use]
pub const fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Submitted => "sent",
        OrderStatus::Accepted => "working",
        OrderStatus::PartiallyFilled => "filled in part",
        OrderStatus::CancelPending => "being taken off",
        OrderStatus::OutcomeUnknown => "outcome unknown",
        OrderStatus::Filled => "filled",
        OrderStatus::Canceled => "taken off",
        OrderStatus::Expired => "expired",
        OrderStatus::Rejected => "refused by the venue",
    }
}

/// Why a venue refused or ended an order.
#[must_use]
pub fn reject(reason: RejectReason) -> String {
    match reason {
        RejectReason::ReduceOnly => "there is nothing left that it could reduce".into(),
        RejectReason::InsufficientBalance => "not enough of the asset that it gives".into(),
        RejectReason::WouldTrigger => "the market is beyond its trigger already".into(),
        RejectReason::MinNotional => "worth less than the venue's minimum".into(),
        other => other.name().replace('_', " "),
    }
}

/// A number for people: at most eight significant digits behind a small integer part, thousands apart, no zeros at the end.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".into();
    }
    let decimals = match value.abs() {
        x if x >= 10_000.0 => 2,
        x if x >= 1.0 => 4,
        x if x >= 0.01 => 6,
        _ => 8,
    };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    grouped(if text == "-0" { "0" } else { text })
}

/// An amount of money, to a ten thousandth.
#[must_use]
pub fn money(amount: Money) -> String {
    grouped(&amount.at_precision(4, Rounding::HalfEven).to_string())
}

/// An amount with its sign.
#[must_use]
pub fn signed(amount: Money) -> String {
    if amount > Money::ZERO { format!("+{}", money(amount)) } else { money(amount) }
}

/// The text of a decimal number with its thousands apart.
#[must_use]
pub fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, part) = digits.split_once('.').map_or((digits, None), |(w, p)| (w, Some(p)));
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(part) = part {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// A time with its seconds, UTC: `2021-05-19 13:00:00`, with milliseconds where there are any.
#[must_use]
pub fn clock(ts: UnixNanos) -> String {
    let Ok(timestamp) = jiff::Timestamp::from_nanosecond(i128::from(ts.0)) else { return format!("{} ns", ts.0) };
    let whole = (ts.0 / 1_000_000).is_multiple_of(1_000);
    let form = if whole { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.3f" };
    jiff::tz::TimeZone::UTC.to_datetime(timestamp).strftime(form).to_string()
}

/// A span of time: `3 d 4 h`, `12 min`, `0.5 s`.
#[must_use]
pub fn span(seconds: f64) -> String {
    // A path ends one nanosecond before the close: people call that the close.
    let whole = seconds.round() as u64;
    match whole {
        0..=59 if (seconds - seconds.round()).abs() < 0.001 => format!("{whole} s"),
        0..=59 => format!("{} s", number(seconds)),
        60..=3_599 if whole.is_multiple_of(60) => format!("{} min", whole / 60),
        60..=3_599 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..=86_399 if whole % 3_600 < 60 => format!("{} h", whole / 3_600),
        3_600..=86_399 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ if whole % 86_400 < 3_600 => format!("{} d", whole / 86_400),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(number(1_234_567.891), "1,234,567.89");
        assert_eq!(number(0.0), "0");
        assert_eq!(number(-0.000_000_000_1), "0");
        assert_eq!(number(0.019_999), "0.019999");
        assert_eq!(number(f64::NAN), "unknown");
        assert_eq!(grouped("-1234.50"), "-1,234.50");
        assert_eq!(grouped("123"), "123");
        assert_eq!(signed(testkit::money("12.34567")), "+12.3457");
        assert_eq!(signed(testkit::money("-0.5")), "-0.5");
    }

    #[test]
    fn times_and_spans_are_short() {
        assert_eq!(clock(UnixNanos(1_609_459_200_000_000_000)), "2021-01-01 00:00:00");
        assert_eq!(clock(UnixNanos(1_609_459_199_999_999_999)), "2020-12-31 23:59:59.999");
        let spans = [0.5, 59.0, 60.0, 90.0, 3_600.0, 5_400.0, 86_400.0, 180_000.0];
        let expected = ["0.5 s", "59 s", "1 min", "1 min 30 s", "1 h", "1 h 30 min", "1 d", "2 d 2 h"];
        assert_eq!(spans.map(span), expected);
    }

    #[test]
    fn every_check_and_every_reason_has_words() {
        assert!(risk::CHECKS.iter().all(|row| asked(row.check).what.len() > 10));
        assert!(DenyReason::ALL.iter().all(|reason| refused(*reason).0.len() > 10));
    }
}
