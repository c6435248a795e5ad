//! Lists: envelopes, pages, ends, filters, order, duplicates.

use super::*;

#[tokio::test]
async fn pages_of_a_list_make_up_what_the_user_sees() {
    let simulator = started(Switches::default()).await;
    let mut seen = Vec::new();
    for page in 1..=4 {
        let path = format!("/measures?page={page}&count=25");
        seen.extend(rows(&simulator, &path, "/measures").await);
    }
    let truth: Vec<Value> =
        simulator.visible("measures", USER).values().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(truth.len(), 60);
    assert_eq!(seen, truth);
}

#[tokio::test]
async fn every_envelope_holds_the_list_where_it_says() {
    let simulator = started(Switches::default()).await;
    let places = ["", "/risks", "/data", "/results", "/data/risks"];
    for (envelope, place) in Envelope::ALL.into_iter().zip(places) {
        simulator.switch(|s| s.envelope = envelope);
        assert_eq!(rows(&simulator, "/risks?count=10", place).await.len(), 10, "{envelope:?}");
    }
}

#[tokio::test]
async fn totals_are_told_right_and_wrong() {
    let simulator = started(Switches::default()).await;
    for (totals, total) in [(Totals::Elements, json!(27)), (Totals::OffBy(3), json!(30))] {
        simulator.switch(|s| s.totals = totals);
        let (_, body) = asked(&simulator, "/risks?count=10").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["totalCount"], &body["pageCount"]), (&total, &json!(3)));
    }
}

#[tokio::test]
async fn past_the_end_each_answer_comes() {
    let simulator = started(Switches::default()).await;
    let last = asked(&simulator, "/risks?page=3&count=10").await;
    let ends = [
        (End::Empty, (200, r#"{"risks":[]}"#.to_owned())),
        (End::Null, (200, "null".to_owned())),
        (End::LastAgain, last),
    ];
    for (end, expected) in ends {
        simulator.switch(|s| s.end = end);
        assert_eq!(asked(&simulator, "/risks?page=9&count=10").await, expected);
    }
    simulator.switch(|s| s.end = End::NotFound);
    assert_eq!(asked(&simulator, "/risks?page=4&count=10").await.0, 404);
}

#[tokio::test]
async fn a_capped_count_moves_or_keeps_the_offsets() {
    let simulator = started(Switches::default()).await;
    let ids = simulator.world().ids("risks");
    for (over, first_of_page_2) in [(Over::CappedOffsets, 5), (Over::AskedOffsets, 20)] {
        simulator.switch(|s| s.count_max = Some(CountMax { rows: 5, over }));
        let page = rows(&simulator, "/risks?page=2&count=20", "/risks").await;
        assert_eq!(page[0]["objectId"], json!(ids[first_of_page_2]));
    }
    simulator.switch(|s| {
        s.count_max = Some(CountMax { rows: 5, over: Over::Refused });
    });
    assert_eq!(asked(&simulator, "/risks?count=6").await.0, 400);
}

#[tokio::test]
async fn start_is_an_offset_in_rows() {
    let simulator = started(Switches::default()).await;
    let ids = simulator.world().ids("files");
    let page = rows(&simulator, "/files?start=7&count=3", "/files").await;
    assert_eq!(page.len(), 3);
    assert_eq!(page[0]["fileId"], json!(ids[7]));
}

#[tokio::test]
async fn every_format_is_read_by_the_program_and_its_cursor_by_the_server() {
    use StampFormat::*;
    let simulator = started(Switches::default()).await;
    let id = simulator.world().ids("goals")[3];
    let edited_at = simulator.world().now + TimeDelta::days(40);
    simulator.world().now = edited_at;
    simulator.world().edit("goals", id, "name", json!("new"));
    for stamp in [IsoZoned, IsoLocal, SqlLocal, EpochSeconds, EpochMillis, MonthFirst, DayFirst, DateOnly] {
        simulator.switch(|s| s.stamp = stamp);
        let (_, row) = asked(&simulator, &format!("/goals/{id}")).await;
        let row: Value = serde_json::from_str(&row).unwrap();
        let text = row["lastEdited"].to_string();
        let read = stamp.parse(text.trim_matches('"')).unwrap();
        assert!(read == edited_at || stamp == DateOnly && read.date_naive() == edited_at.date_naive());
        let cursor = stamp.write(read).replace(' ', "%20");
        let found = rows(&simulator, &format!("/goals?lastEdited={cursor}"), "/goals").await;
        assert_eq!((found.len(), &found[0]), (1, &row), "{stamp:?}");
    }
    simulator.switch(|s| s.stamp_has_time = false);
    for (stamp, text) in [(MonthFirst, "04/11/2026"), (DayFirst, "11/04/2026")] {
        simulator.switch(|s| s.stamp = stamp);
        let found = rows(&simulator, &format!("/goals?lastEdited={text}"), "/goals").await;
        assert_eq!((found.len(), &found[0]["lastEdited"]), (1, &json!(text)));
    }
}

#[tokio::test]
async fn an_element_in_two_scorecards_is_listed_as_switched() {
    let simulator = started(Switches::default()).await;
    let id = simulator.world().ids("risks")[0];
    let scorecards = simulator.world().ids("scorecards");
    simulator.world().rehome("risks", id, scorecards[0]);
    simulator.world().link("risks", id, &[scorecards[1]]);
    for (duplicates, homes) in [
        (Duplicates::Never, vec![0]),
        (Duplicates::SameRow, vec![0, 0]),
        (Duplicates::OwnScorecard, vec![0, 1]),
    ] {
        simulator.switch(|s| s.duplicates = duplicates);
        let all = rows(&simulator, "/risks?count=500", "/risks").await;
        let seen: Vec<&Value> =
            all.iter().filter(|row| row["objectId"] == json!(id)).map(|row| &row["scorecardId"]).collect();
        let expected: Vec<Value> = homes.iter().map(|home| json!(scorecards[*home])).collect();
        assert_eq!(seen, expected.iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn unavailable_kinds_answer_as_switched() {
    let simulator = started(Switches::default()).await;
    for (how, expected) in [
        (Unavailable::Status(405), 405),
        (Unavailable::NoContent, 204),
        (Unavailable::EmptyBody, 200),
        (Unavailable::Null, 200),
    ] {
        simulator.switch(|s| {
            s.unavailable.insert("groups".to_owned(), how);
        });
        let (status, body) = asked(&simulator, "/groups").await;
        assert_eq!(status, expected);
        assert!(!body.contains("groupId"));
    }
}

#[tokio::test]
async fn pages_that_are_not_heeded_show_the_first_rows_or_all() {
    let simulator = started(Switches::default()).await;
    let first = rows(&simulator, "/risks?count=10", "/risks").await;
    simulator.switch(|s| s.paging = PagingHeed::OnlyCount);
    assert_eq!(rows(&simulator, "/risks?page=2&count=10", "/risks").await, first);
    simulator.switch(|s| s.paging = PagingHeed::Ignored);
    assert_eq!(rows(&simulator, "/risks?page=2&count=10", "/risks").await.len(), 27);
}

#[tokio::test]
async fn a_list_without_paging_is_whole_or_cut_short() {
    let simulator = started(Switches::default()).await;
    assert_eq!(rows(&simulator, "/reports", "/reports").await.len(), 5);
    simulator.switch(|s| s.unpaged_max = Some(3));
    assert_eq!(rows(&simulator, "/reports?page=2", "/reports").await.len(), 3);
}

#[tokio::test]
async fn an_edit_moves_a_row_to_the_front_only_where_order_says_so() {
    let simulator = started(Switches::default()).await;
    let ids = simulator.world().ids("risks");
    simulator.world().edit("risks", ids[9], "name", json!("new"));
    for (order, first) in
        [(Order::IdAscending, ids[0]), (Order::IdDescending, ids[26]), (Order::LastEditedFirst, ids[9])]
    {
        simulator.switch(|s| s.order = order);
        assert_eq!(rows(&simulator, "/risks", "/risks").await[0]["objectId"], json!(first));
    }
}

#[tokio::test]
async fn the_filter_means_what_the_switch_says() {
    let simulator = started(Switches::default()).await;
    let id = simulator.world().ids("goals")[0];
    let now = simulator.world().now;
    simulator.world().edit("goals", id, "name", json!("new"));
    let at = |at: chrono::DateTime<chrono::Utc>| format!("/goals?lastEdited={}", at.format("%FT%TZ"));
    for (filter, at_now, a_second_later) in
        [(Filter::Since, 1, 0), (Filter::After, 0, 0), (Filter::OnDay, 1, 1), (Filter::Ignored, 10, 10)]
    {
        simulator.switch(|s| s.filter = filter);
        assert_eq!(rows(&simulator, &at(now), "/goals").await.len(), at_now, "{filter:?}");
        let later = at(now + TimeDelta::seconds(1));
        assert_eq!(rows(&simulator, &later, "/goals").await.len(), a_second_later, "{filter:?}");
    }
    simulator.switch(|s| s.filter = Filter::Refused);
    assert_eq!(asked(&simulator, &at(now)).await.0, 400);
}

#[tokio::test]
async fn a_kind_of_the_customers_own_is_served() {
    let mut world = World::generate(7, &Size::small());
    let mut kind = crate::kind::catalogue().remove(6);
    kind.name = crate::kind::KindName::new("milestones");
    kind.path = "/milestones".to_owned();
    kind.list_name = "milestones".to_owned();
    world.add_kind(kind, 3);
    let simulator = started_on(world, Switches::default()).await;
    assert_eq!(rows(&simulator, "/milestones", "/milestones").await.len(), 3);
    assert_eq!(asked(&simulator, "/categories").await.0, 404);
}
