//! Exit codes, the same everywhere.

use std::process::ExitCode;

use crate::run::Outcome;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Done,
    /// A run failed: nothing usable was stored for a connection that was due.
    Failed,
    /// A person must change something: the call or the configuration.
    MustChange,
    /// A key was refused (or, for `keys` and `check`, is expired or inside `--fail-within`).
    Refused,
    /// Something was stored, something else was not; or the command was asked to stop before its end.
    Partial,
    /// Another process is at it.
    Busy,
}

impl Exit {
    /// The number the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::MustChange => 2,
            Self::Refused => 3,
            Self::Partial => 4,
            Self::Busy => 75,
        }
    }

    /// Over several connections the first that applies of 2, 1, 3, 4, 75, 0.
    #[must_use]
    pub fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        const ORDER: [Exit; 6] =
            [Exit::MustChange, Exit::Failed, Exit::Refused, Exit::Partial, Exit::Busy, Exit::Done];
        let rank = |exit: &Self| ORDER.iter().position(|other| other == exit);
        all.into_iter().min_by_key(rank).unwrap_or(Self::Done)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Done,
            Outcome::Partial => Self::Partial,
            Outcome::Failed | Outcome::Deferred => Self::Failed,
            Outcome::Refused => Self::Refused,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_exit_is_chosen_in_the_documented_order() {
        assert_eq!(Exit::worst([Exit::Done, Exit::Busy, Exit::Partial]), Exit::Partial);
        assert_eq!(Exit::worst([Exit::Refused, Exit::Failed]), Exit::Failed);
        assert_eq!(Exit::worst([]), Exit::Done);
    }
}
