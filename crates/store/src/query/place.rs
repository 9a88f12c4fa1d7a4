//! Where a query store is: a file, a server, or nowhere.

use super::QueryError;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Url),
}

/// A PostgreSQL database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. A host that begins with `/` (written `%2F`, or as
/// `?host=/folder`) is a folder of sockets.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// The user.
    pub user: String,
    /// The password; none is sent where the server asks for none.
    pub password: Option<String>,
    /// Name or address of the machine, or the folder of the server's socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Url {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.password.is_some() { ":***" } else { "" };
        if self.host.starts_with('/') {
            let Self { user, port, database, host, .. } = self;
            return write!(f, "postgres://{user}{password}@/{database}?host={host}&port={port}");
        }
        write!(f, "postgres://{}{password}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl Place {
    /// Reads what a configuration says: `off` (`None`), `sqlite` (the given file), `sqlite:FILE` or a URL of PostgreSQL.
    ///
    /// # Errors
    /// [`QueryError::Place`].
    pub fn parse(text: &str, standard: &Path) -> Result<Option<Self>, QueryError> {
        match text {
            "off" => return Ok(None),
            "sqlite" => return Ok(Some(Self::Sqlite(standard.to_owned()))),
            _ => {}
        }
        if let Some(file) = text.strip_prefix("sqlite:").filter(|file| !file.is_empty()) {
            return Ok(Some(Self::Sqlite(PathBuf::from(file.strip_prefix("//").unwrap_or(file)))));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Url::parse(text).map(|url| Some(Self::Postgres(url)));
        }
        Err(QueryError::Place { place: text.to_owned(), what: "neither a file nor a server".into() })
    }
}

impl Url {
    fn parse(text: &str) -> Result<Self, QueryError> {
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        // A password in it is not repeated.
        let shown = match rest.rsplit_once('@') {
            Some((_, at)) => format!("postgres://...@{at}"),
            None => text.to_owned(),
        };
        let fail = |what: &str| QueryError::Place { place: shown.clone(), what: what.to_owned() };
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (who, rest) = rest.rsplit_once('@').ok_or_else(|| fail("no user is named"))?;
        let (machine, database) = rest.split_once('/').ok_or_else(|| fail("no database is named"))?;
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (who, None),
        };
        let (host, port) = match machine.rsplit_once(':') {
            Some((host, port)) if !machine.ends_with(']') => {
                (host, port.parse().map_err(|_| fail("the port is no number up to 65535"))?)
            }
            _ => (machine, 5432),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |text: &str| decode(text).ok_or_else(|| fail("a % is not followed by two hexadecimal digits"));
        let mut url = Self {
            user: plain(user)?,
            password: password.map(plain).transpose()?,
            host: plain(host)?,
            port,
            database: plain(database)?,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("host", value)) => url.host = plain(value)?,
                Some(("port", value)) => {
                    url.port = value.parse().map_err(|_| fail("the port is no number up to 65535"))?;
                }
                Some(("sslmode", "disable" | "allow" | "prefer")) => {}
                Some(("sslmode", _)) => {
                    return Err(fail(
                        "connections are not encrypted: reach the server on this machine or through a tunnel",
                    ));
                }
                _ => return Err(fail("only host, port and sslmode=disable may follow the ?")),
            }
        }
        if url.user.is_empty() || url.host.is_empty() || url.database.is_empty() {
            return Err(fail("user, host and database must all be named"));
        }
        Ok(url)
    }
}

/// Text with `%XX` as the bytes they stand for.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(more.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = more.get(2..)?;
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Place>, QueryError> {
        Place::parse(text, Path::new("runs/query.db"))
    }

    #[test]
    fn places_are_read_and_passwords_are_not_shown() {
        assert_eq!(parse("off"), Ok(None));
        assert_eq!(parse("sqlite"), Ok(Some(Place::Sqlite("runs/query.db".into()))));
        assert_eq!(parse("sqlite:a b.db"), Ok(Some(Place::Sqlite("a b.db".into()))));
        let Ok(Some(Place::Postgres(url))) = parse("postgres://anna:s%40cret@db.example:6000/bot4") else { panic!() };
        assert_eq!((url.user.as_str(), url.password.as_deref()), ("anna", Some("s@cret")));
        assert_eq!((url.host.as_str(), url.port, url.database.as_str()), ("db.example", 6000, "bot4"));
        assert_eq!(format!("{url} {url:?}").matches("postgres://anna:***@db.example:6000/bot4").count(), 2);
        let Ok(Some(Place::Postgres(url))) = parse("postgresql://u@/d?host=/run/pg&port=7") else { panic!() };
        assert_eq!((url.host.as_str(), url.port), ("/run/pg", 7));
    }

    #[test]
    fn what_cannot_be_a_place_says_why() {
        for (text, why) in [
            ("mysql://x", "neither"),
            ("sqlite:", "neither"),
            ("postgres://host/db", "no user"),
            ("postgres://u@host", "no database"),
            ("postgres://u@host/", "must all be named"),
            ("postgres://u@host:x/d", "no number"),
            ("postgres://u@host/d?sslmode=require", "not encrypted"),
            ("postgres://u:secret@host/d?x=1", "only host"),
            ("postgres://u:secret%4@host/d", "hexadecimal"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
