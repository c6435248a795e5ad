//! `teams`: an Adaptive Card for the workflow "When a Teams webhook request is received". Version 1.4 is
//! the newest that workflows take, and 28 KB the most. Text stands in `TextRun`s, where no Markdown is
//! read: the name of an element cannot become a link.

use serde_json::{Value, json};

use super::told::{Told, cut};
use crate::warning::Severity;

const FACT_MAX: usize = 200;
const TEXT_MAX: usize = 500;

pub(super) fn body(told: &Told) -> Vec<u8> {
    let headline = cut(&told.headline(), TEXT_MAX);
    let color = match told.severity {
        _ if told.is_resolved() => "good",
        Severity::Info => "accent",
        Severity::Warn => "warning",
        Severity::Error => "attention",
    };
    let mut lines = vec![
        line(&[json!({
            "type": "TextRun", "text": headline, "weight": "bolder", "size": "large", "color": color,
        })]),
        named("What to do", &cut(told.what_to_do(), TEXT_MAX)),
    ];
    lines.extend(told.facts.iter().map(|(name, value)| named(name, &cut(value, FACT_MAX))));
    let footer = format!("{} · {}", told.since(), told.warning_id);
    lines.push(line(&[json!({"type": "TextRun", "text": footer, "isSubtle": true, "size": "small"})]));
    let message = json!({
        "type": "message",
        "summary": headline,
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": headline,
                "msteams": {"width": "Full"},
                "body": lines,
            },
        }],
    });
    message.to_string().into_bytes()
}

fn named(name: &str, text: &str) -> Value {
    line(&[
        json!({"type": "TextRun", "text": format!("{name}: "), "weight": "bolder"}),
        json!({"type": "TextRun", "text": text}),
    ])
}

fn line(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}
