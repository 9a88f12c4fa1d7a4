//! What a page says.

use crate::runs::{HOSTILE, hostile, run};
use monitor::report::{RunReport, figures, render};

#[test]
fn a_page_has_its_parts_and_asks_for_nothing() {
    let page = render(&[run("one", 3_000, 300, 1)]);
    for part in [
        "research: risk is off",
        "Before you trust the figures",
        "Buy and hold",
        "Monthly returns",
        "Rolling Sharpe ratio, 30 days",
        "Refusals by reason",
        "position limit",
        "What the result rests on",
        "without the cost of closing",
        "01fafc41c7b7feb2af526dd78146b7a5",
        &"ab".repeat(32),
        "id=\"def-sharpe\"",
        "The MIT License",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("default-src 'none'"));
    for outside in ["<link", "src=\"http", "href=\"http", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Every link inside leads somewhere.
    for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}

#[test]
fn no_text_of_a_run_is_markup() {
    for page in [render(&[hostile()]), render(&[hostile(), hostile(), run("b", 100, 3, 2)])] {
        assert!(!page.contains(HOSTILE) && !page.contains("<script>window") && !page.contains("<img"), "unescaped");
        assert_eq!(page.matches("</script>").count(), 3, "data, library and code, each ended once");
        assert!(page.contains("&lt;/script&gt;"));
    }
}

#[test]
fn faults_and_research_are_said_before_any_figure() {
    let mut bad = run("bad", 200, 5, 3);
    bad.summary.faults = vec!["fill of an unknown order".into()];
    let page = render(&[bad.clone()]);
    let at = |text: &str| page.find(text).unwrap_or(usize::MAX);
    assert!(at("box fault") < at("class=\"cards\"") && at("fill of an unknown order") < at("class=\"cards\""));
    assert!(at("badge fault") < at("<h1>"));
    let page = render(&[bad, run("good", 200, 5, 4)]);
    assert!(page.contains("bad: fill of an unknown order"));
}

#[test]
fn a_comparison_has_a_column_for_each_run_and_says_what_differs() {
    let (a, mut b, c) = (run("a", 900, 50, 1), run("a", 900, 60, 2), run("c", 500, 0, 3));
    b.summary.risk_profile = "standard".into();
    b.summary.assumptions.push("the second is different".into());
    let page = render(&[a, b, c]);
    for part in [
        "Comparison of 3 runs",
        "a, a (2), c",
        "do not cover the same time",
        "under different limits",
        "Only of a (2)",
        "the second is different",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let rows = page.split("Figures side by side").nth(1).unwrap();
    let closed = rows.split("Closed trades").nth(1).unwrap().split("</tr>").next().unwrap();
    let cells: Vec<_> = closed.split("<td>").skip(1).filter_map(|c| c.split('<').next()).collect();
    assert_eq!(cells, ["50", "60", "0", ""]);
}

#[test]
fn a_run_without_anything_is_still_a_page() {
    let page = render(&[RunReport::default()]);
    assert!(page.contains("No trade was closed") && page.contains("Records were not kept"));
    assert!(!page.contains("NaN") && !page.contains(">inf"));
    let page = render(&[RunReport::default(), RunReport::default()]);
    assert!(page.contains("Comparison of 2 runs"));
}

#[test]
fn figures_are_the_same_after_a_way_through_json() {
    let run = run("one", 2_000, 100, 9);
    let again: RunReport = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
    assert_eq!(figures(&again), figures(&run));
    // What an older run did not write is empty, and no error.
    let mut old = serde_json::to_value(&run.summary).unwrap();
    let fields = old.as_object_mut().unwrap();
    for new in ["quote", "costs", "by_strategy", "inputs", "recoveries", "started_afresh", "config", "build"] {
        fields.remove(new).unwrap();
    }
    let summary: monitor::report::RunSummary = serde_json::from_value(old).unwrap();
    assert_eq!(summary.costs, monitor::report::Costs::default());
    assert!(render(&[RunReport { summary, ..run }]).contains("did not write down which files"));
}
