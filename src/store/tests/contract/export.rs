//! Exports: all of it, in order, of one state.

use std::io;

use super::*;
use crate::kind::KindName;
use crate::store::export::{Cell, Exportable, Order, Piece, Shape};

/// What an export handed over: its head, and its rows as text.
#[derive(Debug, Default, PartialEq)]
struct Taken {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Taken {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Head(names) => self.head = names.to_vec(),
            Piece::Row(cells) => self.rows.push(cells.iter().map(shown).collect()),
        }
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let at = self.head.iter().position(|column| column == name).unwrap();
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".into(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Document(document) => format!("<{}>", reading::canonical(document)),
    }
}

impl Bench {
    async fn export(&self, what: Exportable, shape: Shape, all: bool) -> Taken {
        let connections = [city(), ConnectionName::parse("town").unwrap()];
        let order = Order { what: &what, shape, all, connections: &connections };
        let mut taken = Taken::default();
        let result = self.store.export(&order, |piece| {
            taken.take(piece);
            Ok(())
        });
        result.await.unwrap().unwrap();
        taken
    }

    fn what(&self) -> Exportable {
        Exportable::Kind(self.kind.name.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_of_every_page_is_handed_over_once_and_in_order() {
    let mut bench = Bench::new().await;
    let ids: Vec<i64> = (1..=1200).chain([i64::MAX]).collect();
    let rows: Vec<String> = ids.iter().map(|id| format!(r#"{{"objectId":{id}}}"#)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    for name in ["town", "city"] {
        bench.connection = ConnectionName::parse(name).unwrap();
        bench.sync_rows(&rows).await;
    }
    let expected: Vec<String> = ids.iter().chain(&ids).map(ToString::to_string).collect();
    for shape in [Shape::Columns, Shape::Documents] {
        let taken = bench.export(bench.what(), shape, false).await;
        assert_eq!(taken.column("id"), expected);
        assert_eq!((taken.column("connection")[0], taken.column("connection")[1201]), ("city", "town"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_those_of_the_view_and_hold_what_it_shows() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"name":"a","completed":true,"n\"x":1.5,"doc":"theirs"}"#]).await;
    let taken = bench.export(bench.what(), Shape::Columns, false).await;
    let view = bench.columns("objectives");
    assert_eq!(taken.head, view);
    assert_eq!(taken.rows[0].join("|"), bench.one("SELECT * FROM objectives"));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_come_with_what_is_known_of_their_element() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1, "name":"a","scorecardId":7}"#]).await;
    let taken = bench.export(bench.what(), Shape::Documents, false).await;
    assert_eq!(
        taken.rows[0].join("|"),
        "city|objectives|1|a|present|-|-|7|-|-|2026-03-01T12:01:00.000Z|2026-03-01T12:01:00.000Z|-|\
         <{\"name\":\"a\",\"objectId\":1,\"scorecardId\":7}>|-"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_view_is_handed_over_when_asked_for_with_its_reason() {
    let mut bench = Bench::new().await;
    bench.kind = kind("schedules");
    bench.sync_rows(&[r#"{"scheduleId":1,"state":"idle"}"#, r#"{"scheduleId":2,"state":"busy"}"#]).await;
    let mut pull = bench.pull(&[r#"{"scheduleId":2,"state":"busy"}"#]);
    pull.verdicts.removals = vec![gone(1)];
    bench.sync(&pull).await;
    assert_eq!(bench.export(bench.what(), Shape::Columns, false).await.column("id"), ["2"]);
    let all = bench.export(bench.what(), Shape::Columns, true).await;
    assert_eq!(all.column("state"), ["idle", "busy"], "the view's own column keeps its name");
    assert_eq!(all.column("state_2"), ["removed", "present"]);
    assert_eq!(all.column("reason"), ["absent", "-"]);
    assert_eq!(all.column("removed_at"), ["2026-03-01T12:02:00.000Z", "-"]);
    let documents = bench.export(bench.what(), Shape::Documents, true).await;
    assert_eq!(documents.column("evidence"), ["GET answered 404", "-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_one_state_of_the_store() {
    let mut bench = Bench::new().await;
    let rows: Vec<String> = (1..=600).map(|id| format!(r#"{{"objectId":{id},"name":"old"}}"#)).collect();
    bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (what, connections) = (bench.what(), [city()]);
    let order = Order { what: &what, shape: Shape::Documents, all: false, connections: &connections };
    let mut taken = Taken::default();
    let result = bench.store.export(&order, |piece| {
        if matches!(piece, Piece::Row(_)) && taken.rows.is_empty() {
            bench.meddle("UPDATE elements SET name = 'new' WHERE id > 1");
        }
        taken.take(piece);
        Ok(())
    });
    result.await.unwrap().unwrap();
    assert_eq!(taken.column("name"), ["old"; 600]);
    assert_eq!(bench.one("SELECT count(*) FROM elements WHERE name = 'new'"), "599");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taker_that_fails_ends_the_export_with_its_error() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1}"#, r#"{"objectId":2}"#]).await;
    let (what, connections) = (bench.what(), [city()]);
    let order = Order { what: &what, shape: Shape::Documents, all: false, connections: &connections };
    let mut pieces = 0;
    let result = bench.store.export(&order, |_| {
        pieces += 1;
        if pieces == 2 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    });
    assert_eq!(result.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(pieces, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_handed_over_measure_by_measure() {
    let bench = Bench::new().await;
    let mut expected = Vec::new();
    for id in 1..=50_i64 {
        for (series, period, number) in
            [("Actual", "Feb-26", 2), ("Actual", "Jan-26", 1), ("Target", "Jan-26", 1)]
        {
            let is_gone = id == 3 && series == "Target";
            let gone = if is_gone { "'2026-03-01T12:00:00.000Z'" } else { "NULL" };
            bench.meddle(&format!(
                "INSERT INTO measure_values
                   (connection, measure_id, series, period, period_id, value, removed_at)
                 VALUES ('city', {id}, '{series}', '{period}', {number}, 0.5, {gone})"
            ));
        }
        expected
            .extend(["Actual Jan-26", "Actual Feb-26", "Target Jan-26"].map(|point| format!("{id} {point}")));
    }
    for all in [true, false] {
        let taken = bench.export(Exportable::MeasureValues, Shape::Columns, all).await;
        let points: Vec<String> =
            taken.rows.iter().map(|row| format!("{} {} {}", row[1], row[2], row[4])).collect();
        expected.retain(|point| all || point != "3 Target Jan-26");
        assert_eq!(points, expected);
        assert_eq!(taken.head.last().map(String::as_str), Some(if all { "removed_at" } else { "text" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn measure_series_is_exported_as_its_view_stands() {
    let bench = Bench::new().await;
    let taken = bench.export(Exportable::MeasureSeries, Shape::Columns, false).await;
    assert_eq!(taken.head, bench.columns("measure_series"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_that_can_be_exported_is_known_before_it_has_elements() {
    let mut bench = Bench::new().await;
    assert!(bench.store.kinds().await.unwrap().contains(&KindName::new("risks")));
    bench.kind.name = KindName::new("milestones");
    bench.sync_rows(&[r#"{"objectId":1}"#]).await;
    assert!(bench.store.kinds().await.unwrap().contains(&bench.kind.name));
    bench.kind.name = KindName::new("risks");
    assert_eq!(bench.export(bench.what(), Shape::Columns, false).await.rows.len(), 0);
}
