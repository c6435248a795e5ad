//! The server over real sockets: what it answers, and that no client harms the next.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::*;

/// Longer than any of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

const ROUTES: [&str; 6] = ["/", "/style.css", "/api/status.json", "/metrics", "/livez", "/readyz"];

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The last request of a connection.
fn get_last(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

async fn start(limits: Limits) -> Serving {
    start_with(limits, Board::default()).await
}

async fn start_with(limits: Limits, board: impl Into<Arc<Board>>) -> Serving {
    start_at("127.0.0.1:0".parse().unwrap(), limits, board, Clock::System).await
}

async fn start_at(listen: SocketAddr, limits: Limits, board: impl Into<Arc<Board>>, clock: Clock) -> Serving {
    let sources = Sources { board: board.into(), metrics: Arc::default(), clock };
    let settings = config::Server { listen, hosts: Vec::new() };
    Serving::on(place::take(settings.listen).await.unwrap(), limits, &settings, sources)
}

/// A port that nobody else gets while this is kept. One may listen on it here; where nobody does, it refuses.
pub(super) fn keep_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A limit on heads and on silence that a test can wait for, and none of the others.
fn short() -> Limits {
    let (head, life) = (Duration::from_secs(1), 2 * PATIENCE);
    Limits { head, life, ..Limits::default() }
}

async fn connect(address: SocketAddr) -> TcpStream {
    timeout(PATIENCE, TcpStream::connect(address)).await.unwrap().unwrap()
}

/// What the server says until it ends the connection.
async fn hear(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    // An end by a reset is one, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the connection ends");
    String::from_utf8_lossy(&heard).into_owned()
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    hear(stream).await
}

/// The head of an answer, but for its date, and its body.
fn parts(answer: &str) -> (Vec<&str>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.lines().filter(|line| !line.starts_with("date: ")).collect(), body)
}

/// What is not known yet is not told as nothing.
#[tokio::test]
async fn who_asks_how_things_stand_waits_for_the_first_look_and_probes_do_not() {
    let board = Arc::new(Board::default());
    let first_look = board.look_first();
    let serving = start_with(Limits::default(), Arc::clone(&board)).await;
    let address = serving.address();
    let (metrics, livez) = (get_last("/metrics"), get_last("/livez"));
    let mut asked = std::pin::pin!(ask(address, &metrics));
    tokio::select! {
        biased;
        told = &mut asked => panic!("told too early: {told}"),
        probed = ask(address, &livez) => assert!(probed.starts_with("HTTP/1.1 200 OK"), "{probed}"),
    }
    drop(first_look);
    assert!(asked.await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn every_answer_carries_the_strict_headers() {
    let serving = start(Limits::default()).await;
    let mut requests: Vec<String> = ROUTES.map(get_last).to_vec();
    requests.push(get_last("/nowhere"));
    requests
        .push("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into());
    requests.push("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".into());
    requests.push("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".into());
    for request in requests {
        let answer = ask(serving.address(), &request).await;
        let (head, _) = parts(&answer);
        for line in [
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-store",
        ] {
            assert!(head.contains(&line), "{request}: {head:#?}");
        }
        assert!(head.iter().any(|line| line.starts_with("content-security-policy: default-src 'none'; ")));
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    // The status tells when it was put together, in fewer letters at a whole second.
    let clock = Clock::stepped(chrono::DateTime::UNIX_EPOCH).0;
    let listen = "127.0.0.1:0".parse().unwrap();
    let serving = start_at(listen, Limits::default(), Board::default(), clock).await;
    for path in ["/", "/api/status.json", "/livez", "/readyz", "/nowhere"] {
        let got = ask(serving.address(), &get_last(path)).await;
        let headed = ask(serving.address(), &get_last(path).replace("GET", "HEAD")).await;
        assert_eq!(parts(&headed).0, parts(&got).0, "{path}");
        assert_eq!(parts(&headed).1, "");
    }
}

#[track_caller]
fn check(answer: &str, status: &str, text: &str) {
    let (head, body) = parts(answer);
    assert_eq!(head[0], format!("HTTP/1.1 {status}"));
    assert_eq!(body, text);
}

#[tokio::test]
async fn a_request_that_gets_nothing_is_told_why() {
    let serving = start(Limits::default()).await;
    let asks = async |request: &str| ask(serving.address(), request).await;
    let astray = asks("GET / HTTP/1.1\r\nHost: Evil.example:80\r\nConnection: close\r\n\r\n").await;
    let text = "evil.example is no name of this server; if it should be, add it to server.hosts\n";
    check(&astray, "421 Misdirected Request", text);
    let twice = asks("GET / HTTP/1.1\r\nHost: localhost\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    check(&twice, "400 Bad Request", "name the host that is asked, once and alone\n");
    let posted = asks("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nsecret").await;
    check(&posted, "405 Method Not Allowed", "only GET and HEAD are answered\n");
    assert!(parts(&posted).0.contains(&"allow: GET, HEAD"));
    check(&asks(&get_last("/readyz")).await, "503 Service Unavailable", "not started yet\n");
    check(&asks(&get_last("/livez")).await, "200 OK", "ok\n");
}

#[tokio::test]
async fn a_connection_is_kept_for_more_requests_and_ends_when_there_are_none() {
    let serving = start(short()).await;
    let both = get("/livez") + &get("/readyz");
    let heard = ask(serving.address(), &both).await;
    let answers: Vec<&str> = heard.matches("HTTP/1.1 ").collect();
    assert_eq!(answers.len(), 2, "{heard}");
    assert!(heard.find("200 OK") < heard.find("503 Service"), "{heard}");
}

#[tokio::test]
async fn a_client_that_is_silent_or_slow_is_let_go() {
    let serving = start(short()).await;
    for begun in ["", "GET /livez HT", "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let heard = ask(serving.address(), begun).await;
        assert!(!heard.contains("200 OK"), "{heard}");
    }
}

#[tokio::test]
async fn garbage_and_endless_heads_harm_nobody() {
    let serving = start(short()).await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Many: 1\r\n".repeat(500));
    for request in
        ["\u{16}\u{3}\u{1}\u{0}\u{a5}", "\r\n\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", &long, &many]
    {
        let mut stream = connect(serving.address()).await;
        // The server may end it before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let heard = hear(stream).await;
        assert!(!heard.contains("200 OK"), "{request:.40}: {heard}");
    }
    check(&ask(serving.address(), &get_last("/livez")).await, "200 OK", "ok\n");
}

#[tokio::test]
async fn who_holds_all_connections_keeps_nobody_away() {
    let head = 2 * PATIENCE;
    let serving = start(Limits { connections_max: 2, head, ..short() }).await;
    let held = [connect(serving.address()).await, connect(serving.address()).await];
    check(&ask(serving.address(), &get_last("/livez")).await, "200 OK", "ok\n");
    drop(held);
}

/// Asks on a connection that stays open.
async fn ask_on(stream: &mut TcpStream) {
    stream.write_all(get("/livez").as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"ok\n") {
        let mut bytes = [0; 1024];
        let length = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert!(length > 0, "the connection ends");
        heard.extend_from_slice(&bytes[..length]);
    }
}

/// A client of another address of this machine.
async fn connect_from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    timeout(PATIENCE, socket.connect(to)).await.unwrap().unwrap()
}

#[tokio::test]
async fn one_address_takes_no_connection_from_another() {
    let head = 2 * PATIENCE;
    let serving = start(Limits { connections_max: 4, head, ..short() }).await;
    let mut other = connect_from("127.0.0.2", serving.address()).await;
    ask_on(&mut other).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(connect(serving.address()).await);
    }
    check(&ask(serving.address(), &get_last("/livez")).await, "200 OK", "ok\n");
    ask_on(&mut other).await;
}

/// A status of many megabytes, more than the system keeps for a client that does not read.
fn large() -> Board {
    let board = Board::default();
    let unreachable = Some("x".repeat(16 << 20));
    board.show_unreachable(unreachable, chrono::DateTime::UNIX_EPOCH);
    board
}

/// Whatever it is that lets go of a client that asked for much and does not read.
async fn check_lets_go(limits: Limits) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut deaf = connect(listener.local_addr().unwrap()).await;
    deaf.write_all(get("/api/status.json").as_bytes()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let sources = Sources { board: large().into(), metrics: Arc::default(), clock: Clock::System };
    let usage = crowd::Usage::new(&sources.clock);
    let settings = config::Server { listen: listener.local_addr().unwrap(), hosts: Vec::new() };
    let (_until, stop) = watch::channel(());
    let answered = listen::answer(socket, usage, limits, Site::new(&settings, sources), stop);
    timeout(PATIENCE, answered).await.expect("it is let go");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let (soon, never) = (Duration::from_millis(300), 2 * PATIENCE);
    check_lets_go(Limits { stall: soon, life: never, ..Limits::default() }).await;
    check_lets_go(Limits { stall: never, life: soon, farewell: soon, ..Limits::default() }).await;
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// Each with an answer of its own would hold a gigabyte.
#[tokio::test]
async fn many_clients_that_do_not_read_hold_one_answer_together() {
    let limits = Limits { stall: 2 * PATIENCE, ..short() };
    let serving = start_with(limits, large()).await;
    let before = resident();
    let mut held = Vec::new();
    for _ in 0..60 {
        let mut deaf = connect(serving.address()).await;
        deaf.write_all(get("/api/status.json").as_bytes()).await.unwrap();
        held.push(deaf);
    }
    for deaf in &mut held {
        timeout(PATIENCE, deaf.read_exact(&mut [0; 1])).await.unwrap().unwrap();
    }
    let grown = resident().saturating_sub(before);
    // Other tests of this process take some, too.
    assert!(grown < 500 << 20, "{} MB", grown >> 20);
}

#[tokio::test]
async fn a_server_that_is_dropped_finishes_its_answer_and_listens_no_more() {
    let (_kept, address) = keep_port();
    let patient = 2 * PATIENCE;
    let limits = Limits { farewell: PATIENCE, stall: patient, life: patient, ..Limits::default() };
    let serving = start_at(address, limits, large(), Clock::System).await;
    let (mut asking, silent) = (connect(address).await, connect(address).await);
    asking.write_all(get("/api/status.json").as_bytes()).await.unwrap();
    let mut first = [0; 1];
    asking.read_exact(&mut first).await.unwrap();
    drop(serving);
    let heard = hear(asking).await;
    assert!(heard.ends_with('}'), "{} bytes", heard.len());
    assert_eq!(hear(silent).await, "");
    assert!(timeout(PATIENCE, TcpStream::connect(address)).await.unwrap().is_err());
}
