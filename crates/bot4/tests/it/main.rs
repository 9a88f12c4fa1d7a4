//! The program from outside: exit codes, what goes to standard output and what to standard error, answers against references.

#![allow(clippy::unwrap_used, clippy::panic)]

mod allocation;
mod assess;
mod audit;
mod bad_input;
mod calc;
mod catalogue;
mod command_line;
mod configuration;
mod costs;
mod crash_days;
mod data;
mod explain;
mod fees;
mod gap;
mod groups;
mod harness;
mod kill;
mod order_of_time;
mod overrides;
mod perpetual;
mod postgres;
mod query;
mod recorded;
mod reference;
mod repeatable;
mod report;
mod risk;
mod schedules;
mod shutdown;
mod support;
mod system;
mod terminal;
