//! Scenarios on trades and quotes: order types, latency, the queue, what a trade or a quote gives.

use crate::scenario::check;

// ---- trades ----

#[test]
fn a_market_order_takes_the_next_trade() {
    check(
        "trade 100 x 1 buy
         submit a buy market 1
         expect a accepted
         trade 101 x 0.1 sell
         expect a filled 1 @ 101 taker complete",
    );
}

#[test]
fn signal_close_takes_the_last_trade_at_once() {
    check(
        "with exec signal-close
         trade 100 x 1 buy
         submit a buy market 1
         expect a accepted; a filled 1 @ 100 taker complete",
    );
}

#[test]
fn a_market_order_travels_before_it_trades() {
    check(
        "with latency 5 3
         at 1000
         trade 100 x 1 buy
         submit a buy market 1
         at 1004
         trade 101 x 1 buy
         expect nothing
         at 1005
         trade 102 x 1 buy        # the first at or after its arrival
         expect nothing
         at 1007
         expect nothing
         at 1008
         expect a accepted; a filled 1 @ 102 taker complete",
    );
}

#[test]
fn signal_close_with_latency_waits_for_a_trade_too() {
    check(
        "with exec signal-close; latency 5 0
         trade 100 x 1 buy
         submit a buy market 1
         at 5
         expect a accepted
         trade 103 x 1 buy
         expect a filled 1 @ 103 taker complete",
    );
}

#[test]
fn a_late_feed_delays_what_is_sent_because_of_it() {
    check(
        "with feed-latency 7; latency 5 0
         trade 100 x 1 buy
         submit a buy market 1
         at 11
         trade 101 x 1 buy
         at 12
         expect a accepted
         trade 102 x 1 buy
         expect a filled 1 @ 102 taker complete",
    );
}

#[test]
fn candles_have_no_latency() {
    check(
        "with latency 5 3
         bar 100 105 95 102
         submit a buy market 1
         expect a accepted
         bar 103 110 101 108
         expect a filled 1 @ 103 taker complete",
    );
}

#[test]
fn messages_do_not_overtake_each_other() {
    check(
        "with latency 5 0
         trade 100 x 1 buy
         submit a buy limit 1 @ 99
         at 3
         cancel a
         at 4
         expect nothing
         at 5
         expect a accepted
         at 8
         expect a canceled",
    );
}

#[test]
fn a_fill_that_is_in_flight_beats_the_cancel() {
    check(
        "with latency 5 5
         trade 100 x 1 buy
         submit a buy limit 1 @ 99
         at 10
         expect a accepted
         cancel a
         at 12
         trade 98 x 1 sell
         at 20
         expect a filled 1 @ 99 maker complete; a cancel-rejected unknown_order",
    );
}

#[test]
fn an_approval_runs_out_on_the_way() {
    check(
        "with latency 5 0
         trade 100 x 1 buy
         submit a buy market 1 valid 4
         submit b buy market 1 valid 5
         at 5
         expect a rejected approval_expired; b accepted
         trade 100 x 1 buy
         expect b filled 1 @ 100 taker complete",
    );
}

#[test]
fn a_trade_gives_a_part_of_its_quantity_under_a_cap() {
    check(
        "with participation 0.5
         submit a buy market 1
         trade 100 x 0.6 buy
         trade 101 x 1 sell
         trade 102 x 1 sell
         expect a accepted; a filled 0.3 @ 100 taker; a filled 0.5 @ 101 taker; a filled 0.2 @ 102 taker complete",
    );
}

#[test]
fn a_market_ioc_and_fok_have_one_trade() {
    check(
        "with participation 0.5
         submit a buy market 1 ioc
         submit b buy market 1 fok
         trade 100 x 0.6 buy
         expect a accepted; b accepted; a filled 0.3 @ 100 taker; a canceled not_filled_at_once; b canceled not_filled_at_once",
    );
}

#[test]
fn a_limit_rests_until_a_trade_goes_through_it() {
    check(
        "trade 100 x 1 buy
         submit a buy limit 1 @ 99
         trade 99 x 5 sell
         expect a accepted
         trade 98.99 x 5 sell
         expect a filled 1 @ 99 maker complete",
    );
}

#[test]
fn a_limit_that_crosses_the_last_trade_takes_the_next_one() {
    check(
        "with fees 0 0.001
         trade 100 x 1 buy
         submit a buy limit 1 @ 101
         trade 100.5 x 5 sell
         expect a accepted; a filled 1 @ 100.5 taker fee 0.1005 USDT complete",
    );
}

#[test]
fn a_limit_ioc_or_fok_has_one_trade() {
    check(
        "with participation 0.5
         trade 100 x 1 buy
         submit a buy limit 1 @ 101 ioc
         submit b buy limit 1 @ 99 ioc
         submit c buy limit 1 @ 101 fok
         trade 100 x 1 sell
         expect a accepted; b accepted; c accepted; a filled 0.5 @ 100 taker; a canceled not_filled_at_once; b canceled not_filled_at_once; c canceled not_filled_at_once",
    );
}

#[test]
fn a_stop_fills_at_the_trade_that_sets_it_off() {
    check(
        "with base 1
         trade 100 x 1 buy
         submit a sell stop 1 @ 95
         submit b buy stop 1 @ 105
         trade 95.01 x 1 sell
         trade 94 x 1 sell
         expect a accepted; b accepted; a triggered; a filled 1 @ 94 taker complete
         trade 106 x 1 buy
         expect b triggered; b filled 1 @ 106 taker complete",
    );
}

#[test]
fn a_stop_limit_on_trades_becomes_a_limit() {
    check(
        "with base 2
         trade 100 x 1 buy
         submit a sell stop-limit 1 @ 95 limit 94
         submit b sell stop-limit 1 @ 95 limit 95
         trade 94.5 x 1 sell         # a takes it, b rests at 95
         expect a accepted; b accepted; a triggered; b triggered; a filled 1 @ 94.5 taker complete
         trade 95 x 1 buy
         trade 95.01 x 1 buy
         expect b filled 1 @ 95 maker complete",
    );
}

#[test]
fn a_take_profit_fills_at_the_trade_that_reaches_it() {
    check(
        "with base 1
         trade 100 x 1 buy
         submit a sell take-profit 1 @ 105
         trade 104.99 x 1 buy
         trade 105.5 x 1 buy
         expect a accepted; a triggered; a filled 1 @ 105.5 taker complete",
    );
}

#[test]
fn a_trailing_stop_follows_trades() {
    check(
        "with base 1
         trade 100 x 1 buy
         submit a sell trailing 1 by 5
         trade 110 x 1 buy
         trade 105.01 x 1 sell
         expect a accepted
         trade 104 x 1 sell
         expect a triggered; a filled 1 @ 104 taker complete",
    );
}

#[test]
fn a_gtd_expires_between_trades() {
    check(
        "trade 100 x 1 buy
         submit a buy limit 1 @ 99 gtd 50
         at 49
         expect a accepted
         at 60
         expect a expired
         trade 98 x 1 sell
         expect nothing",
    );
}

#[test]
fn slippage_on_trades_uses_the_trades_quantity() {
    // 2 bps and 100 bps x sqrt(1 / 4).
    check(
        "with impact 4 100
         submit a buy market 1
         trade 100 x 4 buy
         expect a accepted; a filled 1 @ 100.52 taker complete",
    );
}

// ---- quotes ----

#[test]
fn market_orders_take_the_quote_on_arrival() {
    check(
        "with base 1
         quote 99 x 5 101 x 5
         submit a buy market 1
         submit b sell market 1
         expect a accepted; a filled 1 @ 101 taker complete; b accepted; b filled 1 @ 99 taker complete",
    );
}

#[test]
fn a_market_order_without_a_quote_waits_for_the_first() {
    check(
        "submit a buy market 1
         expect a accepted
         quote 99 x 5 101 x 5
         expect a filled 1 @ 101 taker complete",
    );
}

#[test]
fn a_market_order_meets_the_quote_of_its_arrival() {
    check(
        "with latency 5 0
         quote 99 x 5 101 x 5
         submit a buy market 1
         at 3
         quote 100 x 5 102 x 5
         at 5
         expect a accepted; a filled 1 @ 102 taker complete",
    );
}

#[test]
fn a_quote_gives_what_it_shows_under_a_cap() {
    check(
        "with participation 1
         quote 99 x 5 101 x 0.4
         submit a buy market 1
         submit b buy market 1 ioc
         submit c buy market 1 fok
         expect a accepted; a filled 0.4 @ 101 taker; b accepted; b canceled not_filled_at_once; c accepted; c canceled not_filled_at_once
         quote 99 x 5 102 x 0.5
         quote 99 x 5 103 x 5
         expect a filled 0.5 @ 102 taker; a filled 0.1 @ 103 taker complete",
    );
}

#[test]
fn the_two_sides_of_a_quote_are_taken_apart() {
    check(
        "with participation 1; base 1
         quote 99 x 1 101 x 1
         submit a buy market 1
         submit b sell market 1
         expect a accepted; a filled 1 @ 101 taker complete; b accepted; b filled 1 @ 99 taker complete",
    );
}

#[test]
fn a_bid_gives_no_more_than_it_shows() {
    check(
        "with participation 1; base 2
         quote 99 x 0.4 101 x 5
         submit a sell market 1
         submit b sell market 1
         expect a accepted; a filled 0.4 @ 99 taker; b accepted
         quote 98 x 5 101 x 5
         expect a filled 0.6 @ 98 taker complete; b filled 1 @ 98 taker complete",
    );
}

#[test]
fn a_limit_at_the_ask_takes_it() {
    check(
        "with fees 0 0.001
         quote 99 x 5 101 x 5
         submit a buy limit 1 @ 101
         expect a accepted; a filled 1 @ 101 taker fee 0.101 USDT complete",
    );
}

#[test]
fn a_limit_rests_until_the_other_side_crosses_it() {
    check(
        "with base 1
         quote 99 x 5 101 x 5
         submit a buy limit 1 @ 100
         submit b sell limit 1 @ 103
         quote 98 x 5 100 x 5
         expect a accepted; b accepted
         quote 98 x 5 99.99 x 5
         expect a filled 1 @ 100 maker complete
         quote 103.01 x 5 104 x 5
         expect b filled 1 @ 103 maker complete",
    );
}

#[test]
fn a_limit_takes_what_is_shown_and_rests_with_the_rest() {
    check(
        "with participation 1
         quote 99 x 5 101 x 0.4
         submit a buy limit 1 @ 101
         expect a accepted; a filled 0.4 @ 101 taker
         quote 99 x 5 100.5 x 5
         expect a filled 0.6 @ 101 maker complete",
    );
}

#[test]
fn a_limit_ioc_and_fok_meet_the_quote_once() {
    check(
        "with participation 1
         quote 99 x 5 101 x 0.4
         submit a buy limit 1 @ 100 ioc
         submit b buy limit 1 @ 101 fok
         submit c buy limit 1 @ 101 ioc
         expect a accepted; a canceled not_filled_at_once; b accepted; b canceled not_filled_at_once; c accepted; c filled 0.4 @ 101 taker; c canceled not_filled_at_once",
    );
}

#[test]
fn post_only_at_the_ask_is_rejected() {
    check(
        "quote 99 x 5 101 x 5
         submit a buy limit 1 @ 101 post-only
         submit b buy limit 1 @ 100.99 post-only
         expect a rejected would_cross; b accepted",
    );
}

#[test]
fn stops_watch_the_side_they_would_trade_at() {
    check(
        "with base 1
         quote 99 x 5 101 x 5
         submit a sell stop 1 @ 95
         submit b buy stop 1 @ 105
         quote 95.01 x 5 104.99 x 5
         expect a accepted; b accepted
         quote 94 x 5 106 x 5
         expect a triggered; a filled 1 @ 94 taker complete; b triggered; b filled 1 @ 106 taker complete",
    );
}

#[test]
fn a_stop_takes_what_is_shown_and_goes_on() {
    check(
        "with base 1; participation 1; slippage bps 100
         quote 99 x 5 101 x 5
         submit a sell stop 1 @ 95
         quote 95 x 0.4 96 x 5
         quote 90 x 5 91 x 5
         expect a accepted; a triggered; a filled 0.4 @ 94.05 taker; a filled 0.6 @ 89.1 taker complete",
    );
}

#[test]
fn a_trailing_sell_follows_the_bid() {
    check(
        "with base 1
         quote 99 x 5 101 x 5
         submit a sell trailing 1 by 5      # level 94
         quote 104 x 5 120 x 5              # level 99
         quote 99.01 x 5 101 x 5
         expect a accepted
         quote 98 x 5 101 x 5
         expect a triggered; a filled 1 @ 98 taker complete",
    );
}

#[test]
fn a_trailing_buy_follows_the_ask() {
    check(
        "quote 99 x 5 101 x 5
         submit a buy trailing 1 by 5       # level 106
         quote 80 x 5 96 x 5                # level 101
         quote 100 x 5 100.99 x 5
         expect a accepted
         quote 100 x 5 101 x 5
         expect a triggered; a filled 1 @ 101 taker complete",
    );
}

#[test]
fn a_take_profit_watches_the_bid() {
    check(
        "with base 1
         quote 99 x 5 101 x 5
         submit a sell take-profit 1 @ 105
         quote 104 x 5 106 x 5
         quote 105 x 5 107 x 5
         expect a accepted; a triggered; a filled 1 @ 105 taker complete",
    );
}

#[test]
fn a_stop_limit_on_quotes_takes_or_rests() {
    check(
        "with base 2
         quote 99 x 5 101 x 5
         submit a sell stop-limit 1 @ 95 limit 94
         submit b sell stop-limit 1 @ 95 limit 95
         quote 94 x 5 96 x 5
         expect a accepted; b accepted; a triggered; b triggered; a filled 1 @ 94 taker complete
         quote 95.01 x 5 96 x 5
         expect b filled 1 @ 95 maker complete",
    );
}

#[test]
fn an_amount_takes_the_ask() {
    check(
        "quote 99 x 5 101 x 50
         submit a buy market 1000 usdt
         expect a accepted; a filled 9.9 @ 101 taker complete
         balance USDT 9000.1",
    );
}

#[test]
fn impact_on_quotes_has_no_spread_of_its_own() {
    check(
        "with impact 4 100
         quote 99 x 5 100 x 4
         submit a buy market 1
         expect a accepted; a filled 1 @ 100.5 taker complete",
    );
}

// ---- queue: trades with quotes ----

#[test]
fn a_limit_waits_behind_what_is_shown_at_its_price() {
    check(
        "quote 99 x 3 101 x 5
         submit a buy limit 1 @ 99
         trade 99 x 2 sell         # 1 stays before us
         trade 99 x 5 buy          # cannot have hit the bid
         expect a accepted
         trade 99 x 1.4 sell       # 1 before us, 0.4 ours
         trade 99 x 3 sell
         expect a filled 0.4 @ 99 maker; a filled 0.6 @ 99 maker complete",
    );
}

#[test]
fn a_smaller_bid_shortens_the_queue() {
    check(
        "quote 99 x 3 101 x 5
         submit a buy limit 1 @ 99
         quote 99 x 0.5 101 x 5
         quote 99 x 8 101 x 5      # newcomers stand behind
         trade 99 x 1 sell
         expect a accepted; a filled 0.5 @ 99 maker",
    );
}

#[test]
fn a_limit_inside_the_spread_is_first() {
    check(
        "quote 99 x 3 101 x 5
         submit a buy limit 1 @ 100
         trade 100 x 1 sell
         expect a accepted; a filled 1 @ 100 maker complete",
    );
}

#[test]
fn a_limit_below_the_best_knows_no_queue_until_it_is_the_best() {
    check(
        "quote 99 x 3 101 x 5
         submit a buy limit 1 @ 98
         trade 98 x 50 sell
         expect a accepted
         quote 98 x 2 101 x 5
         trade 98 x 2.5 sell
         expect a filled 0.5 @ 98 maker",
    );
}

#[test]
fn a_trade_through_needs_no_queue() {
    check(
        "quote 99 x 30 101 x 5
         submit a buy limit 1 @ 99
         trade 98.99 x 1 sell
         expect a accepted; a filled 1 @ 99 maker complete",
    );
}

#[test]
fn without_the_queue_estimate_only_trades_through_fill() {
    check(
        "with no-queue
         quote 99 x 3 101 x 5
         submit a buy limit 1 @ 99
         trade 99 x 100 sell
         expect a accepted",
    );
}

#[test]
fn a_trade_gives_resting_orders_a_part_of_itself_under_a_cap() {
    check(
        "with participation 0.5
         quote 99 x 30 101 x 0.1
         submit a buy limit 1 @ 99
         trade 98 x 1 sell
         expect a accepted; a filled 0.5 @ 99 maker
         trade 98 x 9 sell
         expect a filled 0.5 @ 99 maker complete",
    );
}

#[test]
fn with_quotes_trades_do_not_set_stops_off() {
    check(
        "with base 1
         quote 99 x 5 101 x 5
         submit a sell stop 1 @ 95
         trade 90 x 1 sell
         expect a accepted
         quote 90 x 5 91 x 5
         expect a triggered; a filled 1 @ 90 taker complete",
    );
}
