//! Deliveries to real servers: a target that is down, silent, or picky, and what is said of it.

#[path = "../../tests/it/receiver.rs"]
pub(crate) mod receiver;

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tracing::subscriber::DefaultGuard;

use self::receiver::{Mood, Receiver};
use super::*;
use crate::clock::Simulated;
use crate::config::Config;
use crate::daemon::Deliveries;
use crate::name::{ConnectionName, TargetName};
use crate::store::Place;
use crate::telemetry::{self, Look};
use crate::warning::{Ending, Event, Phase, Severity, Warning, WarningId};

const START: &str = "2027-03-01T12:00:00Z";

/// A store, targets on real servers, and what was logged.
struct Post {
    store: Store,
    clock: Clock,
    hand: Arc<Simulated>,
    config: Config,
    lines: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
    _logging: DefaultGuard,
}

fn hour(hours: i64) -> DateTime<Utc> {
    START.parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hours)
}

/// A configuration with targets, each with its URL in a file of `folder`.
pub(crate) fn targets(folder: &Path, targets: &[(&str, Severity, String)]) -> Config {
    let mut text = "[store.sqlite]\npath = \"store.db\"\n[connections.city.key]\nname = \"Integration\"\n\
                    access_key = { env = \"A\" }\nsecret_key = { env = \"S\" }\n"
        .to_owned();
    for (name, least, url) in targets {
        std::fs::write(folder.join(name), url).unwrap();
        text += &format!(
            "[warnings.targets.{name}]\ntype = \"webhook\"\nleast_severity = \"{}\"\nurl = {{ file = \"{name}\" }}\n",
            least.as_str()
        );
    }
    Config::parse(&text, &folder.join("config.toml")).unwrap()
}

impl Post {
    async fn open(targets: &[(&str, &Receiver)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::stepped(hour(0));
        let store = Store::open(&Place::file(folder.path().join("store.db")), hour(0)).await.unwrap();
        let targets: Vec<_> =
            targets.iter().map(|(name, receiver)| (*name, Severity::Warn, receiver.url())).collect();
        let config = self::targets(folder.path(), &targets);
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, still) = (Arc::clone(&lines), Clock::stepped(hour(0)).0);
        let write = move |line: &str| log.lock().unwrap().push(line.trim_end().to_owned());
        let subscriber = telemetry::subscriber(Look::Journal, "info", still, write).unwrap();
        let logging = telemetry::listen(subscriber);
        Self { store, clock, hand, config, lines, _folder: folder, _logging: logging }
    }

    fn couriers(&self) -> Vec<Courier> {
        let notifier = Notifier::new(&self.config.network).unwrap().patient();
        let targets = self.config.warnings.targets.iter();
        let courier = |target: &Target| {
            Courier::new(self.store.clone(), notifier.clone(), self.clock.clone(), target.clone())
        };
        targets.map(courier).collect()
    }

    async fn told(&self, event: Event, phase: Phase, days_left: i64) {
        let names: Vec<&TargetName> =
            self.config.warnings.targets.iter().map(|target| &target.name).collect();
        let warning = warning(event, days_left);
        match phase {
            Phase::Resolved => {
                assert!(self.store.resolve(&warning, Ending::Over, &names, self.clock.now()).await.unwrap());
            }
            _ => self.store.told(&warning, phase, &names, self.clock.now()).await.unwrap(),
        }
    }

    /// Lets a courier make its rounds, each when it is due, until then.
    async fn until(&self, courier: &mut Courier, end: DateTime<Utc>) {
        while let Some(next_at) = courier.round().await.filter(|at| *at <= end) {
            self.hand.advance_to(next_at.max(self.clock.now() + TimeDelta::seconds(1)));
        }
        self.hand.advance_to(end);
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

fn warning(event: Event, days_left: i64) -> Warning {
    Warning {
        id: WarningId { event, connection: ConnectionName::parse("city").unwrap(), subject: String::new() },
        severity: Severity::Warn,
        level: 1,
        message: "so it is".into(),
        action: "do it".into(),
        fields: vec![("days_left".into(), days_left.to_string())],
    }
}

/// The beginning of a line, up to its reason, and how many wait.
fn brief(line: &str) -> String {
    let waiting = line.split(' ').find(|word| word.starts_with("waiting=")).unwrap_or_default();
    format!("{} {waiting}", line.split(" error=").next().unwrap()).trim_end().to_owned()
}

#[tokio::test]
async fn a_target_down_for_a_day_gets_each_warning_once_in_order_as_it_stands_last() {
    let mut receiver = Receiver::start().await;
    let post = Post::open(&[("ops", &receiver)]).await;
    let mut courier = post.couriers().remove(0);
    receiver.go_down().await;
    post.told(Event::KeyExpiring, Phase::Raised, 30).await;
    post.told(Event::RemovalsHeld, Phase::Raised, 1).await;
    for hours in 1..=24 {
        post.until(&mut courier, hour(hours)).await;
        post.told(Event::KeyExpiring, Phase::Reminded, 30 - hours).await;
        if hours == 12 {
            post.told(Event::RemovalsHeld, Phase::Resolved, 2).await;
            post.told(Event::SyncStale, Phase::Raised, 3).await;
        }
    }
    receiver.come_up().await;
    post.until(&mut courier, hour(25)).await;
    assert_eq!(
        receiver.told(),
        [
            "reminded key_expiring 6",
            "raised removals_held 1",
            "resolved removals_held 2",
            "raised sync_stale 3"
        ]
    );
    let lines = post.heard();
    assert!(lines.iter().all(|line| !line.contains("127.0.0.1") && !line.contains("s3cr3t")), "{lines:?}");
    let failed = "<4>WARN warnings not delivered, will try again event=delivery_failed target=ops";
    let lines: Vec<String> = lines.iter().map(|line| brief(line)).collect();
    assert_eq!(
        lines,
        [
            // At noon, at six, before what is told at midnight, and again at six and at noon.
            format!("{failed} waiting=2"),
            format!("{failed} waiting=2"),
            format!("{failed} waiting=2"),
            format!("{failed} waiting=4"),
            format!("{failed} waiting=4"),
            lines.last().unwrap().clone(),
        ]
    );
    assert!(lines[5].starts_with("<6>INFO warnings are delivered again event=delivery_recovered target=ops"));
}

#[tokio::test]
async fn a_target_out_of_reach_is_asked_once_a_round_and_at_growing_distance() {
    let receiver = Receiver::start().await;
    let post = Post::open(&[("ops", &receiver)]).await;
    let mut courier = post.couriers().remove(0);
    receiver.is_now(Mood::Answers(503));
    for event in [Event::KeyExpiring, Event::RemovalsHeld, Event::SyncStale] {
        post.told(event, Phase::Raised, 1).await;
    }
    post.until(&mut courier, hour(4)).await;
    // After 30 s, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5 minutes, then hourly.
    assert_eq!(receiver.asked_so_far(), 10);
    receiver.is_now(Mood::Answers(204));
    post.until(&mut courier, hour(6)).await;
    assert_eq!(receiver.told().len(), 3);
    assert_eq!(receiver.asked_so_far(), 13);
}

#[tokio::test]
async fn a_message_that_is_refused_waits_an_hour_and_keeps_nothing_else_waiting() {
    let receiver = Receiver::start().await;
    let post = Post::open(&[("ops", &receiver)]).await;
    let mut courier = post.couriers().remove(0);
    receiver.is_now(Mood::Answers(422));
    post.told(Event::KeyExpiring, Phase::Raised, 1).await;
    assert_eq!(courier.round().await, Some(hour(1)));
    receiver.is_now(Mood::Answers(200));
    post.told(Event::RemovalsHeld, Phase::Raised, 2).await;
    assert_eq!(courier.round().await, Some(hour(1)));
    assert_eq!(receiver.told(), ["raised removals_held 2"]);
    assert_eq!(post.heard().len(), 1, "it is not yet over");
    post.until(&mut courier, hour(2)).await;
    assert_eq!(receiver.told(), ["raised removals_held 2", "raised key_expiring 1"]);
    assert!(post.heard()[0].contains("event=delivery_recovered"));
}

#[tokio::test]
async fn what_is_not_taken_for_seven_days_is_given_up_with_one_line() {
    let receiver = Receiver::start().await;
    let post = Post::open(&[("ops", &receiver)]).await;
    let mut courier = post.couriers().remove(0);
    receiver.is_now(Mood::Answers(400));
    post.told(Event::KeyExpiring, Phase::Raised, 1).await;
    post.until(&mut courier, hour(24 * 7 + 2)).await;
    let lines = post.heard();
    let given_up: Vec<_> = lines.iter().filter(|line| line.contains("event=delivery_abandoned")).collect();
    assert_eq!(given_up.len(), 1, "{lines:?}");
    assert!(
        given_up[0].starts_with(
            "<3>ERROR warning not delivered for seven days, given up event=delivery_abandoned target=ops \
             phase=raised told_at=2027-03-01T12:00:00Z tries=170 error="
        ),
        "{given_up:?}"
    );
    // Once at first, then every six hours.
    assert_eq!(lines.len(), 1 + 29, "{lines:?}");
    receiver.is_now(Mood::Answers(200));
    post.until(&mut courier, hour(24 * 8)).await;
    assert_eq!(receiver.told(), [""; 0]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_told_by_its_place_and_tried_again() {
    let receiver = Receiver::start().await;
    let post = Post::open(&[("ops", &receiver)]).await;
    let mut courier = post.couriers().remove(0);
    std::fs::remove_file(post._folder.path().join("ops")).unwrap();
    post.told(Event::KeyExpiring, Phase::Raised, 1).await;
    courier.round().await;
    let line = &post.heard()[0];
    assert!(line.contains("warnings.targets.ops.url: file") && line.contains("cannot be read"), "{line}");
    std::fs::write(post._folder.path().join("ops"), receiver.url()).unwrap();
    post.until(&mut courier, hour(1)).await;
    assert_eq!(receiver.told(), ["raised key_expiring 1"]);
}

/// It takes connections and never answers.
#[tokio::test]
async fn a_silent_target_keeps_no_other_waiting_nor_the_stop() {
    let (silent, good) = (Receiver::start().await, Receiver::start().await);
    let post = Post::open(&[("good", &good), ("silent", &silent)]).await;
    silent.is_now(Mood::Silent);
    let queued = watch::Sender::new(0);
    let mut deliveries = Deliveries::start(post.couriers(), &post.clock, &queued.subscribe());
    post.told(Event::KeyExpiring, Phase::Raised, 1).await;
    queued.send_replace(1);
    silent.asked(1).await;
    good.asked(1).await;
    post.told(Event::RemovalsHeld, Phase::Raised, 2).await;
    queued.send_replace(2);
    good.asked(2).await;
    // Told while it stops: the last round takes it.
    post.told(Event::SyncStale, Phase::Raised, 3).await;
    let ending = tokio::spawn(async move { deliveries.end().await });
    good.asked(3).await;
    while post.hand.next_wake() != Some(hour(0) + TimeDelta::seconds(3)) {
        tokio::task::yield_now().await;
    }
    assert!(!ending.is_finished());
    post.hand.advance_to(hour(0) + TimeDelta::seconds(3));
    ending.await.unwrap();
    assert_eq!(good.told(), ["raised key_expiring 1", "raised removals_held 2", "raised sync_stale 3"]);
    assert_eq!(post.store.waiting(&post.config.warnings.targets[1].name).await.unwrap().count, 3);
}

#[tokio::test]
async fn a_round_that_is_cut_short_says_so() {
    let silent = Receiver::start().await;
    let post = Post::open(&[("ops", &silent)]).await;
    let mut courier = post.couriers().remove(0);
    silent.is_now(Mood::Silent);
    post.told(Event::KeyExpiring, Phase::Raised, 1).await;
    let hand = Arc::clone(&post.hand);
    let stepping = async {
        silent.asked(1).await;
        hand.advance_to(hour(0) + TimeDelta::seconds(15));
    };
    tokio::join!(courier.round_within(Duration::from_secs(15)), stepping);
    let lines = post.heard();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("event=delivery_failed target=ops error=\"no answer within 15 s\" waiting=1"));
}

#[tokio::test]
async fn couriers_that_are_replaced_under_way_lose_nothing() {
    let good = Receiver::start().await;
    let post = Post::open(&[("good", &good)]).await;
    let queued = watch::Sender::new(0);
    let mut deliveries = Deliveries::start(post.couriers(), &post.clock, &queued.subscribe());
    post.told(Event::KeyExpiring, Phase::Raised, 1).await;
    deliveries.replace(Vec::new()).await;
    // Those who leave make one last round; what comes while nobody is there waits for those who come.
    assert_eq!(good.told(), ["raised key_expiring 1"]);
    post.told(Event::RemovalsHeld, Phase::Raised, 2).await;
    deliveries.replace(post.couriers()).await;
    good.asked(2).await;
    post.told(Event::SyncStale, Phase::Raised, 3).await;
    queued.send_replace(1);
    good.asked(3).await;
    deliveries.end().await;
    assert_eq!(good.told(), ["raised key_expiring 1", "raised removals_held 2", "raised sync_stale 3"]);
}
