//! Single reads: what they carry that list rows lack, whether status and the like appear at all, and what
//! an id answers that nothing has.

use std::collections::{BTreeMap, BTreeSet};

use super::Probe;
use super::ask::{Stop, get};
use super::lists::Listed;
use super::outline::{outline, plain};
use crate::pull::RawAnswer;
use crate::tolerate::{self, Comparison};

/// Single reads compared with their list rows, of each kind.
pub(super) const COMPARED: usize = 3;
/// Requests besides: the id that nothing has.
pub(super) const REQUESTS_MORE: u64 = 1;
/// An id that nothing has, though it is a lawful one.
const NO_ID: i64 = 2_000_000_011;
/// Parts of field names that hold a value per reporting period.
const UPDATES: [&str; 6] =
    ["status", "period", "analysis", "recommendation", "percentcomplete", "evaluation"];

impl Probe<'_> {
    /// Compares list rows with single reads, kind after kind.
    pub(super) async fn singles(&mut self) -> Result<(), Stop> {
        for listed in self.lists.clone() {
            if listed.page.ids().is_empty() {
                if listed.received() > 0 {
                    let seen = format!("page 1 {}", listed.page.what);
                    self.find(&listed.kind.name, "single_read", "not asked: no row has an id", seen);
                }
                continue;
            }
            self.compare(&listed).await?;
        }
        let listed = self.lists.iter().find(|listed| !listed.page.ids().is_empty());
        let Some(kind) = listed.map(|listed| listed.kind.clone()) else { return Ok(()) };
        let answer = self.ask(&get(&format!("{}/{NO_ID}", kind.path), Vec::new())).await?;
        let (answer, seen) = match answer {
            Ok(answer) => (answer.status_text, outline(&answer.text)),
            Err(why) => ("not settled".to_owned(), why),
        };
        self.find(&kind.name, "missing_id", answer, seen);
        Ok(())
    }

    async fn compare(&mut self, listed: &Listed) -> Result<(), Stop> {
        let kind = &listed.kind;
        let mut comparison = Comparison::default();
        let mut answers: BTreeMap<String, u32> = BTreeMap::new();
        let mut shape = None;
        for row in listed.page.rows().iter().take(COMPARED) {
            let (Some(id), Some(document)) = (row.id, &row.document) else { continue };
            let answer = self.ask(&get(&format!("{}/{id}", kind.path), Vec::new())).await?;
            let what = match answer {
                Ok(answer) => match readable(&answer).then(|| tolerate::single(&answer.text, kind)).flatten()
                {
                    Some(single) => {
                        comparison.add(document, single);
                        let is_bare = single.len() == answer.text.trim().len();
                        shape.get_or_insert(if is_bare {
                            "the document itself"
                        } else {
                            "the document in an object"
                        });
                        format!("{}, a document", answer.status_text)
                    }
                    None => format!("{}, no document", answer.status_text),
                },
                Err(why) => why,
            };
            *answers.entry(what).or_default() += 1;
        }
        let told: Vec<String> = answers.iter().map(|(what, times)| format!("{times} × {what}")).collect();
        let told = told.join("; ");
        self.find(&kind.name, "single_read", shape.unwrap_or("no document"), told.clone());
        if let Some(finding) = comparison.finding(kind) {
            let counts = (comparison.listed().len(), comparison.single().len());
            let seen = format!("{told}; {} fields in list rows, {} in single reads", counts.0, counts.1);
            self.find(&kind.name, Comparison::FINDING, finding, seen);
            let (listed, single) = (updates(comparison.listed()), updates(comparison.single()));
            let answer = format!("list rows: {listed}; single reads: {single}");
            self.find(&kind.name, "update_fields", answer, told);
        }
        Ok(())
    }
}

fn readable(answer: &RawAnswer) -> bool {
    (200..300).contains(&answer.status) && answer.is_whole
}

/// The fields that hold a value per reporting period, as far as their names tell.
fn updates(fields: &BTreeSet<String>) -> String {
    let is_update = |field: &&String| {
        let field = field.to_lowercase();
        UPDATES.iter().any(|part| field.contains(part))
    };
    let names: Vec<String> = fields.iter().filter(is_update).map(|field| plain(field)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
