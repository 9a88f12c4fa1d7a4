//! CPU time of this process, and lines of results.

use serde_json::{Value, json};

/// CPU seconds of the process so far, user and system.
#[allow(unsafe_code, reason = "one read-only system call with a local buffer")]
pub fn cpu_s() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux and `t` is a valid buffer for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// The fastest of `runs` measurements of what `once` returns: CPU seconds and whatever it counted.
pub fn fastest<T>(runs: usize, mut once: impl FnMut() -> Result<(f64, T), String>) -> Result<(f64, T), String> {
    let mut best: Option<(f64, T)> = None;
    for _ in 0..runs.max(1) {
        let (cpu, counted) = once()?;
        if best.as_ref().is_none_or(|(b, _)| cpu < *b) {
            best = Some((cpu, counted));
        }
    }
    best.ok_or_else(|| "nothing was run".into())
}

/// Prints one result as a JSON line.
pub fn line(name: &str, events: u64, cpu: f64, more: Value) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let ns = cpu * 1e9 / events.max(1) as f64;
    let mut object = json!({"bench": name, "events": events, "cpu_s": cpu, "ns_per_event": ns, "events_per_s": events as f64 / cpu, "load1": load});
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    println!("{object}");
}
