//! More is due than can run: who goes first, and who keeps nobody waiting.

use super::*;

/// Connections that all missed their runs, the first by most.
fn overdue(count: u32) -> Vec<Member> {
    let late = |n: u32| {
        let last_run = Some(at("2026-02-27T00:00:00Z") + TimeDelta::minutes(i64::from(n / 2) * 15));
        Member { last_run, last_full: last_run, ..member(&format!("c{n:03}"), "*/15 * * * *", "30 2 * * *") }
    };
    // The configuration's order is no order of lateness.
    (0..count).rev().map(late).collect()
}

#[tokio::test]
async fn after_an_outage_all_start_one_after_the_other_the_longest_overdue_first() {
    let day = Day::begin(overdue(60), 64, seconds(1), |_| seconds(5), ok);
    day.until("2026-03-01T00:05:30Z").await;
    let runs = day.runs();
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let expected: Vec<String> = (0..60).map(|n| format!("c{n:03}")).collect();
    assert_eq!(names, expected, "by lateness, and ties by name");
    let apart = runs.windows(2).map(|pair| pair[1].from - pair[0].from);
    assert!(apart.into_iter().all(|apart| apart == TimeDelta::milliseconds(50)));
}

#[tokio::test]
async fn three_hundred_that_wait_for_places_start_by_their_lateness_too() {
    let day = Day::begin(overdue(300), 64, seconds(1), |_| seconds(5), ok);
    day.until("2026-03-01T00:05:40Z").await;
    let runs = day.runs();
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let expected: Vec<String> = (0..300).map(|n| format!("c{n:03}")).collect();
    assert_eq!(names, expected);
    let at_once = |at: DateTime<Utc>| runs.iter().filter(|run| run.from <= at && run.to > Some(at)).count();
    assert_eq!(runs.iter().map(|run| at_once(run.from)).max(), Some(64));
}

#[tokio::test]
async fn of_those_due_together_goes_first_who_was_served_longest_ago() {
    let served =
        [("a", "2026-03-01T00:04:00Z"), ("b", "2026-03-01T00:00:00Z"), ("c", "2026-03-01T00:02:00Z")];
    let members = served.map(|(name, last_run)| Member {
        last_run: Some(at(last_run)),
        ..member(name, "*/15 * * * *", "30 2 * * *")
    });
    let day = Day::begin(members.to_vec(), 1, seconds(1), |_| seconds(5), ok);
    day.until("2026-03-01T00:20:00Z").await;
    let runs = day.runs();
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
}

#[tokio::test]
async fn a_start_that_had_to_wait_makes_no_later_one_late() {
    let day = Day::begin(overdue(60), 64, seconds(1), |_| seconds(5), ok);
    day.until("2026-03-01T01:10:00Z").await;
    let runs = day.runs();
    never_two_at_once(&runs);
    for run in runs.iter().filter(|run| run.from > at("2026-03-01T00:15:00Z")) {
        assert!(run.from - run.due_at < TimeDelta::seconds(6), "{run:?}");
        assert_eq!(run.due_at.timestamp() % 900, 0, "{run:?}");
    }
    assert_eq!(runs.len(), 60 * 5);
}

/// As many accounts hang as there are places. Once they are known, half of the places are left to the
/// others, however long they hang.
#[tokio::test]
async fn accounts_that_hang_take_no_more_than_half_of_the_places() {
    let names = ["hang-a", "hang-b", "hang-c", "hang-d", "quick-a", "quick-b"];
    let members = names.map(|name| member(name, "*/15 * * * *", "30 2 * * *")).to_vec();
    let lasts = |turn: &Turn| seconds(if turn.name.as_str().starts_with("hang") { 14 * 60 } else { 5 });
    let ends = |turn: &Turn| if turn.name.as_str().starts_with("hang") { failed(turn) } else { ok(turn) };
    let day = Day::begin(members, 4, seconds(1), lasts, ends);
    day.until("2026-03-01T06:10:00Z").await;
    let of = |kind: &str| day.runs().into_iter().filter(|run| run.name.as_str().starts_with(kind)).collect();
    let (hang, quick): (Vec<Seen>, Vec<Seen>) = (of("hang"), of("quick"));
    // Nobody knows at first, so the first time all places are taken.
    let late = |run: &&Seen| run.from - run.due_at > TimeDelta::seconds(1);
    let late: Vec<_> = quick.iter().filter(late).map(|run| run.due_at).collect();
    assert_eq!(late, [at("2026-03-01T00:15:00Z"); 2]);
    assert_eq!(quick.len(), 2 * 24);
    let at_once = |run: &Seen| {
        let instant = run.from;
        hang.iter().filter(|other| other.from <= instant && other.to.is_none_or(|to| to > instant)).count()
    };
    let most = hang.iter().filter(|run| run.from > at("2026-03-01T00:29:30Z")).map(at_once).max();
    assert_eq!(most, Some(2));
    let least = names[..4].iter().map(|name| day.runs_of(name).len()).min();
    assert!(least > Some(8), "they take turns: {least:?}");
}

#[tokio::test]
async fn where_all_are_slow_all_places_are_theirs() {
    let members = ["a", "b", "c", "d"].map(|name| member(name, "*/15 * * * *", "30 2 * * *")).to_vec();
    let day = Day::begin(members, 4, seconds(1), |_| seconds(10 * 60), ok);
    day.until("2026-03-01T01:10:00Z").await;
    assert!(day.runs().iter().all(|run| run.from - run.due_at < TimeDelta::seconds(1)));
    assert_eq!(day.runs().len(), 4 * 4);
}

/// What the loop keeps is as much as there are connections, however long it runs.
#[test]
fn what_is_kept_does_not_grow() {
    let mut turns = Turns::new(Seating { members: overdue(30), runs_max: 64 }, 0.1, at(START));
    let mut now = at(START);
    for _ in 0..5_000 {
        while let Some(turn) = turns.take(now) {
            turns.end(&turn.name, &ok(&turn), now);
            assert_eq!(turns.kept(), 3 * 30);
        }
        now = turns.next_at().unwrap();
    }
    assert!(now > at("2026-03-02T00:00:00Z"), "{now}");
}

/// A look takes a lock and reads the store: hundreds of them are no more at once than runs may be, and keep no
/// run from beginning.
#[test]
fn looks_at_keys_are_bounded_as_runs_are_and_take_no_place_of_theirs() {
    let schedule = "0 12 * * *";
    let members = (0..10).map(|n| member(&format!("c{n}"), schedule, schedule));
    let late = Member { last_run: None, ..member("late", schedule, schedule) };
    let seating = Seating { members: members.chain([late]).collect(), runs_max: 2 };
    let mut turns = Turns::new(seating, 0.0, at(START));
    let mut now = at(START);
    let mut take = |turns: &mut Turns| {
        now += TimeDelta::milliseconds(50);
        turns.take(now).map(|turn| (turn.name, turn.work))
    };
    let begun: Vec<_> = std::iter::from_fn(|| take(&mut turns)).collect();
    let works: Vec<_> = begun.iter().map(|(_, work)| *work).collect();
    assert_eq!(works, [Work::Run(Mode::Incremental), Work::Watch, Work::Watch]);
    assert!(turns.next_at().is_some_and(|at| at > super::at("2026-03-01T11:00:00Z")), "nobody looks in vain");
    turns.end(&begun[1].0, &Ended::Watched, at("2026-03-01T00:05:02Z"));
    assert_eq!(take(&mut turns).map(|(_, work)| work), Some(Work::Watch));
}
