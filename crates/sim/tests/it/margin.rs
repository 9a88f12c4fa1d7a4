//! Scenarios of perpetuals: margin, profit and loss, flips, liquidation, funding. Initial margin is 5 %, maintenance 2.5 %.

use crate::scenario::check;

#[test]
fn no_notional_moves_and_profit_is_realised_at_the_close() {
    check(
        "with perpetual; fee 0.001
         submit a buy market 2
         bar 100 105 95 102
         expect a accepted; a filled 2 @ 100 taker fee 0.2 USDT complete
         balance USDT 9999.8
         position 2
         submit b sell market 2 reduce-only
         bar 110 111 109 110
         expect b accepted; b filled 2 @ 110 taker fee 0.22 USDT complete
         balance USDT 10019.58
         position 0",
    );
}

#[test]
fn a_part_takes_its_share_of_the_cost() {
    // 1 at 100 and 2 at 101 cost 302; a third of it is 100.66666667 (up), the rest stays for the last close.
    check(
        "with perpetual
         submit a buy market 1
         bar 100 105 95 102
         submit b buy market 2
         bar 101 105 95 102
         submit c sell market 1
         bar 103 105 95 102
         expect a accepted; a filled 1 @ 100 taker complete; b accepted; b filled 2 @ 101 taker complete; c accepted; c filled 1 @ 103 taker complete
         balance USDT 10002.33333333
         submit d sell market 2
         bar 103 105 95 102
         expect d accepted; d filled 2 @ 103 taker complete
         balance USDT 10007",
    );
}

#[test]
fn a_flip_closes_and_opens() {
    check(
        "with perpetual
         submit a buy market 1
         bar 100 105 95 102
         submit b sell market 3
         bar 104 105 95 102
         expect a accepted; a filled 1 @ 100 taker complete; b accepted; b filled 3 @ 104 taker complete
         balance USDT 10004
         position -2
         submit c buy market 2 reduce-only
         bar 101 105 95 102
         expect c accepted; c filled 2 @ 101 taker complete
         balance USDT 10010
         position 0",
    );
}

#[test]
fn reduce_only_never_turns_a_position() {
    check(
        "with perpetual
         submit a buy market 1
         bar 100 105 95 102
         submit b sell market 3 reduce-only
         bar 104 105 95 102
         expect a accepted; a filled 1 @ 100 taker complete; b accepted; b filled 1 @ 104 taker; b canceled reduce_only
         position 0",
    );
}

#[test]
fn an_entry_needs_its_initial_margin() {
    // 5 % of 100 x 20 = 100: 1000 of cash carries 200 at 100, not 200.001.
    check(
        "with perpetual; cash 1000
         bar 100 105 95 100
         submit a buy market 200.001
         submit b buy market 200
         bar 100 105 97.6 100
         expect a rejected insufficient_margin; b accepted; b filled 200 @ 100 taker complete
         submit c buy market 0.1
         submit d sell market 400
         submit e sell market 200
         bar 100 101 99 100
         expect c rejected insufficient_margin; d accepted; e accepted; d filled 400 @ 100 taker complete; e canceled insufficient_margin
         position -200",
    );
}

#[test]
fn the_fee_counts_against_the_margin_at_the_fill() {
    // 200 at 100: margin 1000, fee 20, of 1000. 190: margin 950, fee 19.
    check(
        "with perpetual; cash 1000; fee 0.001
         submit a buy market 200
         submit b buy market 190
         bar 100 105 99 100
         expect a accepted; b accepted; a canceled insufficient_margin; b filled 190 @ 100 taker fee 19 USDT complete",
    );
}

#[test]
fn margin_is_asked_again_at_the_fill() {
    // At the open of 101 margin of 1010 is needed.
    check(
        "with perpetual; cash 1000
         bar 100 105 95 100
         submit a buy market 200
         bar 101 105 95 100
         expect a accepted; a canceled insufficient_margin",
    );
}

#[test]
fn an_account_below_maintenance_is_liquidated_at_the_low() {
    // 200 at 100 with 1000: at 97 equity is 400, maintenance 485. Closed at the low of 97.
    check(
        "with perpetual; cash 1000
         submit a buy market 200
         bar 100 100 99 100
         submit t sell limit 200 @ 110 reduce-only
         bar 100 120 97 100
         expect a accepted; a filled 200 @ 100 taker complete; t accepted; t canceled liquidation; venue1 accepted; venue1 filled 200 @ 97 taker complete
         balance USDT 400
         position 0",
    );
}

#[test]
fn a_stop_before_the_liquidation_price_saves_the_account() {
    // At 98 equity is 600, maintenance 490.
    check(
        "with perpetual; cash 1000
         submit a buy market 200
         bar 100 100 99 100
         submit s sell stop 200 @ 98 reduce-only
         bar 100 120 90 100
         expect a accepted; a filled 200 @ 100 taker complete; s accepted; s triggered; s filled 200 @ 98 taker complete
         balance USDT 600",
    );
}

#[test]
fn a_stop_beyond_the_liquidation_price_comes_too_late() {
    // At 97 equity is 400, maintenance 485: as without the stop the account is liquidated at the low.
    check(
        "with perpetual; cash 1000
         submit a buy market 200
         bar 100 100 99 100
         submit s sell stop 200 @ 97 reduce-only
         bar 100 120 96 100
         expect a accepted; a filled 200 @ 100 taker complete; s accepted; s canceled liquidation; venue1 accepted; venue1 filled 200 @ 96 taker complete
         balance USDT 200",
    );
}

#[test]
fn a_short_is_liquidated_at_the_high_and_slips() {
    // Short 200 at 100 with 1000: at 104 equity is 200. Bought at 104 x 1.001 = 104.104 -> 104.11: 822 lost, 178 left, less fees 0.
    check(
        "with perpetual; cash 1000; slippage bps 10
         submit a sell limit 200 @ 99
         bar 100 100 100 100
         bar 100 104 80 100
         expect a accepted; a filled 200 @ 100 taker complete; venue1 accepted; venue1 filled 200 @ 104.11 taker complete
         balance USDT 178",
    );
}

#[test]
fn a_gap_through_the_liquidation_price_takes_the_open() {
    // At 94 equity is -200: the account bears it.
    check(
        "with perpetual; cash 1000
         submit a buy market 200
         bar 100 100 99 100
         bar 94 95 93 94
         expect a accepted; a filled 200 @ 100 taker complete; venue1 accepted; venue1 filled 200 @ 94 taker complete
         balance USDT -200",
    );
}

#[test]
fn trades_liquidate_too() {
    check(
        "with perpetual; cash 1000
         submit a buy market 200
         trade 100 x 1 buy
         trade 98 x 1 sell
         expect a accepted; a filled 200 @ 100 taker complete
         trade 97 x 1 sell
         expect venue1 accepted; venue1 filled 200 @ 97 taker complete",
    );
}

#[test]
fn quotes_liquidate_at_the_middle() {
    check(
        "with perpetual; cash 1000
         quote 99 x 1 100 x 1
         submit a buy market 180
         expect a accepted; a filled 180 @ 100 taker complete
         quote 96 x 1 97 x 1
         expect venue1 accepted; venue1 filled 180 @ 96.5 taker complete
         balance USDT 370",
    );
}

#[test]
fn funding_is_paid_by_longs_on_the_mark() {
    // Every two minutes 1 % of the marked value, at the close of the bar that ends then: 2 x 103 x 0.01 = 2.06, then 2 x 104.
    check(
        "with perpetual; funding 0.01 120000
         submit a buy market 2
         bar 100 105 95 101
         open 102 103 101 103
         path
         close
         expect a accepted; a filled 2 @ 100 taker complete; funding -2.06
         submit b sell market 4
         bar 103 103 103 103
         bar 104 104 104 104
         expect b accepted; b filled 4 @ 103 taker complete; funding 2.08
         balance USDT 10006.02",
    );
}

#[test]
fn without_a_position_no_funding_is_due() {
    check(
        "with perpetual; funding 0.01 120000
         bar 100 105 95 101
         at 600000
         expect nothing",
    );
}

#[test]
fn contracts_are_multiples_of_base() {
    check(
        "with perpetual
         submit a buy market 2 contracts
         bar 100 105 95 102
         expect a accepted; a filled 2 @ 100 taker complete",
    );
}

#[test]
fn an_amount_opens_a_perpetual_of_that_notional() {
    check(
        "with perpetual
         submit a buy market 1000 usdt
         bar 100 105 95 102
         expect a accepted; a filled 10 @ 100 taker complete
         balance USDT 10000
         position 10",
    );
}
