//! What the accounts are worth: equity, unrealised and realised profit and loss, fees.
//!
//! Exact where decisions and reports of money are made; as a double, kept ready between fills, where statistics want a value at
//! every bar.

use crate::ledger::{Book, Portfolio};
use crate::rates::Source;
use crate::valuation;
use domain::decimal::{POW10_F64, Rounding};
use domain::{
    AccountId, AssetIdx, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, MarketView, Money, Quantity,
    StrategyIdx,
};

/// Realised profit and fees over all fills so far, in one quote asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Realised profit or loss, before fees.
    pub realised: Money,
    /// Fees paid, less rebates.
    pub fees: Money,
}

/// How a line's quote asset becomes report currency in the estimate.
#[derive(Clone, Copy, Debug)]
enum Factor {
    One,
    /// Mark times this.
    Direct(InstrumentIdx, f64),
    /// This divided by the mark.
    Inverse(InstrumentIdx, f64),
    Missing,
}

/// One summand of the estimate: `(mark * quantity - cost) * factor`, or `quantity * factor` where there is no instrument.
#[derive(Clone, Copy, Debug)]
struct Line {
    instrument: Option<InstrumentIdx>,
    /// In units of base for each unit of the price mantissa.
    quantity: f64,
    cost: f64,
    factor: Factor,
}

/// What the quick estimate of equity is computed from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estimate {
    /// Report currency outside positions.
    cash: f64,
    lines: Vec<Line>,
    /// Whether every line is nothing: the account holds report currency only.
    idle: bool,
}

impl Estimate {
    fn find_idle(&mut self) {
        self.idle = self.lines.iter().all(|line| line.quantity == 0.0 && line.cost == 0.0);
    }
}

impl Portfolio {
    /// What the account is worth in report currency, exact: every balance outside positions, and every position at its mark, each
    /// rounded down at 1e-12. `None` if the account was never posted to, if a price or rate that is needed is unknown, or on
    /// overflow.
    #[must_use]
    pub fn equity(&self, account: AccountId, table: &InstrumentTable, view: &MarketView) -> Option<Money> {
        let book = self.book(account)?;
        let mut total = Money::ZERO;
        for (held, source) in book.assets.iter().zip(&book.sources) {
            let free = Money::from_raw(held.amount.checked_sub(held.in_positions)?);
            total = total.checked_add(source.convert(free, table, view, Rounding::Down)?)?;
        }
        for (idx, held) in (0..=u16::MAX).zip(&book.instruments) {
            if held.net.quantity == 0 && held.net.cost == 0 && held.slots.iter().all(|s| s.position.quantity == 0) {
                continue;
            }
            let instrument = table.get(InstrumentIdx(idx))?;
            let mark = known(view, instrument)?;
            let mut value = Money::ZERO;
            for slot in &held.slots {
                let quantity = Quantity::from_raw(slot.position.quantity);
                value = value.checked_add(valuation::at_mark(instrument, mark, quantity, Rounding::Down)?)?;
            }
            if instrument.kind == InstrumentKind::LinearPerpetual {
                value = value.checked_sub(Money::from_raw(held.net.cost))?;
            }
            total = total.checked_add(book.source(instrument.quote).convert(value, table, view, Rounding::Down)?)?;
        }
        Some(total)
    }

    /// [`Portfolio::equity`] as a double, for statistics: within a few units in the last place of the largest summand. `None` where a
    /// price or rate is unknown.
    ///
    /// The doubles of cash and quantities are kept ready from posting to posting, so the cost per call is a multiplication per
    /// instrument ever traded.
    #[must_use]
    #[inline]
    pub fn equity_estimate(&self, account: AccountId, view: &MarketView) -> Option<f64> {
        let estimate = &self.book(account)?.estimate;
        let mut total = estimate.cash;
        if estimate.idle {
            return Some(total);
        }
        for line in &estimate.lines {
            if line.quantity == 0.0 && line.cost == 0.0 {
                continue;
            }
            let value = match line.instrument {
                Some(idx) => view.mark(idx)? as f64 * line.quantity - line.cost,
                None => line.quantity,
            };
            total += match line.factor {
                Factor::One => value,
                Factor::Direct(idx, scale) => value * (view.mark(idx)? as f64 * scale),
                Factor::Inverse(idx, scale) => value * scale / view.mark(idx)? as f64,
                Factor::Missing => return None,
            };
        }
        Some(total)
    }

    /// Profit or loss of a strategy's open position at its mark, in quote. `None` if it is not flat and the mark is unknown.
    #[must_use]
    pub fn unrealised_of(
        &self,
        account: AccountId,
        instrument: InstrumentIdx,
        strategy: StrategyIdx,
        table: &InstrumentTable,
        view: &MarketView,
    ) -> Option<Money> {
        let position = self.position(account, instrument, strategy);
        if position.is_flat() {
            return Some(Money::ZERO);
        }
        let instrument = table.get(instrument)?;
        let mark = known(view, instrument)?;
        valuation::at_mark(instrument, mark, position.quantity, Rounding::Down)?.checked_sub(position.cost)
    }

    /// Profit or loss of all open positions of an account at their marks, in report currency. `None` if a price or rate that is needed
    /// is unknown.
    #[must_use]
    pub fn unrealised(&self, account: AccountId, table: &InstrumentTable, view: &MarketView) -> Option<Money> {
        let Some(book) = self.book(account) else { return Some(Money::ZERO) };
        let mut total = Money::ZERO;
        for (idx, held) in (0..=u16::MAX).zip(&book.instruments) {
            let idx = InstrumentIdx(idx);
            let mut sum = Money::ZERO;
            for slot in &held.slots {
                sum = sum.checked_add(self.unrealised_of(account, idx, slot.strategy, table, view)?)?;
            }
            if !sum.is_zero() {
                let quote = table.get(idx)?.quote;
                total = total.checked_add(book.source(quote).convert(sum, table, view, Rounding::Down)?)?;
            }
        }
        Some(total)
    }

    /// Realised profit and fees of an account in all instruments quoted in `quote`. `None` on overflow.
    #[must_use]
    pub fn totals(&self, account: AccountId, quote: AssetIdx) -> Option<Totals> {
        self.sum(account, quote, |_| true)
    }

    /// Realised profit and fees of one strategy in an account, in all instruments quoted in `quote`. `None` on overflow.
    #[must_use]
    pub fn totals_of(&self, account: AccountId, strategy: StrategyIdx, quote: AssetIdx) -> Option<Totals> {
        self.sum(account, quote, |s| s == strategy)
    }

    fn sum(&self, account: AccountId, quote: AssetIdx, of: impl Fn(StrategyIdx) -> bool) -> Option<Totals> {
        let mut totals = Totals::default();
        let Some(book) = self.book(account) else { return Some(totals) };
        for (held, pair) in book.instruments.iter().zip(&self.pairs) {
            if pair.is_none_or(|pair| pair.quote != quote) {
                continue;
            }
            for slot in held.slots.iter().filter(|slot| of(slot.strategy)) {
                totals.realised = totals.realised.checked_add(Money::from_raw(slot.realised))?;
                totals.fees = totals.fees.checked_add(Money::from_raw(slot.fees))?;
            }
        }
        Some(totals)
    }

    /// An amount of an asset in report currency at the account's rates, rounded as told. `None` if the account was never posted to or
    /// there is no rate.
    #[must_use]
    pub fn in_report_currency(
        &self,
        account: AccountId,
        asset: AssetIdx,
        amount: Money,
        table: &InstrumentTable,
        view: &MarketView,
        rounding: Rounding,
    ) -> Option<Money> {
        if asset == self.report {
            return Some(amount);
        }
        let traded = |at: usize| {
            self.book(account).and_then(|b| b.instruments.get(at)).is_some_and(|held| !held.slots.is_empty())
        };
        Source::find(&self.pairs, traded, asset, self.report).convert(amount, table, view, rounding)
    }

    /// Finds the rates of a book anew and all that the estimate keeps ready.
    pub(crate) fn refresh_all(&mut self, at: usize) {
        let (report, pairs) = (self.report, &self.pairs);
        let Some(book) = self.books.get_mut(at) else { return };
        book.instruments.resize_with(book.instruments.len().max(pairs.len()), Default::default);
        let most = pairs.iter().flatten().map(|pair| pair.base.max(pair.quote).index() + 1).max().unwrap_or(0);
        book.assets.resize(book.assets.len().max(most), Default::default());
        let instruments = &book.instruments;
        let traded = |at: usize| instruments.get(at).is_some_and(|held| !held.slots.is_empty());
        book.sources.clear();
        book.sources.extend(
            (0..=u16::MAX).take(book.assets.len()).map(|asset| Source::find(pairs, traded, AssetIdx(asset), report)),
        );
        let factor = |asset: AssetIdx| {
            let scale = |idx: InstrumentIdx| {
                let pair = pairs.get(idx.index()).copied().flatten();
                pair.map_or(1.0, |pair| POW10_F64[usize::from(pair.price_decimals.min(18))])
            };
            match book.sources.get(asset.index()).copied().unwrap_or_default() {
                Source::Same => Factor::One,
                Source::Direct(idx) => Factor::Direct(idx, 1.0 / scale(idx)),
                Source::Inverse(idx) => Factor::Inverse(idx, scale(idx)),
                Source::Missing => Factor::Missing,
            }
        };
        let mut lines = std::mem::take(&mut book.estimate.lines);
        lines.clear();
        // One line per asset comes first, then one per instrument traded.
        for asset in (0..=u16::MAX).take(book.assets.len()).map(AssetIdx) {
            lines.push(Line { instrument: None, quantity: 0.0, cost: 0.0, factor: factor(asset) });
        }
        for (idx, pair) in (0..=u16::MAX).zip(pairs) {
            let Some(pair) = pair.filter(|_| traded(usize::from(idx))) else { continue };
            let factor = factor(pair.quote);
            lines.push(Line { instrument: Some(InstrumentIdx(idx)), quantity: 0.0, cost: 0.0, factor });
        }
        for (line_at, line) in lines.iter().enumerate() {
            if let Some(held) = line.instrument.and_then(|idx| book.instruments.get_mut(idx.index())) {
                held.line = line_at;
            }
        }
        book.estimate.lines = lines;
        book.estimate.idle = false;
        for asset in (0..=u16::MAX).take(book.assets.len()) {
            book.refresh_asset(AssetIdx(asset), report);
        }
        for (idx, pair) in (0..=u16::MAX).zip(pairs) {
            if let Some(pair) = pair {
                book.refresh_instrument(InstrumentIdx(idx), pair.price_decimals, pair.multiplier, pair.kind);
            }
        }
    }

    pub(crate) fn refresh_asset(&mut self, at: usize, asset: AssetIdx) {
        let report = self.report;
        if let Some(book) = self.books.get_mut(at) {
            book.refresh_asset(asset, report);
        }
    }

    /// Brings the estimate up to date after a fill.
    #[inline]
    pub(crate) fn refresh_fill(&mut self, at: usize, instrument: &Instrument, fee_asset: AssetIdx) {
        let report = self.report;
        let Some(pair) = self.pair(instrument.idx) else { return };
        let Some(book) = self.books.get_mut(at) else { return };
        book.refresh_instrument(instrument.idx, pair.price_decimals, pair.multiplier, pair.kind);
        book.refresh_asset(pair.quote, report);
        if fee_asset != pair.quote {
            book.refresh_asset(fee_asset, report);
        }
    }
}

impl Book {
    pub(crate) fn source(&self, asset: AssetIdx) -> Source {
        self.sources.get(asset.index()).copied().unwrap_or_default()
    }

    #[inline]
    fn refresh_asset(&mut self, asset: AssetIdx, report: AssetIdx) {
        let Some(held) = self.assets.get(asset.index()) else { return };
        // Both were added up with checks, and their difference is what is outside positions; saturating keeps a sum that cannot be
        // held out of the estimate's way, the exact equity answers `None` there.
        let free = valuation::to_f64(held.amount.saturating_sub(held.in_positions));
        if asset == report {
            self.estimate.cash = free;
        } else if let Some(line) = self.estimate.lines.get_mut(asset.index()) {
            line.quantity = free;
        }
        self.estimate.find_idle();
    }

    #[inline]
    fn refresh_instrument(&mut self, idx: InstrumentIdx, price_decimals: u8, multiplier: f64, kind: InstrumentKind) {
        let Some(held) = self.instruments.get(idx.index()) else { return };
        if held.slots.is_empty() {
            return;
        }
        if let Some(line) = self.estimate.lines.get_mut(held.line) {
            let scale = POW10_F64[usize::from(price_decimals.min(18))];
            line.quantity = valuation::to_f64(held.net.quantity) * multiplier / scale;
            line.cost = match kind {
                InstrumentKind::Spot => 0.0,
                InstrumentKind::LinearPerpetual => valuation::to_f64(held.net.cost),
            };
        }
        self.estimate.find_idle();
    }
}

/// The mark of an instrument, if it is known and positive.
#[inline]
pub(crate) fn known(view: &MarketView, instrument: &Instrument) -> Option<i64> {
    view.mark(instrument.idx).filter(|&mark| mark > 0)
}
