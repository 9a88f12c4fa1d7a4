//! Where rows come from: stored series, or rows in memory.

use domain::InstrumentIdx;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use store::history::{Findings, HistoryError, Rows, SeriesReader};

/// A stream of market rows of one instrument in time order.
pub trait Source: Send {
    /// Replaces `rows` by the next chunk; `false`, with nothing in it, at the end.
    ///
    /// # Errors
    /// If the data cannot be read on.
    fn next_chunk(&mut self, rows: &mut Rows) -> Result<bool, HistoryError>;

    /// What was wrong with rows so far.
    fn findings(&self) -> Option<&Findings> {
        None
    }
}

impl Source for SeriesReader {
    fn next_chunk(&mut self, rows: &mut Rows) -> Result<bool, HistoryError> {
        Self::next_chunk(self, rows)
    }

    fn findings(&self) -> Option<&Findings> {
        Some(Self::findings(self))
    }
}

/// Rows that are in memory already, given out in chunks as a file would.
#[derive(Clone, Debug)]
pub struct InMemory {
    rows: Rows,
    at: usize,
}

/// Rows per chunk: 16 kB of candles stay in the first-level cache, and the cost of a chunk hardly counts.
const CHUNK: usize = 256;

impl InMemory {
    /// From rows in time order.
    #[must_use]
    pub const fn new(rows: Rows) -> Self {
        Self { rows, at: 0 }
    }
}

impl Source for InMemory {
    fn next_chunk(&mut self, rows: &mut Rows) -> Result<bool, HistoryError> {
        let end = (self.at + CHUNK).min(self.rows.len());
        let range = self.at..end;
        match (&self.rows, &mut *rows) {
            (Rows::Candles(all), Rows::Candles(out)) => replace(out, &all[range]),
            (Rows::Trades(all), Rows::Trades(out)) => replace(out, &all[range]),
            (Rows::Quotes(all), Rows::Quotes(out)) => replace(out, &all[range]),
            (Rows::Book(all), Rows::Book(out)) => replace(out, &all[range]),
            (all, out) => {
                *out = Rows::new(all.kind());
                return self.next_chunk(rows);
            }
        }
        self.at = end;
        Ok(!rows.is_empty())
    }
}

fn replace<T: Copy>(out: &mut Vec<T>, rows: &[T]) {
    out.clear();
    out.extend_from_slice(rows);
}

/// One input of a run: its rows, and which instrument they are of.
pub struct Input {
    /// The rows.
    pub source: Box<dyn Source>,
    /// Their instrument.
    pub instrument: InstrumentIdx,
}

/// Wraps inputs so that what was wrong with their rows is known when they are used up.
#[must_use]
pub fn watched(inputs: Vec<Input>, findings: &Arc<Mutex<Vec<Findings>>>) -> Vec<Input> {
    (inputs.into_iter())
        .map(|input| Input {
            source: Box::new(Watched { inner: input.source, findings: Arc::clone(findings) }),
            instrument: input.instrument,
        })
        .collect()
}

struct Watched {
    inner: Box<dyn Source>,
    findings: Arc<Mutex<Vec<Findings>>>,
}

impl Source for Watched {
    fn next_chunk(&mut self, rows: &mut Rows) -> Result<bool, HistoryError> {
        let more = self.inner.next_chunk(rows)?;
        if !more && let (Some(found), Ok(mut all)) = (self.inner.findings(), self.findings.lock()) {
            all.push(found.clone());
        }
        Ok(more)
    }
}

/// Chunks that lie ready before they are asked for: with a few thousand rows each, some hundred kilobytes an input.
const AHEAD: usize = 2;

/// Has the next chunks of each input read and decoded on a thread of its own while the present one is played; in bounded memory.
///
/// # Errors
/// If no thread can be had.
pub fn ahead(inputs: Vec<Input>) -> std::io::Result<Vec<Input>> {
    (inputs.into_iter())
        .map(|input| Ok(Input { source: Box::new(Ahead::new(input.source)?), instrument: input.instrument }))
        .collect()
}

type Chunk = Result<Option<Rows>, HistoryError>;

struct Ahead {
    chunks: Receiver<Chunk>,
    spent: Sender<Rows>,
    ended: bool,
}

impl Ahead {
    fn new(mut source: Box<dyn Source>) -> std::io::Result<Self> {
        let (send, chunks) = sync_channel::<Chunk>(AHEAD);
        let (spent, free) = channel::<Rows>();
        // The thread ends when the source does, or when nobody takes its chunks any more.
        std::thread::Builder::new().name("read-ahead".into()).spawn(move || {
            loop {
                let mut rows = free.try_recv().unwrap_or_else(|_| Rows::Candles(Vec::new()));
                let chunk = source.next_chunk(&mut rows).map(|more| more.then_some(rows));
                let last = !matches!(chunk, Ok(Some(_)));
                if send.send(chunk).is_err() || last {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, spent, ended: false })
    }
}

impl Source for Ahead {
    fn next_chunk(&mut self, rows: &mut Rows) -> Result<bool, HistoryError> {
        rows.clear();
        if self.ended {
            return Ok(false);
        }
        match self.chunks.recv() {
            Ok(Ok(Some(next))) => {
                // Memory that is not needed goes back; a thread that has ended needs none.
                let _ = self.spent.send(std::mem::replace(rows, next));
                Ok(true)
            }
            Ok(Ok(None)) => {
                self.ended = true;
                Ok(false)
            }
            Err(_) => {
                self.ended = true;
                let (file, what) = ("input".to_owned(), "the thread that reads it has ended".to_owned());
                Err(HistoryError::Io { file, what })
            }
            Ok(Err(error)) => {
                self.ended = true;
                Err(error)
            }
        }
    }
}
