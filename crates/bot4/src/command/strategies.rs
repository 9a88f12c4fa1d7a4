//! `bot4 strategies`: what there is to trade by.

use super::CommandError;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;

#[derive(Serialize)]
struct Line {
    name: &'static str,
    summary: &'static str,
    params: Vec<Param>,
}

#[derive(Serialize)]
struct Param {
    name: &'static str,
    default: &'static str,
    allowed: &'static str,
    help: &'static str,
}

/// Lists the strategies.
///
/// # Errors
/// If standard output cannot be written.
pub fn run(json: bool) -> Result<(), CommandError> {
    let kinds = strategy::kinds();
    let text = if json {
        let lines: Vec<Line> = (kinds.iter())
            .map(|kind| Line {
                name: kind.name,
                summary: kind.summary,
                params: (kind.params.iter())
                    .map(|p| Param { name: p.name, default: p.default, allowed: p.allowed, help: p.help })
                    .collect(),
            })
            .collect();
        serde_json::to_string(&lines).map_err(CommandError::failed)? + "\n"
    } else {
        let mut text = String::new();
        for kind in kinds {
            let _ = writeln!(text, "{}\n  {}", kind.name, kind.summary);
            for p in kind.params {
                let _ = writeln!(text, "    {:<12}{:<16}{} ({})", p.name, p.default, p.help, p.allowed);
            }
        }
        text
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::failed)
}
