//! Three hundred connections: the page stays useful, and small enough to be quick.

use std::sync::Arc;

use super::sample::{at, connection, kind, status, warning};
use super::{page, text, title};
use crate::status::{ConnectionStatus, Status, WarningStatus};

const BYTES_MAX: usize = 1_000_000;

/// Connections with as many kinds as there are, and two warnings for each of the first `troubled`.
fn many(count: usize, troubled: usize) -> Status {
    let names: Vec<String> = (0..count).map(|n| format!("client-{n:03}")).collect();
    let connections = names.iter().map(|name| {
        let mut connection = connection(name);
        connection.kinds = (0..21).map(|n| kind(name, &format!("kind_{n}"))).collect();
        connection
    });
    let mut status = status(connections.collect());
    for severity in ["error", "warn"] {
        status.warnings.extend(names[count - troubled..].iter().map(|name| warning(name, severity)));
    }
    status
}

#[test]
fn of_three_hundred_those_in_trouble_come_first_and_the_healthy_take_a_line_each() {
    let page = page(&many(300, 2));
    assert_eq!(title(&page), "2 errors · clearpoint-sync");
    assert_eq!(page.matches("<article class=\"connection").count(), 2);
    let text = text(&page);
    assert!(
        text.contains("298 more connections")
            && text.contains("288 more keys; the next of them lapses in 200 days")
    );
    let connections = text.find("Connections client-298").expect("one in trouble stands first");
    assert!(
        text[connections..].find("client-298").unwrap() < text[connections..].find("client-000").unwrap()
    );
    assert!(page.len() < BYTES_MAX / 4, "{} bytes", page.len());
}

#[test]
fn three_hundred_in_trouble_are_all_told_of_within_bounds() {
    let page = page(&many(300, 300));
    assert_eq!(page.matches("<article class=\"warning").count(), 2);
    assert_eq!(page.matches("<article class=\"connection").count(), 40);
    let text = text(&page);
    assert!(text.contains("260 more connections"), "{text}");
    assert!(page.len() < BYTES_MAX, "{} bytes", page.len());
}

/// A status in which the key of each of these connections is refused.
fn refused(count: usize) -> Status {
    let mut status = many(count, 0);
    for connection in &mut status.connections {
        let connection = Arc::make_mut(connection);
        (connection.keys[0].state, connection.keys[0].refused_since) = ("refused", Some(at()));
        connection.waits = ConnectionStatus::why_waits(&connection.keys);
    }
    let names = status.connections.iter().rev().map(|connection| &connection.connection);
    status.warnings = names
        .map(|name| WarningStatus {
            event: "key_refused",
            message: format!("key refused: page 1 of {name} answered 401"),
            facts: Vec::new(),
            ..warning(name, "error")
        })
        .collect();
    status
}

#[test]
fn three_hundred_with_the_same_trouble_share_a_card_that_says_once_what_to_do() {
    let mut status = refused(300);
    status.warnings[7].action = "look at client-292 itself".to_owned();
    let page = page(&status);
    assert_eq!(page.matches("<article class=\"warning").count(), 1);
    let text = text(&page);
    let card = "Error key refused · 300 connections key_refused · the first raised 3 hours ago \
                (2027-03-31 09:00:00 UTC) To do: look at the key Show them : key refused · 300 connections client-000 : \
                key refused: page 1 of client-000 answered 401 (";
    assert!(text.contains(card), "{text}");
    assert_eq!(text.matches("To do:").count(), 2, "once, and where it is something else");
    assert!(
        text.contains(
            "client-292 : key refused: page 1 of client-292 answered 401 ( 3 hours ago ) To do: look at client-292 itself"
        )
    );
    assert!((0..300).all(|n| text.contains(&format!("page 1 of client-{n:03} answered"))));
    assert!(text.contains("Next run waits every key is refused Next key to lapse none that works"), "{text}");
    assert!(text.contains("Next run waits: the key is refused; asked again at most once an hour"));
    assert!(page.len() < BYTES_MAX, "{} bytes", page.len());
}

#[test]
fn five_with_the_same_trouble_have_a_card_each_and_of_very_many_the_rest_are_counted() {
    let cards = |status: &Status| page(status).matches("<article class=\"warning").count();
    assert_eq!([5, 6].map(|count| cards(&refused(count))), [5, 1]);
    let mut status = refused(6);
    status.warnings[0].severity = "warn";
    assert_eq!(cards(&status), 6, "another severity is another trouble");
    let text = text(&page(&refused(403)));
    assert!(text.contains("And 3 more: clearpoint-sync warnings has them all."), "{text}");
}

#[test]
fn many_of_few_connections_are_counted_as_what_they_are() {
    let mut status = refused(3);
    status.warnings.extend(status.warnings.clone());
    assert!(text(&page(&status)).contains("key refused · 6 warnings of 3 connections"));
}

#[test]
fn what_comes_from_outside_is_kept_apart_in_a_shared_card_too() {
    let mut status = refused(6);
    for (n, warning) in status.warnings.iter_mut().enumerate() {
        let evil = format!("<b>\u{202e}{n}");
        (warning.subject, warning.message, warning.action) = (evil.clone(), evil.clone(), evil);
    }
    let page = page(&status);
    let told = page.matches("&#60;b&#62;\u{202e}").count();
    assert_eq!((told, page.matches("<bdi>&#60;b&#62;\u{202e}").count()), (18, 18), "{page}");
}
