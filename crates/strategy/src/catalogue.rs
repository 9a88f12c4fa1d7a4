//! The strategies by name, with their parameters: the one list that the command line, reports and documentation read.

use crate::Strategy;
use crate::breakout_pair::{BreakoutPair, Rules};
use crate::buy_and_hold::BuyAndHold;
use crate::donchian::Breakout;
use crate::ma_cross::{Enter, MaCross};
use crate::params::{ParamDef, ParamError, Params, parse_seconds};
use crate::rule::{Rule, RuleStrategy, Setup};
use crate::stop::Protection;
use crate::work::WorkRule;
use domain::{AccountId, Instrument, Nanos, SizeRequest, StrategyIdx};
use quant::indicator::{Donchian, Ema, Sma};

/// One kind of strategy.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Its parameters.
    pub params: &'static [ParamDef],
}

const BAR: ParamDef = ParamDef {
    name: "bar",
    default: "as it comes",
    allowed: "a length such as 15m, 4h, 1d",
    help: "aggregates the input into bars of this length first",
};
const INSTRUMENT: ParamDef = ParamDef {
    name: "instrument",
    default: "every one",
    allowed: "a symbol of the data",
    help: "trades this instrument only",
};
const SHORT: ParamDef =
    ParamDef { name: "short", default: "no", allowed: "no or yes", help: "also goes short, on perpetuals" };
const ENTER: ParamDef = ParamDef {
    name: "enter",
    default: "cross",
    allowed: "cross or level",
    help: "acts on the bar of the cross (strictly below on the bar before, strictly above on this one, or the other way round: through \
           equality is no cross), or on any bar on which the averages stand that way",
};

const fn period(name: &'static str, default: &'static str, help: &'static str) -> ParamDef {
    ParamDef { name, default, allowed: "a whole number from 1 to 100000", help }
}

const CROSS: &[ParamDef] = &[
    period("fast", "20", "bars of the fast average"),
    period("slow", "50", "bars of the slow average, more than fast"),
    ENTER,
    SHORT,
    BAR,
    INSTRUMENT,
];

const KINDS: &[Kind] = &[
    Kind { name: "sma-cross", summary: "long while a fast simple moving average is above a slow one", params: CROSS },
    Kind {
        name: "ema-cross",
        summary: "long while a fast exponential moving average is above a slow one",
        params: CROSS,
    },
    Kind {
        name: "donchian",
        summary: "long when the close breaks the channel of the bars before, flat when it breaks the shorter one downwards",
        params: &[
            period("entry", "20", "bars of the entry channel"),
            period("exit", "10", "bars of the exit channel"),
            SHORT,
            BAR,
            INSTRUMENT,
        ],
    },
    Kind {
        name: "breakout-pair",
        summary: "a pair of resting orders, one beyond each edge of the channel of the last bars: the first that fills takes the other off",
        params: &[
            period("entry", "20", "bars of the channel"),
            ParamDef {
                name: "target",
                default: "2",
                allowed: "a whole number from 0 to 100",
                help: "where profit is taken beyond the entry, in widths of the channel; 0 for nowhere",
            },
            ParamDef {
                name: "valid",
                default: "4h",
                allowed: "a length such as 15m, 4h, 1d",
                help: "how long a pair waits before it is asked for anew",
            },
            SHORT,
            BAR,
            INSTRUMENT,
        ],
    },
    Kind {
        name: "buy-and-hold",
        summary: "buys once and holds, for comparison",
        params: &[
            ParamDef {
                name: "enter_bar",
                default: "0",
                allowed: "a whole number from 0",
                help: "the bar, from 0, at whose close it buys",
            },
            BAR,
            INSTRUMENT,
        ],
    },
];

/// All kinds, in the order in which they are listed.
#[must_use]
pub fn kinds() -> &'static [Kind] {
    KINDS
}

/// A strategy as it is asked for, before it is made for an instrument.
#[derive(Clone, Debug)]
pub struct Blueprint {
    kind: &'static Kind,
    params: Params,
    /// How large entries are.
    pub size: SizeRequest,
    /// How its positions are protected.
    pub stop: Protection,
    /// How its orders are worked; `None` for at once.
    pub work: Option<WorkRule>,
}

impl Blueprint {
    /// Of the kind `name`, with its parameters checked.
    ///
    /// # Errors
    /// [`ParamError`] for an unknown kind or parameter, or one out of its range.
    pub fn new(name: &str, params: Params, size: SizeRequest, stop: impl Into<Protection>) -> Result<Self, ParamError> {
        let Some(kind) = KINDS.iter().find(|k| k.name == name) else {
            let names: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
            return Err(ParamError::OutOfRange {
                name: "strategy".into(),
                value: name.to_owned(),
                allowed: format!("one of {}", names.join(", ")),
            });
        };
        params.check_names(kind.name, kind.params)?;
        let blueprint = Self { kind, params, size, stop: stop.into(), work: None };
        blueprint.bar_s()?;
        // Everything but the instrument is known: a trial build finds what is wrong before any data is read.
        blueprint.periods()?;
        blueprint.params.word("short", &["no", "yes"])?;
        blueprint.valid()?;
        Ok(blueprint)
    }

    /// The same with its orders worked.
    #[must_use]
    pub fn with_work(self, work: Option<WorkRule>) -> Self {
        Self { work, ..self }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind.name
    }

    /// Its parameters as they were given.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The one instrument that it trades; `None` for every one.
    #[must_use]
    pub fn instrument(&self) -> Option<&str> {
        self.params.text("instrument")
    }

    /// The length of its bars in seconds; `None` for the input's own.
    ///
    /// # Errors
    /// [`ParamError::OutOfRange`] for what is no length.
    pub fn bar_s(&self) -> Result<Option<u32>, ParamError> {
        let Some(text) = self.params.text("bar") else { return Ok(None) };
        parse_seconds(text).map(Some).ok_or_else(|| ParamError::OutOfRange {
            name: "bar".into(),
            value: text.to_owned(),
            allowed: BAR.allowed.into(),
        })
    }

    /// How long a pair waits.
    fn valid(&self) -> Result<Nanos, ParamError> {
        let text = self.params.text("valid").unwrap_or("4h");
        let seconds = parse_seconds(text).ok_or_else(|| ParamError::OutOfRange {
            name: "valid".into(),
            value: text.to_owned(),
            allowed: BAR.allowed.into(),
        })?;
        Ok(Nanos::from_secs(u64::from(seconds)))
    }

    /// The two periods of a cross or a channel, in their order; `enter_bar` as the first for buy-and-hold; of a
    /// breakout by pairs the channel and how many widths away profit is taken.
    fn periods(&self) -> Result<(usize, usize), ParamError> {
        let max = quant::indicator::PERIOD_MAX;
        match self.kind.name {
            "donchian" => Ok((self.params.count("entry", 20, 1, max)?, self.params.count("exit", 10, 1, max)?)),
            "breakout-pair" => Ok((self.params.count("entry", 20, 1, max)?, self.params.count("target", 2, 0, 100)?)),
            "buy-and-hold" => Ok((self.params.count("enter_bar", 0, 0, usize::MAX)?, 0)),
            _ => {
                let (fast, slow) = (self.params.count("fast", 20, 1, max)?, self.params.count("slow", 50, 1, max)?);
                if fast >= slow {
                    let allowed = format!("more than fast={fast}");
                    return Err(ParamError::OutOfRange { name: "slow".into(), value: slow.to_string(), allowed });
                }
                self.params.word("enter", &["cross", "level"])?;
                Ok((fast, slow))
            }
        }
    }
}

/// Makes the strategy for one instrument.
///
/// # Errors
/// [`ParamError`] if a parameter is out of its range, or the bars cannot be made of candles of `input_s` seconds (`None` for trades and
/// quotes, of which any can).
pub fn build(
    blueprint: &Blueprint,
    strategy: StrategyIdx,
    account: AccountId,
    instrument: &Instrument,
    input_s: Option<u32>,
) -> Result<Box<dyn Strategy>, ParamError> {
    let asked = blueprint.bar_s()?;
    // Shorter bars cannot be made of longer candles, and a candle that lies in two bars would belong to neither.
    if let (Some(bar_s), Some(input_s)) = (asked, input_s)
        && (input_s == 0 || bar_s % input_s != 0)
    {
        return Err(ParamError::OutOfRange {
            name: "bar".into(),
            value: blueprint.params.text("bar").unwrap_or_default().to_owned(),
            allowed: format!("a multiple of the candles' own length, {input_s} s"),
        });
    }
    let setup = Setup {
        strategy,
        account,
        instrument: instrument.idx,
        price_decimals: instrument.price_decimals,
        quantity_decimals: instrument.quantity_decimals,
        // Bars of the input's own length need no aggregation.
        bar_s: asked.filter(|s| Some(*s) != input_s),
        size: blueprint.size,
        stop: blueprint.stop,
        short: blueprint.params.word("short", &["no", "yes"])? == "yes",
        work: blueprint.work,
    };
    let (first, second) = blueprint.periods()?;
    let enter = match blueprint.params.word("enter", &["cross", "level"])? {
        "level" => Enter::Level,
        _ => Enter::Cross,
    };
    let range = |e: quant::error::ParameterError| ParamError::OutOfRange {
        name: "period".into(),
        value: format!("{first},{second}"),
        allowed: e.to_string(),
    };
    match blueprint.kind.name {
        "sma-cross" => {
            boxed(setup, MaCross::new(Sma::new(first).map_err(range)?, Sma::new(second).map_err(range)?, enter))
        }
        "ema-cross" => {
            boxed(setup, MaCross::new(Ema::new(first).map_err(range)?, Ema::new(second).map_err(range)?, enter))
        }
        "donchian" => {
            boxed(setup, Breakout::new(Donchian::new(first).map_err(range)?, Donchian::new(second).map_err(range)?))
        }
        "breakout-pair" => {
            let value = setup.bar_s.map_or_else(String::new, |s| format!("{s}s"));
            let rules = Rules {
                channel: Donchian::new(first).map_err(range)?,
                // At most a hundred.
                target: second as u32,
                valid: blueprint.valid()?,
            };
            let pair = BreakoutPair::new(setup, rules).ok_or_else(|| not_a_bar(value))?;
            Ok(Box::new(pair))
        }
        _ => boxed(setup, BuyAndHold::new(first as u64)),
    }
}

fn boxed<R: Rule + 'static>(setup: Setup, rule: R) -> Result<Box<dyn Strategy>, ParamError> {
    let value = setup.bar_s.map_or_else(String::new, |s| format!("{s}s"));
    match RuleStrategy::new(setup, rule) {
        Some(strategy) => Ok(Box::new(strategy)),
        None => Err(not_a_bar(value)),
    }
}

fn not_a_bar(value: String) -> ParamError {
    ParamError::OutOfRange { name: "bar".into(), value, allowed: "a length that divides a day or is whole days".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::InstrumentTable;

    fn blueprint(name: &str, params: &[&str]) -> Result<Blueprint, ParamError> {
        let mut given = Params::default();
        params.iter().try_for_each(|p| given.add(p))?;
        Blueprint::new(name, given, SizeRequest::Cap, crate::StopRule::None)
    }

    #[test]
    fn every_kind_can_be_built_with_its_defaults() {
        let mut table = InstrumentTable::default();
        let instrument = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        for kind in kinds() {
            let built = build(&blueprint(kind.name, &[]).unwrap(), StrategyIdx(0), AccountId(0), &instrument, Some(60))
                .unwrap();
            assert_eq!(built.name(), kind.name);
            assert_eq!(built.instruments(), [instrument.idx]);
        }
    }

    #[test]
    fn bars_are_multiples_of_the_candles() {
        let mut table = InstrumentTable::default();
        let instrument = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let of = |bar: &str, input_s| {
            let asked = blueprint("donchian", &[bar]).unwrap();
            build(&asked, StrategyIdx(0), AccountId(0), &instrument, input_s).map(|_| ()).map_err(|e| e.to_string())
        };
        for bar in ["bar=1m", "bar=7m", "bar=4h", "bar=1d"] {
            assert_eq!(of(bar, Some(60)), Ok(()), "{bar}");
        }
        for bar in ["bar=30s", "bar=90s"] {
            assert!(of(bar, Some(60)).unwrap_err().contains("a multiple of the candles' own length, 60 s"), "{bar}");
            assert_eq!(of(bar, None), Ok(()), "{bar} of trades");
        }
    }

    #[test]
    fn what_is_wrong_is_found_before_any_data_is_read() {
        let error = |name, params: &[&str]| blueprint(name, params).unwrap_err().to_string();
        assert!(error("hodl", &[]).contains("one of sma-cross, ema-cross, donchian, breakout-pair, buy-and-hold"));
        assert!(error("sma-cross", &["fast=0"]).contains("fast=0"));
        assert!(error("sma-cross", &["fast=50"]).contains("slow=50: expected more than fast=50"));
        assert!(error("sma-cross", &["enter=now"]).contains("cross or level"));
        assert!(error("donchian", &["fast=3"]).contains("no parameter `fast`; it has entry, exit"));
        assert!(error("ema-cross", &["bar=4x"]).contains("bar=4x"));
        assert!(error("ema-cross", &["short=maybe"]).contains("no or yes"));
        assert!(error("breakout-pair", &["valid=4x"]).contains("valid=4x"));
        assert!(error("breakout-pair", &["target=101"]).contains("target=101"));
    }
}
