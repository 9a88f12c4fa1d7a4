//! What the user says about the columns of a foreign table: `time=Date,open=O,...`.
//!
//! In:  pairs of a name of ours and a name, or a number from 1, of the file's. Out: the names of the file's columns as the decoders know them.
//! A column that is named so takes the place of every other one that could mean the same.

use super::decode::{TIME_NAMES, fields};
use super::error::HistoryError;
use super::rows::DataKind;

/// Names of columns: ours, then the file's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnMap(Vec<(String, String)>);

/// What may be on the left of `=`, for messages.
pub(crate) const OURS: &str = "time, open, high, low, close, volume; price, quantity, side, trade_id, is_buyer_maker; sequence; bid, bid_quantity, ask, ask_quantity";

impl ColumnMap {
    /// Reads `time=Date,open=O`.
    ///
    /// # Errors
    /// A sentence that says which part is wrong and what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (ours, theirs) = part
                .split_once('=')
                .map(|(ours, theirs)| (plain(ours), plain(theirs)))
                .filter(|(ours, theirs)| !ours.is_empty() && !theirs.is_empty())
                .ok_or_else(|| format!("`{part}`: expected NAME=COLUMN, such as time=Date"))?;
            if alike(&ours).is_empty() {
                return Err(format!("`{ours}` is no column of bot4; expected one of {OURS}"));
            }
            if pairs.iter().any(|(held, _)| *held == ours) {
                return Err(format!("`{ours}` is given twice"));
            }
            pairs.push((ours, theirs));
        }
        Ok(Self(pairs))
    }

    /// Whether nothing is said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the columns of a file (lower case) the names they are known by.
    pub(crate) fn rename(&self, names: &mut [String], file: &str) -> Result<(), HistoryError> {
        let found = names.to_vec();
        let mut taken = Vec::with_capacity(self.0.len());
        for (ours, theirs) in &self.0 {
            let by_number = || theirs.parse::<usize>().ok().filter(|n| (1..=found.len()).contains(n)).map(|n| n - 1);
            let at = found.iter().position(|n| n == theirs).or_else(by_number).ok_or_else(|| {
                HistoryError::MissingColumn { file: file.to_owned(), column: theirs.clone(), found: found.join(", ") }
            })?;
            taken.push((at, ours));
        }
        for (_, ours) in &taken {
            let alike = alike(ours);
            for name in names.iter_mut().filter(|name| alike.contains(&name.as_str())) {
                name.clear();
            }
        }
        for (at, ours) in taken {
            if let Some(name) = names.get_mut(at) {
                name.clone_from(ours);
            }
        }
        Ok(())
    }
}

/// As headers are compared: lower case, blanks as underscores.
pub(crate) fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(' ', "_")
}

/// All names that mean the same as `ours`; none if it means nothing.
fn alike(ours: &str) -> Vec<&'static str> {
    let time: Vec<&'static str> = TIME_NAMES.iter().map(|(name, _)| *name).collect();
    let fields = DataKind::ALL.iter().flat_map(|kind| fields(*kind)).map(|f| f.names.to_vec());
    std::iter::once(time).chain(fields).filter(|names| names.contains(&ours)).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(map: &str, names: &[&str]) -> Result<String, String> {
        let mut names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        ColumnMap::parse(map)?.rename(&mut names, "x.csv").map_err(|e| e.to_string())?;
        Ok(names.join(" "))
    }

    #[test]
    fn columns_get_the_names_that_are_said() {
        assert_eq!(renamed("time=Date,open=O", &["date", "o", "high"]).unwrap(), "time open high");
        assert_eq!(
            renamed("close=Adj Close", &["close", "adj_close"]).unwrap(),
            " close",
            "the other close is not meant"
        );
        assert_eq!(renamed("time=2,open=1", &["a", "b"]).unwrap(), "open time", "by number");
        assert_eq!(renamed("open=close,close=open", &["open", "close"]).unwrap(), "close open", "exchanged");
        assert_eq!(renamed("volume=3", &["3", "b", "c"]).unwrap(), "volume b c", "a name goes before a number");
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert!(renamed("open=X", &["a", "b"]).unwrap_err().contains("no column x; it has a, b"));
        for (text, said) in
            [("open", "expected NAME=COLUMN"), ("opne=X", "`opne` is no column"), ("open=a,open=b", "twice")]
        {
            assert!(ColumnMap::parse(text).unwrap_err().contains(said), "{text}");
        }
    }
}
