//! `bot4 fees`: what venues charge, and what a recorded run paid.
//!
//! Without a run: the schedules as a table by tier, and the fee of an example order. With one: its fees by instrument, strategy, liquidity
//! and asset, held against the ledger, and what the same fills would have cost elsewhere.

mod analysis;

use super::{CommandError, write_out};
use crate::term::{self, HEADING, Table, WARNING, styled};
use clap::Args;
use domain::{
    Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Liquidity, Money, Price, Quantity, Rate, Side,
    UnixNanos, VenueIdx,
};
use execution::fee::{Calculator, DiscountTerms, KNOWN, Schedule, Trust, known};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// What to show.
#[derive(Args, Clone, Debug)]
pub struct FeesArgs {
    /// Folder of a recorded run: its fees, from its journal. The schedules of venues if not given.
    pub run: Option<PathBuf>,
    /// Schedules: binance_spot, binance_usdm, okx_spot, okx_swap, kraken_spot (comma-separated; all if not given).
    #[arg(long, value_name = "LIST")]
    pub venue: Option<String>,
    /// A schedule of one's own, as JSON: takes the place of the one of its name, or comes beside them.
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,
    /// Volume of 30 days, in the schedules' currency (USD): marks the tier that follows.
    #[arg(long, value_name = "AMOUNT")]
    pub volume: Option<String>,
    /// What is held of the asset that tiers ask for (BNB).
    #[arg(long, value_name = "QUANTITY")]
    pub held: Option<String>,
    /// Fees are paid in the discount's asset where there is one.
    #[arg(long)]
    pub discount: bool,
    /// Pair of an example order: BTCUSDT or BTC/USD.
    #[arg(long, value_name = "PAIR", default_value = "BTCUSDT")]
    pub pair: String,
    /// Price of the example order.
    #[arg(long, value_name = "PRICE", default_value = "60000")]
    pub price: String,
    /// Quantity of the example order.
    #[arg(long, value_name = "QUANTITY", default_value = "0.1")]
    pub quantity: String,
    /// Price of the discount's asset in quote, for the example order.
    #[arg(long, value_name = "PRICE", default_value = "600")]
    pub discount_price: String,
    /// Where the run's data is now, if not where it was.
    #[arg(long = "data", value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`]: values that are none, a folder without a run, or a journal that cannot be read.
pub fn run(args: &FeesArgs) -> Result<(), CommandError> {
    let schedules = schedules(args)?;
    if let Some(folder) = &args.run {
        return analysis::run(folder, args, &schedules);
    }
    let example = Example::new(args)?;
    let (volume, held) = (
        args.volume.as_deref().map(|t| amount("--volume", t)).transpose()?,
        args.held.as_deref().map(|t| parsed("--held", t, Quantity::parse(t))).transpose()?,
    );
    if args.json {
        let list = schedules
            .iter()
            .map(|s| object(s, volume, held, args.discount, &example))
            .collect::<Result<Vec<_>, _>>()?;
        return write_out(&format!("{}\n", json!({ "schedules": list, "example": example.facts() })));
    }
    let mut text = String::new();
    for schedule in &schedules {
        text += &table(schedule, volume, held, args.discount);
    }
    text += &examples(&schedules, volume, held, args.discount, &example)?;
    term::print(&text).map_err(CommandError::failed)
}

/// The schedules that are asked for.
fn schedules(args: &FeesArgs) -> Result<Vec<Schedule>, CommandError> {
    let own = match &args.schedule {
        None => None,
        Some(path) => {
            let fail = |e: String| CommandError::usage(format!("--schedule {}: {e}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
            let schedule: Schedule =
                serde_json::from_str(&text).map_err(|e| fail(format!("{e}: expected a fee schedule")))?;
            schedule.validate().map_err(|e| fail(e.to_string()))?;
            Some(schedule)
        }
    };
    let mut list: Vec<Schedule> = KNOWN.iter().filter_map(|name| known(name)).collect();
    if let Some(own) = own {
        match list.iter_mut().find(|s| s.name == own.name) {
            Some(held) => *held = own,
            None => list.push(own),
        }
    }
    let Some(asked) = &args.venue else { return Ok(list) };
    let find = |name: &str| {
        list.iter().find(|s| s.name == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = list.iter().map(|s| s.name.as_str()).collect();
            CommandError::usage(format!("--venue {name}: expected one of {}", names.join(", ")))
        })
    };
    asked.split(',').map(|name| find(name.trim())).collect()
}

fn parsed<T>(option: &str, text: &str, value: Result<T, domain::DecimalError>) -> Result<T, CommandError> {
    value.map_err(|_| CommandError::usage(format!("{option} {text}: expected a decimal number")))
}

fn amount(option: &str, text: &str) -> Result<Money, CommandError> {
    let value = parsed(option, text, Money::parse(text))?;
    if value < Money::ZERO {
        return Err(CommandError::usage(format!("{option} {text}: expected 0 or more")));
    }
    Ok(value)
}

/// A rate in percent.
fn percent(rate: Rate) -> String {
    // A hundred times a rate below one fits.
    format!("{}", Money::from_raw(i128::from(rate.raw()) * 100))
}

const fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Recorded => "recorded",
        Trust::Secondary => "one source",
        Trust::Unverified => "not verified",
    }
}

fn table(schedule: &Schedule, volume: Option<Money>, held: Option<Quantity>, discount: bool) -> String {
    let mut out = String::new();
    let marked = volume.map(|volume| schedule.tier_of(volume, held));
    let paid = schedule.discount.as_ref().filter(|_| discount);
    let in_asset = match paid {
        Some(d) => format!(", paid in {} ({} % off)", d.asset, percent(d.fraction)),
        None => String::new(),
    };
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{}", styled(HEADING, &format!("{}{in_asset}", schedule.name)));
    let mut t = Table::new(2).left(2).left(9).right(14).right(12).right(9).right(9).left(12).left(12);
    let volume_head = format!("volume {}", schedule.volume_currency);
    t.row(["", "tier", &volume_head, "held", "maker %", "taker %", "rates", "thresholds"].map(|h| styled(HEADING, h)));
    for (n, tier) in schedule.tiers.iter().enumerate() {
        let terms = schedule.terms(n, discount);
        let held = tier.holding.as_ref().map_or(String::new(), |h| format!("{} {}", h.quantity, h.asset));
        t.row([
            if marked == Some(n) { ">".to_owned() } else { String::new() },
            tier.name.clone(),
            tier.volume_min.map_or("not known".to_owned(), |v| v.to_string()),
            held,
            percent(terms.charged(terms.maker)),
            percent(terms.charged(terms.taker)),
            if tier.rates == Trust::Unverified {
                styled(WARNING, trust(tier.rates))
            } else {
                trust(tier.rates).to_owned()
            },
            trust(tier.threshold).to_owned(),
        ]);
    }
    out += &t.render(term::width());
    let _ = writeln!(out, "  {}\n", schedule.origin);
    out
}

/// An order for which fees are shown.
struct Example {
    table: InstrumentTable,
    spot: Instrument,
    perpetual: Instrument,
    price: i64,
    quantity: i64,
    discount_price: Option<Price>,
    text: String,
}

impl Example {
    fn new(args: &FeesArgs) -> Result<Self, CommandError> {
        let pair = args.pair.trim().to_ascii_uppercase();
        let known_quotes = ["USDT", "USDC", "FDUSD", "USD", "EUR", "BTC", "ETH"];
        let by_suffix =
            || known_quotes.iter().find_map(|q| Some((pair.strip_suffix(q).filter(|b| !b.is_empty())?, *q)));
        let Some((base, quote)) = pair.split_once(['/', '-']).or_else(by_suffix) else {
            return Err(CommandError::usage(format!(
                "--pair {}: expected a pair such as BTCUSDT or BTC/USD",
                args.pair
            )));
        };
        let mut table = InstrumentTable::default();
        let assets = [base, quote].map(|code| table.asset(code, 8));
        let [Ok(base_idx), Ok(quote_idx)] = assets else {
            return Err(CommandError::usage(format!("--pair {}: expected two assets", args.pair)));
        };
        let price = parsed("--price", &args.price, domain::decimal::parse_mantissa(&args.price, 8))?;
        let quantity = parsed("--quantity", &args.quantity, domain::decimal::parse_mantissa(&args.quantity, 8))?;
        if price <= 0 || quantity <= 0 {
            return Err(CommandError::usage("--price, --quantity: expected numbers above 0"));
        }
        let at = parsed("--discount-price", &args.discount_price, Price::parse(&args.discount_price))?;
        let spot = Instrument {
            idx: InstrumentIdx(0),
            venue: VenueIdx(0),
            symbol: format!("{base}{quote}"),
            kind: InstrumentKind::Spot,
            base: base_idx,
            quote: quote_idx,
            settle: quote_idx,
            multiplier: Quantity::from_units(1),
            price_decimals: 8,
            quantity_decimals: 8,
            tick: Price::from_mantissa(1, 8),
            lot: Quantity::from_mantissa(1, 8),
            min_quantity: Quantity::ZERO,
            max_quantity: Quantity::MAX,
            min_notional: Money::ZERO,
            margin_initial: Rate::ONE,
            margin_maintenance: Rate::ZERO,
            fee_maker: Rate::ZERO,
            fee_taker: Rate::ZERO,
            effective_from: UnixNanos(0),
        };
        let perpetual = Instrument { kind: InstrumentKind::LinearPerpetual, ..spot.clone() };
        let text = format!("{} {base} at {} {quote}", args.quantity, args.price);
        Ok(Self { table, spot, perpetual, price, quantity, discount_price: Some(at), text })
    }

    fn facts(&self) -> Value {
        json!({ "pair": self.spot.symbol, "order": self.text })
    }

    /// Fees by side and liquidity: amount with asset, and the same in quote.
    fn fees(
        &self,
        schedule: &Schedule,
        tier: usize,
        discount: bool,
    ) -> Result<Vec<(String, String, Money)>, CommandError> {
        let mut table = self.table.clone();
        let mut terms = schedule.terms(tier, discount);
        if let (Some(d), Some(of)) = (terms.discount, &schedule.discount) {
            let asset = table.asset(&of.asset, 8).map_err(CommandError::failed)?;
            terms.discount = Some(DiscountTerms { asset: Some(asset), ..d });
        }
        let instrument = if schedule.kind == InstrumentKind::Spot { &self.spot } else { &self.perpetual };
        let calculator = Calculator::new(&table, instrument, &terms);
        let mut out = Vec::new();
        for (side, side_word) in [(Side::Buy, "buy"), (Side::Sell, "sell")] {
            for (liquidity, word) in [(Liquidity::Maker, "maker"), (Liquidity::Taker, "taker")] {
                let charged = calculator
                    .fee(side, liquidity, self.price, self.quantity, self.discount_price)
                    .ok_or_else(|| CommandError::usage("--price, --quantity: the order is too large"))?;
                let code = table.assets().get(charged.fee.asset.index()).map_or("?", |a| a.code.as_str());
                out.push((format!("{side_word} {word}"), format!("{} {code}", charged.fee.amount), charged.in_quote));
            }
        }
        Ok(out)
    }
}

fn examples(
    schedules: &[Schedule],
    volume: Option<Money>,
    held: Option<Quantity>,
    discount: bool,
    example: &Example,
) -> Result<String, CommandError> {
    let mut out = String::new();
    let _ = writeln!(out, "{}", styled(HEADING, &format!("an order of {}", example.text)));
    let mut t = Table::new(2).left(13).left(8).right(18).right(18).right(18).right(18);
    t.row(["venue", "tier", "buy maker", "buy taker", "sell maker", "sell taker"].map(|h| styled(HEADING, h)));
    for schedule in schedules {
        let tier = schedule.tier_of(volume.unwrap_or(Money::ZERO), held);
        let name = schedule.tiers.get(tier).map_or("", |t| t.name.as_str());
        let fees = example.fees(schedule, tier, discount)?;
        let cells = [schedule.name.clone(), name.to_owned()].into_iter().chain(fees.into_iter().map(|(_, fee, _)| fee));
        t.row(cells.collect::<Vec<_>>());
    }
    out += &t.render(term::width());
    Ok(out)
}

fn object(
    schedule: &Schedule,
    volume: Option<Money>,
    held: Option<Quantity>,
    discount: bool,
    example: &Example,
) -> Result<Value, CommandError> {
    let tier = schedule.tier_of(volume.unwrap_or(Money::ZERO), held);
    let fees: serde_json::Map<String, Value> = example
        .fees(schedule, tier, discount)?
        .into_iter()
        .map(|(name, fee, in_quote)| (name.replace(' ', "_"), json!({ "fee": fee, "in_quote": in_quote })))
        .collect();
    Ok(json!({
        "schedule": schedule,
        "tier": schedule.tiers.get(tier).map(|t| t.name.clone()),
        "order": fees,
    }))
}
