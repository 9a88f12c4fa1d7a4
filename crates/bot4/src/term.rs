//! The terminal: colours where they are wanted, text and tables that fit its width.
//!
//! Colours follow `--color`, then `NO_COLOR`, then whether the stream is a terminal. Texts are made with styles in them; what prints them takes
//! the styles out where they are not wanted, so that files and pipes get plain text. Widths: `COLUMNS` if it says one, else the terminal's;
//! where there is none, nothing is wrapped.

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use std::io::{self, Write as _};

/// What heads a table or a part of a text.
pub const HEADING: Style = Style::new().bold();
/// What must be looked at first.
pub const ERROR: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// What should be looked at.
pub const WARNING: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// A name that can be typed.
pub const NAME: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Cyan)));
/// What is there for completeness.
pub const FAINT: Style = Style::new().dimmed();

/// When colours are used.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On terminals, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// What the arguments of the program say, before they are parsed: their own errors are coloured too.
    #[must_use]
    pub fn of_arguments(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let text = match argument.split_once('=') {
                Some(("--color", text)) => Some(text.to_owned()),
                _ if argument == "--color" => arguments.next(),
                _ => None,
            };
            if let Some(colour) = text.and_then(|text| Self::from_str(&text, false).ok()) {
                return colour;
            }
        }
        Self::Auto
    }

    /// Makes it hold for everything that is printed from now on.
    pub fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }

    /// The same for help and usage.
    #[must_use]
    pub const fn of_help(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }
}

/// A text in a style.
#[must_use]
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints on standard output, wrapped to its width. Who reads only the first lines has what he wanted.
///
/// # Errors
/// If standard output cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(fit(text, width()).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says on standard error what went wrong.
pub fn complain(message: &str) {
    // Where standard error cannot be written there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{} {message}", styled(ERROR, "bot4:"));
}

/// Characters in a line of standard output; `None` if it is no terminal and `COLUMNS` says nothing.
#[must_use]
pub fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let seen = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    said.or_else(seen).filter(|columns| *columns > 0).map(|columns| columns.max(NARROWEST))
}

/// Below this no text can be read.
const NARROWEST: usize = 20;

/// Wraps every line that is wider than `width`; what follows is indented as the line was, and below the text of a list's item.
#[must_use]
pub fn fit(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if shown_width(line) <= width {
            out += line;
        } else {
            let indent = line.chars().take_while(|c| *c == ' ').count();
            let bullet = if line.get(indent..).is_some_and(|rest| rest.starts_with("- ")) { 2 } else { 0 };
            let hang = (indent + bullet).min(width / 2);
            let lines = wrap(line.get(indent..).unwrap_or_default(), width - indent.min(width / 2), width - hang);
            out += &" ".repeat(indent.min(width / 2));
            out += &lines.join(&format!("\n{}", " ".repeat(hang)));
        }
        out += end;
    }
    out
}

/// Breaks a text at blanks into lines of at most so many characters, the first one of another length; a word that is longer is broken.
fn wrap(text: &str, first: usize, others: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let room = |lines: &Vec<String>| if lines.is_empty() { first } else { others }.max(1);
    for word in text.split(' ') {
        let gap = usize::from(!line.is_empty());
        if shown_width(&line) + gap + shown_width(word) <= room(&lines) {
            if gap > 0 {
                line.push(' ');
            }
            line += word;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        let mut rest = word;
        while shown_width(rest) > room(&lines) && !rest.contains('\u{1b}') {
            let cut = rest.char_indices().nth(room(&lines)).map_or(rest.len(), |(at, _)| at);
            let (head, tail) = rest.split_at(cut);
            lines.push(head.to_owned());
            rest = tail;
        }
        line = rest.to_owned();
    }
    lines.push(line);
    lines
}

/// Characters that are seen: without the sequences that switch styles.
#[must_use]
pub fn shown_width(text: &str) -> usize {
    let mut width = 0;
    let mut inside = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if inside => {}
            _ => width += 1,
        }
    }
    width
}

/// A column of a table.
#[derive(Clone, Debug, Default)]
struct Column {
    right: bool,
    wraps: bool,
    least: usize,
}

/// Rows in columns. Where they are wider than the terminal, columns first lose what they have more than they need, then those of text wrap.
#[derive(Clone, Debug, Default)]
pub struct Table {
    indent: usize,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without columns, so many blanks before each row.
    #[must_use]
    pub fn new(indent: usize) -> Self {
        Self { indent, ..Self::default() }
    }

    /// Adds a column of words, at least so wide where there is room.
    #[must_use]
    pub fn left(mut self, least: usize) -> Self {
        self.columns.push(Column { right: false, wraps: false, least });
        self
    }

    /// Adds a column of numbers, at least so wide where there is room.
    #[must_use]
    pub fn right(mut self, least: usize) -> Self {
        self.columns.push(Column { right: true, wraps: false, least });
        self
    }

    /// Adds a column of text, which wraps where there is no room.
    #[must_use]
    pub fn text(mut self) -> Self {
        self.columns.push(Column { right: false, wraps: true, least: 0 });
        self
    }

    /// Adds a row; cells beyond the columns are left out.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).take(self.columns.len()).collect());
    }

    /// The table as text, within so many characters; `None` for as many as it takes.
    #[must_use]
    pub fn render(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let mut out = String::new();
        for row in &self.rows {
            let cells: Vec<Vec<String>> =
                row.iter().zip(&widths).map(|(cell, width)| wrap(cell, *width, *width)).collect();
            for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                let mut text = " ".repeat(self.indent);
                for ((cell, column), width) in cells.iter().zip(&self.columns).zip(&widths) {
                    let cell = cell.get(line).map_or("", String::as_str);
                    let pad = " ".repeat(width.saturating_sub(shown_width(cell)));
                    let (before, after) = if column.right { (pad.as_str(), "") } else { ("", pad.as_str()) };
                    text += &format!("{before}{cell}{after}{GAP}");
                }
                out += text.trim_end();
                out.push('\n');
            }
        }
        out
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let need =
            |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|c| shown_width(c)).max().unwrap_or(0);
        let needs: Vec<usize> = (0..self.columns.len()).map(need).collect();
        let mut widths: Vec<usize> = self.columns.iter().zip(&needs).map(|(c, need)| c.least.max(*need)).collect();
        let Some(width) = width else { return widths };
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        let room = width.saturating_sub(self.indent + gaps);
        let over = |widths: &[usize]| widths.iter().sum::<usize>().saturating_sub(room);
        // What is more than needed goes first, then columns of text, then the widest.
        for at in 0..widths.len() {
            let spare = widths[at].saturating_sub(needs[at]);
            widths[at] -= spare.min(over(&widths));
        }
        for wraps in [true, false] {
            while over(&widths) > 0 {
                let widest = (0..widths.len())
                    .filter(|at| self.columns[*at].wraps == wraps && widths[*at] > TEXT_LEAST)
                    .max_by_key(|at| widths[*at]);
                let Some(at) = widest else { break };
                widths[at] -= 1;
            }
        }
        widths
    }
}

/// Between columns.
const GAP: &str = "  ";
/// Columns are not made narrower than this.
const TEXT_LEAST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wrap_at_blanks_and_hang_below_their_text() {
        let text = "short\n  - a longer item of a list that goes on\nword\n";
        assert_eq!(fit(text, None), text);
        assert_eq!(fit(text, Some(20)), "short\n  - a longer item of\n    a list that goes\n    on\nword\n");
        assert_eq!(fit("0123456789012345678901234", Some(20)), "01234567890123456789\n01234");
        for width in 20..60 {
            let fitted = fit(&format!("    {}", "some words and more ".repeat(9)), Some(width));
            assert!(fitted.lines().all(|line| line.chars().count() <= width), "{width}: {fitted}");
        }
    }

    #[test]
    fn tables_shrink_then_wrap() {
        let mut table = Table::new(2).left(12).right(8).text();
        table.row(["name", "1.50", "what it is, in so many words that they do not fit"]);
        table.row([styled(NAME, "x"), "20.25".into(), String::new()]);
        assert_eq!(
            anstream::adapter::strip_str(&table.render(None)).to_string(),
            "  name              1.50  what it is, in so many words that they do not fit\n  x                20.25\n"
        );
        for width in 24..80 {
            let text = table.render(Some(width));
            assert!(text.lines().all(|line| shown_width(line) <= width), "{width}:\n{text}");
            for word in ["name", "1.50", "20.25", "words", "fit"] {
                assert!(text.contains(word), "{width}: {word}\n{text}");
            }
        }
    }

    #[test]
    fn styles_have_no_width() {
        assert_eq!(shown_width(&styled(ERROR, "four")), 4);
        assert_eq!(styled(HEADING, "x"), "\u{1b}[1mx\u{1b}[0m");
    }

    #[test]
    fn the_colour_is_known_before_the_arguments_are() {
        let of = |list: &[&str]| Colour::of_arguments(list.iter().map(|s| (*s).to_owned()));
        assert_eq!(of(&["bot4", "--color=never", "paper"]), Colour::Never);
        assert_eq!(of(&["bot4", "paper", "--color", "always"]), Colour::Always);
        assert_eq!(of(&["bot4", "paper", "--color", "pink"]), Colour::Auto);
        assert_eq!(of(&["bot4"]), Colour::Auto);
    }
}
