//! Logs: what the program tells beside its results, for people on standard error and as JSON lines in a run's folder.
//!
//! In:  `tracing` events and spans of all crates. Out: lines; a log never changes what a run does.
//! A record is taken on the thread that makes it as it is, numbers as numbers, and formatted and written on a thread of its own. Where that
//! thread cannot keep up, or the disk is full, records are left out and counted: trading never waits for a log and never stops for one. The
//! journal, not the log, is what nothing is lost from. A level that is off costs one comparison.
//!
//! **Correlation.** `seq` is the sequence number of the event that caused what is told, `order` the client order id: the same numbers as in
//! the journal, so that one search finds an order from the event to its fills. [`trail`] says it in the same words everywhere.

mod layer;
mod line;
mod rotate;
#[cfg(test)]
mod tests;
pub mod trail;
mod writer;

pub use layer::LogLayer;
pub use rotate::Rotating;

use crate::command::CommandError;
use crate::config::{LogSection, are_levels};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use writer::{Message, Sinks, Writer};

/// Records that wait for the writing thread at most. With some 200 bytes each, 3 MB.
const QUEUE: usize = 16_384;

/// The folder of logs within a run's folder.
pub const FOLDER: &str = "logs";

/// The running log. When it is dropped, what waits is written and the thread ends.
#[derive(Debug)]
pub struct Log {
    sender: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        // The thread has ended already if this cannot be sent, and its lines with it.
        let _ = self.sender.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Begins the log of a run: to standard error, and into `RUN/logs/` where there is a run's folder. Keep what is returned until the run is over.
///
/// # Errors
/// Usage for levels that are none; failure if a thread cannot be had or a log was begun before.
pub fn start(section: &LogSection, run: Option<&Path>) -> Result<Log, CommandError> {
    let (layer, log) = build(section, run)?;
    install(layer)?;
    Ok(log)
}

/// Begins the log of a command that is no run, on standard error alone: with these levels, else those of `BOT4_LOG`, else warnings.
///
/// # Errors
/// As [`start`].
pub fn start_plain(said: Option<&str>) -> Result<Log, CommandError> {
    let variable = std::env::var("BOT4_LOG").ok();
    let people = match (said, &variable) {
        (Some(text), _) => levels("--log", text)?,
        (None, Some(text)) => levels("BOT4_LOG", text)?,
        (None, None) => Targets::new().with_default(LevelFilter::WARN),
    };
    let (layer, log) = spawn(people, None)?;
    install(layer)?;
    Ok(log)
}

/// The layer of a run's log and the thread behind it, without making it the process's own: tests have several.
///
/// # Errors
/// As [`start`].
pub fn build(section: &LogSection, run: Option<&Path>) -> Result<(LogLayer, Log), CommandError> {
    let people = levels("log.level", &section.level)?;
    let file = levels("log.file_level", &section.file_level)?;
    let rotating = run.map(|run| Rotating::new(run.join(FOLDER), section.file_bytes, section.files));
    spawn(people, rotating.map(|rotating| (file, rotating)))
}

fn spawn(people: Targets, file: Option<(Targets, Rotating)>) -> Result<(LogLayer, Log), CommandError> {
    let left_out = Arc::new(AtomicU64::new(0));
    let (sender, receiver) = std::sync::mpsc::sync_channel(QUEUE);
    let (file_levels, rotating) = file.map_or((Targets::new(), None), |(levels, rotating)| (levels, Some(rotating)));
    let layer = LogLayer::new(people.clone(), file_levels.clone(), sender.clone(), Arc::clone(&left_out));
    let sinks = Sinks { people, file_levels, rotating };
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || Writer::new(sinks, left_out).run(&receiver))
        .map_err(CommandError::failed)?;
    Ok((layer, Log { sender, thread: Some(thread) }))
}

fn install(layer: LogLayer) -> Result<(), CommandError> {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).map_err(CommandError::failed)
}

fn levels(name: &str, text: &str) -> Result<Targets, CommandError> {
    // `Targets` takes a lone word that is no level as a module: a level that is spelt wrongly would be one.
    (text.parse().ok().filter(|_| are_levels(text))).ok_or_else(|| {
        CommandError::usage(format!("{name} {text}: expected levels such as info or info,bot4::orders=debug"))
    })
}
