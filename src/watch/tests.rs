//! Weeks of a watched connection: a real store, and the lines as they are logged.

mod looks;
mod sixty_days;

use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

use super::*;
use crate::clock::Simulated;
use crate::config::Config;
use crate::store::Place;
use crate::telemetry::{self, Look};
use crate::warning::Severity;

const TAKEN: &[(KeySlot, bool)] = &[(KeySlot::Key, true)];
const REFUSED: &[(KeySlot, bool)] = &[(KeySlot::Key, false)];

/// A connection, its store, and what was logged.
struct Post {
    store: Store,
    clock: Clock,
    hand: Arc<Simulated>,
    config: Config,
    lines: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
    _logging: DefaultGuard,
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn config(expires: &str) -> Config {
    let text = format!(
        r#"
        [store.sqlite]
        path = "clearpoint.db"
        [connections.city]
        mapped_user = "reporting@city.example"
        timezone = "America/New_York"
        schedule = "*/15 * * * *"
        schedule_full = "30 2 * * *"
        [connections.city.key]
        name = "Integration"
        {expires}
        access_key = {{ env = "CITY_ACCESS" }}
        secret_key = {{ env = "CITY_SECRET" }}
        "#
    );
    Config::parse(&text, Path::new("/etc/clearpoint-sync/config.toml")).unwrap()
}

impl Post {
    async fn open(now: &str, expires: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::stepped(at(now));
        let store = Store::open(&Place::file(folder.path().join("clearpoint.db")), at(now)).await.unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, still) = (Arc::clone(&lines), Clock::stepped(at("2000-01-01T00:00:00Z")).0);
        let write = move |line: &str| log.lock().unwrap().push(line.trim_end().to_owned());
        let look = Look::Journal;
        let subscriber = telemetry::subscriber(look, "info", still, write).unwrap();
        let logging = telemetry::listen(subscriber);
        Self { store, clock, hand, config: config(expires), lines, _folder: folder, _logging: logging }
    }

    async fn tell(&self, found: Found<'_>) -> Standing {
        let connection = &self.config.connections[0];
        tell(&self.store, &self.clock, &self.config.warnings, connection, found).await.unwrap()
    }

    /// What is logged when the connection is looked at then.
    async fn look(&self, now: &str) -> Vec<String> {
        self.hand.advance_to(at(now));
        self.tell(Found::NOTHING).await;
        self.heard()
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

fn refused() -> Warning {
    Warning {
        id: WarningId {
            event: Event::KeyRefused,
            connection: config("").connections[0].name.clone(),
            subject: String::new(),
        },
        severity: Severity::Error,
        level: 1,
        message: "key refused: the door answered 401".into(),
        action: "check the key in ClearPoint".into(),
        fields: Vec::new(),
    }
}

#[tokio::test]
async fn an_expiring_key_is_one_stable_line() {
    let post = Post::open("2027-03-17T12:00:00Z", "expires = 2027-03-31").await;
    assert_eq!(
        post.look("2027-03-17T12:00:00Z").await,
        ["<4>WARN key expires soon event=key_expiring connection=city key=Integration expires=2027-03-31 \
          days_left=14 mapped_user=reporting@city.example \
          action=\"ClearPoint > System Settings > System setup > Integrations > API Keys > Edit\" \
          setting=connections.city.key.expires usable_through=2027-03-31 \
          first_run_after=2027-04-01T00:00:00-04:00 warning_id=\"city/key_expiring/key 2027-03-31\""]
    );
}

#[tokio::test]
async fn a_key_that_lapses_unheeded_is_said_at_each_rung_and_daily_at_the_end() {
    let post = Post::open("2027-02-20T12:00:00Z", "expires = 2027-03-31").await;
    let mut days = Vec::new();
    for hour in 0..(43 * 24) {
        let now = at("2027-02-20T12:00:00Z") + TimeDelta::hours(hour);
        for line in post.look(&now.to_rfc3339()).await {
            let field = line.split(' ').find_map(|word| word.strip_prefix("days_left="));
            days.push(field.unwrap().parse::<i64>().unwrap());
        }
    }
    assert_eq!(days, [30, 14, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4]);
}

#[tokio::test]
async fn a_later_date_is_said_once_as_renewal() {
    let mut post = Post::open("2027-03-17T12:00:00Z", "expires = 2027-03-31").await;
    post.look("2027-03-17T12:00:00Z").await;
    post.config = config("expires = 2028-03-31");
    assert_eq!(
        post.look("2027-03-18T12:00:00Z").await,
        ["<6>INFO key renewed event=key_renewed connection=city key=Integration expires=2028-03-31 \
          warning_id=\"city/key_expiring/key 2027-03-31\""]
    );
    assert_eq!(post.look("2027-03-19T12:00:00Z").await, [""; 0]);
}

#[tokio::test]
async fn a_refused_key_is_said_at_once_and_resolved_by_success() {
    let post = Post::open("2027-01-01T12:00:00Z", "expires = 2027-12-31").await;
    let refused = refused();
    let examined = [refused.id.clone()];
    let hold = [refused];
    let found = Found { hold: &hold, examined: &examined, still_works: REFUSED, ..Found::NOTHING };
    assert_eq!(post.tell(found).await.warnings_open, 1);
    assert_eq!(post.tell(found).await.warnings_open, 1);
    assert_eq!(
        post.heard(),
        ["<3>ERROR key refused: the door answered 401 event=key_refused connection=city \
          action=\"check the key in ClearPoint\" warning_id=city/key_refused"]
    );
    // A look at the dates alone says nothing of the key's refusal.
    assert_eq!(post.tell(Found::NOTHING).await.warnings_open, 1);
    post.hand.advance_to(at("2027-01-02T15:30:00Z"));
    let works = Found { examined: &examined, still_works: TAKEN, ..Found::NOTHING };
    assert_eq!(post.tell(works).await.warnings_open, 0);
    assert_eq!(
        post.heard(),
        ["<6>INFO key works again, the data moves on event=warning_resolved connection=city \
          resolved=key_refused since=2027-01-01T12:00:00Z lasted=\"1d 3h\" warning_id=city/key_refused"]
    );
}

#[tokio::test]
async fn a_warning_stored_but_not_yet_said_is_said() {
    let post = Post::open("2027-01-01T12:00:00Z", "expires = 2027-12-31").await;
    let hold = [refused()];
    post.store.raise(&hold[0], post.clock.now()).await.unwrap();
    let found = Found { hold: &hold, still_works: REFUSED, ..Found::NOTHING };
    post.tell(found).await;
    assert_eq!(post.heard().len(), 1);
}

#[tokio::test]
async fn a_key_past_its_date_says_whether_it_works() {
    let post = Post::open("2027-04-01T12:00:00Z", "expires = 2027-03-31").await;
    let works = Found { still_works: TAKEN, ..Found::NOTHING };
    let standing = post.tell(works).await;
    assert_eq!(standing.key.days_left, Some(-1));
    let line = &post.heard()[0];
    assert!(line.starts_with("<3>ERROR key expired event=key_expired connection=city"), "{line}");
    assert!(line.contains(" still_works=true "), "{line}");
    // A look at the date alone remembers what the last run saw.
    let line = &post.look("2027-04-02T12:00:00Z").await[0];
    assert!(line.contains(" days_left=-2 ") && line.contains(" still_works=true "), "{line}");
}

#[tokio::test]
async fn an_unknown_fact_is_logged_all_the_same() {
    let post = Post::open("2027-01-01T12:00:00Z", "expires = 2027-12-31").await;
    let mut warning = refused();
    warning.fields = vec![("kind".into(), "measures".into()), ("odd".into(), "1".into())];
    post.tell(Found { hold: &[warning], ..Found::NOTHING }).await;
    let line = &post.heard()[0];
    assert!(line.contains(" kind=measures ") && line.contains(" more=\"odd=1\" "), "{line}");
}

#[tokio::test]
async fn a_warning_about_a_kind_that_is_no_longer_configured_is_over() {
    let post = Post::open("2027-03-17T12:00:00Z", "expires = 2027-12-31").await;
    let about = |subject: &str| {
        let id = WarningId { event: Event::RemovalsHeld, subject: subject.into(), ..refused().id };
        Warning { id, ..refused() }
    };
    let hold = [about("measures"), about("milestones")];
    post.tell(Found { hold: &hold, ..Found::NOTHING }).await;
    let left = post.tell(Found::NOTHING).await.warnings_open;
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_first_key_that_fell_over_says_no_more_of_its_date() {
    let mut post = Post::open("2027-04-01T12:00:00Z", "expires = 2027-03-31").await;
    let next = Key { name: "Next".into(), ..Key::sample(KeySlot::NextKey, "2027-04-20".parse().ok()) };
    post.config.connections[0].next_key = Some(next);
    assert_eq!(post.tell(Found::NOTHING).await.warnings_open, 2);
    let said = post.heard();
    assert!(said[0].contains("event=key_expired") && said[1].contains("event=key_expiring"), "{said:?}");
    let leads_next = Found { leads: KeySlot::NextKey, ..Found::NOTHING };
    let standing = post.tell(leads_next).await;
    assert_eq!((standing.warnings_open, standing.key.days_left), (1, Some(19)));
    assert_eq!(post.heard(), [""; 0]);
    let standing = post.tell(Found::NOTHING).await;
    assert_eq!((standing.warnings_open, standing.key.days_left), (2, Some(-1)));
    assert_eq!(post.heard().len(), 1);
}

#[tokio::test]
async fn a_refusal_before_a_date_that_is_no_longer_written_down_is_over() {
    let mut post = Post::open("2027-01-01T12:00:00Z", "expires = 2027-12-31").await;
    let about = |subject: &str| {
        let id = WarningId { event: Event::KeyExpiryMismatch, subject: subject.into(), ..refused().id };
        Warning { id, ..refused() }
    };
    let hold = [about("key 2027-12-31")];
    post.tell(Found { hold: &hold, ..Found::NOTHING }).await;
    assert_eq!(post.tell(Found::NOTHING).await.warnings_open, 1);
    post.config = config("expires = 2027-06-30");
    assert_eq!(post.tell(Found::NOTHING).await.warnings_open, 0);
}

#[tokio::test]
async fn a_passing_warning_is_told_once_and_is_over() {
    let post = Post::open("2027-01-01T12:00:00Z", "expires = 2027-12-31").await;
    let id = WarningId { event: Event::VisibilityChanged, subject: "run 7".into(), ..refused().id };
    let hold = [Warning { id, ..refused() }];
    let found = Found { hold: &hold, ..Found::NOTHING };
    assert_eq!(post.tell(found).await.warnings_open, 0);
    assert_eq!(post.heard().len(), 1);
    assert_eq!(post.look("2027-01-09T12:00:00Z").await, [""; 0]);
}

/// The program ended between store and line: at the next look it is told, whatever that look is for.
#[tokio::test]
async fn a_warning_that_was_stored_and_not_said_is_told_at_the_next_look() {
    let post = Post::open("2027-01-01T12:00:00Z", "expires = 2027-12-31").await;
    let id = WarningId { event: Event::VisibilityChanged, subject: "run 7".into(), ..refused().id };
    post.store.raise(&Warning { id, ..refused() }, post.clock.now()).await.unwrap();
    post.store.raise(&refused(), post.clock.now()).await.unwrap();
    assert_eq!(post.look("2027-01-01T13:00:00Z").await.len(), 2);
    assert_eq!(post.look("2027-01-01T14:00:00Z").await, [""; 0]);
    let open = post.store.open_warnings().await.unwrap();
    assert_eq!(open.iter().map(|open| open.warning.id.event).collect::<Vec<_>>(), [Event::KeyRefused]);
}

#[tokio::test]
async fn a_key_without_a_date_is_said_weekly_until_there_is_one() {
    let mut post = Post::open("2027-01-01T12:00:00Z", "").await;
    let line = &post.look("2027-01-01T12:00:00Z").await[0];
    assert!(
        line.starts_with(
            "<4>WARN nobody wrote down when the key expires event=key_expiry_unknown connection=city \
             key=Integration mapped_user=reporting@city.example action="
        ),
        "{line}"
    );
    let mut days = Vec::new();
    for day in 2..=31 {
        days.extend(post.look(&format!("2027-01-{day:02}T12:00:00Z")).await.iter().map(|_| day));
    }
    assert_eq!(days, [8, 15, 22, 29]);
    post.config = config("expires = 2027-12-31");
    assert_eq!(
        post.look("2027-02-01T12:00:00Z").await,
        ["<6>INFO key expiry is written down event=warning_resolved connection=city \
          resolved=key_expiry_unknown since=2027-01-01T12:00:00Z lasted=\"31d 0h\" \
          warning_id=city/key_expiry_unknown/key"]
    );
}
