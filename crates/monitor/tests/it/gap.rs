//! The page of a gap report: what it says, and that no text of a run is markup.

use crate::runs::START;
use monitor::report::{
    Amount, GapDay, GapDifference, GapFill, GapOrders, GapPart, GapPoint, GapReport, GapSide, PartState, gap_page,
};

fn amount(value: f64) -> Amount {
    Amount { exact: format!("{value}"), value }
}

fn part(key: &str, state: PartState, value: f64, what: &str) -> GapPart {
    let figure = (state != PartState::NotInTheseData).then(|| amount(value));
    GapPart {
        key: key.into(),
        state,
        what: what.into(),
        low: figure.as_ref().map(|a| amount(1.5 * a.value)),
        high: figure.as_ref().map(|a| amount(0.5 * a.value)),
        mean: figure.clone(),
        equity: figure.as_ref().map(|a| amount(10_000.0 + a.value)),
        amount: figure,
    }
}

/// A report in which every text is `text`.
pub fn report(text: &str) -> GapReport {
    let fill = |n: i64, at: f64| GapFill {
        client_id: text.into(),
        ts: START + n * 3_600_000,
        filled_ts: Some(START + n * 3_600_000 + 250),
        quantity: amount(0.5),
        price: Some(at),
        fees: amount(0.01),
    };
    let difference = |n: i64| GapDifference {
        symbol: text.into(),
        strategy: 1,
        name: text.into(),
        side: "buy".into(),
        kind: "market".into(),
        backtest: (n % 3 != 0).then(|| fill(n, 30_000.0)),
        session: (n % 3 != 1).then(|| fill(n, 30_015.0)),
        price_cost: (n % 3 == 2).then_some(7.5),
        fee_cost: 0.01,
    };
    let day = |n: i64| GapDay {
        date: format!("2021-01-{:02}", n + 1),
        ts: START + n * 86_400_000,
        backtest: amount(n as f64),
        session: amount(n as f64 - 1.0),
        gap: amount(-1.0),
        parts: vec![("fees".into(), amount(-0.75)), ("signal".into(), amount(-0.25))],
    };
    let side = |pnl: f64| GapSide {
        equity: amount(10_000.0 + pnl),
        pnl: amount(pnl),
        orders: 1_234,
        fills: 1_000,
        fees: amount(12.0),
        refusals: [(text.to_owned(), 7)].into(),
        venue_rejects: [("insufficient_balance".to_owned(), 2)].into(),
    };
    GapReport {
        name: text.into(),
        folder: text.into(),
        quote: text.into(),
        start_ts: START,
        end_ts: START + 31 * 86_400_000,
        recorded_by: text.into(),
        replayed_by: text.into(),
        difference: Some(text.into()),
        cash: amount(10_000.0),
        backtest: side(40.0),
        session: side(9.0),
        gap: amount(-31.0),
        parts: vec![
            part("fees", PartState::Measured, -23.25, text),
            part("slippage", PartState::Same, 0.0, text),
            part("latency", PartState::NotInTheseData, 0.0, text),
            part("rejects", PartState::Measured, 0.0, text),
            part("signal", PartState::Measured, -7.75, text),
        ],
        playings: 4,
        orders_of_rungs: 2,
        days: (0..31).map(day).collect(),
        curve: (0..700)
            .map(|n| GapPoint { ts: START + n * 3_600_000, backtest: 10_000.0 + n as f64, session: 10_000.0 })
            .collect(),
        matched: GapOrders { same_time: 900, near: 3, backtest_only: 331, session_only: 0, ..GapOrders::default() },
        differences: (0..30).filter(|n| n % 3 == 2).map(difference).collect(),
        alone: (0..30).filter(|n| n % 3 != 2).map(difference).collect(),
        common: vec![text.into()],
        notes: vec![text.into()],
        ..GapReport::default()
    }
}

#[test]
fn a_page_has_its_parts_and_asks_for_nothing() {
    let page = gap_page(&report("mine"));
    for part in [
        "What made the difference",
        "not in these data",
        "−23.25",
        "not ended",
        "another build",
        "over 2 orders of the rungs",
        "Orders beside each other",
        "not sent",
        "30\u{202f}015.00",
        "5.0 bp",
        "insufficient balance",
        "What both assume",
        "Shapley",
        "2021-01-31",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("default-src 'none'") && !page.contains("http://") && !page.contains("https://"));
    for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}

#[test]
fn no_text_of_a_run_is_markup_and_nothing_is_not_a_number() {
    let page = gap_page(&report("</td></script><script>window.harmed=1</script>"));
    assert!(!page.contains("<script>window") && page.contains("&lt;/script&gt;"));
    let empty = gap_page(&GapReport::default());
    assert!(empty.contains("there is no gap") && empty.contains("Nothing was refused"));
    for page in [page, empty] {
        assert!(!page.contains("NaN") && !page.contains(">inf"));
    }
}

#[test]
fn as_json_amounts_are_exact_texts_and_parts_of_days_have_names() {
    let json = serde_json::to_value(report("mine")).unwrap();
    assert_eq!(json["gap"], "-31");
    assert_eq!(json["days"][0]["parts"]["fees"], "-0.75");
    assert_eq!(json["parts"][2]["state"], "not-in-these-data");
    assert!(json["parts"][2]["amount"].is_null());
}
