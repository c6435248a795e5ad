//! The outbox: nothing that was said is lost to a target, nothing waits twice, and everything goes in
//! order.

use super::*;
use crate::name::TargetName;
use crate::store::{Again, Delivery, Waiting};
use crate::warning::{Ending, Event, Phase, Severity, Warning, WarningId};

const CLAIM: TimeDelta = TimeDelta::seconds(15);

fn target(name: &str) -> TargetName {
    TargetName::parse(name).unwrap()
}

fn about(subject: &str, days_left: i64) -> Warning {
    Warning {
        id: WarningId { event: Event::KeyExpiring, connection: city(), subject: subject.into() },
        severity: Severity::Warn,
        level: 1,
        message: "key expires soon".into(),
        action: "edit it".into(),
        fields: vec![("days_left".into(), days_left.to_string())],
    }
}

fn minute(minutes: i64) -> DateTime<Utc> {
    noon() + TimeDelta::minutes(minutes)
}

/// What a message tells: subject, phase, days left.
fn brief(delivery: &Delivery) -> String {
    let notice = &delivery.notice;
    format!("{} {} {}", notice.warning.id.subject, notice.phase.as_str(), notice.warning.fields[0].1)
}

impl Bench {
    async fn told(&self, subject: &str, phase: Phase, days_left: i64, now: DateTime<Utc>) {
        self.store.told(&about(subject, days_left), phase, &[&target("ops")], now).await.unwrap();
    }

    async fn over(&self, subject: &str, now: DateTime<Utc>) {
        let targets = [&target("ops"), &target("pager")];
        self.store.resolve(&about(subject, 0), Ending::Over, &targets, now).await.unwrap();
    }

    async fn claim(&self, now: DateTime<Utc>) -> Option<Delivery> {
        self.store.claim_delivery(&target("ops"), CLAIM, now).await.unwrap()
    }

    /// Takes everything that is due.
    async fn take(&self, now: DateTime<Utc>) -> Vec<String> {
        let mut taken = Vec::new();
        while let Some(delivery) = self.claim(now).await {
            self.store.delivered(&delivery, "200 OK", now).await.unwrap();
            taken.push(brief(&delivery));
        }
        taken
    }

    async fn waiting(&self) -> Waiting {
        self.store.waiting(&target("ops")).await.unwrap()
    }

    async fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.store.next_delivery(&target("ops"), now).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_how_each_warning_stood_last_and_that_it_ended() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.told("b", Phase::Raised, 30, minute(1)).await;
    for day in 0..24 {
        bench.told("a", Phase::Reminded, 20 - day, minute(2 + day)).await;
    }
    bench.over("a", minute(30)).await;
    assert_eq!(bench.waiting().await.count, 3);
    // In the place of the first: what came later does not overtake it.
    assert_eq!(bench.take(minute(31)).await, ["a reminded -3", "b raised 30", "a resolved 0"]);
    assert_eq!(bench.next(minute(31)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_one_name_on_every_try_and_another_when_it_says_something_else() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    let first = bench.claim(minute(0)).await.unwrap();
    let again = bench.claim(minute(1)).await.unwrap();
    assert_eq!(first.name, again.name);
    bench.told("a", Phase::Reminded, 29, minute(2)).await;
    let newer = bench.claim(minute(3)).await.unwrap();
    assert_ne!(first.name, newer.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_replaced_in_flight_is_history_and_the_newer_one_still_goes() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    let in_flight = bench.claim(minute(0)).await.unwrap();
    bench.told("a", Phase::Escalated, 14, minute(0)).await;
    bench.store.delivered(&in_flight, "200 OK", minute(0)).await.unwrap();
    assert_eq!(bench.waiting().await.count, 1);
    assert_eq!(bench.take(minute(0)).await, ["a escalated 14"]);
    let told = "SELECT phase FROM deliveries WHERE delivered_at IS NOT NULL ORDER BY told_at, id DESC";
    assert_eq!(bench.rows(told), ["raised", "escalated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_what_was_replaced_in_flight_does_not_hold_up_the_newer_one() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    let in_flight = bench.claim(minute(0)).await.unwrap();
    bench.told("a", Phase::Escalated, 14, minute(0)).await;
    bench.store.not_delivered(&in_flight, "400", Again::Alone(minute(60))).await.unwrap();
    assert_eq!(bench.take(minute(0)).await, ["a escalated 14"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_message_is_nobody_elses_until_the_claim_is_over() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.over("a", minute(0)).await;
    let other = bench.another().await;
    assert!(bench.claim(minute(0)).await.is_some());
    // Nor does the resolution overtake it.
    assert_eq!(other.claim_delivery(&target("ops"), CLAIM, minute(0)).await.unwrap(), None);
    assert_eq!(other.next_delivery(&target("ops"), minute(0)).await.unwrap(), Some(minute(0) + CLAIM));
    // Nor does whoever looked at the time before this one, or whose clock is a little behind.
    let earlier = minute(0) - TimeDelta::milliseconds(3);
    assert_eq!(other.claim_delivery(&target("ops"), CLAIM, earlier).await.unwrap(), None);
    let late = other.claim_delivery(&target("ops"), CLAIM, minute(1)).await.unwrap().unwrap();
    assert_eq!(brief(&late), "a raised 30");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_holds_up_its_own_warning_alone() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.told("b", Phase::Raised, 30, minute(0)).await;
    let refused = bench.claim(minute(0)).await.unwrap();
    bench.store.not_delivered(&refused, "400", Again::Alone(minute(60))).await.unwrap();
    bench.over("a", minute(1)).await;
    assert_eq!(bench.take(minute(2)).await, ["b raised 30"]);
    assert_eq!(bench.next(minute(2)).await, Some(minute(60)));
    assert_eq!(bench.waiting().await, Waiting { count: 2, tried: 1, tries: 1 });
    assert_eq!(bench.take(minute(60)).await, ["a raised 30", "a resolved 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_raised_anew_does_not_overtake_its_earlier_end() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    let refused = bench.claim(minute(0)).await.unwrap();
    bench.store.not_delivered(&refused, "400", Again::Alone(minute(60))).await.unwrap();
    bench.over("a", minute(1)).await;
    bench.told("a", Phase::Raised, 5, minute(2)).await;
    assert_eq!(bench.take(minute(3)).await, [""; 0]);
    assert_eq!(bench.take(minute(60)).await, ["a raised 30", "a resolved 0", "a raised 5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_holds_against_whoever_looked_at_the_time_before_it() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    let refused = bench.claim(minute(0)).await.unwrap();
    bench.store.not_delivered(&refused, "400", Again::Alone(minute(60))).await.unwrap();
    assert_eq!(bench.claim(minute(0) - TimeDelta::milliseconds(3)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_out_of_reach_is_left_alone_until_one_message_gets_through() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.told("b", Phase::Raised, 30, minute(0)).await;
    let tried = bench.claim(minute(0)).await.unwrap();
    bench.store.not_delivered(&tried, "503", Again::All(minute(8))).await.unwrap();
    assert_eq!(bench.take(minute(7)).await, [""; 0]);
    assert_eq!(bench.next(minute(7)).await, Some(minute(8)));
    bench.told("c", Phase::Raised, 30, minute(7)).await;
    assert_eq!(bench.take(minute(7)).await, ["c raised 30", "a raised 30", "b raised 30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_leaves_nothing_waiting_for_the_old_time() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    let tried = bench.claim(minute(6000)).await.unwrap();
    bench.store.not_delivered(&tried, "503", Again::All(minute(6010))).await.unwrap();
    bench.told("b", Phase::Raised, 30, minute(0)).await;
    bench.claim(minute(6000)).await.unwrap();
    assert_eq!(bench.take(minute(1)).await, ["a raised 30", "b raised 30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_it_is_over_is_told_to_whoever_was_ever_to_be_told_of_it() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.take(minute(0)).await;
    bench.over("a", minute(1)).await;
    assert_eq!(
        bench.rows("SELECT target, phase FROM deliveries ORDER BY id"),
        ["ops|raised", "ops|resolved"]
    );
    // A later warning with the same identity is another one.
    bench.store.told(&about("a", 9), Phase::Raised, &[], minute(2)).await.unwrap();
    bench.over("a", minute(3)).await;
    assert_eq!(bench.one("SELECT count(*) FROM deliveries"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_has_not_taken_for_long_is_given_up_and_the_rest_goes_on() {
    let bench = Bench::new().await;
    let week = TimeDelta::days(7);
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.told("b", Phase::Raised, 30, minute(5)).await;
    let give_up =
        async |now: DateTime<Utc>| bench.store.give_up(&target("ops"), now - week, now).await.unwrap();
    assert_eq!(give_up(minute(9) + week).await, [], "nothing is given up that was not tried");
    let refused = bench.claim(minute(9)).await.unwrap();
    bench.store.not_delivered(&refused, "400", Again::Alone(minute(60))).await.unwrap();
    assert_eq!(give_up(minute(0) + week).await, []);
    let given_up = give_up(minute(1) + week).await;
    assert_eq!((given_up[0].tries, given_up[0].answer.as_deref(), given_up.len()), (1, Some("400"), 1));
    assert_eq!(bench.take(minute(1) + week).await, ["b raised 30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_a_target_that_is_gone_and_what_it_was_told_stays() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.take(minute(0)).await;
    bench.told("a", Phase::Reminded, 29, minute(1)).await;
    bench.store.keep_targets(&[&target("ops")]).await.unwrap();
    assert_eq!(bench.waiting().await.count, 1);
    bench.store.keep_targets(&[&target("pager")]).await.unwrap();
    assert_eq!(bench.rows("SELECT phase FROM deliveries"), ["raised"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_warning_is_over_with_its_telling() {
    let bench = Bench::new().await;
    let warning =
        Warning { id: WarningId { event: Event::VisibilityChanged, ..about("x", 0).id }, ..about("x", 0) };
    bench.store.raise(&warning, minute(0)).await.unwrap();
    bench.store.told(&warning, Phase::Raised, &[&target("ops")], minute(0)).await.unwrap();
    assert_eq!(bench.store.open_warnings().await.unwrap(), []);
    assert_eq!(bench.one("SELECT raised_at = resolved_at, ending FROM warnings"), "1|passed");
    assert_eq!(bench.take(minute(0)).await, ["x raised 0"]);
}

/// The process dies in the middle of the transaction: neither half of it is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_said_and_queued_or_neither() {
    let mut bench = Bench::new().await;
    bench.store.raise(&about("a", 30), minute(0)).await.unwrap();
    let before = bench.digest();
    bench.script(
        "CREATE TRIGGER no_room BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'disk no_room'); END",
        "ALTER TABLE deliveries ADD CONSTRAINT no_room CHECK (FALSE) NOT VALID",
    );
    let told = bench.store.told(&about("a", 29), Phase::Raised, &[&target("ops")], minute(1)).await;
    assert!(told.is_err());
    bench.script("DROP TRIGGER no_room", "ALTER TABLE deliveries DROP CONSTRAINT no_room");
    bench.store = bench.another().await;
    assert_eq!(bench.digest(), before);
    assert_eq!(bench.store.open_warnings().await.unwrap()[0].said, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_takes_what_was_told_long_ago_and_nothing_that_counts() {
    let bench = Bench::new().await;
    bench.told("open", Phase::Raised, 30, minute(0)).await;
    bench.take(minute(1)).await;
    bench.told("open", Phase::Reminded, 29, minute(2)).await;
    bench.take(minute(3)).await;
    bench.told("ended", Phase::Raised, 30, minute(4)).await;
    bench.take(minute(5)).await;
    bench.over("ended", minute(6)).await;
    bench.take(minute(7)).await;
    bench.told("waits", Phase::Raised, 30, minute(8)).await;
    bench.over("waits", minute(9)).await;
    let left = || {
        bench.rows(
            "SELECT w.subject, d.phase FROM deliveries d JOIN warnings w ON w.id = d.warning ORDER BY d.id",
        )
    };
    bench.store.prune(noon(), minute(100)).await.unwrap();
    assert_eq!(left(), ["open|reminded", "waits|raised", "waits|resolved"]);
    bench.store.prune(minute(100), minute(100)).await.unwrap();
    assert_eq!(left(), ["open|reminded", "waits|raised", "waits|resolved"]);
    assert_eq!(bench.rows("SELECT subject FROM warnings ORDER BY id"), ["open", "waits"]);
    bench.over("open", minute(101)).await;
    assert_eq!(bench.take(minute(101)).await, ["waits raised 30", "waits resolved 0", "open resolved 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_warning_tells_who_was_told_and_how_it_ended() {
    let bench = Bench::new().await;
    bench.told("a", Phase::Raised, 30, minute(0)).await;
    bench.take(minute(1)).await;
    bench.over("a", minute(2)).await;
    bench.told("b", Phase::Raised, 9, minute(3)).await;
    let open = bench.store.warning_records(false).await.unwrap();
    assert_eq!((open.len(), open[0].open.warning.id.subject.as_str()), (1, "b"));
    let all = bench.store.warning_records(true).await.unwrap();
    assert_eq!((all.len(), all[1].ending, all[1].resolved_at), (2, Some(Ending::Over), Some(minute(2))));
    let told: Vec<_> = all[1].deliveries.iter().map(|told| (told.phase, told.delivered_at)).collect();
    assert_eq!(told, [(Phase::Raised, Some(minute(1))), (Phase::Resolved, None)]);
}

/// A daemon that starts and a `sync` by hand found the same thing at the same moment, and both logged it.
#[tokio::test(flavor = "multi_thread")]
async fn what_two_processes_raise_at_once_goes_to_a_target_once() {
    let bench = Bench::new().await;
    let passing = Warning {
        id: WarningId { event: Event::VisibilityChanged, ..about("run 7", 0).id },
        ..about("run 7", 0)
    };
    for _ in 0..2 {
        bench.told("a", Phase::Raised, 30, minute(0)).await;
        bench.store.told(&passing, Phase::Raised, &[&target("ops")], minute(0)).await.unwrap();
        bench.take(minute(0)).await;
    }
    assert_eq!(bench.rows("SELECT count(*) FROM deliveries"), ["2"]);
    assert_eq!(bench.rows("SELECT said FROM warnings"), ["1", "1"]);
    bench.over("a", minute(1)).await;
    bench.told("a", Phase::Raised, 20, minute(2)).await;
    assert_eq!(bench.take(minute(2)).await, ["a resolved 0", "a raised 20"]);
}
