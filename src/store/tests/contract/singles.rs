//! Single reads: the queue, details, measure values, and what `freshness` may claim.

use super::*;
use crate::kind::KindName;
use crate::store::{HELD_VALUES, Part, Read, ReadState, ValuesDone};

fn read(id: i64, document: &str) -> Read {
    Read { id: ElementId(id), document: Some(document.into()) }
}

fn data(points: &[(&str, &str, &str)]) -> String {
    let point = |(series, period, value): &(&str, &str, &str)| {
        format!(r#"{{"series":"{series}","period":"{period}","value":{value}}}"#)
    };
    format!("[{}]", points.iter().map(point).collect::<Vec<_>>().join(","))
}

async fn measures(ids: &[i64]) -> Bench {
    let mut bench = Bench::new().await;
    bench.kind = kind("measures");
    bench.sync_measures(ids).await;
    bench
}

impl Bench {
    async fn sync_measures(&mut self, ids: &[i64]) {
        let rows: Vec<String> =
            ids.iter().map(|id| format!(r#"{{"objectId":{id},"name":"m{id}"}}"#)).collect();
        self.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    async fn values(&mut self, reads: &[Read]) -> ValuesDone {
        self.commit_values(reads, false).await
    }

    async fn commit_values(&mut self, reads: &[Read], spares: bool) -> ValuesDone {
        self.now += TimeDelta::minutes(1);
        let run = self.begin().await;
        self.store.commit_values(run, &self.connection, reads, spares, self.now).await.unwrap()
    }

    fn points(&self) -> Vec<String> {
        self.rows("SELECT series, period, value, text FROM measure_series ORDER BY series, period")
    }
}

const FOUR: [(&str, &str, &str); 4] = [
    ("Actual", "Feb-26", "5.5"),
    ("Actual", "Jan-26", "5"),
    ("Target", "Feb-26", "null"),
    ("Target", "Jan-26", "8"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_and_what_was_read_are_told_apart() {
    let mut bench = measures(&[1, 2, 3, 4]).await;
    bench.values(&[read(1, "[]"), Read { id: ElementId(2), document: None }]).await;
    let run = bench.begin().await;
    let unclear = [ElementId(3)];
    let measures = &bench.kind.name;
    bench.store.record_unclear(run, &city(), measures, Part::Values, &unclear, bench.now).await.unwrap();
    let states = bench.store.read_states(&city(), measures, Part::Values).await.unwrap();
    let unread =
        ReadState { id: ElementId(4), changed: RunId(1), asked: None, was_read: false, unclear: None };
    let (asked, unclear) = (Some(RunId(2)), Some(run));
    assert_eq!(
        states,
        [
            ReadState { id: ElementId(1), asked, was_read: true, ..unread },
            ReadState { id: ElementId(2), asked, ..unread },
            ReadState { id: ElementId(3), unclear, ..unread },
            unread,
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn freshness_claims_a_read_only_when_all_were_read() {
    let mut bench = measures(&[1, 2]).await;
    let query = "SELECT complete_as_of, values_as_of, details_as_of FROM freshness WHERE kind = 'measures'";
    bench.values(&[read(1, "[]"), Read { id: ElementId(2), document: None }]).await;
    assert_eq!(bench.one(query), "2026-03-01T12:01:00.000Z|-|-");
    bench.values(&[read(2, "[]")]).await;
    assert_eq!(bench.one(query), "2026-03-01T12:01:00.000Z|2026-03-01T12:02:00.000Z|-");
    bench.values(&[Read { id: ElementId(1), document: None }]).await;
    assert_eq!(bench.one(query), "2026-03-01T12:01:00.000Z|2026-03-01T12:02:00.000Z|-");
    let fresh = bench.store.freshness(None).await.unwrap();
    assert_eq!((fresh.len(), fresh[0].present, fresh[0].removed), (1, 2, 0));
    assert_eq!(fresh[0].values_as_of.as_deref(), Some("2026-03-01T12:02:00.000Z"));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_stored_as_points_and_null_stays_null() {
    let mut bench = measures(&[1]).await;
    assert_eq!(bench.values(&[read(1, &data(&FOUR))]).await, ValuesDone::default());
    assert_eq!(
        bench.points(),
        ["Actual|Feb-26|5.5|-", "Actual|Jan-26|5|-", "Target|Feb-26|-|-", "Target|Jan-26|8|-"]
    );
    assert_eq!(
        bench.rows("SELECT part, operation, fields FROM changes WHERE part = 'values'"),
        ["values|insert|-"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_values_again_write_nothing_but_the_run_record() {
    let mut bench = measures(&[1]).await;
    bench.values(&[read(1, &data(&FOUR))]).await;
    let before = bench.digest();
    let spaced = data(&FOUR).replace(':', ": ");
    assert_eq!(bench.values(&[read(1, &spaced)]).await, ValuesDone::default());
    assert_eq!(bench.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_spares_leaves_an_answer_that_lost_points_to_the_next_one() {
    let mut bench = measures(&[1, 2]).await;
    bench.values(&[read(1, &data(&FOUR))]).await;
    let (before, shorter) = (bench.points(), data(&FOUR[..3]));
    bench.commit_values(&[read(1, &shorter), read(2, "[]")], true).await;
    assert_eq!(bench.points(), before);
    let asked = bench.rows("SELECT id, run FROM run_reads ORDER BY id");
    assert_eq!(asked, ["1|2", "2|3"], "the first was asked for in vain");
    assert_eq!(bench.values(&[read(1, &shorter)]).await.changed, [ElementId(1)]);
    assert_eq!(bench.points().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_and_lost_points_are_one_change_row() {
    let mut bench = measures(&[1]).await;
    bench.values(&[read(1, &data(&FOUR))]).await;
    let done = bench.values(&[read(1, &data(&[FOUR[0], ("Actual", "Jan-26", "6"), FOUR[2]]))]).await;
    assert_eq!(done.changed, [ElementId(1)]);
    assert_eq!(bench.points(), ["Actual|Feb-26|5.5|-", "Actual|Jan-26|6|-", "Target|Feb-26|-|-"]);
    assert_eq!(
        bench.rows("SELECT fields, before, after FROM changes WHERE part = 'values'")[1],
        r#"["Actual, Jan-26","Target, Jan-26"]|{"Actual, Jan-26":5.0,"Target, Jan-26":8.0}|{"Actual, Jan-26":6.0}"#
    );
    bench.values(&[read(1, &data(&FOUR))]).await;
    assert_eq!(bench.points().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_lost_too_much_is_held_until_it_recovers() {
    let mut bench = measures(&[1]).await;
    bench.values(&[read(1, &data(&FOUR))]).await;
    let before = bench.points();
    for poor in ["[]", r#"{"oops":1}"#, &data(&FOUR[..1])] {
        let done = bench.values(&[read(1, poor)]).await;
        assert_eq!(done.held, [ElementId(1)], "{poor}");
        assert_eq!(bench.points(), before);
        assert_eq!(bench.one("SELECT doc FROM measure_documents"), reading::canonical(poor));
    }
    let held = bench.store.held(&city(), &KindName::new(HELD_VALUES)).await.unwrap().unwrap();
    assert_eq!(held.ids, [ElementId(1)]);
    bench.values(&[read(1, &data(&FOUR))]).await;
    assert_eq!(bench.store.held(&city(), &KindName::new(HELD_VALUES)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn released_values_go_at_the_next_read() {
    let mut bench = measures(&[1, 2]).await;
    bench.values(&[read(1, &data(&FOUR)), read(2, &data(&FOUR))]).await;
    bench.values(&[read(1, "[]")]).await;
    bench.store.release_kind(&city(), &KindName::new(HELD_VALUES)).await.unwrap();
    let done = bench.values(&[read(2, "[]"), read(1, "[]")]).await;
    assert_eq!((done.changed, done.held), (vec![ElementId(1)], vec![ElementId(2)]));
    assert_eq!(bench.rows("SELECT DISTINCT measure_id FROM measure_series"), ["2"]);
    let held = bench.store.held(&city(), &KindName::new(HELD_VALUES)).await.unwrap().unwrap();
    assert_eq!((held.ids, held.is_released), (vec![ElementId(2)], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_unknown_shape_is_kept_raw_and_told_with_its_keys() {
    let mut bench = measures(&[1]).await;
    let done = bench.values(&[read(1, r#"{"oops":{"x":1}}"#)]).await;
    assert_eq!(done.unrecognised.len(), 1);
    assert_eq!(bench.one("SELECT is_recognised, is_held FROM measure_documents"), "0|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detail_stands_beside_the_list_row_and_shows_in_the_view() {
    let mut bench = measures(&[1]).await;
    let store = bench.store.clone();
    let commit = async |bench: &Bench, document: &str| {
        let run = bench.begin().await;
        let reads = [read(1, document)];
        store.commit_details(run, &city(), &bench.kind, &reads, bench.now).await.unwrap()
    };
    assert_eq!(commit(&bench, r#"{"objectId":1,"name":"m1","custom 1":"x"}"#).await, []);
    store.refresh_views().await.unwrap();
    assert_eq!(bench.one("SELECT name, custom_1 FROM measures"), "m1|x");
    let before = bench.digest();
    assert_eq!(commit(&bench, r#"{"name":"m1","objectId":1,"custom 1":"x"}"#).await, []);
    assert_eq!(bench.digest(), before);
    assert_eq!(commit(&bench, r#"{"objectId":1,"name":"m1","custom 1":"y"}"#).await, [ElementId(1)]);
    assert_eq!(
        bench.one("SELECT part, before FROM changes WHERE part = 'detail'"),
        r#"detail|{"custom 1":"x"}"#
    );
    bench.sync_measures(&[1]).await;
    assert_eq!(bench.one("SELECT custom_1 FROM measures"), "y");
}
