//! The journal: appending into memory, group commit beside bare `fdatasync`, reading ahead.

use crate::measure::{cpu_s, fastest, line};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::journal::{End, JournalError, Kind, Options, ReadAhead, Reader, Writer};

/// Bytes of a body, as of a small order or report.
const BODY: usize = 60;
/// Appends between two looks at the clock.
const BATCH: u64 = 1_000;
const BATCHES: usize = 500;
/// Records of the journal that is read.
const RECORDS: u64 = 3_000_000;

/// All measurements, in a folder below `dir` that is removed again.
pub fn run(dir: Option<&Path>, runs: usize) -> Result<(), String> {
    let folder = Folder::new(dir)?;
    append(&folder.0, runs)?;
    write_through(&folder.0, runs)?;
    group_commit(&folder.0)?;
    read(&folder.0, runs)
}

/// Into memory alone: what the trading thread pays for a record.
fn append(dir: &Path, runs: usize) -> Result<(), String> {
    let options = Options { flush_bytes: 1 << 20, sync_every: None, ..Options::default() };
    for body in [BODY, 200] {
        let (cpu, appends) = fastest(runs, || {
            let path = dir.join("append");
            let mut writer = Writer::create(&path, options.clone()).map_err(text)?;
            let bytes = vec![0x5A; body];
            let mut seq = 0;
            let mut batches = Vec::new();
            for _ in 0..BATCHES {
                let before = cpu_s();
                for _ in 0..BATCH {
                    seq += 1;
                    writer.append(seq, Kind::Report, 1, |out| out.extend_from_slice(std::hint::black_box(&bytes)));
                }
                batches.push(cpu_s() - before);
                writer.flush().map_err(text)?;
            }
            drop(writer);
            std::fs::remove_dir_all(&path).map_err(text)?;
            // The half that nobody disturbed is like the median.
            batches.sort_unstable_by(f64::total_cmp);
            Ok((batches[BATCHES / 2] * BATCHES as f64, BATCHES as u64 * BATCH))
        })?;
        line(
            &format!("journal, append {body} bytes into memory"),
            appends,
            cpu,
            json!({"of": "median batch, flush left out"}),
        );
    }
    Ok(())
}

/// As a run does it: written at 256 KiB, synced every 5 ms, rolled, compressed, all threads counted.
fn write_through(dir: &Path, runs: usize) -> Result<(), String> {
    let mut wall = f64::MAX;
    let (cpu, records) = fastest(runs.min(3), || {
        let path = dir.join("through");
        let (before, clock) = (cpu_s(), Instant::now());
        let writer = fill(&path, RECORDS)?;
        wall = wall.min(clock.elapsed().as_secs_f64());
        writer.close().map_err(text)?;
        let cpu = cpu_s() - before;
        std::fs::remove_dir_all(&path).map_err(text)?;
        Ok((cpu, RECORDS))
    })?;
    let wall_ns = wall * 1e9 / RECORDS as f64;
    line("journal, 60 bytes through to the disk, all threads", records, cpu, json!({"caller_wall_ns": wall_ns}));
    Ok(())
}

/// A few appends and a commit, in turn with the same bytes written and synced without a journal, on the same file system.
fn group_commit(dir: &Path) -> Result<(), String> {
    let path = dir.join("commit");
    let mut writer = Writer::create(&path, Options::default()).map_err(text)?;
    let mut bare = std::fs::File::options().append(true).create_new(true).open(dir.join("bare")).map_err(text)?;
    let frames = vec![0x5A; 4 * (BODY + 22)];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..600u64 {
        let before = Instant::now();
        for at in 0..4 {
            writer.append(round * 4 + at, Kind::Order, 1, |out| out.extend_from_slice(&frames[..BODY]));
        }
        writer.commit().map_err(text)?;
        ours.push(before.elapsed());
        let before = Instant::now();
        bare.write_all(&frames).and_then(|()| bare.sync_data()).map_err(text)?;
        theirs.push(before.elapsed());
    }
    writer.close().map_err(text)?;
    let (ours, theirs) = (Times::of(ours), Times::of(theirs));
    println!(
        "{}",
        json!({"bench": "journal, 4 appends and a commit beside bare fdatasync", "rounds": 600,
               "ratio_of_sums": ours.sum / theirs.sum, "ratio_of_medians": ours.median / theirs.median,
               "journal_median_us": ours.median * 1e6, "bare_median_us": theirs.median * 1e6,
               "journal_p99_us": ours.p99 * 1e6, "bare_p99_us": theirs.p99 * 1e6})
    );
    Ok(())
}

struct Times {
    sum: f64,
    median: f64,
    p99: f64,
}

impl Times {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |per_cent: usize| all[(all.len() - 1) * per_cent / 100].as_secs_f64();
        Self { sum: all.iter().map(Duration::as_secs_f64).sum(), median: at(50), p99: at(99) }
    }
}

/// A sealed journal, read on a thread of its own and on the caller's.
fn read(dir: &Path, runs: usize) -> Result<(), String> {
    let path = dir.join("read");
    let writer = fill(&path, RECORDS)?;
    writer.seal(RECORDS, 1, |_| {}).map_err(text)?;
    let plain = RECORDS * (BODY as u64 + 22);
    let packed: u64 =
        std::fs::read_dir(&path).map_err(text)?.filter_map(|e| e.ok()?.metadata().ok()).map(|m| m.len()).sum();
    for ahead in [true, false] {
        let mut wall = f64::MAX;
        let (cpu, _) = fastest(runs, || {
            let (before, clock) = (cpu_s(), Instant::now());
            let sum = if ahead { through_ahead(&path) } else { through(&path) }.map_err(text)?;
            wall = wall.min(clock.elapsed().as_secs_f64());
            Ok((cpu_s() - before, std::hint::black_box(sum)))
        })?;
        let name = if ahead { "journal, read ahead" } else { "journal, read on the caller's thread" };
        line(
            name,
            RECORDS,
            cpu,
            json!({"wall_records_per_s": RECORDS as f64 / wall, "wall_mb_per_s": plain as f64 / wall / 1e6,
                   "plain_bytes": plain, "compressed_bytes": packed}),
        );
    }
    Ok(())
}

fn through_ahead(path: &Path) -> Result<u64, JournalError> {
    let mut reader = ReadAhead::open(path, 0)?;
    let mut sum = 0;
    while let Some(record) = reader.next()? {
        sum += record.seq ^ u64::from(record.body.first().copied().unwrap_or_default());
    }
    assert!(matches!(reader.end(), Some(End::Sealed { count: RECORDS, .. })), "the journal was sealed");
    Ok(sum)
}

fn through(path: &Path) -> Result<u64, JournalError> {
    let mut reader = Reader::open(path)?;
    let mut sum = 0;
    while let Some(record) = reader.next()? {
        sum += record.seq ^ u64::from(record.body.first().copied().unwrap_or_default());
    }
    assert!(matches!(reader.end(), Some(End::Sealed { count: RECORDS, .. })), "the journal was sealed");
    Ok(sum)
}

/// Records as of orders: a time, an instrument, a price that walks, a quantity, flags; what stays the same stays, what changes changes.
fn fill(path: &Path, records: u64) -> Result<Writer, String> {
    let mut writer = Writer::create(path, Options::default()).map_err(text)?;
    let (mut random, mut price) = (0x9E37_79B9_7F4A_7C15u64, 3_000_000u64);
    let kinds = [Kind::Report, Kind::Order, Kind::Decision, Kind::Timer];
    for seq in 1..=records {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        price = price.wrapping_add(random % 21).wrapping_sub(10);
        let words = [
            seq * 60_000_000_000,
            seq / 3,
            price,
            1_000 + random % 64 * 10,
            price * 1_000,
            u64::from(random > 1 << 63),
            0,
        ];
        writer.append(seq, kinds[seq as usize % 4], 1, |out| {
            words.iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
            out.extend_from_slice(&[1, 0, 2, 0]);
        });
    }
    match writer.failed() {
        Some(error) => Err(text(error)),
        None => Ok(writer),
    }
}

/// A folder of this run, removed with its contents.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(dir: Option<&Path>) -> Result<Self, String> {
        let path =
            dir.map_or_else(std::env::temp_dir, Path::to_owned).join(format!("bot4-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(text)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the owner of the folder.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
