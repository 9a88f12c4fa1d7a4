//! A catalogue: a folder of bot4's own files, `ROOT/<venue>/<symbol>/<kind>/<period>.parquet`, with its instruments and an index.
//!
//! In:  files of any form that `history` reads ([`Catalogue::import`]). Out: series for runs (`history::discover` takes a catalogue like any
//! folder), and what is there, file by file ([`Index`]).
//!
//! 1. `layout` says where a file lies and which period it covers.
//! 2. `import` reads foreign files in any order; `target` collects records by period, `merge` brings them together with what is there.
//! 3. `index` lists the files; it can be rebuilt from them at any time.
//! 4. `rules` holds the instruments with the history of their rules.
//!
//! Nothing here decides what is traded: flags of records (made by a gap filler, warm-up) are kept through every step.

mod import;
mod index;
mod layout;
mod merge;
mod record;
mod rules;
mod target;

pub use import::{Failed, Report, Step};
pub use index::{Entry, Index};
pub use layout::{Period, SeriesKey, Span};
pub use rules::{Chosen, Rules, RulesTable};
pub use target::Conflict;

pub(crate) use layout::walk;
pub(crate) use rules::{FILE as RULES_FILE, TODAY};

use crate::history::{HistoryError, Input, Options};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A catalogue on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    root: PathBuf,
}

impl Catalogue {
    /// The catalogue in a folder, which need not be there yet.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether a folder is one: it has a table of instruments, or files where a catalogue has them.
    #[must_use]
    pub fn is_at(root: &Path) -> bool {
        root.join(rules::FILE).is_file() || walk(root).is_ok_and(|found| !found.is_empty())
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What it holds, file by file.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub fn index(&self) -> Result<Index, HistoryError> {
        Index::load(&self.root)
    }

    /// Its instruments.
    ///
    /// # Errors
    /// As [`RulesTable::load`].
    pub fn rules(&self) -> Result<RulesTable, HistoryError> {
        RulesTable::load(&self.root)
    }

    /// Takes files in. A record that is there already is counted and not taken again. One that contradicts what is there is counted, named
    /// and left out; with `replace` it takes the place of what is there. `stop` ends the import after what is complete; `told` hears of
    /// progress.
    ///
    /// # Errors
    /// What ended the import, with what was done until then and stays: files before the one that failed. Bad rows do as
    /// `options.bad_rows` says.
    pub fn import(
        &self,
        inputs: &[Input],
        options: &Options,
        replace: bool,
        stop: &AtomicBool,
        told: &mut dyn FnMut(Step<'_>),
    ) -> Result<Report, Failed> {
        import::run(self, inputs, options, replace, stop, told)
    }
}
