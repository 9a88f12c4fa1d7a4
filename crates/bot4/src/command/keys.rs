//! What a user says while a paced run or replay goes on: one word a line on standard input.
//!
//! `p` pauses and goes on, `+` and `-` double and halve the speed, `max` or `60x` set it, and a time (`2021-05-19` or
//! `2021-05-19T13:00:00Z`) is gone to as fast as it goes. A time that has passed cannot be gone back to: a run only goes forwards.

use super::inputs::{parse_time, time_text};
use crate::runner::pace::{Controls, Speed};
use std::io::BufRead as _;
use std::sync::Arc;

/// What can be said, in one line.
pub const HELP: &str =
    "keys, each with Enter: p pauses and goes on, + and - change the speed, max or 60x set it, a date goes there";

/// Listens on a thread of its own until standard input ends. The thread ends with the program.
pub fn listen(controls: &Arc<Controls>) {
    let controls = Arc::clone(controls);
    // Without it the run goes on as it was asked to: there is only nobody to listen to.
    let _ = std::thread::Builder::new().name("keys".into()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            match obey(&controls, line.trim()) {
                Ok(Some(said)) => eprintln!("{said}"),
                Ok(None) => {}
                Err(expected) => eprintln!("{expected}"),
            }
        }
    });
}

/// Does what a line says, and answers what it did.
fn obey(controls: &Controls, line: &str) -> Result<Option<String>, String> {
    match line {
        "" => Ok(None),
        "p" => {
            let paused = !controls.paused();
            controls.set_paused(paused);
            Ok(Some(if paused { "paused".into() } else { "goes on".into() }))
        }
        "+" | "-" => {
            let Speed::Times(times) = controls.speed() else {
                return Err("it goes as fast as it can; say a speed such as 60x".into());
            };
            let times = if line == "+" { times * 2.0 } else { times / 2.0 };
            set(controls, &format!("{times}x"))
        }
        "max" => set(controls, line),
        _ if line.ends_with('x') => set(controls, line),
        _ => {
            let to = parse_time("time", line).map_err(|_| format!("{line}: {HELP}"))?;
            controls.skip_ahead(to);
            Ok(Some(format!("to {}", time_text(to))))
        }
    }
}

fn set(controls: &Controls, text: &str) -> Result<Option<String>, String> {
    let speed = Speed::parse(text).ok_or_else(|| format!("{text}: expected max or a multiple such as 60x"))?;
    controls.set_speed(speed);
    Ok(Some(format!("speed {speed}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_what_they_say() {
        let controls = Controls::new(Speed::Times(60.0), None);
        let speed = |line: &str| {
            obey(&controls, line).unwrap();
            controls.speed()
        };
        assert_eq!(speed("+"), Speed::Times(120.0));
        assert_eq!(speed("-"), Speed::Times(60.0));
        assert_eq!(speed("0.5x"), Speed::Times(0.5));
        assert_eq!(speed("max"), Speed::Max);
        assert!(obey(&controls, "+").is_err(), "nothing is faster");
        obey(&controls, "p").unwrap();
        assert!(controls.paused());
        obey(&controls, "p").unwrap();
        assert!(!controls.paused());
        assert_eq!(obey(&controls, "2021-05-19").unwrap().as_deref(), Some("to 2021-05-19 00:00"));
        assert!(obey(&controls, "yesterday").unwrap_err().contains("keys"));
        assert_eq!(obey(&controls, ""), Ok(None));
    }
}
