//! The frame of a page about risk: the styles of the other reports, no chart library, and a switch of the theme.

use super::page::{POLICY, REPORT_CSS};
use super::text::Escaped;
use std::fmt::Write as _;

/// Styles beside those of all reports.
const CSS: &str = "svg.risk{width:100%;min-width:620px;height:auto;display:block;font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
svg.risk text{fill:var(--muted)}svg.risk .grid{stroke:var(--grid)}svg.risk .zero{stroke:var(--muted)}\
td.ok{background:var(--ok-bg);color:var(--ok)}td.warn{background:var(--warn-bg);color:var(--warn)}td.fault{background:var(--fault-bg);color:var(--fault)}\
.keys+p,.keys+.scroll{margin-top:12px}td.wrap{min-width:16rem}.days{max-height:34rem;overflow:auto}.days thead th{position:sticky;top:0;background:var(--card)}";

/// The switch of the theme is all that a script does here.
const SCRIPT: &str = "(function(){const r=document.documentElement,b=document.getElementById('theme');\
const dark=()=>r.dataset.theme?r.dataset.theme==='dark':matchMedia('(prefers-color-scheme: dark)').matches;\
const name=()=>{b.textContent=dark()?'Light':'Dark';b.setAttribute('aria-label','switch to the '+(dark()?'light':'dark')+' theme')};\
name();b.addEventListener('click',()=>{r.dataset.theme=dark()?'light':'dark';name()})})();";

/// A document: its parts are HTML.
pub(super) struct RiskPage {
    /// Title, as text.
    pub title: String,
    /// What stands above the navigation.
    pub header: String,
    /// Sections of the navigation, anchor and name, with their HTML; empty ones are left out.
    pub sections: Vec<(&'static str, &'static str, String)>,
}

impl RiskPage {
    pub(super) fn html(&self) -> String {
        let shown = || self.sections.iter().filter(|(_, _, html)| !html.is_empty());
        let mut out = String::with_capacity(40_000 + shown().map(|(_, _, html)| html.len()).sum::<usize>());
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{}</title>\n<style>\n{REPORT_CSS}{CSS}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">to the report</a>\n\
             <header>{}</header>\n<nav aria-label=\"sections\"><ul>",
            Escaped(&self.title),
            self.header
        );
        for (anchor, name, _) in shown().filter(|(_, name, _)| !name.is_empty()) {
            let _ = write!(out, "<li><a href=\"#{anchor}\">{name}</a></li>");
        }
        out.push_str("</ul></nav>\n<main id=\"main\">\n");
        shown().for_each(|(_, _, html)| out.push_str(html));
        let _ = write!(
            out,
            "</main>\n<footer>bot4. Times are UTC.</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
        );
        out
    }
}

/// One headline figure.
pub(super) fn card(name: &str, value: &str, class: &str, say: &str) -> String {
    format!(
        "<div class=\"card\"><div class=\"name\">{name}</div><div class=\"value {class}\">{value}</div><div class=\"say\">{say}</div></div>"
    )
}

/// A table: heads (name and whether it is text) and rows of cells that are HTML, each with its class.
pub(super) fn table(heads: &[(&str, bool)], rows: impl IntoIterator<Item = Vec<(String, &'static str)>>) -> String {
    let mut out = String::from("<table class=\"wide\"><thead><tr>");
    for (name, is_text) in heads {
        let class = if *is_text { " class=\"l\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{name}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (n, (cell, class)) in row.into_iter().enumerate() {
            let text = heads.get(n).is_some_and(|(_, is_text)| *is_text);
            let class = match (class, text) {
                ("", true) => "l",
                (class, _) => class,
            };
            let _ = match n {
                0 => write!(out, "<th scope=\"row\">{cell}</th>"),
                _ if class.is_empty() => write!(out, "<td>{cell}</td>"),
                _ => write!(out, "<td class=\"{class}\">{cell}</td>"),
            };
        }
        out.push_str("</tr>");
    }
    out + "</tbody></table>"
}

/// What the names in a page mean.
pub(super) fn meanings(list: &[(&str, &str)]) -> String {
    let mut out = String::from("<dl class=\"defs\">");
    for (name, meaning) in list {
        let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(meaning));
    }
    out + "</dl>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_asks_for_nothing_and_leaves_empty_sections_out() {
        let page = RiskPage {
            title: "<b>".into(),
            header: "<button type=\"button\" id=\"theme\"></button>".into(),
            sections: vec![("a", "A", "<p>here</p>".into()), ("b", "B", String::new())],
        };
        let html = page.html();
        assert!(html.contains("&lt;b&gt;") && html.contains("href=\"#a\"") && !html.contains("href=\"#b\""));
        assert!(!html.contains("http://") && !html.contains("https://") && html.contains("default-src 'none'"));
    }

    #[test]
    fn cells_have_their_classes() {
        let rows = [vec![("x".to_owned(), ""), ("1".to_owned(), "ok"), ("word".to_owned(), "")]];
        let html = table(&[("Name", true), ("N", false), ("Text", true)], rows);
        assert!(html.contains("<th scope=\"row\">x</th><td class=\"ok\">1</td><td class=\"l\">word</td>"), "{html}");
    }
}
