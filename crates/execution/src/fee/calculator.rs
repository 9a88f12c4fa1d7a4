//! The fee of a fill: one instrument under one set of terms, in integers.
//!
//! In:  price and quantity mantissas, side, and whether liquidity was given or taken.
//! Out: [`Charged`]: how much of which asset, at which rate, and what that is in quote.
//!
//! Amounts round as they are posted: the value of a buy up, of a sell down, each at the precision of the quote asset; the fee up at the
//! precision of the asset that it is taken in, a rebate towards nothing. The ledger and the simulated venue do the same.

use super::schedule::{ChargedIn, RebateIn};
use domain::decimal::{MONEY_DECIMALS, ONE, div_round};
use domain::{
    AssetIdx, Fee, Instrument, InstrumentKind, InstrumentTable, Liquidity, Money, Price, Rate, Rounding, Side,
};

/// What is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Rate of fills that gave liquidity, before a discount.
    pub maker: Rate,
    /// Rate of fills that took liquidity, before a discount.
    pub taker: Rate,
    /// In which asset.
    pub charged_in: ChargedIn,
    /// In which asset a rebate comes.
    pub rebate_in: RebateIn,
    /// What is taken off, where fees are paid in another asset.
    pub discount: Option<DiscountTerms>,
}

/// A part taken off where fees are paid in another asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscountTerms {
    /// The part.
    pub fraction: Rate,
    /// The asset; `None` where it is not in the table of assets: then the fee is taken as if there were no discount.
    pub asset: Option<AssetIdx>,
}

impl Terms {
    /// Rates of an instrument's definition, in its own terms.
    #[must_use]
    pub const fn of(instrument: &Instrument, charged_in: ChargedIn) -> Self {
        let (maker, taker) = (instrument.fee_maker, instrument.fee_taker);
        Self { maker, taker, charged_in, rebate_in: RebateIn::Same, discount: None }
    }

    /// A rate with the discount taken off, exact to 1e-12 and rounded up. A rebate is not reduced.
    #[must_use]
    pub fn charged(&self, rate: Rate) -> Rate {
        match self.discount {
            Some(d) if rate > Rate::ZERO => {
                let kept = i128::from(Rate::ONE.raw() - d.fraction.raw());
                // Both factors are at most one, so the product is at most 1e24 and the result at most the rate.
                let raw = div_round(i128::from(rate.raw()) * kept, ONE, Rounding::Up);
                i64::try_from(raw).map_or(rate, Rate::from_raw)
            }
            _ => rate,
        }
    }
}

/// A fee worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Whether liquidity was given or taken.
    pub liquidity: Liquidity,
    /// The rate before a discount.
    pub rate_standard: Rate,
    /// The rate that was charged.
    pub rate: Rate,
    /// What the fill was worth, in quote.
    pub value: Money,
    /// What is taken of which asset; negative is a rebate.
    pub fee: Fee,
    /// The same in quote, rounded down; the discount's asset at the price that was said.
    pub in_quote: Money,
}

/// A rate as a fraction in lowest terms, so that most products stay within 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction {
    numerator: i128,
    denominator: i128,
}

impl Fraction {
    fn new(numerator: i128, denominator: i128) -> Self {
        let (mut a, mut b) = (numerator.abs(), denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        // The greatest common divisor of anything with a positive number is at least 1.
        Self { numerator: numerator / a, denominator: denominator / a }
    }

    fn of(rate: Rate) -> Self {
        Self::new(i128::from(rate.raw()), ONE)
    }

    #[inline]
    fn of_amount(self, amount: i128, rounding: Rounding) -> Option<i128> {
        Some(div_round(amount.checked_mul(self.numerator)?, self.denominator, rounding))
    }
}

/// Fees in another asset: the reduced rates, and where they are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Elsewhere {
    asset: AssetIdx,
    /// 1e-12 per unit of its precision.
    unit: i128,
    rates: [(Rate, Fraction); 2],
}

/// One instrument under one set of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calculator {
    kind: InstrumentKind,
    base: AssetIdx,
    quote: AssetIdx,
    charged_in: ChargedIn,
    rebate_in: RebateIn,
    /// By liquidity: maker, taker.
    rates: [(Rate, Fraction); 2],
    discount: Option<Elsewhere>,
    /// Product of mantissas to units of the quote asset's precision.
    scale: Fraction,
    /// 1e-12 per unit of precision.
    quote_unit: i128,
    base_unit: i128,
    /// 1e-12 of base per quantity mantissa.
    quantity_unit: i128,
    /// Divides price mantissa x amount of base into units of the quote asset's precision.
    base_scale: i128,
}

const fn unit_of(decimals: u8) -> i128 {
    10i128.pow(MONEY_DECIMALS.saturating_sub(decimals) as u32)
}

impl Calculator {
    /// For an instrument whose assets are in the table.
    #[must_use]
    pub fn new(table: &InstrumentTable, instrument: &Instrument, terms: &Terms) -> Self {
        let i = instrument;
        let (quote_unit, base_unit) = (unit_of(table.asset_decimals(i.quote)), unit_of(table.asset_decimals(i.base)));
        let (price_unit, quantity_unit) = (unit_of(i.price_decimals), unit_of(i.quantity_decimals));
        // value = price x quantity x multiplier: 1e-12 each, so the product of mantissas is worth price_unit x quantity_unit x multiplier
        // in 1e-36, and a unit of quote is quote_unit in 1e-12. Units and multiplier are at most 1e12 x 1e12 x 1e24: each is reduced first.
        let per_base = Fraction::new(quantity_unit, ONE);
        let per_price = Fraction::new(price_unit, quote_unit);
        let multiplier = Fraction::new(i.multiplier.raw(), ONE);
        let numerator = per_base.numerator.saturating_mul(per_price.numerator).saturating_mul(multiplier.numerator);
        let denominator =
            per_base.denominator.saturating_mul(per_price.denominator).saturating_mul(multiplier.denominator);
        let both = |rate: Rate| (rate, Fraction::of(rate));
        let reduced = [both(terms.charged(terms.maker)), both(terms.charged(terms.taker))];
        let discount = terms.discount.and_then(|d| {
            let asset = d.asset?;
            Some(Elsewhere { asset, unit: unit_of(table.asset_decimals(asset)), rates: reduced })
        });
        Self {
            kind: i.kind,
            base: i.base,
            quote: i.quote,
            charged_in: terms.charged_in,
            rebate_in: terms.rebate_in,
            rates: [both(terms.maker), both(terms.taker)],
            discount,
            scale: Fraction::new(numerator, denominator),
            quote_unit,
            base_unit,
            quantity_unit,
            base_scale: 10i128.pow(u32::from(i.price_decimals)).saturating_mul(quote_unit),
        }
    }

    /// The rate that a fill is charged, the discount taken off where fees are paid in its asset.
    #[must_use]
    #[inline]
    pub const fn rate(&self, liquidity: Liquidity) -> Rate {
        let at = liquidity as usize;
        match &self.discount {
            Some(elsewhere) => elsewhere.rates[at].0,
            None => self.rates[at].0,
        }
    }

    /// What a fill is worth in quote: a buy rounded up, a sell down, at the precision of the quote asset. `None` on overflow.
    #[must_use]
    #[inline]
    pub fn value(&self, side: Side, price: i64, quantity: i64) -> Option<Money> {
        let rounding = match side {
            Side::Buy => Rounding::Up,
            Side::Sell => Rounding::Down,
        };
        let product = i128::from(price) * i128::from(quantity);
        self.scale.of_amount(product, rounding)?.checked_mul(self.quote_unit).map(Money::from_raw)
    }

    /// The fee of a fill. `discount_price` is the price of the discount's asset in quote: without it, or without a discount, the fee is the
    /// standard one in the usual asset. `None` where something passes what money can hold.
    #[must_use]
    #[inline]
    pub fn fee(
        &self,
        side: Side,
        liquidity: Liquidity,
        price: i64,
        quantity: i64,
        discount_price: Option<Price>,
    ) -> Option<Charged> {
        let value = self.value(side, price, quantity)?;
        let (standard, fraction) = self.rates[liquidity as usize];
        if let (Some(elsewhere), Some(at)) = (&self.discount, discount_price)
            && standard > Rate::ZERO
            && at > Price::ZERO
        {
            return elsewhere.fee(liquidity, standard, value, at);
        }
        let rebate = standard < Rate::ZERO;
        let in_base = self.kind == InstrumentKind::Spot
            && match (self.charged_in, self.rebate_in, side) {
                (_, RebateIn::Given, Side::Buy) if rebate => false,
                (_, RebateIn::Given, Side::Sell) if rebate => true,
                (ChargedIn::Received, _, Side::Buy) => true,
                (ChargedIn::Received, _, Side::Sell) | (ChargedIn::Quote | ChargedIn::Settle, _, _) => false,
            };
        let (amount, unit, asset) = if in_base {
            (i128::from(quantity).checked_mul(self.quantity_unit)?, self.base_unit, self.base)
        } else {
            // A perpetual settles in its quote asset.
            (value.raw(), self.quote_unit, self.quote)
        };
        let fee = share(amount, fraction, unit)?;
        let in_quote = if in_base {
            let raw = div_round(i128::from(price).checked_mul(fee)?, self.base_scale, Rounding::Down);
            raw.checked_mul(self.quote_unit)?
        } else {
            fee
        };
        Some(Charged {
            liquidity,
            rate_standard: standard,
            rate: standard,
            value,
            fee: Fee { amount: Money::from_raw(fee), asset },
            in_quote: Money::from_raw(in_quote),
        })
    }
}

impl Elsewhere {
    fn fee(&self, liquidity: Liquidity, standard: Rate, value: Money, at: Price) -> Option<Charged> {
        let (rate, fraction) = self.rates[liquidity as usize];
        // Up at 1e-12 of quote, then up at the precision of the asset.
        let in_quote = fraction.of_amount(value.raw(), Rounding::Up)?;
        let amount = domain::decimal::div_money(in_quote, at.raw(), Rounding::Up)?;
        let amount = div_round(amount, self.unit, Rounding::Up).checked_mul(self.unit)?;
        let fee = Fee { amount: Money::from_raw(amount), asset: self.asset };
        Some(Charged { liquidity, rate_standard: standard, rate, value, fee, in_quote: Money::from_raw(in_quote) })
    }
}

/// `amount * rate`, rounded up at a precision of `unit`.
#[inline]
fn share(amount: i128, rate: Fraction, unit: i128) -> Option<i128> {
    // Amounts are whole units but for quantities of base finer than the asset, which take the longer way.
    let units = div_round(amount, unit, Rounding::Down);
    let shared = if units * unit == amount {
        rate.of_amount(units, Rounding::Up)?
    } else {
        div_round(amount.checked_mul(rate.numerator)?, rate.denominator.checked_mul(unit)?, Rounding::Up)
    };
    shared.checked_mul(unit)
}
