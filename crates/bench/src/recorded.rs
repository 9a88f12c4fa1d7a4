//! What recording costs and what verifying takes: the combined run without a journal, with one, and held against it.

use crate::engine_run::Combined;
use crate::measure::{cpu_s, line};
use bot4::runner::cursor::Cursor;
use bot4::runner::tape::{Tape, Then};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::journal::{Options, Writer};

/// CPU seconds of this thread, user and system.
#[allow(unsafe_code, reason = "one read-only system call with a local buffer")]
fn thread_cpu_s() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux and `t` is a valid buffer for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// The best of some runs.
#[derive(Clone, Copy)]
struct Best {
    /// CPU of all threads, the waiting for the end of the background work included.
    process: f64,
    /// CPU of the trading thread.
    trading: f64,
    wall: f64,
}

impl Best {
    const NONE: Self = Self { process: f64::MAX, trading: f64::MAX, wall: f64::MAX };

    fn take(&mut self, process: f64, trading: f64, wall: f64) {
        self.process = self.process.min(process);
        self.trading = self.trading.min(trading);
        self.wall = self.wall.min(wall);
    }
}

/// The three runs in turn, so that they see the same machine.
pub fn run(dir: Option<&Path>, runs: usize) -> Result<(), String> {
    let folder: PathBuf =
        dir.map_or_else(std::env::temp_dir, Path::to_path_buf).join(format!("bot4-recorded-{}", std::process::id()));
    let case = Combined::new()?;
    let (mut plain, mut recorded, mut verified) = (Best::NONE, Best::NONE, Best::NONE);
    let (mut events, mut records, mut digests) = (0, 0, Vec::new());
    for _ in 0..runs.max(1) {
        let _ = std::fs::remove_dir_all(&folder);
        let (before, thread, wall) = (cpu_s(), thread_cpu_s(), Instant::now());
        let (_, counted, _) = case.run(Tape::off())?;
        plain.take(cpu_s() - before, thread_cpu_s() - thread, wall.elapsed().as_secs_f64());
        digests.push(counted.digest);

        let journal = Writer::create(&folder, Options::default()).map_err(|e| e.to_string())?;
        let (before, thread, wall) = (cpu_s(), thread_cpu_s(), Instant::now());
        let (_, counted, mut plan) = case.run(Tape::writing(Then { journal, strict: false }))?;
        let (trading, wall) = (thread_cpu_s() - thread, wall.elapsed().as_secs_f64());
        let journal = plan.session.tape.take_journal().ok_or("the journal is gone")?;
        records = journal.records();
        journal.close().map_err(|e| e.to_string())?;
        recorded.take(cpu_s() - before, trading, wall);
        digests.push(counted.digest);

        let record = Cursor::after(&folder, 0).map_err(|e| e.to_string())?;
        let (before, thread, wall) = (cpu_s(), thread_cpu_s(), Instant::now());
        let (_, counted, plan) = case.run(Tape::comparing(record))?;
        verified.take(cpu_s() - before, thread_cpu_s() - thread, wall.elapsed().as_secs_f64());
        let compared = plan.session.tape.compared();
        if let Some(difference) = compared.difference {
            return Err(format!("the same run differs from its record: {difference}"));
        }
        if compared.records != records {
            return Err(format!("{} of {records} records were compared", compared.records));
        }
        events = counted.events;
        digests.push(counted.digest);
    }
    let _ = std::fs::remove_dir_all(&folder);
    digests.dedup();
    if digests.len() != 1 {
        return Err(format!("recording changed the digest: {digests:?}"));
    }
    for (name, best) in [("without a journal", plain), ("recorded", recorded), ("held against its record", verified)] {
        let more = json!({
            "trading_thread_s": best.trading,
            "trading_thread_ns_per_event": best.trading * 1e9 / events as f64,
            "wall_s": best.wall,
            "records": records,
            "digest": digests[0],
        });
        line(&format!("combined, {name}"), events, best.process, more);
    }
    let ratio = json!({
        "bench": "combined, ratios",
        "recorded_over_plain_trading_thread": recorded.trading / plain.trading,
        "verify_rate_over_engine_rate_trading_thread": plain.trading / verified.trading,
        "verify_rate_over_recorded_rate_trading_thread": recorded.trading / verified.trading,
        "verify_rate_over_engine_rate_wall": plain.wall / verified.wall,
    });
    println!("{ratio}");
    Ok(())
}
