//! The side of the writing thread.

use super::layer::Record;
use super::line;
use super::rotate::Rotating;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tracing_subscriber::filter::Targets;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Message {
    Record(Box<Record>),
    End,
}

/// Where lines go, and which.
#[derive(Debug)]
pub(super) struct Sinks {
    pub people: Targets,
    pub file_levels: Targets,
    pub rotating: Option<Rotating>,
}

pub(super) struct Writer {
    sinks: Sinks,
    left_out: Arc<AtomicU64>,
    /// Lines that wait for the file.
    lines: Vec<u8>,
    waiting: u64,
    /// Records that could not be written to the file and of which the file says nothing yet.
    unwritten: u64,
}

/// Bytes of lines that are written at once at most: file sizes are held to within so much.
const BATCH: usize = 4_096;

/// How long records gather before they are written. The queue holds what comes in that time at millions a second.
const GATHER: Duration = Duration::from_millis(2);

impl Writer {
    pub(super) const fn new(sinks: Sinks, left_out: Arc<AtomicU64>) -> Self {
        Self { sinks, left_out, lines: Vec::new(), waiting: 0, unwritten: 0 }
    }

    /// Writes until it is told to end.
    pub(super) fn run(mut self, receiver: &Receiver<Message>) {
        let mut more = true;
        while more {
            // Sleeps until there is something, lets more come, then takes all that is there: who tells something wakes a sleeping thread, which
            // is the dearest part of it, at most once in such a while.
            let mut next = receiver.recv().ok();
            if !matches!(next, Some(Message::End)) {
                std::thread::sleep(GATHER);
            }
            loop {
                match next {
                    Some(Message::Record(record)) => self.record(&record),
                    Some(Message::End) => more = false,
                    None => break,
                }
                next = receiver.try_recv().ok();
            }
            self.tell_left_out();
            self.flush();
        }
    }

    fn record(&mut self, record: &Record) {
        let (target, level) = (record.meta.target(), record.meta.level());
        if self.sinks.people.would_enable(target, level) {
            // Where standard error cannot be written there is nobody to tell.
            let _ = anstream::stderr().write_all(line::people(record).as_bytes());
        }
        if self.sinks.rotating.is_some() && self.sinks.file_levels.would_enable(target, level) {
            self.line(&line::json(record));
        }
    }

    fn line(&mut self, line: &str) {
        if self.lines.len() + line.len() > BATCH {
            self.flush();
        }
        self.lines.extend_from_slice(line.as_bytes());
        self.waiting += 1;
    }

    fn flush(&mut self) {
        let Some(rotating) = self.sinks.rotating.as_mut().filter(|_| !self.lines.is_empty()) else { return };
        match rotating.write(&self.lines) {
            Ok(()) if self.unwritten > 0 => {
                let n = std::mem::take(&mut self.unwritten);
                let _ = rotating.write(line::note("records could not be written before this one", n).as_bytes());
            }
            Ok(()) => {}
            Err(error) => {
                if self.unwritten == 0 {
                    let folder = rotating.folder().display();
                    let text = format!("bot4: {folder}: {error}: the log is left out until it can be written\n");
                    let _ = anstream::stderr().write_all(text.as_bytes());
                }
                self.unwritten += self.waiting;
            }
        }
        self.lines.clear();
        self.waiting = 0;
    }

    /// Says how many records this thread never saw because it could not keep up.
    fn tell_left_out(&mut self) {
        let n = self.left_out.swap(0, Ordering::Relaxed);
        if n > 0 && self.sinks.rotating.is_some() {
            self.line(&line::note("records were left out: more came than could be written", n));
        }
    }
}
