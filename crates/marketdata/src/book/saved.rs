//! Saving, loading and digesting a book.

use super::{Book, Level, State};
use domain::codec::{CodecError, Reader, Stored, put_version};
use domain::{Digest, Digestible, Side, stored_enum, stored_struct};

/// The layout of a saved book.
const VERSION: u32 = 1;

stored_struct!(Level { price, quantity });
stored_enum!(State, "the state of a book" { 0 => Empty, 1 => Filling, 2 => Live, 3 => Gap });

impl Book {
    /// Appends the state to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_version(VERSION, out);
        (self.instrument, self.bids.capacity()).put(out);
        (self.state, self.sequence, self.ts_event, self.ts_recv).put(out);
        for ladder in [&self.bids, &self.asks] {
            ladder.edge().put(out);
            domain::codec::put_all(ladder.levels(), out, Level::put);
        }
    }

    /// Loads a state saved by a book of the same instrument and capacity; on an error nothing changes.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes do not belong to it.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        from.version("a book", VERSION)?;
        from.same(&self.instrument, "the instrument of a book")?;
        from.same(&self.bids.capacity(), "the levels of a book")?;
        let mut next = Self::new(self.instrument, self.bids.capacity());
        (next.state, next.sequence, next.ts_event, next.ts_recv) = Stored::take(from)?;
        for ladder in [&mut next.bids, &mut next.asks] {
            let (edge, levels) = <(Option<i64>, Vec<Level>)>::take(from)?;
            if !ladder.restore(&levels, edge) {
                return Err(CodecError::Invalid { what: "levels of a book" });
            }
        }
        *self = next;
        Ok(())
    }
}

impl Digestible for Book {
    fn digest(&self, d: &mut Digest) {
        d.word(u64::from(self.instrument.0) | (self.state as u64) << 32);
        [self.sequence, self.ts_event.0, self.ts_recv.0].into_iter().for_each(|word| d.word(word));
        for side in [Side::Buy, Side::Sell] {
            let ladder = if side == Side::Buy { &self.bids } else { &self.asks };
            d.int(ladder.edge().unwrap_or(0));
            d.word(ladder.levels().len() as u64);
            for level in ladder.levels() {
                d.int(level.price);
                d.int(level.quantity);
            }
        }
    }
}
