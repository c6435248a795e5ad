//! Keys as the daemon meets them: real files, a real store, real sockets, and a clock that hurries.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::{Asker, Engine, Order};
use crate::clock::Clock;
use crate::config::Config;
use crate::kind::KindName;
use crate::run::{Counts, Mode, Outcome};
use crate::simulator::{ApiKey, Simulator, Size, Switches, World};
use crate::status::ConnectionStatus;
use crate::store::Scope;
use crate::warning::Event;

const NEXT: &str = "next";

/// A daemon that can be started anew, its secrets, and the account.
struct Bench {
    simulator: Simulator,
    clock: Clock,
    config: Config,
    engine: Engine,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn new(has_next_key: bool) -> Self {
        let mut world = World::generate(1, &Size::small());
        let user = World::USER.to_owned();
        world.add_key(ApiKey { access: NEXT.into(), secret: NEXT.into(), expires: None, user });
        let clock = Clock::hurried(world.now);
        let simulator = Simulator::start(world, Switches::default(), clock.clone()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = config(&simulator.base_url(), has_next_key, dir.path());
        let engine = Engine::open(config.clone(), clock.clone()).await.unwrap();
        let bench = Self { simulator, clock, config, engine, dir };
        bench.write("access", World::ACCESS_KEY);
        bench.write("secret", World::SECRET_KEY);
        bench.write("next-access", NEXT);
        bench.write("next-secret", NEXT);
        bench
    }

    fn write(&self, name: &str, secret: &str) {
        std::fs::write(self.dir.path().join(name), secret).unwrap();
    }

    /// The same store under a new process.
    async fn restart(&mut self) {
        self.engine = Engine::open(self.config.clone(), self.clock.clone()).await.unwrap();
    }

    fn wait(&self, span: TimeDelta) {
        let Clock::Simulated(clock) = &self.clock else { unreachable!("the bench's clock is simulated") };
        clock.advance_to(self.clock.now() + span);
        self.simulator.world().now = self.clock.now();
    }

    /// A turn of the daemon: how it ended, `None` where nobody was asked, and how many requests were
    /// refused.
    async fn turn(&self) -> (Option<Outcome>, usize) {
        self.simulator.clear_log();
        let connection = &self.engine.config.connections[0];
        if self.engine.rests(connection).await.unwrap().is_some() {
            assert!(self.simulator.log().is_empty());
            return (None, 0);
        }
        let outcome = self.pass(Asker::Schedule).await;
        let refused = self.simulator.log().iter().filter(|request| request.status == 401).count();
        (Some(outcome), refused)
    }

    async fn pass(&self, asker: Asker) -> Outcome {
        let (cancel, progress) = (watch::Sender::new(false), watch::Sender::new(None));
        let order = Order { mode: None, asker, lock: None, cancel: cancel.subscribe(), progress };
        let passed = self.engine.pass(&self.engine.config.connections[0], order).await.unwrap();
        passed.run.outcome.unwrap()
    }

    /// What is open, but that no date is written down.
    async fn open(&self) -> Vec<&'static str> {
        let open = self.engine.store.open_warnings().await.unwrap();
        let events = open.iter().map(|open| open.warning.id.event);
        events.filter(|event| *event != Event::KeyExpiryUnknown).map(Event::as_str).collect()
    }

    async fn raised_at(&self) -> DateTime<Utc> {
        let open = self.engine.store.open_warnings().await.unwrap();
        open.iter().find(|open| open.warning.id.event == Event::KeyFellOver).unwrap().raised_at
    }
}

fn config(base_url: &str, has_next_key: bool, dir: &Path) -> Config {
    let next_key = "
        [connections.city.next_key]
        name = \"Next\"
        access_key = { file = \"next-access\" }
        secret_key = { file = \"next-secret\" }
        ";
    let text = format!(
        r#"
        [store.sqlite]
        path = "store.db"
        [connections.city]
        base_url = "{base_url}"
        [connections.city.key]
        name = "Integration"
        access_key = {{ file = "access" }}
        secret_key = {{ file = "secret" }}
        {}
        [connections.city.limits]
        requests_per_second = 1000
        [host_limits]
        requests_per_second = 1000
        "#,
        if has_next_key { next_key } else { "" }
    );
    Config::parse(&text, &dir.join("config.toml")).unwrap()
}

#[tokio::test]
async fn a_refused_key_is_asked_with_twice_and_then_once_an_hour_also_across_restarts() {
    let mut bench = Bench::new(false).await;
    bench.write("secret", "wrong");
    assert_eq!(bench.turn().await, (Some(Outcome::Refused), 2));
    for hour in 1..=3 {
        for _ in 0..3 {
            bench.wait(TimeDelta::minutes(15));
            bench.restart().await;
            assert_eq!(bench.turn().await, (None, 0), "hour {hour}");
        }
        bench.wait(TimeDelta::minutes(15));
        assert_eq!(bench.turn().await, (Some(Outcome::Refused), 1), "hour {hour}");
    }
    assert_eq!(bench.open().await, ["key_refused"]);
    // A person who asks is answered, and the daemon goes by that.
    assert_eq!(bench.pass(Asker::Command).await, Outcome::Refused);
    bench.wait(TimeDelta::minutes(45));
    assert_eq!(bench.turn().await, (None, 0));
    bench.write("secret", World::SECRET_KEY);
    assert_eq!(bench.turn().await, (Some(Outcome::Ok), 0));
    assert!(bench.open().await.is_empty());
}

#[tokio::test]
async fn new_values_that_are_wrong_too_get_their_second_chance_at_once() {
    let bench = Bench::new(false).await;
    bench.write("secret", "wrong");
    assert_eq!(bench.turn().await, (Some(Outcome::Refused), 2));
    bench.write("secret", "wrong again");
    assert_eq!(bench.turn().await, (Some(Outcome::Refused), 2));
    assert_eq!(bench.turn().await, (None, 0));
}

#[tokio::test]
async fn two_refused_keys_are_asked_with_once_an_hour_each() {
    let bench = Bench::new(true).await;
    bench.write("secret", "wrong");
    bench.write("next-secret", "wrong");
    assert_eq!(bench.turn().await, (Some(Outcome::Refused), 4));
    bench.wait(TimeDelta::minutes(30));
    assert_eq!(bench.turn().await, (None, 0));
    bench.wait(TimeDelta::minutes(30));
    assert_eq!(bench.turn().await, (Some(Outcome::Refused), 2));
}

#[tokio::test]
async fn a_fall_over_stands_for_days_without_asking_the_first_key() {
    let mut bench = Bench::new(true).await;
    assert_eq!(bench.turn().await, (Some(Outcome::Ok), 0));
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    assert_eq!(bench.turn().await, (Some(Outcome::Ok), 2));
    let raised_at = bench.raised_at().await;
    for _ in 0..5 {
        bench.wait(TimeDelta::hours(20));
        bench.restart().await;
        assert_eq!(bench.turn().await, (Some(Outcome::Ok), 0));
    }
    assert_eq!((bench.open().await, bench.raised_at().await), (vec!["key_fell_over"], raised_at));
}

#[tokio::test]
async fn an_outage_that_refuses_both_keys_leaves_no_warning_behind() {
    let bench = Bench::new(true).await;
    assert_eq!(bench.turn().await, (Some(Outcome::Ok), 0));
    bench.simulator.world().remove_user(World::USER);
    assert_eq!(bench.turn().await, (Some(Outcome::Refused), 4));
    bench.simulator.world().add_user(World::USER, crate::simulator::Sees::Everything);
    bench.wait(TimeDelta::hours(1));
    assert_eq!(bench.turn().await, (Some(Outcome::Ok), 0));
    assert!(bench.open().await.is_empty(), "{:?}", bench.open().await);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_told_between_runs_and_is_over_when_it_can() {
    let bench = Bench::new(false).await;
    let connection = &bench.engine.config.connections[0];
    std::fs::remove_file(bench.dir.path().join("secret")).unwrap();
    bench.engine.look_at_keys(connection).await.unwrap();
    assert_eq!(bench.open().await, ["secret_unreadable"]);
    bench.write("secret", World::SECRET_KEY);
    bench.engine.look_at_keys(connection).await.unwrap();
    assert!(bench.open().await.is_empty());
    assert_eq!(bench.simulator.requests(), 0);
}

#[tokio::test]
async fn a_replaced_secret_is_no_success_before_it_was_taken() {
    let bench = Bench::new(false).await;
    bench.write("secret", "wrong");
    bench.turn().await;
    bench.write("secret", World::SECRET_KEY);
    bench.engine.look_at_keys(&bench.engine.config.connections[0]).await.unwrap();
    assert_eq!(bench.open().await, ["key_refused"]);
    assert_eq!(bench.turn().await, (Some(Outcome::Ok), 0));
    assert!(bench.open().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_looked_for_once_an_hour() {
    let bench = Bench::new(false).await;
    let (store, name) = (&bench.engine.store, &bench.config.connections[0].name);
    let at: DateTime<Utc> = "1999-01-01T00:00:00Z".parse().unwrap();
    let pass_after_old_run = async || {
        let run = store.begin_run(name, Mode::Full, at).await.unwrap();
        store.end_run(run, name, Outcome::Ok, None, false, &Counts::default(), at).await.unwrap();
        bench.pass(Asker::Schedule).await;
        let sql = rusqlite::Connection::open(bench.dir.path().join("store.db")).unwrap();
        sql.query_row("SELECT count(*) FROM runs WHERE started_at < '2000'", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(pass_after_old_run().await, 0);
    assert_eq!(pass_after_old_run().await, 1);
    bench.wait(TimeDelta::hours(1));
    assert_eq!(pass_after_old_run().await, 0);
}

/// Another process that shows how things stand in the bench's store.
async fn watching(bench: &Bench, config: Config) -> Engine {
    let engine = Engine::open(config, bench.clock.clone()).await.unwrap();
    engine.make_room();
    engine.survey().await.unwrap();
    engine
}

fn shown(engine: &Engine) -> Vec<Arc<ConnectionStatus>> {
    engine.board.status(engine.clock.now()).connections
}

#[tokio::test]
async fn what_another_process_did_shows_at_the_next_look_and_what_stands_still_is_not_looked_at() {
    let bench = Bench::new(false).await;
    let engine = watching(&bench, bench.config.clone()).await;
    bench.pass(Asker::Command).await;
    assert!(shown(&engine)[0].last_run.is_none());
    engine.look_again().await.unwrap();
    let before = shown(&engine);
    assert!(before[0].last_run.is_some() && before[0].kinds.len() > 5);
    engine.look_again().await.unwrap();
    assert!(Arc::ptr_eq(&before[0], &shown(&engine)[0]), "nothing moved, and it was looked at again");
    let city = &bench.config.connections[0].name;
    // The first run asks for another full one.
    bench.pass(Asker::Command).await;
    engine.look_again().await.unwrap();
    assert!(!shown(&engine)[0].is_next_run_full());
    assert!(bench.engine.store.release_connection(city).await.unwrap());
    engine.look_again().await.unwrap();
    assert!(shown(&engine)[0].is_next_run_full());
    let risks = Scope::Kind(KindName::new("risks"));
    bench.engine.store.forget(city, &risks).await.unwrap();
    engine.look_again().await.unwrap();
    assert!(shown(&engine)[0].kinds.iter().all(|kind| kind.kind != "risks" || kind.present == 0));
}

/// A yearly schedule leaves hours between two turns.
#[tokio::test]
async fn days_that_are_left_show_as_soon_as_the_day_has_begun() {
    let bench = Bench::new(false).await;
    let mut config = bench.config.clone();
    let today = bench.clock.now().with_timezone(&config.connections[0].timezone).date_naive();
    config.connections[0].key.expires = Some(today + TimeDelta::days(5));
    let engine = watching(&bench, config).await;
    let left = || shown(&engine)[0].keys[0].days_left;
    assert_eq!(left(), Some(5));
    bench.wait(TimeDelta::days(1));
    engine.look_again().await.unwrap();
    assert_eq!(left(), Some(4));
}

#[tokio::test]
async fn the_couriers_hear_of_warnings_that_end_with_their_connection() {
    let bench = Bench::new(false).await;
    bench.engine.look_at_keys(&bench.engine.config.connections[0]).await.unwrap();
    let engine = bench.engine.with_config(Config { connections: Vec::new(), ..bench.config.clone() });
    let mut queued = bench.engine.queued();
    queued.mark_unchanged();
    engine.retire_warnings().await.unwrap();
    assert!(queued.has_changed().unwrap(), "the key without a date is over");
    queued.mark_unchanged();
    engine.retire_warnings().await.unwrap();
    assert!(!queued.has_changed().unwrap(), "nothing was left to tell");
}

#[tokio::test]
async fn a_connection_that_is_forgotten_by_hand_is_gone_at_the_next_look() {
    let bench = Bench::new(false).await;
    bench.pass(Asker::Command).await;
    let engine = watching(&bench, Config { connections: Vec::new(), ..bench.config.clone() }).await;
    assert_eq!(shown(&engine).len(), 1);
    bench.engine.store.forget(&bench.config.connections[0].name, &Scope::Connection).await.unwrap();
    engine.look_again().await.unwrap();
    assert!(shown(&engine).is_empty());
}
