//! The page that lays several runs over each other.

use super::chart_data;
use super::figures::{Figures, figures};
use super::page::{HINT, Page, TIME_TOOLS, chart, defined, list, scroll, section, top};
use super::run_report::RunReport;
use super::single::{CURVE_ROWS, badges, other_rows};
use super::text::{Escaped, NONE, or_none, percent, signed_percent, time};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The whole document.
pub(super) fn page(runs: &[RunReport]) -> String {
    let names = unique(runs);
    let all: Vec<Figures> = runs.iter().map(figures).collect();
    let mut body = faults(runs, &names) + &warnings(runs);
    body += &section("runs", "The runs", &overview(runs, &names, &all));
    let curves = format!(
        "{TIME_TOOLS}{}<h3>{}</h3>{}{HINT}",
        chart("equity", "value of each account as a multiple of its cash, in time"),
        defined("drawdown", "Drawdown"),
        chart("drawdown", "drawdown of each run in time"),
    );
    body += &section("curve-section", "Equity, as a multiple of the cash at the start", &curves);
    body += &section("figures", "Figures side by side", &table(runs, &names, &all));
    body += &section("differences", "What the results rest on", &assumptions(runs, &names));
    Page {
        title: format!("comparison of {} runs – bot4", runs.len()),
        header: format!(
            "{}<h1>Comparison of {} runs</h1><p class=\"lead\">{}</p>",
            top(""),
            runs.len(),
            Escaped(&names.join(", "))
        ),
        sections: vec![
            ("runs", "Runs"),
            ("curve-section", "Equity"),
            ("figures", "Figures"),
            ("differences", "Assumptions"),
            ("definitions", "Definitions"),
        ],
        body,
        data: chart_data::several(runs, &names),
    }
    .html()
}

/// Names that tell the runs apart: a name that comes again gets a number.
fn unique(runs: &[RunReport]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    runs.iter()
        .map(|run| {
            let mut name = run.name.clone();
            let mut n = 2;
            while !taken.insert(name.clone()) {
                name = format!("{} ({n})", run.name);
                n += 1;
            }
            name
        })
        .collect()
}

fn faults(runs: &[RunReport], names: &[String]) -> String {
    let lines: Vec<String> = runs
        .iter()
        .zip(names)
        .flat_map(|(run, name)| run.summary.faults.iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("<div class=\"box fault\" role=\"alert\"><h2>Faults</h2>{}</div>\n", list(&lines))
}

/// What makes the runs hard to compare.
fn warnings(runs: &[RunReport]) -> String {
    let mut lines = Vec::new();
    let differ = |value: &dyn Fn(&RunReport) -> String| runs.iter().map(value).collect::<BTreeSet<_>>().len() > 1;
    if differ(&|r| format!("{:?}", (r.summary.start_ts, r.summary.end_ts))) {
        lines.push("The runs do not cover the same time.");
    }
    if differ(&|r| r.summary.symbols.join(",")) {
        lines.push("The runs do not trade the same instruments.");
    }
    if differ(&|r| r.summary.risk_profile.clone()) {
        lines.push("The runs were made under different limits.");
    }
    if differ(&|r| r.summary.quote.clone()) {
        lines.push("The runs are in different quote assets.");
    }
    if runs.len() > 2 {
        lines.push("The best of several runs looks better than it is: some of its lead is luck.");
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("<div class=\"box warn\"><h2>Before you compare</h2>{}</div>\n", list(lines))
}

fn overview(runs: &[RunReport], names: &[String], all: &[Figures]) -> String {
    let mut table = String::from(
        "<table class=\"wide\"><thead><tr><th scope=\"col\">Run</th><th scope=\"col\" class=\"l\">Kind</th><th scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\">Return</th><th scope=\"col\">Drawdown</th></tr></thead><tbody>",
    );
    for (n, ((run, name), f)) in runs.iter().zip(names).zip(all).enumerate() {
        let s = &run.summary;
        let _ = write!(
            table,
            "<tr><th scope=\"row\"><span class=\"swatch\" style=\"background:var(--c{})\"></span>{}</th><td class=\"l\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            n % 8,
            Escaped(name),
            badges(s),
            s.start_ts.map_or_else(|| NONE.into(), time),
            s.end_ts.map_or_else(|| NONE.into(), time),
            or_none(f.account.total_return, signed_percent),
            or_none(f.account.max_drawdown, percent)
        );
    }
    scroll("the runs", &(table + "</tbody></table>"))
}

fn table(runs: &[RunReport], names: &[String], all: &[Figures]) -> String {
    let mut out = String::from("<table class=\"wide\"><thead><tr><th scope=\"col\">Figure</th>");
    for (n, name) in names.iter().enumerate() {
        let _ = write!(
            out,
            "<th scope=\"col\"><span class=\"swatch\" style=\"background:var(--c{})\"></span>{}</th>",
            n % 8,
            Escaped(name)
        );
    }
    // Holding is the same for runs over the same data; of the first run it stands for orientation.
    let hold = all.first().and_then(|f| f.hold);
    if hold.is_some() {
        let _ = write!(out, "<th scope=\"col\">{}</th>", defined("hold", "Holding (first run)"));
    }
    out += "</tr></thead><tbody>";
    for (key, name, value) in CURVE_ROWS {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", defined(key, name));
        for f in all {
            let _ = write!(out, "<td>{}</td>", value(&f.account));
        }
        if let Some(hold) = &hold {
            let _ = write!(out, "<td>{}</td>", value(hold));
        }
        out += "</tr>";
    }
    let rows: Vec<_> = runs.iter().zip(all).map(|(run, f)| other_rows(run, f)).collect();
    let mut seen = Vec::new();
    for (key, name, _) in rows.iter().flatten() {
        if !seen.contains(&(*key, *name)) {
            seen.push((*key, *name));
        }
    }
    for (key, name) in seen {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", defined(key, name));
        for of_run in &rows {
            let value = of_run.iter().find(|(_, n, _)| *n == name).map_or(NONE, |(_, _, value)| value.as_str());
            let _ = write!(out, "<td>{value}</td>");
        }
        if hold.is_some() {
            out += "<td></td>";
        }
        out += "</tr>";
    }
    scroll("figures side by side", &(out + "</tbody></table>"))
}

/// What all runs assume, and what only some do.
fn assumptions(runs: &[RunReport], names: &[String]) -> String {
    let lines = |run: &RunReport| -> Vec<String> {
        run.summary
            .strategies
            .iter()
            .map(|s| format!("strategy: {s}"))
            .chain(run.summary.assumptions.iter().cloned())
            .collect()
    };
    let all: Vec<Vec<String>> = runs.iter().map(lines).collect();
    let common = |line: &String| all.iter().all(|own| own.contains(line));
    let mut out = String::new();
    for (own, name) in all.iter().zip(names) {
        let different: Vec<&String> = own.iter().filter(|line| !common(line)).collect();
        if !different.is_empty() {
            let _ = write!(out, "<h3>Only of {}</h3>{}", Escaped(name), list(different));
        }
    }
    let same: Vec<&String> = all.first().into_iter().flatten().filter(|line| common(line)).collect();
    if !same.is_empty() {
        let _ = write!(out, "<h3>Of all runs</h3>{}", list(same));
    }
    out
}
