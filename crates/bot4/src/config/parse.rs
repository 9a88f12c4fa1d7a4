//! The small languages of single values: sizes, slippage, latency, funding.

use domain::{Nanos, Quantity, Rate, SizeRequest};
use sim::{Funding, Jitter, Latency, Slippage};

pub(super) fn size(text: &str) -> Option<SizeRequest> {
    match text {
        "all-in" => Some(SizeRequest::AllIn),
        "cap" => Some(SizeRequest::Cap),
        _ => {
            if let Some(percent) = text.strip_suffix('%') {
                let rate = Rate::parse(percent).ok()?.divided_by(100)?;
                return (rate > Rate::ZERO && rate <= Rate::ONE).then_some(SizeRequest::EquityFraction(rate));
            }
            let quantity = Quantity::parse(text.strip_prefix("qty:")?).ok()?;
            (quantity > Quantity::ZERO).then_some(SizeRequest::Base(quantity))
        }
    }
}

pub(super) fn slippage(text: &str) -> Option<Slippage> {
    let bps = |t: &str| Rate::parse(t).ok()?.divided_by(10_000);
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["none"] => Some(Slippage::None),
        ["bps", n] => bps(n).map(Slippage::Bps),
        // 2 bps of spread and 100 bps for taking as much as was traded: a liquid pair's order of magnitude, to be fitted by whoever can.
        ["impact"] => Some(Slippage::Impact { spread: Rate::from_bps(2), coefficient: Rate::from_bps(100) }),
        ["impact", spread, coefficient] => {
            Some(Slippage::Impact { spread: bps(spread)?, coefficient: bps(coefficient)? })
        }
        _ => None,
    }
}

pub(super) fn latency(text: &str) -> Option<Latency> {
    let ms = |t: &str| t.parse::<u64>().ok().filter(|ms| *ms <= 3_600_000).map(Nanos::from_millis);
    let each = |span: Nanos, jitter| Latency { feed: Nanos(0), order: span, report: span, jitter };
    match text.split(':').collect::<Vec<_>>().as_slice() {
        [span] => Some(each(ms(span)?, None)),
        [span, max, seed] => Some(each(ms(span)?, Some(Jitter { max: ms(max)?, seed: seed.parse().ok()? }))),
        _ => None,
    }
}

pub(super) fn funding(text: &str) -> Option<Funding> {
    let (rate, hours) = text.split_once(':').unwrap_or((text, "8"));
    let hours = hours.parse::<u64>().ok().filter(|h| (1..=8_760).contains(h))?;
    Some(Funding { rate: Rate::parse(rate).ok()?, every: Nanos::from_secs(hours * 3_600) })
}

/// Seconds between two questions how the account stands: 1 to a day.
pub(super) fn reconcile_every(text: &str) -> Option<Nanos> {
    text.parse::<u64>().ok().filter(|s| (1..=86_400).contains(s)).map(Nanos::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_bounds() {
        assert_eq!(size("all-in"), Some(SizeRequest::AllIn));
        assert_eq!(size("10%"), Some(SizeRequest::EquityFraction(testkit::rate("0.1"))));
        assert_eq!(size("qty:0.1"), Some(SizeRequest::Base(testkit::quantity("0.1"))));
        for bad in ["", "0%", "101%", "-1%", "qty:0", "qty:-1", "qty:x", "0.1", "half"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn models_are_read_with_their_bounds() {
        assert_eq!(slippage("bps:5"), Some(Slippage::Bps(Rate::from_bps(5))));
        assert_eq!(
            slippage("impact:4:50"),
            Some(Slippage::Impact { spread: Rate::from_bps(4), coefficient: Rate::from_bps(50) })
        );
        assert_eq!(slippage("bps"), None);
        assert_eq!(funding("0.0001").map(|f| f.every), Some(Nanos::from_secs(8 * 3_600)));
        assert_eq!(funding("0.0001:0"), None);
        assert_eq!(latency("5").map(|l| l.order), Some(Nanos::from_millis(5)));
        assert_eq!(latency("5:1"), None);
    }
}
