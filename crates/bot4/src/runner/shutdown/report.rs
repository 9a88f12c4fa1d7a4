//! What an orderly end has come to: for the folder of the run, for people, for programs.

use super::open::Left;
use super::steps::{Outcome, Step, Steps};
use super::{HOLDER, OnStop};
use crate::command::inputs::time_text;
use crate::runner::session::Session;
use crate::term::{ERROR, HEADING, Table, styled};
use domain::UnixNanos;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Name of the file in the folder of the run.
pub const FILE: &str = "shutdown.json";

/// An orderly end.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this file: fields are only ever added.
    pub version: u32,
    /// The folder of the run.
    pub run: PathBuf,
    /// When it was stopped, on the machine's clock.
    pub stopped_at: String,
    /// The last event that was dealt with.
    pub event: u64,
    /// Market time reached, in milliseconds since 1970 UTC.
    pub market_ts: i64,
    /// What was to become of orders and positions: keep, cancel or flatten.
    pub policy: &'static str,
    /// The trading mode that the run was left in.
    pub mode: &'static str,
    /// The steps, in their order. In the file: up to the list itself.
    pub steps: Vec<Step>,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// What stays open.
    #[serde(flatten)]
    pub left: Left,
}

impl Report {
    pub(super) fn new(policy: OnStop, at: UnixNanos, session: &Session, left: Left, run: &Path) -> Self {
        Self {
            version: 1,
            run: run.to_owned(),
            stopped_at: jiff::Timestamp::now().to_string(),
            event: session.seq(),
            market_ts: at.as_millis(),
            policy: policy.key(),
            mode: session.engine.mode().mode().key(),
            steps: Vec::new(),
            seconds: 0.0,
            left,
        }
    }

    /// Writes the list, whole or not at all.
    pub(super) fn write(&mut self, folder: &Path, steps: &Steps) -> io::Result<()> {
        self.steps = steps.list().to_vec();
        self.seconds = steps.elapsed().as_secs_f64();
        let text = serde_json::to_string_pretty(self)? + "\n";
        let (path, aside) = (folder.join(FILE), folder.join(".shutdown.json.part"));
        let mut file = File::create(&aside)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
        std::fs::rename(&aside, &path)?;
        File::open(folder)?.sync_all()
    }

    /// The steps that are not as they should be.
    pub fn wrong(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.outcome.is_good())
    }

    /// What is wrong, in one line; nothing where all is well.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let wrong: Vec<String> =
            self.wrong().map(|step| format!("{} {}: {}", step.step, step.outcome.key(), step.note)).collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    /// For people.
    #[must_use]
    pub fn text(&self, width: Option<usize>) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "{}",
            styled(
                HEADING,
                &format!(
                    "stopped after event {} ({}), policy {}",
                    self.event,
                    UnixNanos::from_millis(self.market_ts).map_or_else(|| "no row".to_owned(), time_text),
                    self.policy
                )
            )
        );
        let mut steps = Table::new(2).right(1).left(8).left(7).right(9).text();
        for (n, step) in self.steps.iter().enumerate() {
            let outcome = match step.outcome {
                Outcome::Done | Outcome::Kept => step.outcome.key().to_owned(),
                Outcome::Failed | Outcome::Overran => styled(ERROR, step.outcome.key()),
            };
            let (number, ms) = ((n + 1).to_string(), format!("{:.1} ms", step.ms));
            steps.row([number, step.step.to_owned(), outcome, ms, step.note.clone()]);
        }
        out += &steps.render(width);
        let _ = writeln!(out, "  together {:.2} s", self.seconds);
        self.open_text(&mut out, width);
        out
    }

    fn open_text(&self, out: &mut String, width: Option<usize>) {
        let left = &self.left;
        if !left.orders.is_empty() {
            let _ = writeln!(out, "\n{}", styled(HEADING, "orders that stay open"));
            let mut table = Table::new(2).left(8).left(12).left(6).left(5).left(11).right(12).right(12).left(8).text();
            let heads = ["symbol", "strategy", "for", "side", "kind", "quantity", "price", "status", "number"];
            table.row(heads);
            for o in &left.orders {
                let price = o.trigger.as_ref().or(o.limit.as_ref()).cloned().unwrap_or_else(|| "market".into());
                let (symbol, name, purpose) = (o.symbol.clone(), o.name.clone(), o.purpose.clone());
                let (side, kind, status) = (o.side.clone(), o.kind.clone(), o.status.clone());
                table.row([symbol, name, purpose, side, kind, o.quantity.clone(), price, status, o.client_id.clone()]);
            }
            *out += &table.render(width);
        }
        if !left.positions.is_empty() {
            let _ = writeln!(out, "\n{}", styled(HEADING, "positions that stay open"));
            let mut table = Table::new(2).left(8).left(12).right(14).right(14).text();
            table.row(["symbol", "strategy", "quantity", "cost", "protected by"]);
            for p in &left.positions {
                let by = match (p.dust, p.stops.as_slice()) {
                    (true, _) => "dust".to_owned(),
                    (false, []) => styled(ERROR, "no stop at the venue"),
                    (false, stops) => stops.join(", "),
                };
                table.row([p.symbol.clone(), p.name.clone(), p.quantity.clone(), p.cost.clone(), by]);
            }
            *out += &table.render(width);
        }
        if left.untracked > 0 {
            let text = format!("{} orders work at the venue that are in no list of ours", left.untracked);
            let _ = writeln!(out, "\n{}", styled(ERROR, &text));
        }
        match self.policy {
            "cancel" => {
                let _ = writeln!(out, "\nnew risk was stopped by `{HOLDER}`; a resume allows it again");
            }
            "flatten" => {
                let _ = writeln!(out, "\nthe run is in emergency: a resume takes no new risk until it is re-armed");
            }
            _ => {}
        }
    }
}
