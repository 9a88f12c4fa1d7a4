//! The line to a hardware kill switch, behind a trait: a GPIO character device, or a named pipe where there is none.

use domain::Mode;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What happens on the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The switch's line falls: it is pressed.
    Fell,
    /// The switch's line rises: it is released.
    Rose,
    /// The loop through the cable is open.
    Cut,
    /// The loop through the cable is closed again.
    Mended,
}

/// An event, and how many edges it stands for: a system that could not keep all of them says how many it left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The last of them.
    pub event: Event,
    /// How many there were, itself included.
    pub edges: u32,
}

/// What the lines are at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// The switch's line is low.
    pub pressed: bool,
    /// The loop through the cable is open; never where there is none.
    pub cut: bool,
}

/// Which LEDs are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lamps {
    /// Emergency, or a raise that the engine has not taken up.
    pub red: bool,
    /// Reduced or paused, or an engine that has not said its mode.
    pub yellow: bool,
    /// Normal.
    pub green: bool,
}

impl Lamps {
    /// All dark: nothing is watched.
    pub const DARK: Self = Self { red: false, yellow: false, green: false };

    /// The one for a mode; red as long as the gate is raised and the engine has not taken it up.
    #[must_use]
    pub fn of(mode: Option<Mode>, raised: bool) -> Self {
        match mode {
            _ if raised => Self { red: true, ..Self::DARK },
            Some(Mode::Emergency) => Self { red: true, ..Self::DARK },
            Some(Mode::Reduced | Mode::Paused) | None => Self { yellow: true, ..Self::DARK },
            Some(Mode::Normal) => Self { green: true, ..Self::DARK },
        }
    }
}

impl fmt::Display for Lamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = [(self.red, "red"), (self.yellow, "yellow"), (self.green, "green")];
        let names: Vec<&str> = on.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
        f.write_str(if names.is_empty() { "dark" } else { "" })?;
        f.write_str(&names.join(" "))
    }
}

/// Why a line cannot be used. While watching, any of them counts as tampering.
#[derive(Debug)]
pub enum LineError {
    /// The device cannot be opened or does not give the lines.
    Refused {
        /// The device.
        device: PathBuf,
        /// What is wrong and what was expected.
        what: String,
    },
    /// It was there and is gone, or cannot be read.
    Lost {
        /// The device.
        device: PathBuf,
        /// What happened.
        what: String,
    },
}

impl LineError {
    pub(super) fn lost(device: &std::path::Path, error: &io::Error) -> Self {
        Self::Lost { device: device.to_owned(), what: error.to_string() }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { device, what } => write!(f, "{}: {what}", device.display()),
            Self::Lost { device, what } => write!(f, "{}: lost: {what}", device.display()),
        }
    }
}

impl std::error::Error for LineError {}

/// The line to a switch, with its LEDs.
pub trait Line: Send {
    /// The next event; `None` if there was none in this time.
    ///
    /// # Errors
    /// [`LineError::Lost`].
    fn wait(&mut self, time: Duration) -> Result<Option<Seen>, LineError>;

    /// What the lines are now: finds what was missed, and that the device is gone.
    ///
    /// # Errors
    /// [`LineError::Lost`].
    fn levels(&mut self) -> Result<Levels, LineError>;

    /// Switches the LEDs.
    ///
    /// # Errors
    /// [`LineError::Lost`].
    fn show(&mut self, lamps: Lamps) -> Result<(), LineError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lamp_for_each_mode_and_red_while_a_raise_waits() {
        let shown = |mode, raised| Lamps::of(mode, raised).to_string();
        assert_eq!(shown(None, false), "yellow");
        assert_eq!(shown(Some(Mode::Normal), false), "green");
        assert_eq!(shown(Some(Mode::Reduced), false), "yellow");
        assert_eq!(shown(Some(Mode::Paused), false), "yellow");
        assert_eq!(shown(Some(Mode::Emergency), false), "red");
        for mode in [None, Some(Mode::Normal), Some(Mode::Emergency)] {
            assert_eq!(shown(mode, true), "red");
        }
        assert_eq!(Lamps::DARK.to_string(), "dark");
    }
}
