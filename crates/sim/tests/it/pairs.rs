//! Pairs of orders that the venue holds.

use crate::scenario::check;

#[test]
fn a_fill_of_one_takes_the_other_off() {
    check(
        "with    pairs
         quote   99 x 5 101 x 5
         pair    a buy limit 1 @ 98 ; b buy stop 1 @ 103
         expect  a accepted; b accepted
         quote   96 x 5 97 x 5
         expect  a filled 1 @ 98 maker complete; b canceled one_cancels_other
         quote   104 x 5 105 x 5
         expect  nothing
         balance USDT 9902; BTC 1",
    );
}

#[test]
fn one_that_is_set_off_takes_the_other_off_before_it_trades() {
    check(
        "with    perpetual; pairs
         quote   99 x 5 101 x 5
         pair    a buy stop 1 @ 103 ; b sell stop 1 @ 97
         expect  a accepted; b accepted
         quote   95 x 5 96 x 5
         expect  b triggered; a canceled one_cancels_other; b filled 1 @ 95 taker complete
         position -1",
    );
}

#[test]
fn a_partial_fill_takes_the_other_off_and_goes_on() {
    check(
        "with    pairs; participation 1
         quote   99 x 5 101 x 5
         pair    a buy limit 4 @ 98 ; b buy stop 4 @ 103
         expect  a accepted; b accepted
         free    USDT 9608
         quote   96 x 5 97 x 1.5
         expect  a filled 1.5 @ 98 maker; b canceled one_cancels_other
         free    USDT 9608
         quote   96 x 5 97 x 5
         expect  a filled 2.5 @ 98 maker complete
         free    USDT 9608",
    );
}

#[test]
fn two_orders_of_one_side_reserve_once_what_the_larger_needs() {
    check(
        "with    pairs; cash 1000
         quote   99 x 50 101 x 50
         pair    a buy limit 10 @ 98 ; b buy limit 9 @ 97
         expect  a accepted; b accepted
         free    USDT 20
         quote   94 x 50 95 x 50
         expect  a filled 10 @ 98 maker complete; b canceled one_cancels_other
         free    USDT 20
         pair    c buy limit 1 @ 90 ; d buy limit 1 @ 89
         expect  c rejected insufficient_balance; d rejected insufficient_balance",
    );
    // The smaller one is filled with what the larger had reserved, and reserves for its rest.
    check(
        "with    pairs; cash 1000; participation 1
         quote   99 x 50 101 x 50
         pair    a buy limit 9 @ 98 ; b buy limit 10 @ 97
         expect  a accepted; b accepted
         free    USDT 30
         quote   97 x 50 97.5 x 4
         expect  a filled 4 @ 98 maker; b canceled one_cancels_other
         free    USDT 118
         cancel  a
         expect  a canceled
         free    USDT 608",
    );
}

#[test]
fn the_end_of_one_is_the_end_of_both() {
    check(
        "with    pairs
         quote   99 x 5 101 x 5
         pair    a buy limit 1 @ 98 ; b buy stop 1 @ 103
         expect  a accepted; b accepted
         cancel  b
         expect  b canceled; a canceled one_cancels_other
         pair    c buy limit 1 @ 98 gtd 5000 ; d buy stop 1 @ 103
         expect  c accepted; d accepted
         at      6000
         expect  c expired; d canceled one_cancels_other
         free    USDT 10000",
    );
}

#[test]
fn both_are_taken_or_neither() {
    check(
        "with    pairs
         quote   99 x 5 101 x 5
         pair    a buy limit 1 @ 98 ; b buy stop 0.0001 @ 103
         expect  a rejected lot_filter; b rejected lot_filter
         pair    c buy market 1 ; d buy stop 1 @ 103
         expect  c rejected unsupported; d rejected unsupported
         pair    e buy limit 1 @ 98 ioc ; f buy stop 1 @ 103
         expect  e rejected unsupported; f rejected unsupported
         submit  g buy limit 1 @ 98
         expect  g accepted
         pair    g buy limit 1 @ 98 ; h buy stop 1 @ 103
         expect  g rejected duplicate_order; h rejected duplicate_order
         free    USDT 9902",
    );
}

#[test]
fn a_venue_that_holds_no_pairs_refuses_them() {
    check(
        "quote   99 x 5 101 x 5
         pair    a buy limit 1 @ 98 ; b buy stop 1 @ 103
         expect  a rejected unsupported; b rejected unsupported",
    );
}

#[test]
fn one_that_crosses_at_its_arrival_takes_the_other_off() {
    check(
        "with    pairs
         quote   99 x 5 101 x 5
         pair    a buy limit 1 @ 102 ; b buy stop 1 @ 105
         expect  a accepted; b accepted; a filled 1 @ 101 taker complete; b canceled one_cancels_other",
    );
}

#[test]
fn in_the_path_of_a_bar_only_one_of_a_pair_trades() {
    check(
        "with    perpetual; pairs
         bar     100 101 99 100
         pair    a buy stop 1 @ 103 ; b sell stop 1 @ 97
         expect  a accepted; b accepted
         bar     100 105 95 100
         expect  a triggered; b canceled one_cancels_other; a filled 1 @ 103 taker complete
         position 1",
    );
}
