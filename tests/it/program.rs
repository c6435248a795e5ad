//! The program as a user meets it: started with arguments, ended with a code and two outputs.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than any command may take; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(240);

/// A program under way; killed when nobody waits for its end.
pub(super) struct Running {
    /// Its process id.
    pub(super) pid: u32,
    command: String,
    /// What it has logged so far.
    stderr: watch::Receiver<String>,
    ended: JoinHandle<Output>,
}

impl Running {
    /// Starts the program on a configuration.
    pub(super) fn start(config: &Path, arguments: &[&str]) -> Self {
        Self::start_among(&[], config, arguments)
    }

    /// As [`Running::start`], with these variables in its environment.
    pub(super) fn start_among(variables: &[(&str, &OsStr)], config: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_clearpoint-sync"))
            .arg("--config")
            .arg(config)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let (writer, stderr) = watch::channel(String::new());
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).unwrap() > 0 {
                writer.send_modify(|log| log.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
        });
        let waiting = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let ended = tokio::spawn(async move {
            reading.await.unwrap();
            waiting.await.unwrap()
        });
        Self { pid, command: arguments.join(" "), stderr, ended }
    }

    /// Waits until it has logged this event.
    pub(super) async fn says(&mut self, event: &str) {
        let event = format!("\"event\":\"{event}\"");
        let said = self.stderr.wait_for(|log| log.contains(&event));
        let said = tokio::time::timeout(PATIENCE, said).await.is_ok_and(|said| said.is_ok());
        assert!(said, "`{}` never says {event}: {}", self.command, *self.stderr.borrow());
    }

    /// The last value a line it has logged gave to a field.
    pub(super) fn told(&self, name: &str) -> Option<String> {
        told(&log(&self.stderr.borrow()), name)
    }

    /// All that it has logged so far.
    pub(super) fn text(&self) -> String {
        self.stderr.borrow().clone()
    }

    /// How many lines it has logged that hold all these words.
    pub(super) fn lines(&self, words: &[&str]) -> usize {
        count(&self.stderr.borrow(), words)
    }

    /// Waits until it has logged so many more lines that hold all these words.
    pub(super) async fn says_more(&mut self, more: usize, words: &[&str]) {
        self.says_often(self.lines(words) + more, words).await;
    }

    /// Waits until it has logged so many lines in all that hold all these words.
    pub(super) async fn says_often(&mut self, wanted: usize, words: &[&str]) {
        let said = self.stderr.wait_for(|log| count(log, words) >= wanted);
        let said = tokio::time::timeout(PATIENCE, said).await.is_ok_and(|said| said.is_ok());
        assert!(said, "`{}` never says {words:?} so often: {}", self.command, *self.stderr.borrow());
    }

    /// Asks it to stop, as systemd does, and waits for its end.
    pub(super) async fn stop(self) -> Ran {
        signal(self.pid, Signal::TERM);
        self.end().await
    }

    /// Asks it to reload.
    pub(super) fn hang_up(&self) {
        signal(self.pid, Signal::HUP);
    }

    /// Waits for its end.
    pub(super) async fn end(mut self) -> Ran {
        let Ok(output) = tokio::time::timeout(PATIENCE, &mut self.ended).await else {
            panic!("`{}` hangs", self.command);
        };
        let output = output.unwrap();
        Ran {
            command: self.command.clone(),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: self.stderr.borrow().clone(),
        }
    }
}

/// How many lines hold all these words.
fn count(log: &str, words: &[&str]) -> usize {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended.is_finished() {
            kill(self.pid);
        }
    }
}

/// Ends a process at once, as `kill -9` does; one that has ended is left alone.
pub(super) fn kill(pid: u32) {
    let _ = kill_process(id(pid), Signal::KILL);
}

/// Sends a signal to a process that is there.
pub(super) fn signal(pid: u32, signal: Signal) {
    kill_process(id(pid), signal).unwrap();
}

fn id(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap()
}

/// A program that ended.
pub(super) struct Ran {
    command: String,
    /// Its exit code; -1: it was killed.
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    /// The log, line by line.
    pub(super) fn log(&self) -> Vec<Value> {
        log(&self.stderr)
    }

    /// How many log lines tell this event.
    pub(super) fn said(&self, event: &str) -> usize {
        self.log().iter().filter(|line| field(line, "event").is_some_and(|said| said == event)).count()
    }

    /// The last value a log line gave to a field.
    pub(super) fn told(&self, name: &str) -> Option<String> {
        told(&self.log(), name)
    }

    /// Both outputs.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub(super) fn assert_code(&self, codes: &[i32]) {
        assert!(codes.contains(&self.code), "expected {codes:?}: {self}");
    }

    /// Some one line of either output holds all these words, in any case.
    #[track_caller]
    pub(super) fn assert_names(&self, words: &[&str]) {
        let text = self.text();
        let has_all = |line: &str| words.iter().all(|word| line.contains(&word.to_lowercase()));
        assert!(text.to_lowercase().lines().any(has_all), "no line names {words:?}: {self}");
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "`{command}` ended with {code}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}

fn log(stderr: &str) -> Vec<Value> {
    stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn told(log: &[Value], name: &str) -> Option<String> {
    let value = log.iter().rev().find_map(|line| field(line, name).cloned());
    value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A field of a log line, wherever the line keeps it.
fn field<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    match line {
        Value::Object(fields) => {
            fields.get(name).or_else(|| fields.values().find_map(|value| field(value, name)))
        }
        _ => None,
    }
}
