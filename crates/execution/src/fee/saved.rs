//! Saving, loading and digesting fees.

use super::accounts::{AccountFees, Fees, Own, TierChoice};
use super::schedule::{ChargedIn, Discount, Holding, RebateIn, Renewal, Schedule, Tier, Trust};
use super::volume::VolumeTracker;
use domain::codec::{CodecError, Reader, Stored, put_version, to_bytes};
use domain::{Digest, Digestible, stored_enum, stored_struct};

/// The layout of saved fees.
const VERSION: u32 = 1;

stored_enum!(ChargedIn, "the asset of a fee" { 0 => Received, 1 => Quote, 2 => Settle });
stored_enum!(RebateIn, "the asset of a rebate" { 0 => Same, 1 => Given });
stored_enum!(Renewal, "the renewal of tiers" { 0 => Daily, 1 => EachTrade });
stored_enum!(Trust, "the trust in a figure" { 0 => Recorded, 1 => Secondary, 2 => Unverified });
stored_enum!(TierChoice, "the choice of a tier" { 0 => Told(tier), 1 => ByVolume });
stored_struct!(Holding { asset, quantity });
stored_struct!(Tier { name, volume_min, holding, maker, taker, rates, threshold });
stored_struct!(Discount { asset, fraction });
stored_struct!(Schedule { name, kind, charged_in, rebate_in, volume_currency, renewal, discount, tiers, origin });
stored_struct!(Own { maker, taker, at });
stored_struct!(VolumeTracker { days, latest });
stored_struct!(Volumes { spot, perpetual });

/// Of spot and of perpetuals.
struct Volumes {
    spot: VolumeTracker,
    perpetual: VolumeTracker,
}

impl Stored for AccountFees {
    fn put(&self, out: &mut Vec<u8>) {
        let [spot, perpetual] = self.volume;
        (self.account, self.venue, self.choice).put(out);
        (self.held, self.discount).put(out);
        Volumes { spot, perpetual }.put(out);
        self.tier.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (account, venue, choice) = Stored::take(from)?;
        let (held, discount) = Stored::take(from)?;
        let Volumes { spot, perpetual } = Volumes::take(from)?;
        Ok(Self { account, venue, choice, held, discount, volume: [spot, perpetual], tier: Stored::take(from)? })
    }
}

impl Fees {
    /// Appends the state to a snapshot: schedules, accounts with what they traded, and answers.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        self.schedules.put(out);
        self.accounts.put(out);
        self.own.put(out);
    }

    /// Loads what was saved; on an error nothing changes.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes do not belong to it.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        from.version("fees", VERSION)?;
        let mut next = Self::new();
        next.schedules = Stored::take(from)?;
        next.accounts = Stored::take(from)?;
        next.own = Stored::take(from)?;
        if next.schedules.values().any(|schedule| schedule.validate().is_err()) {
            return Err(CodecError::Invalid { what: "a fee schedule" });
        }
        *self = next;
        Ok(())
    }
}

impl Digestible for Schedule {
    fn digest(&self, d: &mut Digest) {
        d.bytes(&to_bytes(self));
    }
}
