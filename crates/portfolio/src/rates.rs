//! How an amount of one asset becomes report currency: explicitly, by one instrument that exchanges the two, or not at all.
//!
//! Chains of instruments are not followed: an asset that no instrument exchanges for report currency has no rate, and what has no
//! rate has no value (`None`), which denies new risk.

use crate::valuation;
use domain::decimal::{Rounding, div_round, mul_money};
use domain::{AssetIdx, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, MarketView, Money};

/// What an instrument exchanges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    pub base: AssetIdx,
    pub quote: AssetIdx,
    pub kind: InstrumentKind,
    pub price_decimals: u8,
    /// Units of base per unit of quantity, as a double, for the estimate.
    pub multiplier: f64,
}

impl Pair {
    pub(crate) fn of(instrument: &Instrument) -> Self {
        Self {
            base: instrument.base,
            quote: instrument.quote,
            kind: instrument.kind,
            price_decimals: instrument.price_decimals,
            multiplier: instrument.multiplier.to_f64(),
        }
    }
}

/// Where the rate of an asset to report currency comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// It is the report currency.
    Same,
    /// The mark of a spot instrument of this asset, quoted in report currency.
    Direct(InstrumentIdx),
    /// The reciprocal of the mark of a spot instrument of the report currency, quoted in this asset.
    Inverse(InstrumentIdx),
    /// No instrument exchanges the two.
    #[default]
    Missing,
}

impl Source {
    /// The source for `asset`: among instruments of the same direction one that the account trades goes before the others, then the
    /// lowest number; direct goes before inverse.
    pub(crate) fn find(
        pairs: &[Option<Pair>],
        traded: impl Fn(usize) -> bool,
        asset: AssetIdx,
        report: AssetIdx,
    ) -> Self {
        if asset == report {
            return Self::Same;
        }
        let of = |base: AssetIdx, quote: AssetIdx| {
            (0..=u16::MAX)
                .zip(pairs)
                .filter(|(_, pair)| {
                    pair.is_some_and(|p| p.kind == InstrumentKind::Spot && p.base == base && p.quote == quote)
                })
                .map(|(idx, _)| InstrumentIdx(idx))
                .min_by_key(|idx| (!traded(idx.index()), *idx))
        };
        of(asset, report).map(Self::Direct).or_else(|| of(report, asset).map(Self::Inverse)).unwrap_or_default()
    }

    /// An amount in report currency at 1e-12. `None` without a mark, without a rate, or on overflow.
    pub(crate) fn convert(
        self,
        amount: Money,
        table: &InstrumentTable,
        view: &MarketView,
        rounding: Rounding,
    ) -> Option<Money> {
        if amount.is_zero() {
            return Some(amount);
        }
        let marked = |idx: InstrumentIdx| Some((table.get(idx)?, view.get(idx).mark().filter(|&mark| mark > 0)?));
        match self {
            Self::Same => Some(amount),
            Self::Direct(idx) => {
                let (instrument, mark) = marked(idx)?;
                mul_money(amount.raw(), instrument.price(mark).raw(), rounding).map(Money::from_raw)
            }
            Self::Inverse(idx) => {
                let (instrument, mark) = marked(idx)?;
                let scaled = amount.raw().checked_mul(valuation::pow10(u32::from(instrument.price_decimals)))?;
                Some(Money::from_raw(div_round(scaled, i128::from(mark), rounding)))
            }
            Self::Missing => None,
        }
    }
}
