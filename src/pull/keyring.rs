//! The key a client asks with, and the one second chance it gets when the server refuses it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;
use crate::key::KeyPair;

/// How long to wait before a refused key is tried once more.
const SECOND_CHANCE: Duration = Duration::from_secs(5);

/// Reads both halves of the key again from where they come from; the error is for people.
pub type Reread = Arc<dyn Fn() -> Result<KeyPair, String> + Send + Sync>;

/// The key in use.
pub(super) struct Keyring {
    reread: Reread,
    state: Mutex<State>,
    /// Held while a refused key gets its second chance, so that requests under way together do not
    /// each ask for one.
    chance: tokio::sync::Mutex<()>,
}

struct State {
    pair: KeyPair,
    generation: u64,
    is_doubted: bool,
    /// It was refused in an earlier run: it gets no second chance.
    is_known_refused: bool,
    refused: Option<String>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

impl Keyring {
    /// A key not yet tried.
    #[must_use]
    pub(super) fn new(pair: KeyPair, reread: Reread) -> Self {
        let state = State { pair, generation: 0, is_doubted: false, is_known_refused: false, refused: None };
        Self { reread, state: Mutex::new(state), chance: tokio::sync::Mutex::default() }
    }

    /// Forgets earlier refusals: a new run asks afresh.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.is_doubted = state.is_known_refused;
        state.refused = None;
    }

    /// This very key was refused in an earlier run: if it is refused again, once is enough.
    pub(super) fn expect_refusal(&self) {
        self.state().is_known_refused = true;
    }

    /// The key to ask with, and its generation.
    ///
    /// # Errors
    /// What the server said when it refused the key for good.
    pub(super) fn current(&self) -> Result<(u64, KeyPair), String> {
        let state = self.state();
        match &state.refused {
            Some(refused) => Err(refused.clone()),
            None => Ok((state.generation, state.pair.clone())),
        }
    }

    /// The server took the key of this generation.
    pub(super) fn accept(&self, generation: u64) {
        let mut state = self.state();
        if state.generation == generation {
            state.is_doubted = false;
        }
    }

    /// The server refused the key of this generation: waits, reads both halves again, and lets the
    /// request be sent once more.
    ///
    /// # Errors
    /// What the server said: it refused the key again, after that.
    pub(super) async fn refuse(&self, clock: &Clock, generation: u64, what: &str) -> Result<(), String> {
        let _chance = self.chance.lock().await;
        {
            let state = self.state();
            if let Some(refused) = &state.refused {
                return Err(refused.clone());
            }
            if state.generation > generation {
                return Ok(());
            }
            if state.is_doubted {
                drop(state);
                return Err(self.give_up(what));
            }
        }
        clock.sleep(SECOND_CHANCE).await;
        let pair = (self.reread)();
        let mut state = self.state();
        state.generation += 1;
        state.is_doubted = true;
        if let Ok(pair) = pair {
            state.pair = pair;
        }
        Ok(())
    }

    /// The server refused the key for good: nothing is asked with it until [`Keyring::begin`].
    pub(super) fn give_up(&self, what: &str) -> String {
        self.state().refused.get_or_insert_with(|| what.to_owned()).clone()
    }

    /// The text without either half of the key, should a server repeat them.
    #[must_use]
    pub(super) fn scrub(&self, text: String) -> String {
        let state = self.state();
        let halves = [&state.pair.access_key, &state.pair.secret_key];
        halves.into_iter().map(SecretString::expose_secret).fold(text, |text, half| {
            let encoded: String = url::form_urlencoded::byte_serialize(half.as_bytes()).collect();
            text.replace(half, "…").replace(&encoded, "…")
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
