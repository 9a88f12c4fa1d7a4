//! The layer table of ARCHITECTURE.md, read from its Markdown.
//!
//! In:  the document's text.
//! Out: one [`Row`] per crate, and the outside crates that the core may use.
//! It says nothing about manifests: `layers` compares.

use crate::outcome::Finding;

/// The document both tables stand in.
pub const DOCUMENT: &str = "ARCHITECTURE.md";
/// Header of the layer table.
const LAYER_HEADER: [&str; 5] = ["layer", "crate", "purpose", "may depend on", "holds"];
/// Header of the table of outside crates.
const OUTSIDE_HEADER: [&str; 2] = ["outside crate", "what the core uses it for"];

/// Where a crate stands. The order of the variants is the order of the layers: an arrow points to a smaller value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Layers 0 to 4: the library of the engine.
    Numbered(u8),
    /// The world around the engine: files, venues, reports.
    Edge,
    /// The binary.
    Top,
    /// Development only: nothing that ships depends on it.
    Development,
}

impl Layer {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "edge" => Some(Self::Edge),
            "top" => Some(Self::Top),
            "dev" => Some(Self::Development),
            number => number.parse().ok().filter(|n| *n <= 4).map(Self::Numbered),
        }
    }
}

/// One crate of the layer table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line in the document, from 1.
    pub line: usize,
    /// Its layer.
    pub layer: Layer,
    /// Its package name.
    pub name: String,
    /// Crates it may depend on, by name, `all` as written.
    pub arrows: Vec<String>,
}

/// One outside crate that core crates may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Line in the document, from 1.
    pub line: usize,
    /// Its package name.
    pub name: String,
}

/// Both tables of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// The layer table.
    pub rows: Vec<Row>,
    /// The outside crates of the core.
    pub outside: Vec<Outside>,
}

/// Reads both tables; what cannot be read is a finding and its row is left out.
pub fn parse(text: &str) -> (Tables, Vec<Finding>) {
    let mut tables = Tables::default();
    let mut findings = Vec::new();
    for (line, cells) in body(text, &LAYER_HEADER, &mut findings) {
        let [layer, name, purpose, arrows, holds] = cells.as_slice() else { continue };
        let Some(layer) = Layer::parse(layer) else {
            findings.push(Finding::new(place(line), format!("layer `{layer}`"), "0 to 4, edge, top or dev"));
            continue;
        };
        if purpose.is_empty() || holds.is_empty() {
            findings.push(Finding::new(place(line), "an empty cell", "purpose and contents of the crate"));
        }
        let arrows = arrows.split_whitespace().map(bare).filter(|a| !matches!(*a, "–" | "-")).map(str::to_owned);
        tables.rows.push(Row { line, layer, name: bare(name).to_owned(), arrows: arrows.collect() });
    }
    for (line, cells) in body(text, &OUTSIDE_HEADER, &mut findings) {
        let [name, reason] = cells.as_slice() else { continue };
        if reason.is_empty() {
            findings.push(Finding::new(place(line), format!("`{name}` without a reason"), "what the core uses it for"));
        }
        tables.outside.push(Outside { line, name: bare(name).to_owned() });
    }
    (tables, findings)
}

/// `ARCHITECTURE.md:line`.
pub fn place(line: usize) -> String {
    format!("{DOCUMENT}:{line}")
}

/// Rows below the one table with this header, each with its line number and as many cells as the header.
fn body<'a>(text: &'a str, header: &[&str], findings: &mut Vec<Finding>) -> Vec<(usize, Vec<&'a str>)> {
    let mut rows = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    if !lines.any(|(_, line)| cells(line).is_some_and(|c| c == header)) {
        let expected = format!("a table with the header | {} |", header.join(" | "));
        findings.push(Finding::new(DOCUMENT, "the table is missing", expected));
        return rows;
    }
    for (line, content) in lines {
        let Some(cells) = cells(content) else { break };
        if cells.iter().all(|c| !c.is_empty() && c.chars().all(|x| matches!(x, '-' | ':'))) {
            continue;
        }
        if cells.len() != header.len() {
            let what = format!("a row of {} cells", cells.len());
            findings.push(Finding::new(place(line), what, format!("{} cells", header.len())));
            continue;
        }
        rows.push((line, cells));
    }
    if rows.is_empty() {
        findings.push(Finding::new(DOCUMENT, format!("the table of `{}` has no rows", header.join("`, `")), "rows"));
    }
    rows
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

fn bare(cell: &str) -> &str {
    cell.trim_matches('`')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Map\n\n| layer | crate | purpose | may depend on | holds |\n|---|---|---|---|---|\n\
        | 0 | `domain` | words | – | `price` |\n| 1 | `portfolio` | sums | domain quant | `ledger` |\n\
        | top | `bot4` | binary | all | `main` |\n\nText.\n\n\
        | outside crate | what the core uses it for |\n|---|---|\n| `libm` | logarithms |\n";

    #[test]
    fn both_tables_are_read() {
        let (tables, findings) = parse(TEXT);
        assert_eq!(findings, vec![]);
        assert_eq!(tables.rows.len(), 3);
        assert_eq!(tables.rows[0].arrows, Vec::<String>::new());
        assert_eq!(tables.rows[1].arrows, ["domain", "quant"]);
        assert_eq!((tables.rows[1].line, tables.rows[1].layer), (6, Layer::Numbered(1)));
        assert_eq!(tables.rows[2].layer, Layer::Top);
        assert_eq!(tables.outside[0].name, "libm");
    }

    #[test]
    fn a_layer_that_does_not_exist_is_a_finding() {
        let (_, findings) = parse(&TEXT.replace("| 1 |", "| 7 |"));
        assert_eq!(findings[0].place, "ARCHITECTURE.md:6");
    }

    #[test]
    fn a_short_row_and_a_missing_table_are_findings() {
        let (_, findings) = parse(&TEXT.replace("| words |", "|"));
        assert!(findings[0].what.contains("4 cells"), "{findings:?}");
        let (tables, findings) = parse("# Map\n");
        assert_eq!((tables, findings.len()), (Tables::default(), 2));
    }

    #[test]
    fn layers_are_ordered() {
        assert!(Layer::Numbered(4) < Layer::Edge && Layer::Edge < Layer::Top && Layer::Top < Layer::Development);
    }
}
