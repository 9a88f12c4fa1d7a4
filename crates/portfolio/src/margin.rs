//! Exposure, margin and leverage.
//!
//! What limits are held against is rounded up, what may be used is rounded down, and what is unknown is `None`.

use crate::ledger::Portfolio;
use crate::pnl::known;
use crate::valuation;
use domain::decimal::{ONE, Rounding, div_round};
use domain::{AccountId, AssetIdx, InstrumentIdx, InstrumentKind, InstrumentTable, MarketView, Money, Quantity, Rate};

/// What an account has at stake in one instrument at its mark, in quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Signed: long is positive. Rounded away from zero.
    pub net: Money,
    /// Sum of the sizes of the strategies' positions: at least the size of `net`. Rounded up.
    pub gross: Money,
}

/// Margin of an account's perpetuals that settle in one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarginView {
    /// Balance of the asset.
    pub balance: Money,
    /// Profit or loss of the net positions at their marks.
    pub unrealised: Money,
    /// Needed to hold the positions as new ones: `sum of |net notional| * margin_initial`.
    pub initial: Money,
    /// Needed to keep them: `sum of |net notional| * margin_maintenance`.
    pub maintenance: Money,
}

impl MarginView {
    /// Balance with what the positions would bring: what margin is held against. `None` on overflow.
    #[must_use]
    pub const fn equity(&self) -> Option<Money> {
        self.balance.checked_add(self.unrealised)
    }

    /// What new positions may use; negative when margin is short. `None` on overflow.
    #[must_use]
    pub fn free(&self) -> Option<Money> {
        self.equity()?.checked_sub(self.initial)
    }

    /// Whether the venue would liquidate: positions are open and equity is below their maintenance margin. An overflow counts as yes.
    #[must_use]
    pub fn is_liquidatable(&self) -> bool {
        self.maintenance > Money::ZERO && self.equity().is_none_or(|equity| equity < self.maintenance)
    }
}

impl Portfolio {
    /// What an account has at stake in one instrument at its mark, in quote. `None` if there is something and the mark is unknown, or
    /// on overflow.
    #[must_use]
    pub fn exposure(
        &self,
        account: AccountId,
        instrument: InstrumentIdx,
        table: &InstrumentTable,
        view: &MarketView,
    ) -> Option<Exposure> {
        let slots = self.slots(account, instrument);
        let net = self.net_quantity(account, instrument);
        if net.is_zero() && slots.iter().all(|slot| slot.position.quantity == 0) {
            return Some(Exposure::default());
        }
        let instrument = table.get(instrument)?;
        let mark = known(view, instrument)?;
        let size = |quantity: Quantity| valuation::at_mark(instrument, mark, quantity.checked_abs()?, Rounding::Up);
        let mut gross = Money::ZERO;
        for slot in slots {
            gross = gross.checked_add(size(Quantity::from_raw(slot.position.quantity))?)?;
        }
        let net = if net < Quantity::ZERO { size(net)?.checked_neg()? } else { size(net)? };
        Some(Exposure { net, gross })
    }

    /// Sum of the gross exposures of an account over all instruments, in report currency, rounded up. `None` if a price or rate that is
    /// needed is unknown.
    #[must_use]
    pub fn gross_notional(&self, account: AccountId, table: &InstrumentTable, view: &MarketView) -> Option<Money> {
        let Some(book) = self.book(account) else { return Some(Money::ZERO) };
        let mut total = Money::ZERO;
        for (idx, held) in (0..=u16::MAX).zip(&book.instruments) {
            if held.slots.is_empty() {
                continue;
            }
            let gross = self.exposure(account, InstrumentIdx(idx), table, view)?.gross;
            if !gross.is_zero() {
                let quote = table.get(InstrumentIdx(idx))?.quote;
                total = total.checked_add(book.source(quote).convert(gross, table, view, Rounding::Up)?)?;
            }
        }
        Some(total)
    }

    /// Gross notional / equity, rounded up; zero with no position. `None` if either is unknown, if equity is not positive while there
    /// are positions, or beyond 9.2 million.
    #[must_use]
    pub fn leverage(&self, account: AccountId, table: &InstrumentTable, view: &MarketView) -> Option<Rate> {
        let gross = self.gross_notional(account, table, view)?;
        if gross.is_zero() {
            return Some(Rate::ZERO);
        }
        let equity = self.equity(account, table, view).filter(|&equity| equity > Money::ZERO)?;
        let ratio = div_round(gross.raw().checked_mul(ONE)?, equity.raw(), Rounding::Up);
        i64::try_from(ratio).ok().map(Rate::from_raw)
    }

    /// Margin of an account's perpetuals that settle in `settle`, on the net positions, which are what the venue knows. `None` if a mark
    /// that is needed is unknown, or on overflow.
    #[must_use]
    pub fn margin(
        &self,
        account: AccountId,
        settle: AssetIdx,
        table: &InstrumentTable,
        view: &MarketView,
    ) -> Option<MarginView> {
        let mut margin = MarginView {
            balance: self.balance(account, settle),
            unrealised: Money::ZERO,
            initial: Money::ZERO,
            maintenance: Money::ZERO,
        };
        let Some(book) = self.book(account) else { return Some(margin) };
        for (idx, held) in (0..=u16::MAX).zip(&book.instruments) {
            if held.net.quantity == 0 {
                continue;
            }
            let instrument = table.get(InstrumentIdx(idx))?;
            if instrument.kind != InstrumentKind::LinearPerpetual || instrument.settle != settle {
                continue;
            }
            let mark = known(view, instrument)?;
            let net = Quantity::from_raw(held.net.quantity);
            let value = valuation::at_mark(instrument, mark, net, Rounding::Down)?;
            let unrealised = value.checked_sub(Money::from_raw(held.net.cost))?;
            let size = valuation::at_mark(instrument, mark, net.checked_abs()?, Rounding::Up)?;
            margin.unrealised = margin.unrealised.checked_add(unrealised)?;
            margin.initial = margin.initial.checked_add(size.times(instrument.margin_initial, Rounding::Up)?)?;
            margin.maintenance =
                margin.maintenance.checked_add(size.times(instrument.margin_maintenance, Rounding::Up)?)?;
        }
        Some(margin)
    }
}
