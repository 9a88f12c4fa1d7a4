//! From the edge to the closed gate: how long after a press of the switch, or a raise by another process, a sender still gets an order out.
//!
//! A sender thread spins on `send` with entries. In each trial the edge is a byte written into the simulated switch's pipe, which the
//! watching thread of a run reads, or a raise by a process of its own through the mapped page, as `bot4 kill` does it. Three times are
//! taken from just before the edge: until the raise was done, until the last order had left (0 if none did), and until the sender was
//! refused for the first time. The last one includes all the time for which the sender itself was kept from running by others, in which it
//! sent nothing. Other threads keep the processors busy.

use crate::journal::{Folder, text};
use bot4::watch::{Lamps, Levels, Line, LineError, Rules, Seen, SimulatedLine, SwitchThread};
use infra::gate_word::{About, Class, GateWord, Level};
use serde_json::json;
use std::fs::OpenOptions;
use std::hint::{black_box, spin_loop};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Number of `bot4 kill` among the causes: any number does here.
const CAUSE: u8 = 1;
/// Sends of one batch in the measurement of what a send costs.
const BATCH: u32 = 100_000;
const BATCHES: usize = 101;

/// All measurements: so many trials each, so many busy threads beside.
pub fn run(trials: usize, busy: Option<usize>) -> Result<(), String> {
    // On a memory file system, as the pages of runs are.
    let shared = Some(Path::new("/dev/shm")).filter(|shared| shared.is_dir());
    let folder = Folder::new(shared)?;
    send_costs(&folder.0)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for busy in busy.map_or_else(|| vec![0, cores], |busy| vec![busy]) {
        let load = Load::start(busy)?;
        by_switch(&folder.0, trials, busy)?;
        by_process(&folder.0, trials, busy)?;
        drop(load);
    }
    Ok(())
}

/// Nanoseconds of the system's clock that only goes forwards, the same for all processes.
#[allow(unsafe_code, reason = "one read-only system call with a local buffer")]
fn now_ns() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux and `t` is a valid buffer for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut t) };
    t.tv_sec.cast_unsigned() * 1_000_000_000 + t.tv_nsec.cast_unsigned()
}

/// What one comparison costs on the way of an order, gate open and closed.
fn send_costs(folder: &Path) -> Result<(), String> {
    let gate = page(&folder.join("costs.gate"))?;
    let mut sent = 0_u64;
    for (name, class, level) in [
        ("gate, send of an entry, open", Class::Entry, Level::All),
        ("gate, send of a reduction at level 1", Class::Reducing, Level::Reducing),
        ("gate, entry refused at level 1", Class::Entry, Level::Reducing),
    ] {
        if level > gate.level() {
            gate.raise(level, CAUSE, 0);
        }
        let mut batches: Vec<u64> = Vec::with_capacity(BATCHES);
        for _ in 0..BATCHES {
            let before = now_ns();
            for _ in 0..BATCH {
                let done = black_box(&gate).send(class, || black_box(&mut sent).wrapping_add(1));
                sent = black_box(done).unwrap_or(sent);
            }
            batches.push(now_ns() - before);
        }
        batches.sort_unstable();
        let (median, least) = (batches[BATCHES / 2], batches[0]);
        let per_send = |batch: u64| batch as f64 / f64::from(BATCH);
        println!("{}", json!({"bench": name, "ns_median": per_send(median), "ns_min": per_send(least)}));
    }
    Ok(())
}

/// The switch: pipe, watching thread, word.
fn by_switch(folder: &Path, trials: usize, busy: usize) -> Result<(), String> {
    let gate = page(&folder.join(format!("switch-{busy}.gate")))?;
    let pipe = folder.join(format!("switch-{busy}.pipe"));
    let line = SimulatedLine::open(&pipe).map_err(text)?;
    // Every falling edge is a press of its own, however fast they come.
    let rules = Rules { debounce: Duration::ZERO, chatter_edges: 1_000, chatter_window: Duration::ZERO };
    let acted = Arc::new(AtomicU64::new(0));
    let line = Timed { line, after_event: false, acted: Arc::clone(&acted) };
    let watch = SwitchThread::start(Box::new(line), rules, &gate).map_err(text)?;
    let mut press = OpenOptions::new().write(true).open(&pipe).map_err(text)?;
    let times = measure(&gate, trials, || {
        acted.store(0, Ordering::Release);
        let began = now_ns();
        press.write_all(b"f").map_err(text)?;
        let closed = loop {
            match acted.load(Ordering::Acquire) {
                0 => std::thread::sleep(Duration::from_micros(20)),
                closed => break closed,
            }
        };
        Ok(Edge { began, closed })
    })?;
    drop(watch);
    times.print("edge of the simulated switch to the closed gate", busy);
    Ok(())
}

/// The line, and when the watching thread came back to it after an event: it has acted on the event by then.
struct Timed {
    line: SimulatedLine,
    after_event: bool,
    acted: Arc<AtomicU64>,
}

impl Timed {
    fn came_back(&mut self) {
        if std::mem::take(&mut self.after_event) {
            self.acted.store(now_ns(), Ordering::Release);
        }
    }
}

impl Line for Timed {
    fn wait(&mut self, time: Duration) -> Result<Option<Seen>, LineError> {
        self.came_back();
        let seen = self.line.wait(time)?;
        self.after_event = seen.is_some();
        Ok(seen)
    }

    fn levels(&mut self) -> Result<Levels, LineError> {
        self.came_back();
        self.line.levels()
    }

    fn show(&mut self, lamps: Lamps) -> Result<(), LineError> {
        self.came_back();
        self.line.show(lamps)
    }
}

/// Another process, through the page.
fn by_process(folder: &Path, trials: usize, busy: usize) -> Result<(), String> {
    let path = folder.join(format!("process-{busy}.gate"));
    let gate = page(&path)?;
    let mut child = Command::new(std::env::current_exe().map_err(text)?)
        .arg("gate-raiser")
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(text)?;
    let (Some(mut ask), Some(mut answer)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the raising process has no pipes".into());
    };
    let times = measure(&gate, trials, || {
        ask.write_all(b"k").map_err(text)?;
        let (mut began, mut closed) = ([0; 8], [0; 8]);
        answer.read_exact(&mut began).and_then(|()| answer.read_exact(&mut closed)).map_err(text)?;
        Ok(Edge { began: u64::from_le_bytes(began), closed: u64::from_le_bytes(closed) })
    })?;
    drop(ask);
    child.wait().map_err(text)?;
    times.print("raise by another process to the closed gate", busy);
    Ok(())
}

/// The other process: raises when it is asked, and answers when it began to and when it had.
pub fn raiser(page: &Path) -> Result<(), String> {
    let gate = GateWord::open(page).map_err(text)?;
    let (mut asked, mut answer) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut byte = [0];
    while asked.read(&mut byte).map_err(text)? > 0 {
        let began = now_ns();
        gate.raise(Level::Reducing, CAUSE, 0);
        let times = [began.to_le_bytes(), now_ns().to_le_bytes()].concat();
        answer.write_all(&times).and_then(|()| answer.flush()).map_err(text)?;
    }
    Ok(())
}

/// When the edge came, and when the raise that it led to was done.
struct Edge {
    began: u64,
    closed: u64,
}

/// What the sender saw in one trial.
struct OfSender {
    refused: u64,
    /// When its last order left, taken just before the comparison.
    left: u64,
}

/// Trials: the edge at a moment that has nothing to do with the sender, then the gate open again.
fn measure(
    gate: &Arc<GateWord>,
    trials: usize,
    mut edge: impl FnMut() -> Result<Edge, String>,
) -> Result<Times, String> {
    let stop = Arc::new(AtomicBool::new(false));
    let sends = Arc::new(AtomicBool::new(false));
    let (tell, told) = channel();
    let sender = {
        let (gate, stop, sends) = (Arc::clone(gate), Arc::clone(&stop), Arc::clone(&sends));
        let spin = move || {
            while !stop.load(Ordering::Relaxed) {
                let mut left = 0;
                let refused = loop {
                    let before = now_ns();
                    if gate.send(Class::Entry, || black_box(())).is_err() {
                        break now_ns();
                    }
                    left = before;
                    sends.store(true, Ordering::Release);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                };
                if tell.send(OfSender { refused, left }).is_err() {
                    return;
                }
                while gate.level() > Level::All && !stop.load(Ordering::Relaxed) {
                    spin_loop();
                }
            }
        };
        std::thread::Builder::new().name("sender".into()).spawn(spin).map_err(text)?
    };
    let times = all_trials(gate, trials, &sends, &told, &mut edge);
    stop.store(true, Ordering::Relaxed);
    drop(told);
    sender.join().map_err(|_| "the sender panicked")?;
    times
}

fn all_trials(
    gate: &GateWord,
    trials: usize,
    sends: &AtomicBool,
    told: &Receiver<OfSender>,
    edge: &mut dyn FnMut() -> Result<Edge, String>,
) -> Result<Times, String> {
    let [closed, left, refused] = [(); 3].map(|()| Vec::with_capacity(trials));
    let mut times = Times { closed, left, refused };
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for trial in 0..trials {
        // The sender is at it before the next edge comes; else it might not notice that the gate was open in between.
        while !sends.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_micros(20));
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_nanos(20_000 + random % 100_000));
        let Edge { began, closed } = edge()?;
        let seen =
            told.recv_timeout(Duration::from_secs(60)).map_err(|_| format!("trial {trial}: not closed in 60 s"))?;
        times.closed.push(closed.saturating_sub(began));
        times.refused.push(seen.refused.saturating_sub(began));
        times.left.push(seen.left.saturating_sub(began));
        sends.store(false, Ordering::Release);
        gate.lower(gate.read(), Level::All).map_err(|word| format!("trial {trial}: raised anew: {word:?}"))?;
    }
    Ok(times)
}

/// Nanoseconds after the edge, one for each trial.
struct Times {
    closed: Vec<u64>,
    left: Vec<u64>,
    refused: Vec<u64>,
}

impl Times {
    fn print(mut self, name: &str, busy: usize) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        let trials = self.refused.len();
        let of = |all: &mut Vec<u64>| {
            all.sort_unstable();
            let at = |share: f64| all[(((all.len() - 1) as f64) * share).round() as usize] as f64 / 1e3;
            json!({"p50_us": at(0.5), "p99_us": at(0.99), "p99_9_us": at(0.999), "max_us": at(1.0),
                   "over_1_ms": all.iter().filter(|ns| **ns >= 1_000_000).count()})
        };
        let (closed, left, refused) = (of(&mut self.closed), of(&mut self.left), of(&mut self.refused));
        println!(
            "{}",
            json!({"bench": name, "trials": trials, "busy_threads": busy, "load1": load,
                   "gate_closed": closed, "last_order_left": left, "first_order_refused": refused})
        );
    }
}

/// Threads that do nothing but compute.
struct Load(Arc<AtomicBool>, Vec<std::thread::JoinHandle<()>>);

impl Load {
    fn start(threads: usize) -> Result<Self, String> {
        let mut load = Self(Arc::new(AtomicBool::new(false)), Vec::new());
        for _ in 0..threads {
            let stop = Arc::clone(&load.0);
            let compute = move || {
                let mut x = 1_u64;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..1_000 {
                        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                    }
                }
            };
            load.1.push(std::thread::Builder::new().name("busy".into()).spawn(compute).map_err(text)?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            // A thread that only computes cannot have panicked.
            drop(thread.join());
        }
    }
}

fn page(path: &Path) -> Result<Arc<GateWord>, String> {
    GateWord::create(path, About::of_this_process(None)).map(Arc::new).map_err(text)
}
