//! Three hundred connections: the page stays useful, and small enough to be quick.

use super::sample::{connection, kind, status, warning};
use super::{page, text, title};
use crate::status::Status;

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
    assert!(page.len() < BYTES_MAX / 2, "{} bytes", page.len());
}

#[test]
fn three_hundred_in_trouble_are_all_told_of_within_bounds() {
    let page = page(&many(300, 300));
    assert_eq!(page.matches("<article class=\"warning").count(), 40);
    assert_eq!(page.matches("<article class=\"connection").count(), 40);
    let text = text(&page);
    assert!(
        text.contains("260 more connections")
            && text.contains("And 160 more: clearpoint-sync warnings has them all.")
    );
    assert!(page.len() < BYTES_MAX, "{} bytes", page.len());
}
