//! The command line.

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many seeds.
    pub seeds: u64,
    /// The first one.
    pub first: u64,
    /// One JSON object on standard output.
    pub json: bool,
    /// Whether to go on after a seed that failed.
    pub keep_going: bool,
    /// Whether the faults of a failing seed are shrunk.
    pub shrink: bool,
    /// Worker processes.
    pub jobs: u64,
    /// Whether the faults that engines recorded are listed.
    pub alarms: bool,
    /// Plain words for the process that started this one.
    pub worker: bool,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            seeds: 100,
            first: 0,
            json: false,
            keep_going: false,
            shrink: true,
            jobs: 1,
            alarms: false,
            worker: false,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut number = |name: &str| {
                let text = arguments.next().unwrap_or_default();
                text.parse::<u64>().map_err(|_| format!("{name} {text}: expected a number"))
            };
            match argument.as_str() {
                "--seeds" => options.seeds = number("--seeds")?,
                "--seed" => options.first = number("--seed")?,
                "--jobs" => options.jobs = number("--jobs")?,
                "--json" => options.json = true,
                "--keep-going" => options.keep_going = true,
                "--no-shrink" => options.shrink = false,
                "--alarms" => options.alarms = true,
                "--worker" => options.worker = true,
                other => {
                    return Err(format!(
                        "{other}: expected --seeds N, --seed FIRST, --jobs N, --json, --keep-going, --no-shrink or --alarms"
                    ));
                }
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_others_refused() {
        let read = |text: &str| Options::read(text.split_whitespace().map(str::to_owned));
        let options = read("--seeds 1 --seed 7 --json").unwrap();
        assert_eq!((options.seeds, options.first, options.json), (1, 7, true));
        for wrong in ["--seeds", "--seeds x", "--what"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
