//! `bot4 live`: live trading behind the gate. It looks at the gate and starts nothing that does not pass it.

use super::CommandError;
use super::gate::{LookArgs, look};

/// Runs the command.
///
/// # Errors
/// Always: it names what does not pass; and where all passes, that no venue can be traded live yet.
pub fn run(args: &LookArgs) -> Result<(), CommandError> {
    let list = look(args)?;
    let open: Vec<&str> = list.open().map(|item| item.key).collect();
    Err(CommandError::failed(if open.is_empty() {
        "live trading does not start: the gate passes, and no venue can be traded live yet".to_owned()
    } else {
        format!(
            "live trading does not start: {} of {} items do not pass: {}",
            open.len(),
            list.items.len(),
            open.join(", ")
        )
    }))
}
