//! Fees of fills: by venue, to the last unit; the same as the ledger books; tiers, answers and replacements at run time.

use domain::codec::Reader;
use domain::{
    AccountId, AssetIdx, ClientOrderId, Digest, Digestible, Fill, Instrument, InstrumentKind, InstrumentTable,
    Liquidity, Money, Quantity, Rate, Side, StrategyIdx, UnixNanos, VenueIdx, VenueOrderId,
};
use execution::fee::{
    Calculator, ChargedIn, DiscountTerms, Fees, Own, RebateIn, Terms, TierChoice, VolumeTracker, crossing, known,
    order_fee, set_rates,
};
use marketdata::{Book, Extent, Level};
use portfolio::Portfolio;
use proptest::prelude::*;
use std::collections::BTreeMap;
use testkit::generate::Seeded;
use testkit::{money, rate};

const A: AccountId = AccountId(0);
const V: VenueIdx = VenueIdx(0);
const DAY: u64 = 86_400_000_000_000;
use Liquidity::{Maker, Taker};

struct World {
    table: InstrumentTable,
    spot: Instrument,
    perpetual: Instrument,
    bnb: AssetIdx,
}

fn world() -> World {
    let mut table = InstrumentTable::default();
    let spot = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let perpetual = testkit::add_perpetual(&mut table, "BTCUSDT", 1, 3);
    let bnb = table.asset("BNB", 8).unwrap();
    World { table, spot, perpetual, bnb }
}

fn calculator(w: &World, schedule: &str, tier: &str, discount: bool) -> Calculator {
    let schedule = known(schedule).unwrap();
    let mut terms = schedule.terms(schedule.tier(tier).unwrap(), discount);
    terms.discount = terms.discount.map(|d| DiscountTerms { asset: Some(w.bnb), ..d });
    let instrument = if schedule.kind == InstrumentKind::Spot { &w.spot } else { &w.perpetual };
    Calculator::new(&w.table, instrument, &terms)
}

/// Amount, asset and value in quote of a fee.
fn fee(
    w: &World,
    c: &Calculator,
    side: Side,
    liquidity: Liquidity,
    price: i64,
    quantity: i64,
    at: Option<&str>,
) -> String {
    let charged = c.fee(side, liquidity, price, quantity, at.map(testkit::price)).unwrap();
    let asset = &w.table.assets()[charged.fee.asset.index()].code;
    format!("{} {asset} of {}, {} in quote, at {}", charged.fee.amount, charged.value, charged.in_quote, charged.rate)
}

#[test]
fn binance_spot_takes_the_received_asset_or_bnb() {
    let w = world();
    let c = calculator(&w, "binance_spot", "Regular", false);
    // Its own example: 1 at 4000 in USDT costs 4 when sold.
    assert_eq!(fee(&w, &c, Side::Sell, Taker, 400_000, 100_000, None), "4 USDT of 4000, 4 in quote, at 0.001");
    assert_eq!(fee(&w, &c, Side::Buy, Taker, 400_000, 100_000, None), "0.001 BTC of 4000, 4 in quote, at 0.001");
    // 0.00123 BTC x 0.1 % = 0.00000123; 1.23 / 1e5 of a smaller one rounds up.
    assert_eq!(fee(&w, &c, Side::Buy, Maker, 400_000, 1, None), "0.00000001 BTC of 0.04, 0.00004 in quote, at 0.001");
    let c = calculator(&w, "binance_spot", "VIP 1", true);
    assert_eq!(
        fee(&w, &c, Side::Buy, Maker, 400_000, 100_000, Some("500")),
        "0.0054 BNB of 4000, 2.7 in quote, at 0.000675"
    );
    assert_eq!(
        fee(&w, &c, Side::Sell, Taker, 400_000, 100_000, Some("600.5")),
        "0.00499584 BNB of 4000, 3 in quote, at 0.00075"
    );
    // Without a price of it nothing can be said in BNB: the full fee in the usual asset.
    assert_eq!(fee(&w, &c, Side::Sell, Taker, 400_000, 100_000, None), "4 USDT of 4000, 4 in quote, at 0.001");
}

#[test]
fn binance_futures_take_the_settle_asset() {
    let w = world();
    let c = calculator(&w, "binance_usdm", "Regular", false);
    assert_eq!(fee(&w, &c, Side::Buy, Taker, 78_190, 2, None), "0.007819 USDT of 15.638, 0.007819 in quote, at 0.0005");
    assert_eq!(
        fee(&w, &c, Side::Sell, Maker, 78_190, 2, None),
        "0.0031276 USDT of 15.638, 0.0031276 in quote, at 0.0002"
    );
    let c = calculator(&w, "binance_usdm", "VIP 9", true);
    assert_eq!(fee(&w, &c, Side::Sell, Maker, 78_190, 2, Some("600")), "0 USDT of 15.638, 0 in quote, at 0");
}

#[test]
fn okx_pays_rebates_in_what_was_given() {
    let w = world();
    let c = calculator(&w, "okx_spot", "Lv1", false);
    assert_eq!(
        fee(&w, &c, Side::Buy, Taker, 5_185_800, 193, None),
        "0.00000193 BTC of 100.08594, 0.10008594 in quote, at 0.001"
    );
    let c = calculator(&w, "okx_spot", "VIP6", false);
    assert_eq!(fee(&w, &c, Side::Buy, Maker, 5_000_000, 100_000, None), "-1 USDT of 50000, -1 in quote, at -0.00002");
    assert_eq!(
        fee(&w, &c, Side::Sell, Maker, 5_000_000, 100_000, None),
        "-0.00002 BTC of 50000, -1 in quote, at -0.00002"
    );
    assert_eq!(fee(&w, &c, Side::Sell, Taker, 5_000_000, 100_000, None), "15 USDT of 50000, 15 in quote, at 0.0003");
    let c = calculator(&w, "okx_swap", "VIP8", false);
    assert_eq!(fee(&w, &c, Side::Buy, Maker, 500_000, 1_000, None), "-2.5 USDT of 50000, -2.5 in quote, at -0.00005");
}

#[test]
fn kraken_takes_quote() {
    // As recorded: 0.005 at 26599.9 costs 0.3458 at 0.26 %, four decimals being shown.
    let mut table = InstrumentTable::default();
    let base = table.asset("BTC", 8).unwrap();
    let quote = table.asset("USD", 4).unwrap();
    let plain = testkit::add_spot(&mut table, "XUSDT", 1, 8);
    let i = Instrument { base, quote, settle: quote, ..plain };
    let terms = Terms { taker: rate("0.0026"), ..known("kraken_spot").unwrap().terms(0, false) };
    let c = Calculator::new(&table, &i, &terms);
    let charged = c.fee(Side::Sell, Taker, 265_999, 500_000, None).unwrap();
    assert_eq!((charged.value, charged.fee.amount, charged.fee.asset), (money("132.9995"), money("0.3458"), quote));
    let bought = c.fee(Side::Buy, Taker, 265_999, 500_000, None).unwrap();
    assert_eq!((bought.fee.amount, bought.fee.asset), (money("0.3458"), quote));
}

#[test]
fn contracts_are_worth_their_multiplier() {
    let mut w = world();
    w.perpetual.multiplier = testkit::quantity("0.01");
    let terms = known("okx_swap").unwrap().terms(0, false);
    let c = Calculator::new(&w.table, &w.perpetual, &terms);
    // 12 contracts of 0.01 at 50000.1 are 6000.012.
    let charged = c.fee(Side::Buy, Taker, 500_001, 12_000, None).unwrap();
    assert_eq!((charged.value, charged.fee.amount), (money("6000.012"), money("3.000006")));
    assert_eq!(c.fee(Side::Buy, Taker, i64::MAX, i64::MAX, None), None, "overflow is no fee");
}

fn terms() -> impl Strategy<Value = Terms> {
    let charged = prop_oneof![Just(ChargedIn::Received), Just(ChargedIn::Quote)];
    let rebate = prop_oneof![Just(RebateIn::Same), Just(RebateIn::Given)];
    (-60i64..500, -60i64..500, charged, rebate).prop_map(|(maker, taker, charged_in, rebate_in)| Terms {
        maker: Rate::from_raw(maker * 1_234_567),
        taker: Rate::from_raw(taker * 1_234_567),
        charged_in,
        rebate_in,
        discount: None,
    })
}

proptest! {
    /// Fees computed here, put on fills, are what the ledger has in the end: by asset, and by strategy in quote.
    #[test]
    fn totals_equal_the_ledger(
        terms in terms(),
        fills in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), 1i64..9_000_000, 1i64..100_000), 1..60),
    ) {
        let w = world();
        let mut ledger = Portfolio::new(w.spot.quote);
        ledger.define(&w.spot);
        ledger.define(&w.perpetual);
        ledger.transfer(A, w.spot.quote, Money::from_units(1_000_000_000)).unwrap();
        let calculators = [Calculator::new(&w.table, &w.spot, &terms), Calculator::new(&w.table, &w.perpetual, &terms)];
        let mut by_asset: BTreeMap<AssetIdx, i128> = BTreeMap::new();
        let mut in_quote = [0i128; 2];
        for (n, (spot, buy, maker, price, quantity)) in (1u64..).zip(fills) {
            let (at, i) = if spot { (0, &w.spot) } else { (1, &w.perpetual) };
            let side = if buy { Side::Buy } else { Side::Sell };
            let liquidity = if maker { Maker } else { Taker };
            let charged = calculators[at].fee(side, liquidity, price, quantity, None).unwrap();
            let fill = Fill {
                client_id: ClientOrderId::new(A, 1, n),
                fee_amount: charged.fee.amount,
                venue_id: VenueOrderId(n),
                trade_id: n,
                price,
                quantity,
                instrument: i.idx,
                account: A,
                strategy: StrategyIdx(0),
                fee_asset: charged.fee.asset,
                side,
                liquidity,
            };
            // What was never bought cannot be sold on spot.
            if let Ok(effect) = ledger.apply_fill(&w.table, &fill) {
                prop_assert_eq!(effect.fee_value, charged.in_quote);
                *by_asset.entry(charged.fee.asset).or_default() += charged.fee.amount.raw();
                in_quote[at] += charged.in_quote.raw();
            }
        }
        for (asset, sum) in by_asset {
            prop_assert_eq!(ledger.fees_in(A, asset).raw(), sum);
        }
        for (at, i) in [&w.spot, &w.perpetual].into_iter().enumerate() {
            prop_assert_eq!(ledger.result(A, i.idx, StrategyIdx(0)).fees.raw(), in_quote[at]);
        }
    }

    /// The sums by day are those of a plain map.
    #[test]
    fn volume_by_day(fills in prop::collection::vec((0u64..100, 0i64..1_000), 1..120)) {
        let mut tracker = VolumeTracker::default();
        let mut map: BTreeMap<u64, i64> = BTreeMap::new();
        let (mut now, mut latest) = (20_000u64, 0);
        for (step, value) in fills {
            // Mostly forward; some come late, some of them too late.
            let day = match step { 0..70 => now, 70..80 => { now += step - 70; now } _ => now - (step - 80) * 2 };
            latest = latest.max(day);
            let taken = tracker.add(UnixNanos(day * DAY + step), Money::from_units(value));
            prop_assert_eq!(taken, latest - day < 31);
            if taken { *map.entry(day).or_default() += value; }
            for ahead in [0, 1, 7, 29, 30, 31, 90] {
                let at = UnixNanos((latest + ahead) * DAY + 5);
                let sum = |from: u64, to: u64| Money::from_units(map.range(from..=to).map(|(_, v)| v).sum());
                let today = latest + ahead;
                prop_assert_eq!(tracker.trailing(at), sum(today - 29, today));
                prop_assert_eq!(tracker.before_today(at), sum(today - 30, today - 1));
            }
        }
    }
}

#[test]
fn tiers_move_with_volume_when_the_venue_looks() {
    let w = world();
    let ts = |day: u64| UnixNanos((20_000 + day) * DAY + 1);
    let mut fees = Fees::new();
    fees.set_schedule(V, known("binance_spot").unwrap(), ts(0)).unwrap();
    fees.add_account((A, V), TierChoice::ByVolume, (Some(Quantity::from_units(30)), false), ts(0));
    let tier = |fees: &Fees| fees.tier(A, V, InstrumentKind::Spot).unwrap();
    fees.traded((A, V), InstrumentKind::Spot, ts(0), Money::from_units(1_200_000)).unwrap();
    assert_eq!(tier(&fees), 0, "it renews with the day");
    fees.on_day(ts(1));
    assert_eq!(tier(&fees), 1);
    assert_eq!(fees.calculator(&w.table, &w.spot, A).rate(Maker), rate("0.0009"));
    fees.on_day(ts(30));
    assert_eq!(tier(&fees), 1);
    fees.on_day(ts(31));
    assert_eq!(tier(&fees), 0, "30 whole days have passed");
    // Kraken looks with every trade.
    fees.set_schedule(V, known("kraken_spot").unwrap(), ts(31)).unwrap();
    fees.traded((A, V), InstrumentKind::Spot, ts(31), Money::from_units(60_000)).unwrap();
    assert_eq!(tier(&fees), 2);
    assert_eq!(fees.calculator(&w.table, &w.spot, A).rate(Taker), rate("0.0024"));
    let other = AccountId(7);
    assert!(
        fees.traded((other, V), InstrumentKind::Spot, ts(31), Money::ZERO)
            .unwrap_err()
            .to_string()
            .contains("AccountId(7)")
    );
}

#[test]
fn the_venues_answer_wins_and_everything_can_change_at_run_time() {
    let mut w = world();
    let now = testkit::T0;
    let later = |s: u64| UnixNanos(now.0 + s * 1_000_000_000);
    let mut fees = Fees::new();
    let taker = |fees: &mut Fees, w: &World| fees.calculator(&w.table, &w.spot, A).rate(Taker);
    assert_eq!(taker(&mut fees, &w), w.spot.fee_taker, "nothing is known but the instrument's own");
    let plain = w.spot.fee_taker;
    w.spot.fee_taker = rate("0.0042");
    assert_eq!(taker(&mut fees, &w), rate("0.0042"), "its definition changed");
    w.spot.fee_taker = plain;
    fees.set_schedule(V, known("binance_spot").unwrap(), now).unwrap();
    fees.add_account((A, V), TierChoice::Told(3), (None, false), now);
    assert_eq!(taker(&mut fees, &w), rate("0.0006"));
    let own = |taker: &str, at| Own { maker: rate("0.0001"), taker: rate(taker), at };
    assert!(fees.answer(A, w.spot.idx, own("0.0005", later(10))));
    assert_eq!(taker(&mut fees, &w), rate("0.0005"));
    assert!(!fees.answer(A, w.spot.idx, own("0.0009", later(9))), "an older answer");
    assert_eq!(taker(&mut fees, &w), rate("0.0005"));
    // A new schedule comes as data; the answer about this instrument still wins, another instrument takes the new one.
    let mut schedule = known("binance_spot").unwrap();
    schedule.tiers.iter_mut().for_each(|t| t.taker = rate("0.002"));
    schedule.tiers.truncate(2);
    let text = serde_json::to_string(&schedule).unwrap();
    fees.set_schedule(V, serde_json::from_str(&text).unwrap(), now).unwrap();
    assert_eq!((taker(&mut fees, &w), fees.tier(A, V, InstrumentKind::Spot)), (rate("0.0005"), Some(1)));
    let other = testkit::add_spot(&mut w.table, "ETHUSDT", 2, 4);
    assert_eq!(fees.calculator(&w.table, &other, A).rate(Taker), rate("0.002"));
    schedule.tiers.clear();
    assert!(fees.set_schedule(V, schedule, now).is_err());
    assert_eq!(fees.calculator(&w.table, &other, A).rate(Taker), rate("0.002"), "what cannot be used changes nothing");
    // What the gate and the simulated venue reckon with.
    let defined = fees.redefined(&w.table, &other, A).unwrap();
    assert_eq!((defined.fee_maker, defined.fee_taker), (rate("0.0009"), rate("0.002")));
    assert_eq!(fees.redefined(&w.table, &defined, A), None, "nothing to tell");
    // Paid in BNB: the discount comes off.
    fees.add_account((A, V), TierChoice::Told(0), (None, true), now);
    assert_eq!(fees.calculator(&w.table, &other, A).rate(Taker), rate("0.0015"));
    assert_eq!(fees.redefined(&w.table, &other, A).unwrap().fee_taker, rate("0.0015"));
}

#[test]
fn what_was_saved_goes_on() {
    let w = world();
    let ts = |day: u64| UnixNanos((20_000 + day) * DAY + 1);
    let mut fees = Fees::new();
    fees.set_schedule(V, known("binance_spot").unwrap(), ts(0)).unwrap();
    fees.set_schedule(V, known("binance_usdm").unwrap(), ts(0)).unwrap();
    fees.add_account((A, V), TierChoice::ByVolume, (Some(Quantity::from_units(100)), true), ts(0));
    fees.answer(A, w.perpetual.idx, Own { maker: rate("-0.0001"), taker: rate("0.0003"), at: ts(0) });
    let digest = |fees: &Fees| {
        let mut d = Digest::default();
        fees.digest(&mut d);
        d.value()
    };
    let mut seen = Vec::new();
    for day in 0..10 {
        fees.traded((A, V), InstrumentKind::Spot, ts(day), Money::from_units(700_000)).unwrap();
        seen.push(digest(&fees));
    }
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
    let mut bytes = Vec::new();
    fees.save(&mut bytes);
    let mut loaded = Fees::new();
    loaded.load(&mut Reader::new(&bytes)).unwrap();
    assert_eq!(digest(&loaded), digest(&fees));
    for both in [&mut fees, &mut loaded] {
        both.on_day(ts(10));
        assert_eq!(both.tier(A, V, InstrumentKind::Spot), Some(2));
        assert_eq!(both.calculator(&w.table, &w.perpetual, A).rate(Taker), rate("0.00027"));
    }
    for cut in 0..bytes.len() {
        assert!(Fees::new().load(&mut Reader::new(&bytes[..cut])).is_err(), "cut at {cut}");
    }
}

/// Two months of a busy account: 20 instruments, tiers that follow from volume, an answer of the venue every six hours.
#[test]
fn rates_are_mostly_there_already() {
    let mut table = InstrumentTable::default();
    let instruments: Vec<_> = (0..20).map(|n| testkit::add_spot(&mut table, &format!("A{n}USDT"), 2, 5)).collect();
    let mut fees = Fees::new();
    let start = UnixNanos(20_000 * DAY);
    fees.set_schedule(V, known("binance_spot").unwrap(), start).unwrap();
    fees.add_account((A, V), TierChoice::ByVolume, (Some(Quantity::from_units(1_000)), false), start);
    let mut random = Seeded::new(7);
    let (mut tiers, mut day) = (0, 0);
    for n in 0..100_000u64 {
        let ts = UnixNanos(start.0 + n * (60 * DAY / 100_000));
        if ts.day() != day {
            day = ts.day();
            let before = fees.tier(A, V, InstrumentKind::Spot);
            fees.on_day(ts);
            tiers += u64::from(fees.tier(A, V, InstrumentKind::Spot) != before);
        }
        let i = random.pick(&instruments);
        if n % 417 == 0 {
            let own = Own { maker: rate("0.0001"), taker: Rate::from_raw(random.within(1, 3) * 100_000_000), at: ts };
            fees.answer(A, i.idx, own);
        }
        // The account grows, so that it goes through tiers.
        let (price, quantity) = (random.within(1_000, 900_000), random.within(1, 3_000 + 5 * n as i64));
        let charged = fees.calculator(&table, i, A).fee(Side::Sell, Taker, price, quantity, None).unwrap();
        fees.traded((A, V), InstrumentKind::Spot, ts, charged.value).unwrap();
    }
    let (hits, misses) = fees.hits();
    println!("{hits} of {} lookups found their rates, {misses} made them, {tiers} changes of the tier", hits + misses);
    assert_eq!(hits + misses, 100_000);
    assert!(hits > 90_000 && tiers > 2, "{hits} hits, {tiers} changes of the tier");
}

fn book() -> Book {
    let mut book = Book::new(domain::InstrumentIdx(0), 10);
    let level = |price, quantity| Level { price, quantity };
    let bids = [level(9_900, 500), level(9_800, 700)];
    let asks = [level(10_000, 300), level(10_100, 400)];
    let now = testkit::T0;
    book.snapshot((now, now, 1), bids, asks, Extent::Whole).unwrap();
    book
}

#[test]
fn a_limit_that_crosses_pays_taker_for_what_crosses() {
    let w = world();
    let book = book();
    let view = book.view().unwrap();
    let c = Calculator::new(
        &w.table,
        &w.spot,
        &Terms {
            maker: rate("0.001"),
            taker: rate("0.002"),
            charged_in: ChargedIn::Quote,
            rebate_in: RebateIn::Same,
            discount: None,
        },
    );
    let parts = |limit, quantity, post| {
        let parts = crossing(Some(&view), Side::Buy, limit, quantity, post);
        (parts.taker, parts.maker)
    };
    assert_eq!(parts(9_999, 1_000, false), (0, 1_000), "below the ask");
    assert_eq!(parts(10_000, 1_000, false), (300, 700), "the ask alone");
    assert_eq!(parts(10_100, 1_000, false), (700, 300));
    assert_eq!(parts(10_100, 600, false), (600, 0), "whole");
    assert_eq!(parts(10_100, 600, true), (0, 600), "post-only never takes");
    assert_eq!(crossing(None, Side::Buy, 1, 600, false).taker, 600, "nobody knows: the dearer one");
    // 300 x 100.00 and 300 x 101.00 of 1e-5: 0.3 and 0.303 of quote at 0.2 %, the rest 400 x 101.00 at 0.1 %.
    let order = order_fee(&c, Some(&view), Side::Buy, (10_100, 1_100), false, None).unwrap();
    assert_eq!((order.parts.taker, order.parts.maker), (700, 400));
    assert_eq!(order.taken, money("0.704"));
    assert_eq!(order.taker.unwrap().amount, money("0.001408"));
    assert_eq!(order.maker.unwrap().amount, money("0.000404"));
    assert_eq!(order.in_quote, money("0.001812"));
    let unknown = order_fee(&c, None, Side::Buy, (10_100, 1_100), false, None).unwrap();
    assert!(unknown.in_quote > order.in_quote && unknown.maker.is_none());
    let post = order_fee(&c, Some(&view), Side::Buy, (10_100, 1_100), true, None).unwrap();
    assert!(post.taker.is_none() && post.in_quote < order.in_quote);
}

#[test]
fn an_instrument_takes_the_rates_of_a_tier() {
    let mut w = world();
    let schedule = known("binance_spot").unwrap();
    set_rates(&mut w.spot, &schedule, 5, false).unwrap();
    assert_eq!((w.spot.fee_maker, w.spot.fee_taker), (rate("0.00025"), rate("0.00031")));
    set_rates(&mut w.spot, &schedule, 5, true).unwrap();
    assert_eq!((w.spot.fee_maker, w.spot.fee_taker), (rate("0.0001875"), rate("0.0002325")));
    assert!(set_rates(&mut w.spot, &schedule, 10, false).unwrap_err().to_string().contains("expected 0 to 9"));
    assert!(set_rates(&mut w.perpetual, &schedule, 0, false).unwrap_err().to_string().contains("LinearPerpetual"));
    assert!(
        set_rates(&mut w.spot, &known("okx_spot").unwrap(), 0, true).unwrap_err().to_string().contains("no discount")
    );
}
