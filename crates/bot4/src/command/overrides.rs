//! `bot4 override`: keys of key holders, tokens, and the way into a run's inbox.

use super::{CommandError, write_out};
use crate::overrides::{
    ANY, Action, Answer, BYTES_MAX, Claims, HolderKey, LIFE_MAX_S, Purpose, Role, SendError, run_name, seal, send,
};
use crate::term;
use clap::{Args, Subcommand};
use domain::Holder;
use serde_json::json;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The command with its subcommands.
#[derive(Args, Clone, Debug)]
pub struct OverrideCommand {
    #[command(subcommand)]
    command: Override,
}

#[derive(Subcommand, Clone, Debug)]
enum Override {
    /// Makes a key: a private one in a file of its holder's, and the line for `safety.holders` of the configuration.
    #[command(after_help = "\
Examples:
  bot4 override keygen --holder anna --role operator --out anna.key
  bot4 override keygen --holder anna --role rearm --out anna-rearm.key")]
    Keygen(KeygenArgs),
    /// Signs a token: it holds for a few minutes, once.
    #[command(after_help = "\
Examples:
  bot4 override sign --key anna.key --act halt
  bot4 override sign --key anna.key --act tighten positions_max=3 --run runs/may
  bot4 override sign --key anna-rearm.key --act rearm --run runs/may --expires 10m

Acts: reduce, pause (entries that rest are taken off, unless keep-entries follows), halt, flatten, tighten LIMIT=VALUE;
with a key of the role rearm: rearm, rearm strategy N. There is none that opens a position or loosens a limit.")]
    Sign(SignArgs),
    /// Sends a token to a run, and waits for the answer. Exit code 1 if it is refused.
    #[command(after_help = "\
Examples:
  bot4 override send --run runs/may eyJhbGciOi...
  bot4 override sign --key anna.key --act halt | bot4 override send --run runs/may -")]
    Send(SendArgs),
}

/// Options of `keygen`.
#[derive(Args, Clone, Debug)]
pub struct KeygenArgs {
    /// Name of the holder: up to 16 letters, digits, `-`, `_`, `.`.
    #[arg(long, value_name = "NAME")]
    pub holder: String,
    /// What the key may ask for: operator (stricter) or rearm (back to trading after a trip).
    #[arg(long, value_name = "ROLE")]
    pub role: String,
    /// File of the private key; it must not be there. Keep it where bot4 does not run.
    #[arg(long, value_name = "KEY")]
    pub out: PathBuf,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Options of `sign`.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// File of the private key.
    #[arg(long, value_name = "KEY")]
    pub key: PathBuf,
    /// What is asked for.
    #[arg(long, value_name = "ACT", num_args = 1..=3, required = true)]
    pub act: Vec<String>,
    /// The run that is meant: its folder, or the name that this command gave it elsewhere. Any run that it is sent to, if not given; a
    /// re-arm names its run.
    #[arg(long, value_name = "DIR|NAME")]
    pub run: Option<String>,
    /// How long it holds, up to 15m.
    #[arg(long, value_name = "Nm|Ns", default_value = "5m")]
    pub expires: String,
}

/// Options of `send`.
#[derive(Args, Clone, Debug)]
pub struct SendArgs {
    /// Folder of the run.
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// The token; - reads it from standard input.
    #[arg(value_name = "TOKEN")]
    pub token: String,
    /// How long to wait for the answer. A re-arm is answered when its self-tests are through.
    #[arg(long, value_name = "Nm|Ns", default_value = "10s")]
    pub wait: String,
    /// The answer as one JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code; a refusal is a failure.
pub fn run(command: &OverrideCommand) -> Result<(), CommandError> {
    match &command.command {
        Override::Keygen(args) => keygen(args),
        Override::Sign(args) => sign(args),
        Override::Send(args) => run_send(args),
    }
}

fn keygen(args: &KeygenArgs) -> Result<(), CommandError> {
    let holder = Holder::new(&args.holder).ok_or_else(|| {
        CommandError::usage(format!("--holder {}: expected 1 to 16 letters, digits, `-`, `_`, `.`", args.holder))
    })?;
    let role = Role::parse(&args.role)
        .ok_or_else(|| CommandError::usage(format!("--role {}: expected operator or rearm", args.role)))?;
    super::out_file::fresh("--out", &args.out)?;
    let key = HolderKey::make(&args.out, holder, role).map_err(CommandError::failed)?;
    if args.json {
        let (file, line) = (args.out.display().to_string(), key.known.to_string());
        return write_out(&format!(
            "{}\n",
            json!({"holder": holder.name(), "role": role.key(), "file": file, "line": line})
        ));
    }
    write_out(&format!("{}\n", key.known))?;
    eprintln!(
        "private key in {}: keep it where bot4 does not run; put the line above into safety.holders of the configuration",
        args.out.display()
    );
    Ok(())
}

fn sign(args: &SignArgs) -> Result<(), CommandError> {
    let key = HolderKey::read(&args.key).map_err(CommandError::failed)?;
    let act = args.act.join(" ");
    let action = Action::parse(&act).map_err(|what| CommandError::usage(format!("--act {what}")))?;
    if action.role() != key.known.role {
        let (has, needs) = (key.known.role.key(), action.role().key());
        return Err(CommandError::usage(format!(
            "--act {act}: the key has the role {has}: expected a key of the role {needs}"
        )));
    }
    let life = seconds("--expires", &args.expires)?;
    if !(1..=LIFE_MAX_S).contains(&life) {
        return Err(CommandError::usage(format!("--expires {}: expected 1s to {}m", args.expires, LIFE_MAX_S / 60)));
    }
    let run = match args.run.as_deref() {
        None if action.role() == Role::Rearm => {
            return Err(CommandError::usage("--run: expected the folder of the run: a re-arm is for one run"));
        }
        None | Some(ANY) => ANY.to_owned(),
        Some(text) => name_of(text)?,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(CommandError::failed)?.as_secs();
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|e| CommandError::failed(format!("the system gives no random bytes: {e}")))?;
    let claims = Claims {
        sub: key.known.holder.to_string(),
        role: key.known.role.key().to_owned(),
        iat: now,
        nbf: now,
        exp: now + life,
        jti: number.iter().map(|byte| format!("{byte:02x}")).collect(),
        run,
        act: action.to_string(),
    };
    let token = seal(Purpose::Override, &claims, &key.signer).map_err(CommandError::failed)?;
    write_out(&format!("{token}\n"))
}

/// The name of the run in a folder, or the name itself.
fn name_of(text: &str) -> Result<String, CommandError> {
    let path = Path::new(text);
    if !path.is_dir() && text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    let name = run_name(path).map_err(CommandError::failed)?;
    name.ok_or_else(|| CommandError::failed(format!("{text}: no run: expected the folder of a run that has begun")))
}

/// `90s` or `5m`, in seconds.
fn seconds(option: &str, text: &str) -> Result<u64, CommandError> {
    let read = || -> Option<u64> {
        let (number, unit) = match text.strip_suffix('m') {
            Some(number) => (number, 60),
            None => (text.strip_suffix('s')?, 1),
        };
        number.parse::<u64>().ok()?.checked_mul(unit).filter(|s| *s <= 86_400)
    };
    read().ok_or_else(|| CommandError::usage(format!("{option} {text}: expected a time such as 90s or 5m")))
}

fn run_send(args: &SendArgs) -> Result<(), CommandError> {
    let wait = Duration::from_secs(seconds("--wait", &args.wait)?);
    let token = match args.token.as_str() {
        "-" => {
            let mut text = String::new();
            let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX) + 2;
            std::io::stdin().take(most).read_to_string(&mut text).map_err(CommandError::failed)?;
            text
        }
        token => token.to_owned(),
    };
    let answer = send(&args.run, token.trim(), wait).map_err(|error| match error {
        SendError::TooLarge => CommandError::usage(error),
        _ => CommandError::failed(error),
    })?;
    if args.json {
        write_out(&(serde_json::to_string(&answer).map_err(CommandError::failed)? + "\n"))?;
    }
    let Answer { accepted, holder, act, says, .. } = &answer;
    let what = match (act, holder) {
        (Some(act), Some(holder)) => format!("{act} of {holder}"),
        _ => "the token".to_owned(),
    };
    if !accepted {
        return Err(CommandError::failed(format!("{what} was refused: {says}")));
    }
    if args.json { Ok(()) } else { term::print(&format!("{what}: accepted; {says}\n")).map_err(CommandError::failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_minutes() {
        assert_eq!(seconds("--x", "90s").unwrap(), 90);
        assert_eq!(seconds("--x", "5m").unwrap(), 300);
        for bad in ["", "5", "m", "-5m", "1h", "5 m", "99999999999999999999m", "2000m"] {
            assert!(seconds("--x", bad).unwrap_err().message.contains("such as 90s or 5m"), "{bad}");
        }
    }
}
