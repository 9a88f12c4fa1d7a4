use super::*;
use domain::Digestible;
use domain::codec::Reader;
use proptest::prelude::*;
use std::collections::BTreeMap;

const T: UnixNanos = UnixNanos(1_000_000_000);

fn levels(text: &str) -> Vec<Level> {
    let number = |t: &str| t.parse().unwrap();
    text.split_whitespace()
        .map(|pair| pair.split_once('x').unwrap())
        .map(|(p, q)| Level { price: number(p), quantity: number(q) })
        .collect()
}

fn book(bids: &str, asks: &str) -> Book {
    let mut book = Book::new(InstrumentIdx(0), 8);
    book.snapshot((T, T, 100), levels(bids), levels(asks), Extent::Whole).unwrap();
    book
}

fn update(book: &mut Book, sequence: u64, follows: Continuity, bids: &str, asks: &str) -> Applied {
    let head = Update { ts_event: T, ts_recv: T, sequence, follows };
    book.update(head, levels(bids), levels(asks)).unwrap()
}

#[test]
fn best_depth_and_the_cost_of_a_quantity() {
    let book = book("98x7 99x5", "101x4 102x6 104x1");
    let view = book.view().unwrap();
    assert_eq!(view.bid(), Some(Level { price: 99, quantity: 5 }));
    assert_eq!(view.ask(), Some(Level { price: 101, quantity: 4 }));
    assert_eq!(view.twice_mid(), Some(200));
    assert_eq!(view.depth(Side::Sell, 2), 10);
    assert_eq!(view.walk(Side::Buy, 5, None), Walk { quantity: 5, value: 404 + 102, worst: 102, levels: 2 });
    assert_eq!(view.walk(Side::Buy, 99, None), Walk { quantity: 11, value: 404 + 612 + 104, worst: 104, levels: 3 });
    assert_eq!(view.walk(Side::Buy, 99, Some(102)).quantity, 10);
    assert_eq!(view.walk(Side::Sell, 6, Some(99)), Walk { quantity: 5, value: 495, worst: 99, levels: 1 });
    assert_eq!(view.walk(Side::Sell, 6, Some(100)), Walk::default());
}

#[test]
fn a_gap_ends_the_view_until_the_next_snapshot() {
    let mut book = book("99x5", "101x4");
    assert_eq!(update(&mut book, 103, Continuity::From(101), "99x6", ""), Applied::Taken);
    assert_eq!(update(&mut book, 103, Continuity::From(101), "99x1", ""), Applied::Old);
    assert_eq!(update(&mut book, 105, Continuity::From(103), "99x7", ""), Applied::Taken, "it may overlap");
    assert_eq!(update(&mut book, 108, Continuity::From(107), "99x8", ""), Applied::Gap);
    assert_eq!(book.view().unwrap_err(), Unusable::Gap { after: 105 });
    assert_eq!(update(&mut book, 109, Continuity::From(106), "99x8", ""), Applied::Waiting);
    book.snapshot((T, T, 110), levels("98x1"), levels("101x1"), Extent::Whole).unwrap();
    assert_eq!(book.view().unwrap().bid().unwrap().price, 98);
}

#[test]
fn numbers_of_the_one_before() {
    let mut book = book("99x5", "101x4");
    assert_eq!(update(&mut book, 120, Continuity::After(100), "99x6", ""), Applied::Taken);
    assert_eq!(update(&mut book, 120, Continuity::After(120), "", ""), Applied::Taken, "nothing changed");
    assert_eq!(update(&mut book, 110, Continuity::After(100), "99x1", ""), Applied::Old);
    assert_eq!(update(&mut book, 3, Continuity::After(120), "99x2", ""), Applied::Taken, "numbers begin anew");
    assert_eq!(update(&mut book, 5, Continuity::After(4), "99x2", ""), Applied::Gap);
}

#[test]
fn what_cannot_be_believed_is_not_shown() {
    let mut empty = Book::new(InstrumentIdx(0), 8);
    assert_eq!(empty.view().unwrap_err(), Unusable::NoSnapshot);
    assert_eq!(empty.age(T), None);
    empty.invalidate();
    assert_eq!(empty.view().unwrap_err(), Unusable::NoSnapshot);
    let mut book = book("99x5", "101x4");
    update(&mut book, 101, Continuity::From(101), "101x2", "");
    assert_eq!(book.view().unwrap_err(), Unusable::Crossed { bid: 101, ask: 101 });
    update(&mut book, 102, Continuity::From(102), "101x0", "");
    assert_eq!(book.view_at(UnixNanos(T.0 + 500), Nanos(500)).unwrap().bid().unwrap().price, 99);
    let stale = Unusable::Stale { age: Nanos(501), age_max: Nanos(500) };
    assert_eq!(book.view_at(UnixNanos(T.0 + 501), Nanos(500)).unwrap_err(), stale);
    book.invalidate();
    assert_eq!(book.view().unwrap_err(), Unusable::Gap { after: 102 });
}

#[test]
fn bad_levels_are_named_and_end_the_view() {
    for bad in [Level { price: 0, quantity: 1 }, Level { price: -5, quantity: 1 }, Level { price: 5, quantity: -1 }] {
        let mut book = book("99x5", "101x4");
        let head = Update { ts_event: T, ts_recv: T, sequence: 101, follows: Continuity::From(101) };
        let error = book.update(head, [], [bad]).unwrap_err();
        assert_eq!(error, BookError::Level { side: Side::Sell, price: bad.price, quantity: bad.quantity });
        assert!(error.to_string().contains("expected a price above 0"), "{error}");
        assert_eq!(book.view().unwrap_err(), Unusable::Gap { after: 100 });
        assert!(book.snapshot((T, T, 1), [bad], [], Extent::Whole).is_err() && book.view().is_err());
    }
}

#[test]
fn beyond_what_is_known_nothing_is_shown() {
    let mut book = Book::new(InstrumentIdx(0), 3);
    book.snapshot((T, T, 1), levels("99x1 98x1 97x1 96x1"), levels("101x1 103x1"), Extent::Cut).unwrap();
    let bids = |book: &Book| book.view().unwrap().levels(Side::Buy).map(|l| l.price).collect::<Vec<_>>();
    assert_eq!((bids(&book), book.edge(Side::Buy)), (vec![99, 98, 97], Some(96)));
    assert_eq!(book.edge(Side::Sell), Some(104));
    // 96 is still at the venue, and 95 may be: after 99 has gone two levels are known and no more.
    update(&mut book, 2, Continuity::From(2), "99x0 95x4 96x2", "104x9 102x1");
    assert_eq!(bids(&book), [98, 97]);
    assert_eq!(book.view().unwrap().levels(Side::Sell).map(|l| l.price).collect::<Vec<_>>(), [101, 102, 103]);
    update(&mut book, 3, Continuity::From(3), "100x3 99x3", "");
    assert_eq!((bids(&book), book.edge(Side::Buy)), (vec![100, 99, 98], Some(97)));
    update(&mut book, 4, Continuity::From(4), "100x0 99x0 98x0 90x1", "");
    assert_eq!(book.view().unwrap_err(), Unusable::Exhausted { side: Side::Buy });
}

#[test]
fn levels_as_events() {
    let delta = |sequence, price, quantity, side, flags| BookDelta {
        ts_event: T,
        ts_recv: T,
        sequence,
        price,
        quantity,
        instrument: InstrumentIdx(0),
        flags,
        side,
    };
    let (part, last) = (MarketFlags::BOOK_SNAPSHOT, MarketFlags::BOOK_SNAPSHOT.with(MarketFlags::BOOK_LAST));
    let plain = MarketFlags::default();
    let mut book = Book::new(InstrumentIdx(0), 8);
    assert_eq!(book.apply(&delta(5, 99, 1, Side::Buy, plain)), Ok(Applied::Waiting));
    assert_eq!(book.apply(&delta(7, 99, 1, Side::Buy, part)), Ok(Applied::Taken));
    assert_eq!(book.view().unwrap_err(), Unusable::NoSnapshot);
    assert_eq!(book.apply(&delta(7, 101, 1, Side::Sell, last)), Ok(Applied::Taken));
    assert_eq!(book.apply(&delta(9, 100, 2, Side::Buy, plain)), Ok(Applied::Taken));
    assert_eq!(book.apply(&delta(8, 100, 5, Side::Buy, plain)), Ok(Applied::Old));
    assert_eq!(book.view().unwrap().bid(), Some(Level { price: 100, quantity: 2 }));
    assert_eq!(book.apply(&delta(20, 90, 1, Side::Buy, part)), Ok(Applied::Taken));
    assert_eq!(book.apply(&delta(21, 91, 1, Side::Buy, plain)), Ok(Applied::Gap), "the snapshot lacks its end");
    let foreign = BookDelta { instrument: InstrumentIdx(3), ..delta(22, 90, 1, Side::Buy, last) };
    assert!(book.apply(&foreign).unwrap_err().to_string().contains("InstrumentIdx(3)"));
}

fn digest(book: &Book) -> u128 {
    let mut d = domain::Digest::default();
    book.digest(&mut d);
    d.value()
}

/// One change: side, price, quantity.
fn change() -> impl Strategy<Value = (bool, i64, i64)> {
    (any::<bool>(), 90i64..110, prop_oneof![Just(0), 1i64..9])
}

proptest! {
    /// The same as two sorted maps; with few places, the best of them as far as the edge tells.
    #[test]
    fn as_sorted_maps(changes in prop::collection::vec(change(), 0..200), levels_max in 2usize..30) {
        let mut book = Book::new(InstrumentIdx(0), levels_max);
        book.snapshot((T, T, 0), [], [], Extent::Whole).unwrap();
        let mut maps = [BTreeMap::new(), BTreeMap::new()];
        for (n, (buy, price, quantity)) in (1u64..).zip(changes) {
            // Bids below 100, asks from 100 on: what crosses is tested elsewhere.
            let price = if buy { price - 10 } else { price + 10 };
            let level = Level { price, quantity };
            let head = Update { ts_event: T, ts_recv: T, sequence: n, follows: Continuity::From(n) };
            book.update(head, buy.then_some(level), (!buy).then_some(level)).unwrap();
            let map = &mut maps[usize::from(!buy)];
            if quantity == 0 { map.remove(&price); } else { map.insert(price, quantity); }
            let view = match book.view() {
                Ok(view) => view,
                Err(Unusable::Exhausted { side }) => {
                    prop_assert!(book.edge(side).is_some());
                    continue;
                }
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            };
            let known = |side, price: i64| book.edge(side).is_none_or(|edge| if side == Side::Buy { price > edge } else { price < edge });
            let bids: Vec<_> = maps[0].iter().rev().map(|(p, q)| (*p, *q)).filter(|(p, _)| known(Side::Buy, *p)).collect();
            let asks: Vec<_> = maps[1].iter().map(|(p, q)| (*p, *q)).filter(|(p, _)| known(Side::Sell, *p)).collect();
            prop_assert_eq!(&view.levels(Side::Buy).map(|l| (l.price, l.quantity)).collect::<Vec<_>>(), &bids);
            prop_assert_eq!(&view.levels(Side::Sell).map(|l| (l.price, l.quantity)).collect::<Vec<_>>(), &asks);
            if levels_max >= 20 {
                prop_assert_eq!(book.edge(Side::Buy), None);
            }
            let wanted: i64 = asks.iter().map(|(_, q)| q).sum::<i64>() - 1;
            let walk = view.walk(Side::Buy, wanted.max(0), None);
            let (mut left, mut value) = (wanted.max(0), 0);
            for (p, q) in &asks {
                value += i128::from(*p) * i128::from(left.min(*q));
                left -= left.min(*q);
            }
            prop_assert_eq!((walk.quantity, walk.value), (wanted.max(0) - left, value));
        }
        let mut bytes = Vec::new();
        book.save(&mut bytes);
        let mut loaded = Book::new(InstrumentIdx(0), levels_max);
        loaded.load(&mut Reader::new(&bytes)).unwrap();
        prop_assert_eq!(digest(&loaded), digest(&book));
        for cut in 0..bytes.len() {
            prop_assert!(Book::new(InstrumentIdx(0), levels_max).load(&mut Reader::new(&bytes[..cut])).is_err());
        }
        prop_assert!(Book::new(InstrumentIdx(0), levels_max + 1).load(&mut Reader::new(&bytes)).is_err());
    }
}
