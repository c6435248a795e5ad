//! A real Alertmanager, which no one here wrote, is told of a warning, of its escalation and of its end.

use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use clearpoint_sync::clock::Clock;
use clearpoint_sync::https;
use clearpoint_sync::name::ConnectionName;
use clearpoint_sync::notify::Notifier;
use clearpoint_sync::warning::{Event, Notice, Phase, Severity, Warning, WarningId};
use serde_json::Value;

use crate::office::{Office, Server};
use crate::sink::{Request, Sink};

struct Bench {
    office: Office,
    /// Where Alertmanager hands on what it was told.
    sink: Sink,
    base: String,
    _server: Server,
}

/// Starts Alertmanager, with a webhook for everything, and a configuration that tells it of everything.
fn bench() -> Bench {
    let (office, sink) = (Office::new(), Sink::answering("200 OK"));
    office.write(
        "alertmanager.yml",
        &format!(
            "route: {{receiver: sink, group_by: [alertname, connection], group_wait: 0s, group_interval: 1s}}\n\
             receivers: [{{name: sink, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
            sink.url("/")
        ),
    );
    let server = Server::start(
        Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", office.file("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", office.file("alertmanager").display()))
            .arg("--cluster.listen-address=")
            .arg("--web.listen-address=127.0.0.1:0"),
    );
    let base = format!("http://{}", server.address(&[]));
    office.write("url", &base).configure(
        "[warnings.targets.alerts]\ntype = \"alertmanager\"\nleast_severity = \"warn\"\nurl = { file = \"url\" }\n",
    );
    Bench { office, sink, base, _server: server }
}

impl Bench {
    async fn tell(&self, phase: Phase, severity: Severity, raised_at: DateTime<Utc>, at: DateTime<Utc>) {
        let (target, secrets) = self.office.target();
        let notifier = Notifier::new(&self.office.config().network).unwrap();
        let notice = Notice { warning: warning(severity), phase, raised_at, at };
        let answer = notifier.send(&target, &secrets, "d-17", &notice, at).await.unwrap();
        assert_eq!(answer, "200 OK");
    }

    /// The alerts that are firing, by event and severity.
    async fn firing(&self) -> Vec<String> {
        let url = format!("{}/api/v2/alerts", self.base).parse().unwrap();
        let client = https::client(&url, &self.office.config().network).unwrap().build().unwrap();
        let answer = client.get(url).send().await.unwrap();
        let alerts: Vec<Value> = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let name = |alert: &Value| {
            let label = |name: &str| alert["labels"][name].as_str().unwrap().to_owned();
            format!("{} {} of {}", label("severity"), label("alertname"), label("connection"))
        };
        alerts.iter().map(name).collect()
    }
}

fn warning(severity: Severity) -> Warning {
    let connection = ConnectionName::parse("city").unwrap();
    Warning {
        id: WarningId { event: Event::KeyExpiring, connection, subject: "key 2027-03-31".to_owned() },
        severity,
        level: 1,
        message: "key expires soon".to_owned(),
        action: "ClearPoint > System Settings > API Keys > Edit".to_owned(),
        fields: vec![("key".to_owned(), "Integration".to_owned())],
    }
}

/// Whether a notification of this status named an alert of this severity.
fn tells(request: &Request, status: &str, severity: &str) -> bool {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let is_it = |alert: &Value| alert["status"] == status && alert["labels"]["severity"] == severity;
    body["alerts"].as_array().unwrap().iter().any(is_it)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_shows_a_warning_its_escalation_and_its_end() {
    let bench = bench();
    let now = Clock::System.now();
    let ago = |minutes| now - TimeDelta::minutes(minutes);
    bench.tell(Phase::Raised, Severity::Warn, ago(30), ago(30)).await;
    assert_eq!(bench.firing().await, ["warn key_expiring of city"]);
    let requests = bench.sink.wait_until(|told| told.iter().any(|told| tells(told, "firing", "warn")));
    let told: Value = serde_json::from_str(&requests[0].body).unwrap();
    let annotations = &told["alerts"][0]["annotations"];
    assert_eq!(annotations["summary"], "key expires soon");
    assert_eq!(annotations["action"], "ClearPoint > System Settings > API Keys > Edit");
    assert_eq!(annotations["key"], "Integration");

    bench.tell(Phase::Escalated, Severity::Error, ago(30), ago(20)).await;
    assert_eq!(bench.firing().await, ["error key_expiring of city"]);
    bench.sink.wait_until(|told| {
        told.iter().any(|told| tells(told, "firing", "error"))
            && told.iter().any(|told| tells(told, "resolved", "warn"))
    });

    bench.tell(Phase::Resolved, Severity::Error, ago(30), ago(10)).await;
    assert_eq!(bench.firing().await, Vec::<String>::new());
    bench.sink.wait_until(|told| told.iter().any(|told| tells(told, "resolved", "error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_takes_the_test_message_of_the_program() {
    let bench = bench();
    let ran = bench.office.run(&["notify-test", "alerts", "--json"]).await;
    ran.assert_code(&[0]);
    let result: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result[0]["taken"], true);
    assert_eq!(result[0]["answer"], "200 OK");
    assert_eq!(bench.firing().await, ["info notify_test of test"]);
    bench.sink.wait_until(|told| told.iter().any(|told| tells(told, "firing", "info")));
}
