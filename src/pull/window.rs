//! Requests under way together, answered in the order they are wanted. Each is a task of its own: while one
//! page is read, the others come in.

use std::collections::VecDeque;

use crate::pull::query::Query;
use crate::task::Task;

/// Requests under way together.
#[derive(Debug)]
pub(super) struct Window<T> {
    under_way: VecDeque<(Query, Task<T>)>,
}

impl<T: Send + 'static> Window<T> {
    pub(super) fn new() -> Self {
        Self { under_way: VecDeque::new() }
    }

    /// The answer to `query`, while those `ahead` are under way. What was asked for ahead and is not
    /// wanted any more is dropped.
    pub(super) async fn answer<F>(&mut self, query: Query, ahead: &[Query], fetch: impl Fn(Query) -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        let wanted = std::iter::once(query).chain(ahead.iter().copied());
        if !self
            .under_way
            .iter()
            .map(|(query, _)| *query)
            .zip(wanted.clone())
            .all(|(has, wants)| has == wants)
        {
            self.under_way.clear();
        }
        for query in wanted.skip(self.under_way.len()) {
            self.under_way.push_back((query, Task::begin(fetch(query))));
        }
        let (_, task) = self.under_way.pop_front().expect("the query has just been pushed");
        task.end().await
    }
}
