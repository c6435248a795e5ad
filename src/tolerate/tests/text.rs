//! What is no text becomes text, once.

use super::*;

#[track_caller]
fn check(body: &[u8], text: &str, replaced: u64) {
    let cleaned = clean(body);
    assert_eq!((&*cleaned.text, cleaned.replaced), (text, replaced));
    let again = clean(cleaned.text.as_bytes());
    assert_eq!((&*again.text, again.replaced), (text, 0), "clean twice");
}

#[test]
fn sound_text_is_not_copied() {
    let body = r#"{"a":"\\u0000 \ud83d\ude00 \u00e9 \"é"}"#;
    check(body.as_bytes(), body, 0);
    assert!(matches!(clean(body.as_bytes()).text, Cow::Borrowed(_)));
}

#[test]
fn byte_order_marks_go() {
    check(b"\xef\xbb\xbf[]", "[]", 0);
    check(b"\xef\xbb\xbf\xef\xbb\xbf", "", 0);
}

#[test]
fn what_is_no_character_is_replaced_and_counted() {
    check(b"a\xffb\xc3", "a\u{fffd}b\u{fffd}", 2);
    check(b"a\0b", "a\u{fffd}b", 1);
    check(br"a\u0000b", r"a\ufffdb", 1);
    check(b"\\\0", "\\\u{fffd}", 1);
    check(b"\\u00\x000", "\\u00\u{fffd}0", 1);
}

#[test]
fn lone_surrogates_are_replaced_in_either_order() {
    check(br"\ud800", r"\ufffd", 1);
    check(br"\uDC00\uD83D", r"\ufffd\ufffd", 2);
    check(br"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00", 1);
    check(br"\ud83d\u0041", r"\ufffd\u0041", 1);
    check(br"\ud83d\\ude00", r"\ufffd\\ude00", 1);
}

#[test]
fn an_escaped_backslash_starts_no_escape() {
    check(br"\\u0000 \\\\ud800", r"\\u0000 \\\\ud800", 0);
    check(br"\\\u0000", r"\\\ufffd", 1);
}

#[test]
fn bare_control_characters_are_escaped_inside_strings_only() {
    check(b"[\n\t\"a\nb\\\"\x01\"\r]", "[\n\t\"a\\u000ab\\\"\\u0001\"\r]", 0);
    check(b"[\"a\\\n\"]", "[\"a\\\\\\u000a\"]", 0);
    check(b"<p class=\"a\nb\">", "<p class=\"a\nb\">", 0);
    assert!(matches!(clean(b"[\n1]").text, Cow::Borrowed(_)));
}

#[test]
fn text_that_breaks_off_in_an_escape_stays() {
    for body in [r"\", r"\u", r"\u00", r"\ud83d\u", r"\u00é"] {
        let expected = body.replace(r"\ud83d", r"\ufffd");
        let replaced = u64::from(expected != body);
        check(body.as_bytes(), &expected, replaced);
    }
}

proptest! {
    #[test]
    fn cleaning_twice_changes_nothing(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let once = clean(&body);
        let twice = clean(once.text.as_bytes());
        prop_assert_eq!(&once.text, &twice.text);
        prop_assert_eq!(twice.replaced, 0);
    }

    #[test]
    fn any_text_in_quotes_is_one_string_once_cleaned(inside in r"([ !#-\[\]-~]|[\x00-\x1f]|é){0,12}") {
        let body = format!("[\"{inside}\"]");
        let cleaned = clean(body.as_bytes());
        let read: [String; 1] = serde_json::from_str(&cleaned.text).unwrap();
        prop_assert_eq!(&read[0], &inside.replace('\0', "\u{fffd}"));
        let again = clean(cleaned.text.as_bytes());
        prop_assert_eq!(&again.text, &cleaned.text);
    }

    #[test]
    fn cleaned_escapes_are_fit_for_both_stores(body in r"(\\|\\u|d83d|de00|0000|u|d8|é){0,12}") {
        let once = clean(body.as_bytes());
        let twice = clean(once.text.as_bytes());
        prop_assert_eq!(&once.text, &twice.text);
        if let Ok(text) = serde_json::from_str::<String>(&format!("\"{}\"", once.text)) {
            prop_assert!(!text.contains('\0'));
        }
    }
}

/// What cannot be stored, replaced one character after the other.
fn repaired(text: &str) -> (String, u64) {
    let (mut out, mut replaced, mut rest) = (String::new(), 0, text);
    let unit = |rest: &str| u16::from_str_radix(rest.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let is_hex = |rest: &str| rest.bytes().skip(2).take(4).all(|byte| byte.is_ascii_hexdigit());
    while let Some(first) = rest.chars().next() {
        let (replacement, length) = match unit(rest).filter(|_| is_hex(rest)) {
            Some(0xd800..=0xdbff) if matches!(unit(&rest[6..]), Some(0xdc00..=0xdfff)) => (None, 12),
            Some(0 | 0xd800..=0xdfff) => (Some("\\ufffd"), 6),
            Some(_) => (None, 6),
            None if first == '\0' => (Some("\u{fffd}"), 1),
            // What a backslash stands before begins nothing of its own.
            None if first == '\\' && !rest[1..].starts_with('\0') => {
                (None, 1 + rest[1..].chars().next().map_or(0, char::len_utf8))
            }
            None => (None, first.len_utf8()),
        };
        out.push_str(replacement.unwrap_or(&rest[..length]));
        replaced += u64::from(replacement.is_some());
        rest = &rest[length..];
    }
    (out, replaced)
}

proptest! {
    #[test]
    fn any_text_is_cleaned_as_if_read_character_by_character(
        text in r#"(\\|\\u|0000|d83d|\\ude00|\\ud83d|\\u0000|dc00|00e9|"|é|\x00|[a-f0-9]){0,12}"#,
    ) {
        let cleaned = clean(text.as_bytes());
        let (expected, replaced) = repaired(&text);
        prop_assert_eq!((&*cleaned.text, cleaned.replaced), (expected.as_str(), replaced));
    }
}
