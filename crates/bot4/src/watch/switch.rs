//! The hardware kill switch: what its edges mean, and the thread that acts on them.
//!
//! In:  edges and levels of a [`Line`], with the time of each.
//! Out: [`Finding`]s; each closes the gate.
//!
//! The first falling edge acts at once. Debouncing only keeps the edges after it from acting again: to wait for a contact to settle would
//! take longer than closing the gate may. What looks like tampering (the loop through the cable is open, more edges than a hand can make, a
//! device that is gone) closes the gate too.

use super::line::{Event, Lamps, Levels, Line, LineError, Seen};
use crate::config::SafetySection;
use domain::{Cause, Mode};
use infra::gate_word::{GateWord, Level};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at the levels, the LEDs and whether to end.
const LOOK: Duration = Duration::from_millis(100);

/// How edges are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For so long after an edge that acted, further ones are bounces.
    pub debounce: Duration,
    /// More edges than this in the window are no hand's.
    pub chatter_edges: u32,
    /// The window.
    pub chatter_window: Duration,
}

impl Rules {
    pub(super) const fn of(settings: &SafetySection) -> Self {
        Self {
            debounce: Duration::from_millis(settings.debounce_ms),
            chatter_edges: settings.chatter_edges,
            chatter_window: Duration::from_millis(settings.chatter_window_ms),
        }
    }
}

/// Why the gate is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The switch was pressed, or was found pressed.
    Pressed,
    /// The cable is cut.
    Cut,
    /// More edges than a hand can make.
    Chatter,
    /// The device is gone or cannot be read.
    Lost,
}

impl Finding {
    /// The cause that it is in the record.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::Pressed => Cause::Hardware,
            Self::Cut | Self::Chatter | Self::Lost => Cause::Tamper,
        }
    }
}

/// What the switch is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SwitchState {
    /// It would work.
    #[default]
    Ready = 0,
    /// It is pressed.
    Pressed = 1,
    /// Its cable is cut.
    Cut = 2,
    /// It chatters, or did within the last window.
    Chattering = 3,
    /// Its device is gone or cannot be read.
    Lost = 4,
}

impl SwitchState {
    const ALL: [Self; 5] = [Self::Ready, Self::Pressed, Self::Cut, Self::Chattering, Self::Lost];

    fn read(state: &AtomicU8) -> Self {
        Self::ALL.get(usize::from(state.load(Ordering::Acquire))).copied().unwrap_or(Self::Lost)
    }

    /// Its key in records.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Pressed => "pressed",
            Self::Cut => "cut",
            Self::Chattering => "chattering",
            Self::Lost => "lost",
        }
    }
}

/// What edges mean. Times are since any beginning.
#[derive(Debug)]
pub struct Switch {
    rules: Rules,
    levels: Levels,
    lost: bool,
    acted: Option<Duration>,
    /// Times of the latest edges: at most one more than are allowed in the window.
    edges: VecDeque<Duration>,
    chatters: bool,
}

impl Switch {
    /// One of which nothing is known: what its levels are is said by the first look.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            levels: Levels::default(),
            lost: false,
            acted: None,
            edges: VecDeque::with_capacity(rules.chatter_edges.min(1_000) as usize + 1),
            chatters: false,
        }
    }

    /// Something happened on the lines.
    pub fn on(&mut self, seen: Seen, now: Duration) -> [Option<Finding>; 2] {
        let first = match seen.event {
            Event::Fell => {
                self.levels.pressed = true;
                let bounces = self.acted.is_some_and(|acted| now.saturating_sub(acted) < self.rules.debounce);
                if !bounces {
                    self.acted = Some(now);
                }
                (!bounces).then_some(Finding::Pressed)
            }
            Event::Rose => {
                self.levels.pressed = false;
                // An edge before it, which the system left out, was a press.
                (seen.edges > 1).then_some(Finding::Pressed)
            }
            Event::Cut => {
                self.levels.cut = true;
                Some(Finding::Cut)
            }
            Event::Mended => {
                self.levels.cut = false;
                (seen.edges > 1).then_some(Finding::Cut)
            }
        };
        [first, self.count(seen.edges, now)]
    }

    /// The lines were looked at.
    pub fn on_levels(&mut self, levels: Levels, now: Duration) -> [Option<Finding>; 2] {
        let pressed = (levels.pressed && !self.levels.pressed).then_some(Finding::Pressed);
        let cut = (levels.cut && !self.levels.cut).then_some(Finding::Cut);
        self.levels = levels;
        self.lost = false;
        let quiet = |last: &Duration| now.saturating_sub(*last) >= self.rules.chatter_window;
        if self.edges.back().is_none_or(quiet) {
            self.chatters = false;
        }
        [pressed, cut]
    }

    /// The device is gone, or cannot be read: found once until it can be.
    pub fn on_lost(&mut self) -> Option<Finding> {
        let found = !self.lost;
        self.lost = true;
        found.then_some(Finding::Lost)
    }

    /// What it is now.
    #[must_use]
    pub const fn state(&self) -> SwitchState {
        match self {
            Self { lost: true, .. } => SwitchState::Lost,
            Self { levels: Levels { cut: true, .. }, .. } => SwitchState::Cut,
            Self { levels: Levels { pressed: true, .. }, .. } => SwitchState::Pressed,
            Self { chatters: true, .. } => SwitchState::Chattering,
            _ => SwitchState::Ready,
        }
    }

    fn count(&mut self, edges: u32, now: Duration) -> Option<Finding> {
        let most = self.rules.chatter_edges as usize;
        for _ in 0..(edges as usize).min(most.saturating_add(1)) {
            if self.edges.len() > most {
                self.edges.pop_front();
            }
            self.edges.push_back(now);
        }
        let oldest = self.edges.front().filter(|_| self.edges.len() > most);
        let chatters = oldest.is_some_and(|oldest| now.saturating_sub(*oldest) < self.rules.chatter_window);
        let found = chatters && !self.chatters;
        self.chatters |= chatters;
        found.then_some(Finding::Chatter)
    }
}

/// The thread that watches a line; ends when dropped, with the LEDs dark.
#[derive(Debug)]
pub struct Thread {
    stop: Arc<AtomicBool>,
    state: Arc<AtomicU8>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Begins to watch. A switch that is pressed or cut already has closed the gate when this returns.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(mut line: Box<dyn Line>, rules: Rules, gate: &Arc<GateWord>) -> io::Result<Self> {
        let (stop, state) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU8::new(0)));
        let began = Instant::now();
        let mut switch = Switch::new(rules);
        look(line.as_mut(), &mut switch, gate, began);
        state.store(switch.state() as u8, Ordering::Release);
        let watch = {
            let (stop, state, gate) = (Arc::clone(&stop), Arc::clone(&state), Arc::clone(gate));
            move || watch(line.as_mut(), switch, &gate, began, &stop, &state)
        };
        let thread = std::thread::Builder::new().name("kill-switch".into()).spawn(watch)?;
        Ok(Self { stop, state, thread: Some(thread) })
    }

    /// What the switch is.
    #[must_use]
    pub fn state(&self) -> SwitchState {
        SwitchState::read(&self.state)
    }

    /// Looks at its state from elsewhere, as long as anybody wants to.
    pub fn looker(&self) -> impl Fn() -> SwitchState + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || SwitchState::read(&state)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}

fn watch(
    line: &mut dyn Line,
    mut switch: Switch,
    gate: &GateWord,
    began: Instant,
    stop: &AtomicBool,
    state: &AtomicU8,
) {
    let mut shown = None;
    let mut looked = Instant::now();
    while !stop.load(Ordering::Acquire) {
        match line.wait(LOOK) {
            Ok(Some(seen)) => act(&mut switch.on(seen, began.elapsed()).into_iter().flatten(), gate),
            Ok(None) => {}
            Err(error) => {
                lost(&mut switch, gate, &error);
                std::thread::sleep(LOOK);
            }
        }
        if looked.elapsed() >= LOOK {
            look(line, &mut switch, gate, began);
            looked = Instant::now();
        }
        state.store(switch.state() as u8, Ordering::Release);
        show(line, gate, &mut shown);
    }
    // Whether they go dark is nobody's to wait for.
    let _ = line.show(Lamps::DARK);
}

/// Compares the levels with what the edges said.
fn look(line: &mut dyn Line, switch: &mut Switch, gate: &GateWord, began: Instant) {
    match line.levels() {
        Ok(levels) => act(&mut switch.on_levels(levels, began.elapsed()).into_iter().flatten(), gate),
        Err(error) => lost(switch, gate, &error),
    }
}

fn lost(switch: &mut Switch, gate: &GateWord, error: &LineError) {
    let found = switch.on_lost();
    act(&mut found.into_iter(), gate);
    if found.is_some() {
        tracing::error!(%error, "hardware kill switch");
    }
}

/// Closes the gate first and speaks of it afterwards.
fn act(findings: &mut dyn Iterator<Item = Finding>, gate: &GateWord) {
    for finding in findings {
        gate.raise(Level::Reducing, finding.cause() as u8, 0);
        match finding {
            Finding::Pressed => tracing::warn!("hardware kill switch pressed: gate closed"),
            Finding::Cut => tracing::error!("tampering: the cable of the kill switch is cut: gate closed"),
            Finding::Chatter => tracing::error!("tampering: the kill switch chatters: gate closed"),
            Finding::Lost => tracing::error!("tampering: the kill switch is gone: gate closed"),
        }
    }
}

/// Switches the LEDs where they are to change.
fn show(line: &mut dyn Line, gate: &GateWord, shown: &mut Option<Lamps>) {
    let word = gate.read();
    let waits = word.level() > Level::All && word.generation() != gate.answered();
    let mode = gate.mode().and_then(|mode| Mode::ALL.get(usize::from(mode)).copied());
    let lamps = Lamps::of(mode, waits);
    if *shown != Some(lamps) {
        // A device that is gone is found by the next look; until then the old lamps may burn.
        *shown = line.show(lamps).is_ok().then_some(lamps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::gate_word::About;
    use std::path::PathBuf;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

    const RULES: Rules =
        Rules { debounce: Duration::from_millis(20), chatter_edges: 5, chatter_window: Duration::from_millis(1_000) };

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn found(switch: &mut Switch, event: Event, at: u64) -> Vec<Finding> {
        switch.on(Seen { event, edges: 1 }, ms(at)).into_iter().flatten().collect()
    }

    #[test]
    fn the_first_edge_acts_and_its_bounces_do_not() {
        let mut switch = Switch::new(Rules { chatter_edges: 50, ..RULES });
        assert_eq!(found(&mut switch, Event::Fell, 1_000), [Finding::Pressed]);
        for (event, at) in [(Event::Rose, 1_002), (Event::Fell, 1_003), (Event::Rose, 1_018), (Event::Fell, 1_019)] {
            assert_eq!(found(&mut switch, event, at), []);
        }
        assert_eq!(switch.state(), SwitchState::Pressed);
        assert_eq!(found(&mut switch, Event::Rose, 1_500), []);
        assert_eq!(switch.state(), SwitchState::Ready);
        assert_eq!(found(&mut switch, Event::Fell, 1_600), [Finding::Pressed], "pressed again");
    }

    #[test]
    fn more_edges_than_a_hand_makes_are_tampering_until_it_is_quiet() {
        let mut switch = Switch::new(RULES);
        let mut all = Vec::new();
        for at in 0..20 {
            all.extend(found(&mut switch, if at % 2 == 0 { Event::Fell } else { Event::Rose }, 100 + at));
        }
        assert_eq!(all, [Finding::Pressed, Finding::Chatter]);
        assert_eq!(switch.state(), SwitchState::Chattering);
        switch.on_levels(Levels::default(), ms(1_118));
        assert_eq!(switch.state(), SwitchState::Chattering);
        switch.on_levels(Levels::default(), ms(1_119));
        assert_eq!(switch.state(), SwitchState::Ready);
    }

    #[test]
    fn as_many_edges_as_are_allowed_are_none() {
        let mut switch = Switch::new(RULES);
        for at in 0..100 {
            let all = found(&mut switch, Event::Rose, at * 200);
            assert_eq!(all, [], "edge {at}: five in any second");
        }
    }

    #[test]
    fn edges_that_the_system_left_out_count() {
        let mut switch = Switch::new(RULES);
        let all = |found: [Option<Finding>; 2]| found.into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(all(switch.on(Seen { event: Event::Rose, edges: 2 }, ms(5))), [Finding::Pressed]);
        let flood = Seen { event: Event::Fell, edges: u32::MAX };
        assert_eq!(all(switch.on(flood, ms(6))), [Finding::Pressed, Finding::Chatter]);
        let mut cut = Switch::new(RULES);
        assert_eq!(all(cut.on(Seen { event: Event::Mended, edges: 2 }, ms(5))), [Finding::Cut]);
    }

    #[test]
    fn what_no_edge_told_is_found_by_a_look() {
        let mut switch = Switch::new(RULES);
        let all = |found: [Option<Finding>; 2]| found.into_iter().flatten().collect::<Vec<_>>();
        let both = Levels { pressed: true, cut: true };
        assert_eq!(all(switch.on_levels(both, ms(1))), [Finding::Pressed, Finding::Cut]);
        assert_eq!(all(switch.on_levels(both, ms(2))), [], "once");
        assert_eq!(switch.state(), SwitchState::Cut);
        assert_eq!(all(switch.on_levels(Levels::default(), ms(3))), []);
        assert_eq!(switch.state(), SwitchState::Ready);
    }

    #[test]
    fn a_device_that_is_gone_is_found_once_and_again_after_it_came_back() {
        let mut switch = Switch::new(RULES);
        assert_eq!((switch.on_lost(), switch.on_lost()), (Some(Finding::Lost), None));
        assert_eq!(switch.state(), SwitchState::Lost);
        switch.on_levels(Levels::default(), ms(1));
        assert_eq!(switch.on_lost(), Some(Finding::Lost));
    }

    /// A line that a test holds the other end of; its end is a device that is gone.
    struct Held {
        events: Receiver<Seen>,
        lamps: Sender<String>,
    }

    impl Held {
        fn gone() -> LineError {
            LineError::Lost { device: PathBuf::from("held"), what: "gone".into() }
        }
    }

    impl Line for Held {
        fn wait(&mut self, time: Duration) -> Result<Option<Seen>, LineError> {
            match self.events.recv_timeout(time) {
                Ok(seen) => Ok(Some(seen)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(Self::gone()),
            }
        }
        fn levels(&mut self) -> Result<Levels, LineError> {
            Ok(Levels::default())
        }
        fn show(&mut self, lamps: Lamps) -> Result<(), LineError> {
            self.lamps.send(lamps.to_string()).map_err(|_| Self::gone())
        }
    }

    #[track_caller]
    fn until(what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(20), "it did not happen");
            std::thread::sleep(ms(1));
        }
    }

    #[test]
    fn the_thread_closes_the_gate_and_shows_the_modes() {
        let gate = Arc::new(GateWord::private(About::of_this_process(None)));
        let ((press, events), (lamps, shown)) = (channel(), channel());
        let thread = Thread::start(Box::new(Held { events, lamps }), RULES, &gate).unwrap();
        let next = || shown.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(next(), "yellow", "no mode was said");
        gate.show_mode(Mode::Normal as u8);
        assert_eq!(next(), "green");
        gate.show_mode(Mode::Paused as u8);
        assert_eq!(next(), "yellow");
        press.send(Seen { event: Event::Fell, edges: 1 }).unwrap();
        assert_eq!(next(), "red", "before the engine has said anything");
        assert_eq!((gate.level(), gate.read().cause()), (Level::Reducing, Cause::Hardware as u8));
        gate.answer(gate.read());
        assert_eq!(next(), "yellow", "the engine took it up and says no emergency");
        gate.show_mode(Mode::Emergency as u8);
        assert_eq!(next(), "red");
        drop(press);
        until(|| gate.read().cause() == Cause::Tamper as u8);
        drop(thread);
        assert_eq!(shown.iter().last().as_deref(), Some("dark"));
    }

    #[test]
    fn every_kind_of_tampering_closes_the_gate() {
        for (events, state) in [
            (vec![Seen { event: Event::Cut, edges: 1 }], None),
            (vec![Seen { event: Event::Rose, edges: 1_000 }], Some(SwitchState::Chattering)),
        ] {
            let gate = Arc::new(GateWord::private(About::of_this_process(None)));
            let ((say, hear), (lamps, _shown)) = (channel(), channel());
            let thread = Thread::start(Box::new(Held { events: hear, lamps }), RULES, &gate).unwrap();
            for event in events {
                say.send(event).unwrap();
            }
            until(|| gate.read().cause() == Cause::Tamper as u8);
            assert_eq!(gate.level(), Level::Reducing);
            if let Some(state) = state {
                until(|| thread.state() == state);
            }
        }
    }
}
