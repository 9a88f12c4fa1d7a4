//! Licence expressions as manifests carry them: SPDX `AND`, `OR`, `WITH` and parentheses.
//!
//! In:  the text of a `license` field. Out: a tree that can be asked whether a set of allowed licences satisfies it.
//! The old form `MIT/Apache-2.0` is read as `OR`, as cargo does. `+` (or later) stays part of the name.

/// A licence expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One licence, with its exception as part of the name: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    /// All of them hold.
    All(Vec<Expression>),
    /// One may be chosen.
    Any(Vec<Expression>),
}

impl Expression {
    /// Whether some choice needs allowed licences only.
    pub fn satisfied_by(&self, allowed: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(name) => allowed(name),
            Self::All(parts) => parts.iter().all(|part| part.satisfied_by(allowed)),
            Self::Any(parts) => parts.iter().any(|part| part.satisfied_by(allowed)),
        }
    }

    /// Names of all licences in it, in order.
    pub fn licences(&self) -> Vec<&str> {
        match self {
            Self::Licence(name) => vec![name],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::licences).collect(),
        }
    }
}

/// Reads an expression; the error says what was found where something else was expected.
pub fn parse(text: &str) -> Result<Expression, String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let expression = any(&mut words)?;
    match words.next() {
        None => Ok(expression),
        Some(word) => Err(format!("`{word}` after the end of the expression")),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// `OR` binds less than `AND`.
fn any(words: &mut Words<'_>) -> Result<Expression, String> {
    let mut parts = vec![all(words)?];
    while words.next_if_eq(&"OR").is_some() {
        parts.push(all(words)?);
    }
    Ok(one_or(parts, Expression::Any))
}

fn all(words: &mut Words<'_>) -> Result<Expression, String> {
    let mut parts = vec![term(words)?];
    while words.next_if_eq(&"AND").is_some() {
        parts.push(term(words)?);
    }
    Ok(one_or(parts, Expression::All))
}

fn term(words: &mut Words<'_>) -> Result<Expression, String> {
    match words.next() {
        Some("(") => {
            let inside = any(words)?;
            match words.next() {
                Some(")") => Ok(inside),
                other => Err(format!("{} where `)` was expected", shown(other))),
            }
        }
        Some(name) if is_name(name) => {
            if words.next_if_eq(&"WITH").is_none() {
                return Ok(Expression::Licence(name.to_owned()));
            }
            match words.next() {
                Some(exception) if is_name(exception) => Ok(Expression::Licence(format!("{name} WITH {exception}"))),
                other => Err(format!("{} where an exception was expected", shown(other))),
            }
        }
        other => Err(format!("{} where a licence was expected", shown(other))),
    }
}

fn one_or(mut parts: Vec<Expression>, group: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            parts.extend(last);
            group(parts)
        }
    }
}

fn is_name(word: &str) -> bool {
    !matches!(word, "AND" | "OR" | "WITH")
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+' | ':'))
}

fn shown(word: Option<&str>) -> String {
    word.map_or_else(|| "the end".to_owned(), |word| format!("`{word}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> bool {
        let allowed =
            |name: &str| ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].contains(&name);
        parse(text).unwrap().satisfied_by(&allowed)
    }

    #[test]
    fn choices_and_sums() {
        assert!(ok("MIT") && ok("GPL-3.0-only OR MIT") && ok("GPL-2.0/MIT") && ok("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!ok("GPL-3.0-only") && !ok("MIT AND GPL-3.0-only") && !ok("(MIT OR Apache-2.0) AND Zlib"));
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(ok("MIT OR Zlib AND GPL-3.0"));
        assert!(!ok("(MIT OR Zlib) AND GPL-3.0"));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(ok("Apache-2.0 WITH LLVM-exception") && ok("Zlib OR Apache-2.0 WITH LLVM-exception OR GPL-2.0"));
        assert!(!ok("MIT WITH LLVM-exception"));
        assert_eq!(parse("A WITH B AND (C OR D)").unwrap().licences(), ["A WITH B", "C", "D"],);
    }

    #[test]
    fn what_is_not_an_expression_is_refused() {
        for text in ["", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT Apache-2.0", "MIT WITH", "MIT WITH OR", "M!T"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
