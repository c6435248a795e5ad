//! Every secret there is, in every kind of place that one may come from, through the whole life of a key
//! and of its warnings: none is found in what the program says, keeps or sends.

use std::ffi::OsStr;
use std::process::Command;

use chrono::{Days, NaiveDate};
use clearpoint_sync::simulator::{ApiKey, Size, World};
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Bench, Setup};
use crate::mail::python;
use crate::office::{Office, Server, beside};
use crate::patience::{patient, today};
use crate::program::{Ran, Running};
use crate::secrets::assert_keeps;
use crate::server;
use crate::sink::{Request, Sink};

const ACCESS: &str = "canary+access/key=4801 &%";
const SECRET: &str = "canary?secret#key:4802+/~";
const NEXT_ACCESS: &str = "canary+next/access=4803 &%";
const NEXT_SECRET: &str = "canary?next#secret:4804+/~";
const HOOK: &str = "canary.hook-token=4805+";
const CHAT: &str = "canary.chat-token=4806+";
const TEAMS: &str = "canary.teams-token=4807+";
const USER: &str = "canary-alerts-user-4808";
const PASSWORD: &str = "canary!alerts*password-4809";
const FAR: &str = "canary.far-token=4810+";
const SIGNING: &str = "canary?signing#secret:4811/~";
const MAIL: &str = "canary!mail*password:4812+/~";
const PROXY: &str = "canary-proxy-password-4813";
const CANARIES: [&str; 13] =
    [ACCESS, SECRET, NEXT_ACCESS, NEXT_SECRET, HOOK, CHAT, TEAMS, USER, PASSWORD, FAR, SIGNING, MAIL, PROXY];

/// Files that hold secrets because they are where secrets come from.
const SOURCES: [&str; 7] = ["access-key", "next-access-key", "hook", "chat", "teams", "alerts", "far"];

/// Every command but `run` and `sync`.
const COMMANDS: [&[&str]; 16] = [
    &["check"],
    &["check", "--deep", "--json"],
    &["config"],
    &["config", "--json"],
    &["keys"],
    &["keys", "--json"],
    &["status"],
    &["status", "--json"],
    &["warnings"],
    &["warnings", "--all", "--json"],
    &["plan"],
    &["notify-test"],
    &["notify-test", "--json"],
    &["release", "city"],
    &["probe", "city", "--search", "--toml"],
    &["probe", "city", "--wrong-secret", "--json"],
];

const TARGETS: &str = r#"
[server]
listen = "127.0.0.1:0"

[network]
ca_file = "CA_FILE"

[warnings.targets.hook]
type = "webhook"
least_severity = "info"
url = { file = "hook" }
signing_secret = { env = "CANARY_SIGNING" }

[warnings.targets.chat]
type = "slack"
least_severity = "info"
url = { file = "chat" }
signing_secret = { env = "CANARY_SIGNING" }

[warnings.targets.teams]
type = "teams"
least_severity = "info"
url = { file = "teams" }

[warnings.targets.alerts]
type = "alertmanager"
least_severity = "info"
url = { file = "alerts" }

[warnings.targets.far]
type = "slack"
least_severity = "info"
url = { file = "far" }

[warnings.targets.mail]
type = "email"
least_severity = "info"
host = "localhost"
port = MAIL_PORT
tls = "starttls"
username = "sync"
password = { credential = "smtp-password" }
from = "sync@city.example"
to = ["ops@city.example"]
"#;

/// The account, targets that fail and targets that work, and a proxy that lets nobody through.
struct Aviary {
    bench: Bench,
    office: Office,
    /// The configuration, but for the port of the mail server.
    config: String,
    bad: Sink,
    good: Sink,
    proxy: Sink,
    proxy_url: String,
    /// Refuses the login, and says with what it was tried.
    _bad_mail: Server,
    good_mail: Server,
    good_port: String,
}

fn key(access: &str, secret: &str, expires: Option<NaiveDate>) -> ApiKey {
    ApiKey { access: access.into(), secret: secret.into(), expires, user: World::USER.into() }
}

/// A target that throws all it could know back at us.
fn echoing(status: &str) -> Sink {
    let echo = CANARIES.join(" ");
    Sink::start(&format!(
        "HTTP/1.1 {status} {HOOK}\r\nLocation: http://127.0.0.1:1/{CHAT}\r\nX-Echo: {echo}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{echo}",
        echo.len()
    ))
}

fn mail_server(office: &Office, password: &str) -> (Server, String) {
    let mut command = Command::new(python());
    command.arg(beside("smtp.py")).arg("starttls");
    command.args([office.file("server.pem"), office.file("server.key")]).args(["sync", password]);
    let server = Server::start(&mut command);
    let port = server.line(|line| line.parse::<u16>().is_ok());
    (server, port)
}

impl Aviary {
    /// All targets fail at first; the key expires in five days.
    async fn new() -> Self {
        let mut world = World::generate(193, &Size::small().with("measures", 8));
        let next_key = key(NEXT_ACCESS, NEXT_SECRET, None);
        world.add_key(key(ACCESS, SECRET, None));
        world.add_key(next_key.clone());
        let expires = today().checked_add_days(Days::new(5));
        let (access_key, secret_key) = (ACCESS.to_owned(), SECRET.to_owned());
        let setup = Setup { access_key, secret_key, expires, next_key: Some(next_key), ..Setup::of(world) };
        let bench = setup.start().await;
        let office = Office::new();
        office.make_certificates();
        let (_bad_mail, bad_port) = mail_server(&office, "another password");
        let (good_mail, good_port) = mail_server(&office, MAIL);
        let proxy = echoing("407");
        let proxy_url = format!("http://proxy-user:{PROXY}@127.0.0.1:{}", proxy.port);
        let ca = office.file("ca.pem").display().to_string();
        let config =
            std::fs::read_to_string(bench.file("config.toml")).unwrap() + &TARGETS.replace("CA_FILE", &ca);
        let config = config
            .replace(r#"{ file = "secret-key" }"#, r#"{ credential = "city-secret-key" }"#)
            .replace(r#"{ file = "next-secret-key" }"#, r#"{ env = "CANARY_NEXT_SECRET" }"#);
        for name in ["secret-key", "next-secret-key"] {
            std::fs::remove_file(bench.file(name)).unwrap();
        }
        let config = config.replace("*/15 * * * *", "*/2 * * * * *");
        let (bad, good) = (echoing("500"), echoing("200"));
        office.write("city-secret-key", SECRET).write("smtp-password", MAIL);
        let aviary =
            Self { bench, office, config, bad, good, proxy, proxy_url, _bad_mail, good_mail, good_port };
        aviary.send_to(&aviary.bad, &bad_port);
        aviary
    }

    /// From now on messages go there.
    fn send_to(&self, sink: &Sink, mail_port: &str) {
        let bench = &self.bench;
        bench.write_secret("hook", &sink.url(&format!("/hook/{HOOK}")));
        bench.write_secret("chat", &sink.url(&format!("/services/{CHAT}")));
        bench.write_secret("teams", &sink.url(&format!("/teams?sig={TEAMS}")));
        bench.write_secret("alerts", &format!("http://{USER}:{PASSWORD}@127.0.0.1:{}/", sink.port));
        bench.write_secret("far", &format!("https://hooks.far.example/services/{FAR}"));
        std::fs::write(bench.file("config.toml"), self.config.replace("MAIL_PORT", mail_port)).unwrap();
    }

    fn mend_targets(&self) {
        self.send_to(&self.good, &self.good_port);
        self.let_waits_pass();
    }

    /// Lets the time go by for which messages are claimed or wait.
    fn let_waits_pass(&self) {
        let store = patient(Connection::open(self.bench.file("clearpoint.db")));
        store.execute_batch("UPDATE deliveries SET claimed_until = NULL, due_at = NULL").unwrap();
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let arguments = [arguments, &["--log", "trace"]].concat();
        let credentials = self.office.file("");
        let variables: [(&str, &OsStr); 4] = [
            ("CANARY_NEXT_SECRET", NEXT_SECRET.as_ref()),
            ("CANARY_SIGNING", SIGNING.as_ref()),
            ("CREDENTIALS_DIRECTORY", credentials.as_os_str()),
            ("HTTPS_PROXY", self.proxy_url.as_ref()),
        ];
        Running::start_among(&variables, &self.bench.file("config.toml"), &arguments)
    }

    /// Everything that a running daemon shows.
    async fn check_shown(&self, daemon: &mut Running) {
        let address = server::address(daemon).await;
        for path in server::ROUTES {
            let (status, body) = server::get(&address, path).await;
            assert_keeps(&CANARIES, path, [status, body].concat().as_bytes());
        }
    }

    #[track_caller]
    fn check(&self, ran: &Ran, codes: &[i32]) {
        assert_silent(ran);
        self.check_files();
        ran.assert_code(codes);
    }

    async fn run(&self, arguments: &[&str], codes: &[i32]) -> Ran {
        let ran = self.start(arguments).end().await;
        self.check(&ran, codes);
        ran
    }

    /// All commands, however each ends.
    async fn run_all(&self) {
        for command in COMMANDS {
            let ran = self.start(command).end().await;
            assert_silent(&ran);
            ran.assert_code(&[0, 1, 2, 3, 4]);
        }
        self.check_files();
    }

    /// Every file of the store's folder but those that secrets are read from.
    #[track_caller]
    fn check_files(&self) {
        for entry in std::fs::read_dir(self.bench.file("")).unwrap() {
            let path = entry.unwrap().path();
            let is_source = SOURCES.iter().any(|name| path.ends_with(name));
            // What ends as it is looked at holds nothing any more.
            if let Ok(bytes) = std::fs::read(&path)
                && !is_source
            {
                assert_keeps(&CANARIES, &path.display().to_string(), &bytes);
            }
        }
    }

    /// What a sink was sent holds none but where it belongs: the path, and the login of the address.
    #[track_caller]
    fn check_messages(&self, sink: &Sink) {
        for Request { head, body } in sink.requests() {
            assert_keeps(&CANARIES, "the body", body.as_bytes());
            let headers =
                head.lines().skip(1).filter(|line| !line.to_lowercase().contains("authorization: "));
            assert_keeps(&CANARIES, "the headers", headers.collect::<Vec<_>>().join("\n").as_bytes());
        }
    }
}

#[track_caller]
fn assert_silent(ran: &Ran) {
    assert_keeps(&CANARIES, "stdout", ran.stdout.as_bytes());
    assert_keeps(&CANARIES, "stderr", ran.stderr.as_bytes());
}

/// Whether every target that is posted to was, with the secret that its address holds.
fn reached(requests: &[Request]) -> bool {
    let is_reached = |secret: &str| requests.iter().any(|request| request.head.contains(secret));
    [HOOK, CHAT, TEAMS, "uthorization: Basic "].into_iter().all(is_reached)
}

/// A key that is about to expire, targets that all fail, both keys refused; then all is mended.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_any_source_is_found_anywhere_also_with_a_real_smtp_server() {
    let aviary = Aviary::new().await;
    let world = || aviary.bench.simulator.world();
    let ran = aviary.run(&["sync", "--full"], &[0]).await;
    assert_eq!((ran.said("key_expiring"), ran.said("delivery_failed")), (1, 6), "{ran}");
    assert!(ran.stderr.lines().any(|line| line.contains("\"DEBUG\"")), "{ran}");
    aviary.bad.wait_until(reached);
    aviary.proxy.wait_until(|requests| requests.iter().any(|request| request.head.starts_with("CONNECT ")));
    aviary.run_all().await;

    world().delete_key(ACCESS);
    aviary.let_waits_pass();
    assert_eq!(aviary.run(&["sync"], &[0]).await.said("key_fell_over"), 1);
    world().delete_key(NEXT_ACCESS);
    assert_eq!(aviary.run(&["sync"], &[3]).await.said("key_refused"), 1);
    aviary.run_all().await;

    aviary.let_waits_pass();
    let asked = aviary.bad.requests().len();
    let mut daemon = aviary.start(&["run"]);
    aviary.bad.wait_until(|requests| requests.len() >= asked + 4);
    aviary.check_shown(&mut daemon).await;
    aviary.check_files();
    aviary.check(&daemon.stop().await, &[0]);

    world().add_key(key(ACCESS, SECRET, None));
    aviary.bench.let_hours_pass_for_keys(2);
    aviary.mend_targets();
    let mut daemon = aviary.start(&["run"]);
    daemon.says_often(1, &["warning_resolved", "key_refused"]).await;
    aviary.good.wait_until(|requests| {
        reached(requests) && requests.iter().any(|request| request.body.contains("\"resolved\""))
    });
    let mail: Value = serde_json::from_str(&aviary.good_mail.line(|line| line.starts_with('{'))).unwrap();
    assert_keeps(&CANARIES, "the mail", mail.to_string().as_bytes());
    aviary.check_shown(&mut daemon).await;
    aviary.check_files();
    aviary.check(&daemon.stop().await, &[0]);
    aviary.run(&["sync", "--full"], &[0]).await;
    aviary.run_all().await;
    for sink in [&aviary.bad, &aviary.good, &aviary.proxy] {
        aviary.check_messages(sink);
    }
}
