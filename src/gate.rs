//! The identity gate: is this still the account, and the mapped user, that was accepted? Judged on the
//! set of visible scorecards before a run writes anything, so that two accounts' rows never mix. Pure.

use crate::element::ElementId;

/// What the store knows of a connection's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The base URL that the rows came from.
    pub base_url: String,
    /// The accepted set of visible scorecards, ascending.
    pub accepted: Vec<ElementId>,
    /// Whether a person released the connection: the next run accepts what it sees.
    pub is_released: bool,
    /// How many runs in a row found the door closed (an HTML page, a redirect).
    pub doors_closed: u32,
}

/// What the gate says of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// The account is the accepted one, or is accepted now.
    Open,
    /// No scorecard is visible: never a success.
    NothingVisible,
    /// With one or two accepted scorecards their disappearance alone proves little: open only if some
    /// stored element still answers a direct read with its stored name.
    Ask,
    /// Another account, or far less of it than was accepted; why, for people.
    Closed(String),
}

/// Judges what is visible now against what was accepted. Without an account anything visible is
/// accepted: it is the first run.
#[must_use]
pub fn judge(account: Option<&Account>, base_url: &str, visible: &[ElementId]) -> Passage {
    if visible.is_empty() {
        return Passage::NothingVisible;
    }
    let Some(account) = account.filter(|account| !account.is_released) else {
        return Passage::Open;
    };
    if account.base_url != base_url {
        return Passage::Closed(format!("base_url was {} and is now {base_url}", account.base_url));
    }
    let accepted = account.accepted.len();
    let still = account.accepted.iter().filter(|id| visible.binary_search(id).is_ok()).count();
    match (accepted, still) {
        (0, _) => Passage::Open,
        (1 | 2, 0) => Passage::Ask,
        (1 | 2, _) => Passage::Open,
        _ if still * 2 < accepted => Passage::Closed(lost(accepted, still)),
        _ => Passage::Open,
    }
}

/// Why the gate closed on scorecards that went out of sight.
#[must_use]
pub fn lost(accepted: usize, still: usize) -> String {
    format!("only {still} of the {accepted} accepted scorecards are visible")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://app.clearpointstrategy.com/api/v1";

    fn ids(range: std::ops::Range<i64>) -> Vec<ElementId> {
        range.map(ElementId).collect()
    }

    fn account(accepted: std::ops::Range<i64>) -> Account {
        Account { base_url: URL.into(), accepted: ids(accepted), ..Account::default() }
    }

    #[track_caller]
    fn check(accepted: std::ops::Range<i64>, visible: std::ops::Range<i64>, expected: &Passage) {
        assert_eq!(judge(Some(&account(accepted)), URL, &ids(visible)), *expected);
    }

    #[test]
    fn half_of_the_accepted_scorecards_is_enough_and_less_is_not() {
        check(0..10, 5..20, &Passage::Open);
        check(0..10, 6..20, &Passage::Closed("only 4 of the 10 accepted scorecards are visible".into()));
    }

    #[test]
    fn one_or_two_accepted_scorecards_out_of_sight_ask_for_more_evidence() {
        check(0..2, 1..3, &Passage::Open);
        check(0..2, 2..3, &Passage::Ask);
        check(0..1, 1..3, &Passage::Ask);
    }

    #[test]
    fn no_scorecard_at_all_is_never_open() {
        assert_eq!(judge(None, URL, &[]), Passage::NothingVisible);
        let released = Account { is_released: true, ..account(0..4) };
        assert_eq!(judge(Some(&released), URL, &[]), Passage::NothingVisible);
    }

    #[test]
    fn another_base_url_is_another_account_until_released() {
        let moved = "https://eu.clearpoint.example/api/v1";
        assert!(matches!(judge(Some(&account(0..4)), moved, &ids(0..4)), Passage::Closed(_)));
        let released = Account { is_released: true, ..account(0..4) };
        assert_eq!(judge(Some(&released), moved, &ids(0..4)), Passage::Open);
    }
}
