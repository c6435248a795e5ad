//! Claims against a real server, on a clock that the test moves.

mod a_real_postgres {
    use chrono::{DateTime, Utc};

    use super::super::Claim;
    use crate::app::Engine;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::run::{Counts, Mode, Outcome};
    use crate::store::postgres::tests::server;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn config(database: &server::Database, dir: &std::path::Path) -> Config {
        let text = format!(
            r#"
            [store.postgres]
            host = "{}"
            port = {}
            database = "{}"
            user = "{}"
            [connections.city]
            base_url = "http://127.0.0.1:9"
            schedule = "*/15 * * * *"
            schedule_full = "30 2 * * *"
            [connections.city.key]
            name = "Integration"
            access_key = {{ file = "access" }}
            secret_key = {{ file = "secret" }}
            "#,
            database.folder.display(),
            database.port,
            database.name,
            database.user
        );
        Config::parse(&text, &dir.join("config.toml")).unwrap()
    }

    /// Records a run that began and ended then.
    async fn ran(engine: &Engine, mode: Mode, began: &str, ended: &str) {
        let city = &engine.config.connections[0].name;
        let run = engine.store.begin_run(city, mode, at(began)).await.unwrap();
        let counts = Counts::default();
        engine.store.end_run(run, city, Outcome::Ok, None, false, &counts, at(ended)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_run_that_came_due_during_another_run_is_made_by_one_and_no_more() {
        let database = server::Postgres::shared().database();
        let dir = tempfile::tempdir().unwrap();
        let (clock, simulated) = Clock::stepped(at("2026-03-02T02:30:20Z"));
        let engine = Engine::open(config(&database, dir.path()), clock).await.unwrap();
        ran(&engine, Mode::Full, "2026-03-01T02:30:00Z", "2026-03-01T02:31:00Z").await;
        ran(&engine, Mode::Incremental, "2026-03-02T02:29:50Z", "2026-03-02T02:30:10Z").await;
        let claim = async || {
            let city = &engine.config.connections[0];
            engine.claim(city, at("2026-03-02T02:30:00Z"), Mode::Full).await.unwrap()
        };
        let claimed = claim().await;
        assert!(matches!(claimed, Claim::Ours { mode: Mode::Full, .. }), "{claimed:?}");
        drop(claimed);
        simulated.advance_to(at("2026-03-02T02:32:00Z"));
        ran(&engine, Mode::Full, "2026-03-02T02:30:20Z", "2026-03-02T02:31:20Z").await;
        let claimed = claim().await;
        assert!(matches!(&claimed, Claim::Served(served) if served.mode == Mode::Full), "{claimed:?}");
    }

    /// A secret that one machine lacks must not cost the others their runs.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_that_failed_before_it_asked_anything_serves_nobody_else() {
        let database = server::Postgres::shared().database();
        let dir = tempfile::tempdir().unwrap();
        let (clock, _simulated) = Clock::stepped(at("2026-03-02T09:00:20Z"));
        let engine = Engine::open(config(&database, dir.path()), clock).await.unwrap();
        ran(&engine, Mode::Full, "2026-03-02T02:30:00Z", "2026-03-02T02:31:00Z").await;
        let city = &engine.config.connections[0];
        let claim = async || engine.claim(city, at("2026-03-02T09:00:00Z"), Mode::Incremental).await.unwrap();
        for (requests, serves) in [(0, false), (3, true)] {
            let began = at("2026-03-02T09:00:05Z");
            let run = engine.store.begin_run(&city.name, Mode::Incremental, began).await.unwrap();
            let counts = Counts { requests, ..Counts::default() };
            let reason = Some("it failed");
            let ended = engine.store.end_run(run, &city.name, Outcome::Failed, reason, false, &counts, began);
            ended.await.unwrap();
            let claimed = claim().await;
            assert_eq!(matches!(claimed, Claim::Served(_)), serves, "{claimed:?}");
        }
    }
}
