//! What `/metrics` tells of a daemon that works, and that its page in the documentation tells as much.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Fault, What, World};

use crate::patience::rest;
use crate::program::Running;
use crate::server::{address, bench, get};

/// Longer than it takes until a turn shows.
const PATIENCE: Duration = Duration::from_secs(60);

/// Values by series, as they are written.
pub(super) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    pub(super) async fn of(address: &str) -> Self {
        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        let series = text.lines().filter(|line| !line.starts_with('#'));
        Self(series.filter_map(|line| line.rsplit_once(' ')).map(read).collect())
    }

    /// The value of a series of ours.
    #[track_caller]
    pub(super) fn value(&self, series: &str) -> f64 {
        let series = format!("clearpoint_sync_{series}");
        *self.0.get(&series).unwrap_or_else(|| panic!("no {series} among {:#?}", self.0.keys()))
    }

    /// The sum over all series whose text begins so.
    fn sum(&self, begins: &str) -> f64 {
        let begins = format!("clearpoint_sync_{begins}");
        self.0.iter().filter(|(series, _)| series.starts_with(&begins)).map(|(_, value)| value).sum()
    }

    /// The labels of each metric, without what is added to histograms.
    fn metrics(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.0.keys().map(|series| name_and_labels(series)).collect()
    }
}

fn name_and_labels(series: &str) -> (String, BTreeSet<String>) {
    let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0));
    let endings = ["_bucket", "_sum", "_count"].into_iter();
    let name = endings.filter_map(|ending| name.strip_suffix(ending)).next().unwrap_or(name);
    (name.to_owned(), labels.filter(|label| *label != "le").map(str::to_owned).collect())
}

fn read((series, value): (&str, &str)) -> (String, f64) {
    (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("{series} {value}")))
}

/// Scrapes until it shows what is wanted.
async fn scrape_until(address: &str, is_wanted: impl Fn(&Scrape) -> bool) -> Scrape {
    let deadline = Clock::System.now() + PATIENCE;
    loop {
        let scrape = Scrape::of(address).await;
        if is_wanted(&scrape) {
            return scrape;
        }
        assert!(Clock::System.now() < deadline, "it never shows: {:#?}", scrape.0);
        rest().await;
    }
}

/// Scrapes once so many runs have ended and show.
async fn after_runs(address: &str, runs: f64) -> Scrape {
    scrape_until(address, |scrape| {
        let took = scrape.value("last_run_duration_seconds{connection=\"city\"}");
        let under_way = scrape.value("run_under_way{connection=\"city\"}");
        scrape.sum("runs_total{") >= runs && took > 0.0 && under_way == 0.0
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_counted_once_and_what_the_run_stored_shows() {
    let bench = bench().await;
    bench.simulator.fault(Fault::at("/measures", What::Status(503)).times(2));
    let mut daemon = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    let before = Clock::System.now().timestamp();
    let scrape = after_runs(&address, 1.0).await;
    assert_eq!(scrape.sum("requests_total{"), bench.simulator.requests() as f64);
    assert_eq!(scrape.value("requests_total{connection=\"city\",class=\"transient\"}"), 2.0);
    assert_eq!(scrape.value("retries_total{connection=\"city\"}"), 2.0);
    assert_eq!(scrape.value("runs_total{connection=\"city\",mode=\"full\",outcome=\"ok\"}"), 1.0);
    assert_eq!(scrape.value("run_duration_seconds_count{mode=\"full\"}"), 1.0);
    let measures = bench.visible("measures").len() as f64;
    let stored = scrape.sum("elements{connection=\"city\",kind=\"measures\",state=\"present\"}");
    assert_eq!(stored, measures);
    assert_eq!(
        scrape.value("changes_total{connection=\"city\",operation=\"insert\"}"),
        measures + bench.visible("scorecards").len() as f64
    );
    for success in ["last_success", "last_full_success"] {
        let at = scrape.value(&format!("{success}_timestamp_seconds{{connection=\"city\"}}"));
        assert!(at >= (before - 60) as f64, "{success} at {at}");
    }
    let complete = "kind_complete_as_of_timestamp_seconds{connection=\"city\",kind=\"measures\"}";
    assert!(scrape.value(complete) >= (before - 60) as f64);
    assert!(scrape.value("store_bytes") > 0.0);
    assert_eq!(scrape.value("key_leads{connection=\"city\",key=\"Integration\",slot=\"key\"}"), 1.0);
    assert_eq!(scrape.value("key_refused{connection=\"city\",key=\"Integration\",slot=\"key\"}"), 0.0);
    daemon.stop().await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_shows() {
    let bench = bench().await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    let mut daemon = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    let scrape = after_runs(&address, 1.0).await;
    assert_eq!(scrape.value("key_refused{connection=\"city\",key=\"Integration\",slot=\"key\"}"), 1.0);
    assert_eq!(scrape.value("requests_total{connection=\"city\",class=\"refused\"}"), 2.0);
    assert_eq!(scrape.value("runs_total{connection=\"city\",mode=\"full\",outcome=\"refused\"}"), 1.0);
    assert_eq!(scrape.value("warnings_open{connection=\"city\",event=\"key_refused\"}"), 1.0);
    assert_eq!(scrape.value("warnings_urgent{connection=\"city\"}"), 1.0);
    assert_eq!(scrape.value("last_success_timestamp_seconds{connection=\"city\"}"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_read_its_key_counts_as_failed() {
    let bench = bench().await;
    std::fs::remove_file(bench.file("secret-key")).unwrap();
    let mut daemon = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    let failed = "runs_total{connection=\"city\",mode=\"full\",outcome=\"failed\"}";
    scrape_until(&address, |scrape| scrape.value(failed) == 1.0).await;
    assert_eq!(bench.simulator.requests(), 0);
}

/// The metrics that `docs/metrics.md` describes, with their labels.
fn described() -> BTreeMap<String, BTreeSet<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.split("| metric | type | labels |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, rest)| {
        let labels = rest.split('|').nth(1).unwrap().split(',').map(str::trim);
        (name.to_owned(), labels.filter(|label| !label.is_empty()).map(str::to_owned).collect())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_described_and_every_one_described_is_there() {
    let bench = bench().await;
    let mut daemon: Running = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    let scrape = Scrape::of(&address).await;
    assert_eq!(scrape.metrics(), described());
}
