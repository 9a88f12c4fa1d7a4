//! Rows per second of reading candle files: decoding, converting, checking, into records. One thread, the shortest of several runs.
//!
//! `cargo run --release -p store --example load_speed -- [--as-is] FILE...`: each series as it is and, without
//! `--as-is`, the same rewritten in bot4's own form.

use domain::InstrumentIdx;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::history::{Input, Options, Rows, Series, SeriesReader, discover, import};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 15;

/// Processor time of this thread in nanoseconds, where the system tells it.
fn cpu_ns() -> Option<u64> {
    // The system brings the figure up to date when the thread gives way, otherwise only at its ticks.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Rows and shortest wall and processor time, in seconds, of opening and reading the whole series.
fn measure(series: &Series) -> Result<(u64, f64, f64), Box<dyn Error>> {
    let (mut rows, mut wall, mut cpu) = (0, f64::MAX, f64::MAX);
    for _ in 0..RUNS {
        let (begin, begin_cpu) = (Instant::now(), cpu_ns());
        let mut reader = SeriesReader::open(series, InstrumentIdx(0))?;
        let mut chunk = Rows::new(series.kind);
        rows = 0;
        while reader.next_chunk(&mut chunk)? {
            rows += chunk.len() as u64;
        }
        wall = wall.min(begin.elapsed().as_secs_f64());
        if let (Some(before), Some(after)) = (begin_cpu, cpu_ns()) {
            cpu = cpu.min((after - before) as f64 * 1e-9);
        }
    }
    Ok((rows, wall, cpu))
}

fn report(form: &str, path: &Path) -> Result<(), Box<dyn Error>> {
    for series in discover(&[Input::from(path)], &Options::default())? {
        let (rows, wall, cpu) = measure(&series)?;
        let bytes = path.metadata()?.len();
        let million = |seconds: f64| rows as f64 / seconds / 1e6;
        println!(
            "{form:8} {} rows {rows} bytes {bytes} wall {:.2} ms ({:.1} M rows/s) cpu {:.2} ms ({:.1} M rows/s)",
            series.title(),
            wall * 1e3,
            million(wall),
            cpu * 1e3,
            million(cpu)
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("bot4-load-speed-{}", std::process::id()));
    let (flags, paths): (Vec<_>, Vec<_>) = std::env::args_os().skip(1).partition(|a| a == "--as-is");
    for path in paths.into_iter().map(PathBuf::from) {
        report("as it is", &path)?;
        if !flags.is_empty() {
            continue;
        }
        for imported in import(&[Input::from(path.as_path())], &Options::default(), &folder)? {
            report("own", &imported.written.path)?;
        }
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}
