//! The log lines of warnings. They are stable and documented, because people alert on them: the
//! message, then `event`, `connection`, the facts in a fixed order, and the action.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::warning::{OpenWarning, Severity, Warning, span};

/// Logs with the facts whose names `tracing` must know when it is built; any other fact goes to `more`
/// as text.
macro_rules! log {
    ($level:ident, $warning:expr, [$($before:ident)*], [$($after:ident)*]) => {{
        let warning: &Warning = $warning;
        let known = [$(stringify!($before),)* $(stringify!($after),)*];
        let more = more(warning, &known);
        tracing::$level!(
            event = warning.id.event.as_str(),
            connection = warning.id.connection.as_str(),
            $($before = fact(warning, stringify!($before)),)*
            action = warning.action.as_str(),
            $($after = fact(warning, stringify!($after)),)*
            more,
            warning_id = %warning.id,
            "{}", warning.message
        )
    }};
    ($level:ident, $warning:expr) => {
        log!(
            $level,
            $warning,
            [key expires days_left next_key next_key_expires next_key_days_left answer mapped_user kind held
              still_works],
            [setting usable_through first_run_after lost came elements fields seconds our_clock kinds complete_as_of]
        )
    };
}

/// Says that a warning holds: as it is raised, escalated, reminded.
pub(super) fn holds(warning: &Warning) {
    match warning.severity {
        Severity::Info => log!(info, warning),
        Severity::Warn => log!(warn, warning),
        Severity::Error => log!(error, warning),
    }
}

/// Says that a warning no longer holds.
pub(super) fn resolved(warning: &Warning, raised_at: DateTime<Utc>, now: DateTime<Utc>, message: &str) {
    tracing::info!(
        event = "warning_resolved",
        connection = warning.id.connection.as_str(),
        resolved = warning.id.event.as_str(),
        kind = fact(warning, "kind"),
        since = raised_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        lasted = span(now - raised_at),
        data_stood_still = fact(warning, "data_stood_still"),
        warning_id = %warning.id,
        "{message}"
    );
}

/// Says that a key was given a later date.
pub(super) fn renewed(open: &OpenWarning, expires: &str) {
    let warning = &open.warning;
    tracing::info!(
        event = "key_renewed",
        connection = warning.id.connection.as_str(),
        key = fact(warning, "key"),
        expires,
        warning_id = %warning.id,
        "key renewed"
    );
}

fn fact<'a>(warning: &'a Warning, name: &str) -> Option<&'a str> {
    warning.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

fn more(warning: &Warning, known: &[&str]) -> Option<String> {
    let unknown = warning.fields.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    let text = unknown.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}
