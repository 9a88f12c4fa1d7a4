//! `bot4 gate`: what must hold before live trading, looked at by the machine; and the confirmation of limits that is one of its items.

use super::{CommandError, write_out};
use crate::assess::gather;
use crate::checklist::Checklist;
use crate::config::{PAPER, RunArgs, RunSettings, configure};
use crate::live_gate::{self, confirm};
use crate::overrides::{HolderKey, Holders};
use crate::term::{self, Table};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The command, alone or with its subcommand.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct GateCommand {
    #[command(subcommand)]
    command: Option<Gate>,
    #[command(flatten)]
    look: LookArgs,
}

#[derive(Subcommand, Clone, Debug)]
enum Gate {
    /// Signs the limits in force: one of the items. Look at them, they are printed.
    #[command(after_help = "\
Examples:
  bot4 gate confirm --key anna.key")]
    Confirm(ConfirmArgs),
}

/// Options of the gate.
#[derive(Args, Clone, Debug, Default)]
pub struct LookArgs {
    /// Configuration file; as for a run if not given.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Options of `confirm`.
#[derive(Args, Clone, Debug)]
pub struct ConfirmArgs {
    /// Private key of an operator, as `bot4 override keygen` made it.
    #[arg(long, value_name = "KEY")]
    pub key: PathBuf,
    /// Configuration file; as for a run if not given.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Failed, if an item does not pass; usage for a configuration that is none.
pub fn run(command: &GateCommand) -> Result<(), CommandError> {
    match &command.command {
        Some(Gate::Confirm(args)) => run_confirm(args),
        None => {
            let list = look(&command.look)?;
            let open = list.open().count();
            if open == 0 {
                Ok(())
            } else {
                Err(CommandError::failed(format!("{open} of {} items do not pass", list.items.len())))
            }
        }
    }
}

/// The settings that are in force here.
pub(super) fn settings(config: Option<&PathBuf>) -> Result<RunSettings, CommandError> {
    let args = RunArgs { config: config.cloned(), ..RunArgs::default() };
    Ok(args.resolve(&PAPER)?.settings)
}

/// A folder beside the runs in which the self-tests may write; removed when it is dropped.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub(super) fn of(settings: &RunSettings) -> Self {
        Self(settings.paths.runs().join(format!(".gate-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It has this process's number and a name of its own: nobody else's files are in it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Seconds since 1970, by the machine's clock.
pub(super) fn now_s() -> Result<u64, CommandError> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).map_err(CommandError::failed)?.as_secs())
}

/// Looks at everything, and prints it.
pub(super) fn look(args: &LookArgs) -> Result<Checklist, CommandError> {
    let settings = settings(args.config.as_ref())?;
    let evidence = gather(&settings.paths.runs());
    let scratch = Scratch::of(&settings);
    let list = live_gate::look(&settings, &evidence, &scratch.0, now_s()?)?;
    if args.json {
        let paper = evidence.found.iter().filter(|run| run.run == "paper");
        let hurdle = live_gate::hurdle(paper.filter_map(|run| run.report.as_ref()));
        write_out(&format!("{}\n", json!({"passes": list.passes(), "items": list.items, "cost_hurdle": hurdle})))?;
    } else {
        list.print().map_err(CommandError::failed)?;
    }
    Ok(list)
}

fn run_confirm(args: &ConfirmArgs) -> Result<(), CommandError> {
    let settings = settings(args.config.as_ref())?;
    let config = configure(&settings, &PAPER)?;
    let limits = config.profile.limits().ok_or_else(|| CommandError::failed("there are no limits to confirm"))?;
    let key = HolderKey::read(&args.key).map_err(CommandError::failed)?;
    let path = settings.paths.limits_confirmed();
    let confirmed = confirm::confirm(&path, limits, &key, now_s()?).map_err(CommandError::failed)?;
    let holders = Holders::parse(&settings.safety.holders).map_err(CommandError::usage)?;
    let known = holders.iter().any(|known| *known == key.known);
    let shown = serde_json::to_value(limits).map_err(CommandError::failed)?;
    if args.json {
        let file = path.display().to_string();
        return write_out(&format!(
            "{}\n",
            json!({"file": file, "holder": confirmed.sub, "limits_hash": confirmed.limits, "limits": shown, "holder_is_known": known})
        ));
    }
    let mut table = Table::new(2).left(1).text();
    for (name, value) in shown.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.row([name.clone(), value]);
    }
    let text = format!(
        "{} confirmed these limits ({}), in {}:\n{}",
        confirmed.sub,
        confirmed.limits.get(..12).unwrap_or_default(),
        path.display(),
        table.render(term::width())
    );
    term::print(&text).map_err(CommandError::failed)?;
    if !known {
        eprintln!("bot4: this key is not in safety.holders: the gate does not accept the confirmation until it is");
    }
    Ok(())
}
