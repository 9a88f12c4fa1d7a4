//! The restricted list: instruments and accounts in which nothing new is begun, whatever a strategy says. What is held there is reduced as
//! ever.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use domain::{AccountId, Digest, Digestible, InstrumentIdx, stored_struct};

/// The restricted list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restricted {
    instruments: Vec<InstrumentIdx>,
    accounts: Vec<AccountId>,
}

impl Restricted {
    /// Puts an instrument on the list.
    pub fn add_instrument(&mut self, instrument: InstrumentIdx) {
        if let Err(at) = self.instruments.binary_search(&instrument) {
            self.instruments.insert(at, instrument);
        }
    }

    /// Puts an account on the list.
    pub fn add_account(&mut self, account: AccountId) {
        if let Err(at) = self.accounts.binary_search(&account) {
            self.accounts.insert(at, account);
        }
    }

    /// Whether an entry of this account in this instrument is not permitted.
    #[must_use]
    pub fn forbids(&self, account: AccountId, instrument: InstrumentIdx) -> bool {
        self.instruments.binary_search(&instrument).is_ok() || self.accounts.binary_search(&account).is_ok()
    }

    /// Whether everything that another list forbids is forbidden here, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.instruments.iter().all(|i| self.instruments.binary_search(i).is_ok())
            && other.accounts.iter().all(|a| self.accounts.binary_search(a).is_ok())
    }
}

stored_struct!(Restricted { instruments, accounts });

impl Digestible for Restricted {
    fn digest(&self, d: &mut Digest) {
        d.word(self.instruments.len() as u64);
        self.instruments.iter().for_each(|i| d.word(u64::from(i.0)));
        self.accounts.iter().for_each(|a| d.word(u64::from(a.0)));
    }
}

pub(super) fn check(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    if b.restricted.forbids(s.spec.account, s.spec.instrument) {
        Err(Refusal::because(DenyReason::Restricted))
    } else {
        Ok(PASSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;
    use crate::stage::{ACCOUNT, Stage};
    use domain::{OrderType, Side};

    #[test]
    fn what_is_on_the_list_is_not_entered_and_still_left() {
        for profile in [Profile::standard(), Profile::Off] {
            let mut stage = Stage::new(profile);
            let (btc, eth) = (stage.perpetual("BTCUSDT"), stage.perpetual("ETHUSDT"));
            stage.mark(btc, 100);
            stage.mark(eth, 100);
            stage.trade(0, btc, Side::Buy, "1", 100);
            stage.gate.restrict(|list| list.add_instrument(btc));
            assert_eq!(stage.enter(&stage.long(btc, "0.5")).unwrap_err().reason, DenyReason::Restricted);
            let sell = stage.order(btc, Side::Sell, OrderType::Market, "1");
            stage.reduce(sell, crate::check::OwnOrders::default()).unwrap();
            assert_ne!(stage.enter(&stage.long(eth, "1")).err().map(|r| r.reason), Some(DenyReason::Restricted));
            stage.gate.restrict(|list| list.add_account(ACCOUNT));
            assert_eq!(stage.enter(&stage.long(eth, "1")).unwrap_err().reason, DenyReason::Restricted);
        }
    }

    #[test]
    fn a_list_only_grows() {
        let mut list = Restricted::default();
        list.add_instrument(InstrumentIdx(3));
        let before = list.clone();
        list.add_instrument(InstrumentIdx(1));
        list.add_instrument(InstrumentIdx(3));
        list.add_account(AccountId(2));
        assert!(list.covers(&before) && !before.covers(&list));
        assert!(list.forbids(AccountId(0), InstrumentIdx(1)) && list.forbids(AccountId(2), InstrumentIdx(0)));
        assert!(!list.forbids(AccountId(0), InstrumentIdx(2)));
    }
}
