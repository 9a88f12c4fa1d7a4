//! All that happened within one event of a run.

use crate::explain::collect::{Pass, Step};
use crate::explain::facts::{CheckFacts, ClampFacts, EventFacts, IndicatorFacts, SignalFacts, SizeFacts};
use crate::explain::rerun::Replayed;
use crate::explain::story::{self, Names};
use crate::explain::words;
use domain::StrategyIdx;
use risk::{CommandRecord, Decision};
use serde::Serialize;
use std::collections::BTreeSet;

/// One event.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// The event.
    pub event: EventFacts,
    /// The strategies that looked, with what they saw and said.
    pub strategies: Vec<Looked>,
    /// Orders at the pre-trade gate.
    pub gate: Vec<AtGate>,
    /// What a fill did to the ledger.
    pub booked: Option<Booked>,
    /// What the engine said, in words, in order.
    pub said: Vec<String>,
    /// How it was found out.
    pub replay: Replayed,
}

/// A strategy within an event.
#[derive(Clone, Debug, Serialize)]
pub struct Looked {
    /// Its number.
    pub strategy: u16,
    /// Its name.
    pub name: String,
    /// What it saw.
    pub indicators: Vec<IndicatorFacts>,
    /// What it said.
    pub signals: Vec<SignalFacts>,
}

/// An order at the gate.
#[derive(Clone, Debug, Serialize)]
pub struct AtGate {
    /// The order in words.
    pub order: String,
    /// Whether it left.
    pub approved: bool,
    /// How its size was arrived at.
    pub size: Option<SizeFacts>,
    /// The clamps of its size.
    pub clamps: Vec<ClampFacts>,
    /// Its checks.
    pub checks: Vec<CheckFacts>,
}

/// A fill in the ledger.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Booked {
    /// Realised, before fees, in quote.
    pub realised: f64,
    /// Its fee, in quote.
    pub fee: f64,
    /// The strategy's position after it, in base.
    pub position: f64,
}

impl Moment {
    /// Of a step.
    #[must_use]
    pub fn new(names: &Names<'_>, step: &Step, replay: Replayed) -> Self {
        let looked: BTreeSet<StrategyIdx> =
            (step.indicators.iter().map(|i| i.strategy)).chain(step.signals.iter().map(|s| s.strategy)).collect();
        let of = |strategy: StrategyIdx| {
            let own = step.signals.iter().filter(|s| s.strategy == strategy);
            Looked {
                strategy: strategy.0,
                name: names.strategy(strategy).name,
                indicators: story::indicators(&step.indicators, strategy),
                signals: own.map(|s| names.signal(step.seq, step.ts, s)).collect(),
            }
        };
        let at_gate = |pass: &Pass| {
            let reason = step.said.iter().find_map(|said| match said {
                CommandRecord::Decision(Decision::Refused { strategy, refusal, .. })
                    if *strategy == pass.order.strategy && !pass.approved =>
                {
                    Some(refusal.reason)
                }
                _ => None,
            });
            AtGate {
                order: describe(
                    names,
                    &CommandRecord::Submit {
                        spec: pass.order,
                        class: pass.class,
                        research: false,
                        valid_until: step.ts,
                    },
                ),
                approved: pass.approved,
                size: names.size(pass),
                clamps: names.clamps(pass),
                checks: names.checks(pass, reason),
            }
        };
        Self {
            event: names.event(step),
            strategies: looked.into_iter().map(of).collect(),
            gate: step.passes.iter().map(at_gate).collect(),
            booked: step.booked.map(|b| Booked {
                realised: b.realised.to_f64(),
                fee: b.fee.to_f64(),
                position: b.position.quantity.to_f64(),
            }),
            said: step.said.iter().map(|said| describe(names, said)).collect(),
            replay,
        }
    }
}

/// What the engine said, in words.
fn describe(names: &Names<'_>, said: &CommandRecord) -> String {
    match said {
        CommandRecord::List { first, second } => {
            let one = |record: &risk::ApprovedRecord| {
                let (spec, class, research, valid_until) =
                    (record.spec, record.class, record.research, record.valid_until);
                describe(names, &CommandRecord::Submit { spec, class, research, valid_until })
            };
            format!("{}; and {}, of which what fills first takes the other off", one(first), one(second))
        }
        CommandRecord::Decision(Decision::Group { group, kind, strategy, legs, .. }) => {
            let kind = kind.key().replace('_', " ");
            format!("strategy {} asks for group {group}: {kind}, of {legs} legs", strategy.0)
        }
        CommandRecord::Decision(Decision::GroupStep { group, leg, instrument, step, refusal, .. }) => {
            let why = refusal.map_or_else(String::new, |refusal| format!(": {refusal}"));
            format!("group {group}, leg {leg} in {}: {}{why}", names.symbol(*instrument), step.key())
        }
        CommandRecord::Submit { spec, .. } => {
            let (base, quote) = names.assets(spec.instrument);
            let size = match spec.quantity {
                domain::OrderQuantity::Base(q) => format!("{q} {base}"),
                domain::OrderQuantity::Contracts(q) => format!("{q} contracts"),
                domain::OrderQuantity::QuoteAmount(a) => format!("{base} for {} {quote}", words::money(a)),
            };
            format!(
                "order {} of strategy {}: {} {size}, {}",
                spec.client_id.ordinal(),
                spec.strategy.0,
                words::side(spec.side),
                words::kind(&spec.kind, &quote)
            )
        }
        CommandRecord::Cancel { client_id } => format!("cancel of order {}", client_id.ordinal()),
        CommandRecord::Query { client_id } => format!("the venue is asked where order {} is", client_id.ordinal()),
        CommandRecord::Reconcile { account, .. } => format!("the venue is asked how account {} stands", account.0),
        CommandRecord::Timer { at, .. } => format!("a timer for {} UTC", words::clock(*at)),
        CommandRecord::Infer(request) => format!("a question to model {}", request.model),
        CommandRecord::Decision(Decision::Signal(s)) => {
            format!("strategy {} wants to {} in {}", s.strategy.0, words::intent(s.intent), names.symbol(s.instrument))
        }
        CommandRecord::Gate { level } => format!("the gate word is to be set to {level}"),
        CommandRecord::Decision(
            Decision::Mode { .. }
            | Decision::Alert(_)
            | Decision::Limit { .. }
            | Decision::Rearmed { .. }
            | Decision::Difference(_)
            | Decision::Reconciled { .. },
        ) => words::safety(said).unwrap_or_default(),
        CommandRecord::Decision(Decision::Worked { strategy, intent, style, target, .. }) => {
            format!("strategy {} is worked to {}: {target} by {}", strategy.0, words::intent(*intent), style.name())
        }
        CommandRecord::Decision(Decision::WorkEnded { strategy, target, filled, end, .. }) => {
            format!("what strategy {} had worked ended with {filled} of {target}: {}", strategy.0, end.name())
        }
        CommandRecord::Decision(Decision::Refused { strategy, intent, refusal, .. }) => format!(
            "refused: strategy {} may not {}: {}",
            strategy.0,
            words::intent(*intent),
            words::refused(refusal.reason).0
        ),
    }
}
