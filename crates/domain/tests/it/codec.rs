//! Every type: the same value comes back from its bytes, a byte less is an error, and no bytes make it panic.

use crate::any::Any;
use domain::codec::{CodecError, Reader, Stored, from_bytes, to_bytes};
use domain::instrument::Asset;
use domain::*;
use std::collections::BTreeMap;
use std::fmt::Debug;
use testkit::generate::Seeded;

/// Values of one type, their bytes cut short at every place, their bytes with changes, and bytes at random.
fn holds<T: Stored + Any + PartialEq + Debug>() {
    let name = std::any::type_name::<T>();
    for seed in 0..300 {
        let mut r = Seeded::new(seed);
        let value = T::any(&mut r);
        let bytes = to_bytes(&value);
        assert_eq!(from_bytes::<T>(&bytes).as_ref(), Ok(&value), "{name}, seed {seed}");
        for end in 0..bytes.len() {
            let cut = T::take(&mut Reader::new(&bytes[..end]));
            assert_eq!(cut, Err(CodecError::Truncated), "{name}, seed {seed}, {end} of {} bytes", bytes.len());
        }
        let mut more = bytes.clone();
        more.push(0);
        assert_eq!(from_bytes::<T>(&more), Err(CodecError::LeftOver { bytes: 1 }), "{name}, seed {seed}");
        let mut damaged = bytes;
        if !damaged.is_empty() {
            let at = r.within(0, damaged.len() as i64 - 1) as usize;
            damaged[at] ^= 1 << r.within(0, 7);
        }
        canonical::<T>(&damaged, name, seed);
        let random: Vec<u8> =
            (0..r.within(0, 200)).map(|_| if r.chance(60) { r.within(0, 12) as u8 } else { r.bits() as u8 }).collect();
        canonical::<T>(&random, name, seed);
    }
}

/// Whatever can be read has the bytes that it was read from.
fn canonical<T: Stored>(bytes: &[u8], name: &str, seed: u64) {
    let mut reader = Reader::new(bytes);
    if let Ok(value) = T::take(&mut reader) {
        let used = bytes.len() - reader.rest().len();
        assert_eq!(to_bytes(&value), bytes[..used], "{name}, seed {seed}");
    }
}

macro_rules! all_hold {
    ($($test:ident: $($type:ty),+;)+) => {$(
        #[test]
        fn $test() {
            $(holds::<$type>();)+
        }
    )+};
}
all_hold! {
    plain_values: u8, u16, u32, u64, u128, i64, i128, usize, bool, f64, String, Option<u32>, Vec<String>, Vec<Option<u64>>, (u8, String),
        (u8, bool, f64), [f64; 3];
    numbers: UnixNanos, Nanos, Money, Price, Quantity, Rate, AccountId, VenueIdx, AssetIdx, InstrumentIdx, StrategyIdx, VenueOrderId,
        ClientOrderId, InputId, MarketFlags, Digest;
    choices: Side, Liquidity, OrderClass, PositionSide, instrument::InstrumentKind, Intent, Control, OrderStatus, RejectReason, TrailOffset,
        OrderType, OrderQuantity, TimeInForce, SizeRequest, Entry, StopPlan, StopLevel, TimerFired;
    orders_and_signals: OrderSpec, SignalStatistics, Signal, TimerRequest, InferRequest, Output, Fee, Fill, PositionView;
    groups: Trigger, ChildSize, Sequence, LegRisk, GroupKind, GroupStep, Leg, GroupRequest;
    market: Candle, Trade, Quote, BookDelta, InstrumentView, MarketView;
    definitions: Asset, Instrument, InstrumentTable;
    safety: Mode, Cause, Holder, AlertKind, LimitKey, Alert, NotSent, Rearm;
    events: ModelOutput, ReportBody, AccountReport, EventBody, Event;
}

#[test]
fn not_a_number_keeps_its_bits() {
    for bits in [0x7FF8_0000_0000_0000_u64, 0xFFF8_0000_0000_1234, 0x7FF0_0000_0000_0001] {
        assert_eq!(from_bytes::<f64>(&bits.to_le_bytes()).unwrap().to_bits(), bits);
    }
}

#[test]
fn maps_come_in_the_order_of_their_keys() {
    let map: BTreeMap<u16, String> = [(3, "c".into()), (1, "a".into()), (2, "b".into())].into();
    let bytes = to_bytes(&map);
    assert_eq!(from_bytes::<BTreeMap<u16, String>>(&bytes), Ok(map));
    let twice = to_bytes(&vec![(1_u16, 5_u8), (1, 6)]);
    assert_eq!(from_bytes::<BTreeMap<u16, u8>>(&twice), Err(CodecError::Invalid { what: "the order of keys" }));
}

#[test]
fn a_number_of_items_that_cannot_be_there_asks_for_no_memory() {
    for count in [u64::MAX, 1 << 40, 1000] {
        let mut bytes = to_bytes(&count);
        bytes.extend_from_slice(&[0; 100]);
        assert_eq!(from_bytes::<Vec<Instrument>>(&bytes), Err(CodecError::Truncated));
        assert_eq!(from_bytes::<String>(&bytes), Err(CodecError::Truncated));
    }
}

#[test]
fn the_bytes_are_those_of_the_written_form() {
    let report =
        ReportBody::Rejected { client_id: ClientOrderId::new(AccountId(7), 3, 9), reason: RejectReason::MinNotional };
    let mut expected = vec![2];
    expected.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0x34, 0x62]);
    expected.push(5);
    assert_eq!(to_bytes(&report), expected);
    assert_eq!(to_bytes(&Some(Price::parse("-0.000000000001").unwrap())), [vec![1], vec![0xFF; 16]].concat());
    assert_eq!(to_bytes(&TimeInForce::Gtd(UnixNanos(0x0102))), [4, 2, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn numbers_that_no_variant_has_are_refused() {
    assert_eq!(from_bytes::<Side>(&[2]), Err(CodecError::Invalid { what: "a side" }));
    assert_eq!(from_bytes::<OrderType>(&[0]), Err(CodecError::Invalid { what: "an order type" }));
    assert_eq!(from_bytes::<bool>(&[2]), Err(CodecError::Invalid { what: "a yes or no" }));
    let foreign = from_bytes::<ClientOrderId>(&[0; 16]);
    assert_eq!(foreign, Err(CodecError::Invalid { what: "a client order id" }));
    let error = Reader::new(&[2, 0, 0, 0]).version("an engine", 1).unwrap_err();
    assert_eq!(error.to_string(), "an engine was written in version 2, this build reads 1");
}

#[test]
fn a_table_that_could_not_be_defined_is_refused() {
    let mut table = InstrumentTable::default();
    testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let whole = to_bytes(&table);
    let mut other = table.get(InstrumentIdx(0)).unwrap().clone();
    other.price_decimals = 200;
    let mut bytes = to_bytes(&table.assets().to_vec());
    vec![other].put(&mut bytes);
    assert_eq!(bytes.len(), whole.len());
    let error = from_bytes::<InstrumentTable>(&bytes).unwrap_err();
    assert_eq!(error, CodecError::Invalid { what: "a table of instruments" });
}
