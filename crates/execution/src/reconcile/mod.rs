//! Reconciliation: when a venue is asked how an account stands there, and what follows from its answers.
//!
//! In:  engine time; interruptions of the stream of reports; what was booked; the venue's answers.
//! Out: which accounts to ask and from when on; differences of balances and positions; whether new risk must wait.
//! Orders are compared by the desk (`orders`); booking executions and changing the mode is the engine's.
//!
//! Nothing is believed at once and nothing is invented. What the venue executed is booked from its executions alone. A balance or position
//! differs only when it does so in several answers, after what was booked later than the instant of the answer is taken off again. Until the
//! first answer agrees, and again after an interruption, new risk waits; a difference that nothing explains stops it until a key holder
//! re-arms, whether or not it goes away.

mod books;
mod orders;

pub use books::Books;

use crate::recent::Recent;
use books::Standing;
use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountId, AccountReport, Difference, DifferenceKind, Digest, Digestible, InstrumentTable, Mode, Money, Movement,
    MovementKind, Nanos, ReportBody, UnixNanos, VenueState, stored_struct,
};
use portfolio::Portfolio;

/// How an account is held against what the venue says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconcilePolicy {
    /// How often the venue is asked.
    pub every: Nanos,
    /// How long it may take to answer, until it is asked again.
    pub answer_within: Nanos,
    /// The mode that a difference which nothing explains leads to: reduced or paused.
    pub restrict: Mode,
    /// In how many answers in a row a balance or position must differ by the same until that counts.
    pub states: u8,
}

impl ReconcilePolicy {
    /// Asked `every` so often: a difference counts when it is seen twice and pauses trading.
    #[must_use]
    pub const fn every(every: Nanos) -> Self {
        Self { every, answer_within: Nanos::from_secs(10), restrict: Mode::Paused, states: 2 }
    }

    /// What is wrong with it, if something is.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn validate(&self) -> Result<(), &'static str> {
        if self.every.0 == 0 || self.answer_within.0 == 0 || self.states == 0 {
            return Err(
                "reconciliation needs an interval, a time for the answer and a number of states that are not zero",
            );
        }
        if !matches!(self.restrict, Mode::Reduced | Mode::Paused) {
            return Err("a difference that nothing explains leads to the mode reduced or paused");
        }
        Ok(())
    }
}

/// How soon the venue is asked again where something differs and does not count yet, or has to be found out.
const LOOK_AGAIN: Nanos = Nanos::from_secs(5);

/// How far before the instant up to which all is known executions are asked for: what may still have been on its way then.
const OVERLAP: Nanos = Nanos::from_secs(60);

/// After how many questions without an answer new risk waits.
const UNANSWERED_MAX: u8 = 3;

/// How many orders of others are remembered to have been told.
const FOREIGN_KEPT: usize = 256;

/// How many movements of money are remembered, and how many executions' effects.
const MOVEMENTS_KEPT: usize = 1_024;

/// What is known of one account.
#[derive(Clone, Debug)]
struct Watch {
    account: AccountId,
    /// When the venue is asked next.
    due: UnixNanos,
    /// Questions since its last answer.
    asked: u8,
    /// From when on executions have to be asked for.
    since: UnixNanos,
    /// The instant of the latest answer that was compared.
    latest: UnixNanos,
    /// Whether something has to be found out before new risk may be taken: after the start, an interruption, or too long a silence.
    open: bool,
    /// Whether a difference that nothing explains stood and nobody has re-armed since.
    latched: bool,
    /// Executions that were recovered since it agreed last.
    recovered: u32,
    /// What differs.
    differs: Vec<Standing>,
}

/// What an answer led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// A difference that nothing explains counts now and did not before.
    pub unexplained: bool,
    /// Whatever had to be found out is: new risk need not wait for that any longer.
    pub agreed: bool,
    /// As before, but a difference keeps new risk away until a re-arm.
    pub latched: bool,
    /// How many executions were recovered since it agreed last.
    pub recovered: u32,
}

/// Holds accounts against what a venue says of them.
#[derive(Clone, Debug)]
pub struct Reconciler {
    policy: ReconcilePolicy,
    watches: Vec<Watch>,
    books: Books,
    /// Movements of money that were booked.
    movements: Recent<u8>,
    /// Orders of others that were told.
    foreign: Recent<u8>,
    /// When the timer fires that was asked for.
    armed: Option<UnixNanos>,
}

impl Reconciler {
    /// For these accounts, none of which was asked for yet.
    #[must_use]
    pub fn new(policy: ReconcilePolicy, accounts: &[AccountId]) -> Self {
        let watch = |account: &AccountId| Watch {
            account: *account,
            due: UnixNanos::MAX,
            asked: 0,
            since: UnixNanos(0),
            latest: UnixNanos(0),
            open: true,
            latched: false,
            recovered: 0,
            differs: Vec::new(),
        };
        Self {
            policy,
            watches: accounts.iter().map(watch).collect(),
            books: Books::default(),
            movements: Recent::with_capacity(MOVEMENTS_KEPT),
            foreign: Recent::with_capacity(FOREIGN_KEPT),
            armed: None,
        }
    }

    /// How it is done.
    #[must_use]
    pub const fn policy(&self) -> &ReconcilePolicy {
        &self.policy
    }

    /// The engine starts at `now`: every account is asked for, and new risk waits for the first answer that agrees.
    pub fn start(&mut self, now: UnixNanos) {
        for watch in &mut self.watches {
            (watch.due, watch.open, watch.since) = (now, true, now.saturating_sub(OVERLAP));
        }
    }

    /// Something that the venue said does not fit what we know of the account: it is asked for at once. Whether the account is one of these.
    pub fn look_soon(&mut self, account: AccountId, now: UnixNanos) -> bool {
        let Some(watch) = self.watch(account) else { return false };
        // One question at a time: a later answer would say no more.
        let asks = watch.asked == 0 && watch.due > now;
        if asks {
            watch.due = now;
        }
        asks
    }

    /// The reports of an account were interrupted from `since` on: it is asked for at once. Whether the account is one of these.
    pub fn interrupted(&mut self, account: AccountId, since: UnixNanos, now: UnixNanos) -> bool {
        let Some(watch) = self.watch(account) else { return false };
        watch.open = true;
        watch.due = now;
        watch.since = watch.since.min(since.saturating_sub(OVERLAP));
        true
    }

    /// Takes an account whose time has come: from when on its executions are asked for, and whether the venue has been silent for too long,
    /// which is said once. It is asked again after a while, should there be no answer.
    pub fn take_due(&mut self, now: UnixNanos) -> Option<(AccountId, UnixNanos, bool)> {
        let policy = self.policy;
        let watch = self.watches.iter_mut().find(|watch| watch.due <= now)?;
        // Twice as long after each silence, up to a minute or to the usual interval, whichever is longer.
        let longest = policy.every.0.max(Nanos::from_secs(60).0);
        let wait = (policy.answer_within.0 << watch.asked.min(8)).min(longest);
        watch.due = now.saturating_add(Nanos(wait));
        watch.asked = watch.asked.saturating_add(1);
        let silent = watch.asked == UNANSWERED_MAX + 1;
        watch.open |= silent;
        Some((watch.account, watch.since, silent))
    }

    /// Asks for a timer at the next instant at which something is due, unless one comes earlier.
    pub fn arm(&mut self, now: UnixNanos) -> Option<UnixNanos> {
        let due = self.watches.iter().map(|watch| watch.due).min().filter(|due| *due != UnixNanos::MAX)?;
        if self.armed.is_some_and(|armed| armed <= due) {
            return None;
        }
        self.armed = Some(due);
        Some(due.max(now))
    }

    /// The timer fired.
    pub fn fired(&mut self, now: UnixNanos) {
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
    }

    /// An execution was booked from the venue's answer, and not from a report.
    pub fn recovered(&mut self, account: AccountId) {
        if let Some(watch) = self.watch(account) {
            watch.recovered = watch.recovered.saturating_add(1);
        }
    }

    /// What was booked, with the venue's time of it.
    pub const fn books_mut(&mut self) -> &mut Books {
        &mut self.books
    }

    /// Whether a report of money that moved tells something new: the same movement is never booked twice, whoever told of it first.
    pub fn is_news(&mut self, report: &AccountReport) -> bool {
        match movement_of(report) {
            Some((account, movement)) => self.note_movement(account, &movement),
            None => true,
        }
    }

    /// Whether a movement was booked.
    #[must_use]
    pub fn knows_movement(&self, account: AccountId, movement: &Movement) -> bool {
        self.movements.get(movement_key(account, movement)).is_some()
    }

    /// Whether a movement is new. It is known from now on.
    fn note_movement(&mut self, account: AccountId, movement: &Movement) -> bool {
        matches!(self.movements.note(movement_key(account, movement), 0), crate::recent::Noted::New(_))
    }

    /// Whether an order of somebody else is one that was not told of before.
    pub(crate) fn is_new_foreign(&mut self, account: AccountId, venue_id: u64) -> bool {
        let key = u128::from(account.0) << 64 | u128::from(venue_id);
        matches!(self.foreign.note(key, 0), crate::recent::Noted::New(_))
    }

    /// What positions cost there, where the venue reckons it in another way and that is all that differs: to be taken over before the rest is
    /// compared.
    pub fn cost_bases(
        &self,
        state: &VenueState,
        portfolio: &Portfolio,
        table: &InstrumentTable,
        out: &mut Vec<(domain::InstrumentIdx, Money)>,
    ) {
        self.books.cost_bases(state, portfolio, table, out);
    }

    /// Holds balances and positions against an answer, after its executions and movements were booked. Appends the differences that count
    /// from now on, and those that are over. `doubtful` is whether something about orders has to be found out.
    pub fn compare(
        &mut self,
        now: UnixNanos,
        state: &VenueState,
        portfolio: &Portfolio,
        table: &InstrumentTable,
        doubtful: bool,
        out: &mut Vec<Difference>,
    ) -> Verdict {
        let Self { policy, watches, books, .. } = self;
        let Some(watch) = watches.iter_mut().find(|watch| watch.account == state.account) else {
            return Verdict::default();
        };
        if state.since > watch.since {
            // Asked for one order's executions: what was missed before those is not in it.
            return Verdict::default();
        }
        watch.asked = 0;
        if state.as_of <= watch.latest || !books.reach_back_to(state.as_of) {
            // An answer that came twice or that a later one overtook, or one so old that what was booked since is not known any more: ask again.
            watch.due = watch.due.min(now.saturating_add(policy.every));
            return Verdict::default();
        }
        watch.latest = state.as_of;
        let before = watch.differs.iter().any(|standing| standing.counts);
        books.compare(state, portfolio, table, policy.states, &mut watch.differs, out);
        let unexplained = out.iter().any(|difference| difference.kind.is_unexplained());
        watch.latched |= unexplained;
        if watch.differs.is_empty() && !doubtful && !watch.open && state.complete {
            // Where something is always under way no answer finds it quiet: what happened up to this one is known all the same.
            watch.since = watch.since.max(state.as_of.saturating_sub(OVERLAP));
        }
        let doubtful = doubtful || books.went_on(state.account, state.as_of);
        let quiet = watch.differs.is_empty() && !doubtful;
        let agreed = quiet && (watch.open || before);
        let verdict = Verdict { unexplained, agreed, latched: watch.latched, recovered: watch.recovered };
        if quiet {
            (watch.open, watch.recovered) = (false, 0);
            watch.since = state.as_of.saturating_sub(OVERLAP);
            watch.due = now.saturating_add(policy.every);
        } else {
            let counts = watch.differs.iter().all(|standing| standing.counts) && !doubtful;
            let wait = if counts { policy.every } else { policy.every.min(LOOK_AGAIN) };
            watch.due = now.saturating_add(wait);
        }
        verdict
    }

    /// Whether a difference that nothing explains stands, in any account: nothing is re-armed over it.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.watches.iter().any(|watch| watch.differs.iter().any(|standing| standing.counts))
    }

    /// A key holder re-armed.
    pub fn rearm(&mut self) {
        self.watches.iter_mut().for_each(|watch| watch.latched = false);
    }

    /// Whether something has to be found out before new risk may be taken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.watches.iter().any(|watch| watch.open)
    }

    /// The instant of the latest answer of an account that was compared.
    #[must_use]
    pub fn latest(&self, account: AccountId) -> Option<UnixNanos> {
        self.watches.iter().find(|watch| watch.account == account).map(|watch| watch.latest).filter(|at| at.0 != 0)
    }

    fn watch(&mut self, account: AccountId) -> Option<&mut Watch> {
        self.watches.iter_mut().find(|watch| watch.account == account)
    }
}

fn movement_key(account: AccountId, movement: &Movement) -> u128 {
    let mut d = Digest::default();
    d.word(u64::from(account.0));
    movement.digest(&mut d);
    d.value()
}

/// The money that a report says has moved without an execution.
#[must_use]
pub const fn movement_of(report: &AccountReport) -> Option<(AccountId, Movement)> {
    let ts_event = report.ts_event;
    match report.body {
        ReportBody::Funding { account, instrument, asset, amount } => {
            Some((account, Movement { ts_event, asset, amount, kind: MovementKind::Funding { instrument } }))
        }
        ReportBody::Transfer { account, asset, amount } => {
            Some((account, Movement { ts_event, asset, amount, kind: MovementKind::Transfer }))
        }
        ReportBody::Charge { account, asset, amount } => {
            Some((account, Movement { ts_event, asset, amount, kind: MovementKind::Charge }))
        }
        _ => None,
    }
}

/// The report that would have told of a movement.
#[must_use]
pub const fn report_of(account: AccountId, movement: &Movement) -> AccountReport {
    let Movement { ts_event, asset, amount, kind } = *movement;
    let body = match kind {
        MovementKind::Transfer => ReportBody::Transfer { account, asset, amount },
        MovementKind::Funding { instrument } => ReportBody::Funding { account, instrument, asset, amount },
        MovementKind::Charge => ReportBody::Charge { account, asset, amount },
    };
    AccountReport { ts_event, body }
}

/// A movement that no report had told, for the record.
#[must_use]
pub const fn missed_movement(account: AccountId, movement: &Movement) -> Difference {
    let (kind, instrument) = match movement.kind {
        MovementKind::Transfer => (DifferenceKind::MissedTransfer, None),
        MovementKind::Funding { instrument } => (DifferenceKind::MissedFunding, Some(instrument)),
        MovementKind::Charge => (DifferenceKind::MissedCharge, None),
    };
    let (asset, ours, theirs) = (Some(movement.asset), Money::ZERO, movement.amount);
    Difference { kind, account, instrument, asset, order: None, ours, theirs }
}

stored_struct!(Watch { account, due, asked, since, latest, open, latched, recovered, differs });

/// For snapshots.
impl Reconciler {
    /// Appends it.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.policy.every.put(out);
        self.policy.answer_within.put(out);
        (self.policy.restrict, self.policy.states).put(out);
        self.watches.put(out);
        self.books.save(out);
        self.movements.save(out);
        self.foreign.save(out);
        self.armed.put(out);
    }

    /// Takes over a saved one.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] for another policy or other accounts, else [`CodecError`] for bytes that none wrote.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        from.same(&self.policy.every, "how often the account is reconciled")?;
        from.same(&self.policy.answer_within, "how long a venue may take to say how an account stands")?;
        from.same(&(self.policy.restrict, self.policy.states), "what a difference to the venue leads to")?;
        let watches = Vec::<Watch>::take(from)?;
        if !watches.iter().map(|w| w.account).eq(self.watches.iter().map(|w| w.account)) {
            return Err(CodecError::Parameter { what: "the accounts that are reconciled" });
        }
        self.watches = watches;
        self.books.load(from)?;
        self.movements.load(from, "the movements of money that were booked")?;
        self.foreign.load(from, "the orders of others")?;
        self.armed = Stored::take(from)?;
        Ok(())
    }
}

impl Digestible for Reconciler {
    fn digest(&self, d: &mut Digest) {
        for watch in &self.watches {
            d.word(u64::from(watch.account.0) | u64::from(watch.asked) << 16 | u64::from(watch.recovered) << 32);
            d.word(u64::from(watch.open) | u64::from(watch.latched) << 1);
            [watch.due, watch.since, watch.latest].iter().for_each(|at| d.word(at.0));
            watch.differs.iter().for_each(|standing| standing.digest(d));
        }
        self.books.digest(d);
        for (key, _) in self.movements.iter().chain(self.foreign.iter()) {
            d.wide(*key as i128);
        }
        d.word(self.armed.map_or(u64::MAX, |at| at.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::AssetIdx;

    #[test]
    fn an_account_where_something_is_always_under_way_is_not_asked_for_ever_more() {
        const ACCOUNT: AccountId = AccountId(0);
        let (table, portfolio) = (InstrumentTable::default(), Portfolio::new(AssetIdx(0)));
        let mut watch = Reconciler::new(ReconcilePolicy::every(Nanos::from_secs(60)), &[ACCOUNT]);
        let mut now = UnixNanos(1_000_000_000_000);
        let begun = now;
        watch.start(now);
        for round in 0..50 {
            let (account, since, _) = watch.take_due(now).unwrap();
            assert_eq!(account, ACCOUNT);
            if round > 1 {
                assert!(now.since(since) <= Nanos::from_secs(60 + 120), "round {round}: {} back", now.since(since).0);
            }
            let as_of = now;
            if round > 0 {
                // One more before the answer is there.
                watch.books_mut().on_money(as_of.saturating_add(Nanos(1)), ACCOUNT, AssetIdx(0), Money::from_units(1));
            }
            let state = VenueState {
                account,
                since,
                as_of,
                complete: true,
                orders: Vec::new(),
                executions: Vec::new(),
                movements: Vec::new(),
                balances: Vec::new(),
                positions: Vec::new(),
            };
            let verdict = watch.compare(now, &state, &portfolio, &table, false, &mut Vec::new());
            assert_eq!(verdict.agreed, round == 0);
            now = now.saturating_add(Nanos::from_secs(60));
        }
        assert!(now.since(begun) > Nanos::from_secs(2_000));
    }
}
