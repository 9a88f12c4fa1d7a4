//! The one adapter from what the engine says to what the venue is asked.
//!
//! An approval is used up here, by [`Approved::release`](risk::Approved::release): the only way to read an approved order.

use crate::request::Request;
use domain::UnixNanos;
use risk::{Command, CommandRecord, ReleaseError, VenueKind};

/// Makes a request of a command to a venue, at the instant of sending.
///
/// # Errors
/// [`ReleaseError`] if the approval has run out. `Ok(None)` for commands that are not for venues.
pub fn request(command: Command, now: UnixNanos) -> Result<Option<Request>, ReleaseError> {
    match command {
        Command::Submit(approved) => {
            let order = approved.release(now, VenueKind::Simulated)?;
            Ok(Some(Request::Place { order, valid_until: None }))
        }
        Command::List { first, second } => {
            let (first, second) =
                (first.release(now, VenueKind::Simulated)?, second.release(now, VenueKind::Simulated)?);
            Ok(Some(Request::List { first, second, valid_until: None }))
        }
        Command::Cancel { client_id, .. } => Ok(Some(Request::Cancel { client_id })),
        Command::Query { client_id, .. } => Ok(Some(Request::Query { client_id })),
        Command::Reconcile { account, since } => Ok(Some(Request::State { account, since })),
        Command::Timer { .. } | Command::Infer(_) | Command::Record(_) | Command::Gate { .. } => Ok(None),
    }
}

/// Makes the request of a recorded command, the same one that [`request`] made of the command itself: what is replayed at the simulated
/// venue where the record wins. `None` for commands that are not for venues, and for an order whose approval had run out at `now`.
#[must_use]
pub fn request_of_record(record: &CommandRecord, now: UnixNanos) -> Option<Request> {
    match *record {
        CommandRecord::Submit { spec, valid_until, .. } => {
            (now <= valid_until).then_some(Request::Place { order: spec, valid_until: None })
        }
        CommandRecord::List { first, second } => (now <= first.valid_until && now <= second.valid_until)
            .then_some(Request::List { first: first.spec, second: second.spec, valid_until: None }),
        CommandRecord::Cancel { client_id } => Some(Request::Cancel { client_id }),
        CommandRecord::Query { client_id } => Some(Request::Query { client_id }),
        CommandRecord::Reconcile { account, since } => Some(Request::State { account, since }),
        CommandRecord::Timer { .. }
        | CommandRecord::Infer(_)
        | CommandRecord::Decision(_)
        | CommandRecord::Gate { .. } => None,
    }
}
