//! A throwaway PostgreSQL server: its own folder, its own port, an own user where the tests run as root (the server refuses root).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A user without rights, as every Linux has one.
const NOBODY: u32 = 65_534;

/// A running server.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// Where the server's programs are: `BOT4_POSTGRES` names their folder, else they are looked for where systems put them.
fn programs() -> Option<PathBuf> {
    let named = std::env::var_os("BOT4_POSTGRES").map(PathBuf::from);
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    packaged.sort();
    packaged.reverse();
    named
        .into_iter()
        .chain(packaged)
        .chain(on_path.into_iter().flatten())
        .find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

impl Server {
    /// Starts one; nothing where none is installed, which is said.
    pub fn start(name: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("NOT RUN: no PostgreSQL server is installed (`cargo xtask postgres` installs one where it can)");
            return None;
        };
        // Its sockets have short names, and its user must get at them: not below the build folder.
        let folder = std::env::temp_dir().join(format!("bot4-pg-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        if is_root() {
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { programs, folder, port, child: None };
        let data = server.folder.join("data");
        let made = server
            .program("initdb")
            .args(["-U", "bot4", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // By the socket everybody is let in, over the network with a password.
        let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        server.up();
        Some(server)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.folder).stdin(Stdio::null());
        if is_root() {
            std::os::unix::process::CommandExt::gid(
                std::os::unix::process::CommandExt::uid(&mut command, NOBODY),
                NOBODY,
            );
        }
        command
    }

    /// Starts the server on its folder, after a kill as often as it takes until the dead one has let go of it.
    pub fn up(&mut self) {
        let began = Instant::now();
        loop {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
            let mut command = self.program("postgres");
            command.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
            command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]).stdout(Stdio::null());
            let mut child = command.stderr(log).spawn().unwrap();
            while child.try_wait().unwrap().is_none() {
                if bot4_can_connect(&self.folder, self.port) {
                    self.child = Some(child);
                    return;
                }
                assert!(
                    began.elapsed() < Duration::from_secs(60),
                    "the server does not start: see {}",
                    self.folder.display()
                );
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the server does not start: see {}",
                self.folder.display()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Kills the server: nothing of it is told before.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The URL of a database of this name, through the socket; it is made.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://bot4@/{name}?host={}&port={}", self.folder.display(), self.port)
    }

    /// The same over the network.
    pub fn over_tcp(&self, user: &str, name: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{name}", self.port)
    }

    /// Carries out a statement as its owner, with the client of the package.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = Command::new("psql");
        command.arg("-h").arg(&self.folder).args([
            "-p",
            &self.port.to_string(),
            "-U",
            "bot4",
            "-d",
            database,
            "-Atqc",
            sql,
        ]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

/// Whether the socket takes a connection, and the server is past its recovery.
fn bot4_can_connect(folder: &Path, port: u16) -> bool {
    let mut ready = Command::new("psql");
    ready.arg("-h").arg(folder).args(["-p", &port.to_string(), "-U", "bot4", "-d", "postgres", "-Atqc", "SELECT 1"]);
    ready.stderr(Stdio::null()).output().is_ok_and(|output| output.stdout.trim_ascii() == b"1")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
