//! The message budget: how many messages an account sends to its venues within a window, of which entries may use only their part.
//!
//! In:  every order that the gate approves, and every cancel or amend that the engine sends.
//! Out: how much is used. Entries are refused when theirs is; a reduction never is, and neither is a cancel.
//! Venues count messages too and close the door when there are too many, for reductions as well: so entries leave a part untouched.

use crate::limits::Limits;
use crate::window::WindowCount;
use domain::{AccountId, Digest, Digestible, Nanos, UnixNanos, stored_struct};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    account: AccountId,
    count: WindowCount,
}

/// Messages sent, by account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageBudget {
    sent: Vec<Sent>,
}

impl MessageBudget {
    /// Counts messages that leave.
    pub(crate) fn add(&mut self, account: AccountId, ts: UnixNanos, limits: &Limits, n: u32) {
        match self.sent.iter_mut().find(|s| s.account == account) {
            Some(sent) => sent.count.add(ts, window(limits), n),
            None => {
                let mut count = WindowCount::default();
                count.add(ts, window(limits), n);
                self.sent.push(Sent { account, count });
            }
        }
    }

    /// Messages of an account within the window.
    #[must_use]
    pub fn used(&self, account: AccountId, ts: UnixNanos, limits: &Limits) -> u32 {
        self.sent.iter().find(|s| s.account == account).map_or(0, |s| s.count.count(ts, window(limits)))
    }
}

const fn window(limits: &Limits) -> Nanos {
    Nanos::from_secs(limits.message_window_s)
}

stored_struct!(Sent { account, count });
stored_struct!(MessageBudget { sent });

impl Digestible for MessageBudget {
    fn digest(&self, d: &mut Digest) {
        for sent in &self.sent {
            d.word(u64::from(sent.account.0));
            sent.count.digest(d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_budgets_of_their_own() {
        let (limits, ts) = (Limits::default(), testkit::T0);
        let mut budget = MessageBudget::default();
        budget.add(AccountId(1), ts, &limits, 3);
        budget.add(AccountId(2), ts, &limits, 1);
        budget.add(AccountId(1), ts, &limits, 1);
        assert_eq!((budget.used(AccountId(1), ts, &limits), budget.used(AccountId(2), ts, &limits)), (4, 1));
        assert_eq!(budget.used(AccountId(3), ts, &limits), 0);
        let later = UnixNanos(ts.0 + 11_000_000_000);
        assert_eq!(budget.used(AccountId(1), later, &limits), 0);
    }
}
