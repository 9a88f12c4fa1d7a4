//! What a recorded run paid, from its journal.
//!
//! In:  definitions, fills, funding and transfers as recorded.
//! Out: fees by instrument, strategy and liquidity in quote, and by asset; whether they are what the ledger has, and what the rates in
//! force say to the last unit; the volume of 30 days with the tiers that follow from it; and the cost of the same fills elsewhere.

use super::FeesArgs;
use crate::command::replay::recorded_start;
use crate::command::{CommandError, inputs, write_out};
use crate::explain::scan::Index;
use crate::explain::story::Names;
use crate::runner::cursor::{Cursor, event_of};
use crate::runner::plan::ACCOUNT;
use crate::runner::recorded::{self, At, Opened};
use crate::runner::run_folder::RunFolder;
use crate::term::{self, HEADING, Table, WARNING, styled};
use domain::{
    AssetIdx, EventBody, Fill, Instrument, InstrumentIdx, InstrumentTable, Money, Price, ReportBody, StrategyIdx,
    UnixNanos,
};
use execution::fee::{Calculator, ChargedIn, Fees, Schedule, Terms, TierChoice, VolumeTracker};
use portfolio::Portfolio;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use store::journal::Kind;

/// Sums of a group of fills, in quote but for the count.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sums {
    fills: u64,
    value: Money,
    fees: Money,
}

impl Sums {
    fn add(&mut self, value: Money, fee: Money) {
        self.fills += 1;
        // Sums of money beyond 1e26 are none that a ledger could hold.
        self.value = self.value.checked_add(value).unwrap_or(Money::MAX);
        self.fees = self.fees.checked_add(fee).unwrap_or(Money::MAX);
    }

    /// Fees in hundredths of a percent of the value.
    fn bps(&self) -> f64 {
        let value = self.value.to_f64();
        if value > 0.0 { 1e4 * self.fees.to_f64() / value } else { 0.0 }
    }
}

/// A group with its name.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: String,
    #[serde(flatten)]
    sums: Sums,
    bps: f64,
}

/// Fees taken in one asset.
#[derive(Clone, Debug, Serialize)]
struct AssetLine {
    asset: String,
    of_fills: Money,
    of_ledger: Money,
    equal: bool,
}

/// The same fills on another venue's schedule.
#[derive(Clone, Debug, Serialize)]
struct Elsewhere {
    schedule: String,
    fills: u64,
    fees: Money,
    bps: f64,
    tier_first: String,
    tier_last: String,
    not_verified: bool,
}

/// What a run paid.
#[derive(Clone, Debug, Serialize)]
struct Report {
    run: String,
    quote: String,
    total: Sums,
    bps: f64,
    by_instrument: Vec<Line>,
    by_strategy: Vec<Line>,
    by_liquidity: Vec<Line>,
    by_asset: Vec<AssetLine>,
    /// Fees of all strategies in quote, as the ledger counts them.
    ledger_fees: Money,
    /// Whether both sums are those of the ledger, to the last unit.
    equal: bool,
    /// Fills whose fee is, to the last unit, what the rates in force say.
    as_computed: u64,
    /// Largest volume of 30 days, and when.
    volume_30d_max: Money,
    volume_30d_at: Option<String>,
    elsewhere: Vec<Elsewhere>,
}

/// A fill as it was booked.
struct Booked {
    ts: UnixNanos,
    fill: Fill,
    value: Money,
    in_quote: Money,
}

/// What a journal says of fees.
struct Paid {
    table: InstrumentTable,
    ledger: Portfolio,
    fills: Vec<Booked>,
    as_computed: u64,
}

pub(super) fn run(folder: &Path, args: &FeesArgs, schedules: &[Schedule]) -> Result<(), CommandError> {
    let folder = RunFolder::at(folder);
    let start = recorded_start(&folder)?;
    // Names and assets are needed; nothing is played.
    let opened = recorded::open(&folder, start, &args.data, At::Beginning, false)?;
    let paid = read(&folder, &opened)?;
    let report = report(&folder, &opened, &paid, schedules);
    if args.json {
        return write_out(&(serde_json::to_string(&report).map_err(CommandError::failed)? + "\n"));
    }
    term::print(&text(&report)).map_err(CommandError::failed)?;
    if report.equal {
        return Ok(());
    }
    Err(CommandError::failed("the fees of the fills are not those of the ledger: see `bot4 replay RUN --verify`"))
}

/// Reads the journal, booking as the engine does.
fn read(folder: &RunFolder, opened: &Opened) -> Result<Paid, CommandError> {
    let mut table = InstrumentTable::default();
    for asset in opened.plan.session.engine.table().assets() {
        table.asset(&asset.code, asset.decimals).map_err(CommandError::failed)?;
    }
    let quote = opened.plan.session.engine.portfolio().report_currency();
    let mut paid = Paid { table, ledger: Portfolio::new(quote), fills: Vec::new(), as_computed: 0 };
    let mut calculators: BTreeMap<InstrumentIdx, Calculator> = BTreeMap::new();
    let charged_in = match opened.config.venue.fee_asset {
        sim::FeeAsset::Quote => ChargedIn::Quote,
        sim::FeeAsset::Venue => ChargedIn::Received,
    };
    let mut cursor = Cursor::after(&folder.journal(), 0).map_err(CommandError::failed)?;
    while let Some(view) = cursor.peek() {
        // Both kinds are kept for ever: retention takes nothing of this away.
        if matches!(view.kind, Kind::Definition | Kind::Report) {
            let (ts, event) = event_of(view.body).map_err(CommandError::failed)?;
            let failed = |e: String| CommandError::failed(format!("event {}: {e}", view.seq));
            match event.body {
                EventBody::InstrumentDefined(instrument) => {
                    paid.table.define((*instrument).clone()).map_err(|e| failed(e.to_string()))?;
                    paid.ledger.define(&instrument);
                    let terms = Terms::of(&instrument, charged_in);
                    calculators.insert(instrument.idx, Calculator::new(&paid.table, &instrument, &terms));
                }
                EventBody::Report(report) => match report.body {
                    ReportBody::Filled { fill, .. } => {
                        paid.book(ts, &fill, calculators.get(&fill.instrument)).map_err(failed)?;
                    }
                    ReportBody::Transfer { account, asset, amount, .. } => {
                        paid.ledger.transfer(account, asset, amount).map_err(|e| failed(e.to_string()))?;
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        cursor.advance();
    }
    cursor.failed().cloned().map_or(Ok(paid), |e| Err(CommandError::failed(e)))
}

impl Paid {
    fn book(&mut self, ts: UnixNanos, fill: &Fill, calculator: Option<&Calculator>) -> Result<(), String> {
        let effect = self.ledger.apply_fill(&self.table, fill).map_err(|e| e.to_string())?;
        let Some(calculator) = calculator else { return Err("a fill of an instrument that was not defined".into()) };
        let charged = calculator.fee(fill.side, fill.liquidity, fill.price, fill.quantity, None);
        self.as_computed += u64::from(charged.is_some_and(|charged| charged.fee == fill.fee()));
        let value = calculator.value(fill.side, fill.price, fill.quantity).unwrap_or(Money::ZERO);
        self.fills.push(Booked { ts, fill: *fill, value, in_quote: effect.fee_value });
        Ok(())
    }
}

fn report(folder: &RunFolder, opened: &Opened, paid: &Paid, schedules: &[Schedule]) -> Report {
    let index = Index::default();
    let names = Names::new(opened, &index);
    let (mut total, mut volume) = (Sums::default(), VolumeTracker::default());
    let mut instruments: BTreeMap<InstrumentIdx, Sums> = BTreeMap::new();
    let mut strategies: BTreeMap<StrategyIdx, Sums> = BTreeMap::new();
    let mut liquidity = [Sums::default(); 2];
    let mut assets: BTreeMap<AssetIdx, Money> = BTreeMap::new();
    let mut most = (Money::ZERO, None);
    for Booked { ts, fill, value, in_quote } in &paid.fills {
        total.add(*value, *in_quote);
        instruments.entry(fill.instrument).or_default().add(*value, *in_quote);
        strategies.entry(fill.strategy).or_default().add(*value, *in_quote);
        liquidity[fill.liquidity as usize].add(*value, *in_quote);
        let sum = assets.entry(fill.fee_asset).or_default();
        *sum = sum.checked_add(fill.fee_amount).unwrap_or(Money::MAX);
        volume.add(*ts, *value);
        let trailing = volume.trailing(*ts);
        if trailing > most.0 {
            most = (trailing, Some(*ts));
        }
    }
    let code = |asset: AssetIdx| paid.table.assets().get(asset.index()).map_or_else(String::new, |a| a.code.clone());
    let line = |name: String, sums: Sums| Line { name, sums, bps: sums.bps() };
    let by_asset: Vec<AssetLine> = assets
        .iter()
        .map(|(asset, sum)| {
            let of_ledger = paid.ledger.fees_in(ACCOUNT, *asset);
            AssetLine { asset: code(*asset), of_fills: *sum, of_ledger, equal: *sum == of_ledger }
        })
        .collect();
    // A strategy that never traded has paid nothing, so every pair may be asked.
    let pairs = instruments.keys().flat_map(|i| strategies.keys().map(move |s| (*i, *s)));
    let ledger_fees = pairs
        .map(|(i, s)| paid.ledger.result(ACCOUNT, i, s).fees)
        .fold(Money::ZERO, |sum, fee| sum.checked_add(fee).unwrap_or(Money::MAX));
    let equal = by_asset.iter().all(|a| a.equal) && ledger_fees == total.fees;
    Report {
        run: folder.path().display().to_string(),
        quote: code(paid.ledger.report_currency()),
        bps: total.bps(),
        total,
        by_instrument: instruments.iter().map(|(i, sums)| line(names.symbol(*i), *sums)).collect(),
        by_strategy: strategies
            .iter()
            .map(|(s, sums)| line(format!("{} {}", s.0, names.strategy(*s).name), *sums))
            .collect(),
        by_liquidity: ["maker", "taker"]
            .iter()
            .zip(liquidity)
            .filter(|(_, sums)| sums.fills > 0)
            .map(|(name, sums)| line((*name).to_owned(), sums))
            .collect(),
        by_asset,
        ledger_fees,
        equal,
        as_computed: paid.as_computed,
        volume_30d_max: most.0,
        volume_30d_at: most.1.map(inputs::time_text),
        elsewhere: schedules.iter().filter_map(|schedule| elsewhere(paid, schedule)).collect(),
    }
}

/// The same fills on a schedule, its tier following from their own volume, with nothing held and no discount. `None` where the run has no
/// instrument of its kind.
fn elsewhere(paid: &Paid, schedule: &Schedule) -> Option<Elsewhere> {
    let mut sums = Sums::default();
    let mut fees = Fees::new();
    let first = paid.fills.first()?.ts;
    let instruments: Vec<&Instrument> = paid.table.instruments().iter().filter(|i| i.kind == schedule.kind).collect();
    let venues: std::collections::BTreeSet<_> = instruments.iter().map(|i| i.venue).collect();
    for venue in venues {
        fees.set_schedule(venue, schedule.clone(), first).ok()?;
        fees.add_account((ACCOUNT, venue), TierChoice::ByVolume, (None, false), first);
    }
    let mut tiers = (None, 0);
    for Booked { ts, fill, value, .. } in &paid.fills {
        let Some(i) = paid.table.get(fill.instrument).filter(|i| i.kind == schedule.kind) else { continue };
        let key = (ACCOUNT, i.venue);
        let charged = fees.calculator(&paid.table, i, ACCOUNT).fee(
            fill.side,
            fill.liquidity,
            fill.price,
            fill.quantity,
            None::<Price>,
        )?;
        sums.add(charged.value, charged.in_quote);
        let tier = fees.tier(ACCOUNT, i.venue, i.kind)?;
        tiers = (tiers.0.or(Some(tier)), tier);
        fees.traded(key, i.kind, *ts, *value).ok()?;
    }
    let name = |tier: usize| schedule.tiers.get(tier).map_or_else(String::new, |t| t.name.clone());
    let used = tiers.0?..=tiers.1;
    Some(Elsewhere {
        schedule: schedule.name.clone(),
        fills: sums.fills,
        fees: sums.fees,
        bps: sums.bps(),
        tier_first: name(*used.start()),
        tier_last: name(*used.end()),
        not_verified: schedule.tiers.get(used)?.iter().any(|t| t.rates == execution::fee::Trust::Unverified),
    })
}

fn text(r: &Report) -> String {
    let mut out = String::new();
    let money = |m: Money| format!("{:.2}", m.to_f64());
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "fees of {}: {} {} in {} fills of {} {}, {:.2} basis points\n",
        r.run,
        money(r.total.fees),
        r.quote,
        r.total.fills,
        money(r.total.value),
        r.quote,
        r.bps
    );
    let mut t = Table::new(2).left(24).right(8).right(16).right(14).right(8);
    t.row(["", "fills", "value", "fees", "bps"].map(|h| styled(HEADING, h)));
    for (head, lines) in
        [("by instrument", &r.by_instrument), ("by strategy", &r.by_strategy), ("by liquidity", &r.by_liquidity)]
    {
        t.row([styled(HEADING, head)]);
        for l in lines {
            let (fills, value) = (l.sums.fills.to_string(), money(l.sums.value));
            t.row([format!("  {}", l.name), fills, value, money(l.sums.fees), format!("{:.2}", l.bps)]);
        }
    }
    out += &t.render(term::width());
    let mut t = Table::new(2).left(8).right(22).right(22).left(10);
    t.row(["asset", "fees of the fills", "of the ledger", ""].map(|h| styled(HEADING, h)));
    for a in &r.by_asset {
        let equal = if a.equal { "equal".to_owned() } else { styled(WARNING, "differ") };
        t.row([a.asset.clone(), a.of_fills.to_string(), a.of_ledger.to_string(), equal]);
    }
    out += "\n";
    out += &t.render(term::width());
    let _ = writeln!(
        out,
        "\n  in {}: {} of the fills, {} of the ledger: {}\n  {} of {} fees are what the rates in force say, to the last unit",
        r.quote,
        r.total.fees,
        r.ledger_fees,
        if r.equal { "equal" } else { "they differ" },
        r.as_computed,
        r.total.fills
    );
    if let Some(at) = &r.volume_30d_at {
        let _ = writeln!(out, "  largest volume of 30 days: {} {} until {at}", money(r.volume_30d_max), r.quote);
    }
    let _ = writeln!(out, "\n{}", styled(HEADING, "the same fills elsewhere"));
    let mut t = Table::new(2).left(13).right(14).right(8).right(14).left(18).left(14);
    t.row(["schedule", "fees", "bps", "difference", "tiers by volume", ""].map(|h| styled(HEADING, h)));
    for e in &r.elsewhere {
        let difference = e.fees.checked_sub(r.total.fees).unwrap_or(Money::ZERO).to_f64();
        let tiers = if e.tier_first == e.tier_last {
            e.tier_first.clone()
        } else {
            format!("{} to {}", e.tier_first, e.tier_last)
        };
        let note = if e.not_verified { styled(WARNING, "not verified") } else { String::new() };
        t.row([e.schedule.clone(), money(e.fees), format!("{:.2}", e.bps), format!("{difference:+.2}"), tiers, note]);
    }
    out += &t.render(term::width());
    let _ = writeln!(
        out,
        "  {} counts as USD here; nothing is held, no discount; prices and liquidity as they were",
        r.quote
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_in_basis_points() {
        let mut sums = Sums::default();
        sums.add(Money::from_units(1_000), Money::from_units(1));
        assert!((sums.bps() - 10.0).abs() < 1e-12 && Sums::default().bps() == 0.0);
    }
}
