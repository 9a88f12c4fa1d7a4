//! Runs made up from a seed, as bot4 would leave them.

use monitor::report::{
    Costs, EquityRow, Hold, InputFile, InputSeries, MarkRow, Position, RunReport, RunSummary, StrategyLine, Trade,
};

/// 2021-01-01 00:00 UTC.
pub const START: i64 = 1_609_459_200_000;
const HOUR: i64 = 3_600_000;

/// Numbers from 0 to 1 from a seed: a linear congruential generator, its upper bits.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }
}

/// A run of so many hours with so many trades over two instruments and two strategies.
pub fn run(name: &str, hours: i64, trades: usize, seed: u64) -> RunReport {
    let mut random = Random(seed);
    let mut price = [40_000.0, 1_500.0];
    let (mut equity, mut peak) = (10_000.0f64, 10_000.0f64);
    let (mut rows, mut marks) = (Vec::new(), Vec::new());
    for hour in 1..=hours {
        let ts = START + hour * HOUR;
        for (instrument, price) in (0u16..).zip(&mut price) {
            let open = *price;
            *price *= 1.0 + 0.02 * (random.next() - 0.499);
            let (high, low) = (price.max(open) * 1.002, price.min(open) * 0.998);
            marks.push(MarkRow { ts, instrument, open, high, low, close: *price });
        }
        equity *= 1.0 + 0.006 * (random.next() - 0.497);
        peak = peak.max(equity);
        let held = if hour % 40 < 25 { 0.5 * random.next() } else { 0.0 };
        rows.push(EquityRow {
            ts,
            equity,
            hold: Some(10_000.0 * price[0] / 40_000.0),
            drawdown: Some(equity / peak - 1.0),
            gross: Some(held),
            net: Some(if hour % 80 < 40 { held } else { -held }),
        });
    }
    let close = |hour: usize, instrument: usize| marks.get(2 * hour + instrument).map_or(1.0, |m: &MarkRow| m.close);
    let closed: Vec<Trade> = (0..trades)
        .map(|n| {
            let (instrument, short) = (n % 2, n % 3 == 0);
            let from = n * (hours as usize - 30) / trades.max(1);
            let to = from + 1 + (random.next() * 20.0) as usize;
            let (entry_price, exit_price) = (close(from, instrument), close(to, instrument));
            let quantity = 500.0 / entry_price;
            let change = (exit_price - entry_price) * quantity * if short { -1.0 } else { 1.0 };
            Trade {
                strategy: (n % 2) as u16,
                name: "sma-cross".into(),
                symbol: ["BTCUSDT", "ETHUSDT"][instrument].into(),
                short,
                entry_ts: START + from as i64 * HOUR,
                exit_ts: START + to as i64 * HOUR,
                quantity,
                entry_price,
                exit_price,
                fees: 0.5,
                pnl: change - 0.5,
            }
        })
        .collect();
    let won = closed.iter().filter(|t| t.pnl > 0.0).count();
    let line = |strategy: u16| {
        let own = || closed.iter().filter(move |t| t.strategy == strategy);
        StrategyLine {
            strategy,
            name: "sma-cross".into(),
            fills: 2 * own().count() as u64,
            trades: own().count() as u64,
            wins: own().filter(|t| t.pnl > 0.0).count() as u64,
            realised: own().map(|t| t.pnl + t.fees).sum(),
            fees: own().map(|t| t.fees).sum(),
            unrealised: Some(0.0),
            turnover: own().map(|t| 2.0 * t.quantity * t.entry_price).sum(),
        }
    };
    let deepest = rows.iter().filter_map(|r| r.drawdown).fold(0.0, f64::min);
    let fees = 0.5 * trades as f64;
    let summary = RunSummary {
        run: "backtest".into(),
        risk_profile: "off".into(),
        start_ts: Some(START),
        end_ts: Some(START + hours * HOUR),
        symbols: vec!["BTCUSDT".into(), "ETHUSDT".into()],
        strategies: vec!["sma-cross on BTCUSDT (fast=5)".into(), "sma-cross on ETHUSDT (fast=5)".into()],
        quote: "USDT".into(),
        events: hours as u64 * 120,
        initial_cash: 10_000.0,
        final_equity: Some(equity),
        total_return: Some(equity / 10_000.0 - 1.0),
        fees_paid: fees,
        orders: 2 * trades as u64,
        fills: 2 * trades as u64,
        trades_closed: trades as u64,
        win_rate: (trades > 0).then(|| won as f64 / trades as f64),
        refusals: [("correlation".to_owned(), 82), ("position_limit".to_owned(), 7)].into(),
        venue_rejects: [("min_notional".to_owned(), 3)].into(),
        max_drawdown: deepest,
        sharpe: Some(0.8),
        volatility: Some(0.4),
        open_positions: vec![Position {
            symbol: "BTCUSDT".into(),
            side: "long".into(),
            quantity: 0.01,
            entry_price: 40_000.0,
            mark_price: Some(41_000.0),
            unrealised_pnl: Some(10.0),
            ..Position::default()
        }],
        buy_and_hold: Some(Hold { final_equity: 12_000.0, total_return: 0.2, max_drawdown: -0.5 }),
        digest: "01fafc41c7b7feb2af526dd78146b7a5".into(),
        state_digest: "4ba453a05974d880f72ef2567871ae3f".into(),
        assumptions: vec!["equity is valued at the last traded price, without the cost of closing".into()],
        costs: Costs { fees, turnover_maker: 0.0, turnover_taker: 1_000.0 * trades as f64, ..Costs::default() },
        by_strategy: vec![line(0), line(1)],
        inputs: vec![InputSeries {
            title: "binance_spot BTCUSDT 1m".into(),
            rows: Some(525_600),
            files: vec![InputFile { name: "BTCUSDT.parquet".into(), bytes: 9_000_000, sha256: "ab".repeat(32) }],
        }],
        ..RunSummary::default()
    };
    RunReport { name: name.into(), summary, trades: closed, equity: rows, marks }
}

/// Text that does harm wherever it is taken for markup, a script, an attribute or the end of one.
pub const HOSTILE: &str = "</script><script>window.harmed=1</script><img src=x onerror=window.harmed=1>'\"--><b>&";

/// A run in which every text is hostile.
pub fn hostile() -> RunReport {
    let mut run = run(HOSTILE, 500, 40, 5);
    let s = &mut run.summary;
    let bad = || HOSTILE.to_owned();
    (s.run, s.risk_profile, s.quote, s.digest, s.state_digest) = (bad(), bad(), bad(), bad(), bad());
    s.symbols = vec![bad(), format!("{HOSTILE}2")];
    s.strategies = vec![bad(), bad()];
    (s.faults, s.assumptions, s.data.first_bad_rows) = (vec![bad()], vec![bad()], vec![bad()]);
    s.refusals = [(bad(), 1)].into();
    s.venue_rejects = [(bad(), 1)].into();
    s.recoveries = vec![serde_json::json!({ HOSTILE: HOSTILE })];
    s.config = Some(serde_json::json!({ "name": HOSTILE }));
    s.build = Some(serde_json::json!(HOSTILE));
    for position in &mut s.open_positions {
        (position.symbol, position.side, position.name) = (bad(), bad(), bad());
    }
    for line in &mut s.by_strategy {
        line.name = bad();
        line.strategy += 100;
    }
    for series in &mut s.inputs {
        series.title = bad();
        series.files.iter_mut().for_each(|f| (f.name, f.sha256) = (bad(), bad()));
    }
    for trade in &mut run.trades {
        trade.name = bad();
        trade.symbol = if trade.symbol == "BTCUSDT" { bad() } else { format!("{HOSTILE}2") };
    }
    run
}
