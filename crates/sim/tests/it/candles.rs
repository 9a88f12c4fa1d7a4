//! Scenarios on candles: order types and times in force, gaps, the pessimistic path, participation, slippage.

use crate::scenario::check;

// ---- market ----

#[test]
fn a_market_order_waits_for_the_next_open() {
    check(
        "bar 100 105 95 102
         submit a buy market 1
         expect a accepted
         bar 103 110 101 108
         expect a filled 1 @ 103 taker complete
         balance USDT 9897; BTC 1",
    );
}

#[test]
fn a_market_order_in_answer_to_an_open_fill_trades_at_that_open() {
    check(
        "bar 100 105 95 102
         submit a buy market 1
         open 103 110 101 108
         submit b buy market 2
         path
         close
         expect a accepted; a filled 1 @ 103 taker complete; b accepted; b filled 2 @ 103 taker complete",
    );
}

#[test]
fn a_market_order_in_answer_to_the_path_waits_for_the_next_bar() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 98
         open 103 110 97 108
         path
         submit b sell market 1
         close
         expect a accepted; a filled 1 @ 98 maker complete; b accepted
         bar 109 111 100 104
         expect b filled 1 @ 109 taker complete",
    );
}

#[test]
fn signal_close_trades_at_the_close_it_saw() {
    check(
        "with exec signal-close
         bar 100 105 95 102
         submit a buy market 1
         expect a accepted; a filled 1 @ 102 taker complete
         submit b sell stop 1 @ 96 reduce-only
         bar 103 110 95 108
         expect b accepted; b triggered; b filled 1 @ 96 taker complete",
    );
}

#[test]
fn signal_close_without_a_close_waits_for_the_open() {
    check(
        "with exec signal-close
         submit a buy market 1
         bar 100 105 95 102
         expect a accepted; a filled 1 @ 100 taker complete",
    );
}

#[test]
fn a_market_ioc_keeps_what_the_bar_gives() {
    check(
        "with participation 0.1
         submit a buy market 1 ioc
         bar 100 105 95 102 vol 4
         expect a accepted; a filled 0.4 @ 100 taker; a canceled not_filled_at_once",
    );
}

#[test]
fn a_market_fok_is_all_or_nothing() {
    check(
        "with participation 0.1
         submit a buy market 1 fok
         submit b buy market 0.4 fok
         bar 100 105 95 102 vol 4
         expect a accepted; b accepted; a canceled not_filled_at_once; b filled 0.4 @ 100 taker complete",
    );
}

#[test]
fn a_market_gtd_that_does_not_meet_an_open_expires() {
    check(
        "bar 100 105 95 102
         submit a buy market 1 gtd 90000
         at 90000
         expect a accepted; a expired",
    );
}

#[test]
fn a_market_order_continues_at_the_next_opens_under_a_cap() {
    check(
        "with participation 0.1
         submit a buy market 1
         bar 100 105 95 102 vol 4
         bar 103 104 99 101 vol 0
         bar 104 105 99 101 vol 50
         expect a accepted; a filled 0.4 @ 100 taker; a filled 0.6 @ 104 taker complete",
    );
}

#[test]
fn an_amount_becomes_a_quantity_at_the_fill() {
    // 1000 / (103 * 1.001) = 9.6990..., floored to the lot 9.699; cost 998.997, fee 0.998997.
    check(
        "with fee 0.001
         bar 100 105 95 102
         submit a buy market 1000 usdt
         bar 103 110 101 108
         expect a accepted; a filled 9.699 @ 103 taker fee 0.998997 USDT complete
         balance USDT 9000.004003; BTC 9.699",
    );
}

#[test]
fn an_amount_pays_its_fee_in_base_where_the_venue_does() {
    // 1000 / 100 = 10, fee 0.01 BTC.
    check(
        "with fee 0.001; fee-asset venue
         submit a buy market 1000 usdt
         bar 100 105 95 102
         expect a accepted; a filled 10 @ 100 taker fee 0.01 BTC complete
         balance USDT 9000; BTC 9.99",
    );
}

#[test]
fn an_amount_goes_on_under_a_cap_with_what_is_left() {
    // 4 at 100 take 400 of 1000; the other 600 buy 6 at 100, but 5.882 at 102: the cap gives 5, then 90 buy 0.9 at 100.
    check(
        "with participation 1
         submit a buy market 1000 usdt
         bar 100 105 95 102 vol 4
         bar 102 105 95 102 vol 5
         bar 100 105 95 102 vol 50
         expect a accepted; a filled 4 @ 100 taker; a filled 5 @ 102 taker; a filled 0.9 @ 100 taker complete
         balance USDT 9000; BTC 9.9",
    );
}

#[test]
fn an_amount_that_the_price_outgrew_is_cancelled() {
    check(
        "bar 100 105 95 102
         submit a buy market 5 usdt
         bar 6000 6001 5999 6000
         expect a accepted; a canceled lot_filter",
    );
}

#[test]
fn all_cash_is_spent_to_the_lot() {
    // 10000 / (30 * 1.001) = 333.0003...: 333.000 costs 9990 and 9.99 of fee.
    check(
        "with fee 0.001
         submit a buy market 10000 usdt
         bar 30 31 29 30
         expect a accepted; a filled 333 @ 30 taker fee 9.99 USDT complete
         balance USDT 0.01; BTC 333",
    );
}

// ---- limit ----

#[test]
fn a_limit_buy_rests_and_is_filled_by_a_trade_through_it() {
    check(
        "with fees 0 0.001
         bar 100 105 95 102
         submit a buy limit 1 @ 99
         bar 102 104 99 103     # touched, not through
         expect a accepted
         bar 103 104 98.99 103
         expect a filled 1 @ 99 maker complete",
    );
}

#[test]
fn a_limit_sell_rests_and_is_filled_by_a_trade_through_it() {
    check(
        "with base 1
         submit a sell limit 1 @ 110
         bar 102 110 99 103
         expect a accepted
         bar 103 110.01 98 103
         expect a filled 1 @ 110 maker complete",
    );
}

#[test]
fn a_touch_is_enough_where_configured() {
    check(
        "with limit-fill touch
         submit a buy limit 1 @ 99
         bar 102 104 99 103
         expect a accepted; a filled 1 @ 99 maker complete",
    );
}

#[test]
fn a_new_limit_beyond_the_open_takes_the_open() {
    check(
        "with fees 0 0.001
         bar 100 105 95 102
         submit a buy limit 1 @ 105
         bar 103 110 101 108
         expect a accepted; a filled 1 @ 103 taker fee 0.103 USDT complete",
    );
}

#[test]
fn a_resting_limit_that_the_open_gaps_through_fills_at_the_open_as_maker() {
    check(
        "submit a buy limit 1 @ 99
         bar 102 104 100 103
         bar 95 97 94 96
         expect a accepted; a filled 1 @ 95 maker complete",
    );
}

#[test]
fn a_limit_in_answer_to_an_open_fill_works_in_the_same_bar() {
    check(
        "submit a buy market 1
         open 100 106 95 102
         submit t sell limit 1 @ 105 reduce-only
         path
         close
         expect a accepted; a filled 1 @ 100 taker complete; t accepted; t filled 1 @ 105 maker complete",
    );
}

#[test]
fn a_limit_ioc_takes_the_open_or_leaves() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 105 ioc
         submit b buy limit 1 @ 99 ioc
         bar 103 110 95 108
         expect a accepted; b accepted; a filled 1 @ 103 taker complete; b canceled not_filled_at_once",
    );
}

#[test]
fn a_limit_ioc_keeps_its_part() {
    check(
        "with participation 0.5
         submit a buy limit 1 @ 105 ioc
         bar 103 110 95 108 vol 1
         expect a accepted; a filled 0.5 @ 103 taker; a canceled not_filled_at_once",
    );
}

#[test]
fn a_limit_fok_takes_all_or_nothing() {
    check(
        "with participation 0.5
         submit a buy limit 1 @ 105 fok
         submit b buy limit 0.5 @ 105 fok
         submit c buy limit 0.1 @ 102 fok
         bar 103 110 95 108 vol 1
         expect a accepted; b accepted; c accepted; a canceled not_filled_at_once; b filled 0.5 @ 103 taker complete; c canceled not_filled_at_once",
    );
}

#[test]
fn a_limit_gtd_expires_at_its_instant() {
    check(
        "submit a buy limit 1 @ 99 gtd 120000
         bar 102 104 100 103
         bar 103 104 100 103
         expect a accepted; a expired
         bar 102 104 90 103
         expect nothing",
    );
}

#[test]
fn an_order_that_ends_inside_a_bar_works_at_its_open_only() {
    check(
        "submit a buy limit 1 @ 99 gtd 90000
         bar 102 104 100 103
         bar 102 104 90 103
         expect a accepted; a expired",
    );
}

#[test]
fn a_gtd_in_the_past_expires_on_arrival() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 99 gtd 60000
         expect a accepted; a expired
         free USDT 10000",
    );
}

#[test]
fn post_only_that_would_cross_is_rejected() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 103 post-only
         submit b buy limit 1 @ 102 post-only
         expect a rejected would_cross; b accepted",
    );
}

#[test]
fn post_only_that_the_next_open_would_cross_is_cancelled() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 101 post-only
         bar 99 105 95 102
         expect a accepted; a canceled would_cross",
    );
}

#[test]
fn post_only_rests_as_maker() {
    check(
        "with fees 0.0005 0.001
         bar 100 105 95 102
         submit a buy limit 1 @ 100 post-only
         bar 102 105 95 102
         expect a accepted; a filled 1 @ 100 maker fee 0.05 USDT complete",
    );
}

#[test]
fn a_limit_is_filled_in_parts_under_a_cap() {
    check(
        "with participation 0.1
         submit a buy limit 1 @ 99
         bar 102 104 98 103 vol 6
         free USDT 9901               # 0.6 bought for 59.4, 39.6 reserved for 0.4: 10000 - 99
         bar 103 104 98 103 vol 6
         expect a accepted; a filled 0.6 @ 99 maker; a filled 0.4 @ 99 maker complete
         free USDT 9901",
    );
}

// ---- stop ----

#[test]
fn a_sell_stop_fills_at_its_trigger() {
    check(
        "with base 1
         submit a sell stop 1 @ 95
         bar 100 105 96 102
         expect a accepted
         bar 102 103 95 100
         expect a triggered; a filled 1 @ 95 taker complete",
    );
}

#[test]
fn a_buy_stop_fills_at_its_trigger() {
    check(
        "submit a buy stop 1 @ 105
         bar 100 104.99 96 102
         expect a accepted
         bar 102 106 95 100
         expect a triggered; a filled 1 @ 105 taker complete",
    );
}

#[test]
fn a_stop_that_the_open_gaps_through_fills_at_the_open() {
    check(
        "with base 1
         submit a sell stop 1 @ 95
         submit b buy stop 1 @ 105
         bar 100 101 99 100
         bar 90 92 88 91
         expect a accepted; b accepted; a triggered; a filled 1 @ 90 taker complete
         bar 110 112 108 111
         expect b triggered; b filled 1 @ 110 taker complete",
    );
}

#[test]
fn a_stop_in_answer_to_an_open_fill_works_in_the_same_bar() {
    check(
        "submit a buy market 1
         open 100 106 94 102
         submit s sell stop 1 @ 95 reduce-only
         path
         close
         expect a accepted; a filled 1 @ 100 taker complete; s accepted; s triggered; s filled 1 @ 95 taker complete",
    );
}

#[test]
fn a_stop_beyond_the_open_it_answers_fills_at_that_open() {
    check(
        "submit a buy market 1
         open 100 106 94 102
         submit s sell stop 1 @ 101 reduce-only
         expect a accepted; a filled 1 @ 100 taker complete; s accepted; s triggered; s filled 1 @ 100 taker complete",
    );
}

#[test]
fn a_stop_slips_against_us_and_never_fills_better() {
    check(
        "with slippage bps 10; base 1
         submit a sell stop 1 @ 95
         submit b buy stop 1 @ 105
         bar 100 106 94 102
         expect a accepted; b accepted; a triggered; a filled 1 @ 94.9 taker complete; b triggered; b filled 1 @ 105.11 taker complete",
    );
}

#[test]
fn a_stop_set_off_under_a_cap_goes_on_as_a_market_order() {
    check(
        "with base 1; participation 0.1
         submit a sell stop 1 @ 95
         bar 100 105 94 102 vol 4
         bar 103 104 102 103 vol 100
         expect a accepted; a triggered; a filled 0.4 @ 95 taker; a filled 0.6 @ 103 taker complete",
    );
}

#[test]
fn a_stop_ioc_keeps_what_its_bar_gives() {
    check(
        "with base 1; participation 0.1
         submit a sell stop 1 @ 95 ioc
         bar 100 105 96 102 vol 4
         bar 100 105 94 102 vol 4
         expect a accepted; a triggered; a filled 0.4 @ 95 taker; a canceled not_filled_at_once",
    );
}

#[test]
fn a_stop_fok_is_all_or_nothing_when_set_off() {
    check(
        "with base 1; participation 0.1
         submit a sell stop 1 @ 95 fok
         bar 100 105 96 102 vol 4
         bar 100 105 94 102 vol 4
         expect a accepted; a triggered; a canceled not_filled_at_once",
    );
}

#[test]
fn a_stop_gtd_expires() {
    check(
        "with base 1
         submit a sell stop 1 @ 95 gtd 60000
         bar 100 105 96 102
         bar 100 105 94 102
         expect a accepted; a expired",
    );
}

// ---- stop and target in one bar ----

#[test]
fn of_stop_and_target_in_one_bar_the_stop_fills() {
    check(
        "with base 1
         submit t sell limit 1 @ 110 reduce-only
         submit p sell take-profit 1 @ 108 reduce-only
         submit s sell stop 1 @ 95 reduce-only
         bar 100 120 90 100
         expect t accepted; p accepted; s accepted; s triggered; s filled 1 @ 95 taker complete; t canceled reduce_only; p canceled reduce_only
         balance BTC 0; USDT 10095",
    );
}

#[test]
fn a_shorts_stop_comes_first_too() {
    check(
        "with perpetual
         submit a sell market 1
         bar 100 101 99 100
         submit t buy limit 1 @ 90 reduce-only
         submit s buy stop 1 @ 105 reduce-only
         bar 100 106 80 100
         expect a accepted; a filled 1 @ 100 taker complete; t accepted; s accepted; s triggered; s filled 1 @ 105 taker complete; t canceled reduce_only
         balance USDT 9995",
    );
}

#[test]
fn a_target_alone_fills_and_takes_the_stop_off() {
    check(
        "with base 1
         submit t sell limit 1 @ 110 reduce-only
         submit s sell stop 1 @ 95 reduce-only
         bar 100 111 96 100
         expect t accepted; s accepted; t filled 1 @ 110 maker complete; s canceled reduce_only",
    );
}

// ---- stop-limit ----

#[test]
fn a_stop_limit_set_off_in_the_bar_needs_the_close_beyond_its_limit() {
    check(
        "with base 1
         submit a sell stop-limit 1 @ 95 limit 94
         bar 100 101 90 94       # closed at the limit, not beyond
         expect a accepted; a triggered
         bar 93 94 92 93         # rests at 94
         bar 93 94.5 92 93
         expect a filled 1 @ 94 maker complete",
    );
    check(
        "with base 1
         submit a sell stop-limit 1 @ 95 limit 94
         bar 100 101 90 94.01
         expect a accepted; a triggered; a filled 1 @ 94 taker complete",
    );
}

#[test]
fn a_buy_stop_limit_mirrors_it() {
    check(
        "submit a buy stop-limit 1 @ 105 limit 106
         bar 100 110 99 107
         bar 107 108 106 107
         expect a accepted; a triggered
         bar 107 108 105.99 107
         expect a filled 1 @ 106 maker complete",
    );
    check(
        "submit a buy stop-limit 1 @ 105 limit 106
         bar 100 110 99 105.5
         expect a accepted; a triggered; a filled 1 @ 106 taker complete",
    );
}

#[test]
fn a_stop_limit_that_rests_behind_its_trigger_is_maker() {
    check(
        "with base 1
         submit a sell stop-limit 1 @ 95 limit 97
         bar 100 101 90 98
         expect a accepted; a triggered; a filled 1 @ 97 maker complete",
    );
}

#[test]
fn a_stop_limit_gapped_by_the_open_takes_it_or_rests() {
    check(
        "with base 2
         submit a sell stop-limit 1 @ 95 limit 92
         submit b sell stop-limit 1 @ 95 limit 94
         bar 100 101 99 100
         bar 93 93.5 92 93
         expect a accepted; b accepted; a triggered; b triggered; a filled 1 @ 93 taker complete
         bar 93 94.01 92 93
         expect b filled 1 @ 94 maker complete",
    );
}

#[test]
fn a_stop_limit_ioc_leaves_when_it_is_run_through() {
    check(
        "with base 1
         submit a sell stop-limit 1 @ 95 limit 94 ioc
         bar 100 101 90 92
         expect a accepted; a triggered; a canceled not_filled_at_once",
    );
}

// ---- take-profit ----

#[test]
fn a_take_profit_fills_at_its_trigger_inside_a_bar() {
    check(
        "with base 1
         submit a sell take-profit 1 @ 110
         submit b buy take-profit 1 @ 90
         bar 100 109.99 90.01 100
         expect a accepted; b accepted
         bar 100 115 85 100
         expect a triggered; a filled 1 @ 110 taker complete; b triggered; b filled 1 @ 90 taker complete",
    );
}

#[test]
fn a_take_profit_beyond_the_open_takes_the_open() {
    check(
        "with base 1
         submit a sell take-profit 1 @ 110
         bar 100 101 99 100
         bar 112 115 111 112
         expect a accepted; a triggered; a filled 1 @ 112 taker complete",
    );
}

#[test]
fn a_take_profit_slips_like_any_market_order() {
    check(
        "with base 1; slippage bps 10
         submit a sell take-profit 1 @ 110
         bar 100 115 99 100
         expect a accepted; a triggered; a filled 1 @ 109.89 taker complete",
    );
}

// ---- trailing ----

#[test]
fn a_trailing_stop_is_tried_before_the_high_moves_it() {
    // Best price 100 (the open): level 95. The low of 96 misses it; the high of 110 then sets 105, and the close of 106 misses that.
    check(
        "with base 1
         submit a sell trailing 1 by 5
         bar 100 110 96 106
         expect a accepted
         bar 106 107 105 106     # 105 reached
         expect a triggered; a filled 1 @ 105 taker complete",
    );
}

#[test]
fn a_trailing_stop_is_tried_against_the_close() {
    // Level 95 is missed by 96; the high of 110 sets 105, and the close of 104 is beyond it.
    check(
        "with base 1
         submit a sell trailing 1 by 5
         bar 100 110 96 104
         expect a accepted; a triggered; a filled 1 @ 105 taker complete",
    );
}

#[test]
fn a_trailing_stop_never_gains_from_a_high_of_the_bar_that_set_it_off() {
    check(
        "with base 1
         submit a sell trailing 1 by 5
         bar 100 110 94 104
         expect a accepted; a triggered; a filled 1 @ 95 taker complete",
    );
}

#[test]
fn a_trailing_stop_gapped_by_the_open_fills_there() {
    check(
        "with base 1
         bar 100 101 99 100
         submit a sell trailing 1 by 5
         bar 90 92 89 91
         expect a accepted; a triggered; a filled 1 @ 90 taker complete",
    );
}

#[test]
fn a_buy_trailing_stop_follows_the_low() {
    // Open 100: level 105. High 104 misses; low 90 sets 95, the close of 96 is beyond it.
    check(
        "submit a buy trailing 1 by 5
         bar 100 104 90 96
         expect a accepted; a triggered; a filled 1 @ 95 taker complete",
    );
}

#[test]
fn a_trailing_fraction_is_rounded_away_from_the_market() {
    // 3 % behind 100.33 is 97.3201: 97.32, the next tick down.
    check(
        "with base 1
         submit a sell trailing 1 by 3%
         bar 100.33 100.33 97.33 100
         expect a accepted
         bar 100 100.1 97.32 100
         expect a triggered; a filled 1 @ 97.32 taker complete",
    );
}

#[test]
fn a_trailing_stop_knows_the_price_it_was_accepted_at() {
    // Accepted at the close of 102: level 97, reached by the open of 97.
    check(
        "with base 1
         bar 100 105 95 102
         submit a sell trailing 1 by 5
         bar 97 98 96 97
         expect a accepted; a triggered; a filled 1 @ 97 taker complete",
    );
}

// ---- participation, slippage ----

#[test]
fn the_cap_is_shared_and_stops_come_first() {
    check(
        "with base 2; participation 0.1
         submit t sell limit 1 @ 110 reduce-only
         submit s sell stop 1 @ 95 reduce-only
         bar 100 120 90 100 vol 12
         expect t accepted; s accepted; s triggered; s filled 1 @ 95 taker complete; t filled 0.2 @ 110 maker",
    );
}

#[test]
fn a_bar_without_volume_fills_nothing_under_a_cap() {
    check(
        "with participation 0.1
         submit a buy market 1
         submit b buy limit 1 @ 99
         bar 100 105 95 102 vol 0
         expect a accepted; b accepted",
    );
    check(
        "submit a buy market 1
         bar 100 105 95 102 vol 0
         expect a accepted; a filled 1 @ 100 taker complete",
    );
}

#[test]
fn the_cap_is_floored_to_the_lot() {
    // 10 % of 0.019 is 0.0019; of 0.37 it is 0.037, in lots of 0.005 0.035.
    check(
        "with participation 0.1
         submit a buy market 1
         bar 10000 10001 9999 10000 vol 0.019
         expect a accepted; a filled 0.001 @ 10000 taker",
    );
    check(
        "with participation 0.1; lot 0.005
         submit a buy market 1
         bar 1000 1001 999 1000 vol 0.37
         expect a accepted; a filled 0.035 @ 1000 taker",
    );
}

#[test]
fn coarse_lots_and_ticks_round_against_us() {
    // 1000 / 99 = 10.101, in lots of 0.5 10. 5 bps of 100 is 0.05, in ticks of 0.5 half a unit.
    check(
        "with lot 0.5
         submit a buy market 1000 usdt
         submit b buy market 1.25
         bar 99 105 95 102
         expect a accepted; b rejected lot_filter; a filled 10 @ 99 taker complete",
    );
    check(
        "with tick 0.5; slippage bps 5; base 2
         submit a buy market 1
         submit b sell market 1
         submit c sell trailing 1 by 3.3       # from 100: 96.7, down to 96.5
         bar 100 100 96.5 99
         expect a accepted; b accepted; c accepted; a filled 1 @ 100.5 taker complete; b filled 1 @ 99.5 taker complete; c triggered; c filled 1 @ 96 taker complete",
    );
}

#[test]
fn coarse_lots_leave_dust_to_a_fee_in_base() {
    // 1 bought, 0.001 of fee: of 0.999 the lot of 0.005 leaves 0.995 to sell.
    check(
        "with lot 0.005; fee 0.001; fee-asset venue
         submit a buy market 1
         bar 100 101 99 100
         submit s sell stop 1 @ 95 reduce-only
         submit t sell limit 0.995 @ 110 reduce-only
         bar 100 101 95 100
         expect a accepted; a filled 1 @ 100 taker fee 0.001 BTC complete; s accepted; t accepted; s triggered; s filled 0.995 @ 95 taker fee 0.094525 USDT; s canceled reduce_only; t canceled reduce_only
         balance BTC 0.004",
    );
}

#[test]
fn signal_close_under_a_cap_takes_the_closed_bars_volume_and_waits() {
    check(
        "with exec signal-close; participation 0.1
         bar 100 105 95 102 vol 4
         submit a buy market 1
         submit b buy market 1
         expect a accepted; a filled 0.4 @ 102 taker; b accepted
         bar 103 104 102 103 vol 100
         expect a filled 0.6 @ 103 taker complete; b filled 1 @ 103 taker complete",
    );
}

#[test]
fn slippage_in_basis_points_is_rounded_against_us() {
    check(
        "with base 1; slippage bps 5
         submit a buy market 1
         submit b sell market 1
         bar 100.01 105 95 102
         expect a accepted; b accepted; a filled 1 @ 100.07 taker complete; b filled 1 @ 99.95 taker complete",
    );
}

#[test]
fn impact_is_half_the_spread_and_the_root_of_the_share() {
    // 4 bps of spread: 2 bps; 100 bps x sqrt(1 / 4) = 50 bps; together 52 bps of 100.
    check(
        "with impact 4 100
         submit a buy market 1
         bar 100 105 95 102 vol 4
         expect a accepted; a filled 1 @ 100.52 taker complete",
    );
}

#[test]
fn an_amount_allows_for_slippage() {
    // 1000 at 100.1 buys 9.990 for 999.999.
    check(
        "with slippage bps 10
         submit a buy market 1000 usdt
         bar 100 105 95 102
         expect a accepted; a filled 9.99 @ 100.1 taker complete
         balance USDT 9000.001",
    );
}

#[test]
fn limits_do_not_slip() {
    check(
        "with slippage bps 10
         submit a buy limit 1 @ 101
         bar 100 105 95 102
         expect a accepted; a filled 1 @ 100 taker complete",
    );
}

#[test]
fn what_a_cap_left_of_a_crossing_limit_goes_on_taking() {
    check(
        "with participation 0.1; fees 0 0.001
         submit a buy limit 1 @ 105
         bar 100 102 99 101 vol 4
         bar 101 102 99 101 vol 3
         bar 106 107 104 106 vol 50    # now it rests
         expect a accepted; a filled 0.4 @ 100 taker fee 0.04 USDT; a filled 0.3 @ 101 taker fee 0.0303 USDT; a filled 0.3 @ 105 maker complete",
    );
}

#[test]
fn a_stop_limit_with_a_far_limit_pays_the_bars_extreme() {
    check(
        "submit a buy stop-limit 1 @ 105 limit 150
         bar 100 110 99 107
         expect a accepted; a triggered; a filled 1 @ 110 taker complete",
    );
}

#[test]
fn under_a_cap_a_reduction_goes_before_an_older_entry() {
    check(
        "with participation 0.1; base 1
         submit a buy market 2
         submit x sell market 1 reduce-only
         bar 100 105 95 102 vol 10
         expect a accepted; x accepted; x filled 1 @ 100 taker complete
         bar 103 105 95 102 vol 10
         expect a filled 1 @ 103 taker
         bar 104 105 95 102 vol 10
         expect a filled 1 @ 104 taker complete",
    );
    // A target before a market entry, too.
    check(
        "with participation 0.1; base 1
         submit a buy market 1
         submit t sell take-profit 1 @ 99 reduce-only
         bar 100 105 95 102 vol 10
         expect a accepted; t accepted; t triggered; t filled 1 @ 100 taker complete
         bar 103 105 95 102 vol 10
         expect a filled 1 @ 103 taker complete",
    );
}

#[test]
fn without_a_cap_orders_trade_as_they_came() {
    check(
        "with base 1
         submit a buy market 2
         submit x sell market 1 reduce-only
         bar 100 105 95 102 vol 10
         expect a accepted; x accepted; a filled 2 @ 100 taker complete; x filled 1 @ 100 taker complete",
    );
}

#[test]
fn a_stop_is_said_to_be_set_off_once_and_before_what_it_fills() {
    check(
        "with participation 0.1; base 1
         submit s sell stop 1 @ 95 reduce-only
         bar 100 105 94 95 vol 4
         expect s accepted; s triggered; s filled 0.4 @ 95 taker
         bar 96 105 94 102 vol 0
         expect nothing
         bar 96 105 94 102 vol 4
         bar 97 105 94 102 vol 4
         expect s filled 0.4 @ 96 taker; s filled 0.2 @ 97 taker complete",
    );
    check(
        "with participation 0.1; base 1
         submit s sell stop 1 @ 95 reduce-only
         bar 100 105 94 95 vol 0
         expect s accepted; s triggered
         bar 90 91 89 90 vol 10
         expect s filled 1 @ 90 taker complete",
    );
}
