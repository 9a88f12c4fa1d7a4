//! The self-assessment for people.

use super::report::Assessment;
use crate::term::{ERROR, HEADING, Table, WARNING, styled};
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Assessment {
    /// The whole as text within so many characters.
    #[must_use]
    pub fn text(&self, width: Option<usize>) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}", styled(HEADING, "Self-assessment"));
        let _ = writeln!(
            out,
            "made {} by bot4 {}, from the records below {}",
            self.made_at,
            self.build,
            self.evidence.runs.display()
        );
        let limits = self.limits.as_deref().and_then(|hash| hash.get(..12)).unwrap_or("none");
        let _ =
            writeln!(out, "configuration {}, limits {limits}, {} key holders", self.config_hash, self.holders.len());
        out += &self.numbers(width);
        out += &self.runs(width);
        out += &self.happened(width);
        out += &self.said(width);
        let _ = writeln!(out, "\n{}", styled(HEADING, "Gate before live trading"));
        out += &self.gate.table(width);
        out += &self.standing(width);
        out
    }

    fn numbers(&self, width: Option<usize>) -> String {
        let t = &self.totals;
        let mut table = Table::new(2).left(24).text();
        let listed = |map: &BTreeMap<String, u64>| match map.is_empty() {
            true => "none".to_owned(),
            false => map.iter().map(|(key, n)| format!("{key} {n}")).collect::<Vec<_>>().join(", "),
        };
        table.row([
            "recorded runs".to_owned(),
            format!("{} ({} ended, {} verify), {} days of the market", t.runs, t.complete, t.verified, t.days),
        ]);
        table.row(["orders, fills".to_owned(), format!("{}, {}", t.orders, t.fills)]);
        table.row(["refusals".to_owned(), listed(&t.refusals)]);
        table.row(["alerts".to_owned(), listed(&t.alerts)]);
        table.row(["changes of the mode".to_owned(), listed(&t.modes)]);
        table.row(["stopped by the gate word".to_owned(), format!("{} orders", t.not_sent)]);
        table.row(["changes of limits".to_owned(), t.limit_changes.to_string()]);
        table.row(["overrides".to_owned(), format!("{} used; refused: {}", t.overrides, listed(&t.overrides_refused))]);
        format!("\n{}\n{}", styled(HEADING, "In numbers"), table.render(width))
    }

    fn runs(&self, width: Option<usize>) -> String {
        let mut out = format!("\n{}\n", styled(HEADING, "Runs"));
        let mut table = Table::new(2).left(1).left(1).right(1).right(1).left(1).text();
        table.row(
            ["run", "began", "days", "orders", "audit log", "configuration, program, strategies"].map(str::to_owned),
        );
        for run in &self.evidence.found {
            let audit = match (run.audit.sound, run.audit.signed) {
                (true, true) => "verified, signed".to_owned(),
                (true, false) => styled(WARNING, "verified, not all signed by you"),
                (false, _) => styled(ERROR, "DOES NOT VERIFY"),
            };
            let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
            let made = format!(
                "{}, {}, {}",
                short(&run.config_hash),
                run.program.as_deref().map_or_else(|| "not known".to_owned(), short),
                run.strategies.join(" ")
            );
            table.row([
                run.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                run.started_at.get(..19).unwrap_or(&run.started_at).to_owned(),
                run.days.to_string(),
                run.entries.get("order").copied().unwrap_or(0).to_string(),
                audit,
                made,
            ]);
        }
        out += &table.render(width);
        for run in self.evidence.found.iter().filter(|run| !run.audit.sound) {
            let first = run.audit.findings.first().map_or("", String::as_str);
            let _ =
                writeln!(out, "  {}: {} findings, the first: {first}", run.folder.display(), run.audit.findings.len());
        }
        for (path, why) in &self.evidence.unreadable {
            let _ = writeln!(out, "  {} cannot be read: {why}", path.display());
        }
        if !self.evidence.unrecorded.is_empty() {
            let _ = writeln!(
                out,
                "  {} results without a record prove nothing and were left out",
                self.evidence.unrecorded.len()
            );
        }
        out
    }

    /// Changes of the mode, and how soon what they ask for was done.
    fn happened(&self, width: Option<usize>) -> String {
        let mut table = Table::new(2).left(1).left(1).left(1).left(1).text();
        table.row(["run", "time", "from", "to", "by, and what came of it"].map(str::to_owned));
        let mut any = false;
        for run in &self.evidence.found {
            for mode in &run.modes {
                any = true;
                let by = mode.holder.as_ref().map_or_else(String::new, |holder| format!(" of {holder}"));
                let off = match mode.entries_off_ms {
                    Some(ms) => format!("; last entry off the venue after {ms:.3} ms of engine time"),
                    None => String::new(),
                };
                table.row([
                    run.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                    mode.ts.clone(),
                    mode.from.clone(),
                    mode.to.clone(),
                    format!("{}{by}{off}", mode.cause),
                ]);
            }
        }
        if any {
            format!("\n{}\n{}", styled(HEADING, "Changes of the mode"), table.render(width))
        } else {
            String::new()
        }
    }

    /// Who had a word: limits and tokens.
    fn said(&self, width: Option<usize>) -> String {
        let mut table = Table::new(2).left(1).left(1).left(1).text();
        table.row(["run", "time", "who", "what"].map(str::to_owned));
        let mut any = false;
        for run in &self.evidence.found {
            let name = run.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            for change in &run.limits {
                any = true;
                let what =
                    format!("limit {} from {} to {} (event {})", change.limit, change.from, change.to, change.seq);
                table.row([name.clone(), change.ts.clone(), change.holder.clone(), what]);
            }
            for token in &run.overrides {
                any = true;
                let what =
                    format!("{} (token {}, role {})", token.act, token.jti.get(..8).unwrap_or_default(), token.role);
                table.row([name.clone(), token.at.clone(), token.sub.clone(), what]);
            }
            for refused in &run.overrides_refused {
                any = true;
                let who = refused.claims.clone().unwrap_or_else(|| "not known".into());
                table.row([name.clone(), refused.at.clone(), who, format!("refused: {}", refused.why)]);
            }
        }
        if any {
            format!("\n{}\n{}", styled(HEADING, "Limits and overrides"), table.render(width))
        } else {
            String::new()
        }
    }

    fn standing(&self, width: Option<usize>) -> String {
        let mut table = Table::new(2).left(1).left(1).text();
        for control in &self.controls {
            let mut text = format!("{}. Found: {}.", control.asks, control.found);
            if !control.missing.is_empty() {
                let _ = write!(text, " Missing: {}.", control.missing);
            }
            if !control.built.is_empty() {
                let _ = write!(text, " Built in {}", control.built.join(", "));
                let _ = write!(text, "; tested in {}.", control.tested.join(", "));
            }
            table.row([control.id.to_owned(), control.standing.words().to_owned(), text]);
        }
        let about = "A bar of quality taken from SEC Rule 15c3-5, MiFID II RTS 6 and FIA guidance; no legal compliance is claimed.";
        format!("\n{}\n  {about}\n{}", styled(HEADING, "Controls"), table.render(width))
    }
}
