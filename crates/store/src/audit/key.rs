//! The key that signs checkpoints: one per user, made at first use, kept outside of every run.

use super::text::{from_hex, hex, sha256};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The private key's file in the folder of keys.
const SECRET: &str = "audit.key";
/// The public key's file beside it.
const PUBLIC: &str = "audit.pub";
const SECRET_HEAD: &str = "bot4-audit-ed25519-secret ";
const PUBLIC_HEAD: &str = "bot4-audit-ed25519-public ";

/// Why there is no key to sign with. None of it stops a run: its checkpoints are missing.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{}: cannot {what}: {source}", .path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no key.
    #[error("{}: no key: expected one line, `{expected}` and {digits} hexadecimal digits", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// How it begins.
        expected: &'static str,
        /// What follows.
        digits: usize,
    },
    /// Others than its owner may read it.
    #[error("{}: others may read this private key (mode {mode:03o}): expected mode 600; if nobody has read it, `chmod 600` it", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The system gives no randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

impl KeyError {
    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Reads the file of a public key.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|e| KeyError::io("read", path, e))?;
        let digits = text.trim();
        let key = from_hex(digits.strip_prefix(PUBLIC_HEAD).unwrap_or(digits).as_bytes()).map(Self);
        key.ok_or(KeyError::Form { path: path.to_owned(), expected: PUBLIC_HEAD, digits: 64 })
    }

    /// The public key in the folder of keys, if there is one.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn own(folder: &Path) -> Result<Option<Self>, KeyError> {
        match Self::read(&folder.join(PUBLIC)) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether the signature is this key's, over this message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }

    /// A short name of the key: the first 16 bytes of its SHA-256.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&sha256(&[&self.0])[..16])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Signs checkpoints. The secret is wiped from memory when it is dropped.
pub struct Signer {
    key: SigningKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public())
    }
}

impl Signer {
    /// The key in this folder. One is made if there is none, with the folder: of the system's randomness, readable by its owner alone.
    ///
    /// # Errors
    /// If there is none and none can be made.
    pub fn own(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(SECRET);
        let signer = match Self::read(&path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Self::make(folder, &path)?,
            other => other?,
        };
        let public = folder.join(PUBLIC);
        if !public.exists() {
            let line = format!("{PUBLIC_HEAD}{}\n", signer.public());
            std::fs::write(&public, line).map_err(|e| KeyError::io("write", &public, e))?;
        }
        Ok(signer)
    }

    /// Whether there is a private key in this folder. None is made.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        folder.join(SECRET).is_file()
    }

    /// A signer of a known secret: for tests and tools; keys of users are made by [`Signer::own`].
    #[must_use]
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        Self { key: SigningKey::from_bytes(&secret) }
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    /// Signs a message. What it is must stand in the message, so that a signature is of one thing only.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    fn read(path: &Path) -> Result<Self, KeyError> {
        let mut file = File::open(path).map_err(|e| KeyError::io("read", path, e))?;
        check_mode(path, &file)?;
        let mut text = Zeroizing::new(String::with_capacity(128));
        file.read_to_string(&mut text).map_err(|e| KeyError::io("read", path, e))?;
        let secret = text.trim().strip_prefix(SECRET_HEAD).and_then(|digits| from_hex::<32>(digits.as_bytes()));
        let form = KeyError::Form { path: path.to_owned(), expected: SECRET_HEAD, digits: 64 };
        Ok(Self { key: SigningKey::from_bytes(&Zeroizing::new(secret.ok_or(form)?)) })
    }

    fn make(folder: &Path, path: &Path) -> Result<Self, KeyError> {
        std::fs::create_dir_all(folder).map_err(|e| KeyError::io("make", folder, e))?;
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|e| KeyError::Random(e.to_string()))?;
        let line = Zeroizing::new(format!("{SECRET_HEAD}{}\n", hex(&*secret)));
        let part = folder.join(format!(".{SECRET}.{}.part", std::process::id()));
        let written = new_private_file(&part).and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            // A link does not replace: of two processes that make a key at the same time one wins, and both use its key.
            std::fs::hard_link(&part, path).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => std::fs::rename(&part, path),
            })
        });
        let _ = std::fs::remove_file(&part);
        written.map_err(|e| KeyError::io("make the private key", path, e))?;
        Self::read(path)
    }
}

fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn check_mode(path: &Path, file: &File) -> Result<(), KeyError> {
    let mode = mode_of(&file.metadata().map_err(|e| KeyError::io("read", path, e))?.permissions());
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeyError::Open { path: path.to_owned(), mode }) }
}

#[cfg(unix)]
fn mode_of(permissions: &Permissions) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    permissions.mode() & 0o777
}

/// Where there are no modes, the folder of the user protects the key.
#[cfg(not(unix))]
fn mode_of(permissions: &Permissions) -> u32 {
    if permissions.readonly() { 0o400 } else { 0o600 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = std::env::temp_dir().join(format!("bot4-audit-key-{}", std::process::id())).join("below");
        let made = Signer::own(&folder).unwrap().public();
        assert_eq!(Signer::own(&folder).unwrap().public(), made);
        assert_eq!(PublicKey::own(&folder).unwrap(), Some(made));
        let names = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 2, "nothing but the two keys is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.join(SECRET);
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            let error = Signer::own(&folder).unwrap_err();
            assert!(matches!(error, KeyError::Open { mode: 0o644, .. }), "{error}");
        }
        std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_is_no_key_is_told() {
        let folder = std::env::temp_dir().join(format!("bot4-audit-nokey-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(PublicKey::own(&folder).unwrap(), None);
        std::fs::write(folder.join(PUBLIC), "hello").unwrap();
        let error = PublicKey::own(&folder).unwrap_err().to_string();
        assert!(error.contains("no key: expected one line, `bot4-audit-ed25519-public "), "{error}");
        let file = folder.join("file");
        std::fs::write(&file, "").unwrap();
        let error = Signer::own(&file.join("below")).unwrap_err().to_string();
        assert!(error.contains("cannot"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
