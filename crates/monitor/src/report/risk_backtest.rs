//! The page and the tables of a backtest of risk models.
//!
//! In:  a [`RiskBacktest`]. Out: one self-contained HTML page, and CSV of the outcomes and of every breach.

use super::page::{badge, list, scroll, section, top};
use super::risk_charts::{Interval, intervals};
use super::risk_daily::csv_field;
use super::risk_frame::{RiskPage, card, meanings, table};
use super::text::{Escaped, NONE, count, date, number, or_none, percent, time};
use research::validate::{Breach, Coverage, Outcome, RiskBacktest, Zone};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A test rejects below this probability.
const REJECTS: f64 = 0.05;
/// Breaches that the page lists.
const WORST: usize = 20;

/// The page. `title` says what was walked, `notes` what a reader should know of the data.
#[must_use]
pub fn risk_backtest_page(title: &str, notes: &[String], result: &RiskBacktest) -> String {
    let levels = levels(result);
    let header = format!(
        "{}<h1>{}</h1><p class=\"lead\">{} series, {} models and levels on them · window of {} returns · seed {}</p>",
        top(&badge("plain", "backtest of risk models")),
        Escaped(title),
        count(result.series.len() as u64),
        count(result.outcomes.len() as u64),
        count(result.window),
        result.seed
    );
    let mut rates = String::new();
    for level in &levels {
        rates += &rates_at(result, *level);
    }
    RiskPage {
        title: format!("risk backtest: {title} – bot4"),
        header,
        sections: vec![
            ("notes", "", notes_box(notes, result)),
            ("cards", "", cards(result, &levels)),
            ("rates", "Breach rates", section("rates", "How often losses passed their forecast", &rates)),
            ("tests", "Tests", section("tests", "Every test", &scroll("every test", &all(result)))),
            ("drawdowns", "Drawdowns", section("drawdowns", "Drawdowns against expectation", &drawdowns(result))),
            ("worst", "Worst losses", section("worst", "Largest losses over their forecast", &worst(result))),
            ("meanings", "Meanings", section("meanings", "What the figures mean", &meanings(MEANINGS))),
        ],
    }
    .html()
}

/// The levels, in the order in which they were asked for.
fn levels(result: &RiskBacktest) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::new();
    for outcome in &result.outcomes {
        if !out.contains(&outcome.level) {
            out.push(outcome.level);
        }
    }
    out
}

fn models(result: &RiskBacktest) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    for outcome in &result.outcomes {
        if !out.contains(&outcome.model.as_str()) {
            out.push(&outcome.model);
        }
    }
    out
}

/// Breaches and forecasts of a model at a level over all series.
fn pooled(result: &RiskBacktest, model: &str, level: f64) -> (u64, u64) {
    let ours = result.outcomes.iter().filter(|o| o.model == model && o.level == level);
    ours.filter_map(|o| o.coverage).fold((0, 0), |(x, n), c| (x + c.breaches, n + c.forecasts))
}

fn notes_box(notes: &[String], result: &RiskBacktest) -> String {
    let mut lines = notes.to_vec();
    let gaps: u64 = result.series.iter().map(|s| s.gaps).sum();
    if gaps > 0 {
        lines.push(format!("{} periods are missing in the data; no return was taken over them.", count(gaps)));
    }
    let without: u64 = result.outcomes.iter().map(|o| o.without_forecast).sum();
    if without > 0 {
        lines.push(format!("{} times a model had no forecast; these are left out of its tests.", count(without)));
    }
    let few = |c: &Coverage| c.expected < 5.0;
    if result.outcomes.iter().filter_map(|o| o.coverage.as_ref()).any(few) {
        lines.push(
            "Where fewer than five breaches are expected the intervals are wide and the tests say little.".into(),
        );
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("<div class=\"box warn\" id=\"notes\"><h2>Before you trust the figures</h2>{}</div>\n", list(&lines))
}

fn cards(result: &RiskBacktest, levels: &[f64]) -> String {
    let mut out = String::from("<h2 class=\"hidden\">Headline figures</h2><div class=\"cards\" id=\"cards\">");
    for model in models(result) {
        let mut say = Vec::new();
        let mut headline = String::new();
        for level in levels {
            let (breaches, forecasts) = pooled(result, model, *level);
            if forecasts == 0 {
                continue;
            }
            let rate = breaches as f64 / forecasts as f64;
            if headline.is_empty() {
                headline = percent(rate);
            }
            say.push(format!("{} for {}", percent(rate), percent(1.0 - level)));
        }
        let headline = if headline.is_empty() { NONE.to_owned() } else { headline };
        out += &card(&Escaped(model).to_string(), &headline, "", &say.join(", "));
    }
    out += "</div>\n<p class=\"note\">Breaches of all series together over all forecasts. Series that fall together breach together, so these rates have no \
            interval; those of each series do.</p>";
    out
}

const fn zone_class(zone: Zone) -> &'static str {
    match zone {
        Zone::Green => "ok",
        Zone::Yellow => "warn",
        Zone::Red => "fault",
    }
}

const fn zone_colour(zone: Zone) -> &'static str {
    match zone {
        Zone::Green => "gain",
        Zone::Yellow => "hold",
        Zone::Red => "loss",
    }
}

fn rates_at(result: &RiskBacktest, level: f64) -> String {
    let models = models(result);
    let mut heads = vec![("Series", true)];
    heads.extend(models.iter().map(|m| (*m, false)));
    let mut by_series: BTreeMap<usize, Vec<(String, &'static str)>> = BTreeMap::new();
    for (n, line) in result.series.iter().enumerate() {
        let mut row = vec![(Escaped(&line.name).to_string(), "")];
        for model in &models {
            let found = result.outcomes.iter().find(|o| o.series == line.name && o.model == *model && o.level == level);
            row.push(found.and_then(|o| o.coverage).map_or_else(
                || (NONE.to_owned(), ""),
                |c| {
                    let text =
                        format!("{} <small>({} of {})</small>", percent(c.rate), count(c.breaches), count(c.forecasts));
                    (text, zone_class(c.zone))
                },
            ));
        }
        by_series.insert(n, row);
    }
    let at_most = 48;
    let rows: Vec<Interval> = result
        .outcomes
        .iter()
        .filter(|o| o.level == level)
        .filter_map(|o| Some((o, o.coverage?)))
        .take(at_most)
        .map(|(o, c)| Interval {
            name: format!("{} {}", o.series, o.model),
            value: c.rate,
            low: c.rate_low,
            high: c.rate_high,
            colour: zone_colour(c.zone),
        })
        .collect();
    let label = format!("breach rates at {} with intervals of 95 %", percent(level));
    let chart = intervals(&label, 1.0 - level, &rows, percent);
    let cut =
        result.outcomes.iter().filter(|o| o.level == level && o.coverage.is_some()).count().saturating_sub(at_most);
    let cut = if cut > 0 {
        format!("<p class=\"note\">{} more are in the table.</p>", count(cut as u64))
    } else {
        String::new()
    };
    format!(
        "<h3>{} level: {} of losses should be larger</h3>{}<details><summary>With exact intervals of 95 %</summary>{chart}{cut}</details>",
        percent(level),
        percent(1.0 - level),
        scroll("breach rates", &table(&heads, by_series.into_values()))
    )
}

/// A probability, marked where a test rejects.
fn p_value(p: f64) -> (String, &'static str) {
    let text = if p < 0.000_01 { "&lt; 0.00001".to_owned() } else { number(p, if p < 0.001 { 5 } else { 3 }) };
    (text, if p < REJECTS { "warn" } else { "" })
}

fn all(result: &RiskBacktest) -> String {
    let heads = [
        ("Series", true),
        ("Model", true),
        ("Level", false),
        ("Breaches", false),
        ("Expected", false),
        ("Rate", false),
        ("95 % interval", false),
        ("Kupiec p", false),
        ("Independence p", false),
        ("Conditional p", false),
        ("Z2", false),
        ("Loss / ES", false),
        ("McNeil-Frey p", false),
        ("Most in 250", false),
        ("Longest run", false),
        ("Worst / VaR", false),
        ("Loss of historical", false),
    ];
    table(&heads, result.outcomes.iter().map(|o| row(result, o)))
}

fn row(result: &RiskBacktest, o: &Outcome) -> Vec<(String, &'static str)> {
    let mut row =
        vec![(Escaped(&o.series).to_string(), ""), (Escaped(&o.model).to_string(), ""), (percent(o.level), "")];
    let (Some(c), Some(s)) = (o.coverage, o.shortfall) else {
        row.push((NONE.to_owned(), ""));
        return row;
    };
    row.push((count(c.breaches), ""));
    row.push((number(c.expected, 1), ""));
    row.push((percent(c.rate), zone_class(c.zone)));
    row.push((format!("{} to {}", percent(c.rate_low), percent(c.rate_high)), ""));
    row.push(p_value(c.proportion.p_value));
    row.push(p_value(c.independence.p_value));
    row.push(p_value(c.conditional.p_value));
    row.push((number(s.z2, 2), if s.z2_rejects { "warn" } else { "" }));
    row.push((or_none(s.mean_ratio, |x| number(x, 2)), ""));
    row.push(s.exceedance_p_value.map_or_else(|| (NONE.to_owned(), ""), p_value));
    row.push((count(o.clusters.most_in_250), ""));
    row.push((count(o.clusters.longest_run), ""));
    row.push((or_none(o.worst_over_var, |x| number(x, 2)), ""));
    row.push((or_none(of_historical(result, o), |x| number(x, 3)), ""));
    row
}

/// The quantile loss as a multiple of the historical model's on the same series and level, where both forecast the same returns.
fn of_historical(result: &RiskBacktest, o: &Outcome) -> Option<f64> {
    let same = |h: &&Outcome| h.model == "historical" && h.series == o.series && h.level == o.level;
    let h = result.outcomes.iter().find(same).filter(|h| h.without_forecast == 0 && o.without_forecast == 0)?;
    let base = h.quantile_loss.filter(|loss| *loss > 0.0)?;
    Some(o.quantile_loss? / base)
}

fn drawdowns(result: &RiskBacktest) -> String {
    let heads = [
        ("Series", true),
        ("Returns", false),
        ("From", false),
        ("To", false),
        ("Largest drawdown", false),
        ("Longest below a peak", false),
        ("Normal: median", false),
        ("1 in 20", false),
        ("at least as deep", false),
        ("Resampled: median", false),
        ("1 in 20", false),
        ("at least as deep", false),
    ];
    let rows = result.series.iter().map(|s| {
        let when = |n: usize| s.span.map_or_else(|| NONE.to_owned(), |span| date(span[n]));
        let mut row = vec![(Escaped(&s.name).to_string(), ""), (count(s.returns), ""), (when(0), ""), (when(1), "")];
        if let Some(d) = &s.drawdown {
            row.push((percent(d.observed), ""));
            row.push((count(d.longest), ""));
            for reference in [&d.normal, &d.resampled] {
                row.push((percent(reference.median), ""));
                row.push((percent(reference.deep), ""));
                let class = if reference.at_least_as_deep < REJECTS { "warn" } else { "" };
                row.push((percent(reference.at_least_as_deep), class));
            }
        }
        row
    });
    scroll("drawdowns", &table(&heads, rows))
        + "<p class=\"note\">Of the returns that were forecast (without the first window). 1,000 paths for each reference.</p>"
}

fn worst(result: &RiskBacktest) -> String {
    let mut all: Vec<(&Outcome, &Breach)> =
        result.outcomes.iter().flat_map(|o| o.breaches.iter().map(move |b| (o, b))).collect();
    let over = |b: &Breach| b.loss / b.var;
    all.sort_by(|a, b| over(b.1).total_cmp(&over(a.1)).then(a.1.ts.cmp(&b.1.ts)));
    if all.is_empty() {
        return "<p>No loss passed its forecast.</p>".into();
    }
    let heads = [
        ("Series", true),
        ("Model", true),
        ("Level", false),
        ("End of the period", false),
        ("Loss", false),
        ("Value at risk", false),
        ("Expected shortfall", false),
        ("Loss / VaR", false),
    ];
    let rows = all.into_iter().take(WORST).map(|(o, b)| {
        vec![
            (Escaped(&o.series).to_string(), ""),
            (Escaped(&o.model).to_string(), ""),
            (percent(o.level), ""),
            (time(b.ts), ""),
            (percent(b.loss), ""),
            (percent(b.var), ""),
            (percent(b.es), ""),
            (number(over(b), 2), ""),
        ]
    });
    scroll("worst losses", &table(&heads, rows))
}

const MEANINGS: &[(&str, &str)] = &[
    (
        "Forecast",
        "Value at risk (VaR) and expected shortfall (ES) of the next return, from the returns of the window before it and nothing else. A loss \
         larger than its VaR is a breach.",
    ),
    (
        "Colours of rates",
        "Zones of the banking supervisors (Basel Committee 1996), for any level and length: green up to the number of breaches that a right \
         model keeps to in 95 % of cases, red beyond that of 99.99 %, yellow between. Too few breaches are not coloured: see Kupiec.",
    ),
    ("Interval", "Exact interval of the true rate (Clopper, Pearson 1934), for independent breaches."),
    (
        "Kupiec p",
        "Probability of a number of breaches at least so far from the expected one if the model is right (Kupiec 1995). Marked below 0.05.",
    ),
    (
        "Independence, conditional p",
        "Whether a breach is as likely after a breach as after none, and whether both hold at once (Christoffersen 1998).",
    ),
    (
        "Z2",
        "Acerbi and Szekely's (2014) second statistic of the expected shortfall: 1 - sum(loss of breaches / ES) / (n p). 0 is expected, marked \
         below -0.70.",
    ),
    ("Loss / ES", "Mean loss of the breaches over the mean ES forecast for them: 1 is expected."),
    (
        "McNeil-Frey p",
        "Probability that losses beyond VaR exceed their ES so much by chance (McNeil, Frey 2000), by a seeded bootstrap; at least five \
         breaches.",
    ),
    (
        "Loss of historical",
        "Quantile loss (Koenker, Bassett 1978) as a multiple of the historical model's on the same returns: below 1 forecasts better.",
    ),
    (
        "Drawdown references",
        "Largest drawdowns of paths of the same length: independent normal returns of the same mean and deviation, and blocks of the returns \
         put together anew (stationary bootstrap, Politis, Romano 1994). Where few paths fall as deep as the market did, its falls hang \
         together more than the reference says.",
    ),
];

/// Columns of the outcomes as CSV.
const COLUMNS: &str = "series,model,level,first,last,forecasts,without_forecast,breaches,expected,rate,nominal,rate_low,rate_high,zone,\
kupiec_lr,kupiec_p,independence_lr,independence_p,conditional_lr,conditional_p,rate_after_breach,mean_var,z2,mean_loss_over_es,\
mcneil_frey_mean,mcneil_frey_p,runs,longest_run,most_in_250,mean_gap,longest_quiet,worst_over_var,quantile_loss,loss_of_historical";

/// The outcomes as CSV, a row for each series, model and level; what is not known is empty. Times are ms since 1970 UTC.
#[must_use]
pub fn risk_backtest_csv(result: &RiskBacktest) -> String {
    let mut out = format!("{COLUMNS}\n");
    let some = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
    for o in &result.outcomes {
        let c = |value: fn(&Coverage) -> f64| some(o.coverage.as_ref().map(value));
        let s = o.shortfall;
        let whole =
            |value: fn(&Coverage) -> u64| o.coverage.as_ref().map_or_else(String::new, |c| value(c).to_string());
        let when = |n: usize| o.span.map_or_else(String::new, |span| span[n].to_string());
        let fields = [
            csv_field(&o.series),
            csv_field(&o.model),
            o.level.to_string(),
            when(0),
            when(1),
            whole(|c| c.forecasts),
            o.without_forecast.to_string(),
            whole(|c| c.breaches),
            c(|c| c.expected),
            c(|c| c.rate),
            c(|c| c.nominal),
            c(|c| c.rate_low),
            c(|c| c.rate_high),
            o.coverage.map_or("", |c| c.zone.name()).to_owned(),
            c(|c| c.proportion.ratio),
            c(|c| c.proportion.p_value),
            c(|c| c.independence.ratio),
            c(|c| c.independence.p_value),
            c(|c| c.conditional.ratio),
            c(|c| c.conditional.p_value),
            some(o.coverage.and_then(|c| c.rate_after_breach)),
            some(o.mean_var),
            some(s.map(|s| s.z2)),
            some(s.and_then(|s| s.mean_ratio)),
            some(s.and_then(|s| s.mean_exceedance)),
            some(s.and_then(|s| s.exceedance_p_value)),
            o.clusters.runs.to_string(),
            o.clusters.longest_run.to_string(),
            o.clusters.most_in_250.to_string(),
            some(o.clusters.mean_gap),
            o.clusters.longest_quiet.to_string(),
            some(o.worst_over_var),
            some(o.quantile_loss),
            some(of_historical(result, o)),
        ];
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out
}

/// Every breach as CSV.
#[must_use]
pub fn risk_breaches_csv(result: &RiskBacktest) -> String {
    let mut out = String::from("series,model,level,ts,loss,var,es\n");
    for o in &result.outcomes {
        for b in &o.breaches {
            // Writing into a String cannot fail.
            let _ = writeln!(
                out,
                "{},{},{},{},{},{},{}",
                csv_field(&o.series),
                csv_field(&o.model),
                o.level,
                b.ts,
                b.loss,
                b.var,
                b.es
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use research::validate::{Level, Model, Seeded, Series, Settings, run};
    use std::sync::atomic::AtomicBool;

    fn result() -> RiskBacktest {
        let mut seeded = Seeded::new(4);
        let returns: Vec<f64> =
            (0..400).map(|n| 0.02 * seeded.normal() - if n % 90 == 80 { 0.1 } else { 0.0 }).collect();
        let series = Series { name: "A<B,C".into(), ts: (0..400).map(|n| n * 86_400_000).collect(), returns, gaps: 2 };
        let flat = Series { name: "flat".into(), ts: (0..400).collect(), returns: vec![0.0; 400], gaps: 0 };
        let levels = vec![Level::FIVE_PERCENT, Level::ONE_PERCENT];
        let settings = Settings { models: Model::all().to_vec(), levels, window: 100, seed: 1, threads: 2 };
        run(&[series, flat], &settings, &AtomicBool::new(false), &|_, _| ()).unwrap().unwrap()
    }

    #[test]
    fn the_page_shows_every_outcome_and_escapes_names() {
        let page = risk_backtest_page("daily <1>", &["a note".into()], &result());
        assert!(page.contains("daily &lt;1&gt;") && page.contains("A&lt;B,C") && !page.contains("A<B"));
        assert!(page.contains("2 periods are missing") && page.contains("a note"));
        assert!(page.contains("times a model had no forecast"));
        for model in Model::all() {
            assert!(page.contains(model.name()), "{model}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf<"));
    }

    #[test]
    fn csv_rows_have_all_columns() {
        let result = result();
        let csv = risk_backtest_csv(&result);
        let columns = COLUMNS.split(',').count();
        assert_eq!(csv.lines().count(), 1 + 24);
        for line in csv.lines().skip(1) {
            // The name of the first series holds a comma, in quotes.
            let line = line.replace("\"A<B,C\"", "A");
            assert_eq!(line.split(',').count(), columns, "{line}");
        }
        let breaches: usize = result.outcomes.iter().map(|o| o.breaches.len()).sum();
        assert_eq!(risk_breaches_csv(&result).lines().count(), 1 + breaches);
        let historical = result.outcomes.iter().find(|o| o.model == "historical").unwrap();
        assert_eq!(of_historical(&result, historical), Some(1.0));
    }
}
