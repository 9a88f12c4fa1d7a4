//! The private key of a key holder, in a file of its own: made by its holder, on the holder's machine, read by `override sign` alone.
//!
//! The run knows public keys only, so nobody who can read or write everything that bot4 has can say something in a holder's name.

use super::base64;
use super::holder::{KeyHolder, Role};
use domain::Holder;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use store::audit::Signer;
use zeroize::Zeroizing;

const HEAD: &str = "bot4-override-ed25519-secret ";

/// Longest file that can be a key.
const BYTES_MAX: u64 = 512;

/// Why a key cannot be made or read.
#[derive(Debug)]
pub enum HolderKeyError {
    /// The system refused.
    Io {
        /// What was to be done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no key.
    Form(PathBuf),
    /// Others may read it.
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The system gives no random bytes.
    Random(String),
}

impl fmt::Display for HolderKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, path, source } => write!(f, "{}: cannot {what}: {source}", path.display()),
            Self::Form(path) => {
                write!(
                    f,
                    "{}: no key of a holder: expected the file that `bot4 override keygen` writes",
                    path.display()
                )
            }
            Self::Open { path, mode } => write!(
                f,
                "{}: others may read this private key (mode {mode:03o}): expected mode 600; make a new one with `bot4 override keygen`, or \
                 `chmod 600` it if nobody has read it",
                path.display()
            ),
            Self::Random(error) => write!(f, "the system gives no random bytes: {error}"),
        }
    }
}

impl std::error::Error for HolderKeyError {}

/// A holder with the private key, which is wiped from memory when it is dropped.
#[derive(Debug)]
pub struct HolderKey {
    /// Whose, and what for.
    pub known: KeyHolder,
    /// Signs.
    pub signer: Signer,
}

impl HolderKey {
    /// Makes a key of the system's randomness and writes it into a new file that its owner alone can read.
    ///
    /// # Errors
    /// If there is a file already, or none can be made.
    pub fn make(path: &Path, holder: Holder, role: Role) -> Result<Self, HolderKeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|e| HolderKeyError::Random(e.to_string()))?;
        let digits = Zeroizing::new(base64::encode(&*secret));
        let line = Zeroizing::new(format!("{HEAD}{holder} {} {}\n", role.key(), *digits));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|source| HolderKeyError::Io { what: "make the private key", path: path.to_owned(), source })?;
        Ok(Self::new(holder, role, *secret))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// If it cannot be read, is none, or others may read it.
    pub fn read(path: &Path) -> Result<Self, HolderKeyError> {
        let io = |source| HolderKeyError::Io { what: "read", path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(io)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(HolderKeyError::Open { path: path.to_owned(), mode });
            }
        }
        let mut text = Zeroizing::new(String::with_capacity(256));
        file.take(BYTES_MAX).read_to_string(&mut text).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => HolderKeyError::Form(path.to_owned()),
            _ => io(e),
        })?;
        Self::parse(&text).ok_or_else(|| HolderKeyError::Form(path.to_owned()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim_end().strip_prefix(HEAD)?.split(' ');
        let (holder, role) = (Holder::new(words.next()?)?, Role::parse(words.next()?)?);
        let secret = Zeroizing::new(base64::decode_array::<32>(words.next()?)?);
        words.next().is_none().then(|| Self::new(holder, role, *secret))
    }

    fn new(holder: Holder, role: Role, secret: [u8; 32]) -> Self {
        let signer = Signer::from_secret(secret);
        Self { known: KeyHolder { holder, role, key: signer.public() }, signer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_owners_alone_and_never_written_over() {
        let dir = std::env::temp_dir().join(format!("bot4-holder-key-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("anna.key");
        let made = HolderKey::make(&path, Holder::new("anna").unwrap(), Role::Operator).unwrap();
        assert_eq!(HolderKey::read(&path).unwrap().known, made.known);
        assert!(
            !format!("{made:?}").contains(std::fs::read_to_string(&path).unwrap().split(' ').nth(3).unwrap().trim())
        );
        let error = HolderKey::make(&path, Holder::new("anna").unwrap(), Role::Operator).unwrap_err();
        assert!(matches!(error, HolderKeyError::Io { .. }), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(HolderKey::read(&path), Err(HolderKeyError::Open { mode: 0o640, .. })));
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        for wrong in [&b"hello"[..], b"", b"bot4-override-ed25519-secret anna operator AA\n", &[0xff; 600]] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(HolderKey::read(&path), Err(HolderKeyError::Form(_))), "{wrong:?}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
