//! The watch over a run: owns its gate word, lets others raise it, and tells the engine of raises between two rows.
//!
//! In:  signals, the hardware switch, heartbeats of the engine, raises by other processes (`bot4 kill`).
//! Out: a raised gate word at once; between two rows the session is asked to look at it.
//!
//! What watches does nothing but raise the word: SIGUSR1 (and SIGUSR2 with flattening) in the handler itself, the switch and the heartbeat
//! each on a thread of its own. Taking back entries, closing positions, recording, and lowering the word again are the session's and the
//! engine's.

#[cfg(target_os = "linux")]
mod gpio;
mod heartbeat;
mod line;
mod signals;
mod simulated;
mod switch;

pub use line::{Event, Lamps, Levels, Line, LineError, Seen};
pub use simulated::{LEDS_SUFFIX, SimulatedLine};
pub use switch::{Finding, Rules, Switch, SwitchState, Thread as SwitchThread};

use crate::config::SafetySection;
use crate::kill::{Registered, RegistryError, register};
use crate::runner::outside::Outside;
use crate::runner::record::Recorder;
use crate::runner::session::{Session, SessionError};
use domain::{Mode, UnixNanos};
use infra::gate_word::GateWord;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Why a run cannot be watched: it does not start.
#[derive(Debug)]
pub enum WatchError {
    /// No page of its gate can be made: nobody could stop it from outside.
    Registry(RegistryError),
    /// The switch that the configuration names is not there.
    Line(LineError),
    /// Two switches are named.
    TwoSwitches,
    /// The system gives no thread or takes no handler.
    System(io::Error),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(error) => write!(f, "{error}"),
            Self::Line(error) => write!(f, "hardware kill switch: {error}"),
            Self::TwoSwitches => write!(
                f,
                "safety.gpio_chip and safety.gpio_simulated are both set: expected one switch, in hardware or simulated"
            ),
            Self::System(error) => write!(f, "cannot watch over the run: {error}"),
        }
    }
}

impl std::error::Error for WatchError {}

impl From<io::Error> for WatchError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Watches over one run, as long as it lives.
#[derive(Debug)]
pub struct Watch {
    switch: Option<switch::Thread>,
    // In this order they go: who raises, then the page.
    _heartbeat: Option<heartbeat::Thread>,
    _signals: signals::Handlers,
    registered: Registered,
}

impl Watch {
    /// Makes the page of a run in this folder and begins to watch. From now on SIGUSR1 and SIGUSR2 raise its word.
    ///
    /// # Errors
    /// [`WatchError`]; the run must not start then.
    pub fn start(settings: &SafetySection, run: Option<&Path>) -> Result<Self, WatchError> {
        let registered = register(run).map_err(WatchError::Registry)?;
        let gate = Arc::clone(registered.gate());
        let signals = signals::Handlers::install(&gate)?;
        let switch = match line_of(settings)? {
            Some(line) => Some(switch::Thread::start(line, Rules::of(settings), &gate)?),
            None => None,
        };
        let heartbeat = match settings.heartbeat_s {
            0 => None,
            seconds => Some(heartbeat::Thread::start(&gate, Duration::from_secs(seconds))?),
        };
        Ok(Self { switch, _heartbeat: heartbeat, _signals: signals, registered })
    }

    /// The gate word, for senders and for others that say that the engine lives.
    #[must_use]
    pub const fn word(&self) -> &Arc<GateWord> {
        self.registered.gate()
    }

    /// The engine lives: said between rows, and while it waits for the next one.
    #[inline]
    pub fn beat(&self) {
        self.word().beat();
    }

    /// The engine is in this mode: LEDs and `bot4 kill` show it.
    pub fn show(&self, mode: Mode) {
        self.word().show_mode(mode as u8);
    }

    /// The state of the hardware switch, where there is one: a re-arm is refused unless it is ready.
    #[must_use]
    pub fn switch(&self) -> Option<SwitchState> {
        self.switch.as_ref().map(switch::Thread::state)
    }
}

/// Says whether the hardware switch, where there is one, would work: for the self-tests before a re-arm.
pub type SwitchProbe = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

impl Watch {
    /// Whether the switch would work, asked from elsewhere.
    #[must_use]
    pub fn switch_probe(&self) -> SwitchProbe {
        match &self.switch {
            None => Arc::new(|| Ok("no hardware switch is configured".into())),
            Some(switch) => {
                let look = switch.looker();
                Arc::new(move || match look() {
                    SwitchState::Ready => Ok("the hardware switch is ready".into()),
                    SwitchState::Pressed => Err("the hardware switch is pressed".into()),
                    SwitchState::Cut => Err("the cable of the hardware switch is cut".into()),
                    SwitchState::Chattering => Err("the hardware switch chatters".into()),
                    SwitchState::Lost => Err("the hardware switch cannot be read".into()),
                })
            }
        }
    }
}

impl Outside for Watch {
    fn between(&mut self, session: &mut Session, ts: UnixNanos, probe: &mut Recorder) -> Result<(), SessionError> {
        self.beat();
        session.look_at_gate(ts, probe)?;
        self.show(session.engine.mode().mode());
        Ok(())
    }
}

/// The line that the settings name.
fn line_of(settings: &SafetySection) -> Result<Option<Box<dyn Line>>, WatchError> {
    match (&settings.gpio_chip, &settings.gpio_simulated) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(WatchError::TwoSwitches),
        (None, Some(path)) => Ok(Some(Box::new(SimulatedLine::open(path).map_err(WatchError::Line)?))),
        (Some(chip), None) => hardware(chip, settings).map(Some),
    }
}

#[cfg(target_os = "linux")]
fn hardware(chip: &Path, settings: &SafetySection) -> Result<Box<dyn Line>, WatchError> {
    Ok(Box::new(gpio::GpioLine::open(chip, gpio::Pins::of(settings)).map_err(WatchError::Line)?))
}

#[cfg(not(target_os = "linux"))]
fn hardware(chip: &Path, settings: &SafetySection) -> Result<Box<dyn Line>, WatchError> {
    let what = format!("line {}: this system has no GPIO character devices", settings.gpio_line);
    Err(WatchError::Line(LineError::Refused { device: chip.to_owned(), what }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_switches_are_one_too_many() {
        let settings = SafetySection { gpio_chip: Some("a".into()), gpio_simulated: Some("b".into()), ..settings() };
        assert!(matches!(line_of(&settings), Err(WatchError::TwoSwitches)));
        assert!(matches!(line_of(&SafetySection { gpio_chip: None, gpio_simulated: None, ..settings }), Ok(None)));
    }

    #[test]
    fn nothing_starts_without_the_switch_that_is_named() {
        let missing = SafetySection { gpio_chip: Some("nowhere/gpiochip0".into()), ..settings() };
        let error = line_of(&missing).err().unwrap();
        assert!(error.to_string().starts_with("hardware kill switch: nowhere/gpiochip0"), "{error}");
    }

    fn settings() -> SafetySection {
        let mut sections = serde_json::Map::new();
        for key in crate::config::KEYS.iter().filter(|key| key.section() == "safety") {
            if let Some(value) = key.preset() {
                sections.insert(key.name().to_owned(), value.json());
            }
        }
        serde_json::from_value(serde_json::Value::Object(sections)).unwrap()
    }
}
