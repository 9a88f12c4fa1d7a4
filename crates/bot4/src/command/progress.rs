//! A progress bar on standard error, for people: hidden where nobody looks.

use crate::runner::drive::Progress;
use domain::UnixNanos;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar over the rows of a run, or over its time where the number of rows is not known beforehand.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar over `rows` rows; it shows only on a terminal, and counts without an end if the number is not known.
    #[must_use]
    pub fn new(rows: Option<u64>, quiet: bool) -> Self {
        let bar = match rows {
            Some(rows) => ProgressBar::new(rows),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) });
        let template = if rows.is_some() {
            "{bar:40} {percent:>3} %  {human_pos} rows  {msg}  {eta} left"
        } else {
            "{spinner} {human_pos} rows  {msg}  {elapsed}"
        };
        // The template is a constant: where it were wrong the default look is good enough.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Rows counted with their rate, where their number is not known beforehand.
pub struct Count {
    bar: ProgressBar,
}

impl Count {
    /// Shows only on a terminal.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_draw_target(if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) });
        // The template is a constant: where it were wrong the default look is good enough.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} rows  {per_sec}  {elapsed}  {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// So many rows, in this file.
    pub fn at(&self, rows: u64, file: &str) {
        self.bar.set_position(rows);
        if self.bar.message() != file {
            self.bar.set_message(file.to_owned());
        }
    }

    /// Takes it away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn at(&mut self, rows: u64, ts: UnixNanos) {
        self.bar.set_position(rows);
        self.bar.set_message(super::inputs::time_text(ts));
    }
}
