//! A daemon whose key is refused asks twice, then leaves the server alone; it tells once, changes nothing,
//! and goes on by itself when the key works again.

use clearpoint_sync::simulator::{ApiKey, Size, World};

use crate::harness::{Bench, Setup};
use crate::program::Running;

/// A turn of the neighbour, which shows that time went by.
const TURN: [&str; 2] = ["\"event\":\"run_finished\"", "\"connection\":\"port\""];

const CITY: &str = "\"connection\":\"city\"";

const OWN_TURN: [&str; 2] = ["\"event\":\"run_finished\"", CITY];

fn key(access: &str, secret: &str) -> ApiKey {
    ApiKey { access: access.into(), secret: secret.into(), expires: None, user: World::USER.into() }
}

fn city() -> ApiKey {
    key(World::ACCESS_KEY, World::SECRET_KEY)
}

/// Two synced connections that are due every second: `city`, whose key a test takes away, and `port`,
/// whose key works.
async fn bench() -> Bench {
    let mut world = World::generate(191, &Size::small().with("measures", 5));
    world.add_key(key("port-access", "port-secret"));
    let setup = Setup { measure_data: "off", details: "off", kinds: &["measures"], ..Setup::of(world) };
    let bench = setup.start().await;
    bench.write_secret("port-access", "port-access");
    bench.write_secret("port-secret", "port-secret");
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let config = config.replace("\"*/15 * * * *\"", "\"*/1 * * * * *\"");
    let port = format!(
        "\n[connections.port]\nbase_url = \"{}\"\nmapped_user = \"{}\"\nschedule = \"*/1 * * * * *\"\n\
         schedule_full = \"30 2 * * *\"\nkinds = [\"measures\"]\nmeasure_data = \"off\"\ndetails = \"off\"\n\
         [connections.port.key]\nname = \"Port\"\nexpires = 2099-12-31\n\
         access_key = {{ file = \"port-access\" }}\nsecret_key = {{ file = \"port-secret\" }}\n",
        bench.simulator.base_url(),
        World::USER
    );
    std::fs::write(bench.file("config.toml"), config + &port).unwrap();
    bench.sync_full().await;
    bench.sync_full().await;
    bench.refused();
    bench
}

/// What is said of `city`, but that the rest before a refused key is asked with again outlasts the second between
/// two runs.
fn told_of_city(daemon: &Running) -> Vec<String> {
    let text = daemon.text();
    let lines = text.lines().filter(|line| line.contains(CITY) && !line.contains("\"run_skipped\""));
    lines.map(str::to_owned).collect()
}

/// Lets the neighbour have turns, in which `city` could have asked.
async fn let_turns_pass(daemon: &mut Running) {
    daemon.says_more(4, &TURN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_costs_a_daemon_two_requests_and_one_error_and_no_data() {
    let bench = bench().await;
    let before = bench.content();
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    let mut daemon = bench.start(&["run"]);
    for event in ["\"key_refused\"", "\"key_expiry_mismatch\""] {
        daemon.says_often(1, &[event, CITY]).await;
    }
    let told = told_of_city(&daemon);
    let_turns_pass(&mut daemon).await;
    assert_eq!(told_of_city(&daemon), told, "quiet once it is told");
    assert_eq!(daemon.lines(&["\"ERROR\""]), 1);
    assert_eq!(bench.refused(), 2);
    bench.content().assert_same(&before);
    daemon.stop().await.assert_code(&[0]);

    let mut daemon = bench.start(&["run"]);
    let_turns_pass(&mut daemon).await;
    let ran = daemon.stop().await;
    assert_eq!(bench.refused(), 0, "none within the hour, also by a daemon that was started anew: {ran}");
    assert!(!ran.stderr.contains("ERROR"), "{ran}");
    bench.content().assert_same(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_later_a_daemon_asks_once_and_says_nothing_new() {
    let bench = bench().await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync", "city"]).await.assert_code(&[3]);
    bench.refused();
    bench.let_hours_pass_for_keys(1);
    let mut daemon = bench.start(&["run"]);
    let_turns_pass(&mut daemon).await;
    let_turns_pass(&mut daemon).await;
    let ran = daemon.stop().await;
    assert_eq!(bench.refused(), 1, "{ran}");
    assert_eq!(ran.said("key_refused"), 0, "{ran}");
    assert!(!ran.stderr.contains("ERROR"), "{ran}");
}

/// The daemon rests; a person mends the key and asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_by_hand_beside_the_daemon_asks_at_once_and_the_daemon_goes_on() {
    let bench = bench().await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    bench.run(&["sync", "city"]).await.assert_code(&[3]);
    bench.let_hours_pass_since_runs(30);
    let mut daemon = bench.start(&["run"]);
    let_turns_pass(&mut daemon).await;
    bench.refused();

    let still_refused = bench.run(&["sync", "city"]).await;
    still_refused.assert_code(&[3]);
    assert!(bench.refused() <= 2, "{still_refused}");
    assert_eq!(still_refused.said("key_refused"), 0, "it is told already: {still_refused}");

    bench.simulator.world().add_key(city());
    let own_turns = daemon.lines(&OWN_TURN);
    let mended = bench.run(&["sync", "city"]).await;
    mended.assert_code(&[0]);
    assert_eq!(mended.said("warning_resolved"), mended.log().iter().filter(resolves).count(), "{mended}");
    mended.assert_names(&["warning_resolved", "\"key_refused\"", "\"data_stood_still\":\"1d 6h\""]);
    assert!(bench.open_warnings().is_empty());

    daemon.says_more(2, &OWN_TURN).await;
    let ran = daemon.stop().await;
    assert_eq!(bench.refused(), 0, "{ran}");
    assert!(ran.said("run_finished") > own_turns, "{ran}");
    assert!(!ran.stderr.contains("ERROR"), "{ran}");
}

/// Resolutions that follow from a key that works again.
fn resolves(line: &&serde_json::Value) -> bool {
    let text = line.to_string();
    text.contains("warning_resolved")
        && ["key_refused", "key_expiry_mismatch"].iter().any(|event| text.contains(event))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_takes_mended_secrets_by_itself_and_says_how_long_data_stood_still() {
    let bench = bench().await;
    bench.write_secret("secret-key", "wrong");
    bench.run(&["sync", "city"]).await.assert_code(&[3]);
    bench.let_hours_pass_since_runs(30);
    let mut daemon = bench.start(&["run"]);
    let_turns_pass(&mut daemon).await;
    bench.write_secret("new", World::SECRET_KEY);
    std::fs::rename(bench.file("new"), bench.file("secret-key")).unwrap();
    daemon.says_often(1, &["warning_resolved", "\"key_refused\"", "\"data_stood_still\":\"1d 6h\""]).await;
    daemon.says_more(1, &OWN_TURN).await;
    let ran = daemon.stop().await;
    ran.assert_code(&[0]);
    assert!(bench.open_warnings().is_empty());
    assert_eq!(bench.outcome("measures"), "complete");
}
