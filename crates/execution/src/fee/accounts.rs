//! The fees of all accounts: who is on which tier of which schedule, and the calculator of each instrument, ready.
//!
//! In:  schedules, tiers and holdings, the venue's own answers, fills with their time. Each may come at run time.
//! Out: rates and fees by (account, instrument), and definitions of instruments with the rates in force.
//!
//! A calculator is made when it is first asked for and kept until something that it rests on changes: a schedule, a tier, an answer, what
//! fees are paid in. Looking one up is an index; making one goes through tiers and common divisors. [`Fees::hits`] counts both.

use super::calculator::{Calculator, DiscountTerms, Terms};
use super::schedule::{Renewal, Schedule, ScheduleError};
use super::volume::VolumeTracker;
use domain::{
    AccountId, AssetIdx, Digest, Digestible, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Money,
    Quantity, Rate, UnixNanos, VenueIdx,
};
use std::collections::BTreeMap;

/// Which tier an account is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TierChoice {
    /// This one, whatever was traded: told by configuration or by the venue.
    Told(usize),
    /// What follows from volume and holdings.
    ByVolume,
}

/// The venue's answer about one instrument: it wins over the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Rate of fills that gave liquidity.
    pub maker: Rate,
    /// Rate of fills that took liquidity.
    pub taker: Rate,
    /// When it was said. An older answer never replaces a newer one.
    pub at: UnixNanos,
}

/// An account at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFees {
    /// The account.
    pub account: AccountId,
    /// Its venue.
    pub venue: VenueIdx,
    /// How its tier is found.
    pub choice: TierChoice,
    /// What is held of the asset that tiers ask for; `None` where it is not known.
    pub held: Option<Quantity>,
    /// Whether fees are paid in the asset of the schedule's discount.
    pub discount: bool,
    /// What was traded, by kind of instrument: venues count spot and perpetuals apart.
    pub volume: [VolumeTracker; 2],
    /// The tier in force, by kind of instrument.
    pub(crate) tier: [usize; 2],
}

/// An account or instrument that nothing is known of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("account {account:?} has no fees at venue {venue:?}: expected Fees::add_account first")]
pub struct UnknownAccount {
    /// The account.
    pub account: AccountId,
    /// The venue.
    pub venue: VenueIdx,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    generation: u64,
    /// Rates of the definition that it was made from: a definition changes by an event that does not pass here.
    defined: (Rate, Rate),
    calculator: Calculator,
}

/// The fees of all accounts.
#[derive(Clone, Debug, Default)]
pub struct Fees {
    pub(crate) schedules: BTreeMap<(VenueIdx, u8), Schedule>,
    pub(crate) accounts: Vec<AccountFees>,
    pub(crate) own: BTreeMap<(AccountId, InstrumentIdx), Own>,
    /// By account number, then instrument number.
    slots: Vec<Vec<Option<Slot>>>,
    generation: u64,
    hits: u64,
    misses: u64,
}

fn asset_named(table: &InstrumentTable, code: &str) -> Option<AssetIdx> {
    let at = table.assets().iter().position(|asset| asset.code == code)?;
    u16::try_from(at).ok().map(AssetIdx)
}

const fn kind_at(kind: InstrumentKind) -> usize {
    match kind {
        InstrumentKind::Spot => 0,
        InstrumentKind::LinearPerpetual => 1,
    }
}

impl Fees {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets or replaces the schedule of a venue for the schedule's kind of instrument. Tiers that were told by number stay where the new
    /// schedule has them, and fall to its highest where it does not.
    ///
    /// # Errors
    /// [`ScheduleError`] if it cannot be used; then the one before stays.
    pub fn set_schedule(&mut self, venue: VenueIdx, schedule: Schedule, now: UnixNanos) -> Result<(), ScheduleError> {
        schedule.validate()?;
        self.schedules.insert((venue, kind_at(schedule.kind) as u8), schedule);
        self.generation += 1;
        for at in 0..self.accounts.len() {
            self.renew(at, now);
        }
        Ok(())
    }

    /// The schedule of a venue.
    #[must_use]
    pub fn schedule(&self, venue: VenueIdx, kind: InstrumentKind) -> Option<&Schedule> {
        self.schedules.get(&(venue, kind_at(kind) as u8))
    }

    /// Adds an account, or says anew how it stands; what it traded stays.
    pub fn add_account(
        &mut self,
        (account, venue): (AccountId, VenueIdx),
        choice: TierChoice,
        (held, discount): (Option<Quantity>, bool),
        now: UnixNanos,
    ) {
        let at = match self.find(account, venue) {
            Some(at) => at,
            None => {
                let volume = [VolumeTracker::default(); 2];
                self.accounts.push(AccountFees { account, venue, choice, held, discount, volume, tier: [0; 2] });
                self.accounts.len() - 1
            }
        };
        if let Some(held_at) = self.accounts.get_mut(at) {
            (held_at.choice, held_at.held, held_at.discount) = (choice, held, discount);
        }
        self.generation += 1;
        self.renew(at, now);
    }

    /// Takes in the venue's answer about an instrument. `false` if a newer one is there.
    pub fn answer(&mut self, account: AccountId, instrument: InstrumentIdx, own: Own) -> bool {
        let held = self.own.get(&(account, instrument)).copied();
        if held.is_some_and(|held| held.at > own.at) {
            return false;
        }
        self.own.insert((account, instrument), own);
        if held.is_none_or(|held| (held.maker, held.taker) != (own.maker, own.taker)) {
            self.generation += 1;
        }
        true
    }

    /// Counts a fill's value, in the volume currency, towards the tier; the tier moves at once or with the day, as the schedule says.
    ///
    /// # Errors
    /// [`UnknownAccount`].
    pub fn traded(
        &mut self,
        (account, venue): (AccountId, VenueIdx),
        kind: InstrumentKind,
        ts: UnixNanos,
        value: Money,
    ) -> Result<(), UnknownAccount> {
        let at = self.find(account, venue).ok_or(UnknownAccount { account, venue })?;
        if let Some(held) = self.accounts.get_mut(at) {
            held.volume[kind_at(kind)].add(ts, value);
        }
        self.renew(at, ts);
        Ok(())
    }

    /// Looks at the tiers again: to be called when the UTC day turns.
    pub fn on_day(&mut self, now: UnixNanos) {
        for at in 0..self.accounts.len() {
            self.renew(at, now);
        }
    }

    /// The tier in force.
    #[must_use]
    pub fn tier(&self, account: AccountId, venue: VenueIdx, kind: InstrumentKind) -> Option<usize> {
        Some(self.accounts.get(self.find(account, venue)?)?.tier[kind_at(kind)])
    }

    /// What is known of an account at a venue.
    #[must_use]
    pub fn account(&self, account: AccountId, venue: VenueIdx) -> Option<&AccountFees> {
        self.accounts.get(self.find(account, venue)?)
    }

    /// The calculator of an instrument for an account: an index, or the making of it where something changed. Where no schedule and no
    /// answer is known it is that of the instrument's own rates, in quote.
    #[inline]
    pub fn calculator(&mut self, table: &InstrumentTable, instrument: &Instrument, account: AccountId) -> &Calculator {
        let (row, column) = (account.index(), instrument.idx.index());
        let fresh = matches!(
            self.slots.get(row).and_then(|slots| slots.get(column)),
            Some(Some(slot)) if slot.generation == self.generation
                && slot.defined == (instrument.fee_maker, instrument.fee_taker)
        );
        if fresh {
            self.hits += 1;
        } else {
            self.make(table, instrument, account);
        }
        match self.slots.get(row).and_then(|slots| slots.get(column)) {
            Some(Some(slot)) => &slot.calculator,
            _ => unreachable!("the slot was made or found above"),
        }
    }

    /// How often a calculator was there, and how often it had to be made.
    #[must_use]
    pub const fn hits(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }

    /// The terms that hold for an instrument now.
    #[must_use]
    pub fn terms(&self, table: &InstrumentTable, instrument: &Instrument, account: AccountId) -> Terms {
        let schedule = self.schedule(instrument.venue, instrument.kind);
        let held = self.account(account, instrument.venue);
        let mut terms = match (schedule, held) {
            (Some(schedule), Some(held)) => {
                let mut terms = schedule.terms(held.tier[kind_at(instrument.kind)], held.discount);
                let asset = schedule.discount.as_ref().and_then(|d| asset_named(table, &d.asset));
                terms.discount = terms.discount.map(|d| DiscountTerms { asset, ..d });
                terms
            }
            (Some(schedule), None) => schedule.terms(0, false),
            (None, _) => Terms::of(instrument, super::schedule::ChargedIn::Quote),
        };
        if let Some(own) = self.own.get(&(account, instrument.idx)) {
            (terms.maker, terms.taker) = (own.maker, own.taker);
        }
        terms
    }

    /// The instrument's definition with the rates in force for this account, where they differ: the event by which they reach the gate and
    /// the simulated venue. Rates are those charged, a discount taken off.
    #[must_use]
    pub fn redefined(
        &self,
        table: &InstrumentTable,
        instrument: &Instrument,
        account: AccountId,
    ) -> Option<Instrument> {
        let terms = self.terms(table, instrument, account);
        let (maker, taker) = (terms.charged(terms.maker), terms.charged(terms.taker));
        if (maker, taker) == (instrument.fee_maker, instrument.fee_taker) {
            return None;
        }
        Some(Instrument { fee_maker: maker, fee_taker: taker, ..instrument.clone() })
    }

    fn find(&self, account: AccountId, venue: VenueIdx) -> Option<usize> {
        self.accounts.iter().position(|held| held.account == account && held.venue == venue)
    }

    /// Finds the tiers of an account anew. Only a tier that moved makes calculators stale.
    fn renew(&mut self, at: usize, now: UnixNanos) {
        let Some(held) = self.accounts.get_mut(at) else { return };
        for kind in 0..2 {
            let Some(schedule) = self.schedules.get(&(held.venue, kind as u8)) else { continue };
            let tier = match held.choice {
                TierChoice::Told(tier) => tier.min(schedule.tiers.len().saturating_sub(1)),
                TierChoice::ByVolume => {
                    let volume = match schedule.renewal {
                        Renewal::Daily => held.volume[kind].before_today(now),
                        Renewal::EachTrade => held.volume[kind].trailing(now),
                    };
                    schedule.tier_of(volume, held.held)
                }
            };
            if held.tier[kind] != tier {
                held.tier[kind] = tier;
                self.generation += 1;
            }
        }
    }

    #[cold]
    fn make(&mut self, table: &InstrumentTable, instrument: &Instrument, account: AccountId) {
        self.misses += 1;
        let calculator = Calculator::new(table, instrument, &self.terms(table, instrument, account));
        let (row, column) = (account.index(), instrument.idx.index());
        if self.slots.len() <= row {
            self.slots.resize(row + 1, Vec::new());
        }
        if let Some(slots) = self.slots.get_mut(row) {
            if slots.len() <= column {
                slots.resize(column + 1, None);
            }
            if let Some(slot) = slots.get_mut(column) {
                let defined = (instrument.fee_maker, instrument.fee_taker);
                *slot = Some(Slot { generation: self.generation, defined, calculator });
            }
        }
    }
}

impl Digestible for Fees {
    fn digest(&self, d: &mut Digest) {
        for ((venue, kind), schedule) in &self.schedules {
            d.word(u64::from(venue.0) | u64::from(*kind) << 16 | 1 << 32);
            schedule.digest(d);
        }
        for held in &self.accounts {
            d.word(u64::from(held.account.0) | u64::from(held.venue.0) << 16 | 2 << 32);
            d.word(match held.choice {
                TierChoice::Told(tier) => tier as u64 + 1,
                TierChoice::ByVolume => 0,
            });
            d.word(u64::from(held.discount) | u64::from(held.held.is_some()) << 1);
            d.wide(held.held.unwrap_or_default().raw());
            held.volume.iter().for_each(|volume| volume.digest(d));
            held.tier.iter().for_each(|&tier| d.word(tier as u64));
        }
        for ((account, instrument), own) in &self.own {
            d.word(u64::from(account.0) | u64::from(instrument.0) << 16 | 3 << 32);
            d.int(own.maker.raw());
            d.int(own.taker.raw());
            d.word(own.at.0);
        }
    }
}
