//! The server of a running daemon, asked as anybody asks it: over a socket.

use std::time::Duration;

use clearpoint_sync::simulator::{Size, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Bench, Setup};
use crate::office::Office;
use crate::patience::ONCE;
use crate::program::Running;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// All there is to ask.
pub(super) const ROUTES: [&str; 6] = ["/", "/style.css", "/api/status.json", "/metrics", "/livez", "/readyz"];

/// A small account, in which a daemon has one run to make, and `[server]` on a port that is free.
pub(super) async fn bench() -> Bench {
    let world = World::generate(211, &Size::small().with("measures", 8));
    let bench = Setup { kinds: &["measures"], schedules: ONCE, ..Setup::of(world) }.start().await;
    serve(&bench, "listen = \"127.0.0.1:0\"");
    bench
}

/// Adds `[server]` to the configuration.
pub(super) fn serve(bench: &Bench, settings: &str) {
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), format!("{config}\n[server]\n{settings}\n")).unwrap();
}

/// Where a daemon listens, once it does.
pub(super) async fn address(daemon: &mut Running) -> String {
    daemon.says("server_started").await;
    daemon.told("address").unwrap()
}

/// The status line and the body of an answer.
pub(super) async fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_answers_over_ipv4_and_ipv6_and_ends_while_it_is_asked() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let office = Office::new();
        office.configure(&format!("[server]\nlisten = \"{listen}\"\n"));
        let mut daemon = Running::start(&office.file("config.toml"), &["run"]);
        let address = address(&mut daemon).await;
        for path in ["/livez", "/", "/api/status.json", "/metrics"] {
            assert_eq!(get(&address, path).await.0, "HTTP/1.1 200 OK", "{path}");
        }
        let silent = TcpStream::connect(&address).await.unwrap();
        daemon.stop().await.assert_code(&[0]);
        drop(silent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_keeps_no_run_away_and_the_page_comes_once_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let office = Office::new();
    office.configure(&format!("[server]\nlisten = \"{address}\"\n"));
    let mut daemon = Running::start(&office.file("config.toml"), &["run"]);
    daemon.says("daemon_started").await;
    daemon.says_often(1, &["\"WARN\"", "server_failed", &address, "another port"]).await;
    drop(taken);
    daemon.says("server_started").await;
    assert_eq!(get(&address, "/livez").await.0, "HTTP/1.1 200 OK");
    daemon.stop().await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_a_person_must_change_ends_the_daemon_with_2_and_a_way_out() {
    let office = Office::new();
    office.configure("[server]\nlisten = \"[fe80::1]:9464\"\nallow_public = true\n");
    let ran = office.run(&["run"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["[fe80::1]:9464", "server.listen", "write another address"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_other_machines_reach_is_told_at_the_start() {
    let office = Office::new();
    office.configure("[server]\nlisten = \"0.0.0.0:0\"\nallow_public = true\n");
    let mut daemon = Running::start(&office.file("config.toml"), &["run"]);
    daemon.says("server_public").await;
    assert_eq!(daemon.lines(&["\"WARN\"", "server_public", "no login"]), 1);
    daemon.stop().await.assert_code(&[0]);
}

/// Lets a process open so many more files, and no more.
fn leave_files(pid: u32, more: u64) {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let limit = rustix::process::Rlimit { current: Some(open + more), maximum: Some(open + more) };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_can_open_no_more_files_says_so_and_answers_once_it_can() {
    let office = Office::new();
    office.configure("[server]\nlisten = \"127.0.0.1:0\"\n");
    let mut daemon = Running::start(&office.file("config.toml"), &["run"]);
    let address = address(&mut daemon).await;
    daemon.says("daemon_started").await;
    leave_files(daemon.pid, 4);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    daemon.says("server_accept_failed").await;
    drop(silent);
    assert_eq!(get(&address, "/livez").await.0, "HTTP/1.1 200 OK");
    assert_eq!(daemon.lines(&["server_accept_failed"]), 1);
    daemon.stop().await.assert_code(&[0]);
}
