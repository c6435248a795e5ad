//! Text can be read in both colour schemes: WCAG 2.2 wants a contrast of 4.5 for text and 3 for the parts
//! of a graph, reckoned here from the colours of the style.

use std::collections::HashMap;

use crate::server::page::STYLE;

/// Which text stands on which ground.
const TEXTS: [(&str, &[&str]); 8] = [
    ("ink", &["page", "sheet", "error-wash", "warn-wash", "info-wash", "well-wash", "unknown-wash"]),
    ("soft", &["page", "sheet", "error-wash", "warn-wash"]),
    ("link", &["page", "sheet"]),
    ("error", &["page", "sheet", "error-wash"]),
    ("warn", &["page", "sheet", "warn-wash"]),
    ("info", &["page", "sheet", "info-wash"]),
    ("well", &["page", "sheet", "well-wash"]),
    ("unknown", &["page", "sheet", "unknown-wash"]),
];
/// What is left of a bar stands on its track.
const BARS: [&str; 4] = ["error", "warn", "well", "unknown"];

/// The colours of a scheme, by name.
fn colours(scheme: &str) -> HashMap<&str, [f64; 3]> {
    let declarations = scheme.lines().filter_map(|line| line.trim().strip_prefix("--")?.strip_suffix(';'));
    let pairs = declarations.filter_map(|line| line.split_once(": #"));
    pairs.map(|(name, hex)| (name, [0, 2, 4].map(|n| channel(&hex[n..n + 2])))).collect()
}

/// A channel as linear light.
fn channel(hex: &str) -> f64 {
    let value = f64::from(u8::from_str_radix(hex, 16).unwrap()) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |[red, green, blue]: [f64; 3]| 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[track_caller]
fn check(scheme: &str) {
    let colours = colours(scheme);
    let check = |one: &str, other: &str, least: f64| {
        let reached = contrast(colours[one], colours[other]);
        assert!(reached >= least, "{one} on {other} reaches {reached:.2}, and {least} is wanted");
    };
    for (text, grounds) in TEXTS {
        grounds.iter().for_each(|ground| check(text, ground, 4.5));
    }
    BARS.iter().for_each(|bar| check(bar, "track", 3.0));
}

#[test]
fn contrast_is_reckoned_as_the_standard_does() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 0.01);
    let grey = channel("77");
    assert!((contrast([grey; 3], [1.0; 3]) - 4.48).abs() < 0.01);
}

#[test]
fn all_text_can_be_read_in_light_and_in_dark() {
    let (light, rest) = STYLE.split_once("@media screen and (prefers-color-scheme: dark)").unwrap();
    check(light);
    check(rest);
}
