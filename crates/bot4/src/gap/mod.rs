//! The gap report: a recorded session beside the backtest that would have been believed, and what made the difference.
//!
//! In:  the folder of a run; its journal, and the data that it read.
//! Out: the difference of the account's value, at the end and by day, as parts that sum to it to the last unit.
//!
//! The data are played again and again through the one path that backtests and sessions share, each time under another set of assumptions
//! ([`ladder`]): from none of what a session has to bear, up to all of it. The last step is the session itself, played as its journal says
//! it was. What this build would do under the session's own assumptions, and the session did not, is the part `signal`. How parts are made
//! of these values, and how much depends on the order of the rungs, is in [`attribute`].

pub mod attribute;
pub mod ladder;
pub mod matched;
pub mod play;
pub mod text;
pub mod watch;

use crate::command::CommandError;
use crate::runner::plan::{self, Listed, RunConfig};
use crate::runner::recorded::{self, At};
use crate::runner::recovery;
use crate::runner::run_folder::{Build, RunFolder, Start};
use attribute::{Share, sets, shares};
use domain::{AssetIdx, ClientOrderId, InstrumentTable, Money, Quantity, UnixNanos};
use ladder::{Rung, Rungs, Shown, Standing, config_at, standings};
use matched::{Pair, matched};
use monitor::report::{
    Amount, GapDay, GapDifference, GapFill, GapOrders, GapPart, GapPoint, GapReport, GapSide, PartState,
};
use play::{FromOutside, Session, as_recorded, from_outside, play};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use store::history::Series;
use watch::{SeenOrder, Watch, day_ms, hour_end_ms};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Where the data are now, if not where they were.
    pub data: &'a [PathBuf],
    /// Whether every order of the rungs is played, or the ladder both ways round alone.
    pub every_order: bool,
    /// How many of the largest differences are listed.
    pub differences: usize,
    /// Threads.
    pub threads: usize,
}

/// Makes the gap report of a recorded run.
///
/// # Errors
/// A folder without a run, a damaged record, data that are missing or have changed, an interrupt.
pub fn report(
    folder: &RunFolder,
    start: Start,
    asked: Asked<'_>,
    stop: &AtomicBool,
) -> Result<GapReport, CommandError> {
    let opened = recorded::open(folder, start.clone(), asked.data, At::Beginning, false)?;
    let (config, series) = (opened.config, opened.series);
    let (table, listed) = plan::list(&series).map_err(CommandError::failed)?;
    let session = as_recorded(folder, &config, &series, stop)?;
    let outside = from_outside(folder)?;
    let source = Source { config: &config, series: &series, outside: &outside, until: session.until, stop };
    let plain = source.play(Rungs::NONE)?;
    let shown = Shown {
        ticks: listed.iter().any(|l| l.interval_s.is_none()),
        quotes: series.iter().any(|s| s.kind == store::history::DataKind::Quotes),
        limits: plain.limits || session.watch.limits,
    };
    let standings = standings(&config, &listed, shown);
    let rungs: Vec<Rung> =
        standings.iter().filter(|(_, s)| matches!(s, Standing::Played(_))).map(|(rung, _)| *rung).collect();
    let mut done = BTreeMap::from([(Rungs::NONE, plain)]);
    if session.compared.difference.is_none() {
        // This build decides as the session did: what it would have done is what was done, words from outside at their very place.
        done.insert(Rungs::of(&rungs), session.watch.clone());
    }
    let played = source.play_all(&sets(&rungs, asked.every_order), done, asked.threads)?;
    let recoveries = recovery::recorded(&folder.journal()).map_err(CommandError::failed)?.len() as u64;
    let made = Made { start: &start, config: &config, table: &table, listed: &listed, session: &session };
    made.report(folder, asked, &standings, &rungs, &played, recoveries, outside.len() as u64)
}

/// What every playing shares.
#[derive(Clone, Copy)]
struct Source<'a> {
    config: &'a RunConfig,
    series: &'a [Series],
    outside: &'a [FromOutside],
    until: Option<UnixNanos>,
    stop: &'a AtomicBool,
}

impl Source<'_> {
    fn play(&self, rungs: Rungs) -> Result<Watch, CommandError> {
        // Words from outside refuse: a backtest hears none.
        let outside = if rungs.has(Rung::Rejects) { self.outside } else { &[] };
        play(&config_at(self.config, rungs), self.series, outside, self.until, self.stop)
    }

    /// Plays these sets but for those that are done, on some threads; answers all.
    fn play_all(
        &self,
        sets: &[Rungs],
        done: BTreeMap<Rungs, Watch>,
        threads: usize,
    ) -> Result<BTreeMap<Rungs, Watch>, CommandError> {
        let todo: Vec<Rungs> = sets.iter().copied().filter(|set| !done.contains_key(set)).collect();
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Ok(done)));
        let work = || {
            while let Some(&set) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = self.play(set);
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                match (result, &mut *done) {
                    (Ok(watch), Ok(all)) => drop(all.insert(set, watch)),
                    // The first failure stays.
                    (Err(error), Ok(_)) => *done = Err(error),
                    (_, Err(_)) => {}
                }
                if done.is_err() {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.clamp(1, todo.len().max(1)) {
                scope.spawn(work);
            }
            work();
        });
        done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a report is made of.
struct Made<'a> {
    start: &'a Start,
    config: &'a RunConfig,
    table: &'a InstrumentTable,
    listed: &'a [Listed],
    session: &'a Session,
}

impl Made<'_> {
    #[expect(clippy::too_many_arguments, reason = "the parts of one report, put together in one place")]
    fn report(
        &self,
        folder: &RunFolder,
        asked: Asked<'_>,
        standings: &[(Rung, Standing)],
        rungs: &[Rung],
        played: &BTreeMap<Rungs, Watch>,
        recoveries: u64,
        outside: u64,
    ) -> Result<GapReport, CommandError> {
        let (full, session) = (Rungs::of(rungs), self.session);
        let end = |watch: &Watch| watch.end().map(|(_, value)| value);
        let values: BTreeMap<Rungs, Money> =
            played.iter().filter_map(|(set, watch)| Some((*set, end(watch)?))).collect();
        let shares = shares(rungs, &values).ok_or_else(beyond)?;
        let plain = played.get(&Rungs::NONE).ok_or_else(beyond)?;
        let (believed, was) = (end(plain).ok_or_else(beyond)?, end(&session.watch).ok_or_else(beyond)?);
        let gap = was.checked_sub(believed).ok_or_else(beyond)?;
        let signal = was.checked_sub(*values.get(&full).ok_or_else(beyond)?).ok_or_else(beyond)?;
        let parts = self.parts(standings, &shares, &values, signal, was);
        let sum = parts_sum(&shares, signal).ok_or_else(beyond)?;
        if sum != gap {
            return Err(CommandError::failed(format!(
                "the parts sum to {sum} and the gap is {gap}: a fault of this build"
            )));
        }
        let (pairs, counts) = matched(plain.orders.values(), session.watch.orders.values());
        let name = folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let quote = self.listed.first().map(|l| l.instrument.quote);
        let factorial: u64 = (1..=rungs.len() as u64).product();
        let ends = |watch: &Watch| watch.end().map_or(0, |(ts, _)| ts.as_millis());
        Ok(GapReport {
            name,
            folder: folder.path().display().to_string(),
            quote: quote.map_or_else(String::new, |asset| self.asset(asset)),
            start_ts: plain.hours.first().map_or(0, |(hour, _)| hour_end_ms(hour.saturating_sub(1))),
            end_ts: ends(&session.watch),
            complete: session.complete,
            recorded_by: self.start.build.to_string(),
            replayed_by: Build::current().to_string(),
            records: session.compared.records,
            difference: session.compared.difference.as_ref().map(ToString::to_string),
            recoveries,
            outside,
            cash: amount(self.config.cash),
            backtest: self.side(plain, believed)?,
            session: self.side(&session.watch, was)?,
            gap: amount(gap),
            parts,
            playings: played.len() as u64 + u64::from(session.compared.difference.is_some()),
            orders_of_rungs: if asked.every_order { factorial } else { factorial.min(2) },
            days: self.days(rungs, played).ok_or_else(beyond)?,
            curve: curve(plain, &session.watch),
            matched: GapOrders {
                same_time: counts.same_time,
                near: counts.near,
                backtest_only: counts.backtest_only,
                session_only: counts.session_only,
                both_filled: counts.both_filled,
                same_quantity: counts.same_quantity,
                same_price: counts.same_price,
            },
            differences: self.differences(&pairs, plain, asked.differences, true),
            alone: self.differences(&pairs, plain, asked.differences, false),
            common: self.common(),
            notes: self.notes(),
        })
    }

    fn asset(&self, asset: AssetIdx) -> String {
        self.table.assets().get(asset.index()).map_or_else(String::new, |a| a.code.clone())
    }

    fn parts(
        &self,
        standings: &[(Rung, Standing)],
        shares: &[Share],
        values: &BTreeMap<Rungs, Money>,
        signal: Money,
        was: Money,
    ) -> Vec<GapPart> {
        let mut reached = Rungs::NONE;
        let mut parts: Vec<GapPart> = Vec::new();
        for (rung, standing) in standings {
            let share = shares.iter().find(|share| share.rung == *rung);
            let (state, what) = match standing {
                Standing::Played(what) => (PartState::Measured, what),
                Standing::Same(what) => (PartState::Same, what),
                Standing::NotInData(what) => (PartState::NotInTheseData, what),
            };
            if share.is_some() {
                reached = reached.with(*rung);
            }
            let shown = state != PartState::NotInTheseData;
            let or_zero = |of: &dyn Fn(&Share) -> Money| shown.then(|| amount(share.map_or(Money::ZERO, of)));
            parts.push(GapPart {
                key: rung.key().to_owned(),
                state,
                what: what.clone(),
                amount: or_zero(&|s| s.ladder),
                equity: values.get(&reached).filter(|_| shown).map(|value| amount(*value)),
                low: or_zero(&|s| s.low),
                high: or_zero(&|s| s.high),
                mean: match share {
                    Some(share) => share.mean.map(amount),
                    None => or_zero(&|_| Money::ZERO),
                },
            });
        }
        let (state, what) = match &self.session.compared.difference {
            None => (PartState::Same, "every decision is as this build makes it".to_owned()),
            Some(d) => (PartState::Measured, format!("this build decides otherwise from event {} on", d.seq)),
        };
        let signal = Some(amount(signal));
        parts.push(GapPart {
            key: "signal".into(),
            state,
            what,
            amount: signal.clone(),
            equity: Some(amount(was)),
            low: signal.clone(),
            high: signal.clone(),
            mean: signal,
        });
        parts
    }

    fn side(&self, watch: &Watch, equity: Money) -> Result<GapSide, CommandError> {
        let named = |counts: &BTreeMap<&'static str, u64>| counts.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect();
        Ok(GapSide {
            equity: amount(equity),
            pnl: amount(equity.checked_sub(self.config.cash).ok_or_else(beyond)?),
            orders: watch.orders.len() as u64,
            fills: watch.fills,
            fees: amount(Money::from_raw(watch.fees)),
            refusals: named(&watch.refusals),
            venue_rejects: named(&watch.rejects),
        })
    }

    /// Each day's profit on each rung of the ladder: differences of differences, so days and parts both sum.
    fn days(&self, rungs: &[Rung], played: &BTreeMap<Rungs, Watch>) -> Option<Vec<GapDay>> {
        let ladder: Vec<Rungs> =
            (0..=rungs.len()).map(|n| rungs.get(..n).map(Rungs::of)).collect::<Option<Vec<_>>>()?;
        let mut watches: Vec<&Watch> = ladder.iter().map(|set| played.get(set)).collect::<Option<Vec<_>>>()?;
        watches.push(&self.session.watch);
        let mut dates: Vec<u64> = watches.iter().flat_map(|w| w.days.iter().map(|(day, _)| *day)).collect();
        dates.sort_unstable();
        dates.dedup();
        let mut before = vec![self.config.cash; watches.len()];
        let mut at = vec![0usize; watches.len()];
        let mut out = Vec::with_capacity(dates.len());
        for day in dates {
            let mut profits = Vec::with_capacity(watches.len());
            for (n, watch) in watches.iter().enumerate() {
                let (at, before) = (at.get_mut(n)?, before.get_mut(n)?);
                let mut value = *before;
                if let Some((_, closed)) = watch.days.get(*at).filter(|(of, _)| *of == day) {
                    (value, *at) = (*closed, *at + 1);
                }
                profits.push(value.checked_sub(*before)?);
                *before = value;
            }
            let step = |n: usize| -> Option<Money> { profits.get(n + 1)?.checked_sub(*profits.get(n)?) };
            let mut parts = Vec::with_capacity(rungs.len() + 1);
            for (n, rung) in rungs.iter().enumerate() {
                parts.push((rung.key().to_owned(), amount(step(n)?)));
            }
            parts.push(("signal".to_owned(), amount(step(rungs.len())?)));
            let (backtest, session) = (*profits.first()?, *profits.last()?);
            let ts = day_ms(day);
            out.push(GapDay {
                date: date(ts),
                ts,
                backtest: amount(backtest),
                session: amount(session),
                gap: amount(session.checked_sub(backtest)?),
                parts,
            });
        }
        Some(out)
    }

    /// The largest differences: of decisions that both traded, or of those that only one of the two traded.
    fn differences(&self, pairs: &[Pair<'_>], plain: &Watch, most: usize, both: bool) -> Vec<GapDifference> {
        let filled = |o: Option<&SeenOrder>| o.is_some_and(|o| o.quantity > 0);
        let differs = |p: &&Pair<'_>| match (p.backtest, p.session) {
            (Some(b), Some(s)) => (b.ts, b.quantity, b.notional, b.fees) != (s.ts, s.quantity, s.notional, s.fees),
            _ => true,
        };
        let wanted = |p: &&Pair<'_>| match (filled(p.backtest), filled(p.session)) {
            (true, true) => both,
            (false, false) => false,
            _ => !both,
        };
        let mut pairs: Vec<&Pair<'_>> = pairs.iter().filter(wanted).filter(differs).collect();
        // The largest first; of equal ones the earlier.
        pairs.sort_by(|a, b| b.weight().total_cmp(&a.weight()).then(a.ts().cmp(&b.ts())));
        let names = self.strategy_names();
        let id_of = |watch: &Watch, order: &SeenOrder| -> String {
            let found =
                watch.orders.iter().find(|(_, o)| std::ptr::eq(*o, order)).map(|(id, _): (&ClientOrderId, _)| id);
            found.map_or_else(String::new, ToString::to_string)
        };
        pairs
            .into_iter()
            .take(most)
            .filter_map(|p| {
                let any = p.session.or(p.backtest)?;
                let symbol = self.listed.get(any.instrument.index()).map_or("", |l| l.instrument.symbol.as_str());
                let fill = |watch: &Watch, o: &SeenOrder| GapFill {
                    client_id: id_of(watch, o),
                    ts: o.ts.as_millis(),
                    filled_ts: o.filled_at.map(UnixNanos::as_millis),
                    quantity: quantity(o.quantity),
                    price: o.price(),
                    fees: amount(Money::from_raw(o.fees)),
                };
                Some(GapDifference {
                    symbol: symbol.to_owned(),
                    strategy: any.strategy.0,
                    name: names.get(any.strategy.index()).cloned().unwrap_or_default(),
                    side: if any.side == domain::Side::Buy { "buy" } else { "sell" }.to_owned(),
                    kind: any.kind.to_owned(),
                    backtest: p.backtest.map(|o| fill(plain, o)),
                    session: p.session.map(|o| fill(&self.session.watch, o)),
                    price_cost: p.price_cost(),
                    fee_cost: p.fee_cost(),
                })
            })
            .collect()
    }

    /// Names of the strategies by number, as a plan numbers them.
    fn strategy_names(&self) -> Vec<String> {
        let trades = |symbol: Option<&str>, l: &Listed| symbol.is_none_or(|symbol| symbol == l.instrument.symbol);
        self.config
            .strategies
            .iter()
            .flat_map(|b| self.listed.iter().filter(move |l| trades(b.instrument(), l)).map(|_| b.name().to_owned()))
            .collect()
    }

    fn common(&self) -> Vec<String> {
        let mut lines = vec![
            "both play the same rows with the same strategies, sizes and cash, and value the account at the last traded price".to_owned(),
            "tick, lot and smallest order of the instruments hold on every rung, and so does that strategies do not trade against each other".to_owned(),
            "limits that say how large an order is hold on every rung; those that refuse, and the guard, are the part called rejects".to_owned(),
        ];
        lines.push(match self.config.venue.exec {
            sim::Exec::NextOpen => {
                "market orders fill at the next open (candles) or the next trade on every rung".to_owned()
            }
            sim::Exec::SignalClose => {
                "market orders fill at the close that they were decided on, on every rung".to_owned()
            }
        });
        if self.config.venue.funding.is_some() {
            lines.push("funding is that of the session on every rung: its part is in none of them".to_owned());
        }
        lines
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.session.complete {
            let torn = match self.session.torn_bytes {
                0 => String::new(),
                bytes => format!("; {bytes} bytes of an unfinished record at its end are left out"),
            };
            notes.push(format!(
                "the run has not ended: the report reaches as far as its record, event {}{torn}",
                self.session.events
            ));
        }
        if let Some(difference) = &self.session.compared.difference {
            notes.push(format!(
                "this build decides otherwise than the record {difference}; the record stands, and what comes of it is the part called signal"
            ));
        }
        notes
    }
}

fn parts_sum(shares: &[Share], signal: Money) -> Option<Money> {
    shares.iter().try_fold(signal, |sum, share| sum.checked_add(share.ladder))
}

/// Both curves at the ends of hours; where one of them has no value it keeps its last.
fn curve(plain: &Watch, session: &Watch) -> Vec<GapPoint> {
    let mut values: BTreeMap<u64, [Option<f64>; 2]> = BTreeMap::new();
    for (n, watch) in [plain, session].into_iter().enumerate() {
        for (hour, value) in &watch.hours {
            if let Some(place) = values.entry(*hour).or_default().get_mut(n) {
                *place = Some(value.to_f64());
            }
        }
    }
    let mut last = [None, None];
    let mut out = Vec::with_capacity(values.len());
    for (hour, [backtest, session]) in values {
        last = [backtest.or(last[0]), session.or(last[1])];
        if let [Some(backtest), Some(session)] = last {
            out.push(GapPoint { ts: hour_end_ms(hour), backtest, session });
        }
    }
    out
}

fn date(ms: i64) -> String {
    UnixNanos::from_millis(ms)
        .map(crate::command::inputs::time_text)
        .and_then(|text| text.get(..10).map(ToOwned::to_owned))
        .unwrap_or_default()
}

/// An amount of money as a report has it.
fn amount(money: Money) -> Amount {
    Amount { exact: money.to_string(), value: money.to_f64() }
}

fn quantity(raw: i128) -> Amount {
    let quantity = Quantity::from_raw(raw);
    Amount { exact: quantity.to_string(), value: quantity.to_f64() }
}

fn beyond() -> CommandError {
    CommandError::failed("a value of the report is missing, or larger than money can hold")
}
