//! Days that stand out against the run's own history.
//!
//! In:  the days of a report. Out: [`Anomaly`], each with its reason. They are for people: nothing acts on them.

use super::risk_daily::{RiskDay, RiskSettings};
use super::text::{NONE, count, number, percent, signed_percent};
use quant::stats::Moments;
use quant::stats::quantile::sorted_quantile;
use serde::{Deserialize, Serialize};

/// What stood out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// The return of the day.
    Return,
    /// The fall from the peak became deeper than ever.
    Drawdown,
    /// Leverage.
    Leverage,
    /// The number of orders.
    Orders,
    /// The number of refusals.
    Refusals,
    /// The loss was larger than its forecast.
    Breach,
    /// The mode became stricter, or changed at all.
    Mode,
    /// An alert was raised.
    Alert,
}

/// A day that stood out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// `2021-05-19`.
    pub date: String,
    /// In what.
    pub kind: AnomalyKind,
    /// The value.
    pub value: f64,
    /// Mean of the days before; `None` where the anomaly is none of size.
    pub mean: Option<f64>,
    /// Standard deviation of the days before.
    pub deviation: Option<f64>,
    /// Standard deviations from their mean.
    pub z: Option<f64>,
    /// `0.6745 (x - median) / MAD`: the same without the pull of single large values.
    pub z_robust: Option<f64>,
    /// Why, in words.
    pub reason: String,
}

/// Mean, deviation and both distances of a value from a history.
struct Distance {
    mean: f64,
    deviation: Option<f64>,
    z: Option<f64>,
    robust: Option<f64>,
}

/// For a normal distribution the median absolute deviation is this fraction of the standard deviation.
const MAD_OF_DEVIATION: f64 = 0.674_489_750_196_081_7;

/// How far a value lies from a history.
///
/// Source of the robust distance: Iglewicz, Hoaglin (1993), How to detect and handle outliers, ASQC.
fn distance(value: f64, history: &[f64]) -> Option<Distance> {
    let mut moments = Moments::new();
    moments.extend(history.iter().copied());
    let (mean, deviation) = (moments.mean()?, moments.standard_deviation().filter(|s| *s > 0.0));
    let mut sorted = history.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted_quantile(&sorted, 0.5)?;
    sorted.iter_mut().for_each(|v| *v = (*v - median).abs());
    sorted.sort_by(f64::total_cmp);
    let mad = sorted_quantile(&sorted, 0.5).filter(|mad| *mad > 0.0);
    let robust = mad.map(|mad| MAD_OF_DEVIATION * (value - median) / mad);
    Some(Distance { mean, deviation, z: deviation.map(|s| (value - mean) / s), robust })
}

/// A value of a day that is held against the days before.
struct Measure {
    kind: AnomalyKind,
    name: &'static str,
    value: fn(&RiskDay) -> Option<f64>,
    text: fn(f64) -> String,
    /// How its deviation is written.
    spread: fn(f64) -> String,
    /// Whether only more than usual is of interest.
    upwards: bool,
}

const MEASURES: [Measure; 4] = [
    Measure {
        kind: AnomalyKind::Return,
        name: "return of the day",
        value: |d| d.day_return,
        text: signed_percent,
        spread: percent,
        upwards: false,
    },
    Measure {
        kind: AnomalyKind::Leverage,
        name: "leverage",
        value: |d| d.leverage_max,
        text: |x| number(x, 2),
        spread: |x| number(x, 3),
        upwards: true,
    },
    Measure {
        kind: AnomalyKind::Orders,
        name: "orders",
        value: |d| d.orders.map(|n| n as f64),
        text: |x| number(x, if x.fract() == 0.0 { 0 } else { 1 }),
        spread: |x| number(x, 1),
        upwards: true,
    },
    Measure {
        kind: AnomalyKind::Refusals,
        name: "refusals",
        value: |d| d.refused().map(|n| n as f64),
        text: |x| number(x, if x.fract() == 0.0 { 0 } else { 1 }),
        spread: |x| number(x, 1),
        upwards: true,
    },
];

/// What stood out, by day. A value is held against the days before it: at least `window_min`, at most `window` of them.
///
/// It is anomalous from `z` robust deviations on; where more than half of the days before are equal (no MAD), from `z` standard
/// deviations on. Against days that were all equal nothing is said: the first order of a run is no anomaly.
pub(super) fn anomalies(days: &[RiskDay], settings: &RiskSettings) -> Vec<Anomaly> {
    let mut out = Vec::new();
    let mut history = Vec::with_capacity(settings.window);
    let mut deepest = 0.0f64;
    for (n, day) in days.iter().enumerate() {
        let before = &days[n.saturating_sub(settings.window)..n];
        for measure in &MEASURES {
            history.clear();
            history.extend(before.iter().filter_map(measure.value));
            if history.len() >= settings.window_min.max(2)
                && let Some(value) = (measure.value)(day)
                && let Some(d) = distance(value, &history)
            {
                out.extend(judged(day, measure, value, &d, settings.z));
            }
        }
        let plain = |kind, value, reason| Anomaly {
            date: day.date.clone(),
            kind,
            value,
            mean: None,
            deviation: None,
            z: None,
            z_robust: None,
            reason,
        };
        if let (Some(true), Some(var), Some(r)) = (day.breached, day.var, day.day_return) {
            let reason = format!("lost {}, and {} was forecast as the most", percent(-r), percent(var));
            out.push(plain(AnomalyKind::Breach, -r, reason));
        }
        // Every tenth of the equity that a fall reaches for the first time.
        let steps = |fall: f64| (-10.0 * fall).floor();
        if day.drawdown < deepest && steps(day.drawdown) > steps(deepest) {
            let reason = format!("{} below the peak, deeper than ever before in this run", percent(-day.drawdown));
            out.push(plain(AnomalyKind::Drawdown, day.drawdown, reason));
        }
        deepest = deepest.min(day.drawdown);
        for (kind, seen, one, several) in [
            (AnomalyKind::Mode, day.modes, "the mode changed", "the mode changed"),
            (AnomalyKind::Alert, day.alerts, "an alert was raised", "alerts were raised"),
        ] {
            match seen {
                None | Some(0) => {}
                Some(1) => out.push(plain(kind, 1.0, one.to_owned())),
                Some(n) => out.push(plain(kind, n as f64, format!("{several}, {} times", count(n)))),
            }
        }
    }
    out
}

fn judged(day: &RiskDay, measure: &Measure, value: f64, d: &Distance, least: f64) -> Option<Anomaly> {
    let (away, what) = match (d.robust, d.z) {
        (Some(robust), _) => (robust, "robust deviations from the median"),
        (None, Some(z)) => (z, "standard deviations from the mean"),
        (None, None) => return None,
    };
    if if measure.upwards { away } else { away.abs() } <= least {
        return None;
    }
    let text = measure.text;
    let deviation = d.deviation.map_or_else(|| NONE.into(), measure.spread);
    let reason = format!(
        "{} {}: {} {what} of the days before (mean {}, deviation {deviation})",
        measure.name,
        text(value),
        number(away, 1),
        text(d.mean)
    );
    Some(Anomaly {
        date: day.date.clone(),
        kind: measure.kind,
        value,
        mean: Some(d.mean),
        deviation: d.deviation,
        z: d.z,
        z_robust: d.robust,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::super::risk_daily::tests::{entry, run};
    use super::super::risk_daily::{RiskReport, risk_report};
    use super::*;

    fn kinds(report: &RiskReport) -> Vec<(&str, AnomalyKind)> {
        report.anomalies.iter().map(|a| (a.date.as_str(), a.kind)).collect()
    }

    #[test]
    fn a_loss_out_of_the_usual_is_told_and_a_usual_day_is_not() {
        let quiet = risk_report(&run(60, &[]), None, &[], &RiskSettings::default());
        assert!(quiet.anomalies.is_empty(), "{:?}", quiet.anomalies);
        let loud = risk_report(&run(60, &[(30, -0.12)]), None, &[], &RiskSettings::default());
        let day = "1970-01-31";
        assert_eq!(
            kinds(&loud),
            [(day, AnomalyKind::Return), (day, AnomalyKind::Breach), (day, AnomalyKind::Drawdown)]
        );
        let first = &loud.anomalies[0];
        assert!(first.z.unwrap() < -30.0 && first.z_robust.unwrap() < -30.0, "{first:?}");
        assert!(first.reason.contains("robust deviations"), "{}", first.reason);
    }

    #[test]
    fn counts_are_anomalous_upwards_only() {
        let day = 86_400_000;
        // One or two refusals a day, then twelve, then none.
        let mut trail = Vec::new();
        for n in 0..30 {
            let refusals = if n == 28 {
                12
            } else if n == 29 {
                0
            } else {
                1 + n % 2
            };
            trail.extend((0..refusals).map(|_| entry(n * day + 5, "refused", &[("reason", "x")])));
        }
        trail.push(entry(28 * day, "mode", &[("to", "paused")]));
        trail.extend([entry(28 * day, "alert", &[]), entry(28 * day, "alert", &[])]);
        let report = risk_report(&run(30, &[]), Some(&trail), &[], &RiskSettings::default());
        let at = "1970-01-29";
        assert_eq!(kinds(&report), [(at, AnomalyKind::Refusals), (at, AnomalyKind::Mode), (at, AnomalyKind::Alert)]);
        assert_eq!(report.anomalies[2].reason, "alerts were raised, 2 times");
    }

    #[test]
    fn distances_by_hand() {
        let d = distance(10.0, &[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!((d.mean, d.robust), (3.0, Some(MAD_OF_DEVIATION * 7.0)));
        assert!((d.z.unwrap() - 7.0 / 2.5f64.sqrt()).abs() < 1e-12);
        let flat = distance(10.0, &[2.0; 9]).unwrap();
        assert!(flat.z.is_none() && flat.robust.is_none());
        let mostly = distance(10.0, &[2.0, 2.0, 2.0, 2.0, 3.0]).unwrap();
        assert!(mostly.robust.is_none() && mostly.z.unwrap() > 3.0);
    }
}
