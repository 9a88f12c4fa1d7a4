//! A cost analysis made up from a seed, with noise about its law, losses and gains, and texts that would be markup.

use crate::runs::{HOSTILE, START};
use monitor::report::{CostOrder, CostPoint, CostReport, CostRow, cost_page};
use research::fit::{Observation, Past, Regressor, fit_law, touches, walk_forward};
use research::validate::Seeded;

/// The analysis.
pub fn report(name: &str, text: &str) -> CostReport {
    let mut seeded = Seeded::new(5);
    let observations: Vec<Observation> = (0..400)
        .map(|_| {
            let share = 0.2 * seeded.unit() * seeded.unit() * seeded.unit();
            let cost = 0.0002 + 0.006 * share.sqrt() + 0.0003 * seeded.normal();
            Observation { share, volatility: None, cost, pays_spread: true, tick: 0.0, weight: 1.0 }
        })
        .collect();
    let past: Vec<Past> = observations
        .iter()
        .zip(0u64..)
        .map(|(o, n)| Past { sent: 10 * n, known: 10 * n + 5, observation: *o })
        .collect();
    let row = |name: String, n: usize| CostRow {
        name,
        orders: 10 + n as u64,
        with_fills: 9,
        fill_ratio: Some(0.93),
        traded: 10_000.0 * (n + 1) as f64,
        cost: Some(12.0 + n as f64),
        known: 9,
        cost_bps: Some(12.0),
        parts: [Some(-2.0), Some(5.0 * seeded_sign(n)), None, Some(4.0), Some(10.0), Some(0.7), Some(0.0)],
        crossing_bps: Some(4.0),
        latency_ms: [Some(0.0), Some(12.5), Some(61_000.0), None],
        markout_bps: [Some(-1.25), None, Some(3.5)],
    };
    let rows = |names: &[String]| names.iter().enumerate().map(|(n, name)| row(name.clone(), n)).collect::<Vec<_>>();
    let hours: Vec<String> = (0..24).map(|h| format!("{h:02}")).collect();
    let strategies = [format!("0 {text} on BTCUSDT"), "1 a strategy whose name goes on_and_on_and_on_and_on".into()];
    let fit = fit_law(&observations, Regressor::VolumeShare, 1).unwrap();
    CostReport {
        name: name.into(),
        quote: text.into(),
        complete: false,
        configured: text.into(),
        not_set_off: 7,
        all: row("all".into(), 3),
        groups: vec![
            ("strategy".into(), rows(&strategies)),
            ("hour".into(), rows(&hours)),
            ("liquidity".into(), rows(&[text.into()])),
        ],
        fills: observations.iter().map(|o| CostPoint { share: o.share, cost_bps: 1e4 * o.cost }).collect(),
        fit: Some(fit),
        fitted_spread: Some(8.0),
        says: text.into(),
        setting: Some(text.into()),
        left_out: vec![(text.into(), 3)],
        calibration: Some(walk_forward(&past, Regressor::VolumeShare, 1)),
        whole_bias: None,
        whole_count: 0,
        touches: Some(touches([(false, true), (false, false), (true, true)])),
        costly: vec![CostOrder {
            order: 7,
            sent_ts: START,
            symbol: text.into(),
            strategy: text.into(),
            what: text.into(),
            traded: 1_000.0,
            cost: 5.0,
            cost_bps: Some(50.0),
            ..CostOrder::default()
        }],
        notes: vec![text.into()],
    }
}

fn seeded_sign(n: usize) -> f64 {
    if n.is_multiple_of(3) { -1.0 } else { 1.0 }
}

#[test]
fn a_page_says_its_figures_and_no_text_is_markup() {
    let page = cost_page(&report("a run", "plain"));
    for part in [
        "By strategy",
        "By hour of the day (UTC)",
        "measured as estimated",
        "95 % band of the law",
        "of it half the spread, as fitted",
        "not complete",
        "1 of 2 touches filled",
        "12.00 <small>bps</small>",
        "no input",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Every link inside leads somewhere.
    for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    let page = cost_page(&report(HOSTILE, HOSTILE));
    assert!(!page.contains(HOSTILE) && !page.contains("<script>window") && !page.contains("<img"), "unescaped");
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(!page.contains("NaN"));
}
