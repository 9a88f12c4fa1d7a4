//! The assumptions that a recorded session makes and a plain backtest does not, one rung each, and the configuration on any of them.
//!
//! In:  the configuration of a session and what its data can show.
//! Out: for each set of assumptions the configuration that makes these and no others.

use crate::runner::plan::{Listed, RunConfig};
use domain::Rate;
use risk::{Limits, Profile};
use sim::{FeeAsset, Latency, LimitFill, Slippage};
use std::fmt::Write as _;

/// What a backtest leaves out, in the order in which the ladder puts it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rung {
    /// What the venue takes for each trade.
    Fees = 0,
    /// What orders that take get worse than the market's price.
    Slippage = 1,
    /// How long messages travel.
    Latency = 2,
    /// That a resting order waits behind others, and is filled by what trades through it.
    Queue = 3,
    /// What is refused, by the gate, the guard, the venue, or somebody outside; and orders that get only a share of the volume.
    Rejects = 4,
}

impl Rung {
    /// All rungs, in order.
    pub const ALL: [Self; 5] = [Self::Fees, Self::Slippage, Self::Latency, Self::Queue, Self::Rejects];

    /// Its key in reports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fees => "fees",
            Self::Slippage => "slippage",
            Self::Latency => "latency",
            Self::Queue => "queue",
            Self::Rejects => "rejects",
        }
    }
}

/// A set of rungs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rungs(u8);

impl Rungs {
    /// None of them: the plain backtest.
    pub const NONE: Self = Self(0);

    /// Whether it has this one.
    #[must_use]
    pub const fn has(self, rung: Rung) -> bool {
        self.0 >> rung as u8 & 1 == 1
    }

    /// The set with this one.
    #[must_use]
    pub const fn with(self, rung: Rung) -> Self {
        Self(self.0 | 1 << rung as u8)
    }

    /// All of these.
    #[must_use]
    pub fn of(rungs: &[Rung]) -> Self {
        rungs.iter().fold(Self::NONE, |set, rung| set.with(*rung))
    }
}

/// Whether a rung can change anything in a session, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is played; what it means here.
    Played(String),
    /// The session assumes what the backtest does: the part is exactly nothing.
    Same(String),
    /// The data cannot show it: no figure.
    NotInData(String),
}

/// What the orders and data of a session can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whether any data are trades or quotes.
    pub ticks: bool,
    /// Whether any data are quotes.
    pub quotes: bool,
    /// Whether any order with a limit was sent, in the session or in the plain backtest.
    pub limits: bool,
}

/// How each rung stands in a session.
#[must_use]
pub fn standings(config: &RunConfig, listed: &[Listed], shown: Shown) -> [(Rung, Standing); 5] {
    Rung::ALL.map(|rung| {
        let standing = match rung {
            Rung::Fees => fees(config, listed),
            Rung::Slippage => slippage(config),
            Rung::Latency => latency(config, shown),
            Rung::Queue => queue(config, shown),
            Rung::Rejects => Standing::Played(rejects(config)),
        };
        (rung, standing)
    })
}

fn percent(rate: Rate) -> String {
    format!("{} %", domain::Money::from_raw(i128::from(rate.raw()) * 100))
}

fn fees(config: &RunConfig, listed: &[Listed]) -> Standing {
    let of = |l: &Listed| match config.venue.fees {
        Some(fees) => fees,
        None => (config.fees.0.unwrap_or(l.instrument.fee_maker), config.fees.1.unwrap_or(l.instrument.fee_taker)),
    };
    if listed.iter().map(of).all(|(maker, taker)| maker == Rate::ZERO && taker == Rate::ZERO) {
        return Standing::Same("the session pays no fees".into());
    }
    let mut text = String::from("none → ");
    for (n, l) in listed.iter().enumerate() {
        let (maker, taker) = of(l);
        let comma = if n == 0 { "" } else { ", " };
        // Writing into a String cannot fail.
        let _ = write!(text, "{comma}{} {} maker {} taker", l.instrument.symbol, percent(maker), percent(taker));
    }
    if config.venue.fee_asset == FeeAsset::Venue {
        text += ", of spot in the asset received";
    }
    Standing::Played(text)
}

fn slippage(config: &RunConfig) -> Standing {
    match config.venue.slippage {
        Slippage::None => Standing::Same("the session assumes none".into()),
        Slippage::Bps(rate) => Standing::Played(format!("none → {} of the price", percent(rate))),
        Slippage::Impact { spread, coefficient } => Standing::Played(format!(
            "none → half a spread of {} and {} times the root of the share of the volume",
            percent(spread),
            percent(coefficient)
        )),
    }
}

fn latency(config: &RunConfig, shown: Shown) -> Standing {
    if !shown.ticks {
        return Standing::NotInData("candles have no time inside of a bar".into());
    }
    let Latency { feed, order, report, jitter } = config.venue.latency;
    if config.venue.latency == Latency::ZERO {
        return Standing::Same("the session assumes none".into());
    }
    let ms = |nanos: domain::Nanos| nanos.0 as f64 / 1e6;
    let more = jitter.map_or_else(String::new, |j| format!(", each up to {} ms longer", ms(j.max)));
    Standing::Played(format!("none → feed {} ms, orders {} ms, reports {} ms{more}", ms(feed), ms(order), ms(report)))
}

fn queue(config: &RunConfig, shown: Shown) -> Standing {
    let strict = config.venue.limit_fill == LimitFill::Through;
    if !shown.limits {
        let why = "no order with a limit was sent";
        return match shown.quotes {
            true => Standing::Same(format!("{why}: nothing waited in a queue")),
            false => Standing::NotInData(format!("there are no quotes to wait behind, and {why}")),
        };
    }
    match (shown.quotes && config.venue.queue, strict) {
        (true, true) => Standing::Played("filled at a touch → behind all that is shown, and by trades through".into()),
        (true, false) => Standing::Played("filled at a touch → behind all that is shown".into()),
        (false, true) => Standing::Played(
            "filled at a touch → by trades through the limit; a place in the queue is not in these data".into(),
        ),
        (false, false) => Standing::Same("the session fills at a touch, too".into()),
    }
}

fn rejects(config: &RunConfig) -> String {
    let mut text = match config.profile {
        Profile::Standard(_) => String::from("nothing refused → the limits of the session and its guard"),
        Profile::Research(_) => String::from("nothing refused → the limits of the session"),
        Profile::Off => String::from("nothing refused → what the venue refuses"),
    };
    if let Some(rate) = config.venue.participation {
        text += &format!(", at most {} of the volume", percent(rate));
    }
    if !config.restricted.is_empty() {
        text += &format!(", no entries in {}", config.restricted.join(", "));
    }
    text + ", and words from outside"
}

/// The configuration of a session with the assumptions of these rungs, and those of a plain backtest in place of the others.
#[must_use]
pub fn config_at(session: &RunConfig, rungs: Rungs) -> RunConfig {
    let mut config = session.clone();
    if !rungs.has(Rung::Fees) {
        config.fees = (Some(Rate::ZERO), Some(Rate::ZERO));
        config.venue.fees = None;
        config.venue.fee_asset = FeeAsset::Quote;
    }
    if !rungs.has(Rung::Slippage) {
        config.venue.slippage = Slippage::None;
    }
    if !rungs.has(Rung::Latency) {
        config.venue.latency = Latency::ZERO;
    }
    if !rungs.has(Rung::Queue) {
        config.venue.limit_fill = LimitFill::Touch;
        config.venue.queue = false;
    }
    if !rungs.has(Rung::Rejects) {
        config.venue.participation = None;
        config.restricted.clear();
        config.profile = lenient(config.profile);
    }
    config.keep = false;
    config
}

/// Limits that say how large an order is, as in the session, and refuse nothing that they can let pass; no guard.
fn lenient(profile: Profile) -> Profile {
    let Some(own) = profile.limits() else { return Profile::Off };
    Profile::Research(Limits {
        position_fraction_max: own.position_fraction_max,
        order_value_max: own.order_value_max,
        order_volume_max: own.order_volume_max,
        ..Limits::relaxed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PAPER, RunArgs, configure};

    fn session(args: &[&str]) -> RunConfig {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            run: RunArgs,
        }
        let cli = <Cli as clap::Parser>::parse_from(std::iter::once("x").chain(args.iter().copied()));
        configure(&cli.run.resolve(&PAPER).unwrap().settings, &PAPER).unwrap()
    }

    #[test]
    fn every_rung_changes_its_own_assumption_and_no_other() {
        let config = session(&["--slippage", "bps:5"]);
        let all = Rungs::of(&Rung::ALL);
        let full = config_at(&config, all);
        assert_eq!((full.venue, full.fees, full.profile), (config.venue, config.fees, config.profile));
        let plain = config_at(&config, Rungs::NONE);
        assert_eq!(plain.venue.slippage, Slippage::None);
        assert_eq!((plain.venue.participation, plain.venue.limit_fill), (None, LimitFill::Touch));
        assert_eq!(plain.fees, (Some(Rate::ZERO), Some(Rate::ZERO)));
        assert!(matches!(plain.profile, Profile::Research(_)));
        for rung in Rung::ALL {
            let one = config_at(&config, Rungs::NONE.with(rung));
            let same = |a: bool, what: Rung| assert_eq!(a, rung != what, "{rung:?} {what:?}");
            same(one.fees == plain.fees, Rung::Fees);
            same(one.venue.slippage == plain.venue.slippage, Rung::Slippage);
            same(one.venue.limit_fill == plain.venue.limit_fill, Rung::Queue);
            same(one.profile == plain.profile, Rung::Rejects);
        }
    }

    #[test]
    fn limits_that_refuse_are_lifted_and_those_that_size_stay() {
        let own = Profile::standard();
        let Profile::Research(lenient) = lenient(own) else { panic!("research") };
        let limits = own.limits().unwrap();
        lenient.validate().unwrap();
        assert_eq!(lenient.position_fraction_max, limits.position_fraction_max);
        assert!(lenient.positions_max > limits.positions_max && lenient.correlation_max > limits.correlation_max);
    }

    #[test]
    fn what_the_data_cannot_show_has_no_figure() {
        let config = session(&[]);
        let shown = Shown { ticks: false, quotes: false, limits: false };
        let of = |rung: Rung, shown| {
            standings(&config, &[], shown).into_iter().find(|(r, _)| *r == rung).map(|(_, standing)| standing).unwrap()
        };
        assert!(matches!(of(Rung::Latency, shown), Standing::NotInData(_)));
        assert!(matches!(of(Rung::Queue, shown), Standing::NotInData(_)));
        assert!(matches!(of(Rung::Queue, Shown { limits: true, ..shown }), Standing::Played(_)));
        assert!(matches!(of(Rung::Latency, Shown { ticks: true, ..shown }), Standing::Same(_)));
        assert!(matches!(of(Rung::Queue, Shown { ticks: true, quotes: true, limits: false }), Standing::Same(_)));
        assert!(matches!(of(Rung::Slippage, shown), Standing::Same(_)));
    }
}
