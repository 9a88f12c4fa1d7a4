//! Scenarios of the venue's rules: filters, balances and reservations, reduce-only, amend, cancel, query, fees.

use crate::scenario::check;

// ---- filters ----

#[test]
fn prices_are_on_the_tick_and_quantities_on_the_lot() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 99.001
         submit b buy limit 1 @ 0
         submit c buy limit 1.0001 @ 99
         submit d buy market 0
         submit e buy limit 9000001 @ 99
         submit f buy stop 1 @ 105.005
         submit g buy stop-limit 1 @ 105 limit 105.005
         submit h buy trailing 1 by 0
         submit i buy trailing 1 by 100%
         expect a rejected price_filter; b rejected price_filter; c rejected lot_filter; d rejected lot_filter; e rejected lot_filter; f rejected price_filter; g rejected price_filter; h rejected price_filter; i rejected price_filter",
    );
}

#[test]
fn the_minimum_notional_counts_at_every_price_of_the_order() {
    // The minimum is 5: 0.05 x 100 reaches it.
    check(
        "bar 100 105 95 100
         submit a buy market 0.049
         submit b buy market 0.05
         submit c buy limit 0.05 @ 99
         submit d buy limit 0.051 @ 99
         submit e buy stop 0.05 @ 99
         submit f buy stop-limit 0.051 @ 110 limit 95
         submit g buy market 4.99 usdt
         submit h buy market 5 usdt
         expect a rejected min_notional; b accepted; c rejected min_notional; d accepted; e rejected min_notional; f rejected min_notional; g rejected min_notional; h accepted",
    );
}

#[test]
fn an_amount_that_buys_no_lot_is_rejected() {
    check(
        "bar 6000 6001 5999 6000
         submit a buy market 5.5 usdt
         expect a rejected lot_filter",
    );
}

#[test]
fn combinations_that_no_venue_holds_are_rejected() {
    check(
        "with base 1
         bar 100 105 95 102
         submit a buy market 1 post-only
         submit b buy limit 1 @ 99 post-only ioc
         submit c buy limit 100 @ 99 usdt
         submit d sell market 100 usdt
         submit e buy market 1 contracts
         expect a rejected unsupported; b rejected unsupported; c rejected unsupported; d rejected unsupported; e rejected unsupported",
    );
}

#[test]
fn an_id_is_used_once() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 99
         submit a buy limit 1 @ 98
         cancel a
         submit a buy limit 1 @ 97
         submit b buy limit 1.00001 @ 97
         submit b buy limit 1 @ 97
         expect a accepted; a rejected duplicate_order; a canceled; a rejected duplicate_order; b rejected lot_filter; b rejected duplicate_order",
    );
}

// ---- balances ----

#[test]
fn a_limit_buy_reserves_its_cost_and_fee() {
    // 10 x 99 = 990 and 0.99 of fee. 91 x 99 = 9009 and 9.009 of fee is more than the rest, and less than all.
    check(
        "with fee 0.001
         bar 100 105 95 102
         submit a buy limit 10 @ 99
         free USDT 9009.01
         balance USDT 10000
         submit b buy limit 91 @ 99
         cancel a
         free USDT 10000
         submit c buy limit 91 @ 99
         expect a accepted; b rejected insufficient_balance; a canceled; c accepted",
    );
}

#[test]
fn a_fill_below_the_limit_gives_the_rest_back() {
    check(
        "submit a buy limit 10 @ 105
         bar 100 105 95 102
         expect a accepted; a filled 10 @ 100 taker complete
         free USDT 9000
         balance USDT 9000",
    );
}

#[test]
fn a_market_buy_that_cannot_be_paid_is_cancelled_at_the_fill() {
    check(
        "bar 100 105 95 100
         submit a buy market 100
         bar 101 105 95 100
         expect a accepted; a canceled insufficient_balance
         balance USDT 10000",
    );
}

#[test]
fn a_market_buy_cannot_take_what_a_limit_reserved() {
    check(
        "bar 100 105 95 100
         submit a buy limit 60 @ 90
         submit b buy market 60
         bar 100 105 95 100
         expect a accepted; b accepted; b canceled insufficient_balance",
    );
}

#[test]
fn a_sell_needs_free_base() {
    check(
        "with base 1
         bar 100 105 95 102
         submit a sell market 1.001
         submit b sell limit 0.6 @ 110
         submit c sell market 0.5
         submit d sell market 0.4
         free BTC 0
         expect a rejected insufficient_balance; b accepted; c rejected insufficient_balance; d accepted
         bar 100 105 95 102
         expect d filled 0.4 @ 100 taker complete
         balance BTC 0.6; USDT 10040
         free BTC 0",
    );
}

#[test]
fn an_exit_after_the_stop_finds_nothing() {
    // Both wait for the same open, the stop was there first.
    check(
        "with base 1
         submit s sell stop 1 @ 95 reduce-only
         bar 100 101 99 100
         submit x sell market 1 reduce-only
         bar 90 92 88 91
         expect s accepted; x accepted; s triggered; s filled 1 @ 90 taker complete; x canceled reduce_only",
    );
}

#[test]
fn a_plain_exit_after_the_stop_has_no_base() {
    check(
        "with base 1
         submit s sell stop 1 @ 95 reduce-only
         bar 100 101 99 100
         submit x sell market 1
         bar 90 92 88 91
         expect s accepted; x accepted; s triggered; s filled 1 @ 90 taker complete; x canceled insufficient_balance",
    );
}

// ---- reduce-only ----

#[test]
fn reduce_only_needs_something_to_reduce() {
    check(
        "bar 100 105 95 102
         submit a sell market 1 reduce-only
         submit b buy market 1 reduce-only
         expect a rejected reduce_only; b rejected reduce_only",
    );
}

#[test]
fn reduce_only_is_cut_to_what_is_held() {
    check(
        "with base 0.7
         bar 100 105 95 102
         submit a sell market 1 reduce-only
         bar 100 105 95 102
         expect a accepted; a filled 0.7 @ 100 taker; a canceled reduce_only
         balance BTC 0",
    );
}

#[test]
fn dust_below_the_lot_is_nothing_to_reduce() {
    check(
        "with base 1.0005
         submit t sell limit 1 @ 110 reduce-only
         submit s sell stop 1 @ 95 reduce-only
         bar 100 101 94 100
         expect t accepted; s accepted; s triggered; s filled 1 @ 95 taker complete; t canceled reduce_only
         balance BTC 0.0005",
    );
}

#[test]
fn stop_and_target_may_stand_on_one_holding() {
    check(
        "with base 1
         submit t sell limit 1 @ 110 reduce-only
         submit s sell stop 1 @ 95 reduce-only
         free BTC 1
         submit x sell market 1
         bar 100 101 99 100
         expect t accepted; s accepted; x accepted; x filled 1 @ 100 taker complete; t canceled reduce_only; s canceled reduce_only",
    );
}

#[test]
fn a_reduction_works_like_a_fok_against_what_is_held() {
    check(
        "with base 0.7; participation 0.5
         submit a sell market 1 reduce-only fok
         bar 100 105 95 102 vol 1.4
         expect a accepted; a filled 0.7 @ 100 taker; a canceled reduce_only",
    );
}

// ---- amend, cancel, query ----

#[test]
fn an_amended_price_counts_from_then_on() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 90
         amend a price 99
         free USDT 9901
         bar 100 101 98 100
         expect a accepted; a amended; a filled 1 @ 99 maker complete",
    );
}

#[test]
fn an_amended_quantity_is_that_of_the_whole_order() {
    check(
        "with participation 0.1
         submit a buy limit 1 @ 99
         bar 100 101 98 100 vol 4
         expect a accepted; a filled 0.4 @ 99 maker
         amend a qty 0.4
         amend a qty 0.9
         bar 100 101 98 100 vol 40
         expect a amend-rejected lot_filter; a amended; a filled 0.5 @ 99 maker complete
         balance BTC 0.9",
    );
}

#[test]
fn an_amended_trigger_moves_the_stop() {
    check(
        "with base 1
         submit a sell stop 1 @ 90
         amend a trigger 95
         bar 100 101 94 100
         expect a accepted; a amended; a triggered; a filled 1 @ 95 taker complete",
    );
}

#[test]
fn an_amendment_that_breaks_a_rule_leaves_the_order() {
    check(
        "bar 100 105 95 102
         submit a buy limit 1 @ 90 post-only
         amend a price 90.001
         amend a qty 1000
         amend a qty 0.01
         amend a trigger 80
         amend a price 103
         amend b price 80
         free USDT 9910
         expect a accepted; a amend-rejected price_filter; a amend-rejected insufficient_balance; a amend-rejected min_notional; a amend-rejected unsupported; a amend-rejected would_cross; b amend-rejected unknown_order",
    );
}

#[test]
fn a_cancel_ends_the_order_once() {
    check(
        "submit a buy limit 1 @ 90
         cancel a
         cancel a
         cancel b
         bar 80 81 79 80
         expect a accepted; a canceled; a cancel-rejected unknown_order; b cancel-rejected unknown_order",
    );
}

#[test]
fn a_query_says_where_the_order_is() {
    check(
        "with participation 0.1
         submit a buy limit 1 @ 99
         query a
         bar 100 101 98 100 vol 4
         query a
         bar 100 101 98 100 vol 40
         query a
         query b
         submit c buy limit 1.00001 @ 99
         query c
         expect a accepted; a is accepted 0; a filled 0.4 @ 99 maker; a is partiallyfilled 0.4; a filled 0.6 @ 99 maker complete; a is filled 1; b is unknown 0; c rejected lot_filter; c is rejected 0",
    );
}

// ---- fees ----

#[test]
fn fees_in_quote_are_rounded_up_at_its_precision() {
    // 0.123 x 45.67 = 5.61741; fee 0.0056174100 at 0.1 %; at 0.0123 %: 0.00069094143 -> 0.00069095.
    check(
        "with fee 0.000123
         submit a buy market 0.123
         bar 45.67 46 45 45.67
         expect a accepted; a filled 0.123 @ 45.67 taker fee 0.00069095 USDT complete
         balance USDT 9994.38189905; BTC 0.123",
    );
}

#[test]
fn a_venue_takes_the_fee_of_a_buy_in_base_and_of_a_sell_in_quote() {
    // 1.111 x 0.001 = 0.001111 BTC; sold 1.109 at 101: 112.009, fee 0.112009.
    check(
        "with fee 0.001; fee-asset venue
         submit a buy market 1.111
         bar 100 105 95 102
         submit b sell market 1.109
         bar 101 105 95 102
         expect a accepted; a filled 1.111 @ 100 taker fee 0.001111 BTC complete; b accepted; b filled 1.109 @ 101 taker fee 0.112009 USDT complete
         balance BTC 0.000889; USDT 10000.796991",
    );
}

#[test]
fn a_rebate_is_a_negative_fee() {
    check(
        "with fees -0.0001 0.001
         submit a buy limit 1 @ 99
         bar 100 101 98 100
         expect a accepted; a filled 1 @ 99 maker fee -0.0099 USDT complete
         balance USDT 9901.0099",
    );
}
