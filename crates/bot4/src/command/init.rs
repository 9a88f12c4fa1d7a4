//! `bot4 init`: writes a commented configuration file, in which every key stands with its default, unit and meaning.

use super::CommandError;
use crate::config;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Options of `bot4 init`.
#[derive(clap::Args, Clone, Debug)]
pub struct InitArgs {
    /// Folder of the file, made if it is not there; the working directory if not given.
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Writes over a file that is there.
    #[arg(long)]
    pub force: bool,
}

/// Runs the command.
///
/// # Errors
/// Failure if the file is there already or cannot be written.
pub fn run(args: &InitArgs) -> Result<(), CommandError> {
    let here = args.dir == Path::new(".");
    let path = if here { config::FILE_NAME.into() } else { args.dir.join(config::FILE_NAME) };
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::AlreadyExists => {
            CommandError::failed(format!("{}: is there already: expected --force to write over it", path.display()))
        }
        _ => CommandError::failed(format!("{}: {e}: expected a file that can be written", path.display())),
    };
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    let text = config::template();
    if args.force {
        // Written aside and renamed: the file that is there is whole until the new one is.
        let aside = args.dir.join(format!(".{}.part", config::FILE_NAME));
        std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, &path)).map_err(failed)?;
    } else {
        let mut file = std::fs::File::create_new(&path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
    }
    super::write_out(&format!(
        "{}: every key with its default; `bot4 config show` says what is in force\n",
        path.display()
    ))
}
