//! `bot4 kill`: stops running processes of this user from taking new risk, also where their engines hang.

use super::{CommandError, write_out};
use crate::kill::{Order, Pulled, Reached, pull};
use crate::term::{self, Table};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Options of the kill.
#[derive(Args, Clone, Debug)]
pub struct KillArgs {
    /// Only the run in this folder; every running bot4 of this user if not given.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Has all positions closed.
    #[arg(long)]
    pub flatten: bool,
    /// Has protective stops taken back too; without it they stay.
    #[arg(long)]
    pub including_stops: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Failed, if nothing was found or something could not be reached; what was reached is stopped all the same.
pub fn run(args: &KillArgs) -> Result<(), CommandError> {
    let order = Order { run: args.run.clone(), flatten: args.flatten, including_stops: args.including_stops };
    let pulled = pull(&order);
    if args.json {
        write_out(&(serde_json::to_string(&Report::of(&pulled)).map_err(CommandError::failed)? + "\n"))?;
    } else {
        term::print(&text(&pulled)).map_err(CommandError::failed)?;
    }
    if pulled.is_complete() {
        return Ok(());
    }
    Err(CommandError::failed(match pulled.failed.first() {
        Some(first) => first.clone(),
        None => match &pulled.at_rest {
            Some((_, Err(error))) => error.clone(),
            Some((_, Ok(()))) | None => "no running bot4 of this user was found".into(),
        },
    }))
}

/// What happened, for programs.
#[derive(Serialize)]
struct Report<'a> {
    complete: bool,
    processes: Vec<Process<'a>>,
    run_at_rest: Option<AtRest<'a>>,
    failed: &'a [String],
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    run: Option<&'a PathBuf>,
    alive: bool,
    level_before: u8,
    level_after: u8,
    engine_answered: bool,
    engine_answered_ms: Option<f64>,
    heartbeat_seen: bool,
    mode: Option<&'static str>,
    in_flight: u64,
    kept_for_resume: bool,
    not_kept: Option<&'a String>,
}

#[derive(Serialize)]
struct AtRest<'a> {
    run: &'a PathBuf,
    starts_in_emergency: bool,
    problem: Option<&'a String>,
}

impl<'a> Report<'a> {
    fn of(pulled: &'a Pulled) -> Self {
        Self {
            complete: pulled.is_complete(),
            processes: pulled.reached.iter().map(Process::of).collect(),
            run_at_rest: pulled.at_rest.as_ref().map(|(run, left)| AtRest {
                run,
                starts_in_emergency: left.is_ok(),
                problem: left.as_ref().err(),
            }),
            failed: &pulled.failed,
        }
    }
}

impl<'a> Process<'a> {
    fn of(reached: &'a Reached) -> Self {
        Self {
            pid: reached.pid,
            run: reached.run.as_ref(),
            alive: reached.alive,
            level_before: reached.level_before.number(),
            level_after: reached.level_after.number(),
            engine_answered: reached.answered.is_some(),
            engine_answered_ms: reached.answered.map(|after| after.as_secs_f64() * 1e3),
            heartbeat_seen: reached.beats,
            mode: reached.mode.map(domain::Mode::key),
            in_flight: reached.in_flight,
            kept_for_resume: reached.alive && reached.run.is_some() && reached.not_kept.is_none(),
            not_kept: reached.not_kept.as_ref(),
        }
    }
}

fn text(pulled: &Pulled) -> String {
    let mut out = String::new();
    if !pulled.reached.is_empty() {
        let mut table = Table::new(0).right(7).left(6).text().text();
        table.row(["process", "gate", "engine", "run"].map(|head| term::styled(term::HEADING, head)));
        for reached in &pulled.reached {
            let gate = format!("{} -> {}", reached.level_before, reached.level_after);
            let run = reached.run.as_ref().map_or_else(String::new, |run| run.display().to_string());
            table.row([reached.pid.to_string(), gate, engine(reached), run]);
        }
        out += &table.render(term::width());
    }
    for reached in pulled.reached.iter().filter(|reached| reached.in_flight > 0) {
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "process {}: {} order(s) were being sent as the gate closed and hang there: they may still leave",
            reached.pid, reached.in_flight
        );
    }
    for (pid, why) in pulled.reached.iter().filter_map(|r| Some((r.pid, r.not_kept.as_ref()?))) {
        let _ = writeln!(out, "process {pid}: stopped; but {why}");
    }
    if let Some((run, Ok(()))) = &pulled.at_rest {
        let _ = writeln!(out, "{} is not running; it will start in emergency", run.display());
    }
    for failed in pulled.failed.iter().skip(1) {
        let _ = writeln!(out, "{failed}");
    }
    out
}

fn engine(reached: &Reached) -> String {
    if !reached.alive {
        return "gone: its process has ended".into();
    }
    match (reached.answered, reached.beats) {
        (Some(after), _) => {
            let mode = reached.mode.map_or("", domain::Mode::key);
            format!("answered in {:.0} ms {mode}", after.as_secs_f64() * 1e3).trim_end().to_owned()
        }
        (None, true) => "lives, has not taken it up yet".into(),
        (None, false) => "does not answer: nothing leaves, and nothing is taken back or closed".into(),
    }
}
