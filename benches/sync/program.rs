//! The program as a process: what it took, looked at from outside.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// The program under test, as the benchmark's profile builds it, which is the release profile.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_clearpoint-sync");

/// What the shipped unit and the image set.
const MALLOC: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_MMAP_THRESHOLD_", "524288")];
/// How often a process is looked at while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What one run of the program took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// The most memory it held, in KiB.
    pub(crate) peak_kib: u64,
    /// Bytes handed to files and sockets, in all.
    pub(crate) written: u64,
}

/// A program that was started.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) started: Instant,
}

impl Running {
    /// Starts the program.
    pub(crate) fn start(config: &Path, arguments: &[&str]) -> Self {
        let started = Instant::now();
        let child = Command::new(PROGRAM)
            .arg("--config")
            .arg(config)
            .args(arguments)
            .envs(MALLOC)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(config.with_extension("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, started }
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Took {
        let mut peak_kib = 0;
        while !self.has_ended() {
            peak_kib = peak_kib.max(self.status_kib("VmHWM"));
            thread::sleep(LOOK_EVERY);
        }
        let wall = self.started.elapsed();
        let took = Took { wall, cpu: self.cpu(), peak_kib, written: self.written() };
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the program ended with {status}");
        took
    }

    /// Whether it has ended; what is known of it stays to be read.
    fn has_ended(&self) -> bool {
        let pid = Pid::from_child(&self.child);
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        waitid(WaitId::Pid(pid), look).unwrap().is_some()
    }

    /// A line of `/proc/PID/status` in KiB (`VmHWM`, `VmRSS`); 0 once it has ended.
    pub(crate) fn status_kib(&self, name: &str) -> u64 {
        let line = self.line("status", name);
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }

    /// User and system time so far, to a hundredth of a second.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        // The name may hold blanks; behind it the fields are counted.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = |position: usize| fields.split(' ').nth(position).unwrap().parse::<u64>().unwrap();
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// Nanoseconds that each of its threads has spent on a processor.
    fn threads(&self) -> HashMap<OsString, u64> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let spent = threads.filter_map(|thread| {
            let thread = thread.ok()?;
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            Some((thread.file_name(), text.split(' ').next()?.parse().ok()?))
        });
        spent.collect()
    }

    /// Watches it for so long; gives the share of a core that it took. What a thread does that ends meanwhile
    /// is not seen, and next to nothing.
    pub(crate) fn share_of_a_core(&self, watched: Duration) -> f64 {
        let before = self.threads();
        thread::sleep(watched);
        let spent = self.threads().into_iter().map(|(thread, now)| now - before.get(&thread).unwrap_or(&0));
        Duration::from_nanos(spent.sum()).as_secs_f64() / watched.as_secs_f64()
    }

    fn written(&self) -> u64 {
        self.line("io", "wchar").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn line(&self, file: &str, name: &str) -> Option<String> {
        let text = self.read(file);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::to_owned)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(mut self) {
        rustix::process::kill_process(Pid::from_child(&self.child), rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left behind by a benchmark that fails.
        let _has_ended = self.child.kill();
        let _has_ended = self.child.wait();
    }
}

/// Runs the program to its end.
pub(crate) fn run(config: &Path, arguments: &[&str]) -> Took {
    Running::start(config, arguments).finish()
}
