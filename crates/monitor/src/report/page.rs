//! The frame of a page: head, styles, scripts, and the pieces that single reports and comparisons share.

use super::definitions::DEFINITIONS;
use super::text::{Escaped, json_in_script};
use std::fmt::Write as _;

const UPLOT_JS: &str = include_str!("../../assets/uPlot.iife.min.js");
const UPLOT_CSS: &str = include_str!("../../assets/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("../../assets/uPlot.LICENSE");
const REPORT_JS: &str = include_str!("../../assets/report.js");
pub(super) const REPORT_CSS: &str = include_str!("../../assets/report.css");

/// Nothing may be asked for from anywhere: what is in the page is all.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A document: its parts are HTML, `data` is JSON.
pub(super) struct Page {
    /// Title, as text.
    pub title: String,
    /// What stands above the navigation.
    pub header: String,
    /// Sections of the navigation: anchor and name.
    pub sections: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: String,
    /// What the charts are made of.
    pub data: String,
}

impl Page {
    pub(super) fn html(&self) -> String {
        let mut out = String::with_capacity(self.body.len() + self.data.len() + self.data.len() / 8 + 140_000);
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{}</title>\n<style>\n{UPLOT_CSS}\n{REPORT_CSS}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">to the report</a>\n\
             <header>{}</header>\n<nav aria-label=\"sections\"><ul>",
            Escaped(&self.title),
            self.header
        );
        for (anchor, name) in &self.sections {
            let _ = write!(out, "<li><a href=\"#{anchor}\">{name}</a></li>");
        }
        let _ = write!(
            out,
            "</ul></nav>\n<main id=\"main\">\n{}\n{}\n</main>\n<footer>bot4. Times are UTC. Charts: uPlot, MIT licence, text at the end of this file's source.</footer>\n\
             <script type=\"application/json\" id=\"data\">",
            self.body,
            definitions()
        );
        out.push_str(&json_in_script(&self.data));
        out.push_str("</script>\n<script>\n");
        out.push_str(UPLOT_JS);
        out.push_str("\n</script>\n<script>\n");
        out.push_str(REPORT_JS);
        out.push_str("</script>\n<!--\n");
        out.push_str(UPLOT_LICENCE);
        out.push_str("-->\n</body>\n</html>\n");
        out
    }
}

/// The top line: what made the page, its badges (HTML), and the switch of the theme.
pub(super) fn top(badges: &str) -> String {
    format!(
        "<div class=\"top\"><span class=\"brand\">bot4</span>{badges}<span class=\"space\"></span><button type=\"button\" id=\"theme\" class=\"theme\">Theme</button></div>"
    )
}

/// A badge; `kind` is one of the style's.
pub(super) fn badge(kind: &str, text: &str) -> String {
    format!("<span class=\"badge {kind}\">{}</span>", Escaped(text))
}

/// The name of a figure, linked to its definition.
pub(super) fn defined(key: &str, name: &str) -> String {
    format!("<a class=\"def\" href=\"#def-{key}\">{}</a>", Escaped(name))
}

/// A section with its heading.
pub(super) fn section(id: &str, heading: &str, body: &str) -> String {
    format!("<section id=\"{id}\"><h2>{heading}</h2>{body}</section>\n")
}

/// A chart's place. What the chart shows is told to those who cannot see it.
pub(super) fn chart(id: &str, label: &str) -> String {
    format!("<div class=\"chart\" id=\"{id}\" data-label=\"{}\"></div>", Escaped(label))
}

/// A table that scrolls by itself where it is wider than the page.
pub(super) fn scroll(label: &str, table: &str) -> String {
    format!("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">{table}</div>", Escaped(label))
}

/// The buttons that move all charts of time.
pub(super) const TIME_TOOLS: &str = "<div class=\"tools\" role=\"group\" aria-label=\"time shown in all charts\">\
    <button type=\"button\" data-move=\"all\">All</button><button type=\"button\" data-days=\"365\" data-move=\"days\">1 y</button>\
    <button type=\"button\" data-days=\"90\" data-move=\"days\">90 d</button><button type=\"button\" data-days=\"30\" data-move=\"days\">30 d</button>\
    <button type=\"button\" data-days=\"7\" data-move=\"days\">7 d</button>\
    <button type=\"button\" data-move=\"left\" aria-label=\"earlier\">◀</button><button type=\"button\" data-move=\"right\" aria-label=\"later\">▶</button>\
    <button type=\"button\" data-move=\"in\" aria-label=\"zoom in\">+</button><button type=\"button\" data-move=\"out\" aria-label=\"zoom out\">−</button>\
    <span class=\"span\"></span></div>";

/// How the charts are used.
pub(super) const HINT: &str = "<ul class=\"keys hint\"><li>Drag across a chart to zoom all of them</li><li>double click for everything</li><li>Ctrl or Shift with the wheel zooms</li></ul>";

/// A list of lines of text, or the words for none.
pub(super) fn list<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> String {
    let mut out = String::from("<ul class=\"plain\">");
    for line in lines {
        let _ = write!(out, "<li>{}</li>", Escaped(line.as_ref()));
    }
    out + "</ul>"
}

fn definitions() -> String {
    let mut out = String::from("<dl class=\"defs\">");
    for d in DEFINITIONS {
        let _ = write!(
            out,
            "<dt id=\"def-{}\">{}</dt><dd>{}<code>{}</code>",
            d.key,
            Escaped(d.name),
            Escaped(d.meaning),
            Escaped(d.formula)
        );
        if !d.source.is_empty() {
            let _ = write!(out, "<span class=\"src\">{}</span>", Escaped(d.source));
        }
        out.push_str("</dd>");
    }
    out.push_str("</dl>");
    section("definitions", "What the figures mean", &out).replacen("<section", "<section class=\"long\"", 1)
}
