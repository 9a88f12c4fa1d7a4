//! The command-line options of a run: the last layer, over file and variables. What is not given says nothing.

use super::key::Value;
use super::problem::{Origin, Problem, Problems};
use crate::command::inputs::DataArgs;
use clap::Args;
use std::path::{Path, PathBuf};

/// Options of a run.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// What data to run on.
    #[command(flatten)]
    pub data: DataArgs,
    /// A strategy with its parameters: NAME[:k=v,...]. May be given several times. `bot4 strategies` lists them.
    #[arg(long = "strategy", value_name = "NAME[:k=v,...]")]
    pub strategies: Vec<String>,
    /// A parameter for every strategy that has it and does not set it itself.
    #[arg(long = "param", value_name = "k=v")]
    pub params: Vec<String>,
    /// What is kept: all (orders, fills, trades, equity; the default) or none (counts only).
    #[arg(long, value_name = "all|none")]
    pub records: Option<String>,
    /// Cash at the start, in the quote asset (10000 if not given).
    #[arg(long, value_name = "AMOUNT")]
    pub cash: Option<String>,
    /// Size of entries: all-in, a share of equity (10%), qty:0.1, or cap (as much as the limits allow; the default while risk is on).
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// Multiples of orders: the instrument's lot (the default), whole units, or fractional (any part that can be written).
    #[arg(long, value_name = "lot|whole|fractional")]
    pub units: Option<String>,
    /// Taker fee rate (0.001 is 0.1 %); the instrument's own if not given.
    #[arg(long, value_name = "RATE")]
    pub fee_taker: Option<String>,
    /// Maker fee rate; the instrument's own if not given.
    #[arg(long, value_name = "RATE")]
    pub fee_maker: Option<String>,
    /// Asset of spot fees: quote, or as the venue takes them (buys pay in base).
    #[arg(long, value_name = "quote|venue")]
    pub fee_asset: Option<String>,
    /// Slippage of orders that take: none (the default), bps:N, or `impact[:SPREAD_BPS:COEFFICIENT_BPS]` (half spread and square root of
    /// the volume share).
    #[arg(long, value_name = "MODEL")]
    pub slippage: Option<String>,
    /// Largest share of a bar's volume that our orders get: none or a fraction such as 0.1.
    #[arg(long, value_name = "none|F")]
    pub participation: Option<String>,
    /// When market orders fill: at the next open (the default), or at the close that decided (for comparison with packages that do).
    #[arg(long, value_name = "next-open|signal-close")]
    pub exec: Option<String>,
    /// Protective stop of entries: none, pct:X (percent of the entry), atr:N:K (K average true ranges of N bars; atr:14:3 is the default
    /// while risk is on), trail:X or trail-atr:N:K (the same behind the best price since the entry); with +hold:T behind any of them the
    /// position is closed after T (such as 4h).
    #[arg(long, value_name = "RULE")]
    pub stop: Option<String>,
    /// How entries and exits are worked: none (at once, as one order; the default), twap:OVER:SLICES, vwap:OVER:SLICES,
    /// pov:SHARE%:DEADLINE, is:OVER (implementation shortfall), passive:PATIENCE, iceberg:SHOWN, or auto:URGENCY (low, normal, high);
    /// slices, deadline and urgency may be left out (docs/schedules.md has all of it).
    #[arg(long, value_name = "SCHEDULE")]
    pub work: Option<String>,
    /// Limits: default, off (research only), inline (those of the configuration; research only), or a TOML file of limits (research only).
    #[arg(long, value_name = "off|default|inline|FILE")]
    pub risk: Option<String>,
    /// Funding of perpetuals per period: RATE or RATE:HOURS (8 hours if not said). Refused if there is no perpetual.
    #[arg(long, value_name = "RATE[:HOURS]")]
    pub funding: Option<String>,
    /// Latency of orders and of reports on trades and quotes, in milliseconds: MS or MS:JITTER_MS:SEED (0 if not given). Refused if all data
    /// are candles, which have none.
    #[arg(long, value_name = "MS[:JITTER_MS:SEED]")]
    pub latency: Option<String>,
    /// Seconds between two questions to the venue how the account stands; it is not asked if not given.
    #[arg(long, value_name = "S")]
    pub reconcile_every: Option<String>,
    /// Configuration file; `bot4.toml` of the working directory, or the one named by BOT4_CONFIG, if not given.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for summary.json, trades.csv, equity.csv, prices.csv and report.html.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
    /// Levels of the log on standard error, from the program's own option.
    #[arg(skip)]
    pub log: Option<String>,
}

impl RunArgs {
    /// What was given, by key.
    ///
    /// # Errors
    /// A path that is not Unicode: the configuration of a run is recorded as text.
    pub fn layer(&self) -> Result<Vec<(&'static str, Value)>, Problems> {
        let mut layer = Vec::new();
        let (from, to) = self.data.range().map_err(|error| {
            let found = self.data.scenario.clone().unwrap_or_default();
            let origin = Origin::Argument("--scenario");
            Problems(vec![Problem { origin, key: String::new(), found, expected: error.message, near: None }])
        })?;
        let texts = [
            ("run.cash", &self.cash),
            ("run.size", &self.size),
            ("run.units", &self.units),
            ("run.stop", &self.stop),
            ("run.work", &self.work),
            ("run.risk", &self.risk),
            ("run.records", &self.records),
            ("venue.fee_taker", &self.fee_taker),
            ("venue.fee_maker", &self.fee_maker),
            ("venue.fee_asset", &self.fee_asset),
            ("venue.slippage", &self.slippage),
            ("venue.participation", &self.participation),
            ("venue.exec", &self.exec),
            ("venue.funding", &self.funding),
            ("venue.latency", &self.latency),
            ("venue.reconcile_every", &self.reconcile_every),
            ("data.venue", &self.data.venue),
            ("data.symbol", &self.data.symbol),
            ("data.interval", &self.data.interval),
            ("data.start", &self.data.start),
            ("data.instrument", &self.data.instrument),
            ("data.kind", &self.data.kind),
            ("data.from", &from),
            ("data.to", &to),
            ("data.bad_rows", &self.data.bad_rows),
            ("log.level", &self.log),
        ];
        layer.extend(texts.into_iter().filter_map(|(path, text)| text.clone().map(|t| (path, Value::Text(t)))));
        for (path, list) in [("run.strategies", &self.strategies), ("run.params", &self.params)] {
            if !list.is_empty() {
                layer.push((path, Value::List(list.clone())));
            }
        }
        if !self.data.data.is_empty() {
            let files: Result<Vec<String>, Problems> = self.data.data.iter().map(|p| unicode(p, "--data")).collect();
            layer.push(("data.files", Value::List(files?)));
        }
        Ok(layer)
    }
}

fn unicode(path: &Path, argument: &'static str) -> Result<String, Problems> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Problems(vec![Problem {
            origin: Origin::Argument(argument),
            key: String::new(),
            found: path.display().to_string(),
            expected: "a path in Unicode".into(),
            near: None,
        }])
    })
}
