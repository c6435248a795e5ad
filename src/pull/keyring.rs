//! The keys a client asks with, one after the other, and the one second chance that each gets when the
//! server refuses it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;
use crate::key::{KeyPair, KeySlot};

/// How long to wait before a refused key is tried once more.
const SECOND_CHANCE: Duration = Duration::from_secs(5);

/// Reads both halves of the key again from where they come from; the error is for people.
pub type Reread = Arc<dyn Fn() -> Result<KeyPair, String> + Send + Sync>;

/// A key that may be asked with.
#[derive(Clone)]
pub struct Contender {
    /// Which of the connection's keys.
    pub slot: KeySlot,
    /// Both halves, as they were just read.
    pub pair: KeyPair,
    /// Reads both halves again.
    pub reread: Reread,
    /// Whether it is read and asked with once more where it is refused: its halves may be in the middle
    /// of being replaced.
    pub has_second_chance: bool,
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// What the server said of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It opened the door.
    Taken,
    /// It is refused; what came, for people.
    Refused(String),
}

/// A key that was asked with.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Which of the connection's keys.
    pub slot: KeySlot,
    /// The halves that were sent last.
    pub pair: KeyPair,
    /// What the server said last.
    pub word: Word,
}

/// The keys of a client, of which one is in use.
pub(super) struct Keyring {
    state: Mutex<State>,
    /// Held while a refused key gets its second chance, so that requests under way together do not
    /// each ask for one.
    chance: tokio::sync::Mutex<()>,
}

struct State {
    contenders: Vec<Contender>,
    /// The one in use.
    position: usize,
    /// Rises with every pair of halves, so that an answer to an old one is known as such.
    generation: u64,
    is_doubted: bool,
    refused: Option<String>,
    heard: Vec<Heard>,
}

impl State {
    fn current(&self) -> &Contender {
        &self.contenders[self.position]
    }

    fn begin(&mut self) {
        self.is_doubted = !self.current().has_second_chance;
        self.refused = None;
    }

    fn hear(&mut self, word: Word) {
        let Contender { slot, pair, .. } = self.current();
        let heard = Heard { slot: *slot, pair: pair.clone(), word };
        self.heard.retain(|before| before.slot != heard.slot);
        self.heard.push(heard);
    }

    fn give_up(&mut self, what: &str) -> String {
        if self.refused.is_none() {
            self.refused = Some(what.to_owned());
            self.hear(Word::Refused(what.to_owned()));
        }
        what.to_owned()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

impl Keyring {
    /// Keys not yet tried, in the order in which they are asked with; at least one.
    #[must_use]
    pub(super) fn new(contenders: Vec<Contender>) -> Self {
        assert!(!contenders.is_empty(), "a client has a key");
        let mut state = State {
            contenders,
            position: 0,
            generation: 0,
            is_doubted: false,
            refused: None,
            heard: Vec::new(),
        };
        state.begin();
        Self { state: Mutex::new(state), chance: tokio::sync::Mutex::default() }
    }

    /// Forgets an earlier refusal of the key in use: it is asked afresh.
    pub(super) fn begin(&self) {
        self.state().begin();
    }

    /// The key to ask with, and its generation.
    ///
    /// # Errors
    /// What the server said when it refused the key for good.
    pub(super) fn current(&self) -> Result<(u64, KeyPair), String> {
        let state = self.state();
        match &state.refused {
            Some(refused) => Err(refused.clone()),
            None => Ok((state.generation, state.current().pair.clone())),
        }
    }

    /// The server answered the key of this generation.
    pub(super) fn accept(&self, generation: u64) {
        let mut state = self.state();
        if state.generation == generation {
            state.is_doubted = false;
        }
    }

    /// The key in use opened the door.
    pub(super) fn take(&self) {
        self.state().hear(Word::Taken);
    }

    /// The server refused the key of this generation: waits, reads both halves again, and lets the
    /// request be sent once more.
    ///
    /// # Errors
    /// What the server said: it refused the key again, after that.
    pub(super) async fn refuse(&self, clock: &Clock, generation: u64, what: &str) -> Result<(), String> {
        let _chance = self.chance.lock().await;
        let reread = {
            let mut state = self.state();
            if let Some(refused) = &state.refused {
                return Err(refused.clone());
            }
            if state.generation > generation {
                return Ok(());
            }
            if state.is_doubted {
                return Err(state.give_up(what));
            }
            Arc::clone(&state.current().reread)
        };
        clock.sleep(SECOND_CHANCE).await;
        let pair = reread();
        let mut state = self.state();
        if state.generation > generation {
            return Ok(());
        }
        state.generation += 1;
        state.is_doubted = true;
        if let Ok(pair) = pair {
            let position = state.position;
            state.contenders[position].pair = pair;
        }
        Ok(())
    }

    /// The server refused the key of this generation for good: nothing is asked with it until
    /// [`Keyring::begin`].
    pub(super) fn give_up(&self, generation: u64, what: &str) -> String {
        let mut state = self.state();
        if state.generation > generation {
            return what.to_owned();
        }
        state.give_up(what)
    }

    /// The key in use is of no more use: moves on to the next; `false`: there is none.
    pub(super) fn fall_over(&self, what: &str) -> bool {
        let mut state = self.state();
        state.give_up(what);
        if state.position + 1 == state.contenders.len() {
            return false;
        }
        state.position += 1;
        state.generation += 1;
        state.begin();
        true
    }

    /// What the server said of the keys it was asked with.
    #[must_use]
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.state().heard.clone()
    }

    /// The text without either half of any key, should a server repeat them.
    #[must_use]
    pub(super) fn scrub(&self, text: String) -> String {
        let state = self.state();
        let pairs = state.contenders.iter().map(|contender| &contender.pair);
        let halves = pairs.flat_map(|pair| [&pair.access_key, &pair.secret_key]);
        halves.map(SecretString::expose_secret).fold(text, |text, half| {
            let encoded: String = url::form_urlencoded::byte_serialize(half.as_bytes()).collect();
            text.replace(half, "…").replace(&encoded, "…")
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
