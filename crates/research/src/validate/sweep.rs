//! All series, models and levels at once, on as many threads as wanted.
//!
//! In:  series, [`Settings`]. Out: [`RiskBacktest`], the same bits for every number of threads: each piece of work has its place in the
//! result and its own seed.

use super::drawdowns::{DrawdownCheck, drawdown_check};
use super::model::{Level, Model};
use super::returns::Series;
use super::walk::Outcome;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Fewest returns of a window: below it a tail has no returns.
pub const WINDOW_MIN: usize = 20;

/// What is walked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The models.
    pub models: Vec<Model>,
    /// The levels.
    pub levels: Vec<Level>,
    /// Returns that a forecast is made of.
    pub window: usize,
    /// Where all random numbers come from.
    pub seed: u64,
    /// Threads; at least one is used.
    pub threads: usize,
}

/// Settings that cannot be walked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// No model.
    NoModel,
    /// No level.
    NoLevel,
    /// A window of too few returns.
    Window {
        /// What was asked for.
        window: usize,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoModel => write!(f, "no model: expected at least one"),
            Self::NoLevel => write!(f, "no level: expected at least one, such as 99 %"),
            Self::Window { window } => write!(f, "a window of {window} returns: expected at least {WINDOW_MIN}"),
        }
    }
}

impl std::error::Error for SettingsError {}

/// A series as it was walked through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesLine {
    /// Its name.
    pub name: String,
    /// Its returns, those of the first window included.
    pub returns: u64,
    /// Periods that are missing inside of it.
    pub gaps: u64,
    /// End of its first and last return, ms since 1970 UTC; `None` for an empty one.
    pub span: Option<[i64; 2]>,
    /// Its drawdowns over the returns that were forecast, against expectation; `None` where there are too few.
    pub drawdown: Option<DrawdownCheck>,
}

/// The result: every series, and every model at every level on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskBacktest {
    /// Returns that a forecast was made of.
    pub window: u64,
    /// Where random numbers came from.
    pub seed: u64,
    /// The series.
    pub series: Vec<SeriesLine>,
    /// By series, then model, then level.
    pub outcomes: Vec<Outcome>,
}

/// A piece of work.
#[derive(Clone, Copy)]
enum Task {
    Drawdown(usize),
    Walk(usize, Model),
}

enum Done {
    Drawdown(Option<DrawdownCheck>),
    Walk(Vec<Outcome>),
}

/// Walks every model at every level through every series. `told` hears how many of how many pieces are done, from any thread.
///
/// `None` when `stop` was raised before the end.
///
/// # Errors
/// [`SettingsError`].
pub fn run(
    series: &[Series],
    settings: &Settings,
    stop: &AtomicBool,
    told: &(dyn Fn(usize, usize) + Sync),
) -> Result<Option<RiskBacktest>, SettingsError> {
    if settings.models.is_empty() {
        return Err(SettingsError::NoModel);
    }
    if settings.levels.is_empty() {
        return Err(SettingsError::NoLevel);
    }
    if settings.window < WINDOW_MIN {
        return Err(SettingsError::Window { window: settings.window });
    }
    let mut tasks: Vec<Task> = (0..series.len()).map(Task::Drawdown).collect();
    for n in 0..series.len() {
        tasks.extend(settings.models.iter().map(|model| Task::Walk(n, *model)));
    }
    let Some(done) = deal(&tasks, series, settings, stop, told) else { return Ok(None) };
    let mut drawdowns = Vec::with_capacity(series.len());
    let mut outcomes = Vec::with_capacity(tasks.len());
    for one in done {
        match one {
            Done::Drawdown(check) => drawdowns.push(check),
            Done::Walk(of_levels) => outcomes.extend(of_levels),
        }
    }
    let lines = series.iter().zip(drawdowns).map(|(s, drawdown)| SeriesLine {
        name: s.name.clone(),
        returns: s.returns.len() as u64,
        gaps: s.gaps,
        span: s.ts.first().zip(s.ts.last()).map(|(first, last)| [*first, *last]),
        drawdown,
    });
    let window = settings.window as u64;
    Ok(Some(RiskBacktest { window, seed: settings.seed, series: lines.collect(), outcomes }))
}

/// Threads take the next piece that is left and put what came of it in its place.
fn deal(
    tasks: &[Task],
    series: &[Series],
    settings: &Settings,
    stop: &AtomicBool,
    told: &(dyn Fn(usize, usize) + Sync),
) -> Option<Vec<Done>> {
    let (next, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let places: Vec<Mutex<Option<Done>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let (Some(task), Some(place)) = (tasks.get(n), places.get(n)) else { return };
            let done = one(*task, series, settings);
            *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(done);
            told(ended.fetch_add(1, Ordering::Relaxed) + 1, tasks.len());
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..settings.threads.clamp(1, 256) {
            scope.spawn(work);
        }
        work();
    });
    // A place that is empty was left when the work was stopped.
    places.into_iter().map(|p| p.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)).collect()
}

fn one(task: Task, series: &[Series], settings: &Settings) -> Done {
    // Each series has a seed of its own, so that another series beside it changes nothing for it.
    let seed =
        |s: &Series| s.name.bytes().fold(settings.seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3));
    match task {
        Task::Drawdown(n) => Done::Drawdown(series.get(n).and_then(|s| {
            let walked = s.returns.get(settings.window..).unwrap_or_default();
            drawdown_check(walked, seed(s))
        })),
        Task::Walk(n, model) => Done::Walk(
            series.get(n).map_or_else(Vec::new, |s| Outcome::of(s, model, &settings.levels, settings.window, seed(s))),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seeded::Seeded;
    use super::*;

    fn series(name: &str, seed: u64) -> Series {
        let mut seeded = Seeded::new(seed);
        let returns: Vec<f64> = (0..220).map(|_| 0.02 * seeded.normal()).collect();
        Series { name: name.into(), ts: (0..220).map(|n| n * 86_400_000).collect(), returns, gaps: 0 }
    }

    fn settings(threads: usize) -> Settings {
        let levels = [95.0, 99.0].iter().map(|p| Level::percent(*p).unwrap()).collect();
        Settings { models: Model::all().to_vec(), levels, window: 60, seed: 5, threads }
    }

    fn walked(series: &[Series], settings: &Settings) -> RiskBacktest {
        run(series, settings, &AtomicBool::new(false), &|_, _| ()).unwrap().unwrap()
    }

    #[test]
    fn the_number_of_threads_and_other_series_change_nothing() {
        let all = [series("a", 1), series("b", 2), series("c", 3)];
        let alone = walked(&all, &settings(1));
        for threads in [2, 7, 300] {
            assert_eq!(walked(&all, &settings(threads)), alone, "{threads} threads");
        }
        let one = walked(&all[1..2], &settings(2));
        let per_series = Model::all().len() * 2;
        assert_eq!(one.outcomes, alone.outcomes[per_series..2 * per_series]);
        assert_eq!(one.series[0], alone.series[1]);
        assert_eq!(alone.outcomes.len(), 3 * per_series);
        assert_eq!((alone.outcomes[1].series.as_str(), alone.outcomes[1].level), ("a", 0.99));
    }

    #[test]
    fn what_cannot_be_walked_is_refused_and_a_stop_ends_it() {
        let all = [series("a", 1)];
        let stop = AtomicBool::new(false);
        let said = |s: Settings| run(&all, &s, &stop, &|_, _| ()).unwrap_err();
        assert_eq!(said(Settings { models: vec![], ..settings(1) }), SettingsError::NoModel);
        assert_eq!(said(Settings { levels: vec![], ..settings(1) }), SettingsError::NoLevel);
        assert_eq!(said(Settings { window: 3, ..settings(1) }), SettingsError::Window { window: 3 });
        stop.store(true, Ordering::Relaxed);
        assert_eq!(run(&all, &settings(2), &stop, &|_, _| ()), Ok(None));
        assert!(walked(&[], &settings(2)).outcomes.is_empty());
    }

    #[test]
    fn progress_is_told_to_the_end() {
        let most = AtomicUsize::new(0);
        let told = |done: usize, of: usize| {
            assert!(done <= of);
            most.fetch_max(done, Ordering::Relaxed);
        };
        run(&[series("a", 1)], &settings(3), &AtomicBool::new(false), &told).unwrap();
        assert_eq!(most.load(Ordering::Relaxed), Model::all().len() + 1);
    }
}
