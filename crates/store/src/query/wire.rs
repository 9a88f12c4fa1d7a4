//! A blocking connection to a PostgreSQL server: the messages are `postgres-protocol`'s, the socket is ours.
//!
//! In:  statements, rows to be copied in.
//! Out: rows as text, or what the server said.
//! Every read and write has a time limit. Not encrypted: the server is on this machine, or behind a tunnel.

use super::Url;
use bytes::{BufMut as _, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::{backend, frontend};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes that are read, and copied in, at once.
const PIECE: usize = 64 << 10;

/// Why a statement was not carried out.
#[derive(Debug)]
pub(super) enum WireError {
    /// The connection does not come about, broke, or took too long.
    Lost(String),
    /// The server said no.
    Server {
        /// Its five-letter code.
        code: String,
        /// Its text.
        text: String,
    },
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        let timed_out = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        Self::Lost(if timed_out { "the server does not answer in time".into() } else { error.to_string() })
    }
}

trait Socket: Read + Write + Send {}
impl<T: Read + Write + Send> Socket for T {}

/// An open connection.
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    incoming: BytesMut,
    outgoing: BytesMut,
}

/// What a statement gave.
#[derive(Default)]
pub(super) struct Rows {
    /// Name and type of each column.
    pub columns: Vec<(String, u32)>,
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there were more than asked for.
    pub cut: bool,
    /// What the server says that it did.
    pub tag: String,
}

impl Wire {
    pub fn connect(url: &Url, patience: Duration) -> Result<Self, WireError> {
        let mut wire = Self {
            socket: socket(url, patience)?,
            incoming: BytesMut::with_capacity(PIECE),
            outgoing: BytesMut::with_capacity(PIECE),
        };
        let milliseconds = patience.as_millis().to_string();
        let parameters = [
            ("user", url.user.as_str()),
            ("database", url.database.as_str()),
            ("application_name", "bot4"),
            ("client_encoding", "UTF8"),
            ("TimeZone", "UTC"),
            ("statement_timeout", milliseconds.as_str()),
        ];
        frontend::startup_message(parameters, &mut wire.outgoing)?;
        wire.flush()?;
        wire.log_in(url)?;
        Ok(wire)
    }

    fn log_in(&mut self, url: &Url) -> Result<(), WireError> {
        let password = || {
            let missing = || WireError::Lost("the server asks for a password, and the URL has none".into());
            url.password.as_deref().map(str::as_bytes).ok_or_else(missing)
        };
        let mut scram: Option<sasl::ScramSha256> = None;
        loop {
            match self.next()? {
                backend::Message::AuthenticationOk => {}
                backend::Message::AuthenticationCleartextPassword => {
                    frontend::password_message(password()?, &mut self.outgoing)?;
                    self.flush()?;
                }
                backend::Message::AuthenticationMd5Password(body) => {
                    let answer = md5_hash(url.user.as_bytes(), password()?, body.salt());
                    frontend::password_message(answer.as_bytes(), &mut self.outgoing)?;
                    self.flush()?;
                }
                backend::Message::AuthenticationSasl(body) => {
                    let offered: Vec<&str> = body.mechanisms().collect()?;
                    if !offered.contains(&sasl::SCRAM_SHA_256) {
                        return Err(WireError::Lost(format!("the server offers {offered:?}, expected SCRAM-SHA-256")));
                    }
                    let begun = sasl::ScramSha256::new(password()?, sasl::ChannelBinding::unsupported());
                    frontend::sasl_initial_response(sasl::SCRAM_SHA_256, begun.message(), &mut self.outgoing)?;
                    scram = Some(begun);
                    self.flush()?;
                }
                backend::Message::AuthenticationSaslContinue(body) => {
                    if let Some(scram) = &mut scram {
                        scram.update(body.data())?;
                        frontend::sasl_response(scram.message(), &mut self.outgoing)?;
                    }
                    self.flush()?;
                }
                backend::Message::AuthenticationSaslFinal(body) => {
                    if let Some(scram) = &mut scram {
                        scram.finish(body.data())?;
                    }
                }
                backend::Message::ErrorResponse(body) => return Err(server(&body)?),
                backend::Message::ReadyForQuery(_) => return Ok(()),
                backend::Message::ParameterStatus(_)
                | backend::Message::BackendKeyData(_)
                | backend::Message::NoticeResponse(_) => {}
                _ => return Err(WireError::Lost("the server asks for a way to log in that is not known".into())),
            }
        }
    }

    /// Carries out statements without parameters, one after the other; what they give is left out.
    pub fn run(&mut self, sql: &str) -> Result<String, WireError> {
        frontend::query(sql, &mut self.outgoing)?;
        self.flush()?;
        self.finish(usize::MAX).map(|rows| rows.tag)
    }

    /// Asks exactly one statement, its parameters as text.
    pub fn ask(&mut self, sql: &str, parameters: &[&str], limit: usize) -> Result<Rows, WireError> {
        let out = &mut self.outgoing;
        frontend::parse("", sql, [], out)?;
        let bound = frontend::bind(
            "",
            "",
            [],
            parameters,
            |text, buffer| {
                buffer.put_slice(text.as_bytes());
                Ok(postgres_protocol::IsNull::No)
            },
            [],
            out,
        );
        bound.map_err(|error| match error {
            frontend::BindError::Conversion(error) => WireError::Lost(error.to_string()),
            frontend::BindError::Serialization(error) => WireError::from(error),
        })?;
        frontend::describe(b'P', "", out)?;
        frontend::execute("", 0, out)?;
        frontend::sync(out);
        self.flush()?;
        self.finish(limit)
    }

    /// Copies rows in: `rows` is text in the form of `COPY`, one line a row.
    pub fn copy(&mut self, sql: &str, rows: &[u8]) -> Result<(), WireError> {
        frontend::query(sql, &mut self.outgoing)?;
        self.flush()?;
        match self.next()? {
            backend::Message::CopyInResponse(_) => {}
            backend::Message::ErrorResponse(body) => {
                let error = server(&body)?;
                self.finish(0).ok();
                return Err(error);
            }
            _ => return Err(WireError::Lost("the server does not take rows in".into())),
        }
        for piece in rows.chunks(PIECE) {
            frontend::CopyData::new(piece)?.write(&mut self.outgoing);
            self.flush()?;
        }
        frontend::copy_done(&mut self.outgoing);
        self.flush()?;
        self.finish(0).map(|_| ())
    }

    /// Reads until the server is ready again; an error that it tells on the way is the outcome.
    fn finish(&mut self, limit: usize) -> Result<Rows, WireError> {
        let (mut rows, mut failed) = (Rows::default(), None);
        loop {
            match self.next()? {
                backend::Message::RowDescription(body) => {
                    rows.columns = body.fields().map(|f| Ok((f.name().to_owned(), f.type_oid()))).collect()?;
                }
                backend::Message::DataRow(body) => {
                    if rows.rows.len() >= limit {
                        rows.cut = true;
                        continue;
                    }
                    let ranges: Vec<Option<std::ops::Range<usize>>> = body.ranges().collect()?;
                    let bytes = body.buffer();
                    let text = |range: std::ops::Range<usize>| {
                        String::from_utf8_lossy(bytes.get(range).unwrap_or_default()).into_owned()
                    };
                    rows.rows.push(ranges.into_iter().map(|range| range.map(text)).collect());
                }
                backend::Message::CommandComplete(body) => body.tag()?.clone_into(&mut rows.tag),
                backend::Message::ErrorResponse(body) => failed = Some(server(&body)?),
                backend::Message::CopyInResponse(_) => {
                    // Only what a user asks himself comes here: there are no rows to send.
                    frontend::copy_fail("no rows are sent", &mut self.outgoing)?;
                    frontend::sync(&mut self.outgoing);
                    self.flush()?;
                }
                backend::Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        failed.map_or(Ok(rows), Err)
    }

    fn next(&mut self) -> Result<backend::Message, WireError> {
        let mut piece = [0u8; 8 << 10];
        loop {
            if let Some(message) = backend::Message::parse(&mut self.incoming)? {
                return Ok(message);
            }
            match self.socket.read(&mut piece)? {
                0 => return Err(WireError::Lost("the server closed the connection".into())),
                n => self.incoming.put_slice(piece.get(..n).unwrap_or_default()),
            }
        }
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.socket.write_all(&self.outgoing)?;
        self.outgoing.clear();
        Ok(())
    }
}

fn socket(url: &Url, patience: Duration) -> Result<Box<dyn Socket>, WireError> {
    #[cfg(unix)]
    if url.host.starts_with('/') {
        return unix_socket(url, patience);
    }
    let mut last = None;
    for address in (url.host.as_str(), url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                return Ok(Box::new(stream));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| WireError::Lost("the host has no address".into()), WireError::from))
}

#[cfg(unix)]
fn unix_socket(url: &Url, patience: Duration) -> Result<Box<dyn Socket>, WireError> {
    let path = std::path::Path::new(&url.host).join(format!(".s.PGSQL.{}", url.port));
    let stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(Box::new(stream))
}

/// What the server says.
fn server(body: &backend::ErrorResponseBody) -> Result<WireError, WireError> {
    let (mut code, mut text, mut detail) = (String::new(), String::new(), String::new());
    let mut fields = body.fields();
    while let Some(field) = fields.next()? {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value,
            b'M' => text = value,
            b'D' => detail = format!(" ({value})"),
            _ => {}
        }
    }
    Ok(WireError::Server { code, text: text + &detail })
}
