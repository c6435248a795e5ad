//! Asking: one request at a time, never more than was said beforehand, and no further when the server
//! has gone away.

use super::{Probe, Progress};
use crate::kind::{Kind, Paging};
use crate::probe::page::Page;
use crate::pull::{Ground, PullError, Question, RawAnswer};
use crate::run::Outcome;

/// Questions in a row without an answer after which no more are asked.
const LOST_MAX: u32 = 3;

/// Why no more is asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("the key is refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Closed(String),
    #[error("{0}; no more was asked")]
    Lost(String),
    #[error("the program was asked to stop")]
    Asked,
}

impl Stop {
    /// How a probe that stopped so has ended.
    pub(super) fn outcome(&self, is_let_in: bool) -> Outcome {
        match self {
            Self::Refused(_) => Outcome::Refused,
            Self::Closed(_) => Outcome::Failed,
            Self::Lost(_) | Self::Asked if is_let_in => Outcome::Partial,
            Self::Lost(_) | Self::Asked => Outcome::Failed,
        }
    }
}

/// A GET of a path that something says exists.
pub(super) fn get(path: &str, query: Vec<(&'static str, String)>) -> Question {
    Question { path: path.to_owned(), query, is_post: false, ground: Ground::Known }
}

/// The query for a page of a list; `at`: its number from 1, or its offset, as the kind is paged.
pub(super) fn page_query(kind: &Kind, at: u64, count: u32) -> Vec<(&'static str, String)> {
    let at = match kind.paging {
        Paging::Page => ("page", at.to_string()),
        Paging::Start => ("start", at.to_string()),
        Paging::None => return Vec::new(),
    };
    vec![at, ("count", count.to_string())]
}

impl Probe<'_> {
    /// Asks; the inner error is why there is no answer, which is a finding too.
    pub(super) async fn ask(&mut self, question: &Question) -> Result<Result<RawAnswer, String>, Stop> {
        let asked = self.raw.sent();
        let about = question.path.clone();
        self.job.progress.send_replace(Some(Progress { asked, at_most: self.at_most, about }));
        if asked >= self.at_most {
            return Ok(Err("not asked: so many requests were said beforehand".into()));
        }
        let mut cancel = self.job.cancel.clone();
        let answer = tokio::select! {
            biased;
            // A sender that is gone will never ask to stop.
            Ok(_) = cancel.wait_for(|stop| *stop) => return Err(Stop::Asked),
            answer = self.raw.ask(question) => answer,
        };
        self.judge(answer)
    }

    /// What an error means for the probe.
    pub(super) fn judge(
        &mut self,
        answer: Result<RawAnswer, PullError>,
    ) -> Result<Result<RawAnswer, String>, Stop> {
        match answer {
            Ok(answer) => {
                self.lost = 0;
                for header in &answer.rate_limits {
                    if !self.rate_limits.contains(header) {
                        self.rate_limits.push(header.clone());
                    }
                }
                Ok(Ok(answer))
            }
            Err(PullError::Refused(text)) => Err(Stop::Refused(text)),
            Err(PullError::Deferred { message, until }) => {
                Err(Stop::Lost(format!("{message} (until {})", until.format("%Y-%m-%d %H:%M:%SZ"))))
            }
            Err(error) => {
                self.lost += 1;
                let text = error.to_string();
                if self.lost >= LOST_MAX { Err(Stop::Lost(text)) } else { Ok(Err(text)) }
            }
        }
    }

    /// Asks for something of a kind's list.
    pub(super) async fn list(
        &mut self,
        kind: &Kind,
        query: Vec<(&'static str, String)>,
    ) -> Result<Page, Stop> {
        let answer = self.ask(&get(&kind.path, query)).await?;
        Ok(Page::of(answer, kind))
    }
}
