//! The door and the identity gate: whether this run may write at all.

use super::Pass;
use super::failure::Stop;
use crate::element::ElementId;
use crate::gate::{self, Account, Passage};
use crate::kind::{Kind, KindName};
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
        match self.or_stop(self.job.source.door()).await? {
            Ok(door) => {
                self.server_time = door.server_time;
                self.record_doors_closed(0).await
            }
            Err(PullError::DoorClosed(text)) => {
                let before = store.doors_closed(name).await?;
                self.record_doors_closed(before + 1).await?;
                Err(if before == 0 { Stop::DoorClosed(text) } else { Stop::Refused(text) })
            }
            Err(error) => Err(error.into()),
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
        let ask = Ask { kind, mode: Mode::Full, memory, expected: &[] };
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
        self.accept(account.as_ref()).await
    }

    /// The accepted set follows what is visible, at each full run and at the first one after a release.
    ///
    /// What is behind a scorecard that appeared was not edited because of that, so only a full run sees
    /// it: an incremental run that finds the set changed asks for one.
    async fn accept(&mut self, account: Option<&Account>) -> Result<(), Stop> {
        self.needs_full |=
            self.mode == Mode::Incremental && account.is_some_and(|account| account.accepted != self.visible);
        let base_url = self.job.connection.base_url.as_str();
        let is_same = |account: &Account| {
            account.accepted == self.visible && account.base_url == base_url && !account.is_released
        };
        let follows = self.mode == Mode::Full || account.is_none_or(|account| account.is_released);
        if self.id.is_some() && follows && !account.is_some_and(is_same) {
            self.job.store.accept(&self.job.connection.name, base_url, &self.visible).await?;
        }
        Ok(())
    }

    /// With one or two accepted scorecards, all out of sight: the account is the same if some stored
    /// element still answers a direct read with its stored name.
    async fn ask_stored_elements(&self, account: Option<&Account>) -> Result<(), Stop> {
        let name = &self.job.connection.name;
        let mut unclear = None;
        for (kind, id, stored) in self.job.store.names(name, ASKED_MAX).await? {
            match self.ask_stored_element(&kind, id).await? {
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

    /// Reads one stored element; one of a kind that is no longer configured tells nothing.
    async fn ask_stored_element(&self, kind: &KindName, id: ElementId) -> Result<Single, Stop> {
        let Some(kind) = self.job.connection.kinds.iter().find(|known| known.name == *kind) else {
            return Ok(Single::Absent);
        };
        Ok(self.or_stop(self.job.source.read(kind, id)).await??)
    }
}
