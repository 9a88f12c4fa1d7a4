//! The switch on a GPIO character device of Linux: a button to ground on a pulled-up line, a loop through its cable, three LEDs.
//!
//! Numbers are lines of the chip; on a Raspberry Pi these are the BCM numbers: 17 for the switch, 22, 23 and 24 for red, yellow, green.
//! Edges are read from the kernel, which keeps them in order and numbers them, so that those it had to drop are counted. The kernel's own
//! debouncing is not used: it would hold the first edge back.

use super::line::{Event, Lamps, Levels, Line, LineError, Seen};
use crate::config::SafetySection;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Offset, Value, Values};
use gpiocdev::request::Request;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who has the lines, as the system shows it.
const CONSUMER: &str = "bot4";

/// Lines of the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pins {
    pub(super) switch: Offset,
    pub(super) monitor: Option<Offset>,
    /// Red, yellow, green.
    pub(super) leds: Option<[Offset; 3]>,
}

impl Pins {
    pub(super) fn of(settings: &SafetySection) -> Self {
        let leds = [settings.gpio_led_red, settings.gpio_led_yellow, settings.gpio_led_green];
        Self {
            switch: settings.gpio_line,
            monitor: settings.gpio_monitor_line,
            leds: settings.gpio_leds.then_some(leds),
        }
    }

    /// The first line that is named twice.
    fn twice(&self) -> Option<Offset> {
        let mut all: Vec<Offset> =
            [self.switch].into_iter().chain(self.monitor).chain(self.leds.into_iter().flatten()).collect();
        all.sort_unstable();
        all.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

/// The lines of a chip.
#[derive(Debug)]
pub(super) struct GpioLine {
    chip: PathBuf,
    pins: Pins,
    inputs: Request,
    leds: Option<Request>,
    /// Number of the last edge of the switch and of the monitor.
    numbers: [u32; 2],
}

impl GpioLine {
    /// Takes the lines of a chip.
    ///
    /// # Errors
    /// [`LineError::Refused`] if the chip is not there, or a line is not, is in use or is named twice.
    pub(super) fn open(chip: &Path, pins: Pins) -> Result<Self, LineError> {
        let refused = |what: String| LineError::Refused { device: chip.to_owned(), what };
        if let Some(line) = pins.twice() {
            return Err(refused(format!(
                "line {line} is named twice: expected a line for each of switch, monitor and LEDs"
            )));
        }
        let mut inputs = Request::builder();
        inputs.on_chip(chip).with_consumer(CONSUMER);
        for line in [pins.switch].into_iter().chain(pins.monitor) {
            inputs.with_line(line).as_input().with_bias(Bias::PullUp).with_edge_detection(EdgeDetection::BothEdges);
        }
        let inputs = inputs
            .request()
            .map_err(|error| refused(format!("{error}: expected a GPIO chip with free lines for the switch")))?;
        let leds = match pins.leds {
            None => None,
            Some(lines) => {
                let mut outputs = Request::builder();
                outputs.on_chip(chip).with_consumer(CONSUMER).with_lines(&lines).as_output(Value::Inactive);
                let error = |error| refused(format!("{error}: expected free lines for the LEDs, or gpio_leds = false"));
                Some(outputs.request().map_err(error)?)
            }
        };
        Ok(Self { chip: chip.to_owned(), pins, inputs, leds, numbers: [0; 2] })
    }

    fn lost(&self, error: &gpiocdev::Error) -> LineError {
        LineError::Lost { device: self.chip.clone(), what: error.to_string() }
    }
}

impl Line for GpioLine {
    fn wait(&mut self, time: Duration) -> Result<Option<Seen>, LineError> {
        if !self.inputs.wait_edge_event(time).map_err(|error| self.lost(&error))? {
            return Ok(None);
        }
        let edge = self.inputs.read_edge_event().map_err(|error| self.lost(&error))?;
        let switch = edge.offset == self.pins.switch;
        let event = match (switch, edge.kind) {
            (true, EdgeKind::Falling) => Event::Fell,
            (true, EdgeKind::Rising) => Event::Rose,
            (false, EdgeKind::Rising) => Event::Cut,
            (false, EdgeKind::Falling) => Event::Mended,
        };
        let [of_switch, of_monitor] = &mut self.numbers;
        let last = if switch { of_switch } else { of_monitor };
        let edges = edge.line_seqno.wrapping_sub(*last).max(1);
        *last = edge.line_seqno;
        Ok(Some(Seen { event, edges }))
    }

    fn levels(&mut self) -> Result<Levels, LineError> {
        let is_high = |line: Offset| {
            self.inputs.value(line).map(|value| value == Value::Active).map_err(|error| self.lost(&error))
        };
        let cut = match self.pins.monitor {
            Some(line) => is_high(line)?,
            None => false,
        };
        Ok(Levels { pressed: !is_high(self.pins.switch)?, cut })
    }

    fn show(&mut self, lamps: Lamps) -> Result<(), LineError> {
        let (Some(request), Some(lines)) = (&self.leds, self.pins.leds) else { return Ok(()) };
        let mut values = Values::default();
        for (line, on) in lines.into_iter().zip([lamps.red, lamps.yellow, lamps.green]) {
            values.set(line, if on { Value::Active } else { Value::Inactive });
        }
        request.set_values(&values).map_err(|error| self.lost(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINS: Pins = Pins { switch: 17, monitor: Some(27), leds: Some([22, 23, 24]) };

    #[test]
    fn a_line_has_one_use() {
        assert_eq!(PINS.twice(), None);
        assert_eq!(Pins { monitor: Some(23), ..PINS }.twice(), Some(23));
        assert_eq!(Pins { monitor: None, leds: None, ..PINS }.twice(), None);
        let error = GpioLine::open(Path::new("nowhere"), Pins { monitor: Some(17), ..PINS }).unwrap_err();
        assert!(error.to_string().contains("line 17 is named twice"), "{error}");
    }

    #[test]
    fn a_chip_that_is_not_there_is_refused_by_name() {
        let error = GpioLine::open(Path::new("nowhere/gpiochip9"), PINS).unwrap_err();
        assert!(matches!(error, LineError::Refused { .. }), "{error}");
        assert!(error.to_string().starts_with("nowhere/gpiochip9: "), "{error}");
        let error = GpioLine::open(Path::new("/dev/null"), PINS).unwrap_err();
        assert!(matches!(error, LineError::Refused { .. }), "{error}");
    }

    /// The kernel's own simulator, where the machine has it and lets us.
    mod simulator {
        use std::fs;
        use std::path::PathBuf;

        pub struct Simulator {
            config: PathBuf,
            lines: PathBuf,
            pub chip: PathBuf,
        }

        impl Simulator {
            pub fn make() -> Option<Self> {
                let all = PathBuf::from("/sys/kernel/config/gpio-sim");
                if !all.is_dir() {
                    eprintln!("skipped: this machine has no gpio-sim ({} is not there)", all.display());
                    return None;
                }
                let config = all.join(format!("bot4-{}", std::process::id()));
                if let Err(error) = fs::create_dir(&config) {
                    eprintln!("skipped: {}: {error}", config.display());
                    return None;
                }
                let bank = config.join("bank0");
                fs::create_dir(&bank).unwrap();
                fs::write(bank.join("num_lines"), "32").unwrap();
                fs::write(config.join("live"), "1").unwrap();
                let read = |path: PathBuf| fs::read_to_string(path).unwrap().trim().to_owned();
                let (device, chip) = (read(config.join("dev_name")), read(bank.join("chip_name")));
                let lines = PathBuf::from("/sys/devices/platform").join(device).join(&chip);
                Some(Self { config, lines, chip: PathBuf::from("/dev").join(chip) })
            }

            pub fn pull(&self, line: u32, up: bool) {
                let pull = self.lines.join(format!("sim_gpio{line}/pull"));
                fs::write(pull, if up { "pull-up" } else { "pull-down" }).unwrap();
            }

            pub fn is_on(&self, line: u32) -> bool {
                fs::read_to_string(self.lines.join(format!("sim_gpio{line}/value"))).unwrap().trim() == "1"
            }
        }

        impl Drop for Simulator {
            fn drop(&mut self) {
                let _ = fs::write(self.config.join("live"), "0");
                let _ = fs::remove_dir(self.config.join("bank0"));
                let _ = fs::remove_dir(&self.config);
            }
        }
    }

    #[test]
    fn edges_levels_and_leds_on_the_kernels_simulator() {
        let Some(simulator) = simulator::Simulator::make() else { return };
        simulator.pull(17, true);
        simulator.pull(27, false);
        let mut line = GpioLine::open(&simulator.chip, PINS).unwrap();
        // The request pulls the lines up; the simulator keeps what is said to it afterwards.
        simulator.pull(27, false);
        while line.wait(Duration::from_millis(50)).unwrap().is_some() {}
        assert_eq!(line.levels().unwrap(), Levels { pressed: false, cut: false });
        simulator.pull(17, false);
        assert_eq!(line.wait(Duration::from_secs(5)).unwrap(), Some(Seen { event: Event::Fell, edges: 1 }));
        assert!(line.levels().unwrap().pressed);
        simulator.pull(17, true);
        assert_eq!(line.wait(Duration::from_secs(5)).unwrap().map(|seen| seen.event), Some(Event::Rose));
        simulator.pull(27, true);
        assert_eq!(line.wait(Duration::from_secs(5)).unwrap().map(|seen| seen.event), Some(Event::Cut));
        for (lamps, on) in [
            (Lamps { red: true, ..Lamps::DARK }, [true, false, false]),
            (Lamps { yellow: true, ..Lamps::DARK }, [false, true, false]),
            (Lamps { green: true, ..Lamps::DARK }, [false, false, true]),
            (Lamps::DARK, [false; 3]),
        ] {
            line.show(lamps).unwrap();
            assert_eq!([22, 23, 24].map(|led| simulator.is_on(led)), on, "{lamps}");
        }
    }
}
