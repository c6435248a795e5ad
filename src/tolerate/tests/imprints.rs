//! A page some of whose rows are recognised tells what it tells when every row is read.

use super::bodies::{rows, told};
use super::*;
use crate::snapshot::Known;

/// The fingerprints of a page's rows, as a store would hold them.
fn known(text: &str, kind: &Kind) -> Known {
    let Body::List(list) = body_of_rows(text, kind, None, "objectId") else { panic!("{text}") };
    let mut held: Vec<_> = list.rows.iter().flatten().map(|row| (row.id, row.fingerprint)).collect();
    held.sort_unstable();
    Known::new(held)
}

/// Reads a page; what it tells, and what is kept of it.
fn read(text: &str, kind: &Kind, known: &Known, kept: &[u8]) -> (String, Option<Vec<u8>>) {
    let mut imprints = Imprints::of_page(known, kept);
    let body = body_of_sent_rows(text, kind, None, "objectId", &mut imprints);
    (told(body, |row| row), imprints.news())
}

proptest! {
    #[test]
    fn a_page_tells_the_same_whichever_of_its_rows_are_recognised(
        before in rows(), after in rows(), stored in 0..3_usize,
    ) {
        let mut kind = kind("measures");
        kind.volatile = vec!["state".into()];
        // The store holds the page before, the one after, or both in parts.
        let comma = if before == "[]" || after == "[]" { "" } else { "," };
        let both = format!("{}{comma}{}", &before[..before.len() - 1], &after[1..]);
        let known = known([&before, &after, &both][stored], &kind);
        let kept = read(&before, &kind, &known, &[]).1.unwrap_or_default();
        let (again, news) = read(&after, &kind, &known, &kept);
        let (fresh, anew) = read(&after, &kind, &known, &[]);
        prop_assert_eq!(&again, &told(body_of_rows(&after, &kind, None, "objectId"), |row| row));
        prop_assert_eq!(again, fresh);
        // And what is kept of it anew does not depend on what was recognised.
        prop_assert!(news.is_none() || news == anew);
    }
}
