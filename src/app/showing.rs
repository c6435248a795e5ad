//! Puts how everything stands on the board, for whoever tells it.

use super::{AppError, Engine};
use crate::config::Connection;
use crate::name::ConnectionName;
use crate::survey;

/// So many of the latest changes are shown.
const CHANGES_SHOWN: u32 = 25;

impl Engine {
    /// Has room for these settings' connections, and no others, in what is shown and counted. Before any
    /// of them has its turn, so that nothing of it is missed.
    pub fn make_room(&self) {
        self.metrics.keep(&self.config.connections);
        self.board.seat(self.config.connections.iter().map(|connection| &connection.name));
    }

    /// Looks at everything, and shows it where there is [room](Self::make_room).
    ///
    /// # Errors
    /// The store cannot be read; of connections, all that can be looked at are shown even so.
    pub async fn survey(&self) -> Result<(), AppError> {
        let mut shown = Ok(());
        for connection in &self.config.connections {
            shown = shown.and(self.show_connection(connection).await);
        }
        shown?;
        let names: Vec<&ConnectionName> =
            self.config.connections.iter().map(|connection| &connection.name).collect();
        self.board.show_left_behind(survey::left_behind(&self.store, &names).await?);
        self.show_store().await
    }

    /// Looks at one connection after its turn, and shows it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn show(&self, connection: &Connection) -> Result<(), AppError> {
        self.show_connection(connection).await?;
        self.show_store().await
    }

    async fn show_connection(&self, connection: &Connection) -> Result<(), AppError> {
        let _alone = self.looking.lock().await;
        let (status, warnings) = survey::connection(&self.store, connection, self.clock.now()).await?;
        self.board.show(&connection.name, status, warnings);
        Ok(())
    }

    async fn show_store(&self) -> Result<(), AppError> {
        let _alone = self.looking.lock().await;
        self.board.show_changes(self.store.latest_changes(CHANGES_SHOWN).await?);
        self.board.show_bytes(self.store.bytes());
        Ok(())
    }
}
