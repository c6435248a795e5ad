//! The shape of `measureData`: whether the values of a measure are recognised, and by which names.

use std::collections::BTreeSet;

use super::Probe;
use super::ask::{Stop, get};
use super::outline::outline;
use super::singles::COMPARED;
use crate::kind::KindName;
use crate::pull::RawAnswer;
use crate::values;

impl Probe<'_> {
    /// Asks for the values of the first measures.
    pub(super) async fn measure_data(&mut self) -> Result<(), Stop> {
        let measures = self.lists.iter().find(|listed| listed.kind.name.as_str() == KindName::MEASURES);
        let Some(measures) = measures.cloned() else { return Ok(()) };
        let name = &measures.kind.name;
        let mut answers: Vec<(String, String)> = Vec::new();
        for id in measures.page.ids().into_iter().take(COMPARED) {
            let path = format!("{}/{id}/measureData", measures.kind.path);
            let (answer, seen) = match self.ask(&get(&path, Vec::new())).await? {
                Ok(answer) => {
                    (recognised(&answer), format!("{}; {}", answer.status_text, outline(&answer.text)))
                }
                Err(why) => ("not settled".to_owned(), why),
            };
            // A measure without values says least.
            answers.push((answer, seen));
        }
        let settled = answers.iter().find(|(answer, _)| !answer.starts_with("no values"));
        let told = match settled.or(answers.first()) {
            Some((answer, seen)) => (answer.clone(), format!("{} measures read; {seen}", answers.len())),
            None => ("not asked: no measure was listed".to_owned(), measures.page.what.clone()),
        };
        self.find(name, "measure_data", told.0, told.1);
        Ok(())
    }
}

fn recognised(answer: &RawAnswer) -> String {
    if !(200..300).contains(&answer.status) {
        return answer.status_text.clone();
    }
    let Ok(points) = values::recognise(&answer.text) else { return "not recognised".to_owned() };
    let count = |names: BTreeSet<&str>| names.len();
    let series = count(points.iter().map(|point| point.series.as_str()).collect());
    let periods = count(points.iter().map(|point| point.period.as_str()).collect());
    match points.iter().filter(|point| point.value.is_some() || point.text.is_some()).count() {
        _ if points.is_empty() => "no values".to_owned(),
        0 => format!("recognised: {series} series, {periods} periods, all empty"),
        _ => format!("recognised: {series} series, {periods} periods"),
    }
}
