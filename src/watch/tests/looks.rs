//! Looks at what time alone brings about.

use super::*;
use crate::warning::Ending;

#[tokio::test]
async fn between_runs_days_are_counted_by_the_clock_that_the_last_run_told() {
    let post = Post::open("2027-01-01T12:00:00Z", "").await;
    let fields = |our_clock: &str| {
        vec![("seconds".to_owned(), "600".to_owned()), ("our_clock".to_owned(), our_clock.to_owned())]
    };
    let name = &post.config.connections[0].name;
    for (our_clock, minutes) in [("behind", 10), ("ahead", -10)] {
        let id = WarningId { event: Event::ClockSkew, ..refused().id };
        let skew = Warning { id, fields: fields(our_clock), ..refused() };
        post.store.raise(&skew, post.clock.now()).await.unwrap();
        assert_eq!(skew::known(&post.store, name).await.unwrap(), TimeDelta::minutes(minutes));
        post.store.resolve(&skew, Ending::Over, &[], post.clock.now()).await.unwrap();
    }
    assert_eq!(skew::known(&post.store, name).await.unwrap(), TimeDelta::zero());
}

async fn stale(post: &Post, now: &str) -> Option<Vec<(String, String)>> {
    let connection = &post.config.connections[0];
    let looked = stale::look(&post.store, connection, &[], at(now)).await.unwrap();
    assert!(looked.examined.is_some());
    looked.hold.map(|warning| warning.fields)
}

/// A connection that never had a success counts from the first look, and survives a restart.
#[tokio::test]
async fn a_connection_that_never_worked_is_stale_two_days_after_the_first_look() {
    let post = Post::open("2027-01-01T12:00:00Z", "").await;
    for quiet in ["2027-01-01T12:00:00Z", "2027-01-02T12:00:00Z", "2027-01-03T12:00:00Z"] {
        assert_eq!(stale(&post, quiet).await, None, "{quiet}");
    }
    let fields = stale(&post, "2027-01-03T12:00:01Z").await.unwrap();
    assert!(fields[0].1.starts_with("scorecards,objectives,"), "{fields:?}");
    assert_eq!(fields[1], ("complete_as_of".into(), "never".into()));
}

#[tokio::test]
async fn what_says_already_why_nothing_moves_keeps_staleness_quiet() {
    let post = Post::open("2027-01-01T12:00:00Z", "").await;
    stale(&post, "2027-01-01T12:00:00Z").await;
    let (connection, later) = (&post.config.connections[0], at("2027-01-09T12:00:00Z"));
    for event in [Event::KeyRefused, Event::AccountChanged, Event::NothingVisible, Event::SecretUnreadable] {
        let reason = Warning { id: WarningId { event, ..refused().id }, ..refused() };
        let found = stale::look(&post.store, connection, std::slice::from_ref(&reason), later).await.unwrap();
        assert_eq!(found, stale::Staleness::default(), "found by this run: {event}");
        post.store.raise(&reason, later).await.unwrap();
        let open = stale::look(&post.store, connection, &[], later).await.unwrap();
        assert_eq!(open, stale::Staleness::default(), "open: {event}");
        post.store.resolve(&reason, Ending::Over, &[], later).await.unwrap();
    }
    assert!(stale(&post, "2027-01-09T12:00:00Z").await.is_some());
}

/// The daemon starts, or looks, while `sync` by hand is in the middle of its run.
#[tokio::test]
async fn what_a_look_told_for_a_run_under_way_is_not_told_again_at_its_end() {
    let post = Post::open("2027-01-01T12:00:00Z", "expires = 2027-12-31").await;
    let id = WarningId { event: Event::VisibilityChanged, subject: "run 7".into(), ..refused().id };
    let hold = [Warning { id, ..refused() }];
    post.store.raise(&hold[0], post.clock.now()).await.unwrap();
    assert_eq!(post.look("2027-01-01T12:10:00Z").await.len(), 1);
    post.tell(Found { hold: &hold, ..Found::NOTHING }).await;
    assert_eq!(post.heard(), [""; 0]);
    assert_eq!(post.store.warning_records(true).await.unwrap().len(), 1);
}

/// What each phase of each warning was queued for the one target, and that it was written down.
async fn told(post: &Post) -> Vec<String> {
    let mut told = Vec::new();
    for record in post.store.warning_records(true).await.unwrap() {
        let event = record.open.warning.id.event;
        told.extend(record.deliveries.iter().map(|delivery| format!("{event} {}", delivery.phase.as_str())));
    }
    told.sort();
    told
}

/// Alertmanager would show `key_expired` for weeks, and mail would never take it back.
#[tokio::test]
async fn who_was_told_that_a_key_expired_is_told_that_it_is_over_when_the_next_key_leads() {
    let mut post = Post::open("2027-04-01T12:00:00Z", "expires = 2027-03-31").await;
    let ways = [("ops", Severity::Warn, "https://ops.example/hook".to_owned())];
    post.config.warnings = crate::deliver::tests::targets(post._folder.path(), &ways).warnings;
    let next = Key { name: "Next".into(), ..Key::sample(KeySlot::NextKey, "2028-04-20".parse().ok()) };
    post.config.connections[0].next_key = Some(next);
    post.tell(Found::NOTHING).await;
    post.tell(Found { leads: KeySlot::NextKey, ..Found::NOTHING }).await;
    assert_eq!(told(&post).await, ["key_expired raised", "key_expired resolved"]);
}

#[tokio::test]
async fn who_was_told_of_a_date_that_was_wrong_is_told_that_it_is_over() {
    let mut post = Post::open("2027-03-17T12:00:00Z", "expires = 2027-03-31").await;
    let ways = [("ops", Severity::Warn, "https://ops.example/hook".to_owned())];
    let warnings = crate::deliver::tests::targets(post._folder.path(), &ways).warnings;
    for expires in ["expires = 2027-03-31", "expires = 2027-03-20", ""] {
        post.config = config(expires);
        post.config.warnings = warnings.clone();
        post.tell(Found::NOTHING).await;
    }
    let told = told(&post).await;
    assert_eq!(told.iter().filter(|told| *told == "key_expiring resolved").count(), 2, "{told:?}");
    // That its day has come is the same thing gone on: only who keeps account of what is open is told.
    post.config = config("expires = 2027-03-20");
    post.config.warnings = warnings;
    post.tell(Found::NOTHING).await;
    post.look("2027-03-21T12:00:00Z").await;
    let told = self::told(&post).await;
    assert_eq!(told.iter().filter(|told| *told == "key_expiring resolved").count(), 3, "{told:?}");
}

#[tokio::test]
async fn what_the_store_cannot_take_is_said_all_the_same() {
    let post = Post::open("2027-03-17T12:00:00Z", "expires = 2027-03-31").await;
    let file = rusqlite::Connection::open(post._folder.path().join("clearpoint.db")).unwrap();
    file.execute_batch("CREATE TRIGGER full BEFORE INSERT ON warnings BEGIN SELECT RAISE(FAIL, 'full'); END")
        .unwrap();
    let (connection, settings) = (&post.config.connections[0], &post.config.warnings);
    let found = Found { hold: &[refused()], ..Found::NOTHING };
    let told = tell(&post.store, &post.clock, settings, connection, found).await;
    assert!(told.is_err());
    let heard = post.heard().join("\n");
    assert!(heard.contains("event=key_refused") && heard.contains("event=key_expiring"), "{heard}");
}

/// A run while the clock stood a year ahead, and one after it was set right.
#[tokio::test]
async fn a_pull_in_the_future_does_not_hide_that_later_ones_grow_old() {
    use crate::kind::KindName;
    use crate::run::{Counts, KindOutcome, KindRun, Mode};

    let post = Post::open("2027-01-01T12:00:00Z", "").await;
    let (store, connection) = (&post.store, &post.config.connections[0]);
    for now in ["2028-01-01T12:00:00Z", "2027-01-01T12:00:00Z"] {
        let run = store.begin_run(&connection.name, Mode::Full, at(now)).await.unwrap();
        for kind in &connection.kinds {
            let (kind, counts) = (KindName::new(kind.name.as_str()), Counts::default());
            let (outcome, started_at) = (KindOutcome::Complete, at(now));
            let kind_run = KindRun { kind, outcome, reason: None, started_at, counts };
            store.record_kind(run, &connection.name, &kind_run, None).await.unwrap();
        }
    }
    assert_eq!(stale(&post, "2027-01-03T11:00:00Z").await, None);
    assert!(stale(&post, "2027-01-04T12:00:00Z").await.is_some());
}
