//! The assumptions of the simulation in plain English, one line each, printed with every result.

use crate::config::{Exec, FeeAsset, LimitFill, Slippage};
use crate::market::Feed;
use crate::venue::Venue;
use domain::time::NANOS_PER_SECOND;

fn percent(rate: domain::Rate) -> String {
    let hundred = i128::from(rate.raw()) * 100;
    format!("{} %", domain::Money::from_raw(hundred))
}

fn seconds(nanos: u64) -> String {
    let raw = i128::from(nanos) * (domain::decimal::ONE / i128::from(NANOS_PER_SECOND));
    format!("{} s", domain::Money::from_raw(raw))
}

impl Venue {
    /// Every assumption of the model, as configured.
    #[must_use]
    pub fn assumptions(&self) -> Vec<String> {
        let config = self.config();
        let mut lines = vec![
            match config.exec {
                Exec::NextOpen => "market orders sent at a close trade at the open of the next bar; those sent because of a fill at an open trade at that open".to_owned(),
                Exec::SignalClose => "market orders trade at the very close that they were decided on, which nobody could do: for comparison only".to_owned(),
            },
            "a bar is played as open, then the worse way round, then close: every stop is tried before every limit and target, so when stop and target lie in one bar the stop fills".to_owned(),
            "a stop fills at its trigger, or at the open where the open is beyond it; a take-profit likewise, and never better than its trigger inside a bar".to_owned(),
            "a trailing stop is tried against the worse extreme before the better extreme moves it, then against the close".to_owned(),
            "a stop-limit set off inside a bar fills in that bar only if the close is beyond its limit, and at its limit".to_owned(),
            "orders that answer a fill inside a bar work from the next bar on; an order whose time ends inside a bar works at its open only".to_owned(),
            "a limit order that the open is better than fills at the open: a new one as taker, a resting one as maker; inside a bar a limit order never fills better than its price".to_owned(),
        ];
        lines.push(match config.limit_fill {
            LimitFill::Through => "a resting limit order fills only when the market trades beyond its price".to_owned(),
            LimitFill::Touch => {
                "a resting limit order fills when the market touches its price, which is optimistic".to_owned()
            }
        });
        lines.push(match config.slippage {
            Slippage::None => "no slippage: market orders trade at the market's price whatever their size".to_owned(),
            Slippage::Bps(rate) => format!("market orders and stops trade {} worse than the market's price, rounded against us to the tick", percent(rate)),
            Slippage::Impact { spread, coefficient } => format!(
                "market orders and stops trade worse by half a spread of {} plus {} times the square root of their share of the volume",
                percent(spread),
                percent(coefficient)
            ),
        });
        lines.push(match config.participation {
            None => "volume is ignored: any quantity can be had at the price".to_owned(),
            Some(rate) => format!(
                "our orders together get at most {} of a bar's or trade's volume, and of a quote what it shows; the rest waits",
                percent(rate)
            ),
        });
        let sees = |feed: Feed| self.markets.iter().any(|m| m.feed == feed || m.feed == Feed::Unknown);
        let sized = config.participation.is_some() || matches!(config.slippage, Slippage::Impact { .. });
        if sized && sees(Feed::Candles) {
            lines.push("the share of a bar's volume that an order gets or moves the price by is of the whole bar, at its open too, where that volume is not known yet".to_owned());
        }
        if config.participation.is_some() {
            lines.push("of what can be had, orders that only reduce get theirs before entries do".to_owned());
        }
        lines.push(match config.fee_asset {
            FeeAsset::Quote => "fees are taken in the quote asset".to_owned(),
            FeeAsset::Venue => "spot fees are taken in the received asset: base on buys, quote on sells".to_owned(),
        });
        if let Some((maker, taker)) = config.fees {
            lines.push(format!(
                "fees of every instrument are {} for makers and {} for takers",
                percent(maker),
                percent(taker)
            ));
        }
        let latency = &config.latency;
        lines.push(format!(
            "on candles messages take no time; on trades and quotes market data take {}, orders {} and reports {}{}",
            seconds(latency.feed.0),
            seconds(latency.order.0),
            seconds(latency.report.0),
            match latency.jitter {
                None => String::new(),
                Some(j) => format!(", each up to {} longer at random (seed {})", seconds(j.max.0), j.seed),
            }
        ));
        // On candles there is nothing that an order could queue behind.
        if config.queue && sees(Feed::Quotes) {
            lines.push("where quotes are known a limit order at the best price waits behind all that is shown there; trades at the price and a smaller displayed quantity shorten the queue".to_owned());
        } else if sees(Feed::Quotes) || sees(Feed::Trades) {
            lines.push(
                "limit orders do not queue: a trade at their price does not fill them, one beyond it does".to_owned(),
            );
        }
        if config.pairs {
            lines.push("pairs of orders are held by the venue: what is traded or set off first takes the other one off, and so does its end".to_owned());
        }
        lines.push(
            "our orders move nothing: the market goes on as recorded, and each of them trades against it alone"
                .to_owned(),
        );
        lines.push("market, stop and trailing buys reserve no cash and are cancelled where it is missing at the fill; sells that only reduce reserve no base, so a stop and a target may stand on one holding; an order that only reduces ends with what its own strategy holds, as linked orders do".to_owned());
        if self.markets.iter().any(|m| !m.is_spot()) {
            lines.push("perpetuals are marked at the last price (quotes: the middle); margin is checked at sending and at the fill, without counting other resting orders; a spot buy must leave the account's initial margin".to_owned());
            lines.push("an account below maintenance margin loses its orders and positions at the mark (inside a bar at the extreme against it), and bears a loss beyond its balance".to_owned());
            lines.push(match config.funding {
                None => "no funding is paid".to_owned(),
                Some(f) => format!(
                    "funding of {} of the marked value (on candles the last open or close) is paid by longs to shorts every {}",
                    percent(f.rate),
                    seconds(f.every.0)
                ),
            });
        }
        lines
    }
}
