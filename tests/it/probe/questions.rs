//! The probe names what the server does, whichever way that is.

use clearpoint_sync::simulator::{
    CountMax, End, Envelope, Filter, MeasureDataShape, Over, PagingHeed, Rows, Size, Switches, Totals, World,
};
use clearpoint_sync::stamp::StampFormat;

use super::{bench, probe};
use crate::harness::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn the_plainest_server_is_told_as_it_is() {
    let found = probe(&bench(Switches::default(), 25).await, &[]).await;
    found.check("measures", "envelope", "under the kind's name");
    found.check("measures", "id_field", "objectId");
    found.check("measures", "totals", "none");
    found.check("measures", "last_edited_format", "ISO 8601 with a zone");
    found.check_server("paging", "page and count are heeded");
    found.check("measures", "last_edited_filter", "since");
    found.check("measures", "details", "same");
    found.check("measures", "measure_data", "recognised: 2 series, 6 periods");
    found.check("goals", "update_fields", "list rows: percentComplete, periodId, statusId");
    found.check("scorecards", "missing_id", "404 Not Found");
    found.check("scorecards", "server_clock", "within 5 minutes");
    found.check("users", "email_filter", "filters");
    found.check("milestones", "exists", "no: 404 Not Found");
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_and_totals_are_named() {
    let places = [
        (Envelope::Bare, "a bare array"),
        (Envelope::Data, "under data"),
        (Envelope::Results, "under results"),
        (Envelope::Nested, "under data, the kind's name"),
    ];
    for (envelope, place) in places {
        let switches = Switches { envelope, totals: Totals::Elements, ..Switches::default() };
        let found = probe(&bench(switches, 25).await, &[]).await;
        found.check("risks", "envelope", place);
        let totals = if envelope == Envelope::Bare { "none" } else { "rows in all and pages in all" };
        found.check("risks", "totals", totals);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_on_count_is_found() {
    let capped = |rows, over| Switches { count_max: Some(CountMax { rows, over }), ..Switches::default() };
    for (switches, page_size, answer) in [
        (capped(20, Over::CappedOffsets), 200, "20 rows"),
        (capped(20, Over::AskedOffsets), 200, "20 rows"),
        (capped(50, Over::Refused), 200, "50 is taken, 100 is not"),
        (capped(25, Over::CappedOffsets), 25, "25 rows, or the list has no more"),
        (capped(50, Over::Refused), 25, "25 is taken, 125 is not"),
        (Switches::default(), 25, "40 rows or more"),
        (Switches::default(), 200, "not reached: the longest list has 60 rows"),
    ] {
        let found = probe(&bench(switches, page_size).await, &[]).await;
        found.check("scorecards", "envelope", "under the kind's name");
        let is_it = |((_, asked), told): (&(_, String), &String)| asked == "count_cap" && told == answer;
        assert!(found.answers.iter().any(is_it), "no {answer:?}: {:?}", found.answers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_past_the_end_is_named() {
    for (end, page_size, answer) in [
        (End::Empty, 200, "an empty list"),
        (End::NotFound, 200, "404 Not Found"),
        (End::Null, 25, "200 OK, null"),
        (End::LastAgain, 200, "the last page again"),
    ] {
        let found = probe(&bench(Switches { end, ..Switches::default() }, page_size).await, &[]).await;
        found.check_server("past_the_end", answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_that_is_not_heeded_is_named() {
    for (paging, answer, start) in [
        (PagingHeed::OnlyCount, "count is heeded, page is not", "not heeded"),
        (PagingHeed::Ignored, "neither page nor count is heeded", "neither start nor count is heeded"),
    ] {
        let found = probe(&bench(Switches { paging, ..Switches::default() }, 200).await, &[]).await;
        found.check_server("paging", answer);
        found.check_server("start", start);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_meaning_of_the_filter_is_named() {
    for (filter, answer, precision) in [
        (Filter::Since, "since", Some("to the second")),
        (Filter::After, "after", Some("to the second")),
        (
            Filter::OnDay,
            "edited at that very instant, or on that very day",
            Some("more coarsely than a second"),
        ),
        (Filter::Ignored, "ignored", None),
        (Filter::Refused, "refused", None),
    ] {
        let found = probe(&bench(Switches { filter, ..Switches::default() }, 200).await, &[]).await;
        found.check("measures", "last_edited_filter", answer);
        found.check("risks", "last_edited_filter", answer);
        if let Some(precision) = precision {
            found.check_server("last_edited_precision", precision);
        }
    }
}

/// Whichever way stamps are written, the filter is asked in that way.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_writing_stamps_is_named_and_asked_with() {
    for stamp in StampFormat::ALL {
        for filter in [Filter::Since, Filter::After] {
            let found =
                probe(&bench(Switches { stamp, filter, ..Switches::default() }, 200).await, &[]).await;
            found.check("measures", "last_edited_format", stamp.name());
            let answer = if filter == Filter::Since { "since" } else { "after" };
            found.check("measures", "last_edited_filter", answer);
            found.check_server("last_edited_precision", "to the ");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_anything_settles_little_and_fails_nothing() {
    let world = World::generate(141, &Size::small().none());
    let found = probe(&Setup::of(world).start().await, &["--search", "--wrong-secret"]).await;
    found.check("measures", "envelope", "under the kind's name; no rows");
    found.check_server("paging", "not settled: no list shows two rows");
    found.check("measures", "measure_data", "not asked: no measure was listed");
    found.check("users", "email_filter", "not settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn poorer_rows_unknown_values_and_ignored_addresses_are_named() {
    let switches = Switches {
        rows: Rows::Poorer,
        measure_data: MeasureDataShape::Unrecognisable,
        email_filter: false,
        deleted_status: 410,
        ..Switches::default()
    };
    let found = probe(&bench(switches, 25).await, &[]).await;
    found.check("measures", "details", "richer: description");
    found.check("measures", "measure_data", "not recognised");
    found.check("users", "email_filter", "ignored");
}
