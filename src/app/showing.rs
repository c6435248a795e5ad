//! Puts how everything stands on the board, for whoever tells it.

use super::{AppError, Engine};
use crate::config::Connection;
use crate::name::ConnectionName;
use crate::survey;

/// So many of the latest changes are shown.
const CHANGES_SHOWN: u32 = 25;

impl Engine {
    /// Looks at everything, and shows it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn survey(&self) -> Result<(), AppError> {
        self.metrics.keep(&self.config.connections);
        for connection in &self.config.connections {
            let (status, warnings) = survey::connection(&self.store, connection, self.clock.now()).await?;
            self.board.show(&connection.name, status, warnings);
        }
        let names: Vec<&ConnectionName> =
            self.config.connections.iter().map(|connection| &connection.name).collect();
        self.board.keep(&names, survey::left_behind(&self.store, &names).await?);
        self.show_store().await
    }

    /// Looks at one connection after its turn, and shows it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn show(&self, connection: &Connection) -> Result<(), AppError> {
        let (status, warnings) = survey::connection(&self.store, connection, self.clock.now()).await?;
        self.board.show(&connection.name, status, warnings);
        self.show_store().await
    }

    async fn show_store(&self) -> Result<(), AppError> {
        self.board.show_changes(self.store.latest_changes(CHANGES_SHOWN).await?);
        self.board.show_bytes(self.store.bytes());
        Ok(())
    }
}
