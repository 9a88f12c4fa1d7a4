//! `bot4 completions` and `bot4 man`: what shells and `man` want to know of the command line.

use super::CommandError;
use clap_complete::Shell;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Options of `bot4 completions`.
#[derive(clap::Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Options of `bot4 man`.
#[derive(clap::Args, Clone, Debug)]
pub struct ManArgs {
    /// Folder for one page per command, made if it is not there; the first page on standard output if not given.
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Writes the completions of a shell to standard output.
///
/// # Errors
/// If standard output cannot be written.
pub fn completions(args: &CompletionsArgs, mut cli: clap::Command) -> Result<(), CommandError> {
    let mut text = Vec::new();
    let name = cli.get_name().to_owned();
    clap_complete::generate(args.shell, &mut cli, name, &mut text);
    super::write_out(&String::from_utf8(text).map_err(CommandError::failed)?)
}

/// Writes the manual: `bot4.1`, `bot4-paper.1`, ...
///
/// # Errors
/// If it cannot be written.
pub fn man(args: &ManArgs, cli: clap::Command) -> Result<(), CommandError> {
    let Some(dir) = &args.dir else {
        let mut text = Vec::new();
        clap_mangen::Man::new(cli).render(&mut text).map_err(CommandError::failed)?;
        return super::write_out(&String::from_utf8(text).map_err(CommandError::failed)?);
    };
    let failed = |e: std::io::Error| {
        CommandError::failed(format!("{}: {e}: expected a folder that can be written", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let pages = pages(cli, dir).map_err(failed)?;
    super::write_out(&format!("{pages} pages in {}\n", dir.display()))
}

fn pages(mut cli: clap::Command, dir: &Path) -> std::io::Result<usize> {
    // Subcommands get their full names (`bot4-data-check`) here.
    cli.build();
    let mut waiting = vec![cli];
    let mut written = 0;
    while let Some(command) = waiting.pop() {
        let subcommands = command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set());
        waiting.extend(subcommands.cloned());
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut file = std::io::BufWriter::new(std::fs::File::create(dir.join(format!("{name}.1")))?);
        clap_mangen::Man::new(command).render(&mut file)?;
        file.flush()?;
        written += 1;
    }
    Ok(written)
}
