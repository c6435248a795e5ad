//! Stand-in until the driver is there.
use super::StoreError;
use super::sql::{Cell, Columns, Fault};
use crate::name::ConnectionName;
use std::fmt::Display;
type Cells<'a> = &'a [Cell<'a>];
#[derive(Debug)]
pub(super) struct Session;
#[expect(clippy::unused_self, missing_docs, reason = "stand-in")]
impl Session {
    pub(in crate::store) fn execute(&self, _: &str, _: Cells<'_>) -> Result<u64, Fault> {
        unimplemented!()
    }
    pub(in crate::store) fn query(&self, _: &str, _: Cells<'_>) -> Result<Vec<Vec<Cell<'static>>>, Fault> {
        unimplemented!()
    }
    pub(in crate::store) fn stream(
        &self,
        _: &str,
        _: Cells<'_>,
        _: &mut dyn FnMut(Vec<Cell<'static>>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        unimplemented!()
    }
    pub(in crate::store) fn batch(&self, _: &str) -> Result<(), Fault> {
        unimplemented!()
    }
    pub(in crate::store) fn copy_in(
        &self,
        _: &str,
        _: &[&str],
        _: &mut dyn Iterator<Item = Result<Vec<Cell<'_>>, Fault>>,
    ) -> Result<u64, Fault> {
        unimplemented!()
    }
    pub(in crate::store) fn execute_rows(
        &self,
        _: &str,
        _: Columns<'_>,
        _: &[Vec<Cell<'_>>],
    ) -> Result<u64, Fault> {
        unimplemented!()
    }
    pub(in crate::store) fn query_rows(
        &self,
        _: &str,
        _: Columns<'_>,
        _: &[Vec<Cell<'_>>],
    ) -> Result<Vec<Vec<Cell<'static>>>, Fault> {
        unimplemented!()
    }
}
/// Stand-in.
#[derive(Debug)]
pub struct Postgres;
#[expect(clippy::unused_self, reason = "stand-in")]
impl Postgres {
    pub(super) fn read<T>(
        &self,
        _: impl Display,
        _: impl FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        unimplemented!()
    }
    pub(super) fn write<T>(
        &self,
        _: impl Display,
        _: impl FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        unimplemented!()
    }
    pub(super) fn write_of<T>(
        &self,
        _: &ConnectionName,
        _: impl Display,
        _: impl FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        unimplemented!()
    }
    pub(super) fn bytes(&self) -> u64 {
        unimplemented!()
    }
    pub(super) fn write_probe(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub(super) fn answers(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
