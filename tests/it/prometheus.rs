//! A real Prometheus, which no one here wrote, scrapes a real daemon under the rules that are shipped.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Days;
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Size, World};
use serde_json::Value;

use crate::harness::{Bench, Setup};
use crate::office::{Office, Server};
use crate::patience::{rest, today};
use crate::program::Running;
use crate::server::{address, get, serve};

/// Longer than it takes Prometheus to scrape and to look at its rules.
const PATIENCE: Duration = Duration::from_secs(60);

fn rules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/recipes/prometheus.rules.yml")
}

/// An account whose key expires in ten days.
async fn bench() -> Bench {
    let world = World::generate(221, &Size::small().with("measures", 8));
    let expires = today().checked_add_days(Days::new(10));
    let bench = Setup { expires, kinds: &["measures"], ..Setup::of(world) }.start().await;
    serve(&bench, "listen = \"127.0.0.1:0\"");
    bench
}

/// Starts Prometheus on a daemon.
fn start(office: &Office, daemon: &str) -> (Server, String) {
    office.write(
        "prometheus.yml",
        &format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
             scrape_configs: [{{job_name: clearpoint-sync, static_configs: [{{targets: ['{daemon}']}}]}}]\n",
            rules().display()
        ),
    );
    let server = Server::start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", office.file("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", office.file("data").display()))
            .arg("--web.listen-address=127.0.0.1:0"),
    );
    let address = server.address(&["Server is ready"]);
    (server, address)
}

/// What Prometheus answers, once it is as wanted.
async fn ask_until(prometheus: &str, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Clock::System.now() + PATIENCE;
    loop {
        let (_, body) = get(prometheus, path).await;
        let answer: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"));
        if is_wanted(&answer) {
            return answer;
        }
        assert!(Clock::System.now() < deadline, "{path} never shows it: {answer:#}");
        rest().await;
    }
}

/// The names of the alerts that fire or are about to.
fn alerts(answer: &Value) -> Vec<String> {
    let alerts = answer["data"]["alerts"].as_array().unwrap();
    alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_the_daemon_and_fires_ten_days_before_a_key_expires() {
    let (bench, office) = (bench().await, Office::new());
    let mut daemon = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    daemon.says("run_finished").await;
    let (_server, prometheus) = start(&office, &address);
    let up = ask_until(&prometheus, "/api/v1/query?query=up", |up| {
        up["data"]["result"][0]["value"][1].as_str() == Some("1")
    });
    assert_eq!(up.await["data"]["result"].as_array().unwrap().len(), 1);
    // Until the first scrape the daemon itself is missed, too.
    let only = ["ClearPointKeyExpiresSoon"];
    let answer = ask_until(&prometheus, "/api/v1/alerts", |answer| alerts(answer) == only).await;
    let alert = &answer["data"]["alerts"][0];
    assert_eq!(alert["state"], "firing");
    assert_eq!(alert["labels"]["connection"], "city");
    assert_eq!(alert["labels"]["slot"], "key");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("The ClearPoint key Integration of city lapses in 10d "), "{summary}");

    // Once nobody answers any more, the rules say so.
    daemon.stop().await.assert_code(&[0]);
    ask_until(&prometheus, "/api/v1/alerts", |answer| {
        alerts(answer).iter().any(|name| name == "ClearPointSyncDown")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_tool_finds_no_fault_in_the_metrics() {
    let bench = bench().await;
    let mut daemon: Running = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    for is_first in [true, false] {
        let (_, metrics) = get(&address, "/metrics").await;
        let file = bench.file("metrics.txt");
        std::fs::write(&file, &metrics).unwrap();
        let metrics = std::fs::File::open(&file).unwrap();
        let mut promtool = Command::new("promtool");
        let promtool = promtool.args(["check", "metrics"]).stdin(Stdio::from(metrics));
        let output = promtool.output().expect("promtool is installed (scripts/test does it)");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
        if is_first {
            daemon.says("run_finished").await;
        }
    }
}
