//! The ledger and the round trips as bytes, for snapshots.
//!
//! What is kept is what was booked. The rates of assets and the quick estimate of equity follow from it and are worked out on loading,
//! to the same bits, because they are always computed from the books and never added up beside them.

use crate::error::LedgerError;
use crate::ledger::{AssetBook, Book, InstrumentBook, Portfolio, Slot};
use crate::pnl::Estimate;
use crate::position::Position;
use crate::rates::Pair;
use domain::codec::{CodecError, Reader, Stored, put_all, put_version};
use domain::{AccountId, AssetIdx, stored_enum, stored_struct};

const VERSION: u32 = 1;
const WHAT: &str = "the ledger";

impl Portfolio {
    /// Appends the ledger to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        self.report.put(out);
        self.pairs.put(out);
        put_all(&self.books, out, |book, out| {
            book.account.put(out);
            book.assets.put(out);
            put_all(&book.instruments, out, |held, out| {
                held.net.put(out);
                held.slots.put(out);
            });
        });
    }

    /// Takes over a saved ledger. After an error this one must not be used any more.
    ///
    /// # Errors
    /// [`CodecError::Parameter`] for another report currency, else [`CodecError`] for bytes that no ledger wrote.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        from.version(WHAT, VERSION)?;
        if AssetIdx::take(from)? != self.report {
            return Err(CodecError::Parameter { what: "the report currency" });
        }
        self.pairs = Vec::<Option<Pair>>::take(from)?;
        // What a book of these instruments has room for at least.
        let most = self.pairs.iter().flatten().map(|pair| pair.base.max(pair.quote).index() + 1).max().unwrap_or(0);
        self.books.clear();
        for _ in 0..from.count()? {
            let account = AccountId::take(from)?;
            let assets = Vec::<AssetBook>::take(from)?;
            let mut instruments = Vec::new();
            for _ in 0..from.count()? {
                let (net, slots) = (Stored::take(from)?, Vec::<Slot>::take(from)?);
                if !slots.is_sorted_by(|a, b| a.strategy < b.strategy) {
                    return Err(CodecError::Invalid { what: WHAT });
                }
                instruments.push(InstrumentBook { net, slots, line: 0 });
            }
            let roomy = assets.len() >= most && instruments.len() >= self.pairs.len();
            if !roomy || self.books.last().is_some_and(|last| last.account >= account) {
                return Err(CodecError::Invalid { what: WHAT });
            }
            self.books.push(Book { account, assets, instruments, sources: Vec::new(), estimate: Estimate::default() });
        }
        for at in 0..self.books.len() {
            self.refresh_all(at);
        }
        Ok(())
    }
}

stored_struct!(Position { quantity, cost });
stored_struct!(Slot { strategy, position, realised, fees });
stored_struct!(AssetBook { amount, in_positions, transfers, funding, fees });
stored_struct!(Pair { base, quote, kind, price_decimals, multiplier });

stored_enum!(LedgerError, "an error of the ledger" {
    1 => UnknownInstrument { instrument },
    2 => NotPositive { trade_id, price, quantity },
    3 => ShortSpot { account, instrument, strategy, held, taken },
    4 => BalanceOverflow { account, asset, amount },
    5 => ValueOverflow { trade_id, price, quantity },
});
