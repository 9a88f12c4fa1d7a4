//! `cargo xtask commit-msg FILE`: the conventional form of a commit message, `type(scope): description`.
//!
//! In:  the file git passes to the commit-msg hook. Out: what is wrong with its first lines.
//! Merge and revert messages that git writes itself pass unread.

use crate::outcome::TaskError;

const TYPES: [&str; 11] =
    ["feat", "fix", "perf", "docs", "test", "refactor", "build", "ci", "chore", "style", "revert"];
/// Longest subject line, in characters.
const SUBJECT_MAX: usize = 100;

/// The command.
pub fn run(arguments: &[String]) -> Result<(), TaskError> {
    let [file] = arguments else { return Err(TaskError::Usage("commit-msg takes one file".into())) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| TaskError::Environment(format!("{file}: cannot be read: {error}")))?;
    check(&text).map_err(|what| {
        TaskError::Environment(format!(
            "commit message: {what}; expected: type(scope): description, with the scope optional and the type one of {}",
            TYPES.join(", ")
        ))
    })
}

fn check(text: &str) -> Result<(), String> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let subject = lines.next().unwrap_or_default();
    if subject.starts_with("Merge ") || subject.starts_with("Revert \"") {
        return Ok(());
    }
    let Some((head, description)) = subject.split_once(": ") else {
        return Err(format!("no `: ` in the subject `{subject}`"));
    };
    let head = head.strip_suffix('!').unwrap_or(head);
    let (kind, scope) = match head.split_once('(') {
        Some((kind, rest)) => {
            (kind, Some(rest.strip_suffix(')').ok_or_else(|| format!("the scope of `{head}` does not end"))?))
        }
        None => (head, None),
    };
    if !TYPES.contains(&kind) {
        return Err(format!("type `{kind}`"));
    }
    let scope_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '/' | ',');
    if scope.is_some_and(|scope| scope.is_empty() || !scope.chars().all(scope_char)) {
        return Err(format!("scope `{}` is not lower-case letters, digits, - _ / ,", scope.unwrap_or_default()));
    }
    if description.trim() != description || description.is_empty() || description.ends_with('.') {
        return Err(format!("description `{description}` is empty, has spaces around it, or ends with a full stop"));
    }
    let length = subject.chars().count();
    if length > SUBJECT_MAX {
        return Err(format!("a subject of {length} characters, more than {SUBJECT_MAX}"));
    }
    match lines.next() {
        Some(second) if !second.trim().is_empty() => Err("no empty line after the subject".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conventional_form_passes() {
        for text in [
            "feat(domain): prices at 1e-12",
            "fix: rounding of fees",
            "perf(quant/simd)!: eight lanes\n\nMeasured: 12 ns.",
            "# a comment of git\nchore: formatting\n",
            "Merge branch 'main'",
            "Revert \"feat: rings\"",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused_with_what_is_wrong() {
        for (text, part) in [
            ("", "no `: `"),
            ("prices at 1e-12", "no `: `"),
            ("feature: prices", "type `feature`"),
            ("feat(domain: prices", "does not end"),
            ("feat(): prices", "scope ``"),
            ("feat(Domain): prices", "scope `Domain`"),
            ("feat: ", "description"),
            ("feat: prices.", "full stop"),
            ("feat: prices\nand more", "no empty line"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(check(&format!("feat: {}", "x".repeat(95))).unwrap_err().contains("101 characters"));
    }
}
