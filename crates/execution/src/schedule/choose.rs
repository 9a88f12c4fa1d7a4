//! Which schedule: from urgency, spread, the order's share of the market's volume, and toxicity.
//!
//! In:  what the strategy knows of the flow ([`Flow`]) and where it wants the choice to turn ([`Thresholds`]); size and spread as they are.
//! Out: a style, at once at the market, or nothing.
//!
//! | share of an hour's volume | urgency low | normal | high |
//! |---|---|---|---|
//! | small, spread not wide | at once | at once | at once |
//! | small, spread wide | passive 15 min, then taken | passive 5 min, then taken | at once |
//! | between | passive 60 min, then taken | shortfall 30 min (else time-weighted) | shortfall 10 min (else time-weighted) |
//! | large or not known | 5 % of volume for 4 h | 10 % for 2 h | 20 % for 1 h |
//!
//! What is toxic is not traded with: a new entry is refused, or rests only and gives the rest up where urgency is high. An exit rests and is
//! taken afterwards, at once where urgency is high. Toxicity that was to be looked at and is missing, not a number or too old refuses an
//! entry, and leaves an exit to the table. A spread that is not known counts as not wide; a volume that is not known, as a large order.

use domain::{Flow, Nanos, Quantity, Rate, Rest, Thresholds, UnixNanos, Urgency, WorkStyle};
use risk::{DenyReason, Refusal};

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// It is worked like this.
    Work(WorkStyle),
    /// It goes at once, as one order.
    AtOnce,
}

/// What a choice is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// How much.
    pub quantity: Quantity,
    /// Whether it only reduces a position.
    pub reduces: bool,
    /// Spread as a fraction of the price; `None` where it is not known.
    pub spread: Option<f64>,
    /// Engine time.
    pub now: UnixNanos,
}

/// How long which of them takes.
const PATIENCE: [Nanos; 2] = [Nanos::from_secs(900), Nanos::from_secs(300)];
const LONG_PATIENCE: Nanos = Nanos::from_secs(3_600);
const SHORTFALL: [Nanos; 2] = [Nanos::from_secs(1_800), Nanos::from_secs(600)];
const SLICES: u16 = 10;

/// The schedule of an order.
///
/// # Errors
/// An entry in toxic flow, or while toxicity is configured and not known. Never for what reduces.
pub fn choose(urgency: Urgency, flow: &Flow, thresholds: &Thresholds, order: &Order) -> Result<Choice, Refusal> {
    match toxicity(flow, thresholds, order.now) {
        Toxicity::Calm => {}
        Toxicity::Unknown if order.reduces => {}
        Toxicity::Unknown => return Err(Refusal::because(DenyReason::ToxicityUnknown)),
        Toxicity::Toxic(value, limit) => return in_toxic_flow(urgency, order, value, limit),
    }
    let share = flow.volume_per_hour.filter(|v| v.is_finite() && *v > 0.0).map(|v| order.quantity.to_f64() / v);
    let wide = order.spread.is_some_and(|spread| spread >= thresholds.wide);
    let small = share.is_some_and(|share| share <= thresholds.small);
    let large = share.is_none_or(|share| share >= thresholds.large);
    let passive = |patience| Choice::Work(WorkStyle::PassiveThenAggressive { patience, then: Rest::Take });
    let following = |bps, hours: u64| {
        let (share, deadline) = (Rate::from_bps(bps), Nanos::from_secs(3_600 * hours));
        Choice::Work(WorkStyle::Pov { share, deadline })
    };
    Ok(match (urgency, small, large) {
        (Urgency::Low, true, _) if wide => passive(PATIENCE[0]),
        (Urgency::Normal, true, _) if wide => passive(PATIENCE[1]),
        (_, true, _) => Choice::AtOnce,
        (Urgency::Low, _, true) => following(500, 4),
        (Urgency::Normal, _, true) => following(1_000, 2),
        (Urgency::High, _, true) => following(2_000, 1),
        (Urgency::Low, _, false) => passive(LONG_PATIENCE),
        (Urgency::Normal, _, false) => Choice::Work(shortfall(flow, SHORTFALL[0])),
        (Urgency::High, _, false) => Choice::Work(shortfall(flow, SHORTFALL[1])),
    })
}

/// The trajectory of least cost and risk; time-weighted where what it rests on is not known.
fn shortfall(flow: &Flow, over: Nanos) -> WorkStyle {
    let bent = flow.model.map(|model| WorkStyle::ImplementationShortfall { over, slices: SLICES, model });
    bent.filter(|style| style.validate().is_ok()).unwrap_or(WorkStyle::Twap { over, slices: SLICES })
}

fn in_toxic_flow(urgency: Urgency, order: &Order, value: f64, limit: f64) -> Result<Choice, Refusal> {
    let (patience, rests) = (PATIENCE[1], |patience, then| WorkStyle::PassiveThenAggressive { patience, then });
    match (order.reduces, urgency) {
        (true, Urgency::High) => Ok(Choice::AtOnce),
        (true, Urgency::Low | Urgency::Normal) => Ok(Choice::Work(rests(patience, Rest::Take))),
        (false, Urgency::High) => Ok(Choice::Work(rests(patience, Rest::GiveUp))),
        (false, Urgency::Low | Urgency::Normal) => Err(Refusal::over(DenyReason::Toxic, value, limit)),
    }
}

/// What is known of toxicity, held against its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Toxicity {
    /// Below its bound, or nobody looks at it.
    Calm,
    /// At its bound or above.
    Toxic(f64, f64),
    /// It was to be looked at, and is missing, not a number or too old.
    Unknown,
}

fn toxicity(flow: &Flow, thresholds: &Thresholds, now: UnixNanos) -> Toxicity {
    let Some(limit) = thresholds.toxic else { return Toxicity::Calm };
    // A measurement of the future is none.
    let fresh = flow.as_of <= now && now.since(flow.as_of).0 <= thresholds.age_max.0;
    match flow.toxicity.filter(|value| fresh && value.is_finite()) {
        None => Toxicity::Unknown,
        Some(value) if value >= limit => Toxicity::Toxic(value, limit),
        Some(_) => Toxicity::Calm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ImpactModel;

    const NOW: UnixNanos = UnixNanos(1_000_000_000_000);
    const MODEL: ImpactModel = ImpactModel { risk_aversion: 1e-6, volatility: 4.0, temporary: 300.0, permanent: 0.0 };
    const FLOW: Flow = Flow { volume_per_hour: Some(100.0), model: Some(MODEL), toxicity: None, as_of: NOW };

    fn order(units: i64, spread: Option<f64>) -> Order {
        Order { quantity: Quantity::from_units(units), reduces: false, spread, now: NOW }
    }

    fn chosen(urgency: Urgency, flow: &Flow, order: &Order) -> String {
        match choose(urgency, flow, &Thresholds::STANDARD, order).unwrap() {
            Choice::AtOnce => "at once".to_owned(),
            Choice::Work(style) => {
                assert_eq!(style.validate(), Ok(()));
                format!("{} {} s", style.name(), style.span().0 / 1_000_000_000)
            }
        }
    }

    #[test]
    fn the_table_is_what_is_chosen() {
        let urgencies = [Urgency::Low, Urgency::Normal, Urgency::High];
        let row = |flow: &Flow, order: &Order| urgencies.map(|urgency| chosen(urgency, flow, order));
        let (narrow, wide) = (Some(0.0005), Some(0.001));
        assert_eq!(row(&FLOW, &order(1, narrow)), ["at once"; 3]);
        assert_eq!(row(&FLOW, &order(1, None)), ["at once"; 3], "a spread that is not known is not wide");
        let passive = ["passive-then-aggressive 900 s", "passive-then-aggressive 300 s", "at once"];
        assert_eq!(row(&FLOW, &order(1, wide)), passive);
        for units in [2, 9] {
            let between =
                ["passive-then-aggressive 3600 s", "implementation-shortfall 1800 s", "implementation-shortfall 600 s"];
            assert_eq!(row(&FLOW, &order(units, narrow)), between);
        }
        let large = ["pov 14400 s", "pov 7200 s", "pov 3600 s"];
        assert_eq!(row(&FLOW, &order(10, wide)), large);
        for volume in [None, Some(f64::NAN), Some(0.0), Some(-1.0)] {
            let unknown = Flow { volume_per_hour: volume, ..FLOW };
            assert_eq!(row(&unknown, &order(1, narrow)), large, "{volume:?}");
        }
        for model in [None, Some(ImpactModel { volatility: f64::NAN, ..MODEL })] {
            assert_eq!(chosen(Urgency::High, &Flow { model, ..FLOW }, &order(5, narrow)), "twap 600 s");
        }
    }

    #[test]
    fn thresholds_move_the_turns() {
        let loose = Thresholds { small: 0.5, large: 0.9, ..Thresholds::STANDARD };
        assert_eq!(choose(Urgency::Low, &FLOW, &loose, &order(50, None)), Ok(Choice::AtOnce));
        let tight = Thresholds { small: 0.001, large: 0.002, ..Thresholds::STANDARD };
        let Ok(Choice::Work(style)) = choose(Urgency::Low, &FLOW, &tight, &order(1, None)) else { panic!("worked") };
        assert_eq!(style.name(), "pov");
    }

    #[test]
    fn toxic_flow_selects_passive_or_none_and_never_stands_against_an_exit() {
        let looked_at = Thresholds { toxic: Some(0.6), age_max: Nanos::from_secs(60), ..Thresholds::STANDARD };
        let ask = |urgency, toxicity, age_s: i64, reduces| {
            let as_of = UnixNanos((NOW.0 as i64 - age_s * 1_000_000_000) as u64);
            let flow = Flow { toxicity, as_of, ..FLOW };
            let order = Order { reduces, ..order(1, None) };
            match choose(urgency, &flow, &looked_at, &order) {
                Err(refusal) => refusal.reason.key().to_owned(),
                Ok(Choice::AtOnce) => "at once".to_owned(),
                Ok(Choice::Work(WorkStyle::PassiveThenAggressive { then, .. })) => format!("passive {then:?}"),
                Ok(other) => format!("{other:?}"),
            }
        };
        for urgency in [Urgency::Low, Urgency::Normal] {
            assert_eq!(ask(urgency, Some(0.6), 0, false), "toxic");
            assert_eq!(ask(urgency, Some(0.6), 0, true), "passive Take");
        }
        assert_eq!(ask(Urgency::High, Some(1.0), 0, false), "passive GiveUp");
        assert_eq!(ask(Urgency::High, Some(1.0), 0, true), "at once");
        assert_eq!(ask(Urgency::Normal, Some(0.59), 60, false), "at once");
        for (toxicity, age_s) in
            [(None, 0), (Some(f64::NAN), 0), (Some(f64::INFINITY), 0), (Some(0.1), 61), (Some(0.1), -1)]
        {
            for urgency in [Urgency::Low, Urgency::Normal, Urgency::High] {
                assert_eq!(ask(urgency, toxicity, age_s, false), "toxicity_unknown", "{toxicity:?} {age_s}");
                assert_eq!(ask(urgency, toxicity, age_s, true), "at once", "an exit is never refused");
            }
        }
        // Not configured: whatever a strategy says of it is not looked at.
        let flow = Flow { toxicity: Some(f64::NAN), ..FLOW };
        assert_eq!(choose(Urgency::Low, &flow, &Thresholds::STANDARD, &order(1, None)), Ok(Choice::AtOnce));
    }
}
