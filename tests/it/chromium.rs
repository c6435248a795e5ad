//! A real Chromium without a window, asked over its own pipe (the DevTools protocol: JSON, each message
//! ended by a zero byte). Needs nothing but the browser: no driver, no crate.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--remote-debugging-pipe",
    // It opens nothing but the page under test, and root has no sandbox.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// A browser with one tab; it ends with the test.
pub(super) struct Chromium {
    child: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    /// What it told unasked, so far.
    events: Vec<Value>,
    calls: u64,
    /// The tab.
    session: Option<String>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it, with an empty tab.
    pub(super) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It reads requests from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let texts = answers.split(0).map_while(Result::ok);
            // Nobody reads any more once the test has ended.
            texts.for_each(|text| drop(sender.send(serde_json::from_slice(&text).unwrap())));
        });
        let (events, calls, session) = (Vec::new(), 0, None);
        let mut browser = Self { child, requests, messages, events, calls, session, _profile: profile };
        let tab = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let tab = json!({"targetId": tab["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", tab);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for part in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{part}.enable"), json!({}));
        }
        browser
    }

    /// Asks, and waits for the answer.
    #[track_caller]
    pub(super) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut request = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut message = self.next(deadline, method);
            if message["id"] != id {
                self.events.push(message);
                continue;
            }
            assert!(message.get("error").is_none(), "{method}: {message}");
            return message["result"].take();
        }
    }

    /// Waits for the next event of this name since they were last forgotten.
    #[track_caller]
    pub(super) fn wait_for(&mut self, event: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.events.iter().find(|message| message["method"] == event) {
                return found["params"].clone();
            }
            let message = self.next(deadline, event);
            self.events.push(message);
        }
    }

    #[track_caller]
    fn next(&self, deadline: Instant, wanted: &str) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = self.messages.recv_timeout(left);
        message.unwrap_or_else(|error| panic!("chromium never says {wanted} ({error}); is it installed?"))
    }

    /// Opens a page, and waits until all of it is there.
    #[track_caller]
    pub(super) fn open(&mut self, url: &str) {
        self.forget();
        self.call("Page.navigate", json!({"url": url}));
        self.wait_for("Page.loadEventFired");
    }

    /// Forgets what it told so far.
    pub(super) fn forget(&mut self) {
        self.events.clear();
    }

    /// What an expression comes to on the page.
    #[track_caller]
    pub(super) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Lets the page have this many pixels, and prefer `light` or `dark`.
    pub(super) fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// The whole page as a picture.
    pub(super) fn shoot(&mut self, file: &Path) {
        let shot = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.call("Page.captureScreenshot", shot);
        std::fs::write(file, STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// The document as the server sent it.
    pub(super) fn source(&mut self) -> String {
        let is_document = |message: &&Value| {
            message["method"] == "Network.responseReceived" && message["params"]["type"] == "Document"
        };
        let answer = self.events.iter().rfind(is_document).expect("a page is open");
        let asked = json!({"requestId": answer["params"]["requestId"]});
        self.call("Network.getResponseBody", asked)["body"].as_str().unwrap().to_owned()
    }

    /// What a screen reader finds: each node as `role: name`, where it has a name.
    pub(super) fn spoken(&mut self) -> Vec<String> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false);
        let text = |node: &Value, part: &str| node[part]["value"].as_str().unwrap_or_default().to_owned();
        nodes.map(|node| format!("{}: {}", text(node, "role"), text(node, "name"))).collect()
    }

    /// What the console would show, and what could not be loaded, since the page was opened.
    pub(super) fn complaints(&self) -> Vec<&Value> {
        let is_one = |message: &&Value| match message["method"].as_str().unwrap_or_default() {
            "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => true,
            "Network.loadingFailed" => true,
            "Network.responseReceived" => message["params"]["response"]["status"] != 200,
            _ => false,
        };
        self.events.iter().filter(is_one).collect()
    }

    /// How many events of this name it told since the page was opened.
    pub(super) fn told(&self, event: &str) -> usize {
        self.events.iter().filter(|message| message["method"] == event).count()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
