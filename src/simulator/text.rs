//! Made-up text: names, sentences and HTML as people paste it into a strategy tool. The pieces are
//! JSON already, so that a page of rich documents costs little more than copying.

use std::hash::Hasher as _;

use xxhash_rust::xxh3::Xxh3;

use super::document::Richness;

/// The random numbers of one field of one element: the same whatever was drawn before.
pub(super) fn random(seed: u64, field: &str) -> fastrand::Rng {
    let mut hasher = Xxh3::with_seed(seed);
    hasher.write(field.as_bytes());
    fastrand::Rng::with_seed(hasher.finish())
}

const VERBS: [&str; 8] =
    ["Improve", "Reduce", "Grow", "Modernize", "Sustain", "Expand", "Protect", "Simplify"];
const NOUNS: [&str; 12] = [
    "Road Safety",
    "Response Time",
    "Library Visits",
    "Water Quality",
    "Permit Backlog",
    "Staff Retention",
    "Tree Canopy",
    "Tax Base \\u0026 Fees",
    "Caf\u{e9} Licences",
    "Broadband \u{2014} Phase 2",
    "\\\"Safe Streets\\\"",
    "Bus Ridership",
];
const SENTENCES: [&str; 6] = [
    "The council adopted this target in its March session.",
    "Figures are provisional until the quarter is closed.",
    "See the annual report for the method; numbers before 2024 are not comparable.",
    "Owner: Office of Strategy \\u0026 Performance.",
    "Delayed \u{2013} the vendor\u{2019}s data arrives on the 10th.",
    "On track.",
];
const PARAGRAPHS: [&str; 4] = [
    r#"<p style=\"margin:0in;font-family:&quot;Calibri&quot;,sans-serif\">The programme covers all nine districts.&nbsp;<strong>Two</strong> are behind plan.</p>\n"#,
    r#"<ul>\n<li>Patrol response: 6.2&nbsp;min (goal 5.5)</li>\n<li>Calls per shift: 41</li>\n</ul>\n"#,
    r#"<table border=\"1\"><tbody><tr><td>Q1</td><td>Q2</td></tr><tr><td>12&#37;</td><td>—</td></tr></tbody></table>\n"#,
    r#"<p><span style=\"color:#c0392b\">Risk:</span> the grant ends in June; see <a href=\"https://city.example/grants?id=7&amp;year=2026\">the award letter</a>.</p>\n"#,
];

/// A name, quoted.
pub(super) fn name(out: &mut Vec<u8>, random: &mut fastrand::Rng) {
    out.push(b'"');
    out.extend_from_slice(VERBS[random.usize(..VERBS.len())].as_bytes());
    out.push(b' ');
    out.extend_from_slice(NOUNS[random.usize(..NOUNS.len())].as_bytes());
    out.push(b'"');
}

/// A sentence, quoted.
pub(super) fn sentence(out: &mut Vec<u8>, random: &mut fastrand::Rng) {
    out.push(b'"');
    out.extend_from_slice(SENTENCES[random.usize(..SENTENCES.len())].as_bytes());
    out.push(b'"');
}

/// HTML, quoted: in a realistic world its length is log-normal, so that most are short, one in a
/// hundred is 40 KB, and none is over 300 KB.
pub(super) fn html(out: &mut Vec<u8>, random: &mut fastrand::Rng, richness: Richness) {
    if richness == Richness::Small {
        return sentence(out, random);
    }
    // The sum of twelve uniform numbers is close to normal around 6.
    let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
    let bytes_max = (300.0 * (2.1 * normal).exp()).min(300_000.0);
    out.push(b'"');
    let mut bytes = 0.0;
    while bytes < bytes_max {
        let paragraph = PARAGRAPHS[random.usize(..PARAGRAPHS.len())];
        out.extend_from_slice(paragraph.as_bytes());
        bytes += 130.0;
    }
    out.push(b'"');
}
