use super::*;
use crate::limits::StandardLimits;
use crate::metrics::SAMPLES_MIN;
use crate::stage::{ACCOUNT, Stage};
use domain::observe::ClampSeen;
use domain::{
    InstrumentIdx, Intent, MarketFlags, Nanos, Observer, OrderQuantity, OrderType, Side, Signal, SignalStatistics,
    SizeRequest, UnixNanos,
};
use proptest::prelude::*;

const BTC: InstrumentIdx = InstrumentIdx(0);
const ETH: InstrumentIdx = InstrumentIdx(1);

/// Inputs under which nothing is clamped.
fn calm() -> ClampInputs {
    ClampInputs {
        equity: Money::from_units(10_000),
        kelly: Input::Known(4.0),
        probability: Input::Known(0.9),
        volatility: Input::Known(0.01),
        var: Input::Known(0.001),
        var_part: 1.0,
        shortfall: Input::Known(0.0015),
        shortfall_part: 1.0,
        heat: Input::Known(0.0),
        heat_order: 0.01,
        correlation: Input::Known(0.0),
        gross: Some(Money::ZERO),
        crisis: Input::Known(0.0),
    }
}

/// All clamps on.
fn all_on() -> ClampConfig {
    ClampConfig {
        kelly: Some(KellyConfig::default()),
        probability: Some(ProbabilityConfig::default()),
        volatility_target: Some(0.05),
        var: Some(TailConfig { max: 0.02, required: true }),
        shortfall: Some(TailConfig { max: 0.03, required: true }),
        heat_max: Some(0.06),
        correlation: Some(CorrelationConfig::default()),
        leverage_max: Some(3.0),
        crisis: Some(CrisisConfig::default()),
    }
}

fn run(config: &ClampConfig, inputs: &ClampInputs, amount: Money) -> Result<Money, Refusal> {
    chain(config, inputs, amount, |_, _, _, _| {})
}

/// The calm inputs with the one thing that a clamp reduces for, to half of 1,000.
fn halving(clamp: Clamp) -> ClampInputs {
    let half = Input::Known;
    match clamp {
        // A quarter of 0.2 is 5 % of 10,000.
        Clamp::Kelly => ClampInputs { kelly: half(0.2), ..calm() },
        Clamp::Probability => ClampInputs { probability: half(0.575), ..calm() },
        Clamp::Volatility => ClampInputs { volatility: half(0.1), ..calm() },
        Clamp::Var => ClampInputs { var: half(0.04), var_part: 0.5, ..calm() },
        Clamp::Shortfall => ClampInputs { shortfall: half(0.06), shortfall_part: 0.5, ..calm() },
        Clamp::Heat => ClampInputs { heat: half(0.05), heat_order: 0.02, ..calm() },
        Clamp::Correlation => ClampInputs { correlation: half(0.65), ..calm() },
        Clamp::Leverage => ClampInputs { gross: Some(Money::from_units(29_500)), ..calm() },
        Clamp::Crisis => ClampInputs { crisis: half(1.0), ..calm() },
    }
}

/// The same inputs with that of one clamp not known.
fn unknown(clamp: Clamp) -> ClampInputs {
    let mut inputs = calm();
    match clamp {
        Clamp::Kelly => inputs.kelly = Input::Unknown,
        Clamp::Probability => inputs.probability = Input::Unknown,
        Clamp::Volatility => inputs.volatility = Input::Unknown,
        Clamp::Var => inputs.var = Input::Unknown,
        Clamp::Shortfall => inputs.shortfall = Input::Unknown,
        Clamp::Heat => inputs.heat = Input::Unknown,
        Clamp::Correlation => inputs.correlation = Input::Unknown,
        Clamp::Leverage => inputs.gross = None,
        Clamp::Crisis => inputs.crisis = Input::Unknown,
    }
    inputs
}

#[test]
fn each_clamp_reduces_for_its_own_reason() {
    let thousand = Money::from_units(1_000);
    assert_eq!(run(&all_on(), &calm(), thousand), Ok(thousand));
    for clamp in Clamp::ALL {
        let result = run(&all_on(), &halving(clamp), thousand);
        if clamp == Clamp::Crisis {
            let refusal = result.unwrap_err();
            assert_eq!((refusal.reason, refusal.value), (DenyReason::ClampedOut, Some(1.0)));
        } else {
            testkit::assert_close(result.unwrap().to_f64(), 500.0, 1e-9, 0.0);
        }
        let mut heard = Vec::new();
        let _ = chain(&all_on(), &halving(clamp), thousand, |c, _, before, after| heard.push((c, before, after)));
        let reduced: Vec<Clamp> = heard.iter().filter(|(_, b, a)| a < b).map(|(c, _, _)| *c).collect();
        assert_eq!(reduced, [clamp]);
    }
}

#[test]
fn what_is_configured_and_not_known_is_refused_and_what_is_not_configured_changes_nothing() {
    let thousand = Money::from_units(1_000);
    for clamp in Clamp::ALL {
        assert_eq!(run(&all_on(), &unknown(clamp), thousand).unwrap_err().reason, DenyReason::ClampInput, "{clamp:?}");
        assert_eq!(run(&ClampConfig::OFF, &unknown(clamp), thousand), Ok(thousand));
        assert_eq!(run(&ClampConfig::OFF, &halving(clamp), thousand), Ok(thousand));
    }
    let mut heard = Vec::new();
    chain(&ClampConfig::OFF, &calm(), thousand, |c, input, _, _| heard.push((c, input))).unwrap();
    assert_eq!(heard, Clamp::ALL.map(|c| (c, Input::NotConfigured)));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let inputs = ClampInputs { volatility: Input::Known(bad), ..calm() };
        assert_eq!(run(&all_on(), &inputs, thousand).unwrap_err().reason, DenyReason::ClampInput);
        assert_eq!(Input::of(Some(bad)), Input::Unknown);
    }
}

#[test]
fn bounds_that_are_none_are_named() {
    all_on().validate().unwrap();
    ClampConfig::OFF.validate().unwrap();
    ClampConfig::for_profile(&Profile::standard()).validate().unwrap();
    let kelly = KellyConfig::default();
    for (bad, name) in [
        (ClampConfig { kelly: Some(KellyConfig { fraction: 0.0, ..kelly }), ..all_on() }, "clamps.kelly.fraction"),
        (ClampConfig { kelly: Some(KellyConfig { cap: 1.1, ..kelly }), ..all_on() }, "clamps.kelly.cap"),
        (ClampConfig { var: Some(TailConfig { max: f64::NAN, required: true }), ..all_on() }, "clamps.var.max"),
        (ClampConfig { shortfall: Some(TailConfig { max: -0.1, required: true }), ..all_on() }, "clamps.shortfall.max"),
        (ClampConfig { heat_max: Some(0.0), ..all_on() }, "clamps.heat_max"),
        (ClampConfig { leverage_max: Some(f64::INFINITY), ..all_on() }, "clamps.leverage_max"),
        (ClampConfig { volatility_target: Some(-1.0), ..all_on() }, "clamps.volatility_target"),
        (
            ClampConfig { crisis: Some(CrisisConfig { fall: 0.0, ..CrisisConfig::default() }), ..all_on() },
            "clamps.crisis.fall",
        ),
        (
            ClampConfig { probability: Some(ProbabilityConfig { none_at: 0.7, full_at: 0.6 }), ..all_on() },
            "clamps.probability.none_at",
        ),
        (
            ClampConfig { correlation: Some(CorrelationConfig { full_at: 0.7, none_at: 0.6 }), ..all_on() },
            "clamps.correlation.full_at",
        ),
    ] {
        assert_eq!(bad.validate().unwrap_err().name, name);
    }
    let (off, on) = (ClampConfig::OFF.words(), all_on().words());
    assert!(off[..18].iter().zip(&on[..18]).all(|(a, b)| a != b), "every bound is in the fingerprint");
    assert_eq!(ClampConfig::for_profile(&Profile::Off), ClampConfig::OFF);
    assert_eq!(ClampConfig::for_profile(&Profile::Research(Limits::default())), ClampConfig::OFF);
}

/// Any double, the odd ones often.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -2.0..2.0_f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e-13, 1e18]),
    ]
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![1 => Just(Input::NotConfigured), 1 => Just(Input::Unknown), 6 => any_number().prop_map(Input::Known)]
}

fn any_money() -> impl Strategy<Value = Money> {
    prop_oneof![
        4 => (0..200_000_i64).prop_map(Money::from_units),
        1 => any::<i128>().prop_map(Money::from_raw),
        1 => any::<i64>().prop_map(|raw| Money::from_raw(i128::from(raw))),
    ]
}

fn any_inputs() -> impl Strategy<Value = ClampInputs> {
    let seven = (any_input(), any_input(), any_input(), any_input(), any_input(), any_input(), any_input());
    let parts = (any_number(), any_number(), any_number());
    (seven, parts, any_money(), prop::option::of(any_money()), any_input()).prop_map(
        |((kelly, probability, volatility, var, shortfall, heat, correlation), parts, equity, gross, crisis)| {
            let (var_part, shortfall_part, heat_order) = parts;
            ClampInputs {
                equity,
                kelly,
                probability,
                volatility,
                var,
                var_part,
                shortfall,
                shortfall_part,
                heat,
                heat_order,
                correlation,
                gross,
                crisis,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// No input raises a size, above what it was or above any cap.
    #[test]
    fn no_input_raises_a_size(inputs in any_inputs(), amount in any_money(), which in 0..512_u32) {
        let on = all_on();
        let config = ClampConfig {
            kelly: on.kelly.filter(|_| which & 1 > 0),
            probability: on.probability.filter(|_| which & 2 > 0),
            volatility_target: on.volatility_target.filter(|_| which & 4 > 0),
            var: on.var.filter(|_| which & 8 > 0),
            shortfall: on.shortfall.filter(|_| which & 16 > 0),
            heat_max: on.heat_max.filter(|_| which & 32 > 0),
            correlation: on.correlation.filter(|_| which & 64 > 0),
            leverage_max: on.leverage_max.filter(|_| which & 128 > 0),
            crisis: on.crisis.filter(|_| which & 256 > 0),
        };
        let mut last = amount;
        let mut grew = false;
        let result = chain(&config, &inputs, amount, |_, _, before, after| {
            grew |= before != last || after > before;
            last = after;
        });
        prop_assert!(!grew, "a clamp made it larger, or did not begin where the one before ended");
        let Ok(left) = result else { return Ok(()) };
        prop_assert_eq!(left, last);
        prop_assert!(left <= amount);
        if config == ClampConfig::OFF {
            return Ok(());
        }
        if config.kelly.is_some() {
            let cap = inputs.equity.times(Rate::from_bps(1000), domain::Rounding::Up);
            prop_assert!(cap.is_some_and(|cap| left <= cap), "more than 10 % of equity");
            prop_assert!(matches!(inputs.kelly, Input::Known(f) if f > 0.0));
        }
        if config.leverage_max.is_some() {
            let after = inputs.gross.unwrap().checked_add(left).unwrap();
            let cap = inputs.equity.times(Rate::from_raw(3 * Rate::ONE.raw()), domain::Rounding::Up);
            prop_assert!(cap.is_some_and(|cap| after <= cap), "more than 3 times equity");
        }
        if config.heat_max.is_some() && amount > Money::ZERO {
            let Input::Known(heat) = inputs.heat else { panic!("not known and passed") };
            let part = left.to_f64() / amount.to_f64();
            prop_assert!(heat + part * inputs.heat_order <= 0.06 * (1.0 + 1e-9), "heat {heat}");
        }
        for (on, part) in [(config.var.is_some(), inputs.var_part), (config.shortfall.is_some(), inputs.shortfall_part)] {
            prop_assert!(!on || part >= 1.0 || left.to_f64() <= part * amount.to_f64() * (1.0 + 1e-12));
        }
        prop_assert!(config.crisis.is_none() || inputs.crisis == Input::Known(0.0));
    }

    /// Worse inputs never leave more.
    #[test]
    fn the_chain_is_monotone(a in 0.0..1.0_f64, b in 0.0..1.0_f64, which in 0..8_usize) {
        let (less, more) = (a.min(b), a.max(b));
        let clamp = Clamp::ALL[which];
        let at = |x: f64| {
            let inputs = match clamp {
                Clamp::Kelly => ClampInputs { kelly: Input::Known(x), ..calm() },
                Clamp::Probability => ClampInputs { probability: Input::Known(x), ..calm() },
                Clamp::Volatility => ClampInputs { volatility: Input::Known(1.0 - x), ..calm() },
                Clamp::Var => ClampInputs { var_part: x, ..calm() },
                Clamp::Shortfall => ClampInputs { shortfall_part: x, ..calm() },
                Clamp::Heat => ClampInputs { heat: Input::Known(1.0 - x), ..calm() },
                Clamp::Correlation => ClampInputs { correlation: Input::Known(1.0 - x), ..calm() },
                Clamp::Leverage | Clamp::Crisis => {
                    ClampInputs { gross: Some(part::of(Money::from_units(40_000), 1.0 - x)), ..calm() }
                }
            };
            run(&all_on(), &inputs, Money::from_units(1_000)).unwrap_or(Money::ZERO)
        };
        prop_assert!(at(less) <= at(more), "{clamp:?}: {less} {more}");
    }
}

/// What an observer heard of the clamps.
#[derive(Default)]
struct Heard(Vec<ClampSeen>);

impl Observer for Heard {
    fn clamp(&mut self, _: UnixNanos, seen: &ClampSeen) {
        self.0.push(*seen);
    }
}

/// One perpetual each at 100, an account of 10,000 that may hold 100 times that, these clamps.
fn stage(config: ClampConfig) -> Stage {
    let limits = Limits {
        position_fraction_max: Rate::from_raw(100 * Rate::ONE.raw()),
        leverage_max: Rate::from_raw(100 * Rate::ONE.raw()),
        correlation_max: 1.0,
        ..Limits::default()
    };
    let mut stage = Stage::new(Profile::Research(limits));
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let idx = stage.perpetual(symbol);
        stage.mark(idx, 100);
    }
    stage.clamped(config);
    stage
}

fn quantity(stage: &mut Stage, signal: &Signal) -> Result<f64, DenyReason> {
    match stage.enter(signal) {
        Ok(entry) => {
            let quantity = match entry.spec.quantity {
                OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => q.to_f64(),
                OrderQuantity::QuoteAmount(amount) => amount.to_f64(),
            };
            stage.gate.exposure_mut().release(entry.reservation);
            Ok(quantity)
        }
        Err(refusal) => Err(refusal.reason),
    }
}

/// Minutes in which both move by +-`per_mille`, and then some more in which prices fall by as much each minute.
fn shake(stage: &mut Stage, minutes: u64, per_mille: i64, falling: u64) {
    let mut price = 100_000_000i64;
    for minute in 0..minutes + falling {
        stage.ts = UnixNanos(stage.ts.0 + 60_000_000_000);
        let up = minute % 2 == 0 && minute < minutes;
        price += price / 1000 * if up { per_mille } else { -per_mille };
        stage.print(BTC, price, MarketFlags::default());
        stage.print(ETH, price / 2, MarketFlags::default());
        stage.gate.sample(stage.ts, &stage.view);
    }
    stage.mark(BTC, 100);
    stage.mark(ETH, 100);
}

#[test]
fn kelly_sizes_a_fixed_quantity_and_refuses_without_statistics() {
    let mut stage = stage(ClampConfig { kelly: Some(KellyConfig::default()), ..ClampConfig::OFF });
    let long = stage.long(BTC, "50");
    assert_eq!(quantity(&mut stage, &long), Err(DenyReason::ClampInput));
    let statistics = SignalStatistics {
        win_probability: 0.6,
        mean_win: 1.0,
        mean_loss: 1.0,
        fees: 0.0,
        slippage: 0.0,
        holding_period: Nanos::from_secs(60),
        samples: 100,
    };
    // 5 % of 10,000 at 100.
    let with = Signal { statistics: Some(statistics), ..long };
    testkit::assert_close(quantity(&mut stage, &with).unwrap(), 5.0, 1e-6, 0.0);
    let hopeless = Signal { statistics: Some(SignalStatistics { win_probability: 0.4, ..statistics }), ..long };
    assert_eq!(quantity(&mut stage, &hopeless), Err(DenyReason::ClampedOut));
    let probability = ClampConfig { probability: Some(ProbabilityConfig::default()), ..ClampConfig::OFF };
    stage.clamped(probability);
    assert_eq!(quantity(&mut stage, &with), Err(DenyReason::ClampInput), "no model says one yet");
    // Reductions never meet a clamp.
    stage.trade(0, BTC, Side::Buy, "1", 100);
    let out = stage.order(BTC, Side::Sell, OrderType::Market, "1");
    stage.reduce(out, crate::check::OwnOrders::default()).unwrap();
}

#[test]
fn leverage_and_heat_leave_what_their_caps_have_room_for() {
    let mut leverage = stage(ClampConfig { leverage_max: Some(1.0), ..ClampConfig::OFF });
    leverage.trade(1, ETH, Side::Buy, "70", 100);
    shake(&mut leverage, 101, 1, 0);
    let long = leverage.long(BTC, "50");
    testkit::assert_close(quantity(&mut leverage, &long).unwrap(), 30.0, 1e-6, 0.0);
    leverage.trade(1, ETH, Side::Buy, "30", 100);
    assert_eq!(quantity(&mut leverage, &long), Err(DenyReason::ClampedOut));

    // Each position's stop is 1 % away; of the one held none is known until the desk says where it is.
    let mut heat = stage(ClampConfig { heat_max: Some(0.01), ..ClampConfig::OFF });
    testkit::assert_close(quantity(&mut heat, &long).unwrap(), 50.0, 1e-9, 0.0);
    let large = heat.long(BTC, "200");
    testkit::assert_close(quantity(&mut heat, &large).unwrap(), 100.0, 1e-6, 0.0);
    heat.trade(1, ETH, Side::Buy, "50", 100);
    shake(&mut heat, 101, 1, 0);
    assert_eq!(quantity(&mut heat, &large), Err(DenyReason::ClampedOut), "half the account without a stop");
    heat.gate.set_stop((ACCOUNT, ETH, domain::StrategyIdx(1)), Some(testkit::price("99")));
    testkit::assert_close(quantity(&mut heat, &large).unwrap(), 50.0, 1e-6, 0.0);
}

#[test]
fn value_at_risk_never_passes_its_limit_after_the_clamp() {
    let config = ClampConfig {
        var: Some(TailConfig { max: 0.02, required: true }),
        shortfall: Some(TailConfig { max: 0.03, required: false }),
        ..ClampConfig::OFF
    };
    let mut required = stage(config);
    let long = required.long(BTC, "100");
    assert_eq!(quantity(&mut required, &long), Err(DenyReason::ClampInput));
    let mut known = stage(ClampConfig { var: Some(TailConfig { max: 0.02, required: false }), ..config });
    assert_eq!(
        quantity(&mut known, &long),
        Err(DenyReason::VarUnknown),
        "all of it may be lost, for all that is known"
    );
    let small = known.long(BTC, "2");
    testkit::assert_close(quantity(&mut known, &small).unwrap(), 2.0, 1e-9, 0.0);
    for per_mille in [1, 2, 5, 10, 50] {
        let mut stage = stage(config);
        shake(&mut stage, u64::from(SAMPLES_MIN) + 20, per_mille, 0);
        let left = quantity(&mut stage, &long).unwrap();
        assert!(left < 100.0, "{per_mille}");
        let line = |exposure| crate::metrics::Line { instrument: BTC, exposure };
        let tail = stage.gate.metrics_mut().tail(&[line(100.0 * left)]).unwrap().enforced();
        let (var, es) = (tail.var / 10_000.0, tail.es / 10_000.0);
        assert!(var <= 0.02 && es <= 0.03, "{per_mille}: {var} {es}");
        assert!(var > 0.0199 || es > 0.0299, "{per_mille}: {var} {es}, less than would fit");
    }
}

#[test]
fn a_crisis_stops_new_risk_and_ends() {
    let mut stage = stage(ClampConfig { crisis: Some(CrisisConfig::default()), ..ClampConfig::OFF });
    let long = stage.long(BTC, "1");
    assert_eq!(quantity(&mut stage, &long), Err(DenyReason::ClampInput), "not known yet");
    shake(&mut stage, 240, 1, 0);
    assert_eq!(quantity(&mut stage, &long), Ok(1.0));
    shake(&mut stage, 0, 10, 20);
    assert_eq!(quantity(&mut stage, &long), Err(DenyReason::ClampedOut));
    // After the fall has left the window and an hour was calm.
    shake(&mut stage, 700, 1, 0);
    assert_eq!(quantity(&mut stage, &long), Ok(1.0));
}

#[test]
fn volatility_and_correlation_shrink_an_entry() {
    let mut volatile = stage(ClampConfig { volatility_target: Some(0.05), ..ClampConfig::OFF });
    let long = volatile.long(BTC, "1");
    assert_eq!(quantity(&mut volatile, &long), Err(DenyReason::ClampInput));
    shake(&mut volatile, 600, 1, 0);
    // A per mille a minute is 3.8 % a day, ten per mille 38 %.
    assert_eq!(quantity(&mut volatile, &long), Ok(1.0));
    shake(&mut volatile, 600, 10, 0);
    testkit::assert_close(quantity(&mut volatile, &long).unwrap(), 0.05 / 0.3795, 0.02, 0.0);

    let alike = CorrelationConfig { full_at: 0.4, none_at: 1.0 };
    let mut correlated = stage(ClampConfig { correlation: Some(alike), ..ClampConfig::OFF });
    assert_eq!(quantity(&mut correlated, &long), Ok(1.0), "nothing else is held");
    correlated.trade(1, ETH, Side::Buy, "1", 100);
    // The check of the correlation says it before the lot does, to which nothing was left.
    assert_eq!(quantity(&mut correlated, &long), Err(DenyReason::CorrelationUnknown));
    correlated.correlate(BTC, ETH, 0.7, 100);
    testkit::assert_close(quantity(&mut correlated, &long).unwrap(), 0.5, 0.01, 0.0);
    let short = correlated.short(BTC, "1");
    assert_eq!(quantity(&mut correlated, &short), Ok(1.0), "the other way it hedges");
}

#[test]
fn an_observer_hears_every_clamp_before_the_checks() {
    let mut stage = stage(ClampConfig { leverage_max: Some(0.05), ..ClampConfig::OFF });
    let signal = stage.signal(Intent::EnterLong, BTC, SizeRequest::Base(testkit::quantity("10")));
    let mut heard = Heard::default();
    stage.enter_heard(&signal, &mut heard).unwrap();
    assert_eq!(heard.0.iter().map(|c| c.name).collect::<Vec<_>>(), Clamp::ALL.map(Clamp::key));
    for seen in &heard.0 {
        let leverage = seen.name == "leverage";
        assert_eq!(seen.input, leverage.then_some(0.1), "{seen:?}");
        assert_eq!(seen.before, Money::from_units(if seen.name == "crisis" { 500 } else { 1_000 }), "{seen:?}");
        assert_eq!(seen.after < seen.before, leverage, "{seen:?}");
    }
}

#[test]
fn without_limits_nothing_is_clamped_and_tighter_limits_have_their_own() {
    let mut off = Stage::new(Profile::Off);
    let btc = off.spot("BTCUSDT");
    off.mark(btc, 100);
    off.clamped(all_on());
    let mut heard = Heard::default();
    let signal = off.signal(Intent::EnterLong, btc, SizeRequest::AllIn);
    off.enter_heard(&signal, &mut heard).unwrap();
    assert!(heard.0.is_empty());
    let limits = Limits { positions_max: 5, ..Limits::default() };
    let tight = Profile::Standard(StandardLimits::tightened(limits).unwrap());
    assert_eq!(ClampConfig::for_profile(&tight).heat_max, Some(0.1));
}

#[test]
fn a_gate_goes_on_where_it_was_saved_and_not_with_other_clamps() {
    let config = ClampConfig { crisis: Some(CrisisConfig::default()), heat_max: Some(1.0), ..ClampConfig::OFF };
    let mut stage = stage(config);
    shake(&mut stage, 240, 1, 0);
    stage.gate.set_stop((ACCOUNT, BTC, domain::StrategyIdx(0)), Some(testkit::price("99")));
    let mut bytes = Vec::new();
    stage.gate.save(&mut bytes);
    let fresh = |config| {
        let mut gate = crate::Gate::new(*stage.gate.profile()).with_clamps(config);
        [BTC, ETH].iter().for_each(|idx| gate.add_sharer(*idx));
        gate
    };
    let mut loaded = fresh(config);
    loaded.load(&mut domain::codec::Reader::new(&bytes)).unwrap().finish().unwrap();
    let of = |gate: &crate::Gate| {
        let mut d = domain::Digest::default();
        domain::Digestible::digest(gate, &mut d);
        d.value()
    };
    assert_eq!(of(&loaded), of(&stage.gate));
    assert_eq!(loaded.stops().get((ACCOUNT, BTC, domain::StrategyIdx(0))), Some(testkit::price("99")));
    let error = fresh(all_on()).load(&mut domain::codec::Reader::new(&bytes)).unwrap_err();
    assert_eq!(error, domain::codec::CodecError::Parameter { what: "the bounds of the clamps" });
}
