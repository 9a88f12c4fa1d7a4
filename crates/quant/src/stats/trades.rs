//! Statistics of closed trades, and time in the market.

use crate::state::state;

/// Statistics over the net profits of closed round trips, one at a time.
///
/// Profits and losses are in report currency, after fees, as f64: these are ratios for reading, the exact amounts stay in
/// the ledger. A trade that ends at exactly 0 is neither won nor lost but counts as a trade.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TradeStatistics {
    trades: usize,
    won: usize,
    lost: usize,
    profit: f64,
    loss: f64,
}
state!(TradeStatistics, 1, fixed [], moving [trades, won, lost, profit, loss], valid |s| s.won <= s.trades && s.lost <= s.trades - s.won);

impl TradeStatistics {
    /// No trades.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the net profit of the next closed trade; it must be finite.
    pub fn push(&mut self, pnl: f64) {
        self.trades += 1;
        if pnl > 0.0 {
            self.won += 1;
            self.profit += pnl;
        } else if pnl < 0.0 {
            self.lost += 1;
            self.loss -= pnl;
        }
    }

    /// Closed trades.
    #[must_use]
    pub fn trades(&self) -> usize {
        self.trades
    }

    /// Trades won.
    #[must_use]
    pub fn won(&self) -> usize {
        self.won
    }

    /// Trades lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Trades won as a fraction of all trades; `None` without trades.
    #[must_use]
    pub fn win_rate(&self) -> Option<f64> {
        ratio(self.won as f64, self.trades as f64)
    }

    /// Sum of profits over sum of losses; `None` without losses.
    #[must_use]
    pub fn profit_factor(&self) -> Option<f64> {
        ratio(self.profit, self.loss)
    }

    /// Mean profit per trade; `None` without trades.
    #[must_use]
    pub fn expectancy(&self) -> Option<f64> {
        ratio(self.profit - self.loss, self.trades as f64)
    }

    /// Mean profit of the trades won; `None` without any.
    #[must_use]
    pub fn average_win(&self) -> Option<f64> {
        ratio(self.profit, self.won as f64)
    }

    /// Mean loss of the trades lost, a positive amount; `None` without any.
    #[must_use]
    pub fn average_loss(&self) -> Option<f64> {
        ratio(self.loss, self.lost as f64)
    }
}

impl Extend<f64> for TradeStatistics {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, profits: T) {
        profits.into_iter().for_each(|pnl| self.push(pnl));
    }
}

/// Share of the bars at whose close a position was open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    bars: usize,
    open: usize,
}
state!(Exposure, 1, fixed [], moving [bars, open], valid |e| e.open <= e.bars);

impl Exposure {
    /// No bars.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bar.
    #[inline]
    pub fn push(&mut self, position_open: bool) {
        self.bars += 1;
        self.open += usize::from(position_open);
    }

    /// Bars with a position as a fraction of all bars; `None` without bars.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        ratio(self.open as f64, self.bars as f64)
    }
}

fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_of_a_few_trades() {
        let mut statistics = TradeStatistics::new();
        assert_eq!((statistics.win_rate(), statistics.profit_factor(), statistics.expectancy()), (None, None, None));
        statistics.extend([10.0, -4.0, 0.0, 6.0]);
        assert_eq!((statistics.trades(), statistics.won(), statistics.lost()), (4, 2, 1));
        assert_eq!(statistics.win_rate(), Some(0.5));
        assert_eq!(statistics.profit_factor(), Some(4.0));
        assert_eq!(statistics.expectancy(), Some(3.0));
        assert_eq!((statistics.average_win(), statistics.average_loss()), (Some(8.0), Some(4.0)));
    }

    #[test]
    fn exposure_counts_bars() {
        let mut exposure = Exposure::new();
        assert_eq!(exposure.fraction(), None);
        [true, false, false, true].into_iter().for_each(|open| exposure.push(open));
        assert_eq!(exposure.fraction(), Some(0.5));
    }
}
