//! Which build this is, as far as it is known: the version, and the commit where one was told when it
//! was built (see `build.rs`). Used wherever the program names itself to its operators.

/// The version alone: `0.1.0`.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The version with the commit and its date, where they are known: `0.1.0 (1a2b3c4 2026-11-23)`.
pub const FULL: &str = env!("BUILD_VERSION");

/// The short hash of the commit, if it is known.
pub const COMMIT: Option<&str> = if HASH.is_empty() { None } else { Some(HASH) };

const HASH: &str = env!("BUILD_COMMIT");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_version_begins_with_the_number_and_names_the_commit() {
        assert!(FULL.starts_with(NUMBER), "{FULL}");
        match COMMIT {
            Some(commit) => assert!(FULL[NUMBER.len()..].starts_with(&format!(" ({commit}")), "{FULL}"),
            None => assert_eq!(FULL, NUMBER),
        }
    }
}
