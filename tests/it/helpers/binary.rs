//! The real binary, on a port and a folder of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};

use super::{PASSWORD, Socket, http};

/// The binary, in a folder, without the environment of whoever runs the tests.
pub fn binary(folder: &Path) -> Command {
    prepared(Command::new(BINARY), folder)
}

pub use rustix::process::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_schoolbell");

fn prepared(mut command: Command, folder: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .current_dir(folder)
        .env("SCHOOLBELL_SERVER__LISTEN", "127.0.0.1:0")
        .env("SCHOOLBELL_AUTH__JWT_SECRET", super::SECRET);
    command
}

/// A server that runs until it is stopped, killed or dropped.
pub struct Server {
    child: Child,
    pub address: String,
    /// What it printed before it listened.
    pub greeting: String,
    folder: PathBuf,
}

impl Server {
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = binary(folder);
        command.envs(environment.iter().copied());
        Self::spawn(folder, command)
    }

    /// With file systems of its own, which `mount` makes.
    pub fn start_in_namespace(folder: &Path, mount: &str) -> Self {
        let mut command = prepared(Command::new("unshare"), folder);
        let script = format!("{mount} && exec {BINARY}");
        command.args(["-rm", "sh", "-c", &script]);
        Self::spawn(folder, command)
    }

    /// As a supervisor does that has the child's number in its environment.
    pub fn start_supervised(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = prepared(Command::new("sh"), folder);
        let script = format!("WATCHDOG_PID=$$ exec {BINARY}");
        command
            .args(["-c", &script])
            .envs(environment.iter().copied());
        Self::spawn(folder, command)
    }

    /// Runs a command where a server that was started so sees its disk.
    pub fn within(&self, arguments: &[&str]) -> Command {
        let mut command = prepared(Command::new("nsenter"), &self.folder);
        let pid = self.pid().to_string();
        command.args(["--preserve-credentials", "-U", "-m", "-t", &pid]);
        command.arg(format!("--wd={}", self.folder.display()));
        command.args(arguments);
        command
    }

    /// With this as standard error.
    pub fn start_with_log(folder: &Path, log: impl Into<Stdio>) -> Self {
        Self::spawn_with(folder, binary(folder), log.into())
    }

    /// With standard error closed.
    pub fn start_without_log(folder: &Path) -> Self {
        let mut command = prepared(Command::new("sh"), folder);
        command.args(["-c", &format!("exec {BINARY} 2>&-")]);
        Self::spawn_with(folder, command, Stdio::null())
    }

    fn spawn(folder: &Path, command: Command) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        Self::spawn_with(folder, command, log.into())
    }

    fn spawn_with(folder: &Path, mut command: Command, log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut greeting = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let Some(line) = lines.next() else {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                panic!("the server did not start: {log}");
            };
            let line = line.unwrap();
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.to_owned();
            }
            greeting.push_str(&line);
            greeting.push('\n');
        };
        Server {
            child,
            address,
            greeting,
            folder: folder.to_owned(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether it has ended, and with which exit code.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end and returns the exit code.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Adds somebody by the command line and logs them in: id and token.
    pub async fn person(&self, name: &str) -> (String, String) {
        self.log_in(name, add_user(&self.folder, name)).await
    }

    /// As [`Server::person`], of a server with a disk of its own.
    pub async fn person_within(&self, name: &str) -> (String, String) {
        let command = self.within(&[BINARY]);
        self.log_in(name, add_user_by(command, name)).await
    }

    async fn log_in(&self, name: &str, added: Output) -> (String, String) {
        assert!(added.status.success(), "{added:?}");
        let body = json!({ "username": name, "password": PASSWORD });
        let answer = self.post("/api/auth/login", "", body).await;
        let data = &answer["data"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&data["user"]["id"]), text(&data["token"]))
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Value {
        let send = async |path: &str, body: &Value| -> Value {
            let request = http().post(self.url(path)).json(body);
            let response = request.bearer_auth(token).send().await.unwrap();
            response.json().await.unwrap()
        };
        let answer = send(path, &body).await;
        if answer["code"] != "confirmation_required" {
            return answer;
        }
        send("/api/auth/confirm", &json!({ "password": PASSWORD })).await;
        send(path, &body).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Value {
        let request = http().get(self.url(path));
        let response = request.bearer_auth(token).send().await.unwrap();
        response.json().await.unwrap()
    }

    pub async fn join(&self, token: &str, since: Option<i64>) -> (Socket, Value) {
        Socket::join(&self.address, token, since).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `schoolbell user add NAME --password-stdin`.
pub fn add_user(folder: &Path, name: &str) -> Output {
    add_user_by(binary(folder), name)
}

fn add_user_by(mut command: Command, name: &str) -> Output {
    let mut child = command
        .args(["user", "add", name, "--password-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{PASSWORD}").unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}
