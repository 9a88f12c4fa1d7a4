//! The word lists of no-fakes.txt, and how a text is searched for them.

/// Where the lists stand.
pub const FILE: &str = "xtask/no-fakes.txt";

/// The lists by kind.
#[derive(Debug, Default)]
pub struct Rules {
    words: Vec<String>,
    exceptions: Vec<String>,
    markers: Vec<String>,
    phrases: Vec<String>,
    /// Names of top-level folders of a machine.
    pub folders: Vec<String>,
}

impl Rules {
    /// Reads the lists; a line of another kind is no rule.
    pub fn parse(text: &str) -> Self {
        let mut rules = Self::default();
        for (kind, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let list = match kind {
                "word" => &mut rules.words,
                "except" => &mut rules.exceptions,
                "marker" => &mut rules.markers,
                "phrase" => &mut rules.phrases,
                "folder" => &mut rules.folders,
                _ => continue,
            };
            list.push(value.to_owned());
        }
        rules
    }

    /// The first listed word in a name or text. Names are split at underscores and at capitals.
    pub fn word<'a>(&'a self, text: &str) -> Option<&'a str> {
        let mut rest = text.to_owned();
        for exception in &self.exceptions {
            rest = rest.replace(exception, " ");
        }
        let found = split(&rest).into_iter().find_map(|word| self.words.iter().find(|listed| **listed == word));
        found.map(String::as_str)
    }

    /// The first marker of unfinished work, as a whole word.
    pub fn marker<'a>(&'a self, text: &str) -> Option<&'a str> {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.find_map(|word| self.markers.iter().find(|marker| *marker == word)).map(String::as_str)
    }

    /// The first phrase of unfinished work, in any spelling.
    pub fn phrase<'a>(&'a self, text: &str) -> Option<&'a str> {
        let lower = text.to_lowercase();
        self.phrases.iter().find(|phrase| lower.contains(phrase.as_str())).map(String::as_str)
    }
}

/// Lower-case words of a text or of a name in any case convention.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in text.chars() {
        let boundary = !c.is_alphanumeric() || (c.is_uppercase() && after_lower);
        if boundary {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_in_every_convention() {
        assert_eq!(split("bookLevel"), ["book", "level"]);
        assert_eq!(split("BOOK_LEVEL_2"), ["book", "level", "2"]);
        assert_eq!(split("a Text, with-words"), ["a", "text", "with", "words"]);
    }

    #[test]
    fn a_line_of_another_kind_is_no_rule() {
        let rules = Rules::parse("# word a\nother b\nword c\nmarker D\nphrase e f\nfolder g\nexcept c-c\n");
        assert_eq!(rules.word("a b"), None);
        assert_eq!(rules.word("xC"), Some("c"));
        assert_eq!(rules.word("c-c"), None);
        assert_eq!((rules.marker("a D!"), rules.marker("d AD")), (Some("D"), None));
        assert_eq!(rules.phrase("E F"), Some("e f"));
        assert_eq!(rules.folders, ["g"]);
    }
}
