//! A terminal that nobody reads keeps nobody from his work.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clearpoint_sync::simulator::{Size, World};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::daemon_life::Ear;
use crate::harness::Bench;
use crate::patience::rest;
use crate::program::signal;
use crate::terminal::{side, terminal};

/// A terminal with little room: it can be written, and whoever writes more than a few lines waits until it is read.
fn unread_terminal() -> (File, File) {
    let (mut terminal, name) = terminal();
    let (mut filling, program) = (side(&name), side(&name));
    rustix::io::ioctl_fionbio(&filling, true).unwrap();
    while filling.write(&[b'x'; 100]).is_ok() {}
    while !has_room(&program) {
        terminal.read_exact(&mut [0; 50]).unwrap();
    }
    (terminal, program)
}

fn has_room(terminal: &File) -> bool {
    poll(&mut [PollFd::new(terminal, PollFlags::OUT)], Some(&Timespec::default())).unwrap() > 0
}

fn start(bench: &Bench, stderr: File, arguments: &[&str], notify: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_clearpoint-sync"))
        .arg("--config")
        .arg(bench.file("config.toml"))
        .args(arguments)
        .env("TERM", "xterm-256color")
        .env("NOTIFY_SOCKET", notify)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

/// How it ends within a time; `None`: it does not, and is killed.
async fn end(mut child: Child, patience: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        rest().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_serves_and_ends_on_a_terminal_that_nobody_reads() {
    let bench = Bench::new(World::generate(341, &Size::small())).await;
    bench.sync_full().await;
    let (_terminal, program) = unread_terminal();
    let ear = Ear::at(&bench.file("notify"));
    let daemon = start(&bench, program, &["--log", "trace", "run"], &bench.file("notify"));
    ear.hears("READY=1");
    signal(daemon.id(), Signal::TERM);
    let ended = end(daemon, Duration::from_secs(20)).await;
    assert_eq!(ended.expect("it hangs").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_progress_bar_that_nobody_looks_at_holds_up_no_sync() {
    let bench = Bench::new(World::generate(342, &Size::small())).await;
    let (_terminal, program) = unread_terminal();
    let sync = start(&bench, program, &["--log", "trace", "sync"], &bench.file("notify"));
    let ended = end(sync, Duration::from_secs(60)).await;
    assert_eq!(ended.expect("it hangs").code(), Some(0));
    bench.assert_mirrors();
}
