//! Prices around a story, read from the run's own inputs once more: bars for the picture, and the best and worst while a position was open.

use crate::command::CommandError;
use crate::explain::facts::BarFacts;
use crate::runner::recorded::Opened;
use domain::decimal::mantissa_to_f64;
use domain::{Instrument, UnixNanos};
use store::history::{Rows, Series, SeriesReader};

/// What is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The story's beginning.
    pub first: UnixNanos,
    /// Its end.
    pub last: UnixNanos,
    /// The event on which the strategy decided.
    pub decided: Option<UnixNanos>,
    /// The strategy's bars in seconds.
    pub bar_s: Option<u32>,
    /// When the position was open.
    pub held: Option<(UnixNanos, UnixNanos)>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    /// Bars around the story, by time.
    pub bars: Vec<BarFacts>,
    /// The strategy's own bar that ended with or before the decision.
    pub decided: Option<BarFacts>,
    /// Highest and lowest price of what lies wholly within the time that the position was open.
    pub held: Option<(f64, f64)>,
}

/// Bars before and after the story.
const AROUND: u64 = 40;
/// Bars in a picture at most, those around included.
const BARS_MAX: u64 = 300;
/// Length of the bars of trades and quotes, in seconds.
const TICKS_S: u64 = 60;

/// A span of prices: a candle, or one print.
struct Row {
    from: UnixNanos,
    to: UnixNanos,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
}

/// Reads the prices of an instrument around a story.
///
/// # Errors
/// If the inputs cannot be read.
pub fn read(opened: &Opened, instrument: &Instrument, window: &Window) -> Result<Prices, CommandError> {
    let Some(own) = opened.series.get(instrument.idx.index()) else { return Ok(Prices::default()) };
    let input_s = if own.interval_s > 0 { u64::from(own.interval_s) } else { TICKS_S };
    let bar_s = window.bar_s.map_or(input_s, u64::from).max(1);
    let width_s = width(window.last.since(window.first).0 / 1_000_000_000, bar_s);
    let around = (width_s * AROUND).max(bar_s * 2).saturating_mul(1_000_000_000);
    let from = UnixNanos(window.first.0.saturating_sub(around));
    let to = UnixNanos(window.last.0.saturating_add(around));
    let Some(series) = narrowed(opened, own, from, to)? else { return Ok(Prices::default()) };
    let mut reader = SeriesReader::open(&series, instrument.idx).map_err(CommandError::failed)?;
    let (mut prices, mut rows) = (Prices::default(), Rows::Candles(Vec::new()));
    let width_s = u32::try_from(width_s).unwrap_or(u32::MAX);
    // The bar of the decision is the last one that was over by then.
    let decided = window.decided.zip(window.bar_s).map(|(ts, bar_s)| {
        let bar = u64::from(bar_s) * 1_000_000_000;
        (UnixNanos((ts.0 / bar * bar).saturating_sub(bar)), bar_s)
    });
    while reader.next_chunk(&mut rows).map_err(CommandError::failed)? {
        each(&rows, instrument, &mut |row| {
            add(&mut prices.bars, row, width_s);
            if let Some((from, bar_s)) = decided
                && row.from >= from
                && row.from.0 < from.0 + u64::from(bar_s) * 1_000_000_000
            {
                let mut bar = prices.decided.take().into_iter().collect();
                add(&mut bar, row, bar_s);
                prices.decided = bar.pop();
            }
            if window.held.is_some_and(|(from, to)| row.from >= from && row.to <= to) {
                let (high, low) = prices.held.unwrap_or((row.high, row.low));
                prices.held = Some((high.max(row.high), low.min(row.low)));
            }
        });
    }
    Ok(prices)
}

/// The width of a picture's bars in seconds: the strategy's own bars, or as many of them together as fit.
fn width(span_s: u64, bar_s: u64) -> u64 {
    let fit = BARS_MAX - 2 * AROUND;
    bar_s * (span_s / bar_s).div_ceil(fit).max(1)
}

/// The same series with no more of it read than is needed; none if nothing of it is there.
fn narrowed(opened: &Opened, own: &Series, from: UnixNanos, to: UnixNanos) -> Result<Option<Series>, CommandError> {
    let mut data = opened.settings.data.clone();
    let options = data.options()?;
    let from = options.from.map_or(from, |own| own.max(from));
    let to = options.to.map_or(to, |own| own.min(to));
    data.from = instant(from);
    data.to = instant(to);
    if from >= to {
        return Ok(None);
    }
    let same =
        |s: &Series| (&s.venue, &s.symbol, s.kind, s.interval_s) == (&own.venue, &own.symbol, own.kind, own.interval_s);
    Ok(data.series()?.into_iter().find(same))
}

fn instant(ts: UnixNanos) -> Option<String> {
    jiff::Timestamp::from_nanosecond(i128::from(ts.0)).ok().map(|t| t.to_string())
}

fn each(rows: &Rows, instrument: &Instrument, see: &mut impl FnMut(&Row)) {
    let f = |mantissa: i64| mantissa_to_f64(mantissa, instrument.price_decimals);
    let mut print = |ts: UnixNanos, price: f64| {
        see(&Row { from: ts, to: ts, open: price, high: price, low: price, close: price });
    };
    match rows {
        // A level of a book is no price at which anything was traded.
        Rows::Book(_) => {}
        Rows::Trades(trades) => trades.iter().for_each(|t| print(t.ts_event, f(t.price))),
        Rows::Quotes(quotes) => quotes.iter().for_each(|q| print(q.ts_event, f(q.bid + (q.ask - q.bid) / 2))),
        Rows::Candles(candles) => candles.iter().for_each(|c| {
            see(&Row {
                from: c.ts_open,
                to: c.ts_close(),
                open: f(c.open),
                high: f(c.high),
                low: f(c.low),
                close: f(c.close),
            });
        }),
    }
}

/// Adds a row to the bar that it lies in.
fn add(bars: &mut Vec<BarFacts>, row: &Row, seconds: u32) {
    let length = i64::from(seconds) * 1_000;
    let ts = row.from.as_millis().div_euclid(length) * length;
    match bars.last_mut().filter(|bar| bar.ts == ts) {
        Some(bar) => {
            bar.high = bar.high.max(row.high);
            bar.low = bar.low.min(row.low);
            bar.close = row.close;
        }
        None => {
            bars.push(BarFacts { ts, seconds, open: row.open, high: row.high, low: row.low, close: row.close });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_strategys_bars_as_long_as_they_fit() {
        assert_eq!(width(0, 60), 60);
        assert_eq!(width(220 * 60, 60), 60);
        assert_eq!(width(221 * 60, 60), 120);
        assert_eq!(width(30 * 86_400, 14_400), 14_400);
        assert!((100 * 86_400 / width(100 * 86_400, 60)) <= BARS_MAX - 2 * AROUND);
    }

    #[test]
    fn rows_make_bars() {
        let row = |s: u64, p: f64| Row {
            from: UnixNanos(s * 1_000_000_000),
            to: UnixNanos((s + 60) * 1_000_000_000),
            open: p,
            high: p + 2.0,
            low: p - 1.0,
            close: p + 1.0,
        };
        let mut bars = Vec::new();
        [row(0, 10.0), row(60, 20.0), row(120, 5.0), row(300, 7.0)].iter().for_each(|r| add(&mut bars, r, 180));
        let of = |ts, open, high, low, close| BarFacts { ts, seconds: 180, open, high, low, close };
        assert_eq!(bars, [of(0, 10.0, 22.0, 4.0, 6.0), of(180_000, 7.0, 9.0, 6.0, 8.0)]);
    }
}
