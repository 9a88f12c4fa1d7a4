//! What surrounds a token: test code, a lint lifted with a reason, evaluation at compile time.
//!
//! In:  the text of one Rust file. Out: byte ranges, and the findings that need syntax rather than tokens.

use crate::outcome::Finding;
use proc_macro2::{Span, TokenStream};
use std::ops::Range;
use std::path::Path;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, FnArg, ImplItem, Item, Meta, Pat, Signature, Stmt, Token, TraitItem};

/// Byte ranges of one file, by what holds inside them.
#[derive(Debug, Default)]
pub struct Context {
    test: Vec<Range<usize>>,
    expect_allowed: Vec<Range<usize>>,
    compile_time: Vec<Range<usize>>,
    /// Paths, without extension, of the modules that `#[cfg(test)] mod name;` declares.
    pub test_files: Vec<String>,
    /// Parameters of functions outside traits that are silenced with an underscore, with their lines.
    pub silenced: Vec<(Span, String)>,
}

/// A file that was read: its tokens and their context.
pub struct File {
    /// All tokens, documentation comments included.
    pub tokens: TokenStream,
    /// What surrounds them.
    pub context: Context,
}

impl Context {
    /// Reads one file; a file that does not parse is a finding.
    pub fn read(path: &str, text: &str) -> Result<File, Finding> {
        let unreadable = |line: usize, error: &dyn std::fmt::Display| {
            Finding::new(format!("{path}:{line}"), format!("cannot be read: {error}"), "a Rust source file")
        };
        let tokens: TokenStream =
            text.parse().map_err(|error: proc_macro2::LexError| unreadable(error.span().start().line, &error))?;
        let syntax: syn::File =
            syn::parse2(tokens.clone()).map_err(|error| unreadable(error.span().start().line, &error))?;
        let mut visitor = Visitor { context: Self::default(), modules: module_folder(path) };
        if syntax.attrs.iter().any(is_test_only) {
            visitor.context.test.push(0..text.len());
        }
        visitor.visit_file(&syntax);
        Ok(File { tokens, context: visitor.context })
    }

    /// Whether the token is compiled for tests only.
    pub fn is_test(&self, span: Span) -> bool {
        within(&self.test, span)
    }

    /// Whether `expect` is allowed here by an attribute with a reason on the item or statement around it.
    pub fn may_expect(&self, span: Span) -> bool {
        within(&self.expect_allowed, span)
    }

    /// Whether the token is evaluated by the compiler, where a panic is a compile error.
    pub fn is_compile_time(&self, span: Span) -> bool {
        within(&self.compile_time, span)
    }
}

fn within(ranges: &[Range<usize>], span: Span) -> bool {
    let at = span.byte_range().start;
    ranges.iter().any(|range| range.contains(&at))
}

/// The folder, from the workspace root, in which the child modules of a file lie.
fn module_folder(path: &str) -> String {
    let path = Path::new(path);
    let folder = path.parent().unwrap_or(Path::new(""));
    let own = match path.file_stem().and_then(|stem| stem.to_str()) {
        None | Some("main" | "lib" | "mod") => folder.to_path_buf(),
        Some(stem) => folder.join(stem),
    };
    own.display().to_string()
}

struct Visitor {
    context: Context,
    modules: String,
}

impl Visitor {
    fn note(&mut self, attributes: &[Attribute], node: &dyn Spanned) {
        if attributes.iter().any(is_test_only) {
            self.context.test.push(node.span().byte_range());
        }
        if attributes.iter().any(lifts_expect) {
            self.context.expect_allowed.push(node.span().byte_range());
        }
    }

    fn silenced_parameters(&mut self, signature: &Signature) {
        for input in &signature.inputs {
            let FnArg::Typed(typed) = input else { continue };
            match &*typed.pat {
                Pat::Wild(wild) => self.context.silenced.push((wild.span(), "_".into())),
                Pat::Ident(name) if name.ident.to_string().starts_with('_') => {
                    self.context.silenced.push((name.span(), name.ident.to_string()));
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item(&mut self, item: &'ast Item) {
        // A lint lifted for a whole module is too wide to carry one reason, so a module only counts as test code.
        match item {
            Item::Mod(module) => {
                if module.attrs.iter().any(is_test_only) {
                    self.context.test.push(module.span().byte_range());
                    if module.content.is_none() {
                        let name = module.ident.to_string();
                        let path = Path::new(&self.modules).join(name.trim_start_matches("r#"));
                        self.context.test_files.push(path.display().to_string());
                    }
                }
                // Child modules of an inline module lie in a folder of its name.
                let outer = self.modules.clone();
                self.modules = Path::new(&outer).join(module.ident.to_string()).display().to_string();
                visit::visit_item(self, item);
                self.modules = outer;
                return;
            }
            Item::Fn(function) => {
                self.note(&function.attrs, function);
                self.silenced_parameters(&function.sig);
            }
            Item::Const(constant) => {
                self.note(&constant.attrs, constant);
                self.context.compile_time.push(constant.span().byte_range());
            }
            Item::Static(fixed) => {
                self.note(&fixed.attrs, fixed);
                self.context.compile_time.push(fixed.span().byte_range());
            }
            Item::Impl(block) => self.note(&block.attrs, block),
            Item::Trait(block) => self.note(&block.attrs, block),
            Item::Struct(item) => self.note(&item.attrs, item),
            Item::Enum(item) => self.note(&item.attrs, item),
            Item::Type(item) => self.note(&item.attrs, item),
            Item::Union(item) => self.note(&item.attrs, item),
            Item::Use(item) => self.note(&item.attrs, item),
            Item::Macro(item) => self.note(&item.attrs, item),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        // A trait prescribes the parameters of its implementations; our own functions have only those they use.
        if block.trait_.is_none() {
            for item in &block.items {
                if let ImplItem::Fn(function) = item {
                    self.silenced_parameters(&function.sig);
                }
            }
        }
        visit::visit_item_impl(self, block);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        match item {
            ImplItem::Fn(function) => self.note(&function.attrs, function),
            ImplItem::Const(constant) => {
                self.note(&constant.attrs, constant);
                self.context.compile_time.push(constant.span().byte_range());
            }
            _ => {}
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        match item {
            TraitItem::Fn(function) => self.note(&function.attrs, function),
            TraitItem::Const(constant) => {
                self.note(&constant.attrs, constant);
                self.context.compile_time.push(constant.span().byte_range());
            }
            _ => {}
        }
        visit::visit_trait_item(self, item);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        match statement {
            Stmt::Local(local) => self.note(&local.attrs, local),
            Stmt::Macro(call) => self.note(&call.attrs, call),
            Stmt::Item(_) | Stmt::Expr(..) => {}
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Block(e) => self.note(&e.attrs, e),
            Expr::Call(e) => self.note(&e.attrs, e),
            Expr::MethodCall(e) => self.note(&e.attrs, e),
            Expr::If(e) => self.note(&e.attrs, e),
            Expr::Match(e) => self.note(&e.attrs, e),
            Expr::ForLoop(e) => self.note(&e.attrs, e),
            Expr::Loop(e) => self.note(&e.attrs, e),
            Expr::While(e) => self.note(&e.attrs, e),
            Expr::Macro(e) => self.note(&e.attrs, e),
            Expr::Const(e) => {
                self.note(&e.attrs, e);
                self.context.compile_time.push(e.span().byte_range());
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.note(&arm.attrs, arm);
        visit::visit_arm(self, arm);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.note(&field.attrs, field);
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.note(&variant.attrs, variant);
        visit::visit_variant(self, variant);
    }

    fn visit_field_value(&mut self, value: &'ast syn::FieldValue) {
        self.note(&value.attrs, value);
        visit::visit_field_value(self, value);
    }
}

/// `#[test]`, or a `#[cfg]` that holds in test builds only.
fn is_test_only(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|meta| implies_test(&meta))
}

/// Whether a condition can only hold in a test build: one part of `all`, every part of `any`.
fn implies_test(meta: &Meta) -> bool {
    let parts = || {
        let list = meta.require_list().ok()?;
        list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()
    };
    if meta.path().is_ident("test") {
        return matches!(meta, Meta::Path(_));
    }
    if meta.path().is_ident("all") {
        return parts().is_some_and(|parts| parts.iter().any(implies_test));
    }
    meta.path().is_ident("any") && parts().is_some_and(|parts| !parts.is_empty() && parts.iter().all(implies_test))
}

/// `#[expect(clippy::expect_used, reason = "...")]` or the same with `allow`, the reason not empty.
fn lifts_expect(attribute: &Attribute) -> bool {
    if !attribute.path().is_ident("expect") && !attribute.path().is_ident("allow") {
        return false;
    }
    let Ok(parts) = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else { return false };
    let names_lint = parts.iter().any(|part| {
        let names: Vec<String> = part.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
        names == ["clippy", "expect_used"]
    });
    let has_reason = parts.iter().any(|part| {
        part.path().is_ident("reason")
            && part.require_name_value().is_ok_and(|pair| {
                matches!(&pair.value, Expr::Lit(literal) if matches!(&literal.lit, syn::Lit::Str(s) if !s.value().trim().is_empty()))
            })
    });
    names_lint && has_reason
}
