//! SIGHUP: a good new configuration is taken on without losing a run, a bad one changes nothing.

use clearpoint_sync::simulator::{ApiKey, Size, World};

use crate::harness::{Bench, Setup};
use crate::metrics::Scrape;
use crate::patience::in_flight;
use crate::program::Running;
use crate::receiver::{Mood, Receiver};
use crate::server::{address, serve};

const TURN: [&str; 2] = ["\"event\":\"run_finished\"", "\"connection\":\"city\""];
const TURN_OF_PORT: [&str; 2] = ["\"event\":\"run_finished\"", "\"connection\":\"port\""];

/// A synced connection, `city`, that is due every second, and a key for another.
async fn bench() -> Bench {
    let mut world = World::generate(193, &Size::small().with("measures", 5));
    let (access, secret) = ("port-access".to_owned(), "port-secret".to_owned());
    world.add_key(ApiKey { access, secret, expires: None, user: World::USER.into() });
    let kinds = &["measures"];
    let setup = Setup { measure_data: "off", details: "off", kinds, concurrency: 1, ..Setup::of(world) };
    let bench = setup.start().await;
    bench.write_secret("port-access", "port-access");
    bench.write_secret("port-secret", "port-secret");
    edit(&bench, |config| config.replace("*/15 * * * *", "*/1 * * * * *"));
    bench.sync_full().await;
    bench.sync_full().await;
    bench
}

fn edit(bench: &Bench, change: impl FnOnce(String) -> String) {
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    std::fs::write(bench.file("config.toml"), change(config)).unwrap();
}

/// A section for a second connection, with these halves of its key. As the first, it sends one request at a time: two
/// in flight are one of each.
fn port(bench: &Bench, access: &str) -> String {
    format!(
        "\n[connections.port]\nbase_url = \"{}\"\nschedule = \"*/1 * * * * *\"\nkinds = [\"measures\"]\n\
         measure_data = \"off\"\ndetails = \"off\"\n[connections.port.key]\nname = \"Port\"\n\
         access_key = {{ file = \"{access}\" }}\nsecret_key = {{ file = \"port-secret\" }}\n\
         [connections.port.limits]\nconcurrency = 1\n",
        bench.simulator.base_url()
    )
}

/// A section for a target of warnings.
fn target(bench: &Bench, name: &str, receiver: &Receiver) -> String {
    bench.write_secret(name, &receiver.url());
    format!("\n[warnings.targets.{name}]\ntype = \"webhook\"\nurl = {{ file = \"{name}\" }}\n")
}

async fn daemon(bench: &Bench) -> Running {
    let mut daemon = bench.start(&["run"]);
    daemon.says_more(1, &TURN).await;
    daemon
}

/// Asks for a reload, and waits until it is over.
async fn reload(daemon: &mut Running, event: &str, words: &[&str]) {
    let event = format!("\"event\":\"{event}\"");
    let words = [&[event.as_str()], words].concat();
    let before = daemon.lines(&words);
    daemon.hang_up();
    daemon.says_often(before + 1, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_added_runs_at_once_and_one_that_is_removed_no_more() {
    let bench = bench().await;
    let mut daemon = daemon(&bench).await;
    let before = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    edit(&bench, |config| config + &port(&bench, "port-access"));
    let counts = ["\"connections\":2,\"added\":1,\"removed\":0,\"changed\":0"];
    reload(&mut daemon, "reloaded", &counts).await;
    daemon.says_more(2, &TURN_OF_PORT).await;
    daemon.says_more(1, &TURN).await;
    assert!(bench.open_warnings().contains(&"key_expiry_unknown".to_owned()));

    std::fs::write(bench.file("config.toml"), before).unwrap();
    let counts = ["\"connections\":1,\"added\":0,\"removed\":1,\"changed\":0"];
    reload(&mut daemon, "reloaded", &counts).await;
    daemon.says_more(2, &TURN).await;
    let turns = daemon.lines(&TURN_OF_PORT);
    daemon.says_more(3, &TURN).await;
    assert_eq!(daemon.lines(&TURN_OF_PORT), turns);
    assert!(bench.open_warnings().is_empty(), "{:?}", bench.open_warnings());
    let ran = daemon.stop().await;
    ran.assert_code(&[0]);
    assert!(!ran.stderr.contains("\"ERROR\""), "{ran}");
}

/// The reload and their own first looks find the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_connections_that_are_added_is_told_once() {
    let bench = bench().await;
    let mut daemon = daemon(&bench).await;
    let names: Vec<String> = (0..8).map(|idx| format!("port-{idx}")).collect();
    let section = |name: &String| {
        let section = port(&bench, &format!("no-access-{name}")).replace("*/1 * * * * *", "*/15 * * * *");
        section.replace(".port", &format!(".{name}")).replace("port-secret", &format!("no-secret-{name}"))
    };
    let sections: String = names.iter().map(section).collect();
    edit(&bench, |config| config + &sections);
    reload(&mut daemon, "reloaded", &["\"added\":8"]).await;
    daemon.says_more(2, &TURN).await;
    let ran = daemon.stop().await;
    assert_eq!((ran.said("secret_unreadable"), ran.said("key_expiry_unknown")), (8, 8), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_with_every_fault_on_one_line_and_the_old_one_goes_on() {
    let bench = bench().await;
    let mut daemon = daemon(&bench).await;
    let good = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    edit(&bench, |config| config.replace("*/1 * * * * *", "soon").replace("\"off\"", "\"of\""));
    let faults = ["connections.city.schedule", "connections.city.measure_data", "connections.city.details"];
    reload(&mut daemon, "reload_refused", &faults).await;
    std::fs::write(bench.file("config.toml"), format!("{good}\nthis is no TOML")).unwrap();
    reload(&mut daemon, "reload_refused", &["TOML parse error"]).await;
    std::fs::remove_file(bench.file("config.toml")).unwrap();
    reload(&mut daemon, "reload_refused", &["config.toml"]).await;
    daemon.says_more(2, &TURN).await;

    std::fs::write(bench.file("config.toml"), &good).unwrap();
    reload(&mut daemon, "reloaded", &["settings are unchanged"]).await;
    let ran = daemon.stop().await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("reload_refused"), 3, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_change_while_it_runs_is_refused_by_name() {
    let bench = bench().await;
    let mut daemon = daemon(&bench).await;
    edit(&bench, |config| {
        config.replace("\"clearpoint.db\"", "\"other.db\"").replace("\"json\"", "\"text\"")
    });
    let named = ["store.sqlite.path", "log.format", "restart the daemon"];
    reload(&mut daemon, "reload_refused", &named).await;
    edit(&bench, |config| {
        config.replace("\"other.db\"", "\"clearpoint.db\"").replace("\"text\"", "\"json\"")
    });
    edit(&bench, |config| config + &port(&bench, "access-key").replace("\"access-key\"", "\"twin\""));
    bench.write_secret("twin", World::ACCESS_KEY);
    reload(&mut daemon, "reload_refused", &["city and port hold the same access key"]).await;
    daemon.says_more(1, &TURN).await;
    assert!(!bench.file("other.db").exists());
    daemon.stop().await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_is_not_lost_and_one_of_a_removed_connection_stops() {
    let bench = bench().await;
    edit(&bench, |config| config + &port(&bench, "port-access"));
    bench.run(&["sync"]).await.assert_code(&[0]);
    let mut daemon = daemon(&bench).await;
    bench.simulator.hold();
    in_flight(&bench.simulator, 2).await;
    let requests = bench.simulator.requests();
    edit(&bench, |config| config.replace("[connections.port", "[connections.fort"));
    reload(&mut daemon, "reloaded", &["\"connections\":2,\"added\":1,\"removed\":1,\"changed\":0"]).await;
    // The new one asks too: with the key of the one that has stopped.
    in_flight(&bench.simulator, 2).await;
    bench.simulator.release();
    daemon.says_more(1, &TURN).await;
    daemon.says_more(1, &["\"event\":\"run_finished\"", "\"connection\":\"fort\""]).await;
    assert!(bench.simulator.requests() > requests);
    let ran = daemon.stop().await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("run_failed"), 0, "{ran}");
    let overlaps = "SELECT count(*) FROM (SELECT started_at, lag(finished_at) OVER \
                    (PARTITION BY connection ORDER BY id) AS ended FROM runs) WHERE started_at < ended";
    assert_eq!(bench.number(overlaps), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_removed_in_mid_run_raises_nothing_more() {
    let bench = bench().await;
    edit(&bench, |config| config + &port(&bench, "port-access"));
    bench.run(&["sync"]).await.assert_code(&[0]);
    let open = "SELECT count(*) FROM warnings WHERE connection = 'port' AND resolved_at IS NULL";
    assert_eq!(bench.number(open), 1, "no date is written down for its key");
    let mut daemon = daemon(&bench).await;
    bench.simulator.hold();
    in_flight(&bench.simulator, 2).await;
    edit(&bench, |config| config.split("\n[connections.port]").next().unwrap().to_owned());
    reload(&mut daemon, "reloaded", &["\"removed\":1"]).await;
    bench.simulator.release();
    daemon.says_more(2, &TURN).await;
    let ran = daemon.stop().await;
    assert_eq!(ran.said("key_expiry_unknown"), 0, "{ran}");
    assert_eq!(bench.number("SELECT count(*) FROM warnings WHERE connection = 'port'"), 1);
    assert_eq!(bench.number(open), 0);
}

/// The old targets are given seconds to take what is left; the new connection does not wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_connection_asks_first_is_counted_although_an_old_target_is_silent() {
    let bench = bench().await;
    let (silent, other) = (Receiver::start().await, Receiver::start().await);
    silent.is_now(Mood::Silent);
    let silent_target = target(&bench, "silent", &silent);
    serve(&bench, "listen = \"127.0.0.1:0\"");
    // A key without a date is something to tell.
    edit(&bench, |config| config.replace("expires = 2099-12-31", "") + &silent_target);
    let mut daemon = bench.start(&["run"]);
    let address = address(&mut daemon).await;
    silent.asked(1).await;
    let port = port(&bench, "port-access").replace("*/1 * * * * *", "0 0 1 1 *");
    let other_target = target(&bench, "other", &other);
    edit(&bench, |config| config.replace(&silent_target, &other_target) + &port);
    reload(&mut daemon, "reloaded", &["\"added\":1"]).await;
    daemon.says_often(1, &TURN_OF_PORT).await;
    let scrape = Scrape::of(&address).await;
    assert!(scrape.value("requests_total{connection=\"port\",class=\"ok\"}") > 0.0);
    daemon.stop().await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_checked_without_a_word_when_they_are_good() {
    let bench = bench().await;
    let good = bench.run(&["config", "--check"]).await;
    good.assert_code(&[0]);
    assert_eq!(good.text().trim(), "");
    edit(&bench, |config| config.replace("*/1 * * * * *", "soon").replace("\"off\"", "\"of\""));
    let bad = bench.run(&["config", "--check"]).await;
    bad.assert_code(&[2]);
    bad.assert_names(&["connections.city.schedule"]);
    bad.assert_names(&["connections.city.details"]);
}
