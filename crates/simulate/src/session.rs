//! A running engine as it would run live: every event and command on the tape, written before it leaves, and after a death begun again from
//! snapshot and journal.
//!
//! In:  market events, reports and answers of the venue with the stamps of our clock; timers of its own; the gate word.
//! Out: requests that leave, and what happened, for the referee.
//! It is as thin as can be: the tape and the sender are those of the program, and the journal and the snapshots are on a disk that can fail.

use bot4::runner::cursor::{command_of, event_of};
use bot4::runner::sender::Sender;
use bot4::runner::tape::{Tape, Then, is_command};
use domain::codec::{Reader as Bytes, Stored};
use domain::{
    ClientOrderId, Control, Event, EventBody, InferRequest, InputId, ModelOutput, Nanos, NotSent, OrderClass,
    TimerFired, UnixNanos,
};
use engine::Engine;
use infra::gate_word::{About, GateWord};
use risk::{Command, CommandRecord};
use sim::Request;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::journal::{Options, Reader, Writer};
use store::snapshot::{self, SnapshotFolder};

use crate::disk::SimDisk;

const STATE_VERSION: u32 = 1;
const BUILD: &str = "simulation";

/// The folder of the journal.
#[must_use]
pub fn journal_dir() -> PathBuf {
    PathBuf::from("/run/journal")
}

fn snapshot_dir() -> PathBuf {
    PathBuf::from("/run/snapshots")
}

fn options() -> Options {
    Options { flush_bytes: 64 << 10, roll_bytes: 200 << 10, sync_every: None, compress: false }
}

/// One thing that happened, in order.
#[derive(Clone, Debug)]
pub enum Happened {
    /// An event was given to the engine.
    Event(UnixNanos, Event),
    /// The engine said this.
    Said(UnixNanos, CommandRecord),
    /// The step is over, with all its commands and what followed from them at once.
    Settled,
}

/// A running engine.
pub struct Session {
    /// The engine.
    pub engine: Engine,
    /// The gate word, which others may raise.
    pub word: Arc<GateWord>,
    /// Requests that left since they were taken.
    pub outgoing: Vec<Request>,
    /// What happened since it was taken.
    pub happened: Vec<Happened>,
    /// An entry that left while the gate word stood against it.
    pub leaked: Option<ClientOrderId>,
    /// Events so far.
    pub seq: u64,
    disk: SimDisk,
    tape: Tape,
    sender: Sender,
    timers: BTreeSet<(UnixNanos, TimerFired)>,
    answers: Vec<(UnixNanos, ModelOutput)>,
    out: Vec<Command>,
    /// Our clock, which goes on evenly: `clock` at `anchor`.
    clock: UnixNanos,
    anchor: UnixNanos,
    /// The latest stamp that the engine was given.
    reached: UnixNanos,
    dirty: bool,
    snapshot_seq: u64,
    depth: u32,
}

/// What a start found.
pub struct Started {
    /// The session.
    pub session: Session,
    /// Whether a snapshot was used.
    pub from_snapshot: bool,
    /// Everything that the journal held, in order: what a referee has to know.
    pub past: Vec<Happened>,
}

impl Session {
    fn with(engine: Engine, disk: &SimDisk, writer: Writer, now: UnixNanos) -> Self {
        let word = Arc::new(GateWord::private(About::of_this_process(None)));
        let mut sender = Sender::under(Arc::clone(&word));
        sender.set(engine.gate_level(), engine.mode().cause());
        Self {
            engine,
            word,
            outgoing: Vec::new(),
            happened: Vec::new(),
            leaked: None,
            seq: 0,
            disk: disk.clone(),
            tape: Tape::writing(Then { journal: writer, strict: false }),
            sender,
            timers: BTreeSet::new(),
            answers: Vec::new(),
            out: Vec::new(),
            clock: now,
            anchor: now,
            reached: UnixNanos(0),
            dirty: false,
            snapshot_seq: 0,
            depth: 0,
        }
    }

    /// The first start of all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(engine: Engine, disk: &SimDisk, now: UnixNanos) -> Result<Self, String> {
        snapshot::prepare(&*disk.handle(), &snapshot_dir()).map_err(|e| e.to_string())?;
        let writer = Writer::create_on(disk.handle(), &journal_dir(), options()).map_err(|e| e.to_string())?;
        Ok(Self::with(engine, disk, writer, now))
    }

    /// A start after a death: the newest snapshot that can be used, and the tail of the journal played again and held against the record.
    /// `fresh` makes an engine as the first one was made.
    ///
    /// # Errors
    /// When the journal or the snapshot cannot be used, or the engine decides otherwise than it did.
    pub fn restart(
        fresh: impl Fn() -> Result<Engine, String>,
        disk: &SimDisk,
        now: UnixNanos,
    ) -> Result<Started, String> {
        snapshot::prepare(&*disk.handle(), &snapshot_dir()).map_err(|e| e.to_string())?;
        let (writer, recovered) =
            Writer::resume_on(disk.handle(), &journal_dir(), options()).map_err(|e| format!("journal: {e}"))?;
        let last = recovered.last_seq.unwrap_or(0);
        let folder = SnapshotFolder::on(disk.handle(), &snapshot_dir(), STATE_VERSION);
        folder.remove_after(last).map_err(|e| e.to_string())?;
        let (found, _) = folder.newest_valid(last).map_err(|e| e.to_string())?;
        let records = read_all(disk)?;
        let mut session = Self::with(fresh()?, disk, writer, now);
        let from_snapshot = found.is_some();
        if let Some(snapshot) = found {
            session.load(&mut Bytes::new(&snapshot.state)).map_err(|e| format!("snapshot: {e}"))?;
            if session.seq != snapshot.seq {
                return Err(format!("snapshot {} holds the state after event {}", snapshot.seq, session.seq));
            }
        }
        let from = session.seq;
        let rest = session.follow(records.iter().filter(|r| r.0 > from))?;
        // The same from the very beginning, without the snapshot.
        if from_snapshot {
            let shadow_disk = SimDisk::new(0);
            let mut shadow = Self::begin(fresh()?, &shadow_disk, now)?;
            shadow.follow(records.iter())?;
            let (here, there) = (session.engine.state_digest(), shadow.engine.state_digest());
            if here != there || session.engine.digest() != shadow.engine.digest() || session.timers != shadow.timers {
                return Err(format!("state {here} from snapshot and tail, {there} from the whole journal"));
            }
        }
        let past = records.iter().map(|(_, what)| what.clone()).collect();
        session.clock = session.reached.max(now);
        session.sender.set(session.engine.gate_level(), session.engine.mode().cause());
        session.out = rest;
        Ok(Started { session, from_snapshot, past })
    }

    /// What the last event of the record brought about and was not recorded. A process that was killed never sent it; where the power went
    /// its record may be what was lost, and it left. So it counts as said and is not sent: what became of it the venue will be asked.
    pub fn say_rest(&mut self) {
        let ts = self.clock;
        self.carry_on(ts, false);
        self.happened.push(Happened::Settled);
    }

    /// Plays a record. Returns the commands of its last event that do not stand in it.
    fn follow<'a>(&mut self, records: impl Iterator<Item = &'a (u64, Happened)>) -> Result<Vec<Command>, String> {
        let mut records = records.peekable();
        let (mut said, mut recorded) = (Vec::new(), Vec::new());
        let mut pending: Vec<Command> = Vec::new();
        while let Some((seq, what)) = records.next() {
            let Happened::Event(ts, event) = what else {
                return Err(format!("a command of event {seq} without its event"));
            };
            if *seq != self.seq + 1 {
                return Err(format!("event {seq} follows event {}", self.seq));
            }
            self.seq = *seq;
            self.reached = self.reached.max(*ts);
            self.forget_due(event);
            self.engine.step(*ts, event, &mut self.out);
            said.clear();
            recorded.clear();
            self.out.iter().for_each(|command| command.put_record(&mut said));
            let mut count = 0;
            while let Some((_, Happened::Said(_, record))) = records.peek().filter(|r| r.0 == *seq) {
                record.put(&mut recorded);
                count += 1;
                records.next();
            }
            let whole = records.peek().is_some();
            if !said.starts_with(&recorded) || (whole && said != recorded) {
                let says: Vec<_> = self.out.iter().map(Command::record).collect();
                return Err(format!(
                    "event {seq}: played again the engine says {says:?}, the record has {count} commands"
                ));
            }
            for command in self.out.drain(..).enumerate().filter_map(|(n, c)| {
                if n < count {
                    return Some(c);
                }
                pending.push(c);
                None
            }) {
                match command {
                    Command::Timer { at, timer } => _ = self.timers.insert((at.max(*ts), timer)),
                    Command::Infer(request) => self.answers.push(abstention(*ts, &request)),
                    _ => {}
                }
            }
        }
        Ok(pending)
    }

    /// A timer or an answer that the record has fired is due no more.
    fn forget_due(&mut self, event: &Event) {
        match &event.body {
            EventBody::Timer(timer) => {
                if let Some(at) = self.timers.iter().find(|t| t.1 == *timer).copied() {
                    self.timers.remove(&at);
                }
            }
            EventBody::ModelOutput(answer) => {
                if let Some(at) = self.answers.iter().position(|a| a.1.as_of == answer.as_of) {
                    self.answers.remove(at);
                }
            }
            _ => {}
        }
    }

    fn load(&mut self, from: &mut Bytes<'_>) -> Result<(), domain::codec::CodecError> {
        self.engine.load(from)?;
        self.seq = u64::take(from)?;
        self.timers = Vec::<(UnixNanos, TimerFired)>::take(from)?.into_iter().collect();
        self.answers = Stored::take(from)?;
        self.reached = Stored::take(from)?;
        Ok(())
    }

    /// Writes the state aside, once the journal up to it is durable. A disk that refuses leaves the run without a snapshot.
    pub fn snapshot(&mut self) {
        if self.seq == self.snapshot_seq {
            return;
        }
        let mut state = Vec::new();
        self.engine.save(&mut state);
        self.seq.put(&mut state);
        let timers: Vec<(UnixNanos, TimerFired)> = self.timers.iter().copied().collect();
        timers.put(&mut state);
        self.answers.put(&mut state);
        self.reached.put(&mut state);
        let Some(Ok(ticket)) = self.tape.journal().map(Writer::ticket) else { return };
        let written = snapshot::write_now(
            &*self.disk.handle(),
            &snapshot_dir(),
            (STATE_VERSION, BUILD),
            (self.seq, &state),
            move || ticket.wait(),
        );
        if written.is_ok() {
            self.snapshot_seq = self.seq;
        }
    }

    /// Makes durable what was written, as the program does every few milliseconds.
    pub fn sync(&mut self) {
        if std::mem::take(&mut self.dirty)
            && let Some(journal) = self.tape.journal()
        {
            // The first failure is kept there and leads to a pause.
            let _ = journal.commit();
        }
    }

    /// Our clock at a time of the world: it goes on evenly, whatever jumps the clock of the machine makes.
    #[must_use]
    pub fn clock(&self, now: UnixNanos) -> UnixNanos {
        self.clock.saturating_add(now.since(self.anchor))
    }

    /// The clock of the machine was set ahead: ours follows. It never goes back.
    pub fn leap(&mut self, now: UnixNanos, by: Nanos) {
        self.clock = self.clock(now).saturating_add(by);
        self.anchor = now;
    }

    /// When the next timer or answer is due, as a time of the world.
    #[must_use]
    pub fn due(&self) -> UnixNanos {
        let timer = self.timers.first().map_or(UnixNanos::MAX, |t| t.0);
        let answer = self.answers.iter().map(|a| a.0).min().unwrap_or(UnixNanos::MAX);
        let at = timer.min(answer);
        if at == UnixNanos::MAX { at } else { self.anchor.saturating_add(Nanos(at.0.saturating_sub(self.clock.0))) }
    }

    /// Fires one timer or answer that is due.
    pub fn fire(&mut self, now: UnixNanos) {
        let ts = self.clock(now);
        if let Some(at) = self.answers.iter().position(|a| a.0 <= ts) {
            let (_, answer) = self.answers.remove(at);
            self.give(ts, EventBody::ModelOutput(answer));
        } else if let Some((_, timer)) = self.timers.first().copied().filter(|t| t.0 <= ts) {
            self.timers.pop_first();
            self.give(ts, EventBody::Timer(timer));
        }
    }

    /// Tells the engine what others did to the gate word.
    pub fn look(&mut self, now: UnixNanos) {
        let ts = self.clock(now);
        self.sender.at_least(self.engine.gate_level(), self.engine.mode().cause());
        while let Some(control) = self.sender.look() {
            self.give(ts, EventBody::Control(control));
        }
        self.sender.set(self.engine.gate_level(), self.engine.mode().cause());
    }

    /// Gives the engine an event, and carries what it says.
    pub fn give(&mut self, ts: UnixNanos, body: EventBody) {
        self.step(ts, body);
        self.happened.push(Happened::Settled);
    }

    fn step(&mut self, ts: UnixNanos, body: EventBody) {
        if self.disk.is_dead() || self.depth > 50 {
            return;
        }
        self.depth += 1;
        self.seq += 1;
        self.dirty = true;
        self.reached = self.reached.max(ts);
        let event = Event { id: InputId::new(1, self.seq), body };
        self.tape.event(self.seq, ts, &event);
        self.engine.step(ts, &event, &mut self.out);
        self.happened.push(Happened::Event(ts, event));
        self.carry(ts);
        self.depth -= 1;
    }

    fn carry(&mut self, ts: UnixNanos) {
        self.carry_on(ts, true);
    }

    fn carry_on(&mut self, ts: UnixNanos, send: bool) {
        self.tape.commands(self.seq, ts, &self.out);
        let to_venue = |c: &Command| {
            matches!(c, Command::Submit(_) | Command::Cancel { .. } | Command::Query { .. } | Command::Reconcile { .. })
        };
        if self.out.iter().any(to_venue)
            && let Some(journal) = self.tape.journal()
        {
            // Written before it leaves. A journal that cannot be written withholds entries, and is told below.
            let _ = journal.flush();
        }
        let (mut stopped, mut level): (Vec<ClientOrderId>, u8) = (Vec::new(), 0);
        let cause = self.engine.mode().cause();
        for command in std::mem::take(&mut self.out) {
            self.happened.push(Happened::Said(ts, command.record()));
            // A process that is dead sends nothing.
            if self.disk.is_dead() {
                continue;
            }
            match command {
                Command::Timer { at, timer } => _ = self.timers.insert((at.max(ts), timer)),
                Command::Infer(request) => self.answers.push(abstention(ts, &request)),
                Command::Record(_) => {}
                Command::Gate { level } => self.sender.set(level, cause),
                _ if !send => {}
                Command::Submit(approved) => {
                    let (id, class) = (approved.client_id(), approved.class());
                    let outgoing = &mut self.outgoing;
                    let sent = if self.tape.withholds(class) {
                        Err(1)
                    } else {
                        let place = || sim::from_command::request(Command::Submit(approved), ts).ok().flatten();
                        self.sender.send(class, place).map_err(|by| by.word.level().number())
                    };
                    match sent {
                        Ok(Some(request)) => {
                            if class == OrderClass::Entry && self.word.level().number() > 0 {
                                self.leaked = Some(id);
                            }
                            outgoing.push(request);
                        }
                        // The approval had run out, as after a long standstill.
                        Ok(None) => stopped.push(id),
                        Err(by) => {
                            level = level.max(by);
                            stopped.push(id);
                        }
                    }
                }
                other => {
                    if let Ok(Some(request)) = sim::from_command::request(other, ts) {
                        self.outgoing.push(request);
                    }
                }
            }
        }
        if !stopped.is_empty() {
            self.step(ts, EventBody::NotSent(Arc::new(NotSent { level, orders: stopped })));
        }
        if self.tape.calls_for_pause() {
            self.step(ts, EventBody::Control(Control::Pause));
        }
    }

    /// The latest stamp that the engine was given.
    #[must_use]
    pub const fn reached(&self) -> UnixNanos {
        self.reached
    }

    /// Whether orders of this class are withheld for the journal cannot be written.
    #[must_use]
    pub fn withholds(&self) -> bool {
        self.tape.withholds(OrderClass::Entry)
    }
}

/// Everything that a journal holds.
fn read_all(disk: &SimDisk) -> Result<Vec<(u64, Happened)>, String> {
    let dir: &Path = &journal_dir();
    let mut reader = Reader::open_on(disk.handle(), dir).map_err(|e| format!("journal: {e}"))?;
    let mut all = Vec::new();
    while let Some(record) = reader.next().map_err(|e| format!("journal: {e}"))? {
        let what = if is_command(record.kind) {
            command_of(record.body).map(|(ts, command)| Happened::Said(ts, command))
        } else {
            event_of(record.body).map(|(ts, event)| Happened::Event(ts, event))
        };
        all.push((record.seq, what.map_err(|e| format!("a record of event {}: {e}", record.seq))?));
    }
    Ok(all)
}

/// No model runs here: every question is answered by an abstention.
fn abstention(ts: UnixNanos, request: &InferRequest) -> (UnixNanos, ModelOutput) {
    let answer = ModelOutput { strategy: request.strategy, model: request.model, as_of: request.as_of, value: None };
    (request.as_of.max(ts), answer)
}
