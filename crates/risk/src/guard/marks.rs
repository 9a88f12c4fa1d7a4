//! Which price is believed: a print that jumps far is not acted on before something agrees with it.
//!
//! In:  the market view of an instrument, each time the guard looks.
//! Out: the mark, or that it is suspect, with the last one that was believed; or that there is none.
//!
//! A mark that lies farther from the last believed one than the collar is *suspect* until
//! - the book agrees: the mark is a trade, and the middle of bid and ask lies within the collar of it; or
//! - a second print lies on the same side beyond the collar, within half and twice the first; or
//! - a third print lies on that side, whatever it says; or
//! - it is gone: a print within the collar is believed at once.
//!
//! The collar is `jump_max` for a minute and grows with the square root of the time between the prints, as the spread of returns does, up
//! to one half. So one price a thousand times off closes nothing, and a fall is acted on at its second print. A position's first mark is held
//! against its entry price in the same way.

use domain::market_view::InstrumentView;
use domain::time::NANOS_PER_MINUTE;
use domain::{Digest, InstrumentIdx, Rate, UnixNanos, stored_struct};

/// Widest collar.
const COLLAR_MAX: f64 = 0.5;

/// What is known of an instrument's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    Missing,
    /// A mantissa that is believed.
    Good(i64),
    /// A print that nothing agrees with yet; the last believed mantissa, if there was one.
    Suspect(Option<i64>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The last believed mantissa, 0 before the first.
    good: i64,
    good_ts: UnixNanos,
    /// The mantissa that waits for agreement, 0 if none does.
    suspect: i64,
    suspect_ts: UnixNanos,
    prints: u8,
}

/// The marks of all instruments, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    seen: Vec<Seen>,
}

impl Marks {
    /// Looks at an instrument. `entry` says the average entry price of a position in it, as a mantissa, where there is one.
    pub(super) fn look(
        &mut self,
        idx: InstrumentIdx,
        view: &InstrumentView,
        entry: impl FnOnce() -> Option<i64>,
        jump: Rate,
    ) -> Mark {
        if self.seen.len() <= idx.index() {
            self.seen.resize(idx.index() + 1, Seen::default());
        }
        let seen = &mut self.seen[idx.index()];
        let Some(mark) = view.mark().filter(|mark| *mark > 0) else { return Mark::Missing };
        let (reference, collar) = if seen.good > 0 {
            if seen.good == mark && seen.suspect == 0 {
                seen.good_ts = seen.good_ts.max(view.ts);
                return Mark::Good(mark);
            }
            let minutes = view.ts.since(seen.good_ts).0 as f64 / NANOS_PER_MINUTE as f64;
            (seen.good, (jump.to_f64() * minutes.max(1.0).sqrt()).min(COLLAR_MAX))
        } else {
            (entry().filter(|entry| *entry > 0).unwrap_or(mark), COLLAR_MAX)
        };
        if is_near(mark, reference, collar) || seen.is_agreed(mark, view, jump, mark > reference, reference) {
            *seen = Seen { good: mark, good_ts: view.ts, ..Seen::default() };
            return Mark::Good(mark);
        }
        Mark::Suspect((seen.good > 0).then_some(seen.good))
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        for s in &self.seen {
            d.int(s.good);
            d.int(s.suspect);
            d.word(s.good_ts.0);
            d.word(s.suspect_ts.0 ^ u64::from(s.prints) << 56);
        }
    }
}

impl Seen {
    /// Whether something agrees with a mark beyond the collar; keeps count of the prints that might.
    fn is_agreed(&mut self, mark: i64, view: &InstrumentView, jump: Rate, above: bool, reference: i64) -> bool {
        let is_trade = view.last.is_some();
        if is_trade && let Some((bid, ask)) = view.best.filter(|(bid, ask)| *bid > 0 && bid <= ask) {
            let middle = bid + (ask - bid) / 2;
            if is_near(mark, middle, jump.to_f64()) {
                return true;
            }
        }
        let same_side = self.suspect != 0 && (self.suspect > reference) == above;
        if !same_side {
            (self.suspect, self.suspect_ts, self.prints) = (mark, view.ts, 1);
            return false;
        }
        // Where there is a book, a later time may be that of a quote: the same trade again is no second print.
        if view.ts <= self.suspect_ts || (is_trade && view.best.is_some() && mark == self.suspect) {
            return false;
        }
        let first = self.suspect;
        (self.suspect, self.suspect_ts, self.prints) = (mark, view.ts, self.prints.saturating_add(1));
        let alike = mark.checked_mul(2).is_none_or(|twice| twice >= first) && mark / 2 <= first;
        alike || self.prints >= 3
    }
}

/// Whether a price lies within a fraction of another.
fn is_near(price: i64, of: i64, fraction: f64) -> bool {
    price.abs_diff(of) as f64 <= of as f64 * fraction
}

stored_struct!(Seen { good, good_ts, suspect, suspect_ts, prints });
stored_struct!(Marks { seen });

#[cfg(test)]
mod tests {
    use super::*;

    const A: InstrumentIdx = InstrumentIdx(0);

    /// Seconds since the beginning, last trade, book.
    type Step = (u64, Option<i64>, Option<(i64, i64)>);

    /// Looks once per step.
    fn looks(steps: &[Step]) -> Vec<Mark> {
        let mut marks = Marks::default();
        (steps.iter())
            .map(|&(second, last, best)| {
                let ts = UnixNanos(testkit::T0.0 + second * 1_000_000_000);
                let view = InstrumentView { last, before: None, best, ts, warmup: false };
                marks.look(A, &view, || None, Rate::from_bps(1_000))
            })
            .collect()
    }

    fn trades(steps: &[(u64, i64)]) -> Vec<Mark> {
        looks(&steps.iter().map(|(second, price)| (*second, Some(*price), None)).collect::<Vec<_>>())
    }

    const SUSPECT: Mark = Mark::Suspect(Some(1_000));

    #[test]
    fn one_print_far_off_is_not_believed() {
        for wrong in [1, 899, 1_101, 1_000_000, i64::MAX] {
            assert_eq!(
                trades(&[(0, 1_000), (1, wrong), (1, wrong), (2, 1_001)]),
                [Mark::Good(1_000), SUSPECT, SUSPECT, Mark::Good(1_001)],
                "{wrong}"
            );
        }
        assert_eq!(trades(&[(0, 1_000), (1, 900), (2, 990)]), [Mark::Good(1_000), Mark::Good(900), Mark::Good(990)]);
    }

    #[test]
    fn a_fall_is_believed_at_its_second_print() {
        assert_eq!(trades(&[(0, 1_000), (1, 850), (2, 840)])[2], Mark::Good(840));
        assert_eq!(
            trades(&[(0, 1_000), (1, 850), (2, 700), (3, 600), (4, 580)])[2..],
            [Mark::Good(700), Mark::Suspect(Some(700)), Mark::Good(580)]
        );
        assert_eq!(trades(&[(0, 1_000), (1, 1_200), (2, 1_400)])[2], Mark::Good(1_400));
    }

    #[test]
    fn prints_that_contradict_each_other_wait_for_a_third() {
        assert_eq!(trades(&[(0, 1_000), (1, 850), (2, 1)])[2], SUSPECT, "one wrong price behind a right one");
        assert_eq!(trades(&[(0, 1_000), (1, 850), (2, 1), (3, 840)])[3], Mark::Good(840));
        assert_eq!(
            trades(&[(0, 1_000), (1, 1), (2, 5_000), (3, 1)])[3],
            SUSPECT,
            "one on each side agree with nothing"
        );
    }

    #[test]
    fn the_book_agrees_at_once_or_keeps_a_repeated_trade_from_counting() {
        let far = Some((845, 855));
        assert_eq!(looks(&[(0, Some(1_000), None), (1, Some(850), far)])[1], Mark::Good(850));
        let near = Some((999, 1_001));
        let quiet = [(0, Some(1_000), near), (1, Some(1), near), (2, Some(1), near), (3, Some(1), near)];
        assert_eq!(looks(&quiet)[1..], [SUSPECT; 3], "quotes that move time do not repeat the trade");
        assert_eq!(
            looks(&[(0, None, near), (1, None, Some((1, 1)))])[1],
            SUSPECT,
            "a quote does not agree with itself"
        );
        assert_eq!(looks(&[(0, None, near), (1, None, Some((1, 1))), (2, None, Some((1, 1)))])[2], Mark::Good(1));
    }

    #[test]
    fn the_collar_widens_with_the_time_between_prints() {
        assert_eq!(trades(&[(0, 1_000), (3_600, 600)])[1], Mark::Good(600));
        assert_eq!(trades(&[(0, 1_000), (86_400, 499)])[1], SUSPECT, "one half at most");
        assert_eq!(trades(&[(0, 1_000), (240, 801)])[1], Mark::Good(801));
        assert_eq!(trades(&[(0, 1_000), (240, 799)])[1], SUSPECT, "twice as wide after four minutes");
    }

    #[test]
    fn a_first_mark_is_held_against_the_entry() {
        let look = |entry| {
            let view = InstrumentView { last: Some(1_000_000), ts: testkit::T0, ..InstrumentView::default() };
            Marks::default().look(A, &view, || entry, Rate::from_bps(1_000))
        };
        assert_eq!(look(Some(1_000)), Mark::Suspect(None));
        assert_eq!(look(Some(900_000)), Mark::Good(1_000_000));
        assert_eq!(look(None), Mark::Good(1_000_000));
        assert_eq!(trades(&[(0, 0)]), [Mark::Missing]);
        assert_eq!(trades(&[(0, -5)]), [Mark::Missing]);
    }
}
