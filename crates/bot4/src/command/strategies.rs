//! `bot4 strategies`: what there is to trade by.

use super::CommandError;
use crate::term::{self, NAME, Table, styled};
use serde::Serialize;

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
            text += &format!("{}\n  {}\n", styled(NAME, kind.name), kind.summary);
            let mut table = Table::new(4).left(10).left(14).text();
            for p in kind.params {
                table.row([p.name.to_owned(), p.default.to_owned(), format!("{} ({})", p.help, p.allowed)]);
            }
            text += &table.render(term::width());
        }
        return term::print(&text).map_err(CommandError::failed);
    };
    super::write_out(&text)
}
