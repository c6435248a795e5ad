//! The door and the identity gate: whether this run may write at all.

use super::failure::Stop;
use super::{Pass, skew};
use crate::gate::{self, Account, Passage};
use crate::kind::Kind;
use crate::memory::KindMemory;
use crate::pull::{Ask, PullError, Pulled, Single, Source};
use crate::run::Mode;
use crate::snapshot::Extent;

/// Stored elements read directly when the scorecards alone prove too little.
const ASKED_MAX: u32 = 20;

impl<S: Source> Pass<'_, S> {
    /// Asks for page 1 of the scorecards, alone. A closed door is transient the first time and means a
    /// refused key when two runs in a row find it closed.
    pub(super) async fn open_door(&mut self) -> Result<(), Stop> {
        let store = self.job.store;
        let name = &self.job.connection.name;
        let asked_at = self.job.clock.now();
        match self.or_stop(self.job.source.door()).await? {
            Ok(door) => {
                let now = self.job.clock.now();
                self.server_ahead = door.server_time.map(|server| skew::between(asked_at, server, now));
                self.record_doors_closed(0).await
            }
            Err(PullError::DoorClosed(text)) => {
                let before = store.doors_closed(name).await?;
                self.record_doors_closed(before + 1).await?;
                Err(if before == 0 { Stop::DoorClosed(text) } else { Stop::Refused(text) })
            }
            Err(error) => {
                // Only two in a row mean a refused key.
                self.record_doors_closed(0).await?;
                Err(error.into())
            }
        }
    }

    async fn record_doors_closed(&self, count: u32) -> Result<(), Stop> {
        if self.id.is_some() {
            self.job.store.record_doors_closed(&self.job.connection.name, count).await?;
        }
        Ok(())
    }

    /// Pulls all scorecards: without them there is no run.
    pub(super) async fn pull_scorecards(&mut self, kind: &Kind, memory: &KindMemory) -> Result<Pulled, Stop> {
        // All of them with their documents: which came into sight is told by name.
        let ask = Ask { kind, mode: Mode::Full, memory, expected: &[], known: None };
        let pulled = match self.or_stop(self.job.source.pull(ask)).await? {
            Ok(pulled) => pulled,
            Err(error @ PullError::Deferred { .. }) => return Err(error.into()),
            Err(error) => {
                let text = error.to_string();
                self.lose(kind, memory, self.started_at, error).await?;
                return Err(Stop::Lost(text));
            }
        };
        if let Extent::Incomplete(reason) = &pulled.snapshot.extent {
            let text = format!(
                "scorecards are not listed to the end ({reason}), and nothing is written without them"
            );
            return Err(Stop::Lost(text));
        }
        Ok(pulled)
    }

    /// Lets the run write only if what is visible is the accepted account, or has been released.
    pub(super) async fn pass_gate(&mut self, scorecards: &Pulled) -> Result<(), Stop> {
        let store = self.job.store;
        let name = &self.job.connection.name;
        self.visible = scorecards.snapshot.entries.iter().map(|entry| entry.id).collect();
        let account = store.account(name).await?;
        let base_url = self.job.connection.base_url.as_str();
        match gate::judge(account.as_ref(), base_url, &self.visible) {
            Passage::Open => {}
            Passage::NothingVisible => return Err(Stop::NothingVisible),
            Passage::Closed(reason) => return Err(Stop::AccountChanged(reason)),
            Passage::Ask => self.ask_stored_elements(account.as_ref()).await?,
        }
        self.is_let_in = true;
        self.accept(account.as_ref(), scorecards).await
    }

    /// With one or two accepted scorecards, all out of sight: the account is the same if some stored
    /// element still answers a direct read with its stored name.
    async fn ask_stored_elements(&self, account: Option<&Account>) -> Result<(), Stop> {
        let name = &self.job.connection.name;
        let mut unclear = None;
        let kinds = &self.job.connection.kinds;
        for (kind, id, stored) in self.job.store.names(name, kinds, ASKED_MAX).await? {
            match self.or_stop(self.job.source.read(kind, id)).await?? {
                Single::Readable { name: Some(name), .. } if name == stored => return Ok(()),
                Single::Unclear(what) => unclear = Some(what),
                _ => {}
            }
        }
        if let Some(what) = unclear {
            let text = format!("whether this is the accepted account cannot be told: {what}");
            return Err(Stop::Lost(text));
        }
        let accepted = account.map_or(0, |account| account.accepted.len());
        Err(Stop::AccountChanged(gate::lost(accepted, 0)))
    }
}
