//! A target over a real socket: takes requests, keeps them, and gives one answer to all.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longer than any sender may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Kept = (Mutex<Vec<Request>>, Condvar);

/// What came in.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The request line and the headers.
    pub(super) head: String,
    pub(super) body: String,
}

impl Request {
    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let of =
            |line: &'_ str| line.split_once(": ").is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| of(line)).and_then(|line| Some(line.split_once(": ")?.1))
    }
}

/// The target; it ends with the test.
pub(super) struct Sink {
    pub(super) port: u16,
    kept: Arc<Kept>,
}

impl Sink {
    /// `answer` is what every request gets, from its status line on.
    pub(super) fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Kept::default());
        let (keep, answer) = (Arc::clone(&kept), answer.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                take(stream, &keep, &answer);
            }
        });
        Self { port, kept }
    }

    /// A target that answers with this status and nothing else.
    pub(super) fn answering(status: &str) -> Self {
        Self::start(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.kept.0.lock().unwrap().clone()
    }

    /// Waits until what came in is as wanted.
    #[track_caller]
    pub(super) fn wait_until(&self, is_wanted: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let (requests, news) = &*self.kept;
        let requests = requests.lock().unwrap();
        let (requests, waited) =
            news.wait_timeout_while(requests, PATIENCE, |requests| !is_wanted(requests)).unwrap();
        assert!(!waited.timed_out(), "only {requests:?}");
        requests.clone()
    }
}

fn take(stream: TcpStream, kept: &Kept, answer: &str) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    let mut request = Request { head, body: String::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_ok() {
        request.body = String::from_utf8(body).unwrap();
        kept.0.lock().unwrap().push(request);
        kept.1.notify_all();
        // A client that went away is its own affair.
        let _ = reader.get_mut().write_all(answer.as_bytes());
    }
}
