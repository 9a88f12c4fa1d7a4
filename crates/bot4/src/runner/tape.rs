//! The tape of a session: events and commands are recorded on it, or held against what was recorded.
//!
//! In:  every event but market rows of files (those are recorded by reference), every command, each with the number of its event.
//! Out: a journal; or, where a record is followed, the commands that were recorded where this build decides otherwise.
//!
//! Three forms. *Off*: nothing. *Writing*: everything is appended to the journal. *Following*: everything is encoded as it would be written
//! and compared, byte for byte, with the next record; after the last record a resumed run goes on writing, and a replay ends.
//!
//! The record wins: where this build decides otherwise, the recorded commands go to the venue, the first difference is kept, and a resumed
//! run takes no new risk. Where the venue or the clockwork behaves otherwise (another event than the recorded one) nothing can be followed
//! any further, and the session stops.

use crate::runner::cursor::{Cursor, View, command_of, event_of};
use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Event, EventBody, NotSent, OrderClass, UnixNanos};
use risk::{Command, CommandRecord, Decision};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use store::journal::{End, JournalError, Kind, Writer};

/// Version of the bodies of events and commands: fields are only ever added, under a new one.
pub const BODY_VERSION: u8 = 1;

/// Where a session's events and commands go, or what they are held against.
pub struct Tape {
    form: Form,
    /// What the comparison had shown when the record was left behind.
    left: Compared,
}

enum Form {
    Off,
    Writing(Box<Writing>),
    Following(Box<Following>),
}

struct Writing {
    journal: Writer,
    /// Whether orders that open risk wait until they are on the disk.
    strict: bool,
    /// Whether a pause is asked for: the journal cannot be written, or the record was left.
    pause: bool,
    /// Whether a failure of the journal has led to a pause.
    failed: bool,
}

struct Following {
    record: Cursor,
    /// Where the run goes on after the last record; none for a replay.
    then: Option<Then>,
    scratch: Vec<u8>,
    compared: u64,
    difference: Option<Difference>,
    /// Whether events and record no longer belong together.
    lost: bool,
    /// Whether a replay ends at the first difference.
    strict: bool,
    /// Whether the record is that of a whole run without a seal, whose end is no reason to stop.
    whole: bool,
}

/// Where a run that goes on is recorded.
pub struct Then {
    /// Its journal.
    pub journal: Writer,
    /// Whether orders that open risk wait until they are on the disk.
    pub strict: bool,
}

/// The first place where this build says something else than the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the event at which it shows.
    pub seq: u64,
    /// Engine time.
    pub ts: UnixNanos,
    /// What was recorded; none where this build says more.
    pub recorded: Option<String>,
    /// What this build says; none where it says less.
    pub decided: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".into());
        write!(
            f,
            "at event {} ({}): the record has {}, this build says {}",
            self.seq,
            crate::command::inputs::time_text(self.ts),
            text(&self.recorded),
            text(&self.decided)
        )
    }
}

/// What holding a run against its record has shown so far.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Records that were equal.
    pub records: u64,
    /// The first that was not.
    pub difference: Option<Difference>,
    /// Why the record could not be read to its end.
    pub unreadable: Option<JournalError>,
    /// What is left of the record.
    pub next: Option<(u64, Kind)>,
}

impl Tape {
    /// Nothing is recorded.
    #[must_use]
    pub fn off() -> Self {
        Self { form: Form::Off, left: Compared::default() }
    }

    /// Everything is appended to this journal.
    #[must_use]
    pub fn writing(to: Then) -> Self {
        let form =
            Form::Writing(Box::new(Writing { journal: to.journal, strict: to.strict, pause: false, failed: false }));
        Self { form, left: Compared::default() }
    }

    /// Everything is held against a record that stands at the first record after where the session is. `then` is where a resumed run
    /// goes on; without it the session stops at the end of the record, and if `strict` at the first difference.
    #[must_use]
    pub fn following(record: Cursor, then: Option<Then>, strict: bool) -> Self {
        let form = Form::Following(Box::new(Following {
            record,
            then,
            scratch: Vec::with_capacity(512),
            compared: 0,
            difference: None,
            lost: false,
            strict,
            whole: false,
        }));
        let mut tape = Self { form, left: Compared::default() };
        tape.end_of_record();
        tape
    }

    /// Whether the tail of a record is followed, behind which the run goes on.
    #[must_use]
    pub const fn in_tail(&self) -> bool {
        match &self.form {
            Form::Following(f) => f.then.is_some(),
            Form::Off | Form::Writing(_) => false,
        }
    }

    /// Everything is held against this record, which must be that of a whole run: its end does not stop the session.
    #[must_use]
    pub fn comparing(record: Cursor) -> Self {
        let mut tape = Self::following(record, None, true);
        if let Form::Following(f) = &mut tape.form {
            f.whole = true;
        }
        tape
    }

    /// Whether anything is recorded or followed.
    #[inline]
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self.form, Form::Off)
    }

    /// The journal that is written.
    pub fn journal(&mut self) -> Option<&mut Writer> {
        match &mut self.form {
            Form::Writing(w) => Some(&mut w.journal),
            Form::Off | Form::Following(_) => None,
        }
    }

    /// Takes the journal out, to close or seal it; nothing is recorded any more.
    pub fn take_journal(&mut self) -> Option<Writer> {
        match std::mem::replace(&mut self.form, Form::Off) {
            Form::Writing(w) => Some(w.journal),
            other => {
                self.form = other;
                None
            }
        }
    }

    /// Whether a record is still followed.
    #[must_use]
    pub const fn follows(&self) -> bool {
        matches!(self.form, Form::Following(_))
    }

    /// What the comparison has shown so far; nothing where none was made.
    #[must_use]
    pub fn compared(&self) -> Compared {
        match &self.form {
            Form::Following(f) => f.shown(),
            Form::Off | Form::Writing(_) => self.left.clone(),
        }
    }

    /// The record that is next, if one is followed and not at its end.
    #[must_use]
    pub fn rest(&self) -> Option<(u64, Kind, Vec<u8>)> {
        match &self.form {
            Form::Following(f) => f.record.peek().map(|r| (r.seq, r.kind, r.body.to_vec())),
            Form::Off | Form::Writing(_) => None,
        }
    }

    /// How the journal that is followed ends, read to its end.
    pub fn end_of_journal(&mut self) -> Option<End> {
        let Form::Following(f) = &mut self.form else { return None };
        while f.record.peek().is_some() {
            f.record.advance();
        }
        f.record.end().cloned()
    }

    /// Files in the folder of the journal that is followed that are no part of it.
    #[must_use]
    pub fn strangers(&self) -> &[PathBuf] {
        match &self.form {
            Form::Following(f) => f.record.strangers(),
            Form::Off | Form::Writing(_) => &[],
        }
    }

    /// From which event on the session has to look, even where the engine says nothing.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        match &self.form {
            Form::Off => u64::MAX,
            Form::Writing(w) if w.pause || (!w.failed && w.journal.failed().is_some()) => 0,
            Form::Writing(_) => u64::MAX,
            Form::Following(f) => f.next_seq(),
        }
    }

    /// An event that is no market row is about to be given to the engine.
    pub fn event(&mut self, seq: u64, ts: UnixNanos, event: &Event) {
        match &mut self.form {
            Form::Off => {}
            Form::Writing(w) => write_event(&mut w.journal, seq, ts, event),
            Form::Following(f) => f.event(seq, ts, event),
        }
        self.end_of_record();
    }

    /// The engine said this on the event. `Some` where the record has something else: then what was recorded is what happened.
    pub fn commands(&mut self, seq: u64, ts: UnixNanos, said: &[Command]) -> Option<Vec<CommandRecord>> {
        match &mut self.form {
            Form::Off => None,
            Form::Writing(w) => {
                w.commands(seq, ts, said);
                None
            }
            Form::Following(f) => {
                let answer = f.commands(seq, ts, said);
                self.end_of_record();
                match answer {
                    Answer::Same(n) => {
                        // The record ended within the step: the rest is said for the first time.
                        if let Form::Writing(w) = &mut self.form {
                            w.commands(seq, ts, said.get(n..).unwrap_or_default());
                        }
                        None
                    }
                    Answer::Recorded(list) => Some(list),
                }
            }
        }
    }

    /// The event and its commands have been dealt with; `digest` is the running one.
    pub fn settled(&mut self, seq: u64, digest: &Digest) {
        if let Form::Following(f) = &mut self.form {
            f.settled(seq, digest);
        }
        self.end_of_record();
    }

    /// Something that was told from outside at this event: no step of a replay brings it forth again.
    pub fn external(&mut self, seq: u64) -> Option<(UnixNanos, Event)> {
        match &mut self.form {
            Form::Following(f) => f.external(seq),
            Form::Off | Form::Writing(_) => None,
        }
    }

    /// The orders of the event before `seq` that did not leave, where a record says so: what was stopped then is stopped again.
    #[must_use]
    pub fn stopped(&self, seq: u64) -> Option<Arc<NotSent>> {
        let Form::Following(f) = &self.form else { return None };
        let record = f.record.peek().filter(|r| r.kind == Kind::Control && r.seq == seq)?;
        match event_of(record.body).ok()?.1.body {
            EventBody::NotSent(stopped) => Some(stopped),
            _ => None,
        }
    }

    /// Whether orders of this class must not leave: what opens risk does not, once the journal is known to have failed.
    #[must_use]
    pub fn withholds(&self, class: OrderClass) -> bool {
        match &self.form {
            Form::Writing(w) => class == OrderClass::Entry && w.journal.failed().is_some(),
            Form::Off | Form::Following(_) => false,
        }
    }

    /// Whether new risk has to be paused now. Says so once.
    pub fn calls_for_pause(&mut self) -> bool {
        let Form::Writing(w) = &mut self.form else { return false };
        let fails = !w.failed && w.journal.failed().is_some();
        w.failed |= fails;
        std::mem::take(&mut w.pause) || fails
    }

    /// Whether the session cannot go on: the record is left, or at its end.
    #[must_use]
    pub fn ends(&self) -> bool {
        match &self.form {
            Form::Following(f) => f.ends(),
            Form::Off | Form::Writing(_) => false,
        }
    }

    /// Changes over to writing when the last record was met.
    fn end_of_record(&mut self) {
        let Form::Following(f) = &mut self.form else { return };
        if f.stuck() || f.head().is_some() {
            return;
        }
        if let Some(Then { journal, strict }) = f.then.take() {
            self.left = f.shown();
            let pause = f.difference.is_some();
            self.form = Form::Writing(Box::new(Writing { journal, strict, pause, failed: false }));
        }
    }
}

impl Writing {
    fn commands(&mut self, seq: u64, ts: UnixNanos, said: &[Command]) {
        said.iter().for_each(|command| write_command(&mut self.journal, seq, ts, command));
        let opens = |c: &Command| matches!(c, Command::Submit(order) | Command::List { first: order, .. } if order.class() == OrderClass::Entry);
        if self.strict && said.iter().any(opens) {
            // The first failure of the journal is kept there, withholds the orders, and pauses the run.
            let _ = self.journal.commit();
        }
    }
}

enum Answer {
    /// So many of what was said stand in the record, which then ends or goes on with the next event.
    Same(usize),
    /// The record has this instead.
    Recorded(Vec<CommandRecord>),
}

impl Following {
    fn shown(&self) -> Compared {
        Compared {
            records: self.compared,
            difference: self.difference.clone(),
            unreadable: self.record.failed().cloned(),
            next: self.head(),
        }
    }

    fn ends(&self) -> bool {
        self.stuck()
            || (self.strict && self.difference.is_some())
            || (self.then.is_none() && !self.whole && self.record.head().is_none())
    }

    /// Whether nothing can be compared any more.
    fn stuck(&self) -> bool {
        self.lost || self.record.failed().is_some()
    }

    fn head(&self) -> Option<(u64, Kind)> {
        self.record.head()
    }

    fn next_seq(&self) -> u64 {
        if self.ends() {
            return 0;
        }
        match self.record.head() {
            // What comes from outside has to be told before its event can happen.
            Some((seq, Kind::Control)) => seq.saturating_sub(1),
            Some((_, Kind::Seal)) | None => u64::MAX,
            Some((seq, _)) => seq,
        }
    }

    fn advance(&mut self) {
        self.compared += 1;
        self.record.advance();
    }

    fn differs(&mut self, seq: u64, ts: UnixNanos, recorded: Option<String>, decided: Option<String>) {
        if self.difference.is_none() {
            self.difference = Some(Difference { seq, ts, recorded, decided });
        }
    }

    fn event(&mut self, seq: u64, ts: UnixNanos, event: &Event) {
        if self.stuck() {
            return;
        }
        self.scratch.clear();
        put_event(ts, event, &mut self.scratch);
        let same = match self.record.head() {
            None => return,
            Some(head) => head == (seq, event_kind(&event.body)) && self.record.body() == self.scratch,
        };
        if same {
            self.advance();
            return;
        }
        if self.record.may_lack(event_kind(&event.body)) {
            return;
        }
        let recorded = self.record.peek().filter(|r| r.seq <= seq).map(describe);
        self.differs(seq, ts, recorded, Some(describe_event(&event.body)));
        self.lost = true;
    }

    fn commands(&mut self, seq: u64, ts: UnixNanos, said: &[Command]) -> Answer {
        if self.stuck() {
            return Answer::Same(said.len());
        }
        for (n, command) in said.iter().enumerate() {
            self.scratch.clear();
            ts.put(&mut self.scratch);
            command.put_record(&mut self.scratch);
            let same = match self.record.head() {
                None => return Answer::Same(n),
                Some((at, kind)) => at == seq && is_command(kind) && self.record.body() == self.scratch,
            };
            if same {
                self.advance();
            } else if !self.record.may_lack(command_kind(command)) {
                return self.otherwise(seq, ts, said, n);
            }
        }
        match self.record.head() {
            Some((at, kind)) if at == seq && is_command(kind) => self.otherwise(seq, ts, said, said.len()),
            _ => Answer::Same(said.len()),
        }
    }

    /// The first `n` commands are as recorded, the next is not: the rest is as the record has it.
    fn otherwise(&mut self, seq: u64, ts: UnixNanos, said: &[Command], n: usize) -> Answer {
        let decided = said.get(n).map(|command| format!("{:?}", command.record()));
        let mut list: Vec<CommandRecord> = said.iter().take(n).map(Command::record).collect();
        let mut first = None;
        while let Some(r) = self.record.peek().filter(|r| r.seq == seq && is_command(r.kind)) {
            let record = command_of(r.body).map(|(_, record)| record);
            match record {
                Ok(record) => {
                    first = first.or_else(|| Some(format!("{record:?}")));
                    list.push(record);
                }
                Err(error) => {
                    first = first.or_else(|| Some(format!("a command that this build cannot read ({error})")));
                    self.lost = true;
                }
            }
            self.record.advance();
        }
        self.differs(seq, ts, first, decided);
        Answer::Recorded(list)
    }

    fn settled(&mut self, seq: u64, digest: &Digest) {
        while let Some((at, kind)) = self.head()
            && kind == Kind::Mark
            && at <= seq
            && !self.lost
        {
            let recorded = self.record.peek().map(|r| Mark::take(&mut Reader::new(r.body)));
            match recorded {
                Some(Ok(mark)) if at == seq && mark.digest == digest.value() => {}
                Some(Ok(mark)) => self.differs(
                    seq,
                    mark.ts,
                    Some(format!("digest {:032x} after event {at}", mark.digest)),
                    Some(format!("digest {digest}")),
                ),
                _ => self.lost = true,
            }
            self.advance();
        }
        // What should have come by now and did not.
        if let Some(r) = self.record.peek().filter(|r| r.seq <= seq && r.kind != Kind::Seal)
            && !self.lost
        {
            let (kind, text) = (r.kind, describe(r));
            if r.seq < seq || !is_command(kind) {
                let ts = Reader::new(r.body).u64().map_or(UnixNanos(0), UnixNanos);
                self.differs(seq, ts, Some(text), None);
                self.lost = true;
            }
        }
    }

    fn external(&mut self, seq: u64) -> Option<(UnixNanos, Event)> {
        let r = self.record.peek().filter(|r| r.kind == Kind::Control && r.seq == seq)?;
        event_of(r.body).ok()
    }
}

/// What stands in the journal beside the events where a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Engine time.
    pub ts: UnixNanos,
    /// The running digest after the event.
    pub digest: u128,
}

impl Stored for Mark {
    fn put(&self, out: &mut Vec<u8>) {
        self.ts.put(out);
        self.digest.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { ts: Stored::take(from)?, digest: Stored::take(from)? })
    }
}

/// What the seal of a complete run says beside the count and digest of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The running digest at the end.
    pub digest: u128,
    /// The digest of the state at the end.
    pub state_digest: u128,
    /// Market rows that were played.
    pub rows: u64,
}

impl Stored for Seal {
    fn put(&self, out: &mut Vec<u8>) {
        self.digest.put(out);
        self.state_digest.put(out);
        self.rows.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { digest: Stored::take(from)?, state_digest: Stored::take(from)?, rows: Stored::take(from)? })
    }
}

/// Which kind of record an event is.
#[must_use]
pub const fn event_kind(body: &EventBody) -> Kind {
    match body {
        EventBody::Report(_) | EventBody::VenueState(_) => Kind::Report,
        EventBody::Timer(_) => Kind::Timer,
        EventBody::ModelOutput(_) => Kind::ModelOutput,
        EventBody::InstrumentDefined(_) => Kind::Definition,
        EventBody::Control(_) | EventBody::NotSent(_) => Kind::Control,
        EventBody::Candle(_) | EventBody::Trade(_) | EventBody::Quote(_) | EventBody::BookDelta(_) => Kind::Market,
    }
}

/// Whether records of this kind are commands.
#[must_use]
pub const fn is_command(kind: Kind) -> bool {
    matches!(kind, Kind::Order | Kind::Runtime | Kind::Decision | Kind::Safety)
}

const fn command_kind(command: &Command) -> Kind {
    match command {
        Command::Submit(_)
        | Command::List { .. }
        | Command::Cancel { .. }
        | Command::Query { .. }
        | Command::Reconcile { .. } => Kind::Order,
        Command::Timer { .. } | Command::Infer(_) | Command::Gate { .. } => Kind::Runtime,
        Command::Record(
            Decision::Signal(_)
            | Decision::Refused { .. }
            | Decision::Worked { .. }
            | Decision::WorkEnded { .. }
            | Decision::Group { .. }
            | Decision::GroupStep { .. },
        ) => Kind::Decision,
        Command::Record(
            Decision::Mode { .. }
            | Decision::Alert(_)
            | Decision::Limit { .. }
            | Decision::Rearmed { .. }
            | Decision::Difference(_)
            | Decision::Reconciled { .. },
        ) => Kind::Safety,
    }
}

fn put_event(ts: UnixNanos, event: &Event, out: &mut Vec<u8>) {
    ts.put(out);
    event.put(out);
}

fn write_event(journal: &mut Writer, seq: u64, ts: UnixNanos, event: &Event) {
    journal.append(seq, event_kind(&event.body), BODY_VERSION, |out| put_event(ts, event, out));
}

#[inline]
fn write_command(journal: &mut Writer, seq: u64, ts: UnixNanos, command: &Command) {
    journal.append(seq, command_kind(command), BODY_VERSION, |out| {
        ts.put(out);
        command.put_record(out);
    });
}

/// A record as text.
#[must_use]
pub fn describe(record: View<'_>) -> String {
    let text = if is_command(record.kind) {
        command_of(record.body).map(|(_, command)| format!("{command:?}"))
    } else if record.kind == Kind::Mark {
        Mark::take(&mut Reader::new(record.body)).map(|mark| format!("digest {:032x}", mark.digest))
    } else {
        event_of(record.body).map(|(_, event)| describe_event(&event.body))
    };
    text.unwrap_or_else(|error| format!("a record of kind {:?} that this build cannot read ({error})", record.kind))
}

fn describe_event(body: &EventBody) -> String {
    match body {
        EventBody::Report(report) => format!("{:?}", report.body),
        other => format!("{other:?}"),
    }
}
