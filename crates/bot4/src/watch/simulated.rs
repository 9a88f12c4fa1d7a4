//! A switch for machines without GPIO: a named pipe.
//!
//! Each byte is what happens on the lines: `f` falls, `r` rises, `c` cuts the cable, `m` mends it; blanks and ends of lines say nothing. The
//! LEDs are lines of a file beside it, one for each change. `printf f > switch.pipe` presses the switch.

use super::line::{Event, Lamps, Levels, Line, LineError, Seen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the name of the LEDs' file adds to the name of the pipe.
pub const LEDS_SUFFIX: &str = ".leds";

/// A named pipe as switch.
#[derive(Debug)]
pub struct SimulatedLine {
    path: PathBuf,
    pipe: File,
    leds: File,
    levels: Levels,
    waiting: VecDeque<Event>,
}

impl SimulatedLine {
    /// Opens the pipe, which is made where nothing is.
    ///
    /// # Errors
    /// [`LineError::Refused`] for what is no pipe, and if the system refuses.
    pub fn open(path: &Path) -> Result<Self, LineError> {
        let refused = |what: String| LineError::Refused { device: path.to_owned(), what };
        if std::fs::symlink_metadata(path).is_err() {
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                .map_err(|error| refused(format!("{error}: expected a place for a named pipe")))?;
        }
        let found = std::fs::metadata(path).map_err(|error| refused(error.to_string()))?;
        if !found.file_type().is_fifo() {
            return Err(refused("is there and is no named pipe: expected one, or nothing".into()));
        }
        // Also for writing: then the pipe has no end when those who press it close theirs.
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let pipe = options.open(path).map_err(|error| refused(error.to_string()))?;
        let mut leds = path.as_os_str().to_owned();
        leds.push(LEDS_SUFFIX);
        let leds = File::create(&leds).map_err(|error| refused(format!("its LEDs: {error}")))?;
        Ok(Self { path: path.to_owned(), pipe, leds, levels: Levels::default(), waiting: VecDeque::new() })
    }

    fn lost(&self, what: impl Into<String>) -> LineError {
        LineError::Lost { device: self.path.clone(), what: what.into() }
    }

    /// Takes the next event that was read.
    fn take(&mut self) -> Option<Seen> {
        let event = self.waiting.pop_front()?;
        match event {
            Event::Fell => self.levels.pressed = true,
            Event::Rose => self.levels.pressed = false,
            Event::Cut => self.levels.cut = true,
            Event::Mended => self.levels.cut = false,
        }
        Some(Seen { event, edges: 1 })
    }
}

impl Line for SimulatedLine {
    fn wait(&mut self, time: Duration) -> Result<Option<Seen>, LineError> {
        if let Some(seen) = self.take() {
            return Ok(Some(seen));
        }
        let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        let mut watched = [PollFd::new(&self.pipe, PollFlags::IN)];
        match poll(&mut watched, Some(&time)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(self.lost(error.to_string())),
        }
        let mut bytes = [0; 256];
        let length = match self.pipe.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => 0,
            Err(error) => return Err(LineError::lost(&self.path, &error)),
        };
        for byte in bytes.get(..length).unwrap_or_default() {
            match byte {
                b'f' => self.waiting.push_back(Event::Fell),
                b'r' => self.waiting.push_back(Event::Rose),
                b'c' => self.waiting.push_back(Event::Cut),
                b'm' => self.waiting.push_back(Event::Mended),
                b' ' | b'\n' | b'\r' | b'\t' => {}
                other => return Err(self.lost(format!("byte {other}: expected f, r, c or m"))),
            }
        }
        Ok(self.take())
    }

    fn levels(&mut self) -> Result<Levels, LineError> {
        let name = std::fs::metadata(&self.path).map_err(|error| LineError::lost(&self.path, &error))?;
        let ours = self.pipe.metadata().map_err(|error| LineError::lost(&self.path, &error))?;
        if (name.dev(), name.ino()) != (ours.dev(), ours.ino()) {
            return Err(self.lost("another file stands in its place"));
        }
        Ok(self.levels)
    }

    fn show(&mut self, lamps: Lamps) -> Result<(), LineError> {
        writeln!(self.leds, "{lamps}").map_err(|error| LineError::lost(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::switch::{Rules, SwitchState, Thread};
    use super::*;
    use domain::{Cause, Mode as TradingMode};
    use infra::gate_word::{About, GateWord, Level};
    use std::sync::Arc;
    use std::time::Instant;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bot4-switch-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn write(path: &Path, text: &str) {
        OpenOptions::new().write(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn until(what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(20), "it did not happen");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    const RULES: Rules =
        Rules { debounce: Duration::from_millis(20), chatter_edges: 50, chatter_window: Duration::from_millis(1_000) };

    #[test]
    fn bytes_are_events_in_order_and_a_writer_that_leaves_is_no_event() {
        let folder = folder("bytes");
        let path = folder.join("switch.pipe");
        let mut line = SimulatedLine::open(&path).unwrap();
        assert_eq!(line.wait(Duration::ZERO).unwrap(), None);
        write(&path, "f r\n");
        write(&path, "cm");
        let mut events = Vec::new();
        while let Some(seen) = line.wait(Duration::from_millis(50)).unwrap() {
            events.push(seen.event);
            let levels = line.levels().unwrap();
            assert_eq!((levels.pressed, levels.cut), (seen.event == Event::Fell, seen.event == Event::Cut));
        }
        assert_eq!(events, [Event::Fell, Event::Rose, Event::Cut, Event::Mended]);
        write(&path, "x");
        assert!(matches!(line.wait(Duration::from_millis(50)), Err(LineError::Lost { .. })));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_pipe_is_refused() {
        let folder = folder("refused");
        std::fs::write(folder.join("file"), "f").unwrap();
        let error = SimulatedLine::open(&folder.join("file")).unwrap_err();
        assert!(error.to_string().contains("no named pipe"), "{error}");
        assert!(SimulatedLine::open(&folder.join("nowhere/pipe")).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_edge_through_the_pipe_closes_the_gate_and_the_lamps_follow() {
        let folder = folder("edge");
        let path = folder.join("switch.pipe");
        let leds = || std::fs::read_to_string(folder.join("switch.pipe.leds")).unwrap();
        let gate = Arc::new(GateWord::private(About::of_this_process(None)));
        let thread = Thread::start(Box::new(SimulatedLine::open(&path).unwrap()), RULES, &gate).unwrap();
        gate.show_mode(TradingMode::Normal as u8);
        until(|| leds().ends_with("green\n"));
        write(&path, "f");
        until(|| gate.level() == Level::Reducing);
        assert_eq!(gate.read().cause(), Cause::Hardware as u8);
        until(|| leds().ends_with("red\n") && thread.state() == SwitchState::Pressed);
        write(&path, "r");
        until(|| thread.state() == SwitchState::Ready);
        drop(thread);
        assert!(leds().ends_with("red\ndark\n"), "{}", leds());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_cut_and_a_pipe_that_is_taken_away_are_tampering() {
        let folder = folder("tamper");
        let path = folder.join("switch.pipe");
        let gate = Arc::new(GateWord::private(About::of_this_process(None)));
        let thread = Thread::start(Box::new(SimulatedLine::open(&path).unwrap()), RULES, &gate).unwrap();
        write(&path, "c");
        until(|| gate.level() == Level::Reducing && thread.state() == SwitchState::Cut);
        assert_eq!(gate.read().cause(), Cause::Tamper as u8);
        gate.lower(gate.read(), Level::All).unwrap();
        std::fs::remove_file(&path).unwrap();
        until(|| gate.level() == Level::Reducing && thread.state() == SwitchState::Lost);
        assert_eq!(gate.read().cause(), Cause::Tamper as u8);
        drop(thread);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
