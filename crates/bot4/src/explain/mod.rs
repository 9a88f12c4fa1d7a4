//! Explanations: why an order left or a signal was refused, and what became of it.
//!
//! ```text
//! journal -- scan --> which events the story is made of -- rerun --> what happened within them -- story --> facts --> text, picture
//! ```
//!
//! Orders, fills and refusals are the journal's; what only the engine knew (indicators, checks with their numbers, sizes, the ledger) is
//! found by playing the run again from the nearest snapshot, on the record. Nothing in the folder is changed.

pub mod collect;
pub mod facts;
pub mod moment;
pub mod picture;
pub mod prices;
pub mod rerun;
pub mod scan;
pub mod story;
pub mod summary;
pub mod text;
pub mod words;

use crate::command::CommandError;
use crate::runner::run_folder::{RunFolder, Start};
use collect::{Pass, Step};
use domain::{ReportBody, Signal, UnixNanos};
use facts::{EventFacts, Explanation, TradeFacts};
use prices::{Prices, Window};
use rerun::{Rerun, rerun};
use scan::{Index, Key, OrderLine, Purpose, Record, RefusalLine, What};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use story::Names;

/// What a story is told of: the folder of a run, its first record, what its journal says of orders.
pub struct Source<'a> {
    /// The folder.
    pub folder: &'a RunFolder,
    /// The first record.
    pub start: &'a Start,
    /// Orders and refusals.
    pub index: &'a Index,
    /// Where the inputs are now, if they were moved.
    pub data: &'a [PathBuf],
    /// Set by whoever wants it to end.
    pub stop: &'a AtomicBool,
}

/// A story with the prices around it.
pub struct Told {
    /// The facts.
    pub facts: Explanation,
    /// Prices around it.
    pub prices: Prices,
}

/// The most fills of one position that are looked at when it is played again.
const FILLS_MAX: usize = 64;

impl Source<'_> {
    /// Tells of an order.
    ///
    /// # Errors
    /// If the journal cannot be read or the run cannot be played again.
    pub fn order(&self, line: &OrderLine) -> Result<Told, CommandError> {
        let entry = line.entry.and_then(|at| self.index.orders.get(at));
        let first = if line.purpose == Purpose::Entry { Some(line) } else { entry };
        let from = first.map_or(line.seq, |first| first.seq).min(line.seq);
        let journal = self.folder.journal();
        let records = scan::records_of(&journal, self.index, line.key(), from).map_err(CommandError::failed)?;
        // The signal of its own, else the one of the entry that it protects.
        let signalled = line.signal.or_else(|| first.and_then(|first| first.signal));
        let mut events: BTreeSet<u64> =
            [Some(line.seq), signalled, first.map(|first| first.seq)].into_iter().flatten().collect();
        events.extend(records.iter().filter(|r| is_fill(r)).take(FILLS_MAX).map(|r| r.seq));
        let Rerun { opened, steps, replayed } = self.play(&events)?;
        let names = Names::new(&opened, self.index);
        let signal = signalled.and_then(|seq| signal_of(&steps, seq, line.key()));
        let gate = steps.get(&line.seq).and_then(|step| {
            step.passes.iter().rfind(|pass| pass.approved && pass.order.client_id == line.spec.client_id)
        });
        let mut facts = self.begin(&names, line.key(), signalled, signal, &steps, gate, None);
        facts.replay = replayed;
        if signalled != Some(line.seq) {
            facts.cause = steps.get(&line.seq).map(|step| names.event(step));
        }
        facts.order = Some(names.order(line));
        facts.life = names.life(line, &records);
        let instrument = names.instrument(line.spec.instrument);
        let own = if line.signal.is_some() { signal } else { None };
        let decision = story::decision_price(line, own.map(|(_, s)| s), instrument);
        facts.execution =
            names.execution(line, &records, decision, |seq| steps.get(&seq).and_then(|step| step.booked.as_ref()));
        facts.entry = entry.filter(|_| line.purpose != Purpose::Entry).map(|entry| names.order(entry));
        // What is filled on the event of the entry itself closed the position before.
        let filled = steps.values().filter(|step| step.seq > from);
        facts.trade = names.trade(filled, &records).filter(|trade| in_trip(trade, first));
        let until = facts.trade.as_ref().and_then(|t| t.exit_ts).unwrap_or(i64::MAX);
        facts.others = self.others(&names, line, &records, until);
        let prices = self.prices(&opened, &names, &mut facts, line.spec.instrument)?;
        facts.summary = summary::of_order(&facts);
        Ok(Told { facts, prices })
    }

    /// Tells of a refusal.
    ///
    /// # Errors
    /// If the run cannot be played again.
    pub fn refusal(&self, line: &RefusalLine) -> Result<Told, CommandError> {
        let events: BTreeSet<u64> = [line.signal, line.seq].into();
        let Rerun { opened, steps, replayed } = self.play(&events)?;
        let names = Names::new(&opened, self.index);
        let key = (crate::runner::plan::ACCOUNT, line.instrument, line.strategy);
        let signal = signal_of(&steps, line.signal, key);
        let of = |pass: &&Pass| {
            !pass.approved && (pass.order.instrument, pass.order.strategy) == (line.instrument, line.strategy)
        };
        let gate = steps.get(&line.seq).and_then(|step| step.passes.iter().rfind(of));
        let mut facts = self.begin(&names, key, Some(line.signal), signal, &steps, gate, Some(line));
        facts.replay = replayed;
        if let Some(refusal) = &mut facts.refusal {
            // The run stands right after the refusal.
            refusal.held = names.held();
        }
        if line.signal != line.seq {
            facts.cause = steps.get(&line.seq).map(|step| names.event(step));
        }
        let prices = self.prices(&opened, &names, &mut facts, line.instrument)?;
        facts.summary = summary::of_refusal(&facts);
        Ok(Told { facts, prices })
    }

    /// All that happened within one event.
    ///
    /// # Errors
    /// If the run cannot be played again, or has no such event.
    pub fn moment(&self, seq: u64) -> Result<moment::Moment, CommandError> {
        let Rerun { opened, steps, replayed } = self.play(&[seq].into())?;
        let Some(step) = steps.get(&seq) else {
            return Err(CommandError::usage(format!(
                "--seq {seq}: the record of this run ends with event {}",
                opened.plan.session.seq()
            )));
        };
        Ok(moment::Moment::new(&Names::new(&opened, self.index), step, replayed))
    }

    fn play(&self, events: &BTreeSet<u64>) -> Result<Rerun, CommandError> {
        rerun(self.folder, self.start.clone(), self.data, events, self.index.last_seq, self.stop)
    }

    /// What led to an order or a refusal.
    #[allow(clippy::too_many_arguments, reason = "the parts of one story, each found in its own way")]
    fn begin(
        &self,
        names: &Names<'_>,
        key: Key,
        signalled: Option<u64>,
        signal: Option<(UnixNanos, &Signal)>,
        steps: &BTreeMap<u64, Step>,
        gate: Option<&Pass>,
        refused: Option<&RefusalLine>,
    ) -> Explanation {
        let (base, quote) = names.assets(key.1);
        let step = signalled.and_then(|seq| steps.get(&seq));
        let signal = signalled.zip(signal).map(|(seq, (ts, s))| names.signal(seq, ts, s));
        let indicators = step.map_or_else(Vec::new, |step| story::indicators(&step.indicators, key.2));
        let rule = signal.as_ref().and_then(|s| story::rule(&indicators, s.intent, s.reference));
        let refusal = refused.map(|line| names.refusal(line));
        Explanation {
            summary: Vec::new(),
            symbol: names.symbol(key.1),
            base,
            quote,
            strategy: names.strategy(key.2),
            event: step.map(|step| names.event(step)),
            indicators,
            rule,
            validation: signal.as_ref().map(|s| story::validation(s, refusal.as_ref())),
            signal,
            cause: None,
            size: gate.and_then(|gate| names.size(gate)),
            clamps: gate.map_or_else(Vec::new, |gate| names.clamps(gate)),
            checks: gate.map_or_else(Vec::new, |gate| names.checks(gate, refused.map(|line| line.refusal.reason))),
            refusal,
            order: None,
            life: Vec::new(),
            execution: None,
            entry: None,
            others: Vec::new(),
            trade: None,
            replay: rerun::Replayed::default(),
        }
    }

    /// The other orders of the position, but its entry.
    fn others(&self, names: &Names<'_>, line: &OrderLine, records: &[Record], until: i64) -> Vec<facts::OrderFacts> {
        let sent = records.iter().filter(|r| matches!(r.what, What::Submitted) && r.id != line.spec.client_id);
        let lines = sent.filter_map(|r| self.index.find(r.id));
        let in_time = |other: &&OrderLine| other.purpose != Purpose::Entry && other.ts.as_millis() <= until;
        lines.filter(in_time).take(FILLS_MAX).map(|other| names.order(other)).collect()
    }

    /// Reads the prices around a story, and puts into it what follows from them.
    fn prices(
        &self,
        opened: &crate::runner::recorded::Opened,
        names: &Names<'_>,
        facts: &mut Explanation,
        instrument: domain::InstrumentIdx,
    ) -> Result<Prices, CommandError> {
        let Some(instrument) = names.instrument(instrument) else { return Ok(Prices::default()) };
        let ends = [
            facts.event.as_ref().map(|e| e.ts),
            facts.cause.as_ref().map(|e| e.ts),
            facts.order.as_ref().map(|o| o.ts),
            facts.life.last().map(|l| l.ts),
            facts.trade.as_ref().map(|t| t.entry_ts),
            facts.trade.as_ref().and_then(|t| t.exit_ts),
        ];
        let of = |ms: i64| UnixNanos::from_millis(ms).unwrap_or_default();
        let (first, last) = (ends.iter().flatten().min(), ends.iter().flatten().max());
        let Some((first, last)) = first.zip(last) else { return Ok(Prices::default()) };
        let trade = facts.trade.as_ref();
        let window = Window {
            first: of(*first),
            last: of(*last),
            decided: facts.event.as_ref().filter(|e| is_market(e)).map(|e| of(e.ts)),
            bar_s: facts.strategy.bar_s,
            held: trade.and_then(|t| Some((of(t.entry_ts), of(t.exit_ts?)))),
        };
        let prices = prices::read(opened, instrument, &window)?;
        if let Some(event) = &mut facts.event {
            event.bar = prices.decided;
        }
        if let Some(trade) = &mut facts.trade
            && let Some(exit) = trade.exit_price
        {
            let (high, low) = prices.held.unwrap_or((exit, exit));
            let (high, low) = (high.max(exit), low.min(exit));
            let entry = trade.entry_price;
            let (best, worst) =
                if trade.side == "long" { (high - entry, low - entry) } else { (entry - low, entry - high) };
            trade.best = Some(best.max(0.0));
            trade.worst = Some(worst.min(0.0));
        }
        Ok(prices)
    }
}

fn is_fill(record: &Record) -> bool {
    matches!(record.what, What::Said(ReportBody::Filled { .. }))
}

fn is_market(event: &EventFacts) -> bool {
    matches!(event.kind, "candle" | "trade" | "quote")
}

/// Whether a round trip is the one that an entry belongs to: it cannot have ended before that left.
fn in_trip(trade: &TradeFacts, entry: Option<&OrderLine>) -> bool {
    entry.is_none_or(|entry| trade.exit_ts.is_none_or(|exit| exit >= entry.ts.as_millis()))
}

/// What a strategy said within an event.
fn signal_of(steps: &BTreeMap<u64, Step>, seq: u64, key: Key) -> Option<(UnixNanos, &Signal)> {
    let step = steps.get(&seq)?;
    let own = |s: &&Signal| (s.account, s.instrument, s.strategy) == key;
    step.signals.iter().rfind(own).map(|s| (step.ts, s))
}
