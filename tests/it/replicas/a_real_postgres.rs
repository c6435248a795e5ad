//! Three replicas as real processes on a real server, with two hundred connections: one is killed, one frozen
//! for longer than its lease, one cut off from the database.

use std::fmt::Write as _;

use clearpoint_sync::simulator::{ApiKey, Size, World};
use rustix::process::Signal;

use super::forwarder::Forwarder;
use crate::harness::{Bench, Setup};
use crate::patience::{Stopwatch, in_flight, until};
use crate::postgres_server::{Database, Postgres};
use crate::program::{Running, kill, signal};

const CONNECTIONS: usize = 200;
/// Seconds; the least that the settings allow.
const LEASE: u32 = 15;
/// Seconds between two due times of a connection.
const EVERY: u32 = 20;
/// A run that was asked to stop served nothing.
const IS_WHOLE: &str = "(reason IS NULL OR reason NOT LIKE 'stopped before the end%')";
const FINISHED: [&str; 1] = ["\"event\":\"run_finished\""];

/// Notes for each run under which token it began and whose that was, and each write for a run that is
/// committed under another token.
const AUDIT: &str = "
    CREATE SCHEMA audit;
    CREATE TABLE audit.begun (run bigint PRIMARY KEY, token bigint, holder text);
    CREATE TABLE audit.late (run bigint, what text);
    CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit.begun SELECT NEW.id, token, holder FROM clearpoint.leases WHERE name = NEW.connection;
        RETURN NULL; END $$;
    CREATE FUNCTION audit.prove() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE written bigint := (to_jsonb(NEW) ->> TG_ARGV[0])::bigint;
        BEGIN INSERT INTO audit.late SELECT run, TG_TABLE_NAME FROM audit.begun b
            WHERE run = written AND NOT EXISTS (SELECT 1 FROM clearpoint.leases l
                WHERE l.name = NEW.connection AND l.token = b.token AND l.holder = b.holder);
        RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER note AFTER INSERT ON clearpoint.runs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION audit.note();
    CREATE CONSTRAINT TRIGGER prove AFTER UPDATE ON clearpoint.runs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION audit.prove('id');
    CREATE CONSTRAINT TRIGGER prove AFTER INSERT OR UPDATE ON clearpoint.run_kinds DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION audit.prove('run');
    CREATE CONSTRAINT TRIGGER prove AFTER INSERT ON clearpoint.changes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION audit.prove('run');";

/// The account, the database, and the replicas' configurations.
struct Site {
    bench: Bench,
    database: Database,
}

/// What a replica held when it died, stood still or was cut off.
struct Lost {
    connections: Vec<String>,
    /// By the server's clock.
    since: String,
    watch: Stopwatch,
}

impl Site {
    async fn new() -> Self {
        let mut world = World::generate(196, &Size::small().with("measures", 5));
        for n in 0..CONNECTIONS {
            let (access, secret) = (format!("access-{n}"), "secret".to_owned());
            world.add_key(ApiKey { access, secret, expires: None, user: World::USER.into() });
        }
        let bench = Setup::of(world).start().await;
        bench.write_secret("secret", "secret");
        for n in 0..CONNECTIONS {
            bench.write_secret(&format!("access-{n}"), &format!("access-{n}"));
        }
        Self { bench, database: Postgres::shared().database() }
    }

    /// The configuration of a replica that reaches the server by `store`.
    fn configure(&self, replica: &str, store: &str) {
        let folder = self.bench.file(replica);
        std::fs::create_dir(&folder).unwrap();
        let mut config = format!(
            "{store}lease = \"{LEASE}s\"\nstatement_timeout = \"20s\"\nconnect_timeout = \"2s\"\n\
             [log]\nformat = \"json\"\n[daemon]\nruns_max = 8\nspool_dir = {folder:?}\n\
             [host_limits]\nrequests_per_second = 1000\nconcurrency = 64\n"
        );
        for n in 0..CONNECTIONS {
            let url = self.bench.simulator.base_url();
            write!(
                config,
                "[connections.c{n:03}]\nbase_url = \"{url}\"\nschedule = \"*/{EVERY} * * * * *\"\n\
                 kinds = [\"measures\"]\nmeasure_data = \"off\"\ndetails = \"off\"\n\
                 [connections.c{n:03}.limits]\nrequests_per_second = 1000\n\
                 [connections.c{n:03}.key]\nname = \"Key\"\nexpires = 2099-12-31\n\
                 access_key = {{ file = \"access-{n}\" }}\nsecret_key = {{ file = \"secret\" }}\n"
            )
            .unwrap();
        }
        std::fs::write(self.bench.file(&format!("{replica}.toml")), config).unwrap();
    }

    fn start(&self, replica: &str) -> Running {
        Running::start(&self.bench.file(&format!("{replica}.toml")), &["run"])
    }

    fn sql(&self, query: &str) -> Vec<String> {
        let said =
            self.database.psql(&format!("SET search_path TO clearpoint; SET timezone TO 'UTC'; {query}"));
        said.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn assert_none(&self, query: &str) {
        assert_eq!(self.sql(query), [""; 0], "{query}");
    }

    /// Catches a replica at work: the account answers nobody until it is released.
    async fn catch(&self, replica: &Running) {
        let is_caught = async || {
            self.bench.simulator.hold();
            in_flight(&self.bench.simulator, 8).await;
            let before = self.held(replica.pid);
            // What was answered already may end yet.
            let kept = self.held(replica.pid).into_iter().filter(|name| before.contains(name)).count();
            if kept < 2 {
                self.bench.simulator.release();
            }
            kept >= 2
        };
        until("the replica is at work", is_caught).await;
    }

    /// The connections that a replica holds.
    fn held(&self, pid: u32) -> Vec<String> {
        self.sql(&format!(
            "SELECT name FROM leases WHERE expires_at > clock_timestamp() AND holder LIKE '%pid {pid},%'"
        ))
    }

    /// What a replica held that can no longer give anything back, and since when.
    #[track_caller]
    fn lost_with(&self, pid: u32) -> Lost {
        let (connections, since) = (self.held(pid), self.sql("SELECT clock_timestamp()").remove(0));
        assert!(!connections.is_empty());
        Lost { connections, since, watch: Stopwatch::start() }
    }

    /// Waits until all that was lost was run to an end elsewhere, no later than two leases after it was.
    async fn assert_taken_over(&self, lost: &Lost, by: &mut Running) {
        let Lost { connections, since, watch } = lost;
        let ended = format!(
            "SELECT count(DISTINCT connection) FROM runs WHERE outcome = 'ok' AND started_at > '{since}'
             AND connection IN ('{}')",
            connections.join("', '")
        );
        let are_all = async || {
            let are_all = self.sql(&ended) == [connections.len().to_string()];
            if !are_all {
                by.says_more(1, &FINISHED).await;
            }
            are_all
        };
        until("all are run elsewhere", are_all).await;
        self.assert_none(&format!(
            "SELECT connection, min(started_at) FROM runs WHERE outcome = 'ok' AND started_at > '{since}'
             AND connection IN ('{}') GROUP BY connection
             HAVING min(started_at) > timestamptz '{since}' + interval '{} seconds'",
            connections.join("', '"),
            f64::from(2 * LEASE) + watch.lost().as_secs_f64()
        ));
    }

    /// Every due time was served, none twice, nobody got in another's way, and nothing came too late.
    fn assert_sound(&self) {
        self.assert_none("SELECT * FROM audit.late");
        self.assert_none(
            "SELECT * FROM (SELECT connection, started_at, lag(finished_at) OVER w AS ended FROM runs
             WHERE finished_at IS NOT NULL WINDOW w AS (PARTITION BY connection ORDER BY id)) AS r
             WHERE started_at < ended",
        );
        // Between two runs of a connection something was due.
        let due = format!("date_bin('{EVERY} seconds', started_at, timestamptz '2026-01-01')");
        self.assert_none(&format!(
            "SELECT * FROM (SELECT id, connection, started_at, {due} AS due, lag(finished_at) OVER w AS ended FROM runs
             WHERE finished_at IS NOT NULL AND {IS_WHOLE} WINDOW w AS (PARTITION BY connection ORDER BY id)) AS r
             WHERE due <= ended"
        ));
        self.assert_none(&format!("SELECT * FROM runs WHERE outcome <> 'ok' AND {IS_WHOLE}"));
        let elements = self.bench.visible("scorecards").len() + self.bench.visible("measures").len();
        self.assert_none(&format!(
            "SELECT connection, count(*) FROM elements WHERE state = 'present' GROUP BY connection
             HAVING count(*) <> {elements}"
        ));
        assert_eq!(self.sql("SELECT count(DISTINCT connection) FROM elements"), [CONNECTIONS.to_string()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_replicas_share_the_work_whoever_dies_stands_still_or_is_cut_off() {
    let site = Site::new().await;
    let Database { name, port, user, .. } = &site.database;
    let way = Forwarder::start(*port).await;
    site.configure("a", &site.database.toml());
    site.configure("b", &site.database.toml());
    let over_the_way =
        format!("host = \"127.0.0.1\"\nport = {}\ndatabase = {name:?}\nuser = {user:?}\n", way.port);
    site.configure("c", &format!("[store.postgres]\n{over_the_way}"));
    let mut first = site.start("a");
    first.says("daemon_started").await;
    site.database.psql(AUDIT);
    let (mut second, mut third) = (site.start("b"), site.start("c"));
    second.says("daemon_started").await;
    third.says("daemon_started").await;
    first.says_more(5, &FINISHED).await;

    site.catch(&first).await;
    kill(first.pid);
    let lost = site.lost_with(first.pid);
    site.bench.simulator.release();
    site.assert_taken_over(&lost, &mut third).await;

    site.catch(&second).await;
    signal(second.pid, Signal::STOP);
    let lost = site.lost_with(second.pid);
    site.bench.simulator.release();
    site.assert_taken_over(&lost, &mut third).await;
    signal(second.pid, Signal::CONT);
    second.says_often(lost.connections.len(), &["\"event\":\"lease_lost\""]).await;

    site.catch(&third).await;
    way.cut();
    let lost = site.lost_with(third.pid);
    site.bench.simulator.release();
    site.assert_taken_over(&lost, &mut second).await;
    way.heal();
    third.says_more(20, &FINISHED).await;

    let (second, third) = (second.stop().await, third.stop().await);
    second.assert_code(&[0]);
    third.assert_code(&[0]);
    site.assert_sound();
}
