//! A real mail server, which no one here wrote (aiosmtpd), gets the mail: over TLS that an authority of
//! the test vouches for, with the password, and not otherwise.

use std::process::Command;

use clearpoint_sync::clock::Clock;
use clearpoint_sync::name::ConnectionName;
use clearpoint_sync::notify::{Notifier, NotifyError};
use clearpoint_sync::warning::{Event, Notice, Phase, Severity, Warning, WarningId};
use serde_json::Value;

use crate::office::{Office, Server, beside};
use crate::secrets::assert_keeps;

const PASSWORD: &str = "canary!mail*password:0815+/~";

struct Bench {
    office: Office,
    server: Server,
}

/// A mail server that makes these demands, and a target that meets them.
fn bench(mode: &str) -> Bench {
    bench_with(mode, mode, "ops@city.example")
}

fn bench_with(mode: &str, tls: &str, to: &str) -> Bench {
    let office = Office::new();
    office.make_certificates().write("password", PASSWORD);
    let server = Server::start(
        Command::new(python())
            .arg(beside("smtp.py"))
            .arg(mode)
            .args([office.file("server.pem"), office.file("server.key")])
            .args(["sync", PASSWORD]),
    );
    let port = server.line(|line| line.parse::<u16>().is_ok());
    office.configure(&format!(
        "[network]\nca_file = \"ca.pem\"\n[warnings.targets.mail]\ntype = \"email\"\nhost = \"localhost\"\n\
         port = {port}\ntls = \"{tls}\"\nusername = \"sync\"\npassword = {{ file = \"password\" }}\n\
         from = \"sync@city.example\"\nto = [\"{to}\", \"office@city.example\"]\n"
    ));
    Bench { office, server }
}

/// A Python that has aiosmtpd: the first one, or else the system's own.
pub(super) fn python() -> &'static str {
    let has_it = |python: &&str| {
        let tried = Command::new(python).args(["-c", "import aiosmtpd"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_it);
    found.expect("python3-aiosmtpd is installed (scripts/test does it)")
}

impl Bench {
    fn mail(&self) -> Value {
        serde_json::from_str(&self.server.line(|line| line.starts_with('{'))).unwrap()
    }

    async fn send(&self) -> Result<String, NotifyError> {
        let (target, secrets) = self.office.target();
        let notifier = Notifier::new(&self.office.config().network).unwrap();
        let now = Clock::System.now();
        notifier.send(&target, &secrets, "d-17", &notice(now), now).await
    }
}

fn notice(now: chrono::DateTime<chrono::Utc>) -> Notice {
    let connection = ConnectionName::parse("city").unwrap();
    let warning = Warning {
        id: WarningId { event: Event::VisibilityChanged, connection, subject: String::new() },
        severity: Severity::Warn,
        level: 0,
        message: "1 scorecard went out of sight: Stadtwerke Köln\r\nBcc: all@city.example".to_owned(),
        action: "ClearPoint > grant it again.\r\n.\r\nQUIT".to_owned(),
        fields: vec![("scorecards".to_owned(), "Stadtwerke Köln ✓".to_owned())],
    };
    Notice { warning, phase: Phase::Raised, raised_at: now, at: now }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_smtp_server_gets_the_test_mail_over_tls_and_with_the_password() {
    for mode in ["starttls", "tls"] {
        let bench = bench(mode);
        let ran = bench.office.run(&["notify-test", "mail", "--log", "trace"]).await;
        ran.assert_code(&[0]);
        ran.assert_names(&["mail", "email", "taken", "250"]);
        let mail = bench.mail();
        assert_eq!(mail["tls"], true, "{mode}");
        assert_eq!(mail["login"], "sync", "{mode}");
        assert_eq!(mail["from"], "sync@city.example");
        assert_eq!(mail["greeting"], "city.example");
        assert_eq!(mail["to"], serde_json::json!(["ops@city.example", "office@city.example"]));
        let data = mail["data"].as_str().unwrap();
        assert!(data.contains("\r\nSubject: [clearpoint-sync] TEST this is a test message"), "{data}");
        assert!(data.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{data}");
        assert_keeps(&[PASSWORD], "stdout", ran.stdout.as_bytes());
        assert_keeps(&[PASSWORD], "stderr", ran.stderr.as_bytes());
        assert_keeps(&[PASSWORD], "mail", data.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_smtp_server_gets_names_from_the_network_as_text_and_nothing_else() {
    let bench = bench("starttls");
    assert_eq!(bench.send().await.as_deref(), Ok("250 taken"));
    let mail = bench.mail();
    assert_eq!(mail["to"], serde_json::json!(["ops@city.example", "office@city.example"]));
    let script = "import sys,json,email,email.policy\n\
                  m=email.message_from_string(sys.argv[1],policy=email.policy.default)\n\
                  print(json.dumps([m['Subject'],m['Bcc'],m.get_content()]))";
    let read = Command::new(python()).args(["-c", script, mail["data"].as_str().unwrap()]).output().unwrap();
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(
        read[0],
        "[clearpoint-sync] WARN 1 scorecard went out of sight: Stadtwerke Köln  Bcc: all@city.example: city"
    );
    assert_eq!(read[1], Value::Null);
    let text = read[2].as_str().unwrap();
    assert!(text.contains("What to do: ClearPoint > grant it again.  .  QUIT"), "{text}");
    assert!(text.contains("scorecards: Stadtwerke Köln ✓"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_smtp_server_that_refuses_the_password_is_for_a_person_to_look_at() {
    let bench = bench("starttls");
    let wrong = "canary!wrong#password=4711";
    bench.office.write("password", wrong);
    let error = bench.send().await.unwrap_err();
    assert!(matches!(&error, NotifyError::Settings(text) if text.contains("535")), "{error:?}");
    let ran = bench.office.run(&["notify-test", "--log", "trace"]).await;
    ran.assert_code(&[1]);
    ran.assert_names(&["failed", "535", "check username and password"]);
    assert_keeps(&[wrong], "stdout", ran.stdout.as_bytes());
    assert_keeps(&[wrong], "stderr", ran.stderr.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_smtp_server_that_nobody_vouches_for_is_told_nothing() {
    for mode in ["starttls", "tls"] {
        let bench = bench(mode);
        // Another authority than the server's.
        let other = Office::new();
        other.make_certificates();
        std::fs::copy(other.file("ca.pem"), bench.office.file("ca.pem")).unwrap();
        let error = bench.send().await.unwrap_err();
        assert!(
            matches!(&error, NotifyError::Settings(text) if text.contains("TLS was refused")),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_smtp_server_without_starttls_is_given_no_password() {
    let error = bench_with("plain", "starttls", "ops@city.example").send().await.unwrap_err();
    assert!(matches!(&error, NotifyError::Settings(text) if text.contains("STARTTLS")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_smtp_server_that_knows_no_such_receiver_refuses_the_mail() {
    let error = bench_with("starttls", "starttls", "nobody@city.example").send().await.unwrap_err();
    assert_eq!(error, NotifyError::Refused("answered 550".to_owned()));
}
