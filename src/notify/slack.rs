//! `slack`: a message of blocks, as incoming webhooks of Slack take it. `text` says the same once more:
//! it is what a notification shows, and all that Mattermost and Rocket.Chat read.

use serde_json::{Value, json};

use super::told::{Told, cut};

/// Slack's bound is 150.
const HEADER_MAX: usize = 140;
/// Slack's bound is 3000, after escaping.
const SECTION_MAX: usize = 2900;
const FACT_MAX: usize = 300;
/// Words that call everybody in where the name of an element holds them.
const CALLS: [&str; 4] = ["@channel", "@here", "@everyone", "@all"];

pub(super) fn body(told: &Told) -> Vec<u8> {
    let headline = told.headline();
    let what_to_do = escaped(told.what_to_do());
    let mut blocks = vec![
        json!({"type": "header", "text": {
            "type": "plain_text", "text": escaped(&cut(&headline, HEADER_MAX)), "emoji": false,
        }}),
        section(&format!("*What to do:* {}", escaped(&cut(told.what_to_do(), 500)))),
    ];
    let facts: Vec<String> = told
        .facts
        .iter()
        .map(|(name, value)| format!("*{}:* {}", escaped(name), escaped(&cut(value, FACT_MAX))))
        .collect();
    blocks.extend(sections(&facts));
    let footer = format!("{} · {}", escaped(&told.since()), escaped(&told.warning_id));
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": footer}]}));
    let text = format!("*{}*\n{what_to_do}\n{}\n{footer}", escaped(&headline), facts.join("\n"));
    let message = json!({"text": text, "blocks": blocks});
    message.to_string().into_bytes()
}

/// As few sections as hold all lines.
fn sections(lines: &[String]) -> Vec<Value> {
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        match texts.last_mut() {
            Some(text) if text.chars().count() + line.chars().count() < SECTION_MAX => {
                text.push('\n');
                text.push_str(line);
            }
            _ => texts.push(line.clone()),
        }
    }
    texts.iter().map(|text| section(text)).collect()
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

/// The three characters that Slack wants escaped; links as Mattermost writes them, and calls to
/// everybody, broken up.
fn escaped(text: &str) -> String {
    let mut text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text = text.replace("](", "]\u{200b}(");
    for call in CALLS {
        text = text.replace(call, &call.replace('@', "@\u{200b}"));
    }
    text
}
