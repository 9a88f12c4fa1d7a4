//! Strategies as they are asked for: a text `NAME[:k=v,...]`, or a table of a file with the same in keys.

use super::key::words_text;
use super::problem::nearest;
use crate::command::CommandError;
use domain::SizeRequest;
use strategy::catalogue::Kind;
use strategy::{Blueprint, Params, Protection, StopRule};

/// Makes a strategy of its text and of the parameters that all share.
///
/// # Errors
/// Usage, naming the option and what was expected.
pub(super) fn parse_strategy(
    text: &str,
    shared: &[String],
    size: SizeRequest,
    stop: Protection,
) -> Result<Blueprint, CommandError> {
    let usage = |e: &dyn std::fmt::Display| CommandError::usage(format!("--strategy {text}: {e}"));
    let (name, mut params) = split(text).map_err(|e| usage(&e))?;
    let known = kind_of(name).map_or(&[][..], |k| k.params);
    for param in shared {
        let (key, value) = param
            .split_once('=')
            .ok_or_else(|| CommandError::usage(format!("--param {param}: expected name=value")))?;
        if known.iter().any(|def| def.name == key.trim()) {
            params.set_default(key.trim(), value.trim());
        }
    }
    Blueprint::new(name, params, size, stop).map_err(|e| usage(&e))
}

fn split(text: &str) -> Result<(&str, Params), strategy::ParamError> {
    let (name, own) = text.split_once(':').unwrap_or((text, ""));
    let mut params = Params::default();
    for param in own.split(',').filter(|p| !p.is_empty()) {
        params.add(param)?;
    }
    Ok((name, params))
}

fn kind_of(name: &str) -> Option<&'static Kind> {
    strategy::kinds().iter().find(|k| k.name == name)
}

/// Holds a strategy's text to what there is, without the parameters that others share.
///
/// # Errors
/// What was expected.
pub(super) fn check(text: &str) -> Result<(), String> {
    let (name, params) = split(text).map_err(|e| format!("NAME[:k=v,...]: {e}"))?;
    check_name(name)?;
    // Size and stop are keys of their own.
    match Blueprint::new(name, params, SizeRequest::Cap, StopRule::None) {
        Ok(_) => Ok(()),
        Err(strategy::ParamError::Unknown { strategy, name, known }) => {
            let near = nearest(&name, known.split(", ")).map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
            Err(format!("parameters of {strategy} only, which are {known}, not `{name}`{near}"))
        }
        Err(error) => Err(format!("a strategy that can be made: {error}")),
    }
}

/// Holds a strategy's name to what there is.
///
/// # Errors
/// What was expected.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let names: Vec<&str> = strategy::kinds().iter().map(|k| k.name).collect();
    if names.contains(&name) {
        return Ok(());
    }
    let near = nearest(name, names.iter().copied()).map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
    Err(format!("a strategy: {}{near}", words_text(&names)))
}

/// The names of a strategy's parameters.
pub(super) fn parameters(name: &str) -> Vec<&'static str> {
    kind_of(name).map(|k| k.params.iter().map(|p| p.name).collect()).unwrap_or_default()
}
