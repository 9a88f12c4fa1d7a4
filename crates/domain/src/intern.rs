//! Text identifiers as small numbers.

/// Texts numbered in the order of their first use. Looking up a number costs an index, finding a text a scan of a sorted list.
#[derive(Clone, Debug, Default)]
pub struct Interner {
    texts: Vec<Box<str>>,
    by_text: Vec<u32>,
}

impl Interner {
    /// The number of `text`, which is new if it was not seen before. `None` when 2^32 texts are held.
    pub fn intern(&mut self, text: &str) -> Option<u32> {
        match self.position(text) {
            Ok(at) => self.by_text.get(at).copied(),
            Err(at) => {
                let number = u32::try_from(self.texts.len()).ok()?;
                self.texts.push(text.into());
                self.by_text.insert(at, number);
                Some(number)
            }
        }
    }

    /// The number of `text`, if it was seen.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        self.position(text).ok().and_then(|at| self.by_text.get(at).copied())
    }

    /// The text of a number.
    #[must_use]
    pub fn text(&self, number: u32) -> Option<&str> {
        self.texts.get(number as usize).map(AsRef::as_ref)
    }

    /// How many texts are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    fn position(&self, text: &str) -> Result<usize, usize> {
        self.by_text.binary_search_by(|&number| self.text(number).unwrap_or_default().cmp(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_first_use_and_stay() {
        let mut names = Interner::default();
        assert_eq!(["b", "a", "b", "c"].map(|t| names.intern(t).unwrap()), [0, 1, 0, 2]);
        assert_eq!(names.find("a"), Some(1));
        assert_eq!(names.find("z"), None);
        assert_eq!(names.text(2), Some("c"));
        assert_eq!((names.len(), names.is_empty()), (3, false));
    }
}
