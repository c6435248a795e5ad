//! Sixty days with forty restarts and two outages: exactly these lines, and exactly these messages to two
//! real servers, no more and no fewer.

use super::*;
use crate::deliver::Courier;
use crate::deliver::tests::receiver::Receiver;
use crate::deliver::tests::targets;
use crate::notify::Notifier;
use crate::run::{Counts, Mode, Outcome};
use crate::store::Place;

const START: &str = "2027-02-20T12:00:00Z";
const HOURS: i64 = 60 * 24;

/// Nobody looks in these hours: the first hides that 14 days are left, the second that the key runs out.
const OUTAGES: [std::ops::Range<i64>; 2] = [24 * 24..27 * 24 + 5, 36 * 24..41 * 24];

fn fact(event: Event, severity: Severity, subject: &str) -> Warning {
    let id = WarningId { event, subject: subject.into(), ..refused().id };
    Warning { id, severity, ..refused() }
}

/// What lasts, and in which hours.
fn lasting() -> [(Warning, std::ops::Range<i64>); 5] {
    [
        (fact(Event::RemovalsHeld, Severity::Warn, "measures"), 100..160),
        // Seen before the first outage, and over when somebody looks again.
        (fact(Event::NothingVisible, Severity::Warn, ""), 570..590),
        // Milder than any target asked for.
        (fact(Event::LastEditedUnreliable, Severity::Info, "risks"), 700..715),
        (fact(Event::KeyRefused, Severity::Error, ""), 720..780),
        // Comes and goes while nobody looks.
        (fact(Event::RemovalsHeld, Severity::Warn, "risks"), 880..900),
    ]
}

/// The settings as they stand in that hour: the next key's date is written down on day 16, and the first
/// key is renewed on day 46, six days after it ran out.
fn settings(hour: i64, targets: &Config) -> Config {
    let date = |from: i64, then: &str| (hour >= from * 24).then(|| then.parse().unwrap());
    let mut config = config("expires = 2027-03-31");
    config.warnings = targets.warnings.clone();
    let connection = &mut config.connections[0];
    connection.key.expires = date(46, "2028-03-31").or(connection.key.expires);
    connection.next_key = Some(Key::sample(KeySlot::NextKey, date(16, "2028-12-31")));
    config
}

/// A look in one hour, as a run gives it.
async fn look(post: &Post, hour: i64) {
    let lasting = lasting();
    let examined: Vec<WarningId> = lasting.iter().map(|(fact, _)| fact.id.clone()).collect();
    let holds = lasting.into_iter().filter(|(_, hours)| hours.contains(&hour)).map(|(fact, _)| fact);
    let passing = (hour == 250).then(|| fact(Event::VisibilityChanged, Severity::Warn, "run 250"));
    let hold: Vec<Warning> = holds.chain(passing).collect();
    let is_refused = hold.iter().any(|fact| fact.id.event == Event::KeyRefused);
    if hour % 6 == 0 {
        let (store, now, counts) = (&post.store, post.clock.now(), Counts::default());
        let outcome = if is_refused { Outcome::Refused } else { Outcome::Ok };
        let run = store.begin_run(&refused().id.connection, Mode::Full, now).await.unwrap();
        store.end_run(run, &refused().id.connection, outcome, None, false, &counts, now).await.unwrap();
    }
    let still_works = if is_refused { REFUSED } else { TAKEN };
    post.tell(Found { hold: &hold, examined: &examined, still_works, ..Found::NOTHING }).await;
}

/// `03-01T05 WARN key_expiring key 2027-03-31 30`: what is on a line, in short.
fn brief(hour: &str, line: &str) -> String {
    let level = line[3..].split(' ').next().unwrap();
    let field = |name: &str| {
        let rest = line.split_once(&format!(" {name}="))?.1;
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
        Some(quoted.unwrap_or_else(|| rest.split(' ').next().unwrap()).to_owned())
    };
    let words = ["event", "warning_id", "days_left", "still_works", "data_stood_still"];
    let told: Vec<String> = words.iter().filter_map(|name| field(name)).collect();
    format!("{hour} {level} {}", told.join(" "))
}

/// What happened, hour by hour: on the log, and at each of two targets.
#[derive(Default)]
struct Sixty {
    lines: Vec<String>,
    told: [Vec<String>; 2],
    restarts: u32,
}

async fn live() -> Sixty {
    let receivers = [Receiver::start().await, Receiver::start().await];
    let mut post = Post::open(START, "").await;
    let folder = post._folder.path().to_owned();
    let ways = [("ops", Severity::Warn, receivers[0].url()), ("pager", Severity::Error, receivers[1].url())];
    let targets = targets(&folder, &ways);
    let (mut sixty, mut couriers, mut looks) = (Sixty::default(), couriers(&post, &targets), 0);
    for hour in (0..HOURS).filter(|hour| OUTAGES.iter().all(|outage| !outage.contains(hour))) {
        let now = at(START) + TimeDelta::hours(hour);
        post.hand.advance_to(now);
        looks += 1;
        if looks % 31 == 0 {
            post.store = Store::open(&Place::file(folder.join("clearpoint.db")), now).await.unwrap();
            couriers = self::couriers(&post, &targets);
            sixty.restarts += 1;
        }
        post.config = settings(hour, &targets);
        look(&post, hour).await;
        post.store.prune(now - TimeDelta::days(400), now - TimeDelta::days(30)).await.unwrap();
        let hour = now.format("%m-%dT%H").to_string();
        sixty.lines.extend(post.heard().iter().map(|line| brief(&hour, line)));
        for (n, courier) in couriers.iter_mut().enumerate() {
            let before = receivers[n].taken().len();
            assert_eq!(courier.round().await, None);
            sixty.told[n].extend(receivers[n].told()[before..].iter().map(|told| format!("{hour} {told}")));
        }
    }
    assert_eq!(post.heard(), [""; 0], "deliveries that work are not worth a line");
    sixty
}

fn couriers(post: &Post, targets: &Config) -> Vec<Courier> {
    let courier = |target: &crate::config::Target| {
        let notifier = Notifier::new(&targets.network).unwrap().patient();
        Courier::new(post.store.clone(), notifier, post.clock.clone(), target.clone())
    };
    targets.warnings.targets.iter().map(courier).collect()
}

#[tokio::test]
async fn sixty_days_give_exactly_these_lines_and_deliveries() {
    let Sixty { lines, told, restarts } = live().await;
    assert_eq!(restarts, 40);
    let text = format!(
        "log\n  {}\nops\n  {}\npager\n  {}\n",
        lines.join("\n  "),
        told[0].join("\n  "),
        told[1].join("\n  ")
    );
    assert_eq!(text, EXPECTED, "\n{text}");
}

const EXPECTED: &str = "\
log
  02-20T12 WARN key_expiry_unknown city/key_expiry_unknown/next_key
  02-24T16 WARN removals_held city/removals_held/measures
  02-25T15 WARN removals_held city/removals_held/measures
  02-26T15 WARN removals_held city/removals_held/measures
  02-27T04 INFO warning_resolved city/removals_held/measures
  02-27T05 WARN key_expiry_unknown city/key_expiry_unknown/next_key
  03-01T05 WARN key_expiring city/key_expiring/key 2027-03-31 30
  03-02T22 WARN visibility_changed city/visibility_changed/run 250
  03-06T05 WARN key_expiry_unknown city/key_expiry_unknown/next_key
  03-08T12 INFO warning_resolved city/key_expiry_unknown/next_key
  03-16T06 WARN nothing_visible city/nothing_visible
  03-19T17 WARN key_expiring city/key_expiring/key 2027-03-31 12
  03-19T17 INFO warning_resolved city/nothing_visible
  03-21T16 INFO last_edited_unreliable city/last_edited_unreliable/risks
  03-22T07 INFO warning_resolved city/last_edited_unreliable/risks
  03-22T12 ERROR key_refused city/key_refused
  03-23T11 ERROR key_refused city/key_refused
  03-24T04 WARN key_expiring city/key_expiring/key 2027-03-31 7
  03-24T11 ERROR key_refused city/key_refused
  03-25T00 INFO warning_resolved city/key_refused 2d 18h
  03-25T04 WARN key_expiring city/key_expiring/key 2027-03-31 6
  03-26T04 WARN key_expiring city/key_expiring/key 2027-03-31 5
  03-27T04 WARN key_expiring city/key_expiring/key 2027-03-31 4
  03-28T04 ERROR key_expiring city/key_expiring/key 2027-03-31 3
  04-02T12 ERROR key_expired city/key_expired/key 2027-03-31 -2 true
  04-03T04 ERROR key_expired city/key_expired/key 2027-03-31 -3 true
  04-04T04 ERROR key_expired city/key_expired/key 2027-03-31 -4 true
  04-05T04 ERROR key_expired city/key_expired/key 2027-03-31 -5 true
  04-06T04 ERROR key_expired city/key_expired/key 2027-03-31 -6 true
  04-07T04 ERROR key_expired city/key_expired/key 2027-03-31 -7 true
  04-07T12 INFO key_renewed city/key_expired/key 2027-03-31
ops
  02-20T12 raised key_expiry_unknown
  02-24T16 raised removals_held
  02-25T15 reminded removals_held
  02-26T15 reminded removals_held
  02-27T04 resolved removals_held
  02-27T05 reminded key_expiry_unknown
  03-01T05 raised key_expiring 30
  03-02T22 raised visibility_changed
  03-06T05 reminded key_expiry_unknown
  03-08T12 resolved key_expiry_unknown
  03-16T06 raised nothing_visible
  03-19T17 escalated key_expiring 12
  03-19T17 resolved nothing_visible
  03-22T12 raised key_refused
  03-23T11 reminded key_refused
  03-24T04 escalated key_expiring 7
  03-24T11 reminded key_refused
  03-25T00 resolved key_refused
  03-25T04 reminded key_expiring 6
  03-26T04 reminded key_expiring 5
  03-27T04 reminded key_expiring 4
  03-28T04 escalated key_expiring 3
  04-02T12 raised key_expired -2
  04-02T12 resolved key_expiring 3
  04-03T04 reminded key_expired -3
  04-04T04 reminded key_expired -4
  04-05T04 reminded key_expired -5
  04-06T04 reminded key_expired -6
  04-07T04 reminded key_expired -7
  04-07T12 resolved key_expired -7
pager
  03-22T12 raised key_refused
  03-23T11 reminded key_refused
  03-24T11 reminded key_refused
  03-25T00 resolved key_refused
  03-28T04 escalated key_expiring 3
  04-02T12 raised key_expired -2
  04-02T12 resolved key_expiring 3
  04-03T04 reminded key_expired -3
  04-04T04 reminded key_expired -4
  04-05T04 reminded key_expired -5
  04-06T04 reminded key_expired -6
  04-07T04 reminded key_expired -7
  04-07T12 resolved key_expired -7
";
