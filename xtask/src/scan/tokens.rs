//! The rules that read tokens, so that macro bodies are held to them as well, and the comments between tokens.
//!
//! In:  the tokens of a file with their context. Out: findings.

use super::context::{Context, File};
use super::words::Rules;
use crate::outcome::Finding;
use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use std::ops::Range;

/// Applies all rules to one file; `production` says whether those of production code hold.
pub fn check(path: &str, text: &str, file: &File, production: bool, rules: &Rules) -> Vec<Finding> {
    let mut walk = Walk { path, production, rules, context: &file.context, spans: Vec::new(), findings: Vec::new() };
    walk.stream(&file.tokens);
    for (span, name) in &file.context.silenced {
        if walk.is_production(*span) {
            let expected = "a parameter that is used, or none: an unused input is a suspected logic error";
            walk.find(*span, format!("parameter `{name}` is silenced"), expected);
        }
    }
    let spans = std::mem::take(&mut walk.spans);
    for gap in gaps(spans, text.len()) {
        let line = 1 + text.get(..gap.start).unwrap_or_default().matches('\n').count();
        for (offset, comment) in text.get(gap).unwrap_or_default().lines().enumerate() {
            if let Some(marker) = rules.marker(comment) {
                walk.find_line(line + offset, format!("`{marker}` in a comment"), "finished work");
            }
        }
    }
    walk.findings
}

/// What lies between the tokens: blanks and comments that are not documentation.
fn gaps(mut spans: Vec<Range<usize>>, end: usize) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| span.start);
    let mut gaps = Vec::new();
    let mut at = 0;
    for span in spans {
        if span.start > at {
            gaps.push(at..span.start);
        }
        at = at.max(span.end);
    }
    gaps.push(at..end.max(at));
    gaps
}

struct Walk<'a> {
    path: &'a str,
    production: bool,
    rules: &'a Rules,
    context: &'a Context,
    spans: Vec<Range<usize>>,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn is_production(&self, span: Span) -> bool {
        self.production && !self.context.is_test(span)
    }

    fn find(&mut self, span: Span, what: String, expected: &str) {
        self.find_line(span.start().line, what, expected);
    }

    fn find_line(&mut self, line: usize, what: String, expected: &str) {
        self.findings.push(Finding::new(format!("{}:{line}", self.path), what, expected));
    }

    fn stream(&mut self, stream: &TokenStream) {
        let tokens: Vec<TokenTree> = stream.clone().into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let before = |back: usize| index.checked_sub(back).and_then(|at| tokens.get(at));
            match token {
                TokenTree::Ident(name) => {
                    self.spans.push(name.span().byte_range());
                    let call = Call {
                        after_dot: is_punct(before(1), '.') && !is_punct(before(2), '.'),
                        after_colons: is_punct(before(1), ':') && is_punct(before(2), ':'),
                        macro_body: macro_body(tokens.get(index + 1), tokens.get(index + 2)),
                    };
                    self.name(name, &call);
                }
                TokenTree::Literal(literal) => {
                    self.spans.push(literal.span().byte_range());
                    let documents = is_punct(before(1), '=') && is_ident(before(2), "doc");
                    self.literal(literal, documents);
                }
                TokenTree::Punct(punct) => self.spans.push(punct.span().byte_range()),
                TokenTree::Group(group) => {
                    self.spans.push(group.span_open().byte_range());
                    self.spans.push(group.span_close().byte_range());
                    let after_hash = is_punct(before(1), '#') || (is_punct(before(1), '!') && is_punct(before(2), '#'));
                    if after_hash && group.delimiter() == Delimiter::Bracket {
                        self.attribute(group);
                    }
                    self.stream(&group.stream());
                }
            }
        }
    }

    /// An ignored test is one that cannot fail, in test code as elsewhere.
    fn attribute(&mut self, group: &Group) {
        let mut inside = group.stream().into_iter();
        let Some(TokenTree::Ident(name)) = inside.next() else { return };
        let mut conditional = || match inside.next() {
            Some(TokenTree::Group(list)) => list.stream().into_iter().any(|token| is_ident(Some(&token), "ignore")),
            _ => false,
        };
        if name == "ignore" || (name == "cfg_attr" && conditional()) {
            self.find(group.span_open(), "an ignored test".into(), "a test that runs, or none");
        }
    }

    fn name(&mut self, name: &Ident, call: &Call) {
        let span = name.span();
        if !self.is_production(span) {
            return;
        }
        let text = name.to_string();
        if let Some(word) = self.rules.word(&text) {
            self.find(span, format!("name `{text}` with the word `{word}`"), "the real thing, or code for tests only");
        }
        if call.after_dot || call.after_colons {
            match text.as_str() {
                "unwrap" | "unwrap_err" | "unwrap_unchecked" => {
                    self.find(span, format!("`{text}` in production code"), "an error that the caller can act upon");
                }
                "expect" | "expect_err" if !self.context.may_expect(span) => {
                    let expected =
                        "an error, or #[expect(clippy::expect_used, reason = \"...\")] on the item or statement";
                    self.find(span, format!("`{text}` in production code"), expected);
                }
                _ => {}
            }
        }
        if let Some(body) = &call.macro_body {
            self.called_macro(span, &text, body);
        }
    }

    fn called_macro(&mut self, span: Span, name: &str, body: &TokenStream) {
        // By the compiler, a panic is a compile error with its message.
        let compile_time = self.context.is_compile_time(span);
        let wrong = match name {
            "todo" | "unimplemented" | "dbg" => Some("finished code"),
            "panic" if !compile_time => Some("an error that the caller can act upon"),
            "panic" | "unreachable" if !begins_with_text(body) => Some("a message that states the invariant"),
            "assert" if !compile_time && arguments(body) < 2 => Some("a message that states the invariant"),
            "assert_eq" | "assert_ne" if arguments(body) < 3 => Some("a message that states the invariant"),
            _ => None,
        };
        if let Some(expected) = wrong {
            self.find(span, format!("`{name}!` in production code"), expected);
        }
    }

    fn literal(&mut self, literal: &Literal, documents: bool) {
        let span = literal.span();
        let text = literal.to_string();
        if !text.contains('"') {
            return;
        }
        if documents && let Some(marker) = self.rules.marker(&text) {
            self.find(span, format!("`{marker}` in documentation"), "finished work");
        }
        if !self.is_production(span) {
            return;
        }
        if let Some(phrase) = self.rules.phrase(&text) {
            self.find(span, format!("the words `{phrase}`"), "finished work");
        }
        // Documentation may say what something is not; what the program says may not.
        if !documents && let Some(word) = self.rules.word(&text) {
            self.find(span, format!("a text with the word `{word}`"), "the real thing, or code for tests only");
        }
    }
}

/// What stands around a name.
struct Call {
    /// `.name`
    after_dot: bool,
    /// `::name`
    after_colons: bool,
    /// The tokens of `name!(...)`.
    macro_body: Option<TokenStream>,
}

fn macro_body(bang: Option<&TokenTree>, body: Option<&TokenTree>) -> Option<TokenStream> {
    match body {
        Some(TokenTree::Group(group)) if is_punct(bang, '!') => Some(group.stream()),
        _ => None,
    }
}

/// Number of arguments between top-level commas; a comma at the end adds none.
fn arguments(body: &TokenStream) -> usize {
    let tokens: Vec<TokenTree> = body.clone().into_iter().collect();
    tokens.split(|token| is_punct(Some(token), ',')).filter(|part| !part.is_empty()).count()
}

fn begins_with_text(body: &TokenStream) -> bool {
    matches!(body.clone().into_iter().next(), Some(TokenTree::Literal(literal)) if literal.to_string().len() > 2)
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}
