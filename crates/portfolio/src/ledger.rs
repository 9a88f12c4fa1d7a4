//! The ledger: books fills, funding and transfers as postings to balances, and moves positions with them.
//!
//! In:  definitions of instruments, fills, funding and transfers, in the order in which they became known.
//! Out: balances per (account, asset), positions per (account, instrument, strategy), and the postings of each fill.
//! It books all of a fill or nothing, and books what the venue says happened even where a balance goes below zero: a balance is a
//! fact, refusing is `risk`'s. It does not know which executions it has seen: whoever feeds it gives each once (the simulated venue does;
//! dropping repeated ones belongs to the adapters of real venues and is not there yet).
//!
//! Positions are virtual per strategy. The venue knows one position per account and perpetual, so what is posted to the settle asset is
//! the profit of that net position, and balances agree with the venue's; what each strategy realised is counted beside it. Both ways
//! of counting give the same equity, because realised profit moves between cost and cash and never changes their sum.

use crate::error::LedgerError;
use crate::pnl::Totals;
use crate::position::{Change, Position};
use crate::rates::{Pair, Source};
use crate::valuation;
use domain::decimal::Rounding;
use domain::{
    AccountId, AssetIdx, Digest, Digestible, Fill, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Money,
    PositionView, Quantity, Side, StrategyIdx,
};

/// Why an amount was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostingKind {
    /// What a spot trade gave or took, in base or quote.
    Trade,
    /// Profit or loss of a perpetual, in its settle asset.
    Realised,
    /// A fee or interest; a rebate is positive.
    Fee,
    /// Funding of a perpetual.
    Funding,
    /// Money that came in or went out.
    Transfer,
}

/// One change of one balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// What the balance changes by.
    pub amount: Money,
    /// The account.
    pub account: AccountId,
    /// The asset.
    pub asset: AssetIdx,
    /// Why.
    pub kind: PostingKind,
}

/// The postings of one fill: at most three (quote, base, fee). Amounts of zero are not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postings {
    items: [Posting; 3],
    len: usize,
}

impl Postings {
    const fn none() -> Self {
        let nothing =
            Posting { amount: Money::ZERO, account: AccountId(0), asset: AssetIdx(0), kind: PostingKind::Trade };
        Self { items: [nothing; 3], len: 0 }
    }

    #[inline]
    fn push(&mut self, posting: Posting) {
        // A fill has one posting per role (quote or profit, base, fee), so the fourth cannot come.
        if let Some(item) = self.items.get_mut(self.len)
            && !posting.amount.is_zero()
        {
            *item = posting;
            self.len += 1;
        }
    }

    /// In the order in which they were booked.
    #[must_use]
    pub fn as_slice(&self) -> &[Posting] {
        self.items.get(..self.len).unwrap_or_default()
    }
}

/// What a fill did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillEffect {
    /// What changed in the balances.
    pub postings: Postings,
    /// The strategy's position after the fill and its fee.
    pub position: PositionView,
    /// How much the trade opened or added, without sign, before a fee in the base asset.
    pub opened: Quantity,
    /// How much the trade closed, without sign, before a fee in the base asset.
    pub closed: Quantity,
    /// How much of the position a spot fee in the base asset took; negative where a rebate added.
    pub fee_quantity: Quantity,
    /// What the strategy realised, in quote, before fees.
    pub realised: Money,
    /// The fee in quote, negative for a rebate; zero where it was taken in an asset that is neither base nor quote (the posting and
    /// [`Portfolio::fees_in`] have it).
    pub fee_value: Money,
    /// Whether the trade opened or enlarged the strategy's position.
    pub opened_or_enlarged: bool,
}

/// A strategy's part of an instrument's book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub strategy: StrategyIdx,
    pub position: Position,
    pub realised: i128,
    pub fees: i128,
}

/// What an account has in one instrument.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstrumentBook {
    /// Perpetual: the position as the venue knows it. Spot: sums over the strategies.
    pub net: Position,
    /// By strategy, ascending.
    pub slots: Vec<Slot>,
    /// Where its line for the quick estimate is.
    pub line: usize,
}

/// What an account has of one asset.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AssetBook {
    pub amount: i128,
    /// How much of it belongs to spot positions.
    pub in_positions: i128,
    pub transfers: i128,
    pub funding: i128,
    /// Fees taken in this asset.
    pub fees: i128,
}

impl AssetBook {
    /// The balance after a posting, or `None` where a sum cannot be held.
    #[inline]
    fn after(self, kind: PostingKind, amount: i128) -> Option<Self> {
        let mut next = Self { amount: self.amount.checked_add(amount)?, ..self };
        match kind {
            PostingKind::Trade | PostingKind::Realised => {}
            PostingKind::Fee => next.fees = self.fees.checked_sub(amount)?,
            PostingKind::Funding => next.funding = self.funding.checked_add(amount)?,
            PostingKind::Transfer => next.transfers = self.transfers.checked_add(amount)?,
        }
        Some(next)
    }
}

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub account: AccountId,
    /// By asset number.
    pub assets: Vec<AssetBook>,
    /// By instrument number.
    pub instruments: Vec<InstrumentBook>,
    /// How each asset becomes report currency, by asset number.
    pub sources: Vec<Source>,
    /// For the quick estimate of equity.
    pub estimate: crate::pnl::Estimate,
}

/// All accounts.
#[derive(Clone, Debug)]
pub struct Portfolio {
    pub(crate) report: AssetIdx,
    /// What each defined instrument exchanges, by instrument number.
    pub(crate) pairs: Vec<Option<Pair>>,
    /// By account, ascending.
    pub(crate) books: Vec<Book>,
}

impl Portfolio {
    /// No accounts yet. Equity will be in `report_currency`.
    #[must_use]
    pub const fn new(report_currency: AssetIdx) -> Self {
        Self { report: report_currency, pairs: Vec::new(), books: Vec::new() }
    }

    /// The asset that equity is in.
    #[must_use]
    pub const fn report_currency(&self) -> AssetIdx {
        self.report
    }

    /// Makes room for an instrument, or takes in new rules of one that is there (what positions are written in cannot change, see
    /// [`InstrumentTable::define`]). The table given to the other functions holds the same definitions.
    pub fn define(&mut self, instrument: &Instrument) {
        let at = instrument.idx.index();
        if self.pairs.len() <= at {
            self.pairs.resize(at + 1, None);
        }
        if let Some(pair) = self.pairs.get_mut(at) {
            *pair = Some(Pair::of(instrument));
        }
        for at in 0..self.books.len() {
            self.refresh_all(at);
        }
    }

    /// Books money that came in (positive) or went out.
    ///
    /// # Errors
    /// [`LedgerError::BalanceOverflow`].
    pub fn transfer(&mut self, account: AccountId, asset: AssetIdx, amount: Money) -> Result<(), LedgerError> {
        self.post(Posting { amount, account, asset, kind: PostingKind::Transfer })
    }

    /// Books funding of a perpetual that was received (positive) or paid.
    ///
    /// # Errors
    /// [`LedgerError::UnknownInstrument`] or [`LedgerError::BalanceOverflow`].
    pub fn funding(
        &mut self,
        account: AccountId,
        instrument: InstrumentIdx,
        asset: AssetIdx,
        amount: Money,
    ) -> Result<(), LedgerError> {
        if self.pair(instrument).is_none() {
            return Err(LedgerError::UnknownInstrument { instrument });
        }
        self.post(Posting { amount, account, asset, kind: PostingKind::Funding })
    }

    fn post(&mut self, posting: Posting) -> Result<(), LedgerError> {
        let at = self.book_at(posting.account);
        self.make_room(at, posting.asset);
        let Some(held) = self.books.get_mut(at).and_then(|b| b.assets.get_mut(posting.asset.index())) else {
            return Ok(());
        };
        *held = held.after(posting.kind, posting.amount.raw()).ok_or_else(|| overflow(&posting))?;
        self.refresh_asset(at, posting.asset);
        Ok(())
    }

    /// Books a fill: its postings, the strategy's position, its profit and its fee. All of it or nothing.
    ///
    /// Spot: a buy takes the value of the fill, rounded up, in quote and gives the quantity in base; a sell gives the value, rounded
    /// down. A fee in the base asset is a disposal of that quantity at the fill's price: it leaves the position with its share of the
    /// cost, and its value is both realised and counted as fee. Perpetual: nothing moves but profit, in the settle asset.
    ///
    /// Allocates only when an account, instrument or strategy is met for the first time.
    ///
    /// # Errors
    /// All of [`LedgerError`]; then nothing was booked.
    pub fn apply_fill(&mut self, table: &InstrumentTable, fill: &Fill) -> Result<FillEffect, LedgerError> {
        self.book_fill(table, fill, false)
    }

    /// Books a fill even where it takes more of a spot position than the strategy holds: what the venue executed is a fact. The position of the
    /// strategy is then below zero, and the balance of the account is the venue's.
    ///
    /// # Errors
    /// As [`Portfolio::apply_fill`], but for [`LedgerError::ShortSpot`].
    pub fn apply_fill_as_it_is(&mut self, table: &InstrumentTable, fill: &Fill) -> Result<FillEffect, LedgerError> {
        self.book_fill(table, fill, true)
    }

    /// Books interest, or a fee that belongs to no execution: charged (negative) or given back.
    ///
    /// # Errors
    /// [`LedgerError::BalanceOverflow`].
    pub fn charge(&mut self, account: AccountId, asset: AssetIdx, amount: Money) -> Result<(), LedgerError> {
        self.post(Posting { amount, account, asset, kind: PostingKind::Fee })
    }

    /// Takes over what a position in a perpetual cost by the venue's reckoning: it differs from ours where executions became known here in another
    /// order than they happened. What the cost changes by is posted to the settle asset, so that equity stays as it is.
    ///
    /// # Errors
    /// [`LedgerError::UnknownInstrument`] or [`LedgerError::BalanceOverflow`]; then nothing changed.
    pub fn take_over_cost(
        &mut self,
        account: AccountId,
        instrument: &Instrument,
        cost: Money,
    ) -> Result<(), LedgerError> {
        let unknown = LedgerError::UnknownInstrument { instrument: instrument.idx };
        let Some(held) = self.instrument_book(account, instrument.idx) else { return Err(unknown) };
        let asset = instrument.settle;
        let amount = cost.raw().checked_sub(held.net.cost).map(Money::from_raw);
        let too_much = LedgerError::BalanceOverflow { account, asset, amount: cost };
        let Some(amount) = amount else { return Err(too_much) };
        self.post(Posting { amount, account, asset, kind: PostingKind::Realised })?;
        let at = self.book_at(account);
        if let Some(held) = self.books.get_mut(at).and_then(|b| b.instruments.get_mut(instrument.idx.index())) {
            held.net.cost = cost.raw();
        }
        self.refresh_all(at);
        Ok(())
    }

    fn book_fill(&mut self, table: &InstrumentTable, fill: &Fill, as_it_is: bool) -> Result<FillEffect, LedgerError> {
        let Some(instrument) = table.get(fill.instrument) else {
            return Err(LedgerError::UnknownInstrument { instrument: fill.instrument });
        };
        if fill.price <= 0 || fill.quantity <= 0 {
            let (trade_id, price, quantity) = (fill.trade_id, fill.price, fill.quantity);
            return Err(LedgerError::NotPositive { trade_id, price, quantity });
        }
        let (at, slot_at) = self.make_slot(instrument, fill);
        let Some(book) = self.books.get_mut(at) else { return Err(too_large(fill)) };
        let Some(held) = book.instruments.get(fill.instrument.index()) else { return Err(too_large(fill)) };
        let Some(slot) = held.slots.get(slot_at) else { return Err(too_large(fill)) };

        let decimals = table.asset_decimals(instrument.quote);
        let booked = match instrument.kind {
            InstrumentKind::Spot => spot(instrument, decimals, fill, held, slot, as_it_is)?,
            InstrumentKind::LinearPerpetual => perpetual(instrument, decimals, fill, held, slot)?,
        };
        let Booked { change, fee_quantity, fee_value, net, settled, base } = booked;
        let next = Slot {
            strategy: slot.strategy,
            position: change.after,
            realised: slot.realised.checked_add(change.realised).ok_or_else(|| too_large(fill))?,
            fees: slot.fees.checked_add(fee_value).ok_or_else(|| too_large(fill))?,
        };
        let spot = instrument.kind == InstrumentKind::Spot;
        let account = fill.account;
        let mut postings = Postings::none();
        let mut push = |asset, amount, kind| {
            postings.push(Posting { amount: Money::from_raw(amount), account, asset, kind });
        };
        push(instrument.settle, settled, if spot { PostingKind::Trade } else { PostingKind::Realised });
        push(instrument.base, base, PostingKind::Trade);
        let Some(fee) = fill.fee_amount.raw().checked_neg() else { return Err(too_large(fill)) };
        push(fill.fee_asset, fee, PostingKind::Fee);
        let moved = net.quantity - held.net.quantity;
        let in_positions = match book.assets.get(instrument.base.index()) {
            Some(asset) if spot => asset.in_positions.checked_add(moved).ok_or_else(|| too_large(fill))?,
            _ => 0,
        };

        book_postings(&mut book.assets, postings.as_slice())?;
        // Nothing can fail from here on.
        if spot && let Some(asset) = book.assets.get_mut(instrument.base.index()) {
            asset.in_positions = in_positions;
        }
        if let Some(held) = book.instruments.get_mut(fill.instrument.index()) {
            held.net = net;
            if let Some(slot) = held.slots.get_mut(slot_at) {
                *slot = next;
            }
        }
        self.refresh_fill(at, instrument, fill.fee_asset);
        Ok(FillEffect {
            postings,
            position: change.after.view(),
            opened: Quantity::from_raw(change.opened),
            closed: Quantity::from_raw(change.closed),
            fee_quantity: Quantity::from_raw(fee_quantity),
            realised: Money::from_raw(change.realised),
            fee_value: Money::from_raw(fee_value),
            opened_or_enlarged: change.opened != 0,
        })
    }

    /// The balance of an asset; zero for one that was never posted to.
    #[must_use]
    pub fn balance(&self, account: AccountId, asset: AssetIdx) -> Money {
        Money::from_raw(self.asset_book(account, asset).amount)
    }

    /// All balances that are not zero, by account and asset.
    pub fn balances(&self) -> impl Iterator<Item = (AccountId, AssetIdx, Money)> + '_ {
        self.books.iter().flat_map(|book| {
            (0..=u16::MAX)
                .zip(&book.assets)
                .filter(|(_, held)| held.amount != 0)
                .map(|(asset, held)| (book.account, AssetIdx(asset), Money::from_raw(held.amount)))
        })
    }

    /// A strategy's position; flat for one that never traded.
    #[must_use]
    #[inline]
    pub fn position(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> PositionView {
        self.slots(account, instrument)
            .iter()
            .find(|slot| slot.strategy == strategy)
            .map_or_else(PositionView::default, |slot| slot.position.view())
    }

    /// The account's position in an instrument as the venue knows it: the sum over strategies.
    #[must_use]
    #[inline]
    pub fn net_quantity(&self, account: AccountId, instrument: InstrumentIdx) -> Quantity {
        Quantity::from_raw(self.instrument_book(account, instrument).map_or(0, |held| held.net.quantity))
    }

    /// The account's position in an instrument as the venue knows it, with its cost.
    #[must_use]
    #[inline]
    pub fn net_position(&self, account: AccountId, instrument: InstrumentIdx) -> PositionView {
        self.instrument_book(account, instrument).map_or_else(PositionView::default, |held| held.net.view())
    }

    /// All open positions, by account, instrument and strategy.
    pub fn positions(&self) -> impl Iterator<Item = (AccountId, InstrumentIdx, StrategyIdx, PositionView)> + '_ {
        self.books.iter().flat_map(|book| {
            (0..=u16::MAX).zip(&book.instruments).flat_map(move |(instrument, held)| {
                held.slots
                    .iter()
                    .filter(|slot| slot.position.quantity != 0)
                    .map(move |slot| (book.account, InstrumentIdx(instrument), slot.strategy, slot.position.view()))
            })
        })
    }

    /// All accounts that were posted to, ascending.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.books.iter().map(|book| book.account)
    }

    /// Sum of the transfers of an asset.
    #[must_use]
    pub fn transfers_in(&self, account: AccountId, asset: AssetIdx) -> Money {
        Money::from_raw(self.asset_book(account, asset).transfers)
    }

    /// Sum of the funding received in an asset.
    #[must_use]
    pub fn funding_in(&self, account: AccountId, asset: AssetIdx) -> Money {
        Money::from_raw(self.asset_book(account, asset).funding)
    }

    /// Sum of the fees taken in an asset.
    #[must_use]
    pub fn fees_in(&self, account: AccountId, asset: AssetIdx) -> Money {
        Money::from_raw(self.asset_book(account, asset).fees)
    }

    /// What a strategy realised and paid in one instrument, in its quote asset.
    #[must_use]
    pub fn result(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> Totals {
        self.slots(account, instrument).iter().find(|slot| slot.strategy == strategy).map_or_else(
            Totals::default,
            |slot| Totals { realised: Money::from_raw(slot.realised), fees: Money::from_raw(slot.fees) },
        )
    }

    #[inline]
    pub(crate) fn book(&self, account: AccountId) -> Option<&Book> {
        self.books.iter().find(|book| book.account == account)
    }

    #[inline]
    pub(crate) fn instrument_book(&self, account: AccountId, instrument: InstrumentIdx) -> Option<&InstrumentBook> {
        self.book(account)?.instruments.get(instrument.index())
    }

    #[inline]
    pub(crate) fn slots(&self, account: AccountId, instrument: InstrumentIdx) -> &[Slot] {
        self.instrument_book(account, instrument).map_or(&[], |held| &held.slots)
    }

    pub(crate) fn pair(&self, instrument: InstrumentIdx) -> Option<Pair> {
        self.pairs.get(instrument.index()).copied().flatten()
    }

    fn asset_book(&self, account: AccountId, asset: AssetIdx) -> AssetBook {
        self.book(account).and_then(|book| book.assets.get(asset.index())).copied().unwrap_or_default()
    }

    /// Where the account's book is, made if it is new.
    fn book_at(&mut self, account: AccountId) -> usize {
        let at = self.books.partition_point(|book| book.account < account);
        if self.books.get(at).is_none_or(|book| book.account != account) {
            let book = Book {
                account,
                assets: Vec::new(),
                instruments: Vec::new(),
                sources: Vec::new(),
                estimate: crate::pnl::Estimate::default(),
            };
            self.books.insert(at, book);
        }
        at
    }

    /// Makes room for an asset in the book at `at`.
    #[inline]
    fn make_room(&mut self, at: usize, asset: AssetIdx) {
        if let Some(book) = self.books.get_mut(at)
            && book.assets.len() <= asset.index()
        {
            book.assets.resize(asset.index() + 1, AssetBook::default());
            self.refresh_all(at);
        }
    }

    /// Where the book and the slot of a fill are, made if they are new. An empty slot is no position and changes no digest.
    #[inline]
    fn make_slot(&mut self, instrument: &Instrument, fill: &Fill) -> (usize, usize) {
        let at = self.book_at(fill.account);
        let top = instrument.base.max(instrument.quote).max(instrument.settle).max(fill.fee_asset);
        self.make_room(at, top);
        let Some(book) = self.books.get_mut(at) else { return (at, 0) };
        let idx = fill.instrument.index();
        if book.instruments.len() <= idx {
            book.instruments.resize(idx + 1, InstrumentBook::default());
        }
        let Some(held) = book.instruments.get_mut(idx) else { return (at, 0) };
        let slot_at = held.slots.iter().position(|slot| slot.strategy >= fill.strategy).unwrap_or(held.slots.len());
        if held.slots.get(slot_at).is_none_or(|slot| slot.strategy != fill.strategy) {
            let first = held.slots.is_empty();
            let position = Position::default();
            held.slots.insert(slot_at, Slot { strategy: fill.strategy, position, realised: 0, fees: 0 });
            if first {
                self.define(instrument);
            }
        }
        (at, slot_at)
    }
}

/// A fill worked out and not yet booked.
struct Booked {
    /// What it does to the strategy's position, a fee in the base asset included.
    change: Change,
    /// How much of the position that fee took.
    fee_quantity: i128,
    /// The fee in quote.
    fee_value: i128,
    /// The account's position in the instrument after it.
    net: Position,
    /// What the settle asset (spot: the quote asset) changes by, without fee.
    settled: i128,
    /// What the base asset changes by, without fee.
    base: i128,
}

/// Signed quantity and signed value of a fill. Rounding the signed value up is a buy up and a sell down.
#[inline]
fn signed(instrument: &Instrument, decimals: u8, fill: &Fill) -> Option<(i128, i128)> {
    let mantissa = match fill.side {
        Side::Buy => i128::from(fill.quantity),
        Side::Sell => -i128::from(fill.quantity),
    };
    let value =
        valuation::value(instrument, fill.price, mantissa, instrument.quantity_decimals, decimals, Rounding::Up)?;
    Some((mantissa * valuation::step(instrument.quantity_decimals), value))
}

/// The fee in quote, rounded down, and whether it was taken in base.
#[inline]
fn fee_value(instrument: &Instrument, decimals: u8, fill: &Fill) -> Option<i128> {
    if fill.fee_asset == instrument.quote {
        Some(fill.fee_amount.raw())
    } else if fill.fee_asset == instrument.base && !fill.fee_amount.is_zero() {
        // The fee is an amount of the asset, not of contracts: the multiplier does not count.
        let product = i128::from(fill.price).checked_mul(fill.fee_amount.raw())?;
        let unit = valuation::step(decimals);
        let scale = valuation::pow10(u32::from(instrument.price_decimals)).checked_mul(unit)?;
        domain::decimal::div_round(product, scale, Rounding::Down).checked_mul(unit)
    } else {
        Some(0)
    }
}

#[inline]
fn spot(
    instrument: &Instrument,
    decimals: u8,
    fill: &Fill,
    held: &InstrumentBook,
    slot: &Slot,
    as_it_is: bool,
) -> Result<Booked, LedgerError> {
    let overflow = || too_large(fill);
    let short = |held: i128, taken: i128| LedgerError::ShortSpot {
        account: fill.account,
        instrument: fill.instrument,
        strategy: fill.strategy,
        held: Quantity::from_raw(held),
        taken: Quantity::from_raw(taken),
    };
    let before = slot.position;
    let (q, v) = signed(instrument, decimals, fill).ok_or_else(overflow)?;
    if q < 0 && before.quantity < -q && !as_it_is {
        return Err(short(before.quantity, -q));
    }
    let step = valuation::step(decimals);
    let mut change = before.trade(q, v, step).ok_or_else(overflow)?;
    let fee_value = fee_value(instrument, decimals, fill).ok_or_else(overflow)?;
    let mut fee_quantity = 0;
    if fill.fee_asset == instrument.base && !fill.fee_amount.is_zero() {
        fee_quantity = fill.fee_amount.raw();
        if fee_quantity > change.after.quantity && !as_it_is {
            return Err(short(change.after.quantity, fee_quantity));
        }
        let q = fee_quantity.checked_neg().ok_or_else(overflow)?;
        let v = fee_value.checked_neg().ok_or_else(overflow)?;
        let taken = change.after.trade(q, v, step).ok_or_else(overflow)?;
        change.realised = change.realised.checked_add(taken.realised).ok_or_else(overflow)?;
        change.after = taken.after;
    }
    let add = |total: i128, after: i128, before: i128| total.checked_add(after.checked_sub(before)?);
    let net = Position {
        quantity: add(held.net.quantity, change.after.quantity, before.quantity).ok_or_else(overflow)?,
        cost: add(held.net.cost, change.after.cost, before.cost).ok_or_else(overflow)?,
    };
    let settled = v.checked_neg().ok_or_else(overflow)?;
    Ok(Booked { change, fee_quantity, fee_value, net, settled, base: q })
}

#[inline]
fn perpetual(
    instrument: &Instrument,
    decimals: u8,
    fill: &Fill,
    held: &InstrumentBook,
    slot: &Slot,
) -> Result<Booked, LedgerError> {
    let overflow = || too_large(fill);
    let (q, v) = signed(instrument, decimals, fill).ok_or_else(overflow)?;
    let step = valuation::step(decimals);
    let change = slot.position.trade(q, v, step).ok_or_else(overflow)?;
    // With one strategy the net position is its position, unless the venue's cost was taken over.
    let net = if held.slots.len() == 1 && held.net == slot.position {
        change
    } else {
        held.net.trade(q, v, step).ok_or_else(overflow)?
    };
    let fee_value = fee_value(instrument, decimals, fill).ok_or_else(overflow)?;
    Ok(Booked { change, fee_quantity: 0, fee_value, net: net.after, settled: net.realised, base: 0 })
}

/// Books all postings, or takes back those already booked.
#[inline]
fn book_postings(assets: &mut [AssetBook], postings: &[Posting]) -> Result<(), LedgerError> {
    for (done, posting) in postings.iter().enumerate() {
        let held = assets.get_mut(posting.asset.index());
        // The slot's making gave every asset its place, so a missing one cannot be; it would be refused all the same.
        let next = held.as_deref().and_then(|held| held.after(posting.kind, posting.amount.raw()));
        if let (Some(held), Some(next)) = (held, next) {
            *held = next;
            continue;
        }
        for undo in postings.iter().take(done) {
            if let Some(held) = assets.get_mut(undo.asset.index()) {
                held.amount -= undo.amount.raw();
                if undo.kind == PostingKind::Fee {
                    held.fees += undo.amount.raw();
                }
            }
        }
        return Err(overflow(posting));
    }
    Ok(())
}

const fn overflow(posting: &Posting) -> LedgerError {
    LedgerError::BalanceOverflow { account: posting.account, asset: posting.asset, amount: posting.amount }
}

#[cold]
fn too_large(fill: &Fill) -> LedgerError {
    LedgerError::ValueOverflow { trade_id: fill.trade_id, price: fill.price, quantity: fill.quantity }
}

impl Digestible for Portfolio {
    fn digest(&self, d: &mut Digest) {
        d.word(u64::from(self.report.0));
        for book in &self.books {
            d.word(u64::from(book.account.0) << 32 | 1);
            for (asset, held) in (0u64..).zip(&book.assets) {
                let all = [held.amount, held.in_positions, held.transfers, held.funding, held.fees];
                if all != [0; 5] {
                    d.word(asset << 32 | 2);
                    all.iter().for_each(|&raw| d.wide(raw));
                }
            }
            for (instrument, held) in (0u64..).zip(&book.instruments) {
                if held.net != Position::default() {
                    d.word(instrument << 32 | 3);
                    d.wide(held.net.quantity);
                    d.wide(held.net.cost);
                }
                for slot in &held.slots {
                    let all = [slot.position.quantity, slot.position.cost, slot.realised, slot.fees];
                    if all != [0; 4] {
                        d.word(instrument << 32 | u64::from(slot.strategy.0) << 16 | 4);
                        all.iter().for_each(|&raw| d.wide(raw));
                    }
                }
            }
        }
    }
}
