//! A reload in the middle of the day: who stays, who goes, who comes.

use super::*;

fn quarter_hourly(name: &str) -> Member {
    member(name, "*/15 * * * *", "30 2 * * *")
}

fn seat(day: &Day, members: Vec<Member>) {
    day.seating.send_replace(Some(Seating { members, runs_max: 8 }));
}

/// Two connections whose runs take ten minutes, and a minute to stop when asked.
async fn day_of_long_runs() -> Day {
    let members = vec![quarter_hourly("city"), quarter_hourly("port")];
    let day = Day::begin(members, 8, seconds(60), |_| seconds(600), ok);
    day.until("2026-03-01T00:16:00Z").await;
    day
}

#[tokio::test]
async fn who_stays_keeps_its_run_and_takes_the_new_schedule_after_it() {
    let day = day_of_long_runs().await;
    seat(&day, vec![member("city", "*/40 * * * *", "30 2 * * *"), quarter_hourly("port")]);
    day.until("2026-03-01T00:59:00Z").await;
    let starts = |name| -> Vec<String> {
        day.runs_of(name).iter().map(|run| run.from.format("%H:%M").to_string()).collect()
    };
    assert_eq!(starts("city"), ["00:15", "00:40"]);
    assert_eq!(starts("port"), ["00:15", "00:30", "00:45"]);
    assert_eq!(day.runs_of("city")[0].to, Some(at("2026-03-01T00:25:00Z")), "its run went on");
}

#[tokio::test]
async fn who_comes_new_is_due_at_once() {
    let day = day_of_long_runs().await;
    let new = Member { last_run: None, last_full: None, ..quarter_hourly("museum") };
    seat(&day, vec![quarter_hourly("city"), new, quarter_hourly("port")]);
    day.until("2026-03-01T00:17:00Z").await;
    let runs = day.runs_of("museum");
    assert_eq!((runs.len(), runs[0].mode, runs[0].from), (1, Mode::Full, at("2026-03-01T00:16:00Z")));
}

#[tokio::test]
async fn who_goes_ends_its_run_at_a_safe_point_and_never_runs_again() {
    let day = day_of_long_runs().await;
    seat(&day, vec![quarter_hourly("port")]);
    day.until("2026-03-01T01:50:00Z").await;
    let runs = day.runs_of("city");
    assert_eq!((runs.len(), runs[0].to), (1, Some(at("2026-03-01T00:17:00Z"))));
    assert_eq!(day.runs_of("port").len(), 7);
}

#[tokio::test]
async fn who_comes_back_while_its_run_still_goes_never_has_two_and_makes_up_for_it() {
    let day = day_of_long_runs().await;
    seat(&day, vec![quarter_hourly("port")]);
    day.until("2026-03-01T00:16:20Z").await;
    seat(&day, vec![quarter_hourly("city"), quarter_hourly("port")]);
    day.until("2026-03-01T00:40:00Z").await;
    let runs = day.runs_of("city");
    never_two_at_once(&runs);
    let from: Vec<_> = runs.iter().map(|run| run.from).collect();
    assert_eq!(from[..2], [at("2026-03-01T00:15:00Z"), at("2026-03-01T00:17:00Z")]);
}

#[tokio::test]
async fn more_may_run_at_once_from_the_reload_on() {
    let members = ["a", "b", "c"].map(quarter_hourly).to_vec();
    let day = Day::begin(members.clone(), 1, seconds(1), |_| seconds(600), ok);
    day.until("2026-03-01T00:16:00Z").await;
    assert_eq!(day.runs().len(), 1);
    seat(&day, members);
    day.until("2026-03-01T00:16:01Z").await;
    assert_eq!(day.runs().len(), 3);
}

#[test]
fn a_waiting_run_keeps_its_place_over_a_reload() {
    let now = at(START);
    let late = Member { last_run: Some(at("2026-02-28T00:00:00Z")), ..quarter_hourly("late") };
    let later = Member { last_run: Some(at("2026-02-27T00:00:00Z")), ..quarter_hourly("a-later") };
    let seating = Seating { members: vec![late, later], runs_max: 1 };
    let mut turns = Turns::new(seating.clone(), 0.0, now);
    assert_eq!(turns.take(now).unwrap().name.as_str(), "a-later");
    let due_at = turns.next_run_at(&ConnectionName::parse("late").unwrap());
    assert!(turns.reseat(seating, now + TimeDelta::minutes(5)).is_empty());
    assert_eq!(turns.next_run_at(&ConnectionName::parse("late").unwrap()), due_at);
    assert_eq!(turns.running(), 1);
}

#[test]
fn who_comes_back_during_a_look_at_its_keys_missed_no_run_and_has_none_to_make_up_for() {
    let seating = |members| Seating { members, runs_max: 1 };
    let city = ConnectionName::parse("city").unwrap();
    let mut turns = Turns::new(seating(vec![quarter_hourly("city")]), 0.0, at(START));
    assert_eq!(turns.take(at(START)).unwrap().work, Work::Watch);
    turns.reseat(seating(vec![]), at(START));
    turns.reseat(seating(vec![quarter_hourly("city")]), at(START));
    turns.end(&city, &Ended::Watched, at(START));
    let turn = turns.take(at("2026-03-01T00:15:00Z")).unwrap();
    assert_eq!(turn.work, Work::Run(Mode::Incremental));
    turns.end(&city, &ok(&turn), at("2026-03-01T00:16:00Z"));
    assert_eq!(turns.next_run_at(&city), Some(at("2026-03-01T00:30:00Z")));
}

#[tokio::test]
async fn who_failed_and_left_in_the_middle_of_a_run_is_not_counted_as_failing() {
    let now = at("2026-03-01T00:16:00Z");
    let seating = |members| Seating { members, runs_max: 1 };
    let turns = Turns::new(seating(vec![quarter_hourly("city")]), 0.0, now);
    let (tasks, under_way, voices) = (JoinSet::new(), HashMap::new(), HashMap::new());
    let mut floor = Floor { turns, tasks, under_way, voices };
    for (leaves, begins) in [(false, "2026-03-01T00:16:00Z"), (true, "2026-03-01T00:45:00Z")] {
        let turn = floor.turns.take(at(begins)).unwrap();
        let ended = failed(&turn);
        let id = floor.tasks.spawn(async move { ended }).id();
        floor.under_way.insert(id, UnderWay { turn, cancel: watch::Sender::new(false) });
        if leaves {
            floor.reseat(seating(vec![]), now);
        }
        let ended = floor.tasks.join_next_with_id().await.unwrap();
        floor.end(ended, at(begins));
        assert_eq!(floor.status().contains("1 failing"), !leaves, "{}", floor.status());
    }
}
