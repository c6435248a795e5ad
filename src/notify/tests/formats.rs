//! JSON, Slack and Teams.

use super::*;

#[test]
fn plain_json_is_as_documented_and_keeps_the_facts_in_order() {
    let body = String::from_utf8(json::body(&told(&notice()))).unwrap();
    let expected = concat!(
        r#"{"schema":"clearpoint-sync/warning/1","delivery":"d-17","#,
        r#""warning_id":"city/key_expiring/key 2027-03-31","phase":"raised","event":"key_expiring","#,
        r#""severity":"warn","connection":"city","subject":"key 2027-03-31","message":"key expires soon","#,
        r#""action":"ClearPoint > System Settings > API Keys > Edit","#,
        r#""facts":{"key":"Integration","expires":"2027-03-31","days_left":"30","#,
        r#""mapped_user":"reporting@city.example"},"raised_at":"2027-03-01T06:00:00Z","#,
        r#""at":"2027-03-01T06:00:00Z","resolved_at":null,"program":"clearpoint-sync 0.1.0"}"#,
    );
    assert_eq!(body, expected);
}

#[test]
fn a_resolved_warning_says_so_in_every_format() {
    let end = at("2027-03-20T08:00:00Z");
    let over = told(&later(&notice(), Phase::Resolved, Severity::Error, end));
    assert_eq!(json_of(&json::body(&over))["resolved_at"], "2027-03-20T08:00:00Z");
    for body in [slack::body(&over), teams::body(&over)] {
        let all = texts(&json_of(&body)).join("\n");
        for part in
            ["RESOLVED key expires soon: city", "Nothing: this is no longer so.", "to 2027-03-20T08:00:00Z"]
        {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(!all.contains("ERROR") && !all.contains("API Keys"), "{all}");
    }
}

#[test]
fn a_clock_that_was_set_back_ends_nothing_before_it_began() {
    let over = told(&later(&notice(), Phase::Resolved, Severity::Warn, at("2020-01-01T00:00:00Z")));
    assert_eq!(json_of(&json::body(&over))["resolved_at"], RAISED);
}

#[test]
fn slack_gets_a_header_what_to_do_and_the_facts() {
    let message = json_of(&slack::body(&told(&notice())));
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["text"]["text"], "WARN key expires soon: city");
    assert_eq!(
        blocks[1]["text"]["text"],
        "*What to do:* ClearPoint &gt; System Settings &gt; API Keys &gt; Edit"
    );
    assert_eq!(
        blocks[2]["text"]["text"],
        "*key:* Integration\n*expires:* 2027-03-31\n*days_left:* 30\n*mapped_user:* reporting@city.example"
    );
    assert_eq!(
        blocks[3]["elements"][0]["text"],
        "since 2027-03-01T06:00:00Z · city/key_expiring/key 2027-03-31"
    );
    // All of it again for those who read no blocks.
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with("*WARN key expires soon: city*\nClearPoint &gt; "), "{text}");
    assert!(text.contains("*days_left:* 30"), "{text}");
}

#[test]
fn slack_is_given_no_markup_by_a_name_and_no_more_than_it_takes() {
    let message = json_of(&slack::body(&told(&hostile())));
    for text in texts(&message) {
        assert!(!text.contains(['<', '>', '\u{1b}', '\u{202e}', '\r']), "{text}");
        assert!(!text.contains("@channel") && !text.contains("]("), "{text}");
        assert!(!text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").contains('&'), "{text}");
    }
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        let text = block["text"]["text"].as_str().unwrap_or_default();
        let bound = if block["type"] == "header" { 150 } else { 3000 };
        assert!(text.chars().count() <= bound, "{}: {text}", text.chars().count());
    }
    assert!(message["text"].as_str().unwrap().chars().count() <= 40_000);
}

#[test]
fn teams_gets_an_adaptive_card_for_a_workflow() {
    let message = json_of(&teams::body(&told(&notice())));
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
    assert_eq!(card["body"][0]["inlines"][0]["text"], "WARN key expires soon: city");
    assert_eq!(card["body"][0]["inlines"][0]["color"], "warning");
    assert_eq!(card["body"][4]["inlines"][0]["text"], "days_left: ");
    assert_eq!(card["body"][4]["inlines"][1]["text"], "30");
}

#[test]
fn teams_reads_no_markdown_in_a_name_and_gets_no_more_than_it_takes() {
    let body = teams::body(&told(&hostile()));
    assert!(body.len() < 28 * 1024, "{}", body.len());
    let message = json_of(&body);
    for block in message["attachments"][0]["content"]["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock");
    }
}

#[test]
fn control_characters_go_nowhere_and_every_text_has_its_bound() {
    let message = json_of(&json::body(&told(&hostile())));
    for text in texts(&message) {
        assert!(!text.contains(char::is_control) && !text.contains('\u{202e}'), "{text:?}");
        assert!(text.chars().count() <= 1000);
    }
    assert_eq!(message["facts"].as_object().unwrap().len(), 24);
}

#[test]
fn a_fact_that_is_named_twice_is_told_once() {
    let mut notice = notice();
    notice.warning.fields.push(("key".into(), "other".into()));
    let body = String::from_utf8(json::body(&told(&notice))).unwrap();
    assert_eq!(body.matches(r#""key":"#).count(), 1);
    assert!(!body.contains("other"));
}
