//! `bot4 route`: how an order would be split over the books of several venues, and which kind of order costs least there.
//!
//! Books come from files: a venue's own depth answer, a CSV of levels, or recorded messages at a time. Nothing is sent.

mod books;

use super::{CommandError, write_out};
use crate::term::{self, HEADING, NAME, Table, styled};
use books::{Source, levels_at};
use clap::Args;
use domain::{AssetIdx, Instrument, InstrumentTable, Money, Nanos, Price, Quantity, Rate, Side, UnixNanos};
use execution::route::{Belief, Candidate, Choice, Kind, Plan, RouteAsk, Router, Situation, VENUES_MAX, choose};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What to route.
#[derive(Args, Clone, Debug)]
pub struct RouteArgs {
    /// buy or sell.
    #[arg(long, value_name = "buy|sell")]
    pub side: String,
    /// How much of base.
    #[arg(long, value_name = "QUANTITY")]
    pub quantity: String,
    /// A venue with its book: NAME=FILE, with @TIME behind the file and ,KEY=VALUE as often as needed. Once per venue. NAME is a fee schedule (binance_spot, okx_spot,
    /// kraken_spot, binance_usdm, okx_swap) or any name with taker=RATE. Files: a venue's depth answer (JSON), side,price,quantity (CSV),
    /// or recorded messages of Binance (.txt.gz, needs @TIME). Keys: tier, taker, maker, lot, min, notional, max, penalty, quote, rate,
    /// off.
    #[arg(long = "book", value_name = "NAME=FILE", required = true)]
    pub books: Vec<String>,
    /// Worst price, without fees.
    #[arg(long, value_name = "PRICE")]
    pub limit: Option<String>,
    /// Asset that costs are compared in.
    #[arg(long, value_name = "ASSET", default_value = "USDT")]
    pub currency: String,
    /// Books that were not heard of for longer are stale.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub age_max: u64,
    /// What is believed of a resting order: PROBABILITY:ADVERSE_BPS:DRIFT_BPS. Weighs the kinds of order at each venue.
    #[arg(long, value_name = "P:BPS:BPS")]
    pub fill: Option<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`]: files or values that are none. Exit 1 if nothing could be routed.
pub fn run(args: &RouteArgs) -> Result<(), CommandError> {
    let side = match args.side.as_str() {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => return Err(CommandError::usage(format!("--side {other}: expected buy or sell"))),
    };
    let number = |option: &str, text: &str| {
        Quantity::parse(text)
            .ok()
            .filter(|q| *q > Quantity::ZERO)
            .ok_or_else(|| CommandError::usage(format!("{option} {text}: expected a number above 0")))
    };
    let quantity = number("--quantity", &args.quantity)?;
    let limit = args.limit.as_deref().map(|text| number("--limit", text)).transpose()?;
    let limit = limit.map(|q| Price::from_raw(q.raw()));
    let belief = args.fill.as_deref().map(belief).transpose()?;
    if args.books.len() > VENUES_MAX {
        return Err(CommandError::usage(format!("--book: {} venues, expected at most {VENUES_MAX}", args.books.len())));
    }
    let (mut table, mut sources) = (InstrumentTable::default(), Vec::new());
    let base = table.asset("BASE", 12).map_err(CommandError::failed)?;
    let currency = table.asset(&args.currency, 12).map_err(CommandError::failed)?;
    for text in &args.books {
        sources.push(levels_at(text, &mut table, (base, currency))?);
    }
    // Books without times are as of now; now is the latest time that was asked for.
    let now = sources.iter().filter_map(|s: &Source| s.at).max().unwrap_or(UnixNanos(1));
    sources.iter_mut().filter(|s| s.at.is_none()).for_each(|s| s.date(now));
    let candidates: Vec<Candidate<'_>> = sources.iter().map(Source::candidate).collect();
    let age_max = Nanos::from_secs(args.age_max);
    let ask = RouteAsk { side, base, currency, quantity, limit, now, age_max };
    let (mut router, mut plan) = (Router::new(4_096), Plan::default());
    router.route(&ask, &candidates, &mut plan);
    let alone = alone(&ask, &candidates, &mut router, &plan);
    let kinds: Vec<Option<Choice>> =
        plan.parts.iter().map(|part| kinds(&ask, &sources, part.candidate, part.quantity, belief)).collect();
    if args.json {
        write_out(&format!("{}\n", object(&ask, &sources, &plan, &alone, &kinds)))?;
    } else {
        term::print(&text(args, &ask, &sources, &plan, &alone, &kinds)).map_err(CommandError::failed)?;
    }
    if plan.parts.is_empty() {
        return Err(CommandError::failed("nothing can be routed: no venue is usable for this order"));
    }
    Ok(())
}

fn belief(text: &str) -> Result<Belief, CommandError> {
    let read = || -> Option<Belief> {
        let mut parts = text.split(':');
        let probability = Rate::parse(parts.next()?).ok()?;
        let mut bps = || -> Option<Rate> {
            let raw = Rate::parse(parts.next()?).ok()?.raw();
            (raw % 10_000 == 0).then_some(Rate::from_raw(raw / 10_000))
        };
        let (adverse_move, drift) = (bps()?, bps()?);
        let sound =
            (Rate::ZERO..=Rate::ONE).contains(&probability) && adverse_move >= Rate::ZERO && drift >= Rate::ZERO;
        (sound && parts.next().is_none()).then_some(Belief { fill_probability: probability, adverse_move, drift })
    };
    read().ok_or_else(|| {
        CommandError::usage(format!("--fill {text}: expected a probability and two moves in bps, such as 0.6:1:3"))
    })
}

/// What the same quantity costs at one venue alone: its place and cost, where it can be had there.
fn alone(
    ask: &RouteAsk,
    candidates: &[Candidate<'_>],
    router: &mut Router,
    whole: &Plan,
) -> Vec<(usize, Option<Money>)> {
    let mut plan = Plan::default();
    let mut each = |n: usize| {
        let one = candidates.get(n..=n)?;
        router.route(&RouteAsk { quantity: whole.filled, ..*ask }, one, &mut plan);
        (plan.remainder.is_zero() && !plan.parts.is_empty()).then_some(plan.total)
    };
    (0..candidates.len()).map(|n| (n, each(n))).collect()
}

fn kinds(ask: &RouteAsk, sources: &[Source], at: usize, quantity: i64, belief: Option<Belief>) -> Option<Choice> {
    let source = sources.get(at)?;
    let i = &source.instrument;
    let belief = Some(belief?);
    let situation = Situation {
        view: source.book.view().ok()?,
        decimals: (i.price_decimals, i.quantity_decimals),
        side: ask.side,
        quantity,
        fees: (i.fee_maker, i.fee_taker),
        crossing: None,
        passive: None,
        belief,
        belief_crossing: belief,
    };
    choose(&situation).ok()
}

fn kind_word(kind: Kind, i: &Instrument) -> String {
    match kind {
        Kind::Market => "market".to_owned(),
        Kind::Crossing { limit } => format!("limit {} crossing", i.price(limit)),
        Kind::Passive { limit } => format!("limit {} post-only", i.price(limit)),
    }
}

fn object(
    ask: &RouteAsk,
    sources: &[Source],
    plan: &Plan,
    alone: &[(usize, Option<Money>)],
    kinds: &[Option<Choice>],
) -> Value {
    let name = |n: usize| sources.get(n).map_or("", |s| s.name.as_str());
    let parts: Vec<Value> = plan
        .parts
        .iter()
        .zip(kinds)
        .map(|(p, choice)| {
            let Some(source) = sources.get(p.candidate) else { return Value::Null };
            let i = &source.instrument;
            let options = choice.map(|choice| {
                let list = choice.all.iter().flatten().map(
                    |o| json!({ "kind": kind_word(o.kind, i), "price": o.price, "fees": o.fees, "total": o.total }),
                );
                json!({ "best": kind_word(choice.best.kind, i), "all": list.collect::<Vec<_>>() })
            });
            json!({
                "venue": source.name, "quantity": i.quantity(p.quantity), "base": p.base, "limit": i.price(p.worst),
                "average": p.average, "value": p.value, "fee": p.fee, "penalty": p.penalty, "taker": i.fee_taker,
                "marginal": p.marginal, "next": p.next, "order": options,
            })
        })
        .collect();
    let excluded: Vec<Value> =
        plan.excluded.iter().map(|(n, why)| json!({ "venue": name(*n), "why": why.to_string() })).collect();
    let alone: Vec<Value> = alone.iter().map(|(n, total)| json!({ "venue": name(*n), "total": total })).collect();
    json!({
        "side": ask.side, "quantity": ask.quantity, "filled": plan.filled, "remainder": plan.remainder, "total": plan.total,
        "parts": parts, "left_out": excluded, "one_venue": alone,
    })
}

fn text(
    args: &RouteArgs,
    ask: &RouteAsk,
    sources: &[Source],
    plan: &Plan,
    alone: &[(usize, Option<Money>)],
    kinds: &[Option<Choice>],
) -> String {
    let mut out = String::new();
    let currency = &args.currency;
    let shown = |raw: i128| format!("{:.2}", Money::from_raw(raw).to_f64());
    let price = |p: Price| format!("{:.4}", p.to_f64());
    let name = |n: usize| sources.get(n).map_or("", |s| s.name.as_str());
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{} {} over {} venues, costs in {currency}\n", args.side, ask.quantity, sources.len());
    let mut t =
        Table::new(2).left(14).right(12).right(8).right(12).right(12).right(14).right(10).right(9).right(12).right(12);
    t.row(
        ["venue", "quantity", "share", "average", "limit", "value", "fee", "penalty", "marginal", "next unit"]
            .map(|h| styled(HEADING, h)),
    );
    for p in &plan.parts {
        let Some(source) = sources.get(p.candidate) else { continue };
        let i = &source.instrument;
        let share = 100.0 * p.base.to_f64() / plan.filled.to_f64();
        t.row([
            styled(NAME, &source.name),
            i.quantity(p.quantity).to_string(),
            format!("{share:.1} %"),
            price(p.average),
            i.price(p.worst).to_string(),
            shown(p.value.raw()),
            shown(p.fee.raw()),
            shown(p.penalty.raw()),
            price(p.marginal),
            p.next.map_or_else(|| "-".to_owned(), price),
        ]);
    }
    out += &t.render(term::width());
    for (n, why) in &plan.excluded {
        let _ = writeln!(out, "  {}: nothing: {why}", name(*n));
    }
    if plan.filled > Quantity::ZERO {
        let all_in = plan.total.to_f64().abs() / plan.filled.to_f64();
        let _ = writeln!(
            out,
            "\n  {} of {}, {} {currency} with fees and penalties: {all_in:.4} a unit",
            plan.filled,
            ask.quantity,
            shown(plan.total.raw()),
        );
    }
    if !plan.remainder.is_zero() {
        let _ = writeln!(out, "  {} cannot be had: depth, lots or minima", plan.remainder);
    }
    for (n, total) in alone.iter().filter(|_| plan.parts.len() > 1) {
        let cost = match total {
            None => "not enough there".to_owned(),
            Some(total) => {
                let more = total.checked_sub(plan.total).unwrap_or(Money::ZERO);
                format!("{}, {} more", shown(total.raw()), shown(more.raw()))
            }
        };
        let _ = writeln!(out, "  all at {}: {cost}", name(*n));
    }
    for (p, choice) in plan.parts.iter().zip(kinds) {
        let (Some(source), Some(choice)) = (sources.get(p.candidate), choice) else { continue };
        let i = &source.instrument;
        let _ =
            writeln!(out, "\n{}", styled(HEADING, &format!("kinds of order at {}, against the middle", source.name)));
        let mut t = Table::new(2).left(2).left(28).right(12).right(12).right(12);
        t.row(["", "order", "price", "fees", "expected"].map(|h| styled(HEADING, h)));
        for o in choice.all.iter().flatten() {
            let mark = if o.kind == choice.best.kind { ">" } else { "" };
            let cells = [o.price, o.fees, o.total].map(|m| shown(m.raw()));
            t.row([mark.to_owned(), kind_word(o.kind, i)].into_iter().chain(cells).collect::<Vec<_>>());
        }
        out += &t.render(term::width());
    }
    out
}

/// Assets of an order that names none.
pub(super) type Assets = (AssetIdx, AssetIdx);
