//! The language of the scenario table.
//!
//! One line, one thing; several on one line are parted by `;` where noted. Times are milliseconds after the start, prices have 2 and
//! quantities 3 decimals, the account begins with 10,000 USDT and no BTC, fees are 0 unless said.
//!
//! ```text
//! with    perpetual; fee 0.001; fee-asset venue; exec signal-close; slippage bps 10; impact 4 100; participation 0.1;
//!         limit-fill touch; latency 5 3; funding 0.01 60000; no-queue; cash 500; base 2;
//!         lot 0.005; tick 0.5; pairs
//! bar     O H L C [vol V]        a whole one-minute bar        open O H L C [vol V] / path / close   its phases one by one
//! trade   P x Q buy|sell         quote B x Q A x Q             at MS    time goes on to there
//! submit  NAME buy|sell TYPE QTY [@ PRICE] [limit P] [by D|by D%] [ioc|fok|gtd MS|post-only|reduce-only|usdt|contracts|valid MS]
//! pair    A ; B                  two orders as for submit, both or neither
//! amend   NAME [price P] [trigger P] [qty Q]                   cancel NAME    query NAME
//! expect  report; report         all reports since the last expectation, in order, or `nothing`
//! balance USDT 100; BTC 1        free USDT 100                 position 1
//! ```

use domain::{
    AccountId, AccountReport, AssetIdx, Candle, ClientOrderId, Instrument, InstrumentTable, Nanos, OrderQuantity,
    OrderSpec, OrderType, Quantity, Rate, ReportBody, Side, StrategyIdx, TimeInForce, TrailOffset, UnixNanos,
};
use sim::{Exec, FeeAsset, Funding, LimitFill, Request, Slippage, Venue, VenueConfig};
use std::collections::BTreeMap;
use testkit::{T0, money, price, quantity, rate};

pub const ACCOUNT: AccountId = AccountId(1);

/// Runs a scenario; panics with the line, what was expected and what came.
#[track_caller]
pub fn check(text: &str) {
    if let Err(what) = run(text) {
        panic!("{what}\n\nin\n{text}");
    }
}

/// As [`check`], telling instead of panicking.
pub fn run(text: &str) -> Result<(), String> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.split('#').next().unwrap_or("").trim()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let settings: Vec<&str> = lines.iter().filter_map(|(_, line)| line.strip_prefix("with ")).collect();
    let mut world = World::new(&settings.join(";"));
    for (number, line) in lines {
        world.line(line).map_err(|what| format!("line {number} `{line}`: {what}"))?;
    }
    if world.seen.is_empty() { Ok(()) } else { Err(format!("reports that no line expects: {}", world.seen.join("; "))) }
}

struct World {
    venue: Venue,
    instrument: Instrument,
    base: AssetIdx,
    quote: AssetIdx,
    now: UnixNanos,
    minute: u64,
    bar: Option<Candle>,
    names: BTreeMap<ClientOrderId, String>,
    seen: Vec<String>,
}

impl World {
    fn new(settings: &str) -> Self {
        let mut config = VenueConfig { fees: Some((Rate::ZERO, Rate::ZERO)), ..VenueConfig::frictionless() };
        let (mut perpetual, mut cash, mut base) = (false, "10000", "0");
        let (mut lot, mut tick) = ("0.001", "0.01");
        for setting in settings.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            let words: Vec<&str> = setting.split_whitespace().collect();
            match words[..] {
                ["perpetual"] => perpetual = true,
                ["fee", r] => config.fees = Some((rate(r), rate(r))),
                ["fees", maker, taker] => config.fees = Some((rate(maker), rate(taker))),
                ["fee-asset", "venue"] => config.fee_asset = FeeAsset::Venue,
                ["exec", "signal-close"] => config.exec = Exec::SignalClose,
                ["slippage", "bps", n] => config.slippage = Slippage::Bps(Rate::from_bps(n.parse().unwrap())),
                ["impact", spread, coefficient] => {
                    config.slippage = Slippage::Impact {
                        spread: Rate::from_bps(spread.parse().unwrap()),
                        coefficient: Rate::from_bps(coefficient.parse().unwrap()),
                    }
                }
                ["participation", r] => config.participation = Some(rate(r)),
                ["limit-fill", "touch"] => config.limit_fill = LimitFill::Touch,
                ["latency", order, report] => {
                    config.latency.order = millis(order);
                    config.latency.report = millis(report);
                }
                ["feed-latency", feed] => config.latency.feed = millis(feed),
                ["funding", r, every] => config.funding = Some(Funding { rate: rate(r), every: millis(every) }),
                ["pairs"] => config.pairs = true,
                ["no-queue"] => config.queue = false,
                ["cash", amount] => cash = amount,
                ["base", amount] => base = amount,
                ["lot", step] => lot = step,
                ["tick", step] => tick = step,
                _ => panic!("no such setting: {setting}"),
            }
        }
        config.validate().unwrap();
        let mut table = InstrumentTable::default();
        let instrument = if perpetual {
            testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3)
        } else {
            testkit::add_spot(&mut table, "BTCUSDT", 2, 3)
        };
        let instrument = Instrument { lot: quantity(lot), tick: price(tick), ..instrument };
        table.define(instrument.clone()).unwrap();
        let mut venue = Venue::new(config);
        venue.define_table(&table).unwrap();
        venue.deposit(ACCOUNT, instrument.quote, money(cash));
        if base != "0" {
            venue.deposit(ACCOUNT, instrument.base, money(base));
        }
        while venue.take_report(T0).is_some() {}
        Self {
            venue,
            base: instrument.base,
            quote: instrument.quote,
            instrument,
            now: T0,
            minute: 0,
            bar: None,
            names: BTreeMap::new(),
            seen: Vec::new(),
        }
    }

    /// Time goes on: everything due on the way happens at its own instant.
    fn go(&mut self, to: UnixNanos) {
        while let Some(due) = self.venue.next_due().filter(|&due| due <= to) {
            self.venue.advance(due);
            self.now = self.now.max(due);
            self.collect();
        }
        self.venue.advance(to);
        self.now = to;
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(report) = self.venue.take_report(self.now) {
            self.seen.push(self.describe(&report));
        }
    }

    fn id(&mut self, name: &str) -> ClientOrderId {
        if let Some((id, _)) = self.names.iter().find(|(_, n)| *n == name) {
            return *id;
        }
        let id = ClientOrderId::new(ACCOUNT, 1, self.names.len() as u64 + 1);
        self.names.insert(id, name.to_owned());
        id
    }

    fn describe(&self, report: &AccountReport) -> String {
        let name = |id: &ClientOrderId| match self.names.get(id) {
            Some(name) => name.clone(),
            None if id.epoch() == u32::MAX => format!("venue{}", id.ordinal()),
            None => id.to_string(),
        };
        match &report.body {
            ReportBody::Accepted { client_id, .. } => format!("{} accepted", name(client_id)),
            ReportBody::Rejected { client_id, reason } => format!("{} rejected {}", name(client_id), reason.name()),
            ReportBody::Filled { fill, complete } => {
                let fee = if fill.fee_amount.is_zero() {
                    String::new()
                } else {
                    let asset = if fill.fee_asset == self.base { "BTC" } else { "USDT" };
                    format!(" fee {} {asset}", fill.fee_amount)
                };
                format!(
                    "{} filled {} @ {} {:?}{fee}{}",
                    name(&fill.client_id),
                    self.instrument.quantity(fill.quantity),
                    self.instrument.price(fill.price),
                    fill.liquidity,
                    if *complete { " complete" } else { "" }
                )
                .to_lowercase()
                .replace("btc", "BTC")
                .replace("usdt", "USDT")
            }
            ReportBody::Triggered { client_id } => format!("{} triggered", name(client_id)),
            ReportBody::Canceled { client_id, reason: None } => format!("{} canceled", name(client_id)),
            ReportBody::Canceled { client_id, reason: Some(reason) } => {
                format!("{} canceled {}", name(client_id), reason.name())
            }
            ReportBody::Expired { client_id } => format!("{} expired", name(client_id)),
            ReportBody::CancelRejected { client_id, reason } => {
                format!("{} cancel-rejected {}", name(client_id), reason.name())
            }
            ReportBody::Amended { client_id } => format!("{} amended", name(client_id)),
            ReportBody::AmendRejected { client_id, reason } => {
                format!("{} amend-rejected {}", name(client_id), reason.name())
            }
            ReportBody::Status { client_id, status, filled } => {
                let status = status.map_or("unknown".into(), |s| format!("{s:?}").to_lowercase());
                format!("{} is {status} {}", name(client_id), self.instrument.quantity(*filled))
            }
            ReportBody::Funding { amount, .. } => format!("funding {amount}"),
            ReportBody::Transfer { amount, .. } => format!("transfer {amount}"),
            ReportBody::Charge { amount, .. } => format!("charge {amount}"),
            ReportBody::Replaced { client_id, .. } => format!("{} replaced", name(client_id)),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match verb {
            "with" => {}
            "at" => self.go(UnixNanos(T0.0 + millis(rest).0)),
            "bar" => {
                self.open(&words);
                self.path();
                self.close();
            }
            "open" => self.open(&words),
            "path" => self.path(),
            "close" => self.close(),
            "trade" => {
                let [p, "x", q, side] = words[..] else { return Err("expected P x Q side".into()) };
                let trade = testkit::trade(
                    &self.instrument,
                    self.now.0 - T0.0,
                    self.price(p),
                    self.quantity(q),
                    self::side(side),
                );
                self.venue.on_trade(self.now, &trade);
                self.collect();
            }
            "quote" => {
                let [b, "x", bq, a, "x", aq] = words[..] else { return Err("expected B x Q A x Q".into()) };
                let bid = (self.price(b), self.quantity(bq));
                let ask = (self.price(a), self.quantity(aq));
                let quote = testkit::quote(&self.instrument, self.now.0 - T0.0, bid, ask);
                self.venue.on_quote(self.now, &quote);
                self.collect();
            }
            "submit" => {
                let request = self.order(&words)?;
                self.venue.submit(self.now, request);
                self.collect();
            }
            "pair" => {
                let orders: Vec<Vec<&str>> = rest.split(';').map(|part| part.split_whitespace().collect()).collect();
                let [one, other] = &orders[..] else { return Err("expected A ; B".into()) };
                let (one, other) = (self.order(one)?, self.order(other)?);
                if let (Request::Place { order: first, valid_until }, Request::Place { order: second, .. }) =
                    (one, other)
                {
                    self.venue.submit(self.now, Request::List { first, second, valid_until });
                }
                self.collect();
            }
            "amend" => {
                let client_id = self.id(words[0]);
                let value = |key: &str| words.iter().position(|w| *w == key).map(|at| words[at + 1]);
                let request = Request::Amend {
                    client_id,
                    price: value("price").map(price),
                    trigger: value("trigger").map(price),
                    quantity: value("qty").map(quantity),
                };
                self.venue.submit(self.now, request);
                self.collect();
            }
            "cancel" => {
                let client_id = self.id(rest.trim());
                self.venue.submit(self.now, Request::Cancel { client_id });
                self.collect();
            }
            "query" => {
                let client_id = self.id(rest.trim());
                self.venue.submit(self.now, Request::Query { client_id });
                self.collect();
            }
            "expect" => {
                let expected: Vec<String> = match rest.trim() {
                    "nothing" => Vec::new(),
                    text => text.split(';').map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect(),
                };
                let got = std::mem::take(&mut self.seen);
                if got != expected {
                    return Err(format!("\n  expected {}\n  got      {}", expected.join("; "), got.join("; ")));
                }
            }
            "balance" | "free" => {
                for part in rest.split(';') {
                    let [asset, amount] = part.split_whitespace().collect::<Vec<_>>()[..] else {
                        return Err("expected ASSET AMOUNT".into());
                    };
                    let idx = if asset == "BTC" { self.base } else { self.quote };
                    let got =
                        if verb == "free" { self.venue.free(ACCOUNT, idx) } else { self.venue.balance(ACCOUNT, idx) };
                    if got != money(amount) {
                        return Err(format!("{asset} is {got}"));
                    }
                }
            }
            "position" => {
                let got = self.venue.position(ACCOUNT, self.instrument.idx);
                if got != Quantity::parse(rest.trim()).unwrap() {
                    return Err(format!("position is {got}"));
                }
            }
            _ => return Err("no such line".into()),
        }
        Ok(())
    }

    fn price(&self, text: &str) -> i64 {
        self.instrument.price_mantissa(price(text)).unwrap()
    }

    fn quantity(&self, text: &str) -> i64 {
        self.instrument.quantity_mantissa(quantity(text)).unwrap()
    }

    fn open(&mut self, words: &[&str]) {
        let mantissa = |at: usize| self.price(words[at]);
        let volume = if words.get(4) == Some(&"vol") { self.quantity(words[5]) } else { 0 };
        let ohlc = [mantissa(0), mantissa(1), mantissa(2), mantissa(3)];
        assert!(ohlc[2] <= ohlc[0].min(ohlc[3]) && ohlc[1] >= ohlc[0].max(ohlc[3]), "not a bar: {words:?}");
        let candle = testkit::candle(&self.instrument, self.minute, ohlc, volume);
        self.minute += 1;
        self.go(candle.ts_open.max(self.now));
        self.bar = Some(candle);
        if self.venue.has_work(self.instrument.idx) {
            self.venue.on_bar_open(self.now, &candle);
            self.collect();
        }
    }

    fn path(&mut self) {
        let candle = self.bar.unwrap();
        if self.venue.has_work(self.instrument.idx) {
            self.venue.on_bar_path(self.now, &candle);
            self.collect();
        }
    }

    fn close(&mut self) {
        let candle = self.bar.take().unwrap();
        self.go(candle.ts_close());
        self.venue.on_bar_close(self.now, &candle);
        self.collect();
    }

    fn order(&mut self, words: &[&str]) -> Result<Request, String> {
        let [name, side, kind, amount, options @ ..] = words else { return Err("expected NAME SIDE TYPE QTY".into()) };
        let value = |key: &str| options.iter().position(|w| *w == key).map(|at| options[at + 1]);
        let has = |key: &str| options.contains(&key);
        let at = || value("@").map(price).ok_or("expected @ PRICE");
        let instant = |ms: &str| UnixNanos(T0.0 + millis(ms).0);
        let kind = match *kind {
            "market" => OrderType::Market,
            "limit" => OrderType::Limit { price: at()? },
            "stop" => OrderType::StopMarket { trigger: at()? },
            "stop-limit" => {
                OrderType::StopLimit { trigger: at()?, price: value("limit").map(price).ok_or("expected limit P")? }
            }
            "take-profit" => OrderType::TakeProfit { trigger: at()? },
            "trailing" => {
                let by = value("by").ok_or("expected by D")?;
                OrderType::TrailingStop {
                    offset: match by.strip_suffix('%') {
                        Some(percent) => TrailOffset::Fraction(Rate::from_raw(rate(percent).raw() / 100)),
                        None => TrailOffset::Distance(price(by)),
                    },
                }
            }
            other => return Err(format!("no such type: {other}")),
        };
        let order = OrderSpec {
            client_id: self.id(name),
            kind,
            quantity: if has("usdt") {
                OrderQuantity::QuoteAmount(money(amount))
            } else if has("contracts") {
                OrderQuantity::Contracts(quantity(amount))
            } else {
                OrderQuantity::Base(quantity(amount))
            },
            time_in_force: match (has("ioc"), has("fok"), value("gtd")) {
                (true, _, _) => TimeInForce::Ioc,
                (_, true, _) => TimeInForce::Fok,
                (_, _, Some(ms)) => TimeInForce::Gtd(instant(ms)),
                _ => TimeInForce::Gtc,
            },
            account: ACCOUNT,
            instrument: self.instrument.idx,
            strategy: StrategyIdx(0),
            side: self::side(side),
            post_only: has("post-only"),
            reduce_only: has("reduce-only"),
        };
        Ok(Request::Place { order, valid_until: value("valid").map(instant) })
    }
}

fn side(text: &str) -> Side {
    match text {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => panic!("no such side: {other}"),
    }
}

fn millis(text: &str) -> Nanos {
    Nanos::from_millis(text.trim().parse().unwrap())
}

#[test]
fn a_wrong_expectation_is_told_with_both_sides() {
    let text = "submit a buy market 1\nbar 100 105 95 102\nexpect a accepted; a filled 1 @ 101 taker complete";
    let told = run(text).unwrap_err();
    assert!(told.contains("line 3"), "{told}");
    assert!(told.contains("expected a accepted; a filled 1 @ 101 taker complete"), "{told}");
    assert!(told.contains("got      a accepted; a filled 1 @ 100 taker complete"), "{told}");
    let told = run("submit a buy market 1").unwrap_err();
    assert!(told.contains("no line expects: a accepted"), "{told}");
}
