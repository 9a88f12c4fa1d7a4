//! Checks of single values that the table of keys names.

use super::parse;
use crate::command::inputs;
use crate::overrides::KeyHolder;
use domain::{Money, Rate};
use store::history::{Decimals, parse_interval};
use strategy::Protection;

/// Levels for all and by module: `info,bot4::orders=debug`.
pub(crate) fn levels(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    text.split(',').all(|part| {
        let (module, level) = part.trim().split_once('=').unwrap_or(("all", part.trim()));
        !module.is_empty() && LEVELS.contains(&level)
    })
}

pub(super) fn not_empty(text: &str) -> bool {
    !text.is_empty()
}

pub(super) fn cash(text: &str) -> bool {
    Money::parse(text).is_ok_and(|c| c > Money::ZERO)
}

pub(super) fn rate(text: &str) -> bool {
    Rate::parse(text).is_ok()
}

pub(super) fn fee_schedule(text: &str) -> bool {
    execution::fee::known(text).is_some()
}

pub(super) fn size(text: &str) -> bool {
    parse::size(text).is_some()
}

pub(super) fn stop(text: &str) -> bool {
    Protection::parse(text).is_ok()
}

pub(super) fn work(text: &str) -> bool {
    strategy::WorkRule::parse(text).is_ok()
}

pub(super) fn slippage(text: &str) -> bool {
    parse::slippage(text).is_some()
}

pub(super) fn latency(text: &str) -> bool {
    parse::latency(text).is_some()
}

pub(super) fn funding(text: &str) -> bool {
    parse::funding(text).is_some()
}

pub(super) fn reconcile_every(text: &str) -> bool {
    parse::reconcile_every(text).is_some()
}

pub(super) fn participation(text: &str) -> bool {
    text == "none" || Rate::parse(text).is_ok_and(|r| r > Rate::ZERO && r <= Rate::ONE)
}

pub(super) fn parameter(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, value)| !name.trim().is_empty() && !value.trim().is_empty())
}

pub(super) fn interval(text: &str) -> bool {
    parse_interval(text).is_some()
}

pub(super) fn time(text: &str) -> bool {
    inputs::parse_time("", text).is_ok()
}

pub(super) fn decimals(text: &str) -> bool {
    Decimals::parse(text).is_ok()
}

pub(super) fn holder(text: &str) -> bool {
    KeyHolder::parse(text).is_some()
}

/// A query database. The configuration of a run is recorded: a password must not be in it.
pub(super) fn database(text: &str) -> bool {
    use store::query::Place;
    match Place::parse(text, std::path::Path::new("query.db")) {
        Ok(Some(Place::Postgres(url))) => url.password.is_none(),
        Ok(_) => true,
        Err(_) => false,
    }
}

pub(super) fn above_zero(text: &str) -> bool {
    Rate::parse(text).is_ok_and(|r| r > Rate::ZERO)
}

pub(super) fn at_least_one(text: &str) -> bool {
    Rate::parse(text).is_ok_and(|r| r >= Rate::ONE)
}

/// Above 0 and up to 1.
pub(super) fn fraction(text: &str) -> bool {
    Rate::parse(text).is_ok_and(|r| r > Rate::ZERO && r <= Rate::ONE)
}

/// Above 0 and below 1.
pub(super) fn part(text: &str) -> bool {
    Rate::parse(text).is_ok_and(|r| r > Rate::ZERO && r < Rate::ONE)
}
