//! Historical data read as a program reads it: files and bytes in, records, findings and errors out.

#![allow(clippy::unwrap_used, clippy::panic)]

mod allocation;
mod audit;
mod bad_input;
mod catalogue;
mod foreign;
mod formats;
mod journal;
mod journal_crash;
mod journal_damage;
mod journal_fixtures;
mod journal_retention;
mod own_files;
mod reference;
mod snapshots;
mod support;
mod survives;
