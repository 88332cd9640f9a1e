//! The release binary as a process of its own, on a database that was filled first.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use schoolbell::model::users::Role;
use schoolbell::{App, Config};

use crate::seed;

pub const SECRET: &str = "the secret of the benchmark";

/// One person sends here what a whole school does: that limits stay on is part of what is measured, that they are reached is
/// not.
const FAST: [(&str, &str); 3] = [
    ("SCHOOLBELL_LIMITS__WRITES_PER_MINUTE", "100000000"),
    ("SCHOOLBELL_LIMITS__READS_PER_MINUTE", "100000000"),
    ("SCHOOLBELL_LIMITS__SOCKETS_PER_MINUTE", "100000000"),
];

pub struct Server {
    child: Child,
    pub address: String,
    /// A token of somebody who may announce.
    pub sender: String,
    environment: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Server {
    /// Fills a database and starts the server on it.
    pub fn start(fill: impl FnOnce(&App)) -> Self {
        Self::start_with(&FAST, fill)
    }

    /// As [`Server::start`], with this configuration.
    pub fn start_with(environment: &[(&str, &str)], fill: impl FnOnce(&App)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.path = folder.path().join("school.db");
        config.auth.jwt_secret = schoolbell::config::Secret::new(SECRET);
        let app = App::open(config).unwrap();
        seed::person(&app, "sender", Role::Staff);
        fill(&app);
        drop(app);
        let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let environment: Vec<_> = environment.iter().map(own).collect();
        let (child, address) = spawn(folder.path(), "127.0.0.1:0", &environment);
        Server {
            child,
            address,
            sender: token("sender"),
            environment,
            folder,
        }
    }

    /// SIGKILL, and a new process on the same database and port.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, self.address) = spawn(self.folder.path(), &self.address, &self.environment);
    }

    pub fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("school.db")
    }

    /// A command of the binary on this database.
    pub fn command(&self) -> Command {
        command(self.folder.path(), &self.environment)
    }

    /// How many files the server's process has open.
    pub fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    pub fn token(&self, person: usize) -> String {
        token(&seed::id(person))
    }

    /// Resident memory of the server's process.
    pub fn memory_bytes(&self) -> i64 {
        memory_bytes(self.child.id())
    }

    /// User and system time of the server's process.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
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

fn command(folder: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schoolbell"));
    command
        .env("SCHOOLBELL_DATABASE__PATH", folder.join("school.db"))
        .env("SCHOOLBELL_AUTH__JWT_SECRET", SECRET)
        .env("SCHOOLBELL_PUSH__ALLOW_PRIVATE_ENDPOINTS", "true")
        .env("SCHOOLBELL_PUSH__SUBJECT", "mailto:office@school.edu")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder);
    command
}

fn spawn(folder: &Path, listen: &str, environment: &[(String, String)]) -> (Child, String) {
    let mut child = command(folder, environment)
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token of somebody with this id.
pub fn token(id: &str) -> String {
    let claims = serde_json::json!({ "userId": id, "exp": 4_000_000_000u64 });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Default::default(), &claims, &key).unwrap()
}
