//! Every odd body and document that has been thought of, and random ones.

mod bodies;
mod documents;
mod id_fields;
mod imprints;
mod lists;
mod rows;
mod singles;
mod text;

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::element::ElementId;
use crate::fingerprint::of_document;
use crate::fingerprint::tests::json;
use crate::kind::{Kind, catalogue};
use crate::snapshot::Rejected;

fn kind(name: &str) -> Kind {
    let mut kinds = catalogue().into_iter();
    kinds.find(|kind| kind.name.as_str() == name).unwrap()
}

fn raw(text: &str) -> &str {
    serde_json::from_str::<&RawValue>(text).unwrap().get()
}

fn objective(text: &str) -> Result<Row<'_>, Rejected> {
    row(raw(text), &kind("objectives"), "objectId")
}
