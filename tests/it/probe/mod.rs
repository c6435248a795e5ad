//! The probe, from outside: what it prints, as each test looks at it.

mod conduct;
mod informed;
mod questions;

use std::collections::BTreeMap;

use clearpoint_sync::kind::{Kind, KindName, Paging};
use clearpoint_sync::simulator::{Size, Switches, World};
use serde_json::Value;

use crate::harness::{Bench, Setup};
use crate::program::Ran;

pub(super) async fn bench(switches: Switches, page_size: u32) -> Bench {
    Setup { switches, page_size, ..Setup::of(World::generate(141, &Size::small())) }.start().await
}

pub(super) async fn probe(bench: &Bench, options: &[&str]) -> Findings {
    let ran = bench.run(&[&["probe", "city", "--json"], options].concat()).await;
    ran.assert_code(&[0]);
    Findings::of(&ran)
}

/// What a probe printed.
pub(super) struct Findings {
    printed: Value,
    pub(super) answers: BTreeMap<(String, String), String>,
}

impl Findings {
    pub(super) fn of(ran: &Ran) -> Self {
        let printed: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran}"));
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
        let findings = printed["findings"].as_array().unwrap().iter();
        let answers = findings
            .map(|finding| ((text(finding, "kind"), text(finding, "question")), text(finding, "answer")));
        Self { answers: answers.collect(), printed }
    }

    pub(super) fn requests(&self) -> (u64, u64) {
        (self.printed["requests"].as_u64().unwrap(), self.printed["requests_max"].as_u64().unwrap())
    }

    /// The answer to a question begins so.
    #[track_caller]
    pub(super) fn check(&self, kind: &str, question: &str, answer: &str) {
        let told = self.answers.get(&(kind.to_owned(), question.to_owned()));
        assert!(
            told.is_some_and(|told| told.starts_with(answer)),
            "{kind} {question}: {told:?}, not {answer:?}"
        );
    }

    /// The answer to a question that was asked of one kind, for all, begins so.
    #[track_caller]
    pub(super) fn check_server(&self, question: &str, answer: &str) {
        let mut told = self.answers.iter().filter(|((_, asked), _)| asked == question).map(|(_, told)| told);
        let (first, more) = (told.next(), told.next());
        let is_it = first.is_some_and(|told| told.starts_with(answer));
        assert!(is_it && more.is_none(), "{question}: {first:?}, {more:?}, not {answer:?}");
    }
}

/// A kind that no catalogue knows.
pub(super) fn milestones(paging: Paging) -> Kind {
    Kind {
        name: KindName::new("milestones"),
        path: "/milestones".to_owned(),
        list_name: "milestones".to_owned(),
        id_fields: vec!["id".to_owned()],
        paging,
        last_edited: true,
        volatile: Vec::new(),
        signed_links: false,
    }
}
