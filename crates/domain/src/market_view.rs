//! The market as the core knows it now: the last price, best bid and ask of each instrument.
//!
//! In:  market events, through `engine`.
//! Out: reference prices for strategies, risk and valuation. What was never seen is `None`: nothing stands in for it.

use crate::digest::{Digest, Digestible};
use crate::event::EventBody;
use crate::instrument::InstrumentIdx;
use crate::market::MarketFlags;
use crate::stored_struct;
use crate::time::UnixNanos;

/// What is known of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentView {
    /// Last traded price (a candle's close counts), a mantissa.
    pub last: Option<i64>,
    /// The traded price before that one.
    pub before: Option<i64>,
    /// Best bid and ask, mantissas.
    pub best: Option<(i64, i64)>,
    /// When any of it was last known to be so, engine time.
    pub ts: UnixNanos,
    /// Whether the last record is one that nothing may be traded on: history that warms up, or made by a gap filler.
    pub warmup: bool,
}

impl InstrumentView {
    /// The price that positions are valued at: the last trade, else the middle of bid and ask rounded down to a mantissa.
    #[must_use]
    #[inline]
    pub fn mark(&self) -> Option<i64> {
        match (self.last, self.best) {
            (Some(last), _) => Some(last),
            (None, Some((bid, ask))) => Some(bid + (ask - bid) / 2),
            (None, None) => None,
        }
    }
}

/// What is known of all instruments, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketView {
    instruments: Vec<InstrumentView>,
}

impl MarketView {
    /// Makes room for one more instrument.
    pub fn add_instrument(&mut self, idx: InstrumentIdx) {
        if self.instruments.len() <= idx.index() {
            self.instruments.resize(idx.index() + 1, InstrumentView::default());
        }
    }

    /// What is known of an instrument; nothing for one that is not defined.
    #[must_use]
    #[inline]
    pub fn get(&self, idx: InstrumentIdx) -> InstrumentView {
        self.instruments.get(idx.index()).copied().unwrap_or_default()
    }

    /// The price that positions in an instrument are valued at: [`InstrumentView::mark`].
    #[must_use]
    #[inline]
    pub fn mark(&self, idx: InstrumentIdx) -> Option<i64> {
        self.instruments.get(idx.index())?.mark()
    }

    /// Takes in a market event. Other events change nothing here.
    #[inline]
    pub fn apply(&mut self, ts: UnixNanos, body: &EventBody) {
        match body {
            EventBody::Candle(c) => self.traded(ts, c.instrument, c.close, c.flags),
            EventBody::Trade(t) => self.traded(ts, t.instrument, t.price, t.flags),
            EventBody::Quote(q) => self.quoted(ts, q.instrument, (q.bid, q.ask), q.flags),
            _ => {}
        }
    }

    /// A price was traded at; a candle's close counts. One that a gap filler made is no price: the real one before it stays, with its age.
    #[inline]
    pub fn traded(&mut self, ts: UnixNanos, idx: InstrumentIdx, price: i64, flags: MarketFlags) {
        if let Some(view) = self.instruments.get_mut(idx.index()) {
            view.warmup =
                flags != MarketFlags(0) && (flags.has(MarketFlags::WARMUP) || flags.has(MarketFlags::SYNTHETIC));
            if flags.has(MarketFlags::SYNTHETIC) {
                return;
            }
            view.before = view.last;
            view.last = Some(price);
            view.ts = ts;
        }
    }

    /// The best bid and ask changed. As for trades, what a gap filler made changes neither.
    #[inline]
    pub fn quoted(&mut self, ts: UnixNanos, idx: InstrumentIdx, best: (i64, i64), flags: MarketFlags) {
        if let Some(view) = self.instruments.get_mut(idx.index()) {
            view.warmup =
                flags != MarketFlags(0) && (flags.has(MarketFlags::WARMUP) || flags.has(MarketFlags::SYNTHETIC));
            if flags.has(MarketFlags::SYNTHETIC) {
                return;
            }
            view.best = Some(best);
            view.ts = ts;
        }
    }
}

stored_struct!(MarketView { instruments });

impl Digestible for MarketView {
    fn digest(&self, d: &mut Digest) {
        for view in &self.instruments {
            d.int(view.last.unwrap_or(i64::MIN));
            d.int(view.before.unwrap_or(i64::MIN));
            d.int(view.best.map_or(i64::MIN, |b| b.0));
            d.int(view.best.map_or(i64::MIN, |b| b.1));
            d.word(view.ts.0);
            d.word(u64::from(view.warmup));
        }
    }
}
