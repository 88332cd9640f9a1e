//! A server as a process of its own, on a database that was filled first.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use schoolbell::App;
use tempfile::TempDir;

use crate::seed::{self, SECRET, database};

/// One person sends here what a whole school does: that limits stay on is part of what is measured, that they are reached is
/// not.
pub const FAST: [(&str, &str); 8] = [
    ("SCHOOLBELL_LIMITS__WRITES_PER_MINUTE", "100000000"),
    ("SCHOOLBELL_LIMITS__READS_PER_MINUTE", "100000000"),
    ("SCHOOLBELL_LIMITS__SOCKETS_PER_MINUTE", "100000000"),
    (
        "SCHOOLBELL_LIMITS__ANONYMOUS_REQUESTS_PER_MINUTE",
        "100000000",
    ),
    ("SCHOOLBELL_LIMITS__REQUESTS_PER_USER", "100000"),
    ("SCHOOLBELL_LIMITS__TEXT_BYTES_PER_DAY", "4000000000"),
    ("SCHOOLBELL_LIMITS__NEW_PARTNERS_PER_DAY", "1000000"),
    ("SCHOOLBELL_LIMITS__RECIPIENTS_PER_MINUTE", "1000000000"),
];

/// Which program, and how it is spoken to.
#[derive(Clone)]
pub struct Program {
    pub dialect: Dialect,
    /// Whether live sockets acknowledge what they get, as `schoolbell.js` does.
    pub acks: bool,
    /// The form of the Node server, unless it is schoolbell.
    pub node: Option<&'static str>,
    /// Of schoolbell: which binary.
    pub binary: PathBuf,
    /// The command line that runs the program, where it is not run by itself.
    pub wrapper: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// The protocol of a live socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Ws,
    SocketIo,
}

impl Program {
    pub fn schoolbell(dialect: Dialect, environment: &[(&str, &str)]) -> Self {
        Program {
            dialect,
            acks: dialect == Dialect::Ws,
            node: None,
            binary: env!("CARGO_BIN_EXE_schoolbell").into(),
            wrapper: Vec::new(),
            // The tokens here are for people who were made here.
            environment: own(&[environment, &[("SCHOOLBELL_AUTH__LINK_BY", "id")]].concat()),
        }
    }

    pub fn node(form: &'static str, synchronous: &str) -> Self {
        Program {
            dialect: Dialect::SocketIo,
            acks: false,
            node: Some(form),
            binary: PathBuf::new(),
            wrapper: Vec::new(),
            environment: own(&[("SYNCHRONOUS", synchronous)]),
        }
    }

    /// A command of this program on the database in this folder.
    fn command(&self, folder: &Path) -> Command {
        let mut command;
        if let Some(form) = self.node {
            command = Command::new("node");
            command
                .arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/benches/node/server.mjs"
                ))
                .env("NODE_ENV", "production")
                .env("FORM", form)
                .env("DATABASE", database(folder))
                .env("JWT_SECRET", SECRET);
        } else {
            let mut line = self
                .wrapper
                .iter()
                .map(OsStr::new)
                .chain([self.binary.as_os_str()]);
            command = Command::new(line.next().unwrap());
            command
                .args(line)
                .env("SCHOOLBELL_DATABASE__PATH", database(folder))
                .env("SCHOOLBELL_AUTH__JWT_SECRET", SECRET)
                .env("SCHOOLBELL_PUSH__ALLOW_PRIVATE_ENDPOINTS", "true")
                .env("SCHOOLBELL_PUSH__SUBJECT", "mailto:office@school.edu");
        }
        command.envs(self.environment.iter().cloned());
        command.current_dir(folder);
        command
    }
}

pub fn own(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    environment.iter().map(own).collect()
}

pub struct Server {
    child: Child,
    pub address: String,
    /// A token of somebody who may announce.
    pub sender: String,
    pub program: Program,
    folder: Arc<TempDir>,
}

impl Server {
    /// Fills a database and starts schoolbell on it.
    pub fn start(fill: impl FnOnce(&App)) -> Self {
        Self::start_with(&FAST, fill)
    }

    /// As [`Server::start`], with this configuration.
    pub fn start_with(environment: &[(&str, &str)], fill: impl FnOnce(&App)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        seed::schoolbell(folder.path(), fill);
        Self::on(Program::schoolbell(Dialect::Ws, environment), folder)
    }

    /// Starts a program on the database in this folder, which outlives it where somebody else keeps it.
    pub fn on(program: Program, folder: Arc<TempDir>) -> Self {
        let (child, address) = spawn(&program, folder.path(), "127.0.0.1:0");
        Server {
            child,
            address,
            sender: token("sender"),
            program,
            folder,
        }
    }

    /// SIGKILL, and a new process on the same database and port.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        (self.child, self.address) = spawn(&self.program, self.folder.path(), &self.address);
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn database(&self) -> PathBuf {
        database(self.folder.path())
    }

    /// A command of the binary on this database.
    pub fn command(&self) -> Command {
        self.program.command(self.folder.path())
    }

    /// How many files the server's process has open.
    pub fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    pub fn token(&self, person: usize) -> String {
        token(&seed::id(person))
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Resident memory of the server's process.
    pub fn memory_bytes(&self) -> i64 {
        memory_bytes(self.child.id())
    }

    /// User and system time of the server's process.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }

    /// Waits until the process does nothing: what it does behind a request counts, too.
    pub async fn rest(&self) {
        let pause = Duration::from_millis(400);
        for _ in 0..150 {
            let before = self.cpu_seconds();
            tokio::time::sleep(pause).await;
            if self.cpu_seconds() - before < 0.02 {
                return;
            }
        }
        panic!("the server does not come to rest");
    }
}

/// Resident memory of a process.
pub fn memory_bytes(pid: u32) -> i64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    text.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
}

/// User and system time of a process.
pub fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // What follows the name, which may hold anything.
    let after = text.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn spawn(program: &Program, folder: &Path, listen: &str) -> (Child, String) {
    let mut child = program
        .command(folder)
        .env("SCHOOLBELL_SERVER__LISTEN", listen)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned))
        .expect("the server did not start");
    (child, address)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A token of somebody with this id.
pub fn token(id: &str) -> String {
    let claims = serde_json::json!({ "userId": id, "exp": 4_000_000_000u64, "role": "teacher" });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Default::default(), &claims, &key).unwrap()
}
