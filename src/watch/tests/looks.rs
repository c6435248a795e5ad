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
    for (our_clock, expected) in [("behind", "2027-01-01T12:10:00Z"), ("ahead", "2027-01-01T11:50:00Z")] {
        let id = WarningId { event: Event::ClockSkew, ..refused().id };
        let skew = Warning { id, fields: fields(our_clock), ..refused() };
        post.store.raise(&skew, post.clock.now()).await.unwrap();
        let clock = skew::put_right(&post.store, &post.clock, name).await.unwrap();
        assert_eq!(clock.now(), at(expected));
        post.store.resolve(&skew, Ending::Over, &[], post.clock.now()).await.unwrap();
    }
    let clock = skew::put_right(&post.store, &post.clock, name).await.unwrap();
    assert_eq!(clock.now(), post.clock.now());
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
