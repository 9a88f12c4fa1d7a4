//! The query store: what following a run costs it, and how many rows a second go into each kind of database.
//!
//! The combined run (a million market rows, two instruments, three strategies) is recorded alone, then with the store following it, in
//! turn; then its whole journal is written into an empty database.

use crate::engine_run::Combined;
use crate::measure::cpu_s;
use bot4::query::follow::{Follower, WHEN_ENDED};
use bot4::query::sync::Sync;
use bot4::runner::run_folder::{RunFolder, Start};
use bot4::runner::tape::{BODY_VERSION, Tape, Then};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::journal::{Kind, Options, Writer};
use store::query::Place;

/// Recorded alone and followed, in turn; then into SQLite and, where a URL is given, into PostgreSQL.
pub fn run(dir: Option<&Path>, postgres: Option<&str>, runs: usize) -> Result<(), String> {
    let base: PathBuf =
        dir.map_or_else(std::env::temp_dir, Path::to_path_buf).join(format!("bot4-query-{}", std::process::id()));
    let case = Combined::new()?;
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let (mut alone, mut followed) = (f64::MAX, f64::MAX);
    let (mut at_end, mut rows_behind) = (f64::MAX, 0);
    let mut digests = Vec::new();
    for _ in 0..runs.max(1) {
        for follows in [false, true] {
            let _ = std::fs::remove_dir_all(&base);
            let folder = RunFolder::at(&base.join("run"));
            let mut journal = Writer::create(&folder.journal(), Options::default()).map_err(|e| text(&e))?;
            let start = Start::new("bench", json!({"run": {"strategies": [], "params": []}}), Vec::new());
            let body = serde_json::to_vec(&start).map_err(|e| text(&e))?;
            journal.append(0, Kind::Start, BODY_VERSION, |out| out.extend_from_slice(&body));
            journal.commit().map_err(|e| text(&e))?;
            let place = Place::Sqlite(base.join("query.db"));
            let follower = follows.then(|| Follower::start(&folder, &place, 0)).transpose().map_err(|e| text(&e))?;
            let wall = Instant::now();
            let (_, counted, mut plan) = case.run(Tape::writing(Then { journal, strict: false }))?;
            let took = wall.elapsed().as_secs_f64();
            digests.push(counted.digest);
            let journal = plan.session.tape.take_journal().ok_or("the journal is gone")?;
            journal.close().map_err(|e| text(&e))?;
            match follower {
                None => alone = alone.min(took),
                Some(follower) => {
                    followed = followed.min(took);
                    let wall = Instant::now();
                    let told = follower.finish(WHEN_ENDED);
                    if !told.up_to_date {
                        return Err(told.error.unwrap_or_default());
                    }
                    at_end = at_end.min(wall.elapsed().as_secs_f64());
                    rows_behind = told.rows;
                }
            }
        }
    }
    digests.dedup();
    if digests.len() != 1 {
        return Err(format!("following changed the digest: {digests:?}"));
    }
    let line = json!({
        "bench": "query, a run followed", "wall_s_alone": alone, "wall_s_followed": followed, "followed_over_alone": followed / alone,
        "catching_up_at_the_end_s": at_end, "rows": rows_behind,
    });
    println!("{line}");
    let folder = RunFolder::at(&base.join("run"));
    let mut places = vec![("sqlite", Place::Sqlite(base.join("whole.db")))];
    if let Some(url) = postgres {
        let place = Place::parse(url, Path::new("")).map_err(|e| text(&e))?;
        places.extend(place.map(|place| ("postgres", place)));
    }
    for (name, place) in places {
        let mut sync = Sync::new(&folder, &place, 0);
        sync.forget().map_err(|e| text(&e))?;
        let (before, wall) = (cpu_s(), Instant::now());
        sync.step().map_err(|e| text(&e))?;
        let (cpu, wall, done) = (cpu_s() - before, wall.elapsed().as_secs_f64(), *sync.done());
        let line = json!({
            "bench": format!("query, a journal into {name}"), "rows": done.rows, "records": done.records, "transactions": done.batches,
            "wall_s": wall, "cpu_s": cpu, "database_s": done.in_database.as_secs_f64(),
            "rows_per_s": done.rows as f64 / wall, "rows_per_s_of_database": done.rows as f64 / done.in_database.as_secs_f64().max(1e-9),
        });
        println!("{line}");
    }
    let _ = std::fs::remove_dir_all(&base);
    Ok(())
}
