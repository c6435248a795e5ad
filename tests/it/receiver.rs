//! A target of warnings: a real HTTP server on loopback that keeps what it is sent, and can be down,
//! silent, or answer as a test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than any message may take; a test that waits in vain fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes it, or says why not: an HTTP status.
    Answers(u16),
    /// Reads it and never answers.
    Silent,
}

struct State {
    mood: watch::Sender<Mood>,
    bodies: Mutex<Vec<Value>>,
    /// Requests read to their end, whatever became of them.
    asked: watch::Sender<usize>,
}

/// The server; gone with the value.
pub(crate) struct Receiver {
    address: SocketAddr,
    /// Keeps the port from everybody else, and never listens.
    _place: TcpSocket,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that takes everything.
    pub(crate) async fn start() -> Self {
        let place = bind(([127, 0, 0, 1], 0).into());
        let address = place.local_addr().unwrap();
        let state = State {
            mood: watch::Sender::new(Mood::Answers(200)),
            bodies: Mutex::default(),
            asked: watch::Sender::new(0),
        };
        let state = Arc::new(state);
        let serving = tokio::spawn(serve(listen(address), Arc::clone(&state)));
        Self { address, _place: place, state, serving }
    }

    /// Where to send to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/warnings/s3cr3t-path", self.address)
    }

    /// From now on it does this.
    pub(crate) fn is_now(&self, mood: Mood) {
        self.state.mood.send_replace(mood);
    }

    /// Nobody listens at its address any more.
    pub(crate) async fn go_down(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    /// Listens again where it did.
    pub(crate) async fn come_up(&mut self) {
        self.serving = tokio::spawn(serve(listen(self.address), Arc::clone(&self.state)));
    }

    /// The messages it took, in order.
    pub(crate) fn taken(&self) -> Vec<Value> {
        self.state.bodies.lock().unwrap().clone()
    }

    /// The messages it took, each as `phase event days_left`.
    pub(crate) fn told(&self) -> Vec<String> {
        self.taken().iter().map(brief).collect()
    }

    /// Waits until it was asked this often.
    pub(crate) async fn asked(&self, count: usize) {
        let mut asked = self.state.asked.subscribe();
        let waiting = asked.wait_for(|asked| *asked >= count);
        let _ = tokio::time::timeout(PATIENCE, waiting).await.expect("nobody asks");
    }

    /// How often it was asked.
    pub(crate) fn asked_so_far(&self) -> usize {
        *self.state.asked.borrow()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A socket at an address, which it shares with others of this kind.
fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

fn listen(address: SocketAddr) -> TcpListener {
    bind(address).listen(1024).unwrap()
}

/// `escalated key_expiring 14`
fn brief(body: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let days_left = &body["facts"]["days_left"];
    let days_left = if days_left.is_null() { String::new() } else { format!(" {}", text(days_left)) };
    format!("{} {}{days_left}", text(&body["phase"]), text(&body["event"]))
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    // Gone with this task: a server that is down answers nobody.
    let mut visits = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        visits.spawn(visit(stream, Arc::clone(&state)));
    }
}

async fn visit(stream: TcpStream, state: Arc<State>) {
    let answer = service_fn(move |request| answer(request, Arc::clone(&state)));
    // Whoever goes away in the middle is no fault of the server's.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(body) = request.into_body().collect().await else { return std::future::pending().await };
    let mood = *state.mood.borrow();
    if let Mood::Answers(200..=299) = mood {
        let body = serde_json::from_slice(&body.to_bytes()).unwrap();
        state.bodies.lock().unwrap().push(body);
    }
    state.asked.send_modify(|count| *count += 1);
    match mood {
        Mood::Silent => std::future::pending().await,
        Mood::Answers(status) => Ok(Response::builder().status(status).body(Full::default()).unwrap()),
    }
}
